/* A server on 127.0.0.1 for tests of whoever sends: it answers each request with a status, when the test lets it. One thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HD_PEER_WAITING_MAX = 64 };

struct hd_peer_server {
    /* Set before the requests come that they are for. */
    _Atomic int status;  /* of the answers; 0: 200 */
    size_t together;     /* answers wait until that many requests are there: they must have come side by side. 0: none waits */
    _Atomic bool silent; /* nothing is ever answered */
    void (*_Atomic asked)(size_t request); /* on the peer's thread, before the answer; requests count from 1 */
    char url[64];                          /* filled by hd_peer_start */
    /* private */
    pthread_mutex_t lock;
    pthread_t thread;
    int listener;
    uint16_t port;
    bool ended;
    size_t requests;
    int waiting[HD_PEER_WAITING_MAX];
    size_t waiting_count;
};

void hd_peer_start(struct hd_peer_server *peer);
void hd_peer_stop(struct hd_peer_server *peer);
size_t hd_peer_requests(struct hd_peer_server *peer);
