#include "core/rules.h"

#include <assert.h>

#include "base/attributes.h"

#define EMAIL HD_CHANNEL_BIT(HD_EMAIL)
#define PUSH HD_CHANNEL_BIT(HD_PUSH)
#define SMS HD_CHANNEL_BIT(HD_SMS)
#define INAPP HD_CHANNEL_BIT(HD_INAPP)

/* Push and SMS cost money or attention: they are used when an event asks for them. */
#define PERSONAL .channels = EMAIL | PUSH | SMS | INAPP, .by_default = EMAIL | INAPP
#define AT_THE_DESK .channels = EMAIL | PUSH | INAPP, .by_default = EMAIL | INAPP
#define WRITTEN .channels = EMAIL | INAPP, .by_default = EMAIL | INAPP
#define INAPP_ONLY .channels = INAPP, .by_default = INAPP

static const struct hd_rule ticket_created[] = {
    {.event = HD_EVENT_TICKET_CREATED, .audience = HD_TO_OWNER, PERSONAL, .even_actor = true},
    {.event = HD_EVENT_TICKET_CREATED, .audience = HD_TO_TEAM, INAPP_ONLY},
};

static const struct hd_rule ticket_assigned[] = {
    {.event = HD_EVENT_TICKET_ASSIGNED, .audience = HD_TO_AGENT, AT_THE_DESK},
    {.event = HD_EVENT_TICKET_ASSIGNED, .audience = HD_TO_OWNER, WRITTEN},
};

/* What changed decides; a field that no rule names is told to nobody. */
static const struct hd_rule ticket_updated[] = {
    {.event = HD_EVENT_TICKET_UPDATED, .audience = HD_TO_OWNER, PERSONAL, .only_field = "status"},
    {.event = HD_EVENT_TICKET_UPDATED, .audience = HD_TO_AGENT, AT_THE_DESK, .only_field = "status"},
    {.event = HD_EVENT_TICKET_UPDATED, .audience = HD_TO_AGENT, AT_THE_DESK, .only_field = "priority"},
    {.event = HD_EVENT_TICKET_UPDATED, .audience = HD_TO_AGENT, AT_THE_DESK, .only_field = "description"},
};

static const struct hd_rule ticket_commented[] = {
    {.event = HD_EVENT_TICKET_COMMENTED, .audience = HD_TO_OWNER, PERSONAL, .not_internal = true},
    {.event = HD_EVENT_TICKET_COMMENTED, .audience = HD_TO_AGENT, AT_THE_DESK},
};

static const struct hd_rule ticket_resolved[] = {
    {.event = HD_EVENT_TICKET_RESOLVED, .audience = HD_TO_OWNER, PERSONAL},
};

static const struct hd_rule ticket_reopened[] = {
    {.event = HD_EVENT_TICKET_REOPENED, .audience = HD_TO_AGENT, AT_THE_DESK},
    {.event = HD_EVENT_TICKET_REOPENED, .audience = HD_TO_TEAM_IF_NONE, WRITTEN},
};

static const struct hd_rule ticket_sla_breached[] = {
    {.event = HD_EVENT_TICKET_SLA_BREACHED, .audience = HD_TO_AGENT, PERSONAL, .critical = true},
    {.event = HD_EVENT_TICKET_SLA_BREACHED, .audience = HD_TO_MANAGERS, PERSONAL, .critical = true},
};

static const struct hd_rule reminder[] = {
    /* Who sets a reminder for themselves wants it. */
    {.event = HD_EVENT_REMINDER, .audience = HD_TO_NAMED, PERSONAL, .even_actor = true},
};

#define RULES(table) \
    { table, HD_ARRAY_LEN(table) }
static const struct {
    const struct hd_rule *rules;
    size_t count;
} defaults[HD_EVENT_TYPE_COUNT] = {
    [HD_EVENT_TICKET_CREATED] = RULES(ticket_created),           [HD_EVENT_TICKET_ASSIGNED] = RULES(ticket_assigned),
    [HD_EVENT_TICKET_UPDATED] = RULES(ticket_updated),           [HD_EVENT_TICKET_COMMENTED] = RULES(ticket_commented),
    [HD_EVENT_TICKET_RESOLVED] = RULES(ticket_resolved),         [HD_EVENT_TICKET_REOPENED] = RULES(ticket_reopened),
    [HD_EVENT_TICKET_SLA_BREACHED] = RULES(ticket_sla_breached), [HD_EVENT_REMINDER] = RULES(reminder),
};

const struct hd_rule *hd_default_rules(enum hd_event_type type, size_t *ret_count) {
    assert(type < HD_EVENT_TYPE_COUNT);
    *ret_count = defaults[type].count;
    return defaults[type].rules;
}
