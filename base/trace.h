/* W3C Trace Context (w3.org/TR/trace-context, version 00) and correlation ids. Thread-safe: no state. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { HD_TRACEPARENT_LEN = 55, HD_TRACE_ID_LEN = 32, HD_CORRELATION_MAX_LEN = 128 };

/* True for a valid traceparent: lower-case hex, ids not all zero, version not ff (a later version's longer form is taken, too). */
bool hd_traceparent_valid(const char *text);

/* Makes a child: the same trace id and known flags (sampled, random), a new span id; a new, sampled trace when parent is NULL or invalid.
 * random: 24 bytes. parent may be ret_text. */
void hd_traceparent_child(const char *parent, const uint8_t random[24], char ret_text[HD_TRACEPARENT_LEN + 1]);

/* What we take as X-Correlation-Id: 1 to 128 bytes of [A-Za-z0-9._:/+=@-]. */
bool hd_correlation_acceptable(const char *text);
