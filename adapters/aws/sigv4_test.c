/* The official vectors (awslabs/aws-c-auth, aws-signing-test-suite/v4): canonical request, string to sign and signature of each, by headers and by query, and the signed request's own line. The suite is
 * read from $HELPDESK_SUITES_DIR or ../shared/data. */
#include "adapters/aws/sigv4.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/rfc3339.h"

#ifndef HELPDESK_SOURCE_DIR
#define HELPDESK_SOURCE_DIR "."
#endif

enum { SUITE_CASES = 38, PATH_BYTES = 1024, ARENA_BYTES = 4 * 1024 * 1024 };

/* One folder of the suite. */
struct vector {
    struct hd_arena *arena;
    char folder[PATH_BYTES];
    struct hd_sigv4_request request;
    struct hd_sigv4_header headers[16];
    struct hd_sigv4_keys keys;
    struct hd_sigv4_scope scope;
};

static const char *suite_folder(void) {
    static char path[PATH_BYTES];
    const char *suites = getenv("HELPDESK_SUITES_DIR");
    if (!suites || !suites[0])
        suites = HELPDESK_SOURCE_DIR "/../shared/data";
    (void)snprintf(path, sizeof path, "%s/aws-signing-test-suite/tests/aws-signing-test-suite/v4", suites);
    return path;
}

/* The file's text without the newlines at its end, which some of the suite's files have and some do not. */
static char *read_text(const struct vector *v, const char *name) {
    char path[2 * PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", v->folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be read", path);
    char *text = hd_arena_alloc(v->arena, 64 * 1024);
    assert_non_null(text);
    size_t len = fread(text, 1, 64 * 1024 - 1, file);
    (void)fclose(file);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    return text;
}

/* "GET /path?query HTTP/1.1", header lines (one that begins with a blank goes on with the one before), an empty line, the body. */
static void parse_request(struct vector *v, char *text) {
    char *line_end = strchr(text, '\n');
    char *headers = line_end ? line_end + 1 : text + strlen(text);
    if (line_end)
        *line_end = '\0';
    char *target = strchr(text, ' '), *version = strrchr(text, ' ');
    assert_non_null(target);
    assert_true(version > target);
    *target++ = *version = '\0';
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    char *body = strstr(headers, "\n\n");
    if (body) {
        *body = '\0';
        body += 2;
    }
    v->request = (struct hd_sigv4_request){.method = text, .path = target, .query = query, .headers = v->headers, .body = body};
    v->request.body_bytes = body ? strlen(body) : 0;
    for (char *line = headers; *line;) {
        size_t len = strcspn(line, "\n");
        while (line[len] == '\n' && line[len + 1] == ' ')
            len += 1 + strcspn(line + len + 1, "\n");
        char *next = line + len + (line[len] == '\n');
        line[len] = '\0';
        char *colon = strchr(line, ':');
        assert_non_null(colon);
        *colon = '\0';
        assert_true(v->request.header_count < HD_ARRAY_LEN(v->headers));
        v->headers[v->request.header_count++] = (struct hd_sigv4_header){line, colon + 1};
        line = next;
    }
}

static void parse_context(struct vector *v, const char *text) {
    json_t *root = NULL;
    assert_int_equal(hd_json_parse(v->arena, text, strlen(text), 0, &root, NULL), 0);
    const json_t *keys = json_object_get(root, "credentials");
    v->keys =
        (struct hd_sigv4_keys){hd_json_str(keys, "access_key_id"), hd_json_str(keys, "secret_access_key"), hd_json_str(keys, "token")};
    const json_t *normalize = json_object_get(root, "normalize");
    v->scope = (struct hd_sigv4_scope){.region = hd_json_str(root, "region"),
                                       .service = hd_json_str(root, "service"),
                                       .path_as_it_is = json_is_false(normalize),
                                       .body_header = json_is_true(json_object_get(root, "sign_body")),
                                       .token_unsigned = json_is_true(json_object_get(root, "omit_session_token")),
                                       .expires_s = hd_json_int(root, "expiration_in_seconds", 0)};
    assert_non_null(v->scope.region);
    assert_true(hd_time_parse(hd_json_str(root, "timestamp"), &v->scope.time_ms));
}

static size_t differs(const struct vector *v, const char *file, const char *made) {
    const char *expected = read_text(v, file);
    if (strcmp(made, expected) == 0)
        return 0;
    printf("FAILED %s/%s\n expected: %s\n made: %s\n", strrchr(v->folder, '/') + 1, file, expected, made);
    return 1;
}

