#include <stdio.h>
#include <string.h>

#include "tests/support/api.h"

static struct hd_api *api;
static const char *admin;
static const struct hd_store_ops *memory_ops;

static int set_up(void **state) {
    (void)state;
    api = hd_api_new(false);
    admin = hd_api_token(api, HD_ROLE_ADMIN, "u-1");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hd_api_free(api);
    return 0;
}

static void commit(const struct hd_changeset *changes) {
    const struct hd_changeset *sets[] = {changes};
    struct hd_commit_result result;
    struct hd_error err;
    assert_int_equal(hd_changeset_check(changes, NULL), 0);
    if (api->ctx.store->ops->commit(api->ctx.store, sets, 1, &result, &err) < 0 || result.code)
        fail_msg("the set-up did not happen, change %zu", result.change);
}

static struct hd_notification notification(const char *id, const char *target, enum hd_channel channel) {
    return (struct hd_notification){.notification_id = id,
                                    .event_id = hd_api_printf(api, "e-%s", id),
                                    .event = "TicketCreated",
                                    .ticket_id = "tkt-1",
                                    .target = target,
                                    .channel = channel,
                                    .status = HD_PENDING,
                                    .accepted_at_ms = 1,
                                    .created_at_ms = api->ctx.now_ms,
                                    .updated_at_ms = api->ctx.now_ms};
}

static void put(const struct hd_notification *n) {
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_put_notification(&changes, n);
    commit(&changes);
}

/* Given up after three attempts, with its dead letter. */
static struct hd_notification dead(const char *id, bool critical) {
    struct hd_notification pending = notification(id, "u-10", HD_EMAIL);
    pending.critical = critical;
    put(&pending);
    struct hd_notification given_up = pending;
    given_up.status = HD_DEAD;
    given_up.reason = "attempts_exhausted";
    given_up.attempts = 3;
    struct hd_attempt attempt = {
        .notification_id = id, .number = 3, .at_ms = 1, .outcome = HD_OUTCOME_RETRY, .provider = "smtp", .detail = "451", .duration_ms = 5};
    struct hd_dead_letter letter = {.dead_letter_id = hd_api_printf(api, "d-%s", id),
                                    .queue = "email",
                                    .reason = "attempts_exhausted",
                                    .attempts = 3,
                                    .notification_id = id,
                                    .event_id = given_up.event_id,
                                    .ticket_id = "tkt-1",
                                    .target = "u-10",
                                    .channel = "email",
                                    .body = "{}",
                                    .created_at_ms = api->ctx.now_ms++};
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_move_notification(&changes, &pending, &given_up, HD_MOVE_GIVE_UP);
    hd_append_attempt(&changes, &attempt);
    hd_put_dead_letter(&changes, &letter);
    commit(&changes);
    return given_up;
}

static void dead_message(const char *id, const char *queue, const char *body) {
    struct hd_dead_letter letter = {
        .dead_letter_id = id, .queue = queue, .reason = "invalid_event", .attempts = 1, .body = body, .created_at_ms = api->ctx.now_ms++};
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_put_dead_letter(&changes, &letter);
    commit(&changes);
}

static const struct hd_change *find_change(enum hd_change_kind kind) {
    for (size_t i = 0; i < api->changes.count; i++) {
        if (api->changes.changes[i].kind == kind)
            return &api->changes.changes[i];
    }
    fail_msg("there is no change of kind %d", (int)kind);
    return NULL;
}

/* ---- notifications ---- */

static void notifications_are_filtered(void **state) {
    (void)state;
    const struct hd_notification all[] = {notification("n-1", "u-10", HD_EMAIL), notification("n-2", "u-10", HD_INAPP),
                                          notification("n-3", "u-11", HD_EMAIL)};
    for (size_t i = 0; i < HD_ARRAY_LEN(all); i++)
        put(&all[i]);
    static const struct {
        const char *query;
        size_t count;
    } cases[] = {{"", 3},
                 {"channel=email", 2},
                 {"userId=u-10", 2},
                 {"userId=u-10&channel=inapp", 1},
                 {"ticketId=tkt-1", 3},
                 {"ticketId=x", 0},
                 {"eventId=e-n-3", 1},
                 {"status=pending", 3},
                 {"status=dead", 0}};
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = "/notifications", .query = cases[i].query, .token = admin);
        hd_assert_status(answer, 200);
        if (json_array_size(hd_api_at(&answer, "items")) != cases[i].count)
            fail_msg("?%s: %s", cases[i].query, answer.body);
    }
    struct hd_api_answer bad = hd_ask(api, .path = "/notifications", .query = "channel=fax", .token = admin);
    hd_assert_problem(api, bad, 422, "invalid");
    struct hd_api_answer customers = hd_ask(api, .path = "/notifications", .token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10"));
    hd_assert_problem(api, customers, 403, "forbidden");
}

