/* The processing thread: takes messages from every processor's queue, lets the processor decide, has the committer commit, and runs the transfers. */
#pragma once

#include "adapters/transfer/dispatcher.h"
#include "app/committer.h"
#include "core/processor.h"
#include "core/queue.h"

struct worker;

struct worker_options {
    struct hd_context context; /* with the worker's own store view; now_ms is set for each decision */
    const struct hd_clock *clock;
    struct hd_queue *queue; /* the worker's own view */
    struct committer *committer;
    size_t transfers_max;  /* at once, in all */
    size_t deliveries_max; /* messages in flight of a processor that transfers: some for each connection, so that none waits long for one */
    size_t connections_per_host;
};

int hd_worker_new(const struct worker_options *options, struct worker **ret_worker, struct hd_error *err) HD_MUST_CHECK;
/* Starts the thread. */
int hd_worker_start(struct worker *worker, struct hd_error *err) HD_MUST_CHECK;
/* Something was committed: there may be messages, and answers. Any thread. */
void hd_worker_wake(struct worker *worker);
/* Takes no more messages, finishes what is in flight within grace_ms, and ends the thread; what is unfinished then comes again at the next start. */
void hd_worker_stop(struct worker *worker, int64_t grace_ms);
void hd_worker_free(struct worker *worker); /* takes NULL; stopped, and the committer, too */
