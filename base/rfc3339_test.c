#include "base/rfc3339.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_times_are_formatted(void **state) {
    (void)state;
    const struct {
        int64_t time_ms;
        const char *text;
    } known[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1763910716042, "2025-11-23T15:11:56.042Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_string_equal(hd_time_format(known[i].time_ms).text, known[i].text);
        int64_t time_ms;
        assert_true(hd_time_parse(known[i].text, &time_ms));
        assert_int_equal(time_ms, known[i].time_ms);
    }
}

static void what_has_no_text_is_formatted_as_the_nearest_that_has(void **state) {
    (void)state;
    assert_string_equal(hd_time_format(INT64_MAX).text, "9999-12-31T23:59:59.999Z");
    assert_string_equal(hd_time_format(INT64_MIN).text, "0001-01-01T00:00:00.000Z");
}

static void every_day_agrees_with_the_c_library_and_comes_back(void **state) {
    (void)state;
    for (int64_t day = -719162; day <= 2932896; day += 1) { /* 0001-01-01 to 9999-12-31 */
        int64_t time_ms = day * 86400000 + (day & 1 ? 86399999 : 0);
        struct hd_time_text text = hd_time_format(time_ms);
        int64_t back;
        assert_true(hd_time_parse(text.text, &back));
        assert_int_equal(back, time_ms);
        if (day % 97 != 0)
            continue;
        time_t second = (time_t)(day * 86400);
        struct tm tm;
        gmtime_r(&second, &tm);
        char expected[64];
        snprintf(expected, sizeof(expected), "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
        assert_memory_equal(text.text, expected, 10);
    }
}

static void all_forms_of_rfc_3339_are_read(void **state) {
    (void)state;
    const struct {
        const char *text;
        int64_t time_ms;
    } forms[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01T00:00:00.0019999999999999999999999Z", 1},
        {"1970-01-01T01:30:00+01:30", 0},
        {"1969-12-31T21:00:00-03:00", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1990-12-31T23:59:60Z", 662688000000},
        {"1990-12-31T15:59:60.25-08:00", 662688000250},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int64_t time_ms = -1;
        assert_true(hd_time_parse(forms[i].text, &time_ms));
        assert_int_equal(time_ms, forms[i].time_ms);
    }
}

static void anything_else_is_refused_and_changes_nothing(void **state) {
    (void)state;
    const char *bad[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-1-01T00:00:00Z",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1998-12-31T22:59:60Z",
        "1998-12-31T23:58:60Z",
        "1998-12-31T23:59:60+01:00",
        "+1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00,5Z",
        " 1970-01-01T00:00:00Z",
        "1970-01-0\xd9\xa1T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t time_ms = 42;
        assert_false(hd_time_parse(bad[i], &time_ms));
        assert_int_equal(time_ms, 42);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_formatted),
        cmocka_unit_test(what_has_no_text_is_formatted_as_the_nearest_that_has),
        cmocka_unit_test(every_day_agrees_with_the_c_library_and_comes_back),
        cmocka_unit_test(all_forms_of_rfc_3339_are_read),
        cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