static void a_notification_shows_its_attempts_and_the_last_rendered_message(void **state) {
    (void)state;
    struct hd_notification n = notification("n-1", "u-10", HD_EMAIL);
    put(&n);
    struct hd_api_answer fresh = hd_ask(api, .path = "/notifications/n-1", .token = admin);
    assert_int_equal(json_array_size(hd_api_at(&fresh, "attemptLog")), 0);
    assert_true(json_is_null(hd_api_at(&fresh, "message")));
    for (int number = 1; number <= 3; number++) {
        struct hd_notification again = n;
        again.attempts = number;
        struct hd_attempt attempt = {
            .notification_id = "n-1",
            .number = number,
            .at_ms = number,
            .outcome = HD_OUTCOME_RETRY,
            .provider = "smtp",
            .duration_ms = 5,
            .message =
                number == 3 ? NULL : hd_api_printf(api, "{\"to\":\"a@b.c\",\"subject\":\"%d\",\"text\":\"\",\"html\":\"\"}", number)};
        struct hd_changeset changes = hd_changeset(api->arena);
        hd_move_notification(&changes, &n, &again, HD_MOVE_RETRY);
        hd_append_attempt(&changes, &attempt);
        commit(&changes);
        n = again;
    }
    struct hd_api_answer answer = hd_ask(api, .path = "/notifications/n-1", .token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10"));
    hd_assert_status(answer, 200);
    assert_string_equal(hd_api_text(&answer, "notificationId"), "n-1");
    assert_int_equal(json_array_size(hd_api_at(&answer, "attemptLog")), 3);
    assert_int_equal(json_integer_value(hd_api_at(&answer, "attemptLog/0/number")), 1);
    assert_string_equal(hd_api_text(&answer, "message/subject"), "2");
    struct hd_api_answer hidden = hd_ask(api, .path = "/notifications/n-1", .token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-11"));
    hd_assert_problem(api, hidden, 404, "not-found");
}

static void a_customer_sees_of_a_ticket_what_was_addressed_to_them(void **state) {
    (void)state;
    struct hd_ticket ticket = {
        .ticket_id = "tkt-1", .version = 1, .title = "x", .description = "", .owner_id = "u-10", .created_at_ms = 1, .updated_at_ms = 1};
    struct hd_notification own = notification("n-1", "u-10", HD_EMAIL), agents = notification("n-2", "u-2", HD_INAPP);
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_put_ticket(&changes, &ticket, 0);
    commit(&changes);
    put(&own);
    put(&agents);
    struct hd_api_answer answer = hd_ask(api, .path = "/tickets/tkt-1/notifications", .token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10"));
    hd_assert_status(answer, 200);
    assert_int_equal(json_array_size(hd_api_at(&answer, "items")), 1);
    assert_string_equal(hd_api_text(&answer, "items/0/notificationId"), "n-1");
    struct hd_api_answer all = hd_ask(api, .path = "/tickets/tkt-1/notifications", .token = admin);
    assert_int_equal(json_array_size(hd_api_at(&all, "items")), 2);
}

/* ---- dead letters ---- */

static void a_dead_notification_is_sent_again_with_fresh_attempts(void **state) {
    (void)state;
    dead("n-1", false);
    struct hd_api_answer list = hd_ask(api, .path = "/dead-letters", .query = "queue=email&reason=attempts_exhausted", .token = admin);
    assert_string_equal(hd_api_text(&list, "items/0/deadLetterId"), "d-n-1");
    struct hd_api_answer answer = hd_ask(api, .method = "POST", .path = "/dead-letters/d-n-1/redrive", .token = admin);
    hd_assert_status(answer, 200);
    assert_int_equal(json_integer_value(hd_api_at(&answer, "redriven")), 1);
    assert_true(json_is_false(hd_api_at(&answer, "more")));
    const struct hd_change *enqueued = find_change(HD_CHANGE_ENQUEUE);
    assert_int_equal(enqueued->enqueue.queue, HD_QUEUE_EMAIL);
    assert_int_equal(enqueued->enqueue.lane, HD_LANE_NORMAL);
    assert_string_equal(enqueued->enqueue.body, "{\"notificationId\":\"n-1\"}");
    const struct hd_audit *entry = find_change(HD_CHANGE_APPEND_AUDIT)->audit;
    assert_string_equal(entry->action, "dead_letter.redriven");
    assert_string_equal(entry->subject, "d-n-1");
    assert_string_equal(entry->actor, "u-1");
    const struct hd_notification *n = NULL;
    assert_int_equal(api->ctx.store->ops->notification(api->ctx.store, api->arena, "n-1", &n, NULL), 0);
    assert_int_equal(n->status, HD_PENDING);
    assert_int_equal(n->attempts, 3);
    assert_int_equal(n->attempts_forgiven, 3);
    assert_null(n->reason);
    assert_int_equal(n->next_attempt_at_ms, 0);
    struct hd_api_answer again = hd_ask(api, .method = "POST", .path = "/dead-letters/d-n-1/redrive", .token = admin);
    hd_assert_problem(api, again, 404, "not-found");
}

static void a_critical_one_goes_by_the_urgent_lane(void **state) {
    (void)state;
    dead("n-1", true);
    hd_assert_status(hd_ask(api, .method = "POST", .path = "/dead-letters/d-n-1/redrive", .token = admin), 200);
    assert_int_equal(find_change(HD_CHANGE_ENQUEUE)->enqueue.lane, HD_LANE_URGENT);
}

static void a_message_without_a_notification_goes_back_as_it_was(void **state) {
    (void)state;
    dead_message("d-1", "router", "{\"eventId\":\"e-1\"}");
    hd_assert_status(hd_ask(api, .method = "POST", .path = "/dead-letters/d-1/redrive", .token = admin), 200);
    assert_int_equal(find_change(HD_CHANGE_ENQUEUE)->enqueue.queue, HD_QUEUE_ROUTER);
    assert_string_equal(find_change(HD_CHANGE_ENQUEUE)->enqueue.body, "{\"eventId\":\"e-1\"}");
}

static void what_is_not_dead_any_more_is_not_sent_again(void **state) {
    (void)state;
    struct hd_notification n = dead("n-1", false), again = n;
    again.status = HD_PENDING;
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_move_notification(&changes, &n, &again, HD_MOVE_REDRIVE);
    commit(&changes);
    struct hd_api_answer one = hd_ask(api, .method = "POST", .path = "/dead-letters/d-n-1/redrive", .token = admin);
    hd_assert_problem(api, one, 409, "conflict");
    struct hd_api_answer all = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = "{}");
    hd_assert_status(all, 200);
    assert_int_equal(json_integer_value(hd_api_at(&all, "redriven")), 0);
    struct hd_api_answer list = hd_ask(api, .path = "/dead-letters", .token = admin);
    assert_int_equal(json_array_size(hd_api_at(&list, "items")), 0);
}

static void all_that_match_are_sent_again_some_at_a_time(void **state) {
    (void)state;
    for (int i = 0; i < HD_REDRIVE_MAX + 20; i++)
        dead(hd_api_printf(api, "n-%d", i), false);
    dead_message("d-other", "router", "{}");
    const char *body = "{\"queue\":\"email\",\"limit\":30}";
    struct hd_api_answer first = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = body);
    hd_assert_status(first, 200);
    assert_int_equal(json_integer_value(hd_api_at(&first, "redriven")), HD_REDRIVE_MAX);
    assert_true(json_is_true(hd_api_at(&first, "more")));
    struct hd_api_answer second = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = body);
    assert_int_equal(json_integer_value(hd_api_at(&second, "redriven")), 20);
    assert_true(json_is_false(hd_api_at(&second, "more")));
    struct hd_api_answer left = hd_ask(api, .path = "/dead-letters", .token = admin);
    assert_int_equal(json_array_size(hd_api_at(&left, "items")), 1);
    struct hd_api_answer bad = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = "{\"limit\":0}");
    hd_assert_problem(api, bad, 422, "invalid");
}

