#include "serverless/reply.h"

#include <string.h>
#include <strings.h>

enum { LINE_MAX_BYTES = 8 * 1024 };

static int malformed(struct hd_error *err, const char *what) {
    return hd_error_set(err, HD_ERR_MALFORMED, "the reply's %s cannot be read", what);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* ---- the head ---- */

const char *hd_reply_header(const struct hd_reply *reply, const char *name, size_t *ret_len) {
    size_t name_len = strlen(name);
    const char *at = hd_buffer_text(&reply->head), *end = at + reply->head.len;
    while (at < end) { /* the first line is the status; no header is called like it */
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if ((size_t)(stop - at) > name_len && at[name_len] == ':' && strncasecmp(at, name, name_len) == 0) {
            const char *value = at + name_len + 1;
            while (value < stop && is_space(*value))
                value++;
            while (stop > value && (is_space(stop[-1]) || stop[-1] == '\r'))
                stop--;
            *ret_len = (size_t)(stop - value);
            return value;
        }
        at = next;
    }
    return NULL;
}

/* Whether a header's list has the word. */
static bool header_has(const struct hd_reply *reply, const char *name, const char *word) {
    size_t len = 0, word_len = strlen(word);
    const char *value = hd_reply_header(reply, name, &len);
    for (size_t i = 0; value && i + word_len <= len; i++) {
        bool begins = i == 0 || is_space(value[i - 1]) || value[i - 1] == ',';
        bool ends = i + word_len == len || is_space(value[i + word_len]) || value[i + word_len] == ',';
        if (begins && ends && strncasecmp(value + i, word, word_len) == 0)
            return true;
    }
    return false;
}

/* Digits of the base, and nothing else. */
static bool read_number(const char *text, size_t len, unsigned base, uint64_t *ret) {
    uint64_t number = 0;
    if (len == 0 || len > 15)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i], low = (char)(c | 0x20);
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10 : base;
        if (digit >= base)
            return false;
        number = number * base + digit;
    }
    *ret = number;
    return true;
}

/* "HTTP/1.1 200 OK" */
static int read_status(struct hd_reply *reply, struct hd_error *err) {
    const char *head = hd_buffer_text(&reply->head);
    uint64_t status = 0;
    bool good = reply->head.len >= 12 && strncmp(head, "HTTP/1.", 7) == 0 && (head[7] == '0' || head[7] == '1') && head[8] == ' ' &&
                read_number(head + 9, 3, 10, &status) && status >= 100;
    if (!good)
        return malformed(err, "status line");
    reply->status = (int)status;
    reply->keep_alive = head[7] == '1' && !header_has(reply, "Connection", "close");
    return 0;
}

static int begin_body(struct hd_reply *reply, struct hd_error *err) {
    size_t len = 0;
    const char *length = hd_reply_header(reply, "Content-Length", &len);
    reply->body_left = 0;
    if (reply->status == 204 || reply->status == 304) {
        reply->state = HD_REPLY_DONE;
    } else if (hd_reply_header(reply, "Transfer-Encoding", &len)) { /* goes before a length (RFC 9112 §6.3) */
        if (!header_has(reply, "Transfer-Encoding", "chunked"))
            return malformed(err, "transfer encoding");
        reply->state = HD_REPLY_CHUNK_SIZE;
    } else if (length) {
        if (!read_number(length, len, 10, &reply->body_left))
            return malformed(err, "length");
        reply->state = reply->body_left > 0 ? HD_REPLY_BODY : HD_REPLY_DONE;
    } else {
        reply->until_end = true;
        reply->keep_alive = false;
        reply->state = HD_REPLY_BODY;
    }
    if (reply->body_left > HD_REPLY_BODY_MAX_BYTES)
        return hd_error_set(err, HD_ERR_LIMIT, "the reply has more than %d bytes", HD_REPLY_BODY_MAX_BYTES);
    return 0;
}

/* Byte by byte: a head is short, and its end may come in pieces. */
static int feed_head(struct hd_reply *reply, const char *data, size_t len, size_t *ret_taken, struct hd_error *err) {
    size_t i = 0;
    bool ended = false;
    for (; i < len && !ended; i++) {
        if (data[i] == '\0')
            return malformed(err, "head");
        hd_buffer_add_char(&reply->head, data[i]);
        size_t n = reply->head.len;
        const char *head = hd_buffer_text(&reply->head);
        ended = data[i] == '\n' && ((n >= 2 && head[n - 2] == '\n') || (n >= 3 && head[n - 2] == '\r' && head[n - 3] == '\n'));
    }
    *ret_taken = i;
    int r = hd_buffer_check(&reply->head, err);
    if (r || !ended)
        return r;
    r = read_status(reply, err);
    if (r)
        return r;
    if (reply->status < 200) { /* 100 Continue: the real one follows */
        hd_buffer_clear(&reply->head);
        return 0;
    }
    return begin_body(reply, err);
}

