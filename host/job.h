/* One message on its way through its processor: what every host does with it, whoever commits and whoever runs its transfer. No I/O but the processor's reads.
 *
 *   decide ──▶ COMMIT ──▶ committed ──▶ DONE
 *                │            ├───────▶ SEND ──▶ sent ──▶ COMMIT …
 *                │            └─ a conflict: decided again, HD_DECISIONS_MAX times at most
 *                └ or LEAVE, GIVE_BACK, KEEP
 *
 * Each call says what comes next; err is never NULL. A message that can never be handled becomes a dead letter (and that is a COMMIT as any other); one that failed for our fault is given back; what came of a
 * transfer is kept until it can be recorded, because sending again would be a second message. */
#pragma once

#include "core/processor.h"

enum hd_job_next {
    HD_JOB_COMMIT,    /* commit work.changes, then hd_job_committed */
    HD_JOB_SEND,      /* run work.transfer, then hd_job_sent */
    HD_JOB_DONE,      /* all of it is committed */
    HD_JOB_LEAVE,     /* there is nothing for us to do: somebody else has the message's work */
    HD_JOB_GIVE_BACK, /* nothing was decided, and a later try may succeed; err says why */
    HD_JOB_KEEP,      /* its outcome cannot be recorded now: hd_job_decide again later; err says why */
};

/* What the decisions of a host's thread share. */
struct hd_jobs {
    struct hd_context context; /* now_ms and recent are set for each decision */
    const struct hd_clock *clock;
    struct hd_recent *recent; /* NULL: none */
};

struct hd_job {
    const struct hd_processor *processor;
    struct hd_message message; /* its strings are copied: it lives longer than the memory that it was received in */
    struct hd_work work;
    /* private */
    bool concluding;
    struct hd_transfer_result result;
    struct hd_arena_mark
        decision; /* what a decision takes of the arena is given back before the next one: there may be very many while the store cannot be written */
};

/* How long a message is to be hidden while it is worked on: two transfers, and what lies around them. */
int64_t hd_job_visibility_ms(const struct hd_context *ctx);

/* Makes the arena. HD_ERR_NO_MEMORY. */
int hd_job_init(struct hd_job *job, struct hd_error *err) HD_MUST_CHECK;
void hd_job_clear(struct hd_job *job); /* takes {0} */

/* The job's next message. HD_ERR_NO_MEMORY: job->message is the caller's then, to be given back. */
int hd_job_take(struct hd_job *job, const struct hd_processor *processor, const struct hd_message *message,
                struct hd_error *err) HD_MUST_CHECK;
/* The message is over; its memory is given back. */
void hd_job_end(struct hd_job *job);

/* Decides: the first time, or after HD_JOB_KEEP. */
enum hd_job_next hd_job_decide(const struct hd_jobs *jobs, struct hd_job *job, struct hd_error *err);
/* What the commit of work.changes came to; why: the error behind a result that is neither 0 nor HD_ERR_CONFLICT. */
enum hd_job_next hd_job_committed(const struct hd_jobs *jobs, struct hd_job *job, const struct hd_commit_result *result,
                                  const struct hd_error *why, struct hd_error *err);
/* What the transfer came to. */
enum hd_job_next hd_job_sent(const struct hd_jobs *jobs, struct hd_job *job, const struct hd_transfer_result *result, struct hd_error *err);
/* The transfer could not even be begun: as good as a connection that was refused. */
enum hd_job_next hd_job_not_sent(const struct hd_jobs *jobs, struct hd_job *job, const struct hd_error *why, struct hd_error *err);
