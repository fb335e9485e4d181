/* Against small servers of our own, one thread for each connection, on 127.0.0.1. They do what the address or the path asks for; those that hang wait for the client to go. */
#include "adapters/transfer/dispatcher.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"

enum { LINE_BYTES = 8192, CONNECTIONS_MAX = 64, RUNS_MAX = 100000 };

/* ---- servers ---- */

struct server {
    int listener;
    char url[64];
    void (*serve)(struct server *server, FILE *in, FILE *out);
    pthread_t acceptor;
    pthread_t connections[CONNECTIONS_MAX];
    atomic_size_t connection_count;
    atomic_size_t mail_count;
    atomic_size_t command_count;
    bool pipelining;
    const char *greeting;
    _Atomic(const char *) auth_reply; /* NULL: no AUTH */
    int close_after;                  /* mails, with no word; 0: never */
    pthread_mutex_t mutex;            /* guards all below */
    pthread_cond_t changed;
    bool gate_open;
    char last_mail[4 * LINE_BYTES];
    char last_request[4 * LINE_BYTES];
};

struct connection {
    struct server *server;
    int fd;
};

static void *serve_connection(void *arg) {
    struct connection *connection = arg;
    int other = dup(connection->fd);
    FILE *in = fdopen(connection->fd, "r"), *out = fdopen(other, "w");
    connection->server->serve(connection->server, in, out);
    fclose(out);
    fclose(in);
    free(connection);
    return NULL;
}

static void *accept_connections(void *arg) {
    struct server *server = arg;
    for (int fd; (fd = accept(server->listener, NULL, NULL)) >= 0;) {
        struct connection *connection = malloc(sizeof *connection);
        *connection = (struct connection){server, fd};
        size_t i = server->connection_count++;
        assert_true(i < CONNECTIONS_MAX);
        pthread_create(&server->connections[i], NULL, serve_connection, connection);
    }
    return NULL;
}

static struct server *server_new(const char *scheme, void (*serve)(struct server *, FILE *, FILE *)) {
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->url, sizeof server->url, "%s://127.0.0.1:%d", scheme, ntohs(address.sin_port));
    server->serve = serve;
    server->greeting = "220 test";
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->changed, NULL);
    return server;
}

static void server_start(struct server *server) {
    pthread_create(&server->acceptor, NULL, accept_connections, server);
}

