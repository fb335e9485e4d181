#include "core/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/json.h"

enum { ARENA_BYTES = 8 * 1024 * 1024 };

static struct hd_templates *templates; /* loaded once for all tests */

static int load(void **state) {
    (void)state;
    struct hd_error err = {0};
    if (hd_templates_load("pt-BR", &templates, &err) < 0) {
        print_error("%s\n", err.detail);
        return -1;
    }
    return 0;
}

static int unload(void **state) {
    (void)state;
    hd_templates_free(templates);
    return 0;
}

static int new_arena(void **state) {
    *state = hd_arena_new(ARENA_BYTES);
    return *state ? 0 : -1;
}

static int free_arena(void **state) {
    hd_arena_free(*state);
    return 0;
}

/* One message about one ticket, for the tests to change before they render it. */
struct scene {
    struct hd_notification notification;
    struct hd_event event;
    struct hd_ticket ticket;
    struct hd_user user;
    struct hd_user actor;
    struct hd_template_view view;
};

static struct scene *new_scene(struct hd_arena *arena, enum hd_event_type type, enum hd_channel channel, const char *payload) {
    struct scene *scene = hd_arena_calloc(arena, 1, sizeof(*scene));
    assert_non_null(scene);
    json_t *tree;
    assert_int_equal(hd_json_parse(arena, payload, strlen(payload), 0, &tree, NULL), 0);
    scene->notification = (struct hd_notification){.notification_id = "n-1",
                                                   .event_id = "e-1",
                                                   .event = hd_event_type_name(type),
                                                   .ticket_id = "tkt-001",
                                                   .target = "u-10",
                                                   .channel = channel,
                                                   .created_at_ms = 1795446717000};
    scene->event =
        (struct hd_event){.event_id = "e-1", .type = type, .schema_version = 1, .occurred_at_ms = 1795446716042, .payload = payload};
    scene->ticket = (struct hd_ticket){.ticket_id = "tkt-001",
                                       .title = "Impressora parada",
                                       .description = "Não imprime.",
                                       .status = HD_TICKET_IN_PROGRESS,
                                       .priority = HD_PRIORITY_HIGH,
                                       .owner_id = "u-10",
                                       .assigned_agent_id = "a-3"};
    scene->user = (struct hd_user){
        .user_id = "u-10", .name = "Ana Conceição", .email = "ana@example.com", .phone = "+5511987654321", .locale = "pt-BR"};
    scene->actor = (struct hd_user){.user_id = "a-3", .name = "Rui", .email = "rui@example.com", .locale = "en"};
    scene->view = (struct hd_template_view){.notification = &scene->notification,
                                            .event = &scene->event,
                                            .payload = tree,
                                            .ticket = &scene->ticket,
                                            .user = &scene->user,
                                            .actor = &scene->actor,
                                            .base_url = "https://help.example.com/"};
    return scene;
}

static struct hd_rendered rendered_by(const struct hd_templates *catalogue, struct hd_arena *arena, const struct scene *scene) {
    struct hd_rendered rendered;
    struct hd_error err = {0};
    if (hd_templates_render(catalogue, &scene->view, arena, &rendered, &err) < 0)
        fail_msg("%s", err.detail);
    return rendered;
}

static struct hd_rendered rendered(struct hd_arena *arena, const struct scene *scene) {
    return rendered_by(templates, arena, scene);
}

static void assert_holds(const char *text, const char *part) {
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text ? text : "(nothing)");
}

static void assert_lacks(const char *text, const char *part) {
    if (text && strstr(text, part))
        fail_msg("\"%s\" is in:\n%s", part, text);
}

#define CREATED "{\"ticketId\":\"tkt-001\",\"userId\":\"u-10\",\"title\":\"Erro X\"}"

/* ---- the shipped templates ---- */

