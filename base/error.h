/* Errors are values: a code from one table, and the sentence that was added on the way up.
 *
 * Every function that can fail returns 0 or a negative enum hd_code, fills a struct hd_error that the caller owns (on its stack,
 * usually; NULL when the caller wants the code alone) and leaves its outputs alone. Only hosts log. Thread-safe: no state. */
#pragma once

#include <stdbool.h>

#include "base/attributes.h"

/* code, value, problem type (the last part of its URI), title (RFC 9457), HTTP status, worth a retry without any change */
#define HD_ERROR_TABLE(X)                                                                                      \
    X(MALFORMED, -1, "malformed", "The request could not be read", 400, false)                                 \
    X(UNAUTHENTICATED, -2, "unauthenticated", "A valid token is needed", 401, false)                           \
    X(FORBIDDEN, -3, "forbidden", "This role may not do that", 403, false)                                     \
    X(NOT_FOUND, -4, "not-found", "There is no such thing", 404, false)                                        \
    X(METHOD, -5, "method-not-allowed", "This method is not allowed here", 405, false)                         \
    X(NOT_ACCEPTABLE, -6, "not-acceptable", "No acceptable form of the answer", 406, false)                    \
    X(CONFLICT, -7, "conflict", "It changed, or exists already", 409, true)                                    \
    X(PRECONDITION, -8, "precondition-failed", "It is not the version that If-Match names", 412, false)        \
    X(TOO_LARGE, -9, "too-large", "The request is larger than the limit", 413, false)                          \
    X(MEDIA_TYPE, -10, "unsupported-media-type", "This content type is not supported", 415, false)             \
    X(INVALID, -11, "invalid", "The request breaks its schema", 422, false)                                    \
    X(KEY_REUSED, -12, "idempotency-key-reused", "This Idempotency-Key came with another request", 422, false) \
    X(HEADERS_TOO_LARGE, -13, "headers-too-large", "The headers are larger than the limit", 431, false)        \
    X(INTERNAL, -14, "internal", "Something is wrong on our side", 500, false)                                 \
    X(NOT_IMPLEMENTED, -15, "not-implemented", "This backend cannot do that", 501, false)                      \
    X(OVERLOADED, -16, "overloaded", "Too much is waiting; try again later", 503, true)                        \
    X(UNAVAILABLE, -17, "unavailable", "The store cannot be written or read right now", 503, true)             \
    X(NO_MEMORY, -18, "no-memory", "Out of memory", 503, true)                                                 \
    X(NO_SPACE, -19, "no-space", "The disk is full", 503, true)                                                \
    X(CORRUPT, -20, "corrupt", "The store is damaged", 503, false)                                             \
    X(NEWER_STORE, -21, "newer-store", "The database was made by a newer version", 503, false)                 \
    X(TIMEOUT, -22, "timeout", "It took too long", 504, true)                                                  \
    X(CONFIGURATION, -23, "configuration", "A setting is wrong", 500, false)                                   \
    X(LIMIT, -24, "limit", "A limit of the program was reached", 500, false)

enum hd_code {
    HD_OK = 0,
#define HD_ERROR_ENUM(name, value, type, title, http, retry) HD_ERR_##name = (value),
    HD_ERROR_TABLE(HD_ERROR_ENUM)
#undef HD_ERROR_ENUM
};

enum { HD_ERROR_DETAIL_BYTES = 256, HD_ERROR_POINTER_BYTES = 128 };

struct hd_error {
    enum hd_code code;
    char detail[HD_ERROR_DETAIL_BYTES];   /* a sentence for people; cut, never overrun; always NUL-terminated UTF-8 */
    char pointer[HD_ERROR_POINTER_BYTES]; /* RFC 6901 pointer to the field that is at fault, or "" */
};

/* Sets all of *err (which may be NULL) and returns the code: return hd_error_set(err, HD_ERR_LIMIT, "…", …); */
int hd_error_set(struct hd_error *err, enum hd_code code, const char *fmt, ...) HD_PRINTF(3, 4);

/* Puts "context: " before the detail, keeps the code, and returns it (HD_ERR_INTERNAL for a NULL err, here and in hd_error_at: they are
 * for errors that the caller owns). */
int hd_error_context(struct hd_error *err, const char *fmt, ...) HD_PRINTF(2, 3);

/* Sets the pointer of an error that is set already. Returns its code. */
int hd_error_at(struct hd_error *err, const char *pointer);

const char *hd_code_type(enum hd_code code);  /* "not-found"; "internal" for a code that is not in the table */
const char *hd_code_title(enum hd_code code); /* a sentence without its full stop */
int hd_code_http_status(enum hd_code code);   /* 500 for a code that is not in the table */
bool hd_code_retryable(enum hd_code code);
