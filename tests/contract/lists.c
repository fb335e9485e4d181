/* Cases of the lists: order, filters, pages and cursors, and the count of what is unread. */
#include <string.h>

#include "tests/contract/fixture.h"

enum { HOUR_MS = 3600 * 1000, CROWD = 60, CROWD_USERS = 5, MANY = 3000, MANY_BEHIND_HTTP = 300, MANY_USERS = 60, SET_OF = 50 };

/* ---- crowds: things of one kind, oldest first, and a slow way to say which of them a filter finds ---- */

union hd_any_value {
    struct hd_ticket ticket;
    struct hd_user user;
    struct hd_notification notification;
    struct hd_dead_letter letter;
    struct hd_inbox_item item;
};

struct crowd {
    enum hd_list_kind kind;
    union hd_any_value values[CROWD];
    size_t count;
};

static const char *const crowd_users[CROWD_USERS] = {"u-1", "u-10", "0192f0c1-2345-7abc-8def-0123456789ab", "U-1", "u-11"};
static const char *const crowd_tickets[] = {"tkt-1", "tkt-10", "TKT-1", NULL};
static const char *const crowd_teams[] = {"suporte", "Suporte", "suporte 2", NULL};
static const char *const crowd_reasons[] = {"attempts_exhausted", "invalid_event", "address_gone"};

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool number_matches(int wanted, unsigned number) {
    return wanted < 0 || wanted == (int)number;
}

static bool text_matches(const char *wanted, const char *text) {
    return !wanted || same(wanted, text);
}

static bool matches(enum hd_list_kind kind, const union hd_any_value *value, const void *filter) {
    switch (kind) {
    case HD_LIST_TICKETS: {
        const struct hd_ticket_filter *wanted = filter;
        return text_matches(wanted->owner_id, value->ticket.owner_id) && number_matches(wanted->status, value->ticket.status) &&
               number_matches(wanted->priority, value->ticket.priority);
    }
    case HD_LIST_USERS: {
        const struct hd_user_filter *wanted = filter;
        return number_matches(wanted->role, value->user.role) && text_matches(wanted->team, value->user.team);
    }
    case HD_LIST_NOTIFICATIONS: {
        const struct hd_notification_filter *wanted = filter;
        const struct hd_notification *n = &value->notification;
        return number_matches(wanted->status, n->status) && number_matches(wanted->channel, n->channel) &&
               text_matches(wanted->target, n->target) && text_matches(wanted->ticket_id, n->ticket_id) &&
               text_matches(wanted->event_id, n->event_id);
    }
    case HD_LIST_DEAD_LETTERS: {
        const struct hd_dead_letter_filter *wanted = filter;
        return text_matches(wanted->queue, value->letter.queue) && text_matches(wanted->reason, value->letter.reason);
    }
    case HD_LIST_INBOX: {
        const struct hd_inbox_filter *wanted = filter;
        return same(wanted->user_id, value->item.user_id) && (!wanted->unread || value->item.read_at_ms == 0);
    }
    }
    return false;
}

static size_t any(struct hd_fixture *f, size_t bound) {
    return hd_random_below(&f->random, bound);
}

static struct hd_notification crowd_notification(struct hd_fixture *f) {
    struct hd_notification notification =
        hd_sample_notification(f, crowd_users[any(f, CROWD_USERS)], (enum hd_channel)any(f, HD_CHANNEL_COUNT));
    notification.ticket_id = crowd_tickets[any(f, HD_ARRAY_LEN(crowd_tickets))];
    notification.event_id = hd_textf(f, "evt-%zu", any(f, 4));
    notification.status = (enum hd_status)any(f, HD_STATUS_COUNT);
    return notification;
}

