#include "tests/support/memory.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/record.h"

/* ---- the state: tables of immutable values ---- */

struct mark {
    const char *processor;
    const char *event_id;
    int64_t at_ms;
};

struct message {
    int64_t number; /* its id */
    unsigned queue;
    unsigned lane;
    const char *body;
    int64_t enqueued_at_ms;
    int64_t visible_at_ms;
    int receive_count;
    int64_t receipt; /* the newest; 0: held by nobody */
};

static const struct hd_member mark_members[] = {
    HD_MEMBER(mark, processor),
    HD_MEMBER(mark, event_id),
    HD_MEMBER(mark, at_ms),
};
static const struct hd_record mark_record = {"mark", sizeof(struct mark), mark_members, HD_ARRAY_LEN(mark_members)};

static const struct hd_member message_members[] = {
    HD_MEMBER(message, number),         HD_MEMBER(message, queue),         HD_MEMBER(message, lane),          HD_MEMBER(message, body),
    HD_MEMBER(message, enqueued_at_ms), HD_MEMBER(message, visible_at_ms), HD_MEMBER(message, receive_count), HD_MEMBER(message, receipt),
};
static const struct hd_record message_record = {"message", sizeof(struct message), message_members, HD_ARRAY_LEN(message_members)};

enum table_name { TICKETS, USERS, EVENTS, MARKS, NOTIFICATIONS, ATTEMPTS, INBOX, DEAD_LETTERS, AUDITS, ANSWERS, MESSAGES, TABLE_COUNT };

static const struct hd_record *const records[TABLE_COUNT] = {
    [TICKETS] = &hd_ticket_record,
    [USERS] = &hd_user_record,
    [EVENTS] = &hd_event_record,
    [MARKS] = &mark_record,
    [NOTIFICATIONS] = &hd_notification_record,
    [ATTEMPTS] = &hd_attempt_record,
    [INBOX] = &hd_inbox_item_record,
    [DEAD_LETTERS] = &hd_dead_letter_record,
    [AUDITS] = &hd_audit_record,
    [ANSWERS] = &hd_answer_record,
    [MESSAGES] = &message_record,
};

struct row {
    int64_t number; /* grows with every row that is added; a changed row keeps it: the order of lists */
    const void *value;
};

struct table {
    struct row *rows; /* oldest first */
    size_t count;
    size_t capacity;
};

struct state {
    struct table tables[TABLE_COUNT];
};

struct hd_memory {
    pthread_mutex_t mutex;
    struct hd_arena *values; /* every value that ever was */
    struct state state;
    int64_t last_number;
    int64_t last_receipt;
    int64_t last_message;
    int fail_in; /* calls until the one that fails; 0: none */
    enum hd_code fail_code;
    bool lose_answer;
};

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

static struct state state_copy(const struct state *from) {
    struct state copy = *from;
    for (int t = 0; t < TABLE_COUNT; t++) {
        struct table *table = &copy.tables[t];
        if (!table->rows)
            continue;
        table->capacity = table->count + 1;
        table->rows = must(malloc(table->capacity * sizeof(*table->rows)));
        memcpy(table->rows, from->tables[t].rows, table->count * sizeof(*table->rows));
    }
    return copy;
}

static void state_free(struct state *state) {
    for (int t = 0; t < TABLE_COUNT; t++)
        free(state->tables[t].rows);
    *state = (struct state){0};
}

static const void *value_copy(struct hd_memory *memory, enum table_name name, const void *value) {
    return must(hd_record_copy(records[name], memory->values, value));
}

static void add(struct hd_memory *memory, enum table_name name, const void *value) {
    struct table *table = &memory->state.tables[name];
    if (table->count == table->capacity) {
        table->capacity = table->capacity * 2 + 16;
        table->rows = must(realloc(table->rows, table->capacity * sizeof(*table->rows)));
    }
    table->rows[table->count++] = (struct row){.number = ++memory->last_number, .value = value_copy(memory, name, value)};
}

