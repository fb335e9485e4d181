/* Commits: each changeset a transaction. Of the sets of one call, those that touch nothing in common run side by side; one that shares a thing with an earlier one comes in a later wave, so that it sees
 * what that one did. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/outbox.h"
#include "adapters/aws/steps.h"
#include "adapters/aws/store.h"
#include "adapters/aws/transaction.h"

enum {
    AT_ONCE = 128,       /* transactions of a wave that are planned and sent together */
    HAND_OVER_MS = 2000, /* for SQS after a commit: what is durable already waits no longer to be told, the sweep does the rest */
};

struct job {
    const struct hd_changeset *set;
    struct hd_commit_result *result;
    struct hd_plan plan;
    struct hd_outbox outbox;
    unsigned wave; /* from 1 */
};

struct committing {
    struct hd_aws_store *s;
    struct job *jobs;
    size_t count;
    unsigned waves;
    struct hd_outbox outbox;            /* of all sets that happened */
    const struct hd_message **finished; /* messages that they acknowledge or postpone */
    size_t finished_count;
    struct hd_error *err; /* of the first result that is neither 0 nor a conflict */
    bool has_err;
};

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a commit");
}

/* ---- waves ---- */

/* What a change touches, as a hash: two things that meet in it by chance only wait for one another. 0: nothing. */
static uint64_t touched(const struct hd_change *change) {
    const char *id = NULL;
    char kind = '\0';
    switch (change->kind) {
    case HD_CHANGE_PUT_TICKET:
        kind = 'T', id = change->put_ticket.ticket->ticket_id;
        break;
    case HD_CHANGE_PUT_USER:
        kind = 'U', id = ""; /* which address a user gives up shows only when the user is read: all of them are one thing */
        break;
    case HD_CHANGE_APPEND_EVENT:
        kind = 'V', id = change->event->event_id;
        break;
    case HD_CHANGE_MARK_PROCESSED:
        kind = 'P', id = change->processed.event_id;
        break;
    case HD_CHANGE_PUT_NOTIFICATION:
        kind = 'N', id = change->notification->notification_id;
        break;
    case HD_CHANGE_MOVE_NOTIFICATION:
        kind = 'N', id = change->move.to->notification_id;
        break;
    case HD_CHANGE_APPEND_ATTEMPT:
        kind = 'N', id = change->attempt->notification_id;
        break;
    case HD_CHANGE_PUT_INBOX_ITEM:
        kind = 'N', id = change->inbox_item->notification_id;
        break;
    case HD_CHANGE_READ_INBOX_ITEM:
        kind = 'N', id = change->read.notification_id;
        break;
    case HD_CHANGE_PUT_DEAD_LETTER:
        kind = 'D', id = change->dead_letter->dead_letter_id;
        break;
    case HD_CHANGE_REMOVE_DEAD_LETTER:
        kind = 'D', id = change->dead_letter_id;
        break;
    case HD_CHANGE_APPEND_AUDIT:
        kind = 'X', id = change->audit->audit_id;
        break;
    case HD_CHANGE_REMEMBER_ANSWER:
        kind = 'K', id = change->answer->key;
        break;
    case HD_CHANGE_ENQUEUE:
    case HD_CHANGE_ACKNOWLEDGE:
    case HD_CHANGE_POSTPONE:
    case HD_CHANGE_KIND_COUNT:
        return 0;
    }
    uint64_t hash = (14695981039346656037u ^ (unsigned char)kind) * 1099511628211u; /* FNV-1a */
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 1099511628211u;
    return hash ? hash : 1;
}

/* Which wave last touched a thing: open addressing, more slots than there are changes. */
struct slot {
    uint64_t thing;
    unsigned wave;
};

static struct slot *slot_of(struct slot *slots, size_t mask, uint64_t thing) {
    size_t at = (size_t)thing & mask;
    while (slots[at].thing && slots[at].thing != thing)
        at = (at + 1) & mask;
    slots[at].thing = thing;
    return &slots[at];
}

static unsigned wave_of(struct slot *slots, size_t mask, const struct hd_changeset *set) {
    unsigned wave = 0;
    for (size_t i = 0; i < set->count; i++) {
        uint64_t thing = touched(&set->changes[i]);
        unsigned before = thing ? slot_of(slots, mask, thing)->wave : 0;
        wave = before > wave ? before : wave;
    }
    wave++;
    for (size_t i = 0; i < set->count; i++) {
        uint64_t thing = touched(&set->changes[i]);
        if (thing)
            slot_of(slots, mask, thing)->wave = wave;
    }
    return wave;
}

