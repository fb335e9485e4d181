/* Settings: where they come from, which one wins, and what is said about a bad one. */
#include "host/settings.h"

/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

/* ---- loading ---- */

static char problems[16][512];
static size_t problem_count;

static void tell(const char *problem) {
    if (problem_count < HD_ARRAY_LEN(problems))
        (void)snprintf(problems[problem_count++], sizeof problems[0], "%s", problem);
}

/* No setting of whoever runs the test, nor of the test before. */
static int setup(void **state) {
    (void)state;
    for (char **entry = environ; *entry;) {
        char name[128];
        if (strncmp(*entry, "HELPDESK_", 9) == 0) {
            (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
            assert_int_equal(unsetenv(name), 0);
        } else {
            entry++;
        }
    }
    problem_count = 0;
    return 0;
}

static struct hd_settings *load(const char *config_file) {
    struct hd_settings *settings = NULL;
    struct hd_error err = {0};
    if (hd_settings_load(config_file, tell, &settings, &err))
        fail_msg("%s", err.detail);
    assert_int_equal(problem_count, 0);
    return settings;
}

/* The first problem that is told, which is the error's, too. */
static const char *load_fails(const char *config_file) {
    struct hd_settings *settings = NULL;
    struct hd_error err = {0};
    problem_count = 0;
    assert_int_equal(hd_settings_load(config_file, tell, &settings, &err), HD_ERR_CONFIGURATION);
    assert_null(settings);
    assert_int_equal(err.code, HD_ERR_CONFIGURATION);
    assert_true(problem_count > 0);
    assert_string_equal(problems[0], err.detail);
    return problems[0];
}

static void set(const char *name, const char *value) {
    assert_int_equal(setenv(name, value, 1), 0);
}

/* A configuration file; the caller unlinks it. */
static void write_file(char path[64], const char *text) {
    (void)snprintf(path, 64, "/tmp/settings_test.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* ---- where they come from ---- */

static void without_anything_the_defaults_hold(void **state) {
    (void)state;
    struct hd_settings *s = load(NULL);
    assert_string_equal(s->listen, "127.0.0.1:8080");
    assert_null(s->metrics_listen);
    assert_string_equal(s->data_dir, "./data");
    assert_string_equal(s->backend, "embedded");
    assert_false(hd_settings_on_aws(s));
    assert_string_equal(s->table, "helpdesk");
    assert_string_equal(s->queues, "helpdesk-");
    assert_string_equal(hd_settings_email_provider(s), "simulated");
    assert_null(s->base_url);
    assert_string_equal(s->locale, "pt-BR");
    assert_null(s->jwt_secret);
    assert_string_equal(s->jwt_issuer, "helpdesk");
    assert_string_equal(s->jwt_audience, "helpdesk");
    assert_null(s->smtp_url);
    assert_non_null(s->mail_from);
    assert_null(s->ca_file);
    assert_string_equal(s->log_level, "info");
    for (size_t i = 0; i < HD_CHANNEL_COUNT; i++) {
        assert_int_equal(s->retry[i].attempts, 3);
        assert_int_equal(s->retry[i].first_delay_ms, 1000);
        assert_int_equal(s->retry[i].longest_delay_ms, 300000);
    }
    assert_int_equal(s->smtp_timeout_ms, 30000);
    assert_int_equal(s->smtp_connections, 16);
    assert_int_equal(s->queue_limit, 1000000);
    assert_int_equal(s->connections, 1024);
    hd_settings_free(s);
}

static void the_environment_sets(void **state) {
    (void)state;
    set("HELPDESK_LISTEN", "[::1]:9090");
    set("HELPDESK_METRICS_LISTEN", "0.0.0.0:0");
    set("HELPDESK_JWT_SECRET", SECRET);
    set("HELPDESK_RETRY_EMAIL", "5,250ms,1h");
    set("HELPDESK_SMTP_TIMEOUT", "2m");
    set("HELPDESK_QUEUE_LIMIT", "7");
    set("HELPDESK_LOG_LEVEL", "debug");
    set("OTHER_SETTING", "of somebody else");
    struct hd_settings *s = load(NULL);
    assert_string_equal(s->listen, "[::1]:9090");
    assert_string_equal(s->metrics_listen, "0.0.0.0:0");
    assert_string_equal(s->jwt_secret, SECRET);
    assert_int_equal(s->retry[HD_EMAIL].attempts, 5);
    assert_int_equal(s->retry[HD_EMAIL].first_delay_ms, 250);
    assert_int_equal(s->retry[HD_EMAIL].longest_delay_ms, 3600000);
    assert_int_equal(s->retry[HD_INAPP].attempts, 3);
    assert_int_equal(s->smtp_timeout_ms, 120000);
    assert_int_equal(s->queue_limit, 7);
    assert_string_equal(s->log_level, "debug");
    hd_settings_free(s);
}

static void aws_takes_a_table_queues_and_a_provider(void **state) {
    (void)state;
    set("HELPDESK_BACKEND", "aws");
    set("HELPDESK_TABLE", "HelpDesk.prod_1");
    set("HELPDESK_QUEUES", "https://sqs.eu-west-1.amazonaws.com/123456789012/helpdesk-prod-");
    set("HELPDESK_EMAIL_PROVIDER", "ses");
    set("HELPDESK_SES_CONFIGURATION_SET", "events");
    struct hd_settings *s = load(NULL);
    assert_true(hd_settings_on_aws(s));
    assert_string_equal(s->table, "HelpDesk.prod_1");
    assert_string_equal(s->queues, "https://sqs.eu-west-1.amazonaws.com/123456789012/helpdesk-prod-");
    assert_string_equal(hd_settings_email_provider(s), "ses");
    assert_string_equal(s->ses_configuration_set, "events");
    assert_null(s->ses_template);
    hd_settings_free(s);
}

static void mail_goes_by_smtp_where_its_server_is_given(void **state) {
    (void)state;
    set("HELPDESK_SMTP_URL", "smtp://mail.example.org");
    struct hd_settings *s = load(NULL);
    assert_string_equal(hd_settings_email_provider(s), "smtp");
    hd_settings_free(s);
    set("HELPDESK_EMAIL_PROVIDER", "simulated");
    s = load(NULL);
    assert_string_equal(hd_settings_email_provider(s), "simulated");
    hd_settings_free(s);
}

static void a_file_sets_and_may_have_comments_and_sections(void **state) {
    char path[64];
    (void)state;
    write_file(path, "# a comment\n"
                     "; another\n"
                     "[server]\n"
                     "\n"
                     "HELPDESK_LISTEN = 127.0.0.1:9091\r\n"
                     "  HELPDESK_MAIL_FROM=Help Desk <help@example.org>  \n"
                     "HELPDESK_SMTP_URL = smtp://user:a=b@mail.example.org:587\n"
                     "HELPDESK_LOCALE =\n"
                     "HELPDESK_DATA_DIR = /var/lib/help desk");
    struct hd_settings *s = load(path);
    assert_string_equal(s->listen, "127.0.0.1:9091");
    assert_string_equal(s->mail_from, "Help Desk <help@example.org>");
    assert_string_equal(s->smtp_url, "smtp://user:a=b@mail.example.org:587");
    assert_string_equal(s->locale, "pt-BR");
    assert_string_equal(s->data_dir, "/var/lib/help desk");
    hd_settings_free(s);
    (void)unlink(path);
}

static void the_environment_wins_over_the_file_and_the_file_over_the_defaults(void **state) {
    char path[64];
    (void)state;
    write_file(path, "HELPDESK_LISTEN = 127.0.0.1:9091\nHELPDESK_QUEUE_LIMIT = 5\n");
    set("HELPDESK_LISTEN", "127.0.0.1:9092");
    struct hd_settings *s = load(path);
    assert_string_equal(s->listen, "127.0.0.1:9092");
    assert_int_equal(s->queue_limit, 5);
    assert_int_equal(s->connections, 1024);
    hd_settings_free(s);
    (void)unlink(path);
}

static void set_to_nothing_is_not_set(void **state) {
    (void)state;
    set("HELPDESK_LISTEN", "");
    set("HELPDESK_SMTP_URL", "");
    set("HELPDESK_JWT_SECRET", "");
    struct hd_settings *s = load(NULL);
    assert_string_equal(s->listen, "127.0.0.1:8080");
    assert_null(s->smtp_url);
    assert_null(s->jwt_secret);
    hd_settings_free(s);
}

static void a_variable_for_the_tests_is_no_unknown_setting(void **state) {
    (void)state;
    set("HELPDESK_SUITES_DIR", "../shared/data");
    set("HELPDESK_BUILD_DIR", "build");
    set("HELPDESK_FLAVOR", "dev");
    set("HELPDESK_AWS_CLI", "build/emulators/aws/bin/aws"); /* from scripts/with-emulators */
    hd_settings_free(load(NULL));
}

/* ---- what is wrong ---- */

static void every_bad_value_tells_which_setting_and_why(void **state) {
    static const struct {
        const char *name, *value, *why;
    } bad[] = {
        {"HELPDESK_LISTEN", "localhost:8080", "\"localhost:8080\" is not an IP address"},
        {"HELPDESK_LISTEN", "8080", "\"8080\" is not an address"},
        {"HELPDESK_METRICS_LISTEN", "127.0.0.1:65536", "\"127.0.0.1:65536\" is not an address"},
        {"HELPDESK_BACKEND", "cloud", "\"cloud\""},
        {"HELPDESK_TABLE", "a table", "is no table's name"},
        {"HELPDESK_TABLE", "ab", "is no table's name"},
        {"HELPDESK_QUEUES", "help.desk-", "the queues' names"},
        {"HELPDESK_QUEUES", "ftp://sqs/1/helpdesk-", "begins with neither"},
        {"HELPDESK_QUEUES", "https://sqs.eu-west-1.amazonaws.com/123456789012/help desk-", "is no queue's name"},
        {"HELPDESK_EMAIL_PROVIDER", "pigeon", "none of these: smtp, ses, simulated"},
        {"HELPDESK_EMAIL_PROVIDER", "smtp", "there is no HELPDESK_SMTP_URL"},
        {"HELPDESK_JWT_SECRET", "short", "shorter than 32 bytes"},
        {"HELPDESK_SMTP_TIMEOUT", "30", "\"30\" is no duration"},
        {"HELPDESK_SMTP_TIMEOUT", "-1s", "\"-1s\" is no duration"},
        {"HELPDESK_SMTP_TIMEOUT", "0s", "longer than 0"},
        {"HELPDESK_SMTP_TIMEOUT", "25h", "at most 1 hour"},
        {"HELPDESK_SMTP_CONNECTIONS", "0", "\"0\" is not a number"},
        {"HELPDESK_SMTP_CONNECTIONS", "many", "\"many\" is not a number"},
        {"HELPDESK_QUEUE_LIMIT", "1000000001", "is not a number"},
        {"HELPDESK_QUEUE_LIMIT", "99999999999999999999", "is not a number"},
        {"HELPDESK_HTTP_CONNECTIONS", "12x", "\"12x\" is not a number"},
        {"HELPDESK_RETRY_EMAIL", "3", "\"3\" is no retry policy"},
        {"HELPDESK_RETRY_PUSH", "0,1s,5m", "attempts must be 1 to"},
        {"HELPDESK_RETRY_SMS", "3,1s,soon", "\"soon\" is no duration"},
        {"HELPDESK_RETRY_WEBHOOK", "3,5m,1s", "first delay"},
        {"HELPDESK_RETRY_INAPP", "3,1s,25h", "at most 24h"},
        {"HELPDESK_LOG_LEVEL", "loud", "\"loud\""},
    };
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        set(bad[i].name, bad[i].value);
        const char *problem = load_fails(NULL);
        assert_int_equal(problem_count, 1);
        if (strncmp(problem, bad[i].name, strlen(bad[i].name)) != 0 || !strstr(problem, bad[i].why))
            fail_msg("%s=%s: \"%s\" does not say \"%s\"", bad[i].name, bad[i].value, problem, bad[i].why);
        assert_int_equal(unsetenv(bad[i].name), 0);
    }
}

static void a_secret_is_never_repeated_in_a_problem(void **state) {
    (void)state;
    set("HELPDESK_JWT_SECRET", "hunter2");
    assert_null(strstr(load_fails(NULL), "hunter2"));
}

static void an_unknown_name_is_a_problem_with_its_place(void **state) {
    char path[64];
    (void)state;
    set("HELPDESK_LISTENN", "127.0.0.1:1");
    assert_string_equal(load_fails(NULL), "the environment: there is no setting HELPDESK_LISTENN");
    setup(NULL);
    write_file(path, "HELPDESK_LISTEN = 127.0.0.1:1\nCOLOUR = red\n");
    const char *problem = load_fails(path);
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "%s:2: there is no setting COLOUR", path);
    assert_string_equal(problem, wanted);
    (void)unlink(path);
}

static void a_bad_value_of_a_file_tells_its_line(void **state) {
    char path[64], wanted[128];
    (void)state;
    write_file(path, "\nHELPDESK_QUEUE_LIMIT = none\n");
    const char *problem = load_fails(path);
    (void)snprintf(wanted, sizeof wanted, "%s:2: ", path);
    assert_ptr_equal(strstr(problem, wanted), problem);
    assert_non_null(strstr(problem, "HELPDESK_QUEUE_LIMIT"));
    (void)unlink(path);
}

static void all_problems_are_told_and_not_only_the_first(void **state) {
    char path[64];
    (void)state;
    write_file(path, "nonsense\nHELPDESK_BACKEND = cloud\n");
    set("HELPDESK_LOG_LEVEL", "loud");
    set("HELPDESK_NOTHING", "x");
    assert_non_null(strstr(load_fails(path), ":1: not a line like NAME = value"));
    assert_int_equal(problem_count, 4);
    (void)unlink(path);
}

static void a_file_that_is_not_there_or_no_file_is_a_problem(void **state) {
    (void)state;
    assert_non_null(strstr(load_fails("/nowhere/helpdesk.ini"), "/nowhere/helpdesk.ini: "));
    assert_non_null(strstr(load_fails("/tmp"), "/tmp: "));
}

/* Else its end would be taken for a line of its own, and the value would be cut. */
static void a_line_that_is_too_long_is_a_problem(void **state) {
    char path[64];
    static char text[6000];
    (void)state;
    int len = snprintf(text, sizeof text, "HELPDESK_JWT_SECRET = ");
    memset(text + len, 'x', 4094 - (size_t)len);
    strcpy(text + 4094, "x# not a comment\n");
    write_file(path, text);
    assert_non_null(strstr(load_fails(path), ":1: the line is longer than"));
    assert_int_equal(problem_count, 1);
    (void)unlink(path);
}

static void nobody_need_listen_to_the_problems(void **state) {
    struct hd_settings *settings = NULL;
    (void)state;
    set("HELPDESK_LOG_LEVEL", "loud");
    assert_int_equal(hd_settings_load(NULL, NULL, &settings, NULL), HD_ERR_CONFIGURATION);
    assert_null(settings);
}

/* ---- describe ---- */

static size_t described;
static bool described_retry;

static void line(const char *name, const char *fallback, const char *help) {
    assert_int_equal(strncmp(name, "HELPDESK_", 9), 0);
    assert_non_null(help);
    described++;
    described_retry |= strcmp(name, "HELPDESK_RETRY_EMAIL") == 0 && strcmp(fallback, "3,1s,5m") == 0;
}

static void the_description_has_names_and_defaults(void **state) {
    (void)state;
    hd_settings_describe(line);
    assert_true(described > 20);
    assert_true(described_retry);
}

/* ---- addresses ---- */

static void addresses_are_taken_apart(void **state) {
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"0.0.0.0:0", "0.0.0.0", 0},
        {"[::1]:8080", "::1", 8080},
        {"[::]:65535", "::", 65535},
        {"[2001:db8::1]:80", "2001:db8::1", 80},
        {"[::ffff:10.0.0.1]:443", "::ffff:10.0.0.1", 443},
    };
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++) {
        char host[64];
        uint16_t port = 1;
        struct hd_error err;
        if (hd_listen_parse(good[i].text, host, sizeof host, &port, &err))
            fail_msg("%s", err.detail);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
}

