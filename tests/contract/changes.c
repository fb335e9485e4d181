/* Cases of commit: conditions, atomicity, several changesets at once. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/contract/fixture.h"

enum { HOUR_MS = 3600 * 1000, SECOND_MS = 1000, ATOMIC_MAX = 90 /* changes; fits in DynamoDB's 100 actions */ };

/* ---- every kind of change, with its condition held and not held, in every company ---- */

/* What good and bad changes work on. No two of them touch the same thing, so that each condition stands alone. */
struct scene {
    struct hd_fixture *f;
    struct hd_ticket ticket, new_ticket, other_ticket;
    struct hd_user user, new_user, other_user;
    struct hd_event new_event, other_event;
    const char *new_mark, *other_mark;
    struct hd_notification new_notification, other_notification;
    struct hd_notification pending;            /* to move */
    struct hd_notification idle, busy;         /* to be moved wrongly: pending; sending */
    struct hd_notification tried, tried_other; /* sending; the other has attempt 1 */
    struct hd_notification inapp, inapp_other; /* pending; sending with an inbox item */
    struct hd_inbox_item unread, other_unread;
    struct hd_dead_letter letter, new_letter, other_letter;
    struct hd_audit new_audit, other_audit;
    struct hd_answer new_answer, other_answer;
    struct hd_message held, held_too, stale, gone;
};

static struct hd_message hold_message(struct hd_fixture *f, const char *body, int64_t visibility_ms) {
    hd_enqueue_ok(f, HD_QUEUE_EMAIL, HD_LANE_NORMAL, body, 0);
    struct hd_message message = hd_take_one(f, HD_QUEUE_EMAIL, visibility_ms);
    assert_string_equal(message.body, body);
    return message;
}

static void put_messages(struct scene *s) {
    struct hd_fixture *f = s->f;
    s->stale = hold_message(f, "\"stale\"", SECOND_MS);
    hd_pass(f, SECOND_MS);
    struct hd_message newest = hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS);
    assert_string_equal(newest.body, "\"stale\"");
    s->gone = hold_message(f, "\"gone\"", HOUR_MS);
    assert_int_equal(hd_try_acknowledge(f, &s->gone).code, 0);
    s->held = hold_message(f, "\"held\"", HOUR_MS);
    s->held_too = hold_message(f, "\"held too\"", HOUR_MS);
}

static void put_notifications(struct scene *s) {
    struct hd_fixture *f = s->f;
    struct hd_notification *all[] = {&s->other_notification, &s->pending, &s->idle,       &s->busy, &s->tried,
                                     &s->tried_other,        &s->inapp,   &s->inapp_other};
    s->new_notification = hd_sample_notification(f, "u-10", HD_EMAIL);
    for (size_t i = 0; i < HD_ARRAY_LEN(all); i++) {
        bool inapp = all[i] == &s->inapp || all[i] == &s->inapp_other;
        *all[i] = hd_sample_notification(f, "u-10", inapp ? HD_INAPP : HD_EMAIL);
        hd_put_notification_ok(f, all[i]);
    }
    hd_move_ok(f, &s->busy, HD_MOVE_BEGIN);
    hd_move_ok(f, &s->tried, HD_MOVE_BEGIN);

    struct hd_notification begun = hd_moved(f, &s->tried_other, HD_MOVE_BEGIN);
    struct hd_attempt attempt = hd_sample_attempt(f, begun.notification_id, 1);
    struct hd_changeset set = hd_changes(f);
    hd_move_notification(&set, &s->tried_other, &begun, HD_MOVE_BEGIN);
    hd_append_attempt(&set, &attempt);
    hd_commit_ok(f, &set);
    s->tried_other = begun;

    begun = hd_moved(f, &s->inapp_other, HD_MOVE_BEGIN);
    struct hd_inbox_item item = hd_sample_inbox_item(f, &begun);
    set = hd_changes(f);
    hd_move_notification(&set, &s->inapp_other, &begun, HD_MOVE_BEGIN);
    hd_put_inbox_item(&set, &item);
    hd_commit_ok(f, &set);
    s->inapp_other = begun;
    s->unread = hd_inbox_item_ok(f, "u-10");
    s->other_unread = hd_inbox_item_ok(f, "u-11");
}

static struct scene *scene_new(struct hd_fixture *f) {
    struct scene *s = hd_arena_calloc(f->arena, 1, sizeof(*s));
    assert_non_null(s);
    s->f = f;
    s->ticket = hd_sample_ticket(f, hd_new_id(f));
    s->other_ticket = hd_sample_ticket(f, "tkt-001");
    s->new_ticket = hd_sample_ticket(f, hd_new_id(f));
    s->user = hd_sample_user(f, "u-1");
    s->other_user = hd_sample_user(f, "u-2");
    s->new_user = hd_sample_user(f, "u-3");
    s->other_event = hd_sample_event(f, hd_new_id(f));
    s->new_event = hd_sample_event(f, hd_new_id(f));
    s->other_mark = hd_new_id(f);
    s->new_mark = hd_new_id(f);
    s->letter = hd_sample_dead_letter(f, hd_new_id(f));
    s->other_letter = hd_sample_dead_letter(f, hd_new_id(f));
    s->new_letter = hd_sample_dead_letter(f, hd_new_id(f));
    s->other_audit = hd_sample_audit(f, hd_new_id(f));
    s->new_audit = hd_sample_audit(f, hd_new_id(f));
    s->other_answer = hd_sample_answer(f, "0a");
    s->new_answer = hd_sample_answer(f, "0b");
    struct hd_changeset set = hd_changes(f);
    hd_put_ticket(&set, &s->ticket, 0);
    hd_put_ticket(&set, &s->other_ticket, 0);
    hd_put_user(&set, &s->user, 0);
    hd_put_user(&set, &s->other_user, 0);
    hd_append_event(&set, &s->other_event);
    hd_mark_processed(&set, "router", s->other_mark, hd_stamp(f));
    hd_put_dead_letter(&set, &s->letter);
    hd_put_dead_letter(&set, &s->other_letter);
    hd_append_audit(&set, &s->other_audit);
    hd_remember_answer(&set, &s->other_answer);
    hd_commit_ok(f, &set);
    put_notifications(s);
    put_messages(s);
    return s;
}

static const char *scene_world(const struct scene *s) {
    struct hd_known known = {
        .events = (const char *[]){s->other_event.event_id, s->new_event.event_id, NULL},
        .answers = (const char *[]){s->other_answer.key, s->new_answer.key, NULL},
        .audits = (const char *[]){s->other_audit.audit_id, s->new_audit.audit_id, NULL},
        .processors = (const char *[]){"router", "audit", NULL},
        .processed = (const char *[]){s->other_mark, s->new_mark, NULL},
        .users = (const char *[]){"u-10", "u-11", NULL},
    };
    return hd_world(s->f, &known);
}

struct step {
    const char *name;
    void (*add)(const struct scene *s, struct hd_changeset *set);
    size_t blamed; /* of the changes that it adds, the one whose condition does not hold */
};

/* good: their conditions hold */

