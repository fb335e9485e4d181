/* What was written is read back here by a decoder of its own, and must be what was meant. */
#include "core/mime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TEXT_BYTES = 64 * 1024, LINE_LIMIT_BYTES = 998, FOLDED_LIMIT_BYTES = 76 };

/* ---- an independent reader ---- */

struct text {
    char data[TEXT_BYTES];
    size_t len;
};

static void put(struct text *text, int c) {
    assert_true(text->len + 1 < sizeof text->data);
    text->data[text->len++] = (char)c;
    text->data[text->len] = '\0';
}

static int hex_value(char c) {
    const char *digits = "0123456789ABCDEF", *at = strchr(digits, c);
    assert_true(c != '\0' && at != NULL);
    return (int)(at - digits);
}

static void decode_base64(const char *from, const char *end, struct text *to) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, count = 0;
    for (; from < end && *from != '='; from++) {
        if (*from == '\r' || *from == '\n')
            continue;
        const char *at = strchr(digits, *from);
        assert_non_null(at);
        bits = bits << 6 | (unsigned)(at - digits);
        if (++count % 4 != 1)
            put(to, (int)(bits >> (6 - 2 * ((count - 1) % 4)) & 0xff));
    }
}

static void decode_quoted(const char *from, const char *end, struct text *to) {
    while (from < end) {
        if (*from == '=' && from[1] == '\r') {
            assert_int_equal(from[2], '\n');
            from += 3;
        } else if (*from == '=') {
            put(to, hex_value(from[1]) << 4 | hex_value(from[2]));
            from += 3;
        } else {
            put(to, *from++);
        }
    }
}

