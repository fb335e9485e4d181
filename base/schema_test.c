/* The official JSON-Schema-Test-Suite (draft 2020-12: all that is required, and the optional formats that we check), read from
 * $HELPDESK_SUITES_DIR or ../shared/data, and what it leaves open: pointers, sentences, limits, bad schemas, OpenAPI documents. */
#include "base/schema.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/json.h"

#ifndef HELPDESK_SOURCE_DIR
#define HELPDESK_SOURCE_DIR "."
#endif

enum { ARENA_LIMIT_BYTES = 4 * 1024 * 1024, REQUIRED_CASES = 1290, FORMAT_CASES = 400 };

/* ---- helpers ---- */

static json_t *parsed(const char *text) {
    json_t *root = NULL;
    struct hd_error err = {0};
    if (hd_json_load(text, strlen(text), HD_JSON_ALLOW_NUL | HD_JSON_ANY_DEPTH, &root, &err) < 0)
        fail_msg("%s: %s", text, err.detail);
    return root;
}

/* A schema with its document and an arena, for one test. */
struct fixture {
    json_t *document;
    struct hd_schema *schema;
    struct hd_arena *arena;
};

static struct fixture compiled_at(const char *text, const char *pointer, bool check_formats) {
    struct fixture f = {.document = parsed(text), .arena = hd_arena_new(ARENA_LIMIT_BYTES)};
    struct hd_schema_options options = {.check_formats = check_formats};
    struct hd_error err = {0};
    assert_non_null(f.arena);
    if (hd_schema_compile(f.document, pointer, &options, &f.schema, &err) < 0)
        fail_msg("%s: %s at %s", text, err.detail, err.pointer);
    return f;
}

static struct fixture compiled(const char *text) {
    return compiled_at(text, "", false);
}

static void release(struct fixture *f) {
    hd_schema_free(f->schema);
    hd_arena_free(f->arena);
    json_decref(f->document);
}

static int validate(const struct fixture *f, const char *instance, struct hd_schema_problems *problems, struct hd_error *err) {
    json_t *json = parsed(instance);
    int r = hd_schema_validate(f->schema, f->arena, json, problems, err);
    json_decref(json);
    return r;
}

static void accepts(const char *schema, const char *instance) {
    struct fixture f = compiled(schema);
    struct hd_error err = {0};
    if (validate(&f, instance, NULL, &err) < 0)
        fail_msg("%s refuses %s: %s at %s", schema, instance, err.detail, err.pointer);
    release(&f);
}

/* With problems wanted and without: both tell the same first one. */
static void refuses_with(const struct fixture *f, const char *instance, const char *pointer, const char *keyword, const char *detail) {
    struct hd_error err = {0}, err_alone = {0};
    struct hd_schema_problems problems;
    if (validate(f, instance, &problems, &err) != HD_ERR_INVALID)
        fail_msg("takes %s", instance);
    assert_int_equal(validate(f, instance, NULL, &err_alone), HD_ERR_INVALID);
    assert_true(problems.count > 0);
    assert_string_equal(problems.items[0].detail, detail);
    assert_string_equal(problems.items[0].pointer, pointer);
    assert_string_equal(problems.items[0].keyword, keyword);
    assert_int_equal(err.code, HD_ERR_INVALID);
    assert_string_equal(err.detail, detail);
    assert_string_equal(err.pointer, pointer);
    assert_string_equal(err_alone.detail, detail);
    assert_string_equal(err_alone.pointer, pointer);
}

static void refuses(const char *schema, const char *instance, const char *pointer, const char *keyword, const char *detail) {
    struct fixture f = compiled(schema);
    refuses_with(&f, instance, pointer, keyword, detail);
    release(&f);
}

static void does_not_compile(const char *text, int code, const char *pointer, const char *detail) {
    json_t *document = parsed(text);
    struct hd_schema *schema = NULL;
    struct hd_error err = {0};
    int r = hd_schema_compile(document, "", NULL, &schema, &err);
    if (r != code)
        fail_msg("%s: %d (%s)", text, r, err.detail);
    assert_null(schema);
    assert_string_equal(err.pointer, pointer);
    if (detail)
        assert_string_equal(err.detail, detail);
    json_decref(document);
}

/* ---- the official suite ---- */

static const struct left_out {
    const char *file, *group, *test; /* test NULL: the whole group */
    const char *reason;
    bool metaschema; /* runs when the metaschemas are there */
} left_out[] = {
    {"defs.json", "validate definition against metaschema", NULL, "needs the metaschema's documents", true},
    {"ref.json", "remote ref, containing refs itself", NULL, "needs the metaschema's documents", true},
    {"ecmascript-regex.json", "ECMA 262 lookbehind is valid, including variable width", "a variable-width lookbehind (ES2018)",
     "PCRE2 has no lookbehind of variable width", false},
    {"hostname.json", "validation of A-label (punycode) host names", NULL, "what is inside of an A-label (IDNA 2008) is not looked at",
     false},
};

static const char *const formats[] = {"date-time",    "date",  "time",          "duration", "email",
                                      "hostname",     "ipv4",  "ipv6",          "uri",      "uuid",
                                      "json-pointer", "regex", "uri-reference", "unknown",  "ecmascript-regex"};

