#include "core/event.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

enum { ARENA_BYTES = 8 * 1024 * 1024 };

static struct hd_event_schemas *schemas; /* loaded once for all tests */

static int load(void **state) {
    (void)state;
    struct hd_error err = {0};
    if (hd_event_schemas_load(&schemas, &err) < 0) {
        print_error("%s\n", err.detail);
        return -1;
    }
    return 0;
}

static int unload(void **state) {
    (void)state;
    hd_event_schemas_free(schemas);
    return 0;
}

static int new_arena(void **state) {
    *state = hd_arena_new(ARENA_BYTES);
    return *state ? 0 : -1;
}

static int free_arena(void **state) {
    hd_arena_free(*state);
    return 0;
}

static json_t *parsed(struct hd_arena *arena, const char *text) {
    json_t *root;
    struct hd_error err = {0};
    if (hd_json_parse(arena, text, strlen(text), 0, &root, &err) < 0)
        fail_msg("%s: %s", err.detail, text);
    return root;
}

static int read_text(struct hd_arena *arena, const char *text, struct hd_event *event, struct hd_schema_problems *problems,
                     struct hd_error *err) {
    return hd_event_read(schemas, arena, parsed(arena, text), 1700000000000, "u-9", event, problems, err);
}

/* The text is refused at the pointer, in err and in the first problem, and the event is left alone. */
static void assert_refused(struct hd_arena *arena, const char *text, const char *pointer) {
    struct hd_event event = {.schema_version = 42};
    struct hd_schema_problems problems;
    struct hd_error err = {0};
    int r = read_text(arena, text, &event, &problems, &err);
    if (r != HD_ERR_INVALID || strcmp(err.pointer, pointer) != 0)
        fail_msg("%d at \"%s\" (%s) for %s", r, err.pointer, err.detail, text);
    assert_int_equal(err.code, HD_ERR_INVALID);
    assert_true(err.detail[0] != '\0');
    assert_int_equal(event.schema_version, 42);
    assert_true(problems.count >= 1);
    assert_string_equal(problems.items[0].pointer, pointer);
    assert_non_null(problems.items[0].keyword);
    assert_int_equal(read_text(arena, text, &event, NULL, NULL), HD_ERR_INVALID); /* nor are they needed */
}

#define ENVELOPE(members) "{\"event\":\"TicketCreated\",\"eventId\":\"e-1\",\"occurredAt\":\"2026-11-23T15:11:56.042Z\"," members "}"
#define PAYLOAD "\"payload\":{\"ticketId\":\"tkt-001\",\"userId\":\"u-10\",\"title\":\"Erro X\"}"

static void every_type_is_found_by_its_name(void **state) {
    (void)state;
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++)
        assert_int_equal(hd_event_type_from_name(hd_event_type_name((enum hd_event_type)type)), type);
    assert_int_equal(hd_event_type_from_name(NULL), -1);
    assert_int_equal(hd_event_type_from_name(""), -1);
    assert_int_equal(hd_event_type_from_name("ticketcreated"), -1);
    assert_int_equal(hd_event_type_from_name("TicketCreated.v1"), -1);
}

static void the_event_of_the_proposal_is_taken(void **state) {
    struct hd_event event;
    struct hd_error err = {0};
    int r = read_text(
        *state,
        "{\"event\":\"TicketCreated\",\"eventId\":\"0194e2c8-7a10-7c3e-9b5f-2f6d1c8a4e01\",\"occurredAt\":\"2026-11-23T12:11:56-03:00\","
        "\"payload\":{\"ticketId\":\"tkt-001\",\"userId\":\"u-10\",\"title\":\"Erro X\",\"description\":\"...\","
        "\"channels\":[\"email\",\"push\"]}}",
        &event, NULL, &err);
    assert_int_equal(r, 0);
    assert_int_equal(event.type, HD_EVENT_TICKET_CREATED);
    assert_int_equal(event.schema_version, 1);
    assert_string_equal(event.event_id, "0194e2c8-7a10-7c3e-9b5f-2f6d1c8a4e01");
    assert_int_equal(event.occurred_at_ms, 1795446716000);
    assert_int_equal(event.accepted_at_ms, 1700000000000);
    assert_string_equal(event.ticket_id, "tkt-001");
    assert_string_equal(event.actor_id, "u-9");
    assert_null(event.correlation_id);
    assert_null(event.traceparent);
    assert_string_equal(
        event.payload,
        "{\"ticketId\":\"tkt-001\",\"userId\":\"u-10\",\"title\":\"Erro X\",\"description\":\"...\",\"channels\":[\"email\",\"push\"]}");
}

