#include "app/serve_aws.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/demo.h"
#include "app/http_host.h"
#include "app/observe.h"
#include "app/runtime.h"
#include "app/threads.h"
#include "app/workers.h"
#include "base/log.h"

enum {
    HTTP_THREADS = 32,
    HTTP_GRACE_MS = 3000,
    WORKERS_GRACE_MS = 4500, /* both together, and the keeper, end within the 10 seconds that an orchestrator waits */
    THREAD_END_MS = 500,
    POLL_MS = 3000, /* a long poll; a stop waits for it */
    KEEP_EVERY_MS = 60 * 1000,
    SWEEP_OLDER_MS = 30 * 1000, /* what is younger, its writer is about to send */
    READY_EVERY_MS = 1000,
    READY_LATE_MS = 3000, /* from then on, a table that has not answered yet is one that does not */
    SECRET_BYTES = 32,
};

/* Once a minute: the outbox, and the depth of the queues. */
struct keeper {
    struct hd_store *store;
    struct hd_queue *queue;
    pthread_t thread;
    struct stop_signal stop;
    bool runs;
};

/* Whether the table answers: asked at most once a second, by one thread at a time; the others have the last answer, as long as that is no old one. */
struct readiness {
    struct hd_store *store; /* of the thread that asks */
    pthread_mutex_t lock;   /* guards what follows */
    bool asking;
    int64_t asked_at_ms;   /* the last time, or now */
    struct hd_error error; /* of the last answer; code 0: it was good */
};

struct server {
    const struct hd_settings *settings;
    struct runtime *runtime;
    struct observer *observer;
    struct hd_producer *producer;
    struct hd_store *stores[HTTP_THREADS];
    struct http_host *http;
    struct workers *workers;
    struct keeper keeper;
    struct readiness readiness;
    const char *listen; /* of a worker: where its metrics are; NULL: nowhere */
    char secret[2 * SECRET_BYTES + 1];
};

/* ---- what the producer may ask ---- */

static void ask_table(struct readiness *ready) {
    struct hd_error err = {0};
    bool ignored = false;
    ready->asking = true;
    ready->asked_at_ms = hd_monotonic_ms();
    pthread_mutex_unlock(&ready->lock);
    (void)ready->store->ops->processed(ready->store, "readyz", "readyz", &ignored, &err);
    pthread_mutex_lock(&ready->lock);
    ready->asking = false;
    ready->error = err;
}

static bool is_ready(void *self, struct hd_error *err) {
    struct readiness *ready = &((struct server *)self)->readiness;
    pthread_mutex_lock(&ready->lock);
    int64_t since_ms = hd_monotonic_ms() - ready->asked_at_ms;
    if (!ready->asking && (ready->asked_at_ms == 0 || since_ms >= READY_EVERY_MS))
        ask_table(ready);
    struct hd_error why = ready->error;
    if (ready->asking && since_ms >= READY_LATE_MS)
        hd_error_set(&why, HD_ERR_UNAVAILABLE, "the table has not answered for %lld ms", (long long)since_ms);
    pthread_mutex_unlock(&ready->lock);
    if (why.code)
        *err = why;
    return why.code == 0;
}

static bool is_overloaded(void *self, int64_t *ret_retry_after_s) {
    const struct server *s = self;
    *ret_retry_after_s = 5;
    return hd_observer_backlog(s->observer) >= s->settings->queue_limit;
}

static void happened(void *self, const struct hd_changeset *set) {
    hd_observer_happened(((struct server *)self)->observer, set);
}

/* ---- the keeper ---- */

static void sweep(struct server *s) {
    struct hd_error err = {0};
    size_t sent = 0;
    int64_t now_ms = hd_system_clock.now_ms(&hd_system_clock);
    if (hd_aws_sweep(s->keeper.store, now_ms, SWEEP_OLDER_MS, &sent, &err))
        hd_log_error(HD_LOG_WARN, "the outbox could not be swept", NULL, &err);
    if (sent > 0)
        hd_log(HD_LOG_INFO, "messages left in the outbox were sent", NULL, HD_LOG_INT("count", (int64_t)sent));
}

