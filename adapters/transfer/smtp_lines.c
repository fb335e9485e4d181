#include "adapters/transfer/smtp_lines.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "adapters/transfer/smtp_dialog.h"

enum { READ_BYTES = 4096, KEPT_OUT_BYTES = 64 * 1024 /* of an idle connection's buffer */ };

struct hd_smtp_line {
    struct hd_smtp_line *next;
    struct hd_peer *peer;
    enum { CONNECTING, BUSY, IDLE } state;
    CURL *easy;
    curl_socket_t socket;
    struct hd_task *task; /* while CONNECTING or BUSY */
    bool ready;           /* to be looked at */
    bool wants_out;       /* its socket was full */
    bool refused;         /* the last mail; RSET comes before the next */
    unsigned mails;
    int64_t idle_since_ms;
    struct hd_smtp_abilities abilities;
    struct hd_smtp_reply greeting; /* the last reply while libcurl was talking */
    struct hd_smtp_dialog dialog;
    char errors[CURL_ERROR_SIZE];
};

static const char *const stage_names[] = {[HD_SMTP_CONNECTION] = "to a command",
                                          [HD_SMTP_SENDER] = "to the sender",
                                          [HD_SMTP_RECIPIENT] = "to the recipient",
                                          [HD_SMTP_MESSAGE] = "to the message"};

/* ---- tasks ---- */

static void finish(struct hd_smtp_lines *lines, struct hd_task *task, enum hd_transfer_failure failure, long code, enum hd_smtp_stage stage,
                   const char *detail) {
    task->result.failure = failure;
    task->result.response_code = code;
    task->result.stage = stage;
    hd_task_describe(task, detail);
    hd_task_append(lines->finished, task);
}

static void finish_late(struct hd_smtp_lines *lines, struct hd_task *task, enum hd_smtp_stage stage, const char *what) {
    char text[HD_SMTP_TEXT_BYTES];
    snprintf(text, sizeof text, "%s within %lld ms", what, (long long)task->transfer.timeout_ms);
    finish(lines, task, HD_TRANSFER_TIMEOUT, 0, stage, text);
}

static void prepend(struct hd_task_list *list, struct hd_task *task) {
    task->prev = NULL;
    task->next = list->first;
    *(list->first ? &list->first->prev : &list->last) = task;
    list->first = task;
}

/* ---- lines ---- */

static void line_free(struct hd_smtp_line *line) {
    hd_smtp_dialog_free(&line->dialog);
    if (line->easy)
        curl_easy_cleanup(line->easy);
    free(line);
}

static void line_close(struct hd_smtp_lines *lines, struct hd_smtp_line *line) {
    struct hd_smtp_line **at = &lines->first;
    while (*at != line)
        at = &(*at)->next;
    *at = line->next;
    lines->count--;
    line->peer->lines--;
    if (line->state == IDLE) { /* in good order; the answer is of no interest */
        size_t sent = 0;
        (void)curl_easy_send(line->easy, "QUIT\r\n", 6, &sent);
    }
    curl_multi_remove_handle(lines->multi, line->easy);
    line_free(line);
}

static bool begins(const char *line, size_t len, const char *word) {
    size_t word_len = strlen(word);
    return len >= word_len && strncasecmp(line, word, word_len) == 0;
}

/* What the server says while libcurl makes the connection, line by line. After STARTTLS (220) its abilities are told anew. */
static size_t overhear(char *data, size_t size, size_t count, void *arg) {
    struct hd_smtp_line *line = arg;
    size_t len = size * count;
    hd_smtp_reply_feed(&line->greeting, data, len);
    if (begins(data, len, "220"))
        line->abilities = (struct hd_smtp_abilities){0};
    if (begins(data, len, "250") && len > 4) {
        line->abilities.pipelining |= begins(data + 4, len - 4, "PIPELINING");
        line->abilities.size |= begins(data + 4, len - 4, "SIZE");
    }
    return len;
}

