#include "serverless/http_event.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a request");
}

/* ---- the URL ---- */

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* HTTP APIs give rawPath decoded, function URLs as it was sent. What can stand in no encoded path is encoded (again), so that the routes see one form. */
static const char *encoded_path(struct hd_arena *arena, const char *path) {
    static const char hex[] = "0123456789ABCDEF";
    char *encoded = hd_arena_alloc(arena, 3 * strlen(path) + 1), *at = encoded;
    if (!encoded)
        return NULL;
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        bool escape = c == '%' && is_hex(path[1]) && is_hex(path[2]);
        if (escape || (c > ' ' && c < 0x7f && c != '%' && c != '?')) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '%';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
    }
    *at = '\0';
    return encoded;
}

/* A stage with a name stands before the path that the caller meant: "/prod/tickets". */
static const char *without_stage(const char *path, const char *stage) {
    size_t len = stage ? strlen(stage) : 0;
    if (len == 0 || strcmp(stage, "$default") == 0 || strncmp(path + 1, stage, len) != 0)
        return path;
    const char *rest = path + 1 + len;
    return *rest == '/' ? rest : *rest == '\0' ? "/" : path;
}

static int read_target(struct hd_arena *arena, const json_t *event, const json_t *context, struct hd_request *request,
                       struct hd_error *err) {
    const char *version = hd_json_str(event, "version"), *path = hd_json_str(event, "rawPath"),
               *query = hd_json_str(event, "rawQueryString");
    request->method = hd_json_str(json_object_get(context, "http"), "method");
    if (!version || strcmp(version, "2.0") != 0 || !request->method || !path || path[0] != '/')
        return hd_error_set(err, HD_ERR_MALFORMED, "the event is no request of an HTTP API with payload format 2.0");
    request->query = query ? query : "";
    request->path = encoded_path(arena, without_stage(path, hd_json_str(context, "stage")));
    return request->path ? 0 : no_memory(err);
}

/* ---- headers and body ---- */

/* X-Ray's trace goes on in ours, where the caller brought none. */
static int read_headers(struct hd_arena *arena, const json_t *event, const char *traceparent, struct hd_request *request,
                        struct hd_error *err) {
    json_t *object = json_object_get(event, "headers"), *value;
    const char *name;
    struct hd_header *headers = hd_arena_calloc(arena, json_object_size(object) + 1, sizeof *headers);
    if (!headers)
        return no_memory(err);
    request->headers = headers;
    json_object_foreach(object, name, value) {
        if (json_is_string(value))
            headers[request->header_count++] = (struct hd_header){.name = name, .value = json_string_value(value)};
    }
    if (*traceparent && !hd_request_header(request, "traceparent"))
        headers[request->header_count++] = (struct hd_header){.name = "traceparent", .value = traceparent};
    return 0;
}

static int read_body(struct hd_arena *arena, const json_t *event, struct hd_request *request, struct hd_error *err) {
    const json_t *body = json_object_get(event, "body");
    request->body = "";
    if (!json_is_string(body))
        return 0;
    request->body = json_string_value(body);
    request->body_bytes = json_string_length(body);
    if (!json_is_true(json_object_get(event, "isBase64Encoded")))
        return 0;
    void *decoded = NULL;
    size_t decoded_len = 0;
    if (!hd_base64_decode(arena, request->body, request->body_bytes, &decoded, &decoded_len))
        return hd_arena_was_full(arena) ? no_memory(err) : hd_error_set(err, HD_ERR_MALFORMED, "the event's body is no base64");
    request->body = decoded;
    request->body_bytes = decoded_len;
    return 0;
}

/* ---- who it is ---- */

/* API Gateway writes a list as "[admin agent]". A service is no person; but one that acts for people would be in their group, too. */
static int highest_role(const char *groups) {
    static const enum hd_role order[] = {HD_ROLE_CUSTOMER, HD_ROLE_SERVICE, HD_ROLE_AGENT, HD_ROLE_MANAGER, HD_ROLE_ADMIN};
    static const char separators[] = "[], \"";
    int highest = -1;
    for (const char *at = groups; *at;) {
        at += strspn(at, separators);
        size_t len = strcspn(at, separators);
        for (int i = 0; i < (int)HD_ARRAY_LEN(order); i++) {
            const char *name = hd_role_name(order[i]);
            if (strlen(name) == len && strncmp(name, at, len) == 0 && i > highest)
                highest = i;
        }
        at += len;
    }
    return highest < 0 ? -1 : (int)order[highest];
}

static enum hd_role role_of(const json_t *claims) {
    const char *groups = hd_json_str(claims, "cognito:groups");
    int role = groups ? highest_role(groups) : -1;
    if (role < 0)
        role = hd_role_from_name(hd_json_str(claims, "custom:role"));
    return role < 0 ? HD_ROLE_CUSTOMER : (enum hd_role)role;
}

static bool read_claims(const json_t *context, struct hd_claims *ret) {
    static const char *const names[] = {"custom:userId", "cognito:username", "username", "sub"};
    const json_t *claims = json_object_get(json_object_get(json_object_get(context, "authorizer"), "jwt"), "claims");
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++) {
        const char *subject = hd_json_str(claims, names[i]);
        if (!subject || !hd_id_acceptable(subject))
            continue;
        *ret = (struct hd_claims){.subject = subject, .role = role_of(claims)};
        return true;
    }
    return false;
}

int hd_http_event_read(struct hd_arena *arena, const char *text, size_t len, const char *traceparent, struct hd_request *ret_request,
                       struct hd_claims *ret_claims, struct hd_error *err) {
    json_t *event = NULL;
    int r = hd_json_parse(arena, text, len, HD_JSON_ALLOW_NUL, &event, err); /* a body may hold anything */
    if (r)
        return r;
    const json_t *context = json_object_get(event, "requestContext");
    struct hd_request request = {0};
    struct hd_claims claims = {0};
    r = read_target(arena, event, context, &request, err);
    if (!r)
        r = read_headers(arena, event, traceparent, &request, err);
    if (!r)
        r = read_body(arena, event, &request, err);
    if (r)
        return r;
    if (read_claims(context, &claims)) {
        *ret_claims = claims;
        request.identity = ret_claims;
    }
    *ret_request = request;
    return 0;
}

/* ---- the answer ---- */

/* No route gives one header twice, which this form could not say. */
static void put_headers(struct hd_json_writer *w, const struct hd_response *response) {
    hd_json_open_object(w, "headers");
    for (size_t i = 0; i < response->header_count; i++)
        hd_json_put_str(w, response->headers[i].name, response->headers[i].value);
    hd_json_close_object(w);
}

void hd_http_event_answer(struct hd_buffer *out, const struct hd_response *response) {
    struct hd_json_writer w = hd_json_writer(out);
    size_t len = response->omit_body ? 0 : response->body_bytes;
    bool is_text = hd_utf8_valid_prefix(response->body, len) == len && !memchr(response->body, '\0', len);
    hd_json_open_object(&w, NULL);
    hd_json_put_int(&w, "statusCode", response->status);
    put_headers(&w, response);
    if (is_text) {
        hd_json_put_strn(&w, "body", response->body, len);
    } else {
        hd_json_put_raw(&w, "body", "\"", 1);
        hd_base64_add(out, response->body, len);
        hd_buffer_add_char(out, '"');
    }
    hd_json_put_bool(&w, "isBase64Encoded", !is_text);
    hd_json_close_object(&w);
}