static void every_event_renders_by_mail_and_in_app_in_both_locales(void **state) {
    static const char *const locales[] = {"pt-BR", "en"};
    static const enum hd_channel channels[] = {HD_EMAIL, HD_INAPP};
    for (int type = 0; type < HD_EVENT_TYPE_COUNT; type++) {
        for (size_t i = 0; i < 4; i++) {
            struct scene *scene = new_scene(*state, (enum hd_event_type)type, channels[i % 2], CREATED);
            scene->user.locale = locales[i / 2];
            struct hd_rendered message = rendered(*state, scene);
            assert_true(strlen(message.subject) > 0);
            assert_null(strchr(message.subject, '\n'));
            assert_true(strlen(message.text) > 0);
            assert_int_equal(message.html != NULL, channels[i % 2] == HD_EMAIL);
            assert_lacks(message.subject, "{{");
            assert_lacks(message.text, "{{");
            assert_lacks(message.html, "{{");
            if (message.html) {
                assert_holds(message.html, "<html lang=");
                assert_holds(message.html, "</html>"); /* the partials are there */
                assert_holds(message.html, "Impressora parada");
                assert_holds(message.html, "https://help.example.com/ui/tickets/tkt-001");
            }
        }
    }
}

static void a_mail_is_written_for_its_reader(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    struct hd_rendered message = rendered(*state, scene);
    assert_string_equal(message.notification_id, "n-1");
    assert_string_equal(message.ticket_id, "tkt-001");
    assert_string_equal(message.event, "TicketCreated");
    assert_string_equal(message.to_address, "ana@example.com");
    assert_string_equal(message.to_name, "Ana Conceição");
    assert_int_equal(message.date_ms, 1795446717000);
    assert_holds(message.subject, "[tkt-001]");
    assert_holds(message.subject, "Impressora parada");
    assert_holds(message.text, "Olá, Ana Conceição!");
    assert_holds(message.text, "https://help.example.com/ui/tickets/tkt-001");
    scene->user.locale = "en";
    assert_holds(rendered(*state, scene).text, "Hello, Ana Conceição!");
}

static void the_notice_of_a_dead_letter_has_a_template_in_app(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_INAPP, "{}");
    const struct hd_dead_letter letter = {.queue = "email", .reason = "attempts_exhausted"};
    scene->notification.event = "DeadLetter";
    scene->view.event = NULL;
    scene->view.payload = NULL;
    scene->view.ticket = NULL;
    scene->view.dead_letter = &letter;
    scene->user.locale = "en";
    struct hd_rendered message = rendered(*state, scene);
    assert_holds(message.subject, "email");
    assert_holds(message.text, "attempts_exhausted");
    assert_holds(message.text, "tkt-001");
    scene->notification.channel = HD_EMAIL;
    struct hd_error err = {0};
    assert_int_equal(hd_templates_render(templates, &scene->view, *state, &message, &err), HD_ERR_NOT_FOUND);
    assert_holds(err.detail, "DeadLetter");
}

/* ---- a catalogue made for the tests: it shows every member of the view ---- */

#define EN_LABELS \
    "{\"status\":{\"open\":\"Open\",\"in_progress\":\"In progress\"},\"priority\":{\"high\":\"High!\"},\"field\":{\"status\":\"Status\"}}"
#define PT_LABELS "{\"status\":{\"open\":\"aberto\"},\"priority\":{},\"field\":{}}"

static struct hd_asset file_of(const char *path, const char *text) {
    return (struct hd_asset){.path = path, .data = (const unsigned char *)text, .size_bytes = strlen(text)};
}

