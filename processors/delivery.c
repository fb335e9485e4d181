#include "processors/delivery.h"

#include <inttypes.h>
#include <string.h>

enum { TAKE_OVER_MARGIN_MS = 5000 /* beyond the longest transfer: then its worker is surely gone */ };

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a delivery");
}

static int bury(const struct hd_context *ctx, struct hd_work *work, const char *reason, const char *detail, struct hd_error *err) {
    return hd_task_bury(ctx, work, &(struct burial){.reason = reason, .detail = detail, .attempts = work->message->receive_count}, err);
}

/* ---- what a template sees ---- */

/* One person of the view, unless it is one that we have. */
static int read_person(const struct hd_context *ctx, struct hd_work *work, const char *user_id, const struct hd_user *have,
                       const struct hd_user **ret, struct hd_error *err) {
    if (!user_id)
        return 0;
    if (have && strcmp(have->user_id, user_id) == 0) {
        *ret = have;
        return 0;
    }
    return hd_recent_user(ctx->recent, ctx->store, ctx->now_ms, work->arena, user_id, ret, err);
}

static int read_event(const struct hd_context *ctx, struct hd_work *work, struct hd_template_view *view, struct hd_error *err) {
    struct hd_store *store = ctx->store;
    int r = hd_recent_event(ctx->recent, store, ctx->now_ms, work->arena, view->notification->event_id, &view->event, err);
    if (r || !view->event)
        return r;
    json_t *payload = NULL;
    r = hd_json_parse(work->arena, view->event->payload, strlen(view->event->payload), 0, &payload, err);
    if (r)
        return r;
    view->payload = payload;
    const char *actor = view->event->actor_id ? view->event->actor_id : hd_json_str(payload, "authorId");
    return read_person(ctx, work, actor, view->user, &view->actor, err);
}

static int read_view(const struct hd_context *ctx, struct hd_work *work, const struct task *task, struct hd_template_view *view,
                     struct hd_error *err) {
    struct hd_store *store = ctx->store;
    const struct hd_notification *n = view->notification;
    view->base_url = ctx->base_url;
    int r = hd_recent_user(ctx->recent, store, ctx->now_ms, work->arena, n->target, &view->user, err);
    if (!r)
        r = task->dead_letter_id ? store->ops->dead_letter(store, work->arena, task->dead_letter_id, &view->dead_letter, err)
                                 : read_event(ctx, work, view, err);
    if (!r && n->ticket_id)
        r = hd_recent_ticket(ctx->recent, store, ctx->now_ms, work->arena, n->ticket_id, &view->ticket, err);
    const char *agent = hd_json_str(view->payload, "agentId");
    if (!agent && view->ticket)
        agent = view->ticket->assigned_agent_id;
    bool known =
        agent && ((view->user && strcmp(agent, view->user->user_id) == 0) || (view->actor && strcmp(agent, view->actor->user_id) == 0));
    if (!r && agent && !known)
        r = hd_recent_user(ctx->recent, store, ctx->now_ms, work->arena, agent, &view->agent, err);
    return r;
}

/* ---- begin ---- */

/* The message comes again at that time, or earlier when no queue delays for so long: then it is early, and postponed again. */
static void postpone_until(const struct hd_context *ctx, struct hd_work *work, int64_t at_ms) {
    int64_t delay_ms = at_ms - ctx->now_ms;
    hd_postpone(&work->changes, work->message, ctx->now_ms, delay_ms < HD_DELAY_MAX_MS ? delay_ms : HD_DELAY_MAX_MS);
}

static int64_t free_at_ms(const struct hd_context *ctx, const struct hd_notification *n) {
    return n->updated_at_ms + ctx->send_timeout_ms + TAKE_OVER_MARGIN_MS;
}

bool hd_delivery_owner_lives(const struct hd_context *ctx, const struct hd_notification *n) {
    return n->status == HD_SENDING && free_at_ms(ctx, n) > ctx->now_ms;
}

/* Wait until that worker has either concluded or is surely gone. */
static bool is_others(const struct hd_context *ctx, struct hd_work *work, const struct hd_notification *n) {
    if (!hd_delivery_owner_lives(ctx, n))
        return false;
    postpone_until(ctx, work, free_at_ms(ctx, n));
    return true;
}

/* The message came before its time (a restart, a redrive while a retry was waiting). */
static bool is_early(const struct hd_context *ctx, struct hd_work *work, const struct hd_notification *n) {
    if (n->next_attempt_at_ms <= ctx->now_ms)
        return false;
    postpone_until(ctx, work, n->next_attempt_at_ms);
    return true;
}

