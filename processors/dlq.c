/* The DLQ handler: the administrators are told of dead letters, in-app and once an hour for each queue, so that an outage is one message and not ten thousand. (By e-mail it would go the
 * way that is likely broken.) The letters themselves wait for a person: the page, the API or the command sends them again. */
#include "processors/audit.h"
#include "processors/processors.h"
#include "processors/task.h"

enum { NOTICE_EVERY_MS = 60 * 60 * 1000 };

static const char *task_of_notice(struct hd_arena *arena, const char *notification_id, const char *dead_letter_id) {
    return hd_arena_printf(arena, "{\"notificationId\":\"%s\",\"deadLetterId\":\"%s\"}", notification_id, dead_letter_id);
}

/* *ret_told: whether a notice was made; this hour's may be there already. */
static int tell(const struct hd_context *ctx, struct hd_work *work, const struct hd_dead_letter *letter, const struct hd_user *admin,
                bool *ret_told, struct hd_error *err) {
    int64_t hour_ms = letter->created_at_ms - letter->created_at_ms % NOTICE_EVERY_MS;
    struct hd_id notice = hd_id_derive(hour_ms, (const char *const[]){"DeadLetter", letter->queue}, 2);
    struct hd_id id = hd_notification_id(hour_ms, notice.text, admin->user_id, HD_INAPP);
    const struct hd_notification *known = NULL;
    int r = ctx->store->ops->notification(ctx->store, work->arena, id.text, &known, err);
    *ret_told = !r && !known;
    if (r || known)
        return r;
    struct hd_notification notification = {
        .notification_id = hd_arena_strdup(work->arena, id.text),
        .event_id = hd_arena_strdup(work->arena, notice.text),
        .event = "DeadLetter",
        .ticket_id = letter->ticket_id,
        .target = admin->user_id,
        .channel = HD_INAPP,
        .status = HD_PENDING,
        .critical = true,
        .accepted_at_ms = letter->created_at_ms,
        .created_at_ms = ctx->now_ms,
        .updated_at_ms = ctx->now_ms,
    };
    const char *task = task_of_notice(work->arena, id.text, letter->dead_letter_id);
    if (!notification.notification_id || !notification.event_id || !task)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a notice");
    hd_put_notification(&work->changes, &notification);
    hd_enqueue(&work->changes, HD_QUEUE_INAPP, HD_LANE_URGENT, task, ctx->now_ms, 0);
    return 0;
}

/* A second message for the same letter: it was told of before. As in the router, looked at only when there is reason to expect it. */
static int is_done(const struct hd_context *ctx, struct hd_work *work, const struct hd_dead_letter *letter, bool *ret_done,
                   struct hd_error *err) {
    const struct hd_audit *entry = NULL;
    int r = 0;
    if (work->decisions > 1 || work->message->receive_count > 1)
        r = ctx->store->ops->audit(ctx->store, work->arena, hd_audit_dead_letter_id(letter).text, &entry, err);
    *ret_done = entry != NULL;
    return r;
}

static int tell_all(const struct hd_context *ctx, struct hd_work *work, const struct hd_dead_letter *letter, struct hd_error *err) {
    const struct hd_user *admins = NULL;
    size_t count = 0, told = 0;
    const char *more = NULL;
    struct hd_user_filter filter = {.role = HD_ROLE_ADMIN};
    int r = ctx->store->ops->users(ctx->store, work->arena, &filter, &(struct hd_page){.limit = HD_PAGE_MAX}, &admins, &count, &more, err);
    for (size_t i = 0; !r && i < count; i++) {
        bool is_told = false;
        r = tell(ctx, work, letter, &admins[i], &is_told, err);
        told += is_told;
    }
    if (!r)
        hd_audit_dead_letter(work, letter, told, ctx->now_ms);
    return r;
}

static int begin(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
    struct task task = {0};
    const struct hd_dead_letter *letter = NULL;
    int r = hd_task_read(work, &task, err);
    if (!r && task.dead_letter_id)
        r = ctx->store->ops->dead_letter(ctx->store, work->arena, task.dead_letter_id, &letter, err);
    if (r && r != HD_ERR_MALFORMED)
        return r;
    bool done = !letter; /* no letter: it was sent again or purged before we came; nothing is left to tell */
    r = letter ? is_done(ctx, work, letter, &done, err) : 0;
    if (!r && !done)
        r = tell_all(ctx, work, letter, err);
    if (!r)
        hd_acknowledge(&work->changes, work->message);
    return r;
}

const struct hd_processor hd_dlq_processor = {.name = "dlq", .queue = HD_QUEUE_DLQ, .begin = begin};
