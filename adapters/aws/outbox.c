#include "adapters/aws/outbox.h"

#include <inttypes.h>
#include <string.h>

enum { FIRST_CAPACITY = 8, DELETE_ROUNDS = 3, DELETE_WAIT_MS = 25, SWEEP_PAGE = 50, ID_TEXT_BYTES = 40 };

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the outbox");
}

/* Room for one more; the array may move. NULL without memory. */
static void *grown(struct hd_arena *arena, void *array, size_t count, size_t *capacity, size_t bytes_each) {
    if (count < *capacity)
        return array;
    size_t wanted = *capacity ? *capacity * 2 : FIRST_CAPACITY;
    void *moved = hd_arena_alloc(arena, wanted * bytes_each);
    if (!moved)
        return NULL;
    if (count > 0)
        memcpy(moved, array, count * bytes_each);
    *capacity = wanted;
    return moved;
}

static int add_item(struct hd_aws_store *s, struct hd_outbox *outbox, const struct hd_outbox_item *item, struct hd_error *err) {
    struct hd_outbox_item *items = grown(s->scratch, outbox->items, outbox->count, &outbox->capacity, sizeof *items);
    if (!items)
        return no_memory(err);
    outbox->items = items;
    items[outbox->count++] = *item;
    return 0;
}

/* ---- from changes to items ---- */

int hd_outbox_gather(struct hd_aws_store *s, struct hd_outbox *outbox, const struct hd_change *change, struct hd_error *err) {
    struct hd_sqs_outgoing message;
    int64_t now_ms = 0;
    if (change->kind == HD_CHANGE_ENQUEUE) {
        int rc = hd_sqs_check_body(change->enqueue.body, err); /* what SQS never takes would stand in the outbox for ever */
        if (rc)
            return rc;
        now_ms = change->enqueue.now_ms;
        message = (struct hd_sqs_outgoing){.queue = change->enqueue.queue,
                                           .lane = change->enqueue.lane,
                                           .body = change->enqueue.body,
                                           .enqueued_at_ms = now_ms,
                                           .due_at_ms = now_ms + change->enqueue.delay_ms};
    } else if (change->kind == HD_CHANGE_POSTPONE) {
        now_ms = change->postpone.now_ms;
        message = (struct hd_sqs_outgoing){.queue = change->postpone.message->queue,
                                           .lane = change->postpone.message->lane,
                                           .body = change->postpone.message->body,
                                           .enqueued_at_ms = change->postpone.message->enqueued_at_ms,
                                           .due_at_ms = now_ms + change->postpone.delay_ms};
    } else {
        return 0;
    }
    struct hd_sqs_outgoing *messages =
        grown(s->scratch, outbox->messages, outbox->message_count, &outbox->message_capacity, sizeof *messages);
    if (!messages)
        return no_memory(err);
    outbox->messages = messages;
    messages[outbox->message_count++] = message;
    outbox->now_ms = now_ms > outbox->now_ms ? now_ms : outbox->now_ms;
    return 0;
}

static void write_message(struct hd_json_writer *w, const struct hd_sqs_outgoing *message) {
    hd_json_open_object(w, NULL);
    hd_json_open_object(w, "M");
    hd_item_put_text(w, "q", hd_queue_name_text(message->queue));
    hd_item_put_number(w, "l", message->lane);
    hd_item_put_text(w, "b", message->body);
    hd_item_put_number(w, "e", message->enqueued_at_ms);
    hd_item_put_number(w, "d", message->due_at_ms);
    hd_json_close_object(w);
    hd_json_close_object(w);
}

/* Without those that SQS has. */
static void write_item(struct hd_json_writer *w, const char *name, const struct hd_outbox_item *item) {
    hd_json_open_object(w, name);
    hd_item_put_text(w, "pk", item->key.pk);
    hd_item_put_text(w, "sk", item->key.sk);
    hd_json_open_object(w, "m");
    hd_json_open_array(w, "L");
    for (size_t i = 0; i < item->count; i++)
        if (item->messages[i].code)
            write_message(w, &item->messages[i]);
    hd_json_close_array(w);
    hd_json_close_object(w);
    hd_json_close_object(w);
}

/* The shard by chance: the outbox takes every event's writes, and no part of the table may take them all. */
static int name_item(struct hd_aws_store *s, struct hd_outbox_item *item, int64_t written_at_ms, struct hd_error *err) {
    uint8_t random[HD_ID_BYTES];
    s->options->random->fill(s->options->random, random, sizeof random);
    struct hd_id id = hd_id_from_bytes(random);
    item->key.pk = hd_arena_printf(s->scratch, "O#%02u", random[0] % HD_OUTBOX_SHARDS);
    item->key.sk = hd_item_order(s->scratch, written_at_ms, id.text);
    return item->key.pk && item->key.sk ? 0 : no_memory(err);
}

