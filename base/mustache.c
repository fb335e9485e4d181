#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif

#include "base/mustache.h"

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum node_kind { NODE_TEXT, NODE_ESCAPED, NODE_RAW, NODE_SECTION, NODE_INVERTED, NODE_PARTIAL };

/* A name is a run of keys: "a.b" has two, "." none. A partial's name is one key. */
struct key {
    const char *text; /* in the template's copy of its text; NUL-terminated when it is a partial's name */
    size_t len;
};

/* The template is a flat array of these, in the order of the text; a section is followed by its content. */
struct node {
    enum node_kind kind;
    bool standalone; /* a partial alone on its line: its lines are indented as the tag was */
    uint32_t behind; /* section: index of the node behind its content */
    uint32_t key_at; /* first key of the name */
    uint32_t key_count;
    uint32_t len;     /* of text */
    const char *text; /* what to write, or a standalone partial's indentation */
};

struct hd_mustache {
    char *text;
    struct node *nodes;
    struct key *keys;
    uint32_t node_count;
    uint32_t key_count;
};

/* ---- compiling ---- */

struct span {
    const char *at;
    size_t len;
};

struct parser {
    struct hd_mustache *tmpl;
    const char *source; /* the caller's text: stays whole while names are cut out of the copy */
    size_t len;
    size_t pos; /* behind the last tag */
    struct span open;
    struct span close;
    size_t node_capacity;
    size_t key_capacity;
    uint32_t section[HD_MUSTACHE_MAX_DEPTH]; /* the open ones: index of the node, and where its tag begins */
    size_t section_at[HD_MUSTACHE_MAX_DEPTH];
    size_t depth;
    struct hd_error *err;
};

/* One tag, as it stands in the source (offsets). */
struct tag {
    size_t begin;
    size_t end; /* behind the closing delimiter */
    char sigil; /* one of "!=#^/>&{", or 0 for {{name}} */
    size_t name;
    size_t name_len;
    size_t line; /* where the text before the tag ends: at the line's start when the tag is standalone, else at begin */
    size_t next; /* where the text behind it begins */
    bool standalone;
};

static int fail_at(struct parser *p, size_t offset, const char *what) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        bool newline = p->source[i] == '\n';
        line += newline;
        column = newline ? 1 : column + 1;
    }
    return hd_error_set(p->err, HD_ERR_INVALID, "line %zu, column %zu: %s", line, column, what);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_space(char c) {
    return is_blank(c) || c == '\n' || c == '\r';
}

static struct span trimmed(const char *at, size_t len) {
    while (len > 0 && is_space(at[0])) {
        at++;
        len--;
    }
    while (len > 0 && is_space(at[len - 1]))
        len--;
    return (struct span){at, len};
}

/* Makes room for one more of the array's elements. */
static int grow(void **array, size_t *capacity, size_t count, size_t element_bytes, struct hd_error *err) {
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(*array, wanted * element_bytes);
    if (!grown)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "out of memory for a template");
    *array = grown;
    *capacity = wanted;
    return 0;
}

static int add_node(struct parser *p, struct node node) {
    void *nodes = p->tmpl->nodes;
    int rc = grow(&nodes, &p->node_capacity, p->tmpl->node_count, sizeof(struct node), p->err);
    p->tmpl->nodes = nodes;
    if (rc == 0)
        p->tmpl->nodes[p->tmpl->node_count++] = node;
    return rc;
}

static int add_key(struct parser *p, size_t offset, size_t len) {
    void *keys = p->tmpl->keys;
    int rc = grow(&keys, &p->key_capacity, p->tmpl->key_count, sizeof(struct key), p->err);
    p->tmpl->keys = keys;
    if (rc == 0)
        p->tmpl->keys[p->tmpl->key_count++] = (struct key){p->tmpl->text + offset, len};
    return rc;
}

static int add_text(struct parser *p, size_t from, size_t to) {
    if (from == to)
        return 0;
    return add_node(p, (struct node){.kind = NODE_TEXT, .text = p->tmpl->text + from, .len = (uint32_t)(to - from)});
}

/* Splits a name at its dots. An unbroken name without spaces is what the spec asks for; a misspelt one is better refused here than
 * rendered as nothing. */
