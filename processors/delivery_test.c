/* What holds for the tasks of every channel: bad ones, and ones that can never be sent. */
#include "tests/support/host.h"

#include <string.h>

static const struct hd_processor *const channels[] = {&hd_email_processor, &hd_inapp_processor};
static const enum hd_channel channel_of[] = {HD_EMAIL, HD_INAPP};

/* A notification that waits in its channel's queue. */
static const char *waits(struct hd_host *host, enum hd_channel channel, const char *event, const char *target) {
    struct hd_id id = hd_notification_id(host->ctx.now_ms, "e-1", target, channel);
    const struct hd_notification n = {
        .notification_id = hd_arena_strdup(host->arena, id.text),
        .event_id = "e-1",
        .event = event,
        .target = target,
        .channel = channel,
        .accepted_at_ms = host->ctx.now_ms,
        .created_at_ms = host->ctx.now_ms,
        .updated_at_ms = host->ctx.now_ms,
    };
    struct hd_changeset set = hd_changeset(host->arena);
    hd_put_notification(&set, &n);
    hd_enqueue(&set, hd_queue_of_channel(channel), HD_LANE_NORMAL, hd_arena_printf(host->arena, "{\"notificationId\":\"%s\"}", id.text),
               host->ctx.now_ms, 0);
    hd_host_commit(host, &set);
    return n.notification_id;
}

static const struct hd_dead_letter *only_dead_letter(struct hd_host *host, const struct hd_processor *processor) {
    size_t count;
    const struct hd_dead_letter *letter = hd_host_dead_letters(host, &count);
    assert_int_equal(count, 1);
    assert_string_equal(letter->queue, hd_queue_name_text(processor->queue));
    assert_int_equal(hd_host_waiting(host, processor->queue), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 1);
    assert_int_equal(host->email.transferred, 0);
    return letter;
}

static void a_task_that_cannot_be_read_is_a_dead_letter(void **state) {
    static const char *const bad[] = {"", "nonsense", "[]", "{}", "{\"notificationId\":7}"};
    (void)state;
    for (size_t c = 0; c < HD_ARRAY_LEN(channels); c++) {
        for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
            struct hd_host *host = hd_host_new();
            hd_host_enqueue(host, channels[c]->queue, bad[i]);
            assert_int_equal(hd_host_step(host, channels[c]), 0);
            const struct hd_dead_letter *letter = only_dead_letter(host, channels[c]);
            assert_string_equal(letter->reason, "unreadable_message");
            assert_string_equal(letter->body, bad[i]);
            assert_null(letter->notification_id);
            hd_host_free(host);
        }
    }
}

static void a_task_of_no_notification_is_a_dead_letter(void **state) {
    (void)state;
    for (size_t c = 0; c < HD_ARRAY_LEN(channels); c++) {
        struct hd_host *host = hd_host_new();
        hd_host_enqueue(host, channels[c]->queue, "{\"notificationId\":\"none\"}");
        assert_int_equal(hd_host_step(host, channels[c]), 0);
        assert_string_equal(only_dead_letter(host, channels[c])->reason, "notification_not_found");
        hd_host_free(host);
    }
}

static void a_task_in_the_queue_of_another_channel_is_a_dead_letter_and_moves_nothing(void **state) {
    (void)state;
    struct hd_host *host = hd_host_new();
    hd_user_is(host, .user_id = "olga", .email = "olga@example.org");
    const char *id = waits(host, HD_INAPP, "TicketCreated", "olga");
    hd_host_enqueue(host, HD_QUEUE_EMAIL, hd_arena_printf(host->arena, "{\"notificationId\":\"%s\"}", id));
    assert_int_equal(hd_host_step(host, &hd_email_processor), 0);
    assert_string_equal(only_dead_letter(host, &hd_email_processor)->reason, "notification_not_found");
    assert_int_equal(hd_host_notification(host, "olga", HD_INAPP)->status, HD_PENDING);
    hd_host_free(host);
}

/* The notification is dead, its one attempt says why, and no message was made. */
static void check_never_sent(struct hd_host *host, size_t c, const char *target, const char *detail) {
    size_t count;
    const struct hd_notification *n = hd_host_notification(host, target, channel_of[c]);
    assert_int_equal(n->status, HD_DEAD);
    assert_string_equal(n->reason, "permanent_failure");
    const struct hd_attempt *attempt = hd_host_attempts(host, n->notification_id, &count);
    assert_int_equal(count, 1);
    assert_int_equal(attempt->outcome, HD_OUTCOME_PERMANENT);
    assert_string_equal(attempt->provider, "template");
    assert_null(attempt->message);
    if (!strstr(attempt->detail, detail))
        fail_msg("\"%s\" says nothing of \"%s\"", attempt->detail, detail);
    assert_string_equal(only_dead_letter(host, channels[c])->notification_id, n->notification_id);
    (void)hd_host_inbox(host, target, &count);
    assert_int_equal(count, 0);
}

