/* The low-level SHA-256 calls are deprecated since OpenSSL 3.0, but need no allocation and no look-up, which HMAC() does for each call (see base/id.c). */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "producer/jwt.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"

/* ---- HMAC-SHA256 (RFC 2104) ---- */

static void hmac_round(const uint8_t key[SHA256_CBLOCK], uint8_t pad, const void *data, size_t len,
                       uint8_t ret_digest[SHA256_DIGEST_LENGTH]) {
    uint8_t padded[SHA256_CBLOCK];
    for (size_t i = 0; i < sizeof(padded); i++)
        padded[i] = key[i] ^ pad;
    SHA256_CTX context;
    SHA256_Init(&context); /* these cannot fail */
    SHA256_Update(&context, padded, sizeof(padded));
    SHA256_Update(&context, data, len);
    SHA256_Final(ret_digest, &context);
}

static void hmac(const char *secret, const void *data, size_t len, uint8_t ret_digest[SHA256_DIGEST_LENGTH]) {
    uint8_t key[SHA256_CBLOCK] = {0};
    size_t secret_len = strlen(secret);
    if (secret_len > sizeof(key)) {
        SHA256_CTX context;
        SHA256_Init(&context);
        SHA256_Update(&context, secret, secret_len);
        SHA256_Final(key, &context);
    } else {
        memcpy(key, secret, secret_len);
    }
    uint8_t inner[SHA256_DIGEST_LENGTH];
    hmac_round(key, 0x36, data, len, inner);
    hmac_round(key, 0x5c, inner, sizeof(inner), ret_digest);
}

/* ---- base64url without padding (RFC 4648 §5) ---- */

static size_t encoded_len(size_t len) {
    return (len * 4 + 2) / 3;
}

static char *encode(char *at, const void *bytes, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *data = bytes;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | data[i];
        for (held += 8; held >= 6; held -= 6)
            *at++ = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *at++ = digits[bits << (6 - held) & 63];
    return at;
}

/* By character: the digit's value plus one, 0 for what is none. */
static const uint8_t digit_values[256] = {
    ['-'] = 63, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['A'] = 1, 2,  3,  4,  5,          6,          7,  8,  9,  10, 11,
    12,         13,         14, 15, 16, 17, 18, 19, 20, 21, 22, 23,        24, 25, 26, ['_'] = 64, ['a'] = 27, 28, 29, 30, 31, 32,
    33,         34,         35, 36, 37, 38, 39, 40, 41, 42, 43, 44,        45, 46, 47, 48,         49,         50, 51, 52,
};

/* Writes len * 3 / 4 bytes at most. False for a character that is none of the 64, a length that cannot be, and bits behind the last byte that are not zero (so
 * that no two texts mean the same). */
static bool decode(const char *text, size_t len, uint8_t *at, size_t *ret_len) {
    uint32_t bits = 0;
    int held = 0;
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t value = digit_values[(uint8_t)text[i]];
        if (value == 0)
            return false;
        bits = bits << 6 | (uint32_t)(value - 1);
        held += 6;
        if (held >= 8) {
            held -= 8;
            at[count++] = (uint8_t)(bits >> held);
        }
    }
    if (len % 4 == 1 || (bits & ((1u << held) - 1)) != 0)
        return false;
    *ret_len = count;
    return true;
}

/* ---- checking ---- */

