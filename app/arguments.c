#include "app/arguments.h"

#include <stdio.h>
#include <string.h>

static struct argument *find(struct arguments *arguments, const char *name, size_t len) {
    for (struct argument *option = arguments->options; option->name; option++)
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    return NULL;
}

static bool take_option(struct arguments *arguments, const char *text, const char *next, bool *ret_took_next) {
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    struct argument *option = find(arguments, text, len);
    *ret_took_next = false;
    if (!option) {
        (void)fprintf(stderr, "helpdesk: there is no option --%.*s here\n", (int)len, text);
        return false;
    }
    if (option->flag) {
        option->value = "";
        if (equals)
            (void)fprintf(stderr, "helpdesk: --%s takes no value\n", option->name);
        return !equals;
    }
    option->value = equals ? equals + 1 : next;
    *ret_took_next = !equals;
    if (!option->value)
        (void)fprintf(stderr, "helpdesk: --%s wants a value\n", option->name);
    return option->value != NULL;
}

bool hd_arguments_parse(struct arguments *arguments, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            bool took_next = false;
            if (!take_option(arguments, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL, &took_next))
                return false;
            i += took_next;
        } else if (arguments->word_count < ARGUMENT_WORDS_MAX) {
            arguments->words[arguments->word_count++] = argv[i];
        } else {
            (void)fprintf(stderr, "helpdesk: too many words: %s\n", argv[i]);
            return false;
        }
    }
    return true;
}

const char *hd_argument(const struct arguments *arguments, const char *name) {
    const struct argument *option = find((struct arguments *)arguments, name, strlen(name));
    return option ? option->value : NULL;
}
