/* Base64 (RFC 4648 §4) with padding, and the alphabet for URLs (§5) without. No state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"

void hd_base64_add(struct hd_buffer *out, const void *data, size_t len);
void hd_base64url_add(struct hd_buffer *out, const void *data, size_t len);

/* Either alphabet, padded or not; nothing else, no line breaks either. In the arena, with a NUL behind it that is not counted. False: it is no such text, or the arena has no room (ret_data is
 * then NULL, and left alone else). */
bool hd_base64_decode(struct hd_arena *arena, const char *text, size_t len, void **ret_data, size_t *ret_len) HD_MUST_CHECK;
