#include "processors/task.h"

#include <string.h>

int hd_task_read(const struct hd_work *work, struct task *ret_task, struct hd_error *err) {
    json_t *body = NULL;
    int r = hd_json_parse(work->arena, work->message->body, strlen(work->message->body), 0, &body, err);
    if (r)
        return r;
    if (!json_is_object(body))
        return hd_error_set(err, HD_ERR_MALFORMED, "the message is not a JSON object");
    *ret_task = (struct task){
        .body = body,
        .event_id = hd_json_str(body, "eventId"),
        .notification_id = hd_json_str(body, "notificationId"),
        .dead_letter_id = hd_json_str(body, "deadLetterId"),
    };
    return 0;
}

void hd_task_bury(const struct hd_context *ctx, struct hd_work *work, const struct burial *burial) {
    const struct hd_message *message = work->message;
    const struct hd_notification *n = burial->notification;
    uint8_t random[10];
    ctx->random->fill(ctx->random, random, sizeof random);
    struct hd_id id = hd_id_v7(ctx->now_ms, random);
    struct hd_dead_letter letter = {
        .dead_letter_id = hd_arena_strdup(work->arena, id.text),
        .queue = hd_queue_name_text(message->queue),
        .reason = burial->reason,
        .detail = hd_arena_strdup(work->arena, burial->detail),
        .attempts = burial->attempts,
        .notification_id = n ? n->notification_id : NULL,
        .event_id = n               ? n->event_id
                    : burial->event ? burial->event->event_id
                                    : NULL,
        .ticket_id = n               ? n->ticket_id
                     : burial->event ? burial->event->ticket_id
                                     : NULL,
        .target = n ? n->target : NULL,
        .channel = n ? hd_channel_name(n->channel) : NULL,
        .body = message->body,
        .created_at_ms = ctx->now_ms,
    };
    const char *task = hd_task_write(work->arena, "deadLetterId", id.text);
    if (!letter.dead_letter_id || !task) {
        work->changes.failure = HD_ERR_NO_MEMORY;
        return;
    }
    hd_put_dead_letter(&work->changes, &letter);
    hd_enqueue(&work->changes, HD_QUEUE_DLQ, HD_LANE_NORMAL, task, ctx->now_ms, 0);
    if (!burial->message_lost)
        hd_acknowledge(&work->changes, message);
}
