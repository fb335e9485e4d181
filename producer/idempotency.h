/* Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key with the same body gives the same answer again. Internal to producer/.
 *
 * What is remembered is the answer to a request that succeeded, in the changeset that it made; a key belongs to one caller, method and path. */
#pragma once

#include "producer/call.h"

struct hd_idempotency {
    const char *key;       /* hex; NULL: the request has none, or the route takes none */
    const char *body_hash; /* hex */
};

/* Reads the header and looks for a remembered answer, which then is the call's response (*ret_replayed). HD_ERR_MALFORMED: the header is no key.
 * HD_ERR_KEY_REUSED: it came with another body. */
int hd_idempotency_begin(struct hd_call *call, struct hd_idempotency *ret, bool *ret_replayed, struct hd_error *err) HD_MUST_CHECK;
/* Puts the call's response into its changeset, when it is a success and there is a key. */
int hd_idempotency_remember(struct hd_call *call, const struct hd_idempotency *idempotency, struct hd_error *err) HD_MUST_CHECK;
