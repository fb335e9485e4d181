#include "adapters/aws/item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/changeset.h"

enum { ARENA_BYTES = 16 * 1024 * 1024 };

struct fixture {
    struct hd_arena *arena;
    struct hd_compressor *compressor;
    struct hd_buffer text;
};

static int set_up(void **state) {
    hd_json_init();
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    f->arena = hd_arena_new(ARENA_BYTES);
    f->compressor = hd_compressor_new();
    *state = f;
    return f->arena && f->compressor ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    hd_buffer_free(&f->text);
    hd_compressor_free(f->compressor);
    hd_arena_free(f->arena);
    free(f);
    return 0;
}

static const json_t *written(struct fixture *f, enum hd_item_kind kind, const struct hd_aws_key *key, const void *value, int64_t ttl_s) {
    struct hd_json_writer w = hd_json_writer(&f->text);
    hd_buffer_clear(&f->text);
    struct hd_error err = {0};
    json_t *item = NULL;
    assert_int_equal(hd_item_put(&w, NULL, kind, key, value, ttl_s, f->compressor, f->arena, &err), 0);
    assert_int_equal(hd_json_parse(f->arena, f->text.data, f->text.len, 0, &item, &err), 0);
    return item;
}

/* A value of the kind with something in every member: a text of its name, a number that no other member has. */
static void *filled(struct fixture *f, const struct hd_record *record) {
    void *value = hd_arena_calloc(f->arena, 1, record->bytes);
    assert_non_null(value);
    for (size_t i = 0; i < record->member_count; i++) {
        if (record->members[i].kind == HD_MEMBER_TEXT)
            hd_member_set_text(&record->members[i], value, record->members[i].name);
        else
            assert_true(
                hd_member_set_number(&record->members[i], value, record->members[i].kind == HD_MEMBER_INT64 ? (int64_t)i + 100 : 1));
    }
    return value;
}

static struct hd_aws_key key_of(struct fixture *f, enum hd_item_kind kind, const void *value) {
    const char *id = hd_member_text(&hd_item_records[kind]->members[0], value);
    return kind == HD_ITEM_ATTEMPT ? hd_item_attempt_key(f->arena, id, ((const struct hd_attempt *)value)->number)
                                   : hd_item_key(f->arena, kind, id);
}

static void comes_back(struct fixture *f, enum hd_item_kind kind, const void *value) {
    struct hd_aws_key key = key_of(f, kind, value);
    const json_t *item = written(f, kind, &key, value, 0);
    void *back = hd_arena_calloc(f->arena, 1, hd_item_records[kind]->bytes);
    struct hd_error err = {0};
    assert_true(hd_item_has_key(item, &key));
    assert_int_equal(hd_item_kind(&key), kind);
    assert_int_equal(hd_item_read(item, kind, f->arena, back, &err), 0);
    const struct hd_member *member = hd_record_difference(hd_item_records[kind], value, back);
    if (member)
        fail_msg("%s.%s differs", hd_item_records[kind]->name, member->name);
}

static void every_member_of_every_kind_comes_back_full_or_empty(void **state) {
    struct fixture *f = *state;
    for (int kind = 0; kind < HD_ITEM_KIND_COUNT; kind++) {
        const struct hd_record *record = hd_item_records[kind];
        comes_back(f, (enum hd_item_kind)kind, filled(f, record));
        void *bare = hd_arena_calloc(f->arena, 1, record->bytes);
        for (size_t i = 0; i < record->member_count; i++)
            if (record->members[i].kind == HD_MEMBER_TEXT &&
                (i == 0 || strcmp(record->members[i].name, "user_id") == 0 || strcmp(record->members[i].name, "queue") == 0))
                hd_member_set_text(&record->members[i], bare, "x");
        comes_back(f, (enum hd_item_kind)kind, bare);
    }
}

static void texts_come_back_whatever_their_length(void **state) {
    struct fixture *f = *state;
    static const size_t lengths[] = {0, 1, HD_ITEM_COMPRESSED_FROM - 1, HD_ITEM_COMPRESSED_FROM, 5000, 300 * 1024};
    for (size_t i = 0; i < HD_ARRAY_LEN(lengths); i++) {
        char *text = hd_arena_alloc(f->arena, lengths[i] + 1);
        assert_non_null(text);
        for (size_t at = 0; at < lengths[i]; at++)
            text[at] = (char)('a' + at * at % 23);
        text[lengths[i]] = '\0';
        struct hd_ticket ticket = {.ticket_id = "t", .version = 1, .title = "", .description = text};
        comes_back(f, HD_ITEM_TICKET, &ticket);
    }
}

