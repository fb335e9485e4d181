#include "adapters/aws/sqs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    ROUNDS_MAX = 4, /* of entries that failed for SQS's fault: the first in batches, the others alone */
    ROUND_PAUSE_MS = 25,
    ENTRY_OVERHEAD_BYTES = 64, /* the attribute's name, type and value count, too */
    DELAY_MAX_S = HD_DELAY_MAX_MS / 1000,
    VISIBILITY_MAX_S = 12 * 3600,
    RECEIVE_COUNT_MAX = 1000000,
};

static const int64_t enqueued_at_trust_ms = 60 * 1000; /* how far a publisher's clock may be ahead of SQS's */
static const char attribute_name[] = "enqueuedAt";

struct hd_sqs {
    struct hd_aws_client *client;
    const char *prefix;   /* of the names, or of the URLs */
    const char *basename; /* the part of it that stands in the names */
    unsigned served;
    char *urls[HD_QUEUE_COUNT][HD_SQS_KIND_COUNT]; /* as far as they are known */
};

/* ---- life ---- */

int hd_sqs_new(struct hd_aws *aws, struct hd_aws_client *client, struct hd_sqs **ret_sqs, struct hd_error *err) {
    const struct hd_aws_options *options = hd_aws_options(aws);
    if (!options->queues)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "no queues: set HELPDESK_QUEUES");
    struct hd_sqs *sqs = calloc(1, sizeof *sqs);
    if (!sqs)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for queues");
    const char *slash = strrchr(options->queues, '/');
    sqs->client = client;
    sqs->prefix = options->queues;
    sqs->basename = slash ? slash + 1 : options->queues;
    sqs->served = options->served ? options->served : (1u << HD_QUEUE_COUNT) - 1;
    *ret_sqs = sqs;
    return 0;
}

void hd_sqs_free(struct hd_sqs *sqs) {
    if (!sqs)
        return;
    for (int queue = 0; queue < HD_QUEUE_COUNT; queue++)
        for (int kind = 0; kind < HD_SQS_KIND_COUNT; kind++)
            free(sqs->urls[queue][kind]);
    free(sqs);
}

bool hd_sqs_serves(const struct hd_sqs *sqs, enum hd_queue_name queue) {
    return (sqs->served >> queue) & 1u;
}

/* ---- texts ---- */

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a request to SQS");
}

/* The buffer's text in the arena; the buffer is freed. */
static const char *take_text(struct hd_arena *arena, struct hd_buffer *buffer) {
    const char *text = buffer->failure ? NULL : hd_arena_strndup(arena, hd_buffer_text(buffer), buffer->len);
    hd_buffer_free(buffer);
    return text;
}

/* Whole seconds of it, so that nothing comes early. */
static int64_t seconds(int64_t ms, int64_t max_s) {
    int64_t s = ms > 0 ? (ms - 1) / 1000 + 1 : 0;
    return s < max_s ? s : max_s;
}

int hd_sqs_read_answer(const char *action, const struct hd_aws_response *response, struct hd_arena *arena, const json_t **ret_answer,
                       struct hd_error *err) {
    json_t *answer = NULL;
    struct hd_error why = {0};
    int r = hd_json_parse(arena, response->body, response->body_bytes, HD_JSON_ALLOW_NUL, &answer, &why);
    if (r == HD_ERR_MALFORMED)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "SQS %s: an answer that is no JSON: %s", action, why.detail);
    if (r)
        return hd_error_set(err, why.code, "SQS %s: %s", action, why.detail);
    *ret_answer = answer;
    return 0;
}

/* ---- names and URLs ---- */

enum hd_sqs_kind hd_sqs_kind_of(const struct hd_message *message) {
    if (message->abandoned)
        return HD_SQS_DEAD;
    return message->lane == HD_LANE_URGENT ? HD_SQS_URGENT : HD_SQS_NORMAL;
}

static const char *const suffixes[HD_SQS_KIND_COUNT] = {[HD_SQS_NORMAL] = "", [HD_SQS_URGENT] = "-urgent", [HD_SQS_DEAD] = "-dead"};

const char *hd_sqs_name(const struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena) {
    return hd_arena_printf(arena, "%s%s%s", sqs->basename, hd_queue_name_text(queue), suffixes[kind]);
}

