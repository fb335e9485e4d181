/* ECMA-262 regular expressions (in their Unicode mode) through PCRE2, with bounded cost.
 *
 * A pattern is translated where the two dialects differ ($, ., \s, \d, \p{Letter} …); what ECMA-262 does not have ((?i), \Q, \A, (*VERBS) …)
 * is refused. A compiled pattern is immutable and used from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    HD_PATTERN_MAX_BYTES = 4096,      /* of a pattern's text */
    HD_PATTERN_MATCH_LIMIT = 100000,  /* PCRE2's count of internal steps for one match */
    HD_PATTERN_HEAP_LIMIT_KIB = 1024, /* for one match */
};

struct hd_pattern;
struct hd_pattern_set; /* owns patterns: PCRE2 keeps them outside our arenas */

struct hd_pattern_set *hd_pattern_set_new(void) HD_MUST_CHECK; /* NULL when out of memory */
void hd_pattern_set_free(struct hd_pattern_set *set);          /* takes NULL */

/* The pattern lives as long as its set. HD_ERR_INVALID with a sentence, HD_ERR_LIMIT (longer than HD_PATTERN_MAX_BYTES), HD_ERR_NO_MEMORY. */
int hd_pattern_compile(struct hd_pattern_set *set, const char *text, size_t len, const struct hd_pattern **ret_pattern,
                       struct hd_error *err) HD_MUST_CHECK;

/* What matching needs beside the pattern; {.arena = …} and one for each validation. */
struct hd_pattern_scratch {
    struct hd_arena *arena;
    void *match_data; /* made at the first match */
};

/* Searches (is not anchored). 1 or 0; HD_ERR_LIMIT when a limit ran out, HD_ERR_NO_MEMORY. The subject must be valid UTF-8. */
int hd_pattern_match(const struct hd_pattern *pattern, struct hd_pattern_scratch *scratch, const char *subject, size_t len) HD_MUST_CHECK;

/* 1 when the text is a pattern that compiles, 0 when it is not or is too long, HD_ERR_NO_MEMORY. */
int hd_pattern_valid(struct hd_arena *arena, const char *text, size_t len) HD_MUST_CHECK;
