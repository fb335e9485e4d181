#include "app/workers.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/threads.h"
#include "base/log.h"
#include "host/batch.h"
#include "host/job.h"
#include "processors/processors.h"

enum {
    TAKE_AT_ONCE = 100,          /* messages of a batch */
    SEND_AT_ONCE = 32,           /* of a batch that transfers: it lasts as long as its slowest transfer */
    RETRY_AFTER_ERROR_MS = 1000, /* when the queue cannot be asked */
    BATCH_MAX_MS = 10 * 60 * 1000,
    MARGIN_MS = 500,     /* from the end of a batch that had to hurry to the end of its thread */
    THREAD_END_MS = 500, /* beyond the grace */
    NAME_BYTES = 64,
};

struct thread {
    struct workers *workers;
    const struct hd_processor *processor;
    struct hd_store *store;
    struct hd_queue *queue;
    struct hd_batch *batch;
    struct hd_arena *received;
    pthread_t id;
    bool runs;
    char name[NAME_BYTES]; /* in owner tokens: unique for each thread */
};

struct workers {
    struct workers_options options;
    struct stop_signal stop;
    int64_t visibility_ms;
    size_t count;
    struct thread *threads;
};

static int64_t now_ms(const struct workers *w) {
    return w->options.clock->now_ms(w->options.clock);
}

/* ---- a thread ---- */

/* How long to wait before the queue is asked again. */
static int64_t take_and_run(struct thread *t) {
    struct workers *w = t->workers;
    struct hd_message *messages = NULL;
    struct hd_error err = {0};
    enum hd_fate fates[HD_BATCH_MESSAGES_MAX];
    size_t count = 0, max = t->processor->conclude ? SEND_AT_ONCE : TAKE_AT_ONCE;
    int64_t next_due_ms = INT64_MAX;
    hd_arena_reset(t->received);
    int r = t->queue->ops->receive(t->queue, t->processor->queue, max, now_ms(w), w->visibility_ms, t->received, &messages, &count,
                                   &next_due_ms, &err);
    if (r) {
        hd_log(HD_LOG_ERROR, "messages cannot be read", NULL, HD_LOG_STR("processor", t->processor->name),
               HD_LOG_STR("error", hd_code_type(err.code)), HD_LOG_STR("detail", err.detail));
        return RETRY_AFTER_ERROR_MS;
    }
    if (count == 0)
        return w->options.idle_ms;
    hd_batch_run(t->batch, t->processor, messages, count, now_ms(w) + BATCH_MAX_MS, fates);
    return 0;
}

static void *run(void *arg) {
    struct thread *t = arg;
    char name[16];
    (void)snprintf(name, sizeof name, "%.15s", t->processor->name);
    pthread_setname_np(pthread_self(), name);
    for (int64_t wait_ms = 0; !hd_stop_signal_wait(&t->workers->stop, wait_ms);)
        wait_ms = take_and_run(t);
    return NULL;
}

/* ---- all of them ---- */

static int open_thread(struct workers *w, struct thread *t, const struct hd_processor *processor, size_t sharers, struct hd_error *err) {
    const struct workers_options *options = &w->options;
    *t = (struct thread){.workers = w, .processor = processor};
    (void)snprintf(t->name, sizeof t->name, "%s-%zu", options->context.worker, w->count++);
    t->received = hd_arena_new((size_t)HD_RECEIVE_MAX * HD_MESSAGE_MAX_BYTES);
    if (!t->received)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a worker");
    int r = options->open(options->self, &t->store, &t->queue, err);
    if (r)
        return r;
    struct hd_batch_options batch = {
        .context = options->context,
        .queue = t->queue,
        .clock = options->clock,
        .connections_per_host = options->connections_per_host > sharers ? options->connections_per_host / sharers : 1,
        .visibility_ms = w->visibility_ms,
        .self = options->self,
        .happened = options->happened,
    };
    batch.context.store = t->store;
    batch.context.worker = t->name;
    return hd_batch_new(&batch, &t->batch, err);
}

static size_t threads_of(const struct workers_options *options, size_t processor) {
    if (!(options->processors & 1u << processor))
        return 0;
    return hd_processors[processor] == &hd_dlq_processor ? 1 : options->threads;
}

static int open_all(struct workers *w, struct hd_error *err) {
    size_t count = 0;
    for (size_t i = 0; i < hd_processor_count; i++)
        count += threads_of(&w->options, i);
    w->threads = calloc(count + 1, sizeof *w->threads);
    int r = w->threads ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the workers");
    for (size_t i = 0; !r && i < hd_processor_count; i++) {
        size_t threads = threads_of(&w->options, i);
        for (size_t n = 0; !r && n < threads; n++)
            r = open_thread(w, &w->threads[w->count], hd_processors[i], threads, err);
    }
    return r;
}

int hd_workers_new(const struct workers_options *options, struct workers **ret_workers, struct hd_error *err) {
    struct workers *w = calloc(1, sizeof *w);
    if (!w)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the workers");
    w->options = *options;
    w->visibility_ms = hd_job_visibility_ms(&options->context);
    hd_stop_signal_init(&w->stop);
    int r = open_all(w, err);
    if (r) {
        hd_workers_free(w);
        return r;
    }
    *ret_workers = w;
    return 0;
}

int hd_workers_start(struct workers *w, struct hd_error *err) {
    for (size_t i = 0; i < w->count; i++) {
        w->threads[i].runs = pthread_create(&w->threads[i].id, NULL, run, &w->threads[i]) == 0;
        if (!w->threads[i].runs)
            return hd_error_set(err, HD_ERR_NO_MEMORY, "no thread for a worker");
    }
    return 0;
}

bool hd_workers_stop(struct workers *w, int64_t grace_ms) {
    int64_t until_ms = hd_monotonic_ms() + grace_ms + THREAD_END_MS;
    bool all_ended = true;
    hd_stop_signal_raise(&w->stop);
    for (size_t i = 0; i < w->count; i++)
        hd_batch_hurry(w->threads[i].batch, now_ms(w) + (grace_ms > MARGIN_MS ? grace_ms - MARGIN_MS : 0));
    for (size_t i = 0; i < w->count; i++) {
        struct thread *t = &w->threads[i];
        if (t->runs && hd_thread_join_until(t->id, until_ms))
            t->runs = false;
        all_ended = all_ended && !t->runs;
    }
    return all_ended;
}

void hd_workers_free(struct workers *w) {
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++) {
        struct thread *t = &w->threads[i];
        hd_batch_free(t->batch);
        hd_arena_free(t->received);
        if (t->queue)
            t->queue->ops->close(t->queue);
        if (t->store)
            t->store->ops->close(t->store);
    }
    free(w->threads);
    hd_stop_signal_destroy(&w->stop);
    free(w);
}