/* As a store that looks at a bounded amount for a page: the first has none of them. */
static int none_at_first(struct hd_store *store, struct hd_arena *arena, const struct hd_dead_letter_filter *filter,
                         const struct hd_page *page, const struct hd_dead_letter **ret, size_t *ret_count, const char **ret_next_cursor,
                         struct hd_error *err) {
    *ret_count = 0;
    *ret_next_cursor = "later";
    if (!page->cursor)
        return 0;
    assert_string_equal(page->cursor, "later");
    const struct hd_page first = {.limit = page->limit};
    return memory_ops->dead_letters(store, arena, filter, &first, ret, ret_count, ret_next_cursor, err);
}

static void an_empty_page_is_not_the_end(void **state) {
    (void)state;
    dead("n-1", false);
    memory_ops = api->ctx.store->ops;
    struct hd_store_ops ops = *memory_ops;
    ops.dead_letters = none_at_first;
    api->ctx.store->ops = &ops;
    struct hd_api_answer all = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = "{\"reason\":\"attempts_exhausted\"}");
    api->ctx.store->ops = memory_ops;
    hd_assert_status(all, 200);
    assert_int_equal(json_integer_value(hd_api_at(&all, "redriven")), 1);
    assert_true(json_is_false(hd_api_at(&all, "more")));
}

