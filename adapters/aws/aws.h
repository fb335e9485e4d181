/* AWS as a backend: the store port on DynamoDB, the queue port on SQS; and mail by SES, SMS by SNS, as providers. Whatever speaks their protocols will do.
 *
 * A struct hd_aws is what all of them share: region, endpoints, credentials. Immutable and thread-safe (credentials refresh behind a lock). Views (store, queue) belong to one thread each and
 * keep connections of their own.
 *
 * Read from the environment, by the names that all AWS tools know: AWS_REGION (or AWS_DEFAULT_REGION), AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_DYNAMODB, _SQS, _SES (or _SESV2), _SNS, AWS_CA_BUNDLE, and all
 * that adapters/aws/credentials.h names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/clock.h"
#include "core/provider.h"
#include "core/queue.h"
#include "core/store.h"

struct hd_aws;

struct hd_aws_options {
    const char *table; /* DynamoDB's; docs/dynamodb.md has its keys and indexes. NULL: no store (only providers) */
    const char *
        queues; /* what stands before each queue's name: "helpdesk-" (the URL is asked for), or "https://sqs.eu-west-1.amazonaws.com/123456789012/helpdesk-" (it is not). NULL: no queues */
    const char *ca_file; /* NULL: AWS_CA_BUNDLE, or the system's bundle, wherever this system keeps it */
    unsigned
        served; /* bits 1u << enum hd_queue_name: the queues that this deployment has, because they have a processor; only these are set up, checked, and looked at for abandoned messages. 0: all */
    bool messages_are_acknowledged_for_us; /* Lambda's event source deletes what was done: HD_CHANGE_ACKNOWLEDGE sends nothing */
    const struct hd_clock *clock;
    const struct hd_random *random;
};

/* Strings of options are copied. Asks nobody anything yet. It is for processes that ignore SIGPIPE: OpenSSL writes to connections that may have been closed.
 * HD_ERR_CONFIGURATION: no region, or an endpoint that is no URL. */
int hd_aws_new(const struct hd_aws_options *options, struct hd_aws **ret_aws, struct hd_error *err) HD_MUST_CHECK;
void hd_aws_free(struct hd_aws *aws); /* takes NULL; all views are closed */
/* The file of certificates that is trusted: the options', or AWS_CA_BUNDLE, or the system's; for other clients in the same process, too, whose libraries know only the place that it had where they were built. NULL: none
 * was found. */
const char *hd_aws_ca_file(const struct hd_aws *aws);
/* Requests of all views end within_ms from now at the latest, whatever their time limits and repetitions say, and later ones are not even sent; until it is set anew. For a process that is killed at a moment that it knows (a
 * Lambda function). INT64_MAX: no limit, as at the beginning. */
void hd_aws_end_within(struct hd_aws *aws, int64_t within_ms);

int hd_aws_store(struct hd_aws *aws, struct hd_store **ret_store, struct hd_error *err) HD_MUST_CHECK;
int hd_aws_queue(struct hd_aws *aws, struct hd_queue **ret_queue, struct hd_error *err) HD_MUST_CHECK;
/* The longest that the queue view's receive waits for a message (SQS long polling, whole seconds); 0, which it begins with, asks once. It waits on the normal lane, a second at a time, with a look
 * at the urgent lane between; so an urgent message waits for about a second at most. */
void hd_aws_queue_wait(struct hd_queue *queue, int64_t wait_ms);

/* ---- the outbox: messages that were committed and not yet handed to SQS (docs/dynamodb.md) ---- */

/* Hands over what has stood in the outbox for at least older_than_ms, shard by shard; what one queue does not take holds up no other. *ret_sent: messages. The relay's schedule calls it. */
int hd_aws_sweep(struct hd_store *store, int64_t now_ms, int64_t older_than_ms, size_t *ret_sent, struct hd_error *err) HD_MUST_CHECK;
/* The same for the outbox items of these keys (pk, sk pairs of a stream's records), as far as they are still there. */
struct hd_aws_key {
    const char *pk, *sk;
};
int hd_aws_relay(struct hd_store *store, int64_t now_ms, const struct hd_aws_key *keys, size_t count, size_t *ret_sent,
                 struct hd_error *err) HD_MUST_CHECK;

/* ---- setting up, and looking whether all is there ---- */

/* Makes the table (keys, indexes, time to live, stream) and the queues (with their dead-letter queues and redrive policies) that are not there yet; tell gets a line for each thing that was made
 * or found. For services without CloudFormation; on AWS, serverless/template.yaml makes them. */
int hd_aws_setup(struct hd_aws *aws, void (*tell)(void *arg, const char *line), void *arg, struct hd_error *err) HD_MUST_CHECK;
/* Tells what is missing or differs, a line each; *ret_problems: how many. An error: it could not look. */
int hd_aws_check(struct hd_aws *aws, void (*tell)(void *arg, const char *line), void *arg, size_t *ret_problems,
                 struct hd_error *err) HD_MUST_CHECK;

/* ---- providers ---- */

struct hd_ses_options {
    const char *mail_from;         /* HELPDESK_MAIL_FROM */
    const char *configuration_set; /* NULL: none */
    const char
        *template_name; /* NULL: raw messages (RFC 5322, as by SMTP); else a stored template of SES, which gets subject, text and html */
    int64_t timeout_ms;
};
/* E-mail by SES v2 (SendEmail, REST-JSON): the same MIME text as by SMTP, with its stable Message-ID; tags: notificationId, event. The outcomes stand in adapters/aws/ses.c. */
int hd_ses_new(struct hd_aws *aws, const struct hd_ses_options *options, struct hd_provider **ret_provider,
               struct hd_error *err) HD_MUST_CHECK;

struct hd_sns_options {
    const char *sender_id; /* NULL: none */
    int64_t timeout_ms;
};
/* SMS by SNS (Publish, the AWS Query protocol: form in, XML out). to_address is a phone number (E.164). */
int hd_sns_new(struct hd_aws *aws, const struct hd_sns_options *options, struct hd_provider **ret_provider,
               struct hd_error *err) HD_MUST_CHECK;
