#include "producer/routes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/attributes.h"
#include "core/ticket.h"

enum {
    ANYBODY = 0,
    CUSTOMER = 1 << HD_ROLE_CUSTOMER,
    AGENT = 1 << HD_ROLE_AGENT,
    MANAGER = 1 << HD_ROLE_MANAGER,
    ADMIN = 1 << HD_ROLE_ADMIN,
    SERVICE = 1 << HD_ROLE_SERVICE,
    STAFF = AGENT | MANAGER | ADMIN,
    PEOPLE = CUSTOMER | STAFF,
};

#define WORK .adds_work = true
#define AT_ONCE .at_once = true
#define QUERY(...) .query = {__VA_ARGS__}

/* clang-format off: a table */
const struct hd_route hd_routes[] = {
    {"POST", "/tickets", "createTicket", PEOPLE, HD_BODY_JSON, WORK, .decide = hd_create_ticket},
    {"GET", "/tickets", "listTickets", PEOPLE, HD_BODY_NONE, QUERY("status", "priority", "ownerId", "limit", "cursor"),
     .decide = hd_list_tickets},
    {"GET", "/tickets/{id}", "getTicket", PEOPLE, HD_BODY_NONE, .decide = hd_get_ticket},
    {"GET", "/tickets/{id}/notifications", "listTicketNotifications", PEOPLE, HD_BODY_NONE, QUERY("limit", "cursor"),
     .decide = hd_list_ticket_notifications},
    {"POST", "/events", "publishEvents", STAFF | SERVICE, HD_BODY_JSON, WORK, .decide = hd_publish_events},
    {"GET", "/events/{id}", "getEvent", STAFF, HD_BODY_NONE, .decide = hd_get_event},
    {"POST", "/users", "createUser", ADMIN, HD_BODY_JSON, .decide = hd_create_user},
    {"GET", "/users", "listUsers", STAFF, HD_BODY_NONE, QUERY("role", "team", "limit", "cursor"), .decide = hd_list_users},
    {"GET", "/notifications", "listNotifications", STAFF, HD_BODY_NONE,
     QUERY("status", "channel", "userId", "ticketId", "eventId", "limit", "cursor"), .decide = hd_list_notifications},
    {"GET", "/notifications/{id}", "getNotification", PEOPLE, HD_BODY_NONE, .decide = hd_get_notification},
    {"GET", "/dead-letters", "listDeadLetters", MANAGER | ADMIN, HD_BODY_NONE, QUERY("queue", "reason", "limit", "cursor"),
     .decide = hd_list_dead_letters},
    {"POST", "/dead-letters/redrive", "redriveDeadLetters", MANAGER | ADMIN, HD_BODY_JSON, .decide = hd_redrive_dead_letters},
    {"POST", "/dead-letters/{id}/redrive", "redriveDeadLetter", MANAGER | ADMIN, HD_BODY_NONE, .decide = hd_redrive_dead_letter},
    {"DELETE", "/dead-letters/{id}", "deleteDeadLetter", MANAGER | ADMIN, HD_BODY_NONE, .decide = hd_delete_dead_letter},
    {"GET", "/inbox", "listInbox", PEOPLE, HD_BODY_NONE, QUERY("unread", "limit", "cursor"), .decide = hd_list_inbox},
    {"POST", "/inbox/{id}/read", "readInboxItem", PEOPLE, HD_BODY_NONE, .decide = hd_read_inbox},
    {"GET", "/auth/me", "whoAmI", PEOPLE | SERVICE, HD_BODY_NONE, .decide = hd_who_am_i},
    {"POST", "/auth/demo", "demoLogin", ANYBODY, HD_BODY_JSON, .decide = hd_demo_login},
    {"GET", "/openapi.yaml", "getOpenapi", ANYBODY, HD_BODY_NONE, AT_ONCE, .decide = hd_get_openapi},
    {"GET", "/healthz", "healthz", ANYBODY, HD_BODY_NONE, AT_ONCE, .decide = hd_healthz},
    {"GET", "/readyz", "readyz", ANYBODY, HD_BODY_NONE, .decide = hd_readyz},
    {"GET", "/metrics", "metrics", ADMIN | SERVICE, HD_BODY_NONE, AT_ONCE, .decide = hd_show_metrics},
    {"GET", "/", "root", ANYBODY, HD_BODY_NONE, AT_ONCE, .decide = hd_go_to_page},
    {"GET", "/ui", "rootOfPage", ANYBODY, HD_BODY_NONE, AT_ONCE, .decide = hd_go_to_page},
    {"GET", "/ui/{path}", "getPage", ANYBODY, HD_BODY_NONE, AT_ONCE, .decide = hd_get_page},
};
/* clang-format on */

const size_t hd_route_count = HD_ARRAY_LEN(hd_routes);
static_assert(HD_ARRAY_LEN(hd_routes) <= HD_ROUTES_MAX, "struct hd_producer has room for them");

/* Where in path the {…} of pattern stands. */
static bool matches(const char *pattern, const char *path, const char **ret_rest, size_t *ret_len) {
    size_t same = 0;
    while (pattern[same] && pattern[same] != '{' && pattern[same] == path[same]) /* a path may have a brace, too */
        same++;
    if (pattern[same] != '{') {
        *ret_rest = NULL;
        *ret_len = 0;
        return pattern[same] == '\0' && path[same] == '\0';
    }
    const char *rest = path + same;
    if (strcmp(pattern + same, "{path}") == 0) {
        *ret_rest = rest;
        *ret_len = strlen(rest);
        return true;
    }
    size_t len = strcspn(rest, "/");
    const char *tail = strchr(pattern + same, '}') + 1;
    *ret_rest = rest;
    *ret_len = len;
    return len > 0 && strcmp(tail, rest + len) == 0;
}

static bool takes(const struct hd_route *route, const char *method) {
    if (strcmp(route->method, method) == 0)
        return true;
    return strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
}

static bool is_of_path(const struct hd_route *route, const struct hd_route *first) {
    return route < hd_routes + hd_route_count && strcmp(route->path, first->path) == 0;
}

struct hd_route_match hd_route_find(const char *method, const char *path) {
    struct hd_route_match match = {0};
    for (const struct hd_route *route = hd_routes; route < hd_routes + hd_route_count; route++) {
        if (!matches(route->path, path, &match.rest, &match.rest_len))
            continue;
        match.first = route;
        for (; is_of_path(route, match.first) && !match.route; route++) {
            if (takes(route, method))
                match.route = route;
        }
        return match;
    }
    return (struct hd_route_match){0};
}

void hd_route_methods(const struct hd_route *first, char *out, size_t out_bytes) {
    size_t at = 0;
    for (const struct hd_route *route = first; is_of_path(route, first) && at < out_bytes; route++) {
        const char *name = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
        at += (size_t)snprintf(out + at, out_bytes - at, "%s%s", at > 0 ? ", " : "", name);
    }
}
