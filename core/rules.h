/* Rules: which event is told to whom, by which channels. The defaults of PRODUCT are a table in rules.c; an administrator's edited rules will have the same shape. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/channel.h"
#include "core/event.h"

enum hd_audience {
    HD_TO_OWNER,
    HD_TO_AGENT,        /* the ticket's agent, or the one whom the event names */
    HD_TO_TEAM,         /* agents of the ticket's team */
    HD_TO_TEAM_IF_NONE, /* the team, when the ticket has no agent */
    HD_TO_MANAGERS,
    HD_TO_NAMED, /* whom the payload names: userId and agentId */
};

struct hd_rule {
    enum hd_event_type event;
    enum hd_audience audience;
    unsigned channels;      /* the channels that this rule may use, when the event names them */
    unsigned by_default;    /* of these, the ones that are used when the event names none */
    bool even_actor;        /* told even to the person who did it */
    bool critical;          /* passes quiet hours and mute; urgent lane */
    const char *only_field; /* TicketUpdated: only when this field changed; NULL: always */
    bool not_internal;      /* TicketCommented: not when the comment is internal */
};

/* The rules for one type: *ret_count of them, in the table's order. Static. */
const struct hd_rule *hd_default_rules(enum hd_event_type type, size_t *ret_count);
