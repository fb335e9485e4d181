#include "base/schema.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/schema_tree.h"
#include "base/utf8.h"

_Static_assert(LDBL_MANT_DIG >= 64, "bounds compare integers and doubles exactly as long double");

/* A value that is being checked: JSON, or the name of a member (then json is NULL), which is a string without being a json_t. */
struct instance {
    const json_t *json;
    uint8_t type; /* one of enum hd_schema_type */
    const char *text;
    size_t text_bytes; /* of a string */
};

/* Where the instance stands, as a chain up the C stack: nothing is built before a problem needs its pointer. */
struct at {
    const struct at *up; /* NULL at the root */
    const char *name;    /* NULL for an element of an array */
    size_t name_bytes;
    size_t index;
};

/* Which members or elements have been looked at by properties, items and the like: kept only for the sake of unevaluated*. */
struct evaluated {
    size_t count;
    uint64_t *bits;
    uint64_t few; /* bits points here while 64 are enough */
};

struct scope {
    const struct hd_schema_resource *resource;
    const struct scope *outer;
};

struct run {
    const struct hd_schema *schema;
    struct hd_arena *arena;
    struct hd_schema_problems *problems;
    size_t max_problems;
    unsigned quiet;    /* > 0 inside of what may fail, such as a branch of anyOf: nothing is recorded, the first failure is enough */
    unsigned in_names; /* > 0 inside of propertyNames */
    int depth;
    size_t steps;
    bool stop; /* failed, or no more problems are wanted: return false from everywhere */
    enum hd_code failure;
    struct hd_pattern_scratch scratch;
    const struct scope *scope;
};

static bool check_node(struct run *run, const struct hd_schema_node *node, const struct instance *instance, const struct at *at,
                       struct evaluated *evaluated);

/* ---- problems ---- */

/* Appends one reference token, escaped. False when it does not fit whole; *len is then as before. */
static bool append_token(char *pointer, size_t *len, const struct at *at) {
    char index[24];
    const char *name = at->name;
    size_t name_bytes = at->name_bytes, to = *len;
    if (!name) {
        name_bytes = (size_t)snprintf(index, sizeof index, "%zu", at->index);
        name = index;
    }
    if (to + 1 >= HD_SCHEMA_POINTER_BYTES)
        return false;
    pointer[to++] = '/';
    for (size_t i = 0; i < name_bytes; i++) {
        bool escaped = name[i] == '~' || name[i] == '/';
        if (to + 1 + escaped >= HD_SCHEMA_POINTER_BYTES)
            return false;
        pointer[to++] = escaped ? '~' : name[i];
        if (escaped)
            pointer[to++] = name[i] == '~' ? '0' : '1';
    }
    *len = to;
    return true;
}

static void write_pointer(char *pointer, const struct at *at) {
    const struct at *chain[HD_SCHEMA_MAX_DEPTH + 2];
    size_t levels = 0, len = 0;
    for (; at->up; at = at->up) {
        assert(levels < HD_ARRAY_LEN(chain));
        chain[levels++] = at;
    }
    while (levels > 0 && append_token(pointer, &len, chain[levels - 1]))
        levels--;
    pointer[len] = '\0';
}

/* Records a problem unless the run is quiet. Returns false: return problem(…); */
static bool problem(struct run *run, const struct at *at, const char *keyword, const char *fmt, ...) HD_PRINTF(4, 5);

static bool problem(struct run *run, const struct at *at, const char *keyword, const char *fmt, ...) {
    if (run->quiet > 0 || run->stop)
        return false;
    struct hd_schema_problem *item = &run->problems->items[run->problems->count++];
    write_pointer(item->pointer, at);
    item->keyword = keyword;
    int len = snprintf(item->detail, sizeof item->detail, "%s", run->in_names > 0 ? "has a name that " : "");
    va_list args;
    va_start(args, fmt);
    vsnprintf(item->detail + len, sizeof item->detail - (size_t)len, fmt, args);
    va_end(args);
    item->detail[hd_utf8_valid_prefix(item->detail, strlen(item->detail))] = '\0';
    run->stop = run->problems->count == run->max_problems;
    return false;
}

static bool fail(struct run *run, enum hd_code code) {
    if (run->failure == HD_OK)
        run->failure = code;
    run->stop = true;
    return false;
}

/* After a failure: is it of use to look for more? */
static bool go_on(const struct run *run) {
    return run->quiet == 0 && !run->stop;
}

static bool spend(struct run *run, size_t steps) {
    run->steps += steps;
    return run->steps <= HD_SCHEMA_MAX_STEPS || fail(run, HD_ERR_LIMIT);
}

/* ---- instances ---- */

