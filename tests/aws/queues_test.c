/* The queue port on SQS, beside emulators (scripts/with-emulators): what the contract suite cannot ask for, because it is SQS's own. Time is the machine's, or the emulators' where it can be moved. */
/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/sqs.h"
#include "base/id.h"
#include "base/json.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, SKIPPED = 77, LONG_MS = 10 * 60 * 1000, LINES_BYTES = 8192 };

struct queues {
    struct hd_arena *arena;
    struct hd_aws *aws;
    struct hd_aws_client *client;
    struct hd_sqs *sqs;
    struct hd_queue *queue;
    char prefix[32];
    char told[LINES_BYTES];
};

static const unsigned all_but_push = ((1u << HD_QUEUE_COUNT) - 1) & ~(1u << HD_QUEUE_PUSH);

static int64_t now_ms(void) {
    return hd_system_clock.now_ms(&hd_system_clock);
}

static void keep_line(void *arg, const char *line) {
    struct queues *q = arg;
    size_t len = strlen(q->told);
    (void)snprintf(q->told + len, sizeof(q->told) - len, "%s\n", line);
}

static void ok(int r, const struct hd_error *err) {
    if (r != 0)
        fail_msg("%s", err->detail);
}

static int open_queues(void **state) {
    static int number;
    struct queues *q = calloc(1, sizeof(*q));
    struct hd_error err = {0};
    assert_non_null(q);
    (void)snprintf(q->prefix, sizeof(q->prefix), "queues-%d-", ++number);
    struct hd_aws_options options = {.queues = q->prefix, .served = all_but_push, .clock = &hd_system_clock, .random = &hd_system_random};
    q->arena = hd_arena_new(ARENA_BYTES);
    assert_non_null(q->arena);
    ok(hd_aws_new(&options, &q->aws, &err), &err);
    ok(hd_aws_client_new(q->aws, &q->client, &err), &err);
    ok(hd_sqs_new(q->aws, q->client, &q->sqs, &err), &err);
    ok(hd_aws_queue(q->aws, &q->queue, &err), &err);
    ok(hd_sqs_setup(q->sqs, keep_line, q, &err), &err);
    *state = q;
    return 0;
}

static int close_queues(void **state) {
    struct queues *q = *state;
    q->queue->ops->close(q->queue);
    hd_sqs_free(q->sqs);
    hd_aws_client_free(q->client);
    hd_aws_free(q->aws);
    hd_arena_free(q->arena);
    free(q);
    return 0;
}

static void send_one(struct queues *q, enum hd_queue_name queue, enum hd_lane lane, const char *body) {
    struct hd_error err = {0};
    int64_t at_ms = now_ms();
    struct hd_sqs_outgoing message = {.queue = queue, .lane = lane, .body = body, .enqueued_at_ms = at_ms, .due_at_ms = at_ms};
    ok(hd_sqs_send(q->sqs, at_ms, &message, 1, q->arena, &err), &err);
    assert_int_equal(message.code, 0);
}

static size_t take(struct queues *q, enum hd_queue_name name, size_t max, int64_t visibility_ms, struct hd_message **ret) {
    struct hd_error err = {0};
    size_t count = 0;
    int64_t due_ms = 0;
    ok(q->queue->ops->receive(q->queue, name, max, now_ms(), visibility_ms, q->arena, ret, &count, &due_ms, &err), &err);
    return count;
}

static struct hd_message take_one(struct queues *q, enum hd_queue_name name, int64_t visibility_ms) {
    struct hd_message *messages = NULL;
    assert_int_equal(take(q, name, 10, visibility_ms, &messages), 1);
    return messages[0];
}

static void delete_one(struct queues *q, const struct hd_message *message) {
    size_t failed = 1;
    hd_sqs_delete(q->sqs, &message, 1, q->arena, &failed);
    assert_int_equal(failed, 0);
}

/* One request with this body, which may be refused. */
static struct hd_aws_response ask(struct queues *q, const char *action, const char *body) {
    struct hd_aws_response response;
    struct hd_error err = {0};
    ok(hd_sqs_ask(q->sqs, action, body, q->arena, &response, &err), &err);
    return response;
}

static const char *url_of(struct queues *q, enum hd_queue_name name, enum hd_sqs_kind kind) {
    const char *url = NULL;
    struct hd_error err = {0};
    ok(hd_sqs_url(q->sqs, name, kind, q->arena, &url, &err), &err);
    return url;
}

