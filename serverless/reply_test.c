#include "serverless/reply.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fed at once, byte by byte, and cut in two at every place: the same each time. */
static void read_all_ways(const char *text, size_t len, struct hd_reply *ret) {
    struct hd_error err;
    for (size_t cut = 0; cut <= len; cut++) {
        size_t taken = 0, more = 0;
        hd_reply_reset(ret);
        assert_int_equal(hd_reply_feed(ret, text, cut, &taken, &err), 0);
        assert_int_equal(taken, cut);
        assert_int_equal(hd_reply_feed(ret, text + cut, len - cut, &more, &err), 0);
        assert_int_equal(taken + more, len);
        if (ret->until_end)
            assert_int_equal(hd_reply_end(ret, &err), 0);
        assert_int_equal(ret->state, HD_REPLY_DONE);
    }
    hd_reply_reset(ret);
    for (size_t i = 0; i < len; i++) {
        size_t taken = 0;
        assert_int_equal(hd_reply_feed(ret, text + i, 1, &taken, &err), 0);
        assert_int_equal(taken, 1);
    }
    if (ret->until_end)
        assert_int_equal(hd_reply_end(ret, &err), 0);
    assert_int_equal(ret->state, HD_REPLY_DONE);
}

static void check_body(const char *text, int status, const char *body, bool keep_alive) {
    HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
    read_all_ways(text, strlen(text), &reply);
    assert_int_equal(reply.status, status);
    assert_string_equal(hd_buffer_text(&reply.body), body);
    assert_int_equal(reply.keep_alive, keep_alive);
}

static void a_body_ends_by_its_length_its_chunks_or_the_connection(void **state) {
    (void)state;
    check_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    check_body("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, "", true);
    check_body("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
    check_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00a;x=y\r\n, world...\r\n0\r\nX-Trailer: 1\r\n\r\n", 200,
               "hello, world...", true);
    check_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 200, "", true);
    check_body("HTTP/1.1 200 OK\r\n\r\nall of it", 200, "all of it", false);
    check_body("HTTP/1.0 403 Forbidden\nContent-Length: 2\n\nno", 403, "no", false);
    check_body("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false);
    check_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true);
}

static void headers_are_found_in_any_case_and_without_their_spaces(void **state) {
    (void)state;
    HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
    static const char text[] =
        "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: \t abc-1 \r\nLambda-Runtime-Aws-Request-Id-2: no\r\nEmpty:\r\n"
        "Content-Length: 0\r\n\r\n";
    read_all_ways(text, sizeof text - 1, &reply);
    size_t len = 99;
    const char *value = hd_reply_header(&reply, "Lambda-Runtime-Aws-Request-Id", &len);
    assert_int_equal(len, 5);
    assert_memory_equal(value, "abc-1", 5);
    assert_non_null(hd_reply_header(&reply, "empty", &len));
    assert_int_equal(len, 0);
    assert_null(hd_reply_header(&reply, "Lambda-Runtime", &len));
}

static void what_comes_behind_a_reply_is_left(void **state) {
    (void)state;
    HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Next\r\n";
    size_t taken = 0;
    assert_int_equal(hd_reply_feed(&reply, text, sizeof text - 1, &taken, NULL), 0);
    assert_string_equal(text + taken, "HTTP/1.1 500 Next\r\n");
    assert_string_equal(hd_buffer_text(&reply.body), "ok");
}

static void what_is_no_reply_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "200 OK\r\n\r\n",
        "\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
        struct hd_error err;
        size_t taken = 0;
        if (hd_reply_feed(&reply, texts[i], strlen(texts[i]), &taken, &err) != HD_ERR_MALFORMED)
            fail_msg("taken: %s", texts[i]);
    }
}

static void a_connection_that_ends_early_is_an_error(void **state) {
    (void)state;
    static const char *const texts[] = {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"};
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        HD_CLEANUP(hd_reply_free) struct hd_reply reply = {0};
        size_t taken = 0;
        assert_int_equal(hd_reply_feed(&reply, texts[i], strlen(texts[i]), &taken, NULL), 0);
        assert_int_equal(hd_reply_end(&reply, NULL), HD_ERR_UNAVAILABLE);
    }
}

static void limits_hold(void **state) {
    (void)state;
    struct hd_error err;
    size_t taken = 0;
    HD_CLEANUP(hd_reply_free) struct hd_reply announced = {0}, endless = {0};
    static const char too_long[] = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    assert_int_equal(hd_reply_feed(&announced, too_long, sizeof too_long - 1, &taken, &err), HD_ERR_LIMIT);
    int r = 0;
    size_t fed = 0;
    for (; !r && fed < 2 * HD_REPLY_HEAD_MAX_BYTES; fed += taken)
        r = hd_reply_feed(&endless, "HTTP/1.1 200 OK ", 16, &taken, &err);
    assert_int_equal(r, HD_ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_ends_by_its_length_its_chunks_or_the_connection),
        cmocka_unit_test(headers_are_found_in_any_case_and_without_their_spaces),
        cmocka_unit_test(what_comes_behind_a_reply_is_left),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(a_connection_that_ends_early_is_an_error),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