static int add_action(struct hd_aws_store *s, const struct hd_outbox_item *item, struct hd_plan *plan, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {0};
    struct hd_json_writer w = hd_json_writer(&text);
    write_item(&w, NULL, item);
    int rc = hd_buffer_check(&text, err);
    if (rc)
        return rc;
    struct hd_action action = {.change = SIZE_MAX,
                               .key = item->key,
                               .item = hd_arena_strndup(s->scratch, text.data, text.len),
                               .item_bytes = text.len,
                               .stored_bytes = text.len};
    return action.item && hd_plan_add(plan, s->scratch, &action) ? 0 : no_memory(err);
}

int hd_outbox_seal(struct hd_aws_store *s, struct hd_outbox *outbox, struct hd_plan *plan, struct hd_error *err) {
    int rc = 0;
    for (size_t from = 0; !rc && from < outbox->message_count;) {
        size_t to = from;
        size_t bytes = 0;
        for (; to < outbox->message_count; to++) {
            bytes += strlen(outbox->messages[to].body) + ID_TEXT_BYTES;
            outbox->messages[to].code = HD_ERR_UNAVAILABLE; /* until SQS has it */
            if (to > from && bytes > HD_OUTBOX_ITEM_BYTES)
                break;
        }
        struct hd_outbox_item item = {.messages = outbox->messages + from, .count = to - from};
        rc = name_item(s, &item, outbox->now_ms, err);
        if (!rc)
            rc = add_action(s, &item, plan, err);
        if (!rc)
            rc = add_item(s, outbox, &item, err);
        from = to;
    }
    outbox->message_count = 0;
    outbox->messages = NULL;
    outbox->message_capacity = 0;
    return rc;
}

int hd_outbox_join(struct hd_aws_store *s, struct hd_outbox *outbox, const struct hd_outbox *other, struct hd_error *err) {
    int rc = 0;
    for (size_t i = 0; !rc && i < other->count; i++)
        rc = add_item(s, outbox, &other->items[i], err);
    outbox->now_ms = other->now_ms > outbox->now_ms ? other->now_ms : outbox->now_ms;
    return rc;
}

/* ---- to SQS ---- */

/* All items' messages in one array, as hd_sqs_send wants them; afterwards the codes go back. */
static int send_all(struct hd_aws_store *s, struct hd_outbox *outbox, int64_t now_ms, size_t *ret_sent, struct hd_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < outbox->count; i++)
        total += outbox->items[i].count;
    struct hd_sqs_outgoing *all = hd_arena_calloc(s->scratch, total + 1, sizeof *all);
    if (!all)
        return no_memory(err);
    size_t at = 0;
    for (size_t i = 0; i < outbox->count; i++)
        for (size_t m = 0; m < outbox->items[i].count; m++)
            all[at++] = outbox->items[i].messages[m];
    for (at = 0; at < total; at++)
        all[at].code = HD_ERR_UNAVAILABLE;
    int rc = hd_sqs_send(s->sqs, now_ms, all, total, s->scratch, err);
    at = 0;
    size_t sent = 0;
    for (size_t i = 0; i < outbox->count; i++)
        for (size_t m = 0; m < outbox->items[i].count; m++, at++) {
            outbox->items[i].messages[m].code = all[at].code;
            sent += all[at].code == HD_OK;
        }
    *ret_sent += sent;
    return rc;
}

static size_t unsent_of(const struct hd_outbox_item *item) {
    size_t unsent = 0;
    for (size_t i = 0; i < item->count; i++)
        unsent += item->messages[i].code != HD_OK;
    return unsent;
}

static int write_deletes(const struct hd_aws_store *s, struct hd_outbox_item *const *items, size_t count, struct hd_buffer *body,
                         struct hd_error *err) {
    struct hd_json_writer w = hd_json_writer(body);
    hd_json_open_object(&w, NULL);
    hd_json_open_object(&w, "RequestItems");
    hd_json_open_array(&w, s->options->table);
    for (size_t i = 0; i < count; i++) {
        hd_json_open_object(&w, NULL);
        hd_json_open_object(&w, "DeleteRequest");
        hd_item_put_key(&w, "Key", &items[i]->key);
        hd_json_close_object(&w);
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    return hd_dynamo_close(&w, err);
}

/* Keeps, at the array's front, those of the items that DynamoDB left. */
static size_t keep_left(const struct hd_aws_store *s, const json_t *answer, struct hd_outbox_item **items, size_t count) {
    const json_t *left = json_object_get(json_object_get(answer, "UnprocessedItems"), s->options->table);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at;
        json_t *request;
        json_array_foreach(left, at, request) {
            if (hd_item_has_key(json_object_get(json_object_get(request, "DeleteRequest"), "Key"), &items[i]->key)) {
                items[kept++] = items[i];
                break;
            }
        }
    }
    return kept;
}

