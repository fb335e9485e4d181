#include "core/mime.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/id.h"
#include "base/utf8.h"

enum {
    LINE_MAX_BYTES = 76,
    WORD_MAX_BYTES = 75, /* RFC 2047 §2 */
    WORD_FRAME_BYTES = 12 /* "=?UTF-8?B?" and "?=" */,
    LOCAL_PART_MAX_BYTES = 64,
    LABEL_MAX_BYTES = 63,
};

static const char hex[] = "0123456789ABCDEF";

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_one_of(char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

/* ---- addresses ---- */

static bool is_dot_atom(const char *text, size_t len) {
    bool dot = true; /* none at the start, at the end, or next to another */
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' ? dot : !is_alnum(text[i]) && !is_one_of(text[i], "!#$%&'*+-/=?^_`{|}~"))
            return false;
        dot = text[i] == '.';
    }
    return !dot;
}

static bool is_domain(const char *text) {
    for (;;) {
        size_t len = strcspn(text, ".");
        if (len == 0 || len > LABEL_MAX_BYTES || text[0] == '-' || text[len - 1] == '-')
            return false;
        for (size_t i = 0; i < len; i++)
            if (!is_alnum(text[i]) && text[i] != '-')
                return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

int hd_mail_address_check(const char *address, struct hd_error *err) {
    if (!address || !*address)
        return hd_error_set(err, HD_ERR_INVALID, "there is no e-mail address");
    if (strlen(address) >= HD_MAIL_ADDRESS_BYTES)
        return hd_error_set(err, HD_ERR_INVALID, "the e-mail address is longer than %d bytes", HD_MAIL_ADDRESS_BYTES - 1);
    for (const char *c = address; *c; c++)
        if (*c & 0x80)
            return hd_error_set(err, HD_ERR_INVALID, "internationalised e-mail addresses (SMTPUTF8) are not supported: %s", address);
    const char *at = strrchr(address, '@');
    if (!at)
        return hd_error_set(err, HD_ERR_INVALID, "the e-mail address has no @");
    size_t local_len = (size_t)(at - address);
    if (local_len > LOCAL_PART_MAX_BYTES || !is_dot_atom(address, local_len))
        return hd_error_set(err, HD_ERR_INVALID, "the part before the @ is not one that we can write to");
    if (!is_domain(at + 1))
        return hd_error_set(err, HD_ERR_INVALID, "the part after the @ is no domain name");
    return 0;
}

/* text without its white space at both ends, into a field; false when it is too long. */
static bool trim_into(char *field, size_t field_bytes, const char *text, size_t len) {
    while (len > 0 && is_one_of(text[0], " \t"))
        text++, len--;
    while (len > 0 && is_one_of(text[len - 1], " \t"))
        len--;
    if (len >= field_bytes)
        return false;
    memcpy(field, text, len);
    field[len] = '\0';
    return true;
}

/* "\"a\\\"b\"" → a"b, in place; false when the quotes are not those of one quoted-string. */
static bool unquote(char *name) {
    size_t len = strlen(name);
    if (name[0] != '"')
        return strchr(name, '"') == NULL;
    char *to = name;
    for (size_t i = 1; i < len; i++) {
        if (name[i] == '"') {
            *to = '\0';
            return i == len - 1;
        }
        i += name[i] == '\\' && i + 1 < len;
        *to++ = name[i];
    }
    return false;
}

int hd_mailbox_parse(const char *text, struct hd_mailbox *ret_mailbox, struct hd_error *err) {
    struct hd_mailbox mailbox = {0};
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' && *c != '\t')
            return hd_error_set(err, HD_ERR_INVALID, "it holds a control character");
    size_t len = strlen(text);
    if (hd_utf8_valid_prefix(text, len) != len)
        return hd_error_set(err, HD_ERR_INVALID, "it is not UTF-8");
    while (len > 0 && is_one_of(text[len - 1], " \t"))
        len--;
    const char *open = strrchr(text, '<');
    bool bracketed = open && text[len - 1] == '>';
    if (!bracketed && (open || strchr(text, '>')))
        return hd_error_set(err, HD_ERR_INVALID, "its angle brackets do not match; write Name <name@example.org>");
    const char *address = bracketed ? open + 1 : text;
    size_t address_len = (size_t)(text + len - address) - bracketed;
    if (bracketed && (!trim_into(mailbox.name, sizeof mailbox.name, text, (size_t)(open - text)) || !unquote(mailbox.name)))
        return hd_error_set(err, HD_ERR_INVALID, "its name is longer than %d bytes, or its quotes do not match", HD_MAIL_NAME_BYTES - 1);
    if (!trim_into(mailbox.address, sizeof mailbox.address, address, address_len))
        return hd_error_set(err, HD_ERR_INVALID, "the e-mail address is longer than %d bytes", HD_MAIL_ADDRESS_BYTES - 1);
    int r = hd_mail_address_check(mailbox.address, err);
    if (r < 0)
        return r;
    *ret_mailbox = mailbox;
    return 0;
}

/* ---- header texts ---- */

/* What stands in a header: valid UTF-8 of at most limit bytes, one line. */
static void add_clean(struct hd_buffer *clean, const char *text, size_t limit_bytes) {
    size_t len = strlen(text);
    if (len > limit_bytes) {
        len = limit_bytes;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    hd_buffer_add(clean, text, len);
    if (clean->failure)
        return;
    for (char *c = clean->data; c < clean->data + clean->len; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    hd_utf8_scrub(clean->data, clean->len);
}

/* May stand as it is: no byte over ASCII, no word that a reader would decode, and no white space that folding or reading would change. */
static bool is_plain(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((text[i] & 0x80) || (text[i] == ' ' && (i == 0 || i == len - 1 || text[i + 1] == ' ')))
            return false;
    return strstr(text, "=?") == NULL;
}

/* Needs no encoding in a Q word, wherever that stands (RFC 2047 §5 (3)). */
static bool is_q_plain(char c) {
    return is_alnum(c) || c == ' ' || is_one_of(c, "!*+-/");
}

static size_t q_len(const char *text, size_t len) {
    size_t total = 0;
    for (size_t i = 0; i < len; i++)
        total += is_q_plain(text[i]) ? 1 : 3;
    return total;
}

static void add_q(struct hd_buffer *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == ' ')
            hd_buffer_add_char(out, '_');
        else if (is_q_plain(text[i]))
            hd_buffer_add_char(out, text[i]);
        else
            hd_buffer_add(out, (char[]){'=', hex[c >> 4], hex[c & 15]}, 3);
    }
}

static size_t utf8_len(const char *text) {
    unsigned char lead = (unsigned char)*text;
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* How many bytes of text, in whole characters, fit into a word of that many. */
static size_t fitting(const char *text, size_t len, bool as_q, size_t word_bytes) {
    size_t take = 0, used = 0;
    while (take < len) {
        size_t character = utf8_len(text + take);
        used += q_len(text + take, character);
        size_t encoded = as_q ? used : (take + character + 2) / 3 * 4;
        if (encoded + WORD_FRAME_BYTES > word_bytes)
            break;
        take += character;
    }
    return take;
}

/* As encoded-words, folded; column is where the header's line stands. Gives the new column. */
static size_t add_encoded(struct hd_buffer *out, const char *text, size_t len, size_t column) {
    bool as_q = q_len(text, len) <= (len + 2) / 3 * 4;
    for (size_t at = 0; at < len;) {
        size_t room = LINE_MAX_BYTES - column;
        size_t take = fitting(text + at, len - at, as_q, room < WORD_MAX_BYTES ? room : (size_t)WORD_MAX_BYTES);
        if (take == 0) {
            hd_buffer_add_str(out, "\r\n ");
            column = 1;
            continue;
        }
        size_t before = out->len;
        hd_buffer_add_str(out, as_q ? "=?UTF-8?Q?" : "=?UTF-8?B?");
        if (as_q)
            add_q(out, text + at, take);
        else
            hd_base64_add(out, text + at, take);
        hd_buffer_add_str(out, "?=");
        column += out->len - before;
        at += take;
        if (at < len) {
            hd_buffer_add_str(out, "\r\n ");
            column = 1;
        }
        if (out->failure)
            break;
    }
    return column;
}

static void add_subject(struct hd_buffer *out, const char *subject) {
    enum { SUBJECT_MAX_BYTES = 4096 };
    HD_CLEANUP(hd_buffer_free) struct hd_buffer clean = {0};
    add_clean(&clean, subject, SUBJECT_MAX_BYTES);
    static const char name[] = "Subject: ";
    const char *text = hd_buffer_text(&clean);
    hd_buffer_add_str(out, name);
    if (clean.failure)
        out->failure = clean.failure;
    else if (is_plain(text, clean.len) && clean.len + sizeof name - 1 <= LINE_MAX_BYTES)
        hd_buffer_add(out, text, clean.len);
    else
        add_encoded(out, text, clean.len, sizeof name - 1);
    hd_buffer_add_str(out, "\r\n");
}

/* A name as a phrase: as it is when it is words, quoted when it is ASCII, else encoded. Gives the column behind it. */
static size_t add_phrase(struct hd_buffer *out, const char *text, size_t len, size_t column) {
    bool words = true;
    for (size_t i = 0; i < len; i++)
        words = words && (is_alnum(text[i]) || is_one_of(text[i], " !#$%&'*+-/=?^_`{|}~"));
    if (!is_plain(text, len) || 2 * len + 2 + column > LINE_MAX_BYTES)
        return add_encoded(out, text, len, column);
    size_t before = out->len;
    if (!words)
        hd_buffer_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (is_one_of(text[i], "\"\\"))
            hd_buffer_add_char(out, '\\');
        hd_buffer_add_char(out, text[i]);
    }
    if (!words)
        hd_buffer_add_char(out, '"');
    return column + (out->len - before);
}

