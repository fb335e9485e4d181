#include "adapters/aws/credentials_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static struct hd_arena *arena;

static struct hd_profile profile_of(const char *text, const char *name, bool in_config) {
    struct hd_profile profile = {0};
    assert_int_equal(hd_profile_read(text, strlen(text), name, in_config, arena, &profile, NULL), 0);
    return profile;
}

static const char *text_or(const char *text, const char *fallback) {
    return text ? text : fallback;
}

static void is_pair(const struct hd_profile *profile, const char *id, const char *secret, const char *token) {
    assert_string_equal(text_or(profile->keys.access_key_id, "none"), id);
    assert_string_equal(text_or(profile->keys.secret_access_key, "none"), secret);
    assert_string_equal(text_or(profile->keys.session_token, "none"), token);
}

static const char credentials_file[] = "# of all\n"
                                       "[default]\r\n"
                                       "aws_access_key_id=ID1\r\n"
                                       "aws_secret_access_key = a/b+c= \r\n"
                                       "\n"
                                       "[ work ] ; mine\n"
                                       "AWS_ACCESS_KEY_ID = ID2 # comment\n"
                                       "aws_secret_access_key =s#2;x\n"
                                       "s3 =\n"
                                       "  aws_access_key_id = nested\n"
                                       "aws_session_token=t2\n"
                                       "no equals sign\n"
                                       "[work2]\n"
                                       "aws_access_key_id = ID3";

static void a_profile_is_its_section_and_nothing_else(void **state) {
    (void)state;
    struct hd_profile first = profile_of(credentials_file, "default", false);
    struct hd_profile work = profile_of(credentials_file, "work", false);
    struct hd_profile half = profile_of(credentials_file, "work2", false);
    struct hd_profile none = profile_of(credentials_file, "Work", false);
    is_pair(&first, "ID1", "a/b+c=", "none");
    is_pair(&work, "ID2", "s#2;x", "t2");
    is_pair(&half, "ID3", "none", "none");
    assert_true(half.found);
    is_pair(&none, "none", "none", "none");
    assert_false(none.found);
}

static void sections_of_the_config_file_have_a_word_before_their_name(void **state) {
    (void)state;
    static const char config[] = "[work]\naws_access_key_id=wrong\n[profile work]\naws_access_key_id=ID\naws_secret_access_key=S\n"
                                 "[default]\naws_access_key_id=D\naws_secret_access_key=E\n[profile role]\nrole_arn = arn:x\n";
    struct hd_profile work = profile_of(config, "work", true), first = profile_of(config, "default", true);
    struct hd_profile role = profile_of(config, "role", true);
    is_pair(&work, "ID", "S", "none");
    is_pair(&first, "D", "E", "none");
    assert_string_equal(role.other, "role_arn");
}

static void keys_of_two_files_do_not_mix(void **state) {
    (void)state;
    static const char first[] = "[p]\naws_access_key_id=ID\n", second[] = "[profile p]\naws_secret_access_key=S\naws_session_token=T\n";
    struct hd_profile profile = profile_of(first, "p", false);
    assert_int_equal(hd_profile_read(second, strlen(second), "p", true, arena, &profile, NULL), 0);
    is_pair(&profile, "ID", "none", "none");
}

static void what_is_no_profile_is_passed_over(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "\n\n", "[", "[]", "=", "[p", "aws_access_key_id=ID", "[p]\n=ID\n[", "\0[p]\naws_access_key_id=x"};
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        struct hd_profile profile = profile_of(texts[i], "p", i % 2);
        is_pair(&profile, "none", "none", "none");
    }
}

static void an_answer_has_keys_and_an_end(void **state) {
    (void)state;
    static const char text[] = "{\"Code\":\"Success\",\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
                               "\"Expiration\":\"2026-09-21T14:13:20Z\",\"Type\":\"AWS-HMAC\"}";
    struct hd_credentials_text keys;
    assert_int_equal(hd_credentials_answer_read(text, strlen(text), arena, &keys, NULL), 0);
    assert_string_equal(keys.access_key_id, "ID");
    assert_string_equal(keys.secret_access_key, "S");
    assert_string_equal(keys.session_token, "T");
    assert_int_equal(keys.expires_at_ms, INT64_C(1790000000000));
    static const char bare[] = "{\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"S\"}";
    assert_int_equal(hd_credentials_answer_read(bare, strlen(bare), arena, &keys, NULL), 0);
    assert_null(keys.session_token);
    assert_int_equal(keys.expires_at_ms, INT64_MAX);
}

static void an_answer_without_keys_says_what_it_is_instead(void **state) {
    (void)state;
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"", "the answer is no JSON"},
        {"<html>", "the answer is no JSON"},
        {"[]", "the answer holds no AccessKeyId and SecretAccessKey"},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"…\"}", "the answer is AssumeRoleUnauthorizedAccess"},
        {"{\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"\"}", "the answer holds no AccessKeyId and SecretAccessKey"},
        {"{\"AccessKeyId\":\"ID\",\"SecretAccessKey\":\"S\",\"Expiration\":\"soon\"}", "the answer's Expiration is no time"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_credentials_text keys = {.access_key_id = "kept"};
        struct hd_error err;
        assert_int_equal(hd_credentials_answer_read(cases[i].text, strlen(cases[i].text), arena, &keys, &err), HD_ERR_UNAVAILABLE);
        assert_string_equal(err.detail, cases[i].detail);
        assert_string_equal(keys.access_key_id, "kept");
    }
}

static void keys_are_asked_of_safe_places_only(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool allowed;
    } cases[] = {
        {"https://keys.example.org/a", true},
        {"http://169.254.170.2/v2/credentials/x", true},
        {"http://169.254.170.23/v1/credentials", true},
        {"http://[fd00:ec2::23]/v1/credentials", true},
        {"http://127.0.0.1:8080/a", true},
        {"http://127.9.9.9/a", true},
        {"http://[::1]:80/a", true},
        {"http://localhost/a", true},
        {"http://keys.example.org/a", false},
        {"http://169.254.169.254/a", false},
        {"http://127.0.0.1.example.org/a", false},
        {"http://127.0.0.1@example.org/a", false},
        {"http://localhost.example.org/a", false},
        {"http://127.0.0.999/", false},
        {"ftp://127.0.0.1/a", false},
        {"file:///etc/passwd", false},
        {"/a", false},
        {"", false},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++)
        if (hd_container_url_allowed(cases[i].url) != cases[i].allowed)
            fail_msg("%s", cases[i].url);
}

int main(void) {
    hd_json_init();
    arena = hd_arena_new(1024 * 1024);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_is_its_section_and_nothing_else),
        cmocka_unit_test(sections_of_the_config_file_have_a_word_before_their_name),
        cmocka_unit_test(keys_of_two_files_do_not_mix),
        cmocka_unit_test(what_is_no_profile_is_passed_over),
        cmocka_unit_test(an_answer_has_keys_and_an_end),
        cmocka_unit_test(an_answer_without_keys_says_what_it_is_instead),
        cmocka_unit_test(keys_are_asked_of_safe_places_only),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hd_arena_free(arena);
    return failed;
}
