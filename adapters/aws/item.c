#include "adapters/aws/item.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "core/changeset.h"

enum { KEY_PREFIX_LEN = 2 /* "T#" */, NUMBER_BYTES = 24 };

static const struct kind {
    char prefix; /* of pk, before '#' and the id */
    const char *sk;
} kinds[HD_ITEM_KIND_COUNT] = {
    [HD_ITEM_TICKET] = {'T', "T"},       [HD_ITEM_USER] = {'U', "U"},    [HD_ITEM_EVENT] = {'V', "V"},
    [HD_ITEM_NOTIFICATION] = {'N', "N"}, [HD_ITEM_ATTEMPT] = {'N', "A"}, [HD_ITEM_INBOX_ITEM] = {'N', "I"},
    [HD_ITEM_DEAD_LETTER] = {'D', "D"},  [HD_ITEM_AUDIT] = {'X', "X"},   [HD_ITEM_ANSWER] = {'K', "K"},
};

const struct hd_record *const hd_item_records[HD_ITEM_KIND_COUNT] = {
    [HD_ITEM_TICKET] = &hd_ticket_record,
    [HD_ITEM_USER] = &hd_user_record,
    [HD_ITEM_EVENT] = &hd_event_record,
    [HD_ITEM_NOTIFICATION] = &hd_notification_record,
    [HD_ITEM_ATTEMPT] = &hd_attempt_record,
    [HD_ITEM_INBOX_ITEM] = &hd_inbox_item_record,
    [HD_ITEM_DEAD_LETTER] = &hd_dead_letter_record,
    [HD_ITEM_AUDIT] = &hd_audit_record,
    [HD_ITEM_ANSWER] = &hd_answer_record,
};

/* ---- keys ---- */

static struct hd_aws_key key_of(const char *pk, const char *sk) {
    return (struct hd_aws_key){.pk = sk ? pk : NULL, .sk = sk};
}

struct hd_aws_key hd_item_key(struct hd_arena *arena, enum hd_item_kind kind, const char *id) {
    assert(kind != HD_ITEM_ATTEMPT);
    return key_of(hd_arena_printf(arena, "%c#%s", kinds[kind].prefix, id), kinds[kind].sk);
}

struct hd_aws_key hd_item_attempt_key(struct hd_arena *arena, const char *notification_id, int number) {
    return key_of(hd_arena_printf(arena, "N#%s", notification_id), hd_arena_printf(arena, "A#%010d", number));
}

struct hd_aws_key hd_item_part_key(struct hd_arena *arena, const char *notification_id, int number, int part) {
    return key_of(hd_arena_printf(arena, "N#%s", notification_id), hd_arena_printf(arena, "A#%010d#%04d", number, part));
}

struct hd_aws_key hd_item_mark_key(struct hd_arena *arena, const char *processor, const char *event_id) {
    return key_of(hd_arena_printf(arena, "V#%s", event_id), hd_arena_printf(arena, "P#%s", processor));
}

