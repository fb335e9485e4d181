#include "serverless/function.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/aws/aws.h"
#include "base/log.h"
#include "host/batch.h"
#include "host/request.h"
#include "host/tell.h"
#include "processors/processors.h"
#include "serverless/audit.h"
#include "serverless/http_event.h"
#include "serverless/sqs_event.h"
#include "serverless/stream_event.h"

enum {
    EVENT_ARENA_BYTES = 256 * 1024 * 1024, /* of one event of 6 MB: its values take several times its bytes */
    DECISION_ARENA_BYTES = 64 * 1024 * 1024,
    SECRET_BYTES = 32,
    ANSWER_MS = 250,                 /* behind the work's deadline: what the services may still take, to give messages back */
    SWEEP_OLDER_THAN_MS = 30 * 1000, /* younger outbox items are still their writer's */
};

/* What a function starts with, and no more: the parts of its messages, and the views. */
enum need {
    SCHEMAS = HD_MESSAGES_SCHEMAS_AT_USE,
    TEMPLATES = HD_MESSAGES_TEMPLATES,
    PROVIDERS = HD_MESSAGES_PROVIDERS,
    MESSAGES = SCHEMAS | TEMPLATES | PROVIDERS,
    STORE = 16,
    QUEUE = 32,
    BATCH = STORE | QUEUE,
};
static_assert((STORE & MESSAGES) == 0 && (QUEUE & MESSAGES) == 0, "bits of their own");

struct hd_function {
    const char *name;
    unsigned needs;
    const struct hd_processor *processor; /* its batches of messages go through it; NULL: not a queue's function */
    int (*handle)(struct hd_started *f, const struct hd_invocation *invocation, struct hd_error *err);
    int (*start)(struct hd_started *f, struct hd_error *err);
};

struct hd_started {
    const struct hd_function *function;
    const struct hd_settings *settings;
    struct hd_aws *aws;
    struct hd_messages messages;
    struct hd_store *store;
    struct hd_queue *queue;
    struct hd_recent *recent;
    struct hd_batch *batch;
    struct hd_producer *producer;
    char secret[2 * SECRET_BYTES + 1];
    struct hd_arena *event;    /* what came */
    struct hd_arena *decision; /* an API request's */
    struct hd_buffer answer;
    struct hd_measures *measures; /* of the invocation */
};

static void happened(void *self, const struct hd_changeset *set) {
    struct hd_started *f = self;
    hd_measures_happened(f->measures, set);
    hd_tell_happened(set);
}

/* ---- api ---- */

