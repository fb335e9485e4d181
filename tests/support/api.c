#include "tests/support/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assets.h"
#include "base/schema.h"
#include "producer/routes.h"

const struct hd_jwt_key hd_api_key = {.secret = "a secret of at least thirty-two bytes", .issuer = "helpdesk", .audience = "helpdesk"};
static const int64_t start_ms = 1790000000000;

/* splitmix64: the same in every run. */
static void fill(const struct hd_random *random, void *bytes, size_t count) {
    struct hd_api *api = (struct hd_api *)((char *)(uintptr_t)random - offsetof(struct hd_api, random));
    uint8_t *out = bytes;
    for (size_t i = 0; i < count; i++) {
        uint64_t z = (api->random_state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        out[i] = (uint8_t)(z >> 40);
    }
}

static bool is_overloaded(void *self, int64_t *ret_retry_after_s) {
    struct hd_api *api = self;
    *ret_retry_after_s = 7;
    return api->overloaded;
}

static bool is_ready(void *self, struct hd_error *err) {
    struct hd_api *api = self;
    if (api->not_ready)
        hd_error_set(err, HD_ERR_NO_SPACE, "/secret/path is full");
    return !api->not_ready;
}

struct hd_api *hd_api_new(bool demo) {
    struct hd_error err;
    hd_json_init();
    struct hd_api *api = calloc(1, sizeof(*api));
    assert_non_null(api);
    api->memory = hd_memory_new();
    api->arena = hd_arena_new(HD_API_ARENA_BYTES);
    api->decisions = hd_arena_new(HD_API_ARENA_BYTES);
    assert_true(api->memory && api->arena && api->decisions);
    api->random.fill = fill;
    const struct hd_asset *openapi = hd_asset_find("schemas/openapi.json");
    assert_non_null(openapi);
    assert_int_equal(hd_json_load((const char *)openapi->data, openapi->size_bytes, HD_JSON_ANY_DEPTH, &api->openapi, NULL), 0);
    const struct hd_producer_options options = {
        .jwt_secret = hd_api_key.secret,
        .jwt_issuer = hd_api_key.issuer,
        .jwt_audience = hd_api_key.audience,
        .demo = demo,
        .host = {.self = api, .ready = is_ready, .overloaded = is_overloaded},
    };
    if (hd_producer_new(&options, &api->producer, &err) < 0 || hd_event_schemas_load(&api->schemas, &err) < 0)
        fail_msg("%s", err.detail);
    api->ctx =
        (struct hd_context){.store = hd_memory_store(api->memory), .now_ms = start_ms, .random = &api->random, .schemas = api->schemas};
    assert_non_null(api->ctx.store);
    return api;
}

void hd_api_free(struct hd_api *api) {
    api->ctx.store->ops->close(api->ctx.store);
    hd_memory_free(api->memory);
    hd_event_schemas_free(api->schemas);
    hd_producer_free(api->producer);
    json_decref(api->openapi);
    hd_arena_free(api->arena);
    hd_arena_free(api->decisions);
    free(api);
}

/* ---- asking ---- */

static void add_header(struct hd_api *api, struct hd_request *request, const char *name, const char *value) {
    struct hd_header *headers = hd_arena_alloc(api->arena, (request->header_count + 1) * sizeof(*headers));
    assert_non_null(headers);
    if (request->header_count > 0)
        memcpy(headers, request->headers, request->header_count * sizeof(*headers));
    headers[request->header_count++] = (struct hd_header){.name = name, .value = value};
    request->headers = headers;
}

static struct hd_request make_request(struct hd_api *api, const struct hd_api_request *from) {
    struct hd_request request = {
        .method = from->method ? from->method
                  : from->body ? "POST"
                               : "GET",
        .path = from->path,
        .query = from->query ? from->query : "",
        .body = from->body ? from->body : "",
        .body_bytes = from->body_bytes ? from->body_bytes
                      : from->body     ? strlen(from->body)
                                       : 0,
        .identity = from->identity,
        .private_listener = from->private_listener,
    };
    const char *content_type = from->content_type ? from->content_type : from->body ? "application/json" : "";
    if (content_type[0])
        add_header(api, &request, "content-type", content_type);
    if (from->token)
        add_header(api, &request, "authorization", hd_api_printf(api, "Bearer %s", from->token));
    for (size_t i = 0; i < HD_ARRAY_LEN(from->headers) && from->headers[i].name; i++)
        add_header(api, &request, from->headers[i].name, from->headers[i].value);
    return request;
}

static int commit(struct hd_api *api, struct hd_error *err) {
    if (api->before_commit) {
        void (*hook)(struct hd_api *) = api->before_commit;
        api->before_commit = NULL;
        hook(api);
    }
    const struct hd_changeset *sets[] = {&api->changes};
    struct hd_commit_result result = {0};
    int r = api->ctx.store->ops->commit(api->ctx.store, sets, 1, &result, err);
    if (!r && result.code)
        r = hd_error_set(err, result.code, "change %zu", result.change);
    return r;
}

/* The answer outlives its decision. */
static struct hd_response keep(struct hd_api *api, const struct hd_response *response) {
    struct hd_response kept = *response;
    char *body = hd_arena_alloc(api->arena, response->body_bytes + 1);
    assert_non_null(body);
    memcpy(body, response->body, response->body_bytes);
    body[response->body_bytes] = '\0';
    kept.body = body;
    for (size_t i = 0; i < kept.header_count; i++) {
        kept.headers[i].value = hd_arena_strdup(api->arena, response->headers[i].value);
        assert_non_null(kept.headers[i].value);
    }
    return kept;
}

static struct hd_response run(struct hd_api *api, const struct hd_request *request) {
    struct hd_response response;
    struct hd_error err;
    for (api->attempts = 1; api->attempts <= HD_DECISIONS_MAX; api->attempts++) {
        hd_arena_reset(api->decisions);
        api->changes = hd_changeset(api->decisions);
        memset(&response, 0xa5, sizeof(response)); /* a host need not clear it */
        hd_producer_decide(api->producer, &api->ctx, request, api->decisions, api->attempts, &api->changes, &response);
        if (api->changes.count == 0)
            return keep(api, &response);
        int r = commit(api, &err);
        if (r == 0)
            return keep(api, &response);
        if (r != HD_ERR_CONFLICT)
            break;
    }
    api->changes.count = 0;
    hd_producer_failure(api->producer, request, api->decisions, &err, &response);
    return keep(api, &response);
}

/* ---- the answer against its description ---- */

/* "/paths/~1tickets/post/responses/201", or where its $ref leads; NULL when it is not described. */
static const char *described_at(struct hd_api *api, const struct hd_route *route, int status) {
    char method[16], code[16], path[256], *at = path;
    snprintf(method, sizeof(method), "%s", route->method);
    for (char *c = method; *c; c++)
        *c = (char)(*c | 0x20);
    snprintf(code, sizeof(code), "%d", status);
    for (const char *c = route->path; *c; c++)
        at += sprintf(at, *c == '/' ? "~1" : "%c", *c);
    const json_t *operation = json_object_get(json_object_get(json_object_get(api->openapi, "paths"), route->path), method);
    const json_t *response = json_object_get(json_object_get(operation, "responses"), code);
    if (!response)
        return NULL;
    const char *ref = hd_json_str(response, "$ref");
    return ref ? ref + 1 : hd_api_printf(api, "/paths/%s/%s/responses/%s", path, method, code);
}

static void check_described(struct hd_api *api, const struct hd_request *request, const struct hd_api_answer *answer) {
    const struct hd_route *route = hd_route_find(request->method, request->path).route;
    const char *at = route ? described_at(api, route, answer->status) : NULL;
    if (!at) {
        if (route && answer->status < 300)
            fail_msg("%s: %d is not in openapi.yaml", route->operation, answer->status);
        return;
    }
    if (!answer->json)
        return;
    const char *type = answer->status < 400 ? "application~1json" : "application~1problem+json";
    struct hd_schema *schema = NULL;
    struct hd_error err;
    const struct hd_schema_options options = {.check_formats = true};
    if (hd_schema_compile(api->openapi, hd_api_printf(api, "%s/content/%s/schema", at, type), &options, &schema, &err) < 0)
        fail_msg("%s: %s", at, err.detail);
    int r = hd_schema_validate(schema, api->arena, answer->json, NULL, &err);
    hd_schema_free(schema);
    if (r < 0)
        fail_msg("%s %s, %d: \"%s\" %s: %s", request->method, request->path, answer->status, err.pointer, err.detail, answer->body);
}

struct hd_api_answer hd_api_ask(struct hd_api *api, const struct hd_api_request *from) {
    struct hd_request request = make_request(api, from);
    struct hd_api_answer answer = {.response = run(api, &request)};
    answer.status = answer.response.status;
    answer.body = answer.response.body;
    const char *type = hd_api_header(&answer, "Content-Type");
    json_t *json = NULL;
    if (type && strstr(type, "json") && hd_json_parse(api->arena, answer.body, answer.response.body_bytes, 0, &json, NULL) < 0)
        fail_msg("the answer is no JSON: %s", answer.body);
    answer.json = json;
    check_described(api, &request, &answer);
    assert_non_null(hd_api_header(&answer, "X-Correlation-Id"));
    assert_non_null(hd_api_header(&answer, "traceparent"));
    return answer;
}

/* ---- looking ---- */

const char *hd_api_printf(struct hd_api *api, const char *fmt, ...) {
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    assert_true(len >= 0);
    const char *kept = hd_arena_strdup(api->arena, text);
    free(text);
    assert_non_null(kept);
    return kept;
}

const char *hd_api_token(struct hd_api *api, enum hd_role role, const char *user_id) {
    const struct hd_claims claims = {.subject = user_id, .role = role, .expires_at_s = api->ctx.now_ms / 1000 + 3600};
    const char *token;
    assert_int_equal(hd_jwt_sign(&hd_api_key, &claims, api->ctx.now_ms, api->arena, &token, NULL), 0);
    return token;
}

const char *hd_api_header(const struct hd_api_answer *answer, const char *name) {
    for (size_t i = 0; i < answer->response.header_count; i++) {
        if (strcmp(answer->response.headers[i].name, name) == 0)
            return answer->response.headers[i].value;
    }
    return NULL;
}

const json_t *hd_api_at(const struct hd_api_answer *answer, const char *path) {
    const json_t *at = answer->json;
    char names[128];
    snprintf(names, sizeof(names), "%s", path);
    for (char *rest = NULL, *name = strtok_r(names, "/", &rest); at && name; name = strtok_r(NULL, "/", &rest))
        at = json_is_array(at) ? json_array_get(at, (size_t)strtol(name, NULL, 10)) : json_object_get(at, name);
    return at;
}

const char *hd_api_text(const struct hd_api_answer *answer, const char *path) {
    const char *text = json_string_value(hd_api_at(answer, path));
    if (!text)
        fail_msg("there is no text at %s: %s", path, answer->body);
    return text;
}

void hd_api_check_problem(struct hd_api *api, const struct hd_api_answer *answer, int status, const char *type, const char *file,
                          int line) {
    char uri[96];
    snprintf(uri, sizeof(uri), "urn:helpdesk:problem:%s", type);
    const char *got = json_string_value(hd_api_at(answer, "type")), *content_type = hd_api_header(answer, "Content-Type");
    if (answer->status != status || !got || strcmp(got, uri) != 0 || !content_type ||
        strcmp(content_type, "application/problem+json") != 0) {
        print_error("%s:%d: wanted the problem %d %s, got %d: %s\n", file, line, status, type, answer->status, answer->body);
        _fail(file, line);
    }
    _assert_true((uintmax_t)(hd_json_int(answer->json, "status", 0) == status), "its status is the answer's", file, line);
    _assert_true((uintptr_t)hd_json_str(answer->json, "title"), "it has a title", file, line);
    _assert_true((uintptr_t)hd_json_str(answer->json, "detail"), "it has a detail", file, line);
    _assert_string_equal(hd_json_str(answer->json, "correlationId"), hd_api_header(answer, "X-Correlation-Id"), file, line);
    _assert_true(api->changes.count == 0, "nothing was changed", file, line);
}

void hd_api_check_field(const struct hd_api_answer *answer, const char *pointer, const char *keyword, const char *file, int line) {
    const json_t *errors = hd_api_at(answer, "errors");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        if (strcmp(hd_json_str(error, "pointer"), pointer) == 0 && strcmp(hd_json_str(error, "keyword"), keyword) == 0)
            return;
    }
    print_error("%s:%d: no error at \"%s\" by %s: %s\n", file, line, pointer, keyword, answer->body);
    _fail(file, line);
}
