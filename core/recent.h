/* Things lately read or written, in memory: an event's processors follow one another within milliseconds, and want the same event, ticket and people.
 *
 * A processor's reads may be older than its commit: conditions catch what matters, and the changeset is decided again, then without this. So what is here may be
 * up to HD_RECENT_MS old. Events never change. Belongs to one thread. With recent NULL, all functions read from the store itself. */
#pragma once

#include "core/store.h"

struct hd_recent;

enum {
    HD_RECENT_MS = 1000,
    HD_RECENT_SLOTS = 4096,           /* of about 600 bytes each */
    HD_RECENT_THING_MAX_BYTES = 8192, /* what is larger is not kept: each thread of a process has as much as all slots may take */
};

struct hd_recent *hd_recent_new(void);         /* NULL when out of memory, which costs nothing but speed */
void hd_recent_free(struct hd_recent *recent); /* takes NULL */

/* As the store's reads of the same name; what they find is kept. */
int hd_recent_event(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena, const char *event_id,
                    const struct hd_event **ret, struct hd_error *err) HD_MUST_CHECK;
int hd_recent_ticket(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena, const char *ticket_id,
                     const struct hd_ticket **ret, struct hd_error *err) HD_MUST_CHECK;
int hd_recent_user(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena, const char *user_id,
                   const struct hd_user **ret, struct hd_error *err) HD_MUST_CHECK;

/* A notification is not kept when it is read, for it is read once; the one that was just committed is what its channel will ask for. It is given out once. */
int hd_recent_notification(struct hd_recent *recent, struct hd_store *store, int64_t now_ms, struct hd_arena *arena,
                           const char *notification_id, const struct hd_notification **ret, struct hd_error *err) HD_MUST_CHECK;
void hd_recent_keep_notification(struct hd_recent *recent, int64_t now_ms, const struct hd_notification *notification);
