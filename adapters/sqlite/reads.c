/* The store port's reads, and its views. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/sqlite/behind.h"
#include "adapters/sqlite/store.h"
#include "base/compress.h"

static struct sqlite_store *view_of(struct hd_store *store) {
    return (struct sqlite_store *)store;
}

static int out_of_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for what was read");
}

/* ---- snapshots ---- */

static int begin_reads(struct hd_store *store, struct hd_error *err) {
    struct connection *connection = &view_of(store)->connection;
    assert(!connection->reading);
    sqlite3_stmt *begin = NULL;
    int r = hd_db_statement(connection, STATEMENT_BEGIN_READ, &begin, err);
    if (!r)
        r = hd_db_run(connection, begin, err);
    if (!r)
        connection->reading = true;
    return r;
}

static void end_reads(struct hd_store *store) {
    struct connection *connection = &view_of(store)->connection;
    if (!connection->reading)
        return;
    connection->reading = false;
    sqlite3_stmt *commit = NULL;
    int r = hd_db_statement(connection, STATEMENT_COMMIT, &commit, NULL);
    if (!r)
        r = hd_db_run(connection, commit, NULL);
    if (r)
        hd_db_rollback(connection);
}

/* ---- rows to values ---- */

static void read_ticket(struct row *row, struct hd_ticket *t) {
    *t = (struct hd_ticket){
        .ticket_id = hd_row_there(row, hd_row_id(row, 0)),
        .version = hd_row_int(row, 1),
        .title = hd_row_there(row, hd_row_text(row, 2)),
        .description = hd_row_text(row, 3),
        .status = (enum hd_ticket_status)hd_row_enum(row, 4, HD_TICKET_STATUS_COUNT),
        .priority = (enum hd_priority)hd_row_enum(row, 5, HD_PRIORITY_COUNT),
        .owner_id = hd_row_id(row, 6),
        .assigned_agent_id = hd_row_id(row, 7),
        .team = hd_row_text(row, 8),
        .channels = (unsigned)hd_row_int(row, 9),
        .tags = hd_row_text(row, 10),
        .created_at_ms = hd_row_int(row, 11),
        .updated_at_ms = hd_row_int(row, 12),
    };
}

static void read_user(struct row *row, struct hd_user *u) {
    *u = (struct hd_user){
        .user_id = hd_row_there(row, hd_row_id(row, 0)),
        .version = hd_row_int(row, 1),
        .name = hd_row_there(row, hd_row_text(row, 2)),
        .email = hd_row_text(row, 3),
        .phone = hd_row_text(row, 4),
        .role = (enum hd_role)hd_row_enum(row, 5, HD_ROLE_COUNT),
        .locale = hd_row_text(row, 6),
        .time_zone = hd_row_text(row, 7),
        .team = hd_row_text(row, 8),
        .skills = hd_row_text(row, 9),
        .channels_off = (unsigned)hd_row_int(row, 10),
        .created_at_ms = hd_row_int(row, 11),
        .updated_at_ms = hd_row_int(row, 12),
    };
}

static void read_event(struct row *row, struct hd_event *e) {
    *e = (struct hd_event){
        .event_id = hd_row_there(row, hd_row_id(row, 0)),
        .type = (enum hd_event_type)hd_row_enum(row, 1, HD_EVENT_TYPE_COUNT),
        .schema_version = (int)hd_row_int(row, 2),
        .occurred_at_ms = hd_row_int(row, 3),
        .accepted_at_ms = hd_row_int(row, 4),
        .ticket_id = hd_row_id(row, 5),
        .actor_id = hd_row_id(row, 6),
        .correlation_id = hd_row_text(row, 7),
        .traceparent = hd_row_text(row, 8),
        .payload = hd_row_there(row, hd_row_text(row, 9)),
    };
}

