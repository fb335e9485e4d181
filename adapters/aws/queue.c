/* The queue port on SQS. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/sqs.h"

enum {
    SCRATCH_MAX_BYTES = 256 * 1024 * 1024, /* answers of ASKS_MAX requests: ten messages of up to 1 MiB each, as text and as tree */
    ASKS_MAX = 4,
    SOURCES_MAX = HD_LANE_COUNT + HD_QUEUE_COUNT,
    WAIT_STEP_S = 1,            /* of a long poll on the normal lane, between two looks at the urgent one */
    ASK_AGAIN_MS = 1000,        /* when nothing is there, and nobody waits here for it */
    LOOK_AT_DEAD_MS = 10 * 1000 /* what was given up has time; each look is a request for each queue */
};

struct view {
    struct hd_queue queue; /* first */
    struct hd_aws_client *client;
    struct hd_sqs *sqs;
    struct hd_arena *scratch; /* of one call */
    int64_t wait_ms;
    int64_t dead_looked_ms; /* 0: never */
};

static struct view *view_of(struct hd_queue *queue) {
    return (struct view *)queue;
}

/* ---- receiving ---- */

/* An SQS queue that messages may be taken from. */
struct source {
    enum hd_queue_name queue;
    enum hd_sqs_kind kind;
    size_t at_once; /* requests side by side: more as long as all of them bring what they can */
    bool dry;       /* the last answer brought less than was asked for */
};

/* One receive of the port. */
struct taking {
    struct view *view;
    int64_t visibility_ms;
    struct hd_arena *arena; /* the caller's */
    struct hd_message *messages;
    size_t count, max;
    bool full; /* the caller's arena */
    struct source sources[SOURCES_MAX];
    size_t source_count;
};

static void add_source(struct taking *t, enum hd_queue_name queue, enum hd_sqs_kind kind) {
    t->sources[t->source_count++] = (struct source){.queue = queue, .kind = kind, .at_once = 1};
}

/* Urgent first; for whoever handles dead letters, now and then also what any queue has given up. */
static void find_sources(struct taking *t, enum hd_queue_name name, int64_t now_ms) {
    struct view *view = t->view;
    add_source(t, name, HD_SQS_URGENT);
    bool looked_lately = view->dead_looked_ms && now_ms >= view->dead_looked_ms && now_ms - view->dead_looked_ms < LOOK_AT_DEAD_MS;
    for (int queue = 0; name == HD_QUEUE_DLQ && !looked_lately && queue < HD_QUEUE_COUNT; queue++) {
        view->dead_looked_ms = now_ms;
        if (hd_sqs_serves(view->sqs, (enum hd_queue_name)queue))
            add_source(t, (enum hd_queue_name)queue, HD_SQS_DEAD);
    }
    add_source(t, name, HD_SQS_NORMAL);
}

static bool copy_message(struct hd_arena *arena, const struct hd_message *from, struct hd_message *to) {
    struct hd_arena_mark mark = hd_arena_mark(arena);
    *to = *from;
    to->receipt = hd_arena_strdup(arena, from->receipt);
    to->body = hd_arena_strdup(arena, from->body);
    to->message_id = hd_arena_strdup(arena, from->message_id);
    bool copied = to->receipt && to->body && (to->message_id || !from->message_id);
    if (!copied)
        hd_arena_rewind(arena, mark);
    return copied;
}

/* Into the caller's memory; what does not fit there is visible again at once. */
static void keep(struct taking *t, const struct hd_sqs_receive *ask) {
    const struct hd_message **left = hd_arena_calloc(t->view->scratch, ask->count + 1, sizeof *left);
    size_t left_count = 0, failed = 0;
    for (size_t i = 0; i < ask->count; i++) {
        if (t->count < t->max && copy_message(t->arena, &ask->messages[i], &t->messages[t->count]))
            t->count++;
        else if (left)
            left[left_count++] = &ask->messages[i];
    }
    t->full = t->full || left_count > 0;
    if (left_count > 0)
        hd_sqs_hide(t->view->sqs, left, left_count, 0, t->view->scratch, &failed); /* what fails comes again when its visibility runs out */
}

/* As many requests as there is room for, one at least for each queue that may have more. */
static size_t plan(const struct taking *t, struct hd_sqs_receive *asks, size_t *ret_of) {
    size_t count = 0, room = t->max - t->count;
    for (size_t s = 0; s < t->source_count; s++) {
        const struct source *source = &t->sources[s];
        for (size_t n = 0; !source->dry && n < source->at_once && count < ASKS_MAX && room > 0; n++) {
            size_t max = room < HD_SQS_BATCH_MAX ? room : HD_SQS_BATCH_MAX;
            asks[count] = (struct hd_sqs_receive){.queue = source->queue, .kind = source->kind, .max = max};
            ret_of[count++] = s;
            room -= max;
        }
    }
    return count;
}

/* Takes until the caller has enough, or no queue has more. Fails only when nothing was taken. */
static int take(struct taking *t, struct hd_error *err) {
    struct hd_error first = {0};
    while (!t->full && t->count < t->max) {
        struct hd_sqs_receive asks[ASKS_MAX];
        size_t of[ASKS_MAX];
        size_t count = plan(t, asks, of);
        if (count == 0)
            break;
        hd_arena_reset(t->view->scratch);
        struct hd_error why = {0};
        int r = hd_sqs_receive(t->view->sqs, asks, count, t->visibility_ms, t->view->scratch, &why);
        if (why.code && !first.code)
            first = why;
        if (r)
            break;
        for (size_t i = 0; i < count; i++) {
            struct source *source = &t->sources[of[i]];
            source->dry = source->dry || asks[i].count < asks[i].max;
            keep(t, &asks[i]);
        }
        for (size_t s = 0; s < t->source_count; s++)
            if (t->sources[s].at_once < ASKS_MAX)
                t->sources[s].at_once *= 2;
    }
    if (t->count == 0 && t->full)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a message");
    return t->count == 0 && first.code ? hd_error_set(err, first.code, "%s", first.detail) : 0;
}

