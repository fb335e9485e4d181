/* What the store does when requests fail, are lost, or come no more: on a table in memory that keeps DynamoDB's promises. That it understands the real answers, the contract suite shows on emulators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/aws/item.h"
#include "adapters/aws/outbox.h"
#include "core/changeset.h"
#include "tests/support/table.h"

#define NOW_MS INT64_C(1790000000000)
enum { ARENA_BYTES = 64 * 1024 * 1024, PEOPLE = 110, MINUTE_MS = 60 * 1000, STEPS_MAX = 200 };

struct bench {
    struct hd_clock clock; /* first */
    struct hd_random random;
    struct hd_table *table;
    struct hd_arena *arena;
    struct hd_aws *aws;
    struct hd_store *store;
    /* the faults: from one request on, or of the first transactions */
    _Atomic int stop_at; /* the number of the first request that is not answered any more; 0: never */
    _Atomic enum hd_table_fault of_first[4];
    _Atomic size_t transactions;
};

static int64_t bench_now_ms(const struct hd_clock *clock) {
    (void)clock;
    return NOW_MS;
}

/* Ids and tokens differ; chance that only says how long to wait is none, and so is that of the outbox's shard: all is in the last one. */
static void fill(const struct hd_random *random, void *bytes, size_t count) {
    static _Atomic uint64_t last;
    (void)random;
    memset(bytes, 0, count);
    if (count < sizeof last)
        return;
    uint64_t number = (atomic_fetch_add(&last, 1) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    memcpy((char *)bytes + 1, &number, sizeof number - 1);
    *(char *)bytes = HD_OUTBOX_SHARDS - 1;
}

static enum hd_table_fault fault(void *arg, const char *action, int number) {
    struct bench *b = arg;
    int stop_at = atomic_load(&b->stop_at);
    if (stop_at && number >= stop_at)
        return HD_TABLE_CUTS;
    if (strcmp(action, "TransactWriteItems") != 0)
        return HD_TABLE_WORKS;
    size_t at = atomic_fetch_add(&b->transactions, 1);
    return at < 4 ? atomic_load(&b->of_first[at]) : HD_TABLE_WORKS;
}

/* A process that begins: nothing is left of the one before but the table and the queues. */
static void start(struct bench *b) {
    struct hd_error err = {0};
    struct hd_aws_options options = {.table = "table", .queues = "http://127.0.0.1/1/test-", .clock = &b->clock, .random = &b->random};
    assert_int_equal(hd_aws_new(&options, &b->aws, &err), 0);
    assert_int_equal(hd_aws_store(b->aws, &b->store, &err), 0);
}

static void stop(struct bench *b) {
    b->store->ops->close(b->store);
    hd_aws_free(b->aws);
}

static int set_up(void **state) {
    hd_json_init();
    struct bench *b = calloc(1, sizeof *b);
    if (!b)
        return -1;
    *b = (struct bench){.clock = {bench_now_ms}, .random = {fill}};
    b->arena = hd_arena_new(ARENA_BYTES);
    b->table = hd_table_new(fault, b);
    start(b);
    *state = b;
    return b->arena ? 0 : -1;
}

static int tear_down(void **state) {
    struct bench *b = *state;
    stop(b);
    hd_table_free(b->table);
    hd_arena_free(b->arena);
    free(b);
    return 0;
}

static struct hd_commit_result commit(struct bench *b, const struct hd_changeset *set) {
    struct hd_commit_result result = {.code = HD_ERR_INTERNAL, .change = SIZE_MAX};
    struct hd_error err = {0};
    assert_int_equal(hd_changeset_check(set, &err), 0);
    assert_int_equal(b->store->ops->commit(b->store, &set, 1, &result, &err), 0);
    assert_true((result.code == 0 || result.code == HD_ERR_CONFLICT) == (err.code == 0));
    return result;
}

static const char *textf(struct bench *b, const char *fmt, size_t number) {
    char text[64];
    (void)snprintf(text, sizeof text, fmt, number);
    const char *copy = hd_arena_strdup(b->arena, text);
    assert_non_null(copy);
    return copy;
}

static size_t sweep(struct bench *b) {
    size_t sent = 0;
    struct hd_error err = {0};
    assert_int_equal(hd_aws_sweep(b->store, NOW_MS + MINUTE_MS, 1000, &sent, &err), 0);
    return sent;
}

static const struct hd_ticket ticket = {.ticket_id = "t-1", .version = 1, .title = "t", .owner_id = "u", .created_at_ms = NOW_MS};

static struct hd_changeset open_ticket(struct bench *b) {
    struct hd_changeset set = hd_changeset(b->arena);
    hd_put_ticket(&set, &ticket, 0);
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, "\"opened\"", NOW_MS, 0);
    return set;
}

