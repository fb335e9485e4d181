#include "adapters/smtp/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1024 * 1024 };

static struct hd_provider *provider_of(const char *url) {
    struct hd_smtp_options options = {.url = url, .mail_from = "HelpDesk <desk@example.org>"};
    struct hd_provider *provider = NULL;
    struct hd_error err = {0};
    if (hd_smtp_new(&options, &provider, &err) < 0)
        fail_msg("%s: %s", url, err.detail);
    return provider;
}

static struct hd_rendered a_message(void) {
    return (struct hd_rendered){.notification_id = "n1",
                                .ticket_id = "t1",
                                .to_address = "ana@example.org",
                                .to_name = "Ana",
                                .subject = "Olá",
                                .text = "a",
                                .html = "<p>a</p>"};
}

/* ---- settings ---- */

static void a_url_says_where_how_and_as_whom(void **state) {
    (void)state;
    static const struct {
        const char *url, *shown, *username, *password;
        bool require_tls, no_tls;
    } cases[] = {
        {"smtp://mail.example.org", "smtp://mail.example.org/", NULL, NULL, false, false},
        {"smtp://127.0.0.1:2525/", "smtp://127.0.0.1:2525/", NULL, NULL, false, false},
        {"smtp://[::1]:2525", "smtp://[::1]:2525/", NULL, NULL, false, false},
        {"smtp://desk:secret@mail.example.org:587", "smtp://mail.example.org:587/", "desk", "secret", true, false},
        {"smtp://desk%40example.org:a%2Fb%3Ac%23%3B%20d@mail.example.org", "smtp://mail.example.org/", "desk@example.org", "a/b:c#; d",
         true, false},
        {"smtp://desk:secret@mail.example.org?starttls=no", "smtp://mail.example.org/", "desk", "secret", false, true},
        {"smtp://mail.example.org?starttls=required", "smtp://mail.example.org/", NULL, NULL, true, false},
        {"smtp://mail.example.org/?starttls=no", "smtp://mail.example.org/", NULL, NULL, false, true},
        {"smtps://desk:secret@mail.example.org", "smtps://mail.example.org/", "desk", "secret", true, false},
        {"SMTPS://mail.example.org:4650?starttls=required", "smtps://mail.example.org:4650/", NULL, NULL, true, false},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
        struct hd_provider *provider = provider_of(cases[i].url);
        struct hd_rendered message = a_message();
        struct hd_transfer transfer;
        struct hd_error err;
        assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), 0);
        assert_string_equal(transfer.url, cases[i].shown);
        assert_int_equal(transfer.require_tls, cases[i].require_tls);
        assert_int_equal(transfer.no_tls, cases[i].no_tls);
        if (cases[i].username) {
            assert_string_equal(transfer.username, cases[i].username);
            assert_string_equal(transfer.password, cases[i].password);
        } else {
            assert_null(transfer.username);
            assert_null(transfer.password);
        }
        provider->ops->close(provider);
    }
}

static void a_url_that_is_wrong_is_refused_without_showing_the_password(void **state) {
    (void)state;
    static const char *const bad[] = {
        NULL,
        "",
        "mail.example.org",
        "http://desk:hunter2@mail.example.org",
        "smtp://",
        "smtp://desk:hunter2@",
        "smtp://desk@mail.example.org",
        "smtp://:hunter2@mail.example.org",
        "smtp://desk:hunter2@mail.example.org:99999",
        "smtp://desk:hunter2@mail.example.org/inbox",
        "smtp://desk:hunter2@mail.example.org#x",
        "smtp://desk:hunter2@mail.example.org?tls=yes",
        "smtp://desk:hunter2@mail.example.org?starttls=maybe",
        "smtps://desk:hunter2@mail.example.org?starttls=no",
        "smtp://desk;AUTH=PLAIN:hunter2@mail.example.org",
        "smtp://desk:hunter2%0d%0a@mail.example.org",
        "smtp://desk:hunter2/@mail.example.org",
        "smtp://mail example.org",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        struct hd_smtp_options options = {.url = bad[i], .mail_from = "desk@example.org"};
        struct hd_provider *provider = NULL;
        struct hd_error err = {0};
        if (hd_smtp_new(&options, &provider, &err) != HD_ERR_CONFIGURATION)
            fail_msg("%s was taken", bad[i]);
        assert_null(provider);
        assert_non_null(strstr(err.detail, "HELPDESK_SMTP_URL"));
        assert_null(strstr(err.detail, "hunter2"));
    }
}

