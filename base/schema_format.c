#include "base/schema_format.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* A place in a text; the readers step over what they know and say whether it stood there. */
struct cursor {
    const char *at, *end;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_hex(char c) {
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* For sets of ASCII characters; NUL is in none. */
static bool is_one_of(char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

static bool at_end(const struct cursor *c) {
    return c->at == c->end;
}

static bool take(struct cursor *c, char wanted) {
    if (at_end(c) || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_letter(struct cursor *c, char lower) {
    if (at_end(c) || (*c->at | 0x20) != lower)
        return false;
    c->at++;
    return true;
}

static size_t take_digits(struct cursor *c) {
    const char *start = c->at;
    while (!at_end(c) && is_digit(*c->at))
        c->at++;
    return (size_t)(c->at - start);
}

/* Exactly count digits. */
static bool take_number(struct cursor *c, int count, int *ret_value) {
    if (c->end - c->at < count)
        return false;
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(c->at[i]))
            return false;
        value = value * 10 + (c->at[i] - '0');
    }
    c->at += count;
    *ret_value = value;
    return true;
}

/* ---- RFC 3339 ---- */

static bool take_date(struct cursor *c) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_number(c, 4, &year) || !take(c, '-') || !take_number(c, 2, &month) || !take(c, '-') || !take_number(c, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

/* Z or ±hh:mm, as minutes to subtract for UTC. */
static bool take_offset(struct cursor *c, int *ret_minutes) {
    *ret_minutes = 0;
    if (take_letter(c, 'z'))
        return true;
    int sign = take(c, '-') ? -1 : 1, hours, minutes;
    if (sign > 0 && !take(c, '+'))
        return false;
    if (!take_number(c, 2, &hours) || !take(c, ':') || !take_number(c, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool take_time(struct cursor *c) {
    enum { DAY_MINUTES = 24 * 60 };
    int hour, minute, second, offset;
    if (!take_number(c, 2, &hour) || !take(c, ':') || !take_number(c, 2, &minute) || !take(c, ':') || !take_number(c, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    if (take(c, '.') && take_digits(c) == 0)
        return false;
    if (!take_offset(c, &offset))
        return false;
    /* A leap second comes only at 23:59:60 UTC. */
    int utc = (hour * 60 + minute - offset + 2 * DAY_MINUTES) % DAY_MINUTES;
    return second < 60 || utc == DAY_MINUTES - 1;
}

static bool check_date(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    return take_date(&c) && at_end(&c);
}

static bool check_time(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    return take_time(&c) && at_end(&c);
}

static bool check_date_time(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    return take_date(&c) && take_letter(&c, 't') && take_time(&c) && at_end(&c);
}

/* Units of a duration in their order, each at most once, none left out between two that are there (RFC 3339 appendix A). */
static bool take_units(struct cursor *c, const char *units) {
    const char *next = NULL;
    do {
        if (take_digits(c) == 0 || at_end(c))
            return false;
        const char *unit = is_one_of(*c->at, units) ? strchr(units, *c->at) : NULL;
        if (!unit || (next && unit != next))
            return false;
        next = unit + 1;
        c->at++;
    } while (!at_end(c) && *c->at != 'T');
    return true;
}

static bool check_duration(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    if (!take(&c, 'P'))
        return false;
    struct cursor weeks = c;
    if (take_digits(&weeks) > 0 && take(&weeks, 'W'))
        return at_end(&weeks);
    if (!at_end(&c) && *c.at != 'T' && !take_units(&c, "YMD"))
        return false;
    if (at_end(&c))
        return len > 1;
    return take(&c, 'T') && take_units(&c, "HMS") && at_end(&c);
}

/* ---- names and addresses ---- */

static bool check_hostname(const char *text, size_t len) {
    enum { MAX_NAME = 253, MAX_LABEL = 63 };
    if (len == 0 || len > MAX_NAME)
        return false;
    size_t label = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || text[i] == '.') {
            const char *start = text + i - label;
            if (label == 0 || label > MAX_LABEL || start[0] == '-' || start[label - 1] == '-')
                return false;
            /* Hyphens in the third and fourth place are reserved (RFC 5891 §4.2.3.1) for A-labels, whose inside we do not look at. */
            bool reserved = label >= 4 && start[2] == '-' && start[3] == '-';
            if (reserved && !(label > 4 && (start[0] | 0x20) == 'x' && (start[1] | 0x20) == 'n'))
                return false;
            label = 0;
            continue;
        }
        if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-')
            return false;
        label++;
    }
    return true;
}

static bool is_address(int family, const char *text, size_t len) {
    char copy[INET6_ADDRSTRLEN + 1];
    unsigned char binary[sizeof(struct in6_addr)];
    if (len == 0 || len >= sizeof copy || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return inet_pton(family, copy, binary) == 1;
}

static bool check_ipv4(const char *text, size_t len) {
    return is_address(AF_INET, text, len);
}

static bool check_ipv6(const char *text, size_t len) {
    return is_address(AF_INET6, text, len);
}

static bool take_quoted_local_part(struct cursor *c) {
    while (!at_end(c) && *c->at != '"') {
        if (*c->at == '\\')
            c->at++;
        if (at_end(c) || *c->at < ' ' || *c->at > '~')
            return false;
        c->at++;
    }
    return take(c, '"');
}

static bool take_local_part(struct cursor *c) {
    if (take(c, '"'))
        return take_quoted_local_part(c);
    size_t atom = 0;
    for (; !at_end(c) && *c->at != '@'; c->at++) {
        if (*c->at == '.') {
            if (atom == 0)
                return false;
            atom = 0;
        } else if (is_letter(*c->at) || is_digit(*c->at) || is_one_of(*c->at, "!#$%&'*+-/=?^_`{|}~")) {
            atom++;
        } else {
            return false;
        }
    }
    return atom > 0;
}

static bool check_email(const char *text, size_t len) {
    enum { MAX_LOCAL_PART = 64, MAX_ADDRESS = 254 };
    struct cursor c = {text, text + len};
    if (len > MAX_ADDRESS || !take_local_part(&c) || c.at - text > MAX_LOCAL_PART || !take(&c, '@'))
        return false;
    size_t left = (size_t)(c.end - c.at);
    if (left < 2 || c.at[0] != '[')
        return check_hostname(c.at, left);
    if (c.end[-1] != ']')
        return false;
    if (left > 7 && strncasecmp(c.at, "[IPv6:", 6) == 0)
        return check_ipv6(c.at + 6, left - 7);
    return check_ipv4(c.at + 1, left - 2);
}

/* ---- RFC 3986 ---- */

/* Characters of the set, unreserved ones, sub-delimiters and whole percent triplets. */
static void take_uri_characters(struct cursor *c, const char *more) {
    while (!at_end(c)) {
        if (*c->at == '%') {
            if (c->end - c->at < 3 || !is_hex(c->at[1]) || !is_hex(c->at[2]))
                return;
            c->at += 3;
        } else if (is_letter(*c->at) || is_digit(*c->at) || is_one_of(*c->at, "-._~!$&'()*+,;=") || is_one_of(*c->at, more)) {
            c->at++;
        } else {
            return;
        }
    }
}

/* What stands between [ and ]: IPv6, or IPvFuture. */
static bool is_ip_literal(const char *text, size_t len) {
    if (len == 0 || (text[0] | 0x20) != 'v')
        return check_ipv6(text, len);
    struct cursor c = {text + 1, text + len};
    while (!at_end(&c) && is_hex(*c.at))
        c.at++;
    if (c.at == text + 1 || !take(&c, '.') || at_end(&c) || memchr(c.at, '%', (size_t)(c.end - c.at)))
        return false;
    take_uri_characters(&c, ":");
    return at_end(&c);
}

static bool is_authority(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    const char *at = len > 0 ? memchr(text, '@', len) : NULL;
    if (at) {
        take_uri_characters(&c, ":");
        if (c.at != at)
            return false;
        c.at++;
    }
    if (take(&c, '[')) {
        const char *close = at_end(&c) ? NULL : memchr(c.at, ']', (size_t)(c.end - c.at));
        if (!close || !is_ip_literal(c.at, (size_t)(close - c.at)))
            return false;
        c.at = close + 1;
    } else {
        take_uri_characters(&c, "");
    }
    if (take(&c, ':'))
        take_digits(&c);
    return at_end(&c);
}

static bool take_scheme(struct cursor *c) {
    struct cursor s = *c;
    if (at_end(&s) || !is_letter(*s.at))
        return false;
    while (!at_end(&s) && (is_letter(*s.at) || is_digit(*s.at) || is_one_of(*s.at, "+-.")))
        s.at++;
    if (!take(&s, ':'))
        return false;
    *c = s;
    return true;
}

/* What follows the scheme. */
static bool is_relative_part(struct cursor c) {
    if (c.end - c.at >= 2 && c.at[0] == '/' && c.at[1] == '/') {
        const char *authority = c.at + 2;
        for (c.at = authority; !at_end(&c) && !is_one_of(*c.at, "/?#"); c.at++)
            ;
        if (!is_authority(authority, (size_t)(c.at - authority)))
            return false;
    }
    take_uri_characters(&c, ":@/");
    if (take(&c, '?'))
        take_uri_characters(&c, ":@/?");
    if (take(&c, '#'))
        take_uri_characters(&c, ":@/?");
    return at_end(&c);
}

static bool check_uri(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    return take_scheme(&c) && is_relative_part(c);
}

static bool check_uri_reference(const char *text, size_t len) {
    struct cursor c = {text, text + len};
    if (take_scheme(&c))
        return is_relative_part(c);
    /* Without a scheme the first segment of a path holds no colon. */
    for (const char *p = text; p < c.end && !is_one_of(*p, "/?#"); p++) {
        if (*p == ':')
            return false;
    }
    return is_relative_part(c);
}

/* ---- others ---- */

static bool check_uuid(const char *text, size_t len) {
    if (len != 36)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return true;
}

static bool check_json_pointer(const char *text, size_t len) {
    if (len > 0 && text[0] != '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '~' && (i + 1 == len || (text[i + 1] != '0' && text[i + 1] != '1')))
            return false;
    }
    return true;
}

static const struct hd_format formats[] = {
    {"date", "must be a date such as 2026-11-23", check_date},
    {"date-time", "must be an RFC 3339 date and time such as 2026-11-23T15:11:56.042Z", check_date_time},
    {"duration", "must be a duration such as P1DT12H", check_duration},
    {"email", "must be an e-mail address", check_email},
    {"hostname", "must be a host name", check_hostname},
    {"ipv4", "must be an IPv4 address", check_ipv4},
    {"ipv6", "must be an IPv6 address", check_ipv6},
    {"json-pointer", "must be a JSON Pointer such as /payload/ticketId", check_json_pointer},
    {"regex", "must be a regular expression (ECMA-262)", NULL},
    {"time", "must be a time such as 15:11:56Z", check_time},
    {"uri", "must be an absolute URI such as https://example.org/a", check_uri},
    {"uri-reference", "must be a URI or a relative reference", check_uri_reference},
    {"uuid", "must be a UUID such as 01932f6e-8c2a-7b3d-9e4f-0a1b2c3d4e5f", check_uuid},
};

const struct hd_format *hd_format_find(const char *name) {
    for (size_t i = 0; i < HD_ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    return NULL;
}
