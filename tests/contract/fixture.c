#include "tests/contract/fixture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CASE_ARENA_BYTES = 1024 * 1024 * 1024, /* a bound against runaways; what is used is what a case reads */
    TRIES = 100,                           /* of a call that is HD_ERR_UNAVAILABLE, or of a receive that brings nothing yet */
    SECOND_MS = 1000,
};

static const int64_t first_stamp_ms = 1790000000000;

int hd_fixture_open(const struct hd_contract_backend *backend, struct hd_fixture *ret) {
    *ret = (struct hd_fixture){.backend = backend, .now_ms = first_stamp_ms, .stamp_ms = first_stamp_ms, .random = 1};
    ret->arena = hd_arena_new(CASE_ARENA_BYTES);
    if (!ret->arena || backend->open(&ret->handle) != 0)
        return -1;
    if (backend->set_now)
        backend->set_now(ret->handle, ret->now_ms);
    ret->store = backend->store(ret->handle);
    ret->queue = backend->queue(ret->handle);
    return ret->store && ret->queue ? 0 : -1;
}

void hd_fixture_close(struct hd_fixture *f) {
    f->store->ops->close(f->store);
    f->queue->ops->close(f->queue);
    f->backend->close(f->handle);
    hd_arena_free(f->arena);
}

void hd_fixture_reopen(struct hd_fixture *f) {
    if (!f->backend->reopen)
        skip();
    struct hd_store *store = f->store;
    struct hd_queue *queue = f->queue;
    f->backend->reopen(f->handle);
    f->store = f->backend->store(f->handle);
    f->queue = f->backend->queue(f->handle);
    assert_non_null(f->store);
    assert_non_null(f->queue);
    store->ops->close(store);
    queue->ops->close(queue);
}

/* ---- time, ids, chance ---- */

void hd_pass(struct hd_fixture *f, int64_t ms) {
    f->now_ms += ms;
    if (f->backend->set_now)
        f->backend->set_now(f->handle, f->now_ms);
}

int64_t hd_stamp(struct hd_fixture *f) {
    return ++f->stamp_ms;
}

/* splitmix64 */
uint64_t hd_random_next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

size_t hd_random_below(uint64_t *state, size_t bound) {
    return (size_t)(hd_random_next(state) % bound);
}

const char *hd_new_id(struct hd_fixture *f) {
    uint8_t random[10];
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)hd_random_next(&f->random);
    struct hd_id id = hd_id_v7(hd_stamp(f), random);
    return hd_textf(f, "%s", id.text);
}

