/* The audit trail outside of the table: what the table's stream tells of decisions and attempts, a JSON line each, in the function's own log group (which keeps it as long as it is told to, and which nobody who can
 * write the table can change). */
#pragma once

#include "serverless/stream_event.h"

/* The record's line, if it is a new audit entry ({"what":"audit","auditId":…,"action":…}) or attempt ({"what":"attempt","notificationId":…,"number":…}); *ret_written says whether it was. What the message said is not in
 * it: that is the table's. HD_ERR_CORRUPT: it is no such item. HD_ERR_NO_MEMORY. */
int hd_audit_write(struct hd_buffer *out, const struct hd_stream_record *record, struct hd_arena *arena, bool *ret_written,
                   struct hd_error *err) HD_MUST_CHECK;

/* All of it, or an error. HD_ERR_UNAVAILABLE. */
int hd_audit_put_out(const struct hd_buffer *lines, int fd, struct hd_error *err) HD_MUST_CHECK;
