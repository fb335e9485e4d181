#include "adapters/aws/credentials_text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>

#include "base/json.h"
#include "base/rfc3339.h"
#include "base/utf8.h"

/* ---- shared files ---- */

struct slice {
    const char *text;
    size_t len;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(struct slice s) {
    while (s.len > 0 && is_blank(s.text[0])) {
        s.text++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.text[s.len - 1]))
        s.len--;
    return s;
}

static bool is(struct slice s, const char *text) {
    return s.len == strlen(text) && strncasecmp(s.text, text, s.len) == 0;
}

/* "[name]", "[profile name]": whether it is the one. Names are told apart by case. */
static bool is_section(struct slice line, const char *profile, bool in_config) {
    const char *end = memchr(line.text, ']', line.len);
    if (!end)
        return false;
    struct slice name = trim((struct slice){line.text + 1, (size_t)(end - line.text) - 1});
    static const char word[] = "profile";
    size_t word_len = sizeof word - 1;
    bool prefixed = in_config && name.len > word_len && memcmp(name.text, word, word_len) == 0 && is_blank(name.text[word_len]);
    if (in_config && !prefixed && strcmp(profile, "default") != 0)
        return false;
    if (prefixed)
        name = trim((struct slice){name.text + word_len, name.len - word_len});
    return name.len == strlen(profile) && memcmp(name.text, profile, name.len) == 0;
}

/* Without a comment behind it: " #" or " ;". */
static struct slice value_of(struct slice s) {
    for (size_t i = 1; i < s.len; i++)
        if ((s.text[i] == '#' || s.text[i] == ';') && is_blank(s.text[i - 1]))
            s.len = i;
    return trim(s);
}

static int read_setting(struct slice line, struct hd_arena *arena, struct hd_profile *found, struct hd_error *err) {
    static const char *const others[] = {"role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file"};
    const char *equals = memchr(line.text, '=', line.len);
    if (!equals)
        return 0;
    struct slice name = trim((struct slice){line.text, (size_t)(equals - line.text)});
    struct slice value = value_of((struct slice){equals + 1, line.len - (size_t)(equals - line.text) - 1});
    for (size_t i = 0; i < HD_ARRAY_LEN(others); i++)
        if (is(name, others[i]))
            found->other = others[i];
    const struct {
        const char *name;
        const char **to;
    } wanted[] = {{"aws_access_key_id", &found->keys.access_key_id},
                  {"aws_secret_access_key", &found->keys.secret_access_key},
                  {"aws_session_token", &found->keys.session_token}};
    for (size_t i = 0; i < HD_ARRAY_LEN(wanted); i++)
        if (is(name, wanted[i].name) && !(*wanted[i].to = hd_arena_strndup(arena, value.text, value.len)))
            return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a profile");
    return 0;
}

int hd_profile_read(const char *text, size_t len, const char *profile, bool in_config, struct hd_arena *arena,
                    struct hd_profile *ret_profile, struct hd_error *err) {
    struct hd_profile here = {0};
    bool inside = false;
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t line_len = newline ? (size_t)(newline - text) - at : len - at;
        struct slice line = {text + at, line_len};
        at += line_len + 1;
        if (line.len == 0 || line.text[0] == '#' || line.text[0] == ';' ||
            is_blank(line.text[0])) /* what is indented belongs to another's setting */
            continue;
        if (line.text[0] == '[') {
            inside = is_section(line, profile, in_config);
            here.found = here.found || inside;
            continue;
        }
        int r = inside ? read_setting(line, arena, &here, err) : 0;
        if (r < 0)
            return r;
    }
    /* Keys of two files do not mix: half of a pair would be signed with the wrong half. */
    bool has_keys = ret_profile->keys.access_key_id || ret_profile->keys.secret_access_key;
    if (!has_keys)
        ret_profile->keys = here.keys;
    ret_profile->found = ret_profile->found || here.found;
    ret_profile->other = ret_profile->other ? ret_profile->other : here.other;
    return 0;
}

/* ---- answers ---- */

int hd_credentials_answer_read(const char *body, size_t len, struct hd_arena *arena, struct hd_credentials_text *ret_keys,
                               struct hd_error *err) {
    json_t *root = NULL;
    if (hd_json_parse(arena, body, len, 0, &root, NULL) < 0)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "the answer is no JSON");
    const char *code = hd_json_str(root, "Code");
    if (code && strcmp(code, "Success") != 0)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "the answer is %.64s", code);
    struct hd_credentials_text keys = {hd_json_str(root, "AccessKeyId"), hd_json_str(root, "SecretAccessKey"), hd_json_str(root, "Token"),
                                       INT64_MAX};
    const char *expiration = hd_json_str(root, "Expiration");
    if (!keys.access_key_id || !keys.access_key_id[0] || !keys.secret_access_key || !keys.secret_access_key[0])
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "the answer holds no AccessKeyId and SecretAccessKey");
    if (expiration && !hd_time_parse(expiration, &keys.expires_at_ms))
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "the answer's Expiration is no time");
    *ret_keys = keys;
    return 0;
}

/* ---- where containers' keys come from ---- */

static bool is_loopback(const char *host) {
    struct in_addr address;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static bool is_allowed(const char *scheme, const char *host) {
    static const char *const containers[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    if (strcmp(scheme, "https") == 0)
        return true;
    if (strcmp(scheme, "http") != 0)
        return false;
    for (size_t i = 0; i < HD_ARRAY_LEN(containers); i++)
        if (strcmp(host, containers[i]) == 0)
            return true;
    return is_loopback(host);
}

bool hd_container_url_allowed(const char *url) {
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL;
    bool allowed = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && is_allowed(scheme, host);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    return allowed;
}
