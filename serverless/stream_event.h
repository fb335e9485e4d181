/* The event of a DynamoDB stream (docs.aws.amazon.com/lambda/latest/dg/with-ddb.html), and that of a schedule. Pure; fuzzed. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"

struct hd_stream_record {
    const char *pk, *sk;
    const char *sequence; /* names the record in batchItemFailures: what is before it is done */
    bool inserted;        /* eventName INSERT: the item is new */
    const json_t *image;  /* NewImage as DynamoDB's JSON ({"at":{"N":"1"}}); NULL when the stream gives none, or the item was removed */
};

/* The event's records, in arena. HD_ERR_MALFORMED: no such event. HD_ERR_NO_MEMORY. */
int hd_stream_event_read(struct hd_arena *arena, const json_t *event, const struct hd_stream_record **ret_records, size_t *ret_count,
                         struct hd_error *err) HD_MUST_CHECK;

/* {"batchItemFailures":[…]}: first_failed and all after it come again; NULL: everything is done. Check out afterwards. */
void hd_stream_event_answer(struct hd_buffer *out, const char *first_failed);

/* Whether it is the schedule's: of EventBridge's rules and of its Scheduler, with their default input ("detail-type": "Scheduled Event"). */
bool hd_event_is_schedule(const json_t *event);