static struct instance instance_of(const json_t *json) {
    struct instance instance = {.json = json};
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        instance.type = HD_SCHEMA_OBJECT;
        break;
    case JSON_ARRAY:
        instance.type = HD_SCHEMA_ARRAY;
        break;
    case JSON_STRING:
        instance.type = HD_SCHEMA_STRING;
        instance.text = json_string_value(json);
        instance.text_bytes = json_string_length(json);
        break;
    case JSON_INTEGER:
        instance.type = HD_SCHEMA_INTEGER;
        break;
    case JSON_REAL: {
        double value = json_real_value(json);
        instance.type = trunc(value) < value || trunc(value) > value ? HD_SCHEMA_FRACTION : HD_SCHEMA_INTEGER;
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        instance.type = HD_SCHEMA_BOOLEAN;
        break;
    case JSON_NULL:
        instance.type = HD_SCHEMA_NULL;
        break;
    }
    return instance;
}

static long double number_value(const json_t *number) {
    return json_is_integer(number) ? (long double)json_integer_value(number) : (long double)json_real_value(number);
}

/* ---- equality, as JSON Schema has it: 1 is 1.0, the order of members does not matter ---- */

static bool same_number(const json_t *a, const json_t *b) {
    long double x = number_value(a), y = number_value(b);
    return x >= y && x <= y;
}

static bool same(struct run *run, const json_t *a, const json_t *b, int depth) {
    if (depth > HD_SCHEMA_MAX_DEPTH)
        return fail(run, HD_ERR_LIMIT);
    if (!spend(run, 1))
        return false;
    if (json_is_number(a) && json_is_number(b))
        return same_number(a, b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_string(a))
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    if (json_is_array(a)) {
        size_t count = json_array_size(a);
        bool equal = count == json_array_size(b);
        for (size_t i = 0; i < count && equal; i++)
            equal = same(run, json_array_get(a, i), json_array_get(b, i), depth + 1);
        return equal;
    }
    if (json_is_object(a)) {
        bool equal = json_object_size(a) == json_object_size(b);
        for (void *i = json_object_iter((json_t *)a); i && equal; i = json_object_iter_next((json_t *)a, i)) {
            const json_t *other = json_object_getn(b, json_object_iter_key(i), json_object_iter_key_len(i));
            equal = other && same(run, json_object_iter_value(i), other, depth + 1);
        }
        return equal;
    }
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

static uint64_t hash_bytes(const char *bytes, size_t len) {
    uint64_t hash = mix(UINT64_C(0x9e3779b97f4a7c15), len);
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = mix(hash, word);
    }
    for (size_t i = 0; i < len; i++)
        hash = mix(hash, (uint8_t)bytes[i]);
    return hash;
}

/* Values that are the same have the same hash. */
static uint64_t hash_value(struct run *run, const json_t *value, int depth) {
    uint64_t hash = 0;
    if (depth > HD_SCHEMA_MAX_DEPTH)
        return fail(run, HD_ERR_LIMIT);
    if (!spend(run, 1))
        return 0;
    if (json_is_string(value))
        return hash_bytes(json_string_value(value), json_string_length(value));
    if (json_is_number(value)) {
        double number = (double)number_value(value) + 0.0; /* -0.0 becomes 0.0 */
        memcpy(&hash, &number, sizeof number);
        return mix(1, hash);
    }
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            hash = mix(hash, hash_value(run, json_array_get(value, i), depth + 1));
        return mix(2, hash);
    }
    if (json_is_object(value)) {
        for (void *i = json_object_iter((json_t *)value); i; i = json_object_iter_next((json_t *)value, i))
            hash += mix(hash_bytes(json_object_iter_key(i), json_object_iter_key_len(i)),
                        hash_value(run, json_object_iter_value(i), depth + 1));
        return mix(3, hash);
    }
    return mix(4, (uint64_t)json_typeof(value));
}

/* ---- any type ---- */

static bool is_among(struct run *run, const struct hd_schema_values *values, const struct instance *instance) {
    for (size_t i = 0; i < values->count; i++) {
        const struct hd_schema_value *value = &values->items[i];
        if (instance->type == HD_SCHEMA_STRING) {
            if (value->text && value->text_bytes == instance->text_bytes && memcmp(value->text, instance->text, value->text_bytes) == 0)
                return true;
        } else if (same(run, value->json, instance->json, 0)) {
            return true;
        }
    }
    return false;
}

