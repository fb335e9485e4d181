/* Random changesets, reads and messages on a backend and on the memory implementation side by side: whatever happens, both answer the same.
 *
 * Ids come from small pools, so that conditions meet. Within one changeset no two changes touch the same thing (the port says nothing about that); within
 * one commit they do. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tests/contract/fixture.h"

enum {
    STEPS = 1500,
    STEPS_BEHIND_HTTP = 300,
    RECEIVES_MAX = 3, /* of a queue outside of the store's transactions: then it gives a message up */
    SETS_MAX = 5,
    CHANGES_MAX = 6,
    TICKETS = 12,
    USERS = 8,
    EVENTS = 30,
    NOTIFICATIONS = 40,
    LETTERS = 12,
    HELD_MAX = 48,
    MESSAGES_MAX = 20000,
    TOUCHED_MAX = 64,
    SCRATCH_BYTES = 256 * 1024 * 1024,
    SECOND_MS = 1000,
    HOUR_MS = 3600 * 1000,
};

static const enum hd_queue_name queues[] = {HD_QUEUE_ROUTER, HD_QUEUE_EMAIL, HD_QUEUE_INAPP};
static const char *processors[] = {"router", "audit", NULL};

/* One message as both sides gave it. */
struct held {
    int number;
    struct hd_message real, reference;
    int64_t hidden_until_ms;
};

struct model {
    struct hd_fixture real, reader /* another view of the same */, reference;
    uint64_t seed, random;
    const char *tickets[TICKETS + 1], *users[USERS + 1], *emails[USERS], *events[EVENTS + 1], *letters[LETTERS + 1];
    struct hd_notification notifications[NOTIFICATIONS]; /* as they are put */
    struct hd_notification put[NOTIFICATIONS];           /* as the commit that is being built puts them */
    bool is_put[NOTIFICATIONS];
    size_t last_put;
    struct hd_notification seen[NOTIFICATIONS]; /* some earlier state of each: what a slow worker thinks */
    struct held held[HELD_MAX];
    size_t held_count;
    int messages;
    bool forgettable[MESSAGES_MAX]; /* its receives may have been forgotten: postponed, or received before a crash */
    struct hd_arena *kept;          /* lives as long as the model; the fixtures' arenas are emptied at each step */

    /* the changeset that is being built, once for each side */
    struct hd_changeset real_sets[SETS_MAX], reference_sets[SETS_MAX];
    size_t set_count;
    const char *touched[TOUCHED_MAX];
    size_t touched_count;
    int moved_messages[SETS_MAX * CHANGES_MAX]; /* acknowledged or postponed by this commit */
    size_t moved_message_count;
};

static size_t any(struct model *m, size_t bound) {
    return hd_random_below(&m->random, bound);
}

static bool one_in(struct model *m, size_t n) {
    return any(m, n) == 0;
}

static const char *keep(struct model *m, const char *text) {
    const char *kept = hd_arena_strdup(m->kept, text);
    assert_true(kept || !text);
    return kept;
}

/* ---- the changesets ---- */

#define BOTH(call)                                                  \
    do {                                                            \
        struct hd_changeset *set = &m->real_sets[m->set_count - 1]; \
        call;                                                       \
        set = &m->reference_sets[m->set_count - 1];                 \
        call;                                                       \
    } while (0)

/* False when this changeset has a change of that thing already. */
static bool touch(struct model *m, const char *kind, const char *id) {
    const char *key = hd_textf(&m->real, "%s %s", kind, id);
    for (size_t i = 0; i < m->touched_count; i++) {
        if (strcmp(m->touched[i], key) == 0)
            return false;
    }
    assert_true(m->touched_count < TOUCHED_MAX);
    m->touched[m->touched_count++] = key;
    return true;
}

