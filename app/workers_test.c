/* Processing threads over the store and queue in memory, with a commit that hangs until the test lets it go. */
#include "app/workers.h"

#include "tests/support/host.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/simulated/simulated.h"
#include "base/log.h"

enum { PATIENCE_S = 60, GRACE_MS = 5000, VIEWS_MAX = 32 };

struct fixture {
    struct hd_host *host;
    struct hd_provider *email;
    struct workers *workers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hang;      /* commits that move an e-mail wait */
    size_t hanging; /* how many do */
    size_t sent, committed, views, opens_fail_at;
    bool one_thread;
};

static struct fixture *fixture; /* the ports have no room for a pointer to it */
static struct hd_store_ops real, hanging_ops;

static bool moves_mail(const struct hd_changeset *set) {
    for (size_t i = 0; i < set->count; i++)
        if (set->changes[i].kind == HD_CHANGE_MOVE_NOTIFICATION && set->changes[i].move.to->channel == HD_EMAIL)
            return true;
    return false;
}

static int commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                  struct hd_error *err) {
    struct fixture *f = fixture;
    pthread_mutex_lock(&f->lock);
    if (f->hang && moves_mail(sets[0])) {
        f->hanging++;
        pthread_cond_broadcast(&f->changed);
        while (f->hang)
            pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return real.commit(store, sets, count, ret_results, err);
}

static int open_views(void *self, struct hd_store **ret_store, struct hd_queue **ret_queue, struct hd_error *err) {
    struct fixture *f = self;
    if (++f->views == f->opens_fail_at)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "no view");
    *ret_store = hd_memory_store(f->host->memory);
    *ret_queue = hd_memory_queue(f->host->memory);
    (*ret_store)->ops = &hanging_ops;
    return 0;
}

static void happened(void *self, const struct hd_changeset *set) {
    struct fixture *f = self;
    pthread_mutex_lock(&f->lock);
    f->committed++;
    for (size_t i = 0; i < set->count; i++)
        f->sent += set->changes[i].kind == HD_CHANGE_MOVE_NOTIFICATION && set->changes[i].move.to->status == HD_SENT;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture = f;
    hd_log_set_level(HD_LOG_ERROR + 1);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->host = hd_host_new();
    real = hanging_ops = *f->host->ctx.store->ops;
    hanging_ops.commit = commit;
    assert_int_equal(hd_simulated_new(&f->email, NULL), 0);
    f->host->providers[HD_EMAIL] = f->email;
    f->host->ctx.now_ms = hd_system_clock.now_ms(&hd_system_clock);
    hd_user_is(f->host, .user_id = "olga", .name = "Olga", .email = "olga@example.org");
    *state = f;
    return 0;
}

static void let_go(struct fixture *f, bool hang) {
    pthread_mutex_lock(&f->lock);
    f->hang = hang;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Asks until every thread has had the time to end. */
static void stop(struct fixture *f) {
    bool ended = false;
    for (int i = 0; !ended && i < 12; i++)
        ended = hd_workers_stop(f->workers, GRACE_MS);
    assert_true(ended);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    let_go(f, false);
    if (f->workers)
        stop(f);
    hd_workers_free(f->workers);
    hd_host_free(f->host);
    f->email->ops->close(f->email);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

static int make(struct fixture *f, unsigned processors, int64_t idle_ms) {
    struct workers_options options = {
        .context = f->host->ctx,
        .clock = &hd_system_clock,
        .processors = processors,
        .threads = f->one_thread ? 1 : 2,
        .connections_per_host = 4,
        .idle_ms = idle_ms,
        .self = f,
        .open = open_views,
        .happened = happened,
    };
    options.context.random = &hd_system_random;
    return hd_workers_new(&options, &f->workers, NULL);
}

static void start(struct fixture *f, unsigned processors, int64_t idle_ms) {
    assert_int_equal(make(f, processors, idle_ms), 0);
    assert_int_equal(hd_workers_start(f->workers, NULL), 0);
}

static unsigned only(const struct hd_processor *processor) {
    size_t i = 0;
    while (hd_processors[i] != processor)
        i++;
    return 1u << i;
}

static void remind(struct fixture *f, int first, int count) {
    for (int i = first; i < first + count; i++)
        hd_host_event(f->host, hd_arena_printf(f->host->arena, "e-%d", i), HD_EVENT_REMINDER, "t-1", NULL,
                      "{\"ticketId\":\"t-1\",\"userId\":\"olga\",\"channels\":[\"email\",\"inapp\"]}");
}

static void wait_for(struct fixture *f, const size_t *number, size_t wanted) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&f->lock);
    for (int r = 0; *number < wanted && r == 0;)
        r = pthread_cond_timedwait(&f->changed, &f->lock, &until);
    size_t reached = *number;
    pthread_mutex_unlock(&f->lock);
    assert_true(reached >= wanted);
}

