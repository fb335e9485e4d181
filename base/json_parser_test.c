/* The parser beside jansson's own, which is the oracle for what it makes and what it takes. tests/fuzz/fuzz_json.c goes further. */
#include "base/json_parser.h"

#include <ftw.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#ifndef HELPDESK_SOURCE_DIR
#define HELPDESK_SOURCE_DIR "." /* the tests run in the source folder */
#endif

enum { SUITE_FILES = 200, FILE_MAX_BYTES = 1024 * 1024 };

static const char rich[] =
    " {\"numbers\" : [0, -1, 2.5e-10, 12345678901234567, -9223372036854775808, 0.12345678901234567890123456789, 1E+2],\r\n"
    "\t\"text that is longer than sixteen bytes\": \"and its value, \\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t too: ação €😀\","
    "\"\\u006eame\\twith escapes\":{\"\\n\":\"\\t\",\"\":\"\"},\"empty\":[{},[],\"\"],"
    "\"o\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":[[[true,false,null]]],\"j\":10}}";

static json_t *read_with_jansson(const char *text, size_t len, int flags) {
    size_t json_flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | ((flags & HD_JSON_ALLOW_NUL) ? JSON_ALLOW_NUL : 0);
    return json_loadb(text, len, json_flags, NULL);
}

/* Texts that are equal say that members are in the same order, too. */
static bool is_same(const json_t *a, const json_t *b) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text_a = {0}, text_b = {0};
    hd_json_dump(&text_a, a);
    hd_json_dump(&text_b, b);
    return json_equal(a, b) && text_a.len == text_b.len && memcmp(hd_buffer_text(&text_a), hd_buffer_text(&text_b), text_a.len) == 0;
}

/* Reads text both ways; true when both refuse it or make the same of it. */
static bool agrees_with_jansson(const char *text, size_t len, int flags, bool *ret_taken) {
    HD_CLEANUP(hd_json_decrefp) json_t *ours = NULL, *theirs = read_with_jansson(text, len, flags);
    struct hd_error err = {0};
    int r = hd_json_read(text, len, flags, &ours, &err);
    *ret_taken = r == 0;
    if (r < 0)
        return !theirs && !ours && r == HD_ERR_MALFORMED && strncmp(err.detail, "JSON, line ", 11) == 0;
    return theirs && is_same(ours, theirs);
}

static void assert_taken(const char *text, int flags) {
    bool taken;
    if (!agrees_with_jansson(text, strlen(text), flags, &taken) || !taken)
        fail_msg("not taken, or not as jansson does: %s", text);
}

static void assert_refused(const char *text) {
    bool taken;
    if (!agrees_with_jansson(text, strlen(text), 0, &taken) || taken)
        fail_msg("not refused: %s", text);
}

static void numbers_are_read_as_jansson_reads_them(void **state) {
    (void)state;
    const char *good[] = {"0",
                          "-0",
                          "-0.0",
                          "0.0",
                          "10",
                          "-10",
                          "999999999999999999",
                          "9223372036854775807",
                          "-9223372036854775808",
                          "0e0",
                          "0E-0",
                          "1e5",
                          "1E+05",
                          "1.5e-5",
                          "0.1",
                          "123456789012345678901234567890.0",
                          "1.7976931348623157e308",
                          "5e-324",
                          "1e-999",
                          "0.000000000000000000000000000000000000000000000000000000000000000000000000000000012345678901234567890123",
                          "100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000e1"};
    const char *bad[] = {"-",
                         "+1",
                         "01",
                         "-01",
                         "00",
                         "1.",
                         ".1",
                         "-.1",
                         "1.e1",
                         "1e",
                         "1e+",
                         "1E-",
                         "1e1.5",
                         "0x10",
                         "1_000",
                         "1 2",
                         "- 1",
                         "1-",
                         "1.2.3",
                         "Infinity",
                         "-NaN",
                         "1e.5",
                         "1e309",
                         "-1e309",
                         "1,5",
                         "--1",
                         "1e999999999999999999999",
                         "9223372036854775808",
                         "-9223372036854775809",
                         "18446744073709551616",
                         "99999999999999999999999999999999"};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++)
        assert_taken(good[i], 0);
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        assert_refused(bad[i]);
}

