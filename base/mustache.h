/* Mustache (github.com/mustache/spec, the core: comments, delimiters, interpolation, inverted, partials, sections): compiled once,
 * rendered many times from any thread.
 *
 * A compiled template is immutable. Rendering does no I/O; output is bounded by the buffer's limit, nesting by HD_MUSTACHE_MAX_DEPTH,
 * work by HD_MUSTACHE_MAX_STEPS. Escaping is HTML's (& < > " ') for HD_MUSTACHE_HTML and none for HD_MUSTACHE_TEXT, where {{x}} and {{{x}}}
 * are the same.
 *
 * What the spec leaves open: false, null, 0, "" and the empty list close a section and open an inverted one (as in mustache.js); {{x}}
 * writes true and false as words, null and what is absent as nothing, numbers as the shortest JSON text that reads back the same, and
 * a JSON array or object as compact JSON. The optional modules (lambdas, inheritance, dynamic names) are refused by the compiler.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

struct hd_mustache;

enum { HD_MUSTACHE_MAX_DEPTH = 32, HD_MUSTACHE_MAX_STEPS = 100000, HD_MUSTACHE_MAX_TEMPLATE_BYTES = 256 * 1024 };

enum hd_mustache_escape { HD_MUSTACHE_TEXT, HD_MUSTACHE_HTML };

/* Finds a partial by name, or returns NULL (an absent partial renders as nothing). Called while rendering; must be thread-safe. */
typedef const struct hd_mustache *hd_mustache_partial_fn(const void *partials, const char *name);

/* HD_ERR_INVALID with line and column: an unclosed tag or section, a malformed or unsupported tag, sections nested too deep.
 * HD_ERR_TOO_LARGE, HD_ERR_NO_MEMORY. text is copied. */
int hd_mustache_compile(const char *text, size_t len, struct hd_mustache **ret_template, struct hd_error *err) HD_MUST_CHECK;
void hd_mustache_free(struct hd_mustache *tmpl); /* takes NULL */

/* Appends to out. view is the context (a JSON value; NULL is null). partial may be NULL. HD_ERR_LIMIT (depth, steps, output),
 * HD_ERR_NO_MEMORY; what was appended by a failed call is cut off again, and out has no failure that it had not before. */
int hd_mustache_render(const struct hd_mustache *tmpl, const json_t *view, enum hd_mustache_escape escape, hd_mustache_partial_fn *partial,
                       const void *partials, struct hd_buffer *out, struct hd_error *err) HD_MUST_CHECK;

/* ---- a view without a JSON tree: the caller's own strings, in arrays on its stack, with JSON wherever there is some ----
 *
 *   struct hd_view ticket[] = {hd_view_text("ticketId", id), hd_view_text("title", title)};
 *   struct hd_view root[] = {hd_view_object("ticket", ticket, HD_ARRAY_LEN(ticket)), hd_view_json("payload", payload)};
 *   struct hd_view view = hd_view_object("", root, HD_ARRAY_LEN(root));
 *
 * Everything is borrowed until the call returns. A NULL text or json is absent. Lookup is linear: meant for some dozen members. */

enum hd_view_kind { HD_VIEW_ABSENT, HD_VIEW_TEXT, HD_VIEW_FLAG, HD_VIEW_JSON, HD_VIEW_OBJECT, HD_VIEW_LIST };

struct hd_view {
    enum hd_view_kind kind;
    const char *name; /* ignored for an element of a list and for the root */
    size_t name_len;
    union {
        const char *text;            /* HD_VIEW_TEXT: UTF-8, of len bytes */
        bool flag;                   /* HD_VIEW_FLAG */
        const json_t *json;          /* HD_VIEW_JSON */
        const struct hd_view *items; /* HD_VIEW_OBJECT, HD_VIEW_LIST: len of them */
    };
    size_t len;
};

static inline struct hd_view hd_view_text_n(const char *name, const char *text, size_t len) {
    return (struct hd_view){text ? HD_VIEW_TEXT : HD_VIEW_ABSENT, name, strlen(name), {.text = text}, len};
}

static inline struct hd_view hd_view_text(const char *name, const char *text) {
    return hd_view_text_n(name, text, text ? strlen(text) : 0);
}

static inline struct hd_view hd_view_flag(const char *name, bool flag) {
    return (struct hd_view){HD_VIEW_FLAG, name, strlen(name), {.flag = flag}, 0};
}

static inline struct hd_view hd_view_json(const char *name, const json_t *json) {
    return (struct hd_view){json ? HD_VIEW_JSON : HD_VIEW_ABSENT, name, strlen(name), {.json = json}, 0};
}

static inline struct hd_view hd_view_object(const char *name, const struct hd_view *members, size_t count) {
    return (struct hd_view){HD_VIEW_OBJECT, name, strlen(name), {.items = members}, count};
}

static inline struct hd_view hd_view_list(const char *name, const struct hd_view *elements, size_t count) {
    return (struct hd_view){HD_VIEW_LIST, name, strlen(name), {.items = elements}, count};
}

/* hd_mustache_render with such a view. */
int hd_mustache_render_view(const struct hd_mustache *tmpl, const struct hd_view *view, enum hd_mustache_escape escape,
                            hd_mustache_partial_fn *partial, const void *partials, struct hd_buffer *out,
                            struct hd_error *err) HD_MUST_CHECK;
