#include "core/ticket.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

static void every_name_leads_back_to_its_value(void **state) {
    (void)state;
    for (int i = 0; i < HD_TICKET_STATUS_COUNT; i++)
        assert_int_equal(hd_ticket_status_from_name(hd_ticket_status_name((enum hd_ticket_status)i)), i);
    for (int i = 0; i < HD_PRIORITY_COUNT; i++)
        assert_int_equal(hd_priority_from_name(hd_priority_name((enum hd_priority)i)), i);
    for (int i = 0; i < HD_ROLE_COUNT; i++)
        assert_int_equal(hd_role_from_name(hd_role_name((enum hd_role)i)), i);
    assert_string_equal(hd_ticket_status_name(HD_TICKET_IN_PROGRESS), "in_progress");
}

static void a_name_that_is_none_is_minus_one(void **state) {
    (void)state;
    static const char *const wrong[] = {NULL, "", "Open", "in progress", "openx", "adminn", "norma"};
    for (size_t i = 0; i < HD_ARRAY_LEN(wrong); i++) {
        assert_int_equal(hd_ticket_status_from_name(wrong[i]), -1);
        assert_int_equal(hd_priority_from_name(wrong[i]), -1);
        assert_int_equal(hd_role_from_name(wrong[i]), -1);
    }
}

static void a_ticket_is_written_with_all_its_members(void **state) {
    (void)state;
    const struct hd_ticket ticket = {
        .ticket_id = "tkt-001",
        .version = 2,
        .title = "Impressora não \"liga\"",
        .description = "a\nb",
        .status = HD_TICKET_IN_PROGRESS,
        .priority = HD_PRIORITY_HIGH,
        .owner_id = "u-10",
        .assigned_agent_id = "a-1",
        .team = "suporte",
        .channels = HD_CHANNEL_BIT(HD_EMAIL) | HD_CHANNEL_BIT(HD_PUSH),
        .tags = "[\"hardware\"]",
        .created_at_ms = 1000,
        .updated_at_ms = 2500,
    };
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_ticket_write(&w, NULL, &ticket);
    assert_string_equal(
        hd_buffer_text(&out),
        "{\"ticketId\":\"tkt-001\",\"title\":\"Impressora não \\\"liga\\\"\",\"description\":\"a\\nb\",\"status\":\"in_progress\","
        "\"priority\":\"high\",\"ownerId\":\"u-10\",\"assignedAgentId\":\"a-1\",\"team\":\"suporte\",\"channels\":[\"email\",\"push\"],"
        "\"tags\":[\"hardware\"],\"version\":2,\"createdAt\":\"1970-01-01T00:00:01.000Z\",\"updatedAt\":\"1970-01-01T00:00:02.500Z\"}");
}

static void what_a_ticket_lacks_is_null_or_empty(void **state) {
    (void)state;
    const struct hd_ticket ticket = {.ticket_id = "t", .version = 1, .title = "x", .owner_id = "u", .created_at_ms = 1, .updated_at_ms = 1};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_ticket_write(&w, NULL, &ticket);
    assert_string_equal(
        hd_buffer_text(&out),
        "{\"ticketId\":\"t\",\"title\":\"x\",\"description\":\"\",\"status\":\"open\",\"priority\":\"low\",\"ownerId\":\"u\","
        "\"assignedAgentId\":null,\"team\":null,\"channels\":[],\"tags\":[],\"version\":1,"
        "\"createdAt\":\"1970-01-01T00:00:00.001Z\",\"updatedAt\":\"1970-01-01T00:00:00.001Z\"}");
}

static void a_callers_own_members_follow_those_of_the_ticket(void **state) {
    (void)state;
    const struct hd_ticket ticket = {.ticket_id = "t", .version = 1, .title = "x", .owner_id = "u"};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_ticket_put_members(&w, &ticket);
    hd_json_put_str(&w, "eventId", "e-1");
    hd_json_close_object(&w);
    assert_non_null(strstr(hd_buffer_text(&out), "\"updatedAt\":null,\"eventId\":\"e-1\"}"));
}

static void a_user_is_written_with_all_its_members(void **state) {
    (void)state;
    const struct hd_user ana = {
        .user_id = "u-10",
        .version = 3,
        .name = "Ana Conceição",
        .email = "ana@example.com",
        .role = HD_ROLE_AGENT,
        .locale = "pt-BR",
        .time_zone = "America/Sao_Paulo",
        .skills = "[\"redes\"]",
        .channels_off = HD_CHANNEL_BIT(HD_SMS),
        .created_at_ms = 1,
        .updated_at_ms = 2,
    };
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_user_write(&w, NULL, &ana);
    assert_string_equal(
        hd_buffer_text(&out),
        "{\"userId\":\"u-10\",\"name\":\"Ana Conceição\",\"email\":\"ana@example.com\",\"phone\":null,\"role\":\"agent\","
        "\"locale\":\"pt-BR\",\"timeZone\":\"America/Sao_Paulo\",\"team\":null,\"skills\":[\"redes\"],\"channelsOff\":[\"sms\"],"
        "\"version\":3,\"createdAt\":\"1970-01-01T00:00:00.001Z\",\"updatedAt\":\"1970-01-01T00:00:00.002Z\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_leads_back_to_its_value),
        cmocka_unit_test(a_name_that_is_none_is_minus_one),
        cmocka_unit_test(a_ticket_is_written_with_all_its_members),
        cmocka_unit_test(what_a_ticket_lacks_is_null_or_empty),
        cmocka_unit_test(a_callers_own_members_follow_those_of_the_ticket),
        cmocka_unit_test(a_user_is_written_with_all_its_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