/* Gives whether name holds anything; what of it can stand in a header is in clean then. */
static bool clean_name(struct hd_buffer *clean, const char *name) {
    add_clean(clean, name ? name : "", HD_MAIL_NAME_BYTES);
    return strspn(hd_buffer_text(clean), " ") != clean->len;
}

static void add_mailbox(struct hd_buffer *out, const char *header, const char *name, const char *address) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer clean = {0};
    bool named = clean_name(&clean, name);
    if (clean.failure)
        out->failure = clean.failure;
    hd_buffer_printf(out, "%s: ", header);
    if (!named) {
        hd_buffer_printf(out, "%s\r\n", address);
        return;
    }
    size_t column = add_phrase(out, hd_buffer_text(&clean), clean.len, strlen(header) + 2);
    bool fold = column + strlen(address) + 3 > LINE_MAX_BYTES;
    hd_buffer_printf(out, "%s<%s>\r\n", fold ? "\r\n " : " ", address);
}

void hd_mailbox_write(const char *name, const char *address, struct hd_buffer *out) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer clean = {0};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer phrase = {0};
    bool named = clean_name(&clean, name);
    if (named)
        add_phrase(&phrase, hd_buffer_text(&clean), clean.len, 0);
    if (clean.failure || phrase.failure)
        out->failure = clean.failure ? clean.failure : phrase.failure;
    for (const char *c = hd_buffer_text(&phrase); *c; c++)
        if (!is_one_of(*c, "\r\n")) /* the folds' white space stays: it parts encoded-words */
            hd_buffer_add_char(out, *c);
    hd_buffer_printf(out, named ? " <%s>" : "%s", address);
}

