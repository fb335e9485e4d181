/* The processing thread over the store in memory: real committer, real dispatcher, and a peer of our own that the transfers go to. The clock is the test's. */
#include "app/worker.h"

#include "tests/support/host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { PATIENCE_S = 60 /* of a condition that must come true */, GRACE_MS = 60000, TAKE_OVER_MS = HD_HOST_SEND_TIMEOUT_MS + 5000 };

/* ---- the peer: answers one request for each connection, when it is let ---- */

struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    bool ended;
    /* under the fixture's lock: */
    bool silent;     /* requests wait for their answer */
    int next_status; /* of the next answer; 200 after that */
    size_t requests;
};

struct fixture {
    struct hd_host *host; /* the test's own view; its processors are not run by hand here */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something was committed, tried, or asked of the peer */
    struct peer peer;
    char url[64];
    struct hd_provider provider;
    struct hd_clock clock;
    _Atomic int64_t now_ms, step_ms; /* each look at the clock takes step_ms */
    struct hd_store *worker_store, *writer_store;
    struct hd_queue *worker_queue;
    atomic_bool outage; /* the store fails whatever it is asked */
    bool commits_wait;  /* under the lock */
    _Atomic size_t failures, commits_begun;
    struct committer *committer;
    struct worker *_Atomic worker;
};

/* The ports have no room for a pointer to it, and there is one at a time. */
static struct fixture *fixture;

static void tell_changed(void) {
    pthread_mutex_lock(&fixture->lock);
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

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

static void *serve(void *arg) {
    struct peer *peer = arg;
    for (;;) {
        int connection = accept(peer->listener, NULL, NULL);
        if (connection < 0)
            return NULL;
        read_request(connection);
        pthread_mutex_lock(&fixture->lock);
        peer->requests += !peer->ended;
        pthread_cond_broadcast(&fixture->changed);
        while (peer->silent && !peer->ended)
            pthread_cond_wait(&fixture->changed, &fixture->lock);
        int status = peer->next_status ? peer->next_status : 200;
        peer->next_status = 0;
        bool ended = peer->ended;
        pthread_mutex_unlock(&fixture->lock);
        char answer[96];
        int len = snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
        (void)!send(connection, answer, (size_t)len, MSG_NOSIGNAL);
        (void)close(connection);
        if (ended)
            return NULL;
    }
}

static void peer_start(struct peer *peer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(peer->listener, 128), 0);
    assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

/* accept is woken by a connection of ours. */
static void peer_stop(struct peer *peer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(peer->port)};
    pthread_mutex_lock(&fixture->lock);
    peer->ended = true;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)connect(connection, (struct sockaddr *)&address, sizeof address);
    (void)shutdown(connection, SHUT_WR);
    pthread_join(peer->thread, NULL);
    (void)close(connection);
    (void)close(peer->listener);
}

/* ---- the ports ---- */

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    (void)provider;
    (void)err;
    *ret_transfer = (struct hd_transfer){
        .kind = HD_TRANSFER_HTTP,
        .url = fixture->url,
        .method = "POST",
        .connect_timeout_ms = PATIENCE_S * 1000,
        .timeout_ms = PATIENCE_S * 1000,
        .body = hd_arena_strdup(arena, message->text),
        .body_bytes = strlen(message->text),
    };
    return 0;
}

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    (void)provider;
    bool sent = result->failure == HD_TRANSFER_OK && result->response_code == 200;
    *ret_outcome = (struct hd_outcome){.kind = sent ? HD_OUTCOME_SENT : HD_OUTCOME_RETRY};
    (void)snprintf(ret_outcome->detail, sizeof ret_outcome->detail, "%ld %s", result->response_code, result->detail);
}

static const struct hd_provider_ops provider_ops = {.name = "peer", .prepare = prepare, .conclude = conclude};

static int64_t look(const struct hd_clock *clock) {
    (void)clock;
    return atomic_fetch_add(&fixture->now_ms, atomic_load(&fixture->step_ms));
}

static struct hd_store_ops real_store, store_ops;
static struct hd_queue_ops real_queue, queue_ops;

static bool is_out(struct hd_error *err) {
    if (!atomic_load(&fixture->outage))
        return false;
    hd_error_set(err, HD_ERR_NO_SPACE, "the disk is full");
    atomic_fetch_add(&fixture->failures, 1);
    tell_changed();
    return true;
}

