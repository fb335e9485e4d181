/* A batch of messages through one processor, on the caller's thread: what a Lambda function does with its event, and a worker on AWS with what it has received.
 *
 * All are decided, then committed in one call of the store's commit (on AWS: transactions side by side); transfers run side by side; what came of them is concluded and committed. A conflict is decided
 * again, at most HD_DECISIONS_MAX times; a message that can never be handled becomes a dead letter; one that failed for our fault (the store, the memory) is given back without spending
 * a receive. An outcome that cannot be recorded is tried again until the deadline: sending again would be a second message. */
#pragma once

#include "core/processor.h"
#include "core/queue.h"

struct hd_batch; /* belongs to one thread */

enum { HD_BATCH_MESSAGES_MAX = 256 };

struct hd_batch_options {
    struct hd_context context; /* with this thread's own store view; now_ms is set for each decision */
    struct hd_queue *queue;    /* this thread's own view; what is left undecided is given back by it */
    const struct hd_clock *clock;
    size_t connections_per_host; /* of the transfers */
    int64_t visibility_ms;       /* what the messages were received with: extended while they are worked on. 0: the caller sees to it */
    /* What has been committed, for metrics and logs; NULL: nobody listens. */
    void *self;
    void (*happened)(void *self, const struct hd_changeset *set);
};

enum hd_fate {
    HD_FATE_DONE, /* its work is committed: it may be deleted, if its changeset has not done so */
    HD_FATE_BACK, /* given back: a new message stands for it, and this one may be deleted */
    HD_FATE_LEFT, /* nothing could be done, not even giving it back; or what was done leaves it: it must not be deleted, and comes again when its visibility runs out */
};

int hd_batch_new(const struct hd_batch_options *options, struct hd_batch **ret_batch, struct hd_error *err) HD_MUST_CHECK;
/* All messages are the processor's; the dlq processor's may be abandoned ones of other queues. count ≤ HD_BATCH_MESSAGES_MAX. deadline_ms: by the clock; transfers are given no more time than
 * what is left, and what is unfinished then is HD_FATE_LEFT. It returns at the deadline, or as soon after as the store lets go of the thread. ret_fates: one for each message. */
void hd_batch_run(struct hd_batch *batch, const struct hd_processor *processor, const struct hd_message *messages, size_t count,
                  int64_t deadline_ms, enum hd_fate *ret_fates);
/* No deadline is later than this one from now on, of the run under way neither. Any thread. */
void hd_batch_hurry(struct hd_batch *batch, int64_t deadline_ms);
void hd_batch_free(struct hd_batch *batch); /* takes NULL */
