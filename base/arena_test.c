#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void memory_is_aligned_and_does_not_overlap(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    unsigned char *parts[200];
    for (size_t i = 0; i < 200; i++) {
        parts[i] = hd_arena_alloc(arena, i * 3 + 1);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % alignof(max_align_t), 0);
        memset(parts[i], (int)i, i * 3 + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 3 + 1; k++)
            assert_int_equal(parts[i][k], i);
}

static void the_limit_bounds_all_blocks_together(void **state) {
    (void)state;
    const size_t limit = 100000;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(limit);
    while (hd_arena_alloc(arena, 1000)) {
    }
    assert_true(hd_arena_used(arena) <= limit);
    assert_true(hd_arena_used(arena) > limit / 2);
    assert_null(hd_arena_alloc(arena, limit));
    assert_null(hd_arena_alloc(arena, SIZE_MAX));
    assert_null(hd_arena_alloc(arena, SIZE_MAX - 64));
}

static void a_small_limit_is_kept_to_the_byte(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(64);
    assert_non_null(hd_arena_alloc(arena, 48));
    assert_null(hd_arena_alloc(arena, 17));
    assert_non_null(hd_arena_alloc(arena, 16));
    assert_null(hd_arena_alloc(arena, 1));
    HD_CLEANUP(hd_arena_freep) struct hd_arena *none = hd_arena_new(0);
    assert_non_null(hd_arena_alloc(none, 0));
    assert_null(hd_arena_alloc(none, 1));
}

static void a_reset_gives_the_first_block_again(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    void *first = hd_arena_alloc(arena, 100);
    assert_non_null(hd_arena_alloc(arena, 500000));
    assert_null(hd_arena_alloc(arena, 600000));
    hd_arena_reset(arena);
    assert_int_equal(hd_arena_used(arena), 0);
    assert_ptr_equal(hd_arena_alloc(arena, 100), first);
    assert_non_null(hd_arena_alloc(arena, 1000000));
}

static void calloc_clears_and_checks_overflow(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024);
    void *dirty = hd_arena_alloc(arena, 64);
    memset(dirty, 0xff, 64);
    hd_arena_reset(arena);
    const unsigned char *clean = hd_arena_calloc(arena, 8, 8);
    assert_non_null(clean);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(clean[i], 0);
    assert_null(hd_arena_calloc(arena, SIZE_MAX / 2, 3));
}

static void texts_are_copied_and_formatted(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024);
    assert_string_equal(hd_arena_strdup(arena, "text"), "text");
    assert_null(hd_arena_strdup(arena, NULL));
    assert_string_equal(hd_arena_strndup(arena, "text", 2), "te");
    assert_string_equal(hd_arena_strndup(arena, "text", 20), "text");
    assert_null(hd_arena_strndup(arena, NULL, 3));
    assert_string_equal(hd_arena_printf(arena, "%s-%d", "a", 12), "a-12");
    assert_null(hd_arena_printf(arena, "%2000d", 1));
    hd_arena_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_does_not_overlap), cmocka_unit_test(the_limit_bounds_all_blocks_together),
        cmocka_unit_test(a_small_limit_is_kept_to_the_byte),      cmocka_unit_test(a_reset_gives_the_first_block_again),
        cmocka_unit_test(calloc_clears_and_checks_overflow),      cmocka_unit_test(texts_are_copied_and_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
