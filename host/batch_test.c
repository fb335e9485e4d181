/* Batches over the store and queue in memory, with the real dispatcher and a peer of our own that the transfers go to. The clock is the test's. */
#include "host/batch.h"

#include "tests/support/host.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/support/peer.h"

enum { TRANSFER_MS = 20000, LONG_MS = 60000, TAKE_OVER_MS = HD_HOST_SEND_TIMEOUT_MS + 5000 };

struct fixture {
    struct hd_host *host;
    struct hd_peer_server peer;
    struct hd_provider provider;
    struct hd_clock clock;
    _Atomic int64_t now_ms, step_ms; /* each look at the clock takes step_ms */
    struct hd_store *store;
    struct hd_queue *queue;
    struct hd_batch *batch;
    struct hd_arena *received;
    struct hd_message *messages;
    size_t count;
    enum hd_fate fates[HD_BATCH_MESSAGES_MAX];
    size_t happened;
    /* faults, and what was asked of the ports */
    _Atomic int outage;                       /* commits that fail from now on, whole */
    size_t fails_at;                          /* of the next commit's sets, this one fails alone … */
    enum hd_code fails_with;                  /* … with this */
    void (*before_commit)(struct fixture *f); /* once */
    bool no_give_back, no_extend;
    size_t reads, give_backs; /* asked, whatever came of it */
    bool no_reads;
    int64_t read_takes_ms;
    size_t commits, sets, extends;
    /* reading ahead: what was announced, and the reads that were not */
    struct hd_wanted ahead[64];
    size_t ahead_count, ahead_calls, unannounced;
    bool reads_open;
};

/* The ports have no room for a pointer to it, and there is one at a time. */
static struct fixture *fixture;
static struct hd_store_ops real_store, store_ops;
static struct hd_queue_ops real_queue, queue_ops;

static int64_t look(const struct hd_clock *clock) {
    (void)clock;
    return atomic_fetch_add(&fixture->now_ms, atomic_load(&fixture->step_ms));
}

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    (void)provider;
    (void)err;
    *ret_transfer = (struct hd_transfer){
        .kind = HD_TRANSFER_HTTP,
        .url = fixture->peer.url,
        .method = "POST",
        .connect_timeout_ms = TRANSFER_MS,
        .timeout_ms = TRANSFER_MS,
        .body = hd_arena_strdup(arena, message->notification_id),
        .body_bytes = strlen(message->notification_id),
    };
    return 0;
}

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    (void)provider;
    bool is_sent = result->failure == HD_TRANSFER_OK && result->response_code == 200;
    *ret_outcome = (struct hd_outcome){.kind = is_sent ? HD_OUTCOME_SENT : HD_OUTCOME_RETRY};
    (void)snprintf(ret_outcome->detail, sizeof ret_outcome->detail, "%ld %.150s", result->response_code, result->detail);
}

static const struct hd_provider_ops provider_ops = {.name = "peer", .prepare = prepare, .conclude = conclude};

static int commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                  struct hd_error *err) {
    struct fixture *f = fixture;
    void (*hook)(struct fixture *) = f->before_commit;
    f->before_commit = NULL;
    f->commits++;
    f->sets += count;
    if (hook)
        hook(f);
    if (f->outage > 0) {
        f->outage--;
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "out of reach");
    }
    if (f->fails_with == 0)
        return real_store.commit(store, sets, count, ret_results, err);
    for (size_t i = 0; i < count; i++) {
        if (i == f->fails_at)
            ret_results[i] = (struct hd_commit_result){.code = f->fails_with};
        else
            assert_int_equal(real_store.commit(store, sets + i, 1, ret_results + i, err), 0);
    }
    hd_error_set(err, f->fails_with, "this one alone");
    f->fails_with = HD_OK;
    return 0;
}

static int begin_reads(struct hd_store *store, struct hd_error *err) {
    (void)store;
    (void)err;
    fixture->reads_open = true;
    fixture->ahead_count = 0;
    return 0;
}

static void end_reads(struct hd_store *store) {
    (void)store;
    fixture->reads_open = false;
}

