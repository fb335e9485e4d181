/* bootstrap: what Lambda starts for each of our functions (custom runtime provided.al2023; _HANDLER names the function). Starts, then handles one event after another. */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "serverless/function.h"
#include "serverless/runtime_api.h"

enum { INVOCATION_ARENA_BYTES = 64 * 1024 };

struct bootstrap {
    struct hd_runtime_api *api;
    struct hd_settings *settings;
    const struct hd_function *function;
    struct hd_started *started;
    struct hd_arena *arena;
    struct hd_measures measures;
};

static void tell(const char *problem) {
    hd_log(HD_LOG_ERROR, "setting", NULL, HD_LOG_STR("detail", problem));
}

static int start(struct bootstrap *b, struct hd_error *err) {
    const char *handler = getenv("_HANDLER");
    int r = hd_settings_load(NULL, tell, &b->settings, err);
    if (r)
        return r;
    hd_log_set_level(hd_settings_log_level(b->settings));
    b->function = hd_function_find(handler);
    if (!b->function)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "_HANDLER: there is no function \"%.60s\"", handler ? handler : "");
    b->arena = hd_arena_new(INVOCATION_ARENA_BYTES);
    if (!b->arena)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an invocation");
    return hd_function_start(b->function, b->settings, &b->started, err);
}

/* One write for all lines of an invocation. They are lost when the log takes nothing, as log lines are. */
static void write_measures(const struct bootstrap *b) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer lines = {0};
    hd_measures_write(&b->measures, b->settings->metrics_namespace, hd_function_name(b->function), hd_system_clock.now_ms(&hd_system_clock),
                      &lines);
    if (lines.len == 0 || lines.failure)
        return;
    ssize_t written;
    do
        written = write(STDOUT_FILENO, lines.data, lines.len);
    while (written < 0 && errno == EINTR);
}

/* The error is the Runtime API's. */
static int handle(struct bootstrap *b, const struct hd_invocation *invocation, struct hd_error *err) {
    struct hd_error failure = {0};
    const struct hd_buffer *answer = NULL;
    memset(&b->measures, 0, sizeof b->measures);
    hd_log_set_request(invocation->request_id);
    if (*invocation->trace)
        (void)setenv("_X_AMZN_TRACE_ID", invocation->trace, 1);
    int r = hd_function_handle(b->started, invocation, &b->measures, &answer, &failure);
    if (!r) {
        r = hd_runtime_api_respond(b->api, invocation->request_id, answer->data, answer->len, err);
        if (r == HD_ERR_TOO_LARGE)
            failure = *err;
    }
    if (failure.code) {
        struct hd_log_about about = {.traceparent = invocation->traceparent};
        hd_log_error(HD_LOG_ERROR, "invocation failed", &about, &failure);
        b->measures.counts[HD_MEASURE_ERRORS]++;
        r = hd_runtime_api_fail(b->api, invocation->request_id, &failure, err);
    }
    if (r == HD_ERR_CONFLICT) { /* the deadline has passed: what was done is done, and comes again to find that */
        hd_log_error(HD_LOG_WARN, "answer came too late", NULL, err);
        r = 0;
    }
    write_measures(b);
    hd_log_set_request(NULL);
    return r;
}

static int loop(struct bootstrap *b, struct hd_error *err) {
    for (;;) {
        struct hd_invocation invocation = {0};
        bool stop = false;
        hd_arena_reset(b->arena);
        int r = hd_runtime_api_next(b->api, b->arena, &invocation, &stop, err);
        if (!r && !stop)
            r = handle(b, &invocation, err);
        if (r || stop)
            return r;
    }
}

static int run(struct bootstrap *b) {
    struct hd_error err = {0}, unheard;
    int r = start(b, &err);
    if (r) {
        hd_log_error(HD_LOG_ERROR, "cannot start", NULL, &err);
        if (hd_runtime_api_init_failed(b->api, &err, &unheard))
            hd_log_error(HD_LOG_ERROR, "Lambda cannot be told", NULL, &unheard);
        return 1;
    }
    r = loop(b, &err);
    if (r)
        hd_log_error(HD_LOG_ERROR, "the Runtime API fails", NULL, &err);
    return r ? 1 : 0;
}

int main(void) {
    struct bootstrap b = {0};
    struct hd_error err = {0};
    hd_json_init();
    if (hd_runtime_api_new(getenv("AWS_LAMBDA_RUNTIME_API"), &b.api, &err)) {
        (void)fprintf(stderr, "%s. This program is started by AWS Lambda; on machines of your own, run `helpdesk`.\n", err.detail);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to connections that were closed while this process was frozen */
    int status = run(&b);
    hd_function_stop(b.started);
    hd_arena_free(b.arena);
    hd_settings_free(b.settings);
    hd_runtime_api_free(b.api);
    curl_global_cleanup();
    return status;
}
