/* A changeset as the actions of a transaction. Pure: what must be known of the table before (the addresses that users give up) comes in. Private to this folder. */
#pragma once

#include "adapters/aws/item.h"
#include "core/changeset.h"

/* What must hold of an item for its action to happen. */
enum hd_check {
    HD_CHECK_NOTHING,
    HD_CHECK_ABSENT,
    HD_CHECK_PRESENT,
    HD_CHECK_VERSION,      /* version is number */
    HD_CHECK_VERSION_MAIL, /* the same, and the e-mail address is text (NULL: none) */
    HD_CHECK_STATE,        /* status is number, attempts is attempts, owner_token is text (NULL: none) */
    HD_CHECK_MINE,         /* user_id is text */
    HD_CHECK_FREE_OR_MINE, /* absent, or user_id is text */
    HD_CHECK_EXPIRED,      /* absent, or created_at_ms is at most number */
};

enum hd_action_kind { HD_ACTION_PUT, HD_ACTION_DELETE, HD_ACTION_READ /* an inbox item: read_at_ms becomes number, if it has none */ };

struct hd_action {
    enum hd_action_kind kind;
    size_t change; /* of the changeset; SIZE_MAX: of none, an item of the outbox */
    struct hd_aws_key key;
    const char *item; /* of a put: {"pk":…} */
    size_t item_bytes;
    size_t stored_bytes; /* what it counts for: about as much, or less (base64) */
    enum hd_check check;
    int64_t number;
    int64_t attempts;
    const char *text;
    int64_t read_at_ms;
};

struct hd_plan {
    const struct hd_changeset *set;
    struct hd_action *actions; /* in the changeset's order; all in the arena */
    size_t count;
    size_t capacity;
    size_t bytes; /* of all items */
    size_t twice; /* the index of the first action whose item an earlier one has, too; SIZE_MAX: none. DynamoDB takes one action an item */
};

/* The user whom HD_CHANGE_PUT_USER changes, as it was read: its item, or NULL. */
typedef const json_t *hd_user_before_fn(void *self, const char *user_id);

struct hd_planning {
    struct hd_arena *arena;
    struct hd_compressor *compressor;
    int64_t now_ms; /* for times to live */
    hd_user_before_fn *user_before;
    void *self;
};

/* Those of queues (enqueue, acknowledge, postpone) make no action here. HD_ERR_NO_MEMORY, HD_ERR_LIMIT. */
int hd_plan_changes(const struct hd_planning *p, const struct hd_changeset *set, struct hd_plan *ret_plan,
                    struct hd_error *err) HD_MUST_CHECK;

/* False when memory is out. */
bool hd_plan_add(struct hd_plan *plan, struct hd_arena *arena, const struct hd_action *action);

/* The action as an element of TransactItems. */
void hd_action_write(struct hd_json_writer *w, const char *table, const struct hd_action *action);

/* Whether the action's condition holds of the item as it was read (NULL: there is none). */
bool hd_action_holds(const struct hd_action *action, const json_t *item);
