#include "adapters/aws/plan.h"

#include <assert.h>
#include <string.h>

enum { FIRST_CAPACITY = 16, MS_PER_S = 1000 };

static const int64_t answer_ms = (int64_t)7 * 24 * 3600 * 1000; /* how long an answer is remembered: longer than any client repeats */

/* ---- planning ---- */

struct drafting {
    const struct hd_planning *p;
    struct hd_plan *plan;
    struct hd_error *err;
};

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a transaction");
}

bool hd_plan_add(struct hd_plan *plan, struct hd_arena *arena, const struct hd_action *action) {
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? plan->capacity * 2 : FIRST_CAPACITY;
        struct hd_action *actions = hd_arena_alloc(arena, capacity * sizeof *actions);
        if (!actions)
            return false;
        if (plan->count > 0)
            memcpy(actions, plan->actions, plan->count * sizeof *actions);
        plan->actions = actions;
        plan->capacity = capacity;
    }
    plan->actions[plan->count++] = *action;
    plan->bytes += action->stored_bytes;
    return true;
}

static int add(struct drafting *d, struct hd_action action) {
    if (!action.key.pk)
        return no_memory(d->err);
    return hd_plan_add(d->plan, d->p->arena, &action) ? 0 : no_memory(d->err);
}

/* The buffer's text becomes the action's item. */
static int add_written(struct drafting *d, struct hd_action action, struct hd_buffer *item) {
    int rc = hd_buffer_check(item, d->err);
    action.item = rc ? NULL : hd_arena_strndup(d->p->arena, item->data, item->len);
    action.item_bytes = item->len;
    if (action.stored_bytes == 0)
        action.stored_bytes = item->len;
    if (!rc)
        rc = action.item ? add(d, action) : no_memory(d->err);
    return rc;
}

static int add_put_until(struct drafting *d, struct hd_action action, enum hd_item_kind kind, const void *value, int64_t ttl_s) {
    if (!action.key.pk)
        return no_memory(d->err);
    HD_CLEANUP(hd_buffer_free) struct hd_buffer item = {0};
    struct hd_json_writer w = hd_json_writer(&item);
    int rc = hd_item_put(&w, NULL, kind, &action.key, value, ttl_s, d->p->compressor, d->p->arena, d->err);
    return rc ? rc : add_written(d, action, &item);
}

static int add_put(struct drafting *d, struct hd_action action, enum hd_item_kind kind, const void *value) {
    return add_put_until(d, action, kind, value, 0);
}

static int put_if_absent(struct drafting *d, size_t change, enum hd_item_kind kind, const char *id, const void *value) {
    struct hd_action action = {.change = change, .key = hd_item_key(d->p->arena, kind, id), .check = HD_CHECK_ABSENT};
    return add_put(d, action, kind, value);
}

static int plan_ticket(struct drafting *d, size_t at, const struct hd_change *change) {
    const struct hd_ticket *ticket = change->put_ticket.ticket;
    int64_t version = change->put_ticket.if_version;
    if (version == 0)
        return put_if_absent(d, at, HD_ITEM_TICKET, ticket->ticket_id, ticket);
    struct hd_action action = {
        .change = at, .key = hd_item_key(d->p->arena, HD_ITEM_TICKET, ticket->ticket_id), .check = HD_CHECK_VERSION, .number = version};
    return add_put(d, action, HD_ITEM_TICKET, ticket);
}

static int add_address(struct drafting *d, size_t at, const struct hd_aws_key *key, const char *user_id) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer item = {0};
    struct hd_json_writer w = hd_json_writer(&item);
    hd_json_open_object(&w, NULL);
    hd_item_put_text(&w, "pk", key->pk);
    hd_item_put_text(&w, "sk", key->sk);
    hd_item_put_text(&w, "user_id", user_id);
    hd_json_close_object(&w);
    struct hd_action action = {.change = at, .key = *key, .check = HD_CHECK_FREE_OR_MINE, .text = user_id};
    return add_written(d, action, &item);
}

