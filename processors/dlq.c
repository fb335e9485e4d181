/* The DLQ handler: the administrators are told of dead letters, in-app and once an hour for each queue, so that an outage is one message and not ten thousand. (By e-mail it would go the
 * way that is likely broken.) The letters themselves wait for a person: the page, the API or the command sends them again.
 *
 * It takes what other queues have given up, too (SQS's redrive policy moves it beside them): such a message becomes a dead letter as any other. */
#include "base/id.h"
#include "processors/audit.h"
#include "processors/delivery.h"
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

/* ---- messages that their queue has given up ---- */

/* What an abandoned message was about, and whether its work is done all the same (the process died behind the commit, three times). */
struct abandoned {
    const struct hd_event *event;
    const struct hd_notification *notification;
    bool done;
};

static bool belongs_to(const struct hd_notification *n, enum hd_queue_name queue) {
    return n && hd_queue_of_channel(n->channel) == queue;
}

static int look_at_event(const struct hd_context *ctx, struct hd_work *work, const char *event_id, struct abandoned *ret,
                         struct hd_error *err) {
    int r = ctx->store->ops->event(ctx->store, work->arena, event_id, &ret->event, err);
    if (!r && ret->event)
        r = ctx->store->ops->processed(ctx->store, "router", event_id, &ret->done, err);
    return r;
}

/* A worker that is at it may still conclude: what it has sent must not be called dead. */
static int look_at_notification(const struct hd_context *ctx, struct hd_work *work, const char *notification_id, struct abandoned *ret,
                                struct hd_error *err) {
    const struct hd_notification *n = NULL;
    int r = ctx->store->ops->notification(ctx->store, work->arena, notification_id, &n, err);
    if (r || !belongs_to(n, work->message->queue))
        return r;
    if (hd_delivery_owner_lives(ctx, n))
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "another worker may still be sending this notification");
    ret->done = hd_status_is_final(n->status);
    ret->notification = n;
    return 0;
}

static int look_at(const struct hd_context *ctx, struct hd_work *work, struct abandoned *ret, struct hd_error *err) {
    struct task task = {0};
    struct hd_error unread = {0};
    int r = hd_task_read(work, &task, &unread);
    if (r == HD_ERR_MALFORMED)
        return 0;
    if (r)
        return hd_error_set(err, unread.code, "%s", unread.detail);
    if (work->message->queue == HD_QUEUE_ROUTER && task.event_id && hd_id_acceptable(task.event_id))
        return look_at_event(ctx, work, task.event_id, ret, err);
    if (task.notification_id && hd_id_acceptable(task.notification_id))
        return look_at_notification(ctx, work, task.notification_id, ret, err);
    return 0;
}

/* The notification goes with its letter, so that a redrive sends it again; one that no transition leads to dead is left alone, and a redrive sends the message as it was. */
static int give_up(const struct hd_context *ctx, struct hd_work *work, struct abandoned *about, const char *reason, struct hd_error *err) {
    const struct hd_notification *from = about->notification;
    about->notification = NULL;
    if (!from || hd_status_after(from->status, HD_MOVE_GIVE_UP) < 0)
        return 0;
    struct hd_notification *to = hd_arena_alloc(work->arena, sizeof *to);
    if (!to)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a notification");
    *to = *from;
    to->status = HD_DEAD;
    to->reason = reason;
    to->owner_token = NULL;
    to->updated_at_ms = ctx->now_ms;
    to->next_attempt_at_ms = 0;
    hd_move_notification(&work->changes, from, to, HD_MOVE_GIVE_UP);
    if (from->status == HD_SENDING)
        hd_delivery_interrupted(ctx, work, from);
    about->notification = to;
    return 0;
}

static int bury_abandoned(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
    static const char reason[] = "receives_exhausted";
    struct abandoned about = {0};
    int r = look_at(ctx, work, &about, err);
    if (!r && about.done) {
        hd_acknowledge(&work->changes, work->message);
        return 0;
    }
    if (!r)
        r = give_up(ctx, work, &about, reason, err);
    if (r)
        return r;
    struct burial burial = {
        .reason = reason,
        .detail = "It was received several times, and each time whoever took it ended before it was done",
        .event = about.event,
        .notification = about.notification,
        .attempts = work->message->receive_count,
    };
    return hd_task_bury(ctx, work, &burial, err);
}

static int tell_of_letter(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
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

static int begin(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
    return work->message->abandoned ? bury_abandoned(ctx, work, err) : tell_of_letter(ctx, work, err);
}

const struct hd_processor hd_dlq_processor = {.name = "dlq", .queue = HD_QUEUE_DLQ, .begin = begin};
