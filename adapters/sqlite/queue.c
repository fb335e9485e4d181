/* The queue port on SQLite: rows that are read in order, and claims in memory. */
#include <assert.h>
#include <stdlib.h>

#include "adapters/sqlite/claims.h"
#include "adapters/sqlite/database.h"
#include "adapters/sqlite/lanes.h"

/* Where a view has read up to in each lane that is not delayed. What lies before is claimed or gone, but for: claims that ran out, and messages of other processes
 * whose clock is behind. Both are found by reading from the start again, which costs no more than passing over what is in flight. */
struct cursor {
    int64_t due, seq;
};

struct sqlite_queue {
    struct hd_queue base;
    struct hd_sqlite *database;
    struct connection connection;
    struct cursor cursors[HD_QUEUE_COUNT][LANE_COUNT];
    unsigned receives[HD_QUEUE_COUNT];
};

enum { RESTART_EVERY = 64 /* receives */ };

struct receiving {
    struct sqlite_queue *view;
    enum hd_queue_name queue;
    size_t max;
    int64_t now_ms;
    int64_t visible_at_ms;
    struct hd_arena *arena;
    struct hd_message *messages;
    size_t count;
    int64_t next_due_ms;
};

static bool still_there(struct receiving *r, const struct receipt *receipt) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    struct connection *connection = &r->view->connection;
    bool row = false;
    int rc = hd_db_statement(connection, STATEMENT_MESSAGE_THERE, &query, NULL);
    if (!rc)
        rc = hd_db_bind(connection, query, NULL, "iiii", (int64_t)r->queue, (int64_t)receipt->lane, receipt->due, receipt->seq);
    if (!rc)
        rc = hd_db_step(connection, query, &row, NULL);
    return rc != 0 || row; /* in doubt it is there: a second delivery finds its work done */
}

/* While rows were read, others may have acknowledged messages and dropped their claims: a row of the query's moment may be gone, and look free. The query is over
 * by now, so that this one sees the present. */
static void leave_out_gone(struct receiving *r, size_t first) {
    size_t kept = first;
    for (size_t i = first; i < r->count; i++) {
        struct receipt receipt;
        bool readable = hd_receipt_read(r->messages[i].receipt, &receipt);
        assert(readable);
        if (!readable || still_there(r, &receipt)) {
            r->messages[kept++] = r->messages[i];
        } else {
            hd_claims_drop(r->view->database->claims, receipt.seq, receipt.token);
        }
    }
    r->count = kept;
}

/* Takes the message of the row that the query stands on, if nobody has it. */
static int take(struct receiving *r, int lane, sqlite3_stmt *query, struct hd_error *err) {
    struct row row = {.statement = query, .arena = r->arena};
    struct cursor at = {.due = hd_row_int(&row, 0), .seq = hd_row_int(&row, 1)};
    struct receipt receipt = {.lane = lane, .due = at.due, .seq = at.seq};
    int count = 0;
    if (at.seq <= 0)
        return hd_error_set(err, HD_ERR_CORRUPT, "database: a message has no number");
    if (!hd_claims_take(r->view->database->claims, r->queue, at.seq, r->now_ms, r->visible_at_ms, (int)hd_row_int(&row, 3), &receipt.token,
                        &count))
        return 0;
    char text[RECEIPT_TEXT_BYTES];
    hd_receipt_write(&receipt, text);
    struct hd_message message = {
        .queue = r->queue,
        .lane = lane_without_delay(lane),
        .receipt = hd_arena_strdup(r->arena, text),
        .body = hd_row_text(&row, 2),
        .receive_count = count,
        .enqueued_at_ms = hd_row_int(&row, 4),
    };
    if (!message.receipt || !message.body) {
        hd_claims_untake(r->view->database->claims, at.seq, receipt.token, r->now_ms);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a message");
    }
    r->messages[r->count++] = message;
    return 0;
}

static int read_rows(struct receiving *r, int lane, struct cursor *cursor, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    struct connection *connection = &r->view->connection;
    int rc = hd_db_statement(connection, STATEMENT_MESSAGES_FROM, &query, err);
    if (!rc)
        rc = hd_db_bind(connection, query, err, "iiii", (int64_t)r->queue, (int64_t)lane, cursor->due, cursor->seq);
    while (!rc && r->count < r->max) {
        bool row = false;
        rc = hd_db_step(connection, query, &row, err);
        if (rc || !row)
            break;
        int64_t due = sqlite3_column_int64(query, 0);
        if (due > r->now_ms) {
            if (due < r->next_due_ms)
                r->next_due_ms = due;
            break;
        }
        *cursor = (struct cursor){.due = due, .seq = sqlite3_column_int64(query, 1)};
        rc = take(r, lane, query, err);
    }
    return rc;
}

static int read_lane(struct receiving *r, int lane, struct cursor *cursor, struct hd_error *err) {
    struct claims *claims = r->view->database->claims;
    size_t first = r->count;
    uint64_t drops = hd_claims_drops(claims);
    int rc = read_rows(r, lane, cursor, err);
    if (!rc && r->count > first && hd_claims_drops(claims) != drops)
        leave_out_gone(r, first);
    return rc;
}

