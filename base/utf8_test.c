#include "base/utf8.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static size_t valid(const char *text) {
    return hd_utf8_valid_prefix(text, strlen(text));
}

static void whole_texts_are_valid(void **state) {
    (void)state;
    const char *texts[] = {"", "plain text of more than eight bytes", "ação às três: £, €, 𝄞", "\xf4\x8f\xbf\xbf",
                           "\xed\x9f\xbf\xee\x80\x80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(valid(texts[i]), strlen(texts[i]));
    assert_int_equal(hd_utf8_valid_prefix("a\0b", 3), 3);
}

static void bad_sequences_end_the_prefix(void **state) {
    (void)state;
    const char *bad[] = {
        "\x80", "\xc0\xaf", "\xc1\xbf",     "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xc3", "\xe2\x82", "\xe2\x28\xa1", "\xf0\x9d\x84", "\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[32] = "before, é";
        size_t before = strlen(text);
        memcpy(text + before, bad[i], strlen(bad[i]) + 1);
        assert_int_equal(valid(text), before);
    }
}

static void a_cut_text_ends_between_characters(void **state) {
    (void)state;
    assert_int_equal(hd_utf8_valid_prefix("ab€", 4), 2);
    assert_int_equal(hd_utf8_valid_prefix("ab€", 5), 5);
}

static void scrubbing_replaces_bad_bytes_and_nothing_else(void **state) {
    (void)state;
    char text[] = "é\xff€\xe2\x82z";
    hd_utf8_scrub(text, strlen(text));
    assert_string_equal(text, "é?€??z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts_are_valid),
        cmocka_unit_test(bad_sequences_end_the_prefix),
        cmocka_unit_test(a_cut_text_ends_between_characters),
        cmocka_unit_test(scrubbing_replaces_bad_bytes_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
