/* Where requests get their keys: the chain that all AWS tools know, asked in this order until one has some.
 *
 *   environment         AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (a Lambda function's, too)
 *   shared files        AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials), then AWS_CONFIG_FILE (~/.aws/config); the section is AWS_PROFILE (default)
 *   container           AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or _TOKEN
 *   instance metadata   version 2, unless AWS_EC2_METADATA_DISABLED is true; AWS_EC2_METADATA_SERVICE_ENDPOINT
 *
 * A source that is set up and cannot answer ends the search: whoever names a profile does not want the machine's role instead. What comes with an end is asked for anew five minutes ahead of it, by
 * one thread; the others use the old ones meanwhile. Thread-safe. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

enum {
    HD_CREDENTIALS_AHEAD_MS = 5 * 60 * 1000, /* asked for anew so long before their end */
    HD_CREDENTIALS_AGAIN_MS = 30 * 1000,     /* after a failure while the old ones still hold */
    HD_CREDENTIALS_TIMEOUT_MS = 2000,        /* of one request to a container's or an instance's service */
    HD_CREDENTIALS_FILE_MAX_BYTES = 1024 * 1024,
    HD_CREDENTIALS_ANSWER_MAX_BYTES = 64 * 1024,
};

/* Immutable and counted: a request keeps the ones that it was signed with. */
struct hd_credentials {
    atomic_int references;
    char *access_key_id;
    char *secret_access_key;
    char *session_token;   /* NULL: none */
    int64_t expires_at_ms; /* INT64_MAX: they hold for ever */
    const char *source;    /* "environment", "shared files", "container", "instance metadata" */
};

/* Copies; NULL when memory is out. session_token "" or NULL: none. */
struct hd_credentials *hd_credentials_new(const char *source, const char *access_key_id, const char *secret_access_key,
                                          const char *session_token, int64_t expires_at_ms) HD_MUST_CHECK;
void hd_credentials_unref(struct hd_credentials *credentials); /* takes NULL; wipes the last one's memory */
void hd_credentials_unrefp(struct hd_credentials **credentials);

struct hd_credentials_chain;

int hd_credentials_chain_new(struct hd_credentials_chain **ret_chain, struct hd_error *err) HD_MUST_CHECK;
void hd_credentials_chain_free(struct hd_credentials_chain *chain); /* takes NULL */

/* Those of now; the caller unrefs. The first call, and one that finds them at their end, asks the sources and waits. HD_ERR_CONFIGURATION: none has any (the sentence names what was tried and why not),
 * HD_ERR_UNAVAILABLE: a source that should have some does not answer, HD_ERR_NO_MEMORY. */
int hd_credentials_get(struct hd_credentials_chain *chain, int64_t now_ms, struct hd_credentials **ret_credentials,
                       struct hd_error *err) HD_MUST_CHECK;
/* A service called these expired, or did not know them: the next get asks the sources, unless others have come meanwhile. */
void hd_credentials_refused(struct hd_credentials_chain *chain, const struct hd_credentials *credentials);
