#include "tests/support/stand_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/buffer.h"

enum { ANSWER_MAX_BYTES = 64 * 1024 * 1024 };

struct connection {
    int fd; /* -1: free */
    int number;
    struct hd_buffer in, out;
    size_t sent;
    int not_before_request;
    bool answering, close_behind;
};

struct hd_stand_in {
    hd_stand_in_fn *fn;
    void *arg;
    char url[64];
    int listener, wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t closed;
    int requests, connections;
    bool stopping, close_idle;
    struct connection all[HD_STAND_IN_CONNECTIONS_MAX];
};

static void must(bool holds, const char *what) {
    if (holds)
        return;
    perror(what);
    abort();
}

const char *hd_stand_in_header(const struct hd_stand_in_request *request, const char *name) {
    static _Thread_local char values[8][8192];
    static _Thread_local unsigned turn;
    size_t name_len = strlen(name);
    for (const char *line = request->headers; *line; line += strcspn(line, "\n") + 1) {
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *value = line + name_len + 1;
        value += strspn(value, " \t");
        char *to = values[turn++ % HD_ARRAY_LEN(values)];
        (void)snprintf(to, sizeof values[0], "%.*s", (int)strcspn(value, "\r\n"), value);
        return to;
    }
    return "";
}

/* ---- connections ---- */

static void drop(struct connection *c) {
    (void)close(c->fd);
    hd_buffer_free(&c->in);
    hd_buffer_free(&c->out);
    *c = (struct connection){.fd = -1};
}

static void accept_one(struct hd_stand_in *server) {
    int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < HD_ARRAY_LEN(server->all); i++)
        if (server->all[i].fd < 0) {
            server->all[i] = (struct connection){.fd = fd, .number = ++server->connections, .out.limit_bytes = ANSWER_MAX_BYTES};
            return;
        }
    if (fd >= 0)
        (void)close(fd);
}

/* False: it is closed. */
static bool receive(struct connection *c) {
    char bytes[16 * 1024];
    for (;;) {
        ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return false;
        hd_buffer_add(&c->in, bytes, (size_t)got);
        must(c->in.len <= HD_STAND_IN_REQUEST_MAX_BYTES && !c->in.failure, "stand-in: a request is too large");
    }
}

/* ---- requests ---- */