enum { MAX_DOCUMENTS = 64 };

struct suite {
    char folder[1024];
    struct hd_schema_document documents[MAX_DOCUMENTS];
    char uris[MAX_DOCUMENTS][512];
    json_t *roots[MAX_DOCUMENTS];
    size_t document_count;
    bool has_metaschemas;
    size_t passed, failed, left_out;
    bool used[HD_ARRAY_LEN(left_out)];
};

static json_t *load(const char *path) {
    return json_load_file(path, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* Every .json file below folder; its URI is base and the path, or its $id alone when base is NULL. */
static void add_documents(struct suite *suite, const char *folder, const char *base) {
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        char path[2048], uri[512] = "";
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (base)
            (void)snprintf(uri, sizeof uri, "%s/%s", base, entry->d_name);
        DIR *below = opendir(path);
        if (below) {
            closedir(below);
            add_documents(suite, path, base ? uri : NULL);
            continue;
        }
        json_t *root = load(path);
        assert_non_null(root);
        assert_true(suite->document_count < MAX_DOCUMENTS);
        size_t i = suite->document_count++;
        memcpy(suite->uris[i], uri, sizeof uri);
        suite->roots[i] = root;
        suite->documents[i] = (struct hd_schema_document){.uri = base ? suite->uris[i] : NULL, .root = root};
    }
    if (dir)
        closedir(dir);
}

static void open_suite(struct suite *suite) {
    const char *suites = getenv("HELPDESK_SUITES_DIR");
    char folder[2048];
    *suite = (struct suite){0};
    if (!suites || !suites[0])
        suites = HELPDESK_SOURCE_DIR "/../shared/data";
    (void)snprintf(suite->folder, sizeof suite->folder, "%s/json-schema-test-suite", suites);
    (void)snprintf(folder, sizeof folder, "%s/remotes/draft2020-12", suite->folder);
    add_documents(suite, folder, "http://localhost:1234/draft2020-12");
    size_t remotes = suite->document_count;
    (void)snprintf(folder, sizeof folder, "%s/metaschemas/draft2020-12", suite->folder);
    add_documents(suite, folder, NULL);
    suite->has_metaschemas = suite->document_count > remotes;
}

static void close_suite(struct suite *suite) {
    for (size_t i = 0; i < suite->document_count; i++)
        json_decref(suite->roots[i]);
}

static bool is_left_out(struct suite *suite, const char *file, const char *group, const char *test) {
    for (size_t i = 0; i < HD_ARRAY_LEN(left_out); i++) {
        const struct left_out *l = &left_out[i];
        if (strcmp(l->file, file) == 0 && strcmp(l->group, group) == 0 && (!l->test || strcmp(l->test, test) == 0) &&
            !(l->metaschema && suite->has_metaschemas)) {
            suite->used[i] = true;
            return true;
        }
    }
    return false;
}

static void run_case(struct suite *suite, const char *file, const char *group, const struct hd_schema *schema, const json_t *test) {
    const char *description = hd_json_str(test, "description");
    if (is_left_out(suite, file, group, description)) {
        suite->left_out++;
        return;
    }
    struct hd_arena *arena = hd_arena_new(ARENA_LIMIT_BYTES);
    assert_non_null(arena);
    struct hd_error err = {0};
    struct hd_schema_problems problems;
    const json_t *data = json_object_get(test, "data");
    bool valid = json_is_true(json_object_get(test, "valid"));
    int r = schema ? hd_schema_validate(schema, arena, data, &problems, &err) : HD_ERR_INTERNAL;
    int r_alone = schema ? hd_schema_validate(schema, arena, data, NULL, NULL) : HD_ERR_INTERNAL;
    hd_arena_free(arena);
    if (r == (valid ? 0 : HD_ERR_INVALID) && r_alone == r) {
        suite->passed++;
        return;
    }
    suite->failed++;
    printf("FAILED %s: %s: %s: wanted %s, got %d %s %s\n", file, group, description, valid ? "valid" : "invalid", r, err.detail,
           err.pointer);
}

static bool run_file(struct suite *suite, const char *folder, const char *file, bool check_formats) {
    char path[2048];
    (void)snprintf(path, sizeof path, "%s/tests/draft2020-12/%s%s", suite->folder, folder, file);
    json_t *groups = load(path), *group, *test;
    if (!groups)
        return false;
    size_t passed = suite->passed, failed = suite->failed, left = suite->left_out, g, t;
    json_array_foreach(groups, g, group) {
        const char *description = hd_json_str(group, "description");
        struct hd_schema_options options = {check_formats, suite->documents, suite->document_count};
        struct hd_schema *schema = NULL;
        struct hd_error err = {0};
        int r = hd_schema_compile(json_object_get(group, "schema"), "", &options, &schema, &err);
        if (r < 0)
            printf("%s: %s: does not compile: %s at %s\n", file, description, err.detail, err.pointer);
        json_array_foreach(json_object_get(group, "tests"), t, test) run_case(suite, file, description, schema, test);
        hd_schema_free(schema);
    }
    json_decref(groups);
    printf("json-schema-suite/%s%s: %zu passed, %zu failed, %zu left out\n", folder, file, suite->passed - passed, suite->failed - failed,
           suite->left_out - left);
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

enum { MAX_FILES = 128, NAME_BYTES = 256 };

static size_t list_files(const struct suite *suite, char names[MAX_FILES][NAME_BYTES]) {
    char path[2048];
    size_t count = 0;
    (void)snprintf(path, sizeof path, "%s/tests/draft2020-12", suite->folder);
    DIR *dir = opendir(path);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry && count < MAX_FILES; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".json"))
            (void)snprintf(names[count++], NAME_BYTES, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    qsort(names, count, NAME_BYTES, by_name);
    return count;
}

static void skip_missing_suite(size_t cases) {
    printf("json-schema-suite: not found, skipped: %zu cases\n", cases);
    const char *ci = getenv("CI");
    if (ci && strcmp(ci, "true") == 0)
        fail_msg("CI=true wants the official suite");
    skip();
}

static void print_total(const struct suite *suite, const char *what) {
    printf("%s: %zu passed, %zu failed, %zu left out", what, suite->passed, suite->failed, suite->left_out);
    const char *before = " (";
    for (size_t i = 0; i < HD_ARRAY_LEN(left_out); i++) {
        if (!suite->used[i])
            continue;
        printf("%s%s, \"%s\": %s", before, left_out[i].file, left_out[i].group, left_out[i].reason);
        before = "; ";
    }
    printf("%s\n", suite->left_out > 0 ? ")" : "");
}

static void every_required_case_of_the_official_suite_passes(void **state) {
    (void)state;
    struct suite suite;
    open_suite(&suite);
    static char names[MAX_FILES][NAME_BYTES];
    size_t count = list_files(&suite, names);
    if (count == 0)
        skip_missing_suite(REQUIRED_CASES);
    for (size_t i = 0; i < count; i++)
        assert_true(run_file(&suite, "", names[i], false));
    print_total(&suite, "json-schema-suite");
    close_suite(&suite);
    assert_int_equal(suite.failed, 0);
    assert_true(suite.passed >= REQUIRED_CASES);
}

static void every_case_of_the_formats_that_we_check_passes(void **state) {
    (void)state;
    struct suite suite;
    open_suite(&suite);
    for (size_t i = 0; i < HD_ARRAY_LEN(formats); i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s.json", formats[i]);
        if (!run_file(&suite, "optional/format/", name, true))
            skip_missing_suite(FORMAT_CASES);
    }
    print_total(&suite, "json-schema-suite, formats");
    close_suite(&suite);
    assert_int_equal(suite.failed, 0);
    assert_true(suite.passed >= FORMAT_CASES);
}

/* ---- problems ---- */

static const char ticket_created[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
    "\"required\":[\"event\",\"eventId\",\"occurredAt\",\"payload\"],\"additionalProperties\":false,\"properties\":{"
    "\"event\":{\"const\":\"TicketCreated\"},\"eventId\":{\"$ref\":\"#/$defs/id\"},\"occurredAt\":{\"type\":\"string\",\"format\":\"date-time\"},"
    "\"schemaVersion\":{\"type\":\"integer\",\"const\":1},\"correlationId\":{\"$ref\":\"#/$defs/id\"},\"traceparent\":{\"type\":\"string\"},"
    "\"payload\":{\"type\":\"object\",\"required\":[\"ticketId\",\"userId\"],\"additionalProperties\":false,\"properties\":{"
    "\"ticketId\":{\"$ref\":\"#/$defs/id\"},\"userId\":{\"$ref\":\"#/$defs/id\"},\"title\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},"
    "\"description\":{\"type\":\"string\",\"maxLength\":20000},\"priority\":{\"enum\":[\"low\",\"normal\",\"high\",\"urgent\"]},"
    "\"channels\":{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"enum\":[\"email\",\"push\",\"sms\",\"webhook\",\"inapp\"]}},"
    "\"tags\":{\"type\":\"array\",\"maxItems\":20,\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":40}}}}},"
    "\"$defs\":{\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":128,\"pattern\":\"^[!-~]+$\"}}}";

