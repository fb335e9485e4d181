/* Cases of the queue port, and of the changes that belong to it. Waits are whole seconds, because SQS counts in them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/contract/fixture.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * 1000, HOUR_MS = 3600 * 1000 };

/* An emulator behind HTTP is asked for a part of it. */
static int part_of(const struct hd_fixture *f, int all) {
    return f->backend->fences_receipts ? all : all / 5;
}

static int many(const struct hd_fixture *f) {
    return f->backend->fences_receipts ? 10000 : 500;
}

/* A queue outside of the store's transactions gives a message up after three. */
static int receives_max(const struct hd_fixture *f) {
    return f->backend->fences_receipts ? 4 : 3;
}

/* A receipt of a message that is gone: refused, or taken for a second acknowledgement that does nothing. */
static void check_spent(struct hd_fixture *f, const struct hd_message *message) {
    assert_int_equal(hd_try_acknowledge(f, message).code, f->backend->fences_receipts ? HD_ERR_CONFLICT : HD_OK);
}

static void acknowledge_ok(struct hd_fixture *f, const struct hd_message *message) {
    struct hd_commit_result result = hd_try_acknowledge(f, message);
    if (result.code)
        fail_msg("acknowledging %s: %s", message->body, hd_code_type(result.code));
}

static int try_extend(struct hd_fixture *f, const struct hd_message *message, int64_t visibility_ms) {
    struct hd_error err = {0};
    return f->queue->ops->extend(f->queue, message, f->now_ms, visibility_ms, &err);
}

static int64_t next_due(struct hd_fixture *f, enum hd_queue_name name) {
    struct hd_error err = {0};
    struct hd_message *messages = NULL;
    size_t count = 0;
    int64_t due_ms = -1;
    int r = f->queue->ops->receive(f->queue, name, 1, f->now_ms, SECOND_MS, f->arena, &messages, &count, &due_ms, &err);
    assert_int_equal(r, 0);
    assert_int_equal(count, 0);
    return due_ms;
}

static void check_depth(struct hd_fixture *f, enum hd_queue_name name, int64_t visible, int64_t in_flight, int64_t delayed) {
    struct hd_queue_depth depth = hd_get_depth(f, name);
    if (!f->backend->counts_exactly) {
        assert_int_equal(depth.visible + depth.in_flight + depth.delayed, visible + in_flight + delayed);
        return;
    }
    if (depth.visible != visible || depth.in_flight != in_flight || depth.delayed != delayed)
        fail_msg("depth: visible %d, in flight %d, delayed %d; wanted %d, %d, %d", (int)depth.visible, (int)depth.in_flight,
                 (int)depth.delayed, (int)visible, (int)in_flight, (int)delayed);
}

static void a_message_comes_as_it_was_enqueued(struct hd_fixture *f) {
    static const char *const bodies[] = {"{\"título\":\"ação ☎\"}", "\"\\\"quoted\\\" and 'quoted'\"", "[]", "007"};
    for (int q = 0; q < HD_QUEUE_COUNT; q++) {
        for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
            enum hd_queue_name name = (enum hd_queue_name)q;
            enum hd_lane lane = i % 2 ? HD_LANE_URGENT : HD_LANE_NORMAL;
            hd_pass(f, SECOND_MS);
            int64_t enqueued_at_ms = f->now_ms;
            hd_enqueue_ok(f, name, lane, bodies[i], 0);
            for (int other = 0; other < HD_QUEUE_COUNT; other++) {
                if (other != q && (i == 0 || f->backend->fences_receipts))
                    assert_true(hd_nothing_to_take(f, (enum hd_queue_name)other));
            }
            hd_pass(f, SECOND_MS);
            struct hd_message message = hd_take_one(f, name, MINUTE_MS);
            assert_string_equal(message.body, bodies[i]);
            assert_int_equal(message.lane, lane);
            assert_int_equal(message.receive_count, 1);
            assert_int_equal(message.enqueued_at_ms, enqueued_at_ms);
            acknowledge_ok(f, &message);
        }
    }
}

static void the_largest_body_comes_back_whole(struct hd_fixture *f) {
    const char *body = hd_long_text(f, HD_MESSAGE_MAX_BYTES);
    hd_enqueue_ok(f, HD_QUEUE_ROUTER, HD_LANE_NORMAL, body, 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_ROUTER, MINUTE_MS);
    assert_true(strcmp(message.body, body) == 0);
}

