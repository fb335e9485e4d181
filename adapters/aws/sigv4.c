#include "adapters/aws/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/rfc3339.h"

enum { SHA256_BYTES = 32, DATE_LEN = 8, AMZ_DATE_LEN = 16, OWN_HEADERS = 3, OWN_PARAMETERS = 6, TEXT_MAX_BYTES = 1024 * 1024 };

static const char algorithm[] = "AWS4-HMAC-SHA256";

/* A request on its way through the steps. */
struct signing {
    const struct hd_sigv4_request *request;
    const struct hd_sigv4_keys *keys;
    const struct hd_sigv4_scope *scope;
    struct hd_arena *arena;
    bool by_query;
    char amz_date[AMZ_DATE_LEN + 1];
    char body_sha256[HD_SIGV4_SHA256_HEX + 1];
    const char *credential_scope; /* 20150830/us-east-1/service/aws4_request */
    struct hd_sigv4_header headers[HD_SIGV4_HEADERS_MAX + OWN_HEADERS];
    size_t header_count;
    const char *signed_headers;
    const char *query;    /* by query: all but the signature, as it is sent */
    struct hd_buffer out; /* the text that is being made */
};

/* ---- bytes ---- */

static void write_hex(const unsigned char *bytes, size_t count, char *ret_hex) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *ret_hex++ = digits[bytes[i] >> 4];
        *ret_hex++ = digits[bytes[i] & 15];
    }
    *ret_hex = '\0';
}

static bool sha256_hex(const void *data, size_t len, char *ret_hex) {
    unsigned char digest[SHA256_BYTES];
    if (!EVP_Digest(len > 0 ? data : "", len, digest, NULL, EVP_sha256(), NULL))
        return false;
    write_hex(digest, sizeof digest, ret_hex);
    return true;
}

static bool hmac(const void *key, size_t key_len, const char *text, unsigned char *ret_digest) {
    return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), ret_digest, NULL) != NULL;
}

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory to sign a request");
}

/* What was written so far, moved into the arena. NULL when memory is out. */
static const char *take_text(struct signing *s) {
    const char *text = s->out.failure ? NULL : hd_arena_strndup(s->arena, hd_buffer_text(&s->out), s->out.len);
    hd_buffer_clear(&s->out);
    return text;
}

static bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
}

static void add_encoded(struct hd_buffer *out, const char *text, size_t len, bool keep_slash) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_unreserved(text[i]) || (keep_slash && text[i] == '/')) {
            hd_buffer_add_char(out, text[i]);
            continue;
        }
        char triplet[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        hd_buffer_add(out, triplet, sizeof triplet);
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes back one encoding; a '%' that begins none stays. In the arena, NULL when memory is out. */
static char *decoded(struct hd_arena *arena, const char *text, size_t len, size_t *ret_len) {
    char *copy = hd_arena_alloc(arena, len + 1);
    if (!copy)
        return NULL;
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        copy[to++] = low >= 0 ? (char)(high * 16 + low) : text[i];
        i += low >= 0 ? 2 : 0;
    }
    copy[to] = '\0';
    *ret_len = to;
    return copy;
}

/* ---- the path ---- */

/* Without "." and empty segments, ".." taking the one before it; a slash at the end stays. out begins empty. */
static void add_normalised(struct hd_buffer *out, const char *path) {
    bool slash_at_end = path[strlen(path) - 1] == '/';
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            while (out->len > 0 && out->data[--out->len] != '/')
                ;
        } else if (len != 1 || path[0] != '.') {
            hd_buffer_add_char(out, '/');
            hd_buffer_add(out, path, len);
        }
        path += len;
    }
    if (slash_at_end || out->len == 0)
        hd_buffer_add_char(out, '/');
}

static const char *canonical_path(struct signing *s) {
    const char *path = s->request->path && s->request->path[0] ? s->request->path : "/";
    if (!s->scope->path_as_it_is) {
        add_normalised(&s->out, path);
        path = take_text(s);
    }
    size_t len = path ? strlen(path) : 0;
    if (path && s->scope->encode_once)
        path = decoded(s->arena, path, len, &len);
    if (!path)
        return NULL;
    add_encoded(&s->out, path, len, true);
    return take_text(s);
}

/* ---- the query ---- */

struct parameter {
    const char *name, *value; /* encoded */
};

