#include "base/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct hd_arena *arena;
static struct hd_compressor *compressor;

static void comes_back_as_it_was(const char *text) {
    const void *data = NULL;
    size_t bytes = 0;
    const char *back = NULL;
    assert_int_equal(hd_compress(compressor, text, arena, &data, &bytes, NULL), 0);
    assert_int_equal(hd_decompress(data, bytes, arena, &back, NULL), 0);
    assert_string_equal(back, text);
}

static void a_text_comes_back_as_it_was(void **state) {
    (void)state;
    comes_back_as_it_was("");
    comes_back_as_it_was("a");
    comes_back_as_it_was("Olá, Ana Conceição! Olá, Ana Conceição! Olá, Ana Conceição! Olá, Ana Conceição!");
}

static void a_text_that_says_things_twice_becomes_shorter(void **state) {
    (void)state;
    char text[4001];
    for (size_t i = 0; i < 4000; i++)
        text[i] = (char)('a' + i % 26);
    text[4000] = '\0';
    const void *data = NULL;
    size_t bytes = 0;
    assert_int_equal(hd_compress(compressor, text, arena, &data, &bytes, NULL), 0);
    assert_true(bytes < 400);
    comes_back_as_it_was(text);
}

static void damage_is_told_and_never_read_past(void **state) {
    (void)state;
    const char *text = "Recebemos o seu chamado. Recebemos o seu chamado. Recebemos o seu chamado.";
    const void *data = NULL;
    const char *back = NULL;
    size_t bytes = 0;
    unsigned char damaged[256];
    assert_int_equal(hd_compress(compressor, text, arena, &data, &bytes, NULL), 0);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_int_equal(hd_decompress(data, cut, arena, &back, NULL), HD_ERR_CORRUPT);
    memcpy(damaged, data, bytes);
    damaged[0]++;
    assert_int_equal(hd_decompress(damaged, bytes, arena, &back, NULL), HD_ERR_CORRUPT);
    memset(damaged, 0xff, 4);
    assert_int_equal(hd_decompress(damaged, bytes, arena, &back, NULL), HD_ERR_CORRUPT);
    assert_null(back);
}

static void no_memory_is_an_error(void **state) {
    (void)state;
    struct hd_arena *small = hd_arena_new(16);
    const void *data = NULL;
    size_t bytes = 0;
    assert_int_equal(hd_compress(compressor, "a text that is longer than the arena has room for", small, &data, &bytes, NULL),
                     HD_ERR_NO_MEMORY);
    hd_arena_free(small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_comes_back_as_it_was),
        cmocka_unit_test(a_text_that_says_things_twice_becomes_shorter),
        cmocka_unit_test(damage_is_told_and_never_read_past),
        cmocka_unit_test(no_memory_is_an_error),
    };
    arena = hd_arena_new(1024 * 1024);
    compressor = hd_compressor_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hd_compressor_free(compressor);
    hd_arena_free(arena);
    return failed;
}