static void what_is_received_is_hidden_until_its_visibility_runs_out(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    const char *message_id = NULL;
    for (int receives = 1; receives <= receives_max(f); receives++) {
        struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
        assert_int_equal(message.receive_count, receives);
        assert_false(message.abandoned);
        assert_true(receives == 1 || !message_id == !message.message_id);
        if (message_id)
            assert_string_equal(message.message_id, message_id);
        message_id = message.message_id;
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
        hd_pass(f, MINUTE_MS - SECOND_MS);
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
        if (f->backend->waits_well) {
            hd_pass(f, SECOND_MS - 1);
            assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
            hd_pass(f, 1);
        } else {
            hd_pass(f, SECOND_MS);
        }
    }
}

static void an_older_receipt_no_longer_counts(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    struct hd_message first = hd_take_one(f, HD_QUEUE_EMAIL, SECOND_MS);
    hd_pass(f, SECOND_MS);
    struct hd_message second = hd_take_one(f, HD_QUEUE_EMAIL, SECOND_MS);
    hd_pass(f, SECOND_MS);
    struct hd_message third = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
    assert_string_not_equal(first.receipt, third.receipt);
    const struct hd_message *old[] = {&first, &second};
    for (size_t i = 0; f->backend->fences_receipts && i < HD_ARRAY_LEN(old); i++) {
        assert_int_equal(hd_try_acknowledge(f, old[i]).code, HD_ERR_CONFLICT);
        HD_ONE_CHANGE_REFUSED(f, hd_postpone(&set_, old[i], f->now_ms, 0));
        assert_int_equal(try_extend(f, old[i], 0), HD_ERR_CONFLICT);
        assert_int_equal(try_extend(f, old[i], HOUR_MS), HD_ERR_CONFLICT);
    }
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    acknowledge_ok(f, &third);
    for (size_t i = 0; i < HD_ARRAY_LEN(old); i++)
        check_spent(f, old[i]);
    hd_pass(f, 2 * HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    check_depth(f, HD_QUEUE_EMAIL, 0, 0, 0);
}

/* "A message belongs to whoever holds its newest receipt": late is not lost while nobody else has received it. */
static void the_newest_receipt_counts_even_when_its_visibility_has_run_out(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, SECOND_MS);
    hd_pass(f, HOUR_MS);
    check_depth(f, HD_QUEUE_EMAIL, 1, 0, 0);
    acknowledge_ok(f, &message);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void an_acknowledged_message_never_comes_back(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, SECOND_MS);
    acknowledge_ok(f, &message);
    hd_pass(f, HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    check_spent(f, &message);
    assert_int_equal(try_extend(f, &message, 0), HD_ERR_CONFLICT);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void the_receipt_is_all_that_is_needed_from_any_view(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_PUSH, HD_LANE_URGENT, "1", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_PUSH, MINUTE_MS);
    struct hd_message copy = {
        .queue = HD_QUEUE_PUSH, .lane = HD_LANE_URGENT, .receipt = hd_textf(f, "%s", message.receipt), .body = "other", .receive_count = 9};
    struct hd_fixture other = *f;
    other.store = f->backend->store(f->handle);
    other.queue = f->backend->queue(f->handle);
    assert_true(other.store && other.queue);
    assert_int_equal(try_extend(&other, &copy, HOUR_MS), 0);
    assert_int_equal(hd_try_acknowledge(&other, &copy).code, 0);
    check_spent(f, &message);
    hd_pass(f, 2 * HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_PUSH));
    other.store->ops->close(other.store);
    other.queue->ops->close(other.queue);
}

static void a_changeset_that_fails_acknowledges_and_postpones_nothing(struct hd_fixture *f) {
    for (int round = 0; round < 4; round++) {
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
        struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
        struct hd_changeset set = hd_changes(f);
        if (round % 2)
            hd_remove_dead_letter(&set, "none");
        if (round / 2)
            hd_postpone(&set, &message, f->now_ms, 0);
        else
            hd_acknowledge(&set, &message);
        hd_enqueue(&set, HD_QUEUE_SMS, HD_LANE_NORMAL, "\"next\"", f->now_ms, 0);
        if (round % 2 == 0)
            hd_remove_dead_letter(&set, "none");
        hd_commit_refused(f, &set, round % 2 ? 0 : 2);
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL)); /* neither gone nor given back: it is still held */
        assert_true(hd_nothing_to_take(f, HD_QUEUE_SMS));
        check_depth(f, HD_QUEUE_EMAIL, 0, 1, 0);
        assert_int_equal(try_extend(f, &message, MINUTE_MS), 0);
        hd_pass(f, MINUTE_MS);
        message = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
        assert_int_equal(message.receive_count, 2);
        acknowledge_ok(f, &message);
    }
}

