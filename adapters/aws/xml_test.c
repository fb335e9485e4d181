#include "adapters/aws/xml.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

#define PUBLISHED                                                                                              \
    "<?xml version=\"1.0\"?>\n<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\n"          \
    "  <PublishResult>\n    <MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId>\n  </PublishResult>\n" \
    "  <ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata>\n"     \
    "</PublishResponse>\n"
#define REFUSED                                                                                        \
    "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>"     \
    "<Code>InvalidParameter</Code><Message>Invalid parameter: PhoneNumber Reason: +1 &lt;x&gt; &amp; " \
    "&quot;y&quot; &#233;&#x1F525;</Message></Error><RequestId>9dd01905</RequestId></ErrorResponse>"

static void elements_are_found_by_their_path(void **state) {
    (void)state;
    static const struct {
        const char *xml, *path, *text; /* NULL: none */
    } cases[] = {
        {PUBLISHED, "PublishResponse/PublishResult/MessageId", "567910cd-659e-55d4-8ccb-5aaf14679dc0"},
        {PUBLISHED, "PublishResponse/ResponseMetadata/RequestId", "d74b8436-ae13-5ab4-a9ff-ce54dfea72a0"},
        {PUBLISHED, "PublishResponse/MessageId", NULL},
        {PUBLISHED, "PublishResult/MessageId", NULL},
        {PUBLISHED, "ErrorResponse/Error/Code", NULL},
        {REFUSED, "ErrorResponse/Error/Code", "InvalidParameter"},
        {REFUSED, "ErrorResponse/Error/Message", "Invalid parameter: PhoneNumber Reason: +1 <x> & \"y\" é🔥"},
        {REFUSED, "ErrorResponse/RequestId", "9dd01905"},
        {"<a><b><x>1</x></b><b><c>2</c></b></a>", "a/b/c", "2"}, /* the first b does not hold it */
        {"<a><b><b>1</b></b><b>2</b></a>", "a/b/b", "1"},
        {"<a><x><b>1</b></x><b>2</b></a>", "a/b", "2"},
        {"<a><b/><b>2</b></a>", "a/b", ""},
        {"<a><b x='>' y = \"/>\" ></b ></a>", "a/b", ""},
        {"<a><b>1<c>2</c>3</b></a>", "a/b", "13"},
        {"<a><b><![CDATA[<c>&amp;]]]]><!-- <c> -->&gt;<?pi </b> ?></b></a>", "a/b", "<c>&amp;]]>"},
        {"<a>1</a>", "a", "1"},
        {"<a><b>1</b>broken<", "a/b", "1"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        char text[128] = "untouched";
        bool found = hd_xml_text(cases[i].xml, strlen(cases[i].xml), cases[i].path, text, sizeof text);
        if (found != (cases[i].text != NULL) || strcmp(text, found ? cases[i].text : "untouched") != 0)
            fail_msg("%s in %s: %s", cases[i].path, cases[i].xml, text);
    }
}

static void what_is_no_xml_holds_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "<",
        "<>",
        "<a",
        "<a><b>1",
        "<a><b>1</b",
        "<a><b>1</a>",
        "<a><b>1</c></a>",
        "</b><a><b>1</b></a>",
        "<a><b>&nbsp;</b></a>",
        "<a><b>&#0;</b></a>",
        "<a><b>&#xD800;</b></a>",
        "<a><b>&#99999999999999999999;</b></a>",
        "<a><b>&#;</b></a>",
        "<a><b>&#x;</b></a>",
        "<a><b>&#12a;</b></a>",
        "<a><b>&lt</b></a>",
        "<a><b>&</b></a>",
        "<a><b x></b></a>",
        "<a><b x=1></b></a>",
        "<a><b x=\"1></b></a>",
        "<a><b / ></b></a>",
        "<a><b><![CDATA[</b></a>",
        "<a><!-- <b>1</b></a>",
        "<!DOCTYPE a [<!ENTITY x \"1\">]><a><b>&x;</b></a>",
        "<!DOCTYPE a><a><b>1</b></a>",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(bad); i++) {
        char text[16];
        if (hd_xml_text(bad[i], strlen(bad[i]), "a/b", text, sizeof text))
            fail_msg("%s holds \"%s\"", bad[i], text);
    }
}

static void depth_is_bounded(void **state) {
    (void)state;
    for (size_t depth = HD_XML_DEPTH_MAX - 1; depth <= HD_XML_DEPTH_MAX; depth++) {
        char xml[256] = "", path[64] = "", text[8];
        for (size_t i = 0; i < depth; i++)
            strcat(xml, "<a>");
        strcat(xml, "<b>x</b>");
        for (size_t i = 0; i < depth; i++)
            strcat(path, "a/");
        strcat(path, "b");
        assert_int_equal(hd_xml_text(xml, strlen(xml), path, text, sizeof text), depth < HD_XML_DEPTH_MAX);
    }
}

static void a_long_text_is_cut_at_a_character(void **state) {
    (void)state;
    static const char xml[] = "<a>abcé&#233;🔥x</a>";
    static const char *const cut[] = {"", "a", "ab", "abc", "abc", "abcé", "abcé", "abcéé", "abcéé", "abcéé", "abcéé", "abcéé🔥", "abcéé🔥x"};
    for (size_t room = 0; room < HD_ARRAY_LEN(cut); room++) {
        char text[16];
        memset(text, '#', sizeof text);
        assert_true(hd_xml_text(xml, strlen(xml), "a", text, room + 1));
        assert_string_equal(text, cut[room]);
        assert_int_equal(text[room + 1], '#');
    }
    char text[64];
    assert_true(hd_xml_text(xml, strlen(xml), "a", text, sizeof text));
    assert_string_equal(text, "abcéé🔥x");
    static const char bytes[] = "<a>\0\xff</a>";
    assert_true(hd_xml_text(bytes, sizeof bytes - 1, "a", text, sizeof text));
    assert_string_equal(text, "??");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_found_by_their_path),
        cmocka_unit_test(what_is_no_xml_holds_nothing),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_long_text_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
