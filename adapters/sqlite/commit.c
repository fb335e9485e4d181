/* Commits: one transaction holds all changesets of a call.
 *
 * A condition that says "absent" is nearly always true, and the write itself finds out (a unique key, a row that is gone). So the first try looks only at the conditions
 * that writes cannot see. When a write finds one broken, the transaction is undone and done again carefully: each changeset's conditions are all looked at before its first write, so that
 * none has to be undone; only the writer changes the database meanwhile, so that they still hold when it writes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/sqlite/behind.h"
#include "adapters/sqlite/lanes.h"
#include "adapters/sqlite/store.h"
#include "base/compress.h"
#include "base/json.h"

/* One changeset being committed. A condition that does not hold is `conflict`; everything else that goes wrong is an error. */
struct committing {
    struct sqlite_store *view;
    const struct hd_changeset *set;
    bool careful;
    bool conflict;
    struct hd_error *err;
};

typedef int change_fn(struct committing *c, const struct hd_change *change, int64_t *row);

/* ---- conditions ---- */

/* The first row of a query by one id: *ret_query stands on it, or is NULL when there is none. The caller gives it back. */
static int find(struct committing *c, enum statement which, const char *id, sqlite3_stmt **ret_query) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    int r = hd_db_statement(&c->view->connection, which, &query, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, query, c->err, "d", id);
    if (!r)
        r = hd_db_step(&c->view->connection, query, &row, c->err);
    if (r || !row)
        hd_db_done(&query);
    *ret_query = !r && row ? query : NULL;
    return r;
}

/* The write would find it. */
static int expect_absent(struct committing *c, enum statement which, const char *id) {
    if (!c->careful)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = find(c, which, id, &query);
    if (query)
        c->conflict = true;
    return r;
}

static int check_version(struct committing *c, enum statement which, const char *id, int64_t if_version, int64_t *row) {
    if (!c->careful && if_version == 0)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = find(c, which, id, &query);
    if (r)
        return r;
    int64_t version = query ? sqlite3_column_int64(query, 1) : 0;
    *row = query ? sqlite3_column_int64(query, 0) : 0;
    c->conflict = version != if_version;
    return 0;
}

static int check_ticket(struct committing *c, const struct hd_change *change, int64_t *row) {
    return check_version(c, STATEMENT_TICKET_VERSION, change->put_ticket.ticket->ticket_id, change->put_ticket.if_version, row);
}

static int check_user(struct committing *c, const struct hd_change *change, int64_t *row) {
    const struct hd_user *user = change->put_user.user;
    int r = check_version(c, STATEMENT_USER_VERSION, user->user_id, change->put_user.if_version, row);
    if (r || c->conflict || !user->email || !c->careful)
        return r;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool taken = false;
    r = hd_db_statement(&c->view->connection, STATEMENT_USER_OF_EMAIL, &query, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, query, c->err, "t", user->email);
    if (!r)
        r = hd_db_step(&c->view->connection, query, &taken, c->err);
    c->conflict = !r && taken && sqlite3_column_int64(query, 0) != *row;
    return r;
}

static int check_event(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return expect_absent(c, STATEMENT_EVENT_THERE, change->event->event_id);
}

static int check_processed(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    if (!c->careful)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_PROCESSED_THERE, &query, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, query, c->err, "dt", change->processed.event_id, change->processed.processor);
    if (!r)
        r = hd_db_step(&c->view->connection, query, &c->conflict, c->err);
    return r;
}

static int check_notification(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return expect_absent(c, STATEMENT_NOTIFICATION_STATE, change->notification->notification_id);
}

/* Where a notification of ours was put a moment ago. It may have been undone since: whoever uses the row looks at its id. */
static struct put_lately *put_lately(struct committing *c, const uint8_t id[HD_ID_BYTES]) {
    uint16_t place = 0; /* of the random end of the id */
    memcpy(&place, id + HD_ID_BYTES - sizeof place, sizeof place);
    return &c->view->put_lately[place % HD_ARRAY_LEN(c->view->put_lately)];
}

