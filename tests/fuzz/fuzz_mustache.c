/* libFuzzer: a template, a partial and a view, separated by NUL bytes. Every partial's name leads to the one partial, which may name itself.
 * Beyond "no crash": a failed render leaves the buffer as it was, and both ways to escape agree on success. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mustache.h"

enum { FUZZ_OUTPUT_BYTES = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hd_mustache *the_partial(const void *partials, const char *name) {
    return name[0] == '-' ? NULL : partials;
}

static size_t part_len(const uint8_t *data, size_t size) {
    const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
    return end ? (size_t)(end - data) : size;
}

static int render(const struct hd_mustache *tmpl, const struct hd_mustache *partial, const json_t *view, enum hd_mustache_escape escape) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {.limit_bytes = FUZZ_OUTPUT_BYTES};
    hd_buffer_add_str(&out, "kept");
    int rc = hd_mustache_render(tmpl, view, escape, the_partial, partial, &out, NULL);
    if (rc < 0 && (out.len != 4 || out.failure != HD_OK))
        abort();
    if (memcmp(hd_buffer_text(&out), "kept", 4) != 0)
        abort();
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t tmpl_len = part_len(data, size);
    const uint8_t *rest = data + tmpl_len + (tmpl_len < size);
    size_t rest_len = size - tmpl_len - (tmpl_len < size);
    size_t partial_len = part_len(rest, rest_len);
    const uint8_t *json = rest + partial_len + (partial_len < rest_len);
    size_t json_len = rest_len - partial_len - (partial_len < rest_len);

    struct hd_mustache *tmpl = NULL, *partial = NULL;
    if (hd_mustache_compile((const char *)data, tmpl_len, &tmpl, NULL) < 0)
        return 0;
    if (hd_mustache_compile((const char *)rest, partial_len, &partial, NULL) < 0)
        partial = NULL;
    json_t *view = json_loadb((const char *)json, json_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    int text = render(tmpl, partial, view, HD_MUSTACHE_TEXT);
    int html = render(tmpl, partial, view, HD_MUSTACHE_HTML);
    /* escaping makes the output longer, and so may pass its limit, but changes nothing else */
    if (text != html && html != HD_ERR_LIMIT)
        abort();

    json_decref(view);
    hd_mustache_free(tmpl);
    hd_mustache_free(partial);
    return 0;
}
