/* Stands in for Lambda, and for the services that a function calls, so that what is measured is the function: starts it, gives it events, and times it.
 *
 *   standin [--items FILE] [--requests FILE] --starts N | [--count-from I] --batches N EVENT-FILE… -- COMMAND…
 *
 * --starts N: runs COMMAND N times, each until its first GET of the next invocation: from exec to that, and its resident memory then.
 * --batches N: runs it once and gives it the events in turn, N times in all: from the event's going out to its answer's coming in, the CPU time of all its threads, its memory before the
 *   first and after the last. --count-from I: the first I are not counted (default 0).
 * --items FILE: the table, a DynamoDB item a line. With it this process is the function's AWS_ENDPOINT_URL and HELPDESK_QUEUES: reads are answered from the items, writes are taken and forgotten, messages are
 *   taken. Without it the function calls whatever AWS_ENDPOINT_URL says.
 * --requests FILE: gets what was asked of the services, a line each: the target, a space, the body.
 *
 * All on one thread, but for starting and waiting: a figure includes this program's own work, some 20 us a request. Prints JSON. Exits with 1 when the function fails. */
#include <microhttpd.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dirent.h>
#include <netinet/in.h>

#include "base/json.h"

enum {
    ITEMS_MAX = 1 << 14,
    SLOTS = 1 << 15,
    EVENTS_MAX = 1024,
    MEASURES_MAX = 4096,
    ARENA_BYTES = 64 * 1024 * 1024,
    DEADLINE_MS = 60 * 1000
};

struct item {
    const char *pk, *sk, *text;
    const json_t *value;
};

struct body {
    struct hd_buffer bytes;
    int64_t came_ns; /* when its head had come */
};

