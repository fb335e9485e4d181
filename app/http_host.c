#include "app/http_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/threads.h"
#include "base/metrics.h"
#include "core/clock.h"
#include "host/request.h"
#include "host/settings.h"
#include "host/tell.h"

enum {
    REQUEST_MEMORY_MAX_BYTES = 8 * 1024 * 1024,
    CONNECTION_MEMORY_BYTES = 16 * 1024, /* a request's line and headers must fit; it is cleared for each request */
    IDLE_CONNECTION_S = 60,
    DISCARD_MAX_BYTES = 8 * HD_HTTP_BODY_MAX_BYTES, /* of a body that is too large, before the connection is cut */
    LISTENERS_MAX = 2,
    THREAD_END_MS = 500, /* for a thread whose store is asked nothing any more */
};

enum state { READING, WAITING /* for its commit */, ANSWERED };

/* One request; reused by the next. */
struct exchange {
    struct commit commit; /* first: the mailbox gives it back */
    struct http_host *host;
    struct MHD_Connection *connection;
    enum state state;
    int attempt;
    struct hd_arena *given; /* what came in; the request's */
    struct hd_arena *made;  /* what a decision makes; reset for each */
    struct hd_request request;
    struct hd_buffer body;
    size_t discarded_bytes;
    struct hd_error refused; /* code other than 0: the host itself refuses the request */
    struct hd_changeset changes;
    struct hd_response response;
    int64_t began_us;
    struct exchange *next;
};

struct listener {
    struct http_host *host;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    uint16_t port;
    bool private;
};

/* The threads that answer where there is no committer, and what waits for them. */
struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct mail *first, **end;
    bool stopping;
    struct answerer {
        struct http_host *host;
        struct hd_store *store;
        pthread_t thread;
        bool runs;
    } * answerers;
};

struct http_host {
    struct http_host_options options;
    struct hd_context context;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct mailbox mailbox;
    struct pool pool;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool runs;
    atomic_bool stopping;
    _Atomic int64_t stop_at_ms;
    bool ended; /* the thread is over: nothing is decided any more */
    size_t under_way;
    struct exchange *idle;
    struct hd_metric *seconds;
};

static int64_t now_ms(const struct http_host *host) {
    return host->options.clock->now_ms(host->options.clock);
}

/* ---- exchanges ---- */

static void exchange_free(struct exchange *x) {
    hd_arena_free(x->given);
    hd_arena_free(x->made);
    hd_buffer_free(&x->body);
    free(x);
}

static struct exchange *exchange_new(struct http_host *host) {
    struct exchange *x = host->idle;
    if (x) {
        host->idle = x->next;
        return x;
    }
    x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->host = host;
    x->given = hd_arena_new(REQUEST_MEMORY_MAX_BYTES);
    x->made = hd_arena_new(REQUEST_MEMORY_MAX_BYTES);
    x->body.limit_bytes = HD_HTTP_BODY_MAX_BYTES + 1;
    if (x->given && x->made)
        return x;
    exchange_free(x);
    return NULL;
}

static void exchange_give_back(struct exchange *x) {
    hd_arena_reset(x->given);
    hd_arena_reset(x->made);
    if (x->body.capacity > 64 * 1024)
        hd_buffer_free(&x->body); /* a rare large body keeps no memory */
    hd_buffer_clear(&x->body);
    x->next = x->host->idle;
    x->host->idle = x;
}

/* ---- what comes in ---- */

struct collecting {
    struct exchange *x;
    struct hd_header *headers;
    size_t count, bytes;
    bool oom;
};

static enum MHD_Result collect_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value) {
    struct collecting *c = arg;
    (void)kind;
    if (c->count == HD_HTTP_HEADERS_MAX) {
        hd_error_set(&c->x->refused, HD_ERR_HEADERS_TOO_LARGE, "more than %d headers", HD_HTTP_HEADERS_MAX);
        return MHD_NO;
    }
    if (!value)
        value = "";
    c->bytes += strlen(name) + strlen(value) + 4;
    if (c->bytes > HD_HTTP_HEADERS_MAX_BYTES) {
        hd_error_set(&c->x->refused, HD_ERR_HEADERS_TOO_LARGE, "the headers are longer than %d bytes", HD_HTTP_HEADERS_MAX_BYTES);
        return MHD_NO;
    }
    c->headers[c->count++] = (struct hd_header){.name = name, .value = value}; /* libmicrohttpd keeps them until the request is over */
    return MHD_YES;
}

