#include "adapters/transfer/smtp_dialog.h"

#include <string.h>

#include "base/utf8.h"

enum { PATH_MAX_BYTES = 254 /* RFC 5321 §4.5.3.1.3, without the brackets */, CODE_CLOSING = 421, CODE_GO_ON = 354 };

/* ---- replies ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* "550-text": the code, or -1. */
static int code_of(const char *line, size_t len) {
    if (len < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
        return -1;
    if (len > 3 && line[3] != ' ' && line[3] != '-')
        return -1;
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

static void add_text(struct hd_smtp_reply *reply, const char *text, size_t len) {
    size_t room = sizeof reply->text - 1 - reply->text_len;
    size_t take = len < room ? len : room;
    for (size_t i = 0; i < take; i++) {
        char c = text[i];
        reply->text[reply->text_len++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
    reply->text[reply->text_len] = '\0';
}

/* "5.1.1 ": the length of the enhanced code (RFC 3463) with its space, 0 when there is none. */
static size_t enhanced_len(const char *text, size_t len) {
    size_t at = 0, dots = 0;
    while (at < len && (is_digit(text[at]) || text[at] == '.'))
        dots += text[at++] == '.';
    return dots == 2 && at < len && text[at] == ' ' ? at + 1 : 0;
}

static void end_text(struct hd_smtp_reply *reply) {
    while (reply->text_len > 0 && reply->text[reply->text_len - 1] == ' ')
        reply->text_len--;
    reply->text[reply->text_len] = '\0';
    size_t valid = hd_utf8_valid_prefix(reply->text, reply->text_len);
    bool cut_here = reply->text_len == sizeof reply->text - 1 && reply->text_len - valid < 4;
    if (cut_here) {
        reply->text_len = valid;
        reply->text[valid] = '\0';
    }
    hd_utf8_scrub(reply->text, reply->text_len);
}

static void take_line(struct hd_smtp_reply *reply) {
    size_t len = reply->line_len;
    if (len > 0 && reply->line[len - 1] == '\r')
        len--;
    int code = code_of(reply->line, len);
    bool first = reply->continued_code == 0;
    bool last = code < 0 || len == 3 || reply->line[3] == ' ';
    if (code < 0 || (!first && code != reply->continued_code)) {
        reply->code = -1;
        return;
    }
    size_t skip = 0;
    if (!first) {
        add_text(reply, " ", 1);
        skip = len > 4 ? 4 + enhanced_len(reply->line + 4, len - 4) : len;
    }
    if (first && len > 3)
        reply->line[3] = ' ';
    add_text(reply, reply->line + skip, len - skip);
    reply->continued_code = code;
    if (last) {
        end_text(reply);
        reply->code = code;
    }
}

size_t hd_smtp_reply_feed(struct hd_smtp_reply *reply, const char *data, size_t len) {
    if (reply->code != 0)
        *reply = (struct hd_smtp_reply){0};
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            if (reply->line_len < sizeof reply->line)
                reply->line[reply->line_len++] = data[i];
            continue;
        }
        take_line(reply);
        reply->line_len = 0;
        if (reply->code != 0)
            return i + 1;
    }
    return len;
}

/* ---- the dialog ---- */

enum { TO_RSET, TO_MAIL, TO_RCPT, TO_DATA, TO_MESSAGE };

static const enum hd_smtp_stage stages[] = {
    [TO_RSET] = HD_SMTP_CONNECTION, [TO_MAIL] = HD_SMTP_SENDER,     [TO_RCPT] = HD_SMTP_RECIPIENT,
    [TO_DATA] = HD_SMTP_MESSAGE,    [TO_MESSAGE] = HD_SMTP_MESSAGE,
};

static void write_message(struct hd_buffer *out, const char *body, size_t len) {
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && body[end] != '\r' && body[end] != '\n')
            end++;
        if (body[at] == '.')
            hd_buffer_add_char(out, '.');
        hd_buffer_add(out, body + at, end - at);
        hd_buffer_add(out, "\r\n", 2);
        bool crlf = end + 1 < len && body[end] == '\r' && body[end + 1] == '\n';
        at = end + 1 + crlf;
    }
    hd_buffer_add_str(out, ".\r\n");
}

