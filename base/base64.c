#include "base/base64.h"

#include <string.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add(struct hd_buffer *out, const char *alphabet, const unsigned char *data, size_t len, bool padded) {
    char *to = hd_buffer_reserve(out, (len + 2) / 3 * 4 + 1);
    if (!to)
        return;
    char *at = to;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned bits = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        if (left > 1 || padded)
            *at++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        if (left > 2 || padded)
            *at++ = left > 2 ? alphabet[bits & 63] : '=';
    }
    hd_buffer_advance(out, (size_t)(at - to));
}

void hd_base64_add(struct hd_buffer *out, const void *data, size_t len) {
    add(out, standard, data, len, true);
}

void hd_base64url_add(struct hd_buffer *out, const void *data, size_t len) {
    add(out, for_urls, data, len, false);
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool hd_base64_decode(struct hd_arena *arena, const char *text, size_t len, void **ret_data, size_t *ret_len) {
    if (len % 4 == 0 && len > 0 && text[len - 1] == '=')
        len -= text[len - 2] == '=' ? 2 : 1;
    if (len % 4 == 1)
        return false;
    unsigned char *data = hd_arena_alloc(arena, len / 4 * 3 + 3);
    if (!data) {
        *ret_data = NULL;
        return false;
    }
    unsigned bits = 0;
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        if (i % 4 > 0)
            data[out++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    if (len % 4 > 0 && (bits & (len % 4 == 2 ? 15u : 3u)) != 0)
        return false; /* bits that stand for nothing: another text would mean the same */
    data[out] = '\0';
    *ret_data = data;
    *ret_len = out;
    return true;
}