/* The signed request has our own line in it, whole. */
static size_t lacks(const struct vector *v, const char *file, const char *line) {
    const char *expected = read_text(v, file);
    const char *found = strstr(expected, line);
    if (found && (found[strlen(line)] == '\n' || found[strlen(line)] == '\0'))
        return 0;
    printf("FAILED %s/%s\n expected: %s\n made: %s\n", strrchr(v->folder, '/') + 1, file, expected, line);
    return 1;
}

static size_t header_failures(const struct vector *v) {
    struct hd_sigv4_signed made;
    assert_int_equal(hd_sigv4_sign_headers(&v->request, &v->keys, &v->scope, v->arena, &made, NULL), 0);
    const char *line = hd_arena_printf(v->arena, "\nAuthorization:%s", made.authorization);
    return differs(v, "header-canonical-request.txt", made.canonical_request) +
           differs(v, "header-string-to-sign.txt", made.string_to_sign) + differs(v, "header-signature.txt", made.signature) +
           lacks(v, "header-signed-request.txt", line);
}

static size_t query_failures(const struct vector *v) {
    struct hd_sigv4_signed made;
    assert_int_equal(hd_sigv4_sign_query(&v->request, &v->keys, &v->scope, v->arena, &made, NULL), 0);
    const char *line = hd_arena_printf(v->arena, "%s %s?%s HTTP/1.1", v->request.method, v->request.path, made.query);
    return differs(v, "query-canonical-request.txt", made.canonical_request) + differs(v, "query-string-to-sign.txt", made.string_to_sign) +
           differs(v, "query-signature.txt", made.signature) + lacks(v, "query-signed-request.txt", line);
}

static void every_official_vector_is_signed_as_it_says(void **state) {
    (void)state;
    DIR *suite = opendir(suite_folder());
    if (!suite) {
        printf("aws-signing-test-suite: not found, skipped: %d cases\n", SUITE_CASES);
        const char *ci = getenv("CI");
        if (ci && strcmp(ci, "true") == 0)
            fail_msg("CI=true wants the official suite");
        skip();
    }
    size_t passed = 0, failed = 0;
    for (struct dirent *entry; (entry = readdir(suite));) {
        if (entry->d_name[0] == '.')
            continue;
        struct vector v = {.arena = hd_arena_new(ARENA_BYTES)};
        assert_non_null(v.arena);
        (void)snprintf(v.folder, sizeof v.folder, "%s/%s", suite_folder(), entry->d_name);
        parse_request(&v, read_text(&v, "request.txt"));
        parse_context(&v, read_text(&v, "context.json"));
        size_t failures = header_failures(&v) + query_failures(&v);
        *(failures == 0 ? &passed : &failed) += 1;
        hd_arena_free(v.arena);
    }
    (void)closedir(suite);
    printf("aws-signing-test-suite: %zu passed, %zu failed (each by headers and by query: canonical request, string to sign, signature, "
           "signed request)\n",
           passed, failed);
    assert_int_equal(failed, 0);
    assert_true(passed >= SUITE_CASES);
}

/* ---- what the suite leaves open ---- */

static const struct hd_sigv4_keys keys = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
static const struct hd_sigv4_scope scope = {.region = "us-east-1", .service = "service", .time_ms = INT64_C(1440938160000)};

static const char *line_of(struct hd_arena *arena, const char *text, int number) {
    for (; number > 0 && text; number--)
        text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL;
    return text ? hd_arena_strndup(arena, text, strcspn(text, "\n")) : NULL;
}

static const char *canonical_line(struct hd_arena *arena, const struct hd_sigv4_request *request, const struct hd_sigv4_scope *where,
                                  int number) {
    struct hd_sigv4_signed made;
    assert_int_equal(hd_sigv4_sign_headers(request, &keys, where, arena, &made, NULL), 0);
    return line_of(arena, made.canonical_request, number);
}

static void a_path_that_is_encoded_is_encoded_once_more_but_for_services_that_want_it_once(void **state) {
    (void)state;
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_sigv4_request request = {.method = "GET", .path = "/a%20b/%e1%88%b4/100%"};
    struct hd_sigv4_scope once = scope;
    once.encode_once = true;
    assert_string_equal(canonical_line(arena, &request, &scope, 1), "/a%2520b/%25e1%2588%25b4/100%25");
    assert_string_equal(canonical_line(arena, &request, &once, 1), "/a%20b/%E1%88%B4/100%25");
    hd_arena_free(arena);
}

