/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "producer/http.h"

static struct hd_arena *arena;

static int set_up(void **state) {
    (void)state;
    arena = hd_arena_new(64 * 1024);
    return arena ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hd_arena_free(arena);
    return 0;
}

static void headers_are_found_in_any_case_and_the_first_counts(void **state) {
    (void)state;
    const struct hd_header headers[] = {{"Host", "x"}, {"AUTHORIZATION", "1"}, {"authorization", "2"}};
    const struct hd_request request = {.headers = headers, .header_count = 3};
    assert_string_equal(hd_request_header(&request, "Authorization"), "1");
    assert_null(hd_request_header(&request, "Author"));
}

static const char *query(const char *text, const char *name) {
    const struct hd_request request = {.query = text};
    return hd_request_query(&request, arena, name);
}

static void query_values_are_decoded(void **state) {
    (void)state;
    assert_string_equal(query("a=1&b=2", "b"), "2");
    assert_string_equal(query("&&a=x+y%20z&&", "a"), "x y z");
    assert_string_equal(query("a=%C3%A3%2B%26", "a"), "ã+&");
    assert_string_equal(query("%61=1", "a"), "1");
    assert_string_equal(query("a=b=c", "a"), "b=c");
    assert_string_equal(query("a", "a"), "");
    assert_string_equal(query("a=", "a"), "");
    assert_string_equal(query("=1", ""), "1");
}

static void absent_and_malformed_values_are_none(void **state) {
    (void)state;
    assert_null(query("", "a"));
    assert_null(query("aa=1&b=a", "a"));
    static const char *const malformed[] = {"a=%", "a=%4", "a=%4g", "a=%g4", "a=%00", "a=%FF", "a=%C3", "a=%ED%A0%80"};
    for (size_t i = 0; i < HD_ARRAY_LEN(malformed); i++)
        assert_null(query(malformed[i], "a"));
}

static void what_is_encoded_decodes_to_the_same(void **state) {
    (void)state;
    static const char *const texts[] = {"", "abc-._~", "a/b?c#d%e f+g", "ação \"🖨\""};
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        const char *encoded = hd_percent_encode(arena, texts[i]), *decoded;
        assert_null(strpbrk(encoded, "/?# +\""));
        assert_int_equal(hd_percent_decode(arena, encoded, strlen(encoded), false, &decoded, NULL), 0);
        assert_string_equal(decoded, texts[i]);
    }
}

static void a_plus_is_a_plus_in_a_path(void **state) {
    (void)state;
    const char *decoded;
    assert_int_equal(hd_percent_decode(arena, "a+b", 3, false, &decoded, NULL), 0);
    assert_string_equal(decoded, "a+b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_in_any_case_and_the_first_counts),
        cmocka_unit_test(query_values_are_decoded),
        cmocka_unit_test(absent_and_malformed_values_are_none),
        cmocka_unit_test(what_is_encoded_decodes_to_the_same),
        cmocka_unit_test(a_plus_is_a_plus_in_a_path),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
