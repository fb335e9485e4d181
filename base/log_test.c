#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

struct log_pipe {
    int read_fd, write_fd;
    char line[2 * HD_LOG_LINE_BYTES];
    size_t len;
    json_t *json;
};

static int pipe_setup(void **state) {
    static struct log_pipe log_pipe;
    int fds[2];
    if (pipe(fds) != 0)
        return -1;
    log_pipe = (struct log_pipe){.read_fd = fds[0], .write_fd = fds[1]};
    hd_log_set_fd(log_pipe.write_fd);
    hd_log_set_level(HD_LOG_INFO);
    *state = &log_pipe;
    return 0;
}

static int pipe_teardown(void **state) {
    struct log_pipe *log_pipe = *state;
    json_decref(log_pipe->json);
    close(log_pipe->read_fd);
    close(log_pipe->write_fd);
    return 0;
}

/* The line that was just written: one read gets all of it, for it was one write. */
static const json_t *read_line(void **state) {
    struct log_pipe *log_pipe = *state;
    json_decref(log_pipe->json);
    log_pipe->json = NULL;
    ssize_t len = read(log_pipe->read_fd, log_pipe->line, sizeof(log_pipe->line));
    assert_true(len > 0 && len <= HD_LOG_LINE_BYTES);
    log_pipe->len = (size_t)len;
    assert_int_equal(log_pipe->line[len - 1], '\n');
    assert_null(memchr(log_pipe->line, '\n', (size_t)len - 1));
    struct hd_error err;
    assert_int_equal(hd_json_load(log_pipe->line, (size_t)len, 0, &log_pipe->json, &err), 0);
    return log_pipe->json;
}

static void assert_nothing_was_written(void **state) {
    hd_log(HD_LOG_ERROR, "next", NULL);
    assert_string_equal(hd_json_str(read_line(state), "what"), "next");
}

