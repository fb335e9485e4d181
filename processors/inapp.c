/* In-app: the message goes to the person's inbox, which is ours: sending is a change like any other, and cannot fail outside. */
#include "processors/delivery.h"
#include "processors/processors.h"

static int begin(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
    struct delivery *delivery = NULL;
    int r = hd_delivery_begin(ctx, work, HD_INAPP, &delivery, err);
    if (r || !delivery)
        return r;
    const struct hd_notification *n = delivery->notification;
    struct hd_inbox_item item = {
        .notification_id = n->notification_id,
        .user_id = n->target,
        .event = n->event,
        .ticket_id = n->ticket_id,
        .title = delivery->rendered->subject,
        .body = delivery->rendered->text,
        .created_at_ms = ctx->now_ms,
    };
    r = hd_delivery_conclude(ctx, work, delivery, &(struct verdict){.outcome = HD_OUTCOME_SENT, .provider = "inapp"}, err);
    if (!r)
        hd_put_inbox_item(&work->changes, &item);
    return r;
}

const struct hd_processor hd_inapp_processor = {.name = "inapp", .queue = HD_QUEUE_INAPP, .begin = begin};