static int make_waves(struct committing *c) {
    size_t changes = 0;
    for (size_t i = 0; i < c->count; i++)
        changes += c->jobs[i].set->count;
    size_t slot_count = 16;
    while (slot_count < 2 * changes)
        slot_count *= 2;
    struct slot *slots = hd_arena_calloc(c->s->scratch, slot_count, sizeof *slots);
    if (!slots)
        return no_memory(c->err);
    for (size_t i = 0; i < c->count; i++) {
        c->jobs[i].wave = wave_of(slots, slot_count - 1, c->jobs[i].set);
        c->waves = c->jobs[i].wave > c->waves ? c->jobs[i].wave : c->waves;
    }
    return 0;
}

/* ---- users as they were ---- */

struct users_before {
    const char **ids;
    json_t **items;
    size_t count;
};

static const json_t *user_before(void *self, const char *user_id) {
    const struct users_before *users = self;
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->ids[i], user_id) == 0)
            return users->items[i];
    return NULL;
}

static size_t users_of(const struct hd_changeset *set, const char **ids) {
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct hd_change *change = &set->changes[i];
        if (change->kind != HD_CHANGE_PUT_USER || change->put_user.if_version == 0)
            continue;
        if (ids)
            ids[count] = change->put_user.user->user_id;
        count++;
    }
    return count;
}

static int read_users(struct committing *c, struct job *const *jobs, size_t count, struct users_before *ret) {
    struct hd_arena *arena = c->s->scratch;
    size_t users = 0;
    for (size_t i = 0; i < count; i++)
        users += users_of(jobs[i]->set, NULL);
    *ret = (struct users_before){0};
    if (users == 0)
        return 0;
    struct hd_aws_key *keys = hd_arena_calloc(arena, users, sizeof *keys);
    ret->ids = hd_arena_calloc(arena, users, sizeof(char *));
    ret->items = hd_arena_calloc(arena, users, sizeof(json_t *));
    if (!keys || !ret->ids || !ret->items)
        return no_memory(c->err);
    for (size_t i = 0; i < count; i++)
        ret->count += users_of(jobs[i]->set, ret->ids + ret->count);
    for (size_t i = 0; i < users; i++) {
        keys[i] = hd_item_key(arena, HD_ITEM_USER, ret->ids[i]);
        if (!keys[i].pk)
            return no_memory(c->err);
    }
    return hd_dynamo_get_many(c->s, keys, users, ret->items, c->err);
}

/* ---- one wave ---- */

static void fail(struct committing *c, struct job *job, enum hd_code code, const struct hd_error *why) {
    job->result->code = code;
    if (!c->has_err && c->err && code != HD_ERR_CONFLICT)
        *c->err = *why;
    c->has_err = c->has_err || code != HD_ERR_CONFLICT;
}

static int happened(struct committing *c, struct job *job) {
    for (size_t i = 0; i < job->set->count; i++) {
        const struct hd_change *change = &job->set->changes[i];
        if (change->kind == HD_CHANGE_ACKNOWLEDGE)
            c->finished[c->finished_count++] = change->message;
        else if (change->kind == HD_CHANGE_POSTPONE)
            c->finished[c->finished_count++] = change->postpone.message;
    }
    return hd_outbox_join(c->s, &c->outbox, &job->outbox, c->err);
}

/* Plans a set, its messages included. *ret_fits: it is one transaction. */
static int plan(struct committing *c, struct job *job, const struct hd_planning *planning, bool *ret_fits, struct hd_error *err) {
    if (job->set->failure)
        return hd_changeset_check(job->set, err);
    int rc = hd_plan_changes(planning, job->set, &job->plan, err);
    for (size_t i = 0; !rc && i < job->set->count; i++)
        rc = hd_outbox_gather(c->s, &job->outbox, &job->set->changes[i], err);
    struct hd_plan whole = job->plan;
    if (!rc)
        rc = hd_outbox_seal(c->s, &job->outbox, &whole, err);
    *ret_fits = !rc && hd_plan_fits(&whole);
    if (*ret_fits)
        job->plan = whole;
    return rc;
}

static int conclude(struct committing *c, struct job *job, const struct hd_commit_result *result, const struct hd_error *why) {
    *job->result = *result;
    if (!result->code)
        return happened(c, job);
    fail(c, job, result->code, why);
    return 0;
}