/* An address is an item of its own, so that a second user who takes it finds it taken. The item of the address that is given up goes; which that is, the user's item said when it was read, and the
 * condition holds it to that. */
static int plan_addresses(struct drafting *d, size_t at, const struct hd_user *user, const char *email_before) {
    struct hd_aws_key before = {0}, after = {0};
    if (email_before)
        before = hd_item_email_key(d->p->arena, email_before);
    if (user->email)
        after = hd_item_email_key(d->p->arena, user->email);
    if ((email_before && !before.pk) || (user->email && !after.pk))
        return no_memory(d->err);
    if (before.pk && after.pk && strcmp(before.pk, after.pk) == 0)
        return 0;
    int rc = 0;
    if (before.pk) /* absent is as good: then nobody has it */
        rc = add(d, (struct hd_action){
                        .kind = HD_ACTION_DELETE, .change = at, .key = before, .check = HD_CHECK_FREE_OR_MINE, .text = user->user_id});
    if (!rc && after.pk)
        rc = add_address(d, at, &after, user->user_id);
    return rc;
}

static int plan_user(struct drafting *d, size_t at, const struct hd_change *change) {
    const struct hd_user *user = change->put_user.user;
    int64_t version = change->put_user.if_version;
    const json_t *before = version ? d->p->user_before(d->p->self, user->user_id) : NULL;
    const char *email = hd_arena_strdup(d->p->arena, hd_item_text(before, "email"));
    int rc = 0;
    if (version == 0)
        rc = put_if_absent(d, at, HD_ITEM_USER, user->user_id, user);
    else
        rc = add_put(d,
                     (struct hd_action){.change = at,
                                        .key = hd_item_key(d->p->arena, HD_ITEM_USER, user->user_id),
                                        .check = HD_CHECK_VERSION_MAIL,
                                        .number = version,
                                        .text = email},
                     HD_ITEM_USER, user);
    return rc ? rc : plan_addresses(d, at, user, email);
}

static int plan_mark(struct drafting *d, size_t at, const struct hd_change *change) {
    struct hd_aws_key key = hd_item_mark_key(d->p->arena, change->processed.processor, change->processed.event_id);
    if (!key.pk)
        return no_memory(d->err);
    HD_CLEANUP(hd_buffer_free) struct hd_buffer item = {0};
    struct hd_json_writer w = hd_json_writer(&item);
    hd_json_open_object(&w, NULL);
    hd_item_put_text(&w, "pk", key.pk);
    hd_item_put_text(&w, "sk", key.sk);
    hd_item_put_number(&w, "at_ms", change->processed.at_ms);
    hd_json_close_object(&w);
    return add_written(d, (struct hd_action){.change = at, .key = key, .check = HD_CHECK_ABSENT}, &item);
}

static int plan_move(struct drafting *d, size_t at, const struct hd_change *change) {
    const struct hd_notification *to = change->move.to;
    struct hd_action action = {.change = at,
                               .key = hd_item_key(d->p->arena, HD_ITEM_NOTIFICATION, to->notification_id),
                               .check = HD_CHECK_STATE,
                               .number = change->move.if_status,
                               .attempts = change->move.if_attempts,
                               .text = change->move.if_owner};
    return add_put(d, action, HD_ITEM_NOTIFICATION, to);
}

/* A message that is too long for one item, even compressed, goes into items of its own in front of the attempt. */
static int plan_parts(struct drafting *d, size_t at, const struct hd_attempt *attempt, const void *data, size_t bytes, int *ret_parts) {
    int part = 0;
    for (size_t from = 0; from < bytes; from += HD_ITEM_PART_BYTES) {
        size_t take = bytes - from < HD_ITEM_PART_BYTES ? bytes - from : HD_ITEM_PART_BYTES;
        struct hd_aws_key key = hd_item_part_key(d->p->arena, attempt->notification_id, attempt->number, ++part);
        if (!key.pk)
            return no_memory(d->err);
        HD_CLEANUP(hd_buffer_free) struct hd_buffer item = {0};
        struct hd_json_writer w = hd_json_writer(&item);
        hd_json_open_object(&w, NULL);
        hd_item_put_text(&w, "pk", key.pk);
        hd_item_put_text(&w, "sk", key.sk);
        hd_item_put_binary(&w, "part", (const char *)data + from, take);
        hd_json_close_object(&w);
        int rc = add_written(
            d, (struct hd_action){.change = at, .key = key, .check = HD_CHECK_ABSENT, .stored_bytes = take + strlen(key.pk)}, &item);
        if (rc)
            return rc;
    }
    *ret_parts = part;
    return 0;
}

