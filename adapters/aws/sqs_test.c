/* What emulators of SQS do not do: entries that fail, answers that are odd. The service is one of the test's own; the rest is asked of emulators (tests/aws/queues_test.c). */
#include "adapters/aws/sqs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/stand_in.h"

#define NOW_MS INT64_C(1790000000000)
enum { ARENA_BYTES = 64 * 1024 * 1024, SEEN_MAX = 64, MINUTE_MS = 60 * 1000 };

/* A request as it came. */
struct seen {
    char action[64], url[128], first_body[32];
    size_t entries, body_bytes;
    int delay_s, visibility_s; /* of the first entry; -1: none */
};

struct bench {
    struct hd_clock clock; /* first */
    struct hd_random random;
    struct hd_stand_in *server;
    struct hd_arena *arena;
    struct hd_aws *aws;
    struct hd_aws_client *client;
    struct hd_sqs *sqs;
    struct hd_queue *queue;
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    const char *received; /* the answer to a ReceiveMessage of the normal lane */
    int failures_left;    /* of entries with the body "theirs" */
};

static int64_t bench_now_ms(const struct hd_clock *clock) {
    (void)clock;
    return NOW_MS;
}

static void fill_zero(const struct hd_random *random, void *bytes, size_t count) {
    (void)random;
    memset(bytes, 0, count);
}

/* ---- the service ---- */

static struct seen *note(struct bench *b, const char *action, const json_t *body) {
    if (b->seen_count == SEEN_MAX)
        abort();
    struct seen *seen = &b->seen[b->seen_count++];
    const json_t *entries = json_object_get(body, "Entries"), *first = json_array_get(entries, 0);
    const char *url = hd_json_str(body, "QueueUrl"), *text = hd_json_str(first, "MessageBody");
    (void)snprintf(seen->action, sizeof seen->action, "%s", action);
    (void)snprintf(seen->url, sizeof seen->url, "%s", url ? url : "");
    (void)snprintf(seen->first_body, sizeof seen->first_body, "%s", text ? text : "");
    seen->entries = json_array_size(entries);
    seen->delay_s = (int)hd_json_int(first, "DelaySeconds", -1);
    seen->visibility_s = (int)hd_json_int(first, "VisibilityTimeout", -1);
    return seen;
}

/* By the entry's text: "theirs" fails for the service's fault as often as the test says, "ours" for the sender's, and "forgotten" is in no list. */
static void answer_entry(struct bench *b, const json_t *entry, struct hd_buffer *good, struct hd_buffer *bad) {
    const char *id = hd_json_str(entry, "Id"), *text = hd_json_str(entry, "MessageBody");
    text = text ? text : hd_json_str(entry, "ReceiptHandle");
    bool theirs = strcmp(text, "theirs") == 0 && b->failures_left-- > 0, ours = strcmp(text, "ours") == 0;
    if (strcmp(text, "forgotten") == 0)
        return;
    if (theirs || ours)
        hd_buffer_printf(bad, "%s{\"Id\":\"%s\",\"SenderFault\":%s,\"Code\":\"%s\",\"Message\":\"said so\"}", bad->len ? "," : "", id,
                         ours ? "true" : "false", ours ? "InvalidMessageContents" : "InternalError");
    else
        hd_buffer_printf(good, "%s{\"Id\":\"%s\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"0\"}", good->len ? "," : "", id);
}

static void answer_batch(struct bench *b, const json_t *body, struct hd_stand_in_answer *answer) {
    static _Thread_local char text[4096];
    HD_CLEANUP(hd_buffer_free) struct hd_buffer good = {0};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer bad = {0};
    size_t at = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_object_get(body, "Entries"), at, entry) {
        const char *message = hd_json_str(entry, "MessageBody");
        if (message && strcmp(message, "poison") == 0) {
            *answer = (struct hd_stand_in_answer){
                .status = 400, .headers = "", .body = "{\"__type\":\"com.amazonaws.sqs#InvalidMessageContents\",\"message\":\"no\"}"};
            return;
        }
        answer_entry(b, entry, &good, &bad);
    }
    (void)snprintf(text, sizeof text, "{\"Successful\":[%s],\"Failed\":[%s]}", hd_buffer_text(&good), hd_buffer_text(&bad));
    answer->body = text;
}

