#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/trace.h"
#include "base/utf8.h"

static _Atomic(enum hd_log_level) lowest_level = HD_LOG_INFO;
static atomic_int log_fd = STDERR_FILENO;
static char request[HD_LOG_REQUEST_MAX_LEN + 1];

/* Room that each line keeps for its end. */
static const char tail[] = ",\"cut\":true}\n";
enum { TAIL_LEN = sizeof(tail) - 1, LONGEST_ESCAPE = 6, LONGEST_NUMBER = 20, TRACE_ID_AT = 3 };

struct line {
    struct hd_buffer buffer; /* over bytes: as it never goes over its limit, it never reallocates */
    struct hd_json_writer json;
    bool cut;
    char bytes[HD_LOG_LINE_BYTES + 1];
};

void hd_log_set_level(enum hd_log_level level) {
    atomic_store_explicit(&lowest_level, level, memory_order_relaxed);
}

void hd_log_set_fd(int fd) {
    atomic_store_explicit(&log_fd, fd, memory_order_relaxed);
}

void hd_log_set_request(const char *request_id) {
    (void)snprintf(request, sizeof(request), "%s", request_id ? request_id : "");
}

/* How many bytes of a value fit behind ,"name":"" — SIZE_MAX when not even that fits. */
static size_t room_for(const struct line *line, const char *name) {
    size_t taken = line->buffer.len + strlen(name) + strlen(",\"\":\"\"") + TAIL_LEN;
    return taken > HD_LOG_LINE_BYTES ? SIZE_MAX : HD_LOG_LINE_BYTES - taken;
}

/* The length of the longest prefix that takes no more than room bytes once it is escaped, ending between characters. */
static size_t fitting_prefix(const char *text, size_t room) {
    size_t len = 0;
    for (size_t cost = 0; text[len]; len++) {
        unsigned char c = (unsigned char)text[len];
        cost += c < 0x20 ? LONGEST_ESCAPE : c == '"' || c == '\\' ? 2 : 1;
        if (cost > room)
            break;
    }
    if (text[len])
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    return len;
}

static void put_text(struct line *line, const char *name, const char *text) {
    size_t room = room_for(line, name);
    if (room == SIZE_MAX) {
        line->cut = true;
        return;
    }
    size_t len = fitting_prefix(text, room);
    if (text[len])
        line->cut = true;
    if (hd_utf8_valid_prefix(text, len) == len) {
        hd_json_put_strn(&line->json, name, text, len);
        return;
    }
    char clean[HD_LOG_LINE_BYTES]; /* len is less: it fits into the line */
    memcpy(clean, text, len);
    hd_utf8_scrub(clean, len);
    hd_json_put_strn(&line->json, name, clean, len);
}

static void put_number(struct line *line, const char *name, int64_t number) {
    size_t room = room_for(line, name);
    if (room == SIZE_MAX || room < LONGEST_NUMBER)
        line->cut = true;
    else
        hd_json_put_int(&line->json, name, number);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put_about(struct line *line, const struct hd_log_about *about) {
    if (about->correlation_id)
        put_text(line, "correlationId", about->correlation_id);
    if (about->event_id)
        put_text(line, "eventId", about->event_id);
    if (about->traceparent && hd_traceparent_valid(about->traceparent)) {
        char trace_id[HD_TRACE_ID_LEN + 1] = "";
        memcpy(trace_id, about->traceparent + TRACE_ID_AT, HD_TRACE_ID_LEN);
        put_text(line, "traceId", trace_id);
    }
}

/* One write(2), or none: the log is no reason to fail or to wait, so a descriptor that takes nothing loses the line. */
static void write_out(struct line *line) {
    hd_buffer_add_str(&line->buffer, line->cut ? tail : "}\n");
    ssize_t written;
    do
        written = write(atomic_load_explicit(&log_fd, memory_order_relaxed), line->buffer.data, line->buffer.len);
    while (written < 0 && errno == EINTR);
}

void hd_log_write(enum hd_log_level level, const char *what, const struct hd_log_about *about, const struct hd_log_field *fields) {
    static const char *const level_names[] = {"debug", "info", "warn", "error"};
    if (level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    int errno_before = errno; /* callers log in the middle of looking at it */
    struct line line;
    line.buffer = (struct hd_buffer){.data = line.bytes, .capacity = sizeof(line.bytes), .limit_bytes = HD_LOG_LINE_BYTES};
    line.json = hd_json_writer(&line.buffer);
    line.cut = false;
    hd_json_open_object(&line.json, NULL);
    hd_json_put_time(&line.json, "time", now_ms());
    put_text(&line, "level", level_names[level]);
    put_text(&line, "what", what);
    if (request[0])
        put_text(&line, "requestId", request);
    if (about)
        put_about(&line, about);
    for (const struct hd_log_field *field = fields; field->name; field++) {
        if (field->text)
            put_text(&line, field->name, field->text);
        else
            put_number(&line, field->name, field->number);
    }
    write_out(&line);
    errno = errno_before;
}

void hd_log_error(enum hd_log_level level, const char *what, const struct hd_log_about *about, const struct hd_error *err) {
    const struct hd_log_field fields[] = {
        HD_LOG_STR("error", hd_code_type(err->code)),
        HD_LOG_STR("detail", err->detail),
        HD_LOG_STR(err->pointer[0] ? "pointer" : NULL, err->pointer),
        {.name = NULL},
    };
    hd_log_write(level, what, about, fields);
}