static void replace(struct hd_memory *memory, enum table_name name, struct row *row, const void *value) {
    row->value = value_copy(memory, name, value);
}

static void take_away(struct hd_memory *memory, enum table_name name, struct row *row) {
    struct table *table = &memory->state.tables[name];
    size_t at = (size_t)(row - table->rows);
    memmove(row, row + 1, (table->count - at - 1) * sizeof(*row));
    table->count--;
}

/* The id is the first member of every value that is found by one. */
static struct row *find(struct hd_memory *memory, enum table_name name, const char *id) {
    struct table *table = &memory->state.tables[name];
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(*(const char *const *)table->rows[i].value, id) == 0)
            return &table->rows[i];
    }
    return NULL;
}

static struct row *find_mark(struct hd_memory *memory, const char *processor, const char *event_id) {
    struct table *table = &memory->state.tables[MARKS];
    for (size_t i = 0; i < table->count; i++) {
        const struct mark *mark = table->rows[i].value;
        if (strcmp(mark->processor, processor) == 0 && strcmp(mark->event_id, event_id) == 0)
            return &table->rows[i];
    }
    return NULL;
}

static struct row *find_attempt(struct hd_memory *memory, const char *notification_id, int number) {
    struct table *table = &memory->state.tables[ATTEMPTS];
    for (size_t i = 0; i < table->count; i++) {
        const struct hd_attempt *attempt = table->rows[i].value;
        if (strcmp(attempt->notification_id, notification_id) == 0 && attempt->number == number)
            return &table->rows[i];
    }
    return NULL;
}

/* The message whose newest receipt this is. */
static struct row *find_held(struct hd_memory *memory, const struct hd_message *message) {
    int64_t receipt = strtoll(message->receipt, NULL, 10);
    struct table *table = &memory->state.tables[MESSAGES];
    for (size_t i = 0; receipt > 0 && i < table->count; i++) {
        const struct message *held = table->rows[i].value;
        if (held->receipt == receipt && held->queue == (unsigned)message->queue)
            return &table->rows[i];
    }
    return NULL;
}

/* ---- changes: each says whether its condition held; only then it has changed something ---- */

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool put_ticket(struct hd_memory *memory, const struct hd_change *change) {
    const struct hd_ticket *ticket = change->put_ticket.ticket;
    int64_t if_version = change->put_ticket.if_version;
    struct row *row = find(memory, TICKETS, ticket->ticket_id);
    if ((row ? ((const struct hd_ticket *)row->value)->version : 0) != if_version)
        return false;
    if (row)
        replace(memory, TICKETS, row, ticket);
    else
        add(memory, TICKETS, ticket);
    return true;
}

static bool email_is_free(struct hd_memory *memory, const struct hd_user *for_user) {
    struct table *table = &memory->state.tables[USERS];
    for (size_t i = 0; for_user->email && i < table->count; i++) {
        const struct hd_user *user = table->rows[i].value;
        if (user->email && strcasecmp(user->email, for_user->email) == 0 && strcmp(user->user_id, for_user->user_id) != 0)
            return false;
    }
    return true;
}

static bool put_user(struct hd_memory *memory, const struct hd_change *change) {
    const struct hd_user *user = change->put_user.user;
    int64_t if_version = change->put_user.if_version;
    struct row *row = find(memory, USERS, user->user_id);
    if ((row ? ((const struct hd_user *)row->value)->version : 0) != if_version || !email_is_free(memory, user))
        return false;
    if (row)
        replace(memory, USERS, row, user);
    else
        add(memory, USERS, user);
    return true;
}

static bool add_if_absent(struct hd_memory *memory, enum table_name name, const void *value) {
    if (find(memory, name, *(const char *const *)value))
        return false;
    add(memory, name, value);
    return true;
}

static bool mark_processed(struct hd_memory *memory, const struct hd_change *change) {
    if (find_mark(memory, change->processed.processor, change->processed.event_id))
        return false;
    struct mark mark = {.processor = change->processed.processor, .event_id = change->processed.event_id, .at_ms = change->processed.at_ms};
    add(memory, MARKS, &mark);
    return true;
}

