/* Without a network: what is asked of SES, and what its answers mean. tests/aws sends through moto. */
#include "adapters/aws/aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/json.h"
#include "core/mime.h"

enum { ARENA_BYTES = 1024 * 1024 };

static struct hd_aws *aws;

static int set_up(void **state) {
    (void)state;
    static const char *const variables[][2] = {
        {"AWS_REGION", "eu-west-1"},
        {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
        {"AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
        {"AWS_SESSION_TOKEN", "a-token"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(variables); i++)
        setenv(variables[i][0], variables[i][1], 1);
    unsetenv("AWS_ENDPOINT_URL");
    unsetenv("AWS_ENDPOINT_URL_SES");
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

static struct hd_provider *provider_of(const char *configuration_set, const char *template_name) {
    struct hd_ses_options options = {
        .mail_from = "Atenção <desk@example.org>", .configuration_set = configuration_set, .template_name = template_name};
    struct hd_provider *provider = NULL;
    struct hd_error err = {0};
    if (hd_ses_new(aws, &options, &provider, &err) < 0)
        fail_msg("%s", err.detail);
    return provider;
}

static struct hd_rendered a_message(void) {
    return (struct hd_rendered){.notification_id = "0198-n1",
                                .ticket_id = "t1",
                                .event = "TicketCreated",
                                .to_address = "ana@example.org",
                                .to_name = "Ana Conceição",
                                .subject = "Olá \"Ana\"",
                                .text = "a\n",
                                .html = "<p>é</p>\n",
                                .date_ms = 1784548800000};
}

static struct hd_transfer prepared(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena) {
    struct hd_transfer transfer = {0};
    struct hd_error err = {0};
    if (provider->ops->prepare(provider, message, arena, &transfer, &err) < 0)
        fail_msg("%s", err.detail);
    return transfer;
}

static json_t *body_of(const struct hd_transfer *transfer, struct hd_arena *arena) {
    json_t *root = NULL;
    struct hd_error err = {0};
    if (hd_json_parse(arena, transfer->body, transfer->body_bytes, 0, &root, &err) < 0)
        fail_msg("%s", err.detail);
    return root;
}

static const char *header(const struct hd_transfer *transfer, const char *name) {
    for (const char *const *at = transfer->headers; *at; at++)
        if (strncasecmp(*at, name, strlen(name)) == 0 && (*at)[strlen(name)] == ':')
            return *at + strlen(name) + 2;
    return "";
}

static const char *first_of(const json_t *object, const char *array) {
    return json_string_value(json_array_get(json_object_get(object, array), 0));
}

/* ---- prepare ---- */

static void a_request_is_signed_for_mail(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_provider *provider = provider_of(NULL, NULL);
    struct hd_rendered message = a_message();
    struct hd_transfer transfer = prepared(provider, &message, arena);
    assert_string_equal(provider->ops->name, "ses");
    assert_int_equal(transfer.kind, HD_TRANSFER_HTTP);
    assert_string_equal(transfer.method, "POST");
    assert_string_equal(transfer.url, "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails");
    assert_string_equal(transfer.answer_header, "x-amzn-errortype");
    assert_string_equal(header(&transfer, "Content-Type"), "application/json");
    assert_string_equal(header(&transfer, "X-Amz-Security-Token"), "a-token");
    assert_non_null(strstr(header(&transfer, "Authorization"), "/eu-west-1/ses/aws4_request"));
    provider->ops->close(provider);
}

static void a_raw_mail_is_the_one_that_smtp_would_send(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_provider *provider = provider_of("desk-events", NULL);
    struct hd_rendered message = a_message();
    struct hd_transfer transfer = prepared(provider, &message, arena);
    json_t *body = body_of(&transfer, arena);
    assert_string_equal(hd_json_str(body, "FromEmailAddress"), "desk@example.org");
    assert_string_equal(hd_json_str(body, "ConfigurationSetName"), "desk-events");
    json_t *destination = json_object_get(body, "Destination");
    assert_string_equal(first_of(destination, "ToAddresses"), "ana@example.org");
    assert_int_equal(json_array_size(json_object_get(destination, "ToAddresses")), 1);
    json_t *content = json_object_get(body, "Content");
    assert_null(json_object_get(content, "Template"));
    const char *data = hd_json_str(json_object_get(content, "Raw"), "Data");
    void *mail = NULL;
    size_t mail_len = 0;
    assert_true(hd_base64_decode(arena, data, strlen(data), &mail, &mail_len));
    struct hd_mailbox from;
    struct hd_error err;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer expected = {0};
    assert_int_equal(hd_mailbox_parse("Atenção <desk@example.org>", &from, &err), 0);
    assert_int_equal(hd_mime_write(&message, &from, &expected, &err), 0);
    assert_int_equal(mail_len, expected.len);
    assert_memory_equal(mail, expected.data, expected.len);
    provider->ops->close(provider);
}

static void a_stored_template_gets_the_texts_and_the_names(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_provider *provider = provider_of("", "desk");
    struct hd_rendered message = a_message();
    struct hd_transfer transfer = prepared(provider, &message, arena);
    json_t *body = body_of(&transfer, arena);
    assert_string_equal(hd_json_str(body, "FromEmailAddress"), "=?UTF-8?B?QXRlbsOnw6Nv?= <desk@example.org>");
    assert_null(json_object_get(body, "ConfigurationSetName"));
    assert_string_equal(first_of(json_object_get(body, "Destination"), "ToAddresses"),
                        "=?UTF-8?B?QW5hIENvbmNlacOnw6Nv?= <ana@example.org>");
    json_t *template = json_object_get(json_object_get(body, "Content"), "Template");
    assert_null(json_object_get(json_object_get(body, "Content"), "Raw"));
    assert_string_equal(hd_json_str(template, "TemplateName"), "desk");
    json_t *data = NULL;
    const char *text = hd_json_str(template, "TemplateData");
    assert_int_equal(hd_json_parse(arena, text, strlen(text), 0, &data, NULL), 0);
    assert_string_equal(hd_json_str(data, "subject"), "Olá \"Ana\"");
    assert_string_equal(hd_json_str(data, "text"), "a\n");
    assert_string_equal(hd_json_str(data, "html"), "<p>é</p>\n");
    provider->ops->close(provider);
}

static void tags_hold_only_what_ses_takes(void **state) {
    (void)state;
    static char long_id[400], cut_id[257];
    memset(long_id, 'x', sizeof long_id - 1);
    memset(cut_id, 'x', sizeof cut_id - 1);
    static const struct {
        const char *id, *event, *id_tag, *event_tag; /* NULL: no such tag */
    } cases[] = {
        {"0198-n1", "TicketCreated", "0198-n1", "TicketCreated"},
        {"a.b@c d/é", "Dead Letter", "a_b_c_d___", "Dead_Letter"},
        {"n1", NULL, "n1", NULL},
        {"n1", "", "n1", NULL},
        {long_id, "x", cut_id, "x"},
    };
    struct hd_provider *provider = provider_of(NULL, NULL);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
        struct hd_rendered message = a_message();
        message.notification_id = cases[i].id;
        message.event = cases[i].event;
        struct hd_transfer transfer = prepared(provider, &message, arena);
        json_t *tags = json_object_get(body_of(&transfer, arena), "EmailTags");
        assert_int_equal(json_array_size(tags), cases[i].event_tag ? 2 : 1);
        assert_string_equal(hd_json_str(json_array_get(tags, 0), "Name"), "notificationId");
        assert_string_equal(hd_json_str(json_array_get(tags, 0), "Value"), cases[i].id_tag);
        if (cases[i].event_tag) {
            assert_string_equal(hd_json_str(json_array_get(tags, 1), "Name"), "event");
            assert_string_equal(hd_json_str(json_array_get(tags, 1), "Value"), cases[i].event_tag);
        }
    }
    provider->ops->close(provider);
}

static void a_mail_that_can_never_go_is_told_before_it_is_sent(void **state) {
    (void)state;
    static const char *const bad[] = {NULL, "", "ana", "joão@example.org", "ana@example.org\r\nX: 1"};
    static const char *const templates[] = {NULL, "desk"};
    for (size_t i = 0; i < 2 * HD_ARRAY_LEN(bad); i++) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
        struct hd_provider *provider = provider_of(NULL, templates[i % 2]);
        struct hd_rendered message = a_message();
        struct hd_transfer transfer = {.url = "untouched"};
        struct hd_error err;
        message.to_address = bad[i / 2];
        assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), HD_ERR_INVALID);
        assert_string_equal(transfer.url, "untouched");
        provider->ops->close(provider);
    }
    static char huge[17 * 1024 * 1024];
    memset(huge, 'x', sizeof huge - 1);
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(64 * ARENA_BYTES);
    struct hd_provider *provider = provider_of(NULL, NULL);
    struct hd_rendered message = a_message();
    struct hd_transfer transfer;
    struct hd_error err;
    message.text = huge;
    assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), HD_ERR_INVALID);
    assert_non_null(strstr(err.detail, "larger than"));
    provider->ops->close(provider);
}

