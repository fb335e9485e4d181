#include "adapters/sqlite/behind.h"

#include <stdlib.h>
#include <string.h>

enum { DIMENSIONS_MAX = 2, SHORT_KEY_BYTES = HD_ID_BYTES };

/* A key as SQLite has it: an id of 16 bytes, or text. */
struct entry {
    int64_t seq;
    bool text;
    bool dropped;
    unsigned char bytes; /* HD_ID_MAX_LEN at most */
    union {
        unsigned char id[SHORT_KEY_BYTES]; /* an id, or a text that is as short */
        char *text;                        /* a longer text; owned */
    } key;
};

struct dimension {
    enum behind_dimension name;
    struct entry *entries; /* BEHIND_STEP of them */
    size_t count, inserted;
    bool sorted;
};

struct source {
    enum statement last, rows;
    enum behind_dimension dimensions[DIMENSIONS_MAX]; /* the keys are the columns behind the row's seq; 0: none */
};

/* The unread ones are by the same key as all items of the user. */
static const struct source sources[BEHIND_SOURCE_COUNT] = {
    [BEHIND_TICKETS] = {STATEMENT_BEHIND_LAST_TICKET, STATEMENT_BEHIND_TICKETS, {BEHIND_TICKET_OWNER}},
    [BEHIND_NOTIFICATIONS] = {STATEMENT_BEHIND_LAST_NOTIFICATION,
                              STATEMENT_BEHIND_NOTIFICATIONS,
                              {BEHIND_NOTIFICATION_TARGET, BEHIND_NOTIFICATION_TICKET}},
    [BEHIND_INBOX] = {STATEMENT_BEHIND_LAST_INBOX, STATEMENT_BEHIND_INBOX, {BEHIND_INBOX_USER, BEHIND_INBOX_UNREAD}},
};

enum phase { RESTING, GATHERING, INSERTING };

struct behind {
    enum phase phase;
    enum behind_source source; /* at which step, or the next to look at */
    size_t rows;               /* gathered */
    int64_t seq;               /* of the last row gathered */
    struct dimension dimensions[DIMENSIONS_MAX];
};

/* ---- memory ---- */

void hd_behind_restart(struct behind *behind) {
    for (size_t i = 0; i < DIMENSIONS_MAX; i++) {
        struct dimension *dimension = &behind->dimensions[i];
        for (size_t k = 0; k < dimension->count; k++)
            if (dimension->entries[k].bytes > SHORT_KEY_BYTES)
                free(dimension->entries[k].key.text);
        dimension->count = dimension->inserted = 0;
        dimension->sorted = false;
    }
    behind->phase = RESTING;
}

struct behind *hd_behind_new(void) {
    struct behind *behind = calloc(1, sizeof *behind);
    if (!behind)
        return NULL;
    for (size_t i = 0; i < DIMENSIONS_MAX; i++) {
        behind->dimensions[i].entries = malloc(BEHIND_STEP * sizeof(struct entry));
        if (behind->dimensions[i].entries)
            continue;
        hd_behind_free(behind);
        return NULL;
    }
    return behind;
}

void hd_behind_free(struct behind *behind) {
    if (!behind)
        return;
    hd_behind_restart(behind);
    for (size_t i = 0; i < DIMENSIONS_MAX; i++)
        free(behind->dimensions[i].entries);
    free(behind);
}

static const void *key_of(const struct entry *entry) {
    return entry->bytes > SHORT_KEY_BYTES ? (const void *)entry->key.text : (const void *)entry->key.id;
}

/* As SQLite sorts: text before blobs, bytes by bytes, then the rows in their order. */
static int by_key(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->text != b->text)
        return a->text ? -1 : 1;
    size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order = memcmp(key_of(a), key_of(b), shorter);
    if (order != 0)
        return order;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* ---- small statements ---- */

static int one_int(struct connection *connection, enum statement which, const char *types, int64_t argument, int64_t *ret,
                   struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool row = false;
    int r = hd_db_statement(connection, which, &query, err);
    if (!r)
        r = hd_db_bind(connection, query, err, types, argument);
    if (!r)
        r = hd_db_step(connection, query, &row, err);
    if (!r && row)
        return hd_db_seq(query, 0, ret, err);
    if (!r)
        *ret = 0;
    return r;
}

int hd_behind_mark(struct connection *connection, enum behind_source source, int64_t *ret_seq, struct hd_error *err) {
    return one_int(connection, STATEMENT_BEHIND_MARK, "i", (int64_t)source, ret_seq, err);
}

static int set_mark(struct connection *connection, enum behind_source source, int64_t mark, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *set = NULL;
    int r = hd_db_statement(connection, STATEMENT_BEHIND_SET_MARK, &set, err);
    if (!r)
        r = hd_db_bind(connection, set, err, "ii", (int64_t)source, mark);
    return r ? r : hd_db_run(connection, set, err);
}

/* ---- a step ---- */

static int begin_step(struct behind *behind, struct connection *connection, struct hd_error *err) {
    behind->source = (enum behind_source)((behind->source + 1) % BEHIND_SOURCE_COUNT);
    int64_t mark = 0, last = 0;
    int r = hd_behind_mark(connection, behind->source, &mark, err);
    if (!r)
        r = one_int(connection, sources[behind->source].last, "", 0, &last, err);
    if (r || last - mark < BEHIND_STEP)
        return r;
    behind->phase = GATHERING;
    behind->rows = 0;
    behind->seq = mark;
    for (size_t i = 0; i < DIMENSIONS_MAX; i++)
        behind->dimensions[i].name = sources[behind->source].dimensions[i];
    return 0;
}