static void write_answer(struct connection *c, const struct hd_stand_in_answer *answer) {
    size_t len = strlen(answer->body);
    c->answering = answer->way != HD_STAND_IN_IS_SILENT;
    c->close_behind = answer->way != HD_STAND_IN_ANSWERS;
    c->not_before_request = answer->not_before_request;
    if (answer->way == HD_STAND_IN_DROPS || answer->way == HD_STAND_IN_IS_SILENT)
        return;
    hd_buffer_printf(&c->out, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n%s\r\n", answer->status, len, answer->headers);
    hd_buffer_add(&c->out, answer->body, answer->way == HD_STAND_IN_BREAKS_OFF ? len / 2 : len);
}

/* The next whole request, if one is there, goes to the test's function. */
static void take_request(struct hd_stand_in *server, struct connection *c) {
    char *text = c->in.data, *end = text ? strstr(text, "\r\n\r\n") : NULL;
    if (!end || c->answering)
        return;
    struct hd_stand_in_request request = {.number = server->requests + 1, .connection = c->number};
    char *headers = strstr(text, "\r\n") + 2;
    size_t head_len = (size_t)(end - text) + 4;
    char *own_headers = strndup(headers, (size_t)(end + 2 - headers));
    must(own_headers, "stand-in");
    request.headers = own_headers;
    request.body_bytes = strtoul(hd_stand_in_header(&request, "Content-Length"), NULL, 10);
    if (c->in.len < head_len + request.body_bytes) {
        free(own_headers);
        return;
    }
    char method[16] = "", target[4096] = "";
    must(sscanf(text, "%15s %4095s", method, target) == 2, "stand-in: no request line");
    char *body = strndup(text + head_len, request.body_bytes);
    must(body, "stand-in");
    request.method = method;
    request.target = target;
    request.body = body;
    server->requests++;
    struct hd_stand_in_answer answer = {.status = 200, .headers = "", .body = ""};
    server->fn(server->arg, &request, &answer);
    write_answer(c, &answer);
    size_t used = head_len + request.body_bytes;
    memmove(c->in.data, c->in.data + used, c->in.len - used + 1);
    c->in.len -= used;
    free(own_headers);
    free(body);
}

/* False: the connection is over. */
static bool send_answer(struct hd_stand_in *server, struct connection *c) {
    if (!c->answering || server->requests < c->not_before_request)
        return true;
    while (c->sent < c->out.len) {
        ssize_t sent = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        c->sent += (size_t)sent;
    }
    if (c->close_behind)
        return false;
    hd_buffer_clear(&c->out);
    c->sent = 0;
    c->answering = false;
    return true;
}

/* ---- the thread ---- */

static void serve(struct hd_stand_in *server, struct connection *c, short events) {
    bool open = c->fd >= 0 && (!(events & (POLLIN | POLLHUP | POLLERR)) || receive(c));
    if (open)
        take_request(server, c);
    if (open)
        open = send_answer(server, c);
    if (!open && c->fd >= 0)
        drop(c);
}

static void turn(struct hd_stand_in *server, struct pollfd *fds) {
    uint64_t woken;
    if (fds[1].revents && read(server->wake, &woken, sizeof woken) < 0)
        return;
    if (fds[0].revents)
        accept_one(server);
    int before;
    do { /* a request may be what the answer to another waits for */
        before = server->requests;
        for (size_t i = 0; i < HD_ARRAY_LEN(server->all); i++)
            if (server->all[i].fd >= 0)
                serve(server, &server->all[i], server->all[i].fd == fds[2 + i].fd ? fds[2 + i].revents : 0);
    } while (server->requests > before);
    for (size_t i = 0; server->close_idle && i < HD_ARRAY_LEN(server->all); i++)
        if (server->all[i].fd >= 0 && !server->all[i].answering)
            drop(&server->all[i]);
    server->close_idle = false;
    pthread_cond_broadcast(&server->closed);
}

static void *run(void *arg) {
    struct hd_stand_in *server = arg;
    pthread_mutex_lock(&server->lock);
    while (!server->stopping) {
        struct pollfd fds[2 + HD_STAND_IN_CONNECTIONS_MAX] = {{.fd = server->listener, .events = POLLIN},
                                                              {.fd = server->wake, .events = POLLIN}};
        for (size_t i = 0; i < HD_ARRAY_LEN(server->all); i++) {
            const struct connection *c = &server->all[i];
            bool sending = c->answering && c->sent < c->out.len && server->requests >= c->not_before_request;
            fds[2 + i] = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (sending ? POLLOUT : 0))};
        }
        pthread_mutex_unlock(&server->lock);
        (void)poll(fds, HD_ARRAY_LEN(fds), -1);
        pthread_mutex_lock(&server->lock);
        turn(server, fds);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* ---- life ---- */

struct hd_stand_in *hd_stand_in_new(hd_stand_in_fn *fn, void *arg) {
    struct hd_stand_in *server = calloc(1, sizeof *server);
    must(server, "stand-in");
    server->fn = fn;
    server->arg = arg;
    for (size_t i = 0; i < HD_ARRAY_LEN(server->all); i++)
        server->all[i].fd = -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(server->listener >= 0 && server->wake >= 0, "stand-in: socket");
    must(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0, "stand-in: bind");
    must(listen(server->listener, HD_STAND_IN_CONNECTIONS_MAX) == 0, "stand-in: listen");
    must(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0, "stand-in: getsockname");
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->closed, NULL);
    must(pthread_create(&server->thread, NULL, run, server) == 0, "stand-in: thread");
    return server;
}

static void wake(struct hd_stand_in *server) {
    uint64_t one = 1;
    must(write(server->wake, &one, sizeof one) == sizeof one, "stand-in: wake");
}

void hd_stand_in_free(struct hd_stand_in *server) {
    if (!server)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    wake(server);
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < HD_ARRAY_LEN(server->all); i++)
        if (server->all[i].fd >= 0)
            drop(&server->all[i]);
    (void)close(server->listener);
    (void)close(server->wake);
    pthread_cond_destroy(&server->closed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *hd_stand_in_url(const struct hd_stand_in *server) {
    return server->url;
}

static int locked(struct hd_stand_in *server, const int *value) {
    pthread_mutex_lock(&server->lock);
    int copy = *value;
    pthread_mutex_unlock(&server->lock);
    return copy;
}

int hd_stand_in_requests(struct hd_stand_in *server) {
    return locked(server, &server->requests);
}

int hd_stand_in_connections(struct hd_stand_in *server) {
    return locked(server, &server->connections);
}

void hd_stand_in_close_idle(struct hd_stand_in *server) {
    pthread_mutex_lock(&server->lock);
    server->close_idle = true;
    wake(server);
    while (server->close_idle)
        pthread_cond_wait(&server->closed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}