/* A catalogue with one in-app and one e-mail template, in English and Portuguese; body is both mails' text. */
static struct hd_templates *catalogue_of(const char *event, const char *body) {
    char inapp[100], mail_en[100], mail_pt[100], mail[2000];
    snprintf(inapp, sizeof(inapp), "templates/inapp/%s.en.mustache", event);
    snprintf(mail_en, sizeof(mail_en), "templates/email/%s.en.mustache", event);
    snprintf(mail_pt, sizeof(mail_pt), "templates/email/%s.pt-BR.mustache", event);
    snprintf(mail, sizeof(mail), "=== subject\n{{ticket.title}}\n\n=== text\n%s\n\n\n=== html\n<p>{{ticket.title}}</p>{{> foot}}\n", body);
    const struct hd_asset files[] = {
        file_of("schemas/openapi.yaml", "not ours"),
        file_of("templates/README.md", "# words"),
        file_of(mail_en, mail),
        file_of(mail_pt, mail),
        file_of(inapp, "=== title\n{{ticket.title}}\n=== body\nen"),
        file_of("templates/labels.en.json", EN_LABELS),
        file_of("templates/labels.pt-BR.json", PT_LABELS),
        file_of("templates/partials/foot.en.mustache", "<i>english</i>"),
        file_of("templates/partials/foot.pt-BR.mustache", "<i>português</i>"),
    };
    struct hd_templates *catalogue;
    struct hd_error err = {0};
    if (hd_templates_load_files(files, HD_ARRAY_LEN(files), "en", &catalogue, &err) < 0)
        fail_msg("%s", err.detail);
    return catalogue;
}

/* What a template of the given text makes of the scene. */
static const char *text_by(struct hd_arena *arena, const struct scene *scene, const char *body) {
    struct hd_templates *catalogue = catalogue_of(scene->notification.event, body);
    const char *text = rendered_by(catalogue, arena, scene).text;
    hd_templates_free(catalogue);
    return text;
}

static void the_view_shows_our_ticket_and_its_people(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_ASSIGNED, HD_EMAIL, "{\"ticketId\":\"tkt-001\",\"agentId\":\"a-3\",\"n\":7}");
    scene->user.locale = "en";
    assert_string_equal(
        text_by(*state, scene,
                "{{event.type}} {{event.eventId}} {{ticket.ticketId}} {{ticket.ref}} {{ticket.title}} {{ticket.description}} "
                "{{ticket.status}}={{ticket.statusText}} {{ticket.priority}}={{ticket.priorityText}} {{ticket.url}}"),
        "TicketAssigned e-1 tkt-001 tkt-001 Impressora parada Não imprime. in_progress=In progress high=High! "
        "https://help.example.com/ui/tickets/tkt-001\n");
    assert_string_equal(text_by(*state, scene,
                                "{{user.userId}} {{user.name}} {{actor.name}} {{agent.name}} {{payload.n}} {{baseUrl}} "
                                "{{#is.owner}}owner{{/is.owner}}{{#is.agent}}agent{{/is.agent}}"),
                        "u-10 Ana Conceição Rui Rui 7 https://help.example.com/ owner\n");
    scene->user.user_id = "a-3";
    assert_string_equal(text_by(*state, scene, "{{agent.name}} {{#is.owner}}owner{{/is.owner}}{{#is.agent}}agent{{/is.agent}}"),
                        "Ana Conceição agent\n");
}

static void a_ticket_that_is_not_ours_is_shown_as_the_payload_tells_it(void **state) {
    struct scene *scene =
        new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL,
                  "{\"ticketId\":\"0194e2c8-7a10-7c3e-9b5f-2f6d1c8a4e01\",\"userId\":\"u-10\",\"title\":\"Erro X\",\"description\":\"D\","
                  "\"status\":\"open\",\"priority\":\"blocker\"}");
    scene->view.ticket = NULL;
    scene->user.locale = "en";
    assert_string_equal(text_by(*state, scene,
                                "{{ticket.ref}} {{ticket.title}} {{ticket.description}} {{ticket.statusText}} {{ticket.priorityText}} "
                                "{{#is.owner}}owner{{/is.owner}}"),
                        "1c8a4e01 Erro X D Open blocker owner\n");
}

