/* Identifiers: UUIDv7 (RFC 9562 §5.7), new or derived, as canonical lower-case text.
 *
 * Ids order by the time in their first 48 bits, which keeps B-trees growing at their right edge. Thread-safe: no state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HD_ID_BYTES = 16, HD_ID_TEXT_LEN = 36, HD_ID_MAX_LEN = 128 /* of an id that a caller brings */ };

struct hd_id {
    char text[HD_ID_TEXT_LEN + 1];
};

/* A UUIDv7 from a Unix time in ms and 10 random bytes (74 bits of them are used). */
struct hd_id hd_id_v7(int64_t time_ms, const uint8_t random[10]);

/* The same parts and time give the same id, always and everywhere: a UUIDv7-shaped id whose "random" bits are SHA-256 over the
 * parts, each preceded by its length. parts must not be NULL strings. */
struct hd_id hd_id_derive(int64_t time_ms, const char *const *parts, size_t part_count);

/* Canonical lower-case text → 16 bytes. False for anything else (upper case, braces, other lengths). */
bool hd_id_to_bytes(const char *text, uint8_t ret_bytes[HD_ID_BYTES]);
struct hd_id hd_id_from_bytes(const uint8_t bytes[HD_ID_BYTES]);

/* What we take as an id from outside: 1 to HD_ID_MAX_LEN bytes of visible ASCII [!-~]. */
bool hd_id_acceptable(const char *text);