static void crowd_add(struct hd_fixture *f, struct crowd *crowd) {
    union hd_any_value *value = &crowd->values[crowd->count];
    const char *id = hd_new_id(f);
    switch (crowd->kind) {
    case HD_LIST_TICKETS:
        value->ticket = hd_sample_ticket(f, id);
        value->ticket.owner_id = crowd_users[any(f, CROWD_USERS)];
        value->ticket.status = (enum hd_ticket_status)any(f, HD_TICKET_STATUS_COUNT);
        value->ticket.priority = (enum hd_priority)any(f, HD_PRIORITY_COUNT);
        hd_put_ticket_ok(f, &value->ticket, 0);
        break;
    case HD_LIST_USERS:
        value->user = hd_sample_user(f, id);
        value->user.role = (enum hd_role)any(f, HD_ROLE_COUNT);
        value->user.team = crowd_teams[any(f, HD_ARRAY_LEN(crowd_teams))];
        hd_put_user_ok(f, &value->user, 0);
        break;
    case HD_LIST_NOTIFICATIONS:
        value->notification = crowd_notification(f);
        hd_put_notification_ok(f, &value->notification);
        break;
    case HD_LIST_DEAD_LETTERS:
        value->letter = hd_sample_dead_letter(f, id);
        value->letter.queue = hd_queue_name_text((enum hd_queue_name)any(f, HD_QUEUE_COUNT));
        value->letter.reason = crowd_reasons[any(f, HD_ARRAY_LEN(crowd_reasons))];
        hd_put_dead_letter_ok(f, &value->letter);
        break;
    case HD_LIST_INBOX:
        value->item = hd_inbox_item_ok(f, crowd_users[any(f, CROWD_USERS)]);
        if (any(f, 2)) {
            value->item.read_at_ms = hd_stamp(f);
            HD_ONE_CHANGE(f, hd_read_inbox_item(&set_, value->item.notification_id, value->item.user_id, value->item.read_at_ms));
        }
        break;
    }
    crowd->count++;
}

static struct crowd *crowd_new(struct hd_fixture *f, enum hd_list_kind kind, size_t count) {
    struct crowd *crowd = hd_arena_calloc(f->arena, 1, sizeof(*crowd));
    assert_non_null(crowd);
    crowd->kind = kind;
    while (crowd->count < count)
        crowd_add(f, crowd);
    return crowd;
}

/* The filter finds those of the crowd that it must, newest first, and every member as it was put. */
static void check_list(struct hd_fixture *f, const struct crowd *crowd, const void *filter, size_t limit) {
    struct hd_list list = hd_list_all(f, crowd->kind, filter, limit);
    size_t at = 0;
    for (size_t i = crowd->count; i-- > 0;) {
        if (!matches(crowd->kind, &crowd->values[i], filter))
            continue;
        if (at == list.count)
            fail_msg("the list ends after %zu, and %s is missing", list.count, *(const char *const *)(const void *)&crowd->values[i]);
        hd_assert_equal(list.record, &crowd->values[i], hd_list_at(&list, at));
        at++;
    }
    if (at != list.count)
        fail_msg("the list has %zu where %zu were due", list.count, at);
}

/* The widest filter of each kind; an inbox is always somebody's. */
static const struct hd_inbox_filter inbox_of_first = {.user_id = "u-1"};
static const void *const widest[] = {
    [HD_LIST_TICKETS] = &hd_any_ticket,           [HD_LIST_USERS] = &hd_any_user,    [HD_LIST_NOTIFICATIONS] = &hd_any_notification,
    [HD_LIST_DEAD_LETTERS] = &hd_any_dead_letter, [HD_LIST_INBOX] = &inbox_of_first,
};
enum { KINDS = HD_ARRAY_LEN(widest) };

/* ---- order, pages, filters ---- */

static void an_empty_list_has_no_cursor(struct hd_fixture *f) {
    for (int kind = 0; kind < KINDS; kind++) {
        struct hd_list list = hd_list((enum hd_list_kind)kind, widest[kind]);
        hd_list_page(f, &list, 1, NULL);
        assert_int_equal(list.count, 0);
        assert_null(list.next);
    }
}

