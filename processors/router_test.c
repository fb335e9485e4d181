/* What the router decides: who is told, by which channels, and why not. */
#include "tests/support/host.h"

#include <stdio.h>
#include <string.h>

#include "core/rules.h"
#include "processors/audit.h"

#define OLGA "\"userId\":\"olga\""
#define EVENT "e-1"

static int setup(void **state) {
    struct hd_host *host = hd_host_new();
    hd_user_is(host, .user_id = "olga", .name = "Olga", .email = "olga@example.org", .role = HD_ROLE_CUSTOMER, .locale = "en");
    hd_user_is(host, .user_id = "adam", .name = "Adam", .email = "adam@example.org", .role = HD_ROLE_AGENT, .team = "net");
    hd_user_is(host, .user_id = "bela", .name = "Bela", .email = "bela@example.org", .role = HD_ROLE_AGENT, .team = "net");
    hd_user_is(host, .user_id = "carl", .name = "Carl", .email = "carl@example.org", .role = HD_ROLE_AGENT, .team = "web");
    hd_user_is(host, .user_id = "mona", .name = "Mona", .email = "mona@example.org", .role = HD_ROLE_MANAGER);
    hd_user_is(host, .user_id = "nils", .name = "Nils", .email = "nils@example.org", .role = HD_ROLE_MANAGER, .team = "net");
    hd_user_is(host, .user_id = "root", .name = "Root", .email = "root@example.org", .role = HD_ROLE_ADMIN, .team = "net");
    hd_ticket_is(host, .ticket_id = "t-adam", .title = "Printer", .owner_id = "olga", .assigned_agent_id = "adam", .team = "net");
    hd_ticket_is(host, .ticket_id = "t-none", .title = "Printer", .owner_id = "olga", .team = "net");
    hd_ticket_is(host, .ticket_id = "t-bare", .title = "Printer", .owner_id = "olga");
    hd_ticket_is(host, .ticket_id = "t-mail", .title = "Printer", .owner_id = "olga", .assigned_agent_id = "adam", .team = "net",
                 .channels = HD_CHANNEL_BIT(HD_EMAIL));
    *state = host;
    return 0;
}

static int teardown(void **state) {
    hd_host_free(*state);
    return 0;
}

/* The members of an event's payload beside ticketId. */
static void happens(struct hd_host *host, enum hd_event_type type, const char *ticket_id, const char *actor_id, const char *members) {
    const char *payload = hd_arena_printf(host->arena, "{\"ticketId\":\"%s\"%s%s}", ticket_id, members[0] ? "," : "", members);
    hd_host_event(host, EVENT, type, ticket_id, actor_id, payload);
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_ROUTER), 0);
}

#define BOTH(who) who "/email " who "/inapp"

struct rule_case {
    const char *what;
    enum hd_event_type type;
    const char *ticket_id;
    const char *actor_id;
    const char *members;
    const char *told;
};