struct hd_aws_key hd_item_email_key(struct hd_arena *arena, const char *email) {
    char *pk = hd_arena_printf(arena, "E#%s", email);
    for (char *c = pk ? pk + KEY_PREFIX_LEN : NULL; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return key_of(pk, "E");
}

const char *hd_item_order(struct hd_arena *arena, int64_t created_at_ms, const char *id) {
    static const int64_t last_ms = 999999999999999; /* the year 33658 */
    int64_t at_ms = created_at_ms < 0 ? 0 : created_at_ms > last_ms ? last_ms : created_at_ms;
    return hd_arena_printf(arena, "%0*" PRId64 "#%s", HD_ITEM_ORDER_TIME_DIGITS, at_ms, id);
}

/* FNV-1a: ids may be anything, and time stands in front of most. */
unsigned hd_item_shard(const char *id) {
    uint32_t hash = 2166136261u;
    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return (hash ^ hash >> 16) % HD_ITEM_SHARDS;
}

/* ---- out ---- */

void hd_item_put_text(struct hd_json_writer *w, const char *name, const char *text) {
    hd_json_open_object(w, name);
    hd_json_put_str(w, "S", text);
    hd_json_close_object(w);
}

void hd_item_put_number(struct hd_json_writer *w, const char *name, int64_t number) {
    char text[NUMBER_BYTES];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    hd_json_open_object(w, name);
    hd_json_put_str(w, "N", text);
    hd_json_close_object(w);
}

void hd_item_put_binary(struct hd_json_writer *w, const char *name, const void *data, size_t bytes) {
    hd_json_open_object(w, name);
    hd_json_put_raw(w, "B", "\"", 1);
    hd_base64_add(w->out, data, bytes);
    hd_buffer_add_char(w->out, '"');
    hd_json_close_object(w);
}

void hd_item_put_key(struct hd_json_writer *w, const char *name, const struct hd_aws_key *key) {
    hd_json_open_object(w, name);
    hd_item_put_text(w, "pk", key->pk);
    hd_item_put_text(w, "sk", key->sk);
    hd_json_close_object(w);
}

/* What an item has for the indexes; NULL: it is not in that one. */
struct indexed {
    const char *kind, *state, *person, *event, *ticket; /* k, s, p, e, t */
    const char *order;                                  /* o; NULL: in none */
    bool failed;                                        /* no memory for one of them */
};

static const char *made(struct indexed *in, const char *text) {
    in->failed = in->failed || !text;
    return text;
}
#define JOINED(in, arena, ...) made((in), hd_arena_printf((arena), __VA_ARGS__))

static void index_ticket(struct indexed *in, const struct hd_ticket *t, struct hd_arena *arena) {
    unsigned shard = hd_item_shard(t->ticket_id);
    in->kind = JOINED(in, arena, "T#%u", shard);
    in->state = JOINED(in, arena, "TS#%s#%u", hd_ticket_status_name(t->status), shard);
    if (t->owner_id)
        in->person = JOINED(in, arena, "TO#%s", t->owner_id);
    in->order = made(in, hd_item_order(arena, t->created_at_ms, t->ticket_id));
}

static void index_user(struct indexed *in, const struct hd_user *u, struct hd_arena *arena) {
    unsigned shard = hd_item_shard(u->user_id);
    in->kind = JOINED(in, arena, "U#%u", shard);
    in->state = JOINED(in, arena, "UR#%s#%u", hd_role_name(u->role), shard);
    if (u->team)
        in->person = JOINED(in, arena, "UT#%s", u->team);
    in->order = made(in, hd_item_order(arena, u->created_at_ms, u->user_id));
}

static void index_notification(struct indexed *in, const struct hd_notification *n, struct hd_arena *arena) {
    unsigned shard = hd_item_shard(n->notification_id);
    in->kind = JOINED(in, arena, "N#%u", shard);
    if (hd_item_status_is_indexed(n->status))
        in->state = JOINED(in, arena, "NS#%s#%u", hd_status_name(n->status), shard);
    if (n->target)
        in->person = JOINED(in, arena, "NT#%s", n->target);
    in->event = n->event_id && n->event_id[0] ? n->event_id : NULL; /* a key may not be empty */
    in->ticket = n->ticket_id && n->ticket_id[0] ? n->ticket_id : NULL;
    in->order = made(in, hd_item_order(arena, n->created_at_ms, n->notification_id));
}

static void index_inbox_item(struct indexed *in, const struct hd_inbox_item *i, struct hd_arena *arena) {
    if (!i->read_at_ms)
        in->state = JOINED(in, arena, "IU#%s", i->user_id);
    in->person = JOINED(in, arena, "I#%s", i->user_id);
    in->order = made(in, hd_item_order(arena, i->created_at_ms, i->notification_id));
}

static void index_dead_letter(struct indexed *in, const struct hd_dead_letter *d, struct hd_arena *arena) {
    unsigned shard = hd_item_shard(d->dead_letter_id);
    in->kind = JOINED(in, arena, "D#%u", shard);
    in->state = JOINED(in, arena, "DQ#%s#%u", d->queue, shard);
    in->order = made(in, hd_item_order(arena, d->created_at_ms, d->dead_letter_id));
}

static struct indexed index_value(enum hd_item_kind kind, const void *value, struct hd_arena *arena) {
    struct indexed in = {0};
    if (kind == HD_ITEM_TICKET)
        index_ticket(&in, value, arena);
    else if (kind == HD_ITEM_USER)
        index_user(&in, value, arena);
    else if (kind == HD_ITEM_NOTIFICATION)
        index_notification(&in, value, arena);
    else if (kind == HD_ITEM_INBOX_ITEM)
        index_inbox_item(&in, value, arena);
    else if (kind == HD_ITEM_DEAD_LETTER)
        index_dead_letter(&in, value, arena);
    return in;
}

/* The states that are looked for, and rare: a state that every notification passes would cost an index write each time. */
bool hd_item_status_is_indexed(enum hd_status status) {
    return status == HD_DEFERRED || status == HD_SUPPRESSED || status == HD_EXPIRED || status == HD_DEAD;
}

static void put_indexed(struct hd_json_writer *w, const struct indexed *in) {
    const char *const names[] = {"k", "s", "p", "e", "t", "o"};
    const char *const values[] = {in->kind, in->state, in->person, in->event, in->ticket, in->order};
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++)
        if (values[i])
            hd_item_put_text(w, names[i], values[i]);
}