static int add_name(struct parser *p, const struct tag *tag, struct node *node) {
    const char *name = p->source + tag->name;
    node->key_at = p->tmpl->key_count;
    if (tag->name_len == 1 && name[0] == '.')
        return 0;
    size_t start = 0;
    for (size_t i = 0; i <= tag->name_len; i++) {
        if (i < tag->name_len && name[i] != '.')
            continue;
        if (i == start)
            return fail_at(p, tag->begin, "a dot in a name needs a name on both sides");
        int rc = add_key(p, tag->name + start, i - start);
        if (rc < 0)
            return rc;
        start = i + 1;
        node->key_count++;
    }
    return 0;
}

/* Finds the tag's end and what stands in it. */
static int read_tag(struct parser *p, size_t begin, struct tag *ret_tag) {
    struct tag tag = {.begin = begin};
    size_t inner = begin + p->open.len;
    if (inner < p->len && p->source[inner] != '\0' && strchr("!=#^/>&{", p->source[inner]))
        tag.sigil = p->source[inner++];

    /* {{{x}}} and {{=a b=}} have a closing character of their own before the delimiter; in "x}}}" the delimiter is the last two */
    char before_close = (char)(tag.sigil == '{' ? '}' : tag.sigil == '=' ? '=' : 0);
    const char *found = p->source + inner;
    const char *source_end = p->source + p->len;
    while ((found = memmem(found, (size_t)(source_end - found), p->close.at, p->close.len))) {
        if (!before_close || (found > p->source + inner && found[-1] == before_close))
            break;
        found++;
    }
    if (!found)
        return fail_at(p, begin, "this tag is not closed");
    size_t inner_end = (size_t)(found - p->source) - (before_close ? 1 : 0);
    struct span name = trimmed(p->source + inner, inner_end - inner);
    tag.name = (size_t)(name.at - p->source);
    tag.name_len = name.len;
    tag.end = (size_t)(found - p->source) + p->close.len;
    *ret_tag = tag;
    return 0;
}

/* A tag that writes nothing itself and is alone on its line takes the whole line with it. */
static void find_line(const struct parser *p, struct tag *tag) {
    tag->line = tag->begin;
    tag->next = tag->end;
    if (tag->sigil == 0 || tag->sigil == '&' || tag->sigil == '{')
        return;
    size_t line = tag->begin;
    while (line > 0 && is_blank(p->source[line - 1]))
        line--;
    if (line > 0 && p->source[line - 1] != '\n')
        return;
    size_t next = tag->end;
    while (next < p->len && is_blank(p->source[next]))
        next++;
    if (next + 1 < p->len && p->source[next] == '\r' && p->source[next + 1] == '\n')
        next++;
    if (next < p->len && p->source[next] != '\n')
        return;
    tag->standalone = true;
    tag->line = line;
    tag->next = next < p->len ? next + 1 : next;
}

