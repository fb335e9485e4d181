/* An HTTP/1.1 server in a thread, for tests of clients: it listens on a free port of 127.0.0.1, and what it answers, or does instead, a function of the test says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct hd_stand_in;

enum { HD_STAND_IN_CONNECTIONS_MAX = 64, HD_STAND_IN_REQUEST_MAX_BYTES = 1024 * 1024 };

struct hd_stand_in_request {
    const char *method, *target;
    const char *headers; /* lines, each with CRLF */
    const char *body;    /* with a NUL behind it */
    size_t body_bytes;
    int number;     /* 1, 2, … of all requests */
    int connection; /* 1, 2, … of all connections */
};

enum hd_stand_in_way {
    HD_STAND_IN_ANSWERS,
    HD_STAND_IN_ANSWERS_AND_CLOSES, /* without saying so */
    HD_STAND_IN_DROPS,              /* closes the connection instead of an answer */
    HD_STAND_IN_IS_SILENT,          /* keeps it open, and says nothing */
    HD_STAND_IN_BREAKS_OFF,         /* closes it in the middle of the body */
};

struct hd_stand_in_answer {
    enum hd_stand_in_way way;
    int status;             /* 200 */
    const char *headers;    /* "Name: value\r\n"…; "" */
    const char *body;       /* "" */
    int not_before_request; /* kept back until the request of this number has come; 0 */
};

/* ret_answer comes filled with what stands beside its members. Runs on the server's thread, with its lock: what it writes may be read after hd_stand_in_requests. Its texts are copied. */
typedef void hd_stand_in_fn(void *arg, const struct hd_stand_in_request *request, struct hd_stand_in_answer *ret_answer);

struct hd_stand_in *hd_stand_in_new(hd_stand_in_fn *fn, void *arg); /* aborts when it cannot */
void hd_stand_in_free(struct hd_stand_in *server);                  /* closes all; takes NULL */

const char *hd_stand_in_url(const struct hd_stand_in *server); /* "http://127.0.0.1:40123" */
int hd_stand_in_requests(struct hd_stand_in *server);
int hd_stand_in_connections(struct hd_stand_in *server);
/* Closes all connections that no answer is due on, as servers do after a while; it is done when this returns. */
void hd_stand_in_close_idle(struct hd_stand_in *server);

/* The value of a header, "" when it is not there; in a buffer of the calling thread's, until its next call but seven. */
const char *hd_stand_in_header(const struct hd_stand_in_request *request, const char *name);
