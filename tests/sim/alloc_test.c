/* Every allocation failing in turn, once and for ever, on the way of a request (decide, commit, the answer to a failed commit) and of a message (receive, begin, commit, conclude).
 *
 * malloc, calloc and realloc are this program's own, so that the libraries' allocations fail, too. A sanitizer has its own, and then only those of our code do (--wrap, see
 * cmake/tests.cmake). Each act is first done without faults; with one, it either does and answers just that, or it changes nothing and says 503 (a message: is left). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/smtp/smtp.h"
#include "app/runtime.h"
#include "base/log.h"
#include "processors/processors.h"
#include "producer/producer.h"
#include "tests/sim/faulty_vfs.h"

/* ---- allocations ---- */

static bool armed, for_ever;
static int fail_at, allocations, failures;

static bool fails(void) {
    if (!armed)
        return false;
    allocations++;
    bool it = fail_at > 0 && (allocations == fail_at || (for_ever && allocations > fail_at));
    failures += it;
    if (it)
        errno = ENOMEM;
    return it;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OURS(name) __wrap_##name
#define THEIRS(name) __real_##name
#else
#define OURS(name) name
#define THEIRS(name) __libc_##name
#endif

void *THEIRS(malloc)(size_t bytes);
void *THEIRS(calloc)(size_t count, size_t bytes);
void *THEIRS(realloc)(void *memory, size_t bytes);
void *OURS(malloc)(size_t bytes);
void *OURS(calloc)(size_t count, size_t bytes);
void *OURS(realloc)(void *memory, size_t bytes);

void *OURS(malloc)(size_t bytes) {
    return fails() ? NULL : THEIRS(malloc)(bytes);
}

void *OURS(calloc)(size_t count, size_t bytes) {
    return fails() ? NULL : THEIRS(calloc)(count, bytes);
}

void *OURS(realloc)(void *memory, size_t bytes) {
    return fails() ? NULL : THEIRS(realloc)(memory, bytes);
}

/* ---- a desk ---- */

enum { ARENA_BYTES = 8 * 1024 * 1024, PATH_BYTES = 256, AGAIN_EVERY = 16 /* runs: acts that are done pile up */ };

struct desk {
    struct hd_settings *settings;
    struct runtime *runtime;
    struct hd_provider *smtp;
    bool by_smtp;
    struct hd_producer *producer;
    struct hd_arena *session, *arena, *received, *references;
    const char *customer, *admin; /* Authorization */
    sqlite3 *eye;                 /* looks at the rows beside all ports */
    struct hd_store *store;
    struct hd_queue *queue;
    struct hd_context ctx;
    int64_t now_ms;
};

static struct desk desk;
static char folder[PATH_BYTES - 32];

static const char *const countings[] = {
    "SELECT count(*) FROM tickets",
    "SELECT count(*) FROM events",
    "SELECT count(*) FROM users",
    "SELECT count(*) FROM messages",
    "SELECT count(*) FROM processed",
    "SELECT count(*) FROM notifications",
    "SELECT count(*) FROM notifications WHERE status = 3", /* sent */
    "SELECT count(*) FROM notifications WHERE status = 2", /* sending */
    "SELECT count(*) FROM notifications WHERE status NOT IN (0, 2, 3)",
    "SELECT count(*) FROM attempts",
    "SELECT count(*) FROM attempts WHERE outcome <> 0",
    "SELECT count(*) FROM inbox",
    "SELECT count(*) FROM inbox WHERE read_at > 0",
    "SELECT count(*) FROM dead_letters",
    "SELECT count(*) FROM audit",
    "SELECT count(*) FROM answers",
};
enum { COUNT_COUNT = HD_ARRAY_LEN(countings) };

struct counts {
    int64_t of[COUNT_COUNT];
};

static struct counts look(void) {
    struct counts counts = {0};
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        sqlite3_stmt *query = NULL;
        assert_int_equal(sqlite3_prepare_v2(desk.eye, countings[i], -1, &query, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(query), SQLITE_ROW);
        counts.of[i] = sqlite3_column_int64(query, 0);
        sqlite3_finalize(query);
    }
    return counts;
}

/* now − before = change? */
static bool changed_by(const struct counts *before, const struct counts *now, const struct counts *change) {
    for (size_t i = 0; i < COUNT_COUNT; i++)
        if (now->of[i] - before->of[i] != change->of[i])
            return false;
    return true;
}

static int open_views(struct hd_error *err) {
    int r = hd_sqlite_store(desk.runtime->database, &desk.store, err);
    if (!r)
        r = hd_sqlite_queue(desk.runtime->database, &desk.queue, err);
    if (r)
        return r;
    desk.ctx = hd_runtime_context(desk.runtime, desk.store);
    desk.ctx.now_ms = desk.now_ms;
    if (desk.by_smtp) {
        static const struct hd_provider *providers[HD_CHANNEL_COUNT];
        providers[HD_EMAIL] = desk.smtp;
        desk.ctx.providers = providers;
    }
    return 0;
}

static void close_views(void) {
    if (desk.store)
        desk.store->ops->close(desk.store);
    if (desk.queue)
        desk.queue->ops->close(desk.queue);
    desk.store = NULL;
    desk.queue = NULL;
}

/* ---- acts ---- */

/* What an act came to: an HTTP status, or for a message 200 (done) and 503 (left). */
struct outcome {
    int status;
    const char *body; /* in desk.arena */
};

struct act {
    const char *name;
    const char *method, *path, *query, *body; /* a request … */
    bool by_admin, new_key, numbered_body;
    const struct hd_processor *processor; /* … or a message */
    bool by_smtp;
    bool body_is_stable;
};

static struct outcome failed(const struct hd_request *request, const struct hd_error *err) {
    struct hd_response response = {0};
    hd_arena_reset(desk.arena);
    hd_producer_failure(desk.producer, request, desk.arena, err, &response);
    return (struct outcome){.status = response.status, .body = response.body};
}

static unsigned key_number;

/* The body with this run's number for each #. */
static const char *numbered(const char *body) {
    static char text[1024];
    char number[16], *end = text;
    (void)snprintf(number, sizeof number, "%u", key_number);
    for (; *body; body++) {
        if (*body != '#') {
            *end++ = *body;
            continue;
        }
        for (const char *digit = number; *digit; digit++)
            *end++ = *digit;
    }
    *end = '\0';
    return text;
}

/* As the server's host does it. */
static struct outcome ask(const struct act *act) {
    char key[32];
    (void)snprintf(key, sizeof key, "key-%u", key_number);
    const char *sent = act->body ? act->body : "";
    if (act->numbered_body)
        sent = numbered(act->body);
    struct hd_header headers[] = {
        {"Authorization", act->by_admin ? desk.admin : desk.customer}, {"Content-Type", "application/json"}, {"Idempotency-Key", key}};
    struct hd_request request = {.method = act->method,
                                 .path = act->path,
                                 .query = act->query ? act->query : "",
                                 .headers = headers,
                                 .header_count = act->new_key ? 3 : 2,
                                 .body = sent,
                                 .body_bytes = strlen(sent)};
    for (int attempt = 1;; attempt++) {
        struct hd_error err = {0};
        struct hd_changeset changes = hd_changeset(desk.arena);
        struct hd_commit_result result = {0};
        struct hd_response response = {0};
        hd_arena_reset(desk.arena);
        hd_producer_decide(desk.producer, &desk.ctx, &request, desk.arena, attempt, &changes, &response);
        int r = hd_changeset_check(&changes, &err);
        if (!r && changes.count > 0)
            r = desk.store->ops->commit(desk.store, (const struct hd_changeset *const[]){&changes}, 1, &result, &err);
        if (r)
            return failed(&request, &err);
        if (result.code == HD_ERR_CONFLICT)
            continue;
        return (struct outcome){.status = response.status, .body = response.body};
    }
}

static int commit_work(const struct hd_work *work, struct hd_error *err) {
    struct hd_commit_result result = {0};
    int r = hd_changeset_check(&work->changes, err);
    if (!r && work->changes.count > 0)
        r = desk.store->ops->commit(desk.store, (const struct hd_changeset *const[]){&work->changes}, 1, &result, err);
    return r ? r : (int)result.code;
}

static struct outcome process(const struct hd_processor *processor);

/* An outcome that cannot be written down is kept, and written when there is memory again. The message is then given up, and acknowledged when it comes again. */
static int conclude(const struct hd_processor *processor, struct hd_work *work) {
    struct hd_transfer_result result = {.response_code = 250, .stage = HD_SMTP_MESSAGE};
    for (int times = 0; times < 2; times++) {
        struct hd_error err = {0};
        work->changes = hd_changeset(desk.arena);
        int r = processor->conclude(&desk.ctx, work, &result, &err);
        if (!r)
            r = commit_work(work, &err);
        if (!r && times == 0)
            return 200;
        if (!r)
            return desk.queue->ops->extend(desk.queue, work->message, desk.now_ms, 0, &err) ? 500 : process(processor).status;
        armed = false;
    }
    return 500;
}

/* As the worker does it. */
static struct outcome process(const struct hd_processor *processor) {
    struct hd_message *messages = NULL;
    size_t count = 0;
    int64_t next_ms = 0;
    struct hd_error err = {0};
    hd_arena_reset(desk.received);
    hd_arena_reset(desk.arena);
    if (desk.queue->ops->receive(desk.queue, processor->queue, 1, desk.now_ms, 60 * 1000, desk.received, &messages, &count, &next_ms, &err))
        return (struct outcome){.status = 503, .body = ""};
    if (count == 0)
        return (struct outcome){.status = failures > 0 ? 503 : 404, .body = ""}; /* no room to note that it is taken: it waits */
    struct hd_work work = {.message = &messages[0], .arena = desk.arena, .changes = hd_changeset(desk.arena)};
    int r = processor->begin(&desk.ctx, &work, &err);
    if (!r)
        r = commit_work(&work, &err);
    int status = r ? 503 : work.transfer.kind == HD_TRANSFER_NONE ? 200 : conclude(processor, &work);
    if (status != 200)
        (void)desk.queue->ops->extend(desk.queue, &messages[0], desk.now_ms, 0, NULL);
    return (struct outcome){.status = status, .body = ""};
}

static struct outcome perform(const struct act *act) {
    struct hd_error err = {0};
    desk.by_smtp = act->by_smtp;
    if (open_views(&err))
        return (struct outcome){.status = hd_code_http_status(err.code), .body = ""};
    return act->processor ? process(act->processor) : ask(act);
}

static const struct act open_ticket = {
    .name = "POST /tickets",
    .method = "POST",
    .path = "/tickets",
    .new_key = true,
    .body =
        "{\"title\":\"Impressão\",\"description\":\"Não sai\",\"priority\":\"high\",\"tags\":[\"a\",\"b\"],\"channels\":[\"email\",\"inapp\"]}",
};
static const struct act route = {.name = "the router", .processor = &hd_router_processor};

/* Makes sure that there is a message for the act. No faults here. */
static void provide(const struct act *act) {
    if (!act->processor)
        return;
    static const char *const waiting = "SELECT count(*) FROM messages WHERE queue = ?1";
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_prepare_v2(desk.eye, waiting, -1, &query, NULL), SQLITE_OK);
    sqlite3_bind_int(query, 1, (int)act->processor->queue);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    bool there = sqlite3_column_int(query, 0) > 0;
    sqlite3_finalize(query);
    if (there)
        return;
    bool is_router = act->processor == &hd_router_processor;
    if (!is_router)
        provide(&route);
    key_number++;
    struct outcome outcome = perform(is_router ? &open_ticket : &route);
    close_views();
    assert_int_equal(outcome.status, is_router ? 201 : 200);
}

