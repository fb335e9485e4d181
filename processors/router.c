/* The router: an event → who is told, by which channels, and why not by others.
 *
 * Everything that it decides is one changeset: a Notification for each (event, target, channel), a task for each that is to be sent, the decisions as an audit
 * entry, the mark that this event is done, and the acknowledgement. Ids derive from the event, so that a second delivery can add nothing. */
#include <string.h>

#include "core/rules.h"
#include "processors/audit.h"
#include "processors/processors.h"
#include "processors/task.h"

enum {
    TARGETS_MAX = 250,  /* people whom one event may reach; more is a dead letter, not a silent cut */
    CHANGES_BESIDE = 4, /* event, audit entry, mark, acknowledgement */
    CHANGES_EACH = 2,   /* notification, task */
    NOTIFICATIONS_MAX = (HD_CHANGES_MAX - CHANGES_BESIDE) / CHANGES_EACH,
};

struct target {
    const char *user_id;
    const struct hd_user *user; /* NULL: nobody whom we know */
    unsigned channels;
    const char *reason; /* the first rule that named this target */
    bool critical;
    bool own_action; /* did it, and is not told */
};

struct routing {
    const struct hd_context *ctx;
    struct hd_work *work;
    const struct hd_event *event;
    const json_t *payload;
    const struct hd_ticket *ticket; /* NULL when it is not ours */
    const char *owner_id, *agent_id, *actor_id, *team;
    unsigned asked; /* channels that the event names; 0: none named */
    struct target *targets;
    size_t target_count;
    struct audit_decisions decisions;
};

static const char *const reason_of_audience[] = {
    [HD_TO_OWNER] = "owner",       [HD_TO_AGENT] = "agent",      [HD_TO_TEAM] = "team",
    [HD_TO_TEAM_IF_NONE] = "team", [HD_TO_MANAGERS] = "manager", [HD_TO_NAMED] = "named",
};

/* ---- the event ---- */

static int bury(struct routing *r, const char *reason, const char *detail, struct hd_error *err) {
    return hd_task_bury(
        r->ctx, r->work,
        &(struct burial){.reason = reason, .detail = detail, .event = r->event, .attempts = r->work->message->receive_count}, err);
}

/* An envelope that came by the queue itself, from a publisher outside: judged as at the door, and appended to the log with its routing. */
static int take_envelope(struct routing *r, const json_t *envelope, struct hd_error *err) {
    struct hd_event *event = hd_arena_alloc(r->work->arena, sizeof *event);
    if (!event)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an event");
    int rc = hd_event_read(r->ctx->schemas, r->work->arena, envelope, r->work->message->enqueued_at_ms, NULL, event, NULL, err);
    if (rc)
        return rc;
    const struct hd_event *known = NULL;
    rc = r->ctx->store->ops->event(r->ctx->store, r->work->arena, event->event_id, &known, err);
    if (rc)
        return rc;
    if (!known)
        hd_append_event(&r->work->changes, event);
    r->event = known ? known : event;
    return 0;
}

/* Sets r->event, or leaves it NULL when the message has become a dead letter. */
static int find_event(struct routing *r, struct hd_error *err) {
    struct task task = {0};
    int rc = hd_task_read(r->work, &task, err);
    if (!rc && task.event_id && !json_object_get(task.body, "event")) {
        rc = hd_recent_event(r->ctx->recent, r->ctx->store, r->ctx->now_ms, r->work->arena, task.event_id, &r->event, err);
        return rc || r->event ? rc : bury(r, "event_not_found", "the event is not in the log", err);
    }
    if (!rc)
        rc = take_envelope(r, task.body, err);
    if (rc == HD_ERR_MALFORMED)
        return bury(r, "unreadable_message", err->detail, err);
    if (rc == HD_ERR_INVALID || rc == HD_ERR_LIMIT) {
        char *detail = hd_arena_printf(r->work->arena, "%s%s%s", err->pointer, err->pointer[0] ? ": " : "", err->detail);
        return bury(r, "invalid_event", detail, err);
    }
    return rc;
}

/* ---- who ---- */

static int enrich(struct routing *r, struct hd_error *err) {
    const struct hd_event *event = r->event;
    json_t *payload = NULL;
    int rc = hd_json_parse(r->work->arena, event->payload, strlen(event->payload), 0, &payload, err);
    if (rc)
        return rc;
    r->payload = payload;
    if (event->ticket_id)
        rc = hd_recent_ticket(r->ctx->recent, r->ctx->store, r->ctx->now_ms, r->work->arena, event->ticket_id, &r->ticket, err);
    if (rc)
        return rc;
    const struct hd_ticket *ticket = r->ticket;
    const char *user_id = hd_json_str(payload, "userId"), *agent_id = hd_json_str(payload, "agentId"),
               *author = hd_json_str(payload, "authorId");
    r->owner_id = ticket && ticket->owner_id ? ticket->owner_id : user_id;
    r->agent_id = agent_id ? agent_id : ticket ? ticket->assigned_agent_id : NULL;
    r->actor_id = event->actor_id ? event->actor_id : author;
    r->team = ticket ? ticket->team : NULL;
    r->asked = hd_channels_from_json(json_object_get(payload, "channels"));
    if (r->asked == 0 && ticket)
        r->asked = ticket->channels;
    r->targets = hd_arena_calloc(r->work->arena, TARGETS_MAX, sizeof *r->targets);
    return r->targets ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for targets");
}

