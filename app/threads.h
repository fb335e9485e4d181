/* Waiting for threads that may not end in time: one that hangs in the store must not keep a process from ending. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Joins the thread if it ends before that time of hd_monotonic_ms. False: it goes on. */
bool hd_thread_join_until(pthread_t thread, int64_t until_ms);