const char *hd_textf(struct hd_fixture *f, const char *fmt, ...) {
    if (!fmt)
        abort(); /* which gcc, with its sanitizers on, takes to be possible */
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert_true(len >= 0);
    char *text = hd_arena_alloc(f->arena, (size_t)len + 1);
    assert_non_null(text);
    (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

const char *hd_long_text(struct hd_fixture *f, size_t bytes) {
    static const char words[] = "Ação não concluída: ☎ ";
    char *text = hd_arena_alloc(f->arena, bytes + 1);
    assert_non_null(text);
    size_t at = 0;
    for (; at + sizeof(words) - 1 <= bytes; at += sizeof(words) - 1)
        memcpy(text + at, words, sizeof(words) - 1);
    memset(text + at, '.', bytes - at);
    text[bytes] = '\0';
    return text;
}

/* ---- sample values ---- */

struct hd_ticket hd_sample_ticket(struct hd_fixture *f, const char *ticket_id) {
    int64_t at_ms = hd_stamp(f);
    return (struct hd_ticket){.ticket_id = ticket_id,
                              .version = 1,
                              .title = "Impressora não imprime",
                              .description = "Desde as 9 h:\n\"papel preso\" – não há papel preso. 🖨",
                              .status = HD_TICKET_OPEN,
                              .priority = HD_PRIORITY_HIGH,
                              .owner_id = "u-owner",
                              .assigned_agent_id = "u-agent",
                              .team = "Suporte de 2º nível",
                              .channels = HD_CHANNEL_BIT(HD_EMAIL) | HD_CHANNEL_BIT(HD_INAPP),
                              .tags = "[\"impressora\",\"3º andar\"]",
                              .created_at_ms = at_ms,
                              .updated_at_ms = at_ms};
}

struct hd_user hd_sample_user(struct hd_fixture *f, const char *user_id) {
    int64_t at_ms = hd_stamp(f);
    return (struct hd_user){.user_id = user_id,
                            .version = 1,
                            .name = "Ana Conceição",
                            .email = hd_textf(f, "%s@example.org", user_id),
                            .phone = "+5511999990000",
                            .role = HD_ROLE_AGENT,
                            .locale = "pt-BR",
                            .time_zone = "America/Sao_Paulo",
                            .team = "suporte",
                            .skills = "[\"redes\",\"impressão\"]",
                            .channels_off = HD_CHANNEL_BIT(HD_SMS),
                            .created_at_ms = at_ms,
                            .updated_at_ms = at_ms};
}

struct hd_event hd_sample_event(struct hd_fixture *f, const char *event_id) {
    int64_t at_ms = hd_stamp(f);
    return (struct hd_event){.event_id = event_id,
                             .type = HD_EVENT_TICKET_CREATED,
                             .schema_version = 1,
                             .occurred_at_ms = at_ms - 5,
                             .accepted_at_ms = at_ms,
                             .ticket_id = "tkt-001",
                             .actor_id = "u-10",
                             .correlation_id = "pedido-7",
                             .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                             .payload = "{\"ticketId\":\"tkt-001\",\"title\":\"Ação\"}"};
}

struct hd_notification hd_sample_notification(struct hd_fixture *f, const char *target, enum hd_channel channel) {
    const char *event_id = hd_new_id(f);
    int64_t at_ms = hd_stamp(f);
    struct hd_id id = hd_notification_id(at_ms, event_id, target, channel);
    return (struct hd_notification){.notification_id = hd_textf(f, "%s", id.text),
                                    .event_id = event_id,
                                    .event = "TicketCreated",
                                    .ticket_id = "tkt-001",
                                    .target = target,
                                    .channel = channel,
                                    .status = HD_PENDING,
                                    .correlation_id = "pedido-7",
                                    .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                    .accepted_at_ms = at_ms,
                                    .created_at_ms = at_ms,
                                    .updated_at_ms = at_ms};
}

struct hd_notification hd_moved(struct hd_fixture *f, const struct hd_notification *from, enum hd_move move) {
    int after = hd_status_after(from->status, move);
    assert_true(after >= 0);
    struct hd_notification to = *from;
    to.status = (enum hd_status)after;
    to.updated_at_ms = hd_stamp(f);
    to.owner_token = NULL;
    to.next_attempt_at_ms = 0;
    to.reason = NULL;
    switch (move) {
    case HD_MOVE_BEGIN:
    case HD_MOVE_TAKE_OVER:
        to.attempts++;
        to.owner_token = hd_textf(f, "worker-%" PRId64, to.updated_at_ms);
        break;
    case HD_MOVE_SENT:
        to.sent_at_ms = to.updated_at_ms;
        to.attempts += from->status == HD_PENDING;
        break;
    case HD_MOVE_RETRY:
        to.next_attempt_at_ms = to.updated_at_ms + SECOND_MS;
        to.attempts += from->status == HD_PENDING;
        break;
    case HD_MOVE_GIVE_UP:
        to.reason = "attempts_exhausted";
        break;
    case HD_MOVE_EXPIRE:
        to.reason = "too_late";
        break;
    case HD_MOVE_REDRIVE:
        to.attempts_forgiven = to.attempts;
        break;
    case HD_MOVE_RELEASE:
    case HD_MOVE_COUNT:
        break;
    }
    return to;
}

struct hd_attempt hd_sample_attempt(struct hd_fixture *f, const char *notification_id, int number) {
    return (struct hd_attempt){.notification_id = notification_id,
                               .number = number,
                               .at_ms = hd_stamp(f),
                               .outcome = HD_OUTCOME_CONFIGURATION,
                               .provider = "smtp",
                               .detail = "535 5.7.8 senha não aceita",
                               .duration_ms = 1234,
                               .message = "{\"subject\":\"Seu chamado foi aberto – nº 1\"}"};
}

struct hd_inbox_item hd_sample_inbox_item(struct hd_fixture *f, const struct hd_notification *of) {
    return (struct hd_inbox_item){.notification_id = of->notification_id,
                                  .user_id = of->target,
                                  .event = of->event,
                                  .ticket_id = of->ticket_id,
                                  .title = "Chamado aberto",
                                  .body = "Olá, Ana: <b>não</b> é HTML",
                                  .created_at_ms = hd_stamp(f)};
}

struct hd_dead_letter hd_sample_dead_letter(struct hd_fixture *f, const char *dead_letter_id) {
    return (struct hd_dead_letter){.dead_letter_id = dead_letter_id,
                                   .queue = "email",
                                   .reason = "attempts_exhausted",
                                   .detail = "A caixa postal não existe",
                                   .attempts = 3,
                                   .notification_id = hd_new_id(f),
                                   .event_id = hd_new_id(f),
                                   .ticket_id = "tkt-001",
                                   .target = "u-10",
                                   .channel = "email",
                                   .body = "{\"notificationId\":\"…\"}",
                                   .created_at_ms = hd_stamp(f)};
}

struct hd_audit hd_sample_audit(struct hd_fixture *f, const char *audit_id) {
    return (struct hd_audit){.audit_id = audit_id,
                             .action = "event.routed",
                             .subject = "tkt-001",
                             .actor = "router",
                             .detail = "{\"why\":\"é a dona\"}",
                             .correlation_id = "pedido-7",
                             .at_ms = hd_stamp(f)};
}

struct hd_answer hd_sample_answer(struct hd_fixture *f, const char *key) {
    return (struct hd_answer){.key = key,
                              .body_hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                              .http_status = 201,
                              .location = "/tickets/tkt-001",
                              .etag = "\"1\"",
                              .body = "{\"title\":\"Ação\"}",
                              .created_at_ms = hd_stamp(f)};
}

/* ---- commits ---- */

struct hd_changeset hd_changes(struct hd_fixture *f) {
    return hd_changeset(f->arena);
}

void hd_commit_many(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results) {
    struct hd_error err = {0};
    for (size_t i = 0; i < count; i++) {
        if (hd_changeset_check(sets[i], &err) < 0)
            fail_msg("building a changeset: %s", err.detail);
    }
    int r = HD_ERR_UNAVAILABLE;
    for (int i = 0; i < TRIES && r == HD_ERR_UNAVAILABLE; i++)
        r = store->ops->commit(store, sets, count, ret_results, &err);
    if (r != 0)
        fail_msg("commit: %s (%s)", hd_code_type((enum hd_code)r), err.detail);
}

struct hd_commit_result hd_commit_one(struct hd_fixture *f, const struct hd_changeset *set) {
    struct hd_commit_result result = {.code = HD_ERR_INTERNAL, .change = SIZE_MAX};
    hd_commit_many(f->store, &set, 1, &result);
    return result;
}

void hd_move_ok(struct hd_fixture *f, struct hd_notification *notification, enum hd_move move) {
    struct hd_notification to = hd_moved(f, notification, move);
    HD_ONE_CHANGE(f, hd_move_notification(&set_, notification, &to, move));
    *notification = to;
}

struct hd_inbox_item hd_inbox_item_ok(struct hd_fixture *f, const char *user_id) {
    struct hd_notification notification = hd_sample_notification(f, user_id, HD_INAPP);
    hd_put_notification_ok(f, &notification);
    struct hd_notification sent = hd_moved(f, &notification, HD_MOVE_SENT);
    struct hd_inbox_item item = hd_sample_inbox_item(f, &notification);
    struct hd_changeset set = hd_changes(f);
    hd_move_notification(&set, &notification, &sent, HD_MOVE_SENT);
    hd_put_inbox_item(&set, &item);
    hd_commit_ok(f, &set);
    return item;
}

/* ---- reads ---- */

static void check_read(int r, const char *what, const struct hd_error *err) {
    if (r != 0)
        fail_msg("reading %s: %s (%s)", what, hd_code_type((enum hd_code)r), err->detail);
}

#define GET(function, operation, type)                                                                \
    const struct type *function(struct hd_fixture *f, const char *id) {                               \
        struct hd_error err = {0};                                                                    \
        const struct type *value = (const void *)f; /* to see that it is set */                       \
        check_read(f->store->ops->operation(f->store, f->arena, id, &value, &err), #operation, &err); \
        assert_ptr_not_equal(value, f);                                                               \
        return value;                                                                                 \
    }
GET(hd_get_ticket, ticket, hd_ticket)
GET(hd_get_user, user, hd_user)
GET(hd_get_event, event, hd_event)
GET(hd_get_notification, notification, hd_notification)
GET(hd_get_dead_letter, dead_letter, hd_dead_letter)
GET(hd_get_inbox_item, inbox_item, hd_inbox_item)
GET(hd_get_answer, answer, hd_answer)
GET(hd_get_audit, audit, hd_audit)

bool hd_get_processed(struct hd_fixture *f, const char *processor, const char *event_id) {
    struct hd_error err = {0};
    bool done = false;
    check_read(f->store->ops->processed(f->store, processor, event_id, &done, &err), "processed", &err);
    return done;
}

size_t hd_get_attempts(struct hd_fixture *f, const char *notification_id, const struct hd_attempt **ret) {
    struct hd_error err = {0};
    size_t count = SIZE_MAX;
    check_read(f->store->ops->attempts(f->store, f->arena, notification_id, ret, &count, &err), "attempts", &err);
    return count;
}

int64_t hd_get_unread(struct hd_fixture *f, const char *user_id, int64_t cap) {
    struct hd_error err = {0};
    int64_t count = -1;
    check_read(f->store->ops->unread(f->store, user_id, cap, &count, &err), "unread", &err);
    return count;
}

static const char *one_line(const struct hd_record *record, const void *value) {
    static char line[1024];
    FILE *out = fmemopen(line, sizeof(line) - 1, "w");
    assert_non_null(out);
    hd_record_print(record, out, value);
    (void)fclose(out);
    line[sizeof(line) - 1] = '\0';
    return line;
}

void hd_check_equal(const struct hd_record *record, const void *want, const void *got, const char *file, int line) {
    if (!got) {
        print_error("%s: not there: %s", record->name, one_line(record, want));
        _fail(file, line);
    }
    const struct hd_member *member = hd_record_difference(record, want, got);
    if (!member)
        return;
    print_error("%s.%s differs\nwanted %s", record->name, member->name, one_line(record, want));
    print_error("got    %s", one_line(record, got));
    _fail(file, line);
}

/* ---- lists ---- */

const struct hd_ticket_filter hd_any_ticket = {.status = -1, .priority = -1};
const struct hd_user_filter hd_any_user = {.role = -1};
const struct hd_notification_filter hd_any_notification = {.status = -1, .channel = -1};
const struct hd_dead_letter_filter hd_any_dead_letter = {0};

struct hd_list hd_list(enum hd_list_kind kind, const void *filter) {
    static const struct hd_record *const records[] = {
        [HD_LIST_TICKETS] = &hd_ticket_record,
        [HD_LIST_USERS] = &hd_user_record,
        [HD_LIST_NOTIFICATIONS] = &hd_notification_record,
        [HD_LIST_DEAD_LETTERS] = &hd_dead_letter_record,
        [HD_LIST_INBOX] = &hd_inbox_item_record,
    };
    return (struct hd_list){.kind = kind, .filter = filter, .record = records[kind]};
}

int hd_list_try(struct hd_store *store, struct hd_arena *arena, struct hd_list *list, size_t limit, const char *cursor,
                struct hd_error *err) {
    struct hd_page page = {.limit = limit, .cursor = cursor};
#define TRY(operation, type)                                                                                       \
    do {                                                                                                           \
        const struct type *values = NULL;                                                                          \
        int r = store->ops->operation(store, arena, list->filter, &page, &values, &list->count, &list->next, err); \
        if (r == 0)                                                                                                \
            list->values = (const char *)values;                                                                   \
        return r;                                                                                                  \
    } while (0)
    switch (list->kind) {
    case HD_LIST_TICKETS:
        TRY(tickets, hd_ticket);
    case HD_LIST_USERS:
        TRY(users, hd_user);
    case HD_LIST_NOTIFICATIONS:
        TRY(notifications, hd_notification);
    case HD_LIST_DEAD_LETTERS:
        TRY(dead_letters, hd_dead_letter);
    case HD_LIST_INBOX:
        TRY(inbox, hd_inbox_item);
    }
#undef TRY
    abort();
}

void hd_list_page(struct hd_fixture *f, struct hd_list *list, size_t limit, const char *cursor) {
    struct hd_error err = {0};
    list->count = SIZE_MAX;
    list->next = "unset";
    check_read(hd_list_try(f->store, f->arena, list, limit, cursor, &err), list->record->name, &err);
    assert_true(list->count <= limit);
    if (list->next)
        assert_in_range(strlen(list->next), 1, HD_CURSOR_MAX_LEN);
}

/* Pages may be short, or empty with a cursor; but they must come to an end, and where the end is known no cursor is given behind the last item. */
struct hd_list hd_list_all(struct hd_fixture *f, enum hd_list_kind kind, const void *filter, size_t limit) {
    struct hd_list page = hd_list(kind, filter);
    struct hd_list all = page;
    char *values = NULL;
    size_t pages = 0;
    do {
        hd_list_page(f, &page, limit, page.next);
        if (page.count > 0) {
            values = realloc(values, (all.count + page.count) * page.record->bytes);
            assert_non_null(values);
            memcpy(values + all.count * page.record->bytes, page.values, page.count * page.record->bytes);
            all.count += page.count;
        } else if (f->backend->knows_the_end && pages > 0 && !page.next) {
            fail_msg("%s: a cursor was given behind the last item", page.record->name);
        }
        if (++pages > 100000)
            fail_msg("%s: a list without an end", page.record->name);
    } while (page.next);
    if (values) {
        char *kept = hd_arena_alloc(f->arena, all.count * page.record->bytes);
        assert_non_null(kept);
        memcpy(kept, values, all.count * page.record->bytes);
        all.values = kept;
    }
    free(values);
    return all;
}

const void *hd_list_at(const struct hd_list *list, size_t i) {
    assert_true(i < list->count);
    return list->values + i * list->record->bytes;
}

/* The id is the first member of every record. */
const char *hd_list_id(const struct hd_list *list, size_t i) {
    return *(const char *const *)hd_list_at(list, i);
}

size_t hd_list_find(const struct hd_list *list, const char *id) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(hd_list_id(list, i), id) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* ---- the queue ---- */

void hd_enqueue_ok(struct hd_fixture *f, enum hd_queue_name queue, enum hd_lane lane, const char *body, int64_t delay_ms) {
    HD_ONE_CHANGE(f, hd_enqueue(&set_, queue, lane, body, f->now_ms, delay_ms));
}

/* A receive may bring fewer than there are. Two that bring nothing are taken as the end of it. */
size_t hd_take(struct hd_fixture *f, struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t visibility_ms,
               struct hd_message *ret) {
    size_t taken = 0;
    for (int empty = 0; empty < 2 && taken < max;) {
        struct hd_error err = {0};
        struct hd_message *messages = NULL;
        size_t count = SIZE_MAX;
        int64_t due_ms = -1;
        size_t want = max - taken < HD_RECEIVE_MAX ? max - taken : HD_RECEIVE_MAX;
        check_read(queue->ops->receive(queue, name, want, f->now_ms, visibility_ms, f->arena, &messages, &count, &due_ms, &err), "messages",
                   &err);
        assert_true(count <= want);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(messages[i].queue, name);
            assert_non_null(messages[i].receipt);
            assert_non_null(messages[i].body);
            assert_true(messages[i].receive_count >= 1);
            ret[taken++] = messages[i];
        }
        empty = count == 0 ? empty + 1 : 0;
    }
    return taken;
}

struct hd_message hd_take_one(struct hd_fixture *f, enum hd_queue_name name, int64_t visibility_ms) {
    struct hd_message message;
    if (hd_take(f, f->queue, name, 1, visibility_ms, &message) != 1)
        fail_msg("the queue %s has nothing to take", hd_queue_name_text(name));
    return message;
}

bool hd_nothing_to_take(struct hd_fixture *f, enum hd_queue_name name) {
    struct hd_message message;
    return hd_take(f, f->queue, name, 1, SECOND_MS, &message) == 0;
}

struct hd_queue_depth hd_get_depth(struct hd_fixture *f, enum hd_queue_name name) {
    struct hd_error err = {0};
    struct hd_queue_depth depth = {-1, -1, -1, -1};
    check_read(f->queue->ops->depth(f->queue, name, f->now_ms, &depth, &err), "depth", &err);
    return depth;
}

struct hd_commit_result hd_try_acknowledge(struct hd_fixture *f, const struct hd_message *message) {
    struct hd_changeset set = hd_changes(f);
    hd_acknowledge(&set, message);
    return hd_commit_one(f, &set);
}

/* ---- everything, as text ---- */

static void print_list(struct hd_fixture *f, FILE *out, enum hd_list_kind kind, const void *filter) {
    struct hd_list list = hd_list_all(f, kind, filter, 50);
    for (size_t i = 0; i < list.count; i++) {
        hd_record_print(list.record, out, hd_list_at(&list, i));
        if (kind != HD_LIST_NOTIFICATIONS)
            continue;
        const struct hd_attempt *attempts = NULL;
        size_t count = hd_get_attempts(f, hd_list_id(&list, i), &attempts);
        for (size_t a = 0; a < count; a++)
            hd_record_print(&hd_attempt_record, out, &attempts[a]);
    }
}

#define PRINT_KNOWN(ids, get, record)                \
    for (const char **id = (ids); id && *id; id++) { \
        const void *value = get(f, *id);             \
        if (value)                                   \
            hd_record_print(&(record), out, value);  \
        else                                         \
            fprintf(out, "no %s\n", *id);            \
    }

const char *hd_world(struct hd_fixture *f, const struct hd_known *known) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    print_list(f, out, HD_LIST_TICKETS, &hd_any_ticket);
    print_list(f, out, HD_LIST_USERS, &hd_any_user);
    print_list(f, out, HD_LIST_NOTIFICATIONS, &hd_any_notification);
    print_list(f, out, HD_LIST_DEAD_LETTERS, &hd_any_dead_letter);
    PRINT_KNOWN(known->events, hd_get_event, hd_event_record)
    PRINT_KNOWN(known->answers, hd_get_answer, hd_answer_record)
    PRINT_KNOWN(known->audits, hd_get_audit, hd_audit_record)
    for (const char **p = known->processors; p && *p; p++) {
        for (const char **id = known->processed; id && *id; id++)
            fprintf(out, "%s %s processed: %d\n", *p, *id, hd_get_processed(f, *p, *id));
    }
    for (const char **id = known->users; id && *id; id++) {
        struct hd_inbox_filter all = {.user_id = *id};
        print_list(f, out, HD_LIST_INBOX, &all);
        fprintf(out, "%s unread: %" PRId64 "\n", *id, hd_get_unread(f, *id, INT64_MAX));
    }
    for (int q = 0; q < HD_QUEUE_COUNT; q++) {
        struct hd_queue_depth depth = hd_get_depth(f, (enum hd_queue_name)q);
        int64_t hidden = depth.in_flight + depth.delayed;
        fprintf(out, "queue %d: visible %" PRId64 " hidden %" PRId64 " oldest %" PRId64 "\n", q, known->sums ? -1 : depth.visible,
                known->sums ? depth.visible + hidden : hidden, known->without_oldest ? 0 : depth.oldest_ms);
    }
    (void)fclose(out);
    char *kept = hd_arena_strdup(f->arena, text);
    free(text);
    assert_non_null(kept);
    return kept;
}