static void read_notification(struct row *row, struct hd_notification *n) {
    *n = (struct hd_notification){
        .notification_id = hd_row_there(row, hd_row_id(row, 0)),
        .event_id = hd_row_there(row, hd_row_id(row, 1)),
        .event = hd_row_there(row, hd_row_text(row, 2)),
        .ticket_id = hd_row_id(row, 3),
        .target = hd_row_there(row, hd_row_id(row, 4)),
        .channel = (enum hd_channel)hd_row_enum(row, 5, HD_CHANNEL_COUNT),
        .status = (enum hd_status)hd_row_enum(row, 6, HD_STATUS_COUNT),
        .reason = hd_row_text(row, 7),
        .critical = hd_row_int(row, 8) != 0,
        .attempts = (int)hd_row_int(row, 9),
        .attempts_forgiven = (int)hd_row_int(row, 10),
        .owner_token = hd_row_text(row, 11),
        .correlation_id = hd_row_text(row, 12),
        .traceparent = hd_row_text(row, 13),
        .accepted_at_ms = hd_row_int(row, 14),
        .created_at_ms = hd_row_int(row, 15),
        .updated_at_ms = hd_row_int(row, 16),
        .next_attempt_at_ms = hd_row_int(row, 17),
        .sent_at_ms = hd_row_int(row, 18),
    };
}

static void read_inbox_item(struct row *row, struct hd_inbox_item *i) {
    *i = (struct hd_inbox_item){
        .notification_id = hd_row_there(row, hd_row_id(row, 0)),
        .user_id = hd_row_there(row, hd_row_id(row, 1)),
        .event = hd_row_there(row, hd_row_text(row, 2)),
        .ticket_id = hd_row_id(row, 3),
        .title = hd_row_there(row, hd_row_text(row, 4)),
        .body = hd_row_there(row, hd_row_text(row, 5)),
        .created_at_ms = hd_row_int(row, 6),
        .read_at_ms = hd_row_int(row, 7),
    };
}

static void read_dead_letter(struct row *row, struct hd_dead_letter *d) {
    *d = (struct hd_dead_letter){
        .dead_letter_id = hd_row_there(row, hd_row_id(row, 0)),
        .queue = hd_row_there(row, hd_row_text(row, 1)),
        .reason = hd_row_there(row, hd_row_text(row, 2)),
        .detail = hd_row_text(row, 3),
        .attempts = (int)hd_row_int(row, 4),
        .notification_id = hd_row_id(row, 5),
        .event_id = hd_row_id(row, 6),
        .ticket_id = hd_row_id(row, 7),
        .target = hd_row_id(row, 8),
        .channel = hd_row_text(row, 9),
        .body = hd_row_text(row, 10),
        .created_at_ms = hd_row_int(row, 11),
    };
}

static void read_audit(struct row *row, struct hd_audit *a) {
    *a = (struct hd_audit){
        .audit_id = hd_row_there(row, hd_row_id(row, 0)),
        .action = hd_row_there(row, hd_row_text(row, 1)),
        .subject = hd_row_id(row, 2),
        .actor = hd_row_id(row, 3),
        .detail = hd_row_text(row, 4),
        .correlation_id = hd_row_text(row, 5),
        .at_ms = hd_row_int(row, 6),
    };
}

static void read_answer(struct row *row, struct hd_answer *a) {
    *a = (struct hd_answer){
        .key = hd_row_there(row, hd_row_text(row, 0)),
        .body_hash = hd_row_there(row, hd_row_text(row, 1)),
        .http_status = (int)hd_row_int(row, 2),
        .location = hd_row_text(row, 3),
        .etag = hd_row_text(row, 4),
        .body = hd_row_there(row, hd_row_text(row, 5)),
        .created_at_ms = hd_row_int(row, 6),
    };
}

/* ---- one thing by its id ---- */

/* The query, bound to one key ('d' or 't') and standing on its row; *ret_row false: there is none. */
static int seek(struct hd_store *store, enum statement which, const char *types, const char *key, sqlite3_stmt **ret_query, bool *ret_row,
                struct hd_error *err) {
    struct connection *connection = &view_of(store)->connection;
    int r = hd_db_statement(connection, which, ret_query, err);
    if (!r)
        r = hd_db_bind(connection, *ret_query, err, types, key);
    return r ? r : hd_db_step(connection, *ret_query, ret_row, err);
}

/* get_NAME: reads one struct TYPE by the statement WHICH. */
#define GETTER(name, type, which, types, reader)                                                                    \
    static int get_##name(struct hd_store *store, struct hd_arena *arena, const char *key, const struct type **ret, \
                          struct hd_error *err) {                                                                   \
        HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;                                                          \
        bool found = false;                                                                                         \
        int r = seek(store, which, types, key, &query, &found, err);                                                \
        if (r)                                                                                                      \
            return r;                                                                                               \
        struct row row = {.statement = query, .arena = arena};                                                      \
        struct type *value = found ? hd_arena_alloc(arena, sizeof *value) : NULL;                                   \
        if (value)                                                                                                  \
            reader(&row, value);                                                                                    \
        if (found && !value)                                                                                        \
            return out_of_memory(err);                                                                              \
        r = hd_row_check(&row, err);                                                                                \
        if (r)                                                                                                      \
            return r;                                                                                               \
        *ret = value;                                                                                               \
        return 0;                                                                                                   \
    }