/* ---- what is repeated, and what is not ---- */

static void a_lost_answer_is_asked_for_again_by_the_same_token(void **state) {
    struct bench *b = *state;
    atomic_store(&b->of_first[0], HD_TABLE_LOSES);
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_actions(b->table, "TransactWriteItems"), 2);
    assert_string_equal(hd_table_token(b->table, 0), hd_table_token(b->table, 1));
    assert_int_equal(hd_table_sent(b->table, "\"opened\""), 1);
}

static void a_lost_answer_whose_repetition_is_refused_for_the_moment_keeps_its_token(void **state) {
    struct bench *b = *state;
    atomic_store(&b->of_first[0], HD_TABLE_LOSES);
    atomic_store(&b->of_first[1], HD_TABLE_THROTTLES);
    atomic_store(&b->of_first[2], HD_TABLE_CONFLICTS);
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_actions(b->table, "TransactWriteItems"), 4);
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(hd_table_token(b->table, 0), hd_table_token(b->table, i));
}

static void each_changeset_has_its_own_token(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(commit(b, &set).code, HD_ERR_CONFLICT);
    assert_string_not_equal(hd_table_token(b->table, 0), hd_table_token(b->table, 1));
}

static void what_gets_no_answer_is_unsure_and_bounded(void **state) {
    struct bench *b = *state;
    atomic_store(&b->stop_at, 1);
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, HD_ERR_UNAVAILABLE);
    assert_in_range(hd_table_requests(b->table), 2, 20);
    assert_int_equal(hd_table_count(b->table, '\0'), 0);
}

static void keys_that_are_left_unprocessed_are_asked_for_again(void **state) {
    struct bench *b = *state;
    struct hd_wanted things[10];
    for (size_t i = 0; i < 10; i++) {
        struct hd_changeset set = hd_changeset(b->arena);
        struct hd_ticket one = ticket;
        one.ticket_id = textf(b, "t-%zu", i);
        hd_put_ticket(&set, &one, 0);
        assert_int_equal(commit(b, &set).code, 0);
        things[i] = (struct hd_wanted){HD_WANTED_TICKET, one.ticket_id};
    }
    struct hd_error err = {0};
    assert_int_equal(b->store->ops->begin_reads(b->store, &err), 0);
    assert_int_equal(b->store->ops->read_ahead(b->store, things, 10, &err), 0);
    assert_in_range(hd_table_actions(b->table, "BatchGetItem"), 2, 5);
    for (size_t i = 0; i < 10; i++) {
        const struct hd_ticket *got = NULL;
        assert_int_equal(b->store->ops->ticket(b->store, b->arena, things[i].id, &got, &err), 0);
        assert_non_null(got);
        assert_string_equal(got->ticket_id, things[i].id);
    }
    assert_int_equal(hd_table_actions(b->table, "GetItem"), 0);
    b->store->ops->end_reads(b->store);
}

static void reading_ahead_works_again_after_an_outage_of_any_length(void **state) {
    struct bench *b = *state;
    enum { THINGS = 20000, BATCHES = 40 /* each takes more than a sixtieth of the memory that there is for it */ };
    struct hd_wanted *things = hd_arena_calloc(b->arena, THINGS, sizeof *things);
    assert_non_null(things);
    for (size_t i = 0; i < THINGS; i++)
        things[i] = (struct hd_wanted){HD_WANTED_TICKET, ticket.ticket_id};
    struct hd_error err = {0};
    atomic_store(&b->stop_at, 1);
    for (size_t i = 0; i < BATCHES; i++) {
        assert_int_equal(b->store->ops->begin_reads(b->store, &err), 0);
        assert_int_equal(b->store->ops->read_ahead(b->store, things, THINGS, &err), HD_ERR_UNAVAILABLE);
        b->store->ops->end_reads(b->store);
    }
    atomic_store(&b->stop_at, 0);
    assert_int_equal(b->store->ops->begin_reads(b->store, &err), 0);
    assert_int_equal(b->store->ops->read_ahead(b->store, things, THINGS, &err), 0);
    b->store->ops->end_reads(b->store);
}

