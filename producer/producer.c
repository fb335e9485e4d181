#include "producer/producer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assets.h"
#include "base/id.h"
#include "base/trace.h"
#include "producer/call.h"
#include "producer/idempotency.h"
#include "producer/problem.h"
#include "producer/routes.h"

/* ---- the schemas of the bodies ---- */

/* "/paths/~1tickets~1{id}/post/requestBody/content/application~1json/schema" */
static void schema_pointer(const struct hd_route *route, char *out, size_t out_bytes) {
    size_t at = (size_t)snprintf(out, out_bytes, "/paths/");
    for (const char *c = route->path; *c; c++)
        at += (size_t)snprintf(out + at, out_bytes - at, *c == '/' ? "~1" : "%c", *c);
    out[at++] = '/';
    for (const char *c = route->method; *c; c++)
        out[at++] = (char)(*c | 0x20);
    snprintf(out + at, out_bytes - at, "/requestBody/content/application~1json/schema");
}

static int compile_schemas(struct hd_producer *producer, struct hd_error *err) {
    const struct hd_asset *openapi = hd_asset_find("schemas/openapi.json");
    if (!openapi)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "schemas/openapi.json is missing");
    int r = hd_json_load((const char *)openapi->data, openapi->size_bytes, HD_JSON_ANY_DEPTH, &producer->openapi, err);
    if (r < 0)
        return r;
    const struct hd_schema_options options = {.check_formats = true};
    for (size_t i = 0; i < hd_route_count; i++) {
        if (hd_routes[i].body != HD_BODY_JSON)
            continue;
        char pointer[256];
        schema_pointer(&hd_routes[i], pointer, sizeof(pointer));
        r = hd_schema_compile(producer->openapi, pointer, &options, &producer->schemas[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_options(const struct hd_producer_options *options, struct hd_error *err) {
    if (!options->jwt_secret || strlen(options->jwt_secret) < HD_JWT_SECRET_MIN_BYTES)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "the secret of the tokens must have at least %d bytes", HD_JWT_SECRET_MIN_BYTES);
    if (!options->jwt_issuer || !options->jwt_audience)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "the tokens' issuer and audience must be set");
    return 0;
}

int hd_producer_new(const struct hd_producer_options *options, struct hd_producer **ret_producer, struct hd_error *err) {
    struct hd_error unwanted;
    err = err ? err : &unwanted;
    int r = check_options(options, err);
    if (r < 0)
        return r;
    struct hd_producer *producer = calloc(1, sizeof(*producer));
    if (!producer)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the API");
    producer->options = *options;
    producer->key = (struct hd_jwt_key){.secret = options->jwt_secret, .issuer = options->jwt_issuer, .audience = options->jwt_audience};
    r = compile_schemas(producer, err);
    if (r < 0) {
        hd_producer_free(producer);
        if (r != HD_ERR_NO_MEMORY)
            err->code = HD_ERR_CONFIGURATION;
        hd_error_context(err, "schemas/openapi.yaml");
        return err->code;
    }
    *ret_producer = producer;
    return 0;
}

void hd_producer_free(struct hd_producer *producer) {
    if (!producer)
        return;
    for (size_t i = 0; i < HD_ROUTES_MAX; i++)
        hd_schema_free(producer->schemas[i]);
    json_decref(producer->openapi);
    free(producer);
}

/* ---- one request, step by step ---- */

/* What came in, if it can be taken, or new; the span is always ours. */
static int begin_trace(struct hd_call *call, const struct hd_random *random, int64_t now_ms, struct hd_error *err) {
    if (call->request->correlation_id && call->request->traceparent) {
        call->correlation_id = call->request->correlation_id;
        call->traceparent = call->request->traceparent;
        return 0;
    }
    uint8_t bytes[24 + 10];
    random->fill(random, bytes, sizeof(bytes));
    char *traceparent = hd_arena_alloc(call->arena, HD_TRACEPARENT_LEN + 1);
    if (!traceparent)
        return hd_call_no_memory(err);
    hd_traceparent_child(hd_request_header(call->request, "traceparent"), bytes, traceparent);
    call->traceparent = traceparent;

    const char *correlation_id = hd_request_header(call->request, "X-Correlation-Id");
    if (correlation_id && hd_correlation_acceptable(correlation_id)) {
        call->correlation_id = correlation_id;
        return 0;
    }
    struct hd_id id = hd_id_v7(now_ms, bytes + 24);
    call->correlation_id = hd_arena_strndup(call->arena, id.text, HD_ID_TEXT_LEN);
    return call->correlation_id ? 0 : hd_call_no_memory(err);
}

/* A host cuts earlier; not every host does. */
static int check_size(const struct hd_request *request, struct hd_error *err) {
    size_t bytes = 0;
    if (request->header_count > HD_HTTP_HEADERS_MAX)
        return hd_error_set(err, HD_ERR_HEADERS_TOO_LARGE, "More than %d headers.", HD_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < request->header_count; i++)
        bytes += strlen(request->headers[i].name) + strlen(request->headers[i].value);
    if (bytes > HD_HTTP_HEADERS_MAX_BYTES)
        return hd_error_set(err, HD_ERR_HEADERS_TOO_LARGE, "The headers have more than %d bytes.", HD_HTTP_HEADERS_MAX_BYTES);
    if (strlen(request->path) + strlen(request->query) > HD_HTTP_URL_MAX_BYTES)
        return hd_error_set(err, HD_ERR_HEADERS_TOO_LARGE, "The URL has more than %d bytes.", HD_HTTP_URL_MAX_BYTES);
    if (request->body_bytes > HD_HTTP_BODY_MAX_BYTES)
        return hd_error_set(err, HD_ERR_TOO_LARGE, "The body has more than %d bytes.", HD_HTTP_BODY_MAX_BYTES);
    return 0;
}

static int find_route(struct hd_call *call, struct hd_route_match *ret_match, struct hd_error *err) {
    struct hd_route_match match = hd_route_find(call->request->method, call->request->path);
    if (!match.first)
        return hd_error_set(err, HD_ERR_NOT_FOUND, "There is no such path.");
    if (!match.route) {
        char methods[64];
        hd_route_methods(match.first, methods, sizeof(methods));
        call->allow = hd_arena_strdup(call->arena, methods);
        return hd_error_set(err, HD_ERR_METHOD, "This path has %s only.", methods);
    }
    call->route = match.route;
    call->response->operation = match.route->operation;
    *ret_match = match;
    return 0;
}

/* The token's claims, or those that the host has verified. */
static int identify(struct hd_call *call, struct hd_error *err) {
    static const char scheme[] = "Bearer ";
    if (call->request->identity) {
        call->caller = *call->request->identity;
        return 0;
    }
    const char *header = hd_request_header(call->request, "Authorization");
    if (!header)
        return hd_error_set(err, HD_ERR_UNAUTHENTICATED, "Send a token: Authorization: Bearer …");
    if (strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return hd_error_set(err, HD_ERR_UNAUTHENTICATED, "Authorization must be a bearer token.");
    const char *token = header + sizeof(scheme) - 1;
    token += strspn(token, " ");
    return hd_jwt_check(&call->producer->key, token, strlen(token), call->ctx->now_ms, call->arena, &call->caller, err);
}

static int authenticate(struct hd_call *call, struct hd_error *err) {
    assert(call->route); /* find_route went before */
    bool is_public = call->route->roles == 0 || (call->request->private_listener && call->route->decide == hd_show_metrics);
    if (is_public)
        return 0;
    int r = identify(call, err);
    if (r < 0)
        return r;
    if (!(call->route->roles & 1u << call->caller.role))
        return hd_error_set(err, HD_ERR_FORBIDDEN, "The role %s may not do that.", hd_role_name(call->caller.role));
    return 0;
}

static int decode_id(struct hd_call *call, const struct hd_route_match *match, struct hd_error *err) {
    if (!match->rest)
        return 0;
    int r = hd_percent_decode(call->arena, match->rest, match->rest_len, false, &call->id, err);
    if (r < 0)
        return r;
    bool is_page = call->route->decide == hd_get_page;
    return is_page || hd_id_acceptable(call->id) ? 0 : hd_error_set(err, HD_ERR_NOT_FOUND, "There is nothing with such an id.");
}

static int check_load(struct hd_call *call, struct hd_error *err) {
    const struct hd_host_state *host = &call->producer->options.host;
    if (!call->route->adds_work || !host->overloaded || !host->overloaded(host->self, &call->retry_after_s))
        return 0;
    return hd_error_set(err, HD_ERR_OVERLOADED, "Too much is waiting to be processed. Try again later.");
}

static bool is_json(const char *content_type) {
    static const char json[] = "application/json";
    if (!content_type || strncasecmp(content_type, json, sizeof(json) - 1) != 0)
        return false;
    const char *after = content_type + sizeof(json) - 1;
    after += strspn(after, " \t");
    return *after == '\0' || *after == ';';
}

static int read_body(struct hd_call *call, struct hd_error *err) {
    if (call->route->body == HD_BODY_NONE)
        return 0;
    const struct hd_request *request = call->request;
    if (request->body_bytes == 0)
        return hd_error_set(err, HD_ERR_MALFORMED, "The request has no body.");
    if (!is_json(hd_request_header(request, "Content-Type")))
        return hd_error_set(err, HD_ERR_MEDIA_TYPE, "The body must be application/json.");
    json_t *body = NULL;
    int r = hd_json_parse(call->arena, request->body, request->body_bytes, 0, &body, err);
    if (r == HD_ERR_NO_MEMORY && hd_arena_was_full(call->arena))
        return hd_error_set(err, HD_ERR_TOO_LARGE, "The body holds more values than a request may.");
    if (r < 0)
        return r;
    r = hd_schema_validate(call->producer->schemas[call->route - hd_routes], call->arena, body, call->problems, err);
    if (r < 0)
        return r;
    call->body = body;
    return 0;
}

static int answer_request(struct hd_call *call, struct hd_error *err) {
    struct hd_route_match match = {0};
    int r = check_size(call->request, err);
    if (!r)
        r = find_route(call, &match, err);
    if (!r)
        r = authenticate(call, err);
    if (!r)
        r = decode_id(call, &match, err);
    if (!r)
        r = hd_call_check_query(call, err);
    if (r < 0)
        return r;

    struct hd_idempotency idempotency;
    bool replayed;
    r = hd_idempotency_begin(call, &idempotency, &replayed, err);
    if (r < 0 || replayed)
        return r;
    r = check_load(call, err);
    if (!r)
        r = read_body(call, err);
    if (!r)
        r = call->route->decide(call, err);
    if (!r)
        r = hd_changeset_check(call->changes, err);
    if (!r)
        r = hd_idempotency_remember(call, &idempotency, err);
    if (!r && call->attempt >= HD_DECISIONS_MAX && call->changes->count > 0)
        r = hd_error_set(err, HD_ERR_CONFLICT, "It was changed by others at the same time, too often. Try again.");
    return r;
}

void hd_producer_decide(const struct hd_producer *producer, const struct hd_context *ctx, const struct hd_request *request,
                        struct hd_arena *arena, int attempt, struct hd_changeset *changes, struct hd_response *ret_response) {
    assert(changes->count == 0 && attempt >= 1);
    struct hd_schema_problems problems;
    problems.count = 0; /* and nothing else: it is large */
    struct hd_call call = {.producer = producer,
                           .ctx = ctx,
                           .request = request,
                           .arena = arena,
                           .attempt = attempt,
                           .changes = changes,
                           .response = ret_response,
                           .problems = &problems};
    *ret_response = (struct hd_response){.body = "", .operation = "", .omit_body = strcmp(request->method, "HEAD") == 0};
    struct hd_error err;
    int r = begin_trace(&call, ctx->random, ctx->now_ms, &err);
    if (!r)
        r = answer_request(&call, &err);
    if (r < 0) {
        changes->count = 0;
        changes->failure = HD_OK;
        hd_problem(&call, &err);
    } else {
        hd_problem_trace_headers(&call);
    }
    hd_buffer_free(&call.text);
}

/* Not a decision: it may look at the clock. */
void hd_producer_failure(const struct hd_producer *producer, const struct hd_request *request, struct hd_arena *arena,
                         const struct hd_error *err, struct hd_response *ret_response) {
    struct hd_call call = {.producer = producer, .request = request, .arena = arena, .response = ret_response};
    *ret_response = (struct hd_response){
        .body = "", .operation = hd_producer_operation(producer, request), .omit_body = strcmp(request->method, "HEAD") == 0};
    (void)begin_trace(&call, &hd_system_random, hd_system_clock.now_ms(&hd_system_clock), NULL); /* without memory it has none */
    hd_problem(&call, err);
    hd_buffer_free(&call.text);
}

const char *hd_producer_operation(const struct hd_producer *producer, const struct hd_request *request) {
    (void)producer;
    struct hd_route_match match = hd_route_find(request->method, request->path);
    return match.route ? match.route->operation : "";
}

bool hd_producer_answers_at_once(const struct hd_producer *producer, const struct hd_request *request) {
    (void)producer;
    struct hd_route_match match = hd_route_find(request->method, request->path);
    return !match.route || match.route->at_once;
}
