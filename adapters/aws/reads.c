/* Reads by key: GetItem, consistent; or from what was fetched ahead. */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/store.h"

enum { ATTEMPTS_FIRST = 8 };

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for what was read");
}

/* The item, or NULL when there is none. */
static int get(struct hd_aws_store *s, const struct hd_aws_key *key, json_t **ret_item, struct hd_error *err) {
    if (hd_ahead_find(&s->ahead, key, ret_item))
        return 0;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_dynamo_open(s, &body);
    hd_item_put_key(&w, "Key", key);
    hd_json_put_bool(&w, "ConsistentRead", true);
    json_t *answer = NULL;
    int rc = hd_dynamo_close(&w, err);
    struct hd_aws_request request = HD_DYNAMO("GetItem", &body);
    if (!rc)
        rc = hd_dynamo_call(s, &request, &answer, err);
    if (!rc)
        *ret_item = json_object_get(answer, "Item");
    return rc;
}

static int read_one(struct hd_store *store, struct hd_arena *arena, enum hd_item_kind kind, const char *id, const void **ret,
                    struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_arena_reset(s->scratch);
    struct hd_aws_key key = hd_item_key(s->scratch, kind, id);
    json_t *item = NULL;
    int rc = key.pk ? get(s, &key, &item, err) : no_memory(err);
    if (rc || !item) {
        *ret = rc ? *ret : NULL;
        return rc;
    }
    void *value = hd_arena_calloc(arena, 1, hd_item_records[kind]->bytes);
    rc = value ? hd_item_read(item, kind, arena, value, err) : no_memory(err);
    if (!rc)
        *ret = value;
    return rc;
}

#define READ_ONE(function, item_kind, type)                                                                                       \
    int function(struct hd_store *store, struct hd_arena *arena, const char *id, const struct type **ret, struct hd_error *err) { \
        const void *value = NULL;                                                                                                 \
        int rc = read_one(store, arena, item_kind, id, &value, err);                                                              \
        if (!rc)                                                                                                                  \
            *ret = value;                                                                                                         \
        return rc;                                                                                                                \
    }
READ_ONE(hd_dynamo_ticket, HD_ITEM_TICKET, hd_ticket)
READ_ONE(hd_dynamo_user, HD_ITEM_USER, hd_user)
READ_ONE(hd_dynamo_event, HD_ITEM_EVENT, hd_event)
READ_ONE(hd_dynamo_notification, HD_ITEM_NOTIFICATION, hd_notification)
READ_ONE(hd_dynamo_dead_letter, HD_ITEM_DEAD_LETTER, hd_dead_letter)
READ_ONE(hd_dynamo_inbox_item, HD_ITEM_INBOX_ITEM, hd_inbox_item)
READ_ONE(hd_dynamo_answer, HD_ITEM_ANSWER, hd_answer)
READ_ONE(hd_dynamo_audit, HD_ITEM_AUDIT, hd_audit)

int hd_dynamo_processed(struct hd_store *store, const char *processor, const char *event_id, bool *ret, struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_arena_reset(s->scratch);
    struct hd_aws_key key = hd_item_mark_key(s->scratch, processor, event_id);
    json_t *item = NULL;
    int rc = key.pk ? get(s, &key, &item, err) : no_memory(err);
    if (!rc)
        *ret = item != NULL;
    return rc;
}

/* ---- attempts: a Query, with the parts of long messages behind each ---- */

struct attempts {
    struct hd_aws_store *s;
    struct hd_arena *arena;
    struct hd_attempt *list;
    size_t count, capacity;
    unsigned char *message; /* of the newest in the list: its parts so far, in scratch */
    size_t message_bytes;
};