static void a_list_is_newest_first_in_pages_of_any_size(struct hd_fixture *f) {
    static const size_t limits[] = {1, 2, 7, CROWD / 2, CROWD - 1, CROWD, CROWD + 1, HD_PAGE_MAX};
    for (int kind = 0; kind < KINDS; kind++) {
        struct crowd *crowd = crowd_new(f, (enum hd_list_kind)kind, CROWD);
        for (size_t i = 0; i < HD_ARRAY_LEN(limits); i++)
            check_list(f, crowd, widest[kind], limits[i]);
    }
}

static void every_combination_of_ticket_filters_finds_what_it_says(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_TICKETS, CROWD);
    for (int owner = -1; owner < CROWD_USERS + 1; owner++) {
        for (int status = -1; status < HD_TICKET_STATUS_COUNT; status++) {
            for (int priority = -1; priority < HD_PRIORITY_COUNT; priority++) {
                struct hd_ticket_filter filter = {.status = status, .priority = priority};
                filter.owner_id = owner < 0 ? NULL : owner < CROWD_USERS ? crowd_users[owner] : "nobody";
                check_list(f, crowd, &filter, 3);
            }
        }
    }
}

static void every_combination_of_user_filters_finds_what_it_says(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_USERS, CROWD);
    for (int role = -1; role < HD_ROLE_COUNT; role++) {
        for (size_t team = 0; team < HD_ARRAY_LEN(crowd_teams); team++) {
            struct hd_user_filter filter = {.role = role, .team = crowd_teams[team]};
            check_list(f, crowd, &filter, 3);
        }
        struct hd_user_filter none = {.role = role, .team = "no such team"};
        check_list(f, crowd, &none, 3);
    }
}

static void every_combination_of_dead_letter_filters_finds_what_it_says(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_DEAD_LETTERS, CROWD);
    for (int queue = -1; queue < HD_QUEUE_COUNT; queue++) {
        for (int reason = -1; reason < (int)HD_ARRAY_LEN(crowd_reasons) + 1; reason++) {
            struct hd_dead_letter_filter filter = {.queue = queue < 0 ? NULL : hd_queue_name_text((enum hd_queue_name)queue)};
            filter.reason = reason < 0 ? NULL : reason < (int)HD_ARRAY_LEN(crowd_reasons) ? crowd_reasons[reason] : "no_such_reason";
            check_list(f, crowd, &filter, 3);
        }
    }
}

static void check_notification_filters(struct hd_fixture *f, const struct crowd *crowd, size_t limit) {
    for (size_t i = 0; i < 4; i++) {
        const struct hd_notification *like = &crowd->values[any(f, crowd->count)].notification;
        for (unsigned mask = 0; mask < 32; mask++) {
            struct hd_notification_filter filter = hd_any_notification;
            if (mask & 1)
                filter.status = (int)like->status;
            if (mask & 2)
                filter.channel = (int)like->channel;
            if (mask & 4)
                filter.target = like->target;
            if (mask & 8)
                filter.ticket_id = like->ticket_id;
            if (mask & 16)
                filter.event_id = like->event_id;
            check_list(f, crowd, &filter, limit);
        }
    }
}

static void every_combination_of_notification_filters_finds_what_it_says(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_NOTIFICATIONS, CROWD);
    check_notification_filters(f, crowd, 3);
    check_notification_filters(f, crowd, HD_PAGE_MAX);
    for (int status = -1; status < HD_STATUS_COUNT; status++) {
        for (int channel = -1; channel < HD_CHANNEL_COUNT; channel++) {
            struct hd_notification_filter filter = {.status = status, .channel = channel};
            check_list(f, crowd, &filter, 2);
        }
    }
    static const char *const strangers[] = {"u-", "u-1%", "u_1", "u-12", "0192F0C1-2345-7ABC-8DEF-0123456789AB"};
    for (size_t i = 0; i < HD_ARRAY_LEN(strangers); i++) {
        struct hd_notification_filter filter = hd_any_notification;
        filter.target = strangers[i];
        check_list(f, crowd, &filter, 2);
    }
}

