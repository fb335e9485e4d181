#include "app/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/arguments.h"
#include "app/local_host.h"
#include "app/serve.h"
#include "app/serve_aws.h"
#include "app/workers.h"
#include "processors/processors.h"

#ifndef HELPDESK_VERSION
#define HELPDESK_VERSION "0.1.0"
#endif

enum { DONE = 0, FAILED = 1, NOT_UNDERSTOOD = 2 };
enum { THREADS_DEFAULT = 2 /* of each processor, on AWS */ };

static int failed(const struct hd_error *err) {
    (void)fflush(stdout); /* what was found before stands before it, where both go to one file, too */
    (void)fprintf(stderr, "helpdesk: %s\n", err->detail[0] ? err->detail : hd_code_title(err->code));
    return FAILED;
}

static int not_understood(const char *what) {
    (void)fprintf(stderr, "helpdesk: %s (see --help)\n", what);
    return NOT_UNDERSTOOD;
}

/* ---- serve ---- */

static int run_serve(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{.name = "demo", .flag = true}, {.name = "no-processors", .flag = true}, {0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count > 0)
        return not_understood("serve takes no words");
    bool demo = hd_argument(&args, "demo") != NULL, processors = hd_argument(&args, "no-processors") == NULL;
    return hd_settings_on_aws(settings) ? hd_serve_aws(settings, demo, processors ? ~0u : 0, THREADS_DEFAULT)
                                        : hd_serve(settings, demo, processors);
}

/* ---- worker ---- */

/* "email,inapp": a set of 1 << index in hd_processors; 0: one of them is none. */
static unsigned processors_of(const char *list) {
    unsigned set = 0;
    while (*list) {
        size_t len = strcspn(list, ","), i = 0;
        while (i < hd_processor_count && (strlen(hd_processors[i]->name) != len || strncmp(hd_processors[i]->name, list, len) != 0))
            i++;
        if (i == hd_processor_count)
            return 0;
        set |= 1u << i;
        list += len + (list[len] == ',');
    }
    return set;
}

static int no_processor(void) {
    (void)fprintf(stderr, "helpdesk: --only wants some of these:");
    for (size_t i = 0; i < hd_processor_count; i++)
        (void)fprintf(stderr, "%s %s", i > 0 ? "," : "", hd_processors[i]->name);
    (void)fprintf(stderr, "\n");
    return NOT_UNDERSTOOD;
}

static int run_worker(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{.name = "only"}, {.name = "threads"}, {0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count > 0)
        return not_understood("worker takes no words");
    const char *only = hd_argument(&args, "only"), *count = hd_argument(&args, "threads");
    unsigned processors = only ? processors_of(only) : ~0u;
    char *end = NULL;
    long threads = count ? strtol(count, &end, 10) : THREADS_DEFAULT;
    if (processors == 0)
        return no_processor();
    if ((count && *end) || threads < 1 || threads > HD_WORKERS_THREADS_MAX)
        return not_understood("--threads wants a number from 1 to 64");
    if (!hd_settings_on_aws(settings)) {
        (void)fprintf(stderr, "helpdesk: a worker is for HELPDESK_BACKEND=aws; embedded, serve does all of it\n");
        return FAILED;
    }
    return hd_work_aws(settings, processors, (size_t)threads);
}

/* ---- requests ---- */

/* Tells a problem+json as people read it. */
static void tell_problem(const struct hd_response *response) {
    json_t *problem = NULL;
    if (hd_json_load(response->body, response->body_bytes, 0, &problem, NULL)) {
        (void)fprintf(stderr, "helpdesk: %.*s\n", (int)response->body_bytes, response->body);
        return;
    }
    const char *title = hd_json_str(problem, "title"), *detail = hd_json_str(problem, "detail");
    const json_t *errors = json_object_get(problem, "errors");
    bool each = json_array_size(errors) > 0; /* then the detail is the first of them */
    (void)fprintf(stderr, "helpdesk: %s%s%s\n", title ? title : "", detail && !each ? ": " : "", detail && !each ? detail : "");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *item = json_array_get(errors, i);
        const char *pointer = hd_json_str(item, "pointer"), *what = hd_json_str(item, "detail");
        (void)fprintf(stderr, "  %s%s%s\n", pointer ? pointer : "", pointer && *pointer ? ": " : "", what ? what : "");
    }
    json_decref(problem);
}

