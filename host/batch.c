#include "host/batch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/transfer/dispatcher.h"
#include "base/log.h"
#include "base/metrics.h"
#include "host/ahead.h"
#include "host/job.h"

enum {
    RETRY_AFTER_ERROR_MS = 1000, /* a message, or an outcome, that failed for our fault */
    RETRY_MAX_MS = 30 * 1000,    /* the same, when the message has waited long: an outage is asked less often */
    RETRY_BY_AGE = 8,            /* an eighth of what it has waited */
    TELL_EVERY_MS = 1000,
    MARGIN_MS = 500, /* before the deadline: to record what came of a transfer */
    AHEAD_MEMORY_MAX_BYTES = 64 * 1024 * 1024,
    TRANSFER_LEAST_MS = 100, /* a transfer that is begun is given that */
    FAILURES_MAX =
        3, /* in a row: then the store, or the queue, is taken to be out of reach, and is not asked for the rest of the batch one by one */
    WAIT_MAX_MS = 100, /* how soon a thread that waits for the network sees that it is to hurry */
};

/* Where a message's job stands: what is to be done next with it. */
enum stage { TAKEN, COMMITTING, SENDING, KEPT, ENDED };

struct member {
    struct hd_job job; /* its arena is kept from batch to batch */
    struct hd_batch *batch;
    enum stage stage;
    enum hd_fate fate;
    int64_t due_ms; /* KEPT: when to try again */
};

struct hd_batch {
    struct hd_batch_options options;
    struct hd_jobs jobs;
    struct hd_dispatcher *dispatcher;              /* NULL: what was under way was abandoned, and no new one could be had */
    struct member *members[HD_BATCH_MESSAGES_MAX]; /* made as they are needed */
    struct hd_arena *ahead;                        /* what was read ahead, while all is decided */
    size_t count;
    size_t at[ENDED + 1];               /* how many stand at each stage */
    int store_failures, queue_failures; /* in a row */
    int64_t deadline_ms;
    _Atomic int64_t hurry_ms;
    int64_t extended_at_ms;
    int64_t told_at_ms;
    struct hd_metric *errors;
};

static int64_t now_ms(const struct hd_batch *b) {
    return b->options.clock->now_ms(b->options.clock);
}

static int64_t deadline_ms(const struct hd_batch *b) {
    int64_t hurry_ms = atomic_load(&b->hurry_ms);
    return hurry_ms < b->deadline_ms ? hurry_ms : b->deadline_ms;
}

static void move(struct member *m, enum stage stage) {
    m->batch->at[m->stage]--;
    m->batch->at[stage]++;
    m->stage = stage;
}

static void end(struct member *m, enum hd_fate fate) {
    move(m, ENDED);
    m->fate = fate;
    hd_job_end(&m->job);
}

/* Its message is acknowledged or postponed. Else it is needed: an outcome that was decided more than once leaves it to whoever may have it by then, and who finds the next attempt waiting. */
static enum hd_fate fate_of_committed(const struct member *m) {
    const struct hd_changeset *set = &m->job.work.changes;
    for (size_t i = 0; i < set->count; i++)
        if (set->changes[i].kind == HD_CHANGE_ACKNOWLEDGE || set->changes[i].kind == HD_CHANGE_POSTPONE)
            return HD_FATE_DONE;
    return HD_FATE_LEFT;
}

/* ---- what fails ---- */

/* When the store fails, every message fails: one line a second tells of all. */
static bool may_tell(struct hd_batch *b) {
    int64_t now = now_ms(b);
    if (b->told_at_ms != 0 && now - b->told_at_ms < TELL_EVERY_MS)
        return false;
    b->told_at_ms = now;
    return true;
}

static int64_t delay_ms(const struct member *m, enum hd_code code) {
    int64_t by_age = (now_ms(m->batch) - m->job.message.enqueued_at_ms) / RETRY_BY_AGE;
    if (code == HD_ERR_CONFLICT || by_age < RETRY_AFTER_ERROR_MS)
        return RETRY_AFTER_ERROR_MS;
    return by_age < RETRY_MAX_MS ? by_age : RETRY_MAX_MS;
}

