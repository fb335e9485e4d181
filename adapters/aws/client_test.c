/* Requests against a server of the test's own, which checks each signature and does what a script says. */
#include "adapters/aws/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "adapters/aws/sigv4.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "tests/support/stand_in.h"
#include "tests/support/tls.h"

#define NOW_MS INT64_C(1790000000000)
enum { SEEN_MAX = 512, ARENA_BYTES = 64 * 1024 * 1024 };

#define SAYS(http_status, text) \
    { .way = HD_STAND_IN_ANSWERS, .status = (http_status), .headers = "", .body = (text) }
#define DOES(what) \
    { .way = (what), .status = 200, .headers = "", .body = "{}" }
#define ERROR_OF(type) "{\"__type\":\"com.amazonaws.test#" type "\",\"message\":\"said so\"}"

/* A request as it came. */
struct seen {
    int connection;
    char body[128], amz_date[32], key[64];
    bool signature_holds;
};

/* A client, its clock, and the service that it talks to. */
struct bench {
    struct hd_clock clock; /* first */
    int64_t now_ms;
    struct hd_random random;
    struct hd_arena *arena;
    struct hd_stand_in *server;
    struct hd_aws *aws;
    struct hd_aws_client *client;
    const struct hd_stand_in_answer *script; /* the last one is for all that follow */
    size_t script_len;
    const char *secret;
    int64_t service_ms; /* its clock, when it looks at it */
    int hold;           /* this many requests are answered together */
    bool echo;          /* the answer is the request's body */
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    int keys_given;
};

static int64_t bench_now_ms(const struct hd_clock *clock) {
    return ((const struct bench *)(const void *)clock)->now_ms;
}

/* No jitter: all pauses are of 0 ms. */
static void fill_zero(const struct hd_random *random, void *bytes, size_t count) {
    (void)random;
    memset(bytes, 0, count);
}

/* ---- the service ---- */

static bool signature_holds(struct bench *b, const struct hd_stand_in_request *request) {
    char authorization[1024], key[64], region[64], service[64];
    (void)snprintf(authorization, sizeof authorization, "%s", hd_stand_in_header(request, "Authorization"));
    if (sscanf(authorization, "AWS4-HMAC-SHA256 Credential=%63[^/]/%*[^/]/%63[^/]/%63[^/]/", key, region, service) != 3)
        return false;
    (void)snprintf(b->seen[b->seen_count].key, sizeof b->seen[0].key, "%s", key);
    struct hd_sigv4_header headers[3] = {{"host", hd_stand_in_header(request, "Host")},
                                         {"content-type", hd_stand_in_header(request, "Content-Type")},
                                         {"x-amz-target", hd_stand_in_header(request, "X-Amz-Target")}};
    char path[512];
    (void)snprintf(path, sizeof path, "%s", request->target);
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    const struct hd_sigv4_request to_sign = {.method = request->method,
                                             .path = path,
                                             .query = query,
                                             .headers = headers,
                                             .header_count = headers[2].value[0] ? 3 : 2,
                                             .body = request->body,
                                             .body_bytes = request->body_bytes};
    char token[512], date[32], text[32];
    (void)snprintf(token, sizeof token, "%s", hd_stand_in_header(request, "X-Amz-Security-Token"));
    (void)snprintf(date, sizeof date, "%s", hd_stand_in_header(request, "X-Amz-Date"));
    (void)snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date, date + 4, date + 6, date + 9, date + 11, date + 13);
    struct hd_sigv4_scope scope = {.region = region, .service = service};
    const struct hd_sigv4_keys keys = {key, b->secret, token};
    struct hd_sigv4_signed made;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    return hd_time_parse(text, &scope.time_ms) && hd_sigv4_sign_headers(&to_sign, &keys, &scope, arena, &made, NULL) == 0 &&
           strcmp(made.authorization, authorization) == 0;
}

static void give_keys(struct bench *b, struct hd_stand_in_answer *answer) {
    static _Thread_local char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"AccessKeyId\":\"KEY%d\",\"SecretAccessKey\":\"secret\",\"Token\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}",
                   ++b->keys_given);
    answer->body = body;
}

