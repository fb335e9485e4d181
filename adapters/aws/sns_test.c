/* Without a network: what is asked of SNS, and what its answers mean. tests/aws sends through moto. */
#include "adapters/aws/aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

enum { ARENA_BYTES = 1024 * 1024 };

static struct hd_aws *aws;

static int set_up(void **state) {
    (void)state;
    static const char *const variables[][2] = {
        {"AWS_REGION", "sa-east-1"},
        {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
        {"AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(variables); i++)
        setenv(variables[i][0], variables[i][1], 1);
    unsetenv("AWS_ENDPOINT_URL");
    unsetenv("AWS_ENDPOINT_URL_SNS");
    hd_json_init();
    struct hd_aws_options options = {.clock = &hd_system_clock, .random = &hd_system_random};
    struct hd_error err;
    return hd_aws_new(&options, &aws, &err);
}

static int tear_down(void **state) {
    (void)state;
    hd_aws_free(aws);
    return 0;
}

static struct hd_provider *provider_of(const char *sender_id) {
    struct hd_sns_options options = {.sender_id = sender_id};
    struct hd_provider *provider = NULL;
    struct hd_error err = {0};
    if (hd_sns_new(aws, &options, &provider, &err) < 0)
        fail_msg("%s", err.detail);
    return provider;
}

static void a_message_is_a_signed_form(void **state) {
    (void)state;
    static const struct {
        const char *sender_id, *text, *form;
    } cases[] = {
        {NULL, "Olá, Ana: 100% & mais\n~-._",
         "Action=Publish&Version=2010-03-31&PhoneNumber=%2B5511987654321&Message=Ol%C3%A1%2C%20Ana%3A%20100%25%20%26%20mais%0A~-._"
         "&MessageAttributes.entry.1.Name=AWS.SNS.SMS.SMSType&MessageAttributes.entry.1.Value.DataType=String"
         "&MessageAttributes.entry.1.Value.StringValue=Transactional"},
        {"HelpDesk", "x",
         "Action=Publish&Version=2010-03-31&PhoneNumber=%2B5511987654321&Message=x"
         "&MessageAttributes.entry.1.Name=AWS.SNS.SMS.SMSType&MessageAttributes.entry.1.Value.DataType=String"
         "&MessageAttributes.entry.1.Value.StringValue=Transactional"
         "&MessageAttributes.entry.2.Name=AWS.SNS.SMS.SenderID&MessageAttributes.entry.2.Value.DataType=String"
         "&MessageAttributes.entry.2.Value.StringValue=HelpDesk"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
        struct hd_provider *provider = provider_of(cases[i].sender_id);
        struct hd_rendered message = {.notification_id = "n1", .to_address = "+5511987654321", .text = cases[i].text};
        struct hd_transfer transfer = {0};
        struct hd_error err;
        assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), 0);
        assert_string_equal(provider->ops->name, "sns");
        assert_string_equal(transfer.url, "https://sns.sa-east-1.amazonaws.com/");
        assert_string_equal(transfer.method, "POST");
        assert_string_equal(transfer.body, cases[i].form);
        assert_int_equal(transfer.body_bytes, strlen(cases[i].form));
        bool form = false, authorized = false;
        for (const char *const *header = transfer.headers; *header; header++) {
            form = form || strcasestr(*header, "content-type: application/x-www-form-urlencoded");
            authorized = authorized || (strstr(*header, "Authorization: ") == *header && strstr(*header, "/sa-east-1/sns/aws4_request"));
        }
        assert_true(form);
        assert_true(authorized);
        provider->ops->close(provider);
    }
}

static void what_can_never_go_is_told_before_it_is_sent(void **state) {
    (void)state;
    static char longest[1601 * 2], longer[1601 * 2 + 2];
    for (size_t i = 0; i < 1600; i++)
        memcpy(longest + 2 * i, "é", 3);
    snprintf(longer, sizeof longer, "%sx", longest);
    static const struct {
        const char *number, *text;
        int code;
    } cases[] = {
        {"+15005550006", longest, 0},
        {"+123456789012345", "x", 0},
        {NULL, "x", HD_ERR_INVALID},
        {"", "x", HD_ERR_INVALID},
        {"+", "x", HD_ERR_INVALID},
        {"+1", "x", HD_ERR_INVALID},
        {"15005550006", "x", HD_ERR_INVALID},
        {"+05005550006", "x", HD_ERR_INVALID},
        {"+1 500 555 0006", "x", HD_ERR_INVALID},
        {"+1234567890123456", "x", HD_ERR_INVALID},
        {"+15005550006", NULL, HD_ERR_INVALID},
        {"+15005550006", "", HD_ERR_INVALID},
        {"+15005550006", longer, HD_ERR_INVALID},
    };
    struct hd_provider *provider = provider_of(NULL);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
        struct hd_rendered message = {.notification_id = "n1", .to_address = cases[i].number, .text = cases[i].text};
        struct hd_transfer transfer;
        struct hd_error err;
        if (provider->ops->prepare(provider, &message, arena, &transfer, &err) != cases[i].code)
            fail_msg("%s", cases[i].number ? cases[i].number : "NULL");
    }
    provider->ops->close(provider);
}

#define ERROR(code, message) \
    "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>" code "</Code><Message>" message "</Message></Error></ErrorResponse>"

static void answers_have_the_outcomes_of_the_table(void **state) {
    (void)state;
    static const struct {
        long status;
        const char *body;
        enum hd_outcome_kind outcome;
        const char *detail;
    } cases[] = {
        {200, "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>", HD_OUTCOME_SENT, "m-1"},
        {200, "what?", HD_OUTCOME_SENT, ""},
        {500, ERROR("InternalError", "x"), HD_OUTCOME_RETRY, "InternalError: x"},
        {429, ERROR("Throttled", "x"), HD_OUTCOME_RETRY, NULL},
        {400, ERROR("Throttling", "Rate exceeded"), HD_OUTCOME_RETRY, "Throttling: Rate exceeded"},
        {400, ERROR("KMSThrottling", "x"), HD_OUTCOME_RETRY, NULL},
        {403, ERROR("ExpiredToken", "x"), HD_OUTCOME_RETRY, NULL},
        {503, "", HD_OUTCOME_RETRY, "HTTP 503"},
        {400, ERROR("OptedOut", "x"), HD_OUTCOME_ADDRESS_GONE, NULL},
        {400, ERROR("InvalidParameter", "phone number is opted out"), HD_OUTCOME_ADDRESS_GONE, NULL},
        {400, ERROR("InvalidParameter", "Invalid parameter: PhoneNumber &lt;x&gt;"), HD_OUTCOME_PERMANENT,
         "InvalidParameter: Invalid parameter: PhoneNumber <x>"},
        {400, ERROR("ParameterValueInvalid", "x"), HD_OUTCOME_PERMANENT, NULL},
        {400, ERROR("ValidationError", "x"), HD_OUTCOME_PERMANENT, NULL},
        {400, ERROR("InvalidParameter", "Invalid attribute AWS.SNS.SMS.SenderID"), HD_OUTCOME_CONFIGURATION, NULL},
        {403, ERROR("AuthorizationError", "x"), HD_OUTCOME_CONFIGURATION, NULL},
        {403, ERROR("InvalidSecurity", "x"), HD_OUTCOME_CONFIGURATION, NULL},
        {400, ERROR("KMSDisabled", "x"), HD_OUTCOME_CONFIGURATION, NULL},
        {404, ERROR("NotFound", "x"), HD_OUTCOME_CONFIGURATION, NULL},
        {403, ERROR("SignatureDoesNotMatch", "x"), HD_OUTCOME_CONFIGURATION, NULL},
        {403, "", HD_OUTCOME_CONFIGURATION, "HTTP 403"},
    };
    struct hd_provider *provider = provider_of(NULL);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_transfer_result result = {.response_code = cases[i].status, .body = cases[i].body, .body_bytes = strlen(cases[i].body)};
        snprintf(result.detail, sizeof result.detail, "HTTP %ld", cases[i].status);
        struct hd_outcome outcome;
        provider->ops->conclude(provider, &result, &outcome);
        if (outcome.kind != cases[i].outcome)
            fail_msg("%ld %s: %s", cases[i].status, cases[i].body, hd_outcome_name(outcome.kind));
        if (cases[i].detail)
            assert_string_equal(outcome.detail, cases[i].detail);
    }
    provider->ops->close(provider);
}

static void a_sender_id_that_no_network_shows_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"Help Desk", "HelpDeskHelp", "12345", "Olá", "-"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        struct hd_sns_options options = {.sender_id = bad[i]};
        struct hd_provider *provider = NULL;
        struct hd_error err = {0};
        assert_int_equal(hd_sns_new(aws, &options, &provider, &err), HD_ERR_CONFIGURATION);
        assert_null(provider);
    }
    static const char *const good[] = {NULL, "", "HelpDesk", "Help-Desk42", "1A"};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++) {
        struct hd_provider *provider = provider_of(good[i]);
        provider->ops->close(provider);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_a_signed_form),
        cmocka_unit_test(what_can_never_go_is_told_before_it_is_sent),
        cmocka_unit_test(answers_have_the_outcomes_of_the_table),
        cmocka_unit_test(a_sender_id_that_no_network_shows_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