static int put_long_text(struct hd_json_writer *w, const char *name, const char *text, size_t len, struct hd_compressor *compressor,
                         struct hd_arena *scratch, struct hd_error *err) {
    const void *data = NULL;
    size_t bytes = 0;
    int rc = hd_compress(compressor, text, scratch, &data, &bytes, err);
    if (rc)
        return rc;
    if (bytes < len)
        hd_item_put_binary(w, name, data, bytes);
    else
        hd_item_put_text(w, name, text);
    return 0;
}

static int put_member(struct hd_json_writer *w, const struct hd_member *member, const void *value, struct hd_compressor *compressor,
                      struct hd_arena *scratch, struct hd_error *err) {
    if (member->kind == HD_MEMBER_TEXT) {
        const char *text = hd_member_text(member, value);
        size_t len = text ? strlen(text) : 0;
        if (text && len >= HD_ITEM_COMPRESSED_FROM)
            return put_long_text(w, member->name, text, len, compressor, scratch, err);
        if (text)
            hd_item_put_text(w, member->name, text);
        return 0;
    }
    int64_t number = hd_member_number(member, value);
    if (member->kind == HD_MEMBER_BOOL) {
        hd_json_open_object(w, member->name);
        hd_json_put_bool(w, "BOOL", number != 0);
        hd_json_close_object(w);
    } else if (member->kind != HD_MEMBER_INT64 || number != 0) {
        hd_item_put_number(w, member->name, number);
    }
    return 0;
}

int hd_item_put(struct hd_json_writer *w, const char *name, enum hd_item_kind kind, const struct hd_aws_key *key, const void *value,
                int64_t ttl_s, struct hd_compressor *compressor, struct hd_arena *scratch, struct hd_error *err) {
    const struct hd_record *record = hd_item_records[kind];
    hd_json_open_object(w, name);
    hd_item_put_text(w, "pk", key->pk);
    hd_item_put_text(w, "sk", key->sk);
    struct indexed in = index_value(kind, value, scratch);
    put_indexed(w, &in);
    int rc = in.failed ? hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an item's keys") : 0;
    for (size_t i = 1; !rc && i < record->member_count; i++) /* the first is the id */
        rc = put_member(w, &record->members[i], value, compressor, scratch, err);
    if (ttl_s)
        hd_item_put_number(w, "ttl", ttl_s);
    hd_json_close_object(w);
    return rc;
}

/* ---- in ---- */

static const json_t *attribute(const json_t *item, const char *name, const char *type) {
    return json_object_get(json_object_get(item, name), type);
}

const char *hd_item_text(const json_t *item, const char *name) {
    return json_string_value(attribute(item, name, "S"));
}

static bool number_from(const char *text, int64_t *ret) {
    char *end = NULL;
    errno = 0;
    long long number = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end || errno)
        return false;
    *ret = number;
    return true;
}

int64_t hd_item_number(const json_t *item, const char *name, int64_t fallback) {
    int64_t number = fallback;
    return number_from(json_string_value(attribute(item, name, "N")), &number) ? number : fallback;
}

