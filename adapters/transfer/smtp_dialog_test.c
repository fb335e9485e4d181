#include "adapters/transfer/smtp_dialog.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct hd_transfer mail_of(const char *body) {
    return (struct hd_transfer){.mail_from = "desk@example.org", .mail_to = "ana@example.org", .body = body, .body_bytes = strlen(body)};
}

/* Everything that is to be sent, taken as sent. */
static const char *sent(struct hd_smtp_dialog *dialog) {
    const char *text = hd_buffer_text(&dialog->out) + dialog->out_sent;
    dialog->out_sent = dialog->out.len;
    return text;
}

static void feed(struct hd_smtp_dialog *dialog, const char *text) {
    struct hd_error err = {0};
    assert_int_equal(hd_smtp_dialog_feed(dialog, text, strlen(text), &err), 0);
}

static void a_mail_goes_command_by_command(void **state) {
    (void)state;
    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog d = {0};
    struct hd_transfer mail = mail_of("Subject: x\r\n\r\nhi\r\n");
    hd_smtp_dialog_begin(&d, &mail, &(struct hd_smtp_abilities){0}, false);
    assert_string_equal(sent(&d), "MAIL FROM:<desk@example.org>\r\n");
    feed(&d, "250 ok\r\n");
    assert_string_equal(sent(&d), "RCPT TO:<ana@example.org>\r\n");
    feed(&d, "250 2.1.5 ok\r\n");
    assert_string_equal(sent(&d), "DATA\r\n");
    feed(&d, "354 go on\r\n");
    assert_string_equal(sent(&d), "Subject: x\r\n\r\nhi\r\n.\r\n");
    assert_false(d.ended);
    feed(&d, "250-2.0.0 queued\r\n250 2.0.0 as 17\r\n");
    assert_true(d.ended && d.reusable);
    assert_int_equal(d.code, 250);
    assert_string_equal(d.text, "250 2.0.0 queued as 17");
}

static void a_server_that_pipelines_gets_all_but_the_message_at_once(void **state) {
    (void)state;
    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog d = {0};
    struct hd_transfer mail = mail_of("x\r\n");
    hd_smtp_dialog_begin(&d, &mail, &(struct hd_smtp_abilities){.pipelining = true, .size = true}, true);
    assert_string_equal(sent(&d), "RSET\r\nMAIL FROM:<desk@example.org> SIZE=3\r\nRCPT TO:<ana@example.org>\r\n");
    feed(&d, "250 flushed\r\n250 ok\r\n25");
    assert_string_equal(sent(&d), "");
    feed(&d, "0 ok\r\n");
    assert_string_equal(sent(&d), "DATA\r\n");
}

