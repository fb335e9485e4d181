#include "core/retry.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"

static uint32_t next_random(uint32_t *seed) { /* xorshift: the same numbers in every run */
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void durations_are_read_in_all_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0ms", 0},
                {"250ms", 250},
                {"1s", 1000},
                {"5m", 300000},
                {"2h", 7200000},
                {"007s", 7000},
                {"87840h", 87840 * INT64_C(3600000)},
                {"999999999ms", 999999999}};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++) {
        int64_t ms = -1;
        assert_int_equal(hd_duration_parse(good[i].text, &ms, NULL), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

static void what_is_no_duration_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "5",
                                      "s",
                                      "-1s",
                                      "+1s",
                                      "1.5s",
                                      " 1s",
                                      "1s ",
                                      "1 s",
                                      "1S",
                                      "1d",
                                      "1sec",
                                      "1mss",
                                      "0x1s",
                                      "1e3s",
                                      "١s",
                                      "1s,2s",
                                      "9999999999s",
                                      "18446744073709551617ms",
                                      "87841h",
                                      "999999999h",
                                      "\xff\xfe"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        int64_t ms = 42;
        struct hd_error err = {0};
        assert_int_equal(hd_duration_parse(bad[i], &ms, &err), HD_ERR_CONFIGURATION);
        assert_int_equal(ms, 42);
        assert_true(strlen(err.detail) > 0);
    }
}

static void a_policy_is_attempts_first_and_longest_delay(void **state) {
    (void)state;
    struct hd_retry_policy policy;
    assert_int_equal(hd_retry_parse("3,1s,5m", &policy, NULL), 0);
    assert_int_equal(policy.attempts, 3);
    assert_int_equal(policy.first_delay_ms, 1000);
    assert_int_equal(policy.longest_delay_ms, 300000);
    assert_int_equal(hd_retry_parse("100,0ms,24h", &policy, NULL), 0);
    assert_int_equal(policy.longest_delay_ms, 24 * 3600000);
    assert_int_equal(hd_retry_parse("1,5s,5s", &policy, NULL), 0);
}

static void a_policy_that_is_wrong_is_refused_with_the_part_that_is(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"", "no retry policy"},
        {"3", "no retry policy"},
        {"3,1s", "no retry policy"},
        {",1s,5m", "no retry policy"},
        {"x,1s,5m", "no retry policy"},
        {"3;1s;5m", "no retry policy"},
        {"-3,1s,5m", "no retry policy"},
        {"9999999999,1s,5m", "no retry policy"},
        {"0,1s,5m", "attempts"},
        {"101,1s,5m", "attempts"},
        {"3,,5m", "no duration"},
        {"3,1s,", "no duration"},
        {"3,1,5m", "\"1\""},
        {"3,1s,5", "\"5\""},
        {"3,1s,5m,", "\"5m,\""},
        {"3, 1s,5m", "no duration"},
        {"3,6m,5m", "first delay"},
        {"3,1s,25h", "at most 24h"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        struct hd_retry_policy policy = {.attempts = 42};
        struct hd_error err = {0};
        assert_int_equal(hd_retry_parse(bad[i].text, &policy, &err), HD_ERR_CONFIGURATION);
        assert_int_equal(policy.attempts, 42);
        if (!strstr(err.detail, bad[i].says))
            fail_msg("\"%s\": %s", bad[i].text, err.detail);
    }
}

static void the_first_attempt_counts_as_one_of_them(void **state) {
    (void)state;
    struct hd_retry_policy policy = HD_RETRY_DEFAULT;
    assert_true(hd_retry_again(&policy, 0));
    assert_true(hd_retry_again(&policy, 1));
    assert_true(hd_retry_again(&policy, 2));
    assert_false(hd_retry_again(&policy, 3));
    assert_false(hd_retry_again(&policy, 4));
}

static int64_t longest_wait(const struct hd_retry_policy *policy, int made) {
    return hd_retry_delay_ms(policy, made, 0, UINT32_MAX);
}

static void the_ceiling_doubles_and_then_stays(void **state) {
    (void)state;
    struct hd_retry_policy policy = {.attempts = 100, .first_delay_ms = 1000, .longest_delay_ms = 10000};
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 10000, 10000};
    for (size_t i = 0; i < HD_ARRAY_LEN(expected); i++)
        assert_int_equal(longest_wait(&policy, (int)i + 1), expected[i]);
}

static void delays_stay_in_bounds_for_any_policy_attempt_and_random(void **state) {
    (void)state;
    uint32_t seed = 20261123;
    for (int round = 0; round < 2000; round++) {
        struct hd_retry_policy policy = {.attempts = 100, .longest_delay_ms = next_random(&seed) % (HD_RETRY_LONGEST_DELAY_MAX_MS + 1)};
        policy.first_delay_ms = round % 7 == 0 ? 0 : next_random(&seed) % (policy.longest_delay_ms + 1);
        int64_t ceiling_before = 0;
        for (int made = 1; made <= 100; made++) {
            int64_t ceiling = longest_wait(&policy, made);
            int64_t delay = hd_retry_delay_ms(&policy, made, 0, next_random(&seed));
            assert_true(ceiling >= ceiling_before && ceiling <= policy.longest_delay_ms);
            assert_true(made > 1 || ceiling == policy.first_delay_ms);
            assert_true(delay >= 0 && delay <= ceiling);
            assert_int_equal(hd_retry_delay_ms(&policy, made, 0, 0), 0);
            ceiling_before = ceiling;
        }
    }
}

static void jitter_is_spread_over_the_whole_range(void **state) {
    (void)state;
    enum { DRAWS = 20000, PARTS = 10 };
    struct hd_retry_policy policy = {.attempts = 3, .first_delay_ms = 999, .longest_delay_ms = 999};
    int parts[PARTS] = {0};
    uint32_t seed = 7;
    for (int i = 0; i < DRAWS; i++)
        parts[hd_retry_delay_ms(&policy, 1, 0, next_random(&seed)) / 100]++;
    for (int i = 0; i < PARTS; i++)
        assert_in_range(parts[i], DRAWS / PARTS * 9 / 10, DRAWS / PARTS * 11 / 10);
}

static void the_providers_wish_is_waited_for_within_a_day(void **state) {
    (void)state;
    struct hd_retry_policy policy = HD_RETRY_DEFAULT;
    assert_int_equal(hd_retry_delay_ms(&policy, 1, 60000, 0), 60000);
    assert_int_equal(hd_retry_delay_ms(&policy, 1, 10, UINT32_MAX), 1000);
    assert_int_equal(hd_retry_delay_ms(&policy, 1, INT64_MAX, 0), HD_RETRY_AFTER_MAX_MS);
    assert_int_equal(hd_retry_delay_ms(&policy, 1, INT64_MIN, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_in_all_units),
        cmocka_unit_test(what_is_no_duration_is_refused_and_changes_nothing),
        cmocka_unit_test(a_policy_is_attempts_first_and_longest_delay),
        cmocka_unit_test(a_policy_that_is_wrong_is_refused_with_the_part_that_is),
        cmocka_unit_test(the_first_attempt_counts_as_one_of_them),
        cmocka_unit_test(the_ceiling_doubles_and_then_stays),
        cmocka_unit_test(delays_stay_in_bounds_for_any_policy_attempt_and_random),
        cmocka_unit_test(jitter_is_spread_over_the_whole_range),
        cmocka_unit_test(the_providers_wish_is_waited_for_within_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
