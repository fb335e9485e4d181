/* Every read, write, sync, truncate and open of SQLite failing in turn, once and for ever; a locked, a damaged, a foreign and a newer file.
 *
 * One scenario runs step by step through the ports, as a host would drive it. Without faults it is recorded: what each step answers, and what is in the
 * database behind it. With a fault every step must either give that same answer or an error that is one of the port's; the database then holds what was there
 * before the step or all of what it does; and when the fault is over, the same open views carry the scenario on to the same end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "adapters/sqlite/sqlite.h"
#include "base/buffer.h"
#include "tests/sim/faulty_vfs.h"

enum {
    PATH_BYTES = 256,
    ARENA_BYTES = 64 * 1024 * 1024,
    BASE_TICKETS = 1022, /* so that the scenario's own reach the step of the write-behind index (1,024) */
    STEPS_MAX = 48,
    VISIBILITY_MS = 30 * 1000,
};

static const int64_t then_ms = 1767225600000; /* 2026-01-01 */

static char folder[PATH_BYTES - 32];

static const char *path_to(const char *name) {
    static char paths[4][PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % HD_ARRAY_LEN(paths)];
    (void)snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return path;
}

/* ---- the world: all rows, as text ---- */

static void world_rows(struct hd_buffer *out, sqlite3 *db, const char *table) {
    /* A message's seq comes from the writer's counter, which a failed commit may have moved on. Of the base, which nobody changes, the count is enough. */
    static const char *const special[][2] = {
        {"messages", "SELECT queue, lane, due, body, receive_count, enqueued_at FROM messages ORDER BY 1, 2, 3, 4"},
        {"tickets", "SELECT (SELECT count(*) FROM tickets), * FROM tickets WHERE seq > 1010"},
        {"behind", "SELECT (SELECT count(*) FROM behind), * FROM behind WHERE seq > 1010 OR dimension > 1"},
    };
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
    for (size_t i = 0; i < HD_ARRAY_LEN(special); i++)
        if (strcmp(special[i][0], table) == 0)
            (void)snprintf(sql, sizeof sql, "%s", special[i][1]);
    sqlite3_stmt *rows = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
    int rc = SQLITE_OK;
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
        hd_buffer_add_str(out, table);
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const unsigned char *value = sqlite3_column_blob(rows, i);
            int bytes = sqlite3_column_bytes(rows, i);
            if (sqlite3_column_type(rows, i) != SQLITE_BLOB) {
                hd_buffer_printf(out, "|%.*s", bytes, bytes > 0 ? (const char *)value : "");
                continue;
            }
            hd_buffer_add_str(out, "|x");
            for (int b = 0; b < bytes; b++)
                hd_buffer_printf(out, "%02x", value[b]);
        }
        hd_buffer_add_char(out, '\n');
    }
    assert_int_equal(rc, SQLITE_DONE);
    sqlite3_finalize(rows);
}

/* Opened by SQLite alone, with the real file system; the file is given up to it. Sound, too. */
static char *world_of(const char *path) {
    struct hd_buffer out = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *tables = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1", -1, &tables, NULL),
                     SQLITE_OK);
    int rc = SQLITE_OK;
    while ((rc = sqlite3_step(tables)) == SQLITE_ROW)
        world_rows(&out, db, (const char *)sqlite3_column_text(tables, 0));
    assert_int_equal(rc, SQLITE_DONE);
    sqlite3_finalize(tables);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &tables, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(tables), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(tables, 0), "ok");
    sqlite3_finalize(tables);
    sqlite3_close(db);
    assert_int_equal(out.failure, 0);
    if (!out.data)
        hd_buffer_add_str(&out, "");
    return out.data;
}

/* ---- the scenario ---- */

struct scene {
    const char *path;
    struct hd_sqlite *database;
    struct hd_store *writer, *reader;
    struct hd_queue *queue;
    struct hd_arena *arena; /* of the whole run: a failed step leaves its rubbish in it */
    struct hd_message message;
    struct hd_notification email, inapp;
    struct hd_buffer *out; /* what the step answers */
};

static const char *const ticket_id = "019b7700-0000-7000-8000-000000000001";
static const char *const event_id = "019b7700-0000-7000-8000-000000000002";
static const char *const owner_id = "u-10";

static struct hd_ticket ticket_of(const char *id) {
    return (struct hd_ticket){.ticket_id = id,
                              .version = 1,
                              .title = "Impressão não sai",
                              .description = "Desde ontem.",
                              .priority = HD_PRIORITY_HIGH,
                              .owner_id = owner_id,
                              .channels = HD_CHANNEL_BIT(HD_EMAIL) | HD_CHANNEL_BIT(HD_INAPP),
                              .tags = "[\"a\"]",
                              .created_at_ms = then_ms,
                              .updated_at_ms = then_ms};
}

static struct hd_user user_of(int64_t version) {
    return (struct hd_user){.user_id = owner_id,
                            .version = version,
                            .name = "Ana",
                            .email = "ana@example.org",
                            .role = HD_ROLE_CUSTOMER,
                            .channels_off = version > 1 ? HD_CHANNEL_BIT(HD_SMS) : 0,
                            .created_at_ms = then_ms,
                            .updated_at_ms = then_ms};
}

