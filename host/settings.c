#include "host/settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TIMEOUT_MAX_MS = 60 * 60 * 1000,
    LINE_MAX_BYTES = 4096 /* of a configuration file */,
    QUEUE_PREFIX_MAX_LEN = 65 /* SQS: 80 for a name, and "webhook-urgent" stands behind it */
};
enum kind {
    TEXT,
    RETRY,
    DURATION,
    NUMBER,
    LISTEN,
    SECRET,
    BACKEND,
    TABLE_NAME,
    QUEUES,
    EMAIL_PROVIDER,
    LEVEL,
    LOCALE,
    WEB_URL,
    SMTP_URL,
    FILE_TO_READ
};

struct setting {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct hd_settings */
    const char *fallback;
    const char *help;
};

#define AT(member) offsetof(struct hd_settings, member)

static const struct setting table[] = {
    {"HELPDESK_LISTEN", LISTEN, AT(listen), "127.0.0.1:8080", "address and port of the API and the page"},
    {"HELPDESK_METRICS_LISTEN", LISTEN, AT(metrics_listen), NULL, "an address of its own for /metrics, which wants no token there"},
    {"HELPDESK_DATA_DIR", TEXT, AT(data_dir), "./data", "folder of the database"},
    {"HELPDESK_BACKEND", BACKEND, AT(backend), "embedded",
     "embedded: everything in one process, on SQLite; aws: DynamoDB and SQS, or what speaks as they do"},
    {"HELPDESK_TABLE", TABLE_NAME, AT(table), "helpdesk", "aws: the DynamoDB table"},
    {"HELPDESK_QUEUES", QUEUES, AT(queues), "helpdesk-",
     "aws: what stands before the names of the SQS queues, or before the last part of their URLs: https://sqs.eu-west-1.amazonaws.com/123456789012/helpdesk-"},
    {"HELPDESK_BASE_URL", WEB_URL, AT(base_url), NULL, "how people reach this server, for links in messages; else http://<listen>"},
    {"HELPDESK_LOCALE", LOCALE, AT(locale), "pt-BR", "for people who have chosen none: pt-BR or en"},
    {"HELPDESK_JWT_SECRET", SECRET, AT(jwt_secret), NULL,
     "signs and checks tokens (HS256), 32 bytes or more; else one is made and kept in the data folder (aws: must be set, the same for all)"},
    {"HELPDESK_JWT_ISSUER", TEXT, AT(jwt_issuer), "helpdesk", "iss of a token"},
    {"HELPDESK_JWT_AUDIENCE", TEXT, AT(jwt_audience), "helpdesk", "aud of a token"},
    {"HELPDESK_EMAIL_PROVIDER", EMAIL_PROVIDER, AT(email_provider), NULL,
     "smtp, ses or simulated; else smtp if its URL is set, else simulated"},
    {"HELPDESK_SES_CONFIGURATION_SET", TEXT, AT(ses_configuration_set), NULL, "ses: what SES does with its events about our mails"},
    {"HELPDESK_SES_TEMPLATE", TEXT, AT(ses_template), NULL,
     "ses: a stored template that gets subject, text and html; else the whole message is ours"},
    {"HELPDESK_SMTP_URL", SMTP_URL, AT(smtp_url), NULL, "smtp[s]://[user:password@]host[:port]; else e-mail is simulated and recorded"},
    {"HELPDESK_MAIL_FROM", TEXT, AT(mail_from), "HelpDesk <helpdesk@localhost>", "sender of e-mails"},
    {"HELPDESK_CA_FILE", FILE_TO_READ, AT(ca_file), NULL, "certificates to trust (PEM); else the system's"},
    {"HELPDESK_SMTP_TIMEOUT", DURATION, AT(smtp_timeout_ms), "30s", "longest time for one e-mail, at most 1h"},
    {"HELPDESK_SMTP_CONNECTIONS", NUMBER, AT(smtp_connections), "16", "connections to the mail server at once"},
    {"HELPDESK_RETRY_EMAIL", RETRY, AT(retry[HD_EMAIL]), "3,1s,5m", "attempts, first delay, longest delay"},
    {"HELPDESK_RETRY_PUSH", RETRY, AT(retry[HD_PUSH]), "3,1s,5m", "the same for push"},
    {"HELPDESK_RETRY_SMS", RETRY, AT(retry[HD_SMS]), "3,1s,5m", "the same for SMS"},
    {"HELPDESK_RETRY_WEBHOOK", RETRY, AT(retry[HD_WEBHOOK]), "3,1s,5m", "the same for webhooks"},
    {"HELPDESK_RETRY_INAPP", RETRY, AT(retry[HD_INAPP]), "3,1s,5m", "the same for in-app"},
    {"HELPDESK_QUEUE_LIMIT", NUMBER, AT(queue_limit), "1000000", "messages that may wait before new work is refused with 503"},
    {"HELPDESK_HTTP_CONNECTIONS", NUMBER, AT(connections), "1024", "HTTP connections at once"},
    {"HELPDESK_METRICS_NAMESPACE", TEXT, AT(metrics_namespace), "HelpDesk", "Lambda functions: where their metrics stand in CloudWatch"},
    {"HELPDESK_LOG_LEVEL", LEVEL, AT(log_level), "info", "debug, info, warn or error"},
};

