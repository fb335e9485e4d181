#include "adapters/smtp/smtp.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "core/mime.h"

enum { CONNECT_TIMEOUT_MS = 10 * 1000, TIMEOUT_MS = 30 * 1000, MAIL_MAX_BYTES = 16 * 1024 * 1024 };

struct smtp {
    struct hd_provider provider; /* first */
    struct hd_mailbox from;
    char *url; /* scheme, host and port only */
    char *username;
    char *password;
    char *ca_file;
    bool require_tls;
    bool no_tls;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;
};

static void close_provider(struct hd_provider *provider) {
    struct smtp *smtp = (struct smtp *)provider;
    free(smtp->url);
    free(smtp->username);
    free(smtp->password);
    free(smtp->ca_file);
    free(smtp);
}

/* ---- prepare ---- */

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    const struct smtp *smtp = (const struct smtp *)provider;
    int r = hd_mail_address_check(message->to_address, err);
    if (r < 0)
        return r;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer mail = {.limit_bytes = MAIL_MAX_BYTES};
    r = hd_mime_write(message, &smtp->from, &mail, err);
    if (r == HD_ERR_LIMIT)
        return hd_error_set(err, HD_ERR_INVALID, "the mail is larger than %d bytes", MAIL_MAX_BYTES);
    if (r < 0)
        return r;
    char *body = hd_arena_alloc(arena, mail.len + 1);
    char *to = hd_arena_strdup(arena, message->to_address);
    if (!body || !to)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a mail of %zu bytes", mail.len);
    memcpy(body, mail.data, mail.len + 1);
    *ret_transfer = (struct hd_transfer){
        .kind = HD_TRANSFER_SMTP,
        .url = smtp->url,
        .username = smtp->username,
        .password = smtp->password,
        .require_tls = smtp->require_tls,
        .no_tls = smtp->no_tls,
        .ca_file = smtp->ca_file,
        .connect_timeout_ms = smtp->connect_timeout_ms,
        .timeout_ms = smtp->timeout_ms,
        .mail_from = smtp->from.address,
        .mail_to = to,
        .body = body,
        .body_bytes = mail.len,
    };
    return 0;
}

/* ---- conclude ---- */

enum { ANY = -1, NONE = 0 /* no enhanced code came */ };

/* The first row that fits decides. stage, code, subject and detail of "550 5.1.1": ANY, or what they must be. */
static const struct {
    int stage;
    int code; /* below 10: its first digit */
    int subject;
    int detail;
    enum hd_outcome_kind outcome;
} answers[] = {
    {HD_SMTP_MESSAGE, 2, ANY, ANY, HD_OUTCOME_SENT},
    {ANY, 4, ANY, ANY, HD_OUTCOME_RETRY},
    {ANY, 530, ANY, ANY, HD_OUTCOME_CONFIGURATION}, /* log in first */
    {ANY, 534, ANY, ANY, HD_OUTCOME_CONFIGURATION}, /* a stronger way to log in is needed */
    {ANY, 535, ANY, ANY, HD_OUTCOME_CONFIGURATION},
    {ANY, 538, ANY, ANY, HD_OUTCOME_CONFIGURATION}, /* TLS is needed to log in */
    {HD_SMTP_CONNECTION, 5, ANY, ANY, HD_OUTCOME_CONFIGURATION},
    {ANY, 5, 1, 7, HD_OUTCOME_CONFIGURATION},              /* the sender's address: syntax, */
    {ANY, 5, 1, 8, HD_OUTCOME_CONFIGURATION},              /* its domain */
    {HD_SMTP_SENDER, 552, ANY, ANY, HD_OUTCOME_PERMANENT}, /* SIZE: the mail is too large */
    {HD_SMTP_SENDER, 5, 3, 4, HD_OUTCOME_PERMANENT},
    {HD_SMTP_SENDER, 5, ANY, ANY, HD_OUTCOME_CONFIGURATION},
    {HD_SMTP_RECIPIENT, 5, 1, ANY, HD_OUTCOME_ADDRESS_GONE},
    {HD_SMTP_RECIPIENT, 5, 2, 1, HD_OUTCOME_ADDRESS_GONE}, /* the mailbox is disabled */
    {HD_SMTP_RECIPIENT, 550, NONE, ANY, HD_OUTCOME_ADDRESS_GONE},
    {HD_SMTP_RECIPIENT, 551, NONE, ANY, HD_OUTCOME_ADDRESS_GONE},
    {HD_SMTP_RECIPIENT, 553, NONE, ANY, HD_OUTCOME_ADDRESS_GONE},
    {ANY, 5, ANY, ANY, HD_OUTCOME_PERMANENT},
};

