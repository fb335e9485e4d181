/* Publish of SNS, to a telephone number (docs.aws.amazon.com/sns/latest/api/API_Publish.html, …/sns/latest/dg/sms_publish-to-phone.html).
 *
 * | what came                                                                                  | outcome                        |
 * | 2xx                                                                                        | sent; detail: SNS's MessageId  |
 * | no answer, 5xx (InternalError), 429, Throttled, KMSThrottling, session token ran out       | retry                          |
 * | OptedOut, or InvalidParameter that says so: this number wants no more of our messages      | address gone                   |
 * | AuthorizationError, InvalidSecurity, KMS…, NotFound, the sender id is refused, 401, 403    | configuration                  |
 * | InvalidParameter, ParameterValueInvalid, ValidationError and any other 400                 | permanent                      |
 *
 * That SNS has taken it is all that "sent" says: an unreachable number, or a spending limit that was reached, stands in the delivery logs of SNS alone. SNS has no idempotency token for a
 * telephone: a message that is sent again because the answer was lost comes twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/client.h"
#include "adapters/aws/outcome.h"
#include "adapters/aws/xml.h"
#include "base/buffer.h"

enum {
    TEXT_MAX_CHARACTERS = 1600, /* SNS's, for all parts of a message */
    NUMBER_MAX_DIGITS = 15,     /* E.164 */
    SENDER_ID_MAX_BYTES = 11,
    TIMEOUT_MS = 30 * 1000,
};

struct sns {
    struct hd_provider provider; /* first */
    struct hd_aws *aws;
    char sender_id[SENDER_ID_MAX_BYTES + 1]; /* "": none */
    int64_t timeout_ms;
};

static void close_provider(struct hd_provider *provider) {
    free((struct sns *)provider);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- prepare ---- */

static int check_number(const char *number, struct hd_error *err) {
    size_t digits = 0;
    if (!number || !*number)
        return hd_error_set(err, HD_ERR_INVALID, "there is no telephone number");
    while (number[0] == '+' && is_digit(number[1 + digits]))
        digits++;
    if (digits < 2 || digits > NUMBER_MAX_DIGITS || number[1] == '0' || number[1 + digits] != '\0')
        return hd_error_set(err, HD_ERR_INVALID, "the telephone number is not one as E.164 has it: +5511987654321");
    return 0;
}

static int check_text(const char *text, struct hd_error *err) {
    size_t characters = 0;
    for (const char *c = text ? text : ""; *c; c++)
        characters += ((unsigned char)*c & 0xc0) != 0x80;
    if (characters == 0)
        return hd_error_set(err, HD_ERR_INVALID, "the message is empty");
    if (characters > TEXT_MAX_CHARACTERS)
        return hd_error_set(err, HD_ERR_INVALID, "the message has %zu characters; an SMS takes %d", characters, TEXT_MAX_CHARACTERS);
    return 0;
}

/* "&name=value", the value percent-encoded but for the unreserved characters of RFC 3986. */
static void add_parameter(struct hd_buffer *form, const char *name, const char *value) {
    static const char hex[] = "0123456789ABCDEF";
    hd_buffer_printf(form, "&%s=", name);
    for (const char *c = value; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (is_digit(*c) || is_letter(*c) || strchr("-._~", *c))
            hd_buffer_add_char(form, *c);
        else
            hd_buffer_add(form, (char[]){'%', hex[byte >> 4], hex[byte & 15]}, 3);
    }
}

static void add_attribute(struct hd_buffer *form, int number, const char *name, const char *value) {
    hd_buffer_printf(form, "&MessageAttributes.entry.%d.Name=%s", number, name);
    hd_buffer_printf(form, "&MessageAttributes.entry.%d.Value.DataType=String", number);
    char parameter[64];
    snprintf(parameter, sizeof parameter, "MessageAttributes.entry.%d.Value.StringValue", number);
    add_parameter(form, parameter, value);
}

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    const struct sns *sns = (const struct sns *)provider;
    int r = check_number(message->to_address, err);
    if (r == 0)
        r = check_text(message->text, err);
    if (r < 0)
        return r;
    HD_CLEANUP(hd_buffer_free) struct hd_buffer form = {0};
    hd_buffer_add_str(&form, "Action=Publish&Version=2010-03-31");
    add_parameter(&form, "PhoneNumber", message->to_address);
    add_parameter(&form, "Message", message->text);
    add_attribute(&form, 1, "AWS.SNS.SMS.SMSType", "Transactional"); /* by the reliable way, not the cheap one */
    if (*sns->sender_id)
        add_attribute(&form, 2, "AWS.SNS.SMS.SenderID", sns->sender_id);
    r = hd_buffer_check(&form, err);
    if (r < 0)
        return r;
    struct hd_aws_request request = {
        .service = HD_AWS_SNS,
        .body = hd_arena_strndup(arena, form.data, form.len),
        .body_bytes = form.len,
        .timeout_ms = sns->timeout_ms,
    };
    if (!request.body)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an SMS");
    return hd_aws_sign_transfer(sns->aws, &request, arena, ret_transfer, err);
}

/* ---- conclude ---- */

static const struct hd_aws_rule rules[] = {
    {"OptedOut", NULL, HD_OUTCOME_ADDRESS_GONE, 0},
    {"InvalidParameter", "opted out", HD_OUTCOME_ADDRESS_GONE, 0},
    {"InvalidParameter", "SenderID", HD_OUTCOME_CONFIGURATION, 0},
    {"AuthorizationError", NULL, HD_OUTCOME_CONFIGURATION, 0},
    {"InvalidSecurity", NULL, HD_OUTCOME_CONFIGURATION, 0},
    {"KMSThrottling", NULL, HD_OUTCOME_RETRY, 0},
    {"KMS", NULL, HD_OUTCOME_CONFIGURATION, 0},
};

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    (void)provider;
    char sent[100] = "";
    bool is_sent = result->response_code / 100 == 2 && result->body_bytes > 0;
    if (is_sent && !hd_xml_text(result->body, result->body_bytes, "PublishResponse/PublishResult/MessageId", sent, sizeof sent))
        sent[0] = '\0';
    hd_aws_conclude(result, rules, HD_ARRAY_LEN(rules), sent, ret_outcome);
}

static const struct hd_provider_ops ops = {.name = "sns", .prepare = prepare, .conclude = conclude, .close = close_provider};

/* ---- settings ---- */

static bool is_sender_id(const char *text) {
    bool letter = false;
    size_t len = 0;
    for (; text[len] && len <= SENDER_ID_MAX_BYTES; len++) {
        if (!is_letter(text[len]) && !is_digit(text[len]) && text[len] != '-')
            return false;
        letter = letter || is_letter(text[len]);
    }
    return letter && len <= SENDER_ID_MAX_BYTES;
}

int hd_sns_new(struct hd_aws *aws, const struct hd_sns_options *options, struct hd_provider **ret_provider, struct hd_error *err) {
    const char *sender_id = options->sender_id ? options->sender_id : "";
    if (*sender_id && !is_sender_id(sender_id))
        return hd_error_set(err, HD_ERR_CONFIGURATION,
                            "the sender id of SMS has at most %d letters, digits and hyphens, and a letter among them",
                            SENDER_ID_MAX_BYTES);
    struct sns *sns = calloc(1, sizeof *sns);
    if (!sns)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the settings of SNS");
    *sns =
        (struct sns){.provider.ops = &ops, .aws = aws, .timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : (int64_t)TIMEOUT_MS};
    memcpy(sns->sender_id, sender_id, strlen(sender_id));
    *ret_provider = &sns->provider;
    return 0;
}