static void what_is_no_address_and_port_is_refused(void **state) {
    static const char *const bad[] = {
        "",
        ":",
        ":8080",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 80",
        "127.0.0.1:80 ",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999",
        "127.0.0.1:http",
        "127.0.0.1:8080:9090",
        "localhost:80",
        "example.org:80",
        "256.0.0.1:80",
        "1.2.3:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[fe80::1%lo]:80",
        "::1:8080", /* which of them is the port? */
        "::1",
        "0x7f.1:80",
    };
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        char host[64] = "untouched";
        uint16_t port = 7;
        struct hd_error err;
        if (hd_listen_parse(bad[i], host, sizeof host, &port, &err) != HD_ERR_CONFIGURATION)
            fail_msg("\"%s\" was taken as %s port %u", bad[i], host, (unsigned)port);
        assert_string_equal(host, "untouched");
        assert_int_equal(port, 7);
        assert_non_null(strstr(err.detail, bad[i]));
    }
}

static void an_address_that_does_not_fit_is_refused(void **state) {
    char host[4], text[300];
    uint16_t port;
    struct hd_error err;
    (void)state;
    assert_int_equal(hd_listen_parse("127.0.0.1:80", host, sizeof host, &port, &err), HD_ERR_CONFIGURATION);
    memset(text, '1', sizeof text);
    strcpy(text + 290, ":80");
    assert_int_equal(hd_listen_parse(text, host, sizeof host, &port, &err), HD_ERR_CONFIGURATION);
}

