#include "adapters/transfer/dispatcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/transfer/http_task.h"
#include "adapters/transfer/smtp_dialog.h"
#include "adapters/transfer/smtp_lines.h"

enum {
    DEFAULT_TRANSFERS_MAX = 256,
    DEFAULT_CONNECTIONS_PER_HOST_MAX = 32,
    DEFAULT_CONNECT_TIMEOUT_MS = 10 * 1000,
    DEFAULT_TIMEOUT_MS = 30 * 1000,
    TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000,
    WAIT_MAX_MS = 60 * 1000,
};

struct hd_dispatcher {
    CURLM *multi;
    size_t transfers_max;
    size_t under_way;
    struct hd_peer *peers;
    struct hd_smtp_lines lines;
    struct hd_task_list running; /* HTTP tasks in libcurl's hands */
    struct hd_task_list finished;
    struct hd_handle *free_handles;
    struct curl_waitfd *fds; /* room for every line that can be */
    int64_t looked_at_ms;    /* the end of the last run: monotonic */
    bool curl_ready;
};

/* ---- life ---- */

static void handle_free(struct hd_handle *handle) {
    if (!handle)
        return;
    curl_easy_cleanup(handle->easy);
    free(handle);
}

static bool set_up_multi(struct hd_dispatcher *dispatcher) {
    CURLM *multi = dispatcher->multi;
    return curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)dispatcher->lines.lines_per_peer_max) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)dispatcher->transfers_max) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) == CURLM_OK;
}

int hd_dispatcher_new(const struct hd_dispatcher_options *options, struct hd_dispatcher **ret_dispatcher, struct hd_error *err) {
    struct hd_dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (!dispatcher)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a dispatcher");
    dispatcher->transfers_max = options->transfers_max ? options->transfers_max : (size_t)DEFAULT_TRANSFERS_MAX;
    dispatcher->lines.lines_per_peer_max =
        options->connections_per_host_max ? options->connections_per_host_max : (size_t)DEFAULT_CONNECTIONS_PER_HOST_MAX;
    dispatcher->lines.finished = &dispatcher->finished;
    dispatcher->curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    dispatcher->multi = dispatcher->curl_ready ? curl_multi_init() : NULL;
    dispatcher->lines.multi = dispatcher->multi;
    if (!dispatcher->multi || !set_up_multi(dispatcher)) {
        hd_dispatcher_free(dispatcher);
        return hd_error_set(err, HD_ERR_NO_MEMORY, "libcurl could not be set up");
    }
    *ret_dispatcher = dispatcher;
    return 0;
}

static void task_free(struct hd_dispatcher *dispatcher, struct hd_task *task) {
    struct hd_handle *handle = task->handle;
    curl_slist_free_all(task->headers);
    hd_buffer_free(&task->body);
    if (handle) {
        curl_easy_reset(handle->easy);
        handle->next = dispatcher->free_handles;
        dispatcher->free_handles = handle;
    }
    free(task);
}

static void free_list(struct hd_dispatcher *dispatcher, struct hd_task_list *list) {
    while (list->first) {
        struct hd_task *task = list->first;
        hd_task_remove(list, task);
        task_free(dispatcher, task);
    }
}

void hd_dispatcher_free(struct hd_dispatcher *dispatcher) {
    if (!dispatcher)
        return;
    for (struct hd_task *task = dispatcher->running.first; task; task = task->next)
        curl_multi_remove_handle(dispatcher->multi, task->easy);
    free_list(dispatcher, &dispatcher->running);
    free_list(dispatcher, &dispatcher->finished);
    for (struct hd_peer *peer = dispatcher->peers; peer; peer = peer->next)
        free_list(dispatcher, &peer->waiting);
    hd_smtp_lines_abandon(&dispatcher->lines, &dispatcher->finished);
    free_list(dispatcher, &dispatcher->finished);
    hd_peer_drop_all(&dispatcher->peers);
    while (dispatcher->free_handles) {
        struct hd_handle *handle = dispatcher->free_handles;
        dispatcher->free_handles = handle->next;
        handle_free(handle);
    }
    if (dispatcher->multi)
        curl_multi_cleanup(dispatcher->multi);
    if (dispatcher->curl_ready)
        curl_global_cleanup();
    free(dispatcher->fds);
    free(dispatcher);
}

/* ---- start ---- */

static struct hd_handle *take_handle(struct hd_dispatcher *dispatcher) {
    struct hd_handle *handle = dispatcher->free_handles;
    if (handle) {
        dispatcher->free_handles = handle->next;
        return handle;
    }
    handle = calloc(1, sizeof *handle);
    if (handle && !(handle->easy = curl_easy_init())) {
        free(handle);
        return NULL;
    }
    return handle;
}