static void a_postponed_message_comes_back_after_its_delay(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "1", 0);
    int64_t enqueued_at_ms = f->now_ms;
    int receives = 0;
    for (int round = 0; round < 3; round++) {
        struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
        assert_int_equal(message.lane, HD_LANE_URGENT);
        assert_int_equal(message.enqueued_at_ms, enqueued_at_ms);
        assert_in_range(message.receive_count, 1, receives + 1); /* the earlier ones count, or are forgotten */
        receives = message.receive_count;
        HD_ONE_CHANGE(f, hd_postpone(&set_, &message, f->now_ms, MINUTE_MS));
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
        struct hd_queue_depth depth = hd_get_depth(f, HD_QUEUE_EMAIL);
        assert_int_equal(depth.visible + depth.in_flight + depth.delayed, 1);
        assert_true(depth.visible == 0 || !f->backend->counts_exactly);
        hd_pass(f, MINUTE_MS - SECOND_MS);
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
        hd_pass(f, SECOND_MS); /* long before the hour of its visibility */
        if (round == 2)
            continue;
        struct hd_message again = hd_take_one(f, HD_QUEUE_EMAIL, SECOND_MS);
        check_spent(f, &message);
        receives = again.receive_count;
        hd_pass(f, SECOND_MS);
    }
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    acknowledge_ok(f, &message);
    hd_pass(f, 2 * HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void postponed_by_nothing_it_is_visible_at_once(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    HD_ONE_CHANGE(f, hd_postpone(&set_, &message, f->now_ms, 0));
    message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_string_equal(message.body, "1");
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void a_delayed_message_comes_when_it_is_due(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"long\"", HD_DELAY_MAX_MS);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "\"short\"", 5 * SECOND_MS);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"now\"", 0);
    int64_t enqueued_at_ms = f->now_ms;
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_string_equal(message.body, "\"now\"");
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    check_depth(f, HD_QUEUE_EMAIL, 0, 1, 2);
    hd_pass(f, 4 * SECOND_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    hd_pass(f, SECOND_MS);
    check_depth(f, HD_QUEUE_EMAIL, 1, 1, 1);
    message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_string_equal(message.body, "\"short\"");
    assert_int_equal(message.receive_count, 1);
    assert_int_equal(message.lane, HD_LANE_URGENT);
    assert_int_equal(message.enqueued_at_ms, enqueued_at_ms);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    hd_pass(f, HD_DELAY_MAX_MS - 6 * SECOND_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    hd_pass(f, SECOND_MS);
    assert_string_equal(hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS).body, "\"long\"");
}

static void an_extended_message_stays_hidden_for_longer(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, 10 * SECOND_MS);
    for (int i = 0; i < 3; i++) {
        hd_pass(f, 9 * SECOND_MS);
        assert_int_equal(try_extend(f, &message, 10 * SECOND_MS), 0);
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    }
    hd_pass(f, 9 * SECOND_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    hd_pass(f, SECOND_MS);
    struct hd_message again = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_int_equal(again.receive_count, 2); /* to extend is not to receive */
    if (f->backend->fences_receipts)
        assert_int_equal(try_extend(f, &message, HOUR_MS), HD_ERR_CONFLICT);
    assert_int_equal(try_extend(f, &again, SECOND_MS), 0); /* shorter, too */
    hd_pass(f, SECOND_MS);
    again = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_int_equal(again.receive_count, 3);
    assert_int_equal(try_extend(f, &again, HOUR_MS), 0);
    acknowledge_ok(f, &again);
}

static void a_message_that_is_given_back_is_visible_at_once(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_int_equal(try_extend(f, &message, 0), 0);
    check_depth(f, HD_QUEUE_EMAIL, 1, 0, 0);
    struct hd_message again = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_int_equal(again.receive_count, 2);
    if (f->backend->fences_receipts)
        assert_int_equal(hd_try_acknowledge(f, &message).code, HD_ERR_CONFLICT);
    acknowledge_ok(f, &again);
}