static bool move_notification(struct hd_memory *memory, const struct hd_change *change) {
    struct row *row = find(memory, NOTIFICATIONS, change->move.to->notification_id);
    if (!row)
        return false;
    const struct hd_notification *now = row->value;
    if (now->status != change->move.if_status || now->attempts != change->move.if_attempts ||
        !same(now->owner_token, change->move.if_owner))
        return false;
    replace(memory, NOTIFICATIONS, row, change->move.to);
    return true;
}

static bool append_attempt(struct hd_memory *memory, const struct hd_change *change) {
    if (find_attempt(memory, change->attempt->notification_id, change->attempt->number))
        return false;
    add(memory, ATTEMPTS, change->attempt);
    return true;
}

static bool read_inbox_item(struct hd_memory *memory, const struct hd_change *change) {
    struct row *row = find(memory, INBOX, change->read.notification_id);
    if (!row || strcmp(((const struct hd_inbox_item *)row->value)->user_id, change->read.user_id) != 0)
        return false;
    struct hd_inbox_item item = *(const struct hd_inbox_item *)row->value;
    if (item.read_at_ms == 0) {
        item.read_at_ms = change->read.at_ms;
        replace(memory, INBOX, row, &item);
    }
    return true;
}

static bool remove_dead_letter(struct hd_memory *memory, const struct hd_change *change) {
    struct row *row = find(memory, DEAD_LETTERS, change->dead_letter_id);
    if (!row)
        return false;
    take_away(memory, DEAD_LETTERS, row);
    return true;
}

static bool enqueue(struct hd_memory *memory, const struct hd_change *change) {
    struct message message = {.number = ++memory->last_message,
                              .queue = change->enqueue.queue,
                              .lane = change->enqueue.lane,
                              .body = change->enqueue.body,
                              .enqueued_at_ms = change->enqueue.now_ms,
                              .visible_at_ms = change->enqueue.now_ms + change->enqueue.delay_ms};
    add(memory, MESSAGES, &message);
    return true;
}

static bool acknowledge(struct hd_memory *memory, const struct hd_change *change) {
    struct row *row = find_held(memory, change->message);
    if (!row)
        return false;
    take_away(memory, MESSAGES, row);
    return true;
}

static bool postpone(struct hd_memory *memory, const struct hd_change *change) {
    struct row *row = find_held(memory, change->postpone.message);
    if (!row)
        return false;
    struct message message = *(const struct message *)row->value;
    message.visible_at_ms = change->postpone.now_ms + change->postpone.delay_ms;
    message.receipt = 0;
    replace(memory, MESSAGES, row, &message);
    return true;
}

static bool apply(struct hd_memory *memory, const struct hd_change *change) {
    switch (change->kind) {
    case HD_CHANGE_PUT_TICKET:
        return put_ticket(memory, change);
    case HD_CHANGE_PUT_USER:
        return put_user(memory, change);
    case HD_CHANGE_APPEND_EVENT:
        return add_if_absent(memory, EVENTS, change->event);
    case HD_CHANGE_MARK_PROCESSED:
        return mark_processed(memory, change);
    case HD_CHANGE_PUT_NOTIFICATION:
        return add_if_absent(memory, NOTIFICATIONS, change->notification);
    case HD_CHANGE_MOVE_NOTIFICATION:
        return move_notification(memory, change);
    case HD_CHANGE_APPEND_ATTEMPT:
        return append_attempt(memory, change);
    case HD_CHANGE_PUT_INBOX_ITEM:
        return add_if_absent(memory, INBOX, change->inbox_item);
    case HD_CHANGE_READ_INBOX_ITEM:
        return read_inbox_item(memory, change);
    case HD_CHANGE_PUT_DEAD_LETTER:
        return add_if_absent(memory, DEAD_LETTERS, change->dead_letter);
    case HD_CHANGE_REMOVE_DEAD_LETTER:
        return remove_dead_letter(memory, change);
    case HD_CHANGE_APPEND_AUDIT:
        return add_if_absent(memory, AUDITS, change->audit);
    case HD_CHANGE_REMEMBER_ANSWER:
        return add_if_absent(memory, ANSWERS, change->answer);
    case HD_CHANGE_ENQUEUE:
        return enqueue(memory, change);
    case HD_CHANGE_ACKNOWLEDGE:
        return acknowledge(memory, change);
    case HD_CHANGE_POSTPONE:
        return postpone(memory, change);
    case HD_CHANGE_KIND_COUNT:
        break;
    }
    abort();
}

