/* The texts that credentials stand in: profiles of shared files, and the answers of a container's or an instance's service. Parsers without I/O. Private to this folder. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct hd_credentials_text {
    const char *access_key_id; /* NULL: not there, as are the others */
    const char *secret_access_key;
    const char *session_token;
    int64_t expires_at_ms; /* INT64_MAX: not there */
};

struct hd_profile {
    bool found; /* the section is there */
    struct hd_credentials_text keys;
    const char *other; /* a way to credentials that we do not go: "role_arn", "sso_session", "credential_process" …; NULL: none */
};

/* A section of a shared file, as far as it has what ret_profile has not: call it for the file that goes first, then for the next. in_config: other sections than "default" are called "profile name", as in ~/.aws/config.
 * What is no INI is passed over, as the other tools do. HD_ERR_NO_MEMORY. Strings live in the arena. */
int hd_profile_read(const char *text, size_t len, const char *profile, bool in_config, struct hd_arena *arena,
                    struct hd_profile *ret_profile, struct hd_error *err) HD_MUST_CHECK;

/* {"AccessKeyId":…,"SecretAccessKey":…,"Token":…,"Expiration":"2026-01-01T00:00:00Z"}; an instance's has "Code":"Success", too. HD_ERR_UNAVAILABLE: it is something else, a sentence about what went wrong there included. */
int hd_credentials_answer_read(const char *body, size_t len, struct hd_arena *arena, struct hd_credentials_text *ret_keys,
                               struct hd_error *err) HD_MUST_CHECK;

/* Whether keys may be asked of this URL, as the SDKs have it: https, or http to this machine or to the containers' own addresses. */
bool hd_container_url_allowed(const char *url);
