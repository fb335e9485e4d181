#include "processors/processors.h"

const struct hd_processor *const hd_processors[] = {&hd_router_processor, &hd_email_processor, &hd_inapp_processor, &hd_dlq_processor};
const size_t hd_processor_count = HD_ARRAY_LEN(hd_processors);

unsigned hd_queues_served(void) {
    unsigned queues = 0;
    for (size_t i = 0; i < hd_processor_count; i++)
        queues |= 1u << hd_processors[i]->queue;
    return queues;
}

unsigned hd_channels_served(const struct hd_provider *const *providers) {
    unsigned channels = HD_CHANNEL_BIT(HD_INAPP);
    for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++)
        if (providers[channel])
            channels |= HD_CHANNEL_BIT(channel);
    return channels;
}