static void decode_word(const char **from, struct text *to) {
    const char *word = *from, *end = strstr(word + 10, "?=");
    assert_non_null(end);
    assert_true(end + 2 - word <= 75);
    assert_int_equal(strncmp(word, "=?UTF-8?", 8), 0);
    struct text decoded = {.len = 0};
    if (word[8] == 'B') {
        decode_base64(word + 10, end, &decoded);
    } else {
        assert_int_equal(word[8], 'Q');
        for (const char *c = word + 10; c < end; c++) {
            assert_true(*c > ' ' && *c <= '~' && *c != '?');
            if (*c == '=') {
                put(&decoded, hex_value(c[1]) << 4 | hex_value(c[2]));
                c += 2;
            } else {
                put(&decoded, *c == '_' ? ' ' : *c);
            }
        }
    }
    /* A word is whole characters (RFC 2047 §5 (3)). */
    assert_true(decoded.len > 0);
    assert_int_not_equal((unsigned char)decoded.data[0] & 0xc0, 0x80);
    for (size_t i = 0; i < decoded.len; i++)
        put(to, decoded.data[i]);
    size_t last = decoded.len - 1;
    while (((unsigned char)decoded.data[last] & 0xc0) == 0x80)
        last--;
    unsigned char lead = (unsigned char)decoded.data[last];
    assert_int_equal(decoded.len - last, lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
    *from = end + 2;
}

/* A header's value, unfolded and decoded: words next to each other are joined (RFC 2047 §6.2); but for the subject's, quotes are taken off. */
static void decode_header(const char *mail, const char *name, struct text *to) {
    char start[64];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *from = strncmp(mail, start + 2, strlen(start) - 2) == 0 ? mail - 2 : strstr(mail, start);
    assert_non_null(from);
    assert_true(from < strstr(mail, "\r\n\r\n"));
    from += strlen(start);
    *to = (struct text){.len = 0};
    bool quoted = false, structured = strcmp(name, "Subject") != 0;
    for (bool after_word = false; !(from[0] == '\r' && from[2] != ' ');) {
        const char *next = from + strspn(from, " \r\n");
        if (after_word && strncmp(next, "=?", 2) == 0)
            from = next;
        after_word = false;
        if (strncmp(from, "=?", 2) == 0) {
            decode_word(&from, to);
            after_word = true;
        } else if (from[0] == '\r') {
            from += 2;
        } else if (structured && *from == '"') {
            quoted = !quoted;
            from++;
        } else {
            from += quoted && *from == '\\';
            put(to, *from++);
        }
    }
}

/* The body of the part of this type. */
static void decode_part(const char *mail, const char *type, struct text *to) {
    char start[96];
    snprintf(start, sizeof start, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: ", type);
    const char *part = strstr(mail, start);
    assert_non_null(part);
    const char *encoding = part + strlen(start), *body = strstr(encoding, "\r\n\r\n") + 4;
    const char *end = strstr(body, "\r\n--=_");
    if (!end)
        end = body + strlen(body);
    *to = (struct text){.len = 0};
    if (strncmp(encoding, "base64\r\n", 8) == 0) {
        decode_base64(body, end, to);
    } else {
        assert_int_equal(strncmp(encoding, "quoted-printable\r\n", 18), 0);
        decode_quoted(body, end, to);
    }
}

/* ASCII, CRLF only, lines short enough; in the body and in headers that can be folded at most 76. */
static void assert_well_formed(const char *mail) {
    size_t line = 0;
    bool ends = true;
    for (const char *c = mail; *c; c++) {
        assert_true((*c >= ' ' && *c <= '~') || *c == '\r' || *c == '\n');
        assert_true((*c == '\r') == (c[1] == '\n'));
        line = *c == '\n' ? 0 : line + (*c != '\r');
        bool id = line > FOLDED_LIMIT_BYTES &&
                  strchr("MIRTF ", *(c - line + 1)); /* Message-ID, In-Reply-To, References, and addresses have no place to fold */
        assert_true(line <= (id ? (size_t)LINE_LIMIT_BYTES : (size_t)FOLDED_LIMIT_BYTES));
        ends = *c == '\n';
    }
    assert_true(ends);
}

/* ---- writing ---- */

static struct hd_mailbox desk(void) {
    struct hd_mailbox from;
    struct hd_error err;
    assert_int_equal(hd_mailbox_parse("HelpDesk <desk@example.org>", &from, &err), 0);
    return from;
}

static struct hd_rendered a_message(void) {
    return (struct hd_rendered){
        .notification_id = "0198-n1",
        .ticket_id = "tkt-001",
        .to_address = "ana@example.org",
        .to_name = "Ana",
        .subject = "Hello",
        .text = "text\n",
        .html = "<p>html</p>\n",
        .date_ms = 1784548800000,
    };
}

static char *write_mail(const struct hd_rendered *message) {
    struct hd_mailbox from = desk();
    struct hd_buffer out = {0};
    struct hd_error err = {0};
    if (hd_mime_write(message, &from, &out, &err) < 0)
        fail_msg("%s", err.detail);
    return out.data;
}

static const char *const texts[] = {
    "Hello",
    "Olá, João! Não há conexão à rede",
    "🚒 Notificação 🔥",
    "日本語のとても長い件名ですから、折り返さなければなりません。日本語のとても長い件名ですから、折り返さなければなりません。",
    "An English subject that is much too long for one line and so has to be encoded, whatever it says, to be folded at all",
    "a  b",
    " leading and trailing ",
    "=?UTF-8?Q?not_decoded?=",
    "Desk, \"Help\" \\ <x@y>",
    "a.b@c (comment); x:",
    "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé",
    "x=?",
    "👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦",
};

static void subjects_and_names_are_read_as_they_were_meant(void **state) {
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        struct hd_rendered message = a_message();
        message.subject = message.to_name = texts[i];
        char *mail = write_mail(&message);
        assert_well_formed(mail);
        static struct text got;
        decode_header(mail, "Subject", &got);
        assert_string_equal(got.data, texts[i]);
        decode_header(mail, "To", &got);
        char expected[1024];
        snprintf(expected, sizeof expected, "%s <ana@example.org>", texts[i]);
        assert_string_equal(got.data, expected);
        free(mail);
    }
}

static void a_mailbox_alone_is_one_line_and_read_as_it_was_meant(void **state) {
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer mailbox = {0};
        HD_CLEANUP(hd_buffer_free) struct hd_buffer mail = {0};
        hd_mailbox_write(texts[i], "ana@example.org", &mailbox);
        assert_int_equal(mailbox.failure, 0);
        for (const char *c = mailbox.data; *c; c++)
            assert_true(*c >= ' ' && *c <= '~');
        hd_buffer_printf(&mail, "To: %s\r\n\r\n", mailbox.data);
        static struct text got;
        decode_header(mail.data, "To", &got);
        char expected[1024];
        snprintf(expected, sizeof expected, "%s <ana@example.org>", texts[i]);
        assert_string_equal(got.data, expected);
    }
    static const char *const no_names[] = {NULL, "", "  ", "\r\n\t"};
    for (size_t i = 0; i < HD_ARRAY_LEN(no_names); i++) {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer mailbox = {0};
        hd_mailbox_write(no_names[i], "ana@example.org", &mailbox);
        assert_string_equal(mailbox.data, "ana@example.org");
    }
    HD_CLEANUP(hd_buffer_free) struct hd_buffer forged = {0};
    hd_mailbox_write("Ana\r\nBcc: eve@example.org", "ana@example.org", &forged);
    assert_null(strpbrk(forged.data, "\r\n"));
}

