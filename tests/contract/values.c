/* Cases of what is kept: every value comes back as it was put, at once and from every view. */
#include <limits.h>
#include <string.h>

#include "tests/contract/fixture.h"

enum { LARGE_BYTES = 128 * 1024, TEXT_BYTES = 60 * 1000, SMALL_ARENA_BYTES = 4096 };

/* Ids are any visible ASCII, 1 to 128 bytes; each of these is another thing than all the others. */
static const char *const awkward_ids[] = {
    "tkt-001",
    "tkt-01",
    "tkt-0011",
    "TKT-001",
    "u-10",
    "u-1",
    "U-10",
    "0",
    "1",
    "01",
    "007",
    "7",
    "1.0",
    "1e0",
    "+1",
    "-1",
    "0x10",
    "9223372036854775808",
    "0192f0c1-2345-7abc-8def-0123456789ab",
    "0192F0C1-2345-7ABC-8DEF-0123456789AB",
    "0192f0c1-2345-7abc-8def-0123456789aB",
    "{0192f0c1-2345-7abc-8def-0123456789ab}",
    "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
    "0192f0c123457abc8def0123456789ab",
    "0192f0c1-2345-7abc-8def-0123456789ag",
    "0192f0c12-345-7abc-8def-0123456789ab",
    "0192f0c1-2345-7abc-8def-0123456789a",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "30313233-3435-3637-3839-616263646566", /* whose 16 bytes are the next one's text */
    "0123456789abcdef",
    "x'0192f0c123457abc8def0123456789ab'",
    "!",
    "'",
    "''",
    "\"",
    "\\",
    "%",
    "%%",
    "_",
    "*",
    "?",
    "#",
    "a#b",
    "a",
    "A",
    "b",
    "a/b",
    "a:b",
    "a|b",
    "null",
    "NULL",
    "';DROP/**/TABLE/**/tickets;--",
    "~",
};

static const char *const awkward_texts[] = {
    "Ação, coração, São João – çãõáéíóúâêôàü",
    "a\xcc\x81 is not \xc3\xa1", /* the same letter, decomposed and composed: neither is made the other */
    "日本語 العربية עברית 🖨️👩‍👩‍👧‍👦",
    "line\nline\r\nline\ttab",
    "\x01\x1f\x7f",
    "\xef\xbf\xbd \xef\xbf\xbf \xef\xbb\xbf",
    "it's \"quoted\" \\ and \\u0000 and %s and {{mustache}}",
    "NULL",
    "007",
    " leading and trailing ",
    "",
};

/* 128 bytes that differ in the last one only. */
static const char *longest_id(struct hd_fixture *f, char last) {
    char id[HD_ID_MAX_LEN + 1];
    memset(id, 'x', sizeof(id));
    id[HD_ID_MAX_LEN - 1] = last;
    id[HD_ID_MAX_LEN] = '\0';
    return hd_textf(f, "%s", id);
}

static void put_attempt(struct hd_fixture *f, const struct hd_attempt *attempt_of) {
    struct hd_notification notification = hd_sample_notification(f, "u-10", HD_EMAIL);
    struct hd_attempt attempt = *attempt_of;
    attempt.notification_id = notification.notification_id;
    struct hd_changeset set = hd_changes(f);
    hd_put_notification(&set, &notification);
    hd_append_attempt(&set, &attempt);
    hd_commit_ok(f, &set);
    const struct hd_attempt *got = NULL;
    assert_int_equal(hd_get_attempts(f, notification.notification_id, &got), 1);
    hd_assert_equal(&hd_attempt_record, &attempt, &got[0]);
}

static void put_inbox_item(struct hd_fixture *f, const struct hd_inbox_item *item_of) {
    struct hd_notification notification = hd_sample_notification(f, item_of->user_id, HD_INAPP);
    notification.ticket_id = item_of->ticket_id;
    struct hd_notification sent = hd_moved(f, &notification, HD_MOVE_SENT);
    struct hd_inbox_item item = *item_of;
    item.notification_id = notification.notification_id;
    hd_put_notification_ok(f, &notification);
    struct hd_changeset set = hd_changes(f);
    hd_move_notification(&set, &notification, &sent, HD_MOVE_SENT);
    hd_put_inbox_item(&set, &item);
    hd_commit_ok(f, &set);
    hd_assert_equal(&hd_inbox_item_record, &item, hd_get_inbox_item(f, item.notification_id));
}