/* A service that minds the time: five minutes off at most. */
static bool refuses_time(const struct bench *b, const char *amz_date, struct hd_stand_in_answer *answer) {
    static _Thread_local char headers[128];
    struct hd_time_text low = hd_time_format(b->service_ms - 300000), high = hd_time_format(b->service_ms + 300000);
    char compact[2][32];
    for (int i = 0; i < 2; i++) {
        const char *text = i ? high.text : low.text;
        (void)snprintf(compact[i], sizeof compact[i], "%.4s%.2s%.2sT%.2s%.2s%.2sZ", text, text + 5, text + 8, text + 11, text + 14,
                       text + 17);
    }
    if (strcmp(amz_date, compact[0]) >= 0 && strcmp(amz_date, compact[1]) <= 0)
        return false;
    time_t seconds = (time_t)(b->service_ms / 1000);
    struct tm tm;
    (void)strftime(headers, sizeof headers, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&seconds, &tm));
    *answer = (struct hd_stand_in_answer){.status = 400, .headers = headers, .body = ERROR_OF("InvalidSignatureException")};
    return true;
}

static void serve(void *arg, const struct hd_stand_in_request *request, struct hd_stand_in_answer *answer) {
    struct bench *b = arg;
    if (strcmp(request->target, "/keys") == 0) {
        give_keys(b, answer);
        return;
    }
    if (b->seen_count == SEEN_MAX)
        abort();
    struct seen *seen = &b->seen[b->seen_count];
    seen->connection = request->connection;
    (void)snprintf(seen->body, sizeof seen->body, "%s", request->body);
    (void)snprintf(seen->amz_date, sizeof seen->amz_date, "%s", hd_stand_in_header(request, "X-Amz-Date"));
    seen->signature_holds = signature_holds(b, request);
    size_t at = b->seen_count++;
    if (b->service_ms && refuses_time(b, seen->amz_date, answer))
        return;
    if (b->script_len > 0)
        *answer = b->script[at < b->script_len ? at : b->script_len - 1];
    if (b->echo)
        answer->body = seen->body;
    if (b->hold > 0)
        answer->not_before_request = ((int)at / b->hold + 1) * b->hold;
}

/* ---- fixture ---- */