/* The write looks at all of it again; what has been put lately needs no look before. */
static int check_move(struct committing *c, const struct hd_change *change, int64_t *row) {
    uint8_t id[HD_ID_BYTES];
    if (!c->careful && hd_id_to_bytes(change->move.to->notification_id, id)) {
        const struct put_lately *put = put_lately(c, id);
        if (put->row != 0 && memcmp(put->id, id, sizeof id) == 0) {
            *row = put->row;
            return 0;
        }
    }
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = find(c, STATEMENT_NOTIFICATION_STATE, change->move.to->notification_id, &query);
    if (r)
        return r;
    c->conflict = true;
    if (!query || sqlite3_column_int(query, 1) != (int)change->move.if_status || sqlite3_column_int(query, 2) != change->move.if_attempts)
        return 0;
    const char *owner = (const char *)sqlite3_column_text(query, 3);
    const char *expected = change->move.if_owner;
    if (owner && expected ? strcmp(owner, expected) != 0 : owner != expected)
        return 0;
    *row = sqlite3_column_int64(query, 0);
    c->conflict = false;
    return 0;
}

/* The row of the notification that this changeset puts or moves; 0 when it does neither, or has not put it yet. */
static int64_t row_of_notification(const struct committing *c, const char *notification_id) {
    for (size_t i = 0; i < c->set->count; i++) {
        const struct hd_change *change = &c->set->changes[i];
        const struct hd_notification *mine = change->kind == HD_CHANGE_PUT_NOTIFICATION    ? change->notification
                                             : change->kind == HD_CHANGE_MOVE_NOTIFICATION ? change->move.to
                                                                                           : NULL;
        if (mine && strcmp(mine->notification_id, notification_id) == 0)
            return c->view->rows[i];
    }
    return 0;
}

enum { ATTEMPTS_PER_NOTIFICATION = 65536 };

static int64_t attempt_id(int64_t notification_row, int number) {
    return (int64_t)((uint64_t)notification_row * ATTEMPTS_PER_NOTIFICATION + (uint64_t)number);
}

/* An attempt of a notification that is moved: the number must be free. Of one that is put by the same changeset, there is none yet. */
static int check_attempt(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    int64_t of = row_of_notification(c, change->attempt->notification_id);
    if (!c->careful || of == 0)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_ATTEMPT_THERE, &query, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, query, c->err, "i", attempt_id(of, change->attempt->number));
    if (!r)
        r = hd_db_step(&c->view->connection, query, &c->conflict, c->err);
    return r;
}

static int check_inbox_item(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return expect_absent(c, STATEMENT_INBOX_STATE, change->inbox_item->notification_id);
}

/* *row stays 0 when the item has been read before: then there is nothing to write. */
static int check_read(struct committing *c, const struct hd_change *change, int64_t *row) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = find(c, STATEMENT_INBOX_STATE, change->read.notification_id, &query);
    if (r)
        return r;
    struct hd_arena *arena = c->set->arena;
    struct row found = {.statement = query, .arena = arena};
    const char *owner = query ? hd_row_id(&found, 1) : NULL;
    r = hd_row_check(&found, c->err);
    if (r)
        return r;
    c->conflict = !owner || strcmp(owner, change->read.user_id) != 0;
    if (!c->conflict && sqlite3_column_int64(query, 2) == 0)
        *row = sqlite3_column_int64(query, 0);
    return 0;
}

static int check_dead_letter(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return expect_absent(c, STATEMENT_DEAD_LETTER_THERE, change->dead_letter->dead_letter_id);
}

static int check_dead_letter_there(struct committing *c, const struct hd_change *change, int64_t *row) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = find(c, STATEMENT_DEAD_LETTER_THERE, change->dead_letter_id, &query);
    c->conflict = !r && !query;
    if (query)
        *row = sqlite3_column_int64(query, 0);
    return r;
}

static int check_audit(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return expect_absent(c, STATEMENT_AUDIT_THERE, change->audit->audit_id);
}