#define PUT_AND_COMPARE(f, record, value, change, get, id)        \
    do {                                                          \
        HD_ONE_CHANGE(f, change);                                 \
        hd_assert_equal(&(record), &(value), get(f, (value).id)); \
    } while (0)

static void put_ticket(struct hd_fixture *f, struct hd_ticket ticket) {
    PUT_AND_COMPARE(f, hd_ticket_record, ticket, hd_put_ticket(&set_, &ticket, 0), hd_get_ticket, ticket_id);
}
static void put_user(struct hd_fixture *f, struct hd_user user) {
    PUT_AND_COMPARE(f, hd_user_record, user, hd_put_user(&set_, &user, 0), hd_get_user, user_id);
}
static void put_event(struct hd_fixture *f, struct hd_event event) {
    PUT_AND_COMPARE(f, hd_event_record, event, hd_append_event(&set_, &event), hd_get_event, event_id);
}
static void put_notification(struct hd_fixture *f, struct hd_notification notification) {
    PUT_AND_COMPARE(f, hd_notification_record, notification, hd_put_notification(&set_, &notification), hd_get_notification,
                    notification_id);
}
static void put_letter(struct hd_fixture *f, struct hd_dead_letter letter) {
    PUT_AND_COMPARE(f, hd_dead_letter_record, letter, hd_put_dead_letter(&set_, &letter), hd_get_dead_letter, dead_letter_id);
}
static void put_audit(struct hd_fixture *f, struct hd_audit entry) {
    PUT_AND_COMPARE(f, hd_audit_record, entry, hd_append_audit(&set_, &entry), hd_get_audit, audit_id);
}
static void put_answer(struct hd_fixture *f, struct hd_answer answer) {
    PUT_AND_COMPARE(f, hd_answer_record, answer, hd_remember_answer(&set_, &answer), hd_get_answer, key);
}

/* ---- members ---- */

static void every_member_comes_back_as_it_was_put(struct hd_fixture *f) {
    put_ticket(f, hd_sample_ticket(f, hd_new_id(f)));
    put_user(f, hd_sample_user(f, hd_new_id(f)));
    put_event(f, hd_sample_event(f, hd_new_id(f)));
    struct hd_notification notification = hd_sample_notification(f, "u-10", HD_WEBHOOK);
    notification.status = HD_SENDING;
    notification.reason = "channel_off";
    notification.critical = true;
    notification.attempts = 5;
    notification.attempts_forgiven = 3;
    notification.owner_token = "worker-1";
    notification.created_at_ms = notification.accepted_at_ms + 1;
    notification.updated_at_ms = notification.accepted_at_ms + 2;
    notification.next_attempt_at_ms = notification.accepted_at_ms + 3;
    notification.sent_at_ms = notification.accepted_at_ms + 4;
    put_notification(f, notification);
    put_letter(f, hd_sample_dead_letter(f, hd_new_id(f)));
    put_audit(f, hd_sample_audit(f, hd_new_id(f)));
    put_answer(f, hd_sample_answer(f, "0a"));
    struct hd_attempt attempt = hd_sample_attempt(f, "", 1);
    put_attempt(f, &attempt);
    struct hd_inbox_item item = {
        .user_id = "u-10", .event = "TicketCreated", .ticket_id = "tkt-001", .title = "t", .body = "b", .created_at_ms = hd_stamp(f)};
    put_inbox_item(f, &item);
}

static void a_second_version_replaces_every_member(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    hd_put_ticket_ok(f, &ticket, 0);
    struct hd_ticket bare = {.ticket_id = "tkt-001",
                             .version = 2,
                             .title = "other",
                             .status = HD_TICKET_CLOSED,
                             .priority = HD_PRIORITY_LOW,
                             .owner_id = "u-other",
                             .created_at_ms = ticket.created_at_ms,
                             .updated_at_ms = hd_stamp(f)};
    hd_put_ticket_ok(f, &bare, 1);
    hd_assert_equal(&hd_ticket_record, &bare, hd_get_ticket(f, "tkt-001"));
    struct hd_user user = hd_sample_user(f, "u-1");
    hd_put_user_ok(f, &user, 0);
    struct hd_user bare_user = {.user_id = "u-1",
                                .version = 2,
                                .name = "other",
                                .role = HD_ROLE_CUSTOMER,
                                .created_at_ms = user.created_at_ms,
                                .updated_at_ms = hd_stamp(f)};
    hd_put_user_ok(f, &bare_user, 1);
    hd_assert_equal(&hd_user_record, &bare_user, hd_get_user(f, "u-1"));
}

