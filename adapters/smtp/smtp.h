/* E-mail by SMTP (RFC 5321), as a provider: messages as RFC 5322 with MIME (RFC 2045–2047), outcomes from reply codes.
 *
 * | what happened                                                                        | outcome       |
 * | the message was accepted (2xx)                                                       | sent          |
 * | 4xx anywhere (421 included); no answer in time; the connection could not be made, or broke; no such host | retry |
 * | 530, 534, 535, 538, credentials refused; TLS failed, or was demanded and not offered | configuration |
 * | 5xx before the mail (greeting, EHLO), or to the sender, but for "too large"; 5.1.7, 5.1.8 (bad sender)   | configuration |
 * | 5xx to the recipient: 550, 551, 553 without an enhanced code; 5.1.x; 5.2.1            | address gone  |
 * | any other 5xx: mailbox full (552, 5.2.2), too large, policy (5.7.x), after the message | permanent     |
 *
 * A connection that breaks, or a time limit that passes, after the message has gone out leaves open whether it was accepted: it is sent again, and the Message-ID tells a receiver that it is
 * the same one: <notificationId@domain of the sender>, on every attempt. The mails of a ticket thread by References to <ticket-ticketId@domain>.
 * Not knowable: a server that refuses a bad sender only in its answer to the recipient, without an enhanced code, looks like one that doesn't know the recipient. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/provider.h"

struct hd_smtp_options {
    const char *
        url; /* HELPDESK_SMTP_URL: smtp://[user:password@]host[:port] (STARTTLS when offered; with credentials it is demanded unless starttls=no),
                              smtps://… (TLS from the start); query: ?starttls=required|no. User and password are percent-encoded; ports 25 and 465 if none is given. */
    const char *mail_from;      /* HELPDESK_MAIL_FROM: "HelpDesk <helpdesk@example.org>" or a bare address */
    const char *ca_file;        /* NULL: the system's */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t timeout_ms;         /* 0: 30 s; of a whole transfer */
};

/* HD_ERR_CONFIGURATION says which setting is wrong, and how, and never shows the password. */
int hd_smtp_new(const struct hd_smtp_options *options, struct hd_provider **ret_provider, struct hd_error *err) HD_MUST_CHECK;