static void the_examples_of_every_schema_are_taken(void **state) {
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        char path[100];
        snprintf(path, sizeof(path), "schemas/events/%s.v1.json", hd_event_type_name((enum hd_event_type)type));
        const struct hd_asset *file = hd_asset_find(path);
        assert_non_null(file);
        json_t *schema;
        assert_int_equal(hd_json_parse(*state, (const char *)file->data, file->size_bytes, 0, &schema, NULL), 0);
        const json_t *examples = json_object_get(schema, "examples");
        assert_true(json_array_size(examples) > 0);
        for (size_t i = 0; i < json_array_size(examples); i++) {
            struct hd_event event;
            struct hd_error err = {0};
            if (hd_event_read(schemas, *state, json_array_get(examples, i), 1, NULL, &event, NULL, &err) < 0)
                fail_msg("%s, example %zu: %s %s", path, i, err.pointer, err.detail);
            assert_int_equal(event.type, type);
            assert_null(event.actor_id);
        }
    }
}

static void the_optional_members_are_taken_over(void **state) {
    struct hd_event event;
    int r = read_text(*state,
                      ENVELOPE("\"schemaVersion\":1,\"correlationId\":\"req-7\",\"traceparent\":"
                               "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"," PAYLOAD),
                      &event, NULL, NULL);
    assert_int_equal(r, 0);
    assert_int_equal(event.schema_version, 1);
    assert_string_equal(event.correlation_id, "req-7");
    assert_string_equal(event.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

static void the_event_does_not_need_the_tree_it_was_read_from(void **state) {
    struct hd_arena *tree_arena = hd_arena_new(ARENA_BYTES);
    assert_non_null(tree_arena);
    struct hd_event event;
    char actor[] = "u-9";
    assert_int_equal(
        hd_event_read(schemas, *state, parsed(tree_arena, ENVELOPE("\"correlationId\":\"c\"," PAYLOAD)), 1, actor, &event, NULL, NULL), 0);
    hd_arena_free(tree_arena);
    memset(actor, 'x', sizeof(actor) - 1);
    assert_string_equal(event.event_id, "e-1");
    assert_string_equal(event.correlation_id, "c");
    assert_string_equal(event.actor_id, "u-9");
    assert_string_equal(event.ticket_id, "tkt-001");
}

static void an_unknown_event_is_refused_with_the_names_of_the_known(void **state) {
    struct hd_event event;
    struct hd_error err = {0};
    assert_int_equal(read_text(*state, "{\"event\":\"TicketEaten\"}", &event, NULL, &err), HD_ERR_INVALID);
    assert_string_equal(err.pointer, "/event");
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++)
        assert_non_null(strstr(err.detail, hd_event_type_name((enum hd_event_type)type)));
    assert_refused(*state, "{\"event\":\"TicketEaten\"}", "/event");
    assert_refused(*state, "{\"event\":\"\"}", "/event");
    assert_refused(*state, "{\"event\":7}", "/event");
    assert_refused(*state, "{\"event\":null}", "/event");
    assert_refused(*state, "{}", "/event");
}

static void what_is_no_object_is_refused_at_the_root(void **state) {
    assert_refused(*state, "[]", "");
    assert_refused(*state, "null", "");
    assert_refused(*state, "\"TicketCreated\"", "");
}

static void an_unknown_version_is_refused(void **state) {
    static const char *const versions[] = {"0", "2", "-1", "17", "9007199254740993", "1.0", "1.5", "\"1\"", "null", "[1]"};
    for (size_t i = 0; i < HD_ARRAY_LEN(versions); i++) {
        char text[400];
        snprintf(text, sizeof(text), ENVELOPE("\"schemaVersion\":%s," PAYLOAD), versions[i]);
        assert_refused(*state, text, "/schemaVersion");
    }
}

static void a_broken_payload_is_refused_at_the_field(void **state) {
    assert_refused(*state, ENVELOPE("\"payload\":{\"ticketId\":7,\"userId\":\"u-10\"}"), "/payload/ticketId");
    assert_refused(*state, ENVELOPE("\"payload\":{\"ticketId\":\"t\",\"userId\":\"u\",\"channels\":[\"smoke\"]}"), "/payload/channels/0");
    assert_refused(*state, ENVELOPE("\"payload\":[]"), "/payload");
    assert_refused(*state, ENVELOPE("\"payload\":{\"ticketId\":\"with space\",\"userId\":\"u\"}"), "/payload/ticketId");
}

static void a_thousand_channels_are_refused(void **state) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {0};
    hd_buffer_add_str(&text, "{\"event\":\"TicketCreated\",\"eventId\":\"e-1\",\"occurredAt\":\"2026-11-23T15:11:56Z\","
                             "\"payload\":{\"ticketId\":\"t\",\"userId\":\"u\",\"channels\":[\"email\"");
    for (int i = 1; i < 1000; i++)
        hd_buffer_add_str(&text, ",\"email\"");
    hd_buffer_add_str(&text, "]}}");
    assert_refused(*state, hd_buffer_text(&text), "/payload/channels");
}

static void times_and_ids_of_the_envelope_are_checked(void **state) {
    assert_refused(*state, "{\"event\":\"TicketCreated\",\"eventId\":\"e-1\",\"occurredAt\":\"yesterday\"," PAYLOAD "}", "/occurredAt");
    assert_refused(*state, "{\"event\":\"TicketCreated\",\"eventId\":\"e-1\",\"occurredAt\":\"2026-02-30T00:00:00Z\"," PAYLOAD "}",
                   "/occurredAt");
    assert_refused(*state, "{\"event\":\"TicketCreated\",\"eventId\":\"\",\"occurredAt\":\"2026-11-23T15:11:56Z\"," PAYLOAD "}",
                   "/eventId");
    assert_refused(*state, "{\"event\":\"TicketCreated\",\"eventId\":\"a b\",\"occurredAt\":\"2026-11-23T15:11:56Z\"," PAYLOAD "}",
                   "/eventId");
    assert_refused(*state, ENVELOPE("\"correlationId\":\"no spaces\"," PAYLOAD), "/correlationId");
    assert_refused(*state, ENVELOPE("\"correlationId\":\"<script>\"," PAYLOAD), "/correlationId");
    assert_refused(*state, ENVELOPE("\"correlationId\":null," PAYLOAD), "/correlationId");
    assert_refused(*state, ENVELOPE("\"traceparent\":\"00-00000000000000000000000000000000-00f067aa0ba902b7-01\"," PAYLOAD),
                   "/traceparent");
    assert_refused(*state, ENVELOPE("\"traceparent\":7," PAYLOAD), "/traceparent");
}

static char *payload_of(size_t filler) {
    static const char head[] = ENVELOPE("\"payload\":{\"ticketId\":\"t\",\"userId\":\"u\",\"other\":\"");
    char *text = malloc(sizeof(head) + filler + 8);
    assert_non_null(text);
    size_t at = strlen(head) - 1; /* without the closing brace of ENVELOPE */
    memcpy(text, head, at);
    memset(text + at, 'x', filler);
    memcpy(text + at + filler, "\"}}", 4);
    return text;
}

static void a_payload_may_be_64_kib_and_not_a_byte_more(void **state) {
    const size_t frame = strlen("{\"ticketId\":\"t\",\"userId\":\"u\",\"other\":\"\"}");
    struct hd_event event;
    char *text = payload_of(HD_EVENT_MAX_BYTES - frame);
    assert_int_equal(read_text(*state, text, &event, NULL, NULL), 0);
    assert_int_equal(strlen(event.payload), HD_EVENT_MAX_BYTES);
    free(text);
    text = payload_of(HD_EVENT_MAX_BYTES - frame + 1);
    assert_refused(*state, text, "/payload");
    free(text);
}

static void running_out_of_memory_is_no_invalid_event(void **state) {
    const json_t *tree = parsed(*state, ENVELOPE("\"correlationId\":\"c\"," PAYLOAD));
    struct hd_arena *small = hd_arena_new(HD_ARENA_BLOCK_BYTES);
    assert_non_null(small);
    struct hd_event event = {.schema_version = 42};
    int failures = 0;
    for (size_t spare = 0; spare < 600; spare += 8) { /* ever more room, until it is enough */
        hd_arena_reset(small);
        while (hd_arena_used(small) + spare + 64 < HD_ARENA_BLOCK_BYTES && hd_arena_alloc(small, 8)) {
        }
        int r = hd_event_read(schemas, small, tree, 1, "u-9", &event, NULL, NULL);
        assert_true(r == 0 || r == HD_ERR_NO_MEMORY);
        failures += r != 0;
    }
    assert_true(failures > 0);
    hd_arena_free(small);
}

static void members_are_written_as_they_came_and_absent_ones_are_left_out(void **state) {
    (void)state;
    struct hd_event event = {.event_id = "e-1",
                             .type = HD_EVENT_REMINDER,
                             .schema_version = 1,
                             .occurred_at_ms = 0,
                             .accepted_at_ms = 1000,
                             .ticket_id = "t",
                             .payload = "{\"ticketId\":\"t\"}"};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_event_put_members(&w, &event);
    hd_json_close_object(&w);
    assert_string_equal(hd_buffer_text(&out),
                        "{\"event\":\"Reminder\",\"eventId\":\"e-1\",\"occurredAt\":\"1970-01-01T00:00:00.000Z\",\"schemaVersion\":1,"
                        "\"payload\":{\"ticketId\":\"t\"},\"acceptedAt\":\"1970-01-01T00:00:01.000Z\"}");
    hd_buffer_clear(&out);
    w = hd_json_writer(&out);
    event.correlation_id = "c";
    event.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    hd_event_put_members(&w, &event);
    assert_non_null(strstr(hd_buffer_text(&out),
                           "\"correlationId\":\"c\",\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","));
}

/* ---- loading ---- */

static struct hd_asset file_of(const char *path, const char *text) {
    return (struct hd_asset){.path = path, .data = (const unsigned char *)text, .size_bytes = strlen(text)};
}

static void assert_not_loaded(const struct hd_asset *files, size_t count, const char *says) {
    struct hd_event_schemas *none = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_event_schemas_load_files(files, count, &none, &err), HD_ERR_CONFIGURATION);
    assert_int_equal(err.code, HD_ERR_CONFIGURATION);
    assert_null(none);
    if (!strstr(err.detail, says))
        fail_msg("\"%s\" does not say \"%s\"", err.detail, says);
    assert_int_equal(hd_event_schemas_load_files(files, count, &none, NULL), HD_ERR_CONFIGURATION);
}

static void a_bad_file_is_named(void **state) {
    (void)state;
    struct hd_asset file = file_of("schemas/events/TicketEaten.v1.json", "{}");
    assert_not_loaded(&file, 1, "schemas/events/TicketEaten.v1.json");
    file = file_of("schemas/events/TicketCreated.v0.json", "{}");
    assert_not_loaded(&file, 1, "TicketCreated.v0.json");
    file = file_of("schemas/events/TicketCreated.v17.json", "{}");
    assert_not_loaded(&file, 1, "TicketCreated.v17.json");
    file = file_of("schemas/events/TicketCreated.v1.json", "{");
    assert_not_loaded(&file, 1, "TicketCreated.v1.json");
    file = file_of("schemas/events/TicketCreated.v1.json", "{\"type\":\"bird\"}");
    assert_not_loaded(&file, 1, "TicketCreated.v1.json");
}

static void a_type_without_a_schema_is_named(void **state) {
    (void)state;
    struct hd_asset files[] = {file_of("schemas/events/TicketCreated.v1.json", "{}"), file_of("schemas/openapi.yaml", "no schema")};
    assert_not_loaded(files, HD_ARRAY_LEN(files), "TicketAssigned.v1.json is missing");
    assert_not_loaded(NULL, 0, "TicketCreated.v1.json is missing");
}

static void a_second_version_stands_beside_the_first(void **state) {
    size_t count;
    const struct hd_asset *shipped = hd_assets(&count);
    struct hd_asset *files = calloc(count + 1, sizeof(*files));
    assert_non_null(files);
    memcpy(files, shipped, count * sizeof(*files));
    files[count] = file_of("schemas/events/TicketCreated.v2.json", "{\"properties\":{\"payload\":{\"required\":[\"urgency\"]}}}");
    struct hd_event_schemas *both;
    assert_int_equal(hd_event_schemas_load_files(files, count + 1, &both, NULL), 0);
    struct hd_event event;
    struct hd_error err = {0};
    assert_int_equal(hd_event_read(both, *state, parsed(*state, ENVELOPE(PAYLOAD)), 1, NULL, &event, NULL, &err), 0);
    assert_int_equal(event.schema_version, 1);
    assert_int_equal(hd_event_read(both, *state, parsed(*state, ENVELOPE("\"schemaVersion\":2," PAYLOAD)), 1, NULL, &event, NULL, &err),
                     HD_ERR_INVALID);
    const char *second = ENVELOPE("\"schemaVersion\":2,\"payload\":{\"ticketId\":\"t\",\"urgency\":3}");
    assert_int_equal(hd_event_read(both, *state, parsed(*state, second), 1, NULL, &event, NULL, &err), 0);
    assert_int_equal(event.schema_version, 2);
    hd_event_schemas_free(both);
    free(files);
}

static void a_schema_may_be_compiled_when_it_is_asked_for(void **state) {
    struct hd_event_schemas *at_use = NULL;
    assert_int_equal(hd_event_schemas_open(&at_use, NULL), 0);
    for (int round = 0; round < 2; round++) {
        struct hd_event event;
        struct hd_error err = {0};
        assert_int_equal(hd_event_read(at_use, *state, parsed(*state, ENVELOPE(PAYLOAD)), 1, NULL, &event, NULL, &err), 0);
        assert_int_equal(event.schema_version, 1);
        assert_int_equal(
            hd_event_read(at_use, *state, parsed(*state, ENVELOPE("\"schemaVersion\":9," PAYLOAD)), 1, NULL, &event, NULL, &err),
            HD_ERR_INVALID);
    }
    hd_event_schemas_free(at_use);
}

static void what_a_lax_schema_lets_pass_is_checked_all_the_same(void **state) {
    struct hd_asset files[HD_EVENT_TYPE_COUNT];
    char paths[HD_EVENT_TYPE_COUNT][64];
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        snprintf(paths[type], sizeof(paths[type]), "schemas/events/%s.v1.json", hd_event_type_name((enum hd_event_type)type));
        files[type] = file_of(paths[type], "{}");
    }
    struct hd_event_schemas *strict = schemas;
    assert_int_equal(hd_event_schemas_load_files(files, HD_ARRAY_LEN(files), &schemas, NULL), 0);
    assert_refused(*state, "{\"event\":\"Reminder\"}", "/payload");
    assert_refused(*state, "{\"event\":\"Reminder\",\"payload\":{}}", "/eventId");
    assert_refused(*state, "{\"event\":\"Reminder\",\"eventId\":\"a b\",\"payload\":{}}", "/eventId");
    assert_refused(*state, "{\"event\":\"Reminder\",\"eventId\":\"e\",\"payload\":{}}", "/payload/ticketId");
    assert_refused(*state, "{\"event\":\"Reminder\",\"eventId\":\"e\",\"payload\":{\"ticketId\":[]}}", "/payload/ticketId");
    assert_refused(*state, "{\"event\":\"Reminder\",\"eventId\":\"e\",\"payload\":{\"ticketId\":\"t\"}}", "/occurredAt");
    assert_refused(*state, "{\"event\":\"Reminder\",\"eventId\":\"e\",\"occurredAt\":\"1\",\"payload\":{\"ticketId\":\"t\"}}",
                   "/occurredAt");
    hd_event_schemas_free(schemas);
    schemas = strict;
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, new_arena, free_arena)

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_found_by_its_name),
        IN_ARENA(the_event_of_the_proposal_is_taken),
        IN_ARENA(the_examples_of_every_schema_are_taken),
        IN_ARENA(the_optional_members_are_taken_over),
        IN_ARENA(the_event_does_not_need_the_tree_it_was_read_from),
        IN_ARENA(an_unknown_event_is_refused_with_the_names_of_the_known),
        IN_ARENA(what_is_no_object_is_refused_at_the_root),
        IN_ARENA(an_unknown_version_is_refused),
        IN_ARENA(a_broken_payload_is_refused_at_the_field),
        IN_ARENA(a_thousand_channels_are_refused),
        IN_ARENA(times_and_ids_of_the_envelope_are_checked),
        IN_ARENA(a_payload_may_be_64_kib_and_not_a_byte_more),
        IN_ARENA(running_out_of_memory_is_no_invalid_event),
        cmocka_unit_test(members_are_written_as_they_came_and_absent_ones_are_left_out),
        cmocka_unit_test(a_bad_file_is_named),
        cmocka_unit_test(a_type_without_a_schema_is_named),
        IN_ARENA(a_second_version_stands_beside_the_first),
        IN_ARENA(a_schema_may_be_compiled_when_it_is_asked_for),
        IN_ARENA(what_a_lax_schema_lets_pass_is_checked_all_the_same),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
