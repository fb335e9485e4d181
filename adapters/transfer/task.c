#include "adapters/transfer/task.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { CREDENTIAL_MAX_BYTES = 512, DETAIL_SOURCE_BYTES = 2048 };

void hd_task_append(struct hd_task_list *list, struct hd_task *task) {
    task->next = NULL;
    task->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = task;
    list->last = task;
}

void hd_task_remove(struct hd_task_list *list, struct hd_task *task) {
    *(task->prev ? &task->prev->next : &list->first) = task->next;
    *(task->next ? &task->next->prev : &list->last) = task->prev;
    task->next = task->prev = NULL;
}

void hd_task_forgive(struct hd_task *task, int64_t since_ms, int64_t now_ms) {
    int64_t from_ms = since_ms > task->started_ms ? since_ms : task->started_ms;
    task->deadline_ms += now_ms > from_ms ? now_ms - from_ms : 0;
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_peer_of(const struct hd_peer *peer, const struct hd_transfer *transfer) {
    return same(peer->url, transfer->url) && same(peer->username, transfer->username) && same(peer->password, transfer->password) &&
           same(peer->ca_file, transfer->ca_file) && peer->require_tls == transfer->require_tls && peer->no_tls == transfer->no_tls;
}

static void peer_free(struct hd_peer *peer) {
    free(peer->url);
    free(peer->username);
    free(peer->password);
    free(peer->ca_file);
    free(peer);
}

static bool copy(char **to, const char *from) {
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

struct hd_peer *hd_peer_of(struct hd_peer **peers, const struct hd_transfer *transfer) {
    for (struct hd_peer *peer = *peers; peer; peer = peer->next)
        if (is_peer_of(peer, transfer))
            return peer;
    struct hd_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->require_tls = transfer->require_tls;
    peer->no_tls = transfer->no_tls;
    if (!copy(&peer->url, transfer->url) || !copy(&peer->username, transfer->username) || !copy(&peer->password, transfer->password) ||
        !copy(&peer->ca_file, transfer->ca_file)) {
        peer_free(peer);
        return NULL;
    }
    peer->next = *peers;
    *peers = peer;
    return peer;
}

static void drop(struct hd_peer **peers, bool used_too) {
    while (*peers) {
        struct hd_peer *peer = *peers;
        if (!used_too && (peer->tasks > 0 || peer->lines > 0)) {
            peers = &peer->next;
            continue;
        }
        *peers = peer->next;
        peer_free(peer);
    }
}

void hd_peer_drop_unused(struct hd_peer **peers) {
    drop(peers, false);
}

void hd_peer_drop_all(struct hd_peer **peers) {
    drop(peers, true);
}

#define SET(option, value)                            \
    do {                                              \
        code = curl_easy_setopt(easy, option, value); \
        if (code != CURLE_OK)                         \
            return code;                              \
    } while (0)

CURLcode hd_easy_prepare(CURL *easy, const struct hd_transfer *transfer, const char *protocols, int64_t left_ms, char *errors) {
    CURLcode code;
    errors[0] = '\0';
    SET(CURLOPT_ERRORBUFFER, errors);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT,
        1L); /* a name server that hangs must not hold us when a transfer is given up: the resolver's thread is left to itself */
    SET(CURLOPT_PROTOCOLS_STR, protocols);
    SET(CURLOPT_PROXY, ""); /* whatever the environment says */
    SET(CURLOPT_URL, transfer->url);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)transfer->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1));
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (transfer->ca_file)
        SET(CURLOPT_CAINFO, transfer->ca_file);
    if (transfer->username)
        SET(CURLOPT_USERNAME, transfer->username);
    if (transfer->password)
        SET(CURLOPT_PASSWORD, transfer->password);
    return CURLE_OK;
}