/* ---- the outbox ---- */

static void a_message_is_sent_and_its_item_gone_when_the_commit_returns(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = open_ticket(b);
    struct hd_message message = {.queue = HD_QUEUE_DLQ, .receipt = "receipt", .body = "\"old\""};
    hd_acknowledge(&set, &message);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_sent(b->table, "\"opened\""), 1);
    assert_int_equal(hd_table_deleted(b->table, "receipt"), 1);
    assert_int_equal(hd_table_count(b->table, 'O'), 0);
}

static void a_postponed_message_is_a_new_one_and_the_old_one_goes(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = hd_changeset(b->arena);
    struct hd_message message = {.queue = HD_QUEUE_EMAIL, .receipt = "receipt", .body = "\"later\"", .enqueued_at_ms = NOW_MS - MINUTE_MS};
    hd_postpone(&set, &message, NOW_MS, MINUTE_MS);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_sent(b->table, "\"later\""), 1);
    assert_int_equal(hd_table_deleted(b->table, "receipt"), 1);
}

static void a_refused_changeset_sends_nothing_and_keeps_its_message(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    struct hd_message message = {.queue = HD_QUEUE_DLQ, .receipt = "receipt", .body = "\"old\""};
    hd_acknowledge(&set, &message);
    assert_int_equal(commit(b, &set).code, HD_ERR_CONFLICT);
    assert_int_equal(hd_table_sent(b->table, "\"opened\""), 1);
    assert_int_equal(hd_table_deleted(b->table, "receipt"), 0);
    assert_int_equal(hd_table_count(b->table, 'O'), 0);
}

static struct hd_changeset to_two_queues(struct bench *b) {
    struct hd_changeset set = hd_changeset(b->arena);
    hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"mail\"", NOW_MS, 0);
    hd_enqueue(&set, HD_QUEUE_INAPP, HD_LANE_NORMAL, "\"inapp\"", NOW_MS, 0);
    return set;
}

static void what_one_queue_does_not_take_stays_and_the_rest_is_not_sent_again(void **state) {
    struct bench *b = *state;
    hd_table_refuse_queue(b->table, "email");
    struct hd_changeset set = to_two_queues(b);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_sent(b->table, "\"inapp\""), 1);
    assert_int_equal(hd_table_count(b->table, 'O'), 1);
    for (int i = 0; i < 3; i++) {
        size_t sent = 0;
        struct hd_error err = {0};
        assert_int_equal(hd_aws_sweep(b->store, NOW_MS + MINUTE_MS, 1000, &sent, &err), HD_ERR_UNAVAILABLE);
        assert_int_equal(sent, 0);
    }
    hd_table_refuse_queue(b->table, NULL);
    assert_int_equal(sweep(b), 1);
    assert_int_equal(hd_table_sent(b->table, "\"mail\""), 1);
    assert_int_equal(hd_table_sent(b->table, "\"inapp\""), 1);
    assert_int_equal(hd_table_count(b->table, 'O'), 0);
}

/* More than a page of the shard is stuck, and older. */
static void what_is_stuck_for_one_queue_holds_up_no_other(void **state) {
    struct bench *b = *state;
    hd_table_refuse_queue(b->table, "sms");
    enum { STUCK = 60 };
    struct hd_changeset stuck[STUCK];
    const struct hd_changeset *sets[STUCK];
    struct hd_commit_result results[STUCK];
    for (size_t i = 0; i < STUCK; i++) {
        stuck[i] = hd_changeset(b->arena);
        hd_enqueue(&stuck[i], HD_QUEUE_SMS, HD_LANE_NORMAL, "\"stuck\"", NOW_MS - MINUTE_MS, 0);
        sets[i] = &stuck[i];
    }
    struct hd_error err = {0};
    assert_int_equal(b->store->ops->commit(b->store, sets, STUCK, results, &err), 0);
    atomic_store(&b->stop_at, hd_table_requests(b->table) + 2); /* the transaction is the last that is answered */
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_sent(b->table, "\"opened\""), 0);
    atomic_store(&b->stop_at, 0);
    stop(b);
    start(b);
    size_t sent = 0;
    assert_int_equal(hd_aws_sweep(b->store, NOW_MS + MINUTE_MS, 1000, &sent, &err), HD_ERR_UNAVAILABLE);
    assert_int_equal(sent, 1);
    assert_int_equal(hd_table_sent(b->table, "\"opened\""), 1);
    assert_int_equal(hd_table_count(b->table, 'O'), STUCK);
}