static void clean_environment(void) {
    static const char *const names[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_DYNAMODB",
                                        "AWS_ENDPOINT_URL_SQS",
                                        "AWS_ENDPOINT_URL_SES",
                                        "AWS_ENDPOINT_URL_SNS",
                                        "AWS_CA_BUNDLE",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
}

static int set_up(void **state) {
    static struct bench bench;
    struct bench *b = &bench;
    memset(b, 0, sizeof *b);
    b->clock.now_ms = bench_now_ms;
    b->random.fill = fill_zero;
    b->now_ms = NOW_MS;
    b->secret = "secret";
    b->arena = hd_arena_new(ARENA_BYTES);
    b->server = hd_stand_in_new(serve, b);
    clean_environment();
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL", hd_stand_in_url(b->server), 1);
    setenv("AWS_ACCESS_KEY_ID", "KEY", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    *state = b;
    return b->arena ? 0 : -1;
}

static int tear_down(void **state) {
    struct bench *b = *state;
    hd_aws_client_free(b->client);
    hd_aws_free(b->aws);
    hd_stand_in_free(b->server);
    hd_arena_free(b->arena);
    return 0;
}

/* The environment is as the test wants it. */
static void open_client(struct bench *b) {
    const struct hd_aws_options options = {.clock = &b->clock, .random = &b->random};
    struct hd_error err;
    if (hd_aws_new(&options, &b->aws, &err) < 0 || hd_aws_client_new(b->aws, &b->client, &err) < 0)
        fail_msg("%s", err.detail);
}

#define SCRIPT(b, ...)                                                           \
    do {                                                                         \
        static const struct hd_stand_in_answer script_answers[] = {__VA_ARGS__}; \
        (b)->script = script_answers;                                            \
        (b)->script_len = HD_ARRAY_LEN(script_answers);                          \
        open_client(b);                                                          \
    } while (0)

static const struct hd_aws_request get_item = {
    .service = HD_AWS_DYNAMODB, .target = "DynamoDB_20120810.GetItem", .body = "{\"a\":1}", .body_bytes = 7};

static struct hd_aws_response call(struct bench *b, const struct hd_aws_request *request) {
    struct hd_aws_response response;
    (void)hd_stand_in_requests(b->server); /* what the test wrote is seen by the server's thread */
    assert_int_equal(hd_aws_call_all(b->client, request, 1, b->arena, &response, NULL), 0);
    (void)hd_stand_in_requests(b->server); /* and the other way round */
    return response;
}

static void sentence_is(const struct hd_aws_request *request, const struct hd_aws_response *response, const char *expected) {
    struct hd_error err;
    assert_int_equal(hd_aws_response_error(request, response, &err), response->code);
    assert_string_equal(err.detail, expected);
}

/* ---- what is sent ---- */

static void a_request_is_signed_and_its_answer_returned(void **state) {
    struct bench *b = *state;
    setenv("AWS_SESSION_TOKEN", "the/token==", 1);
    SCRIPT(b, SAYS(200, "{\"Item\":{}}"));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.http_status, 200);
    assert_int_equal(response.tries, 1);
    assert_false(response.unsure);
    assert_string_equal(response.body, "{\"Item\":{}}");
    assert_int_equal(response.body_bytes, 11);
    assert_string_equal(b->seen[0].body, get_item.body);
    assert_string_equal(b->seen[0].amz_date, "20260921T141320Z");
    assert_string_equal(b->seen[0].key, "KEY");
    assert_true(b->seen[0].signature_holds);
}

static void each_service_gets_its_way_of_asking(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    const struct hd_aws_request requests[] = {
        {.service = HD_AWS_SQS, .target = "AmazonSQS.ListQueues", .body = "{}", .body_bytes = 2},
        {.service = HD_AWS_SNS, .body = "Action=Publish&Message=a%20b", .body_bytes = 28},
        {.service = HD_AWS_SES, .path = "/v2/email/identities/a%40b.org?x=1&b=%2F", .method = "GET"},
        {.service = HD_AWS_SES, .path = "/v2/email/outbound-emails", .body = "{}", .body_bytes = 2},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(requests); i++) {
        assert_int_equal(call(b, &requests[i]).code, 0);
        assert_true(b->seen[i].signature_holds);
        assert_string_equal(b->seen[i].body, requests[i].body ? requests[i].body : "");
    }
}

static void an_endpoint_with_a_path_is_signed_with_it(void **state) {
    struct bench *b = *state;
    char url[128];
    (void)snprintf(url, sizeof url, "%s/base/", hd_stand_in_url(b->server));
    setenv("AWS_ENDPOINT_URL_DYNAMODB", url, 1);
    SCRIPT(b, SAYS(200, "{}"));
    assert_int_equal(call(b, &get_item).code, 0);
    assert_true(b->seen[0].signature_holds);
}

static void a_transfer_is_signed_for_the_dispatcher(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    struct hd_transfer transfer;
    assert_int_equal(hd_aws_sign_transfer(b->aws, &get_item, b->arena, &transfer, NULL), 0);
    char url[128];
    (void)snprintf(url, sizeof url, "%s/", hd_stand_in_url(b->server));
    assert_int_equal(transfer.kind, HD_TRANSFER_HTTP);
    assert_string_equal(transfer.url, url);
    assert_string_equal(transfer.method, "POST");
    assert_ptr_equal(transfer.body, get_item.body);
    assert_int_equal(transfer.timeout_ms, HD_AWS_TIMEOUT_MS);
    static const char *const begins[] = {"Host: 127.0.0.1:", "Content-Type: application/x-amz-json-1.0",
                                         "X-Amz-Target: DynamoDB_20120810.GetItem", "X-Amz-Date: 20260921T141320Z",
                                         "Authorization: AWS4-HMAC-SHA256 Credential=KEY/20260921/eu-west-1/dynamodb/aws4_request, "};
    for (size_t i = 0; i < HD_ARRAY_LEN(begins); i++)
        assert_memory_equal(transfer.headers[i], begins[i], strlen(begins[i]));
    assert_null(transfer.headers[HD_ARRAY_LEN(begins)]);
}

static void the_environments_proxy_is_not_asked(void **state) {
    struct bench *b = *state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    SCRIPT(b, SAYS(200, "{}"));
    assert_int_equal(call(b, &get_item).code, 0);
    unsetenv("http_proxy");
}

/* ---- repeating ---- */

static void faults_and_throttling_are_repeated_with_the_same_bytes(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(500, ERROR_OF("InternalServerError")), SAYS(400, ERROR_OF("ThrottlingException")), SAYS(503, "busy"), SAYS(200, "{}"));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.tries, 4);
    assert_int_equal(b->seen_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(b->seen[i].body, get_item.body);
        assert_true(b->seen[i].signature_holds);
    }
}

