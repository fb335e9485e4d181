/* The administrators hear of dead letters, once an hour for each queue. */
#include "tests/support/host.h"

#include <stdio.h>
#include <string.h>

#include "processors/audit.h"

enum { HOUR_MS = 60 * 60 * 1000 };

static int setup(void **state) {
    struct hd_host *host = hd_host_new();
    host->ctx.now_ms = HD_HOST_NOW_MS - HD_HOST_NOW_MS % HOUR_MS; /* the beginning of an hour */
    hd_user_is(host, .user_id = "root", .name = "Root", .role = HD_ROLE_ADMIN, .locale = "en");
    hd_user_is(host, .user_id = "raiz", .name = "Raiz", .role = HD_ROLE_ADMIN, .locale = "pt-BR");
    hd_user_is(host, .user_id = "mona", .name = "Mona", .role = HD_ROLE_MANAGER);
    *state = host;
    return 0;
}

static int teardown(void **state) {
    hd_host_free(*state);
    return 0;
}

static void dies(struct hd_host *host, const char *letter_id, enum hd_queue_name queue) {
    const struct hd_dead_letter letter = {
        .dead_letter_id = letter_id,
        .queue = hd_queue_name_text(queue),
        .reason = "attempts_exhausted",
        .attempts = 3,
        .ticket_id = "t-1",
        .body = "{}",
        .created_at_ms = host->ctx.now_ms,
    };
    struct hd_changeset set = hd_changeset(host->arena);
    hd_put_dead_letter(&set, &letter);
    hd_enqueue(&set, HD_QUEUE_DLQ, HD_LANE_NORMAL, hd_arena_printf(host->arena, "{\"deadLetterId\":\"%s\"}", letter_id), host->ctx.now_ms,
               0);
    hd_host_commit(host, &set);
}

static size_t inbox_count(struct hd_host *host, const char *user_id) {
    size_t count;
    (void)hd_host_inbox(host, user_id, &count);
    return count;
}

/* Both processors, until nothing is left. */
static void work(struct hd_host *host) {
    hd_host_run(host, &hd_dlq_processor);
    hd_host_run(host, &hd_inapp_processor);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 0);
}

static void every_administrator_is_told_in_their_language(void **state) {
    struct hd_host *host = *state;
    size_t count;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    work(host);
    assert_string_equal(hd_host_told(host, NULL), "raiz/inapp:sent() root/inapp:sent()");
    const struct hd_inbox_item *english = hd_host_inbox(host, "root", &count);
    assert_int_equal(count, 1);
    assert_string_equal(english->event, "DeadLetter");
    assert_string_equal(english->title, "Undelivered messages: queue email");
    assert_non_null(strstr(english->body, "Reason: "));
    const struct hd_inbox_item *portuguese = hd_host_inbox(host, "raiz", &count);
    assert_int_equal(count, 1);
    assert_string_not_equal(portuguese->title, english->title);
}

static void the_notice_is_critical_and_goes_by_the_urgent_lane(void **state) {
    struct hd_host *host = *state;
    struct hd_host_job job;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    assert_int_equal(hd_host_step(host, &hd_dlq_processor), 0);
    assert_true(hd_host_notification(host, "root", HD_INAPP)->critical);
    assert_true(hd_host_take(host, &hd_inapp_processor, &job));
    assert_int_equal(job.message.lane, HD_LANE_URGENT);
    hd_host_end(&job);
}

static void an_outage_is_one_notice_an_hour(void **state) {
    struct hd_host *host = *state;
    for (int i = 0; i < 50; i++) {
        dies(host, hd_arena_printf(host->arena, "d-%d", i), HD_QUEUE_EMAIL);
        host->ctx.now_ms += HOUR_MS / 50;
        work(host);
    }
    assert_int_equal(inbox_count(host, "root"), 1);
    dies(host, "d-later", HD_QUEUE_EMAIL);
    work(host);
    assert_int_equal(inbox_count(host, "root"), 2);
    assert_int_equal(inbox_count(host, "raiz"), 2);
}

