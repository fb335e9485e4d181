#include "host/request.h"

#include <stdio.h>

#include "base/trace.h"

/* All decisions about a request, and its failure, are one trace. It stands in front of what each decision makes anew. */
struct trace {
    char correlation_id[HD_CORRELATION_MAX_LEN + 1];
    char traceparent[HD_TRACEPARENT_LEN + 1];
};

static void keep_trace(struct trace *trace, struct hd_request *request, const struct hd_response *response) {
    if (request->correlation_id || !response->correlation_id || !response->traceparent)
        return;
    (void)snprintf(trace->correlation_id, sizeof trace->correlation_id, "%s", response->correlation_id);
    (void)snprintf(trace->traceparent, sizeof trace->traceparent, "%s", response->traceparent);
    request->correlation_id = trace->correlation_id;
    request->traceparent = trace->traceparent;
}

/* 0: the answer is true. HD_ERR_CONFLICT: it must be decided again. */
static int commit(const struct hd_context *ctx, const struct hd_changeset *changes, struct hd_error *err) {
    struct hd_commit_result result = {0};
    int r = hd_changeset_check(changes, err);
    if (!r && changes->count > 0)
        r = ctx->store->ops->commit(ctx->store, &changes, 1, &result, err);
    if (!r && result.code == HD_ERR_CONFLICT)
        return hd_error_set(err, HD_ERR_CONFLICT, "it was changed by others at the same time (change %zu)", result.change);
    return r ? r : (int)result.code;
}

void hd_request_answer(const struct hd_producer *producer, const struct hd_context *ctx, const struct hd_clock *clock,
                       const struct hd_request *request, struct hd_arena *arena, void *self,
                       void (*happened)(void *self, const struct hd_changeset *set), struct hd_response *ret_response) {
    struct hd_context now = *ctx;
    struct hd_request asked = *request;
    struct hd_error err = {0};
    hd_arena_reset(arena);
    struct trace *trace = hd_arena_alloc(arena, sizeof *trace);
    struct hd_arena_mark decision = hd_arena_mark(arena);
    int r = trace ? HD_ERR_CONFLICT : hd_error_set(&err, HD_ERR_NO_MEMORY, "no memory for a request");
    for (int attempt = 1; r == HD_ERR_CONFLICT && attempt <= HD_DECISIONS_MAX; attempt++) { /* the last one answers 409 itself */
        hd_arena_rewind(arena, decision);
        struct hd_changeset changes = hd_changeset(arena);
        *ret_response = (struct hd_response){0};
        now.now_ms = clock->now_ms(clock);
        hd_producer_decide(producer, &now, &asked, arena, attempt, &changes, ret_response);
        keep_trace(trace, &asked, ret_response);
        r = commit(&now, &changes, &err);
        if (!r && happened && changes.count > 0)
            happened(self, &changes);
    }
    if (r == 0)
        return;
    hd_arena_rewind(arena, decision);
    hd_producer_failure(producer, &asked, arena, &err, ret_response);
}
