#include "serverless/sqs_event.h"

#include <string.h>

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct hd_arena *arena;

static int set_up(void **state) {
    (void)state;
    hd_json_init();
    arena = hd_arena_new(1024 * 1024);
    return arena ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hd_arena_free(arena);
    return 0;
}

static int read_event(const char *text, struct hd_message **ret_messages, size_t *ret_count) {
    return hd_sqs_event_read(arena, text, strlen(text), ret_messages, ret_count, NULL);
}

#define RECORD(id, body, attributes, message_attributes, queue)                                                                          \
    "{\"messageId\":\"" id "\",\"receiptHandle\":\"r-" id "\",\"body\":\"" body "\",\"attributes\":{" attributes                         \
    "},\"messageAttributes\":{" message_attributes "},\"md5OfBody\":\"x\",\"eventSource\":\"aws:sqs\",\"eventSourceARN\":\"arn:aws:sqs:" \
    "us-east-2:123456789012:" queue "\",\"awsRegion\":\"us-east-2\"}"
#define SENT "\"ApproximateReceiveCount\":\"1\",\"SentTimestamp\":\"1545082649183\""
#define ENQUEUED(ms) "\"enqueuedAt\":{\"stringValue\":\"" ms "\",\"dataType\":\"Number\"}"

static void messages_come_as_the_queue_gives_them(void **state) {
    (void)state;
    struct hd_message *messages = NULL;
    size_t count = 0;
    assert_int_equal(read_event("{\"Records\":[" RECORD("m-1", "{\\\"eventId\\\":\\\"e\\\"}", SENT, ENQUEUED("1545082640000"),
                                                        "helpdesk-router") "," RECORD("m-2", "plain \\u00e9",
                                                                                      "\"ApproximateReceiveCount\":\"3\",\"SentTimestamp\":"
                                                                                      "\"1545082649185\",\"SenderId\":\"X\"",
                                                                                      "", "prod-router-urgent") "]}",
                                &messages, &count),
                     0);
    assert_int_equal(count, 2);
    assert_string_equal(messages[0].message_id, "m-1");
    assert_string_equal(messages[0].receipt, "r-m-1");
    assert_string_equal(messages[0].body, "{\"eventId\":\"e\"}");
    assert_int_equal(messages[0].queue, HD_QUEUE_ROUTER);
    assert_int_equal(messages[0].lane, HD_LANE_NORMAL);
    assert_int_equal(messages[0].receive_count, 1);
    assert_int_equal(messages[0].enqueued_at_ms, 1545082640000);
    assert_false(messages[0].abandoned);
    assert_string_equal(messages[1].body, "plain \xc3\xa9");
    assert_int_equal(messages[1].lane, HD_LANE_URGENT);
    assert_int_equal(messages[1].receive_count, 3);
    assert_int_equal(messages[1].enqueued_at_ms, 1545082649185);
}

static void enqueued_at_is_believed_only_near_the_sending(void **state) {
    (void)state;
    static const struct {
        const char *said;
        int64_t want_ms;
    } cases[] = {{"1545082708000", 1545082708000},
                 {"1545082709184", 1545082649183},
                 {"0", 1545082649183},
                 {"-5", 1545082649183},
                 {"x", 1545082649183}};
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_message *messages = NULL;
        size_t count = 0;
        const char *text =
            hd_arena_printf(arena, "{\"Records\":[" RECORD("m", "{}", SENT, ENQUEUED("%s"), "helpdesk-email") "]}", cases[i].said);
        assert_int_equal(read_event(text, &messages, &count), 0);
        assert_int_equal(messages[0].enqueued_at_ms, cases[i].want_ms);
    }
}

