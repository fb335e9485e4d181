#include "base/error.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void setting_an_error_fills_all_of_it(void **state) {
    (void)state;
    struct hd_error err = {.code = HD_ERR_LIMIT, .detail = "old", .pointer = "/old"};
    assert_int_equal(hd_error_set(&err, HD_ERR_NOT_FOUND, "no ticket %d", 7), HD_ERR_NOT_FOUND);
    assert_int_equal(err.code, HD_ERR_NOT_FOUND);
    assert_string_equal(err.detail, "no ticket 7");
    assert_string_equal(err.pointer, "");
}

static void nobody_has_to_take_the_error(void **state) {
    (void)state;
    assert_int_equal(hd_error_set(NULL, HD_ERR_CONFLICT, "x"), HD_ERR_CONFLICT);
    assert_int_equal(hd_error_context(NULL, "x"), HD_ERR_INTERNAL);
    assert_int_equal(hd_error_at(NULL, "/a"), HD_ERR_INTERNAL);
}

static void context_comes_before_the_detail_and_keeps_code_and_pointer(void **state) {
    (void)state;
    struct hd_error err;
    hd_error_set(&err, HD_ERR_INVALID, "is too long");
    assert_int_equal(hd_error_at(&err, "/title"), HD_ERR_INVALID);
    assert_int_equal(hd_error_context(&err, "ticket %s", "t1"), HD_ERR_INVALID);
    assert_string_equal(err.detail, "ticket t1: is too long");
    assert_string_equal(err.pointer, "/title");
}

static void an_error_can_be_set_from_its_own_detail(void **state) {
    (void)state;
    struct hd_error err;
    hd_error_set(&err, HD_ERR_TIMEOUT, "late");
    hd_error_set(&err, HD_ERR_UNAVAILABLE, "the store was %s", err.detail);
    assert_string_equal(err.detail, "the store was late");
}

static void a_long_detail_is_cut_between_characters(void **state) {
    (void)state;
    char text[600] = "a";
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "é", 3);
    struct hd_error err;
    hd_error_set(&err, HD_ERR_MALFORMED, "%s", text); /* odd length + pairs: byte 255 is in the middle of a pair or not */
    size_t len = strlen(err.detail);
    assert_int_equal(len, HD_ERROR_DETAIL_BYTES - 1);
    hd_error_set(&err, HD_ERR_MALFORMED, "b%s", text);
    assert_int_equal(strlen(err.detail), HD_ERROR_DETAIL_BYTES - 2);
    assert_string_equal(err.detail + HD_ERROR_DETAIL_BYTES - 4, "é");
    hd_error_context(&err, "c");
    assert_true(strlen(err.detail) >= HD_ERROR_DETAIL_BYTES - 2);
    char pointer[HD_ERROR_POINTER_BYTES + 10];
    memset(pointer, '/', sizeof(pointer));
    pointer[sizeof(pointer) - 1] = '\0';
    hd_error_at(&err, pointer);
    assert_int_equal(strlen(err.pointer), HD_ERROR_POINTER_BYTES - 1);
}

static void a_detail_is_utf8_whatever_is_put_in(void **state) {
    (void)state;
    struct hd_error err;
    hd_error_set(&err, HD_ERR_MALFORMED, "byte %s here", "\xff\xc3");
    assert_string_equal(err.detail, "byte ?? here");
}

static void codes_have_type_title_status_and_retry(void **state) {
    (void)state;
    assert_string_equal(hd_code_type(HD_ERR_KEY_REUSED), "idempotency-key-reused");
    assert_string_equal(hd_code_title(HD_ERR_NO_SPACE), "The disk is full");
    assert_int_equal(hd_code_http_status(HD_ERR_PRECONDITION), 412);
    assert_true(hd_code_retryable(HD_ERR_OVERLOADED));
    assert_false(hd_code_retryable(HD_ERR_CORRUPT));
}

static void unknown_codes_are_internal(void **state) {
    (void)state;
    for (int code = 0; code > -2000; code -= 1999) {
        assert_string_equal(hd_code_type((enum hd_code)code), "internal");
        assert_string_equal(hd_code_title((enum hd_code)code), hd_code_title(HD_ERR_INTERNAL));
        assert_int_equal(hd_code_http_status((enum hd_code)code), 500);
        assert_false(hd_code_retryable((enum hd_code)code));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_an_error_fills_all_of_it),
        cmocka_unit_test(nobody_has_to_take_the_error),
        cmocka_unit_test(context_comes_before_the_detail_and_keeps_code_and_pointer),
        cmocka_unit_test(an_error_can_be_set_from_its_own_detail),
        cmocka_unit_test(a_long_detail_is_cut_between_characters),
        cmocka_unit_test(a_detail_is_utf8_whatever_is_put_in),
        cmocka_unit_test(codes_have_type_title_status_and_retry),
        cmocka_unit_test(unknown_codes_are_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