static void long_messages_are_sent_again_some_at_a_time(void **state) {
    (void)state;
    enum { LETTERS = 8, BODY_BYTES = 200 * 1000 };
    char *body = hd_arena_alloc(api->arena, BODY_BYTES + 1);
    assert_non_null(body);
    memset(body, 'x', BODY_BYTES);
    body[BODY_BYTES] = '\0';
    for (int i = 0; i < LETTERS; i++)
        dead_message(hd_api_printf(api, "d-%d", i), "router", body);
    size_t redriven = 0, rounds = 0;
    for (bool more = true; more; rounds++) {
        struct hd_api_answer answer = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = "{}");
        hd_assert_status(answer, 200);
        redriven += (size_t)json_integer_value(hd_api_at(&answer, "redriven"));
        more = json_is_true(hd_api_at(&answer, "more"));
    }
    assert_int_equal(redriven, LETTERS);
    assert_int_equal(rounds, 2);
}

static void a_queue_that_does_not_exist_is_refused(void **state) {
    (void)state;
    struct hd_api_answer listed = hd_ask(api, .path = "/dead-letters", .query = "queue=e-mail", .token = admin);
    hd_assert_problem(api, listed, 422, "invalid");
    struct hd_api_answer redriven = hd_ask(api, .path = "/dead-letters/redrive", .token = admin, .body = "{\"queue\":\"e-mail\"}");
    hd_assert_problem(api, redriven, 422, "invalid");
}

static void a_dead_letter_is_given_up(void **state) {
    (void)state;
    dead("n-1", false);
    struct hd_api_answer answer =
        hd_ask(api, .method = "DELETE", .path = "/dead-letters/d-n-1", .token = hd_api_token(api, HD_ROLE_MANAGER, "u-3"));
    hd_assert_status(answer, 204);
    assert_string_equal(answer.body, "");
    assert_string_equal(find_change(HD_CHANGE_APPEND_AUDIT)->audit->action, "dead_letter.purged");
    const struct hd_notification *n = NULL;
    assert_int_equal(api->ctx.store->ops->notification(api->ctx.store, api->arena, "n-1", &n, NULL), 0);
    assert_int_equal(n->status, HD_DEAD);
    struct hd_api_answer again = hd_ask(api, .method = "DELETE", .path = "/dead-letters/d-n-1", .token = admin);
    hd_assert_problem(api, again, 404, "not-found");
}

static void dead_letters_are_for_managers_and_administrators(void **state) {
    (void)state;
    for (int role = 0; role < HD_ROLE_COUNT; role++) {
        const char *token = hd_api_token(api, (enum hd_role)role, "u-5");
        bool may = role == HD_ROLE_MANAGER || role == HD_ROLE_ADMIN;
        hd_assert_status(hd_ask(api, .path = "/dead-letters", .token = token), may ? 200 : 403);
        hd_assert_status(hd_ask(api, .method = "POST", .path = "/dead-letters/x/redrive", .token = token), may ? 404 : 403);
        hd_assert_status(hd_ask(api, .path = "/dead-letters/redrive", .token = token, .body = "{}"), may ? 200 : 403);
        hd_assert_status(hd_ask(api, .method = "DELETE", .path = "/dead-letters/x", .token = token), may ? 404 : 403);
    }
}