static void a_move_replaces_all_of_the_state_and_nothing_else(struct hd_fixture *f) {
    struct hd_notification from = hd_sample_notification(f, "u-10", HD_SMS);
    from.critical = true;
    hd_put_notification_ok(f, &from);
    struct hd_notification to = from;
    to.status = HD_SENDING;
    to.reason = "a_reason";
    to.attempts = 3;
    to.attempts_forgiven = 2;
    to.owner_token = "worker-1";
    to.updated_at_ms = hd_stamp(f);
    to.next_attempt_at_ms = hd_stamp(f);
    to.sent_at_ms = hd_stamp(f);
    HD_ONE_CHANGE(f, hd_move_notification(&set_, &from, &to, HD_MOVE_BEGIN));
    hd_assert_equal(&hd_notification_record, &to, hd_get_notification(f, from.notification_id));
    struct hd_notification back = from;
    back.updated_at_ms = hd_stamp(f);
    HD_ONE_CHANGE(f, hd_move_notification(&set_, &to, &back, HD_MOVE_RETRY));
    hd_assert_equal(&hd_notification_record, &back, hd_get_notification(f, from.notification_id));
}

static void what_is_absent_comes_back_absent(struct hd_fixture *f) {
    put_ticket(f, (struct hd_ticket){.ticket_id = "tkt-1", .version = 1, .title = "t", .owner_id = "u-1", .created_at_ms = hd_stamp(f)});
    put_user(f, (struct hd_user){.user_id = "u-1", .version = 1, .name = "n", .created_at_ms = hd_stamp(f)});
    put_event(f, (struct hd_event){.event_id = "e-1", .schema_version = 1, .ticket_id = "tkt-1", .payload = "{}"});
    struct hd_notification notification = hd_sample_notification(f, "u-1", HD_EMAIL);
    notification.ticket_id = notification.correlation_id = notification.traceparent = NULL;
    put_notification(f, notification);
    put_letter(f, (struct hd_dead_letter){
                      .dead_letter_id = "d-1", .queue = "router", .reason = "invalid_event", .body = "{", .created_at_ms = hd_stamp(f)});
    put_audit(f, (struct hd_audit){.audit_id = "a-1", .action = "user.created", .subject = "u-1", .actor = "u-1", .detail = "{}"});
    put_answer(f, (struct hd_answer){.key = "0a", .body_hash = "0b", .http_status = 422, .body = "{}"});
    put_attempt(f, &(struct hd_attempt){.number = 1, .provider = "smtp"});
    put_inbox_item(f,
                   &(struct hd_inbox_item){.user_id = "u-1", .event = "Reminder", .title = "t", .body = "b", .created_at_ms = hd_stamp(f)});
}

static void any_text_comes_back_byte_for_byte_and_the_empty_one_is_not_absent(struct hd_fixture *f) {
    for (size_t i = 0; i < HD_ARRAY_LEN(awkward_texts); i++) {
        const char *text = awkward_texts[i];
        struct hd_ticket ticket = hd_sample_ticket(f, hd_new_id(f));
        ticket.title = ticket.description = text;
        put_ticket(f, ticket);
        struct hd_user user = hd_sample_user(f, hd_new_id(f));
        user.name = user.phone = text;
        put_user(f, user);
        struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_new_id(f));
        letter.detail = letter.body = text;
        put_letter(f, letter);
        struct hd_answer answer = hd_sample_answer(f, hd_new_id(f));
        answer.body = text;
        put_answer(f, answer);
        struct hd_attempt attempt = hd_sample_attempt(f, "", 1);
        attempt.detail = text;
        put_attempt(f, &attempt);
        put_inbox_item(
            f, &(struct hd_inbox_item){.user_id = "u-1", .event = "Reminder", .title = text, .body = text, .created_at_ms = hd_stamp(f)});
        if (text[0] == '\0')
            continue;
        struct hd_event event = hd_sample_event(f, hd_new_id(f));
        event.correlation_id = text;
        put_event(f, event);
        struct hd_audit entry = hd_sample_audit(f, hd_new_id(f));
        entry.actor = text;
        put_audit(f, entry);
    }
}

