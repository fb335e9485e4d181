/* JSON Schema 2020-12 (json-schema.org/draft/2020-12): compiled once into a tree of checks, then used from any thread.
 *
 * A compiled schema is immutable and thread-safe. Validation does no I/O; it takes memory from the caller's arena only: some hundred bytes
 * once a pattern is matched, more for uniqueItems over 16 elements and unevaluated… over 64, else nothing. Its cost is bounded by
 * HD_SCHEMA_MAX_DEPTH, HD_SCHEMA_MAX_STEPS and the match limits of base/schema_pattern.h. `format` is checked for the formats of base/schema_format.h only when asked for; by default it is an
 * annotation, as the standard says. Patterns are ECMA-262, through PCRE2. What is left out: docs/json-schema.md. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

struct hd_schema;

enum {
    HD_SCHEMA_MAX_DEPTH = 128,     /* schemas applied within one another; also levels of a schema document */
    HD_SCHEMA_MAX_STEPS = 1000000, /* schemas applied, members and elements looked at, values compared, in one validation */
    HD_SCHEMA_MAX_PROBLEMS = 16,   /* kept in a struct hd_schema_problems */
    HD_SCHEMA_POINTER_BYTES = 128, /* of a problem's pointer, its NUL included */
    HD_SCHEMA_DETAIL_BYTES = 192,  /* of a problem's sentence, its NUL included */
    HD_SCHEMA_COMPILED_LIMIT_BYTES = 64 * 1024 * 1024, /* of one compiled schema, and again of what compiling it needs meanwhile */
};

/* A document that `$ref` may name, beside the document itself. */
struct hd_schema_document {
    const char *uri; /* where it would be fetched from; NULL when its own `$id` is the only name it has */
    const json_t *root;
};

struct hd_schema_options {
    bool check_formats;
    /* Nothing is fetched: a `$ref` finds only what stands here or in the document. The array is read during compile only; the documents
     * themselves must outlive the schema. Where two have one URI the first counts, and the document itself before them all. */
    const struct hd_schema_document *documents;
    size_t document_count;
};

struct hd_schema_problem {
    char pointer[HD_SCHEMA_POINTER_BYTES]; /* RFC 6901, into the instance; "" is the root; cut at a whole reference token when longer */
    const char *keyword;                   /* "required", "maxLength" …; static */
    char detail[HD_SCHEMA_DETAIL_BYTES];   /* what must hold, without a subject or full stop: "must be at most 200 characters long" */
};

struct hd_schema_problems {
    size_t count; /* at most HD_SCHEMA_MAX_PROBLEMS are kept */
    struct hd_schema_problem items[HD_SCHEMA_MAX_PROBLEMS];
};

/* Compiles the schema at pointer ("" is the root; an RFC 6901 pointer else, such as "/components/schemas/TicketCreate", so that an
 * OpenAPI document serves as it is) of document. options may be NULL. The document must outlive the schema and not change.
 * HD_ERR_INVALID with the place in the document as the error's pointer: a keyword is malformed, a $ref leads nowhere or round in a circle.
 * HD_ERR_LIMIT: the document is deeper than HD_SCHEMA_MAX_DEPTH. HD_ERR_NO_MEMORY. */
int hd_schema_compile(const json_t *document, const char *pointer, const struct hd_schema_options *options, struct hd_schema **ret_schema,
                      struct hd_error *err) HD_MUST_CHECK;
void hd_schema_free(struct hd_schema *schema);   /* takes NULL */
void hd_schema_freep(struct hd_schema **schema); /* for HD_CLEANUP */

/* 0 when the instance is valid. HD_ERR_INVALID with the first problem in err (detail and pointer) and the first of them all in *problems,
 * which may be NULL (then validation stops at the first). HD_ERR_LIMIT, HD_ERR_NO_MEMORY (the arena's limit); *problems is then unfinished.
 * *problems needs no initialising. The instance's texts are valid UTF-8, as base/json.h gives them. */
int hd_schema_validate(const struct hd_schema *schema, struct hd_arena *arena, const json_t *instance, struct hd_schema_problems *problems,
                       struct hd_error *err) HD_MUST_CHECK;
