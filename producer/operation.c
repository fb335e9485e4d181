/* Operation: health, metrics, the API description, and the files of the web page. */
#include <stdio.h>
#include <string.h>

#include "base/assets.h"
#include "base/metrics.h"
#include "producer/call.h"

static int answer_ok(struct hd_call *call) {
    static const char body[] = "{\"status\":\"ok\"}";
    call->response->status = 200;
    call->response->body = body;
    call->response->body_bytes = sizeof(body) - 1;
    hd_response_header(call->response, "Content-Type", "application/json");
    hd_response_header(call->response, "Cache-Control", "no-store");
    return 0;
}

int hd_healthz(struct hd_call *call, struct hd_error *err) {
    (void)err;
    return answer_ok(call);
}

int hd_readyz(struct hd_call *call, struct hd_error *err) {
    const struct hd_host_state *host = &call->producer->options.host;
    struct hd_error why = {.code = HD_ERR_UNAVAILABLE};
    if (!host->ready || host->ready(host->self, &why))
        return answer_ok(call);
    *err = why;
    err->code = HD_ERR_UNAVAILABLE; /* whatever is missing: no requests for now */
    return err->code;
}

int hd_show_metrics(struct hd_call *call, struct hd_error *err) {
    const struct hd_host_state *host = &call->producer->options.host;
    if (host->refresh_metrics)
        host->refresh_metrics(host->self);
    hd_buffer_clear(&call->text);
    hd_metrics_print(&call->text);
    int r = hd_call_text(call, &call->response->body, &call->response->body_bytes, err);
    if (r < 0)
        return r;
    call->response->status = 200;
    hd_response_header(call->response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return 0;
}

/* ---- files ---- */

/* If-None-Match (RFC 9110 §13.1.2): a list of tags, compared weakly, or *. */
static bool has_it(const struct hd_request *request, const char *etag) {
    const char *header = hd_request_header(request, "If-None-Match");
    if (!header)
        return false;
    return strcmp(header, "*") == 0 || strstr(header, etag); /* with its quotes it can't be a part of another */
}

static int answer_file(struct hd_call *call, const struct hd_asset *asset, const char *cache_control) {
    struct hd_response *response = call->response;
    hd_response_header(response, "ETag", asset->etag);
    hd_response_header(response, "Cache-Control", cache_control);
    hd_response_header(response, "X-Content-Type-Options", "nosniff");
    if (has_it(call->request, asset->etag)) {
        response->status = 304;
        return 0;
    }
    response->status = 200;
    response->body = (const char *)asset->data;
    response->body_bytes = asset->size_bytes;
    hd_response_header(response, "Content-Type", asset->content_type);
    return 0;
}

int hd_get_openapi(struct hd_call *call, struct hd_error *err) {
    const struct hd_asset *asset = hd_asset_find("schemas/openapi.yaml");
    if (!asset)
        return hd_error_set(err, HD_ERR_NOT_FOUND, "The API description is not part of this build.");
    return answer_file(call, asset, "no-cache");
}

int hd_go_to_page(struct hd_call *call, struct hd_error *err) {
    (void)err;
    call->response->status = 302;
    hd_response_header(call->response, "Location", "/ui/");
    return 0;
}

/* A file, or the page itself for a path that is the page's own ("tickets/tkt-1"): one without a dot in its last part. */
static const struct hd_asset *find_page_file(const char *path, const char **ret_cache_control) {
    static const char page[] = "ui/index.html", folder_of_hashed[] = "assets/";
    char name[256];
    int len = snprintf(name, sizeof(name), "ui/%s", path);
    const struct hd_asset *asset = len < (int)sizeof(name) ? hd_asset_find(name) : NULL;
    bool is_hashed = strncmp(path, folder_of_hashed, sizeof(folder_of_hashed) - 1) == 0;
    *ret_cache_control = is_hashed ? "public, max-age=31536000, immutable" : "no-cache";
    if (asset || is_hashed)
        return asset;
    const char *slash = strrchr(path, '/');
    return strchr(slash ? slash : path, '.') ? NULL : hd_asset_find(page);
}

int hd_get_page(struct hd_call *call, struct hd_error *err) {
    static const char policy[] =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    const char *cache_control;
    const struct hd_asset *asset = find_page_file(call->id, &cache_control);
    if (!asset)
        return hd_error_set(err, HD_ERR_NOT_FOUND, "The page has no such file.");
    hd_response_header(call->response, "Content-Security-Policy", policy);
    hd_response_header(call->response, "Referrer-Policy", "no-referrer");
    return answer_file(call, asset, cache_control);
}
