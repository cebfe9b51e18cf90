/* app/bench/memcached_reply.h: where replies of memcached's text protocol end.
 *
 * Replies to `get` with one key or more, to `set`, and errors:
 *
 *     VALUE key 0 5\r\n hello\r\n END\r\n        END\r\n        STORED\r\n        SERVER_ERROR out of memory\r\n
 *
 * Threads: one owner at a time.
 * Memory:  allocates nothing; payloads point into the input of that call.
 * Errors:  after MEMCACHED_REPLY_ERROR the stream cannot be used any more.
 */
#ifndef STRATA_APP_BENCH_MEMCACHED_REPLY_H
#define STRATA_APP_BENCH_MEMCACHED_REPLY_H

#include <stdbool.h>

#include "base/slice.h"

enum { MEMCACHED_REPLY_LINE_MAX = 2048 };

enum memcached_reply_kind { MEMCACHED_VALUE, MEMCACHED_MISS, MEMCACHED_STORED, MEMCACHED_REFUSED };

enum memcached_reply_result { MEMCACHED_REPLY_DONE, MEMCACHED_REPLY_MORE, MEMCACHED_REPLY_ERROR };

struct memcached_reply {
    enum memcached_reply_kind kind;
    struct slice payload; /* the last value (data NULL if part was dropped), or the line of an error */
    size_t size;          /* bytes of the input this reply took */
};

struct memcached_scanner { /* visible because a connection embeds one; only the calls below touch it */
    size_t position;       /* input bytes understood of the current reply */
    uint64_t body_left;    /* bytes to come of a value and its line end */
    size_t payload_at, payload_size;
    bool has_value, payload_lost;
    const char *error; /* a static text */
};

/* A zeroed scanner is ready. After MEMCACHED_REPLY_DONE the next call gets the input that begins behind the reply; after MORE the
 * same bytes and more, of which up to scanner->position may be dropped in between, if the scanner is told. */
enum memcached_reply_result memcached_reply_skip(struct memcached_scanner *scanner, struct slice input,
                                                 struct memcached_reply *ret_reply);

void memcached_reply_drop(struct memcached_scanner *scanner, size_t size);

#endif