static struct hd_notification notification_of(struct scene *s, enum hd_channel channel) {
    struct hd_id id = hd_notification_id(then_ms, event_id, owner_id, channel);
    return (struct hd_notification){.notification_id = hd_arena_strdup(s->arena, id.text),
                                    .event_id = event_id,
                                    .event = "TicketCreated",
                                    .ticket_id = ticket_id,
                                    .target = owner_id,
                                    .channel = channel,
                                    .accepted_at_ms = then_ms,
                                    .created_at_ms = then_ms,
                                    .updated_at_ms = then_ms};
}

/* 0 when it happened. A condition that does not hold is HD_ERR_CONFLICT. */
static int commit(struct scene *s, const struct hd_changeset *set, struct hd_error *err) {
    struct hd_commit_result result = {0};
    assert_int_equal(hd_changeset_check(set, NULL), 0);
    int r = s->writer->ops->commit(s->writer, (const struct hd_changeset *const[]){set}, 1, &result, err);
    if (!r && result.code)
        hd_error_set(err, result.code, "change %zu", result.change);
    return r ? r : (int)result.code;
}

static int step_open(struct scene *s, struct hd_error *err) {
    struct hd_sqlite_options options = {.path = s->path, .vfs = hd_faulty_vfs, .busy_ms = 1};
    int r = hd_sqlite_open(&options, &s->database, err);
    if (!r)
        r = hd_sqlite_store(s->database, &s->writer, err);
    if (!r)
        r = hd_sqlite_store(s->database, &s->reader, err);
    return r ? r : hd_sqlite_queue(s->database, &s->queue, err);
}

static void scene_close(struct scene *s) {
    if (s->writer)
        s->writer->ops->close(s->writer);
    if (s->reader)
        s->reader->ops->close(s->reader);
    if (s->queue)
        s->queue->ops->close(s->queue);
    hd_sqlite_close(s->database);
    s->writer = s->reader = NULL;
    s->queue = NULL;
    s->database = NULL;
}

static int step_people(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_user user = user_of(1);
    hd_put_user(&set, &user, 0);
    return commit(s, &set, err);
}

static int step_change_user(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_user user = user_of(2);
    hd_put_user(&set, &user, 1);
    return commit(s, &set, err);
}

static int step_open_ticket(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_ticket ticket = ticket_of(ticket_id);
    struct hd_event event = {.event_id = event_id,
                             .schema_version = 1,
                             .occurred_at_ms = then_ms,
                             .accepted_at_ms = then_ms,
                             .ticket_id = ticket_id,
                             .actor_id = owner_id,
                             .payload = "{\"ticketId\":\"t\"}"};
    struct hd_answer answer = {.key = "k", .body_hash = "h", .http_status = 201, .body = "{}", .created_at_ms = then_ms};
    hd_put_ticket(&set, &ticket, 0);
    hd_append_event(&set, &event);
    hd_remember_answer(&set, &answer);
    hd_enqueue(&set, HD_QUEUE_ROUTER, HD_LANE_NORMAL, "{\"eventId\":\"e\"}", then_ms, 0);
    return commit(s, &set, err);
}

static int take(struct scene *s, enum hd_queue_name name, struct hd_error *err) {
    struct hd_message *messages = NULL;
    size_t count = 0;
    int64_t next_ms = 0;
    int r = s->queue->ops->receive(s->queue, name, 2, then_ms + 1000, VISIBILITY_MS, s->arena, &messages, &count, &next_ms, err);
    if (r)
        return r;
    hd_buffer_printf(s->out, "%zu messages\n", count);
    if (count == 0)
        return 0;
    s->message = messages[0];
    hd_buffer_printf(s->out, "%s\n", s->message.body);
    return 0;
}

static int step_take_router(struct scene *s, struct hd_error *err) {
    return take(s, HD_QUEUE_ROUTER, err);
}

static int step_take_email(struct scene *s, struct hd_error *err) {
    return take(s, HD_QUEUE_EMAIL, err);
}

static int step_take_inapp(struct scene *s, struct hd_error *err) {
    return take(s, HD_QUEUE_INAPP, err);
}

static int step_take_dlq(struct scene *s, struct hd_error *err) {
    return take(s, HD_QUEUE_DLQ, err);
}

/* What the router does: reads, then one changeset. */
static int step_route(struct scene *s, struct hd_error *err) {
    const struct hd_event *event = NULL;
    const struct hd_user *user = NULL;
    bool done = true;
    int r = s->reader->ops->begin_reads(s->reader, err);
    if (r)
        return r;
    r = s->reader->ops->event(s->reader, s->arena, event_id, &event, err);
    if (!r)
        r = s->reader->ops->user(s->reader, s->arena, owner_id, &user, err);
    if (!r)
        r = s->reader->ops->processed(s->reader, "router", event_id, &done, err);
    s->reader->ops->end_reads(s->reader);
    if (r)
        return r;
    assert_true(event && user && !done);
    assert_string_equal(user->email, "ana@example.org");
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_audit audit = {
        .audit_id = "a-1", .action = "event.routed", .subject = event_id, .actor = "router", .detail = "{}", .at_ms = then_ms};
    s->email = notification_of(s, HD_EMAIL);
    s->inapp = notification_of(s, HD_INAPP);
    hd_put_notification(&set, &s->email);
    hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "{\"n\":\"email\"}", then_ms, 0);
    hd_put_notification(&set, &s->inapp);
    hd_enqueue(&set, HD_QUEUE_INAPP, HD_LANE_URGENT, "{\"n\":\"inapp\"}", then_ms, 0);
    hd_append_audit(&set, &audit);
    hd_mark_processed(&set, "router", event_id, then_ms);
    hd_acknowledge(&set, &s->message);
    return commit(s, &set, err);
}

