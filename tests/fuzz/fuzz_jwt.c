/* No text is a token but one that we signed. The input is a token, and, made printable, the subject of one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "producer/jwt.h"

enum { ARENA_LIMIT_BYTES = 1024 * 1024 };

static const struct hd_jwt_key key = {.secret = "a secret of at least thirty-two bytes", .issuer = "helpdesk", .audience = "helpdesk"};
static const struct hd_jwt_key other_key = {.secret = "another secret of thirty-two bytes!!", .issuer = "helpdesk", .audience = "helpdesk"};
static const int64_t now_ms = 1790000000000;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    hd_json_init();
    return 0;
}

/* A token of the other key with this subject: valid there, forged here; and what the check says must be what was signed. */
static void sign_and_check(struct hd_arena *arena, const char *subject) {
    const struct hd_claims claims = {.subject = subject, .role = HD_ROLE_AGENT, .expires_at_s = now_ms / 1000 + 60};
    struct hd_claims got;
    const char *token;
    if (hd_jwt_sign(&other_key, &claims, now_ms, arena, &token, NULL) < 0)
        return;
    if (hd_jwt_check(&key, token, strlen(token), now_ms, arena, &got, NULL) == 0) {
        fprintf(stderr, "a forged token is taken: %s\n", token);
        abort();
    }
    if (hd_jwt_check(&other_key, token, strlen(token), now_ms, arena, &got, NULL) == 0 && strcmp(got.subject, subject) != 0) {
        fprintf(stderr, "another subject: %s, %s\n", subject, got.subject);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_LIMIT_BYTES);
    struct hd_claims claims;
    struct hd_error err;
    if (!arena)
        return 0;
    if (hd_jwt_check(&key, (const char *)data, size, now_ms, arena, &claims, &err) == 0 && claims.role >= HD_ROLE_COUNT)
        abort();
    /* Subjects are ids, which are checked before they come here: ASCII. */
    char *subject = hd_arena_alloc(arena, size + 1);
    if (!subject)
        return 0;
    for (size_t i = 0; i < size; i++)
        subject[i] = (char)('!' + data[i] % ('~' - '!' + 1));
    subject[size] = '\0';
    sign_and_check(arena, subject);
    return 0;
}
