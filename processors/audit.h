/* Audit: who decided what, about what, and why, as an entry of the same changeset as the decision itself: none can be missing. Outcomes of sends are the attempts
 * (core/delivery.h); the entries here are what is decided about events and dead letters. */
#pragma once

#include "core/processor.h"

/* One line of why: whether a target is told by a channel. */
struct audit_decision {
    const char *target;
    enum hd_channel channel;
    bool notify;
    const char *reason;          /* the rule's audience, or why not */
    const char *notification_id; /* NULL when none was made */
};

struct audit_decisions {
    struct audit_decision *items;
    size_t count;
};

/* Derives from the letter, so that a second message about it finds that it is done. */
struct hd_id hd_audit_dead_letter_id(const struct hd_dead_letter *letter);

void hd_audit_routed(struct hd_work *work, const struct hd_event *event, const struct audit_decisions *decisions, int64_t now_ms);
void hd_audit_dead_letter(struct hd_work *work, const struct hd_dead_letter *letter, size_t told, int64_t now_ms);
