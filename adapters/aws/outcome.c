#include "adapters/aws/outcome.h"

#include <stdio.h>
#include <string.h>

#include "adapters/aws/answer.h"
#include "base/utf8.h"

enum { ANSWER_MAX_BYTES = 512 * 1024 /* of memory, for the tree of an error's 64 KiB */ };

static const struct hd_aws_rule *find_rule(const struct hd_aws_rule *rules, size_t count, const struct hd_aws_answer *answer) {
    for (size_t i = 0; i < count; i++) {
        bool type_fits = !rules[i].type || strncmp(answer->type, rules[i].type, strlen(rules[i].type)) == 0;
        bool message_fits = !rules[i].message || strcasestr(answer->message, rules[i].message);
        if (type_fits && message_fits)
            return &rules[i];
    }
    return NULL;
}

static enum hd_outcome_kind judge(long status, const struct hd_aws_answer *answer) {
    switch (answer->verdict) {
    case HD_AWS_THROTTLED:
    case HD_AWS_FAULT:
        return HD_OUTCOME_RETRY;
    case HD_AWS_KEYS: /* expired is all that the next request mends by itself */
        return strncmp(answer->type, "Expired", strlen("Expired")) == 0 ? HD_OUTCOME_RETRY : HD_OUTCOME_CONFIGURATION;
    case HD_AWS_CLOCK:
        return HD_OUTCOME_CONFIGURATION;
    case HD_AWS_REFUSED:
        break;
    }
    return answer->code == HD_ERR_CONFIGURATION || status == 404 ? HD_OUTCOME_CONFIGURATION : HD_OUTCOME_PERMANENT;
}

static void describe(struct hd_outcome *outcome, const char *first, const char *second) {
    char *detail = outcome->detail;
    int len = snprintf(detail, sizeof outcome->detail, "%s%s%s", first, *first && *second ? ": " : "", second);
    if (len >= (int)sizeof outcome->detail)
        detail[hd_utf8_valid_prefix(detail, strlen(detail))] = '\0';
}

static void conclude_error(const struct hd_transfer_result *result, const struct hd_aws_rule *rules, size_t rule_count,
                           struct hd_outcome *outcome) {
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ANSWER_MAX_BYTES);
    if (!arena) { /* that it failed is all that can be told now */
        outcome->kind = HD_OUTCOME_RETRY;
        describe(outcome, result->detail, "");
        return;
    }
    struct hd_aws_answer answer;
    hd_aws_read_answer(result->response_code, result->body ? result->body : "", result->body_bytes, result->answer_header, "", arena,
                       &answer);
    const struct hd_aws_rule *rule = find_rule(rules, rule_count, &answer);
    outcome->kind = rule ? rule->outcome : judge(result->response_code, &answer);
    if (rule && rule->retry_after_ms > outcome->retry_after_ms)
        outcome->retry_after_ms = rule->retry_after_ms;
    describe(outcome, *answer.type ? answer.type : result->detail, answer.message);
}

void hd_aws_conclude(const struct hd_transfer_result *result, const struct hd_aws_rule *rules, size_t rule_count, const char *sent,
                     struct hd_outcome *ret_outcome) {
    *ret_outcome = (struct hd_outcome){.retry_after_ms = result->retry_after_ms};
    if (result->failure != HD_TRANSFER_OK) {
        bool tls = result->failure == HD_TRANSFER_TLS;
        ret_outcome->kind = tls ? HD_OUTCOME_CONFIGURATION : HD_OUTCOME_RETRY;
        describe(ret_outcome, tls ? "no secure connection" : "", result->detail);
    } else if (result->response_code / 100 == 2) {
        ret_outcome->kind = HD_OUTCOME_SENT;
        describe(ret_outcome, sent, "");
    } else {
        conclude_error(result, rules, rule_count, ret_outcome);
    }
}