static int read_ahead(struct hd_store *store, const struct hd_wanted *things, size_t count, struct hd_error *err) {
    (void)store;
    (void)err;
    assert_true(fixture->reads_open && fixture->ahead_count + count <= HD_ARRAY_LEN(fixture->ahead));
    memcpy(fixture->ahead + fixture->ahead_count, things, count * sizeof *things);
    fixture->ahead_count += count;
    fixture->ahead_calls++;
    return 0;
}

static void is_read(enum hd_wanted_kind kind, const char *id) {
    if (!fixture->reads_open)
        return;
    for (size_t i = 0; i < fixture->ahead_count; i++)
        if (fixture->ahead[i].kind == kind && strcmp(fixture->ahead[i].id, id) == 0)
            return;
    fixture->unannounced++;
}

#define READ(name, kind)                                                                                                 \
    static int read_##name(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_##name **ret, \
                           struct hd_error *err) {                                                                       \
        is_read(kind, id);                                                                                               \
        return real_store.name(store, arena, id, ret, err);                                                              \
    }
READ(ticket, HD_WANTED_TICKET)
READ(user, HD_WANTED_USER)
READ(event, HD_WANTED_EVENT)
READ(notification, HD_WANTED_NOTIFICATION)
READ(dead_letter, HD_WANTED_DEAD_LETTER)

static int slow_notification(struct hd_store *store, struct hd_arena *arena, const char *id, const struct hd_notification **ret,
                             struct hd_error *err) {
    fixture->reads++;
    atomic_fetch_add(&fixture->now_ms, fixture->read_takes_ms);
    if (fixture->no_reads)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "out of reach");
    return real_store.notification(store, arena, id, ret, err);
}

static int extend(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t visibility_ms, struct hd_error *err) {
    fixture->extends++;
    if (fixture->no_extend)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "out of reach");
    return real_queue.extend(queue, message, now_ms, visibility_ms, err);
}

static int give_back(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t delay_ms, struct hd_error *err) {
    fixture->give_backs++;
    if (fixture->no_give_back)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "out of reach");
    return real_queue.give_back(queue, message, now_ms, delay_ms, err);
}

static void happened(void *self, const struct hd_changeset *set) {
    struct fixture *f = self;
    assert_true(set->count > 0);
    f->happened++;
}

static void open_batch(struct fixture *f, const char *name) {
    struct hd_error err;
    struct hd_batch_options options = {
        .context = f->host->ctx,
        .queue = f->queue,
        .clock = &f->clock,
        .connections_per_host = 16,
        .visibility_ms = HD_HOST_VISIBILITY_MS,
        .self = f,
        .happened = happened,
    };
    options.context.store = f->store;
    options.context.worker = name;
    if (hd_batch_new(&options, &f->batch, &err))
        fail_msg("%s", err.detail);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture = f;
    (void)signal(SIGPIPE, SIG_IGN);
    hd_log_set_level(HD_LOG_ERROR + 1); /* what fails here is meant to */
    f->host = hd_host_new();
    f->store = hd_memory_store(f->host->memory);
    f->queue = hd_memory_queue(f->host->memory);
    real_store = *f->store->ops;
    store_ops = real_store;
    store_ops.commit = commit;
    f->store->ops = &store_ops;
    real_queue = *f->queue->ops;
    queue_ops = real_queue;
    queue_ops.extend = extend;
    queue_ops.give_back = give_back;
    f->queue->ops = &queue_ops;
    f->received = hd_arena_new(16 * 1024 * 1024);
    assert_non_null(f->received);
    f->clock.now_ms = look;
    atomic_store(&f->now_ms, HD_HOST_NOW_MS);
    f->provider.ops = &provider_ops;
    f->host->providers[HD_EMAIL] = &f->provider;
    f->host->dice = UINT32_MAX;
    hd_peer_start(&f->peer);
    hd_user_is(f->host, .user_id = "olga", .name = "Olga", .email = "olga@example.org");
    open_batch(f, "first");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    hd_batch_free(f->batch);
    hd_peer_stop(&f->peer);
    f->store->ops->close(f->store);
    f->queue->ops->close(f->queue);
    hd_arena_free(f->received);
    hd_host_free(f->host);
    free(f);
    return 0;
}

/* ---- work ---- */

