#include "adapters/aws/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/aws/answer.h"
#include "adapters/aws/shared.h"
#include "adapters/aws/sigv4.h"
#include "base/buffer.h"

enum {
    BUDGET_TOKENS = 500,
    RETRY_TOKENS = 5,
    TIMEOUT_RETRY_TOKENS = 10,
    BACKOFF_FIRST_MS = 25,
    BACKOFF_MAX_MS = 2000,
    RETRY_AFTER_MAX_MS = 5000, /* whoever shall wait for longer is told so at once */
    SKEW_MIN_MS = 60 * 1000,   /* a Date is whole seconds old when it is read; less than this is no reason for a refusal */
    CONNECTION_IDLE_MAX_S = 30,
    LOOK_AT_LEAST_EVERY_MS = 500, /* whatever libcurl believes it waits for */
    GAP_MS = 50,                  /* that nobody looked for is no delay of a service's */
    SCRATCH_MAX_BYTES = 256 * 1024,
    HEADER_VALUE_MAX_BYTES = 256,
    BODY_KEPT_MAX_BYTES = 64 * 1024, /* of room for the next answer */
    OPERATION_MAX_BYTES = 96,
};

enum step { WAITING /* for its time, or for a connection */, RUNNING, ENDED };

/* One request with all its tries. */
struct call {
    const struct hd_aws_request *request;
    struct hd_aws_response *response;
    struct handle *handle; /* while it runs */
    struct hd_credentials *credentials;
    enum step step;
    int64_t start_at_ms; /* monotonic, as is the next */
    int64_t deadline_ms;
    int64_t limit_ms;  /* what the try was given */
    int64_t offset_ms; /* of the services' time from ours, as the try was signed */
    bool may_be_done;  /* a try before this one */
    bool fresh;        /* no kept connection for the next try */
    bool clock_set;    /* once is enough: a service that says it again means something else */
    bool keys_renewed; /* the same */
};

/* A libcurl handle and what comes in through it; kept for the next call. */
struct handle {
    struct handle *next;
    CURL *easy;
    struct curl_slist *headers;
    struct hd_buffer body;
    int sends; /* libcurl repeats a request itself when a kept connection turns out to be dead */
    char error_type[HEADER_VALUE_MAX_BYTES], query_error[HEADER_VALUE_MAX_BYTES], date[HEADER_VALUE_MAX_BYTES];
    char errors[CURL_ERROR_SIZE];
};

struct hd_aws_client {
    struct hd_aws *aws;
    CURLM *multi;
    struct handle *free_handles;
    struct hd_arena *scratch; /* of the try that is being signed */
    size_t running;
    int tokens;
    int64_t used_at_ms, used_at_unix_ms; /* monotonic, and by the clock on the wall */
    int64_t ends_at_ms;                  /* of this client's requests; INT64_MAX: no limit but the process's */
    bool curl_ready;
};

/* ---- life ---- */

static void handle_free(struct handle *handle) {
    if (!handle)
        return;
    curl_easy_cleanup(handle->easy);
    curl_slist_free_all(handle->headers);
    hd_buffer_free(&handle->body);
    free(handle);
}

void hd_aws_client_free(struct hd_aws_client *client) {
    if (!client)
        return;
    while (client->free_handles) {
        struct handle *handle = client->free_handles;
        client->free_handles = handle->next;
        handle_free(handle);
    }
    if (client->multi)
        curl_multi_cleanup(client->multi);
    if (client->curl_ready)
        curl_global_cleanup();
    hd_arena_free(client->scratch);
    free(client);
}

static CURLM *multi_new(void) {
    CURLM *multi = curl_multi_init();
    if (multi && curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)HD_AWS_CONNECTIONS_MAX) == CURLM_OK)
        return multi;
    curl_multi_cleanup(multi);
    return NULL;
}