static void the_other_settings_are_named_when_they_are_wrong(void **state) {
    (void)state;
    static const struct {
        const char *mail_from, *ca_file, *named;
    } cases[] = {
        {NULL, NULL, "HELPDESK_MAIL_FROM"},
        {"", NULL, "HELPDESK_MAIL_FROM"},
        {"HelpDesk", NULL, "HELPDESK_MAIL_FROM"},
        {"HelpDesk <joão@example.org>", NULL, "HELPDESK_MAIL_FROM"},
        {"desk@example.org", "/no/such/file.pem", "HELPDESK_CA_FILE"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_smtp_options options = {.url = "smtp://127.0.0.1", .mail_from = cases[i].mail_from, .ca_file = cases[i].ca_file};
        struct hd_provider *provider = NULL;
        struct hd_error err = {0};
        assert_int_equal(hd_smtp_new(&options, &provider, &err), HD_ERR_CONFIGURATION);
        assert_non_null(strstr(err.detail, cases[i].named));
    }
}

/* ---- prepare ---- */

static void a_transfer_has_the_envelope_and_the_whole_mail(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_provider *provider = provider_of("smtp://127.0.0.1:25");
    struct hd_rendered message = a_message();
    struct hd_transfer first, again;
    struct hd_error err;
    assert_int_equal(provider->ops->prepare(provider, &message, arena, &first, &err), 0);
    assert_int_equal(first.kind, HD_TRANSFER_SMTP);
    assert_string_equal(first.mail_from, "desk@example.org");
    assert_string_equal(first.mail_to, "ana@example.org");
    assert_int_equal(first.body_bytes, strlen(first.body));
    assert_non_null(strstr(first.body, "Message-ID: <n1@example.org>\r\n"));
    assert_int_equal(first.connect_timeout_ms, 10000);
    assert_int_equal(first.timeout_ms, 30000);
    assert_int_equal(provider->ops->prepare(provider, &message, arena, &again, &err), 0);
    assert_string_equal(first.body, again.body);
    assert_string_equal(provider->ops->name, "smtp");
    provider->ops->close(provider);
}

static void what_can_never_be_sent_is_said_at_once(void **state) {
    (void)state;
    static const char *const bad[] = {NULL, "", "ana", "ana@example.org\r\nRCPT TO:<x@y.z>", "joão@example.org"};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_provider *provider = provider_of("smtp://127.0.0.1:25");
    struct hd_transfer transfer;
    struct hd_error err;
    struct hd_rendered message = a_message();
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        message.to_address = bad[i];
        assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), HD_ERR_INVALID);
    }
    message = a_message();
    HD_CLEANUP(hd_arena_freep) struct hd_arena *tiny = hd_arena_new(100);
    assert_int_equal(provider->ops->prepare(provider, &message, tiny, &transfer, &err), HD_ERR_NO_MEMORY);
    char *huge = calloc(1, 17 * 1024 * 1024);
    memset(huge, 'x', 17 * 1024 * 1024 - 1);
    message.text = huge;
    assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), HD_ERR_INVALID);
    free(huge);
    provider->ops->close(provider);
}

/* ---- conclude ---- */

