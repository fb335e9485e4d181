#include <string.h>

#include "tests/support/api.h"

static struct hd_api *api;
static const char *ana, *bia;

static int set_up(void **state) {
    (void)state;
    api = hd_api_new(false);
    ana = hd_api_token(api, HD_ROLE_CUSTOMER, "u-ana");
    bia = hd_api_token(api, HD_ROLE_CUSTOMER, "u-bia");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hd_api_free(api);
    return 0;
}

static struct hd_api_answer open_ticket(const char *token, const char *key, const char *body) {
    return hd_ask(api, .path = "/tickets", .token = token, .body = body, .headers = {{"idempotency-key", key}});
}

static size_t tickets(void) {
    struct hd_api_answer list = hd_ask(api, .path = "/tickets", .token = hd_api_token(api, HD_ROLE_AGENT, "u-2"));
    return json_array_size(hd_api_at(&list, "items"));
}

static void the_same_request_gets_the_same_answer(void **state) {
    (void)state;
    struct hd_api_answer first = open_ticket(ana, "k-1", "{\"title\":\"x\"}");
    hd_assert_status(first, 201);
    assert_null(hd_api_header(&first, "Idempotent-Replayed"));
    assert_int_equal(api->changes.count, 4);
    api->ctx.now_ms += 1000;
    api->overloaded = true; /* it adds no work */
    struct hd_api_answer again = open_ticket(ana, "k-1", "{\"title\":\"x\"}");
    hd_assert_status(again, 201);
    assert_string_equal(hd_api_header(&again, "Idempotent-Replayed"), "true");
    assert_string_equal(again.body, first.body);
    assert_string_equal(hd_api_header(&again, "Location"), hd_api_header(&first, "Location"));
    assert_string_equal(hd_api_header(&again, "ETag"), "\"1\"");
    assert_string_equal(hd_api_header(&again, "Content-Type"), "application/json");
    assert_int_equal(tickets(), 1);
}

static void another_body_is_refused(void **state) {
    (void)state;
    hd_assert_status(open_ticket(ana, "k-1", "{\"title\":\"x\"}"), 201);
    struct hd_api_answer other = open_ticket(ana, "k-1", "{\"title\":\"y\"}");
    hd_assert_problem(api, other, 422, "idempotency-key-reused");
    assert_int_equal(tickets(), 1);
}

static void a_key_belongs_to_its_caller_and_path(void **state) {
    (void)state;
    hd_assert_status(open_ticket(ana, "k-1", "{\"title\":\"x\"}"), 201);
    struct hd_api_answer hers = open_ticket(bia, "k-1", "{\"title\":\"x\"}");
    hd_assert_status(hers, 201);
    assert_null(hd_api_header(&hers, "Idempotent-Replayed"));
    assert_int_equal(tickets(), 2);
}

static void failures_are_not_remembered(void **state) {
    (void)state;
    struct hd_api_answer bad = open_ticket(ana, "k-1", "{}");
    hd_assert_problem(api, bad, 422, "invalid");
    hd_assert_status(open_ticket(ana, "k-1", "{\"title\":\"x\"}"), 201);
    hd_memory_fail_next(api->memory, 2, HD_ERR_UNAVAILABLE); /* the commit; the first is the look for an answer */
    struct hd_api_answer failed = open_ticket(ana, "k-2", "{\"title\":\"x\"}");
    hd_assert_problem(api, failed, 503, "unavailable");
    hd_assert_status(open_ticket(ana, "k-2", "{\"title\":\"x\"}"), 201);
    assert_int_equal(tickets(), 2);
}

static void an_answer_that_was_lost_comes_at_the_second_try(void **state) {
    (void)state;
    hd_memory_lose_answer(api->memory);
    struct hd_api_answer lost = open_ticket(ana, "k-1", "{\"title\":\"x\"}");
    assert_int_equal(lost.status, 503);
    struct hd_api_answer again = open_ticket(ana, "k-1", "{\"title\":\"x\"}");
    hd_assert_status(again, 201);
    assert_string_equal(hd_api_header(&again, "Idempotent-Replayed"), "true");
    assert_int_equal(tickets(), 1);
}

static void twin(struct hd_api *of) {
    struct hd_changeset ours = of->changes; /* which is decided and not yet committed */
    const struct hd_changeset *sets[] = {&ours};
    struct hd_commit_result result;
    assert_int_equal(of->ctx.store->ops->commit(of->ctx.store, sets, 1, &result, NULL), 0);
}

static void two_at_the_same_time_make_one(void **state) {
    (void)state;
    api->before_commit = twin;
    struct hd_api_answer answer = open_ticket(ana, "k-1", "{\"title\":\"x\"}");
    hd_assert_status(answer, 201);
    assert_int_equal(api->attempts, 2);
    assert_string_equal(hd_api_header(&answer, "Idempotent-Replayed"), "true");
    assert_int_equal(tickets(), 1);
}

static void a_success_that_changes_nothing_is_remembered_too(void **state) {
    (void)state;
    static const char event[] =
        "{\"event\":\"TicketCreated\",\"eventId\":\"e-1\",\"occurredAt\":\"2026-09-21T10:00:00Z\",\"payload\":{\"ticketId\":\"t\",\"userId\":\"u\"}}";
    const char *service = hd_api_token(api, HD_ROLE_SERVICE, "s-1");
    hd_assert_status(hd_ask(api, .path = "/events", .token = service, .body = event), 202);
    hd_assert_status(hd_ask(api, .path = "/events", .token = service, .body = event, .headers = {{"Idempotency-Key", "k"}}), 202);
    struct hd_api_answer other = hd_ask(api, .path = "/events", .token = service, .body = "[]", .headers = {{"Idempotency-Key", "k"}});
    hd_assert_problem(api, other, 422, "idempotency-key-reused");
}

static void keys_have_1_to_255_visible_characters(void **state) {
    (void)state;
    char key[HD_IDEMPOTENCY_KEY_MAX_LEN + 2];
    memset(key, 'k', sizeof(key));
    key[HD_IDEMPOTENCY_KEY_MAX_LEN] = '\0';
    hd_assert_status(open_ticket(ana, key, "{\"title\":\"x\"}"), 201);
    key[HD_IDEMPOTENCY_KEY_MAX_LEN] = 'k';
    key[HD_IDEMPOTENCY_KEY_MAX_LEN + 1] = '\0';
    const char *const bad[] = {key, "", "a b", "ã", "a\tb"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        struct hd_api_answer answer = open_ticket(ana, bad[i], "{\"title\":\"x\"}");
        hd_assert_problem(api, answer, 400, "malformed");
    }
}

static void reads_take_no_key(void **state) {
    (void)state;
    hd_assert_status(hd_ask(api, .path = "/tickets", .token = ana, .headers = {{"Idempotency-Key", "a b"}}), 200);
    assert_int_equal(api->changes.count, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_same_request_gets_the_same_answer),
        TEST(another_body_is_refused),
        TEST(a_key_belongs_to_its_caller_and_path),
        TEST(failures_are_not_remembered),
        TEST(an_answer_that_was_lost_comes_at_the_second_try),
        TEST(two_at_the_same_time_make_one),
        TEST(a_success_that_changes_nothing_is_remembered_too),
        TEST(keys_have_1_to_255_visible_characters),
        TEST(reads_take_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