static void a_fault_to_the_end_may_have_been_done(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(500, ERROR_OF("InternalServerError")));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, HD_AWS_TRIES_MAX);
    assert_int_equal(b->seen_count, HD_AWS_TRIES_MAX);
    assert_true(response.unsure);
    sentence_is(&get_item, &response, "DynamoDB GetItem: InternalServerError: said so");
}

static void what_was_throttled_to_the_end_was_not_done(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(400, ERROR_OF("ProvisionedThroughputExceededException")));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, HD_AWS_TRIES_MAX);
    assert_string_equal(response.type, "ProvisionedThroughputExceededException");
    assert_false(response.unsure);
}

static void a_refusal_is_not_repeated(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(400, ERROR_OF("ValidationException")), SAYS(403, ERROR_OF("AccessDeniedException")),
           SAYS(400, ERROR_OF("ResourceNotFoundException")), SAYS(413, "too long"));
    static const enum hd_code codes[] = {HD_ERR_INVALID, HD_ERR_CONFIGURATION, HD_ERR_CONFIGURATION, HD_ERR_INVALID};
    static const char *const sentences[] = {"DynamoDB GetItem: ValidationException: said so",
                                            "DynamoDB GetItem: AccessDeniedException: said so",
                                            "DynamoDB GetItem: ResourceNotFoundException: said so", "DynamoDB GetItem: HTTP 413"};
    for (size_t i = 0; i < HD_ARRAY_LEN(codes); i++) {
        struct hd_aws_response response = call(b, &get_item);
        assert_int_equal(response.code, codes[i]);
        assert_int_equal(response.tries, 1);
        assert_false(response.unsure);
        sentence_is(&get_item, &response, sentences[i]);
    }
    struct hd_aws_response untouched = {.tries = 77};
    struct hd_error err;
    assert_int_equal(hd_aws_call(b->client, &get_item, b->arena, &untouched, &err), HD_ERR_INVALID);
    assert_string_equal(err.detail, "DynamoDB GetItem: HTTP 413");
}

static void a_lost_answer_is_asked_for_again_and_remembered(void **state) {
    struct bench *b = *state;
    SCRIPT(b, DOES(HD_STAND_IN_DROPS), SAYS(400, ERROR_OF("ConditionalCheckFailedException")));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_INVALID);
    assert_int_equal(response.tries, 2);
    assert_true(response.unsure); /* the first may have done it, and be what the condition failed for */
    assert_string_equal(response.type, "ConditionalCheckFailedException");
    assert_string_equal(b->seen[1].body, get_item.body);
}

static void an_answer_that_breaks_off_is_asked_for_again(void **state) {
    struct bench *b = *state;
    SCRIPT(b, DOES(HD_STAND_IN_BREAKS_OFF), SAYS(200, "{\"whole\":1}"));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.tries, 2);
    assert_string_equal(response.body, "{\"whole\":1}");
}

static void answers_lost_to_the_end_are_an_error_that_is_unsure(void **state) {
    struct bench *b = *state;
    SCRIPT(b, DOES(HD_STAND_IN_DROPS));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, HD_AWS_TRIES_MAX);
    assert_int_equal(response.http_status, 0);
    assert_true(response.unsure);
    assert_int_equal(b->seen_count, HD_AWS_TRIES_MAX);
}

static void silence_ends_at_the_time_limit_and_the_next_try_has_a_connection_of_its_own(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"), DOES(HD_STAND_IN_IS_SILENT), SAYS(200, "{\"late\":1}"));
    assert_int_equal(call(b, &get_item).code, 0);
    struct hd_aws_request impatient = get_item;
    impatient.timeout_ms = 300;
    struct hd_aws_response response = call(b, &impatient);
    assert_int_equal(response.code, 0);
    assert_true(response.tries >= 2); /* more, where this thread got no turn for so long */
    assert_string_equal(response.body, "{\"late\":1}");
    assert_int_not_equal(b->seen[2].connection, b->seen[1].connection);
}

static void silence_to_the_end_says_how_long_it_was_waited_for(void **state) {
    struct bench *b = *state;
    SCRIPT(b, DOES(HD_STAND_IN_IS_SILENT));
    struct hd_aws_request impatient = get_item;
    impatient.timeout_ms = 100;
    struct hd_aws_response response = call(b, &impatient);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_true(response.unsure);
    sentence_is(&impatient, &response, "DynamoDB GetItem: no answer within 100 ms");
}

