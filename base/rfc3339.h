/* RFC 3339 times ⇄ Unix milliseconds (UTC, no leap seconds; 23:59:60 is taken as the next second). Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { HD_TIME_TEXT_LEN = 24 };

struct hd_time_text {
    char text[HD_TIME_TEXT_LEN + 1]; /* 2026-11-23T15:11:56.042Z */
};

/* Times outside of the years 0001 to 9999 become the nearest inside. */
struct hd_time_text hd_time_format(int64_t time_ms);

/* Any RFC 3339 date-time from year 0001 to 9999: offset, fraction of any length (cut to ms), 't' and 'z' in either
 * case. False when it is not one, or when its UTC time is outside of these years. */
bool hd_time_parse(const char *text, int64_t *ret_time_ms);