static int step_begin_email(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_notification to = s->email;
    to.status = HD_SENDING;
    to.attempts = 1;
    to.owner_token = "worker/1";
    hd_move_notification(&set, &s->email, &to, HD_MOVE_BEGIN);
    int r = commit(s, &set, err);
    if (!r)
        s->email = to;
    return r;
}

static int step_conclude_email(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_notification to = s->email;
    struct hd_attempt attempt = {
        .notification_id = to.notification_id, .number = 1, .at_ms = then_ms, .provider = "smtp", .message = "{\"subject\":\"s\"}"};
    to.status = HD_SENT;
    to.owner_token = NULL;
    to.sent_at_ms = then_ms;
    hd_move_notification(&set, &s->email, &to, HD_MOVE_SENT);
    hd_append_attempt(&set, &attempt);
    hd_acknowledge(&set, &s->message);
    return commit(s, &set, err);
}

static int step_inapp(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_notification to = s->inapp;
    struct hd_attempt attempt = {.notification_id = to.notification_id, .number = 1, .at_ms = then_ms, .provider = "inapp"};
    struct hd_inbox_item item = {.notification_id = to.notification_id,
                                 .user_id = owner_id,
                                 .event = "TicketCreated",
                                 .ticket_id = ticket_id,
                                 .title = "t",
                                 .body = "b",
                                 .created_at_ms = then_ms};
    to.status = HD_SENT;
    to.attempts = 1;
    to.sent_at_ms = then_ms;
    hd_move_notification(&set, &s->inapp, &to, HD_MOVE_SENT);
    hd_append_attempt(&set, &attempt);
    hd_put_inbox_item(&set, &item);
    hd_acknowledge(&set, &s->message);
    return commit(s, &set, err);
}

static int step_read_item(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    hd_read_inbox_item(&set, s->inapp.notification_id, owner_id, then_ms);
    return commit(s, &set, err);
}

static int step_bury(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_dead_letter letter = {
        .dead_letter_id = "d-1", .queue = "email", .reason = "permanent_failure", .attempts = 1, .body = "{}", .created_at_ms = then_ms};
    hd_put_dead_letter(&set, &letter);
    hd_enqueue(&set, HD_QUEUE_DLQ, HD_LANE_NORMAL, "{\"d\":1}", then_ms, 0);
    return commit(s, &set, err);
}

static int step_postpone(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    hd_postpone(&set, &s->message, then_ms, 60 * 1000);
    return commit(s, &set, err);
}

static int step_redrive(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    hd_remove_dead_letter(&set, "d-1");
    hd_enqueue(&set, HD_QUEUE_EMAIL, HD_LANE_NORMAL, "{\"n\":\"again\"}", then_ms, 0);
    return commit(s, &set, err);
}

/* Two changesets in one call, and one of them refused; the write-behind index takes its step. */
static int step_index(struct scene *s, struct hd_error *err) {
    struct hd_changeset first = hd_changeset(s->arena), refused = hd_changeset(s->arena), second = hd_changeset(s->arena);
    struct hd_ticket one = ticket_of("tkt-one"), two = ticket_of("tkt-two"), again = ticket_of(ticket_id);
    struct hd_commit_result results[3] = {{0}};
    hd_put_ticket(&first, &one, 0);
    hd_put_ticket(&refused, &again, 0);
    hd_put_ticket(&second, &two, 0);
    int r = s->writer->ops->commit(s->writer, (const struct hd_changeset *const[]){&first, &refused, &second}, 3, results, err);
    if (r)
        return r;
    hd_buffer_printf(s->out, "%d %d %d\n", results[0].code, results[1].code, results[2].code);
    return 0;
}

static int step_checkpoint(struct scene *s, struct hd_error *err) {
    return hd_sqlite_checkpoint(s->database, err);
}

static int step_after_checkpoint(struct scene *s, struct hd_error *err) {
    struct hd_changeset set = hd_changeset(s->arena);
    struct hd_ticket ticket = ticket_of("tkt-three");
    hd_put_ticket(&set, &ticket, 0);
    return commit(s, &set, err);
}

