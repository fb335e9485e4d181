/* HTTP/1.1 replies (RFC 9112) as the Lambda Runtime API gives them: a reader that is fed bytes as they come, and does no I/O.
 *
 * Bodies by Content-Length, chunked, or up to the connection's end; 1xx replies are passed over. Everything has a limit. Not thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

enum { HD_REPLY_HEAD_MAX_BYTES = 64 * 1024, HD_REPLY_BODY_MAX_BYTES = 16 * 1024 * 1024 /* an event has 6 MB at most, and escapes */ };

enum hd_reply_state {
    HD_REPLY_HEAD,
    HD_REPLY_BODY, /* body_left bytes of it, or all that comes when until_end */
    HD_REPLY_CHUNK_SIZE,
    HD_REPLY_CHUNK_DATA,
    HD_REPLY_CHUNK_END,
    HD_REPLY_TRAILER,
    HD_REPLY_DONE,
};

/* {0} is one that waits for a reply; free it with hd_reply_free, or begin the next one on it with hd_reply_reset. */
struct hd_reply {
    enum hd_reply_state state;
    int status;
    bool keep_alive;       /* the connection may be used again */
    bool until_end;        /* the body ends with the connection */
    uint64_t body_left;    /* of the body, or of the chunk */
    struct hd_buffer head; /* status line and headers; the empty line is cut off when it has come */
    struct hd_buffer line; /* what has come of a chunk's size or of a trailer */
    struct hd_buffer body; /* NUL-terminated behind its length */
};

/* Takes what belongs to the reply: *ret_taken of len bytes (all of them, unless it is done). HD_ERR_MALFORMED: this is no such reply. HD_ERR_LIMIT, HD_ERR_NO_MEMORY. */
int hd_reply_feed(struct hd_reply *reply, const char *data, size_t len, size_t *ret_taken, struct hd_error *err) HD_MUST_CHECK;
/* The connection has ended. HD_ERR_UNAVAILABLE unless that ends the body. */
int hd_reply_end(struct hd_reply *reply, struct hd_error *err) HD_MUST_CHECK;

/* The value of the first header of that name (any case), without the spaces around it: its bytes in reply->head. NULL when there is none. */
const char *hd_reply_header(const struct hd_reply *reply, const char *name, size_t *ret_len);

void hd_reply_reset(struct hd_reply *reply); /* keeps the memory */
void hd_reply_free(struct hd_reply *reply);  /* takes NULL and {0} */
