#include "adapters/sqlite/database.h"

#include <assert.h>
#include <stdarg.h>

#include "base/id.h"

static const char *const sql_of[STATEMENT_COUNT] = {
#define STATEMENT_SQL(name, sql) [STATEMENT_##name] = (sql),
    STATEMENTS(STATEMENT_SQL)
#undef STATEMENT_SQL
};

/* ---- errors ---- */

static enum hd_code code_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return HD_ERR_NO_MEMORY;
    case SQLITE_FULL:
        return HD_ERR_NO_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return HD_ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        return HD_ERR_UNAVAILABLE;
    case SQLITE_CONSTRAINT: /* a key that is taken; anything else is a fault of ours */
        return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID ? HD_ERR_CONFLICT
                                                                                                                     : HD_ERR_INTERNAL;
    default:
        return HD_ERR_INTERNAL;
    }
}

int hd_db_error(sqlite3 *db, int rc, struct hd_error *err) {
    int extended = db ? sqlite3_extended_errcode(db) : rc;
    return hd_error_set(err, code_of(extended), "database: %s (%d)", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), extended);
}

int hd_db_schema_error(sqlite3 *db, int rc, struct hd_error *err) {
    if ((rc & 0xff) == SQLITE_ERROR)
        return hd_error_set(err, HD_ERR_CORRUPT, "database: %s", sqlite3_errmsg(db));
    return hd_db_error(db, rc, err);
}

int hd_db_exec(sqlite3 *db, const char *sql, struct hd_error *err) {
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : hd_db_schema_error(db, rc, err);
}

/* ---- connections ---- */

/* Once, before SQLite is used: no counting of its memory (a lock for each allocation), and room for small allocations that needs no malloc. */
static void configure_sqlite(void) {
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 512, 256);
}

int hd_db_open(const struct hd_sqlite *database, bool create, struct connection *ret, struct hd_error *err) {
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure_sqlite);
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(database->path, &db, flags, database->vfs);
    if (rc != SQLITE_OK) {
        hd_db_error(db, rc, err);
        sqlite3_close(db);
        return hd_error_context(err, "%s", database->path);
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, database->busy_ms);
    /* The file is in WAL mode (hd_db_migrate). WAL does not last without FULL; the log is emptied by our own checkpoints, off the writer's way. Caches are small: readers drop theirs at every
     * commit anyway, and the kernel holds the file. */
    static const char *const pragmas = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                                       "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1000;"
                                       "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;";
    int r = hd_db_exec(db, pragmas, err);
    if (r) {
        sqlite3_close(db);
        return hd_error_context(err, "%s", database->path);
    }
    *ret = (struct connection){.db = db};
    return 0;
}

void hd_db_close(struct connection *connection) {
    if (!connection || !connection->db)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(connection->statements[i]);
    int rc = sqlite3_close(connection->db);
    assert(rc == SQLITE_OK);
    (void)rc;
    *connection = (struct connection){0};
}

