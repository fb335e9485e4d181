#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_parser.h"
#include "base/rfc3339.h"

/* ---- reading ----
 *
 * jansson takes its memory from two functions for the whole process. Ours take it from an arena while this thread parses into one, and
 * from the heap otherwise. */

static _Thread_local struct hd_arena *parsing_into; /* not NULL only inside hd_json_parse */

static void *json_malloc(size_t size_bytes) {
    return parsing_into ? hd_arena_alloc(parsing_into, size_bytes) : malloc(size_bytes);
}

static void json_free(void *memory) {
    if (!parsing_into)
        free(memory);
}

void hd_json_init(void) {
    json_set_alloc_funcs(json_malloc, json_free);
    json_object_seed(0); /* from the system's randomness: hostile names must not collide */
}

HD_UNUSED static bool is_initialized(void) {
    json_malloc_t malloc_fn;
    json_get_alloc_funcs(&malloc_fn, NULL);
    return malloc_fn == json_malloc;
}

int hd_json_parse(struct hd_arena *arena, const char *text, size_t len, int flags, json_t **ret_root, struct hd_error *err) {
    assert(is_initialized());
    parsing_into = arena;
    int r = hd_json_read(text, len, flags, ret_root, err);
    parsing_into = NULL;
    return r;
}

int hd_json_load(const char *text, size_t len, int flags, json_t **ret_root, struct hd_error *err) {
    return hd_json_read(text, len, flags, ret_root, err);
}

void hd_json_decrefp(json_t **root) {
    json_decref(*root);
    *root = NULL;
}

