#include "app/threads.h"

#include <time.h>

#include "core/clock.h"

static struct timespec in_ms(clockid_t clock, int64_t ms) {
    struct timespec at;
    clock_gettime(clock, &at);
    if (ms <= 0)
        return at;
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

void hd_stop_signal_init(struct stop_signal *signal) {
    pthread_condattr_t monotonic;
    *signal = (struct stop_signal){0};
    pthread_mutex_init(&signal->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&signal->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void hd_stop_signal_destroy(struct stop_signal *signal) {
    pthread_mutex_destroy(&signal->lock);
    pthread_cond_destroy(&signal->changed);
}

void hd_stop_signal_raise(struct stop_signal *signal) {
    pthread_mutex_lock(&signal->lock);
    signal->raised = true;
    pthread_cond_broadcast(&signal->changed);
    pthread_mutex_unlock(&signal->lock);
}

bool hd_stop_signal_wait(struct stop_signal *signal, int64_t ms) {
    struct timespec until = in_ms(CLOCK_MONOTONIC, ms);
    pthread_mutex_lock(&signal->lock);
    for (int r = 0; !signal->raised && r == 0 && ms > 0;)
        r = pthread_cond_timedwait(&signal->changed, &signal->lock, &until);
    bool raised = signal->raised;
    pthread_mutex_unlock(&signal->lock);
    return raised;
}

bool hd_thread_join_until(pthread_t thread, int64_t until_ms) {
    struct timespec at = in_ms(CLOCK_REALTIME, until_ms - hd_monotonic_ms()); /* pthread_timedjoin_np counts by this one */
    return pthread_timedjoin_np(thread, NULL, &at) == 0;
}
