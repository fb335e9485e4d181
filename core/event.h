/* Events: the envelope, and the JSON Schema of each type and version.
 *
 * The schemas are the files schemas/events/<Type>.v<N>.json, embedded in the program; nothing restates them. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/assets.h"
#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/schema.h"
#include "core/channel.h"

enum hd_event_type {
    HD_EVENT_TICKET_CREATED,
    HD_EVENT_TICKET_ASSIGNED,
    HD_EVENT_TICKET_UPDATED,
    HD_EVENT_TICKET_COMMENTED,
    HD_EVENT_TICKET_RESOLVED,
    HD_EVENT_TICKET_REOPENED,
    HD_EVENT_TICKET_SLA_BREACHED,
    HD_EVENT_REMINDER,
    HD_EVENT_TYPE_COUNT,
};

enum { HD_EVENT_MAX_BYTES = 64 * 1024 };

/* An accepted event; lives in an arena. Never changed once it is in the log. */
struct hd_event {
    const char *event_id;
    enum hd_event_type type;
    int schema_version;
    int64_t occurred_at_ms;
    int64_t accepted_at_ms; /* when we took it in: ids derive from this, the SLO counts from it */
    const char *ticket_id;
    const char *actor_id;       /* who did it, as far as we know; NULL else */
    const char *correlation_id; /* NULL else */
    const char *traceparent;    /* NULL else */
    const char *payload;        /* JSON text */
};

const char *hd_event_type_name(enum hd_event_type type);
int hd_event_type_from_name(const char *name); /* -1 for a name that is none */

/* ---- the schemas ---- */

struct hd_event_schemas; /* thread-safe */

/* Compiles every schemas/events/… asset. HD_ERR_CONFIGURATION names the file that is bad. */
int hd_event_schemas_load(struct hd_event_schemas **ret_schemas, struct hd_error *err) HD_MUST_CHECK;
/* The same, but each schema is compiled when an event first asks for it: for a process that starts often and takes few events in. A bad file is hd_event_read's error then. */
int hd_event_schemas_open(struct hd_event_schemas **ret_schemas, struct hd_error *err) HD_MUST_CHECK;
/* As hd_event_schemas_load, from a list of files of which only those below schemas/events/ count. */
int hd_event_schemas_load_files(const struct hd_asset *files, size_t count, struct hd_event_schemas **ret_schemas,
                                struct hd_error *err) HD_MUST_CHECK;
void hd_event_schemas_free(struct hd_event_schemas *schemas); /* takes NULL */

/* Checks an envelope and takes it apart. The event's strings live in arena. HD_ERR_INVALID: unknown event, unknown version, or
 * the schema is broken, a payload over HD_EVENT_MAX_BYTES (err->pointer says where, *problems, unless NULL, lists more; its count is 0 after anything but
 * HD_ERR_INVALID). HD_ERR_LIMIT, HD_ERR_NO_MEMORY.
 * accepted_at_ms and actor_id are the caller's. */
int hd_event_read(const struct hd_event_schemas *schemas, struct hd_arena *arena, const json_t *envelope, int64_t accepted_at_ms,
                  const char *actor_id, struct hd_event *ret_event, struct hd_schema_problems *problems,
                  struct hd_error *err) HD_MUST_CHECK;

/* The id of the audit entry that says how the event was routed: it derives from the event, so that the entry is found without an index. */
struct hd_id hd_event_routing_id(const struct hd_event *event);

/* The envelope as JSON members (event, eventId, …, payload, acceptedAt), without the braces. */
void hd_event_put_members(struct hd_json_writer *w, const struct hd_event *event);
