/* Compiler attributes that the whole code base uses. No functions, no state. */
#pragma once

#include <stddef.h>

#define HD_MUST_CHECK __attribute__((warn_unused_result))
#define HD_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))
#define HD_UNUSED __attribute__((unused))

/* HD_CLEANUP(hd_buffer_free) struct hd_buffer b = {0}; — runs when the variable leaves its scope. The function takes a pointer
 * to the variable. */
#define HD_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer out of a cleaned-up variable: return TAKE(thing); */
#define TAKE(ptr)                      \
    __extension__({                    \
        __typeof__(ptr) taken = (ptr); \
        (ptr) = NULL;                  \
        taken;                         \
    })

#define HD_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
