#include "serverless/http_event.h"

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

struct event {
    const char *path, *query, *headers, *body, *claims, *stage; /* NULL: as usual, or not there */
};

static const char *write_event(const struct event *event) {
    const char *body = event->body ? hd_arena_printf(arena, ",\"body\":%s", event->body) : "";
    const char *authorizer =
        event->claims ? hd_arena_printf(arena, ",\"authorizer\":{\"jwt\":{\"claims\":{%s},\"scopes\":null}}", event->claims) : "";
    return hd_arena_printf(
        arena,
        "{\"version\":\"2.0\",\"routeKey\":\"$default\",\"rawPath\":\"%s\",\"rawQueryString\":\"%s\",\"cookies\":[\"a=1\"],"
        "\"headers\":{%s},\"requestContext\":{\"accountId\":\"1\",\"apiId\":\"a\",\"http\":{\"method\":\"POST\",\"path\":\"%s\","
        "\"protocol\":\"HTTP/1.1\",\"sourceIp\":\"192.0.2.1\",\"userAgent\":\"x\"},\"stage\":\"%s\"%s}%s}",
        event->path ? event->path : "/tickets", event->query ? event->query : "", event->headers ? event->headers : "",
        event->path ? event->path : "/tickets", event->stage ? event->stage : "$default", authorizer, body);
}

static struct hd_claims claims;

static struct hd_request read_event(const struct event *event, const char *traceparent) {
    const char *text = write_event(event);
    struct hd_request request;
    struct hd_error err;
    claims = (struct hd_claims){0};
    if (hd_http_event_read(arena, text, strlen(text), traceparent, &request, &claims, &err))
        fail_msg("%s: %s", err.detail, text);
    return request;
}

static void a_request_is_the_same_as_by_any_other_host(void **state) {
    (void)state;
    const struct event event = {.query = "limit=5&cursor=a%20b",
                                .headers = "\"content-type\":\"application/json\",\"x-correlation-id\":\"c-1\"",
                                .body = "\"{\\\"title\\\":\\\"n\\u00e3o\\\"}\",\"isBase64Encoded\":false"};
    struct hd_request request = read_event(&event, "");
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.path, "/tickets");
    assert_string_equal(request.query, "limit=5&cursor=a%20b");
    assert_string_equal(hd_request_header(&request, "Content-Type"), "application/json");
    assert_string_equal(hd_request_header(&request, "X-Correlation-Id"), "c-1");
    assert_int_equal(request.header_count, 2);
    assert_string_equal(request.body, "{\"title\":\"n\xc3\xa3o\"}");
    assert_int_equal(request.body_bytes, strlen(request.body));
    assert_null(request.identity);
}

static void a_body_in_base64_is_decoded_and_none_is_empty(void **state) {
    (void)state;
    struct hd_request request = read_event(&(struct event){.body = "\"eyJhIjoxfQ==\",\"isBase64Encoded\":true"}, "");
    assert_string_equal(request.body, "{\"a\":1}");
    assert_int_equal(request.body_bytes, 7);
    request = read_event(&(struct event){.body = "\"a\\u0000b\""}, "");
    assert_int_equal(request.body_bytes, 3);
    assert_memory_equal(request.body, "a\0b", 4);
    request = read_event(&(struct event){0}, "");
    assert_string_equal(request.body, "");
    assert_int_equal(request.body_bytes, 0);
}

