#include "serverless/invocation.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int read_invocation(const char *text, struct hd_arena *arena, struct hd_reply *reply, struct hd_invocation *ret) {
    size_t taken = 0;
    assert_int_equal(hd_reply_feed(reply, text, strlen(text), &taken, NULL), 0);
    return hd_invocation_read(reply, arena, ret, NULL);
}

static void an_invocation_has_its_id_deadline_trace_and_event(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(64 * 1024);
    HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
    struct hd_invocation invocation = {0};
    assert_int_equal(
        read_invocation("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                        "Lambda-Runtime-Deadline-Ms: 1542409706888\r\n"
                        "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n"
                        "Content-Length: 2\r\n\r\n{}",
                        arena, &reply, &invocation),
        0);
    assert_string_equal(invocation.request_id, "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    assert_int_equal(invocation.deadline_ms, 1542409706888);
    assert_string_equal(invocation.traceparent, "00-5bef4de7ad49b0e87f6ef6c87fc2e700-9a9197af755a6419-01");
    assert_string_equal(invocation.event, "{}");
    assert_int_equal(invocation.event_bytes, 2);
}

static void one_without_an_id_or_a_deadline_is_none(void **state) {
    (void)state;
    static const char *const heads[] = {
        "Lambda-Runtime-Deadline-Ms: 1",
        "Lambda-Runtime-Aws-Request-Id: a",
        "Lambda-Runtime-Aws-Request-Id: a/../b\r\nLambda-Runtime-Deadline-Ms: 1",
        "Lambda-Runtime-Aws-Request-Id:\r\nLambda-Runtime-Deadline-Ms: 1",
        "Lambda-Runtime-Aws-Request-Id: a\r\nLambda-Runtime-Deadline-Ms: soon",
        "Lambda-Runtime-Aws-Request-Id: a\r\nLambda-Runtime-Deadline-Ms: 999999999999999999",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(heads); i++) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(64 * 1024);
        HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
        struct hd_invocation invocation = {0};
        const char *text = hd_arena_printf(arena, "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 2\r\n\r\n{}", heads[i]);
        assert_int_equal(read_invocation(text, arena, &reply, &invocation), HD_ERR_MALFORMED);
        assert_null(invocation.request_id);
    }
}

static void x_rays_header_becomes_a_traceparent(void **state) {
    (void)state;
    char text[HD_TRACEPARENT_LEN + 1];
    assert_true(hd_traceparent_from_xray("Self=1-x;Root=1-5759e988-bd862e3fe1be46a994272793; Parent=53995c3f42cd8ad8;Sampled=0", text));
    assert_string_equal(text, "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00");
    assert_true(hd_traceparent_from_xray("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", text));
    static const char *const bad[] = {
        "",
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a99427279;Parent=53995c3f42cd8ad8",
        "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a99427279g;Parent=53995c3f42cd8ad8",
        "Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988xbd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        ";;;===;;;",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        if (hd_traceparent_from_xray(bad[i], text))
            fail_msg("taken: %s", bad[i]);
        assert_string_equal(text, "");
    }
}

static void the_work_ends_before_the_deadline(void **state) {
    (void)state;
    struct hd_invocation invocation = {.deadline_ms = 100000};
    assert_int_equal(hd_invocation_work_deadline_ms(&invocation, 70000), 99000);
    assert_int_equal(hd_invocation_work_deadline_ms(&invocation, 99000), 99500);
    assert_true(hd_invocation_work_deadline_ms(&invocation, 100100) >= 100000); /* too late for anything */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invocation_has_its_id_deadline_trace_and_event),
        cmocka_unit_test(one_without_an_id_or_a_deadline_is_none),
        cmocka_unit_test(x_rays_header_becomes_a_traceparent),
        cmocka_unit_test(the_work_ends_before_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
