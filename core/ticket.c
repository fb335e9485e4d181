#include "core/ticket.h"

#include <assert.h>
#include <string.h>

#include "core/names.h"

static const char *const ticket_statuses[HD_TICKET_STATUS_COUNT] = {
    [HD_TICKET_OPEN] = "open",
    [HD_TICKET_IN_PROGRESS] = "in_progress",
    [HD_TICKET_RESOLVED] = "resolved",
    [HD_TICKET_CLOSED] = "closed",
};

static const char *const priorities[HD_PRIORITY_COUNT] = {
    [HD_PRIORITY_LOW] = "low",
    [HD_PRIORITY_NORMAL] = "normal",
    [HD_PRIORITY_HIGH] = "high",
    [HD_PRIORITY_URGENT] = "urgent",
};

static const char *const roles[HD_ROLE_COUNT] = {
    [HD_ROLE_CUSTOMER] = "customer", [HD_ROLE_AGENT] = "agent",     [HD_ROLE_MANAGER] = "manager",
    [HD_ROLE_ADMIN] = "admin",       [HD_ROLE_SERVICE] = "service",
};

const char *hd_ticket_status_name(enum hd_ticket_status status) {
    assert(status < HD_TICKET_STATUS_COUNT);
    return ticket_statuses[status];
}

const char *hd_priority_name(enum hd_priority priority) {
    assert(priority < HD_PRIORITY_COUNT);
    return priorities[priority];
}

const char *hd_role_name(enum hd_role role) {
    assert(role < HD_ROLE_COUNT);
    return roles[role];
}

int hd_ticket_status_from_name(const char *name) {
    return hd_name_index(ticket_statuses, HD_TICKET_STATUS_COUNT, name);
}

int hd_priority_from_name(const char *name) {
    return hd_name_index(priorities, HD_PRIORITY_COUNT, name);
}

int hd_role_from_name(const char *name) {
    return hd_name_index(roles, HD_ROLE_COUNT, name);
}

/* A JSON array that is kept as text; [] for none. */
static void put_array_text(struct hd_json_writer *w, const char *name, const char *json) {
    const char *text = json ? json : "[]";
    hd_json_put_raw(w, name, text, strlen(text));
}

void hd_ticket_put_members(struct hd_json_writer *w, const struct hd_ticket *ticket) {
    hd_json_put_str(w, "ticketId", ticket->ticket_id);
    hd_json_put_str(w, "title", ticket->title);
    hd_json_put_str(w, "description", ticket->description ? ticket->description : "");
    hd_json_put_str(w, "status", hd_ticket_status_name(ticket->status));
    hd_json_put_str(w, "priority", hd_priority_name(ticket->priority));
    hd_json_put_str(w, "ownerId", ticket->owner_id);
    hd_json_put_str(w, "assignedAgentId", ticket->assigned_agent_id);
    hd_json_put_str(w, "team", ticket->team);
    hd_channels_write(w, "channels", ticket->channels);
    put_array_text(w, "tags", ticket->tags);
    hd_json_put_int(w, "version", ticket->version);
    hd_json_put_time(w, "createdAt", ticket->created_at_ms);
    hd_json_put_time(w, "updatedAt", ticket->updated_at_ms);
}

void hd_ticket_write(struct hd_json_writer *w, const char *name, const struct hd_ticket *ticket) {
    hd_json_open_object(w, name);
    hd_ticket_put_members(w, ticket);
    hd_json_close_object(w);
}

void hd_user_write(struct hd_json_writer *w, const char *name, const struct hd_user *user) {
    hd_json_open_object(w, name);
    hd_json_put_str(w, "userId", user->user_id);
    hd_json_put_str(w, "name", user->name);
    hd_json_put_str(w, "email", user->email);
    hd_json_put_str(w, "phone", user->phone);
    hd_json_put_str(w, "role", hd_role_name(user->role));
    hd_json_put_str(w, "locale", user->locale);
    hd_json_put_str(w, "timeZone", user->time_zone);
    hd_json_put_str(w, "team", user->team);
    put_array_text(w, "skills", user->skills);
    hd_channels_write(w, "channelsOff", user->channels_off);
    hd_json_put_int(w, "version", user->version);
    hd_json_put_time(w, "createdAt", user->created_at_ms);
    hd_json_put_time(w, "updatedAt", user->updated_at_ms);
    hd_json_close_object(w);
}
