/* What holds for every route: who is let in, what cannot be read, what fails behind it. */
#include <stdio.h>
#include <string.h>

#include "base/assets.h"
#include "producer/routes.h"
#include "tests/support/api.h"

static struct hd_api *api;
static const char *admin;

static int set_up(void **state) {
    (void)state;
    api = hd_api_new(true);
    admin = hd_api_token(api, HD_ROLE_ADMIN, "u-1");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hd_api_free(api);
    return 0;
}

/* The route's path with an id in the place of its {…}. */
static const char *example_path(const struct hd_route *route) {
    const char *open = strchr(route->path, '{');
    if (!open)
        return route->path;
    return hd_api_printf(api, "%.*sx%s", (int)(open - route->path), route->path, strchr(open, '}') + 1);
}

/* ---- who is let in ---- */

static void without_a_token_only_public_routes_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < hd_route_count; i++) {
        struct hd_api_answer answer = hd_ask(api, .method = hd_routes[i].method, .path = example_path(&hd_routes[i]));
        assert_string_equal(answer.response.operation, hd_routes[i].operation);
        if (hd_routes[i].roles == 0) {
            assert_int_not_equal(answer.status, 401);
            continue;
        }
        hd_assert_problem(api, answer, 401, "unauthenticated");
        assert_string_equal(hd_api_header(&answer, "WWW-Authenticate"), "Bearer");
    }
}

static void a_role_gets_in_where_the_table_says_so(void **state) {
    (void)state;
    for (size_t i = 0; i < hd_route_count; i++) {
        for (unsigned role = 0; role < HD_ROLE_COUNT && hd_routes[i].roles; role++) {
            struct hd_api_answer answer = hd_ask(api, .method = hd_routes[i].method, .path = example_path(&hd_routes[i]),
                                                 .token = hd_api_token(api, (enum hd_role)role, "u-5"));
            bool let_in = answer.status != 403;
            if (let_in != ((hd_routes[i].roles >> role & 1) != 0))
                fail_msg("%s as %s: %d", hd_routes[i].operation, hd_role_name((enum hd_role)role), answer.status);
        }
    }
}

