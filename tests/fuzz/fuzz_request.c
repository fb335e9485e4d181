/* Any request gets an answer with a status, and only a success changes something.
 *
 * The input: one byte for the role (high: no token), then a line each of method, path, query and headers ("name: value"), an empty line, and the body. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fuzzers link the floors alone. */
#include "tests/support/memory.c"

#include "base/json.h"
#include "producer/jwt.h"
#include "producer/producer.h"

enum { ARENA_LIMIT_BYTES = 32 * 1024 * 1024 };

static const int64_t now_ms = 1790000000000;
static const struct hd_jwt_key key = {.secret = "a secret of at least thirty-two bytes", .issuer = "helpdesk", .audience = "helpdesk"};
static struct hd_producer *producer;
static struct hd_event_schemas *schemas;
static struct hd_arena *arena;
static char tokens[HD_ROLE_COUNT][512];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_ok(int r, const struct hd_error *err) {
    if (r < 0) {
        fprintf(stderr, "%s\n", err->detail);
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    struct hd_error err = {.detail = ""};
    hd_json_init();
    const struct hd_producer_options options = {
        .jwt_secret = key.secret, .jwt_issuer = key.issuer, .jwt_audience = key.audience, .demo = true};
    expect_ok(hd_producer_new(&options, &producer, &err), &err);
    expect_ok(hd_event_schemas_load(&schemas, &err), &err);
    arena = hd_arena_new(ARENA_LIMIT_BYTES);
    for (int role = 0; role < HD_ROLE_COUNT; role++) {
        const struct hd_claims claims = {.subject = "u-10", .role = (enum hd_role)role, .expires_at_s = now_ms / 1000 + 60};
        const char *token;
        expect_ok(hd_jwt_sign(&key, &claims, now_ms, arena, &token, &err), &err);
        snprintf(tokens[role], sizeof(tokens[role]), "Bearer %s", token);
    }
    return 0;
}

static void fill(const struct hd_random *random, void *bytes, size_t count) {
    static uint8_t next;
    (void)random;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = next++;
}

/* The line at *at, NUL-terminated in place; a NUL inside ends it, too. */
static char *take_line(char **at, char *end) {
    char *line = *at, *newline = memchr(line, '\n', (size_t)(end - line));
    *at = newline ? newline + 1 : end;
    if (newline)
        *newline = '\0';
    return line;
}

static void add_header(struct hd_request *request, struct hd_header *headers, const char *name, const char *value) {
    headers[request->header_count++] = (struct hd_header){.name = name, .value = value};
}

static void read_request(uint8_t role, char *at, char *end, struct hd_header *headers, struct hd_request *ret_request) {
    *ret_request = (struct hd_request){.headers = headers, .private_listener = role & 0x40};
    ret_request->method = take_line(&at, end);
    ret_request->path = take_line(&at, end);
    ret_request->query = take_line(&at, end);
    if (!(role & 0x80)) {
        add_header(ret_request, headers, "Authorization", tokens[role % HD_ROLE_COUNT]);
        add_header(ret_request, headers, "Content-Type", "application/json");
    }
    while (at < end && ret_request->header_count < HD_HTTP_HEADERS_MAX) {
        char *line = take_line(&at, end), *colon = strchr(line, ':');
        if (*line == '\0')
            break;
        if (colon)
            *colon = '\0';
        add_header(ret_request, headers, line, colon ? colon + 1 + (colon[1] == ' ') : "");
    }
    ret_request->body = at;
    ret_request->body_bytes = (size_t)(end - at);
}

static void check(const struct hd_response *response, const struct hd_changeset *changes) {
    json_t *json;
    bool is_json = response->header_count > 0 && strstr(response->headers[0].value, "json") != NULL;
    bool good = response->status >= 200 && response->status < 600 && response->body && (changes->count == 0 || response->status < 300) &&
                response->correlation_id && response->traceparent;
    if (good && response->status >= 400)
        good = is_json && hd_json_parse(arena, response->body, response->body_bytes, 0, &json, NULL) == 0;
    for (size_t i = 0; i < response->header_count; i++)
        good = good && !strpbrk(response->headers[i].value, "\r\n");
    if (!good) {
        fprintf(stderr, "%d, %zu changes: %s\n", response->status, changes->count, response->body);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct hd_random random = {.fill = fill};
    if (size < 1)
        return 0;
    struct hd_memory *memory = hd_memory_new();
    struct hd_context ctx = {.store = hd_memory_store(memory), .now_ms = now_ms, .random = &random, .schemas = schemas};
    char *text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct hd_header headers[HD_HTTP_HEADERS_MAX];
    struct hd_request request;
    read_request(data[0], text, text + size - 1, headers, &request);
    for (int attempt = 1; attempt <= 2; attempt++) { /* twice: the second finds what the first has made */
        hd_arena_reset(arena);
        struct hd_changeset changes = hd_changeset(arena);
        struct hd_response response;
        hd_producer_decide(producer, &ctx, &request, arena, attempt, &changes, &response);
        check(&response, &changes);
        const struct hd_changeset *sets[] = {&changes};
        struct hd_commit_result result;
        if (changes.count > 0)
            expect_ok(ctx.store->ops->commit(ctx.store, sets, 1, &result, NULL), &(struct hd_error){.detail = "commit"});
    }
    ctx.store->ops->close(ctx.store);
    hd_memory_free(memory);
    free(text);
    return 0;
}
