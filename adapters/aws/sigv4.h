/* AWS Signature Version 4: a pure signer in named steps. No I/O, no clock; all text lives in the caller's arena.
 *
 * request → canonical request → string to sign → signature → the Authorization header, or a signed query.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html; checked with the official vectors of aws-c-auth. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum { HD_SIGV4_HEADERS_MAX = 64, HD_SIGV4_PARAMETERS_MAX = 256, HD_SIGV4_SHA256_HEX = 64 };

struct hd_sigv4_header {
    const char *name;  /* in any case; one that comes twice is joined by commas, in the order in which it stands */
    const char *value; /* spaces around it, runs of spaces and line folds count as HTTP has them: one space, or none */
};

/* What is sent. All of headers are signed: leave out what a proxy might change. The signer adds x-amz-date, x-amz-security-token and, when it is asked for, x-amz-content-sha256. */
struct hd_sigv4_request {
    const char *method;
    const char *path;  /* as it is sent, without the query; "" counts as "/" */
    const char *query; /* as it is sent, without '?'; NULL or "": none */
    const struct hd_sigv4_header *headers;
    size_t header_count;
    const void *body;
    size_t body_bytes;
};

struct hd_sigv4_keys {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL or "": none */
};

struct hd_sigv4_scope {
    const char *region;
    const char *service; /* its signing name: "dynamodb", "sqs", "ses", "sns" */
    int64_t time_ms;     /* Unix; the service refuses what is five (some: fifteen) minutes off */
    bool path_as_it_is;  /* no "." and ".." and empty segments taken out of the path (S3) */
    bool encode_once;    /* the path is not encoded once more for signing (S3) */
    bool body_header;    /* x-amz-content-sha256 is sent and signed */
    bool token_unsigned; /* the session token is sent, and left out of the signature */
    int64_t expires_s;   /* of a signed query */
};

/* Each step's result, so that each can be looked at. */
struct hd_sigv4_signed {
    const char *canonical_request;
    const char *string_to_sign;
    const char *signature; /* hex */
    const char *signed_headers;
    const char *amz_date;      /* of x-amz-date: 20150830T123600Z */
    const char *body_sha256;   /* hex */
    const char *authorization; /* by headers: the value of Authorization; NULL by query */
    const char *query;         /* by query: the whole query that is to be sent; NULL by headers */
};

/* HD_ERR_INVALID: more headers or parameters than the limits. HD_ERR_NO_MEMORY: the arena's limit included. */
int hd_sigv4_sign_headers(const struct hd_sigv4_request *request, const struct hd_sigv4_keys *keys, const struct hd_sigv4_scope *scope,
                          struct hd_arena *arena, struct hd_sigv4_signed *ret_signed, struct hd_error *err) HD_MUST_CHECK;
int hd_sigv4_sign_query(const struct hd_sigv4_request *request, const struct hd_sigv4_keys *keys, const struct hd_sigv4_scope *scope,
                        struct hd_arena *arena, struct hd_sigv4_signed *ret_signed, struct hd_error *err) HD_MUST_CHECK;
