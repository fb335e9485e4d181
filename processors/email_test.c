/* E-mail from a task to its end: sent, tried again, given up, taken over. */
#include "tests/support/host.h"

#include <stdio.h>
#include <string.h>

enum { TAKE_OVER_MS = HD_HOST_SEND_TIMEOUT_MS + 5000 };
#define PAYLOAD "{\"ticketId\":\"t-1\",\"userId\":\"olga\"}"

static int setup(void **state) {
    struct hd_host *host = hd_host_new();
    hd_user_is(host, .user_id = "olga", .name = "Olga", .email = "olga@example.org", .locale = "en");
    hd_ticket_is(host, .ticket_id = "t-1", .title = "Printer", .owner_id = "olga", .channels = HD_CHANNEL_BIT(HD_EMAIL));
    hd_host_event(host, "e-1", HD_EVENT_TICKET_CREATED, "t-1", "olga", PAYLOAD);
    assert_int_equal(hd_host_run(host, &hd_router_processor), 1);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 1);
    *state = host;
    return 0;
}

static int teardown(void **state) {
    hd_host_free(*state);
    return 0;
}

static void script(struct hd_host *host, size_t count, const struct hd_outcome *outcomes) {
    memcpy(host->email.outcomes, outcomes, count * sizeof(*outcomes));
    host->email.outcome_count = count;
}
#define SCRIPT(host, ...) \
    script((host), sizeof((struct hd_outcome[]){__VA_ARGS__}) / sizeof(struct hd_outcome), (struct hd_outcome[]){__VA_ARGS__})

static const struct hd_notification *mail(struct hd_host *host) {
    return hd_host_notification(host, "olga", HD_EMAIL);
}

static int step(struct hd_host *host) {
    return hd_host_step(host, &hd_email_processor);
}

static void check_attempts(struct hd_host *host, const enum hd_outcome_kind *outcomes, size_t count) {
    size_t made;
    const struct hd_attempt *attempts = hd_host_attempts(host, mail(host)->notification_id, &made);
    if (made != count)
        fail_msg("%zu attempts instead of %zu", made, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(attempts[i].number, i + 1);
        if (attempts[i].outcome != outcomes[i])
            fail_msg("attempt %zu is %s instead of %s", i + 1, hd_outcome_name(attempts[i].outcome), hd_outcome_name(outcomes[i]));
    }
}
#define ATTEMPTS(host, ...)                                       \
    check_attempts((host), (enum hd_outcome_kind[]){__VA_ARGS__}, \
                   sizeof((enum hd_outcome_kind[]){__VA_ARGS__}) / sizeof(enum hd_outcome_kind))

/* Dead, with its letter, and nothing of it in the queue. */
static const struct hd_dead_letter *check_dead(struct hd_host *host, const char *reason) {
    size_t count;
    const struct hd_notification *n = mail(host);
    assert_int_equal(n->status, HD_DEAD);
    assert_string_equal(n->reason, reason);
    assert_null(n->owner_token);
    assert_int_equal(n->next_attempt_at_ms, 0);
    const struct hd_dead_letter *letter = hd_host_dead_letters(host, &count);
    assert_int_equal(count, 1);
    assert_string_equal(letter->queue, "email");
    assert_string_equal(letter->reason, reason);
    assert_string_equal(letter->notification_id, n->notification_id);
    assert_string_equal(letter->event_id, "e-1");
    assert_string_equal(letter->ticket_id, "t-1");
    assert_string_equal(letter->target, "olga");
    assert_string_equal(letter->channel, "email");
    assert_int_equal(letter->attempts, n->attempts);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 1);
    return letter;
}

/* ---- sending ---- */

