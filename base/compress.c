#include "base/compress.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 4 };

struct hd_compressor {
    LZ4_stream_t stream;
};

struct hd_compressor *hd_compressor_new(void) {
    struct hd_compressor *compressor = malloc(sizeof *compressor);
    if (compressor)
        (void)LZ4_initStream(&compressor->stream, sizeof compressor->stream);
    return compressor;
}

void hd_compressor_free(struct hd_compressor *compressor) {
    free(compressor);
}

int hd_compress(struct hd_compressor *compressor, const char *text, struct hd_arena *arena, const void **ret_data, size_t *ret_bytes,
                struct hd_error *err) {
    size_t len = strlen(text);
    if (len > HD_COMPRESSED_TEXT_MAX_BYTES)
        return hd_error_set(err, HD_ERR_LIMIT, "a text of %zu bytes is too long to be kept", len);
    int bound = LZ4_compressBound((int)len);
    unsigned char *data = hd_arena_alloc(arena, LENGTH_BYTES + (size_t)bound);
    if (!data)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a text");
    for (int i = 0; i < LENGTH_BYTES; i++)
        data[i] = (unsigned char)(len >> (8 * i));
    LZ4_resetStream_fast(&compressor->stream); /* each text stands alone */
    int bytes = LZ4_compress_fast_continue(&compressor->stream, text, (char *)data + LENGTH_BYTES, (int)len, bound, 1);
    if (bytes <= 0)
        return hd_error_set(err, HD_ERR_INTERNAL, "a text could not be compressed");
    *ret_data = data;
    *ret_bytes = LENGTH_BYTES + (size_t)bytes;
    return 0;
}

int hd_decompress(const void *data, size_t bytes, struct hd_arena *arena, const char **ret_text, struct hd_error *err) {
    const unsigned char *in = data;
    size_t len = 0;
    for (int i = 0; bytes >= LENGTH_BYTES && i < LENGTH_BYTES; i++)
        len |= (size_t)in[i] << (8 * i);
    if (bytes <= LENGTH_BYTES || len > HD_COMPRESSED_TEXT_MAX_BYTES)
        return hd_error_set(err, HD_ERR_CORRUPT, "a compressed text is damaged");
    char *text = hd_arena_alloc(arena, len + 1);
    if (!text)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a text");
    if (LZ4_decompress_safe((const char *)in + LENGTH_BYTES, text, (int)(bytes - LENGTH_BYTES), (int)len) != (int)len)
        return hd_error_set(err, HD_ERR_CORRUPT, "a compressed text is damaged");
    text[len] = '\0';
    *ret_text = text;
    return 0;
}
