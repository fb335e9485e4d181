/* One transfer that is under way: what the parts of the dispatcher share. Private to this folder. */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/transfer/dispatcher.h"
#include "base/buffer.h"
#include "core/clock.h"

struct hd_task {
    struct hd_task *next, *prev; /* in one list at a time */
    struct hd_transfer transfer; /* its strings are the caller's */
    hd_transfer_done_fn *done;
    void *arg;
    struct hd_transfer_result result;
    int64_t started_ms;   /* monotonic */
    int64_t deadline_ms;  /* for all of it; SMTP: to get a connection, then anew for all the rest */
    struct hd_peer *peer; /* SMTP only */
    CURL *easy;           /* HTTP only, as are the next three */
    struct hd_handle *handle;
    struct curl_slist *headers;
    struct hd_buffer body;
    bool restarted; /* SMTP: a connection that had been kept was closed under it, once */
};

/* An easy handle for HTTP with the text of its errors, kept for the next task. */
struct hd_handle {
    struct hd_handle *next;
    CURL *easy;
    char errors[CURL_ERROR_SIZE];
};

struct hd_task_list {
    struct hd_task *first, *last;
};

void hd_task_append(struct hd_task_list *list, struct hd_task *task);
void hd_task_remove(struct hd_task_list *list, struct hd_task *task);

/* Nobody has looked at it from since_ms to now_ms: its deadline moves by as much. */
void hd_task_forgive(struct hd_task *task, int64_t since_ms, int64_t now_ms);

/* An SMTP server with its credentials. Lives while it has tasks or connections. */
struct hd_peer {
    struct hd_peer *next;
    char *url;
    char *username;
    char *password;
    char *ca_file;
    bool require_tls;
    bool no_tls;
    size_t tasks;
    struct hd_task_list waiting; /* for a connection */
    size_t lines;                /* connections, those that are being made included */
};

/* The peer of a transfer, made if it is new; NULL when out of memory. */
struct hd_peer *hd_peer_of(struct hd_peer **peers, const struct hd_transfer *transfer) HD_MUST_CHECK;
void hd_peer_drop_unused(struct hd_peer **peers);
void hd_peer_drop_all(struct hd_peer **peers);

/* What all transfers have in common: URL, protocols, time limits, TLS, credentials. errors holds CURL_ERROR_SIZE bytes, for as long as easy lives. */
CURLcode hd_easy_prepare(CURL *easy, const struct hd_transfer *transfer, const char *protocols, int64_t left_ms, char *errors);

enum hd_transfer_failure hd_failure_of(CURLcode code);
/* Puts text into the result's detail: printable, valid UTF-8, cut, and without the transfer's credentials, be they plain or as AUTH sends them. */
void hd_task_describe(struct hd_task *task, const char *text);
