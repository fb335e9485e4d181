#include "producer/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/utf8.h"

int hd_call_refuse(struct hd_call *call, struct hd_error *err, const char *pointer, const char *keyword, const char *fmt, ...) {
    struct hd_schema_problem *problem = &call->problems->items[0];
    va_list args;
    va_start(args, fmt);
    vsnprintf(problem->detail, sizeof(problem->detail), fmt, args);
    va_end(args);
    snprintf(problem->pointer, sizeof(problem->pointer), "%s", pointer);
    problem->pointer[hd_utf8_valid_prefix(problem->pointer, strlen(problem->pointer))] = '\0'; /* one that was cut */
    problem->keyword = keyword;
    call->problems->count = 1;
    hd_error_set(err, HD_ERR_INVALID, "%s", problem->detail);
    return hd_error_at(err, pointer);
}

const char *hd_call_new_id(struct hd_call *call) {
    uint8_t random[10];
    call->ctx->random->fill(call->ctx->random, random, sizeof(random));
    struct hd_id id = hd_id_v7(call->ctx->now_ms, random);
    return hd_arena_strndup(call->arena, id.text, HD_ID_TEXT_LEN);
}

/* ---- the query ---- */

/* "?limit": not a pointer into the body. */
static const char *parameter(char at[HD_SCHEMA_POINTER_BYTES], const char *name) {
    snprintf(at, HD_SCHEMA_POINTER_BYTES, "?%s", name);
    return at;
}

static bool is_known(const struct hd_route *route, const char *name, unsigned *ret_bit) {
    for (unsigned i = 0; i < HD_ROUTE_QUERY_MAX && route->query[i]; i++) {
        if (strcmp(route->query[i], name) == 0) {
            *ret_bit = 1u << i;
            return true;
        }
    }
    return false;
}

