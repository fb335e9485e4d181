/* The chain against files of the test's own, and against a server that speaks as a container's and an instance's does. */
#include "adapters/aws/credentials.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/rfc3339.h"
#include "tests/support/stand_in.h"

#define NOW_MS INT64_C(1790000000000)
enum { HOUR_MS = 3600 * 1000, PATH_BYTES = 256 };

struct bench {
    struct hd_stand_in *server;
    struct hd_credentials_chain *chain;
    char folder[PATH_BYTES], credentials_file[PATH_BYTES + 16], config_file[PATH_BYTES + 16], token_file[PATH_BYTES + 16];
    /* What the server does. */
    int64_t expires_at_ms;
    int status;          /* of keys; 0: 200 */
    int drops;           /* so many answers are lost first */
    bool no_role;        /* of the instance */
    int keys_given;      /* so far */
    int keys_not_before; /* the answer waits for this request */
    char authorization[128], instance_token[128], ttl[32];
};

/* ---- the services ---- */

static void give_keys(struct bench *b, struct hd_stand_in_answer *answer) {
    static _Thread_local char body[512];
    if (b->status) {
        answer->status = b->status;
        answer->body = "{\"code\":\"Nope\"}";
        return;
    }
    (void)snprintf(
        body, sizeof body,
        "{\"Code\":\"Success\",\"AccessKeyId\":\"KEY%d\",\"SecretAccessKey\":\"secret\",\"Token\":\"token\",\"Expiration\":\"%s\"}",
        ++b->keys_given, hd_time_format(b->expires_at_ms).text);
    answer->body = body;
}

static void serve(void *arg, const struct hd_stand_in_request *request, struct hd_stand_in_answer *answer) {
    struct bench *b = arg;
    answer->not_before_request = b->keys_not_before;
    if (b->drops > 0) {
        b->drops--;
        answer->way = HD_STAND_IN_DROPS;
    } else if (strcmp(request->target, "/container") == 0) {
        (void)snprintf(b->authorization, sizeof b->authorization, "%s", hd_stand_in_header(request, "Authorization"));
        give_keys(b, answer);
    } else if (strcmp(request->method, "PUT") == 0 && strcmp(request->target, "/latest/api/token") == 0) {
        (void)snprintf(b->ttl, sizeof b->ttl, "%s", hd_stand_in_header(request, "X-aws-ec2-metadata-token-ttl-seconds"));
        answer->body = "instance-token";
    } else if (strcmp(hd_stand_in_header(request, "X-aws-ec2-metadata-token"), "instance-token") != 0) {
        answer->status = 401;
    } else if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/") == 0) {
        answer->status = b->no_role ? 404 : 200;
        answer->body = "the-role\n";
    } else if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/the-role") == 0) {
        give_keys(b, answer);
    } else {
        answer->status = 404;
    }
}

