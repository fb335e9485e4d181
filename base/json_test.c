#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ARENA_LIMIT_BYTES = 1024 * 1024 };

/* Parses into the test's arena, for as long as the test runs. */
static int parse_flags(void **state, const char *text, int flags, json_t **ret_root, struct hd_error *err) {
    return hd_json_parse(*state, text, strlen(text), flags, ret_root, err);
}

static int parse(void **state, const char *text, json_t **ret_root, struct hd_error *err) {
    return parse_flags(state, text, 0, ret_root, err);
}

static int arena_setup(void **state) {
    *state = hd_arena_new(ARENA_LIMIT_BYTES);
    return *state ? 0 : -1;
}

static int arena_teardown(void **state) {
    hd_arena_free(*state);
    return 0;
}

static void assert_dumps(void **state, const char *text, const char *expected) {
    json_t *root;
    struct hd_error err;
    assert_int_equal(parse_flags(state, text, HD_JSON_ALLOW_NUL, &root, &err), 0);
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    hd_json_dump(&out, root);
    assert_int_equal(hd_buffer_check(&out, &err), 0);
    assert_string_equal(hd_buffer_text(&out), expected);
}

static void values_are_read(void **state) {
    json_t *root;
    struct hd_error err;
    assert_int_equal(parse(state, "{\"a\":\"x\",\"n\":-7,\"r\":1.5}", &root, &err), 0);
    assert_string_equal(hd_json_str(root, "a"), "x");
    assert_null(hd_json_str(root, "n"));
    assert_null(hd_json_str(root, "absent"));
    assert_int_equal(hd_json_int(root, "n", 0), -7);
    assert_int_equal(hd_json_int(root, "r", 3), 3);
    assert_int_equal(hd_json_int(root, "absent", 4), 4);
}

static void any_value_may_be_the_root(void **state) {
    const char *texts[] = {"1", "\"a\"", "null", "true", "[]", "{}", " 1.5 "};
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        json_t *root;
        assert_int_equal(parse(state, texts[i], &root, NULL), 0);
    }
}

static void what_is_not_json_is_refused_with_its_place(void **state) {
    json_t *root = NULL;
    struct hd_error err;
    assert_int_equal(parse(state, "{\n \"a\": ]}", &root, &err), HD_ERR_MALFORMED);
    assert_non_null(strstr(err.detail, "line 2, column 7"));
    assert_null(root);
    const char *bad[] = {"",
                         " ",
                         "{",
                         "[1,]",
                         "{\"a\":1,}",
                         "{\"a\":1}x",
                         "01",
                         "NaN",
                         "'a'",
                         "\"\xff\"",
                         "\"a\nb\"",
                         "\"\\x\"",
                         "\"\\ud800\"",
                         "[1 2]",
                         "{\"a\" 1}",
                         "\xef\xbb\xbf{}",
                         "1e999",
                         "99999999999999999999",
                         "{\"a\":1,\"a\":2}",
                         "{\"a\":1,\"\\u0061\":2}"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        assert_int_equal(parse(state, bad[i], &root, &err), HD_ERR_MALFORMED);
        assert_int_not_equal(err.detail[0], '\0');
        assert_null(root);
    }
    assert_int_equal(hd_json_parse(*state, NULL, 0, 0, &root, &err), HD_ERR_MALFORMED);
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state) {
    json_t *root;
    char text[] = "[1, \"a\" ,{} ]";
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        char with_nul[sizeof(text)];
        memcpy(with_nul, text, at);
        with_nul[at] = '\0';
        memcpy(with_nul + at + 1, text + at, sizeof(text) - 1 - at);
        assert_int_equal(hd_json_parse(*state, with_nul, sizeof(text), HD_JSON_ALLOW_NUL, &root, NULL), HD_ERR_MALFORMED);
    }
}