static int check_answer(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    if (!c->careful)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_ANSWER_THERE, &query, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, query, c->err, "t", change->answer->key);
    if (!r)
        r = hd_db_step(&c->view->connection, query, &c->conflict, c->err);
    return r;
}

static int check_message(struct committing *c, const struct hd_message *message) {
    struct receipt receipt;
    c->conflict = true;
    if (!hd_receipt_read(message->receipt, &receipt) || !hd_claims_holds(c->view->database->claims, receipt.seq, receipt.token))
        return 0;
    c->conflict = false;
    if (!c->careful)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool there = false;
    int r = hd_db_statement(&c->view->connection, STATEMENT_MESSAGE_THERE, &query, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, query, c->err, "iiii", (int64_t)message->queue, (int64_t)receipt.lane, receipt.due,
                       receipt.seq);
    if (!r)
        r = hd_db_step(&c->view->connection, query, &there, c->err);
    c->conflict = !there;
    return r;
}

static int check_acknowledge(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return check_message(c, change->message);
}

static int check_postpone(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    return check_message(c, change->postpone.message);
}

/* ---- changes ---- */

static int write_row(struct committing *c, sqlite3_stmt *statement) {
    return hd_db_run(&c->view->connection, statement, c->err);
}

static int apply_ticket(struct committing *c, const struct hd_change *change, int64_t *row) {
    const struct hd_ticket *t = change->put_ticket.ticket;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, *row ? STATEMENT_TICKET_UPDATE : STATEMENT_TICKET_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, *row ? "dittiiddtitiii" : "dittiiddtitii", t->ticket_id, t->version, t->title,
                       t->description, (int64_t)t->status, (int64_t)t->priority, t->owner_id, t->assigned_agent_id, t->team,
                       (int64_t)t->channels, t->tags, t->created_at_ms, t->updated_at_ms, *row);
    return r ? r : write_row(c, put);
}

static int apply_user(struct committing *c, const struct hd_change *change, int64_t *row) {
    const struct hd_user *u = change->put_user.user;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, *row ? STATEMENT_USER_UPDATE : STATEMENT_USER_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err,
                       *row ? "dittti"
                              "ttttiiii"
                            : "dittti"
                              "ttttiii",
                       u->user_id, u->version, u->name, u->email, u->phone, (int64_t)u->role, u->locale, u->time_zone, u->team, u->skills,
                       (int64_t)u->channels_off, u->created_at_ms, u->updated_at_ms, *row);
    return r ? r : write_row(c, put);
}

static int apply_event(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_event *e = change->event;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_EVENT_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "diiiiddttt", e->event_id, (int64_t)e->type, (int64_t)e->schema_version,
                       e->occurred_at_ms, e->accepted_at_ms, e->ticket_id, e->actor_id, e->correlation_id, e->traceparent, e->payload);
    return r ? r : write_row(c, put);
}

static int apply_processed(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_PROCESSED_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "dti", change->processed.event_id, change->processed.processor,
                       change->processed.at_ms);
    return r ? r : write_row(c, put);
}

static int apply_notification(struct committing *c, const struct hd_change *change, int64_t *row) {
    const struct hd_notification *n = change->notification;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_NOTIFICATION_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "ddtddiitiiitttiiiii", n->notification_id, n->event_id, n->event, n->ticket_id,
                       n->target, (int64_t)n->channel, (int64_t)n->status, n->reason, (int64_t)n->critical, (int64_t)n->attempts,
                       (int64_t)n->attempts_forgiven, n->owner_token, n->correlation_id, n->traceparent, n->accepted_at_ms,
                       n->created_at_ms, n->updated_at_ms, n->next_attempt_at_ms, n->sent_at_ms);
    if (!r)
        r = write_row(c, put);
    if (r)
        return r;
    *row = sqlite3_last_insert_rowid(c->view->connection.db);
    uint8_t id[HD_ID_BYTES];
    if (hd_id_to_bytes(n->notification_id, id)) {
        struct put_lately *lately = put_lately(c, id);
        memcpy(lately->id, id, sizeof id);
        lately->row = *row;
    }
    return 0;
}