static void what_there_is_not_renders_as_nothing(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, "{}");
    scene->view = (struct hd_template_view){.notification = &scene->notification};
    scene->notification.ticket_id = NULL;
    struct hd_templates *catalogue = catalogue_of(
        "TicketCreated", "[{{ticket.ref}}{{ticket.url}}{{user.name}}{{actor.name}}{{payload.x}}{{baseUrl}}{{#changes}}x{{/changes}}]");
    struct hd_rendered message = rendered_by(catalogue, *state, scene);
    assert_string_equal(message.text, "[]\n");
    assert_null(message.to_address);
    assert_null(message.to_name);
    assert_null(message.ticket_id);
    hd_templates_free(catalogue);
}

static void times_are_written_as_the_readers_language_does(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_REMINDER, HD_EMAIL, "{\"dueAt\":\"2026-12-01T09:30:00-03:00\"}");
    const char *body = "{{event.occurredAt}} {{event.occurredAtText}} {{event.dueAtText}}";
    scene->user.locale = "en";
    assert_string_equal(text_by(*state, scene, body), "2026-11-23T15:11:56.042Z 2026-11-23 15:11 UTC 2026-12-01 12:30 UTC\n");
    scene->user.locale = "pt-BR";
    assert_string_equal(text_by(*state, scene, body), "2026-11-23T15:11:56.042Z 23/11/2026 15:11 UTC 01/12/2026 12:30 UTC\n");
}

static void changes_are_told_in_words(void **state) {
    struct scene *scene =
        new_scene(*state, HD_EVENT_TICKET_UPDATED, HD_EMAIL,
                  "{\"changedFields\":{\"status\":{\"old\":\"open\",\"new\":\"in_progress\"},\"weight\":{\"old\":null,\"new\":7},"
                  "\"tags\":{\"old\":[],\"new\":[\"a\",true]},\"title\":{\"old\":\"one\\ntwo\",\"new\":\"\"}}}");
    scene->user.locale = "en";
    assert_string_equal(
        text_by(*state, scene, "{{#changes}}{{field}}/{{fieldText}}: {{oldText}} → {{newText}} ({{old}},{{new}}); {{/changes}}"),
        "status/Status: Open → In progress (open,in_progress); weight/weight: — → 7 (,7); tags/tags: [] → [\"a\",true] ([],[\"a\",true]); "
        "title/title: one two → — (one\ntwo,); \n");
}

static void long_values_of_changes_are_cut_at_a_character(void **state) {
    HD_CLEANUP(hd_buffer_free) struct hd_buffer payload = {0};
    hd_buffer_add_str(&payload, "{\"changedFields\":{\"description\":{\"old\":\"");
    for (int i = 0; i < 200; i++)
        hd_buffer_add_str(&payload, "ã");
    hd_buffer_add_str(&payload, "\",\"new\":\"");
    for (int i = 0; i < 201; i++)
        hd_buffer_add_str(&payload, "ã");
    hd_buffer_add_str(&payload, "\"}}}");
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_UPDATED, HD_EMAIL, hd_buffer_text(&payload));
    const char *text = text_by(*state, scene, "{{#changes}}{{newText}}{{/changes}}");
    assert_int_equal(strlen(text), 400 + strlen("…\n"));
    assert_string_equal(text + 400, "…\n");
    assert_int_equal(strlen(text_by(*state, scene, "{{#changes}}{{oldText}}{{/changes}}")), 401);
}

static void the_parts_newlines_are_trimmed_to_one_and_in_a_subject_to_none(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    struct hd_templates *catalogue = catalogue_of("TicketCreated", "a\n\nb");
    struct hd_rendered message = rendered_by(catalogue, *state, scene);
    assert_string_equal(message.subject, "Impressora parada");
    assert_string_equal(message.text, "a\n\nb\n");
    hd_templates_free(catalogue);
}

