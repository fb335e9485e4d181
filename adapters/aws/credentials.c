#include "adapters/aws/credentials.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/credentials_text.h"
#include "base/buffer.h"

enum { ARENA_BYTES = 2 * HD_CREDENTIALS_FILE_MAX_BYTES, URL_BYTES = 1024, WHY_BYTES = 72, TOKEN_MAX_BYTES = 8 * 1024, TRIES_MAX = 3 };

struct hd_credentials_chain {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct hd_credentials *now; /* NULL: none yet, or refused */
    bool asking;                /* one thread, without the lock */
    uint64_t asked;             /* how often somebody was through with it */
    int64_t ask_at_ms;          /* not before, as long as those that we have hold */
    struct hd_error failure;    /* of the last asking; code 0: it went well */
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

/* ---- asking over HTTP ---- */

struct http_answer {
    CURLcode code; /* 0: an answer came */
    long status;
    struct hd_buffer body;
};

static void http_answer_free(struct http_answer *answer) {
    if (answer->body.len > 0)
        explicit_bzero(answer->body.data, answer->body.len);
    hd_buffer_free(&answer->body);
}

static size_t keep(char *data, size_t size, size_t count, void *arg) {
    struct hd_buffer *body = arg;
    hd_buffer_add(body, data, size * count);
    return body->failure ? 0 : size * count;
}

static CURLcode send_once(const char *method, const char *url, struct curl_slist *headers, struct http_answer *ret_answer) {
    CURL *easy = curl_easy_init();
    if (!easy)
        return CURLE_OUT_OF_MEMORY;
    hd_buffer_clear(&ret_answer->body);
    ret_answer->body.limit_bytes = HD_CREDENTIALS_ANSWER_MAX_BYTES;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* keys go to nobody else, whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HD_CREDENTIALS_TIMEOUT_MS / 2);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)HD_CREDENTIALS_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &ret_answer->body);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    if (code == CURLE_OK)
        code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret_answer->status);
    curl_easy_cleanup(easy);
    return code;
}

/* Again at once when the answer was lost or is a 5xx; who does not listen at all is asked once. header: NULL for none. */
static void ask_http(const char *method, const char *url, const char *header, struct http_answer *ret_answer) {
    struct curl_slist *headers = header ? curl_slist_append(NULL, header) : NULL;
    ret_answer->code = CURLE_OUT_OF_MEMORY;
    for (int tries = 0; (headers || !header) && tries < TRIES_MAX; tries++) {
        ret_answer->status = 0;
        ret_answer->code = send_once(method, url, headers, ret_answer);
        bool lost = ret_answer->code == CURLE_GOT_NOTHING || ret_answer->code == CURLE_RECV_ERROR || ret_answer->code == CURLE_SEND_ERROR ||
                    ret_answer->code == CURLE_PARTIAL_FILE;
        if (!lost && ret_answer->status < 500)
            break;
    }
    curl_slist_free_all(headers);
}

/* 0: a 2xx came. */
static int check_answer(const struct http_answer *answer, const char *url, struct hd_error *err) {
    if (answer->code == CURLE_OUT_OF_MEMORY)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for credentials");
    if (answer->code != CURLE_OK)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "%.100s: %s", url, curl_easy_strerror(answer->code));
    if (answer->status >= 200 && answer->status < 300)
        return 0;
    bool ours = answer->status >= 400 && answer->status < 500 && answer->status != 429;
    return hd_error_set(err, ours ? HD_ERR_CONFIGURATION : HD_ERR_UNAVAILABLE, "%.100s: HTTP %ld", url, answer->status);
}

/* ---- the sources ---- */

/* What one asking has in its hands. A source that is not set up leaves found NULL, says why, and returns 0. */
struct asking {
    struct hd_arena *arena;
    struct hd_credentials *found;
    char why[WHY_BYTES];
};

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for credentials");
}

static int take(struct asking *asking, const char *source, const struct hd_credentials_text *keys, struct hd_error *err) {
    asking->found = hd_credentials_new(source, keys->access_key_id, keys->secret_access_key, keys->session_token, keys->expires_at_ms);
    return asking->found ? 0 : no_memory(err);
}

