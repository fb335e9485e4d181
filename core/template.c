#include "core/template.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/mustache.h"
#include "base/rfc3339.h"
#include "core/names.h"

enum { LOCALES_MAX = 16, PARTIALS_MAX = 16, LOCALE_TAG_BYTES = 24, PARTIAL_NAME_BYTES = 48 };

/* What templates are about: the events, and the notices that come from none. */
enum { NOTICE_DEAD_LETTER = HD_EVENT_TYPE_COUNT, NOTICE_COUNT };
static const char dead_letter_name[] = "DeadLetter";

enum part { PART_SUBJECT, PART_TEXT, PART_HTML, PART_COUNT };
static const char *const email_parts[] = {[PART_SUBJECT] = "subject", [PART_TEXT] = "text", [PART_HTML] = "html"};
static const char *const short_parts[] = {[PART_SUBJECT] = "title", [PART_TEXT] = "body"};

struct template {
    struct hd_mustache *parts[PART_COUNT]; /* all that its channel has, or none */
};

struct partial {
    char name[PARTIAL_NAME_BYTES];
    struct hd_mustache *compiled;
};

struct locale {
    char tag[LOCALE_TAG_BYTES];
    json_t *labels;
    struct partial partials[PARTIALS_MAX];
    size_t partial_count;
    struct template templates[NOTICE_COUNT][HD_CHANNEL_COUNT];
};

struct hd_templates {
    struct locale locales[LOCALES_MAX];
    size_t locale_count;
    const struct locale *default_locale;
};

static size_t part_count(enum hd_channel channel) {
    return channel == HD_EMAIL ? HD_ARRAY_LEN(email_parts) : HD_ARRAY_LEN(short_parts);
}

static const char *const *part_names(enum hd_channel channel) {
    return channel == HD_EMAIL ? email_parts : short_parts;
}

static int notice_from_name(const char *name) {
    return strcmp(name, dead_letter_name) == 0 ? NOTICE_DEAD_LETTER : hd_event_type_from_name(name);
}

/* ---- loading ---- */

static const char folder[] = "templates/";

static int find_or_add_locale(struct hd_templates *templates, const char *tag, struct locale **ret_locale, struct hd_error *err) {
    for (size_t i = 0; i < templates->locale_count; i++) {
        if (strcmp(templates->locales[i].tag, tag) == 0) {
            *ret_locale = &templates->locales[i];
            return 0;
        }
    }
    if (templates->locale_count == LOCALES_MAX)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "more than %d locales", LOCALES_MAX);
    struct locale *locale = &templates->locales[templates->locale_count++];
    snprintf(locale->tag, sizeof(locale->tag), "%s", tag);
    *ret_locale = locale;
    return 0;
}

static size_t without_newlines(const char *text, size_t len) {
    while (len > 0 && text[len - 1] == '\n')
        len--;
    return len;
}

/* Compiles one part; line is that of its "=== name". */
static int compile_part(struct template *tmpl, enum hd_channel channel, int part, size_t line, const char *text, size_t len,
                        struct hd_error *err) {
    size_t trimmed = without_newlines(text, len);
    if (part != PART_SUBJECT && trimmed < len)
        trimmed++;
    int r = hd_mustache_compile(text, trimmed, &tmpl->parts[part], err);
    if (r < 0) {
        hd_error_context(err, "line %zu: in the part \"%s\" that begins here", line, part_names(channel)[part]);
        return r;
    }
    return 0;
}

static const char *end_of_line(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline + 1 : end;
}

static bool begins_part(const char *at, const char *end) {
    return end - at >= 4 && memcmp(at, "=== ", 4) == 0;
}

/* The part that the line "=== name" begins, or an error: unknown, or there already. */
static int read_part_name(const struct template *tmpl, enum hd_channel channel, const char *at, const char *behind, size_t line,
                          struct hd_error *err) {
    char name[16];
    size_t len = without_newlines(at + 4, (size_t)(behind - at) - 4);
    snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : sizeof(name)), at + 4);
    int part = hd_name_index(part_names(channel), part_count(channel), name);
    if (part < 0)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "line %zu: %s has no part \"%s\"", line, hd_channel_name(channel), name);
    if (tmpl->parts[part])
        return hd_error_set(err, HD_ERR_CONFIGURATION, "line %zu: the part \"%s\" is there twice", line, name);
    return part;
}

