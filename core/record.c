#include "core/record.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/changeset.h"
#include "core/delivery.h"
#include "core/event.h"
#include "core/ticket.h"

#define RECORD(type)                                  \
    const struct hd_record type##_record = {          \
        .name = #type,                                \
        .bytes = sizeof(struct type),                 \
        .members = type##_members,                    \
        .member_count = HD_ARRAY_LEN(type##_members), \
    }

#define M(member) HD_MEMBER(hd_ticket, member)
static const struct hd_member hd_ticket_members[] = {
    M(ticket_id),         M(version), M(title),    M(description), M(status),        M(priority),      M(owner_id),
    M(assigned_agent_id), M(team),    M(channels), M(tags),        M(created_at_ms), M(updated_at_ms),
};
#undef M
RECORD(hd_ticket);

#define M(member) HD_MEMBER(hd_user, member)
static const struct hd_member hd_user_members[] = {
    M(user_id),   M(version), M(name),   M(email),        M(phone),         M(role),          M(locale),
    M(time_zone), M(team),    M(skills), M(channels_off), M(created_at_ms), M(updated_at_ms),
};
#undef M
RECORD(hd_user);

#define M(member) HD_MEMBER(hd_event, member)
static const struct hd_member hd_event_members[] = {
    M(event_id),  M(type),     M(schema_version), M(occurred_at_ms), M(accepted_at_ms),
    M(ticket_id), M(actor_id), M(correlation_id), M(traceparent),    M(payload),
};
#undef M
RECORD(hd_event);

#define M(member) HD_MEMBER(hd_notification, member)
static const struct hd_member hd_notification_members[] = {
    M(notification_id), M(event_id),      M(event),         M(ticket_id),          M(target),      M(channel),        M(status),
    M(reason),          M(critical),      M(attempts),      M(attempts_forgiven),  M(owner_token), M(correlation_id), M(traceparent),
    M(accepted_at_ms),  M(created_at_ms), M(updated_at_ms), M(next_attempt_at_ms), M(sent_at_ms),
};
#undef M
RECORD(hd_notification);

#define M(member) HD_MEMBER(hd_attempt, member)
static const struct hd_member hd_attempt_members[] = {
    M(notification_id), M(number), M(at_ms), M(outcome), M(provider), M(detail), M(duration_ms), M(message),
};
#undef M
RECORD(hd_attempt);

#define M(member) HD_MEMBER(hd_inbox_item, member)
static const struct hd_member hd_inbox_item_members[] = {
    M(notification_id), M(user_id), M(event), M(ticket_id), M(title), M(body), M(created_at_ms), M(read_at_ms),
};
#undef M
RECORD(hd_inbox_item);

#define M(member) HD_MEMBER(hd_dead_letter, member)
static const struct hd_member hd_dead_letter_members[] = {
    M(dead_letter_id), M(queue),     M(reason), M(detail),  M(attempts), M(notification_id),
    M(event_id),       M(ticket_id), M(target), M(channel), M(body),     M(created_at_ms),
};
#undef M
RECORD(hd_dead_letter);

#define M(member) HD_MEMBER(hd_audit, member)
static const struct hd_member hd_audit_members[] = {
    M(audit_id), M(action), M(subject), M(actor), M(detail), M(correlation_id), M(at_ms),
};
#undef M
RECORD(hd_audit);

#define M(member) HD_MEMBER(hd_answer, member)
static const struct hd_member hd_answer_members[] = {
    M(key), M(body_hash), M(http_status), M(location), M(etag), M(body), M(created_at_ms),
};
#undef M
RECORD(hd_answer);

const struct hd_record *const hd_records[] = {
    &hd_ticket_record,     &hd_user_record,        &hd_event_record, &hd_notification_record, &hd_attempt_record,
    &hd_inbox_item_record, &hd_dead_letter_record, &hd_audit_record, &hd_answer_record,
};
const size_t hd_record_count = HD_ARRAY_LEN(hd_records);

const char *hd_member_text(const struct hd_member *member, const void *value) {
    const char *text;
    memcpy(&text, (const char *)value + member->offset, sizeof(text));
    return text;
}