/* {"alg":"HS256","typ":"JWT"}: what nearly every token begins with, and needs no parsing. */
static const char usual_header[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

static int refuse(struct hd_error *err, const char *why) {
    return hd_error_set(err, HD_ERR_UNAUTHENTICATED, "%s", why);
}

static int parse_part(const char *text, size_t len, struct hd_arena *arena, json_t **ret_root, struct hd_error *err) {
    char *decoded = hd_arena_alloc(arena, len + 1);
    size_t decoded_len = 0;
    if (!decoded)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a token");
    if (!decode(text, len, (uint8_t *)decoded, &decoded_len))
        return refuse(err, "the token is not base64url");
    int r = hd_json_parse(arena, decoded, decoded_len, 0, ret_root, err);
    if (r == HD_ERR_NO_MEMORY)
        return r;
    return r < 0 || !json_is_object(*ret_root) ? refuse(err, "the token is not made of JSON objects") : 0;
}

static int check_header(const char *text, size_t len, struct hd_arena *arena, struct hd_error *err) {
    if (len == sizeof(usual_header) - 1 && memcmp(text, usual_header, len) == 0)
        return 0;
    json_t *header = NULL;
    int r = parse_part(text, len, arena, &header, err);
    if (r < 0)
        return r;
    const char *algorithm = hd_json_str(header, "alg");
    if (!algorithm || strcmp(algorithm, "HS256") != 0)
        return refuse(err, "the token's algorithm is not HS256");
    if (json_object_get(header, "crit"))
        return refuse(err, "the token has critical extensions (crit), and none is known here");
    return 0;
}

static int check_signature(const struct hd_jwt_key *key, const char *token, size_t signed_len, size_t len, struct hd_error *err) {
    uint8_t want[SHA256_DIGEST_LENGTH], got[SHA256_DIGEST_LENGTH + 3];
    const char *signature = token + signed_len + 1;
    size_t signature_len = len - signed_len - 1, got_len;
    bool right_size =
        signature_len == encoded_len(sizeof(want)) && decode(signature, signature_len, got, &got_len) && got_len == sizeof(want);
    if (!right_size)
        return refuse(err, "the token's signature is wrong");
    hmac(key->secret, token, signed_len, want);
    return CRYPTO_memcmp(want, got, sizeof(want)) == 0 ? 0 : refuse(err, "the token's signature is wrong");
}

/* A NumericDate (RFC 7519 §2): a number, which may have a fraction. False when it is there and is not one that makes sense. */
static bool read_date(const json_t *claims, const char *name, int64_t absent, int64_t *ret_s) {
    static const double latest_s = 253402300799.0; /* the end of the year 9999 */
    const json_t *value = json_object_get(claims, name);
    double number = json_number_value(value);
    if (value && (!json_is_number(value) || !(number >= 0 && number <= latest_s)))
        return false;
    *ret_s = value ? (int64_t)number : absent;
    return true;
}

static int check_times(const json_t *payload, int64_t now_s, int64_t *ret_expires_at_s, struct hd_error *err) {
    int64_t expires_at_s, not_before_s, issued_at_s;
    if (!json_object_get(payload, "exp"))
        return refuse(err, "the token has no exp: it would never expire");
    if (!read_date(payload, "exp", 0, &expires_at_s) || !read_date(payload, "nbf", 0, &not_before_s) ||
        !read_date(payload, "iat", 0, &issued_at_s))
        return refuse(err, "the token's exp, nbf or iat is no time");
    if (now_s >= expires_at_s + HD_JWT_LEEWAY_S)
        return refuse(err, "the token has expired");
    if (now_s < not_before_s - HD_JWT_LEEWAY_S)
        return refuse(err, "the token is not valid yet");
    if (now_s < issued_at_s - HD_JWT_LEEWAY_S)
        return refuse(err, "the token was issued in the future");
    *ret_expires_at_s = expires_at_s;
    return 0;
}

static bool is_text(const json_t *value, const char *text) {
    const char *got = json_string_value(value);
    return got && strcmp(got, text) == 0;
}

static bool is_for(const json_t *audience, const char *us) {
    for (size_t i = 0; i < json_array_size(audience); i++) {
        if (is_text(json_array_get(audience, i), us))
            return true;
    }
    return is_text(audience, us);
}

static int read_claims(const struct hd_jwt_key *key, const json_t *payload, int64_t now_ms, struct hd_claims *ret_claims,
                       struct hd_error *err) {
    struct hd_claims claims = {.subject = hd_json_str(payload, "sub")};
    int r = check_times(payload, now_ms / 1000, &claims.expires_at_s, err);
    if (r < 0)
        return r;
    if (!is_text(json_object_get(payload, "iss"), key->issuer))
        return refuse(err, "the token is not from our issuer (iss)");
    if (!is_for(json_object_get(payload, "aud"), key->audience))
        return refuse(err, "the token is not for this API (aud)");
    if (!claims.subject || !hd_id_acceptable(claims.subject))
        return refuse(err, "the token names no user (sub)");
    int role = hd_role_from_name(hd_json_str(payload, "role"));
    if (role < 0)
        return refuse(err, "the token has no role that is known here");
    claims.role = (enum hd_role)role;
    *ret_claims = claims;
    return 0;
}

int hd_jwt_check(const struct hd_jwt_key *key, const char *token, size_t len, int64_t now_ms, struct hd_arena *arena,
                 struct hd_claims *ret_claims, struct hd_error *err) {
    if (len > HD_JWT_MAX_BYTES)
        return refuse(err, "the token is longer than 4096 bytes");
    static_assert(HD_JWT_MAX_BYTES == 4096, "the line above tells people this number");
    const char *first_dot = memchr(token, '.', len);
    const char *second_dot = first_dot ? memchr(first_dot + 1, '.', len - (size_t)(first_dot + 1 - token)) : NULL;
    if (!second_dot || memchr(second_dot + 1, '.', len - (size_t)(second_dot + 1 - token)))
        return refuse(err, "the token is not made of three parts");
    int r = check_header(token, (size_t)(first_dot - token), arena, err);
    if (r < 0)
        return r;
    r = check_signature(key, token, (size_t)(second_dot - token), len, err);
    if (r < 0)
        return r;
    json_t *payload = NULL;
    r = parse_part(first_dot + 1, (size_t)(second_dot - first_dot - 1), arena, &payload, err);
    return r ? r : read_claims(key, payload, now_ms, ret_claims, err);
}

/* ---- signing ---- */

static void write_payload(struct hd_buffer *out, const struct hd_jwt_key *key, const struct hd_claims *claims, int64_t now_ms) {
    struct hd_json_writer w = hd_json_writer(out);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "iss", key->issuer);
    hd_json_put_str(&w, "aud", key->audience);
    hd_json_put_str(&w, "sub", claims->subject);
    hd_json_put_str(&w, "role", hd_role_name(claims->role));
    hd_json_put_int(&w, "iat", now_ms / 1000);
    hd_json_put_int(&w, "exp", claims->expires_at_s);
    hd_json_close_object(&w);
}

int hd_jwt_sign(const struct hd_jwt_key *key, const struct hd_claims *claims, int64_t now_ms, struct hd_arena *arena,
                const char **ret_token, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer payload = {0};
    write_payload(&payload, key, claims, now_ms);
    int r = hd_buffer_check(&payload, err);
    if (r < 0)
        return r;
    size_t size = sizeof(usual_header) + 1 + encoded_len(payload.len) + 1 + encoded_len(SHA256_DIGEST_LENGTH);
    char *token = hd_arena_alloc(arena, size);
    if (!token)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a token");
    char *at = mempcpy(token, usual_header, sizeof(usual_header) - 1);
    *at++ = '.';
    at = encode(at, payload.data, payload.len);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    hmac(key->secret, token, (size_t)(at - token), digest);
    *at++ = '.';
    at = encode(at, digest, sizeof(digest));
    *at = '\0';
    *ret_token = token;
    return 0;
}
