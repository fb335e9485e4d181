#include "serverless/stream_event.h"

#include <string.h>

static const char *key_text(const json_t *data, const char *name) {
    return hd_json_str(json_object_get(json_object_get(data, "Keys"), name), "S");
}

static int read_record(const json_t *record, struct hd_stream_record *ret, struct hd_error *err) {
    const char *source = hd_json_str(record, "eventSource"), *name = hd_json_str(record, "eventName");
    const json_t *data = json_object_get(record, "dynamodb");
    struct hd_stream_record read = {
        .pk = key_text(data, "pk"),
        .sk = key_text(data, "sk"),
        .sequence = hd_json_str(data, "SequenceNumber"),
        .inserted = name && strcmp(name, "INSERT") == 0,
        .image = json_object_get(data, "NewImage"),
    };
    if (!source || strcmp(source, "aws:dynamodb") != 0)
        return hd_error_set(err, HD_ERR_MALFORMED, "the record is none of a DynamoDB stream's");
    if (!name || !read.pk || !read.sk || !read.sequence)
        return hd_error_set(err, HD_ERR_MALFORMED, "the record lacks its eventName, SequenceNumber or keys (pk, sk)");
    *ret = read;
    return 0;
}

int hd_stream_event_read(struct hd_arena *arena, const json_t *event, const struct hd_stream_record **ret_records, size_t *ret_count,
                         struct hd_error *err) {
    const json_t *list = json_object_get(event, "Records");
    size_t count = json_array_size(list);
    if (!json_is_array(list))
        return hd_error_set(err, HD_ERR_MALFORMED, "the event has no Records: it is none of a DynamoDB stream's");
    struct hd_stream_record *records = hd_arena_calloc(arena, count, sizeof *records);
    if (!records)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a stream's records");
    for (size_t i = 0; i < count; i++) {
        int r = read_record(json_array_get(list, i), &records[i], err);
        if (r)
            return r;
    }
    *ret_records = records;
    *ret_count = count;
    return 0;
}

void hd_stream_event_answer(struct hd_buffer *out, const char *first_failed) {
    struct hd_json_writer w = hd_json_writer(out);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "batchItemFailures");
    if (first_failed) {
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "itemIdentifier", first_failed);
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
}

bool hd_event_is_schedule(const json_t *event) {
    const char *type = hd_json_str(event, "detail-type");
    return type && strcmp(type, "Scheduled Event") == 0;
}

/* ---- an item as plain JSON ---- */

/* RFC 8259's numbers are what DynamoDB gives; anything else would break the line that it stands in. */
static bool is_number(const char *text) {
    const char *at = text + (*text == '-');
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || (digits > 1 && *at == '0'))
        return false;
    at += digits;
    if (*at == '.') {
        size_t fraction = strspn(at + 1, "0123456789");
        if (fraction == 0)
            return false;
        at += 1 + fraction;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        size_t exponent = strspn(at, "0123456789");
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return *at == '\0';
}

static void put_number(struct hd_json_writer *w, const char *name, const json_t *value) {
    const char *text = json_string_value(value);
    if (text && is_number(text))
        hd_json_put_raw(w, name, text, strlen(text));
    else
        hd_json_put_str(w, name, text);
}

static void put_value(struct hd_json_writer *w, const char *name, const json_t *typed);

/* SS, NS, BS: plain values; L: typed ones. */
static void put_list(struct hd_json_writer *w, const char *name, char type, const json_t *list) {
    size_t i;
    json_t *value;
    hd_json_open_array(w, name);
    json_array_foreach(list, i, value) {
        if (type == 'L')
            put_value(w, NULL, value);
        else if (type == 'N')
            put_number(w, NULL, value);
        else
            hd_json_put_str(w, NULL, json_string_value(value));
    }
    hd_json_close_array(w);
}

/* Depth is bounded: what comes in was parsed with HD_JSON_MAX_DEPTH. */
static void put_value(struct hd_json_writer *w, const char *name, const json_t *typed) { // NOLINT(misc-no-recursion)
    const char *type;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)typed, type, value) {
        if (strcmp(type, "S") == 0 || strcmp(type, "B") == 0)
            hd_json_put_str(w, name, json_string_value(value));
        else if (strcmp(type, "N") == 0)
            put_number(w, name, value);
        else if (strcmp(type, "BOOL") == 0)
            hd_json_put_bool(w, name, json_is_true(value));
        else if (strcmp(type, "M") == 0)
            hd_stream_put_item(w, name, value, NULL);
        else if (json_is_array(value))
            put_list(w, name, type[0], value);
        else
            hd_json_put_str(w, name, NULL);
        return; /* a value has one type */
    }
    hd_json_put_str(w, name, NULL);
}

static bool is_listed(const char *name, const char *const *list) {
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* Names come from an event: escaped as a string is, unlike the writer's own. */
static bool plain_name(const char *name) {
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == '"' || *name == '\\')
            return false;
    return true;
}

void hd_stream_put_item(struct hd_json_writer *w, const char *name, const json_t *image, const char *const *leave_out) {
    const char *member;
    json_t *value;
    hd_json_open_object(w, name);
    json_object_foreach((json_t *)(uintptr_t)image, member, value) {
        if (plain_name(member) && !is_listed(member, leave_out))
            put_value(w, member, value);
    }
    hd_json_close_object(w);
}