/* The request's line and headers. Whatever is wrong with them becomes x->refused. */
static void take_head(struct exchange *x, const char *method) {
    struct hd_header *headers = hd_arena_calloc(x->given, HD_HTTP_HEADERS_MAX, sizeof *headers);
    x->request.method = method;
    if (!headers || !x->request.path) {
        hd_error_set(&x->refused, HD_ERR_NO_MEMORY, "no memory for a request");
        x->request.path = "/";
        x->request.query = "";
        return;
    }
    struct collecting c = {.x = x, .headers = headers};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, collect_header, &c);
    x->request.headers = headers;
    x->request.header_count = c.count;
    const char *length = hd_request_header(&x->request, "Content-Length");
    if (length && x->refused.code == 0 && strtoull(length, NULL, 10) > HD_HTTP_BODY_MAX_BYTES)
        hd_error_set(&x->refused, HD_ERR_TOO_LARGE, "the body is longer than %d bytes", HD_HTTP_BODY_MAX_BYTES);
}

/* A client that is sending its body already hears no answer before its end: a body that is somewhat too large is read, and thrown away. */
static bool is_worth_discarding(const struct exchange *x) {
    const char *length = hd_request_header(&x->request, "Content-Length");
    bool bounded = !length || strtoull(length, NULL, 10) <= DISCARD_MAX_BYTES;
    return x->refused.code == HD_ERR_TOO_LARGE && bounded && !hd_request_header(&x->request, "Expect");
}

/* Called by libmicrohttpd with the raw target, before anything else of a request. */
static void *begin_exchange(void *arg, const char *uri, struct MHD_Connection *connection) {
    struct listener *listener = arg;
    struct exchange *x = exchange_new(listener->host);
    if (!x)
        return NULL;
    x->connection = connection;
    x->state = READING;
    x->attempt = 0;
    x->response = (struct hd_response){0};
    x->discarded_bytes = 0;
    x->refused = (struct hd_error){0};
    x->began_us = hd_monotonic_us();
    listener->host->under_way++;
    const char *query = strchr(uri, '?');
    size_t path_len = query ? (size_t)(query - uri) : strlen(uri);
    x->request = (struct hd_request){
        .path = hd_arena_strndup(x->given, uri, path_len),
        .query = query ? hd_arena_strdup(x->given, query + 1) : "",
        .private_listener = listener->private,
    };
    if (!x->request.query)
        x->request.path = NULL;
    if (path_len + (query ? strlen(query) : 0) > HD_HTTP_URL_MAX_BYTES)
        hd_error_set(&x->refused, HD_ERR_TOO_LARGE, "the URL is longer than %d bytes", HD_HTTP_URL_MAX_BYTES);
    return x;
}

/* False: the client sends without end, and the connection is cut. */
static bool take_body(struct exchange *x, const char *data, size_t size) {
    if (x->refused.code == 0) {
        hd_buffer_add(&x->body, data, size);
        if (x->body.len > HD_HTTP_BODY_MAX_BYTES || x->body.failure == HD_ERR_LIMIT)
            hd_error_set(&x->refused, HD_ERR_TOO_LARGE, "the body is longer than %d bytes", HD_HTTP_BODY_MAX_BYTES);
        else if (x->body.failure)
            hd_error_set(&x->refused, HD_ERR_NO_MEMORY, "no memory for a request");
    }
    x->discarded_bytes += size;
    return x->discarded_bytes <= DISCARD_MAX_BYTES;
}

/* ---- answers ---- */

static enum MHD_Result send_answer(struct exchange *x) {
    const struct hd_response *response = &x->response;
    hd_tell_answered(response);
    /* the answer lives in the exchange, which outlives its sending */
    struct MHD_Response *answer =
        MHD_create_response_from_buffer(response->body_bytes, (void *)(uintptr_t)response->body, MHD_RESPMEM_PERSISTENT);
    if (!answer)
        return MHD_NO;
    for (size_t i = 0; i < response->header_count; i++)
        MHD_add_response_header(answer, response->headers[i].name, response->headers[i].value);
    if (atomic_load(&x->host->stopping))
        MHD_add_response_header(answer, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)response->status, answer);
    MHD_destroy_response(answer);
    x->state = ANSWERED;
    return queued;
}