/* ---- entering, with the faults ---- */

struct store_view {
    struct hd_store store;
    struct hd_memory *memory;
};

struct queue_view {
    struct hd_queue queue;
    struct hd_memory *memory;
};

static struct hd_memory *memory_of(struct hd_store *store) {
    return ((struct store_view *)store)->memory;
}

/* Locks, unless it is this call that fails. */
static int enter(struct hd_memory *memory, struct hd_error *err) {
    pthread_mutex_lock(&memory->mutex);
    if (memory->fail_in > 0 && --memory->fail_in == 0) {
        enum hd_code code = memory->fail_code;
        pthread_mutex_unlock(&memory->mutex);
        return hd_error_set(err, code, "injected fault");
    }
    return 0;
}

static void leave(struct hd_memory *memory) {
    pthread_mutex_unlock(&memory->mutex);
}

static int no_room(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "the caller's arena is full");
}

/* ---- the store ---- */

static struct hd_commit_result commit_one(struct hd_memory *memory, const struct hd_changeset *set) {
    if (set->failure)
        return (struct hd_commit_result){.code = set->failure};
    struct state before = state_copy(&memory->state);
    for (size_t i = 0; i < set->count; i++) {
        if (!apply(memory, &set->changes[i])) {
            state_free(&memory->state);
            memory->state = before;
            return (struct hd_commit_result){.code = HD_ERR_CONFLICT, .change = i};
        }
    }
    state_free(&before);
    return (struct hd_commit_result){0};
}

static int commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                  struct hd_error *err) {
    assert(count <= HD_COMMIT_MAX);
    struct hd_memory *memory = memory_of(store);
    int r = enter(memory, err);
    if (r < 0)
        return r;
    bool lost = memory->lose_answer;
    memory->lose_answer = false;
    for (size_t i = 0; i < count; i++) {
        struct hd_commit_result result = commit_one(memory, sets[i]);
        if (!lost)
            ret_results[i] = result;
    }
    leave(memory);
    return lost ? hd_error_set(err, HD_ERR_UNAVAILABLE, "injected fault: the answer was lost") : 0;
}

static int begin_reads(struct hd_store *store, struct hd_error *err) {
    (void)store;
    (void)err;
    return 0;
}

static void end_reads(struct hd_store *store) {
    (void)store;
}

/* *ret is set on success only: the value's copy, or NULL when there is none. */
static int read_one(struct hd_store *store, struct hd_arena *arena, enum table_name name, const char *id, const void **ret,
                    struct hd_error *err) {
    struct hd_memory *memory = memory_of(store);
    int r = enter(memory, err);
    if (r < 0)
        return r;
    struct row *row = find(memory, name, id);
    const void *copy = row ? hd_record_copy(records[name], arena, row->value) : NULL;
    bool full = row && !copy;
    leave(memory);
    if (full)
        return no_room(err);
    *ret = copy;
    return 0;
}

#define READ_ONE(function, table, type)                                                                                                  \
    static int function(struct hd_store *store, struct hd_arena *arena, const char *id, const struct type **ret, struct hd_error *err) { \
        const void *value = NULL;                                                                                                        \
        int r = read_one(store, arena, table, id, &value, err);                                                                          \
        if (r == 0)                                                                                                                      \
            *ret = value;                                                                                                                \
        return r;                                                                                                                        \
    }
