/* SendEmail of SES v2 (docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html; what its errors mean: …/ses/latest/dg/troubleshoot-error-messages.html, …/dg/manage-sending-quotas-errors.html).
 *
 * | what came                                                                             | outcome                        |
 * | 2xx                                                                                   | sent; detail: SES's MessageId  |
 * | no answer, 5xx, 429, throttled ("Maximum sending rate exceeded"), session token ran out | retry                        |
 * | LimitExceeded, or "Daily message quota exceeded" by whatever type                     | retry, in four hours at least  |
 * | "… not verified" (sender, or in the sandbox the recipient), MailFromDomainNotVerified | configuration                  |
 * | AccountSuspended, SendingPaused, NotFound (configuration set, template), 401, 403     | configuration                  |
 * | MessageRejected, BadRequest and any other 400: this mail can never go                 | permanent                      |
 *
 * That a mailbox does not exist is no answer of SES: it takes the mail, and tells of the bounce by the events of the configuration set (the tags say which notification it was).
 *
 * SES puts its own Message-ID and Date in the place of ours (…/dg/header-fields.html), and has no idempotency token: a mail that is sent again because the answer was lost comes twice, and
 * unlike by SMTP nothing in it tells the receiver so. In-Reply-To and References stay: mails of a ticket still thread. A stored template has none of these headers. */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/client.h"
#include "adapters/aws/outcome.h"
#include "base/base64.h"
#include "base/json.h"
#include "core/mime.h"

enum {
    MAIL_MAX_BYTES = 16 * 1024 * 1024, /* as by SMTP; SES takes 40 MB, encoded */
    BODY_MAX_BYTES = MAIL_MAX_BYTES / 3 * 4 + 64 * 1024,
    TAG_MAX_BYTES = 256,
    TIMEOUT_MS = 30 * 1000,
    QUOTA_RETRY_AFTER_MS = 4 * 60 * 60 * 1000, /* the quota is one of the last 24 hours; three attempts so reach over a working day */
};

struct ses {
    struct hd_provider provider; /* first */
    struct hd_aws *aws;
    struct hd_mailbox from;
    char *configuration_set;
    char *template_name;
    int64_t timeout_ms;
};

static void close_provider(struct hd_provider *provider) {
    struct ses *ses = (struct ses *)provider;
    free(ses->configuration_set);
    free(ses->template_name);
    free(ses);
}

/* ---- prepare ---- */

static int put_raw(const struct ses *ses, const struct hd_rendered *message, struct hd_json_writer *w, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer mail = {.limit_bytes = MAIL_MAX_BYTES};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer quoted = {.limit_bytes = BODY_MAX_BYTES};
    int r = hd_mime_write(message, &ses->from, &mail, err);
    if (r == HD_ERR_LIMIT)
        return hd_error_set(err, HD_ERR_INVALID, "the mail is larger than %d bytes", MAIL_MAX_BYTES);
    if (r < 0)
        return r;
    hd_buffer_add_char(&quoted, '"');
    hd_base64_add(&quoted, mail.data, mail.len);
    hd_buffer_add_char(&quoted, '"');
    if (hd_buffer_check(&quoted, err) < 0)
        return err->code;
    hd_json_open_object(w, "Raw");
    hd_json_put_raw(w, "Data", quoted.data, quoted.len);
    hd_json_close_object(w);
    return 0;
}

/* The template's data is JSON in a string. SES escapes nothing in it: the template says {{subject}}, {{text}}, {{html}}. */
static int put_template(const struct ses *ses, const struct hd_rendered *message, struct hd_json_writer *w, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer data = {.limit_bytes = MAIL_MAX_BYTES};
    struct hd_json_writer inner = hd_json_writer(&data);
    hd_json_open_object(&inner, NULL);
    hd_json_put_str(&inner, "subject", message->subject ? message->subject : "");
    hd_json_put_str(&inner, "text", message->text ? message->text : "");
    hd_json_put_str(&inner, "html", message->html ? message->html : "");
    hd_json_close_object(&inner);
    int r = hd_buffer_check(&data, err);
    if (r < 0)
        return r;
    hd_json_open_object(w, "Template");
    hd_json_put_str(w, "TemplateName", ses->template_name);
    hd_json_put_strn(w, "TemplateData", data.data, data.len);
    hd_json_close_object(w);
    return 0;
}

/* ASCII letters, digits, '_' and '-' are all that SES takes in a tag. */
static void put_tag(struct hd_json_writer *w, const char *name, const char *value) {
    char tag[TAG_MAX_BYTES + 1];
    size_t len = 0;
    for (const char *c = value ? value : ""; *c && len < TAG_MAX_BYTES; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-';
        tag[len++] = plain ? *c : '_';
    }
    if (len == 0)
        return;
    hd_json_open_object(w, NULL);
    hd_json_put_str(w, "Name", name);
    hd_json_put_strn(w, "Value", tag, len);
    hd_json_close_object(w);
}