static void a_sweep_of_any_length_takes_the_memory_of_a_page(void **state) {
    struct bench *b = *state;
    enum { ITEMS = 1000, PAGE_MEMORY_MAX_BYTES = 1024 * 1024 };
    static const struct hd_changeset *sets[ITEMS];
    static struct hd_changeset of[ITEMS];
    static struct hd_commit_result results[ITEMS];
    struct hd_error err = {0};
    struct hd_aws_options options = {.table = "table", .clock = &b->clock, .random = &b->random}; /* nobody who hands over */
    struct hd_aws *aws = NULL;
    struct hd_store *store = NULL;
    assert_int_equal(hd_aws_new(&options, &aws, &err), 0);
    assert_int_equal(hd_aws_store(aws, &store, &err), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        of[i] = hd_changeset(b->arena);
        hd_enqueue(&of[i], HD_QUEUE_ROUTER, HD_LANE_NORMAL, "\"left\"", NOW_MS, 0);
        sets[i] = &of[i];
    }
    assert_int_equal(store->ops->commit(store, sets, ITEMS, results, &err), 0);
    store->ops->close(store);
    hd_aws_free(aws);
    assert_int_equal(hd_table_count(b->table, 'O'), ITEMS);
    assert_int_equal(sweep(b), ITEMS);
    assert_true(hd_arena_used(hd_aws_store_of(b->store)->scratch) < PAGE_MEMORY_MAX_BYTES);
    assert_int_equal(hd_table_sent(b->table, "\"left\""), ITEMS);
    assert_int_equal(hd_table_count(b->table, 'O'), 0);
}

static void a_sweep_leaves_what_its_writer_is_just_sending(void **state) {
    struct bench *b = *state;
    hd_table_refuse_queue(b->table, "router");
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    hd_table_refuse_queue(b->table, NULL);
    size_t sent = 7;
    struct hd_error err = {0};
    assert_int_equal(hd_aws_sweep(b->store, NOW_MS + 999, 1000, &sent, &err), 0);
    assert_int_equal(sent, 0);
    assert_int_equal(sweep(b), 1);
}

static void the_relay_sends_what_is_still_there(void **state) {
    struct bench *b = *state;
    hd_table_refuse_queue(b->table, "router");
    struct hd_changeset set = open_ticket(b);
    assert_int_equal(commit(b, &set).code, 0);
    hd_table_refuse_queue(b->table, NULL);
    const struct hd_aws_key keys[] = {
        /* as the stream's records say; copies, as the item will go */
        {hd_arena_strdup(b->arena, hd_table_first_pk(b->table, 'O')), hd_arena_strdup(b->arena, hd_table_first_sk(b->table, 'O'))},
        {"O#00", "gone"}};
    size_t sent = 0;
    struct hd_error err = {0};
    assert_int_equal(hd_aws_relay(b->store, NOW_MS, keys, 2, &sent, &err), 0);
    assert_int_equal(sent, 1);
    assert_int_equal(hd_table_count(b->table, 'O'), 0);
    assert_int_equal(hd_aws_relay(b->store, NOW_MS, keys, 2, &sent, &err), 0);
    assert_int_equal(sent, 0);
    assert_int_equal(hd_table_sent(b->table, "\"opened\""), 1);
}

static void many_large_messages_are_several_items(void **state) {
    struct bench *b = *state;
    char *large = hd_arena_alloc(b->arena, HD_MESSAGE_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, 'x', HD_MESSAGE_MAX_BYTES);
    large[HD_MESSAGE_MAX_BYTES] = '\0';
    hd_table_refuse_queue(b->table, "router");
    struct hd_changeset set = hd_changeset(b->arena);
    for (int i = 0; i < 3; i++)
        hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, large, NOW_MS, 0);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_actions(b->table, "TransactWriteItems"), 1);
    assert_int_equal(hd_table_count(b->table, 'O'), 3);
    hd_table_refuse_queue(b->table, NULL);
    assert_int_equal(sweep(b), 3);
    assert_int_equal(hd_table_sent(b->table, large), 3);
}

