/* Tickets: opening one, reading them, and what was sent about them. */
#include <string.h>

#include "producer/call.h"

/* ---- opening ---- */

/* Whose it is: a customer's own, or whom the staff names. */
static int choose_owner(const struct hd_call *call, const char **ret_owner_id, struct hd_error *err) {
    const char *owner_id = hd_json_str(call->body, "ownerId");
    if (owner_id && hd_call_by_customer(call) && strcmp(owner_id, call->caller.subject) != 0)
        return hd_error_set(err, HD_ERR_FORBIDDEN, "A customer opens tickets for themselves only: leave ownerId out.");
    *ret_owner_id = owner_id ? owner_id : call->caller.subject;
    return 0;
}

static int read_tags(struct hd_call *call, const char **ret_tags, struct hd_error *err) {
    const json_t *tags = json_object_get(call->body, "tags");
    if (json_array_size(tags) == 0) {
        *ret_tags = NULL;
        return 0;
    }
    hd_buffer_clear(&call->text);
    hd_json_dump(&call->text, tags);
    size_t len;
    return hd_call_text(call, ret_tags, &len, err);
}

static int read_ticket(struct hd_call *call, struct hd_ticket *ret_ticket, struct hd_error *err) {
    const char *priority = hd_json_str(call->body, "priority"), *description = hd_json_str(call->body, "description");
    struct hd_ticket ticket = {
        .ticket_id = hd_call_new_id(call),
        .version = 1,
        .title = hd_json_str(call->body, "title"),
        .description = description ? description : "",
        .status = HD_TICKET_OPEN,
        .priority = priority ? (enum hd_priority)hd_priority_from_name(priority) : HD_PRIORITY_NORMAL,
        .channels = hd_channels_from_json(json_object_get(call->body, "channels")),
        .created_at_ms = call->ctx->now_ms,
        .updated_at_ms = call->ctx->now_ms,
    };
    if (!ticket.ticket_id)
        return hd_call_no_memory(err);
    int r = choose_owner(call, &ticket.owner_id, err);
    if (!r)
        r = read_tags(call, &ticket.tags, err);
    if (!r)
        *ret_ticket = ticket;
    return r;
}

/* Written straight: valid by schemas/events/TicketCreated.v1.json, which a test proves, so it is not checked again for each ticket. */
static int write_payload(struct hd_call *call, const struct hd_ticket *ticket, const char **ret_payload, struct hd_error *err) {
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "ticketId", ticket->ticket_id);
    hd_json_put_str(&w, "userId", ticket->owner_id);
    hd_json_put_str(&w, "title", ticket->title);
    hd_json_put_str(&w, "description", ticket->description);
    hd_json_put_str(&w, "priority", hd_priority_name(ticket->priority));
    if (ticket->channels)
        hd_channels_write(&w, "channels", ticket->channels);
    hd_json_close_object(&w);
    if (call->text.len > HD_EVENT_MAX_BYTES)
        return hd_call_refuse(call, err, "/description", "maxLength", "must leave the event that it makes at most %d bytes",
                              HD_EVENT_MAX_BYTES);
    size_t len;
    return hd_call_text(call, ret_payload, &len, err);
}

static int make_event(struct hd_call *call, const struct hd_ticket *ticket, struct hd_event *ret_event, struct hd_error *err) {
    struct hd_event event = {
        .event_id = hd_call_new_id(call),
        .type = HD_EVENT_TICKET_CREATED,
        .schema_version = 1,
        .occurred_at_ms = call->ctx->now_ms,
        .accepted_at_ms = call->ctx->now_ms,
        .ticket_id = ticket->ticket_id,
        .actor_id = call->caller.subject,
        .correlation_id = call->correlation_id,
        .traceparent = call->traceparent,
    };
    if (!event.event_id)
        return hd_call_no_memory(err);
    int r = write_payload(call, ticket, &event.payload, err);
    if (!r)
        *ret_event = event;
    return r;
}

