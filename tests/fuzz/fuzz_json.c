/* Whatever parses can be written and parsed again, and is the same then. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

enum { ARENA_LIMIT_BYTES = 8 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    hd_json_init();
    return 0;
}

static void round_trip(const char *text, size_t len, int flags) {
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_LIMIT_BYTES);
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena_again = hd_arena_new(2 * ARENA_LIMIT_BYTES);
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_error err;
    json_t *root, *again;
    if (!arena || !arena_again || hd_json_parse(arena, text, len, flags, &root, &err) < 0)
        return;
    hd_json_dump(&out, root);
    if (hd_buffer_check(&out, &err) < 0 || hd_json_parse(arena_again, hd_buffer_text(&out), out.len, flags, &again, &err) < 0) {
        fprintf(stderr, "does not parse again: %s\n%s\n", err.detail, hd_buffer_text(&out));
        abort();
    }
    if (!json_equal(root, again)) {
        fprintf(stderr, "is not the same: %s\n", hd_buffer_text(&out));
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    round_trip((const char *)data, size, 0);
    round_trip((const char *)data, size, HD_JSON_ALLOW_NUL | HD_JSON_ANY_DEPTH);
    return 0;
}