int hd_sqs_ask(struct hd_sqs *sqs, const char *action, const char *body, struct hd_arena *arena, struct hd_aws_response *ret_response,
               struct hd_error *err) {
    const char *target = hd_arena_printf(arena, "AmazonSQS.%s", action);
    if (!target)
        return no_memory(err);
    const struct hd_aws_request request = {.service = HD_AWS_SQS, .target = target, .body = body, .body_bytes = strlen(body)};
    return hd_aws_call_all(sqs->client, &request, 1, arena, ret_response, err);
}

int hd_sqs_response_error(const struct hd_sqs *sqs, const char *action, enum hd_queue_name queue, enum hd_sqs_kind kind,
                          const struct hd_aws_response *response, struct hd_error *err) {
    struct hd_error own;
    (void)hd_aws_response_error(&(struct hd_aws_request){.service = HD_AWS_SQS, .target = action}, response, &own);
    return hd_error_set(err, own.code, "queue %s%s%s: %s", sqs->basename, hd_queue_name_text(queue), suffixes[kind], own.detail);
}

bool hd_sqs_is_absent(const struct hd_aws_response *response) {
    return response->code && (strstr(response->type, "QueueDoesNotExist") || strstr(response->type, "NonExistentQueue"));
}

/* *ret_url is NULL when there is no such queue; err then says so. */
static int ask_for_url(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena, const char **ret_url,
                       struct hd_error *err) {
    static const char action[] = "GetQueueUrl";
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    struct hd_aws_response response = {0};
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueName", hd_sqs_name(sqs, queue, kind, arena));
    hd_json_close_object(&w);
    int r = hd_buffer_check(&body, err);
    if (!r)
        r = hd_sqs_ask(sqs, action, body.data, arena, &response, err);
    if (r)
        return r;
    *ret_url = NULL;
    if (response.code) {
        r = hd_sqs_response_error(sqs, action, queue, kind, &response, err);
        return hd_sqs_is_absent(&response) ? 0 : r;
    }
    const json_t *answer = NULL;
    r = hd_sqs_read_answer(action, &response, arena, &answer, err);
    *ret_url = r ? NULL : hd_json_str(answer, "QueueUrl");
    return r || *ret_url ? r : hd_error_set(err, HD_ERR_UNAVAILABLE, "SQS %s: an answer without a URL", action);
}

int hd_sqs_find(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena, const char **ret_url,
                struct hd_error *err) {
    char **known = &sqs->urls[queue][kind];
    const char *url = NULL;
    if (!*known) {
        int r = 0;
        if (sqs->basename == sqs->prefix)
            r = ask_for_url(sqs, queue, kind, arena, &url, err);
        else if (!(url = hd_arena_printf(arena, "%s%s%s", sqs->prefix, hd_queue_name_text(queue), suffixes[kind])))
            r = no_memory(err);
        if (r)
            return r;
        *known = url ? strdup(url) : NULL;
        if (url && !*known)
            return no_memory(err);
    }
    *ret_url = *known;
    return 0;
}

int hd_sqs_url(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena, const char **ret_url,
               struct hd_error *err) {
    struct hd_error own = {0};
    const char *url = NULL;
    int r = hd_sqs_find(sqs, queue, kind, arena, &url, &own);
    if (!r && url) {
        *ret_url = url;
        return 0;
    }
    return hd_error_set(err, own.code, "%s", own.detail);
}

/* ---- batches of entries: sent, deleted, hidden ---- */

struct entry {
    enum hd_queue_name queue;
    enum hd_sqs_kind kind;
    size_t bytes;
    bool settled; /* nothing more is tried; code says what came of it */
    enum hd_code code;
};

struct batches {
    struct hd_sqs *sqs;
    const char *action;
    /* The members of an entry's object, but for its id. */
    void (*write)(const struct batches *b, size_t index, struct hd_json_writer *w);
    const void *items;
    int64_t ms; /* now, or a visibility: what write needs */
    struct entry *entries;
    size_t count;
    struct hd_arena *arena;
    struct hd_error first; /* failure that is final */
    struct hd_error last;  /* failure of an entry that is tried again */
};