static int step_lists(struct scene *s, struct hd_error *err) {
    struct hd_page page = {.limit = 5};
    const struct hd_ticket *tickets = NULL;
    const struct hd_notification *notifications = NULL;
    const struct hd_inbox_item *items = NULL;
    const struct hd_attempt *attempts = NULL;
    const char *next = NULL;
    size_t count = 0;
    int64_t unread = 0;
    struct hd_store *store = s->reader;
    int r = store->ops->tickets(store, s->arena, &(struct hd_ticket_filter){.owner_id = owner_id, .status = -1, .priority = -1}, &page,
                                &tickets, &count, &next, err);
    for (size_t i = 0; !r && i < count; i++)
        hd_buffer_printf(s->out, "%s %s\n", tickets[i].ticket_id, tickets[i].title);
    if (!r)
        hd_buffer_printf(s->out, "next %s\n", next ? next : "-");
    if (!r)
        r = store->ops->notifications(store, s->arena, &(struct hd_notification_filter){.status = -1, .channel = -1, .target = owner_id},
                                      &page, &notifications, &count, &next, err);
    for (size_t i = 0; !r && i < count; i++)
        hd_buffer_printf(s->out, "%s %d\n", notifications[i].notification_id, (int)notifications[i].status);
    if (!r)
        r = store->ops->inbox(store, s->arena, &(struct hd_inbox_filter){.user_id = owner_id}, &page, &items, &count, &next, err);
    for (size_t i = 0; !r && i < count; i++)
        hd_buffer_printf(s->out, "%s %" PRId64 "\n", items[i].title, items[i].read_at_ms);
    if (!r)
        r = store->ops->unread(store, owner_id, 10, &unread, err);
    if (!r)
        r = store->ops->attempts(store, s->arena, s->email.notification_id, &attempts, &count, err);
    for (size_t i = 0; !r && i < count; i++)
        hd_buffer_printf(s->out, "%d %s\n", attempts[i].number, attempts[i].provider);
    if (!r)
        hd_buffer_printf(s->out, "%" PRId64 " unread\n", unread);
    return r;
}

static int step_depth(struct scene *s, struct hd_error *err) {
    for (unsigned name = 0; name < HD_QUEUE_COUNT; name++) {
        struct hd_queue_depth depth = {0};
        int r = s->queue->ops->depth(s->queue, (enum hd_queue_name)name, then_ms + 1000, &depth, err);
        if (r)
            return r;
        hd_buffer_printf(s->out, "%" PRId64 " %" PRId64 "\n", depth.visible + depth.in_flight, depth.delayed);
    }
    return 0;
}

typedef int step_fn(struct scene *s, struct hd_error *err);
static const struct {
    const char *name;
    step_fn *run;
} steps[] = {
    {"open", step_open},
    {"put a user", step_people},
    {"open a ticket", step_open_ticket},
    {"take the event", step_take_router},
    {"route", step_route},
    {"take the e-mail", step_take_email},
    {"begin the e-mail", step_begin_email},
    {"conclude the e-mail", step_conclude_email},
    {"take the in-app task", step_take_inapp},
    {"put the inbox item", step_inapp},
    {"lists before the index", step_lists},
    {"read the item", step_read_item},
    {"change the user", step_change_user},
    {"put a dead letter", step_bury},
    {"take its message", step_take_dlq},
    {"postpone it", step_postpone},
    {"redrive", step_redrive},
    {"checkpoint", step_checkpoint},
    {"three changesets and the index", step_index},
    {"lists behind the index", step_lists},
    {"checkpoint again", step_checkpoint},
    {"write again", step_after_checkpoint},
    {"depths", step_depth},
    {"lists at the end", step_lists},
};
enum { STEP_COUNT = HD_ARRAY_LEN(steps) };
static_assert(HD_ARRAY_LEN(steps) <= STEPS_MAX, "room for what is recorded");

/* ---- without faults ---- */

static char *worlds[STEPS_MAX + 1]; /* behind each step; [0] before the first */
static char *answers[STEPS_MAX];

static void scene_begin(struct scene *s, struct hd_buffer *out) {
    static char path[PATH_BYTES], kept[PATH_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s/scene.db", folder);
    (void)snprintf(kept, sizeof kept, "%s.synced", path);
    *s = (struct scene){.path = path, .arena = hd_arena_new(ARENA_BYTES), .out = out};
    assert_non_null(s->arena);
    hd_faults_remove(path);
    hd_faults_copy(path_to("base.db"), path);
    hd_faults_copy(path_to("base.db"), kept); /* the base is old, and on the disk */
    hd_faults_keep_synced(true);
}

static void scene_end(struct scene *s) {
    scene_close(s);
    hd_arena_free(s->arena);
    hd_faults_remove(s->path);
}

static char *world_now(const struct scene *s) {
    hd_faults_copy(s->path, path_to("copy.db"));
    return world_of(path_to("copy.db"));
}

static char *world_after_power_cut(const struct scene *s) {
    hd_faults_power_cut(s->path, path_to("copy.db"));
    return world_of(path_to("copy.db"));
}

static int make_base(void) {
    struct hd_sqlite_options options = {.path = path_to("base.db")};
    struct hd_sqlite *database = NULL;
    struct hd_store *store = NULL;
    struct hd_error err = {0};
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    if (hd_sqlite_open(&options, &database, &err) || hd_sqlite_store(database, &store, &err)) {
        (void)fprintf(stderr, "%s\n", err.detail);
        return -1;
    }
    struct hd_changeset set = hd_changeset(arena);
    for (int i = 0; i < BASE_TICKETS; i++) {
        struct hd_ticket ticket = ticket_of(hd_arena_printf(arena, "tkt-%04d", i));
        hd_put_ticket(&set, &ticket, 0);
    }
    struct hd_commit_result result = {0};
    int r = store->ops->commit(store, (const struct hd_changeset *const[]){&set}, 1, &result, &err);
    store->ops->close(store);
    hd_sqlite_close(database);
    hd_arena_free(arena);
    return r || result.code ? -1 : 0;
}

static int record(void **state) {
    (void)state;
    struct hd_buffer out = {0};
    struct scene s;
    if (make_base())
        return -1;
    hd_faults_plan(&(struct hd_fault_plan){0});
    scene_begin(&s, &out);
    worlds[0] = world_now(&s);
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct hd_error err = {0};
        hd_buffer_clear(&out);
        int r = steps[i].run(&s, &err);
        if (r) {
            (void)fprintf(stderr, "%s: %s\n", steps[i].name, err.detail);
            return -1;
        }
        answers[i] = strdup(hd_buffer_text(&out));
        worlds[i + 1] = world_now(&s);
    }
    scene_end(&s);
    hd_buffer_free(&out);
    return 0;
}

