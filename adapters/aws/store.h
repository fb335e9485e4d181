/* The store view on DynamoDB, as the files that make it up share it (commit.c, steps.c, outbox.c, reads.c, lists.c, store.c). Private to this folder. */
#pragma once

#include "adapters/aws/client.h"
#include "adapters/aws/item.h"
#include "adapters/aws/sqs.h"

enum {
    HD_DYNAMO_ACTIONS_MAX = 100,                   /* of a TransactWriteItems */
    HD_DYNAMO_TRANSACTION_MAX_BYTES = 3500 * 1000, /* of its items, of 4 MB; ours is counted as JSON, which is longer */
    HD_DYNAMO_GET_MAX = 100,                       /* keys of a BatchGetItem */
    HD_DYNAMO_WRITE_MAX = 25,                      /* of a BatchWriteItem */
    HD_DYNAMO_ROUNDS_MAX = 10, /* of what was refused for the moment: a transaction beside another, keys that were not processed */
};

/* What was fetched for the reads to come (ahead.c): sorted by key. */
struct hd_ahead {
    bool open;              /* between begin_reads and end_reads */
    struct hd_arena *arena; /* NULL until something is fetched */
    struct hd_ahead_entry *entries;
    size_t count;
};

struct hd_aws_store {
    struct hd_store store;
    const struct hd_aws_options *options;
    struct hd_aws_client *client;
    struct hd_sqs *sqs; /* NULL: no queues; messages stay in the outbox, for whoever sweeps it */
    struct hd_compressor *compressor;
    struct hd_arena *scratch; /* of one call: requests, answers, trees */
    struct hd_ahead ahead;
};

struct hd_aws_store *hd_aws_store_of(struct hd_store *store);

/* ---- requests (dynamo.c) ---- */

/* "DynamoDB_20120810.<operation>" with that body, which must live until the call. target is a literal: HD_DYNAMO("GetItem", body). */
#define HD_DYNAMO(operation, text) \
    ((struct hd_aws_request){      \
        .service = HD_AWS_DYNAMODB, .target = "DynamoDB_20120810." operation, .body = (text)->data, .body_bytes = (text)->len})

/* A buffer whose memory is the caller's to free, opened with {"TableName":…; and the check behind its last '}'. */
struct hd_json_writer hd_dynamo_open(const struct hd_aws_store *s, struct hd_buffer *body);
int hd_dynamo_close(struct hd_json_writer *w, struct hd_error *err) HD_MUST_CHECK;
/* Sends one request, and reads its answer, in scratch. */
int hd_dynamo_call(struct hd_aws_store *s, const struct hd_aws_request *request, json_t **ret_answer, struct hd_error *err) HD_MUST_CHECK;
int hd_dynamo_parse(struct hd_aws_store *s, const struct hd_aws_response *response, json_t **ret_answer,
                    struct hd_error *err) HD_MUST_CHECK;

/* The items of these keys, consistently; NULL where there is none. Keys may be equal. All in scratch. */
int hd_dynamo_get_many(struct hd_aws_store *s, const struct hd_aws_key *keys, size_t count, json_t **ret_items,
                       struct hd_error *err) HD_MUST_CHECK;

/* Full jitter: waits at most base_ms * 2^round, up to 500 ms. */
void hd_dynamo_wait(const struct hd_aws_store *s, unsigned round, int64_t base_ms);
/* A UUID of random bits, in scratch; NULL without memory. */
const char *hd_dynamo_token(struct hd_aws_store *s);

/* ---- reading ahead (ahead.c) ---- */

/* True: the item of that key was fetched ahead; *ret_item is NULL when there was none. */
bool hd_ahead_find(const struct hd_ahead *ahead, const struct hd_aws_key *key, json_t **ret_item);
void hd_ahead_forget(struct hd_ahead *ahead);

/* ---- the operations of the port ---- */

int hd_dynamo_begin_reads(struct hd_store *store, struct hd_error *err);
void hd_dynamo_end_reads(struct hd_store *store);
int hd_dynamo_read_ahead(struct hd_store *store, const struct hd_wanted *things, size_t count, struct hd_error *err);

int hd_dynamo_commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                     struct hd_error *err);

int hd_dynamo_ticket(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_ticket **ret, struct hd_error *err);
int hd_dynamo_user(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_user **ret, struct hd_error *err);
int hd_dynamo_event(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_event **ret, struct hd_error *err);
int hd_dynamo_processed(struct hd_store *store, const char *processor, const char *event_id, bool *ret, struct hd_error *err);
int hd_dynamo_notification(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_notification **ret,
                           struct hd_error *err);
int hd_dynamo_dead_letter(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_dead_letter **ret,
                          struct hd_error *err);
int hd_dynamo_inbox_item(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_inbox_item **ret,
                         struct hd_error *err);
int hd_dynamo_answer(struct hd_store *store, struct hd_arena *arena, const char *key, const struct hd_answer **ret, struct hd_error *err);
int hd_dynamo_audit(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_audit **ret, struct hd_error *err);
int hd_dynamo_attempts(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_attempt **ret,
                       size_t *ret_count, struct hd_error *err);

int hd_dynamo_tickets(struct hd_store *store, struct hd_arena *arena, const struct hd_ticket_filter *filter, const struct hd_page *page,
                      const struct hd_ticket **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err);
int hd_dynamo_users(struct hd_store *store, struct hd_arena *arena, const struct hd_user_filter *filter, const struct hd_page *page,
                    const struct hd_user **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err);
int hd_dynamo_notifications(struct hd_store *store, struct hd_arena *arena, const struct hd_notification_filter *filter,
                            const struct hd_page *page, const struct hd_notification **ret, size_t *ret_count, const char **ret_next_cursor,
                            struct hd_error *err);
int hd_dynamo_dead_letters(struct hd_store *store, struct hd_arena *arena, const struct hd_dead_letter_filter *filter,
                           const struct hd_page *page, const struct hd_dead_letter **ret, size_t *ret_count, const char **ret_next_cursor,
                           struct hd_error *err);
int hd_dynamo_inbox(struct hd_store *store, struct hd_arena *arena, const struct hd_inbox_filter *filter, const struct hd_page *page,
                    const struct hd_inbox_item **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err);
int hd_dynamo_unread(struct hd_store *store, const char *user_id, int64_t cap, int64_t *ret_count, struct hd_error *err);