/* ---- tests ---- */

static void messages_flow_to_their_end(void **state) {
    struct fixture *f = *state;
    remind(f, 0, 20);
    start(f, ~0u, 10);
    remind(f, 20, 20);
    wait_for(f, &f->sent, 80);
    stop(f);
    f->host->ctx.now_ms = hd_system_clock.now_ms(&hd_system_clock);
    for (unsigned queue = 0; queue < HD_QUEUE_COUNT; queue++)
        assert_int_equal(hd_host_waiting(f->host, (enum hd_queue_name)queue), 0);
    assert_int_equal(f->views, 2 * (hd_processor_count - 1) + 1);
}

static void only_the_processors_that_were_named_work(void **state) {
    struct fixture *f = *state;
    remind(f, 0, 3);
    start(f, only(&hd_router_processor) | only(&hd_inapp_processor), 10);
    wait_for(f, &f->sent, 3);
    stop(f);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_INAPP), 0);
    assert_int_equal(hd_host_waiting(f->host, HD_QUEUE_EMAIL), 3);
}

static void a_channel_whose_store_hangs_delays_no_other(void **state) {
    struct fixture *f = *state;
    f->hang = true;
    remind(f, 0, 1);
    start(f, ~0u, 10);
    wait_for(f, &f->hanging, 1);
    remind(f, 1, 5);
    wait_for(f, &f->sent, 6); /* in-app */
    let_go(f, false);
    wait_for(f, &f->sent, 12);
}

static void a_store_that_hangs_delays_no_stop(void **state) {
    struct fixture *f = *state;
    f->hang = true;
    remind(f, 0, 1);
    start(f, ~0u, 10);
    wait_for(f, &f->hanging, 1);
    assert_false(hd_workers_stop(f->workers, 0)); /* it comes back, and says that a thread is still out */
    let_go(f, false);
}

static void idle_threads_stop_at_once(void **state) {
    struct fixture *f = *state;
    start(f, ~0u, (int64_t)3600 * 1000);
    stop(f);
    assert_int_equal(f->sent, 0);
}

static void a_queue_that_cannot_be_asked_is_asked_again(void **state) {
    struct fixture *f = *state;
    remind(f, 0, 1);
    hd_memory_fail_next(f->host->memory, 1, HD_ERR_UNAVAILABLE);
    f->one_thread = true;
    start(f, only(&hd_router_processor), (int64_t)3600 * 1000);
    wait_for(f, &f->committed, 1);
}

static void views_that_cannot_be_had_are_an_error(void **state) {
    struct fixture *f = *state;
    for (f->opens_fail_at = 1; f->opens_fail_at <= 3; f->opens_fail_at++) {
        f->views = 0;
        assert_int_equal(make(f, ~0u, 10), HD_ERR_UNAVAILABLE);
        assert_null(f->workers);
    }
    hd_workers_free(NULL);
}

#define WORKERS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORKERS_TEST(messages_flow_to_their_end),
        WORKERS_TEST(only_the_processors_that_were_named_work),
        WORKERS_TEST(a_channel_whose_store_hangs_delays_no_other),
        WORKERS_TEST(a_store_that_hangs_delays_no_stop),
        WORKERS_TEST(idle_threads_stop_at_once),
        WORKERS_TEST(a_queue_that_cannot_be_asked_is_asked_again),
        WORKERS_TEST(views_that_cannot_be_had_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
