/* The table: made where no CloudFormation makes it, and looked at. serverless/template.yaml says the same of it. */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/store.h"

enum { LINE_BYTES = 512, ACTIVE_ROUNDS = 240, ACTIVE_WAIT_MS = 500 };

static const struct index {
    const char *name, *key;
} indexes[] = {{"by-kind", "k"}, {"by-state", "s"}, {"by-person", "p"}, {"by-event", "e"}, {"by-ticket", "t"}}; /* each ordered by o */

struct looking {
    struct hd_aws_store *s;
    void (*tell)(void *arg, const char *line);
    void *arg;
    size_t problems;
    struct hd_error *err;
};

static void say(const struct looking *l, const char *what, const char *name, const char *more) {
    char line[LINE_BYTES];
    (void)snprintf(line, sizeof line, "%s %s%s", what, name, more);
    l->tell(l->arg, line);
}

static void complain(struct looking *l, const char *what, const char *name, const char *more) {
    say(l, what, name, more);
    l->problems++;
}

/* ---- making ---- */

static void put_attribute(struct hd_json_writer *w, const char *name) {
    hd_json_open_object(w, NULL);
    hd_json_put_str(w, "AttributeName", name);
    hd_json_put_str(w, "AttributeType", "S");
    hd_json_close_object(w);
}

static void put_key_schema(struct hd_json_writer *w, const char *hash, const char *range) {
    const char *const names[] = {hash, range};
    static const char *const types[] = {"HASH", "RANGE"};
    hd_json_open_array(w, "KeySchema");
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++) {
        hd_json_open_object(w, NULL);
        hd_json_put_str(w, "AttributeName", names[i]);
        hd_json_put_str(w, "KeyType", types[i]);
        hd_json_close_object(w);
    }
    hd_json_close_array(w);
}

static void put_index(struct hd_json_writer *w, const struct index *index) {
    hd_json_open_object(w, NULL);
    hd_json_put_str(w, "IndexName", index->name);
    put_key_schema(w, index->key, "o");
    hd_json_open_object(w, "Projection");
    hd_json_put_str(w, "ProjectionType", "KEYS_ONLY");
    hd_json_close_object(w);
    hd_json_close_object(w);
}

static int write_create(const struct looking *l, struct hd_buffer *body) {
    static const char *const others[] = {"pk", "sk", "o"};
    struct hd_json_writer w = hd_dynamo_open(l->s, body);
    hd_json_put_str(&w, "BillingMode", "PAY_PER_REQUEST");
    hd_json_open_array(&w, "AttributeDefinitions");
    for (size_t i = 0; i < HD_ARRAY_LEN(others); i++)
        put_attribute(&w, others[i]);
    for (size_t i = 0; i < HD_ARRAY_LEN(indexes); i++)
        put_attribute(&w, indexes[i].key);
    hd_json_close_array(&w);
    put_key_schema(&w, "pk", "sk");
    hd_json_open_array(&w, "GlobalSecondaryIndexes");
    for (size_t i = 0; i < HD_ARRAY_LEN(indexes); i++)
        put_index(&w, &indexes[i]);
    hd_json_close_array(&w);
    hd_json_open_object(&w, "StreamSpecification");
    hd_json_put_bool(&w, "StreamEnabled", true);
    hd_json_put_str(&w, "StreamViewType", "NEW_IMAGE");
    hd_json_close_object(&w);
    return hd_dynamo_close(&w, l->err);
}

static int write_time_to_live(const struct looking *l, struct hd_buffer *body) {
    struct hd_json_writer w = hd_dynamo_open(l->s, body);
    hd_json_open_object(&w, "TimeToLiveSpecification");
    hd_json_put_str(&w, "AttributeName", "ttl");
    hd_json_put_bool(&w, "Enabled", true);
    hd_json_close_object(&w);
    return hd_dynamo_close(&w, l->err);
}

static int write_backups(const struct looking *l, struct hd_buffer *body) {
    struct hd_json_writer w = hd_dynamo_open(l->s, body);
    hd_json_open_object(&w, "PointInTimeRecoverySpecification");
    hd_json_put_bool(&w, "PointInTimeRecoveryEnabled", true);
    hd_json_close_object(&w);
    return hd_dynamo_close(&w, l->err);
}

/* ---- asking ---- */