static void all_requests_end_when_the_process_must_and_later_ones_are_not_sent(void **state) {
    struct bench *b = *state;
    SCRIPT(b, DOES(HD_STAND_IN_IS_SILENT));
    hd_aws_end_within(b->aws, 200); /* far below a try's limit */
    int64_t began_ms = hd_monotonic_ms();
    struct hd_aws_response response = call(b, &get_item);
    assert_true(hd_monotonic_ms() - began_ms >= 200);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, 1);
    assert_true(response.unsure);
    response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, 0);
    assert_false(response.unsure);
    sentence_is(&get_item, &response, "DynamoDB GetItem: there is no time left for it");
    assert_int_equal(b->seen_count, 1);
}

static void a_client_may_have_a_limit_of_its_own(void **state) {
    struct bench *b = *state;
    SCRIPT(b, DOES(HD_STAND_IN_IS_SILENT), SAYS(200, "{}"));
    hd_aws_client_end_within(b->client, 200);
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_true(response.unsure);
    hd_aws_client_end_within(b->client, INT64_MAX);
    assert_int_equal(call(b, &get_item).code, 0);
}

static void a_limit_that_is_lifted_holds_no_more(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    hd_aws_end_within(b->aws, 0);
    assert_int_equal(call(b, &get_item).code, HD_ERR_UNAVAILABLE);
    hd_aws_end_within(b->aws, INT64_MAX);
    assert_int_equal(call(b, &get_item).code, 0);
    assert_int_equal(b->seen_count, 1);
}

static void who_does_not_listen_has_done_nothing(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    hd_stand_in_free(b->server);
    b->server = NULL;
    struct hd_aws_response response;
    assert_int_equal(hd_aws_call_all(b->client, &get_item, 1, b->arena, &response, NULL), 0);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, HD_AWS_TRIES_MAX);
    assert_false(response.unsure);
}

static void a_wish_to_wait_for_long_is_told_to_the_caller_at_once(void **state) {
    struct bench *b = *state;
    SCRIPT(b, {.status = 503, .headers = "Retry-After: 60\r\n", .body = ERROR_OF("ServiceUnavailable")});
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(response.tries, 1);
}

static void an_outage_is_not_answered_by_a_storm(void **state) {
    struct bench *b = *state;
    enum { CALLS = 60, REPETITIONS = 100 }; /* 500 tokens, 5 each */
    SCRIPT(b, SAYS(500, "down"));
    struct hd_aws_request requests[CALLS];
    struct hd_aws_response responses[CALLS];
    for (size_t i = 0; i < CALLS; i++)
        requests[i] = get_item;
    assert_int_equal(hd_aws_call_all(b->client, requests, CALLS, b->arena, responses, NULL), 0);
    assert_int_equal(hd_stand_in_requests(b->server), CALLS + REPETITIONS);
    assert_int_equal(call(b, &get_item).tries, 1);
}

static void what_goes_well_earns_repetitions(void **state) {
    struct bench *b = *state;
    enum { CALLS = 60, GOOD = 5 };
    SCRIPT(b, SAYS(500, "down"));
    struct hd_aws_request requests[CALLS];
    struct hd_aws_response responses[CALLS];
    for (size_t i = 0; i < CALLS; i++)
        requests[i] = get_item;
    assert_int_equal(hd_aws_call_all(b->client, requests, CALLS, b->arena, responses, NULL), 0);
    static const struct hd_stand_in_answer good = SAYS(200, "{}"), bad = SAYS(500, "down");
    b->script = &good;
    b->script_len = 1;
    for (int i = 0; i < GOOD; i++)
        assert_int_equal(call(b, &get_item).code, 0);
    b->script = &bad;
    assert_int_equal(call(b, &get_item).tries, 2);
    assert_int_equal(call(b, &get_item).tries, 1);
}

/* ---- connections ---- */

static void requests_in_turn_share_a_connection(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    for (int i = 0; i < 10; i++)
        assert_int_equal(call(b, &get_item).code, 0);
    assert_int_equal(hd_stand_in_connections(b->server), 1);
}

static void a_kept_connection_that_was_closed_meanwhile_costs_no_try(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    assert_int_equal(call(b, &get_item).code, 0);
    hd_stand_in_close_idle(b->server);
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.tries, 1);
    assert_int_equal(hd_stand_in_connections(b->server), 2);
}