static void every_value_of_every_enum_comes_back(struct hd_fixture *f) {
    for (unsigned i = 0; i < 8; i++) {
        struct hd_ticket ticket = hd_sample_ticket(f, hd_new_id(f));
        ticket.status = (enum hd_ticket_status)(i % HD_TICKET_STATUS_COUNT);
        ticket.priority = (enum hd_priority)(i % HD_PRIORITY_COUNT);
        ticket.channels = i * 4 % (HD_ALL_CHANNELS + 1);
        put_ticket(f, ticket);
        struct hd_user user = hd_sample_user(f, hd_new_id(f));
        user.role = (enum hd_role)(i % HD_ROLE_COUNT);
        user.channels_off = HD_ALL_CHANNELS >> i;
        put_user(f, user);
        struct hd_event event = hd_sample_event(f, hd_new_id(f));
        event.type = (enum hd_event_type)(i % HD_EVENT_TYPE_COUNT);
        event.schema_version = (int)i + 1;
        put_event(f, event);
        struct hd_notification notification = hd_sample_notification(f, "u-1", (enum hd_channel)(i % HD_CHANNEL_COUNT));
        notification.event = i == 7 ? "DeadLetter" : hd_event_type_name((enum hd_event_type)(i % HD_EVENT_TYPE_COUNT));
        notification.status = (enum hd_status)(i % HD_STATUS_COUNT);
        notification.critical = i % 2;
        put_notification(f, notification);
        struct hd_attempt attempt = hd_sample_attempt(f, "", 1);
        attempt.outcome = (enum hd_outcome_kind)(i % HD_OUTCOME_COUNT);
        put_attempt(f, &attempt);
        struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_new_id(f));
        letter.queue = hd_queue_name_text((enum hd_queue_name)(i % HD_QUEUE_COUNT));
        letter.channel = hd_channel_name((enum hd_channel)(i % HD_CHANNEL_COUNT));
        put_letter(f, letter);
    }
}

static void numbers_keep_all_their_digits(struct hd_fixture *f) {
    static const int64_t numbers[] = {0, 1, -1, 253402300799999, ((int64_t)1 << 53) + 1, INT64_MAX, INT64_MIN + 1};
    for (size_t i = 0; i < HD_ARRAY_LEN(numbers); i++) {
        int64_t n = numbers[i];
        struct hd_event event = hd_sample_event(f, hd_new_id(f));
        event.occurred_at_ms = n;
        put_event(f, event);
        struct hd_attempt attempt = hd_sample_attempt(f, "", 1);
        attempt.duration_ms = n;
        put_attempt(f, &attempt);
        struct hd_audit entry = hd_sample_audit(f, hd_new_id(f));
        entry.at_ms = n;
        put_audit(f, entry);
        struct hd_notification notification = hd_sample_notification(f, "u-1", HD_EMAIL);
        notification.sent_at_ms = notification.next_attempt_at_ms = notification.updated_at_ms = n;
        notification.attempts = notification.attempts_forgiven = INT_MAX;
        put_notification(f, notification);
        if (n < 1)
            continue;
        struct hd_ticket ticket = hd_sample_ticket(f, hd_new_id(f));
        ticket.version = n;
        ticket.updated_at_ms = n;
        put_ticket(f, ticket);
        ticket.version = 5;
        hd_put_ticket_ok(f, &ticket, n);
        HD_ONE_CHANGE_REFUSED(f, hd_put_ticket(&set_, &ticket, n));
    }
}

static void large_texts_come_back_whole(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, hd_new_id(f));
    ticket.description = hd_long_text(f, TEXT_BYTES);
    put_ticket(f, ticket);
    struct hd_event event = hd_sample_event(f, hd_new_id(f));
    event.payload = hd_long_text(f, HD_EVENT_MAX_BYTES);
    put_event(f, event);
    struct hd_attempt attempt = hd_sample_attempt(f, "", 1);
    attempt.message = hd_long_text(f, LARGE_BYTES);
    put_attempt(f, &attempt);
    struct hd_answer answer = hd_sample_answer(f, "0a");
    answer.body = hd_long_text(f, LARGE_BYTES);
    put_answer(f, answer);
    struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_new_id(f));
    letter.body = hd_long_text(f, HD_MESSAGE_MAX_BYTES);
    put_letter(f, letter);
    put_inbox_item(
        f, &(struct hd_inbox_item){
               .user_id = "u-1", .event = "Reminder", .title = "t", .body = hd_long_text(f, TEXT_BYTES), .created_at_ms = hd_stamp(f)});
}