static void a_receiver_who_is_gone_ends_it(void **state) {
    (void)state;
    for (size_t c = 0; c < HD_ARRAY_LEN(channels); c++) {
        struct hd_host *host = hd_host_new();
        (void)waits(host, channel_of[c], "TicketCreated", "ghost");
        assert_int_equal(hd_host_step(host, channels[c]), 0);
        check_never_sent(host, c, "ghost", "receiver");
        hd_host_free(host);
    }
}

static void an_event_without_a_template_ends_it(void **state) {
    (void)state;
    for (size_t c = 0; c < HD_ARRAY_LEN(channels); c++) {
        struct hd_host *host = hd_host_new();
        hd_user_is(host, .user_id = "olga", .email = "olga@example.org");
        (void)waits(host, channel_of[c], "Unheard", "olga");
        assert_int_equal(hd_host_step(host, channels[c]), 0);
        check_never_sent(host, c, "olga", "Unheard");
        hd_host_free(host);
    }
}

static void a_message_is_sent_though_its_event_is_gone(void **state) {
    (void)state;
    for (size_t c = 0; c < HD_ARRAY_LEN(channels); c++) {
        struct hd_host *host = hd_host_new();
        hd_user_is(host, .user_id = "olga", .email = "olga@example.org", .locale = "en");
        (void)waits(host, channel_of[c], "TicketCreated", "olga"); /* neither event nor ticket are there */
        assert_int_equal(hd_host_step(host, channels[c]), 0);
        assert_int_equal(hd_host_notification(host, "olga", channel_of[c])->status, HD_SENT);
        hd_host_free(host);
    }
}

/* The whole way, for all that the API's events can do at once. */
static void events_of_every_type_reach_their_people_by_every_channel(void **state) {
    (void)state;
    struct hd_host *host = hd_host_new();
    hd_user_is(host, .user_id = "olga", .name = "Olga", .email = "olga@example.org", .locale = "en");
    hd_user_is(host, .user_id = "adam", .name = "Adam", .email = "adam@example.org", .role = HD_ROLE_AGENT, .team = "net");
    hd_user_is(host, .user_id = "mona", .name = "Mona", .email = "mona@example.org", .role = HD_ROLE_MANAGER, .locale = "en");
    hd_ticket_is(host, .ticket_id = "t-1", .title = "Printer", .owner_id = "olga", .assigned_agent_id = "adam", .team = "net");
    for (unsigned type = 0; type < HD_EVENT_TYPE_COUNT; type++)
        hd_host_event(host, hd_arena_printf(host->arena, "e-%u", type), (enum hd_event_type)type, "t-1", "mona",
                      "{\"ticketId\":\"t-1\",\"userId\":\"olga\",\"agentId\":\"adam\",\"comment\":\"Hi\",\"message\":\"Call back\","
                      "\"changedFields\":{\"status\":{\"old\":\"open\",\"new\":\"closed\"}}}");
    assert_int_equal(hd_host_run(host, &hd_router_processor), HD_EVENT_TYPE_COUNT);
    hd_host_run(host, &hd_email_processor);
    hd_host_run(host, &hd_inapp_processor);
    const char *told = hd_host_told(host, NULL);
    for (unsigned queue = 0; queue < HD_QUEUE_COUNT; queue++)
        assert_int_equal(hd_host_waiting(host, (enum hd_queue_name)queue), 0);
    size_t sent = 0, all = 1;
    for (const char *at = told; (at = strstr(at, ":sent()")); at++)
        sent++;
    for (const char *at = told; (at = strchr(at, ' ')); at++)
        all++;
    assert_int_equal(sent, all);
    assert_true(all >= 2 * HD_EVENT_TYPE_COUNT);
    hd_host_free(host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_cannot_be_read_is_a_dead_letter),
        cmocka_unit_test(a_task_of_no_notification_is_a_dead_letter),
        cmocka_unit_test(a_task_in_the_queue_of_another_channel_is_a_dead_letter_and_moves_nothing),
        cmocka_unit_test(a_receiver_who_is_gone_ends_it),
        cmocka_unit_test(an_event_without_a_template_ends_it),
        cmocka_unit_test(a_message_is_sent_though_its_event_is_gone),
        cmocka_unit_test(events_of_every_type_reach_their_people_by_every_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
