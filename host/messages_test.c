#include "host/messages.h"

#include <stdlib.h>
#include <unistd.h>

#include "adapters/aws/aws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What a mail by the provider that these settings name would trust. */
static const char *trusted(struct hd_aws *aws, struct hd_arena *arena) {
    struct hd_settings *settings = NULL;
    struct hd_messages messages;
    struct hd_transfer transfer = {0};
    const struct hd_rendered mail = {
        .notification_id = "n", .to_address = "ana@example.org", .subject = "s", .text = "t", .event = "TicketCreated"};
    assert_int_equal(hd_settings_load(NULL, NULL, &settings, NULL), 0);
    assert_int_equal(hd_messages_open(settings, HD_MESSAGES_PROVIDERS, aws, &messages, NULL), 0);
    const struct hd_provider *email = messages.providers[HD_EMAIL];
    assert_int_equal(email->ops->prepare(email, &mail, arena, &transfer, NULL), 0);
    const char *ca_file = transfer.ca_file ? hd_arena_strdup(arena, transfer.ca_file) : NULL;
    hd_messages_close(&messages);
    hd_settings_free(settings);
    return ca_file;
}

static void mail_trusts_what_the_settings_say_else_what_requests_to_aws_do(void **state) {
    (void)state;
    static const char bundle[] = "README.md"; /* any file that can be read */
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(1024 * 1024);
    const struct hd_aws_options options = {.ca_file = bundle, .clock = &hd_system_clock, .random = &hd_system_random};
    struct hd_aws *aws = NULL;
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("HELPDESK_SMTP_URL", "smtps://mail.example.org", 1);
    assert_int_equal(hd_aws_new(&options, &aws, NULL), 0);
    assert_null(trusted(NULL, arena));
    assert_string_equal(trusted(aws, arena), bundle);
    setenv("HELPDESK_CA_FILE", "CMakeLists.txt", 1);
    assert_string_equal(trusted(aws, arena), "CMakeLists.txt");
    hd_aws_free(aws);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mail_trusts_what_the_settings_say_else_what_requests_to_aws_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
