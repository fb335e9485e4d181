#include "core/retry.h"

#include <assert.h>
#include <string.h>

#include "base/attributes.h"

/* The whole number at *text, which is moved behind it. -1 when there is no digit, or more than nine. */
static int64_t take_number(const char **text) {
    enum { DIGITS_MAX = 9 };
    int64_t number = 0;
    int digits = 0;
    while (**text >= '0' && **text <= '9') {
        if (++digits > DIGITS_MAX)
            return -1;
        number = number * 10 + (**text - '0');
        (*text)++;
    }
    return digits > 0 ? number : -1;
}

static int64_t unit_ms(const char *unit, size_t len) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
    for (size_t i = 0; i < HD_ARRAY_LEN(units); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, unit, len) == 0)
            return units[i].ms;
    }
    return 0;
}

/* A text of somebody's settings may be long: the message shows its start. */
static int parse_duration(const char *text, size_t len, int64_t *ret_ms, struct hd_error *err) {
    const char *unit = text;
    int64_t number = take_number(&unit);
    int64_t ms = number < 0 ? 0 : unit_ms(unit, len - (size_t)(unit - text));
    if (ms == 0)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%.*s\" is no duration: write a whole number and ms, s, m or h, as in 250ms or 5m",
                            (int)(len < 40 ? len : 40), text);
    if (number > HD_DURATION_MAX_HOURS * (int64_t)3600000 / ms)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%.*s\" is too long: at most %d hours", (int)(len < 40 ? len : 40), text,
                            HD_DURATION_MAX_HOURS);
    *ret_ms = number * ms;
    return 0;
}

int hd_duration_parse(const char *text, int64_t *ret_ms, struct hd_error *err) {
    return parse_duration(text, strlen(text), ret_ms, err);
}

static int check_policy(const struct hd_retry_policy *policy, struct hd_error *err) {
    if (policy->attempts < 1 || policy->attempts > HD_RETRY_ATTEMPTS_MAX)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "attempts must be 1 to %d", HD_RETRY_ATTEMPTS_MAX);
    if (policy->longest_delay_ms > HD_RETRY_LONGEST_DELAY_MAX_MS)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "the longest delay must be at most 24h");
    if (policy->first_delay_ms > policy->longest_delay_ms)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "the first delay must not be longer than the longest");
    return 0;
}

int hd_retry_parse(const char *text, struct hd_retry_policy *ret_policy, struct hd_error *err) {
    const char *at = text;
    int64_t attempts = take_number(&at);
    const char *first = at + 1;
    const char *comma = attempts < 0 || *at != ',' ? NULL : strchr(first, ',');
    if (!comma)
        return hd_error_set(err, HD_ERR_CONFIGURATION,
                            "\"%.40s\" is no retry policy: write attempts, first delay and longest delay, as in 3,1s,5m", text);
    struct hd_retry_policy policy = {.attempts = (int)attempts};
    int r = parse_duration(first, (size_t)(comma - first), &policy.first_delay_ms, err);
    if (r < 0)
        return r;
    r = hd_duration_parse(comma + 1, &policy.longest_delay_ms, err);
    if (r < 0)
        return r;
    r = check_policy(&policy, err);
    if (r < 0)
        return r;
    *ret_policy = policy;
    return 0;
}

bool hd_retry_again(const struct hd_retry_policy *policy, int made) {
    return made < policy->attempts;
}

/* min(longest, first · 2^(made-1)), without ever forming a number that is larger than longest. */
static int64_t ceiling_ms(const struct hd_retry_policy *policy, int made) {
    int doublings = made - 1;
    if (doublings > 62 || policy->first_delay_ms > (policy->longest_delay_ms >> doublings))
        return policy->first_delay_ms > 0 ? policy->longest_delay_ms : 0;
    return policy->first_delay_ms << doublings;
}

int64_t hd_retry_delay_ms(const struct hd_retry_policy *policy, int made, int64_t retry_after_ms, uint32_t random) {
    assert(made >= 1);
    assert(policy->first_delay_ms >= 0 && policy->longest_delay_ms >= 0 && policy->longest_delay_ms <= HD_RETRY_LONGEST_DELAY_MAX_MS);
    uint64_t choices = (uint64_t)ceiling_ms(policy, made) + 1; /* below 2^27, so that the product stays below 2^59 */
    int64_t delay_ms = (int64_t)((choices * random) >> 32);
    int64_t wish_ms = retry_after_ms < HD_RETRY_AFTER_MAX_MS ? retry_after_ms : HD_RETRY_AFTER_MAX_MS;
    return delay_ms > wish_ms ? delay_ms : wish_ms;
}