static void a_mail_is_sent_and_its_attempt_recorded(void **state) {
    struct hd_host *host = *state;
    size_t count;
    host->ctx.now_ms += 40;
    assert_int_equal(step(host), 0);
    const struct hd_notification *n = mail(host);
    assert_int_equal(n->status, HD_SENT);
    assert_int_equal(n->attempts, 1);
    assert_int_equal(n->sent_at_ms, HD_HOST_NOW_MS + 40);
    assert_null(n->owner_token);
    assert_null(n->reason);
    const struct hd_attempt *attempt = hd_host_attempts(host, n->notification_id, &count);
    assert_int_equal(count, 1);
    assert_int_equal(attempt->outcome, HD_OUTCOME_SENT);
    assert_string_equal(attempt->provider, "scripted");
    assert_int_equal(attempt->duration_ms, 7);
    assert_non_null(strstr(attempt->message, "We received your ticket: Printer"));
    assert_string_equal(host->email.to, "olga@example.org");
    assert_string_equal(host->email.notification_id, n->notification_id);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), 0);
}

static void while_it_is_on_its_way_it_is_ours(void **state) {
    struct hd_host *host = *state;
    struct hd_host_job job;
    assert_true(hd_host_take(host, &hd_email_processor, &job));
    assert_int_equal(hd_host_begin(host, &job), 0);
    assert_int_equal(job.work.transfer.kind, HD_TRANSFER_SMTP);
    assert_int_equal(mail(host)->status, HD_SENDING);
    assert_string_equal(mail(host)->owner_token, "first/1");
    assert_int_equal(mail(host)->attempts, 1);
    hd_host_end(&job);
}

static void a_provider_that_answers_at_once_needs_no_transfer(void **state) {
    struct hd_host *host = *state;
    host->email.kind = HD_TRANSFER_NONE;
    int commits = host->commits;
    assert_int_equal(step(host), 0);
    assert_int_equal(host->commits, commits + 1);
    assert_int_equal(mail(host)->status, HD_SENT);
    ATTEMPTS(host, HD_OUTCOME_SENT);
}

static void a_second_message_for_what_is_sent_is_only_acknowledged(void **state) {
    struct hd_host *host = *state;
    assert_int_equal(step(host), 0);
    const char *before = hd_host_dump(host);
    hd_host_enqueue(host, HD_QUEUE_EMAIL, hd_arena_printf(host->arena, "{\"notificationId\":\"%s\"}", mail(host)->notification_id));
    assert_int_equal(step(host), 0);
    assert_string_equal(hd_host_dump(host), before);
    assert_int_equal(host->email.prepared, 1);
}

/* ---- trying again ---- */

static void a_failure_that_may_pass_is_tried_again_after_its_backoff(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY, .detail = "451 later"}, {.kind = HD_OUTCOME_SENT});
    host->dice = UINT32_MAX; /* the longest wait: 1 s after the first */
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_PENDING);
    assert_int_equal(mail(host)->attempts, 1);
    assert_int_equal(mail(host)->next_attempt_at_ms, HD_HOST_NOW_MS + 1000);
    host->ctx.now_ms += 999;
    assert_int_equal(hd_host_run(host, &hd_email_processor), 0);
    host->ctx.now_ms += 1;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    assert_int_equal(mail(host)->next_attempt_at_ms, 0);
    ATTEMPTS(host, HD_OUTCOME_RETRY, HD_OUTCOME_SENT);
}

static void the_backoff_doubles_and_jitter_shortens_it(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY});
    host->retry[HD_EMAIL] = (struct hd_retry_policy){.attempts = 5, .first_delay_ms = 1000, .longest_delay_ms = 3000};
    static const int64_t longest_ms[] = {1000, 2000, 3000, 3000};
    for (size_t i = 0; i < HD_ARRAY_LEN(longest_ms); i++) {
        host->dice = i % 2 ? UINT32_MAX : UINT32_MAX / 2;
        assert_int_equal(step(host), 0);
        int64_t delay_ms = mail(host)->next_attempt_at_ms - host->ctx.now_ms;
        assert_int_equal(delay_ms, i % 2 ? longest_ms[i] : longest_ms[i] / 2);
        host->ctx.now_ms += delay_ms;
    }
    assert_int_equal(step(host), 0);
    check_dead(host, "attempts_exhausted");
}

