#include "adapters/aws/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static struct hd_arena *arena;

static struct hd_aws_answer read_answer(long status, const char *body, const char *error_type, const char *query_error) {
    struct hd_aws_answer answer;
    hd_aws_read_answer(status, body, strlen(body), error_type, query_error, arena, &answer);
    return answer;
}

static void types_come_bare_from_wherever_they_stand(void **state) {
    (void)state;
    static const struct {
        const char *body, *error_type, *query_error, *type, *message;
    } cases[] = {
        {"{\"__type\":\"com.amazonaws.dynamodb.v20120810#ValidationException\",\"message\":\"no\"}", "", "", "ValidationException", "no"},
        {"{\"__type\":\"com.amazon.coral.service#AccessDeniedException\",\"Message\":\"no\"}", "", "", "AccessDeniedException", "no"},
        {"{\"message\":\"no\"}", "MessageRejected:http://internal.amazon.com/coral/", "", "MessageRejected", "no"},
        {"{\"message\":null}", "", "AWS.SimpleQueueService.NonExistentQueue;Sender", "AWS.SimpleQueueService.NonExistentQueue", ""},
        {"{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"no\"}", "", "AWS.SimpleQueueService.NonExistentQueue;Sender",
         "QueueDoesNotExist", "no"},
        {"<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\n <Error><Type>Sender</Type><Code>InvalidParameter</Code>"
         "<Message>a &lt;b&gt; &amp;c</Message></Error></ErrorResponse>",
         "", "", "InvalidParameter", "a <b> &c"},
        {"\n <?xml version=\"1.0\"?><ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", "", "", "Throttling", ""},
        {"<html>502</html>", "", "", "", ""},
        {"", "", "", "", ""},
        {"[1]", "", "", "", ""},
        {"{\"__type\":7}", "Left", "", "Left", ""},
        {"{\"__type\":\"A\",\"message\":\"two\\nlines\\u0001\"}", "", "", "A", "two lines "},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_aws_answer answer = read_answer(400, cases[i].body, cases[i].error_type, cases[i].query_error);
        assert_string_equal(answer.type, cases[i].type);
        assert_string_equal(answer.message, cases[i].message);
    }
}

static void what_is_done_about_it_hangs_on_the_type_and_else_on_the_status(void **state) {
    (void)state;
    static const struct {
        long status;
        const char *type;
        enum hd_aws_verdict verdict;
        enum hd_code code;
    } cases[] = {
        {400, "ThrottlingException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
        {503, "SlowDown", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
        {429, "", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
        {400, "TransactionInProgressException", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
        {500, "SomethingNew", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
        {502, "", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
        {408, "", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
        {403, "SignatureDoesNotMatch", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
        {400, "ExpiredTokenException", HD_AWS_KEYS, HD_ERR_CONFIGURATION},
        {400, "AccessDeniedException", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
        {400, "QueueDoesNotExist", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
        {403, "SomethingNew", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
        {301, "", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
        {404, "", HD_AWS_REFUSED, HD_ERR_INVALID},
        {400, "TransactionCanceledException", HD_AWS_REFUSED, HD_ERR_INVALID},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_aws_answer answer = read_answer(cases[i].status, "", cases[i].type, "");
        assert_int_equal(answer.verdict, cases[i].verdict);
        assert_int_equal(answer.code, cases[i].code);
    }
}

static void without_memory_the_status_alone_counts(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *none = hd_arena_new(0);
    static const char body[] = "{\"__type\":\"ThrottlingException\",\"message\":\"later\"}";
    struct hd_aws_answer answer;
    hd_aws_read_answer(503, body, sizeof body - 1, "", "", none, &answer);
    assert_int_equal(answer.verdict, HD_AWS_FAULT);
    assert_string_equal(answer.type, "");
    assert_string_equal(answer.message, "");
}

int main(void) {
    hd_json_init();
    arena = hd_arena_new(1024 * 1024);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_come_bare_from_wherever_they_stand),
        cmocka_unit_test(what_is_done_about_it_hangs_on_the_type_and_else_on_the_status),
        cmocka_unit_test(without_memory_the_status_alone_counts),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hd_arena_free(arena);
    return failed;
}
