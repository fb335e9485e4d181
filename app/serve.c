#include "app/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/committer.h"
#include "app/demo.h"
#include "app/http_host.h"
#include "app/observe.h"
#include "app/runtime.h"
#include "app/worker.h"
#include "base/log.h"

enum {
    HTTP_GRACE_MS = 3000,
    WORKER_GRACE_MS = 5000, /* both together end within the 10 seconds that an orchestrator waits */
    TRANSFERS_MAX = 256,
    DELIVERIES_PER_CONNECTION = 4,
    UNREADY_MS = 5000, /* after a failed commit; then the next one may try */
    TICK_MS = 100,     /* how often the log is looked at */
    LOOK_EVERY = 10,   /* ticks: how often the queues are counted */
};

struct server {
    const struct hd_settings *settings;
    bool demo, processors;
    int lock_fd;
    struct runtime *runtime;
    struct observer *observer;
    struct hd_producer *producer;
    struct hd_store *writer_store, *http_store, *worker_store;
    struct hd_queue *worker_queue, *observed_queue;
    struct committer *committer;
    struct worker *worker;
    struct http_host *http;
    bool worker_runs, http_runs;
};

/* ---- what the producer may ask ---- */

/* Ready to read, and to write as far as the last commit tells. */
static bool is_ready(void *self, struct hd_error *err) {
    const struct server *s = self;
    bool done = false;
    if (hd_committer_failed_within(s->committer, UNREADY_MS, err))
        return false;
    return s->http_store->ops->processed(s->http_store, "readyz", "readyz", &done, err) == 0;
}

static bool is_overloaded(void *self, int64_t *ret_retry_after_s) {
    const struct server *s = self;
    *ret_retry_after_s = 5;
    return hd_observer_backlog(s->observer) >= s->settings->queue_limit;
}

static void refresh_metrics(void *self) {
    (void)self; /* the gauges are set once a second by the main thread: a scrape costs no look at the queues */
}

/* ---- the committer's listener ---- */

static void happened(void *self, const struct hd_changeset *set) {
    hd_observer_happened(((struct server *)self)->observer, set);
}

static void batch_over(void *self) {
    struct server *s = self;
    if (s->http)
        hd_http_host_wake(s->http);
    if (s->worker)
        hd_worker_wake(s->worker);
}

/* ---- start ---- */

