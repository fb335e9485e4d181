/* The write-behind index, seen from outside: lists are right at every moment of its steps, over more rows than several steps take. */
#include "adapters/sqlite/behind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/sqlite/sqlite.h"
#include "base/id.h"

enum { PEOPLE = 7, BATCH = 300, ROWS = 3 * BEHIND_STEP };

static char folder[] = "/tmp/behind-test-XXXXXX";
static struct hd_sqlite *database;
static struct hd_store *writer, *reader;
static struct hd_arena *arena;

static int64_t items_of[PEOPLE], unread_of[PEOPLE];

static const char *path_of(const char *name) {
    return hd_arena_printf(arena, "%s/%s", folder, name);
}

static int set_up(void **state) {
    (void)state;
    arena = hd_arena_new(256 * 1024 * 1024);
    if (!arena || !mkdtemp(folder))
        return -1;
    struct hd_sqlite_options options = {.path = path_of("test.db")};
    if (hd_sqlite_open(&options, &database, NULL) || hd_sqlite_store(database, &writer, NULL))
        return -1;
    return hd_sqlite_store(database, &reader, NULL);
}

static int tear_down(void **state) {
    (void)state;
    writer->ops->close(writer);
    reader->ops->close(reader);
    hd_sqlite_close(database);
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm"};
    for (size_t i = 0; i < HD_ARRAY_LEN(files); i++)
        (void)unlink(path_of(files[i]));
    (void)rmdir(folder);
    hd_arena_free(arena);
    return 0;
}

/* Short and long texts, and ids of 16 bytes: every form that a key can have. */
static const char *person(int i) {
    static const char *const people[PEOPLE] = {
        "u-1",
        "ana",
        "bruno@example.com",
        "a-user-whose-id-is-longer-than-sixteen-bytes",
        "another-user-whose-id-is-longer-than-sixteen-bytes",
        "01a2093e-48bd-7850-af79-32f6cfd5fdeb",
        "01a2093e-48bd-7850-af79-32f6cfd5fdec",
    };
    return people[i];
}

static const char *id_of(const char *prefix, int number) {
    return hd_arena_printf(arena, "%s-%d", prefix, number);
}

/* A ticket, its notification and the inbox item, all of one person. */
static void add_row(struct hd_changeset *set, int number) {
    const char *who = person(number % PEOPLE);
    struct hd_ticket ticket = {.ticket_id = id_of("t", number), .version = 1, .title = "x", .owner_id = who};
    struct hd_notification notification = {
        .notification_id = id_of("n", number),
        .event_id = id_of("e", number),
        .event = "TicketCreated",
        .ticket_id = ticket.ticket_id,
        .target = who,
        .channel = HD_INAPP,
        .status = HD_PENDING,
    };
    struct hd_inbox_item item = {
        .notification_id = notification.notification_id, .user_id = who, .event = "TicketCreated", .title = "x", .body = "y"};
    hd_put_ticket(set, &ticket, 0);
    hd_put_notification(set, &notification);
    hd_put_inbox_item(set, &item);
    items_of[number % PEOPLE]++;
    unread_of[number % PEOPLE]++;
}

static int commit_sets(const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *results) {
    return writer->ops->commit(writer, sets, count, results, NULL);
}

static void add_batch(int from) {
    struct hd_changeset set = hd_changeset(arena);
    struct hd_commit_result result = {0};
    for (int i = 0; i < BATCH; i++)
        add_row(&set, from + i);
    assert_int_equal(commit_sets((const struct hd_changeset *const[]){&set}, 1, &result), 0);
    assert_int_equal(result.code, 0);
}

static void read_item(int number) {
    struct hd_changeset set = hd_changeset(arena);
    struct hd_commit_result result = {0};
    hd_read_inbox_item(&set, id_of("n", number), person(number % PEOPLE), 1);
    assert_int_equal(commit_sets((const struct hd_changeset *const[]){&set}, 1, &result), 0);
    assert_int_equal(result.code, 0);
    unread_of[number % PEOPLE]--;
}

/* Makes the writer undo a transaction, and with it a slice of the step at hand. */
static void conflict(void) {
    struct hd_changeset set = hd_changeset(arena);
    struct hd_commit_result result = {0};
    hd_put_ticket(&set, &(struct hd_ticket){.ticket_id = "t-0", .version = 1, .title = "again", .owner_id = "ana"}, 0);
    assert_int_equal(commit_sets((const struct hd_changeset *const[]){&set}, 1, &result), 0);
    assert_int_equal(result.code, HD_ERR_CONFLICT);
}

