/* Requests to DynamoDB, as the rest of the store makes them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/aws/store.h"

enum { WAIT_MAX_MS = 500, GET_WAIT_MS = 25, MS_PER_S = 1000, NS_PER_MS = 1000 * 1000 };

struct hd_json_writer hd_dynamo_open(const struct hd_aws_store *s, struct hd_buffer *body) {
    struct hd_json_writer w = hd_json_writer(body);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "TableName", s->options->table);
    return w;
}

int hd_dynamo_close(struct hd_json_writer *w, struct hd_error *err) {
    hd_json_close_object(w);
    return hd_buffer_check(w->out, err);
}

int hd_dynamo_parse(struct hd_aws_store *s, const struct hd_aws_response *response, json_t **ret_answer, struct hd_error *err) {
    int rc = hd_json_parse(s->scratch, response->body, response->body_bytes, 0, ret_answer, err);
    if (rc == HD_ERR_MALFORMED)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "DynamoDB's answer could not be read");
    return rc;
}

int hd_dynamo_call(struct hd_aws_store *s, const struct hd_aws_request *request, json_t **ret_answer, struct hd_error *err) {
    struct hd_aws_response response;
    int rc = hd_aws_call_all(s->client, request, 1, s->scratch, &response, err);
    if (rc)
        return rc;
    if (response.code)
        return hd_aws_response_error(request, &response, err);
    return hd_dynamo_parse(s, &response, ret_answer, err);
}

void hd_dynamo_wait(const struct hd_aws_store *s, unsigned round, int64_t base_ms) {
    uint32_t chance = 0;
    s->options->random->fill(s->options->random, &chance, sizeof chance);
    int64_t most_ms = base_ms << (round < 8 ? round : 8);
    int64_t ms = (most_ms < WAIT_MAX_MS ? most_ms : WAIT_MAX_MS) * (int64_t)chance / UINT32_MAX;
    struct timespec time = {.tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * NS_PER_MS};
    (void)nanosleep(&time, NULL);
}

const char *hd_dynamo_token(struct hd_aws_store *s) {
    uint8_t random[HD_ID_BYTES];
    s->options->random->fill(s->options->random, random, sizeof random);
    struct hd_id id = hd_id_from_bytes(random);
    return hd_arena_strdup(s->scratch, id.text);
}

/* ---- many at once ---- */

/* Those of the keys that are still wanted, each once, in requests of at most 100. */
struct getting {
    struct hd_aws_store *s;
    const struct hd_aws_key *keys;
    size_t count;
    json_t **items;
    bool *settled; /* its item is there, or is known not to be */
    struct hd_buffer *bodies;
    struct hd_aws_request *requests;
    struct hd_aws_response *responses;
    size_t *from, *to; /* of each request: which keys it asks for, as a range of asked */
    size_t *asked;
    size_t request_count;
};

static bool is_asked(const struct getting *g, size_t first, size_t last, const struct hd_aws_key *key) {
    for (size_t i = first; i < last; i++) {
        const struct hd_aws_key *other = &g->keys[g->asked[i]];
        if (strcmp(other->pk, key->pk) == 0 && strcmp(other->sk, key->sk) == 0)
            return true;
    }
    return false;
}

static int write_get(struct getting *g, size_t at, struct hd_error *err) {
    struct hd_json_writer w = hd_json_writer(&g->bodies[at]);
    hd_buffer_clear(&g->bodies[at]);
    hd_json_open_object(&w, NULL);
    hd_json_open_object(&w, "RequestItems");
    hd_json_open_object(&w, g->s->options->table);
    hd_json_put_bool(&w, "ConsistentRead", true);
    hd_json_open_array(&w, "Keys");
    for (size_t i = g->from[at]; i < g->to[at]; i++)
        hd_item_put_key(&w, NULL, &g->keys[g->asked[i]]);
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    hd_json_close_object(&w);
    g->requests[at] = HD_DYNAMO("BatchGetItem", &g->bodies[at]);
    int rc = hd_dynamo_close(&w, err);
    g->requests[at].body = g->bodies[at].data;
    g->requests[at].body_bytes = g->bodies[at].len;
    return rc;
}

