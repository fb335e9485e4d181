#include "app/local_host.h"

#include <stdlib.h>
#include <string.h>

#include "host/request.h"

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
        r = hd_runtime_probe(host->runtime, err);
    if (!r)
        r = hd_runtime_store(host->runtime, &host->store, err);
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
    struct hd_context ctx = hd_runtime_context(host->runtime, host->store);
    hd_request_answer(host->producer, &ctx, &hd_system_clock, &request, host->arena, NULL, NULL, ret_response);
    if (!ret_response->error)
        return 0;
    *err = *ret_response->error; /* what the answer does not tell others, the operator at the command wants to know */
    return err->code;
}