static int forget(void **state) {
    (void)state;
    for (size_t i = 0; i <= STEP_COUNT; i++)
        free(worlds[i]);
    for (size_t i = 0; i < STEP_COUNT; i++)
        free(answers[i]);
    return 0;
}

/* ---- with faults ---- */

static bool is_error_of_the_port(int code) {
    return code == HD_ERR_UNAVAILABLE || code == HD_ERR_NO_SPACE || code == HD_ERR_CORRUPT || code == HD_ERR_NO_MEMORY;
}

static void check_world(const char *what, size_t step, char *world) {
    if (strcmp(world, worlds[step]) != 0 && strcmp(world, worlds[step + 1]) != 0)
        fail_msg("%s: \"%s\" has happened by half, or something before it is lost", what, steps[step].name);
    free(world);
}

/* One step with its answer compared. A failed open leaves nothing open. */
static int run_step(struct scene *s, size_t step, struct hd_error *err) {
    hd_buffer_clear(s->out);
    int r = steps[step].run(s, err);
    if (r && steps[step].run == step_open)
        scene_close(s);
    if (!r && strcmp(hd_buffer_text(s->out), answers[step]) != 0)
        fail_msg("\"%s\" answers\n%sinstead of\n%s", steps[step].name, hd_buffer_text(s->out), answers[step]);
    return r;
}

struct tally {
    int runs, errors, unnoticed;
};

/* The whole scenario with one plan. False when the plan's fault never came up: then all operations have had their turn. */
static bool run_with(const struct hd_fault_plan *plan, struct tally *tally) {
    struct hd_buffer out = {0};
    struct scene s;
    scene_begin(&s, &out);
    hd_faults_plan(plan);
    int errors = 0;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct hd_error err = {0};
        int r = run_step(&s, i, &err);
        if (!r)
            continue;
        errors++;
        if (!is_error_of_the_port(r) || r != (int)err.code || !err.detail[0])
            fail_msg("\"%s\", operation %d: error %d, \"%s\"", steps[i].name, plan->at, r, err.detail);
        check_world("after the error", i, world_now(&s));
        check_world("after the error and a power cut", i, world_after_power_cut(&s));
        hd_faults_end();
        r = run_step(&s, i, &err);
        if (r)
            fail_msg("\"%s\", operation %d: does not go on once the fault is over: %d, \"%s\"", steps[i].name, plan->at, r, err.detail);
    }
    bool came = hd_faults_happened() > 0;
    hd_faults_end();
    char *world = world_after_power_cut(&s);
    assert_string_equal(world, worlds[STEP_COUNT]);
    free(world);
    scene_end(&s);
    hd_buffer_free(&out);
    tally->runs++;
    tally->errors += errors;
    tally->unnoticed += came && errors == 0;
    assert_in_range(errors, 0, 1);
    return came;
}

static void run_all(const char *name, struct hd_fault_plan plan) {
    struct tally tally = {0};
    for (plan.at = 1; run_with(&plan, &tally); plan.at++)
        plan.half = plan.at % 2;
    print_message("%s: %d operations failed, %d of them told as errors, %d made up for\n", name, tally.runs - 1, tally.errors,
                  tally.unnoticed);
    assert_true(tally.errors > 0);
}

static void each_write_may_fail_once(void **state) {
    (void)state;
    run_all("writes, once", (struct hd_fault_plan){.kinds = HD_FAULT_WRITE});
}

static void writes_may_fail_for_ever(void **state) {
    (void)state;
    run_all("writes, for ever", (struct hd_fault_plan){.kinds = HD_FAULT_WRITE, .for_ever = true});
}

static void the_disk_may_be_full_once(void **state) {
    (void)state;
    run_all("disk full, once", (struct hd_fault_plan){.kinds = HD_FAULT_WRITE, .code = SQLITE_FULL});
}

static void the_disk_may_be_full_for_ever(void **state) {
    (void)state;
    run_all("disk full, for ever", (struct hd_fault_plan){.kinds = HD_FAULT_WRITE, .code = SQLITE_FULL, .for_ever = true});
}

static void each_sync_may_fail_once(void **state) {
    (void)state;
    run_all("syncs, once", (struct hd_fault_plan){.kinds = HD_FAULT_SYNC});
}

static void syncs_may_fail_for_ever(void **state) {
    (void)state;
    run_all("syncs, for ever", (struct hd_fault_plan){.kinds = HD_FAULT_SYNC, .for_ever = true});
}