static int compare_parameters(const void *a, const void *b) {
    const struct parameter *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : strcmp(one->value, other->value);
}

/* Encoded in the one way that counts, however it is sent. */
static const char *reencoded(struct signing *s, const char *text, size_t len) {
    char *plain = decoded(s->arena, text, len, &len);
    if (!plain)
        return NULL;
    struct hd_buffer piece = {.limit_bytes = TEXT_MAX_BYTES};
    add_encoded(&piece, plain, len, false);
    const char *encoded = piece.failure ? NULL : hd_arena_strndup(s->arena, hd_buffer_text(&piece), piece.len);
    hd_buffer_free(&piece);
    return encoded;
}

static int parse_query(struct signing *s, const char *query, struct parameter *ret_parameters, size_t *ret_count, struct hd_error *err) {
    size_t count = 0;
    for (const char *at = query; *at;) {
        size_t len = strcspn(at, "&");
        size_t name_len = strcspn(at, "=&");
        if (len > 0) {
            if (count == (size_t)HD_SIGV4_PARAMETERS_MAX + OWN_PARAMETERS)
                return hd_error_set(err, HD_ERR_INVALID, "a request to sign has more than %d parameters", HD_SIGV4_PARAMETERS_MAX);
            struct parameter *p = &ret_parameters[count++];
            p->name = reencoded(s, at, name_len);
            p->value = name_len < len ? reencoded(s, at + name_len + 1, len - name_len - 1) : "";
            if (!p->name || !p->value)
                return no_memory(err);
        }
        at += len + (at[len] == '&');
    }
    *ret_count = count;
    return 0;
}

static int canonical_query(struct signing *s, const char *query, const char **ret_text, struct hd_error *err) {
    struct parameter parameters[HD_SIGV4_PARAMETERS_MAX + OWN_PARAMETERS];
    size_t count = 0;
    int r = parse_query(s, query, parameters, &count, err);
    if (r < 0)
        return r;
    qsort(parameters, count, sizeof parameters[0], compare_parameters);
    for (size_t i = 0; i < count; i++) {
        hd_buffer_add_str(&s->out, i > 0 ? "&" : "");
        hd_buffer_add_str(&s->out, parameters[i].name);
        hd_buffer_add_char(&s->out, '=');
        hd_buffer_add_str(&s->out, parameters[i].value);
    }
    const char *text = take_text(s);
    if (!text)
        return no_memory(err);
    *ret_text = text;
    return 0;
}