/* An outage of ours: however often, it is not given up. */
static void a_message_that_is_given_back_undecided_comes_again_after_the_delay(struct hd_fixture *f) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "\"1\"", 0);
    int64_t enqueued_at_ms = f->now_ms;
    for (int round = 0; round < 5; round++) {
        struct hd_error err = {0};
        struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
        assert_string_equal(message.body, "\"1\"");
        assert_int_equal(message.lane, HD_LANE_URGENT);
        assert_int_equal(message.enqueued_at_ms, enqueued_at_ms);
        int64_t delay_ms = round % 2 ? MINUTE_MS : 0;
        assert_int_equal(f->queue->ops->give_back(f->queue, &message, f->now_ms, delay_ms, &err), 0);
        if (delay_ms == 0)
            continue;
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
        hd_pass(f, MINUTE_MS - SECOND_MS);
        assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
        hd_pass(f, SECOND_MS);
    }
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    acknowledge_ok(f, &message);
    hd_pass(f, 2 * HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void urgent_messages_come_first(struct hd_fixture *f) {
    for (int i = 0; i < 20; i++)
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"normal\"", 0);
    struct hd_message taken[32];
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 5, HOUR_MS, taken), 5);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "\"late and urgent\"", 5 * SECOND_MS);
    for (int i = 0; i < 3; i++)
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "\"urgent\"", 0);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 5, HOUR_MS, taken), 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(taken[i].lane, i < 3 ? HD_LANE_URGENT : HD_LANE_NORMAL);
    hd_pass(f, 5 * SECOND_MS);
    assert_string_equal(hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS).body, "\"late and urgent\"");
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 32, HOUR_MS, taken), 13);
}

/* Tried, not promised. */
static void within_a_lane_messages_come_in_the_order_of_their_enqueueing(struct hd_fixture *f) {
    if (!f->backend->fifo)
        skip();
    for (int i = 0; i < 40; i++) {
        struct hd_changeset set = hd_changes(f);
        hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, hd_textf(f, "%d", 2 * i), f->now_ms, 0);
        hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, hd_textf(f, "%d", 2 * i + 1), f->now_ms, 0);
        hd_commit_ok(f, &set);
        hd_pass(f, i % 3);
    }
    struct hd_message taken[80];
    for (size_t at = 0; at < 80; at += 16)
        assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 16, HOUR_MS, taken + at), 16);
    for (int i = 0; i < 80; i++)
        assert_string_equal(taken[i].body, hd_textf(f, "%d", i));
}

static void a_receive_takes_no_more_than_it_was_asked_for(struct hd_fixture *f) {
    for (int i = 0; i < 30; i++)
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, hd_textf(f, "%d", i), 0);
    struct hd_error err = {0};
    struct hd_message *messages = NULL;
    size_t count = 0;
    int64_t due_ms = 0;
    size_t taken = 0;
    for (size_t max = 1; max <= 7; max++) {
        assert_int_equal(
            f->queue->ops->receive(f->queue, HD_QUEUE_EMAIL, max, f->now_ms, HOUR_MS, f->arena, &messages, &count, &due_ms, &err), 0);
        assert_true(count <= max);
        taken += count;
        check_depth(f, HD_QUEUE_EMAIL, 30 - (int64_t)taken, (int64_t)taken, 0); /* and hides no more than it gives */
    }
    struct hd_message rest[30];
    assert_int_equal(taken + hd_take(f, f->queue, HD_QUEUE_EMAIL, 30, HOUR_MS, rest), 30);
}

/* Where receives are counted towards giving a message up, what fits is given; the others stay where they are. */
static void check_some_fit(struct hd_fixture *f, int r, const struct hd_message *messages, size_t count, size_t all) {
    assert_int_equal(r, 0);
    assert_in_range(count, 1, all - 1);
    check_depth(f, HD_QUEUE_EMAIL, (int64_t)(all - count), (int64_t)count, 0);
    for (size_t i = 0; i < count; i++)
        acknowledge_ok(f, &messages[i]);
    for (; count < all; count++) {
        struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
        acknowledge_ok(f, &message);
    }
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void a_receive_that_does_not_fit_the_arena_takes_nothing(struct hd_fixture *f) {
    enum { COUNT = 8, BODY_BYTES = 20000 };
    const char *body = hd_long_text(f, BODY_BYTES);
    for (int i = 0; i < COUNT; i++)
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, body, 0);
    HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(COUNT / 2 * BODY_BYTES); /* some fit, not all */
    assert_non_null(small);
    struct hd_error err = {0};
    struct hd_message *messages = (void *)f;
    size_t count = 77;
    int64_t due_ms = 77;
    int r = f->queue->ops->receive(f->queue, HD_QUEUE_EMAIL, COUNT, f->now_ms, HOUR_MS, small, &messages, &count, &due_ms, &err);
    if (!f->backend->fences_receipts) {
        check_some_fit(f, r, messages, count, COUNT);
        return;
    }
    assert_int_equal(r, HD_ERR_NO_MEMORY);
    assert_ptr_equal(messages, f);
    assert_int_equal(count, 77);
    assert_int_equal(due_ms, 77);
    check_depth(f, HD_QUEUE_EMAIL, COUNT, 0, 0);
    struct hd_message taken[COUNT];
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, COUNT, HOUR_MS, taken), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(taken[i].receive_count, 1);
        acknowledge_ok(f, &taken[i]);
    }
}