/* ---- setting up ---- */

static void what_is_served_is_made_once_and_found_in_order(void **state) {
    struct queues *q = *state;
    struct hd_error err = {0};
    size_t problems = 77;
    assert_non_null(strstr(q->told, "-email-urgent: made\n"));
    assert_non_null(strstr(q->told, "-dlq-dead: made\n"));
    assert_null(strstr(q->told, "push"));
    q->told[0] = '\0';
    ok(hd_sqs_setup(q->sqs, keep_line, q, &err), &err);
    assert_non_null(strstr(q->told, "-email: found\n"));
    assert_null(strstr(q->told, "made"));
    q->told[0] = '\0';
    ok(hd_sqs_check(q->sqs, keep_line, q, &problems, &err), &err);
    assert_int_equal(problems, 0);
    assert_string_equal(q->told, "");
}

static void a_queue_that_is_missing_or_leads_nowhere_is_told_of(void **state) {
    struct queues *q = *state;
    struct hd_error err = {0};
    size_t problems = 0;
    assert_int_equal(ask(q, "DeleteQueue", hd_arena_printf(q->arena, "{\"QueueUrl\":\"%s\"}", url_of(q, HD_QUEUE_SMS, HD_SQS_URGENT))).code,
                     0);
    assert_int_equal(
        ask(q, "SetQueueAttributes",
            hd_arena_printf(q->arena,
                            "{\"QueueUrl\":\"%s\",\"Attributes\":{\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":\\\"arn:aws:sqs:eu-"
                            "west-1:123456789012:%semail-dead\\\",\\\"maxReceiveCount\\\":3}\"}}",
                            url_of(q, HD_QUEUE_INAPP, HD_SQS_NORMAL), q->prefix))
            .code,
        0);
    ok(hd_sqs_check(q->sqs, keep_line, q, &problems, &err), &err);
    assert_int_equal(problems, 2);
    assert_non_null(strstr(q->told, "-sms-urgent: there is no such queue"));
    assert_non_null(strstr(q->told, "-inapp: its redrive policy does not lead to"));
}

/* ---- sending ---- */

static void many_messages_to_many_queues_are_sent_in_batches(void **state) {
    enum { COUNT = 53, LANES = 4 };
    struct queues *q = *state;
    struct hd_error err = {0};
    struct hd_sqs_outgoing messages[COUNT];
    for (int i = 0; i < COUNT; i++)
        messages[i] = (struct hd_sqs_outgoing){.queue = i % LANES < 2 ? HD_QUEUE_EMAIL : HD_QUEUE_INAPP,
                                               .lane = i % 2 ? HD_LANE_URGENT : HD_LANE_NORMAL,
                                               .body = hd_arena_printf(q->arena, "%d", i),
                                               .enqueued_at_ms = now_ms() - i,
                                               .due_at_ms = now_ms(),
                                               .code = HD_ERR_INTERNAL};
    ok(hd_sqs_send(q->sqs, now_ms(), messages, COUNT, q->arena, &err), &err);
    bool seen[COUNT] = {false};
    size_t total = 0;
    for (int n = 0; n < 2; n++) {
        struct hd_message *taken = NULL;
        for (size_t count; (count = take(q, n ? HD_QUEUE_INAPP : HD_QUEUE_EMAIL, 64, LONG_MS, &taken)) > 0; total += count)
            for (size_t i = 0; i < count; i++) {
                int number = atoi(taken[i].body);
                assert_false(seen[number]);
                seen[number] = true;
                assert_int_equal(taken[i].queue, messages[number].queue);
                assert_int_equal(taken[i].lane, messages[number].lane);
                assert_int_equal(taken[i].enqueued_at_ms, messages[number].enqueued_at_ms);
                assert_int_equal(taken[i].receive_count, 1);
                assert_false(taken[i].abandoned);
                assert_non_null(taken[i].message_id);
            }
    }
    assert_int_equal(total, COUNT);
}

