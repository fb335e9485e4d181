/* The schema, by version: forward only, each step in a transaction. A step that has been released is never changed. */
#include <inttypes.h>
#include <stdio.h>

#include "adapters/sqlite/database.h"

enum { APPLICATION_ID = 0x48444b31 /* "HDK1": tells our files from other people's databases */ };

/* Ids are UUIDs as 16 bytes, or any other id as text. Tables whose rows come one after another have an integer key of their own (seq), which grows; what is looked up by id has a unique
 * index beside it, which grows too, because ids order by time. */
static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE tickets (seq INTEGER PRIMARY KEY, ticket_id NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL, description TEXT,"
    " status INTEGER NOT NULL, priority INTEGER NOT NULL, owner_id, assigned_agent_id, team TEXT, channels INTEGER NOT NULL, tags TEXT,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX tickets_id ON tickets (ticket_id);"
    "CREATE INDEX tickets_status ON tickets (status, seq);"

    "CREATE TABLE users (seq INTEGER PRIMARY KEY, user_id NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, email TEXT, phone TEXT,"
    " role INTEGER NOT NULL, locale TEXT, time_zone TEXT, team TEXT, skills TEXT, channels_off INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX users_id ON users (user_id);"
    "CREATE UNIQUE INDEX users_email ON users (email COLLATE NOCASE) WHERE email IS NOT NULL;"
    "CREATE INDEX users_role ON users (role, seq);"
    "CREATE INDEX users_team ON users (team, seq) WHERE team IS NOT NULL;"

    "CREATE TABLE events (seq INTEGER PRIMARY KEY, event_id NOT NULL, type INTEGER NOT NULL, schema_version INTEGER NOT NULL,"
    " occurred_at INTEGER NOT NULL, accepted_at INTEGER NOT NULL, ticket_id, actor_id, correlation_id TEXT, traceparent TEXT,"
    " payload TEXT NOT NULL);"
    "CREATE UNIQUE INDEX events_id ON events (event_id);"

    "CREATE TABLE processed (event_id NOT NULL, processor TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (event_id, processor))"
    " WITHOUT ROWID;"

    "CREATE TABLE notifications (seq INTEGER PRIMARY KEY, notification_id NOT NULL, event_id NOT NULL, event TEXT NOT NULL, ticket_id,"
    " target NOT NULL, channel INTEGER NOT NULL, status INTEGER NOT NULL, reason TEXT, critical INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " attempts_forgiven INTEGER NOT NULL, owner_token TEXT, correlation_id TEXT, traceparent TEXT, accepted_at INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, next_attempt_at INTEGER NOT NULL, sent_at INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX notifications_id ON notifications (notification_id);"
    /* what is not sent (3): few, whatever the table's size */
    "CREATE INDEX notifications_unsent ON notifications (status, seq) WHERE status <> 3;"

    /* id: the notification's seq · 65,536 + the attempt's number */
    "CREATE TABLE attempts (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, outcome INTEGER NOT NULL, provider TEXT, detail TEXT,"
    " duration_ms INTEGER NOT NULL, message BLOB);" /* message: compress.h */

    "CREATE TABLE inbox (seq INTEGER PRIMARY KEY, notification_id NOT NULL, user_id NOT NULL, event TEXT NOT NULL, ticket_id,"
    " title TEXT NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL, read_at INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX inbox_id ON inbox (notification_id);"

    "CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, dead_letter_id NOT NULL, queue TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT,"
    " attempts INTEGER NOT NULL, notification_id, event_id, ticket_id, target, channel TEXT, body TEXT, created_at INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX dead_letters_id ON dead_letters (dead_letter_id);"
    "CREATE INDEX dead_letters_queue ON dead_letters (queue, seq);"
    "CREATE INDEX dead_letters_reason ON dead_letters (reason, seq);"

    "CREATE TABLE audit (audit_id NOT NULL PRIMARY KEY, action TEXT NOT NULL, subject, actor, detail TEXT, correlation_id TEXT,"
    " at INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE answers (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, body_hash TEXT NOT NULL, http_status INTEGER NOT NULL, location TEXT,"
    " etag TEXT, body TEXT NOT NULL, created_at INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX answers_key ON answers (key);"

    /* lane: 0 urgent, 1 normal (due is 0); 2 and 3: the same, delayed until due */
    "CREATE TABLE messages (queue INTEGER NOT NULL, lane INTEGER NOT NULL, due INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL,"
    " receive_count INTEGER NOT NULL, enqueued_at INTEGER NOT NULL, PRIMARY KEY (queue, lane, due, seq)) WITHOUT ROWID;"

    /* the write-behind index: rows of a source up to its mark, by what never changes in them */
    "CREATE TABLE behind (dimension INTEGER NOT NULL, key NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (dimension, key, seq)) WITHOUT ROWID;"
    "CREATE TABLE behind_marks (source INTEGER PRIMARY KEY, seq INTEGER NOT NULL);",
};

enum { NEWEST = (int)(sizeof steps / sizeof steps[0]) };

static int pragma_int(sqlite3 *db, const char *sql, int *ret, struct hd_error *err) {
    sqlite3_stmt *query = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &query, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(query);
    int r = 0;
    if (rc == SQLITE_ROW) {
        *ret = sqlite3_column_int(query, 0);
    } else {
        r = hd_db_schema_error(db, rc, err);
    }
    sqlite3_finalize(query);
    return r;
}

static int check_owner(sqlite3 *db, int version, struct hd_error *err) {
    int application = 0, tables = 0;
    int r = pragma_int(db, "PRAGMA application_id", &application, err);
    if (!r)
        r = pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r)
        return r;
    if (application != APPLICATION_ID && (tables > 0 || version != 0))
        return hd_error_set(err, HD_ERR_CORRUPT, "this is a database of another program");
    if (version > NEWEST)
        return hd_error_set(err, HD_ERR_NEWER_STORE,
                            "this database has schema version %d, and this program knows %d: use the newer program", version, NEWEST);
    return 0;
}

/* Another process may migrate at the same moment: look again inside the write transaction. */
static int take_steps(sqlite3 *db, struct hd_error *err) {
    int version = 0;
    int r = pragma_int(db, "PRAGMA user_version", &version, err);
    if (!r)
        r = check_owner(db, version, err);
    for (int i = version; !r && i < NEWEST; i++)
        r = hd_db_exec(db, steps[i], err);
    if (r)
        return r;
    char finish[96];
    (void)snprintf(finish, sizeof finish, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, NEWEST);
    return hd_db_exec(db, finish, err);
}

int hd_db_migrate(sqlite3 *db, struct hd_error *err) {
    int version = 0;
    int r = pragma_int(db, "PRAGMA user_version", &version, err);
    if (!r)
        r = check_owner(db, version, err);
    if (!r)
        r = hd_db_exec(db, "PRAGMA journal_mode = WAL", err); /* kept in the file: only now that it is known to be ours */
    if (r || version == NEWEST)
        return r;
    r = hd_db_exec(db, "BEGIN IMMEDIATE", err);
    if (r)
        return r;
    r = take_steps(db, err);
    if (!r)
        r = hd_db_exec(db, "COMMIT", err);
    if (r)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}
