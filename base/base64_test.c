#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1024 * 1024 };

/* RFC 4648 §10 */
static const struct {
    const char *plain, *encoded, *for_urls;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void decodes_to(struct hd_arena *arena, const char *text, const void *data, size_t len) {
    void *got = NULL;
    size_t got_len = SIZE_MAX;
    assert_true(hd_base64_decode(arena, text, strlen(text), &got, &got_len));
    assert_int_equal(got_len, len);
    assert_memory_equal(got, data, len);
    assert_int_equal(((const char *)got)[len], '\0');
}

static void the_vectors_of_the_rfc_hold_both_ways(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    for (size_t i = 0; i < HD_ARRAY_LEN(vectors); i++) {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
        size_t len = strlen(vectors[i].plain);
        hd_base64_add(&out, vectors[i].plain, len);
        assert_string_equal(hd_buffer_text(&out), vectors[i].encoded);
        hd_buffer_clear(&out);
        hd_base64url_add(&out, vectors[i].plain, len);
        assert_string_equal(hd_buffer_text(&out), vectors[i].for_urls);
        decodes_to(arena, vectors[i].encoded, vectors[i].plain, len);
        decodes_to(arena, vectors[i].for_urls, vectors[i].plain, len);
    }
}

static void all_bytes_of_any_length_come_back(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    unsigned char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
        hd_base64_add(&out, bytes, len);
        decodes_to(arena, hd_buffer_text(&out), bytes, len);
    }
}

static void what_is_no_base64_is_refused(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    static const char *const wrong[] = {"Z", "Zg=", "Zm9vY", "Zg==Zg==", "Z g=", "Zm9v\n", "Zh==", "Zm9=", "====", "Zm9vé"};
    for (size_t i = 0; i < HD_ARRAY_LEN(wrong); i++) {
        void *data = &data;
        size_t len = 7;
        assert_false(hd_base64_decode(arena, wrong[i], strlen(wrong[i]), &data, &len));
        assert_ptr_equal(data, &data);
        assert_int_equal(len, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_hold_both_ways),
        cmocka_unit_test(all_bytes_of_any_length_come_back),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
