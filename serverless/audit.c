#include "serverless/audit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "adapters/aws/item.h"
#include "core/changeset.h"

static void put_audit(struct hd_json_writer *w, const struct hd_audit *entry) {
    hd_json_put_str(w, "what", "audit");
    hd_json_put_str(w, "auditId", entry->audit_id);
    hd_json_put_str(w, "action", entry->action);
    hd_json_put_str(w, "subject", entry->subject);
    hd_json_put_str(w, "actor", entry->actor);
    hd_json_put_str_if(w, "correlationId", entry->correlation_id);
    hd_json_put_time(w, "at", entry->at_ms);
}

/* Its detail is JSON text of ours; but the stream could bring what others have written. */
static int put_detail(struct hd_json_writer *w, const char *detail, struct hd_arena *arena) {
    json_t *json = NULL;
    int r = detail ? hd_json_parse(arena, detail, strlen(detail), 0, &json, NULL) : 0;
    if (json)
        hd_json_put_json(w, "detail", json);
    else
        hd_json_put_str_if(w, "detail", detail);
    return r == HD_ERR_NO_MEMORY ? r : 0;
}

static void put_attempt(struct hd_json_writer *w, const struct hd_attempt *attempt) {
    hd_json_put_str(w, "what", "attempt");
    hd_json_put_str(w, "notificationId", attempt->notification_id);
    hd_json_put_int(w, "number", attempt->number);
    hd_json_put_str(w, "outcome", attempt->outcome < HD_OUTCOME_COUNT ? hd_outcome_name(attempt->outcome) : NULL);
    hd_json_put_str(w, "provider", attempt->provider);
    hd_json_put_str_if(w, "detail", attempt->detail);
    hd_json_put_int(w, "durationMs", attempt->duration_ms);
    hd_json_put_time(w, "at", attempt->at_ms);
}

int hd_audit_write(struct hd_buffer *out, const struct hd_stream_record *record, struct hd_arena *arena, bool *ret_written,
                   struct hd_error *err) {
    union {
        struct hd_audit audit;
        struct hd_attempt attempt;
    } item = {0};
    int kind = record->inserted && record->image ? hd_item_kind(&(struct hd_aws_key){.pk = record->pk, .sk = record->sk}) : -1;
    *ret_written = kind == HD_ITEM_AUDIT || kind == HD_ITEM_ATTEMPT;
    if (!*ret_written)
        return 0;
    int r = hd_item_read(record->image, (enum hd_item_kind)kind, arena, &item, err);
    if (r)
        return r;
    struct hd_json_writer w = hd_json_writer(out);
    hd_json_open_object(&w, NULL);
    if (kind == HD_ITEM_ATTEMPT)
        put_attempt(&w, &item.attempt);
    else
        put_audit(&w, &item.audit);
    if (kind == HD_ITEM_AUDIT && put_detail(&w, item.audit.detail, arena))
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an audit entry");
    hd_json_close_object(&w);
    hd_buffer_add_char(out, '\n');
    return hd_buffer_check(out, err);
}

int hd_audit_put_out(const struct hd_buffer *lines, int fd, struct hd_error *err) {
    for (size_t at = 0; at < lines->len;) {
        ssize_t written = write(fd, lines->data + at, lines->len - at);
        if (written < 0 && errno != EINTR)
            return hd_error_set(err, HD_ERR_UNAVAILABLE, "the audit log: %s", strerror(errno));
        at += written > 0 ? (size_t)written : 0;
    }
    return 0;
}