static int read_lanes(struct receiving *r, struct hd_error *err) {
    struct cursor *cursors = r->view->cursors[r->queue];
    struct claims *claims = r->view->database->claims;
    int64_t run_out = 0;
    hd_claims_look(claims, r->queue, r->now_ms, NULL, &run_out, NULL);
    bool restart = run_out > 0 || r->view->receives[r->queue]++ % RESTART_EVERY == 0;
    for (size_t i = 0; i < LANE_COUNT; i++) {
        int lane = lane_order[i];
        bool from_start = restart || lane_is_delayed(lane);
        if (from_start)
            cursors[lane] = (struct cursor){0};
        size_t before = r->count;
        int rc = read_lane(r, lane, &cursors[lane], err);
        if (!rc && !from_start && r->count == before && r->count < r->max) {
            cursors[lane] = (struct cursor){0};
            rc = read_lane(r, lane, &cursors[lane], err);
        }
        if (rc)
            return rc;
    }
    /* every message was seen: a claim that has run out and was not taken again is of none */
    if (run_out > 0 && r->count < r->max)
        hd_claims_forget_run_out(claims, r->queue, r->now_ms);
    return 0;
}

static int receive(struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t now_ms, int64_t visibility_ms,
                   struct hd_arena *arena, struct hd_message **ret_messages, size_t *ret_count, int64_t *ret_next_due_ms,
                   struct hd_error *err) {
    assert(max <= HD_RECEIVE_MAX);
    struct sqlite_queue *view = (struct sqlite_queue *)queue;
    struct receiving r = {
        .view = view, .queue = name, .max = max, .now_ms = now_ms, .visible_at_ms = now_ms + visibility_ms, .arena = arena};
    r.next_due_ms = INT64_MAX;
    r.messages = hd_arena_calloc(arena, max ? max : 1, sizeof *r.messages);
    if (!r.messages)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for messages");
    int rc = read_lanes(&r, err);
    for (size_t i = 0; rc && i < r.count; i++) {
        struct receipt receipt;
        if (hd_receipt_read(r.messages[i].receipt, &receipt))
            hd_claims_untake(view->database->claims, receipt.seq, receipt.token, now_ms);
    }
    if (rc)
        return rc;
    int64_t claims_due = INT64_MAX;
    hd_claims_look(view->database->claims, name, now_ms, NULL, NULL, &claims_due);
    if (claims_due < r.next_due_ms)
        r.next_due_ms = claims_due;
    *ret_messages = r.messages;
    *ret_count = r.count;
    *ret_next_due_ms = r.count == max && max > 0 ? now_ms : r.next_due_ms;
    return 0;
}

static int extend(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t visibility_ms, struct hd_error *err) {
    struct sqlite_queue *view = (struct sqlite_queue *)queue;
    struct receipt receipt;
    if (!hd_receipt_read(message->receipt, &receipt) ||
        !hd_claims_extend(view->database->claims, receipt.seq, receipt.token, now_ms + visibility_ms))
        return hd_error_set(err, HD_ERR_CONFLICT, "the message is no longer ours");
    return 0;
}

static int count(struct sqlite_queue *view, enum statement which, enum hd_queue_name name, int64_t now_ms, int64_t *ret,
                 struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool row = false;
    int rc = hd_db_statement(&view->connection, which, &query, err);
    if (!rc)
        rc = hd_db_bind(&view->connection, query, err, which == STATEMENT_MESSAGES_DELAYED ? "ii" : "i", (int64_t)name, now_ms);
    if (!rc)
        rc = hd_db_step(&view->connection, query, &row, err);
    if (!rc)
        *ret = row ? sqlite3_column_int64(query, 0) : 0;
    return rc;
}

static int depth(struct hd_queue *queue, enum hd_queue_name name, int64_t now_ms, struct hd_queue_depth *ret_depth, struct hd_error *err) {
    struct sqlite_queue *view = (struct sqlite_queue *)queue;
    struct hd_queue_depth depth = {0};
    int64_t all = 0;
    int rc = count(view, STATEMENT_MESSAGES_COUNT, name, now_ms, &all, err);
    if (!rc)
        rc = count(view, STATEMENT_MESSAGES_DELAYED, name, now_ms, &depth.delayed, err);
    if (!rc)
        rc = count(view, STATEMENT_MESSAGES_OLDEST, name, now_ms, &depth.oldest_ms, err);
    if (rc)
        return rc;
    hd_claims_look(view->database->claims, name, now_ms, &depth.in_flight, NULL, NULL);
    depth.visible = all - depth.delayed - depth.in_flight;
    if (depth.visible < 0)
        depth.visible = 0; /* a claim that was acknowledged a moment ago */
    *ret_depth = depth;
    return 0;
}

static void close_view(struct hd_queue *queue) {
    struct sqlite_queue *view = (struct sqlite_queue *)queue;
    hd_db_close(&view->connection);
    free(view);
}

/* Receives count towards nothing here: to give back is to show again. */
static const struct hd_queue_ops ops = {.receive = receive, .extend = extend, .give_back = extend, .depth = depth, .close = close_view};

int hd_sqlite_queue(struct hd_sqlite *database, struct hd_queue **ret_queue, struct hd_error *err) {
    struct sqlite_queue *view = calloc(1, sizeof *view);
    if (!view)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a queue");
    view->base.ops = &ops;
    view->database = database;
    int r = hd_db_open(database, false, &view->connection, err);
    if (r) {
        free(view);
        return r;
    }
    *ret_queue = &view->base;
    return 0;
}