static int ask_environment(struct asking *asking, struct hd_error *err) {
    struct hd_credentials_text keys = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                                       environment("AWS_SESSION_TOKEN"), INT64_MAX};
    if (!keys.access_key_id != !keys.secret_access_key)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
    (void)snprintf(asking->why, sizeof asking->why, "AWS_ACCESS_KEY_ID is not set");
    return keys.access_key_id ? take(asking, "environment", &keys, err) : 0;
}

/* variable, else what ~/.aws has. NULL: neither is to be had. */
static const char *file_path(struct hd_arena *arena, const char *variable, const char *name) {
    const char *path = environment(variable), *home = environment("HOME");
    return path ? path : home ? hd_arena_printf(arena, "%s/.aws/%s", home, name) : NULL;
}

/* *ret_text stays NULL when the file is not there. */
static int read_file(struct hd_arena *arena, const char *path, char **ret_text, struct hd_error *err) {
    FILE *file = path ? fopen(path, "rbe") : NULL;
    if (!file)
        return 0;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {.limit_bytes = HD_CREDENTIALS_FILE_MAX_BYTES};
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        hd_buffer_add(&text, piece, got);
    bool failed = ferror(file);
    (void)fclose(file);
    if (failed || text.failure == HD_ERR_LIMIT)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "%.128s %s", path, failed ? "cannot be read" : "is larger than 1 MiB");
    *ret_text = hd_arena_strndup(arena, hd_buffer_text(&text), text.len);
    if (text.len > 0)
        explicit_bzero(text.data, text.len);
    return *ret_text ? 0 : no_memory(err);
}

static int read_profile(struct asking *asking, const char *path, const char *name, bool in_config, struct hd_profile *profile,
                        struct hd_error *err) {
    char *text = NULL;
    int r = read_file(asking->arena, path, &text, err);
    return r < 0 || !text ? r : hd_profile_read(text, strlen(text), name, in_config, asking->arena, profile, err);
}

static int ask_files(struct asking *asking, struct hd_error *err) {
    const char *wanted = environment("AWS_PROFILE"), *name = wanted ? wanted : "default";
    struct hd_profile profile = {0};
    int r = read_profile(asking, file_path(asking->arena, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), name, false, &profile, err);
    if (r == 0)
        r = read_profile(asking, file_path(asking->arena, "AWS_CONFIG_FILE", "config"), name, true, &profile, err);
    if (r < 0)
        return r;
    profile.keys.expires_at_ms = INT64_MAX;
    if (profile.keys.access_key_id && profile.keys.secret_access_key)
        return take(asking, "shared files", &profile.keys, err);
    if (profile.keys.access_key_id || profile.keys.secret_access_key)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "profile %.64s has only half of a pair of keys", name);
    if (profile.other)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "profile %.64s has %s, which is not supported: give it keys, or export them", name,
                            profile.other);
    if (wanted)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "profile %.64s (AWS_PROFILE) %s", name,
                            profile.found ? "has no keys" : "is not there");
    (void)snprintf(asking->why, sizeof asking->why, "no keys of profile default in ~/.aws");
    return 0;
}

/* The whole header, NULL for none. */
static int container_header(struct hd_arena *arena, const char **ret_header, struct hd_error *err) {
    const char *path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), *token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *text = NULL;
    int r = read_file(arena, path, &text, err);
    if (r < 0)
        return r;
    if (path && !text)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read: %.128s", path);
    token = path ? text : token;
    if (!token)
        return 0;
    size_t len = strcspn(token, "\r\n");
    if (len > TOKEN_MAX_BYTES || token[len + strspn(token + len, "\r\n")])
        return hd_error_set(err, HD_ERR_CONFIGURATION, "the container's authorization token is not one line of at most 8 KiB");
    *ret_header = hd_arena_printf(arena, "Authorization: %.*s", (int)len, token);
    return *ret_header ? 0 : no_memory(err);
}

static int ask_for_keys(struct asking *asking, const char *source, const char *url, const char *header, struct hd_error *err) {
    HD_CLEANUP(http_answer_free) struct http_answer answer = {0};
    struct hd_credentials_text keys;
    ask_http("GET", url, header, &answer);
    int r = check_answer(&answer, url, err);
    if (r == 0)
        r = hd_credentials_answer_read(hd_buffer_text(&answer.body), answer.body.len, asking->arena, &keys, err);
    return r < 0 ? r : take(asking, source, &keys, err);
}

