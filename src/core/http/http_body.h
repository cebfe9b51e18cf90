/* core/http/http_body.h: the body of a request of HTTP/1.1, of a given size or in chunks.
 *
 *     5;ext=1\r\n hello\r\n 0\r\n Trailer: x\r\n \r\n
 *                 ^^^^^                              what is answered; all the rest is taken away
 *
 * Threads: one owner at a time.
 * Memory:  none; what is answered points into the input.
 * Errors:  as of http_request.h.
 */
#ifndef STRATA_CORE_HTTP_HTTP_BODY_H
#define STRATA_CORE_HTTP_HTTP_BODY_H

#include "core/http/http_request.h"

enum {
    HTTP_CHUNK_LINE_MAX = 256,      /* the line before a chunk, its extensions included */
    HTTP_EXTENSIONS_MAX = 4 * 1024, /* of all chunks of a body */
    HTTP_TRAILERS_MAX = 4 * 1024,
};

struct http_body {     /* visible because a connection embeds one; only the calls below touch it */
    uint64_t left;     /* of the body, or of the chunk */
    uint64_t received; /* without what parts chunks */
    uint64_t size_max;
    uint32_t line_size, extensions_size, trailers_size;
    uint8_t state, digits;
    bool name_begun; /* of a trailer: a byte of it was read */
    struct http_refusal refusal;
};

/* A size over `size_max` is refused here already (413). */
enum http_result http_body_begin(struct http_body *body, const struct http_head *head, uint64_t size_max);
/* Reads on: how many bytes of the input are done with, and the part of the body that stands among them. HTTP_MORE without a part: the whole input is done with. HTTP_DONE:
 * the body has ended, maybe with a last part. */
enum http_result http_body_read(struct http_body *body, struct slice input, size_t *ret_taken, struct slice *ret_part);

#endif