static void check_oldest(struct hd_fixture *f, int64_t oldest_ms) {
    assert_int_equal(hd_get_depth(f, HD_QUEUE_DLQ).oldest_ms, f->backend->fences_receipts ? oldest_ms : 0);
}

static void the_depth_counts_what_waits_what_is_taken_and_what_is_delayed(struct hd_fixture *f) {
    struct hd_queue_depth empty = hd_get_depth(f, HD_QUEUE_DLQ);
    check_depth(f, HD_QUEUE_DLQ, 0, 0, 0);
    assert_int_equal(empty.oldest_ms, 0);
    int64_t oldest_ms = f->now_ms;
    hd_enqueue_ok(f, HD_QUEUE_DLQ, HD_LANE_NORMAL, "1", 0);
    hd_pass(f, SECOND_MS);
    hd_enqueue_ok(f, HD_QUEUE_DLQ, HD_LANE_URGENT, "2", 0);
    hd_enqueue_ok(f, HD_QUEUE_DLQ, HD_LANE_NORMAL, "3", MINUTE_MS);
    hd_enqueue_ok(f, HD_QUEUE_SMS, HD_LANE_NORMAL, "\"of another queue\"", 0);
    check_depth(f, HD_QUEUE_DLQ, 2, 0, 1);
    check_oldest(f, oldest_ms);
    struct hd_message taken[2];
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_DLQ, 2, 10 * SECOND_MS, taken), 2);
    check_depth(f, HD_QUEUE_DLQ, 0, 2, 1);
    check_oldest(f, oldest_ms); /* taken, but not done with */
    acknowledge_ok(f, &taken[strcmp(taken[0].body, "1") == 0 ? 0 : 1]);
    check_depth(f, HD_QUEUE_DLQ, 0, 1, 1);
    check_oldest(f, oldest_ms + SECOND_MS);
    hd_pass(f, 10 * SECOND_MS);
    check_depth(f, HD_QUEUE_DLQ, 1, 0, 1); /* its visibility has run out */
    hd_pass(f, HOUR_MS);
    check_depth(f, HD_QUEUE_DLQ, 2, 0, 0);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_DLQ, 2, MINUTE_MS, taken), 2);
    acknowledge_ok(f, &taken[0]);
    acknowledge_ok(f, &taken[1]);
    check_depth(f, HD_QUEUE_DLQ, 0, 0, 0);
    check_oldest(f, 0);
}

/* Where nothing is to take: no later than it becomes true, and not so early that a host would ask in a circle. */
static void check_due(struct hd_fixture *f, int64_t due_ms) {
    int64_t told_ms = next_due(f, HD_QUEUE_EMAIL);
    if (told_ms > due_ms)
        fail_msg("told to ask %d ms late", (int)(told_ms - due_ms));
    if (f->backend->waits_well)
        assert_true(told_ms > f->now_ms);
}

static void it_tells_when_to_ask_again(struct hd_fixture *f) {
    check_due(f, INT64_MAX);
    int64_t start_ms = f->now_ms;
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"delayed\"", MINUTE_MS);
    hd_enqueue_ok(f, HD_QUEUE_SMS, HD_LANE_NORMAL, "\"of another queue\"", SECOND_MS);
    check_due(f, start_ms + MINUTE_MS);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "\"urgent\"", 30 * SECOND_MS);
    check_due(f, start_ms + 30 * SECOND_MS);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"taken\"", 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, 10 * SECOND_MS);
    check_due(f, start_ms + 10 * SECOND_MS);
    assert_int_equal(try_extend(f, &message, 20 * SECOND_MS), 0);
    check_due(f, start_ms + 20 * SECOND_MS);
    acknowledge_ok(f, &message);
    check_due(f, start_ms + 30 * SECOND_MS);
    hd_pass(f, 30 * SECOND_MS);
    message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_string_equal(message.body, "\"urgent\"");
    check_due(f, start_ms + MINUTE_MS);
    HD_ONE_CHANGE(f, hd_postpone(&set_, &message, f->now_ms, 5 * SECOND_MS));
    check_due(f, f->now_ms + 5 * SECOND_MS);
    hd_pass(f, 5 * SECOND_MS);
    message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    acknowledge_ok(f, &message);
    hd_pass(f, 25 * SECOND_MS);
    message = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_string_equal(message.body, "\"delayed\"");
    acknowledge_ok(f, &message);
    check_due(f, INT64_MAX);
}