/* An item that cannot be deleted is sent again by a sweep, which is harmless: so this tries, and does not insist. */
static int delete_items(struct hd_aws_store *s, struct hd_outbox_item **items, size_t count, struct hd_error *err) {
    size_t left = count;
    for (unsigned round = 0; left > 0 && round < DELETE_ROUNDS; round++) {
        if (round > 0)
            hd_dynamo_wait(s, round, DELETE_WAIT_MS);
        HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
        json_t *answer = NULL;
        int rc = write_deletes(s, items, left, &body, err);
        struct hd_aws_request request = HD_DYNAMO("BatchWriteItem", &body);
        if (!rc)
            rc = hd_dynamo_call(s, &request, &answer, err);
        if (rc)
            return rc;
        left = keep_left(s, answer, items, left);
    }
    return left == 0 ? 0 : hd_error_set(err, HD_ERR_UNAVAILABLE, "DynamoDB leaves items of the outbox undeleted");
}

/* Only if it is still there: another may have sent the rest meanwhile. */
static int rewrite_item(struct hd_aws_store *s, const struct hd_outbox_item *item, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_dynamo_open(s, &body);
    write_item(&w, "Item", item);
    hd_json_put_str(&w, "ConditionExpression", "attribute_exists(pk)");
    int rc = hd_dynamo_close(&w, err);
    if (rc)
        return rc;
    struct hd_aws_request request = HD_DYNAMO("PutItem", &body);
    struct hd_aws_response response;
    rc = hd_aws_call_all(s->client, &request, 1, s->scratch, &response, err);
    if (rc || !response.code || strcmp(response.type, "ConditionalCheckFailedException") == 0)
        return rc;
    return hd_aws_response_error(&request, &response, err);
}

/* Takes out of the table what SQS has. The first error is told, and the others are tried all the same. */
static int clear(struct hd_aws_store *s, struct hd_outbox *outbox, struct hd_error *err) {
    struct hd_outbox_item **gone = hd_arena_calloc(s->scratch, outbox->count + 1, sizeof(struct hd_outbox_item *));
    if (!gone)
        return no_memory(err);
    size_t gone_count = 0;
    int first = 0;
    for (size_t i = 0; i < outbox->count; i++) {
        struct hd_outbox_item *item = &outbox->items[i];
        size_t unsent = unsent_of(item);
        if (unsent == 0)
            gone[gone_count++] = item;
        else if (unsent < item->count) {
            int rc = rewrite_item(s, item, first ? NULL : err);
            first = first ? first : rc;
        }
    }
    for (size_t from = 0; from < gone_count; from += HD_DYNAMO_WRITE_MAX) {
        size_t count = gone_count - from < HD_DYNAMO_WRITE_MAX ? gone_count - from : HD_DYNAMO_WRITE_MAX;
        int rc = delete_items(s, gone + from, count, first ? NULL : err);
        first = first ? first : rc;
    }
    return first;
}

int hd_outbox_hand_over(struct hd_aws_store *s, struct hd_outbox *outbox, int64_t now_ms, size_t *ret_sent, struct hd_error *err) {
    if (!s->sqs || outbox->count == 0)
        return 0;
    int rc = send_all(s, outbox, now_ms, ret_sent, err);
    int cleared = clear(s, outbox, rc ? NULL : err);
    return rc ? rc : cleared;
}

/* ---- what was left behind ---- */

static int read_message(const json_t *map, struct hd_sqs_outgoing *ret) {
    const char *queue = hd_item_text(map, "q");
    const char *body = hd_item_text(map, "b");
    int name = hd_queue_from_name(queue);
    int64_t lane = hd_item_number(map, "l", -1);
    if (name < 0 || !body || lane < 0 || lane >= HD_LANE_COUNT)
        return HD_ERR_CORRUPT;
    *ret = (struct hd_sqs_outgoing){.queue = (enum hd_queue_name)name,
                                    .lane = (enum hd_lane)lane,
                                    .body = body,
                                    .enqueued_at_ms = hd_item_number(map, "e", 0),
                                    .due_at_ms = hd_item_number(map, "d", 0)};
    return 0;
}