/* ---- the headers ---- */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *lower_case(struct hd_arena *arena, const char *text) {
    char *copy = hd_arena_strdup(arena, text);
    for (char *c = copy; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    return copy;
}

static const char *trimmed(struct hd_arena *arena, const char *text) {
    char *copy = hd_arena_strdup(arena, text);
    char *to = copy;
    for (const char *c = text; copy && *c; c++)
        if (!is_space(*c))
            *to++ = *c;
        else if (to > copy && to[-1] != ' ')
            *to++ = ' ';
    if (!copy)
        return NULL;
    if (to > copy && to[-1] == ' ')
        to--;
    *to = '\0';
    return copy;
}

/* Sorted by name as they come in; a name that is there already goes behind its like. */
static bool add_header(struct signing *s, const char *name, const char *value) {
    struct hd_sigv4_header header = {lower_case(s->arena, name), trimmed(s->arena, value)};
    if (!header.name || !header.value)
        return false;
    size_t at = s->header_count++;
    for (; at > 0 && strcmp(s->headers[at - 1].name, header.name) > 0; at--)
        s->headers[at] = s->headers[at - 1];
    s->headers[at] = header;
    return true;
}

static bool has_token(const struct signing *s) {
    return s->keys->session_token && s->keys->session_token[0];
}

static int collect_headers(struct signing *s, struct hd_error *err) {
    if (s->request->header_count > HD_SIGV4_HEADERS_MAX)
        return hd_error_set(err, HD_ERR_INVALID, "a request to sign has more than %d headers", HD_SIGV4_HEADERS_MAX);
    bool done = true;
    for (size_t i = 0; done && i < s->request->header_count; i++)
        done = add_header(s, s->request->headers[i].name, s->request->headers[i].value);
    if (!s->by_query) {
        done = done && add_header(s, "x-amz-date", s->amz_date);
        if (has_token(s) && !s->scope->token_unsigned)
            done = done && add_header(s, "x-amz-security-token", s->keys->session_token);
        if (s->scope->body_header)
            done = done && add_header(s, "x-amz-content-sha256", s->body_sha256);
    }
    for (size_t i = 0; i < s->header_count; i++)
        if (i == 0 || strcmp(s->headers[i - 1].name, s->headers[i].name) != 0) {
            hd_buffer_add_str(&s->out, i > 0 ? ";" : "");
            hd_buffer_add_str(&s->out, s->headers[i].name);
        }
    s->signed_headers = take_text(s);
    return done && s->signed_headers ? 0 : no_memory(err);
}

static void add_canonical_headers(struct signing *s) {
    for (size_t i = 0; i < s->header_count; i++) {
        bool again = i > 0 && strcmp(s->headers[i - 1].name, s->headers[i].name) == 0;
        if (!again) {
            hd_buffer_add_str(&s->out, i > 0 ? "\n" : "");
            hd_buffer_add_str(&s->out, s->headers[i].name);
        }
        hd_buffer_add_char(&s->out, again ? ',' : ':');
        hd_buffer_add_str(&s->out, s->headers[i].value);
    }
    hd_buffer_add_str(&s->out, s->header_count > 0 ? "\n" : "");
}

/* ---- the steps ---- */

static void add_parameter(struct signing *s, const char *name, const char *value) {
    hd_buffer_add_str(&s->out, s->out.len > 0 ? "&" : "");
    hd_buffer_add_str(&s->out, name);
    hd_buffer_add_char(&s->out, '=');
    add_encoded(&s->out, value, strlen(value), false);
}

static void add_token(struct signing *s) {
    add_parameter(s, "X-Amz-Security-Token", s->keys->session_token);
}

/* By query: what the signature's parameters are, the signature itself left out. */
static int extend_query(struct signing *s, struct hd_error *err) {
    const char *credential = hd_arena_printf(s->arena, "%s/%s", s->keys->access_key_id, s->credential_scope);
    const char *expires = hd_arena_printf(s->arena, "%lld", (long long)s->scope->expires_s);
    if (!credential || !expires)
        return no_memory(err);
    hd_buffer_add_str(&s->out, s->request->query ? s->request->query : "");
    add_parameter(s, "X-Amz-Algorithm", algorithm);
    add_parameter(s, "X-Amz-Credential", credential);
    add_parameter(s, "X-Amz-Date", s->amz_date);
    add_parameter(s, "X-Amz-SignedHeaders", s->signed_headers);
    add_parameter(s, "X-Amz-Expires", expires);
    if (has_token(s) && !s->scope->token_unsigned)
        add_token(s);
    s->query = take_text(s);
    return s->query ? 0 : no_memory(err);
}

static int begin(struct signing *s, struct hd_error *err) {
    struct hd_time_text time = hd_time_format(s->scope->time_ms); /* 2015-08-30T12:36:00.000Z */
    char *to = s->amz_date;
    for (size_t i = 0; i < sizeof "2015-08-30T12:36:00" - 1; i++)
        if (time.text[i] != '-' && time.text[i] != ':')
            *to++ = time.text[i];
    *to++ = 'Z';
    *to = '\0';
    if (!sha256_hex(s->request->body, s->request->body_bytes, s->body_sha256))
        return no_memory(err);
    s->credential_scope = hd_arena_printf(s->arena, "%.*s/%s/%s/aws4_request", DATE_LEN, s->amz_date, s->scope->region, s->scope->service);
    return s->credential_scope ? 0 : no_memory(err);
}

static int make_canonical_request(struct signing *s, const char **ret_text, struct hd_error *err) {
    const char *query = s->by_query ? s->query : s->request->query ? s->request->query : "";
    int r = canonical_query(s, query, &query, err);
    if (r < 0)
        return r;
    const char *path = canonical_path(s);
    if (!path)
        return no_memory(err);
    hd_buffer_printf(&s->out, "%s\n", s->request->method);
    hd_buffer_add_str(&s->out, path);
    hd_buffer_add_char(&s->out, '\n');
    hd_buffer_add_str(&s->out, query);
    hd_buffer_add_char(&s->out, '\n');
    add_canonical_headers(s);
    hd_buffer_add_char(&s->out, '\n');
    hd_buffer_add_str(&s->out, s->signed_headers);
    hd_buffer_add_char(&s->out, '\n');
    hd_buffer_add_str(&s->out, s->body_sha256);
    *ret_text = take_text(s);
    return *ret_text ? 0 : no_memory(err);
}

static const char *make_string_to_sign(const struct signing *s, const char *canonical_request) {
    char digest[HD_SIGV4_SHA256_HEX + 1];
    if (!sha256_hex(canonical_request, strlen(canonical_request), digest))
        return NULL;
    return hd_arena_printf(s->arena, "%s\n%s\n%s\n%s", algorithm, s->amz_date, s->credential_scope, digest);
}

/* The key is derived of the secret for a day, region and service. */
static const char *make_signature(struct signing *s, const char *string_to_sign) {
    unsigned char key[SHA256_BYTES];
    char date[DATE_LEN + 1], hex[HD_SIGV4_SHA256_HEX + 1];
    memcpy(date, s->amz_date, DATE_LEN);
    date[DATE_LEN] = '\0';
    hd_buffer_add_str(&s->out, "AWS4");
    hd_buffer_add_str(&s->out, s->keys->secret_access_key);
    bool done = !s->out.failure && hmac(hd_buffer_text(&s->out), s->out.len, date, key) && hmac(key, sizeof key, s->scope->region, key) &&
                hmac(key, sizeof key, s->scope->service, key) && hmac(key, sizeof key, "aws4_request", key) &&
                hmac(key, sizeof key, string_to_sign, key);
    if (s->out.len > 0)
        explicit_bzero(s->out.data, s->out.len);
    hd_buffer_clear(&s->out);
    if (!done)
        return NULL;
    write_hex(key, sizeof key, hex);
    return hd_arena_strdup(s->arena, hex);
}

static const char *make_authorization(const struct signing *s, const char *signature) {
    return hd_arena_printf(s->arena, "%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", algorithm, s->keys->access_key_id,
                           s->credential_scope, s->signed_headers, signature);
}

static const char *make_signed_query(struct signing *s, const char *signature) {
    hd_buffer_add_str(&s->out, s->query);
    if (has_token(s) && s->scope->token_unsigned)
        add_token(s);
    add_parameter(s, "X-Amz-Signature", signature);
    return take_text(s);
}

static int sign(struct signing *s, struct hd_sigv4_signed *ret_signed, struct hd_error *err) {
    struct hd_sigv4_signed result = {0};
    int r = begin(s, err);
    if (r == 0)
        r = collect_headers(s, err);
    if (r == 0 && s->by_query)
        r = extend_query(s, err);
    if (r == 0)
        r = make_canonical_request(s, &result.canonical_request, err);
    if (r != 0)
        return r;
    result.string_to_sign = make_string_to_sign(s, result.canonical_request);
    result.signature = result.string_to_sign ? make_signature(s, result.string_to_sign) : NULL;
    result.signed_headers = s->signed_headers;
    result.amz_date = hd_arena_strdup(s->arena, s->amz_date);
    result.body_sha256 = hd_arena_strdup(s->arena, s->body_sha256);
    if (!result.signature || !result.amz_date || !result.body_sha256)
        return no_memory(err);
    *(s->by_query ? &result.query : &result.authorization) =
        s->by_query ? make_signed_query(s, result.signature) : make_authorization(s, result.signature);
    if (!result.query && !result.authorization)
        return no_memory(err);
    *ret_signed = result;
    return 0;
}

int hd_sigv4_sign_headers(const struct hd_sigv4_request *request, const struct hd_sigv4_keys *keys, const struct hd_sigv4_scope *scope,
                          struct hd_arena *arena, struct hd_sigv4_signed *ret_signed, struct hd_error *err) {
    struct signing s = {.request = request, .keys = keys, .scope = scope, .arena = arena, .out.limit_bytes = TEXT_MAX_BYTES};
    int r = sign(&s, ret_signed, err);
    hd_buffer_free(&s.out);
    return r;
}

int hd_sigv4_sign_query(const struct hd_sigv4_request *request, const struct hd_sigv4_keys *keys, const struct hd_sigv4_scope *scope,
                        struct hd_arena *arena, struct hd_sigv4_signed *ret_signed, struct hd_error *err) {
    struct signing s = {
        .request = request, .keys = keys, .scope = scope, .arena = arena, .by_query = true, .out.limit_bytes = TEXT_MAX_BYTES};
    int r = sign(&s, ret_signed, err);
    hd_buffer_free(&s.out);
    return r;
}
