/* A host in miniature, for tests of processors: it takes messages from the queue in memory, has a processor decide, commits, and answers transfers with what a
 * test has scripted. The clock stands still until the test moves ctx.now_ms. One thread. */
#pragma once

/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/processor.h"
#include "processors/processors.h"
#include "tests/support/memory.h"

#define HD_HOST_NOW_MS INT64_C(1790000000000)
enum { HD_HOST_SEND_TIMEOUT_MS = 30000, HD_HOST_VISIBILITY_MS = 2 * HD_HOST_SEND_TIMEOUT_MS + 60000 };

/* The e-mail provider of the tests. */
struct hd_scripted {
    struct hd_provider provider;   /* first */
    enum hd_code prepare_fails;    /* 0: it does not */
    enum hd_transfer_kind kind;    /* of the transfers that it makes */
    struct hd_outcome outcomes[8]; /* of the transfers, in turn; the last one is repeated */
    size_t outcome_count;
    /* What came of it. */
    size_t prepared, transferred, concluded;
    char to[128], subject[256], notification_id[64]; /* of the last message */
};

struct hd_host {
    struct hd_memory *memory;
    struct hd_queue *queue;
    struct hd_event_schemas *schemas;
    struct hd_templates *templates;
    struct hd_arena *arena; /* of the test: what it reads lives here */
    struct hd_random random;
    uint32_t dice; /* what a draw of four bytes gives: the jitter of a retry. Longer draws are all different. */
    uint64_t draws;
    struct hd_scripted email;
    const struct hd_provider *providers[HD_CHANNEL_COUNT];
    struct hd_retry_policy retry[HD_CHANNEL_COUNT];
    struct hd_context ctx;
    void (*before_commit)(struct hd_host *host); /* once, between the next decision and its commit: somebody else is faster */
    int commits;                                 /* tried so far */
};

/* One message in work. */
struct hd_host_job {
    const struct hd_processor *processor;
    struct hd_message message;
    struct hd_work work;
    bool transferred;
    struct hd_transfer_result result;
};

struct hd_host *hd_host_new(void);
void hd_host_free(struct hd_host *host);

/* ---- what there is ---- */

void hd_host_commit(struct hd_host *host, const struct hd_changeset *set); /* must happen */
void hd_host_add_user(struct hd_host *host, const struct hd_user *user);   /* version and times are filled in */
void hd_host_put_ticket(struct hd_host *host, const struct hd_ticket *ticket, int64_t if_version);
#define hd_user_is(host, ...) hd_host_add_user((host), &(struct hd_user){__VA_ARGS__})
#define hd_ticket_is(host, ...) hd_host_put_ticket((host), &(struct hd_ticket){.version = 1, __VA_ARGS__}, 0)
void hd_host_enqueue(struct hd_host *host, enum hd_queue_name queue, const char *body);
/* An event as the API leaves it: in the log, with a message for the router. */
void hd_host_event(struct hd_host *host, const char *event_id, enum hd_event_type type, const char *ticket_id, const char *actor_id,
                   const char *payload);

/* ---- working ---- */

/* Takes a message of the processor's queue. False: none is visible. */
bool hd_host_take(struct hd_host *host, const struct hd_processor *processor, struct hd_host_job *ret_job);
/* A decision and its commit, again after a conflict, HD_DECISIONS_MAX times at most. 0, or why the message is left to come again. */
int hd_host_begin(struct hd_host *host, struct hd_host_job *job);
/* The transfer, unless it is over already, and what came of it. */
int hd_host_conclude(struct hd_host *host, struct hd_host_job *job);
void hd_host_end(struct hd_host_job *job);
/* All of that for each message that is visible. How many there were. A message that was left stays hidden until its claim is over. */
size_t hd_host_run(struct hd_host *host, const struct hd_processor *processor);
/* The next message alone, which must be there. */
int hd_host_step(struct hd_host *host, const struct hd_processor *processor);

/* ---- looking ---- */

/* All notifications of an event, as "target/channel" while pending and "target/channel:status(reason)" else, sorted, joined by blanks. NULL: of all events. */
const char *hd_host_told(struct hd_host *host, const char *event_id);
/* The one of a target and channel; fails unless there is exactly one. */
const struct hd_notification *hd_host_notification(struct hd_host *host, const char *target, enum hd_channel channel);
const struct hd_attempt *hd_host_attempts(struct hd_host *host, const char *notification_id, size_t *ret_count);
const struct hd_dead_letter *hd_host_dead_letters(struct hd_host *host, size_t *ret_count); /* newest first */
const struct hd_inbox_item *hd_host_inbox(struct hd_host *host, const char *user_id, size_t *ret_count);
struct hd_queue_depth hd_host_depth(struct hd_host *host, enum hd_queue_name name);
size_t hd_host_waiting(struct hd_host *host, enum hd_queue_name name); /* visible, hidden and delayed */
/* Everything that notifications, attempts, inboxes, dead letters and queues hold, as text: equal when nothing has changed. */
const char *hd_host_dump(struct hd_host *host);
