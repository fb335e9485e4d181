/* The write-behind index: who may find a ticket, a notification, an inbox item without reading all of them.
 *
 * An index such as (user, created) dirties a page of its own for every row, and costs more than everything else that an event writes. So rows are
 * indexed later, many at once and sorted, by what never changes in them. Each source has a mark: rows up to it are in the index, rows behind it (at most
 * BEHIND_STEP and one transaction's) are few enough to be read one by one. A list reads both, in one snapshot, and so is always right.
 *
 * A notification is found by its event through the event's ticket: few events share one.
 *
 * What does change (a notification's status) has an index of SQLite's own that holds only the few rows that are not done. */
#pragma once

#include "adapters/sqlite/database.h"

enum { BEHIND_STEP = 1024 /* rows of a source that are indexed at once */ };

enum behind_source { BEHIND_TICKETS, BEHIND_NOTIFICATIONS, BEHIND_INBOX, BEHIND_SOURCE_COUNT };

enum behind_dimension {
    BEHIND_TICKET_OWNER = 1,
    BEHIND_NOTIFICATION_TARGET,
    BEHIND_NOTIFICATION_TICKET,
    BEHIND_NOTIFICATION_CHANNEL,
    BEHIND_INBOX_USER,
    BEHIND_INBOX_UNREAD, /* the entry goes when the item is read */
};

struct behind_memory;

/* Indexes what has gathered, if it is a step or more. Inside the writer's transaction. *memory is kept from call to call; free() it. */
int hd_behind_advance(struct connection *connection, struct behind_memory **memory, struct hd_error *err) HD_MUST_CHECK;

int hd_behind_mark(struct connection *connection, enum behind_source source, int64_t *ret_seq, struct hd_error *err) HD_MUST_CHECK;
