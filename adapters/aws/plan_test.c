#include "adapters/aws/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 64 * 1024 * 1024 };

struct fixture {
    struct hd_arena *arena;
    struct hd_compressor *compressor;
    struct hd_changeset set;
    struct hd_plan plan;
    const json_t *user; /* whoever is asked for, before */
};

static int set_up(void **state) {
    hd_json_init();
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    f->arena = hd_arena_new(ARENA_BYTES);
    f->compressor = hd_compressor_new();
    f->set = hd_changeset(f->arena);
    *state = f;
    return f->arena && f->compressor ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    hd_compressor_free(f->compressor);
    hd_arena_free(f->arena);
    free(f);
    return 0;
}

static json_t *parsed(struct fixture *f, const char *text) {
    json_t *root = NULL;
    struct hd_error err = {0};
    if (hd_json_parse(f->arena, text, strlen(text), 0, &root, &err) != 0)
        fail_msg("%s: %s", err.detail, text);
    return root;
}

static const json_t *user_before(void *self, const char *user_id) {
    (void)user_id;
    return ((struct fixture *)self)->user;
}

static void make_plan(struct fixture *f) {
    struct hd_planning planning = {
        .arena = f->arena, .compressor = f->compressor, .now_ms = 1790000000000, .user_before = user_before, .self = f};
    struct hd_error err = {0};
    assert_int_equal(hd_changeset_check(&f->set, &err), 0);
    assert_int_equal(hd_plan_changes(&planning, &f->set, &f->plan, &err), 0);
}

/* The action as DynamoDB gets it: {"Put":{…}}. */
static const json_t *sent(struct fixture *f, size_t at, const char *name) {
    assert_true(at < f->plan.count);
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {0};
    struct hd_json_writer w = hd_json_writer(&text);
    hd_action_write(&w, "table", &f->plan.actions[at]);
    const json_t *action = json_object_get(parsed(f, hd_buffer_text(&text)), name);
    assert_non_null(action);
    assert_string_equal(hd_json_str(action, "TableName"), "table");
    return action;
}

static const struct hd_user ana = {.user_id = "u-1", .version = 2, .name = "Ana", .email = "Ana@Example.org"};

static void queues_changes_make_no_action(void **state) {
    struct fixture *f = *state;
    struct hd_message message = {.receipt = "r", .body = "b"};
    hd_enqueue(&f->set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "b", 1, 0);
    hd_acknowledge(&f->set, &message);
    hd_postpone(&f->set, &message, 1, 0);
    make_plan(f);
    assert_int_equal(f->plan.count, 0);
}

static void a_new_user_is_put_with_the_address(void **state) {
    struct fixture *f = *state;
    hd_put_user(&f->set, &ana, 0);
    make_plan(f);
    assert_int_equal(f->plan.count, 2);
    assert_string_equal(f->plan.actions[0].key.pk, "U#u-1");
    assert_string_equal(hd_json_str(sent(f, 0, "Put"), "ConditionExpression"), "attribute_not_exists(pk)");
    assert_string_equal(f->plan.actions[1].key.pk, "E#ana@example.org");
    const json_t *put = sent(f, 1, "Put");
    assert_string_equal(hd_json_str(put, "ConditionExpression"), "attribute_not_exists(pk) OR #a = :a");
    assert_string_equal(hd_item_text(json_object_get(put, "Item"), "user_id"), "u-1");
}

static void an_address_that_stays_is_left_alone(void **state) {
    struct fixture *f = *state;
    f->user = parsed(f, "{\"version\":{\"N\":\"1\"},\"email\":{\"S\":\"ANA@example.org\"}}");
    hd_put_user(&f->set, &ana, 1);
    make_plan(f);
    assert_int_equal(f->plan.count, 1);
    const json_t *put = sent(f, 0, "Put");
    assert_string_equal(hd_json_str(put, "ConditionExpression"), "#a = :a AND #b = :b");
    assert_string_equal(hd_item_text(json_object_get(put, "ExpressionAttributeValues"), ":b"), "ANA@example.org");
}

static void an_address_that_changes_is_given_up_and_the_new_one_taken(void **state) {
    struct fixture *f = *state;
    f->user = parsed(f, "{\"version\":{\"N\":\"1\"},\"email\":{\"S\":\"old@example.org\"}}");
    hd_put_user(&f->set, &ana, 1);
    make_plan(f);
    assert_int_equal(f->plan.count, 3);
    assert_string_equal(hd_item_text(json_object_get(sent(f, 1, "Delete"), "Key"), "pk"), "E#old@example.org");
    assert_string_equal(hd_item_text(json_object_get(sent(f, 2, "Put"), "Item"), "pk"), "E#ana@example.org");
}

