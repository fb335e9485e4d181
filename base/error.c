#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Makes *err's detail out of text, which is NUL-terminated and may end in the middle of a character, for snprintf cut it there. */
static void take_detail(struct hd_error *err, char text[HD_ERROR_DETAIL_BYTES], int wanted_len) {
    size_t len = strlen(text);
    size_t valid = hd_utf8_valid_prefix(text, len);
    if (valid < len) {
        bool cut_here = wanted_len >= HD_ERROR_DETAIL_BYTES && len - valid < 4;
        if (cut_here)
            text[valid] = '\0';
        else
            hd_utf8_scrub(text, len);
    }
    memcpy(err->detail, text, HD_ERROR_DETAIL_BYTES);
}

int hd_error_set(struct hd_error *err, enum hd_code code, const char *fmt, ...) {
    assert(code != HD_OK);
    if (!err)
        return code;
    char text[HD_ERROR_DETAIL_BYTES] = ""; /* not straight into err: its old detail may be among the arguments */
    va_list args;
    va_start(args, fmt);
    int wanted_len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err->code = code;
    err->pointer[0] = '\0';
    take_detail(err, text, wanted_len);
    return code;
}

int hd_error_context(struct hd_error *err, const char *fmt, ...) {
    if (!err)
        return HD_ERR_INTERNAL;
    char text[HD_ERROR_DETAIL_BYTES] = "";
    va_list args;
    va_start(args, fmt);
    int context_len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (context_len < 0)
        return err->code;
    int wanted_len = context_len;
    if (context_len < HD_ERROR_DETAIL_BYTES) {
        size_t at = (size_t)context_len;
        wanted_len += snprintf(text + at, sizeof(text) - at, ": %s", err->detail);
    }
    take_detail(err, text, wanted_len);
    return err->code;
}

int hd_error_at(struct hd_error *err, const char *pointer) {
    if (!err)
        return HD_ERR_INTERNAL;
    size_t len = strnlen(pointer, HD_ERROR_POINTER_BYTES - 1);
    len = hd_utf8_valid_prefix(pointer, len);
    memmove(err->pointer, pointer, len);
    err->pointer[len] = '\0';
    return err->code;
}

const char *hd_code_type(enum hd_code code) {
    switch (code) {
#define HD_ERROR_TYPE(name, value, type, title, http, retry) \
    case HD_ERR_##name:                                      \
        return type;
        HD_ERROR_TABLE(HD_ERROR_TYPE)
    case HD_OK:
        break;
    }
    return "internal";
}

const char *hd_code_title(enum hd_code code) {
    switch (code) {
#define HD_ERROR_TITLE(name, value, type, title, http, retry) \
    case HD_ERR_##name:                                       \
        return title;
        HD_ERROR_TABLE(HD_ERROR_TITLE)
    case HD_OK:
        break;
    }
    return hd_code_title(HD_ERR_INTERNAL);
}

int hd_code_http_status(enum hd_code code) {
    switch (code) {
#define HD_ERROR_HTTP(name, value, type, title, http, retry) \
    case HD_ERR_##name:                                      \
        return http;
        HD_ERROR_TABLE(HD_ERROR_HTTP)
    case HD_OK:
        break;
    }
    return 500;
}

bool hd_code_retryable(enum hd_code code) {
    switch (code) {
#define HD_ERROR_RETRY(name, value, type, title, http, retry) \
    case HD_ERR_##name:                                       \
        return retry;
        HD_ERROR_TABLE(HD_ERROR_RETRY)
    case HD_OK:
        break;
    }
    return false;
}
