/* The HTTP API: one table of routes (routes.h), each with who may call it, the schema of its body, and the use case that decides.
 *
 * A host calls hd_producer_decide for each request. The answer is sent at once when the changeset is empty; else the host commits it first, and on
 *   0                  sends the answer (durable before yes),
 *   HD_ERR_CONFLICT    asks again with attempt + 1 and fresh memory, at most HD_DECISIONS_MAX times (the last try answers 409 itself),
 *   any other code     sends hd_producer_failure instead.
 * Decisions read through ctx->store and touch nothing else. A struct hd_producer is immutable and thread-safe. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "core/changeset.h"
#include "core/processor.h"
#include "core/ticket.h"
#include "producer/http.h"

struct hd_producer;

/* What the host knows at the moment; asked for each request that adds work. */
struct hd_host_state {
    void *self;
    /* Any of them may be NULL: always ready, never overloaded, nothing to refresh. Thread-safe. */
    bool (*ready)(void *self, struct hd_error *err);            /* false: err says what is missing */
    bool (*overloaded)(void *self, int64_t *ret_retry_after_s); /* the queues are at their limit */
    void (*refresh_metrics)(void *self);                        /* sets gauges before /metrics prints */
};

struct hd_producer_options {
    const char *jwt_secret;   /* HS256; at least HD_JWT_SECRET_MIN_BYTES */
    const char *jwt_issuer;   /* "helpdesk" */
    const char *jwt_audience; /* "helpdesk" */
    bool demo;                /* POST /auth/demo exists */
    struct hd_host_state host;
};

enum {
    HD_IDEMPOTENCY_KEY_MAX_LEN = 255,
    HD_BATCH_MAX = 100, /* events of one POST /events */
    HD_REDRIVE_MAX =
        30, /* dead letters of one POST /dead-letters/redrive: with three changes and a message each, as many as every store keeps whole */
    HD_REDRIVE_MAX_BYTES = 1024 * 1024, /* of the messages that they put back, beyond which no further letter is taken; likewise */
    HD_PAGE_DEFAULT = 50,
    HD_RETRY_AFTER_DEFAULT_S = 2,
    HD_DEMO_SESSION_S = 12 * 3600,
    HD_UNREAD_MAX = 1000, /* GET /inbox counts no further */
};

/* Compiles the schemas of the request bodies from the embedded OpenAPI document. HD_ERR_CONFIGURATION names what is bad. Strings of options are not copied. */
int hd_producer_new(const struct hd_producer_options *options, struct hd_producer **ret_producer, struct hd_error *err) HD_MUST_CHECK;
void hd_producer_free(struct hd_producer *producer); /* takes NULL */

/* Whom POST /auth/demo signs in, for each of its roles (the host adds them with --demo): "ana", "bruno", "carla". NULL for a role that it has not. */
const char *hd_demo_user_id(enum hd_role role);

/* Decides. Always fills *ret_response (an error is an answer, too); changes, which is empty when it is called, stays empty when nothing is to be done. attempt counts from 1. */
void hd_producer_decide(const struct hd_producer *producer, const struct hd_context *ctx, const struct hd_request *request,
                        struct hd_arena *arena, int attempt, struct hd_changeset *changes, struct hd_response *ret_response);

/* The answer to a request whose commit failed, or that the host refuses before it is whole (too large, …). Never fails: with no memory left it is a fixed text. */
void hd_producer_failure(const struct hd_producer *producer, const struct hd_request *request, struct hd_arena *arena,
                         const struct hd_error *err, struct hd_response *ret_response);

/* Whether it is answered without a look at the store: health, metrics, the page, and what there is no route for. */
bool hd_producer_answers_at_once(const struct hd_producer *producer, const struct hd_request *request);

/* The name of the route for metrics ("createTicket"), "" for none. Static. The same as the response's operation. */
const char *hd_producer_operation(const struct hd_producer *producer, const struct hd_request *request);
