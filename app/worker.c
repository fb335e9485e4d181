#include "app/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "host/job.h"
#include "processors/processors.h"

enum {
    JOBS_MAX = 1024,             /* messages in flight, all processors together */
    RECEIVE_AT_ONCE = 64,        /* of one queue, before the next one has its turn */
    RETRY_AFTER_ERROR_MS = 1000, /* when the store or the memory fails */
    TELL_EVERY_MS = 1000,
    IDLE_MS = 250, /* look for messages of other processes this often */
    PROCESSORS_MAX = 16,
};

/* One message in flight. */
struct job {
    struct commit commit; /* first: the mailbox gives it back */
    struct worker *worker;
    struct hd_job job;
    bool kept;      /* its outcome could not be recorded yet */
    int64_t due_ms; /* of a conclude that must be tried again */
    struct job *next;
    struct job *made_before; /* all there are, wherever they may be */
};

struct worker {
    struct worker_options options;
    struct hd_jobs jobs;
    struct hd_dispatcher *dispatcher;
    struct hd_arena *received; /* of one receive */
    struct mailbox mailbox;
    pthread_t thread;
    atomic_bool stopping;
    _Atomic int64_t stop_at_ms;
    struct job *made; /* the youngest of all jobs */
    struct job *free_jobs;
    struct job *unrecorded; /* transfers that ended while the store could not be written: their outcome must not be lost */
    size_t in_flight[PROCESSORS_MAX];
    size_t jobs_in_flight;
    size_t outcomes_kept;
    int64_t next_due_ms[PROCESSORS_MAX];
    int64_t told_at_ms; /* the last line about an error */
    struct hd_metric *errors;
};

static int64_t now_ms(const struct worker *w) {
    return w->options.clock->now_ms(w->options.clock);
}

/* ---- jobs ---- */

static size_t index_of(const struct hd_processor *processor) {
    size_t i = 0;
    while (hd_processors[i] != processor)
        i++;
    return i;
}

static void job_free(struct job *job) {
    hd_job_clear(&job->job);
    free(job);
}

static struct job *job_take(struct worker *w) {
    struct job *job = w->free_jobs;
    if (job) {
        w->free_jobs = job->next;
        return job;
    }
    job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    if (hd_job_init(&job->job, NULL)) {
        job_free(job);
        return NULL;
    }
    job->worker = w;
    job->made_before = w->made;
    w->made = job;
    return job;
}

static void job_give_back(struct job *job) {
    struct worker *w = job->worker;
    w->in_flight[index_of(job->job.processor)]--;
    w->jobs_in_flight--;
    w->outcomes_kept -= job->kept;
    job->kept = false;
    hd_job_end(&job->job);
    job->next = w->free_jobs;
    w->free_jobs = job;
}

/* When the store fails, every message fails, every second: one line tells of all. */
static bool may_tell(struct worker *w) {
    int64_t now = now_ms(w);
    if (now - w->told_at_ms < TELL_EVERY_MS)
        return false;
    w->told_at_ms = now;
    return true;
}

/* Leaves the message to come again: nothing was decided. */
static void job_leave(struct job *job, int64_t after_ms) {
    struct worker *w = job->worker;
    (void)w->options.queue->ops->extend(w->options.queue, &job->job.message, now_ms(w), after_ms, NULL);
    job_give_back(job);
}

static void job_failed(struct job *job, const struct hd_error *err) {
    hd_counter_add(job->worker->errors, 1);
    if (may_tell(job->worker))
        hd_log(HD_LOG_ERROR, "message left to come again", NULL, HD_LOG_STR("processor", job->job.processor->name),
               HD_LOG_STR("error", hd_code_type(err->code)), HD_LOG_STR("detail", err->detail),
               HD_LOG_INT("receives", job->job.message.receive_count));
    job_leave(job, RETRY_AFTER_ERROR_MS);
}

static int64_t visibility_ms(const struct worker *w) {
    return hd_job_visibility_ms(&w->jobs.context);
}

/* An outcome that cannot be written down now is kept, and written when that is possible: sending again would be a second message. */
static void job_keep_outcome(struct job *job, const struct hd_error *err) {
    struct worker *w = job->worker;
    if (may_tell(w))
        hd_log_error(HD_LOG_ERROR, "an outcome waits to be recorded", NULL, err);
    w->outcomes_kept += !job->kept;
    job->kept = true;
    job->due_ms = now_ms(w) + RETRY_AFTER_ERROR_MS;
    (void)w->options.queue->ops->extend(w->options.queue, &job->job.message, now_ms(w), visibility_ms(w), NULL);
    job->next = w->unrecorded;
    w->unrecorded = job;
}