static void each_read_may_fail_once(void **state) {
    (void)state;
    run_all("reads, once", (struct hd_fault_plan){.kinds = HD_FAULT_READ});
}

static void reads_may_fail_for_ever(void **state) {
    (void)state;
    run_all("reads, for ever", (struct hd_fault_plan){.kinds = HD_FAULT_READ, .for_ever = true});
}

static void opens_and_shared_memory_may_fail(void **state) {
    (void)state;
    run_all("opens, once", (struct hd_fault_plan){.kinds = HD_FAULT_OPEN});
    run_all("opens, for ever", (struct hd_fault_plan){.kinds = HD_FAULT_OPEN, .for_ever = true});
}

static void the_disk_may_go_at_any_operation(void **state) {
    (void)state;
    run_all("everything, for ever", (struct hd_fault_plan){.kinds = HD_FAULT_ALL, .for_ever = true});
}

/* ---- a new database, a copy ---- */

static void a_database_is_created_whole_or_not_at_all(void **state) {
    (void)state;
    static const unsigned kinds[] = {HD_FAULT_WRITE, HD_FAULT_SYNC, HD_FAULT_READ, HD_FAULT_OPEN, HD_FAULT_TRUNCATE, HD_FAULT_ALL};
    int failed = 0;
    for (size_t k = 0; k < 2 * HD_ARRAY_LEN(kinds); k++) {
        struct hd_fault_plan plan = {.kinds = kinds[k / 2], .for_ever = k % 2, .at = 1};
        for (bool came = true; came; plan.at++) {
            struct hd_sqlite_options options = {.path = path_to("new.db"), .vfs = hd_faulty_vfs};
            struct hd_sqlite *database = NULL;
            struct hd_error err = {0};
            hd_faults_remove(options.path);
            hd_faults_plan(&plan);
            int r = hd_sqlite_open(&options, &database, &err);
            came = hd_faults_happened() > 0;
            hd_faults_end();
            if (r) {
                failed++;
                if (!is_error_of_the_port(r))
                    fail_msg("operation %d of kind %u: %d, \"%s\"", plan.at, plan.kinds, r, err.detail);
                if (hd_sqlite_open(&options, &database, &err))
                    fail_msg("operation %d of kind %u: cannot be opened again: %s", plan.at, plan.kinds, err.detail);
            }
            if (hd_sqlite_verify(database, &err))
                fail_msg("operation %d of kind %u: %s", plan.at, plan.kinds, err.detail);
            hd_sqlite_close(database);
        }
    }
    hd_faults_remove(path_to("new.db"));
    print_message("%d of the creations failed\n", failed);
    assert_true(failed > 20);
}

static void a_copy_that_fails_leaves_nothing_behind(void **state) {
    (void)state;
    struct hd_sqlite_options options = {.path = path_to("scene.db"), .vfs = hd_faulty_vfs};
    struct hd_sqlite *database = NULL;
    struct hd_error err = {0};
    int failed = 0;
    hd_faults_copy(path_to("base.db"), options.path);
    hd_faults_end();
    assert_int_equal(hd_sqlite_open(&options, &database, &err), 0);
    static const struct hd_fault_plan plans[] = {
        {.kinds = HD_FAULT_WRITE, .code = SQLITE_FULL}, {.kinds = HD_FAULT_SYNC}, {.kinds = HD_FAULT_READ}, {.kinds = HD_FAULT_OPEN}};
    for (size_t i = 0; i < HD_ARRAY_LEN(plans); i++) {
        struct hd_fault_plan plan = plans[i];
        bool came = true;
        for (plan.at = 1; came; plan.at += 1 + plan.at / 8) {
            const char *copy = path_to("backup.db");
            hd_faults_plan(&plan);
            int r = hd_sqlite_backup(database, copy, &err);
            came = hd_faults_happened() > 0;
            hd_faults_end();
            if (r && !is_error_of_the_port(r))
                fail_msg("operation %d of kind %u: %d, \"%s\"", plan.at, plan.kinds, r, err.detail);
            if (r && access(copy, F_OK) == 0)
                fail_msg("operation %d of kind %u failed, and left a file: %s", plan.at, plan.kinds, err.detail);
            failed += r != 0;
            if (!r) {
                char *copied = world_of(copy);
                assert_string_equal(copied, worlds[0]);
                free(copied);
                hd_faults_remove(copy);
            }
        }
    }
    hd_sqlite_close(database);
    hd_faults_remove(path_to("scene.db"));
    print_message("%d of the copies failed\n", failed);
    assert_true(failed > 10);
}

/* ---- locks ---- */

