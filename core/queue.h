/* The queue port: messages that processors take, with the semantics of SQS.
 *
 * Enqueueing, acknowledging and postponing are changes of a changeset (core/changeset.h), so that they happen with their effects or not at all.
 * This port is the other half: taking messages, and looking. At least once, in no promised order (an implementation tries first in, first out
 * within a lane; urgent lanes first).
 *
 * A received message is hidden for visibility_ms; when that has run out before it was acknowledged, it is delivered again with receive_count + 1,
 * and the older receipt no longer counts. A message belongs to whoever holds its newest receipt. An implementation whose queue stands outside of its store's transactions (SQS) cannot
 * refuse an older receipt: acknowledging by one then succeeds, and what it does to the message is not promised. What protects a message's work is never the receipt alone, but the marks,
 * states and derived ids that its changeset has conditions on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "core/channel.h"

enum hd_queue_name {
    HD_QUEUE_ROUTER,
    HD_QUEUE_EMAIL,
    HD_QUEUE_PUSH,
    HD_QUEUE_SMS,
    HD_QUEUE_WEBHOOK,
    HD_QUEUE_INAPP,
    HD_QUEUE_DLQ,
    HD_QUEUE_COUNT
};
enum hd_lane { HD_LANE_URGENT, HD_LANE_NORMAL, HD_LANE_COUNT };

enum { HD_MESSAGE_MAX_BYTES = 256 * 1024, HD_RECEIVE_MAX = 256, HD_DELAY_MAX_MS = 900 * 1000 };

struct hd_message {
    enum hd_queue_name queue;
    enum hd_lane lane;
    const char *receipt; /* opaque; what acknowledge and postpone want */
    const char *body;    /* JSON text, NUL-terminated */
    int receive_count;   /* 1 at the first delivery; an implementation may forget, in a crash, receives that were never concluded */
    int64_t enqueued_at_ms;
    const char *message_id; /* the same at every delivery of this message; NULL where the queue gives none */
    bool abandoned;         /* its queue has given it up after too many receives (SQS's redrive policy): it is to become a dead letter */
};

struct hd_queue_depth {
    int64_t visible;   /* may be taken now */
    int64_t in_flight; /* taken, not yet acknowledged */
    int64_t delayed;   /* becomes visible later */
    int64_t oldest_ms; /* when the oldest of all was enqueued; 0 when empty */
};

struct hd_queue {
    const struct hd_queue_ops *ops;
};

/* A struct hd_queue belongs to one thread; several may look at the same queues, and share what is claimed. */
struct hd_queue_ops {
    /* Takes at most max (≤ HD_RECEIVE_MAX) messages, which live in arena. *ret_count may be 0. *ret_next_due_ms: when to ask again at the latest, because
     * a delayed or hidden message becomes visible (INT64_MAX: nothing is known to come). Never waits.
     * HD_ERR_UNAVAILABLE, HD_ERR_NO_MEMORY: nothing was taken. */
    int (*receive)(struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t now_ms, int64_t visibility_ms,
                   struct hd_arena *arena, struct hd_message **ret_messages, size_t *ret_count, int64_t *ret_next_due_ms,
                   struct hd_error *err);
    /* Hides the message for visibility_ms from now on; 0 makes it visible at once. HD_ERR_CONFLICT: the receipt no longer counts. */
    int (*extend)(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t visibility_ms, struct hd_error *err);
    /* Gives the message back undecided: it comes again after delay_ms (≤ HD_DELAY_MAX_MS), to whoever asks. Where receives are counted towards giving it up, this one
     * is forgotten (SQS: it is sent anew, and the old one deleted), so that an outage of ours makes no dead letters. Errors as extend's. */
    int (*give_back)(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t delay_ms, struct hd_error *err);
    int (*depth)(struct hd_queue *queue, enum hd_queue_name name, int64_t now_ms, struct hd_queue_depth *ret_depth, struct hd_error *err);
    void (*close)(struct hd_queue *queue);
};

/* The queue that a channel's processor takes its tasks from. */
enum hd_queue_name hd_queue_of_channel(enum hd_channel channel);

/* {"<name>":"<id>"} in the arena, the form of a message's body: name is eventId, notificationId or deadLetterId. NULL when out of memory. */
const char *hd_task_write(struct hd_arena *arena, const char *name, const char *id);

const char *hd_queue_name_text(enum hd_queue_name name);
int hd_queue_from_name(const char *name); /* -1 for a name that is none */