static int check_name(struct parser *p, const struct tag *tag) {
    const char *name = p->source + tag->name;
    if (tag->name_len == 0)
        return fail_at(p, tag->begin, "this tag has no name");
    for (size_t i = 0; i < tag->name_len; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
            return fail_at(p, tag->begin, "a name has no spaces or control characters");
    if (tag->sigil == 0 && (name[0] == '$' || name[0] == '<'))
        return fail_at(p, tag->begin, "inheritance is not supported");
    if (tag->sigil == '>' && name[0] == '*')
        return fail_at(p, tag->begin, "dynamic names are not supported");
    return 0;
}

static int set_delimiters(struct parser *p, const struct tag *tag) {
    const char *text = p->source + tag->name;
    size_t open_len = 0;
    while (open_len < tag->name_len && !is_space(text[open_len]))
        open_len++;
    struct span open = {text, open_len};
    struct span close = trimmed(text + open_len, tag->name_len - open_len);
    bool good = open.len > 0 && close.len > 0;
    for (size_t i = 0; good && i < close.len; i++)
        good = !is_space(close.at[i]);
    if (!good || memchr(open.at, '=', open.len) || memchr(close.at, '=', close.len))
        return fail_at(p, tag->begin, "new delimiters are two words without an equals sign");
    p->open = open;
    p->close = close;
    return 0;
}

static int open_section(struct parser *p, const struct tag *tag) {
    if (p->depth == HD_MUSTACHE_MAX_DEPTH)
        return fail_at(p, tag->begin, "sections are nested too deep");
    struct node node = {.kind = tag->sigil == '#' ? NODE_SECTION : NODE_INVERTED};
    int rc = add_name(p, tag, &node);
    if (rc < 0)
        return rc;
    p->section[p->depth] = p->tmpl->node_count;
    p->section_at[p->depth] = tag->begin;
    rc = add_node(p, node);
    if (rc == 0)
        p->depth++;
    return rc;
}

static int close_section(struct parser *p, const struct tag *tag) {
    if (p->depth == 0)
        return fail_at(p, tag->begin, "no section is open here");
    struct node *open = &p->tmpl->nodes[p->section[p->depth - 1]];
    const char *name = p->source + tag->name;
    size_t open_len = 1;
    const char *open_name = ".";
    if (open->key_count > 0) {
        const struct key *first = &p->tmpl->keys[open->key_at], *last = first + open->key_count - 1;
        open_name = first->text;
        open_len = (size_t)(last->text - first->text) + last->len;
    }
    if (open_len != tag->name_len || memcmp(open_name, name, open_len) != 0)
        return fail_at(p, tag->begin, "this closes another section than the one that is open");
    open->behind = p->tmpl->node_count;
    p->depth--;
    return 0;
}

static int add_partial(struct parser *p, const struct tag *tag) {
    struct node node = {.kind = NODE_PARTIAL, .standalone = tag->standalone, .key_at = p->tmpl->key_count, .key_count = 1};
    node.text = p->tmpl->text + tag->line;
    node.len = (uint32_t)(tag->begin - tag->line);
    /* the byte behind the name is the tag's own, so that the NUL that the callback needs fits in the copy */
    p->tmpl->text[tag->name + tag->name_len] = '\0';
    int rc = add_key(p, tag->name, tag->name_len);
    return rc < 0 ? rc : add_node(p, node);
}

static int add_variable(struct parser *p, const struct tag *tag) {
    struct node node = {.kind = tag->sigil == 0 ? NODE_ESCAPED : NODE_RAW};
    int rc = add_name(p, tag, &node);
    return rc < 0 ? rc : add_node(p, node);
}

static int add_tag(struct parser *p, const struct tag *tag) {
    if (tag->sigil == '!')
        return 0;
    if (tag->sigil == '=')
        return set_delimiters(p, tag);
    int rc = check_name(p, tag);
    if (rc < 0)
        return rc;
    switch (tag->sigil) {
    case '#':
    case '^':
        return open_section(p, tag);
    case '/':
        return close_section(p, tag);
    case '>':
        return add_partial(p, tag);
    default:
        return add_variable(p, tag);
    }
}

static int parse(struct parser *p) {
    for (;;) {
        const char *found = memmem(p->source + p->pos, p->len - p->pos, p->open.at, p->open.len);
        if (!found)
            break;
        struct tag tag = {0};
        int rc = read_tag(p, (size_t)(found - p->source), &tag);
        if (rc < 0)
            return rc;
        find_line(p, &tag);
        rc = add_text(p, p->pos, tag.line);
        if (rc == 0)
            rc = add_tag(p, &tag);
        if (rc < 0)
            return rc;
        p->pos = tag.next;
    }
    if (p->depth > 0)
        return fail_at(p, p->section_at[p->depth - 1], "this section is not closed");
    return add_text(p, p->pos, p->len);
}

int hd_mustache_compile(const char *text, size_t len, struct hd_mustache **ret_template, struct hd_error *err) {
    if (len > HD_MUSTACHE_MAX_TEMPLATE_BYTES)
        return hd_error_set(err, HD_ERR_TOO_LARGE, "a template has at most %d bytes", HD_MUSTACHE_MAX_TEMPLATE_BYTES);
    struct hd_mustache *tmpl = calloc(1, sizeof(*tmpl));
    if (tmpl)
        tmpl->text = malloc(len + 1);
    if (!tmpl || !tmpl->text) {
        hd_mustache_free(tmpl);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "out of memory for a template");
    }
    if (len > 0)
        memcpy(tmpl->text, text, len);
    tmpl->text[len] = '\0';

    struct parser parser = {.tmpl = tmpl, .source = len ? text : "", .len = len, .open = {"{{", 2}, .close = {"}}", 2}, .err = err};
    int rc = parse(&parser);
    if (rc < 0) {
        hd_mustache_free(tmpl);
        return rc;
    }
    *ret_template = tmpl;
    return 0;
}

