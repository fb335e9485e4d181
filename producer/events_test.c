#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "tests/support/api.h"

static struct hd_api *api;
static const char *service;

static int set_up(void **state) {
    (void)state;
    api = hd_api_new(false);
    service = hd_api_token(api, HD_ROLE_SERVICE, "s-1");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hd_api_free(api);
    return 0;
}

#define EVENT(type, id, payload) \
    "{\"event\":\"" type "\",\"eventId\":\"" id "\",\"occurredAt\":\"2026-09-21T10:00:00Z\",\"payload\":{" payload "}}"
#define GOOD(id) EVENT("TicketCreated", id, "\"ticketId\":\"tkt-001\",\"userId\":\"u-10\"")

static struct hd_api_answer publish(const char *token, const char *body) {
    return hd_ask(api, .path = "/events", .token = token, .body = body);
}

static const struct hd_event *stored(const char *event_id) {
    const struct hd_event *event = NULL;
    assert_int_equal(api->ctx.store->ops->event(api->ctx.store, api->arena, event_id, &event, NULL), 0);
    return event;
}

static void one_event_is_accepted_and_its_message_enqueued(void **state) {
    (void)state;
    struct hd_api_answer answer = publish(service, GOOD("e-1"));
    hd_assert_status(answer, 202);
    assert_string_equal(hd_api_text(&answer, "items/0/eventId"), "e-1");
    assert_string_equal(hd_api_text(&answer, "items/0/status"), "accepted");
    assert_int_equal(api->changes.count, 2);
    assert_int_equal(api->changes.changes[1].enqueue.queue, HD_QUEUE_ROUTER);
    assert_int_equal(api->changes.changes[1].enqueue.lane, HD_LANE_NORMAL);
    assert_string_equal(api->changes.changes[1].enqueue.body, "{\"eventId\":\"e-1\"}");
    const struct hd_event *event = stored("e-1");
    assert_non_null(event);
    assert_int_equal(event->accepted_at_ms, api->ctx.now_ms);
    assert_string_equal(event->ticket_id, "tkt-001");
    assert_string_equal(event->correlation_id, hd_api_header(&answer, "X-Correlation-Id"));
    assert_string_equal(event->traceparent, hd_api_header(&answer, "traceparent"));
}

static void critical_events_take_the_urgent_lane(void **state) {
    (void)state;
    hd_assert_status(
        publish(service, EVENT("TicketSLABreached", "e-1", "\"ticketId\":\"tkt-001\",\"userId\":\"u-10\",\"agentId\":\"u-2\"")), 202);
    assert_int_equal(api->changes.changes[1].enqueue.lane, HD_LANE_URGENT);
}

static void the_actor_is_the_caller_but_for_a_service(void **state) {
    (void)state;
    hd_assert_status(publish(service, GOOD("e-1")), 202);
    assert_null(stored("e-1")->actor_id);
    hd_assert_status(publish(hd_api_token(api, HD_ROLE_AGENT, "u-2"), GOOD("e-2")), 202);
    assert_string_equal(stored("e-2")->actor_id, "u-2");
}

