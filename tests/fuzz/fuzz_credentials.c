/* libFuzzer: the first byte chooses, the rest is a text that keys or errors stand in: a shared file, an answer of a container's service, an error of a service. Nothing is read outside of it, and what comes out is whole. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/answer.h"
#include "adapters/aws/credentials_text.h"
#include "base/json.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 * 1024 * 1024 };

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void read_profile(const char *text, size_t len, bool in_config, struct hd_arena *arena) {
    struct hd_profile profile = {0};
    must(hd_profile_read(text, len, "work", in_config, arena, &profile, NULL) == 0, "any text is a shared file");
    const char *values[] = {profile.keys.access_key_id, profile.keys.secret_access_key, profile.keys.session_token};
    for (size_t i = 0; i < HD_ARRAY_LEN(values); i++) {
        must(!values[i] || profile.found, "keys come out of their section");
        must(!values[i] || !strchr(values[i], '\n'), "a value is one line");
    }
}

static void read_keys(const char *text, size_t len, struct hd_arena *arena) {
    struct hd_credentials_text keys = {0};
    if (hd_credentials_answer_read(text, len, arena, &keys, NULL) == 0)
        must(keys.access_key_id && keys.access_key_id[0] && keys.secret_access_key && keys.secret_access_key[0], "keys are a pair");
}

static void read_error(const char *text, size_t len, long status, struct hd_arena *arena) {
    struct hd_aws_answer answer;
    hd_aws_read_answer(status, text, len, "", "", arena, &answer);
    must(answer.code < 0, "an error has a code");
    must(!answer.type[strcspn(answer.type, "#:; ")], "a type is bare");
    must(hd_utf8_valid_prefix(answer.message, strlen(answer.message)) == strlen(answer.message), "a message is UTF-8");
    for (const char *c = answer.message; *c; c++)
        must((unsigned char)*c >= ' ' && *c != 0x7f, "a message is printable");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool ready;
    if (!ready)
        hd_json_init();
    ready = true;
    if (size == 0)
        return 0;
    struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    char *text = malloc(size); /* of its own length, so that a look behind its end is found */
    must(arena && text, "memory");
    size_t len = size - 1;
    memcpy(text, data + 1, len);
    switch (data[0] % 4) {
    case 0:
        read_profile(text, len, data[0] & 4, arena);
        break;
    case 1:
        read_keys(text, len, arena);
        break;
    case 2:
        read_error(text, len, data[0] & 4 ? 400 : 503, arena);
        break;
    default:
        text[len] = '\0';
        (void)hd_container_url_allowed(text);
    }
    free(text);
    hd_arena_free(arena);
    return 0;
}
