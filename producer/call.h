/* One request on its way through its use case, and what all use cases share: refusing, reading the query, writing the answer. Internal to producer/.
 *
 * A use case reads through call->ctx->store, puts its changes into call->changes, and answers. It returns 0, or a code with err filled, which becomes a problem
 * (producer/problem.h), and then none of its changes count. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"
#include "base/schema.h"
#include "producer/http.h"
#include "producer/jwt.h"
#include "producer/producer.h"
#include "producer/routes.h"

struct hd_producer {
    struct hd_producer_options options;
    struct hd_jwt_key key;
    json_t *openapi;
    struct hd_schema *schemas[HD_ROUTES_MAX]; /* by route; NULL: it has no body */
};

struct hd_call {
    const struct hd_producer *producer;
    const struct hd_context *ctx; /* NULL in hd_producer_failure */
    const struct hd_request *request;
    struct hd_arena *arena;
    const struct hd_route *route; /* NULL: no such path, or no such method there */
    const char *allow;            /* the methods of the path, when the method is none of them */
    const char *id;               /* the path's {…}, decoded; NULL when the route has none */
    struct hd_claims caller;      /* subject NULL: nobody, on a public route */
    const json_t *body;           /* valid; NULL when the route has none */
    const char *correlation_id;
    const char *traceparent; /* our span of the caller's trace */
    int attempt;
    int64_t retry_after_s; /* for 503; 0: the default */
    struct hd_changeset *changes;
    struct hd_response *response;
    struct hd_schema_problems *problems; /* the failing fields behind HD_ERR_INVALID */
    struct hd_buffer text;               /* what is being written; hd_call_text takes it over */
};

static inline bool hd_call_by_customer(const struct hd_call *call) {
    return call->caller.role == HD_ROLE_CUSTOMER;
}

/* HD_ERR_INVALID about one field. */
int hd_call_refuse(struct hd_call *call, struct hd_error *err, const char *pointer, const char *keyword, const char *fmt, ...)
    HD_PRINTF(5, 6);
/* These two are written out so that the analyser sees what they return. */
static inline int hd_call_no_memory(struct hd_error *err) {
    hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a request");
    return HD_ERR_NO_MEMORY;
}
/* There is no such thing, or it is not the caller's: one answer for both. */
static inline int hd_call_not_found(struct hd_error *err, const char *what) {
    hd_error_set(err, HD_ERR_NOT_FOUND, "There is no %s with this id for you.", what);
    return HD_ERR_NOT_FOUND;
}

/* A new UUIDv7 in the arena. NULL when memory is out. */
const char *hd_call_new_id(struct hd_call *call);

/* ---- the query ---- */

/* Every parameter is one that the route knows, and there once. */
int hd_call_check_query(struct hd_call *call, struct hd_error *err);
int hd_call_page(struct hd_call *call, struct hd_page *ret_page, struct hd_error *err);
/* -1 when it is absent. */
int hd_call_query_name(struct hd_call *call, const char *name, int (*from_name)(const char *), int *ret_value, struct hd_error *err);
/* NULL when it is absent. */
int hd_call_query_id(struct hd_call *call, const char *name, const char **ret_value, struct hd_error *err);
int hd_call_query_text(struct hd_call *call, const char *name, size_t max_len, const char **ret_value, struct hd_error *err);
/* What a list's read returned: a cursor that is none of ours becomes HD_ERR_INVALID. */
int hd_call_list_failed(struct hd_call *call, int code, struct hd_error *err);

/* ---- writing ---- */

/* A writer on call->text, which begins empty. */
struct hd_json_writer hd_call_write(struct hd_call *call);
/* What was written, in the arena. */
int hd_call_text(struct hd_call *call, const char **ret_text, size_t *ret_len, struct hd_error *err);
/* It is the answer, as application/json. */
int hd_call_answer(struct hd_call *call, int status, struct hd_error *err);
/* {"items":[ … ],"nextCursor":…} */
struct hd_json_writer hd_call_write_list(struct hd_call *call);
int hd_call_answer_list(struct hd_call *call, struct hd_json_writer *w, const char *next_cursor, struct hd_error *err);
/* The headers of a new thing: Location is the path with the id behind it, ETag its version. */
int hd_call_locate(struct hd_call *call, const char *path, const char *id, struct hd_error *err);
int hd_call_etag(struct hd_call *call, int64_t version, struct hd_error *err);

/* A page of notifications (messages.c). */
int hd_answer_notifications(struct hd_call *call, const struct hd_notification_filter *filter, const struct hd_page *page,
                            struct hd_error *err);
