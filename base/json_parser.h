/* The parser behind hd_json_parse and hd_json_load: RFC 8259 text into a tree of jansson's values.
 *
 * jansson's own reader goes byte by byte through three functions, which costs more than all the rest of an event; this one goes over runs
 * of plain bytes and calls jansson to make values only. It takes and refuses the same texts as json_loadb with JSON_REJECT_DUPLICATES and
 * JSON_DECODE_ANY (tests/fuzz/fuzz_json.c compares them), but that
 *   - depth counts arrays and objects only, where jansson counts the scalar inside of them as well;
 *   - a raw NUL byte is refused wherever it stands, where jansson skips one behind a number. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/error.h"

/* flags: enum hd_json_flags of base/json.h. The tree lies where jansson's allocation functions put it, and a failed call gives it back to
 * them; a text with escapes takes up to len bytes of the heap besides, while it is read. text needs no NUL behind it, and may be NULL when
 * len is 0. HD_ERR_MALFORMED with line and column (both from 1, the column in characters), HD_ERR_NO_MEMORY when an allocation fails.
 * Thread-safe. */
int hd_json_read(const char *text, size_t len, int flags, json_t **ret_root, struct hd_error *err) HD_MUST_CHECK;