static int commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                  struct hd_error *err) {
    pthread_mutex_lock(&fixture->lock);
    atomic_fetch_add(&fixture->commits_begun, 1);
    pthread_cond_broadcast(&fixture->changed);
    while (fixture->commits_wait)
        pthread_cond_wait(&fixture->changed, &fixture->lock);
    pthread_mutex_unlock(&fixture->lock);
    return is_out(err) ? HD_ERR_NO_SPACE : real_store.commit(store, sets, count, ret_results, err);
}

static int receive(struct hd_queue *queue, enum hd_queue_name name, size_t max, int64_t now_ms, int64_t visibility_ms,
                   struct hd_arena *arena, struct hd_message **ret_messages, size_t *ret_count, int64_t *ret_next_due_ms,
                   struct hd_error *err) {
    if (atomic_load(&fixture->outage))
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "out of reach");
    return real_queue.receive(queue, name, max, now_ms, visibility_ms, arena, ret_messages, ret_count, ret_next_due_ms, err);
}

static int extend(struct hd_queue *queue, const struct hd_message *message, int64_t now_ms, int64_t visibility_ms, struct hd_error *err) {
    if (atomic_load(&fixture->outage))
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "out of reach");
    return real_queue.extend(queue, message, now_ms, visibility_ms, err);
}

static void happened(void *self, const struct hd_changeset *set) {
    (void)self;
    (void)set;
}

static void batch_over(void *self) {
    struct fixture *f = self;
    struct worker *worker = atomic_load(&f->worker);
    if (worker)
        hd_worker_wake(worker);
    tell_changed();
}

/* ---- the whole ---- */

static void start_worker(struct fixture *f, const char *name) {
    struct worker *worker = NULL;
    struct hd_error err;
    const struct committer_listener listener = {.self = f, .happened = happened, .batch_over = batch_over};
    struct worker_options options = {
        .context = f->host->ctx,
        .clock = &f->clock,
        .queue = f->worker_queue,
        .transfers_max = 16,
        .deliveries_max = 16,
        .connections_per_host = 4,
    };
    if (hd_committer_start(f->writer_store, &listener, &f->committer, &err))
        fail_msg("%s", err.detail);
    options.committer = f->committer;
    options.context.store = f->worker_store;
    options.context.worker = name;
    if (hd_worker_new(&options, &worker, &err))
        fail_msg("%s", err.detail);
    atomic_store(&f->worker, worker);
    if (hd_worker_start(worker, &err))
        fail_msg("%s", err.detail);
}

static void free_worker(struct fixture *f) {
    struct worker *worker = f->worker;
    hd_committer_stop(f->committer);
    atomic_store(&f->worker, NULL);
    hd_worker_free(worker);
}

static void stop_worker(struct fixture *f, int64_t grace_ms) {
    hd_worker_stop(f->worker, grace_ms);
    free_worker(f);
}