static void a_subject_cannot_begin_another_header(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    struct hd_templates *catalogue = catalogue_of("TicketCreated", "x");
    static const char *const titles[][2] = {
        {"Hi\r\nBcc: all@example.com", "Hi Bcc: all@example.com"},
        {"Hi\nBcc: x", "Hi Bcc: x"},
        {"Hi\rBcc: x", "Hi Bcc: x"},
        {"\n\n  Hi \t \v\f there \n", "Hi there"},
        {"a\x01\x1f\x7f z", "a z"},
        {"a\xc2\x85z\xe2\x80\xa8z\xe2\x80\xa9z", "a z z z"},
        {"Não “é” só ASCII ✓", "Não “é” só ASCII ✓"},
        {"\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(titles); i++) {
        scene->ticket.title = titles[i][0];
        assert_string_equal(rendered_by(catalogue, *state, scene).subject, titles[i][1]);
    }
    scene->notification.channel = HD_INAPP;
    scene->user.locale = "en";
    scene->ticket.title = "a\nb";
    assert_string_equal(rendered_by(catalogue, *state, scene).subject, "a b");
    hd_templates_free(catalogue);
}

static void html_is_escaped_and_text_is_not(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    scene->ticket.title = "<script>\"R&D\"</script>";
    struct hd_templates *catalogue = catalogue_of("TicketCreated", "{{ticket.title}}");
    struct hd_rendered message = rendered_by(catalogue, *state, scene);
    assert_string_equal(message.subject, "<script>\"R&D\"</script>");
    assert_string_equal(message.text, "<script>\"R&D\"</script>\n");
    assert_holds(message.html, "<p>&lt;script&gt;&quot;R&amp;D&quot;&lt;/script&gt;</p>");
    hd_templates_free(catalogue);
}

static void a_ticket_id_in_a_link_is_escaped(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    scene->ticket.ticket_id = "a/../b?c#d%&\"<é~_.-Z9";
    scene->view.base_url = "http://127.0.0.1:8080";
    assert_string_equal(text_by(*state, scene, "{{ticket.url}}"),
                        "http://127.0.0.1:8080/ui/tickets/a%2F..%2Fb%3Fc%23d%25%26%22%3C%C3%A9~_.-Z9\n");
}

static void the_locale_is_the_users_or_their_languages_or_the_default(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    struct hd_templates *catalogue = catalogue_of("TicketCreated", "x");
    static const char *const expected[][2] = {
        {"pt-BR", "português"}, {"pt-br", "português"}, {"pt", "português"},  {"pt-PT", "português"},
        {"en", "english"},      {"en-GB", "english"},   {"EN-us", "english"}, {"fr", "english"},
        {"", "english"},        {"p", "english"},       {"pt_BR", "english"}, {NULL, "english"},
    };
    for (size_t i = 0; i < HD_ARRAY_LEN(expected); i++) {
        scene->user.locale = expected[i][0];
        assert_holds(rendered_by(catalogue, *state, scene).html, expected[i][1]);
    }
    scene->user.locale = "pt-BR"; /* which has no in-app template */
    scene->notification.channel = HD_INAPP;
    assert_string_equal(rendered_by(catalogue, *state, scene).text, "en");
    hd_templates_free(catalogue);
}

static void without_a_template_nothing_is_rendered(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_SMS, CREATED);
    struct hd_rendered message = {.subject = "untouched"};
    struct hd_error err = {0};
    assert_int_equal(hd_templates_render(templates, &scene->view, *state, &message, &err), HD_ERR_NOT_FOUND);
    scene->notification.channel = HD_EMAIL;
    scene->notification.event = "TicketEaten";
    assert_int_equal(hd_templates_render(templates, &scene->view, *state, &message, &err), HD_ERR_NOT_FOUND);
    assert_string_equal(message.subject, "untouched");
}

static void a_part_that_grows_too_long_is_a_limit(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    char *description = hd_arena_alloc(*state, 70000);
    assert_non_null(description);
    memset(description, 'x', 69999);
    description[69999] = '\0';
    scene->ticket.description = description;
    struct hd_templates *catalogue =
        catalogue_of("TicketCreated", "{{ticket.description}}{{ticket.description}}{{ticket.description}}{{ticket.description}}");
    struct hd_rendered message;
    struct hd_error err = {0};
    assert_int_equal(hd_templates_render(catalogue, &scene->view, *state, &message, &err), HD_ERR_LIMIT);
    hd_templates_free(catalogue);
}