void hd_mustache_free(struct hd_mustache *tmpl) {
    if (!tmpl)
        return;
    free(tmpl->text);
    free(tmpl->nodes);
    free(tmpl->keys);
    free(tmpl);
}

/* ---- rendering ---- */

/* A value of the view: at most one of the two is set; neither is what is absent. */
struct value {
    const json_t *json;
    const struct hd_view *view; /* never of a kind that value_of unfolds */
};

/* The indentation of partials within partials, innermost first. */
struct indent {
    const struct indent *outer;
    const char *text;
    size_t len;
};

struct rendering {
    struct hd_buffer *out;
    enum hd_mustache_escape escape;
    hd_mustache_partial_fn *partial;
    const void *partials;
    struct hd_error *err;
    size_t steps;
    size_t depth;         /* sections and partials around this node */
    size_t context_count; /* the root and every section's value, innermost last */
    struct value context[HD_MUSTACHE_MAX_DEPTH + 1];
};

/* One template in its run: the one that was called for, or a partial. */
struct frame {
    const struct hd_mustache *tmpl;
    const struct indent *indent;
    bool at_line_start; /* in the template, not in the output: values are not indented; kept only where there is an indent */
};

static struct value value_of(const struct hd_view *view) {
    switch (view->kind) {
    case HD_VIEW_ABSENT:
        return (struct value){0};
    case HD_VIEW_JSON:
        return (struct value){.json = view->json};
    default:
        return (struct value){.view = view};
    }
}

static bool is_absent(struct value value) {
    return !value.json && !value.view;
}

static struct value member(struct value object, const struct key *key) {
    if (object.json) {
        if (!json_is_object(object.json))
            return (struct value){0};
        return (struct value){.json = json_object_getn(object.json, key->text, key->len)};
    }
    if (!object.view || object.view->kind != HD_VIEW_OBJECT)
        return (struct value){0};
    const struct hd_view *members = object.view->items;
    for (size_t i = 0; i < object.view->len; i++)
        if (members[i].name_len == key->len && memcmp(members[i].name, key->text, key->len) == 0)
            return value_of(&members[i]);
    return (struct value){0};
}

/* The first part of a name is looked for from the innermost context outwards, the others only in what was found. */
static struct value find(const struct rendering *r, const struct hd_mustache *tmpl, const struct node *node) {
    size_t level = r->context_count;
    if (node->key_count == 0)
        return r->context[level - 1];
    const struct key *keys = &tmpl->keys[node->key_at];
    struct value value = {0};
    while (level > 0 && is_absent(value))
        value = member(r->context[--level], &keys[0]);
    for (uint32_t i = 1; i < node->key_count && !is_absent(value); i++)
        value = member(value, &keys[i]);
    return value;
}

static bool json_is_truthy(const json_t *json) {
    switch (json_typeof(json)) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return json_string_length(json) > 0;
    case JSON_ARRAY:
        return json_array_size(json) > 0;
    case JSON_INTEGER:
        return json_integer_value(json) != 0;
    case JSON_REAL:
        return json_real_value(json) < 0 || json_real_value(json) > 0;
    default:
        return true;
    }
}

static bool is_truthy(struct value value) {
    if (value.json)
        return json_is_truthy(value.json);
    if (!value.view)
        return false;
    switch (value.view->kind) {
    case HD_VIEW_FLAG:
        return value.view->flag;
    case HD_VIEW_TEXT:
    case HD_VIEW_LIST:
        return value.view->len > 0;
    default:
        return true;
    }
}

static const char *html_entity(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void write_text(struct hd_buffer *out, const char *text, size_t len, bool escaped) {
    if (!escaped) {
        hd_buffer_add(out, text, len);
        return;
    }
    static const bool has_entity[256] = {['&'] = true, ['<'] = true, ['>'] = true, ['"'] = true, ['\''] = true};
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        if (!has_entity[(unsigned char)text[i]])
            continue;
        const char *entity = html_entity(text[i]);
        hd_buffer_add(out, text + written, i - written);
        hd_buffer_add_str(out, entity);
        written = i + 1;
    }
    hd_buffer_add(out, text + written, len - written);
}

static void write_real(struct hd_buffer *out, double number) {
    char text[32];
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof(text), "%.*g", digits, number);
        double back = strtod(text, NULL);
        if (back >= number && back <= number)
            break;
    }
    hd_buffer_add(out, text, (size_t)len);
}