int hd_aws_client_new(struct hd_aws *aws, struct hd_aws_client **ret_client, struct hd_error *err) {
    struct hd_aws_client *client = calloc(1, sizeof *client);
    if (!client)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for requests to AWS");
    client->aws = aws;
    client->ends_at_ms = INT64_MAX;
    client->tokens = BUDGET_TOKENS;
    client->curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    client->multi = client->curl_ready ? multi_new() : NULL;
    client->scratch = hd_arena_new(SCRATCH_MAX_BYTES);
    if (!client->multi || !client->scratch) {
        hd_aws_client_free(client);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for requests to AWS");
    }
    *ret_client = client;
    return 0;
}

void hd_aws_client_end_within(struct hd_aws_client *client, int64_t within_ms) {
    int64_t now_ms = hd_monotonic_ms();
    client->ends_at_ms = within_ms < INT64_MAX - now_ms ? now_ms + within_ms : INT64_MAX;
}

/* ---- a try's handle ---- */

static struct handle *take_handle(struct hd_aws_client *client) {
    struct handle *handle = client->free_handles;
    if (handle) {
        client->free_handles = handle->next;
        return handle;
    }
    handle = calloc(1, sizeof *handle);
    if (handle && !(handle->easy = curl_easy_init())) {
        free(handle);
        return NULL;
    }
    if (handle)
        handle->body.limit_bytes = HD_AWS_ANSWER_MAX_BYTES + 1;
    return handle;
}

static void give_back(struct hd_aws_client *client, struct handle *handle) {
    curl_easy_reset(handle->easy);
    curl_slist_free_all(handle->headers);
    handle->headers = NULL;
    if (handle->body.capacity > (size_t)BODY_KEPT_MAX_BYTES)
        hd_buffer_free(&handle->body);
    hd_buffer_clear(&handle->body);
    handle->next = client->free_handles;
    client->free_handles = handle;
}

static size_t keep_body(char *data, size_t size, size_t count, void *arg) {
    struct handle *handle = arg;
    hd_buffer_add(&handle->body, data, size * count);
    return handle->body.failure || handle->body.len > (size_t)HD_AWS_ANSWER_MAX_BYTES ? 0 : size * count;
}

static size_t keep_header(char *line, size_t size, size_t count, void *arg) {
    struct handle *handle = arg;
    size_t len = size * count;
    const struct {
        const char *name;
        char *value;
    } wanted[] = {{"x-amzn-errortype:", handle->error_type}, {"x-amzn-query-error:", handle->query_error}, {"date:", handle->date}};
    for (size_t i = 0; i < HD_ARRAY_LEN(wanted); i++) {
        size_t at = strlen(wanted[i].name), end = len;
        if (len < at || strncasecmp(line, wanted[i].name, at) != 0)
            continue;
        while (at < end && (line[at] == ' ' || line[at] == '\t'))
            at++;
        while (end > at && (unsigned char)line[end - 1] <= ' ')
            end--;
        size_t take = end - at < (size_t)HEADER_VALUE_MAX_BYTES - 1 ? end - at : (size_t)HEADER_VALUE_MAX_BYTES - 1;
        memcpy(wanted[i].value, line + at, take);
        wanted[i].value[take] = '\0';
    }
    return len;
}

/* Before each sending on a connection that stands, libcurl's own repetitions included. */
static int count_send(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port) {
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    struct handle *handle = arg;
    handle->sends++;
    return CURL_PREREQFUNC_OK;
}

/* ---- signing ---- */

static const char *content_type(const struct hd_aws_request *request) {
    static const char *const types[HD_AWS_SERVICE_COUNT] = {
        [HD_AWS_DYNAMODB] = "application/x-amz-json-1.0",
        [HD_AWS_SQS] = "application/x-amz-json-1.0",
        [HD_AWS_SES] = "application/json",
        [HD_AWS_SNS] = "application/x-www-form-urlencoded; charset=utf-8",
    };
    return request->content_type ? request->content_type : types[request->service];
}

/* What is sent, ready for libcurl or a dispatcher. */
struct signed_request {
    const char *url;
    const char *headers[8]; /* NULL behind the last */
};

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a request to AWS");
}

static const char *base_path(const struct hd_aws_endpoint *endpoint) {
    const char *slash = strchr(endpoint->host, '/');
    return slash ? slash : "";
}