static void add_ticket(const struct scene *s, struct hd_changeset *set) {
    hd_put_ticket(set, &s->new_ticket, 0);
}
static void add_ticket_version(const struct scene *s, struct hd_changeset *set) {
    struct hd_ticket ticket = s->ticket;
    ticket.version = 2;
    ticket.status = HD_TICKET_RESOLVED;
    hd_put_ticket(set, &ticket, 1);
}
static void add_user(const struct scene *s, struct hd_changeset *set) {
    hd_put_user(set, &s->new_user, 0);
}
static void add_user_version(const struct scene *s, struct hd_changeset *set) {
    struct hd_user user = s->user;
    user.version = 2;
    user.email = "new-address@example.org";
    hd_put_user(set, &user, 1);
}
static void add_event(const struct scene *s, struct hd_changeset *set) {
    hd_append_event(set, &s->new_event);
}
static void add_mark(const struct scene *s, struct hd_changeset *set) {
    hd_mark_processed(set, "router", s->new_mark, 7);
}
static void add_notification(const struct scene *s, struct hd_changeset *set) {
    hd_put_notification(set, &s->new_notification);
}
static void add_move(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification to = s->pending;
    to.status = HD_SENDING;
    to.attempts = 1;
    to.owner_token = "worker-1";
    hd_move_notification(set, &s->pending, &to, HD_MOVE_BEGIN);
}
static void add_attempt(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification to = s->tried;
    to.status = HD_SENT;
    to.owner_token = NULL;
    hd_move_notification(set, &s->tried, &to, HD_MOVE_SENT);
    hd_append_attempt(set, &(struct hd_attempt){.notification_id = s->tried.notification_id, .number = 1, .provider = "smtp", .at_ms = 7});
}
static void add_inbox_item(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification to = s->inapp;
    to.status = HD_SENT;
    hd_move_notification(set, &s->inapp, &to, HD_MOVE_SENT);
    struct hd_inbox_item item = {.notification_id = to.notification_id,
                                 .user_id = to.target,
                                 .event = to.event,
                                 .title = "t",
                                 .body = "b",
                                 .created_at_ms = to.created_at_ms};
    hd_put_inbox_item(set, &item);
}
static void add_read(const struct scene *s, struct hd_changeset *set) {
    hd_read_inbox_item(set, s->unread.notification_id, s->unread.user_id, 7);
}
static void add_letter(const struct scene *s, struct hd_changeset *set) {
    hd_put_dead_letter(set, &s->new_letter);
}
static void take_letter(const struct scene *s, struct hd_changeset *set) {
    hd_remove_dead_letter(set, s->letter.dead_letter_id);
}
static void add_audit(const struct scene *s, struct hd_changeset *set) {
    hd_append_audit(set, &s->new_audit);
}
static void add_answer(const struct scene *s, struct hd_changeset *set) {
    hd_remember_answer(set, &s->new_answer);
}
static void add_message(const struct scene *s, struct hd_changeset *set) {
    hd_enqueue(set, HD_QUEUE_ROUTER, HD_LANE_URGENT, "\"new\"", s->f->now_ms, 0);
}
static void add_acknowledge(const struct scene *s, struct hd_changeset *set) {
    hd_acknowledge(set, &s->held);
}
static void add_postpone(const struct scene *s, struct hd_changeset *set) {
    hd_postpone(set, &s->held_too, s->f->now_ms, 5 * SECOND_MS);
}

static const struct step good[] = {
    {"put a new ticket", add_ticket, 0},
    {"put a ticket's next version", add_ticket_version, 0},
    {"put a new user", add_user, 0},
    {"put a user's next version", add_user_version, 0},
    {"append an event", add_event, 0},
    {"mark as processed", add_mark, 0},
    {"put a notification", add_notification, 0},
    {"move a notification", add_move, 0},
    {"append an attempt", add_attempt, 0},
    {"put an inbox item", add_inbox_item, 0},
    {"read an inbox item", add_read, 0},
    {"put a dead letter", add_letter, 0},
    {"remove a dead letter", take_letter, 0},
    {"append an audit entry", add_audit, 0},
    {"remember an answer", add_answer, 0},
    {"enqueue", add_message, 0},
    {"acknowledge", add_acknowledge, 0},
    {"postpone", add_postpone, 0},
};

/* bad: exactly one condition does not hold */

static void bad_ticket_exists(const struct scene *s, struct hd_changeset *set) {
    hd_put_ticket(set, &s->other_ticket, 0);
}
static void bad_ticket_version(const struct scene *s, struct hd_changeset *set) {
    struct hd_ticket ticket = s->other_ticket;
    ticket.version = 3;
    hd_put_ticket(set, &ticket, 2);
}
static void bad_ticket_absent(const struct scene *s, struct hd_changeset *set) {
    struct hd_ticket ticket = s->other_ticket;
    ticket.ticket_id = "tkt-002";
    ticket.version = 2;
    hd_put_ticket(set, &ticket, 1);
}
static void bad_user_exists(const struct scene *s, struct hd_changeset *set) {
    hd_put_user(set, &s->other_user, 0);
}
static void bad_user_version(const struct scene *s, struct hd_changeset *set) {
    struct hd_user user = s->other_user;
    user.version = 3;
    hd_put_user(set, &user, 2);
}
static void bad_user_absent(const struct scene *s, struct hd_changeset *set) {
    struct hd_user user = s->other_user;
    user.user_id = "u-4";
    user.email = "u-4@example.org";
    user.version = 2;
    hd_put_user(set, &user, 1);
}
static void bad_new_user_email(const struct scene *s, struct hd_changeset *set) {
    struct hd_user user = s->other_user;
    user.user_id = "u-4";
    user.email = "U-2@Example.ORG";
    hd_put_user(set, &user, 0);
}
static void bad_user_takes_email(const struct scene *s, struct hd_changeset *set) {
    struct hd_user user = s->other_user;
    user.version = 2;
    user.email = s->user.email;
    /* only where u-1 keeps its address: the good change of it comes with another version of the scene */
    hd_put_user(set, &user, 1);
}
static void bad_event(const struct scene *s, struct hd_changeset *set) {
    hd_append_event(set, &s->other_event);
}
static void bad_mark(const struct scene *s, struct hd_changeset *set) {
    hd_mark_processed(set, "router", s->other_mark, 8);
}
static void bad_notification(const struct scene *s, struct hd_changeset *set) {
    hd_put_notification(set, &s->other_notification);
}
static void move_from(const struct hd_notification *from, enum hd_move move, struct hd_changeset *set) {
    struct hd_notification to = *from;
    to.status = (enum hd_status)hd_status_after(from->status, move);
    to.attempts++;
    to.owner_token = "worker-2";
    hd_move_notification(set, from, &to, move);
}
static void bad_move_status(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification from = s->busy;
    from.status = HD_PENDING;
    move_from(&from, HD_MOVE_BEGIN, set);
}
static void bad_move_attempts(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification from = s->busy;
    from.attempts++;
    move_from(&from, HD_MOVE_TAKE_OVER, set);
}
static void bad_move_owner(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification from = s->busy;
    from.owner_token = "somebody-else";
    move_from(&from, HD_MOVE_TAKE_OVER, set);
}
static void bad_move_has_owner(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification from = s->busy;
    from.owner_token = NULL;
    move_from(&from, HD_MOVE_TAKE_OVER, set);
}
static void bad_move_no_owner(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification from = s->idle;
    from.owner_token = "worker-1";
    move_from(&from, HD_MOVE_BEGIN, set);
}
static void bad_move_absent(const struct scene *s, struct hd_changeset *set) {
    struct hd_notification from = s->idle;
    from.notification_id = "0192f0c1-2345-7abc-8def-0123456789ab";
    move_from(&from, HD_MOVE_BEGIN, set);
}
static void bad_attempt(const struct scene *s, struct hd_changeset *set) {
    move_from(&s->tried_other, HD_MOVE_TAKE_OVER, set);
    hd_append_attempt(set, &(struct hd_attempt){.notification_id = s->tried_other.notification_id, .number = 1, .provider = "smtp"});
}
static void bad_inbox_item(const struct scene *s, struct hd_changeset *set) {
    move_from(&s->inapp_other, HD_MOVE_TAKE_OVER, set);
    struct hd_inbox_item item = {.notification_id = s->inapp_other.notification_id,
                                 .user_id = "u-10",
                                 .event = "TicketCreated",
                                 .title = "2",
                                 .body = "2",
                                 .created_at_ms = 1};
    hd_put_inbox_item(set, &item);
}
static void bad_read_absent(const struct scene *s, struct hd_changeset *set) {
    hd_read_inbox_item(set, s->idle.notification_id, "u-10", 7);
}
static void bad_read_of_another(const struct scene *s, struct hd_changeset *set) {
    hd_read_inbox_item(set, s->other_unread.notification_id, "u-10", 7);
}
static void bad_letter(const struct scene *s, struct hd_changeset *set) {
    hd_put_dead_letter(set, &s->other_letter);
}
static void bad_take_letter(const struct scene *s, struct hd_changeset *set) {
    hd_remove_dead_letter(set, s->idle.notification_id);
}
static void bad_audit(const struct scene *s, struct hd_changeset *set) {
    hd_append_audit(set, &s->other_audit);
}
static void bad_answer(const struct scene *s, struct hd_changeset *set) {
    hd_remember_answer(set, &s->other_answer);
}
static void bad_acknowledge_stale(const struct scene *s, struct hd_changeset *set) {
    hd_acknowledge(set, &s->stale);
}
static void bad_acknowledge_gone(const struct scene *s, struct hd_changeset *set) {
    hd_acknowledge(set, &s->gone);
}
static void bad_postpone_stale(const struct scene *s, struct hd_changeset *set) {
    hd_postpone(set, &s->stale, s->f->now_ms, SECOND_MS);
}
static void bad_postpone_gone(const struct scene *s, struct hd_changeset *set) {
    hd_postpone(set, &s->gone, s->f->now_ms, SECOND_MS);
}

