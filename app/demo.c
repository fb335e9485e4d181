#include "app/demo.h"

#include <stdio.h>

static const struct hd_user people[] = {
    {.user_id = "ana", /* ana, bruno and carla: whom POST /auth/demo signs in (hd_demo_user_id) */
     .name = "Ana Conceição",
     .email = "ana@example.com",
     .role = HD_ROLE_CUSTOMER,
     .locale = "pt-BR",
     .time_zone = "America/Sao_Paulo"},
    {.user_id = "john",
     .name = "John Smith",
     .email = "john@example.com",
     .role = HD_ROLE_CUSTOMER,
     .locale = "en",
     .time_zone = "Europe/London"},
    {.user_id = "bruno",
     .name = "Bruno Araújo",
     .email = "bruno@example.com",
     .role = HD_ROLE_AGENT,
     .locale = "pt-BR",
     .team = "support",
     .skills = "[\"rede\",\"impressoras\"]",
     .time_zone = "America/Sao_Paulo"},
    {.user_id = "marta",
     .name = "Marta Lima",
     .email = "marta@example.com",
     .role = HD_ROLE_MANAGER,
     .locale = "pt-BR",
     .team = "support",
     .time_zone = "America/Sao_Paulo"},
    {.user_id = "carla",
     .name = "Carla Nunes",
     .email = "carla@example.com",
     .role = HD_ROLE_ADMIN,
     .locale = "pt-BR",
     .time_zone = "America/Sao_Paulo"},
};

int hd_demo_people(const struct runtime *runtime, struct hd_store *store, struct hd_error *err) {
    struct hd_arena *arena = hd_arena_new(1024 * 1024);
    int r = arena ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the demo");
    for (size_t i = 0; !r && i < HD_ARRAY_LEN(people); i++) {
        struct hd_user user = people[i];
        user.version = 1;
        user.created_at_ms = user.updated_at_ms = hd_runtime_context(runtime, store).now_ms;
        struct hd_changeset changes = hd_changeset(arena);
        struct hd_commit_result result = {0};
        hd_put_user(&changes, &user, 0);
        r = hd_changeset_check(&changes, err);
        if (!r)
            r = store->ops->commit(store, (const struct hd_changeset *const[]){&changes}, 1, &result,
                                   err); /* a conflict: is there already */
    }
    hd_arena_free(arena);
    return r;
}

void hd_demo_welcome(const struct runtime *runtime, uint16_t port) {
    const char *token = "";
    struct hd_arena *arena = hd_arena_new(64 * 1024);
    int64_t now_ms = hd_system_clock.now_ms(&hd_system_clock);
    struct hd_claims claims = {.subject = "ana", .role = HD_ROLE_CUSTOMER, .expires_at_s = now_ms / 1000 + (int64_t)24 * 3600};
    struct hd_jwt_key key = hd_runtime_key(runtime);
    if (!arena || hd_jwt_sign(&key, &claims, now_ms, arena, &token, NULL))
        token = "";
    (void)printf(
        "\nHelpDesk is ready. Open http://127.0.0.1:%u/ and sign in with one click as a customer, an agent or the administrator.\n\n"
        "Or open a ticket as Ana from another terminal:\n\n"
        "  curl -s http://127.0.0.1:%u/tickets -H 'Content-Type: application/json' \\\n"
        "    -H 'Authorization: Bearer %s' \\\n"
        "    -d '{\"title\":\"Impressora não imprime\",\"description\":\"A luz vermelha está acesa.\"}'\n\n"
        "E-mail is %s. The people: ana and john (customers), bruno (agent), marta (manager), carla (administrator).\n\n",
        port, port, token, runtime->messages.providers[HD_EMAIL]->ops->name);
    (void)fflush(stdout);
    hd_arena_free(arena);
}