static int add_entry(struct dimension *dimension, sqlite3_stmt *row, int column, struct hd_error *err) {
    int type = sqlite3_column_type(row, column);
    const void *key = sqlite3_column_blob(row, column);
    int bytes = sqlite3_column_bytes(row, column);
    if (type == SQLITE_NULL || bytes == 0 || bytes > HD_ID_MAX_LEN)
        return 0; /* no key: nobody can ask for it */
    struct entry entry = {.seq = sqlite3_column_int64(row, 0), .text = type == SQLITE_TEXT, .bytes = (unsigned char)bytes};
    if (bytes > SHORT_KEY_BYTES) {
        entry.key.text = malloc((size_t)bytes);
        if (!entry.key.text)
            return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the index");
        memcpy(entry.key.text, key, (size_t)bytes);
    } else {
        memcpy(entry.key.id, key, (size_t)bytes);
    }
    dimension->entries[dimension->count++] = entry;
    return 0;
}

static int gather(struct behind *behind, struct connection *connection, size_t slice, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *rows = NULL;
    size_t room = BEHIND_STEP - behind->rows;
    int r = hd_db_statement(connection, sources[behind->source].rows, &rows, err);
    if (!r)
        r = hd_db_bind(connection, rows, err, "ii", behind->seq, (int64_t)(slice < room ? slice : room));
    bool row = true;
    while (!r && row) {
        r = hd_db_step(connection, rows, &row, err);
        if (r || !row)
            break;
        behind->seq = sqlite3_column_int64(rows, 0);
        behind->rows++;
        for (int i = 0; !r && i < DIMENSIONS_MAX; i++) {
            struct dimension *dimension = &behind->dimensions[i];
            bool read = dimension->name == BEHIND_INBOX_UNREAD && sqlite3_column_int64(rows, DIMENSIONS_MAX + 1) != 0;
            if (dimension->name != 0 && !read)
                r = add_entry(dimension, rows, i + 1, err);
        }
    }
    if (!r && behind->rows == BEHIND_STEP)
        behind->phase = INSERTING;
    return r;
}

static int insert(struct connection *connection, const struct dimension *dimension, const struct entry *entry, struct hd_error *err) {
    sqlite3_stmt *insert = NULL;
    int r = hd_db_statement(connection, STATEMENT_BEHIND_INSERT, &insert, err);
    if (r)
        return r;
    int rc = sqlite3_bind_int(insert, 1, (int)dimension->name);
    if (rc == SQLITE_OK)
        rc = entry->text ? sqlite3_bind_text(insert, 2, key_of(entry), entry->bytes, SQLITE_STATIC)
                         : sqlite3_bind_blob(insert, 2, key_of(entry), entry->bytes, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(insert, 3, entry->seq);
    return rc == SQLITE_OK ? hd_db_run(connection, insert, err) : hd_db_error(connection->db, rc, err);
}

/* *slice is what is left of it. */
static int insert_some(struct connection *connection, struct dimension *dimension, size_t *slice, struct hd_error *err) {
    if (!dimension->sorted)
        qsort(dimension->entries, dimension->count, sizeof *dimension->entries, by_key);
    dimension->sorted = true;
    int r = 0;
    while (!r && *slice > 0 && dimension->inserted < dimension->count) {
        const struct entry *entry = &dimension->entries[dimension->inserted];
        if (!entry->dropped)
            r = insert(connection, dimension, entry, err);
        dimension->inserted++;
        --*slice;
    }
    return r;
}

static int insert_slice(struct behind *behind, struct connection *connection, size_t slice, struct hd_error *err) {
    int r = 0;
    bool all = true;
    for (size_t i = 0; !r && i < DIMENSIONS_MAX; i++) {
        r = insert_some(connection, &behind->dimensions[i], &slice, err);
        all &= behind->dimensions[i].inserted == behind->dimensions[i].count;
    }
    if (r || !all)
        return r;
    r = set_mark(connection, behind->source, behind->seq, err);
    if (!r)
        hd_behind_restart(behind);
    return r;
}

int hd_behind_advance(struct behind *behind, struct connection *connection, size_t slice, struct hd_error *err) {
    if (slice < BEHIND_SLICE)
        slice = BEHIND_SLICE;
    switch (behind->phase) {
    case RESTING:
        return begin_step(behind, connection, err);
    case GATHERING:
        return gather(behind, connection, slice, err);
    case INSERTING:
        return insert_slice(behind, connection, slice, err);
    }
    return 0;
}

int hd_behind_read(struct behind *behind, struct connection *connection, const char *user_id, int64_t row, struct hd_error *err) {
    for (size_t i = 0; i < DIMENSIONS_MAX; i++) {
        struct dimension *dimension = &behind->dimensions[i];
        for (size_t k = 0; dimension->name == BEHIND_INBOX_UNREAD && k < dimension->count; k++)
            if (dimension->entries[k].seq == row)
                dimension->entries[k].dropped = true;
    }
    sqlite3_stmt *removal = NULL;
    int r = hd_db_statement(connection, STATEMENT_BEHIND_DELETE, &removal, err);
    if (!r)
        r = hd_db_bind(connection, removal, err, "idi", (int64_t)BEHIND_INBOX_UNREAD, user_id, row);
    return r ? r : hd_db_run(connection, removal, err);
}
