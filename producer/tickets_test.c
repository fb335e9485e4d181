#include <string.h>

#include "base/id.h"
#include "base/schema.h"
#include "base/trace.h"
#include "tests/support/api.h"

static struct hd_api *api;

static int set_up(void **state) {
    (void)state;
    api = hd_api_new(false);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hd_api_free(api);
    return 0;
}

static const char *customer(const char *user_id) {
    return hd_api_token(api, HD_ROLE_CUSTOMER, user_id);
}

static struct hd_api_answer open_ticket(const char *token, const char *body) {
    return hd_ask(api, .path = "/tickets", .token = token, .body = body);
}

static const struct hd_event *stored_event(const char *event_id) {
    const struct hd_event *event = NULL;
    assert_int_equal(api->ctx.store->ops->event(api->ctx.store, api->arena, event_id, &event, NULL), 0);
    assert_non_null(event);
    return event;
}

static void an_opened_ticket_is_answered_and_stored(void **state) {
    (void)state;
    struct hd_api_answer answer = open_ticket(
        customer("u-10"),
        "{\"title\":\"Não abre\",\"description\":\"\\\"Erro\\\"\",\"priority\":\"urgent\",\"channels\":[\"inapp\",\"email\"],\"tags\":[\"a\",\"ç\"]}");
    hd_assert_status(answer, 201);
    const char *id = hd_api_text(&answer, "ticketId");
    assert_string_equal(hd_api_header(&answer, "Location"), hd_api_printf(api, "/tickets/%s", id));
    assert_string_equal(hd_api_header(&answer, "ETag"), "\"1\"");
    assert_string_equal(hd_api_header(&answer, "Content-Type"), "application/json");
    assert_string_equal(hd_api_text(&answer, "title"), "Não abre");
    assert_string_equal(hd_api_text(&answer, "priority"), "urgent");
    assert_string_equal(hd_api_text(&answer, "status"), "open");
    assert_string_equal(hd_api_text(&answer, "ownerId"), "u-10");
    assert_string_equal(hd_api_text(&answer, "channels/0"), "email");
    assert_string_equal(hd_api_text(&answer, "tags/1"), "ç");
    assert_string_equal(answer.response.operation, "createTicket");

    struct hd_api_answer read = hd_ask(api, .path = hd_api_printf(api, "/tickets/%s", id), .token = customer("u-10"));
    hd_assert_status(read, 200);
    assert_string_equal(hd_api_header(&read, "ETag"), "\"1\"");
    assert_string_equal(hd_api_header(&read, "Cache-Control"), "no-store");
    json_t *without_event = json_deep_copy(answer.json);
    json_object_del(without_event, "eventId");
    assert_true(json_equal(read.json, without_event));
    json_decref(without_event);
}

static void defaults_are_filled_in(void **state) {
    (void)state;
    struct hd_api_answer answer = open_ticket(customer("u-10"), "{\"title\":\"x\"}");
    hd_assert_status(answer, 201);
    assert_string_equal(hd_api_text(&answer, "priority"), "normal");
    assert_string_equal(hd_api_text(&answer, "description"), "");
    assert_int_equal(json_array_size(hd_api_at(&answer, "channels")), 0);
    assert_int_equal(json_array_size(hd_api_at(&answer, "tags")), 0);
    assert_true(json_is_null(hd_api_at(&answer, "assignedAgentId")));
}

static void ticket_event_and_message_are_one_changeset(void **state) {
    (void)state;
    struct hd_api_answer answer = open_ticket(customer("u-10"), "{\"title\":\"x\"}");
    assert_int_equal(api->changes.count, 3);
    assert_int_equal(api->changes.changes[0].kind, HD_CHANGE_PUT_TICKET);
    assert_int_equal(api->changes.changes[1].kind, HD_CHANGE_APPEND_EVENT);
    assert_int_equal(api->changes.changes[2].kind, HD_CHANGE_ENQUEUE);
    assert_int_equal(api->changes.changes[2].enqueue.queue, HD_QUEUE_ROUTER);
    assert_int_equal(api->changes.changes[2].enqueue.lane, HD_LANE_NORMAL);
    assert_string_equal(api->changes.changes[2].enqueue.body, hd_api_printf(api, "{\"eventId\":\"%s\"}", hd_api_text(&answer, "eventId")));
}

