/* DynamoDB and SQS as the store of adapters/aws asks them, in memory: for tests of what happens when requests fail, are lost or come no more, which emulators do not do on demand. What the services
 * promise is here: transactions whole or not at all with a reason for each action, tokens that make a repetition harmless, keys left unprocessed.
 *
 * It knows the expressions that the store writes, and no others. What the store does with real answers, the contract suite asks of emulators. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { HD_TABLE_ACTION_BYTES = 64 };

enum hd_table_fault {
    HD_TABLE_WORKS,
    HD_TABLE_LOSES,     /* does it, and loses the answer */
    HD_TABLE_CUTS,      /* does nothing, and gives no answer */
    HD_TABLE_THROTTLES, /* a transaction: refused for ThrottlingError; else ProvisionedThroughputExceededException */
    HD_TABLE_CONFLICTS, /* a transaction: refused for TransactionConflict */
    HD_TABLE_FAILS,     /* 500, nothing is done */
};

struct hd_table;

/* What becomes of a request: action is "TransactWriteItems", "SendMessageBatch" …; number counts all requests from 1. Runs on the server's thread. */
typedef enum hd_table_fault hd_table_fault_fn(void *arg, const char *action, int number);

/* Sets AWS_ENDPOINT_URL and what else a client wants in the environment. Aborts when it cannot. */
struct hd_table *hd_table_new(hd_table_fault_fn *fault, void *arg);
void hd_table_free(struct hd_table *table);

int hd_table_requests(struct hd_table *table);
/* All below: while no request is under way. */
size_t hd_table_count(struct hd_table *table, char prefix); /* items whose pk begins with it; '\0': all */
const json_t *hd_table_item(struct hd_table *table, const char *pk, const char *sk);
/* The key of the first such item, "" when there is none; until the next request. */
const char *hd_table_first_pk(struct hd_table *table, char prefix);
const char *hd_table_first_sk(struct hd_table *table, char prefix);
size_t hd_table_sent(struct hd_table *table, const char *body); /* how often SQS has taken a message of that body */
size_t hd_table_deleted(struct hd_table *table, const char *receipt);
void hd_table_refuse_queue(struct hd_table *table,
                           const char *name); /* entries for queues whose URL ends so fail for the service's fault; NULL: none */
size_t hd_table_actions(struct hd_table *table, const char *action); /* how many such requests came */
const char *hd_table_token(struct hd_table *table, size_t i);        /* of the i-th transaction that came */
