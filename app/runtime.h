/* What every command needs, opened from the settings: the backend, the schemas, the templates, the providers, the key. */
#pragma once

#include "adapters/aws/aws.h"
#include "adapters/sqlite/sqlite.h"
#include "core/processor.h"
#include "host/messages.h"
#include "producer/jwt.h"

struct runtime {
    const struct hd_settings *settings;
    struct hd_sqlite *database; /* embedded; else NULL */
    bool database_is_new;       /* there was none in the data folder */
    struct hd_aws *aws;         /* on AWS, and for its providers; else NULL */
    struct hd_messages messages;
    char *jwt_secret;
};

enum runtime_parts {
    RUNTIME_SECRET = 1,   /* only the key for tokens: nothing of the store is touched */
    RUNTIME_STORE = 2,    /* embedded: the database, created or migrated. AWS: nothing is asked yet (hd_runtime_probe) */
    RUNTIME_MESSAGES = 4, /* schemas, templates and providers */
    RUNTIME_EXISTING =
        8, /* of key and database, only what is there already: a command in a wrong folder must not begin a new installation */
};

/* Opens the parts that are asked for. The settings must outlive the runtime. */
int hd_runtime_open(const struct hd_settings *settings, int parts, struct runtime **ret_runtime, struct hd_error *err) HD_MUST_CHECK;
void hd_runtime_close(struct runtime *runtime); /* takes NULL */

/* Views for one thread. */
int hd_runtime_store(const struct runtime *runtime, struct hd_store **ret_store, struct hd_error *err) HD_MUST_CHECK;
int hd_runtime_queue(const struct runtime *runtime, struct hd_queue **ret_queue, struct hd_error *err) HD_MUST_CHECK;
/* On AWS: the table, and the queues of all processors, are there and answer; err names the one that does not, and what to do. Embedded: always so. */
int hd_runtime_probe(const struct runtime *runtime, struct hd_error *err) HD_MUST_CHECK;

/* A context for decisions, over one store view. now_ms is set. */
struct hd_context hd_runtime_context(const struct runtime *runtime, struct hd_store *store);

/* The key that signs and checks tokens. */
struct hd_jwt_key hd_runtime_key(const struct runtime *runtime);