static void bodies_are_read_as_they_were_meant(void **state) {
    (void)state;
    static const struct {
        const char *text, *read;
    } cases[] = {
        {"", ""},
        {"a\n", "a\r\n"},
        {"a", "a\r\n"},
        {"a\r\nb\rc\n\nd", "a\r\nb\r\nc\r\n\r\nd\r\n"},
        {"Olá João 🚒\n.\n..\nFrom me\n--=_x\n= =3D\n", "Olá João 🚒\r\n.\r\n..\r\nFrom me\r\n--=_x\r\n= =3D\r\n"},
        {"space at the end \ntab\t\n \n", "space at the end \r\ntab\t\r\n \r\n"},
        {"日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語\n",
         "日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語\r\n"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789012345\n",
         "0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n"},
        {"01234567890123456789012345678901234567890123456789012345678901234567890123456 \n",
         "01234567890123456789012345678901234567890123456789012345678901234567890123456 \r\n"},
        {"bad \xff\xc3 bytes\x01\n", "bad ?? bytes\x01\r\n"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_rendered message = a_message();
        message.text = message.html = cases[i].text;
        char *mail = write_mail(&message);
        assert_well_formed(mail);
        static struct text got;
        decode_part(mail, "text/plain", &got);
        assert_string_equal(got.data, cases[i].read);
        decode_part(mail, "text/html", &got);
        assert_string_equal(got.data, cases[i].read);
        free(mail);
    }
}

static void long_lines_are_broken_and_the_shorter_encoding_is_taken(void **state) {
    (void)state;
    static char ascii[20000], accents[20001];
    memset(ascii, 'x', sizeof ascii - 1);
    for (size_t i = 0; i + 2 < sizeof accents; i += 2)
        memcpy(accents + i, "é", 2);
    struct hd_rendered message = a_message();
    message.text = ascii;
    message.html = accents;
    char *mail = write_mail(&message);
    assert_well_formed(mail);
    assert_non_null(strstr(mail, "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"));
    assert_non_null(strstr(mail, "text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"));
    static struct text got;
    decode_part(mail, "text/plain", &got);
    assert_int_equal(got.len, sizeof ascii - 1 + 2);
    decode_part(mail, "text/html", &got);
    assert_int_equal(strncmp(got.data, accents, strlen(accents)), 0);
    free(mail);
}

static void one_text_alone_is_no_multipart(void **state) {
    (void)state;
    struct hd_rendered message = a_message();
    message.html = NULL;
    char *mail = write_mail(&message);
    assert_well_formed(mail);
    assert_null(strstr(mail, "multipart"));
    static struct text got;
    decode_part(mail, "text/plain", &got);
    assert_string_equal(got.data, "text\r\n");
    free(mail);
}

static void the_same_message_is_the_same_bytes(void **state) {
    (void)state;
    struct hd_rendered message = a_message(), other = a_message();
    other.notification_id = "0198-n2";
    char *first = write_mail(&message), *again = write_mail(&message), *different = write_mail(&other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, different);
    free(first);
    free(again);
    free(different);
}

static void headers_say_when_who_and_of_which_ticket(void **state) {
    (void)state;
    struct hd_rendered message = a_message();
    char *mail = write_mail(&message);
    static const char *const lines[] = {
        "Date: Mon, 20 Jul 2026 12:00:00 +0000\r\n",
        "\r\nFrom: HelpDesk <desk@example.org>\r\n",
        "\r\nTo: Ana <ana@example.org>\r\n",
        "\r\nSubject: Hello\r\n",
        "\r\nMessage-ID: <0198-n1@example.org>\r\n",
        "\r\nIn-Reply-To: <ticket-tkt-001@example.org>\r\n",
        "\r\nReferences: <ticket-tkt-001@example.org>\r\n",
        "\r\nAuto-Submitted: auto-generated\r\n",
        "\r\nMIME-Version: 1.0\r\n",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(lines); i++)
        assert_non_null(strstr(mail, lines[i]));
    free(mail);
    message.ticket_id = message.to_name = NULL;
    mail = write_mail(&message);
    assert_null(strstr(mail, "References"));
    assert_non_null(strstr(mail, "\r\nTo: ana@example.org\r\n"));
    free(mail);
}

static void ids_of_any_shape_make_message_ids(void **state) {
    (void)state;
    struct hd_rendered message = a_message();
    message.ticket_id = "a.b>=<@\"c d\r\n/é";
    char *mail = write_mail(&message);
    assert_well_formed(mail);
    assert_non_null(strstr(mail, "\r\nReferences: <ticket-a=2Eb=3E=3D=3C=40=22c=20d=0D=0A=2F=C3=A9@example.org>\r\n"));
    free(mail);
}

static void nothing_can_put_a_header_in(void **state) {
    (void)state;
    static const char *const evil[] = {"x\r\nBcc: evil@x.org", "x\nBcc: evil@x.org",   "x\rBcc: evil@x.org",
                                       "x\r\n\r\nBcc: <b>",    "é\r\nBcc: evil@x.org", "x\r\n Bcc: evil@x.org"};
    for (size_t i = 0; i < HD_ARRAY_LEN(evil); i++) {
        struct hd_rendered message = a_message();
        message.subject = message.to_name = evil[i];
        message.notification_id = message.ticket_id = evil[i];
        char *mail = write_mail(&message);
        assert_well_formed(mail);
        assert_null(strstr(mail, "\nBcc:"));
        assert_null(strstr(mail, "\n Bcc:"));
        const char *body = strstr(mail, "\r\n\r\n");
        assert_true(strstr(mail, "Content-Type: multipart/alternative") < body);
        free(mail);
    }
}

static void a_date_out_of_range_is_refused(void **state) {
    (void)state;
    static const int64_t dates_ms[] = {-1, INT64_MAX, INT64_MIN, 253402300800000};
    struct hd_mailbox from = desk();
    for (size_t i = 0; i < HD_ARRAY_LEN(dates_ms); i++) {
        HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
        struct hd_rendered message = a_message();
        struct hd_error err;
        message.date_ms = dates_ms[i];
        assert_int_equal(hd_mime_write(&message, &from, &out, &err), HD_ERR_INVALID);
    }
}

/* ---- addresses ---- */

static void addresses_that_work_everywhere_are_taken(void **state) {
    (void)state;
    static const char *const good[] = {
        "a@b", "ana@example.org", "ana.maria+x@sub.example.org", "o'neil@example.org", "x_y=z@a-b.example", "helpdesk@localhost"};
    for (size_t i = 0; i < HD_ARRAY_LEN(good); i++) {
        struct hd_error err = {0};
        if (hd_mail_address_check(good[i], &err) < 0)
            fail_msg("%s: %s", good[i], err.detail);
    }
}

static void other_addresses_are_refused_with_a_reason(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "ana",
        "@b.org",
        "ana@",
        "a b@c.org",
        "ana@b..org",
        "ana@.org",
        "ana@b.org.",
        ".ana@b.org",
        "ana.@b.org",
        "a..b@c.de",
        "a@b@c.org",
        "<ana@b.org>",
        "a,b@c.org",
        "ana@-b.org",
        "ana@b-.org",
        "ana@b_c.de",
        "ana@[1.2.3.4]",
        "\"a\"@b.org",
        "a@b\r\nX: y",
        "a\r\n@b.c",
        "ana@b.org\r\n",
        "a@b.org>\r\n",
        "ana@b.org ",
        " ana@b.org",
        "a\t@b.org",
        "a@b c.org",
        "a(b)@c.org",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm@b.org",
        "a@abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqr.org",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        struct hd_error err = {0};
        if (hd_mail_address_check(bad[i], &err) != HD_ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
        assert_true(err.detail[0] != '\0');
    }
    struct hd_error err;
    assert_int_equal(hd_mail_address_check(NULL, &err), HD_ERR_INVALID);
    assert_int_equal(hd_mail_address_check("joão@example.org", &err), HD_ERR_INVALID);
    assert_non_null(strstr(err.detail, "SMTPUTF8"));
    char longer[300];
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "a@", 2);
    for (size_t i = 40; i < sizeof longer; i += 40)
        longer[i] = '.';
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(hd_mail_address_check(longer, &err), HD_ERR_INVALID);
}

