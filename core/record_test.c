#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/changeset.h"
#include "core/record.h"

/* What no table row covers must be padding: less than the alignment of the next member, and never a whole aligned word of it. */
static void the_tables_know_every_member_of_their_structs(void **state) {
    (void)state;
    for (size_t r = 0; r < hd_record_count; r++) {
        const struct hd_record *record = hd_records[r];
        bool *covered = calloc(record->bytes, sizeof(*covered));
        assert_non_null(covered);
        for (size_t i = 0; i < record->member_count; i++) {
            for (size_t at = 0; at < record->members[i].bytes; at++) {
                assert_false(covered[record->members[i].offset + at]);
                covered[record->members[i].offset + at] = true;
            }
        }
        size_t gap = 0;
        for (size_t at = 0; at <= record->bytes; at++) {
            bool end = at == record->bytes || covered[at];
            if (end && gap >= 4 && at % 8 != 0)
                fail_msg("%s: %zu bytes before offset %zu are in no row of its table", record->name, gap, at);
            if (gap >= 8)
                fail_msg("%s: a member at offset %zu is in no row of its table", record->name, at - gap);
            gap = end ? 0 : gap + 1;
        }
        free(covered);
    }
}

static void an_empty_string_differs_from_none(void **state) {
    (void)state;
    struct hd_audit a = {.audit_id = "a", .detail = ""};
    struct hd_audit b = {.audit_id = "a", .detail = NULL};
    const struct hd_member *member = hd_record_difference(&hd_audit_record, &a, &b);
    assert_non_null(member);
    assert_string_equal(member->name, "detail");
    assert_null(hd_record_difference(&hd_audit_record, &a, &a));
}

static void a_copy_is_equal_and_shares_nothing(void **state) {
    (void)state;
    char id[] = "a-1";
    struct hd_audit a = {.audit_id = id, .action = "did", .at_ms = 7};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    assert_non_null(arena);
    const struct hd_audit *copy = hd_record_copy(&hd_audit_record, arena, &a);
    assert_non_null(copy);
    assert_null(hd_record_difference(&hd_audit_record, &a, copy));
    memset(id, 'x', 3);
    assert_string_equal(copy->audit_id, "a-1");
    assert_null(copy->subject);
}

static void a_member_is_set_and_read_by_its_row(void **state) {
    (void)state;
    struct hd_notification n = {0};
    for (size_t i = 0; i < hd_notification_record.member_count; i++) {
        const struct hd_member *member = &hd_notification_record.members[i];
        if (member->kind == HD_MEMBER_TEXT)
            hd_member_set_text(member, &n, member->name);
        else
            assert_true(hd_member_set_number(member, &n, 1));
    }
    assert_string_equal(n.target, "target");
    assert_int_equal(n.attempts, 1);
    assert_int_equal(n.channel, HD_PUSH);
    assert_int_equal(n.sent_at_ms, 1);
    assert_true(n.critical);
    for (size_t i = 0; i < hd_notification_record.member_count; i++) {
        const struct hd_member *member = &hd_notification_record.members[i];
        if (member->kind == HD_MEMBER_TEXT)
            assert_string_equal(hd_member_text(member, &n), member->name);
        else
            assert_int_equal(hd_member_number(member, &n), 1);
    }
}

static void a_number_that_does_not_fit_is_refused(void **state) {
    (void)state;
    struct hd_attempt attempt = {.number = 7, .outcome = HD_OUTCOME_RETRY};
    for (size_t i = 0; i < hd_attempt_record.member_count; i++) {
        const struct hd_member *member = &hd_attempt_record.members[i];
        if (member->kind == HD_MEMBER_INT || member->kind == HD_MEMBER_UNSIGNED)
            assert_false(hd_member_set_number(member, &attempt, (int64_t)1 << 32));
        if (member->kind == HD_MEMBER_INT64)
            assert_true(hd_member_set_number(member, &attempt, INT64_MIN));
    }
    assert_int_equal(attempt.number, 7);
    assert_int_equal(attempt.outcome, HD_OUTCOME_RETRY);
    assert_int_equal(attempt.duration_ms, INT64_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_know_every_member_of_their_structs),
        cmocka_unit_test(an_empty_string_differs_from_none),
        cmocka_unit_test(a_copy_is_equal_and_shares_nothing),
        cmocka_unit_test(a_member_is_set_and_read_by_its_row),
        cmocka_unit_test(a_number_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
