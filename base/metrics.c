#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

enum { CACHE_LINE_BYTES = 64, US_PER_SECOND = 1000000 };

struct hd_metric {
    alignas(CACHE_LINE_BYTES) enum metric_kind kind; /* alignment: metrics of different threads share no cache line */
    const char *name;
    const char *help;
    const char *labels;                                /* "" for none */
    atomic_int_fast64_t value;                         /* a histogram's sum in µs */
    atomic_int_fast64_t buckets[HD_HISTOGRAM_BUCKETS]; /* not cumulative */
};

/* The last bucket is +Inf. */
static const struct {
    int64_t up_to_us;
    const char *le;
} bounds[HD_HISTOGRAM_BUCKETS] = {
    {500, "0.0005"}, {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},     {10000, "0.01"}, {25000, "0.025"},
    {50000, "0.05"}, {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},     {1000000, "1"},  {2500000, "2.5"},
    {5000000, "5"},  {10000000, "10"}, {60000000, "60"}, {INT64_MAX, "+Inf"},
};

/* Metrics of one name stand together, as the text format wants them. */
static struct {
    pthread_mutex_t lock; /* for all below; the metrics themselves are atomic */
    size_t count;
    struct hd_metric *metrics[HD_METRICS_MAX];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct hd_metric *metric_new(enum metric_kind kind, const char *name, const char *help, const char *labels) {
    struct hd_metric *metric = aligned_alloc(CACHE_LINE_BYTES, sizeof(*metric));
    if (!metric)
        return NULL;
    memset(metric, 0, sizeof(*metric));
    metric->kind = kind;
    metric->name = name;
    metric->help = help;
    metric->labels = labels;
    return metric;
}

static struct hd_metric *find_or_add(enum metric_kind kind, const char *name, const char *help, const char *labels) {
    size_t at = registry.count; /* behind the last one of the same name, or at the end */
    for (size_t i = 0; i < registry.count; i++) {
        struct hd_metric *metric = registry.metrics[i];
        if (strcmp(metric->name, name) != 0)
            continue;
        assert(metric->kind == kind);
        if (strcmp(metric->labels, labels) == 0)
            return metric;
        at = i + 1;
    }
    if (registry.count == HD_METRICS_MAX)
        return NULL;
    struct hd_metric *metric = metric_new(kind, name, help, labels);
    if (!metric)
        return NULL;
    memmove(registry.metrics + at + 1, registry.metrics + at, (registry.count - at) * sizeof(struct hd_metric *));
    registry.metrics[at] = metric;
    registry.count++;
    return metric;
}

static struct hd_metric *register_metric(enum metric_kind kind, const char *name, const char *help, const char *labels) {
    pthread_mutex_lock(&registry.lock);
    struct hd_metric *metric = find_or_add(kind, name, help, labels ? labels : "");
    pthread_mutex_unlock(&registry.lock);
    return metric;
}

struct hd_metric *hd_counter(const char *name, const char *help, const char *labels) {
    return register_metric(COUNTER, name, help, labels);
}

struct hd_metric *hd_gauge(const char *name, const char *help, const char *labels) {
    return register_metric(GAUGE, name, help, labels);
}

struct hd_metric *hd_histogram(const char *name, const char *help, const char *labels) {
    return register_metric(HISTOGRAM, name, help, labels);
}

void hd_counter_add(struct hd_metric *metric, uint64_t n) {
    if (!metric)
        return;
    assert(metric->kind == COUNTER);
    atomic_fetch_add_explicit(&metric->value, (int_fast64_t)n, memory_order_relaxed);
}

void hd_gauge_set(struct hd_metric *metric, int64_t value) {
    if (!metric)
        return;
    assert(metric->kind == GAUGE);
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void hd_histogram_observe(struct hd_metric *metric, int64_t value_us) {
    if (!metric)
        return;
    assert(metric->kind == HISTOGRAM);
    if (value_us < 0) /* a clock went back */
        value_us = 0;
    size_t bucket = 0;
    while (value_us > bounds[bucket].up_to_us)
        bucket++;
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, value_us, memory_order_relaxed);
}

int64_t hd_metric_value(const struct hd_metric *metric) {
    if (!metric)
        return 0;
    if (metric->kind != HISTOGRAM)
        return atomic_load_explicit(&metric->value, memory_order_relaxed);
    int64_t count = 0;
    for (size_t i = 0; i < HD_HISTOGRAM_BUCKETS; i++)
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
    return count;
}

static void print_value(struct hd_buffer *out, const struct hd_metric *metric) {
    bool labelled = metric->labels[0] != '\0';
    const char *open = labelled ? "{" : "", *close = labelled ? "}" : "";
    hd_buffer_printf(out, "%s%s%s%s %" PRId64 "\n", metric->name, open, metric->labels, close, hd_metric_value(metric));
}

/* The count is taken from the same reads as the buckets, so that +Inf and _count agree however fast others observe. */
static void print_histogram(struct hd_buffer *out, const struct hd_metric *metric) {
    const char *labels = metric->labels;
    bool labelled = labels[0] != '\0';
    int64_t count = 0;
    for (size_t i = 0; i < HD_HISTOGRAM_BUCKETS; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        hd_buffer_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", metric->name, labels, labelled ? "," : "", bounds[i].le, count);
    }
    int64_t sum_us = atomic_load_explicit(&metric->value, memory_order_relaxed);
    const char *open = labelled ? "{" : "", *close = labelled ? "}" : "";
    hd_buffer_printf(out, "%s_sum%s%s%s %" PRId64 ".%06" PRId64 "\n", metric->name, open, labels, close, sum_us / US_PER_SECOND,
                     sum_us % US_PER_SECOND);
    hd_buffer_printf(out, "%s_count%s%s%s %" PRId64 "\n", metric->name, open, labels, close, count);
}

void hd_metrics_print(struct hd_buffer *out) {
    static const char *const type_names[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&registry.lock);
    for (size_t i = 0; i < registry.count; i++) {
        const struct hd_metric *metric = registry.metrics[i];
        if (i == 0 || strcmp(registry.metrics[i - 1]->name, metric->name) != 0)
            hd_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, type_names[metric->kind]);
        if (metric->kind == HISTOGRAM)
            print_histogram(out, metric);
        else
            print_value(out, metric);
    }
    pthread_mutex_unlock(&registry.lock);
}
