#include "serverless/sqs_event.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"

enum { CLOCK_DIFFERENCE_MS = 60 * 1000, NUMBER_MAX_LEN = 17 };

static bool take_suffix(const char *text, size_t *len, const char *suffix) {
    size_t suffix_len = strlen(suffix);
    if (*len < suffix_len || memcmp(text + *len - suffix_len, suffix, suffix_len) != 0)
        return false;
    *len -= suffix_len;
    return true;
}

bool hd_sqs_queue_of_name(const char *name, enum hd_queue_name *ret_queue, enum hd_lane *ret_lane, bool *ret_dead) {
    size_t len = strlen(name);
    bool dead = take_suffix(name, &len, "-dead");
    bool urgent = !dead && take_suffix(name, &len, "-urgent");
    for (unsigned i = 0; i < HD_QUEUE_COUNT; i++) {
        size_t prefix_len = len;
        if (!take_suffix(name, &prefix_len, hd_queue_name_text((enum hd_queue_name)i)))
            continue;
        if (prefix_len > 0 && isalnum((unsigned char)name[prefix_len - 1])) /* "xemail" is another word */
            continue;
        *ret_queue = (enum hd_queue_name)i;
        *ret_lane = urgent ? HD_LANE_URGENT : HD_LANE_NORMAL;
        *ret_dead = dead;
        return true;
    }
    return false;
}

/* Lambda gives numbers as strings. -1: it is none. */
static int64_t number_of(const char *text) {
    size_t len = text ? strspn(text, "0123456789") : 0;
    int64_t number = 0;
    if (len == 0 || len > NUMBER_MAX_LEN || text[len] != '\0')
        return -1;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (text[i] - '0');
    return number;
}

/* What it says of itself is believed as far as its sending allows: others may publish, too. */
static int64_t enqueued_at(const json_t *record, int64_t sent_at_ms) {
    const json_t *attribute = json_object_get(json_object_get(record, "messageAttributes"), "enqueuedAt");
    int64_t said_ms = number_of(hd_json_str(attribute, "stringValue"));
    return said_ms > 0 && said_ms <= sent_at_ms + CLOCK_DIFFERENCE_MS ? said_ms : sent_at_ms;
}

static int read_record(const json_t *record, struct hd_message *ret, struct hd_error *err) {
    const json_t *attributes = json_object_get(record, "attributes");
    const char *arn = hd_json_str(record, "eventSourceARN"), *source = hd_json_str(record, "eventSource");
    const char *name = arn ? strrchr(arn, ':') : NULL;
    int64_t receives = number_of(hd_json_str(attributes, "ApproximateReceiveCount"));
    int64_t sent_at_ms = number_of(hd_json_str(attributes, "SentTimestamp"));
    struct hd_message message = {
        .message_id = hd_json_str(record, "messageId"),
        .receipt = hd_json_str(record, "receiptHandle"),
        .body = hd_json_str(record, "body"),
        .receive_count = receives > INT32_MAX ? INT32_MAX : (int)receives,
    };
    if (!source || strcmp(source, "aws:sqs") != 0)
        return hd_error_set(err, HD_ERR_MALFORMED, "the record is none of SQS's");
    if (!message.message_id || !message.receipt || !message.body || receives < 1 || sent_at_ms < 0)
        return hd_error_set(err, HD_ERR_MALFORMED,
                            "the record lacks its messageId, receiptHandle, body, ApproximateReceiveCount or SentTimestamp");
    if (!name || !hd_sqs_queue_of_name(name + 1, &message.queue, &message.lane, &message.abandoned))
        return hd_error_set(err, HD_ERR_MALFORMED, "eventSourceARN \"%.120s\" is no queue of ours", arn ? arn : "");
    message.enqueued_at_ms = enqueued_at(record, sent_at_ms);
    *ret = message;
    return 0;
}

int hd_sqs_event_read(struct hd_arena *arena, const char *text, size_t len, struct hd_message **ret_messages, size_t *ret_count,
                      struct hd_error *err) {
    json_t *event = NULL;
    int r = hd_json_parse(arena, text, len, 0, &event, err);
    if (r)
        return r;
    const json_t *records = json_object_get(event, "Records");
    size_t count = json_array_size(records);
    if (!json_is_array(records))
        return hd_error_set(err, HD_ERR_MALFORMED, "the event has no Records: it is none of SQS's");
    struct hd_message *messages = hd_arena_calloc(arena, count, sizeof *messages);
    if (!messages)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a batch");
    for (size_t i = 0; i < count && !r; i++)
        r = read_record(json_array_get(records, i), &messages[i], err);
    if (r)
        return r;
    *ret_messages = messages;
    *ret_count = count;
    return 0;
}

void hd_sqs_event_answer(struct hd_buffer *out, const struct hd_message *messages, const bool *failed, size_t count) {
    struct hd_json_writer w = hd_json_writer(out);
    hd_json_open_object(&w, NULL);
    hd_json_open_array(&w, "batchItemFailures");
    for (size_t i = 0; i < count; i++) {
        if (!failed[i])
            continue;
        hd_json_open_object(&w, NULL);
        hd_json_put_str(&w, "itemIdentifier", messages[i].message_id);
        hd_json_close_object(&w);
    }
    hd_json_close_array(&w);
    hd_json_close_object(&w);
}