/* Nobody but us writes these; one that cannot be read stays for people to look at, and holds up no other. */
static int add_read(struct hd_aws_store *s, struct hd_outbox *outbox, const json_t *from, struct hd_error *err) {
    const json_t *list = json_object_get(json_object_get(from, "m"), "L");
    struct hd_outbox_item item = {.key = {.pk = hd_item_text(from, "pk"), .sk = hd_item_text(from, "sk")}};
    item.messages = hd_arena_calloc(s->scratch, json_array_size(list) + 1, sizeof *item.messages);
    if (!item.messages)
        return no_memory(err);
    size_t at;
    json_t *element;
    json_array_foreach(list, at, element) {
        if (read_message(json_object_get(element, "M"), &item.messages[item.count++]))
            return 0;
    }
    return item.count > 0 ? add_item(s, outbox, &item, err) : 0;
}

/* Where the next page of a shard begins: behind the item of that sk. Not in the scratch, which is each page's own. */
struct place {
    char sk[128]; /* "": at the oldest */
    bool end;
};

static int write_sweep(const struct hd_aws_store *s, unsigned shard, int64_t before_ms, const struct place *from, struct hd_buffer *body,
                       struct hd_error *err) {
    char pk[ID_TEXT_BYTES];
    (void)snprintf(pk, sizeof pk, "O#%02u", shard);
    struct hd_json_writer w = hd_dynamo_open(s, body);
    hd_json_put_bool(&w, "ConsistentRead", true);
    hd_json_put_str(&w, "KeyConditionExpression", "pk = :p AND sk < :before");
    hd_json_open_object(&w, "ExpressionAttributeValues");
    hd_item_put_text(&w, ":p", pk);
    hd_item_put_text(&w, ":before", hd_item_order(s->scratch, before_ms, "~"));
    hd_json_close_object(&w);
    hd_json_put_int(&w, "Limit", SWEEP_PAGE);
    if (from->sk[0])
        hd_item_put_key(&w, "ExclusiveStartKey", &(struct hd_aws_key){.pk = pk, .sk = from->sk});
    return hd_dynamo_close(&w, err);
}

/* One page of a shard, and where the next begins. */
static int sweep_page(struct hd_aws_store *s, unsigned shard, int64_t now_ms, int64_t before_ms, struct place *from, size_t *ret_sent,
                      struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    json_t *answer = NULL;
    hd_arena_reset(s->scratch);
    int rc = write_sweep(s, shard, before_ms, from, &body, err);
    from->end = true;
    struct hd_aws_request request = HD_DYNAMO("Query", &body);
    if (!rc)
        rc = hd_dynamo_call(s, &request, &answer, err);
    if (rc)
        return rc;
    const char *last = hd_item_text(json_object_get(answer, "LastEvaluatedKey"), "sk");
    if (last && strlen(last) < sizeof from->sk) { /* as all of ours are */
        (void)snprintf(from->sk, sizeof from->sk, "%s", last);
        from->end = false;
    }
    struct hd_outbox outbox = {0};
    size_t at;
    json_t *item;
    json_array_foreach(json_object_get(answer, "Items"), at, item) {
        rc = add_read(s, &outbox, item, err);
        if (rc)
            return rc;
    }
    return hd_outbox_hand_over(s, &outbox, now_ms, ret_sent, err);
}

/* What one queue does not take is passed over: the page behind it is looked at all the same. The first error is told in the end. */
int hd_aws_sweep(struct hd_store *store, int64_t now_ms, int64_t older_than_ms, size_t *ret_sent, struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    size_t sent = 0;
    int first = 0;
    for (unsigned shard = 0; shard < HD_OUTBOX_SHARDS; shard++) {
        struct place from = {0};
        while (!from.end) {
            int rc = sweep_page(s, shard, now_ms, now_ms - older_than_ms, &from, &sent, first ? NULL : err);
            first = first ? first : rc;
        }
    }
    *ret_sent = sent;
    return first;
}

int hd_aws_relay(struct hd_store *store, int64_t now_ms, const struct hd_aws_key *keys, size_t count, size_t *ret_sent,
                 struct hd_error *err) {
    struct hd_aws_store *s = hd_aws_store_of(store);
    hd_arena_reset(s->scratch);
    *ret_sent = 0;
    json_t **items = hd_arena_calloc(s->scratch, count + 1, sizeof(json_t *));
    if (!items)
        return no_memory(err);
    int rc = hd_dynamo_get_many(s, keys, count, items, err);
    struct hd_outbox outbox = {0};
    for (size_t i = 0; !rc && i < count; i++)
        if (items[i] && keys[i].pk[0] == 'O')
            rc = add_read(s, &outbox, items[i], err);
    return rc ? rc : hd_outbox_hand_over(s, &outbox, now_ms, ret_sent, err);
}
