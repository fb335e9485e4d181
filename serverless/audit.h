/* The audit trail outside of the table: what the table's stream tells of decisions and attempts, a JSON line each, in the function's own log group (which keeps it as long as it is told to, and which nobody who can
 * write the table can change). */
#pragma once

#include <stdbool.h>

#include "serverless/stream_event.h"

/* The record's line, if it is a new audit entry (X#…) or attempt (N#…/A#…): {"what":"audit"|"attempt","pk":…,"sk":…, then the item's members}. What the message said (an attempt's) is left out: it is the table's. False: it
 * is neither. Check out afterwards. */
bool hd_audit_write(struct hd_buffer *out, const struct hd_stream_record *record);

/* All of it, or an error. HD_ERR_UNAVAILABLE. */
int hd_audit_put_out(const struct hd_buffer *lines, int fd, struct hd_error *err) HD_MUST_CHECK;