int hd_create_ticket(struct hd_call *call, struct hd_error *err) {
    struct hd_ticket ticket = {0};
    struct hd_event event = {0};
    int r = read_ticket(call, &ticket, err);
    if (!r)
        r = make_event(call, &ticket, &event, err);
    if (r < 0)
        return r;
    hd_put_ticket(call->changes, &ticket, 0);
    hd_append_event(call->changes, &event);
    hd_enqueue(call->changes, HD_QUEUE_ROUTER, HD_LANE_NORMAL, hd_task_write(call->arena, "eventId", event.event_id), call->ctx->now_ms, 0);

    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_ticket_put_members(&w, &ticket);
    hd_json_put_str(&w, "eventId", event.event_id);
    hd_json_close_object(&w);
    r = hd_call_locate(call, "/tickets", ticket.ticket_id, err);
    if (!r)
        r = hd_call_etag(call, ticket.version, err);
    return r ? r : hd_call_answer(call, 201, err);
}

/* ---- reading ---- */

/* The ticket of the path, if the caller may see it. */
static int find_ticket(struct hd_call *call, const struct hd_ticket **ret_ticket, struct hd_error *err) {
    const struct hd_ticket *ticket = NULL;
    int r = call->ctx->store->ops->ticket(call->ctx->store, call->arena, call->id, &ticket, err);
    if (r < 0)
        return r;
    bool own = ticket && ticket->owner_id && strcmp(ticket->owner_id, call->caller.subject) == 0;
    bool may_see = ticket && (own || !hd_call_by_customer(call));
    if (!may_see)
        return hd_call_not_found(err, "ticket");
    *ret_ticket = ticket;
    return 0;
}

int hd_get_ticket(struct hd_call *call, struct hd_error *err) {
    const struct hd_ticket *ticket = NULL;
    int r = find_ticket(call, &ticket, err);
    if (!r)
        r = hd_call_etag(call, ticket->version, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write(call);
    hd_ticket_write(&w, NULL, ticket);
    return hd_call_answer(call, 200, err);
}

int hd_list_tickets(struct hd_call *call, struct hd_error *err) {
    struct hd_ticket_filter filter;
    struct hd_page page;
    int r = hd_call_query_name(call, "status", hd_ticket_status_from_name, &filter.status, err);
    if (!r)
        r = hd_call_query_name(call, "priority", hd_priority_from_name, &filter.priority, err);
    if (!r)
        r = hd_call_query_id(call, "ownerId", &filter.owner_id, err);
    if (!r)
        r = hd_call_page(call, &page, err);
    if (r < 0)
        return r;
    if (hd_call_by_customer(call))
        filter.owner_id = call->caller.subject;
    const struct hd_ticket *tickets = NULL;
    size_t count = 0;
    const char *next_cursor = NULL;
    r = call->ctx->store->ops->tickets(call->ctx->store, call->arena, &filter, &page, &tickets, &count, &next_cursor, err);
    if (r < 0)
        return hd_call_list_failed(call, r, err);
    struct hd_json_writer w = hd_call_write_list(call);
    for (size_t i = 0; i < count; i++)
        hd_ticket_write(&w, NULL, &tickets[i]);
    return hd_call_answer_list(call, &w, next_cursor, err);
}

int hd_list_ticket_notifications(struct hd_call *call, struct hd_error *err) {
    const struct hd_ticket *ticket = NULL;
    struct hd_page page;
    int r = hd_call_page(call, &page, err);
    if (!r)
        r = find_ticket(call, &ticket, err);
    if (r < 0 || !ticket)
        return r;
    struct hd_notification_filter filter = {.status = -1, .channel = -1, .ticket_id = ticket->ticket_id};
    if (hd_call_by_customer(call))
        filter.target = call->caller.subject;
    return hd_answer_notifications(call, &filter, &page, err);
}