static void mailboxes_have_names_or_none(void **state) {
    (void)state;
    static const struct {
        const char *text, *name, *address; /* name NULL: refused */
    } cases[] = {
        {"desk@example.org", "", "desk@example.org"},
        {" desk@example.org ", "", "desk@example.org"},
        {"<desk@example.org>", "", "desk@example.org"},
        {"HelpDesk <desk@example.org>", "HelpDesk", "desk@example.org"},
        {"Central de Atenção 🚒 <desk@example.org>", "Central de Atenção 🚒", "desk@example.org"},
        {"\"Desk, \\\"Help\\\"\" <desk@example.org>", "Desk, \"Help\"", "desk@example.org"},
        {"HelpDesk desk@example.org", NULL, NULL},
        {"HelpDesk <desk@example.org", NULL, NULL},
        {"HelpDesk desk@example.org>", NULL, NULL},
        {"HelpDesk <desk>", NULL, NULL},
        {"\"HelpDesk <desk@example.org>", NULL, NULL},
        {"x\"y\" <desk@example.org>", NULL, NULL},
        {"A\r\nBcc: x <desk@example.org>", NULL, NULL},
        {"\xff <desk@example.org>", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_mailbox mailbox = {.name = "untouched"};
        struct hd_error err;
        int r = hd_mailbox_parse(cases[i].text, &mailbox, &err);
        assert_int_equal(r, cases[i].name ? 0 : HD_ERR_INVALID);
        assert_string_equal(mailbox.name, cases[i].name ? cases[i].name : "untouched");
        if (cases[i].address)
            assert_string_equal(mailbox.address, cases[i].address);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subjects_and_names_are_read_as_they_were_meant),
        cmocka_unit_test(a_mailbox_alone_is_one_line_and_read_as_it_was_meant),
        cmocka_unit_test(bodies_are_read_as_they_were_meant),
        cmocka_unit_test(long_lines_are_broken_and_the_shorter_encoding_is_taken),
        cmocka_unit_test(one_text_alone_is_no_multipart),
        cmocka_unit_test(the_same_message_is_the_same_bytes),
        cmocka_unit_test(headers_say_when_who_and_of_which_ticket),
        cmocka_unit_test(ids_of_any_shape_make_message_ids),
        cmocka_unit_test(nothing_can_put_a_header_in),
        cmocka_unit_test(a_date_out_of_range_is_refused),
        cmocka_unit_test(addresses_that_work_everywhere_are_taken),
        cmocka_unit_test(other_addresses_are_refused_with_a_reason),
        cmocka_unit_test(mailboxes_have_names_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