static void an_address_is_given_up_for_none(void **state) {
    struct fixture *f = *state;
    f->user = parsed(f, "{\"version\":{\"N\":\"1\"},\"email\":{\"S\":\"old@example.org\"}}");
    struct hd_user user = ana;
    user.email = NULL;
    hd_put_user(&f->set, &user, 1);
    make_plan(f);
    assert_int_equal(f->plan.count, 2);
    assert_int_equal(f->plan.actions[1].kind, HD_ACTION_DELETE);
}

static void two_changes_that_meet_at_an_address_are_found(void **state) {
    struct fixture *f = *state;
    struct hd_user bia = ana;
    bia.user_id = "u-2";
    bia.email = "ANA@example.ORG";
    hd_put_user(&f->set, &ana, 0);
    hd_put_user(&f->set, &bia, 0);
    make_plan(f);
    assert_int_equal(f->plan.twice, 3);
    assert_int_equal(f->plan.actions[f->plan.twice].change, 1);
}

static void a_move_is_bound_to_what_was_seen(void **state) {
    struct fixture *f = *state;
    struct hd_notification from = {.notification_id = "n", .status = HD_SENDING, .attempts = 2, .owner_token = "w-1"};
    struct hd_notification to = from;
    to.status = HD_SENT;
    to.owner_token = NULL;
    hd_move_notification(&f->set, &from, &to, HD_MOVE_SENT);
    make_plan(f);
    const json_t *put = sent(f, 0, "Put");
    assert_string_equal(hd_json_str(put, "ConditionExpression"), "#a = :a AND #b = :b AND #c = :c");
    const json_t *values = json_object_get(put, "ExpressionAttributeValues");
    assert_int_equal(hd_item_number(values, ":a", -1), HD_SENDING);
    assert_int_equal(hd_item_number(values, ":b", -1), 2);
    assert_string_equal(hd_item_text(values, ":c"), "w-1");
}

static void an_answer_may_be_remembered_anew_after_a_week(void **state) {
    struct fixture *f = *state;
    struct hd_answer answer = {.key = "0a", .body = "{}", .body_hash = "0b", .http_status = 201, .created_at_ms = 1790000000000};
    hd_remember_answer(&f->set, &answer);
    make_plan(f);
    const struct hd_action *action = &f->plan.actions[0];
    static const int64_t week_ms = (int64_t)7 * 24 * 3600 * 1000;
    assert_int_equal(hd_item_number(json_object_get(sent(f, 0, "Put"), "Item"), "ttl", 0), (1790000000000 + week_ms) / 1000);
    assert_true(hd_action_holds(action, NULL));
    assert_true(hd_action_holds(action, parsed(f, "{\"created_at_ms\":{\"N\":\"1789395200000\"}}")));
    assert_false(hd_action_holds(action, parsed(f, "{\"created_at_ms\":{\"N\":\"1789395200001\"}}")));
}

static void a_short_message_stays_with_its_attempt(void **state) {
    struct fixture *f = *state;
    struct hd_attempt attempt = {.notification_id = "n", .number = 1, .message = "{}", .provider = "smtp"};
    hd_append_attempt(&f->set, &attempt);
    make_plan(f);
    assert_int_equal(f->plan.count, 1);
}

/* Bytes that no compressor makes shorter. */
static char *noise(struct fixture *f, size_t bytes) {
    char *text = hd_arena_alloc(f->arena, bytes + 1);
    assert_non_null(text);
    uint64_t state = 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        text[i] = (char)(' ' + (state >> 33) % 95);
    }
    text[bytes] = '\0';
    return text;
}

static void a_message_that_is_too_long_for_an_item_is_spread(void **state) {
    struct fixture *f = *state;
    struct hd_attempt attempt = {.notification_id = "n", .number = 1, .message = noise(f, 1000 * 1000), .provider = "smtp"};
    hd_append_attempt(&f->set, &attempt);
    make_plan(f);
    assert_int_equal(f->plan.count, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->plan.actions[i].change, 0);
        assert_true(f->plan.actions[i].stored_bytes < 400 * 1000);
        assert_true(strncmp(f->plan.actions[i].key.sk, "A#0000000001#", 13) == 0);
    }
    assert_string_equal(f->plan.actions[4].key.sk, "A#0000000001");
    assert_true(f->plan.actions[4].item_bytes < 1000);
}