static const struct rule_case cases[] = {
    /* the owner gets a confirmation of what they did themselves; the team hears of it in-app */
    {"created", HD_EVENT_TICKET_CREATED, "t-none", "olga", OLGA, "adam/inapp bela/inapp " BOTH("olga")},
    {"created by an agent of the team", HD_EVENT_TICKET_CREATED, "t-none", "adam", OLGA, "bela/inapp " BOTH("olga")},
    {"created without a team", HD_EVENT_TICKET_CREATED, "t-bare", "olga", OLGA, BOTH("olga")},
    {"created, of a ticket that is not ours", HD_EVENT_TICKET_CREATED, "t-else", NULL, OLGA, BOTH("olga")},
    {"assigned", HD_EVENT_TICKET_ASSIGNED, "t-adam", "mona", OLGA ",\"agentId\":\"adam\"", BOTH("adam") " " BOTH("olga")},
    {"assigned to whom the event names", HD_EVENT_TICKET_ASSIGNED, "t-adam", "mona", "\"agentId\":\"bela\"", BOTH("bela") " " BOTH("olga")},
    {"assigned to oneself", HD_EVENT_TICKET_ASSIGNED, "t-adam", "adam", "\"agentId\":\"adam\"", BOTH("olga")},
    {"status", HD_EVENT_TICKET_UPDATED, "t-adam", "mona", OLGA ",\"changedFields\":{\"status\":{\"old\":\"open\",\"new\":\"closed\"}}",
     BOTH("adam") " " BOTH("olga")},
    {"priority", HD_EVENT_TICKET_UPDATED, "t-adam", "mona", OLGA ",\"changedFields\":{\"priority\":{\"old\":\"low\",\"new\":\"high\"}}",
     BOTH("adam")},
    {"description", HD_EVENT_TICKET_UPDATED, "t-adam", "olga", OLGA ",\"changedFields\":{\"description\":{\"old\":\"a\",\"new\":\"b\"}}",
     BOTH("adam")},
    {"status, priority and description at once", HD_EVENT_TICKET_UPDATED, "t-adam", "mona",
     OLGA ",\"changedFields\":{\"status\":{\"old\":1,\"new\":2},\"priority\":{\"old\":1,\"new\":2},\"description\":{\"old\":1,\"new\":2}}",
     BOTH("adam") " " BOTH("olga")},
    {"a field of no rule", HD_EVENT_TICKET_UPDATED, "t-adam", "mona", OLGA ",\"changedFields\":{\"tags\":{\"old\":[],\"new\":[\"a\"]}}",
     ""},
    {"comment of the owner", HD_EVENT_TICKET_COMMENTED, "t-adam", "olga", OLGA ",\"authorId\":\"olga\"", BOTH("adam")},
    {"comment of the agent", HD_EVENT_TICKET_COMMENTED, "t-adam", "adam", OLGA ",\"authorId\":\"adam\"", BOTH("olga")},
    {"comment of somebody else", HD_EVENT_TICKET_COMMENTED, "t-adam", "bela", OLGA ",\"authorId\":\"bela\"", BOTH("adam") " " BOTH("olga")},
    {"comment whose author only the payload names", HD_EVENT_TICKET_COMMENTED, "t-adam", NULL, OLGA ",\"authorId\":\"adam\"", BOTH("olga")},
    {"internal note", HD_EVENT_TICKET_COMMENTED, "t-adam", "bela", OLGA ",\"authorId\":\"bela\",\"internal\":true", BOTH("adam")},
    {"internal note of the agent", HD_EVENT_TICKET_COMMENTED, "t-adam", "adam", OLGA ",\"authorId\":\"adam\",\"internal\":true", ""},
    {"resolved", HD_EVENT_TICKET_RESOLVED, "t-adam", "adam", OLGA, BOTH("olga")},
    {"resolved by the owner", HD_EVENT_TICKET_RESOLVED, "t-adam", "olga", OLGA, ""},
    {"reopened", HD_EVENT_TICKET_REOPENED, "t-adam", "olga", OLGA, BOTH("adam")},
    {"reopened without an agent", HD_EVENT_TICKET_REOPENED, "t-none", "olga", OLGA, BOTH("adam") " " BOTH("bela")},
    {"reopened without an agent, by one of the team", HD_EVENT_TICKET_REOPENED, "t-none", "bela", OLGA, BOTH("adam")},
    {"reopened without an agent or a team", HD_EVENT_TICKET_REOPENED, "t-bare", "olga", OLGA, ""},
    {"late", HD_EVENT_TICKET_SLA_BREACHED, "t-adam", NULL, OLGA, BOTH("adam") " " BOTH("mona") " " BOTH("nils")},
    {"late without an agent", HD_EVENT_TICKET_SLA_BREACHED, "t-none", NULL, OLGA, BOTH("mona") " " BOTH("nils")},
    {"reminder", HD_EVENT_REMINDER, "t-none", NULL, "\"userId\":\"carl\"", BOTH("carl")},
    {"reminder of oneself", HD_EVENT_REMINDER, "t-adam", "bela", "\"agentId\":\"bela\"", BOTH("bela")},
    {"reminder of two", HD_EVENT_REMINDER, "t-adam", NULL, "\"agentId\":\"bela\"," OLGA, BOTH("bela") " " BOTH("olga")},
    {"reminder of one by two names", HD_EVENT_REMINDER, "t-adam", NULL, "\"agentId\":\"olga\"," OLGA, BOTH("olga")},
    /* channels */
    {"narrowed by the event", HD_EVENT_TICKET_ASSIGNED, "t-adam", "mona", "\"agentId\":\"adam\",\"channels\":[\"inapp\"]",
     "adam/inapp olga/inapp"},
    {"narrowed by the ticket", HD_EVENT_TICKET_ASSIGNED, "t-mail", "mona", "\"agentId\":\"adam\"", "adam/email olga/email"},
    {"the event is nearer than the ticket", HD_EVENT_TICKET_ASSIGNED, "t-mail", "mona", "\"agentId\":\"adam\",\"channels\":[\"inapp\"]",
     "adam/inapp olga/inapp"},
    {"the team stays in-app whatever is asked", HD_EVENT_TICKET_CREATED, "t-mail", "olga", OLGA, "olga/email"},
    {"push is for the desk and not for the written ones", HD_EVENT_TICKET_ASSIGNED, "t-adam", "mona",
     "\"agentId\":\"adam\",\"channels\":[\"push\",\"inapp\"]", "adam/inapp adam/push:suppressed(channel_unavailable) olga/inapp"},
    {"a channel that no rule allows", HD_EVENT_TICKET_CREATED, "t-none", "olga", OLGA ",\"channels\":[\"webhook\"]", ""},
    /* not told, with a reason */
    {"nobody whom we know", HD_EVENT_REMINDER, "t-none", NULL, "\"userId\":\"ghost\"",
     "ghost/email:suppressed(unknown_user) ghost/inapp:suppressed(unknown_user)"},
};

