/* Group commit, over a store whose commits the test can hold back. */
#include "app/committer.h"

/* clang-format off: cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <sched.h>
#include <string.h>

#include "base/log.h"

enum { BATCHES_MAX = 16, COMMITS_MAX = 3000 };

/* Counts what it is given. A set whose failure is HD_ERR_CONFLICT conflicts; while `fails` is set, everything does. */
struct held_store {
    struct hd_store store; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed; /* commits wait until it is opened */
    enum hd_code fails;
    size_t batches[BATCHES_MAX];
    size_t batch_count;
    const struct hd_changeset *sets[COMMITS_MAX]; /* in the order in which they came */
    size_t set_count;
};

struct fixture {
    struct held_store held;
    struct committer *committer;
    struct mailbox mailbox;
    struct hd_changeset sets[COMMITS_MAX];
    struct commit commits[COMMITS_MAX];
    size_t submitted;
    size_t happened, batches_over;
};

static int held_commit(struct hd_store *store, const struct hd_changeset *const *sets, size_t count, struct hd_commit_result *ret_results,
                       struct hd_error *err) {
    struct held_store *held = (struct held_store *)store;
    pthread_mutex_lock(&held->lock);
    held->batches[held->batch_count++ % BATCHES_MAX] = count;
    pthread_cond_broadcast(&held->changed);
    while (held->closed)
        pthread_cond_wait(&held->changed, &held->lock);
    bool told = false;
    for (size_t i = 0; i < count; i++) {
        if (!told && sets[i]->failure && sets[i]->failure != HD_ERR_CONFLICT) {
            hd_error_set(err, sets[i]->failure, "the first that failed");
            told = true;
        }
        held->sets[held->set_count++] = sets[i];
        if (!held->fails)
            ret_results[i] = (struct hd_commit_result){.code = sets[i]->failure, .change = sets[i]->failure ? i : 0};
    }
    int r = held->fails ? hd_error_set(err, held->fails, "the disk is full") : 0;
    pthread_mutex_unlock(&held->lock);
    return r;
}

static const struct hd_store_ops held_ops = {.commit = held_commit};

static void hold(struct fixture *f, bool closed) {
    pthread_mutex_lock(&f->held.lock);
    f->held.closed = closed;
    pthread_cond_broadcast(&f->held.changed);
    pthread_mutex_unlock(&f->held.lock);
}

/* Until the store has been asked to commit that many batches. */
static void wait_for_batches(struct fixture *f, size_t count) {
    pthread_mutex_lock(&f->held.lock);
    while (f->held.batch_count < count)
        pthread_cond_wait(&f->held.changed, &f->held.lock);
    pthread_mutex_unlock(&f->held.lock);
}

static void happened(void *self, const struct hd_changeset *set) {
    struct fixture *f = self;
    assert_int_equal(set->failure, 0);
    f->happened++;
}

static void batch_over(void *self) {
    ((struct fixture *)self)->batches_over++;
}

static int setup(void **state) {
    static struct fixture f; /* too large for a stack */
    struct hd_error err;
    hd_log_set_level(HD_LOG_ERROR + 1);
    memset(&f, 0, sizeof(f));
    f.held.store.ops = &held_ops;
    pthread_mutex_init(&f.held.lock, NULL);
    pthread_cond_init(&f.held.changed, NULL);
    mailbox_init(&f.mailbox);
    const struct committer_listener listener = {.self = &f, .happened = happened, .batch_over = batch_over};
    if (hd_committer_start(&f.held.store, &listener, &f.committer, &err))
        fail_msg("%s", err.detail);
    *state = &f;
    return 0;
}

static struct commit *submit(struct fixture *f, enum hd_code failure) {
    size_t i = f->submitted++;
    assert_true(i < COMMITS_MAX);
    f->sets[i].failure = failure;
    f->commits[i] = (struct commit){.set = &f->sets[i], .reply_to = &f->mailbox, .result.code = 1};
    hd_committer_submit(f->committer, &f->commits[i]);
    return &f->commits[i];
}