/* What the act does without a fault. */
struct reference {
    int status;
    const char *body;
    struct counts change;
};

static struct reference do_without_faults(const struct act *act) {
    provide(act);
    key_number++;
    struct counts before = look();
    struct outcome outcome = perform(act);
    struct reference reference = {.status = outcome.status, .body = hd_arena_strdup(desk.references, outcome.body)};
    close_views();
    struct counts after = look();
    for (size_t i = 0; i < COUNT_COUNT; i++)
        reference.change.of[i] = after.of[i] - before.of[i];
    if (reference.status / 100 != 2)
        fail_msg("%s: %d %s", act->name, reference.status, reference.body);
    return reference;
}

static void check_outcome(const struct act *act, const struct reference *reference, int nth, const struct counts *before,
                          const struct outcome *outcome) {
    static const struct counts nothing;
    bool done = outcome->status == reference->status;
    if (!done && outcome->status != 503)
        fail_msg("%s, allocation %d: %d, %s", act->name, nth, outcome->status, outcome->body);
    if (done && act->body_is_stable && strcmp(outcome->body, reference->body) != 0)
        fail_msg("%s, allocation %d: answers %s", act->name, nth, outcome->body);
    struct counts after = look();
    if (changed_by(before, &after, done ? &reference->change : &nothing))
        return;
    for (size_t i = 0; i < COUNT_COUNT; i++)
        print_message("%s: %" PRId64 " → %" PRId64 "\n", countings[i], before->of[i], after.of[i]);
    fail_msg("%s, allocation %d: %d, and that is not what happened", act->name, nth, outcome->status);
}