static int list_headers(const struct hd_sigv4_header *headers, size_t count, const struct hd_credentials *credentials,
                        const struct hd_sigv4_signed *made, struct hd_arena *arena, struct signed_request *ret_signed,
                        struct hd_error *err) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        ret_signed->headers[at++] = hd_arena_printf(arena, "%s: %s", headers[i].name, headers[i].value);
    ret_signed->headers[at++] = hd_arena_printf(arena, "X-Amz-Date: %s", made->amz_date);
    if (credentials->session_token)
        ret_signed->headers[at++] = hd_arena_printf(arena, "X-Amz-Security-Token: %s", credentials->session_token);
    ret_signed->headers[at++] = hd_arena_printf(arena, "Authorization: %s", made->authorization);
    for (size_t i = 0; i < at; i++)
        if (!ret_signed->headers[i])
            return no_memory(err);
    ret_signed->headers[at] = NULL;
    return 0;
}

static int sign(const struct hd_aws *aws, const struct hd_aws_request *request, const struct hd_credentials *credentials,
                struct hd_arena *arena, struct signed_request *ret_signed, struct hd_error *err) {
    const struct hd_aws_endpoint *endpoint = hd_aws_endpoint(aws, request->service);
    const char *path = request->path ? request->path : "/", *base = base_path(endpoint);
    const char *host = hd_arena_strndup(arena, endpoint->host, strlen(endpoint->host) - strlen(base));
    const char *query = strchr(path, '?');
    char *whole_path = hd_arena_printf(arena, "%s%.*s", base, query ? (int)(query - path) : (int)strlen(path), path);
    ret_signed->url = hd_arena_printf(arena, "%s%s", endpoint->url, path);
    if (!host || !whole_path || !ret_signed->url)
        return no_memory(err);
    struct hd_sigv4_header headers[3] = {{"Host", host}, {"Content-Type", content_type(request)}};
    size_t count = 2;
    if (request->target)
        headers[count++] = (struct hd_sigv4_header){"X-Amz-Target", request->target};
    const struct hd_sigv4_request to_sign = {.method = request->method ? request->method : "POST",
                                             .path = whole_path,
                                             .query = query ? query + 1 : NULL,
                                             .headers = headers,
                                             .header_count = count,
                                             .body = request->body,
                                             .body_bytes = request->body_bytes};
    const struct hd_sigv4_keys keys = {credentials->access_key_id, credentials->secret_access_key, credentials->session_token};
    const struct hd_sigv4_scope scope = {.region = hd_aws_region(aws), .service = endpoint->signing_name, .time_ms = hd_aws_now_ms(aws)};
    struct hd_sigv4_signed made = {0};
    int r = hd_sigv4_sign_headers(&to_sign, &keys, &scope, arena, &made, err);
    return r < 0 ? r : list_headers(headers, count, credentials, &made, arena, ret_signed, err);
}

int hd_aws_sign_transfer(struct hd_aws *aws, const struct hd_aws_request *request, struct hd_arena *arena, struct hd_transfer *ret_transfer,
                         struct hd_error *err) {
    HD_CLEANUP(hd_credentials_unrefp) struct hd_credentials *credentials = NULL;
    struct signed_request *made = hd_arena_calloc(arena, 1, sizeof *made);
    if (!made)
        return no_memory(err);
    int r = hd_credentials_get(hd_aws_credentials(aws), hd_aws_now_ms(aws), &credentials, err);
    if (r == 0)
        r = sign(aws, request, credentials, arena, made, err);
    if (r < 0)
        return r;
    *ret_transfer = (struct hd_transfer){.kind = HD_TRANSFER_HTTP,
                                         .url = made->url,
                                         .ca_file = hd_aws_ca_file(aws),
                                         .connect_timeout_ms = HD_AWS_CONNECT_TIMEOUT_MS,
                                         .timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : HD_AWS_TIMEOUT_MS,
                                         .method = request->method ? request->method : "POST",
                                         .headers = made->headers,
                                         .body = request->body,
                                         .body_bytes = request->body_bytes};
    return 0;
}