static const struct step bad[] = {
    {"a new ticket that exists", bad_ticket_exists, 0},
    {"a ticket's version that is not", bad_ticket_version, 0},
    {"a version of no ticket", bad_ticket_absent, 0},
    {"a new user that exists", bad_user_exists, 0},
    {"a user's version that is not", bad_user_version, 0},
    {"a version of no user", bad_user_absent, 0},
    {"a new user with another's address", bad_new_user_email, 0},
    {"an event that exists", bad_event, 0},
    {"processed twice", bad_mark, 0},
    {"a notification that exists", bad_notification, 0},
    {"a move from another status", bad_move_status, 0},
    {"a move from another attempt", bad_move_attempts, 0},
    {"a move by another owner", bad_move_owner, 0},
    {"a move by nobody of what is owned", bad_move_has_owner, 0},
    {"a move by an owner of what is not", bad_move_no_owner, 0},
    {"a move of no notification", bad_move_absent, 0},
    {"an attempt that exists", bad_attempt, 1},
    {"an inbox item that exists", bad_inbox_item, 1},
    {"reading no inbox item", bad_read_absent, 0},
    {"reading another's inbox item", bad_read_of_another, 0},
    {"a dead letter that exists", bad_letter, 0},
    {"removing no dead letter", bad_take_letter, 0},
    {"an audit entry that exists", bad_audit, 0},
    {"an answer that exists", bad_answer, 0},
    /* OF_RECEIPTS of these: conditions only where the queue is part of the transaction */
    {"acknowledging what another has received since", bad_acknowledge_stale, 0},
    {"acknowledging twice", bad_acknowledge_gone, 0},
    {"postponing what another has received since", bad_postpone_stale, 0},
    {"postponing what is acknowledged", bad_postpone_gone, 0},
};

enum { OF_RECEIPTS = 4 };

static size_t bad_count(const struct hd_fixture *f) {
    return HD_ARRAY_LEN(bad) - (f->backend->fences_receipts ? 0 : OF_RECEIPTS);
}

/* Commits goods[0..before), the bad one, and the other goods; nothing may have changed (world: NULL, if a later look is to tell), and the bad one is named. */
static void check_refused(const struct scene *s, const struct step *wrong, const struct step *goods, size_t count, size_t before,
                          const char *world) {
    struct hd_changeset set = hd_changes(s->f);
    for (size_t i = 0; i < before; i++)
        goods[i].add(s, &set);
    size_t blamed = set.count + wrong->blamed;
    wrong->add(s, &set);
    for (size_t i = before; i < count; i++)
        goods[i].add(s, &set);
    struct hd_commit_result result = hd_commit_one(s->f, &set);
    if (result.code != HD_ERR_CONFLICT || result.change != blamed)
        fail_msg("%s, as change %zu of %zu: code %d, change %zu", wrong->name, blamed, set.count, (int)result.code, result.change);
    const char *after = world ? scene_world(s) : NULL;
    if (world && strcmp(world, after) != 0)
        fail_msg("%s, beside \"%s\": refused, and yet something changed.\nbefore:\n%s\nafter:\n%s", wrong->name, goods[0].name, world,
                 after);
}

static void a_changeset_with_one_condition_that_fails_changes_nothing_and_names_it(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    const char *world = scene_world(s);
    for (size_t b = 0; b < bad_count(f); b++) {
        size_t places[] = {0, HD_ARRAY_LEN(good) / 2, HD_ARRAY_LEN(good)};
        for (size_t p = 0; p < HD_ARRAY_LEN(places); p++)
            check_refused(s, &bad[b], good, HD_ARRAY_LEN(good), places[p], world);
    }
    struct hd_changeset set = hd_changes(f);
    for (size_t g = 0; g < HD_ARRAY_LEN(good); g++)
        good[g].add(s, &set);
    hd_commit_ok(f, &set); /* nothing of all that failed stands in its way */
}

static void every_kind_of_change_is_undone_by_every_kind_of_failure(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    const char *world = scene_world(s);
    for (size_t b = 0; b < bad_count(f); b++) {
        check_refused(s, &bad[b], good, 0, 0, world); /* alone */
        for (size_t g = 0; g < HD_ARRAY_LEN(good); g++) {
            bool looks = f->backend->fences_receipts || g + 1 == HD_ARRAY_LEN(good); /* behind HTTP a look takes long */
            check_refused(s, &bad[b], &good[g], 1, 1, looks ? world : NULL);
            check_refused(s, &bad[b], &good[g], 1, 0, looks ? world : NULL);
        }
    }
    const struct step taken = {"an address that is taken", bad_user_takes_email, 0};
    check_refused(s, &taken, &good[0], 1, 1, world);
}