static void a_queues_name_says_queue_lane_and_whether_it_was_given_up(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum hd_queue_name queue;
        enum hd_lane lane;
        bool dead;
    } cases[] = {
        {"router", HD_QUEUE_ROUTER, HD_LANE_NORMAL, false},           {"helpdesk-email-urgent", HD_QUEUE_EMAIL, HD_LANE_URGENT, false},
        {"a-sms-b-inapp-dead", HD_QUEUE_INAPP, HD_LANE_NORMAL, true}, {"x_dlq", HD_QUEUE_DLQ, HD_LANE_NORMAL, false},
        {"helpdesk-dlq-dead", HD_QUEUE_DLQ, HD_LANE_NORMAL, true},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        enum hd_queue_name queue = HD_QUEUE_COUNT;
        enum hd_lane lane = HD_LANE_COUNT;
        bool dead = !cases[i].dead;
        assert_true(hd_sqs_queue_of_name(cases[i].name, &queue, &lane, &dead));
        assert_int_equal(queue, cases[i].queue);
        assert_int_equal(lane, cases[i].lane);
        assert_int_equal(dead, cases[i].dead);
    }
    static const char *const none[] = {
        "", "orders", "xrouter", "router-", "-dead", "-urgent", "router-urgent-dead", "router-dead-urgent", "router.fifo"};
    for (size_t i = 0; i < HD_ARRAY_LEN(none); i++) {
        enum hd_queue_name queue;
        enum hd_lane lane;
        bool dead;
        if (hd_sqs_queue_of_name(none[i], &queue, &lane, &dead))
            fail_msg("taken: %s", none[i]);
    }
}

static void an_event_of_another_shape_is_refused(void **state) {
    (void)state;
    static const char *const events[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        "{\"Records\":{}}",
        "{\"Records\":[1]}",
        "{\"Records\":[{}]}",
        "{\"Records\":[{\"eventSource\":\"aws:sns\"}]}",
        "{\"Records\":[" RECORD("m", "b", "\"SentTimestamp\":\"1\"", "", "helpdesk-email") "]}",
        "{\"Records\":[" RECORD("m", "b", "\"ApproximateReceiveCount\":\"0\",\"SentTimestamp\":\"1\"", "", "helpdesk-email") "]}",
        "{\"Records\":[" RECORD("m", "b", "\"ApproximateReceiveCount\":\"1\"", "", "helpdesk-email") "]}",
        "{\"Records\":[" RECORD("m", "b", SENT, "", "orders") "]}",
        "{\"Records\":[" RECORD("m", "b", SENT, "", "helpdesk-email") ",{\"messageId\":\"x\"}]}",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(events); i++) {
        struct hd_message *messages = NULL;
        size_t count = 0;
        if (read_event(events[i], &messages, &count) != HD_ERR_MALFORMED)
            fail_msg("taken: %s", events[i]);
        assert_null(messages);
    }
}

static void an_empty_batch_is_one(void **state) {
    (void)state;
    struct hd_message *messages = NULL;
    size_t count = 99;
    assert_int_equal(read_event("{\"Records\":[]}", &messages, &count), 0);
    assert_int_equal(count, 0);
}

static void the_answer_names_what_failed(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    const struct hd_message messages[] = {{.message_id = "a"}, {.message_id = "b\"c"}, {.message_id = "d"}};
    hd_sqs_event_answer(&out, messages, (const bool[]){true, true, false}, 3);
    assert_string_equal(hd_buffer_text(&out), "{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"},{\"itemIdentifier\":\"b\\\"c\"}]}");
    hd_buffer_clear(&out);
    hd_sqs_event_answer(&out, messages, (const bool[]){false, false, false}, 3);
    assert_string_equal(hd_buffer_text(&out), "{\"batchItemFailures\":[]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_as_the_queue_gives_them),
        cmocka_unit_test(enqueued_at_is_believed_only_near_the_sending),
        cmocka_unit_test(a_queues_name_says_queue_lane_and_whether_it_was_given_up),
        cmocka_unit_test(an_event_of_another_shape_is_refused),
        cmocka_unit_test(an_empty_batch_is_one),
        cmocka_unit_test(the_answer_names_what_failed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
