/* JSON Web Tokens (RFC 7519, RFC 7515), HS256 with a local secret: signing for our own tools, checking for the API.
 *
 * Checked: three parts of base64url without padding, `alg` is HS256 and nothing else (none, other algorithms and keys are refused), no `crit`
 * (RFC 7515 §4.1.11: what we don't understand we must refuse), the signature in constant time, then exp (required), nbf, iat, iss, aud (a string or an array), sub and role. Pure; thread-safe; fuzzed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "core/ticket.h"

enum { HD_JWT_MAX_BYTES = 4096, HD_JWT_SECRET_MIN_BYTES = 32, HD_JWT_LEEWAY_S = 30 };

struct hd_jwt_key {
    const char *secret;
    const char *issuer;
    const char *audience;
};

struct hd_claims {
    const char *subject; /* the user's id; in the arena */
    enum hd_role role;
    int64_t expires_at_s; /* Unix seconds */
};

/* HD_ERR_UNAUTHENTICATED says why, in words that help the caller and no attacker. HD_ERR_NO_MEMORY. */
int hd_jwt_check(const struct hd_jwt_key *key, const char *token, size_t len, int64_t now_ms, struct hd_arena *arena,
                 struct hd_claims *ret_claims, struct hd_error *err) HD_MUST_CHECK;

/* A signed token in the arena. */
int hd_jwt_sign(const struct hd_jwt_key *key, const struct hd_claims *claims, int64_t now_ms, struct hd_arena *arena,
                const char **ret_token, struct hd_error *err) HD_MUST_CHECK;
