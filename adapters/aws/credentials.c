#include "adapters/aws/credentials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct hd_credentials_chain {
    pthread_mutex_t lock;
    struct hd_credentials *now;
};

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* ---- credentials ---- */

static void wipe(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static bool copy(char **to, const char *from) {
    *to = from && from[0] ? strdup(from) : NULL;
    return *to || !from || !from[0];
}

struct hd_credentials *hd_credentials_new(const char *source, const char *access_key_id, const char *secret_access_key,
                                          const char *session_token, int64_t expires_at_ms) {
    struct hd_credentials *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    atomic_init(&made->references, 1);
    made->source = source;
    made->expires_at_ms = expires_at_ms;
    if (!copy(&made->access_key_id, access_key_id) || !copy(&made->secret_access_key, secret_access_key) ||
        !copy(&made->session_token, session_token)) {
        hd_credentials_unref(made);
        return NULL;
    }
    return made;
}

void hd_credentials_unref(struct hd_credentials *credentials) {
    if (!credentials || atomic_fetch_sub(&credentials->references, 1) > 1)
        return;
    wipe(credentials->access_key_id);
    wipe(credentials->secret_access_key);
    wipe(credentials->session_token);
    free(credentials);
}

void hd_credentials_unrefp(struct hd_credentials **credentials) {
    hd_credentials_unref(*credentials);
}

/* ---- the chain ---- */

int hd_credentials_chain_new(struct hd_credentials_chain **ret_chain, struct hd_error *err) {
    struct hd_credentials_chain *chain = calloc(1, sizeof *chain);
    if (!chain)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for credentials");
    pthread_mutex_init(&chain->lock, NULL);
    *ret_chain = chain;
    return 0;
}

void hd_credentials_chain_free(struct hd_credentials_chain *chain) {
    if (!chain)
        return;
    hd_credentials_unref(chain->now);
    pthread_mutex_destroy(&chain->lock);
    free(chain);
}

static int ask(struct hd_credentials **ret_credentials, struct hd_error *err) {
    const char *id = environment("AWS_ACCESS_KEY_ID"), *secret = environment("AWS_SECRET_ACCESS_KEY");
    if (!id || !secret)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "no credentials for AWS: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
    struct hd_credentials *made = hd_credentials_new("environment", id, secret, environment("AWS_SESSION_TOKEN"), INT64_MAX);
    if (!made)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for credentials");
    *ret_credentials = made;
    return 0;
}

int hd_credentials_get(struct hd_credentials_chain *chain, int64_t now_ms, struct hd_credentials **ret_credentials, struct hd_error *err) {
    (void)now_ms;
    int r = 0;
    pthread_mutex_lock(&chain->lock);
    if (!chain->now)
        r = ask(&chain->now, err);
    if (r == 0) {
        atomic_fetch_add(&chain->now->references, 1);
        *ret_credentials = chain->now;
    }
    pthread_mutex_unlock(&chain->lock);
    return r;
}

void hd_credentials_refused(struct hd_credentials_chain *chain, const struct hd_credentials *credentials) {
    pthread_mutex_lock(&chain->lock);
    if (chain->now == credentials) {
        hd_credentials_unref(chain->now);
        chain->now = NULL;
    }
    pthread_mutex_unlock(&chain->lock);
}