static void exec_sql(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Everything but the first commit of the other is as before. */
static void a_locked_database_is_unavailable_until_it_is_free(void **state) {
    (void)state;
    struct hd_buffer out = {0};
    struct scene s;
    struct hd_error err = {0};
    sqlite3 *other = NULL;
    hd_faults_plan(&(struct hd_fault_plan){0});
    scene_begin(&s, &out);
    assert_int_equal(run_step(&s, 0, &err), 0);
    assert_int_equal(run_step(&s, 1, &err), 0);
    assert_int_equal(sqlite3_open_v2(s.path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);

    assert_int_equal(run_step(&s, 2, &err), HD_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.detail, "locked"));
    const struct hd_user *user = NULL;
    assert_int_equal(s.reader->ops->user(s.reader, s.arena, owner_id, &user, &err), 0);
    assert_non_null(user);
    struct hd_sqlite *second = NULL;
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = s.path, .busy_ms = 1}, &second, &err), 0);
    hd_sqlite_close(second);
    check_world("after the error", 2, world_now(&s));

    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    for (size_t i = 2; i < STEP_COUNT; i++)
        if (run_step(&s, i, &err))
            fail_msg("\"%s\": %s", steps[i].name, err.detail);
    scene_end(&s);
    hd_buffer_free(&out);
}

static void a_database_that_another_program_holds_alone_cannot_be_opened(void **state) {
    (void)state;
    const char *path = path_to("held.db");
    struct hd_sqlite *database = NULL;
    struct hd_error err = {0};
    sqlite3 *other = NULL;
    hd_faults_copy(path_to("base.db"), path);
    assert_int_equal(sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = path, .busy_ms = 1}, &database, &err), HD_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.detail, "locked"));
    sqlite3_close(other);
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = path, .busy_ms = 1}, &database, &err), 0);
    hd_sqlite_close(database);
    hd_faults_remove(path);
}

/* ---- files that are none of ours, or no longer whole ---- */

static char *bytes_of(const char *path, size_t *ret_count) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t count = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(count + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, count, file), count);
    (void)fclose(file);
    *ret_count = count;
    return bytes;
}

static void write_bytes(const char *path, const char *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* Refused with that code and those words, and the file is as it was. */
static void assert_refused_untouched(const char *path, int code, const char *words) {
    size_t before_count = 0, after_count = 0;
    char *before = bytes_of(path, &before_count);
    struct hd_sqlite *database = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = path, .busy_ms = 1}, &database, &err), code);
    if (!strstr(err.detail, words) || !strstr(err.detail, path))
        fail_msg("the error is not clear: %s", err.detail);
    char *after = bytes_of(path, &after_count);
    assert_int_equal(after_count, before_count);
    assert_memory_equal(after, before, before_count);
    free(before);
    free(after);
    hd_faults_remove(path);
}

static void a_file_that_is_no_database_is_refused_untouched(void **state) {
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text);
    write_bytes(path_to("text.db"), text, sizeof text);
    assert_refused_untouched(path_to("text.db"), HD_ERR_CORRUPT, "not a database");
}

static void a_damaged_header_is_refused_untouched(void **state) {
    (void)state;
    size_t count = 0;
    char *bytes = bytes_of(path_to("base.db"), &count);
    memcpy(bytes, "SQLite format 4", 15);
    write_bytes(path_to("header.db"), bytes, count);
    free(bytes);
    assert_refused_untouched(path_to("header.db"), HD_ERR_CORRUPT, "not a database");
}

static void a_database_of_another_program_is_refused_untouched(void **state) {
    (void)state;
    exec_sql(path_to("other.db"), "CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('bread')");
    assert_refused_untouched(path_to("other.db"), HD_ERR_CORRUPT, "another program");
}

static void a_database_of_a_newer_version_is_refused_untouched(void **state) {
    (void)state;
    hd_faults_copy(path_to("base.db"), path_to("newer.db"));
    exec_sql(path_to("newer.db"), "PRAGMA user_version = 99");
    assert_refused_untouched(path_to("newer.db"), HD_ERR_NEWER_STORE, "99");
}

static void a_folder_or_a_missing_one_is_a_clear_error(void **state) {
    (void)state;
    struct hd_sqlite *database = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = folder}, &database, &err), HD_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.detail, folder));
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = path_to("none/x.db")}, &database, &err), HD_ERR_UNAVAILABLE);
    assert_int_equal(hd_sqlite_open(&(struct hd_sqlite_options){.path = path_to("none.db"), .must_exist = true}, &database, &err),
                     HD_ERR_UNAVAILABLE);
    assert_int_not_equal(access(path_to("none.db"), F_OK), 0);
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A value that is out of its table would be an index out of bounds above. */
static void check_values(struct scene *s) {
    struct hd_page page = {.limit = HD_PAGE_MAX};
    const struct hd_ticket *tickets = NULL;
    const struct hd_notification *notifications = NULL;
    const char *next = NULL;
    size_t count = 0;
    int r = s->reader->ops->tickets(s->reader, s->arena, &(struct hd_ticket_filter){.status = -1, .priority = -1}, &page, &tickets, &count,
                                    &next, NULL);
    for (size_t i = 0; !r && i < count; i++) {
        const struct hd_ticket *t = &tickets[i];
        assert_true(t->ticket_id && t->title && t->status < HD_TICKET_STATUS_COUNT && t->priority < HD_PRIORITY_COUNT);
    }
    r = s->reader->ops->notifications(s->reader, s->arena, &(struct hd_notification_filter){.status = -1, .channel = -1}, &page,
                                      &notifications, &count, &next, NULL);
    for (size_t i = 0; !r && i < count; i++) {
        const struct hd_notification *n = &notifications[i];
        assert_true(n->notification_id && n->event_id && n->target && n->event && n->status < HD_STATUS_COUNT &&
                    n->channel < HD_CHANNEL_COUNT);
    }
}