/* There is memory again: the views that are open read and commit. A commit whose condition does not hold, so that the rows do not pile up. */
static void check_views_go_on(void) {
    struct hd_error err = {0};
    struct hd_ticket ticket = {.ticket_id = "tkt-never", .version = 100, .title = "t", .owner_id = "u-10"};
    struct hd_commit_result result = {0};
    const struct hd_user *user = NULL;
    hd_arena_reset(desk.arena);
    struct hd_changeset changes = hd_changeset(desk.arena);
    hd_put_ticket(&changes, &ticket, 99);
    if (desk.store->ops->begin_reads(desk.store, &err))
        fail_msg("reads do not go on: %s", err.detail);
    assert_int_equal(desk.store->ops->user(desk.store, desk.arena, "u-10", &user, &err), 0);
    desk.store->ops->end_reads(desk.store);
    assert_non_null(user);
    if (desk.store->ops->commit(desk.store, (const struct hd_changeset *const[]){&changes}, 1, &result, &err))
        fail_msg("commits do not go on: %s", err.detail);
    assert_int_equal(result.code, HD_ERR_CONFLICT);
}

/* One run with the nth allocation failing. False when there was no nth. */
static bool do_with_fault(const struct act *act, const struct reference *reference, int nth, bool from_then_on, int *ret_refused) {
    provide(act);
    key_number++;
    struct counts before = look();
    fail_at = nth;
    for_ever = from_then_on;
    allocations = failures = 0;
    armed = true;
    struct outcome outcome = perform(act);
    armed = false;
    bool came = failures > 0;
    check_outcome(act, reference, nth, &before, &outcome);
    bool refused = outcome.status != reference->status;
    if (refused && desk.queue)
        check_views_go_on();
    if (refused && desk.queue && nth % AGAIN_EVERY == 0) { /* and so does the act */
        failures = 0;
        outcome = act->processor ? process(act->processor) : ask(act);
        if (outcome.status != reference->status)
            fail_msg("%s, behind allocation %d: %d, %s", act->name, nth, outcome.status, outcome.body);
        check_outcome(act, reference, nth, &before, &outcome);
    }
    close_views();
    *ret_refused += refused;
    return came;
}

