#include "core/event.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/rfc3339.h"
#include "base/trace.h"
#include "core/names.h"

enum { VERSIONS_MAX = 16 /* of one event type */ };

static const char *const types[HD_EVENT_TYPE_COUNT] = {
    [HD_EVENT_TICKET_CREATED] = "TicketCreated",          [HD_EVENT_TICKET_ASSIGNED] = "TicketAssigned",
    [HD_EVENT_TICKET_UPDATED] = "TicketUpdated",          [HD_EVENT_TICKET_COMMENTED] = "TicketCommented",
    [HD_EVENT_TICKET_RESOLVED] = "TicketResolved",        [HD_EVENT_TICKET_REOPENED] = "TicketReopened",
    [HD_EVENT_TICKET_SLA_BREACHED] = "TicketSLABreached", [HD_EVENT_REMINDER] = "Reminder",
};

const char *hd_event_type_name(enum hd_event_type type) {
    assert(type < HD_EVENT_TYPE_COUNT);
    return types[type];
}

int hd_event_type_from_name(const char *name) {
    if (!name)
        return -1;
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) { /* not hd_name_index: their first characters tell nothing */
        if (strcmp(types[type], name) == 0)
            return type;
    }
    return -1;
}

/* ---- the schemas ---- */

struct version {
    const struct hd_asset *file;        /* NULL: there is no such version */
    json_t *document;                   /* the compiled schema points into it */
    _Atomic(struct hd_schema *) schema; /* NULL: not compiled yet */
};

struct versions {
    pthread_mutex_t compiling;
    struct version of[HD_EVENT_TYPE_COUNT][VERSIONS_MAX]; /* by version - 1 */
};

struct hd_event_schemas {
    struct versions *versions; /* what is compiled later is no change to those who read by it */
};

static const char folder[] = "schemas/events/";

/* "TicketCreated.v1.json" → its type and version. */
static bool parse_file_name(const char *file, enum hd_event_type *ret_type, int *ret_version) {
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        size_t len = strlen(types[type]);
        if (strncmp(file, types[type], len) != 0)
            continue;
        for (int version = 1; version <= VERSIONS_MAX; version++) {
            char rest[24];
            snprintf(rest, sizeof(rest), ".v%d.json", version);
            if (strcmp(file + len, rest) == 0) {
                *ret_type = (enum hd_event_type)type;
                *ret_version = version;
                return true;
            }
        }
    }
    return false;
}

/* A bad file is a fault of the build; running out of memory is not. */
static int file_fault(struct hd_error *err, int code, const char *path) {
    if (code != HD_ERR_NO_MEMORY)
        err->code = HD_ERR_CONFIGURATION;
    hd_error_context(err, "%s", path);
    return err->code;
}

static int add_file(struct versions *versions, const struct hd_asset *file, struct hd_error *err) {
    enum hd_event_type type;
    int number;
    if (!parse_file_name(file->path + strlen(folder), &type, &number)) {
        hd_error_set(err, HD_ERR_CONFIGURATION, "it is not named <event>.v<1 to %d>.json, with an event that is known", VERSIONS_MAX);
        return file_fault(err, HD_ERR_CONFIGURATION, file->path);
    }
    versions->of[type][number - 1].file = file;
    return 0;
}