bool hd_record_copy_into(const struct hd_record *record, struct hd_arena *arena, void *to, const void *from) {
    memcpy(to, from, record->bytes);
    for (size_t i = 0; i < record->member_count; i++) {
        const struct hd_member *member = &record->members[i];
        const char *text = member->kind == HD_MEMBER_TEXT ? hd_member_text(member, from) : NULL;
        if (!text)
            continue;
        const char *copy = hd_arena_strdup(arena, text);
        if (!copy)
            return false;
        memcpy((char *)to + member->offset, &copy, sizeof(copy));
    }
    return true;
}

void *hd_record_copy(const struct hd_record *record, struct hd_arena *arena, const void *value) {
    void *copy = hd_arena_alloc(arena, record->bytes);
    return copy && hd_record_copy_into(record, arena, copy, value) ? copy : NULL;
}

const struct hd_member *hd_record_difference(const struct hd_record *record, const void *a, const void *b) {
    for (size_t i = 0; i < record->member_count; i++) {
        const struct hd_member *member = &record->members[i];
        bool equal;
        if (member->kind == HD_MEMBER_TEXT) {
            const char *left = hd_member_text(member, a);
            const char *right = hd_member_text(member, b);
            equal = left && right ? strcmp(left, right) == 0 : left == right;
        } else {
            equal = memcmp((const char *)a + member->offset, (const char *)b + member->offset, member->bytes) == 0;
        }
        if (!equal)
            return member;
    }
    return NULL;
}

int64_t hd_member_number(const struct hd_member *member, const void *value) {
    const char *at = (const char *)value + member->offset;
    int64_t wide = 0;
    int narrow = 0;
    unsigned positive = 0;
    bool truth = false;
    switch (member->kind) {
    case HD_MEMBER_INT64:
        memcpy(&wide, at, sizeof(wide));
        return wide;
    case HD_MEMBER_INT:
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    case HD_MEMBER_UNSIGNED:
        memcpy(&positive, at, sizeof(positive));
        return positive;
    case HD_MEMBER_BOOL:
        memcpy(&truth, at, sizeof(truth));
        return truth;
    case HD_MEMBER_TEXT:
        break;
    }
    return 0;
}

void hd_member_set_text(const struct hd_member *member, void *value, const char *text) {
    assert(member->kind == HD_MEMBER_TEXT);
    memcpy((char *)value + member->offset, &text, sizeof(text));
}

bool hd_member_set_number(const struct hd_member *member, void *value, int64_t number) {
    char *at = (char *)value + member->offset;
    int narrow = (int)number;
    unsigned positive = (unsigned)number;
    bool truth = number != 0;
    switch (member->kind) {
    case HD_MEMBER_INT64:
        memcpy(at, &number, sizeof(number));
        return true;
    case HD_MEMBER_INT:
        if (narrow == number)
            memcpy(at, &narrow, sizeof(narrow));
        return narrow == number;
    case HD_MEMBER_UNSIGNED:
        if ((int64_t)positive == number)
            memcpy(at, &positive, sizeof(positive));
        return (int64_t)positive == number;
    case HD_MEMBER_BOOL:
        memcpy(at, &truth, sizeof(truth));
        return true;
    case HD_MEMBER_TEXT:
        break;
    }
    return false;
}

void hd_record_print(const struct hd_record *record, FILE *out, const void *value) {
    fprintf(out, "%s{", record->name);
    for (size_t i = 0; i < record->member_count; i++) {
        const struct hd_member *member = &record->members[i];
        const char *separator = i == 0 ? "" : " ";
        if (member->kind != HD_MEMBER_TEXT)
            fprintf(out, "%s%s=%" PRId64, separator, member->name, hd_member_number(member, value));
        else if (hd_member_text(member, value))
            fprintf(out, "%s%s=\"%s\"", separator, member->name, hd_member_text(member, value));
        else
            fprintf(out, "%s%s=NULL", separator, member->name);
    }
    fprintf(out, "}\n");
}
