/* SQS itself (JSON 1.0): the queues by their names, and messages in batches. Private to this folder; the queue port stands on it (queue.c), and the outbox (outbox.c).
 *
 * For each enum hd_queue_name there are three queues: "<prefix>email" (the normal lane), "<prefix>email-urgent", and "<prefix>email-dead", to which SQS moves what either has delivered
 * three times in vain (maxReceiveCount 3). A message carries its enqueuedAt (Unix ms) as a message attribute; one without (from a foreign publisher) counts from its SentTimestamp. */
#pragma once

#include "adapters/aws/client.h"
#include "core/queue.h"

enum { HD_SQS_BATCH_MAX = 10, HD_SQS_BATCH_MAX_BYTES = 1024 * 1024, HD_SQS_MAX_RECEIVE_COUNT = 3 };

enum hd_sqs_kind { HD_SQS_NORMAL, HD_SQS_URGENT, HD_SQS_DEAD, HD_SQS_KIND_COUNT }; /* the first two are enum hd_lane, the other way round */

struct hd_sqs; /* the queues' URLs, over a client; belongs to the client's thread */

int hd_sqs_new(struct hd_aws *aws, struct hd_aws_client *client, struct hd_sqs **ret_sqs, struct hd_error *err) HD_MUST_CHECK;
void hd_sqs_free(struct hd_sqs *sqs); /* takes NULL; not the client */

/* "<prefix>email-urgent", without the URL in front of it. In the arena; NULL when memory is out. */
const char *hd_sqs_name(const struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena);

struct hd_sqs_outgoing {
    enum hd_queue_name queue;
    enum hd_lane lane;
    const char *body;
    int64_t enqueued_at_ms;
    int64_t due_at_ms; /* visible from then on: what is left of it becomes DelaySeconds, rounded up, at most 900 */
    enum hd_code code; /* filled: 0 when SQS has it */
};
/* Any number, to any queues: batches of at most 10 messages and 1 MiB, all at once; entries that failed for SQS's fault are sent again, alone. Each message has its own code afterwards; err, the first failure. */
int hd_sqs_send(struct hd_sqs *sqs, int64_t now_ms, struct hd_sqs_outgoing *messages, size_t count, struct hd_arena *arena,
                struct hd_error *err) HD_MUST_CHECK;

/* Deletes by receipt, in batches. What cannot be deleted comes again and finds its work done; so failures are counted, and are no error. Receipts are those of struct hd_message. */
void hd_sqs_delete(struct hd_sqs *sqs, const struct hd_message *const *messages, size_t count, struct hd_arena *arena, size_t *ret_failed);