static void serve(void *arg, const struct hd_stand_in_request *request, struct hd_stand_in_answer *answer) {
    static _Thread_local char text[256];
    struct bench *b = arg;
    const char *action = strchr(hd_stand_in_header(request, "X-Amz-Target"), '.');
    json_t *body = NULL;
    if (!action || hd_json_load(request->body, request->body_bytes, 0, &body, NULL))
        abort();
    struct seen *seen = note(b, ++action, body);
    seen->body_bytes = request->body_bytes;
    if (strcmp(action, "GetQueueUrl") == 0) {
        (void)snprintf(text, sizeof text, "{\"QueueUrl\":\"http://sqs/1/%s\"}", hd_json_str(body, "QueueName"));
        answer->body = text;
    } else if (strcmp(action, "ReceiveMessage") == 0) {
        size_t len = strlen(seen->url);
        bool normal = len > 6 && strcmp(seen->url + len - 6, "-email") == 0;
        answer->body = normal && b->received ? b->received : "{}";
        b->received = normal ? NULL : b->received;
    } else {
        answer_batch(b, body, answer);
    }
    json_decref(body);
}

/* ---- fixture ---- */

static void open_sqs(struct bench *b, const char *queues) {
    struct hd_error err = {0};
    struct hd_aws_options options = {.queues = queues, .clock = &b->clock, .random = &b->random};
    assert_int_equal(hd_aws_new(&options, &b->aws, &err), 0);
    assert_int_equal(hd_aws_client_new(b->aws, &b->client, &err), 0);
    assert_int_equal(hd_sqs_new(b->aws, b->client, &b->sqs, &err), 0);
    assert_int_equal(hd_aws_queue(b->aws, &b->queue, &err), 0);
}

static void close_sqs(struct bench *b) {
    b->queue->ops->close(b->queue);
    hd_sqs_free(b->sqs);
    hd_aws_client_free(b->client);
    hd_aws_free(b->aws);
}

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->clock.now_ms = bench_now_ms;
    b->random.fill = fill_zero;
    b->arena = hd_arena_new(ARENA_BYTES);
    b->server = hd_stand_in_new(serve, b);
    assert_non_null(b->arena);
    assert_int_equal(setenv("AWS_REGION", "eu-west-1", 1), 0);
    assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "AKID", 1), 0);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "secret", 1), 0);
    assert_int_equal(setenv("AWS_ENDPOINT_URL_SQS", hd_stand_in_url(b->server), 1), 0);
    open_sqs(b, "http://sqs/1/hd-");
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct bench *b = *state;
    close_sqs(b);
    hd_stand_in_free(b->server);
    hd_arena_free(b->arena);
    free(b);
    return 0;
}

enum { OUTGOING_MAX = 32 };

static int send_all(struct bench *b, const char *const *bodies, size_t count, struct hd_sqs_outgoing *messages, struct hd_error *err) {
    assert_true(count <= OUTGOING_MAX);
    for (size_t i = 0; i < count; i++)
        messages[i] = (struct hd_sqs_outgoing){
            .queue = HD_QUEUE_EMAIL, .lane = HD_LANE_NORMAL, .body = bodies[i], .enqueued_at_ms = NOW_MS, .code = HD_ERR_INTERNAL};
    return hd_sqs_send(b->sqs, NOW_MS, messages, count, b->arena, err);
}

#define SEND(b, messages, err, ...) \
    send_all((b), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (messages), (err))

/* ---- names ---- */

static void a_prefix_that_is_a_url_asks_for_none(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    assert_int_equal(SEND(b, messages, &err, "1"), 0);
    assert_int_equal(b->seen_count, 1);
    assert_string_equal(b->seen[0].url, "http://sqs/1/hd-email");
    assert_string_equal(hd_sqs_name(b->sqs, HD_QUEUE_EMAIL, HD_SQS_DEAD, b->arena), "hd-email-dead");
}

static void a_prefix_of_names_asks_for_each_url_once(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    close_sqs(b);
    open_sqs(b, "hd-");
    assert_int_equal(SEND(b, messages, &err, "1"), 0);
    assert_int_equal(SEND(b, messages, &err, "2"), 0);
    assert_int_equal(b->seen_count, 3);
    assert_string_equal(b->seen[0].action, "GetQueueUrl");
    assert_string_equal(b->seen[1].url, "http://sqs/1/hd-email");
    assert_string_equal(b->seen[2].first_body, "2");
}

/* ---- sending ---- */

static void batches_keep_to_ten_messages(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    const char *bodies[23];
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++)
        bodies[i] = "1";
    assert_int_equal(send_all(b, bodies, HD_ARRAY_LEN(bodies), messages, &err), 0);
    assert_int_equal(b->seen_count, 3);
    assert_int_equal(b->seen[0].entries + b->seen[1].entries + b->seen[2].entries, 23);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(b->seen[i].entries, 3, HD_SQS_BATCH_MAX);
}

static void batches_keep_to_one_mebibyte(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    enum { BODY_BYTES = 300 * 1024 };
    char *body = hd_arena_alloc(b->arena, BODY_BYTES + 1);
    assert_non_null(body);
    memset(body, 'x', BODY_BYTES);
    body[BODY_BYTES] = '\0';
    assert_int_equal(SEND(b, messages, &err, body, body, body, body), 0);
    assert_int_equal(b->seen_count, 2);
    assert_int_equal(b->seen[0].entries + b->seen[1].entries, 4);
    assert_int_equal(b->seen[0].entries == 3 ? 1 : 3, b->seen[1].entries);
}

