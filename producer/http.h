/* A request and an answer, whoever carries them: libmicrohttpd (app/) and API Gateway (serverless/) are two hosts of the same routes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    HD_HTTP_BODY_MAX_BYTES = 1024 * 1024,
    HD_HTTP_HEADERS_MAX = 64,
    HD_HTTP_HEADERS_MAX_BYTES = 8 * 1024,
    HD_HTTP_URL_MAX_BYTES = 4096,
    HD_HTTP_ANSWER_HEADERS_MAX = 16,
};

struct hd_claims; /* producer/jwt.h */

struct hd_header {
    const char *name; /* any case */
    const char *value;
};

/* All of it belongs to the host, and outlives every decision about the request. */
struct hd_request {
    const char *method; /* as sent: "GET" */
    const char *path;   /* raw, still percent-encoded, without the query; begins with '/' */
    const char *query;  /* raw, without '?'; "" when there is none */
    const struct hd_header *headers;
    size_t header_count;
    const char *body; /* NUL-terminated behind body_bytes */
    size_t body_bytes;
    const char *correlation_id; /* what an earlier decision about this request was given; NULL at the first */
    const char *traceparent;
    const struct hd_claims *
        identity; /* who the caller is, when the host has verified that (API Gateway's authorizer): the Authorization header is not looked at then; NULL else */
    bool private_listener; /* came in by HELPDESK_METRICS_LISTEN: /metrics needs no token */
};

/* Lives in the decision's arena, or for ever. */
struct hd_response {
    int status;
    const char *body; /* never NULL */
    size_t body_bytes;
    bool omit_body; /* the request was a HEAD: Content-Length is body_bytes, and the body is not sent */
    struct hd_header headers[HD_HTTP_ANSWER_HEADERS_MAX]; /* Content-Type among them */
    size_t header_count;
    /* For the host's log and metrics. */
    const char *operation;        /* the route's name ("createTicket"); "" for none. Static */
    const char *correlation_id;   /* as in the header X-Correlation-Id */
    const char *traceparent;      /* as in the header traceparent */
    const struct hd_error *error; /* what is behind a 5xx, which the body does not tell; NULL else */
};

/* The first header of that name (any case), or NULL. */
const char *hd_request_header(const struct hd_request *request, const char *name);
/* The decoded value of a query parameter, in arena; NULL when it is absent, malformed, or memory is out. */
const char *hd_request_query(const struct hd_request *request, struct hd_arena *arena, const char *name);
/* What stands behind %XX (and a '+' for a space, in a query) as UTF-8 text in arena. HD_ERR_MALFORMED: a '%' without two hex digits, a NUL, invalid UTF-8.
 * HD_ERR_NO_MEMORY. */
int hd_percent_decode(struct hd_arena *arena, const char *text, size_t len, bool plus_is_space, const char **ret_text,
                      struct hd_error *err) HD_MUST_CHECK;
/* The other way, for one segment of a path: all but RFC 3986's unreserved characters is written as %XX. NULL when memory is out. */
const char *hd_percent_encode(struct hd_arena *arena, const char *text) HD_MUST_CHECK;

/* One "name=value" of a query (RFC 3986, application/x-www-form-urlencoded) after another: *at is moved behind it. False at the end. Empty ones are passed over. */
struct hd_query_pair {
    const char *name, *value; /* still encoded */
    size_t name_len, value_len;
};
bool hd_query_next(const char **at, struct hd_query_pair *ret_pair);

/* Beyond HD_HTTP_ANSWER_HEADERS_MAX it is an assertion. value must live as long as the response. */
void hd_response_header(struct hd_response *response, const char *name, const char *value);