static void remind(struct fixture *f, int number, const char *channels) {
    f->host->ctx.now_ms = atomic_load(&f->now_ms);
    hd_host_event(f->host, hd_arena_printf(f->host->arena, "e-%d", number), HD_EVENT_REMINDER, "t-1", NULL,
                  hd_arena_printf(f->host->arena, "{\"ticketId\":\"t-1\",\"userId\":\"olga\",\"channels\":[%s]}", channels));
}

/* That many mails wait to be sent. */
static void mails(struct fixture *f, int count) {
    for (int i = 0; i < count; i++)
        remind(f, i, "\"email\"");
    assert_int_equal(hd_host_run(f->host, &hd_router_processor), count);
}

static size_t receive(struct fixture *f, const struct hd_processor *processor) {
    int64_t next_ms;
    hd_arena_reset(f->received);
    assert_int_equal(real_queue.receive(f->queue, processor->queue, HD_BATCH_MESSAGES_MAX, atomic_load(&f->now_ms), HD_HOST_VISIBILITY_MS,
                                        f->received, &f->messages, &f->count, &next_ms, NULL),
                     0);
    return f->count;
}

/* Receives what is visible, and runs it with that much time. How many there were. */
static size_t run(struct fixture *f, const struct hd_processor *processor, int64_t time_ms) {
    if (receive(f, processor) > 0)
        hd_batch_run(f->batch, processor, f->messages, f->count, atomic_load(&f->now_ms) + time_ms, f->fates);
    return f->count;
}

static size_t fated(const struct fixture *f, enum hd_fate fate) {
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++)
        count += f->fates[i] == fate;
    return count;
}

static size_t count_of(struct fixture *f, enum hd_status status) {
    const struct hd_notification *some;
    const char *more;
    size_t count;
    const struct hd_notification_filter filter = {.status = (int)status, .channel = -1};
    assert_int_equal(real_store.notifications(f->host->ctx.store, f->host->arena, &filter, &(struct hd_page){.limit = HD_PAGE_MAX}, &some,
                                              &count, &more, NULL),
                     0);
    return count;
}

static void check_attempts(struct fixture *f, const char *outcomes) {
    size_t count;
    const char *text = "";
    const struct hd_attempt *attempts = hd_host_attempts(f->host, hd_host_notification(f->host, "olga", HD_EMAIL)->notification_id, &count);
    for (size_t i = 0; i < count; i++)
        text = hd_arena_printf(f->host->arena, "%s%s%s", text, i > 0 ? " " : "", hd_outcome_name(attempts[i].outcome));
    assert_string_equal(text, outcomes);
}

static void check_nothing_waits(struct fixture *f) {
    for (unsigned queue = 0; queue < HD_QUEUE_COUNT; queue++)
        assert_int_equal(hd_host_waiting(f->host, (enum hd_queue_name)queue), 0);
}

/* ---- tests ---- */

static void all_are_decided_and_committed_in_one_call(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++)
        remind(f, i, "\"email\",\"inapp\"");
    assert_int_equal(run(f, &hd_router_processor, LONG_MS), 20);
    assert_int_equal(fated(f, HD_FATE_DONE), 20);
    assert_int_equal(f->commits, 1);
    assert_int_equal(f->sets, 20);
    assert_int_equal(f->happened, 20);
    assert_int_equal(count_of(f, HD_PENDING), 40);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_ROUTER), 0);
}

static void transfers_run_side_by_side(void **state) {
    struct fixture *f = *state;
    f->peer.together = 8; /* one after another, none would ever be answered */
    mails(f, 8);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 8);
    assert_int_equal(fated(f, HD_FATE_DONE), 8);
    assert_int_equal(hd_peer_requests(&f->peer), 8);
    assert_int_equal(count_of(f, HD_SENT), 8);
    assert_int_equal(f->extends, 0);
    check_nothing_waits(f);
}

