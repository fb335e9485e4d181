#include "tests/support/table.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/json.h"
#include "tests/support/stand_in.h"

enum { ITEMS_MAX = 4096, TEXTS_MAX = 4096, TOKEN_BYTES = 40 };

struct asked {
    char action[HD_TABLE_ACTION_BYTES];
    char token[TOKEN_BYTES]; /* of a transaction; "" else */
    bool done;
};

struct texts {
    char *all[TEXTS_MAX];
    size_t count;
};

struct hd_table {
    struct hd_stand_in *server;
    hd_table_fault_fn *fault;
    void *arg;
    json_t *items[ITEMS_MAX]; /* on the heap */
    size_t count;
    struct asked asked[TEXTS_MAX];
    size_t asked_count;
    struct texts sent, deleted;
    _Atomic(const char *) refused_queue;
    struct hd_buffer answer;
    int status;
};

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

static void keep(struct texts *texts, const char *text) {
    if (texts->count == TEXTS_MAX)
        abort();
    texts->all[texts->count++] = must(strdup(text));
}

static size_t times(const struct texts *texts, const char *text) {
    size_t count = 0;
    for (size_t i = 0; i < texts->count; i++)
        count += strcmp(texts->all[i], text) == 0;
    return count;
}

/* ---- items ---- */

static const char *text_of(const json_t *item, const char *name) {
    const char *text = json_string_value(json_object_get(json_object_get(item, name), "S"));
    return text ? text : "";
}

static size_t find(const struct hd_table *t, const char *pk, const char *sk) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(text_of(t->items[i], "pk"), pk) == 0 && strcmp(text_of(t->items[i], "sk"), sk) == 0)
            return i;
    return SIZE_MAX;
}

static const json_t *at_key(const struct hd_table *t, const json_t *key) {
    size_t at = find(t, text_of(key, "pk"), text_of(key, "sk"));
    return at == SIZE_MAX ? NULL : t->items[at];
}

static void take_away(struct hd_table *t, const json_t *key) {
    size_t at = find(t, text_of(key, "pk"), text_of(key, "sk"));
    if (at == SIZE_MAX)
        return;
    json_decref(t->items[at]);
    t->items[at] = t->items[--t->count];
}

static json_t *heap_copy(const json_t *tree) {
    struct hd_buffer text = {0};
    json_t *copy = NULL;
    hd_json_dump(&text, tree);
    if (hd_json_load(hd_buffer_text(&text), text.len, 0, &copy, NULL) != 0)
        abort();
    hd_buffer_free(&text);
    return copy;
}

static void put(struct hd_table *t, const json_t *item) {
    take_away(t, item);
    if (t->count == ITEMS_MAX)
        abort();
    t->items[t->count++] = heap_copy(item);
}

/* ---- expressions ---- */

static const json_t *operand(const json_t *action, const json_t *item, const char *word) {
    if (word[0] == ':')
        return json_object_get(json_object_get(action, "ExpressionAttributeValues"), word);
    const char *name = hd_json_str(json_object_get(action, "ExpressionAttributeNames"), word);
    return json_object_get(item, name ? name : word);
}

static long long number_of(const json_t *value) {
    const char *text = json_string_value(json_object_get(value, "N"));
    return text ? strtoll(text, NULL, 10) : 0;
}

/* "attribute_exists(x)", "attribute_not_exists(x)", "x = y", "x <= y" */
static bool term_holds(const json_t *action, const json_t *item, const char *term) {
    char left[32], right[32], sign[4];
    if (sscanf(term, "attribute_not_exists(%31[^)])", left) == 1)
        return !operand(action, item, left);
    if (sscanf(term, "attribute_exists(%31[^)])", left) == 1)
        return operand(action, item, left) != NULL;
    if (sscanf(term, "%31s %3s %31s", left, sign, right) != 3)
        abort();
    const json_t *a = operand(action, item, left), *b = operand(action, item, right);
    if (strcmp(sign, "=") == 0)
        return a && b && json_equal(a, b);
    return a && b && number_of(a) <= number_of(b);
}