static void nul_is_taken_only_in_values_and_only_when_asked_for(void **state) {
    json_t *root;
    assert_int_equal(parse(state, "\"a\\u0000b\"", &root, NULL), HD_ERR_MALFORMED);
    assert_int_equal(parse_flags(state, "\"a\\u0000b\"", HD_JSON_ALLOW_NUL, &root, NULL), 0);
    assert_int_equal(json_string_length(root), 3);
    assert_int_equal(parse_flags(state, "{\"a\\u0000b\":1}", HD_JSON_ALLOW_NUL, &root, NULL), HD_ERR_MALFORMED);
}

static void nested(char *text, size_t depth) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

static void depth_is_bounded(void **state) {
    char text[5000];
    json_t *root;
    struct hd_error err;
    nested(text, HD_JSON_MAX_DEPTH);
    assert_int_equal(parse(state, text, &root, &err), 0);
    nested(text, HD_JSON_MAX_DEPTH + 1);
    assert_int_equal(parse(state, text, &root, &err), HD_ERR_MALFORMED);
    assert_non_null(strstr(err.detail, "nested deeper than 32"));
    nested(text, 2048);
    assert_int_equal(parse_flags(state, text, HD_JSON_ANY_DEPTH, &root, &err), 0);
    nested(text, 2049);
    assert_int_equal(parse_flags(state, text, HD_JSON_ANY_DEPTH, &root, &err), HD_ERR_MALFORMED);
}

static void brackets_in_strings_are_not_depth(void **state) {
    json_t *root;
    assert_int_equal(parse(state, "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ \\\" {{{{{{{{{\",\"\\\\\",[{}]]", &root, NULL), 0);
}

static void every_small_arena_is_safe(void **state) {
    (void)state;
    const char *text =
        "{\"numbers\":[1,-2.5e10,12345678901234567,0.12345678901234567890123456789],"
        "\"text that is longer than sixteen bytes\":\"and its value, \\u00e9\\ud83d\\ude00 too\",\"o\":{\"a\":1,\"b\":2,\"c\":3,"
        "\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":[[[true,false,null]]]}}";
    HD_CLEANUP(hd_arena_freep) struct hd_arena *whole = hd_arena_new(ARENA_LIMIT_BYTES);
    json_t *expected;
    assert_int_equal(hd_json_parse(whole, text, strlen(text), 0, &expected, NULL), 0);
    int failed = 0, succeeded = 0;
    for (size_t limit = 0; limit < 8192; limit += 8) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(limit);
        json_t *root = NULL;
        int r = hd_json_parse(arena, text, strlen(text), 0, &root, NULL);
        if (r == 0) {
            assert_true(json_equal(root, expected));
            succeeded++;
        } else {
            assert_int_equal(r, HD_ERR_NO_MEMORY);
            assert_null(root);
            failed++;
        }
    }
    assert_true(failed > 100);
    assert_true(succeeded > 100);
}

static void a_loaded_tree_is_on_the_heap(void **state) {
    (void)state;
    HD_CLEANUP(hd_json_decrefp) json_t *root = NULL;
    struct hd_error err;
    const char *text = "{\"a\":[1,\"x\"]}";
    assert_int_equal(hd_json_load(text, strlen(text), 0, &root, &err), 0);
    assert_int_equal(json_object_set_new(root, "b", json_integer(2)), 0);
    assert_int_equal(hd_json_int(root, "b", 0), 2);
    json_t *none = NULL;
    assert_int_equal(hd_json_load("[", 1, 0, &none, &err), HD_ERR_MALFORMED);
    assert_null(none);
}

static void a_dump_is_compact_and_keeps_order_and_kinds_of_numbers(void **state) {
    assert_dumps(state, " { \"z\" : [ 1 , 2.0 , true , false , null , { } , [ ] ] , \"a\" : \"é\" } ",
                 "{\"z\":[1,2.0,true,false,null,{},[]],\"a\":\"é\"}");
    assert_dumps(state, "[0,-1,9223372036854775807,-9223372036854775808]", "[0,-1,9223372036854775807,-9223372036854775808]");
    assert_dumps(state, "[0.1,1e300,-0.0,3.141592653589793,5e-324,1e22]",
                 "[0.1,1e+300,-0.0,3.141592653589793,4.94065645841247e-324,1e+22]");
    assert_dumps(state, "\"\\u0000\\u001f\\n\\\"\\\\\\/\\u00e9\"", "\"\\u0000\\u001f\\n\\\"\\\\/é\"");
    assert_dumps(state, "{\"a\\\"b\":1}", "{\"a\\\"b\":1}");
}