static void an_inbox_shows_one_user_all_or_what_is_unread(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_INBOX, CROWD);
    for (size_t u = 0; u < CROWD_USERS; u++) {
        struct hd_inbox_filter filter = {.user_id = crowd_users[u]};
        check_list(f, crowd, &filter, 1);
        check_list(f, crowd, &filter, HD_PAGE_MAX);
        filter.unread = true;
        check_list(f, crowd, &filter, 1);
        check_list(f, crowd, &filter, HD_PAGE_MAX);
    }
    struct hd_inbox_filter nobody = {.user_id = "u-"};
    check_list(f, crowd, &nobody, 2);
}

static void unread_items_are_counted_up_to_the_cap(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_INBOX, CROWD);
    for (size_t u = 0; u < CROWD_USERS; u++) {
        int64_t unread = 0;
        for (size_t i = 0; i < crowd->count; i++)
            unread += same(crowd->values[i].item.user_id, crowd_users[u]) && crowd->values[i].item.read_at_ms == 0;
        assert_true(unread > 1);
        assert_int_equal(hd_get_unread(f, crowd_users[u], 1), 1);
        assert_int_equal(hd_get_unread(f, crowd_users[u], unread - 1), unread - 1);
        assert_int_equal(hd_get_unread(f, crowd_users[u], unread), unread);
        assert_int_equal(hd_get_unread(f, crowd_users[u], unread + 1), unread);
        assert_int_equal(hd_get_unread(f, crowd_users[u], INT64_MAX), unread);
        for (size_t i = 0; i < crowd->count; i++) {
            struct hd_inbox_item *item = &crowd->values[i].item;
            if (!same(item->user_id, crowd_users[u]) || item->read_at_ms)
                continue;
            HD_ONE_CHANGE(f, hd_read_inbox_item(&set_, item->notification_id, item->user_id, 9));
            assert_int_equal(hd_get_unread(f, crowd_users[u], INT64_MAX), --unread);
        }
    }
}

/* Change does not make a thing younger. */
static void a_changed_thing_keeps_its_place(struct hd_fixture *f) {
    struct crowd *tickets = crowd_new(f, HD_LIST_TICKETS, CROWD / 2);
    struct crowd *users = crowd_new(f, HD_LIST_USERS, CROWD / 2);
    for (size_t i = 0; i < CROWD / 2; i += 3) {
        struct hd_ticket *ticket = &tickets->values[i].ticket;
        ticket->version++;
        ticket->status = (enum hd_ticket_status)((ticket->status + 1) % HD_TICKET_STATUS_COUNT);
        ticket->owner_id = crowd_users[any(f, CROWD_USERS)];
        ticket->updated_at_ms = hd_stamp(f);
        hd_put_ticket_ok(f, ticket, ticket->version - 1);
        struct hd_user *user = &users->values[i].user;
        user->version++;
        user->team = crowd_teams[any(f, HD_ARRAY_LEN(crowd_teams))];
        user->role = (enum hd_role)((user->role + 1) % HD_ROLE_COUNT);
        hd_put_user_ok(f, user, user->version - 1);
        check_list(f, tickets, &hd_any_ticket, 5);
        check_list(f, users, &hd_any_user, 5);
        struct hd_ticket_filter status = {.status = (int)ticket->status, .priority = -1};
        check_list(f, tickets, &status, 5);
        struct hd_ticket_filter owner = {.owner_id = ticket->owner_id, .status = -1, .priority = -1};
        check_list(f, tickets, &owner, 5);
        struct hd_user_filter team = {.role = -1, .team = user->team};
        check_list(f, users, &team, 5);
        struct hd_user_filter role = {.role = (int)user->role};
        check_list(f, users, &role, 5);
    }
}

