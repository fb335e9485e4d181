#include "serverless/measures.h"

#include "base/json.h"
#include "host/tell.h"

enum { VALUES_MAX = 100 /* of one metric in one line */ };

static const char *const names[HD_MEASURE_COUNT] = {
    [HD_MEASURE_MESSAGES] = "Messages", [HD_MEASURE_MESSAGES_LEFT] = "MessagesLeft",
    [HD_MEASURE_EVENTS] = "Events",     [HD_MEASURE_DEAD_LETTERS] = "DeadLetters",
    [HD_MEASURE_RELAYED] = "Relayed",   [HD_MEASURE_AUDIT_ENTRIES] = "AuditEntries",
    [HD_MEASURE_ERRORS] = "Errors",
};
static const char *const channel_names[HD_CHANNEL_MEASURE_COUNT] = {
    [HD_MEASURE_SENT] = "Sent",
    [HD_MEASURE_RETRIED] = "Retried",
    [HD_MEASURE_FAILED] = "Failed",
    [HD_MEASURE_SUPPRESSED] = "Suppressed",
};

/* ---- counting ---- */

static void count_sent(struct hd_channel_measures *channel, const struct hd_notification *n) {
    if (n->status == HD_SENT && channel->latency_count < HD_MEASURES_LATENCIES_MAX) {
        int64_t latency_ms = n->sent_at_ms - n->accepted_at_ms;
        channel->latencies_ms[channel->latency_count++] = latency_ms > 0 ? latency_ms : 0; /* clocks differ */
    }
}

/* By what became of the notification; an attempt that was interrupted stands beside the one that went on in its place. */
static void count_attempt(struct hd_measures *m, const struct hd_notification *n, const struct hd_attempt *attempt) {
    enum hd_channel_measure measure = HD_MEASURE_RETRIED;
    if (attempt->outcome != HD_OUTCOME_INTERRUPTED)
        measure = n->status == HD_SENT ? HD_MEASURE_SENT : n->status == HD_DEAD ? HD_MEASURE_FAILED : HD_MEASURE_RETRIED;
    m->channels[n->channel].counts[measure]++;
}

void hd_measures_happened(struct hd_measures *m, const struct hd_changeset *set) {
    for (size_t i = 0; i < set->count; i++) {
        const struct hd_change *change = &set->changes[i];
        const struct hd_notification *moved = change->kind == HD_CHANGE_APPEND_ATTEMPT ? hd_tell_moved(set) : NULL;
        if (change->kind == HD_CHANGE_APPEND_EVENT)
            m->counts[HD_MEASURE_EVENTS]++;
        else if (change->kind == HD_CHANGE_PUT_DEAD_LETTER)
            m->counts[HD_MEASURE_DEAD_LETTERS]++;
        else if (change->kind == HD_CHANGE_PUT_NOTIFICATION && change->notification->status == HD_SUPPRESSED)
            m->channels[change->notification->channel].counts[HD_MEASURE_SUPPRESSED]++;
        else if (change->kind == HD_CHANGE_MOVE_NOTIFICATION)
            count_sent(&m->channels[change->move.to->channel], change->move.to);
        else if (moved)
            count_attempt(m, moved, change->attempt);
    }
}

/* ---- writing ---- */

/* One line: which of its members are metrics is told before their values. */
struct line {
    struct hd_json_writer w;
    int64_t now_ms;
    const char *metrics_namespace, *dimension, *value;
};

static void declare(struct hd_json_writer *w, const char *name, const char *unit) {
    hd_json_open_object(w, NULL);
    hd_json_put_str(w, "Name", name);
    hd_json_put_str(w, "Unit", unit);
    hd_json_close_object(w);
}

static void begin(struct line *line) {
    struct hd_json_writer *w = &line->w;
    w->comma = false;
    hd_json_open_object(w, NULL);
    hd_json_open_object(w, "_aws");
    hd_json_put_int(w, "Timestamp", line->now_ms);
    hd_json_open_array(w, "CloudWatchMetrics");
    hd_json_open_object(w, NULL);
    hd_json_put_str(w, "Namespace", line->metrics_namespace);
    hd_json_open_array(w, "Dimensions");
    hd_json_open_array(w, NULL);
    hd_json_put_str(w, NULL, line->dimension);
    hd_json_close_array(w);
    hd_json_close_array(w);
    hd_json_open_array(w, "Metrics");
}

static void begin_values(struct line *line) {
    struct hd_json_writer *w = &line->w;
    hd_json_close_array(w);
    hd_json_close_object(w);
    hd_json_close_array(w);
    hd_json_close_object(w);
    hd_json_put_str(w, line->dimension, line->value);
}

static void end(struct line *line) {
    hd_json_close_object(&line->w);
    hd_buffer_add_char(line->w.out, '\n');
}

static void write_counts(struct line *line, const int64_t *counts, const char *const *count_names, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || counts[i] != 0;
    if (!any)
        return;
    begin(line);
    for (size_t i = 0; i < count; i++)
        if (counts[i] != 0)
            declare(&line->w, count_names[i], "Count");
    begin_values(line);
    for (size_t i = 0; i < count; i++)
        if (counts[i] != 0)
            hd_json_put_int(&line->w, count_names[i], counts[i]);
    end(line);
}

static void write_latencies(struct line *line, const struct hd_channel_measures *channel) {
    for (size_t at = 0; at < channel->latency_count;) {
        begin(line);
        declare(&line->w, "Latency", "Milliseconds");
        begin_values(line);
        hd_json_open_array(&line->w, "Latency");
        for (size_t i = 0; i < VALUES_MAX && at < channel->latency_count; i++)
            hd_json_put_int(&line->w, NULL, channel->latencies_ms[at++]);
        hd_json_close_array(&line->w);
        end(line);
    }
}

void hd_measures_write(const struct hd_measures *m, const char *metrics_namespace, const char *function, int64_t now_ms,
                       struct hd_buffer *out) {
    struct line line = {.w = hd_json_writer(out), .now_ms = now_ms, .metrics_namespace = metrics_namespace};
    line.dimension = "Function";
    line.value = function;
    write_counts(&line, m->counts, names, HD_MEASURE_COUNT);
    line.dimension = "Channel";
    for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++) {
        line.value = hd_channel_name((enum hd_channel)channel);
        write_counts(&line, m->channels[channel].counts, channel_names, HD_CHANNEL_MEASURE_COUNT);
        write_latencies(&line, &m->channels[channel]);
    }
}
