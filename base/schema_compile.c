/* From JSON to the tree of base/schema_tree.h, in three steps: index what the documents hold (resources, anchors, the base URI of every
 * schema), then turn the schemas that can be reached from the wanted one into nodes (a work list, so that neither circles nor depth matter),
 * then refuse schemas that would apply themselves to one and the same instance for ever. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/schema_tree.h"
#include "base/schema_uri.h"

#define DIALECT "https://json-schema.org/draft/2020-12/"

struct anchor {
    const char *name;
    struct place *place;
    struct anchor *next;
};

/* One schema resource: a document's root, or a schema with an $id. */
struct resource {
    struct hd_schema_resource *tree;
    const char *uri;      /* the base of what is in it; without fragment */
    const char *document; /* for messages: "" or the URI of the document that it stands in */
    const json_t *root;
    const char *root_pointer; /* of root, in the document */
    struct anchor *anchors;   /* $anchor and $dynamicAnchor */
    struct anchor *dynamic_anchors;
    bool no_validation, check_formats; /* from $schema's vocabularies and the options */
    bool used;                         /* something in it is compiled, so that it can come into the dynamic scope */
    struct resource *next;
};

/* Any URI that finds a resource; the first registered counts. */
struct registered {
    const char *uri;
    struct resource *resource;
    struct registered *next;
};

/* A schema (an object) that has been found, whether it is compiled or not. */
struct place {
    const json_t *json;
    const char *pointer; /* in its document */
    struct resource *resource;
    struct hd_schema_node *node; /* NULL until somebody needs it */
    struct place *next_wanted;
};

struct compiler {
    struct hd_schema *schema;
    struct hd_arena *memory;  /* the schema's */
    struct hd_arena *scratch; /* dies with the compiler */
    const struct hd_schema_options *options;
    struct hd_error *err;
    struct place **places; /* a hash table by json; capacity is a power of two */
    size_t place_count, place_capacity;
    struct resource *resources;
    struct registered *registered, **registered_end;
    struct place *wanted;                   /* the work list */
    struct hd_schema_node *accept, *refuse; /* true and false */
    struct name {
        const char *text;
        struct name *next;
    } * dynamic_names; /* that some $dynamicRef asks for */
};

/* ---- errors and memory ---- */

static int no_memory(struct compiler *c) {
    return hd_error_set(c->err, HD_ERR_NO_MEMORY, "out of memory while compiling a schema");
}

/* At pointer, or at one of its members. */
static int fault(struct compiler *c, const struct resource *resource, const char *pointer, const char *member, const char *fmt, ...)
    HD_PRINTF(5, 6);