static void things_of_the_same_moment_are_all_listed_once(struct hd_fixture *f) {
    struct hd_changeset set = hd_changes(f);
    for (int i = 0; i < 20; i++) {
        int64_t stamp_ms = f->stamp_ms;
        struct hd_notification notification = hd_sample_notification(f, "u-1", HD_EMAIL);
        notification.accepted_at_ms = notification.created_at_ms = 1790000000000;
        struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_textf(f, "d-%d", i));
        letter.created_at_ms = 1790000000000;
        struct hd_ticket ticket = hd_sample_ticket(f, hd_textf(f, "tkt-%d", i));
        ticket.created_at_ms = 1790000000000;
        struct hd_user user = hd_sample_user(f, hd_textf(f, "u-%d", i));
        user.created_at_ms = 1790000000000;
        f->stamp_ms = stamp_ms + 100;
        hd_put_notification(&set, &notification);
        hd_put_dead_letter(&set, &letter);
        hd_put_ticket(&set, &ticket, 0);
        hd_put_user(&set, &user, 0);
    }
    hd_commit_ok(f, &set);
    for (int kind = 0; kind < HD_LIST_INBOX; kind++) {
        for (size_t limit = 1; limit < 25; limit += 4) {
            struct hd_list list = hd_list_all(f, (enum hd_list_kind)kind, widest[kind], limit);
            assert_int_equal(list.count, 20);
            for (size_t i = 0; i < list.count; i++)
                assert_int_equal(hd_list_find(&list, hd_list_id(&list, i)), i);
        }
    }
}

/* ---- cursors while things change ---- */

static void a_cursor_survives_what_is_added_between_pages(struct hd_fixture *f) {
    for (int kind = 0; kind < KINDS; kind++) {
        struct crowd *crowd = crowd_new(f, (enum hd_list_kind)kind, 30);
        size_t at_start = crowd->count;
        size_t next = at_start; /* of the crowd, from its end: the one that must come */
        struct hd_list page = hd_list((enum hd_list_kind)kind, widest[kind]);
        do {
            hd_list_page(f, &page, 4, page.next);
            for (size_t i = 0; i < page.count; i++) {
                do {
                    assert_true(next > 0);
                    next--;
                } while (!matches(crowd->kind, &crowd->values[next], widest[kind]));
                hd_assert_equal(page.record, &crowd->values[next], hd_list_at(&page, i));
            }
            for (int i = 0; i < 3; i++)
                crowd_add(f, crowd);
        } while (page.next);
        while (next > 0)
            assert_false(matches(crowd->kind, &crowd->values[--next], widest[kind]));
        if (kind == HD_LIST_TICKETS) {
            /* and the added ones stand at the front of a new list */
            struct hd_list list = hd_list_all(f, HD_LIST_TICKETS, &hd_any_ticket, 50);
            assert_int_equal(list.count, crowd->count);
        }
    }
}

/* A page's last item, which a cursor may point at, is removed before the next page is asked for. */
static void a_cursor_survives_the_removal_of_what_it_stands_on(struct hd_fixture *f) {
    struct crowd *crowd = crowd_new(f, HD_LIST_DEAD_LETTERS, 20);
    struct hd_list page = hd_list(HD_LIST_DEAD_LETTERS, &hd_any_dead_letter);
    size_t next = crowd->count;
    do {
        hd_list_page(f, &page, 3, page.next);
        for (size_t i = 0; i < page.count; i++) {
            hd_assert_equal(page.record, &crowd->values[--next], hd_list_at(&page, i));
            HD_ONE_CHANGE(f, hd_remove_dead_letter(&set_, hd_list_id(&page, i)));
        }
    } while (page.next);
    assert_int_equal(next, 0);
    assert_int_equal(hd_list_all(f, HD_LIST_DEAD_LETTERS, &hd_any_dead_letter, 3).count, 0);
}

