/* The in-app inbox: always the caller's own. */
#include <string.h>

#include "producer/call.h"

static int read_unread(struct hd_call *call, bool *ret_unread, struct hd_error *err) {
    const char *text = hd_request_query(call->request, call->arena, "unread");
    bool is_true = text && strcmp(text, "true") == 0;
    if (text && !is_true && strcmp(text, "false") != 0)
        return hd_call_refuse(call, err, "?unread", "type", "must be true or false");
    *ret_unread = is_true;
    return 0;
}

int hd_list_inbox(struct hd_call *call, struct hd_error *err) {
    struct hd_store *store = call->ctx->store;
    struct hd_inbox_filter filter = {.user_id = call->caller.subject};
    struct hd_page page;
    int r = read_unread(call, &filter.unread, err);
    if (!r)
        r = hd_call_page(call, &page, err);
    if (r < 0)
        return r;
    const struct hd_inbox_item *items = NULL;
    size_t count = 0;
    const char *next_cursor = NULL;
    int64_t unread_count = 0;
    r = store->ops->inbox(store, call->arena, &filter, &page, &items, &count, &next_cursor, err);
    if (r < 0)
        return hd_call_list_failed(call, r, err);
    r = store->ops->unread(store, filter.user_id, HD_UNREAD_MAX, &unread_count, err);
    if (r < 0)
        return r;
    struct hd_json_writer w = hd_call_write(call);
    hd_json_open_object(&w, NULL);
    hd_json_put_int(&w, "unreadCount", unread_count);
    hd_json_open_array(&w, "items");
    for (size_t i = 0; i < count; i++)
        hd_inbox_item_write(&w, NULL, &items[i]);
    return hd_call_answer_list(call, &w, next_cursor, err);
}

int hd_read_inbox(struct hd_call *call, struct hd_error *err) {
    struct hd_store *store = call->ctx->store;
    const struct hd_inbox_item *found = NULL;
    int r = store->ops->inbox_item(store, call->arena, call->id, &found, err);
    if (r < 0)
        return r;
    if (!found || strcmp(found->user_id, call->caller.subject) != 0)
        return hd_call_not_found(err, "message");
    struct hd_inbox_item item = *found;
    if (item.read_at_ms == 0) {
        item.read_at_ms = call->ctx->now_ms;
        hd_read_inbox_item(call->changes, item.notification_id, item.user_id, item.read_at_ms);
    }
    struct hd_json_writer w = hd_call_write(call);
    hd_inbox_item_write(&w, NULL, &item);
    return hd_call_answer(call, 200, err);
}
