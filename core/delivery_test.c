#include "core/delivery.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

/* The whole table, written down a second time in another form: what the product says, cell by cell. */
static void every_cell_of_the_table_is_as_the_product_says(void **state) {
    (void)state;
    static const struct {
        enum hd_status from;
        enum hd_move move;
        enum hd_status to;
    } allowed[] = {
        {HD_PENDING, HD_MOVE_BEGIN, HD_SENDING},   {HD_PENDING, HD_MOVE_SENT, HD_SENT},         {HD_PENDING, HD_MOVE_RETRY, HD_PENDING},
        {HD_PENDING, HD_MOVE_GIVE_UP, HD_DEAD},    {HD_PENDING, HD_MOVE_EXPIRE, HD_EXPIRED},    {HD_DEFERRED, HD_MOVE_RELEASE, HD_PENDING},
        {HD_DEFERRED, HD_MOVE_EXPIRE, HD_EXPIRED}, {HD_SENDING, HD_MOVE_SENT, HD_SENT},         {HD_SENDING, HD_MOVE_RETRY, HD_PENDING},
        {HD_SENDING, HD_MOVE_GIVE_UP, HD_DEAD},    {HD_SENDING, HD_MOVE_TAKE_OVER, HD_SENDING}, {HD_SENDING, HD_MOVE_EXPIRE, HD_EXPIRED},
        {HD_DEAD, HD_MOVE_REDRIVE, HD_PENDING},
    };
    for (int from = 0; from < HD_STATUS_COUNT; from++) {
        for (int move = 0; move < HD_MOVE_COUNT; move++) {
            int expected = -1;
            for (size_t i = 0; i < HD_ARRAY_LEN(allowed); i++) {
                if ((int)allowed[i].from == from && (int)allowed[i].move == move)
                    expected = (int)allowed[i].to;
            }
            assert_int_equal(hd_status_after((enum hd_status)from, (enum hd_move)move), expected);
        }
    }
}

static void nothing_leads_out_of_a_final_state_but_a_person(void **state) {
    (void)state;
    for (int from = 0; from < HD_STATUS_COUNT; from++) {
        bool moves_by_itself = false;
        for (int move = 0; move < HD_MOVE_COUNT; move++)
            moves_by_itself |= move != HD_MOVE_REDRIVE && hd_status_after((enum hd_status)from, (enum hd_move)move) >= 0;
        assert_int_equal(hd_status_is_final((enum hd_status)from), !moves_by_itself);
    }
}

static void every_name_leads_back_to_its_value(void **state) {
    (void)state;
    for (int i = 0; i < HD_STATUS_COUNT; i++)
        assert_int_equal(hd_status_from_name(hd_status_name((enum hd_status)i)), i);
    for (int i = 0; i < HD_OUTCOME_COUNT; i++)
        assert_int_equal(hd_outcome_from_name(hd_outcome_name((enum hd_outcome_kind)i)), i);
    assert_string_equal(hd_outcome_name(HD_OUTCOME_ADDRESS_GONE), "address_gone");
}

static void a_name_that_is_none_is_minus_one(void **state) {
    (void)state;
    static const char *const wrong[] = {NULL, "", "Sent", "sen", "sentt", "dead letter"};
    for (size_t i = 0; i < HD_ARRAY_LEN(wrong); i++) {
        assert_int_equal(hd_status_from_name(wrong[i]), -1);
        assert_int_equal(hd_outcome_from_name(wrong[i]), -1);
    }
}

static void the_id_depends_on_event_target_and_channel_and_nothing_else(void **state) {
    (void)state;
    struct hd_id id = hd_notification_id(1700000000000, "e-1", "u-1", HD_EMAIL);
    assert_string_equal(hd_notification_id(1700000000000, "e-1", "u-1", HD_EMAIL).text, id.text);
    assert_string_not_equal(hd_notification_id(1700000000000, "e-2", "u-1", HD_EMAIL).text, id.text);
    assert_string_not_equal(hd_notification_id(1700000000000, "e-1", "u-2", HD_EMAIL).text, id.text);
    assert_string_not_equal(hd_notification_id(1700000000000, "e-1", "u-1", HD_INAPP).text, id.text);
    assert_string_not_equal(hd_notification_id(1700000000000, "e-1u", "-1", HD_EMAIL).text, id.text);
    uint8_t bytes[HD_ID_BYTES];
    assert_true(hd_id_to_bytes(id.text, bytes));
}

