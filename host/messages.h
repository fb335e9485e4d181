/* What decisions need beside a store, opened from the settings: event schemas, templates, providers. Each part on its own, because a Lambda function starts with no more than it needs. */
#pragma once

#include "core/processor.h"
#include "host/settings.h"

enum hd_messages_parts {
    HD_MESSAGES_SCHEMAS = 1,   /* who takes events in: the API, the router */
    HD_MESSAGES_TEMPLATES = 2, /* who renders */
    HD_MESSAGES_PROVIDERS = 4, /* who sends, and who decides by what to send */
    HD_MESSAGES_ALL = 7,
    HD_MESSAGES_SCHEMAS_AT_USE = 8, /* the same as the first, but each is compiled when it is first asked for: who starts often */
};

struct hd_aws;

struct hd_messages {
    const struct hd_settings *settings;
    struct hd_event_schemas *schemas;
    struct hd_templates *templates;
    struct hd_provider *providers[HD_CHANNEL_COUNT];
    char *base_url;
    char worker[48]; /* this process, in owner tokens */
};

/* Fills *ret_messages, which must not move afterwards, and which hd_messages_close empties, whatever this returned. The settings must outlive it, and so must aws, which the providers of AWS want (NULL: none).
 * HD_ERR_CONFIGURATION, HD_ERR_NO_MEMORY. */
int hd_messages_open(const struct hd_settings *settings, int parts, struct hd_aws *aws, struct hd_messages *ret_messages,
                     struct hd_error *err) HD_MUST_CHECK;
void hd_messages_close(struct hd_messages *messages);

/* A context for decisions, over one store view. now_ms is set. */
struct hd_context hd_messages_context(const struct hd_messages *messages, struct hd_store *store);
