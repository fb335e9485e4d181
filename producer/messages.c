/* Messages: what was sent and how it went, and what could not be delivered. */
#include <string.h>

#include "producer/call.h"

/* ---- notifications ---- */

int hd_answer_notifications(struct hd_call *call, const struct hd_notification_filter *filter, const struct hd_page *page,
                            struct hd_error *err) {
    const struct hd_notification *notifications = NULL;
    size_t count = 0;
    const char *next_cursor = NULL;
    struct hd_store *store = call->ctx->store;
    int r = store->ops->notifications(store, call->arena, filter, page, &notifications, &count, &next_cursor, err);
    if (r < 0)
        return hd_call_list_failed(call, r, err);
    struct hd_json_writer w = hd_call_write_list(call);
    for (size_t i = 0; i < count; i++) {
        hd_json_open_object(&w, NULL);
        hd_notification_put_members(&w, &notifications[i]);
        hd_json_close_object(&w);
    }
    return hd_call_answer_list(call, &w, next_cursor, err);
}

int hd_list_notifications(struct hd_call *call, struct hd_error *err) {
    struct hd_notification_filter filter;
    struct hd_page page;
    int r = hd_call_query_name(call, "status", hd_status_from_name, &filter.status, err);
    if (!r)
        r = hd_call_query_name(call, "channel", hd_channel_from_name, &filter.channel, err);
    if (!r)
        r = hd_call_query_id(call, "userId", &filter.target, err);
    if (!r)
        r = hd_call_query_id(call, "ticketId", &filter.ticket_id, err);
    if (!r)
        r = hd_call_query_id(call, "eventId", &filter.event_id, err);
    if (!r)
        r = hd_call_page(call, &page, err);
    return r ? r : hd_answer_notifications(call, &filter, &page, err);
}

static void write_attempts(struct hd_json_writer *w, const struct hd_attempt *attempts, size_t count) {
    hd_json_open_array(w, "attemptLog");
    for (size_t i = 0; i < count; i++)
        hd_attempt_write(w, NULL, &attempts[i]);
    hd_json_close_array(w);
}

/* What was rendered: the last attempt's that has it; in-app, the inbox item. */
static void write_message(struct hd_json_writer *w, const struct hd_attempt *attempts, size_t count, const struct hd_inbox_item *item) {
    const char *message = NULL;
    for (size_t i = 0; i < count; i++)
        message = attempts[i].message ? attempts[i].message : message;
    if (item) {
        hd_json_open_object(w, "message");
        hd_json_put_str(w, "title", item->title);
        hd_json_put_str(w, "body", item->body);
        hd_json_close_object(w);
    } else if (message) {
        hd_json_put_raw(w, "message", message, strlen(message));
    } else {
        hd_json_put_str(w, "message", NULL);
    }
}