/* Also when it was stopped before. */
static void stop(struct fixture *f) {
    hd_committer_stop(f->committer);
    f->committer = NULL;
}

/* How many are back. */
static size_t take_all(struct fixture *f) {
    size_t count = 0;
    for (const struct mail *mail = mailbox_take(&f->mailbox); mail; mail = mail->next)
        count++;
    return count;
}

static void what_is_submitted_while_it_commits_is_one_batch(void **state) {
    struct fixture *f = *state;
    hold(f, true);
    submit(f, HD_OK);
    wait_for_batches(f, 1);
    for (int i = 0; i < 7; i++)
        submit(f, HD_OK);
    hold(f, false);
    stop(f);
    assert_int_equal(f->held.batch_count, 2);
    assert_int_equal(f->held.batches[0], 1);
    assert_int_equal(f->held.batches[1], 7);
    assert_int_equal(take_all(f), 8);
    assert_int_equal(f->happened, 8);
    assert_int_equal(f->batches_over, 2);
}

static void they_are_committed_and_come_back_in_their_order(void **state) {
    struct fixture *f = *state;
    hold(f, true);
    for (int i = 0; i < 100; i++)
        submit(f, HD_OK);
    hold(f, false);
    stop(f);
    const struct mail *mail = mailbox_take(&f->mailbox);
    for (size_t i = 0; i < 100; i++, mail = mail->next) {
        assert_ptr_equal(mail, &f->commits[i].mail);
        assert_ptr_equal(f->held.sets[i], &f->sets[i]);
        assert_int_equal(f->commits[i].result.code, 0);
    }
    assert_null(mail);
}

static void a_flood_is_several_batches_and_nothing_is_left(void **state) {
    struct fixture *f = *state;
    hold(f, true);
    submit(f, HD_OK);
    wait_for_batches(f, 1);
    for (int i = 0; i < 2500; i++)
        submit(f, HD_OK);
    hold(f, false);
    stop(f);
    assert_int_equal(f->held.set_count, 2501);
    assert_true(f->held.batch_count >= 4);
    for (size_t i = 0; i < f->held.batch_count; i++)
        assert_true(f->held.batches[i] <= HD_COMMIT_MAX);
    assert_int_equal(take_all(f), 2501);
}

static void a_conflict_is_told_to_the_one_whose_it_is(void **state) {
    struct fixture *f = *state;
    hold(f, true);
    submit(f, HD_OK);
    wait_for_batches(f, 1);
    struct commit *good = submit(f, HD_OK), *bad = submit(f, HD_ERR_CONFLICT), *last = submit(f, HD_OK);
    hold(f, false);
    stop(f);
    assert_int_equal(good->result.code, 0);
    assert_int_equal(bad->result.code, HD_ERR_CONFLICT);
    assert_int_equal(bad->result.change, 1);
    assert_int_equal(last->result.code, 0);
    assert_int_equal(f->happened, 3);
}