/* Long polls on the normal lane; two queues cannot be waited for at once without delaying the one that has something. */
static int take_waiting(struct taking *t, enum hd_queue_name name, struct hd_error *err) {
    int64_t until_ms = hd_monotonic_ms() + t->view->wait_ms;
    while (t->count == 0 && hd_monotonic_ms() + WAIT_STEP_S * 1000 <= until_ms) {
        struct hd_sqs_receive ask = {
            .queue = name, .kind = HD_SQS_NORMAL, .max = t->max < HD_SQS_BATCH_MAX ? t->max : HD_SQS_BATCH_MAX, .wait_s = WAIT_STEP_S};
        hd_arena_reset(t->view->scratch);
        int r = hd_sqs_receive(t->view->sqs, &ask, 1, t->visibility_ms, t->view->scratch, err);
        if (r)
            return r;
        keep(t, &ask);
        t->source_count = 0;
        add_source(t, name, HD_SQS_URGENT);
        r = t->count == 0 ? take(t, err) : 0;
        if (r)
            return r;
    }
    return 0;
}

static int receive(struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t now_ms, int64_t visibility_ms,
                   struct hd_arena *arena, struct hd_message **ret_messages, size_t *ret_count, int64_t *ret_next_due_ms,
                   struct hd_error *err) {
    struct view *view = view_of(queue);
    assert(max <= HD_RECEIVE_MAX);
    struct hd_arena_mark mark = hd_arena_mark(arena);
    struct taking t = {.view = view,
                       .visibility_ms = visibility_ms,
                       .arena = arena,
                       .messages = hd_arena_calloc(arena, max + 1, sizeof *t.messages),
                       .max = max};
    if (!t.messages)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for messages");
    find_sources(&t, name, now_ms);
    int r = take(&t, err);
    if (!r && t.count == 0 && max > 0)
        r = take_waiting(&t, name, err);
    hd_arena_reset(view->scratch);
    if (r) {
        hd_arena_rewind(arena, mark);
        return r;
    }
    *ret_messages = t.messages;
    *ret_count = t.count;
    *ret_next_due_ms = t.count > 0 || view->wait_ms > 0 ? now_ms : now_ms + ASK_AGAIN_MS; /* SQS does not tell when something comes */
    return 0;
}

void hd_aws_queue_wait(struct hd_queue *queue, int64_t wait_ms) {
    view_of(queue)->wait_ms = wait_ms;
}

/* ---- one message ---- */

static int extend(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t visibility_ms, struct hd_error *err) {
    struct view *view = view_of(queue);
    (void)now_ms;
    hd_arena_reset(view->scratch);
    return hd_sqs_extend(view->sqs, message, visibility_ms, view->scratch, err);
}

/* A new message, so that this receive does not count towards giving it up. One that was given up already waits where it is. */
static int give_back(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t delay_ms, struct hd_error *err) {
    struct view *view = view_of(queue);
    size_t failed = 0;
    if (message->abandoned)
        return extend(queue, message, now_ms, delay_ms, err);
    struct hd_sqs_outgoing again = {.queue = message->queue,
                                    .lane = message->lane,
                                    .body = message->body,
                                    .enqueued_at_ms = message->enqueued_at_ms,
                                    .due_at_ms = now_ms + delay_ms};
    hd_arena_reset(view->scratch);
    int r = hd_sqs_send(view->sqs, now_ms, &again, 1, view->scratch, err);
    if (!r)
        hd_sqs_delete(view->sqs, &message, 1, view->scratch, &failed); /* left behind, it is a second delivery */
    return r;
}

/* ---- looking ---- */

static int depth(struct hd_queue *queue, enum hd_queue_name name, int64_t now_ms, struct hd_queue_depth *ret_depth, struct hd_error *err) {
    struct view *view = view_of(queue);
    struct hd_queue_depth sum = {0};
    (void)now_ms;
    for (int kind = 0; hd_sqs_serves(view->sqs, name) && kind < HD_SQS_DEAD; kind++) {
        struct hd_queue_depth one = {0};
        hd_arena_reset(view->scratch);
        int r = hd_sqs_depth(view->sqs, name, (enum hd_sqs_kind)kind, view->scratch, &one, err);
        if (r)
            return r;
        sum.visible += one.visible;
        sum.in_flight += one.in_flight;
        sum.delayed += one.delayed;
    }
    *ret_depth = sum;
    return 0;
}

/* ---- life ---- */

static void close_view(struct hd_queue *queue) {
    struct view *view = view_of(queue);
    hd_sqs_free(view->sqs);
    hd_aws_client_free(view->client);
    hd_arena_free(view->scratch);
    free(view);
}

static const struct hd_queue_ops ops = {.receive = receive, .extend = extend, .give_back = give_back, .depth = depth, .close = close_view};

int hd_aws_queue(struct hd_aws *aws, struct hd_queue **ret_queue, struct hd_error *err) {
    struct view *view = calloc(1, sizeof *view);
    if (!view)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a queue");
    view->queue.ops = &ops;
    view->scratch = hd_arena_new(SCRATCH_MAX_BYTES);
    int r = view->scratch ? hd_aws_client_new(aws, &view->client, err) : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a queue");
    if (!r)
        r = hd_sqs_new(aws, view->client, &view->sqs, err);
    if (r) {
        close_view(&view->queue);
        return r;
    }
    *ret_queue = &view->queue;
    return 0;
}