/* Renders into *delivery, or writes down why that can never be done and leaves it NULL. */
static int render(const struct hd_context *ctx, struct hd_work *work, const struct hd_template_view *view, struct delivery *delivery,
                  struct delivery **ret_delivery, struct hd_error *err) {
    struct hd_rendered *rendered = hd_arena_calloc(work->arena, 1, sizeof *rendered);
    if (!rendered)
        return no_memory(err);
    delivery->rendered = rendered;
    int r = HD_ERR_NOT_FOUND;
    const char *reason = "the receiver is no longer known";
    if (view->user) {
        r = hd_templates_render(ctx->templates, view, work->arena, rendered, err);
        reason = r ? err->detail : NULL;
    }
    if (r == 0) {
        *ret_delivery = delivery;
        return 0;
    }
    if (r != HD_ERR_NOT_FOUND && r != HD_ERR_LIMIT)
        return r;
    delivery->rendered = NULL;
    struct verdict verdict = {.outcome = HD_OUTCOME_PERMANENT, .provider = "template", .detail = hd_arena_strdup(work->arena, reason)};
    return hd_delivery_conclude(ctx, work, delivery, &verdict, err);
}

int hd_delivery_begin(const struct hd_context *ctx, struct hd_work *work, enum hd_channel channel, struct delivery **ret_delivery,
                      struct hd_error *err) {
    *ret_delivery = NULL;
    struct task task = {0};
    int r = hd_task_read(work, &task, err);
    if (r == HD_ERR_MALFORMED)
        return bury(ctx, work, "unreadable_message", err->detail, err);
    if (r)
        return r;
    if (!task.notification_id)
        return bury(ctx, work, "unreadable_message", "the message names no notification", err);
    const struct hd_notification *n = NULL;
    r = hd_recent_notification(ctx->recent, ctx->store, ctx->now_ms, work->arena, task.notification_id, &n, err);
    if (r)
        return r;
    if (!n || n->channel != channel)
        return bury(ctx, work, "notification_not_found", "there is no such notification of this channel", err);
    if (hd_status_is_final(n->status)) {
        hd_acknowledge(&work->changes, work->message); /* done before: a second delivery of the message */
        return 0;
    }
    if (is_others(ctx, work, n) || is_early(ctx, work, n))
        return 0;
    struct delivery *delivery = hd_arena_calloc(work->arena, 1, sizeof *delivery);
    if (!delivery)
        return no_memory(err);
    *delivery =
        (struct delivery){.notification = n, .number = n->attempts + 1, .began_at_ms = ctx->now_ms, .interrupted = n->status == HD_SENDING};
    struct hd_template_view view = {.notification = n};
    r = read_view(ctx, work, &task, &view, err);
    return r ? r : render(ctx, work, &view, delivery, ret_delivery, err);
}

void hd_delivery_interrupted(const struct hd_context *ctx, struct hd_work *work, const struct hd_notification *n) {
    hd_append_attempt(&work->changes, &(struct hd_attempt){
                                          .notification_id = n->notification_id,
                                          .number = n->attempts,
                                          .at_ms = n->updated_at_ms,
                                          .outcome = HD_OUTCOME_INTERRUPTED,
                                          .detail = "the worker stopped before the answer; it may have been sent",
                                          .duration_ms = ctx->now_ms - n->updated_at_ms,
                                      });
}

static void record_interrupted(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery) {
    delivery->interrupted = false;
    hd_delivery_interrupted(ctx, work, delivery->notification);
}

int hd_delivery_hand_over(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery, struct hd_error *err) {
    struct hd_notification *ours = hd_arena_alloc(work->arena, sizeof *ours);
    if (!ours)
        return no_memory(err);
    *ours = *delivery->notification;
    ours->status = HD_SENDING;
    ours->attempts = delivery->number;
    ours->owner_token = hd_arena_printf(work->arena, "%s/%d", ctx->worker, delivery->number);
    ours->updated_at_ms = ctx->now_ms;
    ours->next_attempt_at_ms = 0;
    if (!ours->owner_token)
        return no_memory(err);
    hd_move_notification(&work->changes, delivery->notification, ours, delivery->interrupted ? HD_MOVE_TAKE_OVER : HD_MOVE_BEGIN);
    if (delivery->interrupted)
        record_interrupted(ctx, work, delivery);
    delivery->notification = ours;
    work->state = delivery;
    return 0;
}

/* ---- conclude ---- */

