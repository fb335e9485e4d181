#include "producer/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char no_memory_body[] =
    "{\"type\":\"urn:helpdesk:problem:no-memory\",\"title\":\"Out of memory\",\"status\":503,\"detail\":\"Try again later.\",\"correlationId\":\"\"}";

void hd_problem_trace_headers(struct hd_call *call) {
    struct hd_response *response = call->response;
    response->correlation_id = call->correlation_id;
    response->traceparent = call->traceparent;
    if (call->correlation_id)
        hd_response_header(response, "X-Correlation-Id", call->correlation_id);
    if (call->traceparent)
        hd_response_header(response, "traceparent", call->traceparent);
}

/* What went wrong inside is for the logs: paths and SQL help nobody outside but an attacker. */
static void put_detail(struct hd_json_writer *w, const struct hd_error *err, int status) {
    const char *detail = err->detail;
    if (status >= 500 && err->code != HD_ERR_OVERLOADED)
        detail = hd_code_retryable(err->code) ? "Nothing was acknowledged. Try again later."
                                              : "Nothing was acknowledged. The correlationId leads to the cause in the logs.";
    char sentence[HD_ERROR_POINTER_BYTES + HD_ERROR_DETAIL_BYTES];
    if (err->code == HD_ERR_INVALID) { /* "title" + "must be at most 200 characters long" */
        snprintf(sentence, sizeof(sentence), "%s %s", err->pointer[0] ? err->pointer + 1 : "The body", err->detail);
        detail = sentence;
    }
    hd_json_put_str(w, "detail", detail);
}

static void write_errors(struct hd_json_writer *w, const struct hd_schema_problems *problems) {
    hd_json_open_array(w, "errors");
    for (size_t i = 0; i < problems->count; i++) {
        hd_json_open_object(w, NULL);
        hd_json_put_str(w, "pointer", problems->items[i].pointer);
        hd_json_put_str(w, "keyword", problems->items[i].keyword);
        hd_json_put_str(w, "detail", problems->items[i].detail);
        hd_json_close_object(w);
    }
    hd_json_close_array(w);
}

void hd_problem_put_members(struct hd_json_writer *w, const struct hd_call *call, const struct hd_error *err) {
    int status = hd_code_http_status(err->code);
    char type[64] = "urn:helpdesk:problem:";
    strncat(type, hd_code_type(err->code), sizeof(type) - strlen(type) - 1);
    hd_json_put_str(w, "type", type);
    hd_json_put_str(w, "title", hd_code_title(err->code));
    hd_json_put_int(w, "status", status);
    put_detail(w, err, status);
    if (err->code == HD_ERR_INVALID && call->problems && call->problems->count > 0)
        write_errors(w, call->problems);
    hd_json_put_str(w, "correlationId", call->correlation_id ? call->correlation_id : "");
}

static void write_body(struct hd_call *call, const struct hd_error *err) {
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_problem_put_members(&w, call, err);
    hd_json_close_object(&w);
}

/* The error in the arena, for the host's log. */
static const struct hd_error *kept(struct hd_arena *arena, const struct hd_error *err) {
    struct hd_error *copy = hd_arena_alloc(arena, sizeof(*copy));
    if (copy)
        *copy = *err;
    return copy;
}

void hd_problem(struct hd_call *call, const struct hd_error *err) {
    struct hd_response *response = call->response;
    int status = hd_code_http_status(err->code);
    *response = (struct hd_response){.status = status, .operation = response->operation, .omit_body = response->omit_body};
    if (status >= 500)
        response->error = kept(call->arena, err);
    write_body(call, err);
    if (hd_call_text(call, &response->body, &response->body_bytes, NULL) < 0) {
        response->status = status = 503;
        response->body = no_memory_body;
        response->body_bytes = sizeof(no_memory_body) - 1;
    }
    hd_response_header(response, "Content-Type", "application/problem+json");
    hd_problem_trace_headers(call);
    if (status == 401) {
        /* RFC 6750 §3.1: who has sent nothing is not told of an error. */
        bool sent_one = hd_request_header(call->request, "Authorization") != NULL;
        hd_response_header(response, "WWW-Authenticate", sent_one ? "Bearer error=\"invalid_token\"" : "Bearer");
    }
    if (status == 405 && call->allow)
        hd_response_header(response, "Allow", call->allow);
    if (status == 503) {
        int64_t seconds = call->retry_after_s > 0 ? call->retry_after_s : HD_RETRY_AFTER_DEFAULT_S;
        const char *text = hd_arena_printf(call->arena, "%" PRId64, seconds);
        hd_response_header(response, "Retry-After", text ? text : "2");
    }
}
