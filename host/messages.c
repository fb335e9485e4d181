#include "host/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/aws.h"
#include "adapters/simulated/simulated.h"
#include "adapters/smtp/smtp.h"
#include "base/id.h"

/* In a Lambda function, libcurl does not find the system's certificates by itself. */
static int open_smtp(const struct hd_settings *s, const struct hd_aws *aws, struct hd_provider **ret_provider, struct hd_error *err) {
    struct hd_smtp_options options = {.url = s->smtp_url,
                                      .mail_from = s->mail_from,
                                      .ca_file = !s->ca_file && aws ? hd_aws_ca_file(aws) : s->ca_file,
                                      .connect_timeout_ms = s->smtp_timeout_ms,
                                      .timeout_ms = s->smtp_timeout_ms};
    return hd_smtp_new(&options, ret_provider, err);
}

static int open_ses(const struct hd_settings *s, struct hd_aws *aws, struct hd_provider **ret_provider, struct hd_error *err) {
    struct hd_ses_options options = {.mail_from = s->mail_from,
                                     .configuration_set = s->ses_configuration_set,
                                     .template_name = s->ses_template,
                                     .timeout_ms = s->smtp_timeout_ms};
    if (!aws)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_EMAIL_PROVIDER is ses, but there is no AWS here to send by");
    return hd_ses_new(aws, &options, ret_provider, err);
}

static int open_email(struct hd_messages *m, struct hd_aws *aws, struct hd_error *err) {
    const struct hd_settings *s = m->settings;
    const char *provider = hd_settings_email_provider(s);
    if (strcmp(provider, "ses") == 0)
        return open_ses(s, aws, &m->providers[HD_EMAIL], err);
    if (strcmp(provider, "smtp") == 0)
        return open_smtp(s, aws, &m->providers[HD_EMAIL], err);
    return hd_simulated_new(&m->providers[HD_EMAIL], err);
}

static void name_worker(struct hd_messages *m) {
    uint8_t random[10];
    hd_system_random.fill(&hd_system_random, random, sizeof random);
    struct hd_id id = hd_id_v7(hd_system_clock.now_ms(&hd_system_clock), random);
    memcpy(m->worker, id.text, sizeof id.text);
}

static int write_base_url(struct hd_messages *m, struct hd_error *err) {
    const struct hd_settings *s = m->settings;
    if (s->base_url) {
        m->base_url = strdup(s->base_url);
    } else if (asprintf(&m->base_url, "http://%s", s->listen) < 0) {
        m->base_url = NULL;
    }
    return m->base_url ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory");
}

int hd_messages_open(const struct hd_settings *settings, int parts, struct hd_aws *aws, struct hd_messages *m, struct hd_error *err) {
    *m = (struct hd_messages){.settings = settings};
    name_worker(m);
    int r = write_base_url(m, err);
    if (!r && (parts & HD_MESSAGES_SCHEMAS))
        r = hd_event_schemas_load(&m->schemas, err);
    if (!r && (parts & HD_MESSAGES_SCHEMAS_AT_USE))
        r = hd_event_schemas_open(&m->schemas, err);
    if (!r && (parts & HD_MESSAGES_TEMPLATES))
        r = hd_templates_load(settings->locale, &m->templates, err);
    if (!r && (parts & HD_MESSAGES_PROVIDERS))
        r = open_email(m, aws, err);
    return r;
}

void hd_messages_close(struct hd_messages *m) {
    for (size_t i = 0; i < HD_CHANNEL_COUNT; i++)
        if (m->providers[i])
            m->providers[i]->ops->close(m->providers[i]);
    hd_templates_free(m->templates);
    hd_event_schemas_free(m->schemas);
    free(m->base_url);
    *m = (struct hd_messages){0};
}

struct hd_context hd_messages_context(const struct hd_messages *m, struct hd_store *store) {
    return (struct hd_context){
        .store = store,
        .now_ms = hd_system_clock.now_ms(&hd_system_clock),
        .random = &hd_system_random,
        .schemas = m->schemas,
        .templates = m->templates,
        .providers = (const struct hd_provider *const *)m->providers,
        .retry = m->settings->retry,
        .base_url = m->base_url,
        .worker = m->worker,
        .send_timeout_ms = 2 * m->settings->smtp_timeout_ms, /* the wait for a connection, and the mail */
    };
}
