#include "adapters/aws/aws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/aws/shared.h"

static int clean(void **state) {
    static const char *const names[] = {"AWS_REGION",           "AWS_DEFAULT_REGION",   "AWS_ENDPOINT_URL",     "AWS_ENDPOINT_URL_DYNAMODB",
                                        "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SES", "AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL_SESV2",
                                        "AWS_CA_BUNDLE"};
    (void)state;
    for (size_t i = 0; i < HD_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    return 0;
}

static struct hd_aws *opened(const char *ca_file) {
    const struct hd_aws_options options = {
        .table = "helpdesk", .queues = "helpdesk-", .ca_file = ca_file, .clock = &hd_system_clock, .random = &hd_system_random};
    struct hd_aws *aws = NULL;
    struct hd_error err;
    if (hd_aws_new(&options, &aws, &err) < 0)
        fail_msg("%s", err.detail);
    return aws;
}

static void refuses(const char *detail) {
    const struct hd_aws_options options = {.clock = &hd_system_clock, .random = &hd_system_random};
    struct hd_aws *aws = NULL;
    struct hd_error err;
    assert_int_equal(hd_aws_new(&options, &aws, &err), HD_ERR_CONFIGURATION);
    assert_null(aws);
    assert_string_equal(err.detail, detail);
}

static void the_region_is_told_by_the_environment(void **state) {
    (void)state;
    refuses("no region: set AWS_REGION (such as eu-west-1)");
    setenv("AWS_DEFAULT_REGION", "us-east-2", 1);
    struct hd_aws *aws = opened(NULL);
    assert_string_equal(hd_aws_region(aws), "us-east-2");
    hd_aws_free(aws);
    setenv("AWS_REGION", "eu-west-1", 1);
    aws = opened(NULL);
    assert_string_equal(hd_aws_region(aws), "eu-west-1");
    hd_aws_free(aws);
    setenv("AWS_REGION", "eu-west-1.evil.org/", 1);
    refuses("AWS_REGION is no region: eu-west-1.evil.org/");
}

static void endpoints_are_those_of_the_region_and_its_partition(void **state) {
    (void)state;
    static const struct {
        const char *region, *urls[HD_AWS_SERVICE_COUNT];
    } cases[] = {
        {"eu-west-1",
         {"https://dynamodb.eu-west-1.amazonaws.com", "https://sqs.eu-west-1.amazonaws.com", "https://email.eu-west-1.amazonaws.com",
          "https://sns.eu-west-1.amazonaws.com"}},
        {"cn-north-1",
         {"https://dynamodb.cn-north-1.amazonaws.com.cn", "https://sqs.cn-north-1.amazonaws.com.cn",
          "https://email.cn-north-1.amazonaws.com.cn", "https://sns.cn-north-1.amazonaws.com.cn"}},
        {"us-gov-west-1",
         {"https://dynamodb.us-gov-west-1.amazonaws.com", "https://sqs.us-gov-west-1.amazonaws.com",
          "https://email.us-gov-west-1.amazonaws.com", "https://sns.us-gov-west-1.amazonaws.com"}},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(cases); i++) {
        setenv("AWS_REGION", cases[i].region, 1);
        struct hd_aws *aws = opened(NULL);
        for (int service = 0; service < HD_AWS_SERVICE_COUNT; service++)
            assert_string_equal(hd_aws_endpoint(aws, (enum hd_aws_service)service)->url, cases[i].urls[service]);
        assert_string_equal(hd_aws_endpoint(aws, HD_AWS_SES)->signing_name, "ses");
        hd_aws_free(aws);
    }
}

static void a_services_own_endpoint_goes_before_that_of_all(void **state) {
    (void)state;
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566//", 1);
    setenv("AWS_ENDPOINT_URL_SQS", "http://[::1]:9324/base/", 1);
    struct hd_aws *aws = opened(NULL);
    assert_string_equal(hd_aws_endpoint(aws, HD_AWS_DYNAMODB)->url, "http://127.0.0.1:4566");
    assert_string_equal(hd_aws_endpoint(aws, HD_AWS_DYNAMODB)->host, "127.0.0.1:4566");
    assert_string_equal(hd_aws_endpoint(aws, HD_AWS_SQS)->url, "http://[::1]:9324/base");
    assert_string_equal(hd_aws_endpoint(aws, HD_AWS_SES)->url, "http://127.0.0.1:4566");
    hd_aws_free(aws);
    setenv("AWS_ENDPOINT_URL_SES", "http://127.0.0.1:1", 1);
    aws = opened(NULL);
    assert_string_equal(hd_aws_endpoint(aws, HD_AWS_SES)->url, "http://127.0.0.1:1");
    hd_aws_free(aws);
    setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:2", 1); /* as AWS's tools call the API that we use */
    aws = opened(NULL);
    assert_string_equal(hd_aws_endpoint(aws, HD_AWS_SES)->url, "http://127.0.0.1:2");
    hd_aws_free(aws);
}

static void an_endpoint_must_be_a_url_of_a_service(void **state) {
    (void)state;
    static const char *const urls[] = {"127.0.0.1:4566",      "ftp://host",    "http://",    "http:///path",
                                       "http://user:pw@host", "http://host?x", "http://a b", "https://:80"};
    setenv("AWS_REGION", "eu-west-1", 1);
    for (size_t i = 0; i < HD_ARRAY_LEN(urls); i++) {
        char detail[128];
        setenv("AWS_ENDPOINT_URL_SES", urls[i], 1);
        (void)snprintf(detail, sizeof detail, "AWS_ENDPOINT_URL_SES is no URL of a service: %s", urls[i]);
        refuses(detail);
    }
}

static void the_ca_bundle_is_the_one_asked_for_or_the_systems(void **state) {
    (void)state;
    setenv("AWS_REGION", "eu-west-1", 1);
    struct hd_aws *aws = opened(NULL);
    const char *found = hd_aws_ca_file(aws);
    assert_true(!found || access(found, R_OK) == 0);
    hd_aws_free(aws);
    setenv("AWS_CA_BUNDLE", "/of/the/environment", 1);
    aws = opened(NULL);
    assert_string_equal(hd_aws_ca_file(aws), "/of/the/environment");
    hd_aws_free(aws);
    aws = opened("/of/the/options");
    assert_string_equal(hd_aws_ca_file(aws), "/of/the/options");
    hd_aws_free(aws);
}

static void options_are_copied(void **state) {
    (void)state;
    setenv("AWS_REGION", "eu-west-1", 1);
    char table[] = "mine";
    const struct hd_aws_options options = {.table = table, .clock = &hd_system_clock, .random = &hd_system_random};
    struct hd_aws *aws = NULL;
    assert_int_equal(hd_aws_new(&options, &aws, NULL), 0);
    table[0] = 'x';
    assert_string_equal(hd_aws_options(aws)->table, "mine");
    assert_null(hd_aws_options(aws)->queues);
    hd_aws_free(aws);
}

static int64_t still_now_ms(const struct hd_clock *clock) {
    (void)clock;
    return 1000000;
}

static void a_correction_of_the_clock_holds_for_all(void **state) {
    (void)state;
    setenv("AWS_REGION", "eu-west-1", 1);
    const struct hd_clock still = {.now_ms = still_now_ms};
    const struct hd_aws_options options = {.clock = &still, .random = &hd_system_random};
    struct hd_aws *aws = NULL;
    assert_int_equal(hd_aws_new(&options, &aws, NULL), 0);
    assert_int_equal(hd_aws_now_ms(aws), 1000000);
    hd_aws_correct_clock(aws, 1500000);
    assert_int_equal(hd_aws_now_ms(aws), 1500000);
    hd_aws_correct_clock(aws, 900000);
    assert_int_equal(hd_aws_now_ms(aws), 900000);
    hd_aws_free(aws);
}

#define TEST(name) cmocka_unit_test_setup(name, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_region_is_told_by_the_environment),
        TEST(endpoints_are_those_of_the_region_and_its_partition),
        TEST(a_services_own_endpoint_goes_before_that_of_all),
        TEST(an_endpoint_must_be_a_url_of_a_service),
        TEST(the_ca_bundle_is_the_one_asked_for_or_the_systems),
        TEST(options_are_copied),
        TEST(a_correction_of_the_clock_holds_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