static int compile_parts(struct template *tmpl, enum hd_channel channel, const char *text, size_t len, struct hd_error *err) {
    const char *at = text, *end = text + len;
    size_t line = 1;
    if (!begins_part(at, end))
        return hd_error_set(err, HD_ERR_CONFIGURATION, "line 1: it must begin with \"=== %s\"", part_names(channel)[0]);
    while (at < end) {
        const char *body = end_of_line(at, end);
        int part = read_part_name(tmpl, channel, at, body, line, err);
        if (part < 0)
            return part;
        size_t body_line = line + 1;
        const char *behind = body;
        for (; behind < end && !begins_part(behind, end); body_line++)
            behind = end_of_line(behind, end);
        int r = compile_part(tmpl, channel, part, line, body, (size_t)(behind - body), err);
        if (r < 0)
            return r;
        at = behind;
        line = body_line;
    }
    for (size_t part = 0; part < part_count(channel); part++) {
        if (!tmpl->parts[part])
            return hd_error_set(err, HD_ERR_CONFIGURATION, "the part \"%s\" is missing", part_names(channel)[part]);
    }
    return 0;
}

static int load_partial(struct locale *locale, const char *name, const struct hd_asset *file, struct hd_error *err) {
    if (locale->partial_count == PARTIALS_MAX)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "more than %d partials", PARTIALS_MAX);
    struct partial *partial = &locale->partials[locale->partial_count];
    int r = hd_mustache_compile((const char *)file->data, file->size_bytes, &partial->compiled, err);
    if (r < 0)
        return r;
    snprintf(partial->name, sizeof(partial->name), "%s", name);
    locale->partial_count++;
    return 0;
}

static int load_template(struct locale *locale, const char *channel_name, const char *name, const struct hd_asset *file,
                         struct hd_error *err) {
    int channel = hd_channel_from_name(channel_name);
    if (channel < 0)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is no channel", channel_name);
    int notice = notice_from_name(name);
    if (notice < 0)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "\"%s\" is no event", name);
    struct template *tmpl = &locale->templates[notice][channel];
    return compile_parts(tmpl, (enum hd_channel)channel, (const char *)file->data, file->size_bytes, err);
}

static int load_labels(struct locale *locale, const struct hd_asset *file, struct hd_error *err) {
    int r = hd_json_load((const char *)file->data, file->size_bytes, 0, &locale->labels, err);
    if (r < 0)
        return r;
    return json_is_object(locale->labels) ? 0 : hd_error_set(err, HD_ERR_CONFIGURATION, "it must hold a JSON object");
}

static int load_file(struct hd_templates *templates, const struct hd_asset *file, struct hd_error *err) {
    const char *path = file->path + strlen(folder);
    char room[16], name[PARTIAL_NAME_BYTES], tag[LOCALE_TAG_BYTES];
    struct locale *locale;
    int matched = 0; /* characters; stays 0 when the path is not of the form */
    static_assert(sizeof(room) == 16 && sizeof(name) == 48 && sizeof(tag) == 24, "the widths in the formats");
    if (strcmp(path, "README.md") == 0)
        return 0;
    if (sscanf(path, "labels.%23[A-Za-z0-9-].json%n", tag, &matched) == 1 && matched > 0 && path[matched] == '\0') {
        int r = find_or_add_locale(templates, tag, &locale, err);
        return r < 0 ? r : load_labels(locale, file, err);
    }
    matched = 0;
    if (sscanf(path, "%15[a-z]/%47[A-Za-z0-9-].%23[A-Za-z0-9-].mustache%n", room, name, tag, &matched) != 3 || matched == 0 ||
        path[matched] != '\0')
        return hd_error_set(err, HD_ERR_CONFIGURATION, "its name is not of the form that templates/README.md tells");
    int r = find_or_add_locale(templates, tag, &locale, err);
    if (r < 0)
        return r;
    return strcmp(room, "partials") == 0 ? load_partial(locale, name, file, err) : load_template(locale, room, name, file, err);
}