/* The same where a filter no longer finds it: a person reads the inbox, page by page. */
static void a_cursor_survives_that_its_items_leave_the_filter(struct hd_fixture *f) {
    struct hd_inbox_item items[20];
    struct hd_notification notifications[20];
    for (int i = 0; i < 20; i++) {
        items[i] = hd_inbox_item_ok(f, "u-1");
        notifications[i] = hd_sample_notification(f, "u-2", HD_EMAIL);
        hd_put_notification_ok(f, &notifications[i]);
    }
    struct hd_inbox_filter unread = {.user_id = "u-1", .unread = true};
    struct hd_list page = hd_list(HD_LIST_INBOX, &unread);
    size_t next = 20;
    do {
        hd_list_page(f, &page, 3, page.next);
        for (size_t i = 0; i < page.count; i++) {
            hd_assert_equal(page.record, &items[--next], hd_list_at(&page, i));
            HD_ONE_CHANGE(f, hd_read_inbox_item(&set_, hd_list_id(&page, i), "u-1", 9));
        }
    } while (page.next);
    assert_int_equal(next, 0);

    struct hd_notification_filter pending = {.status = HD_PENDING, .channel = -1};
    page = hd_list(HD_LIST_NOTIFICATIONS, &pending);
    next = 20;
    do {
        hd_list_page(f, &page, 3, page.next);
        for (size_t i = 0; i < page.count; i++) {
            hd_assert_equal(page.record, &notifications[--next], hd_list_at(&page, i));
            hd_move_ok(f, &notifications[next], HD_MOVE_SENT);
        }
    } while (page.next);
    assert_int_equal(next, 0);
}

static void a_cursor_that_is_none_of_ours_is_refused(struct hd_fixture *f) {
    const char *cursors[] = {"",
                             " ",
                             "no cursor of ours",
                             "%",
                             "-1",
                             "1 OR 1=1",
                             "'",
                             "\"",
                             "\xff\xfe",
                             "\xf0\x9f\x92\xa5",
                             "{}",
                             "null",
                             "99999999999999999999999999999999999999",
                             hd_long_text(f, HD_CURSOR_MAX_LEN + 1),
                             hd_long_text(f, 100000)};
    for (int kind = 0; kind < KINDS; kind++) {
        (void)crowd_new(f, (enum hd_list_kind)kind, 10);
        for (size_t i = 0; i < HD_ARRAY_LEN(cursors); i++) {
            struct hd_list list = hd_list((enum hd_list_kind)kind, widest[kind]);
            struct hd_error err = {0};
            int r = hd_list_try(f->store, f->arena, &list, 5, cursors[i], &err);
            if (r != HD_ERR_MALFORMED)
                fail_msg("%s: the cursor \"%.50s\" gave %s", list.record->name, cursors[i], r ? hd_code_type((enum hd_code)r) : "a page");
            assert_int_equal(err.code, HD_ERR_MALFORMED);
        }
    }
}

/* Which item it stands for is not promised there; that it is answered or refused is. */
static void a_cursor_of_another_list_does_no_harm(struct hd_fixture *f) {
    const char *cursors[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        (void)crowd_new(f, (enum hd_list_kind)kind, 30);
        struct hd_list list = hd_list((enum hd_list_kind)kind, widest[kind]);
        hd_list_page(f, &list, 2, NULL);
        assert_non_null(list.next);
        cursors[kind] = list.next;
    }
    struct hd_notification_filter sent_to_first = {.status = HD_SENT, .channel = -1, .target = "u-1"};
    for (int kind = 0; kind < KINDS; kind++) {
        for (int from = 0; from < KINDS; from++) {
            struct hd_list list =
                hd_list((enum hd_list_kind)kind, kind == HD_LIST_NOTIFICATIONS && from == kind ? &sent_to_first : widest[kind]);
            struct hd_error err = {0};
            int r = hd_list_try(f->store, f->arena, &list, 5, cursors[from], &err);
            assert_true(r == 0 || r == HD_ERR_MALFORMED);
            assert_true(r != 0 || list.count <= 5);
        }
    }
}

/* ---- what is written beside or behind the list ---- */