static bool wrong_type(struct run *run, const struct hd_schema_node *node, const struct at *at) {
    static const struct {
        uint8_t bits;
        const char *text;
    } types[] = {
        {HD_SCHEMA_OBJECT, "an object"},   {HD_SCHEMA_ARRAY, "an array"},
        {HD_SCHEMA_STRING, "a string"},    {HD_SCHEMA_INTEGER | HD_SCHEMA_FRACTION, "a number"},
        {HD_SCHEMA_INTEGER, "an integer"}, {HD_SCHEMA_BOOLEAN, "true or false"},
        {HD_SCHEMA_NULL, "null"},
    };
    if (node->types == 0)
        return problem(run, at, "false", "is not allowed");
    if (run->quiet > 0)
        return false;
    char text[HD_SCHEMA_DETAIL_BYTES] = "";
    size_t len = 0;
    uint8_t left = node->types;
    for (size_t i = 0; i < HD_ARRAY_LEN(types); i++) {
        if ((left & types[i].bits) != types[i].bits)
            continue;
        left &= (uint8_t)~types[i].bits;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len > 0 ? " or " : "", types[i].text);
    }
    return problem(run, at, "type", "must be %s", text);
}

/* ---- strings ---- */

static size_t count_characters(const char *text, size_t len) {
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

/* Bytes decide most cases: a character has one to four of them. */
static bool check_length(struct run *run, const struct hd_schema_strings *checks, const struct instance *instance, const struct at *at) {
    size_t bytes = instance->text_bytes;
    if (bytes / 4 >= checks->min_length && bytes <= checks->max_length)
        return true;
    size_t length = count_characters(instance->text, bytes);
    if (length < checks->min_length)
        return length == 0 && checks->min_length == 1
                   ? problem(run, at, "minLength", "must not be empty")
                   : problem(run, at, "minLength", "must be at least %zu character%s long", checks->min_length, plural(checks->min_length));
    if (length > checks->max_length)
        return problem(run, at, "maxLength", "must be at most %zu character%s long", checks->max_length, plural(checks->max_length));
    return true;
}

static bool matches(struct run *run, const struct hd_pattern *pattern, const char *text, size_t len) {
    if (!spend(run, 1))
        return false;
    int r = hd_pattern_match(pattern, &run->scratch, text, len);
    return r < 0 ? fail(run, (enum hd_code)r) : r == 1;
}

static bool has_format(struct run *run, const struct hd_format *format, const struct instance *instance) {
    if (format->check)
        return format->check(instance->text, instance->text_bytes);
    int r = hd_pattern_valid(run->arena, instance->text, instance->text_bytes);
    return r < 0 ? fail(run, (enum hd_code)r) : r == 1;
}

static bool check_string(struct run *run, const struct hd_schema_strings *checks, const struct instance *instance, const struct at *at) {
    bool ok = check_length(run, checks, instance, at);
    if (checks->pattern && (ok || go_on(run)) && !matches(run, checks->pattern, instance->text, instance->text_bytes))
        ok = problem(run, at, "pattern", "must match the pattern %s", checks->pattern_text);
    if (checks->format && (ok || go_on(run)) && !has_format(run, checks->format, instance))
        ok = problem(run, at, "format", "%s", checks->format->sentence);
    return ok;
}

/* ---- numbers ---- */

static bool is_multiple(const json_t *number, const struct hd_schema_bound *of) {
    long double whole = truncl(of->value);
    bool of_integer = whole >= of->value && of->value < 0x1p63L;
    if (of_integer && json_is_integer(number))
        return json_integer_value(number) % (json_int_t)of->value == 0;
    double value = (double)number_value(number), step = (double)of->value;
    double remainder = fmod(value, step);
    if (fabs(remainder) <= 0)
        return true;
    /* 0.0075 is a multiple of 0.0001 for people, and not quite one in binary: allow what rounding of the two does. */
    double quotient = value / step;
    return isfinite(quotient) && fabs(quotient - nearbyint(quotient)) <= fabs(quotient) * 4 * DBL_EPSILON;
}

static bool check_number(struct run *run, const struct hd_schema_numbers *checks, const struct instance *instance, const struct at *at) {
    long double value = number_value(instance->json);
    if (checks->minimum.present && value < checks->minimum.value)
        return problem(run, at, "minimum", "must be at least %s", checks->minimum.text);
    if (checks->maximum.present && value > checks->maximum.value)
        return problem(run, at, "maximum", "must be at most %s", checks->maximum.text);
    if (checks->exclusive_minimum.present && value <= checks->exclusive_minimum.value)
        return problem(run, at, "exclusiveMinimum", "must be greater than %s", checks->exclusive_minimum.text);
    if (checks->exclusive_maximum.present && value >= checks->exclusive_maximum.value)
        return problem(run, at, "exclusiveMaximum", "must be less than %s", checks->exclusive_maximum.text);
    if (checks->multiple_of.present && !is_multiple(instance->json, &checks->multiple_of))
        return problem(run, at, "multipleOf", "must be a multiple of %s", checks->multiple_of.text);
    return true;
}

/* ---- what has been evaluated ---- */

static bool start_evaluated(struct run *run, struct evaluated *evaluated, size_t count) {
    evaluated->count = count;
    evaluated->few = 0;
    evaluated->bits = &evaluated->few;
    if (count > 64)
        evaluated->bits = hd_arena_calloc(run->arena, (count + 63) / 64, sizeof(uint64_t));
    return evaluated->bits || fail(run, HD_ERR_NO_MEMORY);
}

static void mark(struct evaluated *evaluated, size_t i) {
    if (evaluated)
        evaluated->bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool is_marked(const struct evaluated *evaluated, size_t i) {
    return evaluated->bits[i / 64] >> (i % 64) & 1;
}

static void merge(struct evaluated *to, const struct evaluated *from) {
    for (size_t i = 0; i < (from->count + 63) / 64; i++)
        to->bits[i] |= from->bits[i];
}

/* ---- arrays ---- */

static bool check_element(struct run *run, const struct hd_schema_node *node, const json_t *element, size_t index, const struct at *at,
                          const char *keyword) {
    struct at here = {.up = at, .index = index};
    if (node->types == 0)
        return problem(run, &here, keyword, "is one element too many");
    struct instance instance = instance_of(element);
    return check_node(run, node, &instance, &here, NULL);
}

static bool check_contains(struct run *run, const struct hd_schema_arrays *checks, const struct instance *instance, const struct at *at,
                           struct evaluated *evaluated) {
    size_t found = 0, count = json_array_size(instance->json);
    /* More than enough is not looked for, unless somebody counts or wants the marks. */
    size_t enough = evaluated || checks->max_contains < SIZE_MAX ? SIZE_MAX : checks->min_contains;
    run->quiet++;
    for (size_t i = 0; i < count && found < enough && !run->stop; i++) {
        if (check_element(run, checks->contains, json_array_get(instance->json, i), i, at, "contains")) {
            mark(evaluated, i);
            found++;
        }
    }
    run->quiet--;
    if (run->stop)
        return false;
    if (found < checks->min_contains)
        return problem(run, at, checks->min_contains > 1 ? "minContains" : "contains",
                       "must contain at least %zu element%s of a certain form (see the schema)", checks->min_contains,
                       plural(checks->min_contains));
    if (found > checks->max_contains)
        return problem(run, at, "maxContains", "must contain at most %zu element%s of a certain form (see the schema)",
                       checks->max_contains, plural(checks->max_contains));
    return true;
}

static bool twins(struct run *run, const struct at *at, size_t first, size_t second) {
    struct at here = {.up = at, .index = second};
    return problem(run, &here, "uniqueItems", "must not repeat element %zu", first);
}

/* A hash table in the arena, once comparing each with each would be slower. */
static bool check_unique_by_hash(struct run *run, const json_t *array, const struct at *at) {
    size_t count = json_array_size(array), capacity = 64;
    while (capacity < count * 2)
        capacity *= 2;
    struct slot {
        uint64_t hash;
        size_t index; /* + 1; 0 is empty */
    } *slots = hd_arena_calloc(run->arena, capacity, sizeof *slots);
    if (!slots)
        return fail(run, HD_ERR_NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = hash_value(run, json_array_get(array, i), 0);
        size_t s = hash & (capacity - 1);
        for (; slots[s].index != 0; s = (s + 1) & (capacity - 1)) {
            if (!spend(run, 1))
                return false;
            if (slots[s].hash == hash && same(run, json_array_get(array, slots[s].index - 1), json_array_get(array, i), 0))
                return twins(run, at, slots[s].index - 1, i);
        }
        if (run->stop)
            return false;
        slots[s] = (struct slot){hash, i + 1};
    }
    return true;
}

static bool check_unique(struct run *run, const json_t *array, const struct at *at) {
    enum { FEW = 16 };
    size_t count = json_array_size(array);
    if (count > FEW)
        return check_unique_by_hash(run, array, at);
    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (same(run, json_array_get(array, k), json_array_get(array, i), 0))
                return twins(run, at, k, i);
            if (run->stop)
                return false;
        }
    }
    return true;
}