static void hold_commits(struct fixture *f, bool wait) {
    pthread_mutex_lock(&f->lock);
    f->commits_wait = wait;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture = f;
    (void)signal(SIGPIPE, SIG_IGN);
    hd_log_set_level(HD_LOG_ERROR + 1); /* what fails here is meant to */
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->host = hd_host_new();
    f->worker_store = hd_memory_store(f->host->memory);
    f->writer_store = hd_memory_store(f->host->memory);
    f->worker_queue = hd_memory_queue(f->host->memory);
    real_store = *f->writer_store->ops;
    store_ops = real_store;
    store_ops.commit = commit;
    f->writer_store->ops = &store_ops;
    real_queue = *f->worker_queue->ops;
    queue_ops = real_queue;
    queue_ops.receive = receive;
    queue_ops.extend = extend;
    f->worker_queue->ops = &queue_ops;
    f->clock.now_ms = look;
    atomic_store(&f->now_ms, HD_HOST_NOW_MS);
    f->provider.ops = &provider_ops;
    f->host->providers[HD_EMAIL] = &f->provider;
    f->host->dice = UINT32_MAX;
    peer_start(&f->peer);
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u/", (unsigned)f->peer.port);
    hd_user_is(f->host, .user_id = "olga", .name = "Olga", .email = "olga@example.org");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    if (atomic_load(&f->worker)) { /* the test has failed */
        atomic_store(&f->outage, false);
        atomic_store(&f->step_ms, 100);
        hold_commits(f, false);
        stop_worker(f, 1000);
    }
    peer_stop(&f->peer);
    f->worker_store->ops->close(f->worker_store);
    f->writer_store->ops->close(f->writer_store);
    f->worker_queue->ops->close(f->worker_queue);
    hd_host_free(f->host);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

/* A reminder for Olga by e-mail (and in-app, if asked). */
static void remind(struct fixture *f, int number, const char *channels) {
    f->host->ctx.now_ms = atomic_load(&f->now_ms);
    hd_host_event(f->host, hd_arena_printf(f->host->arena, "e-%d", number), HD_EVENT_REMINDER, "t-1", NULL,
                  hd_arena_printf(f->host->arena, "{\"ticketId\":\"t-1\",\"userId\":\"olga\",\"channels\":[%s]}", channels));
    if (atomic_load(&f->worker))
        hd_worker_wake(f->worker);
}

static void move_clock(struct fixture *f, int64_t by_ms) {
    atomic_fetch_add(&f->now_ms, by_ms);
    if (atomic_load(&f->worker))
        hd_worker_wake(f->worker);
}

/* ---- conditions ---- */

typedef bool condition(struct fixture *f, size_t wanted);

static struct timespec in_ms(int64_t ms) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits for what must come true. As long as nothing happens, the clock moves by pass_ms. */
static void wait_while(struct fixture *f, condition *holds, size_t wanted, int64_t pass_ms) {
    enum { SLICE_MS = 50 };
    bool held = false;
    for (int slice = 0; !held && slice < PATIENCE_S * 1000 / SLICE_MS; slice++) {
        struct timespec until = in_ms(SLICE_MS);
        pthread_mutex_lock(&f->lock);
        for (int r = 0; !(held = holds(f, wanted)) && r == 0;)
            r = pthread_cond_timedwait(&f->changed, &f->lock, &until);
        pthread_mutex_unlock(&f->lock);
        if (!held && pass_ms > 0)
            move_clock(f, pass_ms);
    }
    if (!held)
        fail_msg("it has not come true: %s", hd_host_dump(f->host));
}

static void wait_until(struct fixture *f, condition *holds, size_t wanted) {
    wait_while(f, holds, wanted, 0);
}

static size_t count_of(struct fixture *f, enum hd_status status) {
    const struct hd_notification *some;
    const char *more;
    size_t count;
    struct hd_arena *arena = hd_arena_new(16 * 1024 * 1024);
    assert_non_null(arena);
    const struct hd_notification_filter filter = {.status = (int)status, .channel = -1};
    assert_int_equal(f->host->ctx.store->ops->notifications(f->host->ctx.store, arena, &filter, &(struct hd_page){.limit = HD_PAGE_MAX},
                                                            &some, &count, &more, NULL),
                     0);
    hd_arena_free(arena);
    return count;
}

static bool sent(struct fixture *f, size_t wanted) {
    return count_of(f, HD_SENT) == wanted;
}
static bool pending(struct fixture *f, size_t wanted) {
    return count_of(f, HD_PENDING) == wanted;
}
static bool tried_once(struct fixture *f, size_t wanted) {
    return count_of(f, HD_PENDING) == 1 && hd_host_notification(f->host, "olga", HD_EMAIL)->attempts == (int)wanted;
}
static bool asked(struct fixture *f, size_t wanted) {
    return f->peer.requests >= wanted;
}
static bool failed(struct fixture *f, size_t wanted) {
    return atomic_load(&f->failures) >= wanted;
}
static bool commits_begun(struct fixture *f, size_t wanted) {
    return atomic_load(&f->commits_begun) >= wanted;
}

static void set_silent(struct fixture *f, bool silent) {
    pthread_mutex_lock(&f->lock);
    f->peer.silent = silent;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void check_nothing_waits(struct fixture *f) {
    for (unsigned queue = 0; queue < HD_QUEUE_COUNT; queue++)
        assert_int_equal(hd_host_waiting(f->host, (enum hd_queue_name)queue), 0);
}

static void check_attempts(struct fixture *f, const char *outcomes) {
    size_t count;
    const char *text = "";
    const struct hd_attempt *attempts = hd_host_attempts(f->host, hd_host_notification(f->host, "olga", HD_EMAIL)->notification_id, &count);
    for (size_t i = 0; i < count; i++)
        text = hd_arena_printf(f->host->arena, "%s%s%s", text, i > 0 ? " " : "", hd_outcome_name(attempts[i].outcome));
    assert_string_equal(text, outcomes);
}

#define MAIL "\"email\""
#define BOTH "\"email\",\"inapp\""

/* ---- tests ---- */

static void messages_flow_to_their_end(void **state) {
    struct fixture *f = *state;
    size_t items;
    for (int i = 0; i < 20; i++)
        remind(f, i, BOTH);
    start_worker(f, "first");
    for (int i = 20; i < 40; i++)
        remind(f, i, BOTH);
    wait_until(f, sent, 80);
    stop_worker(f, GRACE_MS);
    check_nothing_waits(f);
    assert_int_equal(f->peer.requests, 40);
    (void)hd_host_inbox(f->host, "olga", &items);
    assert_int_equal(items, 40);
}

static void what_fails_is_tried_again_when_it_is_due(void **state) {
    struct fixture *f = *state;
    f->peer.next_status = 503;
    start_worker(f, "first");
    remind(f, 1, MAIL);
    wait_until(f, tried_once, 1);
    assert_int_equal(f->peer.requests, 1);
    move_clock(f, 1000);
    wait_until(f, sent, 1);
    stop_worker(f, GRACE_MS);
    check_attempts(f, "retry sent");
    check_nothing_waits(f);
}

static void an_outage_of_the_store_loses_nothing_and_sends_nothing_twice(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++)
        remind(f, i, BOTH);
    hold_commits(f, true);
    start_worker(f, "first");
    wait_until(f, commits_begun, 1); /* what was decided cannot be committed */
    atomic_store(&f->outage, true);
    hold_commits(f, false);
    wait_until(f, failed, 1);
    assert_int_equal(count_of(f, HD_SENT), 0);
    atomic_store(&f->outage, false);
    move_clock(f, HD_HOST_VISIBILITY_MS); /* of those that could not be given back */
    wait_while(f, sent, 20, 250);
    stop_worker(f, GRACE_MS);
    check_nothing_waits(f);
    assert_int_equal(f->peer.requests, 10);
}

/* Sends one mail, whose answer comes while the store cannot be written. */
static void answer_into_an_outage(struct fixture *f) {
    set_silent(f, true);
    start_worker(f, "first");
    remind(f, 1, MAIL);
    wait_until(f, asked, 1);
    atomic_store(&f->outage, true);
    set_silent(f, false);
    wait_until(f, failed, 1);
}

static void an_outcome_that_comes_in_an_outage_is_recorded_after_it(void **state) {
    struct fixture *f = *state;
    answer_into_an_outage(f);
    assert_int_equal(count_of(f, HD_SENDING), 1);
    atomic_store(&f->outage, false);
    wait_while(f, sent, 1, 250);
    stop_worker(f, GRACE_MS);
    check_attempts(f, "sent");
    assert_int_equal(f->peer.requests, 1);
}

/* An hour and more, a try each second: each costs memory only until the next. */
static void an_outcome_outlives_a_long_outage(void **state) {
    struct fixture *f = *state;
    answer_into_an_outage(f);
    atomic_store(&f->step_ms, 1000);
    wait_until(f, failed, 5000);
    atomic_store(&f->outage, false);
    wait_until(f, sent, 1);
    stop_worker(f, GRACE_MS);
    check_attempts(f, "sent");
    assert_int_equal(f->peer.requests, 1);
}

static void a_commit_whose_answer_is_lost_at_the_end_is_not_sent_twice(void **state) {
    struct fixture *f = *state;
    set_silent(f, true);
    start_worker(f, "first");
    remind(f, 1, MAIL);
    wait_until(f, asked, 1);
    hd_memory_lose_answer(f->host->memory);
    set_silent(f, false);
    wait_until(f, sent, 1);
    atomic_store(&f->step_ms, 100); /* the stop waits until the outcome is found recorded */
    stop_worker(f, GRACE_MS);
    check_attempts(f, "sent");
    assert_int_equal(f->peer.requests, 1);
    check_nothing_waits(f);
}

static void *stop_elsewhere(void *arg) {
    struct fixture *f = arg;
    hd_worker_stop(f->worker, GRACE_MS);
    return NULL;
}

static void stopping_finishes_what_is_under_way_and_takes_nothing_more(void **state) {
    struct fixture *f = *state;
    pthread_t thread;
    set_silent(f, true);
    start_worker(f, "first");
    remind(f, 1, MAIL);
    wait_until(f, asked, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_elsewhere, f), 0);
    set_silent(f, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    remind(f, 2, MAIL);
    free_worker(f);
    assert_int_equal(count_of(f, HD_SENT), 1);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_ROUTER), 1);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_EMAIL), 0);
}