static void what_a_batch_will_read_is_fetched_before(void **state) {
    struct fixture *f = *state;
    hd_user_is(f->host, .user_id = "ana", .name = "Ana", .email = "ana@example.org");
    hd_user_is(f->host, .user_id = "bruno", .name = "Bruno", .role = HD_ROLE_AGENT);
    hd_ticket_is(f->host, .ticket_id = "t-1", .title = "T", .description = "D", .owner_id = "ana", .assigned_agent_id = "bruno");
    store_ops.begin_reads = begin_reads;
    store_ops.end_reads = end_reads;
    store_ops.read_ahead = read_ahead;
    store_ops.ticket = read_ticket;
    store_ops.user = read_user;
    store_ops.event = read_event;
    store_ops.notification = read_notification;
    store_ops.dead_letter = read_dead_letter;
    for (int i = 0; i < 3; i++)
        hd_host_event(f->host, hd_arena_printf(f->host->arena, "e-%d", i), HD_EVENT_TICKET_COMMENTED, "t-1", "bruno",
                      "{\"ticketId\":\"t-1\",\"commentId\":\"c-1\",\"authorId\":\"bruno\",\"text\":\"x\",\"visibility\":\"public\"}");
    const struct hd_processor *const processors[] = {&hd_router_processor, &hd_email_processor, &hd_inapp_processor};
    for (size_t i = 0; i < HD_ARRAY_LEN(processors); i++) {
        f->ahead_calls = 0;
        atomic_fetch_add(&f->now_ms, 2000); /* nothing is left of what was read lately */
        assert_true(run(f, processors[i], LONG_MS) >= 3);
        assert_int_equal(fated(f, HD_FATE_DONE), f->count);
        assert_in_range(f->ahead_calls, 2, 3);
        assert_true(f->ahead_count >= 5);
        assert_int_equal(f->unannounced, 0);
    }
    assert_true(count_of(f, HD_SENT) >= 6);
}

static void batch_after_batch_needs_no_more_of_anything(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        remind(f, i, "\"email\",\"inapp\"");
        assert_int_equal(run(f, &hd_router_processor, LONG_MS), 1);
        assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
        assert_int_equal(run(f, &hd_inapp_processor, LONG_MS), 1);
        assert_int_equal(fated(f, HD_FATE_DONE), 1);
    }
    assert_int_equal(count_of(f, HD_SENT), HD_PAGE_MAX);
    check_nothing_waits(f);
}

static void what_the_provider_refuses_is_postponed_by_the_retry_policy(void **state) {
    struct fixture *f = *state;
    f->peer.status = 503;
    mails(f, 1);
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
        assert_int_equal(f->fates[0], HD_FATE_DONE);
        atomic_fetch_add(&f->now_ms, 10000);
    }
    check_attempts(f, "retry retry retry");
    assert_int_equal(count_of(f, HD_DEAD), 1);
    assert_int_equal(run(f, &hd_dlq_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    check_nothing_waits(f);
}

/* Somebody else has a second message of the same task, and is done first. */
static void be_faster(struct fixture *f) {
    hd_host_enqueue(f->host, HD_QUEUE_INAPP, f->messages[0].body);
    assert_int_equal(hd_host_step(f->host, &hd_inapp_processor), 0);
}

static void a_conflict_is_decided_again(void **state) {
    struct fixture *f = *state;
    size_t items;
    remind(f, 1, "\"inapp\"");
    remind(f, 2, "\"inapp\"");
    assert_int_equal(hd_host_run(f->host, &hd_router_processor), 2);
    f->before_commit = be_faster;
    assert_int_equal(run(f, &hd_inapp_processor, LONG_MS), 2);
    assert_int_equal(fated(f, HD_FATE_DONE), 2);
    assert_int_equal(f->sets, 3); /* the one alone is decided again */
    (void)hd_host_inbox(f->host, "olga", &items);
    assert_int_equal(items, 2);
    check_nothing_waits(f);
}

static void the_same_task_twice_in_a_batch_is_sent_once(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    assert_int_equal(receive(f, &hd_email_processor), 1);
    hd_host_enqueue(f->host, HD_QUEUE_EMAIL, f->messages[0].body);
    atomic_fetch_add(&f->now_ms, HD_HOST_VISIBILITY_MS + 1);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 2);
    assert_int_equal(fated(f, HD_FATE_DONE), 2);
    assert_int_equal(hd_peer_requests(&f->peer), 1);
    atomic_fetch_add(&f->now_ms, TAKE_OVER_MS + 1);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    check_attempts(f, "sent");
    check_nothing_waits(f);
}