static void outcomes_follow_from_the_answer(void **state) {
    (void)state;
    static const struct {
        enum hd_transfer_failure failure;
        enum hd_smtp_stage stage;
        long code;
        const char *detail;
        enum hd_outcome_kind outcome;
    } cases[] = {
        {HD_TRANSFER_OK, HD_SMTP_MESSAGE, 250, "250 2.0.0 queued", HD_OUTCOME_SENT},
        {HD_TRANSFER_OK, HD_SMTP_MESSAGE, 251, "251 will forward", HD_OUTCOME_SENT},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 250, "250 ok", HD_OUTCOME_RETRY}, /* cannot be; is at least not "sent" */
        {HD_TRANSFER_OK, HD_SMTP_CONNECTION, 421, "421 too many connections", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 421, "421 closing", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 450, "450 4.2.1 greylisted", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 451, "451 4.3.0 later", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 452, "452 4.3.1 no space", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OK, HD_SMTP_MESSAGE, 451, "451 scanner down", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 550, "550 5.1.1 no such user", HD_OUTCOME_ADDRESS_GONE},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 550, "550 no such user", HD_OUTCOME_ADDRESS_GONE},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 551, "551 not local", HD_OUTCOME_ADDRESS_GONE},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 553, "553 not allowed", HD_OUTCOME_ADDRESS_GONE},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 554, "554 5.1.10 null MX", HD_OUTCOME_ADDRESS_GONE},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 550, "550 5.2.1 disabled", HD_OUTCOME_ADDRESS_GONE},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 552, "552 5.2.2 mailbox full", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 550, "550 5.2.2 mailbox full", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 552, "552 full", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 550, "550 5.7.1 relaying denied", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 554, "554 no", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 550, "550 5.1.8 sender's domain not found", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_OK, HD_SMTP_RECIPIENT, 530, "530 5.7.0 authentication required", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_OK, HD_SMTP_MESSAGE, 550, "550 spam", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_MESSAGE, 554, "554 5.6.0 no", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_MESSAGE, 552, "552 5.3.4 too large", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 550, "550 5.7.1 not from you", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 553, "553 sender rejected", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 530, "530 STARTTLS first", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 552, "552 too large", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_SENDER, 554, "554 5.3.4 too large", HD_OUTCOME_PERMANENT},
        {HD_TRANSFER_OK, HD_SMTP_CONNECTION, 554, "554 go away", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_LOGIN, HD_SMTP_CONNECTION, 535, "535 5.7.8 no", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_LOGIN, HD_SMTP_CONNECTION, 0, "Login denied", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_LOGIN, HD_SMTP_CONNECTION, 454, "454 4.7.0 later", HD_OUTCOME_RETRY},
        {HD_TRANSFER_TLS, HD_SMTP_CONNECTION, 0, "self-signed certificate", HD_OUTCOME_CONFIGURATION},
        {HD_TRANSFER_TLS, HD_SMTP_CONNECTION, 454, "454 TLS not available", HD_OUTCOME_RETRY},
        {HD_TRANSFER_RESOLVE, HD_SMTP_CONNECTION, 0, "no such host", HD_OUTCOME_RETRY},
        {HD_TRANSFER_CONNECT, HD_SMTP_CONNECTION, 0, "refused", HD_OUTCOME_RETRY},
        {HD_TRANSFER_TIMEOUT, HD_SMTP_MESSAGE, 0, "no answer", HD_OUTCOME_RETRY},
        {HD_TRANSFER_DROPPED, HD_SMTP_MESSAGE, 0, "broke", HD_OUTCOME_RETRY},
        {HD_TRANSFER_OTHER, HD_SMTP_CONNECTION, 0, "what", HD_OUTCOME_RETRY},
    };
    struct hd_provider *provider = provider_of("smtp://127.0.0.1:25");
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_transfer_result result = {.failure = cases[i].failure, .stage = cases[i].stage, .response_code = cases[i].code};
        struct hd_outcome outcome;
        snprintf(result.detail, sizeof result.detail, "%s", cases[i].detail);
        provider->ops->conclude(provider, &result, &outcome);
        if (outcome.kind != cases[i].outcome)
            fail_msg("%s: %s instead of %s", cases[i].detail, hd_outcome_name(outcome.kind), hd_outcome_name(cases[i].outcome));
        assert_non_null(strstr(outcome.detail, cases[i].detail));
    }
    provider->ops->close(provider);
}

static void a_long_detail_is_cut_between_characters(void **state) {
    (void)state;
    struct hd_provider *provider = provider_of("smtp://127.0.0.1:25");
    struct hd_transfer_result result = {.failure = HD_TRANSFER_TLS};
    for (size_t i = 0; i + 2 < sizeof result.detail; i += 2)
        memcpy(result.detail + i, "é", 2);
    struct hd_outcome outcome;
    provider->ops->conclude(provider, &result, &outcome);
    size_t len = strlen(outcome.detail);
    assert_true(len >= sizeof outcome.detail - 3);
    assert_memory_equal(outcome.detail + len - 2, "é", 2);
    provider->ops->close(provider);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_says_where_how_and_as_whom),
        cmocka_unit_test(a_url_that_is_wrong_is_refused_without_showing_the_password),
        cmocka_unit_test(the_other_settings_are_named_when_they_are_wrong),
        cmocka_unit_test(a_transfer_has_the_envelope_and_the_whole_mail),
        cmocka_unit_test(what_can_never_be_sent_is_said_at_once),
        cmocka_unit_test(outcomes_follow_from_the_answer),
        cmocka_unit_test(a_long_detail_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
