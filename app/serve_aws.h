/* `helpdesk serve` and `helpdesk worker` on AWS: DynamoDB and SQS hold everything, so any number of these run side by side, on any number of machines.
 *
 *   HTTP loop ──▶ 32 threads that answer ──▶ DynamoDB, SQS
 *   workers: threads of each processor ──▶    the same, and the providers
 *   keeper: once a minute, sends what was left in the outbox, and counts the queues
 *
 * Each thread has its own views. None can keep the process from ending: one that hangs in a request is left behind, and what it did comes again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/settings.h"

/* Both run until SIGTERM or SIGINT; the exit status. processors: a set of 1 << index in hd_processors; 0: none. threads: of each processor. */
int hd_serve_aws(const struct hd_settings *settings, bool demo, unsigned processors, size_t threads);
int hd_work_aws(const struct hd_settings *settings, unsigned processors, size_t threads);