static int run_steps(struct committing *c, struct job *job) {
    struct hd_error err = {0};
    struct hd_commit_result result = {0};
    job->outbox = (struct hd_outbox){0};
    int rc = hd_steps_commit(c->s, &job->plan, &job->outbox, &result, &err);
    if (rc)
        result = (struct hd_commit_result){.code = (enum hd_code)rc};
    if (result.code) /* what its first steps have put into the outbox is sent all the same: their notifications are there */
        rc = hd_outbox_join(c->s, &c->outbox, &job->outbox, c->err);
    else
        rc = 0;
    return rc ? rc : conclude(c, job, &result, &err);
}

static int run_some(struct committing *c, struct job *const *jobs, size_t count) {
    struct users_before users;
    int rc = read_users(c, jobs, count, &users);
    if (rc)
        return rc;
    struct hd_planning planning = {.arena = c->s->scratch,
                                   .compressor = c->s->compressor,
                                   .now_ms = c->s->options->clock->now_ms(c->s->options->clock),
                                   .user_before = user_before,
                                   .self = &users};
    struct hd_transaction transactions[AT_ONCE];
    struct job *of[AT_ONCE];
    size_t started = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        struct hd_error err = {0};
        bool fits = false;
        int planned = plan(c, jobs[i], &planning, &fits, &err);
        if (planned)
            fail(c, jobs[i], (enum hd_code)planned, &err);
        else if (!fits)
            rc = run_steps(c, jobs[i]);
        else if (jobs[i]->plan.count == 0)
            rc = conclude(c, jobs[i], &(struct hd_commit_result){0}, &err);
        else {
            transactions[started] = (struct hd_transaction){.plan = &jobs[i]->plan};
            of[started++] = jobs[i];
        }
    }
    if (!rc && started > 0)
        rc = hd_transactions_run(c->s, transactions, started, c->err);
    for (size_t i = 0; !rc && i < started; i++)
        rc = conclude(c, of[i], &transactions[i].result, &transactions[i].err);
    return rc;
}

static int run_wave(struct committing *c, unsigned wave) {
    struct job *jobs[AT_ONCE];
    size_t count = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < c->count; i++) {
        if (c->jobs[i].wave == wave)
            jobs[count++] = &c->jobs[i];
        if (count == AT_ONCE) {
            rc = run_some(c, jobs, count);
            count = 0;
        }
    }
    return rc || count == 0 ? rc : run_some(c, jobs, count);
}

/* ---- the whole ---- */

/* After the commit. Whatever fails here is no failure of the commit: the outbox keeps what SQS has not, and a message that is not deleted comes again and finds its work done. */
static void tell_queues(struct committing *c) {
    size_t sent = 0;
    size_t failed = 0;
    hd_aws_client_end_within(c->s->client, HAND_OVER_MS);
    if (hd_outbox_hand_over(c->s, &c->outbox, c->outbox.now_ms, &sent, NULL) != 0)
        sent = 0;
    if (c->s->sqs && !c->s->options->messages_are_acknowledged_for_us && c->finished_count > 0)
        hd_sqs_delete(c->s->sqs, c->finished, c->finished_count, c->s->scratch, &failed);
    hd_aws_client_end_within(c->s->client, INT64_MAX);
}

static int begin(struct committing *c, const struct hd_changeset *const *sets, struct hd_commit_result *results) {
    size_t changes = 0;
    for (size_t i = 0; i < c->count; i++)
        changes += sets[i]->count;
    c->jobs = hd_arena_calloc(c->s->scratch, c->count + 1, sizeof *c->jobs);
    c->finished = hd_arena_calloc(c->s->scratch, changes + 1, sizeof(struct hd_message *));
    if (!c->jobs || !c->finished)
        return no_memory(c->err);
    for (size_t i = 0; i < c->count; i++) {
        results[i] = (struct hd_commit_result){0};
        c->jobs[i].set = sets[i];
        c->jobs[i].result = &results[i];
    }
    return make_waves(c);
}

int hd_dynamo_commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                     struct hd_error *err) {
    assert(count <= HD_COMMIT_MAX);
    struct committing c = {.s = hd_aws_store_of(store), .count = count, .err = err};
    hd_arena_reset(c.s->scratch);
    hd_ahead_forget(&c.s->ahead);
    int rc = begin(&c, sets, ret_results);
    for (unsigned wave = 1; !rc && wave <= c.waves; wave++)
        rc = run_wave(&c, wave);
    tell_queues(&c);
    return rc;
}
