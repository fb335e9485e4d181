#include "adapters/sqlite/behind.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX_BYTES = 128, DIMENSIONS_MAX = 4 };

struct entry {
    int dimension;
    int type; /* of the key: SQLITE_INTEGER, SQLITE_TEXT, SQLITE_BLOB, the order in which SQLite sorts them */
    int key_bytes;
    unsigned char key[KEY_MAX_BYTES];
    int64_t number;
    int64_t seq;
};

struct behind_memory {
    struct entry entries[BEHIND_STEP * DIMENSIONS_MAX];
    struct entry *sorted[BEHIND_STEP * DIMENSIONS_MAX];
};

/* The columns of a source's row, behind its seq, and the dimension that each is a key of. */
struct source {
    enum statement last, rows;
    int dimensions[DIMENSIONS_MAX];
};

static const struct source sources[BEHIND_SOURCE_COUNT] = {
    [BEHIND_TICKETS] = {STATEMENT_BEHIND_LAST_TICKET, STATEMENT_BEHIND_TICKETS, {BEHIND_TICKET_OWNER}},
    [BEHIND_NOTIFICATIONS] = {STATEMENT_BEHIND_LAST_NOTIFICATION,
                              STATEMENT_BEHIND_NOTIFICATIONS,
                              {BEHIND_NOTIFICATION_TARGET, BEHIND_NOTIFICATION_TICKET, BEHIND_NOTIFICATION_CHANNEL}},
    [BEHIND_INBOX] = {STATEMENT_BEHIND_LAST_INBOX, STATEMENT_BEHIND_INBOX, {BEHIND_INBOX_USER}},
};

static int by_key(const void *left, const void *right) {
    const struct entry *a = *(struct entry *const *)left, *b = *(struct entry *const *)right;
    if (a->dimension != b->dimension) return a->dimension < b->dimension ? -1 : 1;
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    int shorter = a->key_bytes < b->key_bytes ? a->key_bytes : b->key_bytes;
    int order = memcmp(a->key, b->key, (size_t)shorter);
    if (order != 0) return order;
    if (a->key_bytes != b->key_bytes) return a->key_bytes < b->key_bytes ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* False when the row has no such key. */
static bool entry_from(sqlite3_stmt *row, int column, int dimension, struct entry *ret) {
    int type = sqlite3_column_type(row, column);
    if (type == SQLITE_NULL) return false;
    ret->dimension = dimension;
    ret->type = type;
    ret->seq = sqlite3_column_int64(row, 0);
    ret->number = type == SQLITE_INTEGER ? sqlite3_column_int64(row, column) : 0;
    ret->key_bytes = 0;
    if (type == SQLITE_INTEGER) return true;
    const void *key = sqlite3_column_blob(row, column);
    int bytes = sqlite3_column_bytes(row, column);
    if (bytes > KEY_MAX_BYTES) return false; /* no id is longer: HD_ID_MAX_LEN */
    if (bytes > 0) memcpy(ret->key, key, (size_t)bytes);
    ret->key_bytes = bytes;
    return true;
}

static size_t entries_of_row(enum behind_source source, sqlite3_stmt *row, struct entry *entries) {
    size_t count = 0;
    const int *dimensions = sources[source].dimensions;
    for (int i = 0; i < DIMENSIONS_MAX && dimensions[i] != 0; i++)
        if (entry_from(row, i + 1, dimensions[i], &entries[count])) count++;
    bool unread = source == BEHIND_INBOX && sqlite3_column_int64(row, 2) == 0;
    if (unread && entry_from(row, 1, BEHIND_INBOX_UNREAD, &entries[count])) count++;
    return count;
}

static int insert_sorted(struct connection *connection, struct behind_memory *memory, size_t count, struct hd_error *err) {
    for (size_t i = 0; i < count; i++) memory->sorted[i] = &memory->entries[i];
    qsort(memory->sorted, count, sizeof memory->sorted[0], by_key);
    HD_CLEANUP(hd_db_done) sqlite3_stmt *insert = NULL;
    int r = hd_db_statement(connection, STATEMENT_BEHIND_INSERT, &insert, err);
    for (size_t i = 0; !r && i < count; i++) {
        const struct entry *entry = memory->sorted[i];
        sqlite3_bind_int(insert, 1, entry->dimension);
        int rc = entry->type == SQLITE_INTEGER ? sqlite3_bind_int64(insert, 2, entry->number)
                 : entry->type == SQLITE_TEXT  ? sqlite3_bind_text(insert, 2, (const char *)entry->key, entry->key_bytes, SQLITE_STATIC)
                                               : sqlite3_bind_blob(insert, 2, entry->key, entry->key_bytes, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 3, entry->seq);
        r = rc == SQLITE_OK ? hd_db_run(connection, insert, err) : hd_db_error(connection->db, rc, err);
    }
    return r;
}

static int gather(struct connection *connection, enum behind_source source, int64_t mark, struct entry *entries, size_t *ret_count,
                  int64_t *ret_mark, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *rows = NULL;
    int r = hd_db_statement(connection, sources[source].rows, &rows, err);
    if (!r) r = hd_db_bind(connection, rows, err, "ii", mark, (int64_t)BEHIND_STEP);
    size_t count = 0;
    bool row = true;
    while (!r && row) {
        r = hd_db_step(connection, rows, &row, err);
        if (r || !row) break;
        mark = sqlite3_column_int64(rows, 0);
        count += entries_of_row(source, rows, &entries[count]);
    }
    *ret_count = count;
    *ret_mark = mark;
    return r;
}

static int one_int(struct connection *connection, enum statement which, const char *types, int64_t argument, int64_t *ret, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool row = false;
    int r = hd_db_statement(connection, which, &query, err);
    if (!r) r = hd_db_bind(connection, query, err, types, argument);
    if (!r) r = hd_db_step(connection, query, &row, err);
    if (!r) *ret = row ? sqlite3_column_int64(query, 0) : 0;
    return r;
}

int hd_behind_mark(struct connection *connection, enum behind_source source, int64_t *ret_seq, struct hd_error *err) {
    return one_int(connection, STATEMENT_BEHIND_MARK, "i", (int64_t)source, ret_seq, err);
}

static int set_mark(struct connection *connection, enum behind_source source, int64_t mark, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *set = NULL;
    int r = hd_db_statement(connection, STATEMENT_BEHIND_SET_MARK, &set, err);
    if (!r) r = hd_db_bind(connection, set, err, "ii", (int64_t)source, mark);
    return r ? r : hd_db_run(connection, set, err);
}

static int advance(struct connection *connection, enum behind_source source, struct behind_memory *memory, struct hd_error *err) {
    int64_t mark = 0, last = 0;
    int r = hd_behind_mark(connection, source, &mark, err);
    if (!r) r = one_int(connection, sources[source].last, "", 0, &last, err);
    while (!r && last - mark >= BEHIND_STEP) {
        size_t count = 0;
        r = gather(connection, source, mark, memory->entries, &count, &mark, err);
        if (!r) r = insert_sorted(connection, memory, count, err);
        if (!r) r = set_mark(connection, source, mark, err);
    }
    return r;
}

int hd_behind_advance(struct connection *connection, struct behind_memory **memory, struct hd_error *err) {
    if (!*memory) *memory = malloc(sizeof **memory);
    if (!*memory) return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the index");
    int r = 0;
    for (int source = 0; !r && source < BEHIND_SOURCE_COUNT; source++) r = advance(connection, (enum behind_source)source, *memory, err);
    return r;
}
