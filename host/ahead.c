#include "host/ahead.h"

#include <string.h>

#include "base/id.h"
#include "base/json.h"

enum { WANTED_MAX = 1024 /* things of a batch; what is beyond is read when it is asked for */ };

struct ahead {
    struct hd_store *store;
    struct hd_arena *arena;
    struct hd_wanted things[WANTED_MAX];
    size_t count;   /* all that is wanted */
    size_t fetched; /* of these, the first ones are there */
    size_t named;   /* and of these, what they name is wanted, too */
};

static void want(struct ahead *a, enum hd_wanted_kind kind, const char *id) {
    if (!id || !hd_id_acceptable(id) || a->count == WANTED_MAX)
        return;
    for (size_t i = 0; i < a->count; i++)
        if (a->things[i].kind == kind && strcmp(a->things[i].id, id) == 0)
            return;
    a->things[a->count++] = (struct hd_wanted){.kind = kind, .id = id};
}

static void want_message(struct ahead *a, const struct hd_message *message) {
    json_t *body = NULL;
    if (hd_json_parse(a->arena, message->body, strlen(message->body), 0, &body, NULL) || !json_is_object(body))
        return;
    want(a, HD_WANTED_EVENT, hd_json_str(body, "eventId"));
    want(a, HD_WANTED_NOTIFICATION, hd_json_str(body, "notificationId"));
    want(a, HD_WANTED_DEAD_LETTER, hd_json_str(body, "deadLetterId"));
    want(a, HD_WANTED_TICKET, hd_json_str(body, "ticketId")); /* an event that came as it is */
}

static void want_event(struct ahead *a, const char *id) {
    static const char *const people[] = {"userId", "agentId", "authorId"};
    const struct hd_event *event = NULL;
    json_t *payload = NULL;
    if (a->store->ops->event(a->store, a->arena, id, &event, NULL) || !event)
        return;
    want(a, HD_WANTED_TICKET, event->ticket_id);
    want(a, HD_WANTED_USER, event->actor_id);
    if (hd_json_parse(a->arena, event->payload, strlen(event->payload), 0, &payload, NULL))
        return;
    for (size_t i = 0; i < HD_ARRAY_LEN(people); i++)
        want(a, HD_WANTED_USER, hd_json_str(payload, people[i]));
}

static void want_notification(struct ahead *a, const char *id) {
    const struct hd_notification *n = NULL;
    if (a->store->ops->notification(a->store, a->arena, id, &n, NULL) || !n || hd_status_is_final(n->status))
        return;
    want(a, HD_WANTED_EVENT, n->event_id);
    want(a, HD_WANTED_TICKET, n->ticket_id);
    want(a, HD_WANTED_USER, n->target);
}

static void want_ticket(struct ahead *a, const char *id) {
    const struct hd_ticket *ticket = NULL;
    if (a->store->ops->ticket(a->store, a->arena, id, &ticket, NULL) || !ticket)
        return;
    want(a, HD_WANTED_USER, ticket->owner_id);
    want(a, HD_WANTED_USER, ticket->assigned_agent_id);
}

/* What was fetched last names more. */
static void want_what_is_named(struct ahead *a) {
    for (; a->named < a->fetched; a->named++) {
        const struct hd_wanted *thing = &a->things[a->named];
        if (thing->kind == HD_WANTED_EVENT)
            want_event(a, thing->id);
        else if (thing->kind == HD_WANTED_NOTIFICATION)
            want_notification(a, thing->id);
        else if (thing->kind == HD_WANTED_TICKET)
            want_ticket(a, thing->id);
    }
}

void hd_read_ahead(struct hd_store *store, const struct hd_message *messages, size_t count, struct hd_arena *arena) {
    struct ahead *a = store->ops->read_ahead ? hd_arena_calloc(arena, 1, sizeof *a) : NULL;
    if (!a)
        return;
    a->store = store;
    a->arena = arena;
    for (size_t i = 0; i < count; i++)
        want_message(a, &messages[i]);
    while (a->fetched < a->count) {
        if (store->ops->read_ahead(store, a->things + a->fetched, a->count - a->fetched, NULL))
            return;
        a->fetched = a->count;
        want_what_is_named(a);
    }
}