/* One request of entries to one queue. */
struct group {
    enum hd_queue_name queue;
    enum hd_sqs_kind kind;
    size_t members[HD_SQS_BATCH_MAX];
    size_t count, bytes;
    bool asked;
};

static void settle(struct batches *b, size_t index, enum hd_code code, const struct hd_error *why) {
    b->entries[index].settled = true;
    b->entries[index].code = code;
    if (code && !b->first.code)
        b->first = *why;
}

static void settle_group(struct batches *b, const struct group *group, const struct hd_error *why) {
    for (size_t i = 0; i < group->count; i++)
        settle(b, group->members[i], why->code, why);
}

/* The entries that are not settled, by their queues. groups has room for each of them. */
static size_t plan(const struct batches *b, bool alone, struct group *groups) {
    struct group *open[HD_QUEUE_COUNT][HD_SQS_KIND_COUNT] = {{NULL}};
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct entry *entry = &b->entries[i];
        if (entry->settled)
            continue;
        struct group **at = &open[entry->queue][entry->kind];
        struct group *group = *at;
        if (!group || alone || group->count == HD_SQS_BATCH_MAX || group->bytes + entry->bytes > HD_SQS_BATCH_MAX_BYTES) {
            group = *at = &groups[count++];
            *group = (struct group){.queue = entry->queue, .kind = entry->kind};
        }
        group->members[group->count++] = i;
        group->bytes += entry->bytes;
    }
    return count;
}

static int write_group(const struct batches *b, const struct group *group, const char *url, struct hd_aws_request *ret_request,
                       struct hd_error *err) {
    struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueUrl", url);
    hd_json_open_array(&w, "Entries");
    for (size_t i = 0; i < group->count; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "%zu", i);
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "Id", id);
        b->write(b, group->members[i], &w);
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    size_t body_bytes = body.len;
    const char *text = take_text(b->arena, &body);
    const char *target = hd_arena_printf(b->arena, "AmazonSQS.%s", b->action);
    if (!text || !target)
        return no_memory(err);
    *ret_request = (struct hd_aws_request){.service = HD_AWS_SQS, .target = target, .body = text, .body_bytes = body_bytes};
    return 0;
}

static enum hd_code code_of_fault(const char *code) {
    static const struct {
        const char *part;
        enum hd_code code;
    } faults[] = {
        {"ReceiptHandle", HD_ERR_CONFLICT},          {"NotInflight", HD_ERR_CONFLICT},           {"AccessDenied", HD_ERR_CONFIGURATION},
        {"QueueDoesNotExist", HD_ERR_CONFIGURATION}, {"NonExistentQueue", HD_ERR_CONFIGURATION}, {"Kms", HD_ERR_CONFIGURATION},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(faults); i++)
        if (strstr(code, faults[i].part))
            return faults[i].code;
    return HD_ERR_INVALID;
}

/* Which entry an item of the answer is about. */
static bool member_of(const struct group *group, const json_t *item, size_t *ret_index) {
    const char *id = hd_json_str(item, "Id");
    unsigned long at = id && id[0] ? strtoul(id, NULL, 10) : group->count;
    if (at >= group->count)
        return false;
    *ret_index = group->members[at];
    return true;
}

static void judge_failed(struct batches *b, const struct group *group, const json_t *failed) {
    const char *code = hd_json_str(failed, "Code"), *message = hd_json_str(failed, "Message");
    size_t index = 0;
    struct hd_error why = {0};
    if (!member_of(group, failed, &index))
        return;
    code = code ? code : "";
    bool theirs = !json_is_true(json_object_get(failed, "SenderFault")) || strstr(code, "Throttl");
    (void)hd_error_set(&why, theirs ? HD_ERR_UNAVAILABLE : code_of_fault(code), "queue %s%s%s: SQS %s: %s: %s", b->sqs->basename,
                       hd_queue_name_text(group->queue), suffixes[group->kind], b->action, code, message ? message : "");
    if (theirs)
        b->last = why; /* once more */
    else
        settle(b, index, why.code, &why);
}

