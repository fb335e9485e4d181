/* One invocation of a Lambda function: what GET /runtime/invocation/next tells. Pure. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/trace.h"
#include "serverless/reply.h"

struct hd_invocation {
    const char *request_id;                   /* Lambda-Runtime-Aws-Request-Id */
    int64_t deadline_ms;                      /* Unix ms: the function is killed then */
    const char *trace;                        /* Lambda-Runtime-Trace-Id, as it came; "" when there is none */
    char traceparent[HD_TRACEPARENT_LEN + 1]; /* the same as W3C has it; "" when it is none */
    const char *event;                        /* JSON text, NUL-terminated behind event_bytes; lives in the reply */
    size_t event_bytes;
};

/* HD_ERR_MALFORMED: it lacks its id or deadline. HD_ERR_NO_MEMORY. The rest lives in arena. */
int hd_invocation_read(const struct hd_reply *reply, struct hd_arena *arena, struct hd_invocation *ret, struct hd_error *err) HD_MUST_CHECK;

/* X-Ray's header ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1") as a traceparent. False, and "", when it has no root, or no parent that a traceparent could name. */
bool hd_traceparent_from_xray(const char *header, char ret_text[HD_TRACEPARENT_LEN + 1]);

/* When the work must be done, so that the answer still gets out: a second before the deadline, or half of what is left when that is less than two. */
int64_t hd_invocation_work_deadline_ms(const struct hd_invocation *invocation, int64_t now_ms);
