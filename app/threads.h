/* Threads that are to end: telling them, and waiting for those that may not. One that hangs in the store must not keep a process from ending. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What threads wait for between two rounds of their work. */
struct stop_signal {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool raised; /* under the lock */
};

void hd_stop_signal_init(struct stop_signal *signal);
void hd_stop_signal_destroy(struct stop_signal *signal);
void hd_stop_signal_raise(struct stop_signal *signal);
/* Waits that long at most. True: it is raised. */
bool hd_stop_signal_wait(struct stop_signal *signal, int64_t ms);

/* Joins the thread if it ends before that time of hd_monotonic_ms. False: it goes on. */
bool hd_thread_join_until(pthread_t thread, int64_t until_ms);
