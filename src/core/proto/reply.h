/* core/proto/reply.h: what a command answers, in neutral terms.
 *
 * A command says "a map of two", "a double", "nothing"; the protocol version chosen by the client
 * decides which bytes that becomes. RESP2 knows fewer types: a map becomes a flat array, a set or push an
 * array, a double, verbatim text and big number a bulk string, a boolean an integer, null a null bulk string.
 *
 * A failure to get memory is remembered in `status` and makes every later call do nothing, so that commands need not
 * check each call; the server closes such a connection.
 *
 * Threads: one owner at a time.
 * Memory:  bytes go to `out`, which belongs to the caller. Large values are not copied: `foreign` says at which offset of
 *          `out` a value held elsewhere belongs, and the caller sends and releases it.
 */
#ifndef STRATA_CORE_PROTO_REPLY_H
#define STRATA_CORE_PROTO_REPLY_H

#include "base/buf.h"

/* A value that is sent from where it stands. `handle` means something to the caller only. */
struct reply_foreign {
    size_t at;       /* offset in `out` that it comes before */
    uint64_t size;   /* bytes */
    uint64_t offset; /* first byte of the value that is sent */
    uint64_t handle[2];
};

struct reply {
    struct buf *out;
    struct buf *foreign; /* array of struct reply_foreign, ordered by `at` */
    int protocol;        /* 2 or 3 */
    enum status status;
    uint32_t errors; /* error replies written, for statistics */
};

struct reply_mark {
    size_t out_size, foreign_size;
    uint32_t errors;
};

void reply_init(struct reply *reply, struct buf *out, struct buf *foreign, int protocol);

void reply_simple(struct reply *reply, struct slice text); /* "+OK": no CR or LF in the text */
/* Bytes that are already in the client's protocol. */
void reply_raw(struct reply *reply, struct slice bytes);
static inline void reply_ok(struct reply *reply) { reply_raw(reply, SLICE("+OK\r\n")); }

/* `text` begins with the error's code ("ERR ...", "WRONGTYPE ..."). CR and LF in it become spaces. */
void reply_error(struct reply *reply, struct slice text);
void reply_errorf(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

void reply_integer(struct reply *reply, int64_t value);
void reply_bulk(struct reply *reply, struct slice bytes);
void reply_bulk_string(struct reply *reply, const char *text);
void reply_bulk_integer(struct reply *reply, int64_t value); /* the digits as a bulk string */
/* Room for the bytes of a bulk string of this size, to be filled at once by the caller; NULL when there is no memory. */
void *reply_bulk_reserve(struct reply *reply, size_t size);
/* The same for up to 999 bytes that may turn out not to be there: nothing is written unless reply_bulk_done follows, with the
 * answer of reply_bulk_small and the same size. */
uint8_t *reply_bulk_small(struct reply *reply, size_t size);
void reply_bulk_done(struct reply *reply, uint8_t *bytes, size_t size);
void reply_bulk_foreign(struct reply *reply, uint64_t size, uint64_t offset, const uint64_t handle[2]);
void reply_null(struct reply *reply);       /* "$-1" or "_" */
void reply_null_array(struct reply *reply); /* "*-1" or "_" */
void reply_double(struct reply *reply, double value);
void reply_boolean(struct reply *reply, bool value);
void reply_verbatim(struct reply *reply, const char *format3, struct slice text); /* format: "txt" or "mkd" */
void reply_big_number(struct reply *reply, struct slice digits);

/* Heads; the caller writes the members. A map of n has n pairs. */
void reply_array(struct reply *reply, size_t count);
void reply_map(struct reply *reply, size_t pairs);
void reply_set(struct reply *reply, size_t count);
void reply_push(struct reply *reply, size_t count);

/* Back to an earlier point, when a read has to be repeated. The caller releases foreign values beyond the mark first. */
struct reply_mark reply_mark(const struct reply *reply);
void reply_rewind(struct reply *reply, struct reply_mark mark);

#endif