static void *keep(void *arg) {
    struct server *s = arg;
    pthread_setname_np(pthread_self(), "keeper");
    do {
        sweep(s);
        hd_observer_look(s->observer, s->keeper.queue, hd_system_clock.now_ms(&hd_system_clock));
    } while (!hd_stop_signal_wait(&s->keeper.stop, KEEP_EVERY_MS));
    return NULL;
}

static int start_keeper(struct server *s, struct hd_error *err) {
    int r = hd_runtime_store(s->runtime, &s->keeper.store, err);
    if (!r)
        r = hd_runtime_queue(s->runtime, &s->keeper.queue, err);
    if (r)
        return r;
    s->keeper.runs = pthread_create(&s->keeper.thread, NULL, keep, s) == 0;
    return s->keeper.runs ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no thread for the outbox");
}

static bool stop_keeper(struct keeper *keeper) {
    hd_stop_signal_raise(&keeper->stop);
    if (keeper->runs && hd_thread_join_until(keeper->thread, hd_monotonic_ms() + THREAD_END_MS))
        keeper->runs = false;
    return !keeper->runs;
}

/* ---- start ---- */

static int open_views(void *self, struct hd_store **ret_store, struct hd_queue **ret_queue, struct hd_error *err) {
    const struct server *s = self;
    int r = hd_runtime_store(s->runtime, ret_store, err);
    if (!r)
        r = hd_runtime_queue(s->runtime, ret_queue, err);
    if (!r)
        hd_aws_queue_wait(*ret_queue, POLL_MS);
    return r;
}

static int start_workers(struct server *s, unsigned processors, size_t threads, struct hd_error *err) {
    struct workers_options options = {
        .context = hd_runtime_context(s->runtime, NULL),
        .clock = &hd_system_clock,
        .processors = processors,
        .threads = threads,
        .connections_per_host = (size_t)s->settings->smtp_connections,
        .self = s,
        .open = open_views,
        .happened = happened,
    };
    if (processors == 0)
        return 0;
    int r = hd_workers_new(&options, &s->workers, err);
    return r ? r : hd_workers_start(s->workers, err);
}

static int start_http(struct server *s, bool api, bool demo, size_t threads, struct hd_error *err) {
    struct hd_producer_options producer = {
        .jwt_secret = api ? s->runtime->jwt_secret : s->secret,
        .jwt_issuer = s->settings->jwt_issuer,
        .jwt_audience = s->settings->jwt_audience,
        .demo = demo,
        .host = {.self = s, .ready = is_ready, .overloaded = is_overloaded},
    };
    struct http_host_options http = {
        .context = hd_runtime_context(s->runtime, NULL),
        .clock = &hd_system_clock,
        .stores = s->stores,
        .store_count = threads,
        .self = s,
        .happened = happened,
        .listen = api ? s->settings->listen : NULL,
        .metrics_listen = s->settings->metrics_listen,
        .connections_max = (unsigned)s->settings->connections,
    };
    int r = hd_producer_new(&producer, &s->producer, err);
    http.producer = s->producer;
    for (size_t i = 0; !r && i < threads; i++)
        r = hd_runtime_store(s->runtime, &s->stores[i], err);
    if (!r)
        r = hd_http_host_new(&http, &s->http, err);
    return r ? r : hd_http_host_start(s->http, err);
}

static int open_runtime(struct server *s, int parts, struct hd_error *err) {
    int r = hd_runtime_open(s->settings, RUNTIME_STORE | RUNTIME_MESSAGES | parts, &s->runtime, err);
    if (!r)
        r = hd_runtime_probe(s->runtime, err);
    if (!r)
        r = hd_observer_new(&s->observer, err);
    return r ? r : hd_runtime_store(s->runtime, &s->readiness.store, err);
}

static int start_api(struct server *s, bool demo, struct hd_error *err) {
    s->listen = s->settings->listen;
    int r = open_runtime(s, RUNTIME_SECRET, err);
    if (!r && demo)
        r = hd_demo_people(s->runtime, s->readiness.store, err);
    return r ? r : start_http(s, true, demo, HTTP_THREADS, err);
}

