/* Structured logs: one JSON object a line, to stderr (or the file descriptor that hd_log_set_fd names). Only hosts log.
 *
 * Each line has time, level, what; then correlationId, eventId, traceId where known; then the call's own fields.
 * A line is one write(2), so that threads and processes do not mix. Thread-safe. Limits: HD_LOG_LINE_BYTES a line, longer values are cut
 * (the line has "cut":true then). A line that cannot be written is lost. errno is kept. */
#pragma once

#include <stdint.h>

#include "base/error.h"

enum hd_log_level { HD_LOG_DEBUG, HD_LOG_INFO, HD_LOG_WARN, HD_LOG_ERROR };
enum { HD_LOG_LINE_BYTES = 4096 };

/* What a line is about; any of them may be NULL. traceparent is the W3C header: its trace id is logged as traceId. */
struct hd_log_about {
    const char *correlation_id;
    const char *event_id;
    const char *traceparent;
};

struct hd_log_field {
    const char *name; /* NULL ends the list */
    const char *text; /* NULL: number is meant */
    int64_t number;
};
/* A function, so that compilers do not warn of the test when text is an array. NULL is logged as "". */
static inline struct hd_log_field hd_log_str(const char *name, const char *text) {
    return (struct hd_log_field){.name = name, .text = text ? text : ""};
}
#define HD_LOG_STR(n, t) hd_log_str((n), (t))
#define HD_LOG_INT(n, v) ((struct hd_log_field){.name = (n), .number = (v)})

void hd_log_set_level(enum hd_log_level level); /* default HD_LOG_INFO; lower ones are dropped */
void hd_log_set_fd(int fd);
/* Stands as requestId in every line from now on, until another one is set; at most HD_LOG_REQUEST_MAX_LEN bytes of it; NULL: none. For a process that does one thing at a time (a Lambda function). */
enum { HD_LOG_REQUEST_MAX_LEN = 128 };
void hd_log_set_request(const char *request_id);

/* hd_log(HD_LOG_INFO, "ready", &about, HD_LOG_STR("address", a), HD_LOG_INT("port", p)); about may be NULL. */
void hd_log_write(enum hd_log_level level, const char *what, const struct hd_log_about *about, const struct hd_log_field *fields);
#define hd_log(level, what, ...) HD_LOG_CALL((level), (what), __VA_ARGS__, {.name = NULL})
#define HD_LOG_CALL(level, what, about, ...) hd_log_write(level, what, (about), (const struct hd_log_field[]){__VA_ARGS__})

/* The same with the error's type and detail as "error" and "detail". */
void hd_log_error(enum hd_log_level level, const char *what, const struct hd_log_about *about, const struct hd_error *err);
