/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/json.h"
#include "producer/jwt.h"

static const struct hd_jwt_key key = {.secret = "a secret of at least thirty-two bytes", .issuer = "helpdesk", .audience = "helpdesk"};
static const int64_t now_ms = 1790000000123;
#define NOW_S "1790000000"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS(rest) "{\"iss\":\"helpdesk\",\"aud\":\"helpdesk\",\"sub\":\"u-10\",\"role\":\"agent\"" rest "}"
#define GOOD CLAIMS(",\"exp\":1790003600")

static struct hd_arena *arena;

static int set_up(void **state) {
    (void)state;
    hd_json_init();
    arena = hd_arena_new(1024 * 1024);
    return arena ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hd_arena_free(arena);
    return 0;
}

/* With OpenSSL's own functions, so that a fault of ours does not check itself. */
static size_t base64url(char *at, const void *bytes, size_t len) {
    int count = EVP_EncodeBlock((unsigned char *)at, bytes, (int)len);
    while (count > 0 && at[count - 1] == '=')
        count--;
    for (int i = 0; i < count; i++)
        at[i] = at[i] == '+' ? '-' : at[i] == '/' ? '_' : at[i];
    at[count] = '\0';
    return (size_t)count;
}

static const char *signed_with(const char *secret, const char *header, const char *payload) {
    char *token = hd_arena_alloc(arena, 3 * (strlen(header) + strlen(payload)) + 256);
    assert_non_null(token);
    size_t at = base64url(token, header, strlen(header));
    token[at++] = '.';
    at += base64url(token + at, payload, strlen(payload));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len;
    assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)token, at, digest, &digest_len));
    token[at++] = '.';
    base64url(token + at, digest, digest_len);
    return token;
}

static int check(const char *token, struct hd_claims *ret_claims, struct hd_error *err) {
    return hd_jwt_check(&key, token, strlen(token), now_ms, arena, ret_claims, err);
}

static void refused(const char *token, const char *because) {
    struct hd_claims claims = {.subject = "untouched"};
    struct hd_error err;
    assert_int_equal(check(token, &claims, &err), HD_ERR_UNAUTHENTICATED);
    if (!strstr(err.detail, because))
        fail_msg("it is refused because \"%s\", not because of \"%s\"", err.detail, because);
    assert_string_equal(claims.subject, "untouched");
}

static void taken(const char *payload) {
    struct hd_claims claims;
    struct hd_error err;
    if (check(signed_with(key.secret, HEADER, payload), &claims, &err) < 0)
        fail_msg("%s: %s", payload, err.detail);
    assert_string_equal(claims.subject, "u-10");
    assert_int_equal(claims.role, HD_ROLE_AGENT);
}

static void payload_refused(const char *payload, const char *because) {
    refused(signed_with(key.secret, HEADER, payload), because);
}

static void what_is_signed_is_taken(void **state) {
    (void)state;
    for (int role = 0; role < HD_ROLE_COUNT; role++) {
        const struct hd_claims claims = {.subject = "u-\"1\"\\", .role = (enum hd_role)role, .expires_at_s = now_ms / 1000 + 60};
        struct hd_claims got;
        const char *token;
        assert_int_equal(hd_jwt_sign(&key, &claims, now_ms, arena, &token, NULL), 0);
        assert_int_equal(check(token, &got, NULL), 0);
        assert_string_equal(got.subject, claims.subject);
        assert_int_equal(got.role, role);
        assert_int_equal(got.expires_at_s, claims.expires_at_s);
    }
}

static void a_token_is_what_openssl_makes_of_it(void **state) {
    (void)state;
    const struct hd_claims claims = {.subject = "u-10", .role = HD_ROLE_AGENT, .expires_at_s = 1790003600};
    const char *token;
    assert_int_equal(hd_jwt_sign(&key, &claims, now_ms, arena, &token, NULL), 0);
    assert_string_equal(token, signed_with(key.secret, HEADER, CLAIMS(",\"iat\":" NOW_S ",\"exp\":1790003600")));
}

