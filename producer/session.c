/* Who the caller is, and signing in to the demo. */
#include <string.h>

#include "producer/call.h"

int hd_who_am_i(struct hd_call *call, struct hd_error *err) {
    const struct hd_user *user = NULL;
    int r = call->ctx->store->ops->user(call->ctx->store, call->arena, call->caller.subject, &user, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "userId", call->caller.subject);
    hd_json_put_str(&w, "role", hd_role_name(call->caller.role));
    if (user)
        hd_user_write(&w, "user", user);
    else
        hd_json_put_str(&w, "user", NULL);
    hd_json_close_object(&w);
    return hd_call_answer(call, 200, err);
}

const char *hd_demo_user_id(enum hd_role role) {
    static const char *const ids[HD_ROLE_COUNT] = {
        [HD_ROLE_CUSTOMER] = "ana",
        [HD_ROLE_AGENT] = "bruno",
        [HD_ROLE_ADMIN] = "carla",
    };
    return role < HD_ROLE_COUNT ? ids[role] : NULL;
}

int hd_demo_login(struct hd_call *call, struct hd_error *err) {
    int role = hd_role_from_name(hd_json_str(call->body, "role"));
    const char *user_id = call->producer->options.demo ? hd_demo_user_id((enum hd_role)role) : NULL;
    const struct hd_user *user = NULL;
    int r = user_id ? call->ctx->store->ops->user(call->ctx->store, call->arena, user_id, &user, err) : 0;
    if (r < 0)
        return r;
    if (!user)
        return hd_error_set(err, HD_ERR_NOT_FOUND, "This server does not run as a demo.");
    const struct hd_claims claims = {
        .subject = user->user_id, .role = user->role, .expires_at_s = call->ctx->now_ms / 1000 + HD_DEMO_SESSION_S};
    const char *token;
    r = hd_jwt_sign(&call->producer->key, &claims, call->ctx->now_ms, call->arena, &token, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "token", token);
    hd_user_write(&w, "user", user);
    hd_json_close_object(&w);
    return hd_call_answer(call, 200, err);
}
