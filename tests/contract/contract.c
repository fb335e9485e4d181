#include "tests/contract/contract.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/contract/fixture.h"

/* What a case is given as its initial state. */
struct run {
    const struct hd_contract_backend *backend;
    const struct hd_case *the_case;
    struct hd_fixture fixture;
};

static int open_fixture(void **state) {
    struct run *run = *state;
    return hd_fixture_open(run->backend, &run->fixture);
}

static void run_case(void **state) {
    struct run *run = *state;
    run->the_case->run(&run->fixture);
}

static int close_fixture(void **state) {
    struct run *run = *state;
    hd_fixture_close(&run->fixture);
    return 0;
}

static int run_group(const struct hd_contract_backend *backend, const struct hd_cases *group) {
    struct run *runs = calloc(group->count, sizeof(*runs));
    struct CMUnitTest *tests = calloc(group->count, sizeof(*tests));
    if (!runs || !tests)
        abort();
    for (size_t i = 0; i < group->count; i++) {
        runs[i] = (struct run){.backend = backend, .the_case = &group->cases[i]};
        tests[i] = (struct CMUnitTest){.name = group->cases[i].name,
                                       .test_func = run_case,
                                       .setup_func = open_fixture,
                                       .teardown_func = close_fixture,
                                       .initial_state = &runs[i]};
    }
    char name[128];
    (void)snprintf(name, sizeof(name), "%s: %s", backend->name, group->name);
    int failed = _cmocka_run_group_tests(name, tests, group->count, NULL, NULL);
    free(tests);
    free(runs);
    return failed;
}

int hd_contract_run(const struct hd_contract_backend *backend) {
    hd_json_init();
    const char *pattern = getenv("HELPDESK_CONTRACT");
    if (pattern)
        cmocka_set_test_filter(pattern);
    const char *wanted = getenv("HELPDESK_CONTRACT_GROUPS");
    const struct hd_cases *const groups[] = {&hd_changes_cases, &hd_values_cases, &hd_lists_cases, &hd_queue_cases, &hd_model_cases};
    int failed = 0;
    for (size_t i = 0; i < HD_ARRAY_LEN(groups); i++)
        if (!wanted || strstr(wanted, groups[i]->name))
            failed += run_group(backend, groups[i]);
    return failed;
}
