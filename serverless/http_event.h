/* API Gateway's HTTP API event, payload format 2.0 (docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html; Lambda's function URLs send the same), as a request
 * for the very routes that the embedded server has, and the answer in the form that it wants. Pure; fuzzed. */
#pragma once

#include "base/buffer.h"
#include "producer/http.h"
#include "producer/jwt.h"

/* A request in the arena: ret_request points to ret_claims where a JWT authorizer of API Gateway has verified a token (HTTP APIs answer 401 themselves where it has not). With Cognito's claims:
 *   user id   custom:userId, else cognito:username, else username, else sub
 *   role      cognito:groups (the highest of our roles among them), else custom:role, else customer
 * traceparent (may be ""): a header of this name is added when the request has none of its own.
 * HD_ERR_MALFORMED: no such event. HD_ERR_TOO_LARGE, HD_ERR_HEADERS_TOO_LARGE: it is one, beyond our limits. HD_ERR_NO_MEMORY. */
int hd_http_event_read(struct hd_arena *arena, const char *text, size_t len, const char *traceparent, struct hd_request *ret_request,
                       struct hd_claims *ret_claims, struct hd_error *err) HD_MUST_CHECK;

/* {"statusCode":…,"headers":{…},"body":…,"isBase64Encoded":…}: a body that is not UTF-8 goes as base64. Check out afterwards. */
void hd_http_event_answer(struct hd_buffer *out, const struct hd_response *response);