static void what_can_never_be_recorded_becomes_a_dead_letter_and_the_others_go_on(void **state) {
    struct fixture *f = *state;
    size_t letters;
    for (int i = 0; i < 3; i++)
        remind(f, i, "\"inapp\"");
    f->fails_at = 1;
    f->fails_with = HD_ERR_TOO_LARGE;
    assert_int_equal(run(f, &hd_router_processor, LONG_MS), 3);
    assert_int_equal(fated(f, HD_FATE_DONE), 3);
    assert_int_equal(count_of(f, HD_PENDING), 2);
    const struct hd_dead_letter *letter = hd_host_dead_letters(f->host, &letters);
    assert_int_equal(letters, 1);
    assert_string_equal(letter->reason, "processing_failed");
    assert_string_equal(letter->detail, "this one alone");
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_ROUTER), 0);
}

static void a_mail_that_cannot_be_begun_is_buried_and_not_sent(void **state) {
    struct fixture *f = *state;
    size_t letters;
    mails(f, 1);
    f->fails_with = HD_ERR_TOO_LARGE;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    (void)hd_host_dead_letters(f->host, &letters);
    assert_int_equal(letters, 1);
    assert_int_equal(hd_peer_requests(&f->peer), 0);
}

static void one_that_fails_alone_is_given_back_alone(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        remind(f, i, "\"inapp\"");
    f->fails_at = 2;
    f->fails_with = HD_ERR_UNAVAILABLE;
    assert_int_equal(run(f, &hd_router_processor, LONG_MS), 3);
    assert_int_equal(fated(f, HD_FATE_DONE), 2);
    assert_int_equal(f->fates[2], HD_FATE_BACK);
    assert_int_equal(f->happened, 2);
    assert_int_equal(run(f, &hd_router_processor, LONG_MS), 0); /* a moment later */
    atomic_fetch_add(&f->now_ms, 1000);
    assert_int_equal(run(f, &hd_router_processor, LONG_MS), 1);
    assert_int_equal(count_of(f, HD_PENDING), 3);
}

static void an_outage_of_the_store_makes_no_dead_letters_and_is_asked_ever_less_often(void **state) {
    struct fixture *f = *state;
    size_t letters, tries = 0;
    mails(f, 2);
    int64_t began_ms = atomic_load(&f->now_ms);
    while (atomic_load(&f->now_ms) - began_ms < (int64_t)2 * 3600 * 1000) {
        f->outage = 1;
        if (run(f, &hd_email_processor, LONG_MS) > 0) {
            tries++;
            assert_int_equal(fated(f, HD_FATE_BACK), f->count);
        }
        atomic_fetch_add(&f->now_ms, 1000);
    }
    assert_in_range(tries, 200, 400);
    f->outage = 0;
    atomic_fetch_add(&f->now_ms, 30000);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 2);
    assert_int_equal(fated(f, HD_FATE_DONE), 2);
    (void)hd_host_dead_letters(f->host, &letters);
    assert_int_equal(letters, 0);
    assert_int_equal(hd_peer_requests(&f->peer), 2);
}

static void what_cannot_even_be_given_back_is_left(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->outage = 1;
    f->no_give_back = true;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT);
    atomic_fetch_add(&f->now_ms, HD_HOST_VISIBILITY_MS + 1);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    check_attempts(f, "sent");
}

static void a_store_that_is_out_of_reach_is_not_asked_for_each_message(void **state) {
    struct fixture *f = *state;
    mails(f, 20);
    store_ops.notification = slow_notification;
    f->no_reads = true;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 20);
    assert_int_equal(fated(f, HD_FATE_BACK), 20);
    assert_int_equal(f->reads, 3);
    f->no_reads = false;
    atomic_fetch_add(&f->now_ms, 1000);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 20);
    assert_int_equal(fated(f, HD_FATE_DONE), 20);
}

static void a_queue_that_is_out_of_reach_is_not_asked_for_each_message(void **state) {
    struct fixture *f = *state;
    mails(f, 20);
    f->outage = 1;
    f->no_give_back = true;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 20);
    assert_int_equal(fated(f, HD_FATE_LEFT), 20);
    assert_int_equal(f->give_backs, 3);
}