/* A batch that SQS refuses as a whole may have one bad entry: each is tried alone. */
static void judge(struct batches *b, const struct group *group, const struct hd_aws_response *response) {
    struct hd_error why = {0};
    const json_t *answer = NULL;
    if (response->code) {
        (void)hd_sqs_response_error(b->sqs, b->action, group->queue, group->kind, response, &why);
        if (response->code != HD_ERR_INVALID || group->count == 1)
            settle_group(b, group, &why);
        return;
    }
    if (hd_sqs_read_answer(b->action, response, b->arena, &answer, &why)) {
        settle_group(b, group, &why);
        return;
    }
    size_t at = 0, index = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "Successful"), at, item) {
        if (member_of(group, item, &index))
            settle(b, index, HD_OK, &why);
    }
    json_array_foreach(json_object_get(answer, "Failed"), at, item) {
        judge_failed(b, group, item);
    }
}

/* The requests of one round, side by side. */
static int run_round(struct batches *b, struct group *groups, size_t group_count, struct hd_error *err) {
    struct hd_aws_request *requests = hd_arena_calloc(b->arena, group_count, sizeof *requests);
    struct hd_aws_response *responses = hd_arena_calloc(b->arena, group_count, sizeof *responses);
    size_t count = 0;
    if (!requests || !responses)
        return no_memory(err);
    for (size_t g = 0; g < group_count; g++) {
        const char *url = NULL;
        struct hd_error why = {0};
        int r = hd_sqs_url(b->sqs, groups[g].queue, groups[g].kind, b->arena, &url, &why);
        if (!r)
            r = write_group(b, &groups[g], url, &requests[count], &why);
        groups[g].asked = r == 0;
        count += groups[g].asked;
        if (r)
            settle_group(b, &groups[g], &why);
    }
    int r = count > 0 ? hd_aws_call_all(b->sqs->client, requests, count, b->arena, responses, err) : 0;
    if (r)
        return r;
    count = 0;
    for (size_t g = 0; g < group_count; g++)
        if (groups[g].asked)
            judge(b, &groups[g], &responses[count++]);
    return 0;
}