GETTER(ticket, hd_ticket, STATEMENT_TICKET_GET, "d", read_ticket)
GETTER(user, hd_user, STATEMENT_USER_GET, "d", read_user)
GETTER(event, hd_event, STATEMENT_EVENT_GET, "d", read_event)
GETTER(notification, hd_notification, STATEMENT_NOTIFICATION_GET, "d", read_notification)
GETTER(dead_letter, hd_dead_letter, STATEMENT_DEAD_LETTER_GET, "d", read_dead_letter)
GETTER(inbox_item, hd_inbox_item, STATEMENT_INBOX_GET, "d", read_inbox_item)
GETTER(audit, hd_audit, STATEMENT_AUDIT_GET, "d", read_audit)
GETTER(answer, hd_answer, STATEMENT_ANSWER_GET, "t", read_answer)

static int get_processed(struct hd_store *store, const char *processor, const char *event_id, bool *ret, struct hd_error *err) {
    struct connection *connection = &view_of(store)->connection;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = hd_db_statement(connection, STATEMENT_PROCESSED_THERE, &query, err);
    if (!r)
        r = hd_db_bind(connection, query, err, "dt", event_id, processor);
    return r ? r : hd_db_step(connection, query, ret, err);
}

/* ---- lists ---- */

/* A growing array in an arena: a page is short, the attempts of a notification may be many. */
struct collection {
    struct hd_arena *arena;
    char *items;
    size_t item_bytes, count, capacity;
};

static void *collection_add(struct collection *collection) {
    if (collection->count == collection->capacity) {
        size_t wider = collection->capacity ? collection->capacity * 2 : 16;
        char *grown = hd_arena_calloc(collection->arena, wider, collection->item_bytes);
        if (!grown)
            return NULL;
        if (collection->count > 0)
            memcpy(grown, collection->items, collection->count * collection->item_bytes);
        collection->items = grown;
        collection->capacity = wider;
    }
    return collection->items + collection->item_bytes * collection->count++;
}

/* How one kind of thing is listed. Its statements are bound by `bind` to a range of seqs (above and below are outside) and a limit. */
struct list;
struct list_kind {
    size_t item_bytes;
    int seq_column; /* the column behind the item's own */
    void (*read)(struct row *row, void *item);
    int (*bind)(const struct list *list, sqlite3_stmt *query, enum statement which, int64_t below, int64_t above, int64_t limit,
                struct hd_error *err);
    enum statement scan; /* reads the source itself */
    enum behind_source source;
    enum statement last; /* gives the newest seq, for sources that grow without end; 0: it stays small */
};

enum { SCAN_MAX = 100000 /* rows that one page looks at when no index serves: then it ends early, and its cursor goes on from there */ };

/* A list being read: the index that serves the filter best, and what was found so far. */
struct list {
    const struct list_kind *kind;
    struct connection *connection;
    const void *filter;
    enum statement by;  /* kind->scan when no index serves */
    int dimension;      /* of the write-behind index; 0 when `by` is no such statement */
    const char *key;    /* the id to find there */
    int64_t stopped_at; /* a scan ended here, at its limit; 0: it did not */
    struct collection found;
    int64_t seqs[HD_PAGE_MAX + 1];
};

static int collect(struct list *list, enum statement which, size_t want, int64_t below, int64_t above, struct hd_error *err) {
    if (list->found.count >= want)
        return 0;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    int r = hd_db_statement(list->connection, which, &query, err);
    if (!r)
        r = list->kind->bind(list, query, which, below, above, (int64_t)(want - list->found.count), err);
    while (!r) {
        bool more = false;
        r = hd_db_step(list->connection, query, &more, err);
        if (r || !more)
            break;
        struct row row = {.statement = query, .arena = list->found.arena};
        list->seqs[list->found.count] = hd_row_int(&row, list->kind->seq_column);
        void *item = collection_add(&list->found);
        if (item)
            list->kind->read(&row, item);
        r = item ? hd_row_check(&row, err) : out_of_memory(err);
    }
    return r;
}