static int apply_move(struct committing *c, const struct hd_change *change, int64_t *row) {
    const struct hd_notification *n = change->move.to;
    sqlite3_stmt *move = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_NOTIFICATION_MOVE, &move, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, move, c->err, "iitiitiiidiit", *row, (int64_t)n->status, n->reason, (int64_t)n->attempts,
                       (int64_t)n->attempts_forgiven, n->owner_token, n->updated_at_ms, n->next_attempt_at_ms, n->sent_at_ms,
                       n->notification_id, (int64_t)change->move.if_status, (int64_t)change->move.if_attempts, change->move.if_owner);
    if (!r)
        r = write_row(c, move);
    if (!r && sqlite3_changes(c->view->connection.db) == 0)
        return hd_error_set(c->err, HD_ERR_CONFLICT, "the notification is not as it was");
    return r;
}

static int apply_attempt(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_attempt *a = change->attempt;
    int64_t of = row_of_notification(c, a->notification_id);
    if (of == 0)
        return hd_error_set(c->err, HD_ERR_INTERNAL, "an attempt came without its notification");
    sqlite3_stmt *put = NULL;
    const void *message = NULL;
    size_t message_bytes = 0;
    int r = a->message ? hd_compress(c->view->compressor, a->message, c->set->arena, &message, &message_bytes, c->err) : 0;
    if (!r)
        r = hd_db_statement(&c->view->connection, STATEMENT_ATTEMPT_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "iiittib", attempt_id(of, a->number), a->at_ms, (int64_t)a->outcome, a->provider,
                       a->detail, a->duration_ms, message, message_bytes);
    return r ? r : write_row(c, put);
}

static int apply_inbox_item(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_inbox_item *i = change->inbox_item;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_INBOX_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "ddtdttii", i->notification_id, i->user_id, i->event, i->ticket_id, i->title,
                       i->body, i->created_at_ms, i->read_at_ms);
    return r ? r : write_row(c, put);
}

static int apply_read(struct committing *c, const struct hd_change *change, int64_t *row) {
    if (*row == 0)
        return 0;
    struct connection *connection = &c->view->connection;
    sqlite3_stmt *read = NULL;
    int r = hd_db_statement(connection, STATEMENT_INBOX_READ, &read, c->err);
    if (!r)
        r = hd_db_bind(connection, read, c->err, "ii", *row, change->read.at_ms);
    if (!r)
        r = write_row(c, read);
    return r ? r : hd_behind_read(c->view->behind, connection, change->read.user_id, *row, c->err);
}

static int apply_dead_letter(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_dead_letter *d = change->dead_letter;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_DEAD_LETTER_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "dtttiddddtti", d->dead_letter_id, d->queue, d->reason, d->detail,
                       (int64_t)d->attempts, d->notification_id, d->event_id, d->ticket_id, d->target, d->channel, d->body,
                       d->created_at_ms);
    return r ? r : write_row(c, put);
}

static int apply_dead_letter_removal(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)change;
    sqlite3_stmt *removal = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_DEAD_LETTER_DELETE, &removal, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, removal, c->err, "i", *row);
    return r ? r : write_row(c, removal);
}

static int apply_audit(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_audit *a = change->audit;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_AUDIT_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "dtddtti", a->audit_id, a->action, a->subject, a->actor, a->detail,
                       a->correlation_id, a->at_ms);
    return r ? r : write_row(c, put);
}

/* Answers are kept for HD_SQLITE_ANSWERS_MS. Each new one takes up to two old ones with it, so that they never gather, and no commit waits for a sweep. */
static int forget_old_answers(struct committing *c, int64_t now_ms) {
    sqlite3_stmt *forget = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_ANSWER_FORGET_OLD, &forget, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, forget, c->err, "i", now_ms - HD_SQLITE_ANSWERS_MS);
    return r ? r : write_row(c, forget);
}

