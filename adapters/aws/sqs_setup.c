/* The queues of a deployment: making them where nothing else does, and looking whether they are as they must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/sqs.h"
#include "base/buffer.h"
#include "base/json.h"

enum { ARENA_BYTES = 1024 * 1024, LINE_BYTES = 512 };

/* SQS wants numbers as text. Everything is kept for as long as SQS can; a queue's own visibility is for those who receive without naming one. */
static const char retention_s[] = "1209600", visibility_s[] = "360";

/* Dead-letter queues first: the others name them. */
static const enum hd_sqs_kind kinds[] = {HD_SQS_DEAD, HD_SQS_NORMAL, HD_SQS_URGENT};

struct teller {
    void (*tell)(void *arg, const char *line);
    void *arg;
};

static void tell(const struct teller *teller, const char *name, const char *what) {
    char line[LINE_BYTES];
    if (!teller->tell)
        return;
    (void)snprintf(line, sizeof line, "queue %s: %s", name, what);
    teller->tell(teller->arg, line);
}

static int no_memory(struct hd_error *err) {
    return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for queues");
}

/* ---- attributes ---- */

/* *ret_attributes is NULL when there is no such queue. */
static int get_attributes(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, struct hd_arena *arena,
                          const json_t **ret_attributes, struct hd_error *err) {
    static const char action[] = "GetQueueAttributes";
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    struct hd_aws_response response = {0};
    const char *url = NULL;
    int r = hd_sqs_find(sqs, queue, kind, arena, &url, err);
    *ret_attributes = NULL;
    if (r || !url)
        return r;
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueUrl", url);
    hd_json_open_array(&w, "AttributeNames");
    hd_json_put_str(&w, NULL, "QueueArn");
    hd_json_put_str(&w, NULL, "RedrivePolicy");
    hd_json_close_array(&w);
    hd_json_close_object(&w);
    r = hd_buffer_check(&body, err);
    if (!r)
        r = hd_sqs_ask(sqs, action, body.data, arena, &response, err);
    if (r || hd_sqs_is_absent(&response))
        return r;
    if (response.code)
        return hd_sqs_response_error(sqs, action, queue, kind, &response, err);
    const json_t *answer = NULL;
    r = hd_sqs_read_answer(action, &response, arena, &answer, err);
    if (r)
        return r;
    *ret_attributes = json_object_get(answer, "Attributes");
    return *ret_attributes ? 0 : hd_error_set(err, HD_ERR_UNAVAILABLE, "SQS %s: an answer without attributes", action);
}

/* NULL when memory is out. */
static const char *redrive_policy(struct hd_arena *arena, const char *dead_arn) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer out = {0};
    struct hd_json_writer w = hd_json_writer(&out);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "deadLetterTargetArn", dead_arn);
    hd_json_put_int(&w, "maxReceiveCount", HD_SQS_MAX_RECEIVE_COUNT);
    hd_json_close_object(&w);
    return out.failure ? NULL : hd_arena_strdup(arena, hd_buffer_text(&out));
}

/* ---- setting up ---- */

/* policy: NULL for a dead-letter queue. encrypted: by keys of SQS's own, which not everything that speaks SQS knows. */
static int create(struct hd_sqs *sqs, const char *name, const char *policy, bool encrypted, struct hd_arena *arena,
                  struct hd_aws_response *ret_response, struct hd_error *err) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer body = {0};
    struct hd_json_writer w = hd_json_writer(&body);
    hd_json_open_object(&w, NULL);
    hd_json_put_str(&w, "QueueName", name);
    hd_json_open_object(&w, "Attributes");
    hd_json_put_str(&w, "MessageRetentionPeriod", retention_s);
    hd_json_put_str(&w, "VisibilityTimeout", visibility_s);
    hd_json_put_str_if(&w, "RedrivePolicy", policy);
    if (encrypted)
        hd_json_put_str(&w, "SqsManagedSseEnabled", "true");
    hd_json_close_object(&w);
    hd_json_close_object(&w);
    int r = hd_buffer_check(&body, err);
    return r ? r : hd_sqs_ask(sqs, "CreateQueue", body.data, arena, ret_response, err);
}

static int make(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, const char *dead_arn, struct hd_arena *arena,
                struct hd_error *err) {
    struct hd_aws_response response = {0};
    const char *name = hd_sqs_name(sqs, queue, kind, arena);
    const char *policy = kind == HD_SQS_DEAD ? NULL : redrive_policy(arena, dead_arn);
    if (!name || (kind != HD_SQS_DEAD && !policy))
        return no_memory(err);
    int r = create(sqs, name, policy, true, arena, &response, err);
    if (!r && response.code == HD_ERR_INVALID)
        r = create(sqs, name, policy, false, arena, &response, err);
    return r || !response.code ? r : hd_sqs_response_error(sqs, "CreateQueue", queue, kind, &response, err);
}