static const char good_event[] =
    "{\"event\":\"TicketCreated\",\"eventId\":\"01932f6e-8c2a-7b3d-9e4f-0a1b2c3d4e5f\",\"occurredAt\":\"2026-11-23T15:11:56.042Z\","
    "\"correlationId\":\"c-1\",\"payload\":{\"ticketId\":\"tkt-001\",\"userId\":\"u-10\",\"title\":\"Impress\\u00f5es n\\u00e3o saem\","
    "\"description\":\"The printer on the second floor eats paper.\",\"priority\":\"high\",\"channels\":[\"email\",\"push\"],"
    "\"tags\":[\"printer\",\"floor-2\"]}}";

static void an_event_that_keeps_its_schema_is_valid_and_needs_no_memory_without_patterns(void **state) {
    (void)state;
    struct fixture f = compiled_at(ticket_created, "", true);
    struct hd_error err = {0};
    if (validate(&f, good_event, NULL, &err) < 0)
        fail_msg("%s at %s", err.detail, err.pointer);
    release(&f);

    f = compiled("{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":9},"
                 "\"b\":{\"type\":\"array\",\"uniqueItems\":true}},\"unevaluatedProperties\":false}");
    size_t used = hd_arena_used(f.arena);
    assert_int_equal(validate(&f, "{\"a\":\"x\",\"b\":[1,2,3]}", NULL, &err), 0);
    assert_int_equal(hd_arena_used(f.arena), used);
    release(&f);
}

