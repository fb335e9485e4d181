#include "adapters/aws/aws.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/aws/shared.h"

enum { ENDPOINT_MAX_BYTES = 512, REGION_MAX_LEN = 63 };

struct hd_aws {
    struct hd_aws_options options;
    char *table, *queues, *ca_file, *region;
    struct hd_aws_endpoint endpoints[HD_AWS_SERVICE_COUNT];
    struct hd_credentials_chain *credentials;
    _Atomic int64_t skew_ms;    /* services' time less ours */
    _Atomic int64_t ends_at_ms; /* monotonic: no request lasts longer */
};

static const struct {
    const char *host;         /* the first label of the public endpoint's name */
    const char *signing_name; /* differs from it for mail */
    const char *variables[2]; /* of its own endpoint; the first that is set counts */
} services[HD_AWS_SERVICE_COUNT] = {
    [HD_AWS_DYNAMODB] = {"dynamodb", "dynamodb", {"AWS_ENDPOINT_URL_DYNAMODB"}},
    [HD_AWS_SQS] = {"sqs", "sqs", {"AWS_ENDPOINT_URL_SQS"}},
    [HD_AWS_SES] = {"email", "ses", {"AWS_ENDPOINT_URL_SESV2", "AWS_ENDPOINT_URL_SES"}},
    [HD_AWS_SNS] = {"sns", "sns", {"AWS_ENDPOINT_URL_SNS"}},
};

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* ---- the region ---- */

static bool is_region(const char *text) {
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len <= (size_t)REGION_MAX_LEN && text[len] == '\0';
}

static int find_region(const char **ret_region, struct hd_error *err) {
    const char *region = environment("AWS_REGION");
    if (!region)
        region = environment("AWS_DEFAULT_REGION");
    if (!region)
        return hd_error_set(err, HD_ERR_CONFIGURATION, "no region: set AWS_REGION (such as eu-west-1)");
    if (!is_region(region))
        return hd_error_set(err, HD_ERR_CONFIGURATION, "AWS_REGION is no region: %.64s", region);
    *ret_region = region;
    return 0;
}

/* ---- endpoints ---- */

/* The partitions whose names end otherwise. */
static const char *dns_suffix(const char *region) {
    static const struct {
        const char *prefix, *suffix;
    } partitions[] = {{"cn-", "amazonaws.com.cn"}, {"us-isob-", "sc2s.sgov.gov"}, {"us-iso-", "c2s.ic.gov"}, {"eusc-", "amazonaws.eu"}};
    for (size_t i = 0; i < HD_ARRAY_LEN(partitions); i++)
        if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) == 0)
            return partitions[i].suffix;
    return "amazonaws.com";
}

/* "http://host[:port][/…]" without credentials, query and blanks. */
static bool is_endpoint(const char *url) {
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0 || url[scheme] == '\0' || strchr("/:", url[scheme]) || strlen(url) > (size_t)ENDPOINT_MAX_BYTES)
        return false;
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("?#@\\\"<>^`{|}", *c))
            return false;
    return true;
}

static int set_endpoint(struct hd_aws *aws, enum hd_aws_service service, struct hd_error *err) {
    struct hd_aws_endpoint *endpoint = &aws->endpoints[service];
    const char *const names[] = {services[service].variables[0], services[service].variables[1], "AWS_ENDPOINT_URL"};
    const char *name = NULL, *url = NULL;
    for (size_t i = 0; !url && i < HD_ARRAY_LEN(names); i++)
        url = names[i] ? environment(name = names[i]) : NULL;
    if (url && !is_endpoint(url))
        return hd_error_set(err, HD_ERR_CONFIGURATION, "%s is no URL of a service: %.128s", name, url);
    char public_url[ENDPOINT_MAX_BYTES];
    (void)snprintf(public_url, sizeof public_url, "https://%s.%s.%s", services[service].host, aws->region, dns_suffix(aws->region));
    endpoint->url = strdup(url ? url : public_url);
    if (!endpoint->url)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for an endpoint");
    for (char *end = endpoint->url + strlen(endpoint->url); end[-1] == '/';)
        *--end = '\0';
    endpoint->host = strstr(endpoint->url, "://") + 3;
    endpoint->signing_name = services[service].signing_name;
    return 0;
}

