/* The API over the store in memory, as a host would drive it: a request in, its changeset committed, the answer out. For tests. */
#pragma once

/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/json.h"
#include "producer/jwt.h"
#include "producer/producer.h"
#include "tests/support/memory.h"

enum { HD_API_ARENA_BYTES = 64 * 1024 * 1024 };
extern const struct hd_jwt_key hd_api_key;

struct hd_api {
    struct hd_producer *producer;
    json_t *openapi;
    struct hd_memory *memory;
    struct hd_event_schemas *schemas;
    struct hd_context ctx;
    struct hd_arena *arena;     /* of the test: answers live here */
    struct hd_arena *decisions; /* of one decision */
    uint64_t random_state;
    struct hd_random random;
    bool overloaded, not_ready;
    /* The last request. */
    int attempts;
    struct hd_changeset changes;
    bool before_commit_ran;
    void (*before_commit)(struct hd_api *api); /* once, between the next decision and its commit: somebody else is faster */
};

struct hd_api_request {
    const char *method; /* NULL: GET, or POST when there is a body */
    const char *path;
    const char *query;
    const char *token;           /* NULL: none */
    const char *body;            /* NULL: none */
    size_t body_bytes;           /* 0: strlen(body) */
    const char *content_type;    /* NULL: application/json when there is a body; "": none */
    struct hd_header headers[8]; /* more; a NULL name ends them */
    bool private_listener;
    const struct hd_claims *identity; /* NULL: the host vouches for nobody */
};

struct hd_api_answer {
    struct hd_response response;
    int status;
    const char *body;
    const json_t *json; /* NULL: is none */
};

struct hd_api *hd_api_new(bool demo);
void hd_api_free(struct hd_api *api);

/* Decides, commits, decides again after a conflict. The answer's JSON must be valid by what schemas/openapi.yaml says of this operation and status; a success
 * must be described there. */
struct hd_api_answer hd_api_ask(struct hd_api *api, const struct hd_api_request *request);
#define hd_ask(api, ...) hd_api_ask((api), &(struct hd_api_request){__VA_ARGS__})

const char *hd_api_token(struct hd_api *api, enum hd_role role, const char *user_id);
const char *hd_api_header(const struct hd_api_answer *answer, const char *name); /* NULL: not there */
/* The text at a path of names and indexes ("items/0/status"); fails when there is none. */
const char *hd_api_text(const struct hd_api_answer *answer, const char *path);
const json_t *hd_api_at(const struct hd_api_answer *answer, const char *path); /* NULL: nothing there */
const char *hd_api_printf(struct hd_api *api, const char *fmt, ...) HD_PRINTF(2, 3);

/* The answer is a problem of that status and type, has all members that it must have, and the request has changed nothing. */
void hd_api_check_problem(struct hd_api *api, const struct hd_api_answer *answer, int status, const char *type, const char *file, int line);
#define hd_assert_problem(api, answer, status, type) hd_api_check_problem((api), &(answer), (status), (type), __FILE__, __LINE__)
/* One of its errors has that pointer and keyword. */
void hd_api_check_field(const struct hd_api_answer *answer, const char *pointer, const char *keyword, const char *file, int line);
#define hd_assert_field(answer, pointer, keyword) hd_api_check_field(&(answer), (pointer), (keyword), __FILE__, __LINE__)
#define hd_assert_status(answer, want)                                                              \
    do {                                                                                            \
        if ((answer).status != (want))                                                              \
            fail_msg("the status is %d instead of %d: %s", (answer).status, (want), (answer).body); \
    } while (0)
