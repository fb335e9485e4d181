/* Inside the adapter: one view of the store, shared by commit.c, reads.c and behind.c. */
#pragma once

#include "adapters/sqlite/claims.h"
#include "adapters/sqlite/database.h"
#include "core/changeset.h"

/* A notification's id and row. */
struct put_lately {
    uint8_t id[HD_ID_BYTES];
    int64_t row; /* 0: nothing yet */
};

struct sqlite_store {
    struct hd_store base;
    struct hd_sqlite *database;
    struct connection connection;
    /* the writer's own; unused in views that only read */
    int64_t last_message_seq;
    int64_t data_version;
    int64_t rows[HD_CHANGES_MAX]; /* for each change of the changeset at hand: the row (seq) that it found or made */
    struct receipt *concluded;    /* claims to drop once the transaction is durable */
    size_t concluded_count, concluded_capacity;
    struct put_lately put_lately[4096]; /* by the end of the id: most notifications are moved within a moment */
    bool left_out[HD_COMMIT_MAX];       /* changesets of this commit that contradict themselves */
    struct hd_compressor *compressor;
    struct behind *behind;
};

int hd_store_commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                    struct hd_error *err);
