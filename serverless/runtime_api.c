#include "serverless/runtime_api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"

enum { HOST_MAX_LEN = 255, READ_BYTES = 64 * 1024, ANSWER_TIMEOUT_MS = 10000 };

#define BASE "/2018-06-01/runtime"

struct hd_runtime_api {
    char host[HOST_MAX_LEN + 1];
    char port[8];
    int fd;      /* -1: not connected */
    int sigterm; /* readable when it has come */
    struct hd_reply reply;
    struct hd_buffer request;
    char bytes[READ_BYTES]; /* what was read */
};

/* ---- the connection ---- */

/* SIGTERM interrupts nothing: it is looked for only in the wait for the next invocation. */
static int take_sigterm(struct hd_runtime_api *api) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &term, NULL) != 0)
        return -1;
    api->sigterm = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
    return api->sigterm < 0 ? -1 : 0;
}

int hd_runtime_api_new(const char *address, struct hd_runtime_api **ret_api, struct hd_error *err) {
    const char *colon = address ? strrchr(address, ':') : NULL;
    size_t host_len = colon ? (size_t)(colon - address) : 0, port_len = colon ? strlen(colon + 1) : 0;
    if (host_len == 0 || host_len > HOST_MAX_LEN || port_len == 0 || port_len > 5 || strspn(colon + 1, "0123456789") != port_len)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "AWS_LAMBDA_RUNTIME_API: \"%s\" is no host:port", address ? address : "");
    struct hd_runtime_api *api = calloc(1, sizeof *api);
    if (!api)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the runtime");
    memcpy(api->host, address, host_len);
    memcpy(api->port, colon + 1, port_len);
    api->fd = api->sigterm = -1;
    if (take_sigterm(api) != 0) {
        hd_error_set(err, HD_ERR_INTERNAL, "SIGTERM: %s", strerror(errno));
        hd_runtime_api_free(api);
        return HD_ERR_INTERNAL;
    }
    *ret_api = api;
    return 0;
}

static void disconnect(struct hd_runtime_api *api) {
    if (api->fd >= 0)
        close(api->fd);
    api->fd = -1;
}

void hd_runtime_api_free(struct hd_runtime_api *api) {
    if (!api)
        return;
    disconnect(api);
    if (api->sigterm >= 0)
        close(api->sigterm);
    hd_reply_free(&api->reply);
    hd_buffer_free(&api->request);
    free(api);
}

static int connect_to(struct hd_runtime_api *api, const struct sockaddr *address, socklen_t len) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    const struct timeval limit = {.tv_sec = ANSWER_TIMEOUT_MS / 1000};
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of the connect, too */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, address, len) != 0) {
        int problem = errno;
        close(fd);
        errno = problem;
        return -1;
    }
    api->fd = fd;
    return 0;
}

