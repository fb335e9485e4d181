/* A fan-out of a few hundred notifications is too large for one transaction. It is written in steps, each a transaction, in this order:
 *
 *   1. all conditions are looked at (consistent reads); one that does not hold is the conflict, and nothing is written;
 *   2. the notifications, each in one step with its task, so that none is ever there without the other;
 *   3. everything else, last of all what says that the work is done: marks, and moves. What fits into one transaction is one.
 *
 * A process that dies between two steps leaves notifications that are on their way, and no mark: the message comes again, the decision is made again, ids derive and so are the same. Then, as long as
 * the mark is not there, a notification that is there already is no conflict but a step done: it is passed over, and its task is sent again, which its state makes harmless.
 * A set without a mark has nothing to tell an interrupted try from another's work; for it a broken condition is a conflict, whoever broke it. */
#include "adapters/aws/steps.h"

#include <string.h>

enum {
    TRIES = 3,             /* of the whole, when another writes the same meanwhile */
    OUTBOX_ITEMS_MAX = 13, /* in a step: its bytes over HD_OUTBOX_ITEM_BYTES, and some */
    STEP_ACTIONS_MAX = HD_DYNAMO_ACTIONS_MAX - OUTBOX_ITEMS_MAX,
};

struct steps {
    struct hd_aws_store *s;
    const struct hd_plan *plan; /* the whole */
    bool *done;                 /* for each action: an earlier, interrupted try has left it */
    bool marked;                /* the set marks something as processed, and it is not yet */
    struct hd_outbox *outbox;   /* of all steps that happened */
    struct hd_error *err;

    struct hd_plan step; /* being filled */
    struct hd_outbox messages;
    size_t message_bytes;
    struct hd_commit_result result; /* of the last step that was run */
};

bool hd_plan_fits(const struct hd_plan *plan) {
    return plan->count <= HD_DYNAMO_ACTIONS_MAX && plan->bytes <= HD_DYNAMO_TRANSACTION_MAX_BYTES && plan->twice == SIZE_MAX;
}

static enum hd_change_kind kind_of(const struct steps *t, const struct hd_action *action) {
    return t->plan->set->changes[action->change].kind;
}

/* ---- 1: looking ---- */

static bool may_be_left_over(enum hd_change_kind kind) {
    return kind == HD_CHANGE_PUT_NOTIFICATION || kind == HD_CHANGE_APPEND_EVENT || kind == HD_CHANGE_APPEND_AUDIT;
}

static int read_items(struct steps *t, json_t ***ret_items) {
    const struct hd_plan *plan = t->plan;
    struct hd_aws_key *keys = hd_arena_calloc(t->s->scratch, plan->count + 1, sizeof *keys);
    json_t **items = hd_arena_calloc(t->s->scratch, plan->count + 1, sizeof(json_t *));
    if (!keys || !items)
        return hd_error_set(t->err, HD_ERR_NO_MEMORY, "no memory for a changeset of %zu actions", plan->count);
    for (size_t i = 0; i < plan->count; i++)
        keys[i] = plan->actions[i].key;
    *ret_items = items;
    return hd_dynamo_get_many(t->s, keys, plan->count, items, t->err);
}

/* Sets t->result to the first conflict, or to 0. */
static int look(struct steps *t) {
    json_t **items = NULL;
    int rc = read_items(t, &items);
    if (rc)
        return rc;
    const struct hd_plan *plan = t->plan;
    t->marked = false;
    for (size_t i = 0; i < plan->count; i++)
        if (kind_of(t, &plan->actions[i]) == HD_CHANGE_MARK_PROCESSED)
            t->marked = !items[i];
    t->result = (struct hd_commit_result){0};
    for (size_t i = 0; i < plan->count; i++) {
        const struct hd_action *action = &plan->actions[i];
        bool holds = hd_action_holds(action, items[i]);
        t->done[i] = !holds && t->marked && may_be_left_over(kind_of(t, action));
        if ((!holds && !t->done[i]) || i == plan->twice) {
            t->result = (struct hd_commit_result){.code = HD_ERR_CONFLICT, .change = action->change};
            return 0;
        }
    }
    return 0;
}

/* ---- 2, 3: writing ---- */

/* Runs the step that was filled, if there is anything in it, and begins the next. */
static int run(struct steps *t) {
    int rc = hd_outbox_seal(t->s, &t->messages, &t->step, t->err);
    if (!rc && t->step.count > 0) {
        struct hd_transaction transaction = {.plan = &t->step};
        rc = hd_transactions_run(t->s, &transaction, 1, t->err);
        t->result = transaction.result;
        if (!rc && t->result.code && t->result.code != HD_ERR_CONFLICT)
            *t->err = transaction.err;
        if (!rc && !t->result.code)
            rc = hd_outbox_join(t->s, t->outbox, &t->messages, t->err);
    }
    t->step = (struct hd_plan){.set = t->plan->set};
    t->messages = (struct hd_outbox){0};
    t->message_bytes = 0;
    return rc;
}

