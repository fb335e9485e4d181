#include "processors/task.h"

#include <string.h>

#include "base/id.h"
#include "base/utf8.h"

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

static struct hd_id letter_id(const struct hd_context *ctx, const struct hd_message *message) {
    if (message->message_id)
        return hd_id_derive(message->enqueued_at_ms,
                            (const char *const[]){"dead_letter", hd_queue_name_text(message->queue), message->message_id}, 3);
    uint8_t random[10];
    ctx->random->fill(ctx->random, random, sizeof random);
    return hd_id_v7(ctx->now_ms, random);
}

/* Whether an earlier delivery of this message has made the letter; looked at only when there is reason to expect it. */
static int is_buried(const struct hd_context *ctx, struct hd_work *work, const char *dead_letter_id, bool *ret_buried,
                     struct hd_error *err) {
    const struct hd_dead_letter *known = NULL;
    int r = 0;
    if (work->message->message_id && work->decisions > 1)
        r = ctx->store->ops->dead_letter(ctx->store, work->arena, dead_letter_id, &known, err);
    *ret_buried = known != NULL;
    return r;
}

static const char *body_to_keep(struct hd_arena *arena, const char *body) {
    size_t len = strlen(body);
    return len <= HD_MESSAGE_MAX_BYTES ? body : hd_arena_strndup(arena, body, hd_utf8_valid_prefix(body, HD_MESSAGE_MAX_BYTES));
}

static int put_letter(const struct hd_context *ctx, struct hd_work *work, const struct burial *burial, const char *dead_letter_id,
                      struct hd_error *err) {
    const struct hd_message *message = work->message;
    const struct hd_notification *n = burial->notification;
    const struct hd_event *event = burial->event;
    struct hd_dead_letter letter = {
        .dead_letter_id = hd_arena_strdup(work->arena, dead_letter_id),
        .queue = hd_queue_name_text(message->queue),
        .reason = burial->reason,
        .detail = hd_arena_strdup(work->arena, burial->detail),
        .attempts = burial->attempts,
        .notification_id = n ? n->notification_id : NULL,
        .event_id = n       ? n->event_id
                    : event ? event->event_id
                            : NULL,
        .ticket_id = n       ? n->ticket_id
                     : event ? event->ticket_id
                             : NULL,
        .target = n ? n->target : NULL,
        .channel = n ? hd_channel_name(n->channel) : NULL,
        .body = body_to_keep(work->arena, message->body),
        .created_at_ms = ctx->now_ms,
    };
    const char *task = hd_task_write(work->arena, "deadLetterId", dead_letter_id);
    if (!letter.dead_letter_id || !letter.body || !task)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a dead letter");
    hd_put_dead_letter(&work->changes, &letter);
    if (message->queue != HD_QUEUE_DLQ)
        hd_enqueue(&work->changes, HD_QUEUE_DLQ, HD_LANE_NORMAL, task, ctx->now_ms, 0);
    return 0;
}

int hd_task_bury(const struct hd_context *ctx, struct hd_work *work, const struct burial *burial, struct hd_error *err) {
    struct hd_id id = letter_id(ctx, work->message);
    bool buried = false;
    int r = is_buried(ctx, work, id.text, &buried, err);
    if (!r && !buried)
        r = put_letter(ctx, work, burial, id.text, err);
    if (!r && !burial->message_lost)
        hd_acknowledge(&work->changes, work->message);
    return r;
}
