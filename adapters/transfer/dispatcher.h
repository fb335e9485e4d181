/* The one dispatcher: drives the transfers of all providers at once, on the caller's thread (curl multi), with pooled connections.
 *
 * Belongs to one thread, but for hd_dispatcher_wake. Nothing in it blocks: a slow or dead peer costs its slots and their time limit, and delays nobody else; connections_per_host_max is a
 * peer's share. More mails than connections wait for one, at most timeout_ms; timeout_ms counts anew from then. HTTP: it counts from the start.
 * A time limit counts while the dispatcher runs: what has come is read before anything is late, and time in which nobody looked is not counted.
 * TLS is always verified, 1.2 at least; redirects are not followed, and proxies of the environment not asked. The process must ignore SIGPIPE. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "core/provider.h"

struct hd_dispatcher;

struct hd_dispatcher_options {
    size_t transfers_max;            /* at once, in all; 0: 256 */
    size_t connections_per_host_max; /* 0: 32; SMTP servers commonly refuse more */
};

typedef void hd_transfer_done_fn(void *arg, const struct hd_transfer_result *result);

int hd_dispatcher_new(const struct hd_dispatcher_options *options, struct hd_dispatcher **ret_dispatcher,
                      struct hd_error *err) HD_MUST_CHECK;
/* Abandons what is under way: done is not called for it. Not from within done. Takes NULL. */
void hd_dispatcher_free(struct hd_dispatcher *dispatcher);

/* Starts a transfer, whose strings and body must live until done is called, exactly once, from a later hd_dispatcher_run. HD_ERR_OVERLOADED: no slot is free. HD_ERR_INVALID: something in it
 * would forge a command or a header. HD_ERR_NO_MEMORY. done may start others. */
int hd_dispatcher_start(struct hd_dispatcher *dispatcher, const struct hd_transfer *transfer, hd_transfer_done_fn *done, void *arg,
                        struct hd_error *err) HD_MUST_CHECK;
size_t hd_dispatcher_under_way(const struct hd_dispatcher *dispatcher);

/* Waits for the network, a wake, or timeout_ms, whichever is first; then calls done for all that have ended. */
void hd_dispatcher_run(struct hd_dispatcher *dispatcher, int64_t timeout_ms);
/* Ends the wait of hd_dispatcher_run, now or the next one. Any thread. */
void hd_dispatcher_wake(struct hd_dispatcher *dispatcher);
