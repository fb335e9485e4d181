/* The faults of the memory implementation; that it keeps the ports' contract is shown by tests/contract/memory_test.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/memory.h"

struct fixture {
    struct hd_memory *memory;
    struct hd_store *store;
    struct hd_queue *queue;
    struct hd_arena *arena;
};

static int set_up(void **state) {
    static struct fixture f;
    f.memory = hd_memory_new();
    f.store = hd_memory_store(f.memory);
    f.queue = hd_memory_queue(f.memory);
    f.arena = hd_arena_new(1024 * 1024);
    *state = &f;
    return f.arena ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    f->store->ops->close(f->store);
    f->queue->ops->close(f->queue);
    hd_memory_free(f->memory);
    hd_arena_free(f->arena);
    return 0;
}

static int commit_event(struct fixture *f, const char *event_id, struct hd_commit_result *ret_result) {
    struct hd_event event = {.event_id = event_id, .schema_version = 1, .ticket_id = "tkt-001", .payload = "{}"};
    struct hd_changeset set = hd_changeset(f->arena);
    hd_append_event(&set, &event);
    const struct hd_changeset *sets[] = {&set};
    struct hd_error err = {0};
    return f->store->ops->commit(f->store, sets, 1, ret_result, &err);
}

static int read_event(struct fixture *f, const char *event_id, bool *ret_there) {
    const struct hd_event *event = NULL;
    struct hd_error err = {0};
    int r = f->store->ops->event(f->store, f->arena, event_id, &event, &err);
    *ret_there = event != NULL;
    return r;
}

static void the_nth_call_fails_and_does_nothing(void **state) {
    struct fixture *f = *state;
    struct hd_commit_result result = {0};
    bool there = false;
    hd_memory_fail_next(f->memory, 3, HD_ERR_NO_SPACE);
    assert_int_equal(commit_event(f, "evt-1", &result), 0);
    assert_int_equal(read_event(f, "evt-1", &there), 0);
    assert_int_equal(commit_event(f, "evt-2", &result), HD_ERR_NO_SPACE);
    assert_int_equal(read_event(f, "evt-2", &there), 0);
    assert_false(there);
    assert_int_equal(commit_event(f, "evt-2", &result), 0);
}

static void a_read_and_a_receive_can_fail_and_a_fault_can_be_taken_back(void **state) {
    struct fixture *f = *state;
    bool there = false;
    struct hd_message *messages = NULL;
    size_t count = 0;
    int64_t due_ms = 0;
    struct hd_error err = {0};
    hd_memory_fail_next(f->memory, 1, HD_ERR_CORRUPT);
    assert_int_equal(read_event(f, "evt-1", &there), HD_ERR_CORRUPT);
    hd_memory_fail_next(f->memory, 1, HD_ERR_UNAVAILABLE);
    assert_int_equal(f->queue->ops->receive(f->queue, HD_QUEUE_EMAIL, 1, 1, 1, f->arena, &messages, &count, &due_ms, &err),
                     HD_ERR_UNAVAILABLE);
    hd_memory_fail_next(f->memory, 1, HD_ERR_UNAVAILABLE);
    hd_memory_fail_next(f->memory, 0, HD_OK);
    assert_int_equal(read_event(f, "evt-1", &there), 0);
}

static void a_commit_whose_answer_is_lost_has_happened(void **state) {
    struct fixture *f = *state;
    struct hd_commit_result result = {.code = HD_ERR_INTERNAL};
    bool there = false;
    hd_memory_lose_answer(f->memory);
    assert_int_equal(commit_event(f, "evt-1", &result), HD_ERR_UNAVAILABLE);
    assert_int_equal(result.code, HD_ERR_INTERNAL);
    assert_int_equal(read_event(f, "evt-1", &there), 0);
    assert_true(there);
    assert_int_equal(commit_event(f, "evt-1", &result), 0); /* repeated: harmless, and seen to be done */
    assert_int_equal(result.code, HD_ERR_CONFLICT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_nth_call_fails_and_does_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_and_a_receive_can_fail_and_a_fault_can_be_taken_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_whose_answer_is_lost_has_happened, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