static CURLcode prepare(struct hd_smtp_line *line, int64_t now_ms) {
    const struct hd_transfer *transfer = &line->task->transfer;
    CURLcode code = hd_easy_prepare(line->easy, transfer, "smtp,smtps", line->task->deadline_ms - now_ms, line->errors);
    long use_tls = transfer->no_tls ? CURLUSESSL_NONE : transfer->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY;
    if (code == CURLE_OK)
        code = curl_easy_setopt(line->easy, CURLOPT_USE_SSL, use_tls);
    if (code == CURLE_OK)
        code = curl_easy_setopt(line->easy, CURLOPT_CONNECT_ONLY, 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(line->easy, CURLOPT_HEADERFUNCTION, overhear);
    if (code == CURLE_OK)
        code = curl_easy_setopt(line->easy, CURLOPT_HEADERDATA, line);
    return code;
}

/* A new connection for a task; false when it can't even be begun. */
static bool line_open(struct hd_smtp_lines *lines, struct hd_task *task, int64_t now_ms) {
    struct hd_smtp_line *line = calloc(1, sizeof *line);
    if (!line)
        return false;
    *line =
        (struct hd_smtp_line){.peer = task->peer, .state = CONNECTING, .task = task, .socket = CURL_SOCKET_BAD, .easy = curl_easy_init()};
    if (!line->easy || prepare(line, now_ms) != CURLE_OK || curl_multi_add_handle(lines->multi, line->easy) != CURLM_OK) {
        line_free(line);
        return false;
    }
    line->next = lines->first;
    lines->first = line;
    lines->count++;
    task->peer->lines++;
    return true;
}

static void begin_mail(struct hd_smtp_line *line, struct hd_task *task) {
    line->state = BUSY;
    line->task = task;
    line->ready = true;
    hd_smtp_dialog_begin(&line->dialog, &task->transfer, &line->abilities, line->refused);
}

static void rest(struct hd_smtp_line *line, int64_t now_ms) {
    line->state = IDLE;
    line->task = NULL;
    line->wants_out = false;
    line->idle_since_ms = now_ms;
    if (line->dialog.out.capacity > KEPT_OUT_BYTES)
        hd_buffer_free(&line->dialog.out);
}

/* ---- what comes ---- */

static void connect_failed(struct hd_smtp_lines *lines, struct hd_smtp_line *line, CURLcode code) {
    int reply = line->greeting.code;
    enum hd_transfer_failure failure = hd_failure_of(code);
    bool answered = reply >= 400;
    if (answered && (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_REMOTE_ACCESS_DENIED))
        failure = HD_TRANSFER_OK;
    bool about_reply = answered && (failure == HD_TRANSFER_OK || failure == HD_TRANSFER_LOGIN || failure == HD_TRANSFER_TLS);
    const char *why = line->errors[0] ? line->errors : curl_easy_strerror(code);
    finish(lines, line->task, failure, about_reply ? reply : 0, HD_SMTP_CONNECTION, about_reply ? line->greeting.text : why);
    line_close(lines, line);
}

bool hd_smtp_lines_connected(struct hd_smtp_lines *lines, CURL *easy, CURLcode code) {
    struct hd_smtp_line *line = lines->first;
    while (line && line->easy != easy)
        line = line->next;
    if (!line)
        return false;
    if (code == CURLE_OK)
        code = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &line->socket);
    if (code == CURLE_OK && line->socket == CURL_SOCKET_BAD)
        code = CURLE_RECV_ERROR;
    if (code == CURLE_OK)
        begin_mail(line, line->task);
    else
        connect_failed(lines, line, code);
    return true;
}

/* Was this connection closed while it was idle, and only noticed now? Then the mail goes again. */
static bool restart(struct hd_smtp_line *line) {
    struct hd_task *task = line->task;
    if (line->mails == 0 || line->dialog.touched || task->restarted)
        return false;
    task->restarted = true;
    prepend(&line->peer->waiting, task);
    return true;
}

static void broke(struct hd_smtp_lines *lines, struct hd_smtp_line *line, const char *why) {
    if (!restart(line)) {
        enum hd_smtp_stage stage = hd_smtp_dialog_stage(&line->dialog);
        char text[HD_SMTP_TEXT_BYTES];
        snprintf(text, sizeof text, "%s before the answer %s", why, stage_names[stage]);
        finish(lines, line->task, HD_TRANSFER_DROPPED, 0, stage, text);
    }
    line_close(lines, line);
}

