#include "processors/audit.h"

#include "base/id.h"

struct hd_id hd_audit_dead_letter_id(const struct hd_dead_letter *letter) {
    return hd_id_derive(letter->created_at_ms, (const char *const[]){"dead_letter.recorded", letter->dead_letter_id}, 2);
}

static void append(struct hd_work *work, struct hd_audit *entry, struct hd_buffer *detail, const char *audit_id) {
    entry->audit_id = hd_arena_strdup(work->arena, audit_id);
    entry->detail = detail->failure ? NULL : hd_arena_strndup(work->arena, detail->data, detail->len);
    hd_buffer_free(detail);
    if (!entry->audit_id || !entry->detail) {
        work->changes.failure = HD_ERR_NO_MEMORY;
        return;
    }
    hd_append_audit(&work->changes, entry);
}

void hd_audit_routed(struct hd_work *work, const struct hd_event *event, const struct audit_decisions *decisions, int64_t now_ms) {
    struct hd_buffer detail = {0};
    struct hd_json_writer w = hd_json_writer(&detail);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "decisions");
    for (size_t i = 0; i < decisions->count; i++) {
        const struct audit_decision *d = &decisions->items[i];
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "target", d->target);
        hd_json_put_str(&w, "channel", hd_channel_name(d->channel));
        hd_json_put_str(&w, "decision", d->notify ? "notify" : "suppress");
        hd_json_put_str(&w, "reason", d->reason);
        hd_json_put_str(&w, "notificationId", d->notification_id);
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    struct hd_audit entry = {
        .action = "event.routed",
        .subject = event->event_id,
        .actor = "router",
        .correlation_id = event->correlation_id,
        .at_ms = now_ms,
    };
    append(work, &entry, &detail, hd_event_routing_id(event).text);
}

void hd_audit_dead_letter(struct hd_work *work, const struct hd_dead_letter *letter, size_t told, int64_t now_ms) {
    struct hd_buffer detail = {0};
    struct hd_json_writer w = hd_json_writer(&detail);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "queue", letter->queue);
    hd_json_put_str(&w, "reason", letter->reason);
    hd_json_put_int(&w, "administratorsTold", (int64_t)told);
    hd_json_close_object(&w);
    struct hd_audit entry = {.action = "dead_letter.recorded", .subject = letter->dead_letter_id, .actor = "dlq", .at_ms = now_ms};
    append(work, &entry, &detail, hd_audit_dead_letter_id(letter).text);
}
