/* The contract suite on SQLite. A crash is played by copying the files as they lie there, database open and its log not yet written back, and going on with the
 * copy: what kill -9 leaves behind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite/sqlite.h"
#include "tests/contract/contract.h"

enum { PATH_BYTES = 256, CRASHES_MAX = 64 };

struct sqlite_backend {
    char folder[PATH_BYTES];
    struct hd_sqlite *databases[CRASHES_MAX]; /* the last is the one; those before have crashed, and wait until their views are closed */
    size_t count;
};

static void path_of(const struct sqlite_backend *backend, size_t number, const char *suffix, char ret_path[PATH_BYTES + 32]) {
    (void)snprintf(ret_path, PATH_BYTES + 32, "%s/%zu.db%s", backend->folder, number, suffix);
}

static int open_next(struct sqlite_backend *backend) {
    char path[PATH_BYTES + 32];
    path_of(backend, backend->count, "", path);
    struct hd_sqlite_options options = {.path = path};
    struct hd_error err = {0};
    if (hd_sqlite_open(&options, &backend->databases[backend->count], &err) != 0) {
        (void)fprintf(stderr, "hd_sqlite_open: %s\n", err.detail);
        return -1;
    }
    backend->count++;
    return 0;
}

static void close_sqlite(void *handle) {
    struct sqlite_backend *backend = handle;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < backend->count; i++) {
        hd_sqlite_close(backend->databases[i]);
        for (size_t s = 0; s < HD_ARRAY_LEN(suffixes); s++) {
            char path[PATH_BYTES + 32];
            path_of(backend, i, suffixes[s], path);
            if (unlink(path) != 0 && errno != ENOENT)
                perror(path);
        }
    }
    if (rmdir(backend->folder) != 0)
        perror(backend->folder);
    free(backend);
}

static int open_sqlite(void **ret_backend) {
    struct sqlite_backend *backend = calloc(1, sizeof(*backend));
    if (!backend)
        return -1;
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(backend->folder, sizeof(backend->folder), "%s/helpdesk-contract-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(backend->folder)) {
        free(backend);
        return -1;
    }
    if (open_next(backend) != 0) {
        close_sqlite(backend);
        return -1;
    }
    *ret_backend = backend;
    return 0;
}

static struct hd_store *new_store(void *handle) {
    struct sqlite_backend *backend = handle;
    struct hd_store *store = NULL;
    struct hd_error err = {0};
    if (hd_sqlite_store(backend->databases[backend->count - 1], &store, &err) != 0)
        (void)fprintf(stderr, "hd_sqlite_store: %s\n", err.detail);
    return store;
}

static struct hd_queue *new_queue(void *handle) {
    struct sqlite_backend *backend = handle;
    struct hd_queue *queue = NULL;
    struct hd_error err = {0};
    if (hd_sqlite_queue(backend->databases[backend->count - 1], &queue, &err) != 0)
        (void)fprintf(stderr, "hd_sqlite_queue: %s\n", err.detail);
    return queue;
}

static void copy_file(const char *from, const char *to) {
    FILE *in = fopen(from, "rb");
    if (!in && errno == ENOENT)
        return;
    FILE *out = fopen(to, "wb");
    if (!in || !out)
        abort();
    char bytes[64 * 1024];
    for (size_t count; (count = fread(bytes, 1, sizeof(bytes), in)) > 0;) {
        if (fwrite(bytes, 1, count, out) != count)
            abort();
    }
    if (ferror(in) || fclose(out) != 0)
        abort();
    (void)fclose(in);
}

/* The -shm file is left out, as after a power cut; SQLite makes it again from the log. */
static void crash(void *handle) {
    struct sqlite_backend *backend = handle;
    static const char *const suffixes[] = {"", "-wal"};
    for (size_t s = 0; s < HD_ARRAY_LEN(suffixes); s++) {
        char from[PATH_BYTES + 32], to[PATH_BYTES + 32];
        path_of(backend, backend->count - 1, suffixes[s], from);
        path_of(backend, backend->count, suffixes[s], to);
        copy_file(from, to);
    }
    if (backend->count == CRASHES_MAX || open_next(backend) != 0)
        abort();
}

int main(void) {
    static const struct hd_contract_backend backend = {
        .name = "sqlite",
        .open = open_sqlite,
        .store = new_store,
        .queue = new_queue,
        .reopen = crash,
        .close = close_sqlite,
        .fifo = true,
        .waits_well = true,
        .counts_exactly = true,
        .fences_receipts = true,
        .knows_the_end = true,
        .one_transaction = true,
    };
    return hd_contract_run(&backend);
}