static void answered(struct hd_smtp_lines *lines, struct hd_smtp_line *line, int64_t now_ms) {
    const struct hd_smtp_dialog *dialog = &line->dialog;
    if (!restart(line))
        finish(lines, line->task, HD_TRANSFER_OK, dialog->code, dialog->stage, dialog->text);
    line->mails++;
    line->refused = dialog->code / 100 != 2;
    if (!dialog->reusable || line->mails >= HD_SMTP_MAILS_PER_LINE_MAX) {
        line->state = dialog->reusable ? IDLE : BUSY; /* only one in good order says QUIT */
        line_close(lines, line);
        return;
    }
    rest(line, now_ms);
}

/* Sends what can be sent now. */
static CURLcode send_out(struct hd_smtp_line *line) {
    struct hd_smtp_dialog *dialog = &line->dialog;
    CURLcode code = CURLE_OK;
    while (code == CURLE_OK && dialog->out_sent < dialog->out.len) {
        size_t sent = 0;
        code = curl_easy_send(line->easy, dialog->out.data + dialog->out_sent, dialog->out.len - dialog->out_sent, &sent);
        if (code == CURLE_OK)
            dialog->out_sent += sent;
    }
    line->wants_out = code == CURLE_AGAIN;
    return code == CURLE_AGAIN ? CURLE_OK : code;
}

/* Many servers write the answers to commands that came together one by one, with Nagle's algorithm: each would wait for our delayed acknowledgement of the one before, 40 ms. (The option
 * holds for a while only.) */