static void each_queue_has_its_own_notice(void **state) {
    struct hd_host *host = *state;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    dies(host, "d-2", HD_QUEUE_ROUTER);
    work(host);
    assert_int_equal(inbox_count(host, "root"), 2);
}

/* Letters of one hour are one notice, however late the handler comes to them. */
static void a_handler_that_is_late_counts_by_the_letters_hour(void **state) {
    struct hd_host *host = *state;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    work(host);
    dies(host, "d-2", HD_QUEUE_EMAIL);
    host->ctx.now_ms += 3 * HOUR_MS;
    work(host);
    assert_int_equal(inbox_count(host, "root"), 1);
}

static void a_letter_that_is_gone_is_told_to_nobody(void **state) {
    struct hd_host *host = *state;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    struct hd_changeset set = hd_changeset(host->arena);
    hd_remove_dead_letter(&set, "d-1");
    hd_host_commit(host, &set);
    work(host);
    assert_string_equal(hd_host_told(host, NULL), "");
}

static void a_letter_that_is_sent_again_before_the_notice_is_shown_does_no_harm(void **state) {
    struct hd_host *host = *state;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    assert_int_equal(hd_host_step(host, &hd_dlq_processor), 0);
    struct hd_changeset set = hd_changeset(host->arena);
    hd_remove_dead_letter(&set, "d-1");
    hd_host_commit(host, &set);
    work(host);
    assert_int_equal(inbox_count(host, "root"), 1);
}

static void a_message_that_cannot_be_read_is_no_dead_letter_of_dead_letters(void **state) {
    static const char *const bad[] = {"", "nonsense", "[]", "{}", "{\"deadLetterId\":7}"};
    struct hd_host *host = *state;
    size_t count;
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        hd_host_enqueue(host, HD_QUEUE_DLQ, bad[i]);
    assert_int_equal(hd_host_run(host, &hd_dlq_processor), HD_ARRAY_LEN(bad));
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
    (void)hd_host_dead_letters(host, &count);
    assert_int_equal(count, 0);
}

static void the_audit_says_how_many_were_told(void **state) {
    struct hd_host *host = *state;
    const struct hd_audit *entry;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    dies(host, "d-2", HD_QUEUE_EMAIL);
    work(host);
    static const char *const letters[] = {"d-1", "d-2"};
    for (size_t i = 0; i < HD_ARRAY_LEN(letters); i++) {
        struct hd_id id =
            hd_audit_dead_letter_id(&(struct hd_dead_letter){.dead_letter_id = letters[i], .created_at_ms = host->ctx.now_ms});
        assert_int_equal(host->ctx.store->ops->audit(host->ctx.store, host->arena, id.text, &entry, NULL), 0);
        assert_non_null(entry);
        assert_string_equal(entry->subject, letters[i]);
        assert_non_null(strstr(entry->detail, i == 0 ? "\"administratorsTold\":2" : "\"administratorsTold\":0"));
    }
}

static void another_handler_is_faster(struct hd_host *host) {
    assert_int_equal(hd_host_step(host, &hd_dlq_processor), 0);
}

static void two_handlers_at_once_make_one_notice(void **state) {
    struct hd_host *host = *state;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    dies(host, "d-2", HD_QUEUE_EMAIL);
    host->before_commit = another_handler_is_faster;
    assert_int_equal(hd_host_step(host, &hd_dlq_processor), 0);
    work(host);
    assert_int_equal(inbox_count(host, "root"), 1);
}