static void running_out_of_memory_is_told(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_UPDATED, HD_EMAIL,
                                    "{\"changedFields\":{\"status\":{\"old\":\"a\",\"new\":[1]}},\"dueAt\":\"x\"}");
    struct hd_arena *small = hd_arena_new(HD_ARENA_BLOCK_BYTES);
    assert_non_null(small);
    int failures = 0, successes = 0;
    for (size_t spare = 0; spare < 7000; spare += 16) { /* ever more room, until it is enough */
        hd_arena_reset(small);
        while (hd_arena_used(small) + spare + 64 < HD_ARENA_BLOCK_BYTES && hd_arena_alloc(small, 8)) {
        }
        struct hd_rendered message;
        int r = hd_templates_render(templates, &scene->view, small, &message, NULL);
        assert_true(r == 0 || r == HD_ERR_NO_MEMORY);
        failures += r != 0;
        successes += r == 0;
    }
    assert_true(failures > 0 && successes > 0);
    hd_arena_free(small);
}

/* ---- addresses and the record ---- */

static void the_address_is_that_of_the_channel(void **state) {
    struct scene *scene = new_scene(*state, HD_EVENT_TICKET_CREATED, HD_EMAIL, CREATED);
    assert_string_equal(rendered(*state, scene).to_address, "ana@example.com");
    scene->notification.channel = HD_INAPP;
    assert_string_equal(rendered(*state, scene).to_address, "u-10");
    scene->notification.channel = HD_EMAIL;
    scene->user.email = NULL;
    assert_null(rendered(*state, scene).to_address);
}

static void the_record_is_json_of_what_the_channel_has(void **state) {
    const struct hd_rendered message = {.to_address = "ana@example.com", .subject = "Olá \"Ana\"", .text = "a\nb", .html = "<p>"};
    assert_string_equal(hd_rendered_json(&message, HD_EMAIL, *state),
                        "{\"to\":\"ana@example.com\",\"subject\":\"Olá \\\"Ana\\\"\",\"text\":\"a\\nb\",\"html\":\"<p>\"}");
    assert_string_equal(hd_rendered_json(&message, HD_INAPP, *state), "{\"title\":\"Olá \\\"Ana\\\"\",\"body\":\"a\\nb\"}");
}

/* ---- loading ---- */

static void assert_not_loaded(const char *path, const char *text, const char *says) {
    const struct hd_asset files[] = {file_of("templates/labels.en.json", "{}"), file_of(path, text)};
    struct hd_templates *none = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_templates_load_files(files, HD_ARRAY_LEN(files), "en", &none, &err), HD_ERR_CONFIGURATION);
    assert_int_equal(err.code, HD_ERR_CONFIGURATION);
    assert_null(none);
    assert_holds(err.detail, path);
    assert_holds(err.detail, says);
    assert_int_equal(hd_templates_load_files(files, HD_ARRAY_LEN(files), "en", &none, NULL), HD_ERR_CONFIGURATION);
}

static void a_bad_file_is_named_with_its_line(void **state) {
    (void)state;
    static const char mail[] = "templates/email/Reminder.en.mustache";
    assert_not_loaded(mail, "", "line 1");
    assert_not_loaded(mail, "hello\n=== subject\nx\n", "line 1");
    assert_not_loaded(mail, "=== subject\nx\n=== title\ny\n", "line 3: email has no part \"title\"");
    assert_not_loaded(mail, "=== subject\nx\n=== text\n\n\ny\n=== subject\nz", "line 7: the part \"subject\" is there twice");
    assert_not_loaded(mail, "=== subject\nx\n=== text\ny\n", "\"html\" is missing");
    assert_not_loaded(mail, "=== subject\nx\n=== text\n{{#open}}\n=== html\nz\n", "line 3");
    assert_not_loaded(mail, "=== \n", "line 1");
    assert_not_loaded(mail, "=== averyveryverylongpartname\n", "no part \"averyveryverylo\"");
    assert_not_loaded("templates/inapp/Reminder.en.mustache", "=== title\nx\n=== body\n{{/x}}", "line 3");
}

