/* What the cases of the contract suite share: a fresh backend with one view each, sample values, commits that are checked, and whole lists read page by page. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/id.h"
#include "core/record.h"
#include "tests/contract/contract.h"

struct hd_fixture {
    const struct hd_contract_backend *backend;
    void *handle;
    struct hd_arena *arena; /* lives as long as the case */
    struct hd_store *store;
    struct hd_queue *queue;
    int64_t now_ms;   /* the queue's time; hd_pass moves it */
    int64_t stamp_ms; /* when the last value was created: each is a millisecond younger than the one before */
    uint64_t random;  /* state of the generator */
};

/* ---- the table of cases: each file of cases has one ---- */

struct hd_case {
    const char *name;
    void (*run)(struct hd_fixture *f);
};
#define HD_CASE(function) \
    { #function, function }

struct hd_cases {
    const char *name;
    const struct hd_case *cases;
    size_t count;
};
extern const struct hd_cases hd_changes_cases, hd_values_cases, hd_lists_cases, hd_queue_cases, hd_model_cases;

int hd_fixture_open(const struct hd_contract_backend *backend, struct hd_fixture *ret);
void hd_fixture_close(struct hd_fixture *f);
void hd_fixture_reopen(struct hd_fixture *f); /* skips the case when the backend cannot */

/* ---- time, ids, chance ---- */

void hd_pass(struct hd_fixture *f, int64_t ms);
int64_t hd_stamp(struct hd_fixture *f);
const char *hd_new_id(struct hd_fixture *f); /* a UUIDv7 that no other is */
const char *hd_textf(struct hd_fixture *f, const char *fmt, ...) HD_PRINTF(2, 3);
const char *hd_long_text(struct hd_fixture *f, size_t bytes); /* of words with accents */
uint64_t hd_random_next(uint64_t *state);
size_t hd_random_below(uint64_t *state, size_t bound);

/* ---- sample values: every member is set ---- */

struct hd_ticket hd_sample_ticket(struct hd_fixture *f, const char *ticket_id);
struct hd_user hd_sample_user(struct hd_fixture *f, const char *user_id); /* the address is <user_id>@example.org */
struct hd_event hd_sample_event(struct hd_fixture *f, const char *event_id);
struct hd_notification hd_sample_notification(struct hd_fixture *f, const char *target,
                                              enum hd_channel channel); /* pending, of an event of its own */
struct hd_notification hd_moved(struct hd_fixture *f, const struct hd_notification *from,
                                enum hd_move move); /* what the engine makes of it */
struct hd_attempt hd_sample_attempt(struct hd_fixture *f, const char *notification_id, int number);
struct hd_inbox_item hd_sample_inbox_item(struct hd_fixture *f, const struct hd_notification *of);
struct hd_dead_letter hd_sample_dead_letter(struct hd_fixture *f, const char *dead_letter_id);
struct hd_audit hd_sample_audit(struct hd_fixture *f, const char *audit_id);
struct hd_answer hd_sample_answer(struct hd_fixture *f, const char *key);

/* ---- commits: the call must succeed; what is HD_ERR_UNAVAILABLE is tried again ---- */

struct hd_changeset hd_changes(struct hd_fixture *f);
void hd_commit_many(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results);
struct hd_commit_result hd_commit_one(struct hd_fixture *f, const struct hd_changeset *set);

/* The result must be success, or a conflict at that change. Fails at the caller's line. */
#define hd_commit_ok(f, set)                                                                                      \
    do {                                                                                                          \
        struct hd_commit_result result_ = hd_commit_one((f), (set));                                              \
        if (result_.code)                                                                                         \
            fail_msg("the changeset did not happen: %s, change %zu", hd_code_type(result_.code), result_.change); \
    } while (0)
#define hd_commit_refused(f, set, at)                                                                               \
    do {                                                                                                            \
        struct hd_commit_result result_ = hd_commit_one((f), (set));                                                \
        if (result_.code != HD_ERR_CONFLICT)                                                                        \
            fail_msg("a conflict was due, and it was %s", result_.code ? hd_code_type(result_.code) : "committed"); \
        if (result_.change != (size_t)(at))                                                                         \
            fail_msg("change %zu was blamed instead of %zu", result_.change, (size_t)(at));                         \
    } while (0)

/* One change each. */
#define hd_put_ticket_ok(f, ticket, if_version) HD_ONE_CHANGE(f, hd_put_ticket(&set_, ticket, if_version))
#define hd_put_user_ok(f, user, if_version) HD_ONE_CHANGE(f, hd_put_user(&set_, user, if_version))
#define hd_put_notification_ok(f, notification) HD_ONE_CHANGE(f, hd_put_notification(&set_, notification))
#define hd_put_dead_letter_ok(f, letter) HD_ONE_CHANGE(f, hd_put_dead_letter(&set_, letter))
#define HD_ONE_CHANGE(f, call)                    \
    do {                                          \
        struct hd_changeset set_ = hd_changes(f); \
        call;                                     \
        hd_commit_ok((f), &set_);                 \
    } while (0)
#define HD_ONE_CHANGE_REFUSED(f, call)            \
    do {                                          \
        struct hd_changeset set_ = hd_changes(f); \
        call;                                     \
        hd_commit_refused((f), &set_, 0);         \
    } while (0)

/* Puts a notification and moves it by those moves, one changeset each; *notification becomes what it is then. */
void hd_move_ok(struct hd_fixture *f, struct hd_notification *notification, enum hd_move move);
/* Puts a notification of the in-app channel to user_id, and its inbox item with the move to sent. */
struct hd_inbox_item hd_inbox_item_ok(struct hd_fixture *f, const char *user_id);

/* ---- reads: the call must succeed; NULL is none ---- */

const struct hd_ticket *hd_get_ticket(struct hd_fixture *f, const char *id);
const struct hd_user *hd_get_user(struct hd_fixture *f, const char *id);
const struct hd_event *hd_get_event(struct hd_fixture *f, const char *id);
bool hd_get_processed(struct hd_fixture *f, const char *processor, const char *event_id);
const struct hd_notification *hd_get_notification(struct hd_fixture *f, const char *id);
const struct hd_dead_letter *hd_get_dead_letter(struct hd_fixture *f, const char *id);
const struct hd_inbox_item *hd_get_inbox_item(struct hd_fixture *f, const char *id);
const struct hd_answer *hd_get_answer(struct hd_fixture *f, const char *key);
const struct hd_audit *hd_get_audit(struct hd_fixture *f, const char *id);
size_t hd_get_attempts(struct hd_fixture *f, const char *notification_id, const struct hd_attempt **ret);
int64_t hd_get_unread(struct hd_fixture *f, const char *user_id, int64_t cap);

/* Both are there and equal in every member; fails with the member's name. */
void hd_check_equal(const struct hd_record *record, const void *want, const void *got, const char *file, int line);
#define hd_assert_equal(record, want, got) hd_check_equal((record), (want), (got), __FILE__, __LINE__)

/* ---- lists, as one thing whatever they hold ---- */

enum hd_list_kind { HD_LIST_TICKETS, HD_LIST_USERS, HD_LIST_NOTIFICATIONS, HD_LIST_DEAD_LETTERS, HD_LIST_INBOX };

struct hd_list {
    enum hd_list_kind kind;
    const void *filter; /* the struct of the kind */
    const struct hd_record *record;
    const char *values; /* an array of the record's struct */
    size_t count;
    const char *next;
};

extern const struct hd_ticket_filter hd_any_ticket;
extern const struct hd_user_filter hd_any_user;
extern const struct hd_notification_filter hd_any_notification;
extern const struct hd_dead_letter_filter hd_any_dead_letter;

struct hd_list hd_list(enum hd_list_kind kind, const void *filter);
int hd_list_try(struct hd_store *store, struct hd_arena *arena, struct hd_list *list, size_t limit, const char *cursor,
                struct hd_error *err) HD_MUST_CHECK;
/* One page: the cursor of the page before (or NULL) in, its items and the next cursor out. Checks what holds for every page. */
void hd_list_page(struct hd_fixture *f, struct hd_list *list, size_t limit, const char *cursor);
/* All of it, page by page, as one list. */
struct hd_list hd_list_all(struct hd_fixture *f, enum hd_list_kind kind, const void *filter, size_t limit);
const void *hd_list_at(const struct hd_list *list, size_t i);
const char *hd_list_id(const struct hd_list *list, size_t i);
size_t hd_list_find(const struct hd_list *list, const char *id); /* SIZE_MAX: not there */

/* ---- the queue ---- */

void hd_enqueue_ok(struct hd_fixture *f, enum hd_queue_name queue, enum hd_lane lane, const char *body, int64_t delay_ms);
/* Takes what there is, up to max, in as many receives as it needs. */
size_t hd_take(struct hd_fixture *f, struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t visibility_ms,
               struct hd_message *ret);
struct hd_message hd_take_one(struct hd_fixture *f, enum hd_queue_name name, int64_t visibility_ms); /* there must be one */
bool hd_nothing_to_take(struct hd_fixture *f, enum hd_queue_name name);
struct hd_queue_depth hd_get_depth(struct hd_fixture *f, enum hd_queue_name name);
struct hd_commit_result hd_try_acknowledge(struct hd_fixture *f, const struct hd_message *message);

/* ---- everything there is, as text ---- */

/* The ids of what no list shows. */
struct hd_known {
    const char **events, **answers, **audits; /* NULL-terminated */
    const char **processors, **processed;     /* pairs */
    const char **users;                       /* whose inboxes are read */
    bool without_oldest;                      /* not every queue knows when its oldest message was enqueued */
    bool sums;                                /* nor what is visible at this very moment */
};

/* Two stores that give the same text hold the same. Queues as their depths. Lives in the fixture's arena until the case ends; frees nothing. */
const char *hd_world(struct hd_fixture *f, const struct hd_known *known);
