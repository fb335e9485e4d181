#include "adapters/transfer/http_task.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_AFTER_MAX_S = 366 * 24 * 3600 };

/* Keeps the answer's first bytes; breaks off a longer one. */
static size_t keep(char *data, size_t size, size_t count, void *arg) {
    struct hd_task *task = arg;
    size_t len = size * count, room = HD_HTTP_BODY_MAX_BYTES - task->body.len;
    hd_buffer_add(&task->body, data, len < room ? len : room);
    return len <= room && !task->body.failure ? len : 0;
}

static bool is_token(const char *text) {
    static const char marks[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 §5.6.2 */
    for (const char *c = text; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr(marks, *c)))
            return false;
    return *text != '\0';
}

static bool one_line(const char *text) {
    return text[strcspn(text, "\r\n")] == '\0';
}

static int add_headers(struct hd_task *task, struct hd_error *err) {
    static const char *const none[] = {NULL};
    const char *const *header = task->transfer.headers ? task->transfer.headers : none;
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no waiting for 100 Continue */
    bool valid = true;
    for (; list && *header; header++) {
        valid = valid && one_line(*header);
        struct curl_slist *longer = curl_slist_append(list, *header);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    task->headers = list;
    if (!list)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the headers");
    return valid ? 0 : hd_error_set(err, HD_ERR_INVALID, "a header of the request holds a line break");
}

static CURLcode set_request(struct hd_task *task, char *errors) {
    const struct hd_transfer *transfer = &task->transfer;
    CURL *easy = task->easy;
    CURLcode code = hd_easy_prepare(easy, transfer, "http,https", transfer->timeout_ms, errors);
    bool is_head = strcmp(transfer->method, "HEAD") == 0;
    if (code == CURLE_OK && transfer->body && !is_head) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body_bytes);
        code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
    }
    if (code == CURLE_OK && is_head)
        code = curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (code == CURLE_OK && !is_head)
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 0L); /* the dispatcher's limit counts */
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "HelpDesk/" HELPDESK_VERSION);
    if (code != CURLE_OK)
        return code;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, task->headers);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    /* rather one more stream than one more connection; without TLS it would wait for a whole answer before it knew that there are no streams */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, strncmp(task->transfer.url, "https:", 6) == 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, task);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, task);
    return CURLE_OK;
}

int hd_http_task_prepare(struct hd_task *task, char *errors, struct hd_error *err) {
    if (!task->transfer.method || !is_token(task->transfer.method))
        return hd_error_set(err, HD_ERR_INVALID, "the request has no valid method");
    int r = add_headers(task, err);
    if (r < 0)
        return r;
    task->body.limit_bytes = HD_HTTP_BODY_MAX_BYTES;
    CURLcode code = set_request(task, errors);
    if (code == CURLE_OUT_OF_MEMORY)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a request");
    return code == CURLE_OK ? 0 : hd_error_set(err, HD_ERR_INVALID, "the request cannot be made: %s", curl_easy_strerror(code));
}

/* Of the last answer: a 100 before it has headers, too. */
static void keep_header(struct hd_task *task) {
    struct curl_header *header = NULL;
    if (!task->transfer.answer_header ||
        curl_easy_header(task->easy, task->transfer.answer_header, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return;
    snprintf(task->result.answer_header, sizeof task->result.answer_header, "%s", header->value);
}

void hd_http_task_conclude(struct hd_task *task, CURLcode code, const char *errors) {
    struct hd_transfer_result *result = &task->result;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(task->easy, CURLINFO_RESPONSE_CODE, &result->response_code);
    curl_easy_getinfo(task->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (retry_after_s > 0)
        result->retry_after_ms = (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * 1000;
    keep_header(task);
    bool cut = code == CURLE_WRITE_ERROR && task->body.len == HD_HTTP_BODY_MAX_BYTES; /* the answer is there, all that we want of it */
    result->failure = cut ? HD_TRANSFER_OK : hd_failure_of(code);
    result->body = task->body.data;
    result->body_bytes = task->body.len;
    char status[32];
    snprintf(status, sizeof status, "HTTP %ld", result->response_code);
    hd_task_describe(task, result->failure == HD_TRANSFER_OK ? status : errors[0] ? errors : curl_easy_strerror(code));
}