static void check_good_has_happened(const struct scene *s) {
    struct hd_fixture *f = s->f;
    hd_assert_equal(&hd_ticket_record, &s->new_ticket, hd_get_ticket(f, s->new_ticket.ticket_id));
    assert_int_equal(hd_get_ticket(f, s->ticket.ticket_id)->version, 2);
    assert_int_equal(hd_get_ticket(f, s->ticket.ticket_id)->status, HD_TICKET_RESOLVED);
    hd_assert_equal(&hd_user_record, &s->new_user, hd_get_user(f, s->new_user.user_id));
    assert_string_equal(hd_get_user(f, s->user.user_id)->email, "new-address@example.org");
    hd_assert_equal(&hd_event_record, &s->new_event, hd_get_event(f, s->new_event.event_id));
    assert_true(hd_get_processed(f, "router", s->new_mark));
    hd_assert_equal(&hd_notification_record, &s->new_notification, hd_get_notification(f, s->new_notification.notification_id));
    const struct hd_notification *moved = hd_get_notification(f, s->pending.notification_id);
    assert_int_equal(moved->status, HD_SENDING);
    assert_int_equal(moved->attempts, 1);
    assert_string_equal(moved->owner_token, "worker-1");
    const struct hd_attempt *attempts = NULL;
    assert_int_equal(hd_get_attempts(f, s->tried.notification_id, &attempts), 1);
    assert_int_equal(hd_get_notification(f, s->tried.notification_id)->status, HD_SENT);
    assert_non_null(hd_get_inbox_item(f, s->inapp.notification_id));
    assert_int_equal(hd_get_inbox_item(f, s->unread.notification_id)->read_at_ms, 7);
    hd_assert_equal(&hd_dead_letter_record, &s->new_letter, hd_get_dead_letter(f, s->new_letter.dead_letter_id));
    assert_null(hd_get_dead_letter(f, s->letter.dead_letter_id));
    hd_assert_equal(&hd_audit_record, &s->new_audit, hd_get_audit(f, s->new_audit.audit_id));
    hd_assert_equal(&hd_answer_record, &s->new_answer, hd_get_answer(f, s->new_answer.key));
    assert_string_equal(hd_take_one(f, HD_QUEUE_ROUTER, HOUR_MS).body, "\"new\"");
    assert_int_equal(hd_try_acknowledge(f, &s->held).code, f->backend->fences_receipts ? HD_ERR_CONFLICT : HD_OK);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
    hd_pass(f, 5 * SECOND_MS);
    assert_string_equal(hd_take_one(f, HD_QUEUE_EMAIL, HOUR_MS).body, "\"held too\"");
}

static void all_kinds_of_change_happen_in_one_changeset(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    struct hd_changeset set = hd_changes(f);
    for (size_t g = 0; g < HD_ARRAY_LEN(good); g++)
        good[g].add(s, &set);
    hd_commit_ok(f, &set);
    check_good_has_happened(s);
}

static void every_kind_of_change_happens_alone(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    for (size_t g = 0; g < HD_ARRAY_LEN(good); g++) {
        struct hd_changeset set = hd_changes(f);
        good[g].add(s, &set);
        hd_commit_ok(f, &set);
    }
    check_good_has_happened(s);
}

static void repeating_a_changeset_is_refused_and_changes_nothing(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    struct hd_changeset set = hd_changes(f);
    for (size_t g = 0; g < HD_ARRAY_LEN(good); g++)
        good[g].add(s, &set);
    hd_commit_ok(f, &set);
    const char *world = scene_world(s);
    hd_commit_refused(f, &set, 0);
    assert_string_equal(scene_world(s), world);
}

static void of_several_conditions_that_fail_the_first_is_named(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    for (size_t b = 0; b < bad_count(f); b++) {
        const struct step *other = &bad[(b + 7) % bad_count(f)];
        struct hd_changeset set = hd_changes(f);
        add_audit(s, &set);
        size_t blamed = set.count + bad[b].blamed;
        bad[b].add(s, &set);
        other->add(s, &set);
        struct hd_commit_result result = hd_commit_one(f, &set);
        if (result.code != HD_ERR_CONFLICT || result.change != blamed)
            fail_msg("%s, then %s: code %d, change %zu", bad[b].name, other->name, (int)result.code, result.change);
    }
}

/* ---- conditions, one by one and over time ---- */

static void a_ticket_is_put_by_version_and_a_lost_race_is_a_conflict(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    hd_put_ticket_ok(f, &ticket, 0);
    for (int64_t version = 1; version <= 11; version++) {
        struct hd_ticket mine = ticket, theirs = ticket;
        mine.version = theirs.version = version + 1;
        mine.title = hd_textf(f, "version %d", (int)version + 1);
        theirs.title = "lost";
        hd_put_ticket_ok(f, &mine, version);
        HD_ONE_CHANGE_REFUSED(f, hd_put_ticket(&set_, &theirs, version));
        HD_ONE_CHANGE_REFUSED(f, hd_put_ticket(&set_, &theirs, version + 2));
        HD_ONE_CHANGE_REFUSED(f, hd_put_ticket(&set_, &theirs, 0));
        hd_assert_equal(&hd_ticket_record, &mine, hd_get_ticket(f, "tkt-001"));
    }
}

static void an_email_address_belongs_to_one_user_whatever_its_case(struct hd_fixture *f) {
    struct hd_user ana = hd_sample_user(f, "u-1");
    struct hd_user bia = hd_sample_user(f, "u-2");
    ana.email = "Ana@Example.org";
    bia.email = "ana@example.ORG";
    hd_put_user_ok(f, &ana, 0);
    HD_ONE_CHANGE_REFUSED(f, hd_put_user(&set_, &bia, 0));
    assert_null(hd_get_user(f, "u-2"));
    bia.email = "bia@example.org";
    hd_put_user_ok(f, &bia, 0);
    bia.version = 2;
    bia.email = "ANA@EXAMPLE.ORG";
    HD_ONE_CHANGE_REFUSED(f, hd_put_user(&set_, &bia, 1));
    assert_string_equal(hd_get_user(f, "u-2")->email, "bia@example.org");
    assert_string_equal(hd_get_user(f, "u-1")->email, "Ana@Example.org"); /* as it was written */
    bia.email = "ana@example.or";                                         /* a part of an address is another address */
    hd_put_user_ok(f, &bia, 1);
}

static void a_user_may_write_the_own_address_again_and_leave_it_to_others(struct hd_fixture *f) {
    struct hd_user ana = hd_sample_user(f, "u-1");
    struct hd_user bia = hd_sample_user(f, "u-2");
    ana.email = "ana@example.org";
    bia.email = "ana@example.org";
    hd_put_user_ok(f, &ana, 0);
    ana.version = 2;
    ana.email = "ANA@example.org";
    hd_put_user_ok(f, &ana, 1);
    HD_ONE_CHANGE_REFUSED(f, hd_put_user(&set_, &bia, 0)); /* still taken */
    ana.version = 3;
    ana.email = "ana2@example.org";
    hd_put_user_ok(f, &ana, 2);
    hd_put_user_ok(f, &bia, 0); /* free now */
    ana.version = 4;
    ana.email = "Ana@Example.org";
    HD_ONE_CHANGE_REFUSED(f, hd_put_user(&set_, &ana, 3)); /* and taken again */
    bia.version = 2;
    bia.email = NULL;
    hd_put_user_ok(f, &bia, 1);
    hd_put_user_ok(f, &ana, 3);
}