static void a_bad_token_is_a_401_that_says_so(void **state) {
    (void)state;
    const struct hd_jwt_key other = {.secret = "another secret of thirty-two bytes!!", .issuer = "helpdesk", .audience = "helpdesk"};
    const struct hd_claims claims = {.subject = "u-1", .role = HD_ROLE_ADMIN, .expires_at_s = api->ctx.now_ms / 1000 + 60};
    const char *forged;
    assert_int_equal(hd_jwt_sign(&other, &claims, api->ctx.now_ms, api->arena, &forged, NULL), 0);
    const char *const headers[] = {"",
                                   "Bearer",
                                   "Bearer ",
                                   "Basic dTpw",
                                   "Token x",
                                   hd_api_printf(api, "Bearer %s", forged),
                                   hd_api_printf(api, "Bearer %s.", admin),
                                   admin};
    for (size_t i = 0; i < HD_ARRAY_LEN(headers); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .headers = {{"Authorization", headers[i]}});
        hd_assert_problem(api, answer, 401, "unauthenticated");
        assert_string_equal(hd_api_header(&answer, "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
    }
    api->ctx.now_ms += 3600 * 1000 + HD_JWT_LEEWAY_S * 1000;
    struct hd_api_answer expired = hd_ask(api, .path = "/tickets", .token = admin);
    hd_assert_problem(api, expired, 401, "unauthenticated");
}

static void the_schemes_name_may_be_in_any_case(void **state) {
    (void)state;
    hd_assert_status(hd_ask(api, .path = "/tickets", .headers = {{"AUTHORIZATION", hd_api_printf(api, "bEARER  %s", admin)}}), 200);
}

static void the_token_is_looked_at_before_the_body(void **state) {
    (void)state;
    struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .body = "{", .content_type = "text/plain");
    hd_assert_problem(api, answer, 401, "unauthenticated");
    struct hd_api_answer forbidden = hd_ask(api, .path = "/users", .body = "{", .token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10"));
    hd_assert_problem(api, forbidden, 403, "forbidden");
}

static void metrics_need_no_token_on_their_own_listener(void **state) {
    (void)state;
    struct hd_api_answer answer = hd_ask(api, .path = "/metrics", .private_listener = true);
    hd_assert_status(answer, 200);
    assert_string_equal(hd_api_header(&answer, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    hd_assert_status(hd_ask(api, .path = "/tickets", .private_listener = true), 401);
    hd_assert_status(hd_ask(api, .path = "/metrics"), 401);
    hd_assert_status(hd_ask(api, .path = "/metrics", .token = hd_api_token(api, HD_ROLE_SERVICE, "s-1")), 200);
}

static void whom_the_host_vouches_for_needs_no_token(void **state) {
    (void)state;
    const struct hd_claims agent = {.subject = "u-7", .role = HD_ROLE_AGENT}, customer = {.subject = "u-10", .role = HD_ROLE_CUSTOMER};
    struct hd_api_answer answer = hd_ask(api, .path = "/auth/me", .identity = &agent);
    hd_assert_status(answer, 200);
    assert_string_equal(hd_api_text(&answer, "userId"), "u-7");
    assert_string_equal(hd_api_text(&answer, "role"), "agent");
    struct hd_api_answer refused = hd_ask(api, .path = "/users", .identity = &customer);
    hd_assert_problem(api, refused, 403, "forbidden");
}

static void beside_a_host_that_vouches_a_token_counts_for_nothing(void **state) {
    (void)state;
    const struct hd_claims customer = {.subject = "u-10", .role = HD_ROLE_CUSTOMER};
    struct hd_api_answer refused = hd_ask(api, .path = "/users", .identity = &customer, .token = admin);
    hd_assert_problem(api, refused, 403, "forbidden");
    hd_assert_status(hd_ask(api, .path = "/tickets", .identity = &customer, .headers = {{"Authorization", "Bearer of.another.issuer"}}),
                     200);
}

/* ---- paths and methods ---- */

static void unknown_paths_are_404_and_unknown_methods_405(void **state) {
    (void)state;
    struct hd_api_answer nowhere = hd_ask(api, .path = "/nowhere", .token = admin);
    hd_assert_problem(api, nowhere, 404, "not-found");
    assert_string_equal(nowhere.response.operation, "");
    static const char *const methods[] = {"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "", "BREW"};
    for (size_t i = 0; i < HD_ARRAY_LEN(methods); i++) {
        struct hd_api_answer answer = hd_ask(api, .method = methods[i], .path = "/tickets", .token = admin);
        hd_assert_problem(api, answer, 405, "method-not-allowed");
        assert_string_equal(hd_api_header(&answer, "Allow"), "POST, GET, HEAD");
    }
}

static void a_head_is_a_get_whose_body_stays(void **state) {
    (void)state;
    struct hd_api_answer get = hd_ask(api, .path = "/tickets", .token = admin),
                         head = hd_ask(api, .method = "HEAD", .path = "/tickets", .token = admin);
    hd_assert_status(head, 200);
    assert_true(head.response.omit_body);
    assert_false(get.response.omit_body);
    assert_int_equal(head.response.body_bytes, get.response.body_bytes);
    assert_true(hd_ask(api, .method = "HEAD", .path = "/tickets").response.omit_body);
}

static void ids_of_other_forms_are_not_found(void **state) {
    (void)state;
    char long_path[300] = "/tickets/";
    memset(long_path + 9, 'a', HD_ID_MAX_LEN + 1);
    const char *const paths[] = {"/tickets/a%20b", "/tickets/%C3%A3", "/tickets/%7F", long_path};
    for (size_t i = 0; i < HD_ARRAY_LEN(paths); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = paths[i], .token = admin);
        hd_assert_problem(api, answer, 404, "not-found");
    }
    static const char *const malformed[] = {"/tickets/%", "/tickets/%4", "/tickets/%00", "/tickets/a%00b", "/tickets/%FF", "/tickets/\xff"};
    for (size_t i = 0; i < HD_ARRAY_LEN(malformed); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = malformed[i], .token = admin);
        hd_assert_problem(api, answer, 400, "malformed");
    }
}

/* ---- bodies ---- */

static const char *nested(int depth) {
    char *text = hd_arena_alloc(api->arena, (size_t)depth * 2 + 1);
    assert_non_null(text);
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    text[2 * depth] = '\0';
    return text;
}

static void what_is_no_json_is_400(void **state) {
    (void)state;
    const char *const bodies[] = {"{",
                                  "{\"title\":\"x\"",
                                  "{\"title\":\"x\"}}",
                                  "{'title':'x'}",
                                  "{\"title\":\"\xff\"}",
                                  "{\"title\":\"\xed\xa0\x80\"}",
                                  "{\"title\":\"a\\u0000b\"}",
                                  "{\"title\":\"x\",\"title\":\"y\"}",
                                  "{\"title\":\"a\nb\"}",
                                  "\xef\xbb\xbf{}",
                                  "NaN",
                                  " ",
                                  nested(HD_JSON_MAX_DEPTH + 1),
                                  nested(100000)};
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .token = admin, .body = bodies[i]);
        hd_assert_problem(api, answer, 400, "malformed");
    }
    struct hd_api_answer nul = hd_ask(api, .path = "/tickets", .token = admin, .body = "{\"title\":\"a\0b\"}", .body_bytes = 15);
    hd_assert_problem(api, nul, 400, "malformed");
    struct hd_api_answer behind = hd_ask(api, .path = "/tickets", .token = admin, .body = "{\"title\":\"x\"}\0", .body_bytes = 14);
    hd_assert_problem(api, behind, 400, "malformed");
    struct hd_api_answer none = hd_ask(api, .method = "POST", .path = "/tickets", .token = admin);
    hd_assert_problem(api, none, 400, "malformed");
}