struct dump_target {
    struct hd_buffer *out;
    bool escaped;
};

static int write_dumped(const char *text, size_t len, void *data) {
    struct dump_target *target = data;
    write_text(target->out, text, len, target->escaped);
    return target->out->failure ? -1 : 0;
}

/* 0, or -1 when jansson had no memory; the buffer keeps its own failures. */
static int write_json(struct hd_buffer *out, const json_t *json, bool escaped) {
    struct dump_target target = {out, escaped};
    char number[24];
    switch (json_typeof(json)) {
    case JSON_STRING:
        write_text(out, json_string_value(json), json_string_length(json), escaped);
        return 0;
    case JSON_INTEGER:
        hd_buffer_add(out, number, (size_t)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(json)));
        return 0;
    case JSON_REAL:
        write_real(out, json_real_value(json));
        return 0;
    case JSON_TRUE:
        hd_buffer_add_str(out, "true");
        return 0;
    case JSON_FALSE:
        hd_buffer_add_str(out, "false");
        return 0;
    case JSON_NULL:
        return 0;
    default:
        return json_dump_callback(json, write_dumped, &target, JSON_COMPACT);
    }
}

static void write_indent(struct hd_buffer *out, const struct indent *indent) {
    if (indent->outer)
        write_indent(out, indent->outer);
    hd_buffer_add(out, indent->text, indent->len);
}

/* Before anything that the template writes. */
static void begin_line(struct rendering *r, struct frame *frame) {
    if (frame->indent && frame->at_line_start)
        write_indent(r->out, frame->indent);
    frame->at_line_start = false;
}

static void write_indented(struct rendering *r, struct frame *frame, const char *text, size_t len) {
    while (len > 0 && !r->out->failure) {
        const char *newline = memchr(text, '\n', len);
        size_t line_len = newline ? (size_t)(newline - text) + 1 : len;
        begin_line(r, frame);
        hd_buffer_add(r->out, text, line_len);
        frame->at_line_start = newline != NULL;
        text += line_len;
        len -= line_len;
    }
}

static int render_variable(struct rendering *r, struct frame *frame, const struct node *node) {
    bool escaped = node->kind == NODE_ESCAPED && r->escape == HD_MUSTACHE_HTML;
    struct value value = find(r, frame->tmpl, node);
    begin_line(r, frame);
    if (value.json && write_json(r->out, value.json, escaped) < 0 && !r->out->failure)
        return hd_error_set(r->err, HD_ERR_NO_MEMORY, "out of memory for a value of a template");
    if (value.view && value.view->kind == HD_VIEW_TEXT)
        write_text(r->out, value.view->text, value.view->len, escaped);
    if (value.view && value.view->kind == HD_VIEW_FLAG)
        hd_buffer_add_str(r->out, value.view->flag ? "true" : "false");
    return 0;
}

static int render_nodes(struct rendering *r, struct frame *frame, uint32_t from, uint32_t to);

static int count_step(struct rendering *r) {
    if (++r->steps > HD_MUSTACHE_MAX_STEPS)
        return hd_error_set(r->err, HD_ERR_LIMIT, "the template takes more than %d steps", HD_MUSTACHE_MAX_STEPS);
    return 0;
}

static int enter(struct rendering *r) {
    if (r->depth == HD_MUSTACHE_MAX_DEPTH)
        return hd_error_set(r->err, HD_ERR_LIMIT, "sections and partials are nested deeper than %d", HD_MUSTACHE_MAX_DEPTH);
    r->depth++;
    return 0;
}

static int render_with(struct rendering *r, struct frame *frame, struct value value, uint32_t from, uint32_t to) {
    int rc = count_step(r);
    if (rc < 0)
        return rc;
    assert(r->context_count <= HD_MUSTACHE_MAX_DEPTH);
    r->context[r->context_count++] = value;
    rc = render_nodes(r, frame, from, to);
    r->context_count--;
    return rc;
}