static void an_address_of_a_changeset_that_failed_stays_free(struct hd_fixture *f) {
    struct hd_user ana = hd_sample_user(f, "u-1");
    struct hd_user bia = hd_sample_user(f, "u-2");
    bia.email = ana.email;
    struct hd_changeset set = hd_changes(f);
    hd_put_user(&set, &ana, 0);
    hd_remove_dead_letter(&set, "none");
    hd_commit_refused(f, &set, 1);
    hd_put_user_ok(f, &bia, 0);
}

static void any_number_of_users_may_have_no_address(struct hd_fixture *f) {
    for (int i = 0; i < 5; i++) {
        struct hd_user user = hd_sample_user(f, hd_textf(f, "u-%d", i));
        user.email = NULL;
        hd_put_user_ok(f, &user, 0);
        assert_null(hd_get_user(f, user.user_id)->email);
    }
}

static void a_late_worker_cannot_finish_what_another_has_taken_over(struct hd_fixture *f) {
    struct hd_notification first = hd_sample_notification(f, "u-10", HD_EMAIL);
    hd_put_notification_ok(f, &first);
    hd_move_ok(f, &first, HD_MOVE_BEGIN);
    struct hd_notification second = first;
    hd_move_ok(f, &second, HD_MOVE_TAKE_OVER);

    struct hd_notification late = hd_moved(f, &first, HD_MOVE_SENT);
    struct hd_attempt attempt = hd_sample_attempt(f, first.notification_id, 1);
    struct hd_changeset set = hd_changes(f);
    hd_append_attempt(&set, &attempt);
    hd_move_notification(&set, &first, &late, HD_MOVE_SENT);
    hd_commit_refused(f, &set, 1);
    const struct hd_attempt *attempts = NULL;
    assert_int_equal(hd_get_attempts(f, first.notification_id, &attempts), 0);
    hd_assert_equal(&hd_notification_record, &second, hd_get_notification(f, first.notification_id));
    hd_move_ok(f, &second, HD_MOVE_SENT);
}

static void a_notification_goes_through_its_whole_life(struct hd_fixture *f) {
    struct hd_notification notification = hd_sample_notification(f, "u-10", HD_EMAIL);
    notification.status = HD_DEFERRED;
    notification.reason = "quiet_hours";
    notification.next_attempt_at_ms = notification.created_at_ms + HOUR_MS;
    hd_put_notification_ok(f, &notification);
    const enum hd_move moves[] = {HD_MOVE_RELEASE, HD_MOVE_BEGIN,   HD_MOVE_RETRY, HD_MOVE_BEGIN, HD_MOVE_TAKE_OVER,
                                  HD_MOVE_GIVE_UP, HD_MOVE_REDRIVE, HD_MOVE_BEGIN, HD_MOVE_SENT};
    for (size_t i = 0; i < HD_ARRAY_LEN(moves); i++) {
        struct hd_notification before = notification;
        hd_move_ok(f, &notification, moves[i]);
        hd_assert_equal(&hd_notification_record, &notification, hd_get_notification(f, notification.notification_id));
        struct hd_notification again = hd_moved(f, &before, moves[i]);
        HD_ONE_CHANGE_REFUSED(f, hd_move_notification(&set_, &before, &again, moves[i]));
    }
}

static void attempts_come_back_in_the_order_of_their_numbers(struct hd_fixture *f) {
    struct hd_notification one = hd_sample_notification(f, "u-10", HD_EMAIL);
    struct hd_notification two = hd_sample_notification(f, "u-10", HD_EMAIL);
    hd_put_notification_ok(f, &one);
    hd_put_notification_ok(f, &two);
    struct hd_attempt want[2][12];
    for (int number = 1; number <= 12; number++) {
        for (int which = 0; which < 2; which++) {
            struct hd_notification *notification = which ? &two : &one;
            struct hd_notification to = hd_moved(f, notification, HD_MOVE_RETRY);
            struct hd_attempt *attempt = &want[which][number - 1];
            *attempt = hd_sample_attempt(f, notification->notification_id, number);
            attempt->detail = hd_textf(f, "attempt %d of %s", number, which ? "two" : "one");
            struct hd_changeset set = hd_changes(f);
            hd_move_notification(&set, notification, &to, HD_MOVE_RETRY);
            hd_append_attempt(&set, attempt);
            hd_commit_ok(f, &set);
            *notification = to;
        }
    }
    for (int which = 0; which < 2; which++) {
        const struct hd_attempt *got = NULL;
        assert_int_equal(hd_get_attempts(f, which ? two.notification_id : one.notification_id, &got), 12);
        for (size_t i = 0; i < 12; i++)
            hd_assert_equal(&hd_attempt_record, &want[which][i], &got[i]);
    }
}

/* A fallback or an in-app delivery is decided and done at once. */
static void a_notification_and_its_attempts_may_be_put_together(struct hd_fixture *f) {
    struct hd_notification notification = hd_sample_notification(f, "u-10", HD_EMAIL);
    notification.status = HD_SENT;
    notification.attempts = 2;
    struct hd_attempt first = hd_sample_attempt(f, notification.notification_id, 1);
    struct hd_attempt second = hd_sample_attempt(f, notification.notification_id, 2);
    struct hd_changeset set = hd_changes(f);
    hd_put_notification(&set, &notification);
    hd_append_attempt(&set, &first);
    hd_append_attempt(&set, &second);
    hd_commit_ok(f, &set);
    const struct hd_attempt *got = NULL;
    assert_int_equal(hd_get_attempts(f, notification.notification_id, &got), 2);
    hd_assert_equal(&hd_attempt_record, &first, &got[0]);
    hd_assert_equal(&hd_attempt_record, &second, &got[1]);
}

static void what_nobody_has_put_has_no_attempts(struct hd_fixture *f) {
    const struct hd_attempt *got = NULL;
    assert_int_equal(hd_get_attempts(f, "0192f0c1-2345-7abc-8def-0123456789ab", &got), 0);
    struct hd_notification notification = hd_sample_notification(f, "u-10", HD_EMAIL);
    hd_put_notification_ok(f, &notification);
    assert_int_equal(hd_get_attempts(f, notification.notification_id, &got), 0);
}

static void an_event_is_marked_once_for_each_processor(struct hd_fixture *f) {
    const char *event_id = hd_new_id(f);
    HD_ONE_CHANGE(f, hd_mark_processed(&set_, "router", event_id, 1));
    assert_true(hd_get_processed(f, "router", event_id));
    assert_false(hd_get_processed(f, "audit", event_id));
    assert_false(hd_get_processed(f, "router", hd_new_id(f)));
    HD_ONE_CHANGE(f, hd_mark_processed(&set_, "audit", event_id, 2));
    HD_ONE_CHANGE_REFUSED(f, hd_mark_processed(&set_, "router", event_id, 3));
    HD_ONE_CHANGE_REFUSED(f, hd_mark_processed(&set_, "audit", event_id, 1));
    /* no such parts may run into each other */
    HD_ONE_CHANGE(f, hd_mark_processed(&set_, "router", "e#1", 1));
    assert_false(hd_get_processed(f, "router#e", "1"));
    assert_false(hd_get_processed(f, "route", "re#1"));
}

