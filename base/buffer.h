/* A byte buffer that grows up to a limit. Writing past the limit, or running out of memory, marks the buffer failed; later writes
 * do nothing, so a writer checks once, at its end. Always NUL-terminated behind its length (the NUL is not counted).
 * Not thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"

struct hd_buffer {
    char *data; /* NULL until something is written */
    size_t len;
    size_t capacity;
    size_t limit_bytes;   /* 0 means HD_BUFFER_DEFAULT_LIMIT_BYTES */
    enum hd_code failure; /* 0, HD_ERR_LIMIT or HD_ERR_NO_MEMORY */
};

enum { HD_BUFFER_DEFAULT_LIMIT_BYTES = 16 * 1024 * 1024 };

void hd_buffer_free(struct hd_buffer *buffer);  /* takes NULL and {0}; leaves {0} with the limit kept */
void hd_buffer_clear(struct hd_buffer *buffer); /* length 0 and no failure; keeps the memory */

void hd_buffer_add(struct hd_buffer *buffer, const void *data, size_t len);
void hd_buffer_add_str(struct hd_buffer *buffer, const char *text);
void hd_buffer_add_char(struct hd_buffer *buffer, char c);
void hd_buffer_printf(struct hd_buffer *buffer, const char *fmt, ...) HD_PRINTF(2, 3);

/* For writers that know what they need: room for len more bytes to be written at the pointer (the NUL behind them included), NULL when
 * the buffer has failed. hd_buffer_advance then says how many of them were written. */
char *hd_buffer_reserve(struct hd_buffer *buffer, size_t len) HD_MUST_CHECK;
void hd_buffer_advance(struct hd_buffer *buffer, size_t len);

/* 0, or the failure with a sentence in err. */
int hd_buffer_check(const struct hd_buffer *buffer, struct hd_error *err) HD_MUST_CHECK;

const char *hd_buffer_text(const struct hd_buffer *buffer); /* "" while empty; never NULL */