static void submit(struct job *job) {
    job->commit.set = &job->job.work.changes;
    job->commit.reply_to = &job->worker->mailbox;
    hd_committer_submit(job->worker->options.committer, &job->commit);
}

static void go_on(struct job *job, enum hd_job_next next, const struct hd_error *err);

static void transfer_done(void *arg, const struct hd_transfer_result *result) {
    struct job *job = arg;
    struct hd_error err = {0};
    go_on(job, hd_job_sent(&job->worker->jobs, &job->job, result, &err), &err);
}

static void start_transfer(struct job *job) {
    struct worker *w = job->worker;
    struct hd_error why = {0}, err = {0};
    if (hd_dispatcher_start(w->dispatcher, &job->job.work.transfer, transfer_done, job, &why))
        go_on(job, hd_job_not_sent(&w->jobs, &job->job, &why, &err), &err);
}

static void go_on(struct job *job, enum hd_job_next next, const struct hd_error *err) {
    switch (next) {
    case HD_JOB_COMMIT:
        submit(job);
        break;
    case HD_JOB_SEND:
        start_transfer(job);
        break;
    case HD_JOB_DONE:
        job_give_back(job);
        break;
    case HD_JOB_LEAVE:
        job_leave(job, 0);
        break;
    case HD_JOB_GIVE_BACK:
        job_failed(job, err);
        break;
    case HD_JOB_KEEP:
        job_keep_outcome(job, err);
        break;
    }
}

static void job_decide(struct job *job) {
    struct hd_error err = {0};
    go_on(job, hd_job_decide(&job->worker->jobs, &job->job, &err), &err);
}

/* Their channels will ask for them in a moment. */
static void keep_notifications(const struct job *job) {
    const struct worker *w = job->worker;
    const struct hd_changeset *changes = &job->job.work.changes;
    for (size_t i = 0; i < changes->count; i++) {
        const struct hd_change *change = &changes->changes[i];
        if (change->kind == HD_CHANGE_PUT_NOTIFICATION && change->notification->status == HD_PENDING)
            hd_recent_keep_notification(w->jobs.recent, now_ms(w), change->notification);
    }
}

static void job_committed(struct job *job) {
    struct hd_error err = {0};
    if (job->commit.result.code == 0)
        keep_notifications(job);
    go_on(job, hd_job_committed(&job->worker->jobs, &job->job, &job->commit.result, &job->commit.error, &err), &err);
}

static void take_answers(struct worker *w) {
    struct mail *mail = mailbox_take(&w->mailbox);
    if (!mail)
        return;
    (void)w->jobs.context.store->ops->begin_reads(w->jobs.context.store, NULL);
    while (mail) {
        struct mail *next = mail->next;
        job_committed((struct job *)mail);
        mail = next;
    }
    w->jobs.context.store->ops->end_reads(w->jobs.context.store);
}

static void record_outcomes(struct worker *w) {
    struct job *waiting = w->unrecorded;
    w->unrecorded = NULL;
    while (waiting) {
        struct job *job = waiting;
        waiting = job->next;
        if (job->due_ms > now_ms(w)) {
            job->next = w->unrecorded;
            w->unrecorded = job;
        } else {
            job_decide(job);
        }
    }
}

/* ---- messages ---- */

/* A message that has come again because its claim ran out, while what came of it waits to be recorded: it was sent, and must not be begun anew. */
static bool has_kept_outcome(const struct worker *w, const struct hd_processor *processor, const struct hd_message *message) {
    if (w->outcomes_kept == 0)
        return false;
    for (const struct job *job = w->made; job; job = job->made_before)
        if (job->kept && job->job.processor == processor && strcmp(job->job.message.body, message->body) == 0)
            return true;
    return false;
}

static void begin_job(struct worker *w, const struct hd_processor *processor, const struct hd_message *message) {
    struct job *job = has_kept_outcome(w, processor, message) ? NULL : job_take(w);
    if (!job) {
        (void)w->options.queue->ops->extend(w->options.queue, message, now_ms(w), RETRY_AFTER_ERROR_MS, NULL);
        return;
    }
    struct hd_error err = {0};
    int r = hd_job_take(&job->job, processor, message, &err);
    w->in_flight[index_of(processor)]++;
    w->jobs_in_flight++;
    if (r) {
        job_failed(job, &err);
    } else {
        job_decide(job);
    }
}

static size_t room_for(const struct worker *w, size_t index) {
    size_t room = JOBS_MAX > w->jobs_in_flight ? JOBS_MAX - w->jobs_in_flight : 0;
    if (hd_processors[index]->conclude) { /* what could not get a connection soon waits better in its queue */
        size_t slots = w->options.deliveries_max > w->in_flight[index] ? w->options.deliveries_max - w->in_flight[index] : 0;
        if (slots < room)
            room = slots;
    }
    return room < RECEIVE_AT_ONCE ? room : RECEIVE_AT_ONCE;
}

