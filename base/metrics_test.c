#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The registry lives as long as the process: each test has names of its own. */

static void assert_printed(const char *expected) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    hd_metrics_print(&out);
    if (!strstr(hd_buffer_text(&out), expected))
        fail_msg("not in the text: %s\n---\n%s", expected, hd_buffer_text(&out));
}

static void counters_and_gauges_are_printed_with_help_and_type(void **state) {
    (void)state;
    struct hd_metric *counter = hd_counter("a_total", "Things done.", NULL);
    struct hd_metric *gauge = hd_gauge("a_depth", "Things waiting.", "queue=\"main\"");
    hd_counter_add(counter, 2);
    hd_counter_add(counter, 3);
    hd_gauge_set(gauge, -4);
    assert_int_equal(hd_metric_value(counter), 5);
    assert_int_equal(hd_metric_value(gauge), -4);
    assert_printed("# HELP a_total Things done.\n# TYPE a_total counter\na_total 5\n");
    assert_printed("# HELP a_depth Things waiting.\n# TYPE a_depth gauge\na_depth{queue=\"main\"} -4\n");
}

static void samples_of_one_name_stand_together_even_when_registered_apart(void **state) {
    (void)state;
    hd_counter("b_one_total", "One.", "k=\"1\"");
    hd_counter("b_two_total", "Two.", "k=\"1\"");
    hd_counter("b_one_total", "One.", "k=\"2\"");
    hd_counter("b_two_total", "Two.", "k=\"2\"");
    assert_printed("# HELP b_one_total One.\n# TYPE b_one_total counter\nb_one_total{k=\"1\"} 0\nb_one_total{k=\"2\"} 0\n"
                   "# HELP b_two_total Two.\n# TYPE b_two_total counter\nb_two_total{k=\"1\"} 0\nb_two_total{k=\"2\"} 0\n");
}

static void the_same_name_and_labels_give_the_same_handle(void **state) {
    (void)state;
    char name[] = "c_total", labels[] = "k=\"1\"";
    struct hd_metric *first = hd_counter("c_total", "C.", "k=\"1\"");
    assert_ptr_equal(hd_counter(name, "C.", labels), first);
    assert_ptr_not_equal(hd_counter("c_total", "C.", NULL), first);
    assert_ptr_equal(hd_counter("c_total", "C.", NULL), hd_counter("c_total", "C.", ""));
}

static void histogram_buckets_are_cumulative_and_their_bounds_inclusive(void **state) {
    (void)state;
    struct hd_metric *histogram = hd_histogram("d_seconds", "D.", NULL);
    const int64_t observed_us[] = {-7, 500, 501, 60000000, 60000001};
    for (size_t i = 0; i < sizeof(observed_us) / sizeof(observed_us[0]); i++)
        hd_histogram_observe(histogram, observed_us[i]);
    assert_int_equal(hd_metric_value(histogram), 5);
    assert_printed("# TYPE d_seconds histogram\nd_seconds_bucket{le=\"0.0005\"} 2\nd_seconds_bucket{le=\"0.001\"} 3\n");
    assert_printed("d_seconds_bucket{le=\"10\"} 3\nd_seconds_bucket{le=\"60\"} 4\nd_seconds_bucket{le=\"+Inf\"} 5\n"
                   "d_seconds_sum 120.001002\nd_seconds_count 5\n");
}

static void a_histogram_keeps_its_labels_beside_le(void **state) {
    (void)state;
    hd_histogram_observe(hd_histogram("e_seconds", "E.", "route=\"/x\""), 1000);
    assert_printed("e_seconds_bucket{route=\"/x\",le=\"0.0005\"} 0\ne_seconds_bucket{route=\"/x\",le=\"0.001\"} 1\n");
    assert_printed("e_seconds_sum{route=\"/x\"} 0.001000\ne_seconds_count{route=\"/x\"} 1\n");
}

static void *count_to_100000(void *metric) {
    for (int i = 0; i < 100000; i++)
        hd_counter_add(metric, 1);
    return NULL;
}

static void threads_lose_no_count(void **state) {
    (void)state;
    struct hd_metric *counter = hd_counter("f_total", "F.", NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_to_100000, counter), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(hd_metric_value(counter), 400000);
}

static void a_missing_metric_is_harmless(void **state) {
    (void)state;
    hd_counter_add(NULL, 1);
    hd_gauge_set(NULL, 1);
    hd_histogram_observe(NULL, 1);
    assert_int_equal(hd_metric_value(NULL), 0);
}

/* The last test: nothing can be registered after it. */
static void a_full_registry_gives_no_more_and_keeps_what_it_has(void **state) {
    (void)state;
    static char labels[HD_METRICS_MAX + 1][24];
    struct hd_metric *first = hd_counter("g_total", "G.", NULL);
    size_t added = 0;
    for (; added < HD_METRICS_MAX; added++) {
        snprintf(labels[added], sizeof(labels[added]), "n=\"%zu\"", added);
        if (!hd_counter("g_total", "G.", labels[added]))
            break;
    }
    assert_true(added > 0 && added < HD_METRICS_MAX);
    assert_null(hd_gauge("h", "H.", NULL));
    assert_ptr_equal(hd_counter("g_total", "G.", NULL), first);
    hd_counter_add(first, 9);
    assert_printed("g_total 9\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_are_printed_with_help_and_type),
        cmocka_unit_test(samples_of_one_name_stand_together_even_when_registered_apart),
        cmocka_unit_test(the_same_name_and_labels_give_the_same_handle),
        cmocka_unit_test(histogram_buckets_are_cumulative_and_their_bounds_inclusive),
        cmocka_unit_test(a_histogram_keeps_its_labels_beside_le),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(a_missing_metric_is_harmless),
        cmocka_unit_test(a_full_registry_gives_no_more_and_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