int hd_db_statement(struct connection *connection, enum statement which, sqlite3_stmt **ret, struct hd_error *err) {
    sqlite3_stmt **slot = &connection->statements[which];
    if (!*slot) {
        int rc = sqlite3_prepare_v3(connection->db, sql_of[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
        if (rc != SQLITE_OK)
            return hd_db_schema_error(connection->db, rc, err);
    }
    *ret = *slot;
    return 0;
}

int hd_db_prepare_transactions(struct connection *connection, struct hd_error *err) {
    static const enum statement needed[] = {STATEMENT_BEGIN_READ, STATEMENT_BEGIN_WRITE, STATEMENT_COMMIT, STATEMENT_ROLLBACK};
    int r = 0;
    sqlite3_stmt *prepared = NULL;
    for (size_t i = 0; !r && i < HD_ARRAY_LEN(needed); i++)
        r = hd_db_statement(connection, needed[i], &prepared, err);
    return r;
}

void hd_db_rollback(struct connection *connection) {
    sqlite3_stmt *rollback = NULL;
    if (sqlite3_get_autocommit(connection->db) || hd_db_statement(connection, STATEMENT_ROLLBACK, &rollback, NULL))
        return;
    (void)sqlite3_step(rollback);
    (void)sqlite3_reset(rollback);
}

void hd_db_done(sqlite3_stmt **statement) {
    if (*statement)
        sqlite3_reset(*statement);
}

static int bind_id(struct connection *connection, sqlite3_stmt *statement, int index, const char *id) {
    assert(index < PARAMETERS_MAX);
    uint8_t *bytes = connection->ids[index];
    if (id && hd_id_to_bytes(id, bytes))
        return sqlite3_bind_blob(statement, index, bytes, HD_ID_BYTES, SQLITE_STATIC);
    return sqlite3_bind_text(statement, index, id, -1, SQLITE_STATIC);
}

int hd_db_bind(struct connection *connection, sqlite3_stmt *statement, struct hd_error *err, const char *types, ...) {
    va_list args;
    va_start(args, types);
    int rc = SQLITE_OK;
    for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 'i') {
            rc = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
        } else if (*types == 'e') {
            int value = va_arg(args, int);
            rc = value < 0 ? sqlite3_bind_null(statement, i) : sqlite3_bind_int(statement, i, value);
        } else if (*types == 'd') {
            rc = bind_id(connection, statement, i, va_arg(args, const char *));
        } else if (*types == 'b') {
            const void *data = va_arg(args, const void *);
            rc = sqlite3_bind_blob64(statement, i, data, va_arg(args, size_t), SQLITE_STATIC);
        } else {
            assert(*types == 't');
            rc = sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        }
    }
    va_end(args);
    return rc == SQLITE_OK ? 0 : hd_db_error(connection->db, rc, err);
}

int hd_db_step(struct connection *connection, sqlite3_stmt *statement, bool *ret_row, struct hd_error *err) {
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return hd_db_error(connection->db, rc, err);
    *ret_row = rc == SQLITE_ROW;
    return 0;
}

int hd_db_run(struct connection *connection, sqlite3_stmt *statement, struct hd_error *err) {
    bool row = false;
    int r = hd_db_step(connection, statement, &row, err);
    sqlite3_reset(statement);
    return r;
}

/* ---- rows ---- */

int hd_db_seq(sqlite3_stmt *row, int column, int64_t *ret_seq, struct hd_error *err) {
    int64_t seq = sqlite3_column_int64(row, column);
    if (seq < 0 || seq > INT64_MAX / 4)
        return hd_error_set(err, HD_ERR_CORRUPT, "database: a row has no possible number");
    *ret_seq = seq;
    return 0;
}

const char *hd_row_text(struct row *row, int column) {
    if (sqlite3_column_type(row->statement, column) == SQLITE_NULL)
        return NULL;
    const char *text = (const char *)sqlite3_column_text(row->statement, column);
    int len = sqlite3_column_bytes(row->statement, column);
    char *copy = text ? hd_arena_strndup(row->arena, text, (size_t)len) : NULL;
    if (!copy)
        row->failure = HD_ERR_NO_MEMORY;
    return copy;
}

const char *hd_row_id(struct row *row, int column) {
    if (sqlite3_column_type(row->statement, column) != SQLITE_BLOB)
        return hd_row_text(row, column);
    if (sqlite3_column_bytes(row->statement, column) != HD_ID_BYTES) {
        row->failure = HD_ERR_CORRUPT;
        return NULL;
    }
    struct hd_id id = hd_id_from_bytes(sqlite3_column_blob(row->statement, column));
    char *copy = hd_arena_strndup(row->arena, id.text, HD_ID_TEXT_LEN);
    if (!copy)
        row->failure = HD_ERR_NO_MEMORY;
    return copy;
}

int64_t hd_row_int(const struct row *row, int column) {
    return sqlite3_column_int64(row->statement, column);
}

int hd_row_enum(struct row *row, int column, int count) {
    int64_t value = hd_row_int(row, column);
    if (value >= 0 && value < count)
        return (int)value;
    row->failure = HD_ERR_CORRUPT;
    return 0;
}

const char *hd_row_there(struct row *row, const char *text_or_id) {
    if (!text_or_id && row->failure == 0)
        row->failure = HD_ERR_CORRUPT;
    return text_or_id;
}

int hd_row_check(const struct row *row, struct hd_error *err) {
    if (row->failure == HD_ERR_CORRUPT)
        return hd_error_set(err, HD_ERR_CORRUPT, "database: a row holds what was never written there");
    return row->failure ? hd_error_set(err, row->failure, "no memory for what was read") : 0;
}