/* The clients must be gone. */
static void server_free(struct server *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    for (size_t i = 0; i < server->connection_count; i++)
        pthread_join(server->connections[i], NULL);
    close(server->listener);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

static void open_gate(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    server->gate_open = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

static void wait_for_gate(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    while (!server->gate_open)
        pthread_cond_wait(&server->changed, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
}

static void hang(FILE *in) {
    while (fgetc(in) != EOF) {
    }
}

static void reply(FILE *out, const char *text) {
    fputs(text, out);
    fputs("\r\n", out);
    fflush(out);
}

/* Reads a message and keeps it; says whether it ended as it must. */
static bool read_message(struct server *server, FILE *in) {
    char line[LINE_BYTES], mail[sizeof server->last_mail] = "";
    while (fgets(line, sizeof line, in)) {
        if (strcmp(line, ".\r\n") == 0) {
            pthread_mutex_lock(&server->mutex);
            memcpy(server->last_mail, mail, sizeof mail);
            pthread_mutex_unlock(&server->mutex);
            return true;
        }
        strncat(mail, line, sizeof mail - strlen(mail) - 1);
    }
    return false;
}

/* One mail's answer is in the recipient's name: "r550@", "d452@", "hang@", "drop@", "gate@". False: the connection ends. */
static bool serve_message(struct server *server, FILE *in, FILE *out, const char *to) {
    reply(out, "354 go on");
    if (strstr(to, "<drop@"))
        return false;
    if (!read_message(server, in))
        return false;
    if (strstr(to, "<hang@")) {
        hang(in);
        return false;
    }
    if (strstr(to, "<gate@"))
        wait_for_gate(server);
    const char *coded = strstr(to, "<d");
    if (coded && coded[2] >= '4' && coded[2] <= '5') {
        char text[32];
        snprintf(text, sizeof text, "%.3s after the message", coded + 2);
        reply(out, text);
        return true;
    }
    server->mail_count++;
    reply(out, "250 2.0.0 queued");
    return server->close_after == 0 || (int)server->mail_count % server->close_after != 0;
}

static bool greet(struct server *server, FILE *in, FILE *out, char line[LINE_BYTES]) {
    reply(out, server->greeting);
    if (server->greeting[0] != '2' || !fgets(line, LINE_BYTES, in))
        return false;
    reply(out, "250-test");
    if (server->auth_reply)
        reply(out, "250-AUTH PLAIN");
    reply(out, server->pipelining ? "250-PIPELINING\r\n250 SIZE 1000000" : "250 HELP");
    return true;
}

static void serve_smtp(struct server *server, FILE *in, FILE *out) {
    char line[LINE_BYTES], to[LINE_BYTES] = "";
    if (!greet(server, in, out, line))
        return;
    while (fgets(line, sizeof line, in)) {
        server->command_count++;
        if (strncmp(line, "AUTH", 4) == 0) {
            reply(out, "334 ");
            if (!fgets(line, sizeof line, in))
                return;
            reply(out, server->auth_reply);
        } else if (strncmp(line, "MAIL", 4) == 0) {
            reply(out, strstr(line, "<bad@") ? "550 5.7.1 not from you" : "250 ok");
        } else if (strncmp(line, "RCPT", 4) == 0) {
            memcpy(to, line, sizeof to);
            const char *coded = strstr(to, "<r");
            char text[64];
            snprintf(text, sizeof text, "%.3s 5.1.1 no such user", coded ? coded + 2 : "250");
            if (strstr(to, "<silent@"))
                hang(in);
            reply(out, text);
        } else if (strncmp(line, "DATA", 4) == 0) {
            if (!serve_message(server, in, out, to))
                return;
        } else if (strncmp(line, "QUIT", 4) == 0) {
            return;
        } else {
            reply(out, "250 ok");
        }
    }
}

static void serve_http(struct server *server, FILE *in, FILE *out) {
    char line[LINE_BYTES], head[2 * LINE_BYTES] = "";
    while (fgets(line, sizeof line, in)) {
        head[0] = '\0';
        size_t body_bytes = 0;
        do {
            if (strncasecmp(line, "Content-Length:", 15) == 0)
                body_bytes = (size_t)strtoul(line + 15, NULL, 10);
            strncat(head, line, sizeof head - strlen(head) - 1);
        } while (strcmp(line, "\r\n") != 0 && fgets(line, sizeof line, in));
        char body[LINE_BYTES] = "";
        if (body_bytes >= sizeof body || fread(body, 1, body_bytes, in) != body_bytes)
            return;
        pthread_mutex_lock(&server->mutex);
        snprintf(server->last_request, sizeof server->last_request, "%s%s", head, body);
        pthread_mutex_unlock(&server->mutex);
        if (strstr(head, " /drop"))
            return;
        if (strstr(head, " /hang")) {
            hang(in);
            return;
        }
        if (strstr(head, " /gate")) {
            wait_for_gate(server);
            server->mail_count++;
        }
        if (strstr(head, " /busy")) {
            reply(out, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-Error-Type: Busy\r\nContent-Length: 4\r\n\r\nbu");
        } else if (strstr(head, " /away")) {
            reply(out, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n");
        } else if (strstr(head, " /big")) {
            reply(out, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n");
            for (size_t i = 0; i < 1000000 && fputc('x', out) != EOF; i++) {
            }
            return;
        } else {
            reply(out, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
            return;
        }
    }
}

/* ---- transfers ---- */

struct ending {
    bool done;
    struct hd_transfer_result result;
    size_t body_bytes;
    char body[16];
};

static void ended(void *arg, const struct hd_transfer_result *result) {
    struct ending *ending = arg;
    assert_false(ending->done);
    *ending = (struct ending){.done = true, .result = *result, .body_bytes = result->body_bytes};
    for (size_t i = 0; i < sizeof ending->body - 1 && i < result->body_bytes; i++)
        ending->body[i] = result->body[i];
}

static struct hd_transfer mail_to(const struct server *server, const char *to) {
    static const char body[] = "Subject: x\r\n\r\n.hello\r\n";
    return (struct hd_transfer){
        .kind = HD_TRANSFER_SMTP,
        .url = server->url,
        .mail_from = "desk@example.org",
        .mail_to = to,
        .body = body,
        .body_bytes = sizeof body - 1,
    };
}

static struct hd_transfer get(const char *url) {
    return (struct hd_transfer){.kind = HD_TRANSFER_HTTP, .url = url, .method = "GET"};
}

static struct hd_dispatcher *dispatcher_new(size_t transfers_max, size_t connections_max) {
    struct hd_dispatcher *dispatcher = NULL;
    struct hd_error err;
    struct hd_dispatcher_options options = {.transfers_max = transfers_max, .connections_per_host_max = connections_max};
    assert_int_equal(hd_dispatcher_new(&options, &dispatcher, &err), 0);
    return dispatcher;
}

static void start(struct hd_dispatcher *dispatcher, const struct hd_transfer *transfer, struct ending *ending) {
    struct hd_error err = {0};
    *ending = (struct ending){0};
    if (hd_dispatcher_start(dispatcher, transfer, ended, ending, &err) < 0)
        fail_msg("%s", err.detail);
}

static void run_until(struct hd_dispatcher *dispatcher, const bool *done) {
    for (size_t i = 0; !*done; i++) {
        assert_true(i < RUNS_MAX);
        hd_dispatcher_run(dispatcher, 10000);
    }
}

static struct hd_transfer_result transfer(struct hd_dispatcher *dispatcher, const struct hd_transfer *transfer) {
    struct ending ending;
    start(dispatcher, transfer, &ending);
    run_until(dispatcher, &ending.done);
    return ending.result;
}

/* ---- SMTP ---- */

static void a_mail_arrives_as_it_was(void **state) {
    (void)state;
    for (int pipelining = 0; pipelining < 2; pipelining++) {
        struct server *server = server_new("smtp", serve_smtp);
        server->pipelining = pipelining;
        server_start(server);
        struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
        struct hd_transfer mail = mail_to(server, "ana@example.org");
        struct hd_transfer_result result = transfer(dispatcher, &mail);
        assert_int_equal(result.failure, HD_TRANSFER_OK);
        assert_int_equal(result.response_code, 250);
        assert_string_equal(result.detail, "250 2.0.0 queued");
        assert_int_equal(hd_dispatcher_under_way(dispatcher), 0);
        pthread_mutex_lock(&server->mutex);
        assert_string_equal(server->last_mail, "Subject: x\r\n\r\n..hello\r\n");
        pthread_mutex_unlock(&server->mutex);
        hd_dispatcher_free(dispatcher);
        server_free(server);
    }
}

static void an_answer_comes_with_its_code_and_what_it_is_to(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
        enum hd_transfer_failure failure;
        long code;
        enum hd_smtp_stage stage;
        const char *detail;
    } cases[] = {
        {"desk@x.org", "r550@x.org", HD_TRANSFER_OK, 550, HD_SMTP_RECIPIENT, "550 5.1.1 no such user"},
        {"desk@x.org", "r450@x.org", HD_TRANSFER_OK, 450, HD_SMTP_RECIPIENT, "450 5.1.1 no such user"},
        {"bad@x.org", "ana@x.org", HD_TRANSFER_OK, 550, HD_SMTP_SENDER, "550 5.7.1 not from you"},
        {"desk@x.org", "d554@x.org", HD_TRANSFER_OK, 554, HD_SMTP_MESSAGE, "554 after the message"},
        {"desk@x.org", "ana@x.org", HD_TRANSFER_OK, 250, HD_SMTP_MESSAGE, "250 2.0.0 queued"},
        {"desk@x.org", "drop@x.org", HD_TRANSFER_DROPPED, 0, HD_SMTP_MESSAGE, "the connection broke before the answer to the message"},
    };
    for (int pipelining = 0; pipelining < 2; pipelining++) {
        struct server *server = server_new("smtp", serve_smtp);
        server->pipelining = pipelining;
        server_start(server);
        struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
        for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
            struct hd_transfer mail = mail_to(server, cases[i].to);
            mail.mail_from = cases[i].from;
            struct hd_transfer_result result = transfer(dispatcher, &mail);
            assert_int_equal(result.failure, cases[i].failure);
            assert_int_equal(result.response_code, cases[i].code);
            assert_int_equal(result.stage, cases[i].stage);
            assert_string_equal(result.detail, cases[i].detail);
        }
        assert_int_equal(server->connection_count, 1); /* refusals included */
        hd_dispatcher_free(dispatcher);
        server_free(server);
    }
}

static void many_mails_share_few_connections(void **state) {
    (void)state;
    enum { MAILS = 200 };
    struct server *server = server_new("smtp", serve_smtp);
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(2 * MAILS, 4);
    struct ending *endings = calloc(MAILS, sizeof *endings);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    for (size_t i = 0; i < MAILS; i++)
        start(dispatcher, &mail, &endings[i]);
    for (size_t i = 0; i < MAILS; i++) {
        run_until(dispatcher, &endings[i].done);
        assert_int_equal(endings[i].result.response_code, 250);
    }
    assert_int_equal(server->mail_count, MAILS);
    assert_true(server->connection_count <= 8); /* 4 at once, and each for 100 mails at most */
    hd_dispatcher_free(dispatcher);
    server_free(server);
    free(endings);
}

static void a_server_that_is_slow_to_answer_delays_nobody_else(void **state) {
    (void)state;
    struct server *slow = server_new("smtp", serve_smtp), *quick = server_new("smtp", serve_smtp);
    server_start(slow);
    server_start(quick);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct ending waits, passes;
    struct hd_transfer to_slow = mail_to(slow, "gate@example.org"), to_quick = mail_to(quick, "ana@example.org");
    start(dispatcher, &to_slow, &waits);
    start(dispatcher, &to_quick, &passes);
    run_until(dispatcher, &passes.done);
    assert_false(waits.done);
    assert_int_equal(transfer(dispatcher, &to_quick).response_code, 250);
    assert_false(waits.done);
    assert_int_equal(hd_dispatcher_under_way(dispatcher), 1);
    open_gate(slow);
    run_until(dispatcher, &waits.done);
    assert_int_equal(waits.result.response_code, 250);
    hd_dispatcher_free(dispatcher);
    server_free(slow);
    server_free(quick);
}

static void a_connection_that_was_closed_while_idle_costs_no_attempt(void **state) {
    (void)state;
    struct server *server = server_new("smtp", serve_smtp);
    server->close_after = 1;
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 1);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(transfer(dispatcher, &mail).response_code, 250);
    assert_int_equal(server->mail_count, 10);
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void a_server_that_falls_silent_is_a_timeout_wherever_it_does(void **state) {
    (void)state;
    static const char *const to[] = {"silent@example.org", "hang@example.org"};
    struct server *server = server_new("smtp", serve_smtp);
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 1);
    for (size_t i = 0; i < HD_ARRAY_LEN(to); i++) {
        struct hd_transfer mail = mail_to(server, to[i]);
        mail.timeout_ms = 100;
        struct ending first, waiting;
        start(dispatcher, &mail, &first);
        start(dispatcher, &mail, &waiting); /* there is only one connection */
        run_until(dispatcher, &waiting.done);
        run_until(dispatcher, &first.done);
        assert_int_equal(first.result.failure, HD_TRANSFER_TIMEOUT);
        assert_int_equal(waiting.result.failure, HD_TRANSFER_TIMEOUT);
        assert_true(first.result.duration_ms >= 100);
    }
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    assert_int_equal(transfer(dispatcher, &mail).response_code, 250);
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

/* The server has what was sent, and the caller is away until the time limit is over; the server answers meanwhile. */
static void be_away_too_long(struct server *server, struct hd_dispatcher *dispatcher, const struct hd_transfer *transfer,
                             const char *has_come, struct ending *ending) {
    bool there = false;
    start(dispatcher, transfer, ending);
    while (!there) {
        hd_dispatcher_run(dispatcher, 10);
        pthread_mutex_lock(&server->mutex);
        there = *has_come != '\0';
        pthread_mutex_unlock(&server->mutex);
        assert_false(ending->done);
    }
    int64_t late_ms = hd_monotonic_ms() + transfer->timeout_ms + 1;
    open_gate(server);
    while (server->mail_count == 0 || hd_monotonic_ms() < late_ms)
        (void)poll(NULL, 0, 10);
    run_until(dispatcher, &ending->done);
}

static void an_answer_that_came_while_nobody_looked_is_no_timeout(void **state) {
    (void)state;
    struct server *servers[] = {server_new("smtp", serve_smtp), server_new("http", serve_http)};
    for (size_t i = 0; i < HD_ARRAY_LEN(servers); i++) {
        struct server *server = servers[i];
        char url[128];
        server_start(server);
        snprintf(url, sizeof url, "%s/gate", server->url);
        struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
        struct hd_transfer sent = i == 0 ? mail_to(server, "gate@example.org") : get(url);
        sent.timeout_ms = 2000;
        struct ending ending;
        be_away_too_long(server, dispatcher, &sent, i == 0 ? server->last_mail : server->last_request, &ending);
        assert_int_equal(ending.result.failure, HD_TRANSFER_OK);
        assert_int_equal(ending.result.response_code, i == 0 ? 250 : 200);
        assert_true(ending.result.duration_ms > 2000);
        hd_dispatcher_free(dispatcher);
        server_free(server);
    }
}

static void a_greeting_that_never_comes_is_a_timeout(void **state) {
    (void)state;
    struct server *server = server_new("smtp", serve_http); /* waits for the client's first word */
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    mail.timeout_ms = 100;
    assert_int_equal(transfer(dispatcher, &mail).failure, HD_TRANSFER_TIMEOUT);
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void a_server_that_takes_nobody_gives_its_code(void **state) {
    (void)state;
    struct server *server = server_new("smtp", serve_smtp);
    server->greeting = "421 4.3.2 too many connections";
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    struct hd_transfer_result result = transfer(dispatcher, &mail);
    assert_int_equal(result.failure, HD_TRANSFER_OK);
    assert_int_equal(result.response_code, 421);
    assert_int_equal(result.stage, HD_SMTP_CONNECTION);
    assert_string_equal(result.detail, "421 4.3.2 too many connections");
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void refused_credentials_are_said_and_not_shown(void **state) {
    (void)state;
    struct server *server = server_new("smtp", serve_smtp);
    server->auth_reply = "535 5.7.8 who is AGRlc2sAaHVudGVyMg== with hunter2?";
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    mail.username = "desk";
    mail.password = "hunter2";
    struct hd_transfer_result result = transfer(dispatcher, &mail);
    assert_int_equal(result.failure, HD_TRANSFER_LOGIN);
    assert_int_equal(result.response_code, 535);
    assert_string_equal(result.detail, "535 5.7.8 who is ******************** with *******?");

    server->auth_reply = "235 2.7.0 welcome";
    assert_int_equal(transfer(dispatcher, &mail).response_code, 250);
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void tls_that_is_demanded_and_not_offered_is_a_failure(void **state) {
    (void)state;
    struct server *server = server_new("smtp", serve_smtp);
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    mail.require_tls = true;
    assert_int_equal(transfer(dispatcher, &mail).failure, HD_TRANSFER_TLS);
    assert_int_equal(server->mail_count, 0);
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void nobody_there_is_a_failure_to_connect(void **state) {
    (void)state;
    struct server *server = server_new("smtp", serve_smtp);
    struct hd_transfer mail = mail_to(server, "ana@example.org");
    close(server->listener); /* its port is free, and refuses */
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    assert_int_equal(transfer(dispatcher, &mail).failure, HD_TRANSFER_CONNECT);
    mail.url = "smtp://no-such-host.invalid";
    assert_int_equal(transfer(dispatcher, &mail).failure, HD_TRANSFER_RESOLVE);
    hd_dispatcher_free(dispatcher);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

static void an_address_that_would_forge_a_command_is_refused(void **state) {
    (void)state;
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct hd_transfer mail = {
        .kind = HD_TRANSFER_SMTP, .url = "smtp://127.0.0.1:1", .mail_from = "a@x", .mail_to = "b@y>\r\nDATA", .body = "", .body_bytes = 0};
    struct hd_error err;
    assert_int_equal(hd_dispatcher_start(dispatcher, &mail, ended, NULL, &err), HD_ERR_INVALID);
    assert_int_equal(hd_dispatcher_under_way(dispatcher), 0);
    hd_dispatcher_free(dispatcher);
}

/* ---- slots ---- */

static void slots_are_bounded_and_become_free(void **state) {
    (void)state;
    struct server *slow = server_new("smtp", serve_smtp), *quick = server_new("smtp", serve_smtp);
    server_start(slow);
    server_start(quick);
    struct hd_dispatcher *dispatcher = dispatcher_new(4, 0);
    struct hd_transfer to_slow = mail_to(slow, "gate@example.org"), to_quick = mail_to(quick, "gate@example.org");
    struct ending endings[4], never = {0};
    struct hd_error err;
    for (size_t i = 0; i < 4; i++)
        start(dispatcher, i < 3 ? &to_slow : &to_quick, &endings[i]);
    assert_int_equal(hd_dispatcher_start(dispatcher, &to_slow, ended, &never, &err), HD_ERR_OVERLOADED);
    assert_int_equal(hd_dispatcher_start(dispatcher, &to_quick, ended, &never, &err), HD_ERR_OVERLOADED);
    assert_int_equal(hd_dispatcher_under_way(dispatcher), 4);
    open_gate(slow);
    open_gate(quick);
    for (size_t i = 0; i < 4; i++)
        run_until(dispatcher, &endings[i].done);
    assert_int_equal(hd_dispatcher_under_way(dispatcher), 0);
    start(dispatcher, &to_slow, &endings[0]);
    run_until(dispatcher, &endings[0].done);
    assert_false(never.done);
    hd_dispatcher_free(dispatcher);
    server_free(slow);
    server_free(quick);
}

static void what_is_under_way_can_be_abandoned(void **state) {
    (void)state;
    struct server *smtp = server_new("smtp", serve_smtp), *http = server_new("http", serve_http);
    server_start(smtp);
    server_start(http);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 1);
    struct ending endings[5], done;
    char url[128];
    snprintf(url, sizeof url, "%s/hang", http->url);
    struct hd_transfer hanging = mail_to(smtp, "hang@example.org"), quick = get(http->url), request = get(url);
    start(dispatcher, &quick, &done);
    run_until(dispatcher, &done.done);
    start(dispatcher, &hanging, &endings[0]);
    start(dispatcher, &hanging, &endings[1]); /* waits for the one connection */
    start(dispatcher, &request, &endings[2]);
    for (size_t i = 0; i < RUNS_MAX && smtp->command_count < 3; i++)
        hd_dispatcher_run(dispatcher, 1);
    start(dispatcher, &request, &endings[3]);
    start(dispatcher, &(struct hd_transfer){.kind = HD_TRANSFER_NONE}, &endings[4]);
    hd_dispatcher_free(dispatcher);
    for (size_t i = 0; i < 5; i++)
        assert_false(endings[i].done);
    server_free(smtp);
    server_free(http);
    hd_dispatcher_free(NULL);
}

static void *wake(void *arg) {
    hd_dispatcher_wake(arg);
    return NULL;
}

static void a_wake_ends_the_wait_now_or_the_next_one(void **state) {
    (void)state;
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    hd_dispatcher_wake(dispatcher);
    hd_dispatcher_run(dispatcher, 60 * 60 * 1000);
    pthread_t waker;
    pthread_create(&waker, NULL, wake, dispatcher);
    hd_dispatcher_run(dispatcher, 60 * 60 * 1000);
    pthread_join(waker, NULL);
    hd_dispatcher_free(dispatcher);
}

static void nothing_to_do_outside_ends_in_the_next_run(void **state) {
    (void)state;
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct ending ending;
    start(dispatcher, &(struct hd_transfer){.kind = HD_TRANSFER_NONE}, &ending);
    assert_false(ending.done);
    hd_dispatcher_run(dispatcher, 60 * 60 * 1000);
    assert_true(ending.done);
    assert_int_equal(ending.result.failure, HD_TRANSFER_OK);
    hd_dispatcher_free(dispatcher);
}

/* ---- HTTP ---- */

static void a_request_and_its_answer_go_through_whole(void **state) {
    (void)state;
    struct server *server = server_new("http", serve_http);
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    char url[128];
    snprintf(url, sizeof url, "%s/ok?x=1", server->url);
    static const char *const headers[] = {"Content-Type: application/json", "X-Id: 7", NULL};
    struct hd_transfer request = {
        .kind = HD_TRANSFER_HTTP, .url = url, .method = "POST", .headers = headers, .body = "{\"a\":1}", .body_bytes = 7};
    struct ending ending;
    start(dispatcher, &request, &ending);
    run_until(dispatcher, &ending.done);
    assert_int_equal(ending.result.failure, HD_TRANSFER_OK);
    assert_int_equal(ending.result.response_code, 200);
    assert_int_equal(ending.body_bytes, 2);
    assert_string_equal(ending.body, "hi");
    assert_string_equal(ending.result.detail, "HTTP 200");
    pthread_mutex_lock(&server->mutex);
    const char *got = server->last_request;
    assert_int_equal(strncmp(got, "POST /ok?x=1 HTTP/1.1\r\n", 23), 0);
    assert_non_null(strstr(got, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(got, "\r\nX-Id: 7\r\n"));
    assert_non_null(strstr(got, "\r\n\r\n{\"a\":1}"));
    pthread_mutex_unlock(&server->mutex);
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void http_answers_and_failures_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *path;
        enum hd_transfer_failure failure;
        long code;
        int64_t retry_after_ms;
        size_t body_bytes;
    } cases[] = {
        {"/busy", HD_TRANSFER_OK, 503, 7000, 4},     {"/away", HD_TRANSFER_OK, 302, 0, 0}, /* not followed */
        {"/big", HD_TRANSFER_OK, 200, 0, 64 * 1024}, {"/hang", HD_TRANSFER_TIMEOUT, 0, 0, 0}, {"/drop", HD_TRANSFER_DROPPED, 0, 0, 0},
    };
    struct server *server = server_new("http", serve_http);
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        char url[128];
        snprintf(url, sizeof url, "%s%s", server->url, cases[i].path);
        struct hd_transfer request = get(url);
        request.timeout_ms = strcmp(cases[i].path, "/hang") == 0 ? 100 : 0;
        struct ending ending;
        start(dispatcher, &request, &ending);
        run_until(dispatcher, &ending.done);
        assert_int_equal(ending.result.failure, cases[i].failure);
        assert_int_equal(ending.result.response_code, cases[i].code);
        assert_int_equal(ending.result.retry_after_ms, cases[i].retry_after_ms);
        assert_int_equal(ending.body_bytes, cases[i].body_bytes);
        assert_string_not_equal(ending.result.detail, "");
    }
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void the_header_that_was_asked_for_comes_with_the_answer(void **state) {
    (void)state;
    static const struct {
        const char *path, *name, *value;
    } cases[] = {{"/busy", "x-error-type", "Busy"}, {"/ok", "x-error-type", ""}, {"/busy", NULL, ""}, {"/drop", "x-error-type", ""}};
    struct server *server = server_new("http", serve_http);
    server_start(server);
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        char url[128];
        snprintf(url, sizeof url, "%s%s", server->url, cases[i].path);
        struct hd_transfer request = get(url);
        request.answer_header = cases[i].name;
        assert_string_equal(transfer(dispatcher, &request).answer_header, cases[i].value);
    }
    hd_dispatcher_free(dispatcher);
    server_free(server);
}

static void what_cannot_stand_in_a_request_is_refused(void **state) {
    (void)state;
    static const char *const forged[] = {"X: 1\r\nY: 2", NULL};
    static const struct hd_transfer bad[] = {
        {.kind = HD_TRANSFER_HTTP, .url = "http://127.0.0.1:1", .method = "GET", .headers = forged},
        {.kind = HD_TRANSFER_HTTP, .url = "http://127.0.0.1:1", .method = "GET / HTTP/1.1\r\nX:"},
        {.kind = HD_TRANSFER_HTTP, .url = "http://127.0.0.1:1"},
    };
    struct hd_dispatcher *dispatcher = dispatcher_new(0, 0);
    struct hd_error err;
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        assert_int_equal(hd_dispatcher_start(dispatcher, &bad[i], ended, NULL, &err), HD_ERR_INVALID);
    struct hd_transfer file = get("file:///etc/passwd"), mixed = get("smtp://127.0.0.1:1");
    assert_int_equal(transfer(dispatcher, &file).failure, HD_TRANSFER_OTHER);
    assert_int_equal(transfer(dispatcher, &mixed).failure, HD_TRANSFER_OTHER);
    hd_dispatcher_free(dispatcher);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_arrives_as_it_was),
        cmocka_unit_test(an_answer_comes_with_its_code_and_what_it_is_to),
        cmocka_unit_test(many_mails_share_few_connections),
        cmocka_unit_test(a_server_that_is_slow_to_answer_delays_nobody_else),
        cmocka_unit_test(a_connection_that_was_closed_while_idle_costs_no_attempt),
        cmocka_unit_test(a_server_that_falls_silent_is_a_timeout_wherever_it_does),
        cmocka_unit_test(an_answer_that_came_while_nobody_looked_is_no_timeout),
        cmocka_unit_test(a_greeting_that_never_comes_is_a_timeout),
        cmocka_unit_test(a_server_that_takes_nobody_gives_its_code),
        cmocka_unit_test(refused_credentials_are_said_and_not_shown),
        cmocka_unit_test(tls_that_is_demanded_and_not_offered_is_a_failure),
        cmocka_unit_test(nobody_there_is_a_failure_to_connect),
        cmocka_unit_test(an_address_that_would_forge_a_command_is_refused),
        cmocka_unit_test(slots_are_bounded_and_become_free),
        cmocka_unit_test(what_is_under_way_can_be_abandoned),
        cmocka_unit_test(a_wake_ends_the_wait_now_or_the_next_one),
        cmocka_unit_test(nothing_to_do_outside_ends_in_the_next_run),
        cmocka_unit_test(a_request_and_its_answer_go_through_whole),
        cmocka_unit_test(http_answers_and_failures_are_told_apart),
        cmocka_unit_test(the_header_that_was_asked_for_comes_with_the_answer),
        cmocka_unit_test(what_cannot_stand_in_a_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