static void a_notification_is_written_with_all_its_members(void **state) {
    (void)state;
    const struct hd_notification notification = {
        .notification_id = "n-1",
        .event_id = "e-1",
        .event = "TicketCreated",
        .ticket_id = "tkt-001",
        .target = "u-10",
        .channel = HD_EMAIL,
        .status = HD_SUPPRESSED,
        .reason = "channel_off",
        .created_at_ms = 1,
        .updated_at_ms = 1,
    };
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_notification_put_members(&w, &notification);
    hd_json_close_object(&w);
    assert_string_equal(
        hd_buffer_text(&out),
        "{\"notificationId\":\"n-1\",\"eventId\":\"e-1\",\"event\":\"TicketCreated\",\"ticketId\":\"tkt-001\",\"target\":\"u-10\","
        "\"channel\":\"email\",\"status\":\"suppressed\",\"reason\":\"channel_off\",\"attempts\":0,\"nextAttemptAt\":null,"
        "\"createdAt\":\"1970-01-01T00:00:00.001Z\",\"updatedAt\":\"1970-01-01T00:00:00.001Z\",\"sentAt\":null,\"correlationId\":null}");
}

static void an_attempt_is_written_without_the_message_it_carried(void **state) {
    (void)state;
    const struct hd_attempt attempt = {.notification_id = "n-1",
                                       .number = 2,
                                       .at_ms = 1,
                                       .outcome = HD_OUTCOME_RETRY,
                                       .provider = "smtp",
                                       .detail = "451 try later",
                                       .duration_ms = 12,
                                       .message = "{}"};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_attempt_write(&w, NULL, &attempt);
    assert_string_equal(hd_buffer_text(&out),
                        "{\"number\":2,\"at\":\"1970-01-01T00:00:00.001Z\",\"outcome\":\"retry\",\"provider\":\"smtp\","
                        "\"detail\":\"451 try later\",\"durationMs\":12}");
}

static void an_inbox_item_is_unread_until_it_has_a_time(void **state) {
    (void)state;
    struct hd_inbox_item item = {
        .notification_id = "n", .user_id = "u", .event = "Reminder", .ticket_id = "t", .title = "T", .body = "B", .created_at_ms = 1};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_inbox_item_write(&w, NULL, &item);
    assert_string_equal(hd_buffer_text(&out),
                        "{\"notificationId\":\"n\",\"event\":\"Reminder\",\"ticketId\":\"t\",\"title\":\"T\",\"body\":\"B\","
                        "\"createdAt\":\"1970-01-01T00:00:00.001Z\",\"readAt\":null}");
    hd_buffer_clear(&out);
    w = hd_json_writer(&out);
    item.read_at_ms = 2;
    hd_inbox_item_write(&w, NULL, &item);
    assert_non_null(strstr(hd_buffer_text(&out), "\"readAt\":\"1970-01-01T00:00:00.002Z\""));
}

static void a_dead_letter_shows_its_message_only_when_it_came_to_no_notification(void **state) {
    (void)state;
    struct hd_dead_letter letter = {
        .dead_letter_id = "d", .queue = "router", .reason = "invalid_event", .attempts = 1, .body = "{\"x\"", .created_at_ms = 1};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_dead_letter_write(&w, NULL, &letter);
    assert_string_equal(
        hd_buffer_text(&out),
        "{\"deadLetterId\":\"d\",\"queue\":\"router\",\"reason\":\"invalid_event\",\"detail\":null,\"attempts\":1,\"notificationId\":null,"
        "\"eventId\":null,\"ticketId\":null,\"channel\":null,\"target\":null,\"body\":\"{\\\"x\\\"\","
        "\"createdAt\":\"1970-01-01T00:00:00.001Z\"}");
    hd_buffer_clear(&out);
    w = hd_json_writer(&out);
    letter.notification_id = "n-1";
    hd_dead_letter_write(&w, NULL, &letter);
    assert_non_null(strstr(hd_buffer_text(&out), "\"body\":null"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_is_as_the_product_says),
        cmocka_unit_test(nothing_leads_out_of_a_final_state_but_a_person),
        cmocka_unit_test(every_name_leads_back_to_its_value),
        cmocka_unit_test(a_name_that_is_none_is_minus_one),
        cmocka_unit_test(the_id_depends_on_event_target_and_channel_and_nothing_else),
        cmocka_unit_test(a_notification_is_written_with_all_its_members),
        cmocka_unit_test(an_attempt_is_written_without_the_message_it_carried),
        cmocka_unit_test(an_inbox_item_is_unread_until_it_has_a_time),
        cmocka_unit_test(a_dead_letter_shows_its_message_only_when_it_came_to_no_notification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