static bool check_array_size(struct run *run, const struct hd_schema_arrays *checks, size_t count, const struct at *at) {
    if (count < checks->min_items)
        return checks->min_items == 1 ? problem(run, at, "minItems", "must not be empty")
                                      : problem(run, at, "minItems", "must have at least %zu elements", checks->min_items);
    if (count > checks->max_items)
        return problem(run, at, "maxItems", "must have at most %zu element%s", checks->max_items, plural(checks->max_items));
    return true;
}

static bool check_array(struct run *run, const struct hd_schema_arrays *checks, const struct instance *instance, const struct at *at,
                        struct evaluated *evaluated) {
    size_t count = json_array_size(instance->json);
    bool ok = check_array_size(run, checks, count, at);
    size_t checked = checks->items || checks->prefix.count > count ? count : checks->prefix.count;
    if (!spend(run, checked))
        return false;
    for (size_t i = 0; i < checked && (ok || go_on(run)); i++) {
        const struct hd_schema_node *node = i < checks->prefix.count ? checks->prefix.nodes[i] : checks->items;
        mark(evaluated, i);
        ok = check_element(run, node, json_array_get(instance->json, i), i, at, "items") && ok;
    }
    if (checks->contains && (ok || go_on(run)))
        ok = check_contains(run, checks, instance, at, evaluated) && ok;
    if (checks->unique && (ok || go_on(run)))
        ok = check_unique(run, instance->json, at) && ok;
    return ok;
}

