#include "serverless/audit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool hd_audit_write(struct hd_buffer *out, const struct hd_stream_record *record) {
    bool audit = begins(record->pk, "X#"), attempt = begins(record->pk, "N#") && begins(record->sk, "A#");
    if (!record->inserted || !record->image || (!audit && !attempt))
        return false;
    struct hd_json_writer w = hd_json_writer(out);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "what", audit ? "audit" : "attempt");
    hd_stream_put_item(&w, "item", record->image, (const char *const[]){"message", NULL});
    hd_json_close_object(&w);
    hd_buffer_add_char(out, '\n');
    return true;
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