/* One request as the administrator; its answer printed, or its problem told. */
static int request(struct local_host *host, const char *method, const char *path, const char *query, const char *body,
                   struct hd_response *ret) {
    struct hd_error err = {0};
    if (hd_local_host_request(host, method, path, query, body, body ? strlen(body) : 0, ret, &err))
        return failed(&err);
    if (ret->status < 400)
        return DONE;
    tell_problem(ret);
    return FAILED;
}

static void print_answer(const struct hd_response *response) {
    if (response->body_bytes > 0)
        (void)printf("%.*s\n", (int)response->body_bytes, response->body);
}

static struct local_host *open_host(const struct hd_settings *settings, enum hd_role role) {
    struct hd_error err = {0};
    struct local_host *host = NULL;
    if (hd_local_host_open(settings, "cli", role, &host, &err)) {
        (void)failed(&err);
        return NULL;
    }
    return host;
}

static int request_once(const struct hd_settings *settings, enum hd_role role, const char *method, const char *path, const char *body) {
    struct local_host *host = open_host(settings, role);
    struct hd_response response = {0};
    if (!host)
        return FAILED;
    int status = request(host, method, path, "", body, &response);
    if (status == DONE)
        print_answer(&response);
    hd_local_host_close(host);
    return status;
}

/* ---- publish ---- */

static int read_all(const char *path, struct hd_buffer *out) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        (void)fprintf(stderr, "helpdesk: cannot read %s\n", path);
        return FAILED;
    }
    char piece[8192];
    for (size_t got = fread(piece, 1, sizeof piece, file); got > 0; got = fread(piece, 1, sizeof piece, file))
        hd_buffer_add(out, piece, got);
    bool broken = ferror(file) != 0 || out->failure != 0;
    if (file != stdin)
        (void)fclose(file);
    if (broken)
        (void)fprintf(stderr, "helpdesk: cannot read %s, or it is longer than %d bytes\n", path, HD_HTTP_BODY_MAX_BYTES);
    return broken ? FAILED : DONE;
}

static int run_publish(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count != 1)
        return not_understood("publish wants one file, or -");
    struct hd_buffer body = {.limit_bytes = HD_HTTP_BODY_MAX_BYTES};
    int status = read_all(args.words[0], &body);
    if (status == DONE)
        status = request_once(settings, HD_ROLE_SERVICE, "POST", "/events", hd_buffer_text(&body));
    hd_buffer_free(&body);
    return status;
}

/* ---- token ---- */

static int run_token(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{.name = "user"}, {.name = "role"}, {.name = "ttl"}, {0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    const char *user = hd_argument(&args, "user"), *role_name = hd_argument(&args, "role"), *ttl = hd_argument(&args, "ttl");
    int role = role_name ? hd_role_from_name(role_name) : -1;
    int64_t ttl_ms = (int64_t)24 * 3600 * 1000;
    struct hd_error err = {0};
    if (!user || !hd_id_acceptable(user))
        return not_understood("token wants --user ID");
    if (role < 0)
        return not_understood("token wants --role customer|agent|manager|admin|service");
    if (ttl && hd_duration_parse(ttl, &ttl_ms, &err))
        return not_understood(err.detail);
    if (ttl_ms <= 0)
        return not_understood("--ttl must be longer than nothing");
    struct runtime *runtime = NULL;
    if (hd_runtime_open(settings, RUNTIME_SECRET | RUNTIME_EXISTING, &runtime, &err))
        return failed(&err);
    int64_t now_ms = hd_system_clock.now_ms(&hd_system_clock);
    struct hd_jwt_key key = hd_runtime_key(runtime);
    struct hd_claims claims = {.subject = user, .role = (enum hd_role)role, .expires_at_s = (now_ms + ttl_ms) / 1000};
    struct hd_arena *arena = hd_arena_new(64 * 1024);
    const char *token = NULL;
    int r = arena ? hd_jwt_sign(&key, &claims, now_ms, arena, &token, &err) : hd_error_set(&err, HD_ERR_NO_MEMORY, "no memory");
    if (!r)
        (void)printf("%s\n", token);
    hd_arena_free(arena);
    hd_runtime_close(runtime);
    return r ? failed(&err) : DONE;
}

/* ---- users ---- */

static int run_users(const struct hd_settings *settings, int argc, char **argv) {
    static const char *const fields[][2] = {{"id", "userId"}, {"name", "name"},     {"email", "email"}, {"phone", "phone"},
                                            {"role", "role"}, {"locale", "locale"}, {"team", "team"},   {"time-zone", "timeZone"}};
    struct argument options[HD_ARRAY_LEN(fields) + 1] = {0};
    for (size_t i = 0; i < HD_ARRAY_LEN(fields); i++)
        options[i].name = fields[i][0];
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count != 1 || strcmp(args.words[0], "add") != 0)
        return not_understood("users knows: add");
    struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    hd_json_open_object(&w, NULL);
    for (size_t i = 0; i < HD_ARRAY_LEN(fields); i++)
        hd_json_put_str_if(&w, fields[i][1], options[i].value);
    hd_json_close_object(&w);
    int status = request_once(settings, HD_ROLE_ADMIN, "POST", "/users", hd_buffer_text(&body));
    hd_buffer_free(&body);
    return status;
}