static int ask_container(struct asking *asking, struct hd_error *err) {
    const char *relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), *full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *header = NULL;
    (void)snprintf(asking->why, sizeof asking->why, "no container's URI");
    if (!relative && !full)
        return 0;
    const char *url = relative ? hd_arena_printf(asking->arena, "http://169.254.170.2%s", relative) : full;
    if (!url)
        return no_memory(err);
    if (!hd_container_url_allowed(url))
        return hd_error_set(err, HD_ERR_CONFIGURATION, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine");
    int r = container_header(asking->arena, &header, err);
    return r < 0 ? r : ask_for_keys(asking, "container", url, header, err);
}

static void instance_url(const char *path, char *ret_url, size_t size) {
    const char *endpoint = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT"), *mode = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    bool by_6 = mode && strcasecmp(mode, "ipv6") == 0;
    endpoint = endpoint ? endpoint : by_6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    size_t len = strlen(endpoint);
    while (len > 0 && endpoint[len - 1] == '/')
        len--;
    (void)snprintf(ret_url, size, "%.*s%s", (int)len, endpoint, path);
}

/* A token first: a request that somebody else was tricked into has none. *ret_header stays NULL where there is no such service. */
static int instance_token(struct asking *asking, const char **ret_header, struct hd_error *err) {
    HD_CLEANUP(http_answer_free) struct http_answer answer = {0};
    char url[URL_BYTES];
    instance_url("/latest/api/token", url, sizeof url);
    ask_http("PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 21600", &answer);
    if (answer.code == CURLE_COULDNT_CONNECT || answer.code == CURLE_OPERATION_TIMEDOUT || answer.code == CURLE_COULDNT_RESOLVE_HOST) {
        (void)snprintf(asking->why, sizeof asking->why, "no instance metadata here");
        return 0;
    }
    int r = check_answer(&answer, url, err);
    if (r < 0)
        return r;
    size_t len = strcspn(hd_buffer_text(&answer.body), "\r\n");
    *ret_header = hd_arena_printf(asking->arena, "X-aws-ec2-metadata-token: %.*s", (int)len, hd_buffer_text(&answer.body));
    return *ret_header ? 0 : no_memory(err);
}

static int ask_instance(struct asking *asking, struct hd_error *err) {
    static const char roles[] = "/latest/meta-data/iam/security-credentials/";
    const char *disabled = environment("AWS_EC2_METADATA_DISABLED"), *header = NULL;
    (void)snprintf(asking->why, sizeof asking->why, "instance metadata is disabled");
    if (disabled && strcasecmp(disabled, "true") == 0)
        return 0;
    int r = instance_token(asking, &header, err);
    if (r < 0 || !header)
        return r;
    HD_CLEANUP(http_answer_free) struct http_answer answer = {0};
    char url[URL_BYTES];
    instance_url(roles, url, sizeof url);
    ask_http("GET", url, header, &answer);
    size_t len = strcspn(hd_buffer_text(&answer.body), "\r\n");
    if (answer.code == CURLE_OK && (answer.status == 404 || (answer.status == 200 && len == 0))) {
        (void)snprintf(asking->why, sizeof asking->why, "the instance has no role");
        return 0;
    }
    r = check_answer(&answer, url, err);
    if (r < 0)
        return r;
    const char *path = hd_arena_printf(asking->arena, "%s%.*s", roles, (int)len, hd_buffer_text(&answer.body));
    if (!path)
        return no_memory(err);
    instance_url(path, url, sizeof url);
    return ask_for_keys(asking, "instance metadata", url, header, err);
}

