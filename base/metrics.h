/* Counters, gauges and histograms in one registry, printed as Prometheus text (exposition format 0.0.4).
 *
 * A metric is registered once, at start, and then changed from any thread without a lock. Labels are fixed at registration:
 * one handle for each set of label values ("channel=\"email\",outcome=\"sent\""), at most HD_METRICS_MAX in all, so that no
 * input can grow the registry.
 * Units are in the names, as Prometheus asks: _seconds, _bytes, _total. */
#pragma once

#include <stdint.h>

#include "base/buffer.h"

enum { HD_METRICS_MAX = 512, HD_HISTOGRAM_BUCKETS = 16 };

struct hd_metric;

/* name, help and labels must live for ever (string literals or built once). The same name may come again with other labels; the same name
 * and labels give the same handle; a name has one kind. labels may be NULL. NULL comes back when the registry is full or memory is out; all
 * functions below take NULL and do nothing. */
struct hd_metric *hd_counter(const char *name, const char *help, const char *labels);
struct hd_metric *hd_gauge(const char *name, const char *help, const char *labels);
/* Seconds: 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 60 +Inf. Observed in microseconds. */
struct hd_metric *hd_histogram(const char *name, const char *help, const char *labels);

void hd_counter_add(struct hd_metric *metric, uint64_t n);
void hd_gauge_set(struct hd_metric *metric, int64_t value);
void hd_histogram_observe(struct hd_metric *metric, int64_t value_us);
int64_t hd_metric_value(const struct hd_metric *metric); /* a counter's or gauge's value, a histogram's count */

void hd_metrics_print(struct hd_buffer *out);