static int start_http(struct hd_dispatcher *dispatcher, struct hd_task *task, struct hd_error *err) {
    struct hd_handle *handle = take_handle(dispatcher);
    if (!handle)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a request");
    task->handle = handle;
    task->easy = handle->easy;
    int r = hd_http_task_prepare(task, handle->errors, err);
    if (r < 0)
        return r;
    if (curl_multi_add_handle(dispatcher->multi, task->easy) != CURLM_OK)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "libcurl has taken no further request");
    return 0;
}

static int start_smtp(struct hd_dispatcher *dispatcher, struct hd_task *task, struct hd_error *err) {
    const struct hd_transfer *mail = &task->transfer;
    if (!hd_smtp_path_acceptable(mail->mail_from) || !hd_smtp_path_acceptable(mail->mail_to))
        return hd_error_set(err, HD_ERR_INVALID, "the sender or the recipient cannot stand in an envelope");
    size_t lines_max =
        dispatcher->lines.count + dispatcher->under_way + 1; /* each task opens one at most, and idle ones are there already */
    struct curl_waitfd *fds = realloc(dispatcher->fds, lines_max * sizeof *fds);
    if (!fds)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a mail");
    dispatcher->fds = fds;
    return 0;
}

/* *ret_list: where the task waits from now on. */
static int begin(struct hd_dispatcher *dispatcher, struct hd_task *task, struct hd_task_list **ret_list, struct hd_error *err) {
    switch (task->transfer.kind) {
    case HD_TRANSFER_SMTP:
        *ret_list = &task->peer->waiting;
        return start_smtp(dispatcher, task, err);
    case HD_TRANSFER_HTTP:
        *ret_list = &dispatcher->running;
        return start_http(dispatcher, task, err);
    default: /* nothing to do outside */
        *ret_list = &dispatcher->finished;
        return 0;
    }
}

static int64_t limit_ms(int64_t wanted_ms, int64_t fallback_ms) {
    if (wanted_ms <= 0)
        return fallback_ms;
    return wanted_ms < TIMEOUT_MAX_MS ? wanted_ms : TIMEOUT_MAX_MS;
}

static struct hd_task *task_new(struct hd_dispatcher *dispatcher, const struct hd_transfer *transfer) {
    struct hd_task *task = calloc(1, sizeof *task);
    if (!task)
        return NULL;
    task->transfer = *transfer;
    task->transfer.connect_timeout_ms = limit_ms(transfer->connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
    task->transfer.timeout_ms = limit_ms(transfer->timeout_ms, DEFAULT_TIMEOUT_MS);
    task->started_ms = hd_monotonic_ms();
    task->deadline_ms = task->started_ms + task->transfer.timeout_ms;
    task->peer = transfer->kind == HD_TRANSFER_SMTP ? hd_peer_of(&dispatcher->peers, transfer) : NULL;
    if (transfer->kind == HD_TRANSFER_SMTP && !task->peer) {
        free(task);
        return NULL;
    }
    return task;
}

int hd_dispatcher_start(struct hd_dispatcher *dispatcher, const struct hd_transfer *transfer, hd_transfer_done_fn *done, void *arg,
                        struct hd_error *err) {
    if (dispatcher->under_way >= dispatcher->transfers_max)
        return hd_error_set(err, HD_ERR_OVERLOADED, "all %zu transfers are under way", dispatcher->transfers_max);
    struct hd_task *task = task_new(dispatcher, transfer);
    if (!task)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a transfer");
    task->done = done;
    task->arg = arg;
    struct hd_task_list *list = NULL;
    int r = begin(dispatcher, task, &list, err);
    if (r < 0) {
        task_free(dispatcher, task);
        return r;
    }
    hd_task_append(list, task);
    dispatcher->under_way++;
    if (task->peer)
        task->peer->tasks++;
    return 0;
}

size_t hd_dispatcher_under_way(const struct hd_dispatcher *dispatcher) {
    return dispatcher->under_way;
}

/* ---- run ---- */

static void take_ended(struct hd_dispatcher *dispatcher) {
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(dispatcher->multi, &left));) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE || hd_smtp_lines_connected(&dispatcher->lines, easy, code))
            continue;
        struct hd_task *task = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&task);
        hd_http_task_conclude(task, code, task->handle->errors);
        curl_multi_remove_handle(dispatcher->multi, easy);
        hd_task_remove(&dispatcher->running, task);
        hd_task_append(&dispatcher->finished, task);
    }
}

