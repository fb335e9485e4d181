#include "serverless/measures.h"

#include <string.h>

#include "base/json.h"
#include "core/changeset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct hd_arena *arena;
static struct hd_measures measures;

static int set_up(void **state) {
    (void)state;
    hd_json_init();
    arena = hd_arena_new(1024 * 1024);
    measures = (struct hd_measures){0};
    return arena ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hd_arena_free(arena);
    return 0;
}

/* An attempt of the channel that ends in the status. */
static void attempt(enum hd_channel channel, enum hd_status status, enum hd_outcome_kind outcome, int64_t latency_ms) {
    struct hd_changeset set = hd_changeset(arena);
    struct hd_notification from = {.notification_id = "n", .channel = channel, .status = HD_SENDING, .accepted_at_ms = 1000}, to = from;
    to.status = status;
    to.sent_at_ms = status == HD_SENT ? 1000 + latency_ms : 0;
    hd_move_notification(&set, &from, &to, status == HD_SENT ? HD_MOVE_SENT : status == HD_DEAD ? HD_MOVE_GIVE_UP : HD_MOVE_RETRY);
    const struct hd_attempt made = {.notification_id = "n", .number = 1, .outcome = outcome};
    hd_append_attempt(&set, &made);
    hd_measures_happened(&measures, &set);
}

/* The n-th line, as JSON; NULL behind the last one. */
static const json_t *line(size_t n) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    hd_measures_write(&measures, "HelpDesk", "email", 1790000000000, &out);
    const char *at = hd_buffer_text(&out);
    for (; n > 0 && *at; n--)
        at = strchr(at, '\n') + 1;
    json_t *json = NULL;
    if (*at)
        assert_int_equal(hd_json_parse(arena, at, strcspn(at, "\n"), 0, &json, NULL), 0);
    return json;
}

/* All metrics that the line declares, as "Name:Unit Name:Unit", and that they are there; by the one dimension. */
static const char *declared(const json_t *json, const char *dimension, const char *value) {
    const json_t *aws = json_object_get(json, "_aws");
    const json_t *directive = json_array_get(json_object_get(aws, "CloudWatchMetrics"), 0);
    const json_t *metrics = json_object_get(directive, "Metrics");
    const char *all = "";
    assert_int_equal(hd_json_int(aws, "Timestamp", 0), 1790000000000);
    assert_string_equal(hd_json_str(directive, "Namespace"), "HelpDesk");
    const json_t *dimensions = json_array_get(json_object_get(directive, "Dimensions"), 0);
    assert_int_equal(json_array_size(dimensions), 1);
    assert_string_equal(json_string_value(json_array_get(dimensions, 0)), dimension);
    assert_string_equal(hd_json_str(json, dimension), value);
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const char *name = hd_json_str(json_array_get(metrics, i), "Name");
        assert_non_null(json_object_get(json, name));
        all = hd_arena_printf(arena, "%s%s%s:%s", all, *all ? " " : "", name, hd_json_str(json_array_get(metrics, i), "Unit"));
    }
    return all;
}

static void nothing_that_happened_is_no_line(void **state) {
    (void)state;
    assert_null(line(0));
}

static void outcomes_and_latencies_count_by_channel(void **state) {
    (void)state;
    attempt(HD_EMAIL, HD_SENT, HD_OUTCOME_SENT, 1234);
    attempt(HD_EMAIL, HD_SENT, HD_OUTCOME_SENT, -5);
    attempt(HD_EMAIL, HD_PENDING, HD_OUTCOME_RETRY, 0);
    attempt(HD_EMAIL, HD_PENDING, HD_OUTCOME_CONFIGURATION, 0);
    attempt(HD_EMAIL, HD_DEAD, HD_OUTCOME_RETRY, 0);
    attempt(HD_INAPP, HD_DEAD, HD_OUTCOME_PERMANENT, 0);
    assert_string_equal(declared(line(0), "Channel", "email"), "Sent:Count Retried:Count Failed:Count");
    assert_int_equal(hd_json_int(line(0), "Sent", 0), 2);
    assert_int_equal(hd_json_int(line(0), "Retried", 0), 2);
    assert_int_equal(hd_json_int(line(0), "Failed", 0), 1);
    assert_string_equal(declared(line(1), "Channel", "email"), "Latency:Milliseconds");
    const json_t *latencies = json_object_get(line(1), "Latency");
    assert_int_equal(json_array_size(latencies), 2);
    assert_int_equal(json_integer_value(json_array_get(latencies, 0)), 1234);
    assert_int_equal(json_integer_value(json_array_get(latencies, 1)), 0);
    assert_string_equal(declared(line(2), "Channel", "inapp"), "Failed:Count");
    assert_null(line(3));
}