/* ---- objects ---- */

static const struct hd_schema_property *find_property(const struct hd_schema_objects *checks, const char *name, size_t len) {
    if (!checks->slots)
        return NULL;
    uint32_t slot = hd_schema_name_hash(name, len) & checks->slot_mask;
    for (; checks->slots[slot] != 0; slot = (slot + 1) & checks->slot_mask) {
        const struct hd_schema_property *property = &checks->properties[checks->slots[slot] - 1];
        if (property->name_bytes == len && memcmp(property->name, name, len) == 0)
            return property;
    }
    return NULL;
}

static bool check_name(struct run *run, const struct hd_schema_node *node, const struct at *at) {
    if (node->types == 0)
        return problem(run, at, "propertyNames", "is not a known field");
    struct instance name = {.type = HD_SCHEMA_STRING, .text = at->name, .text_bytes = at->name_bytes};
    run->in_names++;
    bool ok = check_node(run, node, &name, at, NULL);
    run->in_names--;
    return ok;
}

static bool check_unknown(struct run *run, const struct hd_schema_node *node, const struct instance *value, const struct at *at,
                          const char *keyword) {
    return node->types == 0 ? problem(run, at, keyword, "is not a known field") : check_node(run, node, value, at, NULL);
}

/* What one pass over the members gathers. */
struct pass {
    size_t index;
    uint64_t seen; /* the bits of the required names that are there */
    struct evaluated *evaluated;
};

static bool check_member(struct run *run, const struct hd_schema_objects *checks, void *member, const struct at *at, struct pass *pass) {
    const struct at here = {.up = at, .name = json_object_iter_key(member), .name_bytes = json_object_iter_key_len(member)};
    const struct instance value = instance_of(json_object_iter_value(member));
    const struct hd_schema_property *property = find_property(checks, here.name, here.name_bytes);
    bool ok = true, known = false;
    if (property) {
        pass->seen |= property->required_bit;
        if (property->node) {
            known = true;
            ok = check_node(run, property->node, &value, &here, NULL);
        }
    }
    for (size_t i = 0; i < checks->pattern_count && (ok || go_on(run)); i++) {
        if (matches(run, checks->patterns[i].pattern, here.name, here.name_bytes)) {
            known = true;
            ok = check_node(run, checks->patterns[i].node, &value, &here, NULL) && ok;
        }
    }
    if (run->stop)
        return false;
    if (!known && checks->additional) {
        known = true;
        ok = check_unknown(run, checks->additional, &value, &here, "additionalProperties");
    }
    if (checks->names && (ok || go_on(run)))
        ok = check_name(run, checks->names, &here) && ok;
    if (known)
        mark(pass->evaluated, pass->index);
    pass->index++;
    return ok;
}

static bool missing(struct run *run, const char *name, size_t len, const struct at *at) {
    struct at here = {.up = at, .name = name, .name_bytes = len};
    return problem(run, &here, "required", "is required");
}

static bool check_required(struct run *run, const struct hd_schema_objects *checks, const json_t *object, uint64_t seen,
                           const struct at *at) {
    bool ok = true;
    if (checks->required_mask & ~seen) {
        for (size_t i = 0; i < checks->property_count && (ok || go_on(run)); i++) {
            const struct hd_schema_property *property = &checks->properties[i];
            if (property->required_bit & ~seen)
                ok = missing(run, property->name, property->name_bytes, at);
        }
    }
    for (size_t i = 0; i < checks->more_required_count && (ok || go_on(run)); i++) {
        if (!json_object_get(object, checks->more_required[i]))
            ok = missing(run, checks->more_required[i], strlen(checks->more_required[i]), at);
    }
    return ok;
}

/* The pass over the members, which also finds what is missing. */
static bool check_members(struct run *run, const struct hd_schema_objects *checks, json_t *object, const struct at *at,
                          struct evaluated *evaluated) {
    struct pass pass = {.evaluated = evaluated};
    bool ok = spend(run, json_object_size(object));
    for (void *i = json_object_iter(object); i && (ok || go_on(run)); i = json_object_iter_next(object, i))
        ok = check_member(run, checks, i, at, &pass) && ok;
    if (ok || go_on(run))
        ok = check_required(run, checks, object, pass.seen, at) && ok;
    return ok;
}