static void reals_do_not_follow_the_locale(void **state) {
    (void)state;
    static const char *const with_comma[] = {"de_DE.UTF-8", "pt_BR.UTF-8", "fr_FR.UTF-8", "pt_PT.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < HD_ARRAY_LEN(with_comma) && !found; i++)
        found = setlocale(LC_NUMERIC, with_comma[i]) != NULL;
    json_t *root = NULL;
    int r = hd_json_read("1.5", 3, 0, &root, NULL);
    double value = json_real_value(root);
    json_decref(root);
    (void)setlocale(LC_NUMERIC, "C");
    assert_int_equal(r, 0);
    assert_true(value == 1.5);
    if (!found) {
        printf("no locale with a decimal comma is installed, skipped: 1 case\n");
        skip();
    }
}

static void strings_are_read_as_jansson_reads_them(void **state) {
    (void)state;
    const char *good[] = {"\"\"",
                          "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                          "\"\\u0001\\u007f\\u0080\\u07ff\\u0800\\ud7ff\\ue000\\uffff\\uFFFD\\uabcd\\uABCD\"",
                          "\"\\ud800\\udc00\\udbff\\udfff\\uD83D\\uDE00\"",
                          "\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
                          "{\"\\u00e9\":\"\\u00e9\",\"\xc3\xa8\\n\":[\"\\n\",\"\\\\\"]}",
                          "[\"\\\\\",\"\\\\\\\"\",\"\\\\u0041\"]"};
    const char *bad[] = {"\"",
                         "\"a",
                         "\"\\\"",
                         "\"\\",
                         "\"\\a\"",
                         "\"\\'\"",
                         "\"\\U0041\"",
                         "\"\\u\"",
                         "\"\\u12\"",
                         "\"\\u123",
                         "\"\\u12g4\"",
                         "\"\\u 123\"",
                         "\"\\u-123\"",
                         "\"\\ud800\"",
                         "\"\\udc00\"",
                         "\"\\ud800\\n\"",
                         "\"\\ud800a",
                         "'a'",
                         "\"\\ud800\\u0041\"",
                         "\"\\ud800\\ud800\"",
                         "\"\\udc00\\ud800\"",
                         "\"\\ud800\\u\"",
                         "\"\\ud800\\udc0\"",
                         "\"\n\"",
                         "\"\t\"",
                         "\"\x1f\"",
                         "\"\x80\"",
                         "\"\xc3\"",
                         "\"\xc0\x80\"",
                         "\"\xc1\xbf\"",
                         "\"\xe0\x9f\xbf\"",
                         "\"\xed\xa0\x80\"",
                         "\"\xf0\x8f\xbf\xbf\"",
                         "\"\xf4\x90\x80\x80\"",
                         "\"\xf5\x80\x80\x80\"",
                         "\"\xff\"",
                         "\"\xe2\x82\"",
                         "\"\\\xc3\xa9\"",
                         "\"\\u0000\"",
                         "{\"\\u0000\":1}",
                         "{\"a\\u0000\":1}"};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++)
        assert_taken(good[i], 0);
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        assert_refused(bad[i]);
    assert_taken("{\"a\":\"\\u0000b\\u0000\"}", HD_JSON_ALLOW_NUL);
}

/* Every place in a word of eight bytes, before and behind every other byte. */
static void every_byte_is_seen_at_every_place_of_a_string(void **state) {
    (void)state;
    for (int c = 1; c <= UCHAR_MAX; c++) {
        for (size_t place = 1; place < 19; place++) {
            char text[] = "\"aaaaaaaaaaaaaaaaaa\"", pair[] = "[\"aaaaaaaaaaaaaaaa\",\"\xc3\xa9zzzzzzzzzzzzzzz\"]";
            bool taken;
            text[place] = (char)c;
            assert_true(agrees_with_jansson(text, strlen(text), 0, &taken));
            pair[place + 1] = (char)c;
            assert_true(agrees_with_jansson(pair, strlen(pair), 0, &taken));
        }
    }
}