static bool rule_applies(const struct routing *r, const struct hd_rule *rule) {
    if (rule->only_field && !json_object_get(json_object_get(r->payload, "changedFields"), rule->only_field))
        return false;
    return !(rule->not_internal && json_is_true(json_object_get(r->payload, "internal")));
}

static struct target *find_target(const struct routing *r, const char *user_id) {
    for (size_t i = 0; i < r->target_count; i++)
        if (strcmp(r->targets[i].user_id, user_id) == 0)
            return &r->targets[i];
    return NULL;
}

/* One person whom a rule names. HD_ERR_LIMIT: too many. */
static int add_target(struct routing *r, const struct hd_rule *rule, const char *user_id, const struct hd_user *user,
                      struct hd_error *err) {
    unsigned channels = r->asked ? rule->channels & r->asked : rule->by_default;
    if (channels == 0)
        return 0;
    struct target *target = find_target(r, user_id);
    if (!target) {
        if (r->target_count == TARGETS_MAX)
            return hd_error_set(err, HD_ERR_LIMIT, "the event would be told to more than %d people", TARGETS_MAX);
        target = &r->targets[r->target_count++];
        *target = (struct target){.user_id = user_id, .user = user, .reason = reason_of_audience[rule->audience], .own_action = true};
    }
    bool own = r->actor_id && strcmp(r->actor_id, user_id) == 0 && !rule->even_actor;
    if (target->own_action && !own)
        target->channels = 0; /* what only their own action would have named */
    if (own && !target->own_action)
        return 0;
    target->own_action = own;
    target->channels |= channels;
    target->critical |= rule->critical;
    return 0;
}

static int add_one(struct routing *r, const struct hd_rule *rule, const char *user_id, struct hd_error *err) {
    if (!user_id)
        return 0;
    const struct target *known = find_target(r, user_id);
    const struct hd_user *user = known ? known->user : NULL;
    int rc = known ? 0 : hd_recent_user(r->ctx->recent, r->ctx->store, r->ctx->now_ms, r->work->arena, user_id, &user, err);
    return rc ? rc : add_target(r, rule, user_id, user, err);
}

static int add_all(struct routing *r, const struct hd_rule *rule, const struct hd_user_filter *filter, struct hd_error *err) {
    struct hd_page page = {.limit = HD_PAGE_MAX};
    do {
        const struct hd_user *users = NULL;
        size_t count = 0;
        int rc = r->ctx->store->ops->users(r->ctx->store, r->work->arena, filter, &page, &users, &count, &page.cursor, err);
        for (size_t i = 0; !rc && i < count; i++)
            rc = add_target(r, rule, users[i].user_id, &users[i], err);
        if (rc)
            return rc;
    } while (page.cursor);
    return 0;
}

static int add_team(struct routing *r, const struct hd_rule *rule, struct hd_error *err) {
    if (!r->team)
        return 0;
    return add_all(r, rule, &(struct hd_user_filter){.role = HD_ROLE_AGENT, .team = r->team}, err);
}

static int apply_rule(struct routing *r, const struct hd_rule *rule, struct hd_error *err) {
    switch (rule->audience) {
    case HD_TO_OWNER:
        return add_one(r, rule, r->owner_id, err);
    case HD_TO_AGENT:
        return add_one(r, rule, r->agent_id, err);
    case HD_TO_TEAM:
        return add_team(r, rule, err);
    case HD_TO_TEAM_IF_NONE:
        return r->agent_id ? 0 : add_team(r, rule, err);
    case HD_TO_MANAGERS:
        return add_all(r, rule, &(struct hd_user_filter){.role = HD_ROLE_MANAGER}, err);
    case HD_TO_NAMED: {
        int rc = add_one(r, rule, hd_json_str(r->payload, "userId"), err);
        return rc ? rc : add_one(r, rule, hd_json_str(r->payload, "agentId"), err);
    }
    }
    return 0;
}

/* ---- by which channels ---- */

