#include "base/trace.h"

#include <stddef.h>
#include <string.h>

/* version "-" trace id "-" span id "-" flags */
enum { TRACE_ID_AT = 3, SPAN_ID_AT = 36, SPAN_ID_LEN = 16, FLAGS_AT = 53, TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8 };

/* Sampled and random-trace-id; a sender must not pass on flags that it does not know. */
enum { FLAG_SAMPLED = 1, FLAG_RANDOM = 2 };

static int nibble(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (nibble(text[i]) < 0)
            return false;
    return true;
}

static bool all_zero(const char *hex, size_t len) {
    return strspn(hex, "0") >= len;
}

bool hd_traceparent_valid(const char *text) {
    if (strnlen(text, HD_TRACEPARENT_LEN) < HD_TRACEPARENT_LEN)
        return false;
    if (!is_hex(text, 2) || memcmp(text, "ff", 2) == 0)
        return false;
    if (text[2] != '-' || text[TRACE_ID_AT + HD_TRACE_ID_LEN] != '-' || text[SPAN_ID_AT + SPAN_ID_LEN] != '-')
        return false;
    if (!is_hex(text + TRACE_ID_AT, HD_TRACE_ID_LEN) || !is_hex(text + SPAN_ID_AT, SPAN_ID_LEN) || !is_hex(text + FLAGS_AT, 2))
        return false;
    if (all_zero(text + TRACE_ID_AT, HD_TRACE_ID_LEN) || all_zero(text + SPAN_ID_AT, SPAN_ID_LEN))
        return false;
    char after = text[HD_TRACEPARENT_LEN];
    bool first_version = memcmp(text, "00", 2) == 0;
    return after == '\0' || (!first_version && after == '-');
}

/* An id that is not all zero, which the standard calls invalid. */
static void put_id(char *at, const uint8_t *random, size_t bytes) {
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        at[2 * i] = hex[random[i] >> 4];
        at[2 * i + 1] = hex[random[i] & 15];
    }
    if (all_zero(at, 2 * bytes))
        at[2 * bytes - 1] = '1';
}

void hd_traceparent_child(const char *parent, const uint8_t random[24], char ret_text[HD_TRACEPARENT_LEN + 1]) {
    char text[HD_TRACEPARENT_LEN + 1] = "00-00000000000000000000000000000000-0000000000000000-00"; /* parent may be ret_text */
    int flags = FLAG_SAMPLED;
    if (parent && hd_traceparent_valid(parent)) {
        memcpy(text + TRACE_ID_AT, parent + TRACE_ID_AT, HD_TRACE_ID_LEN);
        flags = nibble(parent[FLAGS_AT + 1]) & (FLAG_SAMPLED | FLAG_RANDOM);
    } else {
        put_id(text + TRACE_ID_AT, random, TRACE_ID_BYTES);
    }
    put_id(text + SPAN_ID_AT, random + TRACE_ID_BYTES, SPAN_ID_BYTES);
    text[FLAGS_AT + 1] = (char)('0' + flags);
    memcpy(ret_text, text, sizeof(text));
}

bool hd_correlation_acceptable(const char *text) {
    static const char taken[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=@-";
    size_t len = strnlen(text, HD_CORRELATION_MAX_LEN + 1);
    return len > 0 && len <= HD_CORRELATION_MAX_LEN && strspn(text, taken) == len;
}
