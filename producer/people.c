/* People: adding one, listing them. */
#include <string.h>

#include "producer/call.h"

/* {"email":false}: a channel that is false is switched off. */
static unsigned read_channels_off(const json_t *body) {
    const json_t *channels = json_object_get(json_object_get(body, "preferences"), "channels");
    unsigned off = 0;
    for (int channel = 0; channel < HD_CHANNEL_COUNT; channel++) {
        if (json_is_false(json_object_get(channels, hd_channel_name((enum hd_channel)channel))))
            off |= HD_CHANNEL_BIT(channel);
    }
    return off;
}

static int read_skills(struct hd_call *call, const char **ret_skills, struct hd_error *err) {
    const json_t *skills = json_object_get(call->body, "skills");
    *ret_skills = NULL;
    if (json_array_size(skills) == 0)
        return 0;
    hd_buffer_clear(&call->text);
    hd_json_dump(&call->text, skills);
    size_t len;
    return hd_call_text(call, ret_skills, &len, err);
}

static const char *or_default(const char *text, const char *fallback) {
    return text ? text : fallback;
}

static int read_user(struct hd_call *call, struct hd_user *ret_user, struct hd_error *err) {
    const json_t *body = call->body;
    const char *role = hd_json_str(body, "role");
    struct hd_user user = {
        .user_id = hd_json_str(body, "userId"),
        .version = 1,
        .name = hd_json_str(body, "name"),
        .email = hd_json_str(body, "email"),
        .phone = hd_json_str(body, "phone"),
        .role = role ? (enum hd_role)hd_role_from_name(role) : HD_ROLE_CUSTOMER,
        .locale = or_default(hd_json_str(body, "locale"), "pt-BR"),
        .time_zone = or_default(hd_json_str(body, "timeZone"), "UTC"),
        .team = hd_json_str(body, "team"),
        .channels_off = read_channels_off(body),
        .created_at_ms = call->ctx->now_ms,
        .updated_at_ms = call->ctx->now_ms,
    };
    if (!user.user_id)
        user.user_id = hd_call_new_id(call);
    if (!user.user_id)
        return hd_call_no_memory(err);
    int r = read_skills(call, &user.skills, err);
    if (!r)
        *ret_user = user;
    return r;
}

/* The store has no read by e-mail address: it tells at the commit, and the decision comes again. Then a userId that is free leaves the address as the one
 * thing that can be taken (an Idempotency-Key that raced has been found before). */
static int check_free(struct hd_call *call, const struct hd_user *user, struct hd_error *err) {
    const struct hd_user *there = NULL;
    int r = call->ctx->store->ops->user(call->ctx->store, call->arena, user->user_id, &there, err);
    if (r < 0)
        return r;
    if (there)
        return hd_error_set(err, HD_ERR_CONFLICT, "There is a person with this userId already.");
    if (call->attempt > 1 && user->email)
        return hd_error_set(err, HD_ERR_CONFLICT, "There is a person with this e-mail address already.");
    return 0;
}

static int append_audit(struct hd_call *call, const struct hd_user *user, struct hd_error *err) {
    struct hd_audit entry = {.audit_id = hd_call_new_id(call),
                             .action = "user.created",
                             .subject = user->user_id,
                             .actor = call->caller.subject,
                             .detail = hd_arena_printf(call->arena, "{\"role\":\"%s\"}", hd_role_name(user->role)),
                             .correlation_id = call->correlation_id,
                             .at_ms = call->ctx->now_ms};
    if (!entry.audit_id || !entry.detail)
        return hd_call_no_memory(err);
    hd_append_audit(call->changes, &entry);
    return 0;
}

int hd_create_user(struct hd_call *call, struct hd_error *err) {
    struct hd_user user = {0};
    int r = read_user(call, &user, err);
    if (!r)
        r = check_free(call, &user, err);
    if (r < 0)
        return r;
    hd_put_user(call->changes, &user, 0);
    r = append_audit(call, &user, err);
    if (!r)
        r = hd_call_locate(call, "/users", user.user_id, err);
    if (!r)
        r = hd_call_etag(call, user.version, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write(call);
    hd_user_write(&w, NULL, &user);
    return hd_call_answer(call, 201, err);
}

int hd_list_users(struct hd_call *call, struct hd_error *err) {
    enum { TEAM_MAX_BYTES = 200 /* 50 characters */ };
    struct hd_user_filter filter;
    struct hd_page page;
    int r = hd_call_query_name(call, "role", hd_role_from_name, &filter.role, err);
    if (!r)
        r = hd_call_query_text(call, "team", TEAM_MAX_BYTES, &filter.team, err);
    if (!r)
        r = hd_call_page(call, &page, err);
    if (r < 0)
        return r;
    const struct hd_user *users = NULL;
    size_t count = 0;
    const char *next_cursor = NULL;
    r = call->ctx->store->ops->users(call->ctx->store, call->arena, &filter, &page, &users, &count, &next_cursor, err);
    if (r < 0)
        return hd_call_list_failed(call, r, err);
    struct hd_json_writer w = hd_call_write_list(call);
    for (size_t i = 0; i < count; i++)
        hd_user_write(&w, NULL, &users[i]);
    return hd_call_answer_list(call, &w, next_cursor, err);
}