static void a_body_that_no_queue_takes_is_refused_before_it_is_promised(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = open_ticket(b);
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, "\x01", NOW_MS, 0);
    struct hd_changeset good = to_two_queues(b);
    const struct hd_changeset *sets[] = {&set, &good};
    struct hd_commit_result results[2];
    struct hd_error err = {0};
    assert_int_equal(b->store->ops->commit(b->store, sets, 2, results, &err), 0);
    assert_int_equal(results[0].code, HD_ERR_INVALID);
    assert_int_equal(err.code, HD_ERR_INVALID);
    assert_int_equal(results[1].code, 0); /* its neighbour is none the worse */
    assert_int_equal(hd_table_count(b->table, '\0'), 0);
    assert_int_equal(hd_table_sent(b->table, "\"mail\""), 1);
}

/* ---- a fan-out that no transaction takes, and a process that dies ---- */

/* What the router decides of an event, always the same: two changes for each person, and the mark. */
static struct hd_changeset route(struct bench *b, const struct hd_message *message) {
    struct hd_changeset set = hd_changeset(b->arena);
    for (size_t i = 0; i < PEOPLE; i++) {
        struct hd_notification n = {.notification_id = textf(b, "n-%zu", i),
                                    .event_id = "e-1",
                                    .event = "TicketCreated",
                                    .target = textf(b, "u-%zu", i),
                                    .channel = HD_EMAIL,
                                    .created_at_ms = NOW_MS,
                                    .updated_at_ms = NOW_MS};
        hd_put_notification(&set, &n);
        hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, n.notification_id, NOW_MS, 0);
    }
    struct hd_audit audit = {
        .audit_id = "a-1", .action = "event.routed", .subject = "e-1", .actor = "router", .detail = "{}", .at_ms = NOW_MS};
    hd_append_audit(&set, &audit);
    hd_mark_processed(&set, "router", "e-1", NOW_MS);
    hd_acknowledge(&set, message);
    return set;
}

static bool is_marked(struct bench *b) {
    bool done = false;
    struct hd_error err = {0};
    assert_int_equal(b->store->ops->processed(b->store, "router", "e-1", &done, &err), 0);
    return done;
}

static const struct hd_message routed = {.queue = HD_QUEUE_ROUTER, .receipt = "first", .body = "{}"};
static const struct hd_message routed_again = {.queue = HD_QUEUE_ROUTER, .receipt = "second", .body = "{}"};

/* Everybody has a notification and at least one task, and whoever has a notification has a task from the moment on that it is there. */
static void check_all_is_told(struct bench *b) {
    assert_int_equal(hd_table_count(b->table, 'N'), PEOPLE);
    assert_int_equal(hd_table_count(b->table, 'X'), 1);
    assert_int_equal(hd_table_count(b->table, 'O'), 0);
    for (size_t i = 0; i < PEOPLE; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "n-%zu", i);
        assert_in_range(hd_table_sent(b->table, id), 1, 2);
    }
}

static void a_large_fan_out_happens_in_steps(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = route(b, &routed);
    assert_int_equal(commit(b, &set).code, 0);
    assert_int_equal(hd_table_actions(b->table, "TransactWriteItems"), 3); /* twice notifications, then the rest */
    check_all_is_told(b);
    assert_true(is_marked(b));
    assert_int_equal(hd_table_deleted(b->table, "first"), 1);
    struct hd_commit_result again = commit(b, &set);
    assert_int_equal(again.code, HD_ERR_CONFLICT);
    assert_int_equal(again.change, 0);
}

