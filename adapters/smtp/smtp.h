/* E-mail by SMTP (RFC 5321), as a provider: messages as RFC 5322 with MIME (RFC 2045–2047), outcomes from reply codes.
 *
 * 2xx sent; 4xx and broken or timed-out connections: retry; 5xx permanent (550, 551, 553 and enhanced 5.1.x of the recipient: the address is gone); 530, 535 and 538 (login), TLS
 * failures, and a refused sender: configuration. The Message-ID is <notificationId@domain of the sender>, the same on every attempt, so that a receiver can tell a repetition; the mails of a
 * ticket thread by References to <ticketId@domain>. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/provider.h"

struct hd_smtp_options {
    const char *url;       /* HELPDESK_SMTP_URL: smtp://[user:password@]host[:port] (STARTTLS when offered; with credentials it is demanded unless starttls=no),
                              smtps://… (TLS from the start); query: ?starttls=required|no */
    const char *mail_from; /* HELPDESK_MAIL_FROM: "HelpDesk <helpdesk@example.org>" or a bare address */
    const char *ca_file;   /* NULL: the system's */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t timeout_ms;         /* 0: 30 s */
};

/* HD_ERR_CONFIGURATION says which setting is wrong, and how. */
int hd_smtp_new(const struct hd_smtp_options *options, struct hd_provider **ret_provider, struct hd_error *err) HD_MUST_CHECK;