static int load_all(struct hd_templates *templates, const struct hd_asset *files, size_t count, const char *default_locale,
                    struct hd_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (strncmp(files[i].path, folder, strlen(folder)) != 0)
            continue;
        int r = load_file(templates, &files[i], err);
        if (r < 0) {
            if (r != HD_ERR_NO_MEMORY) /* a fault of the build, whatever the compiler calls it */
                err->code = HD_ERR_CONFIGURATION;
            return hd_error_context(err, "%s", files[i].path);
        }
    }
    for (size_t i = 0; i < templates->locale_count; i++) {
        if (strcmp(templates->locales[i].tag, default_locale) == 0)
            templates->default_locale = &templates->locales[i];
        if (!templates->locales[i].labels)
            return hd_error_set(err, HD_ERR_CONFIGURATION, "%slabels.%s.json is missing", folder, templates->locales[i].tag);
    }
    if (!templates->default_locale)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "there are no templates for the default locale \"%.40s\"", default_locale);
    return 0;
}

int hd_templates_load(const char *default_locale, struct hd_templates **ret_templates, struct hd_error *err) {
    size_t count;
    const struct hd_asset *files = hd_assets(&count);
    return hd_templates_load_files(files, count, default_locale, ret_templates, err);
}

int hd_templates_load_files(const struct hd_asset *files, size_t count, const char *default_locale, struct hd_templates **ret_templates,
                            struct hd_error *err) {
    struct hd_error unwanted;
    err = err ? err : &unwanted; /* load_all adds to it */
    struct hd_templates *templates = calloc(1, sizeof(*templates));
    if (!templates)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the templates");
    int r = load_all(templates, files, count, default_locale, err);
    if (r < 0) {
        hd_templates_free(templates);
        return r;
    }
    *ret_templates = templates;
    return 0;
}

static void free_locale(struct locale *locale) {
    json_decref(locale->labels);
    for (size_t i = 0; i < locale->partial_count; i++)
        hd_mustache_free(locale->partials[i].compiled);
    for (int notice = 0; notice < NOTICE_COUNT; notice++) {
        for (int channel = 0; channel < HD_CHANNEL_COUNT; channel++) {
            for (int part = 0; part < PART_COUNT; part++)
                hd_mustache_free(locale->templates[notice][channel].parts[part]);
        }
    }
}

void hd_templates_free(struct hd_templates *templates) {
    if (!templates)
        return;
    for (size_t i = 0; i < templates->locale_count; i++)
        free_locale(&templates->locales[i]);
    free(templates);
}

/* ---- choosing ---- */

static size_t language_len(const char *tag) {
    return strcspn(tag, "-");
}

/* How well a locale serves who asks for `wanted`: 0 not at all, 3 it is the one. */
static int locale_fit(const char *tag, const char *wanted) {
    if (strcasecmp(tag, wanted) == 0)
        return 3;
    size_t len = language_len(wanted);
    if (language_len(tag) != len || strncasecmp(tag, wanted, len) != 0)
        return 0;
    return tag[len] == '\0' ? 2 : 1;
}

static const struct locale *choose_locale(const struct hd_templates *templates, const char *wanted, int notice, enum hd_channel channel) {
    const struct locale *best = NULL;
    int best_fit = 0;
    for (size_t i = 0; wanted && i < templates->locale_count; i++) {
        const struct locale *locale = &templates->locales[i];
        int fit = locale_fit(locale->tag, wanted);
        if (fit > best_fit && locale->templates[notice][channel].parts[PART_SUBJECT]) {
            best = locale;
            best_fit = fit;
        }
    }
    if (!best && templates->default_locale->templates[notice][channel].parts[PART_SUBJECT])
        best = templates->default_locale;
    return best;
}

static const struct hd_mustache *find_partial(const void *partials, const char *name) {
    const struct locale *locale = partials;
    for (size_t i = 0; i < locale->partial_count; i++) {
        if (strcmp(locale->partials[i].name, name) == 0)
            return locale->partials[i].compiled;
    }
    return NULL;
}

/* ---- texts for people ---- */