static int apply_answer(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_answer *a = change->answer;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_ANSWER_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "ttittti", a->key, a->body_hash, (int64_t)a->http_status, a->location, a->etag,
                       a->body, a->created_at_ms);
    if (!r)
        r = write_row(c, put);
    return r ? r : forget_old_answers(c, a->created_at_ms);
}

/* Message seqs are microseconds, so that they grow over restarts and processes; and each is larger than the last. */
static int64_t next_message_seq(struct sqlite_store *view, int64_t now_ms) {
    int64_t now_us = now_ms * 1000;
    view->last_message_seq = now_us > view->last_message_seq ? now_us : view->last_message_seq + 1;
    return view->last_message_seq;
}

static int apply_enqueue(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    int64_t now_ms = change->enqueue.now_ms, delay_ms = change->enqueue.delay_ms;
    int64_t lane = delay_ms > 0 ? lane_with_delay(change->enqueue.lane) : (int)change->enqueue.lane;
    sqlite3_stmt *put = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_MESSAGE_INSERT, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "iiiitii", (int64_t)change->enqueue.queue, lane,
                       delay_ms > 0 ? now_ms + delay_ms : (int64_t)0, next_message_seq(c->view, now_ms), change->enqueue.body, (int64_t)0,
                       now_ms);
    return r ? r : write_row(c, put);
}

/* The claim is dropped when the transaction is durable: until then nobody else may take the message. */
static int conclude_claim(struct committing *c, const struct hd_message *message, struct receipt *ret_receipt) {
    struct sqlite_store *view = c->view;
    bool readable = hd_receipt_read(message->receipt, ret_receipt);
    assert(readable);
    (void)readable;
    if (view->concluded_count == view->concluded_capacity) {
        size_t wider = view->concluded_capacity ? view->concluded_capacity * 2 : 256;
        struct receipt *grown = realloc(view->concluded, wider * sizeof *grown);
        if (!grown)
            return hd_error_set(c->err, HD_ERR_NO_MEMORY, "no memory for a commit");
        view->concluded = grown;
        view->concluded_capacity = wider;
    }
    view->concluded[view->concluded_count++] = *ret_receipt;
    return 0;
}

static int delete_message(struct committing *c, const struct hd_message *message, const struct receipt *receipt) {
    sqlite3_stmt *removal = NULL;
    int r = hd_db_statement(&c->view->connection, STATEMENT_MESSAGE_DELETE, &removal, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, removal, c->err, "iiii", (int64_t)message->queue, (int64_t)receipt->lane, receipt->due,
                       receipt->seq);
    if (!r)
        r = write_row(c, removal);
    if (!r && sqlite3_changes(c->view->connection.db) == 0)
        return hd_error_set(c->err, HD_ERR_CONFLICT, "the message is gone");
    return r;
}

static int apply_acknowledge(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    struct receipt receipt;
    int r = conclude_claim(c, change->message, &receipt);
    return r ? r : delete_message(c, change->message, &receipt);
}

static int apply_postpone(struct committing *c, const struct hd_change *change, int64_t *row) {
    (void)row;
    const struct hd_message *message = change->postpone.message;
    int64_t now_ms = change->postpone.now_ms;
    struct receipt receipt;
    sqlite3_stmt *put = NULL;
    int r = conclude_claim(c, message, &receipt);
    if (!r)
        r = hd_db_statement(&c->view->connection, STATEMENT_MESSAGE_POSTPONE, &put, c->err);
    if (!r)
        r = hd_db_bind(&c->view->connection, put, c->err, "iiiiiiii", (int64_t)message->queue, (int64_t)receipt.lane, receipt.due,
                       receipt.seq, (int64_t)lane_with_delay(message->lane), now_ms + change->postpone.delay_ms,
                       next_message_seq(c->view, now_ms), (int64_t)message->receive_count);
    if (!r)
        r = write_row(c, put);
    return r ? r : delete_message(c, message, &receipt);
}