static bool holds(const json_t *action, const json_t *item) {
    const char *expression = hd_json_str(action, "ConditionExpression");
    if (!expression)
        return true;
    bool any = strstr(expression, " OR ") != NULL;
    const char *between = any ? " OR " : " AND ";
    for (const char *from = expression; from;) {
        const char *to = strstr(from, between);
        char term[128];
        (void)snprintf(term, sizeof term, "%.*s", (int)(to ? to - from : (long)strlen(from)), from);
        if (term_holds(action, item, term) == any)
            return any;
        from = to ? to + strlen(between) : NULL;
    }
    return !any;
}

/* The one update that there is: SET #r = if_not_exists(#r, :r) REMOVE #s */
static void update(const struct hd_table *t, const json_t *action) {
    json_t *item = (json_t *)at_key(t, json_object_get(action, "Key"));
    if (!json_object_get(item, "read_at_ms"))
        json_object_set_new(item, "read_at_ms", heap_copy(operand(action, item, ":r")));
    json_object_del(item, "s");
}

/* ---- answers ---- */

static void say(struct hd_table *t, int status, const char *text) {
    t->status = status;
    hd_buffer_clear(&t->answer);
    hd_buffer_add_str(&t->answer, text);
}

static void get_item(struct hd_table *t, const json_t *body) {
    const json_t *item = at_key(t, json_object_get(body, "Key"));
    struct hd_json_writer w = hd_json_writer(&t->answer);
    hd_json_open_object(&w, NULL);
    if (item)
        hd_json_put_json(&w, "Item", item);
    hd_json_close_object(&w);
}

/* Of a request for many, a third is left for another. */
static bool is_left(const json_t *keys, size_t i) {
    return json_array_size(keys) >= 3 && i % 3 == 2;
}