/* One server for each data folder: two would take each other's messages without knowing. */
static int lock_data_dir(struct server *s, struct hd_error *err) {
    char path[4160];
    (void)snprintf(path, sizeof path, "%s/serve.lock", s->settings->data_dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (s->lock_fd < 0)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return hd_error_set(err, HD_ERR_UNAVAILABLE, "another server runs on %s", s->settings->data_dir);
}

static int open_views(struct server *s, struct hd_error *err) {
    struct hd_sqlite *database = s->runtime->database;
    int r = hd_sqlite_store(database, &s->writer_store, err);
    if (!r)
        r = hd_sqlite_store(database, &s->http_store, err);
    if (!r)
        r = hd_sqlite_store(database, &s->worker_store, err);
    if (!r)
        r = hd_sqlite_queue(database, &s->worker_queue, err);
    return r ? r : hd_sqlite_queue(database, &s->observed_queue, err);
}

static int make_producer(struct server *s, struct hd_error *err) {
    struct hd_producer_options options = {
        .jwt_secret = s->runtime->jwt_secret,
        .jwt_issuer = s->settings->jwt_issuer,
        .jwt_audience = s->settings->jwt_audience,
        .demo = s->demo,
        .host = {.self = s, .ready = is_ready, .overloaded = is_overloaded, .refresh_metrics = refresh_metrics},
    };
    return hd_producer_new(&options, &s->producer, err);
}

static size_t deliveries_max(const struct server *s) {
    size_t max = (size_t)s->settings->smtp_connections * DELIVERIES_PER_CONNECTION;
    return s->settings->smtp_url && max < TRANSFERS_MAX ? max : TRANSFERS_MAX;
}

static int make_hosts(struct server *s, struct hd_error *err) {
    struct worker_options worker = {
        .context = hd_runtime_context(s->runtime, s->worker_store),
        .clock = &hd_system_clock,
        .queue = s->worker_queue,
        .committer = s->committer,
        .transfers_max = TRANSFERS_MAX,
        .deliveries_max = deliveries_max(s),
        .connections_per_host = (size_t)s->settings->smtp_connections,
    };
    struct http_host_options http = {
        .producer = s->producer,
        .context = hd_runtime_context(s->runtime, s->http_store),
        .clock = &hd_system_clock,
        .committer = s->committer,
        .listen = s->settings->listen,
        .metrics_listen = s->settings->metrics_listen,
        .connections_max = (unsigned)s->settings->connections,
    };
    int r = s->processors ? hd_worker_new(&worker, &s->worker, err) : 0;
    return r ? r : hd_http_host_new(&http, &s->http, err);
}

static int start(struct server *s, struct hd_error *err) {
    struct committer_listener listener = {.self = s, .happened = happened, .batch_over = batch_over};
    int r = hd_runtime_open(s->settings, RUNTIME_SECRET | RUNTIME_STORE | RUNTIME_MESSAGES, &s->runtime, err);
    if (!r)
        r = lock_data_dir(s, err);
    if (!r)
        r = hd_observer_new(&s->observer, err);
    if (!r)
        r = open_views(s, err);
    if (!r && s->demo)
        r = hd_demo_people(s->runtime, s->writer_store, err);
    if (!r)
        r = make_producer(s, err);
    if (!r)
        hd_observer_look(s->observer, s->observed_queue, hd_system_clock.now_ms(&hd_system_clock));
    if (!r)
        r = hd_committer_start(s->writer_store, &listener, &s->committer, err);
    if (!r)
        r = make_hosts(s, err);
    if (!r && s->worker)
        r = hd_worker_start(s->worker, err);
    s->worker_runs = !r && s->worker;
    if (!r)
        r = hd_http_host_start(s->http, err);
    s->http_runs = !r;
    return r;
}

/* ---- run ---- */

static void block_signals(sigset_t *ret_set) {
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void tick(struct server *s, unsigned ticks) {
    struct hd_error err = {0};
    if (hd_sqlite_wal_pages(s->runtime->database) >= HD_SQLITE_CHECKPOINT_PAGES && hd_sqlite_checkpoint(s->runtime->database, &err))
        hd_log_error(HD_LOG_WARN, "checkpoint failed", NULL, &err);
    if (ticks % LOOK_EVERY == 0)
        hd_observer_look(s->observer, s->observed_queue, hd_system_clock.now_ms(&hd_system_clock));
}

static int wait_for_signal(struct server *s, const sigset_t *signals) {
    struct timespec tick_time = {.tv_nsec = (long)TICK_MS * 1000 * 1000};
    for (unsigned ticks = 1;; ticks++) {
        int got = sigtimedwait(signals, NULL, &tick_time);
        if (got > 0)
            return got;
        tick(s, ticks);
    }
}

/* ---- stop: no new work, then what is in flight, then the committer, which has all of it by then ---- */

static void stop(struct server *s) {
    if (s->http_runs)
        hd_http_host_stop(s->http, HTTP_GRACE_MS);
    if (s->worker_runs)
        hd_worker_stop(s->worker, WORKER_GRACE_MS);
    hd_committer_stop(s->committer);
    hd_http_host_free(s->http);
    hd_worker_free(s->worker);
    hd_producer_free(s->producer);
    if (s->worker_queue)
        s->worker_queue->ops->close(s->worker_queue);
    if (s->observed_queue)
        s->observed_queue->ops->close(s->observed_queue);
    struct hd_store *stores[] = {s->writer_store, s->http_store, s->worker_store};
    for (size_t i = 0; i < HD_ARRAY_LEN(stores); i++)
        if (stores[i])
            stores[i]->ops->close(stores[i]);
    hd_runtime_close(s->runtime);
    hd_observer_free(s->observer);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
}

int hd_serve(const struct hd_settings *settings, bool demo, bool processors) {
    struct server s = {.settings = settings, .demo = demo, .processors = processors, .lock_fd = -1};
    struct hd_error err = {0};
    sigset_t signals;
    block_signals(&signals);
    int r = start(&s, &err);
    if (r) {
        hd_log_error(HD_LOG_ERROR, "cannot start", NULL, &err);
        (void)fprintf(stderr, "helpdesk: %s\n", err.detail);
        stop(&s);
        return 1;
    }
    hd_log(HD_LOG_INFO, "ready", NULL, HD_LOG_STR("listen", settings->listen), HD_LOG_INT("port", hd_http_host_port(s.http)),
           HD_LOG_STR("dataDir", settings->data_dir), HD_LOG_STR("email", s.runtime->messages.providers[HD_EMAIL]->ops->name));
    if (demo)
        hd_demo_welcome(s.runtime, hd_http_host_port(s.http));
    int got = wait_for_signal(&s, &signals);
    hd_log(HD_LOG_INFO, "stopping", NULL, HD_LOG_INT("signal", got));
    stop(&s);
    hd_log(HD_LOG_INFO, "stopped", NULL);
    return 0;
}
