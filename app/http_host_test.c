/* The HTTP host where threads answer, over the store in memory, with a read that hangs until the test lets it go. */
#include "app/http_host.h"

#include "tests/support/api.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum { THREADS = 2, ANSWER_BYTES = 64 * 1024, GRACE_MS = 60000 };

struct fixture {
    struct hd_api *api;
    struct hd_store *stores[THREADS];
    struct http_host *host;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gate_open;
    size_t hanging, happened;
};

static struct fixture *fixture; /* the ports have no room for a pointer to it */
static struct hd_store_ops real, hanging_ops;

static int read_ticket(struct hd_store *store, struct hd_arena *arena, const char *ticket_id, const struct hd_ticket **ret,
                       struct hd_error *err) {
    if (strcmp(ticket_id, "hang") == 0) {
        pthread_mutex_lock(&fixture->lock);
        fixture->hanging++;
        pthread_cond_broadcast(&fixture->changed);
        while (!fixture->gate_open)
            pthread_cond_wait(&fixture->changed, &fixture->lock);
        pthread_mutex_unlock(&fixture->lock);
    }
    return real.ticket(store, arena, ticket_id, ret, err);
}

static void happened(void *self, const struct hd_changeset *set) {
    struct fixture *f = self;
    (void)set;
    pthread_mutex_lock(&f->lock);
    f->happened++;
    pthread_mutex_unlock(&f->lock);
}

static void wait_for_hanging(struct fixture *f, size_t count) {
    pthread_mutex_lock(&f->lock);
    while (f->hanging < count)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static void open_gate(struct fixture *f) {
    pthread_mutex_lock(&f->lock);
    f->gate_open = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Asks until every thread has had the time to end: each time gives them half a second. */
static void stop(struct fixture *f) {
    bool ended = false;
    for (int i = 0; !ended && i < 120; i++)
        ended = hd_http_host_stop(f->host, GRACE_MS);
    assert_true(ended);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    struct hd_error err;
    assert_non_null(f);
    fixture = f;
    (void)signal(SIGPIPE, SIG_IGN);
    hd_log_set_level(HD_LOG_ERROR + 1);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->api = hd_api_new(false);
    real = *f->api->ctx.store->ops;
    hanging_ops = real;
    hanging_ops.ticket = read_ticket;
    for (size_t i = 0; i < THREADS; i++) {
        f->stores[i] = hd_memory_store(f->api->memory);
        f->stores[i]->ops = &hanging_ops;
    }
    struct http_host_options options = {
        .producer = f->api->producer,
        .context = f->api->ctx,
        .clock = &hd_system_clock,
        .stores = f->stores,
        .store_count = THREADS,
        .self = f,
        .happened = happened,
        .listen = "127.0.0.1:0",
        .connections_max = 64,
    };
    options.context.store = NULL;
    options.context.random = &hd_system_random;
    if (hd_http_host_new(&options, &f->host, &err) || hd_http_host_start(f->host, &err))
        fail_msg("%s", err.detail);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    open_gate(f);
    stop(f);
    hd_http_host_free(f->host);
    for (size_t i = 0; i < THREADS; i++)
        f->stores[i]->ops->close(f->stores[i]);
    hd_api_free(f->api);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

/* ---- a client ---- */

static int ask(struct fixture *f, const char *method, const char *path, const char *body) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(hd_http_host_port(f->host))};
    char token[4096], text[8192];
    struct hd_arena *arena = hd_arena_new(64 * 1024);
    const char *signed_token = NULL;
    struct hd_claims claims = {.subject = "ana", .role = HD_ROLE_CUSTOMER, .expires_at_s = INT64_C(4000000000)};
    assert_int_equal(hd_jwt_sign(&hd_api_key, &claims, hd_system_clock.now_ms(&hd_system_clock), arena, &signed_token, NULL), 0);
    (void)snprintf(token, sizeof token, "%s", signed_token);
    hd_arena_free(arena);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len = snprintf(text, sizeof text,
                       "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       method, path, token, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
    return fd;
}

/* The status of the answer; 0: the connection ended without one. */
static int answer(int fd, char *ret_body) {
    static char text[ANSWER_BYTES];
    size_t len = 0;
    for (ssize_t got; len < sizeof text - 1 && (got = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0;)
        len += (size_t)got;
    text[len] = '\0';
    (void)close(fd);
    const char *body = strstr(text, "\r\n\r\n");
    if (ret_body)
        (void)snprintf(ret_body, ANSWER_BYTES, "%s", body ? body + 4 : "");
    return len > 12 ? atoi(text + 9) : 0;
}

static int status_of(struct fixture *f, const char *method, const char *path, const char *body) {
    return answer(ask(f, method, path, body), NULL);
}

/* ---- tests ---- */

static void requests_are_answered_by_threads(void **state) {
    struct fixture *f = *state;
    static char body[ANSWER_BYTES];
    for (int i = 0; i < 20; i++)
        assert_int_equal(status_of(f, "POST", "/tickets", "{\"title\":\"T\",\"description\":\"D\"}"), 201);
    assert_int_equal(answer(ask(f, "GET", "/tickets?limit=200", ""), body), 200);
    json_t *page = NULL;
    assert_int_equal(hd_json_load(body, strlen(body), 0, &page, NULL), 0);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 20);
    json_decref(page);
    assert_int_equal(f->happened, 20);
    assert_int_equal(status_of(f, "GET", "/tickets/none", ""), 404);
    assert_int_equal(status_of(f, "POST", "/tickets", "{"), 400);
}

static void a_read_that_hangs_delays_nobody_else(void **state) {
    struct fixture *f = *state;
    int hanging = ask(f, "GET", "/tickets/hang", "");
    wait_for_hanging(f, 1);
    assert_int_equal(status_of(f, "GET", "/tickets", ""), 200);
    assert_int_equal(status_of(f, "POST", "/tickets", "{\"title\":\"T\",\"description\":\"D\"}"), 201);
    open_gate(f);
    assert_int_equal(answer(hanging, NULL), 404);
}

static void what_needs_no_store_is_answered_while_all_threads_hang(void **state) {
    struct fixture *f = *state;
    int hanging[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        hanging[i] = ask(f, "GET", "/tickets/hang", "");
    wait_for_hanging(f, THREADS);
    int waiting = ask(f, "GET", "/tickets", "");
    assert_int_equal(status_of(f, "GET", "/healthz", ""), 200);
    assert_int_equal(status_of(f, "GET", "/nowhere", ""), 404);
    open_gate(f);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(answer(hanging[i], NULL), 404);
    assert_int_equal(answer(waiting, NULL), 200);
}

static void a_read_that_hangs_delays_no_stop(void **state) {
    struct fixture *f = *state;
    int hanging = ask(f, "GET", "/tickets/hang", "");
    wait_for_hanging(f, 1);
    assert_false(hd_http_host_stop(f->host, 100)); /* it comes back, and says that a thread is still out */
    open_gate(f);
    stop(f);
    (void)close(hanging);
}

static void a_stop_answers_what_is_under_way(void **state) {
    struct fixture *f = *state;
    int under_way = ask(f, "GET", "/tickets/hang", "");
    wait_for_hanging(f, 1);
    open_gate(f);
    stop(f);
    assert_int_equal(answer(under_way, NULL), 404);
}

#define HOST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOST_TEST(requests_are_answered_by_threads),
        HOST_TEST(a_read_that_hangs_delays_nobody_else),
        HOST_TEST(what_needs_no_store_is_answered_while_all_threads_hang),
        HOST_TEST(a_read_that_hangs_delays_no_stop),
        HOST_TEST(a_stop_answers_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
