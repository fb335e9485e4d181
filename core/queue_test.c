#include "core/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_queue_is_found_by_its_name(void **state) {
    (void)state;
    for (int queue = 0; queue < HD_QUEUE_COUNT; queue++)
        assert_int_equal(hd_queue_from_name(hd_queue_name_text((enum hd_queue_name)queue)), queue);
}

static void the_names_are_those_that_metrics_and_the_api_show(void **state) {
    (void)state;
    static const char *const names[] = {"router", "email", "push", "sms", "webhook", "inapp", "dlq"};
    assert_int_equal(HD_ARRAY_LEN(names), HD_QUEUE_COUNT);
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++)
        assert_string_equal(hd_queue_name_text((enum hd_queue_name)i), names[i]);
}

static void a_name_that_is_none_is_minus_one(void **state) {
    (void)state;
    assert_int_equal(hd_queue_from_name(NULL), -1);
    assert_int_equal(hd_queue_from_name(""), -1);
    assert_int_equal(hd_queue_from_name("Router"), -1);
    assert_int_equal(hd_queue_from_name("dlq2"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_queue_is_found_by_its_name),
        cmocka_unit_test(the_names_are_those_that_metrics_and_the_api_show),
        cmocka_unit_test(a_name_that_is_none_is_minus_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
