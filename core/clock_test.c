#include "core/clock.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"

static void the_clock_tells_unix_time_in_milliseconds(void **state) {
    (void)state;
    struct timespec before, behind;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t now_ms = hd_system_clock.now_ms(&hd_system_clock);
    clock_gettime(CLOCK_REALTIME, &behind);
    assert_true(now_ms >= (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000);
    assert_true(now_ms <= (int64_t)behind.tv_sec * 1000 + behind.tv_nsec / 1000000);
}

static void the_monotonic_clock_is_the_systems_and_never_goes_back(void **state) {
    (void)state;
    struct timespec before, behind;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t us = hd_monotonic_us(), ms = hd_monotonic_ms();
    clock_gettime(CLOCK_MONOTONIC, &behind);
    assert_true(us >= (int64_t)before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true(ms >= us / 1000);
    assert_true(ms <= (int64_t)behind.tv_sec * 1000 + behind.tv_nsec / 1000000);
}

static void fills_of_every_size_write_all_and_no_more(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 10, 24, 4095, 4096, 4097, 20000};
    static uint8_t bytes[20001];
    for (size_t i = 0; i < HD_ARRAY_LEN(sizes); i++) {
        size_t count = sizes[i];
        uint8_t first = 0, last = 0;
        bytes[count] = 0xa5;
        for (int round = 0; round < 64; round++) { /* a byte that is 0 in all of them by chance: 2^-512 */
            memset(bytes, 0, count);
            hd_system_random.fill(&hd_system_random, bytes, count);
            first |= count ? bytes[0] : 1;
            last |= count ? bytes[count - 1] : 1;
            assert_int_equal(bytes[count], 0xa5);
        }
        assert_true(first && last);
    }
}

static void no_bytes_come_twice_across_refills(void **state) {
    (void)state;
    enum { DRAWS = 4096, DRAW_BYTES = 10 }; /* ten times the read-ahead */
    static uint8_t draws[DRAWS][DRAW_BYTES];
    for (size_t i = 0; i < DRAWS; i++)
        hd_system_random.fill(&hd_system_random, draws[i], DRAW_BYTES);
    for (size_t i = 0; i < DRAWS; i++) {
        for (size_t k = i + 1; k < DRAWS; k++)
            assert_true(memcmp(draws[i], draws[k], DRAW_BYTES) != 0);
    }
}

static void *fill_here(void *bytes) {
    hd_system_random.fill(&hd_system_random, bytes, 32);
    return NULL;
}

static void each_thread_draws_its_own(void **state) {
    (void)state;
    enum { THREADS = 8 };
    uint8_t drawn[THREADS][32] = {{0}};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fill_here, drawn[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t k = i + 1; k < THREADS; k++)
            assert_memory_not_equal(drawn[i], drawn[k], sizeof(drawn[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_tells_unix_time_in_milliseconds),
        cmocka_unit_test(the_monotonic_clock_is_the_systems_and_never_goes_back),
        cmocka_unit_test(fills_of_every_size_write_all_and_no_more),
        cmocka_unit_test(no_bytes_come_twice_across_refills),
        cmocka_unit_test(each_thread_draws_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