static int fault(struct compiler *c, const struct resource *resource, const char *pointer, const char *member, const char *fmt, ...) {
    char detail[HD_ERROR_DETAIL_BYTES], at[HD_ERROR_POINTER_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    snprintf(at, sizeof at, "%s%s%s", pointer, member ? "/" : "", member ? member : "");
    hd_error_set(c->err, HD_ERR_INVALID, "%s", detail);
    if (resource && *resource->document)
        (void)hd_error_context(c->err, "in %s", resource->document);
    (void)hd_error_at(c->err, at);
    return HD_ERR_INVALID;
}

static int fault_at(struct compiler *c, const struct place *place, const char *keyword, const char *sentence) {
    return fault(c, place->resource, place->pointer, keyword, "%s", sentence);
}

/* Zeroed memory of the schema. */
static void *grow(struct compiler *c, size_t count, size_t size) {
    return hd_arena_calloc(c->memory, count, size);
}

#define NEW(c, type) ((type *)grow((c), 1, sizeof(type)))

static char *pointer_to(struct compiler *c, const char *pointer, const char *token) {
    size_t escapes = 0;
    for (const char *p = token; *p; p++)
        escapes += *p == '~' || *p == '/';
    size_t before = strlen(pointer);
    char *result = hd_arena_alloc(c->scratch, before + strlen(token) + escapes + 2);
    if (!result)
        return NULL;
    memcpy(result, pointer, before);
    char *to = result + before;
    *to++ = '/';
    for (const char *p = token; *p; p++) {
        *to++ = *p == '~' || *p == '/' ? '~' : *p;
        if (*p == '~' || *p == '/')
            *to++ = *p == '~' ? '0' : '1';
    }
    *to = '\0';
    return result;
}

static char *pointer_to_index(struct compiler *c, const char *pointer, size_t index) {
    return hd_arena_printf(c->scratch, "%s/%zu", pointer, index);
}

/* ---- the index ---- */

static struct place **place_slot(struct place **places, size_t capacity, const json_t *json) {
    size_t i = (size_t)(((uintptr_t)json >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
    while (places[i & (capacity - 1)] && places[i & (capacity - 1)]->json != json)
        i++;
    return &places[i & (capacity - 1)];
}

static struct place *find_place(const struct compiler *c, const json_t *json) {
    return c->place_capacity > 0 ? *place_slot(c->places, c->place_capacity, json) : NULL;
}

static bool double_places(struct compiler *c) {
    size_t capacity = c->place_capacity > 0 ? c->place_capacity * 2 : 64;
    struct place **places = hd_arena_calloc(c->scratch, capacity, sizeof(struct place *));
    if (!places)
        return false;
    for (size_t i = 0; i < c->place_capacity; i++) {
        if (c->places[i])
            *place_slot(places, capacity, c->places[i]->json) = c->places[i];
    }
    c->places = places;
    c->place_capacity = capacity;
    return true;
}

static struct place *add_place(struct compiler *c, const json_t *json, const char *pointer, struct resource *resource) {
    if (c->place_count * 2 >= c->place_capacity && !double_places(c))
        return NULL;
    struct place *place = hd_arena_alloc(c->scratch, sizeof *place);
    if (!place)
        return NULL;
    *place = (struct place){.json = json, .pointer = pointer, .resource = resource};
    *place_slot(c->places, c->place_capacity, json) = place;
    c->place_count++;
    return place;
}

static struct resource *find_resource(const struct compiler *c, const char *uri) {
    for (const struct registered *r = c->registered; r; r = r->next) {
        if (strcmp(r->uri, uri) == 0)
            return r->resource;
    }
    return NULL;
}

static bool register_uri(struct compiler *c, const char *uri, struct resource *resource) {
    struct registered *registered = hd_arena_alloc(c->scratch, sizeof *registered);
    if (!registered)
        return false;
    *registered = (struct registered){.uri = uri, .resource = resource};
    *c->registered_end = registered;
    c->registered_end = &registered->next;
    return true;
}

static struct resource *add_resource(struct compiler *c, const char *uri, const char *document, const json_t *root,
                                     const char *root_pointer) {
    struct resource *resource = hd_arena_calloc(c->scratch, 1, sizeof *resource);
    if (!resource)
        return NULL;
    resource->tree = NEW(c, struct hd_schema_resource);
    if (!resource->tree || !register_uri(c, uri, resource))
        return NULL;
    resource->uri = uri;
    resource->document = document;
    resource->root = root;
    resource->root_pointer = root_pointer;
    resource->check_formats = c->options->check_formats;
    resource->next = c->resources;
    c->resources = resource;
    return resource;
}

/* A schema with an $id begins a resource of its own. */
static int enter_id(struct compiler *c, const json_t *schema, const char *pointer, struct resource **resource) {
    const json_t *id = json_object_get(schema, "$id");
    if (!id)
        return 0;
    if (!json_is_string(id))
        return fault(c, *resource, pointer, "$id", "must be a string");
    char *uri = hd_uri_resolve(c->scratch, (*resource)->uri, json_string_value(id));
    if (!uri)
        return no_memory(c);
    if (*hd_uri_cut_fragment(uri))
        return fault(c, *resource, pointer, "$id", "must not have a fragment; use $anchor");
    struct resource *known = find_resource(c, uri);
    if (known == *resource && known->root == schema)
        return 0; /* a document that was registered under the $id that it has */
    if (known && known->document == (*resource)->document)
        return fault(c, *resource, pointer, "$id", "two schemas have the $id %s", uri);
    struct resource *resource_of_id = add_resource(c, uri, (*resource)->document, schema, pointer);
    if (!resource_of_id)
        return no_memory(c);
    resource_of_id->no_validation = (*resource)->no_validation;
    resource_of_id->check_formats = (*resource)->check_formats;
    *resource = resource_of_id;
    return 0;
}

static const json_t *find_document(const struct compiler *c, const char *uri) {
    for (size_t i = 0; i < c->options->document_count; i++) {
        const struct hd_schema_document *document = &c->options->documents[i];
        const json_t *id = json_object_get(document->root, "$id");
        if ((document->uri && strcmp(document->uri, uri) == 0) || (json_is_string(id) && strcmp(json_string_value(id), uri) == 0))
            return document->root;
    }
    return NULL;
}

static int read_vocabularies(struct compiler *c, const json_t *vocabularies, const char *pointer, struct resource *resource) {
    static const char *const known[] = {"core",      "applicator",        "unevaluated",      "validation",
                                        "meta-data", "format-annotation", "format-assertion", "content"};
    const char *uri;
    json_t *required;
    resource->no_validation = !json_object_get(vocabularies, DIALECT "vocab/validation");
    if (json_object_get(vocabularies, DIALECT "vocab/format-assertion"))
        resource->check_formats = true;
    json_object_foreach((json_t *)vocabularies, uri, required) {
        bool is_known = false;
        for (size_t i = 0; i < HD_ARRAY_LEN(known) && !is_known; i++)
            is_known = strncmp(uri, DIALECT "vocab/", sizeof DIALECT "vocab/" - 1) == 0 &&
                       strcmp(uri + sizeof DIALECT "vocab/" - 1, known[i]) == 0;
        if (!is_known && json_is_true(required))
            return fault(c, resource, pointer, "$schema", "needs the vocabulary %s, which is not known here", uri);
    }
    return 0;
}

static int read_dialect(struct compiler *c, const json_t *schema, const char *pointer, struct resource *resource) {
    const json_t *dialect = json_object_get(schema, "$schema");
    if (!dialect)
        return 0;
    if (!json_is_string(dialect))
        return fault(c, resource, pointer, "$schema", "must be a string");
    const char *uri = json_string_value(dialect);
    if (strcmp(uri, DIALECT "schema") == 0 || strcmp(uri, DIALECT "schema#") == 0)
        return 0;
    if (strstr(uri, "://json-schema.org/"))
        return fault(c, resource, pointer, "$schema", "must be %sschema: no other draft is supported", DIALECT);
    const json_t *vocabularies = json_object_get(find_document(c, uri), "$vocabulary");
    return json_is_object(vocabularies) ? read_vocabularies(c, vocabularies, pointer, resource) : 0;
}

static struct anchor *find_anchor(struct anchor *anchors, const char *name) {
    while (anchors && strcmp(anchors->name, name) != 0)
        anchors = anchors->next;
    return anchors;
}

static int read_anchor(struct compiler *c, struct place *place, const char *keyword, struct anchor **list) {
    const json_t *value = json_object_get(place->json, keyword);
    if (!value)
        return 0;
    const char *name = json_string_value(value);
    if (!name || !*name || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != strlen(name) ||
        strchr("0123456789-.", *name))
        return fault_at(c, place, keyword, "must be a plain name: a letter or _, then letters, digits, - _ and .");
    struct anchor *same = find_anchor(*list, name);
    if (same && same->place != place)
        return fault(c, place->resource, place->pointer, keyword, "another schema has the anchor %s", name);
    struct anchor *anchor = hd_arena_alloc(c->scratch, sizeof *anchor);
    if (!anchor)
        return no_memory(c);
    *anchor = (struct anchor){.name = name, .place = place, .next = *list};
    *list = anchor;
    return 0;
}

static int read_anchors(struct compiler *c, struct place *place) {
    struct resource *resource = place->resource;
    int r = read_anchor(c, place, "$anchor", &resource->anchors);
    if (r == 0)
        r = read_anchor(c, place, "$dynamicAnchor", &resource->anchors);
    if (r == 0)
        r = read_anchor(c, place, "$dynamicAnchor", &resource->dynamic_anchors);
    return r;
}

enum shape { NO_SCHEMA, ONE_SCHEMA, SCHEMA_LIST, SCHEMA_MAP };

static enum shape shape_of(const char *keyword);
static int index_schema(struct compiler *c, const json_t *schema, const char *pointer, struct resource *resource, int depth);

static int index_keyword(struct compiler *c, const json_t *value, enum shape shape, const char *pointer, struct resource *resource,
                         int depth) {
    if (!pointer)
        return no_memory(c);
    if (shape == ONE_SCHEMA)
        return index_schema(c, value, pointer, resource, depth);
    int r = 0;
    if (shape == SCHEMA_LIST) {
        size_t i;
        json_t *item;
        json_array_foreach(value, i, item) {
            const char *at = pointer_to_index(c, pointer, i);
            r = at ? index_schema(c, item, at, resource, depth) : no_memory(c);
            if (r < 0)
                return r;
        }
        return 0;
    }
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member) {
        const char *at = pointer_to(c, pointer, name);
        r = at ? index_schema(c, member, at, resource, depth) : no_memory(c);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Finds all schemas in schema. Whatever is not a schema where one should be is left for compiling to complain of. */
static int index_schema(struct compiler *c, const json_t *schema, const char *pointer, struct resource *resource, int depth) {
    if (!json_is_object(schema) || find_place(c, schema))
        return 0;
    if (depth == HD_SCHEMA_MAX_DEPTH)
        return hd_error_set(c->err, HD_ERR_LIMIT, "a schema document is deeper than %d levels", HD_SCHEMA_MAX_DEPTH);
    int r = enter_id(c, schema, pointer, &resource);
    if (r == 0)
        r = read_dialect(c, schema, pointer, resource);
    if (r < 0)
        return r;
    struct place *place = add_place(c, schema, pointer, resource);
    if (!place)
        return no_memory(c);
    r = read_anchors(c, place);
    const char *keyword;
    json_t *value;
    json_object_foreach((json_t *)schema, keyword, value) {
        enum shape shape = shape_of(keyword);
        if (r == 0 && shape != NO_SCHEMA)
            r = index_keyword(c, value, shape, pointer_to(c, pointer, keyword), resource, depth + 1);
    }
    return r;
}

static int index_document(struct compiler *c, const json_t *root, const char *uri, const char *name, struct resource **ret_resource) {
    struct resource *resource = add_resource(c, uri, name, root, "");
    if (!resource)
        return no_memory(c);
    int r = index_schema(c, root, "", resource, 0);
    if (r == 0)
        *ret_resource = resource;
    return r;
}

static int index_documents(struct compiler *c) {
    for (size_t i = 0; i < c->options->document_count; i++) {
        const struct hd_schema_document *document = &c->options->documents[i];
        const char *id = json_string_value(json_object_get(document->root, "$id"));
        const char *name = document->uri ? document->uri : id;
        if (!name)
            return hd_error_set(c->err, HD_ERR_INVALID, "document %zu has neither a uri nor an $id", i);
        char *uri = hd_arena_strdup(c->scratch, name);
        if (!uri)
            return no_memory(c);
        hd_uri_cut_fragment(uri);
        if (find_resource(c, uri))
            continue;
        struct resource *resource;
        int r = index_document(c, document->root, uri, name, &resource);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- references ---- */

/* The node of a place; it is compiled later. */
static struct hd_schema_node *want(struct compiler *c, struct place *place) {
    if (!place->node) {
        place->node = NEW(c, struct hd_schema_node);
        if (!place->node)
            return NULL;
        place->next_wanted = c->wanted;
        c->wanted = place;
    }
    return place->node;
}

/* The node for the schema json, which stands at pointer or its member. */
static int node_of(struct compiler *c, const json_t *json, const struct resource *resource, const char *pointer, const char *member,
                   const struct hd_schema_node **ret_node) {
    if (json_is_boolean(json)) {
        *ret_node = json_is_true(json) ? c->accept : c->refuse;
        return 0;
    }
    struct place *place = json_is_object(json) ? find_place(c, json) : NULL;
    if (!place)
        return fault(c, resource, pointer, member, "must be a schema: an object or a boolean");
    *ret_node = want(c, place);
    return *ret_node ? 0 : no_memory(c);
}

/* RFC 6901's ~0 and ~1, in place. False for any other ~. */
static bool unescape_token(char *token) {
    char *out = token;
    for (const char *in = token; *in; in++) {
        if (*in == '~') {
            in++;
            if (*in != '0' && *in != '1')
                return false;
            *out++ = *in == '0' ? '~' : '/';
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
    return true;
}

static const json_t *step_into(const json_t *json, const char *token) {
    if (json_is_object(json))
        return json_object_get(json, token);
    if (!json_is_array(json) || !*token || strspn(token, "0123456789") != strlen(token) || strlen(token) > 9 || (*token == '0' && token[1]))
        return NULL;
    size_t index = 0;
    for (; *token; token++)
        index = index * 10 + (size_t)(*token - '0');
    return json_array_get(json, index);
}

/* What pointer (which is not empty) leads to from the root of resource; *ret_resource and *ret_pointer say what it belongs to. NULL: nothing
 * is there, or *ret_pointer is NULL and memory is out. */
static const json_t *follow_pointer(struct compiler *c, struct resource *resource, const char *pointer, struct resource **ret_resource,
                                    const char **ret_pointer) {
    const json_t *json = resource->root;
    const struct place *root = json_is_object(json) ? find_place(c, json) : NULL;
    *ret_resource = root ? root->resource : resource; /* a root with an $id is a resource of that name */
    *ret_pointer = resource->root_pointer;
    while (*pointer == '/' && json) {
        size_t len = strcspn(++pointer, "/");
        char *token = hd_arena_strndup(c->scratch, pointer, len);
        if (!token) {
            *ret_pointer = NULL;
            return NULL;
        }
        if (!unescape_token(token))
            return NULL;
        *ret_pointer = pointer_to(c, *ret_pointer, token);
        if (!*ret_pointer)
            return NULL;
        json = step_into(json, token);
        const struct place *place = json_is_object(json) ? find_place(c, json) : NULL;
        if (place)
            *ret_resource = place->resource;
        pointer += len;
    }
    return *pointer ? NULL : json;
}

/* Finds the schema that a fragment names in resource: "", a JSON Pointer, or an anchor. */
static int find_fragment(struct compiler *c, struct resource *resource, char *fragment, const struct place *from, const char *keyword,
                         const struct hd_schema_node **ret_node) {
    const char *text = json_string_value(json_object_get(from->json, keyword));
    if (hd_uri_percent_decode(fragment) < 0)
        return fault(c, from->resource, from->pointer, keyword, "%s has a broken %% escape", text);
    if (*fragment && *fragment != '/') {
        struct anchor *anchor = find_anchor(resource->anchors, fragment);
        if (!anchor)
            return fault(c, from->resource, from->pointer, keyword, "%s leads nowhere: there is no such anchor", text);
        *ret_node = want(c, anchor->place);
        return *ret_node ? 0 : no_memory(c);
    }
    struct resource *target_resource;
    const char *target_pointer;
    const json_t *target = follow_pointer(c, resource, fragment, &target_resource, &target_pointer);
    if (!target && !target_pointer)
        return no_memory(c);
    if (!target)
        return fault(c, from->resource, from->pointer, keyword, "%s leads nowhere", text);
    /* Where it points may be a place that no keyword makes a schema, such as OpenAPI's components: index it now. */
    int r = index_schema(c, target, target_pointer, target_resource, 0);
    return r < 0 ? r : node_of(c, target, target_resource, target_pointer, NULL, ret_node);
}

static int resolve(struct compiler *c, const struct place *place, const char *keyword, const json_t *value,
                   const struct hd_schema_node **ret_node, struct resource **ret_resource, const char **ret_fragment) {
    if (!json_is_string(value))
        return fault_at(c, place, keyword, "must be a string");
    char *uri = hd_uri_resolve(c->scratch, place->resource->uri, json_string_value(value));
    if (!uri)
        return no_memory(c);
    char *fragment = hd_uri_cut_fragment(uri);
    struct resource *resource = find_resource(c, uri);
    if (!resource)
        return fault(c, place->resource, place->pointer, keyword, "%s leads nowhere: no document with this URI was given",
                     json_string_value(value));
    *ret_resource = resource;
    *ret_fragment = fragment;
    return find_fragment(c, resource, fragment, place, keyword, ret_node);
}

/* ---- groups of checks ---- */

static struct hd_schema_strings *strings_of(struct compiler *c, struct hd_schema_node *node) {
    if (!node->strings && (node->strings = NEW(c, struct hd_schema_strings)))
        node->strings->max_length = SIZE_MAX;
    return node->strings;
}

static struct hd_schema_numbers *numbers_of(struct compiler *c, struct hd_schema_node *node) {
    if (!node->numbers)
        node->numbers = NEW(c, struct hd_schema_numbers);
    return node->numbers;
}

static struct hd_schema_arrays *arrays_of(struct compiler *c, struct hd_schema_node *node) {
    if (!node->arrays && (node->arrays = NEW(c, struct hd_schema_arrays))) {
        node->arrays->max_items = node->arrays->max_contains = SIZE_MAX;
        node->arrays->min_contains = 1;
    }
    return node->arrays;
}

static struct hd_schema_objects *objects_of(struct compiler *c, struct hd_schema_node *node) {
    if (!node->objects && (node->objects = NEW(c, struct hd_schema_objects)))
        node->objects->max_properties = SIZE_MAX;
    return node->objects;
}

static struct hd_schema_combined *combined_of(struct compiler *c, struct hd_schema_node *node) {
    if (!node->combined)
        node->combined = NEW(c, struct hd_schema_combined);
    return node->combined;
}

/* ---- keywords ---- */

/* What a keyword's function gets. */
struct work {
    struct compiler *c;
    struct place *place;
    struct hd_schema_node *node;
    const char *keyword;
    const json_t *value;
};

static int work_fault(const struct work *w, const char *sentence) {
    return fault_at(w->c, w->place, w->keyword, sentence);
}

static int read_one(const struct work *w, const struct hd_schema_node **to) {
    return node_of(w->c, w->value, w->place->resource, w->place->pointer, w->keyword, to);
}

static int read_list(const struct work *w, struct hd_schema_list *to) {
    size_t count = json_array_size(w->value);
    if (!json_is_array(w->value) || count == 0)
        return work_fault(w, "must be an array of at least one schema");
    const struct hd_schema_node **nodes = grow(w->c, count, sizeof *nodes);
    const char *pointer = pointer_to(w->c, w->place->pointer, w->keyword);
    if (!nodes || !pointer)
        return no_memory(w->c);
    for (size_t i = 0; i < count; i++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        int r = node_of(w->c, json_array_get(w->value, i), w->place->resource, pointer, index, &nodes[i]);
        if (r < 0)
            return r;
    }
    *to = (struct hd_schema_list){.count = count, .nodes = nodes};
    return 0;
}

/* A count: a non-negative integer, 2.0 included. */
static int read_count(const struct work *w, size_t *to) {
    double value = json_is_number(w->value) ? json_number_value(w->value) : -1;
    if (value < 0 || floor(value) < value)
        return work_fault(w, "must be an integer of at least 0");
    *to = value >= (double)SIZE_MAX ? SIZE_MAX : (size_t)value;
    return 0;
}

static const char *number_text(struct compiler *c, const json_t *value) {
    if (json_is_integer(value))
        return hd_arena_printf(c->memory, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    char shortest[32];
    for (int digits = 6; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(shortest, sizeof shortest, "%.*g", digits, json_real_value(value));
        double again = strtod(shortest, NULL);
        if (again >= json_real_value(value) && again <= json_real_value(value))
            break;
    }
    return hd_arena_strdup(c->memory, shortest);
}

static int read_bound(const struct work *w, struct hd_schema_bound *to) {
    if (!json_is_number(w->value))
        return work_fault(w, "must be a number");
    const char *text = number_text(w->c, w->value);
    if (!text)
        return no_memory(w->c);
    long double value = json_is_integer(w->value) ? (long double)json_integer_value(w->value) : (long double)json_real_value(w->value);
    *to = (struct hd_schema_bound){.present = true, .value = value, .text = text};
    return 0;
}

static uint8_t type_bits(const json_t *name) {
    static const struct {
        const char *name;
        uint8_t bits;
    } types[] = {
        {"null", HD_SCHEMA_NULL},       {"boolean", HD_SCHEMA_BOOLEAN},
        {"integer", HD_SCHEMA_INTEGER}, {"number", HD_SCHEMA_INTEGER | HD_SCHEMA_FRACTION},
        {"string", HD_SCHEMA_STRING},   {"array", HD_SCHEMA_ARRAY},
        {"object", HD_SCHEMA_OBJECT},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(types) && json_is_string(name); i++) {
        if (strcmp(types[i].name, json_string_value(name)) == 0)
            return types[i].bits;
    }
    return 0;
}

static int compile_type(const struct work *w) {
    uint8_t types = type_bits(w->value);
    size_t i;
    json_t *name;
    json_array_foreach(w->value, i, name) {
        uint8_t bits = type_bits(name);
        if (bits == 0)
            return work_fault(w, "holds what is not a type");
        types |= bits;
    }
    if (types == 0)
        return work_fault(w, "must be a type (null, boolean, integer, number, string, array, object) or an array of them");
    w->node->types = types;
    return 0;
}

/* `must be one of "low", "normal"`, cut to what a problem can hold. NULL: out of memory. */
static const char *values_sentence(struct compiler *c, const json_t *const *items, size_t count) {
    char text[HD_SCHEMA_DETAIL_BYTES];
    if (count == 0)
        return "must be one of no values at all";
    int len = snprintf(text, sizeof text, "must be %s", count > 1 ? "one of " : "");
    for (size_t i = 0; i < count; i++) {
        char item[HD_SCHEMA_DETAIL_BYTES] = "null";
        const json_t *value = items[i];
        if (json_is_string(value))
            snprintf(item, sizeof item, "\"%s\"", json_string_value(value));
        else if (json_is_number(value))
            snprintf(item, sizeof item, "%s", number_text(c, value) ? number_text(c, value) : "");
        else if (json_is_boolean(value))
            snprintf(item, sizeof item, "%s", json_is_true(value) ? "true" : "false");
        else if (!json_is_null(value))
            return count > 1 ? "must be one of the values that the schema lists" : "must be the value that the schema gives";
        if ((size_t)len + strlen(", ") + strlen(item) + sizeof ", …" > sizeof text) {
            snprintf(text + len, sizeof text - (size_t)len, i > 0 ? ", …" : "a certain text");
            break;
        }
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%s", i > 0 ? ", " : "", item);
    }
    return hd_arena_strdup(c->memory, text);
}

static int read_values(const struct work *w, const json_t *const *items, size_t count) {
    struct hd_schema_values *values = NEW(w->c, struct hd_schema_values);
    struct hd_schema_value *copies = grow(w->c, count, sizeof *copies);
    const char *sentence = values_sentence(w->c, items, count);
    if (!values || !copies || !sentence)
        return no_memory(w->c);
    for (size_t i = 0; i < count; i++)
        copies[i] =
            (struct hd_schema_value){.json = items[i], .text = json_string_value(items[i]), .text_bytes = json_string_length(items[i])};
    *values = (struct hd_schema_values){.sentence = sentence, .count = count, .items = copies};
    values->keyword = w->keyword;
    w->node->values[w->node->values[0] ? 1 : 0] = values;
    return 0;
}

static int compile_const(const struct work *w) {
    return read_values(w, &w->value, 1);
}

static int compile_enum(const struct work *w) {
    size_t count = json_array_size(w->value);
    if (!json_is_array(w->value))
        return work_fault(w, "must be an array");
    const json_t **items = hd_arena_calloc(w->c->scratch, count, sizeof *items);
    if (!items)
        return no_memory(w->c);
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(w->value, i);
    return read_values(w, items, count);
}

static int compile_pattern(const struct work *w, const char *text, size_t len, const struct hd_pattern **to) {
    struct hd_error why = {0};
    int r = hd_pattern_compile(w->c->schema->patterns, text, len, to, &why);
    if (r == HD_ERR_NO_MEMORY)
        return no_memory(w->c);
    return r < 0 ? work_fault(w, why.detail) : 0;
}

/* Keywords of one schema: the group's field takes the node. */
#define COMPILE_ONE(name, group, field)                                                            \
    static int compile_##name(const struct work *w) {                                              \
        return group(w->c, w->node) ? read_one(w, &group(w->c, w->node)->field) : no_memory(w->c); \
    }
#define COMPILE_LIST(name, group, field)                                                            \
    static int compile_##name(const struct work *w) {                                               \
        return group(w->c, w->node) ? read_list(w, &group(w->c, w->node)->field) : no_memory(w->c); \
    }
#define COMPILE_COUNT(name, group, field)                                                            \
    static int compile_##name(const struct work *w) {                                                \
        return group(w->c, w->node) ? read_count(w, &group(w->c, w->node)->field) : no_memory(w->c); \
    }
#define COMPILE_BOUND(name, field)                                                                    \
    static int compile_##name(const struct work *w) {                                                 \
        return numbers_of(w->c, w->node) ? read_bound(w, &w->node->numbers->field) : no_memory(w->c); \
    }

COMPILE_COUNT(min_length, strings_of, min_length)
COMPILE_COUNT(max_length, strings_of, max_length)
COMPILE_BOUND(minimum, minimum)
COMPILE_BOUND(maximum, maximum)
COMPILE_BOUND(exclusive_minimum, exclusive_minimum)
COMPILE_BOUND(exclusive_maximum, exclusive_maximum)
COMPILE_COUNT(min_items, arrays_of, min_items)
COMPILE_COUNT(max_items, arrays_of, max_items)
COMPILE_COUNT(min_contains, arrays_of, min_contains)
COMPILE_COUNT(max_contains, arrays_of, max_contains)
COMPILE_LIST(prefix_items, arrays_of, prefix)
COMPILE_ONE(items, arrays_of, items)
COMPILE_ONE(contains, arrays_of, contains)
COMPILE_ONE(unevaluated_items, arrays_of, unevaluated)
COMPILE_COUNT(min_properties, objects_of, min_properties)
COMPILE_COUNT(max_properties, objects_of, max_properties)
COMPILE_ONE(additional_properties, objects_of, additional)
COMPILE_ONE(property_names, objects_of, names)
COMPILE_ONE(unevaluated_properties, objects_of, unevaluated)
COMPILE_LIST(all_of, combined_of, all_of)
COMPILE_LIST(any_of, combined_of, any_of)
COMPILE_LIST(one_of, combined_of, one_of)
COMPILE_ONE(not, combined_of, negated)
COMPILE_ONE(if, combined_of, condition)
COMPILE_ONE(then, combined_of, consequence)
COMPILE_ONE(else, combined_of, alternative)

static int compile_multiple_of(const struct work *w) {
    struct hd_schema_numbers *numbers = numbers_of(w->c, w->node);
    if (!numbers)
        return no_memory(w->c);
    int r = read_bound(w, &numbers->multiple_of);
    if (r == 0 && numbers->multiple_of.value <= 0)
        return work_fault(w, "must be greater than 0");
    return r;
}

static int compile_string_pattern(const struct work *w) {
    struct hd_schema_strings *strings = strings_of(w->c, w->node);
    if (!strings)
        return no_memory(w->c);
    if (!json_is_string(w->value))
        return work_fault(w, "must be a string");
    strings->pattern_text = json_string_value(w->value);
    return compile_pattern(w, strings->pattern_text, json_string_length(w->value), &strings->pattern);
}

static int compile_format(const struct work *w) {
    if (!json_is_string(w->value))
        return work_fault(w, "must be a string");
    const struct hd_format *format = hd_format_find(json_string_value(w->value));
    if (!format || !w->place->resource->check_formats)
        return 0;
    struct hd_schema_strings *strings = strings_of(w->c, w->node);
    if (!strings)
        return no_memory(w->c);
    strings->format = format;
    return 0;
}

static int compile_unique_items(const struct work *w) {
    if (!json_is_boolean(w->value))
        return work_fault(w, "must be a boolean");
    struct hd_schema_arrays *arrays = arrays_of(w->c, w->node);
    if (!arrays)
        return no_memory(w->c);
    arrays->unique = json_is_true(w->value);
    return 0;
}

/* ---- properties and required, one table ---- */

static struct hd_schema_property *find_property(const struct hd_schema_objects *objects, const char *name, size_t len, uint32_t *ret_slot) {
    uint32_t slot = hd_schema_name_hash(name, len) & objects->slot_mask;
    for (; objects->slots[slot] != 0; slot = (slot + 1) & objects->slot_mask) {
        struct hd_schema_property *property = &objects->properties[objects->slots[slot] - 1];
        if (property->name_bytes == len && memcmp(property->name, name, len) == 0)
            return property;
    }
    *ret_slot = slot;
    return NULL;
}

static struct hd_schema_property *add_property(struct hd_schema_objects *objects, const char *name, size_t len) {
    uint32_t slot;
    struct hd_schema_property *property = find_property(objects, name, len, &slot);
    if (property)
        return property;
    property = &objects->properties[objects->property_count++];
    *property = (struct hd_schema_property){.name = name, .name_bytes = len};
    objects->slots[slot] = (uint32_t)objects->property_count;
    return property;
}

static void add_required(struct hd_schema_objects *objects, const json_t *required) {
    size_t i, bits = 0;
    json_t *name;
    json_array_foreach(required, i, name) {
        struct hd_schema_property *property = add_property(objects, json_string_value(name), json_string_length(name));
        if (property->required_bit)
            continue;
        if (bits < 64) {
            property->required_bit = UINT64_C(1) << bits++;
            objects->required_mask |= property->required_bit;
        } else {
            objects->more_required[objects->more_required_count++] = property->name;
        }
    }
}

/* Runs for `properties` and for `required`, whichever comes first; the table then holds both. */
static int build_properties(const struct work *w) {
    struct hd_schema_objects *objects = objects_of(w->c, w->node);
    if (!objects)
        return no_memory(w->c);
    if (objects->slots)
        return 0;
    const json_t *properties = json_object_get(w->place->json, "properties");
    const json_t *required = w->place->resource->no_validation ? NULL : json_object_get(w->place->json, "required");
    size_t most = json_object_size(properties) + json_array_size(required);
    uint32_t capacity = 4;
    while (capacity < most * 2)
        capacity *= 2;
    objects->properties = grow(w->c, most, sizeof *objects->properties);
    objects->slots = grow(w->c, capacity, sizeof *objects->slots);
    objects->more_required = grow(w->c, json_array_size(required), sizeof *objects->more_required);
    const char *pointer = pointer_to(w->c, w->place->pointer, "properties");
    if (!objects->properties || !objects->slots || !objects->more_required || !pointer)
        return no_memory(w->c);
    objects->slot_mask = capacity - 1;
    for (void *i = json_object_iter((json_t *)properties); i; i = json_object_iter_next((json_t *)properties, i)) {
        struct hd_schema_property *property = add_property(objects, json_object_iter_key(i), json_object_iter_key_len(i));
        int r = node_of(w->c, json_object_iter_value(i), w->place->resource, pointer, property->name, &property->node);
        if (r < 0)
            return r;
    }
    add_required(objects, required);
    return 0;
}

static bool is_name_list(const json_t *value) {
    size_t i;
    json_t *name;
    json_array_foreach(value, i, name) {
        if (!json_is_string(name))
            return false;
    }
    return json_is_array(value);
}

static const char must_be_names[] = "must be an array of strings";
static const char must_be_object[] = "must be an object";

static int compile_properties(const struct work *w) {
    const json_t *required = json_object_get(w->place->json, "required");
    if (!json_is_object(w->value))
        return work_fault(w, must_be_object);
    if (required && !is_name_list(required))
        return fault_at(w->c, w->place, "required", must_be_names);
    return build_properties(w);
}

static int compile_required(const struct work *w) {
    const json_t *properties = json_object_get(w->place->json, "properties");
    if (!is_name_list(w->value))
        return work_fault(w, must_be_names);
    if (properties && !json_is_object(properties))
        return fault_at(w->c, w->place, "properties", must_be_object);
    return build_properties(w);
}

static int compile_pattern_properties(const struct work *w) {
    struct hd_schema_objects *objects = objects_of(w->c, w->node);
    if (!json_is_object(w->value))
        return work_fault(w, must_be_object);
    const char *pointer = pointer_to(w->c, w->place->pointer, w->keyword);
    if (!objects || !pointer || !(objects->patterns = grow(w->c, json_object_size(w->value), sizeof *objects->patterns)))
        return no_memory(w->c);
    json_t *object = (json_t *)w->value;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        struct hd_schema_pattern_property *property = &objects->patterns[objects->pattern_count];
        int r = compile_pattern(w, json_object_iter_key(i), json_object_iter_key_len(i), &property->pattern);
        if (r == 0)
            r = node_of(w->c, json_object_iter_value(i), w->place->resource, pointer, json_object_iter_key(i), &property->node);
        if (r < 0)
            return r;
        objects->pattern_count++;
    }
    return 0;
}

/* Room for count more dependents behind those that are there (dependentRequired and dependentSchemas share the list). */
static struct hd_schema_dependent *more_dependents(const struct work *w, size_t count) {
    struct hd_schema_objects *objects = objects_of(w->c, w->node);
    struct hd_schema_dependent *all = objects ? grow(w->c, objects->dependent_count + count, sizeof *all) : NULL;
    if (!all)
        return NULL;
    if (objects->dependent_count > 0)
        memcpy(all, objects->dependents, objects->dependent_count * sizeof *all);
    objects->dependents = all;
    return all + objects->dependent_count;
}

static int compile_dependent_schemas(const struct work *w) {
    if (!json_is_object(w->value))
        return work_fault(w, must_be_object);
    struct hd_schema_dependent *dependent = more_dependents(w, json_object_size(w->value));
    const char *pointer = pointer_to(w->c, w->place->pointer, w->keyword);
    if (!dependent || !pointer)
        return no_memory(w->c);
    json_t *object = (json_t *)w->value;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i), dependent++) {
        dependent->name = json_object_iter_key(i);
        dependent->name_bytes = json_object_iter_key_len(i);
        int r = node_of(w->c, json_object_iter_value(i), w->place->resource, pointer, dependent->name, &dependent->node);
        if (r < 0)
            return r;
        w->node->objects->dependent_count++;
    }
    return 0;
}

static int compile_dependent_required(const struct work *w) {
    if (!json_is_object(w->value))
        return work_fault(w, must_be_object);
    struct hd_schema_dependent *dependent = more_dependents(w, json_object_size(w->value));
    if (!dependent)
        return no_memory(w->c);
    json_t *object = (json_t *)w->value;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i), dependent++) {
        const json_t *names = json_object_iter_value(i);
        if (!is_name_list(names))
            return work_fault(w, "must be an object of arrays of strings");
        size_t count = json_array_size(names);
        struct hd_schema_value *required = grow(w->c, count, sizeof *required);
        if (!required)
            return no_memory(w->c);
        for (size_t n = 0; n < count; n++) {
            const json_t *name = json_array_get(names, n);
            required[n] = (struct hd_schema_value){.text = json_string_value(name), .text_bytes = json_string_length(name)};
        }
        *dependent = (struct hd_schema_dependent){json_object_iter_key(i), json_object_iter_key_len(i), count, required, NULL};
        w->node->objects->dependent_count++;
    }
    return 0;
}