static void pause_before(int round) {
    int64_t ms = (int64_t)ROUND_PAUSE_MS << (round - 1);
    (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Every entry has its code afterwards, whatever is returned. */
static int run_batches(struct batches *b, struct hd_error *err) {
    struct group *groups = hd_arena_calloc(b->arena, b->count, sizeof *groups);
    int r = groups ? 0 : no_memory(&b->first);
    for (int round = 0; !r && round < ROUNDS_MAX; round++) {
        size_t group_count = plan(b, round > 0, groups);
        if (group_count == 0)
            break;
        if (round > 0)
            pause_before(round);
        struct hd_error own = {0};
        r = run_round(b, groups, group_count, &own);
        if (r && !b->first.code)
            b->first = own;
    }
    struct hd_error why = r ? b->first : b->last;
    if (!why.code)
        (void)hd_error_set(&why, HD_ERR_UNAVAILABLE, "SQS %s: an answer that does not say what became of an entry", b->action);
    for (size_t i = 0; i < b->count; i++)
        if (!b->entries[i].settled)
            settle(b, i, why.code, &why);
    return b->first.code ? hd_error_set(err, b->first.code, "%s", b->first.detail) : 0;
}

/* ---- sending ---- */

/* What SQS takes is what XML 1.0 can say. */
static bool is_sendable(const char *body) {
    for (const unsigned char *c = (const unsigned char *)body; *c; c++) {
        if (*c < 0x20 && *c != '\t' && *c != '\n' && *c != '\r')
            return false;
        if (*c == 0xef && c[1] == 0xbf && c[2] >= 0xbe) /* U+FFFE, U+FFFF */
            return false;
    }
    return true;
}

int hd_sqs_check_body(const char *body, struct hd_error *err) {
    size_t len = strlen(body);
    if (len == 0)
        return hd_error_set(err, HD_ERR_INVALID, "a message without a body, which SQS does not take");
    if (len > HD_SQS_BATCH_MAX_BYTES - ENTRY_OVERHEAD_BYTES)
        return hd_error_set(err, HD_ERR_INVALID, "a message of %zu bytes, which SQS does not take", len);
    if (hd_utf8_valid_prefix(body, len) != len || !is_sendable(body))
        return hd_error_set(err, HD_ERR_INVALID, "a message with a character that SQS does not take");
    return 0;
}

static void write_outgoing(const struct batches *b, size_t index, struct hd_json_writer *w) {
    const struct hd_sqs_outgoing *message = &((const struct hd_sqs_outgoing *)b->items)[index];
    int64_t delay_s = seconds(message->due_at_ms - b->ms, DELAY_MAX_S);
    char enqueued_at[24];
    (void)snprintf(enqueued_at, sizeof enqueued_at, "%" PRId64, message->enqueued_at_ms);
    hd_json_put_str(w, "MessageBody", message->body);
    if (delay_s > 0)
        hd_json_put_int(w, "DelaySeconds", delay_s);
    hd_json_open_object(w, "MessageAttributes");
    hd_json_open_object(w, attribute_name);
    hd_json_put_str(w, "DataType", "Number");
    hd_json_put_str(w, "StringValue", enqueued_at);
    hd_json_close_object(w);
    hd_json_close_object(w);
}

int hd_sqs_send(struct hd_sqs *sqs, int64_t now_ms, struct hd_sqs_outgoing *messages, size_t count, struct hd_arena *arena,
                struct hd_error *err) {
    struct batches b = {.sqs = sqs,
                        .action = "SendMessageBatch",
                        .write = write_outgoing,
                        .items = messages,
                        .ms = now_ms,
                        .entries = hd_arena_calloc(arena, count, sizeof *b.entries),
                        .count = count,
                        .arena = arena};
    for (size_t i = 0; i < count; i++)
        messages[i].code = HD_ERR_NO_MEMORY;
    if (!b.entries)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct hd_error why = {0};
        b.entries[i] = (struct entry){.queue = messages[i].queue,
                                      .kind = messages[i].lane == HD_LANE_URGENT ? HD_SQS_URGENT : HD_SQS_NORMAL,
                                      .bytes = strlen(messages[i].body) + ENTRY_OVERHEAD_BYTES};
        if (hd_sqs_check_body(messages[i].body, &why))
            settle(&b, i, why.code, &why);
    }
    int r = run_batches(&b, err);
    for (size_t i = 0; i < count; i++)
        messages[i].code = b.entries[i].code;
    return r;
}

/* ---- by receipt ---- */

static const struct hd_message *message_at(const struct batches *b, size_t index) {
    return ((const struct hd_message *const *)b->items)[index];
}

static void write_receipt(const struct batches *b, size_t index, struct hd_json_writer *w) {
    hd_json_put_str(w, "ReceiptHandle", message_at(b, index)->receipt);
}

static void write_hidden(const struct batches *b, size_t index, struct hd_json_writer *w) {
    write_receipt(b, index, w);
    hd_json_put_int(w, "VisibilityTimeout", seconds(b->ms, VISIBILITY_MAX_S));
}

static void by_receipt(struct batches *b, const struct hd_message *const *messages, size_t *ret_failed) {
    b->items = messages;
    b->entries = hd_arena_calloc(b->arena, b->count, sizeof *b->entries);
    *ret_failed = b->count;
    if (!b->entries)
        return;
    for (size_t i = 0; i < b->count; i++)
        b->entries[i] = (struct entry){.queue = messages[i]->queue, .kind = hd_sqs_kind_of(messages[i])};
    if (run_batches(b, NULL) == 0)
        *ret_failed = 0;
    else
        for (size_t i = 0; i < b->count; i++)
            *ret_failed -= b->entries[i].code == 0;
}

void hd_sqs_delete(struct hd_sqs *sqs, const struct hd_message *const *messages, size_t count, struct hd_arena *arena, size_t *ret_failed) {
    struct batches b = {.sqs = sqs, .action = "DeleteMessageBatch", .write = write_receipt, .count = count, .arena = arena};
    by_receipt(&b, messages, ret_failed);
}

void hd_sqs_hide(struct hd_sqs *sqs, const struct hd_message *const *messages, size_t count, int64_t visibility_ms, struct hd_arena *arena,
                 size_t *ret_failed) {
    struct batches b = {
        .sqs = sqs, .action = "ChangeMessageVisibilityBatch", .write = write_hidden, .ms = visibility_ms, .count = count, .arena = arena};
    by_receipt(&b, messages, ret_failed);
}

int hd_sqs_extend(struct hd_sqs *sqs, const struct hd_message *message, int64_t visibility_ms, struct hd_arena *arena,
                  struct hd_error *err) {
    static const char action[] = "ChangeMessageVisibility";
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    struct hd_aws_response response = {0};
    const char *url = NULL;
    int r = hd_sqs_url(sqs, message->queue, hd_sqs_kind_of(message), arena, &url, err);
    if (r)
        return r;
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueUrl", url);
    hd_json_put_str(&w, "ReceiptHandle", message->receipt);
    hd_json_put_int(&w, "VisibilityTimeout", seconds(visibility_ms, VISIBILITY_MAX_S));
    hd_json_close_object(&w);
    r = hd_buffer_check(&body, err);
    if (!r)
        r = hd_sqs_ask(sqs, action, body.data, arena, &response, err);
    if (r || !response.code)
        return r;
    if (response.code ==
        HD_ERR_INVALID) /* whatever its name: the receipt is none, the message is gone or visible, or its twelve hours are over */
        return hd_error_set(err, HD_ERR_CONFLICT, "the message is no longer held by this receipt: %s", response.message);
    return hd_sqs_response_error(sqs, action, message->queue, hd_sqs_kind_of(message), &response, err);
}

/* ---- receiving ---- */

static const char receive_action[] = "ReceiveMessage";

static int write_receive(struct hd_sqs *sqs, const struct hd_sqs_receive *ask, int64_t visibility_ms, struct hd_arena *arena,
                         struct hd_aws_request *ret_request, struct hd_error *err) {
    const char *url = NULL;
    int r = hd_sqs_url(sqs, ask->queue, ask->kind, arena, &url, err);
    if (r)
        return r;
    struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueUrl", url);
    hd_json_put_int(&w, "MaxNumberOfMessages", (int64_t)ask->max);
    hd_json_put_int(&w, "WaitTimeSeconds", ask->wait_s);
    hd_json_put_int(&w, "VisibilityTimeout", seconds(visibility_ms, VISIBILITY_MAX_S));
    hd_json_open_array(&w, "AttributeNames"); /* the older of two names for the same: whatever speaks SQS knows it */
    hd_json_put_str(&w, NULL, "ApproximateReceiveCount");
    hd_json_put_str(&w, NULL, "SentTimestamp");
    hd_json_close_array(&w);
    hd_json_open_array(&w, "MessageAttributeNames");
    hd_json_put_str(&w, NULL, attribute_name);
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    size_t body_bytes = body.len;
    const char *text = take_text(arena, &body);
    if (!text)
        return no_memory(err);
    *ret_request = (struct hd_aws_request){.service = HD_AWS_SQS,
                                           .target = "AmazonSQS.ReceiveMessage",
                                           .body = text,
                                           .body_bytes = body_bytes,
                                           .timeout_ms = HD_AWS_TIMEOUT_MS + ask->wait_s * 1000};
    return 0;
}

/* Digits alone, up to max; fallback for anything else. */
static int64_t number_of(const json_t *object, const char *name, int64_t max, int64_t fallback) {
    const char *text = hd_json_str(object, name);
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > 15 || strspn(text, "0123456789") != len)
        return fallback;
    int64_t value = strtoll(text, NULL, 10);
    return value <= max ? value : fallback;
}