static void the_interrupted_attempt_beside_the_one_that_went_on_is_a_retry(void **state) {
    (void)state;
    struct hd_changeset set = hd_changeset(arena);
    struct hd_notification from = {.notification_id = "n", .channel = HD_EMAIL, .status = HD_SENDING}, to = from;
    to.status = HD_SENT;
    hd_move_notification(&set, &from, &to, HD_MOVE_SENT);
    const struct hd_attempt interrupted = {.notification_id = "n", .number = 1, .outcome = HD_OUTCOME_INTERRUPTED};
    const struct hd_attempt made = {.notification_id = "n", .number = 2, .outcome = HD_OUTCOME_SENT};
    hd_append_attempt(&set, &interrupted);
    hd_append_attempt(&set, &made);
    hd_measures_happened(&measures, &set);
    assert_int_equal(hd_json_int(line(0), "Sent", 0), 1);
    assert_int_equal(hd_json_int(line(0), "Retried", 0), 1);
    assert_int_equal(json_array_size(json_object_get(line(1), "Latency")), 1);
}

static void what_a_function_did_counts_by_its_name(void **state) {
    (void)state;
    struct hd_changeset set = hd_changeset(arena);
    const struct hd_event event = {.event_id = "e", .ticket_id = "t", .payload = "{}"};
    const struct hd_dead_letter letter = {.dead_letter_id = "d", .queue = "email", .reason = "x"};
    const struct hd_notification suppressed = {.notification_id = "n", .channel = HD_SMS, .status = HD_SUPPRESSED},
                                 pending = {.notification_id = "m", .channel = HD_EMAIL};
    hd_append_event(&set, &event);
    hd_put_dead_letter(&set, &letter);
    hd_put_notification(&set, &suppressed);
    hd_put_notification(&set, &pending);
    hd_measures_happened(&measures, &set);
    measures.counts[HD_MEASURE_MESSAGES] = 10;
    measures.counts[HD_MEASURE_ERRORS] = 1;
    assert_string_equal(declared(line(0), "Function", "email"), "Messages:Count Events:Count DeadLetters:Count Errors:Count");
    assert_int_equal(hd_json_int(line(0), "Messages", 0), 10);
    assert_string_equal(declared(line(1), "Channel", "sms"), "Suppressed:Count");
    assert_null(line(2));
}

static void a_line_has_at_most_a_hundred_values_of_a_metric(void **state) {
    (void)state;
    for (int i = 0; i < HD_MEASURES_LATENCIES_MAX + 10; i++) {
        hd_arena_reset(arena);
        attempt(HD_EMAIL, HD_SENT, HD_OUTCOME_SENT, i);
    }
    assert_int_equal(hd_json_int(line(0), "Sent", 0), HD_MEASURES_LATENCIES_MAX + 10);
    size_t all = 0;
    for (size_t n = 1; line(n); n++) {
        size_t count = json_array_size(json_object_get(line(n), "Latency"));
        assert_in_range(count, 1, 100);
        all += count;
    }
    assert_int_equal(all, HD_MEASURES_LATENCIES_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_that_happened_is_no_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outcomes_and_latencies_count_by_channel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_interrupted_attempt_beside_the_one_that_went_on_is_a_retry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_function_did_counts_by_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_has_at_most_a_hundred_values_of_a_metric, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
