/* The SQS event of Lambda's event source mapping (docs.aws.amazon.com/lambda/latest/dg/with-sqs.html), and the answer to it that names what failed (ReportBatchItemFailures). Pure; fuzzed. */
#pragma once

#include "base/buffer.h"
#include "core/queue.h"

/* The event's messages; they live in arena. queue, lane and abandoned follow from the queue's name, the last part of eventSourceARN: "<prefix>email", "<prefix>email-urgent", "<prefix>email-dead". One without
 * the attribute enqueuedAt, or with one that lies after its sending, counts from SentTimestamp.
 * HD_ERR_MALFORMED: no such event, or a record that lacks what every record has: nothing of it can be handled then. HD_ERR_NO_MEMORY. */
int hd_sqs_event_read(struct hd_arena *arena, const char *text, size_t len, struct hd_message **ret_messages, size_t *ret_count,
                      struct hd_error *err) HD_MUST_CHECK;

/* {"batchItemFailures":[{"itemIdentifier":"<message id>"},…]}: those whose failed is true. Check out afterwards. */
void hd_sqs_event_answer(struct hd_buffer *out, const struct hd_message *messages, const bool *failed, size_t count);

/* Which queue a name belongs to. False for a name that ends in none of ours. */
bool hd_sqs_queue_of_name(const char *name, enum hd_queue_name *ret_queue, enum hd_lane *ret_lane, bool *ret_dead);
