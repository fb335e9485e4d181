/* What aws.c keeps for all clients, and only client.c needs: endpoints, credentials, the clock's correction. */
#pragma once

#include "adapters/aws/client.h"
#include "adapters/aws/credentials.h"

struct hd_aws_endpoint {
    char *url;                /* "https://dynamodb.eu-west-1.amazonaws.com": no slash at its end */
    const char *host;         /* behind "://" in url: what the Host header says */
    const char *signing_name; /* "dynamodb", "sqs", "ses", "sns" */
};

const struct hd_aws_endpoint *hd_aws_endpoint(const struct hd_aws *aws, enum hd_aws_service service);
struct hd_credentials_chain *hd_aws_credentials(struct hd_aws *aws);

int64_t hd_aws_ends_at_ms(const struct hd_aws *aws); /* monotonic; INT64_MAX: no limit */

/* The time as the services have it: the clock's, and what they said that it is off. */
int64_t hd_aws_now_ms(const struct hd_aws *aws);
int64_t hd_aws_clock_offset_ms(const struct hd_aws *aws); /* what is added to the clock's */
void hd_aws_correct_clock(struct hd_aws *aws, int64_t services_now_ms);
