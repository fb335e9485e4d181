/* Problem details (RFC 9457): every error as an answer. Internal to producer/. */
#pragma once

#include "producer/call.h"

/* Fills call->response from err, call->problems and what else the call knows (Allow, Retry-After, the correlation id). Never fails: with no memory left it is a fixed text.
 * Headers that were set already go. */
void hd_problem(struct hd_call *call, const struct hd_error *err);

/* Its members, without the braces: the problem of one event among others. */
void hd_problem_put_members(struct hd_json_writer *w, const struct hd_call *call, const struct hd_error *err);

/* X-Correlation-Id and traceparent, on every answer. */
void hd_problem_trace_headers(struct hd_call *call);