/* ---- a try begins ---- */

#define SET(option, value)                                         \
    do {                                                           \
        if (curl_easy_setopt(easy, (option), (value)) != CURLE_OK) \
            return false;                                          \
    } while (0)

static bool set_connection(CURL *easy, const struct hd_aws_client *client, const struct call *call) {
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs must not hold us when a try is given up */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, ""); /* whatever the environment says */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (hd_aws_ca_file(client->aws))
        SET(CURLOPT_CAINFO, hd_aws_ca_file(client->aws));
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_MAX_S);
    SET(CURLOPT_FRESH_CONNECT, call->fresh ? 1L : 0L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HD_AWS_CONNECT_TIMEOUT_MS);
    return true;
}

static int64_t timeout_ms(const struct call *call) {
    return call->request->timeout_ms > 0 ? call->request->timeout_ms : HD_AWS_TIMEOUT_MS;
}

static bool set_request(CURL *easy, struct call *call, const struct signed_request *made) {
    const struct hd_aws_request *request = call->request;
    struct handle *handle = call->handle;
    /* The limit that counts is deadline_ms. libcurl's is further off: it is judged before what has come is read. */
    SET(CURLOPT_TIMEOUT_MS, (long)(2 * timeout_ms(call) + 1000));
    SET(CURLOPT_URL, made->url);
    SET(CURLOPT_HTTPHEADER, handle->headers);
    SET(CURLOPT_ERRORBUFFER, handle->errors);
    SET(CURLOPT_WRITEFUNCTION, keep_body);
    SET(CURLOPT_WRITEDATA, handle);
    SET(CURLOPT_HEADERFUNCTION, keep_header);
    SET(CURLOPT_HEADERDATA, handle);
    SET(CURLOPT_PREREQFUNCTION, count_send);
    SET(CURLOPT_PREREQDATA, handle);
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_PATH_AS_IS, 1L);
    bool with_body = request->body || !request->method || strcmp(request->method, "POST") == 0;
    if (with_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
        SET(CURLOPT_POSTFIELDS, request->body ? request->body : "");
    }
    if (request->method)
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    return true;
}

static bool set_headers(struct handle *handle, const struct signed_request *made) {
    static const char *const ours[] = {"Expect:", "Accept:", ("User-Agent: HelpDesk/" HELPDESK_VERSION)};
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < HD_ARRAY_LEN(ours) + HD_ARRAY_LEN(made->headers); i++) {
        const char *line = i < HD_ARRAY_LEN(ours) ? ours[i] : made->headers[i - HD_ARRAY_LEN(ours)];
        if (!line)
            break;
        struct curl_slist *longer = curl_slist_append(list, line);
        if (!longer) {
            curl_slist_free_all(list);
            return false;
        }
        list = longer;
    }
    handle->headers = list;
    return true;
}

static int prepare_try(struct hd_aws_client *client, struct call *call, struct hd_error *err) {
    struct signed_request made = {0};
    hd_arena_reset(client->scratch);
    call->offset_ms = hd_aws_clock_offset_ms(client->aws);
    int r = hd_credentials_get(hd_aws_credentials(client->aws), hd_aws_now_ms(client->aws), &call->credentials, err);
    if (r == 0)
        r = sign(client->aws, call->request, call->credentials, client->scratch, &made, err);
    if (r < 0)
        return r;
    struct handle *handle = call->handle = take_handle(client);
    if (!handle)
        return no_memory(err);
    handle->sends = 0;
    handle->errors[0] = handle->error_type[0] = handle->query_error[0] = handle->date[0] = '\0';
    if (!set_headers(handle, &made) || !set_connection(handle->easy, client, call) || !set_request(handle->easy, call, &made) ||
        curl_multi_add_handle(client->multi, handle->easy) != CURLM_OK)
        return no_memory(err);
    return 0;
}

static void drop_try(struct hd_aws_client *client, struct call *call) {
    hd_credentials_unref(call->credentials);
    call->credentials = NULL;
    if (call->handle)
        give_back(client, call->handle);
    call->handle = NULL;
}