/* Every page of a person's inbox, newest first, each item once. */
static int64_t count_inbox(int who, bool unread) {
    struct hd_inbox_filter filter = {.user_id = person(who), .unread = unread};
    struct hd_page page = {.limit = HD_PAGE_MAX};
    int64_t count = 0, last = INT64_MAX;
    do {
        const struct hd_inbox_item *items = NULL;
        size_t found = 0;
        assert_int_equal(reader->ops->inbox(reader, arena, &filter, &page, &items, &found, &page.cursor, NULL), 0);
        for (size_t i = 0; i < found; i++) {
            int64_t number = strtoll(items[i].notification_id + 2, NULL, 10);
            assert_true(number < last);
            assert_string_equal(items[i].user_id, person(who));
            assert_true(!unread || items[i].read_at_ms == 0);
            last = number;
        }
        count += (int64_t)found;
    } while (page.cursor);
    return count;
}

static int64_t count_tickets(int who) {
    struct hd_ticket_filter filter = {.owner_id = person(who), .status = -1, .priority = -1};
    struct hd_page page = {.limit = HD_PAGE_MAX};
    int64_t count = 0;
    do {
        const struct hd_ticket *items = NULL;
        size_t found = 0;
        assert_int_equal(reader->ops->tickets(reader, arena, &filter, &page, &items, &found, &page.cursor, NULL), 0);
        count += (int64_t)found;
    } while (page.cursor);
    return count;
}

static int64_t count_notifications(int who) {
    struct hd_notification_filter filter = {.status = -1, .channel = -1, .target = person(who)};
    struct hd_page page = {.limit = HD_PAGE_MAX};
    int64_t count = 0;
    do {
        const struct hd_notification *items = NULL;
        size_t found = 0;
        assert_int_equal(reader->ops->notifications(reader, arena, &filter, &page, &items, &found, &page.cursor, NULL), 0);
        count += (int64_t)found;
    } while (page.cursor);
    return count;
}

static void everything_is_found(int who) {
    int64_t unread = 0;
    assert_int_equal(count_inbox(who, false), items_of[who]);
    assert_int_equal(count_inbox(who, true), unread_of[who]);
    assert_int_equal(reader->ops->unread(reader, person(who), INT32_MAX, &unread, NULL), 0);
    assert_int_equal(unread, unread_of[who]);
    assert_int_equal(count_tickets(who), items_of[who]);
    assert_int_equal(count_notifications(who), items_of[who]);
}

static void lists_are_right_at_every_moment_of_a_step(void **state) {
    (void)state;
    bool read[ROWS + BATCH] = {false};
    unsigned random = 1;
    int rows = 0;
    for (int batch = 0; rows < ROWS; batch++) {
        add_batch(rows);
        rows += BATCH;
        for (int i = 0; i < 9; i++) { /* items are read while the index is being made: before it, half-way in it, behind it */
            random = random * 1103515245u + 12345u;
            int number = (int)((random >> 8) % (unsigned)rows);
            if (!read[number])
                read_item(number);
            read[number] = true;
        }
        if (batch % 5 == 0)
            conflict();
        if (batch % 3 == 0)
            everything_is_found(batch % PEOPLE);
    }
    for (int who = 0; who < PEOPLE; who++)
        everything_is_found(who);
}

static void a_ticket_s_notifications_are_found_wherever_they_are(void **state) {
    (void)state;
    for (int number = 0; number < ROWS; number += 4999) {
        struct hd_notification_filter filter = {.status = -1, .channel = -1, .ticket_id = id_of("t", number)};
        const struct hd_notification *items = NULL;
        size_t found = 0;
        const char *next = NULL;
        assert_int_equal(reader->ops->notifications(reader, arena, &filter, &(struct hd_page){.limit = 10}, &items, &found, &next, NULL),
                         0);
        assert_int_equal(found, 1);
        assert_string_equal(items[0].notification_id, id_of("n", number));
        assert_null(next);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_right_at_every_moment_of_a_step),
        cmocka_unit_test(a_ticket_s_notifications_are_found_wherever_they_are),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
