/* The talk of one mail with an SMTP server (RFC 5321), from MAIL FROM to the answer to the message, without I/O: bytes of the server go in, bytes for it come out.
 *
 * Greeting, EHLO, STARTTLS and AUTH are behind us (libcurl has made the connection). Commands are sent together where the server takes that (RFC 2920), but for the message. The message is
 * sent with CRLF line ends and doubled dots, whatever it came with, so that nothing in it can end it early. Not thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "core/provider.h"

/* ---- replies ---- */

enum { HD_SMTP_TEXT_BYTES = 1024, HD_SMTP_LINE_BYTES = 512 /* what we look at; the rest of a longer line is passed over */ };

/* A reply of one or several lines; {0} to begin with. */
struct hd_smtp_reply {
    int code;                      /* 0 until a reply is whole; -1: what came is no SMTP reply */
    char text[HD_SMTP_TEXT_BYTES]; /* "550 5.1.1 no such user", the lines joined; printable, valid UTF-8, cut */
    size_t text_len;
    char line[HD_SMTP_LINE_BYTES]; /* the one that is coming */
    size_t line_len;
    int continued_code;
};

/* Takes bytes up to the end of one reply and says how many that were. code is 0 while more must come; the first byte after a whole reply begins the next one. */
size_t hd_smtp_reply_feed(struct hd_smtp_reply *reply, const char *data, size_t len);

/* ---- the dialog ---- */

struct hd_smtp_abilities {
    bool pipelining; /* RFC 2920 */
    bool size;       /* RFC 1870 */
};

struct hd_smtp_dialog {
    struct hd_buffer out; /* from out_sent on, this is to be sent; it moves only while all of it has been sent */
    size_t out_sent;
    /* When it has ended: the answer that counts, and what it was to. */
    int code;
    enum hd_smtp_stage stage;
    char text[HD_SMTP_TEXT_BYTES];
    bool ended;
    bool reusable; /* another mail may follow on the same connection */
    bool touched;  /* the server has answered something other than 421: it has seen this mail */
    /* private */
    struct hd_smtp_reply reply;
    int expects; /* the command whose reply comes next */
    bool pipelining;
    bool size;
    const char *mail_from;
    const char *mail_to;
    const char *body;
    size_t body_bytes;
};

/* A dialog can be begun again for the next mail; reset says that the connection's last one was refused. The strings must live until the end. */
void hd_smtp_dialog_begin(struct hd_smtp_dialog *dialog, const struct hd_transfer *mail, const struct hd_smtp_abilities *abilities,
                          bool reset);
/* HD_ERR_MALFORMED: this is not SMTP, or out of turn. HD_ERR_NO_MEMORY, HD_ERR_LIMIT: the message could not be written. The connection is of no use any more then. */
int hd_smtp_dialog_feed(struct hd_smtp_dialog *dialog, const char *data, size_t len, struct hd_error *err) HD_MUST_CHECK;
/* What it waits for the answer to. */
enum hd_smtp_stage hd_smtp_dialog_stage(const struct hd_smtp_dialog *dialog);
void hd_smtp_dialog_free(struct hd_smtp_dialog *dialog); /* what it holds; takes {0} */

/* What may stand in an envelope: visible ASCII without angle brackets, of a length that SMTP can carry. */
bool hd_smtp_path_acceptable(const char *address);