static void bodies_of_other_types_are_415(void **state) {
    (void)state;
    static const char *const types[] = {"text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json+x", "",
                                        "json",       "multipart/form-data; boundary=x"};
    for (size_t i = 0; i < HD_ARRAY_LEN(types); i++) {
        struct hd_api_answer answer =
            hd_ask(api, .path = "/tickets", .token = admin, .body = "{\"title\":\"x\"}", .content_type = types[i]);
        hd_assert_problem(api, answer, 415, "unsupported-media-type");
    }
    static const char *const good[] = {"application/json", "Application/JSON", "application/json;charset=utf-8", "application/json ; x=y"};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++)
        hd_assert_status(hd_ask(api, .path = "/tickets", .token = admin, .body = "{\"title\":\"x\"}", .content_type = good[i]), 201);
}

static void what_is_too_large_is_413_or_431(void **state) {
    (void)state;
    char *body = hd_arena_alloc(api->arena, HD_HTTP_BODY_MAX_BYTES + 2);
    assert_non_null(body);
    memset(body, ' ', HD_HTTP_BODY_MAX_BYTES + 1);
    body[HD_HTTP_BODY_MAX_BYTES + 1] = '\0';
    memcpy(body, "{\"title\":\"x\"}", 13);
    struct hd_api_answer large = hd_ask(api, .path = "/tickets", .token = admin, .body = body, .body_bytes = HD_HTTP_BODY_MAX_BYTES + 1);
    hd_assert_problem(api, large, 413, "too-large");
    hd_assert_status(hd_ask(api, .path = "/tickets", .token = admin, .body = body, .body_bytes = HD_HTTP_BODY_MAX_BYTES), 201);

    char *header = hd_arena_alloc(api->arena, HD_HTTP_HEADERS_MAX_BYTES + 1);
    assert_non_null(header);
    memset(header, 'a', HD_HTTP_HEADERS_MAX_BYTES);
    header[HD_HTTP_HEADERS_MAX_BYTES] = '\0';
    struct hd_api_answer headers = hd_ask(api, .path = "/healthz", .headers = {{"X", header}});
    hd_assert_problem(api, headers, 431, "headers-too-large");
    struct hd_api_answer query = hd_ask(api, .path = "/healthz", .query = header);
    hd_assert_problem(api, query, 431, "headers-too-large");
}