static int render_each(struct rendering *r, struct frame *frame, struct value value, uint32_t from, uint32_t to) {
    int rc = 0;
    const json_t *array = json_is_array(value.json) ? value.json : NULL;
    if (array) {
        size_t count = json_array_size(array);
        for (size_t i = 0; rc == 0 && i < count; i++)
            rc = render_with(r, frame, (struct value){.json = json_array_get(array, i)}, from, to);
    } else if (value.view && value.view->kind == HD_VIEW_LIST) {
        for (size_t i = 0; rc == 0 && i < value.view->len; i++)
            rc = render_with(r, frame, value_of(&value.view->items[i]), from, to);
    } else {
        rc = render_with(r, frame, value, from, to);
    }
    return rc;
}

static int render_section(struct rendering *r, struct frame *frame, uint32_t at) {
    const struct node *node = &frame->tmpl->nodes[at];
    struct value value = find(r, frame->tmpl, node);
    if (is_truthy(value) != (node->kind == NODE_SECTION))
        return 0;
    int rc = enter(r);
    if (rc < 0)
        return rc;
    if (node->kind == NODE_SECTION)
        rc = render_each(r, frame, value, at + 1, node->behind);
    else
        rc = render_nodes(r, frame, at + 1, node->behind);
    r->depth--;
    return rc;
}

/* As if the partial's text stood in the place of the tag, each line indented as a standalone tag is; a tag within a line indents
 * nothing, not even by what its own template is indented. */
static int render_partial(struct rendering *r, struct frame *frame, const struct node *node) {
    const struct hd_mustache *partial = r->partial ? r->partial(r->partials, frame->tmpl->keys[node->key_at].text) : NULL;
    if (!node->standalone)
        begin_line(r, frame);
    if (!partial)
        return 0;
    int rc = enter(r);
    if (rc < 0)
        return rc;
    struct indent own = {frame->indent, node->text, node->len};
    struct frame inner = {.tmpl = partial, .at_line_start = true};
    if (node->standalone)
        inner.indent = node->len > 0 ? &own : frame->indent;
    rc = render_nodes(r, &inner, 0, partial->node_count);
    frame->at_line_start = node->standalone;
    r->depth--;
    return rc;
}

static int render_nodes(struct rendering *r, struct frame *frame, uint32_t from, uint32_t to) {
    const struct node *nodes = frame->tmpl->nodes;
    for (uint32_t i = from; i < to;) {
        const struct node *node = &nodes[i];
        int rc = count_step(r);
        if (rc < 0)
            return rc;
        switch (node->kind) {
        case NODE_TEXT:
            if (frame->indent)
                write_indented(r, frame, node->text, node->len);
            else
                hd_buffer_add(r->out, node->text, node->len);
            break;
        case NODE_ESCAPED:
        case NODE_RAW:
            rc = render_variable(r, frame, node);
            break;
        case NODE_SECTION:
        case NODE_INVERTED:
            rc = render_section(r, frame, i);
            break;
        case NODE_PARTIAL:
            rc = render_partial(r, frame, node);
            break;
        }
        if (rc < 0)
            return rc;
        if (r->out->failure)
            return hd_buffer_check(r->out, r->err);
        i = node->kind == NODE_SECTION || node->kind == NODE_INVERTED ? node->behind : i + 1;
    }
    return 0;
}

int hd_mustache_render_view(const struct hd_mustache *tmpl, const struct hd_view *view, enum hd_mustache_escape escape,
                            hd_mustache_partial_fn *partial, const void *partials, struct hd_buffer *out, struct hd_error *err) {
    if (out->failure)
        return hd_buffer_check(out, err);
    struct rendering r;
    r.out = out;
    r.escape = escape;
    r.partial = partial;
    r.partials = partials;
    r.err = err;
    r.steps = 0;
    r.depth = 0;
    r.context[0] = value_of(view);
    r.context_count = 1;

    size_t before = out->len;
    struct frame frame = {.tmpl = tmpl, .at_line_start = true};
    int rc = render_nodes(&r, &frame, 0, tmpl->node_count);
    if (rc < 0) {
        out->len = before;
        out->failure = HD_OK;
        if (out->data)
            out->data[before] = '\0';
    }
    return rc;
}

int hd_mustache_render(const struct hd_mustache *tmpl, const json_t *view, enum hd_mustache_escape escape, hd_mustache_partial_fn *partial,
                       const void *partials, struct hd_buffer *out, struct hd_error *err) {
    struct hd_view root = hd_view_json("", view);
    return hd_mustache_render_view(tmpl, &root, escape, partial, partials, out, err);
}