static void a_secret_longer_than_a_block_is_hashed_as_rfc_2104_says(void **state) {
    (void)state;
    const struct hd_jwt_key long_key = {
        .secret = "0123456789012345678901234567890123456789012345678901234567890123456789", .issuer = "helpdesk", .audience = "helpdesk"};
    const char *token = signed_with(long_key.secret, HEADER, GOOD);
    struct hd_claims claims;
    assert_int_equal(hd_jwt_check(&long_key, token, strlen(token), now_ms, arena, &claims, NULL), 0);
}

static void tokens_in_other_forms_of_the_same_are_taken(void **state) {
    (void)state;
    taken(GOOD);
    taken(CLAIMS(",\"exp\":1790003600.75,\"nbf\":1.5,\"iat\":1789990000"));
    taken("{\"iss\":\"helpdesk\",\"aud\":[\"other\",\"helpdesk\"],\"sub\":\"u-10\",\"role\":\"agent\",\"exp\":1790003600}");
    taken(
        "{ \"exp\" : 1790003600 , \"sub\":\"u\\u002d10\", \"role\":\"agent\",\"aud\":\"helpdesk\",\"iss\":\"helpdesk\",\"x\":{\"y\":[1]}, \"z\":null }");
    struct hd_claims claims;
    const char *token = signed_with(key.secret, "{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"1\"}", GOOD);
    assert_int_equal(check(token, &claims, NULL), 0);
}

static void other_algorithms_are_refused(void **state) {
    (void)state;
    refused(signed_with(key.secret, "{\"alg\":\"none\"}", GOOD), "algorithm");
    refused(signed_with(key.secret, "{\"alg\":\"hs256\"}", GOOD), "algorithm");
    refused(signed_with(key.secret, "{\"alg\":\"HS512\"}", GOOD), "algorithm");
    refused(signed_with(key.secret, "{\"alg\":\"RS256\"}", GOOD), "algorithm");
    refused(signed_with(key.secret, "{\"alg\":[\"HS256\"]}", GOOD), "algorithm");
    refused(signed_with(key.secret, "{\"typ\":\"JWT\"}", GOOD), "algorithm");
    refused(signed_with(key.secret, "{\"alg\":\"HS256\",\"alg\":\"none\"}", GOOD), "JSON");
    refused("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1LTEwIn0.", "algorithm"); /* {"alg":"none"}, unsigned */
}

static void critical_extensions_are_refused_whatever_they_say(void **state) {
    (void)state;
    refused(signed_with(key.secret, "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1790003600}", GOOD), "crit");
    refused(signed_with(key.secret, "{\"alg\":\"HS256\",\"crit\":[]}", GOOD), "crit");
    refused(signed_with(key.secret, "{\"alg\":\"HS256\",\"crit\":null}", GOOD), "crit");
}

