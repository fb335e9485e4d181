#include "serverless/stream_event.h"

#include <string.h>

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

static json_t *parse(const char *text) {
    json_t *json = NULL;
    assert_int_equal(hd_json_parse(arena, text, strlen(text), HD_JSON_ALLOW_NUL, &json, NULL), 0);
    return json;
}

#define RECORD(name, pk, sk, rest)                                                                                                         \
    "{\"eventID\":\"1\",\"eventName\":\"" name "\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\"," \
    "\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":\"" pk "\"},\"sk\":{\"S\":\"" sk "\"}},\"SequenceNumber\":\"111\"" rest                         \
    "},\"eventSourceARN\":\"x\"}"

static const struct hd_stream_record *read_records(const char *text, size_t want) {
    const struct hd_stream_record *records = NULL;
    size_t count = 0;
    assert_int_equal(hd_stream_event_read(arena, parse(text), &records, &count, NULL), 0);
    assert_int_equal(count, want);
    return records;
}

static void records_have_keys_sequence_and_image(void **state) {
    (void)state;
    const struct hd_stream_record *records =
        read_records("{\"Records\":[" RECORD("INSERT", "O#03", "0001#x",
                                             ",\"NewImage\":{\"m\":{\"S\":\"a\"}}") "," RECORD("REMOVE", "O#03", "0001#x", "") "]}",
                     2);
    assert_string_equal(records[0].pk, "O#03");
    assert_string_equal(records[0].sk, "0001#x");
    assert_string_equal(records[0].sequence, "111");
    assert_true(records[0].inserted);
    assert_non_null(records[0].image);
    assert_false(records[1].inserted);
    assert_null(records[1].image);
}

static void an_event_of_another_shape_is_refused(void **state) {
    (void)state;
    static const char of_another_key[] =
        "{\"Records\":[{\"eventSource\":\"aws:dynamodb\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"pk\":{\"N\":\"1\"},\"sk\":{\"S\":\"a\"}},"
        "\"SequenceNumber\":\"1\"}}]}";
    static const char *const events[] = {
        "null", "{}", "{\"Records\":1}", "{\"Records\":[{}]}", "{\"Records\":[{\"eventSource\":\"aws:sqs\"}]}", of_another_key};
    for (size_t i = 0; i < HD_ARRAY_LEN(events); i++) {
        const struct hd_stream_record *records = NULL;
        size_t count = 0;
        if (hd_stream_event_read(arena, parse(events[i]), &records, &count, NULL) != HD_ERR_MALFORMED)
            fail_msg("taken: %s", events[i]);
        assert_null(records);
    }
}

static void a_schedule_is_told_from_a_stream(void **state) {
    (void)state;
    assert_true(hd_event_is_schedule(
        parse("{\"version\":\"0\",\"detail-type\":\"Scheduled Event\",\"source\":\"aws.scheduler\",\"detail\":\"{}\"}")));
    assert_false(hd_event_is_schedule(parse("{\"Records\":[]}")));
    assert_false(hd_event_is_schedule(parse("{\"detail-type\":\"EC2 Instance State-change Notification\"}")));
    assert_false(hd_event_is_schedule(parse("[\"Scheduled Event\"]")));
}

static void the_answer_names_where_to_begin_again(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    hd_stream_event_answer(&out, "111");
    assert_string_equal(hd_buffer_text(&out), "{\"batchItemFailures\":[{\"itemIdentifier\":\"111\"}]}");
    hd_buffer_clear(&out);
    hd_stream_event_answer(&out, NULL);
    assert_string_equal(hd_buffer_text(&out), "{\"batchItemFailures\":[]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_keys_sequence_and_image),
        cmocka_unit_test(an_event_of_another_shape_is_refused),
        cmocka_unit_test(a_schedule_is_told_from_a_stream),
        cmocka_unit_test(the_answer_names_where_to_begin_again),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