static void what_time_does_not_allow_to_decide_is_left(void **state) {
    struct fixture *f = *state;
    mails(f, 20);
    store_ops.notification = slow_notification;
    f->read_takes_ms = LONG_MS / 5;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 20);
    assert_int_equal(f->reads, 5);
    assert_int_equal(fated(f, HD_FATE_LEFT), 15);
    assert_int_equal(fated(f, HD_FATE_DONE), 5);
}

static void fail_from_now_on(size_t request) {
    (void)request;
    atomic_store(&fixture->outage, 20);
}

/* Outcomes that were tried more than once leave their messages, which somebody else may have by then: they come again and find their work done. */
static void check_messages_find_their_work_done(struct fixture *f, size_t count) {
    atomic_store(&f->step_ms, 0);
    atomic_store(&f->peer.asked, (void (*)(size_t))NULL);
    atomic_fetch_add(&f->now_ms, HD_HOST_VISIBILITY_MS + 1);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), count);
    assert_int_equal(fated(f, HD_FATE_DONE), count);
    assert_int_equal(hd_peer_requests(&f->peer), count);
    check_nothing_waits(f);
}

static void an_outcome_that_comes_in_an_outage_is_recorded_after_it(void **state) {
    struct fixture *f = *state;
    mails(f, 3);
    f->peer.together = 3;
    f->peer.asked = fail_from_now_on;
    atomic_store(&f->step_ms, 250);
    assert_int_equal(run(f, &hd_email_processor, 3600 * 1000), 3);
    assert_int_equal(fated(f, HD_FATE_LEFT), 3);
    assert_int_equal(count_of(f, HD_SENT), 3);
    check_messages_find_their_work_done(f, 3);
}

static void a_failure_that_comes_in_an_outage_keeps_the_message_of_its_next_attempt(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->peer.status = 503;
    f->peer.asked = fail_from_now_on;
    atomic_store(&f->step_ms, 250);
    assert_int_equal(run(f, &hd_email_processor, 3600 * 1000), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT); /* whoever deletes what is done would delete the only message of what is pending */
    assert_int_equal(count_of(f, HD_PENDING), 1);
    atomic_store(&f->step_ms, 0);
    atomic_store(&f->peer.asked, (void (*)(size_t))NULL);
    f->peer.status = 200;
    atomic_fetch_add(&f->now_ms, HD_HOST_VISIBILITY_MS + 1);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    check_attempts(f, "retry sent");
    check_nothing_waits(f);
}

static void claims_are_extended_while_an_outcome_waits(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->peer.asked = fail_from_now_on;
    atomic_store(&f->step_ms, 3000); /* twenty tries take longer than the messages were claimed for */
    int64_t began_ms = atomic_load(&f->now_ms);
    assert_int_equal(run(f, &hd_email_processor, 3600 * 1000), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT);
    assert_true(atomic_load(&f->now_ms) - began_ms > HD_HOST_VISIBILITY_MS);
    assert_true(f->extends >= 2);
    atomic_store(&f->step_ms, 0);
    assert_int_equal(receive(f, &hd_email_processor), 0);
    check_attempts(f, "sent");
    check_messages_find_their_work_done(f, 1);
}

static void a_queue_that_is_out_of_reach_is_not_asked_to_extend_each_claim(void **state) {
    struct fixture *f = *state;
    enum { MAILS = 10 };
    mails(f, MAILS);
    f->no_extend = true;
    f->peer.together = MAILS;
    f->peer.asked = fail_from_now_on;
    atomic_store(&f->step_ms, 3000);
    int64_t began_ms = atomic_load(&f->now_ms);
    assert_int_equal(run(f, &hd_email_processor, 3600 * 1000), MAILS);
    assert_int_equal(count_of(f, HD_SENT), MAILS);
    assert_in_range(f->extends, 2, 4 * (atomic_load(&f->now_ms) - began_ms) / HD_HOST_VISIBILITY_MS);
}

static void an_outcome_that_cannot_be_recorded_by_the_deadline_is_an_interrupted_attempt(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->peer.asked = fail_from_now_on;
    atomic_store(&f->step_ms, 100);
    int64_t began_ms = atomic_load(&f->now_ms);
    assert_int_equal(run(f, &hd_email_processor, 5000), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT);
    assert_in_range(atomic_load(&f->now_ms) - began_ms, 5000, 6500);
    assert_int_equal(count_of(f, HD_SENDING), 1);
    atomic_store(&f->step_ms, 0);
    atomic_store(&f->peer.asked, (void (*)(size_t))NULL);
    f->outage = 0;
    hd_batch_free(f->batch);
    open_batch(f, "second");
    atomic_fetch_add(&f->now_ms, TAKE_OVER_MS + HD_HOST_VISIBILITY_MS);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    check_attempts(f, "interrupted sent");
}