/* Lambda gives an address in numbers, which needs no resolver; others may give a name. */
static int connect_api(struct hd_runtime_api *api, struct hd_error *err) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(api->port, NULL, 10))};
    if (api->fd >= 0)
        return 0;
    int problem = 0;
    if (inet_pton(AF_INET, api->host, &address.sin_addr) == 1) {
        problem = connect_to(api, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    } else {
        struct addrinfo *found = NULL;
        const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        if (getaddrinfo(api->host, api->port, &hints, &found) != 0)
            return hd_error_set(err, HD_ERR_UNAVAILABLE, "AWS_LAMBDA_RUNTIME_API: there is no host %s", api->host);
        for (const struct addrinfo *at = found; at && api->fd < 0; at = at->ai_next)
            problem = connect_to(api, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
        freeaddrinfo(found);
    }
    if (api->fd >= 0)
        return 0;
    return hd_error_set(err, HD_ERR_UNAVAILABLE, "the Runtime API at %s:%s: %s", api->host, api->port, strerror(problem));
}

static int broken(struct hd_runtime_api *api, const char *doing, struct hd_error *err) {
    int problem = errno;
    disconnect(api);
    return hd_error_set(err, HD_ERR_UNAVAILABLE, "%s the Runtime API: %s", doing, strerror(problem));
}

/* ---- one exchange ---- */

static int send_all(struct hd_runtime_api *api, const char *data, size_t len, struct hd_error *err) {
    while (len > 0) {
        ssize_t sent = send(api->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return broken(api, "writing to", err);
        data += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* Waits for bytes. With ret_stop, for as long as it takes, and SIGTERM ends it. */
static int wait_readable(struct hd_runtime_api *api, bool *ret_stop, struct hd_error *err) {
    struct pollfd waited[2] = {{.fd = api->fd, .events = POLLIN}, {.fd = ret_stop ? api->sigterm : -1, .events = POLLIN}};
    for (;;) {
        int r = poll(waited, 2, ret_stop ? -1 : ANSWER_TIMEOUT_MS);
        if (r == 0)
            errno = ETIMEDOUT;
        if (r == 0 || (r < 0 && errno != EINTR))
            return broken(api, "waiting for", err);
        if (r > 0 && ret_stop)
            *ret_stop = waited[1].revents && !waited[0].revents; /* an invocation that is there is done first */
        if (r > 0)
            return 0;
    }
}

static int read_reply(struct hd_runtime_api *api, bool *ret_stop, struct hd_error *err) {
    while (api->reply.state != HD_REPLY_DONE) {
        int r = wait_readable(api, ret_stop, err);
        if (r || (ret_stop && *ret_stop))
            return r;
        ssize_t got = recv(api->fd, api->bytes, sizeof api->bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return broken(api, "reading from", err);
        size_t taken = 0;
        r = got == 0 ? hd_reply_end(&api->reply, err) : hd_reply_feed(&api->reply, api->bytes, (size_t)got, &taken, err);
        if (r)
            disconnect(api);
        if (r)
            return r;
        if (got == 0 || taken < (size_t)got) /* it has ended; or said more than was asked */
            api->reply.keep_alive = false;
    }
    if (!api->reply.keep_alive)
        disconnect(api);
    return 0;
}

/* Sends api->request and reads what comes back. A connection that was kept may have been closed meanwhile by the other end: then no byte of a reply comes, and a new one is tried, once. */
static int exchange(struct hd_runtime_api *api, const char *body, size_t body_bytes, bool *ret_stop, struct hd_error *err) {
    for (bool again = api->fd >= 0;; again = false) {
        hd_reply_reset(&api->reply);
        int r = connect_api(api, err);
        if (!r)
            r = send_all(api, api->request.data, api->request.len, err);
        if (!r && body_bytes > 0)
            r = send_all(api, body, body_bytes, err);
        if (!r)
            r = read_reply(api, ret_stop, err);
        bool silent = api->reply.head.len == 0;
        if (r != HD_ERR_UNAVAILABLE || !again || !silent)
            return r;
    }
}

static int begin_request(struct hd_runtime_api *api, struct hd_error *err, const char *fmt, ...) HD_PRINTF(3, 4);

static int begin_request(struct hd_runtime_api *api, struct hd_error *err, const char *fmt, ...) {
    char line[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    hd_buffer_clear(&api->request);
    hd_buffer_printf(&api->request, "%s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: helpdesk/" HELPDESK_VERSION "\r\n", line, api->host,
                     api->port);
    return hd_buffer_check(&api->request, err);
}

int hd_runtime_api_next(struct hd_runtime_api *api, struct hd_arena *arena, struct hd_invocation *ret_invocation, bool *ret_stop,
                        struct hd_error *err) {
    bool stop = false;
    int r = begin_request(api, err, "GET " BASE "/invocation/next");
    if (r)
        return r;
    hd_buffer_add_str(&api->request, "\r\n");
    r = hd_buffer_check(&api->request, err);
    if (!r)
        r = exchange(api, NULL, 0, &stop, err);
    if (r)
        return r;
    *ret_stop = stop;
    if (stop)
        return 0;
    if (api->reply.status != 200)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "the Runtime API answered next with %d: %.120s", api->reply.status,
                            hd_buffer_text(&api->reply.body));
    return hd_invocation_read(&api->reply, arena, ret_invocation, err);
}

/* api->request has its line and its own headers. */
static int post(struct hd_runtime_api *api, const char *body, size_t body_bytes, struct hd_error *err) {
    hd_buffer_printf(&api->request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body_bytes);
    int r = hd_buffer_check(&api->request, err);
    if (!r)
        r = exchange(api, body, body_bytes, NULL, err);
    if (r || (api->reply.status >= 200 && api->reply.status < 300))
        return r;
    enum hd_code code = api->reply.status == 413  ? HD_ERR_TOO_LARGE
                        : api->reply.status < 500 ? HD_ERR_CONFLICT /* "InvalidRequestID", "InvalidStateTransition": too late */
                                                  : HD_ERR_UNAVAILABLE;
    return hd_error_set(err, code, "the Runtime API answered %d: %.160s", api->reply.status, hd_buffer_text(&api->reply.body));
}

int hd_runtime_api_respond(struct hd_runtime_api *api, const char *request_id, const char *body, size_t body_bytes, struct hd_error *err) {
    if (body_bytes > HD_RUNTIME_ANSWER_MAX_BYTES)
        return hd_error_set(err, HD_ERR_TOO_LARGE, "the answer has %zu bytes; Lambda takes %d", body_bytes, HD_RUNTIME_ANSWER_MAX_BYTES);
    int r = begin_request(api, err, "POST " BASE "/invocation/%s/response", request_id);
    return r ? r : post(api, body, body_bytes, err);
}

/* The error's type is what Lambda's console and metrics group by: "HelpDesk.unavailable". */
static int post_failure(struct hd_runtime_api *api, const struct hd_error *failure, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    char type[64];
    (void)snprintf(type, sizeof type, "HelpDesk.%s", hd_code_type(failure->code));
    hd_buffer_printf(&api->request, "Lambda-Runtime-Function-Error-Type: %s\r\n", type);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "errorMessage", failure->detail);
    hd_json_put_str(&w, "errorType", type);
    hd_json_open_array(&w, "stackTrace");
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    int r = hd_buffer_check(&body, err);
    return r ? r : post(api, body.data, body.len, err);
}

int hd_runtime_api_fail(struct hd_runtime_api *api, const char *request_id, const struct hd_error *failure, struct hd_error *err) {
    int r = begin_request(api, err, "POST " BASE "/invocation/%s/error", request_id);
    return r ? r : post_failure(api, failure, err);
}

int hd_runtime_api_init_failed(struct hd_runtime_api *api, const struct hd_error *failure, struct hd_error *err) {
    int r = begin_request(api, err, "POST " BASE "/init/error");
    return r ? r : post_failure(api, failure, err);
}
