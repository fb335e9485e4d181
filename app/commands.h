/* The commands of the binary beside serve and worker: each works on the database itself, whether a server runs on it or not (SQLite serialises the writers; the server finds new messages within a moment), or
 * on AWS's table. */
#pragma once

#include <stdbool.h>

#include "host/settings.h"

struct command {
    const char *name; /* "dlq" */
    const char *usage;
    const char *help;
    /* argv[0] is the command's name. The exit status: 0 done, 1 failed, 2 not understood. */
    int (*run)(const struct hd_settings *settings, int argc, char **argv);
};

extern const struct command hd_commands[];
extern const size_t hd_command_count;