static bool failed(const struct steps *t, int rc) {
    return rc || t->result.code;
}

/* The actions of one change go into the same step: at most some parts of a long text. */
static int add_change(struct steps *t, size_t change) {
    const struct hd_plan *plan = t->plan;
    int rc = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct hd_action *action = &plan->actions[i];
        if (action->change != change || t->done[i])
            continue;
        if (t->step.count >= STEP_ACTIONS_MAX || t->step.bytes + t->message_bytes + action->stored_bytes > HD_DYNAMO_TRANSACTION_MAX_BYTES)
            rc = run(t);
        if (failed(t, rc))
            return rc;
        if (!hd_plan_add(&t->step, t->s->scratch, action))
            return hd_error_set(t->err, HD_ERR_NO_MEMORY, "no memory for a step of a changeset");
    }
    return rc;
}

static int add_message(struct steps *t, const struct hd_change *change) {
    const char *body = change->kind == HD_CHANGE_ENQUEUE ? change->enqueue.body : change->postpone.message->body;
    t->message_bytes += strlen(body);
    return hd_outbox_gather(t->s, &t->messages, change, t->err);
}

static bool is_message(const struct hd_change *change) {
    return change->kind == HD_CHANGE_ENQUEUE || change->kind == HD_CHANGE_POSTPONE;
}

static bool is_task_of_notification(const struct hd_changeset *set, size_t at) {
    while (at > 0 && set->changes[at].kind == HD_CHANGE_ENQUEUE)
        at--;
    return set->changes[at].kind == HD_CHANGE_PUT_NOTIFICATION;
}

/* Room for a notification and its tasks is made first, so that they are never parted. */
static int write_notifications(struct steps *t) {
    const struct hd_changeset *set = t->plan->set;
    int rc = 0;
    for (size_t i = 0; i < set->count && !failed(t, rc); i++) {
        if (set->changes[i].kind == HD_CHANGE_PUT_NOTIFICATION) {
            if (t->message_bytes > HD_OUTBOX_ITEM_BYTES * (OUTBOX_ITEMS_MAX - 4) / 2)
                rc = run(t);
            if (!failed(t, rc))
                rc = add_change(t, i);
        } else if (set->changes[i].kind == HD_CHANGE_ENQUEUE && is_task_of_notification(set, i)) {
            rc = add_message(t, &set->changes[i]);
        }
    }
    return failed(t, rc) ? rc : run(t);
}

static bool says_that_it_is_done(enum hd_change_kind kind) {
    return kind == HD_CHANGE_MARK_PROCESSED || kind == HD_CHANGE_MOVE_NOTIFICATION;
}

static int write_rest(struct steps *t, bool last) {
    const struct hd_changeset *set = t->plan->set;
    int rc = 0;
    for (size_t i = 0; i < set->count && !failed(t, rc); i++) {
        const struct hd_change *change = &set->changes[i];
        if (change->kind == HD_CHANGE_PUT_NOTIFICATION || says_that_it_is_done(change->kind) != last)
            continue;
        if (!is_message(change))
            rc = add_change(t, i);
        else if (!(change->kind == HD_CHANGE_ENQUEUE && is_task_of_notification(set, i)))
            rc = add_message(t, change);
    }
    return rc;
}

static int write_all(struct steps *t) {
    int rc = write_notifications(t);
    if (!failed(t, rc))
        rc = write_rest(t, false);
    if (!failed(t, rc))
        rc = write_rest(t, true);
    return failed(t, rc) ? rc : run(t);
}

int hd_steps_commit(struct hd_aws_store *s, const struct hd_plan *plan, struct hd_outbox *outbox, struct hd_commit_result *ret_result,
                    struct hd_error *err) {
    struct hd_error own;
    struct steps t = {.s = s, .plan = plan, .outbox = outbox, .err = err ? err : &own, .step = {.set = plan->set}};
    t.done = hd_arena_calloc(s->scratch, plan->count + 1, sizeof(bool));
    int rc = t.done ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a changeset in steps");
    for (int tries = 0; !rc && tries < TRIES; tries++) {
        rc = look(&t);
        if (failed(&t, rc))
            break;
        rc = write_all(&t);
        if (rc || t.result.code != HD_ERR_CONFLICT || !t.marked)
            break;
    }
    *ret_result = t.result;
    return rc;
}