static void a_second_message_for_one_letter_is_done_with(void **state) {
    struct hd_host *host = *state;
    dies(host, "d-1", HD_QUEUE_EMAIL);
    work(host);
    hd_host_enqueue(host, HD_QUEUE_DLQ, "{\"deadLetterId\":\"d-1\"}");
    assert_int_equal(hd_host_step(host, &hd_dlq_processor), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
    assert_int_equal(inbox_count(host, "root"), 1);
}

static void a_fault_at_any_point_leaves_nothing_half_done(void **state) {
    (void)state;
    bool failed = true;
    for (int n = 1; failed; n++) {
        assert_true(n < 20);
        void *made = NULL;
        setup(&made);
        struct hd_host *host = made;
        dies(host, "d-1", HD_QUEUE_EMAIL);
        const char *before = hd_host_dump(host);
        struct hd_host_job job;
        assert_true(hd_host_take(host, &hd_dlq_processor, &job));
        hd_memory_fail_next(host->memory, n, HD_ERR_UNAVAILABLE);
        failed = hd_host_begin(host, &job) != 0;
        hd_memory_fail_next(host->memory, 0, HD_OK);
        hd_host_end(&job);
        if (failed)
            assert_string_equal(hd_host_dump(host), before);
        hd_memory_crash(host->memory);
        work(host);
        assert_string_equal(hd_host_told(host, NULL), "raiz/inapp:sent() root/inapp:sent()");
        teardown(&made);
    }
}

/* ---- messages that their queue has given up ---- */

/* As the queue gives it to this handler. */
static struct hd_host_job abandoned(struct hd_host *host, const struct hd_processor *of) {
    struct hd_host_job job;
    assert_true(hd_host_take(host, of, &job));
    job.processor = &hd_dlq_processor;
    job.message.abandoned = true;
    job.message.receive_count = 4;
    return job;
}

static int handle_abandoned(struct hd_host *host, const struct hd_processor *of) {
    struct hd_host_job job = abandoned(host, of);
    int r = hd_host_begin(host, &job);
    hd_host_end(&job);
    return r;
}

static void notify_mona(struct hd_host *host, enum hd_status status) {
    struct hd_notification n = {
        .notification_id = "n-1",
        .event_id = "e-1",
        .event = "TicketCreated",
        .ticket_id = "t-1",
        .target = "mona",
        .channel = HD_EMAIL,
        .status = status,
        .attempts = status == HD_SENDING ? 1 : 0,
        .owner_token = status == HD_SENDING ? "gone/1" : NULL,
        .accepted_at_ms = host->ctx.now_ms,
        .created_at_ms = host->ctx.now_ms,
        .updated_at_ms = host->ctx.now_ms,
    };
    struct hd_changeset set = hd_changeset(host->arena);
    hd_put_notification(&set, &n);
    hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "{\"notificationId\":\"n-1\"}", host->ctx.now_ms, 0);
    hd_host_commit(host, &set);
}

static const struct hd_dead_letter *only_letter(struct hd_host *host) {
    size_t count;
    const struct hd_dead_letter *letters = hd_host_dead_letters(host, &count);
    assert_int_equal(count, 1);
    return letters;
}

static void what_its_queue_gave_up_is_a_dead_letter_with_its_notification(void **state) {
    struct hd_host *host = *state;
    notify_mona(host, HD_PENDING);
    assert_int_equal(handle_abandoned(host, &hd_email_processor), 0);
    const struct hd_dead_letter *letter = only_letter(host);
    assert_string_equal(letter->queue, "email");
    assert_string_equal(letter->reason, "receives_exhausted");
    assert_int_equal(letter->attempts, 4);
    assert_string_equal(letter->notification_id, "n-1");
    assert_string_equal(letter->event_id, "e-1");
    assert_string_equal(letter->ticket_id, "t-1");
    assert_string_equal(letter->target, "mona");
    assert_string_equal(letter->channel, "email");
    assert_string_equal(letter->body, "{\"notificationId\":\"n-1\"}");
    const struct hd_notification *n = hd_host_notification(host, "mona", HD_EMAIL);
    assert_int_equal(n->status, HD_DEAD);
    assert_string_equal(n->reason, "receives_exhausted");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
    work(host);
    assert_int_equal(inbox_count(host, "root"), 1);
}

