/* Tickets and the people around them: plain values, owned by the arena that they were read or built in. Strings are UTF-8,
 * NUL-terminated; NULL means absent. Times are Unix ms; 0 means never. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "core/channel.h"

enum hd_ticket_status { HD_TICKET_OPEN, HD_TICKET_IN_PROGRESS, HD_TICKET_RESOLVED, HD_TICKET_CLOSED, HD_TICKET_STATUS_COUNT };
enum hd_priority { HD_PRIORITY_LOW, HD_PRIORITY_NORMAL, HD_PRIORITY_HIGH, HD_PRIORITY_URGENT, HD_PRIORITY_COUNT };
enum hd_role { HD_ROLE_CUSTOMER, HD_ROLE_AGENT, HD_ROLE_MANAGER, HD_ROLE_ADMIN, HD_ROLE_SERVICE, HD_ROLE_COUNT };

struct hd_ticket {
    const char *ticket_id;
    int64_t version; /* 1 when created; the ETag */
    const char *title;
    const char *description;
    enum hd_ticket_status status;
    enum hd_priority priority;
    const char *owner_id;
    const char *assigned_agent_id;
    const char *team;
    unsigned channels; /* set of HD_CHANNEL_BIT; 0: the rules decide */
    const char *tags;  /* JSON array as text, or NULL for none */
    int64_t created_at_ms;
    int64_t updated_at_ms;
};

struct hd_user {
    const char *user_id;
    int64_t version;
    const char *name;
    const char *email;
    const char *phone;
    enum hd_role role;
    const char *locale; /* BCP 47; one that has templates, or the default is taken */
    const char *time_zone;
    const char *team;
    const char *skills;    /* JSON array as text, or NULL */
    unsigned channels_off; /* preferences: channels that this user has switched off */
    int64_t created_at_ms;
    int64_t updated_at_ms;
};

const char *hd_ticket_status_name(enum hd_ticket_status status);
const char *hd_priority_name(enum hd_priority priority);
const char *hd_role_name(enum hd_role role);
/* -1 for a name that is none. */
int hd_ticket_status_from_name(const char *name);
int hd_priority_from_name(const char *name);
int hd_role_from_name(const char *name);

/* The JSON forms that the API shows (schemas/openapi.yaml: Ticket, User). hd_ticket_put_members writes the members alone, for a caller that adds its own. */
void hd_ticket_put_members(struct hd_json_writer *w, const struct hd_ticket *ticket);
void hd_ticket_write(struct hd_json_writer *w, const char *name, const struct hd_ticket *ticket);
void hd_user_write(struct hd_json_writer *w, const char *name, const struct hd_user *user);
