#include "app/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "processors/processors.h"

enum {
    SECRET_BYTES = 32,
    PROBE_MS = 8000, /* signals are heard after the start: one that finds nobody ends within the time that a stop may take */
};

static int make_folder(const char *path, struct hd_error *err) {
    char partial[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_DATA_DIR: \"%s\" is no folder", path);
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        char kept = partial[i];
        partial[i] = '\0';
        if (mkdir(partial, 0750) != 0 && errno != EEXIST)
            return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_DATA_DIR: %s: %s", partial, strerror(errno));
        partial[i] = kept;
    }
    return 0;
}

/* ---- the key ---- */

static int read_secret(const char *path, char **ret, struct hd_error *err) {
    char text[512];
    FILE *file = fopen(path, "re");
    if (!file)
        return hd_error_set(err, HD_ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (strlen(text) < HD_JWT_SECRET_MIN_BYTES)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "%s holds no secret of %d bytes or more", path, HD_JWT_SECRET_MIN_BYTES);
    *ret = strdup(text);
    return *ret ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the secret");
}

/* Written beside, synced, and linked into place: two processes that start at once agree on one secret. */
static int write_secret(const char *path, struct hd_error *err) {
    uint8_t random[SECRET_BYTES];
    char text[2 * SECRET_BYTES + 2], beside[4200];
    hd_system_random.fill(&hd_system_random, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", random[i]);
    text[2 * SECRET_BYTES] = '\n';
    (void)snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, text, 2 * SECRET_BYTES + 1) == 2 * SECRET_BYTES + 1 && fsync(fd) == 0;
    bool linked = written && (link(beside, path) == 0 || errno == EEXIST);
    int problem = errno;
    if (fd >= 0)
        close(fd);
    (void)unlink(beside);
    return linked ? 0 : hd_error_set(err, HD_ERR_UNAVAILABLE, "%s: %s", path, strerror(problem));
}

static int nothing_here(const struct runtime *rt, const char *what, struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NOT_FOUND, "there is no %s in %s (HELPDESK_DATA_DIR; helpdesk serve makes one)", what,
                        rt->settings->data_dir);
}

static int open_secret(struct runtime *rt, bool existing, struct hd_error *err) {
    if (rt->settings->jwt_secret) {
        rt->jwt_secret = strdup(rt->settings->jwt_secret);
        return rt->jwt_secret ? 0 : hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the secret");
    }
    if (hd_settings_on_aws(rt->settings)) /* there is no data folder that could keep one, and all machines must have the same */
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_JWT_SECRET must be set when HELPDESK_BACKEND is aws");
    char path[4160];
    (void)snprintf(path, sizeof path, "%s/jwt-secret", rt->settings->data_dir);
    if (existing && access(path, F_OK) != 0)
        return nothing_here(rt, "secret", err);
    int r = make_folder(rt->settings->data_dir, err);
    if (!r && access(path, F_OK) != 0)
        r = write_secret(path, err);
    return r ? r : read_secret(path, &rt->jwt_secret, err);
}

/* ---- the rest ---- */

static int open_store(struct runtime *rt, bool existing, struct hd_error *err) {
    char path[4160];
    (void)snprintf(path, sizeof path, "%s/helpdesk.db", rt->settings->data_dir);
    if (existing && access(path, F_OK) != 0)
        return nothing_here(rt, "database", err);
    rt->database_is_new = access(path, F_OK) != 0;
    int r = make_folder(rt->settings->data_dir, err);
    return r ? r : hd_sqlite_open(&(struct hd_sqlite_options){.path = path}, &rt->database, err);
}

static int open_aws(struct runtime *rt, struct hd_error *err) {
    const struct hd_settings *s = rt->settings;
    bool all = hd_settings_on_aws(s);
    struct hd_aws_options options = {
        .table = all ? s->table : NULL,
        .queues = all ? s->queues : NULL,
        .served = hd_queues_served(),
        .ca_file = s->ca_file,
        .clock = &hd_system_clock,
        .random = &hd_system_random,
    };
    return hd_aws_new(&options, &rt->aws, err);
}

