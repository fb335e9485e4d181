/* Mails as text: RFC 5322 with MIME (RFC 2045–2047), ASCII only, CRLF, lines of at most 76 bytes wherever they can be folded.
 *
 * The same input gives the same bytes. Nothing in a name, a subject or an id can end its header: control characters become spaces, all that is not plain is encoded. Thread-safe: no state. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/provider.h"

enum { HD_MAIL_ADDRESS_BYTES = 255 /* RFC 5321 §4.5.3.1.3, with the NUL */, HD_MAIL_NAME_BYTES = 256 };

struct hd_mailbox {
    char name[HD_MAIL_NAME_BYTES]; /* "" when there is none */
    char address[HD_MAIL_ADDRESS_BYTES];
};

/* HD_ERR_INVALID says why an address can't be used. Conservative: local@domain, the local part a dot-atom, the domain letters, digits and hyphens; no quoted local parts, no address
 * literals, and no SMTPUTF8 (RFC 6531). */
int hd_mail_address_check(const char *address, struct hd_error *err) HD_MUST_CHECK;

/* "HelpDesk <desk@example.org>", "\"Desk, Help\" <desk@example.org>" or "desk@example.org". HD_ERR_INVALID. */
int hd_mailbox_parse(const char *text, struct hd_mailbox *ret_mailbox, struct hd_error *err) HD_MUST_CHECK;

/* Appends "Ana <ana@example.org>", or the bare address when there is no name (NULL, or nothing but blanks): as in a header, but on one line, for providers that write the header themselves. The
 * address must have been checked; out says whether it went well. */
void hd_mailbox_write(const char *name, const char *address, struct hd_buffer *out);

/* Appends the whole mail. The addresses must have been checked. html and text may be NULL, but not both; both make a multipart/alternative. HD_ERR_INVALID: a date that RFC 5322 can't
 * write. HD_ERR_NO_MEMORY, HD_ERR_LIMIT (the buffer's). */
int hd_mime_write(const struct hd_rendered *message, const struct hd_mailbox *from, struct hd_buffer *out,
                  struct hd_error *err) HD_MUST_CHECK;
