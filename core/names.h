/* Names of enums: the one way from a name to its value. For the files of core/ that own such a table. */
#pragma once

#include <stddef.h>
#include <string.h>

/* The index of text among the names, or -1 (for NULL, too). The tables are a handful long, and the first character settles nearly all of them. */
static inline int hd_name_index(const char *const *names, size_t count, const char *text) {
    if (!text)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] == text[0] && strcmp(names[i], text) == 0)
            return (int)i;
    }
    return -1;
}