static void write_command(struct hd_smtp_dialog *dialog, int command) {
    struct hd_buffer *out = &dialog->out;
    switch (command) {
    case TO_RSET:
        hd_buffer_add_str(out, "RSET\r\n");
        break;
    case TO_MAIL:
        hd_buffer_printf(out, "MAIL FROM:<%s>", dialog->mail_from);
        if (dialog->size)
            hd_buffer_printf(out, " SIZE=%zu", dialog->body_bytes);
        hd_buffer_add(out, "\r\n", 2);
        break;
    case TO_RCPT:
        hd_buffer_printf(out, "RCPT TO:<%s>\r\n", dialog->mail_to);
        break;
    case TO_DATA:
        hd_buffer_add_str(out, "DATA\r\n");
        break;
    default:
        write_message(out, dialog->body, dialog->body_bytes);
    }
}

void hd_smtp_dialog_begin(struct hd_smtp_dialog *dialog, const struct hd_transfer *mail, const struct hd_smtp_abilities *abilities,
                          bool reset) {
    struct hd_buffer out = dialog->out;
    hd_buffer_clear(&out);
    out.limit_bytes = 2 * mail->body_bytes + 4096; /* every byte doubled, and the commands */
    *dialog = (struct hd_smtp_dialog){
        .out = out,
        .stage = HD_SMTP_CONNECTION,
        .expects = reset ? TO_RSET : TO_MAIL,
        .pipelining = abilities->pipelining,
        .size = abilities->size,
        .mail_from = mail->mail_from,
        .mail_to = mail->mail_to,
        .body = mail->body,
        .body_bytes = mail->body_bytes,
    };
    int last = dialog->pipelining ? TO_RCPT : dialog->expects;
    for (int command = dialog->expects; command <= last; command++)
        write_command(dialog, command);
}

static bool is_consent(int command, int code) {
    return command == TO_DATA ? code == CODE_GO_ON : code / 100 == 2;
}

static void conclude(struct hd_smtp_dialog *dialog) {
    dialog->code = dialog->reply.code;
    dialog->stage = stages[dialog->expects];
    memcpy(dialog->text, dialog->reply.text, sizeof dialog->text);
}

static void end(struct hd_smtp_dialog *dialog, bool reusable) {
    dialog->ended = true;
    dialog->reusable = reusable && dialog->out_sent == dialog->out.len;
}

static int take_reply(struct hd_smtp_dialog *dialog, struct hd_error *err) {
    int code = dialog->reply.code;
    if (code < 0)
        return hd_error_set(err, HD_ERR_MALFORMED, "the server's answer is not SMTP");
    if (code < 400 && !is_consent(dialog->expects, code))
        return hd_error_set(err, HD_ERR_MALFORMED, "the server's answer makes no sense here: %.100s", dialog->reply.text);
    dialog->touched = dialog->touched || code != CODE_CLOSING;
    bool first_refusal = dialog->code == 0 && code >= 400;
    if (first_refusal || dialog->expects == TO_MESSAGE)
        conclude(dialog);
    bool replies_left = dialog->pipelining && dialog->expects < TO_RCPT;
    if (code == CODE_CLOSING || dialog->expects == TO_MESSAGE || (dialog->code != 0 && !replies_left)) {
        end(dialog, code != CODE_CLOSING);
        return 0;
    }
    /* A message that goes on its way must be asked for by an answer to all that was sent. */
    if (dialog->out_sent != dialog->out.len)
        return hd_error_set(err, HD_ERR_MALFORMED, "the server answered before it was asked");
    dialog->expects++;
    if (replies_left)
        return 0;
    hd_buffer_clear(&dialog->out);
    dialog->out_sent = 0;
    write_command(dialog, dialog->expects);
    return hd_buffer_check(&dialog->out, err);
}

int hd_smtp_dialog_feed(struct hd_smtp_dialog *dialog, const char *data, size_t len, struct hd_error *err) {
    int r = hd_buffer_check(&dialog->out, err);
    for (size_t at = 0; r == 0 && at < len && !dialog->ended;) {
        at += hd_smtp_reply_feed(&dialog->reply, data + at, len - at);
        if (dialog->reply.code != 0)
            r = take_reply(dialog, err);
        if (dialog->ended && at < len) /* words that nobody asked for: what else might come? */
            dialog->reusable = false;
    }
    return r;
}

enum hd_smtp_stage hd_smtp_dialog_stage(const struct hd_smtp_dialog *dialog) {
    return stages[dialog->expects];
}

void hd_smtp_dialog_free(struct hd_smtp_dialog *dialog) {
    hd_buffer_free(&dialog->out);
}

bool hd_smtp_path_acceptable(const char *address) {
    if (!address)
        return false;
    size_t len = 0;
    for (; address[len]; len++)
        if (address[len] <= ' ' || address[len] > '~' || address[len] == '<' || address[len] == '>' || len == PATH_MAX_BYTES)
            return false;
    return len > 0;
}