static int open_parts(struct runtime *rt, int parts, struct hd_error *err) {
    bool on_aws = hd_settings_on_aws(rt->settings), messages = parts & RUNTIME_MESSAGES;
    bool by_ses = messages && strcmp(hd_settings_email_provider(rt->settings), "ses") == 0;
    int r = (on_aws && (parts & (RUNTIME_STORE | RUNTIME_MESSAGES))) || by_ses ? open_aws(rt, err) : 0;
    if (!r)
        r = hd_messages_open(rt->settings, messages ? HD_MESSAGES_ALL : 0, rt->aws, &rt->messages, err);
    if (!r && (parts & RUNTIME_SECRET))
        r = open_secret(rt, parts & RUNTIME_EXISTING, err);
    if (!r && (parts & RUNTIME_STORE) && !on_aws)
        r = open_store(rt, parts & RUNTIME_EXISTING, err);
    return r;
}

int hd_runtime_open(const struct hd_settings *settings, int parts, struct runtime **ret_runtime, struct hd_error *err) {
    struct runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory");
    rt->settings = settings;
    int r = open_parts(rt, parts, err);
    if (r) {
        hd_runtime_close(rt);
        return r;
    }
    *ret_runtime = rt;
    return 0;
}

void hd_runtime_close(struct runtime *rt) {
    if (!rt)
        return;
    hd_messages_close(&rt->messages);
    hd_sqlite_close(rt->database);
    hd_aws_free(rt->aws);
    free(rt->jwt_secret);
    free(rt);
}

int hd_runtime_store(const struct runtime *rt, struct hd_store **ret_store, struct hd_error *err) {
    return rt->database ? hd_sqlite_store(rt->database, ret_store, err) : hd_aws_store(rt->aws, ret_store, err);
}

int hd_runtime_queue(const struct runtime *rt, struct hd_queue **ret_queue, struct hd_error *err) {
    return rt->database ? hd_sqlite_queue(rt->database, ret_queue, err) : hd_aws_queue(rt->aws, ret_queue, err);
}

/* What is not there can be made; what does not answer, or knows us not, is another matter. */
static int tell_missing(struct hd_error *err, const char *setting, const char *value) {
    bool missing = strstr(err->detail, "ResourceNotFoundException") || strstr(err->detail, "QueueDoesNotExist");
    return missing ? hd_error_context(err, "%s is %s (helpdesk check says what is missing, helpdesk setup makes it)", setting, value)
                   : hd_error_context(err, "%s is %s", setting, value);
}

static int probe_table(const struct runtime *rt, struct hd_error *err) {
    struct hd_store *store = NULL;
    bool ignored = false;
    int r = hd_runtime_store(rt, &store, err);
    if (r)
        return r;
    r = store->ops->processed(store, "start", "start", &ignored, err);
    store->ops->close(store);
    return r ? tell_missing(err, "HELPDESK_TABLE", rt->settings->table) : 0;
}

static int probe_queues(const struct runtime *rt, struct hd_error *err) {
    struct hd_queue *queue = NULL;
    int r = hd_runtime_queue(rt, &queue, err);
    if (r)
        return r;
    for (size_t i = 0; !r && i < hd_processor_count; i++) {
        struct hd_queue_depth depth;
        r = queue->ops->depth(queue, hd_processors[i]->queue, hd_system_clock.now_ms(&hd_system_clock), &depth, err);
    }
    queue->ops->close(queue);
    return r ? tell_missing(err, "HELPDESK_QUEUES", rt->settings->queues) : 0;
}

int hd_runtime_probe(const struct runtime *rt, struct hd_error *err) {
    if (rt->database)
        return 0;
    hd_aws_end_within(rt->aws, PROBE_MS);
    int r = probe_table(rt, err);
    if (!r)
        r = probe_queues(rt, err);
    hd_aws_end_within(rt->aws, INT64_MAX);
    return r;
}

struct hd_context hd_runtime_context(const struct runtime *rt, struct hd_store *store) {
    return hd_messages_context(&rt->messages, store);
}

struct hd_jwt_key hd_runtime_key(const struct runtime *rt) {
    return (struct hd_jwt_key){.secret = rt->jwt_secret, .issuer = rt->settings->jwt_issuer, .audience = rt->settings->jwt_audience};
}