/* *ret_table: NULL when there is no such table. */
static int describe(const struct looking *l, json_t **ret_table) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_dynamo_open(l->s, &body);
    int rc = hd_dynamo_close(&w, l->err);
    struct hd_aws_request request = HD_DYNAMO("DescribeTable", &body);
    struct hd_aws_response response = {0};
    json_t *answer = NULL;
    if (!rc)
        rc = hd_aws_call_all(l->s->client, &request, 1, l->s->scratch, &response, l->err);
    *ret_table = NULL;
    if (rc || strcmp(response.type, "ResourceNotFoundException") == 0)
        return rc;
    if (response.code)
        return hd_aws_response_error(&request, &response, l->err);
    rc = hd_dynamo_parse(l->s, &response, &answer, l->err);
    if (!rc)
        *ret_table = json_object_get(answer, "Table");
    return rc;
}

static int ask_time_to_live(const struct looking *l, const char **ret_attribute) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_dynamo_open(l->s, &body);
    json_t *answer = NULL;
    int rc = hd_dynamo_close(&w, l->err);
    struct hd_aws_request request = HD_DYNAMO("DescribeTimeToLive", &body);
    if (!rc)
        rc = hd_dynamo_call(l->s, &request, &answer, l->err);
    if (rc)
        return rc;
    const json_t *spec = json_object_get(answer, "TimeToLiveDescription");
    const char *status = hd_json_str(spec, "TimeToLiveStatus");
    bool on = status && (strcmp(status, "ENABLED") == 0 || strcmp(status, "ENABLING") == 0);
    *ret_attribute = on ? hd_json_str(spec, "AttributeName") : NULL;
    return 0;
}

static bool is_active(const json_t *described) {
    const char *status = hd_json_str(described, "TableStatus");
    if (!status || strcmp(status, "ACTIVE") != 0)
        return false;
    size_t at;
    json_t *index;
    json_array_foreach(json_object_get(described, "GlobalSecondaryIndexes"), at, index) {
        status = hd_json_str(index, "IndexStatus");
        if (status && strcmp(status, "ACTIVE") != 0)
            return false;
    }
    return true;
}

/* ---- setting up ---- */

static int make(const struct looking *l) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    int rc = write_create(l, &body);
    struct hd_aws_request request = HD_DYNAMO("CreateTable", &body);
    struct hd_aws_response response = {0};
    if (!rc)
        rc = hd_aws_call_all(l->s->client, &request, 1, l->s->scratch, &response, l->err);
    if (!rc && response.code && strcmp(response.type, "ResourceInUseException") != 0) /* another is just making it */
        rc = hd_aws_response_error(&request, &response, l->err);
    return rc;
}

static int wait_until_active(const struct looking *l, json_t **ret_described) {
    for (unsigned round = 0; round < ACTIVE_ROUNDS; round++) {
        int rc = describe(l, ret_described);
        if (rc || (*ret_described && is_active(*ret_described)))
            return rc;
        hd_dynamo_wait(l->s, round, ACTIVE_WAIT_MS);
    }
    return hd_error_set(l->err, HD_ERR_UNAVAILABLE, "the table %s does not become active", l->s->options->table);
}

static int set_time_to_live(const struct looking *l) {
    const char *attribute = NULL;
    int rc = ask_time_to_live(l, &attribute);
    if (rc || attribute)
        return rc;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    json_t *answer = NULL;
    rc = write_time_to_live(l, &body);
    struct hd_aws_request request = HD_DYNAMO("UpdateTimeToLive", &body);
    return rc ? rc : hd_dynamo_call(l->s, &request, &answer, l->err);
}

/* Compatible services often have none, and a role may not: then it is said, and is no failure. */
static int set_backups(const struct looking *l) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    int rc = write_backups(l, &body);
    struct hd_aws_request request = HD_DYNAMO("UpdateContinuousBackups", &body);
    struct hd_aws_response response = {0};
    if (!rc)
        rc = hd_aws_call_all(l->s->client, &request, 1, l->s->scratch, &response, l->err);
    if (!rc && response.code) {
        struct hd_error why = {0};
        (void)hd_aws_response_error(&request, &response, &why);
        char more[LINE_BYTES];
        (void)snprintf(more, sizeof more, ": point-in-time recovery is not turned on: %s", why.detail);
        say(l, "table", l->s->options->table, more);
    }
    return rc;
}

static int set_up_table(const struct looking *l) {
    json_t *described = NULL;
    int rc = describe(l, &described);
    bool found = described != NULL;
    if (!rc && !found)
        rc = make(l);
    if (!rc)
        rc = wait_until_active(l, &described);
    if (!rc)
        rc = set_time_to_live(l);
    if (!rc && !found)
        rc = set_backups(l);
    if (!rc)
        say(l, "table", l->s->options->table, found ? ": found" : ": made");
    return rc;
}

/* ---- checking ---- */