static void put_ticket(struct model *m) {
    const char *id = m->tickets[any(m, TICKETS)];
    if (!touch(m, "ticket", id))
        return;
    const struct hd_ticket *now = hd_get_ticket(&m->reference, id);
    struct hd_ticket ticket = now ? *now : hd_sample_ticket(&m->real, id);
    int64_t if_version = now ? now->version : 0;
    if (one_in(m, 4))
        if_version = now ? (int64_t)any(m, 3) * (now->version + 1) : 99;
    ticket.version = if_version + 1;
    ticket.title = hd_textf(&m->real, "title %zu", any(m, 1000));
    ticket.description = one_in(m, 3) ? NULL : one_in(m, 3) ? "" : "descrição";
    ticket.status = (enum hd_ticket_status)any(m, HD_TICKET_STATUS_COUNT);
    ticket.priority = (enum hd_priority)any(m, HD_PRIORITY_COUNT);
    ticket.owner_id = m->users[any(m, USERS)];
    ticket.team = one_in(m, 2) ? NULL : "suporte";
    ticket.updated_at_ms = hd_stamp(&m->real);
    BOTH(hd_put_ticket(set, &ticket, if_version));
}

/* At most one in a changeset: two would meet at their addresses. */
static void put_user(struct model *m) {
    if (!touch(m, "user", "any"))
        return;
    const char *id = m->users[any(m, USERS)];
    const struct hd_user *now = hd_get_user(&m->reference, id);
    struct hd_user user = now ? *now : hd_sample_user(&m->real, id);
    int64_t if_version = now ? now->version : 0;
    if (one_in(m, 5))
        if_version = now ? (int64_t)any(m, 3) * (now->version + 1) : 99;
    user.version = if_version + 1;
    user.email = one_in(m, 5) ? NULL : m->emails[any(m, USERS)];
    user.role = (enum hd_role)any(m, HD_ROLE_COUNT);
    user.team = one_in(m, 3) ? NULL : one_in(m, 2) ? "suporte" : "redes";
    user.channels_off = (unsigned)any(m, HD_ALL_CHANNELS + 1);
    user.updated_at_ms = hd_stamp(&m->real);
    BOTH(hd_put_user(set, &user, if_version));
}

static void append_event(struct model *m) {
    struct hd_event event = hd_sample_event(&m->real, m->events[any(m, EVENTS)]);
    if (!touch(m, "event", event.event_id))
        return;
    event.type = (enum hd_event_type)any(m, HD_EVENT_TYPE_COUNT);
    BOTH(hd_append_event(set, &event));
}

static void mark_processed(struct model *m) {
    const char *processor = processors[any(m, 2)];
    const char *event_id = m->events[any(m, EVENTS)];
    if (!touch(m, processor, event_id))
        return;
    BOTH(hd_mark_processed(set, processor, event_id, hd_stamp(&m->real)));
}

static void append_attempt(struct model *m, const char *notification_id) {
    struct hd_attempt attempt = hd_sample_attempt(&m->real, notification_id, 1 + (int)any(m, 12));
    attempt.outcome = (enum hd_outcome_kind)any(m, HD_OUTCOME_COUNT);
    attempt.message = one_in(m, 2) ? NULL : attempt.message;
    BOTH(hd_append_attempt(set, &attempt));
}

/* Twice in one commit it is put alike: whichever happens, what never changes is known. And with none between, so that the order of creation is the order of storing. */
static void put_notification(struct model *m) {
    size_t which = any(m, NOTIFICATIONS);
    struct hd_notification *put = &m->put[which];
    if (m->is_put[which] && m->last_put != which)
        return;
    if (!touch(m, "notification", m->notifications[which].notification_id))
        return;
    if (!m->is_put[which]) {
        *put = m->notifications[which];
        put->created_at_ms = put->updated_at_ms = hd_stamp(&m->real);
        if (one_in(m, 5))
            put->status = (enum hd_status)any(m, HD_STATUS_COUNT);
        put->critical = one_in(m, 2);
        m->is_put[which] = true;
        m->last_put = which;
    }
    BOTH(hd_put_notification(set, put));
    if (one_in(m, 10))
        append_attempt(m, put->notification_id);
}

static void put_inbox_item(struct model *m, const struct hd_notification *of) {
    struct hd_inbox_item item = hd_sample_inbox_item(&m->real, of);
    BOTH(hd_put_inbox_item(set, &item));
}

/* A copy that outlives the step. */
static struct hd_notification kept_notification(struct model *m, const struct hd_notification *notification) {
    struct hd_notification kept;
    assert_true(hd_record_copy_into(&hd_notification_record, m->kept, &kept, notification));
    return kept;
}