static bool read_message(const struct hd_sqs_receive *ask, const json_t *item, struct hd_message *ret_message) {
    const json_t *attributes = json_object_get(item, "Attributes");
    const json_t *enqueued_at = json_object_get(json_object_get(item, "MessageAttributes"), attribute_name);
    int64_t sent_at_ms = number_of(attributes, "SentTimestamp", INT64_MAX, 0);
    const char *body = hd_json_str(item, "Body");
    *ret_message = (struct hd_message){
        .queue = ask->queue,
        .lane = ask->kind == HD_SQS_URGENT ? HD_LANE_URGENT : HD_LANE_NORMAL,
        .receipt = hd_json_str(item, "ReceiptHandle"),
        .body = body ? body : "",
        .receive_count = (int)number_of(attributes, "ApproximateReceiveCount", RECEIVE_COUNT_MAX, 1),
        .enqueued_at_ms = number_of(enqueued_at, "StringValue", sent_at_ms + enqueued_at_trust_ms, sent_at_ms),
        .message_id = hd_json_str(item, "MessageId"),
        .abandoned = ask->kind == HD_SQS_DEAD,
    };
    return ret_message->receipt != NULL;
}

static int read_received(struct hd_sqs_receive *ask, const struct hd_aws_response *response, struct hd_arena *arena, struct hd_error *err) {
    const json_t *answer = NULL;
    int r = hd_sqs_read_answer(receive_action, response, arena, &answer, err);
    if (r)
        return r;
    const json_t *items = json_object_get(answer, "Messages"), *item = NULL;
    size_t at = 0;
    struct hd_message *messages = hd_arena_calloc(arena, json_array_size(items) + 1, sizeof *messages);
    if (!messages)
        return no_memory(err);
    ask->messages = messages;
    json_array_foreach(items, at, item) {
        ask->count += read_message(ask, item, &messages[ask->count]);
    }
    return 0;
}

