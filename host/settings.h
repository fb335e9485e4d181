/* Settings: from the environment or an INI file (--config), the same names in both; the environment wins. One table (settings.c) has them all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/channel.h"
#include "core/retry.h"

struct hd_settings {
    char *listen;         /* HELPDESK_LISTEN: address:port, [address]:port */
    char *metrics_listen; /* HELPDESK_METRICS_LISTEN: where /metrics wants no token; NULL: nowhere */
    char *data_dir;
    char *backend;  /* "embedded" or "aws" */
    char *table;    /* aws: DynamoDB's */
    char *queues;   /* aws: what stands before the queues' names; a URL or a bare prefix */
    char *base_url; /* NULL: http://<listen> */
    char *locale;
    char *jwt_secret; /* NULL: one of its own, made at the first start and kept in the data folder */
    char *jwt_issuer;
    char *jwt_audience;
    char *email_provider; /* NULL: see hd_settings_email_provider */
    char *ses_configuration_set;
    char *ses_template; /* NULL: raw messages */
    char *smtp_url;     /* NULL: e-mail is simulated, unless another provider is named */
    char *mail_from;
    char *ca_file;
    char *metrics_namespace; /* of CloudWatch */
    char *log_level;
    struct hd_retry_policy retry[HD_CHANNEL_COUNT];
    int64_t smtp_timeout_ms;
    int64_t smtp_connections;
    int64_t queue_limit; /* messages that may wait in all queues before work is refused with 503 */
    int64_t connections; /* HTTP connections at once */
};

/* Reads config_file (NULL: none) and the environment. On an error, every problem has been told to `tell` (which may be NULL), one line each, and err has the first. */
int hd_settings_load(const char *config_file, void (*tell)(const char *problem), struct hd_settings **ret_settings,
                     struct hd_error *err) HD_MUST_CHECK;
void hd_settings_free(struct hd_settings *settings); /* takes NULL */

enum hd_log_level hd_settings_log_level(const struct hd_settings *settings);
bool hd_settings_on_aws(const struct hd_settings *settings);
/* "smtp", "ses" or "simulated": what is set, else smtp where its URL is given. */
const char *hd_settings_email_provider(const struct hd_settings *settings);

/* NAME, default, and what it is: for --help and the documents. */
void hd_settings_describe(void (*line)(const char *name, const char *fallback, const char *help));

/* "127.0.0.1:8080" → its parts. host is filled with at most host_bytes. */
int hd_listen_parse(const char *text, char *ret_host, size_t host_bytes, uint16_t *ret_port, struct hd_error *err) HD_MUST_CHECK;