static int add_files(struct versions *versions, const struct hd_asset *files, size_t count, struct hd_error *err) {
    for (size_t i = 0; i < count; i++) {
        int r = strncmp(files[i].path, folder, strlen(folder)) == 0 ? add_file(versions, &files[i], err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_complete(const struct versions *versions, struct hd_error *err) {
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        if (!versions->of[type][0].file)
            return hd_error_set(err, HD_ERR_CONFIGURATION, "%s%s.v1.json is missing", folder, types[type]);
    }
    return 0;
}

static int compile(struct version *version, struct hd_schema **ret_schema, struct hd_error *err) {
    const struct hd_schema_options options = {.check_formats = true};
    json_t *document = NULL;
    int r = hd_json_load((const char *)version->file->data, version->file->size_bytes, HD_JSON_ANY_DEPTH, &document, err);
    if (!r)
        r = hd_schema_compile(document, "", &options, ret_schema, err);
    if (r < 0) {
        json_decref(document);
        return file_fault(err, r, version->file->path);
    }
    version->document = document;
    atomic_store_explicit(&version->schema, *ret_schema, memory_order_release);
    return 0;
}

/* A version that there is; compiled now, if it was not. */
static int schema_of(struct versions *versions, struct version *version, struct hd_schema **ret_schema, struct hd_error *err) {
    *ret_schema = atomic_load_explicit(&version->schema, memory_order_acquire);
    if (*ret_schema)
        return 0;
    pthread_mutex_lock(&versions->compiling);
    *ret_schema = atomic_load_explicit(&version->schema, memory_order_relaxed);
    int r = *ret_schema ? 0 : compile(version, ret_schema, err);
    pthread_mutex_unlock(&versions->compiling);
    return r;
}

static int compile_all(struct versions *versions, struct hd_error *err) {
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        for (int i = 0; i < VERSIONS_MAX; i++) {
            struct version *version = &versions->of[type][i];
            struct hd_schema *schema = NULL;
            int r = version->file ? schema_of(versions, version, &schema, err) : 0;
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int open_files(const struct hd_asset *files, size_t count, bool now, struct hd_event_schemas **ret_schemas, struct hd_error *err) {
    struct hd_event_schemas *schemas = calloc(1, sizeof(*schemas));
    struct versions *versions = calloc(1, sizeof(*versions));
    if (!schemas || !versions) {
        free(schemas);
        free(versions);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the schemas of events");
    }
    pthread_mutex_init(&versions->compiling, NULL);
    schemas->versions = versions;
    int r = add_files(versions, files, count, err);
    if (!r && now)
        r = compile_all(versions, err);
    if (!r)
        r = check_complete(versions, err);
    if (r < 0) {
        hd_event_schemas_free(schemas);
        return r;
    }
    *ret_schemas = schemas;
    return 0;
}

int hd_event_schemas_open(struct hd_event_schemas **ret_schemas, struct hd_error *err) {
    struct hd_error unwanted;
    size_t count;
    const struct hd_asset *files = hd_assets(&count);
    return open_files(files, count, false, ret_schemas, err ? err : &unwanted); /* file_fault adds to it */
}

int hd_event_schemas_load(struct hd_event_schemas **ret_schemas, struct hd_error *err) {
    size_t count;
    const struct hd_asset *files = hd_assets(&count);
    return hd_event_schemas_load_files(files, count, ret_schemas, err);
}

int hd_event_schemas_load_files(const struct hd_asset *files, size_t count, struct hd_event_schemas **ret_schemas, struct hd_error *err) {
    struct hd_error unwanted;
    return open_files(files, count, true, ret_schemas, err ? err : &unwanted);
}

void hd_event_schemas_free(struct hd_event_schemas *schemas) {
    if (!schemas)
        return;
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        for (int i = 0; i < VERSIONS_MAX; i++) {
            hd_schema_free(schemas->versions->of[type][i].schema);
            json_decref(schemas->versions->of[type][i].document);
        }
    }
    pthread_mutex_destroy(&schemas->versions->compiling);
    free(schemas->versions);
    free(schemas);
}

/* ---- reading ---- */

/* What is wrong and where, both in err and as the one problem: found beside the schema, but told in the same form. */
static int refuse(struct hd_schema_problems *problems, struct hd_error *err, const char *pointer, const char *keyword, const char *detail) {
    if (problems) {
        problems->count = 1;
        problems->items[0].keyword = keyword;
        snprintf(problems->items[0].pointer, sizeof(problems->items[0].pointer), "%s", pointer);
        snprintf(problems->items[0].detail, sizeof(problems->items[0].detail), "%s", detail);
    }
    hd_error_set(err, HD_ERR_INVALID, "%s", detail);
    if (err)
        hd_error_at(err, pointer);
    return HD_ERR_INVALID;
}

static int refuse_type(struct hd_schema_problems *problems, struct hd_error *err, const json_t *name) {
    char detail[sizeof(problems->items[0].detail)] = "must be one of ";
    size_t len = strlen(detail);
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++)
        len += (size_t)snprintf(detail + len, sizeof(detail) - len, "%s%s", type > 0 ? ", " : "", types[type]);
    assert(len < sizeof(detail));
    return refuse(problems, err, "/event", name ? "enum" : "required", detail);
}

/* The schema that the envelope asks for. */
static int choose(const struct hd_event_schemas *schemas, const json_t *envelope, enum hd_event_type *ret_type, int *ret_version,
                  struct hd_schema_problems *problems, struct hd_error *err) {
    if (!json_is_object(envelope))
        return refuse(problems, err, "", "type", "must be an object");
    const json_t *name = json_object_get(envelope, "event");
    int type = hd_event_type_from_name(json_string_value(name));
    if (type < 0)
        return refuse_type(problems, err, name);
    const json_t *number = json_object_get(envelope, "schemaVersion");
    json_int_t version = number ? json_integer_value(number) : 1; /* 0 for what is no integer */
    if (version < 1 || version > VERSIONS_MAX || !schemas->versions->of[type][version - 1].file)
        return refuse(problems, err, "/schemaVersion", "enum", "must be a version of this event that is known");
    *ret_type = (enum hd_event_type)type;
    *ret_version = (int)version;
    return 0;
}

/* What the code relies on, whatever a schema lets pass. */
static int check_members(const json_t *envelope, struct hd_event *event, struct hd_schema_problems *problems, struct hd_error *err) {
    const json_t *payload = json_object_get(envelope, "payload");
    if (!json_is_object(payload))
        return refuse(problems, err, "/payload", "type", "must be an object");
    event->event_id = hd_json_str(envelope, "eventId");
    if (!event->event_id || !hd_id_acceptable(event->event_id))
        return refuse(problems, err, "/eventId", "pattern", "must be an id: 1 to 128 visible ASCII characters");
    event->ticket_id = hd_json_str(payload, "ticketId");
    if (!event->ticket_id || !hd_id_acceptable(event->ticket_id))
        return refuse(problems, err, "/payload/ticketId", "pattern", "must be an id: 1 to 128 visible ASCII characters");
    const char *occurred_at = hd_json_str(envelope, "occurredAt");
    if (!occurred_at || !hd_time_parse(occurred_at, &event->occurred_at_ms))
        return refuse(problems, err, "/occurredAt", "format", "must be an RFC 3339 time, as in 2026-11-23T15:11:56.042Z");
    event->correlation_id = hd_json_str(envelope, "correlationId");
    if (json_object_get(envelope, "correlationId") && !(event->correlation_id && hd_correlation_acceptable(event->correlation_id)))
        return refuse(problems, err, "/correlationId", "pattern", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : / + = @ -");
    event->traceparent = hd_json_str(envelope, "traceparent");
    if (json_object_get(envelope, "traceparent") && !(event->traceparent && hd_traceparent_valid(event->traceparent)))
        return refuse(problems, err, "/traceparent", "format", "must be a W3C traceparent");
    return 0;
}

static int dump_payload(struct hd_arena *arena, const json_t *payload, const char **ret_text, struct hd_schema_problems *problems,
                        struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {.limit_bytes = HD_EVENT_MAX_BYTES};
    hd_json_dump(&text, payload);
    if (text.failure == HD_ERR_LIMIT)
        return refuse(problems, err, "/payload", "maxLength", "must be at most 65536 bytes long as compact JSON");
    int r = hd_buffer_check(&text, err);
    if (r < 0)
        return r;
    *ret_text = hd_arena_strndup(arena, hd_buffer_text(&text), text.len);
    return *ret_text ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an event");
}

/* The event's strings still are the tree's, or the caller's: the arena gets its own. */
static int own_strings(struct hd_arena *arena, struct hd_event *event, struct hd_error *err) {
    const char **const strings[] = {&event->event_id, &event->ticket_id, &event->actor_id, &event->correlation_id, &event->traceparent};
    for (size_t i = 0; i < HD_ARRAY_LEN(strings); i++) {
        if (!*strings[i])
            continue;
        *strings[i] = hd_arena_strdup(arena, *strings[i]);
        if (!*strings[i])
            return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an event");
    }
    return 0;
}

int hd_event_read(const struct hd_event_schemas *schemas, struct hd_arena *arena, const json_t *envelope, int64_t accepted_at_ms,
                  const char *actor_id, struct hd_event *ret_event, struct hd_schema_problems *problems, struct hd_error *err) {
    static_assert(HD_EVENT_MAX_BYTES == 65536, "dump_payload tells people this number");
    if (problems)
        problems->count = 0;
    struct hd_event event = {.accepted_at_ms = accepted_at_ms, .actor_id = actor_id};
    int r = choose(schemas, envelope, &event.type, &event.schema_version, problems, err);
    if (r < 0)
        return r;
    struct hd_schema *schema = NULL;
    struct hd_error unwanted; /* file_fault adds to it */
    r = schema_of(schemas->versions, &schemas->versions->of[event.type][event.schema_version - 1], &schema, err ? err : &unwanted);
    if (!r)
        r = hd_schema_validate(schema, arena, envelope, problems, err);
    if (r < 0)
        return r;
    r = check_members(envelope, &event, problems, err);
    if (r < 0)
        return r;
    r = dump_payload(arena, json_object_get(envelope, "payload"), &event.payload, problems, err);
    if (r < 0)
        return r;
    r = own_strings(arena, &event, err);
    if (r < 0)
        return r;
    *ret_event = event;
    return 0;
}

void hd_event_put_members(struct hd_json_writer *w, const struct hd_event *event) {
    struct hd_time_text occurred_at = hd_time_format(event->occurred_at_ms); /* not hd_json_put_time: somebody's 0 is a time, too */
    hd_json_put_str(w, "event", hd_event_type_name(event->type));
    hd_json_put_str(w, "eventId", event->event_id);
    hd_json_put_strn(w, "occurredAt", occurred_at.text, HD_TIME_TEXT_LEN);
    hd_json_put_int(w, "schemaVersion", event->schema_version);
    hd_json_put_str_if(w, "correlationId", event->correlation_id);
    hd_json_put_str_if(w, "traceparent", event->traceparent);
    hd_json_put_raw(w, "payload", event->payload, strlen(event->payload));
    hd_json_put_time(w, "acceptedAt", event->accepted_at_ms);
}

struct hd_id hd_event_routing_id(const struct hd_event *event) {
    return hd_id_derive(event->accepted_at_ms, (const char *const[]){"event.routed", event->event_id}, 2);
}
