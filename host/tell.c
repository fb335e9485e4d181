#include "host/tell.h"

#include "base/log.h"

static void tell_event(const struct hd_event *event) {
    struct hd_log_about about = {.correlation_id = event->correlation_id, .event_id = event->event_id, .traceparent = event->traceparent};
    hd_log(HD_LOG_DEBUG, "event accepted", &about, HD_LOG_STR("event", hd_event_type_name(event->type)),
           HD_LOG_STR("ticketId", event->ticket_id));
}

static void tell_dead_letter(const struct hd_dead_letter *letter) {
    struct hd_log_about about = {.event_id = letter->event_id};
    hd_log(HD_LOG_ERROR, "dead letter", &about, HD_LOG_STR("deadLetterId", letter->dead_letter_id), HD_LOG_STR("queue", letter->queue),
           HD_LOG_STR("reason", letter->reason), HD_LOG_STR("detail", letter->detail));
}

static void tell_attempt(const struct hd_notification *n, const struct hd_attempt *attempt) {
    enum hd_log_level level = attempt->outcome == HD_OUTCOME_SENT ? HD_LOG_DEBUG : n->status == HD_DEAD ? HD_LOG_ERROR : HD_LOG_WARN;
    struct hd_log_about about = {.correlation_id = n->correlation_id, .event_id = n->event_id, .traceparent = n->traceparent};
    hd_log(level, "attempt", &about, HD_LOG_STR("notificationId", n->notification_id), HD_LOG_STR("channel", hd_channel_name(n->channel)),
           HD_LOG_STR("outcome", hd_outcome_name(attempt->outcome)), HD_LOG_STR("status", hd_status_name(n->status)),
           HD_LOG_INT("number", attempt->number), HD_LOG_STR("detail", attempt->detail));
}

const struct hd_notification *hd_tell_moved(const struct hd_changeset *set) {
    for (size_t i = 0; i < set->count; i++)
        if (set->changes[i].kind == HD_CHANGE_MOVE_NOTIFICATION)
            return set->changes[i].move.to;
    return NULL;
}

void hd_tell_happened(const struct hd_changeset *set) {
    for (size_t i = 0; i < set->count; i++) {
        const struct hd_change *change = &set->changes[i];
        const struct hd_notification *moved = change->kind == HD_CHANGE_APPEND_ATTEMPT ? hd_tell_moved(set) : NULL;
        if (change->kind == HD_CHANGE_APPEND_EVENT)
            tell_event(change->event);
        else if (change->kind == HD_CHANGE_PUT_DEAD_LETTER)
            tell_dead_letter(change->dead_letter);
        else if (moved)
            tell_attempt(moved, change->attempt);
    }
}

void hd_tell_answered(const struct hd_response *response) {
    if (!response->error || response->error->code == HD_ERR_OVERLOADED)
        return;
    struct hd_log_about about = {.correlation_id = response->correlation_id, .traceparent = response->traceparent};
    hd_log(HD_LOG_ERROR, "request failed", &about, HD_LOG_STR("operation", response->operation), HD_LOG_INT("status", response->status),
           HD_LOG_STR("error", hd_code_type(response->error->code)), HD_LOG_STR("detail", response->error->detail));
}