/* ---- ids ---- */

static void any_id_is_taken_and_is_no_other(struct hd_fixture *f) {
    const char *ids[HD_ARRAY_LEN(awkward_ids) + 2];
    memcpy(ids, awkward_ids, sizeof(awkward_ids));
    ids[HD_ARRAY_LEN(awkward_ids)] = longest_id(f, 'y');
    ids[HD_ARRAY_LEN(awkward_ids) + 1] = longest_id(f, 'z');
    size_t count = HD_ARRAY_LEN(ids);
    for (size_t i = 0; i < count; i++) {
        assert_true(hd_id_acceptable(ids[i]));
        assert_null(hd_get_ticket(f, ids[i])); /* no other has made it appear */
        assert_null(hd_get_user(f, ids[i]));
        assert_null(hd_get_event(f, ids[i]));
        assert_null(hd_get_answer(f, ids[i]));
        assert_null(hd_get_audit(f, ids[i]));
        assert_false(hd_get_processed(f, "router", ids[i]));
        struct hd_ticket ticket = hd_sample_ticket(f, ids[i]);
        ticket.title = ticket.owner_id = ticket.assigned_agent_id = ids[i];
        put_ticket(f, ticket);
        struct hd_user user = hd_sample_user(f, ids[i]);
        user.name = ids[i];
        user.email = NULL;
        put_user(f, user);
        struct hd_event event = hd_sample_event(f, ids[i]);
        event.ticket_id = event.actor_id = event.correlation_id = ids[i];
        put_event(f, event);
        struct hd_audit entry = hd_sample_audit(f, ids[i]);
        entry.subject = entry.actor = ids[i];
        put_audit(f, entry);
        put_answer(f, hd_sample_answer(f, ids[i]));
        HD_ONE_CHANGE(f, hd_mark_processed(&set_, "router", ids[i], 1));
        struct hd_notification notification = hd_sample_notification(f, ids[i], HD_EMAIL);
        notification.event_id = notification.ticket_id = notification.correlation_id = ids[i];
        put_notification(f, notification);
        struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_new_id(f));
        letter.event_id = letter.ticket_id = letter.target = ids[i];
        put_letter(f, letter);
        put_inbox_item(
            f,
            &(struct hd_inbox_item){
                .user_id = ids[i], .event = "Reminder", .ticket_id = ids[i], .title = ids[i], .body = "b", .created_at_ms = hd_stamp(f)});
    }
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(hd_get_ticket(f, ids[i])->title, ids[i]);
        assert_string_equal(hd_get_user(f, ids[i])->name, ids[i]);
        assert_string_equal(hd_get_event(f, ids[i])->ticket_id, ids[i]);
        assert_string_equal(hd_get_audit(f, ids[i])->subject, ids[i]);
        struct hd_ticket_filter owner = hd_any_ticket;
        owner.owner_id = ids[i];
        assert_int_equal(hd_list_all(f, HD_LIST_TICKETS, &owner, 10).count, 1);
        struct hd_notification_filter filter = hd_any_notification;
        filter.event_id = ids[i];
        assert_int_equal(hd_list_all(f, HD_LIST_NOTIFICATIONS, &filter, 10).count, 1);
        filter = hd_any_notification;
        filter.ticket_id = ids[i];
        assert_true(hd_list_all(f, HD_LIST_NOTIFICATIONS, &filter, 10).count >= 1);
        filter = hd_any_notification;
        filter.target = ids[i];
        assert_int_equal(hd_list_all(f, HD_LIST_NOTIFICATIONS, &filter, 10).count, 2); /* by e-mail, and in the app */
        struct hd_inbox_filter inbox = {.user_id = ids[i]};
        struct hd_list items = hd_list_all(f, HD_LIST_INBOX, &inbox, 10);
        assert_int_equal(items.count, 1);
        assert_string_equal(((const struct hd_inbox_item *)hd_list_at(&items, 0))->title, ids[i]);
        assert_int_equal(hd_get_unread(f, ids[i], 10), 1);
    }
}

