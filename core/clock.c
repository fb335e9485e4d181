#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* explicit_bzero, getrandom */
#endif

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/attributes.h"

static int64_t system_now_ms(const struct hd_clock *clock) {
    (void)clock;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const struct hd_clock hd_system_clock = {.now_ms = system_now_ms};

int64_t hd_monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t hd_monotonic_ms(void) {
    return hd_monotonic_us() / 1000;
}

static void read_system(uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t got = getrandom(bytes, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("helpdesk: getrandom"); /* nothing that we make would be unique or secret */
            abort();
        }
        bytes += got;
        count -= (size_t)got;
    }
}

/* A system call for each id would cost more than the id: 4 KiB are read at once. What is handed out is wiped, so that a later look
 * into our memory does not find the secrets that were made of it. */
enum { READ_AHEAD_BYTES = 4096 };
static _Thread_local struct {
    uint8_t bytes[READ_AHEAD_BYTES];
    size_t left; /* the last so many bytes are unused */
} ahead;

static void system_fill(const struct hd_random *random, void *bytes, size_t count) {
    (void)random;
    if (count > READ_AHEAD_BYTES) {
        read_system(bytes, count);
        return;
    }
    if (count > ahead.left) {
        read_system(ahead.bytes, READ_AHEAD_BYTES);
        ahead.left = READ_AHEAD_BYTES;
    }
    uint8_t *from = ahead.bytes + READ_AHEAD_BYTES - ahead.left;
    memcpy(bytes, from, count);
    explicit_bzero(from, count);
    ahead.left -= count;
}

const struct hd_random hd_system_random = {.fill = system_fill};
