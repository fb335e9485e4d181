#include "base/id.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_example_of_rfc_9562_comes_out(void **state) {
    (void)state;
    const uint8_t random[10] = {0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    assert_string_equal(hd_id_v7(0x017f22e279b0, random).text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

static void version_and_variant_are_right_whatever_the_random_bytes(void **state) {
    (void)state;
    uint8_t random[10];
    memset(random, 0xff, sizeof(random));
    assert_string_equal(hd_id_v7(0, random).text, "00000000-0000-7fff-bfff-ffffffffffff");
    memset(random, 0, sizeof(random));
    assert_string_equal(hd_id_v7(0xffffffffffff, random).text, "ffffffff-ffff-7000-8000-000000000000");
    assert_string_equal(hd_id_v7(-5, random).text, "00000000-0000-7000-8000-000000000000");
}

static void ids_order_by_time(void **state) {
    (void)state;
    uint8_t high[10], low[10] = {0};
    memset(high, 0xff, sizeof(high));
    assert_true(strcmp(hd_id_v7(1763910716042, high).text, hd_id_v7(1763910716043, low).text) < 0);
}

static void a_derived_id_is_the_same_for_ever(void **state) {
    (void)state;
    /* SHA-256 of 00…05 "event" 00…05 "email" begins with the bytes that stand here: a change of this text orphans stored ids. */
    const char *parts[] = {"event", "email"};
    assert_string_equal(hd_id_derive(0x017f22e279b0, parts, 2).text, "017f22e2-79b0-7baf-95f7-efc370406b18");
}

static void a_derived_id_depends_on_time_and_on_where_parts_end(void **state) {
    (void)state;
    const char *ab_c[] = {"ab", "c"}, *a_bc[] = {"a", "bc"}, *abc[] = {"abc"}, *abc_empty[] = {"abc", ""};
    struct hd_id ids[] = {hd_id_derive(1, ab_c, 2), hd_id_derive(1, a_bc, 2),      hd_id_derive(1, abc, 1),
                          hd_id_derive(2, abc, 1),  hd_id_derive(1, abc_empty, 2), hd_id_derive(1, abc, 0)};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i].text, ids[k].text);
}

static void text_and_bytes_convert_both_ways(void **state) {
    (void)state;
    const char *text = "01234567-89ab-7def-8123-456789abcdef";
    uint8_t bytes[HD_ID_BYTES];
    assert_true(hd_id_to_bytes(text, bytes));
    assert_int_equal(bytes[0], 0x01);
    assert_int_equal(bytes[15], 0xef);
    assert_string_equal(hd_id_from_bytes(bytes).text, text);
}

static void only_canonical_text_converts_to_bytes(void **state) {
    (void)state;
    const char *bad[] = {"",
                         "01234567-89AB-7def-8123-456789abcdef",
                         "{1234567-89ab-7def-8123-456789abcde}",
                         "01234567-89ab-7def-8123-456789abcde",
                         "01234567-89ab-7def-8123-456789abcdef0",
                         "0123456789ab-7def-8123-456789abcdef00",
                         "01234567-89ab-7def-8123_456789abcdef",
                         "01234567-89ab-7def-8123-456789abcdeg",
                         "0123456789abcdef0123456789abcdef"};
    uint8_t bytes[HD_ID_BYTES] = {7};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hd_id_to_bytes(bad[i], bytes));
    assert_int_equal(bytes[0], 7);
}

static void ids_from_outside_are_short_visible_ascii(void **state) {
    (void)state;
    char longest[HD_ID_MAX_LEN + 2];
    memset(longest, 'x', sizeof(longest));
    longest[HD_ID_MAX_LEN] = '\0';
    assert_true(hd_id_acceptable(longest));
    longest[HD_ID_MAX_LEN] = 'x';
    longest[HD_ID_MAX_LEN + 1] = '\0';
    assert_false(hd_id_acceptable(longest));
    assert_true(hd_id_acceptable("!~order:1"));
    const char *bad[] = {"", "a b", "a\n", "é", "\x7f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hd_id_acceptable(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_9562_comes_out),
        cmocka_unit_test(version_and_variant_are_right_whatever_the_random_bytes),
        cmocka_unit_test(ids_order_by_time),
        cmocka_unit_test(a_derived_id_is_the_same_for_ever),
        cmocka_unit_test(a_derived_id_depends_on_time_and_on_where_parts_end),
        cmocka_unit_test(text_and_bytes_convert_both_ways),
        cmocka_unit_test(only_canonical_text_converts_to_bytes),
        cmocka_unit_test(ids_from_outside_are_short_visible_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
