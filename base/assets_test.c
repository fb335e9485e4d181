#include "base/assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_asset_is_found_by_its_path(void **state) {
    (void)state;
    size_t count = 0;
    const struct hd_asset *assets = hd_assets(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(hd_asset_find(assets[i].path), &assets[i]);
    }
}

static void paths_are_sorted_and_unique(void **state) {
    (void)state;
    size_t count = 0;
    const struct hd_asset *assets = hd_assets(&count);
    for (size_t i = 1; i < count; i++) {
        assert_true(strcmp(assets[i - 1].path, assets[i].path) < 0);
    }
}

static void an_asset_ends_with_a_nul_and_has_a_type_and_a_quoted_etag(void **state) {
    (void)state;
    size_t count = 0;
    const struct hd_asset *assets = hd_assets(&count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(assets[i].data[assets[i].size_bytes], 0);
        assert_non_null(strchr(assets[i].content_type, '/'));
        size_t etag_len = strlen(assets[i].etag);
        assert_true(etag_len > 2 && assets[i].etag[0] == '"' && assets[i].etag[etag_len - 1] == '"');
    }
}

static void the_api_description_is_there_as_yaml_and_as_json(void **state) {
    (void)state;
    const struct hd_asset *yaml = hd_asset_find("schemas/openapi.yaml");
    const struct hd_asset *json = hd_asset_find("schemas/openapi.json");
    assert_non_null(yaml);
    assert_non_null(json);
    assert_non_null(strstr((const char *)yaml->data, "openapi: 3."));
    assert_non_null(strstr((const char *)json->data, "\"openapi\":\"3."));
    assert_string_equal(json->content_type, "application/json");
    assert_string_not_equal(yaml->etag, json->etag);
}

static void a_path_that_is_not_there_is_not_found(void **state) {
    (void)state;
    assert_null(hd_asset_find(""));
    assert_null(hd_asset_find("schemas/openapi.yam"));
    assert_null(hd_asset_find("/schemas/openapi.yaml"));
    assert_null(hd_asset_find("zzz"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_asset_is_found_by_its_path),
        cmocka_unit_test(paths_are_sorted_and_unique),
        cmocka_unit_test(an_asset_ends_with_a_nul_and_has_a_type_and_a_quoted_etag),
        cmocka_unit_test(the_api_description_is_there_as_yaml_and_as_json),
        cmocka_unit_test(a_path_that_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