/* In a raw mail the headers have the names, and these two are its envelope. */
static int put_addresses(const struct ses *ses, const struct hd_rendered *message, struct hd_json_writer *w, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer from = {0};
    HD_CLEANUP(hd_buffer_free) struct hd_buffer to = {0};
    hd_mailbox_write(ses->template_name ? ses->from.name : NULL, ses->from.address, &from);
    hd_mailbox_write(ses->template_name ? message->to_name : NULL, message->to_address, &to);
    int r = hd_buffer_check(&from, err);
    if (r == 0)
        r = hd_buffer_check(&to, err);
    if (r < 0)
        return r;
    hd_json_put_str(w, "FromEmailAddress", from.data);
    hd_json_open_object(w, "Destination");
    hd_json_open_array(w, "ToAddresses");
    hd_json_put_str(w, NULL, to.data);
    hd_json_close_array(w);
    hd_json_close_object(w);
    return 0;
}

static int write_body(const struct ses *ses, const struct hd_rendered *message, struct hd_buffer *body, struct hd_error *err) {
    struct hd_json_writer w = hd_json_writer(body);
    hd_json_open_object(&w, NULL);
    int r = put_addresses(ses, message, &w, err);
    if (r < 0)
        return r;
    hd_json_open_object(&w, "Content");
    r = ses->template_name ? put_template(ses, message, &w, err) : put_raw(ses, message, &w, err);
    if (r < 0)
        return r;
    hd_json_close_object(&w);
    hd_json_open_array(&w, "EmailTags");
    put_tag(&w, "notificationId", message->notification_id);
    put_tag(&w, "event", message->event);
    hd_json_close_array(&w);
    hd_json_put_str_if(&w, "ConfigurationSetName", ses->configuration_set);
    hd_json_close_object(&w);
    return hd_buffer_check(body, err);
}

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    const struct ses *ses = (const struct ses *)provider;
    int r = hd_mail_address_check(message->to_address, err);
    if (r < 0)
        return r;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {.limit_bytes = BODY_MAX_BYTES};
    r = write_body(ses, message, &body, err);
    if (r < 0)
        return r;
    struct hd_aws_request request = {
        .service = HD_AWS_SES,
        .path = "/v2/email/outbound-emails",
        .body = hd_arena_strndup(arena, body.data, body.len),
        .body_bytes = body.len,
        .timeout_ms = ses->timeout_ms,
    };
    if (!request.body)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a mail of %zu bytes", body.len);
    r = hd_aws_sign_transfer(ses->aws, &request, arena, ret_transfer, err);
    if (r == 0)
        ret_transfer->answer_header = "x-amzn-errortype";
    return r;
}

/* ---- conclude ---- */

static const struct hd_aws_rule rules[] = {
    {NULL, "daily message quota exceeded", HD_OUTCOME_RETRY, QUOTA_RETRY_AFTER_MS},
    {"LimitExceeded", NULL, HD_OUTCOME_RETRY, QUOTA_RETRY_AFTER_MS},
    {NULL, "maximum sending rate exceeded", HD_OUTCOME_RETRY, 0},
    {"MessageRejected", "not verified", HD_OUTCOME_CONFIGURATION, 0},
    {"MailFromDomainNotVerified", NULL, HD_OUTCOME_CONFIGURATION, 0},
    {"AccountSuspended", NULL, HD_OUTCOME_CONFIGURATION, 0},
    {"SendingPaused", NULL, HD_OUTCOME_CONFIGURATION, 0},
    {"NotFound", NULL, HD_OUTCOME_CONFIGURATION, 0},
};

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    (void)provider;
    HD_CLEANUP(hd_json_decrefp) json_t *root = NULL;
    const char *sent = NULL;
    if (result->response_code / 100 == 2 && result->body_bytes > 0 && hd_json_load(result->body, result->body_bytes, 0, &root, NULL) == 0)
        sent = hd_json_str(root, "MessageId");
    hd_aws_conclude(result, rules, HD_ARRAY_LEN(rules), sent ? sent : "", ret_outcome);
}

static const struct hd_provider_ops ops = {.name = "ses", .prepare = prepare, .conclude = conclude, .close = close_provider};

/* ---- settings ---- */

/* "" is as good as NULL: a setting that is there and empty. */
static int keep(char **to, const char *from, struct hd_error *err) {
    if (!from || !*from)
        return 0;
    *to = strdup(from);
    return *to ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the settings of SES");
}

static int read_settings(const struct hd_ses_options *options, struct ses *ses, struct hd_error *err) {
    if (!options->mail_from || !*options->mail_from)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_MAIL_FROM is not set; write HelpDesk <helpdesk@example.org>");
    if (hd_mailbox_parse(options->mail_from, &ses->from, err) < 0) {
        err->code = HD_ERR_CONFIGURATION;
        return hd_error_context(err, "HELPDESK_MAIL_FROM");
    }
    ses->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    int r = keep(&ses->configuration_set, options->configuration_set, err);
    return r < 0 ? r : keep(&ses->template_name, options->template_name, err);
}

int hd_ses_new(struct hd_aws *aws, const struct hd_ses_options *options, struct hd_provider **ret_provider, struct hd_error *err) {
    struct hd_error own;
    err = err ? err : &own;
    struct ses *ses = calloc(1, sizeof *ses);
    if (!ses)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the settings of SES");
    ses->provider.ops = &ops;
    ses->aws = aws;
    int r = read_settings(options, ses, err);
    if (r < 0) {
        close_provider(&ses->provider);
        return r;
    }
    *ret_provider = &ses->provider;
    return 0;
}