int hd_get_notification(struct hd_call *call, struct hd_error *err) {
    struct hd_store *store = call->ctx->store;
    const struct hd_notification *notification = NULL;
    int r = store->ops->notification(store, call->arena, call->id, &notification, err);
    if (r < 0)
        return r;
    bool may_see = notification && (!hd_call_by_customer(call) || strcmp(notification->target, call->caller.subject) == 0);
    if (!may_see)
        return hd_call_not_found(err, "notification");
    const struct hd_attempt *attempts = NULL;
    size_t count = 0;
    r = store->ops->attempts(store, call->arena, notification->notification_id, &attempts, &count, err);
    const struct hd_inbox_item *item = NULL;
    if (!r && notification->channel == HD_INAPP)
        r = store->ops->inbox_item(store, call->arena, notification->notification_id, &item, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_notification_put_members(&w, notification);
    write_attempts(&w, attempts, count);
    write_message(&w, attempts, count, item);
    hd_json_close_object(&w);
    return hd_call_answer(call, 200, err);
}

/* ---- dead letters ---- */

static int list_dead_letters(struct hd_call *call, const struct hd_dead_letter_filter *filter, const struct hd_page *page,
                             const struct hd_dead_letter **ret_letters, size_t *ret_count, const char **ret_next_cursor,
                             struct hd_error *err) {
    struct hd_store *store = call->ctx->store;
    int r = store->ops->dead_letters(store, call->arena, filter, page, ret_letters, ret_count, ret_next_cursor, err);
    return r < 0 ? hd_call_list_failed(call, r, err) : 0;
}

int hd_list_dead_letters(struct hd_call *call, struct hd_error *err) {
    enum { WORD_MAX_LEN = 64 };
    struct hd_dead_letter_filter filter = {0};
    struct hd_page page;
    int queue = -1;
    int r = hd_call_query_name(call, "queue", hd_queue_from_name, &queue, err);
    if (!r && queue >= 0)
        filter.queue = hd_queue_name_text((enum hd_queue_name)queue);
    if (!r)
        r = hd_call_query_text(call, "reason", WORD_MAX_LEN, &filter.reason, err);
    if (!r)
        r = hd_call_page(call, &page, err);
    const struct hd_dead_letter *letters = NULL;
    size_t count = 0;
    const char *next_cursor = NULL;
    if (!r)
        r = list_dead_letters(call, &filter, &page, &letters, &count, &next_cursor, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write_list(call);
    for (size_t i = 0; i < count; i++)
        hd_dead_letter_write(&w, NULL, &letters[i]);
    return hd_call_answer_list(call, &w, next_cursor, err);
}

static int append_audit(struct hd_call *call, const char *action, const struct hd_dead_letter *letter, struct hd_error *err) {
    struct hd_audit entry = {.audit_id = hd_call_new_id(call),
                             .action = action,
                             .subject = letter->dead_letter_id,
                             .actor = call->caller.subject,
                             .correlation_id = call->correlation_id,
                             .at_ms = call->ctx->now_ms};
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "queue", letter->queue);
    hd_json_put_str(&w, "reason", letter->reason);
    hd_json_put_str(&w, "notificationId", letter->notification_id);
    hd_json_put_str(&w, "eventId", letter->event_id);
    hd_json_close_object(&w);
    size_t len;
    int r = entry.audit_id ? hd_call_text(call, &entry.detail, &len, err) : hd_call_no_memory(err);
    if (!r)
        hd_append_audit(call->changes, &entry);
    return r;
}

static int remove_letter(struct hd_call *call, const char *action, const struct hd_dead_letter *letter, struct hd_error *err) {
    hd_remove_dead_letter(call->changes, letter->dead_letter_id);
    return append_audit(call, action, letter, err);
}

/* With a fresh count of attempts, back to its channel. */
static void send_again(struct hd_call *call, const struct hd_notification *dead) {
    struct hd_notification again = *dead;
    again.status = HD_PENDING;
    again.reason = NULL;
    again.attempts_forgiven = dead->attempts;
    again.owner_token = NULL;
    again.next_attempt_at_ms = 0;
    again.updated_at_ms = call->ctx->now_ms;
    hd_move_notification(call->changes, dead, &again, HD_MOVE_REDRIVE);
    enum hd_queue_name queue = hd_queue_of_channel(dead->channel);
    const char *message = hd_task_write(call->arena, "notificationId", dead->notification_id);
    hd_enqueue(call->changes, queue, dead->critical ? HD_LANE_URGENT : HD_LANE_NORMAL, message, call->ctx->now_ms, 0);
}

/* HD_ERR_CONFLICT: there is nothing to send again, and the letter is only in the way. */
static int redrive(struct hd_call *call, const struct hd_dead_letter *letter, struct hd_error *err) {
    if (letter->notification_id) {
        struct hd_store *store = call->ctx->store;
        const struct hd_notification *notification = NULL;
        int r = store->ops->notification(store, call->arena, letter->notification_id, &notification, err);
        if (r < 0)
            return r;
        if (!notification || notification->status != HD_DEAD)
            return hd_error_set(err, HD_ERR_CONFLICT, "Its notification is not dead: there is nothing to send again.");
        send_again(call, notification);
    } else {
        int queue = hd_queue_from_name(letter->queue);
        if (queue < 0 || !letter->body)
            return hd_error_set(err, HD_ERR_CONFLICT, "Its queue or its message is not known any more.");
        hd_enqueue(call->changes, (enum hd_queue_name)queue, HD_LANE_NORMAL, letter->body, call->ctx->now_ms, 0);
    }
    return remove_letter(call, "dead_letter.redriven", letter, err);
}

static int answer_redriven(struct hd_call *call, size_t redriven, bool more, struct hd_error *err) {
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_put_int(&w, "redriven", (int64_t)redriven);
    hd_json_put_bool(&w, "more", more);
    hd_json_close_object(&w);
    return hd_call_answer(call, 200, err);
}

static int find_letter(struct hd_call *call, const struct hd_dead_letter **ret_letter, struct hd_error *err) {
    struct hd_store *store = call->ctx->store;
    const struct hd_dead_letter *letter = NULL;
    int r = store->ops->dead_letter(store, call->arena, call->id, &letter, err);
    if (r < 0)
        return r;
    if (!letter)
        return hd_call_not_found(err, "dead letter");
    *ret_letter = letter;
    return 0;
}

int hd_redrive_dead_letter(struct hd_call *call, struct hd_error *err) {
    const struct hd_dead_letter *letter = NULL;
    int r = find_letter(call, &letter, err);
    if (!r)
        r = redrive(call, letter, err);
    return r ? r : answer_redriven(call, 1, false, err);
}

int hd_redrive_dead_letters(struct hd_call *call, struct hd_error *err) {
    const struct hd_dead_letter_filter filter = {.queue = hd_json_str(call->body, "queue"), .reason = hd_json_str(call->body, "reason")};
    int64_t limit = hd_json_int(call->body, "limit", HD_REDRIVE_MAX);
    struct hd_page page = {.limit = limit < HD_REDRIVE_MAX ? (size_t)limit : HD_REDRIVE_MAX};
    const struct hd_dead_letter *letters = NULL;
    size_t count = 0, redriven = 0;
    const char *next_cursor = NULL;
    int r = 0;
    do { /* a page may be empty and not the last; who is told "more" asks again, and must not get the same */
        page.cursor = next_cursor;
        r = list_dead_letters(call, &filter, &page, &letters, &count, &next_cursor, err);
    } while (r >= 0 && count == 0 && next_cursor);
    if (r < 0)
        return r;
    size_t bytes = 0, taken = 0;
    for (; taken < count && bytes <= HD_REDRIVE_MAX_BYTES && !r; taken++) {
        bytes += letters[taken].body ? strlen(letters[taken].body) : 0;
        r = redrive(call, &letters[taken], err);
        if (r == HD_ERR_CONFLICT) /* so that it does not stand before the others for ever */
            r = remove_letter(call, "dead_letter.purged", &letters[taken], err);
        else
            redriven++;
    }
    return r ? r : answer_redriven(call, redriven, next_cursor != NULL || taken < count, err);
}

int hd_delete_dead_letter(struct hd_call *call, struct hd_error *err) {
    const struct hd_dead_letter *letter = NULL;
    int r = find_letter(call, &letter, err);
    if (!r)
        r = remove_letter(call, "dead_letter.purged", letter, err);
    if (!r)
        call->response->status = 204;
    return r;
}