static void connections_that_a_frozen_process_kept_are_not_trusted(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    assert_int_equal(call(b, &get_item).code, 0);
    b->now_ms += 29 * 1000;
    assert_int_equal(call(b, &get_item).code, 0);
    assert_int_equal(hd_stand_in_connections(b->server), 1);
    b->now_ms += 31 * 1000; /* and by the monotonic clock no time has passed */
    assert_int_equal(call(b, &get_item).code, 0);
    assert_int_equal(hd_stand_in_connections(b->server), 2);
}

static void a_kept_connection_that_dies_under_a_request_leaves_it_unsure(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"), DOES(HD_STAND_IN_DROPS), SAYS(400, ERROR_OF("ConditionalCheckFailedException")));
    assert_int_equal(call(b, &get_item).code, 0);
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(b->seen_count, 3);
    assert_string_equal(b->seen[2].body, get_item.body);
    assert_int_equal(response.code, HD_ERR_INVALID);
    assert_true(response.unsure);
}

static void many_go_at_once_as_far_as_connections_do_and_each_gets_its_own_answer(void **state) {
    struct bench *b = *state;
    enum { CALLS = 3 * HD_AWS_CONNECTIONS_MAX };
    b->hold = HD_AWS_CONNECTIONS_MAX; /* whoever sends fewer at once waits for ever */
    b->echo = true;
    SCRIPT(b, SAYS(200, "{}"));
    static char bodies[CALLS][16];
    struct hd_aws_request requests[CALLS];
    struct hd_aws_response responses[CALLS];
    for (int i = 0; i < CALLS; i++) {
        requests[i] = get_item;
        requests[i].body = bodies[i];
        requests[i].body_bytes = (size_t)snprintf(bodies[i], sizeof bodies[i], "{\"n\":%d}", i);
    }
    assert_int_equal(hd_aws_call_all(b->client, requests, CALLS, b->arena, responses, NULL), 0);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(responses[i].code, 0);
        assert_string_equal(responses[i].body, bodies[i]);
    }
    assert_int_equal(hd_stand_in_connections(b->server), HD_AWS_CONNECTIONS_MAX);
}

static void none_at_all_is_nothing_to_do(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(200, "{}"));
    assert_int_equal(hd_aws_call_all(b->client, NULL, 0, b->arena, NULL, NULL), 0);
}

static struct hd_aws_response call_tls(struct bench *b, const struct hd_tls *tls, const char *host, const char *ca_file) {
    char url[64];
    (void)snprintf(url, sizeof url, "https://%s:%d", host, hd_tls_port(tls));
    setenv("AWS_ENDPOINT_URL", url, 1);
    unsetenv("AWS_CA_BUNDLE");
    if (ca_file)
        setenv("AWS_CA_BUNDLE", ca_file, 1);
    open_client(b);
    struct hd_aws_response response = call(b, &get_item);
    hd_aws_client_free(b->client);
    hd_aws_free(b->aws);
    b->client = NULL;
    b->aws = NULL;
    return response;
}

static void a_certificate_must_be_trusted_and_for_the_name_that_was_asked(void **state) {
    struct bench *b = *state;
    struct hd_tls *tls = hd_tls_new();
    struct hd_aws_response stranger = call_tls(b, tls, "localhost", NULL);
    struct hd_aws_response other_name = call_tls(b, tls, "127.0.0.1", hd_tls_certificate(tls));
    assert_int_equal(hd_tls_requests(tls), 0); /* nothing was sent before that was known */
    struct hd_aws_response right = call_tls(b, tls, "localhost", hd_tls_certificate(tls));
    assert_int_equal(stranger.code, HD_ERR_CONFIGURATION);
    assert_int_equal(stranger.tries, 1);
    assert_int_equal(other_name.code, HD_ERR_CONFIGURATION);
    assert_int_equal(other_name.tries, 1);
    assert_int_equal(right.code, 0);
    assert_string_equal(right.body, "{}");
    hd_tls_free(tls);
}

/* ---- the clock, the keys ---- */

static void a_clock_that_is_wrong_is_corrected_once_for_all_requests(void **state) {
    struct bench *b = *state;
    b->service_ms = NOW_MS + 3600 * 1000;
    SCRIPT(b, SAYS(200, "{}"));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.tries, 2);
    assert_string_equal(b->seen[1].amz_date, "20260921T151320Z");
    assert_int_equal(call(b, &get_item).tries, 1);
    b->now_ms = b->service_ms; /* somebody has put it right */
    response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.tries, 2);
}