static void memory_that_is_out_is_told(void **state) {
    (void)state;
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(512);
    struct hd_provider *provider = provider_of(NULL, NULL);
    struct hd_rendered message = a_message();
    struct hd_transfer transfer;
    struct hd_error err;
    assert_int_equal(provider->ops->prepare(provider, &message, arena, &transfer, &err), HD_ERR_NO_MEMORY);
    provider->ops->close(provider);
}

/* ---- conclude ---- */

static struct hd_outcome concluded(struct hd_transfer_result result) {
    struct hd_provider *provider = provider_of(NULL, NULL);
    struct hd_outcome outcome;
    result.body_bytes = result.body ? strlen(result.body) : 0;
    provider->ops->conclude(provider, &result, &outcome);
    provider->ops->close(provider);
    return outcome;
}

enum { HOUR_MS = 60 * 60 * 1000 };

static void answers_have_the_outcomes_of_the_table(void **state) {
    (void)state;
    static const struct {
        long status;
        const char *type, *body;
        enum hd_outcome_kind outcome;
        int64_t retry_after_ms;
        const char *detail;
    } cases[] = {
        {200, "", "{\"MessageId\":\"0102\"}", HD_OUTCOME_SENT, 0, "0102"},
        {200, "", "", HD_OUTCOME_SENT, 0, ""},
        {200, "", "{\"MessageId\":", HD_OUTCOME_SENT, 0, ""},
        {429, "TooManyRequestsException", "{\"message\":\"slower\"}", HD_OUTCOME_RETRY, 0, "TooManyRequestsException: slower"},
        {400, "ThrottlingException", "{\"message\":\"Maximum sending rate exceeded.\"}", HD_OUTCOME_RETRY, 0, NULL},
        {400, "ThrottlingException", "{\"message\":\"Daily message quota exceeded.\"}", HD_OUTCOME_RETRY, 4 * HOUR_MS, NULL},
        {429, "TooManyRequestsException", "{\"message\":\"Daily message quota exceeded.\"}", HD_OUTCOME_RETRY, 4 * HOUR_MS, NULL},
        {400, "LimitExceededException", "{\"message\":\"x\"}", HD_OUTCOME_RETRY, 4 * HOUR_MS, "LimitExceededException: x"},
        {429, "", "", HD_OUTCOME_RETRY, 0, "HTTP 429"},
        {408, "", "", HD_OUTCOME_RETRY, 0, NULL},
        {500, "InternalFailure", "{}", HD_OUTCOME_RETRY, 0, "InternalFailure"},
        {502, "", "<html>Bad gateway</html>", HD_OUTCOME_RETRY, 0, "HTTP 502"},
        {503, "ServiceUnavailable", "", HD_OUTCOME_RETRY, 0, NULL},
        {403, "ExpiredTokenException", "{\"message\":\"The security token included in the request is expired\"}", HD_OUTCOME_RETRY, 0,
         NULL},
        {400, "MessageRejected", "{\"message\":\"Email address is not verified. The following …\"}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {400, "MessageRejected", "{\"message\":\"Illegal content\"}", HD_OUTCOME_PERMANENT, 0, "MessageRejected: Illegal content"},
        {400, "BadRequestException:http://internal.amazon.com/coral/x/", "{\"message\":\"Missing final '@domain'\"}", HD_OUTCOME_PERMANENT,
         0, "BadRequestException: Missing final '@domain'"},
        {400, "", "{\"__type\":\"com.amazonaws.ses#BadRequestException\",\"Message\":\"no\"}", HD_OUTCOME_PERMANENT, 0,
         "BadRequestException: no"},
        {400, "", "", HD_OUTCOME_PERMANENT, 0, "HTTP 400"},
        {413, "", "", HD_OUTCOME_PERMANENT, 0, NULL},
        {400, "MailFromDomainNotVerifiedException", "{}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {400, "AccountSuspendedException", "{}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {400, "SendingPausedException", "{}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {404, "NotFoundException", "{\"message\":\"Configuration set <x> does not exist.\"}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {404, "", "", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {403, "AccessDeniedException", "{}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {403, "InvalidClientTokenId", "{}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {403, "UnrecognizedClientException", "{}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {403, "InvalidSignatureException", "{\"message\":\"Signature expired\"}", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {403, "", "", HD_OUTCOME_CONFIGURATION, 0, NULL},
        {301, "", "", HD_OUTCOME_CONFIGURATION, 0, NULL},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_transfer_result result = {.response_code = cases[i].status, .body = cases[i].body};
        snprintf(result.answer_header, sizeof result.answer_header, "%s", cases[i].type);
        snprintf(result.detail, sizeof result.detail, "HTTP %ld", cases[i].status);
        struct hd_outcome outcome = concluded(result);
        if (outcome.kind != cases[i].outcome || outcome.retry_after_ms != cases[i].retry_after_ms)
            fail_msg("%ld %s %s: %s in %ld ms", cases[i].status, cases[i].type, cases[i].body, hd_outcome_name(outcome.kind),
                     (long)outcome.retry_after_ms);
        if (cases[i].detail)
            assert_string_equal(outcome.detail, cases[i].detail);
    }
}

static void what_came_to_no_answer_is_tried_again_unless_it_is_not_secure(void **state) {
    (void)state;
    for (int failure = HD_TRANSFER_RESOLVE; failure <= HD_TRANSFER_OTHER; failure++) {
        struct hd_outcome outcome = concluded((struct hd_transfer_result){.failure = (enum hd_transfer_failure)failure, .detail = "why"});
        assert_int_equal(outcome.kind, failure == HD_TRANSFER_TLS ? HD_OUTCOME_CONFIGURATION : HD_OUTCOME_RETRY);
        assert_non_null(strstr(outcome.detail, "why"));
    }
    struct hd_outcome later = concluded((struct hd_transfer_result){.response_code = 503, .retry_after_ms = 7000});
    assert_int_equal(later.retry_after_ms, 7000);
    struct hd_transfer_result quota = {.response_code = 400, .retry_after_ms = 5 * HOUR_MS, .answer_header = "LimitExceededException"};
    assert_int_equal(concluded(quota).retry_after_ms, 5 * HOUR_MS);
}

static void a_long_message_is_cut_at_a_character(void **state) {
    (void)state;
    char body[1024] = "{\"message\":\"";
    for (size_t i = 0; i < 200; i++)
        strcat(body, "é");
    strcat(body, "\"}");
    struct hd_transfer_result result = {.response_code = 400, .answer_header = "MessageRejected", .body = body};
    struct hd_outcome outcome = concluded(result);
    size_t len = strlen(outcome.detail);
    assert_in_range(len, sizeof outcome.detail - 3, sizeof outcome.detail - 1);
    assert_string_equal(outcome.detail + len - 2, "é");
}

/* ---- settings ---- */

static void a_sender_that_cannot_be_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {NULL, "", "HelpDesk", "HelpDesk <joão@example.org>"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        struct hd_ses_options options = {.mail_from = bad[i]};
        struct hd_provider *provider = NULL;
        struct hd_error err = {0};
        assert_int_equal(hd_ses_new(aws, &options, &provider, &err), HD_ERR_CONFIGURATION);
        assert_non_null(strstr(err.detail, "HELPDESK_MAIL_FROM"));
        assert_null(provider);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_for_mail),
        cmocka_unit_test(a_raw_mail_is_the_one_that_smtp_would_send),
        cmocka_unit_test(a_stored_template_gets_the_texts_and_the_names),
        cmocka_unit_test(tags_hold_only_what_ses_takes),
        cmocka_unit_test(a_mail_that_can_never_go_is_told_before_it_is_sent),
        cmocka_unit_test(memory_that_is_out_is_told),
        cmocka_unit_test(answers_have_the_outcomes_of_the_table),
        cmocka_unit_test(what_came_to_no_answer_is_tried_again_unless_it_is_not_secure),
        cmocka_unit_test(a_long_message_is_cut_at_a_character),
        cmocka_unit_test(a_sender_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