static void structure_is_read_as_jansson_reads_it(void **state) {
    (void)state;
    const char *good[] = {"[]",
                          "{}",
                          " [ ] ",
                          "\t{\r}\n",
                          "[[],{},[[]]]",
                          "{\"\":{\"\":{}},\"a\":[]}",
                          "[1,[2],[],3]",
                          "{\"a\":{},\"b\":1}",
                          "{\"a\":1,\"A\":2,\"aa\":3}",
                          "true",
                          "false",
                          "null",
                          "[true,false,null]"};
    const char *bad[] = {"",
                         " ",
                         "[",
                         "{",
                         "]",
                         "}",
                         "[}",
                         "{]",
                         "[1",
                         "[1,",
                         "[,1]",
                         "[1,,2]",
                         "[1,]",
                         "{,}",
                         "{\"a\"}",
                         "{\"a\":}",
                         "{\"a\":1,}",
                         "{\"a\":1",
                         "{\"a\":1,",
                         "{\"a\"",
                         "{\"a\":",
                         "{1:2}",
                         "{a:1}",
                         "{\"a\",1}",
                         "{\"a\"=1}",
                         "[1:2]",
                         "[1}",
                         "{\"a\":1]",
                         "[]]",
                         "{}}",
                         "[] []",
                         "1 1",
                         "tru",
                         "truex",
                         "True",
                         "nul",
                         "nulll",
                         "falsefalse",
                         "[true1]",
                         "undefined",
                         "\v1",
                         "\f1",
                         "\302\2401",
                         "/**/1",
                         "[1]//",
                         "#",
                         "\xef\xbb\xbf{}",
                         "[\"a\" \"b\"]",
                         ":",
                         ","};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++)
        assert_taken(good[i], 0);
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        assert_refused(bad[i]);
}

static void a_name_may_stand_only_once_in_an_object_of_any_size(void **state) {
    (void)state;
    assert_refused("{\"a\":1,\"a\":1}");
    assert_refused("{\"a\":{},\"a\":[]}");
    assert_refused("{\"a\":{\"b\":[1]},\"\\u0061\":{\"b\":1}}");
    assert_refused("{\"\":1,\"\":2}");
    assert_refused("[{\"x\":{\"a\":\"s\",\"b\":1,\"a\":\"t\"}}]");
    assert_taken("{\"a\":{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]}},\"b\":{\"a\":1}}", 0);
    for (int twice = 0; twice < 40; twice++) {
        char text[1024] = "{";
        for (int i = 0; i < 40; i++)
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"name %d\":%d,", i, i);
        size_t len = strlen(text);
        text[len - 1] = '}';
        assert_taken(text, 0);
        (void)snprintf(text + len - 1, sizeof(text) - len + 1, ",\"name %d\":[]}", twice);
        assert_refused(text);
    }
}

static void assert_place(const char *text, const char *place) {
    json_t *root = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_json_read(text, strlen(text), 0, &root, &err), HD_ERR_MALFORMED);
    assert_null(root);
    assert_string_equal(err.detail, place);
}