static void every_rule_tells_whom_the_product_says(void **state) {
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        void *host = NULL;
        setup(&host);
        happens(host, cases[i].type, cases[i].ticket_id, cases[i].actor_id, cases[i].members);
        const char *told = hd_host_told(host, EVENT);
        if (strcmp(told, cases[i].told) != 0)
            fail_msg("%s: told \"%s\" instead of \"%s\"", cases[i].what, told, cases[i].told);
        teardown(&host);
    }
}

static void each_pending_notification_has_one_task_and_each_suppressed_one_none(void **state) {
    struct hd_host *host = *state;
    happens(host, HD_EVENT_TICKET_ASSIGNED, "t-adam", "mona", "\"agentId\":\"adam\",\"channels\":[\"email\",\"push\",\"inapp\"]");
    assert_string_equal(hd_host_told(host, EVENT), "adam/email adam/inapp adam/push:suppressed(channel_unavailable) olga/email olga/inapp");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 2);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 2);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_PUSH), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
}

static void a_notification_says_what_it_is_about(void **state) {
    struct hd_host *host = *state;
    happens(host, HD_EVENT_TICKET_RESOLVED, "t-adam", "adam", OLGA);
    const struct hd_notification *n = hd_host_notification(host, "olga", HD_EMAIL);
    struct hd_id id = hd_notification_id(HD_HOST_NOW_MS, EVENT, "olga", HD_EMAIL);
    assert_string_equal(n->notification_id, id.text);
    assert_string_equal(n->event_id, EVENT);
    assert_string_equal(n->event, "TicketResolved");
    assert_string_equal(n->ticket_id, "t-adam");
    assert_string_equal(n->correlation_id, "corr-1");
    assert_non_null(n->traceparent);
    assert_false(n->critical);
    assert_int_equal(n->attempts, 0);
    assert_int_equal(n->accepted_at_ms, HD_HOST_NOW_MS);
}

static void a_breached_sla_is_critical_and_goes_by_the_urgent_lane(void **state) {
    struct hd_host *host = *state;
    happens(host, HD_EVENT_TICKET_SLA_BREACHED, "t-adam", NULL, OLGA);
    assert_true(hd_host_notification(host, "adam", HD_EMAIL)->critical);
    assert_true(hd_host_notification(host, "mona", HD_INAPP)->critical);
    static const struct hd_processor *const channels[] = {&hd_email_processor, &hd_inapp_processor};
    for (size_t i = 0; i < HD_ARRAY_LEN(channels); i++) {
        struct hd_host_job job;
        assert_true(hd_host_take(host, channels[i], &job));
        assert_int_equal(job.message.lane, HD_LANE_URGENT);
        hd_host_end(&job);
    }
}

static void other_events_go_by_the_normal_lane(void **state) {
    struct hd_host *host = *state;
    struct hd_host_job job;
    happens(host, HD_EVENT_TICKET_RESOLVED, "t-adam", "adam", OLGA);
    assert_true(hd_host_take(host, &hd_email_processor, &job));
    assert_int_equal(job.message.lane, HD_LANE_NORMAL);
    hd_host_end(&job);
}

