#include "app/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES = 32 };

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
    int r = make_folder(rt->settings->data_dir, err);
    return r ? r : hd_sqlite_open(&(struct hd_sqlite_options){.path = path}, &rt->database, err);
}

static int open_parts(struct runtime *rt, int parts, struct hd_error *err) {
    if (hd_settings_on_aws(rt->settings))
        return hd_error_set(err, HD_ERR_CONFIGURATION, "HELPDESK_BACKEND: the aws backend is not part of this version");
    int r = hd_messages_open(rt->settings, parts & RUNTIME_MESSAGES ? HD_MESSAGES_ALL : 0, NULL, &rt->messages, err);
    if (!r && (parts & RUNTIME_SECRET))
        r = open_secret(rt, parts & RUNTIME_EXISTING, err);
    if (!r && (parts & RUNTIME_STORE))
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
    free(rt->jwt_secret);
    free(rt);
}

struct hd_context hd_runtime_context(const struct runtime *rt, struct hd_store *store) {
    return hd_messages_context(&rt->messages, store);
}

struct hd_jwt_key hd_runtime_key(const struct runtime *rt) {
    return (struct hd_jwt_key){.secret = rt->jwt_secret, .issuer = rt->settings->jwt_issuer, .audience = rt->settings->jwt_audience};
}