/* Keys that repeat within a request's hundred are asked for once: DynamoDB refuses them else. */
static int write_gets(struct getting *g, struct hd_error *err) {
    size_t asked = 0;
    g->request_count = 0;
    for (size_t i = 0; i < g->count;) {
        size_t first = asked;
        for (; i < g->count && asked - first < HD_DYNAMO_GET_MAX; i++)
            if (!g->settled[i] && !is_asked(g, first, asked, &g->keys[i]))
                g->asked[asked++] = i;
        if (asked == first)
            break;
        g->from[g->request_count] = first;
        g->to[g->request_count] = asked;
        int rc = write_get(g, g->request_count++, err);
        if (rc)
            return rc;
    }
    return 0;
}

static bool has_key(const json_t *keys, const struct hd_aws_key *key, size_t *ret_at) {
    size_t at;
    json_t *other;
    json_array_foreach(keys, at, other) {
        if (hd_item_has_key(other, key)) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static int take_gets(struct getting *g, size_t at, struct hd_error *err) {
    const struct hd_aws_response *response = &g->responses[at];
    if (response->code)
        return hd_aws_response_error(&g->requests[at], response, err);
    json_t *answer = NULL;
    int rc = hd_dynamo_parse(g->s, response, &answer, err);
    if (rc)
        return rc;
    const json_t *found = json_object_get(json_object_get(answer, "Responses"), g->s->options->table);
    const json_t *left = json_object_get(json_object_get(json_object_get(answer, "UnprocessedKeys"), g->s->options->table), "Keys");
    for (size_t i = g->from[at]; i < g->to[at]; i++) {
        size_t place = 0;
        size_t which = g->asked[i];
        if (has_key(found, &g->keys[which], &place))
            g->items[which] = json_array_get(found, place);
        g->settled[which] = !has_key(left, &g->keys[which], &place);
    }
    return 0;
}

/* Keys that are equal to one that was asked for share what came of it. */
static size_t share(struct getting *g) {
    size_t left = 0;
    for (size_t i = 0; i < g->count; i++) {
        for (size_t r = 0; !g->settled[i] && r < g->request_count; r++) {
            for (size_t a = g->from[r]; a < g->to[r] && !g->settled[i]; a++) {
                size_t which = g->asked[a];
                if (g->settled[which] && strcmp(g->keys[which].pk, g->keys[i].pk) == 0 && strcmp(g->keys[which].sk, g->keys[i].sk) == 0) {
                    g->items[i] = g->items[which];
                    g->settled[i] = true;
                }
            }
        }
        left += !g->settled[i];
    }
    return left;
}

static int get_all(struct getting *g, struct hd_error *err) {
    for (unsigned round = 0;; round++) {
        int rc = write_gets(g, err);
        if (!rc && g->request_count > 0)
            rc = hd_aws_call_all(g->s->client, g->requests, g->request_count, g->s->scratch, g->responses, err);
        for (size_t i = 0; !rc && i < g->request_count; i++)
            rc = take_gets(g, i, err);
        if (rc || share(g) == 0)
            return rc;
        if (round + 1 == HD_DYNAMO_ROUNDS_MAX)
            return hd_error_set(err, HD_ERR_UNAVAILABLE, "DynamoDB leaves keys unprocessed: its throughput is used up");
        hd_dynamo_wait(g->s, round, GET_WAIT_MS);
    }
}

int hd_dynamo_get_many(struct hd_aws_store *s, const struct hd_aws_key *keys, size_t count, json_t **ret_items, struct hd_error *err) {
    size_t most = count / HD_DYNAMO_GET_MAX + 1;
    struct getting g = {
        .s = s,
        .keys = keys,
        .count = count,
        .items = hd_arena_calloc(s->scratch, count + 1, sizeof(json_t *)),
        .settled = hd_arena_calloc(s->scratch, count + 1, sizeof(bool)),
        .bodies = hd_arena_calloc(s->scratch, most, sizeof(struct hd_buffer)),
        .requests = hd_arena_calloc(s->scratch, most, sizeof(struct hd_aws_request)),
        .responses = hd_arena_calloc(s->scratch, most, sizeof(struct hd_aws_response)),
        .from = hd_arena_calloc(s->scratch, most, sizeof(size_t)),
        .to = hd_arena_calloc(s->scratch, most, sizeof(size_t)),
        .asked = hd_arena_calloc(s->scratch, count + 1, sizeof(size_t)),
    };
    if (!g.items || !g.settled || !g.bodies || !g.requests || !g.responses || !g.from || !g.to || !g.asked)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for reading %zu items", count);
    int rc = get_all(&g, err);
    for (size_t i = 0; i < most; i++)
        hd_buffer_free(&g.bodies[i]);
    if (!rc && count > 0)
        memcpy(ret_items, g.items, count * sizeof(json_t *));
    return rc;
}