static void a_refusal_says_of_what_it_is_and_the_connection_goes_on(void **state) {
    (void)state;
    static const struct {
        bool pipelining;
        const char *replies[5];
        int code;
        enum hd_smtp_stage stage;
        bool reusable;
    } cases[] = {
        {false, {"550 5.7.1 not you\r\n"}, 550, HD_SMTP_SENDER, true},
        {true, {"550 5.7.1 not you\r\n", "503 first MAIL\r\n"}, 550, HD_SMTP_SENDER, true},
        {false, {"250 ok\r\n", "450 4.2.1 later\r\n"}, 450, HD_SMTP_RECIPIENT, true},
        {true, {"250 ok\r\n", "550 5.1.1 who\r\n"}, 550, HD_SMTP_RECIPIENT, true},
        {false, {"250 ok\r\n", "250 ok\r\n", "554 no\r\n"}, 554, HD_SMTP_MESSAGE, true},
        {true, {"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "552 too much\r\n"}, 552, HD_SMTP_MESSAGE, true},
        {false, {"421 4.3.2 closing\r\n"}, 421, HD_SMTP_SENDER, false},
        {true, {"250 ok\r\n", "421 closing\r\n"}, 421, HD_SMTP_RECIPIENT, false},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog d = {0};
        struct hd_transfer mail = mail_of("x");
        hd_smtp_dialog_begin(&d, &mail, &(struct hd_smtp_abilities){.pipelining = cases[i].pipelining}, false);
        for (const char *const *reply = cases[i].replies; *reply; reply++) {
            assert_false(d.ended);
            sent(&d);
            feed(&d, *reply);
        }
        assert_true(d.ended);
        assert_int_equal(d.code, cases[i].code);
        assert_int_equal(d.stage, cases[i].stage);
        assert_int_equal(d.reusable, cases[i].reusable);
    }
}

static void nothing_in_a_message_ends_it_early(void **state) {
    (void)state;
    static const struct {
        const char *body, *sent;
    } cases[] = {
        {"", ".\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\n.\nMAIL FROM:<x>\n", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"},
        {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r\n..b\r\n\r\n", "a\r\n...b\r\n\r\n.\r\n"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog d = {0};
        struct hd_transfer mail = mail_of(cases[i].body);
        hd_smtp_dialog_begin(&d, &mail, &(struct hd_smtp_abilities){0}, false);
        static const char *const replies[] = {"250 a\r\n", "250 b\r\n", "354 c\r\n"};
        for (size_t k = 0; k < 3; k++) {
            sent(&d);
            feed(&d, replies[k]);
        }
        assert_string_equal(sent(&d), cases[i].sent);
    }
}

static void what_is_no_smtp_is_an_error(void **state) {
    (void)state;
    static const char *const replies[] = {
        "HTTP/1.1 400 Bad Request\r\n", "\r\n", "25\r\n", "250-a\r\n550 b\r\n", "999 x\r\n", "250\tx\r\n", "150 x\r\n"};
    for (size_t i = 0; i < HD_ARRAY_LEN(replies); i++) {
        HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog d = {0};
        struct hd_transfer mail = mail_of("x");
        struct hd_error err;
        hd_smtp_dialog_begin(&d, &mail, &(struct hd_smtp_abilities){0}, false);
        sent(&d);
        assert_int_equal(hd_smtp_dialog_feed(&d, replies[i], strlen(replies[i]), &err), HD_ERR_MALFORMED);
    }
}

static void a_yes_to_data_is_not_taken_for_a_mail_that_was_sent(void **state) {
    (void)state;
    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog d = {0};
    struct hd_transfer mail = mail_of("x");
    struct hd_error err;
    hd_smtp_dialog_begin(&d, &mail, &(struct hd_smtp_abilities){0}, false);
    sent(&d);
    feed(&d, "250 a\r\n");
    sent(&d);
    feed(&d, "250 b\r\n");
    sent(&d);
    assert_int_equal(hd_smtp_dialog_feed(&d, "250 c\r\n", 7, &err), HD_ERR_MALFORMED);
    assert_false(d.ended);
}

static void replies_before_their_time_end_the_connection(void **state) {
    (void)state;
    struct hd_error err;
    struct hd_transfer mail = mail_of("x");
    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog early = {0};
    hd_smtp_dialog_begin(&early, &mail, &(struct hd_smtp_abilities){0}, false);
    assert_int_equal(hd_smtp_dialog_feed(&early, "250 a\r\n", 7, &err), HD_ERR_MALFORMED);

    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog refused = {0};
    hd_smtp_dialog_begin(&refused, &mail, &(struct hd_smtp_abilities){0}, false);
    feed(&refused, "554 go away\r\n");
    assert_true(refused.ended && !refused.reusable);

    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog chatty = {0};
    hd_smtp_dialog_begin(&chatty, &mail, &(struct hd_smtp_abilities){0}, false);
    sent(&chatty);
    feed(&chatty, "554 go away\r\n421 closing\r\n");
    assert_true(chatty.ended && !chatty.reusable);
    assert_int_equal(chatty.code, 554);
}

static void texts_are_joined_cut_and_printable(void **state) {
    (void)state;
    struct hd_smtp_reply reply = {0};
    const char *many = "550-5.1.1 The account\r\n550-5.1.1 does not \x01\xff exist.\r\n550\r\nrest";
    size_t took = hd_smtp_reply_feed(&reply, many, strlen(many));
    assert_string_equal(many + took, "rest");
    assert_int_equal(reply.code, 550);
    assert_string_equal(reply.text, "550 5.1.1 The account does not  ? exist.");

    char longer[5000];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "450 ", 4);
    for (size_t at = 4; at + 2 < sizeof longer; at += 2)
        memcpy(longer + at, "\xc3\xa9", 2);
    memcpy(longer + sizeof longer - 2, "\r\n", 2);
    assert_int_equal(hd_smtp_reply_feed(&reply, longer, sizeof longer), sizeof longer);
    assert_int_equal(reply.code, 450);
    assert_true(strlen(reply.text) < HD_SMTP_TEXT_BYTES);
    assert_null(strchr(reply.text, '?'));
    assert_int_equal(hd_smtp_reply_feed(&reply, "250\r\n", 5), 5);
    assert_int_equal(reply.code, 250);
}

static void only_plain_addresses_stand_in_an_envelope(void **state) {
    (void)state;
    static const char *const bad[] = {"", "a b@c", "a@b>\r\nRCPT TO:<x@y", "a@b>", "<a@b", "\xc3\xa9@b", "a@b\r\n", "a\x7f@b"};
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++)
        assert_false(hd_smtp_path_acceptable(bad[i]));
    assert_false(hd_smtp_path_acceptable(NULL));
    assert_true(hd_smtp_path_acceptable("ana@example.org"));
    char longer[256];
    memset(longer, 'a', sizeof longer);
    longer[254] = '\0';
    assert_true(hd_smtp_path_acceptable(longer));
    longer[254] = 'a';
    longer[255] = '\0';
    assert_false(hd_smtp_path_acceptable(longer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_goes_command_by_command),
        cmocka_unit_test(a_server_that_pipelines_gets_all_but_the_message_at_once),
        cmocka_unit_test(a_refusal_says_of_what_it_is_and_the_connection_goes_on),
        cmocka_unit_test(nothing_in_a_message_ends_it_early),
        cmocka_unit_test(what_is_no_smtp_is_an_error),
        cmocka_unit_test(a_yes_to_data_is_not_taken_for_a_mail_that_was_sent),
        cmocka_unit_test(replies_before_their_time_end_the_connection),
        cmocka_unit_test(texts_are_joined_cut_and_printable),
        cmocka_unit_test(only_plain_addresses_stand_in_an_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