#define SETTINGS_TEST(f) cmocka_unit_test_setup(f, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        SETTINGS_TEST(without_anything_the_defaults_hold),
        SETTINGS_TEST(the_environment_sets),
        SETTINGS_TEST(aws_takes_a_table_queues_and_a_provider),
        SETTINGS_TEST(mail_goes_by_smtp_where_its_server_is_given),
        SETTINGS_TEST(a_file_sets_and_may_have_comments_and_sections),
        SETTINGS_TEST(the_environment_wins_over_the_file_and_the_file_over_the_defaults),
        SETTINGS_TEST(set_to_nothing_is_not_set),
        SETTINGS_TEST(a_variable_for_the_tests_is_no_unknown_setting),
        SETTINGS_TEST(every_bad_value_tells_which_setting_and_why),
        SETTINGS_TEST(a_secret_is_never_repeated_in_a_problem),
        SETTINGS_TEST(an_unknown_name_is_a_problem_with_its_place),
        SETTINGS_TEST(a_bad_value_of_a_file_tells_its_line),
        SETTINGS_TEST(all_problems_are_told_and_not_only_the_first),
        SETTINGS_TEST(a_file_that_is_not_there_or_no_file_is_a_problem),
        SETTINGS_TEST(a_line_that_is_too_long_is_a_problem),
        SETTINGS_TEST(nobody_need_listen_to_the_problems),
        SETTINGS_TEST(the_description_has_names_and_defaults),
        SETTINGS_TEST(addresses_are_taken_apart),
        SETTINGS_TEST(what_is_no_address_and_port_is_refused),
        SETTINGS_TEST(an_address_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