/* A view may remember how far it has read: what comes back before that place must be found by it all the same. */
static void a_view_finds_what_becomes_visible_behind_its_back(struct hd_fixture *f) {
    struct hd_queue *other = f->backend->queue(f->handle);
    assert_non_null(other);
    struct hd_message taken[8], seen[8];
    for (int i = 0; i < 6; i++)
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, hd_textf(f, "%d", i), 0);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 3, HOUR_MS, taken), 3);
    assert_int_equal(hd_take(f, other, HD_QUEUE_EMAIL, 3, HOUR_MS, seen), 3);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 8, HOUR_MS, seen + 3), 0);
    assert_int_equal(try_extend(f, &taken[0], 0), 0); /* given back: found by the other view */
    assert_int_equal(hd_take(f, other, HD_QUEUE_EMAIL, 8, HOUR_MS, seen), 1);
    assert_string_equal(seen[0].body, taken[0].body);
    assert_int_equal(try_extend(f, &taken[1], SECOND_MS), 0); /* run out: found by the same view */
    hd_pass(f, SECOND_MS);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 8, HOUR_MS, seen), 1);
    assert_string_equal(seen[0].body, taken[1].body);
    HD_ONE_CHANGE(f, hd_postpone(&set_, &taken[2], f->now_ms, SECOND_MS));
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"new\"", 0);
    hd_pass(f, SECOND_MS);
    assert_int_equal(hd_take(f, other, HD_QUEUE_EMAIL, 8, HOUR_MS, seen), 2);
    assert_true(strcmp(seen[0].body, taken[2].body) == 0 || strcmp(seen[1].body, taken[2].body) == 0);
    other->ops->close(other);
}

static void two_views_never_have_the_same_message_at_once(struct hd_fixture *f) {
    enum { COUNT = 300 };
    struct hd_queue *other = f->backend->queue(f->handle);
    assert_non_null(other);
    int all = part_of(f, COUNT);
    for (int i = 0; i < all; i++)
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, i % 7 ? HD_LANE_NORMAL : HD_LANE_URGENT, hd_textf(f, "%d", i), 0);
    for (int round = 1; round <= 2; round++) {
        bool seen[COUNT] = {false};
        size_t total = 0;
        for (size_t got = 1; got > 0;) {
            got = 0;
            for (int v = 0; v < 2; v++) {
                struct hd_message taken[7];
                size_t count = hd_take(f, v ? other : f->queue, HD_QUEUE_EMAIL, 7, MINUTE_MS, taken);
                for (size_t i = 0; i < count; i++) {
                    int number = atoi(taken[i].body);
                    assert_false(seen[number]);
                    seen[number] = true;
                    assert_int_equal(taken[i].receive_count, round);
                }
                got += count;
            }
            total += got;
        }
        assert_int_equal(total, all);
        hd_pass(f, MINUTE_MS); /* nobody has acknowledged: all of them come again */
    }
    other->ops->close(other);
}

enum { TAKERS = 4, TAKEN_MAX = 1000 };

struct taker {
    struct hd_queue *queue;
    int64_t now_ms;
    int taken[TAKEN_MAX];
    size_t count;
    const char *failure; /* asserting in a thread is not possible */
};

static void *take_all(void *argument) {
    struct taker *taker = argument;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    for (int empty = 0; arena && empty < 3 && !taker->failure;) {
        hd_arena_reset(arena);
        struct hd_message *messages = NULL;
        size_t count = 0;
        int64_t due_ms = 0;
        struct hd_error err = {0};
        int r =
            taker->queue->ops->receive(taker->queue, HD_QUEUE_EMAIL, 9, taker->now_ms, HOUR_MS, arena, &messages, &count, &due_ms, &err);
        if (r == HD_ERR_UNAVAILABLE)
            continue;
        if (r != 0 || taker->count + count > TAKEN_MAX)
            taker->failure = "receive failed, or brought more than there are";
        for (size_t i = 0; !taker->failure && i < count; i++)
            taker->taken[taker->count++] = atoi(messages[i].body);
        empty = count == 0 ? empty + 1 : 0;
    }
    return NULL;
}

