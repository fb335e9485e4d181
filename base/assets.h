/* The files that the binary carries: event schemas, the API description, the shipped templates, the web page.
 *
 * Paths are those of the source tree ("schemas/events/TicketCreated.v1.json", "schemas/openapi.yaml", "templates/…"), and two are made by the
 * build: "schemas/openapi.json" (openapi.yaml as compact JSON) and "ui/…" (frontend/dist). Everything is constant and lives for ever. Thread-safe: no state. */
#pragma once

#include <stddef.h>

struct hd_asset {
    const char *path;          /* no leading slash */
    const unsigned char *data; /* a NUL stands behind size_bytes, and is not counted */
    size_t size_bytes;
    const char *content_type; /* "text/html; charset=utf-8" */
    const char *etag;         /* a strong validator with its quotes, from the SHA-256 of the content */
};

/* NULL when there is no such asset. The whole path must match, byte by byte. */
const struct hd_asset *hd_asset_find(const char *path);

/* All of them, sorted by path (strcmp's order): those below "templates/" stand together. NULL when *ret_count is 0. */
const struct hd_asset *hd_assets(size_t *ret_count);
