#include "core/rules.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"

#define EMAIL HD_CHANNEL_BIT(HD_EMAIL)
#define PUSH HD_CHANNEL_BIT(HD_PUSH)
#define SMS HD_CHANNEL_BIT(HD_SMS)
#define INAPP HD_CHANNEL_BIT(HD_INAPP)

static const struct hd_rule *rule_for(enum hd_event_type type, enum hd_audience audience, const char *field) {
    size_t count;
    const struct hd_rule *rules = hd_default_rules(type, &count);
    for (size_t i = 0; i < count; i++) {
        bool same_field = field && rules[i].only_field ? strcmp(field, rules[i].only_field) == 0 : field == rules[i].only_field;
        if (rules[i].audience == audience && same_field)
            return &rules[i];
    }
    return NULL;
}

static size_t count_of(enum hd_event_type type) {
    size_t count;
    (void)hd_default_rules(type, &count);
    return count;
}

static void every_event_is_told_to_somebody_by_a_channel_that_its_rule_may_use(void **state) {
    (void)state;
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        size_t count;
        const struct hd_rule *rules = hd_default_rules((enum hd_event_type)type, &count);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(rules[i].event, type);
            assert_true(rules[i].by_default != 0);
            assert_int_equal(rules[i].by_default & ~rules[i].channels, 0);
            assert_int_equal(rules[i].channels & ~HD_ALL_CHANNELS, 0);
            assert_int_equal(rules[i].by_default & ~(EMAIL | INAPP), 0);
            assert_true(!rules[i].only_field || type == HD_EVENT_TICKET_UPDATED);
            assert_true(!rules[i].not_internal || type == HD_EVENT_TICKET_COMMENTED);
        }
    }
}

static void a_new_ticket_is_confirmed_to_its_owner_and_shown_to_the_team(void **state) {
    (void)state;
    const struct hd_rule *owner = rule_for(HD_EVENT_TICKET_CREATED, HD_TO_OWNER, NULL);
    assert_non_null(owner);
    assert_true(owner->even_actor);
    assert_int_equal(owner->channels, EMAIL | PUSH | SMS | INAPP);
    const struct hd_rule *team = rule_for(HD_EVENT_TICKET_CREATED, HD_TO_TEAM, NULL);
    assert_non_null(team);
    assert_false(team->even_actor);
    assert_int_equal(team->channels, INAPP);
    assert_int_equal(count_of(HD_EVENT_TICKET_CREATED), 2);
}

static void an_assignment_is_told_to_the_agent_and_the_owner(void **state) {
    (void)state;
    assert_int_equal(rule_for(HD_EVENT_TICKET_ASSIGNED, HD_TO_AGENT, NULL)->channels, EMAIL | PUSH | INAPP);
    assert_int_equal(rule_for(HD_EVENT_TICKET_ASSIGNED, HD_TO_OWNER, NULL)->channels, EMAIL | INAPP);
    assert_int_equal(count_of(HD_EVENT_TICKET_ASSIGNED), 2);
}

static void an_update_is_told_by_the_field_that_changed(void **state) {
    (void)state;
    assert_non_null(rule_for(HD_EVENT_TICKET_UPDATED, HD_TO_OWNER, "status"));
    assert_non_null(rule_for(HD_EVENT_TICKET_UPDATED, HD_TO_AGENT, "status"));
    assert_non_null(rule_for(HD_EVENT_TICKET_UPDATED, HD_TO_AGENT, "priority"));
    assert_non_null(rule_for(HD_EVENT_TICKET_UPDATED, HD_TO_AGENT, "description"));
    assert_int_equal(count_of(HD_EVENT_TICKET_UPDATED), 4);
    size_t count;
    const struct hd_rule *rules = hd_default_rules(HD_EVENT_TICKET_UPDATED, &count);
    for (size_t i = 0; i < count; i++)
        assert_non_null(rules[i].only_field);
}

static void an_internal_note_does_not_reach_the_owner(void **state) {
    (void)state;
    assert_true(rule_for(HD_EVENT_TICKET_COMMENTED, HD_TO_OWNER, NULL)->not_internal);
    assert_false(rule_for(HD_EVENT_TICKET_COMMENTED, HD_TO_AGENT, NULL)->not_internal);
    assert_int_equal(count_of(HD_EVENT_TICKET_COMMENTED), 2);
}

static void only_a_breached_sla_is_critical(void **state) {
    (void)state;
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        size_t count;
        const struct hd_rule *rules = hd_default_rules((enum hd_event_type)type, &count);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(rules[i].critical, type == HD_EVENT_TICKET_SLA_BREACHED);
    }
    assert_non_null(rule_for(HD_EVENT_TICKET_SLA_BREACHED, HD_TO_AGENT, NULL));
    assert_non_null(rule_for(HD_EVENT_TICKET_SLA_BREACHED, HD_TO_MANAGERS, NULL));
}

static void the_rest_reaches_whom_the_product_names(void **state) {
    (void)state;
    assert_non_null(rule_for(HD_EVENT_TICKET_RESOLVED, HD_TO_OWNER, NULL));
    assert_int_equal(count_of(HD_EVENT_TICKET_RESOLVED), 1);
    assert_non_null(rule_for(HD_EVENT_TICKET_REOPENED, HD_TO_AGENT, NULL));
    assert_int_equal(rule_for(HD_EVENT_TICKET_REOPENED, HD_TO_TEAM_IF_NONE, NULL)->channels, EMAIL | INAPP);
    assert_int_equal(count_of(HD_EVENT_TICKET_REOPENED), 2);
    assert_non_null(rule_for(HD_EVENT_REMINDER, HD_TO_NAMED, NULL));
    assert_int_equal(count_of(HD_EVENT_REMINDER), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_told_to_somebody_by_a_channel_that_its_rule_may_use),
        cmocka_unit_test(a_new_ticket_is_confirmed_to_its_owner_and_shown_to_the_team),
        cmocka_unit_test(an_assignment_is_told_to_the_agent_and_the_owner),
        cmocka_unit_test(an_update_is_told_by_the_field_that_changed),
        cmocka_unit_test(an_internal_note_does_not_reach_the_owner),
        cmocka_unit_test(only_a_breached_sla_is_critical),
        cmocka_unit_test(the_rest_reaches_whom_the_product_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