/* The label of a coded value, or NULL. */
static const char *label(const struct locale *locale, const char *group, const char *value) {
    return value ? hd_json_str(json_object_get(locale->labels, group), value) : NULL;
}

static const char *label_or_value(const struct locale *locale, const char *group, const char *value) {
    const char *text = label(locale, group, value);
    return text ? text : value;
}

static const char *time_text(const struct locale *locale, struct hd_arena *arena, int64_t time_ms) {
    struct hd_time_text t = hd_time_format(time_ms); /* 2026-11-23T15:11:56.042Z */
    if (locale_fit(locale->tag, "pt") > 0)
        return hd_arena_printf(arena, "%.2s/%.2s/%.4s %.5s UTC", t.text + 8, t.text + 5, t.text, t.text + 11);
    return hd_arena_printf(arena, "%.10s %.5s UTC", t.text, t.text + 11);
}

static const char *due_text(const struct locale *locale, struct hd_arena *arena, const char *due_at) {
    int64_t due_at_ms;
    return due_at && hd_time_parse(due_at, &due_at_ms) ? time_text(locale, arena, due_at_ms) : due_at;
}

/* How many bytes at text are one character that ends a line, or that no line should hold: the C0 and C1 controls, U+2028, U+2029. */
static size_t control_len(const unsigned char *text, size_t len) {
    if (text[0] < 0x20 || text[0] == 0x7f)
        return 1;
    if (len >= 2 && text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f)
        return 2;
    if (len >= 3 && text[0] == 0xe2 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9))
        return 3;
    return 0;
}

/* One line: controls and runs of blanks become one blank, none at either end. In place, for it never grows. What stands in a mail's header must
 * not be able to begin another one. */
static void make_single_line(char *text) {
    unsigned char *in = (unsigned char *)text, *out = in;
    size_t left = strlen(text);
    bool blank = false;
    while (left > 0) {
        size_t skipped = *in == ' ' ? 1 : control_len(in, left);
        if (skipped > 0) {
            blank = out != (unsigned char *)text;
            in += skipped;
            left -= skipped;
            continue;
        }
        if (blank)
            *out++ = ' ';
        blank = false;
        *out++ = *in++;
        left--;
    }
    *out = '\0';
}

enum { SHOWN_CHARACTERS_MAX = 200 };

/* A value within a list: one line, not too long. NULL when out of memory. */
static const char *shown(struct hd_arena *arena, const char *text) {
    size_t characters = 0, len = 0;
    for (; text[len]; len++) {
        if (((unsigned char)text[len] & 0xc0) != 0x80 && ++characters > SHOWN_CHARACTERS_MAX)
            break;
    }
    char *copy = hd_arena_alloc(arena, len + sizeof("…"));
    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    memcpy(copy + len, text[len] ? "…" : "", text[len] ? sizeof("…") : 1);
    make_single_line(copy);
    return copy;
}