static void a_channel_that_the_user_has_switched_off_is_suppressed(void **state) {
    struct hd_host *host = *state;
    hd_user_is(host, .user_id = "dora", .email = "dora@example.org", .channels_off = HD_CHANNEL_BIT(HD_EMAIL));
    happens(host, HD_EVENT_REMINDER, "t-none", NULL, "\"userId\":\"dora\"");
    assert_string_equal(hd_host_told(host, EVENT), "dora/email:suppressed(channel_off) dora/inapp");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
}

static void a_user_without_an_address_gets_no_email(void **state) {
    struct hd_host *host = *state;
    hd_user_is(host, .user_id = "dora");
    happens(host, HD_EVENT_REMINDER, "t-none", NULL, "\"userId\":\"dora\"");
    assert_string_equal(hd_host_told(host, EVENT), "dora/email:suppressed(no_address) dora/inapp");
}

static void a_channel_without_a_provider_is_suppressed(void **state) {
    struct hd_host *host = *state;
    host->providers[HD_EMAIL] = NULL;
    happens(host, HD_EVENT_TICKET_RESOLVED, "t-adam", "adam", OLGA);
    assert_string_equal(hd_host_told(host, EVENT), "olga/email:suppressed(channel_unavailable) olga/inapp");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
}

/* ---- why ---- */

static const struct hd_audit *routed(struct hd_host *host, const char *event_id, int64_t accepted_at_ms) {
    const struct hd_audit *entry;
    struct hd_id id = hd_event_routing_id(&(struct hd_event){.event_id = event_id, .accepted_at_ms = accepted_at_ms});
    assert_int_equal(host->ctx.store->ops->audit(host->ctx.store, host->arena, id.text, &entry, NULL), 0);
    return entry;
}

static void check_decision(struct hd_host *host, const char *detail, const char *target, const char *channel, const char *decision,
                           const char *reason) {
    json_t *root;
    assert_int_equal(hd_json_parse(host->arena, detail, strlen(detail), 0, &root, NULL), 0);
    const json_t *decisions = json_object_get(root, "decisions");
    for (size_t i = 0; i < json_array_size(decisions); i++) {
        const json_t *d = json_array_get(decisions, i);
        if (strcmp(hd_json_str(d, "target"), target) != 0 || strcmp(hd_json_str(d, "channel"), channel) != 0)
            continue;
        assert_string_equal(hd_json_str(d, "decision"), decision);
        assert_string_equal(hd_json_str(d, "reason"), reason);
        return;
    }
    fail_msg("no decision about %s by %s: %s", target, channel, detail);
}

static void the_audit_entry_says_why_and_why_not(void **state) {
    struct hd_host *host = *state;
    hd_user_is(host, .user_id = "dora", .email = "dora@example.org", .role = HD_ROLE_CUSTOMER, .channels_off = HD_CHANNEL_BIT(HD_EMAIL));
    hd_ticket_is(host, .ticket_id = "t-dora", .title = "Mouse", .owner_id = "dora", .team = "net");
    happens(host, HD_EVENT_TICKET_CREATED, "t-dora", "adam", "\"userId\":\"dora\"");
    const struct hd_audit *entry = routed(host, EVENT, HD_HOST_NOW_MS);
    assert_non_null(entry);
    assert_string_equal(entry->action, "event.routed");
    assert_string_equal(entry->subject, EVENT);
    assert_string_equal(entry->actor, "router");
    assert_string_equal(entry->correlation_id, "corr-1");
    check_decision(host, entry->detail, "dora", "email", "suppress", "channel_off");
    check_decision(host, entry->detail, "dora", "inapp", "notify", "owner");
    check_decision(host, entry->detail, "bela", "inapp", "notify", "team");
    check_decision(host, entry->detail, "adam", "inapp", "suppress", "own_action");
}

static void an_event_that_concerns_nobody_has_its_audit_entry_too(void **state) {
    struct hd_host *host = *state;
    happens(host, HD_EVENT_TICKET_RESOLVED, "t-adam", "olga", OLGA);
    check_decision(host, routed(host, EVENT, HD_HOST_NOW_MS)->detail, "olga", "email", "suppress", "own_action");
}

/* ---- once ---- */

static void a_second_message_of_the_same_event_adds_nothing(void **state) {
    struct hd_host *host = *state;
    happens(host, HD_EVENT_TICKET_ASSIGNED, "t-adam", "mona", "\"agentId\":\"adam\"");
    const char *before = hd_host_dump(host);
    hd_host_enqueue(host, HD_QUEUE_ROUTER, "{\"eventId\":\"" EVENT "\"}");
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_string_equal(hd_host_dump(host), before);
}