static int ask(struct hd_credentials **ret_credentials, struct hd_error *err) {
    static const struct {
        const char *name;
        int (*ask)(struct asking *asking, struct hd_error *err);
    } sources[] = {
        {"environment", ask_environment}, {"shared files", ask_files}, {"container", ask_container}, {"instance metadata", ask_instance}};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    if (!arena)
        return no_memory(err);
    struct asking asking = {.arena = arena};
    char tried[HD_ARRAY_LEN(sources) * (WHY_BYTES + 2)] = "";
    for (size_t i = 0; i < HD_ARRAY_LEN(sources); i++) {
        int r = sources[i].ask(&asking, err);
        if (r < 0)
            return err ? hd_error_context(err, "credentials for AWS, %s", sources[i].name) : r;
        if (asking.found) {
            *ret_credentials = asking.found;
            return 0;
        }
        size_t len = strlen(tried);
        (void)snprintf(tried + len, sizeof tried - len, "%s%s", i > 0 ? "; " : "", asking.why);
    }
    return hd_error_set(err, HD_ERR_CONFIGURATION, "no credentials for AWS: %s", tried);
}

/* ---- the chain ---- */

int hd_credentials_chain_new(struct hd_credentials_chain **ret_chain, struct hd_error *err) {
    struct hd_credentials_chain *chain = calloc(1, sizeof *chain);
    if (!chain)
        return no_memory(err);
    pthread_mutex_init(&chain->lock, NULL);
    pthread_cond_init(&chain->answered, NULL);
    *ret_chain = chain;
    return 0;
}

void hd_credentials_chain_free(struct hd_credentials_chain *chain) {
    if (!chain)
        return;
    hd_credentials_unref(chain->now);
    pthread_cond_destroy(&chain->answered);
    pthread_mutex_destroy(&chain->lock);
    free(chain);
}

static bool hold(const struct hd_credentials *credentials, int64_t now_ms) {
    return credentials && now_ms < credentials->expires_at_ms;
}

/* An instance's service gives out old ones while it cannot make others: the services have the last word on those, and it is not asked for each request. */
static bool usable(const struct hd_credentials_chain *chain, int64_t now_ms) {
    return hold(chain->now, now_ms) || (chain->now && chain->failure.code == 0 && now_ms < chain->ask_at_ms);
}

static bool due(const struct hd_credentials_chain *chain, int64_t now_ms) {
    return chain->now->expires_at_ms != INT64_MAX && now_ms >= chain->now->expires_at_ms - HD_CREDENTIALS_AHEAD_MS &&
           now_ms >= chain->ask_at_ms;
}

/* With the lock, which is given up while the sources are asked. */
static void ask_sources(struct hd_credentials_chain *chain, int64_t now_ms) {
    struct hd_credentials *fresh = NULL;
    struct hd_error err = {0};
    chain->asking = true;
    pthread_mutex_unlock(&chain->lock);
    int r = ask(&fresh, &err);
    pthread_mutex_lock(&chain->lock);
    chain->asking = false;
    chain->asked++;
    chain->failure = r < 0 ? err : (struct hd_error){0};
    chain->ask_at_ms = now_ms + HD_CREDENTIALS_AGAIN_MS;
    if (r == 0) {
        hd_credentials_unref(chain->now);
        chain->now = fresh;
    }
    pthread_cond_broadcast(&chain->answered);
}

/* With the lock: asks, or waits for the one that is asking; either way chain->failure is of an asking that ended after this began. */
static void ask_or_wait(struct hd_credentials_chain *chain, int64_t now_ms) {
    if (!chain->asking) {
        ask_sources(chain, now_ms);
        return;
    }
    for (uint64_t asked = chain->asked; chain->asked == asked;)
        pthread_cond_wait(&chain->answered, &chain->lock);
}

int hd_credentials_get(struct hd_credentials_chain *chain, int64_t now_ms, struct hd_credentials **ret_credentials, struct hd_error *err) {
    int r = 0;
    pthread_mutex_lock(&chain->lock);
    if (!usable(chain, now_ms))
        ask_or_wait(chain, now_ms);
    else if (due(chain, now_ms) && !chain->asking)
        ask_sources(chain, now_ms);
    if (usable(chain, now_ms)) {
        atomic_fetch_add(&chain->now->references, 1);
        *ret_credentials = chain->now;
    } else {
        r = chain->failure.code ? hd_error_set(err, chain->failure.code, "%s", chain->failure.detail)
                                : hd_error_set(err, HD_ERR_UNAVAILABLE, "credentials for AWS: those that came were refused at once");
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