static bool has_keys(const json_t *described, const char *hash, const char *range) {
    const json_t *schema = json_object_get(described, "KeySchema");
    const char *const names[] = {hash, range};
    static const char *const types[] = {"HASH", "RANGE"};
    size_t found = 0;
    size_t at;
    json_t *key;
    json_array_foreach(schema, at, key) {
        const char *name = hd_json_str(key, "AttributeName");
        const char *type = hd_json_str(key, "KeyType");
        for (size_t i = 0; i < HD_ARRAY_LEN(names); i++)
            found += name && type && strcmp(name, names[i]) == 0 && strcmp(type, types[i]) == 0;
    }
    return found == HD_ARRAY_LEN(names) && json_array_size(schema) == HD_ARRAY_LEN(names);
}

static void check_index(struct looking *l, const json_t *described, const struct index *wanted) {
    size_t at;
    json_t *index;
    json_array_foreach(json_object_get(described, "GlobalSecondaryIndexes"), at, index) {
        const char *name = hd_json_str(index, "IndexName");
        if (!name || strcmp(name, wanted->name) != 0)
            continue;
        const char *projection = hd_json_str(json_object_get(index, "Projection"), "ProjectionType");
        const char *status = hd_json_str(index, "IndexStatus");
        if (!has_keys(index, wanted->key, "o"))
            complain(l, "index", wanted->name, ": has other keys than it must have");
        if (!projection || strcmp(projection, "KEYS_ONLY") != 0)
            complain(l, "index", wanted->name, ": projects more than keys, which costs writes");
        if (status && strcmp(status, "ACTIVE") != 0)
            complain(l, "index", wanted->name, ": is not active");
        return;
    }
    complain(l, "index", wanted->name, ": is missing");
}

static void check_stream(struct looking *l, const json_t *described) {
    const json_t *stream = json_object_get(described, "StreamSpecification");
    const char *view = hd_json_str(stream, "StreamViewType");
    const char *name = l->s->options->table;
    if (!json_is_true(json_object_get(stream, "StreamEnabled")))
        complain(l, "table", name, ": has no stream; messages that a process leaves behind wait for the sweep");
    else if (!view || (strcmp(view, "NEW_IMAGE") != 0 && strcmp(view, "NEW_AND_OLD_IMAGES") != 0))
        complain(l, "table", name, ": has a stream without new images");
}

static int check_table(struct looking *l) {
    json_t *described = NULL;
    const char *name = l->s->options->table;
    int rc = describe(l, &described);
    if (rc)
        return rc;
    if (!described) {
        complain(l, "table", name, ": is missing");
        return 0;
    }
    if (!is_active(described))
        complain(l, "table", name, ": is not active");
    if (!has_keys(described, "pk", "sk"))
        complain(l, "table", name, ": has other keys than it must have");
    for (size_t i = 0; i < HD_ARRAY_LEN(indexes); i++)
        check_index(l, described, &indexes[i]);
    check_stream(l, described);
    const char *attribute = NULL;
    rc = ask_time_to_live(l, &attribute);
    if (!rc && (!attribute || strcmp(attribute, "ttl") != 0))
        complain(l, "table", name, ": has no time to live by the attribute ttl");
    return rc;
}

/* ---- both halves ---- */

/* A store view of our own brings client, queues and memory. */
static int open_view(struct hd_aws *aws, struct looking *l) {
    struct hd_store *store = NULL;
    int rc = hd_aws_store(aws, &store, l->err);
    if (!rc)
        l->s = hd_aws_store_of(store);
    return rc;
}

int hd_aws_setup(struct hd_aws *aws, void (*tell)(void *arg, const char *line), void *arg, struct hd_error *err) {
    struct looking l = {.tell = tell, .arg = arg, .err = err};
    int rc = open_view(aws, &l);
    if (rc)
        return rc;
    rc = set_up_table(&l);
    if (!rc && l.s->sqs)
        rc = hd_sqs_setup(l.s->sqs, tell, arg, err);
    l.s->store.ops->close(&l.s->store);
    return rc;
}

int hd_aws_check(struct hd_aws *aws, void (*tell)(void *arg, const char *line), void *arg, size_t *ret_problems, struct hd_error *err) {
    struct looking l = {.tell = tell, .arg = arg, .err = err};
    int rc = open_view(aws, &l);
    if (rc)
        return rc;
    size_t queue_problems = 0;
    rc = check_table(&l);
    if (!rc && l.s->sqs)
        rc = hd_sqs_check(l.s->sqs, tell, arg, &queue_problems, err);
    l.s->store.ops->close(&l.s->store);
    if (!rc)
        *ret_problems = l.problems + queue_problems;
    return rc;
}
