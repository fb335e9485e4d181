/* Store and queue in one SQLite database (WAL, synchronous=FULL): both ports of the embedded backend.
 *
 * One struct hd_sqlite stands for the database in this process; each thread opens its own views. Commits are serialised by SQLite's write
 * lock: the host gathers changesets and calls commit from one thread, so that many of them share one transaction and one fsync. Other processes
 * (the commands of the same binary) may use the database at the same time.
 *
 * docs/storage.md tells the tables, what an event costs in rows, and the write-behind indexes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/queue.h"
#include "core/store.h"

struct hd_sqlite;

enum {
    HD_SQLITE_BUSY_MS = 5000,          /* how long to wait for another process's lock */
    HD_SQLITE_CHECKPOINT_PAGES = 4000, /* a background checkpoint is worth it from here on */
    HD_SQLITE_WAL_LIMIT_PAGES = 16000, /* from here on the writer helps, so that the log starts again from its beginning */
};

/* How long an answer is remembered for its Idempotency-Key: far longer than any client tries again. */
#define HD_SQLITE_ANSWERS_MS ((int64_t)7 * 24 * 3600 * 1000)

struct hd_sqlite_options {
    const char *path; /* of the database file; its folder must exist */
    const char *vfs;  /* NULL: SQLite's default */
    bool must_exist;  /* do not create it */
    int busy_ms;      /* how long to wait for another process's lock; 0: HD_SQLITE_BUSY_MS */
};

/* Opens, creates or migrates the database. HD_ERR_NEWER_STORE: made by a newer version. HD_ERR_CORRUPT: no database, or a damaged one.
 * HD_ERR_UNAVAILABLE: locked, or no right to it. HD_ERR_NO_SPACE. */
int hd_sqlite_open(const struct hd_sqlite_options *options, struct hd_sqlite **ret_database, struct hd_error *err) HD_MUST_CHECK;
void hd_sqlite_close(struct hd_sqlite *database); /* takes NULL; all views must be closed */

int hd_sqlite_store(struct hd_sqlite *database, struct hd_store **ret_store, struct hd_error *err) HD_MUST_CHECK;
int hd_sqlite_queue(struct hd_sqlite *database, struct hd_queue **ret_queue, struct hd_error *err) HD_MUST_CHECK;

/* Pages in the write-ahead log, as of this process's last commit. Any thread. */
int hd_sqlite_wal_pages(const struct hd_sqlite *database);

/* Moves what it can from the log to the database file (a passive checkpoint: it delays neither readers nor the writer). One thread at a time. */
int hd_sqlite_checkpoint(struct hd_sqlite *database, struct hd_error *err) HD_MUST_CHECK;

/* Reads all of the file: 0 when it is sound; HD_ERR_CORRUPT with the first fault. */
int hd_sqlite_verify(struct hd_sqlite *database, struct hd_error *err) HD_MUST_CHECK;

/* A consistent copy of the whole database at path, which must not exist; may run beside writers. A failed copy leaves nothing behind. */
int hd_sqlite_backup(struct hd_sqlite *database, const char *path, struct hd_error *err) HD_MUST_CHECK;