int hd_call_check_query(struct hd_call *call, struct hd_error *err) {
    if (!call->route->query[0]) /* a route that reads none: what comes is for somebody on the way */
        return 0;
    unsigned seen = 0, bit = 0;
    struct hd_query_pair pair;
    for (const char *at = call->request->query; hd_query_next(&at, &pair); seen |= bit) {
        const char *name, *value;
        int r = hd_percent_decode(call->arena, pair.name, pair.name_len, true, &name, err);
        if (r < 0)
            return r;
        char pointer[HD_SCHEMA_POINTER_BYTES];
        if (!is_known(call->route, name, &bit))
            return hd_call_refuse(call, err, parameter(pointer, name), "additionalProperties", "is no parameter that is known here");
        if (seen & bit)
            return hd_call_refuse(call, err, parameter(pointer, name), "maxItems", "must be given once");
        r = hd_percent_decode(call->arena, pair.value, pair.value_len, true, &value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int hd_call_query_text(struct hd_call *call, const char *name, size_t max_len, const char **ret_value, struct hd_error *err) {
    const char *value = hd_request_query(call->request, call->arena, name);
    char pointer[HD_SCHEMA_POINTER_BYTES];
    if (value && value[0] == '\0')
        return hd_call_refuse(call, err, parameter(pointer, name), "minLength", "must not be empty");
    if (value && strlen(value) > max_len)
        return hd_call_refuse(call, err, parameter(pointer, name), "maxLength", "must be at most %zu bytes long", max_len);
    *ret_value = value;
    return 0;
}

int hd_call_query_id(struct hd_call *call, const char *name, const char **ret_value, struct hd_error *err) {
    const char *value = hd_request_query(call->request, call->arena, name);
    char pointer[HD_SCHEMA_POINTER_BYTES];
    if (value && !hd_id_acceptable(value))
        return hd_call_refuse(call, err, parameter(pointer, name), "pattern", "must be an id: 1 to %d visible ASCII characters",
                              HD_ID_MAX_LEN);
    *ret_value = value;
    return 0;
}

int hd_call_query_name(struct hd_call *call, const char *name, int (*from_name)(const char *), int *ret_value, struct hd_error *err) {
    const char *text = hd_request_query(call->request, call->arena, name);
    int value = text ? from_name(text) : -1;
    char pointer[HD_SCHEMA_POINTER_BYTES];
    if (text && value < 0)
        return hd_call_refuse(call, err, parameter(pointer, name), "enum", "must be one of the values that the API description lists");
    *ret_value = value;
    return 0;
}

int hd_call_page(struct hd_call *call, struct hd_page *ret_page, struct hd_error *err) {
    struct hd_page page = {.limit = HD_PAGE_DEFAULT};
    const char *limit = hd_request_query(call->request, call->arena, "limit");
    if (limit) {
        size_t len = strlen(limit);
        bool is_number = len > 0 && len <= 4 && strspn(limit, "0123456789") == len;
        long number = is_number ? strtol(limit, NULL, 10) : 0;
        if (number < 1 || number > HD_PAGE_MAX)
            return hd_call_refuse(call, err, "?limit", number < 1 ? "minimum" : "maximum", "must be a number from 1 to %d", HD_PAGE_MAX);
        page.limit = (size_t)number;
    }
    int r = hd_call_query_text(call, "cursor", HD_CURSOR_MAX_LEN, &page.cursor, err);
    if (r < 0)
        return r;
    *ret_page = page;
    return 0;
}

int hd_call_list_failed(struct hd_call *call, int code, struct hd_error *err) {
    if (code == HD_ERR_MALFORMED)
        return hd_call_refuse(call, err, "?cursor", "pattern", "must be the nextCursor of a page before");
    return code;
}

/* ---- writing ---- */

struct hd_json_writer hd_call_write(struct hd_call *call) {
    hd_buffer_clear(&call->text);
    return hd_json_writer(&call->text);
}

int hd_call_text(struct hd_call *call, const char **ret_text, size_t *ret_len, struct hd_error *err) {
    int r = hd_buffer_check(&call->text, err);
    if (r < 0)
        return r;
    char *text = hd_arena_alloc(call->arena, call->text.len + 1);
    if (!text)
        return hd_call_no_memory(err);
    memcpy(text, hd_buffer_text(&call->text), call->text.len + 1);
    *ret_text = text;
    *ret_len = call->text.len;
    return 0;
}

int hd_call_answer(struct hd_call *call, int status, struct hd_error *err) {
    int r = hd_call_text(call, &call->response->body, &call->response->body_bytes, err);
    if (r < 0)
        return r;
    call->response->status = status;
    hd_response_header(call->response, "Content-Type", "application/json");
    if (strcmp(call->route->method, "GET") == 0) /* what people wrote stays in no cache */
        hd_response_header(call->response, "Cache-Control", "no-store");
    return 0;
}

struct hd_json_writer hd_call_write_list(struct hd_call *call) {
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "items");
    return w;
}

int hd_call_answer_list(struct hd_call *call, struct hd_json_writer *w, const char *next_cursor, struct hd_error *err) {
    hd_json_close_array(w);
    hd_json_put_str(w, "nextCursor", next_cursor);
    hd_json_close_object(w);
    return hd_call_answer(call, 200, err);
}

int hd_call_locate(struct hd_call *call, const char *path, const char *id, struct hd_error *err) {
    const char *segment = hd_percent_encode(call->arena, id);
    const char *location = segment ? hd_arena_printf(call->arena, "%s/%s", path, segment) : NULL;
    if (!location)
        return hd_call_no_memory(err);
    hd_response_header(call->response, "Location", location);
    return 0;
}

int hd_call_etag(struct hd_call *call, int64_t version, struct hd_error *err) {
    const char *etag = version == 1 ? "\"1\"" : hd_arena_printf(call->arena, "\"%" PRId64 "\"", version);
    if (!etag)
        return hd_call_no_memory(err);
    hd_response_header(call->response, "ETag", etag);
    return 0;
}