int hd_delivery_still_ours(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery, bool *ret_ours,
                           struct hd_error *err) {
    const struct hd_notification *now = NULL, *ours = delivery->notification;
    int r = ctx->store->ops->notification(ctx->store, work->arena, ours->notification_id, &now, err);
    if (r)
        return r;
    *ret_ours = now && now->status == HD_SENDING && now->owner_token && strcmp(now->owner_token, ours->owner_token) == 0;
    delivery->message_lost = true;
    return 0;
}

static int record_attempt(struct hd_work *work, const struct delivery *delivery, const struct verdict *verdict, struct hd_error *err) {
    const struct hd_notification *n = delivery->notification;
    const char *message = NULL;
    if (delivery->rendered && n->channel != HD_INAPP) { /* in-app, the inbox item is the message */
        message = hd_rendered_json(delivery->rendered, n->channel, work->arena);
        if (!message)
            return no_memory(err);
    }
    hd_append_attempt(&work->changes, &(struct hd_attempt){
                                          .notification_id = n->notification_id,
                                          .number = delivery->number,
                                          .at_ms = delivery->began_at_ms,
                                          .outcome = verdict->outcome,
                                          .provider = verdict->provider,
                                          .detail = verdict->detail,
                                          .duration_ms = verdict->duration_ms,
                                          .message = message,
                                      });
    return 0;
}

static const char *reason_to_give_up(enum hd_outcome_kind outcome) {
    switch (outcome) {
    case HD_OUTCOME_PERMANENT:
        return "permanent_failure";
    case HD_OUTCOME_ADDRESS_GONE:
        return "address_gone";
    default:
        return "attempts_exhausted";
    }
}

static int give_up(const struct hd_context *ctx, struct hd_work *work, const struct delivery *delivery, struct hd_notification *to,
                   const struct verdict *verdict, struct hd_error *err) {
    to->status = HD_DEAD;
    to->reason = reason_to_give_up(verdict->outcome);
    hd_move_notification(&work->changes, delivery->notification, to, HD_MOVE_GIVE_UP);
    return hd_task_bury(ctx, work,
                        &(struct burial){
                            .reason = to->reason,
                            .detail = verdict->detail,
                            .notification = to,
                            .attempts = to->attempts,
                            .message_lost = delivery->message_lost,
                        },
                        err);
}

/* Credentials that are refused, or a sender that may not send, mend themselves no more than a server that is down: both are retried, and end as dead letters that wait for a person. */
static bool worth_a_retry(enum hd_outcome_kind outcome) {
    return outcome == HD_OUTCOME_RETRY || outcome == HD_OUTCOME_CONFIGURATION;
}

static void retry_later(const struct hd_context *ctx, struct hd_work *work, const struct delivery *delivery, struct hd_notification *to,
                        const struct verdict *verdict) {
    uint32_t random = 0;
    ctx->random->fill(ctx->random, &random, sizeof random);
    int made = to->attempts - to->attempts_forgiven;
    int64_t delay_ms = hd_retry_delay_ms(&ctx->retry[to->channel], made, verdict->retry_after_ms, random);
    to->status = HD_PENDING;
    to->next_attempt_at_ms = ctx->now_ms + delay_ms;
    hd_move_notification(&work->changes, delivery->notification, to, HD_MOVE_RETRY);
    if (!delivery->message_lost)
        postpone_until(ctx, work, to->next_attempt_at_ms);
}

int hd_delivery_conclude(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery, const struct verdict *verdict,
                         struct hd_error *err) {
    struct hd_notification *to = hd_arena_alloc(work->arena, sizeof *to);
    if (!to)
        return no_memory(err);
    *to = *delivery->notification;
    to->attempts = delivery->number;
    to->owner_token = NULL;
    to->updated_at_ms = ctx->now_ms;
    to->next_attempt_at_ms = 0;
    if (verdict->outcome == HD_OUTCOME_SENT) {
        to->status = HD_SENT;
        to->reason = NULL;
        to->sent_at_ms = ctx->now_ms;
        hd_move_notification(&work->changes, delivery->notification, to, HD_MOVE_SENT);
        if (!delivery->message_lost)
            hd_acknowledge(&work->changes, work->message);
    } else if (worth_a_retry(verdict->outcome) && hd_retry_again(&ctx->retry[to->channel], to->attempts - to->attempts_forgiven)) {
        retry_later(ctx, work, delivery, to, verdict);
    } else {
        int r = give_up(ctx, work, delivery, to, verdict, err);
        if (r)
            return r;
    }
    if (delivery->interrupted)
        record_interrupted(ctx, work, delivery); /* ours ended without a transfer, and so without hand_over */
    return record_attempt(work, delivery, verdict, err);
}
