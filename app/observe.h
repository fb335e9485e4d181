/* What the operator sees: metrics that follow from what was committed, and the depth of the queues. */
#pragma once

#include <stdint.h>

#include "core/changeset.h"
#include "core/queue.h"

struct observer;

int hd_observer_new(struct observer **ret_observer, struct hd_error *err) HD_MUST_CHECK;
void hd_observer_free(struct observer *observer);

/* Who commits tells it: it counts outcomes and the messages that come and go. Any thread. */
void hd_observer_happened(void *observer, const struct hd_changeset *set);

/* Messages that wait in all queues, roughly: what was counted at the last look, and what has come and gone since. Any thread. */
int64_t hd_observer_backlog(const struct observer *observer);

/* Looks at the queues themselves, sets the gauges, and corrects the count. The thread of `queue`. */
void hd_observer_look(struct observer *observer, struct hd_queue *queue, int64_t now_ms);