/* A worker's metrics come by a host of the same routes; its key is known to nobody, so that they are all that it tells. */
static int start_metrics(struct server *s, struct hd_error *err) {
    s->listen = s->settings->metrics_listen;
    int r = open_runtime(s, 0, err);
    if (r || !s->settings->metrics_listen)
        return r;
    uint8_t random[SECRET_BYTES];
    hd_system_random.fill(&hd_system_random, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(s->secret + 2 * i, 3, "%02x", random[i]);
    return start_http(s, false, false, 1, err);
}

/* ---- stop ---- */

static void free_server(struct server *s) {
    hd_http_host_free(s->http);
    hd_workers_free(s->workers);
    hd_producer_free(s->producer);
    for (size_t i = 0; i < HTTP_THREADS; i++)
        if (s->stores[i])
            s->stores[i]->ops->close(s->stores[i]);
    if (s->keeper.store)
        s->keeper.store->ops->close(s->keeper.store);
    if (s->keeper.queue)
        s->keeper.queue->ops->close(s->keeper.queue);
    if (s->readiness.store)
        s->readiness.store->ops->close(s->readiness.store);
    hd_runtime_close(s->runtime);
    hd_observer_free(s->observer);
    hd_stop_signal_destroy(&s->keeper.stop);
    pthread_mutex_destroy(&s->readiness.lock);
}

/* No new work, then what is in flight. A thread that hangs is left behind with all that it uses. */
static void stop(struct server *s, int status) {
    bool ended = !s->http || hd_http_host_stop(s->http, HTTP_GRACE_MS);
    ended = (!s->workers || hd_workers_stop(s->workers, WORKERS_GRACE_MS)) && ended;
    ended = stop_keeper(&s->keeper) && ended;
    if (!ended) {
        hd_log(HD_LOG_WARN, "stopped without a thread that still waits for an answer; its messages come again", NULL);
        _exit(status);
    }
    free_server(s);
}

static void block_signals(sigset_t *ret_set) {
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void init(struct server *s, const struct hd_settings *settings) {
    *s = (struct server){.settings = settings};
    hd_stop_signal_init(&s->keeper.stop);
    pthread_mutex_init(&s->readiness.lock, NULL);
}

static int run(struct server *s, int r, const struct hd_error *err, const sigset_t *signals) {
    if (r) {
        hd_log_error(HD_LOG_ERROR, "cannot start", NULL, err);
        (void)fprintf(stderr, "helpdesk: %s\n", err->detail);
        stop(s, 1);
        return 1;
    }
    hd_log(HD_LOG_INFO, "ready", NULL, HD_LOG_STR("listen", s->listen), HD_LOG_INT("port", s->http ? hd_http_host_port(s->http) : 0),
           HD_LOG_STR("table", s->settings->table), HD_LOG_STR("queues", s->settings->queues),
           HD_LOG_STR("email", s->runtime->messages.providers[HD_EMAIL]->ops->name));
    int got = 0;
    while (got <= 0)
        got = sigwaitinfo(signals, NULL);
    hd_log(HD_LOG_INFO, "stopping", NULL, HD_LOG_INT("signal", got));
    stop(s, 0);
    hd_log(HD_LOG_INFO, "stopped", NULL);
    return 0;
}

int hd_serve_aws(const struct hd_settings *settings, bool demo, unsigned processors, size_t threads) {
    struct server s;
    struct hd_error err = {0};
    sigset_t signals;
    block_signals(&signals);
    init(&s, settings);
    int r = start_api(&s, demo, &err);
    if (!r)
        r = start_workers(&s, processors, threads, &err);
    if (!r)
        r = start_keeper(&s, &err);
    if (!r && demo)
        hd_demo_welcome(s.runtime, hd_http_host_port(s.http));
    return run(&s, r, &err, &signals);
}

int hd_work_aws(const struct hd_settings *settings, unsigned processors, size_t threads) {
    struct server s;
    struct hd_error err = {0};
    sigset_t signals;
    block_signals(&signals);
    init(&s, settings);
    int r = start_metrics(&s, &err);
    if (!r)
        r = start_workers(&s, processors, threads, &err);
    if (!r)
        r = start_keeper(&s, &err);
    return run(&s, r, &err, &signals);
}