static void end_with(struct call *call, enum hd_code code, const char *message, struct hd_arena *arena) {
    const char *copy = message ? hd_arena_strdup(arena, message) : "";
    call->step = ENDED;
    call->response->code = copy ? code : HD_ERR_NO_MEMORY;
    call->response->message = copy ? copy : "no memory for the answer";
    call->response->unsure = call->may_be_done && code != 0;
}

static int64_t ends_at_of(const struct hd_aws_client *client) {
    int64_t process_ms = hd_aws_ends_at_ms(client->aws);
    return client->ends_at_ms < process_ms ? client->ends_at_ms : process_ms;
}

static void start_try(struct hd_aws_client *client, struct call *call, struct hd_arena *arena) {
    struct hd_error err = {0};
    int64_t now_ms = hd_monotonic_ms(), ends_at_ms = ends_at_of(client);
    if (ends_at_ms <= now_ms) {
        end_with(call, HD_ERR_UNAVAILABLE, "there is no time left for it", arena);
        return;
    }
    call->response->tries++;
    if (prepare_try(client, call, &err) < 0) {
        drop_try(client, call);
        end_with(call, err.code, err.detail, arena);
        return;
    }
    call->step = RUNNING;
    call->limit_ms = timeout_ms(call) < ends_at_ms - now_ms ? timeout_ms(call) : ends_at_ms - now_ms;
    call->deadline_ms = now_ms + call->limit_ms;
    client->running++;
}

/* ---- a try ends ---- */

static int64_t backoff_ms(struct hd_aws_client *client, int tries) {
    const struct hd_random *random = hd_aws_options(client->aws)->random;
    int64_t ceiling_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < tries && ceiling_ms < BACKOFF_MAX_MS; i++)
        ceiling_ms *= 2;
    ceiling_ms = ceiling_ms < BACKOFF_MAX_MS ? ceiling_ms : BACKOFF_MAX_MS;
    uint32_t draw = 0;
    random->fill(random, &draw, sizeof draw);
    return (int64_t)(draw % (uint64_t)(ceiling_ms + 1));
}

/* Takes the tokens of one more try. */
static bool may_repeat(struct hd_aws_client *client, const struct call *call, int tokens, int64_t retry_after_ms) {
    if (call->response->tries >= HD_AWS_TRIES_MAX || client->tokens < tokens || retry_after_ms > RETRY_AFTER_MAX_MS)
        return false;
    if (hd_monotonic_ms() + retry_after_ms >= ends_at_of(client))
        return false;
    client->tokens -= tokens;
    return true;
}

static void wait_for_next_try(struct hd_aws_client *client, struct call *call, int64_t retry_after_ms) {
    int64_t wait_ms = backoff_ms(client, call->response->tries);
    int64_t ends_at_ms = ends_at_of(client); /* there it will find that no time is left */
    call->start_at_ms = hd_monotonic_ms() + (wait_ms > retry_after_ms ? wait_ms : retry_after_ms);
    call->start_at_ms = call->start_at_ms < ends_at_ms ? call->start_at_ms : ends_at_ms;
    call->step = WAITING;
}

/* No answer came. */
static void conclude_failure(struct hd_aws_client *client, struct call *call, CURLcode code, struct hd_arena *arena) {
    const struct handle *handle = call->handle;
    const char *why = handle->errors[0] ? handle->errors : curl_easy_strerror(code);
    call->response->http_status = 0;
    call->response->type = call->response->body = "";
    call->response->body_bytes = 0;
    if (code == CURLE_WRITE_ERROR) {
        bool long_one = handle->body.failure != HD_ERR_NO_MEMORY;
        end_with(call, long_one ? HD_ERR_LIMIT : HD_ERR_NO_MEMORY,
                 long_one ? "the answer is longer than 20 MiB" : "no memory for the answer", arena);
        return;
    }
    if (code == CURLE_OUT_OF_MEMORY) {
        end_with(call, HD_ERR_NO_MEMORY, "no memory for the request", arena);
        return;
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT) {
        end_with(call, HD_ERR_CONFIGURATION, why, arena);
        return;
    }
    int tokens = code == CURLE_OPERATION_TIMEDOUT ? TIMEOUT_RETRY_TOKENS : RETRY_TOKENS;
    call->fresh = true;
    if (may_repeat(client, call, tokens, 0))
        wait_for_next_try(client, call, 0);
    else
        end_with(call, HD_ERR_UNAVAILABLE, why, arena);
}