struct standin {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool over;   /* this run of the function */
    bool failed; /* and all else */
    pid_t pid;   /* the function */
    int port;
    int64_t started_ns;
    long starts, batches, count_from; /* what is wanted; one of the first two is 0 */
    struct item items[ITEMS_MAX];
    size_t item_count;
    unsigned short slots[SLOTS]; /* open addressing by key: an index of items, plus 1 */
    char *events[EVENTS_MAX];
    size_t event_bytes[EVENTS_MAX];
    size_t event_count;
    FILE *requests;
    struct hd_arena *arena; /* the items */
    struct hd_arena *request_arena;
    /* measured */
    long given;
    int64_t given_ns, cpu_from_ns, cpu_ns;
    double start_ms[MEASURES_MAX], batch_ms[MEASURES_MAX];
    long start_kib[MEASURES_MAX];
    size_t start_count, batch_count;
    long end_kib;
    long calls; /* of the services, in what is counted */
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double ms(int64_t ns) {
    return (double)ns / 1e6;
}

/* ---- the function, from outside ---- */

static long resident_kib(pid_t pid) {
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

/* On the CPU, all threads that live. */
static int64_t cpu_of(pid_t pid) {
    char path[300];
    long long sum = 0, ns;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    for (struct dirent *task; folder && (task = readdir(folder));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%lld", &ns) == 1)
            sum += ns;
        if (file)
            fclose(file);
    }
    if (folder)
        closedir(folder);
    return sum;
}

static void end_run(struct standin *s, bool failed) {
    pthread_mutex_lock(&s->mutex);
    s->over = true;
    s->failed = s->failed || failed;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, const char *text, size_t len,
                              const char *const headers[][2]) {
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", type);
    for (; headers && (*headers)[0]; headers++)
        MHD_add_response_header(response, (*headers)[0], (*headers)[1]);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned status, const struct hd_buffer *text) {
    static const char *const headers[][2] = {{"x-amzn-RequestId", "00000000-0000-4000-8000-000000000000"}, {NULL, NULL}};
    return answer(connection, status, "application/x-amz-json-1.0", hd_buffer_text(text), text->len, headers);
}

/* ---- the Runtime API ---- */

static enum MHD_Result refuse(struct standin *s) {
    end_run(s, false);
    return MHD_NO; /* the connection ends, and the function is killed */
}

static enum MHD_Result give_event(struct standin *s, struct MHD_Connection *connection) {
    char id[48], deadline[32];
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012ld", s->given);
    snprintf(deadline, sizeof deadline, "%lld", (long long)wall.tv_sec * 1000 + DEADLINE_MS);
    const char *const headers[][2] = {{"Lambda-Runtime-Aws-Request-Id", id},
                                      {"Lambda-Runtime-Deadline-Ms", deadline},
                                      {"Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:bench"},
                                      {NULL, NULL}};
    size_t which = (size_t)s->given % s->event_count;
    if (s->given == s->count_from) {
        s->cpu_from_ns = cpu_of(s->pid);
        s->calls = 0;
    }
    s->given++;
    s->given_ns = now_ns();
    return answer(connection, MHD_HTTP_OK, "application/json", s->events[which], s->event_bytes[which], headers);
}

static enum MHD_Result next_invocation(struct standin *s, struct MHD_Connection *connection, int64_t came_ns) {
    if (s->given == 0) {
        pthread_mutex_lock(&s->mutex);
        s->start_ms[s->start_count] = ms(came_ns - s->started_ns);
        s->start_kib[s->start_count++] = resident_kib(s->pid);
        pthread_mutex_unlock(&s->mutex);
    }
    if (s->given < s->batches)
        return give_event(s, connection);
    if (s->batches > 0) {
        s->cpu_ns = cpu_of(s->pid) - s->cpu_from_ns;
        s->end_kib = resident_kib(s->pid);
    }
    return refuse(s);
}

static enum MHD_Result invocation_over(struct standin *s, struct MHD_Connection *connection, const char *url, const struct body *body) {
    static const char ok[] = "{\"status\":\"OK\"}";
    bool failed = !strstr(url, "/response") || strstr(hd_buffer_text(&body->bytes), "itemIdentifier");
    if (failed) {
        fprintf(stderr, "standin: %s: %s\n", url, hd_buffer_text(&body->bytes));
        end_run(s, true);
    } else if (s->given > s->count_from && s->batch_count < MEASURES_MAX) {
        s->batch_ms[s->batch_count++] = ms(now_ns() - s->given_ns);
    }
    return answer(connection, MHD_HTTP_ACCEPTED, "application/json", ok, sizeof ok - 1, NULL);
}

/* ---- DynamoDB ---- */

static const char *key_part(const json_t *key, const char *name) {
    const char *text = hd_json_str(json_object_get(key, name), "S");
    return text ? text : "";
}

static size_t slot_of(const struct standin *s, const char *pk, const char *sk) {
    uint32_t hash = 2166136261u;
    for (const char *c = pk; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    size_t at = (hash ^ hash >> 15) % SLOTS;
    for (; s->slots[at]; at = (at + 1) % SLOTS) {
        const struct item *item = &s->items[s->slots[at] - 1];
        if (strcmp(item->pk, pk) == 0 && strcmp(item->sk, sk) == 0)
            break;
    }
    return at;
}

static const struct item *find_item(const struct standin *s, const json_t *key) {
    unsigned short found = s->slots[slot_of(s, key_part(key, "pk"), key_part(key, "sk"))];
    return found ? &s->items[found - 1] : NULL;
}

static void put_found(const struct standin *s, struct hd_json_writer *w, const char *name, const json_t *key) {
    const struct item *item = find_item(s, key);
    if (item)
        hd_json_put_raw(w, name, item->text, strlen(item->text));
}

static void get_item(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    put_found(s, w, "Item", json_object_get(request, "Key"));
}

static void batch_get_item(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    const char *table;
    json_t *wanted, *key;
    size_t i;
    hd_json_open_object(w, "Responses");
    json_object_foreach(json_object_get(request, "RequestItems"), table, wanted) {
        hd_json_open_array(w, table);
        json_array_foreach(json_object_get(wanted, "Keys"), i, key) put_found(s, w, NULL, key);
        hd_json_close_array(w);
    }
    hd_json_close_object(w);
    hd_json_put_raw(w, "UnprocessedKeys", "{}", 2);
}

static void transact_get_items(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    json_t *entry;
    size_t i;
    hd_json_open_array(w, "Responses");
    json_array_foreach(json_object_get(request, "TransactItems"), i, entry) {
        hd_json_open_object(w, NULL);
        put_found(s, w, "Item", json_object_get(json_object_get(entry, "Get"), "Key"));
        hd_json_close_object(w);
    }
    hd_json_close_array(w);
}

/* As much of a condition as "this attribute has this value": an item fits when one of its index attributes, or pk, has one of the condition's values. */
static bool fits(const struct item *item, const json_t *values) {
    static const char *const attributes[] = {"pk", "k", "s", "p", "e", "t"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, name, value) {
        for (size_t i = 0; i < HD_ARRAY_LEN(attributes); i++)
            if (json_equal(json_object_get(item->value, attributes[i]), value))
                return true;
    }
    return false;
}

static void query(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    int64_t count = 0;
    hd_json_open_array(w, "Items");
    for (size_t i = 0; i < s->item_count; i++) {
        if (!fits(&s->items[i], json_object_get(request, "ExpressionAttributeValues")))
            continue;
        hd_json_put_raw(w, NULL, s->items[i].text, strlen(s->items[i].text));
        count++;
    }
    hd_json_close_array(w);
    hd_json_put_int(w, "Count", count);
    hd_json_put_int(w, "ScannedCount", count);
}

static void batch_write_item(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    (void)s;
    (void)request;
    hd_json_put_raw(w, "UnprocessedItems", "{}", 2);
}

static void nothing(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    (void)s;
    (void)request;
    (void)w;
}

/* ---- SQS ---- */

static void queue_url(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    char url[300];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/123456789012/%s", s->port, hd_json_str(request, "QueueName"));
    hd_json_put_str(w, "QueueUrl", url);
}

static void put_md5(struct hd_json_writer *w, const char *text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    EVP_Digest(text, strlen(text), digest, &len, EVP_md5(), NULL);
    for (unsigned i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    hd_json_put_str(w, "MD5OfMessageBody", hex);
}

static void take_batch(const struct standin *s, const json_t *request, struct hd_json_writer *w) {
    json_t *entry;
    size_t i;
    (void)s;
    hd_json_open_array(w, "Successful");
    json_array_foreach(json_object_get(request, "Entries"), i, entry) {
        hd_json_open_object(w, NULL);
        hd_json_put_str(w, "Id", hd_json_str(entry, "Id"));
        if (hd_json_str(entry, "MessageBody")) {
            hd_json_put_str(w, "MessageId", "00000000-0000-4000-8000-000000000000");
            put_md5(w, hd_json_str(entry, "MessageBody"));
        }
        hd_json_close_object(w);
    }
    hd_json_close_array(w);
    hd_json_put_raw(w, "Failed", "[]", 2);
}

/* ---- services ---- */

static const struct {
    const char *target;
    void (*answer)(const struct standin *s, const json_t *request, struct hd_json_writer *w);
} calls[] = {
    {"DynamoDB_20120810.GetItem", get_item},
    {"DynamoDB_20120810.BatchGetItem", batch_get_item},
    {"DynamoDB_20120810.TransactGetItems", transact_get_items},
    {"DynamoDB_20120810.Query", query},
    {"DynamoDB_20120810.TransactWriteItems", nothing},
    {"DynamoDB_20120810.PutItem", nothing},
    {"DynamoDB_20120810.UpdateItem", nothing},
    {"DynamoDB_20120810.DeleteItem", nothing},
    {"DynamoDB_20120810.BatchWriteItem", batch_write_item},
    {"AmazonSQS.GetQueueUrl", queue_url},
    {"AmazonSQS.SendMessageBatch", take_batch},
    {"AmazonSQS.DeleteMessageBatch", take_batch},
};

static enum MHD_Result call(struct standin *s, struct MHD_Connection *connection, const struct body *body) {
    const char *target = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Amz-Target");
    json_t *request = NULL;
    struct hd_error err = {0};
    hd_arena_reset(s->request_arena);
    s->calls++;
    if (s->requests)
        fprintf(s->requests, "%s %s\n", target ? target : "?", hd_buffer_text(&body->bytes));
    for (size_t i = 0; target && i < HD_ARRAY_LEN(calls); i++) {
        if (strcmp(calls[i].target, target) != 0)
            continue;
        if (hd_json_parse(s->request_arena, body->bytes.data, body->bytes.len, 0, &request, &err) < 0)
            break;
        HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {0};
        struct hd_json_writer w = hd_json_writer(&text);
        hd_json_open_object(&w, NULL);
        calls[i].answer(s, request, &w);
        hd_json_close_object(&w);
        return answer_json(connection, MHD_HTTP_OK, &text);
    }
    fprintf(stderr, "standin: cannot answer %s %s\n", target ? target : "a request without a target", err.detail);
    end_run(s, true);
    return MHD_NO;
}

/* ---- HTTP ---- */

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *data_bytes, void **request) {
    struct standin *s = cls;
    struct body *body = *request;
    (void)method;
    (void)version;
    if (!body) {
        *request = body = calloc(1, sizeof *body);
        if (body)
            body->came_ns = now_ns();
        return body ? MHD_YES : MHD_NO;
    }
    if (*data_bytes > 0) {
        hd_buffer_add(&body->bytes, data, *data_bytes);
        *data_bytes = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/2018-06-01/runtime/invocation/next") == 0)
        return next_invocation(s, connection, body->came_ns);
    return strncmp(url, "/2018-06-01/runtime/", strlen("/2018-06-01/runtime/")) == 0 ? invocation_over(s, connection, url, body)
                                                                                     : call(s, connection, body);
}

static void completed(void *cls, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode why) {
    struct body *body = *request;
    (void)cls;
    (void)connection;
    (void)why;
    if (body)
        hd_buffer_free(&body->bytes);
    free(body);
    *request = NULL;
}

/* ---- running the function ---- */

/* Without a copy of this process. Its output goes where our errors go: ours is for the figures. 0: it could not be started. */
static pid_t start(char **command) {
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    int failure = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure)
        fprintf(stderr, "standin: %s: %s\n", command[0], strerror(failure));
    return failure ? 0 : pid;
}

/* Until it has asked for an invocation that there is not, or died before that. */
static void run_once(struct standin *s, char **command) {
    pthread_mutex_lock(&s->mutex); /* a quick function may ask before posix_spawn has told us who it is */
    s->given = 0;
    s->started_ns = now_ns();
    s->pid = start(command);
    s->over = s->failed = s->pid == 0;
    while (!s->over) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&s->changed, &s->mutex, &until);
        if (!s->over && waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            fprintf(stderr, "standin: the function ended by itself\n");
            s->over = s->failed = true;
            s->pid = 0;
        }
    }
    pthread_mutex_unlock(&s->mutex);
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
}

/* ---- what is given ---- */

static char *read_file(const char *path, size_t *ret_len) {
    FILE *file = fopen(path, "rb");
    struct stat about;
    char *text = file && fstat(fileno(file), &about) == 0 ? malloc((size_t)about.st_size + 1) : NULL;
    *ret_len = text ? fread(text, 1, (size_t)about.st_size, file) : 0;
    if (text)
        text[*ret_len] = '\0';
    if (file)
        fclose(file);
    if (!text)
        fprintf(stderr, "standin: %s cannot be read\n", path);
    return text;
}

static bool read_items(struct standin *s, const char *path) {
    size_t len;
    char *text = read_file(path, &len), *rest = text;
    for (char *line; text && (line = strtok_r(rest, "\n", &rest));) {
        json_t *value = NULL;
        struct hd_error err = {0};
        if (s->item_count == ITEMS_MAX || hd_json_parse(s->arena, line, strlen(line), 0, &value, &err) < 0) {
            fprintf(stderr, "standin: %s: %s\n", path, s->item_count == ITEMS_MAX ? "too many items" : err.detail);
            return false;
        }
        struct item *item = &s->items[s->item_count++];
        *item = (struct item){key_part(value, "pk"), key_part(value, "sk"), line, value};
        s->slots[slot_of(s, item->pk, item->sk)] = (unsigned short)s->item_count;
    }
    return text != NULL;
}

static bool read_arguments(struct standin *s, int argc, char **argv, char ***ret_command) {
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--") == 0) {
            *ret_command = argv + i + 1;
            bool events = s->batches == 0 || s->event_count > 0;
            return more && events && (s->starts > 0) != (s->batches > 0) && s->starts <= MEASURES_MAX && s->batches <= MEASURES_MAX;
        }
        if (strcmp(argv[i], "--starts") == 0 && more)
            s->starts = atol(argv[++i]);
        else if (strcmp(argv[i], "--batches") == 0 && more)
            s->batches = atol(argv[++i]);
        else if (strcmp(argv[i], "--count-from") == 0 && more)
            s->count_from = atol(argv[++i]);
        else if (strcmp(argv[i], "--requests") == 0 && more)
            s->requests = fopen(argv[++i], "w");
        else if (strcmp(argv[i], "--items") == 0 && more) {
            if (!read_items(s, argv[++i]))
                return false;
        } else if (s->event_count == EVENTS_MAX || !(s->events[s->event_count] = read_file(argv[i], &s->event_bytes[s->event_count])))
            return false;
        else
            s->event_count++;
    }
    return false;
}

