/* Threads that process: each takes messages from one processor's queue and runs them as a batch (host/batch.h). For a backend whose store may keep a thread waiting: a processor has threads of its own,
 * so that no channel delays another. */
#pragma once

#include <stdbool.h>

#include "core/clock.h"
#include "core/processor.h"

struct workers;

enum { HD_WORKERS_THREADS_MAX = 64 /* of a processor */ };

struct workers_options {
    struct hd_context context; /* store is set for each thread */
    const struct hd_clock *clock;
    unsigned processors;         /* set of 1 << index in hd_processors */
    size_t threads;              /* of each processor; one is enough for dead letters */
    size_t connections_per_host; /* of all of them together */
    int64_t idle_ms;             /* a queue without a message is asked again after that; 0 for one that waits for messages itself */
    void *self;
    /* A thread's own views, which hd_workers_free closes. */
    int (*open)(void *self, struct hd_store **ret_store, struct hd_queue **ret_queue, struct hd_error *err);
    void (*happened)(void *self, const struct hd_changeset *set); /* what was committed; from any of the threads */
};

int hd_workers_new(const struct workers_options *options, struct workers **ret_workers, struct hd_error *err) HD_MUST_CHECK;
int hd_workers_start(struct workers *workers, struct hd_error *err) HD_MUST_CHECK;
/* Takes no more messages, finishes what is in flight within grace_ms, and ends the threads; what is unfinished then comes again. False: the store or the queue has not let go of one of them; then
 * nothing that it uses may be freed, and the process must end as it is. */
bool hd_workers_stop(struct workers *workers, int64_t grace_ms);
void hd_workers_free(struct workers *workers); /* takes NULL; stopped */
