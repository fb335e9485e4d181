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