/* <prefix id@domain>. What may not stand in a msg-id is written as its hexadecimal code behind "=", and so is "=" itself: different ids stay different. */
static void add_message_id(struct hd_buffer *out, const char *header, const char *prefix, const char *id, const char *domain) {
    hd_buffer_printf(out, "%s: <%s", header, prefix);
    for (const char *c = id; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (is_alnum(*c) || *c == '-' || *c == '_')
            hd_buffer_add_char(out, *c);
        else
            hd_buffer_add(out, (char[]){'=', hex[byte >> 4], hex[byte & 15]}, 3);
    }
    hd_buffer_printf(out, "@%s>\r\n", domain);
}

static int add_date(struct hd_buffer *out, int64_t date_ms, struct hd_error *err) {
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    time_t seconds = (time_t)(date_ms / 1000);
    if (date_ms < 0 || !gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900)
        return hd_error_set(err, HD_ERR_INVALID, "the mail's date is out of range");
    hd_buffer_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return 0;
}

/* ---- bodies ---- */

/* Valid UTF-8 with CRLF line ends, the last line's included. */
static void add_canonical(struct hd_buffer *out, const char *text) {
    while (*text) {
        size_t len = strcspn(text, "\r\n");
        hd_buffer_add(out, text, len);
        hd_buffer_add_str(out, "\r\n");
        text += len;
        text += text[0] == '\r' && text[1] == '\n' ? 2 : text[0] != '\0';
    }
    if (!out->failure && out->data)
        hd_utf8_scrub(out->data, out->len);
}