static const struct {
    change_fn *check; /* NULL: no condition */
    change_fn *apply;
} kinds[HD_CHANGE_KIND_COUNT] = {
    [HD_CHANGE_PUT_TICKET] = {check_ticket, apply_ticket},
    [HD_CHANGE_PUT_USER] = {check_user, apply_user},
    [HD_CHANGE_APPEND_EVENT] = {check_event, apply_event},
    [HD_CHANGE_MARK_PROCESSED] = {check_processed, apply_processed},
    [HD_CHANGE_PUT_NOTIFICATION] = {check_notification, apply_notification},
    [HD_CHANGE_MOVE_NOTIFICATION] = {check_move, apply_move},
    [HD_CHANGE_APPEND_ATTEMPT] = {check_attempt, apply_attempt},
    [HD_CHANGE_PUT_INBOX_ITEM] = {check_inbox_item, apply_inbox_item},
    [HD_CHANGE_READ_INBOX_ITEM] = {check_read, apply_read},
    [HD_CHANGE_PUT_DEAD_LETTER] = {check_dead_letter, apply_dead_letter},
    [HD_CHANGE_REMOVE_DEAD_LETTER] = {check_dead_letter_there, apply_dead_letter_removal},
    [HD_CHANGE_APPEND_AUDIT] = {check_audit, apply_audit},
    [HD_CHANGE_REMEMBER_ANSWER] = {check_answer, apply_answer},
    [HD_CHANGE_ENQUEUE] = {NULL, apply_enqueue},
    [HD_CHANGE_ACKNOWLEDGE] = {check_acknowledge, apply_acknowledge},
    [HD_CHANGE_POSTPONE] = {check_postpone, apply_postpone},
};

/* ---- the transaction ---- */

/* *ret_broken: the first change whose condition does not hold; the count of changes when all do. */
static int check_conditions(struct committing *c, size_t *ret_broken) {
    const struct hd_changeset *set = c->set;
    int64_t *rows = c->view->rows;
    size_t i = 0;
    c->conflict = false;
    for (; i < set->count; i++) {
        rows[i] = 0;
        change_fn *check = kinds[set->changes[i].kind].check;
        int r = check ? check(c, &set->changes[i], &rows[i]) : 0;
        if (r)
            return r;
        if (c->conflict)
            break;
    }
    *ret_broken = i;
    return 0;
}

static int commit_set(struct committing *c, struct hd_commit_result *result) {
    const struct hd_changeset *set = c->set;
    size_t broken = 0;
    int r = check_conditions(c, &broken);
    if (!r && broken < set->count && !c->careful) {
        c->careful = true; /* one that was passed over may be broken, too, and stand before it */
        r = check_conditions(c, &broken);
    }
    if (r)
        return r;
    *result = (struct hd_commit_result){.code = broken < set->count ? HD_ERR_CONFLICT : HD_OK, .change = broken < set->count ? broken : 0};
    if (result->code)
        return 0;
    for (size_t i = 0; i < set->count; i++) {
        r = kinds[set->changes[i].kind].apply(c, &set->changes[i], &c->view->rows[i]);
        if (r == HD_ERR_CONFLICT)
            result->change = i;
        if (r)
            return r;
    }
    return 0;
}

/* What other processes have committed: their messages may be newer than ours. */
static int look_at_others(struct sqlite_store *view, struct hd_error *err) {
    sqlite3_stmt *version = NULL, *last = NULL;
    bool row = false;
    int r = hd_db_statement(&view->connection, STATEMENT_DATA_VERSION, &version, err);
    if (!r)
        r = hd_db_step(&view->connection, version, &row, err);
    int64_t now = row ? sqlite3_column_int64(version, 0) : 0;
    hd_db_done(&version);
    if (r || now == view->data_version)
        return r;
    r = hd_db_statement(&view->connection, STATEMENT_MESSAGES_LAST_SEQ, &last, err);
    if (!r)
        r = hd_db_step(&view->connection, last, &row, err);
    int64_t seq = 0;
    if (!r && row)
        r = hd_db_seq(last, 0, &seq, err);
    hd_db_done(&last);
    if (r)
        return r;
    if (seq > view->last_message_seq)
        view->last_message_seq = seq;
    view->data_version = now;
    return 0;
}

