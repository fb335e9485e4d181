/* Whatever comes as an event, or as the Runtime API's reply, is read or refused. The first byte says as what it is fed; what was read must be whole, and what is answered must be JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "serverless/audit.h"
#include "serverless/http_event.h"
#include "serverless/invocation.h"
#include "serverless/sqs_event.h"

enum { ARENA_LIMIT_BYTES = 16 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    hd_json_init();
    return 0;
}

static void check(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void check_json(const struct hd_buffer *out, struct hd_arena *arena) {
    json_t *json = NULL;
    check(hd_json_parse(arena, out->data, out->len, HD_JSON_ALLOW_NUL, &json, NULL) == 0, "what is answered is no JSON");
}

static void as_sqs(struct hd_arena *arena, const char *text, size_t len) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_message *messages = NULL;
    size_t count = 0;
    if (hd_sqs_event_read(arena, text, len, &messages, &count, NULL))
        return;
    bool *failed = hd_arena_calloc(arena, count, sizeof *failed);
    for (size_t i = 0; failed && i < count; i++) {
        check(messages[i].message_id && messages[i].receipt && messages[i].body, "a message lacks something");
        check(messages[i].queue < HD_QUEUE_COUNT && messages[i].lane < HD_LANE_COUNT && messages[i].receive_count > 0, "no such message");
        failed[i] = i % 2 == 0;
    }
    if (!failed)
        return;
    hd_sqs_event_answer(&out, messages, failed, count);
    check_json(&out, arena);
}

static void as_http(struct hd_arena *arena, const char *text, size_t len) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_request request = {0};
    struct hd_claims claims = {0};
    if (hd_http_event_read(arena, text, len, "", &request, &claims, NULL))
        return;
    check(request.path[0] == '/' && request.query && request.body && request.method, "a request lacks something");
    check(request.body[request.body_bytes] == '\0', "the body has no end");
    check(!request.identity || (claims.subject && claims.role < HD_ROLE_COUNT), "nobody is vouched for");
    hd_http_event_answer(&out, &(struct hd_response){.status = 200, .body = request.body, .body_bytes = request.body_bytes});
    check_json(&out, arena);
}

static void as_stream(struct hd_arena *arena, const char *text, size_t len) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    const struct hd_stream_record *records = NULL;
    json_t *event = NULL;
    size_t count = 0;
    if (hd_json_parse(arena, text, len, HD_JSON_ALLOW_NUL, &event, NULL) || hd_event_is_schedule(event) ||
        hd_stream_event_read(arena, event, &records, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++) {
        bool written = false;
        hd_buffer_clear(&out);
        if (hd_audit_write(&out, &records[i], arena, &written, NULL) == 0 && written)
            check_json(&out, arena);
    }
}

static void as_reply(struct hd_arena *arena, const char *text, size_t len) {
    HD_CLEANUP(hd_reply_free) struct hd_reply whole = {0}, pieces = {0};
    struct hd_invocation invocation = {0};
    size_t taken = 0, at = 0, more = 0;
    int r = hd_reply_feed(&whole, text, len, &taken, NULL), s = 0;
    for (; !s && at < len && pieces.state != HD_REPLY_DONE; at += more)
        s = hd_reply_feed(&pieces, text + at, 1, &more, NULL);
    check(r == s && (r || (whole.state == pieces.state && taken == at)), "in pieces it is another reply");
    check(r || (whole.body.len == pieces.body.len && whole.status == pieces.status), "in pieces it has another body");
    if (!r && whole.state == HD_REPLY_DONE && hd_invocation_read(&whole, arena, &invocation, NULL) == 0)
        check(*invocation.request_id && invocation.event[invocation.event_bytes] == '\0', "an invocation lacks something");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const ways[])(struct hd_arena * arena, const char *text, size_t len) = {as_sqs, as_http, as_stream, as_reply};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_LIMIT_BYTES);
    char xray[256];
    if (!arena || size == 0)
        return 0;
    ways[data[0] % HD_ARRAY_LEN(ways)](arena, (const char *)data + 1, size - 1);
    size_t len = size - 1 < sizeof xray - 1 ? size - 1 : sizeof xray - 1;
    memcpy(xray, data + 1, len);
    xray[len] = '\0';
    char traceparent[HD_TRACEPARENT_LEN + 1];
    if (hd_traceparent_from_xray(xray, traceparent))
        check(hd_traceparent_valid(traceparent), "no traceparent");
    return 0;
}