static void the_event_is_valid_by_its_own_schema(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"title\":\"x\"}",
        "{\"title\":\"\\u0001 \\\"aspas\\\" \\\\ 🖨\",\"description\":\"linha\\n\\ttab\",\"priority\":\"low\",\"tags\":[\"a\"]}",
        "{\"title\":\"x\",\"channels\":[\"email\",\"push\",\"sms\",\"webhook\",\"inapp\"],\"priority\":\"high\"}",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
        struct hd_api_answer answer = open_ticket(customer("u-10"), bodies[i]);
        hd_assert_status(answer, 201);
        struct hd_api_answer read = hd_ask(api, .path = hd_api_printf(api, "/events/%s", hd_api_text(&answer, "eventId")),
                                           .token = hd_api_token(api, HD_ROLE_AGENT, "u-2"));
        hd_assert_status(read, 200);
        json_t *envelope = json_deep_copy(read.json);
        json_object_del(envelope, "acceptedAt");
        json_object_del(envelope, "decisions");
        struct hd_event event;
        struct hd_error err;
        if (hd_event_read(api->schemas, api->arena, envelope, 1, NULL, &event, NULL, &err) < 0)
            fail_msg("%s at %s", err.detail, err.pointer);
        json_decref(envelope);
        const struct hd_event *stored = stored_event(hd_api_text(&answer, "eventId"));
        assert_string_equal(stored->ticket_id, hd_api_text(&answer, "ticketId"));
        assert_string_equal(stored->actor_id, "u-10");
        assert_int_equal(stored->accepted_at_ms, api->ctx.now_ms);
    }
}

static void correlation_and_trace_go_into_the_event_and_come_back(void **state) {
    (void)state;
    static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .token = customer("u-10"), .body = "{\"title\":\"x\"}",
                                         .headers = {{"x-correlation-id", "req:1/2"}, {"Traceparent", parent}});
    hd_assert_status(answer, 201);
    const char *ours = hd_api_header(&answer, "traceparent");
    assert_string_equal(hd_api_header(&answer, "X-Correlation-Id"), "req:1/2");
    assert_memory_equal(ours, parent, 36);
    assert_memory_not_equal(ours + 36, parent + 36, 16);
    const struct hd_event *event = stored_event(hd_api_text(&answer, "eventId"));
    assert_string_equal(event->correlation_id, "req:1/2");
    assert_string_equal(event->traceparent, ours);
}

static void malformed_correlation_and_trace_are_replaced(void **state) {
    (void)state;
    struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .token = customer("u-10"), .body = "{\"title\":\"x\"}",
                                         .headers = {{"X-Correlation-Id", "no spaces\r\nX-Evil: 1"}, {"traceparent", "00-zz"}});
    hd_assert_status(answer, 201);
    uint8_t bytes[HD_ID_BYTES];
    assert_true(hd_id_to_bytes(hd_api_header(&answer, "X-Correlation-Id"), bytes));
    assert_true(hd_traceparent_valid(hd_api_header(&answer, "traceparent")));
}

static void a_customer_opens_tickets_for_nobody_else(void **state) {
    (void)state;
    hd_assert_status(open_ticket(customer("u-10"), "{\"title\":\"x\",\"ownerId\":\"u-10\"}"), 201);
    struct hd_api_answer answer = open_ticket(customer("u-10"), "{\"title\":\"x\",\"ownerId\":\"u-11\"}");
    hd_assert_problem(api, answer, 403, "forbidden");
}

static void staff_open_tickets_for_others_and_services_none(void **state) {
    (void)state;
    static const enum hd_role staff[] = {HD_ROLE_AGENT, HD_ROLE_MANAGER, HD_ROLE_ADMIN};
    for (size_t i = 0; i < HD_ARRAY_LEN(staff); i++) {
        struct hd_api_answer answer = open_ticket(hd_api_token(api, staff[i], "u-2"), "{\"title\":\"x\",\"ownerId\":\"u-11\"}");
        hd_assert_status(answer, 201);
        assert_string_equal(hd_api_text(&answer, "ownerId"), "u-11");
        assert_string_equal(stored_event(hd_api_text(&answer, "eventId"))->actor_id, "u-2");
    }
    struct hd_api_answer own = open_ticket(hd_api_token(api, HD_ROLE_AGENT, "u-2"), "{\"title\":\"x\"}");
    assert_string_equal(hd_api_text(&own, "ownerId"), "u-2");
    struct hd_api_answer service = open_ticket(hd_api_token(api, HD_ROLE_SERVICE, "s-1"), "{\"title\":\"x\",\"ownerId\":\"u-11\"}");
    hd_assert_problem(api, service, 403, "forbidden");
}