static void retry_after_is_honoured(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY, .retry_after_ms = 120000}, {.kind = HD_OUTCOME_SENT});
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->next_attempt_at_ms, HD_HOST_NOW_MS + 120000);
    host->ctx.now_ms += 119999;
    assert_int_equal(hd_host_run(host, &hd_email_processor), 0);
    host->ctx.now_ms += 1;
    assert_int_equal(hd_host_run(host, &hd_email_processor), 1);
    assert_int_equal(mail(host)->status, HD_SENT);
}

/* The message comes in between, because no queue delays for so long. */
static void a_long_retry_after_is_waited_for_in_parts_that_a_queue_can_delay(void **state) {
    struct hd_host *host = *state;
    enum { WISH_MS = 2 * HD_DELAY_MAX_MS + 5000 };
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY, .retry_after_ms = WISH_MS}, {.kind = HD_OUTCOME_SENT});
    assert_int_equal(step(host), 0);
    for (int part = 0; part < 2; part++) {
        host->ctx.now_ms += HD_DELAY_MAX_MS;
        assert_int_equal(step(host), 0);
        assert_int_equal(mail(host)->status, HD_PENDING);
        assert_int_equal(host->email.prepared, 1);
    }
    assert_int_equal(hd_host_run(host, &hd_email_processor), 0);
    host->ctx.now_ms += 5000;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    assert_int_equal(mail(host)->attempts, 2);
}

static void a_message_that_comes_early_is_postponed(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY, .retry_after_ms = 60000});
    assert_int_equal(step(host), 0);
    hd_host_enqueue(host, HD_QUEUE_EMAIL, hd_arena_printf(host->arena, "{\"notificationId\":\"%s\"}", mail(host)->notification_id));
    assert_int_equal(step(host), 0);
    assert_int_equal(host->email.prepared, 1);
    assert_int_equal(hd_host_depth(host, HD_QUEUE_EMAIL).visible, 0);
    host->ctx.now_ms += 60000;
    assert_int_equal(hd_host_depth(host, HD_QUEUE_EMAIL).visible, 2);
}

/* ---- giving up ---- */

static void exhausted_attempts_are_a_dead_letter(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY, .detail = "451 later"});
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(mail(host)->status, HD_PENDING);
        assert_int_equal(step(host), 0);
        host->ctx.now_ms += 300000;
    }
    const struct hd_dead_letter *letter = check_dead(host, "attempts_exhausted");
    assert_int_equal(letter->attempts, 3);
    assert_string_equal(letter->detail, "451 later");
    assert_non_null(strstr(letter->body, mail(host)->notification_id));
    ATTEMPTS(host, HD_OUTCOME_RETRY, HD_OUTCOME_RETRY, HD_OUTCOME_RETRY);
}

static void the_dead_letter_is_told_to_the_dlq_handler(void **state) {
    struct hd_host *host = *state;
    size_t count;
    struct hd_host_job job;
    SCRIPT(host, {.kind = HD_OUTCOME_PERMANENT});
    assert_int_equal(step(host), 0);
    const struct hd_dead_letter *letter = hd_host_dead_letters(host, &count);
    assert_true(hd_host_take(host, &hd_dlq_processor, &job));
    assert_string_equal(job.message.body, hd_arena_printf(host->arena, "{\"deadLetterId\":\"%s\"}", letter->dead_letter_id));
    hd_host_end(&job);
}

static void a_permanent_failure_is_dead_at_once(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_PERMANENT, .detail = "554 no"});
    assert_int_equal(step(host), 0);
    assert_string_equal(check_dead(host, "permanent_failure")->detail, "554 no");
    ATTEMPTS(host, HD_OUTCOME_PERMANENT);
}

static void an_address_that_is_gone_is_dead_at_once(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_ADDRESS_GONE, .detail = "550 5.1.1 no such user"});
    assert_int_equal(step(host), 0);
    check_dead(host, "address_gone");
    ATTEMPTS(host, HD_OUTCOME_ADDRESS_GONE);
}