/* ---- the body ---- */

static int feed_body(struct hd_reply *reply, const char *data, size_t len, size_t *ret_taken, struct hd_error *err) {
    size_t take = !reply->until_end && len > reply->body_left ? (size_t)reply->body_left : len;
    hd_buffer_add(&reply->body, data, take);
    *ret_taken = take;
    if (reply->until_end)
        return hd_buffer_check(&reply->body, err);
    reply->body_left -= take;
    if (reply->body_left == 0)
        reply->state = reply->state == HD_REPLY_CHUNK_DATA ? HD_REPLY_CHUNK_END : HD_REPLY_DONE;
    return hd_buffer_check(&reply->body, err);
}

/* A whole line of the chunked form, without its end. */
static int take_line(struct hd_reply *reply, const char *line, size_t len, struct hd_error *err) {
    switch (reply->state) {
    case HD_REPLY_CHUNK_SIZE: {
        const char *extension = memchr(line, ';', len);
        size_t digits = extension ? (size_t)(extension - line) : len;
        while (digits > 0 && is_space(line[digits - 1]))
            digits--;
        if (!read_number(line, digits, 16, &reply->body_left))
            return malformed(err, "chunk");
        if (reply->body_left > HD_REPLY_BODY_MAX_BYTES)
            return hd_error_set(err, HD_ERR_LIMIT, "the reply has more than %d bytes", HD_REPLY_BODY_MAX_BYTES);
        reply->state = reply->body_left > 0 ? HD_REPLY_CHUNK_DATA : HD_REPLY_TRAILER;
        return 0;
    }
    case HD_REPLY_CHUNK_END:
        reply->state = HD_REPLY_CHUNK_SIZE;
        return len == 0 ? 0 : malformed(err, "chunk");
    default: /* trailers say nothing to us */
        if (len == 0)
            reply->state = HD_REPLY_DONE;
        return 0;
    }
}

static int feed_line(struct hd_reply *reply, const char *data, size_t len, size_t *ret_taken, struct hd_error *err) {
    const char *stop = memchr(data, '\n', len);
    size_t take = stop ? (size_t)(stop - data) + 1 : len;
    *ret_taken = take;
    hd_buffer_add(&reply->line, data, take);
    int r = hd_buffer_check(&reply->line, err);
    if (r || !stop)
        return r;
    const char *line = hd_buffer_text(&reply->line);
    size_t line_len = reply->line.len - 1;
    if (line_len > 0 && line[line_len - 1] == '\r')
        line_len--;
    r = take_line(reply, line, line_len, err);
    hd_buffer_clear(&reply->line);
    return r;
}

int hd_reply_feed(struct hd_reply *reply, const char *data, size_t len, size_t *ret_taken, struct hd_error *err) {
    size_t at = 0;
    reply->head.limit_bytes = HD_REPLY_HEAD_MAX_BYTES;
    reply->line.limit_bytes = LINE_MAX_BYTES;
    reply->body.limit_bytes = HD_REPLY_BODY_MAX_BYTES;
    while (at < len && reply->state != HD_REPLY_DONE) {
        size_t taken = 0;
        int r;
        if (reply->state == HD_REPLY_HEAD)
            r = feed_head(reply, data + at, len - at, &taken, err);
        else if (reply->state == HD_REPLY_BODY || reply->state == HD_REPLY_CHUNK_DATA)
            r = feed_body(reply, data + at, len - at, &taken, err);
        else
            r = feed_line(reply, data + at, len - at, &taken, err);
        if (r)
            return r;
        at += taken;
    }
    *ret_taken = at;
    return 0;
}

int hd_reply_end(struct hd_reply *reply, struct hd_error *err) {
    if (reply->state == HD_REPLY_BODY && reply->until_end)
        reply->state = HD_REPLY_DONE;
    if (reply->state != HD_REPLY_DONE)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "the connection ended before the reply did");
    return 0;
}

void hd_reply_reset(struct hd_reply *reply) {
    hd_buffer_clear(&reply->head);
    hd_buffer_clear(&reply->line);
    hd_buffer_clear(&reply->body);
    *reply = (struct hd_reply){.head = reply->head, .line = reply->line, .body = reply->body};
}

void hd_reply_free(struct hd_reply *reply) {
    if (!reply)
        return;
    hd_buffer_free(&reply->head);
    hd_buffer_free(&reply->line);
    hd_buffer_free(&reply->body);
}