/* The process dies behind the n-th request, for each n; what it has not acknowledged comes again, to another. */
static void a_death_between_any_two_requests_of_a_fan_out_leaves_nothing_wrong(void **state) {
    struct bench *first = *state;
    struct hd_changeset counted = route(first, &routed);
    assert_int_equal(commit(first, &counted).code, 0);
    int requests = hd_table_requests(first->table);
    assert_in_range(requests, 6, STEPS_MAX);
    size_t interrupted = 0;
    for (int n = 0; n < requests; n++) {
        void *other = NULL;
        assert_int_equal(set_up(&other), 0);
        struct bench *b = other;
        atomic_store(&b->stop_at, n + 1);
        struct hd_changeset set = route(b, &routed);
        struct hd_commit_result result;
        struct hd_error err = {0};
        const struct hd_changeset *sets[] = {&set};
        (void)b->store->ops->commit(b->store, sets, 1, &result, &err);
        assert_int_equal(hd_table_deleted(b->table, "first"), 0);
        atomic_store(&b->stop_at, 0);
        stop(b);
        start(b);
        for (size_t i = 0; i < PEOPLE; i++) /* no notification without its task */
            if (hd_table_item(b->table, textf(b, "N#n-%zu", i), "N"))
                assert_true(hd_table_count(b->table, 'O') > 0 || hd_table_sent(b->table, textf(b, "n-%zu", i)) > 0);
        bool done = is_marked(b); /* what the router asks of a message that comes again */
        struct hd_changeset again = hd_changeset(b->arena);
        if (done)
            hd_acknowledge(&again, &routed_again);
        else
            again = route(b, &routed_again);
        assert_int_equal(commit(b, &again).code, 0);
        interrupted += !done && hd_table_count(b->table, 'N') > 0;
        (void)sweep(b);
        assert_true(is_marked(b));
        check_all_is_told(b);
        assert_int_equal(hd_table_deleted(b->table, "second"), 1);
        assert_int_equal(tear_down(&other), 0);
    }
    assert_true(interrupted > 0);
}

static void a_death_between_any_two_requests_of_a_small_changeset_leaves_all_or_nothing(void **state) {
    (void)state;
    for (int n = 0; n < 4; n++) {
        void *other = NULL;
        assert_int_equal(set_up(&other), 0);
        struct bench *b = other;
        atomic_store(&b->stop_at, n + 1);
        struct hd_changeset set = open_ticket(b);
        hd_acknowledge(&set, &routed);
        enum hd_code code = commit(b, &set).code;
        assert_int_equal(code, n == 0 ? HD_ERR_UNAVAILABLE : HD_OK);
        atomic_store(&b->stop_at, 0);
        stop(b);
        start(b);
        (void)sweep(b);
        assert_int_equal(hd_table_count(b->table, 'T'), n > 0);
        if (n == 0)
            assert_int_equal(hd_table_sent(b->table, "\"opened\""), 0);
        else
            assert_in_range(hd_table_sent(b->table, "\"opened\""), 1, 2);
        assert_int_equal(hd_table_count(b->table, 'O'), 0);
        assert_int_equal(tear_down(&other), 0);
    }
}

static void without_a_mark_what_is_there_already_is_a_conflict_that_writes_nothing(void **state) {
    struct bench *b = *state;
    struct hd_changeset set = hd_changeset(b->arena);
    struct hd_audit audit = {.audit_id = "a-77", .action = "x", .subject = "y", .actor = "z", .detail = "{}", .at_ms = NOW_MS};
    hd_append_audit(&set, &audit);
    assert_int_equal(commit(b, &set).code, 0);
    struct hd_changeset large = hd_changeset(b->arena);
    for (size_t i = 0; i < 150; i++) {
        audit.audit_id = textf(b, "a-%zu", i);
        hd_append_audit(&large, &audit);
    }
    struct hd_commit_result result = commit(b, &large);
    assert_int_equal(result.code, HD_ERR_CONFLICT);
    assert_int_equal(result.change, 77);
    assert_int_equal(hd_table_count(b->table, 'X'), 1);
}

static void what_another_has_marked_is_a_conflict_that_writes_nothing(void **state) {
    struct bench *b = *state;
    struct hd_changeset mark = hd_changeset(b->arena);
    hd_mark_processed(&mark, "router", "e-1", NOW_MS);
    assert_int_equal(commit(b, &mark).code, 0);
    struct hd_changeset set = route(b, &routed);
    struct hd_commit_result result = commit(b, &set);
    assert_int_equal(result.code, HD_ERR_CONFLICT);
    assert_int_equal(set.changes[result.change].kind, HD_CHANGE_MARK_PROCESSED);
    assert_int_equal(hd_table_count(b->table, 'N'), 0);
}