static void a_wrong_setting_is_tried_again_and_then_dead(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_CONFIGURATION, .detail = "535 credentials"});
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(mail(host)->status, HD_PENDING);
        assert_int_equal(step(host), 0);
        host->ctx.now_ms += 300000;
    }
    check_dead(host, "attempts_exhausted");
    ATTEMPTS(host, HD_OUTCOME_CONFIGURATION, HD_OUTCOME_CONFIGURATION, HD_OUTCOME_CONFIGURATION);
}

static void what_can_never_be_prepared_is_dead_without_a_transfer(void **state) {
    struct hd_host *host = *state;
    host->email.prepare_fails = HD_ERR_INVALID;
    assert_int_equal(step(host), 0);
    assert_string_equal(check_dead(host, "permanent_failure")->detail, "it cannot be prepared");
    assert_int_equal(host->email.transferred, 0);
    ATTEMPTS(host, HD_OUTCOME_PERMANENT);
}

static void a_setting_that_hinders_preparing_is_tried_again_and_then_dead(void **state) {
    struct hd_host *host = *state;
    host->email.prepare_fails = HD_ERR_CONFIGURATION;
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(mail(host)->status, HD_PENDING);
        assert_int_equal(step(host), 0);
        host->ctx.now_ms += 300000;
    }
    check_dead(host, "attempts_exhausted");
    ATTEMPTS(host, HD_OUTCOME_CONFIGURATION, HD_OUTCOME_CONFIGURATION, HD_OUTCOME_CONFIGURATION);
}

static void no_memory_for_preparing_leaves_the_message_to_come_again(void **state) {
    struct hd_host *host = *state;
    const char *before = hd_host_dump(host);
    host->email.prepare_fails = HD_ERR_NO_MEMORY;
    assert_int_equal(step(host), HD_ERR_NO_MEMORY);
    assert_string_equal(hd_host_dump(host), before);
    host->email.prepare_fails = HD_OK;
    host->ctx.now_ms += HD_HOST_VISIBILITY_MS;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    assert_int_equal(mail(host)->attempts, 1);
}

static void what_is_redriven_has_a_fresh_budget_of_attempts(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY});
    for (; mail(host)->status == HD_PENDING; host->ctx.now_ms += 300000)
        assert_int_equal(step(host), 0);
    const struct hd_notification *dead = mail(host);
    struct hd_notification again = *dead;
    again.status = HD_PENDING;
    again.reason = NULL;
    again.attempts_forgiven = dead->attempts;
    struct hd_changeset set = hd_changeset(host->arena);
    hd_move_notification(&set, dead, &again, HD_MOVE_REDRIVE);
    hd_host_commit(host, &set);
    hd_host_enqueue(host, HD_QUEUE_EMAIL, hd_arena_printf(host->arena, "{\"notificationId\":\"%s\"}", dead->notification_id));
    host->dice = UINT32_MAX;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_PENDING);
    assert_int_equal(mail(host)->next_attempt_at_ms, host->ctx.now_ms + 1000); /* as after a first attempt */
    host->ctx.now_ms += 300000;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_PENDING);
    host->ctx.now_ms += 300000;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_DEAD);
    assert_int_equal(mail(host)->attempts, 6);
}

/* ---- several workers ---- */

/* A worker has begun and is never heard of again: only its claim on the message remains. */
static void begin_and_vanish(struct hd_host *host) {
    struct hd_host_job job;
    assert_true(hd_host_take(host, &hd_email_processor, &job));
    assert_int_equal(hd_host_begin(host, &job), 0);
    hd_host_end(&job);
    hd_memory_crash(host->memory);
    host->ctx.worker = "second";
}

static void what_another_worker_has_begun_is_postponed_until_that_one_is_surely_gone(void **state) {
    struct hd_host *host = *state;
    begin_and_vanish(host);
    host->ctx.now_ms += 1000;
    assert_int_equal(step(host), 0);
    assert_int_equal(host->email.prepared, 1);
    assert_string_equal(mail(host)->owner_token, "first/1");
    host->ctx.now_ms = HD_HOST_NOW_MS + TAKE_OVER_MS - 1;
    assert_int_equal(hd_host_run(host, &hd_email_processor), 0);
}