static void an_events_own_correlation_and_trace_are_kept(void **state) {
    (void)state;
    hd_assert_status(
        publish(service,
                "{\"event\":\"TicketCreated\",\"eventId\":\"e-1\",\"occurredAt\":\"2026-09-21T10:00:00Z\",\"correlationId\":\"theirs\","
                "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
                "\"payload\":{\"ticketId\":\"t\",\"userId\":\"u\"}}"),
        202);
    assert_string_equal(stored("e-1")->correlation_id, "theirs");
    assert_string_equal(stored("e-1")->traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

static void a_known_event_is_a_duplicate_and_changes_nothing(void **state) {
    (void)state;
    hd_assert_status(publish(service, GOOD("e-1")), 202);
    struct hd_api_answer again = publish(service, GOOD("e-1"));
    hd_assert_status(again, 202);
    assert_string_equal(hd_api_text(&again, "items/0/status"), "duplicate");
    assert_int_equal(api->changes.count, 0);
}

static void a_batch_is_judged_one_by_one(void **state) {
    (void)state;
    hd_assert_status(publish(service, GOOD("known")), 202);
    struct hd_api_answer answer = publish(service, "[" EVENT("Nothing", "e-1", "") "," GOOD("e-1") "," GOOD("e-1") "," GOOD(
                                                       "known") "," EVENT("TicketCreated", "e-3", "") ",{}," GOOD("e-4") "]");
    hd_assert_status(answer, 207);
    assert_int_equal(json_array_size(hd_api_at(&answer, "items")), 7);
    assert_string_equal(hd_api_text(&answer, "items/0/status/type"), "urn:helpdesk:problem:invalid");
    assert_string_equal(hd_api_text(&answer, "items/0/status/errors/0/pointer"), "/event");
    assert_string_equal(hd_api_text(&answer, "items/1/status"), "accepted"); /* the first that is good */
    assert_string_equal(hd_api_text(&answer, "items/2/status"), "duplicate");
    assert_string_equal(hd_api_text(&answer, "items/3/status"), "duplicate");
    assert_string_equal(hd_api_text(&answer, "items/4/eventId"), "e-3");
    assert_int_equal(json_integer_value(hd_api_at(&answer, "items/4/status/status")), 422);
    assert_true(json_is_null(hd_api_at(&answer, "items/5/eventId")));
    assert_string_equal(hd_api_text(&answer, "items/6/status"), "accepted");
    assert_int_equal(api->changes.count, 4); /* in one changeset */
    assert_non_null(stored("e-1"));
    assert_non_null(stored("e-4"));
    assert_null(stored("e-3"));
}

static void a_good_batch_is_202_and_a_bad_one_is_207_with_nothing_changed(void **state) {
    (void)state;
    hd_assert_status(publish(service, "[" GOOD("e-1") "," GOOD("e-2") "]"), 202);
    hd_assert_status(publish(service, "[" EVENT("Nothing", "e-3", "") "]"), 207);
    assert_int_equal(api->changes.count, 0);
}

static void one_bad_event_is_a_422_that_points_into_it(void **state) {
    (void)state;
    struct hd_api_answer answer = publish(service, EVENT("TicketCreated", "e-1", "\"userId\":7,\"channels\":[\"fax\"]"));
    hd_assert_problem(api, answer, 422, "invalid");
    hd_assert_field(answer, "/payload/userId", "type");
    hd_assert_field(answer, "/payload/channels/0", "enum");
    assert_null(stored("e-1"));
    struct hd_api_answer unknown = publish(service, EVENT("TicketEaten", "e-1", "\"ticketId\":\"t\",\"userId\":\"u\""));
    hd_assert_problem(api, unknown, 422, "invalid");
    hd_assert_field(unknown, "/event", "enum");
}

static void a_batch_has_one_to_a_hundred_events(void **state) {
    (void)state;
    struct hd_api_answer none = publish(service, "[]");
    hd_assert_problem(api, none, 422, "invalid");
    char *body = hd_arena_alloc(api->arena, 64 * 1024);
    assert_non_null(body);
    for (int count = HD_BATCH_MAX; count <= HD_BATCH_MAX + 1; count++) {
        char *at = stpcpy(body, "[");
        for (int i = 0; i < count; i++)
            at += sprintf(
                at,
                "%s{\"event\":\"TicketCreated\",\"eventId\":\"%d-%d\",\"occurredAt\":\"2026-09-21T10:00:00Z\",\"payload\":{\"ticketId\":\"t\",\"userId\":\"u\"}}",
                i > 0 ? "," : "", count, i);
        strcpy(at, "]");
        hd_assert_status(publish(service, body), count <= HD_BATCH_MAX ? 202 : 422);
    }
    hd_assert_status(publish(service, "[1]"), 422);
    hd_assert_status(publish(service, "7"), 422);
}

static void ids_with_quotes_stay_what_they_are(void **state) {
    (void)state;
    struct hd_api_answer answer = publish(service, GOOD("e/\\\"1\\\\?#%"));
    hd_assert_status(answer, 202);
    assert_string_equal(hd_api_text(&answer, "items/0/eventId"), "e/\"1\\?#%");
    assert_string_equal(api->changes.changes[1].enqueue.body, "{\"eventId\":\"e/\\\"1\\\\?#%\"}");
    struct hd_api_answer read = hd_ask(api, .path = "/events/e%2F%221%5C%3F%23%25", .token = hd_api_token(api, HD_ROLE_AGENT, "u-2"));
    hd_assert_status(read, 200);
    assert_string_equal(hd_api_text(&read, "eventId"), "e/\"1\\?#%");
}

static void customers_publish_nothing(void **state) {
    (void)state;
    struct hd_api_answer answer = publish(hd_api_token(api, HD_ROLE_CUSTOMER, "u-10"), GOOD("e-1"));
    hd_assert_problem(api, answer, 403, "forbidden");
}

static void somebody_faster(struct hd_api *of) {
    struct hd_event event = {.event_id = "e-1",
                             .type = HD_EVENT_REMINDER,
                             .schema_version = 1,
                             .occurred_at_ms = 1,
                             .accepted_at_ms = 1,
                             .ticket_id = "t",
                             .payload = "{}"};
    struct hd_changeset changes = hd_changeset(of->arena);
    hd_append_event(&changes, &event);
    const struct hd_changeset *sets[] = {&changes};
    struct hd_commit_result result;
    assert_int_equal(of->ctx.store->ops->commit(of->ctx.store, sets, 1, &result, NULL), 0);
    assert_int_equal(result.code, 0);
}

static void an_event_that_comes_twice_at_the_same_time_is_a_duplicate(void **state) {
    (void)state;
    api->before_commit = somebody_faster;
    struct hd_api_answer answer = publish(service, "[" GOOD("e-1") "," GOOD("e-2") "]");
    hd_assert_status(answer, 202);
    assert_int_equal(api->attempts, 2);
    assert_string_equal(hd_api_text(&answer, "items/0/status"), "duplicate");
    assert_string_equal(hd_api_text(&answer, "items/1/status"), "accepted");
}

static void an_event_shows_what_the_router_decided(void **state) {
    (void)state;
    const char *agent = hd_api_token(api, HD_ROLE_AGENT, "u-2");
    hd_assert_status(publish(service, GOOD("e-1")), 202);
    struct hd_api_answer before = hd_ask(api, .path = "/events/e-1", .token = agent);
    hd_assert_status(before, 200);
    assert_true(json_is_null(hd_api_at(&before, "decisions")));
    assert_non_null(hd_api_at(&before, "decisions"));

    const char *const parts[] = {"event.routed", "e-1"};
    struct hd_id id = hd_id_derive(stored("e-1")->accepted_at_ms, parts, 2);
    struct hd_audit entry = {
        .audit_id = id.text,
        .action = "event.routed",
        .subject = "e-1",
        .actor = "router",
        .at_ms = 1,
        .detail =
            "{\"decisions\":[{\"target\":\"u-10\",\"channel\":\"email\",\"decision\":\"notify\",\"reason\":null,\"notificationId\":\"n-1\"}]}"};
    struct hd_changeset changes = hd_changeset(api->arena);
    hd_append_audit(&changes, &entry);
    const struct hd_changeset *sets[] = {&changes};
    struct hd_commit_result result;
    assert_int_equal(api->ctx.store->ops->commit(api->ctx.store, sets, 1, &result, NULL), 0);

    struct hd_api_answer after = hd_ask(api, .path = "/events/e-1", .token = agent);
    assert_string_equal(hd_api_text(&after, "decisions/0/notificationId"), "n-1");
    assert_string_equal(hd_api_text(&after, "event"), "TicketCreated");
    assert_string_equal(hd_api_text(&after, "payload/userId"), "u-10");
    struct hd_api_answer none = hd_ask(api, .path = "/events/e-2", .token = agent);
    hd_assert_problem(api, none, 404, "not-found");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_event_is_accepted_and_its_message_enqueued),
        TEST(critical_events_take_the_urgent_lane),
        TEST(the_actor_is_the_caller_but_for_a_service),
        TEST(an_events_own_correlation_and_trace_are_kept),
        TEST(a_known_event_is_a_duplicate_and_changes_nothing),
        TEST(a_batch_is_judged_one_by_one),
        TEST(a_good_batch_is_202_and_a_bad_one_is_207_with_nothing_changed),
        TEST(one_bad_event_is_a_422_that_points_into_it),
        TEST(a_batch_has_one_to_a_hundred_events),
        TEST(ids_with_quotes_stay_what_they_are),
        TEST(customers_publish_nothing),
        TEST(an_event_that_comes_twice_at_the_same_time_is_a_duplicate),
        TEST(an_event_shows_what_the_router_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