/* ---- the inbox ---- */

static void inbox_item(const char *id, const char *user_id) {
    struct hd_notification n = notification(id, user_id, HD_INAPP), sent = n;
    sent.status = HD_SENT;
    sent.attempts = 1;
    put(&n);
    struct hd_inbox_item item = {.notification_id = id,
                                 .user_id = user_id,
                                 .event = "TicketCreated",
                                 .ticket_id = "tkt-1",
                                 .title = "t",
                                 .body = "b",
                                 .created_at_ms = api->ctx.now_ms++};
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_move_notification(&changes, &n, &sent, HD_MOVE_SENT);
    hd_put_inbox_item(&changes, &item);
    commit(&changes);
}

static void an_inbox_is_ones_own(void **state) {
    (void)state;
    inbox_item("n-1", "u-10");
    inbox_item("n-2", "u-10");
    inbox_item("n-3", "u-11");
    const char *token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10");
    struct hd_api_answer inbox = hd_ask(api, .path = "/inbox", .token = token);
    hd_assert_status(inbox, 200);
    assert_int_equal(json_array_size(hd_api_at(&inbox, "items")), 2);
    assert_string_equal(hd_api_text(&inbox, "items/0/notificationId"), "n-2");
    assert_int_equal(json_integer_value(hd_api_at(&inbox, "unreadCount")), 2);
    struct hd_api_answer theirs = hd_ask(api, .method = "POST", .path = "/inbox/n-3/read", .token = token);
    hd_assert_problem(api, theirs, 404, "not-found");
    struct hd_api_answer admins = hd_ask(api, .path = "/inbox", .token = admin);
    assert_int_equal(json_array_size(hd_api_at(&admins, "items")), 0);
    hd_assert_status(hd_ask(api, .path = "/inbox", .token = hd_api_token(api, HD_ROLE_SERVICE, "s-1")), 403);
}

static void a_message_is_read_once(void **state) {
    (void)state;
    inbox_item("n-1", "u-10");
    inbox_item("n-2", "u-10");
    const char *token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10");
    struct hd_api_answer read = hd_ask(api, .method = "POST", .path = "/inbox/n-1/read", .token = token);
    hd_assert_status(read, 200);
    const char *read_at = hd_api_text(&read, "readAt");
    api->ctx.now_ms += 60000;
    struct hd_api_answer again = hd_ask(api, .method = "POST", .path = "/inbox/n-1/read", .token = token);
    hd_assert_status(again, 200);
    assert_string_equal(hd_api_text(&again, "readAt"), read_at);
    struct hd_api_answer unread = hd_ask(api, .path = "/inbox", .query = "unread=true", .token = token);
    assert_int_equal(json_array_size(hd_api_at(&unread, "items")), 1);
    assert_int_equal(json_integer_value(hd_api_at(&unread, "unreadCount")), 1);
    struct hd_api_answer bad = hd_ask(api, .path = "/inbox", .query = "unread=yes", .token = token);
    hd_assert_problem(api, bad, 422, "invalid");
    hd_assert_field(bad, "?unread", "type");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(notifications_are_filtered),
        TEST(a_notification_shows_its_attempts_and_the_last_rendered_message),
        TEST(a_customer_sees_of_a_ticket_what_was_addressed_to_them),
        TEST(a_dead_notification_is_sent_again_with_fresh_attempts),
        TEST(a_critical_one_goes_by_the_urgent_lane),
        TEST(a_message_without_a_notification_goes_back_as_it_was),
        TEST(what_is_not_dead_any_more_is_not_sent_again),
        TEST(all_that_match_are_sent_again_some_at_a_time),
        TEST(an_empty_page_is_not_the_end),
        TEST(long_messages_are_sent_again_some_at_a_time),
        TEST(a_queue_that_does_not_exist_is_refused),
        TEST(a_dead_letter_is_given_up),
        TEST(dead_letters_are_for_managers_and_administrators),
        TEST(an_inbox_is_ones_own),
        TEST(a_message_is_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