/* ---- users who meet at an address ---- */

static void two_users_of_one_changeset_cannot_take_the_same_address(void **state) {
    struct bench *b = *state;
    struct hd_user ana = {.user_id = "u-1", .version = 1, .name = "Ana", .email = "help@example.org", .created_at_ms = NOW_MS};
    struct hd_user bia = {.user_id = "u-2", .version = 1, .name = "Bia", .email = "HELP@example.org", .created_at_ms = NOW_MS};
    struct hd_changeset set = hd_changeset(b->arena);
    hd_put_user(&set, &ana, 0);
    hd_put_user(&set, &bia, 0);
    struct hd_commit_result result = commit(b, &set);
    assert_int_equal(result.code, HD_ERR_CONFLICT);
    assert_int_equal(result.change, 1);
    assert_int_equal(hd_table_count(b->table, '\0'), 0);
}

static void a_message_of_any_length_comes_back_from_its_parts(void **state) {
    struct bench *b = *state;
    enum { BYTES = 700 * 1000 };
    char *noise = hd_arena_alloc(b->arena, BYTES + 1);
    assert_non_null(noise);
    uint64_t state_of_chance = 1;
    for (size_t i = 0; i < BYTES; i++) {
        state_of_chance = state_of_chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        noise[i] = (char)(' ' + (state_of_chance >> 33) % 95);
    }
    noise[BYTES] = '\0';
    for (char *c = noise; *c; c++) /* the stand-in has no room for escapes */
        *c = *c == '"' || *c == '\\' ? 'x' : *c;
    struct hd_attempt attempts[] = {{.notification_id = "n", .number = 1, .provider = "smtp", .message = noise},
                                    {.notification_id = "n", .number = 2, .provider = "smtp", .detail = "short"}};
    for (size_t i = 0; i < 2; i++) {
        struct hd_changeset set = hd_changeset(b->arena);
        hd_append_attempt(&set, &attempts[i]);
        assert_int_equal(commit(b, &set).code, 0);
    }
    assert_true(hd_table_count(b->table, 'N') > 3);
    const struct hd_attempt *got = NULL;
    size_t count = 0;
    struct hd_error err = {0};
    assert_int_equal(b->store->ops->attempts(b->store, b->arena, "n", &got, &count, &err), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_null(hd_record_difference(&hd_attempt_record, &attempts[i], &got[i]));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_lost_answer_is_asked_for_again_by_the_same_token),
        TEST(a_lost_answer_whose_repetition_is_refused_for_the_moment_keeps_its_token),
        TEST(each_changeset_has_its_own_token),
        TEST(what_gets_no_answer_is_unsure_and_bounded),
        TEST(keys_that_are_left_unprocessed_are_asked_for_again),
        TEST(reading_ahead_works_again_after_an_outage_of_any_length),
        TEST(a_message_is_sent_and_its_item_gone_when_the_commit_returns),
        TEST(a_postponed_message_is_a_new_one_and_the_old_one_goes),
        TEST(a_refused_changeset_sends_nothing_and_keeps_its_message),
        TEST(what_one_queue_does_not_take_stays_and_the_rest_is_not_sent_again),
        TEST(what_is_stuck_for_one_queue_holds_up_no_other),
        TEST(a_sweep_of_any_length_takes_the_memory_of_a_page),
        TEST(a_sweep_leaves_what_its_writer_is_just_sending),
        TEST(the_relay_sends_what_is_still_there),
        TEST(many_large_messages_are_several_items),
        TEST(a_body_that_no_queue_takes_is_refused_before_it_is_promised),
        TEST(a_large_fan_out_happens_in_steps),
        TEST(a_death_between_any_two_requests_of_a_fan_out_leaves_nothing_wrong),
        TEST(a_death_between_any_two_requests_of_a_small_changeset_leaves_all_or_nothing),
        TEST(without_a_mark_what_is_there_already_is_a_conflict_that_writes_nothing),
        TEST(what_another_has_marked_is_a_conflict_that_writes_nothing),
        TEST(two_users_of_one_changeset_cannot_take_the_same_address),
        TEST(a_message_of_any_length_comes_back_from_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
