#include "app/observe.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "host/tell.h"
#include "processors/processors.h"

struct observer {
    struct hd_metric *notifications[HD_CHANNEL_COUNT][HD_OUTCOME_COUNT];
    struct hd_metric *suppressed[HD_CHANNEL_COUNT];
    struct hd_metric *latency[HD_CHANNEL_COUNT];
    struct hd_metric *events[HD_EVENT_TYPE_COUNT];
    struct hd_metric *dead_letters;
    struct hd_metric *backlog[HD_QUEUE_COUNT], *oldest[HD_QUEUE_COUNT];
    _Atomic int64_t waiting;
    char labels[HD_CHANNEL_COUNT * (HD_OUTCOME_COUNT + 2) + HD_EVENT_TYPE_COUNT + HD_QUEUE_COUNT]
               [64]; /* the registry keeps pointers to them */
    size_t label_count;
};

static const char *label(struct observer *o, const char *fmt, const char *first, const char *second) {
    char *text = o->labels[o->label_count++];
    /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")(void)
        snprintf(text, sizeof o->labels[0], fmt, first, second);
    _Pragma("GCC diagnostic pop") return text;
}

static void register_channel(struct observer *o, enum hd_channel channel) {
    static const char *const name = "helpdesk_notifications_total", *const help =
                                                                        "Attempts by channel and outcome, and what was suppressed";
    const char *text = hd_channel_name(channel);
    for (unsigned outcome = 0; outcome < HD_OUTCOME_COUNT; outcome++)
        o->notifications[channel][outcome] =
            hd_counter(name, help, label(o, "channel=\"%s\",outcome=\"%s\"", text, hd_outcome_name((enum hd_outcome_kind)outcome)));
    o->suppressed[channel] = hd_counter(name, help, label(o, "channel=\"%s\",outcome=\"%s\"", text, "suppressed"));
    o->latency[channel] = hd_histogram("helpdesk_ack_to_sent_seconds", "From the acceptance of the event to the hand-off",
                                       label(o, "channel=\"%s\"%s", text, ""));
}

int hd_observer_new(struct observer **ret_observer, struct hd_error *err) {
    struct observer *o = calloc(1, sizeof *o);
    if (!o)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for metrics");
    for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++)
        register_channel(o, (enum hd_channel)channel);
    for (unsigned type = 0; type < HD_EVENT_TYPE_COUNT; type++)
        o->events[type] = hd_counter("helpdesk_events_total", "Events accepted",
                                     label(o, "event=\"%s\"%s", hd_event_type_name((enum hd_event_type)type), ""));
    for (unsigned queue = 0; queue < HD_QUEUE_COUNT; queue++) {
        const char *labels = label(o, "queue=\"%s\"%s", hd_queue_name_text((enum hd_queue_name)queue), "");
        o->backlog[queue] = hd_gauge("helpdesk_backlog", "Messages that wait to be processed, dead letters apart", labels);
        o->oldest[queue] = hd_gauge("helpdesk_oldest_message_seconds", "Age of the oldest message", labels);
    }
    o->dead_letters = hd_counter("helpdesk_dead_letters_total", "Messages that became dead letters", NULL);
    *ret_observer = o;
    return 0;
}

void hd_observer_free(struct observer *observer) {
    free(observer); /* its labels are in the registry: a process makes one observer, and frees it when it ends */
}

static void count_change(struct observer *o, const struct hd_change *change, int64_t *waiting) {
    switch (change->kind) {
    case HD_CHANGE_APPEND_EVENT:
        hd_counter_add(o->events[change->event->type], 1);
        break;
    case HD_CHANGE_PUT_NOTIFICATION:
        if (change->notification->status == HD_SUPPRESSED)
            hd_counter_add(o->suppressed[change->notification->channel], 1);
        break;
    case HD_CHANGE_MOVE_NOTIFICATION: {
        const struct hd_notification *n = change->move.to;
        if (n->status == HD_SENT)
            hd_histogram_observe(o->latency[n->channel], (n->sent_at_ms - n->accepted_at_ms) * 1000);
        break;
    }
    case HD_CHANGE_PUT_DEAD_LETTER:
        hd_counter_add(o->dead_letters, 1);
        break;
    case HD_CHANGE_ENQUEUE:
        ++*waiting;
        break;
    case HD_CHANGE_ACKNOWLEDGE:
        --*waiting;
        break;
    default:
        break;
    }
}

void hd_observer_happened(void *self, const struct hd_changeset *set) {
    struct observer *o = self;
    int64_t waiting = 0;
    for (size_t i = 0; i < set->count; i++) {
        count_change(o, &set->changes[i], &waiting);
        const struct hd_notification *moved = set->changes[i].kind == HD_CHANGE_APPEND_ATTEMPT ? hd_tell_moved(set) : NULL;
        if (moved)
            hd_counter_add(o->notifications[moved->channel][set->changes[i].attempt->outcome], 1);
    }
    hd_tell_happened(set);
    if (waiting != 0)
        atomic_fetch_add_explicit(&o->waiting, waiting, memory_order_relaxed);
}

int64_t hd_observer_backlog(const struct observer *observer) {
    return atomic_load_explicit(&observer->waiting, memory_order_relaxed);
}

void hd_observer_look(struct observer *o, struct hd_queue *queue, int64_t now_ms) {
    int64_t waiting = 0;
    for (size_t i = 0; i < hd_processor_count; i++) { /* a queue without a processor need not be there */
        enum hd_queue_name name = hd_processors[i]->queue;
        struct hd_queue_depth depth = {0};
        if (queue->ops->depth(queue, name, now_ms, &depth, NULL))
            return;
        int64_t all = depth.visible + depth.in_flight + depth.delayed;
        waiting += all;
        hd_gauge_set(o->backlog[name], all);
        hd_gauge_set(o->oldest[name], depth.oldest_ms > 0 && depth.oldest_ms < now_ms ? (now_ms - depth.oldest_ms) / 1000 : 0);
    }
    atomic_store_explicit(&o->waiting, waiting, memory_order_relaxed);
}
