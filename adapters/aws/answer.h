/* What a service's error means: its type and message out of JSON or XML, and what to do about it. A parser without I/O. Private to this folder. */
#pragma once

#include "adapters/aws/client.h"

enum hd_aws_verdict {
    HD_AWS_REFUSED,   /* as it stands it will be refused again */
    HD_AWS_THROTTLED, /* not done; later */
    HD_AWS_FAULT,     /* the service's: it may have been done or not */
    HD_AWS_CLOCK,     /* not done: the signature's time or the signature is wrong, which a wrong clock does, too */
    HD_AWS_KEYS,      /* not done: the credentials have expired, or are no longer known */
};

struct hd_aws_answer {
    enum hd_aws_verdict verdict;
    enum hd_code code;   /* when nothing more is tried */
    const char *type;    /* bare; "" when none could be read */
    const char *message; /* UTF-8; "" likewise */
};

/* status: not 2xx. error_type and query_error: the headers x-amzn-ErrorType and x-amzn-query-error, or "". Text lives in the arena; without memory type and message are "". */
void hd_aws_read_answer(long status, const char *body, size_t body_bytes, const char *error_type, const char *query_error,
                        struct hd_arena *arena, struct hd_aws_answer *ret_answer);
