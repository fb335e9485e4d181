/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

#include "base/assets.h"
#include "base/json.h"
#include "core/ticket.h"
#include "producer/routes.h"

static json_t *openapi;

static int load(void **state) {
    (void)state;
    hd_json_init();
    const struct hd_asset *asset = hd_asset_find("schemas/openapi.json");
    return asset ? hd_json_load((const char *)asset->data, asset->size_bytes, HD_JSON_ANY_DEPTH, &openapi, NULL) : -1;
}

static int unload(void **state) {
    (void)state;
    json_decref(openapi);
    return 0;
}

static const json_t *described(const struct hd_route *route) {
    char method[16];
    snprintf(method, sizeof(method), "%s", route->method);
    for (char *c = method; *c; c++)
        *c = (char)(*c | 0x20);
    const json_t *operation = json_object_get(json_object_get(json_object_get(openapi, "paths"), route->path), method);
    if (!operation)
        fail_msg("%s %s is not in openapi.yaml", route->method, route->path);
    return operation;
}

static void every_route_is_described_under_its_name(void **state) {
    (void)state;
    for (size_t i = 0; i < hd_route_count; i++)
        assert_string_equal(hd_json_str(described(&hd_routes[i]), "operationId"), hd_routes[i].operation);
}

static void every_described_operation_is_a_route(void **state) {
    (void)state;
    size_t count = 0;
    const char *path, *method;
    json_t *item, *operation;
    json_object_foreach(json_object_get(openapi, "paths"), path, item) {
        json_object_foreach(item, method, operation) {
            char upper[16];
            snprintf(upper, sizeof(upper), "%s", method);
            for (char *c = upper; *c; c++)
                *c = (char)(*c & ~0x20);
            bool found = false;
            for (size_t i = 0; i < hd_route_count && !found; i++)
                found = strcmp(hd_routes[i].path, path) == 0 && strcmp(hd_routes[i].method, upper) == 0;
            if (!found)
                fail_msg("%s %s of openapi.yaml is no route", upper, path);
            count++;
        }
    }
    assert_int_equal(count, hd_route_count);
}

static void the_roles_are_the_described_ones(void **state) {
    (void)state;
    for (size_t i = 0; i < hd_route_count; i++) {
        const json_t *names = json_object_get(described(&hd_routes[i]), "x-roles");
        assert_true(json_is_array(names));
        unsigned roles = 0;
        for (size_t n = 0; n < json_array_size(names); n++) {
            int role = hd_role_from_name(json_string_value(json_array_get(names, n)));
            assert_true(role >= 0);
            roles |= 1u << role;
        }
        if (roles != hd_routes[i].roles)
            fail_msg("%s: the roles are %#x and described as %#x", hd_routes[i].operation, hd_routes[i].roles, roles);
        bool needs_token = json_array_size(json_object_get(described(&hd_routes[i]), "security")) > 0;
        assert_int_equal(needs_token, roles != 0);
    }
}

static void a_route_takes_a_body_where_one_is_described(void **state) {
    (void)state;
    for (size_t i = 0; i < hd_route_count; i++)
        assert_int_equal(json_object_get(described(&hd_routes[i]), "requestBody") != NULL, hd_routes[i].body == HD_BODY_JSON);
}

static const json_t *resolved(const json_t *parameter) {
    static const char prefix[] = "#/components/parameters/";
    const char *ref = hd_json_str(parameter, "$ref");
    if (!ref)
        return parameter;
    assert_memory_equal(ref, prefix, sizeof(prefix) - 1);
    return json_object_get(json_object_get(json_object_get(openapi, "components"), "parameters"), ref + sizeof(prefix) - 1);
}

static bool reads(const struct hd_route *route, const char *name) {
    for (size_t i = 0; i < HD_ROUTE_QUERY_MAX && route->query[i]; i++) {
        if (strcmp(route->query[i], name) == 0)
            return true;
    }
    return false;
}

