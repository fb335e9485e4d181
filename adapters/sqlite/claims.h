/* Which messages are taken, kept in memory: taking a message writes nothing, and a crash gives all of them back.
 *
 * Shared by every view of one process; thread-safe. A message is known by its seq, which no other message of any queue ever has at the same time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/queue.h"

struct claims;

struct claims *hd_claims_new(void);
void hd_claims_free(struct claims *claims); /* takes NULL */

/* What a receipt says. */
struct receipt {
    int lane;
    int64_t due;
    int64_t seq;
    uint64_t token;
};
enum { RECEIPT_TEXT_BYTES = 96 };
void hd_receipt_write(const struct receipt *receipt, char ret_text[RECEIPT_TEXT_BYTES]);
bool hd_receipt_read(const char *text, struct receipt *ret_receipt);

/* Takes a message unless somebody has it. stored_count: receives that the store knows of. *ret_count is this receive's number. False: taken, or out of memory. */
bool hd_claims_take(struct claims *claims, enum hd_queue_name queue, int64_t seq, int64_t now_ms, int64_t visible_at_ms, int stored_count,
                    uint64_t *ret_token, int *ret_count);
bool hd_claims_holds(struct claims *claims, int64_t seq, uint64_t token);
bool hd_claims_extend(struct claims *claims, int64_t seq, uint64_t token, int64_t visible_at_ms);
/* It was never delivered: visible at once, and this receive does not count. */
void hd_claims_untake(struct claims *claims, int64_t seq, uint64_t token, int64_t now_ms);
void hd_claims_drop(struct claims *claims, int64_t seq, uint64_t token); /* acknowledged or postponed */

/* How many claims were dropped so far: whether any was since then. */
uint64_t hd_claims_drops(struct claims *claims);
/* Drops every claim of the queue that has run out: their messages are gone (a commit that was taken for failed, and was not). */
void hd_claims_forget_run_out(struct claims *claims, enum hd_queue_name queue, int64_t now_ms);

/* In flight (not run out) in this queue, how many have run out, and when the next one does (INT64_MAX: none). Any may be NULL. */
void hd_claims_look(struct claims *claims, enum hd_queue_name queue, int64_t now_ms, int64_t *ret_in_flight, int64_t *ret_run_out,
                    int64_t *ret_next_ms);
