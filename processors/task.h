/* Queue messages: what they say, and what becomes of one that can never be handled. */
#pragma once

#include "core/processor.h"

/* A message's body: a JSON object in which some of these stand. */
struct task {
    const json_t *body;
    const char *event_id;
    const char *notification_id;
    const char *dead_letter_id;
};

/* False when the body is no JSON object: *err says why. HD_ERR_NO_MEMORY is an error as any other, not a bad message. */
int hd_task_read(const struct hd_work *work, struct task *ret_task, struct hd_error *err) HD_MUST_CHECK;

/* What a dead letter is about; NULL for what is not known. */
struct burial {
    const char *reason; /* a word: "invalid_event" */
    const char *detail;
    const struct hd_event *event;
    const struct hd_notification *notification;
    int attempts;
    bool message_lost; /* somebody else has the message now: leave it to them */
};

/* The message becomes a dead letter, which the dlq processor is told of (unless it is the dlq queue's own: that would go on for ever), and is acknowledged. Where messages have ids, a message
 * makes one letter, however often it is delivered: a decision that is made again finds it there. A body that no queue of ours takes is cut. */
int hd_task_bury(const struct hd_context *ctx, struct hd_work *work, const struct burial *burial, struct hd_error *err) HD_MUST_CHECK;
