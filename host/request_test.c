/* A request from the first decision to the durable answer, over the store in memory. */
#include "host/request.h"

#include "tests/support/api.h"

#include <string.h>

enum { MOVED_MS = 5000 };

static struct hd_api *api;
static struct hd_store_ops real, faulty;
static int conflicts;        /* commits from now on that another writer is faster than */
static enum hd_code refused; /* the one changeset's own failure */
static int commits, heard;
static size_t heard_changes;
static int64_t clock_ms;

static int commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                  struct hd_error *err) {
    commits++;
    if (conflicts > 0) {
        conflicts--;
        ret_results[0] = (struct hd_commit_result){.code = HD_ERR_CONFLICT};
        return 0;
    }
    if (refused) {
        ret_results[0] = (struct hd_commit_result){.code = refused};
        hd_error_set(err, refused, "this one alone");
        return 0;
    }
    return real.commit(store, sets, count, ret_results, err);
}

static int64_t look(const struct hd_clock *clock) {
    (void)clock;
    return clock_ms;
}
static const struct hd_clock test_clock = {.now_ms = look};

static void happened(void *self, const struct hd_changeset *set) {
    assert_ptr_equal(self, api);
    heard++;
    heard_changes = set->count;
}

static int setup(void **state) {
    (void)state;
    api = hd_api_new(false);
    real = *api->ctx.store->ops;
    faulty = real;
    faulty.commit = commit;
    api->ctx.store->ops = &faulty;
    conflicts = commits = heard = 0;
    refused = HD_OK;
    heard_changes = 0;
    clock_ms = api->ctx.now_ms + MOVED_MS;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hd_api_free(api);
    return 0;
}

static struct hd_response ask(const char *method, const char *path, const char *body) {
    struct hd_response response;
    const struct hd_header headers[] = {
        {"Authorization", hd_api_printf(api, "Bearer %s", hd_api_token(api, HD_ROLE_CUSTOMER, "ana"))},
        {"Content-Type", "application/json"},
    };
    struct hd_request request = {
        .method = method, .path = path, .query = "", .headers = headers, .header_count = 2, .body = body, .body_bytes = strlen(body)};
    memset(&response, 0xa5, sizeof response); /* a host need not clear it */
    hd_request_answer(api->producer, &api->ctx, &test_clock, &request, api->decisions, api, happened, &response);
    return response;
}

static struct hd_response open_ticket(void) {
    return ask("POST", "/tickets", "{\"title\":\"T\",\"description\":\"D\"}");
}

static size_t tickets(void) {
    const struct hd_ticket *found;
    const char *more;
    size_t count;
    const struct hd_ticket_filter all = {.status = -1, .priority = -1};
    assert_int_equal(real.tickets(api->ctx.store, api->arena, &all, &(struct hd_page){.limit = HD_PAGE_MAX}, &found, &count, &more, NULL),
                     0);
    return count;
}

/* The one ticket, as it is stored. */
static const struct hd_ticket *ticket(void) {
    const struct hd_ticket *found;
    const char *more;
    size_t count;
    const struct hd_ticket_filter all = {.status = -1, .priority = -1};
    assert_int_equal(real.tickets(api->ctx.store, api->arena, &all, &(struct hd_page){.limit = 2}, &found, &count, &more, NULL), 0);
    assert_int_equal(count, 1);
    return found;
}

static const char *header(const struct hd_response *response, const char *name) {
    for (size_t i = 0; i < response->header_count; i++)
        if (strcmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    return NULL;
}

/* ---- tests ---- */

static void what_is_answered_has_happened_and_is_told_once(void **state) {
    (void)state;
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 201);
    assert_non_null(strstr(response.body, ticket()->ticket_id));
    assert_int_equal(ticket()->created_at_ms, clock_ms);
    assert_int_equal(heard, 1);
    assert_true(heard_changes >= 3);
}