static void move_notification(struct model *m) {
    size_t which = any(m, NOTIFICATIONS);
    const char *id = m->notifications[which].notification_id;
    if (!touch(m, "notification", id))
        return;
    const struct hd_notification *now = hd_get_notification(&m->reference, id);
    if (now && one_in(m, 4))
        m->seen[which] = kept_notification(m, now);
    if (!now && m->is_put[which])
        now = &m->put[which];
    struct hd_notification from = now && !one_in(m, 5) ? *now : m->seen[which];
    enum hd_move move = (enum hd_move)any(m, HD_MOVE_COUNT);
    for (int tries = 0; hd_status_after(from.status, move) < 0; tries++) {
        if (tries == 50)
            return; /* a final one */
        move = (enum hd_move)any(m, HD_MOVE_COUNT);
    }
    if (one_in(m, 12))
        from.owner_token = from.owner_token ? (one_in(m, 2) ? NULL : "somebody-else") : "somebody";
    if (one_in(m, 12))
        from.attempts++;
    struct hd_notification to = hd_moved(&m->real, &from, move);
    if (now) { /* what never changes is not for a slow worker to change */
        to.created_at_ms = now->created_at_ms;
        to.critical = now->critical;
    }
    BOTH(hd_move_notification(set, &from, &to, move));
    if (one_in(m, 2))
        append_attempt(m, id);
    if (to.channel == HD_INAPP && one_in(m, 2))
        put_inbox_item(m, &to);
}

static void read_inbox_item(struct model *m) {
    const struct hd_notification *notification = &m->notifications[any(m, NOTIFICATIONS)];
    if (!touch(m, "notification", notification->notification_id))
        return;
    const char *user_id = one_in(m, 6) ? m->users[any(m, USERS)] : notification->target;
    BOTH(hd_read_inbox_item(set, notification->notification_id, user_id, m->real.stamp_ms));
}

static void change_dead_letter(struct model *m) {
    struct hd_dead_letter letter = hd_sample_dead_letter(&m->real, m->letters[any(m, LETTERS)]);
    if (!touch(m, "dead letter", letter.dead_letter_id))
        return;
    letter.queue = hd_queue_name_text((enum hd_queue_name)any(m, HD_QUEUE_COUNT));
    letter.reason = one_in(m, 2) ? "invalid_event" : "attempts_exhausted";
    if (one_in(m, 3))
        BOTH(hd_remove_dead_letter(set, letter.dead_letter_id));
    else
        BOTH(hd_put_dead_letter(set, &letter));
}

static void append_audit(struct model *m) {
    struct hd_audit entry = hd_sample_audit(&m->real, m->events[any(m, EVENTS)]);
    if (touch(m, "audit", entry.audit_id))
        BOTH(hd_append_audit(set, &entry));
}

static void remember_answer(struct model *m) {
    struct hd_answer answer = hd_sample_answer(&m->real, m->events[any(m, EVENTS)]);
    if (touch(m, "answer", answer.key))
        BOTH(hd_remember_answer(set, &answer));
}

static void enqueue(struct model *m) {
    if (m->messages == MESSAGES_MAX)
        return;
    const char *body = hd_textf(&m->real, "%d", m->messages++);
    enum hd_queue_name queue = queues[any(m, HD_ARRAY_LEN(queues))];
    enum hd_lane lane = one_in(m, 4) ? HD_LANE_URGENT : HD_LANE_NORMAL;
    int64_t delay_ms = one_in(m, 3) ? (int64_t)any(m, 20) * SECOND_MS : 0;
    BOTH(hd_enqueue(set, queue, lane, body, m->real.now_ms, delay_ms));
}

/* Each message once in a commit: what a receipt is worth after a postponement is not promised. */
static struct held *held_to_move(struct model *m) {
    struct held *held = m->held_count > 0 ? &m->held[any(m, m->held_count)] : NULL;
    for (size_t i = 0; held && i < m->moved_message_count; i++) {
        if (m->moved_messages[i] == held->number)
            return NULL;
    }
    if (held)
        m->moved_messages[m->moved_message_count++] = held->number;
    return held;
}

static void acknowledge(struct model *m) {
    struct held *held = held_to_move(m);
    if (!held)
        return;
    hd_acknowledge(&m->real_sets[m->set_count - 1], &held->real);
    hd_acknowledge(&m->reference_sets[m->set_count - 1], &held->reference);
}