READ_ONE(read_ticket, TICKETS, hd_ticket)
READ_ONE(read_user, USERS, hd_user)
READ_ONE(read_event, EVENTS, hd_event)
READ_ONE(read_notification, NOTIFICATIONS, hd_notification)
READ_ONE(read_dead_letter, DEAD_LETTERS, hd_dead_letter)
READ_ONE(read_item, INBOX, hd_inbox_item)
READ_ONE(read_answer, ANSWERS, hd_answer)
READ_ONE(read_audit, AUDITS, hd_audit)

static int read_processed(struct hd_store *store, const char *processor, const char *event_id, bool *ret, struct hd_error *err) {
    struct hd_memory *memory = memory_of(store);
    int r = enter(memory, err);
    if (r < 0)
        return r;
    *ret = find_mark(memory, processor, event_id) != NULL;
    leave(memory);
    return 0;
}

static int oldest_attempt_first(const void *a, const void *b) {
    const struct hd_attempt *left = a;
    const struct hd_attempt *right = b;
    return (left->number > right->number) - (left->number < right->number);
}

static int read_attempts(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_attempt **ret,
                         size_t *ret_count, struct hd_error *err) {
    struct hd_memory *memory = memory_of(store);
    int r = enter(memory, err);
    if (r < 0)
        return r;
    const struct table *table = &memory->state.tables[ATTEMPTS];
    size_t room = 0;
    for (size_t i = 0; i < table->count; i++)
        room += strcmp(((const struct hd_attempt *)table->rows[i].value)->notification_id, notification_id) == 0;
    struct hd_attempt *attempts = hd_arena_calloc(arena, room, sizeof(*attempts));
    size_t count = 0;
    bool full = !attempts;
    for (size_t i = 0; !full && i < table->count; i++) {
        const struct hd_attempt *attempt = table->rows[i].value;
        if (strcmp(attempt->notification_id, notification_id) == 0)
            full = !hd_record_copy_into(&hd_attempt_record, arena, &attempts[count++], attempt);
    }
    leave(memory);
    if (full)
        return no_room(err);
    if (count > 1)
        qsort(attempts, count, sizeof(*attempts), oldest_attempt_first);
    *ret = attempts;
    *ret_count = count;
    return 0;
}

/* ---- lists ---- */

static bool ticket_matches(const void *value, const void *filter) {
    const struct hd_ticket *ticket = value;
    const struct hd_ticket_filter *wanted = filter;
    return (!wanted->owner_id || same(ticket->owner_id, wanted->owner_id)) &&
           (wanted->status < 0 || (int)ticket->status == wanted->status) &&
           (wanted->priority < 0 || (int)ticket->priority == wanted->priority);
}

static bool user_matches(const void *value, const void *filter) {
    const struct hd_user *user = value;
    const struct hd_user_filter *wanted = filter;
    return (wanted->role < 0 || (int)user->role == wanted->role) && (!wanted->team || same(user->team, wanted->team));
}

static bool notification_matches(const void *value, const void *filter) {
    const struct hd_notification *notification = value;
    const struct hd_notification_filter *wanted = filter;
    return (wanted->status < 0 || (int)notification->status == wanted->status) &&
           (wanted->channel < 0 || (int)notification->channel == wanted->channel) &&
           (!wanted->target || same(notification->target, wanted->target)) &&
           (!wanted->ticket_id || same(notification->ticket_id, wanted->ticket_id)) &&
           (!wanted->event_id || same(notification->event_id, wanted->event_id));
}

static bool dead_letter_matches(const void *value, const void *filter) {
    const struct hd_dead_letter *letter = value;
    const struct hd_dead_letter_filter *wanted = filter;
    return (!wanted->queue || same(letter->queue, wanted->queue)) && (!wanted->reason || same(letter->reason, wanted->reason));
}

static bool inbox_item_matches(const void *value, const void *filter) {
    const struct hd_inbox_item *item = value;
    const struct hd_inbox_filter *wanted = filter;
    return same(item->user_id, wanted->user_id) && (!wanted->unread || item->read_at_ms == 0);
}