static int compile_ref(const struct work *w) {
    struct hd_schema_combined *combined = combined_of(w->c, w->node);
    struct resource *resource;
    const char *fragment;
    return combined ? resolve(w->c, w->place, w->keyword, w->value, &combined->ref, &resource, &fragment) : no_memory(w->c);
}

/* Dynamic only when the reference, read as a $ref, ends at a $dynamicAnchor of that name; else it is one. */
static int compile_dynamic_ref(const struct work *w) {
    struct compiler *c = w->c;
    struct hd_schema_combined *combined = combined_of(c, w->node);
    struct hd_schema_dynamic_ref *ref = NEW(c, struct hd_schema_dynamic_ref);
    if (!combined || !ref)
        return no_memory(c);
    struct resource *resource = NULL;
    const char *fragment = "";
    int r = resolve(c, w->place, w->keyword, w->value, &ref->fallback, &resource, &fragment);
    if (r < 0)
        return r;
    combined->dynamic_ref = ref;
    const struct anchor *anchor = *fragment && *fragment != '/' ? find_anchor(resource->dynamic_anchors, fragment) : NULL;
    if (!anchor)
        return 0;
    ref->name = hd_arena_strdup(c->memory, fragment);
    struct name *name = hd_arena_alloc(c->scratch, sizeof *name);
    if (!ref->name || !name)
        return no_memory(c);
    *name = (struct name){.text = ref->name, .next = c->dynamic_names};
    c->dynamic_names = name;
    c->schema->dynamic = true;
    return 0;
}