static void postpone(struct model *m) {
    struct held *held = held_to_move(m);
    if (!held)
        return;
    int64_t delay_ms = (int64_t)any(m, 30) * SECOND_MS;
    m->forgettable[held->number] = true;
    hd_postpone(&m->real_sets[m->set_count - 1], &held->real, m->real.now_ms, delay_ms);
    hd_postpone(&m->reference_sets[m->set_count - 1], &held->reference, m->real.now_ms, delay_ms);
}

static void (*const changes[])(struct model *m) = {
    put_ticket,        put_ticket,        put_user,          append_event,    mark_processed,     put_notification, put_notification,
    move_notification, move_notification, move_notification, read_inbox_item, append_audit,       remember_answer,  enqueue,
    enqueue,           acknowledge,       acknowledge,       postpone,        change_dead_letter,
};

static void begin_set(struct model *m) {
    m->real_sets[m->set_count] = hd_changeset(m->real.arena);
    m->reference_sets[m->set_count] = hd_changeset(m->real.arena);
    m->set_count++;
    m->touched_count = 0;
}

/* Receipts of messages that this commit has moved are dropped, but for some: those must be refused from now on, if they are not of a postponement. */
static void forget_moved(struct model *m) {
    for (size_t i = m->held_count; i-- > 0;) {
        for (size_t k = 0; k < m->moved_message_count; k++) {
            if (m->held[i].number != m->moved_messages[k])
                continue;
            m->held[i] = m->held[--m->held_count];
            break;
        }
    }
}

static void commit_step(struct model *m, int step) {
    m->set_count = 0;
    m->moved_message_count = 0;
    memset(m->is_put, 0, sizeof(m->is_put));
    size_t wanted = one_in(m, 2) ? 1 : 1 + any(m, SETS_MAX);
    while (m->set_count < wanted) {
        begin_set(m);
        size_t count = 1 + any(m, CHANGES_MAX);
        for (size_t i = 0; i < count; i++)
            changes[any(m, HD_ARRAY_LEN(changes))](m);
        if (m->real_sets[m->set_count - 1].count == 0)
            append_audit(m);
    }
    const struct hd_changeset *real[SETS_MAX], *reference[SETS_MAX];
    struct hd_commit_result got[SETS_MAX] = {{0}}, want[SETS_MAX] = {{0}};
    for (size_t i = 0; i < m->set_count; i++) {
        real[i] = &m->real_sets[i];
        reference[i] = &m->reference_sets[i];
    }
    hd_commit_many(m->reference.store, reference, m->set_count, want);
    hd_commit_many(m->real.store, real, m->set_count, got);
    for (size_t i = 0; i < m->set_count; i++) {
        bool equal = got[i].code == want[i].code && (got[i].code != HD_ERR_CONFLICT || got[i].change == want[i].change);
        if (!equal)
            fail_msg("seed %" PRIu64 ", step %d, changeset %zu of %zu: code %d at change %zu (a change of kind %d); wanted %d at %zu (%d)",
                     m->seed, step, i, m->set_count, (int)got[i].code, got[i].change,
                     got[i].code ? (int)real[i]->changes[got[i].change].kind : -1, (int)want[i].code, want[i].change,
                     want[i].code ? (int)real[i]->changes[want[i].change].kind : -1);
    }
    forget_moved(m);
}

/* ---- messages ---- */

static struct hd_message kept_message(struct model *m, const struct hd_message *message) {
    struct hd_message kept = *message;
    kept.receipt = keep(m, message->receipt);
    kept.body = keep(m, message->body);
    return kept;
}

/* Older receipts of this message: what they are worth is not promised everywhere. */
static void forget_older(struct model *m, int number) {
    for (size_t i = m->held_count; i-- > 0;) {
        if (m->held[i].number == number)
            m->held[i] = m->held[--m->held_count];
    }
}

static void hold(struct model *m, const struct hd_message *real, const struct hd_message *reference, int64_t hidden_until_ms) {
    if (!m->real.backend->fences_receipts)
        forget_older(m, atoi(real->body));
    struct held held = {.number = atoi(real->body),
                        .real = kept_message(m, real),
                        .reference = kept_message(m, reference),
                        .hidden_until_ms = hidden_until_ms};
    size_t at = m->held_count < HELD_MAX ? m->held_count++ : any(m, HELD_MAX);
    m->held[at] = held;
}

