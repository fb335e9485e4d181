/* The low-level SHA-256 calls: see base/id.c. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "producer/idempotency.h"

#include <openssl/sha.h>
#include <string.h>

static bool acceptable(const char *key) {
    size_t len = 0;
    for (; key[len]; len++) {
        if (len >= HD_IDEMPOTENCY_KEY_MAX_LEN || key[len] < '!' || key[len] > '~')
            return false;
    }
    return len > 0;
}

static const char *hex(struct hd_arena *arena, const uint8_t digest[SHA256_DIGEST_LENGTH]) {
    static const char digits[] = "0123456789abcdef";
    char *text = hd_arena_alloc(arena, 2 * SHA256_DIGEST_LENGTH + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[2 * SHA256_DIGEST_LENGTH] = '\0';
    return text;
}

/* With their NULs between them, which none of them can have inside. */
static const char *hash_key(struct hd_call *call, const char *key) {
    const char *const parts[] = {call->caller.subject, call->request->method, call->request->path, key};
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    SHA256_Init(&context); /* these cannot fail */
    for (size_t i = 0; i < HD_ARRAY_LEN(parts); i++)
        SHA256_Update(&context, parts[i], strlen(parts[i]) + 1);
    SHA256_Final(digest, &context);
    return hex(call->arena, digest);
}

static const char *hash_body(struct hd_call *call) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, call->request->body, call->request->body_bytes);
    SHA256_Final(digest, &context);
    return hex(call->arena, digest);
}

static void replay(struct hd_response *response, const struct hd_answer *answer) {
    response->status = answer->http_status;
    response->body = answer->body ? answer->body : "";
    response->body_bytes = strlen(response->body);
    hd_response_header(response, "Content-Type", "application/json");
    if (answer->location)
        hd_response_header(response, "Location", answer->location);
    if (answer->etag)
        hd_response_header(response, "ETag", answer->etag);
    hd_response_header(response, "Idempotent-Replayed", "true");
}

int hd_idempotency_begin(struct hd_call *call, struct hd_idempotency *ret, bool *ret_replayed, struct hd_error *err) {
    *ret = (struct hd_idempotency){0};
    *ret_replayed = false;
    bool takes_key = call->caller.subject && strcmp(call->route->method, "POST") == 0;
    const char *header = takes_key ? hd_request_header(call->request, "Idempotency-Key") : NULL;
    if (!header)
        return 0;
    if (!acceptable(header))
        return hd_error_set(err, HD_ERR_MALFORMED, "Idempotency-Key must be 1 to %d visible ASCII characters.", HD_IDEMPOTENCY_KEY_MAX_LEN);
    struct hd_idempotency found = {.key = hash_key(call, header), .body_hash = hash_body(call)};
    if (!found.key || !found.body_hash)
        return hd_call_no_memory(err);
    const struct hd_answer *answer = NULL;
    int r = call->ctx->store->ops->answer(call->ctx->store, call->arena, found.key, &answer, err);
    if (r < 0)
        return r;
    if (answer && strcmp(answer->body_hash, found.body_hash) != 0)
        return hd_error_set(err, HD_ERR_KEY_REUSED, "This Idempotency-Key came with another body before.");
    if (answer) {
        replay(call->response, answer);
        *ret_replayed = true;
    }
    *ret = found;
    return 0;
}

static const char *header_of(const struct hd_response *response, const char *name) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    }
    return NULL;
}

int hd_idempotency_remember(struct hd_call *call, const struct hd_idempotency *idempotency, struct hd_error *err) {
    const struct hd_response *response = call->response;
    if (!idempotency->key || response->status >= 300)
        return 0;
    const struct hd_answer answer = {
        .key = idempotency->key,
        .body_hash = idempotency->body_hash,
        .http_status = response->status,
        .location = header_of(response, "Location"),
        .etag = header_of(response, "ETag"),
        .body = response->body,
        .created_at_ms = call->ctx->now_ms,
    };
    hd_remember_answer(call->changes, &answer);
    return hd_changeset_check(call->changes, err);
}