/* Bytes changed in the middle of a database that a scenario has filled: whatever is done with it gives an answer or an error of the port. Never a crash, never an endless loop. */
static void flipped_bytes_are_errors_and_never_a_crash(void **state) {
    (void)state;
    enum { ROUNDS = 600 };
    const char *given = getenv("HELPDESK_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL), random = seed * 2 + 1;
    print_message("HELPDESK_SEED=%" PRIu64 "\n", seed);
    struct hd_buffer out = {0};
    struct scene s;
    hd_faults_plan(&(struct hd_fault_plan){0});
    scene_begin(&s, &out);
    for (size_t i = 0; i < STEP_COUNT; i++)
        assert_int_equal(run_step(&s, i, NULL), 0);
    scene_close(&s);
    size_t whole = 0;
    char *sound = bytes_of(s.path, &whole);
    char *damaged = malloc(whole);
    assert_non_null(damaged);
    int refused = 0, found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = round % 8 == 7 ? whole / 2 + next_random(&random) % (whole / 2) : whole; /* some are cut short */
        memcpy(damaged, sound, whole);
        for (uint64_t flips = 1 + next_random(&random) % 64; flips > 0; flips--)
            damaged[next_random(&random) % whole] ^= (char)(1 << next_random(&random) % 8);
        hd_faults_remove(s.path);
        write_bytes(s.path, damaged, count);
        hd_arena_reset(s.arena);
        struct hd_error err = {0};
        int r = step_open(&s, &err);
        if (r && !is_error_of_the_port(r) && r != HD_ERR_NEWER_STORE)
            fail_msg("round %d: opening gives %d, \"%s\"", round, r, err.detail);
        refused += r != 0;
        if (!r) {
            int verdict = hd_sqlite_verify(s.database, &err);
            if (verdict && verdict != HD_ERR_CORRUPT)
                fail_msg("round %d: checking gives %d, \"%s\"", round, verdict, err.detail);
            found += verdict != 0;
            s.email = notification_of(&s, HD_EMAIL);
            s.inapp = notification_of(&s, HD_INAPP);
            static step_fn *const tries[] = {step_lists,     step_depth, step_take_email, step_take_dlq,   step_people, step_open_ticket,
                                             step_read_item, step_index, step_bury,       step_checkpoint, step_lists};
            for (size_t i = 0; i < HD_ARRAY_LEN(tries); i++) {
                err = (struct hd_error){0};
                r = tries[i](&s, &err);
                if (r && r != HD_ERR_CONFLICT && !is_error_of_the_port(r))
                    fail_msg("round %d, try %zu: %d, \"%s\"", round, i, r, err.detail);
            }
            check_values(&s);
        }
        scene_close(&s);
    }
    print_message("%d damaged files: %d refused at once, %d found by the check\n", ROUNDS, refused, found);
    assert_true(found > 0);
    free(sound);
    free(damaged);
    scene_end(&s);
    hd_buffer_free(&out);
}

static int make_folder(void) {
    const char *temporary = getenv("TMPDIR");
    if (!temporary)
        temporary = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* nothing is synced here: memory will do */
    (void)snprintf(folder, sizeof folder, "%s/helpdesk-vfs-XXXXXX", temporary);
    return mkdtemp(folder) ? 0 : -1;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_write_may_fail_once),
        cmocka_unit_test(writes_may_fail_for_ever),
        cmocka_unit_test(the_disk_may_be_full_once),
        cmocka_unit_test(the_disk_may_be_full_for_ever),
        cmocka_unit_test(each_sync_may_fail_once),
        cmocka_unit_test(syncs_may_fail_for_ever),
        cmocka_unit_test(each_read_may_fail_once),
        cmocka_unit_test(reads_may_fail_for_ever),
        cmocka_unit_test(opens_and_shared_memory_may_fail),
        cmocka_unit_test(the_disk_may_go_at_any_operation),
        cmocka_unit_test(a_database_is_created_whole_or_not_at_all),
        cmocka_unit_test(a_copy_that_fails_leaves_nothing_behind),
        cmocka_unit_test(a_locked_database_is_unavailable_until_it_is_free),
        cmocka_unit_test(a_database_that_another_program_holds_alone_cannot_be_opened),
        cmocka_unit_test(a_file_that_is_no_database_is_refused_untouched),
        cmocka_unit_test(a_damaged_header_is_refused_untouched),
        cmocka_unit_test(a_database_of_another_program_is_refused_untouched),
        cmocka_unit_test(a_database_of_a_newer_version_is_refused_untouched),
        cmocka_unit_test(a_folder_or_a_missing_one_is_a_clear_error),
        cmocka_unit_test(flipped_bytes_are_errors_and_never_a_crash),
    };
    if (make_folder()) {
        perror("mkdtemp");
        return 1;
    }
    const char *pattern = getenv("HELPDESK_CASES");
    if (pattern)
        cmocka_set_test_filter(pattern);
    int failed = cmocka_run_group_tests(tests, record, forget);
    hd_faults_remove(path_to("base.db"));
    hd_faults_remove(path_to("copy.db"));
    if (rmdir(folder) != 0 && failed == 0)
        perror(folder);
    return failed;
}
