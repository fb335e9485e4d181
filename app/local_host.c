#include "app/local_host.h"

#include <stdlib.h>
#include <string.h>

struct local_host {
    struct runtime *runtime;
    struct hd_store *store;
    struct hd_producer *producer;
    struct hd_arena *session; /* the token */
    struct hd_arena *arena;
    const char *authorization;
};

static bool always_ready(void *self, struct hd_error *err) {
    (void)self;
    (void)err;
    return true;
}

static bool never_overloaded(void *self, int64_t *ret_retry_after_s) {
    (void)self;
    *ret_retry_after_s = 0;
    return false;
}

static void no_metrics(void *self) {
    (void)self;
}

static int sign_in(struct local_host *host, const char *user, enum hd_role role, struct hd_error *err) {
    int64_t now_ms = hd_system_clock.now_ms(&hd_system_clock);
    struct hd_jwt_key key = hd_runtime_key(host->runtime);
    struct hd_claims claims = {.subject = user, .role = role, .expires_at_s = now_ms / 1000 + 3600};
    const char *token = NULL;
    int r = hd_jwt_sign(&key, &claims, now_ms, host->session, &token, err);
    if (r)
        return r;
    host->authorization = hd_arena_printf(host->session, "Bearer %s", token);
    return host->authorization ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a token");
}

int hd_local_host_open(const struct hd_settings *settings, const char *user, enum hd_role role, struct local_host **ret_host,
                       struct hd_error *err) {
    struct local_host *host = calloc(1, sizeof *host);
    if (host)
        host->session = hd_arena_new(64 * 1024);
    if (host)
        host->arena = hd_arena_new((size_t)64 * 1024 * 1024);
    int r = host && host->session && host->arena ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory");
    if (!r)
        r = hd_runtime_open(settings, RUNTIME_SECRET | RUNTIME_STORE | RUNTIME_MESSAGES | RUNTIME_EXISTING, &host->runtime, err);
    if (!r)
        r = hd_sqlite_store(host->runtime->database, &host->store, err);
    if (!r) {
        struct hd_producer_options options = {
            .jwt_secret = host->runtime->jwt_secret,
            .jwt_issuer = settings->jwt_issuer,
            .jwt_audience = settings->jwt_audience,
            .host = {.ready = always_ready, .overloaded = never_overloaded, .refresh_metrics = no_metrics},
        };
        r = hd_producer_new(&options, &host->producer, err);
    }
    if (!r)
        r = sign_in(host, user, role, err);
    if (r) {
        hd_local_host_close(host);
        return r;
    }
    *ret_host = host;
    return 0;
}

void hd_local_host_close(struct local_host *host) {
    if (!host)
        return;
    hd_producer_free(host->producer);
    if (host->store)
        host->store->ops->close(host->store);
    hd_runtime_close(host->runtime);
    hd_arena_free(host->arena);
    hd_arena_free(host->session);
    free(host);
}

int hd_local_host_request(struct local_host *host, const char *method, const char *path, const char *query, const char *body,
                          size_t body_bytes, struct hd_response *ret_response, struct hd_error *err) {
    const struct hd_header headers[] = {{"Authorization", host->authorization}, {"Content-Type", "application/json"}};
    struct hd_request request = {
        .method = method,
        .path = path,
        .query = query,
        .headers = headers,
        .header_count = body ? 2 : 1,
        .body = body ? body : "",
        .body_bytes = body ? body_bytes : 0,
    };
    for (int attempt = 1;; attempt++) {
        hd_arena_reset(host->arena);
        struct hd_context ctx = hd_runtime_context(host->runtime, host->store);
        struct hd_changeset changes = hd_changeset(host->arena);
        struct hd_commit_result result = {0};
        struct hd_response response = {0};
        hd_producer_decide(host->producer, &ctx, &request, host->arena, attempt, &changes, &response);
        int r = hd_changeset_check(&changes, err);
        if (!r && changes.count > 0)
            r = host->store->ops->commit(host->store, (const struct hd_changeset *const[]){&changes}, 1, &result, err);
        if (r)
            return r;
        if (result.code == HD_ERR_CONFLICT)
            continue; /* decided again; the last attempt answers 409 itself */
        *ret_response = response;
        return 0;
    }
}
