/* JSON: reading into trees of jansson's values (base/json_parser.h), writing straight into a buffer.
 *
 * Reading. hd_json_parse puts the whole tree into the caller's arena: it is not reference-counted, must never be passed to
 * json_decref or json_incref, must not be changed, and dies with the arena. Trees that outlive a request (schemas, settings) come
 * from hd_json_load and are freed with json_decref. hd_json_init must run once, before any thread starts.
 * Strict RFC 8259: UTF-8 checked, duplicate names refused, NUL (\u0000) refused unless asked for, depth and size bounded.
 *
 * Writing. A struct hd_json_writer knows where commas go; it writes into a hd_buffer, whose failure is checked at the end.
 * Strings are written as UTF-8, escaped only where RFC 8259 demands it; invalid UTF-8 must not reach it (everything that
 * comes in is checked).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

enum { HD_JSON_MAX_DEPTH = 32, HD_JSON_ANY_DEPTH_MAX = 2048 }; /* arrays and objects inside of each other */

enum hd_json_flags {
    HD_JSON_ALLOW_NUL = 1, /* \u0000 in string values (never in names) */
    HD_JSON_ANY_DEPTH = 2, /* up to HD_JSON_ANY_DEPTH_MAX instead of HD_JSON_MAX_DEPTH */
};

void hd_json_init(void);

/* HD_ERR_MALFORMED (with line and column), HD_ERR_NO_MEMORY (the arena's limit included). Any JSON value may be the root. text needs no
 * NUL behind it. What a failed parse took from the arena stays taken. */
int hd_json_parse(struct hd_arena *arena, const char *text, size_t len, int flags, json_t **ret_root, struct hd_error *err) HD_MUST_CHECK;

/* The same on the heap; the caller owns *ret_root (json_decref). */
int hd_json_load(const char *text, size_t len, int flags, json_t **ret_root, struct hd_error *err) HD_MUST_CHECK;
void hd_json_decrefp(json_t **root); /* for HD_CLEANUP */

/* The string, or NULL when it is absent or not a string. Lives as long as the tree. */
const char *hd_json_str(const json_t *object, const char *name);
/* The integer, or fallback when it is absent or not an integer. */
int64_t hd_json_int(const json_t *object, const char *name, int64_t fallback);

/* Compact text of a tree, appended to out. Check out afterwards. */
void hd_json_dump(struct hd_buffer *out, const json_t *root);

/* ---- writing ---- */

struct hd_json_writer {
    struct hd_buffer *out;
    bool comma; /* something stands before, on this level */
};

struct hd_json_writer hd_json_writer(struct hd_buffer *out);

/* name is NULL for an element of an array or the root, else the member's name (ASCII, no escapes needed). */
void hd_json_open_object(struct hd_json_writer *w, const char *name);
void hd_json_close_object(struct hd_json_writer *w);
void hd_json_open_array(struct hd_json_writer *w, const char *name);
void hd_json_close_array(struct hd_json_writer *w);
void hd_json_put_str(struct hd_json_writer *w, const char *name, const char *text);              /* NULL writes null */
void hd_json_put_str_if(struct hd_json_writer *w, const char *name, const char *text);           /* NULL writes nothing */
void hd_json_put_strn(struct hd_json_writer *w, const char *name, const char *text, size_t len); /* may hold NULs */
void hd_json_put_int(struct hd_json_writer *w, const char *name, int64_t value);
void hd_json_put_bool(struct hd_json_writer *w, const char *name, bool value);
void hd_json_put_time(struct hd_json_writer *w, const char *name, int64_t time_ms);             /* RFC 3339; 0 writes null */
void hd_json_put_raw(struct hd_json_writer *w, const char *name, const char *json, size_t len); /* JSON that is known to be good */
void hd_json_put_json(struct hd_json_writer *w, const char *name, const json_t *value);
