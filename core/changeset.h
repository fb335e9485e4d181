/* A changeset: everything that one decision changes, whole or not at all.
 *
 * Use cases and processors decide: they read through the store port and fill a changeset. The store does: hd_store_ops.commit.
 * Conditions are part of the changes; when one does not hold at the commit, nothing of the changeset happens and the result is HD_ERR_CONFLICT, with the
 * change that failed. The decision is then made again on fresh reads.
 *
 * The builders copy the struct that they are given into the changeset's arena, but not what it points to: strings must live until the commit is over, in the
 * changeset's arena or in something that outlives it.
 * At most HD_CHANGES_MAX changes. Building never fails at once: a failure (memory, too many) is kept, and hd_changeset_check tells it.
 *
 * How each maps on one request to DynamoDB stands in docs/architecture.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "core/delivery.h"
#include "core/event.h"
#include "core/queue.h"
#include "core/ticket.h"

enum { HD_CHANGES_MAX = 1024 };

/* An answer that is remembered for an Idempotency-Key. */
struct hd_answer {
    const char *key;       /* who, method, path and Idempotency-Key, hashed: hex */
    const char *body_hash; /* SHA-256 of the request's body: hex */
    int http_status;
    const char *location; /* NULL else */
    const char *etag;     /* NULL else */
    const char *body;
    int64_t created_at_ms;
};

/* Who did or decided what, about what, and why. Never changed. */
struct hd_audit {
    const char *audit_id; /* derived from what it is about, or new */
    const char *action;   /* "event.routed", "dead_letter.redriven", "user.created" … */
    const char *subject;  /* the id of what it is about */
    const char *actor;    /* user id or processor */
    const char *detail;   /* JSON object as text */
    const char *correlation_id;
    int64_t at_ms;
};

enum hd_change_kind {
    HD_CHANGE_PUT_TICKET,         /* if absent (if_version 0), or if its version is if_version */
    HD_CHANGE_PUT_USER,           /* the same; HD_ERR_CONFLICT, too, when another user has the e-mail address */
    HD_CHANGE_APPEND_EVENT,       /* if absent */
    HD_CHANGE_MARK_PROCESSED,     /* if absent: this processor has done with this event */
    HD_CHANGE_PUT_NOTIFICATION,   /* if absent */
    HD_CHANGE_MOVE_NOTIFICATION,  /* if its status, attempts and owner are as the decision saw them */
    HD_CHANGE_APPEND_ATTEMPT,     /* if absent (notification, number); the notification is put or moved by the same changeset */
    HD_CHANGE_PUT_INBOX_ITEM,     /* if absent; the notification is moved by the same changeset */
    HD_CHANGE_READ_INBOX_ITEM,    /* if it is there and this user's; reading it again changes nothing */
    HD_CHANGE_PUT_DEAD_LETTER,    /* if absent */
    HD_CHANGE_REMOVE_DEAD_LETTER, /* if present */
    HD_CHANGE_APPEND_AUDIT,       /* if absent */
    HD_CHANGE_REMEMBER_ANSWER,    /* if absent */
    HD_CHANGE_ENQUEUE,
    HD_CHANGE_ACKNOWLEDGE, /* if the message is still ours, as far as the queue can tell (core/queue.h) */
    HD_CHANGE_POSTPONE,    /* the same: visible again after delay_ms (≤ HD_DELAY_MAX_MS); its receives so far are kept or forgotten */
    HD_CHANGE_KIND_COUNT,
};

struct hd_change {
    enum hd_change_kind kind;
    union {
        struct {
            const struct hd_ticket *ticket;
            int64_t if_version;
        } put_ticket;
        struct {
            const struct hd_user *user;
            int64_t if_version;
        } put_user;
        const struct hd_event *event;
        struct {
            const char *processor;
            const char *event_id;
            int64_t at_ms;
        } processed;
        const struct hd_notification *notification;
        struct {
            const struct hd_notification *to; /* all of its new state; its identity and what never changes are read from it, too */
            enum hd_status if_status;
            int if_attempts;
            const char *if_owner; /* NULL: has none */
        } move;
        const struct hd_attempt *attempt;
        const struct hd_inbox_item *inbox_item;
        struct {
            const char *notification_id;
            const char *user_id;
            int64_t at_ms;
        } read;
        const struct hd_dead_letter *dead_letter;
        const char *dead_letter_id;
        const struct hd_audit *audit;
        const struct hd_answer *answer;
        struct {
            enum hd_queue_name queue;
            enum hd_lane lane;
            const char *body;
            int64_t now_ms;
            int64_t delay_ms; /* ≤ HD_DELAY_MAX_MS */
        } enqueue;
        const struct hd_message *message; /* acknowledge */
        struct {
            const struct hd_message *message;
            int64_t now_ms;
            int64_t delay_ms;
        } postpone;
    };
};

struct hd_changeset {
    struct hd_arena *arena;
    struct hd_change *changes;
    size_t count;
    size_t capacity;
    enum hd_code failure;
};

struct hd_changeset hd_changeset(struct hd_arena *arena);
int hd_changeset_check(const struct hd_changeset *set, struct hd_error *err) HD_MUST_CHECK;

void hd_put_ticket(struct hd_changeset *set, const struct hd_ticket *ticket, int64_t if_version);
void hd_put_user(struct hd_changeset *set, const struct hd_user *user, int64_t if_version);
void hd_append_event(struct hd_changeset *set, const struct hd_event *event);
void hd_mark_processed(struct hd_changeset *set, const char *processor, const char *event_id, int64_t at_ms);
void hd_put_notification(struct hd_changeset *set, const struct hd_notification *notification);
/* to: a changed copy of from. The transition from→to must be in the table of core/delivery.h (asserted); from's status, attempts and owner are the condition. */
void hd_move_notification(struct hd_changeset *set, const struct hd_notification *from, const struct hd_notification *to,
                          enum hd_move move);
void hd_append_attempt(struct hd_changeset *set, const struct hd_attempt *attempt);
void hd_put_inbox_item(struct hd_changeset *set, const struct hd_inbox_item *item);
void hd_read_inbox_item(struct hd_changeset *set, const char *notification_id, const char *user_id, int64_t at_ms);
void hd_put_dead_letter(struct hd_changeset *set, const struct hd_dead_letter *letter);
void hd_remove_dead_letter(struct hd_changeset *set, const char *dead_letter_id);
void hd_append_audit(struct hd_changeset *set, const struct hd_audit *entry);
void hd_remember_answer(struct hd_changeset *set, const struct hd_answer *answer);
void hd_enqueue(struct hd_changeset *set, enum hd_queue_name queue, enum hd_lane lane, const char *body, int64_t now_ms, int64_t delay_ms);
void hd_acknowledge(struct hd_changeset *set, const struct hd_message *message);
void hd_postpone(struct hd_changeset *set, const struct hd_message *message, int64_t now_ms, int64_t delay_ms);