/* All decisions about a request, and its failure, are one trace. */
static void keep_trace(struct exchange *x) {
    if (x->request.correlation_id || !x->response.correlation_id)
        return;
    x->request.correlation_id = hd_arena_strdup(x->given, x->response.correlation_id);
    x->request.traceparent = hd_arena_strdup(x->given, x->response.traceparent);
}

static void fail(struct exchange *x, const struct hd_error *err) {
    keep_trace(x);
    hd_arena_reset(x->made);
    hd_producer_failure(x->host->options.producer, &x->request, x->made, err, &x->response);
}

/* ---- threads that answer ---- */

static void hand_over(struct exchange *x) {
    struct pool *pool = &x->host->pool;
    x->state = WAITING;
    x->commit.mail.next = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->end = &x->commit.mail;
    pool->end = &x->commit.mail.next;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* The next request; NULL when there is none and never will be. */
static struct exchange *next_request(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    struct mail *mail = pool->first;
    if (mail) {
        pool->first = mail->next;
        if (!pool->first)
            pool->end = &pool->first;
    }
    pthread_mutex_unlock(&pool->lock);
    return (struct exchange *)mail;
}

static void *answer_requests(void *arg) {
    struct answerer *answerer = arg;
    struct http_host *host = answerer->host;
    struct hd_context ctx = host->options.context;
    ctx.store = answerer->store;
    pthread_setname_np(pthread_self(), "http-answer");
    for (struct exchange *x; (x = next_request(&host->pool));) {
        hd_request_answer(host->options.producer, &ctx, host->options.clock, &x->request, x->made, host->options.self,
                          host->options.happened, &x->response);
        x->commit.result = (struct hd_commit_result){0}; /* whatever it is, it is the answer */
        mailbox_put(&host->mailbox, &x->commit.mail);
        hd_http_host_wake(host);
    }
    return NULL;
}

/* Decides; true when the answer must wait for a commit, or a thread, that is on its way. */
static bool decide(struct exchange *x) {
    struct http_host *host = x->host;
    if (!host->options.committer && !hd_producer_answers_at_once(host->options.producer, &x->request)) {
        hand_over(x);
        return true;
    }
    keep_trace(x);
    hd_arena_reset(x->made);
    host->context.now_ms = now_ms(host);
    x->changes = hd_changeset(x->made);
    x->response = (struct hd_response){0};
    hd_producer_decide(host->options.producer, &host->context, &x->request, x->made, ++x->attempt, &x->changes, &x->response);
    struct hd_error err = {0};
    if (hd_changeset_check(&x->changes, &err)) {
        fail(x, &err);
        return false;
    }
    if (x->changes.count == 0)
        return false;
    x->commit.set = &x->changes;
    x->commit.reply_to = &host->mailbox;
    x->state = WAITING;
    hd_committer_submit(host->options.committer, &x->commit);
    return true;
}

/* True when the answer is there. */
static bool committed(struct exchange *x) {
    enum hd_code code = x->commit.result.code;
    if (code == 0)
        return true;
    if (code == HD_ERR_CONFLICT && !x->host->ended)
        return !decide(x);
    if (code == HD_ERR_CONFLICT)
        hd_error_set(&x->commit.error, HD_ERR_UNAVAILABLE, "the server is stopping");
    fail(x, &x->commit.error);
    return true;
}

static enum MHD_Result answer(struct exchange *x) {
    x->request.body = hd_buffer_text(&x->body);
    x->request.body_bytes = x->body.len;
    if (x->refused.code != 0) {
        fail(x, &x->refused);
    } else if (decide(x)) {
        MHD_suspend_connection(x->connection);
        return MHD_YES;
    }
    return send_answer(x);
}

/* libmicrohttpd calls this when the head is there, for each piece of the body, at the body's end, and after a connection was resumed. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **state) {
    struct exchange *x = *state;
    (void)arg;
    (void)connection;
    (void)url;
    (void)version;
    if (!x)
        return MHD_NO;
    if (x->state == WAITING)
        return send_answer(x);
    if (!x->request.method) {
        take_head(x, method);
        if (x->refused.code != 0 && !is_worth_discarding(x))
            return answer(x); /* before the body: the connection is closed behind the answer */
        return MHD_YES;
    }
    if (*upload_size > 0) {
        bool goes_on = take_body(x, upload, *upload_size);
        *upload_size = 0;
        return goes_on ? MHD_YES : MHD_NO;
    }
    return answer(x);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how) {
    struct exchange *x = *state;
    (void)arg;
    (void)connection;
    (void)how;
    if (!x)
        return;
    hd_histogram_observe(x->host->seconds, hd_monotonic_us() - x->began_us);
    x->host->under_way--;
    exchange_give_back(x);
    *state = NULL;
}