/* ---- what comes out ---- */

static void put_numbers(struct hd_buffer *out, const char *name, const double *values, size_t count) {
    hd_buffer_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        hd_buffer_printf(out, "%s%.4f", i ? "," : "", values[i]);
    hd_buffer_add_str(out, "],");
}

static void print(const struct standin *s) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    hd_buffer_add_char(&out, '{');
    put_numbers(&out, "startMs", s->start_ms, s->start_count);
    put_numbers(&out, "batchMs", s->batch_ms, s->batch_count);
    hd_buffer_add_str(&out, "\"startKiB\":[");
    for (size_t i = 0; i < s->start_count; i++)
        hd_buffer_printf(&out, "%s%ld", i ? "," : "", s->start_kib[i]);
    hd_buffer_printf(&out, "],\"endKiB\":%ld,\"cpuMs\":%.4f,\"calls\":%ld}", s->end_kib, ms(s->cpu_ns), s->calls);
    puts(hd_buffer_text(&out));
}

/* In the function's environment, whatever stood there. */
static void be_the_services(int port) {
    static const char *const others[] = {"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"};
    char text[300];
    const char *queues = getenv("HELPDESK_QUEUES");
    const char *slash = queues ? strrchr(queues, '/') : NULL;
    for (size_t i = 0; i < HD_ARRAY_LEN(others); i++)
        unsetenv(others[i]);
    snprintf(text, sizeof text, "http://127.0.0.1:%d", port);
    setenv("AWS_ENDPOINT_URL", text, 1);
    snprintf(text, sizeof text, "http://127.0.0.1:%d/123456789012/%s", port, slash ? slash + 1 : "helpdesk-");
    setenv("HELPDESK_QUEUES", text, 1);
}

