#include "tests/support/peer.h"

/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void read_request(int connection) {
    char text[4096];
    size_t len = 0;
    while (len < sizeof text - 1) {
        ssize_t got = recv(connection, text + len, sizeof text - 1 - len, 0);
        if (got <= 0)
            return;
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, "\r\n\r\n"))
            return;
    }
}

static void answer_all(struct hd_peer_server *peer) {
    char answer[96];
    int len = snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                       peer->status ? peer->status : 200);
    for (size_t i = 0; i < peer->waiting_count; i++) {
        (void)!send(peer->waiting[i], answer, (size_t)len, MSG_NOSIGNAL);
        (void)close(peer->waiting[i]);
    }
    peer->waiting_count = 0;
}

static void *serve(void *arg) {
    struct hd_peer_server *peer = arg;
    for (;;) {
        int connection = accept(peer->listener, NULL, NULL);
        if (connection < 0)
            return NULL;
        pthread_mutex_lock(&peer->lock);
        bool ended = peer->ended || peer->waiting_count == HD_PEER_WAITING_MAX;
        pthread_mutex_unlock(&peer->lock);
        if (ended) {
            (void)close(connection);
            return NULL;
        }
        read_request(connection);
        pthread_mutex_lock(&peer->lock);
        size_t request = ++peer->requests;
        pthread_mutex_unlock(&peer->lock);
        void (*asked)(size_t) = peer->asked;
        if (asked)
            asked(request);
        peer->waiting[peer->waiting_count++] = connection;
        if (!peer->silent && peer->waiting_count >= peer->together)
            answer_all(peer);
    }
}

void hd_peer_start(struct hd_peer_server *peer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_mutex_init(&peer->lock, NULL);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(peer->listener, 128), 0);
    assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
    peer->port = ntohs(address.sin_port);
    (void)snprintf(peer->url, sizeof peer->url, "http://127.0.0.1:%u/", (unsigned)peer->port);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

/* accept is woken by a connection of ours. */
void hd_peer_stop(struct hd_peer_server *peer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(peer->port)};
    pthread_mutex_lock(&peer->lock);
    peer->ended = true;
    pthread_mutex_unlock(&peer->lock);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)connect(connection, (struct sockaddr *)&address, sizeof address);
    (void)shutdown(connection, SHUT_WR);
    pthread_join(peer->thread, NULL);
    (void)close(connection);
    (void)close(peer->listener);
    for (size_t i = 0; i < peer->waiting_count; i++)
        (void)close(peer->waiting[i]);
    pthread_mutex_destroy(&peer->lock);
}

size_t hd_peer_requests(struct hd_peer_server *peer) {
    pthread_mutex_lock(&peer->lock);
    size_t requests = peer->requests;
    pthread_mutex_unlock(&peer->lock);
    return requests;
}
