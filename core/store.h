/* The store port: what the system remembers. Three implementations pass one contract suite (tests/contract/): memory, sqlite, aws.
 *
 * A struct hd_store belongs to one thread; a host opens one for each of its threads. Values that are read live in the caller's arena.
 * A read of one thing gives 0 and NULL when there is none. A list is newest first, by when a thing was created (created_at_ms; of one moment, in any order that stays): a
 * change does not move it. A page has at most page->limit items, and may be
 * shorter; its cursor is opaque text, NULL as soon as the last item was given (an implementation that looks at a bounded amount for a page may find
 * out only on the next one, which is then empty, that nothing more matches), and survives inserts and removals between pages.
 * An e-mail address is compared without regard to the case of ASCII letters; NULL is never taken.
 * Reads see every commit whose result was known before the read began, from whatever thread or process. The lists (and unread) of an implementation whose indexes follow its table
 * (DynamoDB) may lack the last second's commits; what they show of a thing is as it is now.
 * Errors of all: HD_ERR_UNAVAILABLE (locked, out of reach), HD_ERR_NO_SPACE, HD_ERR_CORRUPT, HD_ERR_NO_MEMORY, HD_ERR_MALFORMED (a cursor that is none of ours). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "core/changeset.h"

enum { HD_PAGE_MAX = 200, HD_COMMIT_MAX = 4096, HD_CURSOR_MAX_LEN = 512 };

struct hd_page {
    size_t limit;       /* 1 to HD_PAGE_MAX */
    const char *cursor; /* NULL: from the newest */
};

/* Empty members do not filter (NULL; -1 for enums). */
struct hd_ticket_filter {
    const char *owner_id;
    int status;
    int priority;
};
struct hd_user_filter {
    int role;
    const char *team;
};
struct hd_notification_filter {
    int status;
    int channel;
    const char *target;
    const char *ticket_id;
    const char *event_id;
};
struct hd_dead_letter_filter {
    const char *queue;
    const char *reason;
};
struct hd_inbox_filter {
    const char *user_id; /* must be given */
    bool unread;
};

struct hd_commit_result {
    enum hd_code
        code; /* 0: happened, and is durable; HD_ERR_CONFLICT: did not; any other: this one failed, and it is unsure whether it happened */
    size_t change; /* HD_ERR_CONFLICT: the index of the change whose condition did not hold */
};

/* A thing that reads to come will ask for by its id. */
enum hd_wanted_kind {
    HD_WANTED_TICKET,
    HD_WANTED_USER,
    HD_WANTED_EVENT,
    HD_WANTED_NOTIFICATION,
    HD_WANTED_DEAD_LETTER,
    HD_WANTED_KIND_COUNT
};
struct hd_wanted {
    enum hd_wanted_kind kind;
    const char *id;
};

struct hd_store {
    const struct hd_store_ops *ops;
};

struct hd_store_ops {
    /* Commits each changeset, whole or not at all, in their order; each sees the ones before it. When it returns 0, every result is filled, and all that
     * happened is durable; err then tells of the first result that is neither 0 nor HD_ERR_CONFLICT. When it returns an error, it is unsure of any of them whether it happened: decide
     * again, or repeat all. A changeset touches each thing at most once, and its conditions look at what was before it; of several that do not hold, the first is named.
     * A changeset of more changes than the implementation's transaction takes (DynamoDB: 100 actions) is written in steps whose repetition is harmless, marks and moves last.
     * count ≤ HD_COMMIT_MAX. */
    int (*commit)(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                  struct hd_error *err);

    /* Between the two, reads may be answered from one moment, which saves work; nested calls are not allowed. A store may do nothing here. */
    int (*begin_reads)(struct hd_store *store, struct hd_error *err);
    void (*end_reads)(struct hd_store *store);
    /* Only between the two, as often as the caller likes: fetches these things at once, whether they are there or not, where each read would be a request. The reads of them are answered from what was
     * fetched until end_reads, or until this view commits. Things may repeat. NULL: the implementation has nothing to gain. An error: nothing was fetched, and reads are as without it. */
    int (*read_ahead)(struct hd_store *store, const struct hd_wanted *things, size_t count, struct hd_error *err);

    int (*ticket)(struct hd_store *store, struct hd_arena *arena, const char *ticket_id, const struct hd_ticket **ret,
                  struct hd_error *err);
    int (*user)(struct hd_store *store, struct hd_arena *arena, const char *user_id, const struct hd_user **ret, struct hd_error *err);
    int (*event)(struct hd_store *store, struct hd_arena *arena, const char *event_id, const struct hd_event **ret, struct hd_error *err);
    int (*processed)(struct hd_store *store, const char *processor, const char *event_id, bool *ret, struct hd_error *err);
    int (*notification)(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_notification **ret,
                        struct hd_error *err);
    int (*dead_letter)(struct hd_store *store, struct hd_arena *arena, const char *dead_letter_id, const struct hd_dead_letter **ret,
                       struct hd_error *err);
    int (*inbox_item)(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_inbox_item **ret,
                      struct hd_error *err);
    int (*answer)(struct hd_store *store, struct hd_arena *arena, const char *key, const struct hd_answer **ret, struct hd_error *err);
    int (*audit)(struct hd_store *store, struct hd_arena *arena, const char *audit_id, const struct hd_audit **ret, struct hd_error *err);

    /* All attempts of one notification, oldest first. */
    int (*attempts)(struct hd_store *store, struct hd_arena *arena, const char *notification_id, const struct hd_attempt **ret,
                    size_t *ret_count, struct hd_error *err);

    /* Lists: *ret_next_cursor is NULL behind the last item. */
    int (*tickets)(struct hd_store *store, struct hd_arena *arena, const struct hd_ticket_filter *filter, const struct hd_page *page,
                   const struct hd_ticket **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err);
    int (*users)(struct hd_store *store, struct hd_arena *arena, const struct hd_user_filter *filter, const struct hd_page *page,
                 const struct hd_user **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err);
    int (*notifications)(struct hd_store *store, struct hd_arena *arena, const struct hd_notification_filter *filter,
                         const struct hd_page *page, const struct hd_notification **ret, size_t *ret_count, const char **ret_next_cursor,
                         struct hd_error *err);
    int (*dead_letters)(struct hd_store *store, struct hd_arena *arena, const struct hd_dead_letter_filter *filter,
                        const struct hd_page *page, const struct hd_dead_letter **ret, size_t *ret_count, const char **ret_next_cursor,
                        struct hd_error *err);
    int (*inbox)(struct hd_store *store, struct hd_arena *arena, const struct hd_inbox_filter *filter, const struct hd_page *page,
                 const struct hd_inbox_item **ret, size_t *ret_count, const char **ret_next_cursor, struct hd_error *err);
    /* Unread items, counted up to cap. */
    int (*unread)(struct hd_store *store, const char *user_id, int64_t cap, int64_t *ret_count, struct hd_error *err);

    void (*close)(struct hd_store *store);
};