static void give_back(struct member *m, const struct hd_error *err) {
    struct hd_batch *b = m->batch;
    struct hd_queue *queue = b->options.queue;
    hd_counter_add(b->errors, 1);
    if (may_tell(b))
        hd_log(HD_LOG_ERROR, "message left to come again", NULL, HD_LOG_STR("processor", m->job.processor->name),
               HD_LOG_STR("error", hd_code_type(err->code)), HD_LOG_STR("detail", err->detail),
               HD_LOG_INT("receives", m->job.message.receive_count));
    int r = HD_ERR_UNAVAILABLE;
    if (b->queue_failures < FAILURES_MAX)
        r = queue->ops->give_back(queue, &m->job.message, now_ms(b), delay_ms(m, err->code), NULL);
    b->queue_failures = r ? b->queue_failures + 1 : 0;
    bool replaced = !r && !m->job.message.abandoned; /* that one only waits where it is */
    end(m, replaced ? HD_FATE_BACK : HD_FATE_LEFT);
}

/* Somebody else has the message's work: the message is visible at once, for whoever finds that work done. */
static void leave(struct member *m) {
    struct hd_queue *queue = m->batch->options.queue;
    (void)queue->ops->extend(queue, &m->job.message, now_ms(m->batch), 0, NULL);
    end(m, HD_FATE_LEFT);
}

static void keep(struct member *m, const struct hd_error *err) {
    if (may_tell(m->batch))
        hd_log_error(HD_LOG_ERROR, "an outcome waits to be recorded", NULL, err);
    m->due_ms = now_ms(m->batch) + RETRY_AFTER_ERROR_MS;
    move(m, KEPT);
}

/* ---- transfers ---- */

static void go_on(struct member *m, enum hd_job_next next, const struct hd_error *err);

static void sent(void *arg, const struct hd_transfer_result *result) {
    struct member *m = arg;
    struct hd_error err = {0};
    go_on(m, hd_job_sent(&m->batch->jobs, &m->job, result, &err), &err);
}

/* What is not over by the deadline is an attempt of which nobody knows what came; one that runs out of time is a failure that can be recorded. SMTP counts its time twice: until there is a
 * connection, and anew from then. */
static void limit_time(const struct hd_batch *b, struct hd_transfer *transfer) {
    int64_t left = deadline_ms(b) - MARGIN_MS - now_ms(b);
    if (transfer->kind == HD_TRANSFER_SMTP)
        left /= 2;
    if (left < TRANSFER_LEAST_MS)
        left = TRANSFER_LEAST_MS;
    if (transfer->timeout_ms <= 0 || transfer->timeout_ms > left)
        transfer->timeout_ms = left;
    if (transfer->connect_timeout_ms <= 0 || transfer->connect_timeout_ms > left)
        transfer->connect_timeout_ms = left;
}

static void start_transfer(struct member *m) {
    struct hd_batch *b = m->batch;
    struct hd_error why = {0}, err = {0};
    move(m, SENDING);
    limit_time(b, &m->job.work.transfer);
    bool late = now_ms(b) >= deadline_ms(b);
    int r = late            ? hd_error_set(&why, HD_ERR_TIMEOUT, "no time was left to send it")
            : b->dispatcher ? hd_dispatcher_start(b->dispatcher, &m->job.work.transfer, sent, m, &why)
                            : hd_error_set(&why, HD_ERR_NO_MEMORY, "no memory for a transfer");
    if (r)
        go_on(m, hd_job_not_sent(&b->jobs, &m->job, &why, &err), &err);
}

static void go_on(struct member *m, enum hd_job_next next, const struct hd_error *err) {
    switch (next) {
    case HD_JOB_COMMIT:
        move(m, COMMITTING);
        break;
    case HD_JOB_SEND:
        start_transfer(m);
        break;
    case HD_JOB_DONE:
        end(m, fate_of_committed(m));
        break;
    case HD_JOB_LEAVE:
        leave(m);
        break;
    case HD_JOB_GIVE_BACK:
        give_back(m, err);
        break;
    case HD_JOB_KEEP:
        keep(m, err);
        break;
    }
}

/* ---- the work ---- */

static void begin(struct member *m, const struct hd_processor *processor, const struct hd_message *message) {
    struct hd_batch *b = m->batch;
    struct hd_error err = {0};
    int r = hd_job_take(&m->job, processor, message, &err);
    if (!r && b->store_failures >= FAILURES_MAX)
        r = hd_error_set(&err, HD_ERR_UNAVAILABLE, "the store was out of reach a moment ago");
    if (r) {
        give_back(m, &err);
        return;
    }
    enum hd_job_next next = hd_job_decide(&b->jobs, &m->job, &err);
    b->store_failures = next == HD_JOB_GIVE_BACK && err.code == HD_ERR_UNAVAILABLE ? b->store_failures + 1 : 0;
    go_on(m, next, &err);
}