/* A cursor is the number of the last item that was given. */
static bool cursor_read(const char *cursor, int64_t *ret_below) {
    if (!cursor) {
        *ret_below = INT64_MAX;
        return true;
    }
    if (strspn(cursor, "0123456789") != strlen(cursor) || cursor[0] == '\0')
        return false;
    errno = 0;
    long long number = strtoll(cursor, NULL, 10);
    if (errno || number <= 0)
        return false;
    *ret_below = number;
    return true;
}

struct list {
    void *values; /* an array of the record's type */
    size_t count;
    const char *next;
};

/* False when the arena is full. */
static bool list_fill(const struct table *table, const struct hd_record *record, struct hd_arena *arena,
                      bool (*matches)(const void *, const void *), const void *filter, size_t limit, int64_t below, struct list *list) {
    int64_t last = 0;
    for (size_t i = table->count; i-- > 0;) {
        const struct row *row = &table->rows[i];
        if (row->number >= below || !matches(row->value, filter))
            continue;
        if (list->count == limit) {
            list->next = hd_arena_printf(arena, "%" PRId64, last);
            return list->next != NULL;
        }
        if (!hd_record_copy_into(record, arena, (char *)list->values + list->count * record->bytes, row->value))
            return false;
        list->count++;
        last = row->number;
    }
    return true;
}

static int read_list(struct hd_store *store, struct hd_arena *arena, enum table_name name, bool (*matches)(const void *, const void *),
                     const void *filter, const struct hd_page *page, struct list *ret, struct hd_error *err) {
    assert(page->limit >= 1 && page->limit <= HD_PAGE_MAX);
    int64_t below;
    if (!cursor_read(page->cursor, &below))
        return hd_error_set(err, HD_ERR_MALFORMED, "this is no cursor of ours");
    struct hd_memory *memory = memory_of(store);
    int r = enter(memory, err);
    if (r < 0)
        return r;
    struct list list = {.values = hd_arena_calloc(arena, page->limit, records[name]->bytes)};
    bool full = !list.values || !list_fill(&memory->state.tables[name], records[name], arena, matches, filter, page->limit, below, &list);
    leave(memory);
    if (full)
        return no_room(err);
    *ret = list;
    return 0;
}

#define READ_LIST(function, table, matches, filter_type, type)                                                                        \
    static int function(struct hd_store *store, struct hd_arena *arena, const struct filter_type *filter, const struct hd_page *page, \
                        const struct type **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err) {             \
        struct list list;                                                                                                             \
        int r = read_list(store, arena, table, matches, filter, page, &list, err);                                                    \
        if (r < 0)                                                                                                                    \
            return r;                                                                                                                 \
        *ret = list.values;                                                                                                           \
        *ret_count = list.count;                                                                                                      \
        *ret_next_cursor = list.next;                                                                                                 \
        return 0;                                                                                                                     \
    }
READ_LIST(list_tickets, TICKETS, ticket_matches, hd_ticket_filter, hd_ticket)
READ_LIST(list_users, USERS, user_matches, hd_user_filter, hd_user)
READ_LIST(list_notifications, NOTIFICATIONS, notification_matches, hd_notification_filter, hd_notification)
READ_LIST(list_dead_letters, DEAD_LETTERS, dead_letter_matches, hd_dead_letter_filter, hd_dead_letter)
READ_LIST(list_inbox, INBOX, inbox_item_matches, hd_inbox_filter, hd_inbox_item)

static int count_unread(struct hd_store *store, const char *user_id, int64_t cap, int64_t *ret_count, struct hd_error *err) {
    struct hd_memory *memory = memory_of(store);
    int r = enter(memory, err);
    if (r < 0)
        return r;
    const struct hd_inbox_filter filter = {.user_id = user_id, .unread = true};
    const struct table *table = &memory->state.tables[INBOX];
    int64_t count = 0;
    for (size_t i = 0; i < table->count && count < cap; i++)
        count += inbox_item_matches(table->rows[i].value, &filter);
    leave(memory);
    *ret_count = count;
    return 0;
}

static void close_store(struct hd_store *store) {
    free(store);
}