static void the_writer_knows_where_commas_go(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "empty");
    hd_json_close_array(&w);
    hd_json_open_array(&w, "list");
    hd_json_put_int(&w, NULL, INT64_MIN);
    hd_json_put_int(&w, NULL, 0);
    hd_json_open_object(&w, NULL);
    hd_json_close_object(&w);
    hd_json_put_str(&w, NULL, "x");
    hd_json_close_array(&w);
    hd_json_put_str(&w, "null", NULL);
    hd_json_put_str_if(&w, "absent", NULL);
    hd_json_put_str_if(&w, "present", "");
    hd_json_put_bool(&w, "yes", true);
    hd_json_put_bool(&w, "no", false);
    hd_json_put_time(&w, "at", 1763910716042);
    hd_json_put_time(&w, "never", 0);
    hd_json_put_raw(&w, "raw", "[1]", 3);
    hd_json_put_json(&w, "tree", NULL);
    hd_json_put_strn(&w, "n", "a\0b", 3);
    hd_json_close_object(&w);
    assert_string_equal(hd_buffer_text(&out),
                        "{\"empty\":[],\"list\":[-9223372036854775808,0,{},\"x\"],\"null\":null,\"present\":\"\",\"yes\":true,\"no\":false,"
                        "\"at\":\"2025-11-23T15:11:56.042Z\",\"never\":null,\"raw\":[1],\"tree\":null,\"n\":\"a\\u0000b\"}");
}

static void every_byte_is_escaped_right_at_every_place(void **state) {
    for (int c = 1; c < 0x80; c++) {
        for (size_t place = 0; place < 20; place++) {
            char text[24] = "aaaaaaaaaaaaaaaaaaaa";
            text[place] = (char)c;
            HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
            struct hd_json_writer w = hd_json_writer(&out);
            hd_json_put_str(&w, NULL, text);
            json_t *root;
            assert_int_equal(parse(state, hd_buffer_text(&out), &root, NULL), 0);
            assert_string_equal(json_string_value(root), text);
            bool plain = c >= 0x20 && c != '"' && c != '\\';
            assert_int_equal(plain, out.len == 22);
            hd_arena_reset(*state);
        }
    }
}

static void a_writer_that_meets_the_limit_leaves_a_failed_buffer(void **state) {
    (void)state;
    for (size_t limit = 1; limit < 30; limit++) {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {.limit_bytes = limit};
        struct hd_json_writer w = hd_json_writer(&out);
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "a", "b\nc");
        hd_json_put_int(&w, "number", 123);
        hd_json_close_object(&w);
        bool fits = limit >= strlen("{\"a\":\"b\\nc\",\"number\":123}");
        assert_int_equal(hd_buffer_check(&out, NULL), fits ? 0 : HD_ERR_LIMIT);
        assert_true(out.len <= limit);
    }
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        WITH_ARENA(values_are_read),
        WITH_ARENA(any_value_may_be_the_root),
        WITH_ARENA(what_is_not_json_is_refused_with_its_place),
        WITH_ARENA(a_nul_byte_is_refused_wherever_it_stands),
        WITH_ARENA(nul_is_taken_only_in_values_and_only_when_asked_for),
        WITH_ARENA(depth_is_bounded),
        WITH_ARENA(brackets_in_strings_are_not_depth),
        cmocka_unit_test(every_small_arena_is_safe),
        cmocka_unit_test(a_loaded_tree_is_on_the_heap),
        WITH_ARENA(a_dump_is_compact_and_keeps_order_and_kinds_of_numbers),
        cmocka_unit_test(the_writer_knows_where_commas_go),
        WITH_ARENA(every_byte_is_escaped_right_at_every_place),
        cmocka_unit_test(a_writer_that_meets_the_limit_leaves_a_failed_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