static void a_long_text_is_compressed_and_a_short_one_is_readable(void **state) {
    struct fixture *f = *state;
    char text[4001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct hd_ticket ticket = {.ticket_id = "t", .title = "short", .description = text};
    struct hd_aws_key key = hd_item_key(f->arena, HD_ITEM_TICKET, "t");
    const json_t *item = written(f, HD_ITEM_TICKET, &key, &ticket, 0);
    assert_string_equal(hd_item_text(item, "title"), "short");
    assert_null(hd_item_text(item, "description"));
    assert_true(f->text.len < 1000);
}

static const struct hd_notification notification = {.notification_id = "n-1",
                                                    .event_id = "e-1",
                                                    .ticket_id = "t-1",
                                                    .target = "u-1",
                                                    .status = HD_PENDING,
                                                    .created_at_ms = 1790000000000,
                                                    .updated_at_ms = 1790000000000};

static const json_t *written_notification(struct fixture *f, const struct hd_notification *n) {
    struct hd_aws_key key = hd_item_key(f->arena, HD_ITEM_NOTIFICATION, n->notification_id);
    return written(f, HD_ITEM_NOTIFICATION, &key, n, 0);
}

/* An index key that changes is two writes to the index: a notification on its usual way makes none. */
static void a_usual_move_changes_no_key_of_an_index(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {"k", "s", "p", "e", "t", "o"};
    const json_t *before = written_notification(f, &notification);
    assert_string_equal(hd_item_text(before, "p"), "NT#u-1");
    assert_string_equal(hd_item_text(before, "e"), "e-1");
    assert_string_equal(hd_item_text(before, "t"), "t-1");
    assert_string_equal(hd_item_text(before, "o"), "001790000000000#n-1");
    static const enum hd_status usual[] = {HD_SENDING, HD_PENDING, HD_SENT};
    for (size_t i = 0; i < HD_ARRAY_LEN(usual); i++) {
        struct hd_notification moved = notification;
        moved.status = usual[i];
        moved.updated_at_ms++;
        moved.attempts++;
        moved.owner_token = "w";
        const json_t *after = written_notification(f, &moved);
        for (size_t n = 0; n < HD_ARRAY_LEN(names); n++) {
            const json_t *was = json_object_get(before, names[n]);
            const json_t *is = json_object_get(after, names[n]);
            assert_true(was ? json_equal(was, is) : !is);
        }
    }
}

static void only_states_that_are_looked_for_are_in_the_index_of_states(void **state) {
    struct fixture *f = *state;
    static const struct {
        enum hd_status status;
        const char *prefix; /* NULL: not in it */
    } want[] = {{HD_PENDING, NULL},    {HD_DEFERRED, "NS#deferred#"},     {HD_SENDING, NULL},         {HD_SENT, NULL},
                {HD_DEAD, "NS#dead#"}, {HD_SUPPRESSED, "NS#suppressed#"}, {HD_EXPIRED, "NS#expired#"}};
    for (size_t i = 0; i < HD_ARRAY_LEN(want); i++) {
        struct hd_notification moved = notification;
        moved.status = want[i].status;
        const char *key = hd_item_text(written_notification(f, &moved), "s");
        assert_true(want[i].prefix ? key && strncmp(key, want[i].prefix, strlen(want[i].prefix)) == 0 : !key);
    }
}

static void what_is_read_leaves_the_list_of_what_is_unread(void **state) {
    struct fixture *f = *state;
    struct hd_inbox_item item = {.notification_id = "n-1", .user_id = "u-1", .created_at_ms = 1};
    struct hd_aws_key key = hd_item_key(f->arena, HD_ITEM_INBOX_ITEM, "n-1");
    assert_string_equal(hd_item_text(written(f, HD_ITEM_INBOX_ITEM, &key, &item, 0), "s"), "IU#u-1");
    item.read_at_ms = 2;
    const json_t *read = written(f, HD_ITEM_INBOX_ITEM, &key, &item, 0);
    assert_null(hd_item_text(read, "s"));
    assert_string_equal(hd_item_text(read, "p"), "I#u-1");
}

static void order_keys_sort_as_time_does(void **state) {
    struct fixture *f = *state;
    static const int64_t times[] = {-5, 1, 9, 10, 1790000000000, 99999999999999, INT64_MAX};
    for (size_t i = 1; i < HD_ARRAY_LEN(times); i++)
        assert_true(strcmp(hd_item_order(f->arena, times[i - 1], "z"), hd_item_order(f->arena, times[i], "a")) < 0);
}

static void keys_of_different_things_differ(void **state) {
    struct fixture *f = *state;
    struct hd_aws_key mark = hd_item_mark_key(f->arena, "router", "e#1"), other = hd_item_mark_key(f->arena, "router#e", "1");
    assert_true(strcmp(mark.pk, other.pk) != 0);
    assert_string_equal(hd_item_email_key(f->arena, "Ana@Example.ORG").pk, "E#ana@example.org");
    assert_int_equal(hd_item_kind(&mark), -1);
    struct hd_aws_key part = hd_item_part_key(f->arena, "n", 1, 1), attempt = hd_item_attempt_key(f->arena, "n", 1);
    assert_int_equal(hd_item_kind(&part), -1);
    assert_int_equal(hd_item_kind(&attempt), HD_ITEM_ATTEMPT);
    assert_true(strcmp(attempt.sk, part.sk) < 0 && strcmp(part.sk, hd_item_attempt_key(f->arena, "n", 2).sk) < 0);
    assert_true(strcmp(hd_item_attempt_key(f->arena, "n", 9).sk, hd_item_attempt_key(f->arena, "n", 10).sk) < 0);
}

static void ids_are_spread_over_all_shards(void **state) {
    (void)state;
    size_t in[HD_ITEM_SHARDS] = {0};
    for (int i = 0; i < 8000; i++) {
        char id[40];
        (void)snprintf(id, sizeof id, "0192f0c1-2345-7abc-8def-%012d", i);
        in[hd_item_shard(id)]++;
    }
    for (size_t i = 0; i < HD_ITEM_SHARDS; i++)
        assert_in_range(in[i], 500, 1500);
}

static void an_item_that_is_damaged_is_an_error(void **state) {
    struct fixture *f = *state;
    static const char *const texts[] = {
        "{}",
        "{\"pk\":{\"S\":\"U#t\"},\"sk\":{\"S\":\"U\"}}", /* a user */
        "{\"pk\":{\"S\":\"T#t\"},\"sk\":{\"S\":\"T\"},\"version\":{\"N\":\"1x\"}}",
        "{\"pk\":{\"S\":\"T#t\"},\"sk\":{\"S\":\"T\"},\"status\":{\"N\":\"99999999999\"}}",
        "{\"pk\":{\"S\":\"T#t\"},\"sk\":{\"S\":\"T\"},\"title\":{\"B\":\"?\"}}",
        "{\"pk\":{\"S\":\"T#t\"},\"sk\":{\"S\":\"T\"},\"title\":{\"B\":\"AAAA\"}}",
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(texts); i++) {
        json_t *item = NULL;
        struct hd_error err = {0};
        struct hd_ticket ticket;
        assert_int_equal(hd_json_parse(f->arena, texts[i], strlen(texts[i]), 0, &item, &err), 0);
        assert_int_equal(hd_item_read(item, HD_ITEM_TICKET, f->arena, &ticket, &err), HD_ERR_CORRUPT);
    }
}

static void no_memory_is_an_error_and_never_a_missing_key(void **state) {
    struct fixture *f = *state;
    struct hd_aws_key key = {"N#n-1", "N"};
    size_t failures = 0;
    for (size_t limit = HD_ARENA_BLOCK_BYTES; limit < HD_ARENA_BLOCK_BYTES + 600; limit += 8) {
        HD_CLEANUP(hd_arena_freep) struct hd_arena *small = hd_arena_new(limit);
        if (!small)
            continue;
        while (hd_arena_alloc(small, HD_ARENA_BLOCK_BYTES / 64))
            ;
        HD_CLEANUP(hd_buffer_free) struct hd_buffer text = {0};
        struct hd_json_writer w = hd_json_writer(&text);
        struct hd_error err = {0};
        int rc = hd_item_put(&w, NULL, HD_ITEM_NOTIFICATION, &key, &notification, 0, f->compressor, small, &err);
        assert_true(rc == HD_ERR_NO_MEMORY || (rc == 0 && strstr(hd_buffer_text(&text), "\"o\":")));
        failures += rc != 0;
    }
    assert_true(failures > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_member_of_every_kind_comes_back_full_or_empty),
        TEST(texts_come_back_whatever_their_length),
        TEST(a_long_text_is_compressed_and_a_short_one_is_readable),
        TEST(a_usual_move_changes_no_key_of_an_index),
        TEST(only_states_that_are_looked_for_are_in_the_index_of_states),
        TEST(what_is_read_leaves_the_list_of_what_is_unread),
        TEST(order_keys_sort_as_time_does),
        TEST(keys_of_different_things_differ),
        TEST(ids_are_spread_over_all_shards),
        TEST(an_item_that_is_damaged_is_an_error),
        TEST(no_memory_is_an_error_and_never_a_missing_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