static void check_pair(struct model *m, int step, const struct hd_message *real, const struct hd_message *reference) {
    int number = atoi(real->body);
    bool forgettable = m->forgettable[number];
    bool count_is_right = forgettable ? real->receive_count <= reference->receive_count : real->receive_count == reference->receive_count;
    if (real->lane != reference->lane || real->enqueued_at_ms != reference->enqueued_at_ms || !count_is_right)
        fail_msg("seed %" PRIu64 ", step %d, message %d: lane %d, enqueued %" PRId64 ", received %d times; wanted %d, %" PRId64 ", %d",
                 m->seed, step, number, (int)real->lane, real->enqueued_at_ms, real->receive_count, (int)reference->lane,
                 reference->enqueued_at_ms, reference->receive_count);
}

static void finish(struct model *m, const struct hd_message *real, const struct hd_message *reference) {
    forget_older(m, atoi(real->body));
    assert_int_equal(hd_try_acknowledge(&m->real, real).code, 0);
    assert_int_equal(hd_try_acknowledge(&m->reference, reference).code, 0);
}

/* Takes all that is visible from both: the order is not promised, the set is. */
static void take_step(struct model *m, int step) {
    enum { TAKE_MAX = 2000 };
    enum hd_queue_name queue = queues[any(m, HD_ARRAY_LEN(queues))];
    int64_t visibility_ms = (int64_t)(1 + any(m, 30)) * SECOND_MS;
    struct hd_message *real = hd_arena_calloc(m->real.arena, TAKE_MAX, sizeof(*real));
    struct hd_message *reference = hd_arena_calloc(m->real.arena, TAKE_MAX, sizeof(*reference));
    assert_true(real && reference);
    size_t got = hd_take(&m->real, one_in(m, 2) ? m->real.queue : m->reader.queue, queue, TAKE_MAX, visibility_ms, real);
    size_t want = hd_take(&m->reference, m->reference.queue, queue, TAKE_MAX, visibility_ms, reference);
    if (got != want)
        fail_msg("seed %" PRIu64 ", step %d: took %zu messages; wanted %zu", m->seed, step, got, want);
    for (size_t i = 0; i < got; i++) {
        size_t other = 0;
        while (other < want && strcmp(real[i].body, reference[other].body) != 0)
            other++;
        if (other == want)
            fail_msg("seed %" PRIu64 ", step %d: message %s should not be visible, or comes twice", m->seed, step, real[i].body);
        check_pair(m, step, &real[i], &reference[other]);
        if (!m->real.backend->fences_receipts && real[i].receive_count >= RECEIVES_MAX)
            finish(m, &real[i], &reference[other]);
        else
            hold(m, &real[i], &reference[other], m->real.now_ms + visibility_ms);
        reference[other].body = "taken";
    }
}

/* Only while it is hidden: later the port does not say. */
static void extend_step(struct model *m, int step) {
    struct held *held = m->held_count > 0 ? &m->held[any(m, m->held_count)] : NULL;
    if (!held || held->hidden_until_ms <= m->real.now_ms)
        return;
    int64_t visibility_ms = (int64_t)any(m, 30) * SECOND_MS;
    struct hd_error err = {0};
    int got = m->real.queue->ops->extend(m->real.queue, &held->real, m->real.now_ms, visibility_ms, &err);
    int want = m->reference.queue->ops->extend(m->reference.queue, &held->reference, m->real.now_ms, visibility_ms, &err);
    if (got != want)
        fail_msg("seed %" PRIu64 ", step %d: extend gave %d; wanted %d", m->seed, step, got, want);
    if (got == 0)
        held->hidden_until_ms = m->real.now_ms + visibility_ms;
}

static void pass(struct model *m, int64_t ms) {
    hd_pass(&m->real, ms);
    hd_pass(&m->reference, ms);
    m->reader.now_ms = m->real.now_ms;
}

static void pass_step(struct model *m, int step) {
    (void)step;
    pass(m, (int64_t)any(m, 15) * SECOND_MS);
}

/* ---- reads ---- */