/* Our own limit, not libcurl's: that one is judged before what has come is read. */
static void expire_running(struct hd_dispatcher *dispatcher, int64_t now_ms) {
    for (struct hd_task *task = dispatcher->running.first; task;) {
        struct hd_task *next = task->next;
        if (task->deadline_ms <= now_ms) {
            (void)snprintf(task->handle->errors, CURL_ERROR_SIZE, "no answer within %lld ms", (long long)task->transfer.timeout_ms);
            hd_http_task_conclude(task, CURLE_OPERATION_TIMEDOUT, task->handle->errors);
            curl_multi_remove_handle(dispatcher->multi, task->easy);
            hd_task_remove(&dispatcher->running, task);
            hd_task_append(&dispatcher->finished, task);
        }
        task = next;
    }
}

static void forgive_list(struct hd_task_list *list, int64_t since_ms, int64_t now_ms) {
    for (struct hd_task *task = list->first; task; task = task->next)
        hd_task_forgive(task, since_ms, now_ms);
}

/* Time in which nobody looked counts for no limit: the peer may have answered long ago, or waits for us. A caller that was held up elsewhere would else take a mail that was sent for one that
 * was not, and send it again. */
static void forgive_absence(struct hd_dispatcher *dispatcher, int64_t now_ms) {
    int64_t since_ms = dispatcher->looked_at_ms;
    forgive_list(&dispatcher->running, since_ms, now_ms);
    for (struct hd_peer *peer = dispatcher->peers; peer; peer = peer->next)
        forgive_list(&peer->waiting, since_ms, now_ms);
    hd_smtp_lines_forgive(&dispatcher->lines, since_ms, now_ms);
}

static int64_t first_deadline(const struct hd_task_list *list, int64_t next_ms) {
    for (const struct hd_task *task = list->first; task; task = task->next)
        next_ms = task->deadline_ms < next_ms ? task->deadline_ms : next_ms;
    return next_ms;
}

static int wait_ms(const struct hd_dispatcher *dispatcher, int64_t timeout_ms) {
    if (dispatcher->finished.first)
        return 0;
    int64_t next_ms = first_deadline(&dispatcher->running, hd_smtp_lines_next_ms(&dispatcher->lines));
    for (const struct hd_peer *peer = dispatcher->peers; peer; peer = peer->next)
        next_ms = first_deadline(&peer->waiting, next_ms);
    int64_t left_ms = next_ms == INT64_MAX ? INT64_MAX : next_ms - hd_monotonic_ms();
    int64_t wait = timeout_ms < left_ms ? timeout_ms : left_ms;
    return wait < 0 ? 0 : wait > WAIT_MAX_MS ? WAIT_MAX_MS : (int)wait;
}

static void call_done(struct hd_dispatcher *dispatcher) {
    struct hd_task_list finished = dispatcher->finished; /* what done starts is for the next run */
    dispatcher->finished = (struct hd_task_list){0};
    for (struct hd_task *task; (task = finished.first);) {
        hd_task_remove(&finished, task);
        dispatcher->under_way--;
        if (task->peer)
            task->peer->tasks--;
        task->result.duration_ms = hd_monotonic_ms() - task->started_ms;
        task->done(task->arg, &task->result);
        task_free(dispatcher, task);
    }
    hd_peer_drop_unused(&dispatcher->peers);
}

void hd_dispatcher_run(struct hd_dispatcher *dispatcher, int64_t timeout_ms) {
    struct hd_smtp_lines *lines = &dispatcher->lines;
    forgive_absence(dispatcher, hd_monotonic_ms());
    hd_smtp_lines_run(lines, dispatcher->peers, hd_monotonic_ms());
    size_t count = hd_smtp_lines_watch(lines, dispatcher->fds);
    curl_multi_poll(dispatcher->multi, dispatcher->fds, (unsigned)count, wait_ms(dispatcher, timeout_ms), NULL);
    hd_smtp_lines_woken(lines, dispatcher->fds, count);
    int running = 0;
    curl_multi_perform(dispatcher->multi, &running);
    take_ended(dispatcher);
    dispatcher->looked_at_ms = hd_monotonic_ms();
    expire_running(dispatcher, dispatcher->looked_at_ms);
    hd_smtp_lines_run(lines, dispatcher->peers, dispatcher->looked_at_ms);
    call_done(dispatcher);
}

void hd_dispatcher_wake(struct hd_dispatcher *dispatcher) {
    curl_multi_wakeup(dispatcher->multi);
}