/* Names that other parts of the program, and the tests, read for themselves; what scripts/with-emulators sets. */
static const char *const elsewhere[] = {
    "HELPDESK_BINARY",         "HELPDESK_SUITES_DIR",    "HELPDESK_URL",        "HELPDESK_TOKEN",      "HELPDESK_SEED",
    "HELPDESK_BUILD_DIR",      "HELPDESK_SOURCE_DIR",    "HELPDESK_FLAVOR",     "HELPDESK_CLOCK_FILE", "HELPDESK_EMULATORS_DIR",
    "HELPDESK_EMULATOR_CLOCK", "HELPDESK_EMULATOR_TIME", "HELPDESK_AWS_PYTHON", "HELPDESK_AWS_CLI",    "HELPDESK_SAM",
    "HELPDESK_SAM_PYTHON",     "HELPDESK_CFN_LINT",      "HELPDESK_RIE"};

/* ---- one value ---- */

static int set_text(struct hd_settings *settings, const struct setting *setting, const char *value, struct hd_error *err) {
    char **slot = (char **)(void *)((char *)settings + setting->offset);
    char *copy = strdup(value);
    if (!copy)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for settings");
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_number(struct hd_settings *settings, const struct setting *setting, const char *value, struct hd_error *err) {
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0 || number < 1 || number > 1000000000)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is not a number from 1 to 1,000,000,000", value);
    *(int64_t *)(void *)((char *)settings + setting->offset) = number;
    return 0;
}

static int set_duration(struct hd_settings *settings, const struct setting *setting, const char *value, struct hd_error *err) {
    int64_t ms = 0;
    int r = hd_duration_parse(value, &ms, err);
    if (r)
        return r;
    if (ms < 1 || ms > TIMEOUT_MAX_MS)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" must be longer than 0 and at most 1 hour", value);
    *(int64_t *)(void *)((char *)settings + setting->offset) = ms;
    return 0;
}

static int check_one_of(const char *value, const char *const *allowed, struct hd_error *err) {
    char all[128] = "";
    for (size_t i = 0; allowed[i]; i++) {
        if (strcmp(value, allowed[i]) == 0)
            return 0;
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? ", " : "", allowed[i]);
    }
    return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is none of these: %s", value, all);
}

static int check_scheme(const char *value, const char *plain, const char *secure, struct hd_error *err) {
    if (strncmp(value, plain, strlen(plain)) == 0 || strncmp(value, secure, strlen(secure)) == 0)
        return 0;
    return hd_error_set(err, HD_ERR_CONFIGURATION, "it begins with neither %s nor %s", plain, secure); /* the value may hold a password */
}

/* What DynamoDB takes for a table, and SQS for a queue (which may hold no dot). */
static int check_name(const char *value, size_t min, size_t max, const char *whose, struct hd_error *err) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(value);
    if (len >= min && len <= max && strspn(value, allowed) == len)
        return 0;
    return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is no %s name: %zu to %zu letters, digits, '-', '_' and '.'", value, whose, min,
                        max);
}

static int check_queues(const char *value, struct hd_error *err) {
    const char *name = value;
    if (strstr(value, "://")) {
        int r = check_scheme(value, "http://", "https://", err);
        if (r)
            return r;
        name = strrchr(value, '/') + 1;
    }
    if (strchr(name, '.') || strlen(name) > QUEUE_PREFIX_MAX_LEN)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\": the queues' names may begin with at most %d letters, digits, '-' and '_'",
                            value, QUEUE_PREFIX_MAX_LEN);
    return *name == '\0' ? 0 : check_name(name, 1, QUEUE_PREFIX_MAX_LEN, "queue's", err);
}