static bool differ_much(int64_t a_ms, int64_t b_ms) {
    return a_ms - b_ms <= -SKEW_MIN_MS || a_ms - b_ms >= SKEW_MIN_MS;
}

/* Another request may have corrected it since this one was signed: then signing anew is all that it takes. */
static bool correct_clock(struct hd_aws_client *client, struct call *call) {
    time_t date = curl_getdate(call->handle->date, NULL);
    if (call->clock_set || date == (time_t)-1)
        return false;
    int64_t now_ms = hd_aws_now_ms(client->aws), offset_ms = hd_aws_clock_offset_ms(client->aws);
    if (differ_much((int64_t)date * 1000, now_ms))
        hd_aws_correct_clock(client->aws, (int64_t)date * 1000);
    else if (!differ_much(offset_ms, call->offset_ms))
        return false;
    call->clock_set = true;
    return true;
}

static bool renew_credentials(struct hd_aws_client *client, struct call *call) {
    HD_CLEANUP(hd_credentials_unrefp) struct hd_credentials *others = NULL;
    struct hd_error err;
    if (call->keys_renewed)
        return false;
    call->keys_renewed = true;
    hd_credentials_refused(hd_aws_credentials(client->aws), call->credentials);
    if (hd_credentials_get(hd_aws_credentials(client->aws), hd_aws_now_ms(client->aws), &others, &err) < 0)
        return false;
    return strcmp(others->access_key_id, call->credentials->access_key_id) != 0 ||
           strcmp(others->secret_access_key, call->credentials->secret_access_key) != 0 ||
           strcmp(others->session_token ? others->session_token : "",
                  call->credentials->session_token ? call->credentials->session_token : "") != 0;
}

/* Whether the answer is one to try again, and no later than Retry-After says. */
static bool worth_another(struct hd_aws_client *client, struct call *call, enum hd_aws_verdict verdict, int64_t retry_after_ms) {
    switch (verdict) {
    case HD_AWS_THROTTLED:
    case HD_AWS_FAULT:
        return may_repeat(client, call, RETRY_TOKENS, retry_after_ms);
    case HD_AWS_CLOCK:
        return correct_clock(client, call) && may_repeat(client, call, RETRY_TOKENS, 0);
    case HD_AWS_KEYS:
        return renew_credentials(client, call) && may_repeat(client, call, RETRY_TOKENS, 0);
    default:
        return false;
    }
}

static bool keep_answer(struct call *call, long status, struct hd_arena *arena) {
    const struct hd_buffer *body = &call->handle->body;
    struct hd_aws_response *response = call->response;
    char *copy = hd_arena_strndup(arena, hd_buffer_text(body), body->len);
    response->http_status = (int)status;
    response->body = copy ? copy : "";
    response->body_bytes = copy ? body->len : 0;
    return copy;
}