static void batch_get(struct hd_table *t, const json_t *body) {
    const json_t *keys = json_object_get(json_object_get(json_object_get(body, "RequestItems"), "table"), "Keys");
    struct hd_json_writer w = hd_json_writer(&t->answer);
    hd_json_open_object(&w, NULL);
    hd_json_open_object(&w, "Responses");
    hd_json_open_array(&w, "table");
    size_t i;
    json_t *key;
    json_array_foreach(keys, i, key) {
        const json_t *item = at_key(t, key);
        if (item && !is_left(keys, i))
            hd_json_put_json(&w, NULL, item);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    hd_json_open_object(&w, "UnprocessedKeys");
    hd_json_open_object(&w, "table");
    hd_json_open_array(&w, "Keys");
    json_array_foreach(keys, i, key) {
        if (is_left(keys, i))
            hd_json_put_json(&w, NULL, key);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    hd_json_close_object(&w);
    hd_json_close_object(&w);
}

static const char *kind_of(const json_t *element, const json_t **ret_action) {
    static const char *const kinds[] = {"Put", "Delete", "Update"};
    for (size_t i = 0; i < 3; i++)
        if ((*ret_action = json_object_get(element, kinds[i])))
            return kinds[i];
    abort();
}

static const json_t *key_of(const json_t *action) {
    const json_t *item = json_object_get(action, "Item");
    return item ? item : json_object_get(action, "Key");
}

static void refuse(struct hd_table *t, const json_t *elements, const char *reason) {
    t->status = 400;
    struct hd_json_writer w = hd_json_writer(&t->answer);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "__type", "com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    hd_json_put_str(&w, "Message", "Transaction cancelled");
    hd_json_open_array(&w, "CancellationReasons");
    for (size_t i = 0; i < json_array_size(elements); i++) {
        const json_t *action = NULL;
        (void)kind_of(json_array_get(elements, i), &action);
        bool held = holds(action, at_key(t, key_of(action)));
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "Code", reason ? (i == 0 ? reason : "None") : held ? "None" : "ConditionalCheckFailed");
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
}

/* DynamoDB's own limits hold here, too. */
static bool is_well_formed(const json_t *elements) {
    if (json_array_size(elements) == 0 || json_array_size(elements) > 100)
        return false;
    for (size_t i = 0; i < json_array_size(elements); i++) {
        const json_t *a = NULL, *b = NULL;
        (void)kind_of(json_array_get(elements, i), &a);
        for (size_t k = 0; k < i; k++) {
            (void)kind_of(json_array_get(elements, k), &b);
            if (strcmp(text_of(key_of(a), "pk"), text_of(key_of(b), "pk")) == 0 &&
                strcmp(text_of(key_of(a), "sk"), text_of(key_of(b), "sk")) == 0)
                return false;
        }
    }
    return true;
}

static bool was_done(const struct hd_table *t, const char *token) {
    for (size_t i = 0; i + 1 < t->asked_count; i++)
        if (t->asked[i].done && strcmp(t->asked[i].token, token) == 0)
            return true;
    return false;
}

static void transact(struct hd_table *t, const json_t *body, enum hd_table_fault fault) {
    struct asked *asked = &t->asked[t->asked_count - 1];
    const json_t *elements = json_object_get(body, "TransactItems");
    if (!is_well_formed(elements)) {
        say(t, 400, "{\"__type\":\"ValidationException\",\"message\":\"too many actions, or two for one item\"}");
        return;
    }
    (void)snprintf(asked->token, sizeof asked->token, "%s", hd_json_str(body, "ClientRequestToken"));
    if (fault == HD_TABLE_THROTTLES || fault == HD_TABLE_CONFLICTS) {
        refuse(t, elements, fault == HD_TABLE_THROTTLES ? "ThrottlingError" : "TransactionConflict");
        return;
    }
    if (was_done(t, asked->token))
        return;
    for (size_t i = 0; i < json_array_size(elements); i++) {
        const json_t *action = NULL;
        (void)kind_of(json_array_get(elements, i), &action);
        if (!holds(action, at_key(t, key_of(action)))) {
            refuse(t, elements, NULL);
            return;
        }
    }
    for (size_t i = 0; i < json_array_size(elements); i++) {
        const json_t *action = NULL;
        const char *kind = kind_of(json_array_get(elements, i), &action);
        if (kind[0] == 'P')
            put(t, json_object_get(action, "Item"));
        else if (kind[0] == 'D')
            take_away(t, json_object_get(action, "Key"));
        else
            update(t, action);
    }
    asked->done = true;
}

static void put_item(struct hd_table *t, const json_t *body) {
    if (holds(body, at_key(t, json_object_get(body, "Item"))))
        put(t, json_object_get(body, "Item"));
    else
        say(t, 400, "{\"__type\":\"ConditionalCheckFailedException\"}");
}

static void batch_write(struct hd_table *t, const json_t *body) {
    const json_t *requests = json_object_get(json_object_get(body, "RequestItems"), "table");
    size_t i;
    json_t *request;
    json_array_foreach(requests, i, request) take_away(t, json_object_get(json_object_get(request, "DeleteRequest"), "Key"));
}

static int by_sk(const void *a, const void *b) {
    return strcmp(text_of(*(json_t *const *)a, "sk"), text_of(*(json_t *const *)b, "sk"));
}

/* Of a partition: what begins with :a, or stands before :before. In pages of Limit. */
static void query(struct hd_table *t, const json_t *body) {
    const json_t *values = json_object_get(body, "ExpressionAttributeValues");
    const char *after = text_of(json_object_get(body, "ExclusiveStartKey"), "sk"), *before = text_of(values, ":before");
    json_int_t limit = hd_json_int(body, "Limit", ITEMS_MAX);
    json_t *found[ITEMS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        const char *sk = text_of(t->items[i], "sk");
        if (strcmp(text_of(t->items[i], "pk"), text_of(values, ":p")) == 0 && strcmp(sk, after) > 0 &&
            strncmp(sk, text_of(values, ":a"), strlen(text_of(values, ":a"))) == 0 && (before[0] == '\0' || strcmp(sk, before) < 0))
            found[count++] = t->items[i];
    }
    qsort(found, count, sizeof(json_t *), by_sk);
    struct hd_json_writer w = hd_json_writer(&t->answer);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "Items");
    for (size_t i = 0; i < count && (json_int_t)i < limit; i++)
        hd_json_put_json(&w, NULL, found[i]);
    hd_json_close_array(&w);
    if ((json_int_t)count > limit) {
        hd_json_open_object(&w, "LastEvaluatedKey");
        hd_json_put_json(&w, "pk", json_object_get(found[limit - 1], "pk"));
        hd_json_put_json(&w, "sk", json_object_get(found[limit - 1], "sk"));
        hd_json_close_object(&w);
    }
    hd_json_close_object(&w);
}

/* SendMessageBatch, DeleteMessageBatch. */
static void queue_batch(struct hd_table *t, const json_t *body, bool send) {
    const json_t *entries = json_object_get(body, "Entries");
    const char *url = hd_json_str(body, "QueueUrl");
    const char *queue = atomic_load(&t->refused_queue);
    size_t refused = queue ? strlen(queue) : 0, len = url ? strlen(url) : 0;
    bool fails = refused > 0 && len >= refused && strcmp(url + len - refused, queue) == 0;
    struct hd_json_writer w = hd_json_writer(&t->answer);
    hd_json_open_object(&w, NULL);
    for (int list = 0; list < 2; list++) {
        hd_json_open_array(&w, list ? "Failed" : "Successful");
        size_t i;
        json_t *entry;
        json_array_foreach(entries, i, entry) {
            if (fails != (list == 1))
                continue;
            hd_json_open_object(&w, NULL);
            hd_json_put_str(&w, "Id", hd_json_str(entry, "Id"));
            hd_json_put_str(&w, list ? "Code" : "MessageId", list ? "InternalError" : "m");
            hd_json_put_bool(&w, "SenderFault", false);
            hd_json_close_object(&w);
            if (!fails)
                keep(send ? &t->sent : &t->deleted, hd_json_str(entry, send ? "MessageBody" : "ReceiptHandle"));
        }
        hd_json_close_array(&w);
    }
    hd_json_close_object(&w);
}

static void do_it(struct hd_table *t, const char *action, const json_t *body, enum hd_table_fault fault) {
    if (strcmp(action, "TransactWriteItems") == 0)
        transact(t, body, fault);
    else if (strcmp(action, "GetItem") == 0)
        get_item(t, body);
    else if (strcmp(action, "BatchGetItem") == 0)
        batch_get(t, body);
    else if (strcmp(action, "PutItem") == 0)
        put_item(t, body);
    else if (strcmp(action, "BatchWriteItem") == 0)
        batch_write(t, body);
    else if (strcmp(action, "Query") == 0)
        query(t, body);
    else if (strcmp(action, "SendMessageBatch") == 0)
        queue_batch(t, body, true);
    else if (strcmp(action, "DeleteMessageBatch") == 0)
        queue_batch(t, body, false);
    else
        say(t, 400, "{\"__type\":\"UnknownOperationException\"}");
}

static void answer(void *arg, const struct hd_stand_in_request *request, struct hd_stand_in_answer *ret) {
    struct hd_table *t = arg;
    const char *target = hd_stand_in_header(request, "X-Amz-Target");
    const char *dot = strchr(target, '.');
    const char *action = dot ? dot + 1 : target;
    if (t->asked_count == TEXTS_MAX)
        abort();
    struct asked *asked = &t->asked[t->asked_count++];
    *asked = (struct asked){0};
    (void)snprintf(asked->action, sizeof asked->action, "%s", action);
    enum hd_table_fault fault = t->fault ? t->fault(t->arg, action, request->number) : HD_TABLE_WORKS;
    bool transaction = strcmp(action, "TransactWriteItems") == 0;
    say(t, 200, "");
    if (fault == HD_TABLE_FAILS)
        say(t, 500, "{\"__type\":\"InternalServerError\"}");
    else if (fault == HD_TABLE_THROTTLES && !transaction)
        say(t, 400, "{\"__type\":\"ProvisionedThroughputExceededException\"}");
    else if (fault != HD_TABLE_CUTS) {
        json_t *body = NULL;
        if (hd_json_load(request->body, request->body_bytes, 0, &body, NULL) != 0)
            abort();
        do_it(t, action, body, fault);
        json_decref(body);
    }
    ret->way = fault == HD_TABLE_CUTS || fault == HD_TABLE_LOSES ? HD_STAND_IN_DROPS : HD_STAND_IN_ANSWERS;
    ret->status = t->status;
    ret->body = t->answer.len ? hd_buffer_text(&t->answer) : "{}";
}

/* ---- the test's side ---- */

struct hd_table *hd_table_new(hd_table_fault_fn *fault, void *arg) {
    struct hd_table *t = must(calloc(1, sizeof *t));
    t->fault = fault;
    t->arg = arg;
    t->server = hd_stand_in_new(answer, t);
    const char *const settings[][2] = {{"AWS_ENDPOINT_URL", hd_stand_in_url(t->server)},
                                       {"AWS_REGION", "eu-west-1"},
                                       {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                       {"AWS_SECRET_ACCESS_KEY", "example"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (setenv(settings[i][0], settings[i][1], 1) != 0)
            abort();
    return t;
}

static void forget(struct texts *texts) {
    for (size_t i = 0; i < texts->count; i++)
        free(texts->all[i]);
}

void hd_table_free(struct hd_table *t) {
    if (!t)
        return;
    hd_stand_in_free(t->server);
    for (size_t i = 0; i < t->count; i++)
        json_decref(t->items[i]);
    forget(&t->sent);
    forget(&t->deleted);
    hd_buffer_free(&t->answer);
    free(t);
}

/* hd_stand_in_requests takes the server's lock: what its thread wrote before is seen behind it. */
int hd_table_requests(struct hd_table *t) {
    return hd_stand_in_requests(t->server);
}

size_t hd_table_count(struct hd_table *t, char prefix) {
    (void)hd_table_requests(t);
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        count += prefix == '\0' || text_of(t->items[i], "pk")[0] == prefix;
    return count;
}

const json_t *hd_table_item(struct hd_table *t, const char *pk, const char *sk) {
    (void)hd_table_requests(t);
    size_t at = find(t, pk, sk);
    return at == SIZE_MAX ? NULL : t->items[at];
}

static const char *first(struct hd_table *t, char prefix, const char *name) {
    (void)hd_table_requests(t);
    for (size_t i = 0; i < t->count; i++)
        if (text_of(t->items[i], "pk")[0] == prefix)
            return text_of(t->items[i], name);
    return "";
}

const char *hd_table_first_pk(struct hd_table *t, char prefix) {
    return first(t, prefix, "pk");
}

const char *hd_table_first_sk(struct hd_table *t, char prefix) {
    return first(t, prefix, "sk");
}

size_t hd_table_sent(struct hd_table *t, const char *body) {
    (void)hd_table_requests(t);
    return times(&t->sent, body);
}

size_t hd_table_deleted(struct hd_table *t, const char *receipt) {
    (void)hd_table_requests(t);
    return times(&t->deleted, receipt);
}

void hd_table_refuse_queue(struct hd_table *t, const char *name) {
    atomic_store(&t->refused_queue, name);
}

size_t hd_table_actions(struct hd_table *t, const char *action) {
    (void)hd_table_requests(t);
    size_t count = 0;
    for (size_t i = 0; i < t->asked_count; i++)
        count += strcmp(t->asked[i].action, action) == 0;
    return count;
}

const char *hd_table_token(struct hd_table *t, size_t i) {
    (void)hd_table_requests(t);
    for (size_t at = 0; at < t->asked_count; at++)
        if (strcmp(t->asked[at].action, "TransactWriteItems") == 0 && i-- == 0)
            return t->asked[at].token;
    return "";
}
