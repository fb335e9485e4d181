#include "core/channel.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"

static void every_channel_is_found_by_its_name(void **state) {
    (void)state;
    for (int channel = 0; channel < HD_CHANNEL_COUNT; channel++)
        assert_int_equal(hd_channel_from_name(hd_channel_name((enum hd_channel)channel)), channel);
    assert_string_equal(hd_channel_name(HD_INAPP), "inapp");
}

static void a_name_that_is_none_is_minus_one(void **state) {
    (void)state;
    static const char *const wrong[] = {NULL, "", "e", "Email", "emails", "email ", "carrier-pigeon", "\xff"};
    for (size_t i = 0; i < HD_ARRAY_LEN(wrong); i++)
        assert_int_equal(hd_channel_from_name(wrong[i]), -1);
}

static unsigned from_text(struct hd_arena *arena, const char *text) {
    json_t *root;
    assert_int_equal(hd_json_parse(arena, text, strlen(text), 0, &root, NULL), 0);
    return hd_channels_from_json(root);
}

static void a_json_array_becomes_a_set(void **state) {
    (void)state;
    struct hd_arena *arena = hd_arena_new(64 * 1024);
    assert_non_null(arena);
    assert_int_equal(from_text(arena, "[\"email\",\"push\"]"), HD_CHANNEL_BIT(HD_EMAIL) | HD_CHANNEL_BIT(HD_PUSH));
    assert_int_equal(from_text(arena, "[\"sms\",\"sms\",\"smoke\",7,null,[]]"), HD_CHANNEL_BIT(HD_SMS));
    assert_int_equal(from_text(arena, "[\"email\",\"push\",\"sms\",\"webhook\",\"inapp\"]"), HD_ALL_CHANNELS);
    assert_int_equal(from_text(arena, "[]"), 0);
    assert_int_equal(from_text(arena, "{\"email\":true}"), 0);
    assert_int_equal(from_text(arena, "\"email\""), 0);
    assert_int_equal(hd_channels_from_json(NULL), 0);
    hd_arena_free(arena);
}

static void assert_written(unsigned channels, const char *expected) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_channels_write(&w, NULL, channels);
    assert_string_equal(hd_buffer_text(&out), expected);
}

static void a_set_is_written_in_the_order_of_the_channels(void **state) {
    (void)state;
    assert_written(0, "[]");
    assert_written(HD_CHANNEL_BIT(HD_INAPP) | HD_CHANNEL_BIT(HD_EMAIL), "[\"email\",\"inapp\"]");
    assert_written(HD_ALL_CHANNELS, "[\"email\",\"push\",\"sms\",\"webhook\",\"inapp\"]");
}

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_channel_is_found_by_its_name),
        cmocka_unit_test(a_name_that_is_none_is_minus_one),
        cmocka_unit_test(a_json_array_becomes_a_set),
        cmocka_unit_test(a_set_is_written_in_the_order_of_the_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