/* The look at what was read and the expression must say the same: the table holds for both. */
static void conditions_hold_as_they_say(void **state) {
    struct fixture *f = *state;
    static const struct {
        struct hd_action action;
        const char *item; /* NULL: none */
        bool holds;
    } rows[] = {
        {{.check = HD_CHECK_NOTHING}, NULL, true},
        {{.check = HD_CHECK_ABSENT}, NULL, true},
        {{.check = HD_CHECK_ABSENT}, "{}", false},
        {{.check = HD_CHECK_PRESENT}, NULL, false},
        {{.check = HD_CHECK_PRESENT}, "{}", true},
        {{.check = HD_CHECK_VERSION, .number = 3}, NULL, false},
        {{.check = HD_CHECK_VERSION, .number = 3}, "{\"version\":{\"N\":\"3\"}}", true},
        {{.check = HD_CHECK_VERSION, .number = 3}, "{\"version\":{\"N\":\"4\"}}", false},
        {{.check = HD_CHECK_VERSION_MAIL, .number = 3}, "{\"version\":{\"N\":\"3\"}}", true},
        {{.check = HD_CHECK_VERSION_MAIL, .number = 3}, "{\"version\":{\"N\":\"3\"},\"email\":{\"S\":\"a\"}}", false},
        {{.check = HD_CHECK_VERSION_MAIL, .number = 3, .text = "a"}, "{\"version\":{\"N\":\"3\"},\"email\":{\"S\":\"a\"}}", true},
        {{.check = HD_CHECK_STATE, .number = 0, .attempts = 0}, NULL, false},
        {{.check = HD_CHECK_STATE, .number = 0, .attempts = 0}, "{\"status\":{\"N\":\"0\"},\"attempts\":{\"N\":\"0\"}}", true},
        {{.check = HD_CHECK_STATE, .number = 0, .attempts = 1}, "{\"status\":{\"N\":\"0\"},\"attempts\":{\"N\":\"0\"}}", false},
        {{.check = HD_CHECK_STATE, .number = 0, .text = "w"}, "{\"status\":{\"N\":\"0\"},\"attempts\":{\"N\":\"0\"}}", false},
        {{.check = HD_CHECK_STATE, .number = 0},
         "{\"status\":{\"N\":\"0\"},\"attempts\":{\"N\":\"0\"},\"owner_token\":{\"S\":\"w\"}}",
         false},
        {{.check = HD_CHECK_MINE, .text = "u"}, NULL, false},
        {{.check = HD_CHECK_MINE, .text = "u"}, "{\"user_id\":{\"S\":\"u\"}}", true},
        {{.check = HD_CHECK_MINE, .text = "u"}, "{\"user_id\":{\"S\":\"U\"}}", false},
        {{.check = HD_CHECK_FREE_OR_MINE, .text = "u"}, NULL, true},
        {{.check = HD_CHECK_FREE_OR_MINE, .text = "u"}, "{\"user_id\":{\"S\":\"v\"}}", false},
        {{.check = HD_CHECK_EXPIRED, .number = 5}, NULL, true},
        {{.check = HD_CHECK_EXPIRED, .number = 5}, "{}", false},
        {{.check = HD_CHECK_EXPIRED, .number = 5}, "{\"created_at_ms\":{\"N\":\"5\"}}", true},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(rows); i++)
        if (hd_action_holds(&rows[i].action, rows[i].item ? parsed(f, rows[i].item) : NULL) != rows[i].holds)
            fail_msg("row %zu", i);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(queues_changes_make_no_action),
        TEST(a_new_user_is_put_with_the_address),
        TEST(an_address_that_stays_is_left_alone),
        TEST(an_address_that_changes_is_given_up_and_the_new_one_taken),
        TEST(an_address_is_given_up_for_none),
        TEST(two_changes_that_meet_at_an_address_are_found),
        TEST(a_move_is_bound_to_what_was_seen),
        TEST(an_answer_may_be_remembered_anew_after_a_week),
        TEST(a_short_message_stays_with_its_attempt),
        TEST(a_message_that_is_too_long_for_an_item_is_spread),
        TEST(conditions_hold_as_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
