#include "tests/support/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

/* ---- the ports ---- */

static void fill(const struct hd_random *random, void *bytes, size_t count) {
    struct hd_host *host = (struct hd_host *)((char *)(uintptr_t)random - offsetof(struct hd_host, random));
    if (count == sizeof(host->dice)) {
        memcpy(bytes, &host->dice, count);
        return;
    }
    uint8_t *out = bytes;
    uint64_t number = ++host->draws;
    for (size_t i = count; i-- > 0; number >>= 8)
        out[i] = (uint8_t)number;
}

static struct hd_scripted *scripted_of(const struct hd_provider *provider) {
    return (struct hd_scripted *)(uintptr_t)provider;
}

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    struct hd_scripted *scripted = scripted_of(provider);
    (void)arena;
    scripted->prepared++;
    snprintf(scripted->to, sizeof(scripted->to), "%s", message->to_address ? message->to_address : "");
    snprintf(scripted->subject, sizeof(scripted->subject), "%s", message->subject);
    snprintf(scripted->notification_id, sizeof(scripted->notification_id), "%s", message->notification_id);
    if (scripted->prepare_fails)
        return hd_error_set(err, scripted->prepare_fails, "it cannot be prepared");
    *ret_transfer = (struct hd_transfer){.kind = scripted->kind, .mail_to = message->to_address};
    return 0;
}

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    struct hd_scripted *scripted = scripted_of(provider);
    size_t turn = (size_t)result->response_code; /* the same answer, however often it is asked about */
    scripted->concluded++;
    *ret_outcome = scripted->outcomes[turn < scripted->outcome_count ? turn : scripted->outcome_count - 1];
}

static const struct hd_provider_ops scripted_ops = {.name = "scripted", .prepare = prepare, .conclude = conclude};

struct hd_host *hd_host_new(void) {
    struct hd_error err;
    hd_json_init();
    struct hd_host *host = calloc(1, sizeof(*host));
    assert_non_null(host);
    host->memory = hd_memory_new();
    host->arena = hd_arena_new(ARENA_BYTES);
    assert_true(host->memory && host->arena);
    host->queue = hd_memory_queue(host->memory);
    if (hd_event_schemas_load(&host->schemas, &err) < 0 || hd_templates_load("pt-BR", &host->templates, &err) < 0)
        fail_msg("%s", err.detail);
    host->random.fill = fill;
    host->email = (struct hd_scripted){.provider = {.ops = &scripted_ops}, .kind = HD_TRANSFER_SMTP, .outcome_count = 1};
    host->providers[HD_EMAIL] = &host->email.provider;
    for (size_t i = 0; i < HD_CHANNEL_COUNT; i++)
        host->retry[i] = HD_RETRY_DEFAULT;
    host->ctx = (struct hd_context){
        .store = hd_memory_store(host->memory),
        .now_ms = HD_HOST_NOW_MS,
        .random = &host->random,
        .schemas = host->schemas,
        .templates = host->templates,
        .providers = host->providers,
        .retry = host->retry,
        .base_url = "http://helpdesk.test",
        .worker = "first",
        .send_timeout_ms = HD_HOST_SEND_TIMEOUT_MS,
    };
    assert_true(host->queue && host->ctx.store);
    return host;
}

void hd_host_free(struct hd_host *host) {
    host->ctx.store->ops->close(host->ctx.store);
    host->queue->ops->close(host->queue);
    hd_memory_free(host->memory);
    hd_event_schemas_free(host->schemas);
    hd_templates_free(host->templates);
    hd_arena_free(host->arena);
    free(host);
}

/* ---- what there is ---- */

static int commit(struct hd_host *host, const struct hd_changeset *set, struct hd_error *err) {
    struct hd_commit_result result = {0};
    host->commits++;
    int r = host->ctx.store->ops->commit(host->ctx.store, &set, 1, &result, err);
    return r || !result.code ? r : hd_error_set(err, result.code, "change %zu", result.change);
}

void hd_host_commit(struct hd_host *host, const struct hd_changeset *set) {
    struct hd_error err;
    if (hd_changeset_check(set, &err) < 0 || commit(host, set, &err) < 0)
        fail_msg("%s", err.detail);
}

void hd_host_add_user(struct hd_host *host, const struct hd_user *user) {
    struct hd_user full = *user;
    full.version = 1;
    full.created_at_ms = full.updated_at_ms = host->ctx.now_ms;
    struct hd_changeset set = hd_changeset(host->arena);
    hd_put_user(&set, &full, 0);
    hd_host_commit(host, &set);
}

void hd_host_put_ticket(struct hd_host *host, const struct hd_ticket *ticket, int64_t if_version) {
    struct hd_changeset set = hd_changeset(host->arena);
    hd_put_ticket(&set, ticket, if_version);
    hd_host_commit(host, &set);
}

void hd_host_enqueue(struct hd_host *host, enum hd_queue_name queue, const char *body) {
    struct hd_changeset set = hd_changeset(host->arena);
    hd_enqueue(&set, queue, HD_LANE_NORMAL, body, host->ctx.now_ms, 0);
    hd_host_commit(host, &set);
}

