/* Lists: an index says which items, newest first; then the items themselves are read, consistently, so that what is shown of a thing is as it is now, whatever the index still thinks. What no
 * index answers is filtered here, with a bounded amount looked at for a page.
 *
 * A list of everything, or of everything in a state, has eight shards, asked side by side and merged by the order key. A cursor is the order key of the last item that was looked at, whatever the shard. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/store.h"
#include "base/base64.h"

enum {
    LOOK_STEP = 100,  /* items that are read at once while a filter is applied: a BatchGetItem */
    COUNT_MAX = 5000, /* entries that one request counts */
    LOOK_MAX = 1000,  /* looked at for one page; then it is given as it is */
    ORDER_MAX_LEN = HD_ITEM_ORDER_TIME_DIGITS + 1 + HD_ID_MAX_LEN,
};

/* Which index, and what stands in it: the prefix alone, or one for each shard. */
struct source {
    const char *index;
    const char *key;   /* its partition's attribute */
    const char *value; /* of the attribute; the shard's number is appended when sharded */
    bool sharded;
    bool filtered; /* the filter asks for more than the index answers */
};

struct listing {
    struct hd_aws_store *s;
    struct hd_arena *arena; /* the caller's */
    enum hd_item_kind kind;
    struct source source;
    bool (*matches)(const void *value, const void *filter);
    const void *filter;
    size_t limit;

    const char *before; /* the order key that comes next must be smaller; NULL: from the newest */
    const char *last;   /* the order key that was looked at last */
    bool more;          /* something stands behind it */
    char *values;
    size_t count;
};

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a list");
}

/* ---- cursors ---- */