static const struct hd_store_ops store_ops = {
    .commit = commit,
    .begin_reads = begin_reads,
    .end_reads = end_reads,
    .ticket = read_ticket,
    .user = read_user,
    .event = read_event,
    .processed = read_processed,
    .notification = read_notification,
    .dead_letter = read_dead_letter,
    .inbox_item = read_item,
    .answer = read_answer,
    .audit = read_audit,
    .attempts = read_attempts,
    .tickets = list_tickets,
    .users = list_users,
    .notifications = list_notifications,
    .dead_letters = list_dead_letters,
    .inbox = list_inbox,
    .unread = count_unread,
    .close = close_store,
};

/* ---- the queue ---- */

/* The first visible message of a lane at or behind *at, or NULL. */
static struct row *next_visible(struct table *table, unsigned queue, unsigned lane, int64_t now_ms, size_t *at) {
    for (; *at < table->count; ++*at) {
        const struct message *message = table->rows[*at].value;
        if (message->queue == queue && message->lane == lane && message->visible_at_ms <= now_ms)
            return &table->rows[(*at)++];
    }
    return NULL;
}

static bool message_copy(struct hd_arena *arena, const struct message *from, int64_t receipt, struct hd_message *to) {
    *to = (struct hd_message){.queue = (enum hd_queue_name)from->queue,
                              .lane = (enum hd_lane)from->lane,
                              .receipt = hd_arena_printf(arena, "%" PRId64, receipt),
                              .body = hd_arena_strdup(arena, from->body),
                              .receive_count = from->receive_count + 1,
                              .enqueued_at_ms = from->enqueued_at_ms,
                              .message_id = hd_arena_printf(arena, "m-%" PRId64, from->number)};
    return to->receipt && to->body && to->message_id;
}

/* Copies first and claims afterwards, so that a full arena takes nothing. */
static int take_visible(struct hd_memory *memory, enum hd_queue_name name, size_t max, int64_t now_ms, int64_t visibility_ms,
                        struct hd_arena *arena, struct hd_message **ret_messages, size_t *ret_count, struct hd_error *err) {
    struct hd_message *messages = hd_arena_calloc(arena, max, sizeof(*messages));
    struct row **rows = must(calloc(max + 1, sizeof(struct row *)));
    size_t count = 0;
    bool full = !messages;
    for (unsigned lane = 0; lane < HD_LANE_COUNT; lane++) {
        size_t at = 0;
        struct row *row = NULL;
        while (!full && count < max && (row = next_visible(&memory->state.tables[MESSAGES], name, lane, now_ms, &at))) {
            full = !message_copy(arena, row->value, memory->last_receipt + 1 + (int64_t)count, &messages[count]);
            rows[count++] = row;
        }
    }
    for (size_t i = 0; !full && i < count; i++) {
        struct message claimed = *(const struct message *)rows[i]->value;
        claimed.receive_count++;
        claimed.receipt = ++memory->last_receipt;
        claimed.visible_at_ms = now_ms + visibility_ms;
        replace(memory, MESSAGES, rows[i], &claimed);
    }
    free(rows);
    if (full)
        return no_room(err);
    *ret_messages = messages;
    *ret_count = count;
    return 0;
}

static int64_t next_due(const struct table *table, enum hd_queue_name name, int64_t now_ms) {
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < table->count; i++) {
        const struct message *message = table->rows[i].value;
        if (message->queue == (unsigned)name && message->visible_at_ms > now_ms && message->visible_at_ms < due_ms)
            due_ms = message->visible_at_ms;
    }
    return due_ms;
}

static int receive(struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t now_ms, int64_t visibility_ms,
                   struct hd_arena *arena, struct hd_message **ret_messages, size_t *ret_count, int64_t *ret_next_due_ms,
                   struct hd_error *err) {
    assert(max <= HD_RECEIVE_MAX);
    struct hd_memory *memory = ((struct queue_view *)queue)->memory;
    int r = enter(memory, err);
    if (r < 0)
        return r;
    r = take_visible(memory, name, max, now_ms, visibility_ms, arena, ret_messages, ret_count, err);
    if (r == 0)
        *ret_next_due_ms = next_due(&memory->state.tables[MESSAGES], name, now_ms);
    leave(memory);
    return r;
}

