#include "core/delivery.h"

#include <assert.h>

#include "core/names.h"

static const char *const statuses[HD_STATUS_COUNT] = {
    [HD_PENDING] = "pending",       [HD_DEFERRED] = "deferred", [HD_SENDING] = "sending", [HD_SENT] = "sent",
    [HD_SUPPRESSED] = "suppressed", [HD_EXPIRED] = "expired",   [HD_DEAD] = "dead",
};

static const char *const outcomes[HD_OUTCOME_COUNT] = {
    [HD_OUTCOME_SENT] = "sent",
    [HD_OUTCOME_RETRY] = "retry",
    [HD_OUTCOME_PERMANENT] = "permanent",
    [HD_OUTCOME_ADDRESS_GONE] = "address_gone",
    [HD_OUTCOME_CONFIGURATION] = "configuration",
    [HD_OUTCOME_INTERRUPTED] = "interrupted",
};

/* All transitions that there are. 0 is HD_PENDING, so what is not named must be told from it: the table holds the new status plus one. */
#define TO(status) ((signed char)((status) + 1))
static const signed char after[HD_STATUS_COUNT][HD_MOVE_COUNT] = {
    [HD_PENDING] =
        {
            [HD_MOVE_BEGIN] = TO(HD_SENDING),
            [HD_MOVE_SENT] = TO(HD_SENT), /* a provider that answers at once: simulated, in-app */
            [HD_MOVE_RETRY] = TO(HD_PENDING),
            [HD_MOVE_GIVE_UP] = TO(HD_DEAD),
            [HD_MOVE_EXPIRE] = TO(HD_EXPIRED),
        },
    [HD_DEFERRED] =
        {
            [HD_MOVE_RELEASE] = TO(HD_PENDING),
            [HD_MOVE_EXPIRE] = TO(HD_EXPIRED),
        },
    [HD_SENDING] =
        {
            [HD_MOVE_SENT] = TO(HD_SENT),
            [HD_MOVE_RETRY] = TO(HD_PENDING),
            [HD_MOVE_GIVE_UP] = TO(HD_DEAD),
            [HD_MOVE_TAKE_OVER] = TO(HD_SENDING),
            [HD_MOVE_EXPIRE] = TO(HD_EXPIRED),
        },
    [HD_DEAD] =
        {
            [HD_MOVE_REDRIVE] = TO(HD_PENDING),
        },
};
#undef TO

int hd_status_after(enum hd_status from, enum hd_move move) {
    assert(from < HD_STATUS_COUNT && move < HD_MOVE_COUNT);
    return after[from][move] - 1;
}

const char *hd_status_name(enum hd_status status) {
    assert(status < HD_STATUS_COUNT);
    return statuses[status];
}

int hd_status_from_name(const char *name) {
    return hd_name_index(statuses, HD_STATUS_COUNT, name);
}

bool hd_status_is_final(enum hd_status status) {
    return status == HD_SENT || status == HD_SUPPRESSED || status == HD_EXPIRED || status == HD_DEAD;
}

const char *hd_outcome_name(enum hd_outcome_kind kind) {
    assert(kind < HD_OUTCOME_COUNT);
    return outcomes[kind];
}

int hd_outcome_from_name(const char *name) {
    return hd_name_index(outcomes, HD_OUTCOME_COUNT, name);
}

struct hd_id hd_notification_id(int64_t accepted_at_ms, const char *event_id, const char *target, enum hd_channel channel) {
    const char *const parts[] = {"notification", event_id, target, hd_channel_name(channel)};
    return hd_id_derive(accepted_at_ms, parts, HD_ARRAY_LEN(parts));
}

void hd_notification_put_members(struct hd_json_writer *w, const struct hd_notification *notification) {
    hd_json_put_str(w, "notificationId", notification->notification_id);
    hd_json_put_str(w, "eventId", notification->event_id);
    hd_json_put_str(w, "event", notification->event);
    hd_json_put_str(w, "ticketId", notification->ticket_id);
    hd_json_put_str(w, "target", notification->target);
    hd_json_put_str(w, "channel", hd_channel_name(notification->channel));
    hd_json_put_str(w, "status", hd_status_name(notification->status));
    hd_json_put_str(w, "reason", notification->reason);
    hd_json_put_int(w, "attempts", notification->attempts);
    hd_json_put_time(w, "nextAttemptAt", notification->next_attempt_at_ms);
    hd_json_put_time(w, "createdAt", notification->created_at_ms);
    hd_json_put_time(w, "updatedAt", notification->updated_at_ms);
    hd_json_put_time(w, "sentAt", notification->sent_at_ms);
    hd_json_put_str(w, "correlationId", notification->correlation_id);
}

void hd_attempt_write(struct hd_json_writer *w, const char *name, const struct hd_attempt *attempt) {
    hd_json_open_object(w, name);
    hd_json_put_int(w, "number", attempt->number);
    hd_json_put_time(w, "at", attempt->at_ms);
    hd_json_put_str(w, "outcome", hd_outcome_name(attempt->outcome));
    hd_json_put_str(w, "provider", attempt->provider);
    hd_json_put_str(w, "detail", attempt->detail);
    hd_json_put_int(w, "durationMs", attempt->duration_ms);
    hd_json_close_object(w);
}

void hd_inbox_item_write(struct hd_json_writer *w, const char *name, const struct hd_inbox_item *item) {
    hd_json_open_object(w, name);
    hd_json_put_str(w, "notificationId", item->notification_id);
    hd_json_put_str(w, "event", item->event);
    hd_json_put_str(w, "ticketId", item->ticket_id);
    hd_json_put_str(w, "title", item->title);
    hd_json_put_str(w, "body", item->body);
    hd_json_put_time(w, "createdAt", item->created_at_ms);
    hd_json_put_time(w, "readAt", item->read_at_ms);
    hd_json_close_object(w);
}

void hd_dead_letter_write(struct hd_json_writer *w, const char *name, const struct hd_dead_letter *letter) {
    hd_json_open_object(w, name);
    hd_json_put_str(w, "deadLetterId", letter->dead_letter_id);
    hd_json_put_str(w, "queue", letter->queue);
    hd_json_put_str(w, "reason", letter->reason);
    hd_json_put_str(w, "detail", letter->detail);
    hd_json_put_int(w, "attempts", letter->attempts);
    hd_json_put_str(w, "notificationId", letter->notification_id);
    hd_json_put_str(w, "eventId", letter->event_id);
    hd_json_put_str(w, "ticketId", letter->ticket_id);
    hd_json_put_str(w, "channel", letter->channel);
    hd_json_put_str(w, "target", letter->target);
    /* A message that came to a notification says no more than its id; of any other the body is all there is to see. */
    hd_json_put_str(w, "body", letter->notification_id ? NULL : letter->body);
    hd_json_put_time(w, "createdAt", letter->created_at_ms);
    hd_json_close_object(w);
}