static void what_was_never_put_is_not_there(struct hd_fixture *f) {
    struct hd_notification notification = hd_sample_notification(f, "u-1", HD_EMAIL);
    hd_put_notification_ok(f, &notification);
    char upper[HD_ID_TEXT_LEN + 1];
    for (size_t i = 0; i <= HD_ID_TEXT_LEN; i++) {
        char c = notification.notification_id[i];
        upper[i] = c >= 'a' && c <= 'f' ? (char)(c - 'a' + 'A') : c;
    }
    const char *ids[] = {hd_new_id(f), "none", "1", "%", longest_id(f, 'y'), upper, ""};
    for (size_t i = 0; i < HD_ARRAY_LEN(ids); i++) {
        assert_null(hd_get_ticket(f, ids[i]));
        assert_null(hd_get_user(f, ids[i]));
        assert_null(hd_get_event(f, ids[i]));
        assert_null(hd_get_notification(f, ids[i]));
        assert_null(hd_get_dead_letter(f, ids[i]));
        assert_null(hd_get_inbox_item(f, ids[i]));
        assert_null(hd_get_answer(f, ids[i]));
        assert_null(hd_get_audit(f, ids[i]));
        assert_false(hd_get_processed(f, "router", ids[i]));
        assert_int_equal(hd_get_unread(f, ids[i], 10), 0);
        const struct hd_attempt *attempts = NULL;
        assert_int_equal(hd_get_attempts(f, ids[i], &attempts), 0);
    }
}

/* ---- memory ---- */

static void nothing_is_kept_of_the_memory_of_a_changeset(struct hd_fixture *f) {
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    assert_non_null(arena);
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    char title[] = "title", body[] = "\"message\"", id[] = "tkt-001";
    struct hd_ticket volatile_ticket = ticket;
    volatile_ticket.ticket_id = id;
    volatile_ticket.title = title;
    ticket.title = "title";
    struct hd_changeset set = hd_changeset(arena);
    hd_put_ticket(&set, &volatile_ticket, 0);
    hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, body, f->now_ms, 0);
    hd_commit_ok(f, &set);
    memset(title, '#', strlen(title));
    memset(body, '#', strlen(body));
    memset(id, '#', strlen(id));
    hd_arena_reset(arena);
    void *scribble = hd_arena_alloc(arena, 4096);
    assert_non_null(scribble);
    memset(scribble, 0x5a, 4096);
    hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(f, "tkt-001"));
    assert_string_equal(hd_take_one(f, HD_QUEUE_EMAIL, 1000).body, "\"message\"");
}

static void what_was_read_stays_as_it_was_read(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    hd_put_ticket_ok(f, &ticket, 0);
    struct hd_store *other = f->backend->store(f->handle);
    assert_non_null(other);
    const struct hd_ticket *read = NULL;
    struct hd_error err = {0};
    assert_int_equal(other->ops->ticket(other, f->arena, "tkt-001", &read, &err), 0);
    struct hd_list list = hd_list_all(f, HD_LIST_TICKETS, &hd_any_ticket, 10);
    struct hd_ticket next = ticket;
    next.version = 2;
    next.title = "another title, and a longer one";
    hd_put_ticket_ok(f, &next, 1);
    other->ops->close(other);
    for (int i = 0; i < 50; i++)
        (void)hd_get_ticket(f, "tkt-001");
    hd_assert_equal(&hd_ticket_record, &ticket, read);
    hd_assert_equal(&hd_ticket_record, &ticket, hd_list_at(&list, 0));
}

static void a_read_that_does_not_fit_the_arena_fails_and_sets_nothing(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    ticket.description = hd_long_text(f, TEXT_BYTES);
    hd_put_ticket_ok(f, &ticket, 0);
    struct hd_notification notification = hd_sample_notification(f, "u-1", HD_EMAIL);
    struct hd_attempt attempt = hd_sample_attempt(f, notification.notification_id, 1);
    attempt.message = hd_long_text(f, TEXT_BYTES);
    struct hd_changeset set = hd_changes(f);
    hd_put_notification(&set, &notification);
    hd_append_attempt(&set, &attempt);
    hd_commit_ok(f, &set);

    HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(SMALL_ARENA_BYTES);
    assert_non_null(small);
    struct hd_error err = {0};
    const void *marker = f;
    const struct hd_ticket *read = marker;
    assert_int_equal(f->store->ops->ticket(f->store, small, "tkt-001", &read, &err), HD_ERR_NO_MEMORY);
    assert_int_equal(err.code, HD_ERR_NO_MEMORY);
    assert_ptr_equal(read, marker);
    const struct hd_attempt *attempts = marker;
    size_t count = 77;
    assert_int_equal(f->store->ops->attempts(f->store, small, notification.notification_id, &attempts, &count, &err), HD_ERR_NO_MEMORY);
    assert_ptr_equal(attempts, marker);
    assert_int_equal(count, 77);
    struct hd_page page = {.limit = 10};
    const struct hd_ticket *list = marker;
    const char *next = marker;
    assert_int_equal(f->store->ops->tickets(f->store, small, &hd_any_ticket, &page, &list, &count, &next, &err), HD_ERR_NO_MEMORY);
    assert_ptr_equal(list, marker);
    assert_ptr_equal(next, marker);
    assert_int_equal(count, 77);
    hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(f, "tkt-001")); /* the view is as good as before */
}

