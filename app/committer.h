/* Group commit: one thread that commits whatever all others have decided meanwhile, in one call of the store's commit, and so in one transaction and one fsync.
 *
 * Batches form by themselves: while one is being synced, the next gathers. */
#pragma once

#include "app/mailbox.h"
#include "base/error.h"
#include "core/store.h"

struct committer;

/* A changeset on its way to the disk; belongs to whoever submitted it, who must keep it until it is back in the mailbox. */
struct commit {
    struct mail mail; /* first: the mailbox gives it back */
    const struct hd_changeset *set;
    struct mailbox *reply_to;
    /* filled when it comes back: */
    struct hd_commit_result result; /* code: 0, HD_ERR_CONFLICT, or that of error, which is this set's own */
    struct hd_error error;
};

/* After each batch, on the committer's thread: what has happened (for metrics), and that somebody's mailbox may hold something. */
struct committer_listener {
    void *self;
    void (*happened)(void *self, const struct hd_changeset *set);
    void (*batch_over)(void *self);
};

/* store: the writer's own view, used by no other thread. */
int hd_committer_start(struct hd_store *store, const struct committer_listener *listener, struct committer **ret_committer,
                       struct hd_error *err) HD_MUST_CHECK;
/* Any thread. After committer_stop has been called, commits come back with HD_ERR_UNAVAILABLE. */
void hd_committer_submit(struct committer *committer, struct commit *commit);
/* Whether the last batch failed, not longer ago than that; err says how. Any thread. */
bool hd_committer_failed_within(struct committer *committer, int64_t ms, struct hd_error *err);
/* Commits all that was submitted, and ends the thread. Takes NULL. */
void hd_committer_stop(struct committer *committer);
