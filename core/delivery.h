/* Notifications on their way: one for each (event, target, channel), its states, its attempts, what became of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "core/channel.h"

/* ---- states: a table ---- */

enum hd_status {
    HD_PENDING,    /* waits for its turn or its next attempt */
    HD_DEFERRED,   /* waits for the end of quiet hours */
    HD_SENDING,    /* handed to a provider, answer not yet recorded; owner_token says by whom */
    HD_SENT,       /* the provider has it */
    HD_SUPPRESSED, /* decided against; reason says why */
    HD_EXPIRED,    /* too late to be useful */
    HD_DEAD,       /* given up; a dead letter stands for it */
    HD_STATUS_COUNT,
};

enum hd_move {
    HD_MOVE_BEGIN,     /* an attempt starts that takes time outside */
    HD_MOVE_TAKE_OVER, /* another worker's attempt was interrupted; ours starts */
    HD_MOVE_SENT,
    HD_MOVE_RETRY, /* failed for now; waits for the next attempt */
    HD_MOVE_GIVE_UP,
    HD_MOVE_EXPIRE,
    HD_MOVE_RELEASE, /* quiet hours are over */
    HD_MOVE_REDRIVE, /* a person sends a dead one again */
    HD_MOVE_COUNT,
};

/* The state that a move leads to, or -1 when the table has no such transition. */
int hd_status_after(enum hd_status from, enum hd_move move);

const char *hd_status_name(enum hd_status status);
int hd_status_from_name(const char *name);      /* -1 for a name that is none */
bool hd_status_is_final(enum hd_status status); /* nothing will happen by itself any more */

/* ---- the notification ---- */

struct hd_notification {
    const char *notification_id; /* hd_notification_id of event, target, channel */
    const char *event_id;
    const char *event;     /* the template's name: the event's type, or "DeadLetter" */
    const char *ticket_id; /* NULL when it is about none */
    const char *target;    /* user id */
    enum hd_channel channel;
    enum hd_status status;
    const char *reason; /* why it is suppressed, dead, expired or deferred; a word in snake_case: "channel_off"; NULL else */
    bool critical;
    int attempts;            /* attempts that were begun */
    int attempts_forgiven;   /* those before the last redrive: the retry policy counts attempts - attempts_forgiven */
    const char *owner_token; /* while HD_SENDING: the worker that may conclude */
    const char *correlation_id;
    const char *traceparent;
    int64_t accepted_at_ms; /* the event's */
    int64_t created_at_ms;
    int64_t updated_at_ms;
    int64_t next_attempt_at_ms; /* 0 unless pending after a failure, or deferred */
    int64_t sent_at_ms;
};

/* Derived: the same event, target and channel give the same id, for ever. */
struct hd_id hd_notification_id(int64_t accepted_at_ms, const char *event_id, const char *target, enum hd_channel channel);

/* ---- attempts: the delivery log ---- */

enum hd_outcome_kind {
    HD_OUTCOME_SENT,
    HD_OUTCOME_RETRY,         /* transient: try again */
    HD_OUTCOME_PERMANENT,     /* no retry can mend it */
    HD_OUTCOME_ADDRESS_GONE,  /* permanent, and the address should be forgotten */
    HD_OUTCOME_CONFIGURATION, /* our settings are wrong (credentials, sender): retried, and told to the operator */
    HD_OUTCOME_INTERRUPTED,   /* the worker died before it recorded an answer: it may have been sent */
    HD_OUTCOME_COUNT,
};

const char *hd_outcome_name(enum hd_outcome_kind kind);
int hd_outcome_from_name(const char *name);

struct hd_attempt {
    const char *notification_id;
    int number; /* 1, 2, … */
    int64_t at_ms;
    enum hd_outcome_kind outcome;
    const char *provider; /* "smtp", "simulated", "inapp" */
    const char *detail;   /* what the provider said; NULL else */
    int64_t duration_ms;
    const char *message; /* the rendered message as JSON text, with the first attempt that rendered it; NULL else */
};

/* ---- in-app ---- */

struct hd_inbox_item {
    const char *notification_id;
    const char *user_id;
    const char *event;
    const char *ticket_id;
    const char *title;
    const char *body;
    int64_t created_at_ms;
    int64_t read_at_ms; /* 0: unread */
};

/* ---- dead letters ---- */

struct hd_dead_letter {
    const char *dead_letter_id;
    const char *queue;  /* the queue that it was taken from */
    const char *reason; /* a word in snake_case: "attempts_exhausted", "invalid_event" … */
    const char *detail; /* a sentence; NULL else */
    int attempts;
    const char *notification_id; /* NULL when it has come to no notification */
    const char *event_id;
    const char *ticket_id;
    const char *target;
    const char *channel;
    const char *body; /* the queue message, as it was */
    int64_t created_at_ms;
};

/* The JSON forms of schemas/openapi.yaml: Notification, Attempt, InboxItem, DeadLetter. */
void hd_notification_put_members(struct hd_json_writer *w, const struct hd_notification *notification);
void hd_attempt_write(struct hd_json_writer *w, const char *name, const struct hd_attempt *attempt);
void hd_inbox_item_write(struct hd_json_writer *w, const char *name, const struct hd_inbox_item *item);
void hd_dead_letter_write(struct hd_json_writer *w, const char *name, const struct hd_dead_letter *letter);
