/* The value structs of the ports (tickets, users, events …) as tables of their members, so that a codec, or a test that copies, compares and prints them, need not name each
 * member again. A member that is added to a struct is added here, too; record_test.c finds one that was forgotten. No state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"

enum hd_member_kind { HD_MEMBER_TEXT, HD_MEMBER_INT, HD_MEMBER_UNSIGNED, HD_MEMBER_INT64, HD_MEMBER_BOOL };

struct hd_member {
    const char *name;
    enum hd_member_kind kind;
    size_t offset;
    size_t bytes;
};

struct hd_record {
    const char *name;
    size_t bytes;
    const struct hd_member *members;
    size_t member_count;
};

/* One row of a table: HD_MEMBER(hd_ticket, title). Enums are unsigned. */
#define HD_MEMBER(type, member)                                        \
    {                                                                  \
        .name = #member, .offset = offsetof(struct type, member),    \
        .bytes = sizeof(((const struct type *)0)->member),           \
        .kind = _Generic(((const struct type *)0)->member,           \
                         const char *: HD_MEMBER_TEXT,               \
                         int: HD_MEMBER_INT,                         \
                         unsigned: HD_MEMBER_UNSIGNED,               \
                         int64_t: HD_MEMBER_INT64,                   \
                         bool: HD_MEMBER_BOOL) \
    }

/* A member's value in a struct of its record. Texts are not copied. */
const char *hd_member_text(const struct hd_member *member, const void *value);
int64_t hd_member_number(const struct hd_member *member, const void *value); /* of any kind but a text */
void hd_member_set_text(const struct hd_member *member, void *value, const char *text);
/* False when the member's type cannot hold the number: the struct is left alone. */
bool hd_member_set_number(const struct hd_member *member, void *value, int64_t number) HD_MUST_CHECK;

extern const struct hd_record hd_ticket_record, hd_user_record, hd_event_record, hd_notification_record, hd_attempt_record,
    hd_inbox_item_record, hd_dead_letter_record, hd_audit_record, hd_answer_record;
extern const struct hd_record *const hd_records[];
extern const size_t hd_record_count;

/* A deep copy in arena; NULL when it has no room. */
void *hd_record_copy(const struct hd_record *record, struct hd_arena *arena, const void *value) HD_MUST_CHECK;
/* The same, into memory that is there already. False when the arena has no room. */
bool hd_record_copy_into(const struct hd_record *record, struct hd_arena *arena, void *to, const void *from) HD_MUST_CHECK;

/* The member in which the two differ, or NULL when they are equal. An empty string differs from NULL. */
const struct hd_member *hd_record_difference(const struct hd_record *record, const void *a, const void *b);

/* One line: name{member=value …}. */
void hd_record_print(const struct hd_record *record, FILE *out, const void *value);