static int plan_attempt(struct drafting *d, size_t at, const struct hd_change *change) {
    struct hd_attempt attempt = *change->attempt;
    struct hd_action action = {
        .change = at, .key = hd_item_attempt_key(d->p->arena, attempt.notification_id, attempt.number), .check = HD_CHECK_ABSENT};
    if (!attempt.message || strlen(attempt.message) <= HD_ITEM_PART_BYTES)
        return add_put(d, action, HD_ITEM_ATTEMPT, &attempt);
    const void *data = NULL;
    size_t bytes = 0;
    int rc = hd_compress(d->p->compressor, attempt.message, d->p->arena, &data, &bytes, d->err);
    if (!rc && bytes > HD_ITEM_PART_BYTES) {
        int parts = 0;
        rc = plan_parts(d, at, &attempt, data, bytes, &parts);
        attempt.message = NULL; /* the reader finds the parts behind the attempt's key */
    }
    return rc ? rc : add_put(d, action, HD_ITEM_ATTEMPT, &attempt);
}

static int plan_read(struct drafting *d, size_t at, const struct hd_change *change) {
    return add(d, (struct hd_action){.kind = HD_ACTION_READ,
                                     .change = at,
                                     .key = hd_item_key(d->p->arena, HD_ITEM_INBOX_ITEM, change->read.notification_id),
                                     .check = HD_CHECK_MINE,
                                     .text = change->read.user_id,
                                     .read_at_ms = change->read.at_ms});
}

static int plan_answer(struct drafting *d, size_t at, const struct hd_change *change) {
    struct hd_action action = {.change = at,
                               .key = hd_item_key(d->p->arena, HD_ITEM_ANSWER, change->answer->key),
                               .check = HD_CHECK_EXPIRED,
                               .number = change->answer->created_at_ms - answer_ms};
    return add_put_until(d, action, HD_ITEM_ANSWER, change->answer, (d->p->now_ms + answer_ms) / MS_PER_S);
}

static int plan_change(struct drafting *d, size_t at, const struct hd_change *change) {
    switch (change->kind) {
    case HD_CHANGE_PUT_TICKET:
        return plan_ticket(d, at, change);
    case HD_CHANGE_PUT_USER:
        return plan_user(d, at, change);
    case HD_CHANGE_APPEND_EVENT:
        return put_if_absent(d, at, HD_ITEM_EVENT, change->event->event_id, change->event);
    case HD_CHANGE_MARK_PROCESSED:
        return plan_mark(d, at, change);
    case HD_CHANGE_PUT_NOTIFICATION:
        return put_if_absent(d, at, HD_ITEM_NOTIFICATION, change->notification->notification_id, change->notification);
    case HD_CHANGE_MOVE_NOTIFICATION:
        return plan_move(d, at, change);
    case HD_CHANGE_APPEND_ATTEMPT:
        return plan_attempt(d, at, change);
    case HD_CHANGE_PUT_INBOX_ITEM:
        return put_if_absent(d, at, HD_ITEM_INBOX_ITEM, change->inbox_item->notification_id, change->inbox_item);
    case HD_CHANGE_READ_INBOX_ITEM:
        return plan_read(d, at, change);
    case HD_CHANGE_PUT_DEAD_LETTER:
        return put_if_absent(d, at, HD_ITEM_DEAD_LETTER, change->dead_letter->dead_letter_id, change->dead_letter);
    case HD_CHANGE_REMOVE_DEAD_LETTER:
        return add(d, (struct hd_action){.kind = HD_ACTION_DELETE,
                                         .change = at,
                                         .key = hd_item_key(d->p->arena, HD_ITEM_DEAD_LETTER, change->dead_letter_id),
                                         .check = HD_CHECK_PRESENT});
    case HD_CHANGE_APPEND_AUDIT:
        return put_if_absent(d, at, HD_ITEM_AUDIT, change->audit->audit_id, change->audit);
    case HD_CHANGE_REMEMBER_ANSWER:
        return plan_answer(d, at, change);
    case HD_CHANGE_ENQUEUE:
    case HD_CHANGE_ACKNOWLEDGE:
    case HD_CHANGE_POSTPONE:
    case HD_CHANGE_KIND_COUNT:
        break;
    }
    return 0;
}

