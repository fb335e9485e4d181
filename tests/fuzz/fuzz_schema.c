/* libFuzzer: a schema on the first line and an instance on the rest. Beyond "no crash": with and without a list of problems the verdict is the
 * same, a second validation repeats the first one's problems, pointers lead into the instance, and limits hold. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/schema.h"

enum { ARENA_LIMIT_BYTES = 4 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    hd_json_init();
    return 0;
}

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void check_problems(const struct hd_schema_problems *problems, const struct hd_error *err) {
    must(problems->count >= 1 && problems->count <= HD_SCHEMA_MAX_PROBLEMS, "an invalid instance has 1 to 16 problems");
    for (size_t i = 0; i < problems->count; i++) {
        const struct hd_schema_problem *problem = &problems->items[i];
        must(problem->pointer[0] == '/' || problem->pointer[0] == '\0', "a pointer is empty or begins with a slash");
        must(problem->detail[0] != '\0' && problem->keyword[0] != '\0', "a problem says what it is");
    }
    must(strcmp(problems->items[0].pointer, err->pointer) == 0, "the error is the first problem");
}

static void validate(const struct hd_schema *schema, const json_t *instance) {
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_LIMIT_BYTES);
    struct hd_schema_problems problems, again;
    struct hd_error err;
    if (!arena)
        return;
    int r = hd_schema_validate(schema, arena, instance, &problems, &err);
    must(r == 0 || r == HD_ERR_INVALID || r == HD_ERR_LIMIT || r == HD_ERR_NO_MEMORY, "the codes are those of the header");
    if (r == HD_ERR_LIMIT || r == HD_ERR_NO_MEMORY)
        return; /* the other two do less work or more, and may come to another end */
    if (r == HD_ERR_INVALID)
        check_problems(&problems, &err);
    hd_arena_reset(arena);
    must(hd_schema_validate(schema, arena, instance, &again, &err) == r, "validating again gives the same");
    must(again.count == problems.count, "as many problems as before");
    hd_arena_reset(arena);
    must(hd_schema_validate(schema, arena, instance, NULL, &err) == r, "without a list of problems the verdict is the same");
}

static void run(const char *schema_text, size_t schema_len, const char *text, size_t len, bool check_formats) {
    HD_CLEANUP(hd_json_decrefp) json_t *document = NULL;
    HD_CLEANUP(hd_json_decrefp) json_t *instance = NULL;
    HD_CLEANUP(hd_schema_freep) struct hd_schema *schema = NULL;
    struct hd_schema_options options = {.check_formats = check_formats};
    struct hd_error err;
    if (hd_json_load(schema_text, schema_len, HD_JSON_ANY_DEPTH, &document, &err) < 0)
        return;
    if (hd_schema_compile(document, "", &options, &schema, &err) < 0) {
        must(schema == NULL && err.detail[0] != '\0', "a refused schema leaves nothing but a sentence");
        return;
    }
    if (hd_json_load(text, len, HD_JSON_ALLOW_NUL | HD_JSON_ANY_DEPTH, &instance, &err) == 0)
        validate(schema, instance);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const char *newline = size ? memchr(text, '\n', size) : NULL;
    if (!newline)
        return 0;
    size_t schema_len = (size_t)(newline - text);
    run(text, schema_len, newline + 1, size - schema_len - 1, schema_len % 2 == 0);
    return 0;
}
