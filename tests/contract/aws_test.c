/* The contract suite on DynamoDB and SQS, or what stands for them: scripts/with-emulators runs this program beside emulators. Each case has a table and queues of its own.
 *
 * Where the emulators' clock can be moved (HELPDESK_EMULATOR_CLOCK), the suite moves it. Nothing is kept in memory from one view to the next but what a struct hd_aws keeps, so that a crash is played by
 * leaving that one behind. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "adapters/aws/aws.h"
#include "tests/contract/contract.h"

enum { NAME_BYTES = 64, CRASHES_MAX = 64, SKIPPED = 77, ANSWER_MAX_S = 60 };

struct aws_backend {
    struct hd_clock clock; /* first: now_ms finds the rest */
    _Atomic int64_t now_ms;
    CURL *curl; /* to the emulators' clock; NULL: they have the machine's */
    char table[NAME_BYTES], queues[NAME_BYTES];
    struct hd_aws *all[CRASHES_MAX]; /* the last is the one; those before have crashed, and wait until their views are closed */
    size_t count;
};

static int64_t clock_now_ms(const struct hd_clock *clock) {
    return atomic_load(&((const struct aws_backend *)clock)->now_ms);
}

static int open_next(struct aws_backend *backend) {
    struct hd_aws_options options = {
        .table = backend->table, .queues = backend->queues, .clock = &backend->clock, .random = &hd_system_random};
    struct hd_error err = {0};
    if (backend->count == CRASHES_MAX || hd_aws_new(&options, &backend->all[backend->count], &err) != 0) {
        (void)fprintf(stderr, "hd_aws_new: %s\n", err.detail);
        return -1;
    }
    backend->count++;
    return 0;
}

static void close_aws(void *handle) {
    struct aws_backend *backend = handle;
    for (size_t i = 0; i < backend->count; i++)
        hd_aws_free(backend->all[i]);
    curl_easy_cleanup(backend->curl);
    free(backend);
}

static int open_clock(struct aws_backend *backend) {
    const char *url = getenv("HELPDESK_EMULATOR_CLOCK");
    if (!url)
        return 0;
    backend->curl = curl_easy_init();
    bool set = backend->curl && curl_easy_setopt(backend->curl, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(backend->curl, CURLOPT_CUSTOMREQUEST, "PUT") == CURLE_OK &&
               curl_easy_setopt(backend->curl, CURLOPT_TIMEOUT, (long)ANSWER_MAX_S) == CURLE_OK &&
               curl_easy_setopt(backend->curl, CURLOPT_FAILONERROR, 1L) == CURLE_OK;
    return set ? 0 : -1;
}

static void set_now(void *handle, int64_t now_ms) {
    struct aws_backend *backend = handle;
    atomic_store(&backend->now_ms, now_ms);
    if (!backend->curl)
        return;
    char body[NAME_BYTES];
    (void)snprintf(body, sizeof(body), "{\"nowMs\":%lld}", (long long)now_ms);
    CURLcode set = curl_easy_setopt(backend->curl, CURLOPT_COPYPOSTFIELDS, body);
    CURLcode done = set == CURLE_OK ? curl_easy_perform(backend->curl) : set;
    if (done != CURLE_OK) {
        (void)fprintf(stderr, "the emulators' clock: %s\n", curl_easy_strerror(done));
        abort();
    }
}

static void tell(void *arg, const char *line) {
    (void)arg;
    (void)line;
}

/* Names that no case before had: the emulators are new when this program starts. */
static int open_aws(void **ret_backend) {
    static int number;
    struct aws_backend *backend = calloc(1, sizeof(*backend));
    if (!backend)
        return -1;
    backend->clock.now_ms = clock_now_ms;
    atomic_store(&backend->now_ms, hd_system_clock.now_ms(&hd_system_clock));
    number++;
    (void)snprintf(backend->table, sizeof(backend->table), "contract-%d", number);
    (void)snprintf(backend->queues, sizeof(backend->queues), "contract-%d-", number);
    struct hd_error err = {0};
    if (open_clock(backend) != 0 || open_next(backend) != 0 || hd_aws_setup(backend->all[0], tell, NULL, &err) != 0) {
        (void)fprintf(stderr, "setting up: %s\n", err.detail);
        close_aws(backend);
        return -1;
    }
    *ret_backend = backend;
    return 0;
}

static struct hd_store *new_store(void *handle) {
    struct aws_backend *backend = handle;
    struct hd_store *store = NULL;
    struct hd_error err = {0};
    if (hd_aws_store(backend->all[backend->count - 1], &store, &err) != 0)
        (void)fprintf(stderr, "hd_aws_store: %s\n", err.detail);
    return store;
}

static struct hd_queue *new_queue(void *handle) {
    struct aws_backend *backend = handle;
    struct hd_queue *queue = NULL;
    struct hd_error err = {0};
    if (hd_aws_queue(backend->all[backend->count - 1], &queue, &err) != 0)
        (void)fprintf(stderr, "hd_aws_queue: %s\n", err.detail);
    return queue;
}

static void crash(void *handle) {
    if (open_next(handle) != 0)
        abort();
}

int main(void) {
    const struct hd_contract_backend backend = {
        .name = "aws",
        .open = open_aws,
        .store = new_store,
        .queue = new_queue,
        .reopen = crash,
        .set_now = set_now,
        .close = close_aws,
        .counts_exactly =
            !getenv("AWS_ENDPOINT_URL_SQS"), /* ElasticMQ counts a message at its very moment as not yet visible, and gives it */
    };
    if (!getenv("AWS_ENDPOINT_URL")) {
        (void)printf("skipped: contract.aws runs beside emulators (scripts/with-emulators -- %s)\n", "build/tests/contract_aws_test");
        return SKIPPED;
    }
    return hd_contract_run(&backend);
}
