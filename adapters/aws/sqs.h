/* SQS itself (JSON 1.0): the queues by their names, and messages in batches. Private to this folder; the queue port stands on it (queue.c), and the outbox (outbox.c).
 *
 * For each enum hd_queue_name there are three queues: "<prefix>email" (the normal lane), "<prefix>email-urgent", and "<prefix>email-dead", to which SQS moves what either has delivered
 * three times in vain (maxReceiveCount 3). A message carries its enqueuedAt (Unix ms) as a message attribute; one without (from a foreign publisher) counts from its SentTimestamp. */
#pragma once

#include "adapters/aws/client.h"
#include "base/json.h"
#include "core/queue.h"

enum { HD_SQS_BATCH_MAX = 10, HD_SQS_BATCH_MAX_BYTES = 1024 * 1024, HD_SQS_MAX_RECEIVE_COUNT = 3 };

enum hd_sqs_kind { HD_SQS_NORMAL, HD_SQS_URGENT, HD_SQS_DEAD, HD_SQS_KIND_COUNT };

struct hd_sqs; /* the queues' URLs, over a client; belongs to the client's thread */

int hd_sqs_new(struct hd_aws *aws, struct hd_aws_client *client, struct hd_sqs **ret_sqs, struct hd_error *err) HD_MUST_CHECK;
void hd_sqs_free(struct hd_sqs *sqs); /* takes NULL; not the client */

/* Whether this deployment has that queue (hd_aws_options.served). */
bool hd_sqs_serves(const struct hd_sqs *sqs, enum hd_queue_name queue);
/* Where a message came from. */
enum hd_sqs_kind hd_sqs_kind_of(const struct hd_message *message);
/* "<prefix>email-urgent", without the URL in front of it. In the arena; NULL when memory is out. */
const char *hd_sqs_name(const struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena);
/* Asks for it once, unless the prefix is a URL. Lives as long as sqs. */
int hd_sqs_url(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena, const char **ret_url,
               struct hd_error *err) HD_MUST_CHECK;
/* The same; *ret_url is NULL when SQS says that there is no such queue. */
int hd_sqs_find(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena, const char **ret_url,
                struct hd_error *err) HD_MUST_CHECK;
/* Whether a response says that there is no such queue. */
bool hd_sqs_is_absent(const struct hd_aws_response *response);
/* One request. Its failure is no error: look at the response. body: members of a JSON object. */
int hd_sqs_ask(struct hd_sqs *sqs, const char *action, const char *body, struct hd_arena *arena, struct hd_aws_response *ret_response,
               struct hd_error *err) HD_MUST_CHECK;
/* The JSON of a response that did not fail. */
int hd_sqs_read_answer(const char *action, const struct hd_aws_response *response, struct hd_arena *arena, const json_t **ret_answer,
                       struct hd_error *err) HD_MUST_CHECK;
/* The sentence about a response that failed, with the queue's name. */
int hd_sqs_response_error(const struct hd_sqs *sqs, const char *action, enum hd_queue_name queue, enum hd_sqs_kind kind,
                          const struct hd_aws_response *response, struct hd_error *err);

/* HD_ERR_INVALID: SQS never takes it (empty, more than 1 MiB, or a character that XML 1.0 has not). Before a message is promised. */
int hd_sqs_check_body(const char *body, struct hd_error *err) HD_MUST_CHECK;

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
/* The same for their visibility: hidden for visibility_ms from now on, rounded up to seconds. */
void hd_sqs_hide(struct hd_sqs *sqs, const struct hd_message *const *messages, size_t count, int64_t visibility_ms, struct hd_arena *arena,
                 size_t *ret_failed);

/* One message's visibility, with its error. HD_ERR_CONFLICT: the receipt no longer counts. */
int hd_sqs_extend(struct hd_sqs *sqs, const struct hd_message *message, int64_t visibility_ms, struct hd_arena *arena,
                  struct hd_error *err) HD_MUST_CHECK;

/* What one ReceiveMessage asks for, and what it brought. */
struct hd_sqs_receive {
    enum hd_queue_name queue;
    enum hd_sqs_kind kind;
    size_t max; /* ≤ HD_SQS_BATCH_MAX */
    int wait_s; /* ≤ 20 */
    enum hd_code code;
    struct hd_message *messages;
    size_t count;
};
/* All of them at once. Each has its own code afterwards; err, the first failure, which is returned only when all failed. Everything lives in the arena: what does not fit it is HD_ERR_NO_MEMORY of its ask, and its messages come again. */
int hd_sqs_receive(struct hd_sqs *sqs, struct hd_sqs_receive *asks, size_t count, int64_t visibility_ms, struct hd_arena *arena,
                   struct hd_error *err) HD_MUST_CHECK;

/* What SQS says about one queue: approximate. oldest_ms is not filled: CloudWatch tells it. */
int hd_sqs_depth(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena,
                 struct hd_queue_depth *ret_depth, struct hd_error *err) HD_MUST_CHECK;

/* The parts of hd_aws_setup and hd_aws_check that are about queues: those that are served, with their urgent lane and their dead-letter queue. */
int hd_sqs_setup(struct hd_sqs *sqs, void (*tell)(void *arg, const char *line), void *arg, struct hd_error *err) HD_MUST_CHECK;
int hd_sqs_check(struct hd_sqs *sqs, void (*tell)(void *arg, const char *line), void *arg, size_t *ret_problems,
                 struct hd_error *err) HD_MUST_CHECK;