const struct hd_aws_endpoint *hd_aws_endpoint(const struct hd_aws *aws, enum hd_aws_service service) {
    return &aws->endpoints[service];
}

/* ---- the CA bundle ---- */

static const char *find_ca_file(const char *wanted) {
    static const char *const bundles[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",                  /* Amazon Linux, Fedora, RHEL; Lambda */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* the same, where the first is no link to it */
        "/etc/ssl/ca-bundle.pem",                            /* SUSE */
        "/etc/ssl/cert.pem",                                 /* Alpine, the BSDs */
    };
    if (!wanted)
        wanted = environment("AWS_CA_BUNDLE");
    for (size_t i = 0; !wanted && i < HD_ARRAY_LEN(bundles); i++)
        if (access(bundles[i], R_OK) == 0)
            wanted = bundles[i];
    return wanted;
}

/* ---- life ---- */

static bool copy(char **to, const char *from) {
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

static int set_up(struct hd_aws *aws, const struct hd_aws_options *options, struct hd_error *err) {
    const char *region = NULL;
    int r = find_region(&region, err);
    if (r < 0)
        return r;
    aws->options = *options;
    aws->ends_at_ms = INT64_MAX;
    if (!copy(&aws->region, region) || !copy(&aws->table, options->table) || !copy(&aws->queues, options->queues) ||
        !copy(&aws->ca_file, find_ca_file(options->ca_file)))
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the settings of AWS");
    aws->options.table = aws->table;
    aws->options.queues = aws->queues;
    aws->options.ca_file = aws->ca_file;
    for (int service = 0; r == 0 && service < HD_AWS_SERVICE_COUNT; service++)
        r = set_endpoint(aws, (enum hd_aws_service)service, err);
    return r < 0 ? r : hd_credentials_chain_new(&aws->credentials, err);
}

int hd_aws_new(const struct hd_aws_options *options, struct hd_aws **ret_aws, struct hd_error *err) {
    struct hd_aws *aws = calloc(1, sizeof *aws);
    if (!aws)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for the settings of AWS");
    int r = set_up(aws, options, err);
    if (r < 0) {
        hd_aws_free(aws);
        return r;
    }
    *ret_aws = aws;
    return 0;
}

void hd_aws_free(struct hd_aws *aws) {
    if (!aws)
        return;
    hd_credentials_chain_free(aws->credentials);
    for (int service = 0; service < HD_AWS_SERVICE_COUNT; service++)
        free(aws->endpoints[service].url);
    free(aws->table);
    free(aws->queues);
    free(aws->ca_file);
    free(aws->region);
    free(aws);
}

/* ---- what the others ask ---- */

const struct hd_aws_options *hd_aws_options(const struct hd_aws *aws) {
    return &aws->options;
}

const char *hd_aws_region(const struct hd_aws *aws) {
    return aws->region;
}

void hd_aws_end_within(struct hd_aws *aws, int64_t within_ms) {
    int64_t now_ms = hd_monotonic_ms();
    atomic_store(&aws->ends_at_ms, within_ms < INT64_MAX - now_ms ? now_ms + within_ms : INT64_MAX);
}

int64_t hd_aws_ends_at_ms(const struct hd_aws *aws) {
    return atomic_load(&aws->ends_at_ms);
}

const char *hd_aws_ca_file(const struct hd_aws *aws) {
    return aws->ca_file;
}

struct hd_credentials_chain *hd_aws_credentials(struct hd_aws *aws) {
    return aws->credentials;
}

static int64_t own_now_ms(const struct hd_aws *aws) {
    return aws->options.clock->now_ms(aws->options.clock);
}

int64_t hd_aws_clock_offset_ms(const struct hd_aws *aws) {
    return atomic_load(&aws->skew_ms);
}

int64_t hd_aws_now_ms(const struct hd_aws *aws) {
    return own_now_ms(aws) + hd_aws_clock_offset_ms(aws);
}

void hd_aws_correct_clock(struct hd_aws *aws, int64_t services_now_ms) {
    atomic_store(&aws->skew_ms, services_now_ms - own_now_ms(aws));
}