static int write_query(struct hd_aws_store *s, const char *notification_id, const json_t *from, struct hd_buffer *body,
                       struct hd_error *err) {
    struct hd_aws_key key = hd_item_key(s->scratch, HD_ITEM_NOTIFICATION, notification_id);
    if (!key.pk)
        return no_memory(err);
    struct hd_json_writer w = hd_dynamo_open(s, body);
    hd_json_put_bool(&w, "ConsistentRead", true);
    hd_json_put_str(&w, "KeyConditionExpression", "pk = :p AND begins_with(sk, :a)");
    hd_json_open_object(&w, "ExpressionAttributeValues");
    hd_item_put_text(&w, ":p", key.pk);
    hd_item_put_text(&w, ":a", "A#");
    hd_json_close_object(&w);
    if (from)
        hd_json_put_json(&w, "ExclusiveStartKey", from);
    return hd_dynamo_close(&w, err);
}

/* The parts come in their order, behind the attempt whose key theirs begin with. */
static int add_part(struct attempts *a, const json_t *item, struct hd_error *err) {
    const void *data = NULL;
    size_t bytes = 0;
    int rc = hd_item_binary(item, "part", a->s->scratch, &data, &bytes, err);
    if (rc)
        return rc;
    unsigned char *longer = hd_arena_alloc(a->s->scratch, a->message_bytes + bytes);
    if (!longer)
        return no_memory(err);
    if (a->message_bytes > 0)
        memcpy(longer, a->message, a->message_bytes);
    memcpy(longer + a->message_bytes, data, bytes);
    a->message = longer;
    a->message_bytes += bytes;
    return 0;
}

static int finish_message(struct attempts *a, struct hd_error *err) {
    if (a->message_bytes == 0)
        return 0;
    const char *message = NULL;
    int rc = a->count > 0 ? hd_decompress(a->message, a->message_bytes, a->arena, &message, err)
                          : hd_error_set(err, HD_ERR_CORRUPT, "a part of a message stands behind no attempt");
    if (!rc)
        a->list[a->count - 1].message = message;
    a->message = NULL;
    a->message_bytes = 0;
    return rc;
}

static int add_attempt(struct attempts *a, const json_t *item, struct hd_error *err) {
    int rc = finish_message(a, err);
    if (rc)
        return rc;
    if (a->count == a->capacity) {
        size_t capacity = a->capacity ? a->capacity * 2 : ATTEMPTS_FIRST;
        struct hd_attempt *list = hd_arena_calloc(a->arena, capacity, sizeof *list);
        if (!list)
            return no_memory(err);
        if (a->count > 0)
            memcpy(list, a->list, a->count * sizeof *list);
        a->list = list;
        a->capacity = capacity;
    }
    rc = hd_item_read(item, HD_ITEM_ATTEMPT, a->arena, &a->list[a->count], err);
    if (!rc)
        a->count++;
    return rc;
}

static int add_page(struct attempts *a, const json_t *items, struct hd_error *err) {
    size_t at;
    json_t *item;
    json_array_foreach(items, at, item) {
        struct hd_aws_key key = {.pk = hd_item_text(item, "pk"), .sk = hd_item_text(item, "sk")};
        int rc = hd_item_kind(&key) == HD_ITEM_ATTEMPT ? add_attempt(a, item, err) : add_part(a, item, err);
        if (rc)
            return rc;
    }
    return 0;
}

int hd_dynamo_attempts(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_attempt **ret,
                       size_t *ret_count, struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_arena_reset(s->scratch);
    struct attempts a = {.s = s, .arena = arena};
    const json_t *from = NULL;
    int rc = 0;
    do {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
        json_t *answer = NULL;
        rc = write_query(s, notification_id, from, &body, err);
        struct hd_aws_request request = HD_DYNAMO("Query", &body);
        if (!rc)
            rc = hd_dynamo_call(s, &request, &answer, err);
        if (!rc)
            rc = add_page(&a, json_object_get(answer, "Items"), err);
        from = json_object_get(answer, "LastEvaluatedKey");
    } while (!rc && from);
    if (!rc)
        rc = finish_message(&a, err);
    if (rc)
        return rc;
    *ret = a.list;
    *ret_count = a.count;
    return 0;
}
