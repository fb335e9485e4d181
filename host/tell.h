/* What was committed and what failed, for the operator: log lines, the same from every host. */
#pragma once

#include "core/changeset.h"
#include "producer/http.h"

/* Events that were accepted (debug), attempts (debug when it was sent, else a warning, or an error when it was given up), dead letters (error). Rendered messages and payloads are not in them. */
void hd_tell_happened(const struct hd_changeset *set);

/* What is behind an answer that says only that something is wrong on our side (error). Nothing for any other answer. */
void hd_tell_answered(const struct hd_response *response);

/* An attempt does not say its channel: its notification does, which is moved by the same changeset. NULL: none is. */
const struct hd_notification *hd_tell_moved(const struct hd_changeset *set);
