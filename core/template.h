/* Templates: the shipped catalogue, and rendering a message from it.
 *
 * A catalogue is loaded once from the assets under templates/ (templates/README.md tells the files' form and the view) and is then immutable and thread-safe. */
#pragma once

#include "base/arena.h"
#include "base/assets.h"
#include "base/error.h"
#include "core/channel.h"
#include "core/delivery.h"
#include "core/event.h"
#include "core/provider.h"
#include "core/ticket.h"

enum { HD_RENDERED_MAX_BYTES = 256 * 1024 /* each part */ };

struct hd_templates;

/* HD_ERR_CONFIGURATION names the file and line that is bad. default_locale is used where a user's locale has no template. */
int hd_templates_load(const char *default_locale, struct hd_templates **ret_templates, struct hd_error *err) HD_MUST_CHECK;
/* The same from a list of files of which only those below templates/ count. */
int hd_templates_load_files(const struct hd_asset *files, size_t count, const char *default_locale, struct hd_templates **ret_templates,
                            struct hd_error *err) HD_MUST_CHECK;
void hd_templates_free(struct hd_templates *templates); /* takes NULL */

/* What a template sees; NULL for what there is not. */
struct hd_template_view {
    const struct hd_notification *notification;
    const struct hd_event *event;             /* NULL for a notice that comes from no event (DeadLetter) */
    const json_t *payload;                    /* the event's, parsed; NULL else */
    const struct hd_ticket *ticket;           /* NULL when the ticket is not ours: what the payload says of it is shown */
    const struct hd_user *user;               /* who receives */
    const struct hd_user *actor;              /* who did it; NULL else */
    const struct hd_user *agent;              /* the ticket's agent after the event; NULL when that is user or actor, or there is none */
    const struct hd_dead_letter *dead_letter; /* a DeadLetter notice's; NULL else (payload's count, queue, reason are shown) */
    const char *base_url;                     /* of the server; a slash at its end does no harm */
};

/* Renders all parts of the notification's template (its event, its channel, the user's locale): subject, text and html of e-mail; subject (the title) and text (the
 * body) of the others. to_address (the user's e-mail address, phone number or, in-app, id; NULL when there is none), ticket and date are filled, too.
 * A subject is one line without control characters, whatever people wrote into a title. The locale: the user's; else one of the same language; else the default.
 * HD_ERR_NOT_FOUND: no template. HD_ERR_LIMIT (a part is longer than HD_RENDERED_MAX_BYTES), HD_ERR_NO_MEMORY. */
int hd_templates_render(const struct hd_templates *templates, const struct hd_template_view *view, struct hd_arena *arena,
                        struct hd_rendered *ret_rendered, struct hd_error *err) HD_MUST_CHECK;

/* The rendered message as the JSON that an attempt records: {"to","subject","text","html"} or {"title","body"}. NULL when out of memory. */
const char *hd_rendered_json(const struct hd_rendered *rendered, enum hd_channel channel, struct hd_arena *arena) HD_MUST_CHECK;