static void what_is_appended_is_never_changed_by_a_second_append(struct hd_fixture *f) {
    struct hd_event event = hd_sample_event(f, "evt-1"), other_event = hd_sample_event(f, "evt-1");
    struct hd_answer answer = hd_sample_answer(f, "0a"), other_answer = hd_sample_answer(f, "0a");
    struct hd_audit audit = hd_sample_audit(f, "a-1"), other_audit = hd_sample_audit(f, "a-1");
    struct hd_dead_letter letter = hd_sample_dead_letter(f, "d-1"), other_letter = hd_sample_dead_letter(f, "d-1");
    other_event.payload = other_answer.body = other_audit.detail = other_letter.body = "\"other\"";
    HD_ONE_CHANGE(f, hd_append_event(&set_, &event));
    HD_ONE_CHANGE(f, hd_remember_answer(&set_, &answer));
    HD_ONE_CHANGE(f, hd_append_audit(&set_, &audit));
    HD_ONE_CHANGE(f, hd_put_dead_letter(&set_, &letter));
    HD_ONE_CHANGE_REFUSED(f, hd_append_event(&set_, &other_event));
    HD_ONE_CHANGE_REFUSED(f, hd_remember_answer(&set_, &other_answer));
    HD_ONE_CHANGE_REFUSED(f, hd_append_audit(&set_, &other_audit));
    HD_ONE_CHANGE_REFUSED(f, hd_put_dead_letter(&set_, &other_letter));
    hd_assert_equal(&hd_event_record, &event, hd_get_event(f, "evt-1"));
    hd_assert_equal(&hd_answer_record, &answer, hd_get_answer(f, "0a"));
    hd_assert_equal(&hd_audit_record, &audit, hd_get_audit(f, "a-1"));
    hd_assert_equal(&hd_dead_letter_record, &letter, hd_get_dead_letter(f, "d-1"));
}

static void a_dead_letter_is_removed_once_and_may_come_again(struct hd_fixture *f) {
    struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_new_id(f));
    for (int round = 0; round < 3; round++) {
        letter.attempts = round;
        letter.created_at_ms = hd_stamp(f);
        hd_put_dead_letter_ok(f, &letter);
        hd_assert_equal(&hd_dead_letter_record, &letter, hd_get_dead_letter(f, letter.dead_letter_id));
        HD_ONE_CHANGE(f, hd_remove_dead_letter(&set_, letter.dead_letter_id));
        assert_null(hd_get_dead_letter(f, letter.dead_letter_id));
        assert_int_equal(hd_list_all(f, HD_LIST_DEAD_LETTERS, &hd_any_dead_letter, 10).count, 0);
        HD_ONE_CHANGE_REFUSED(f, hd_remove_dead_letter(&set_, letter.dead_letter_id));
    }
}

static void the_first_reading_of_an_inbox_item_is_the_one_that_counts(struct hd_fixture *f) {
    struct hd_inbox_item item = hd_inbox_item_ok(f, "u-10");
    HD_ONE_CHANGE_REFUSED(f, hd_read_inbox_item(&set_, item.notification_id, "u-1", 100));
    HD_ONE_CHANGE_REFUSED(f, hd_read_inbox_item(&set_, item.notification_id, "U-10", 100));
    hd_assert_equal(&hd_inbox_item_record, &item, hd_get_inbox_item(f, item.notification_id));
    HD_ONE_CHANGE(f, hd_read_inbox_item(&set_, item.notification_id, "u-10", 200));
    HD_ONE_CHANGE(f, hd_read_inbox_item(&set_, item.notification_id, "u-10", 300));
    HD_ONE_CHANGE_REFUSED(f, hd_read_inbox_item(&set_, item.notification_id, "u-1", 400));
    item.read_at_ms = 200;
    hd_assert_equal(&hd_inbox_item_record, &item, hd_get_inbox_item(f, item.notification_id));
    assert_int_equal(hd_get_unread(f, "u-10", 10), 0);
}

/* ---- several changesets in one commit ---- */

enum { SETS = 16 };
struct batch {
    struct hd_changeset sets[SETS];
    size_t count;
    struct hd_commit_result results[SETS];
};

static struct hd_changeset *next_set(struct hd_fixture *f, struct batch *batch) {
    assert_true(batch->count < SETS);
    batch->sets[batch->count] = hd_changes(f);
    return &batch->sets[batch->count++];
}

static void commit_batch(struct hd_fixture *f, struct batch *batch) {
    const struct hd_changeset *sets[SETS];
    for (size_t i = 0; i < batch->count; i++) {
        sets[i] = &batch->sets[i];
        batch->results[i] = (struct hd_commit_result){.code = HD_ERR_INTERNAL, .change = SIZE_MAX};
    }
    hd_commit_many(f->store, sets, batch->count, batch->results);
}

/* want: for each set -1 when it happens, else the change that is named. */
static void check_results(const struct batch *batch, const int *want) {
    for (size_t i = 0; i < batch->count; i++) {
        enum hd_code code = want[i] < 0 ? HD_OK : HD_ERR_CONFLICT;
        if (batch->results[i].code != code || (code && batch->results[i].change != (size_t)want[i]))
            fail_msg("changeset %zu: code %d, change %zu; wanted %d", i, (int)batch->results[i].code, batch->results[i].change, want[i]);
    }
}

static void each_changeset_sees_the_ones_before_it_in_its_commit(struct hd_fixture *f) {
    struct hd_ticket versions[5];
    for (int i = 0; i < 5; i++) {
        versions[i] = hd_sample_ticket(f, "tkt-001");
        versions[i].version = i + 1;
        versions[i].title = hd_textf(f, "title %d", i + 1);
    }
    struct batch batch = {0};
    hd_put_ticket(next_set(f, &batch), &versions[1], 1); /* too early */
    hd_put_ticket(next_set(f, &batch), &versions[0], 0);
    hd_put_ticket(next_set(f, &batch), &versions[0], 0); /* exists by now */
    hd_put_ticket(next_set(f, &batch), &versions[1], 1);
    hd_put_ticket(next_set(f, &batch), &versions[2], 1); /* stale by now */
    hd_put_ticket(next_set(f, &batch), &versions[2], 2);
    commit_batch(f, &batch);
    check_results(&batch, (int[]){0, -1, 0, -1, 0, -1});
    hd_assert_equal(&hd_ticket_record, &versions[2], hd_get_ticket(f, "tkt-001"));
}