static void acknowledge_quickly(const struct hd_smtp_line *line) {
    (void)setsockopt(line->socket, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
}

static void talk(struct hd_smtp_lines *lines, struct hd_smtp_line *line, int64_t now_ms) {
    struct hd_error err;
    while (!line->dialog.ended) {
        if (hd_buffer_check(&line->dialog.out, &err) < 0) {
            finish(lines, line->task, HD_TRANSFER_OTHER, 0, hd_smtp_dialog_stage(&line->dialog), err.detail);
            line_close(lines, line);
            return;
        }
        CURLcode sent = send_out(line);
        acknowledge_quickly(line);
        char data[READ_BYTES];
        size_t len = 0;
        CURLcode code = curl_easy_recv(line->easy, data, sizeof data, &len); /* even if sending failed: the server may have said why */
        if (code == CURLE_AGAIN && sent == CURLE_OK)
            return;
        if (code != CURLE_OK || len == 0) {
            broke(lines, line, "the connection broke");
            return;
        }
        if (hd_smtp_dialog_feed(&line->dialog, data, len, &err) < 0) {
            broke(lines, line, err.detail);
            return;
        }
    }
    answered(lines, line, now_ms);
}

/* ---- what is to be done ---- */

static struct hd_smtp_line *idle_line(const struct hd_smtp_lines *lines, const struct hd_peer *peer) {
    for (struct hd_smtp_line *line = lines->first; line; line = line->next)
        if (line->peer == peer && line->state == IDLE)
            return line;
    return NULL;
}

/* Gives waiting mails a connection each, as far as there are any. */
static void assign(struct hd_smtp_lines *lines, struct hd_peer *peer, int64_t now_ms) {
    for (struct hd_task *task; (task = peer->waiting.first);) {
        struct hd_smtp_line *idle = idle_line(lines, peer);
        bool full = peer->lines >= lines->lines_per_peer_max;
        if (idle && task->restarted && full) {
            line_close(lines, idle);
            continue;
        }
        bool reuse = idle && !task->restarted;
        if (!reuse && full)
            return;
        hd_task_remove(&peer->waiting, task);
        task->deadline_ms = now_ms + task->transfer.timeout_ms; /* anew: what it has waited was no fault of the server's */
        if (reuse)
            begin_mail(idle, task);
        else if (!line_open(lines, task, now_ms))
            finish(lines, task, HD_TRANSFER_OTHER, 0, HD_SMTP_CONNECTION, "no memory for a connection");
    }
}

static void serve(struct hd_smtp_lines *lines, struct hd_smtp_line *line, int64_t now_ms) {
    line->ready = false;
    if (line->state == BUSY)
        talk(lines, line, now_ms);
    else if (line->state == IDLE) { /* nobody asked: it has been closed, or is about to be */
        line->state = BUSY;
        line_close(lines, line);
    }
}

static bool serve_all(struct hd_smtp_lines *lines, int64_t now_ms) {
    bool served = false;
    for (struct hd_smtp_line *line = lines->first; line;) {
        struct hd_smtp_line *next = line->next; /* serving closes no other line */
        if (line->ready) {
            serve(lines, line, now_ms);
            served = true;
        }
        line = next;
    }
    return served;
}

static void expire_lines(struct hd_smtp_lines *lines, int64_t now_ms) {
    for (struct hd_smtp_line *line = lines->first; line;) {
        struct hd_smtp_line *next = line->next;
        if (line->state == IDLE && line->idle_since_ms + HD_SMTP_IDLE_MS <= now_ms) {
            line_close(lines, line);
        } else if (line->state == BUSY && line->task->deadline_ms <= now_ms) {
            enum hd_smtp_stage stage = hd_smtp_dialog_stage(&line->dialog);
            char what[HD_SMTP_TEXT_BYTES];
            snprintf(what, sizeof what, "no answer %s", stage_names[stage]);
            finish_late(lines, line->task, stage, what);
            line_close(lines, line);
        }
        line = next;
    }
}

static void expire_waiting(struct hd_smtp_lines *lines, struct hd_peer *peer, int64_t now_ms) {
    for (struct hd_task *task = peer->waiting.first; task;) {
        struct hd_task *next = task->next;
        if (task->deadline_ms <= now_ms) {
            hd_task_remove(&peer->waiting, task);
            finish_late(lines, task, HD_SMTP_CONNECTION, "no connection became free");
        }
        task = next;
    }
}

/* What has come is read before anything is late. */
void hd_smtp_lines_run(struct hd_smtp_lines *lines, struct hd_peer *peers, int64_t now_ms) {
    (void)serve_all(lines, now_ms);
    do {
        expire_lines(lines, now_ms);
        for (struct hd_peer *peer = peers; peer; peer = peer->next) {
            expire_waiting(lines, peer, now_ms);
            assign(lines, peer, now_ms);
        }
    } while (serve_all(lines, now_ms));
}

void hd_smtp_lines_forgive(struct hd_smtp_lines *lines, int64_t since_ms, int64_t now_ms) {
    for (struct hd_smtp_line *line = lines->first; line; line = line->next)
        if (line->state == BUSY)
            hd_task_forgive(line->task, since_ms, now_ms);
}

size_t hd_smtp_lines_watch(const struct hd_smtp_lines *lines, struct curl_waitfd *ret_fds) {
    size_t count = 0;
    for (const struct hd_smtp_line *line = lines->first; line; line = line->next)
        if (line->state != CONNECTING)
            ret_fds[count++] =
                (struct curl_waitfd){.fd = line->socket, .events = (short)(CURL_WAIT_POLLIN | (line->wants_out ? CURL_WAIT_POLLOUT : 0))};
    return count;
}

void hd_smtp_lines_woken(struct hd_smtp_lines *lines, const struct curl_waitfd *fds, size_t count) {
    size_t i = 0;
    for (struct hd_smtp_line *line = lines->first; line && i < count; line = line->next)
        if (line->state != CONNECTING)
            line->ready = fds[i++].revents != 0 || line->ready;
}

int64_t hd_smtp_lines_next_ms(const struct hd_smtp_lines *lines) {
    int64_t next_ms = INT64_MAX;
    for (const struct hd_smtp_line *line = lines->first; line; line = line->next) {
        int64_t at_ms = line->state == BUSY   ? line->task->deadline_ms
                        : line->state == IDLE ? line->idle_since_ms + HD_SMTP_IDLE_MS
                                              : INT64_MAX;
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    return next_ms;
}

void hd_smtp_lines_abandon(struct hd_smtp_lines *lines, struct hd_task_list *ret_tasks) {
    while (lines->first) {
        if (lines->first->task)
            hd_task_append(ret_tasks, lines->first->task);
        line_close(lines, lines->first);
    }
}
