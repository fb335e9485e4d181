#include "core/changeset.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ARENA_BYTES = 4 * 1024 * 1024 };

static int new_arena(void **state) {
    *state = hd_arena_new(ARENA_BYTES);
    return *state ? 0 : -1;
}

static int free_arena(void **state) {
    hd_arena_free(*state);
    return 0;
}

static void an_empty_changeset_is_in_order(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    assert_int_equal(set.count, 0);
    assert_int_equal(hd_changeset_check(&set, NULL), 0);
}

static void the_structs_are_copied_so_that_the_callers_may_go(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    struct hd_ticket ticket = {.ticket_id = "t-1", .version = 1};
    struct hd_user user = {.user_id = "u-1"};
    struct hd_event event = {.event_id = "e-1"};
    struct hd_notification notification = {.notification_id = "n-1"};
    struct hd_attempt attempt = {.number = 1};
    struct hd_inbox_item item = {.title = "hello"};
    struct hd_dead_letter letter = {.dead_letter_id = "d-1"};
    struct hd_audit audit = {.audit_id = "a-1"};
    struct hd_answer answer = {.key = "k"};
    struct hd_message message = {.receipt = "r-1"};
    hd_put_ticket(&set, &ticket, 0);
    hd_put_user(&set, &user, 3);
    hd_append_event(&set, &event);
    hd_put_notification(&set, &notification);
    hd_append_attempt(&set, &attempt);
    hd_put_inbox_item(&set, &item);
    hd_put_dead_letter(&set, &letter);
    hd_append_audit(&set, &audit);
    hd_remember_answer(&set, &answer);
    hd_acknowledge(&set, &message);
    hd_postpone(&set, &message, 5, 6);
    memset(&ticket, 0xee, sizeof(ticket));
    memset(&user, 0xee, sizeof(user));
    memset(&event, 0xee, sizeof(event));
    memset(&notification, 0xee, sizeof(notification));
    memset(&attempt, 0xee, sizeof(attempt));
    memset(&item, 0xee, sizeof(item));
    memset(&letter, 0xee, sizeof(letter));
    memset(&audit, 0xee, sizeof(audit));
    memset(&answer, 0xee, sizeof(answer));
    memset(&message, 0xee, sizeof(message));

    assert_int_equal(hd_changeset_check(&set, NULL), 0);
    assert_int_equal(set.count, 11);
    const struct hd_change *c = set.changes;
    assert_int_equal(c[0].kind, HD_CHANGE_PUT_TICKET);
    assert_string_equal(c[0].put_ticket.ticket->ticket_id, "t-1");
    assert_int_equal(c[0].put_ticket.if_version, 0);
    assert_int_equal(c[1].kind, HD_CHANGE_PUT_USER);
    assert_string_equal(c[1].put_user.user->user_id, "u-1");
    assert_int_equal(c[1].put_user.if_version, 3);
    assert_int_equal(c[2].kind, HD_CHANGE_APPEND_EVENT);
    assert_string_equal(c[2].event->event_id, "e-1");
    assert_int_equal(c[3].kind, HD_CHANGE_PUT_NOTIFICATION);
    assert_string_equal(c[3].notification->notification_id, "n-1");
    assert_int_equal(c[4].kind, HD_CHANGE_APPEND_ATTEMPT);
    assert_int_equal(c[4].attempt->number, 1);
    assert_int_equal(c[5].kind, HD_CHANGE_PUT_INBOX_ITEM);
    assert_string_equal(c[5].inbox_item->title, "hello");
    assert_int_equal(c[6].kind, HD_CHANGE_PUT_DEAD_LETTER);
    assert_string_equal(c[6].dead_letter->dead_letter_id, "d-1");
    assert_int_equal(c[7].kind, HD_CHANGE_APPEND_AUDIT);
    assert_string_equal(c[7].audit->audit_id, "a-1");
    assert_int_equal(c[8].kind, HD_CHANGE_REMEMBER_ANSWER);
    assert_string_equal(c[8].answer->key, "k");
    assert_int_equal(c[9].kind, HD_CHANGE_ACKNOWLEDGE);
    assert_string_equal(c[9].message->receipt, "r-1");
    assert_int_equal(c[10].kind, HD_CHANGE_POSTPONE);
    assert_string_equal(c[10].postpone.message->receipt, "r-1");
    assert_int_equal(c[10].postpone.now_ms, 5);
    assert_int_equal(c[10].postpone.delay_ms, 6);
}

