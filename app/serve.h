/* `helpdesk serve`: the embedded host. API, page, processors, all in one process:
 *
 *   HTTP loop ──decisions──▶ committer ──▶ SQLite
 *   worker    ──decisions──▶    │
 *       ▲                       └─ after each batch: both are woken, metrics are counted
 *       └─ messages, from its own view of the queue
 *
 * Four threads: the HTTP loop, the worker, the committer, and the one that starts and stops them and moves the log into the database file. */
#pragma once

#include <stdbool.h>

#include "host/settings.h"

/* Runs until SIGTERM or SIGINT; the exit status. */
int hd_serve(const struct hd_settings *settings, bool demo, bool processors);