static struct MHD_Daemon *listen_here(struct standin *s, bool services) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, s, MHD_OPTION_SOCK_ADDR, &address,
                                                 MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                                 (size_t)256 * 1024, MHD_OPTION_END);
    if (!daemon)
        return NULL;
    s->port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    char text[300];
    snprintf(text, sizeof text, "127.0.0.1:%d", s->port);
    setenv("AWS_LAMBDA_RUNTIME_API", text, 1);
    if (services)
        be_the_services(s->port);
    return daemon;
}

int main(int argc, char **argv) {
    static struct standin s = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    char **command = NULL;
    hd_json_init();
    signal(SIGPIPE, SIG_IGN);
    s.arena = hd_arena_new(ARENA_BYTES);
    s.request_arena = hd_arena_new(ARENA_BYTES);
    if (!s.arena || !s.request_arena || !read_arguments(&s, argc, argv, &command)) {
        fprintf(stderr,
                "usage: standin [--items FILE] [--requests FILE] [--count-from I] --starts N | --batches N [EVENT-FILE…] -- COMMAND…\n");
        return 2;
    }
    struct MHD_Daemon *daemon = listen_here(&s, s.item_count > 0);
    if (!daemon) {
        fprintf(stderr, "standin: cannot listen\n");
        return 1;
    }
    for (long run = 0; !s.failed && run < (s.starts > 0 ? s.starts : 1); run++)
        run_once(&s, command);
    MHD_stop_daemon(daemon);
    if (s.requests)
        fclose(s.requests);
    if (!s.failed)
        print(&s);
    return s.failed ? 1 : 0;
}