static void large_messages_share_batches_as_far_as_they_fit(void **state) {
    enum { COUNT = 7, BODY_BYTES = 250 * 1024 };
    struct queues *q = *state;
    struct hd_error err = {0};
    struct hd_sqs_outgoing messages[COUNT];
    char *body = hd_arena_alloc(q->arena, BODY_BYTES + 1);
    assert_non_null(body);
    memset(body, '"', BODY_BYTES); /* twice as long in the request */
    body[BODY_BYTES] = '\0';
    for (int i = 0; i < COUNT; i++)
        messages[i] = (struct hd_sqs_outgoing){.queue = HD_QUEUE_EMAIL, .lane = HD_LANE_NORMAL, .body = body, .enqueued_at_ms = now_ms()};
    ok(hd_sqs_send(q->sqs, now_ms(), messages, COUNT, q->arena, &err), &err);
    struct hd_message *taken = NULL;
    size_t count = take(q, HD_QUEUE_EMAIL, COUNT, LONG_MS, &taken);
    while (count < COUNT)
        count += take(q, HD_QUEUE_EMAIL, COUNT - count, LONG_MS, &taken);
    assert_string_equal(taken[0].body, body);
}

static void what_sqs_never_takes_is_told_and_holds_up_no_other(void **state) {
    static const char *const bad[] = {"", "a\001b", "\xef\xbf\xbf", "\xff", "\x7f ok", "\xef\xbf\xbd ok"};
    struct queues *q = *state;
    struct hd_error err = {0};
    struct hd_sqs_outgoing messages[HD_ARRAY_LEN(bad)];
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        messages[i] = (struct hd_sqs_outgoing){.queue = HD_QUEUE_EMAIL, .lane = HD_LANE_NORMAL, .body = bad[i], .enqueued_at_ms = now_ms()};
    assert_int_equal(hd_sqs_send(q->sqs, now_ms(), messages, HD_ARRAY_LEN(bad), q->arena, &err), HD_ERR_INVALID);
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        assert_int_equal(messages[i].code, i < 4 ? HD_ERR_INVALID : 0);
        assert_int_equal(hd_sqs_check_body(bad[i], &err), i < 4 ? HD_ERR_INVALID : 0);
    }
    struct hd_message *taken = NULL;
    assert_int_equal(take(q, HD_QUEUE_EMAIL, 10, LONG_MS, &taken), 2);
}

static void a_queue_that_is_missing_holds_up_no_other(void **state) {
    struct queues *q = *state;
    struct hd_error err = {0};
    struct hd_sqs_outgoing messages[] = {{.queue = HD_QUEUE_PUSH, .lane = HD_LANE_NORMAL, .body = "1", .enqueued_at_ms = 1},
                                         {.queue = HD_QUEUE_SMS, .lane = HD_LANE_NORMAL, .body = "2", .enqueued_at_ms = 1}};
    assert_int_equal(hd_sqs_send(q->sqs, now_ms(), messages, 2, q->arena, &err), HD_ERR_CONFIGURATION);
    assert_int_equal(messages[0].code, HD_ERR_CONFIGURATION);
    assert_int_equal(messages[1].code, 0);
    assert_non_null(strstr(err.detail, "-push"));
    assert_string_equal(take_one(q, HD_QUEUE_SMS, LONG_MS).body, "2");
}

/* ---- receiving ---- */

static void foreign_messages_are_handed_on_as_they_are(void **state) {
    static const char *const attributes[] = {
        "", /* none: it counts from when it was sent */
        ",\"MessageAttributes\":{\"enqueuedAt\":{\"DataType\":\"String\",\"StringValue\":\"yesterday\"}}",
        ",\"MessageAttributes\":{\"enqueuedAt\":{\"DataType\":\"Number\",\"StringValue\":\"9999999999999\"}}", /* a clock that is far ahead */
        ",\"MessageAttributes\":{\"enqueuedAt\":{\"DataType\":\"Number\",\"StringValue\":\"-1\"},\"other\":{\"DataType\":\"String\",\"StringValue\":\"x\"}}",
    };
    struct queues *q = *state;
    for (size_t i = 0; i < HD_ARRAY_LEN(attributes); i++) {
        int64_t before_ms = now_ms();
        const char *body = hd_arena_printf(q->arena, "{\"QueueUrl\":\"%s\",\"MessageBody\":\"no \\\"JSON\\\" \\u00e9\"%s}",
                                           url_of(q, HD_QUEUE_ROUTER, HD_SQS_NORMAL), attributes[i]);
        assert_int_equal(ask(q, "SendMessage", body).code, 0);
        struct hd_message message = take_one(q, HD_QUEUE_ROUTER, LONG_MS);
        assert_string_equal(message.body, "no \"JSON\" é");
        assert_in_range(message.enqueued_at_ms, before_ms - 1000, now_ms() + 1000);
        delete_one(q, &message);
    }
}

