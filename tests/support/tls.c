#include "tests/support/tls.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct hd_tls {
    SSL_CTX *context;
    int listener, stop, port;
    atomic_int requests;
    pthread_t thread;
    char certificate[64];
};

static void must(bool holds, const char *what) {
    if (holds)
        return;
    perror(what);
    abort();
}

/* Signed by itself, for a day, and good as an authority for itself. */
static X509 *make_certificate(EVP_PKEY *key) {
    X509 *made = X509_new();
    must(made && X509_set_version(made, 2) && ASN1_INTEGER_set(X509_get_serialNumber(made), 1), "tls: certificate");
    must(X509_gmtime_adj(X509_getm_notBefore(made), -3600) && X509_gmtime_adj(X509_getm_notAfter(made), 24L * 3600), "tls: certificate");
    X509_NAME *name = X509_get_subject_name(made);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0) &&
             X509_set_issuer_name(made, name) && X509_set_pubkey(made, key),
         "tls: certificate");
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    must(names && X509_add_ext(made, names, -1) && X509_sign(made, key, EVP_sha256()), "tls: certificate");
    X509_EXTENSION_free(names);
    return made;
}

static void set_up_context(struct hd_tls *tls) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    must(key, "tls: key");
    X509 *certificate = make_certificate(key);
    tls->context = SSL_CTX_new(TLS_server_method());
    must(tls->context && SSL_CTX_use_certificate(tls->context, certificate) && SSL_CTX_use_PrivateKey(tls->context, key), "tls: context");
    (void)snprintf(tls->certificate, sizeof tls->certificate, "/tmp/hd-tls-XXXXXX");
    int fd = mkstemp(tls->certificate);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    must(file && PEM_write_X509(file, certificate) && fclose(file) == 0, "tls: certificate's file");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void serve(struct hd_tls *tls, int fd) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    struct timeval patience = {.tv_sec = 20};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL *ssl = SSL_new(tls->context);
    must(ssl && SSL_set_fd(ssl, fd), "tls: connection");
    char request[8192];
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) > 0) {
        atomic_fetch_add(&tls->requests, 1);
        (void)SSL_write(ssl, answer, sizeof answer - 1);
        (void)SSL_shutdown(ssl);
        while (SSL_read(ssl, request, sizeof request) > 0) /* until the client has closed: a reset would take the answer from it */
            ;
    }
    SSL_free(ssl);
    (void)close(fd);
}

static void *run(void *arg) {
    struct hd_tls *tls = arg;
    for (;;) {
        struct pollfd fds[] = {{.fd = tls->listener, .events = POLLIN}, {.fd = tls->stop, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        if (fds[1].revents)
            return NULL;
        int fd = fds[0].revents ? accept4(tls->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0)
            serve(tls, fd);
    }
}

struct hd_tls *hd_tls_new(void) {
    struct hd_tls *tls = calloc(1, sizeof *tls);
    must(tls, "tls");
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes by write(2), to clients that have gone, too */
    set_up_context(tls);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    tls->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tls->stop = eventfd(0, EFD_CLOEXEC);
    must(tls->listener >= 0 && tls->stop >= 0 && bind(tls->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
             listen(tls->listener, 16) == 0 && getsockname(tls->listener, (struct sockaddr *)&address, &len) == 0,
         "tls: socket");
    tls->port = ntohs(address.sin_port);
    must(pthread_create(&tls->thread, NULL, run, tls) == 0, "tls: thread");
    return tls;
}

void hd_tls_free(struct hd_tls *tls) {
    if (!tls)
        return;
    uint64_t one = 1;
    must(write(tls->stop, &one, sizeof one) == sizeof one, "tls: stop");
    pthread_join(tls->thread, NULL);
    (void)close(tls->listener);
    (void)close(tls->stop);
    (void)unlink(tls->certificate);
    SSL_CTX_free(tls->context);
    free(tls);
}

int hd_tls_port(const struct hd_tls *tls) {
    return tls->port;
}

const char *hd_tls_certificate(const struct hd_tls *tls) {
    return tls->certificate;
}

int hd_tls_requests(struct hd_tls *tls) {
    return atomic_load(&tls->requests);
}
