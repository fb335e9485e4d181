/* The outbox: what a changeset enqueues is written into the table with it, and handed to SQS afterwards; so a message is there when its changeset happened, and only then.
 *
 * One item holds the messages of one changeset: "O#<shard>" / "<when, zero-padded ms>#<id>", attribute m: a list of {q: queue, l: lane, b: body, e: enqueued at, d: due at}. The writer sends and
 * deletes it right after the commit; what is left behind (it died, SQS did not answer) the relay and the sweep send. Sending twice is harmless. Private to this folder. */
#pragma once

#include "adapters/aws/plan.h"
#include "adapters/aws/store.h"

enum { HD_OUTBOX_SHARDS = 16, HD_OUTBOX_ITEM_BYTES = 300 * 1024 /* of bodies, before a second item is begun */ };

struct hd_outbox_item {
    struct hd_aws_key key;
    struct hd_sqs_outgoing *messages;
    size_t count;
};

struct hd_outbox {
    struct hd_outbox_item *items; /* all in the store's scratch */
    size_t count, capacity;
    struct hd_sqs_outgoing *messages; /* gathered, and not yet in an item */
    size_t message_count, message_capacity;
    int64_t now_ms; /* the deciders' latest: what the items are named by, and delays count from */
};

/* Gathers what the change sends: a message that it enqueues, or the new one that stands for a message that it postpones. HD_ERR_NO_MEMORY, HD_ERR_INVALID: SQS never takes such
 * a body. */
int hd_outbox_gather(struct hd_aws_store *s, struct hd_outbox *outbox, const struct hd_change *change, struct hd_error *err) HD_MUST_CHECK;
/* Makes items of what was gathered, and actions of them. */
int hd_outbox_seal(struct hd_aws_store *s, struct hd_outbox *outbox, struct hd_plan *plan, struct hd_error *err) HD_MUST_CHECK;
int hd_outbox_join(struct hd_aws_store *s, struct hd_outbox *outbox, const struct hd_outbox *other, struct hd_error *err) HD_MUST_CHECK;

/* Sends all messages of the items; then an item goes when SQS has all of its messages, and keeps only those that it has not. *ret_sent counts messages. An error: some could not be sent or written, the
 * first of them; they are where they were. */
int hd_outbox_hand_over(struct hd_aws_store *s, struct hd_outbox *outbox, int64_t now_ms, size_t *ret_sent,
                        struct hd_error *err) HD_MUST_CHECK;
