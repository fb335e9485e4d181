#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer what is not handed out is poisoned, so that overruns inside a block are found, too. */
#if defined(__SANITIZE_ADDRESS__)
#define HD_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HD_ARENA_ASAN 1
#endif
#endif
#ifdef HD_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, len) ASAN_POISON_MEMORY_REGION((ptr), (len))
#define UNPOISON(ptr, len) ASAN_UNPOISON_MEMORY_REGION((ptr), (len))
#else
#define POISON(ptr, len) ((void)(ptr), (void)(len))
#define UNPOISON(ptr, len) ((void)(ptr), (void)(len))
#endif

enum { ALIGNMENT = alignof(max_align_t), BLOCK_GROWTH_MAX_BYTES = 256 * 1024 };

struct block {
    struct block *older;
    size_t size_bytes;
    alignas(max_align_t) unsigned char data[];
};

struct hd_arena {
    struct block *newest;
    size_t at; /* in newest->data */
    size_t used_bytes;
    size_t blocks_bytes;
    size_t limit_bytes;
    bool was_full;
};

static struct block *block_new(size_t size_bytes) {
    if (size_bytes > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *block = malloc(sizeof(*block) + size_bytes);
    if (!block)
        return NULL;
    block->older = NULL;
    block->size_bytes = size_bytes;
    POISON(block->data, size_bytes);
    return block;
}

static void block_free(struct block *block) {
    UNPOISON(block->data, block->size_bytes);
    free(block);
}

struct hd_arena *hd_arena_new(size_t limit_bytes) {
    struct hd_arena *arena = malloc(sizeof(*arena));
    if (!arena)
        return NULL;
    size_t first_bytes = limit_bytes < HD_ARENA_BLOCK_BYTES ? limit_bytes : (size_t)HD_ARENA_BLOCK_BYTES;
    struct block *first = block_new(first_bytes);
    if (!first) {
        free(arena);
        return NULL;
    }
    *arena = (struct hd_arena){.newest = first, .blocks_bytes = first_bytes, .limit_bytes = limit_bytes};
    return arena;
}

static void free_all_but_first(struct hd_arena *arena) {
    while (arena->newest->older) {
        struct block *block = arena->newest;
        arena->newest = block->older;
        block_free(block);
    }
}

void hd_arena_free(struct hd_arena *arena) {
    if (!arena)
        return;
    free_all_but_first(arena);
    block_free(arena->newest);
    free(arena);
}

void hd_arena_freep(struct hd_arena **arena) {
    hd_arena_free(*arena);
    *arena = NULL;
}

void hd_arena_reset(struct hd_arena *arena) {
    free_all_but_first(arena);
    POISON(arena->newest->data, arena->newest->size_bytes);
    arena->blocks_bytes = arena->newest->size_bytes;
    arena->at = 0;
    arena->used_bytes = 0;
    arena->was_full = false;
}

struct hd_arena_mark hd_arena_mark(const struct hd_arena *arena) {
    return (struct hd_arena_mark){.block = arena->newest, .at = arena->at, .used_bytes = arena->used_bytes};
}

void hd_arena_rewind(struct hd_arena *arena, struct hd_arena_mark mark) {
    while (arena->newest != mark.block) {
        struct block *block = arena->newest;
        arena->newest = block->older;
        arena->blocks_bytes -= block->size_bytes;
        block_free(block);
    }
    POISON(arena->newest->data + mark.at, arena->newest->size_bytes - mark.at);
    arena->at = mark.at;
    arena->used_bytes = mark.used_bytes;
}

bool hd_arena_was_full(const struct hd_arena *arena) {
    return arena->was_full;
}

/* A block twice as large as the last one, or as large as it must be, or what the limit still leaves. */
static bool add_block(struct hd_arena *arena, size_t need_bytes) {
    size_t left = arena->limit_bytes - arena->blocks_bytes;
    if (need_bytes > left) {
        arena->was_full = true;
        return false;
    }
    size_t size = arena->newest->size_bytes < BLOCK_GROWTH_MAX_BYTES ? arena->newest->size_bytes * 2 : (size_t)BLOCK_GROWTH_MAX_BYTES;
    if (size < need_bytes)
        size = need_bytes;
    if (size > left)
        size = left;
    struct block *block = block_new(size);
    if (!block)
        return false;
    block->older = arena->newest;
    arena->newest = block;
    arena->blocks_bytes += size;
    arena->at = 0;
    return true;
}

void *hd_arena_alloc(struct hd_arena *arena, size_t size_bytes) {
    if (size_bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t rounded = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded > arena->newest->size_bytes - arena->at && !add_block(arena, rounded))
        return NULL;
    unsigned char *memory = arena->newest->data + arena->at;
    arena->at += rounded;
    arena->used_bytes += rounded;
    UNPOISON(memory, size_bytes);
    return memory;
}

void *hd_arena_calloc(struct hd_arena *arena, size_t count, size_t size_bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total))
        return NULL;
    void *memory = hd_arena_alloc(arena, total);
    return memory ? memset(memory, 0, total) : NULL;
}

static char *duplicate(struct hd_arena *arena, const char *text, size_t len) {
    char *copy = hd_arena_alloc(arena, len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *hd_arena_strdup(struct hd_arena *arena, const char *text) {
    return text ? duplicate(arena, text, strlen(text)) : NULL;
}

char *hd_arena_strndup(struct hd_arena *arena, const char *text, size_t len) {
    return text ? duplicate(arena, text, strnlen(text, len)) : NULL;
}

char *hd_arena_printf(struct hd_arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = len < 0 ? NULL : hd_arena_alloc(arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

size_t hd_arena_used(const struct hd_arena *arena) {
    return arena->used_bytes;
}
