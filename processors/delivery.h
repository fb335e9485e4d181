/* What every channel's processor does around its own part: take the notification of a task, gather what a template sees, and write down what came of an attempt. */
#pragma once

#include "core/processor.h"
#include "processors/task.h"

/* One attempt. In the arena of its message. */
struct delivery {
    const struct hd_notification *notification; /* as the store has it (begin), or as begin has left it (conclude) */
    const struct hd_rendered *rendered;
    int number; /* of this attempt */
    int64_t began_at_ms;
    bool interrupted;      /* the attempt before ours was begun and never concluded: ours takes over */
    bool concluded_before; /* a commit of conclude met a conflict */
    bool message_lost;     /* somebody else has the message now; the notification may still be ours */
};

/* Loads the task's notification and renders its template. *ret_delivery is NULL when there is nothing to send, and the changeset says what is done instead: it was sent before, or
 * another worker is at it, or it can never be sent. */
int hd_delivery_begin(const struct hd_context *ctx, struct hd_work *work, enum hd_channel channel, struct delivery **ret_delivery,
                      struct hd_error *err) HD_MUST_CHECK;

/* A notification that another worker has begun, and may still be at. */
bool hd_delivery_owner_lives(const struct hd_context *ctx, const struct hd_notification *n);

/* Writes down its attempt that was begun and never concluded: it may have reached the person. */
void hd_delivery_interrupted(const struct hd_context *ctx, struct hd_work *work, const struct hd_notification *n);

/* For a transfer that takes time outside: the notification is ours from the commit on, so that nobody else sends it meanwhile. */
int hd_delivery_hand_over(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery,
                          struct hd_error *err) HD_MUST_CHECK;

/* After a conflict in conclude: our message has come to somebody else meanwhile. The notification may be ours all the same; then the outcome is written down, and the message is left to its new
 * holder, who will find the notification as we leave it. */
int hd_delivery_still_ours(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery, bool *ret_ours,
                           struct hd_error *err) HD_MUST_CHECK;

/* What an attempt came to. */
struct verdict {
    enum hd_outcome_kind outcome;
    const char *provider;
    const char *detail; /* NULL else */
    int64_t retry_after_ms;
    int64_t duration_ms;
};

/* Writes it down: sent; or the next attempt by the retry policy; or dead, with its dead letter. */
int hd_delivery_conclude(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery, const struct verdict *verdict,
                         struct hd_error *err) HD_MUST_CHECK;
