/* Inside the adapter: connections, prepared statements, values in and out. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/sqlite/sqlite.h"
#include "adapters/sqlite/statements.h"
#include "base/id.h"

struct claims;

enum { PARAMETERS_MAX = 24 };

/* One thread's connection, with every statement prepared once. */
struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    bool reading;                             /* inside begin_reads … end_reads */
    uint8_t ids[PARAMETERS_MAX][HD_ID_BYTES]; /* ids that are bound, by their parameter: SQLite need not copy them */
};

struct hd_sqlite {
    char *path;
    char *vfs;
    int busy_ms;
    struct claims *claims; /* which messages are taken, by all queue views of this process */
    atomic_int wal_pages;
    struct connection checkpointer;
};

int hd_db_open(const struct hd_sqlite *database, bool create, struct connection *ret, struct hd_error *err) HD_MUST_CHECK;
void hd_db_close(struct connection *connection);

/* The last failure of this connection as an error: what SQLite says, and its code in ours. */
int hd_db_error(sqlite3 *db, int rc, struct hd_error *err);
/* The same, of SQL of ours that is known to be good: SQLITE_ERROR means that the tables are not what they should be. */
int hd_db_schema_error(sqlite3 *db, int rc, struct hd_error *err);
int hd_db_exec(sqlite3 *db, const char *sql, struct hd_error *err) HD_MUST_CHECK;

int hd_db_migrate(sqlite3 *db, struct hd_error *err) HD_MUST_CHECK;

/* The statement, ready to bind; prepared when it is first used. Give it back with hd_db_done (statements hold locks until then). */
int hd_db_statement(struct connection *connection, enum statement which, sqlite3_stmt **ret, struct hd_error *err) HD_MUST_CHECK;
void hd_db_done(sqlite3_stmt **statement); /* for HD_CLEANUP; takes a NULL statement */

/* Binds the values from parameter 1 on. types: 'i' int64_t, 'e' int of an enum (-1 binds NULL), 't' const char * text, 'd' const char * id,
 * 'b' const void * and size_t: bytes; NULL pointers bind NULL. An id that is a
 * UUID in canonical form is stored as its 16 bytes, any other as text, so that both come back as they were. What is bound is not copied:
 * text must live, and no other statement may be bound, until this one has been stepped to its end or reset. */
int hd_db_bind(struct connection *connection, sqlite3_stmt *statement, struct hd_error *err, const char *types, ...) HD_MUST_CHECK;

/* Ends the transaction, if one is open, and undoes what it did. Needs no memory once hd_db_prepare_transactions has been called. */
void hd_db_rollback(struct connection *connection);
int hd_db_prepare_transactions(struct connection *connection, struct hd_error *err) HD_MUST_CHECK;

/* 0 with *ret_row told; an error else. */
int hd_db_step(struct connection *connection, sqlite3_stmt *statement, bool *ret_row, struct hd_error *err) HD_MUST_CHECK;
/* For statements that give no rows. *ret_changes may be NULL. */
int hd_db_run(struct connection *connection, sqlite3_stmt *statement, struct hd_error *err) HD_MUST_CHECK;

/* A row's number, or a message's, as one can be: it leaves room to be counted on. HD_ERR_CORRUPT: it is none. */
int hd_db_seq(sqlite3_stmt *row, int column, int64_t *ret_seq, struct hd_error *err) HD_MUST_CHECK;

/* A row as values in an arena. What goes wrong on the way is kept, and told by hd_row_check: no room, or a value that no writer of ours has put there (the file is damaged). */
struct row {
    sqlite3_stmt *statement;
    struct hd_arena *arena;
    enum hd_code failure;
};
const char *hd_row_text(struct row *row, int column);
const char *hd_row_id(struct row *row, int column);
int64_t hd_row_int(const struct row *row, int column);
int hd_row_enum(struct row *row, int column, int count);           /* 0 to count - 1 */
const char *hd_row_there(struct row *row, const char *text_or_id); /* it must not be NULL */
int hd_row_check(const struct row *row, struct hd_error *err) HD_MUST_CHECK;
