/* The HTTP host: libmicrohttpd on an epoll loop of ours, one thread. A request that waits for its commit holds no thread: its connection is suspended, and resumed on the loop's own thread when the
 * committer has answered. (libmicrohttpd 0.9.75 freezes when another thread resumes; docs/adr/0008.) */
#pragma once

#include "app/committer.h"
#include "core/processor.h"
#include "producer/producer.h"

struct http_host;

struct http_host_options {
    const struct hd_producer *producer;
    struct hd_context context; /* with the loop's own store view */
    const struct hd_clock *clock;
    struct committer *committer;
    const char *listen;         /* address:port; port 0: any */
    const char *metrics_listen; /* NULL: none */
    unsigned connections_max;
};

/* Binds the address; requests are answered from http_host_start on. HD_ERR_CONFIGURATION: the address cannot be used. */
int hd_http_host_new(const struct http_host_options *options, struct http_host **ret_host, struct hd_error *err) HD_MUST_CHECK;
int hd_http_host_start(struct http_host *host, struct hd_error *err) HD_MUST_CHECK;
uint16_t hd_http_host_port(const struct http_host *host); /* the one that it got, for port 0 */
/* Something was committed. Any thread. */
void hd_http_host_wake(struct http_host *host);
/* Accepts no more connections, answers what is under way within grace_ms, and ends the thread. */
void hd_http_host_stop(struct http_host *host, int64_t grace_ms);
void hd_http_host_free(struct http_host *host); /* takes NULL */