/* Takes one line without its end; soft breaks keep it within 76 bytes. */
static void add_quoted_line(struct hd_buffer *out, const char *line, size_t len) {
    size_t column = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        bool last = i + 1 == len;
        bool plain = (c >= '!' && c <= '~' && c != '=') || (c == ' ' && !last);
        size_t width = plain ? 1 : 3;
        if (column + width > LINE_MAX_BYTES - (last ? 0 : 1)) {
            hd_buffer_add_str(out, "=\r\n");
            column = 0;
        }
        if (plain)
            hd_buffer_add_char(out, line[i]);
        else
            hd_buffer_add(out, (char[]){'=', hex[c >> 4], hex[c & 15]}, 3);
        column += width;
    }
    hd_buffer_add_str(out, "\r\n");
}

static void add_quoted(struct hd_buffer *out, const char *text, size_t len) {
    for (const char *end = text + len; text < end && !out->failure;) {
        const char *line_end = memchr(text, '\r', (size_t)(end - text));
        add_quoted_line(out, text, (size_t)(line_end - text));
        text = line_end + 2;
    }
}

static void add_base64_lines(struct hd_buffer *out, const char *text, size_t len) {
    enum { BYTES_PER_LINE = LINE_MAX_BYTES / 4 * 3 };
    for (size_t at = 0; at < len && !out->failure; at += BYTES_PER_LINE) {
        size_t take = len - at < BYTES_PER_LINE ? len - at : (size_t)BYTES_PER_LINE;
        hd_base64_add(out, text + at, take);
        hd_buffer_add_str(out, "\r\n");
    }
}

/* An entity: its headers, an empty line, its body in the shorter of the two encodings. */
static void add_part(struct hd_buffer *out, const char *subtype, const char *text) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer canonical = {0};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer quoted = {0};
    add_canonical(&canonical, text);
    const char *body = hd_buffer_text(&canonical);
    if (!canonical.failure)
        add_quoted(&quoted, body, canonical.len);
    if (canonical.failure || quoted.failure) {
        out->failure = canonical.failure ? canonical.failure : quoted.failure;
        return;
    }
    bool as_quoted = quoted.len <= (canonical.len + 2) / 3 * 4 + canonical.len / 57 * 2 + 2;
    hd_buffer_printf(out, "Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n", subtype,
                     as_quoted ? "quoted-printable" : "base64");
    if (as_quoted)
        hd_buffer_add(out, hd_buffer_text(&quoted), quoted.len);
    else
        add_base64_lines(out, body, canonical.len);
}

static void add_body(struct hd_buffer *out, const struct hd_rendered *message) {
    if (!message->html || !message->text) {
        add_part(out, message->html ? "html" : "plain", message->html ? message->html : message->text ? message->text : "");
        return;
    }
    /* "=_" stands in neither encoding (RFC 2045 §6.7): the boundary can't occur in a part, whatever its text. */
    struct hd_id id = hd_id_derive(0, (const char *const[]){"mime", message->notification_id}, 2);
    hd_buffer_printf(out, "Content-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n", id.text);
    hd_buffer_printf(out, "--=_%s\r\n", id.text);
    add_part(out, "plain", message->text);
    hd_buffer_printf(out, "\r\n--=_%s\r\n", id.text);
    add_part(out, "html", message->html);
    hd_buffer_printf(out, "\r\n--=_%s--\r\n", id.text);
}

int hd_mime_write(const struct hd_rendered *message, const struct hd_mailbox *from, struct hd_buffer *out, struct hd_error *err) {
    const char *domain = strrchr(from->address, '@') + 1;
    int r = add_date(out, message->date_ms, err);
    if (r < 0)
        return r;
    add_mailbox(out, "From", from->name, from->address);
    add_mailbox(out, "To", message->to_name, message->to_address);
    add_subject(out, message->subject ? message->subject : "");
    add_message_id(out, "Message-ID", "", message->notification_id, domain);
    if (message->ticket_id) {
        add_message_id(out, "In-Reply-To", "ticket-", message->ticket_id, domain);
        add_message_id(out, "References", "ticket-", message->ticket_id, domain);
    }
    hd_buffer_add_str(out, "Auto-Submitted: auto-generated\r\n"); /* RFC 3834: no holiday replies, please */
    hd_buffer_add_str(out, "MIME-Version: 1.0\r\n");
    add_body(out, message);
    return hd_buffer_check(out, err);
}