static void check_act(const struct act *act) {
    struct reference reference = do_without_faults(act);
    int runs[2] = {0}, refused[2] = {0};
    for (int mode = 0; mode < 2; mode++)
        for (int nth = 1; do_with_fault(act, &reference, nth, mode == 1, &refused[mode]); nth++)
            runs[mode]++;
    struct reference again = do_without_faults(act);
    assert_int_equal(again.status, reference.status);
    print_message("%s: %d allocations; %d refused when one fails, %d of %d when all from then on do\n", act->name, runs[0], refused[0],
                  refused[1], runs[1]);
    assert_true(refused[0] > 0 && refused[1] > 0);
}

/* ---- the acts ---- */

static void opening_a_ticket_happens_or_is_503(void **state) {
    (void)state;
    check_act(&open_ticket);
}

static void publishing_events_happens_or_is_503(void **state) {
    (void)state;
    check_act(&(struct act){
        .name = "POST /events",
        .method = "POST",
        .path = "/events",
        .by_admin = true,
        .numbered_body = true,
        .body =
            "{\"event\":\"TicketResolved\",\"eventId\":\"evt-#\",\"occurredAt\":\"2026-01-01T00:00:00Z\",\"payload\":{\"ticketId\":\"tkt-1\",\"userId\":\"u-10\"}}"});
    check_act(&(struct act){
        .name = "POST /events with two",
        .method = "POST",
        .path = "/events",
        .by_admin = true,
        .numbered_body = true,
        .body =
            "[{\"event\":\"TicketResolved\",\"eventId\":\"evt-a-#\",\"occurredAt\":\"2026-01-01T00:00:00Z\",\"payload\":{\"ticketId\":\"tkt-1\",\"userId\":\"u-10\"}},"
            "{\"event\":\"TicketResolved\",\"eventId\":\"evt-b-#\",\"occurredAt\":\"2026-01-01T00:00:00Z\",\"payload\":{\"ticketId\":\"tkt-1\",\"userId\":\"u-10\"}}]"});
}

