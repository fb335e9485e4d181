#include "base/trace.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const uint8_t random_bytes[24] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
                                         0x1c, 0x1d, 0x1e, 0x1f, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7};

static void well_formed_headers_are_valid(void **state) {
    (void)state;
    assert_true(hd_traceparent_valid(PARENT));
    assert_true(hd_traceparent_valid("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    assert_true(hd_traceparent_valid("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like"));
}

static void malformed_headers_are_not(void **state) {
    (void)state;
    const char *bad[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-010",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hd_traceparent_valid(bad[i]));
}

static void a_child_keeps_trace_and_flags_and_gets_a_span_of_its_own(void **state) {
    (void)state;
    char text[HD_TRACEPARENT_LEN + 1];
    hd_traceparent_child(PARENT, random_bytes, text);
    assert_string_equal(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-a0a1a2a3a4a5a6a7-01");
    hd_traceparent_child("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", random_bytes, text);
    assert_string_equal(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-a0a1a2a3a4a5a6a7-00");
}

static void a_child_passes_on_no_unknown_flags_and_no_later_version(void **state) {
    (void)state;
    char text[HD_TRACEPARENT_LEN + 1];
    hd_traceparent_child("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-more", random_bytes, text);
    assert_string_equal(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-a0a1a2a3a4a5a6a7-03");
}

static void without_a_valid_parent_a_sampled_trace_begins(void **state) {
    (void)state;
    char text[HD_TRACEPARENT_LEN + 1];
    hd_traceparent_child(NULL, random_bytes, text);
    assert_string_equal(text, "00-101112131415161718191a1b1c1d1e1f-a0a1a2a3a4a5a6a7-01");
    hd_traceparent_child("nonsense", random_bytes, text);
    assert_string_equal(text, "00-101112131415161718191a1b1c1d1e1f-a0a1a2a3a4a5a6a7-01");
}

static void a_child_is_valid_even_of_zero_random_bytes(void **state) {
    (void)state;
    const uint8_t zeros[24] = {0};
    char text[HD_TRACEPARENT_LEN + 1];
    hd_traceparent_child(NULL, zeros, text);
    assert_true(hd_traceparent_valid(text));
}

static void a_parent_may_be_replaced_by_its_child(void **state) {
    (void)state;
    char text[HD_TRACEPARENT_LEN + 1] = PARENT;
    hd_traceparent_child(text, random_bytes, text);
    assert_string_equal(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-a0a1a2a3a4a5a6a7-01");
}

static void correlation_ids_are_short_and_harmless(void **state) {
    (void)state;
    char longest[HD_CORRELATION_MAX_LEN + 2];
    memset(longest, 'x', sizeof(longest));
    longest[HD_CORRELATION_MAX_LEN + 1] = '\0';
    assert_false(hd_correlation_acceptable(longest));
    longest[HD_CORRELATION_MAX_LEN] = '\0';
    assert_true(hd_correlation_acceptable(longest));
    assert_true(hd_correlation_acceptable("Az09._:/+=@-"));
    const char *bad[] = {"", "a b", "a\"", "a\r\nb", "é", "a,b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hd_correlation_acceptable(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_headers_are_valid),
        cmocka_unit_test(malformed_headers_are_not),
        cmocka_unit_test(a_child_keeps_trace_and_flags_and_gets_a_span_of_its_own),
        cmocka_unit_test(a_child_passes_on_no_unknown_flags_and_no_later_version),
        cmocka_unit_test(without_a_valid_parent_a_sampled_trace_begins),
        cmocka_unit_test(a_child_is_valid_even_of_zero_random_bytes),
        cmocka_unit_test(a_parent_may_be_replaced_by_its_child),
        cmocka_unit_test(correlation_ids_are_short_and_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
