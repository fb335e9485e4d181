#include "core/queue.h"

#include <assert.h>

#include "base/json.h"
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

enum hd_queue_name hd_queue_of_channel(enum hd_channel channel) {
    static const enum hd_queue_name queues[HD_CHANNEL_COUNT] = {
        [HD_EMAIL] = HD_QUEUE_EMAIL,     [HD_PUSH] = HD_QUEUE_PUSH,   [HD_SMS] = HD_QUEUE_SMS,
        [HD_WEBHOOK] = HD_QUEUE_WEBHOOK, [HD_INAPP] = HD_QUEUE_INAPP,
    };
    return queues[channel];
}

const char *hd_task_write(struct hd_arena *arena, const char *name, const char *id) {
    struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, name, id);
    hd_json_close_object(&w);
    const char *text = out.failure ? NULL : hd_arena_strndup(arena, out.data, out.len);
    hd_buffer_free(&out);
    return text;
}