static void a_message_that_comes_again_after_a_crash_adds_nothing(void **state) {
    struct hd_host *host = *state;
    hd_host_event(host, EVENT, HD_EVENT_TICKET_RESOLVED, "t-adam", "adam", "{\"ticketId\":\"t-adam\"," OLGA "}");
    hd_memory_lose_answer(host->memory); /* done, and the router does not know it */
    assert_int_equal(hd_host_step(host, &hd_router_processor), HD_ERR_UNAVAILABLE);
    assert_string_equal(hd_host_told(host, EVENT), BOTH("olga"));
    hd_memory_crash(host->memory);
    assert_int_equal(hd_host_run(host, &hd_router_processor), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 1);
}

static void somebody_else_is_faster(struct hd_host *host) {
    hd_memory_crash(host->memory); /* our claim is over: the message comes to another worker */
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
}

static void two_routers_of_one_event_make_its_notifications_once(void **state) {
    struct hd_host *host = *state;
    hd_host_event(host, EVENT, HD_EVENT_TICKET_RESOLVED, "t-adam", "adam", "{\"ticketId\":\"t-adam\"," OLGA "}");
    host->before_commit = somebody_else_is_faster;
    assert_int_equal(hd_host_step(host, &hd_router_processor), HD_ERR_CONFLICT);
    assert_string_equal(hd_host_told(host, EVENT), BOTH("olga"));
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 1);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_ROUTER), 0);
}

static void a_fault_of_the_store_at_any_point_leaves_nothing_half_done(void **state) {
    (void)state;
    bool failed = true;
    for (int n = 1; failed; n++) {
        assert_true(n < 50);
        void *made = NULL;
        setup(&made);
        struct hd_host *host = made;
        hd_host_event(host, EVENT, HD_EVENT_TICKET_CREATED, "t-none", "olga", "{\"ticketId\":\"t-none\"," OLGA "}");
        const char *before = hd_host_dump(host);
        struct hd_host_job job;
        assert_true(hd_host_take(host, &hd_router_processor, &job));
        hd_memory_fail_next(host->memory, n, HD_ERR_UNAVAILABLE);
        failed = hd_host_begin(host, &job) != 0;
        hd_memory_fail_next(host->memory, 0, HD_OK);
        hd_host_end(&job);
        if (failed)
            assert_string_equal(hd_host_dump(host), before);
        hd_memory_crash(host->memory);
        hd_host_run(host, &hd_router_processor);
        assert_string_equal(hd_host_told(host, EVENT), "adam/inapp bela/inapp " BOTH("olga"));
        assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 3);
        assert_int_equal(hd_host_waiting(host, HD_QUEUE_ROUTER), 0);
        teardown(&made);
    }
}

/* ---- from publishers outside, by the queue ---- */

#define ENVELOPE(members)                                                                                                                    \
    "{\"event\":\"TicketCreated\",\"eventId\":\"x-1\",\"occurredAt\":\"2026-09-01T10:00:00Z\",\"payload\":{\"ticketId\":\"t-none\"," members \
    "}}"
#define GOOD_ENVELOPE ENVELOPE(OLGA ",\"title\":\"Printer\"")

static const struct hd_dead_letter *only_dead_letter(struct hd_host *host) {
    size_t count;
    const struct hd_dead_letter *letters = hd_host_dead_letters(host, &count);
    assert_int_equal(count, 1);
    assert_string_equal(letters->queue, "router");
    assert_int_equal(letters->attempts, 1);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_ROUTER), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 1);
    return letters;
}

static void an_envelope_is_appended_to_the_log_and_routed(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_ROUTER, GOOD_ENVELOPE);
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    const struct hd_event *event;
    assert_int_equal(host->ctx.store->ops->event(host->ctx.store, host->arena, "x-1", &event, NULL), 0);
    assert_non_null(event);
    assert_int_equal(event->type, HD_EVENT_TICKET_CREATED);
    assert_int_equal(event->accepted_at_ms, HD_HOST_NOW_MS);
    assert_string_equal(hd_host_told(host, "x-1"), "adam/inapp bela/inapp " BOTH("olga"));
    assert_non_null(routed(host, "x-1", HD_HOST_NOW_MS));
}

