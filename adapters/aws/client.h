/* Requests to AWS services: signed (SigV4), repeated when that can help, many at once on the caller's thread. Private to this folder.
 *
 * Repeating: connection failures, time-outs, 5xx, throttling (by error type), expired credentials (after a refresh), a skewed clock (after a correction, kept in struct hd_aws). At most
 * HD_AWS_TRIES_MAX tries, full jitter from 25 ms doubling to 2 s, Retry-After honoured, and a budget of the client's (500 tokens; a retry takes 5, one after a time-out 10; a success gives back 1), so that an
 * outage is not answered by a storm. Every repetition sends the same bytes: tokens and ids in the body are the caller's way to make it safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "adapters/aws/aws.h"
#include "base/arena.h"

enum hd_aws_service { HD_AWS_DYNAMODB, HD_AWS_SQS, HD_AWS_SES, HD_AWS_SNS, HD_AWS_SERVICE_COUNT };

enum {
    HD_AWS_TRIES_MAX = 4,
    HD_AWS_TIMEOUT_MS = 5000, /* of one try */
    HD_AWS_CONNECT_TIMEOUT_MS = 2000,
    HD_AWS_CONNECTIONS_MAX = 32, /* of one client; more requests wait for one */
    HD_AWS_ANSWER_MAX_BYTES = 20 * 1024 * 1024,
};

struct hd_aws_request {
    enum hd_aws_service service;
    const char *method; /* NULL: POST */
    const char *path;   /* NULL: "/"; else encoded as it is to be sent, a query behind '?' included */
    const char *target; /* JSON 1.0 services: X-Amz-Target, "DynamoDB_20120810.GetItem"; NULL else */
    const char *body;
    size_t body_bytes;
    const char *content_type; /* NULL: by the service */
    int64_t timeout_ms;       /* of one try; 0: HD_AWS_TIMEOUT_MS (long polls need more) */
};

/* What came of a request; text lives in the arena of the call. */
struct hd_aws_response {
    enum hd_code
        code; /* 0: a 2xx came. HD_ERR_UNAVAILABLE: no answer, 5xx or throttled to the end. HD_ERR_CONFIGURATION: credentials, permission, no such table, queue … HD_ERR_INVALID: the
                          service refused it: look at type. HD_ERR_NO_MEMORY, HD_ERR_LIMIT. */
    int http_status;     /* 0: none came */
    const char *type;    /* of an error, bare: "TransactionCanceledException"; "" else */
    const char *message; /* of an error, for people; "" else */
    const char *body;    /* never NULL */
    size_t body_bytes;
    int tries;
    bool unsure; /* failed, and one of the tries may have been done (its answer was lost) */
};

struct hd_aws_client; /* belongs to one thread */

int hd_aws_client_new(struct hd_aws *aws, struct hd_aws_client **ret_client, struct hd_error *err) HD_MUST_CHECK;
void hd_aws_client_free(struct hd_aws_client *client); /* takes NULL */

/* The requests of this client end within that time from now on, tries and all, whatever their own limits are; INT64_MAX lifts it. For work that may as well be left to somebody else. */
void hd_aws_client_end_within(struct hd_aws_client *client, int64_t within_ms);

/* All of them at once, as far as connections go; returns when each has its response, whatever it is: look at code. Fails only without memory (nothing is known of any then). */
int hd_aws_call_all(struct hd_aws_client *client, const struct hd_aws_request *requests, size_t count, struct hd_arena *arena,
                    struct hd_aws_response *ret_responses, struct hd_error *err) HD_MUST_CHECK;
/* One. Its failure is an error: "DynamoDB GetItem: AccessDeniedException: …". */
int hd_aws_call(struct hd_aws_client *client, const struct hd_aws_request *request, struct hd_arena *arena,
                struct hd_aws_response *ret_response, struct hd_error *err) HD_MUST_CHECK;
/* That sentence, and the response's code, from a response of hd_aws_call_all. */
int hd_aws_response_error(const struct hd_aws_request *request, const struct hd_aws_response *response, struct hd_error *err);

/* For providers, whose requests the dispatcher sends: a signed transfer (url, method, headers, body) in the arena, with the credentials of now. */
int hd_aws_sign_transfer(struct hd_aws *aws, const struct hd_aws_request *request, struct hd_arena *arena, struct hd_transfer *ret_transfer,
                         struct hd_error *err) HD_MUST_CHECK;

/* What the other files of this folder need of the shared part. */
const struct hd_aws_options *hd_aws_options(const struct hd_aws *aws);
const char *hd_aws_region(const struct hd_aws *aws);