static void threads_share_the_messages_out_among_them(struct hd_fixture *f) {
    struct hd_changeset set = hd_changes(f);
    int all = part_of(f, TAKEN_MAX);
    for (int i = 0; i < all; i++)
        hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, hd_textf(f, "%d", i), f->now_ms, 0);
    hd_commit_ok(f, &set);
    struct taker *takers = hd_arena_calloc(f->arena, TAKERS, sizeof(*takers));
    assert_non_null(takers);
    pthread_t threads[TAKERS];
    for (int i = 0; i < TAKERS; i++) {
        takers[i].queue = f->backend->queue(f->handle);
        takers[i].now_ms = f->now_ms;
        assert_non_null(takers[i].queue);
    }
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, &takers[i]), 0);
    for (int i = 0; i < TAKERS; i++)
        pthread_join(threads[i], NULL);
    bool seen[TAKEN_MAX] = {false};
    size_t total = 0;
    for (int i = 0; i < TAKERS; i++) {
        takers[i].queue->ops->close(takers[i].queue);
        if (takers[i].failure)
            fail_msg("thread %d: %s", i, takers[i].failure);
        for (size_t m = 0; m < takers[i].count; m++) {
            assert_false(seen[takers[i].taken[m]]);
            seen[takers[i].taken[m]] = true;
            total++;
        }
    }
    assert_int_equal(total, all);
}

static void messages_survive_a_crash_and_taken_ones_come_back(struct hd_fixture *f) {
    if (!f->backend->reopen)
        skip();
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"taken\"", 0);
    struct hd_message before = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"done\"", 0);
    struct hd_message done = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
    acknowledge_ok(f, &done);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_URGENT, "\"postponed\"", 0);
    struct hd_message postponed = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
    HD_ONE_CHANGE(f, hd_postpone(&set_, &postponed, f->now_ms, 10 * MINUTE_MS));
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"delayed\"", 10 * MINUTE_MS);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"waiting\"", 0);
    int64_t enqueued_at_ms = f->now_ms;

    hd_fixture_reopen(f);
    hd_pass(f, MINUTE_MS);
    struct hd_message taken[8];
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 8, HOUR_MS, taken), 2);
    size_t waiting = strcmp(taken[0].body, "\"waiting\"") == 0 ? 0 : 1;
    assert_string_equal(taken[waiting].body, "\"waiting\"");
    assert_int_equal(taken[waiting].receive_count, 1);
    assert_int_equal(taken[waiting].enqueued_at_ms, enqueued_at_ms);
    struct hd_message *again = &taken[1 - waiting];
    assert_string_equal(again->body, "\"taken\"");
    assert_in_range(again->receive_count, 1, 2); /* the crash may have made it forget */
    if (f->backend->fences_receipts)
        assert_int_equal(hd_try_acknowledge(f, &before).code, HD_ERR_CONFLICT); /* the receipt from before the crash */
    check_spent(f, &postponed);
    acknowledge_ok(f, again);
    acknowledge_ok(f, &taken[waiting]);
    hd_pass(f, 9 * MINUTE_MS);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 8, HOUR_MS, taken), 2); /* delayed and postponed */
    hd_fixture_reopen(f);
    hd_pass(f, HOUR_MS);
    assert_int_equal(hd_take(f, f->queue, HD_QUEUE_EMAIL, 8, HOUR_MS, taken), 2);
    acknowledge_ok(f, &taken[0]);
    acknowledge_ok(f, &taken[1]);
    hd_fixture_reopen(f);
    hd_pass(f, HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void a_new_message_after_a_crash_is_no_old_one(struct hd_fixture *f) {
    if (!f->backend->reopen)
        skip();
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"old\"", 0);
    struct hd_message old = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
    acknowledge_ok(f, &old); /* the queue is empty: an implementation that counts from what is there begins again */
    hd_fixture_reopen(f);
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "\"new\"", 0);
    struct hd_message new_one = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
    check_spent(f, &old);
    assert_int_equal(try_extend(f, &old, 0), HD_ERR_CONFLICT);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    acknowledge_ok(f, &new_one);
}