static void stopping_waits_no_longer_than_its_grace_and_the_rest_comes_again(void **state) {
    struct fixture *f = *state;
    set_silent(f, true);
    start_worker(f, "first");
    remind(f, 1, MAIL);
    wait_until(f, asked, 1);
    atomic_store(&f->step_ms, 100);
    int64_t began_ms = atomic_load(&f->now_ms);
    stop_worker(f, 500);
    assert_true(atomic_load(&f->now_ms) - began_ms < 2000);
    atomic_store(&f->step_ms, 0);
    assert_int_equal(count_of(f, HD_SENDING), 1);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_EMAIL), 1);
    set_silent(f, false);
    start_worker(f, "second");
    move_clock(f, TAKE_OVER_MS + HD_HOST_VISIBILITY_MS);
    wait_until(f, sent, 1);
    stop_worker(f, GRACE_MS);
    check_attempts(f, "interrupted sent");
    check_nothing_waits(f);
}

static void a_commit_that_ends_after_the_thread_did_is_dropped(void **state) {
    struct fixture *f = *state;
    f->host->ctx.now_ms = atomic_load(&f->now_ms);
    remind(f, 1, MAIL);
    assert_int_equal(hd_host_run(f->host, &hd_router_processor), 1);
    hold_commits(f, true);
    start_worker(f, "first");
    wait_until(f, commits_begun, 1);
    hd_worker_stop(f->worker, 0);
    hold_commits(f, false);
    free_worker(f);
    assert_int_equal(count_of(f, HD_SENDING), 1);
    assert_int_equal(f->peer.requests, 0);
    start_worker(f, "second");
    move_clock(f, TAKE_OVER_MS + HD_HOST_VISIBILITY_MS);
    wait_until(f, sent, 1);
    stop_worker(f, GRACE_MS);
    check_attempts(f, "interrupted sent");
}

