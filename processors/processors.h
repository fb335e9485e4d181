/* Every processor there is. A host gives each a queue (processor->queue) to work on; a new processor is a file and a line here. */
#pragma once

#include <stddef.h>

#include "core/processor.h"

extern const struct hd_processor hd_router_processor; /* an event → notifications and tasks */
extern const struct hd_processor hd_email_processor;
extern const struct hd_processor hd_inapp_processor;
extern const struct hd_processor hd_dlq_processor; /* a dead letter → the administrators are told */

extern const struct hd_processor *const hd_processors[];
extern const size_t hd_processor_count;

/* The queues that have a processor: those a deployment needs. Bits 1u << enum hd_queue_name. */
unsigned hd_queues_served(void);
/* The channels that a processor of ours serves, given the providers that are set up: in-app needs none. */
unsigned hd_channels_served(const struct hd_provider *const *providers);