static void lose_the_next_answer(size_t request) {
    (void)request;
    hd_memory_lose_answer(fixture->host->memory);
}

static void a_commit_whose_answer_is_lost_at_the_end_is_not_sent_twice(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->peer.asked = lose_the_next_answer;
    atomic_store(&f->step_ms, 20);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT); /* its work is done, and somebody else may have the message */
    check_attempts(f, "sent");
    assert_int_equal(hd_peer_requests(&f->peer), 1);
    check_nothing_waits(f);
}

static void a_peer_that_never_answers_is_a_failure_that_is_recorded_in_time(void **state) {
    struct fixture *f = *state;
    mails(f, 2);
    f->peer.silent = true;
    assert_int_equal(run(f, &hd_email_processor, 1000),
                     2); /* half a second for the transfers, and the clock stands still: they end by their own limit */
    assert_int_equal(fated(f, HD_FATE_DONE), 2);
    assert_int_equal(count_of(f, HD_PENDING), 2);
    assert_int_equal(count_of(f, HD_SENDING), 0);
}

static void without_time_nothing_is_begun(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    assert_int_equal(run(f, &hd_email_processor, 0), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT);
    assert_int_equal(f->commits, 0);
    atomic_fetch_add(&f->now_ms, HD_HOST_VISIBILITY_MS + 1);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    check_attempts(f, "sent");
}

static void be_slow(struct fixture *f) {
    atomic_fetch_add(&f->now_ms, LONG_MS + 1);
}

static void what_was_begun_and_has_no_time_left_is_not_sent(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->before_commit = be_slow;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    assert_int_equal(hd_peer_requests(&f->peer), 0);
    check_attempts(f, "retry");
    atomic_fetch_add(&f->now_ms, 10000);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    check_attempts(f, "retry sent");
}

static void hurry(size_t request) {
    if (request == 2)
        hd_batch_hurry(fixture->batch, atomic_load(&fixture->now_ms));
}

static void a_run_that_is_told_to_hurry_abandons_what_it_waits_for(void **state) {
    struct fixture *f = *state;
    mails(f, 2);
    f->peer.silent = true;
    f->peer.asked = hurry;
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 2);
    assert_int_equal(fated(f, HD_FATE_LEFT), 2);
    assert_int_equal(count_of(f, HD_SENDING), 2);
    hd_batch_hurry(f->batch, INT64_MAX); /* no later than before */
    hd_batch_free(f->batch);
    hd_peer_stop(&f->peer);
    f->peer = (struct hd_peer_server){0};
    hd_peer_start(&f->peer);
    open_batch(f, "second");
    atomic_fetch_add(&f->now_ms, TAKE_OVER_MS + HD_HOST_VISIBILITY_MS);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 2);
    assert_int_equal(fated(f, HD_FATE_DONE), 2);
    assert_int_equal(count_of(f, HD_SENT), 2);
    check_nothing_waits(f);
}

static void after_an_abandoned_transfer_the_next_batch_sends(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    f->peer.silent = true;
    atomic_store(&f->step_ms, 4000); /* the deadline comes before the transfer's own limit: by this clock, not by that of the network */
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT);
    atomic_store(&f->step_ms, 0);
    f->peer.silent = false;
    atomic_fetch_add(&f->now_ms, TAKE_OVER_MS + HD_HOST_VISIBILITY_MS);
    assert_int_equal(run(f, &hd_email_processor, LONG_MS), 1);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    check_attempts(f, "interrupted sent");
}