/* Listed, moved, listed: an implementation that writes its indexes behind, in steps, must find every thing in the step where it is. */
static void a_moved_notification_is_found_under_its_new_status_only(struct hd_fixture *f) {
    static const struct {
        enum hd_move move;
        enum hd_status from, to;
    } moves[] = {
        {HD_MOVE_BEGIN, HD_PENDING, HD_SENDING}, {HD_MOVE_RETRY, HD_SENDING, HD_PENDING}, {HD_MOVE_BEGIN, HD_PENDING, HD_SENDING},
        {HD_MOVE_GIVE_UP, HD_SENDING, HD_DEAD},  {HD_MOVE_REDRIVE, HD_DEAD, HD_PENDING},  {HD_MOVE_SENT, HD_PENDING, HD_SENT},
    };
    struct hd_notification first = hd_sample_notification(f, "u-1", HD_EMAIL);
    struct hd_notification second = hd_sample_notification(f, "u-1", HD_EMAIL);
    hd_put_notification_ok(f, &first);
    hd_put_notification_ok(f, &second);
    for (size_t m = 0; m < HD_ARRAY_LEN(moves); m++) {
        (void)hd_list_all(f, HD_LIST_NOTIFICATIONS, &hd_any_notification, 10);
        hd_move_ok(f, &first, moves[m].move);
        for (unsigned mask = 0; mask < 16; mask++) {
            struct hd_notification_filter filter = {.channel = mask & 1 ? HD_EMAIL : -1,
                                                    .target = mask & 2 ? "u-1" : NULL,
                                                    .ticket_id = mask & 4 ? "tkt-001" : NULL,
                                                    .event_id = mask & 8 ? first.event_id : NULL};
            filter.status = (int)moves[m].to;
            struct hd_list list = hd_list_all(f, HD_LIST_NOTIFICATIONS, &filter, 1);
            size_t at = hd_list_find(&list, first.notification_id);
            assert_true(at != SIZE_MAX);
            hd_assert_equal(&hd_notification_record, &first, hd_list_at(&list, at));
            filter.status = (int)moves[m].from;
            list = hd_list_all(f, HD_LIST_NOTIFICATIONS, &filter, 1);
            assert_true(hd_list_find(&list, first.notification_id) == SIZE_MAX);
        }
    }
}

/* An emulator of a service takes a thousand times as long. */
static size_t many_of(const struct hd_fixture *f) {
    return f->backend->fences_receipts ? MANY : MANY_BEHIND_HTTP;
}

/* 3,000 notifications to 60 people, put and moved while some of them are listed already. */
static void put_many(struct hd_fixture *f, struct hd_notification *many) {
    for (size_t start = 0; start < many_of(f); start += SET_OF) {
        struct hd_changeset set = hd_changes(f);
        for (size_t i = start; i < start + SET_OF; i++) {
            many[i] = hd_sample_notification(f, hd_textf(f, "u-%zu", any(f, MANY_USERS)), (enum hd_channel)(i % HD_CHANNEL_COUNT));
            many[i].ticket_id = hd_textf(f, "tkt-%zu", i / 7);
            many[i].event_id = hd_textf(f, "evt-%zu", i / 3);
            hd_put_notification(&set, &many[i]);
        }
        hd_commit_ok(f, &set);
        if (start % 1000 == 0)
            (void)hd_list_all(f, HD_LIST_NOTIFICATIONS, &(struct hd_notification_filter){.status = -1, .channel = -1, .target = "u-7"}, 20);
    }
}

static void move_some(struct hd_fixture *f, struct hd_notification *many) {
    static const enum hd_move moves[] = {HD_MOVE_BEGIN, HD_MOVE_SENT, HD_MOVE_SENT, HD_MOVE_SENT, HD_MOVE_GIVE_UP, HD_MOVE_EXPIRE};
    for (size_t start = 0; start < many_of(f); start += SET_OF) {
        struct hd_changeset set = hd_changes(f);
        for (size_t i = start; i < start + SET_OF; i++) {
            size_t choice = any(f, HD_ARRAY_LEN(moves) + 1);
            if (choice == HD_ARRAY_LEN(moves))
                continue;
            struct hd_notification to = hd_moved(f, &many[i], moves[choice]);
            hd_move_notification(&set, &many[i], &to, moves[choice]);
            many[i] = to;
        }
        if (set.count > 0)
            hd_commit_ok(f, &set);
    }
}

