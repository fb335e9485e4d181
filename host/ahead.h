/* What a batch's processors will read, fetched before they ask: where each read is a request to the store, a batch of ten makes three instead of forty. */
#pragma once

#include "base/arena.h"
#include "core/queue.h"
#include "core/store.h"

/* Between the store's begin_reads and end_reads. The messages name events, notifications and dead letters; those name tickets and people; tickets name people. Nothing where the store cannot
 * read ahead. What fails costs speed alone: the reads themselves will tell. arena: for its own use; reset by the caller. */
void hd_read_ahead(struct hd_store *store, const struct hd_message *messages, size_t count, struct hd_arena *arena);
