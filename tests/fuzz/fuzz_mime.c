/* libFuzzer: name, subject, ids and texts of a mail, separated by NUL bytes. Whatever they hold, the mail is ASCII with CRLF, has our headers once each and no others, and ends where we end it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mime.h"

enum { PARTS = 6, LINE_LIMIT_BYTES = 998 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what, const char *mail) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n%s\n", what, mail);
        abort();
    }
}

static const char *const headers[] = {"Date",       "From",           "To",           "Subject",     "Message-ID", "In-Reply-To",
                                      "References", "Auto-Submitted", "MIME-Version", "Content-Type"};

static void check_headers(const char *mail) {
    size_t seen[HD_ARRAY_LEN(headers)] = {0};
    const char *line = mail;
    for (; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2) {
        if (*line == ' ')
            continue;
        bool known = false;
        for (size_t i = 0; i < HD_ARRAY_LEN(headers) && !known; i++) {
            size_t len = strlen(headers[i]);
            known = strncmp(line, headers[i], len) == 0 && line[len] == ':';
            seen[i] += known;
        }
        must(known, "every header is ours", mail);
    }
    for (size_t i = 0; i < HD_ARRAY_LEN(headers); i++)
        must(seen[i] == 1, "every header is there once", mail);
}

static void check_lines(const char *mail, size_t len) {
    size_t line = 0;
    for (size_t i = 0; i < len; i++) {
        must((mail[i] >= ' ' && mail[i] <= '~') || mail[i] == '\r' || mail[i] == '\n', "it is ASCII", mail);
        must((mail[i] == '\r') == (i + 1 < len && mail[i + 1] == '\n'), "line ends are CRLF", mail);
        line = mail[i] == '\n' ? 0 : line + 1;
        must(line <= LINE_LIMIT_BYTES, "lines are short enough", mail);
    }
    must(len > 2 && mail[len - 1] == '\n', "it ends with a line's end", mail);
}

static void check_boundaries(const char *mail) {
    size_t count = 0;
    for (const char *at = mail; (at = strstr(at, "\r\n--=_")); at += 2)
        count++;
    must(count == 3, "the boundary stands at the parts alone", mail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    const char *parts[PARTS];
    const char *at = copy, *end = copy + size;
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = at;
        at += strlen(at);
        at += at < end;
    }
    char notification_id[129], ticket_id[129]; /* HD_ID_MAX_LEN */
    snprintf(notification_id, sizeof notification_id, "%s", parts[2]);
    snprintf(ticket_id, sizeof ticket_id, "%s", parts[3]);
    struct hd_rendered message = {
        .to_name = parts[0],
        .subject = parts[1],
        .notification_id = notification_id,
        .ticket_id = ticket_id,
        .text = parts[4],
        .html = parts[5],
        .to_address = "ana@example.org",
    };
    struct hd_mailbox from = {.address = "desk@example.org"};
    struct hd_error err;
    if (hd_mailbox_parse(parts[0], &from, &err) < 0)
        snprintf(from.name, sizeof from.name, "%s", parts[0]); /* cut anywhere */
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    if (hd_mime_write(&message, &from, &out, &err) == 0) {
        check_lines(out.data, out.len);
        check_headers(out.data);
        check_boundaries(out.data);
    }
    free(copy);
    return 0;
}
