/* The database as a whole: opening, checkpoints, checks, backups. */
#include "adapters/sqlite/sqlite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite/claims.h"
#include "adapters/sqlite/database.h"

static int open_checked(struct hd_sqlite *database, const struct hd_sqlite_options *options, struct hd_error *err) {
    int r = hd_db_open(database, !options->must_exist, &database->checkpointer, err);
    if (r)
        return r;
    r = hd_db_migrate(database->checkpointer.db, err);
    return r ? hd_error_context(err, "%s", database->path) : 0;
}

int hd_sqlite_open(const struct hd_sqlite_options *options, struct hd_sqlite **ret_database, struct hd_error *err) {
    struct hd_sqlite *database = calloc(1, sizeof *database);
    if (!database)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the database");
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
    if (!database)
        return;
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
    if (r)
        return r;
    sqlite3_stmt *check = NULL;
    int rc = sqlite3_prepare_v2(connection.db, "PRAGMA integrity_check(1)", -1, &check, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(check);
    if (rc != SQLITE_ROW) {
        r = hd_db_schema_error(connection.db, rc, err);
    } else {
        const char *verdict = (const char *)sqlite3_column_text(check, 0);
        if (!verdict || strcmp(verdict, "ok") != 0)
            r = hd_error_set(err, HD_ERR_CORRUPT, "%s", verdict ? verdict : "unreadable");
    }
    sqlite3_finalize(check);
    hd_db_close(&connection);
    return r;
}

int hd_sqlite_backup(struct hd_sqlite *database, const char *path, struct hd_error *err) {
    if (access(path, F_OK) == 0)
        return hd_error_set(err, HD_ERR_CONFLICT, "%s exists already; a backup overwrites nothing", path);
    struct connection connection = {0};
    int r = hd_db_open(database, false, &connection, err);
    if (r)
        return r;
    sqlite3_stmt *copy = NULL;
    int rc = sqlite3_prepare_v2(connection.db, "VACUUM INTO ?1", -1, &copy, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(copy, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(copy);
    if (rc != SQLITE_DONE) {
        r = hd_db_schema_error(connection.db, rc, err);
        (void)unlink(path);
    }
    sqlite3_finalize(copy);
    hd_db_close(&connection);
    return r;
}