/* All keywords that mean something to us; any other is an annotation. */
static const struct keyword {
    const char *name;
    enum shape shape;
    bool validation; /* of the vocabulary that a metaschema may leave out */
    int (*compile)(const struct work *w);
} keywords[] = {
    {"$defs", SCHEMA_MAP, false, NULL},
    {"$dynamicRef", NO_SCHEMA, false, compile_dynamic_ref},
    {"$ref", NO_SCHEMA, false, compile_ref},
    {"additionalProperties", ONE_SCHEMA, false, compile_additional_properties},
    {"allOf", SCHEMA_LIST, false, compile_all_of},
    {"anyOf", SCHEMA_LIST, false, compile_any_of},
    {"const", NO_SCHEMA, true, compile_const},
    {"contains", ONE_SCHEMA, false, compile_contains},
    {"dependentRequired", NO_SCHEMA, true, compile_dependent_required},
    {"dependentSchemas", SCHEMA_MAP, false, compile_dependent_schemas},
    {"else", ONE_SCHEMA, false, compile_else},
    {"enum", NO_SCHEMA, true, compile_enum},
    {"exclusiveMaximum", NO_SCHEMA, true, compile_exclusive_maximum},
    {"exclusiveMinimum", NO_SCHEMA, true, compile_exclusive_minimum},
    {"format", NO_SCHEMA, false, compile_format},
    {"if", ONE_SCHEMA, false, compile_if},
    {"items", ONE_SCHEMA, false, compile_items},
    {"maxContains", NO_SCHEMA, true, compile_max_contains},
    {"maxItems", NO_SCHEMA, true, compile_max_items},
    {"maxLength", NO_SCHEMA, true, compile_max_length},
    {"maxProperties", NO_SCHEMA, true, compile_max_properties},
    {"maximum", NO_SCHEMA, true, compile_maximum},
    {"minContains", NO_SCHEMA, true, compile_min_contains},
    {"minItems", NO_SCHEMA, true, compile_min_items},
    {"minLength", NO_SCHEMA, true, compile_min_length},
    {"minProperties", NO_SCHEMA, true, compile_min_properties},
    {"minimum", NO_SCHEMA, true, compile_minimum},
    {"multipleOf", NO_SCHEMA, true, compile_multiple_of},
    {"not", ONE_SCHEMA, false, compile_not},
    {"oneOf", SCHEMA_LIST, false, compile_one_of},
    {"pattern", NO_SCHEMA, true, compile_string_pattern},
    {"patternProperties", SCHEMA_MAP, false, compile_pattern_properties},
    {"prefixItems", SCHEMA_LIST, false, compile_prefix_items},
    {"properties", SCHEMA_MAP, false, compile_properties},
    {"propertyNames", ONE_SCHEMA, false, compile_property_names},
    {"required", NO_SCHEMA, true, compile_required},
    {"then", ONE_SCHEMA, false, compile_then},
    {"type", NO_SCHEMA, true, compile_type},
    {"unevaluatedItems", ONE_SCHEMA, false, compile_unevaluated_items},
    {"unevaluatedProperties", ONE_SCHEMA, false, compile_unevaluated_properties},
    {"uniqueItems", NO_SCHEMA, true, compile_unique_items},
};