static void a_read_commits_nothing_and_nobody_is_told(void **state) {
    (void)state;
    assert_int_equal(ask("GET", "/tickets", "").status, 200);
    assert_int_equal(commits, 0);
    assert_int_equal(heard, 0);
}

static void nobody_need_listen(void **state) {
    (void)state;
    struct hd_response response;
    struct hd_request request = {.method = "GET", .path = "/healthz", .query = "", .body = ""};
    hd_request_answer(api->producer, &api->ctx, &test_clock, &request, api->decisions, NULL, NULL, &response);
    assert_int_equal(response.status, 200);
}

static void a_conflict_is_decided_again_in_the_same_trace(void **state) {
    (void)state;
    conflicts = 2;
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 201);
    assert_int_equal(commits, 3);
    assert_int_equal(heard, 1);
    assert_int_equal(tickets(), 1);
    assert_non_null(header(&response, "X-Correlation-Id"));
    assert_string_equal(header(&response, "X-Correlation-Id"), response.correlation_id);
    assert_int_equal(strlen(response.traceparent), 55);
}

static void conflicts_without_end_are_a_409_in_the_end(void **state) {
    (void)state;
    conflicts = 1000;
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 409);
    assert_true(commits < HD_DECISIONS_MAX);
    assert_int_equal(heard, 0);
    assert_int_equal(tickets(), 0);
    assert_non_null(response.correlation_id);
}

static void a_store_that_fails_is_a_503_that_says_nothing_of_it(void **state) {
    (void)state;
    hd_memory_fail_next(api->memory, 1, HD_ERR_NO_SPACE);
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 503);
    assert_null(strstr(response.body, "injected"));
    assert_int_equal(response.error->code, HD_ERR_NO_SPACE);
    assert_non_null(strstr(response.error->detail, "injected"));
    assert_non_null(header(&response, "Retry-After"));
    assert_string_equal(response.operation, "createTicket");
    assert_int_equal(heard, 0);
    assert_int_equal(tickets(), 0);
}

static void a_changeset_s_own_failure_is_told_as_such(void **state) {
    (void)state;
    refused = HD_ERR_UNAVAILABLE;
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 503);
    assert_string_equal(response.error->detail, "this one alone");
    assert_int_equal(heard, 0);
}

static void an_answer_that_was_lost_is_no_yes(void **state) {
    (void)state;
    hd_memory_lose_answer(api->memory);
    assert_int_equal(open_ticket().status, 503);
    assert_int_equal(heard, 0);
}

static void a_failure_after_a_conflict_keeps_the_trace(void **state) {
    (void)state;
    conflicts = 1;
    hd_memory_fail_next(api->memory, 1, HD_ERR_UNAVAILABLE); /* the commit of the second decision */
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 503);
    assert_int_equal(commits, 2);
    assert_non_null(strstr(response.body, header(&response, "X-Correlation-Id")));
}

static void without_memory_there_is_still_an_answer(void **state) {
    (void)state;
    struct hd_arena *kept = api->decisions;
    api->decisions = hd_arena_new(16);
    assert_non_null(api->decisions);
    struct hd_response response = open_ticket();
    assert_int_equal(response.status, 503);
    assert_true(response.body_bytes > 0);
    assert_int_equal(tickets(), 0);
    hd_arena_free(api->decisions);
    api->decisions = kept;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_answered_has_happened_and_is_told_once),
        TEST(a_read_commits_nothing_and_nobody_is_told),
        TEST(nobody_need_listen),
        TEST(a_conflict_is_decided_again_in_the_same_trace),
        TEST(conflicts_without_end_are_a_409_in_the_end),
        TEST(a_store_that_fails_is_a_503_that_says_nothing_of_it),
        TEST(a_changeset_s_own_failure_is_told_as_such),
        TEST(an_answer_that_was_lost_is_no_yes),
        TEST(a_failure_after_a_conflict_keeps_the_trace),
        TEST(without_memory_there_is_still_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
