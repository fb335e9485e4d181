/* The compiled form of a JSON Schema. Private to base/schema*.c: schema_compile.c builds it, schema.c runs it.
 *
 * Everything lies in the schema's own arena and is never written after compile; const values and names point into the documents.
 * A group of checks (string, number, array, object, combined) is NULL where the schema says nothing of the kind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/schema.h"
#include "base/schema_format.h"
#include "base/schema_pattern.h"

/* One bit each, so that `type` is one AND. INTEGER is any number without a fraction, 1.0 included. */
enum hd_schema_type {
    HD_SCHEMA_NULL = 1,
    HD_SCHEMA_BOOLEAN = 2,
    HD_SCHEMA_INTEGER = 4,
    HD_SCHEMA_FRACTION = 8,
    HD_SCHEMA_STRING = 16,
    HD_SCHEMA_ARRAY = 32,
    HD_SCHEMA_OBJECT = 64,
    HD_SCHEMA_ANY = 127,
};

struct hd_schema_node;

struct hd_schema_list {
    size_t count;
    const struct hd_schema_node **nodes;
};

/* A named schema that $dynamicRef can land on. */
struct hd_schema_anchor {
    const char *name;
    const struct hd_schema_node *node; /* NULL when no $dynamicRef asks for the name */
    const struct hd_schema_anchor *next;
};

/* A schema resource: the unit of the dynamic scope. */
struct hd_schema_resource {
    const struct hd_schema_anchor *dynamic_anchors;
};

struct hd_schema_dynamic_ref {
    const char *name;
    const struct hd_schema_node *fallback; /* what it means when no outer resource has the name */
};

/* enum or const. sentence: `must be one of "low", "high"`. */
struct hd_schema_values {
    const char *keyword;
    const char *sentence;
    size_t count;
    const struct hd_schema_value {
        const json_t *json;
        const char *text; /* of a string; NULL else */
        size_t text_bytes;
    } * items;
};

struct hd_schema_strings {
    size_t min_length, max_length; /* characters; 0 and SIZE_MAX when absent */
    const struct hd_pattern *pattern;
    const char *pattern_text;
    const struct hd_format *format;
};

/* A long double holds every int64_t and every double exactly: checked in schema.c. */
struct hd_schema_bound {
    bool present;
    long double value;
    const char *text;
};

struct hd_schema_numbers {
    struct hd_schema_bound minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;
};

struct hd_schema_arrays {
    size_t min_items, max_items;
    bool unique;
    struct hd_schema_list prefix;
    const struct hd_schema_node *items;
    const struct hd_schema_node *contains;
    size_t min_contains, max_contains;
    const struct hd_schema_node *unevaluated;
};

struct hd_schema_property {
    const char *name;
    size_t name_bytes;
    const struct hd_schema_node *node; /* NULL when the name is only required */
    uint64_t required_bit;             /* 0 when it may be missing */
};

struct hd_schema_pattern_property {
    const struct hd_pattern *pattern;
    const struct hd_schema_node *node;
};

struct hd_schema_dependent {
    const char *name;
    size_t name_bytes;
    size_t required_count;
    const struct hd_schema_value *required; /* text only */
    const struct hd_schema_node *node;      /* NULL or dependentSchemas' */
};

struct hd_schema_objects {
    size_t min_properties, max_properties;
    bool looks_at_members; /* false: only asks for names, so that there is no pass over the members */
    /* properties and required in one table: hashed by hd_schema_name_hash, open addressing; slots hold index + 1, 0 is empty. */
    size_t property_count;
    struct hd_schema_property *properties;
    uint32_t slot_mask;
    uint32_t *slots;
    uint64_t required_mask;
    size_t more_required_count; /* the required names from the 65th on */
    const char **more_required;
    size_t pattern_count;
    struct hd_schema_pattern_property *patterns;
    const struct hd_schema_node *additional;
    const struct hd_schema_node *names;
    size_t dependent_count;
    struct hd_schema_dependent *dependents;
    const struct hd_schema_node *unevaluated;
};

/* What applies other schemas to the same instance. */
struct hd_schema_combined {
    const struct hd_schema_node *ref;
    const struct hd_schema_dynamic_ref *dynamic_ref;
    struct hd_schema_list all_of, any_of, one_of;
    const struct hd_schema_node *negated;
    const struct hd_schema_node *condition, *consequence, *alternative;
};

struct hd_schema_node {
    uint8_t types; /* of enum hd_schema_type; 0 for the schema `false` */
    uint8_t mark;  /* used while compile looks for circles */
    const struct hd_schema_resource *resource;
    const struct hd_schema_values *values[2]; /* const and enum; the first free slot is NULL */
    struct hd_schema_strings *strings;
    struct hd_schema_numbers *numbers;
    struct hd_schema_arrays *arrays;
    struct hd_schema_objects *objects;
    struct hd_schema_combined *combined;
};

struct hd_schema {
    struct hd_arena *memory;
    struct hd_pattern_set *patterns;
    const struct hd_schema_node *root;
    bool dynamic; /* some $dynamicRef needs the dynamic scope at validation */
};

/* Good enough for tables of known names, and cheap: the length, the first and the last eight bytes. */
static inline uint32_t hd_schema_name_hash(const char *name, size_t len) {
    uint64_t head = 0, tail = 0;
    if (len >= 8) {
        __builtin_memcpy(&head, name, 8);
        __builtin_memcpy(&tail, name + len - 8, 8);
    } else {
        for (size_t i = 0; i < len; i++)
            head = head << 8 | (uint8_t)name[i];
    }
    uint64_t mixed = (head ^ (tail * UINT64_C(0x9e3779b97f4a7c15)) ^ len) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(mixed >> 32);
}
