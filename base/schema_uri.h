/* URI references of JSON Schema: resolving (RFC 3986 §5.2) and what comes after the #. Private to base/schema*.c. */
#pragma once

#include <stddef.h>

#include "base/arena.h"

/* reference against base, in arena; the fragment stays as it is. Either may be relative or "". NULL when out of memory. */
char *hd_uri_resolve(struct hd_arena *arena, const char *base, const char *reference) HD_MUST_CHECK;

/* Cuts text at its # and gives what stood behind it ("" when there was none or nothing). */
char *hd_uri_cut_fragment(char *text);

/* Percent-decodes in place; the new length, or -1 when a % is not followed by two hex digits. */
ptrdiff_t hd_uri_percent_decode(char *text);
