#include "base/schema_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct hd_pattern {
    pcre2_code *code;
    const struct hd_pattern_set *set;
    struct hd_pattern *next;
};

struct hd_pattern_set {
    struct hd_pattern *patterns;
    pcre2_compile_context *compile_context;
    pcre2_match_context *match_context; /* the limits; only read while matching */
};

/* ---- translation ---- */

/* Longest text that one character becomes (\s). */
enum { MAX_GROWTH = 48 };

struct translation {
    const char *at, *end;
    char *out; /* has room for MAX_GROWTH bytes a byte of the pattern */
    bool in_class;
    const char *fault; /* a sentence, once something is not ECMA-262 */
};

static void put(struct translation *t, const char *text) {
    size_t len = strlen(text);
    memcpy(t->out, text, len);
    t->out += len;
}

static void copy(struct translation *t, size_t count) {
    memcpy(t->out, t->at, count);
    t->out += count;
    t->at += count;
}

/* Unicode's long names of general categories, which PCRE2 knows by their short ones only. */
static const struct {
    const char *name, *category;
} categories[] = {
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
};

/* \p{…} or \P{…}; at stands behind the p. */
static void translate_property(struct translation *t, char letter) {
    const char *close = t->at < t->end && *t->at == '{' ? memchr(t->at, '}', (size_t)(t->end - t->at)) : NULL;
    if (!close) {
        t->fault = "\\p needs a property in braces";
        return;
    }
    const char *name = t->at + 1;
    size_t len = (size_t)(close - name);
    static const char general_category[] = "General_Category=";
    if (len > sizeof general_category - 1 && memcmp(name, general_category, sizeof general_category - 1) == 0) {
        name += sizeof general_category - 1;
        len -= sizeof general_category - 1;
    }
    put(t, letter == 'p' ? "\\p{" : "\\P{");
    const char *category = NULL;
    for (size_t i = 0; i < HD_ARRAY_LEN(categories) && !category; i++) {
        if (strlen(categories[i].name) == len && memcmp(categories[i].name, name, len) == 0)
            category = categories[i].category;
    }
    if (category) {
        put(t, category);
    } else {
        memcpy(t->out, name, len);
        t->out += len;
    }
    put(t, "}");
    t->at = close + 1;
}

/* ECMA-262's white space, inside of a class. */
#define WHITE_SPACE "\\t\\n\\x0b\\f\\r\\u{feff}\\p{Z}"

/* at stands on the backslash. */
static void translate_escape(struct translation *t) {
    if (t->at + 1 == t->end) {
        t->fault = "a backslash at the end";
        return;
    }
    char c = t->at[1];
    switch (c) {
    case 's':
        put(t, t->in_class ? WHITE_SPACE : "[" WHITE_SPACE "]");
        t->at += 2;
        return;
    case 'S':
        if (t->in_class)
            t->fault = "\\S inside of a class is not supported";
        put(t, "[^" WHITE_SPACE "]");
        t->at += 2;
        return;
    case 'v': /* PCRE2: any vertical space */
        put(t, "\\x0b");
        t->at += 2;
        return;
    case '0':
        put(t, "\\x00");
        t->at += 2;
        return;
    case 'p':
    case 'P':
        t->at += 2;
        translate_property(t, c);
        return;
    default:
        break;
    }
    bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if ((unsigned char)c >= 0x80 || (alphanumeric && !strchr("123456789dDwWbBtnfrcxuk", c)) || (t->in_class && c == 'B')) {
        t->fault = "an escape that ECMA-262 does not have";
        return;
    }
    copy(t, 2);
}

/* (? must open a group that ECMA-262 knows, and (* is a repeated nothing. */
static void translate_group(struct translation *t) {
    size_t left = (size_t)(t->end - t->at);
    if (left > 1 && t->at[1] == '*') {
        t->fault = "nothing to repeat";
        return;
    }
    if (left > 1 && t->at[1] == '?') {
        bool plain = left > 2 && strchr(":=!", t->at[2]) && t->at[2] != '\0';
        bool angled = left > 3 && t->at[2] == '<';
        if (!plain && !angled)
            t->fault = "a group that ECMA-262 does not have";
    }
    copy(t, 1);
}

static void translate_next(struct translation *t) {
    char c = *t->at;
    if (c == '\\') {
        translate_escape(t);
    } else if (t->in_class) {
        if (c == ']')
            t->in_class = false;
        else if (c == '[')
            put(t, "\\"); /* no POSIX classes */
        copy(t, 1);
    } else if (c == '[') {
        t->in_class = true;
        copy(t, 1);
        if (t->at < t->end && *t->at == '^')
            copy(t, 1);
    } else if (c == '(') {
        translate_group(t);
    } else if (c == '.') {
        put(t, "[^\\n\\r\\u{2028}\\u{2029}]");
        t->at++;
    } else {
        copy(t, 1);
    }
}

/* ---- compiling ---- */