static void a_message_that_its_queue_gave_up_becomes_a_dead_letter(void **state) {
    struct fixture *f = *state;
    size_t letters;
    mails(f, 1);
    assert_int_equal(receive(f, &hd_email_processor), 1);
    f->messages[0].abandoned = true;
    hd_batch_run(f->batch, &hd_dlq_processor, f->messages, 1, atomic_load(&f->now_ms) + LONG_MS, f->fates);
    assert_int_equal(f->fates[0], HD_FATE_DONE);
    assert_string_equal(hd_host_dead_letters(f->host, &letters)->reason, "receives_exhausted");
    assert_int_equal(letters, 1);
    assert_int_equal(count_of(f, HD_DEAD), 1);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_EMAIL), 0);
}

static void a_message_that_its_queue_gave_up_is_still_needed_when_nothing_could_be_decided(void **state) {
    struct fixture *f = *state;
    mails(f, 1);
    assert_int_equal(receive(f, &hd_email_processor), 1);
    f->messages[0].abandoned = true;
    f->outage = 1;
    hd_batch_run(f->batch, &hd_dlq_processor, f->messages, 1, atomic_load(&f->now_ms) + LONG_MS, f->fates);
    assert_int_equal(f->give_backs, 1);
    assert_int_equal(f->fates[0], HD_FATE_LEFT); /* no other message stands for it: whoever deletes it loses it */
    assert_int_equal(count_of(f, HD_PENDING), 1);
}

static void a_full_batch_is_worked_on_whole(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < HD_BATCH_MESSAGES_MAX; i++)
        remind(f, i, "\"inapp\"");
    assert_int_equal(run(f, &hd_router_processor, LONG_MS), HD_BATCH_MESSAGES_MAX);
    assert_int_equal(fated(f, HD_FATE_DONE), HD_BATCH_MESSAGES_MAX);
    assert_int_equal(f->commits, 1);
    hd_batch_free(NULL);
}

#define BATCH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        BATCH_TEST(all_are_decided_and_committed_in_one_call),
        BATCH_TEST(transfers_run_side_by_side),
        BATCH_TEST(what_a_batch_will_read_is_fetched_before),
        BATCH_TEST(batch_after_batch_needs_no_more_of_anything),
        BATCH_TEST(what_the_provider_refuses_is_postponed_by_the_retry_policy),
        BATCH_TEST(a_conflict_is_decided_again),
        BATCH_TEST(the_same_task_twice_in_a_batch_is_sent_once),
        BATCH_TEST(what_can_never_be_recorded_becomes_a_dead_letter_and_the_others_go_on),
        BATCH_TEST(a_mail_that_cannot_be_begun_is_buried_and_not_sent),
        BATCH_TEST(one_that_fails_alone_is_given_back_alone),
        BATCH_TEST(an_outage_of_the_store_makes_no_dead_letters_and_is_asked_ever_less_often),
        BATCH_TEST(what_cannot_even_be_given_back_is_left),
        BATCH_TEST(a_store_that_is_out_of_reach_is_not_asked_for_each_message),
        BATCH_TEST(a_queue_that_is_out_of_reach_is_not_asked_for_each_message),
        BATCH_TEST(what_time_does_not_allow_to_decide_is_left),
        BATCH_TEST(an_outcome_that_comes_in_an_outage_is_recorded_after_it),
        BATCH_TEST(a_failure_that_comes_in_an_outage_keeps_the_message_of_its_next_attempt),
        BATCH_TEST(claims_are_extended_while_an_outcome_waits),
        BATCH_TEST(a_queue_that_is_out_of_reach_is_not_asked_to_extend_each_claim),
        BATCH_TEST(an_outcome_that_cannot_be_recorded_by_the_deadline_is_an_interrupted_attempt),
        BATCH_TEST(a_commit_whose_answer_is_lost_at_the_end_is_not_sent_twice),
        BATCH_TEST(a_peer_that_never_answers_is_a_failure_that_is_recorded_in_time),
        BATCH_TEST(without_time_nothing_is_begun),
        BATCH_TEST(what_was_begun_and_has_no_time_left_is_not_sent),
        BATCH_TEST(a_run_that_is_told_to_hurry_abandons_what_it_waits_for),
        BATCH_TEST(after_an_abandoned_transfer_the_next_batch_sends),
        BATCH_TEST(a_message_that_its_queue_gave_up_becomes_a_dead_letter),
        BATCH_TEST(a_message_that_its_queue_gave_up_is_still_needed_when_nothing_could_be_decided),
        BATCH_TEST(a_full_batch_is_worked_on_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
