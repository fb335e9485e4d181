#include "core/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/memory.h"

enum { NOW_MS = 1000000 };

static struct hd_memory *memory;
static struct hd_store *store;
static struct hd_recent *recent;
static struct hd_arena *arena;

static int set_up(void **state) {
    (void)state;
    memory = hd_memory_new();
    store = hd_memory_store(memory);
    recent = hd_recent_new();
    arena = hd_arena_new(4 * 1024 * 1024);
    return memory && store && recent && arena ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hd_recent_free(recent);
    store->ops->close(store);
    hd_memory_free(memory);
    hd_arena_free(arena);
    return 0;
}

static void commit(struct hd_changeset *changes) {
    struct hd_commit_result result = {0};
    assert_int_equal(store->ops->commit(store, (const struct hd_changeset *const[]){changes}, 1, &result, NULL), 0);
    assert_int_equal(result.code, 0);
}

static void put_ana(const char *name, int64_t if_version) {
    struct hd_changeset changes = hd_changeset(arena);
    struct hd_user ana = {.user_id = "ana", .version = if_version + 1, .name = name, .email = "ana@example.com", .role = HD_ROLE_CUSTOMER};
    hd_put_user(&changes, &ana, if_version);
    commit(&changes);
}

static const char *name_of_ana(struct hd_recent *from, int64_t now_ms) {
    const struct hd_user *user = NULL;
    assert_int_equal(hd_recent_user(from, store, now_ms, arena, "ana", &user, NULL), 0);
    assert_non_null(user);
    assert_string_equal(user->email, "ana@example.com");
    assert_null(user->phone);
    return user->name;
}

static void what_was_read_is_kept_for_its_time_and_no_longer(void **state) {
    (void)state;
    put_ana("Ana Conceição", 0);
    assert_string_equal(name_of_ana(recent, NOW_MS), "Ana Conceição");
    put_ana("Ana Lima", 1);
    assert_string_equal(name_of_ana(recent, NOW_MS + HD_RECENT_MS - 1), "Ana Conceição");
    assert_string_equal(name_of_ana(NULL, NOW_MS), "Ana Lima");
    assert_string_equal(name_of_ana(recent, NOW_MS + HD_RECENT_MS), "Ana Lima");
}

static void a_copy_outlives_what_it_was_copied_from(void **state) {
    (void)state;
    put_ana("Ana", 0);
    (void)name_of_ana(recent, NOW_MS);
    const char *name = name_of_ana(recent, NOW_MS);
    put_ana("A name that is much longer than the one that was there before it", 1);
    (void)name_of_ana(recent, NOW_MS + HD_RECENT_MS); /* the place is taken by the longer one */
    assert_string_equal(name, "Ana");
}

static void ids_that_differ_at_their_end_do_not_take_each_others_place(void **state) {
    (void)state;
    enum { PEOPLE = 100 };
    size_t kept = 0;
    for (int64_t version = 0; version < 2; version++) {
        for (int i = 0; i < PEOPLE; i++) {
            char *id = hd_arena_printf(arena, "desk-%02d", i);
            struct hd_user user = {.user_id = id, .version = version + 1, .name = version ? "new" : "old", .role = HD_ROLE_CUSTOMER};
            struct hd_changeset changes = hd_changeset(arena);
            hd_put_user(&changes, &user, version);
            commit(&changes);
        }
        for (int i = 0; i < PEOPLE; i++) {
            const struct hd_user *user = NULL;
            assert_int_equal(hd_recent_user(recent, store, NOW_MS, arena, hd_arena_printf(arena, "desk-%02d", i), &user, NULL), 0);
            kept += version == 1 && strcmp(user->name, "old") == 0;
        }
    }
    assert_in_range(kept, PEOPLE * 9 / 10, PEOPLE); /* of 4,096 places */
}

static void what_is_large_is_not_kept(void **state) {
    (void)state;
    char name[HD_RECENT_THING_MAX_BYTES];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    put_ana(name, 0);
    assert_string_equal(name_of_ana(recent, NOW_MS), name);
    put_ana("Ana", 1);
    assert_string_equal(name_of_ana(recent, NOW_MS), "Ana");
    put_ana(name, 2);
    assert_string_equal(name_of_ana(recent, NOW_MS), "Ana");
    assert_string_equal(name_of_ana(recent, NOW_MS + HD_RECENT_MS), name);
    put_ana("Lima", 3);
    assert_string_equal(name_of_ana(recent, NOW_MS + HD_RECENT_MS), "Lima"); /* not what stood there before */
}

static void what_is_not_there_is_not_kept(void **state) {
    (void)state;
    const struct hd_event *event = NULL;
    assert_int_equal(hd_recent_event(recent, store, NOW_MS, arena, "e-1", &event, NULL), 0);
    assert_null(event);
    struct hd_changeset changes = hd_changeset(arena);
    hd_append_event(&changes, &(struct hd_event){.event_id = "e-1", .schema_version = 1, .payload = "{}"});
    commit(&changes);
    assert_int_equal(hd_recent_event(recent, store, NOW_MS, arena, "e-1", &event, NULL), 0);
    assert_non_null(event);
}

static void a_notification_is_given_out_once(void **state) {
    (void)state;
    struct hd_notification kept = {.notification_id = "n-1", .event_id = "e-1", .event = "TicketCreated", .target = "ana", .attempts = 7};
    hd_recent_keep_notification(recent, NOW_MS, &kept);
    const struct hd_notification *notification = NULL;
    assert_int_equal(hd_recent_notification(recent, store, NOW_MS, arena, "n-1", &notification, NULL), 0);
    assert_non_null(notification);
    assert_int_equal(notification->attempts, 7);
    assert_string_equal(notification->target, "ana");
    assert_int_equal(hd_recent_notification(recent, store, NOW_MS, arena, "n-1", &notification, NULL), 0);
    assert_null(notification); /* from the store, which has none */
}

static void things_of_different_kinds_with_one_id_are_not_mixed_up(void **state) {
    (void)state;
    put_ana("Ana", 0);
    (void)name_of_ana(recent, NOW_MS);
    const struct hd_ticket *ticket = NULL;
    assert_int_equal(hd_recent_ticket(recent, store, NOW_MS, arena, "ana", &ticket, NULL), 0);
    assert_null(ticket);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_read_is_kept_for_its_time_and_no_longer),
        TEST(a_copy_outlives_what_it_was_copied_from),
        TEST(ids_that_differ_at_their_end_do_not_take_each_others_place),
        TEST(what_is_large_is_not_kept),
        TEST(what_is_not_there_is_not_kept),
        TEST(a_notification_is_given_out_once),
        TEST(things_of_different_kinds_with_one_id_are_not_mixed_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