static int newest_seq(struct list *list, int64_t *ret, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool row = false;
    int r = hd_db_statement(list->connection, list->kind->last, &query, err);
    if (!r)
        r = hd_db_step(list->connection, query, &row, err);
    return r ? r : hd_db_seq(query, 0, ret, err);
}

static int collect_scan(struct list *list, size_t want, int64_t below, struct hd_error *err) {
    int r = 0;
    if (below == INT64_MAX) {
        r = newest_seq(list, &below, err);
        if (r)
            return r;
        below++;
    }
    int64_t above = below > SCAN_MAX ? below - SCAN_MAX - 1 : 0;
    if (!r)
        r = collect(list, list->by, want, below, above, err);
    if (!r && above > 0 && list->found.count < want)
        list->stopped_at = above + 1;
    return r;
}

/* Rows above the mark are not in the write-behind index yet: they are read one by one. */
static int collect_all(struct list *list, size_t want, int64_t below, struct hd_error *err) {
    if (list->by == list->kind->scan && list->kind->last)
        return collect_scan(list, want, below, err);
    if (list->dimension == 0)
        return collect(list, list->by, want, below, 0, err);
    int64_t mark = 0;
    int r = hd_behind_mark(list->connection, list->kind->source, &mark, err);
    if (!r)
        r = collect(list, list->kind->scan, want, below, mark, err);
    if (!r)
        r = collect(list, list->by, want, below <= mark ? below : mark + 1, 0, err);
    return r;
}

/* A cursor is the seq of the last item of the page before, as decimal digits. */
static int cursor_read(const char *cursor, int64_t *ret_below, struct hd_error *err) {
    *ret_below = INT64_MAX;
    if (!cursor)
        return 0;
    char *end = NULL;
    errno = 0;
    int64_t seq = strtoll(cursor, &end, 10);
    bool digits = cursor[0] >= '0' && cursor[0] <= '9';
    if (!digits || *end != '\0' || errno != 0 || seq <= 0)
        return hd_error_set(err, HD_ERR_MALFORMED, "this cursor is not one of ours");
    *ret_below = seq;
    return 0;
}

/* One page in one snapshot. One item more than asked for is read: whether it comes tells whether there is a next page. */
static int list_page(struct hd_store *store, struct hd_arena *arena, struct list *list, const struct hd_page *page,
                     const char **ret_next_cursor, struct hd_error *err) {
    assert(page->limit >= 1 && page->limit <= HD_PAGE_MAX);
    list->connection = &view_of(store)->connection;
    list->found = (struct collection){.arena = arena, .item_bytes = list->kind->item_bytes};
    int64_t below = 0;
    int r = cursor_read(page->cursor, &below, err);
    if (r)
        return r;
    bool own_snapshot = !list->connection->reading;
    if (own_snapshot)
        r = begin_reads(store, err);
    if (r)
        return r;
    r = collect_all(list, page->limit + 1, below, err);
    if (own_snapshot)
        end_reads(store);
    if (r)
        return r;
    int64_t end = list->stopped_at;
    if (list->found.count > page->limit) {
        list->found.count = page->limit;
        end = list->seqs[page->limit - 1];
    }
    const char *next = end ? hd_arena_printf(arena, "%" PRId64, end) : NULL;
    if (end && !next)
        return out_of_memory(err);
    *ret_next_cursor = next;
    return 0;
}

/* ---- tickets ---- */

static void read_ticket_item(struct row *row, void *item) {
    read_ticket(row, item);
}

static int bind_tickets(const struct list *list, sqlite3_stmt *query, enum statement which, int64_t below, int64_t above, int64_t limit,
                        struct hd_error *err) {
    const struct hd_ticket_filter *f = list->filter;
    (void)which;
    return hd_db_bind(list->connection, query, err, list->dimension && which == list->by ? "deeiiii" : "deeiii", f->owner_id, f->status,
                      f->priority, below, above, limit, (int64_t)list->dimension);
}

static const struct list_kind ticket_list = {
    sizeof(struct hd_ticket), 13, read_ticket_item, bind_tickets, STATEMENT_TICKETS_SCAN, BEHIND_TICKETS, STATEMENT_BEHIND_LAST_TICKET,
};