static void begin_all(struct hd_batch *b, const struct hd_processor *processor, const struct hd_message *messages) {
    struct hd_store *store = b->jobs.context.store;
    (void)store->ops->begin_reads(store, NULL); /* when it fails, the reads themselves tell it */
    if (now_ms(b) < deadline_ms(b))
        hd_read_ahead(store, messages, b->count, b->ahead);
    size_t i = 0;
    for (; i < b->count && now_ms(b) < deadline_ms(b); i++)
        begin(b->members[i], processor, &messages[i]);
    for (; i < b->count; i++)
        end(b->members[i], HD_FATE_LEFT); /* for those there was no time */
    store->ops->end_reads(store);
    hd_arena_reset(b->ahead);
}

/* One call for all that is decided: on AWS, that many transactions at once. Each set has its own result. */
static void commit_all(struct hd_batch *b) {
    struct member *committing[HD_BATCH_MESSAGES_MAX];
    const struct hd_changeset *sets[HD_BATCH_MESSAGES_MAX] = {0};
    struct hd_commit_result results[HD_BATCH_MESSAGES_MAX] = {0};
    struct hd_store *store = b->jobs.context.store;
    struct hd_error why = {0};
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->members[i]->stage != COMMITTING)
            continue;
        committing[count] = b->members[i];
        sets[count++] = &b->members[i]->job.work.changes;
    }
    int r = store->ops->commit(store, sets, count, results, &why);
    for (size_t i = 0; i < count; i++) {
        struct member *m = committing[i];
        struct hd_error err = {0};
        if (r)
            results[i] = (struct hd_commit_result){.code = (enum hd_code)r};
        if (results[i].code == 0 && b->options.happened)
            b->options.happened(b->options.self, sets[i]);
        go_on(m, hd_job_committed(&b->jobs, &m->job, &results[i], &why, &err), &err);
    }
}

/* Outcomes whose turn has come to be recorded again. *ret_next_ms: when the next one's will. */
static void try_kept(struct hd_batch *b, int64_t *ret_next_ms) {
    int64_t now = now_ms(b);
    *ret_next_ms = INT64_MAX;
    for (size_t i = 0; i < b->count; i++) {
        struct member *m = b->members[i];
        struct hd_error err = {0};
        if (m->stage != KEPT)
            continue;
        if (m->due_ms <= now) {
            go_on(m, hd_job_decide(&b->jobs, &m->job, &err), &err);
        } else if (m->due_ms < *ret_next_ms) {
            *ret_next_ms = m->due_ms;
        }
    }
}

/* A queue that is out of reach may hold each request for long, and nothing else happens meanwhile: it is asked again before the claims run out. */
static void extend_claims(struct hd_batch *b) {
    struct hd_queue *queue = b->options.queue;
    int64_t now = now_ms(b), visibility_ms = b->options.visibility_ms;
    if (visibility_ms <= 0 || now - b->extended_at_ms < visibility_ms / 2)
        return;
    int r = 0;
    for (size_t i = 0; i < b->count && r != HD_ERR_UNAVAILABLE; i++)
        if (b->members[i]->stage != ENDED)
            r = queue->ops->extend(queue, &b->members[i]->job.message, now, visibility_ms, NULL);
    b->extended_at_ms = r == HD_ERR_UNAVAILABLE ? now_ms(b) - visibility_ms / 4 : now;
}