static void an_error_says_where_and_what(void **state) {
    (void)state;
    assert_place("", "JSON, line 1, column 1: the text ends too early");
    assert_place("{\n \"a\": ]}", "JSON, line 2, column 7: a value is expected");
    assert_place("[\"ação\" 1]", "JSON, line 1, column 9: a ',' or ']' is expected");
    assert_place("{\"a\":1 \"b\"", "JSON, line 1, column 8: a ',' or '}' is expected");
    assert_place("{1", "JSON, line 1, column 2: a name or '}' is expected");
    assert_place("{\"a\":1,}", "JSON, line 1, column 8: a name is expected");
    assert_place("{\"a\" 1}", "JSON, line 1, column 6: a ':' is expected");
    assert_place("[1\n,2\n", "JSON, line 3, column 1: the text ends too early");
    assert_place("{} x", "JSON, line 1, column 4: the end is expected");
    assert_place("\"a\nb\"", "JSON, line 1, column 3: a control character inside of a string");
    assert_place("\"ab", "JSON, line 1, column 4: the text ends inside of a string");
    assert_place("\"ab\\x\"", "JSON, line 1, column 4: no such escape");
    assert_place("\"\\u12\"", "JSON, line 1, column 2: \\u wants four hexadecimal digits");
    assert_place("\"\\ud800\"", "JSON, line 1, column 2: half of a surrogate pair");
    assert_place("\"\\u0000\"", "JSON, line 1, column 2: \\u0000 is not allowed here");
    assert_place("\"\xc3\xa9\xff\"", "JSON, line 1, column 3: this is not UTF-8");
    assert_place("[-]", "JSON, line 1, column 3: a digit is expected");
    assert_place("[01]", "JSON, line 1, column 2: a number does not begin with 0");
    assert_place("[9223372036854775808]", "JSON, line 1, column 2: this integer is out of the range of 64 bits");
    assert_place("[1,1e999]", "JSON, line 1, column 4: this number is too large");
    assert_place("{\"a\":1,\n\"a\":2}", "JSON, line 2, column 1: a member of this name is there already");
    assert_place("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "JSON, line 1, column 33: nested deeper than 32");
}

static void scalars_do_not_count_as_depth(void **state) {
    (void)state;
    char text[2 * HD_JSON_ANY_DEPTH_MAX + 1];
    memset(text, '[', HD_JSON_ANY_DEPTH_MAX);
    text[HD_JSON_ANY_DEPTH_MAX] = '1';
    memset(text + HD_JSON_ANY_DEPTH_MAX + 1, ']', HD_JSON_ANY_DEPTH_MAX);
    HD_CLEANUP(hd_json_decrefp) json_t *root = NULL;
    assert_int_equal(hd_json_read(text, sizeof(text), HD_JSON_ANY_DEPTH, &root, NULL), 0);
}

/* Memory that ends at a page that cannot be read: one byte too far and the test is dead, in every build. */
struct cliff {
    char *pages;
    size_t page_bytes;
};

static int cliff_setup(void **state) {
    static struct cliff cliff;
    cliff.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    cliff.pages = mmap(NULL, 2 * cliff.page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *state = &cliff;
    return cliff.pages == MAP_FAILED ? -1 : mprotect(cliff.pages + cliff.page_bytes, cliff.page_bytes, PROT_NONE);
}

static int cliff_teardown(void **state) {
    struct cliff *cliff = *state;
    return munmap(cliff->pages, 2 * cliff->page_bytes);
}

static char *before_cliff(const struct cliff *cliff, const char *text, size_t len) {
    return memcpy(cliff->pages + cliff->page_bytes - len, text, len);
}

static void no_part_of_a_text_is_taken_or_read_beyond(void **state) {
    size_t len = strlen(rich);
    bool taken;
    for (size_t part = 0; part < len; part++) {
        assert_true(agrees_with_jansson(before_cliff(*state, rich, part), part, 0, &taken));
        assert_false(taken);
    }
    assert_true(agrees_with_jansson(before_cliff(*state, rich, len), len, 0, &taken));
    assert_true(taken);
}

static void the_end_of_a_text_is_no_part_of_it(void **state) {
    const char *texts[] = {"12", "-1.5e+3", "true", "\"a\\u00e9\"", "{}", "[1] "};
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        bool taken;
        size_t len = strlen(texts[i]);
        assert_true(agrees_with_jansson(before_cliff(*state, texts[i], len), len, 0, &taken));
        assert_true(taken);
    }
    json_t *root = NULL;
    assert_int_equal(hd_json_read("123", 2, 0, &root, NULL), 0);
    assert_int_equal(json_integer_value(root), 12);
    json_decref(root);
}

static void any_byte_put_into_a_text_does_to_it_what_it_does_to_jansson(void **state) {
    static const char bytes[] = "\"\\{}[]:,0-.eu \n\x1f\x80\xc3\xff";
    size_t len = strlen(rich), taken_count = 0;
    for (size_t at = 0; at < len; at++) {
        for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
            bool taken;
            char *text = before_cliff(*state, rich, len);
            text[at] = bytes[b];
            assert_true(agrees_with_jansson(text, len, 0, &taken));
            taken_count += taken;
        }
    }
    assert_in_range(taken_count, len / 10, len * 10);
}

/* ---- memory ---- */

static size_t allocations, living, failing_at; /* failing_at counts from 1; 0: none fails */

static void *counted_malloc(size_t size_bytes) {
    if (++allocations == failing_at)
        return NULL;
    void *memory = malloc(size_bytes);
    living += memory != NULL;
    return memory;
}

static void counted_free(void *memory) {
    living -= memory != NULL;
    free(memory);
}

static int counting_setup(void **state) {
    (void)state;
    json_set_alloc_funcs(counted_malloc, counted_free);
    allocations = living = failing_at = 0;
    return 0;
}

static int counting_teardown(void **state) {
    (void)state;
    json_set_alloc_funcs(malloc, free);
    return 0;
}