static bool same_key(const struct hd_aws_key *a, const struct hd_aws_key *b) {
    return strcmp(a->pk, b->pk) == 0 && strcmp(a->sk, b->sk) == 0;
}

/* Only addresses can meet: a changeset touches everything else once. */
static size_t find_twice(const struct hd_plan *plan) {
    for (size_t i = 1; i < plan->count; i++)
        for (size_t k = 0; plan->actions[i].key.pk[0] == 'E' && k < i; k++)
            if (same_key(&plan->actions[i].key, &plan->actions[k].key))
                return i;
    return SIZE_MAX;
}

int hd_plan_changes(const struct hd_planning *p, const struct hd_changeset *set, struct hd_plan *ret_plan, struct hd_error *err) {
    struct hd_plan plan = {.set = set};
    struct drafting d = {.p = p, .plan = &plan, .err = err};
    for (size_t i = 0; i < set->count; i++) {
        int rc = plan_change(&d, i, &set->changes[i]);
        if (rc)
            return rc;
    }
    plan.twice = find_twice(&plan);
    *ret_plan = plan;
    return 0;
}

/* ---- conditions, as expressions and as looks at what was read ---- */

/* A part of a condition: attribute #<place> compared with :<place>. Attributes go by placeholders: many of their names are words of DynamoDB. */
struct term {
    const char *name;
    const char *text; /* NULL: a number */
    int64_t number;
    bool absent; /* must not be there */
};

enum { TERMS_MAX = 3 };

struct condition {
    const char *expression; /* NULL: none */
    struct term terms[TERMS_MAX];
    size_t count;
};

static struct term text_or_none(const char *name, const char *text) {
    return (struct term){.name = name, .text = text, .absent = !text};
}

static struct condition condition_of(const struct hd_action *a) {
    switch (a->check) {
    case HD_CHECK_NOTHING:
        break;
    case HD_CHECK_ABSENT:
        return (struct condition){.expression = "attribute_not_exists(pk)"};
    case HD_CHECK_PRESENT:
        return (struct condition){.expression = "attribute_exists(pk)"};
    case HD_CHECK_VERSION:
        return (struct condition){.expression = "#a = :a", .terms = {{.name = "version", .number = a->number}}, .count = 1};
    case HD_CHECK_VERSION_MAIL:
        return (struct condition){.expression = a->text ? "#a = :a AND #b = :b" : "#a = :a AND attribute_not_exists(#b)",
                                  .terms = {{.name = "version", .number = a->number}, text_or_none("email", a->text)},
                                  .count = 2};
    case HD_CHECK_STATE:
        return (struct condition){.expression =
                                      a->text ? "#a = :a AND #b = :b AND #c = :c" : "#a = :a AND #b = :b AND attribute_not_exists(#c)",
                                  .terms = {{.name = "status", .number = a->number},
                                            {.name = "attempts", .number = a->attempts},
                                            text_or_none("owner_token", a->text)},
                                  .count = 3};
    case HD_CHECK_MINE:
        return (struct condition){.expression = "#a = :a", .terms = {{.name = "user_id", .text = a->text}}, .count = 1};
    case HD_CHECK_FREE_OR_MINE:
        return (struct condition){
            .expression = "attribute_not_exists(pk) OR #a = :a", .terms = {{.name = "user_id", .text = a->text}}, .count = 1};
    case HD_CHECK_EXPIRED:
        return (struct condition){
            .expression = "attribute_not_exists(pk) OR #a <= :a", .terms = {{.name = "created_at_ms", .number = a->number}}, .count = 1};
    }
    return (struct condition){0};
}