static void a_line_has_what_it_is_about_and_its_fields(void **state) {
    struct hd_log_about about = {.correlation_id = "c-1", .event_id = "e-1", .traceparent = PARENT};
    hd_log(HD_LOG_WARN, "late", &about, HD_LOG_STR("channel", "email \"é\""), HD_LOG_INT("waited_ms", -5));
    const json_t *line = read_line(state);
    int64_t time_ms;
    assert_true(hd_time_parse(hd_json_str(line, "time"), &time_ms));
    assert_string_equal(hd_json_str(line, "level"), "warn");
    assert_string_equal(hd_json_str(line, "what"), "late");
    assert_string_equal(hd_json_str(line, "correlationId"), "c-1");
    assert_string_equal(hd_json_str(line, "eventId"), "e-1");
    assert_string_equal(hd_json_str(line, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(hd_json_str(line, "channel"), "email \"é\"");
    assert_int_equal(hd_json_int(line, "waited_ms", 0), -5);
    assert_int_equal(json_object_size(line), 8);
}

static void what_is_not_known_is_left_out(void **state) {
    struct hd_log_about about = {.traceparent = "nonsense"};
    hd_log(HD_LOG_INFO, "ready", &about);
    assert_int_equal(json_object_size(read_line(state)), 3);
    const char *absent = NULL;
    hd_log(HD_LOG_INFO, "ready", NULL, HD_LOG_STR("text", absent));
    assert_string_equal(hd_json_str(read_line(state), "text"), "");
}

static void lower_levels_are_dropped(void **state) {
    hd_log(HD_LOG_DEBUG, "dropped", NULL);
    assert_nothing_was_written(state);
    hd_log_set_level(HD_LOG_DEBUG);
    hd_log(HD_LOG_DEBUG, "kept", NULL);
    assert_string_equal(hd_json_str(read_line(state), "level"), "debug");
}

static void an_error_is_logged_with_type_and_detail(void **state) {
    struct hd_error err;
    hd_error_set(&err, HD_ERR_NO_SPACE, "cannot write the store");
    hd_log_error(HD_LOG_ERROR, "commit failed", NULL, &err);
    const json_t *line = read_line(state);
    assert_string_equal(hd_json_str(line, "error"), "no-space");
    assert_string_equal(hd_json_str(line, "detail"), "cannot write the store");
    assert_null(hd_json_str(line, "pointer"));
    hd_error_at(&err, "/title");
    hd_log_error(HD_LOG_ERROR, "refused", NULL, &err);
    assert_string_equal(hd_json_str(read_line(state), "pointer"), "/title");
}

static void long_values_are_cut_between_characters_and_the_line_says_so(void **state) {
    char text[3 * HD_LOG_LINE_BYTES];
    const char *units[] = {"x", "é", "€", "𝄞", "\"", "\n", "\x01", "a€"};
    for (size_t u = 0; u < HD_ARRAY_LEN(units); u++) {
        size_t unit_len = strlen(units[u]), len = 0;
        for (; len + unit_len < sizeof(text); len += unit_len)
            memcpy(text + len, units[u], unit_len);
        text[len] = '\0';
        for (size_t shift = 0; shift < 8; shift++) {
            char name[16] = "name____";
            name[4 + shift % 4] = '\0';
            hd_log(HD_LOG_INFO, "long", NULL, HD_LOG_STR(name, text), HD_LOG_INT("lost", 1), HD_LOG_STR("lost too", "y"));
            const json_t *line = read_line(state);
            assert_true(json_is_true(json_object_get(line, "cut")));
            const char *value = hd_json_str(line, name);
            assert_non_null(value);
            assert_memory_equal(value, text, strlen(value));
            assert_int_equal(strlen(value) % unit_len == 0 || units[u][0] == 'a', 1);
            assert_true(((struct log_pipe *)*state)->len > HD_LOG_LINE_BYTES / 3);
        }
    }
}

static void every_length_near_the_limit_gives_a_whole_line(void **state) {
    char text[HD_LOG_LINE_BYTES + 1];
    memset(text, 'x', sizeof(text));
    for (size_t len = HD_LOG_LINE_BYTES - 200; len < HD_LOG_LINE_BYTES; len++) {
        text[len] = '\0';
        hd_log(HD_LOG_INFO, "long", NULL, HD_LOG_STR("a", text), HD_LOG_INT("n", INT64_MIN), HD_LOG_STR("b", "some text"));
        const json_t *line = read_line(state);
        const char *last = hd_json_str(line, "b");
        bool whole = json_object_get(line, "n") && last && strcmp(last, "some text") == 0;
        assert_int_equal(!whole, json_is_true(json_object_get(line, "cut")));
        text[len] = 'x';
    }
}

static void bad_utf8_does_not_spoil_the_line(void **state) {
    hd_log(HD_LOG_INFO, "reply", NULL, HD_LOG_STR("body", "a\xff\xc3z"));
    assert_string_equal(hd_json_str(read_line(state), "body"), "a??z");
}

static void a_closed_descriptor_loses_the_line_and_nothing_else(void **state) {
    (void)state;
    hd_log_set_fd(-1);
    errno = ENOENT;
    hd_log(HD_LOG_ERROR, "lost", NULL);
    assert_int_equal(errno, ENOENT);
}

static void each_line_names_the_request_until_there_is_none(void **state) {
    hd_log_set_request("8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    hd_log(HD_LOG_INFO, "with", NULL);
    assert_string_equal(hd_json_str(read_line(state), "requestId"), "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    hd_log_set_request(NULL);
    hd_log(HD_LOG_INFO, "without", NULL);
    assert_null(hd_json_str(read_line(state), "requestId"));
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, pipe_setup, pipe_teardown)

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        WITH_PIPE(a_line_has_what_it_is_about_and_its_fields),
        WITH_PIPE(each_line_names_the_request_until_there_is_none),
        WITH_PIPE(what_is_not_known_is_left_out),
        WITH_PIPE(lower_levels_are_dropped),
        WITH_PIPE(an_error_is_logged_with_type_and_detail),
        WITH_PIPE(long_values_are_cut_between_characters_and_the_line_says_so),
        WITH_PIPE(every_length_near_the_limit_gives_a_whole_line),
        WITH_PIPE(bad_utf8_does_not_spoil_the_line),
        WITH_PIPE(a_closed_descriptor_loses_the_line_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