void hd_host_event(struct hd_host *host, const char *event_id, enum hd_event_type type, const char *ticket_id, const char *actor_id,
                   const char *payload) {
    const struct hd_event event = {
        .event_id = event_id,
        .type = type,
        .schema_version = 1,
        .occurred_at_ms = host->ctx.now_ms - 10,
        .accepted_at_ms = host->ctx.now_ms,
        .ticket_id = ticket_id,
        .actor_id = actor_id,
        .correlation_id = "corr-1",
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        .payload = payload,
    };
    struct hd_changeset set = hd_changeset(host->arena);
    hd_append_event(&set, &event);
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, hd_arena_printf(host->arena, "{\"eventId\":\"%s\"}", event_id), host->ctx.now_ms, 0);
    hd_host_commit(host, &set);
}

/* ---- working ---- */

bool hd_host_take(struct hd_host *host, const struct hd_processor *processor, struct hd_host_job *ret_job) {
    struct hd_message *messages;
    struct hd_error err;
    size_t count;
    int64_t next_due_ms;
    *ret_job = (struct hd_host_job){.processor = processor, .work.arena = hd_arena_new(ARENA_BYTES)};
    assert_non_null(ret_job->work.arena);
    if (host->queue->ops->receive(host->queue, processor->queue, 1, host->ctx.now_ms, HD_HOST_VISIBILITY_MS, ret_job->work.arena, &messages,
                                  &count, &next_due_ms, &err) < 0)
        fail_msg("%s", err.detail);
    if (count == 1) {
        ret_job->message = messages[0];
        return true;
    }
    hd_host_end(ret_job);
    return false;
}

static int decide(struct hd_host *host, struct hd_host_job *job, const struct hd_transfer_result *result) {
    struct hd_error err = {0};
    int r = HD_ERR_CONFLICT;
    job->work.message = &job->message;
    for (job->work.decisions = 1; r == HD_ERR_CONFLICT && job->work.decisions <= HD_DECISIONS_MAX; job->work.decisions++) {
        job->work.changes = hd_changeset(job->work.arena);
        job->work.transfer = (struct hd_transfer){0};
        r = result ? job->processor->conclude(&host->ctx, &job->work, result, &err) : job->processor->begin(&host->ctx, &job->work, &err);
        if (!r)
            r = hd_changeset_check(&job->work.changes, &err);
        if (r || job->work.changes.count == 0)
            break;
        void (*hook)(struct hd_host *) = host->before_commit;
        host->before_commit = NULL;
        if (hook)
            hook(host);
        r = commit(host, &job->work.changes, &err);
    }
    if (r)
        job->work.transfer = (struct hd_transfer){0};
    return r;
}

int hd_host_begin(struct hd_host *host, struct hd_host_job *job) {
    return decide(host, job, NULL);
}

int hd_host_conclude(struct hd_host *host, struct hd_host_job *job) {
    if (!job->transferred)
        job->result = (struct hd_transfer_result){.response_code = (long)host->email.transferred++, .duration_ms = 7};
    job->transferred = true;
    return decide(host, job, &job->result);
}

void hd_host_end(struct hd_host_job *job) {
    hd_arena_free(job->work.arena);
    job->work.arena = NULL;
}

static int run_job(struct hd_host *host, struct hd_host_job *job) {
    int r = hd_host_begin(host, job);
    if (!r && job->work.transfer.kind != HD_TRANSFER_NONE)
        r = hd_host_conclude(host, job);
    hd_host_end(job);
    return r;
}

size_t hd_host_run(struct hd_host *host, const struct hd_processor *processor) {
    size_t count = 0;
    struct hd_host_job job;
    for (; hd_host_take(host, processor, &job); count++) {
        if (count == 10000)
            fail_msg("the processor makes work for itself without end");
        (void)run_job(host, &job);
    }
    return count;
}

int hd_host_step(struct hd_host *host, const struct hd_processor *processor) {
    struct hd_host_job job;
    assert_true(hd_host_take(host, processor, &job));
    return run_job(host, &job);
}

/* ---- looking ---- */