static void a_route_reads_the_described_query(void **state) {
    (void)state;
    for (size_t i = 0; i < hd_route_count; i++) {
        const json_t *parameters = json_object_get(described(&hd_routes[i]), "parameters");
        size_t want = 0, got = 0;
        for (size_t p = 0; p < json_array_size(parameters); p++) {
            const json_t *parameter = resolved(json_array_get(parameters, p));
            if (strcmp(hd_json_str(parameter, "in"), "query") != 0)
                continue;
            want++;
            if (!reads(&hd_routes[i], hd_json_str(parameter, "name")))
                fail_msg("%s does not read ?%s", hd_routes[i].operation, hd_json_str(parameter, "name"));
        }
        while (got < HD_ROUTE_QUERY_MAX && hd_routes[i].query[got])
            got++;
        assert_int_equal(got, want);
    }
}

/* ---- finding ---- */

static void finds(const char *method, const char *path, const char *operation, const char *rest) {
    struct hd_route_match match = hd_route_find(method, path);
    if (!match.route)
        fail_msg("%s %s is not found", method, path);
    assert_string_equal(match.route->operation, operation);
    if (!rest)
        assert_null(match.rest);
    else if (match.rest_len != strlen(rest) || strncmp(match.rest, rest, match.rest_len) != 0)
        fail_msg("%s: the rest is %.*s", path, (int)match.rest_len, match.rest);
}

static void paths_lead_to_their_routes(void **state) {
    (void)state;
    finds("GET", "/tickets", "listTickets", NULL);
    finds("POST", "/tickets", "createTicket", NULL);
    finds("GET", "/tickets/tkt-001", "getTicket", "tkt-001");
    finds("GET", "/tickets/a%2Fb", "getTicket", "a%2Fb");
    finds("GET", "/tickets/notifications", "getTicket", "notifications");
    finds("GET", "/tickets/t/notifications", "listTicketNotifications", "t");
    finds("POST", "/dead-letters/redrive", "redriveDeadLetters", NULL);
    finds("POST", "/dead-letters/redrive/redrive", "redriveDeadLetter", "redrive");
    finds("DELETE", "/dead-letters/d-1", "deleteDeadLetter", "d-1");
    finds("GET", "/", "root", NULL);
    finds("GET", "/ui", "rootOfPage", NULL);
    finds("GET", "/ui/", "getPage", "");
    finds("GET", "/ui/assets/a/b.js", "getPage", "assets/a/b.js");
    finds("HEAD", "/healthz", "healthz", NULL);
    finds("GET", "/tickets/{id}", "getTicket", "{id}"); /* what looks like the table's own pattern is a path as any other */
    finds("GET", "/ui/{path}", "getPage", "{path}");
}

static void other_paths_lead_nowhere(void **state) {
    (void)state;
    static const char *const paths[] = {"",
                                        "/nowhere",
                                        "/tickets/",
                                        "//tickets",
                                        "/tickets//notifications",
                                        "/tickets/t/notifications/",
                                        "/ticket",
                                        "/ticketsx",
                                        "/tickets/t/other",
                                        "/Tickets",
                                        "/uix",
                                        "/inbox/i/unread",
                                        "/healthz/",
                                        "tickets",
                                        "/tickets/t/n/x",
                                        "/events//"};
    for (size_t i = 0; i < HD_ARRAY_LEN(paths); i++) {
        if (hd_route_find("GET", paths[i]).first)
            fail_msg("%s leads to %s", paths[i], hd_route_find("GET", paths[i]).first->operation);
    }
}

static void methods_of_a_path_are_told(void **state) {
    (void)state;
    char methods[64];
    struct hd_route_match match = hd_route_find("PATCH", "/tickets");
    assert_null(match.route);
    hd_route_methods(match.first, methods, sizeof(methods));
    assert_string_equal(methods, "POST, GET, HEAD");
    match = hd_route_find("DELETE", "/dead-letters/redrive"); /* the name of a route is no id */
    assert_null(match.route);
    hd_route_methods(match.first, methods, sizeof(methods));
    assert_string_equal(methods, "POST");
    assert_null(hd_route_find("get", "/tickets").route);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described_under_its_name),
        cmocka_unit_test(every_described_operation_is_a_route),
        cmocka_unit_test(the_roles_are_the_described_ones),
        cmocka_unit_test(a_route_takes_a_body_where_one_is_described),
        cmocka_unit_test(a_route_reads_the_described_query),
        cmocka_unit_test(paths_lead_to_their_routes),
        cmocka_unit_test(other_paths_lead_nowhere),
        cmocka_unit_test(methods_of_a_path_are_told),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