static void conclude_answer(struct hd_aws_client *client, struct call *call, struct hd_arena *arena) {
    struct handle *handle = call->handle;
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(handle->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (status >= 200 && status < 300) {
        bool kept = keep_answer(call, status, arena);
        client->tokens += client->tokens < BUDGET_TOKENS;
        end_with(call, kept ? 0 : HD_ERR_NO_MEMORY, kept ? NULL : "no memory for the answer", arena);
        return;
    }
    struct hd_aws_answer answer;
    hd_aws_read_answer(status, hd_buffer_text(&handle->body), handle->body.len, handle->error_type, handle->query_error, client->scratch,
                       &answer);
    int64_t retry_after_ms = retry_after_s > 0 && retry_after_s < 3600 ? retry_after_s * 1000 : retry_after_s > 0 ? 3600000 : 0;
    if (answer.verdict == HD_AWS_FAULT)
        call->may_be_done = true;
    if (worth_another(client, call, answer.verdict, retry_after_ms)) {
        wait_for_next_try(client, call, retry_after_ms);
        return;
    }
    bool kept = keep_answer(call, status, arena);
    call->response->type = kept ? hd_arena_strdup(arena, answer.type) : NULL;
    if (!call->response->type) {
        call->response->type = "";
        end_with(call, HD_ERR_NO_MEMORY, "no memory for the answer", arena);
        return;
    }
    end_with(call, answer.code, answer.message, arena);
}

static void conclude_try(struct hd_aws_client *client, struct call *call, CURLcode code, struct hd_arena *arena) {
    client->running--;
    hd_arena_reset(client->scratch);
    /* What was sent and got no answer may have been done; libcurl's own repetitions leave such ones behind, too. */
    if (call->handle->sends > (code == CURLE_OK ? 1 : 0))
        call->may_be_done = true;
    if (code == CURLE_OK)
        conclude_answer(client, call, arena);
    else
        conclude_failure(client, call, code, arena);
    drop_try(client, call);
}

/* ---- all calls ---- */

static void start_due(struct hd_aws_client *client, struct call *calls, size_t count, struct hd_arena *arena) {
    int64_t now_ms = hd_monotonic_ms();
    for (size_t i = 0; i < count && client->running < (size_t)HD_AWS_CONNECTIONS_MAX; i++)
        if (calls[i].step == WAITING && calls[i].start_at_ms <= now_ms)
            start_try(client, &calls[i], arena);
}

static int wait_ms(const struct hd_aws_client *client, const struct call *calls, size_t count, int64_t now_ms) {
    int64_t next_ms = now_ms + LOOK_AT_LEAST_EVERY_MS;
    bool full = client->running >= (size_t)HD_AWS_CONNECTIONS_MAX;
    for (size_t i = 0; i < count; i++) {
        int64_t at_ms = calls[i].step == RUNNING            ? calls[i].deadline_ms
                        : calls[i].step == WAITING && !full ? calls[i].start_at_ms
                                                            : next_ms;
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static void take_ended(struct hd_aws_client *client, struct hd_arena *arena) {
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct call *call = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        curl_multi_remove_handle(client->multi, message->easy_handle);
        conclude_try(client, call, code, arena);
    }
}

/* looked_ms: before libcurl has last read what there is. So nothing counts as late that had come in time and was not looked at. */
static void end_late(struct hd_aws_client *client, struct call *calls, size_t count, int64_t looked_ms, struct hd_arena *arena) {
    for (size_t i = 0; i < count; i++) {
        struct call *call = &calls[i];
        if (call->step != RUNNING || call->deadline_ms > looked_ms)
            continue;
        curl_multi_remove_handle(client->multi, call->handle->easy);
        (void)snprintf(call->handle->errors, sizeof call->handle->errors, "no answer within %lld ms", (long long)call->limit_ms);
        conclude_try(client, call, CURLE_OPERATION_TIMEDOUT, arena);
    }
}

static bool any_left(const struct call *calls, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (calls[i].step != ENDED)
            return true;
    return false;
}

/* A process that was frozen finds connections that look alive and are not. libcurl knows how long one has been idle by the monotonic clock alone, which stands still meanwhile. */
static int forget_dead_connections(struct hd_aws_client *client, struct hd_error *err) {
    const struct hd_clock *clock = hd_aws_options(client->aws)->clock;
    int64_t now_ms = hd_monotonic_ms(), unix_ms = clock->now_ms(clock);
    int64_t frozen_ms = (unix_ms - client->used_at_unix_ms) - (now_ms - client->used_at_ms);
    bool used = client->used_at_ms != 0;
    client->used_at_ms = now_ms;
    client->used_at_unix_ms = unix_ms;
    if (!used || frozen_ms < CONNECTION_IDLE_MAX_S * 1000)
        return 0;
    CURLM *fresh = multi_new();
    if (!fresh)
        return no_memory(err);
    curl_multi_cleanup(client->multi);
    client->multi = fresh;
    return 0;
}

static void postpone_deadlines(struct call *calls, size_t count, int64_t by_ms) {
    for (size_t i = 0; i < count; i++)
        if (calls[i].step == RUNNING)
            calls[i].deadline_ms += by_ms;
}

static void run_to_the_end(struct hd_aws_client *client, struct call *calls, size_t count, struct hd_arena *arena) {
    int64_t begun_ms = hd_monotonic_ms();
    for (int wait = 0, running = 0; any_left(calls, count);) {
        int64_t looked_ms = hd_monotonic_ms(), gap_ms = looked_ms - begun_ms - wait;
        if (gap_ms > GAP_MS)
            postpone_deadlines(calls, count, gap_ms);
        begun_ms = looked_ms;
        start_due(client, calls, count, arena);
        curl_multi_perform(client->multi, &running);
        take_ended(client, arena);
        end_late(client, calls, count, looked_ms, arena);
        wait = wait_ms(client, calls, count, hd_monotonic_ms());
        if (any_left(calls, count))
            curl_multi_poll(client->multi, NULL, 0, wait, NULL);
    }
}

int hd_aws_call_all(struct hd_aws_client *client, const struct hd_aws_request *requests, size_t count, struct hd_arena *arena,
                    struct hd_aws_response *ret_responses, struct hd_error *err) {
    int r = forget_dead_connections(client, err);
    if (r < 0)
        return r;
    struct call *calls = calloc(count + 1, sizeof *calls);
    if (!calls)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        ret_responses[i] = (struct hd_aws_response){.type = "", .message = "", .body = ""};
        calls[i] = (struct call){.request = &requests[i], .response = &ret_responses[i]};
    }
    run_to_the_end(client, calls, count, arena);
    free(calls);
    return 0;
}

/* "GetItem": of X-Amz-Target, of a form's Action, or the request line's. */
static void operation_of(const struct hd_aws_request *request, char *ret_name, size_t size) {
    static const char action[] = "Action=";
    const char *dot = request->target ? strrchr(request->target, '.') : NULL;
    if (request->target) {
        (void)snprintf(ret_name, size, "%s", dot ? dot + 1 : request->target);
        return;
    }
    size_t len = strlen(action);
    if (request->body && request->body_bytes > len && memcmp(request->body, action, len) == 0) {
        const char *end = memchr(request->body + len, '&', request->body_bytes - len);
        size_t name_len = end ? (size_t)(end - request->body) - len : request->body_bytes - len;
        (void)snprintf(ret_name, size, "%.*s", (int)(name_len < size ? name_len : size), request->body + len);
        return;
    }
    (void)snprintf(ret_name, size, "%s %s", request->method ? request->method : "POST", request->path ? request->path : "/");
}

int hd_aws_response_error(const struct hd_aws_request *request, const struct hd_aws_response *response, struct hd_error *err) {
    static const char *const labels[HD_AWS_SERVICE_COUNT] = {
        [HD_AWS_DYNAMODB] = "DynamoDB", [HD_AWS_SQS] = "SQS", [HD_AWS_SES] = "SES", [HD_AWS_SNS] = "SNS"};
    char operation[OPERATION_MAX_BYTES], status[32] = "";
    operation_of(request, operation, sizeof operation);
    if (response->http_status > 0 && !response->type[0])
        (void)snprintf(status, sizeof status, "HTTP %d", response->http_status);
    const char *type = status[0] ? status : response->type;
    return hd_error_set(err, response->code, "%s %s: %s%s%s", labels[request->service], operation, type,
                        type[0] && response->message[0] ? ": " : "", response->message);
}

int hd_aws_call(struct hd_aws_client *client, const struct hd_aws_request *request, struct hd_arena *arena,
                struct hd_aws_response *ret_response, struct hd_error *err) {
    struct hd_aws_response response;
    int r = hd_aws_call_all(client, request, 1, arena, &response, err);
    if (r < 0)
        return r;
    *ret_response = response;
    return response.code == 0 ? 0 : hd_aws_response_error(request, &response, err);
}
