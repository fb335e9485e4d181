#include <string.h>

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

static struct hd_api_answer add(const char *body) {
    return hd_ask(api, .path = "/users", .token = admin, .body = body);
}

static void a_person_is_added_with_all_that_was_said(void **state) {
    (void)state;
    struct hd_api_answer answer =
        add("{\"userId\":\"u/10\",\"name\":\"Ana Conceição\",\"email\":\"ana@example.org\",\"phone\":\"+5511987654321\",\"role\":\"agent\","
            "\"locale\":\"en\",\"timeZone\":\"America/Sao_Paulo\",\"team\":\"N2\",\"skills\":[\"redes\"],"
            "\"preferences\":{\"channels\":{\"email\":false,\"inapp\":true}}}");
    hd_assert_status(answer, 201);
    assert_string_equal(hd_api_header(&answer, "Location"), "/users/u%2F10");
    assert_string_equal(hd_api_header(&answer, "ETag"), "\"1\"");
    assert_string_equal(hd_api_text(&answer, "name"), "Ana Conceição");
    assert_string_equal(hd_api_text(&answer, "role"), "agent");
    assert_string_equal(hd_api_text(&answer, "channelsOff/0"), "email");
    assert_int_equal(json_array_size(hd_api_at(&answer, "channelsOff")), 1);
    assert_string_equal(hd_api_text(&answer, "skills/0"), "redes");
    assert_int_equal(api->changes.count, 2);
    const struct hd_audit *entry = api->changes.changes[1].audit;
    assert_string_equal(entry->action, "user.created");
    assert_string_equal(entry->subject, "u/10");
    assert_string_equal(entry->actor, "u-1");

    struct hd_api_answer list =
        hd_ask(api, .path = "/users", .query = "role=agent&team=N2", .token = hd_api_token(api, HD_ROLE_AGENT, "u-2"));
    assert_true(json_equal(hd_api_at(&list, "items/0"), answer.json));
    struct hd_api_answer others = hd_ask(api, .path = "/users", .query = "role=customer", .token = admin);
    assert_int_equal(json_array_size(hd_api_at(&others, "items")), 0);
}

static void defaults_are_filled_in(void **state) {
    (void)state;
    struct hd_api_answer answer = add("{\"name\":\"Ana\"}");
    hd_assert_status(answer, 201);
    assert_int_equal(strlen(hd_api_text(&answer, "userId")), HD_ID_TEXT_LEN);
    assert_string_equal(hd_api_text(&answer, "role"), "customer");
    assert_string_equal(hd_api_text(&answer, "locale"), "pt-BR");
    assert_string_equal(hd_api_text(&answer, "timeZone"), "UTC");
    assert_true(json_is_null(hd_api_at(&answer, "email")));
}

static void an_id_or_an_address_that_is_taken_is_a_409(void **state) {
    (void)state;
    hd_assert_status(add("{\"userId\":\"u-10\",\"name\":\"Ana\",\"email\":\"ana@example.org\"}"), 201);
    struct hd_api_answer id = add("{\"userId\":\"u-10\",\"name\":\"Bia\"}");
    hd_assert_problem(api, id, 409, "conflict");
    assert_non_null(strstr(hd_api_text(&id, "detail"), "userId"));
    struct hd_api_answer address = add("{\"name\":\"Bia\",\"email\":\"Ana@Example.org\"}");
    hd_assert_problem(api, address, 409, "conflict");
    assert_non_null(strstr(hd_api_text(&address, "detail"), "e-mail"));
}

static void bad_people_are_422(void **state) {
    (void)state;
    static const char *const bodies[][3] = {
        {"{}", "/name", "required"},
        {"{\"name\":\"  \"}", "/name", "pattern"},
        {"{\"name\":\"A\",\"email\":\"ana\"}", "/email", "format"},
        {"{\"name\":\"A\",\"email\":\"a@b.c\\r\\nBcc: x@y.z\"}", "/email", "format"},
        {"{\"name\":\"A\",\"phone\":\"11 9876\"}", "/phone", "pattern"},
        {"{\"name\":\"A\",\"role\":\"root\"}", "/role", "enum"},
        {"{\"name\":\"A\",\"locale\":\"fr\"}", "/locale", "enum"},
        {"{\"name\":\"A\",\"timeZone\":\"../etc/passwd\"}", "/timeZone", "pattern"},
        {"{\"name\":\"A\",\"preferences\":{\"channels\":{\"email\":0}}}", "/preferences/channels/email", "type"},
        {"{\"name\":\"A\",\"userId\":\"\"}", "/userId", "pattern"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bodies); i++) {
        struct hd_api_answer answer = add(bodies[i][0]);
        hd_assert_problem(api, answer, 422, "invalid");
        hd_assert_field(answer, bodies[i][1], bodies[i][2]);
    }
}

