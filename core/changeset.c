#include "core/changeset.h"

#include <assert.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 /* a routed event with two notifications fits */ };

struct hd_changeset hd_changeset(struct hd_arena *arena) {
    return (struct hd_changeset){.arena = arena};
}

int hd_changeset_check(const struct hd_changeset *set, struct hd_error *err) {
    switch (set->failure) {
    case HD_OK:
        return 0;
    case HD_ERR_LIMIT:
        return hd_error_set(err, HD_ERR_LIMIT, "a decision with more than %d changes, or with a message of more than %d bytes",
                            HD_CHANGES_MAX, HD_MESSAGE_MAX_BYTES);
    default:
        return hd_error_set(err, set->failure, "no memory for a decision of %zu changes", set->count);
    }
}

/* The first failure stays: it is what the later ones came from. */
static void fail(struct hd_changeset *set, enum hd_code code) {
    if (!set->failure)
        set->failure = code;
}

static bool make_room(struct hd_changeset *set) {
    if (set->count < set->capacity)
        return true;
    size_t capacity = set->capacity ? set->capacity * 2 : FIRST_CAPACITY;
    struct hd_change *changes = hd_arena_alloc(set->arena, capacity * sizeof(*changes));
    if (!changes) {
        fail(set, HD_ERR_NO_MEMORY);
        return false;
    }
    if (set->count > 0)
        memcpy(changes, set->changes, set->count * sizeof(*changes));
    set->changes = changes;
    set->capacity = capacity;
    return true;
}

static void add(struct hd_changeset *set, struct hd_change change) {
    if (set->failure)
        return;
    if (set->count == HD_CHANGES_MAX) {
        fail(set, HD_ERR_LIMIT);
        return;
    }
    if (make_room(set))
        set->changes[set->count++] = change;
}

/* NULL only when the set has failed. */
static const void *copied(struct hd_changeset *set, const void *value, size_t size_bytes) {
    if (set->failure)
        return NULL;
    void *copy = hd_arena_alloc(set->arena, size_bytes);
    if (copy)
        memcpy(copy, value, size_bytes);
    else
        fail(set, HD_ERR_NO_MEMORY);
    return copy;
}

#define COPIED(set, value) copied((set), (value), sizeof(*(value)))

void hd_put_ticket(struct hd_changeset *set, const struct hd_ticket *ticket, int64_t if_version) {
    add(set, (struct hd_change){.kind = HD_CHANGE_PUT_TICKET, .put_ticket = {.ticket = COPIED(set, ticket), .if_version = if_version}});
}

void hd_put_user(struct hd_changeset *set, const struct hd_user *user, int64_t if_version) {
    add(set, (struct hd_change){.kind = HD_CHANGE_PUT_USER, .put_user = {.user = COPIED(set, user), .if_version = if_version}});
}

void hd_append_event(struct hd_changeset *set, const struct hd_event *event) {
    add(set, (struct hd_change){.kind = HD_CHANGE_APPEND_EVENT, .event = COPIED(set, event)});
}

void hd_mark_processed(struct hd_changeset *set, const char *processor, const char *event_id, int64_t at_ms) {
    add(set,
        (struct hd_change){.kind = HD_CHANGE_MARK_PROCESSED, .processed = {.processor = processor, .event_id = event_id, .at_ms = at_ms}});
}

void hd_put_notification(struct hd_changeset *set, const struct hd_notification *notification) {
    add(set, (struct hd_change){.kind = HD_CHANGE_PUT_NOTIFICATION, .notification = COPIED(set, notification)});
}

void hd_move_notification(struct hd_changeset *set, const struct hd_notification *from, const struct hd_notification *to,
                          enum hd_move move) {
    assert(hd_status_after(from->status, move) == (int)to->status);
    assert(strcmp(from->notification_id, to->notification_id) == 0);
    add(set, (struct hd_change){
                 .kind = HD_CHANGE_MOVE_NOTIFICATION,
                 .move = {.to = COPIED(set, to), .if_status = from->status, .if_attempts = from->attempts, .if_owner = from->owner_token}});
    (void)move; /* without assertions it has no reader */
}

void hd_append_attempt(struct hd_changeset *set, const struct hd_attempt *attempt) {
    add(set, (struct hd_change){.kind = HD_CHANGE_APPEND_ATTEMPT, .attempt = COPIED(set, attempt)});
}

void hd_put_inbox_item(struct hd_changeset *set, const struct hd_inbox_item *item) {
    add(set, (struct hd_change){.kind = HD_CHANGE_PUT_INBOX_ITEM, .inbox_item = COPIED(set, item)});
}

void hd_read_inbox_item(struct hd_changeset *set, const char *notification_id, const char *user_id, int64_t at_ms) {
    add(set, (struct hd_change){.kind = HD_CHANGE_READ_INBOX_ITEM,
                                .read = {.notification_id = notification_id, .user_id = user_id, .at_ms = at_ms}});
}

void hd_put_dead_letter(struct hd_changeset *set, const struct hd_dead_letter *letter) {
    add(set, (struct hd_change){.kind = HD_CHANGE_PUT_DEAD_LETTER, .dead_letter = COPIED(set, letter)});
}

void hd_remove_dead_letter(struct hd_changeset *set, const char *dead_letter_id) {
    add(set, (struct hd_change){.kind = HD_CHANGE_REMOVE_DEAD_LETTER, .dead_letter_id = dead_letter_id});
}

void hd_append_audit(struct hd_changeset *set, const struct hd_audit *entry) {
    add(set, (struct hd_change){.kind = HD_CHANGE_APPEND_AUDIT, .audit = COPIED(set, entry)});
}

void hd_remember_answer(struct hd_changeset *set, const struct hd_answer *answer) {
    add(set, (struct hd_change){.kind = HD_CHANGE_REMEMBER_ANSWER, .answer = COPIED(set, answer)});
}

void hd_enqueue(struct hd_changeset *set, enum hd_queue_name queue, enum hd_lane lane, const char *body, int64_t now_ms, int64_t delay_ms) {
    assert(queue < HD_QUEUE_COUNT && lane < HD_LANE_COUNT);
    assert(delay_ms >= 0 && delay_ms <= HD_DELAY_MAX_MS);
    if (body && strnlen(body, HD_MESSAGE_MAX_BYTES + 1) > HD_MESSAGE_MAX_BYTES)
        fail(set, HD_ERR_LIMIT);
    if (!body) /* of a caller whose arena gave none */
        fail(set, HD_ERR_NO_MEMORY);
    add(set, (struct hd_change){.kind = HD_CHANGE_ENQUEUE,
                                .enqueue = {.queue = queue, .lane = lane, .body = body, .now_ms = now_ms, .delay_ms = delay_ms}});
}

void hd_acknowledge(struct hd_changeset *set, const struct hd_message *message) {
    add(set, (struct hd_change){.kind = HD_CHANGE_ACKNOWLEDGE, .message = COPIED(set, message)});
}

void hd_postpone(struct hd_changeset *set, const struct hd_message *message, int64_t now_ms, int64_t delay_ms) {
    assert(delay_ms >= 0);
    add(set, (struct hd_change){.kind = HD_CHANGE_POSTPONE,
                                .postpone = {.message = COPIED(set, message), .now_ms = now_ms, .delay_ms = delay_ms}});
}
