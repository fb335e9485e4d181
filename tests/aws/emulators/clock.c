/* Preloaded (LD_PRELOAD) into a process, it gives that process the time of day that stands in the file HELPDESK_CLOCK_FILE, from the moment on when it is written there: two 64-bit numbers,
 * the time at which the clock stands (us since 1970; 0: it goes), and by how much it goes ahead of the machine's (us). What a process waits by (CLOCK_MONOTONIC) is left alone;
 * a wait until a time of day ends when the machine's clock has gone as far as it would have (a JVM's idle threads wait so, and would otherwise not wait at all where the time given is past). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *set; /* stands at, ahead by */
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void open_clock(void) {
    const char *path = getenv("HELPDESK_CLOCK_FILE");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        set = mapped;
    close(fd);
}

static int64_t now_us(void) {
    struct timespec real;
    real_clock_gettime(CLOCK_REALTIME, &real);
    if (set && set[0])
        return set[0];
    return (int64_t)real.tv_sec * 1000000 + real.tv_nsec / 1000 + (set ? set[1] : 0);
}

int clock_gettime(clockid_t id, struct timespec *ret) {
    if (!real_clock_gettime) /* another library's constructor asks before ours has run */
        open_clock();
    if (!set || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return real_clock_gettime(id, ret);
    int64_t us = now_us();
    *ret = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int r = clock_gettime(CLOCK_REALTIME, &now);
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return r;
}

time_t time(time_t *ret) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

enum { MONOTONIC_MAX_S = 1000 * 1000 * 1000 }; /* a condition does not tell by which clock it waits: no machine has been up for so long */

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    if (!set || until->tv_sec < MONOTONIC_MAX_S)
        return real(condition, mutex, until);
    struct timespec now;
    real_clock_gettime(CLOCK_REALTIME, &now);
    int64_t us = (int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000 + (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - now_us();
    return real(condition, mutex, &(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000});
}