static void lists_are_right_or_503(void **state) {
    (void)state;
    check_act(&(struct act){
        .name = "GET /tickets", .method = "GET", .path = "/tickets", .query = "limit=20&status=open", .body_is_stable = true});
    check_act(&(struct act){.name = "GET /notifications",
                            .method = "GET",
                            .path = "/notifications",
                            .query = "userId=u-10&channel=email",
                            .by_admin = true,
                            .body_is_stable = true});
    check_act(&(struct act){.name = "GET /inbox", .method = "GET", .path = "/inbox", .query = "unread=true", .body_is_stable = true});
}

static const char *one_text(const char *sql) {
    static char text[128];
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_prepare_v2(desk.eye, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    if (sqlite3_column_type(query, 0) == SQLITE_BLOB) {
        (void)snprintf(text, sizeof text, "%s", hd_id_from_bytes(sqlite3_column_blob(query, 0)).text);
    } else {
        (void)snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(query, 0));
    }
    sqlite3_finalize(query);
    return text;
}

static void one_thing_is_right_or_503_and_never_not_found(void **state) {
    (void)state;
    char path[256];
    (void)snprintf(path, sizeof path, "/notifications/%s",
                   one_text("SELECT notification_id FROM notifications WHERE channel = 0 AND status = 3 LIMIT 1"));
    check_act(&(struct act){.name = "GET /notifications/{id}", .method = "GET", .path = path, .body_is_stable = true});
    (void)snprintf(path, sizeof path, "/tickets/%s", one_text("SELECT ticket_id FROM tickets LIMIT 1"));
    check_act(&(struct act){.name = "GET /tickets/{id}", .method = "GET", .path = path, .body_is_stable = true});
    (void)snprintf(path, sizeof path, "/events/%s", one_text("SELECT event_id FROM events LIMIT 1"));
    check_act(&(struct act){.name = "GET /events/{id}", .method = "GET", .path = path, .by_admin = true, .body_is_stable = true});
}

static void reading_an_inbox_item_happens_or_is_503(void **state) {
    (void)state;
    char path[256];
    (void)snprintf(path, sizeof path, "/inbox/%s/read", one_text("SELECT notification_id FROM inbox WHERE read_at = 0 LIMIT 1"));
    struct act act = {.name = "POST /inbox/{id}/read", .method = "POST", .path = path, .body_is_stable = true};
    (void)do_without_faults(&act);
    check_act(&act); /* which changes nothing any more; the change itself is POST's of tickets */
}

static void the_router_decides_right_or_leaves_the_message(void **state) {
    (void)state;
    check_act(&route);
}

static void an_email_is_sent_or_its_message_is_left(void **state) {
    (void)state;
    check_act(&(struct act){.name = "an e-mail, simulated", .processor = &hd_email_processor});
    check_act(&(struct act){.name = "an e-mail by SMTP", .processor = &hd_email_processor, .by_smtp = true});
}

static void an_inbox_item_is_put_or_its_message_is_left(void **state) {
    (void)state;
    check_act(&(struct act){.name = "in-app", .processor = &hd_inapp_processor});
}

/* ---- set-up ---- */

static int sign(const char *user, enum hd_role role, const char **ret_authorization) {
    struct hd_jwt_key key = hd_runtime_key(desk.runtime);
    struct hd_claims claims = {.subject = user, .role = role, .expires_at_s = desk.now_ms / 1000 + 3600};
    const char *token = NULL;
    if (hd_jwt_sign(&key, &claims, desk.now_ms, desk.session, &token, NULL))
        return -1;
    *ret_authorization = hd_arena_printf(desk.session, "Bearer %s", token);
    return *ret_authorization ? 0 : -1;
}

/* The caller's settings are none of this test's. */
static void clear_settings(void) {
    for (char **entry = environ; *entry;) {
        char name[128];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
        if (strncmp(name, "HELPDESK_", 9) != 0 || unsetenv(name) != 0)
            entry++;
    }
}