static const char *repeated(const char *before, const char *unit, size_t times, const char *after) {
    size_t unit_len = strlen(unit);
    char *text = hd_arena_alloc(api->arena, strlen(before) + times * unit_len + strlen(after) + 1);
    assert_non_null(text);
    char *at = stpcpy(text, before);
    for (size_t i = 0; i < times; i++)
        at = stpcpy(at, unit);
    strcpy(at, after);
    return text;
}

static void every_failing_field_is_named(void **state) {
    (void)state;
    struct hd_api_answer answer =
        open_ticket(customer("u-10"), "{\"title\":7,\"priority\":\"asap\",\"tags\":\"a\",\"colour\":1,\"channels\":[\"email\",\"fax\"]}");
    hd_assert_problem(api, answer, 422, "invalid");
    hd_assert_field(answer, "/title", "type");
    hd_assert_field(answer, "/priority", "enum");
    hd_assert_field(answer, "/tags", "type");
    hd_assert_field(answer, "/channels/1", "enum");
    struct hd_api_answer missing = open_ticket(customer("u-10"), "{}");
    hd_assert_problem(api, missing, 422, "invalid");
    hd_assert_field(missing, "/title", "required");
    assert_string_equal(hd_api_text(&missing, "detail"), "title is required");
    assert_true(json_array_size(hd_api_at(&missing, "errors")) == 1);
}

static void wrong_shapes_are_422(void **state) {
    (void)state;
    const char *const bodies[] = {
        "null",
        "[]",
        "\"x\"",
        "{\"title\":\"\"}",
        "{\"title\":\" \\n \"}",
        "{\"title\":null}",
        repeated("{\"title\":\"", "ã", 201, "\"}"),
        repeated("{\"title\":\"x\",\"description\":\"", "a", 20001, "\"}"),
        repeated("{\"title\":\"x\",\"channels\":[\"email\"", ",\"email\"", 999, "]}"), /* a thousand channels */
        "{\"title\":\"x\",\"channels\":[\"email\",\"email\"]}",
        "{\"title\":\"x\",\"channels\":[]}",
        "{\"title\":\"x\",\"ownerId\":\"a b\"}",
        repeated("{\"title\":\"x\",\"ownerId\":\"", "a", 129, "\"}"),
        "{\"title\":\"x\",\"tags\":[\"\"]}",
        "{\"title\":\"x\",\"status\":\"closed\"}",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
        struct hd_api_answer answer = open_ticket(customer("u-10"), bodies[i]);
        if (answer.status != 422)
            fail_msg("%d for %.80s", answer.status, bodies[i]);
        hd_assert_problem(api, answer, 422, "invalid");
        assert_true(json_array_size(hd_api_at(&answer, "errors")) >= 1);
    }
}

static void a_description_that_no_event_can_hold_is_refused(void **state) {
    (void)state;
    struct hd_api_answer answer = open_ticket(customer("u-10"), repeated("{\"title\":\"x\",\"description\":\"", "🖨", 20000, "\"}"));
    hd_assert_problem(api, answer, 422, "invalid");
    hd_assert_field(answer, "/description", "maxLength");
    hd_assert_status(open_ticket(customer("u-10"), repeated("{\"title\":\"x\",\"description\":\"", "ã", 20000, "\"}")), 201);
}

static void a_customer_sees_own_tickets_only(void **state) {
    (void)state;
    struct hd_api_answer mine = open_ticket(customer("u-10"), "{\"title\":\"mine\"}"),
                         theirs = open_ticket(customer("u-11"), "{\"title\":\"theirs\"}");
    const char *path = hd_api_printf(api, "/tickets/%s", hd_api_text(&theirs, "ticketId"));
    struct hd_api_answer hidden = hd_ask(api, .path = path, .token = customer("u-10")),
                         none = hd_ask(api, .path = "/tickets/none", .token = customer("u-10"));
    hd_assert_problem(api, hidden, 404, "not-found");
    hd_assert_problem(api, none, 404, "not-found");
    assert_string_equal(hd_api_text(&hidden, "detail"), hd_api_text(&none, "detail"));
    struct hd_api_answer notifications = hd_ask(api, .path = hd_api_printf(api, "%s/notifications", path), .token = customer("u-10"));
    hd_assert_problem(api, notifications, 404, "not-found");
    hd_assert_status(hd_ask(api, .path = path, .token = hd_api_token(api, HD_ROLE_AGENT, "u-2")), 200);

    struct hd_api_answer list = hd_ask(api, .path = "/tickets", .query = "ownerId=u-11", .token = customer("u-10"));
    hd_assert_status(list, 200);
    assert_int_equal(json_array_size(hd_api_at(&list, "items")), 1);
    assert_string_equal(hd_api_text(&list, "items/0/ticketId"), hd_api_text(&mine, "ticketId"));
}