/* ".1": at most three digits behind the dot; NULL when there is no such thing. */
static const char *read_number(const char *text, int *ret_number) {
    if (*text != '.' || text[1] < '0' || text[1] > '9')
        return NULL;
    int number = 0, digits = 0;
    for (text++; *text >= '0' && *text <= '9'; text++) {
        number = number * 10 + (*text - '0');
        if (++digits > 3)
            return NULL;
    }
    *ret_number = number;
    return text;
}

/* The enhanced code (RFC 3463) of "550 5.1.1 no such user"; leaves NONE when there is none. */
static void read_enhanced(const char *text, int *ret_subject, int *ret_detail) {
    int subject, detail;
    bool begins = strnlen(text, 5) == 5 && text[3] == ' ' && text[4] == text[0];
    const char *at = begins ? read_number(text + 5, &subject) : NULL;
    at = at ? read_number(at, &detail) : NULL;
    if (!at || (*at != ' ' && *at != '\0'))
        return;
    *ret_subject = subject;
    *ret_detail = detail;
}

static enum hd_outcome_kind judge_answer(const struct hd_transfer_result *result) {
    int subject = NONE, detail = NONE;
    read_enhanced(result->detail, &subject, &detail);
    for (size_t i = 0; i < HD_ARRAY_LEN(answers); i++) {
        bool stage_fits = answers[i].stage == ANY || answers[i].stage == (int)result->stage;
        long shown = answers[i].code < 10 ? result->response_code / 100 : result->response_code;
        bool subject_fits = answers[i].subject == ANY || answers[i].subject == subject;
        bool detail_fits = answers[i].detail == ANY || answers[i].detail == detail;
        if (stage_fits && shown == answers[i].code && subject_fits && detail_fits)
            return answers[i].outcome;
    }
    return HD_OUTCOME_RETRY; /* an answer out of turn: the next connection may know better */
}

static enum hd_outcome_kind judge(const struct hd_transfer_result *result) {
    switch (result->failure) {
    case HD_TRANSFER_OK:
        return judge_answer(result);
    case HD_TRANSFER_TLS:
    case HD_TRANSFER_LOGIN: /* 4xx: it can't tell just now (454 "temporary authentication failure") */
        return result->response_code / 100 == 4 ? HD_OUTCOME_RETRY : HD_OUTCOME_CONFIGURATION;
    default:
        return HD_OUTCOME_RETRY;
    }
}

static const char *const preambles[] = {
    [HD_TRANSFER_OK] = "",
    [HD_TRANSFER_RESOLVE] = "",
    [HD_TRANSFER_CONNECT] = "",
    [HD_TRANSFER_TIMEOUT] = "timed out: ",
    [HD_TRANSFER_TLS] = "no secure connection: ",
    [HD_TRANSFER_LOGIN] = "the server refused our credentials: ",
    [HD_TRANSFER_DROPPED] = "",
    [HD_TRANSFER_OTHER] = "",
};

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    (void)provider;
    *ret_outcome = (struct hd_outcome){.kind = judge(result), .retry_after_ms = result->retry_after_ms};
    char *detail = ret_outcome->detail;
    int len = snprintf(detail, sizeof ret_outcome->detail, "%s%s", preambles[result->failure], result->detail);
    if (len >= (int)sizeof ret_outcome->detail)
        detail[hd_utf8_valid_prefix(detail, strlen(detail))] = '\0';
}

static const struct hd_provider_ops ops = {.name = "smtp", .prepare = prepare, .conclude = conclude, .close = close_provider};

/* ---- settings ---- */

static void curl_freep(char **text) {
    curl_free(*text);
    *text = NULL;
}

static void url_freep(CURLU **url) {
    curl_url_cleanup(*url);
    *url = NULL;
}

static int bad_url(struct hd_error *err, const char *why) {
    return hd_error_set(err, HD_ERR_CONFIGURATION,
                        "HELPDESK_SMTP_URL %s; write smtp://user:password@host:587 or smtps://user:password@host", why);
}

/* Decoded; *ret_text stays NULL when the URL has no such part. For curl_free. */
static int get_part(CURLU *url, CURLUPart part, const char *what, char **ret_text, struct hd_error *err) {
    CURLUcode code = curl_url_get(url, part, ret_text, CURLU_URLDECODE);
    if (code == CURLUE_OUT_OF_MEMORY)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for HELPDESK_SMTP_URL");
    if (code == CURLUE_URLDECODE) {
        char why[80];
        snprintf(why, sizeof why, "has a %s with a control character", what);
        return bad_url(err, why);
    }
    return 0;
}

/* A text from libcurl, as one that free takes; NULL stays NULL. */
static int keep(char **to, const char *from, struct hd_error *err) {
    *to = from ? strdup(from) : NULL;
    return *to || !from ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the e-mail settings");
}

