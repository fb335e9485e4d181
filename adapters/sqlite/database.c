#include "adapters/sqlite/database.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite/claims.h"
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
        case SQLITE_CONSTRAINT:
            return HD_ERR_CONFLICT;
        default:
            return HD_ERR_INTERNAL;
    }
}

int hd_db_error(sqlite3 *db, int rc, struct hd_error *err) {
    int extended = db ? sqlite3_extended_errcode(db) : rc;
    return hd_error_set(err, code_of(rc), "database: %s (%d)", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), extended);
}

int hd_db_exec(sqlite3 *db, const char *sql, struct hd_error *err) {
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : hd_db_error(db, rc, err);
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
    /* WAL does not last without FULL; the log is emptied by our own checkpoints, off the writer's way. Caches are small: readers drop theirs at every
     * commit anyway, and the kernel holds the file. */
    static const char *const pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                                       "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4000;"
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
    if (!connection || !connection->db) return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(connection->statements[i]);
    int rc = sqlite3_close(connection->db);
    assert(rc == SQLITE_OK);
    (void)rc;
    *connection = (struct connection){0};
}

int hd_db_statement(struct connection *connection, enum statement which, sqlite3_stmt **ret, struct hd_error *err) {
    sqlite3_stmt **slot = &connection->statements[which];
    if (!*slot) {
        int rc = sqlite3_prepare_v3(connection->db, sql_of[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
        if (rc != SQLITE_OK) return hd_db_error(connection->db, rc, err);
    }
    *ret = *slot;
    return 0;
}

void hd_db_done(sqlite3_stmt **statement) {
    if (*statement) sqlite3_reset(*statement);
}

static int bind_id(struct connection *connection, sqlite3_stmt *statement, int index, const char *id) {
    assert(index < PARAMETERS_MAX);
    uint8_t *bytes = connection->ids[index];
    if (id && hd_id_to_bytes(id, bytes)) return sqlite3_bind_blob(statement, index, bytes, HD_ID_BYTES, SQLITE_STATIC);
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
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return hd_db_error(connection->db, rc, err);
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

const char *hd_row_text(struct row *row, int column) {
    if (sqlite3_column_type(row->statement, column) == SQLITE_NULL) return NULL;
    const char *text = (const char *)sqlite3_column_text(row->statement, column);
    int len = sqlite3_column_bytes(row->statement, column);
    char *copy = text ? hd_arena_strndup(row->arena, text, (size_t)len) : NULL;
    if (!copy) row->oom = true;
    return copy;
}

const char *hd_row_id(struct row *row, int column) {
    if (sqlite3_column_type(row->statement, column) != SQLITE_BLOB) return hd_row_text(row, column);
    assert(sqlite3_column_bytes(row->statement, column) == HD_ID_BYTES);
    struct hd_id id = hd_id_from_bytes(sqlite3_column_blob(row->statement, column));
    char *copy = hd_arena_strndup(row->arena, id.text, HD_ID_TEXT_LEN);
    if (!copy) row->oom = true;
    return copy;
}

int64_t hd_row_int(const struct row *row, int column) {
    return sqlite3_column_int64(row->statement, column);
}

/* ---- the database ---- */

static int open_checked(struct hd_sqlite *database, const struct hd_sqlite_options *options, struct hd_error *err) {
    int r = hd_db_open(database, !options->must_exist, &database->checkpointer, err);
    if (r) return r;
    r = hd_db_migrate(database->checkpointer.db, err);
    return r ? hd_error_context(err, "%s", database->path) : 0;
}

int hd_sqlite_open(const struct hd_sqlite_options *options, struct hd_sqlite **ret_database, struct hd_error *err) {
    struct hd_sqlite *database = calloc(1, sizeof *database);
    if (!database) return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the database");
    database->path = strdup(options->path);
    database->vfs = options->vfs ? strdup(options->vfs) : NULL;
    database->busy_ms = options->busy_ms ? options->busy_ms : HD_SQLITE_BUSY_MS;
    database->claims = hd_claims_new();
    int r = 0;
    if (!database->path || (options->vfs && !database->vfs) || !database->claims) {
        r = hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the database");
    } else {
        r = open_checked(database, options, err);
    }
    if (r) {
        hd_sqlite_close(database);
        return r;
    }
    *ret_database = database;
    return 0;
}

void hd_sqlite_close(struct hd_sqlite *database) {
    if (!database) return;
    hd_db_close(&database->checkpointer);
    hd_claims_free(database->claims);
    free(database->vfs);
    free(database->path);
    free(database);
}

int hd_sqlite_wal_pages(const struct hd_sqlite *database) {
    return atomic_load_explicit(&database->wal_pages, memory_order_relaxed);
}

int hd_sqlite_checkpoint(struct hd_sqlite *database, struct hd_error *err) {
    sqlite3 *db = database->checkpointer.db;
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK || rc == SQLITE_BUSY ? 0 : hd_db_error(db, rc, err);
}

int hd_sqlite_verify(struct hd_sqlite *database, struct hd_error *err) {
    struct connection connection = {0};
    int r = hd_db_open(database, false, &connection, err);
    if (r) return r;
    sqlite3_stmt *check = NULL;
    int rc = sqlite3_prepare_v2(connection.db, "PRAGMA integrity_check(1)", -1, &check, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(check);
    if (rc != SQLITE_ROW) {
        r = hd_db_error(connection.db, rc, err);
    } else {
        const char *verdict = (const char *)sqlite3_column_text(check, 0);
        if (!verdict || strcmp(verdict, "ok") != 0) r = hd_error_set(err, HD_ERR_CORRUPT, "%s", verdict ? verdict : "unreadable");
    }
    sqlite3_finalize(check);
    hd_db_close(&connection);
    return r;
}

int hd_sqlite_backup(struct hd_sqlite *database, const char *path, struct hd_error *err) {
    if (access(path, F_OK) == 0) return hd_error_set(err, HD_ERR_CONFLICT, "%s exists already; a backup overwrites nothing", path);
    struct connection connection = {0};
    int r = hd_db_open(database, false, &connection, err);
    if (r) return r;
    sqlite3_stmt *copy = NULL;
    int rc = sqlite3_prepare_v2(connection.db, "VACUUM INTO ?1", -1, &copy, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(copy, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(copy);
    if (rc != SQLITE_DONE) {
        r = hd_db_error(connection.db, rc, err);
        (void)unlink(path);
    }
    sqlite3_finalize(copy);
    hd_db_close(&connection);
    return r;
}