static bool check_names_only(struct run *run, const struct hd_schema_objects *checks, const json_t *object, const struct at *at) {
    uint64_t seen = 0;
    for (size_t i = 0; i < checks->property_count; i++) {
        const struct hd_schema_property *property = &checks->properties[i];
        if (json_object_getn(object, property->name, property->name_bytes))
            seen |= property->required_bit;
    }
    return check_required(run, checks, object, seen, at);
}

static bool check_dependent(struct run *run, const struct hd_schema_dependent *dependent, const struct instance *instance,
                            const struct at *at, struct evaluated *evaluated) {
    if (!json_object_getn(instance->json, dependent->name, dependent->name_bytes))
        return true;
    bool ok = true;
    for (size_t i = 0; i < dependent->required_count && (ok || go_on(run)); i++) {
        const struct hd_schema_value *name = &dependent->required[i];
        if (json_object_getn(instance->json, name->text, name->text_bytes))
            continue;
        struct at here = {.up = at, .name = name->text, .name_bytes = name->text_bytes};
        ok = problem(run, &here, "dependentRequired", "is required beside %s", dependent->name);
    }
    if (dependent->node && (ok || go_on(run)))
        ok = check_node(run, dependent->node, instance, at, evaluated) && ok;
    return ok;
}

static bool check_object_size(struct run *run, const struct hd_schema_objects *checks, size_t count, const struct at *at) {
    if (count < checks->min_properties)
        return checks->min_properties == 1 ? problem(run, at, "minProperties", "must not be empty")
                                           : problem(run, at, "minProperties", "must have at least %zu fields", checks->min_properties);
    if (count > checks->max_properties)
        return problem(run, at, "maxProperties", "must have at most %zu field%s", checks->max_properties, plural(checks->max_properties));
    return true;
}

static bool check_object(struct run *run, const struct hd_schema_objects *checks, const struct instance *instance, const struct at *at,
                         struct evaluated *evaluated) {
    json_t *object = (json_t *)instance->json;
    bool ok = check_object_size(run, checks, json_object_size(object), at);
    if (checks->looks_at_members && (ok || go_on(run)))
        ok = check_members(run, checks, object, at, evaluated) && ok;
    else if (checks->slots && (ok || go_on(run)))
        ok = check_names_only(run, checks, object, at) && ok;
    for (size_t i = 0; i < checks->dependent_count && (ok || go_on(run)); i++)
        ok = check_dependent(run, &checks->dependents[i], instance, at, evaluated) && ok;
    return ok;
}

/* ---- schemas applied to the same instance ---- */

static size_t part_count(const struct instance *instance) {
    return instance->type == HD_SCHEMA_OBJECT ? json_object_size(instance->json) : json_array_size(instance->json);
}

/* Whether the instance would be valid; it may fail without consequence, and only if it holds do its marks count. */
static bool would_hold(struct run *run, const struct hd_schema_node *node, const struct instance *instance, const struct at *at,
                       struct evaluated *evaluated) {
    struct evaluated own;
    if (evaluated && !start_evaluated(run, &own, evaluated->count))
        return false;
    run->quiet++;
    bool holds = check_node(run, node, instance, at, evaluated ? &own : NULL);
    run->quiet--;
    if (holds && evaluated)
        merge(evaluated, &own);
    return holds;
}

/* Does the schema, or what it refers to, take the instance's type at all? */
static bool takes_type(const struct hd_schema_node *node, const struct instance *instance) {
    enum { FAR_ENOUGH = 4 };
    for (int i = 0; i < FAR_ENOUGH && node; i++) {
        if (!(node->types & instance->type))
            return false;
        node = node->combined ? node->combined->ref : NULL;
    }
    return true;
}

/* No branch holds. If the instance's type leaves only one of them in question, such as in "a string or null", its problems are the ones to tell. */
static bool no_branch_holds(struct run *run, const struct hd_schema_list *branches, const struct instance *instance, const struct at *at,
                            const char *keyword) {
    if (!go_on(run))
        return false;
    const struct hd_schema_node *only = NULL;
    size_t candidates = 0;
    for (size_t i = 0; i < branches->count; i++) {
        if (takes_type(branches->nodes[i], instance)) {
            only = branches->nodes[i];
            candidates++;
        }
    }
    if (candidates == 1)
        return check_node(run, only, instance, at, NULL);
    return problem(run, at, keyword, "must have one of the %zu forms that the schema allows", branches->count);
}