static void too_many_headers_are_431(void **state) {
    (void)state;
    struct hd_header headers[HD_HTTP_HEADERS_MAX + 1];
    for (size_t i = 0; i < HD_ARRAY_LEN(headers); i++)
        headers[i] = (struct hd_header){"X", "1"};
    struct hd_request request = {
        .method = "GET", .path = "/healthz", .query = "", .headers = headers, .header_count = HD_ARRAY_LEN(headers), .body = ""};
    struct hd_response response;
    api->changes = hd_changeset(api->decisions);
    hd_producer_decide(api->producer, &api->ctx, &request, api->decisions, 1, &api->changes, &response);
    assert_int_equal(response.status, 431);
    request.header_count--;
    hd_producer_decide(api->producer, &api->ctx, &request, api->decisions, 1, &api->changes, &response);
    assert_int_equal(response.status, 200);
}

/* ---- what fails behind it ---- */

static void a_store_that_fails_is_a_503_that_gives_nothing_away(void **state) {
    (void)state;
    hd_memory_fail_next(api->memory, 1, HD_ERR_CORRUPT);
    struct hd_api_answer read = hd_ask(api, .path = "/tickets/t", .token = admin);
    hd_assert_problem(api, read, 503, "corrupt");
    assert_non_null(read.response.error); /* for the host's log */
    hd_memory_fail_next(api->memory, 1, HD_ERR_NO_SPACE);
    struct hd_api_answer full = hd_ask(api, .path = "/tickets", .token = admin, .body = "{\"title\":\"x\"}");
    hd_assert_problem(api, full, 503, "no-space");
    assert_non_null(hd_api_header(&full, "Retry-After"));
    api->not_ready = true;
    struct hd_api_answer ready = hd_ask(api, .path = "/readyz");
    hd_assert_problem(api, ready, 503, "unavailable");
    assert_null(strstr(ready.body, "secret"));
    hd_assert_status(hd_ask(api, .path = "/healthz"), 200);
}

static void steal(struct hd_api *of) {
    of->before_commit = steal; /* every time */
    const struct hd_changeset *sets[] = {&of->changes};
    struct hd_commit_result result;
    assert_int_equal(of->ctx.store->ops->commit(of->ctx.store, sets, 1, &result, NULL), 0);
}

static void the_last_decision_answers_409_itself(void **state) {
    (void)state;
    api->before_commit = steal;
    struct hd_api_answer answer = hd_ask(api, .path = "/tickets", .token = admin, .body = "{\"title\":\"x\"}");
    hd_assert_problem(api, answer, 409, "conflict");
    assert_int_equal(api->attempts, HD_DECISIONS_MAX);
}

/* Every allocation of the request path fails once: an answer always, and a changeset only with a success. */
static void a_small_arena_is_an_error_and_never_half_an_answer(void **state) {
    (void)state;
    static const char body[] = "{\"title\":\"x\",\"description\":\"a \\\"b\\\"\",\"tags\":[\"a\"],\"channels\":[\"email\"]}";
    const struct hd_header headers[] = {
        {"Authorization", hd_api_printf(api, "Bearer %s", admin)}, {"Content-Type", "application/json"}, {"Idempotency-Key", "k"}};
    const struct hd_request request = {.method = "POST",
                                       .path = "/tickets",
                                       .query = "",
                                       .headers = headers,
                                       .header_count = 3,
                                       .body = body,
                                       .body_bytes = sizeof(body) - 1};
    for (size_t limit = 16;; limit += 16) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(limit);
        assert_non_null(small);
        struct hd_changeset changes = hd_changeset(small);
        struct hd_response response;
        hd_producer_decide(api->producer, &api->ctx, &request, small, 1, &changes, &response);
        if (response.status == 201) {
            assert_int_equal(changes.count, 4);
            assert_int_equal(hd_changeset_check(&changes, NULL), 0);
            return;
        }
        assert_int_equal(response.status, 503);
        assert_int_equal(changes.count, 0);
        assert_true(response.body_bytes > 0 && response.body_bytes == strlen(response.body));
        assert_true(limit < 64 * 1024);
    }
}

