#include "base/json_parser.h"

#include <assert.h>
#include <endian.h>
#include <langinfo.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

struct slice {
    const char *text;
    size_t len;
};

/* Containers are put into their parents when they open, so that the whole tree hangs from the root at any time: a failure frees the root,
 * and the depth costs no recursion. */
struct parser {
    const char *start, *end;
    const char *at; /* what comes next */
    int flags;
    struct hd_error *err;
    json_t *root;
    json_t **open; /* the containers around at, the innermost last */
    size_t depth, max_depth;
    struct slice name; /* of the member whose value comes next; in the text or in scratch */
    const char *name_at;
    char *scratch;       /* for strings with escapes; NULL until the first one */
    size_t scratch_used; /* by name */
};

static __attribute__((cold)) int fail(struct parser *p, const char *at, const char *what) {
    size_t line = 1, column = 1;
    for (const char *c = p->start; c < at; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*c & 0xc0) != 0x80) {
            column++;
        }
    }
    return hd_error_set(p->err, HD_ERR_MALFORMED, "JSON, line %zu, column %zu: %s", line, column, what);
}

static int fail_memory(struct parser *p) {
    return hd_error_set(p->err, HD_ERR_NO_MEMORY, "no memory for the tree of %td bytes of JSON", p->end - p->start);
}

/* The next character that is no space, not taken yet; '\0' at the end (and for a raw NUL, which nothing expects either). */
static char peek(struct parser *p) {
    while (p->at < p->end) {
        char c = *p->at;
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return c;
        p->at++;
    }
    return '\0';
}

static int fail_unexpected(struct parser *p, const char *what) {
    return fail(p, p->at, p->at == p->end ? "the text ends too early" : what);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ---- strings ---- */

static const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;

/* The first byte from at on that ends a run of a string: '"', '\\' or a control character; end when there is none. Sets bits of *high when
 * the run has bytes over 0x7f. Eight bytes at a time: a hit's sign is the highest bit of its byte, and the lowest hit is a true one, for
 * a borrow only comes from a true hit below. */
static const char *end_of_run(const char *at, const char *end, uint64_t *high) {
    for (; end - at >= (ptrdiff_t)sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        word = le64toh(word);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t hits = ((word - ones * 0x20) | (quote - ones) | (backslash - ones)) & ~word & highs;
        if (hits != 0) {
            uint64_t below = (hits & -hits) - 1;
            *high |= word & below & highs;
            return at + __builtin_ctzll(hits) / 8;
        }
        *high |= word & highs;
    }
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        *high |= c & 0x80;
    }
    return at;
}

