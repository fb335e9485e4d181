/* Texts that are long and rarely read (rendered messages), as LZ4 blocks: what a mail costs in the log and the file is more than half of what an event costs, and a mail
 * that says everything twice, as text and as HTML, becomes half as long in 4 µs.
 *
 * The form: the text's length as 4 bytes, little-endian, then the block (github.com/lz4/lz4, doc/lz4_Block_format.md). */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

enum { HD_COMPRESSED_TEXT_MAX_BYTES = 4 * 1024 * 1024 };

/* What compressing needs, kept from text to text: clearing it anew costs as much as a text. One thread's. */
struct hd_compressor;
struct hd_compressor *hd_compressor_new(void);
void hd_compressor_free(struct hd_compressor *compressor); /* takes NULL */

/* In the arena. HD_ERR_LIMIT, HD_ERR_NO_MEMORY. */
int hd_compress(struct hd_compressor *compressor, const char *text, struct hd_arena *arena, const void **ret_data, size_t *ret_bytes,
                struct hd_error *err) HD_MUST_CHECK;
/* HD_ERR_CORRUPT: it is no such form. */
int hd_decompress(const void *data, size_t bytes, struct hd_arena *arena, const char **ret_text, struct hd_error *err) HD_MUST_CHECK;