static void a_hosts_own_refusals_are_problems_too(void **state) {
    (void)state;
    const struct hd_header headers[] = {{"X-Correlation-Id", "mine"}};
    const struct hd_request request = {
        .method = "POST", .path = "/tickets", .query = "", .headers = headers, .header_count = 1, .body = ""};
    struct hd_error err;
    struct hd_response response;
    hd_error_set(&err, HD_ERR_TOO_LARGE, "The body has more than %d bytes.", HD_HTTP_BODY_MAX_BYTES);
    hd_producer_failure(api->producer, &request, api->decisions, &err, &response);
    assert_int_equal(response.status, 413);
    assert_string_equal(response.correlation_id, "mine");
    assert_string_equal(response.operation, "createTicket");
    assert_non_null(strstr(response.body, "\"correlationId\":\"mine\""));
    HD_CLEANUP(hd_arena_freep) struct hd_arena *none = hd_arena_new(0);
    hd_producer_failure(api->producer, &request, none, &err, &response);
    assert_int_equal(response.status, 503);
    assert_non_null(strstr(response.body, "no-memory"));
}

static void a_bad_setting_is_told(void **state) {
    (void)state;
    struct hd_producer *producer = NULL;
    struct hd_error err;
    struct hd_producer_options options = {.jwt_secret = "too short", .jwt_issuer = "i", .jwt_audience = "a"};
    assert_int_equal(hd_producer_new(&options, &producer, &err), HD_ERR_CONFIGURATION);
    assert_non_null(strstr(err.detail, "32"));
    options.jwt_secret = NULL;
    assert_int_equal(hd_producer_new(&options, &producer, NULL), HD_ERR_CONFIGURATION);
    assert_null(producer);
    hd_producer_free(NULL);
}

/* ---- operation ---- */

static void health_and_the_description_are_public(void **state) {
    (void)state;
    struct hd_api_answer health = hd_ask(api, .path = "/healthz"), ready = hd_ask(api, .path = "/readyz"),
                         yaml = hd_ask(api, .path = "/openapi.yaml");
    hd_assert_status(health, 200);
    assert_string_equal(health.body, "{\"status\":\"ok\"}");
    hd_assert_status(ready, 200);
    hd_assert_status(yaml, 200);
    assert_string_equal(hd_api_header(&yaml, "Content-Type"), "application/yaml");
    assert_memory_equal(yaml.body, "openapi: 3.1", 12);
}

static void a_file_that_is_known_is_not_sent_again(void **state) {
    (void)state;
    struct hd_api_answer first = hd_ask(api, .path = "/openapi.yaml");
    const char *etag = hd_api_header(&first, "ETag");
    const char *const known[] = {etag, hd_api_printf(api, "W/%s", etag), hd_api_printf(api, "\"x\", %s", etag), "*"};
    for (size_t i = 0; i < HD_ARRAY_LEN(known); i++) {
        struct hd_api_answer again = hd_ask(api, .path = "/openapi.yaml", .headers = {{"If-None-Match", known[i]}});
        hd_assert_status(again, 304);
        assert_int_equal(again.response.body_bytes, 0);
        assert_string_equal(hd_api_header(&again, "ETag"), etag);
    }
    hd_assert_status(hd_ask(api, .path = "/openapi.yaml", .headers = {{"If-None-Match", "\"x\""}}), 200);
}

static void the_root_leads_to_the_page(void **state) {
    (void)state;
    static const char *const paths[] = {"/", "/ui"};
    for (size_t i = 0; i < HD_ARRAY_LEN(paths); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = paths[i]);
        hd_assert_status(answer, 302);
        assert_string_equal(hd_api_header(&answer, "Location"), "/ui/");
    }
}