static void put_names(struct hd_json_writer *w, const struct condition *c, const struct hd_action *a) {
    static const char *const places[TERMS_MAX] = {"#a", "#b", "#c"};
    if (c->count == 0)
        return;
    hd_json_open_object(w, "ExpressionAttributeNames");
    for (size_t i = 0; i < c->count; i++)
        hd_json_put_str(w, places[i], c->terms[i].name);
    if (a->kind == HD_ACTION_READ) {
        hd_json_put_str(w, "#r", "read_at_ms");
        hd_json_put_str(w, "#s", "s");
    }
    hd_json_close_object(w);
}

static void put_values(struct hd_json_writer *w, const struct condition *c, const struct hd_action *a) {
    static const char *const places[TERMS_MAX] = {":a", ":b", ":c"};
    if (c->count == 0)
        return;
    hd_json_open_object(w, "ExpressionAttributeValues");
    for (size_t i = 0; i < c->count; i++) {
        if (c->terms[i].text)
            hd_item_put_text(w, places[i], c->terms[i].text);
        else if (!c->terms[i].absent)
            hd_item_put_number(w, places[i], c->terms[i].number);
    }
    if (a->kind == HD_ACTION_READ)
        hd_item_put_number(w, ":r", a->read_at_ms);
    hd_json_close_object(w);
}

void hd_action_write(struct hd_json_writer *w, const char *table, const struct hd_action *action) {
    static const char *const names[] = {[HD_ACTION_PUT] = "Put", [HD_ACTION_DELETE] = "Delete", [HD_ACTION_READ] = "Update"};
    struct condition c = condition_of(action);
    hd_json_open_object(w, NULL);
    hd_json_open_object(w, names[action->kind]);
    hd_json_put_str(w, "TableName", table);
    if (action->kind == HD_ACTION_PUT)
        hd_json_put_raw(w, "Item", action->item, action->item_bytes);
    else
        hd_item_put_key(w, "Key", &action->key);
    if (action->kind == HD_ACTION_READ) /* out of the list of what is unread; a second reading changes nothing */
        hd_json_put_str(w, "UpdateExpression", "SET #r = if_not_exists(#r, :r) REMOVE #s");
    hd_json_put_str_if(w, "ConditionExpression", c.expression);
    put_names(w, &c, action);
    put_values(w, &c, action);
    hd_json_close_object(w);
    hd_json_close_object(w);
}

static bool term_holds(const struct term *term, const json_t *item) {
    if (term->absent)
        return !json_object_get(item, term->name);
    if (term->text) {
        const char *text = hd_item_text(item, term->name);
        return text && strcmp(text, term->text) == 0;
    }
    return json_object_get(item, term->name) && hd_item_number(item, term->name, ~term->number) == term->number;
}

bool hd_action_holds(const struct hd_action *action, const json_t *item) {
    struct condition c = condition_of(action);
    if (action->check == HD_CHECK_NOTHING)
        return true;
    if (action->check == HD_CHECK_ABSENT)
        return !item;
    if (!item)
        return action->check == HD_CHECK_FREE_OR_MINE || action->check == HD_CHECK_EXPIRED;
    if (action->check == HD_CHECK_EXPIRED)
        return json_object_get(item, "created_at_ms") && hd_item_number(item, "created_at_ms", INT64_MAX) <= action->number;
    bool holds = true;
    for (size_t i = 0; i < c.count; i++)
        holds = holds && term_holds(&c.terms[i], item);
    return holds;
}