static void check_same_list(struct model *m, int step, enum hd_list_kind kind, const void *filter) {
    struct hd_list got = hd_list_all(one_in(m, 2) ? &m->real : &m->reader, kind, filter, 1 + any(m, 20));
    struct hd_list want = hd_list_all(&m->reference, kind, filter, HD_PAGE_MAX);
    for (size_t i = 0; i < got.count && i < want.count; i++) {
        const struct hd_member *member = hd_record_difference(got.record, hd_list_at(&want, i), hd_list_at(&got, i));
        if (!member)
            continue;
        hd_record_print(got.record, stderr, hd_list_at(&want, i));
        hd_record_print(got.record, stderr, hd_list_at(&got, i));
        fail_msg("seed %" PRIu64 ", step %d: item %zu of the list of %s differs in %s", m->seed, step, i, got.record->name, member->name);
    }
    if (got.count != want.count)
        fail_msg("seed %" PRIu64 ", step %d: %zu in the list of %s; wanted %zu", m->seed, step, got.count, got.record->name, want.count);
}

static void list_step(struct model *m, int step) {
    const struct hd_notification *like = &m->notifications[any(m, NOTIFICATIONS)];
    struct hd_notification_filter notifications = {
        .status = one_in(m, 2) ? (int)any(m, HD_STATUS_COUNT) : -1,
        .channel = one_in(m, 3) ? (int)any(m, HD_CHANNEL_COUNT) : -1,
        .target = one_in(m, 3) ? like->target : NULL,
        .ticket_id = one_in(m, 3) ? like->ticket_id : NULL,
        .event_id = one_in(m, 4) ? like->event_id : NULL,
    };
    check_same_list(m, step, HD_LIST_NOTIFICATIONS, &notifications);
    struct hd_ticket_filter tickets = {
        .owner_id = one_in(m, 2) ? m->users[any(m, USERS)] : NULL,
        .status = one_in(m, 2) ? (int)any(m, HD_TICKET_STATUS_COUNT) : -1,
        .priority = one_in(m, 3) ? (int)any(m, HD_PRIORITY_COUNT) : -1,
    };
    check_same_list(m, step, HD_LIST_TICKETS, &tickets);
    struct hd_user_filter users = {.role = one_in(m, 2) ? (int)any(m, HD_ROLE_COUNT) : -1, .team = one_in(m, 2) ? "suporte" : NULL};
    check_same_list(m, step, HD_LIST_USERS, &users);
    struct hd_dead_letter_filter letters = {.queue = one_in(m, 2) ? "email" : NULL, .reason = one_in(m, 2) ? "invalid_event" : NULL};
    check_same_list(m, step, HD_LIST_DEAD_LETTERS, &letters);
    struct hd_inbox_filter inbox = {.user_id = m->users[any(m, USERS)], .unread = one_in(m, 2)};
    check_same_list(m, step, HD_LIST_INBOX, &inbox);
}

static void world_step(struct model *m, int step) {
    struct hd_known known = {.events = m->events,
                             .answers = m->events,
                             .audits = m->events,
                             .processors = processors,
                             .processed = m->events,
                             .users = m->users,
                             .without_oldest = !m->real.backend->fences_receipts,
                             .sums = !m->real.backend->counts_exactly};
    const char *want = hd_world(&m->reference, &known);
    const char *got = hd_world(one_in(m, 2) ? &m->real : &m->reader, &known);
    if (strcmp(want, got) == 0)
        return;
    size_t at = 0;
    while (want[at] == got[at])
        at++;
    while (at > 0 && want[at - 1] != '\n')
        at--;
    fail_msg("seed %" PRIu64 ", step %d: the worlds differ.\nwanted: %.*s\ngot:    %.*s", m->seed, step, (int)strcspn(want + at, "\n"),
             want + at, (int)strcspn(got + at, "\n"), got + at);
}

/* An hour passes, so that claims have run out, whether the crash has forgotten them or not. */
static void crash(struct model *m, struct hd_fixture *f) {
    m->reader.store->ops->close(m->reader.store);
    m->reader.queue->ops->close(m->reader.queue);
    hd_fixture_reopen(&m->real);
    f->store = m->real.store;
    f->queue = m->real.queue;
    hd_fixture_reopen(&m->reference);
    m->reader.store = f->backend->store(f->handle);
    m->reader.queue = f->backend->queue(f->handle);
    assert_true(m->reader.store && m->reader.queue);
    pass(m, HOUR_MS);
    m->held_count = 0;
    memset(m->forgettable, true, sizeof(m->forgettable));
}

