#include "core/recent.h"

#include <stdlib.h>
#include <string.h>

enum { STRINGS_MAX = 12 };

/* What a kind of thing is made of: its size, and where its strings are. The first string is its id. */
struct shape {
    size_t bytes;
    size_t string_count;
    size_t strings[STRINGS_MAX];
};

enum kind { EVENT, TICKET, USER, NOTIFICATION };

#define AT(type, member) offsetof(struct type, member)
static const struct shape shapes[] = {
    [EVENT] = {sizeof(struct hd_event),
               6,
               {AT(hd_event, event_id), AT(hd_event, ticket_id), AT(hd_event, actor_id), AT(hd_event, correlation_id),
                AT(hd_event, traceparent), AT(hd_event, payload)}},
    [TICKET] = {sizeof(struct hd_ticket),
                7,
                {AT(hd_ticket, ticket_id), AT(hd_ticket, title), AT(hd_ticket, description), AT(hd_ticket, owner_id),
                 AT(hd_ticket, assigned_agent_id), AT(hd_ticket, team), AT(hd_ticket, tags)}},
    [USER] = {sizeof(struct hd_user),
              8,
              {AT(hd_user, user_id), AT(hd_user, name), AT(hd_user, email), AT(hd_user, phone), AT(hd_user, locale), AT(hd_user, time_zone),
               AT(hd_user, team), AT(hd_user, skills)}},
    [NOTIFICATION] = {sizeof(struct hd_notification),
                      9,
                      {AT(hd_notification, notification_id), AT(hd_notification, event_id), AT(hd_notification, event),
                       AT(hd_notification, ticket_id), AT(hd_notification, target), AT(hd_notification, reason),
                       AT(hd_notification, owner_token), AT(hd_notification, correlation_id), AT(hd_notification, traceparent)}},
};

/* A thing with its strings behind it, in one piece of memory. */
struct slot {
    enum kind kind;
    char *block; /* NULL: nothing was here yet */
    size_t bytes, capacity;
    int64_t until_ms; /* 0: given out, or over */
};

struct hd_recent {
    struct slot slots[HD_RECENT_SLOTS];
};

struct hd_recent *hd_recent_new(void) {
    return calloc(1, sizeof(struct hd_recent));
}

void hd_recent_free(struct hd_recent *recent) {
    if (!recent)
        return;
    for (size_t i = 0; i < HD_RECENT_SLOTS; i++)
        free(recent->slots[i].block);
    free(recent);
}

static const char **string_at(void *thing, size_t offset) {
    return (const char **)(void *)((char *)thing + offset);
}

static struct slot *slot_of(struct hd_recent *recent, enum kind kind, const char *id) {
    uint64_t hash = 14695981039346656037u + (uint64_t)kind; /* FNV-1a */
    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    /* FNV moves the last letters' difference into its lowest and its highest bits only: ana-1 and ana-2 would have one slot. Multiplied again (Fibonacci hashing) it reaches those that count. */
    return &recent->slots[(hash * 11400714819323198485u >> 32) % HD_RECENT_SLOTS];
}

static void keep(struct hd_recent *recent, enum kind kind, int64_t now_ms, const void *thing) {
    const struct shape *shape = &shapes[kind];
    size_t lengths[STRINGS_MAX] = {0}, total = shape->bytes;
    for (size_t i = 0; i < shape->string_count; i++) {
        const char *text = *string_at((void *)(uintptr_t)thing, shape->strings[i]);
        lengths[i] = text ? strlen(text) + 1 : 0;
        total += lengths[i];
    }
    struct slot *slot = slot_of(recent, kind, *string_at((void *)(uintptr_t)thing, shape->strings[0]));
    slot->until_ms = 0;
    if (total > HD_RECENT_THING_MAX_BYTES)
        return;
    if (slot->capacity < total) {
        char *block = realloc(slot->block, total);
        if (!block)
            return;
        slot->block = block;
        slot->capacity = total;
    }
    memcpy(slot->block, thing, shape->bytes);
    char *at = slot->block + shape->bytes;
    for (size_t i = 0; i < shape->string_count; i++) {
        const char **text = string_at(slot->block, shape->strings[i]);
        if (lengths[i] == 0)
            continue;
        memcpy(at, *string_at((void *)(uintptr_t)thing, shape->strings[i]), lengths[i]);
        *text = at;
        at += lengths[i];
    }
    slot->kind = kind;
    slot->bytes = total;
    slot->until_ms = now_ms + HD_RECENT_MS;
}

/* A copy in the arena; NULL when it is not here. */
static const void *find(struct hd_recent *recent, enum kind kind, int64_t now_ms, struct hd_arena *arena, const char *id) {
    if (!recent)
        return NULL;
    const struct shape *shape = &shapes[kind];
    struct slot *slot = slot_of(recent, kind, id);
    if (slot->until_ms <= now_ms || slot->kind != kind || strcmp(*string_at(slot->block, shape->strings[0]), id) != 0)
        return NULL;
    char *copy = hd_arena_alloc(arena, slot->bytes);
    if (!copy)
        return NULL;
    memcpy(copy, slot->block, slot->bytes);
    for (size_t i = 0; i < shape->string_count; i++) {
        const char *text = *string_at(slot->block, shape->strings[i]);
        *string_at(copy, shape->strings[i]) = text ? copy + (text - slot->block) : NULL;
    }
    if (kind == NOTIFICATION)
        slot->until_ms = 0;
    return copy;
}

int hd_recent_event(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena, const char *event_id,
                    const struct hd_event **ret, struct hd_error *err) {
    const struct hd_event *event = find(recent, EVENT, now_ms, arena, event_id);
    int r = event ? 0 : store->ops->event(store, arena, event_id, ret, err);
    if (event)
        *ret = event;
    else if (!r && *ret && recent)
        keep(recent, EVENT, now_ms, *ret);
    return r;
}

int hd_recent_ticket(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena, const char *ticket_id,
                     const struct hd_ticket **ret, struct hd_error *err) {
    const struct hd_ticket *ticket = find(recent, TICKET, now_ms, arena, ticket_id);
    int r = ticket ? 0 : store->ops->ticket(store, arena, ticket_id, ret, err);
    if (ticket)
        *ret = ticket;
    else if (!r && *ret && recent)
        keep(recent, TICKET, now_ms, *ret);
    return r;
}

int hd_recent_user(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena, const char *user_id,
                   const struct hd_user **ret, struct hd_error *err) {
    const struct hd_user *user = find(recent, USER, now_ms, arena, user_id);
    int r = user ? 0 : store->ops->user(store, arena, user_id, ret, err);
    if (user)
        *ret = user;
    else if (!r && *ret && recent)
        keep(recent, USER, now_ms, *ret);
    return r;
}

int hd_recent_notification(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena,
                           const char *notification_id, const struct hd_notification **ret, struct hd_error *err) {
    const struct hd_notification *notification = find(recent, NOTIFICATION, now_ms, arena, notification_id);
    if (!notification)
        return store->ops->notification(store, arena, notification_id, ret, err);
    *ret = notification;
    return 0;
}

void hd_recent_keep_notification(struct hd_recent *recent, int64_t now_ms, const struct hd_notification *notification) {
    if (recent)
        keep(recent, NOTIFICATION, now_ms, notification);
}
