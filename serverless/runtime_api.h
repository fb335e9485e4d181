/* The Lambda Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01): the loop's two ends, over a plain socket to AWS_LAMBDA_RUNTIME_API.
 *
 * Plain sockets, because the API is HTTP/1.1 without TLS on the machine itself: the first `next` is out before any library for networking has been touched, and one connection serves for all.
 * Belongs to one thread. */
#pragma once

#include "serverless/invocation.h"

struct hd_runtime_api;

enum { HD_RUNTIME_ANSWER_MAX_BYTES = 6 * 1024 * 1024 /* what Lambda takes */ };

/* address: "127.0.0.1:9001", as Lambda gives it; connects only when something is asked. HD_ERR_CONFIGURATION: it is none. */
int hd_runtime_api_new(const char *address, struct hd_runtime_api **ret_api, struct hd_error *err) HD_MUST_CHECK;
void hd_runtime_api_free(struct hd_runtime_api *api); /* takes NULL */

/* Waits for the next invocation, however long; what it gives lives until the next call, and in arena. *ret_stop: SIGTERM came instead. (hd_runtime_api_new has blocked SIGTERM in its thread: it
 * arrives while this waits, and nowhere else.) HD_ERR_UNAVAILABLE: the API cannot be reached or has refused. */
int hd_runtime_api_next(struct hd_runtime_api *api, struct hd_arena *arena, struct hd_invocation *ret_invocation, bool *ret_stop,
                        struct hd_error *err) HD_MUST_CHECK;

/* What came of it: the function's answer, or its failure. HD_ERR_TOO_LARGE: Lambda takes no answer of this size. HD_ERR_CONFLICT: it no longer wants it (the deadline has passed).
 * HD_ERR_UNAVAILABLE. */
int hd_runtime_api_respond(struct hd_runtime_api *api, const char *request_id, const char *body, size_t body_bytes,
                           struct hd_error *err) HD_MUST_CHECK;
int hd_runtime_api_fail(struct hd_runtime_api *api, const char *request_id, const struct hd_error *failure,
                        struct hd_error *err) HD_MUST_CHECK;
/* It cannot even begin. */
int hd_runtime_api_init_failed(struct hd_runtime_api *api, const struct hd_error *failure, struct hd_error *err) HD_MUST_CHECK;
