/* In-app: sending is a change of the store, all at once or not at all. */
#include "tests/support/host.h"

#include <string.h>

static int setup(void **state) {
    struct hd_host *host = hd_host_new();
    hd_user_is(host, .user_id = "olga", .name = "Olga", .locale = "en");
    hd_user_is(host, .user_id = "rui", .name = "Rui", .locale = "pt-BR");
    hd_user_is(host, .user_id = "yuki", .name = "Yuki", .locale = "ja");
    *state = host;
    return 0;
}

static int teardown(void **state) {
    hd_host_free(*state);
    return 0;
}

/* Their ticket is created, and the task for in-app waits. */
static void has_a_ticket(struct hd_host *host, const char *user_id) {
    const char *ticket_id = hd_arena_printf(host->arena, "t-%s", user_id);
    hd_ticket_is(host, .ticket_id = ticket_id, .title = "Printer", .owner_id = user_id, .channels = HD_CHANNEL_BIT(HD_INAPP));
    hd_host_event(host, hd_arena_printf(host->arena, "e-%s", user_id), HD_EVENT_TICKET_CREATED, ticket_id, user_id,
                  hd_arena_printf(host->arena, "{\"ticketId\":\"%s\",\"userId\":\"%s\"}", ticket_id, user_id));
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 1);
}

static void check_sent(struct hd_host *host, const char *user_id, const char *title, const char *body) {
    size_t count;
    const struct hd_notification *n = hd_host_notification(host, user_id, HD_INAPP);
    assert_int_equal(n->status, HD_SENT);
    assert_int_equal(n->attempts, 1);
    const struct hd_inbox_item *item = hd_host_inbox(host, user_id, &count);
    assert_int_equal(count, 1);
    assert_string_equal(item->notification_id, n->notification_id);
    assert_string_equal(item->title, title);
    assert_string_equal(item->body, body);
    assert_string_equal(item->event, "TicketCreated");
    assert_string_equal(item->ticket_id, n->ticket_id);
    assert_int_equal(item->read_at_ms, 0);
    const struct hd_attempt *attempt = hd_host_attempts(host, n->notification_id, &count);
    assert_int_equal(count, 1);
    assert_int_equal(attempt->outcome, HD_OUTCOME_SENT);
    assert_string_equal(attempt->provider, "inapp");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 0);
}

#define ENGLISH "We received your ticket: Printer", "The support team has been told.\n"
#define PORTUGUESE "Recebemos o seu chamado: Printer", "A equipe de atendimento já foi avisada.\n"

static void the_inbox_gets_title_and_body_in_english(void **state) {
    has_a_ticket(*state, "olga");
    assert_int_equal(hd_host_step(*state, &hd_inapp_processor), 0);
    check_sent(*state, "olga", ENGLISH);
}

static void the_inbox_gets_title_and_body_in_portuguese(void **state) {
    has_a_ticket(*state, "rui");
    assert_int_equal(hd_host_step(*state, &hd_inapp_processor), 0);
    check_sent(*state, "rui", PORTUGUESE);
}

static void a_locale_without_templates_gets_the_default_one(void **state) {
    has_a_ticket(*state, "yuki");
    assert_int_equal(hd_host_step(*state, &hd_inapp_processor), 0);
    check_sent(*state, "yuki", PORTUGUESE);
}

static void a_second_message_adds_no_second_item(void **state) {
    struct hd_host *host = *state;
    has_a_ticket(host, "olga");
    struct hd_host_job job;
    assert_true(hd_host_take(host, &hd_inapp_processor, &job));
    const char *body = hd_arena_strdup(host->arena, job.message.body);
    assert_int_equal(hd_host_begin(host, &job), 0);
    hd_host_end(&job);
    hd_host_enqueue(host, HD_QUEUE_INAPP, body);
    assert_int_equal(hd_host_step(host, &hd_inapp_processor), 0);
    check_sent(host, "olga", ENGLISH);
}

static void somebody_else_is_faster(struct hd_host *host) {
    hd_memory_crash(host->memory);
    assert_int_equal(hd_host_step(host, &hd_inapp_processor), 0);
}

static void two_workers_with_one_task_make_one_item(void **state) {
    struct hd_host *host = *state;
    has_a_ticket(host, "olga");
    host->before_commit = somebody_else_is_faster;
    assert_int_equal(hd_host_step(host, &hd_inapp_processor), HD_ERR_CONFLICT);
    check_sent(host, "olga", ENGLISH);
}

static void a_fault_at_any_point_leaves_nothing_half_done(void **state) {
    (void)state;
    bool failed = true;
    for (int n = 1; failed; n++) {
        assert_true(n < 20);
        void *made = NULL;
        setup(&made);
        struct hd_host *host = made;
        has_a_ticket(host, "olga");
        const char *before = hd_host_dump(host);
        struct hd_host_job job;
        assert_true(hd_host_take(host, &hd_inapp_processor, &job));
        hd_memory_fail_next(host->memory, n, HD_ERR_UNAVAILABLE);
        failed = hd_host_begin(host, &job) != 0;
        hd_memory_fail_next(host->memory, 0, HD_OK);
        hd_host_end(&job);
        if (failed) {
            assert_string_equal(hd_host_dump(host), before);
            hd_memory_crash(host->memory);
            assert_int_equal(hd_host_step(host, &hd_inapp_processor), 0);
        }
        check_sent(host, "olga", ENGLISH);
        teardown(&made);
    }
}

static void a_commit_without_an_answer_is_found_done_when_the_message_comes_again(void **state) {
    struct hd_host *host = *state;
    has_a_ticket(host, "olga");
    hd_memory_lose_answer(host->memory);
    assert_int_equal(hd_host_step(host, &hd_inapp_processor), HD_ERR_UNAVAILABLE);
    hd_memory_crash(host->memory);
    assert_int_equal(hd_host_run(host, &hd_inapp_processor), 0);
    check_sent(host, "olga", ENGLISH);
}

#define INAPP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        INAPP_TEST(the_inbox_gets_title_and_body_in_english),
        INAPP_TEST(the_inbox_gets_title_and_body_in_portuguese),
        INAPP_TEST(a_locale_without_templates_gets_the_default_one),
        INAPP_TEST(a_second_message_adds_no_second_item),
        INAPP_TEST(two_workers_with_one_task_make_one_item),
        cmocka_unit_test(a_fault_at_any_point_leaves_nothing_half_done),
        INAPP_TEST(a_commit_without_an_answer_is_found_done_when_the_message_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