static int list_tickets(struct hd_store *store, struct hd_arena *arena, const struct hd_ticket_filter *filter, const struct hd_page *page,
                        const struct hd_ticket **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err) {
    struct list list = {.kind = &ticket_list, .filter = filter, .by = STATEMENT_TICKETS_SCAN};
    if (filter->owner_id) {
        list.by = STATEMENT_TICKETS_BEHIND;
        list.dimension = BEHIND_TICKET_OWNER;
    } else if (filter->status >= 0) {
        list.by = STATEMENT_TICKETS_BY_STATUS;
    }
    int r = list_page(store, arena, &list, page, ret_next_cursor, err);
    if (r)
        return r;
    *ret = (const struct hd_ticket *)(const void *)list.found.items;
    *ret_count = list.found.count;
    return 0;
}

/* ---- users ---- */

static void read_user_item(struct row *row, void *item) {
    read_user(row, item);
}

static int bind_users(const struct list *list, sqlite3_stmt *query, enum statement which, int64_t below, int64_t above, int64_t limit,
                      struct hd_error *err) {
    const struct hd_user_filter *f = list->filter;
    (void)which;
    (void)above;
    return hd_db_bind(list->connection, query, err, "etii", f->role, f->team, below, limit);
}

static const struct list_kind user_list = {sizeof(struct hd_user), 13, read_user_item, bind_users, STATEMENT_USERS_SCAN, 0, 0};

static int list_users(struct hd_store *store, struct hd_arena *arena, const struct hd_user_filter *filter, const struct hd_page *page,
                      const struct hd_user **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err) {
    struct list list = {.kind = &user_list, .filter = filter, .by = STATEMENT_USERS_SCAN};
    if (filter->team) {
        list.by = STATEMENT_USERS_BY_TEAM;
    } else if (filter->role >= 0) {
        list.by = STATEMENT_USERS_BY_ROLE;
    }
    int r = list_page(store, arena, &list, page, ret_next_cursor, err);
    if (r)
        return r;
    *ret = (const struct hd_user *)(const void *)list.found.items;
    *ret_count = list.found.count;
    return 0;
}

/* ---- notifications ---- */

static void read_notification_item(struct row *row, void *item) {
    read_notification(row, item);
}

static int bind_notifications(const struct list *list, sqlite3_stmt *query, enum statement which, int64_t below, int64_t above,
                              int64_t limit, struct hd_error *err) {
    const struct hd_notification_filter *f = list->filter;
    return hd_db_bind(list->connection, query, err, list->dimension && which == list->by ? "eedddiiiid" : "eedddiii", f->status, f->channel,
                      f->target, f->ticket_id, f->event_id, below, above, limit, (int64_t)list->dimension, list->key);
}

static const struct list_kind notification_list = {
    sizeof(struct hd_notification),     19, read_notification_item, bind_notifications, STATEMENT_NOTIFICATIONS_SCAN, BEHIND_NOTIFICATIONS,
    STATEMENT_BEHIND_LAST_NOTIFICATION,
};

/* The index that leaves the fewest rows to look at. Of those that are sent, which most are, status tells nothing. ticket_id: the filter's, or that of its event. */
static void choose_notification_index(const struct hd_notification_filter *f, const char *ticket_id, struct list *list) {
    list->by = STATEMENT_NOTIFICATIONS_BEHIND;
    if (ticket_id) {
        list->dimension = BEHIND_NOTIFICATION_TICKET;
        list->key = ticket_id;
    } else if (f->target) {
        list->dimension = BEHIND_NOTIFICATION_TARGET;
        list->key = f->target;
    } else if (f->status >= 0 && f->status != HD_SENT) {
        list->by = STATEMENT_NOTIFICATIONS_BY_STATUS;
    } else {
        list->by = STATEMENT_NOTIFICATIONS_SCAN;
    }
}

static int list_notifications(struct hd_store *store, struct hd_arena *arena, const struct hd_notification_filter *filter,
                              const struct hd_page *page, const struct hd_notification **ret, size_t *ret_count,
                              const char **ret_next_cursor, struct hd_error *err) {
    struct list list = {.kind = &notification_list, .filter = filter};
    const char *ticket_id = filter->ticket_id;
    if (filter->event_id && !ticket_id) {
        const struct hd_event *event = NULL;
        int r = get_event(store, arena, filter->event_id, &event, err);
        if (r)
            return r;
        if (event)
            ticket_id = event->ticket_id;
    }
    choose_notification_index(filter, ticket_id, &list);
    int r = list_page(store, arena, &list, page, ret_next_cursor, err);
    if (r)
        return r;
    *ret = (const struct hd_notification *)(const void *)list.found.items;
    *ret_count = list.found.count;
    return 0;
}