/* Tokens are API Gateway's business. Ours are taken only where there is a secret for them; else the secret is one that nobody knows. */
static const char *secret_of(struct hd_started *f) {
    uint8_t random[SECRET_BYTES];
    if (f->settings->jwt_secret)
        return f->settings->jwt_secret;
    hd_system_random.fill(&hd_system_random, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(f->secret + 2 * i, 3, "%02x", random[i]);
    return f->secret;
}

static int start_api(struct hd_started *f, struct hd_error *err) {
    const struct hd_producer_options options = {
        .jwt_secret = secret_of(f), .jwt_issuer = f->settings->jwt_issuer, .jwt_audience = f->settings->jwt_audience};
    f->decision = hd_arena_new(DECISION_ARENA_BYTES);
    if (!f->decision)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for requests");
    return hd_producer_new(&options, &f->producer, err);
}

static int handle_request(struct hd_started *f, const struct hd_invocation *invocation, struct hd_error *err) {
    struct hd_request request = {0};
    struct hd_claims claims = {0};
    struct hd_response response = {0};
    int r = hd_http_event_read(f->event, invocation->event, invocation->event_bytes, invocation->traceparent, &request, &claims, err);
    if (r)
        return r;
    struct hd_context ctx = hd_messages_context(&f->messages, f->store);
    hd_request_answer(f->producer, &ctx, &hd_system_clock, &request, f->decision, f, happened, &response);
    hd_tell_answered(&response);
    hd_http_event_answer(&f->answer, &response);
    return 0;
}

/* ---- queues' functions ---- */

static int start_batch(struct hd_started *f, struct hd_error *err) {
    f->recent = hd_recent_new();
    struct hd_batch_options options = {
        .context = hd_messages_context(&f->messages, f->store),
        .queue = f->queue,
        .clock = &hd_system_clock,
        .connections_per_host = (size_t)f->settings->smtp_connections,
        .self = f,
        .happened = happened,
    };
    options.context.recent = f->recent;
    return hd_batch_new(&options, &f->batch, err);
}

static int check_queues(const struct hd_started *f, const struct hd_message *messages, size_t count, struct hd_error *err) {
    const struct hd_processor *processor = f->function->processor;
    for (size_t i = 0; i < count; i++) {
        bool ours = messages[i].abandoned ? processor->queue == HD_QUEUE_DLQ : messages[i].queue == processor->queue;
        if (!ours)
            return hd_error_set(err, HD_ERR_CONFIGURATION, "the function %s does not take messages from %s%s", f->function->name,
                                hd_queue_name_text(messages[i].queue), messages[i].abandoned ? "-dead" : "");
    }
    if (count > HD_BATCH_MESSAGES_MAX)
        return hd_error_set(err, HD_ERR_LIMIT, "%zu messages; the event source's BatchSize must be %d or less", count,
                            HD_BATCH_MESSAGES_MAX);
    return 0;
}

static int handle_messages(struct hd_started *f, const struct hd_invocation *invocation, struct hd_error *err) {
    struct hd_message *messages = NULL;
    size_t count = 0;
    enum hd_fate fates[HD_BATCH_MESSAGES_MAX];
    bool left[HD_BATCH_MESSAGES_MAX];
    int r = hd_sqs_event_read(f->event, invocation->event, invocation->event_bytes, &messages, &count, err);
    if (!r)
        r = check_queues(f, messages, count, err);
    if (r)
        return r;
    int64_t deadline_ms = hd_invocation_work_deadline_ms(invocation, hd_system_clock.now_ms(&hd_system_clock));
    hd_batch_run(f->batch, f->function->processor, messages, count, deadline_ms, fates);
    for (size_t i = 0; i < count; i++) {
        left[i] = fates[i] == HD_FATE_LEFT;
        f->measures->counts[HD_MEASURE_MESSAGES_LEFT] += left[i];
    }
    f->measures->counts[HD_MEASURE_MESSAGES] += (int64_t)count;
    hd_sqs_event_answer(&f->answer, messages, left, count);
    return 0;
}

/* ---- relay ---- */

static int sweep(struct hd_started *f, struct hd_error *err) {
    size_t sent = 0;
    int r = hd_aws_sweep(f->store, hd_system_clock.now_ms(&hd_system_clock), SWEEP_OLDER_THAN_MS, &sent, err);
    f->measures->counts[HD_MEASURE_RELAYED] += (int64_t)sent;
    if (!r)
        hd_buffer_add_str(&f->answer, "{}");
    return r;
}

/* The outbox items that are new. Their writers have sent and deleted nearly all by now; relaying says nothing of which of the rest it was that failed, so all come again. */
static int relay(struct hd_started *f, const struct hd_stream_record *records, size_t count, struct hd_error *err) {
    struct hd_aws_key *keys = hd_arena_calloc(f->event, count, sizeof *keys);
    size_t key_count = 0, sent = 0;
    if (!keys)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the outbox's keys");
    for (size_t i = 0; i < count; i++) {
        if (records[i].inserted && strncmp(records[i].pk, "O#", 2) == 0)
            keys[key_count++] = (struct hd_aws_key){.pk = records[i].pk, .sk = records[i].sk};
    }
    int r = key_count > 0 ? hd_aws_relay(f->store, hd_system_clock.now_ms(&hd_system_clock), keys, key_count, &sent, err) : 0;
    f->measures->counts[HD_MEASURE_RELAYED] += (int64_t)sent;
    if (r)
        hd_log_error(HD_LOG_ERROR, "outbox messages wait", NULL, err);
    hd_stream_event_answer(&f->answer, r ? records[0].sequence : NULL);
    return 0;
}

static int handle_outbox(struct hd_started *f, const struct hd_invocation *invocation, struct hd_error *err) {
    json_t *event = NULL;
    const struct hd_stream_record *records = NULL;
    size_t count = 0;
    int r = hd_json_parse(f->event, invocation->event, invocation->event_bytes, HD_JSON_ALLOW_NUL, &event, err);
    if (!r && hd_event_is_schedule(event))
        return sweep(f, err);
    if (!r)
        r = hd_stream_event_read(f->event, event, &records, &count, err);
    return r ? r : relay(f, records, count, err);
}

/* ---- audit ---- */

/* An entry that cannot be written holds up those behind it, until the event source gives it up: none may be missing unseen. */
static int handle_audit(struct hd_started *f, const struct hd_invocation *invocation, struct hd_error *err) {
    json_t *event = NULL;
    const struct hd_stream_record *records = NULL;
    size_t count = 0, at = 0, entries = 0;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer lines = {0};
    int r = hd_json_parse(f->event, invocation->event, invocation->event_bytes, HD_JSON_ALLOW_NUL, &event, err);
    if (!r)
        r = hd_stream_event_read(f->event, event, &records, &count, err);
    if (r)
        return r;
    for (; !r && at < count; at++) {
        bool written = false;
        r = hd_audit_write(&lines, &records[at], f->event, &written, err);
        entries += !r && written;
    }
    if (r)
        hd_log_error(HD_LOG_ERROR, "audit entry cannot be written", NULL, err);
    const char *first_failed = r ? records[at - 1].sequence : NULL;
    r = lines.failure ? hd_buffer_check(&lines, err) : hd_audit_put_out(&lines, STDOUT_FILENO, err);
    if (r)
        return r;
    f->measures->counts[HD_MEASURE_AUDIT_ENTRIES] += (int64_t)entries;
    hd_stream_event_answer(&f->answer, first_failed);
    return 0;
}

/* ---- the table ---- */

#define STREAM(handler) NULL, (handler), NULL
#define BATCHES_OF(processor) &(processor), handle_messages, start_batch

/* clang-format off: a table */
static const struct hd_function functions[] = {
    {"api", STORE | SCHEMAS, NULL, handle_request, start_api},
    {"router", BATCH | SCHEMAS | PROVIDERS, BATCHES_OF(hd_router_processor)},
    {"email", BATCH | TEMPLATES | PROVIDERS, BATCHES_OF(hd_email_processor)},
    {"inapp", BATCH | TEMPLATES, BATCHES_OF(hd_inapp_processor)},
    {"dlq", BATCH, BATCHES_OF(hd_dlq_processor)},
    {"relay", STORE, STREAM(handle_outbox)},
    {"audit", 0, STREAM(handle_audit)},
};
/* clang-format on */

const struct hd_function *hd_function_find(const char *name) {
    for (size_t i = 0; name && i < HD_ARRAY_LEN(functions); i++)
        if (strcmp(functions[i].name, name) == 0)
            return &functions[i];
    return NULL;
}

const char *hd_function_name(const struct hd_function *function) {
    return function->name;
}

/* ---- starting and stopping ---- */

static int start_parts(struct hd_started *f, struct hd_error *err) {
    const struct hd_aws_options options = {
        .table = f->settings->table,
        .queues = f->settings->queues,
        .ca_file = f->settings->ca_file,
        .messages_are_acknowledged_for_us = true,
        .clock = &hd_system_clock,
        .random = &hd_system_random,
    };
    f->event = hd_arena_new(EVENT_ARENA_BYTES);
    int r = f->event ? hd_aws_new(&options, &f->aws, err) : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for events");
    if (!r)
        r = hd_messages_open(f->settings, (int)(f->function->needs & MESSAGES), f->aws, &f->messages, err);
    if (!r && (f->function->needs & STORE))
        r = hd_aws_store(f->aws, &f->store, err);
    if (!r && (f->function->needs & QUEUE))
        r = hd_aws_queue(f->aws, &f->queue, err);
    if (!r && f->function->start)
        r = f->function->start(f, err);
    return r;
}

int hd_function_start(const struct hd_function *function, const struct hd_settings *settings, struct hd_started **ret_started,
                      struct hd_error *err) {
    struct hd_started *f = calloc(1, sizeof *f);
    if (!f)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the function");
    f->function = function;
    f->settings = settings;
    int r = start_parts(f, err);
    if (r) {
        hd_function_stop(f);
        return r;
    }
    *ret_started = f;
    return 0;
}

void hd_function_stop(struct hd_started *f) {
    if (!f)
        return;
    hd_batch_free(f->batch);
    hd_recent_free(f->recent);
    hd_producer_free(f->producer);
    if (f->queue)
        f->queue->ops->close(f->queue);
    if (f->store)
        f->store->ops->close(f->store);
    hd_messages_close(&f->messages);
    hd_aws_free(f->aws);
    hd_arena_free(f->event);
    hd_arena_free(f->decision);
    hd_buffer_free(&f->answer);
    free(f);
}

int hd_function_handle(struct hd_started *f, const struct hd_invocation *invocation, struct hd_measures *measures,
                       const struct hd_buffer **ret_answer, struct hd_error *err) {
    int64_t now_ms = hd_system_clock.now_ms(&hd_system_clock);
    f->measures = measures;
    hd_aws_end_within(f->aws, hd_invocation_work_deadline_ms(invocation, now_ms) + ANSWER_MS - now_ms);
    hd_arena_reset(f->event);
    hd_buffer_clear(&f->answer);
    int r = f->function->handle(f, invocation, err);
    if (!r)
        r = hd_buffer_check(&f->answer, err);
    if (!r)
        *ret_answer = &f->answer;
    return r;
}