static void changes_without_a_struct_keep_their_values(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    hd_mark_processed(&set, "router", "e-1", 7);
    hd_read_inbox_item(&set, "n-1", "u-1", 8);
    hd_remove_dead_letter(&set, "d-1");
    hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_URGENT, "{}", 9, HD_DELAY_MAX_MS);
    assert_int_equal(hd_changeset_check(&set, NULL), 0);
    const struct hd_change *c = set.changes;
    assert_int_equal(c[0].kind, HD_CHANGE_MARK_PROCESSED);
    assert_string_equal(c[0].processed.processor, "router");
    assert_string_equal(c[0].processed.event_id, "e-1");
    assert_int_equal(c[0].processed.at_ms, 7);
    assert_int_equal(c[1].kind, HD_CHANGE_READ_INBOX_ITEM);
    assert_string_equal(c[1].read.notification_id, "n-1");
    assert_string_equal(c[1].read.user_id, "u-1");
    assert_int_equal(c[1].read.at_ms, 8);
    assert_int_equal(c[2].kind, HD_CHANGE_REMOVE_DEAD_LETTER);
    assert_string_equal(c[2].dead_letter_id, "d-1");
    assert_int_equal(c[3].kind, HD_CHANGE_ENQUEUE);
    assert_int_equal(c[3].enqueue.queue, HD_QUEUE_EMAIL);
    assert_int_equal(c[3].enqueue.lane, HD_LANE_URGENT);
    assert_string_equal(c[3].enqueue.body, "{}");
    assert_int_equal(c[3].enqueue.now_ms, 9);
    assert_int_equal(c[3].enqueue.delay_ms, HD_DELAY_MAX_MS);
}

static void a_move_is_conditional_on_what_the_decision_saw(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    const struct hd_notification from = {.notification_id = "n-1", .status = HD_SENDING, .attempts = 2, .owner_token = "w-1"};
    struct hd_notification to = from;
    to.status = HD_SENT;
    to.owner_token = NULL;
    to.sent_at_ms = 9;
    hd_move_notification(&set, &from, &to, HD_MOVE_SENT);
    to.sent_at_ms = 0;
    assert_int_equal(hd_changeset_check(&set, NULL), 0);
    assert_int_equal(set.changes[0].kind, HD_CHANGE_MOVE_NOTIFICATION);
    assert_int_equal(set.changes[0].move.if_status, HD_SENDING);
    assert_int_equal(set.changes[0].move.if_attempts, 2);
    assert_string_equal(set.changes[0].move.if_owner, "w-1");
    assert_int_equal(set.changes[0].move.to->status, HD_SENT);
    assert_int_equal(set.changes[0].move.to->sent_at_ms, 9);
}

static void a_thousand_changes_keep_their_order_and_one_too_many_is_a_limit(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    for (int64_t i = 0; i < HD_CHANGES_MAX; i++)
        hd_mark_processed(&set, "router", "e", i);
    assert_int_equal(hd_changeset_check(&set, NULL), 0);
    assert_int_equal(set.count, HD_CHANGES_MAX);
    for (int64_t i = 0; i < HD_CHANGES_MAX; i++)
        assert_int_equal(set.changes[i].processed.at_ms, i);
    hd_mark_processed(&set, "router", "e", -1);
    struct hd_error err = {0};
    assert_int_equal(hd_changeset_check(&set, &err), HD_ERR_LIMIT);
    assert_true(strlen(err.detail) > 0);
    assert_int_equal(set.count, HD_CHANGES_MAX);
}

static void a_message_over_the_limit_fails_the_changeset(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    char *body = test_malloc(HD_MESSAGE_MAX_BYTES + 2);
    memset(body, 'x', HD_MESSAGE_MAX_BYTES);
    body[HD_MESSAGE_MAX_BYTES] = '\0';
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, body, 0, 0);
    assert_int_equal(hd_changeset_check(&set, NULL), 0);
    body[HD_MESSAGE_MAX_BYTES] = 'x';
    body[HD_MESSAGE_MAX_BYTES + 1] = '\0';
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, body, 0, 0);
    assert_int_equal(hd_changeset_check(&set, NULL), HD_ERR_LIMIT);
    test_free(body);
}

static void a_body_that_found_no_memory_fails_the_changeset(void **state) {
    struct hd_changeset set = hd_changeset(*state);
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, NULL, 0, 0);
    assert_int_equal(hd_changeset_check(&set, NULL), HD_ERR_NO_MEMORY);
    assert_int_equal(set.count, 0);
}

static void without_memory_the_failure_is_kept_and_told_at_the_end(void **state) {
    (void)state;
    struct hd_arena *arena = hd_arena_new(HD_ARENA_BLOCK_BYTES);
    assert_non_null(arena);
    struct hd_changeset set = hd_changeset(arena);
    const struct hd_notification notification = {.notification_id = "n"};
    for (int i = 0; i < 500; i++)
        hd_put_notification(&set, &notification);
    struct hd_error err = {0};
    assert_int_equal(hd_changeset_check(&set, &err), HD_ERR_NO_MEMORY);
    assert_true(set.count < 500);
    for (size_t i = 0; i < set.count; i++)
        assert_non_null(set.changes[i].notification);
    hd_mark_processed(&set, "router", "e", 1); /* and stays */
    assert_int_equal(hd_changeset_check(&set, &err), HD_ERR_NO_MEMORY);
    hd_arena_free(arena);
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, new_arena, free_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_ARENA(an_empty_changeset_is_in_order),
        IN_ARENA(the_structs_are_copied_so_that_the_callers_may_go),
        IN_ARENA(changes_without_a_struct_keep_their_values),
        IN_ARENA(a_move_is_conditional_on_what_the_decision_saw),
        IN_ARENA(a_thousand_changes_keep_their_order_and_one_too_many_is_a_limit),
        IN_ARENA(a_message_over_the_limit_fails_the_changeset),
        IN_ARENA(a_body_that_found_no_memory_fails_the_changeset),
        cmocka_unit_test(without_memory_the_failure_is_kept_and_told_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