static void a_changeset_that_fails_leaves_its_neighbours_alone(struct hd_fixture *f) {
    struct hd_event events[4];
    struct hd_audit audit = hd_sample_audit(f, "a-1");
    for (int i = 0; i < 4; i++)
        events[i] = hd_sample_event(f, hd_textf(f, "evt-%d", i));
    struct hd_ticket half = hd_sample_ticket(f, "tkt-half");
    struct hd_user user = hd_sample_user(f, "u-half");
    struct batch batch = {0};
    hd_append_event(next_set(f, &batch), &events[0]);
    struct hd_changeset *set = next_set(f, &batch); /* fails in its middle */
    hd_append_event(set, &events[1]);
    hd_put_ticket(set, &half, 0);
    hd_put_user(set, &user, 0);
    hd_enqueue(set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, "\"of the failed one\"", f->now_ms, 0);
    hd_append_event(set, &events[0]);
    hd_append_audit(set, &audit);
    hd_append_event(next_set(f, &batch), &events[1]); /* which it has not appended */
    set = next_set(f, &batch);
    hd_append_event(set, &events[2]);
    hd_append_audit(set, &audit);
    hd_enqueue(set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, "\"of the good one\"", f->now_ms, 0);
    hd_append_event(next_set(f, &batch), &events[2]); /* fails at once */
    hd_append_event(next_set(f, &batch), &events[3]);
    commit_batch(f, &batch);
    check_results(&batch, (int[]){-1, 4, -1, -1, 0, -1});
    for (int i = 0; i < 4; i++)
        hd_assert_equal(&hd_event_record, &events[i], hd_get_event(f, events[i].event_id));
    assert_null(hd_get_ticket(f, "tkt-half"));
    assert_null(hd_get_user(f, "u-half"));
    assert_string_equal(hd_take_one(f, HD_QUEUE_ROUTER, HOUR_MS).body, "\"of the good one\"");
    assert_true(hd_nothing_to_take(f, HD_QUEUE_ROUTER));
    assert_int_equal(hd_list_all(f, HD_LIST_TICKETS, &hd_any_ticket, 10).count, 0);
}

static void a_notification_is_put_moved_and_moved_again_in_one_commit(struct hd_fixture *f) {
    struct hd_notification pending = hd_sample_notification(f, "u-10", HD_INAPP);
    struct hd_notification begun = hd_moved(f, &pending, HD_MOVE_BEGIN);
    struct hd_notification sent = hd_moved(f, &begun, HD_MOVE_SENT);
    struct hd_attempt attempt = hd_sample_attempt(f, pending.notification_id, 1);
    struct hd_inbox_item item = hd_sample_inbox_item(f, &pending);
    struct batch batch = {0};
    hd_move_notification(next_set(f, &batch), &pending, &begun, HD_MOVE_BEGIN); /* too early */
    hd_put_notification(next_set(f, &batch), &pending);
    hd_move_notification(next_set(f, &batch), &pending, &begun, HD_MOVE_BEGIN);
    struct hd_changeset *set = next_set(f, &batch);
    hd_move_notification(set, &begun, &sent, HD_MOVE_SENT);
    hd_append_attempt(set, &attempt);
    hd_put_inbox_item(set, &item);
    hd_read_inbox_item(next_set(f, &batch), item.notification_id, "u-10", 77);
    set = next_set(f, &batch); /* the same again */
    hd_move_notification(set, &begun, &sent, HD_MOVE_SENT);
    hd_append_attempt(set, &attempt);
    commit_batch(f, &batch);
    check_results(&batch, (int[]){0, -1, -1, -1, -1, 0});
    hd_assert_equal(&hd_notification_record, &sent, hd_get_notification(f, sent.notification_id));
    const struct hd_attempt *got = NULL;
    assert_int_equal(hd_get_attempts(f, sent.notification_id, &got), 1);
    hd_assert_equal(&hd_attempt_record, &attempt, &got[0]);
    item.read_at_ms = 77;
    hd_assert_equal(&hd_inbox_item_record, &item, hd_get_inbox_item(f, item.notification_id));
}

static void an_address_changes_hands_within_one_commit(struct hd_fixture *f) {
    struct hd_user ana = hd_sample_user(f, "u-1");
    struct hd_user bia = hd_sample_user(f, "u-2");
    ana.email = "help@example.org";
    bia.email = "Help@example.org";
    struct hd_user moved = ana;
    moved.version = 2;
    moved.email = "ana@example.org";
    struct batch batch = {0};
    hd_put_user(next_set(f, &batch), &ana, 0);
    hd_put_user(next_set(f, &batch), &bia, 0); /* taken */
    hd_put_user(next_set(f, &batch), &moved, 1);
    hd_put_user(next_set(f, &batch), &bia, 0);
    commit_batch(f, &batch);
    check_results(&batch, (int[]){-1, 0, -1, -1});
    hd_assert_equal(&hd_user_record, &moved, hd_get_user(f, "u-1"));
    hd_assert_equal(&hd_user_record, &bia, hd_get_user(f, "u-2"));
}

static void things_come_and_go_within_one_commit(struct hd_fixture *f) {
    struct hd_dead_letter letter = hd_sample_dead_letter(f, "d-1");
    struct hd_message held = hold_message(f, "\"held\"", HOUR_MS);
    struct batch batch = {0};
    hd_remove_dead_letter(next_set(f, &batch), "d-1"); /* too early */
    hd_put_dead_letter(next_set(f, &batch), &letter);
    hd_put_dead_letter(next_set(f, &batch), &letter); /* there by now */
    hd_remove_dead_letter(next_set(f, &batch), "d-1");
    hd_remove_dead_letter(next_set(f, &batch), "d-1"); /* gone by now */
    hd_mark_processed(next_set(f, &batch), "router", "evt-1", 1);
    hd_mark_processed(next_set(f, &batch), "router", "evt-1", 1);
    hd_acknowledge(next_set(f, &batch), &held);
    if (f->backend->fences_receipts) {
        hd_acknowledge(next_set(f, &batch), &held); /* no longer ours */
        hd_postpone(next_set(f, &batch), &held, f->now_ms, SECOND_MS);
    }
    commit_batch(f, &batch);
    check_results(&batch, (int[]){0, -1, 0, -1, 0, -1, 0, -1, 0, 0});
    assert_null(hd_get_dead_letter(f, "d-1"));
    hd_pass(f, 2 * HOUR_MS);
    assert_true(hd_nothing_to_take(f, HD_QUEUE_EMAIL));
}

static void a_commit_of_the_largest_number_of_changesets_tells_each_its_result(struct hd_fixture *f) {
    struct hd_changeset *sets = hd_arena_calloc(f->arena, HD_COMMIT_MAX, sizeof(*sets));
    const struct hd_changeset **pointers = hd_arena_calloc(f->arena, HD_COMMIT_MAX, sizeof(*pointers));
    struct hd_commit_result *results = hd_arena_calloc(f->arena, HD_COMMIT_MAX, sizeof(*results));
    assert_true(sets && pointers && results);
    for (size_t i = 0; i < HD_COMMIT_MAX; i++) {
        /* every third one brings an event that the one before it has brought */
        struct hd_event event = hd_sample_event(f, hd_textf(f, "evt-%zu", i % 3 == 2 ? i - 1 : i));
        sets[i] = hd_changes(f);
        hd_mark_processed(&sets[i], "router", hd_textf(f, "evt-%zu", i), 1);
        hd_append_event(&sets[i], &event);
        pointers[i] = &sets[i];
        results[i] = (struct hd_commit_result){.code = HD_ERR_INTERNAL, .change = SIZE_MAX};
    }
    hd_commit_many(f->store, pointers, HD_COMMIT_MAX, results);
    for (size_t i = 0; i < HD_COMMIT_MAX; i++) {
        assert_int_equal(results[i].code, i % 3 == 2 ? HD_ERR_CONFLICT : HD_OK);
        if (i % 3 == 2)
            assert_int_equal(results[i].change, 1);
        assert_int_equal(hd_get_processed(f, "router", hd_textf(f, "evt-%zu", i)), i % 3 != 2);
    }
}