static void check_many(struct hd_fixture *f, const struct hd_notification *many, const struct hd_notification_filter *filter,
                       size_t limit) {
    struct hd_list list = hd_list_all(f, HD_LIST_NOTIFICATIONS, filter, limit);
    size_t at = 0;
    for (size_t i = many_of(f); i-- > 0;) {
        union hd_any_value value = {.notification = many[i]};
        if (!matches(HD_LIST_NOTIFICATIONS, &value, filter))
            continue;
        assert_true(at < list.count);
        hd_assert_equal(&hd_notification_record, &many[i], hd_list_at(&list, at));
        at++;
    }
    assert_int_equal(at, list.count);
}

static void three_thousand_notifications_are_found_whatever_the_filter(struct hd_fixture *f) {
    struct hd_notification *many = hd_arena_calloc(f->arena, MANY, sizeof(*many));
    assert_non_null(many);
    put_many(f, many);
    for (int round = 0; round < 2; round++) {
        check_many(f, many, &hd_any_notification, HD_PAGE_MAX);
        for (size_t u = 0; u < MANY_USERS; u += 7) {
            struct hd_notification_filter filter = hd_any_notification;
            filter.target = hd_textf(f, "u-%zu", u);
            check_many(f, many, &filter, 10);
            filter.status = HD_PENDING;
            check_many(f, many, &filter, 7);
            filter.status = HD_SENT;
            filter.channel = HD_PUSH;
            check_many(f, many, &filter, 2);
        }
        for (int status = 0; status < HD_STATUS_COUNT; status++) {
            struct hd_notification_filter filter = {.status = status, .channel = -1};
            check_many(f, many, &filter, HD_PAGE_MAX);
            filter.channel = HD_SMS;
            check_many(f, many, &filter, 100);
        }
        for (size_t i = 0; i < many_of(f); i += 500) {
            struct hd_notification_filter filter = hd_any_notification;
            filter.ticket_id = many[i].ticket_id;
            check_many(f, many, &filter, 2);
            filter.event_id = many[i].event_id;
            check_many(f, many, &filter, 2);
            filter.ticket_id = NULL;
            check_many(f, many, &filter, 1);
        }
        if (round == 0)
            move_some(f, many);
    }
    hd_fixture_reopen(f); /* skips the rest where that cannot be */
    check_many(f, many, &(struct hd_notification_filter){.status = -1, .channel = -1, .target = "u-7"}, 10);
    check_many(f, many, &(struct hd_notification_filter){.status = HD_DEAD, .channel = -1}, 50);
}

static const struct hd_case cases[] = {
    HD_CASE(an_empty_list_has_no_cursor),
    HD_CASE(a_list_is_newest_first_in_pages_of_any_size),
    HD_CASE(every_combination_of_ticket_filters_finds_what_it_says),
    HD_CASE(every_combination_of_user_filters_finds_what_it_says),
    HD_CASE(every_combination_of_dead_letter_filters_finds_what_it_says),
    HD_CASE(every_combination_of_notification_filters_finds_what_it_says),
    HD_CASE(an_inbox_shows_one_user_all_or_what_is_unread),
    HD_CASE(unread_items_are_counted_up_to_the_cap),
    HD_CASE(a_changed_thing_keeps_its_place),
    HD_CASE(things_of_the_same_moment_are_all_listed_once),
    HD_CASE(a_cursor_survives_what_is_added_between_pages),
    HD_CASE(a_cursor_survives_the_removal_of_what_it_stands_on),
    HD_CASE(a_cursor_survives_that_its_items_leave_the_filter),
    HD_CASE(a_cursor_that_is_none_of_ours_is_refused),
    HD_CASE(a_cursor_of_another_list_does_no_harm),
    HD_CASE(a_moved_notification_is_found_under_its_new_status_only),
    HD_CASE(three_thousand_notifications_are_found_whatever_the_filter),
};
const struct hd_cases hd_lists_cases = {"lists", cases, HD_ARRAY_LEN(cases)};