static const struct keyword *find_keyword(const char *name) {
    for (size_t i = 0; i < HD_ARRAY_LEN(keywords); i++) {
        if (strcmp(keywords[i].name, name) == 0)
            return &keywords[i];
    }
    return NULL;
}

static enum shape shape_of(const char *name) {
    const struct keyword *keyword = find_keyword(name);
    return keyword ? keyword->shape : NO_SCHEMA;
}

/* ---- from places to nodes ---- */

static bool looks_at_members(const struct hd_schema_objects *objects) {
    for (size_t i = 0; i < objects->property_count; i++) {
        if (objects->properties[i].node)
            return true;
    }
    return objects->pattern_count > 0 || objects->additional || objects->names;
}

static int compile_place(struct compiler *c, struct place *place) {
    place->node->types = HD_SCHEMA_ANY;
    place->node->resource = place->resource->tree;
    place->resource->used = true;
    json_t *schema = (json_t *)place->json;
    for (void *i = json_object_iter(schema); i; i = json_object_iter_next(schema, i)) {
        const struct keyword *keyword = find_keyword(json_object_iter_key(i));
        if (!keyword || !keyword->compile || (keyword->validation && place->resource->no_validation))
            continue;
        struct work w = {.c = c, .place = place, .node = place->node, .keyword = keyword->name, .value = json_object_iter_value(i)};
        int r = keyword->compile(&w);
        if (r < 0)
            return r;
    }
    if (place->node->objects)
        place->node->objects->looks_at_members = looks_at_members(place->node->objects);
    return 0;
}