const char *hd_json_str(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

int64_t hd_json_int(const json_t *object, const char *name, int64_t fallback) {
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

/* ---- writing ---- */

enum { INT_TEXT_MAX_LEN = 20 }; /* -9223372036854775808 */

/* True when one of the eight bytes at text must be escaped: below 0x20, '"' or '\\'. Finds none where there is none, for a borrow only goes
 * on from a byte that is one. */
static bool word_has_escapes(const char *text) {
    const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t hits = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
    return (hits & highs) != 0;
}

static bool must_escape(unsigned char c) {
    return c < 0x20 || c == '"' || c == '\\';
}

/* The length of the run of bytes at text that are written as they are. */
static size_t plain_run(const char *text, size_t len) {
    size_t i = 0;
    while (len - i >= sizeof(uint64_t) && !word_has_escapes(text + i))
        i += sizeof(uint64_t);
    while (i < len && !must_escape((unsigned char)text[i]))
        i++;
    return i;
}

static void add_escaped(struct hd_buffer *out, unsigned char c) {
    static const char short_form[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char shorter = c >= 0x20 ? (char)c : short_form[c];
    if (shorter) {
        hd_buffer_add(out, (char[]){'\\', shorter}, 2);
        return;
    }
    static const char hex[] = "0123456789abcdef";
    hd_buffer_add(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

static void add_string(struct hd_buffer *out, const char *text, size_t len) {
    size_t run = plain_run(text, len);
    if (run == len) { /* nearly always */
        char *at = hd_buffer_reserve(out, len + 2);
        if (!at)
            return;
        at[0] = '"';
        memcpy(at + 1, text, len);
        at[len + 1] = '"';
        hd_buffer_advance(out, len + 2);
        return;
    }
    hd_buffer_add_char(out, '"');
    for (size_t i = 0; i < len;) {
        hd_buffer_add(out, text + i, run);
        i += run;
        if (i < len)
            add_escaped(out, (unsigned char)text[i++]);
        run = plain_run(text + i, len - i);
    }
    hd_buffer_add_char(out, '"');
}

static void add_int(struct hd_buffer *out, int64_t value) {
    char text[INT_TEXT_MAX_LEN];
    char *at = text + sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    hd_buffer_add(out, at, (size_t)(text + sizeof(text) - at));
}

/* The shortest of the forms with 15 to 17 digits that reads back as the same number, and as a real. */
static void add_real(struct hd_buffer *out, double value) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    char *comma = strchr(text, ','); /* some locales */
    if (comma)
        *comma = '.';
    hd_buffer_add_str(out, text);
    if (!strpbrk(text, ".e"))
        hd_buffer_add_str(out, ".0");
}

static void add_value(struct hd_buffer *out, const json_t *value);

static void add_array(struct hd_buffer *out, const json_t *array) {
    size_t count = json_array_size(array);
    hd_buffer_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            hd_buffer_add_char(out, ',');
        add_value(out, json_array_get(array, i));
    }
    hd_buffer_add_char(out, ']');
}

static void add_object(struct hd_buffer *out, const json_t *object) {
    json_t *it = (json_t *)object; /* jansson's iterators do not change it, but are not const */
    bool comma = false;
    hd_buffer_add_char(out, '{');
    for (void *iter = json_object_iter(it); iter; iter = json_object_iter_next(it, iter)) {
        if (comma)
            hd_buffer_add_char(out, ',');
        comma = true;
        add_string(out, json_object_iter_key(iter), json_object_iter_key_len(iter));
        hd_buffer_add_char(out, ':');
        add_value(out, json_object_iter_value(iter));
    }
    hd_buffer_add_char(out, '}');
}

/* Recursion: what was read nests HD_JSON_ANY_DEPTH_MAX at most. */
static void add_value(struct hd_buffer *out, const json_t *value) {
    if (!value) {
        hd_buffer_add(out, "null", 4);
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object(out, value);
        break;
    case JSON_ARRAY:
        add_array(out, value);
        break;
    case JSON_STRING:
        add_string(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        add_int(out, json_integer_value(value));
        break;
    case JSON_REAL:
        add_real(out, json_real_value(value));
        break;
    case JSON_TRUE:
        hd_buffer_add(out, "true", 4);
        break;
    case JSON_FALSE:
        hd_buffer_add(out, "false", 5);
        break;
    case JSON_NULL:
        hd_buffer_add(out, "null", 4);
        break;
    }
}

void hd_json_dump(struct hd_buffer *out, const json_t *root) {
    add_value(out, root);
}

struct hd_json_writer hd_json_writer(struct hd_buffer *out) {
    return (struct hd_json_writer){.out = out};
}

static char *put(char *at, const char *text, size_t len) {
    memcpy(at, text, len);
    return at + len;
}

/* What stands before a value: a comma unless it is the level's first, and its name. */
static void lead_in(struct hd_json_writer *w, const char *name) {
    bool comma = w->comma;
    w->comma = true;
    if (!name) {
        if (comma)
            hd_buffer_add_char(w->out, ',');
        return;
    }
    size_t name_len = strlen(name);
    char *start = hd_buffer_reserve(w->out, name_len + 4);
    if (!start)
        return;
    char *at = comma ? put(start, ",\"", 2) : put(start, "\"", 1);
    at = put(at, name, name_len);
    at = put(at, "\":", 2);
    hd_buffer_advance(w->out, (size_t)(at - start));
}

static void open_level(struct hd_json_writer *w, const char *name, char bracket) {
    lead_in(w, name);
    hd_buffer_add_char(w->out, bracket);
    w->comma = false;
}

static void close_level(struct hd_json_writer *w, char bracket) {
    hd_buffer_add_char(w->out, bracket);
    w->comma = true;
}

void hd_json_open_object(struct hd_json_writer *w, const char *name) {
    open_level(w, name, '{');
}

void hd_json_close_object(struct hd_json_writer *w) {
    close_level(w, '}');
}

void hd_json_open_array(struct hd_json_writer *w, const char *name) {
    open_level(w, name, '[');
}

void hd_json_close_array(struct hd_json_writer *w) {
    close_level(w, ']');
}

void hd_json_put_raw(struct hd_json_writer *w, const char *name, const char *json, size_t len) {
    lead_in(w, name);
    hd_buffer_add(w->out, json, len);
}

void hd_json_put_strn(struct hd_json_writer *w, const char *name, const char *text, size_t len) {
    lead_in(w, name);
    add_string(w->out, text, len);
}

void hd_json_put_str(struct hd_json_writer *w, const char *name, const char *text) {
    if (text)
        hd_json_put_strn(w, name, text, strlen(text));
    else
        hd_json_put_raw(w, name, "null", 4);
}

void hd_json_put_str_if(struct hd_json_writer *w, const char *name, const char *text) {
    if (text)
        hd_json_put_strn(w, name, text, strlen(text));
}

void hd_json_put_int(struct hd_json_writer *w, const char *name, int64_t value) {
    lead_in(w, name);
    add_int(w->out, value);
}

void hd_json_put_bool(struct hd_json_writer *w, const char *name, bool value) {
    if (value)
        hd_json_put_raw(w, name, "true", 4);
    else
        hd_json_put_raw(w, name, "false", 5);
}

void hd_json_put_time(struct hd_json_writer *w, const char *name, int64_t time_ms) {
    if (time_ms == 0) {
        hd_json_put_raw(w, name, "null", 4);
        return;
    }
    struct hd_time_text time = hd_time_format(time_ms);
    hd_json_put_strn(w, name, time.text, HD_TIME_TEXT_LEN);
}

void hd_json_put_json(struct hd_json_writer *w, const char *name, const json_t *value) {
    lead_in(w, name);
    add_value(w->out, value);
}
