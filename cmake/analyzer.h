/* Included before everything when clang-tidy reads our code (scripts/tidy.py), never in a build. It tells the analyser what it
 * cannot see from outside error.c: that a function which reports an error does not return 0. */
#pragma once

#include "base/error.h"

#define HD_NEGATIVE(call)            \
    __extension__({                  \
        int negative = (call);       \
        if (negative >= 0) {         \
            __builtin_unreachable(); \
        }                            \
        negative;                    \
    })
#define hd_error_set(...) HD_NEGATIVE((hd_error_set)(__VA_ARGS__))
#define hd_error_context(...) HD_NEGATIVE((hd_error_context)(__VA_ARGS__))
#define hd_error_at(...) HD_NEGATIVE((hd_error_at)(__VA_ARGS__))

#ifdef HD_ANALYZE_PRODUCER /* the same of producer/call.c */
#include "producer/call.h"
#define hd_call_refuse(...) HD_NEGATIVE((hd_call_refuse)(__VA_ARGS__))
#define hd_call_no_memory(...) HD_NEGATIVE((hd_call_no_memory)(__VA_ARGS__))
#endif