static void a_second_envelope_with_the_same_id_adds_nothing(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_ROUTER, GOOD_ENVELOPE);
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    const char *before = hd_host_dump(host);
    host->ctx.now_ms += 5000;
    hd_host_enqueue(host, HD_QUEUE_ROUTER, GOOD_ENVELOPE);
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_string_equal(hd_host_dump(host), before);
}

static void two_routers_of_one_envelope_append_it_once(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_ROUTER, GOOD_ENVELOPE);
    hd_host_enqueue(host, HD_QUEUE_ROUTER, GOOD_ENVELOPE);
    struct hd_host_job first;
    assert_true(hd_host_take(host, &hd_router_processor, &first));
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_int_equal(hd_host_begin(host, &first), 0);
    hd_host_end(&first);
    assert_string_equal(hd_host_told(host, NULL), "adam/inapp bela/inapp " BOTH("olga"));
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_ROUTER), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 1);
}

static void an_invalid_event_is_a_dead_letter_at_once_and_says_where(void **state) {
    static const struct {
        const char *body, *pointer;
    } bad[] = {
        {ENVELOPE("\"userId\":7"), "/payload/userId"},
        {ENVELOPE("\"title\":\"Printer\""), "/payload"},
        {"{\"event\":\"TicketEaten\",\"eventId\":\"x-1\",\"occurredAt\":\"2026-09-01T10:00:00Z\",\"payload\":{}}", "/event"},
        {"{\"event\":\"TicketCreated\",\"schemaVersion\":99,\"eventId\":\"x-1\",\"occurredAt\":\"2026-09-01T10:00:00Z\",\"payload\":{}}",
         "/schemaVersion"},
        {"{}", ""},
    };
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        void *made = NULL;
        setup(&made);
        struct hd_host *host = made;
        hd_host_enqueue(host, HD_QUEUE_ROUTER, bad[i].body);
        assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
        const struct hd_dead_letter *letter = only_dead_letter(host);
        assert_string_equal(letter->reason, "invalid_event");
        assert_string_equal(letter->body, bad[i].body);
        if (strncmp(letter->detail, bad[i].pointer, strlen(bad[i].pointer)) != 0)
            fail_msg("\"%s\" does not begin with %s", letter->detail, bad[i].pointer);
        assert_string_equal(hd_host_told(host, NULL), "");
        const struct hd_event *event;
        assert_int_equal(host->ctx.store->ops->event(host->ctx.store, host->arena, "x-1", &event, NULL), 0);
        assert_null(event);
        teardown(&made);
    }
}

static void a_message_that_cannot_be_read_is_a_dead_letter(void **state) {
    static const char *const bad[] = {"", "{", "nonsense", "[1]", "7", "{\"eventId\":\"a\",\"eventId\":\"b\"}"};
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        void *made = NULL;
        setup(&made);
        hd_host_enqueue(made, HD_QUEUE_ROUTER, bad[i]);
        assert_int_equal(hd_host_step(made, &hd_router_processor), 0);
        assert_string_equal(only_dead_letter(made)->reason, "unreadable_message");
        teardown(&made);
    }
}

static void an_event_that_is_not_in_the_log_is_a_dead_letter(void **state) {
    struct hd_host *host = *state;
    hd_host_enqueue(host, HD_QUEUE_ROUTER, "{\"eventId\":\"never\"}");
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_string_equal(only_dead_letter(host)->reason, "event_not_found");
}

/* ---- many ---- */

static void hire(struct hd_host *host, enum hd_role role, const char *team, int count) {
    for (int i = 0; i < count; i++) {
        const char *id = hd_arena_printf(host->arena, "%s-%d", hd_role_name(role), i);
        hd_user_is(host, .user_id = id, .email = hd_arena_printf(host->arena, "%s@example.org", id), .role = role, .team = team);
    }
}

static void a_team_of_several_pages_is_told_completely(void **state) {
    struct hd_host *host = *state;
    hire(host, HD_ROLE_AGENT, "large", 249);
    hd_ticket_is(host, .ticket_id = "t-large", .title = "Printer", .owner_id = "olga", .team = "large");
    happens(host, HD_EVENT_TICKET_CREATED, "t-large", "olga", OLGA);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 250);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
}