static void a_file_with_a_bad_name_is_named(void **state) {
    (void)state;
    assert_not_loaded("templates/email/TicketEaten.en.mustache", "=== subject\n", "no event");
    assert_not_loaded("templates/pigeon/Reminder.en.mustache", "=== title\n", "no channel");
    assert_not_loaded("templates/email/Reminder.mustache", "", "templates/README.md");
    assert_not_loaded("templates/email/Reminder.en.mustache.bak", "", "templates/README.md");
    assert_not_loaded("templates/email/a/Reminder.en.mustache", "", "templates/README.md");
    assert_not_loaded("templates/labels.en.json.orig", "{}", "templates/README.md");
    assert_not_loaded("templates/labels.an-endless-language-tag-that-is-none.json", "{}", "templates/README.md");
    assert_not_loaded("templates/labels.fr.json", "{\"a\"", "line 1");
    assert_not_loaded("templates/labels.fr.json", "[]", "JSON object");
    assert_not_loaded("templates/partials/foot.en.mustache", "{{#open}}", "line 1");
}

static void a_default_locale_without_templates_is_refused(void **state) {
    (void)state;
    struct hd_templates *none = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_templates_load("fr", &none, &err), HD_ERR_CONFIGURATION);
    assert_holds(err.detail, "\"fr\"");
    assert_null(none);
}

static void a_locale_without_labels_is_refused(void **state) {
    (void)state;
    const struct hd_asset file = file_of("templates/partials/foot.fr.mustache", "x");
    struct hd_templates *none = NULL;
    struct hd_error err = {0};
    assert_int_equal(hd_templates_load_files(&file, 1, "fr", &none, &err), HD_ERR_CONFIGURATION);
    assert_holds(err.detail, "templates/labels.fr.json is missing");
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, new_arena, free_arena)

int main(void) {
    hd_json_init();
    const struct CMUnitTest tests[] = {
        IN_ARENA(every_event_renders_by_mail_and_in_app_in_both_locales),
        IN_ARENA(a_mail_is_written_for_its_reader),
        IN_ARENA(the_notice_of_a_dead_letter_has_a_template_in_app),
        IN_ARENA(the_view_shows_our_ticket_and_its_people),
        IN_ARENA(a_ticket_that_is_not_ours_is_shown_as_the_payload_tells_it),
        IN_ARENA(what_there_is_not_renders_as_nothing),
        IN_ARENA(times_are_written_as_the_readers_language_does),
        IN_ARENA(changes_are_told_in_words),
        IN_ARENA(long_values_of_changes_are_cut_at_a_character),
        IN_ARENA(the_parts_newlines_are_trimmed_to_one_and_in_a_subject_to_none),
        IN_ARENA(a_subject_cannot_begin_another_header),
        IN_ARENA(html_is_escaped_and_text_is_not),
        IN_ARENA(a_ticket_id_in_a_link_is_escaped),
        IN_ARENA(the_locale_is_the_users_or_their_languages_or_the_default),
        IN_ARENA(without_a_template_nothing_is_rendered),
        IN_ARENA(a_part_that_grows_too_long_is_a_limit),
        IN_ARENA(running_out_of_memory_is_told),
        IN_ARENA(the_address_is_that_of_the_channel),
        IN_ARENA(the_record_is_json_of_what_the_channel_has),
        cmocka_unit_test(a_bad_file_is_named_with_its_line),
        cmocka_unit_test(a_file_with_a_bad_name_is_named),
        cmocka_unit_test(a_default_locale_without_templates_is_refused),
        cmocka_unit_test(a_locale_without_labels_is_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