static int read_starttls(CURLU *url, struct smtp *smtp, bool smtps, struct hd_error *err) {
    HD_CLEANUP(curl_freep) char *query = NULL;
    int r = get_part(url, CURLUPART_QUERY, "query", &query, err);
    if (r < 0)
        return r;
    smtp->require_tls = smtps || smtp->password;
    if (!query)
        return 0;
    bool no = strcmp(query, "starttls=no") == 0;
    if (!no && strcmp(query, "starttls=required") != 0)
        return bad_url(err, "may have ?starttls=required or ?starttls=no behind the host, and nothing else");
    if (no && smtps)
        return bad_url(err, "says both smtps and starttls=no");
    smtp->require_tls = !no;
    smtp->no_tls = no;
    return 0;
}

static int read_credentials(CURLU *url, struct smtp *smtp, struct hd_error *err) {
    HD_CLEANUP(curl_freep) char *user = NULL;
    HD_CLEANUP(curl_freep) char *password = NULL;
    HD_CLEANUP(curl_freep) char *options = NULL;
    int r = get_part(url, CURLUPART_USER, "user", &user, err);
    if (r == 0)
        r = get_part(url, CURLUPART_PASSWORD, "password", &password, err);
    if (r == 0)
        r = get_part(url, CURLUPART_OPTIONS, "login option", &options, err);
    if (r < 0)
        return r;
    if (options)
        return bad_url(err, "has a semicolon before the @: write it as %3B");
    if (!user != !password || (user && !*user))
        return bad_url(err, "must have both a user and a password before the @, or neither");
    r = keep(&smtp->username, user, err);
    return r < 0 ? r : keep(&smtp->password, password, err);
}

/* Everything but scheme, host and port is taken out: what is left may be shown. */
static int read_server(CURLU *url, struct smtp *smtp, struct hd_error *err) {
    HD_CLEANUP(curl_freep) char *path = NULL;
    HD_CLEANUP(curl_freep) char *fragment = NULL;
    HD_CLEANUP(curl_freep) char *server = NULL;
    int r = get_part(url, CURLUPART_PATH, "path", &path, err);
    if (r == 0)
        r = get_part(url, CURLUPART_FRAGMENT, "fragment", &fragment, err);
    if (r < 0)
        return r;
    if (fragment || (path && strcmp(path, "/") != 0))
        return bad_url(err, "has something behind the host (a \"/\" or \"#\" in a password is written %2F or %23)");
    static const CURLUPart secret[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_QUERY};
    for (size_t i = 0; i < HD_ARRAY_LEN(secret); i++)
        curl_url_set(url, secret[i], NULL, 0);
    if (curl_url_get(url, CURLUPART_URL, &server, 0) != CURLUE_OK)
        return bad_url(err, "has no host");
    return keep(&smtp->url, server, err);
}

static int read_url(const char *text, struct smtp *smtp, struct hd_error *err) {
    HD_CLEANUP(url_freep) CURLU *url = curl_url();
    HD_CLEANUP(curl_freep) char *scheme = NULL;
    if (!url)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for HELPDESK_SMTP_URL");
    if (!text || !*text)
        return bad_url(err, "is not set");
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK) {
        char why[80];
        snprintf(why, sizeof why, "is no URL (%s)", curl_url_strerror(code));
        return bad_url(err, why);
    }
    int r = get_part(url, CURLUPART_SCHEME, "scheme", &scheme, err);
    if (r < 0)
        return r;
    bool smtps = scheme && strcmp(scheme, "smtps") == 0;
    if (!smtps && (!scheme || strcmp(scheme, "smtp") != 0))
        return bad_url(err, "begins with neither smtp:// nor smtps://");
    r = read_credentials(url, smtp, err);
    if (r == 0)
        r = read_starttls(url, smtp, smtps, err);
    return r < 0 ? r : read_server(url, smtp, err);
}

static int read_settings(const struct hd_smtp_options *options, struct smtp *smtp, struct hd_error *err) {
    int r = read_url(options->url, smtp, err);
    if (r < 0)
        return r;
    if (!options->mail_from || !*options->mail_from)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_MAIL_FROM is not set; write HelpDesk <helpdesk@example.org>");
    if (hd_mailbox_parse(options->mail_from, &smtp->from, err) < 0) {
        err->code = HD_ERR_CONFIGURATION;
        return hd_error_context(err, "HELPDESK_MAIL_FROM");
    }
    if (options->ca_file && access(options->ca_file, R_OK) < 0)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_CA_FILE: %s cannot be read", options->ca_file);
    smtp->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    smtp->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    return keep(&smtp->ca_file, options->ca_file, err);
}

int hd_smtp_new(const struct hd_smtp_options *options, struct hd_provider **ret_provider, struct hd_error *err) {
    struct hd_error own;
    err = err ? err : &own;
    struct smtp *smtp = calloc(1, sizeof *smtp);
    if (!smtp)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the e-mail settings");
    smtp->provider.ops = &ops;
    int r = read_settings(options, smtp, err);
    if (r < 0) {
        close_provider(&smtp->provider);
        return r;
    }
    *ret_provider = &smtp->provider;
    return 0;
}