static int list_attempts(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_attempt **ret,
                         size_t *ret_count, struct hd_error *err) {
    struct connection *connection = &view_of(store)->connection;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *of = NULL;
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    struct collection found = {.arena = arena, .item_bytes = sizeof(struct hd_attempt)};
    bool more = false;
    int r = seek(store, STATEMENT_NOTIFICATION_STATE, "d", notification_id, &of, &more, err);
    if (!r && more) {
        int64_t first = (int64_t)((uint64_t)sqlite3_column_int64(of, 0) * 65536u);
        r = hd_db_statement(connection, STATEMENT_ATTEMPTS_GET, &query, err);
        if (!r)
            r = hd_db_bind(connection, query, err, "ii", first, first + 65535);
        if (!r)
            r = hd_db_step(connection, query, &more, err);
    }
    for (; !r && more; r = r ? r : hd_db_step(connection, query, &more, err)) {
        struct row row = {.statement = query, .arena = arena};
        struct hd_attempt *attempt = collection_add(&found);
        if (!attempt)
            return out_of_memory(err);
        *attempt = (struct hd_attempt){
            .notification_id = notification_id,
            .number = (int)hd_row_int(&row, 0),
            .at_ms = hd_row_int(&row, 1),
            .outcome = (enum hd_outcome_kind)hd_row_enum(&row, 2, HD_OUTCOME_COUNT),
            .provider = hd_row_text(&row, 3),
            .detail = hd_row_text(&row, 4),
            .duration_ms = hd_row_int(&row, 5),
        };
        r = hd_row_check(&row, err);
        if (!r && sqlite3_column_type(query, 6) != SQLITE_NULL)
            r = hd_decompress(sqlite3_column_blob(query, 6), (size_t)sqlite3_column_bytes(query, 6), arena, &attempt->message, err);
    }
    if (r)
        return r;
    *ret = (const struct hd_attempt *)(const void *)found.items;
    *ret_count = found.count;
    return 0;
}

/* ---- dead letters ---- */

static void read_dead_letter_item(struct row *row, void *item) {
    read_dead_letter(row, item);
}

static int bind_dead_letters(const struct list *list, sqlite3_stmt *query, enum statement which, int64_t below, int64_t above,
                             int64_t limit, struct hd_error *err) {
    const struct hd_dead_letter_filter *f = list->filter;
    (void)which;
    (void)above;
    return hd_db_bind(list->connection, query, err, "ttii", f->queue, f->reason, below, limit);
}

static const struct list_kind dead_letter_list = {
    sizeof(struct hd_dead_letter), 12, read_dead_letter_item, bind_dead_letters, STATEMENT_DEAD_LETTERS_SCAN, 0, 0,
};

static int list_dead_letters(struct hd_store *store, struct hd_arena *arena, const struct hd_dead_letter_filter *filter,
                             const struct hd_page *page, const struct hd_dead_letter **ret, size_t *ret_count, const char **ret_next_cursor,
                             struct hd_error *err) {
    struct list list = {.kind = &dead_letter_list, .filter = filter, .by = STATEMENT_DEAD_LETTERS_SCAN};
    if (filter->queue) {
        list.by = STATEMENT_DEAD_LETTERS_BY_QUEUE;
    } else if (filter->reason) {
        list.by = STATEMENT_DEAD_LETTERS_BY_REASON;
    }
    int r = list_page(store, arena, &list, page, ret_next_cursor, err);
    if (r)
        return r;
    *ret = (const struct hd_dead_letter *)(const void *)list.found.items;
    *ret_count = list.found.count;
    return 0;
}

/* ---- inbox ---- */

static void read_inbox_list_item(struct row *row, void *item) {
    read_inbox_item(row, item);
}

static int bind_inbox(const struct list *list, sqlite3_stmt *query, enum statement which, int64_t below, int64_t above, int64_t limit,
                      struct hd_error *err) {
    const struct hd_inbox_filter *f = list->filter;
    int64_t second = which == list->by ? list->dimension : f->unread;
    return hd_db_bind(list->connection, query, err, "diiii", f->user_id, second, below, above, limit);
}

