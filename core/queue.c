#include "core/queue.h"

#include <assert.h>

#include "core/names.h"

static const char *const names[HD_QUEUE_COUNT] = {
    [HD_QUEUE_ROUTER] = "router",   [HD_QUEUE_EMAIL] = "email", [HD_QUEUE_PUSH] = "push", [HD_QUEUE_SMS] = "sms",
    [HD_QUEUE_WEBHOOK] = "webhook", [HD_QUEUE_INAPP] = "inapp", [HD_QUEUE_DLQ] = "dlq",
};

const char *hd_queue_name_text(enum hd_queue_name name) {
    assert(name < HD_QUEUE_COUNT);
    return names[name];
}

int hd_queue_from_name(const char *name) {
    return hd_name_index(names, HD_QUEUE_COUNT, name);
}
