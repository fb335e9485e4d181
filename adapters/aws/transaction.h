/* Transactions, many side by side: each whole or not at all, its token the same for all of its repetitions. Private to this folder. */
#pragma once

#include "adapters/aws/plan.h"
#include "adapters/aws/store.h"

struct hd_transaction {
    const struct hd_plan *plan;     /* 1 to HD_DYNAMO_ACTIONS_MAX actions */
    struct hd_commit_result result; /* filled */
    struct hd_error err;            /* of a result that is neither 0 nor HD_ERR_CONFLICT */

    /* their run's */
    const char *token;
    struct hd_buffer body;
    bool settled;
    bool unsure; /* one of the tries may have been done */
    unsigned rounds;
    int64_t began_ms; /* monotonic */
};

/* Fails only without memory; then it is unsure of any that has no result whether it happened. */
int hd_transactions_run(struct hd_aws_store *s, struct hd_transaction *transactions, size_t count, struct hd_error *err) HD_MUST_CHECK;
