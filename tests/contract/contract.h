/* The contract suite of the store port and the queue port: what an implementation promises is what these cases check, and nothing else.
 *
 * An implementation runs them with a few lines of its own:
 *     int main(void) { return hd_contract_run(&backend); }
 *
 * Time never comes from a clock. It moves forward only, and in whole seconds where a queue waits for it, because SQS counts in seconds.
 * HELPDESK_SEED repeats a run of the random cases; HELPDESK_CONTRACT is a pattern (* and ?) of the cases to run, HELPDESK_CONTRACT_GROUPS names groups of them: "queue model". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/queue.h"
#include "core/store.h"

struct hd_contract_backend {
    const char *name;
    int (*open)(void **ret_backend); /* empty; 0, or anything else when it cannot */
    /* A new view. The suite closes it; a NULL fails the case. */
    struct hd_store *(*store)(void *backend);
    struct hd_queue *(*queue)(void *backend);
    /* As after kill -9 and a restart. Views from before are of no more use, but the suite may still close them afterwards. NULL: it cannot. */
    void (*reopen)(void *backend);
    /* Tells what the time is now, before each call that has it pass, for a backend whose queue has a clock of its own (an emulator's). NULL: it takes now_ms. */
    void (*set_now)(void *backend, int64_t now_ms);
    void (*close)(void *backend); /* all views are closed */

    /* What the ports let an implementation do better or worse. */
    bool fifo; /* first in, first out within a lane: tried, not promised */
    bool
        waits_well; /* counts time in milliseconds, and knows when to ask again: a host that waits until next_due_ms never asks in a circle */
    bool counts_exactly; /* the depth tells what is visible, in flight and delayed at this very moment; else only their sum is looked at */
    bool
        fences_receipts; /* the queue is part of the store's transactions: it refuses older receipts, knows its oldest message, gives nothing up, and may be asked ten thousand times */
    bool knows_the_end;  /* of a list, however much a filter passes over: no page is empty but the first of an empty list */
    bool one_transaction; /* a changeset of HD_CHANGES_MAX is as atomic as a small one (DynamoDB: 100 actions) */
};

/* The memory implementation (tests/support/memory.h), which the others are compared with. */
extern const struct hd_contract_backend hd_memory_backend;

/* Runs all cases; how many failed. */
int hd_contract_run(const struct hd_contract_backend *backend);
