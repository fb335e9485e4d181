/* An HTTPS server in a thread, for tests that certificates are verified: 127.0.0.1, a certificate of its own for the name "localhost", one connection at a time, one answer to each: 200, "{}". */
#pragma once

struct hd_tls;

struct hd_tls *hd_tls_new(void); /* aborts when it cannot */
void hd_tls_free(struct hd_tls *tls);

int hd_tls_port(const struct hd_tls *tls);
const char *hd_tls_certificate(const struct hd_tls *tls); /* the path of a PEM file, which hd_tls_free removes */
int hd_tls_requests(struct hd_tls *tls);                  /* that came through a handshake */