struct hd_pattern_set *hd_pattern_set_new(void) {
    struct hd_pattern_set *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->compile_context = pcre2_compile_context_create(NULL);
    set->match_context = pcre2_match_context_create(NULL);
    if (!set->compile_context || !set->match_context) {
        hd_pattern_set_free(set);
        return NULL;
    }
    pcre2_set_compile_extra_options(set->compile_context, PCRE2_EXTRA_ALT_BSUX);
    pcre2_set_match_limit(set->match_context, HD_PATTERN_MATCH_LIMIT);
    pcre2_set_heap_limit(set->match_context, HD_PATTERN_HEAP_LIMIT_KIB);
    return set;
}

void hd_pattern_set_free(struct hd_pattern_set *set) {
    if (!set)
        return;
    for (struct hd_pattern *pattern = set->patterns; pattern;) {
        struct hd_pattern *next = pattern->next;
        pcre2_code_free(pattern->code);
        free(pattern);
        pattern = next;
    }
    pcre2_match_context_free(set->match_context);
    pcre2_compile_context_free(set->compile_context);
    free(set);
}

/* buffer has MAX_GROWTH bytes for each of text's. */
static int compile_into(char *buffer, const char *text, size_t len, pcre2_compile_context *context, pcre2_code **ret_code,
                        struct hd_error *err) {
    struct translation t = {.at = text, .end = text + len, .out = buffer};
    while (t.at < t.end && !t.fault)
        translate_next(&t);
    if (t.fault)
        return hd_error_set(err, HD_ERR_INVALID, "not a regular expression: %s", t.fault);
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS;
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)buffer, (size_t)(t.out - buffer), options, &code, &offset, context);
    if (!compiled) {
        if (code == PCRE2_ERROR_HEAP_FAILED)
            return hd_error_set(err, HD_ERR_NO_MEMORY, "out of memory");
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(code, message, sizeof message);
        return hd_error_set(err, HD_ERR_INVALID, "not a regular expression: %s", (const char *)message);
    }
    *ret_code = compiled;
    return 0;
}

int hd_pattern_compile(struct hd_pattern_set *set, const char *text, size_t len, const struct hd_pattern **ret_pattern,
                       struct hd_error *err) {
    if (len > HD_PATTERN_MAX_BYTES)
        return hd_error_set(err, HD_ERR_LIMIT, "a pattern is longer than %d bytes", HD_PATTERN_MAX_BYTES);
    struct hd_pattern *pattern = calloc(1, sizeof *pattern);
    char *buffer = malloc(len * MAX_GROWTH + 1);
    int r = pattern && buffer ? compile_into(buffer, text, len, set->compile_context, &pattern->code, err)
                              : hd_error_set(err, HD_ERR_NO_MEMORY, "out of memory");
    free(buffer);
    if (r < 0) {
        free(pattern);
        return r;
    }
    /* Where the system forbids new machine code, or this build of PCRE2 has none, patterns are interpreted: slower, and no other difference. */
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    pattern->set = set;
    pattern->next = set->patterns;
    set->patterns = pattern;
    *ret_pattern = pattern;
    return 0;
}

/* ---- matching ---- */

static void *arena_malloc(size_t size, void *arena) {
    return hd_arena_alloc(arena, size);
}

static void arena_free(void *memory, void *arena) {
    (void)memory;
    (void)arena;
}

static pcre2_match_data *match_data(struct hd_pattern_scratch *scratch) {
    if (!scratch->match_data) {
        pcre2_general_context *context = pcre2_general_context_create(arena_malloc, arena_free, scratch->arena);
        if (context)
            scratch->match_data = pcre2_match_data_create(1, context);
    }
    return scratch->match_data;
}

int hd_pattern_match(const struct hd_pattern *pattern, struct hd_pattern_scratch *scratch, const char *subject, size_t len) {
    pcre2_match_data *data = match_data(scratch);
    if (!data)
        return HD_ERR_NO_MEMORY;
    uint32_t options = PCRE2_NO_UTF_CHECK;
    int r = pcre2_match(pattern->code, (PCRE2_SPTR)subject, len, 0, options, data, pattern->set->match_context);
    if (r == PCRE2_ERROR_JIT_STACKLIMIT) /* its 32 KiB are on the thread's stack; the interpreter uses the arena */
        r = pcre2_match(pattern->code, (PCRE2_SPTR)subject, len, 0, options | PCRE2_NO_JIT, data, pattern->set->match_context);
    if (r >= 0)
        return 1;
    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    return r == PCRE2_ERROR_NOMEMORY ? HD_ERR_NO_MEMORY : HD_ERR_LIMIT;
}

int hd_pattern_valid(struct hd_arena *arena, const char *text, size_t len) {
    if (len > HD_PATTERN_MAX_BYTES)
        return 0;
    char *buffer = hd_arena_alloc(arena, len * MAX_GROWTH + 1);
    pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, arena);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    if (!buffer || !context)
        return HD_ERR_NO_MEMORY;
    pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    pcre2_code *code = NULL;
    int r = compile_into(buffer, text, len, context, &code, NULL);
    if (r == 0)
        pcre2_code_free(code); /* the arena keeps the bytes; the call says that the code is done with */
    return r == 0 ? 1 : r == HD_ERR_INVALID ? 0 : r;
}