static void what_a_gone_worker_had_begun_is_taken_over(void **state) {
    struct hd_host *host = *state;
    size_t count;
    begin_and_vanish(host);
    host->ctx.now_ms += TAKE_OVER_MS;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    assert_int_equal(mail(host)->attempts, 2);
    ATTEMPTS(host, HD_OUTCOME_INTERRUPTED, HD_OUTCOME_SENT);
    const struct hd_attempt *attempts = hd_host_attempts(host, mail(host)->notification_id, &count);
    assert_int_equal(attempts[0].at_ms, HD_HOST_NOW_MS);
    assert_int_equal(attempts[0].duration_ms, TAKE_OVER_MS);
}

static void an_interrupted_attempt_is_recorded_when_the_next_one_needs_no_transfer(void **state) {
    struct hd_host *host = *state;
    begin_and_vanish(host);
    host->email.kind = HD_TRANSFER_NONE;
    host->ctx.now_ms += TAKE_OVER_MS;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    ATTEMPTS(host, HD_OUTCOME_INTERRUPTED, HD_OUTCOME_SENT);
}

static void an_interrupted_attempt_is_recorded_when_the_next_one_cannot_be_prepared(void **state) {
    struct hd_host *host = *state;
    begin_and_vanish(host);
    host->email.prepare_fails = HD_ERR_INVALID;
    host->ctx.now_ms += TAKE_OVER_MS;
    assert_int_equal(step(host), 0);
    check_dead(host, "permanent_failure");
    ATTEMPTS(host, HD_OUTCOME_INTERRUPTED, HD_OUTCOME_PERMANENT);
}

static void a_worker_that_was_thought_gone_cannot_conclude_any_more(void **state) {
    struct hd_host *host = *state;
    struct hd_host_job late;
    assert_true(hd_host_take(host, &hd_email_processor, &late));
    assert_int_equal(hd_host_begin(host, &late), 0);
    hd_memory_crash(host->memory);
    host->ctx.now_ms += TAKE_OVER_MS;
    host->ctx.worker = "second";
    assert_int_equal(step(host), 0);
    const char *before = hd_host_dump(host);
    SCRIPT(host, {.kind = HD_OUTCOME_PERMANENT});
    assert_int_equal(hd_host_conclude(host, &late), 0);
    hd_host_end(&late);
    assert_string_equal(hd_host_dump(host), before);
}

/* The claim was over before the answer came; nobody has touched the notification. */
static void conclude_after_losing_the_message(struct hd_host *host) {
    struct hd_host_job ours, theirs;
    assert_true(hd_host_take(host, &hd_email_processor, &ours));
    assert_int_equal(hd_host_begin(host, &ours), 0);
    host->ctx.now_ms += 100;
    hd_memory_crash(host->memory);
    assert_true(hd_host_take(host, &hd_email_processor, &theirs));
    assert_int_equal(hd_host_conclude(host, &ours), 0);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 1); /* it is left to them */
    assert_int_equal(hd_host_begin(host, &theirs), 0);
    assert_int_equal(theirs.work.transfer.kind, HD_TRANSFER_NONE);
    hd_host_end(&ours);
    hd_host_end(&theirs);
}

static void an_outcome_is_recorded_although_the_message_was_lost(void **state) {
    struct hd_host *host = *state;
    conclude_after_losing_the_message(host);
    assert_int_equal(mail(host)->status, HD_SENT);
    ATTEMPTS(host, HD_OUTCOME_SENT);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
}

static void a_retry_is_recorded_although_the_message_was_lost(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_RETRY, .retry_after_ms = 60000}, {.kind = HD_OUTCOME_SENT});
    conclude_after_losing_the_message(host);
    assert_int_equal(mail(host)->status, HD_PENDING);
    host->ctx.now_ms += 60000;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    ATTEMPTS(host, HD_OUTCOME_RETRY, HD_OUTCOME_SENT);
}