static void a_clock_that_is_wrong_fails_none_of_the_requests_that_are_under_way(void **state) {
    struct bench *b = *state;
    enum { CALLS = 16 };
    b->service_ms = NOW_MS - 3600 * 1000;
    SCRIPT(b, SAYS(200, "{}"));
    struct hd_aws_request requests[CALLS];
    struct hd_aws_response responses[CALLS];
    for (int i = 0; i < CALLS; i++)
        requests[i] = get_item;
    assert_int_equal(hd_aws_call_all(b->client, requests, CALLS, b->arena, responses, NULL), 0);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(responses[i].code, 0);
        assert_int_equal(responses[i].tries, 2);
    }
}

static void a_signature_that_is_refused_though_the_clock_is_right_is_a_wrong_secret(void **state) {
    struct bench *b = *state;
    SCRIPT(b, {.status = 403, .headers = "Date: Mon, 21 Sep 2026 14:13:25 GMT\r\n", .body = ERROR_OF("InvalidSignatureException")});
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_CONFIGURATION);
    assert_int_equal(response.tries, 1);
}

static void use_container(struct bench *b) {
    static char url[128];
    (void)snprintf(url, sizeof url, "%s/keys", hd_stand_in_url(b->server));
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
}

static void keys_that_a_service_calls_expired_are_asked_for_anew(void **state) {
    struct bench *b = *state;
    use_container(b);
    SCRIPT(b, SAYS(400, ERROR_OF("ExpiredTokenException")), SAYS(200, "{}"));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.tries, 2);
    assert_string_equal(b->seen[0].key, "KEY1");
    assert_string_equal(b->seen[1].key, "KEY2");
    assert_true(b->seen[1].signature_holds);
    assert_int_equal(call(b, &get_item).code, 0);
    assert_int_equal(b->keys_given, 2);
}

static void keys_that_stay_expired_are_an_error_of_the_configuration(void **state) {
    struct bench *b = *state;
    use_container(b);
    SCRIPT(b, SAYS(400, ERROR_OF("ExpiredTokenException")));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_CONFIGURATION);
    assert_int_equal(response.tries, 2);
    sentence_is(&get_item, &response, "DynamoDB GetItem: ExpiredTokenException: said so");
}

static void keys_of_the_environment_do_not_get_better_by_asking(void **state) {
    struct bench *b = *state;
    SCRIPT(b, SAYS(400, ERROR_OF("UnrecognizedClientException")));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_CONFIGURATION);
    assert_int_equal(response.tries, 1);
}

static void without_keys_nothing_is_sent_and_the_sentence_says_what_was_tried(void **state) {
    struct bench *b = *state;
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    SCRIPT(b, SAYS(200, "{}"));
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_CONFIGURATION);
    assert_int_equal(b->seen_count, 0);
    sentence_is(&get_item, &response,
                "DynamoDB GetItem: no credentials for AWS: AWS_ACCESS_KEY_ID is not set; no keys of profile default in ~/.aws; "
                "no container's URI; instance metadata is disabled");
}

/* ---- answers ---- */

static void an_answer_over_the_limit_is_refused(void **state) {
    struct bench *b = *state;
    char *body = malloc(HD_AWS_ANSWER_MAX_BYTES + 2);
    assert_non_null(body);
    memset(body, 'x', HD_AWS_ANSWER_MAX_BYTES + 1);
    body[HD_AWS_ANSWER_MAX_BYTES + 1] = '\0';
    const struct hd_stand_in_answer big = {.status = 200, .headers = "", .body = body};
    b->script = &big;
    b->script_len = 1;
    open_client(b);
    assert_int_equal(call(b, &get_item).code, HD_ERR_LIMIT);
    body[HD_AWS_ANSWER_MAX_BYTES] = '\0';
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, 0);
    assert_int_equal(response.body_bytes, HD_AWS_ANSWER_MAX_BYTES);
    free(body);
}

static void an_arena_that_is_full_is_that_answers_own_error(void **state) {
    struct bench *b = *state;
    b->echo = true;
    SCRIPT(b, SAYS(200, "{}"));
    HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(64);
    static char long_body[101];
    memset(long_body, 'x', sizeof long_body - 1);
    struct hd_aws_request requests[2] = {get_item, get_item};
    requests[0].body = long_body;
    requests[0].body_bytes = sizeof long_body - 1;
    struct hd_aws_response responses[2];
    assert_int_equal(hd_aws_call_all(b->client, requests, 2, small, responses, NULL), 0);
    assert_int_equal(responses[0].code, HD_ERR_NO_MEMORY);
    assert_int_equal(responses[1].code, 0);
    assert_string_equal(responses[1].body, get_item.body);
}