static void only_administrators_add_people_and_only_staff_sees_them(void **state) {
    (void)state;
    for (int role = 0; role < HD_ROLE_COUNT; role++) {
        const char *token = hd_api_token(api, (enum hd_role)role, "u-5");
        hd_assert_status(hd_ask(api, .path = "/users", .token = token, .body = "{\"name\":\"A\"}"), role == HD_ROLE_ADMIN ? 201 : 403);
        bool is_staff = role == HD_ROLE_AGENT || role == HD_ROLE_MANAGER || role == HD_ROLE_ADMIN;
        hd_assert_status(hd_ask(api, .path = "/users", .token = token), is_staff ? 200 : 403);
    }
}

/* ---- who the caller is ---- */

static void callers_are_told_who_they_are(void **state) {
    (void)state;
    struct hd_api_answer unknown = hd_ask(api, .path = "/auth/me", .token = hd_api_token(api, HD_ROLE_SERVICE, "s-1"));
    hd_assert_status(unknown, 200);
    assert_string_equal(hd_api_text(&unknown, "userId"), "s-1");
    assert_string_equal(hd_api_text(&unknown, "role"), "service");
    assert_true(json_is_null(hd_api_at(&unknown, "user")));
    hd_assert_status(add("{\"userId\":\"u-10\",\"name\":\"Ana\"}"), 201);
    struct hd_api_answer known = hd_ask(api, .path = "/auth/me", .token = hd_api_token(api, HD_ROLE_CUSTOMER, "u-10"));
    assert_string_equal(hd_api_text(&known, "user/name"), "Ana");
}

static void the_demo_signs_its_people_in(void **state) {
    (void)state;
    struct hd_api_answer early = hd_ask(api, .path = "/auth/demo", .body = "{\"role\":\"agent\"}");
    hd_assert_problem(api, early, 404, "not-found"); /* nobody has added them */
    hd_assert_status(add(hd_api_printf(api, "{\"userId\":\"%s\",\"name\":\"Bruno\",\"role\":\"agent\"}", hd_demo_user_id(HD_ROLE_AGENT))),
                     201);
    struct hd_api_answer answer = hd_ask(api, .path = "/auth/demo", .body = "{\"role\":\"agent\"}");
    hd_assert_status(answer, 200);
    assert_string_equal(hd_api_text(&answer, "user/name"), "Bruno");
    struct hd_api_answer me = hd_ask(api, .path = "/auth/me", .token = hd_api_text(&answer, "token"));
    assert_string_equal(hd_api_text(&me, "user/name"), "Bruno");
    assert_string_equal(hd_api_text(&me, "role"), "agent");
    struct hd_api_answer service = hd_ask(api, .path = "/auth/demo", .body = "{\"role\":\"service\"}");
    hd_assert_problem(api, service, 422, "invalid");
}

static void without_a_demo_nobody_is_signed_in(void **state) {
    (void)state;
    hd_api_free(api);
    api = hd_api_new(false);
    admin = hd_api_token(api, HD_ROLE_ADMIN, "u-1");
    hd_assert_status(add("{\"userId\":\"carla\",\"name\":\"A\",\"role\":\"admin\"}"), 201);
    struct hd_api_answer answer = hd_ask(api, .path = "/auth/demo", .body = "{\"role\":\"admin\"}");
    hd_assert_problem(api, answer, 404, "not-found");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_person_is_added_with_all_that_was_said),
        TEST(defaults_are_filled_in),
        TEST(an_id_or_an_address_that_is_taken_is_a_409),
        TEST(bad_people_are_422),
        TEST(only_administrators_add_people_and_only_staff_sees_them),
        TEST(callers_are_told_who_they_are),
        TEST(the_demo_signs_its_people_in),
        TEST(without_a_demo_nobody_is_signed_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