/* ---- who sees what when ---- */

/* The other view has looked before, and has seen that nothing was there: it may not remember that. */
static void an_own_write_is_seen_by_the_next_read_of_every_view(struct hd_fixture *f) {
    struct hd_fixture other = *f;
    other.store = f->backend->store(f->handle);
    assert_non_null(other.store);
    struct hd_fixture *views[] = {f, &other};
    struct hd_notification_filter mine = hd_any_notification;
    mine.target = "u-1";
    struct hd_inbox_filter inbox = {.user_id = "u-1", .unread = true};
    for (int round = 0; round < 20; round++) {
        struct hd_fixture *writer = views[round % 2];
        f->stamp_ms = other.stamp_ms = f->stamp_ms > other.stamp_ms ? f->stamp_ms : other.stamp_ms; /* one clock */
        const char *ticket_id = hd_textf(f, "tkt-%d", round);
        struct hd_ticket ticket = hd_sample_ticket(f, ticket_id);
        struct hd_user user = hd_sample_user(f, hd_textf(f, "user-%d", round));
        struct hd_dead_letter letter = hd_sample_dead_letter(f, hd_textf(f, "d-%d", round));
        for (int v = 0; v < 2; v++)
            assert_null(hd_get_ticket(views[v], ticket_id));
        struct hd_changeset set = hd_changes(f);
        hd_put_ticket(&set, &ticket, 0);
        hd_put_user(&set, &user, 0);
        hd_put_dead_letter(&set, &letter);
        hd_commit_ok(writer, &set);
        struct hd_inbox_item item = hd_inbox_item_ok(writer, "u-1");
        for (int v = 0; v < 2; v++) {
            hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(views[v], ticket_id));
            hd_assert_equal(&hd_inbox_item_record, &item, hd_get_inbox_item(views[v], item.notification_id));
            assert_int_equal(hd_get_unread(views[v], "u-1", 100), round + 1);
            const struct hd_list lists[] = {
                hd_list_all(views[v], HD_LIST_TICKETS, &hd_any_ticket, 200),
                hd_list_all(views[v], HD_LIST_USERS, &hd_any_user, 200),
                hd_list_all(views[v], HD_LIST_NOTIFICATIONS, &mine, 200),
                hd_list_all(views[v], HD_LIST_DEAD_LETTERS, &hd_any_dead_letter, 200),
                hd_list_all(views[v], HD_LIST_INBOX, &inbox, 200),
            };
            const char *newest[] = {ticket_id, user.user_id, item.notification_id, letter.dead_letter_id, item.notification_id};
            for (size_t i = 0; i < HD_ARRAY_LEN(lists); i++) {
                assert_int_equal(lists[i].count, round + 1);
                assert_string_equal(hd_list_id(&lists[i], 0), newest[i]);
            }
        }
    }
    other.store->ops->close(other.store);
}

static void reads_between_begin_and_end_are_like_any_others(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    hd_put_ticket_ok(f, &ticket, 0);
    struct hd_store *writer = f->backend->store(f->handle);
    assert_non_null(writer);
    for (int64_t version = 1; version < 5; version++) {
        struct hd_error err = {0};
        assert_int_equal(f->store->ops->begin_reads(f->store, &err), 0);
        hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(f, "tkt-001"));
        assert_null(hd_get_user(f, "u-1"));
        assert_int_equal(hd_list_all(f, HD_LIST_TICKETS, &hd_any_ticket, 10).count, 1);
        struct hd_changeset set = hd_changes(f);
        ticket.version++;
        hd_put_ticket(&set, &ticket, version);
        const struct hd_changeset *sets[] = {&set};
        struct hd_commit_result result;
        hd_commit_many(writer, sets, 1, &result); /* of another view, meanwhile */
        assert_int_equal(result.code, 0);
        int64_t seen = hd_get_ticket(f, "tkt-001")->version;
        assert_in_range(seen, version, version + 1);
        f->store->ops->end_reads(f->store);
        hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(f, "tkt-001"));
    }
    writer->ops->close(writer);
    ticket.version++;
    hd_put_ticket_ok(f, &ticket, ticket.version - 1); /* after end_reads the view writes as before */
}

