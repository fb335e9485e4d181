#include "tests/contract/contract.h"
#include "tests/support/memory.h"

static int open_memory(void **ret_backend) {
    *ret_backend = hd_memory_new();
    return 0;
}

static struct hd_store *new_store(void *backend) {
    return hd_memory_store(backend);
}

static struct hd_queue *new_queue(void *backend) {
    return hd_memory_queue(backend);
}

static void crash(void *backend) {
    hd_memory_crash(backend);
}

static void close_memory(void *backend) {
    hd_memory_free(backend);
}

const struct hd_contract_backend hd_memory_backend = {
    .name = "memory",
    .open = open_memory,
    .store = new_store,
    .queue = new_queue,
    .reopen = crash,
    .close = close_memory,
    .fifo = true,
    .waits_well = true,
    .counts_exactly = true,
    .fences_receipts = true,
    .knows_the_end = true,
    .one_transaction = true,
};