int hd_sqs_receive(struct hd_sqs *sqs, struct hd_sqs_receive *asks, size_t count, int64_t visibility_ms, struct hd_arena *arena,
                   struct hd_error *err) {
    struct hd_aws_request *requests = hd_arena_calloc(arena, count, sizeof *requests);
    struct hd_aws_response *responses = hd_arena_calloc(arena, count, sizeof *responses);
    struct hd_error first = {0};
    size_t asked = 0, failed = 0;
    if (!requests || !responses)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        asks[i].messages = NULL;
        asks[i].count = 0;
        asks[i].code = (enum hd_code)write_receive(sqs, &asks[i], visibility_ms, arena, &requests[asked], first.code ? NULL : &first);
        asked += asks[i].code == 0;
    }
    int r = asked > 0 ? hd_aws_call_all(sqs->client, requests, asked, arena, responses, err) : 0;
    if (r)
        return r;
    asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (!asks[i].code) {
            const struct hd_aws_response *response = &responses[asked++];
            struct hd_error *why = first.code ? NULL : &first;
            asks[i].code =
                (enum hd_code)(response->code ? hd_sqs_response_error(sqs, receive_action, asks[i].queue, asks[i].kind, response, why)
                                              : read_received(&asks[i], response, arena, why));
        }
        failed += asks[i].code != 0;
    }
    if (first.code && err)
        *err = first;
    return failed == count && first.code ? first.code : 0;
}

/* ---- looking ---- */

int hd_sqs_depth(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena,
                 struct hd_queue_depth *ret_depth, struct hd_error *err) {
    static const char action[] = "GetQueueAttributes";
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    struct hd_aws_response response = {0};
    const char *url = NULL;
    int r = hd_sqs_url(sqs, queue, kind, arena, &url, err);
    if (r)
        return r;
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueUrl", url);
    hd_json_open_array(&w, "AttributeNames");
    hd_json_put_str(&w, NULL, "ApproximateNumberOfMessages");
    hd_json_put_str(&w, NULL, "ApproximateNumberOfMessagesNotVisible");
    hd_json_put_str(&w, NULL, "ApproximateNumberOfMessagesDelayed");
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    r = hd_buffer_check(&body, err);
    if (!r)
        r = hd_sqs_ask(sqs, action, body.data, arena, &response, err);
    if (r)
        return r;
    if (response.code)
        return hd_sqs_response_error(sqs, action, queue, kind, &response, err);
    const json_t *answer = NULL;
    r = hd_sqs_read_answer(action, &response, arena, &answer, err);
    if (r)
        return r;
    const json_t *attributes = json_object_get(answer, "Attributes");
    *ret_depth = (struct hd_queue_depth){
        .visible = number_of(attributes, "ApproximateNumberOfMessages", INT64_MAX, 0),
        .in_flight = number_of(attributes, "ApproximateNumberOfMessagesNotVisible", INT64_MAX, 0),
        .delayed = number_of(attributes, "ApproximateNumberOfMessagesDelayed", INT64_MAX, 0),
    };
    return 0;
}