static void the_rest_of_a_delay_is_rounded_up_to_seconds(void **state) {
    static const struct {
        int64_t due_in_ms;
        int seconds;
    } delays[] = {{-5000, -1}, {0, -1}, {1, 1}, {1000, 1}, {1001, 2}, {HD_DELAY_MAX_MS, 900}, {2 * HD_DELAY_MAX_MS, 900}};
    struct bench *b = *state;
    for (size_t i = 0; i < HD_ARRAY_LEN(delays); i++) {
        struct hd_error err = {0};
        struct hd_sqs_outgoing message = {.queue = HD_QUEUE_EMAIL, .body = "1", .due_at_ms = NOW_MS + delays[i].due_in_ms};
        assert_int_equal(hd_sqs_send(b->sqs, NOW_MS, &message, 1, b->arena, &err), 0);
        assert_int_equal(b->seen[i].delay_s, delays[i].seconds);
    }
}

static void an_entry_that_failed_for_the_services_fault_goes_again_alone(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    b->failures_left = 2;
    assert_int_equal(SEND(b, messages, &err, "1", "theirs", "2"), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(messages[i].code, 0);
    assert_int_equal(b->seen_count, 3);
    assert_int_equal(b->seen[0].entries, 3);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(b->seen[i].entries, 1);
        assert_string_equal(b->seen[i].first_body, "theirs");
    }
}

static void an_entry_that_fails_again_and_again_is_left_after_some_tries(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    b->failures_left = 1000;
    assert_int_equal(SEND(b, messages, &err, "1", "theirs", "forgotten", "2"), HD_ERR_UNAVAILABLE);
    assert_int_equal(messages[0].code, 0);
    assert_int_equal(messages[1].code, HD_ERR_UNAVAILABLE);
    assert_int_equal(messages[2].code, HD_ERR_UNAVAILABLE); /* nobody knows */
    assert_int_equal(messages[3].code, 0);
    assert_in_range(b->seen_count, 3, 20);
    assert_non_null(strstr(err.detail, "hd-email"));
    assert_non_null(strstr(err.detail, "said so"));
}

static void an_entry_that_failed_for_our_fault_is_told_at_once(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    assert_int_equal(SEND(b, messages, &err, "1", "ours", "2"), HD_ERR_INVALID);
    assert_int_equal(messages[0].code, 0);
    assert_int_equal(messages[1].code, HD_ERR_INVALID);
    assert_int_equal(messages[2].code, 0);
    assert_int_equal(b->seen_count, 1);
    assert_non_null(strstr(err.detail, "InvalidMessageContents"));
}

static void a_batch_that_is_refused_for_one_entry_loses_that_one_only(void **state) {
    struct bench *b = *state;
    struct hd_sqs_outgoing messages[OUTGOING_MAX];
    struct hd_error err = {0};
    assert_int_equal(SEND(b, messages, &err, "1", "poison", "2"), HD_ERR_INVALID);
    assert_int_equal(messages[0].code, 0);
    assert_int_equal(messages[1].code, HD_ERR_INVALID);
    assert_int_equal(messages[2].code, 0);
    assert_int_equal(b->seen_count, 4); /* together, then each alone */
}

/* ---- by receipt ---- */

static void deletions_that_fail_are_counted(void **state) {
    struct bench *b = *state;
    struct hd_message messages[] = {{.queue = HD_QUEUE_EMAIL, .receipt = "1", .lane = HD_LANE_NORMAL},
                                    {.queue = HD_QUEUE_EMAIL, .receipt = "ours", .lane = HD_LANE_NORMAL},
                                    {.queue = HD_QUEUE_EMAIL, .receipt = "2", .abandoned = true, .lane = HD_LANE_NORMAL}};
    const struct hd_message *pointers[] = {&messages[0], &messages[1], &messages[2]};
    size_t failed = 77;
    hd_sqs_delete(b->sqs, pointers, 3, b->arena, &failed);
    assert_int_equal(failed, 1);
    assert_int_equal(b->seen_count, 2);
    bool first_is_dead = strcmp(b->seen[0].url, "http://sqs/1/hd-email-dead") == 0;
    assert_string_equal(b->seen[first_is_dead].url, "http://sqs/1/hd-email");
    assert_int_equal(b->seen[first_is_dead].entries, 2);
    hd_sqs_delete(b->sqs, pointers, 0, b->arena, &failed);
    assert_int_equal(failed, 0);
    assert_int_equal(b->seen_count, 2);
}

