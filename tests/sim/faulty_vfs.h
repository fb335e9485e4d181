/* A file system that fails on demand, under SQLite: the default VFS, with counted operations of which the Nth, or all from the Nth on, end in an error.
 *
 * It also knows what a power cut leaves: for each file what was in it at its last successful sync. One plan for the process; for tests of one thread. */
#pragma once

#include <stdbool.h>

extern const char *const hd_faulty_vfs; /* its name, for hd_sqlite_options.vfs */

enum hd_fault_kind {
    HD_FAULT_READ = 1,
    HD_FAULT_WRITE = 2,
    HD_FAULT_SYNC = 4,
    HD_FAULT_TRUNCATE = 8,
    HD_FAULT_OPEN = 16, /* opening, removing and looking for files, and the shared memory of the log */
    HD_FAULT_ALL = 31,
};

struct hd_fault_plan {
    unsigned kinds; /* of enum hd_fault_kind: which operations count, and fail */
    int at;         /* the Nth of them fails; 0: none */
    bool for_ever;  /* and all after it */
    int code;       /* SQLITE_FULL …; 0: the SQLITE_IOERR of the operation */
    bool half;      /* a write that fails has written half of what it should */
};

/* Registers the VFS at its first call; sets the plan and starts to count anew. */
void hd_faults_plan(const struct hd_fault_plan *plan);
void hd_faults_end(void);
int hd_faults_seen(void);     /* operations of the planned kinds since then */
int hd_faults_happened(void); /* those that failed */

/* After hd_faults_keep_synced(true), path (and its -wal) can be copied as a power cut would leave it. */
void hd_faults_keep_synced(bool keep);
void hd_faults_power_cut(const char *path, const char *to);
/* The files as they are: as after kill -9. */
void hd_faults_copy(const char *path, const char *to);
void hd_faults_remove(const char *path); /* with -wal, -shm, -journal, and what is kept of them */