static void a_message_of_the_router_is_a_letter_of_its_event(void **state) {
    struct hd_host *host = *state;
    hd_host_event(host, "e-9", HD_EVENT_TICKET_CREATED, "t-9", "mona", "{}");
    assert_int_equal(handle_abandoned(host, &hd_router_processor), 0);
    const struct hd_dead_letter *letter = only_letter(host);
    assert_string_equal(letter->queue, "router");
    assert_string_equal(letter->event_id, "e-9");
    assert_string_equal(letter->ticket_id, "t-9");
    assert_null(letter->notification_id);
    assert_string_equal(letter->body, "{\"eventId\":\"e-9\"}");
}

static void foreign_messages_that_were_given_up_are_letters_as_they_were(void **state) {
    static const char *const bodies[] = {
        "nonsense", "[]", "{}", "{\"notificationId\":\"unknown\"}", "{\"notificationId\":7}", "{\"notificationId\":\"a b\"}"};
    struct hd_host *host = *state;
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
        hd_host_enqueue(host, HD_QUEUE_EMAIL, bodies[i]);
        assert_int_equal(handle_abandoned(host, &hd_email_processor), 0);
        size_t count;
        const struct hd_dead_letter *letters = hd_host_dead_letters(host, &count);
        assert_int_equal(count, i + 1);
        bool found = false;
        for (size_t l = 0; l < count; l++)
            found = found || (strcmp(letters[l].body, bodies[i]) == 0 && !letters[l].notification_id);
        assert_true(found);
    }
}

static void a_body_longer_than_our_queues_take_is_cut_at_a_character(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_EMAIL, "x");
    struct hd_host_job job = abandoned(host, &hd_email_processor);
    char *body = hd_arena_alloc(host->arena, HD_MESSAGE_MAX_BYTES + 100);
    assert_non_null(body);
    body[0] = 'x';
    for (size_t i = 0; i < HD_MESSAGE_MAX_BYTES / 2 + 10; i++)
        memcpy(body + 1 + 2 * i, "é", 3);
    job.message.body = body;
    assert_int_equal(hd_host_begin(host, &job), 0);
    hd_host_end(&job);
    assert_int_equal(strlen(only_letter(host)->body), HD_MESSAGE_MAX_BYTES - 1);
}

static void what_was_done_before_its_queue_gave_it_up_is_no_letter(void **state) {
    struct hd_host *host = *state;
    size_t count;
    notify_mona(host, HD_SENT);
    assert_int_equal(handle_abandoned(host, &hd_email_processor), 0);
    hd_host_event(host, "e-9", HD_EVENT_TICKET_CREATED, "t-9", "mona", "{}");
    struct hd_changeset set = hd_changeset(host->arena);
    hd_mark_processed(&set, "router", "e-9", host->ctx.now_ms);
    hd_host_commit(host, &set);
    assert_int_equal(handle_abandoned(host, &hd_router_processor), 0);
    (void)hd_host_dead_letters(host, &count);
    assert_int_equal(count, 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_ROUTER), 0);
    assert_string_equal(hd_host_told(host, NULL), "mona/email:sent()");
}

/* No transition leads from there to dead: a redrive of the letter sends the message as it was. */
static void a_notification_that_waits_for_something_else_is_left_alone(void **state) {
    struct hd_host *host = *state;
    notify_mona(host, HD_DEFERRED);
    assert_int_equal(handle_abandoned(host, &hd_email_processor), 0);
    assert_null(only_letter(host)->notification_id);
    assert_string_equal(hd_host_told(host, NULL), "mona/email:deferred()");
}