static void what_was_received_in_vain_three_times_comes_to_the_dlq_handler(void **state) {
    struct queues *q = *state;
    struct hd_message *taken = NULL;
    send_one(q, HD_QUEUE_EMAIL, HD_LANE_URGENT, "poison");
    const char *message_id = NULL;
    for (int i = 1; i <= HD_SQS_MAX_RECEIVE_COUNT; i++) {
        struct hd_message message = take_one(q, HD_QUEUE_EMAIL, LONG_MS);
        assert_int_equal(message.receive_count, i);
        message_id = message.message_id;
        struct hd_error err = {0};
        ok(q->queue->ops->extend(q->queue, &message, now_ms(), 0, &err), &err);
    }
    assert_int_equal(take(q, HD_QUEUE_EMAIL, 10, LONG_MS, &taken), 0); /* here SQS moves it */
    struct hd_message message = take_one(q, HD_QUEUE_DLQ, LONG_MS);
    assert_true(message.abandoned);
    assert_int_equal(message.queue, HD_QUEUE_EMAIL);
    assert_int_equal(message.lane, HD_LANE_NORMAL);
    assert_string_equal(message.body, "poison");
    assert_string_equal(message.message_id, message_id);
    struct hd_error err = {0};
    ok(q->queue->ops->give_back(q->queue, &message, now_ms(), 0, &err), &err); /* waits where it is */
    assert_int_equal(take(q, HD_QUEUE_EMAIL, 10, LONG_MS, &taken), 0);
    struct hd_queue *other = NULL; /* this one has looked there a moment ago */
    ok(hd_aws_queue(q->aws, &other, &err), &err);
    size_t count = 0;
    int64_t due_ms = 0;
    ok(other->ops->receive(other, HD_QUEUE_DLQ, 10, now_ms(), LONG_MS, q->arena, &taken, &count, &due_ms, &err), &err);
    other->ops->close(other);
    assert_int_equal(count, 1);
    assert_true(taken[0].abandoned);
    delete_one(q, &taken[0]);
}

/* An outage of ours makes no dead letters, however often a message is given back. */
static void giving_back_spends_no_receive(void **state) {
    struct queues *q = *state;
    struct hd_error err = {0};
    struct hd_message *taken = NULL;
    send_one(q, HD_QUEUE_EMAIL, HD_LANE_URGENT, "again");
    int64_t enqueued_at_ms = 0;
    for (int i = 0; i < 2 * HD_SQS_MAX_RECEIVE_COUNT; i++) {
        struct hd_message message = take_one(q, HD_QUEUE_EMAIL, LONG_MS);
        assert_string_equal(message.body, "again");
        assert_int_equal(message.lane, HD_LANE_URGENT);
        assert_int_equal(message.receive_count, 1);
        assert_true(i == 0 || message.enqueued_at_ms == enqueued_at_ms);
        enqueued_at_ms = message.enqueued_at_ms;
        ok(q->queue->ops->give_back(q->queue, &message, now_ms(), 0, &err), &err);
    }
    delete_one(
        q, &(struct hd_message){.queue = HD_QUEUE_EMAIL, .lane = HD_LANE_URGENT, .receipt = take_one(q, HD_QUEUE_EMAIL, LONG_MS).receipt});
    assert_int_equal(take(q, HD_QUEUE_EMAIL, 10, LONG_MS, &taken), 0);
}

static void what_fits_the_arena_is_given_and_the_rest_stays_visible(void **state) {
    enum { COUNT = 8, BODY_BYTES = 20000 };
    struct queues *q = *state;
    struct hd_error err = {0};
    char *body = hd_arena_alloc(q->arena, BODY_BYTES + 1);
    assert_non_null(body);
    memset(body, 'x', BODY_BYTES);
    body[BODY_BYTES] = '\0';
    for (int i = 0; i < COUNT; i++)
        send_one(q, HD_QUEUE_EMAIL, HD_LANE_NORMAL, body);
    HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(COUNT / 2 * BODY_BYTES);
    struct hd_message *taken = NULL;
    size_t count = 0;
    int64_t due_ms = 0;
    ok(q->queue->ops->receive(q->queue, HD_QUEUE_EMAIL, COUNT, now_ms(), LONG_MS, small, &taken, &count, &due_ms, &err), &err);
    assert_in_range(count, 1, COUNT - 1);
    assert_string_equal(taken[0].body, body);
    struct hd_message *rest = NULL;
    size_t rest_count = 0;
    for (size_t more; (more = take(q, HD_QUEUE_EMAIL, COUNT, LONG_MS, &rest)) > 0;)
        rest_count += more;
    assert_int_equal(count + rest_count, COUNT);
}