static void take_commits(struct http_host *host) {
    struct mail *mail = mailbox_take(&host->mailbox);
    while (mail) {
        struct mail *next = mail->next;
        struct exchange *x = (struct exchange *)mail;
        if (committed(x)) {
            x->state = WAITING;
            MHD_resume_connection(x->connection);
        }
        mail = next;
    }
}

/* ---- the loop ---- */

static int timeout_of(struct http_host *host) {
    int timeout = 1000;
    for (size_t i = 0; i < host->listener_count; i++) {
        MHD_UNSIGNED_LONG_LONG wait = 0;
        if (MHD_get_timeout(host->listeners[i].daemon, &wait) == MHD_YES && wait < (unsigned)timeout)
            timeout = (int)wait;
    }
    return timeout;
}

static bool finished(struct http_host *host) {
    return atomic_load(&host->stopping) && (host->under_way == 0 || now_ms(host) >= atomic_load(&host->stop_at_ms));
}

static void *run(void *arg) {
    struct http_host *host = arg;
    pthread_setname_np(pthread_self(), "http");
    bool quiesced = false;
    while (!finished(host)) {
        struct epoll_event events[4];
        int timeout = timeout_of(host);
        if (atomic_load(&host->stopping) && timeout > 20)
            timeout = 20;
        int count = epoll_wait(host->epoll_fd, events, HD_ARRAY_LEN(events), timeout);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != host->wake_fd)
                continue;
            uint64_t wakes = 0;
            (void)!read(host->wake_fd, &wakes, sizeof wakes);
        }
        take_commits(host);
        for (size_t i = 0; i < host->listener_count; i++)
            MHD_run(host->listeners[i].daemon);
        if (atomic_load(&host->stopping) && !quiesced) {
            quiesced = true;
            for (size_t i = 0; i < host->listener_count; i++) {
                MHD_socket fd = MHD_quiesce_daemon(host->listeners[i].daemon);
                if (fd != MHD_INVALID_SOCKET)
                    close(fd);
            }
        }
    }
    return NULL;
}

/* ---- set-up ---- */

static int address_parse(const char *text, struct sockaddr_storage *ret, struct hd_error *err) {
    char host[128];
    uint16_t port = 0;
    int r = hd_listen_parse(text, host, sizeof host, &port, err);
    if (r)
        return r;
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        (void)inet_pton(AF_INET6, host, &v6->sin6_addr);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    return 0;
}

static int watch(struct http_host *host, int fd, struct hd_error *err) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return hd_error_set(err, HD_ERR_UNAVAILABLE, "epoll: %s", strerror(errno));
}

static int listen_on(struct http_host *host, const char *address, bool private, struct hd_error *err) {
    struct sockaddr_storage socket_address;
    int r = address_parse(address, &socket_address, err);
    if (r)
        return r;
    struct listener *listener = &host->listeners[host->listener_count];
    *listener = (struct listener){.host = host, .private = private};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (socket_address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    listener->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, listener, MHD_OPTION_SOCK_ADDR, &socket_address,
                                        MHD_OPTION_URI_LOG_CALLBACK, begin_exchange, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                                        listener, MHD_OPTION_CONNECTION_LIMIT, host->options.connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
                                        (unsigned)IDLE_CONNECTION_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                                        MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_END);
    if (!listener->daemon)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "cannot listen on %s: %s", address, strerror(errno));
    host->listener_count++;
    listener->epoll_fd = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->listen_fd;
    listener->port = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return watch(host, listener->epoll_fd, err);
}

