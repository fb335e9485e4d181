#include "serverless/invocation.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MARGIN_MS = 1000, REQUEST_ID_MAX_LEN = 128, XRAY_MAX_LEN = 512 };

static const char *header_text(const struct hd_reply *reply, const char *name, struct hd_arena *arena) {
    size_t len = 0;
    const char *value = hd_reply_header(reply, name, &len);
    return value ? hd_arena_strndup(arena, value, len) : NULL;
}

/* What goes into a path and a log line. */
static bool acceptable_id(const char *id) {
    size_t len = strlen(id);
    return len > 0 && len <= REQUEST_ID_MAX_LEN && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
}

static bool read_time(const char *text, int64_t *ret_ms) {
    size_t len = strspn(text, "0123456789");
    int64_t ms = 0;
    if (len == 0 || len > 17 || text[len] != '\0')
        return false;
    for (size_t i = 0; i < len; i++)
        ms = ms * 10 + (text[i] - '0');
    *ret_ms = ms;
    return true;
}

int hd_invocation_read(const struct hd_reply *reply, struct hd_arena *arena, struct hd_invocation *ret, struct hd_error *err) {
    const char *id = header_text(reply, "Lambda-Runtime-Aws-Request-Id", arena);
    const char *deadline = header_text(reply, "Lambda-Runtime-Deadline-Ms", arena);
    const char *trace = header_text(reply, "Lambda-Runtime-Trace-Id", arena);
    struct hd_invocation invocation = {.request_id = id, .trace = trace ? trace : "", .event = hd_buffer_text(&reply->body)};
    invocation.event_bytes = reply->body.len;
    if (!id || !acceptable_id(id))
        return hd_error_set(err, HD_ERR_MALFORMED, "the invocation has no Lambda-Runtime-Aws-Request-Id that could be one");
    if (!deadline || !read_time(deadline, &invocation.deadline_ms))
        return hd_error_set(err, HD_ERR_MALFORMED, "the invocation has no Lambda-Runtime-Deadline-Ms that is a time");
    (void)hd_traceparent_from_xray(invocation.trace, invocation.traceparent);
    *ret = invocation;
    return 0;
}

/* The value of one "Name=value" of the header, when it has exactly len bytes. */
static const char *xray_part(const char *header, const char *name, size_t len) {
    size_t name_len = strlen(name);
    for (const char *at = header; *at;) {
        size_t part_len = strcspn(at, ";");
        if (part_len == name_len + 1 + len && strncmp(at, name, name_len) == 0 && at[name_len] == '=')
            return at + name_len + 1;
        at += part_len;
        at += strspn(at, "; ");
    }
    return NULL;
}

bool hd_traceparent_from_xray(const char *header, char ret_text[HD_TRACEPARENT_LEN + 1]) {
    enum { ROOT_LEN = 35, TIME_LEN = 8, REST_LEN = 24, PARENT_LEN = 16 }; /* "1-" time "-" rest */
    char text[HD_TRACEPARENT_LEN + 1];
    ret_text[0] = '\0';
    if (strlen(header) > XRAY_MAX_LEN)
        return false;
    const char *root = xray_part(header, "Root", ROOT_LEN), *parent = xray_part(header, "Parent", PARENT_LEN);
    const char *sampled = xray_part(header, "Sampled", 1);
    if (!root || !parent || strncmp(root, "1-", 2) != 0 || root[2 + TIME_LEN] != '-')
        return false;
    (void)snprintf(text, sizeof text, "00-%.*s%.*s-%.*s-%s", TIME_LEN, root + 2, REST_LEN, root + 2 + TIME_LEN + 1, PARENT_LEN, parent,
                   sampled && *sampled == '1' ? "01" : "00");
    if (!hd_traceparent_valid(text))
        return false;
    memcpy(ret_text, text, sizeof text);
    return true;
}

int64_t hd_invocation_work_deadline_ms(const struct hd_invocation *invocation, int64_t now_ms) {
    int64_t left_ms = invocation->deadline_ms - now_ms;
    return invocation->deadline_ms - (left_ms < 2 * ANSWER_MARGIN_MS ? left_ms / 2 : ANSWER_MARGIN_MS);
}