static void a_large_changeset_is_as_atomic_as_a_small_one(struct hd_fixture *f) {
    size_t count = f->backend->one_transaction ? HD_CHANGES_MAX : ATOMIC_MAX;
    struct hd_changeset fails = hd_changes(f);
    struct hd_changeset happens = hd_changes(f);
    for (size_t i = 0; i < count; i++) {
        struct hd_audit entry = hd_sample_audit(f, hd_textf(f, "a-%zu", i));
        hd_append_audit(&happens, &entry);
        if (i + 1 < count)
            hd_append_audit(&fails, &entry);
    }
    hd_remove_dead_letter(&fails, "none");
    hd_commit_refused(f, &fails, count - 1);
    assert_null(hd_get_audit(f, "a-0"));
    assert_null(hd_get_audit(f, hd_textf(f, "a-%zu", count - 2)));
    hd_commit_ok(f, &happens);
    for (size_t i = 0; i < count; i++)
        assert_non_null(hd_get_audit(f, hd_textf(f, "a-%zu", i)));
}

static void the_largest_changeset_happens(struct hd_fixture *f) {
    struct hd_changeset set = hd_changes(f);
    for (int i = 0; i < HD_CHANGES_MAX; i++) {
        struct hd_notification notification = hd_sample_notification(f, hd_textf(f, "u-%d", i), HD_EMAIL);
        hd_put_notification(&set, &notification);
    }
    hd_commit_ok(f, &set);
    assert_int_equal(hd_list_all(f, HD_LIST_NOTIFICATIONS, &hd_any_notification, HD_PAGE_MAX).count, HD_CHANGES_MAX);
}

/* ---- several threads, each with its view ---- */

enum { THREADS = 4, INCREMENTS = 25, THREAD_TRIES = 20000 };

struct writer {
    struct hd_store *store;
    const char *failure; /* asserting in a thread is not possible */
};

/* Reads the ticket, and puts its next version; a lost race is decided again. */
static bool increment(struct hd_store *store, struct hd_arena *arena) {
    const struct hd_ticket *now = NULL;
    struct hd_error err = {0};
    if (store->ops->ticket(store, arena, "tkt-001", &now, &err) != 0 || !now)
        return false;
    struct hd_ticket next = *now;
    next.version++;
    struct hd_changeset set = hd_changeset(arena);
    hd_put_ticket(&set, &next, now->version);
    const struct hd_changeset *sets[] = {&set};
    struct hd_commit_result result = {0};
    return store->ops->commit(store, sets, 1, &result, &err) == 0 && result.code == 0;
}

static void *write_versions(void *argument) {
    struct writer *writer = argument;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    if (!arena) {
        writer->failure = "no memory";
        return NULL;
    }
    int done = 0;
    for (int tries = 0; done < INCREMENTS; tries++) {
        hd_arena_reset(arena);
        done += increment(writer->store, arena);
        if (tries == THREAD_TRIES) {
            writer->failure = "the races never end";
            return NULL;
        }
    }
    return NULL;
}

static void no_update_is_lost_between_threads(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    hd_put_ticket_ok(f, &ticket, 0);
    struct writer writers[THREADS] = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        writers[i].store = f->backend->store(f->handle);
        assert_non_null(writers[i].store);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_versions, &writers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        writers[i].store->ops->close(writers[i].store);
        if (writers[i].failure)
            fail_msg("thread %d: %s", i, writers[i].failure);
    }
    assert_int_equal(hd_get_ticket(f, "tkt-001")->version, 1 + THREADS * INCREMENTS);
}

/* ---- after a crash ---- */

static void what_was_committed_is_there_after_a_crash(struct hd_fixture *f) {
    const struct scene *s = scene_new(f);
    struct hd_changeset set = hd_changes(f);
    for (size_t g = 0; g < HD_ARRAY_LEN(good); g++)
        good[g].add(s, &set);
    hd_commit_ok(f, &set);
    struct hd_message taken[8];
    hd_pass(f, 2 * HOUR_MS); /* claims have run out: they would not be the same after the crash */
    size_t messages = hd_take(f, f->queue, HD_QUEUE_EMAIL, 8, SECOND_MS, taken);
    messages += hd_take(f, f->queue, HD_QUEUE_ROUTER, 8, SECOND_MS, taken);
    assert_int_equal(messages, 3);
    hd_pass(f, SECOND_MS);
    const char *before = scene_world(s);
    hd_fixture_reopen(f);
    assert_string_equal(before, scene_world(s));
    hd_commit_refused(f, &set, 0);
    hd_fixture_reopen(f);
    assert_string_equal(before, scene_world(s));
}

static const struct hd_case cases[] = {
    HD_CASE(all_kinds_of_change_happen_in_one_changeset),
    HD_CASE(every_kind_of_change_happens_alone),
    HD_CASE(a_changeset_with_one_condition_that_fails_changes_nothing_and_names_it),
    HD_CASE(every_kind_of_change_is_undone_by_every_kind_of_failure),
    HD_CASE(repeating_a_changeset_is_refused_and_changes_nothing),
    HD_CASE(of_several_conditions_that_fail_the_first_is_named),
    HD_CASE(a_ticket_is_put_by_version_and_a_lost_race_is_a_conflict),
    HD_CASE(an_email_address_belongs_to_one_user_whatever_its_case),
    HD_CASE(a_user_may_write_the_own_address_again_and_leave_it_to_others),
    HD_CASE(an_address_of_a_changeset_that_failed_stays_free),
    HD_CASE(any_number_of_users_may_have_no_address),
    HD_CASE(a_late_worker_cannot_finish_what_another_has_taken_over),
    HD_CASE(a_notification_goes_through_its_whole_life),
    HD_CASE(attempts_come_back_in_the_order_of_their_numbers),
    HD_CASE(a_notification_and_its_attempts_may_be_put_together),
    HD_CASE(what_nobody_has_put_has_no_attempts),
    HD_CASE(an_event_is_marked_once_for_each_processor),
    HD_CASE(what_is_appended_is_never_changed_by_a_second_append),
    HD_CASE(a_dead_letter_is_removed_once_and_may_come_again),
    HD_CASE(the_first_reading_of_an_inbox_item_is_the_one_that_counts),
    HD_CASE(each_changeset_sees_the_ones_before_it_in_its_commit),
    HD_CASE(a_changeset_that_fails_leaves_its_neighbours_alone),
    HD_CASE(a_notification_is_put_moved_and_moved_again_in_one_commit),
    HD_CASE(an_address_changes_hands_within_one_commit),
    HD_CASE(things_come_and_go_within_one_commit),
    HD_CASE(a_commit_of_the_largest_number_of_changesets_tells_each_its_result),
    HD_CASE(a_large_changeset_is_as_atomic_as_a_small_one),
    HD_CASE(the_largest_changeset_happens),
    HD_CASE(no_update_is_lost_between_threads),
    HD_CASE(what_was_committed_is_there_after_a_crash),
};
const struct hd_cases hd_changes_cases = {"changes", cases, HD_ARRAY_LEN(cases)};
