/* What is refused for the moment (another transaction holds an item, throttling) is repeated here, as is what may have been done while its answer was lost: with the same token DynamoDB does
 * nothing twice, and answers as it did (for ten minutes). So a changeset is never decided again while it may have happened. What the client has repeated already (no answer, 5xx)
 * comes here only after its tries. */
#include "adapters/aws/transaction.h"

#include <string.h>

enum {
    UNSURE_ROUNDS = 3,     /* of the client's tries, for what may have been done */
    UNSURE_MS = 15 * 1000, /* and no new one after that: somebody waits for the answer */
    CONFLICT_WAIT_MS = 5,
};

static int write_body(const struct hd_aws_store *s, struct hd_transaction *t, struct hd_error *err) {
    struct hd_json_writer w = hd_json_writer(&t->body);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "ClientRequestToken", t->token);
    hd_json_open_array(&w, "TransactItems");
    for (size_t i = 0; i < t->plan->count; i++)
        hd_action_write(&w, s->options->table, &t->plan->actions[i]);
    hd_json_close_array(&w);
    return hd_dynamo_close(&w, err);
}

static void settle(struct hd_transaction *t, enum hd_code code, size_t change) {
    t->settled = true;
    t->result = (struct hd_commit_result){.code = code, .change = change};
}

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* The first change whose condition did not hold; else whether another time may be better. */
static void judge_reasons(struct hd_transaction *t, const json_t *reasons, const struct hd_aws_response *response) {
    static const char *const later[] = {"TransactionConflict",
                                        "ThrottlingError",
                                        "ProvisionedThroughputExceeded",
                                        "RequestLimitExceeded",
                                        "Throttling",
                                        "ProvisionedThroughputExceededException",
                                        "InternalServerError",
                                        NULL};
    bool again = false;
    for (size_t i = 0; i < json_array_size(reasons) && i < t->plan->count; i++) {
        const char *code = hd_json_str(json_array_get(reasons, i), "Code");
        if (code && strcmp(code, "ConditionalCheckFailed") == 0) {
            settle(t, HD_ERR_CONFLICT, t->plan->actions[i].change);
            return;
        }
        again = again || (code && is_one_of(code, later));
    }
    if (again)
        return;
    settle(t, HD_ERR_INTERNAL, 0);
    (void)hd_error_set(&t->err, HD_ERR_INTERNAL, "DynamoDB refused a transaction: %s", response->message);
}

static void judge(struct hd_aws_store *s, struct hd_transaction *t, const struct hd_aws_request *request,
                  const struct hd_aws_response *response) {
    static const char *const later[] = {"TransactionInProgressException", "TransactionConflictException", NULL};
    t->unsure = t->unsure || response->unsure;
    if (response->code == HD_OK) {
        settle(t, HD_OK, 0);
        return;
    }
    if (strcmp(response->type, "TransactionCanceledException") == 0) {
        json_t *answer = NULL;
        if (hd_dynamo_parse(s, response, &answer, &t->err))
            settle(t, HD_ERR_UNAVAILABLE, 0);
        else
            judge_reasons(t, json_object_get(answer, "CancellationReasons"), response);
        return;
    }
    bool may_ask = t->rounds < UNSURE_ROUNDS && hd_monotonic_ms() - t->began_ms < UNSURE_MS;
    bool again = is_one_of(response->type, later) || (response->code == HD_ERR_UNAVAILABLE && t->unsure && may_ask);
    (void)hd_aws_response_error(request, response, &t->err);
    if (!again)
        settle(t, response->code == HD_ERR_INVALID ? HD_ERR_INTERNAL : response->code, 0);
}

static int run_round(struct hd_aws_store *s, struct hd_transaction *transactions, size_t count, struct hd_aws_request *requests,
                     struct hd_aws_response *responses, struct hd_error *err) {
    size_t open = 0;
    for (size_t i = 0; i < count; i++)
        if (!transactions[i].settled)
            requests[open++] = HD_DYNAMO("TransactWriteItems", &transactions[i].body);
    int rc = hd_aws_call_all(s->client, requests, open, s->scratch, responses, err);
    if (rc)
        return rc;
    open = 0;
    for (size_t i = 0; i < count; i++) {
        struct hd_transaction *t = &transactions[i];
        if (t->settled)
            continue;
        t->rounds++;
        judge(s, t, &requests[open], &responses[open]);
        open++;
        if (!t->settled && t->rounds == HD_DYNAMO_ROUNDS_MAX) {
            settle(t, HD_ERR_UNAVAILABLE, 0);
            (void)hd_error_set(&t->err, HD_ERR_UNAVAILABLE, "DynamoDB did not take a transaction in %d tries: others hold its items",
                               HD_DYNAMO_ROUNDS_MAX);
        }
    }
    return 0;
}

static bool all_settled(const struct hd_transaction *transactions, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!transactions[i].settled)
            return false;
    return true;
}

static int begin(struct hd_aws_store *s, struct hd_transaction *t, struct hd_error *err) {
    t->began_ms = hd_monotonic_ms();
    t->token = hd_dynamo_token(s);
    return t->token ? write_body(s, t, err) : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a transaction");
}

int hd_transactions_run(struct hd_aws_store *s, struct hd_transaction *transactions, size_t count, struct hd_error *err) {
    struct hd_aws_request *requests = hd_arena_calloc(s->scratch, count + 1, sizeof *requests);
    struct hd_aws_response *responses = hd_arena_calloc(s->scratch, count + 1, sizeof *responses);
    int rc = requests && responses ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for %zu transactions", count);
    for (size_t i = 0; !rc && i < count; i++)
        rc = begin(s, &transactions[i], err);
    for (unsigned round = 0; !rc && !all_settled(transactions, count); round++) {
        if (round > 0)
            hd_dynamo_wait(s, round, CONFLICT_WAIT_MS);
        rc = run_round(s, transactions, count, requests, responses, err);
    }
    for (size_t i = 0; i < count; i++)
        hd_buffer_free(&transactions[i].body);
    return rc;
}