static void dots_that_lead_out_of_the_root_stay_at_it(void **state) {
    (void)state;
    static const struct {
        const char *path, *canonical;
    } cases[] = {{"", "/"},
                 {"/..", "/"},
                 {"/../../a", "/a"},
                 {"/a/b/../c/", "/a/c/"},
                 {"/a/./", "/a/"},
                 {"//", "/"},
                 {"/.a/..b/...", "/.a/..b/..."}};
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        struct hd_sigv4_request request = {.method = "GET", .path = cases[i].path};
        assert_string_equal(canonical_line(arena, &request, &scope, 1), cases[i].canonical);
    }
    hd_arena_free(arena);
}

static void parameters_are_sorted_by_their_encoded_names_then_values_and_none_is_lost(void **state) {
    (void)state;
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_sigv4_request request = {.method = "GET", .path = "/", .query = "b=2&a&b=10&&=x&c=%2f%zz+&a=1=1&B=%41"};
    assert_string_equal(canonical_line(arena, &request, &scope, 2), "=x&B=A&a=&a=1%3D1&b=10&b=2&c=%2F%25zz%2B");
    hd_arena_free(arena);
}

static void what_exceeds_the_limits_is_refused_and_no_output_is_touched(void **state) {
    (void)state;
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    struct hd_sigv4_header headers[HD_SIGV4_HEADERS_MAX + 1];
    for (size_t i = 0; i < HD_ARRAY_LEN(headers); i++)
        headers[i] = (struct hd_sigv4_header){"a", "b"};
    struct hd_sigv4_request request = {.method = "GET", .path = "/", .headers = headers, .header_count = HD_ARRAY_LEN(headers)};
    struct hd_sigv4_signed made = {.signature = "kept"};
    struct hd_error err;
    assert_int_equal(hd_sigv4_sign_headers(&request, &keys, &scope, arena, &made, &err), HD_ERR_INVALID);
    assert_string_equal(err.detail, "a request to sign has more than 64 headers");
    request.header_count--;
    assert_int_equal(hd_sigv4_sign_headers(&request, &keys, &scope, arena, &made, &err), 0);
    HD_CLEANUP(hd_buffer_free) struct hd_buffer query = {0};
    for (int i = 0; i < HD_SIGV4_PARAMETERS_MAX + 7; i++)
        hd_buffer_add_str(&query, "a=b&");
    request.query = hd_buffer_text(&query);
    made = (struct hd_sigv4_signed){.signature = "kept"};
    assert_int_equal(hd_sigv4_sign_headers(&request, &keys, &scope, arena, &made, &err), HD_ERR_INVALID);
    assert_string_equal(err.detail, "a request to sign has more than 256 parameters");
    assert_string_equal(made.signature, "kept");
    hd_arena_free(arena);
}

static void an_arena_that_is_full_is_an_error_at_each_step(void **state) {
    (void)state;
    struct hd_sigv4_header headers[] = {{"Host", "example.amazonaws.com"},
                                        {"X-Filler", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}};
    struct hd_sigv4_request request = {.method = "GET", .path = "/a/b", .query = "a=b", .headers = headers, .header_count = 2};
    bool was_enough = false;
    for (size_t bytes = 16; bytes < 8192 && !was_enough; bytes += 16) {
        struct hd_arena *arena = hd_arena_new(bytes);
        struct hd_sigv4_signed made = {0};
        int r = hd_sigv4_sign_query(&request, &keys, &scope, arena, &made, NULL);
        assert_true(r == 0 || r == HD_ERR_NO_MEMORY);
        assert_int_equal(made.signature != NULL, r == 0);
        was_enough = r == 0;
        hd_arena_free(arena);
    }
    assert_true(was_enough);
}

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_official_vector_is_signed_as_it_says),
        cmocka_unit_test(a_path_that_is_encoded_is_encoded_once_more_but_for_services_that_want_it_once),
        cmocka_unit_test(dots_that_lead_out_of_the_root_stay_at_it),
        cmocka_unit_test(parameters_are_sorted_by_their_encoded_names_then_values_and_none_is_lost),
        cmocka_unit_test(what_exceeds_the_limits_is_refused_and_no_output_is_touched),
        cmocka_unit_test(an_arena_that_is_full_is_an_error_at_each_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