/* The value of the four hexadecimal digits at text, or -1. */
static int32_t hex4(const char *text, const char *end) {
    int32_t value = 0;
    if (end - text < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, int32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* The character of the \u at *at, or of the pair of them, or a negative error; moves *at behind it. */
static int32_t read_unicode(struct parser *p, const char **at, const char *end, bool nul_allowed) {
    const char *start = *at, *second = start + 6;
    int32_t code = hex4(start + 2, end);
    if (code < 0)
        return fail(p, start, "\\u wants four hexadecimal digits");
    if (code == 0 && !nul_allowed)
        return fail(p, start, "\\u0000 is not allowed here");
    *at = second;
    if (code >= 0xd800 && code <= 0xdfff) {
        int32_t low = code < 0xdc00 && end - second >= 6 && second[0] == '\\' && second[1] == 'u' ? hex4(second + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(p, start, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *at = second + 6;
    }
    return code;
}

/* Decodes what stands between at and end, which is no longer decoded than it was, to out. */
static int decode(struct parser *p, const char *at, const char *end, bool nul_allowed, char *out, size_t *ret_len) {
    static const char meaning[UCHAR_MAX + 1] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    char *start = out;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
        } else if (at[1] == 'u') {
            int32_t code = read_unicode(p, &at, end, nul_allowed);
            if (code < 0)
                return code;
            out = put_utf8(out, code);
        } else if (meaning[(unsigned char)at[1]] != '\0') {
            *out++ = meaning[(unsigned char)at[1]];
            at += 2;
        } else {
            return fail(p, at, "no such escape");
        }
    }
    *ret_len = (size_t)(out - start);
    return 0;
}

/* One allocation serves the whole text: a string, and the name before it, never need more than what was left at the first escape. */
static __attribute__((noinline)) int decode_to_scratch(struct parser *p, struct slice raw, bool nul_allowed, struct slice *ret_text) {
    if (!p->scratch)
        p->scratch = malloc((size_t)(p->end - raw.text));
    if (!p->scratch)
        return fail_memory(p);
    char *out = p->scratch + p->scratch_used;
    ret_text->text = out;
    return decode(p, raw.text, raw.text + raw.len, nul_allowed, out, &ret_text->len);
}

/* The string whose opening quote is at p->at; moves behind the closing one. *ret_text lies in the text or in scratch. */
static int read_string(struct parser *p, bool nul_allowed, struct slice *ret_text) {
    const char *start = p->at + 1, *at = start;
    uint64_t high = 0;
    bool escapes = false;
    for (;;) {
        at = end_of_run(at, p->end, &high);
        if (at == p->end)
            return fail(p, at, "the text ends inside of a string");
        if (*at == '"')
            break;
        if (*at != '\\')
            return fail(p, at, "a control character inside of a string");
        if (p->end - at < 2)
            return fail(p, p->end, "the text ends inside of a string");
        escapes = true;
        at += 2;
    }
    p->at = at + 1;
    struct slice raw = {start, (size_t)(at - start)};
    if (high != 0) {
        size_t valid = hd_utf8_valid_prefix(raw.text, raw.len);
        if (valid < raw.len)
            return fail(p, raw.text + valid, "this is not UTF-8");
    }
    if (escapes)
        return decode_to_scratch(p, raw, nul_allowed, ret_text);
    *ret_text = raw;
    return 0;
}

/* ---- values ---- */

/* Takes value, which is NULL when memory was out, and makes it the root, the next element or the member that was named. */
static int put(struct parser *p, json_t *value) {
    if (!value)
        return fail_memory(p);
    if (p->depth == 0) {
        p->root = value;
        return 0;
    }
    json_t *parent = p->open[p->depth - 1];
    if (json_typeof(parent) == JSON_ARRAY)
        return json_array_append_new(parent, value) == 0 ? 0 : fail_memory(p);
    /* A member of the same name would be replaced: instead of looking for one before, see whether the object has grown. */
    size_t count = json_object_size(parent);
    if (json_object_setn_new_nocheck(parent, p->name.text, p->name.len, value) < 0)
        return fail_memory(p);
    return json_object_size(parent) > count ? 0 : fail(p, p->name_at, "a member of this name is there already");
}

static int read_name(struct parser *p, const char *expected) {
    if (peek(p) != '"')
        return fail_unexpected(p, expected);
    p->name_at = p->at;
    p->scratch_used = 0;
    int r = read_string(p, false, &p->name);
    if (r < 0)
        return r;
    if (p->scratch && p->name.text == p->scratch)
        p->scratch_used = p->name.len;
    if (peek(p) != ':')
        return fail_unexpected(p, "a ':' is expected");
    p->at++;
    return 0;
}

/* Opens an array or object and reads up to its first value; an empty one is closed at once. */
static int read_container(struct parser *p, char closing) {
    if (p->depth == p->max_depth) {
        char what[64];
        (void)snprintf(what, sizeof(what), "nested deeper than %zu", p->max_depth);
        return fail(p, p->at, what);
    }
    json_t *container = closing == '}' ? json_object() : json_array();
    int r = put(p, container);
    if (r < 0)
        return r;
    p->at++;
    if (peek(p) == closing) {
        p->at++;
        return 0;
    }
    p->open[p->depth++] = container;
    return closing == '}' ? read_name(p, "a name or '}' is expected") : 0;
}

static int read_word(struct parser *p, const char *word, json_t *value) {
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return fail(p, p->at, "a value is expected");
    p->at += len;
    return put(p, value);
}

static const char *skip_digits(const char *at, const char *end) {
    while (at < end && is_digit(*at))
        at++;
    return at;
}

static int put_integer(struct parser *p, const char *start, const char *end) {
    bool negative = *start == '-';
    int64_t value = 0;
    for (const char *at = start + negative; at < end; at++) {
        int digit = negative ? '0' - *at : *at - '0';
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return fail(p, start, "this integer is out of the range of 64 bits");
    }
    return put(p, json_integer(value));
}

/* strtod wants a NUL and, like jansson's, the decimal point of the locale. */
static int put_real(struct parser *p, const char *start, const char *end) {
    const char *point = nl_langinfo(RADIXCHAR);
    size_t len = (size_t)(end - start), point_len = strlen(point);
    char small[64];
    char *text = len + point_len < sizeof(small) ? small : malloc(len + point_len + 1);
    if (!text)
        return fail_memory(p);
    const char *dot = memchr(start, '.', len);
    char *out = text;
    if (dot) {
        out = mempcpy(out, start, (size_t)(dot - start));
        out = mempcpy(out, point, point_len);
        start = dot + 1;
    }
    out = mempcpy(out, start, (size_t)(end - start));
    *out = '\0';
    char *behind;
    double value = strtod(text, &behind);
    assert(behind == out);
    if (text != small)
        free(text);
    return isinf(value) ? fail(p, end - len, "this number is too large") : put(p, json_real(value));
}

static int read_number(struct parser *p) {
    const char *start = p->at, *digits = start + (*start == '-');
    const char *at = skip_digits(digits, p->end);
    if (at == digits)
        return fail(p, at, "a digit is expected");
    if (*digits == '0' && at - digits > 1)
        return fail(p, digits, "a number does not begin with 0");
    bool real = false;
    if (at < p->end && *at == '.') {
        real = true;
        digits = at + 1;
        at = skip_digits(digits, p->end);
        if (at == digits)
            return fail(p, at, "a digit is expected");
    }
    if (at < p->end && (*at == 'e' || *at == 'E')) {
        real = true;
        digits = at + 1;
        if (digits < p->end && (*digits == '+' || *digits == '-'))
            digits++;
        at = skip_digits(digits, p->end);
        if (at == digits)
            return fail(p, at, "a digit is expected");
    }
    p->at = at;
    return real ? put_real(p, start, at) : put_integer(p, start, at);
}

/* Reads a value that is no container, or the beginning of one. */
static int read_value(struct parser *p) {
    char c = peek(p);
    switch (c) {
    case '"': {
        struct slice text = {NULL, 0};
        int r = read_string(p, p->flags & HD_JSON_ALLOW_NUL, &text);
        return r < 0 ? r : put(p, json_stringn_nocheck(text.text, text.len));
    }
    case '{':
        return read_container(p, '}');
    case '[':
        return read_container(p, ']');
    case 't':
        return read_word(p, "true", json_true());
    case 'f':
        return read_word(p, "false", json_false());
    case 'n':
        return read_word(p, "null", json_null());
    default:
        return c == '-' || is_digit(c) ? read_number(p) : fail_unexpected(p, "a value is expected");
    }
}

/* What stands behind a value: closes what ends there, up to where the next value begins or, with depth 0, the text ends. */
static int read_behind_value(struct parser *p) {
    while (p->depth > 0) {
        bool in_array = json_typeof(p->open[p->depth - 1]) == JSON_ARRAY;
        char c = peek(p);
        if (c == ',') {
            p->at++;
            return in_array ? 0 : read_name(p, "a name is expected");
        }
        if (c != (in_array ? ']' : '}'))
            return fail_unexpected(p, in_array ? "a ',' or ']' is expected" : "a ',' or '}' is expected");
        p->at++;
        p->depth--;
    }
    (void)peek(p);
    return p->at == p->end ? 0 : fail(p, p->at, "the end is expected");
}

static int read_text(struct parser *p) {
    do {
        size_t depth = p->depth;
        int r = read_value(p);
        if (r == 0 && p->depth == depth)
            r = read_behind_value(p);
        if (r < 0)
            return r;
    } while (p->depth > 0);
    return 0;
}

int hd_json_read(const char *text, size_t len, int flags, json_t **ret_root, struct hd_error *err) {
    json_t *open[HD_JSON_ANY_DEPTH_MAX];
    const char *start = len > 0 ? text : "";
    struct parser p = {.start = start,
                       .end = start + len,
                       .at = start,
                       .flags = flags,
                       .err = err,
                       .open = open,
                       .max_depth = flags & HD_JSON_ANY_DEPTH ? HD_JSON_ANY_DEPTH_MAX : HD_JSON_MAX_DEPTH};
    int r = read_text(&p);
    free(p.scratch);
    if (r < 0) {
        json_decref(p.root);
        return r;
    }
    *ret_root = p.root;
    return 0;
}
