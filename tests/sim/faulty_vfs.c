#include "tests/sim/faulty_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"

const char *const hd_faulty_vfs = "faulty";

enum { PATH_BYTES = 512 };

static struct hd_fault_plan plan;
static int seen, happened;
static bool keeps_synced;

static bool fails(enum hd_fault_kind kind) {
    if (!(plan.kinds & kind))
        return false;
    seen++;
    bool it = plan.at > 0 && (seen == plan.at || (plan.for_ever && seen > plan.at));
    happened += it;
    return it;
}

static int code_or(int own) {
    return plan.code ? plan.code : own;
}

/* ---- copies ---- */

static void copy_file(const char *from, const char *to) {
    static char bytes[1024 * 1024];
    FILE *in = fopen(from, "rb");
    if (!in) {
        (void)unlink(to);
        return;
    }
    FILE *out = fopen(to, "wb");
    if (!out)
        abort();
    (void)setvbuf(in, NULL, _IONBF, 0);
    (void)setvbuf(out, NULL, _IONBF, 0);
    for (size_t count; (count = fread(bytes, 1, sizeof bytes, in)) > 0;)
        if (fwrite(bytes, 1, count, out) != count)
            abort();
    if (ferror(in) || fclose(out) != 0)
        abort();
    (void)fclose(in);
}

/* Without -shm: SQLite makes it again from the log. */
static void copy_both(const char *path, const char *kept, const char *to) {
    static const char *const suffixes[] = {"", "-wal"};
    char from[PATH_BYTES], target[PATH_BYTES];
    hd_faults_remove(to);
    for (size_t i = 0; i < HD_ARRAY_LEN(suffixes); i++) {
        (void)snprintf(from, sizeof from, "%s%s%s", path, suffixes[i], kept);
        (void)snprintf(target, sizeof target, "%s%s", to, suffixes[i]);
        copy_file(from, target);
    }
}

void hd_faults_copy(const char *path, const char *to) {
    copy_both(path, "", to);
}

void hd_faults_power_cut(const char *path, const char *to) {
    copy_both(path, ".synced", to);
}

void hd_faults_remove(const char *path) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".synced", "-wal.synced", "-journal.synced"};
    for (size_t i = 0; i < HD_ARRAY_LEN(suffixes); i++) {
        char name[PATH_BYTES];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        if (unlink(name) != 0 && errno != ENOENT)
            perror(name);
    }
}

/* ---- files ---- */

struct file {
    sqlite3_file base;
    char path[PATH_BYTES];
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((struct file *)file)->real;
}

static int close_file(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int read_file(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at) {
    if (fails(HD_FAULT_READ))
        return code_or(SQLITE_IOERR_READ);
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, at);
}

static int write_file(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at) {
    if (fails(HD_FAULT_WRITE)) {
        if (plan.half)
            (void)real_of(file)->pMethods->xWrite(real_of(file), bytes, count / 2, at);
        return code_or(SQLITE_IOERR_WRITE);
    }
    return real_of(file)->pMethods->xWrite(real_of(file), bytes, count, at);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    if (fails(HD_FAULT_TRUNCATE))
        return code_or(SQLITE_IOERR_TRUNCATE);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

/* The real sync is left out: it would only cost time. What it promises is kept beside the file. */
static int sync_file(sqlite3_file *file, int flags) {
    const struct file *it = (struct file *)file;
    (void)flags;
    if (fails(HD_FAULT_SYNC))
        return code_or(SQLITE_IOERR_FSYNC);
    if (keeps_synced && it->path[0]) {
        char kept[PATH_BYTES + 8];
        (void)snprintf(kept, sizeof kept, "%s.synced", it->path);
        copy_file(it->path, kept);
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int lock_file(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int unlock_file(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int check_reserved_lock(sqlite3_file *file, int *ret_reserved) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int sector_size(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

/* What an ordinary disk promises: nothing. */
static int device_characteristics(sqlite3_file *file) {
    (void)file;
    return 0;
}

static int shm_map(sqlite3_file *file, int page, int page_size, int extend, void volatile **ret_memory) {
    if (fails(HD_FAULT_OPEN))
        return code_or(SQLITE_IOERR_SHMMAP);
    return real_of(file)->pMethods->xShmMap(real_of(file), page, page_size, extend, ret_memory);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file) {
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int remove) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the file system ---- */

static sqlite3_vfs *real_vfs;

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
    struct file *it = (struct file *)file;
    (void)vfs;
    it->base.pMethods = NULL;
    if (fails(HD_FAULT_OPEN))
        return code_or(SQLITE_CANTOPEN);
    it->real = (sqlite3_file *)(void *)(it + 1);
    (void)snprintf(it->path, sizeof it->path, "%s", name ? name : "");
    int rc = real_vfs->xOpen(real_vfs, name, it->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        it->base.pMethods = &methods;
    return rc;
}

static int remove_file(sqlite3_vfs *vfs, const char *name, int sync_folder) {
    (void)vfs;
    (void)sync_folder;
    if (fails(HD_FAULT_OPEN))
        return code_or(SQLITE_IOERR_DELETE);
    return real_vfs->xDelete(real_vfs, name, 0);
}

static int look_for_file(sqlite3_vfs *vfs, const char *name, int flags, int *ret_result) {
    (void)vfs;
    if (fails(HD_FAULT_OPEN))
        return code_or(SQLITE_IOERR_ACCESS);
    return real_vfs->xAccess(real_vfs, name, flags, ret_result);
}

static void register_vfs(void) {
    static sqlite3_vfs faulty;
    if (real_vfs)
        return;
    real_vfs = sqlite3_vfs_find(NULL);
    faulty = *real_vfs;
    faulty.zName = hd_faulty_vfs;
    faulty.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    faulty.xOpen = open_file;
    faulty.xDelete = remove_file;
    faulty.xAccess = look_for_file;
    if (sqlite3_vfs_register(&faulty, 0) != SQLITE_OK)
        abort();
}

void hd_faults_plan(const struct hd_fault_plan *to) {
    register_vfs();
    plan = *to;
    seen = 0;
    happened = 0;
}

void hd_faults_end(void) {
    plan = (struct hd_fault_plan){0};
}

int hd_faults_seen(void) {
    return seen;
}

int hd_faults_happened(void) {
    return happened;
}

void hd_faults_keep_synced(bool keep) {
    keeps_synced = keep;
}