static void a_dead_letter_is_written_although_the_message_was_lost(void **state) {
    struct hd_host *host = *state;
    SCRIPT(host, {.kind = HD_OUTCOME_PERMANENT});
    conclude_after_losing_the_message(host);
    check_dead(host, "permanent_failure");
    ATTEMPTS(host, HD_OUTCOME_PERMANENT);
}

static void somebody_else_is_faster(struct hd_host *host) {
    hd_memory_crash(host->memory);
    host->ctx.worker = "second";
    assert_int_equal(step(host), 0);
    host->ctx.worker = "first";
}

static void two_workers_with_one_task_send_it_once(void **state) {
    struct hd_host *host = *state;
    host->before_commit = somebody_else_is_faster;
    assert_int_equal(step(host), HD_ERR_CONFLICT);
    assert_int_equal(host->email.transferred, 1);
    assert_int_equal(mail(host)->status, HD_SENT);
    assert_string_equal(hd_host_told(host, NULL), "olga/email:sent()");
    ATTEMPTS(host, HD_OUTCOME_SENT);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
}

/* ---- faults of the store ---- */

/* The n-th call of begin fails: nothing has changed then, and the message goes its way afterwards. */
static void a_fault_at_any_point_of_begin_leaves_nothing_half_done(void **state) {
    (void)state;
    bool failed = true;
    for (int n = 1; failed; n++) {
        assert_true(n < 20);
        void *made = NULL;
        setup(&made);
        struct hd_host *host = made;
        const char *before = hd_host_dump(host);
        struct hd_host_job job;
        assert_true(hd_host_take(host, &hd_email_processor, &job));
        hd_memory_fail_next(host->memory, n, HD_ERR_UNAVAILABLE);
        failed = hd_host_begin(host, &job) != 0;
        hd_memory_fail_next(host->memory, 0, HD_OK);
        if (failed) {
            assert_string_equal(hd_host_dump(host), before);
            hd_memory_crash(host->memory);
            assert_int_equal(step(host), 0);
            assert_int_equal(mail(host)->status, HD_SENT);
            ATTEMPTS(host, HD_OUTCOME_SENT);
        }
        hd_host_end(&job);
        teardown(&made);
    }
}

/* The n-th call of conclude fails, for each outcome; the host keeps the outcome and concludes again. */
static void a_fault_at_any_point_of_conclude_loses_no_outcome(void **state) {
    static const struct {
        enum hd_outcome_kind outcome;
        enum hd_status status;
    } ends[] = {{HD_OUTCOME_SENT, HD_SENT}, {HD_OUTCOME_RETRY, HD_PENDING}, {HD_OUTCOME_PERMANENT, HD_DEAD}};
    (void)state;
    for (size_t end = 0; end < HD_ARRAY_LEN(ends); end++) {
        bool failed = true;
        for (int n = 1; failed; n++) {
            assert_true(n < 20);
            void *made = NULL;
            setup(&made);
            struct hd_host *host = made;
            struct hd_host_job job;
            SCRIPT(host, {.kind = ends[end].outcome});
            assert_true(hd_host_take(host, &hd_email_processor, &job));
            assert_int_equal(hd_host_begin(host, &job), 0);
            const char *before = hd_host_dump(host);
            hd_memory_fail_next(host->memory, n, HD_ERR_UNAVAILABLE);
            failed = hd_host_conclude(host, &job) != 0;
            hd_memory_fail_next(host->memory, 0, HD_OK);
            if (failed) {
                assert_string_equal(hd_host_dump(host), before);
                assert_int_equal(hd_host_conclude(host, &job), 0);
            }
            assert_int_equal(mail(host)->status, ends[end].status);
            ATTEMPTS(host, ends[end].outcome);
            assert_int_equal(hd_host_waiting(host, HD_QUEUE_DLQ), ends[end].status == HD_DEAD);
            hd_host_end(&job);
            teardown(&made);
        }
    }
}

