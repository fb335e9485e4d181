/* Events: publishing, one or a batch, and reading one with what was decided about it. */
#include <string.h>

#include "base/id.h"
#include "core/rules.h"
#include "producer/call.h"
#include "producer/problem.h"

/* ---- publishing ---- */

enum verdict { ACCEPTED, DUPLICATE, REFUSED };

struct judged {
    enum verdict verdict;
    const char *event_id; /* NULL when it cannot be read */
    struct hd_event event;
    struct hd_error error;
    struct hd_schema_problems *problems; /* of a refused one */
};

static enum hd_lane lane_of(enum hd_event_type type) {
    size_t count;
    const struct hd_rule *rules = hd_default_rules(type, &count);
    for (size_t i = 0; i < count; i++) {
        if (rules[i].critical)
            return HD_LANE_URGENT;
    }
    return HD_LANE_NORMAL;
}

/* One event on its own. An error is the request's (no memory, the store), not the event's. */
static int judge(struct hd_call *call, const json_t *envelope, struct judged *judged, struct hd_error *err) {
    const char *actor_id = call->caller.role == HD_ROLE_SERVICE ? NULL : call->caller.subject;
    const char *event_id = hd_json_str(envelope, "eventId");
    *judged = (struct judged){.verdict = ACCEPTED, .event_id = event_id && hd_id_acceptable(event_id) ? event_id : NULL};
    call->problems->count = 0;
    int r = hd_event_read(call->ctx->schemas, call->arena, envelope, call->ctx->now_ms, actor_id, &judged->event, call->problems,
                          &judged->error);
    if (r == HD_ERR_INVALID) {
        judged->verdict = REFUSED;
        judged->problems = hd_arena_alloc(call->arena, sizeof(*judged->problems));
        if (!judged->problems)
            return hd_call_no_memory(err);
        *judged->problems = *call->problems;
        return 0;
    }
    if (r < 0) {
        *err = judged->error;
        return r;
    }
    if (!judged->event.correlation_id)
        judged->event.correlation_id = call->correlation_id;
    if (!judged->event.traceparent)
        judged->event.traceparent = call->traceparent;
    const struct hd_event *known = NULL;
    r = call->ctx->store->ops->event(call->ctx->store, call->arena, judged->event_id, &known, err);
    if (!r && known)
        judged->verdict = DUPLICATE;
    return r;
}

/* The same eventId twice in one batch: the first one that is good counts. */
static void find_duplicate(struct judged *all, size_t at) {
    for (size_t i = 0; i < at && all[at].verdict == ACCEPTED; i++) {
        if (all[i].verdict == ACCEPTED && strcmp(all[i].event_id, all[at].event_id) == 0)
            all[at].verdict = DUPLICATE;
    }
}

static void accept(struct hd_call *call, const struct hd_event *event) {
    const char *message = hd_task_write(call->arena, "eventId", event->event_id);
    hd_append_event(call->changes, event);
    hd_enqueue(call->changes, HD_QUEUE_ROUTER, lane_of(event->type), message, call->ctx->now_ms, 0);
}

static void write_status(struct hd_call *call, struct hd_json_writer *w, struct judged *judged) {
    if (judged->verdict != REFUSED) {
        hd_json_put_str(w, "status", judged->verdict == ACCEPTED ? "accepted" : "duplicate");
        return;
    }
    *call->problems = *judged->problems;
    hd_json_open_object(w, "status");
    hd_problem_put_members(w, call, &judged->error);
    hd_json_close_object(w);
}

static int answer_published(struct hd_call *call, struct judged *all, size_t count, bool any_refused, struct hd_error *err) {
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "items");
    for (size_t i = 0; i < count; i++) {
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "eventId", all[i].event_id);
        write_status(call, &w, &all[i]);
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    return hd_call_answer(call, any_refused ? 207 : 202, err);
}

int hd_publish_events(struct hd_call *call, struct hd_error *err) {
    bool alone = !json_is_array(call->body);
    size_t count = alone ? 1 : json_array_size(call->body);
    struct judged *all = hd_arena_alloc(call->arena, count * sizeof(*all));
    if (!all)
        return hd_call_no_memory(err);
    bool any_refused = false;
    for (size_t i = 0; i < count; i++) {
        int r = judge(call, alone ? call->body : json_array_get(call->body, i), &all[i], err);
        if (r < 0)
            return r;
        find_duplicate(all, i);
        if (all[i].verdict == ACCEPTED)
            accept(call, &all[i].event);
        any_refused |= all[i].verdict == REFUSED;
    }
    if (alone && any_refused) { /* call->problems has them still */
        *err = all[0].error;
        return err->code;
    }
    return answer_published(call, all, count, any_refused, err);
}

/* ---- reading ---- */

/* What the router wrote into the audit log; null until then. */
static int write_decisions(struct hd_call *call, struct hd_json_writer *w, const struct hd_event *event, struct hd_error *err) {
    struct hd_id audit_id = hd_event_routing_id(event);
    const struct hd_audit *routed = NULL;
    int r = call->ctx->store->ops->audit(call->ctx->store, call->arena, audit_id.text, &routed, err);
    if (r < 0)
        return r;
    json_t *detail = NULL;
    if (routed && routed->detail) {
        r = hd_json_parse(call->arena, routed->detail, strlen(routed->detail), 0, &detail, err);
        if (r < 0) {
            hd_error_set(err, r == HD_ERR_NO_MEMORY ? HD_ERR_NO_MEMORY : HD_ERR_CORRUPT, "the decisions about event %s", event->event_id);
            return err->code;
        }
    }
    const json_t *decisions = json_object_get(detail, "decisions");
    if (decisions)
        hd_json_put_json(w, "decisions", decisions);
    else
        hd_json_put_str(w, "decisions", NULL);
    return 0;
}

int hd_get_event(struct hd_call *call, struct hd_error *err) {
    const struct hd_event *event = NULL;
    int r = call->ctx->store->ops->event(call->ctx->store, call->arena, call->id, &event, err);
    if (r < 0)
        return r;
    if (!event)
        return hd_call_not_found(err, "event");
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_event_put_members(&w, event);
    r = write_decisions(call, &w, event, err);
    if (r < 0)
        return r;
    hd_json_close_object(&w);
    return hd_call_answer(call, 200, err);
}
