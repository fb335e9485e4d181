/* The HTTP host: libmicrohttpd on an epoll loop of ours, one thread. A request that waits for its commit holds no thread: its connection is suspended, and resumed on the loop's own thread when the
 * committer has answered. Where the store itself may keep a thread waiting (AWS), requests are answered by threads of their own instead, each with its own view, and the loop waits for none of them:
 * a read that hangs delays neither other requests nor the stop. (libmicrohttpd 0.9.75 freezes when another thread resumes; docs/adr/0008.) */
#pragma once

#include <stdbool.h>

#include "app/committer.h"
#include "core/processor.h"
#include "producer/producer.h"

struct http_host;

struct http_host_options {
    const struct hd_producer *producer;
    struct hd_context context; /* with the loop's own store view, where there is a committer */
    const struct hd_clock *clock;
    struct committer *committer; /* NULL: requests are answered by threads */
    struct hd_store *const *
        stores; /* without a committer: a view for each thread, and as many threads. What was committed is told to happened, by any of them */
    size_t store_count;
    void *self;
    void (*happened)(void *self, const struct hd_changeset *set);
    const char *listen;         /* address:port; port 0: any; NULL: none, only metrics_listen */
    const char *metrics_listen; /* NULL: none */
    unsigned connections_max;
};

/* Binds the address; requests are answered from http_host_start on. HD_ERR_CONFIGURATION: the address cannot be used. */
int hd_http_host_new(const struct http_host_options *options, struct http_host **ret_host, struct hd_error *err) HD_MUST_CHECK;
int hd_http_host_start(struct http_host *host, struct hd_error *err) HD_MUST_CHECK;
uint16_t hd_http_host_port(const struct http_host *host); /* the one that it got, for port 0 */
/* Something was committed. Any thread. */
void hd_http_host_wake(struct http_host *host);
/* Accepts no more connections, answers what is under way within grace_ms, and ends the threads. False: the store has not let go of one of them; then nothing that it uses may be freed, and the
 * process must end as it is. */
bool hd_http_host_stop(struct http_host *host, int64_t grace_ms);
void hd_http_host_free(struct http_host *host); /* takes NULL */