/* Wants every schema that a $dynamicRef may land on. */
static int want_dynamic_anchors(struct compiler *c) {
    for (struct resource *resource = c->resources; resource; resource = resource->next) {
        for (const struct anchor *anchor = resource->used ? resource->dynamic_anchors : NULL; anchor; anchor = anchor->next) {
            bool asked = false;
            for (const struct name *name = c->dynamic_names; name && !asked; name = name->next)
                asked = strcmp(name->text, anchor->name) == 0;
            if (asked && !want(c, anchor->place))
                return no_memory(c);
        }
    }
    return 0;
}

static int link_dynamic_anchors(struct compiler *c) {
    for (struct resource *resource = c->resources; resource; resource = resource->next) {
        for (const struct anchor *anchor = resource->dynamic_anchors; anchor && c->schema->dynamic; anchor = anchor->next) {
            struct hd_schema_anchor *linked = NEW(c, struct hd_schema_anchor);
            char *name = hd_arena_strdup(c->memory, anchor->name);
            if (!linked || !name)
                return no_memory(c);
            *linked = (struct hd_schema_anchor){.name = name, .node = anchor->place->node, .next = resource->tree->dynamic_anchors};
            resource->tree->dynamic_anchors = linked;
        }
    }
    return 0;
}

static int compile_wanted(struct compiler *c) {
    while (c->wanted) {
        struct place *place = c->wanted;
        c->wanted = place->next_wanted;
        int r = compile_place(c, place);
        if (r == 0 && !c->wanted)
            r = want_dynamic_anchors(c); /* and round again, for these may ask for more */
        if (r < 0)
            return r;
    }
    return link_dynamic_anchors(c);
}