static void what_another_worker_may_still_be_sending_is_not_called_dead(void **state) {
    struct hd_host *host = *state;
    size_t count;
    notify_mona(host, HD_SENDING);
    const char *before = hd_host_dump(host);
    struct hd_host_job job = abandoned(host, &hd_email_processor);
    assert_int_equal(hd_host_begin(host, &job), HD_ERR_UNAVAILABLE);
    assert_string_equal(hd_host_dump(host), before);
    host->ctx.now_ms += HD_HOST_SEND_TIMEOUT_MS + 5000;
    assert_int_equal(hd_host_begin(host, &job), 0);
    hd_host_end(&job);
    assert_string_equal(hd_host_told(host, "e-1"), "mona/email:dead(receives_exhausted)");
    const struct hd_attempt *attempts = hd_host_attempts(host, "n-1", &count);
    assert_int_equal(count, 1);
    assert_int_equal(attempts[0].number, 1);
    assert_int_equal(attempts[0].outcome, HD_OUTCOME_INTERRUPTED); /* it may have been sent */
    assert_string_equal(only_letter(host)->notification_id, "n-1");
}

static void a_notice_that_was_given_up_is_a_letter_of_which_nobody_is_told(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_DLQ, "{\"deadLetterId\":\"d-1\"}");
    assert_int_equal(handle_abandoned(host, &hd_dlq_processor), 0);
    assert_string_equal(only_letter(host)->queue, "dlq");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
    work(host);
    assert_int_equal(inbox_count(host, "root"), 0);
}

static struct hd_message delivered_before;

/* The same message was handled by another, whose acknowledgement got lost. */
static void its_letter_is_made_by_another(struct hd_host *host) {
    struct hd_error err = {0};
    struct hd_work other = {.message = &delivered_before, .arena = host->arena, .changes = hd_changeset(host->arena), .decisions = 1};
    assert_int_equal(hd_dlq_processor.begin(&host->ctx, &other, &err), 0);
    assert_int_equal(other.changes.changes[other.changes.count - 1].kind, HD_CHANGE_ACKNOWLEDGE);
    other.changes.count--;
    hd_host_commit(host, &other.changes);
}

static void a_second_delivery_makes_no_second_letter(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_EMAIL, "nonsense");
    struct hd_host_job job = abandoned(host, &hd_email_processor);
    delivered_before = job.message;
    host->before_commit = its_letter_is_made_by_another;
    host->ctx.now_ms += 1000;
    assert_int_equal(hd_host_begin(host, &job), 0);
    hd_host_end(&job);
    (void)only_letter(host);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 1); /* told of once */
}

#define DLQ_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DLQ_TEST(every_administrator_is_told_in_their_language),
        DLQ_TEST(the_notice_is_critical_and_goes_by_the_urgent_lane),
        DLQ_TEST(an_outage_is_one_notice_an_hour),
        DLQ_TEST(each_queue_has_its_own_notice),
        DLQ_TEST(a_handler_that_is_late_counts_by_the_letters_hour),
        DLQ_TEST(a_letter_that_is_gone_is_told_to_nobody),
        DLQ_TEST(a_letter_that_is_sent_again_before_the_notice_is_shown_does_no_harm),
        DLQ_TEST(a_message_that_cannot_be_read_is_no_dead_letter_of_dead_letters),
        DLQ_TEST(the_audit_says_how_many_were_told),
        DLQ_TEST(two_handlers_at_once_make_one_notice),
        DLQ_TEST(a_second_message_for_one_letter_is_done_with),
        cmocka_unit_test(a_fault_at_any_point_leaves_nothing_half_done),
        DLQ_TEST(what_its_queue_gave_up_is_a_dead_letter_with_its_notification),
        DLQ_TEST(a_message_of_the_router_is_a_letter_of_its_event),
        DLQ_TEST(foreign_messages_that_were_given_up_are_letters_as_they_were),
        DLQ_TEST(a_body_longer_than_our_queues_take_is_cut_at_a_character),
        DLQ_TEST(what_was_done_before_its_queue_gave_it_up_is_no_letter),
        DLQ_TEST(a_notification_that_waits_for_something_else_is_left_alone),
        DLQ_TEST(what_another_worker_may_still_be_sending_is_not_called_dead),
        DLQ_TEST(a_notice_that_was_given_up_is_a_letter_of_which_nobody_is_told),
        DLQ_TEST(a_second_delivery_makes_no_second_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