/* The same without a crash: an empty queue that is filled again. */
static void a_new_message_in_an_emptied_queue_is_no_old_one(struct hd_fixture *f) {
    struct hd_message old[3];
    for (int i = 0; i < 3; i++) {
        hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "1", 0);
        old[i] = hd_take_one(f, HD_QUEUE_EMAIL, MINUTE_MS);
        assert_int_equal(old[i].receive_count, 1);
        for (int o = 0; o < i; o++)
            check_spent(f, &old[o]);
        acknowledge_ok(f, &old[i]);
    }
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void enqueue_many(struct hd_fixture *f) {
    enum { SETS = 25 };
    for (int start = 0; start < many(f); start += SETS * 20) {
        struct hd_changeset sets[SETS];
        const struct hd_changeset *pointers[SETS];
        struct hd_commit_result results[SETS];
        for (int s = 0; s < SETS; s++) {
            sets[s] = hd_changes(f);
            for (int i = 0; i < 20; i++) {
                int number = start + s * 20 + i;
                hd_enqueue(&sets[s], HD_QUEUE_EMAIL, number % 10 ? HD_LANE_NORMAL : HD_LANE_URGENT, hd_textf(f, "%d", number), f->now_ms,
                           0);
            }
            pointers[s] = &sets[s];
        }
        hd_commit_many(f->store, pointers, SETS, results);
        for (int s = 0; s < SETS; s++)
            assert_int_equal(results[s].code, 0);
    }
}

static void ten_thousand_messages_are_drained_each_once(struct hd_fixture *f) {
    enqueue_many(f);
    check_depth(f, HD_QUEUE_EMAIL, many(f), 0, 0);
    bool *seen = hd_arena_calloc(f->arena, (size_t)many(f), sizeof(*seen));
    assert_non_null(seen);
    size_t drained = 0;
    struct hd_message taken[HD_RECEIVE_MAX];
    for (size_t count; (count = hd_take(f, f->queue, HD_QUEUE_EMAIL, HD_RECEIVE_MAX, HOUR_MS, taken)) > 0; drained += count) {
        struct hd_changeset sets[HD_RECEIVE_MAX];
        const struct hd_changeset *pointers[HD_RECEIVE_MAX];
        struct hd_commit_result results[HD_RECEIVE_MAX];
        for (size_t i = 0; i < count; i++) {
            int number = atoi(taken[i].body);
            assert_false(seen[number]);
            seen[number] = true;
            sets[i] = hd_changes(f);
            hd_acknowledge(&sets[i], &taken[i]);
            pointers[i] = &sets[i];
        }
        hd_commit_many(f->store, pointers, count, results);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(results[i].code, 0);
    }
    assert_int_equal(drained, many(f));
    check_depth(f, HD_QUEUE_EMAIL, 0, 0, 0);
    hd_pass(f, 2 * HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static const struct hd_case cases[] = {
    HD_CASE(a_message_comes_as_it_was_enqueued),
    HD_CASE(the_largest_body_comes_back_whole),
    HD_CASE(what_is_received_is_hidden_until_its_visibility_runs_out),
    HD_CASE(an_older_receipt_no_longer_counts),
    HD_CASE(the_newest_receipt_counts_even_when_its_visibility_has_run_out),
    HD_CASE(an_acknowledged_message_never_comes_back),
    HD_CASE(the_receipt_is_all_that_is_needed_from_any_view),
    HD_CASE(a_changeset_that_fails_acknowledges_and_postpones_nothing),
    HD_CASE(a_postponed_message_comes_back_after_its_delay),
    HD_CASE(postponed_by_nothing_it_is_visible_at_once),
    HD_CASE(a_delayed_message_comes_when_it_is_due),
    HD_CASE(an_extended_message_stays_hidden_for_longer),
    HD_CASE(a_message_that_is_given_back_is_visible_at_once),
    HD_CASE(a_message_that_is_given_back_undecided_comes_again_after_the_delay),
    HD_CASE(urgent_messages_come_first),
    HD_CASE(within_a_lane_messages_come_in_the_order_of_their_enqueueing),
    HD_CASE(a_receive_takes_no_more_than_it_was_asked_for),
    HD_CASE(a_receive_that_does_not_fit_the_arena_takes_nothing),
    HD_CASE(the_depth_counts_what_waits_what_is_taken_and_what_is_delayed),
    HD_CASE(it_tells_when_to_ask_again),
    HD_CASE(a_view_finds_what_becomes_visible_behind_its_back),
    HD_CASE(two_views_never_have_the_same_message_at_once),
    HD_CASE(threads_share_the_messages_out_among_them),
    HD_CASE(messages_survive_a_crash_and_taken_ones_come_back),
    HD_CASE(a_new_message_after_a_crash_is_no_old_one),
    HD_CASE(a_new_message_in_an_emptied_queue_is_no_old_one),
    HD_CASE(ten_thousand_messages_are_drained_each_once),
};
const struct hd_cases hd_queue_cases = {"queue", cases, HD_ARRAY_LEN(cases)};
