/* Our parser against jansson's: both take the same texts, and make the same of them. What parses can be written and parsed again, and is
 * the same then. The differences that are meant stand in deliberate_difference. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

enum { ARENA_LIMIT_BYTES = 8 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    hd_json_init();
    return 0;
}

static _Noreturn void give_up(const char *what, const char *detail) {
    fprintf(stderr, "%s: %s\n", what, detail);
    abort();
}

static void dump(struct hd_buffer *out, const json_t *root) {
    struct hd_error err;
    hd_json_dump(out, root);
    if (hd_buffer_check(out, &err) < 0)
        give_up("cannot be written", err.detail);
}

/* The texts say more than json_equal: members in their order, -0.0 and 0.0 told apart. */
static void must_be_same(const char *what, const json_t *a, const json_t *b) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text_a = {0}, text_b = {0};
    dump(&text_a, a);
    dump(&text_b, b);
    if (!json_equal(a, b) || text_a.len != text_b.len || memcmp(hd_buffer_text(&text_a), hd_buffer_text(&text_b), text_a.len) != 0) {
        fprintf(stderr, "%s\n%s\n", hd_buffer_text(&text_a), hd_buffer_text(&text_b));
        give_up("is not the same", what);
    }
}

static bool deliberate_difference(const char *text, size_t len, bool we_take_it, const struct hd_error *ours, const json_error_t *theirs) {
    if (we_take_it) /* a scalar inside of 2,048 containers is one level more to jansson */
        return strstr(theirs->text, "maximum parsing depth reached") != NULL;
    return strstr(ours->detail, "nested deeper than") /* HD_JSON_MAX_DEPTH is far below jansson's */
           || memchr(text, '\0', len);                /* jansson skips one behind a number */
}

static void compare(const char *text, size_t len, int flags, const json_t *root, int r, const struct hd_error *err) {
    size_t json_flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | ((flags & HD_JSON_ALLOW_NUL) ? JSON_ALLOW_NUL : 0);
    json_error_t error = {.text = ""};
    HD_CLEANUP(hd_json_decrefp) json_t *theirs = json_loadb(text, len, json_flags, &error);
    if ((r == 0) != (theirs != NULL) && !deliberate_difference(text, len, r == 0, err, &error))
        give_up(r == 0 ? "only we take it, jansson says" : "only jansson takes it, we say", r == 0 ? error.text : err->detail);
    if (r == 0 && theirs)
        must_be_same("ours and jansson's", root, theirs);

    HD_CLEANUP(hd_json_decrefp) json_t *loaded = NULL;
    if (hd_json_load(text, len, flags, &loaded, NULL) != r)
        give_up("hd_json_load differs from hd_json_parse", err->detail);
    if (r == 0)
        must_be_same("loaded and parsed", loaded, root);
}

static void check(const char *text, size_t len, int flags) {
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_LIMIT_BYTES);
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena_again = hd_arena_new(2 * ARENA_LIMIT_BYTES);
    struct hd_error err = {0};
    json_t *root = NULL, *again;
    int r = arena && arena_again ? hd_json_parse(arena, text, len, flags, &root, &err) : HD_ERR_NO_MEMORY;
    if (r == HD_ERR_NO_MEMORY)
        return;
    compare(text, len, flags, root, r, &err);
    if (r < 0) {
        size_t detail_len = strlen(err.detail);
        if (r != HD_ERR_MALFORMED || root || !strstr(err.detail, "line ") || hd_utf8_valid_prefix(err.detail, detail_len) < detail_len)
            give_up("a bad error", err.detail);
        return;
    }
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    dump(&out, root);
    if (hd_json_parse(arena_again, hd_buffer_text(&out), out.len, flags, &again, &err) < 0)
        give_up("does not parse again", err.detail);
    must_be_same("parsed and parsed again", root, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check((const char *)data, size, 0);
    check((const char *)data, size, HD_JSON_ALLOW_NUL | HD_JSON_ANY_DEPTH);
    return 0;
}