/* ---- circles ---- */

enum { UNSEEN, ON_THE_WAY, DONE };

static bool goes_in_circles(struct hd_schema_node *node, int depth);

static bool list_goes_in_circles(const struct hd_schema_list *list, int depth) {
    for (size_t i = 0; i < list->count; i++) {
        if (goes_in_circles((struct hd_schema_node *)list->nodes[i], depth))
            return true;
    }
    return false;
}

/* Follows only what applies to the same instance: a step into the instance always ends. ($dynamicRef is left to the limit at validation.) */
static bool goes_in_circles(struct hd_schema_node *node, int depth) {
    if (!node || node->mark == DONE)
        return false;
    if (node->mark == ON_THE_WAY || depth > HD_SCHEMA_MAX_DEPTH)
        return true;
    node->mark = ON_THE_WAY;
    const struct hd_schema_combined *combined = node->combined;
    bool circle = false;
    if (combined) {
        const struct hd_schema_node *const ones[] = {combined->ref, combined->negated, combined->condition, combined->consequence,
                                                     combined->alternative};
        for (size_t i = 0; i < HD_ARRAY_LEN(ones) && !circle; i++)
            circle = goes_in_circles((struct hd_schema_node *)ones[i], depth + 1);
        circle = circle || list_goes_in_circles(&combined->all_of, depth + 1) || list_goes_in_circles(&combined->any_of, depth + 1) ||
                 list_goes_in_circles(&combined->one_of, depth + 1);
    }
    for (size_t i = 0; node->objects && i < node->objects->dependent_count && !circle; i++)
        circle = goes_in_circles((struct hd_schema_node *)node->objects->dependents[i].node, depth + 1);
    node->mark = DONE;
    return circle;
}