static void every_failed_allocation_is_reported_and_loses_nothing(void **state) {
    (void)state;
    json_t *root = NULL;
    assert_int_equal(hd_json_read(rich, strlen(rich), 0, &root, NULL), 0);
    json_decref(root);
    assert_int_equal(living, 0);
    size_t total = allocations;
    assert_true(total > 50);
    for (failing_at = 1; failing_at <= total; failing_at++) {
        struct hd_error err;
        allocations = 0;
        root = NULL;
        assert_int_equal(hd_json_read(rich, strlen(rich), 0, &root, &err), HD_ERR_NO_MEMORY);
        assert_null(root);
        assert_int_equal(living, 0);
    }
}

static void a_refused_text_leaves_nothing_on_the_heap(void **state) {
    (void)state;
    for (size_t part = 0; part < strlen(rich); part++) {
        json_t *root = NULL;
        assert_int_equal(hd_json_read(rich, part, 0, &root, NULL), HD_ERR_MALFORMED);
        assert_int_equal(living, 0);
    }
}

/* ---- the official suites' files, which are JSON of many kinds ---- */

static size_t suite_files, suite_bytes, suite_refused; /* bignum.json has integers that no int64_t holds */

static int compare_file(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)ftw;
    size_t path_len = strlen(path);
    if (type != FTW_F || path_len < 5 || strcmp(path + path_len - 5, ".json") != 0 || st->st_size > FILE_MAX_BYTES)
        return 0;
    FILE *file = fopen(path, "rb");
    char *text = malloc((size_t)st->st_size + 1);
    assert_non_null(file);
    assert_non_null(text);
    size_t len = fread(text, 1, (size_t)st->st_size, file);
    (void)fclose(file);
    bool taken;
    if (!agrees_with_jansson(text, len, HD_JSON_ALLOW_NUL | HD_JSON_ANY_DEPTH, &taken))
        fail_msg("%s is not read as jansson reads it", path);
    free(text);
    suite_files++;
    suite_bytes += len;
    suite_refused += !taken;
    return 0;
}

static void the_official_suites_are_read_as_jansson_reads_them(void **state) {
    (void)state;
    const char *suites = getenv("HELPDESK_SUITES_DIR");
    if (!suites || !suites[0])
        suites = HELPDESK_SOURCE_DIR "/../shared/data";
    suite_files = suite_bytes = suite_refused = 0;
    (void)nftw(suites, compare_file, 16, FTW_PHYS);
    if (suite_files == 0) {
        printf("official suites: not found, skipped: %d files\n", SUITE_FILES);
        const char *ci = getenv("CI");
        if (ci && strcmp(ci, "true") == 0)
            fail_msg("CI=true wants the official suites");
        skip();
    }
    printf("official suites: %zu files of JSON (%zu bytes) read as jansson reads them, %zu of them refused\n", suite_files, suite_bytes,
           suite_refused);
    assert_true(suite_files >= SUITE_FILES);
    assert_true(suite_refused <= 1);
}

#define BEFORE_CLIFF(test) cmocka_unit_test_setup_teardown(test, cliff_setup, cliff_teardown)
#define COUNTING(test) cmocka_unit_test_setup_teardown(test, counting_setup, counting_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_as_jansson_reads_them),
        cmocka_unit_test(reals_do_not_follow_the_locale),
        cmocka_unit_test(strings_are_read_as_jansson_reads_them),
        cmocka_unit_test(every_byte_is_seen_at_every_place_of_a_string),
        cmocka_unit_test(structure_is_read_as_jansson_reads_it),
        cmocka_unit_test(a_name_may_stand_only_once_in_an_object_of_any_size),
        cmocka_unit_test(an_error_says_where_and_what),
        cmocka_unit_test(scalars_do_not_count_as_depth),
        BEFORE_CLIFF(no_part_of_a_text_is_taken_or_read_beyond),
        BEFORE_CLIFF(the_end_of_a_text_is_no_part_of_it),
        BEFORE_CLIFF(any_byte_put_into_a_text_does_to_it_what_it_does_to_jansson),
        COUNTING(every_failed_allocation_is_reported_and_loses_nothing),
        COUNTING(a_refused_text_leaves_nothing_on_the_heap),
        cmocka_unit_test(the_official_suites_are_read_as_jansson_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
