#include "app/arguments.h"

/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16 };

struct parsed {
    struct argument options[4];
    struct arguments arguments;
    bool understood;
    char said[256]; /* on standard error */
};

/* What it says on standard error goes into a pipe meanwhile. */
static void parse(struct parsed *parsed, const char *line) {
    static char text[256];
    char *argv[WORDS_MAX + 1] = {NULL}, *rest = NULL;
    int argc = 0, ends[2];
    *parsed = (struct parsed){.options = {{.name = "queue"}, {.name = "limit"}, {.name = "all", .flag = true}, {.name = NULL}}};
    parsed->arguments.options = parsed->options;
    (void)snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok_r(text, " ", &rest); word && argc < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = strcmp(word, "''") == 0 ? text + sizeof text - 1 : word;
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    (void)close(ends[1]);
    parsed->understood = hd_arguments_parse(&parsed->arguments, argc, argv);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    assert_true(read(ends[0], parsed->said, sizeof parsed->said - 1) >= 0);
    (void)close(ends[0]);
}

static const char *value(const struct parsed *parsed, const char *name) {
    return hd_argument(&parsed->arguments, name);
}

static void nothing_given_is_nothing_set(void **state) {
    struct parsed p;
    (void)state;
    parse(&p, "dlq");
    assert_true(p.understood);
    assert_int_equal(p.arguments.word_count, 0);
    assert_null(value(&p, "queue"));
    assert_null(value(&p, "all"));
    assert_string_equal(p.said, "");
}

static void a_value_follows_its_option_or_an_equals_sign(void **state) {
    struct parsed p;
    (void)state;
    parse(&p, "dlq --queue email --limit=7");
    assert_true(p.understood);
    assert_string_equal(value(&p, "queue"), "email");
    assert_string_equal(value(&p, "limit"), "7");
    parse(&p, "dlq --queue=a=b --limit=");
    assert_true(p.understood);
    assert_string_equal(value(&p, "queue"), "a=b");
    assert_string_equal(value(&p, "limit"), "");
    parse(&p, "dlq --queue --limit"); /* a value may look like an option */
    assert_true(p.understood);
    assert_string_equal(value(&p, "queue"), "--limit");
    assert_null(value(&p, "limit"));
}

static void the_last_of_two_counts(void **state) {
    struct parsed p;
    (void)state;
    parse(&p, "dlq --queue email --queue sms");
    assert_true(p.understood);
    assert_string_equal(value(&p, "queue"), "sms");
}

static void a_flag_takes_no_value_and_no_word(void **state) {
    struct parsed p;
    (void)state;
    parse(&p, "dlq --all redrive");
    assert_true(p.understood);
    assert_string_equal(value(&p, "all"), "");
    assert_int_equal(p.arguments.word_count, 1);
    assert_string_equal(p.arguments.words[0], "redrive");
    parse(&p, "dlq --all=yes");
    assert_false(p.understood);
    assert_string_equal(p.said, "helpdesk: --all takes no value\n");
}

static void words_come_in_their_order_around_options(void **state) {
    struct parsed p;
    (void)state;
    parse(&p, "dlq one --queue email two - '' ");
    assert_true(p.understood);
    assert_int_equal(p.arguments.word_count, 4);
    assert_string_equal(p.arguments.words[0], "one");
    assert_string_equal(p.arguments.words[1], "two");
    assert_string_equal(p.arguments.words[2], "-");
    assert_string_equal(p.arguments.words[3], "");
}

static void what_is_not_understood_is_said_and_refused(void **state) {
    static const struct {
        const char *line, *said;
    } bad[] = {
        {"dlq --colour red", "helpdesk: there is no option --colour here\n"},
        {"dlq --colour=red", "helpdesk: there is no option --colour here\n"},
        {"dlq --que email", "helpdesk: there is no option --que here\n"},
        {"dlq --queues email", "helpdesk: there is no option --queues here\n"},
        {"dlq --", "helpdesk: there is no option -- here\n"},
        {"dlq --queue", "helpdesk: --queue wants a value\n"},
        {"dlq a b c d e", "helpdesk: too many words: e\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct parsed p;
        parse(&p, bad[i].line);
        assert_false(p.understood);
        assert_string_equal(p.said, bad[i].said);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_is_nothing_set),
        cmocka_unit_test(a_value_follows_its_option_or_an_equals_sign),
        cmocka_unit_test(the_last_of_two_counts),
        cmocka_unit_test(a_flag_takes_no_value_and_no_word),
        cmocka_unit_test(words_come_in_their_order_around_options),
        cmocka_unit_test(what_is_not_understood_is_said_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