static const struct hd_notification *notifications(struct hd_host *host, const struct hd_notification_filter *filter, size_t *ret_count) {
    enum { ALL_MAX = 4000 };
    struct hd_notification *all = hd_arena_calloc(host->arena, ALL_MAX, sizeof(*all));
    struct hd_page page = {.limit = HD_PAGE_MAX};
    struct hd_error err;
    assert_non_null(all);
    *ret_count = 0;
    do {
        const struct hd_notification *some;
        size_t count;
        if (host->ctx.store->ops->notifications(host->ctx.store, host->arena, filter, &page, &some, &count, &page.cursor, &err) < 0)
            fail_msg("%s", err.detail);
        assert_true(*ret_count + count <= ALL_MAX);
        memcpy(all + *ret_count, some, count * sizeof(*some));
        *ret_count += count;
    } while (page.cursor);
    return all;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *told(struct hd_host *host, const struct hd_notification *n) {
    const char *channel = hd_channel_name(n->channel);
    if (n->status == HD_PENDING)
        return hd_arena_printf(host->arena, "%s/%s", n->target, channel);
    return hd_arena_printf(host->arena, "%s/%s:%s(%s)", n->target, channel, hd_status_name(n->status), n->reason ? n->reason : "");
}

const char *hd_host_told(struct hd_host *host, const char *event_id) {
    size_t count;
    const struct hd_notification_filter filter = {.status = -1, .channel = -1, .event_id = event_id};
    const struct hd_notification *all = notifications(host, &filter, &count);
    const char **lines = hd_arena_calloc(host->arena, count + 1, sizeof(*lines));
    assert_non_null(lines);
    for (size_t i = 0; i < count; i++)
        lines[i] = told(host, &all[i]);
    qsort(lines, count, sizeof(*lines), by_text);
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = hd_arena_printf(host->arena, "%s%s%s", text, i > 0 ? " " : "", lines[i]);
    return text;
}

const struct hd_notification *hd_host_notification(struct hd_host *host, const char *target, enum hd_channel channel) {
    size_t count;
    const struct hd_notification_filter filter = {.status = -1, .channel = (int)channel, .target = target};
    const struct hd_notification *found = notifications(host, &filter, &count);
    if (count != 1)
        fail_msg("there are %zu notifications of %s by %s", count, target, hd_channel_name(channel));
    return found;
}

const struct hd_attempt *hd_host_attempts(struct hd_host *host, const char *notification_id, size_t *ret_count) {
    const struct hd_attempt *attempts;
    struct hd_error err;
    if (host->ctx.store->ops->attempts(host->ctx.store, host->arena, notification_id, &attempts, ret_count, &err) < 0)
        fail_msg("%s", err.detail);
    return attempts;
}

const struct hd_dead_letter *hd_host_dead_letters(struct hd_host *host, size_t *ret_count) {
    const struct hd_dead_letter *letters;
    const char *more;
    struct hd_error err;
    if (host->ctx.store->ops->dead_letters(host->ctx.store, host->arena, &(struct hd_dead_letter_filter){0},
                                           &(struct hd_page){.limit = HD_PAGE_MAX}, &letters, ret_count, &more, &err) < 0)
        fail_msg("%s", err.detail);
    return letters;
}

const struct hd_inbox_item *hd_host_inbox(struct hd_host *host, const char *user_id, size_t *ret_count) {
    const struct hd_inbox_item *items;
    const char *more;
    struct hd_error err;
    if (host->ctx.store->ops->inbox(host->ctx.store, host->arena, &(struct hd_inbox_filter){.user_id = user_id},
                                    &(struct hd_page){.limit = HD_PAGE_MAX}, &items, ret_count, &more, &err) < 0)
        fail_msg("%s", err.detail);
    return items;
}

struct hd_queue_depth hd_host_depth(struct hd_host *host, enum hd_queue_name name) {
    struct hd_queue_depth depth;
    struct hd_error err;
    if (host->queue->ops->depth(host->queue, name, host->ctx.now_ms, &depth, &err) < 0)
        fail_msg("%s", err.detail);
    return depth;
}

size_t hd_host_waiting(struct hd_host *host, enum hd_queue_name name) {
    struct hd_queue_depth depth = hd_host_depth(host, name);
    return (size_t)(depth.visible + depth.in_flight + depth.delayed);
}

static void print_all(FILE *out, const struct hd_record *record, const void *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hd_record_print(record, out, (const char *)values + i * record->bytes);
        (void)fputc('\n', out);
    }
}

const char *hd_host_dump(struct hd_host *host) {
    char *text = NULL;
    size_t bytes = 0, count, inner;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    const struct hd_notification *all = notifications(host, &(struct hd_notification_filter){.status = -1, .channel = -1}, &count);
    print_all(out, &hd_notification_record, all, count);
    for (size_t i = 0; i < count; i++) {
        const struct hd_attempt *attempts = hd_host_attempts(host, all[i].notification_id, &inner);
        print_all(out, &hd_attempt_record, attempts, inner);
        const struct hd_inbox_item *item;
        assert_int_equal(host->ctx.store->ops->inbox_item(host->ctx.store, host->arena, all[i].notification_id, &item, NULL), 0);
        print_all(out, &hd_inbox_item_record, item, item ? 1 : 0);
    }
    const struct hd_dead_letter *letters = hd_host_dead_letters(host, &inner);
    print_all(out, &hd_dead_letter_record, letters, inner);
    for (unsigned queue = 0; queue < HD_QUEUE_COUNT; queue++)
        (void)fprintf(out, "%s: %zu\n", hd_queue_name_text((enum hd_queue_name)queue), hd_host_waiting(host, (enum hd_queue_name)queue));
    assert_int_equal(fclose(out), 0);
    const char *kept = hd_arena_strdup(host->arena, text);
    free(text);
    return kept;
}