static void an_outcome_whose_commit_got_no_answer_is_recorded_once(void **state) {
    struct hd_host *host = *state;
    struct hd_host_job job;
    assert_true(hd_host_take(host, &hd_email_processor, &job));
    assert_int_equal(hd_host_begin(host, &job), 0);
    hd_memory_lose_answer(host->memory);
    assert_int_equal(hd_host_conclude(host, &job), HD_ERR_UNAVAILABLE);
    assert_int_equal(hd_host_conclude(host, &job), 0);
    hd_host_end(&job);
    assert_int_equal(mail(host)->status, HD_SENT);
    ATTEMPTS(host, HD_OUTCOME_SENT);
    assert_int_equal(hd_host_waiting(host, HD_QUEUE_EMAIL), 0);
}

static void a_begin_whose_commit_got_no_answer_is_taken_over_later(void **state) {
    struct hd_host *host = *state;
    hd_memory_lose_answer(host->memory);
    assert_int_equal(step(host), HD_ERR_UNAVAILABLE);
    hd_memory_crash(host->memory);
    assert_int_equal(step(host), 0);
    assert_int_equal(host->email.transferred, 0);
    host->ctx.now_ms += TAKE_OVER_MS;
    assert_int_equal(step(host), 0);
    assert_int_equal(mail(host)->status, HD_SENT);
    ATTEMPTS(host, HD_OUTCOME_INTERRUPTED, HD_OUTCOME_SENT);
}

#define EMAIL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        EMAIL_TEST(a_mail_is_sent_and_its_attempt_recorded),
        EMAIL_TEST(while_it_is_on_its_way_it_is_ours),
        EMAIL_TEST(a_provider_that_answers_at_once_needs_no_transfer),
        EMAIL_TEST(a_second_message_for_what_is_sent_is_only_acknowledged),
        EMAIL_TEST(a_failure_that_may_pass_is_tried_again_after_its_backoff),
        EMAIL_TEST(the_backoff_doubles_and_jitter_shortens_it),
        EMAIL_TEST(retry_after_is_honoured),
        EMAIL_TEST(a_long_retry_after_is_waited_for_in_parts_that_a_queue_can_delay),
        EMAIL_TEST(a_message_that_comes_early_is_postponed),
        EMAIL_TEST(exhausted_attempts_are_a_dead_letter),
        EMAIL_TEST(the_dead_letter_is_told_to_the_dlq_handler),
        EMAIL_TEST(a_permanent_failure_is_dead_at_once),
        EMAIL_TEST(an_address_that_is_gone_is_dead_at_once),
        EMAIL_TEST(a_wrong_setting_is_tried_again_and_then_dead),
        EMAIL_TEST(what_can_never_be_prepared_is_dead_without_a_transfer),
        EMAIL_TEST(a_setting_that_hinders_preparing_is_tried_again_and_then_dead),
        EMAIL_TEST(no_memory_for_preparing_leaves_the_message_to_come_again),
        EMAIL_TEST(what_is_redriven_has_a_fresh_budget_of_attempts),
        EMAIL_TEST(what_another_worker_has_begun_is_postponed_until_that_one_is_surely_gone),
        EMAIL_TEST(what_a_gone_worker_had_begun_is_taken_over),
        EMAIL_TEST(an_interrupted_attempt_is_recorded_when_the_next_one_needs_no_transfer),
        EMAIL_TEST(an_interrupted_attempt_is_recorded_when_the_next_one_cannot_be_prepared),
        EMAIL_TEST(a_worker_that_was_thought_gone_cannot_conclude_any_more),
        EMAIL_TEST(an_outcome_is_recorded_although_the_message_was_lost),
        EMAIL_TEST(a_retry_is_recorded_although_the_message_was_lost),
        EMAIL_TEST(a_dead_letter_is_written_although_the_message_was_lost),
        EMAIL_TEST(two_workers_with_one_task_send_it_once),
        cmocka_unit_test(a_fault_at_any_point_of_begin_leaves_nothing_half_done),
        cmocka_unit_test(a_fault_at_any_point_of_conclude_loses_no_outcome),
        EMAIL_TEST(an_outcome_whose_commit_got_no_answer_is_recorded_once),
        EMAIL_TEST(a_begin_whose_commit_got_no_answer_is_taken_over_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