static bool check_any_of(struct run *run, const struct hd_schema_list *branches, const struct instance *instance, const struct at *at,
                         struct evaluated *evaluated) {
    bool holds = false;
    for (size_t i = 0; i < branches->count && !(holds && !evaluated); i++) {
        holds = would_hold(run, branches->nodes[i], instance, at, evaluated) || holds;
        if (run->stop)
            return false;
    }
    return holds || no_branch_holds(run, branches, instance, at, "anyOf");
}

static bool check_one_of(struct run *run, const struct hd_schema_list *branches, const struct instance *instance, const struct at *at,
                         struct evaluated *evaluated) {
    size_t held = 0;
    for (size_t i = 0; i < branches->count && held < 2; i++) {
        held += would_hold(run, branches->nodes[i], instance, at, evaluated);
        if (run->stop)
            return false;
    }
    if (held > 1)
        return problem(run, at, "oneOf", "must have exactly one of the %zu forms that the schema allows, not two", branches->count);
    return held == 1 || no_branch_holds(run, branches, instance, at, "oneOf");
}

static bool check_condition(struct run *run, const struct hd_schema_combined *combined, const struct instance *instance,
                            const struct at *at, struct evaluated *evaluated) {
    bool holds = would_hold(run, combined->condition, instance, at, evaluated);
    if (run->stop)
        return false;
    const struct hd_schema_node *then = holds ? combined->consequence : combined->alternative;
    return !then || check_node(run, then, instance, at, evaluated);
}

/* The outermost resource of the dynamic scope that has the name. */
static const struct hd_schema_node *dynamic_target(const struct run *run, const struct hd_schema_dynamic_ref *ref) {
    const struct hd_schema_node *target = ref->fallback;
    for (const struct scope *scope = run->scope; scope && ref->name; scope = scope->outer) {
        for (const struct hd_schema_anchor *anchor = scope->resource->dynamic_anchors; anchor; anchor = anchor->next) {
            if (anchor->node && strcmp(anchor->name, ref->name) == 0)
                target = anchor->node;
        }
    }
    return target;
}

static bool check_combined(struct run *run, const struct hd_schema_combined *combined, const struct instance *instance, const struct at *at,
                           struct evaluated *evaluated) {
    bool ok = true;
    if (combined->ref)
        ok = check_node(run, combined->ref, instance, at, evaluated);
    if (combined->dynamic_ref && (ok || go_on(run)))
        ok = check_node(run, dynamic_target(run, combined->dynamic_ref), instance, at, evaluated) && ok;
    for (size_t i = 0; i < combined->all_of.count && (ok || go_on(run)); i++)
        ok = check_node(run, combined->all_of.nodes[i], instance, at, evaluated) && ok;
    if (combined->any_of.count > 0 && (ok || go_on(run)))
        ok = check_any_of(run, &combined->any_of, instance, at, evaluated) && ok;
    if (combined->one_of.count > 0 && (ok || go_on(run)))
        ok = check_one_of(run, &combined->one_of, instance, at, evaluated) && ok;
    if (combined->negated && (ok || go_on(run)) && would_hold(run, combined->negated, instance, at, NULL))
        ok = problem(run, at, "not", "must not have a form that the schema excludes");
    if (combined->condition && (ok || go_on(run)))
        ok = check_condition(run, combined, instance, at, evaluated) && ok;
    return ok && !run->stop;
}

/* ---- what nothing has looked at ---- */

static bool check_unevaluated_items(struct run *run, const struct hd_schema_node *node, const json_t *array, const struct at *at,
                                    const struct evaluated *evaluated) {
    bool ok = true;
    for (size_t i = 0; i < evaluated->count && (ok || go_on(run)); i++) {
        if (!is_marked(evaluated, i))
            ok = check_element(run, node, json_array_get(array, i), i, at, "unevaluatedItems") && ok;
    }
    return ok;
}

static bool check_unevaluated_properties(struct run *run, const struct hd_schema_node *node, const json_t *json, const struct at *at,
                                         const struct evaluated *evaluated) {
    bool ok = true;
    size_t index = 0;
    json_t *object = (json_t *)json;
    for (void *i = json_object_iter(object); i && (ok || go_on(run)); i = json_object_iter_next(object, i), index++) {
        if (is_marked(evaluated, index))
            continue;
        struct at here = {.up = at, .name = json_object_iter_key(i), .name_bytes = json_object_iter_key_len(i)};
        struct instance value = instance_of(json_object_iter_value(i));
        ok = check_unknown(run, node, &value, &here, "unevaluatedProperties") && ok;
    }
    return ok;
}