static void a_set_that_fails_alone_fails_with_its_own_code(void **state) {
    struct fixture *f = *state;
    hold(f, true);
    submit(f, HD_OK);
    wait_for_batches(f, 1);
    const struct commit *good = submit(f, HD_OK), *large = submit(f, HD_ERR_TOO_LARGE), *late = submit(f, HD_ERR_UNAVAILABLE),
                        *stale = submit(f, HD_ERR_CONFLICT);
    hold(f, false);
    stop(f);
    assert_int_equal(good->result.code, 0);
    assert_int_equal(good->error.code, 0);
    assert_int_equal(large->result.code, HD_ERR_TOO_LARGE);
    assert_int_equal(large->error.code, HD_ERR_TOO_LARGE);
    assert_string_equal(large->error.detail, "the first that failed");
    assert_int_equal(late->result.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(late->error.code, HD_ERR_UNAVAILABLE);
    assert_string_not_equal(late->error.detail, "the first that failed");
    assert_int_equal(stale->result.code, HD_ERR_CONFLICT);
    assert_int_equal(f->happened, 2);
}

static void a_failure_reaches_everybody_who_had_submitted(void **state) {
    struct fixture *f = *state;
    f->held.fails = HD_ERR_NO_SPACE;
    hold(f, true);
    for (int i = 0; i < 20; i++)
        submit(f, HD_OK);
    hold(f, false);
    stop(f);
    assert_int_equal(take_all(f), 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(f->commits[i].result.code, HD_ERR_NO_SPACE);
        assert_int_equal(f->commits[i].error.code, HD_ERR_NO_SPACE);
        assert_string_equal(f->commits[i].error.detail, "the disk is full");
    }
    assert_int_equal(f->happened, 0);
}

static void after_a_failure_it_goes_on(void **state) {
    struct fixture *f = *state;
    f->held.fails = HD_ERR_UNAVAILABLE;
    hold(f, true);
    const struct commit *first = submit(f, HD_OK);
    wait_for_batches(f, 1);
    const struct commit *second = submit(f, HD_OK);
    hold(f, false);
    wait_for_batches(f, 2);
    pthread_mutex_lock(&f->held.lock);
    f->held.fails = HD_OK;
    pthread_mutex_unlock(&f->held.lock);
    const struct commit *third = submit(f, HD_OK);
    stop(f);
    assert_int_equal(first->result.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(second->result.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(third->result.code, 0);
    assert_int_equal(third->error.code, 0);
}

static void *stop_elsewhere(void *arg) {
    stop(arg);
    return NULL;
}

/* Until the committer refuses: then it is stopping. What it still took is to be committed. */
static void stopping_drains_and_refuses_what_comes_later(void **state) {
    struct fixture *f = *state;
    pthread_t thread;
    struct committer *committer = f->committer;
    hold(f, true);
    submit(f, HD_OK);
    wait_for_batches(f, 1);
    for (int i = 0; i < 5; i++)
        submit(f, HD_OK);
    assert_int_equal(pthread_create(&thread, NULL, stop_elsewhere, f), 0);
    static struct commit late[1000];
    struct mailbox refused;
    size_t tried = 0;
    mailbox_init(&refused);
    while (mailbox_empty(&refused) && tried < HD_ARRAY_LEN(late)) {
        struct commit *commit = &late[tried++];
        *commit = (struct commit){.set = &f->sets[0], .reply_to = &refused, .result.code = 1};
        hd_committer_submit(committer, commit);
        for (int i = 0; i < 1000; i++)
            (void)sched_yield();
    }
    assert_false(mailbox_empty(&refused));
    assert_int_equal(late[tried - 1].result.code, HD_ERR_UNAVAILABLE);
    assert_int_equal(late[tried - 1].error.code, HD_ERR_UNAVAILABLE);
    hold(f, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(take_all(f), 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(f->commits[i].result.code, 0);
    for (size_t i = 0; i + 1 < tried; i++)
        assert_int_equal(late[i].result.code, 0);
}

static void a_committer_without_work_stops(void **state) {
    struct fixture *f = *state;
    stop(f);
    assert_int_equal(f->held.batch_count, 0);
    hd_committer_stop(NULL);
}

#define COMMITTER_TEST(f) cmocka_unit_test_setup(f, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        COMMITTER_TEST(what_is_submitted_while_it_commits_is_one_batch),
        COMMITTER_TEST(they_are_committed_and_come_back_in_their_order),
        COMMITTER_TEST(a_flood_is_several_batches_and_nothing_is_left),
        COMMITTER_TEST(a_conflict_is_told_to_the_one_whose_it_is),
        COMMITTER_TEST(a_set_that_fails_alone_fails_with_its_own_code),
        COMMITTER_TEST(a_failure_reaches_everybody_who_had_submitted),
        COMMITTER_TEST(after_a_failure_it_goes_on),
        COMMITTER_TEST(stopping_drains_and_refuses_what_comes_later),
        COMMITTER_TEST(a_committer_without_work_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