static void an_endpoint_that_redirects_is_not_followed(void **state) {
    struct bench *b = *state;
    SCRIPT(b, {.status = 302, .headers = "Location: /elsewhere\r\n", .body = ""});
    struct hd_aws_response response = call(b, &get_item);
    assert_int_equal(response.code, HD_ERR_CONFIGURATION);
    assert_int_equal(b->seen_count, 1);
    sentence_is(&get_item, &response, "DynamoDB GetItem: HTTP 302");
}

static void the_sentence_names_the_operation_however_it_is_asked_for(void **state) {
    (void)state;
    const struct hd_aws_response response = {.code = HD_ERR_INVALID, .http_status = 400, .type = "Bad", .message = "why", .body = ""};
    const struct hd_aws_request publish = {.service = HD_AWS_SNS, .body = "Action=Publish&Message=x", .body_bytes = 24};
    const struct hd_aws_request send = {.service = HD_AWS_SES, .path = "/v2/email/outbound-emails", .body = "{}", .body_bytes = 2};
    const struct hd_aws_request get = {.service = HD_AWS_SQS, .method = "GET"};
    sentence_is(&publish, &response, "SNS Publish: Bad: why");
    sentence_is(&send, &response, "SES POST /v2/email/outbound-emails: Bad: why");
    sentence_is(&get, &response, "SQS GET /: Bad: why");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_signed_and_its_answer_returned),
        TEST(each_service_gets_its_way_of_asking),
        TEST(an_endpoint_with_a_path_is_signed_with_it),
        TEST(a_transfer_is_signed_for_the_dispatcher),
        TEST(the_environments_proxy_is_not_asked),
        TEST(faults_and_throttling_are_repeated_with_the_same_bytes),
        TEST(a_fault_to_the_end_may_have_been_done),
        TEST(what_was_throttled_to_the_end_was_not_done),
        TEST(a_refusal_is_not_repeated),
        TEST(a_lost_answer_is_asked_for_again_and_remembered),
        TEST(an_answer_that_breaks_off_is_asked_for_again),
        TEST(answers_lost_to_the_end_are_an_error_that_is_unsure),
        TEST(silence_ends_at_the_time_limit_and_the_next_try_has_a_connection_of_its_own),
        TEST(silence_to_the_end_says_how_long_it_was_waited_for),
        TEST(all_requests_end_when_the_process_must_and_later_ones_are_not_sent),
        TEST(a_client_may_have_a_limit_of_its_own),
        TEST(a_limit_that_is_lifted_holds_no_more),
        TEST(who_does_not_listen_has_done_nothing),
        TEST(a_wish_to_wait_for_long_is_told_to_the_caller_at_once),
        TEST(an_outage_is_not_answered_by_a_storm),
        TEST(what_goes_well_earns_repetitions),
        TEST(requests_in_turn_share_a_connection),
        TEST(a_kept_connection_that_was_closed_meanwhile_costs_no_try),
        TEST(connections_that_a_frozen_process_kept_are_not_trusted),
        TEST(a_kept_connection_that_dies_under_a_request_leaves_it_unsure),
        TEST(many_go_at_once_as_far_as_connections_do_and_each_gets_its_own_answer),
        TEST(none_at_all_is_nothing_to_do),
        TEST(a_certificate_must_be_trusted_and_for_the_name_that_was_asked),
        TEST(a_clock_that_is_wrong_is_corrected_once_for_all_requests),
        TEST(a_clock_that_is_wrong_fails_none_of_the_requests_that_are_under_way),
        TEST(a_signature_that_is_refused_though_the_clock_is_right_is_a_wrong_secret),
        TEST(keys_that_a_service_calls_expired_are_asked_for_anew),
        TEST(keys_that_stay_expired_are_an_error_of_the_configuration),
        TEST(keys_of_the_environment_do_not_get_better_by_asking),
        TEST(without_keys_nothing_is_sent_and_the_sentence_says_what_was_tried),
        TEST(an_answer_over_the_limit_is_refused),
        TEST(an_arena_that_is_full_is_that_answers_own_error),
        TEST(an_endpoint_that_redirects_is_not_followed),
        TEST(the_sentence_names_the_operation_however_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
