#include "app/committer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "core/clock.h"

enum { BATCH_MAX = 1024 /* changesets in one transaction; larger ones gain little and make everybody wait */ };

struct committer {
    struct hd_store *store;
    struct committer_listener listener;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct commit *first, **end; /* submitted, oldest first */
    bool stopping;
    struct commit *batch[BATCH_MAX];
    const struct hd_changeset *sets[BATCH_MAX];
    struct hd_commit_result results[BATCH_MAX];
    struct hd_error last_error; /* of the last batch; code 0: it went well */
    int64_t last_us;
    struct hd_metric *commits, *changesets, *failures, *seconds;
};

/* Waits for work; 0 when there is none and never will be. */
static size_t take_batch(struct committer *c) {
    size_t count = 0;
    pthread_mutex_lock(&c->lock);
    while (!c->first && !c->stopping)
        pthread_cond_wait(&c->work, &c->lock);
    while (c->first && count < BATCH_MAX) {
        c->batch[count++] = c->first;
        c->first = (struct commit *)c->first->mail.next;
    }
    if (!c->first)
        c->end = &c->first;
    pthread_mutex_unlock(&c->lock);
    return count;
}

/* One set's failure is its own: what the call says in words is about the first that failed. */
static struct hd_error error_of(const struct hd_error *err, enum hd_code code) {
    struct hd_error own = {0};
    if (code == 0 || code == HD_ERR_CONFLICT)
        return own;
    hd_error_set(&own, code, "%s", err->code == code ? err->detail : hd_code_title(code));
    return own;
}

static void tell_failures(struct committer *c, size_t count, const struct hd_error *err) {
    size_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += c->results[i].code != 0 && c->results[i].code != HD_ERR_CONFLICT;
    if (failed == 0)
        return;
    hd_counter_add(c->failures, 1);
    hd_log(HD_LOG_ERROR, "changesets failed", NULL, HD_LOG_INT("count", (int64_t)failed), HD_LOG_STR("error", hd_code_type(err->code)),
           HD_LOG_STR("detail", err->detail));
}

static void commit_batch(struct committer *c, size_t count) {
    struct hd_error err = {0};
    int64_t began_us = hd_monotonic_us();
    for (size_t i = 0; i < count; i++)
        c->sets[i] = c->batch[i]->set;
    int r = c->store->ops->commit(c->store, c->sets, count, c->results, &err);
    pthread_mutex_lock(&c->lock);
    c->last_error = r ? err : (struct hd_error){0};
    c->last_us = hd_monotonic_us();
    pthread_mutex_unlock(&c->lock);
    hd_counter_add(c->commits, 1);
    hd_counter_add(c->changesets, count);
    hd_histogram_observe(c->seconds, hd_monotonic_us() - began_us);
    if (r) {
        hd_counter_add(c->failures, 1);
        hd_log_error(HD_LOG_ERROR, "commit failed", NULL, &err);
    } else {
        tell_failures(c, count, &err);
    }
    for (size_t i = 0; i < count; i++) {
        struct commit *commit = c->batch[i];
        commit->result = r ? (struct hd_commit_result){.code = (enum hd_code)r} : c->results[i];
        commit->error = r ? err : error_of(&err, commit->result.code);
        if (commit->result.code == 0)
            c->listener.happened(c->listener.self, commit->set);
        mailbox_put(commit->reply_to, &commit->mail);
    }
    c->listener.batch_over(c->listener.self);
}

static void *run(void *arg) {
    struct committer *c = arg;
    pthread_setname_np(pthread_self(), "committer");
    for (size_t count = take_batch(c); count > 0; count = take_batch(c))
        commit_batch(c, count);
    return NULL;
}

int hd_committer_start(struct hd_store *store, const struct committer_listener *listener, struct committer **ret_committer,
                       struct hd_error *err) {
    struct committer *c = calloc(1, sizeof *c);
    if (!c)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the committer");
    c->store = store;
    c->listener = *listener;
    c->end = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work, NULL);
    c->commits = hd_counter("helpdesk_commits_total", "Transactions", NULL);
    c->changesets = hd_counter("helpdesk_changesets_total", "Changesets that were committed or tried", NULL);
    c->failures = hd_counter("helpdesk_commit_failures_total", "Transactions that failed", NULL);
    c->seconds = hd_histogram("helpdesk_commit_seconds", "Time of a transaction, fsync included", NULL);
    if (pthread_create(&c->thread, NULL, run, c) != 0) {
        free(c);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no thread for the committer");
    }
    *ret_committer = c;
    return 0;
}

void hd_committer_submit(struct committer *c, struct commit *commit) {
    commit->mail.next = NULL;
    pthread_mutex_lock(&c->lock);
    bool refused = c->stopping;
    if (!refused) {
        bool waits = c->first == NULL;
        *c->end = commit;
        c->end = (struct commit **)(void *)&commit->mail.next;
        if (waits)
            pthread_cond_signal(&c->work);
    }
    pthread_mutex_unlock(&c->lock);
    if (!refused)
        return;
    hd_error_set(&commit->error, HD_ERR_UNAVAILABLE, "the server is stopping");
    commit->result = (struct hd_commit_result){.code = HD_ERR_UNAVAILABLE};
    mailbox_put(commit->reply_to, &commit->mail);
}

bool hd_committer_failed_within(struct committer *c, int64_t ms, struct hd_error *err) {
    pthread_mutex_lock(&c->lock);
    bool failed = c->last_error.code != 0 && hd_monotonic_us() - c->last_us <= ms * 1000;
    if (failed && err)
        *err = c->last_error;
    pthread_mutex_unlock(&c->lock);
    return failed;
}

void hd_committer_stop(struct committer *c) {
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->work);
    free(c);
}