static int extend(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t visibility_ms, struct hd_error *err) {
    struct hd_memory *memory = ((struct queue_view *)queue)->memory;
    int r = enter(memory, err);
    if (r < 0)
        return r;
    struct row *row = find_held(memory, message);
    if (row) {
        struct message extended = *(const struct message *)row->value;
        extended.visible_at_ms = now_ms + visibility_ms;
        replace(memory, MESSAGES, row, &extended);
    }
    leave(memory);
    return row ? 0 : hd_error_set(err, HD_ERR_CONFLICT, "the message is no longer held by this receipt");
}

static int depth(struct hd_queue *queue, enum hd_queue_name name, int64_t now_ms, struct hd_queue_depth *ret_depth, struct hd_error *err) {
    struct hd_memory *memory = ((struct queue_view *)queue)->memory;
    int r = enter(memory, err);
    if (r < 0)
        return r;
    struct hd_queue_depth found = {0};
    const struct table *table = &memory->state.tables[MESSAGES];
    for (size_t i = 0; i < table->count; i++) {
        const struct message *message = table->rows[i].value;
        if (message->queue != (unsigned)name)
            continue;
        if (message->visible_at_ms <= now_ms)
            found.visible++;
        else if (message->receipt)
            found.in_flight++;
        else
            found.delayed++;
        if (found.oldest_ms == 0 || message->enqueued_at_ms < found.oldest_ms)
            found.oldest_ms = message->enqueued_at_ms;
    }
    leave(memory);
    *ret_depth = found;
    return 0;
}

static void close_queue(struct hd_queue *queue) {
    free(queue);
}

static const struct hd_queue_ops queue_ops = {
    .receive = receive, .extend = extend, .give_back = extend, .depth = depth, .close = close_queue};

/* ---- the thing itself ---- */

struct hd_memory *hd_memory_new(void) {
    struct hd_memory *memory = must(calloc(1, sizeof(*memory)));
    memory->values = must(hd_arena_new(SIZE_MAX));
    pthread_mutex_init(&memory->mutex, NULL);
    return memory;
}

void hd_memory_free(struct hd_memory *memory) {
    if (!memory)
        return;
    state_free(&memory->state);
    hd_arena_free(memory->values);
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

struct hd_store *hd_memory_store(struct hd_memory *memory) {
    struct store_view *view = must(calloc(1, sizeof(*view)));
    *view = (struct store_view){.store = {.ops = &store_ops}, .memory = memory};
    return &view->store;
}

struct hd_queue *hd_memory_queue(struct hd_memory *memory) {
    struct queue_view *view = must(calloc(1, sizeof(*view)));
    *view = (struct queue_view){.queue = {.ops = &queue_ops}, .memory = memory};
    return &view->queue;
}

void hd_memory_crash(struct hd_memory *memory) {
    pthread_mutex_lock(&memory->mutex);
    struct table *table = &memory->state.tables[MESSAGES];
    for (size_t i = 0; i < table->count; i++) {
        struct message message = *(const struct message *)table->rows[i].value;
        if (message.receipt == 0)
            continue;
        message.receipt = 0;
        message.visible_at_ms = 0;
        replace(memory, MESSAGES, &table->rows[i], &message);
    }
    memory->lose_answer = false;
    memory->fail_in = 0;
    pthread_mutex_unlock(&memory->mutex);
}

void hd_memory_fail_next(struct hd_memory *memory, int n, enum hd_code code) {
    pthread_mutex_lock(&memory->mutex);
    memory->fail_in = n;
    memory->fail_code = code;
    pthread_mutex_unlock(&memory->mutex);
}

void hd_memory_lose_answer(struct hd_memory *memory) {
    pthread_mutex_lock(&memory->mutex);
    memory->lose_answer = true;
    pthread_mutex_unlock(&memory->mutex);
}
