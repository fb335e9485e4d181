#include "host/job.h"

#include <stdio.h>
#include <string.h>

#include "processors/task.h"

enum {
    JOB_MEMORY_MAX_BYTES = 16 * 1024 * 1024, /* more than a request may use: what came in can be worked on */
    VISIBILITY_MARGIN_MS = 60 * 1000,
};

int64_t hd_job_visibility_ms(const struct hd_context *ctx) {
    return 2 * ctx->send_timeout_ms + VISIBILITY_MARGIN_MS;
}

int hd_job_init(struct hd_job *job, struct hd_error *err) {
    *job = (struct hd_job){.work.arena = hd_arena_new(JOB_MEMORY_MAX_BYTES)};
    return job->work.arena ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a message");
}

void hd_job_clear(struct hd_job *job) {
    hd_arena_free(job->work.arena);
    *job = (struct hd_job){0};
}

static bool copy(struct hd_arena *arena, const char **text) {
    const char *mine = hd_arena_strdup(arena, *text);
    bool copied = mine || !*text;
    *text = mine;
    return copied;
}

int hd_job_take(struct hd_job *job, const struct hd_processor *processor, const struct hd_message *message, struct hd_error *err) {
    struct hd_arena *arena = job->work.arena;
    struct hd_message mine = *message;
    *job = (struct hd_job){.processor = processor, .message = *message, .work = {.arena = arena, .message = &job->message}};
    bool copied = copy(arena, &mine.receipt) && copy(arena, &mine.body) && copy(arena, &mine.message_id);
    job->decision = hd_arena_mark(arena);
    if (!copied)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a message");
    job->message = mine;
    return 0;
}

void hd_job_end(struct hd_job *job) {
    hd_arena_reset(job->work.arena);
    job->work.transfer = (struct hd_transfer){0};
    job->concluding = false;
}

/* ---- what fails ---- */

/* Trying again mends what the store or the moment is to blame for, and nothing else. */
static bool is_hopeless(const struct hd_job *job, enum hd_code code) {
    if (code == HD_ERR_NO_MEMORY)
        return hd_arena_was_full(job->work.arena);
    return code == HD_ERR_LIMIT || code == HD_ERR_MALFORMED || code == HD_ERR_INVALID || code == HD_ERR_TOO_LARGE;
}

static void begin_decision(struct hd_job *job) {
    hd_arena_rewind(job->work.arena, job->decision);
    job->work.changes = hd_changeset(job->work.arena);
    job->work.transfer = (struct hd_transfer){0};
}

static struct hd_context context_of(const struct hd_jobs *jobs, const struct hd_job *job) {
    struct hd_context ctx = jobs->context;
    ctx.now_ms = jobs->clock->now_ms(jobs->clock);
    ctx.recent = job->work.decisions == 1 ? jobs->recent : NULL;
    return ctx;
}

/* err: why, and what is wrong with the burial itself afterwards. */
static enum hd_job_next bury(const struct hd_jobs *jobs, struct hd_job *job, struct hd_error *err) {
    struct hd_error own = {0};
    struct hd_context ctx = context_of(jobs, job);
    begin_decision(job);
    int r =
        hd_task_bury(&ctx, &job->work,
                     &(struct burial){.reason = "processing_failed", .detail = err->detail, .attempts = job->message.receive_count}, &own);
    if (!r && hd_changeset_check(&job->work.changes, &own) == 0)
        return HD_JOB_COMMIT;
    *err = own;
    return HD_JOB_GIVE_BACK;
}

static enum hd_job_next fail(const struct hd_jobs *jobs, struct hd_job *job, struct hd_error *err) {
    if (job->concluding)
        return HD_JOB_KEEP;
    return is_hopeless(job, err->code) ? bury(jobs, job, err) : HD_JOB_GIVE_BACK;
}

/* ---- what comes next ---- */

static int ask_processor(const struct hd_context *ctx, struct hd_job *job, struct hd_error *err) {
    int r = job->concluding ? job->processor->conclude(ctx, &job->work, &job->result, err) : job->processor->begin(ctx, &job->work, err);
    return r ? r : hd_changeset_check(&job->work.changes, err);
}

static enum hd_job_next decide_again(const struct hd_jobs *jobs, struct hd_job *job, struct hd_error *err) {
    job->work.decisions++;
    struct hd_context ctx = context_of(jobs, job);
    begin_decision(job);
    if (ask_processor(&ctx, job, err))
        return fail(jobs, job, err);
    return job->work.changes.count == 0 ? HD_JOB_LEAVE : HD_JOB_COMMIT;
}

enum hd_job_next hd_job_decide(const struct hd_jobs *jobs, struct hd_job *job, struct hd_error *err) {
    job->work.decisions = 0;
    return decide_again(jobs, job, err);
}

enum hd_job_next hd_job_committed(const struct hd_jobs *jobs, struct hd_job *job, const struct hd_commit_result *result,
                                  const struct hd_error *why, struct hd_error *err) {
    if (result->code == 0)
        return job->work.transfer.kind == HD_TRANSFER_NONE ? HD_JOB_DONE : HD_JOB_SEND;
    if (result->code == HD_ERR_CONFLICT && job->work.decisions < HD_DECISIONS_MAX)
        return decide_again(jobs, job, err);
    if (result->code == HD_ERR_CONFLICT) {
        hd_error_set(err, HD_ERR_CONFLICT, "decided %d times, and each time something had changed meanwhile (change %zu)",
                     job->work.decisions, result->change);
    } else {
        *err = *why;
        err->code = result->code;
    }
    return fail(jobs, job, err);
}

enum hd_job_next hd_job_sent(const struct hd_jobs *jobs, struct hd_job *job, const struct hd_transfer_result *result,
                             struct hd_error *err) {
    struct hd_arena *arena = job->work.arena;
    job->result = *result;
    job->result.body = result->body ? hd_arena_strndup(arena, result->body, result->body_bytes) : NULL;
    job->result.body_bytes = job->result.body ? result->body_bytes : 0;
    job->concluding = true;
    job->decision = hd_arena_mark(arena); /* what begin has left, conclude needs */
    return hd_job_decide(jobs, job, err);
}

enum hd_job_next hd_job_not_sent(const struct hd_jobs *jobs, struct hd_job *job, const struct hd_error *why, struct hd_error *err) {
    struct hd_transfer_result result = {.failure = HD_TRANSFER_OTHER};
    (void)snprintf(result.detail, sizeof result.detail, "%s", why->detail);
    return hd_job_sent(jobs, job, &result, err);
}
