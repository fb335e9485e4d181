/* The provider port: two pure functions for each way out.
 *
 * prepare turns a rendered message into a transfer; conclude turns a finished transfer into an outcome. Neither does I/O: one dispatcher (adapters/transfer/) drives all transfers
 * of all providers at once. Immutable and thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "core/channel.h"
#include "core/delivery.h"

/* What a template made of a notification, and where it goes. */
struct hd_rendered {
    const char *notification_id; /* idempotency towards the provider: stable over all attempts */
    const char *ticket_id;       /* for threading; NULL else */
    const char *event;           /* the template's name, "TicketCreated": for a provider's statistics; NULL else */
    const char *to_address;      /* e-mail address, device token … */
    const char *to_name;         /* NULL else */
    const char *subject;         /* e-mail; NULL else */
    const char *text;
    const char *html; /* e-mail; NULL else */
    int64_t date_ms;  /* the notification's creation: the same on every attempt */
};

enum hd_transfer_kind { HD_TRANSFER_NONE /* nothing to do outside: conclude at once */, HD_TRANSFER_SMTP, HD_TRANSFER_HTTP };

struct hd_transfer {
    enum hd_transfer_kind kind;
    const char *url; /* without credentials */
    const char *username;
    const char *password;
    bool require_tls;    /* SMTP: STARTTLS or nothing */
    bool no_tls;         /* SMTP: no STARTTLS even when it is offered */
    const char *ca_file; /* NULL: the system's */
    int64_t connect_timeout_ms;
    int64_t timeout_ms;
    const char *mail_from; /* SMTP envelope */
    const char *mail_to;
    const char *method;         /* HTTP */
    const char *const *headers; /* HTTP: NULL-terminated "Name: value" */
    const char *answer_header;  /* HTTP: the name of the answer's header that conclude needs; NULL: none */
    const char *body;           /* SMTP: the whole RFC 5322 message with CRLF */
    size_t body_bytes;
};

enum hd_transfer_failure {
    HD_TRANSFER_OK, /* an answer came: look at response_code */
    HD_TRANSFER_RESOLVE,
    HD_TRANSFER_CONNECT,
    HD_TRANSFER_TIMEOUT,
    HD_TRANSFER_TLS,
    HD_TRANSFER_LOGIN,   /* the credentials were refused */
    HD_TRANSFER_DROPPED, /* the connection broke before the answer */
    HD_TRANSFER_OTHER,
};

enum hd_smtp_stage { HD_SMTP_CONNECTION /* greeting, EHLO, STARTTLS, AUTH */, HD_SMTP_SENDER, HD_SMTP_RECIPIENT, HD_SMTP_MESSAGE };

struct hd_transfer_result {
    enum hd_transfer_failure failure;
    long response_code;       /* the last SMTP or HTTP status; 0 when none came */
    enum hd_smtp_stage stage; /* SMTP: what the answer is to, or where it went wrong */
    int64_t retry_after_ms;   /* from Retry-After; 0 when none came */
    int64_t duration_ms;
    char answer_header[100]; /* HTTP: the value of the header that the transfer named, cut; "" when none came */
    char detail[200];        /* for people: the server's last line or the transport's error */
    const char *body;        /* HTTP answer, at most 64 KiB; NULL else. Lives until conclude has returned. */
    size_t body_bytes;
};

struct hd_outcome {
    enum hd_outcome_kind kind;
    int64_t retry_after_ms; /* the provider's wish; 0: none */
    char detail[200];
};

struct hd_provider {
    const struct hd_provider_ops *ops;
};

struct hd_provider_ops {
    const char *name; /* "smtp": stands in attempts and metrics */
    /* HD_ERR_INVALID: this message can never be sent (no valid address …): permanent. HD_ERR_CONFIGURATION, HD_ERR_NO_MEMORY. */
    int (*prepare)(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err);
    void (*conclude)(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome);
    void (*close)(struct hd_provider *provider);
};
