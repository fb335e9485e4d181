/* The connections to SMTP servers, and the mails that go over them. Private to this folder.
 *
 * libcurl makes a connection (CURLOPT_CONNECT_ONLY: TCP, greeting, EHLO, STARTTLS, AUTH), and the mail's own talk is smtp_dialog's: were libcurl left to send the mail, it would block the
 * thread, and with it all other transfers, from the end of the message to the server's answer (smtp_done in libcurl 7.88 and later). It also tells no sender's refusal from a recipient's.
 *
 * A connection is kept for the next mail; one that has turned out to be closed meanwhile costs nothing: the mail goes again over a new one, once, if the server hadn't yet answered to it. */
#pragma once

#include "adapters/transfer/task.h"

enum { HD_SMTP_IDLE_MS = 20 * 1000, HD_SMTP_MAILS_PER_LINE_MAX = 100 };

struct hd_smtp_line;

struct hd_smtp_lines {
    CURLM *multi;
    size_t lines_per_peer_max;
    struct hd_task_list *finished; /* where tasks go that have ended */
    struct hd_smtp_line *first;
    size_t count;
};

/* libcurl has ended with easy. False: it is none of ours. */
bool hd_smtp_lines_connected(struct hd_smtp_lines *lines, CURL *easy, CURLcode code);
/* What to wait for: lines->count entries at most. The same ones come back with revents. */
size_t hd_smtp_lines_watch(const struct hd_smtp_lines *lines, struct curl_waitfd *ret_fds);
void hd_smtp_lines_woken(struct hd_smtp_lines *lines, const struct curl_waitfd *fds, size_t count);
/* Does all that can be done without waiting, for the mails of these peers. */
void hd_smtp_lines_run(struct hd_smtp_lines *lines, struct hd_peer *peers, int64_t now_ms);
/* As hd_task_forgive, for the mails that are being sent. */
void hd_smtp_lines_forgive(struct hd_smtp_lines *lines, int64_t since_ms, int64_t now_ms);
/* When there is something to do even if nothing comes: monotonic; INT64_MAX: never. */
int64_t hd_smtp_lines_next_ms(const struct hd_smtp_lines *lines);
/* Closes all, and puts their tasks into the list. */
void hd_smtp_lines_abandon(struct hd_smtp_lines *lines, struct hd_task_list *ret_tasks);