static void the_page_comes_with_a_strict_policy(void **state) {
    (void)state;
    if (!hd_asset_find("ui/index.html")) {
        print_message("skipped: this build has no page\n");
        skip();
    }
    static const char *const paths[] = {"/ui/", "/ui/tickets", "/ui/tickets/tkt-1/deep", "/ui/index.html", "/ui/a%20b"};
    for (size_t i = 0; i < HD_ARRAY_LEN(paths); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = paths[i]);
        hd_assert_status(answer, 200);
        assert_string_equal(hd_api_header(&answer, "Content-Type"), "text/html; charset=utf-8");
        assert_string_equal(hd_api_header(&answer, "Cache-Control"), "no-cache");
        const char *policy = hd_api_header(&answer, "Content-Security-Policy");
        assert_non_null(strstr(policy, "default-src 'none'"));
        assert_null(strstr(policy, "unsafe"));
    }
    size_t count;
    const struct hd_asset *assets = hd_assets(&count);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(assets[i].path, "ui/assets/", 10) != 0)
            continue;
        struct hd_api_answer answer = hd_ask(api, .path = hd_api_printf(api, "/%s", assets[i].path));
        hd_assert_status(answer, 200);
        assert_int_equal(answer.response.body_bytes, assets[i].size_bytes);
        assert_non_null(strstr(hd_api_header(&answer, "Cache-Control"), "immutable"));
    }
}

static void files_that_the_page_has_not_are_404(void **state) {
    (void)state;
    static const char *const paths[] = {"/ui/nothing.js", "/ui/assets/nothing", "/ui/../schemas/openapi.json",
                                        "/ui/%2e%2e/schemas/openapi.json", "/ui/a/b.c"};
    for (size_t i = 0; i < HD_ARRAY_LEN(paths); i++) {
        struct hd_api_answer answer = hd_ask(api, .path = paths[i]);
        hd_assert_problem(api, answer, 404, "not-found");
    }
}

static void what_is_answered_at_once_looks_at_no_store(void **state) {
    (void)state;
    static const struct hd_store_ops nothing = {0}; /* any read would crash */
    struct hd_store none = {.ops = &nothing}, *kept = api->ctx.store;
    size_t at_once = 0;
    api->ctx.store = &none;
    for (size_t i = 0; i < hd_route_count; i++) {
        struct hd_request request = {.method = hd_routes[i].method, .path = hd_routes[i].path, .query = ""};
        assert_int_equal(hd_producer_answers_at_once(api->producer, &request), hd_routes[i].at_once);
        if (!hd_routes[i].at_once)
            continue;
        struct hd_api_answer answer =
            hd_ask(api, .method = hd_routes[i].method, .path = hd_routes[i].path, .token = hd_api_token(api, HD_ROLE_ADMIN, "carla"));
        assert_in_range(answer.status, 200, 404);
        at_once++;
    }
    assert_true(at_once >= 5);
    struct hd_request unknown = {.method = "GET", .path = "/nowhere", .query = ""};
    assert_true(hd_producer_answers_at_once(api->producer, &unknown));
    struct hd_api_answer answer = hd_ask(api, .path = "/nowhere");
    api->ctx.store = kept;
    hd_assert_problem(api, answer, 404, "not-found");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_token_only_public_routes_answer),
        TEST(a_role_gets_in_where_the_table_says_so),
        TEST(a_bad_token_is_a_401_that_says_so),
        TEST(the_schemes_name_may_be_in_any_case),
        TEST(the_token_is_looked_at_before_the_body),
        TEST(what_is_answered_at_once_looks_at_no_store),
        TEST(metrics_need_no_token_on_their_own_listener),
        TEST(whom_the_host_vouches_for_needs_no_token),
        TEST(beside_a_host_that_vouches_a_token_counts_for_nothing),
        TEST(unknown_paths_are_404_and_unknown_methods_405),
        TEST(a_head_is_a_get_whose_body_stays),
        TEST(ids_of_other_forms_are_not_found),
        TEST(what_is_no_json_is_400),
        TEST(bodies_of_other_types_are_415),
        TEST(what_is_too_large_is_413_or_431),
        TEST(too_many_headers_are_431),
        TEST(a_store_that_fails_is_a_503_that_gives_nothing_away),
        TEST(the_last_decision_answers_409_itself),
        TEST(a_small_arena_is_an_error_and_never_half_an_answer),
        TEST(a_hosts_own_refusals_are_problems_too),
        TEST(a_bad_setting_is_told),
        TEST(health_and_the_description_are_public),
        TEST(a_file_that_is_known_is_not_sent_again),
        TEST(the_root_leads_to_the_page),
        TEST(the_page_comes_with_a_strict_policy),
        TEST(files_that_the_page_has_not_are_404),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