static void a_peer_that_is_down_ends_in_a_dead_letter_of_which_nothing_is_left_waiting(void **state) {
    struct fixture *f = *state;
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:1/"); /* nobody listens there */
    hd_user_is(f->host, .user_id = "root", .role = HD_ROLE_ADMIN);
    start_worker(f, "first");
    remind(f, 1, MAIL);
    wait_while(f, sent, 1, 1000); /* the administrator's notice */
    stop_worker(f, GRACE_MS);
    check_attempts(f, "retry retry retry");
    assert_int_equal(hd_host_notification(f->host, "olga", HD_EMAIL)->status, HD_DEAD);
    check_nothing_waits(f);
}

static void a_worker_without_work_stops_at_once(void **state) {
    struct fixture *f = *state;
    start_worker(f, "first");
    stop_worker(f, GRACE_MS);
    assert_true(pending(f, 0));
    hd_worker_free(NULL);
}

#define WORKER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORKER_TEST(messages_flow_to_their_end),
        WORKER_TEST(what_fails_is_tried_again_when_it_is_due),
        WORKER_TEST(an_outage_of_the_store_loses_nothing_and_sends_nothing_twice),
        WORKER_TEST(an_outcome_that_comes_in_an_outage_is_recorded_after_it),
        WORKER_TEST(an_outcome_outlives_a_long_outage),
        WORKER_TEST(a_commit_whose_answer_is_lost_at_the_end_is_not_sent_twice),
        WORKER_TEST(stopping_finishes_what_is_under_way_and_takes_nothing_more),
        WORKER_TEST(stopping_waits_no_longer_than_its_grace_and_the_rest_comes_again),
        WORKER_TEST(a_commit_that_ends_after_the_thread_did_is_dropped),
        WORKER_TEST(a_peer_that_is_down_ends_in_a_dead_letter_of_which_nothing_is_left_waiting),
        WORKER_TEST(a_worker_without_work_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