/* ---- receiving ---- */

static int receive(struct bench *b, size_t max, struct hd_message **ret, size_t *ret_count, struct hd_error *err) {
    int64_t due_ms = 0;
    return b->queue->ops->receive(b->queue, HD_QUEUE_EMAIL, max, NOW_MS, MINUTE_MS, b->arena, ret, ret_count, &due_ms, err);
}

static void what_a_message_lacks_has_a_meaning(void **state) {
    struct bench *b = *state;
    struct hd_message *messages = NULL;
    size_t count = 0;
    struct hd_error err = {0};
    b->received = "{\"Messages\":[{\"ReceiptHandle\":\"r\"},{\"Body\":\"without a receipt\"},7,"
                  "{\"ReceiptHandle\":\"r2\",\"MessageId\":\"m\",\"Body\":\"a\\u0000b\",\"Attributes\":{\"ApproximateReceiveCount\":\"2\","
                  "\"SentTimestamp\":\"1789999999000\"},\"MessageAttributes\":{\"enqueuedAt\":{\"StringValue\":\"1789999000000\"}}},"
                  "{\"ReceiptHandle\":\"r3\",\"Body\":\"c\",\"Attributes\":{\"ApproximateReceiveCount\":\"many\","
                  "\"SentTimestamp\":\"1789999999000\"},\"MessageAttributes\":{\"enqueuedAt\":{\"StringValue\":\"1790000059001\"}}}]}";
    assert_int_equal(receive(b, 10, &messages, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_string_equal(messages[0].body, "");
    assert_null(messages[0].message_id);
    assert_int_equal(messages[0].receive_count, 1);
    assert_int_equal(messages[0].enqueued_at_ms, 0);
    assert_string_equal(messages[1].body, "a");
    assert_string_equal(messages[1].message_id, "m");
    assert_int_equal(messages[1].receive_count, 2);
    assert_int_equal(messages[1].enqueued_at_ms, INT64_C(1789999000000));
    assert_int_equal(messages[2].receive_count, 1);
    assert_int_equal(messages[2].enqueued_at_ms, INT64_C(1789999999000)); /* more than a minute after it was sent: not believed */
}

static void more_than_was_asked_for_is_made_visible_again(void **state) {
    struct bench *b = *state;
    struct hd_message *messages = NULL;
    size_t count = 0;
    struct hd_error err = {0};
    b->received = "{\"Messages\":[{\"ReceiptHandle\":\"1\",\"Body\":\"1\"},{\"ReceiptHandle\":\"2\",\"Body\":\"2\"},"
                  "{\"ReceiptHandle\":\"3\",\"Body\":\"3\"}]}";
    assert_int_equal(receive(b, 2, &messages, &count, &err), 0);
    assert_int_equal(count, 2);
    const struct seen *last = &b->seen[b->seen_count - 1];
    assert_string_equal(last->action, "ChangeMessageVisibilityBatch");
    assert_int_equal(last->entries, 1);
    assert_int_equal(last->visibility_s, 0);
}

static void an_answer_that_cannot_be_read_is_the_services_failure(void **state) {
    struct bench *b = *state;
    struct hd_message *messages = (void *)b;
    size_t count = 77;
    struct hd_error err = {0};
    b->received = "{\"Messages\":[";
    assert_int_equal(receive(b, 10, &messages, &count, &err), HD_ERR_UNAVAILABLE);
    assert_ptr_equal(messages, b);
    assert_int_equal(count, 77);
    b->received = "{\"Messages\":\"none\"}";
    assert_int_equal(receive(b, 10, &messages, &count, &err), 0);
    assert_int_equal(count, 0);
}

#define SQS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SQS_TEST(a_prefix_that_is_a_url_asks_for_none),
        SQS_TEST(a_prefix_of_names_asks_for_each_url_once),
        SQS_TEST(batches_keep_to_ten_messages),
        SQS_TEST(batches_keep_to_one_mebibyte),
        SQS_TEST(the_rest_of_a_delay_is_rounded_up_to_seconds),
        SQS_TEST(an_entry_that_failed_for_the_services_fault_goes_again_alone),
        SQS_TEST(an_entry_that_fails_again_and_again_is_left_after_some_tries),
        SQS_TEST(an_entry_that_failed_for_our_fault_is_told_at_once),
        SQS_TEST(a_batch_that_is_refused_for_one_entry_loses_that_one_only),
        SQS_TEST(deletions_that_fail_are_counted),
        SQS_TEST(what_a_message_lacks_has_a_meaning),
        SQS_TEST(more_than_was_asked_for_is_made_visible_again),
        SQS_TEST(an_answer_that_cannot_be_read_is_the_services_failure),
    };
    hd_json_init();
    return cmocka_run_group_tests_name("sqs", tests, NULL, NULL);
}