static int open_desk(struct hd_error *err) {
    const char *temporary = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(folder, sizeof folder, "%s/helpdesk-alloc-XXXXXX", temporary);
    if (!mkdtemp(folder))
        return hd_error_set(err, HD_ERR_INTERNAL, "mkdtemp");
    clear_settings();
    (void)setenv("HELPDESK_DATA_DIR", folder, 1);
    (void)setenv("HELPDESK_JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
    desk.session = hd_arena_new(64 * 1024);
    desk.arena = hd_arena_new(ARENA_BYTES);
    desk.received = hd_arena_new(ARENA_BYTES);
    desk.references = hd_arena_new(ARENA_BYTES);
    desk.now_ms = 1767225600000;
    int r = hd_settings_load(NULL, NULL, &desk.settings, err);
    if (!r)
        r = hd_runtime_open(desk.settings, RUNTIME_SECRET | RUNTIME_STORE | RUNTIME_MESSAGES, &desk.runtime, err);
    if (!r)
        r = hd_smtp_new(&(struct hd_smtp_options){.url = "smtp://127.0.0.1:1025", .mail_from = "HelpDesk <h@example.org>"}, &desk.smtp,
                        err);
    if (r)
        return r;
    struct hd_producer_options options = {
        .jwt_secret = desk.runtime->jwt_secret, .jwt_issuer = desk.settings->jwt_issuer, .jwt_audience = desk.settings->jwt_audience};
    r = hd_producer_new(&options, &desk.producer, err);
    if (!r && (sign("u-10", HD_ROLE_CUSTOMER, &desk.customer) || sign("root", HD_ROLE_ADMIN, &desk.admin)))
        r = hd_error_set(err, HD_ERR_INTERNAL, "no token");
    return r;
}

static int set_up(void **state) {
    (void)state;
    struct hd_error err = {0};
    char path[PATH_BYTES];
    if (open_desk(&err)) {
        (void)fprintf(stderr, "%s\n", err.detail);
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/helpdesk.db", folder);
    if (sqlite3_open_v2(path, &desk.eye, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return -1;
    static const struct act add_user = {
        .name = "POST /users",
        .method = "POST",
        .path = "/users",
        .by_admin = true,
        .body = "{\"userId\":\"u-10\",\"name\":\"Ana Conceição\",\"email\":\"ana@example.org\",\"role\":\"customer\",\"locale\":\"pt-BR\"}",
    };
    static const struct act email = {.processor = &hd_email_processor}, inapp = {.processor = &hd_inapp_processor};
    struct outcome outcome = perform(&add_user);
    close_views();
    if (outcome.status != 201) {
        (void)fprintf(stderr, "%d %s\n", outcome.status, outcome.body);
        return -1;
    }
    (void)do_without_faults(&email);
    (void)do_without_faults(&inapp);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char path[PATH_BYTES];
    sqlite3_close(desk.eye);
    hd_producer_free(desk.producer);
    if (desk.smtp)
        desk.smtp->ops->close(desk.smtp);
    hd_runtime_close(desk.runtime);
    hd_settings_free(desk.settings);
    struct hd_arena *arenas[] = {desk.session, desk.arena, desk.received, desk.references};
    for (size_t i = 0; i < HD_ARRAY_LEN(arenas); i++)
        hd_arena_free(arenas[i]);
    (void)snprintf(path, sizeof path, "%s/helpdesk.db", folder);
    hd_faults_remove(path);
    if (rmdir(folder) != 0)
        perror(folder);
    return 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_a_ticket_happens_or_is_503),
        cmocka_unit_test(publishing_events_happens_or_is_503),
        cmocka_unit_test(lists_are_right_or_503),
        cmocka_unit_test(one_thing_is_right_or_503_and_never_not_found),
        cmocka_unit_test(reading_an_inbox_item_happens_or_is_503),
        cmocka_unit_test(the_router_decides_right_or_leaves_the_message),
        cmocka_unit_test(an_email_is_sent_or_its_message_is_left),
        cmocka_unit_test(an_inbox_item_is_put_or_its_message_is_left),
    };
    const char *pattern = getenv("HELPDESK_CASES");
    if (pattern)
        cmocka_set_test_filter(pattern);
    hd_log_set_level(HD_LOG_ERROR);
    hd_json_init();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed_tests = cmocka_run_group_tests(tests, set_up, tear_down);
    curl_global_cleanup();
    return failed_tests;
}