static void a_problem_says_what_must_hold_and_points_at_the_field(void **state) {
    (void)state;
    static const struct {
        const char *instance, *pointer, *keyword, *detail;
    } cases[] = {
        {"[]", "", "type", "must be an object"},
        {"{\"event\":\"X\"}", "/event", "const", "must be \"TicketCreated\""},
        {"{\"payload\":{\"userId\":\"u\"}}", "/payload/ticketId", "required", "is required"},
        {"{\"payload\":{\"ticketId\":\"a b\"}}", "/payload/ticketId", "pattern", "must match the pattern ^[!-~]+$"},
        {"{\"payload\":{\"ticketId\":7}}", "/payload/ticketId", "type", "must be a string"},
        {"{\"payload\":{\"title\":\"\"}}", "/payload/title", "minLength", "must not be empty"},
        {"{\"payload\":{\"priority\":\"huge\"}}", "/payload/priority", "enum", "must be one of \"low\", \"normal\", \"high\", \"urgent\""},
        {"{\"payload\":{\"colour\":1}}", "/payload/colour", "additionalProperties", "is not a known field"},
        {"{\"payload\":{\"tags\":[\"a\",5]}}", "/payload/tags/1", "type", "must be a string"},
        {"{\"payload\":{\"channels\":[\"sms\",\"push\",\"sms\"]}}", "/payload/channels/2", "uniqueItems", "must not repeat element 0"},
        {"{\"occurredAt\":\"yesterday\"}", "/occurredAt", "format", "must be an RFC 3339 date and time such as 2026-11-23T15:11:56.042Z"},
        {"{\"schemaVersion\":2}", "/schemaVersion", "const", "must be 1"},
    };
    struct fixture f = compiled_at(ticket_created, "", true);
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++)
        refuses_with(&f, cases[i].instance, cases[i].pointer, cases[i].keyword, cases[i].detail);
    release(&f);
}

static void a_length_is_counted_in_characters(void **state) {
    (void)state;
    accepts("{\"maxLength\":3}", "\"\\u00e9\\u00e9\\ud83d\\ude00\"");
    refuses("{\"maxLength\":3}", "\"\\u00e9\\u00e9\\u00e9\\ud83d\\ude00\"", "", "maxLength", "must be at most 3 characters long");
    accepts("{\"minLength\":2}", "\"\\u00e9\\u00e9\"");
    refuses("{\"minLength\":2}", "\"\\ud83d\\ude00\"", "", "minLength", "must be at least 2 characters long");
    accepts("{\"maxLength\":3,\"minLength\":3}", "\"a\\u0000b\"");
}

static void sentences_for_numbers_sizes_and_types_read_well(void **state) {
    (void)state;
    refuses("{\"minimum\":1.5}", "1", "", "minimum", "must be at least 1.5");
    refuses("{\"exclusiveMaximum\":10}", "10", "", "exclusiveMaximum", "must be less than 10");
    refuses("{\"multipleOf\":0.01}", "0.015", "", "multipleOf", "must be a multiple of 0.01");
    refuses("{\"type\":[\"string\",\"null\",\"integer\"]}", "1.5", "", "type", "must be a string or an integer or null");
    refuses("{\"minItems\":1}", "[]", "", "minItems", "must not be empty");
    refuses("{\"maxItems\":1}", "[1,2]", "", "maxItems", "must have at most 1 element");
    refuses("{\"minProperties\":2}", "{}", "", "minProperties", "must have at least 2 fields");
    refuses("{\"contains\":{\"const\":1}}", "[2]", "", "contains", "must contain at least 1 element of a certain form (see the schema)");
    refuses("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "/b", "dependentRequired", "is required beside a");
    refuses("{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "/abc", "maxLength",
            "has a name that must be at most 2 characters long");
    refuses("{\"prefixItems\":[true],\"items\":false}", "[1,2]", "/1", "items", "is one element too many");
    refuses("{\"properties\":{\"a\":true},\"unevaluatedProperties\":false}", "{\"a\":1,\"b\":1}", "/b", "unevaluatedProperties",
            "is not a known field");
    refuses("{\"enum\":[1,\"a\",null,true,2.5]}", "0", "", "enum", "must be one of 1, \"a\", null, true, 2.5");
    refuses("{\"not\":{\"type\":\"null\"}}", "null", "", "not", "must not have a form that the schema excludes");
    refuses("false", "1", "", "false", "is not allowed");
}

static void a_choice_of_which_one_branch_fits_the_type_tells_that_branch_s_problem(void **state) {
    (void)state;
    const char *nullable =
        "{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/name\"}],\"$defs\":{\"name\":{\"type\":\"string\",\"maxLength\":2}}}";
    refuses(nullable, "\"abc\"", "", "maxLength", "must be at most 2 characters long");
    refuses(nullable, "7", "", "anyOf", "must have one of the 2 forms that the schema allows");
    refuses("{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3", "", "oneOf",
            "must have exactly one of the 2 forms that the schema allows, not two");
}

static void integers_and_doubles_are_compared_exactly(void **state) {
    (void)state;
    accepts("{\"const\":1}", "1.0");
    accepts("{\"maximum\":9223372036854775807}", "9223372036854775807");
    refuses("{\"maximum\":9223372036854775806}", "9223372036854775807", "", "maximum", "must be at most 9223372036854775806");
    accepts("{\"exclusiveMinimum\":9007199254740992.0}", "9007199254740993");
    accepts("{\"type\":\"integer\"}", "1e3");
    refuses("{\"uniqueItems\":true}", "[0, {\"a\":1,\"b\":[2]}, {\"b\":[2.0],\"a\":1.0}]", "/2", "uniqueItems",
            "must not repeat element 1");
}

static void pointers_escape_tilde_and_slash(void **state) {
    (void)state;
    refuses("{\"properties\":{\"a/b\":{\"properties\":{\"m~n\":{\"items\":{\"type\":\"null\"}}}}}}", "{\"a/b\":{\"m~n\":[null,1]}}",
            "/a~1b/m~0n/1", "type", "must be null");
    refuses("{\"required\":[\"~/\"]}", "{}", "/~0~1", "required", "is required");
    refuses("{\"properties\":{\"\":false}}", "{\"\":1}", "/", "false", "is not allowed");
}

static void a_long_pointer_is_cut_at_a_whole_token(void **state) {
    (void)state;
    char instance[512], wanted[HD_SCHEMA_POINTER_BYTES + 64] = "";
    const char *name = "a-name-of-20-letters"; /* 21 bytes a token: six fit */
    (void)snprintf(instance, sizeof instance, "{\"%s\":{\"%s\":{\"%s\":{\"%s\":{\"%s\":{\"%s\":{\"%s\":{\"%s\":1}}}}}}}}", name, name, name,
                   name, name, name, name, name);
    for (int i = 0; i < 6; i++)
        (void)snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "/%s", name);
    refuses("{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#\"}}", instance, wanted, "type", "must be an object");
}