/* ---- lists ---- */

struct column {
    const char *field;
    int width;
};

static void print_row(const json_t *item, const struct column *columns) {
    for (const struct column *column = columns; column->field; column++) {
        const json_t *value = json_object_get(item, column->field);
        char number[32];
        (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        const char *text = json_is_string(value) ? json_string_value(value) : json_is_integer(value) ? number : "-";
        (void)printf("%-*s ", column->width, text);
    }
    (void)printf("\n");
}

static void print_head(const struct column *columns) {
    for (const struct column *column = columns; column->field; column++)
        (void)printf("%-*s ", column->width, column->field);
    (void)printf("\n");
}

static void print_page(const json_t *page, const struct column *columns, bool as_json) {
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(json_object_get(page, "items"), i, item) {
        if (!as_json) {
            print_row(item, columns);
            continue;
        }
        struct hd_buffer line = {0};
        hd_json_dump(&line, item);
        (void)printf("%s\n", hd_buffer_text(&line));
        hd_buffer_free(&line);
    }
}

/* "queue=email&limit=50&": the options that were given, as a query. Values are escaped. */
static void add_query(struct hd_buffer *query, const char *name, const char *value) {
    if (!value)
        return;
    hd_buffer_printf(query, "%s%s=", query->len > 0 ? "&" : "", name);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        hd_buffer_printf(
            query,
            (*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z') || *c == '-' || *c == '_' || *c == '.' ? "%c" : "%%%02X",
            *c);
}

enum { LIST_PAGE = 200, LIST_DEFAULT = 50, LIST_MAX = 1000000 };

/* Prints a list, page by page, until limit items. */
static int print_list(const struct hd_settings *settings, const char *path, const struct hd_buffer *filter, const struct column *columns,
                      int64_t limit, bool as_json) {
    struct local_host *host = open_host(settings, HD_ROLE_ADMIN);
    if (!host)
        return FAILED;
    bool headed = as_json;
    char cursor[HD_CURSOR_MAX_LEN + 1] = "";
    int status = DONE;
    do {
        struct hd_buffer query = {0};
        struct hd_response response = {0};
        json_t *page = NULL;
        char page_limit[16];
        (void)snprintf(page_limit, sizeof page_limit, "%d", limit < LIST_PAGE ? (int)limit : LIST_PAGE);
        hd_buffer_add_str(&query, hd_buffer_text(filter));
        add_query(&query, "limit", page_limit);
        if (*cursor)
            add_query(&query, "cursor", cursor);
        status = request(host, "GET", path, hd_buffer_text(&query), NULL, &response);
        if (status == DONE && hd_json_load(response.body, response.body_bytes, 0, &page, NULL) == 0) {
            if (!headed && json_array_size(json_object_get(page, "items")) > 0) {
                print_head(columns);
                headed = true;
            }
            print_page(page, columns, as_json);
            limit -= (int64_t)json_array_size(json_object_get(page, "items"));
        }
        const char *next = page ? hd_json_str(page, "nextCursor") : NULL;
        (void)snprintf(cursor, sizeof cursor, "%s", next ? next : "");
        json_decref(page);
        hd_buffer_free(&query);
    } while (status == DONE && *cursor && limit > 0);
    if (status == DONE && !headed)
        (void)fprintf(stderr, "none\n");
    hd_local_host_close(host);
    return status;
}

/* False: it is no number, and that has been said. */
static bool take_limit(const struct arguments *args, int64_t *ret_limit) {
    const char *text = hd_argument(args, "limit");
    *ret_limit = LIST_DEFAULT;
    if (!text)
        return true;
    char *end = NULL;
    long limit = strtol(text, &end, 10);
    if (end == text || *end || limit < 1 || limit > LIST_MAX)
        return not_understood("--limit wants a number from 1 to 1000000") == DONE;
    *ret_limit = limit;
    return true;
}

static int run_notifications(const struct hd_settings *settings, int argc, char **argv) {
    static const struct column columns[] = {{"notificationId", 36}, {"event", 18},     {"target", 16},
                                            {"channel", 8},         {"status", 10},    {"attempts", 8},
                                            {"reason", 20},         {"createdAt", 24}, {0}};
    struct argument options[] = {{.name = "status"},
                                 {.name = "channel"},
                                 {.name = "user"},
                                 {.name = "ticket"},
                                 {.name = "event"},
                                 {.name = "limit"},
                                 {.name = "json", .flag = true},
                                 {0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count != 1 || strcmp(args.words[0], "list") != 0)
        return not_understood("notifications knows: list");
    int64_t limit = 0;
    if (!take_limit(&args, &limit))
        return NOT_UNDERSTOOD;
    struct hd_buffer filter = {0};
    add_query(&filter, "status", hd_argument(&args, "status"));
    add_query(&filter, "channel", hd_argument(&args, "channel"));
    add_query(&filter, "userId", hd_argument(&args, "user"));
    add_query(&filter, "ticketId", hd_argument(&args, "ticket"));
    add_query(&filter, "eventId", hd_argument(&args, "event"));
    int status = print_list(settings, "/notifications", &filter, columns, limit, hd_argument(&args, "json") != NULL);
    hd_buffer_free(&filter);
    return status;
}

/* ---- dead letters ---- */

static int dlq_list(const struct hd_settings *settings, const struct arguments *args) {
    static const struct column columns[] = {{"deadLetterId", 36}, {"queue", 8},   {"reason", 22},    {"attempts", 8},
                                            {"target", 16},       {"detail", 40}, {"createdAt", 24}, {0}};
    int64_t limit = 0;
    if (!take_limit(args, &limit))
        return NOT_UNDERSTOOD;
    struct hd_buffer filter = {0};
    add_query(&filter, "queue", hd_argument(args, "queue"));
    add_query(&filter, "reason", hd_argument(args, "reason"));
    int status = print_list(settings, "/dead-letters", &filter, columns, limit, hd_argument(args, "json") != NULL);
    hd_buffer_free(&filter);
    return status;
}

static int dlq_one(const struct hd_settings *settings, const char *method, const char *id, const char *suffix, const char *done) {
    char path[HD_ID_MAX_LEN * 3 + 64];
    struct hd_response response = {0};
    if (!hd_id_acceptable(id))
        return not_understood("this is no id of a dead letter");
    struct local_host *host = open_host(settings, HD_ROLE_ADMIN);
    if (!host)
        return FAILED;
    (void)snprintf(path, sizeof path, "/dead-letters/%s%s", id, suffix);
    int status = request(host, method, path, "", NULL, &response);
    if (status == DONE)
        (void)printf("1 %s\n", done);
    hd_local_host_close(host);
    return status;
}

static int dlq_redrive_all(const struct hd_settings *settings, const struct arguments *args) {
    struct local_host *host = open_host(settings, HD_ROLE_ADMIN);
    if (!host)
        return FAILED;
    struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    hd_json_open_object(&w, NULL);
    hd_json_put_str_if(&w, "queue", hd_argument(args, "queue"));
    hd_json_put_str_if(&w, "reason", hd_argument(args, "reason"));
    hd_json_close_object(&w);
    int64_t redriven = 0;
    bool more = true;
    int status = DONE;
    while (status == DONE && more) {
        struct hd_response response = {0};
        json_t *answer = NULL;
        status = request(host, "POST", "/dead-letters/redrive", "", hd_buffer_text(&body), &response);
        if (status != DONE || hd_json_load(response.body, response.body_bytes, 0, &answer, NULL))
            break;
        redriven += hd_json_int(answer, "redriven", 0);
        more = json_is_true(json_object_get(answer, "more"));
        json_decref(answer);
    }
    if (status == DONE)
        (void)printf("%lld queued again\n", (long long)redriven);
    hd_buffer_free(&body);
    hd_local_host_close(host);
    return status;
}

/* Of the page behind the cursor, which moves on: a page may be empty and not the last. Gives how many. */
static size_t purge_page(struct local_host *host, const struct hd_buffer *filter, char *cursor, int *ret_status) {
    struct hd_buffer query = {0};
    struct hd_response response = {0};
    json_t *page = NULL, *item = NULL;
    size_t i = 0, purged = 0;
    hd_buffer_add_str(&query, hd_buffer_text(filter));
    if (*cursor)
        add_query(&query, "cursor", cursor);
    *cursor = '\0';
    *ret_status = request(host, "GET", "/dead-letters", hd_buffer_text(&query), NULL, &response);
    hd_buffer_free(&query);
    if (*ret_status != DONE || hd_json_load(response.body, response.body_bytes, 0, &page, NULL))
        return 0;
    const char *next = hd_json_str(page, "nextCursor");
    (void)snprintf(cursor, HD_CURSOR_MAX_LEN + 1, "%s", next ? next : "");
    json_array_foreach(json_object_get(page, "items"), i, item) {
        char path[HD_ID_MAX_LEN * 3 + 64];
        (void)snprintf(path, sizeof path, "/dead-letters/%s", hd_json_str(item, "deadLetterId"));
        *ret_status = request(host, "DELETE", path, "", NULL, &response);
        if (*ret_status != DONE)
            break;
        purged++;
    }
    json_decref(page);
    return purged;
}

static int dlq_purge_all(const struct hd_settings *settings, const struct arguments *args) {
    struct local_host *host = open_host(settings, HD_ROLE_ADMIN);
    if (!host)
        return FAILED;
    struct hd_buffer filter = {0};
    add_query(&filter, "queue", hd_argument(args, "queue"));
    add_query(&filter, "reason", hd_argument(args, "reason"));
    add_query(&filter, "limit", "200");
    size_t purged = 0;
    char cursor[HD_CURSOR_MAX_LEN + 1] = "";
    int status = DONE;
    do
        purged += purge_page(host, &filter, cursor, &status);
    while (status == DONE && *cursor);
    if (status == DONE)
        (void)printf("%zu purged\n", purged);
    hd_buffer_free(&filter);
    hd_local_host_close(host);
    return status;
}

static int run_dlq(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {
        {.name = "queue"}, {.name = "reason"}, {.name = "limit"}, {.name = "all", .flag = true}, {.name = "json", .flag = true}, {0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    const char *what = args.word_count > 0 ? args.words[0] : "", *id = args.word_count == 2 ? args.words[1] : NULL;
    bool all = hd_argument(&args, "all") != NULL;
    if (strcmp(what, "list") == 0 && !id)
        return dlq_list(settings, &args);
    bool redrive = strcmp(what, "redrive") == 0, purge = strcmp(what, "purge") == 0;
    if ((!redrive && !purge) || (id != NULL) == all)
        return not_understood("dlq knows: list; redrive ID or --all; purge ID or --all");
    if (hd_argument(&args, "limit") || hd_argument(&args, "json"))
        return not_understood("--limit and --json are for dlq list");
    if (id && (hd_argument(&args, "queue") || hd_argument(&args, "reason")))
        return not_understood("--queue and --reason go with --all");
    if (id)
        return redrive ? dlq_one(settings, "POST", id, "/redrive", "queued again") : dlq_one(settings, "DELETE", id, "", "purged");
    return redrive ? dlq_redrive_all(settings, &args) : dlq_purge_all(settings, &args);
}

/* ---- operation ---- */

static void print_line(void *arg, const char *line) {
    (void)arg;
    (void)printf("%s\n", line);
}

static int run_setup(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count > 0)
        return not_understood("setup takes no words");
    if (!hd_settings_on_aws(settings)) {
        (void)printf("nothing to set up: embedded, helpdesk serve makes what it needs in HELPDESK_DATA_DIR\n");
        return DONE;
    }
    struct runtime *runtime = NULL;
    struct hd_error err = {0};
    int r = hd_runtime_open(settings, RUNTIME_STORE, &runtime, &err);
    if (!r)
        r = hd_aws_setup(runtime->aws, print_line, NULL, &err);
    hd_runtime_close(runtime);
    return r ? failed(&err) : DONE;
}

static int check_database(const struct runtime *runtime, struct hd_error *err) {
    int r = hd_sqlite_verify(runtime->database, err);
    if (!r)
        (void)printf("database in %s: sound%s\n", runtime->settings->data_dir, runtime->database_is_new ? ", and new: there was none" : "");
    return r;
}

static int check_aws(const struct runtime *runtime, struct hd_error *err) {
    size_t problems = 0;
    int r = hd_aws_check(runtime->aws, print_line, NULL, &problems, err);
    if (!r && problems > 0)
        r = hd_error_set(err, HD_ERR_CONFIGURATION, "%zu problem%s (helpdesk setup makes what is missing)", problems,
                         problems == 1 ? "" : "s");
    if (!r)
        (void)printf("table %s and queues %s: good\n", runtime->settings->table, runtime->settings->queues);
    return r;
}

static int run_check(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count > 0)
        return not_understood("check takes no words");
    struct runtime *runtime = NULL;
    struct hd_error err = {0};
    int r = hd_runtime_open(settings, RUNTIME_SECRET | RUNTIME_MESSAGES | RUNTIME_STORE, &runtime, &err);
    if (!r)
        (void)printf("settings, schemas and templates: good (e-mail: %s)\n", runtime->messages.providers[HD_EMAIL]->ops->name);
    if (!r)
        r = runtime->database ? check_database(runtime, &err) : check_aws(runtime, &err);
    hd_runtime_close(runtime);
    return r ? failed(&err) : DONE;
}

static int run_backup(const struct hd_settings *settings, int argc, char **argv) {
    struct argument options[] = {{0}};
    struct arguments args = {.options = options};
    if (!hd_arguments_parse(&args, argc, argv))
        return NOT_UNDERSTOOD;
    if (args.word_count != 1)
        return not_understood("backup wants one file, which must not exist");
    if (hd_settings_on_aws(settings)) {
        (void)fprintf(stderr,
                      "helpdesk: DynamoDB keeps backups itself: turn on point-in-time recovery of the table (the template does), or use "
                      "aws dynamodb create-backup --table-name %s\n",
                      settings->table);
        return FAILED;
    }
    struct runtime *runtime = NULL;
    struct hd_error err = {0};
    int r = hd_runtime_open(settings, RUNTIME_STORE | RUNTIME_EXISTING, &runtime, &err);
    if (!r)
        r = hd_sqlite_backup(runtime->database, args.words[0], &err);
    if (!r)
        (void)printf("%s written\n", args.words[0]);
    hd_runtime_close(runtime);
    return r ? failed(&err) : DONE;
}

static int run_version(const struct hd_settings *settings, int argc, char **argv) {
    (void)settings;
    (void)argc;
    (void)argv;
    (void)printf("helpdesk " HELPDESK_VERSION "\n");
    return DONE;
}

const struct command hd_commands[] = {
    {"serve", "serve [--demo] [--no-processors]",
     "API, page and processors in one process (with HELPDESK_BACKEND=aws, in any number of them). --demo: people to try it with, and sign-in by one click.\n"
     "--no-processors: takes events in and sends nothing (a later start does).",
     run_serve},
    {"worker", "worker [--only router,email,inapp,dlq] [--threads N]",
     "Processors alone, with HELPDESK_BACKEND=aws: as many of them, on as many machines, as there is work. --only: of these queues. --threads: of each (2).",
     run_worker},
    {"setup", "setup",
     "Makes the table and the queues that HELPDESK_BACKEND=aws needs, as far as they are not there. Embedded: nothing to do.", run_setup},
    {"publish", "publish FILE|-", "An event, or a JSON array of up to 100, from a file or standard input.", run_publish},
    {"token", "token --user ID --role customer|agent|manager|admin|service [--ttl 24h]", "A signed token, for scripts.", run_token},
    {"users", "users add --name N [--id ID] [--email E] [--role R] [--locale pt-BR|en] [--team T] [--phone P] [--time-zone Z]",
     "Adds a person.", run_users},
    {"notifications", "notifications list [--status S] [--channel C] [--user ID] [--ticket ID] [--event ID] [--limit N] [--json]",
     "What was, is being and will not be delivered, newest first. --limit: how many (50).", run_notifications},
    {"dlq", "dlq list [--queue Q] [--reason R] [--limit N] [--json] | dlq redrive|purge ID|--all [--queue Q] [--reason R]",
     "Dead letters: see them (--limit: how many, 50), send them again, or drop them: one, or all that match.", run_dlq},
    {"check", "check", "Says what is wrong with the settings and the database (read whole), or the table and the queues.", run_check},
    {"backup", "backup FILE", "A consistent copy of the database, taken while the server runs.", run_backup},
    {"version", "version", "The version.", run_version},
};
const size_t hd_command_count = HD_ARRAY_LEN(hd_commands);
