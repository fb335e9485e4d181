#include "producer/http.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

const char *hd_request_header(const struct hd_request *request, const char *name) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    }
    return NULL;
}

void hd_response_header(struct hd_response *response, const char *name, const char *value) {
    assert(response->header_count < HD_HTTP_ANSWER_HEADERS_MAX);
    response->headers[response->header_count++] = (struct hd_header){.name = name, .value = value};
}

static int nibble(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hd_percent_decode(struct hd_arena *arena, const char *text, size_t len, bool plus_is_space, const char **ret_text,
                      struct hd_error *err) {
    char *decoded = hd_arena_alloc(arena, len + 1);
    if (!decoded)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a part of the URL");
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i > 2 ? nibble(text[i + 1]) : -1, low = len - i > 2 ? nibble(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return hd_error_set(err, HD_ERR_MALFORMED, "the URL has a '%%' that no two hex digits follow");
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return hd_error_set(err, HD_ERR_MALFORMED, "the URL has a NUL");
        decoded[count++] = c;
    }
    decoded[count] = '\0';
    if (hd_utf8_valid_prefix(decoded, count) < count)
        return hd_error_set(err, HD_ERR_MALFORMED, "the URL is not UTF-8");
    *ret_text = decoded;
    return 0;
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

const char *hd_percent_encode(struct hd_arena *arena, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    char *encoded = hd_arena_alloc(arena, 3 * strlen(text) + 1);
    if (!encoded)
        return NULL;
    char *at = encoded;
    for (; *text; text++) {
        if (is_unreserved(*text)) {
            *at++ = *text;
            continue;
        }
        unsigned char c = (unsigned char)*text;
        *at++ = '%';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
    }
    *at = '\0';
    return encoded;
}

bool hd_query_next(const char **at, struct hd_query_pair *ret_pair) {
    const char *start = *at;
    while (*start == '&')
        start++;
    if (*start == '\0') {
        *at = start;
        return false;
    }
    size_t len = strcspn(start, "&");
    const char *equals = memchr(start, '=', len);
    size_t name_len = equals ? (size_t)(equals - start) : len;
    *ret_pair = (struct hd_query_pair){.name = start, .name_len = name_len, .value = start + len};
    if (equals) {
        ret_pair->value = equals + 1;
        ret_pair->value_len = len - name_len - 1;
    }
    *at = start + len;
    return true;
}

const char *hd_request_query(const struct hd_request *request, struct hd_arena *arena, const char *name) {
    struct hd_query_pair pair;
    for (const char *at = request->query; hd_query_next(&at, &pair);) {
        const char *decoded = "", *value = NULL;
        if (hd_percent_decode(arena, pair.name, pair.name_len, true, &decoded, NULL) < 0 || strcmp(decoded, name) != 0)
            continue;
        return hd_percent_decode(arena, pair.value, pair.value_len, true, &value, NULL) < 0 ? NULL : value;
    }
    return NULL;
}
