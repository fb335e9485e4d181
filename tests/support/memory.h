/* The store and queue ports in memory, for tests: the model that the other implementations are compared with, and a place to inject faults.
 *
 * Simple before fast: every table is an array that is searched from one end to the other, and a changeset that fails is undone by going back to
 * the arrays as they were. Values are deep copies and are kept until hd_memory_free. Thread-safe (one mutex); a view belongs to one thread.
 * Out of memory for the state itself aborts: it is a test's machine that is too small, not a case to handle. A full arena of a caller is HD_ERR_NO_MEMORY. */
#pragma once

#include "core/queue.h"
#include "core/store.h"

struct hd_memory;

struct hd_memory *hd_memory_new(void);
/* Views must be closed before. Takes NULL. */
void hd_memory_free(struct hd_memory *memory);

/* Views on the one shared state, as many as wanted; their close frees them. */
struct hd_store *hd_memory_store(struct hd_memory *memory);
struct hd_queue *hd_memory_queue(struct hd_memory *memory);

/* As after a crash and a restart: everything is still there; claims are gone, so that claimed messages are visible, and older receipts do not count. */
void hd_memory_crash(struct hd_memory *memory);

/* ---- faults ---- */

/* The n-th call from now (1: the next) of commit, a read, receive, extend or depth fails with code, of whatever view, and does nothing. 0 takes it back. */
void hd_memory_fail_next(struct hd_memory *memory, int n, enum hd_code code);
/* The next commit happens, but its caller is told HD_ERR_UNAVAILABLE. */
void hd_memory_lose_answer(struct hd_memory *memory);