static void lists_go_page_by_page_newest_first(void **state) {
    (void)state;
    const char *agent = hd_api_token(api, HD_ROLE_AGENT, "u-2");
    for (int i = 0; i < 5; i++) {
        api->ctx.now_ms++;
        hd_assert_status(
            open_ticket(customer("u-10"), hd_api_printf(api, "{\"title\":\"%d\",\"priority\":\"%s\"}", i, i % 2 ? "high" : "low")), 201);
    }
    struct hd_api_answer first = hd_ask(api, .path = "/tickets", .query = "limit=2", .token = agent);
    hd_assert_status(first, 200);
    assert_string_equal(hd_api_text(&first, "items/0/title"), "4");
    assert_string_equal(hd_api_text(&first, "items/1/title"), "3");
    const char *cursor = hd_api_text(&first, "nextCursor");
    struct hd_api_answer rest = hd_ask(api, .path = "/tickets", .query = hd_api_printf(api, "cursor=%s&limit=200", cursor), .token = agent);
    assert_int_equal(json_array_size(hd_api_at(&rest, "items")), 3);
    assert_true(json_is_null(hd_api_at(&rest, "nextCursor")));
    struct hd_api_answer high = hd_ask(api, .path = "/tickets", .query = "priority=high&status=open", .token = agent);
    assert_int_equal(json_array_size(hd_api_at(&high, "items")), 2);
    struct hd_api_answer closed = hd_ask(api, .path = "/tickets", .query = "status=closed", .token = agent);
    assert_int_equal(json_array_size(hd_api_at(&closed, "items")), 0);
}

static void bad_parameters_are_named(void **state) {
    (void)state;
    static const char *const queries[][3] = {
        {"limit=0", "?limit", "minimum"},
        {"limit=201", "?limit", "maximum"},
        {"limit=-1", "?limit", "minimum"},
        {"limit=1e1", "?limit", "minimum"},
        {"limit=", "?limit", "minimum"},
        {"limit=99999999999999999999", "?limit", "minimum"},
        {"status=new", "?status", "enum"},
        {"priority=", "?priority", "enum"},
        {"ownerId=a+b", "?ownerId", "pattern"},
        {"cursor=", "?cursor", "minLength"},
        {"cursor=%21%21", "?cursor", "pattern"},
        {"limit=1&limit=2", "?limit", "maxItems"},
        {"colour=red", "?colour", "additionalProperties"},
        {"Limit=1", "?Limit", "additionalProperties"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(queries); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .query = queries[i][0], .token = customer("u-10"));
        hd_assert_problem(api, answer, 422, "invalid");
        hd_assert_field(answer, queries[i][1], queries[i][2]);
    }
    static const char *const malformed[] = {"limit=%", "limit=%zz", "status=%00", "status=%ff", "%ff=1"};
    for (size_t i = 0; i < HD_ARRAY_LEN(malformed); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .query = malformed[i], .token = customer("u-10"));
        hd_assert_problem(api, answer, 400, "malformed");
    }
}

static void full_queues_are_a_503_that_says_when(void **state) {
    (void)state;
    api->overloaded = true;
    struct hd_api_answer answer = open_ticket(customer("u-10"), "{\"title\":\"x\"}");
    hd_assert_problem(api, answer, 503, "overloaded");
    assert_string_equal(hd_api_header(&answer, "Retry-After"), "7");
    hd_assert_status(hd_ask(api, .path = "/tickets", .token = customer("u-10")), 200);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_opened_ticket_is_answered_and_stored),
        TEST(defaults_are_filled_in),
        TEST(ticket_event_and_message_are_one_changeset),
        TEST(the_event_is_valid_by_its_own_schema),
        TEST(correlation_and_trace_go_into_the_event_and_come_back),
        TEST(malformed_correlation_and_trace_are_replaced),
        TEST(a_customer_opens_tickets_for_nobody_else),
        TEST(staff_open_tickets_for_others_and_services_none),
        TEST(every_failing_field_is_named),
        TEST(wrong_shapes_are_422),
        TEST(a_description_that_no_event_can_hold_is_refused),
        TEST(a_customer_sees_own_tickets_only),
        TEST(lists_go_page_by_page_newest_first),
        TEST(bad_parameters_are_named),
        TEST(full_queues_are_a_503_that_says_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