static void sleep_ms(int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

/* For the network, or until until_ms. */
static void wait(struct hd_batch *b, int64_t until_ms) {
    int64_t ms = until_ms - now_ms(b);
    ms = ms < 0 ? 0 : ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
    if (b->dispatcher) {
        hd_dispatcher_run(b->dispatcher, ms);
    } else {
        sleep_ms(ms);
    }
}

static void work(struct hd_batch *b) {
    while (b->at[ENDED] < b->count) {
        int64_t next_ms = 0;
        extend_claims(b);
        if (b->at[COMMITTING] > 0) {
            commit_all(b);
            continue;
        }
        bool late = now_ms(b) >= deadline_ms(b);
        if (!late)
            try_kept(b, &next_ms);
        if (b->at[COMMITTING] > 0)
            continue;
        /* however late it is: what has come is read, and recorded once */
        wait(b, late ? 0 : next_ms < deadline_ms(b) ? next_ms : deadline_ms(b));
        if (late && b->at[COMMITTING] == 0)
            break;
    }
}

/* ---- the batch ---- */

static int open_dispatcher(struct hd_batch *b, struct hd_error *err) {
    struct hd_dispatcher_options options = {.transfers_max = HD_BATCH_MESSAGES_MAX,
                                            .connections_per_host_max = b->options.connections_per_host};
    return hd_dispatcher_new(&options, &b->dispatcher, err);
}

/* What is unfinished comes again. A transfer that is still under way is abandoned with its connection: nothing of it may reach into the next batch. */
static void abandon_rest(struct hd_batch *b) {
    size_t unfinished = b->count - b->at[ENDED];
    if (unfinished == 0)
        return;
    hd_log(HD_LOG_WARN, "time is up for messages in work", NULL, HD_LOG_INT("count", (int64_t)unfinished),
           HD_LOG_INT("sending", (int64_t)b->at[SENDING]), HD_LOG_INT("unrecorded", (int64_t)b->at[KEPT]));
    if (b->at[SENDING] > 0) {
        hd_dispatcher_free(b->dispatcher);
        b->dispatcher = NULL;
    }
    for (size_t i = 0; i < b->count; i++)
        if (b->members[i]->stage != ENDED)
            end(b->members[i], HD_FATE_LEFT);
}

/* False without memory. */
static bool make_member(struct hd_batch *b, size_t i) {
    if (b->members[i])
        return true;
    struct member *m = calloc(1, sizeof *m);
    if (!m || hd_job_init(&m->job, NULL)) {
        free(m);
        return false;
    }
    m->batch = b;
    b->members[i] = m;
    return true;
}

void hd_batch_run(struct hd_batch *b, const struct hd_processor *processor, const struct hd_message *messages, size_t count,
                  int64_t until_ms, enum hd_fate *ret_fates) {
    struct hd_error err = {0};
    b->deadline_ms = until_ms;
    b->extended_at_ms = now_ms(b);
    b->store_failures = b->queue_failures = 0;
    memset(b->at, 0, sizeof b->at);
    for (b->count = 0; b->count < count && make_member(b, b->count); b->count++)
        b->members[b->count]->stage = TAKEN;
    b->at[TAKEN] = b->count;
    if (!b->dispatcher && open_dispatcher(b, &err))
        hd_log_error(HD_LOG_ERROR, "no transfer can be begun", NULL, &err);
    begin_all(b, processor, messages);
    work(b);
    abandon_rest(b);
    for (size_t i = 0; i < count; i++)
        ret_fates[i] = i < b->count ? b->members[i]->fate : HD_FATE_LEFT;
}

void hd_batch_hurry(struct hd_batch *b, int64_t deadline_ms) {
    int64_t known = atomic_load(&b->hurry_ms);
    while (deadline_ms < known && !atomic_compare_exchange_weak(&b->hurry_ms, &known, deadline_ms)) {
    }
}

int hd_batch_new(const struct hd_batch_options *options, struct hd_batch **ret_batch, struct hd_error *err) {
    struct hd_batch *b = calloc(1, sizeof *b);
    if (!b)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a batch");
    b->options = *options;
    b->jobs = (struct hd_jobs){.context = options->context, .clock = options->clock, .recent = hd_recent_new()};
    atomic_init(&b->hurry_ms, INT64_MAX);
    b->errors = hd_counter("helpdesk_processing_errors_total", "Messages that were left to come again after an error of ours", NULL);
    b->ahead = hd_arena_new(AHEAD_MEMORY_MAX_BYTES);
    int r = b->ahead ? open_dispatcher(b, err) : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a batch");
    if (r) {
        hd_batch_free(b);
        return r;
    }
    *ret_batch = b;
    return 0;
}

void hd_batch_free(struct hd_batch *b) {
    if (!b)
        return;
    hd_dispatcher_free(b->dispatcher);
    for (size_t i = 0; i < HD_BATCH_MESSAGES_MAX && b->members[i]; i++) {
        hd_job_clear(&b->members[i]->job);
        free(b->members[i]);
    }
    hd_arena_free(b->ahead);
    hd_recent_free(b->jobs.recent);
    free(b);
}