static int check_value(const struct setting *setting, const char *value, struct hd_error *err) {
    char host[128];
    uint16_t port = 0;
    switch (setting->kind) {
    case LISTEN:
        return hd_listen_parse(value, host, sizeof host, &port, err);
    case SECRET:
        return strlen(value) >= 32 ? 0 : hd_error_set(err, HD_ERR_CONFIGURATION, "the secret is shorter than 32 bytes");
    case BACKEND:
        return check_one_of(value, (const char *const[]){"embedded", "aws", NULL}, err);
    case TABLE_NAME:
        return check_name(value, 3, 255, "table's", err);
    case QUEUES:
        return check_queues(value, err);
    case EMAIL_PROVIDER:
        return check_one_of(value, (const char *const[]){"smtp", "ses", "simulated", NULL}, err);
    case LEVEL:
        return check_one_of(value, (const char *const[]){"info", "debug", "warn", "error", NULL}, err);
    case LOCALE:
        return check_one_of(value, (const char *const[]){"pt-BR", "en", NULL}, err);
    case WEB_URL:
        return check_scheme(value, "http://", "https://", err);
    case SMTP_URL:
        return check_scheme(value, "smtp://", "smtps://", err);
    case FILE_TO_READ:
        return access(value, R_OK) == 0 ? 0 : hd_error_set(err, HD_ERR_CONFIGURATION, "%s: %s", value, strerror(errno));
    default:
        return 0;
    }
}

static int set(struct hd_settings *settings, const struct setting *setting, const char *value, struct hd_error *err) {
    void *slot = (char *)settings + setting->offset;
    int r = 0;
    switch (setting->kind) {
    case RETRY:
        r = hd_retry_parse(value, slot, err);
        break;
    case DURATION:
        r = set_duration(settings, setting, value, err);
        break;
    case NUMBER:
        r = set_number(settings, setting, value, err);
        break;
    default:
        r = check_value(setting, value, err);
        if (!r)
            r = set_text(settings, setting, value, err);
    }
    return r ? hd_error_context(err, "%s", setting->name) : 0;
}

/* ---- sources ---- */

