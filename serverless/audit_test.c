#include "serverless/audit.h"

#include <string.h>
#include <unistd.h>

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

/* The line of an item; NULL when it has none. */
static const char *line_of(const char *pk, const char *sk, bool inserted, const char *image) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_stream_record record = {.pk = pk, .sk = sk, .sequence = "1", .inserted = inserted, .image = image ? parse(image) : NULL};
    bool written = false;
    assert_int_equal(hd_audit_write(&out, &record, arena, &written, NULL), 0);
    assert_int_equal(written, out.len > 0);
    return written ? hd_arena_strdup(arena, out.data) : NULL;
}

#define AUDIT                                                                                                                                      \
    "{\"pk\":{\"S\":\"X#a-1\"},\"sk\":{\"S\":\"X\"},\"action\":{\"S\":\"event.routed\"},\"subject\":{\"S\":\"e-1\"},\"actor\":{\"S\":\"router\"}," \
    "\"detail\":{\"S\":\"%s\"},\"correlation_id\":{\"S\":\"c-1\"},\"at_ms\":{\"N\":\"1790000000000\"}}"
#define ATTEMPT                                                                                                               \
    "{\"pk\":{\"S\":\"N#n-1\"},\"sk\":{\"S\":\"A#0000000002\"},\"number\":{\"N\":\"2\"},\"at_ms\":{\"N\":\"1790000000000\"}," \
    "\"outcome\":{\"N\":\"1\"},\"provider\":{\"S\":\"smtp\"},\"detail\":{\"S\":\"451 later\"},\"duration_ms\":{\"N\":\"5\"}," \
    "\"message\":{\"S\":\"Dear Ana\"}}"

static void an_audit_entry_is_a_line(void **state) {
    (void)state;
    const char *text = hd_arena_printf(arena, AUDIT, "{\\\"decisions\\\":[1]}");
    assert_string_equal(
        line_of("X#a-1", "X", true, text),
        "{\"what\":\"audit\",\"auditId\":\"a-1\",\"action\":\"event.routed\",\"subject\":\"e-1\",\"actor\":\"router\",\"correlationId\":\"c-1\","
        "\"at\":\"2026-09-21T14:13:20.000Z\",\"detail\":{\"decisions\":[1]}}\n");
}

static void a_detail_that_is_no_json_stays_text(void **state) {
    (void)state;
    const char *line = line_of("X#a-1", "X", true, hd_arena_printf(arena, AUDIT, "}\\n{"));
    assert_string_equal(hd_json_str(parse(line), "detail"), "}\n{");
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void an_attempt_is_a_line_without_its_message(void **state) {
    (void)state;
    assert_string_equal(
        line_of("N#n-1", "A#0000000002", true, ATTEMPT),
        "{\"what\":\"attempt\",\"notificationId\":\"n-1\",\"number\":2,\"outcome\":\"retry\",\"provider\":\"smtp\",\"detail\":\"451 later\","
        "\"durationMs\":5,\"at\":\"2026-09-21T14:13:20.000Z\"}\n");
}

static void nothing_else_is(void **state) {
    (void)state;
    assert_null(line_of("N#n-1", "A#0000000002", false, ATTEMPT));  /* changed, not new */
    assert_null(line_of("N#n-1", "A#0000000002", true, NULL));      /* a stream of keys alone */
    assert_null(line_of("N#n-1", "A#0000000002#0001", true, "{}")); /* a part of a long message */
    assert_null(line_of("N#n-1", "N", true, "{}"));
    assert_null(line_of("T#t-1", "T", true, "{}"));
    assert_null(line_of("O#00", "000#x", true, "{}"));
    assert_null(line_of("?", "", true, "{}"));
}

static void an_item_that_cannot_be_read_is_an_error(void **state) {
    (void)state;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_stream_record record = {
        .pk = "X#1", .sk = "X", .sequence = "1", .inserted = true, .image = parse("{\"at_ms\":{\"N\":\"x\"}}")};
    bool written = false;
    assert_int_equal(hd_audit_write(&out, &record, arena, &written, NULL), HD_ERR_CORRUPT);
    assert_int_equal(out.len, 0);
}

static void lines_go_out_whole_or_as_an_error(void **state) {
    (void)state;
    int ends[2];
    char text[8] = "";
    assert_int_equal(pipe(ends), 0);
    struct hd_buffer lines = {.data = (char[]){"a\nb\n"}, .len = 4};
    assert_int_equal(hd_audit_put_out(&lines, ends[1], NULL), 0);
    assert_int_equal(read(ends[0], text, sizeof text - 1), 4);
    assert_string_equal(text, "a\nb\n");
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(hd_audit_put_out(&lines, ends[1], NULL), HD_ERR_UNAVAILABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_audit_entry_is_a_line),
        cmocka_unit_test(a_detail_that_is_no_json_stays_text),
        cmocka_unit_test(an_attempt_is_a_line_without_its_message),
        cmocka_unit_test(nothing_else_is),
        cmocka_unit_test(an_item_that_cannot_be_read_is_an_error),
        cmocka_unit_test(lines_go_out_whole_or_as_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
