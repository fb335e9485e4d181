/* libFuzzer: the first byte chooses the options, the rest is a request: method, path, query, headers and body, each behind a NUL. It is signed both ways or refused as too large; what was made has the form that the
 * specification gives it, and the order of the query's parameters, or the case of the headers' names, changes nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 24, ARENA_BYTES = 32 * 1024 * 1024, TEXT_MAX_BYTES = 16 * 1024 };

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static size_t lines_of(const char *text) {
    size_t lines = 1;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static bool is_hex(const char *text) {
    return strspn(text, "0123456789abcdef") == (size_t)HD_SIGV4_SHA256_HEX && text[HD_SIGV4_SHA256_HEX] == '\0';
}

static void check(const struct hd_sigv4_request *request, const struct hd_sigv4_signed *made) {
    must(is_hex(made->signature) && is_hex(made->body_sha256), "a signature and a digest are 64 hex digits");
    must(lines_of(made->string_to_sign) == 4, "the string to sign has four lines");
    must(!made->authorization != !made->query, "it is signed by headers or by query");
    must(strlen(made->amz_date) == 16, "the date is compact");
    const char *last = strrchr(made->canonical_request, '\n');
    must(last && strcmp(last + 1, made->body_sha256) == 0, "the canonical request ends with the body's digest");
    if (!strchr(request->method, '\n')) {
        const char *path = strchr(made->canonical_request, '\n') + 1;
        must(*path == '/' || request->path[0] != '/', "a path begins at the root");
        const char *query = strchr(path, '\n') + 1;
        size_t path_len = (size_t)(query - 1 - path);
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%/=&";
        must(strspn(path, allowed) >= path_len, "the path is encoded");
        must(query[strspn(query, allowed)] == '\n', "the query is encoded");
    }
}

/* The same parameters the other way round. */
static char *reversed_query(struct hd_arena *arena, const char *query) {
    size_t len = strlen(query);
    char *copy = hd_arena_alloc(arena, len + 1);
    char *to = copy;
    for (size_t end = len; copy; end--) {
        size_t begin = end;
        while (begin > 0 && query[begin - 1] != '&')
            begin--;
        memcpy(to, query + begin, end - begin);
        to += end - begin;
        *to = '\0';
        if (begin == 0)
            break;
        *to++ = '&';
        end = begin;
    }
    return copy;
}

static char *upper_case(struct hd_arena *arena, const char *text) {
    char *copy = hd_arena_strdup(arena, text);
    for (char *c = copy; c && *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c & ~0x20);
    return copy;
}

static void sign_otherwise(const struct hd_sigv4_request *request, const struct hd_sigv4_keys *keys, const struct hd_sigv4_scope *scope,
                           struct hd_arena *arena, const char *signature) {
    struct hd_sigv4_request other = *request;
    struct hd_sigv4_header headers[FIELDS_MAX];
    struct hd_sigv4_signed made;
    for (size_t i = 0; i < request->header_count; i++)
        headers[i] = (struct hd_sigv4_header){upper_case(arena, request->headers[i].name), request->headers[i].value};
    other.headers = headers;
    other.query = reversed_query(arena, request->query);
    must(hd_sigv4_sign_headers(&other, keys, scope, arena, &made, NULL) == 0, "it is signed in another order, too");
    must(strcmp(made.signature, signature) == 0, "order and case change nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > TEXT_MAX_BYTES)
        return 0;
    char *text = malloc(size);
    must(text, "memory");
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    const char *fields[FIELDS_MAX];
    size_t count = 0;
    for (const char *at = text; count < FIELDS_MAX; at += strlen(at) + 1) {
        fields[count++] = at;
        if (at + strlen(at) >= text + size - 1)
            break;
    }
    while (count < 4)
        fields[count++] = "";
    struct hd_sigv4_header headers[FIELDS_MAX];
    size_t header_count = 0;
    for (size_t i = 4; i + 1 < count; i += 2)
        headers[header_count++] = (struct hd_sigv4_header){fields[i], fields[i + 1]};
    const struct hd_sigv4_request request = {.method = fields[0],
                                             .path = fields[1],
                                             .query = fields[2],
                                             .headers = headers,
                                             .header_count = header_count,
                                             .body = fields[3],
                                             .body_bytes = strlen(fields[3])};
    const struct hd_sigv4_keys keys = {"AKIDEXAMPLE", "secret", data[0] & 1 ? "token" : NULL};
    const struct hd_sigv4_scope scope = {.region = "us-east-1",
                                         .service = "service",
                                         .time_ms = INT64_C(1440938160000),
                                         .path_as_it_is = data[0] & 2,
                                         .encode_once = data[0] & 4,
                                         .body_header = data[0] & 8,
                                         .token_unsigned = data[0] & 16,
                                         .expires_s = data[0]};
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    must(arena, "memory");
    struct hd_sigv4_signed made;
    int r = hd_sigv4_sign_headers(&request, &keys, &scope, arena, &made, NULL);
    must(r == 0 || r == HD_ERR_INVALID, "it is signed, or has too many parameters");
    if (r == 0) {
        check(&request, &made);
        sign_otherwise(&request, &keys, &scope, arena, made.signature);
        r = hd_sigv4_sign_query(&request, &keys, &scope, arena, &made, NULL);
        must(r == 0 || r == HD_ERR_INVALID, "by query likewise");
        if (r == 0)
            check(&request, &made);
    }
    hd_arena_free(arena);
    free(text);
    return 0;
}
