/* Retry policy: exponential backoff with full jitter (aws.amazon.com/builders-library, "Timeouts, retries and backoff with jitter"). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct hd_retry_policy {
    int attempts; /* in all, the first included; 1 to 100 */
    int64_t first_delay_ms;
    int64_t longest_delay_ms;
};

#define HD_RETRY_DEFAULT ((struct hd_retry_policy){.attempts = 3, .first_delay_ms = 1000, .longest_delay_ms = 5 * 60 * 1000})

enum {
    HD_RETRY_ATTEMPTS_MAX = 100,
    HD_RETRY_LONGEST_DELAY_MAX_MS = 24 * 60 * 60 * 1000,
    HD_RETRY_AFTER_MAX_MS = 24 * 60 * 60 * 1000,
    HD_DURATION_MAX_HOURS = 10 * 366 * 24,
};

/* "3,1s,5m": attempts, first delay, longest delay; units ms, s, m, h; no spaces. The first delay is at most the longest, which is at
 * most 24 hours. HD_ERR_CONFIGURATION says what is wrong. */
int hd_retry_parse(const char *text, struct hd_retry_policy *ret_policy, struct hd_error *err) HD_MUST_CHECK;
/* "250ms", "1s", "5m", "2h" → ms; at most ten years. HD_ERR_CONFIGURATION. */
int hd_duration_parse(const char *text, int64_t *ret_ms, struct hd_error *err) HD_MUST_CHECK;

/* May a further attempt follow after `made` of them? */
bool hd_retry_again(const struct hd_retry_policy *policy, int made);

/* How long to wait after `made` attempts (≥ 1): uniform in [0, min(longest, first · 2^(made-1))], from 32 random bits; but never less than
 * retry_after_ms, the provider's wish, which is itself capped at 24 hours.
 * A queue delays by HD_DELAY_MAX_MS at most: who enqueues or postpones cuts it, and looks again at the notification's next_attempt_at_ms. */
int64_t hd_retry_delay_ms(const struct hd_retry_policy *policy, int made, int64_t retry_after_ms, uint32_t random);
