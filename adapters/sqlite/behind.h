/* The write-behind index: who may find a ticket, a notification, an inbox item without reading all of them.
 *
 * An index such as (user, created) dirties a page of its own for every row, and costs more than everything else that an event writes. So rows are
 * indexed later, many at once and sorted, by what never changes in them. Each source has a mark: rows up to it are in the index, rows behind it (about
 * BEHIND_STEP at most) are few enough to be read one by one. A list reads both, in one snapshot, and so is always right.
 *
 * A step is taken in slices, a few rows with every transaction, so that no commit waits long for it. What is half-way in the index lies above the mark, where nobody
 * looks for it there.
 *
 * A notification is found by its event through the event's ticket: few events share one. What does change (a notification's status) has an index of SQLite's own that holds only
 * the few rows that are not done. */
#pragma once

#include "adapters/sqlite/database.h"

enum {
    BEHIND_STEP =
        8192, /* rows of a source that are indexed together: the more, the fewer pages for each; lists read up to as many one by one */
    BEHIND_SLICE = 512, /* rows gathered or entries inserted in one transaction, at least */
};

enum behind_source { BEHIND_TICKETS, BEHIND_NOTIFICATIONS, BEHIND_INBOX, BEHIND_SOURCE_COUNT };

enum behind_dimension {
    BEHIND_TICKET_OWNER = 1,
    BEHIND_NOTIFICATION_TARGET,
    BEHIND_NOTIFICATION_TICKET,
    BEHIND_INBOX_USER,
    BEHIND_INBOX_UNREAD = 5, /* the entry goes when the item is read; UNREAD_BEHIND counts them */
};

/* The writer's work in progress; nothing of it need survive. */
struct behind;

struct behind *hd_behind_new(void);
void hd_behind_free(struct behind *behind); /* takes NULL */

/* Takes a slice of the step at hand, or begins one when enough has gathered. slice: rows or entries, about as many as the transaction has changesets is fair. Inside the writer's transaction; when
 * that is undone, hd_behind_restart must be called. */
int hd_behind_advance(struct behind *behind, struct connection *connection, size_t slice, struct hd_error *err) HD_MUST_CHECK;
void hd_behind_restart(struct behind *behind);

/* An inbox item was read: it is not, or no longer, among the unread ones. Inside the writer's transaction. */
int hd_behind_read(struct behind *behind, struct connection *connection, const char *user_id, int64_t row,
                   struct hd_error *err) HD_MUST_CHECK;

int hd_behind_mark(struct connection *connection, enum behind_source source, int64_t *ret_seq, struct hd_error *err) HD_MUST_CHECK;
