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

/* The message becomes a dead letter, which the dlq processor is told of, and is acknowledged. */
void hd_task_bury(const struct hd_context *ctx, struct hd_work *work, const struct burial *burial);
