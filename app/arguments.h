/* Arguments of a command: --name value, --name=value, --flag, and words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct argument {
    const char *name;  /* "queue" for --queue */
    bool flag;         /* takes no value */
    const char *value; /* filled; "" for a flag that is there; NULL: absent */
};

enum { ARGUMENT_WORDS_MAX = 4 };

struct arguments {
    struct argument *options; /* ends with a NULL name */
    const char *words[ARGUMENT_WORDS_MAX];
    size_t word_count;
};

/* False after it has said on standard error what it does not understand. argv[0] is passed over. */
bool hd_arguments_parse(struct arguments *arguments, int argc, char **argv);
const char *hd_argument(const struct arguments *arguments, const char *name); /* NULL: absent */
