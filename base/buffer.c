#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY_BYTES = 256 };

static size_t limit_of(const struct hd_buffer *buffer) {
    return buffer->limit_bytes ? buffer->limit_bytes : (size_t)HD_BUFFER_DEFAULT_LIMIT_BYTES;
}

void hd_buffer_free(struct hd_buffer *buffer) {
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (struct hd_buffer){.limit_bytes = buffer->limit_bytes};
}

void hd_buffer_clear(struct hd_buffer *buffer) {
    buffer->len = 0;
    buffer->failure = HD_OK;
    if (buffer->data)
        buffer->data[0] = '\0';
}

static bool grow(struct hd_buffer *buffer, size_t more) {
    size_t limit = limit_of(buffer);
    if (more > limit || buffer->len > limit - more) {
        buffer->failure = HD_ERR_LIMIT;
        return false;
    }
    size_t need = buffer->len + more + 1; /* the NUL */
    size_t capacity = buffer->capacity;
    if (capacity == 0)
        capacity = limit < FIRST_CAPACITY_BYTES ? limit + 1 : (size_t)FIRST_CAPACITY_BYTES;
    while (capacity < need)
        capacity = capacity > limit / 2 ? limit + 1 : capacity * 2;
    char *data = realloc(buffer->data, capacity);
    if (!data) {
        buffer->failure = HD_ERR_NO_MEMORY;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

char *hd_buffer_reserve(struct hd_buffer *buffer, size_t len) {
    if (buffer->failure)
        return NULL;
    /* The limit is asked, too: it may have been lowered since the memory was got. */
    bool fits = len < buffer->capacity - buffer->len && buffer->len + len <= limit_of(buffer);
    if (!fits && !grow(buffer, len))
        return NULL;
    return buffer->data + buffer->len;
}

void hd_buffer_advance(struct hd_buffer *buffer, size_t len) {
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
}

void hd_buffer_add(struct hd_buffer *buffer, const void *data, size_t len) {
    char *at = hd_buffer_reserve(buffer, len);
    if (!at)
        return;
    if (len > 0)
        memcpy(at, data, len);
    hd_buffer_advance(buffer, len);
}

void hd_buffer_add_str(struct hd_buffer *buffer, const char *text) {
    hd_buffer_add(buffer, text, strlen(text));
}

void hd_buffer_add_char(struct hd_buffer *buffer, char c) {
    char *at = hd_buffer_reserve(buffer, 1);
    if (!at)
        return;
    *at = c;
    hd_buffer_advance(buffer, 1);
}

void hd_buffer_printf(struct hd_buffer *buffer, const char *fmt, ...) {
    if (buffer->failure)
        return;
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        buffer->failure = HD_ERR_LIMIT; /* only for a text over INT_MAX: our formats have nothing else that can fail */
    } else {
        char *at = hd_buffer_reserve(buffer, (size_t)len);
        if (at) {
            vsnprintf(at, (size_t)len + 1, fmt, again);
            hd_buffer_advance(buffer, (size_t)len);
        }
    }
    va_end(again);
}

int hd_buffer_check(const struct hd_buffer *buffer, struct hd_error *err) {
    if (buffer->failure == HD_OK)
        return 0;
    if (buffer->failure == HD_ERR_LIMIT)
        return hd_error_set(err, HD_ERR_LIMIT, "the text would be longer than %zu bytes", limit_of(buffer));
    return hd_error_set(err, buffer->failure, "no memory for a text of more than %zu bytes", buffer->len);
}

const char *hd_buffer_text(const struct hd_buffer *buffer) {
    return buffer->data ? buffer->data : "";
}