static const struct list_kind inbox_list = {
    sizeof(struct hd_inbox_item), 8, read_inbox_list_item, bind_inbox, STATEMENT_INBOX_SCAN, BEHIND_INBOX, 0,
};

static int list_inbox(struct hd_store *store, struct hd_arena *arena, const struct hd_inbox_filter *filter, const struct hd_page *page,
                      const struct hd_inbox_item **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err) {
    struct list list = {.kind = &inbox_list, .filter = filter, .by = STATEMENT_INBOX_BEHIND};
    list.dimension = filter->unread ? BEHIND_INBOX_UNREAD : BEHIND_INBOX_USER;
    int r = list_page(store, arena, &list, page, ret_next_cursor, err);
    if (r)
        return r;
    *ret = (const struct hd_inbox_item *)(const void *)list.found.items;
    *ret_count = list.found.count;
    return 0;
}

/* Unread items above the mark, or up to it. */
static int count_unread_part(struct connection *connection, enum statement which, const char *user_id, int64_t mark, int64_t cap,
                             int64_t *count, struct hd_error *err) {
    HD_CLEANUP(hd_db_done) sqlite3_stmt *query = NULL;
    bool row = false;
    int r = hd_db_statement(connection, which, &query, err);
    if (!r)
        r = hd_db_bind(connection, query, err, "dii", user_id, mark, cap - *count);
    if (!r)
        r = hd_db_step(connection, query, &row, err);
    if (!r && row)
        *count += sqlite3_column_int64(query, 0);
    return r;
}

static int count_unread(struct hd_store *store, const char *user_id, int64_t cap, int64_t *ret_count, struct hd_error *err) {
    struct connection *connection = &view_of(store)->connection;
    bool own_snapshot = !connection->reading;
    int64_t mark = 0, count = 0;
    int r = own_snapshot ? begin_reads(store, err) : 0;
    if (r)
        return r;
    r = hd_behind_mark(connection, BEHIND_INBOX, &mark, err);
    if (!r)
        r = count_unread_part(connection, STATEMENT_UNREAD_TAIL, user_id, mark, cap, &count, err);
    if (!r)
        r = count_unread_part(connection, STATEMENT_UNREAD_BEHIND, user_id, mark, cap, &count, err);
    if (own_snapshot)
        end_reads(store);
    if (!r)
        *ret_count = count;
    return r;
}

/* ---- the view ---- */

static void close_view(struct hd_store *store) {
    struct sqlite_store *view = view_of(store);
    hd_db_close(&view->connection);
    free(view->concluded);
    hd_compressor_free(view->compressor);
    hd_behind_free(view->behind);
    free(view);
}

static const struct hd_store_ops ops = {
    .commit = hd_store_commit,
    .begin_reads = begin_reads,
    .end_reads = end_reads,
    .ticket = get_ticket,
    .user = get_user,
    .event = get_event,
    .processed = get_processed,
    .notification = get_notification,
    .dead_letter = get_dead_letter,
    .inbox_item = get_inbox_item,
    .answer = get_answer,
    .audit = get_audit,
    .attempts = list_attempts,
    .tickets = list_tickets,
    .users = list_users,
    .notifications = list_notifications,
    .dead_letters = list_dead_letters,
    .inbox = list_inbox,
    .unread = count_unread,
    .close = close_view,
};

static int remember_wal_pages(void *database, sqlite3 *db, const char *name, int pages) {
    (void)db;
    (void)name;
    atomic_store_explicit(&((struct hd_sqlite *)database)->wal_pages, pages, memory_order_relaxed);
    return SQLITE_OK;
}

int hd_sqlite_store(struct hd_sqlite *database, struct hd_store **ret_store, struct hd_error *err) {
    struct sqlite_store *view = calloc(1, sizeof *view);
    if (!view)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a store");
    view->base.ops = &ops;
    view->database = database;
    int r = hd_db_open(database, false, &view->connection, err);
    if (!r)
        r = hd_db_prepare_transactions(&view->connection, err);
    if (r) {
        hd_db_close(&view->connection);
        free(view);
        return r;
    }
    sqlite3_wal_hook(view->connection.db, remember_wal_pages, database);
    *ret_store = &view->base;
    return 0;
}