static const char *value_text(const struct locale *locale, struct hd_arena *arena, const char *field, const json_t *value) {
    if (!value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
        return "—";
    if (json_is_string(value)) {
        const char *text = label(locale, field, json_string_value(value));
        return text ? text : shown(arena, json_string_value(value));
    }
    HD_CLEANUP(hd_buffer_free) struct hd_buffer dumped = {0};
    hd_json_dump(&dumped, value);
    return dumped.failure ? NULL : shown(arena, hd_buffer_text(&dumped));
}

static const char *page_url(struct hd_arena *arena, const char *base_url, const char *ticket_id) {
    static const char path[] = "/ui/tickets/";
    size_t base_len = strlen(base_url);
    while (base_len > 0 && base_url[base_len - 1] == '/')
        base_len--;
    char *url = hd_arena_alloc(arena, base_len + sizeof(path) + 3 * strlen(ticket_id));
    if (!url)
        return NULL;
    memcpy(url, base_url, base_len);
    memcpy(url + base_len, path, sizeof(path) - 1);
    char *at = url + base_len + sizeof(path) - 1;
    for (const char *c = ticket_id; *c; c++) {
        bool unreserved = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        if (unreserved) {
            *at++ = *c;
        } else {
            static const char hex[] = "0123456789ABCDEF";
            *at++ = '%';
            *at++ = hex[(unsigned char)*c >> 4];
            *at++ = hex[(unsigned char)*c & 15];
        }
    }
    *at = '\0';
    return url;
}

/* ---- the view (templates/README.md) ---- */

enum { EVENT_MEMBERS = 5, TICKET_MEMBERS = 9, CHANGE_MEMBERS = 6, CHANGES_MAX = 64 };

/* Everything that the parts of one message see; built once, rendered several times. */
struct model {
    struct hd_view event[EVENT_MEMBERS];
    struct hd_view ticket[TICKET_MEMBERS];
    struct hd_view user[2];
    struct hd_view actor[1];
    struct hd_view agent[1];
    struct hd_view is[2];
    struct hd_view dead_letter[2];
    struct hd_view root[10];
    struct hd_time_text occurred_at;
};

static bool same(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory to render a message");
}

static int add_event(struct model *m, const struct locale *locale, const struct hd_template_view *about, struct hd_arena *arena,
                     struct hd_error *err) {
    int64_t occurred_at_ms = about->event ? about->event->occurred_at_ms : about->notification->created_at_ms;
    const char *occurred_text = time_text(locale, arena, occurred_at_ms);
    const char *due_at = hd_json_str(about->payload, "dueAt");
    const char *due_at_text = due_text(locale, arena, due_at);
    if (!occurred_text || (due_at && !due_at_text))
        return no_memory(err);
    m->occurred_at = hd_time_format(occurred_at_ms);
    m->event[0] = hd_view_text("type", about->notification->event);
    m->event[1] = hd_view_text("eventId", about->event ? about->event->event_id : about->notification->event_id);
    m->event[2] = hd_view_text("occurredAt", m->occurred_at.text);
    m->event[3] = hd_view_text("occurredAtText", occurred_text);
    m->event[4] = hd_view_text("dueAtText", due_at_text);
    return 0;
}

/* An id that people can say: a long one's last characters, which are the random end of a UUIDv7. */
static const char *short_reference(const char *id) {
    enum { WHOLE_MAX = 16, SHORT = 8 };
    size_t len = id ? strlen(id) : 0;
    return len > WHOLE_MAX ? id + len - SHORT : id;
}

static int add_ticket(struct model *m, const struct locale *locale, const struct hd_template_view *about, struct hd_arena *arena,
                      struct hd_error *err) {
    const struct hd_ticket *ours = about->ticket;
    const json_t *theirs = about->payload;
    const char *id = ours ? ours->ticket_id : hd_json_str(theirs, "ticketId");
    if (!id)
        id = about->notification->ticket_id;
    const char *status = ours ? hd_ticket_status_name(ours->status) : hd_json_str(theirs, "status");
    const char *priority = ours ? hd_priority_name(ours->priority) : hd_json_str(theirs, "priority");
    bool has_page = id && about->base_url && about->base_url[0];
    const char *url = has_page ? page_url(arena, about->base_url, id) : NULL;
    if (has_page && !url)
        return no_memory(err);
    m->ticket[0] = hd_view_text("ticketId", id);
    m->ticket[1] = hd_view_text("ref", short_reference(id));
    m->ticket[2] = hd_view_text("title", ours ? ours->title : hd_json_str(theirs, "title"));
    m->ticket[3] = hd_view_text("description", ours ? ours->description : hd_json_str(theirs, "description"));
    m->ticket[4] = hd_view_text("status", status);
    m->ticket[5] = hd_view_text("statusText", label_or_value(locale, "status", status));
    m->ticket[6] = hd_view_text("priority", priority);
    m->ticket[7] = hd_view_text("priorityText", label_or_value(locale, "priority", priority));
    m->ticket[8] = hd_view_text("url", url);
    return 0;
}

static void add_people(struct model *m, const struct hd_template_view *about) {
    const struct hd_user *user = about->user, *actor = about->actor, *agent = about->agent;
    const char *user_id = user ? user->user_id : about->notification->target;
    const char *owner_id = about->ticket ? about->ticket->owner_id : hd_json_str(about->payload, "userId");
    const char *agent_id = hd_json_str(about->payload, "agentId"); /* first: the ticket may have gone on since the event */
    if (!agent_id && about->ticket)
        agent_id = about->ticket->assigned_agent_id;
    if (!agent && user && same(agent_id, user->user_id))
        agent = user;
    if (!agent && actor && same(agent_id, actor->user_id))
        agent = actor;
    m->user[0] = hd_view_text("userId", user_id);
    m->user[1] = hd_view_text("name", user ? user->name : NULL);
    m->actor[0] = hd_view_text("name", actor ? actor->name : NULL);
    m->agent[0] = hd_view_text("name", agent ? agent->name : NULL);
    m->is[0] = hd_view_flag("owner", same(owner_id, user_id));
    m->is[1] = hd_view_flag("agent", same(agent_id, user_id));
}

static int add_change(struct hd_view members[CHANGE_MEMBERS], const struct locale *locale, struct hd_arena *arena, const char *field,
                      const json_t *change, struct hd_error *err) {
    const json_t *before = json_object_get(change, "old"), *after = json_object_get(change, "new");
    const char *old_text = value_text(locale, arena, field, before), *new_text = value_text(locale, arena, field, after);
    if (!old_text || !new_text)
        return no_memory(err);
    members[0] = hd_view_text("field", field);
    members[1] = hd_view_text("fieldText", label_or_value(locale, "field", field));
    members[2] = hd_view_json("old", before);
    members[3] = hd_view_text("oldText", old_text);
    members[4] = hd_view_json("new", after);
    members[5] = hd_view_text("newText", new_text);
    return 0;
}

static int make_changes(const struct locale *locale, const json_t *payload, struct hd_arena *arena, struct hd_view *ret_list,
                        struct hd_error *err) {
    json_t *changed = json_object_get(payload, "changedFields");
    size_t count = json_object_size(changed);
    if (count > CHANGES_MAX)
        count = CHANGES_MAX;
    *ret_list = hd_view_text("changes", NULL);
    if (count == 0)
        return 0;
    struct hd_view *items = hd_arena_calloc(arena, count, sizeof(*items));
    struct hd_view(*members)[CHANGE_MEMBERS] = hd_arena_calloc(arena, count, sizeof(*members));
    if (!items || !members)
        return no_memory(err);
    size_t i = 0;
    for (void *at = json_object_iter(changed); at && i < count; at = json_object_iter_next(changed, at), i++) {
        int r = add_change(members[i], locale, arena, json_object_iter_key(at), json_object_iter_value(at), err);
        if (r < 0)
            return r;
        items[i] = hd_view_object("", members[i], CHANGE_MEMBERS);
    }
    *ret_list = hd_view_list("changes", items, i);
    return 0;
}

static struct hd_view make_dead_letter(struct model *m, const struct hd_template_view *about) {
    static const char name[] = "deadLetter";
    if (strcmp(about->notification->event, dead_letter_name) != 0)
        return hd_view_text(name, NULL);
    if (!about->dead_letter)
        return about->payload ? hd_view_json(name, about->payload) : hd_view_object(name, NULL, 0);
    /* No count: a notice may stand for the letters that follow this one, too. */
    m->dead_letter[0] = hd_view_text("queue", about->dead_letter->queue);
    m->dead_letter[1] = hd_view_text("reason", about->dead_letter->reason);
    return hd_view_object(name, m->dead_letter, HD_ARRAY_LEN(m->dead_letter));
}

static int fill_model(struct model *m, const struct locale *locale, const struct hd_template_view *about, struct hd_arena *arena,
                      struct hd_error *err) {
    struct hd_view changes;
    int r = add_event(m, locale, about, arena, err);
    if (r == 0)
        r = add_ticket(m, locale, about, arena, err);
    if (r == 0)
        r = make_changes(locale, about->payload, arena, &changes, err);
    if (r < 0)
        return r;
    add_people(m, about);
    m->root[0] = hd_view_object("ticket", m->ticket, HD_ARRAY_LEN(m->ticket));
    m->root[1] = hd_view_object("event", m->event, HD_ARRAY_LEN(m->event));
    m->root[2] = hd_view_object("is", m->is, HD_ARRAY_LEN(m->is));
    m->root[3] = hd_view_object("user", m->user, HD_ARRAY_LEN(m->user));
    m->root[4] = hd_view_object("actor", m->actor, HD_ARRAY_LEN(m->actor));
    m->root[5] = hd_view_object("agent", m->agent, HD_ARRAY_LEN(m->agent));
    m->root[6] = hd_view_json("payload", about->payload);
    m->root[7] = changes;
    m->root[8] = hd_view_text("baseUrl", about->base_url);
    m->root[9] = make_dead_letter(m, about);
    return 0;
}

/* ---- rendering ---- */

static const char *address_of(const struct hd_user *user, enum hd_channel channel) {
    if (!user)
        return NULL;
    switch (channel) {
    case HD_EMAIL:
        return user->email;
    case HD_SMS:
        return user->phone;
    case HD_INAPP:
        return user->user_id;
    default:
        return NULL; /* a person may have many devices and endpoints: the processor names one */
    }
}

static int render_parts(const struct template *tmpl, const struct locale *locale, const struct hd_view *root, struct hd_arena *arena,
                        const char *ret_parts[PART_COUNT], struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {.limit_bytes = HD_RENDERED_MAX_BYTES};
    for (int part = 0; part < PART_COUNT; part++) {
        ret_parts[part] = NULL;
        if (!tmpl->parts[part])
            continue;
        hd_buffer_clear(&out);
        enum hd_mustache_escape escape = part == PART_HTML ? HD_MUSTACHE_HTML : HD_MUSTACHE_TEXT;
        int r = hd_mustache_render_view(tmpl->parts[part], root, escape, find_partial, locale, &out, err);
        if (r < 0)
            return r;
        char *text = hd_arena_strndup(arena, hd_buffer_text(&out), out.len);
        if (!text)
            return no_memory(err);
        if (part == PART_SUBJECT)
            make_single_line(text);
        ret_parts[part] = text;
    }
    return 0;
}

int hd_templates_render(const struct hd_templates *templates, const struct hd_template_view *view, struct hd_arena *arena,
                        struct hd_rendered *ret_rendered, struct hd_error *err) {
    const struct hd_notification *notification = view->notification;
    int notice = notice_from_name(notification->event);
    const struct locale *locale = NULL;
    if (notice >= 0)
        locale = choose_locale(templates, view->user ? view->user->locale : NULL, notice, notification->channel);
    if (!locale)
        return hd_error_set(err, HD_ERR_NOT_FOUND, "there is no template for %.64s by %s", notification->event,
                            hd_channel_name(notification->channel));
    struct model model;
    int r = fill_model(&model, locale, view, arena, err);
    if (r < 0)
        return r;
    const struct hd_view root = hd_view_object("", model.root, HD_ARRAY_LEN(model.root));
    const char *parts[PART_COUNT];
    r = render_parts(&locale->templates[notice][notification->channel], locale, &root, arena, parts, err);
    if (r < 0)
        return r;
    *ret_rendered = (struct hd_rendered){
        .notification_id = notification->notification_id,
        .ticket_id = notification->ticket_id,
        .event = notification->event,
        .to_address = address_of(view->user, notification->channel),
        .to_name = view->user ? view->user->name : NULL,
        .subject = parts[PART_SUBJECT],
        .text = parts[PART_TEXT],
        .html = parts[PART_HTML],
        .date_ms = notification->created_at_ms,
    };
    return 0;
}

const char *hd_rendered_json(const struct hd_rendered *rendered, enum hd_channel channel, struct hd_arena *arena) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    if (channel == HD_EMAIL) {
        hd_json_put_str(&w, "to", rendered->to_address);
        hd_json_put_str(&w, "subject", rendered->subject);
        hd_json_put_str(&w, "text", rendered->text);
        hd_json_put_str(&w, "html", rendered->html);
    } else {
        hd_json_put_str(&w, "title", rendered->subject);
        hd_json_put_str(&w, "body", rendered->text);
    }
    hd_json_close_object(&w);
    return out.failure ? NULL : hd_arena_strndup(arena, hd_buffer_text(&out), out.len);
}