static int make_answerers(struct http_host *host, struct hd_error *err) {
    host->pool.answerers = calloc(host->options.store_count, sizeof *host->pool.answerers);
    if (!host->pool.answerers)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the HTTP host");
    for (size_t i = 0; i < host->options.store_count; i++)
        host->pool.answerers[i] = (struct answerer){.host = host, .store = host->options.stores[i]};
    return 0;
}

int hd_http_host_new(const struct http_host_options *options, struct http_host **ret_host, struct hd_error *err) {
    struct http_host *host = calloc(1, sizeof *host);
    if (!host)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the HTTP host");
    host->options = *options;
    host->context = options->context;
    mailbox_init(&host->mailbox);
    pthread_mutex_init(&host->pool.lock, NULL);
    pthread_cond_init(&host->pool.work, NULL);
    host->pool.end = &host->pool.first;
    host->seconds = hd_histogram("helpdesk_http_request_seconds", "From the first byte of a request to the last one of its answer", NULL);
    host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    host->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = host->epoll_fd < 0 || host->wake_fd < 0 ? hd_error_set(err, HD_ERR_UNAVAILABLE, "epoll: %s", strerror(errno)) : 0;
    if (!r)
        r = watch(host, host->wake_fd, err);
    if (!r && !options->committer)
        r = make_answerers(host, err);
    if (!r && options->listen)
        r = listen_on(host, options->listen, false, err);
    if (!r && options->metrics_listen)
        r = listen_on(host, options->metrics_listen, true, err);
    if (r) {
        hd_http_host_free(host);
        return r;
    }
    *ret_host = host;
    return 0;
}

int hd_http_host_start(struct http_host *host, struct hd_error *err) {
    struct answerer *answerers = host->pool.answerers;
    for (size_t i = 0; answerers && i < host->options.store_count; i++) {
        answerers[i].runs = pthread_create(&answerers[i].thread, NULL, answer_requests, &answerers[i]) == 0;
        if (!answerers[i].runs)
            return hd_error_set(err, HD_ERR_NO_MEMORY, "no thread for the HTTP host");
    }
    host->runs = pthread_create(&host->thread, NULL, run, host) == 0;
    return host->runs ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no thread for the HTTP host");
}

uint16_t hd_http_host_port(const struct http_host *host) {
    return host->listeners[0].port;
}

void hd_http_host_wake(struct http_host *host) {
    if (mailbox_empty(&host->mailbox))
        return;
    uint64_t one = 1;
    (void)!write(host->wake_fd, &one, sizeof one);
}

static bool stop_answerers(struct http_host *host) {
    struct pool *pool = &host->pool;
    bool all_ended = true;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    int64_t until_ms = hd_monotonic_ms() + THREAD_END_MS;
    for (size_t i = 0; pool->answerers && i < host->options.store_count; i++) {
        struct answerer *answerer = &pool->answerers[i];
        if (answerer->runs && hd_thread_join_until(answerer->thread, until_ms))
            answerer->runs = false;
        all_ended = all_ended && !answerer->runs;
    }
    return all_ended;
}

bool hd_http_host_stop(struct http_host *host, int64_t grace_ms) {
    atomic_store(&host->stop_at_ms, now_ms(host) + grace_ms);
    atomic_store(&host->stopping, true);
    uint64_t one = 1;
    (void)!write(host->wake_fd, &one, sizeof one);
    if (host->runs)
        pthread_join(host->thread, NULL);
    host->runs = false;
    return stop_answerers(host);
}

void hd_http_host_free(struct http_host *host) {
    if (!host)
        return;
    host->ended = true;
    take_commits(host); /* libmicrohttpd wants no suspended connection when it stops */
    for (size_t i = 0; i < host->listener_count; i++)
        MHD_stop_daemon(host->listeners[i].daemon);
    while (host->idle) {
        struct exchange *x = host->idle;
        host->idle = x->next;
        exchange_free(x);
    }
    free(host->pool.answerers);
    pthread_mutex_destroy(&host->pool.lock);
    pthread_cond_destroy(&host->pool.work);
    if (host->epoll_fd >= 0)
        close(host->epoll_fd);
    if (host->wake_fd >= 0)
        close(host->wake_fd);
    free(host);
}