static void read_ahead(struct hd_fixture *f, const struct hd_wanted *things, size_t count) {
    struct hd_error err = {0};
    if (f->store->ops->read_ahead && f->store->ops->read_ahead(f->store, things, count, &err) != 0)
        fail_msg("reading ahead: %s", err.detail);
}

/* What is there, what is not, the same twice; and after the end, everything as it is then. */
static void what_is_read_ahead_is_what_is_there(struct hd_fixture *f) {
    struct hd_ticket ticket = hd_sample_ticket(f, "tkt-001");
    struct hd_user user = hd_sample_user(f, "u-1");
    struct hd_event event = hd_sample_event(f, "evt-1");
    struct hd_dead_letter letter = hd_sample_dead_letter(f, "d-1");
    struct hd_notification notification = hd_sample_notification(f, "u-1", HD_EMAIL);
    put_ticket(f, ticket);
    put_user(f, user);
    put_event(f, event);
    put_letter(f, letter);
    put_notification(f, notification);
    const struct hd_wanted things[] = {
        {HD_WANTED_TICKET, "tkt-001"},  {HD_WANTED_USER, "u-1"},
        {HD_WANTED_EVENT, "evt-1"},     {HD_WANTED_NOTIFICATION, notification.notification_id},
        {HD_WANTED_DEAD_LETTER, "d-1"}, {HD_WANTED_TICKET, "none"},
        {HD_WANTED_USER, "u-1"},
    };
    struct hd_error err = {0};
    assert_int_equal(f->store->ops->begin_reads(f->store, &err), 0);
    read_ahead(f, things, 2);
    read_ahead(f, things, HD_ARRAY_LEN(things));
    read_ahead(f, NULL, 0);
    hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(f, "tkt-001"));
    hd_assert_equal(&hd_user_record, &user, hd_get_user(f, "u-1"));
    hd_assert_equal(&hd_event_record, &event, hd_get_event(f, "evt-1"));
    hd_assert_equal(&hd_dead_letter_record, &letter, hd_get_dead_letter(f, "d-1"));
    hd_assert_equal(&hd_notification_record, &notification, hd_get_notification(f, notification.notification_id));
    assert_null(hd_get_ticket(f, "none"));
    assert_null(hd_get_user(f, "tkt-001"));
    f->store->ops->end_reads(f->store);
    ticket.version = 2;
    hd_put_ticket_ok(f, &ticket, 1);
    put_ticket(f, hd_sample_ticket(f, "none"));
    hd_assert_equal(&hd_ticket_record, &ticket, hd_get_ticket(f, "tkt-001"));
    assert_int_equal(f->store->ops->begin_reads(f->store, &err), 0);
    read_ahead(f, things, HD_ARRAY_LEN(things));
    assert_non_null(hd_get_ticket(f, "none"));
    f->store->ops->end_reads(f->store);
}

static const struct hd_case cases[] = {
    HD_CASE(every_member_comes_back_as_it_was_put),
    HD_CASE(a_second_version_replaces_every_member),
    HD_CASE(a_move_replaces_all_of_the_state_and_nothing_else),
    HD_CASE(what_is_absent_comes_back_absent),
    HD_CASE(any_text_comes_back_byte_for_byte_and_the_empty_one_is_not_absent),
    HD_CASE(every_value_of_every_enum_comes_back),
    HD_CASE(numbers_keep_all_their_digits),
    HD_CASE(large_texts_come_back_whole),
    HD_CASE(any_id_is_taken_and_is_no_other),
    HD_CASE(what_was_never_put_is_not_there),
    HD_CASE(nothing_is_kept_of_the_memory_of_a_changeset),
    HD_CASE(what_was_read_stays_as_it_was_read),
    HD_CASE(a_read_that_does_not_fit_the_arena_fails_and_sets_nothing),
    HD_CASE(an_own_write_is_seen_by_the_next_read_of_every_view),
    HD_CASE(reads_between_begin_and_end_are_like_any_others),
    HD_CASE(what_is_read_ahead_is_what_is_there),
};
const struct hd_cases hd_values_cases = {"values", cases, HD_ARRAY_LEN(cases)};
