/* What an invocation came to, as CloudWatch's embedded metric format has it (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html): JSON lines in the log that
 * CloudWatch turns into metrics, without a request of ours. Pure.
 *
 *   by Function   Messages (taken in a batch), MessagesLeft (of them, to come again), Events (accepted), DeadLetters, Relayed (outbox messages), AuditEntries, Errors (invocations that failed)
 *   by Channel    Sent, Retried, Failed (given up), Suppressed, Latency (ms from the event's acceptance to the hand-off)
 *
 * What is zero is not written: a metric costs only where it is used. */
#pragma once

#include "base/buffer.h"
#include "core/changeset.h"

enum hd_measure {
    HD_MEASURE_MESSAGES,
    HD_MEASURE_MESSAGES_LEFT,
    HD_MEASURE_EVENTS,
    HD_MEASURE_DEAD_LETTERS,
    HD_MEASURE_RELAYED,
    HD_MEASURE_AUDIT_ENTRIES,
    HD_MEASURE_ERRORS,
    HD_MEASURE_COUNT
};
enum hd_channel_measure { HD_MEASURE_SENT, HD_MEASURE_RETRIED, HD_MEASURE_FAILED, HD_MEASURE_SUPPRESSED, HD_CHANNEL_MEASURE_COUNT };

enum { HD_MEASURES_LATENCIES_MAX = 256 /* of a channel in an invocation; more are not measured */ };

struct hd_channel_measures {
    int64_t counts[HD_CHANNEL_MEASURE_COUNT];
    int64_t latencies_ms[HD_MEASURES_LATENCIES_MAX];
    size_t latency_count;
};

/* {0} is an invocation in which nothing has happened yet. */
struct hd_measures {
    int64_t counts[HD_MEASURE_COUNT];
    struct hd_channel_measures channels[HD_CHANNEL_COUNT];
};

/* Counts what a committed changeset says. */
void hd_measures_happened(struct hd_measures *measures, const struct hd_changeset *set);

/* The lines. Check out afterwards. */
void hd_measures_write(const struct hd_measures *measures, const char *metrics_namespace, const char *function, int64_t now_ms,
                       struct hd_buffer *out);