/* Why a channel is not used for a target; NULL: it is. */
static const char *why_not(const struct routing *r, const struct target *target, enum hd_channel channel) {
    if (!target->user)
        return "unknown_user";
    if (!(hd_channels_served(r->ctx->providers) & HD_CHANNEL_BIT(channel)))
        return "channel_unavailable";
    if (target->user->channels_off & HD_CHANNEL_BIT(channel))
        return "channel_off";
    if (channel == HD_EMAIL && !target->user->email)
        return "no_address";
    return NULL;
}

static void decide_channel(struct routing *r, const struct target *target, enum hd_channel channel) {
    struct audit_decision *decision = &r->decisions.items[r->decisions.count++];
    *decision = (struct audit_decision){.target = target->user_id, .channel = channel, .reason = target->reason};
    if (target->own_action) {
        decision->reason = "own_action";
        return;
    }
    const struct hd_event *event = r->event;
    const char *against = why_not(r, target, channel);
    struct hd_id id = hd_notification_id(event->accepted_at_ms, event->event_id, target->user_id, channel);
    struct hd_notification notification = {
        .notification_id = hd_arena_strdup(r->work->arena, id.text),
        .event_id = event->event_id,
        .event = hd_event_type_name(event->type),
        .ticket_id = event->ticket_id,
        .target = target->user_id,
        .channel = channel,
        .status = against ? HD_SUPPRESSED : HD_PENDING,
        .reason = against,
        .critical = target->critical,
        .correlation_id = event->correlation_id,
        .traceparent = event->traceparent,
        .accepted_at_ms = event->accepted_at_ms,
        .created_at_ms = r->ctx->now_ms,
        .updated_at_ms = r->ctx->now_ms,
    };
    const char *task = against ? "" : hd_task_write(r->work->arena, "notificationId", id.text);
    if (!notification.notification_id || !task) {
        r->work->changes.failure = HD_ERR_NO_MEMORY;
        return;
    }
    hd_put_notification(&r->work->changes, &notification);
    if (!against)
        hd_enqueue(&r->work->changes, hd_queue_of_channel(channel), target->critical ? HD_LANE_URGENT : HD_LANE_NORMAL, task,
                   r->ctx->now_ms, 0);
    decision->notify = !against;
    if (against)
        decision->reason = against;
    decision->notification_id = notification.notification_id;
}

/* By how many (target, channel) pairs the event would be told. */
static size_t count_channels(const struct routing *r) {
    size_t count = 0;
    for (size_t i = 0; i < r->target_count; i++)
        for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++)
            count += (r->targets[i].channels & HD_CHANNEL_BIT(channel)) != 0;
    return count;
}

static int decide_channels(struct routing *r, struct hd_error *err) {
    size_t decisions = count_channels(r);
    if (decisions > NOTIFICATIONS_MAX)
        return hd_error_set(err, HD_ERR_LIMIT, "the event would be %zu notifications, and %d are the most that are made at once", decisions,
                            NOTIFICATIONS_MAX);
    r->decisions.items = hd_arena_calloc(r->work->arena, r->target_count * HD_CHANNEL_COUNT + 1, sizeof *r->decisions.items);
    if (!r->decisions.items)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for decisions");
    for (size_t i = 0; i < r->target_count; i++)
        for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++)
            if (r->targets[i].channels & HD_CHANNEL_BIT(channel))
                decide_channel(r, &r->targets[i], (enum hd_channel)channel);
    return 0;
}

static int route(struct routing *r, struct hd_error *err) {
    int rc = enrich(r, err);
    size_t count = 0;
    const struct hd_rule *rules = hd_default_rules(r->event->type, &count);
    for (size_t i = 0; !rc && i < count; i++)
        if (rule_applies(r, &rules[i]))
            rc = apply_rule(r, &rules[i], err);
    if (!rc)
        rc = decide_channels(r, err);
    if (rc == HD_ERR_LIMIT)
        return bury(r, "fan_out_limit", err->detail, err);
    if (rc)
        return rc;
    hd_audit_routed(r->work, r->event, &r->decisions, r->ctx->now_ms);
    hd_mark_processed(&r->work->changes, "router", r->event->event_id, r->ctx->now_ms);
    hd_acknowledge(&r->work->changes, r->work->message);
    return 0;
}

static int begin(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
    struct routing r = {.ctx = ctx, .work = work};
    int rc = find_event(&r, err);
    if (rc || !r.event)
        return rc;
    bool done = false; /* the mark is a condition of what route decides: it need only be looked at when there is reason to expect it */
    if (work->decisions > 1 || work->message->receive_count > 1)
        rc = ctx->store->ops->processed(ctx->store, "router", r.event->event_id, &done, err);
    if (rc)
        return rc;
    if (!done)
        return route(&r, err);
    hd_acknowledge(&work->changes, work->message);
    return 0;
}

const struct hd_processor hd_router_processor = {.name = "router", .queue = HD_QUEUE_ROUTER, .begin = begin};