/* ---- waiting ---- */

struct late_sender {
    struct hd_sqs *sqs;
    struct hd_aws_client *client;
    enum hd_lane lane;
};

static void *send_late(void *arg) {
    struct late_sender *late = arg;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    struct hd_sqs_outgoing message = {.queue = HD_QUEUE_EMAIL, .lane = late->lane, .body = "late", .enqueued_at_ms = now_ms()};
    struct hd_error err = {0};
    if (!arena || hd_sqs_send(late->sqs, now_ms(), &message, 1, arena, &err) != 0)
        abort();
    return NULL;
}

/* Whether it is there before the first look or comes later: one receive has it. */
static void a_receive_that_waits_has_what_is_sent_meanwhile(void **state) {
    struct queues *q = *state;
    struct hd_error err = {0};
    hd_aws_queue_wait(q->queue, 20 * 1000);
    for (int lane = 0; lane < HD_LANE_COUNT; lane++) {
        struct late_sender late = {.lane = (enum hd_lane)lane};
        ok(hd_aws_client_new(q->aws, &late.client, &err), &err);
        ok(hd_sqs_new(q->aws, late.client, &late.sqs, &err), &err);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, send_late, &late), 0);
        struct hd_message message = take_one(q, HD_QUEUE_EMAIL, LONG_MS);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_string_equal(message.body, "late");
        assert_int_equal(message.lane, lane);
        delete_one(q, &message);
        hd_sqs_free(late.sqs);
        hd_aws_client_free(late.client);
    }
}

static void a_receipt_of_nothing_is_a_conflict(void **state) {
    struct queues *q = *state;
    struct hd_error err = {0};
    size_t failed = 0;
    struct hd_message nothing = {.queue = HD_QUEUE_EMAIL, .lane = HD_LANE_NORMAL, .receipt = "of-nothing", .body = ""};
    const struct hd_message *pointer = &nothing;
    assert_int_equal(q->queue->ops->extend(q->queue, &nothing, now_ms(), 1000, &err), HD_ERR_CONFLICT);
    hd_sqs_hide(q->sqs, &pointer, 1, 1000, q->arena, &failed);
    assert_int_equal(failed, 1);
}

#define QUEUES_TEST(f) cmocka_unit_test_setup_teardown(f, open_queues, close_queues)

int main(void) {
    const struct CMUnitTest tests[] = {
        QUEUES_TEST(what_is_served_is_made_once_and_found_in_order),
        QUEUES_TEST(a_queue_that_is_missing_or_leads_nowhere_is_told_of),
        QUEUES_TEST(many_messages_to_many_queues_are_sent_in_batches),
        QUEUES_TEST(large_messages_share_batches_as_far_as_they_fit),
        QUEUES_TEST(what_sqs_never_takes_is_told_and_holds_up_no_other),
        QUEUES_TEST(a_queue_that_is_missing_holds_up_no_other),
        QUEUES_TEST(foreign_messages_are_handed_on_as_they_are),
        QUEUES_TEST(what_was_received_in_vain_three_times_comes_to_the_dlq_handler),
        QUEUES_TEST(giving_back_spends_no_receive),
        QUEUES_TEST(what_fits_the_arena_is_given_and_the_rest_stays_visible),
        QUEUES_TEST(a_receive_that_waits_has_what_is_sent_meanwhile),
        QUEUES_TEST(a_receipt_of_nothing_is_a_conflict),
    };
    if (!getenv("AWS_ENDPOINT_URL")) {
        (void)printf("skipped: it runs beside emulators (scripts/with-emulators -- build/tests/aws_queues_test)\n");
        return SKIPPED;
    }
    hd_json_init();
    return cmocka_run_group_tests_name("queues", tests, NULL, NULL);
}