static int set_up_one(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, const char **dead_arn,
                      const struct teller *teller, struct hd_arena *arena, struct hd_error *err) {
    const json_t *attributes = NULL;
    const char *name = hd_sqs_name(sqs, queue, kind, arena);
    if (!name)
        return no_memory(err);
    int r = get_attributes(sqs, queue, kind, arena, &attributes, err);
    bool made = !r && !attributes;
    if (made)
        r = make(sqs, queue, kind, *dead_arn, arena, err);
    if (made && !r)
        r = get_attributes(sqs, queue, kind, arena, &attributes, err);
    if (r)
        return r;
    const char *arn = hd_json_str(attributes, "QueueArn");
    if (!arn)
        return hd_error_set(err, HD_ERR_UNAVAILABLE, "queue %s: SQS does not tell its ARN", name);
    if (kind == HD_SQS_DEAD)
        *dead_arn = arn;
    tell(teller, name, made ? "made" : "found");
    return 0;
}

int hd_sqs_setup(struct hd_sqs *sqs, void (*tell_line)(void *arg, const char *line), void *arg, struct hd_error *err) {
    const struct teller teller = {tell_line, arg};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    if (!arena)
        return no_memory(err);
    for (int queue = 0; queue < HD_QUEUE_COUNT; queue++) {
        const char *dead_arn = NULL;
        hd_arena_reset(arena);
        for (size_t k = 0; hd_sqs_serves(sqs, (enum hd_queue_name)queue) && k < HD_ARRAY_LEN(kinds); k++) {
            int r = set_up_one(sqs, (enum hd_queue_name)queue, kinds[k], &dead_arn, &teller, arena, err);
            if (r)
                return r;
        }
    }
    return 0;
}

/* ---- checking ---- */

static bool names_queue(const char *arn, const char *name) {
    const char *colon = arn ? strrchr(arn, ':') : NULL;
    return colon && strcmp(colon + 1, name) == 0;
}

/* What is wrong with it, or NULL. SQS tells the count as a number, or as text when it was set so. */
static const char *wrong_redrive(struct hd_sqs *sqs, enum hd_queue_name queue, const json_t *attributes, struct hd_arena *arena) {
    const char *text = hd_json_str(attributes, "RedrivePolicy");
    json_t *policy = NULL;
    if (!text || hd_json_parse(arena, text, strlen(text), 0, &policy, NULL))
        return "has no redrive policy: a message that nobody can handle is received for ever";
    const char *dead = hd_sqs_name(sqs, queue, HD_SQS_DEAD, arena), *count = hd_json_str(policy, "maxReceiveCount");
    if (!dead || !names_queue(hd_json_str(policy, "deadLetterTargetArn"), dead))
        return hd_arena_printf(arena, "its redrive policy does not lead to %s, where nobody would look for it", dead ? dead : "");
    if ((count ? strtoll(count, NULL, 10) : hd_json_int(policy, "maxReceiveCount", 0)) != HD_SQS_MAX_RECEIVE_COUNT)
        return "its maxReceiveCount is not 3";
    return NULL;
}

static int check_one(struct hd_sqs *sqs, enum hd_queue_name queue, enum hd_sqs_kind kind, const struct teller *teller,
                     struct hd_arena *arena, size_t *problems, struct hd_error *err) {
    const json_t *attributes = NULL;
    const char *name = hd_sqs_name(sqs, queue, kind, arena);
    if (!name)
        return no_memory(err);
    int r = get_attributes(sqs, queue, kind, arena, &attributes, err);
    if (r)
        return r;
    const char *wrong = attributes ? NULL : "there is no such queue";
    if (attributes && kind != HD_SQS_DEAD)
        wrong = wrong_redrive(sqs, queue, attributes, arena);
    if (wrong)
        tell(teller, name, wrong);
    *problems += wrong != NULL;
    return 0;
}

int hd_sqs_check(struct hd_sqs *sqs, void (*tell_line)(void *arg, const char *line), void *arg, size_t *ret_problems,
                 struct hd_error *err) {
    const struct teller teller = {tell_line, arg};
    HD_CLEANUP(hd_arena_freep) struct hd_arena *arena = hd_arena_new(ARENA_BYTES);
    size_t problems = 0;
    if (!arena)
        return no_memory(err);
    for (int queue = 0; queue < HD_QUEUE_COUNT; queue++) {
        hd_arena_reset(arena);
        for (size_t k = 0; hd_sqs_serves(sqs, (enum hd_queue_name)queue) && k < HD_ARRAY_LEN(kinds); k++) {
            int r = check_one(sqs, (enum hd_queue_name)queue, kinds[k], &teller, arena, &problems, err);
            if (r)
                return r;
        }
    }
    *ret_problems = problems;
    return 0;
}
