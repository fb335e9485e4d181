/* Time and randomness as ports, so that decisions can be repeated. Implementations are thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hd_clock {
    int64_t (*now_ms)(const struct hd_clock *clock); /* Unix time in ms */
};

struct hd_random {
    void (*fill)(const struct hd_random *random, void *bytes, size_t count); /* never fails; aborts when the system has no randomness */
};

/* The system's: CLOCK_REALTIME, and getrandom(2) read ahead in a buffer of each thread (so a process that forks must use it in one of the two only). */
extern const struct hd_clock hd_system_clock;
extern const struct hd_random hd_system_random;

/* How long things take and when they are late: a clock that nobody sets (CLOCK_MONOTONIC), from an origin that means nothing. Not for decisions: these take an hd_clock. */
int64_t hd_monotonic_ms(void);
int64_t hd_monotonic_us(void);
