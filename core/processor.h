/* What a processor is: a decision about one message. The hosts (the embedded one in app/, the Lambda one in serverless/) take messages, commit what is
 * decided, and run the transfers; processors do no I/O but reads through the store port.
 *
 *   begin ──▶ commit changes ──▶ (transfer? run it ──▶ conclude ──▶ commit changes)
 *
 * A commit that ends in HD_ERR_CONFLICT is decided again, at most HD_DECISIONS_MAX times, from begin or conclude; then the message is left to come again.
 * When begin or conclude returns an error, nothing is committed and the message is left to come again. A message that the processor cannot ever handle is not an error: it
 * becomes a dead letter by a changeset. */
#pragma once

#include "core/changeset.h"
#include "core/clock.h"
#include "core/event.h"
#include "core/provider.h"
#include "core/recent.h"
#include "core/retry.h"
#include "core/store.h"
#include "core/template.h"

enum { HD_DECISIONS_MAX = 5 };

/* All that a decision may use. Owned by the host's thread; now_ms is the moment of the decision. */
struct hd_context {
    struct hd_store *store;
    struct hd_recent *recent; /* NULL: none, or this decision is made again on fresh reads */
    int64_t now_ms;
    const struct hd_random *random;
    const struct hd_event_schemas *schemas;
    const struct hd_templates *templates;
    const struct hd_provider *const *providers; /* by enum hd_channel; NULL: the channel has none */
    const struct hd_retry_policy *retry;        /* by enum hd_channel */
    const char *base_url;                       /* of the web page, for links in messages */
    const char *worker;                         /* names this worker in owner tokens: unique for each start of a process */
    int64_t send_timeout_ms;                    /* the longest a transfer takes: an owner older than this is gone */
};

/* One message on its way through a processor. What begin takes from the arena lives until the last commit; what a decision takes, that is made again, the host gives back first. */
struct hd_work {
    const struct hd_message *message;
    struct hd_arena *arena;
    struct hd_changeset changes; /* empty when begin or conclude is called */
    struct hd_transfer transfer; /* kind HD_TRANSFER_NONE unless begin sets it */
    void *state;                 /* begin's, for conclude; in the arena */
    int decisions;               /* how often this was decided, this time included: above 1 after a conflict */
};

struct hd_processor {
    const char *name;
    enum hd_queue_name queue;
    int (*begin)(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err);
    /* NULL for processors that never transfer. */
    int (*conclude)(const struct hd_context *ctx, struct hd_work *work, const struct hd_transfer_result *result, struct hd_error *err);
};
