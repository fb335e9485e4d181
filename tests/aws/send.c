/* Sends one message by a provider of AWS and the real dispatcher, for providers_test.py: send ses|sns. The message is JSON on stdin, with the names of struct hd_rendered and "mailFrom",
 * "configurationSet", "senderId"; stdout gets the outcome as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/aws.h"
#include "adapters/transfer/dispatcher.h"
#include "base/json.h"

enum { MESSAGE_MAX_BYTES = 64 * 1024, ARENA_BYTES = 4 * 1024 * 1024, RUN_MS = 1000 };

struct sending {
    const struct hd_provider *provider;
    struct hd_outcome outcome;
    bool done;
};

static void done(void *arg, const struct hd_transfer_result *result) {
    struct sending *sending = arg;
    sending->provider->ops->conclude(sending->provider, result, &sending->outcome);
    sending->done = true;
}

static int open_provider(const char *name, struct hd_aws *aws, const json_t *message, struct hd_provider **ret_provider,
                         struct hd_error *err) {
    struct hd_ses_options ses = {.mail_from = hd_json_str(message, "mailFrom"),
                                 .configuration_set = hd_json_str(message, "configurationSet")};
    struct hd_sns_options sns = {.sender_id = hd_json_str(message, "senderId")};
    return strcmp(name, "ses") == 0 ? hd_ses_new(aws, &ses, ret_provider, err) : hd_sns_new(aws, &sns, ret_provider, err);
}

static int send_message(const struct hd_provider *provider, const json_t *message, struct hd_arena *arena, struct hd_outcome *ret_outcome,
                        struct hd_error *err) {
    struct hd_rendered rendered = {
        .notification_id = hd_json_str(message, "notificationId"),
        .ticket_id = hd_json_str(message, "ticketId"),
        .event = hd_json_str(message, "event"),
        .to_address = hd_json_str(message, "toAddress"),
        .to_name = hd_json_str(message, "toName"),
        .subject = hd_json_str(message, "subject"),
        .text = hd_json_str(message, "text"),
        .html = hd_json_str(message, "html"),
        .date_ms = hd_json_int(message, "dateMs", 0),
    };
    struct hd_dispatcher *dispatcher = NULL;
    struct sending sending = {.provider = provider};
    struct hd_transfer transfer;
    int r = provider->ops->prepare(provider, &rendered, arena, &transfer, err);
    if (r == 0)
        r = hd_dispatcher_new(&(struct hd_dispatcher_options){0}, &dispatcher, err);
    if (r == 0)
        r = hd_dispatcher_start(dispatcher, &transfer, done, &sending, err);
    while (r == 0 && !sending.done)
        hd_dispatcher_run(dispatcher, RUN_MS);
    hd_dispatcher_free(dispatcher);
    *ret_outcome = sending.outcome;
    return r;
}

static int run(const char *name, const char *text, size_t len, struct hd_arena *arena, struct hd_outcome *ret_outcome,
               struct hd_error *err) {
    struct hd_aws_options options = {.clock = &hd_system_clock, .random = &hd_system_random};
    struct hd_aws *aws = NULL;
    struct hd_provider *provider = NULL;
    json_t *message = NULL;
    int r = hd_json_parse(arena, text, len, 0, &message, err);
    if (r == 0)
        r = hd_aws_new(&options, &aws, err);
    if (r == 0)
        r = open_provider(name, aws, message, &provider, err);
    if (r == 0)
        r = send_message(provider, message, arena, ret_outcome, err);
    if (provider)
        provider->ops->close(provider);
    hd_aws_free(aws);
    return r;
}

int main(int argc, char **argv) {
    static char text[MESSAGE_MAX_BYTES];
    size_t len = fread(text, 1, sizeof text, stdin);
    struct hd_outcome outcome = {0};
    struct hd_error err = {0};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    hd_json_init();
    if (argc != 2 || !arena || run(argv[1], text, len, arena, &outcome, &err) < 0) {
        (void)fprintf(stderr, "send: %s\n", err.detail);
        return EXIT_FAILURE;
    }
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "outcome", hd_outcome_name(outcome.kind));
    hd_json_put_str(&w, "detail", outcome.detail);
    hd_json_close_object(&w);
    puts(hd_buffer_text(&out));
    return EXIT_SUCCESS;
}