static const struct hd_schema_node *unevaluated_of(const struct hd_schema_node *node, const struct instance *instance) {
    if (instance->type == HD_SCHEMA_OBJECT)
        return node->objects ? node->objects->unevaluated : NULL;
    if (instance->type == HD_SCHEMA_ARRAY)
        return node->arrays ? node->arrays->unevaluated : NULL;
    return NULL;
}

/* ---- one schema ---- */

static bool check_group(struct run *run, const struct hd_schema_node *node, const struct instance *instance, const struct at *at,
                        struct evaluated *evaluated) {
    switch ((enum hd_schema_type)instance->type) {
    case HD_SCHEMA_STRING:
        return !node->strings || check_string(run, node->strings, instance, at);
    case HD_SCHEMA_INTEGER:
    case HD_SCHEMA_FRACTION:
        return !node->numbers || check_number(run, node->numbers, instance, at);
    case HD_SCHEMA_ARRAY:
        return !node->arrays || check_array(run, node->arrays, instance, at, evaluated);
    case HD_SCHEMA_OBJECT:
        return !node->objects || check_object(run, node->objects, instance, at, evaluated);
    default:
        return true;
    }
}

static bool apply(struct run *run, const struct hd_schema_node *node, const struct instance *instance, const struct at *at,
                  struct evaluated *evaluated) {
    bool ok = check_group(run, node, instance, at, evaluated);
    if (node->combined && (ok || go_on(run)))
        ok = check_combined(run, node->combined, instance, at, evaluated) && ok;
    return ok;
}

static bool apply_with_unevaluated(struct run *run, const struct hd_schema_node *node, const struct hd_schema_node *unevaluated,
                                   const struct instance *instance, const struct at *at, struct evaluated *outer) {
    struct evaluated own;
    if (!start_evaluated(run, &own, part_count(instance)) || !apply(run, node, instance, at, &own))
        return false;
    bool ok = instance->type == HD_SCHEMA_OBJECT ? check_unevaluated_properties(run, unevaluated, instance->json, at, &own)
                                                 : check_unevaluated_items(run, unevaluated, instance->json, at, &own);
    for (size_t i = 0; i < own.count && outer && ok; i++)
        mark(outer, i);
    return ok;
}

static bool check_node(struct run *run, const struct hd_schema_node *node, const struct instance *instance, const struct at *at,
                       struct evaluated *evaluated) {
    if (!(node->types & instance->type))
        return wrong_type(run, node, at);
    for (size_t i = 0; i < HD_ARRAY_LEN(node->values) && node->values[i]; i++) {
        if (!is_among(run, node->values[i], instance))
            return problem(run, at, node->values[i]->keyword, "%s", node->values[i]->sentence);
    }
    if (run->depth == HD_SCHEMA_MAX_DEPTH)
        return fail(run, HD_ERR_LIMIT);
    if (!spend(run, 1))
        return false;
    const struct scope *outer_scope = run->scope;
    struct scope scope = {.resource = node->resource, .outer = outer_scope};
    if (run->schema->dynamic && node->resource && !(outer_scope && outer_scope->resource == node->resource))
        run->scope = &scope;
    run->depth++;
    const struct hd_schema_node *unevaluated = unevaluated_of(node, instance);
    bool ok =
        unevaluated ? apply_with_unevaluated(run, node, unevaluated, instance, at, evaluated) : apply(run, node, instance, at, evaluated);
    run->depth--;
    run->scope = outer_scope;
    return ok;
}

static int tell_failure(enum hd_code code, struct hd_error *err) {
    if (code == HD_ERR_NO_MEMORY)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "out of memory while validating");
    return hd_error_set(err, HD_ERR_LIMIT, "validating takes more than %d levels or %d steps, or a pattern takes too long",
                        HD_SCHEMA_MAX_DEPTH, HD_SCHEMA_MAX_STEPS);
}

static int tell_problem(const struct hd_schema_problem *first, struct hd_error *err) {
    hd_error_set(err, HD_ERR_INVALID, "%s", first->detail);
    (void)hd_error_at(err, first->pointer);
    return HD_ERR_INVALID;
}

int hd_schema_validate(const struct hd_schema *schema, struct hd_arena *arena, const json_t *instance, struct hd_schema_problems *problems,
                       struct hd_error *err) {
    struct hd_schema_problems own;
    struct run run = {
        .schema = schema,
        .arena = arena,
        .problems = problems ? problems : &own,
        .max_problems = problems ? HD_SCHEMA_MAX_PROBLEMS : 1,
        .scratch = {.arena = arena},
    };
    run.problems->count = 0;
    struct instance root = instance_of(instance);
    struct at at = {0};
    bool ok = check_node(&run, schema->root, &root, &at, NULL);
    if (run.failure != HD_OK)
        return tell_failure(run.failure, err);
    return ok ? 0 : tell_problem(&run.problems->items[0], err);
}
