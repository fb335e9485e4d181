/* Values as items of the table, and back: docs/dynamodb.md has the keys, the indexes and why. Private to this folder, but for hd_item_read, with which the table's stream is read (serverless/).
 *
 * An item is a map of attributes in DynamoDB's JSON: {"pk":{"S":"T#…"},"sk":{"S":"T"},"title":{"S":"…"},"version":{"N":"1"}}. The members of a record (core/record.h) are attributes of the
 * same names, but for its id, which stands in the key. NULL members, and times that never were (0), are absent. A long text is compressed (base/compress.h) into a binary attribute. */
#pragma once

#include "adapters/aws/aws.h"
#include "base/buffer.h"
#include "base/compress.h"
#include "base/json.h"
#include "core/record.h"

enum {
    HD_ITEM_SHARDS = 8,              /* of each list of everything, or of everything in a state */
    HD_ITEM_COMPRESSED_FROM = 1024,  /* bytes of a text; shorter ones cost a write unit at most, and are readable in the console */
    HD_ITEM_PART_BYTES = 300 * 1024, /* of a compressed text; a longer one is spread over items of its own. An item may have 400 KB */
    HD_ITEM_ORDER_TIME_DIGITS = 15,
};

enum hd_item_kind {
    HD_ITEM_TICKET,
    HD_ITEM_USER,
    HD_ITEM_EVENT,
    HD_ITEM_NOTIFICATION,
    HD_ITEM_ATTEMPT,
    HD_ITEM_INBOX_ITEM,
    HD_ITEM_DEAD_LETTER,
    HD_ITEM_AUDIT,
    HD_ITEM_ANSWER,
    HD_ITEM_KIND_COUNT,
};

extern const struct hd_record *const hd_item_records[HD_ITEM_KIND_COUNT];

/* ---- keys, all in the arena; pk is NULL when it has no room ---- */

struct hd_aws_key hd_item_key(struct hd_arena *arena, enum hd_item_kind kind, const char *id); /* not of attempts */
struct hd_aws_key hd_item_attempt_key(struct hd_arena *arena, const char *notification_id, int number);
struct hd_aws_key hd_item_part_key(struct hd_arena *arena, const char *notification_id, int number,
                                   int part); /* of a long message, from 1 */
struct hd_aws_key hd_item_mark_key(struct hd_arena *arena, const char *processor, const char *event_id);
struct hd_aws_key hd_item_email_key(struct hd_arena *arena,
                                    const char *email); /* in lower case: an address is one whatever its letters' case */

/* "<created, zero-padded ms>#<id>": what lists are ordered by, newest last; it is a cursor, too. */
const char *hd_item_order(struct hd_arena *arena, int64_t created_at_ms, const char *id);
unsigned hd_item_shard(const char *id);
bool hd_item_status_is_indexed(enum hd_status status); /* of notifications: whether the list by state has it */

/* ---- out ---- */

/* One attribute: "name":{"S":…}. */
void hd_item_put_text(struct hd_json_writer *w, const char *name, const char *text);
void hd_item_put_number(struct hd_json_writer *w, const char *name, int64_t number);
void hd_item_put_binary(struct hd_json_writer *w, const char *name, const void *data, size_t bytes);
/* "name":{"pk":{"S":…},"sk":{"S":…}} */
void hd_item_put_key(struct hd_json_writer *w, const char *name, const struct hd_aws_key *key);

/* The whole item, with the attributes of its indexes, as the value of name. ttl_s: 0 none. HD_ERR_NO_MEMORY, HD_ERR_LIMIT. */
int hd_item_put(struct hd_json_writer *w, const char *name, enum hd_item_kind kind, const struct hd_aws_key *key, const void *value,
                int64_t ttl_s, struct hd_compressor *compressor, struct hd_arena *scratch, struct hd_error *err) HD_MUST_CHECK;

/* ---- in ---- */

/* NULL: the attribute is absent, or none of that type. Lives as long as the tree. */
const char *hd_item_text(const json_t *item, const char *name);
/* fallback when it is absent, or no integer of 64 bits. */
int64_t hd_item_number(const json_t *item, const char *name, int64_t fallback);
/* A compressed attribute's bytes, in the arena. HD_ERR_CORRUPT, HD_ERR_NO_MEMORY. */
int hd_item_binary(const json_t *item, const char *name, struct hd_arena *arena, const void **ret_data, size_t *ret_bytes,
                   struct hd_error *err) HD_MUST_CHECK;
bool hd_item_has_key(const json_t *item, const struct hd_aws_key *key);

/* Which kind of value an item is by its key, or -1: it is another thing of ours (a mark, an address, a part, a message of the outbox). */
int hd_item_kind(const struct hd_aws_key *key);
/* Fills the record's struct; its texts are copied into arena. HD_ERR_CORRUPT: it is no such item. */
int hd_item_read(const json_t *item, enum hd_item_kind kind, struct hd_arena *arena, void *ret_value, struct hd_error *err) HD_MUST_CHECK;