static const struct setting *find(const char *name, size_t len) {
    for (size_t i = 0; i < HD_ARRAY_LEN(table); i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

struct loading {
    struct hd_settings *settings;
    void (*tell)(const char *problem);
    struct hd_error *first;
    bool failed;
};

static void problem(struct loading *l, const struct hd_error *err) {
    if (l->tell)
        l->tell(err->detail);
    if (!l->failed && l->first)
        *l->first = *err;
    l->failed = true;
}

/* where: file and line; NULL: the environment. */
static void take(struct loading *l, const char *name, size_t name_len, const char *value, const char *where) {
    struct hd_error err = {0};
    const struct setting *setting = find(name, name_len);
    if (!setting) {
        hd_error_set(&err, HD_ERR_CONFIGURATION, "%s: there is no setting %.*s", where ? where : "the environment", (int)name_len, name);
        problem(l, &err);
    } else if (*value == '\0') {
        return; /* set to nothing is not set */
    } else if (set(l->settings, setting, value, &err)) {
        if (where)
            hd_error_context(&err, "%s", where);
        problem(l, &err);
    }
}

static char *trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

static void take_line(struct loading *l, char *line, const char *where) {
    char *text = trim(line);
    if (*text == '\0' || *text == '#' || *text == ';' || *text == '[')
        return;
    char *equals = strchr(text, '=');
    if (!equals) {
        struct hd_error err = {0};
        hd_error_set(&err, HD_ERR_CONFIGURATION, "%s: not a line like NAME = value", where);
        problem(l, &err);
        return;
    }
    *equals = '\0';
    char *name = trim(text);
    take(l, name, strlen(name), trim(equals + 1), where);
}

static void take_file(struct loading *l, const char *path) {
    struct hd_error err = {0};
    FILE *file = fopen(path, "re");
    if (!file) {
        hd_error_set(&err, HD_ERR_CONFIGURATION, "%s: %s", path, strerror(errno));
        problem(l, &err);
        return;
    }
    char line[LINE_MAX_BYTES], where[512];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        (void)snprintf(where, sizeof where, "%s:%d", path, number);
        if (!strchr(line, '\n') && !feof(file)) {
            hd_error_set(&err, HD_ERR_CONFIGURATION, "%s: the line is longer than %d bytes", where, LINE_MAX_BYTES - 2);
            problem(l, &err);
            break;
        }
        take_line(l, line, where);
    }
    if (ferror(file)) {
        hd_error_set(&err, HD_ERR_CONFIGURATION, "%s: %s", path, strerror(errno));
        problem(l, &err);
    }
    (void)fclose(file);
}

static void take_environment(struct loading *l) {
    for (char **entry = environ; *entry; entry++) {
        if (strncmp(*entry, "HELPDESK_", 9) != 0)
            continue;
        const char *equals = strchr(*entry, '=');
        if (!equals)
            continue;
        size_t len = (size_t)(equals - *entry);
        bool ours = true;
        for (size_t i = 0; i < HD_ARRAY_LEN(elsewhere); i++)
            if (strlen(elsewhere[i]) == len && memcmp(elsewhere[i], *entry, len) == 0)
                ours = false;
        if (ours)
            take(l, *entry, len, equals + 1, NULL);
    }
}

/* What one setting wants of another. */
static void check_together(struct loading *l) {
    const struct hd_settings *s = l->settings;
    struct hd_error err = {0};
    const char *provider = hd_settings_email_provider(s);
    if (strcmp(provider, "smtp") == 0 && !s->smtp_url) {
        hd_error_set(&err, HD_ERR_CONFIGURATION, "HELPDESK_EMAIL_PROVIDER is smtp, but there is no HELPDESK_SMTP_URL");
        problem(l, &err);
    }
}

int hd_settings_load(const char *config_file, void (*tell)(const char *problem), struct hd_settings **ret_settings, struct hd_error *err) {
    struct hd_settings *settings = calloc(1, sizeof *settings);
    if (!settings)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for settings");
    struct loading l = {.settings = settings, .tell = tell, .first = err};
    for (size_t i = 0; i < HD_ARRAY_LEN(table); i++) {
        struct hd_error own = {0};
        if (table[i].fallback && set(settings, &table[i], table[i].fallback, &own))
            problem(&l, &own);
    }
    if (config_file)
        take_file(&l, config_file);
    take_environment(&l);
    check_together(&l);
    if (l.failed) {
        hd_settings_free(settings);
        return HD_ERR_CONFIGURATION;
    }
    *ret_settings = settings;
    return 0;
}

void hd_settings_free(struct hd_settings *settings) {
    if (!settings)
        return;
    for (size_t i = 0; i < HD_ARRAY_LEN(table); i++) {
        enum kind kind = table[i].kind;
        if (kind != RETRY && kind != DURATION && kind != NUMBER)
            free(*(char **)(void *)((char *)settings + table[i].offset));
    }
    free(settings);
}

enum hd_log_level hd_settings_log_level(const struct hd_settings *settings) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < HD_ARRAY_LEN(names); i++)
        if (strcmp(settings->log_level, names[i]) == 0)
            return (enum hd_log_level)i;
    return HD_LOG_INFO; /* none other gets into the settings */
}

bool hd_settings_on_aws(const struct hd_settings *settings) {
    return strcmp(settings->backend, "aws") == 0;
}

const char *hd_settings_email_provider(const struct hd_settings *settings) {
    if (settings->email_provider)
        return settings->email_provider;
    return settings->smtp_url ? "smtp" : "simulated";
}

void hd_settings_describe(void (*line)(const char *name, const char *fallback, const char *help)) {
    for (size_t i = 0; i < HD_ARRAY_LEN(table); i++)
        line(table[i].name, table[i].fallback, table[i].help);
}

/* "8080" → 8080; -1 for anything but digits, or too much. */
static int port_parse(const char *text) {
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return -1;
    long port = strtol(text, NULL, 10);
    return port <= UINT16_MAX ? (int)port : -1;
}

int hd_listen_parse(const char *text, char *ret_host, size_t host_bytes, uint16_t *ret_port, struct hd_error *err) {
    const char *colon = strrchr(text, ':'), *start = text;
    int port = colon ? port_parse(colon + 1) : -1;
    if (port < 0)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is not an address like 127.0.0.1:8080", text);
    size_t len = (size_t)(colon - text);
    bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (brackets) {
        start++;
        len -= 2;
    }
    char host[INET6_ADDRSTRLEN];
    if (len >= sizeof host || len >= host_bytes)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%.60s\" is too long for an address", text);
    memcpy(host, start, len);
    host[len] = '\0';
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(brackets ? AF_INET6 : AF_INET, host, address) !=
        1) /* without brackets, nobody could tell the port of an IPv6 address from its last part */
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is not an IP address and port, like 127.0.0.1:8080 or [::1]:8080", text);
    memcpy(ret_host, host, len + 1);
    *ret_port = (uint16_t)port;
    return 0;
}
