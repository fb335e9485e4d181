/* The two ends of the loop, against a Runtime API that answers as it is told to, on a thread of its own. */
#include "serverless/runtime_api.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TURNS_MAX = 8, REQUEST_MAX_BYTES = 64 * 1024 };

/* One request and what it is answered with. */
struct turn {
    const char *answer; /* NULL: none, until the other end closes */
    bool close_before;  /* the connection is closed as soon as it was accepted, or idle: the request gets no byte of an answer */
    bool close_after;
};

struct fixture {
    int listener;
    char address[32];
    struct hd_runtime_api *api;
    struct hd_arena *arena;
    pthread_t thread;
    const struct turn *turns;
    size_t turn_count;
    char requests[TURNS_MAX][REQUEST_MAX_BYTES];
    int connections;
    bool joined;
};

/* A request up to its end: the head, and as many bytes as it says. False: the other end has closed. */
static bool read_request(int fd, char *request) {
    size_t len = 0;
    for (;;) {
        request[len] = '\0';
        const char *head_end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
        size_t body = length && head_end && length < head_end ? strtoul(length + 16, NULL, 10) : 0;
        if (head_end && len >= (size_t)(head_end + 4 - request) + body)
            return true;
        ssize_t got = recv(fd, request + len, REQUEST_MAX_BYTES - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
    }
}

static void *serve(void *arg) {
    struct fixture *f = arg;
    int fd = -1;
    for (size_t i = 0; i < f->turn_count; i++) {
        const struct turn *turn = &f->turns[i];
        if (fd < 0) {
            fd = accept(f->listener, NULL, NULL);
            f->connections++;
        }
        bool asked = !turn->close_before && read_request(fd, f->requests[i]);
        if (asked && turn->answer && send(fd, turn->answer, strlen(turn->answer), MSG_NOSIGNAL) < 0)
            asked = false;
        if (asked && !turn->answer) { /* until the client goes away */
            char byte;
            (void)recv(fd, &byte, 1, 0);
        }
        if (!asked || turn->close_after || !turn->answer) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static int set_up(void **state) {
    static struct fixture fixture;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    fixture = (struct fixture){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .arena = hd_arena_new(64 * 1024)};
    if (bind(fixture.listener, (const struct sockaddr *)&address, len) != 0 || listen(fixture.listener, 4) != 0 ||
        getsockname(fixture.listener, (struct sockaddr *)&address, &len) != 0)
        return -1;
    (void)snprintf(fixture.address, sizeof fixture.address, "127.0.0.1:%d", ntohs(address.sin_port));
    *state = &fixture;
    return hd_runtime_api_new(fixture.address, &fixture.api, NULL);
}

static void start(struct fixture *f, const struct turn *turns, size_t count) {
    f->turns = turns;
    f->turn_count = count;
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

/* It has no more turns: what it has seen may be looked at. */
static void join(struct fixture *f) {
    if (!f->joined)
        pthread_join(f->thread, NULL);
    f->joined = true;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    hd_runtime_api_free(f->api); /* ends a server that waits for its client */
    join(f);
    close(f->listener);
    hd_arena_free(f->arena);
    return 0;
}

#define INVOCATION                                                                                            \
    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id-1\r\nLambda-Runtime-Deadline-Ms: 1542409706888\r\n" \
    "Content-Length: 7\r\n\r\n{\"a\":1}"
#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}"

static void one_connection_serves_for_events_answers_and_failures(void **state) {
    struct fixture *f = *state;
    static const struct turn turns[] = {{.answer = INVOCATION}, {.answer = ACCEPTED}, {.answer = INVOCATION}, {.answer = ACCEPTED}};
    struct hd_invocation invocation = {0};
    bool stop = true;
    start(f, turns, HD_ARRAY_LEN(turns));
    assert_int_equal(hd_runtime_api_next(f->api, f->arena, &invocation, &stop, NULL), 0);
    assert_false(stop);
    assert_string_equal(invocation.request_id, "id-1");
    assert_string_equal(invocation.event, "{\"a\":1}");
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", "{\"b\":2}", 7, NULL), 0);
    assert_int_equal(hd_runtime_api_next(f->api, f->arena, &invocation, &stop, NULL), 0);
    struct hd_error failure;
    hd_error_set(&failure, HD_ERR_UNAVAILABLE, "the \"table\" is away");
    assert_int_equal(hd_runtime_api_fail(f->api, "id-1", &failure, NULL), 0);
    join(f);
    assert_int_equal(f->connections, 1);
    assert_non_null(strstr(f->requests[0], "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n"));
    assert_non_null(strstr(f->requests[1], "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\n"));
    assert_non_null(strstr(f->requests[1], "\r\n\r\n{\"b\":2}"));
    assert_non_null(strstr(f->requests[3], "POST /2018-06-01/runtime/invocation/id-1/error HTTP/1.1\r\n"));
    assert_non_null(strstr(f->requests[3], "Lambda-Runtime-Function-Error-Type: HelpDesk.unavailable\r\n"));
    assert_non_null(strstr(f->requests[3],
                           "{\"errorMessage\":\"the \\\"table\\\" is away\",\"errorType\":\"HelpDesk.unavailable\",\"stackTrace\":[]}"));
}

static void a_connection_that_was_closed_meanwhile_is_opened_again(void **state) {
    struct fixture *f = *state;
    static const struct turn turns[] = {{.answer = INVOCATION}, {.close_before = true}, {.answer = ACCEPTED}};
    struct hd_invocation invocation = {0};
    bool stop = false;
    start(f, turns, HD_ARRAY_LEN(turns));
    assert_int_equal(hd_runtime_api_next(f->api, f->arena, &invocation, &stop, NULL), 0);
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", "{}", 2, NULL), 0);
    join(f);
    assert_int_equal(f->connections, 2);
}

static void an_api_that_says_close_is_connected_to_again(void **state) {
    struct fixture *f = *state;
    static const struct turn turns[] = {
        {.answer = "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", .close_after = true}, {.answer = ACCEPTED}};
    start(f, turns, HD_ARRAY_LEN(turns));
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", "{}", 2, NULL), 0);
    assert_int_equal(hd_runtime_api_respond(f->api, "id-2", "{}", 2, NULL), 0);
    join(f);
    assert_int_equal(f->connections, 2);
}

static void an_api_that_refuses_is_an_error_of_its_kind(void **state) {
    struct fixture *f = *state;
    static const struct turn turns[] = {
        {.answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 38\r\n\r\n{\"errorType\":\"InvalidStateTransition\"}"},
        {.answer = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    };
    struct hd_invocation invocation = {0};
    struct hd_error failure;
    bool stop = false;
    hd_error_set(&failure, HD_ERR_CONFIGURATION, "no function");
    start(f, turns, HD_ARRAY_LEN(turns));
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", "{}", 2, NULL), HD_ERR_TOO_LARGE);
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", "{}", 2, NULL), HD_ERR_CONFLICT);
    assert_int_equal(hd_runtime_api_init_failed(f->api, &failure, NULL), HD_ERR_UNAVAILABLE);
    assert_int_equal(hd_runtime_api_next(f->api, f->arena, &invocation, &stop, NULL), HD_ERR_UNAVAILABLE);
    assert_int_equal(hd_runtime_api_next(f->api, f->arena, &invocation, &stop, NULL), HD_ERR_MALFORMED); /* without its headers */
    join(f);
    assert_non_null(strstr(f->requests[2], "POST /2018-06-01/runtime/init/error HTTP/1.1\r\n"));
}

static void an_answer_that_lambda_would_not_take_is_not_sent(void **state) {
    struct fixture *f = *state;
    static char answer[HD_RUNTIME_ANSWER_MAX_BYTES + 1];
    static const struct turn turns[] = {{.answer = ACCEPTED}};
    memset(answer, ' ', sizeof answer);
    start(f, turns, HD_ARRAY_LEN(turns));
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", answer, sizeof answer, NULL), HD_ERR_TOO_LARGE);
    assert_int_equal(hd_runtime_api_respond(f->api, "id-2", "{}", 2, NULL), 0);
    join(f);
    assert_non_null(strstr(f->requests[0], "/invocation/id-2/response"));
}

static void sigterm_ends_the_wait_and_nothing_else(void **state) {
    struct fixture *f = *state;
    static const struct turn turns[] = {{.answer = ACCEPTED}, {.answer = NULL}};
    struct hd_invocation invocation = {0};
    bool stop = false;
    start(f, turns, HD_ARRAY_LEN(turns));
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(hd_runtime_api_respond(f->api, "id-1", "{}", 2, NULL), 0);
    assert_int_equal(hd_runtime_api_next(f->api, f->arena, &invocation, &stop, NULL), 0);
    assert_true(stop);
}

static void what_is_no_address_is_refused(void **state) {
    (void)state;
    static const char *const addresses[] = {NULL, "", ":", "127.0.0.1", "127.0.0.1:", ":9001", "127.0.0.1:x", "127.0.0.1:900100"};
    for (size_t i = 0; i < HD_ARRAY_LEN(addresses); i++) {
        struct hd_runtime_api *api = NULL;
        assert_int_equal(hd_runtime_api_new(addresses[i], &api, NULL), HD_ERR_CONFIGURATION);
    }
}

static void an_api_that_is_not_there_is_unavailable(void **state) {
    (void)state;
    struct hd_runtime_api *api = NULL;
    struct hd_error failure;
    hd_error_set(&failure, HD_ERR_CONFIGURATION, "x");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, and not listening: nobody else gets the port */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    char text[32];
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(text, sizeof text, "localhost:%d", ntohs(address.sin_port));
    assert_int_equal(hd_runtime_api_new(text, &api, NULL), 0);
    assert_int_equal(hd_runtime_api_init_failed(api, &failure, NULL), HD_ERR_UNAVAILABLE);
    hd_runtime_api_free(api);
    close(fd);
}

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_connection_serves_for_events_answers_and_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_connection_that_was_closed_meanwhile_is_opened_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_api_that_says_close_is_connected_to_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_api_that_refuses_is_an_error_of_its_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_lambda_would_not_take_is_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sigterm_ends_the_wait_and_nothing_else, set_up, tear_down),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(an_api_that_is_not_there_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