static void sixteen_problems_are_kept_and_the_first_of_them_is_the_error(void **state) {
    (void)state;
    struct fixture f = compiled("{\"items\":{\"type\":\"null\"}}");
    struct hd_schema_problems problems;
    struct hd_error err = {0};
    assert_int_equal(validate(&f, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]", &problems, &err), HD_ERR_INVALID);
    assert_int_equal(problems.count, HD_SCHEMA_MAX_PROBLEMS);
    assert_string_equal(problems.items[0].pointer, "/0");
    assert_string_equal(problems.items[15].pointer, "/15");
    assert_string_equal(err.pointer, "/0");
    release(&f);

    f = compiled(ticket_created);
    assert_int_equal(validate(&f, "{\"event\":1,\"x\":2,\"payload\":{\"title\":3}}", &problems, &err), HD_ERR_INVALID);
    assert_int_equal(problems.count, 7); /* event, x, title, then what is missing: ticketId, userId, eventId, occurredAt */
    assert_string_equal(problems.items[3].pointer, "/payload/ticketId");
    assert_string_equal(problems.items[6].pointer, "/occurredAt");
    release(&f);
}

static void more_required_names_than_bits_in_a_word_are_all_required(void **state) {
    (void)state;
    char schema[2048] = "{\"required\":[\"n0\"", instance[2048] = "{\"n0\":1";
    for (int i = 1; i < 70; i++) {
        (void)snprintf(schema + strlen(schema), sizeof schema - strlen(schema), ",\"n%d\"", i);
        if (i < 69)
            (void)snprintf(instance + strlen(instance), sizeof instance - strlen(instance), ",\"n%d\":1", i);
    }
    strcat(schema, "]}");
    strcat(instance, "}");
    refuses(schema, instance, "/n69", "required", "is required");
}

/* ---- limits ---- */

/* open, times over, around middle. */
static char *nested(const char *open, const char *middle, const char *close, size_t times) {
    char *text = calloc(1, times * (strlen(open) + strlen(close)) + strlen(middle) + 1);
    assert_non_null(text);
    char *to = text;
    for (size_t i = 0; i < times; i++)
        to = stpcpy(to, open);
    to = stpcpy(to, middle);
    for (size_t i = 0; i < times; i++)
        to = stpcpy(to, close);
    return text;
}

static void validating_gives(const char *schema, const char *instance, int code) {
    struct fixture f = compiled(schema);
    struct hd_error err = {0};
    assert_int_equal(validate(&f, instance, NULL, &err), code);
    assert_int_equal(err.code, code);
    release(&f);
}

static void nesting_beyond_the_limit_is_an_error_and_below_it_is_not(void **state) {
    (void)state;
    char *deep = nested("[", "", "]", 1000), *shallow = nested("[", "", "]", 100);
    validating_gives("{\"items\":{\"$ref\":\"#\"}}", deep, HD_ERR_LIMIT);
    validating_gives("{\"const\":[]}", deep, HD_ERR_INVALID); /* differs at once */
    validating_gives("{\"uniqueItems\":true,\"prefixItems\":[true]}", deep, 0);
    accepts("{\"items\":{\"$ref\":\"#/$defs/a\"},\"$defs\":{\"a\":{\"items\":true}}}", deep);
    accepts("{\"items\":{\"type\":\"array\"}}", shallow);

    char *pair = NULL;
    assert_true(asprintf(&pair, "[%s,%s]", deep, deep) > 0);
    validating_gives("{\"uniqueItems\":true}", pair, HD_ERR_LIMIT);
    free(pair);
    free(deep);
    free(shallow);

    char *schema = nested("{\"not\":", "true", "}", HD_SCHEMA_MAX_DEPTH + 1);
    does_not_compile(schema, HD_ERR_LIMIT, "", NULL);
    free(schema);
}

static void work_beyond_the_limit_is_an_error(void **state) {
    (void)state;
    /* 2^20 applications: two branches that fail only at their end, on each of 20 levels. */
    char schema[4096] = "{\"$ref\":\"#/$defs/l0\",\"$defs\":{\"l20\":false";
    for (int i = 0; i < 20; i++)
        (void)snprintf(schema + strlen(schema), sizeof schema - strlen(schema),
                       ",\"l%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/l%d\"},{\"$ref\":\"#/$defs/l%d\"}]}", i, i + 1, i + 1);
    strcat(schema, "}}");
    validating_gives(schema, "1", HD_ERR_LIMIT);
}

static void many_elements_are_told_apart_within_the_limit(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    char *text = malloc(COUNT * 8 + 16), *to = text;
    assert_non_null(text);
    for (int i = 0; i < COUNT; i++)
        to += sprintf(to, "%c%d", i == 0 ? '[' : ',', i);
    strcpy(to, "]");
    accepts("{\"uniqueItems\":true}", text);
    strcpy(to, ",77]");
    refuses("{\"uniqueItems\":true}", text, "/20000", "uniqueItems", "must not repeat element 77");
    free(text);
}

static void a_full_arena_is_an_error(void **state) {
    (void)state;
    struct fixture f = compiled("{\"uniqueItems\":true}");
    hd_arena_free(f.arena);
    f.arena = hd_arena_new(1024);
    assert_non_null(f.arena);
    char *instance = nested("[1],", "[2]", "", 100), *array = NULL;
    assert_true(asprintf(&array, "[%s]", instance) > 0);
    struct hd_error err = {0};
    assert_int_equal(validate(&f, array, NULL, &err), HD_ERR_NO_MEMORY);
    free(array);
    free(instance);
    release(&f);

    f = compiled("{\"pattern\":\"a\"}");
    hd_arena_free(f.arena);
    f.arena = hd_arena_new(1);
    assert_non_null(f.arena);
    assert_int_equal(validate(&f, "\"a\"", NULL, &err), HD_ERR_NO_MEMORY);
    release(&f);
}

static void a_pattern_that_backtracks_for_ever_is_cut_off(void **state) {
    (void)state;
    char *instance = nested("a", "", "", 40), *text = NULL;
    assert_true(asprintf(&text, "\"%s!\"", instance) > 0);
    validating_gives("{\"pattern\":\"^(([a-z])+.)+[A-Z]([a-z])+$\"}", text, HD_ERR_LIMIT);
    validating_gives("{\"patternProperties\":{\"^(a|a)*$\":true}}", "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\":1}",
                     HD_ERR_LIMIT);
    free(text);
    free(instance);
    /* A long text is no reason to give up. */
    char *sentence = nested("word ", "", "", 2000);
    assert_true(asprintf(&text, "\"%s\"", sentence) > 0);
    accepts("{\"pattern\":\"^(?:[a-z]+ )*$\"}", text);
    free(text);
    free(sentence);
}

static void patterns_are_ecma_262(void **state) {
    (void)state;
    accepts("{\"pattern\":\"^\\\\p{Letter}+\\\\s\\\\p{Lu}$\"}", "\"\\u00e9\\u4e2d\\u00a0X\"");
    accepts("{\"pattern\":\"^[^\\\\n\\\\s]\\\\u00e9\\\\u{1f600}.$\"}", "\"a\\u00e9\\ud83d\\ude00z\"");
    accepts("{\"pattern\":\"^[[:alpha:]]$\"}", "\"a]\""); /* a class of [ : a l p h and a ] behind it */
    refuses("{\"pattern\":\"^a$\"}", "\"a\\n\"", "", "pattern", "must match the pattern ^a$");
    refuses("{\"pattern\":\"^\\\\d$\"}", "\"\\u09ea\"", "", "pattern", "must match the pattern ^\\d$");
    refuses("{\"pattern\":\"^.$\"}", "\"\\u2028\"", "", "pattern", "must match the pattern ^.$");
}

/* ---- schemas ---- */

static void bad_schemas_are_refused_with_a_pointer(void **state) {
    (void)state;
    static const struct {
        const char *schema, *pointer, *detail;
    } cases[] = {
        {"7", "", "must be a schema: an object or a boolean"},
        {"{\"properties\":{\"a/b\":{\"type\":\"strnig\"}}}", "/properties/a~1b/type",
         "must be a type (null, boolean, integer, number, string, array, object) or an array of them"},
        {"{\"type\":[\"string\",1]}", "/type", "holds what is not a type"},
        {"{\"items\":{\"minLength\":-1}}", "/items/minLength", "must be an integer of at least 0"},
        {"{\"maxItems\":1.5}", "/maxItems", "must be an integer of at least 0"},
        {"{\"minimum\":\"1\"}", "/minimum", "must be a number"},
        {"{\"multipleOf\":0}", "/multipleOf", "must be greater than 0"},
        {"{\"allOf\":[true,{\"anyOf\":[]}]}", "/allOf/1/anyOf", "must be an array of at least one schema"},
        {"{\"oneOf\":[true,5]}", "/oneOf/1", "must be a schema: an object or a boolean"},
        {"{\"properties\":[]}", "/properties", "must be an object"},
        {"{\"properties\":{\"a\":1}}", "/properties/a", "must be a schema: an object or a boolean"},
        {"{\"required\":[1]}", "/required", "must be an array of strings"},
        {"{\"properties\":{},\"required\":\"a\"}", "/required", "must be an array of strings"},
        {"{\"dependentRequired\":{\"a\":\"b\"}}", "/dependentRequired", "must be an object of arrays of strings"},
        {"{\"enum\":7}", "/enum", "must be an array"},
        {"{\"uniqueItems\":1}", "/uniqueItems", "must be a boolean"},
        {"{\"pattern\":\"(\"}", "/pattern", "not a regular expression: missing closing parenthesis"},
        {"{\"pattern\":\"\\\\Aa\"}", "/pattern", "not a regular expression: an escape that ECMA-262 does not have"},
        {"{\"pattern\":\"(?i)a\"}", "/pattern", "not a regular expression: a group that ECMA-262 does not have"},
        {"{\"pattern\":\"(*LIMIT_MATCH=9)a\"}", "/pattern", "not a regular expression: nothing to repeat"},
        {"{\"$ref\":\"#/$defs/nothing\"}", "/$ref", "#/$defs/nothing leads nowhere"},
        {"{\"items\":{\"$ref\":\"#name\"}}", "/items/$ref", "#name leads nowhere: there is no such anchor"},
        {"{\"$ref\":\"https://example.org/x\"}", "/$ref", "https://example.org/x leads nowhere: no document with this URI was given"},
        {"{\"$ref\":\"#/%zz\"}", "/$ref", "#/%zz has a broken % escape"},
        {"{\"$ref\":5}", "/$ref", "must be a string"},
        {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":[]}}", "/$defs/a", "must be a schema: an object or a boolean"},
        {"{\"$id\":\"http://x/#a\"}", "/$id", "must not have a fragment; use $anchor"},
        {"{\"$anchor\":\"a b\"}", "/$anchor", "must be a plain name: a letter or _, then letters, digits, - _ and ."},
        {"{\"$anchor\":\"a\",\"items\":{\"$anchor\":\"a\"}}", "/items/$anchor", "another schema has the anchor a"},
        {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "/$schema",
         "must be https://json-schema.org/draft/2020-12/schema: no other draft is supported"},
        {"{\"$ref\":\"#\"}", "", "applies itself to the same value without end, or over 128 levels"},
        {"{\"items\":{\"$ref\":\"#/$defs/a\"},\"$defs\":{\"a\":{\"allOf\":[{\"not\":{\"$ref\":\"#/$defs/a\"}}]}}}", NULL,
         "applies itself to the same value without end, or over 128 levels"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        json_t *document = parsed(cases[i].schema);
        struct hd_schema *schema = NULL;
        struct hd_error err = {0};
        if (hd_schema_compile(document, "", NULL, &schema, &err) != HD_ERR_INVALID)
            fail_msg("%s: %d %s", cases[i].schema, err.code, err.detail);
        assert_string_equal(err.detail, cases[i].detail);
        if (cases[i].pointer)
            assert_string_equal(err.pointer, cases[i].pointer);
        json_decref(document);
    }
}

static void a_fault_in_another_document_names_the_document(void **state) {
    (void)state;
    json_t *document = parsed("{\"$ref\":\"common.json#/$defs/id\",\"$id\":\"https://example.org/a/main.json\"}");
    json_t *common = parsed("{\"$defs\":{\"id\":{\"maxLength\":\"x\"}}}");
    struct hd_schema_document documents[] = {{"https://example.org/a/common.json", common}};
    struct hd_schema_options options = {.documents = documents, .document_count = 1};
    struct hd_schema *schema = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_schema_compile(document, "", &options, &schema, &err), HD_ERR_INVALID);
    assert_string_equal(err.pointer, "/$defs/id/maxLength");
    assert_string_equal(err.detail, "in https://example.org/a/common.json: must be an integer of at least 0");
    documents[0].uri = NULL;
    assert_int_equal(hd_schema_compile(document, "", &options, &schema, &err), HD_ERR_INVALID);
    assert_string_equal(err.detail, "document 0 has neither a uri nor an $id");
    json_decref(common);
    json_decref(document);
}

static const char openapi[] =
    "{\"openapi\":\"3.1.0\",\"paths\":{},\"components\":{\"schemas\":{"
    "\"TicketCreate\":{\"type\":\"object\",\"required\":[\"title\"],\"properties\":{\"title\":{\"type\":\"string\",\"maxLength\":5},"
    "\"priority\":{\"$ref\":\"#/components/schemas/Priority\"},\"children\":{\"type\":\"array\",\"items\":"
    "{\"$ref\":\"#/components/schemas/TicketCreate\"}}},\"additionalProperties\":false},"
    "\"Priority\":{\"type\":\"string\",\"enum\":[\"low\",\"high\"]},\"Broken\":{\"type\":7},\"a/b ~\":{\"type\":\"null\"}}}}";

static void a_schema_inside_of_an_openapi_document_serves_as_it_is(void **state) {
    (void)state;
    struct fixture f = compiled_at(openapi, "/components/schemas/TicketCreate", false);
    struct hd_error err = {0};
    assert_int_equal(validate(&f, "{\"title\":\"a\",\"priority\":\"low\",\"children\":[{\"title\":\"b\"}]}", NULL, &err), 0);
    refuses_with(&f, "{\"title\":\"a\",\"children\":[{\"title\":\"b\"},{\"title\":\"c\",\"priority\":\"mid\"}]}", "/children/1/priority",
                 "enum", "must be one of \"low\", \"high\"");
    release(&f);
    f = compiled_at(openapi, "/components/schemas/a~1b ~0", false);
    assert_int_equal(validate(&f, "null", NULL, &err), 0);
    release(&f);

    json_t *document = parsed(openapi);
    struct hd_schema *schema = NULL;
    assert_int_equal(hd_schema_compile(document, "/components/schemas/Nothing", NULL, &schema, &err), HD_ERR_INVALID);
    assert_string_equal(err.pointer, "/components/schemas/Nothing");
    assert_int_equal(hd_schema_compile(document, "/components/schemas/Broken", NULL, &schema, &err), HD_ERR_INVALID);
    assert_string_equal(err.pointer, "/components/schemas/Broken/type");
    json_decref(document);
}

static void formats_are_annotations_unless_asked_for(void **state) {
    (void)state;
    accepts("{\"format\":\"email\"}", "\"nobody\"");
    struct fixture f = compiled_at("{\"format\":\"email\"}", "", true);
    refuses_with(&f, "\"nobody\"", "", "format", "must be an e-mail address");
    struct hd_error err = {0};
    assert_int_equal(validate(&f, "\"ana@example.org\"", NULL, &err), 0);
    assert_int_equal(validate(&f, "7", NULL, &err), 0);
    release(&f);
}

static void free_takes_null(void **state) {
    (void)state;
    hd_schema_free(NULL);
}

/* ---- speed: printed, not judged ---- */

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void the_time_for_an_event_is_printed(void **state) {
    (void)state;
    enum { ROUNDS = 50000 };
    struct fixture f = compiled_at(ticket_created, "", true);
    json_t *event = parsed(good_event);
    struct hd_error err;
    double start = seconds_now();
    for (int i = 0; i < ROUNDS; i++) {
        hd_arena_reset(f.arena);
        assert_int_equal(hd_schema_validate(f.schema, f.arena, event, NULL, &err), 0);
    }
    printf("a TicketCreated event, formats and patterns checked: %.2f us\n", (seconds_now() - start) / ROUNDS * 1e6);
    json_decref(event);
    release(&f);
}

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_required_case_of_the_official_suite_passes),
        cmocka_unit_test(every_case_of_the_formats_that_we_check_passes),
        cmocka_unit_test(an_event_that_keeps_its_schema_is_valid_and_needs_no_memory_without_patterns),
        cmocka_unit_test(a_problem_says_what_must_hold_and_points_at_the_field),
        cmocka_unit_test(a_length_is_counted_in_characters),
        cmocka_unit_test(sentences_for_numbers_sizes_and_types_read_well),
        cmocka_unit_test(a_choice_of_which_one_branch_fits_the_type_tells_that_branch_s_problem),
        cmocka_unit_test(integers_and_doubles_are_compared_exactly),
        cmocka_unit_test(pointers_escape_tilde_and_slash),
        cmocka_unit_test(a_long_pointer_is_cut_at_a_whole_token),
        cmocka_unit_test(sixteen_problems_are_kept_and_the_first_of_them_is_the_error),
        cmocka_unit_test(more_required_names_than_bits_in_a_word_are_all_required),
        cmocka_unit_test(nesting_beyond_the_limit_is_an_error_and_below_it_is_not),
        cmocka_unit_test(work_beyond_the_limit_is_an_error),
        cmocka_unit_test(many_elements_are_told_apart_within_the_limit),
        cmocka_unit_test(a_full_arena_is_an_error),
        cmocka_unit_test(a_pattern_that_backtracks_for_ever_is_cut_off),
        cmocka_unit_test(patterns_are_ecma_262),
        cmocka_unit_test(bad_schemas_are_refused_with_a_pointer),
        cmocka_unit_test(a_fault_in_another_document_names_the_document),
        cmocka_unit_test(a_schema_inside_of_an_openapi_document_serves_as_it_is),
        cmocka_unit_test(formats_are_annotations_unless_asked_for),
        cmocka_unit_test(free_takes_null),
        cmocka_unit_test(the_time_for_an_event_is_printed),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
