#include "app/threads.h"

#include <time.h>

#include "core/clock.h"

bool hd_thread_join_until(pthread_t thread, int64_t until_ms) {
    struct timespec at;
    int64_t left_ms = until_ms - hd_monotonic_ms();
    clock_gettime(CLOCK_REALTIME, &at); /* pthread_timedjoin_np counts by this one */
    if (left_ms > 0) {
        at.tv_sec += left_ms / 1000;
        at.tv_nsec += left_ms % 1000 * 1000000;
    }
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return pthread_timedjoin_np(thread, NULL, &at) == 0;
}
