/* An arena: the memory of one request or one message. Allocations are never freed one by one; they die with the arena.
 *
 * Grows in blocks up to a limit, so that hostile input costs a bounded amount. Not thread-safe: an arena belongs to one thread at
 * a time. Memory is aligned for any type. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct hd_arena;

enum { HD_ARENA_BLOCK_BYTES = 8 * 1024 };

/* limit_bytes bounds the sum of all blocks. NULL when out of memory. */
struct hd_arena *hd_arena_new(size_t limit_bytes) HD_MUST_CHECK;
void hd_arena_free(struct hd_arena *arena); /* takes NULL */
void hd_arena_freep(struct hd_arena **arena);

/* Forgets all allocations and keeps the first block: what makes reuse from request to request free of malloc. */
void hd_arena_reset(struct hd_arena *arena);

/* Forgets what was allocated since the mark: for work that is done again in memory that must keep what came before it. */
struct hd_arena_mark {
    const void *block;
    size_t at, used_bytes;
};
struct hd_arena_mark hd_arena_mark(const struct hd_arena *arena);
void hd_arena_rewind(struct hd_arena *arena, struct hd_arena_mark mark);

/* Whether an allocation has failed since the last reset because of the limit, and not because memory is out. */
bool hd_arena_was_full(const struct hd_arena *arena);

/* NULL when the limit is reached or memory is out. size 0 gives a valid pointer. hd_arena_alloc does not clear. */
void *hd_arena_alloc(struct hd_arena *arena, size_t size_bytes) HD_MUST_CHECK;
void *hd_arena_calloc(struct hd_arena *arena, size_t count, size_t size_bytes) HD_MUST_CHECK; /* cleared; checks overflow */
char *hd_arena_strdup(struct hd_arena *arena, const char *text) HD_MUST_CHECK;                /* NULL in gives NULL out */
char *hd_arena_strndup(struct hd_arena *arena, const char *text, size_t len) HD_MUST_CHECK;
char *hd_arena_printf(struct hd_arena *arena, const char *fmt, ...) HD_MUST_CHECK HD_PRINTF(2, 3);

size_t hd_arena_used(const struct hd_arena *arena); /* bytes handed out since the last reset, rounding included */