static void the_trace_of_x_ray_goes_on_where_the_caller_brings_none(void **state) {
    (void)state;
    static const char trace[] = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    static const char own[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct hd_request request = read_event(&(struct event){0}, trace);
    assert_string_equal(hd_request_header(&request, "traceparent"), trace);
    request = read_event(&(struct event){.headers = hd_arena_printf(arena, "\"traceparent\":\"%s\"", own)}, trace);
    assert_string_equal(hd_request_header(&request, "traceparent"), own);
}

static void paths_have_one_form_whatever_was_decoded_before(void **state) {
    (void)state;
    static const struct {
        const char *path, *stage, *want;
    } cases[] = {
        {"/tickets/a%2Fb", NULL, "/tickets/a%2Fb"},
        {"/tickets/a b", NULL, "/tickets/a%20b"},
        {"/tickets/50%", NULL, "/tickets/50%25"},
        {"/tickets/\xc3\xa3?", NULL, "/tickets/%C3%A3%3F"},
        {"/prod/tickets", "prod", "/tickets"},
        {"/prod", "prod", "/"},
        {"/production/tickets", "prod", "/production/tickets"},
        {"/prod/tickets", NULL, "/prod/tickets"},
        {"/", NULL, "/"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_request request = read_event(&(struct event){.path = cases[i].path, .stage = cases[i].stage}, "");
        assert_string_equal(request.path, cases[i].want);
    }
}

static void the_authorizers_claims_say_who_it_is(void **state) {
    (void)state;
    static const struct {
        const char *claims, *subject;
        enum hd_role role;
    } cases[] = {
        {"\"sub\":\"5f0c\"", "5f0c", HD_ROLE_CUSTOMER},
        {"\"sub\":\"5f0c\",\"username\":\"ana\",\"cognito:groups\":\"[agent]\"", "ana", HD_ROLE_AGENT},
        {"\"sub\":\"5f0c\",\"cognito:username\":\"bruno\",\"username\":\"x\",\"cognito:groups\":\"[customer admin agent]\"", "bruno",
         HD_ROLE_ADMIN},
        {"\"sub\":\"5f0c\",\"custom:userId\":\"u-7\",\"cognito:username\":\"b\",\"custom:role\":\"manager\"", "u-7", HD_ROLE_MANAGER},
        {"\"sub\":\"s\",\"cognito:groups\":\"[service customer]\",\"custom:role\":\"admin\"", "s", HD_ROLE_SERVICE},
        {"\"sub\":\"s\",\"cognito:groups\":\"[service manager]\"", "s", HD_ROLE_MANAGER},
        {"\"sub\":\"s\",\"cognito:groups\":\"[administrators adminx xadmin eu-west-1_Pool_Google]\"", "s", HD_ROLE_CUSTOMER},
        {"\"sub\":\"s\",\"cognito:groups\":\"\",\"custom:role\":\"root\"", "s", HD_ROLE_CUSTOMER},
        {"\"sub\":\"s\",\"username\":\"n\\u00e3o\"", "s", HD_ROLE_CUSTOMER},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_request request = read_event(&(struct event){.claims = cases[i].claims}, "");
        assert_ptr_equal(request.identity, &claims);
        assert_string_equal(request.identity->subject, cases[i].subject);
        assert_int_equal(request.identity->role, cases[i].role);
    }
}

static void nobody_is_vouched_for_without_claims(void **state) {
    (void)state;
    struct hd_request request =
        read_event(&(struct event){.headers = "\"authorization\":\"Bearer x\"", .claims = "\"custom:role\":\"admin\""}, "");
    assert_null(request.identity);
}

static void an_event_of_another_shape_is_refused(void **state) {
    (void)state;
    static const char *const events[] = {
        "",
        "[]",
        "{}",
        "{\"version\":\"1.0\",\"rawPath\":\"/\",\"requestContext\":{\"http\":{\"method\":\"GET\"}}}",
        "{\"version\":\"2.0\",\"rawPath\":\"/\"}",
        "{\"version\":\"2.0\",\"rawPath\":\"tickets\",\"requestContext\":{\"http\":{\"method\":\"GET\"}}}",
        "{\"version\":\"2.0\",\"requestContext\":{\"http\":{\"method\":\"GET\"}}}",
        "{\"version\":\"2.0\",\"rawPath\":\"/\",\"requestContext\":{\"http\":{\"method\":\"GET\"}},\"body\":\"*\",\"isBase64Encoded\":true}",
        "{\"Records\":[]}",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(events); i++) {
        struct hd_request request = {0};
        if (hd_http_event_read(arena, events[i], strlen(events[i]), "", &request, &claims, NULL) != HD_ERR_MALFORMED)
            fail_msg("taken: %s", events[i]);
        assert_null(request.path);
    }
}

static void an_answer_has_status_headers_and_body(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_response response = {.status = 201, .body = "{\"a\":\"\xc3\xa3\"}", .body_bytes = 10};
    hd_response_header(&response, "Content-Type", "application/json");
    hd_response_header(&response, "Location", "/tickets/1");
    hd_http_event_answer(&out, &response);
    assert_string_equal(hd_buffer_text(&out),
                        "{\"statusCode\":201,\"headers\":{\"Content-Type\":\"application/json\",\"Location\":\"/tickets/1\"},"
                        "\"body\":\"{\\\"a\\\":\\\"\xc3\xa3\\\"}\",\"isBase64Encoded\":false}");
}

static void what_is_no_text_goes_as_base64_and_a_heads_body_stays(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    static const char *const bodies[] = {"\x00\x01\x02", "\xff\xfe\xfd"};
    static const char *const want[] = {"AAEC", "//79"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
        hd_buffer_clear(&out);
        hd_http_event_answer(&out, &(struct hd_response){.status = 200, .body = bodies[i], .body_bytes = 3});
        assert_string_equal(
            hd_buffer_text(&out),
            hd_arena_printf(arena, "{\"statusCode\":200,\"headers\":{},\"body\":\"%s\",\"isBase64Encoded\":true}", want[i]));
    }
    hd_buffer_clear(&out);
    hd_http_event_answer(&out, &(struct hd_response){.status = 200, .body = "abc", .body_bytes = 3, .omit_body = true});
    assert_string_equal(hd_buffer_text(&out), "{\"statusCode\":200,\"headers\":{},\"body\":\"\",\"isBase64Encoded\":false}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_same_as_by_any_other_host),
        cmocka_unit_test(a_body_in_base64_is_decoded_and_none_is_empty),
        cmocka_unit_test(the_trace_of_x_ray_goes_on_where_the_caller_brings_none),
        cmocka_unit_test(paths_have_one_form_whatever_was_decoded_before),
        cmocka_unit_test(the_authorizers_claims_say_who_it_is),
        cmocka_unit_test(nobody_is_vouched_for_without_claims),
        cmocka_unit_test(an_event_of_another_shape_is_refused),
        cmocka_unit_test(an_answer_has_status_headers_and_body),
        cmocka_unit_test(what_is_no_text_goes_as_base64_and_a_heads_body_stays),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