int hd_item_binary(const json_t *item, const char *name, struct hd_arena *arena, const void **ret_data, size_t *ret_bytes,
                   struct hd_error *err) {
    const json_t *encoded = attribute(item, name, "B");
    void *data = (void *)encoded;
    if (!encoded || !json_is_string(encoded))
        return hd_error_set(err, HD_ERR_CORRUPT, "an item of the table has no binary attribute %s", name);
    if (!hd_base64_decode(arena, json_string_value(encoded), json_string_length(encoded), &data, ret_bytes))
        return data ? hd_error_set(err, HD_ERR_CORRUPT, "an item's attribute %s is no base64", name)
                    : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an item's attribute %s", name);
    *ret_data = data;
    return 0;
}

bool hd_item_has_key(const json_t *item, const struct hd_aws_key *key) {
    const char *pk = hd_item_text(item, "pk");
    const char *sk = hd_item_text(item, "sk");
    return pk && sk && strcmp(pk, key->pk) == 0 && strcmp(sk, key->sk) == 0;
}

static bool is_attempt(const char *sk) {
    return sk[0] == 'A' && sk[1] == '#' && !strchr(sk + KEY_PREFIX_LEN, '#');
}

int hd_item_kind(const struct hd_aws_key *key) {
    if (!key->pk || !key->sk || key->pk[0] == '\0' || key->pk[1] != '#')
        return -1;
    for (int kind = 0; kind < HD_ITEM_KIND_COUNT; kind++) {
        bool same = kind == HD_ITEM_ATTEMPT ? is_attempt(key->sk) : strcmp(kinds[kind].sk, key->sk) == 0;
        if (kinds[kind].prefix == key->pk[0] && same)
            return kind;
    }
    return -1;
}

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for what was read");
}

static int read_text(const json_t *item, const struct hd_member *member, struct hd_arena *arena, void *value, struct hd_error *err) {
    const char *text = hd_item_text(item, member->name);
    if (text) {
        const char *copy = hd_arena_strdup(arena, text);
        hd_member_set_text(member, value, copy);
        return copy ? 0 : no_memory(err);
    }
    hd_member_set_text(member, value, NULL);
    if (!attribute(item, member->name, "B"))
        return 0;
    const void *data = NULL;
    size_t bytes = 0;
    int rc = hd_item_binary(item, member->name, arena, &data, &bytes, err);
    if (!rc)
        rc = hd_decompress(data, bytes, arena, &text, err);
    if (!rc)
        hd_member_set_text(member, value, text);
    return rc;
}

static int read_member(const json_t *item, const struct hd_member *member, struct hd_arena *arena, void *value, struct hd_error *err) {
    if (member->kind == HD_MEMBER_TEXT)
        return read_text(item, member, arena, value, err);
    int64_t number = 0;
    if (member->kind == HD_MEMBER_BOOL)
        number = json_is_true(attribute(item, member->name, "BOOL"));
    else if (json_object_get(item, member->name) && !number_from(json_string_value(attribute(item, member->name, "N")), &number))
        return hd_error_set(err, HD_ERR_CORRUPT, "an item's attribute %s is no number", member->name);
    if (!hd_member_set_number(member, value, number))
        return hd_error_set(err, HD_ERR_CORRUPT, "an item's attribute %s is out of range", member->name);
    return 0;
}

int hd_item_read(const json_t *item, enum hd_item_kind kind, struct hd_arena *arena, void *ret_value, struct hd_error *err) {
    const struct hd_record *record = hd_item_records[kind];
    struct hd_aws_key key = {.pk = hd_item_text(item, "pk"), .sk = hd_item_text(item, "sk")};
    if (hd_item_kind(&key) != (int)kind)
        return hd_error_set(err, HD_ERR_CORRUPT, "an item of the table is not what its key says");
    const char *id = hd_arena_strdup(arena, key.pk + KEY_PREFIX_LEN);
    if (!id)
        return no_memory(err);
    hd_member_set_text(&record->members[0], ret_value, id);
    for (size_t i = 1; i < record->member_count; i++) {
        int rc = read_member(item, &record->members[i], arena, ret_value, err);
        if (rc)
            return rc;
    }
    return 0;
}