static const struct {
    CURLcode code;
    enum hd_transfer_failure failure;
} failures[] = {
    {CURLE_OK, HD_TRANSFER_OK},
    {CURLE_COULDNT_RESOLVE_HOST, HD_TRANSFER_RESOLVE},
    {CURLE_COULDNT_CONNECT, HD_TRANSFER_CONNECT},
    {CURLE_INTERFACE_FAILED, HD_TRANSFER_CONNECT},
    {CURLE_OPERATION_TIMEDOUT, HD_TRANSFER_TIMEOUT},
    {CURLE_SSL_CONNECT_ERROR, HD_TRANSFER_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, HD_TRANSFER_TLS},
    {CURLE_SSL_ENGINE_NOTFOUND, HD_TRANSFER_TLS},
    {CURLE_SSL_ENGINE_SETFAILED, HD_TRANSFER_TLS},
    {CURLE_SSL_ENGINE_INITFAILED, HD_TRANSFER_TLS},
    {CURLE_SSL_CERTPROBLEM, HD_TRANSFER_TLS},
    {CURLE_SSL_CIPHER, HD_TRANSFER_TLS},
    {CURLE_SSL_CACERT_BADFILE, HD_TRANSFER_TLS},
    {CURLE_SSL_CRL_BADFILE, HD_TRANSFER_TLS},
    {CURLE_SSL_ISSUER_ERROR, HD_TRANSFER_TLS},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, HD_TRANSFER_TLS},
    {CURLE_SSL_INVALIDCERTSTATUS, HD_TRANSFER_TLS},
    {CURLE_USE_SSL_FAILED, HD_TRANSFER_TLS},
    {CURLE_LOGIN_DENIED, HD_TRANSFER_LOGIN},
    {CURLE_AUTH_ERROR, HD_TRANSFER_LOGIN},
    {CURLE_SEND_ERROR, HD_TRANSFER_DROPPED},
    {CURLE_RECV_ERROR, HD_TRANSFER_DROPPED},
    {CURLE_GOT_NOTHING, HD_TRANSFER_DROPPED},
    {CURLE_PARTIAL_FILE, HD_TRANSFER_DROPPED},
    {CURLE_HTTP2, HD_TRANSFER_DROPPED},
    {CURLE_HTTP2_STREAM, HD_TRANSFER_DROPPED},
};

enum hd_transfer_failure hd_failure_of(CURLcode code) {
    for (size_t i = 0; i < HD_ARRAY_LEN(failures); i++)
        if (failures[i].code == code)
            return failures[i].failure;
    return HD_TRANSFER_OTHER;
}

/* Stars for every secret in text: a server may well repeat a line that it did not understand. */
static void hide(char *text, const char *secret) {
    size_t len = secret ? strlen(secret) : 0;
    for (char *at = text; len > 0 && (at = strstr(at, secret)); at += len)
        memset(at, '*', len);
}

static void hide_encoded(char *text, const char *secret, size_t len) {
    unsigned char encoded[4 * ((3 * CREDENTIAL_MAX_BYTES + 2) / 3) + 1];
    if (len == 0 || len > (size_t)3 * CREDENTIAL_MAX_BYTES)
        return;
    EVP_EncodeBlock(encoded, (const unsigned char *)secret, (int)len);
    hide(text, (const char *)encoded);
}

static void hide_credentials(char *text, const char *username, const char *password) {
    if (!password)
        return;
    char plain[2 * CREDENTIAL_MAX_BYTES + 2]; /* RFC 4616 */
    const char *user = username ? username : "";
    int len = snprintf(plain, sizeof plain, "%c%s%c%s", '\0', user, '\0', password);
    if (len > 0 && (size_t)len < sizeof plain)
        hide_encoded(text, plain, (size_t)len);
    hide_encoded(text, password, strlen(password));
    hide(text, password);
}

void hd_task_describe(struct hd_task *task, const char *source) {
    char text[DETAIL_SOURCE_BYTES];
    int len = snprintf(text, sizeof text, "%s", source); /* whole, so that no half of a secret remains where it is cut */
    if (len < 0)
        text[0] = '\0';
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    hide_credentials(text, task->transfer.username, task->transfer.password);
    size_t full = strlen(text);
    size_t max = sizeof task->result.detail - 1;
    hd_utf8_scrub(text, full);
    size_t take = hd_utf8_valid_prefix(text, full < max ? full : max);
    memcpy(task->result.detail, text, take);
    task->result.detail[take] = '\0';
}
