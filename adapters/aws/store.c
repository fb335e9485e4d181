#include "adapters/aws/store.h"

#include <stdlib.h>

/* Of one call. The largest: a commit of HD_COMMIT_MAX sets, with its requests and their answers. What a call has used is given back when the next begins. */
static const size_t scratch_bytes = (size_t)512 * 1024 * 1024;

struct hd_aws_store *hd_aws_store_of(struct hd_store *store) {
    return (struct hd_aws_store *)store;
}

static void close_store(struct hd_store *store) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_sqs_free(s->sqs);
    hd_aws_client_free(s->client);
    hd_compressor_free(s->compressor);
    hd_arena_free(s->ahead.arena);
    hd_arena_free(s->scratch);
    free(s);
}

static const struct hd_store_ops ops = {
    .commit = hd_dynamo_commit,
    .begin_reads = hd_dynamo_begin_reads,
    .end_reads = hd_dynamo_end_reads,
    .read_ahead = hd_dynamo_read_ahead,
    .ticket = hd_dynamo_ticket,
    .user = hd_dynamo_user,
    .event = hd_dynamo_event,
    .processed = hd_dynamo_processed,
    .notification = hd_dynamo_notification,
    .dead_letter = hd_dynamo_dead_letter,
    .inbox_item = hd_dynamo_inbox_item,
    .answer = hd_dynamo_answer,
    .audit = hd_dynamo_audit,
    .attempts = hd_dynamo_attempts,
    .tickets = hd_dynamo_tickets,
    .users = hd_dynamo_users,
    .notifications = hd_dynamo_notifications,
    .dead_letters = hd_dynamo_dead_letters,
    .inbox = hd_dynamo_inbox,
    .unread = hd_dynamo_unread,
    .close = close_store,
};

int hd_aws_store(struct hd_aws *aws, struct hd_store **ret_store, struct hd_error *err) {
    const struct hd_aws_options *options = hd_aws_options(aws);
    if (!options->table)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "no DynamoDB table is named");
    struct hd_aws_store *s = calloc(1, sizeof *s);
    if (!s)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a store");
    s->store.ops = &ops;
    s->options = options;
    s->compressor = hd_compressor_new();
    s->scratch = hd_arena_new(scratch_bytes);
    int rc = s->compressor && s->scratch ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a store");
    if (!rc)
        rc = hd_aws_client_new(aws, &s->client, err);
    if (!rc && options->queues)
        rc = hd_sqs_new(aws, s->client, &s->sqs, err);
    if (rc) {
        close_store(&s->store);
        return rc;
    }
    *ret_store = &s->store;
    return 0;
}