static void an_event_for_too_many_people_is_a_dead_letter_and_not_a_silent_cut(void **state) {
    struct hd_host *host = *state;
    hire(host, HD_ROLE_AGENT, "large", 250);
    hd_ticket_is(host, .ticket_id = "t-large", .title = "Printer", .owner_id = "olga", .team = "large");
    happens(host, HD_EVENT_TICKET_CREATED, "t-large", "olga", OLGA);
    const struct hd_dead_letter *letter = only_dead_letter(host);
    assert_string_equal(letter->reason, "fan_out_limit");
    assert_string_equal(letter->event_id, EVENT);
    assert_string_equal(letter->ticket_id, "t-large");
    assert_non_null(strstr(letter->detail, "250"));
    assert_string_equal(hd_host_told(host, NULL), "");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 0);
}

/* 250 people by four channels are more than one changeset holds. */
static void an_event_of_more_notifications_than_fit_is_a_dead_letter(void **state) {
    struct hd_host *host = *state;
    hire(host, HD_ROLE_MANAGER, NULL, 245);
    happens(host, HD_EVENT_TICKET_SLA_BREACHED, "t-none", NULL, OLGA ",\"channels\":[\"email\",\"push\",\"sms\",\"inapp\"]");
    assert_string_equal(only_dead_letter(host)->reason, "fan_out_limit");
    assert_string_equal(hd_host_told(host, NULL), "");
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
}

static void the_most_people_by_two_channels_fit(void **state) {
    struct hd_host *host = *state;
    hire(host, HD_ROLE_MANAGER, NULL, 248);
    happens(host, HD_EVENT_TICKET_SLA_BREACHED, "t-none", NULL, OLGA);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 250);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_INAPP), 250);
}

static void an_envelope_for_too_many_people_is_in_the_log_all_the_same(void **state) {
    struct hd_host *host = *state;
    hire(host, HD_ROLE_AGENT, "net", 250);
    hd_host_enqueue(host, HD_QUEUE_ROUTER, GOOD_ENVELOPE);
    assert_int_equal(hd_host_step(host, &hd_router_processor), 0);
    assert_string_equal(only_dead_letter(host)->event_id, "x-1");
    const struct hd_event *event;
    assert_int_equal(host->ctx.store->ops->event(host->ctx.store, host->arena, "x-1", &event, NULL), 0);
    assert_non_null(event);
}

#define ROUTER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_tells_whom_the_product_says),
        ROUTER_TEST(each_pending_notification_has_one_task_and_each_suppressed_one_none),
        ROUTER_TEST(a_notification_says_what_it_is_about),
        ROUTER_TEST(a_breached_sla_is_critical_and_goes_by_the_urgent_lane),
        ROUTER_TEST(other_events_go_by_the_normal_lane),
        ROUTER_TEST(a_channel_that_the_user_has_switched_off_is_suppressed),
        ROUTER_TEST(a_user_without_an_address_gets_no_email),
        ROUTER_TEST(a_channel_without_a_provider_is_suppressed),
        ROUTER_TEST(the_audit_entry_says_why_and_why_not),
        ROUTER_TEST(an_event_that_concerns_nobody_has_its_audit_entry_too),
        ROUTER_TEST(a_second_message_of_the_same_event_adds_nothing),
        ROUTER_TEST(a_message_that_comes_again_after_a_crash_adds_nothing),
        ROUTER_TEST(two_routers_of_one_event_make_its_notifications_once),
        cmocka_unit_test(a_fault_of_the_store_at_any_point_leaves_nothing_half_done),
        ROUTER_TEST(an_envelope_is_appended_to_the_log_and_routed),
        ROUTER_TEST(a_second_envelope_with_the_same_id_adds_nothing),
        ROUTER_TEST(two_routers_of_one_envelope_append_it_once),
        cmocka_unit_test(an_invalid_event_is_a_dead_letter_at_once_and_says_where),
        cmocka_unit_test(a_message_that_cannot_be_read_is_a_dead_letter),
        ROUTER_TEST(an_event_that_is_not_in_the_log_is_a_dead_letter),
        ROUTER_TEST(a_team_of_several_pages_is_told_completely),
        ROUTER_TEST(an_event_for_too_many_people_is_a_dead_letter_and_not_a_silent_cut),
        ROUTER_TEST(an_event_of_more_notifications_than_fit_is_a_dead_letter),
        ROUTER_TEST(the_most_people_by_two_channels_fit),
        ROUTER_TEST(an_envelope_for_too_many_people_is_in_the_log_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