static size_t take_messages_of(struct worker *w, size_t index) {
    size_t room = room_for(w, index), count = 0;
    if (room == 0)
        return 0;
    struct hd_message *messages = NULL;
    struct hd_error err = {0};
    hd_arena_reset(w->received);
    int r = w->options.queue->ops->receive(w->options.queue, hd_processors[index]->queue, room, now_ms(w), visibility_ms(w), w->received,
                                           &messages, &count, &w->next_due_ms[index], &err);
    if (r) {
        hd_log_error(HD_LOG_ERROR, "messages cannot be read", NULL, &err);
        w->next_due_ms[index] = now_ms(w) + RETRY_AFTER_ERROR_MS;
        return 0;
    }
    if (count == 0)
        return 0;
    (void)w->jobs.context.store->ops->begin_reads(w->jobs.context.store, NULL); /* when it fails, the reads themselves tell it */
    for (size_t i = 0; i < count; i++)
        begin_job(w, hd_processors[index], &messages[i]);
    w->jobs.context.store->ops->end_reads(w->jobs.context.store);
    return count;
}

static size_t take_messages(struct worker *w) {
    size_t count = 0;
    for (size_t i = 0; i < hd_processor_count; i++)
        count += take_messages_of(w, i);
    return count;
}

/* ---- the thread ---- */

static int64_t time_to_wait(const struct worker *w, size_t taken) {
    if (taken > 0 || !mailbox_empty((struct mailbox *)&w->mailbox))
        return 0;
    int64_t now = now_ms(w), wait = IDLE_MS;
    for (size_t i = 0; i < hd_processor_count; i++) {
        int64_t until = w->next_due_ms[i] - now;
        if (w->next_due_ms[i] != INT64_MAX && until < wait && room_for(w, i) > 0)
            wait = until > 0 ? until : 0;
    }
    return wait;
}

static void *run(void *arg) {
    struct worker *w = arg;
    pthread_setname_np(pthread_self(), "worker");
    for (;;) {
        bool stopping = atomic_load(&w->stopping);
        take_answers(w);
        record_outcomes(w);
        size_t taken = stopping ? 0 : take_messages(w);
        if (stopping && (w->jobs_in_flight == 0 || now_ms(w) >= atomic_load(&w->stop_at_ms)))
            break;
        int64_t wait = stopping ? (mailbox_empty(&w->mailbox) ? 50 : 0) : time_to_wait(w, taken);
        if (wait > 0 || hd_dispatcher_under_way(w->dispatcher) > 0)
            hd_dispatcher_run(w->dispatcher, wait);
    }
    return NULL;
}

int hd_worker_new(const struct worker_options *options, struct worker **ret_worker, struct hd_error *err) {
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the worker");
    w->options = *options;
    w->jobs = (struct hd_jobs){.context = options->context, .clock = options->clock, .recent = hd_recent_new()};
    mailbox_init(&w->mailbox);
    w->errors = hd_counter("helpdesk_processing_errors_total", "Messages that were left to come again after an error of ours", NULL);
    for (size_t i = 0; i < PROCESSORS_MAX; i++)
        w->next_due_ms[i] = INT64_MAX;
    w->received = hd_arena_new((size_t)HD_RECEIVE_MAX * HD_MESSAGE_MAX_BYTES);
    struct hd_dispatcher_options dispatcher = {.transfers_max = options->transfers_max,
                                               .connections_per_host_max = options->connections_per_host};
    int r =
        w->received ? hd_dispatcher_new(&dispatcher, &w->dispatcher, err) : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the worker");
    if (r) {
        hd_worker_free(w);
        return r;
    }
    *ret_worker = w;
    return 0;
}

int hd_worker_start(struct worker *w, struct hd_error *err) {
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no thread for the worker");
    return 0;
}

void hd_worker_wake(struct worker *w) {
    hd_dispatcher_wake(w->dispatcher);
}

void hd_worker_stop(struct worker *w, int64_t grace_ms) {
    atomic_store(&w->stop_at_ms, now_ms(w) + grace_ms);
    atomic_store(&w->stopping, true);
    hd_worker_wake(w);
    pthread_join(w->thread, NULL);
}

/* What is unfinished is dropped, be it a transfer that was abandoned or a commit whose answer came too late: its message comes again. */
void hd_worker_free(struct worker *w) {
    if (!w)
        return;
    hd_dispatcher_free(w->dispatcher);
    for (struct job *job = w->made; job;) {
        struct job *before = job->made_before;
        job_free(job);
        job = before;
    }
    hd_arena_free(w->received);
    hd_recent_free(w->jobs.recent);
    pthread_mutex_destroy(&w->mailbox.lock);
    free(w);
}