static int simple(struct sqlite_store *view, enum statement which, struct hd_error *err) {
    sqlite3_stmt *it = NULL;
    int r = hd_db_statement(&view->connection, which, &it, err);
    return r ? r : hd_db_run(&view->connection, it, err);
}

/* One transaction for all sets that are not left out. HD_ERR_CONFLICT: the write of *ret_culprit found a condition broken that had not been looked at; nothing has happened. */
static int transaction(struct sqlite_store *view, const struct hd_changeset *const *sets, size_t count, bool careful,
                       struct hd_commit_result *results, size_t *ret_culprit, struct hd_error *err) {
    view->concluded_count = 0;
    int r = simple(view, STATEMENT_BEGIN_WRITE, err);
    if (r)
        return r;
    r = look_at_others(view, err);
    for (size_t i = 0; !r && i < count; i++) {
        if (view->left_out[i])
            continue;
        struct committing c = {.view = view, .set = sets[i], .careful = careful, .err = err};
        r = commit_set(&c, &results[i]);
        if (r == HD_ERR_CONFLICT)
            *ret_culprit = i;
    }
    if (!r)
        r = hd_behind_advance(view->behind, &view->connection, count, err);
    if (!r)
        r = simple(view, STATEMENT_COMMIT, err);
    if (r)
        hd_db_rollback(&view->connection);
    if (r)
        hd_behind_restart(view->behind);
    return r;
}

/* All conditions looked at, a write can only fail in a changeset that changes one thing twice: a mistake of ours, which is left out, and harms nobody else. */
static int transaction_again(struct sqlite_store *view, const struct hd_changeset *const *sets, size_t count,
                             struct hd_commit_result *results, struct hd_error *err) {
    size_t culprit = count;
    int r = transaction(view, sets, count, true, results, &culprit, err);
    while (r == HD_ERR_CONFLICT && culprit < count) {
        view->left_out[culprit] = true;
        results[culprit].code = HD_ERR_CONFLICT;
        culprit = count;
        r = transaction(view, sets, count, true, results, &culprit, err);
    }
    return r == HD_ERR_CONFLICT ? hd_error_set(err, HD_ERR_INTERNAL, "the write-behind index contradicts itself") : r;
}

/* The log starts again from its beginning only when all of it has been moved to the database; under load, background checkpoints alone never get there. */
static void help_checkpoint(struct sqlite_store *view) {
    if (hd_sqlite_wal_pages(view->database) >= HD_SQLITE_WAL_LIMIT_PAGES)
        (void)sqlite3_wal_checkpoint_v2(view->connection.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* Only a view that commits needs the index's memory, and a cache that lasts from transaction to transaction. */
static int become_writer(struct sqlite_store *view, struct hd_error *err) {
    if (!view->compressor)
        view->compressor = hd_compressor_new();
    if (view->compressor)
        view->behind = hd_behind_new();
    if (!view->behind)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the writer");
    return hd_db_exec(view->connection.db, "PRAGMA cache_size = -6000", err);
}

int hd_store_commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                    struct hd_error *err) {
    assert(count <= HD_COMMIT_MAX);
    struct sqlite_store *view = (struct sqlite_store *)store;
    int r = view->behind ? 0 : become_writer(view, err);
    if (r)
        return r;
    memset(view->left_out, 0, count);
    for (size_t i = 0; i < count; i++)
        ret_results[i] = (struct hd_commit_result){0};
    help_checkpoint(view);
    size_t culprit = 0;
    r = transaction(view, sets, count, false, ret_results, &culprit, err);
    if (r == HD_ERR_CONFLICT)
        r = transaction_again(view, sets, count, ret_results, err);
    for (size_t i = 0; !r && i < view->concluded_count; i++)
        hd_claims_drop(view->database->claims, view->concluded[i].seq, view->concluded[i].token);
    view->concluded_count = 0;
    return r;
}
