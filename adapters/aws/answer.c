#include "adapters/aws/answer.h"

#include <string.h>

#include "adapters/aws/xml.h"
#include "base/json.h"
#include "base/utf8.h"

enum { READ_MAX_BYTES = 64 * 1024 /* of an error's body; more is no sentence of a service */ };

/* ---- type and message ---- */

/* "com.amazonaws.dynamodb.v20120810#ThrottlingException" and "ThrottlingException:http://internal.amazon.com/…" without what is around it. */
static const char *bare(struct hd_arena *arena, const char *type) {
    const char *hash = strrchr(type, '#');
    type = hash ? hash + 1 : type;
    const char *copy = hd_arena_strndup(arena, type, strcspn(type, ":; "));
    return copy ? copy : "";
}

static const char *printable(struct hd_arena *arena, const char *text, size_t len) {
    char *copy = hd_arena_strndup(arena, text, len);
    if (!copy)
        return "";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            copy[i] = ' ';
    hd_utf8_scrub(copy, len);
    return copy;
}

static const char *str_of(const json_t *root, const char *name, const char *other_name) {
    const char *text = hd_json_str(root, name);
    if (!text)
        text = hd_json_str(root, other_name);
    return text ? text : "";
}

static void read_json(const char *body, size_t len, struct hd_arena *arena, struct hd_aws_answer *answer) {
    json_t *root = NULL;
    if (hd_json_parse(arena, body, len, 0, &root, NULL) < 0)
        return;
    const char *message = str_of(root, "message", "Message");
    answer->type = bare(arena, str_of(root, "__type", "code"));
    answer->message = printable(arena, message, strlen(message));
}

static const char *element(const char *body, size_t len, const char *path, struct hd_arena *arena) {
    char text[1024];
    return hd_xml_text(body, len, path, text, sizeof text) ? printable(arena, text, strlen(text)) : "";
}

static void read_xml(const char *body, size_t len, struct hd_arena *arena, struct hd_aws_answer *answer) {
    answer->type = bare(arena, element(body, len, "ErrorResponse/Error/Code", arena));
    answer->message = element(body, len, "ErrorResponse/Error/Message", arena);
}

/* ---- what it means ---- */

static const struct {
    const char *type;
    enum hd_aws_verdict verdict;
    enum hd_code code;
} meanings[] = {
    {"BandwidthLimitExceeded", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"LimitExceededException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"PriorRequestNotComplete", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"ProvisionedThroughputExceededException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"RequestLimitExceeded", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"RequestThrottled", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"RequestThrottledException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"KmsThrottled", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"SlowDown", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"ThrottledException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"Throttling", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"ThrottlingException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"TooManyRequestsException", HD_AWS_THROTTLED, HD_ERR_UNAVAILABLE},
    {"TransactionInProgressException", HD_AWS_FAULT, HD_ERR_UNAVAILABLE}, /* our own earlier try is still at it */
    {"InternalError", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
    {"InternalFailure", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
    {"InternalServerError", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
    {"RequestTimeout", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
    {"RequestTimeoutException", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
    {"ServiceUnavailable", HD_AWS_FAULT, HD_ERR_UNAVAILABLE},
    {"AuthFailure", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
    {"InvalidSignatureException", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
    {"RequestExpired", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
    {"RequestInTheFuture", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
    {"RequestTimeTooSkewed", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
    {"SignatureDoesNotMatch", HD_AWS_CLOCK, HD_ERR_CONFIGURATION},
    {"ExpiredToken", HD_AWS_KEYS, HD_ERR_CONFIGURATION},
    {"ExpiredTokenException", HD_AWS_KEYS, HD_ERR_CONFIGURATION},
    {"InvalidAccessKeyId", HD_AWS_KEYS, HD_ERR_CONFIGURATION},
    {"InvalidClientTokenId", HD_AWS_KEYS, HD_ERR_CONFIGURATION},
    {"UnrecognizedClientException", HD_AWS_KEYS, HD_ERR_CONFIGURATION},
    {"AccessDenied", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"AccessDeniedException", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"AuthorizationError", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"IncompleteSignature", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"IncompleteSignatureException", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"KmsAccessDenied", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"KmsDisabled", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"KmsNotFound", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"MissingAuthenticationToken", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"MissingAuthenticationTokenException", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"NonExistentQueue", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"AWS.SimpleQueueService.NonExistentQueue", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"NotAuthorized", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"OptInRequired", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"QueueDoesNotExist", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"ResourceNotFoundException", HD_AWS_REFUSED, HD_ERR_CONFIGURATION},
    {"UnknownOperationException", HD_AWS_REFUSED, HD_ERR_CONFIGURATION}, /* an endpoint of something else */
};

static void judge(long status, struct hd_aws_answer *answer) {
    for (size_t i = 0; i < HD_ARRAY_LEN(meanings); i++)
        if (strcmp(meanings[i].type, answer->type) == 0) {
            answer->verdict = meanings[i].verdict;
            answer->code = meanings[i].code;
            return;
        }
    if (status >= 500 || status == 408) {
        answer->verdict = HD_AWS_FAULT;
        answer->code = HD_ERR_UNAVAILABLE;
    } else if (status == 429) {
        answer->verdict = HD_AWS_THROTTLED;
        answer->code = HD_ERR_UNAVAILABLE;
    } else {
        bool wrong_place = status < 400 || status == 401 || status == 403;
        answer->verdict = HD_AWS_REFUSED;
        answer->code = wrong_place ? HD_ERR_CONFIGURATION : HD_ERR_INVALID;
    }
}

void hd_aws_read_answer(long status, const char *body, size_t body_bytes, const char *error_type, const char *query_error,
                        struct hd_arena *arena, struct hd_aws_answer *ret_answer) {
    struct hd_aws_answer answer = {.type = "", .message = ""};
    size_t len = body_bytes < (size_t)READ_MAX_BYTES ? body_bytes : (size_t)READ_MAX_BYTES;
    size_t blanks = 0;
    while (blanks < len && strchr(" \t\r\n", body[blanks]) && body[blanks])
        blanks++;
    if (blanks < len && body[blanks] == '<')
        read_xml(body, len, arena, &answer);
    else
        read_json(body, len, arena, &answer);
    if (!answer.type[0])
        answer.type = bare(arena, error_type[0] ? error_type : query_error);
    judge(status, &answer);
    *ret_answer = answer;
}
