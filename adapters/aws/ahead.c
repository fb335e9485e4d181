/* A batch of messages names what its processors will read: one BatchGetItem instead of a GetItem for each. Consistent, as every read by key is; it costs the same units, and one round trip. */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/store.h"

struct hd_ahead_entry {
    struct hd_aws_key key;
    json_t *item; /* NULL: there is none */
};

static const size_t ahead_bytes = (size_t)64 * 1024 * 1024;

static int compare_keys(const struct hd_aws_key *a, const struct hd_aws_key *b) {
    int by_pk = strcmp(a->pk, b->pk);
    return by_pk ? by_pk : strcmp(a->sk, b->sk);
}

static int compare_entries(const void *a, const void *b) {
    return compare_keys(&((const struct hd_ahead_entry *)a)->key, &((const struct hd_ahead_entry *)b)->key);
}

bool hd_ahead_find(const struct hd_ahead *ahead, const struct hd_aws_key *key, json_t **ret_item) {
    struct hd_ahead_entry wanted = {.key = *key};
    if (ahead->count == 0)
        return false;
    const struct hd_ahead_entry *found = bsearch(&wanted, ahead->entries, ahead->count, sizeof wanted, compare_entries);
    if (found)
        *ret_item = found->item;
    return found != NULL;
}

void hd_ahead_forget(struct hd_ahead *ahead) {
    if (ahead->arena) /* what could not be fetched has taken memory, too */
        hd_arena_reset(ahead->arena);
    ahead->entries = NULL;
    ahead->count = 0;
}

int hd_dynamo_begin_reads(struct hd_store *store, struct hd_error *err) {
    (void)err;
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_ahead_forget(&s->ahead);
    s->ahead.open = true;
    return 0;
}

void hd_dynamo_end_reads(struct hd_store *store) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_ahead_forget(&s->ahead);
    s->ahead.open = false;
}

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for reading ahead");
}

/* All in the arena that outlives the call: the trees are what the reads are answered from. */
static int fetch(struct hd_aws_store *s, const struct hd_aws_key *keys, size_t count, json_t **items, struct hd_error *err) {
    struct hd_arena *scratch = s->scratch;
    s->scratch = s->ahead.arena;
    int rc = hd_dynamo_get_many(s, keys, count, items, err);
    s->scratch = scratch;
    return rc;
}

static int make_keys(struct hd_arena *arena, const struct hd_wanted *things, size_t count, struct hd_aws_key *keys, struct hd_error *err) {
    static const enum hd_item_kind kinds[HD_WANTED_KIND_COUNT] = {
        [HD_WANTED_TICKET] = HD_ITEM_TICKET,
        [HD_WANTED_USER] = HD_ITEM_USER,
        [HD_WANTED_EVENT] = HD_ITEM_EVENT,
        [HD_WANTED_NOTIFICATION] = HD_ITEM_NOTIFICATION,
        [HD_WANTED_DEAD_LETTER] = HD_ITEM_DEAD_LETTER,
    };
    for (size_t i = 0; i < count; i++) {
        keys[i] = hd_item_key(arena, kinds[things[i].kind], things[i].id);
        if (!keys[i].pk)
            return no_memory(err);
    }
    return 0;
}

int hd_dynamo_read_ahead(struct hd_store *store, const struct hd_wanted *things, size_t count, struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    struct hd_ahead *ahead = &s->ahead;
    if (!ahead->open || count == 0)
        return 0;
    if (!ahead->arena && !(ahead->arena = hd_arena_new(ahead_bytes)))
        return no_memory(err);
    struct hd_aws_key *keys = hd_arena_calloc(ahead->arena, count, sizeof *keys);
    json_t **items = hd_arena_calloc(ahead->arena, count, sizeof(json_t *));
    struct hd_ahead_entry *entries = hd_arena_calloc(ahead->arena, ahead->count + count, sizeof *entries);
    int rc = keys && items && entries ? make_keys(ahead->arena, things, count, keys, err) : no_memory(err);
    if (!rc)
        rc = fetch(s, keys, count, items, err);
    if (rc)
        return rc;
    if (ahead->count > 0)
        memcpy(entries, ahead->entries, ahead->count * sizeof *entries);
    for (size_t i = 0; i < count; i++)
        entries[ahead->count + i] = (struct hd_ahead_entry){.key = keys[i], .item = items[i]};
    ahead->entries = entries;
    ahead->count += count;
    qsort(entries, ahead->count, sizeof *entries, compare_entries);
    return 0;
}