/* ---- fixture ---- */

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"};
    static struct bench bench;
    struct bench *b = &bench;
    memset(b, 0, sizeof *b);
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(b->folder, sizeof b->folder, "%s/hd-credentials-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(b->folder))
        return -1;
    (void)snprintf(b->credentials_file, sizeof b->credentials_file, "%s/credentials", b->folder);
    (void)snprintf(b->config_file, sizeof b->config_file, "%s/config", b->folder);
    (void)snprintf(b->token_file, sizeof b->token_file, "%s/token", b->folder);
    setenv("AWS_SHARED_CREDENTIALS_FILE", b->credentials_file, 1);
    setenv("AWS_CONFIG_FILE", b->config_file, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    b->server = hd_stand_in_new(serve, b);
    b->expires_at_ms = NOW_MS + HOUR_MS;
    *state = b;
    return hd_credentials_chain_new(&b->chain, NULL);
}

static int tear_down(void **state) {
    struct bench *b = *state;
    hd_credentials_chain_free(b->chain);
    hd_stand_in_free(b->server);
    (void)unlink(b->credentials_file);
    (void)unlink(b->config_file);
    (void)unlink(b->token_file);
    return rmdir(b->folder);
}

static void use_container(const struct bench *b) {
    char url[128];
    (void)snprintf(url, sizeof url, "%s/container", hd_stand_in_url(b->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
}

static void use_instance(const struct bench *b) {
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", hd_stand_in_url(b->server), 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
}

static void are(const struct bench *b, int64_t now_ms, const char *key, const char *source) {
    HD_CLEANUP(hd_credentials_unrefp) struct hd_credentials *got = NULL;
    struct hd_error err;
    (void)hd_stand_in_requests(b->server); /* what the test wrote is seen by the server's thread */
    if (hd_credentials_get(b->chain, now_ms, &got, &err) < 0)
        fail_msg("%s", err.detail);
    assert_string_equal(got->access_key_id, key);
    assert_string_equal(got->source, source);
    (void)hd_stand_in_requests(b->server); /* and the other way round */
}

static void fail_as(const struct bench *b, enum hd_code code, const char *detail) {
    struct hd_credentials *got = NULL;
    struct hd_error err;
    (void)hd_stand_in_requests(b->server);
    assert_int_equal(hd_credentials_get(b->chain, NOW_MS, &got, &err), code);
    assert_null(got);
    assert_string_equal(err.detail, detail);
}

static void refuse(const struct bench *b, int64_t now_ms) {
    HD_CLEANUP(hd_credentials_unrefp) struct hd_credentials *got = NULL;
    assert_int_equal(hd_credentials_get(b->chain, now_ms, &got, NULL), 0);
    hd_credentials_refused(b->chain, got);
}

/* ---- environment and files ---- */

static void the_environment_goes_first(void **state) {
    struct bench *b = *state;
    write_file(b->credentials_file, "[default]\naws_access_key_id=FILE\naws_secret_access_key=S\n");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
    setenv("AWS_SESSION_TOKEN", "T", 1);
    are(b, NOW_MS, "ENV", "environment");
    HD_CLEANUP(hd_credentials_unrefp) struct hd_credentials *got = NULL;
    assert_int_equal(hd_credentials_get(b->chain, NOW_MS, &got, NULL), 0);
    assert_string_equal(got->secret_access_key, "S");
    assert_string_equal(got->session_token, "T");
    assert_int_equal(got->expires_at_ms, INT64_MAX);
}

static void half_of_a_pair_in_the_environment_is_a_mistake(void **state) {
    struct bench *b = *state;
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    fail_as(b, HD_ERR_CONFIGURATION, "credentials for AWS, environment: of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
}

static void shared_files_are_read_by_profile_the_credentials_file_first(void **state) {
    struct bench *b = *state;
    write_file(b->credentials_file, "[default]\naws_access_key_id=FILE\naws_secret_access_key=S\n");
    write_file(b->config_file, "[default]\naws_access_key_id=OTHER\naws_secret_access_key=S\n"
                               "[profile work]\naws_access_key_id=WORK\naws_secret_access_key=S\n");
    are(b, NOW_MS, "FILE", "shared files");
    setenv("AWS_PROFILE", "work", 1);
    are(b, NOW_MS, "FILE", "shared files"); /* those that we have hold for ever */
    refuse(b, NOW_MS);
    are(b, NOW_MS, "WORK", "shared files");
}

static void a_profile_that_was_asked_for_must_be_there_and_have_keys(void **state) {
    struct bench *b = *state;
    use_container(b); /* not asked: the profile was meant */
    setenv("AWS_PROFILE", "work", 1);
    fail_as(b, HD_ERR_CONFIGURATION, "credentials for AWS, shared files: profile work (AWS_PROFILE) is not there");
    write_file(b->config_file, "[profile work]\nregion=eu-west-1\n");
    fail_as(b, HD_ERR_CONFIGURATION, "credentials for AWS, shared files: profile work (AWS_PROFILE) has no keys");
    write_file(b->config_file, "[profile work]\naws_access_key_id=ID\n");
    fail_as(b, HD_ERR_CONFIGURATION, "credentials for AWS, shared files: profile work has only half of a pair of keys");
    write_file(b->config_file, "[profile work]\nsso_session=x\n");
    fail_as(b, HD_ERR_CONFIGURATION,
            "credentials for AWS, shared files: profile work has sso_session, which is not supported: give it keys, or export them");
    assert_int_equal(hd_stand_in_requests(b->server), 0);
}

static void without_any_the_sentence_says_what_was_tried(void **state) {
    struct bench *b = *state;
    fail_as(b, HD_ERR_CONFIGURATION,
            "no credentials for AWS: AWS_ACCESS_KEY_ID is not set; no keys of profile default in ~/.aws; no container's URI; "
            "instance metadata is disabled");
}

/* ---- a container's service ---- */

static void a_containers_service_is_asked_with_its_token(void **state) {
    struct bench *b = *state;
    use_container(b);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
    are(b, NOW_MS, "KEY1", "container");
    assert_string_equal(b->authorization, "Basic abc");
    write_file(b->token_file, "of the file\n");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", b->token_file, 1);
    refuse(b, NOW_MS);
    are(b, NOW_MS, "KEY2", "container");
    assert_string_equal(b->authorization, "of the file");
}

static void a_token_that_would_make_another_header_is_refused(void **state) {
    struct bench *b = *state;
    use_container(b);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX-Evil: b", 1);
    fail_as(b, HD_ERR_CONFIGURATION,
            "credentials for AWS, container: the container's authorization token is not one line of at most 8 KiB");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent/token", 1);
    fail_as(b, HD_ERR_CONFIGURATION,
            "credentials for AWS, container: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read: /nonexistent/token");
}

static void a_far_place_is_not_asked_without_tls(void **state) {
    struct bench *b = *state;
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/keys", 1);
    fail_as(b, HD_ERR_CONFIGURATION,
            "credentials for AWS, container: AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine");
}

static void a_lost_answer_is_asked_for_again(void **state) {
    struct bench *b = *state;
    use_container(b);
    b->drops = 2;
    are(b, NOW_MS, "KEY1", "container");
    assert_int_equal(hd_stand_in_requests(b->server), 3);
}

static void a_refusal_is_a_mistake_and_a_fault_is_none(void **state) {
    struct bench *b = *state;
    char detail[256];
    use_container(b);
    b->status = 403;
    (void)snprintf(detail, sizeof detail, "credentials for AWS, container: %s/container: HTTP 403", hd_stand_in_url(b->server));
    fail_as(b, HD_ERR_CONFIGURATION, detail);
    assert_int_equal(hd_stand_in_requests(b->server), 1);
    b->status = 500;
    (void)snprintf(detail, sizeof detail, "credentials for AWS, container: %s/container: HTTP 500", hd_stand_in_url(b->server));
    fail_as(b, HD_ERR_UNAVAILABLE, detail);
    assert_int_equal(hd_stand_in_requests(b->server), 4);
}

/* ---- an instance's service ---- */

static void an_instances_service_is_asked_for_a_token_the_role_and_its_keys(void **state) {
    struct bench *b = *state;
    use_instance(b);
    are(b, NOW_MS, "KEY1", "instance metadata");
    assert_string_equal(b->ttl, "21600");
    assert_int_equal(hd_stand_in_requests(b->server), 3);
}

static void an_instance_without_a_role_has_no_keys(void **state) {
    struct bench *b = *state;
    use_instance(b);
    b->no_role = true;
    fail_as(b, HD_ERR_CONFIGURATION,
            "no credentials for AWS: AWS_ACCESS_KEY_ID is not set; no keys of profile default in ~/.aws; no container's URI; "
            "the instance has no role");
}

static void where_there_is_no_instances_service_there_are_no_keys(void **state) {
    struct bench *b = *state;
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/", 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    fail_as(b, HD_ERR_CONFIGURATION,
            "no credentials for AWS: AWS_ACCESS_KEY_ID is not set; no keys of profile default in ~/.aws; no container's URI; "
            "no instance metadata here");
}

/* ---- time ---- */

static void keys_are_asked_for_anew_ahead_of_their_end(void **state) {
    struct bench *b = *state;
    use_container(b);
    are(b, NOW_MS, "KEY1", "container");
    are(b, NOW_MS + HOUR_MS - HD_CREDENTIALS_AHEAD_MS - 1, "KEY1", "container");
    assert_int_equal(hd_stand_in_requests(b->server), 1);
    b->expires_at_ms += HOUR_MS;
    are(b, NOW_MS + HOUR_MS - HD_CREDENTIALS_AHEAD_MS, "KEY2", "container");
    are(b, NOW_MS + HOUR_MS, "KEY2", "container");
    assert_int_equal(hd_stand_in_requests(b->server), 2);
}

static void a_failure_ahead_of_the_end_costs_nothing_and_is_tried_again_later(void **state) {
    struct bench *b = *state;
    int64_t due_ms = NOW_MS + HOUR_MS - HD_CREDENTIALS_AHEAD_MS;
    use_container(b);
    are(b, NOW_MS, "KEY1", "container");
    b->status = 403;
    are(b, due_ms, "KEY1", "container");
    are(b, due_ms + HD_CREDENTIALS_AGAIN_MS - 1, "KEY1", "container");
    assert_int_equal(hd_stand_in_requests(b->server), 2);
    b->status = 0;
    b->expires_at_ms += HOUR_MS;
    are(b, due_ms + HD_CREDENTIALS_AGAIN_MS, "KEY2", "container");
}

static void keys_behind_their_end_are_not_used_when_no_others_come(void **state) {
    struct bench *b = *state;
    use_container(b);
    b->expires_at_ms = NOW_MS - 1;
    are(b, NOW_MS, "KEY1", "container"); /* such as come: the services have the last word */
    are(b, NOW_MS + HD_CREDENTIALS_AGAIN_MS - 1, "KEY1", "container");
    assert_int_equal(hd_stand_in_requests(b->server), 1);
    b->status = 500;
    struct hd_credentials *got = NULL;
    assert_int_equal(hd_credentials_get(b->chain, NOW_MS + HD_CREDENTIALS_AGAIN_MS, &got, NULL), HD_ERR_UNAVAILABLE);
    assert_null(got);
}

static void refusing_what_has_been_replaced_already_changes_nothing(void **state) {
    struct bench *b = *state;
    use_container(b);
    HD_CLEANUP(hd_credentials_unrefp) struct hd_credentials *old = NULL;
    assert_int_equal(hd_credentials_get(b->chain, NOW_MS, &old, NULL), 0);
    hd_credentials_refused(b->chain, old);
    are(b, NOW_MS, "KEY2", "container");
    hd_credentials_refused(b->chain, old);
    are(b, NOW_MS, "KEY2", "container");
    assert_int_equal(hd_stand_in_requests(b->server), 2);
    assert_string_equal(old->access_key_id, "KEY1"); /* whoever holds them has them whole */
}

/* ---- threads ---- */

struct getter {
    struct bench *b;
    int64_t now_ms;
    char key[32];
};

static void *get_in_thread(void *arg) {
    struct getter *getter = arg;
    struct hd_credentials *got = NULL;
    if (hd_credentials_get(getter->b->chain, getter->now_ms, &got, NULL) == 0)
        (void)snprintf(getter->key, sizeof getter->key, "%s", got->access_key_id);
    hd_credentials_unref(got);
    return NULL;
}

static void many_threads_at_once_ask_once(void **state) {
    struct bench *b = *state;
    enum { THREADS = 8 };
    struct getter getters[THREADS];
    pthread_t threads[THREADS];
    use_container(b);
    for (size_t i = 0; i < THREADS; i++) {
        getters[i] = (struct getter){.b = b, .now_ms = NOW_MS};
        assert_int_equal(pthread_create(&threads[i], NULL, get_in_thread, &getters[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_string_equal(getters[i].key, "KEY1");
    assert_int_equal(hd_stand_in_requests(b->server), 1);
}

static void while_one_thread_asks_the_others_use_the_old_ones(void **state) {
    struct bench *b = *state;
    int64_t due_ms = NOW_MS + HOUR_MS - HD_CREDENTIALS_AHEAD_MS;
    use_container(b);
    are(b, NOW_MS, "KEY1", "container");
    b->keys_not_before = 3; /* the second answer is kept back until somebody else has asked for something */
    b->expires_at_ms += HOUR_MS;
    struct getter asker = {.b = b, .now_ms = due_ms};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, get_in_thread, &asker), 0);
    while (hd_stand_in_requests(b->server) < 2)
        sched_yield();
    are(b, due_ms, "KEY1", "container");
    struct hd_credentials_chain *other = NULL; /* the third request */
    struct hd_credentials *got = NULL;
    assert_int_equal(hd_credentials_chain_new(&other, NULL), 0);
    assert_int_equal(hd_credentials_get(other, NOW_MS, &got, NULL), 0);
    hd_credentials_unref(got);
    hd_credentials_chain_free(other);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(asker.key, "KEY2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        TEST(the_environment_goes_first),
        TEST(half_of_a_pair_in_the_environment_is_a_mistake),
        TEST(shared_files_are_read_by_profile_the_credentials_file_first),
        TEST(a_profile_that_was_asked_for_must_be_there_and_have_keys),
        TEST(without_any_the_sentence_says_what_was_tried),
        TEST(a_containers_service_is_asked_with_its_token),
        TEST(a_token_that_would_make_another_header_is_refused),
        TEST(a_far_place_is_not_asked_without_tls),
        TEST(a_lost_answer_is_asked_for_again),
        TEST(a_refusal_is_a_mistake_and_a_fault_is_none),
        TEST(an_instances_service_is_asked_for_a_token_the_role_and_its_keys),
        TEST(an_instance_without_a_role_has_no_keys),
        TEST(where_there_is_no_instances_service_there_are_no_keys),
        TEST(keys_are_asked_for_anew_ahead_of_their_end),
        TEST(a_failure_ahead_of_the_end_costs_nothing_and_is_tried_again_later),
        TEST(keys_behind_their_end_are_not_used_when_no_others_come),
        TEST(refusing_what_has_been_replaced_already_changes_nothing),
        TEST(many_threads_at_once_ask_once),
        TEST(while_one_thread_asks_the_others_use_the_old_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