static void another_key_or_any_changed_byte_is_refused(void **state) {
    (void)state;
    refused(signed_with("another secret of thirty-two bytes!!", HEADER, GOOD), "signature");
    const char *good = signed_with(key.secret, HEADER, GOOD);
    size_t len = strlen(good);
    struct hd_claims claims;
    for (size_t i = 0; i < len; i++) {
        char *changed = hd_arena_strdup(arena, good);
        assert_non_null(changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_equal(check(changed, &claims, NULL), HD_ERR_UNAUTHENTICATED);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(hd_jwt_check(&key, good, cut, now_ms, arena, &claims, NULL), HD_ERR_UNAUTHENTICATED);
}

static void malformed_tokens_are_refused(void **state) {
    (void)state;
    const char *good = signed_with(key.secret, HEADER, GOOD);
    refused("", "three parts");
    refused("..", "JSON");
    refused("a.b", "three parts");
    refused(hd_arena_printf(arena, "%s.", good), "three parts");
    refused(hd_arena_printf(arena, "%s=", good), "signature");
    refused(hd_arena_printf(arena, "%sA", good), "signature");
    refused(hd_arena_printf(arena, " %s", good), "base64url");
    refused(signed_with(key.secret, "[]", GOOD), "JSON objects");
    refused(signed_with(key.secret, HEADER, "[1]"), "JSON objects");
    refused(signed_with(key.secret, HEADER, "{\"sub\":\"\xff\"}"), "JSON objects");
    refused(signed_with(key.secret, HEADER, ""), "JSON objects");
    char *long_token = hd_arena_alloc(arena, HD_JWT_MAX_BYTES + 2);
    memset(long_token, 'A', HD_JWT_MAX_BYTES + 1);
    long_token[HD_JWT_MAX_BYTES + 1] = '\0';
    refused(long_token, "longer than");
}

/* Base64url whose unused bits are not zero decodes to the same bytes: only one of the texts is a token. */
static void a_signature_has_one_text_only(void **state) {
    (void)state;
    char *token = hd_arena_strdup(arena, signed_with(key.secret, HEADER, GOOD));
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *last = token + strlen(token) - 1;
    *last = digits[(strchr(digits, *last) - digits) ^ 1];
    refused(token, "signature");
}

static void the_order_and_form_of_the_claims_do_not_matter(void **state) {
    (void)state;
    static const char *const members[] = {"\"iss\":\"helpdesk\"", "\"aud\":\"helpdesk\"", "\"sub\":\"u-10\"",
                                          "\"role\":\"agent\"",   "\"exp\":1790003600",   "\"nbf\":0",
                                          "\"iat\":1790000000"};
    const size_t count = HD_ARRAY_LEN(members);
    for (size_t first = 0; first < count; first++) {
        char plain[512] = "{", spaced[512] = " {", more[512] = "{\"x\":{},";
        for (size_t i = 0; i < count; i++) {
            const char *member = members[(first + i) % count], *comma = i + 1 < count ? "," : "}";
            strcat(strcat(plain, member), comma);
            strcat(strcat(strcat(spaced, member), comma), " ");
            strcat(strcat(more, member), comma);
        }
        taken(plain);
        taken(spaced);
        taken(more);
    }
    payload_refused(CLAIMS(",\"exp\":01790003600"), "JSON");
    payload_refused(CLAIMS(",\"exp\":-0"), "expired");
    payload_refused(CLAIMS(",\"exp\":"), "JSON");
    payload_refused(CLAIMS(",\"exp\":1790003600,"), "JSON");
    payload_refused(CLAIMS(",\"exp\":1790003600}"), "JSON");
    payload_refused(CLAIMS(",\"exp\":1790003600,\"exp\":1890003600"), "JSON");
    payload_refused(CLAIMS(",\"exp\":1790003600x"), "JSON");
    payload_refused(CLAIMS(",\"exp\":1790003600 \"x\":1"), "JSON");
    payload_refused("{", "JSON");
    payload_refused("{}", "no exp");
    payload_refused("{\"exp", "JSON");
    payload_refused("{\"exp\"", "JSON");
    taken(CLAIMS(",\"exp\":99999999999"));
    taken(CLAIMS(",\"exp\":253402300799"));
}

static void times_are_checked_with_a_leeway(void **state) {
    (void)state;
    taken(CLAIMS(",\"exp\":1789999971")); /* 29 s ago */
    payload_refused(CLAIMS(",\"exp\":1789999970"), "expired");
    payload_refused(CLAIMS(",\"exp\":0"), "expired");
    payload_refused(CLAIMS(""), "no exp");
    payload_refused(CLAIMS(",\"exp\":\"1790003600\""), "no time");
    payload_refused(CLAIMS(",\"exp\":null"), "no time");
    payload_refused(CLAIMS(",\"exp\":-1"), "no time");
    payload_refused(CLAIMS(",\"exp\":1e300"), "no time");
    payload_refused(CLAIMS(",\"exp\":99999999999999999999"), "JSON"); /* jansson takes no integer of more than 64 bits */
    taken(CLAIMS(",\"exp\":1790003600,\"nbf\":1790000030,\"iat\":1790000030"));
    payload_refused(CLAIMS(",\"exp\":1790003600,\"nbf\":1790000031"), "not valid yet");
    payload_refused(CLAIMS(",\"exp\":1790003600,\"iat\":1790000031"), "future");
    payload_refused(CLAIMS(",\"exp\":1790003600,\"nbf\":\"soon\""), "no time");
    payload_refused(CLAIMS(",\"exp\":1790003600,\"iat\":[]"), "no time");
}

static void issuer_audience_subject_and_role_are_checked(void **state) {
    (void)state;
#define WITH(iss, aud, sub, role) "{" iss aud sub role "\"exp\":1790003600}"
#define ISS "\"iss\":\"helpdesk\","
#define AUD "\"aud\":\"helpdesk\","
#define SUB "\"sub\":\"u-10\","
#define ROLE "\"role\":\"agent\","
    taken(WITH(ISS, AUD, SUB, ROLE));
    payload_refused(WITH("", AUD, SUB, ROLE), "iss");
    payload_refused(WITH("\"iss\":\"helpdesk2\",", AUD, SUB, ROLE), "iss");
    payload_refused(WITH("\"iss\":1,", AUD, SUB, ROLE), "iss");
    payload_refused(WITH(ISS, "", SUB, ROLE), "aud");
    payload_refused(WITH(ISS, "\"aud\":\"other\",", SUB, ROLE), "aud");
    payload_refused(WITH(ISS, "\"aud\":[],", SUB, ROLE), "aud");
    payload_refused(WITH(ISS, "\"aud\":[\"other\",1],", SUB, ROLE), "aud");
    payload_refused(WITH(ISS, "\"aud\":{\"helpdesk\":1},", SUB, ROLE), "aud");
    payload_refused(WITH(ISS, AUD, "", ROLE), "sub");
    payload_refused(WITH(ISS, AUD, "\"sub\":\"\",", ROLE), "sub");
    payload_refused(WITH(ISS, AUD, "\"sub\":\"a b\",", ROLE), "sub");
    payload_refused(WITH(ISS, AUD, "\"sub\":10,", ROLE), "sub");
    payload_refused(WITH(ISS, AUD, SUB, ""), "role");
    payload_refused(WITH(ISS, AUD, SUB, "\"role\":\"root\","), "role");
    payload_refused(WITH(ISS, AUD, SUB, "\"role\":[\"admin\"],"), "role");
    payload_refused(WITH(ISS, AUD, SUB, ROLE "\"role\":\"admin\","), "JSON"); /* twice */
}

static void a_full_arena_is_no_memory_and_no_refusal(void **state) {
    (void)state;
    const char *token = signed_with(key.secret, HEADER,
                                    "{\"iss\":\"helpdesk\",\"aud\":[\"helpdesk\"],\"sub\":\"u-10\",\"role\":\"agent\",\"exp\":1790003600}");
    struct hd_claims claims;
    for (size_t limit = 16;; limit += 16) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(limit);
        assert_non_null(small);
        int r = hd_jwt_check(&key, token, strlen(token), now_ms, small, &claims, NULL);
        if (r == 0)
            return;
        assert_int_equal(r, HD_ERR_NO_MEMORY);
        assert_true(limit < 64 * 1024);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_signed_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_token_is_what_openssl_makes_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_longer_than_a_block_is_hashed_as_rfc_2104_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_in_other_forms_of_the_same_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_algorithms_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(critical_extensions_are_refused_whatever_they_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_key_or_any_changed_byte_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_tokens_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signature_has_one_text_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_order_and_form_of_the_claims_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_are_checked_with_a_leeway, set_up, tear_down),
        cmocka_unit_test_setup_teardown(issuer_audience_subject_and_role_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_arena_is_no_memory_and_no_refusal, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