/* ---- the run ---- */

static void fill_pools(struct model *m) {
    struct hd_fixture *f = &m->real;
    static const char *const odd_ids[] = {"tkt-001", "tkt-01", "TKT-001", "0192F0C1-2345-7ABC-8DEF-0123456789AB",
                                          "0192f0c1-2345-7abc-8def-0123456789ab"};
    for (size_t i = 0; i < TICKETS; i++)
        m->tickets[i] = keep(m, i < HD_ARRAY_LEN(odd_ids) ? odd_ids[i] : hd_new_id(f));
    for (size_t i = 0; i < USERS; i++) {
        m->users[i] = keep(m, i % 2 ? hd_new_id(f) : hd_textf(f, "u-%zu", i / 2 * 5));
        m->emails[i] = keep(m, hd_textf(f, i % 2 ? "Pessoa%zu@Example.org" : "pessoa%zu@example.org", i / 2));
    }
    for (size_t i = 0; i < EVENTS; i++)
        m->events[i] = keep(m, i % 3 ? hd_new_id(f) : hd_textf(f, "evt-%zu", i));
    for (size_t i = 0; i < LETTERS; i++)
        m->letters[i] = keep(m, hd_new_id(f));
    for (size_t i = 0; i < NOTIFICATIONS; i++) {
        struct hd_notification notification =
            hd_sample_notification(f, m->users[any(m, USERS)], i % 2 ? HD_INAPP : (enum hd_channel)any(m, HD_CHANNEL_COUNT));
        notification.event_id = m->events[any(m, EVENTS)];
        notification.ticket_id = one_in(m, 5) ? NULL : m->tickets[any(m, TICKETS)];
        m->notifications[i] = m->seen[i] = kept_notification(m, &notification);
    }
}

static uint64_t choose_seed(void) {
    const char *given = getenv("HELPDESK_SEED");
    uint64_t seed = 0;
    if (given)
        return strtoull(given, NULL, 10);
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        abort();
    return seed % 1000000000;
}

static void run_steps(struct model *m, struct hd_fixture *f, int steps) {
    static void (*const kinds[])(struct model * m, int step) = {
        commit_step, commit_step, commit_step, commit_step, commit_step, commit_step, commit_step, commit_step, commit_step,
        commit_step, commit_step, commit_step, take_step,   take_step,   extend_step, pass_step,   list_step,
    };
    for (int step = 0; step < steps; step++) {
        hd_arena_reset(m->real.arena);
        kinds[any(m, HD_ARRAY_LEN(kinds))](m, step);
        if (step % 25 == 24 || step + 1 == steps)
            world_step(m, step);
        if (f->backend->reopen && one_in(m, 400))
            crash(m, f);
    }
}

static void random_changesets_and_reads_are_answered_as_by_the_model(struct hd_fixture *f) {
    const char *steps = getenv("HELPDESK_STEPS");
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->seed = m->random = choose_seed();
    print_message("HELPDESK_SEED=%" PRIu64 "\n", m->seed);
    m->kept = f->arena;
    struct hd_arena *scratch = hd_arena_new(SCRATCH_BYTES);
    assert_non_null(scratch);
    m->real = m->reader = *f;
    m->real.arena = m->reader.arena = scratch;
    m->reader.store = f->backend->store(f->handle);
    m->reader.queue = f->backend->queue(f->handle);
    assert_true(m->reader.store && m->reader.queue);
    assert_int_equal(hd_fixture_open(&hd_memory_backend, &m->reference), 0);
    struct hd_arena *arena_of_reference = m->reference.arena;
    m->reference.arena = scratch;

    fill_pools(m);
    run_steps(m, f, steps ? atoi(steps) : f->backend->fences_receipts ? STEPS : STEPS_BEHIND_HTTP);

    m->reader.store->ops->close(m->reader.store);
    m->reader.queue->ops->close(m->reader.queue);
    m->reference.arena = arena_of_reference;
    hd_fixture_close(&m->reference);
    hd_arena_free(scratch);
    free(m);
}

static const struct hd_case cases[] = {
    HD_CASE(random_changesets_and_reads_are_answered_as_by_the_model),
};
const struct hd_cases hd_model_cases = {"model", cases, HD_ARRAY_LEN(cases)};
