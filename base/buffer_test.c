#include "base/buffer.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void an_empty_buffer_reads_as_an_empty_text(void **state) {
    (void)state;
    struct hd_buffer buffer = {0};
    assert_string_equal(hd_buffer_text(&buffer), "");
    assert_int_equal(hd_buffer_check(&buffer, NULL), 0);
    hd_buffer_add(&buffer, NULL, 0);
    assert_string_equal(hd_buffer_text(&buffer), "");
    hd_buffer_free(&buffer);
    hd_buffer_free(&buffer);
    hd_buffer_free(NULL);
}

static void what_is_added_stands_in_order(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer buffer = {0};
    hd_buffer_add(&buffer, "ab", 2);
    hd_buffer_add_str(&buffer, "cd");
    hd_buffer_add_char(&buffer, 'e');
    hd_buffer_printf(&buffer, "%d%s", 12, "f");
    assert_string_equal(hd_buffer_text(&buffer), "abcde12f");
    assert_int_equal(buffer.len, 8);
}

static void it_grows_to_its_limit_and_no_byte_further(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer buffer = {.limit_bytes = 1000};
    for (int i = 0; i < 1000; i++)
        hd_buffer_add_char(&buffer, 'x');
    assert_int_equal(hd_buffer_check(&buffer, NULL), 0);
    assert_int_equal(strlen(hd_buffer_text(&buffer)), 1000);
    assert_true(buffer.capacity <= 1001);
    struct hd_error err;
    hd_buffer_add_char(&buffer, 'x');
    assert_int_equal(hd_buffer_check(&buffer, &err), HD_ERR_LIMIT);
    assert_string_equal(err.detail, "the text would be longer than 1000 bytes");
    assert_int_equal(buffer.len, 1000);
}

static void a_failure_stays_until_the_buffer_is_cleared(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer buffer = {.limit_bytes = 4};
    hd_buffer_add_str(&buffer, "abc");
    hd_buffer_printf(&buffer, "%s", "de");
    hd_buffer_add_char(&buffer, 'd'); /* would fit, but comes after the failure */
    hd_buffer_printf(&buffer, "d");
    assert_int_equal(hd_buffer_check(&buffer, NULL), HD_ERR_LIMIT);
    assert_string_equal(hd_buffer_text(&buffer), "abc");
    hd_buffer_clear(&buffer);
    assert_string_equal(hd_buffer_text(&buffer), "");
    hd_buffer_add_str(&buffer, "abcd");
    assert_int_equal(hd_buffer_check(&buffer, NULL), 0);
    hd_buffer_add(&buffer, "x", SIZE_MAX);
    assert_int_equal(buffer.failure, HD_ERR_LIMIT);
}

static void out_of_memory_is_a_failure(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer buffer = {.limit_bytes = SIZE_MAX / 2 - 1};
    hd_buffer_add_str(&buffer, "abc");
    buffer.failure = HD_ERR_NO_MEMORY; /* what a failed realloc leaves */
    hd_buffer_add_str(&buffer, "def");
    struct hd_error err;
    assert_int_equal(hd_buffer_check(&buffer, &err), HD_ERR_NO_MEMORY);
    assert_string_equal(hd_buffer_text(&buffer), "abc");
}

static void a_limit_lowered_later_holds(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer buffer = {0};
    hd_buffer_add_str(&buffer, "abc");
    buffer.limit_bytes = 4;
    hd_buffer_add_str(&buffer, "de");
    assert_int_equal(buffer.failure, HD_ERR_LIMIT);
    hd_buffer_free(&buffer);
    assert_int_equal(buffer.limit_bytes, 4);
}

static void reserved_room_is_written_in_place(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer buffer = {0};
    char *at = hd_buffer_reserve(&buffer, 300);
    assert_non_null(at);
    memset(at, 'y', 300);
    hd_buffer_advance(&buffer, 2);
    assert_string_equal(hd_buffer_text(&buffer), "yy");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_reads_as_an_empty_text),
        cmocka_unit_test(what_is_added_stands_in_order),
        cmocka_unit_test(it_grows_to_its_limit_and_no_byte_further),
        cmocka_unit_test(a_failure_stays_until_the_buffer_is_cleared),
        cmocka_unit_test(out_of_memory_is_a_failure),
        cmocka_unit_test(a_limit_lowered_later_holds),
        cmocka_unit_test(reserved_room_is_written_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