static int refuse_circles(struct compiler *c) {
    for (size_t i = 0; i < c->place_capacity; i++) {
        const struct place *place = c->places[i];
        if (place && place->node && goes_in_circles(place->node, 0))
            return fault(c, place->resource, place->pointer, NULL, "applies itself to the same value without end, or over %d levels",
                         HD_SCHEMA_MAX_DEPTH);
    }
    return 0;
}

/* ---- the whole ---- */

static int find_root(struct compiler *c, struct resource *resource, const char *pointer, const struct hd_schema_node **ret_node) {
    struct resource *root_resource;
    const char *root_pointer;
    const json_t *root = follow_pointer(c, resource, pointer, &root_resource, &root_pointer);
    if (!root && !root_pointer)
        return no_memory(c);
    if (!root)
        return fault(c, resource, pointer, NULL, "the document has nothing at this pointer");
    int r = index_schema(c, root, root_pointer, root_resource, 0);
    return r < 0 ? r : node_of(c, root, root_resource, root_pointer, NULL, ret_node);
}

static int compile_document(struct compiler *c, const json_t *document, const char *pointer) {
    c->accept = NEW(c, struct hd_schema_node);
    c->refuse = NEW(c, struct hd_schema_node);
    if (!c->accept || !c->refuse)
        return no_memory(c);
    c->accept->types = HD_SCHEMA_ANY;
    struct resource *resource;
    int r = index_document(c, document, "", "", &resource);
    if (r == 0)
        r = index_documents(c);
    if (r == 0)
        r = find_root(c, resource, pointer, &c->schema->root);
    if (r == 0)
        r = compile_wanted(c);
    if (r == 0)
        r = refuse_circles(c);
    return r;
}

static void free_arena(struct hd_arena **arena) {
    hd_arena_free(*arena);
}

int hd_schema_compile(const json_t *document, const char *pointer, const struct hd_schema_options *options, struct hd_schema **ret_schema,
                      struct hd_error *err) {
    static const struct hd_schema_options no_options;
    HD_CLEANUP(free_arena) struct hd_arena *scratch = hd_arena_new(HD_SCHEMA_COMPILED_LIMIT_BYTES);
    struct hd_arena *memory = hd_arena_new(HD_SCHEMA_COMPILED_LIMIT_BYTES);
    struct hd_schema *schema = memory ? hd_arena_calloc(memory, 1, sizeof *schema) : NULL;
    if (!schema) {
        hd_arena_free(memory);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "out of memory while compiling a schema");
    }
    schema->memory = memory;
    schema->patterns = hd_pattern_set_new();
    struct compiler c = {.schema = schema, .memory = memory, .scratch = scratch, .options = options ? options : &no_options, .err = err};
    c.registered_end = &c.registered;
    int r = schema->patterns && scratch ? compile_document(&c, document, pointer) : no_memory(&c);
    if (r < 0) {
        hd_schema_free(schema);
        return r;
    }
    *ret_schema = schema;
    return 0;
}

void hd_schema_free(struct hd_schema *schema) {
    if (!schema)
        return;
    hd_pattern_set_free(schema->patterns);
    hd_arena_free(schema->memory);
}

void hd_schema_freep(struct hd_schema **schema) {
    hd_schema_free(*schema);
    *schema = NULL;
}
