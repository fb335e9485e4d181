#include "processors/processors.h"

const struct hd_processor *const hd_processors[] = {&hd_router_processor, &hd_email_processor, &hd_inapp_processor, &hd_dlq_processor};
const size_t hd_processor_count = HD_ARRAY_LEN(hd_processors);

unsigned hd_channels_served(const struct hd_provider *const *providers) {
    unsigned channels = HD_CHANNEL_BIT(HD_INAPP);
    for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++)
        if (providers[channel])
            channels |= HD_CHANNEL_BIT(channel);
    return channels;
}

enum hd_queue_name hd_queue_of_channel(enum hd_channel channel) {
    static const enum hd_queue_name queues[HD_CHANNEL_COUNT] = {
        [HD_EMAIL] = HD_QUEUE_EMAIL,     [HD_PUSH] = HD_QUEUE_PUSH,   [HD_SMS] = HD_QUEUE_SMS,
        [HD_WEBHOOK] = HD_QUEUE_WEBHOOK, [HD_INAPP] = HD_QUEUE_INAPP,
    };
    return queues[channel];
}
