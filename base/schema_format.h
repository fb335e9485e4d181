/* The formats of JSON Schema's `format` that are checked when asked for (JSON Schema validation §7.3). Thread-safe: no state.
 *
 * date-time, date, time, duration (RFC 3339), email (RFC 5321 mailbox), hostname (RFC 1123; A-labels by their letters only), ipv4, ipv6,
 * uri, uri-reference (RFC 3986), uuid (RFC 9562), json-pointer (RFC 6901), regex (ECMA-262). Any other format stays an annotation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

struct hd_format {
    const char *name;
    const char *sentence; /* for people: "must be an e-mail address" */
    /* text is NUL-terminated at len and may hold NULs before. NULL for regex: see hd_pattern_valid. */
    bool (*check)(const char *text, size_t len);
};

/* NULL for a format that is not known. */
const struct hd_format *hd_format_find(const char *name);
