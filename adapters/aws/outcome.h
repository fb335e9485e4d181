/* What an answer of an AWS service means for a message: what SES and SNS have in common. Pure; thread-safe: no state. Private to this folder.
 *
 * The first of these that fits decides:
 *   1. no answer: the connection was not made, or broke, or was too slow: retry; TLS failed: configuration
 *   2. 2xx: sent
 *   3. the provider's own rules
 *   4. adapters/aws/answer.h: throttled, a fault of the service, a session token that ran out: retry, which signs anew; a wrong signature, key or clock, what is not allowed or not there:
 *      configuration; whatever else is refused by 404: configuration, and by another status: permanent */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/provider.h"

struct hd_aws_rule {
    const char *type;    /* how the error's type begins; NULL: any */
    const char *message; /* a part of its message, in whatever case; NULL: any */
    enum hd_outcome_kind outcome;
    int64_t retry_after_ms; /* at least; 0: as the policy says */
};

/* sent: what to keep of a 2xx, for people. */
void hd_aws_conclude(const struct hd_transfer_result *result, const struct hd_aws_rule *rules, size_t rule_count, const char *sent,
                     struct hd_outcome *ret_outcome);