static bool is_order(const char *text, size_t len) {
    if (len < HD_ITEM_ORDER_TIME_DIGITS + 2 || len > ORDER_MAX_LEN || strlen(text) != len)
        return false;
    for (size_t i = 0; i < HD_ITEM_ORDER_TIME_DIGITS; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return text[HD_ITEM_ORDER_TIME_DIGITS] == '#' && hd_id_acceptable(text + HD_ITEM_ORDER_TIME_DIGITS + 1);
}

static int read_cursor(struct listing *l, const char *cursor, struct hd_error *err) {
    if (!cursor)
        return 0;
    void *text = (void *)l;
    size_t bytes = 0;
    size_t len = strnlen(cursor, HD_CURSOR_MAX_LEN + 1);
    if (len > HD_CURSOR_MAX_LEN || !hd_base64_decode(l->s->scratch, cursor, len, &text, &bytes))
        return text ? hd_error_set(err, HD_ERR_MALFORMED, "this is no cursor of ours") : no_memory(err);
    if (!is_order(text, bytes))
        return hd_error_set(err, HD_ERR_MALFORMED, "this is no cursor of ours");
    l->before = text;
    return 0;
}

static int write_cursor(struct listing *l, const char **ret, struct hd_error *err) {
    *ret = NULL;
    if (!l->more)
        return 0;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    hd_base64url_add(&out, l->last, strlen(l->last));
    int rc = hd_buffer_check(&out, err);
    if (!rc && !(*ret = hd_arena_strdup(l->arena, hd_buffer_text(&out))))
        rc = no_memory(err);
    return rc;
}

/* ---- the index ---- */

static int write_query(const struct listing *l, unsigned shard, size_t want, struct hd_buffer *body, struct hd_error *err) {
    const struct source *from = &l->source;
    const char *value = from->sharded ? hd_arena_printf(l->s->scratch, "%s%u", from->value, shard) : from->value;
    if (!value)
        return no_memory(err);
    struct hd_json_writer w = hd_dynamo_open(l->s, body);
    hd_json_put_str(&w, "IndexName", from->index);
    hd_json_put_bool(&w, "ScanIndexForward", false);
    hd_json_put_str(&w, "KeyConditionExpression", l->before ? "#k = :k AND #o < :o" : "#k = :k");
    hd_json_open_object(&w, "ExpressionAttributeNames");
    hd_json_put_str(&w, "#k", from->key);
    if (l->before)
        hd_json_put_str(&w, "#o", "o");
    hd_json_close_object(&w);
    hd_json_open_object(&w, "ExpressionAttributeValues");
    hd_item_put_text(&w, ":k", value);
    if (l->before)
        hd_item_put_text(&w, ":o", l->before);
    hd_json_close_object(&w);
    hd_json_put_int(&w, "Limit", (json_int_t)want);
    return hd_dynamo_close(&w, err);
}

struct entry {
    struct hd_aws_key key;
    const char *order;
};

static int newest_first(const void *a, const void *b) {
    const struct entry *left = a;
    const struct entry *right = b;
    return strcmp(right->order, left->order);
}

struct entries {
    struct entry *list; /* newest first */
    size_t count;
    size_t certain; /* how many of them stand in the list's order for sure: behind them a shard may have more */
    bool all;       /* no shard has more */
    size_t shards;
    const char *horizon; /* the newest of what shards that have more gave last; NULL: none has more */
    struct hd_buffer bodies[HD_ITEM_SHARDS];
    struct hd_aws_request requests[HD_ITEM_SHARDS];
    struct hd_aws_response responses[HD_ITEM_SHARDS];
};

static int take_entries(struct listing *l, struct entries *e, size_t shard, size_t want, struct hd_error *err) {
    if (e->responses[shard].code)
        return hd_aws_response_error(&e->requests[shard], &e->responses[shard], err);
    json_t *answer = NULL;
    int rc = hd_dynamo_parse(l->s, &e->responses[shard], &answer, err);
    if (rc)
        return rc;
    size_t at;
    json_t *item;
    json_array_foreach(json_object_get(answer, "Items"), at, item) {
        struct entry entry = {{hd_item_text(item, "pk"), hd_item_text(item, "sk")}, hd_item_text(item, "o")};
        if (!entry.key.pk || !entry.key.sk || !entry.order || at >= want)
            return hd_error_set(err, HD_ERR_CORRUPT, "DynamoDB gave another entry of an index than was asked for");
        e->list[e->count++] = entry;
        if (at + 1 == want && (!e->horizon || strcmp(entry.order, e->horizon) > 0))
            e->horizon = entry.order;
    }
    return 0;
}

/* The next entries of the index, up to want of each shard, merged. A page of keys is far below the megabyte at which a Query stops by itself. */
static int read_entries(struct listing *l, struct entries *e, size_t want, struct hd_error *err) {
    e->shards = l->source.sharded ? HD_ITEM_SHARDS : 1;
    e->list = hd_arena_calloc(l->s->scratch, e->shards * want, sizeof *e->list);
    int rc = e->list ? 0 : no_memory(err);
    for (size_t i = 0; !rc && i < e->shards; i++) {
        rc = write_query(l, (unsigned)i, want, &e->bodies[i], err);
        e->requests[i] = HD_DYNAMO("Query", &e->bodies[i]);
    }
    if (!rc)
        rc = hd_aws_call_all(l->s->client, e->requests, e->shards, l->s->scratch, e->responses, err);
    for (size_t i = 0; !rc && i < e->shards; i++)
        rc = take_entries(l, e, i, want, err);
    if (!rc && e->count > 1)
        qsort(e->list, e->count, sizeof *e->list, newest_first);
    e->all = !e->horizon;
    while (!rc && e->certain < e->count && (e->all || strcmp(e->list[e->certain].order, e->horizon) >= 0))
        e->certain++;
    for (size_t i = 0; i < e->shards; i++)
        hd_buffer_free(&e->bodies[i]);
    return rc;
}

/* ---- the items ---- */

/* Adds the item to the page when it matches: it may have gone, or have moved out of the filter, since the index was written. One more than the page holds is not added; it shows that there is
 * more, so that no cursor is given behind the last. */
static int add_item(struct listing *l, const struct entry *entry, const json_t *item, struct hd_error *err) {
    void *value = l->values + l->count * hd_item_records[l->kind]->bytes;
    struct hd_arena_mark mark = hd_arena_mark(l->arena);
    bool matches = false;
    if (item) {
        int rc = hd_item_read(item, l->kind, l->arena, value, err);
        if (rc)
            return rc;
        matches = l->matches(value, l->filter);
    }
    l->more = matches && l->count == l->limit;
    if (!matches || l->more)
        hd_arena_rewind(l->arena, mark);
    else
        l->count++;
    if (!l->more)
        l->last = entry->order;
    return 0;
}

static int add_items(struct listing *l, const struct entry *entries, size_t count, struct hd_error *err) {
    struct hd_aws_key *keys = hd_arena_calloc(l->s->scratch, count + 1, sizeof *keys);
    json_t **items = hd_arena_calloc(l->s->scratch, count + 1, sizeof(json_t *));
    if (!keys || !items)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        keys[i] = entries[i].key;
    int rc = hd_dynamo_get_many(l->s, keys, count, items, err);
    for (size_t i = 0; !rc && !l->more && i < count; i++)
        rc = add_item(l, &entries[i], items[i], err);
    return rc;
}

/* How many entries a shard is asked for. Eight shards of equal size give an eighth each; twice that is rarely too few, and then asked for again. */
static size_t wanted_of_a_shard(const struct listing *l) {
    if (l->source.filtered)
        return LOOK_STEP + 1;
    return l->source.sharded ? (l->limit + 1) / (HD_ITEM_SHARDS / 2) + HD_ITEM_SHARDS : l->limit + 1;
}

static int fill(struct listing *l, struct hd_error *err) {
    size_t step = l->source.filtered ? LOOK_STEP : l->limit + 1;
    size_t looked = 0;
    for (;;) {
        struct entries e = {0};
        int rc = read_entries(l, &e, wanted_of_a_shard(l), err);
        for (size_t from = 0; !rc && from < e.certain;) {
            size_t take = e.certain - from < step ? e.certain - from : step;
            rc = add_items(l, e.list + from, take, err);
            from += take;
            looked += take;
            if (rc || l->more)
                return rc;
            l->more = looked >= LOOK_MAX && !(e.all && from == e.certain);
            if (l->more)
                return 0;
        }
        if (rc || e.all)
            return rc;
        l->before = l->last;
    }
}

static int list(struct listing *l, const struct hd_page *page, const void **ret, size_t *ret_count, const char **ret_next_cursor,
                struct hd_error *err) {
    assert(page->limit >= 1 && page->limit <= HD_PAGE_MAX);
    l->limit = page->limit;
    l->values = hd_arena_calloc(l->arena, page->limit + 1, hd_item_records[l->kind]->bytes);
    int rc = l->values && l->source.value ? read_cursor(l, page->cursor, err) : no_memory(err);
    if (!rc)
        rc = fill(l, err);
    const char *next = NULL;
    if (!rc)
        rc = write_cursor(l, &next, err);
    if (rc)
        return rc;
    *ret = l->values;
    *ret_count = l->count;
    *ret_next_cursor = next;
    return 0;
}

/* ---- which index answers which filter ---- */

static bool same(const char *wanted, const char *text) {
    return !wanted || (text && strcmp(wanted, text) == 0);
}

static bool ticket_matches(const void *value, const void *filter) {
    const struct hd_ticket *ticket = value;
    const struct hd_ticket_filter *wanted = filter;
    return same(wanted->owner_id, ticket->owner_id) && (wanted->status < 0 || wanted->status == (int)ticket->status) &&
           (wanted->priority < 0 || wanted->priority == (int)ticket->priority);
}

static bool user_matches(const void *value, const void *filter) {
    const struct hd_user *user = value;
    const struct hd_user_filter *wanted = filter;
    return (wanted->role < 0 || wanted->role == (int)user->role) && same(wanted->team, user->team);
}

static bool notification_matches(const void *value, const void *filter) {
    const struct hd_notification *n = value;
    const struct hd_notification_filter *wanted = filter;
    return (wanted->status < 0 || wanted->status == (int)n->status) && (wanted->channel < 0 || wanted->channel == (int)n->channel) &&
           same(wanted->target, n->target) && same(wanted->ticket_id, n->ticket_id) && same(wanted->event_id, n->event_id);
}

static bool dead_letter_matches(const void *value, const void *filter) {
    const struct hd_dead_letter *letter = value;
    const struct hd_dead_letter_filter *wanted = filter;
    return same(wanted->queue, letter->queue) && same(wanted->reason, letter->reason);
}

static bool inbox_item_matches(const void *value, const void *filter) {
    const struct hd_inbox_item *item = value;
    const struct hd_inbox_filter *wanted = filter;
    return same(wanted->user_id, item->user_id) && (!wanted->unread || item->read_at_ms == 0);
}

static struct source everything(const char *kind) {
    return (struct source){.index = "by-kind", .key = "k", .value = kind, .sharded = true};
}

static struct source state(struct hd_arena *arena, const char *prefix, const char *name) {
    return (struct source){.index = "by-state", .key = "s", .value = hd_arena_printf(arena, "%s#%s#", prefix, name), .sharded = true};
}

static struct source person(struct hd_arena *arena, const char *prefix, const char *name) {
    return (struct source){.index = "by-person", .key = "p", .value = hd_arena_printf(arena, "%s#%s", prefix, name)};
}

static struct source source_of_tickets(struct hd_arena *arena, const struct hd_ticket_filter *f) {
    struct source from = f->owner_id      ? person(arena, "TO", f->owner_id)
                         : f->status >= 0 ? state(arena, "TS", hd_ticket_status_name((enum hd_ticket_status)f->status))
                                          : everything("T#");
    from.filtered = f->priority >= 0 || (f->owner_id && f->status >= 0);
    return from;
}

static struct source source_of_users(struct hd_arena *arena, const struct hd_user_filter *f) {
    struct source from = f->team        ? person(arena, "UT", f->team)
                         : f->role >= 0 ? state(arena, "UR", hd_role_name((enum hd_role)f->role))
                                        : everything("U#");
    from.filtered = f->team && f->role >= 0;
    return from;
}

/* The narrowest first. */
static struct source source_of_notifications(struct hd_arena *arena, const struct hd_notification_filter *f) {
    bool by_status = f->status >= 0 && hd_item_status_is_indexed((enum hd_status)f->status);
    struct source from = f->event_id && f->event_id[0]     ? (struct source){.index = "by-event", .key = "e", .value = f->event_id}
                         : f->ticket_id && f->ticket_id[0] ? (struct source){.index = "by-ticket", .key = "t", .value = f->ticket_id}
                         : f->target                       ? person(arena, "NT", f->target)
                         : by_status                       ? state(arena, "NS", hd_status_name((enum hd_status)f->status))
                                                           : everything("N#");
    int asked = (f->event_id != NULL) + (f->ticket_id != NULL) + (f->target != NULL) + (f->status >= 0) + (f->channel >= 0);
    from.filtered = asked > (from.key[0] != 'k');
    return from;
}

static struct source source_of_dead_letters(struct hd_arena *arena, const struct hd_dead_letter_filter *f) {
    struct source from = f->queue ? state(arena, "DQ", f->queue) : everything("D#");
    from.filtered = f->reason != NULL;
    return from;
}

static struct source source_of_inbox(struct hd_arena *arena, const struct hd_inbox_filter *f) {
    if (!f->unread)
        return person(arena, "I", f->user_id);
    return (struct source){.index = "by-state", .key = "s", .value = hd_arena_printf(arena, "IU#%s", f->user_id)};
}

#define LIST(function, item_kind, filter_type, type, source_of, match)                                                               \
    int function(struct hd_store *store, struct hd_arena *arena, const struct filter_type *filter, const struct hd_page *page,       \
                 const struct type **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err) {                   \
        struct hd_aws_store *s = hd_aws_store_of(store);                                                                             \
        hd_arena_reset(s->scratch);                                                                                                  \
        struct listing l = {                                                                                                         \
            .s = s, .arena = arena, .kind = item_kind, .matches = match, .filter = filter, .source = source_of(s->scratch, filter)}; \
        const void *values = NULL;                                                                                                   \
        int rc = list(&l, page, &values, ret_count, ret_next_cursor, err);                                                           \
        if (!rc)                                                                                                                     \
            *ret = values;                                                                                                           \
        return rc;                                                                                                                   \
    }
LIST(hd_dynamo_tickets, HD_ITEM_TICKET, hd_ticket_filter, hd_ticket, source_of_tickets, ticket_matches)
LIST(hd_dynamo_users, HD_ITEM_USER, hd_user_filter, hd_user, source_of_users, user_matches)
LIST(hd_dynamo_notifications, HD_ITEM_NOTIFICATION, hd_notification_filter, hd_notification, source_of_notifications, notification_matches)
LIST(hd_dynamo_dead_letters, HD_ITEM_DEAD_LETTER, hd_dead_letter_filter, hd_dead_letter, source_of_dead_letters, dead_letter_matches)
LIST(hd_dynamo_inbox, HD_ITEM_INBOX_ITEM, hd_inbox_filter, hd_inbox_item, source_of_inbox, inbox_item_matches)

/* ---- how many are unread ---- */

static int write_count(struct hd_aws_store *s, const char *user_id, int64_t left, const json_t *from, struct hd_buffer *body,
                       struct hd_error *err) {
    const char *value = hd_arena_printf(s->scratch, "IU#%s", user_id);
    if (!value)
        return no_memory(err);
    struct hd_json_writer w = hd_dynamo_open(s, body);
    hd_json_put_str(&w, "IndexName", "by-state");
    hd_json_put_str(&w, "Select", "COUNT");
    hd_json_put_str(&w, "KeyConditionExpression", "s = :s");
    hd_json_open_object(&w, "ExpressionAttributeValues");
    hd_item_put_text(&w, ":s", value);
    hd_json_close_object(&w);
    hd_json_put_int(&w, "Limit", left < COUNT_MAX ? left : COUNT_MAX);
    if (from)
        hd_json_put_json(&w, "ExclusiveStartKey", from);
    return hd_dynamo_close(&w, err);
}

int hd_dynamo_unread(struct hd_store *store, const char *user_id, int64_t cap, int64_t *ret_count, struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_arena_reset(s->scratch);
    int64_t count = 0;
    const json_t *from = NULL;
    int rc = 0;
    do {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
        json_t *answer = NULL;
        rc = write_count(s, user_id, cap - count, from, &body, err);
        struct hd_aws_request request = HD_DYNAMO("Query", &body);
        if (!rc)
            rc = hd_dynamo_call(s, &request, &answer, err);
        count += hd_json_int(answer, "Count", 0);
        from = json_object_get(answer, "LastEvaluatedKey");
    } while (!rc && from && count < cap);
    if (!rc)
        *ret_count = count;
    return rc;
}
