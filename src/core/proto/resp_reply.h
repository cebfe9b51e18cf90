/* core/proto/resp_reply.h: replies as a client reads them, and requests as it writes them.
 *
 * The scanner finds the end of each reply, of any type of RESP2 and RESP3, in input that arrives in pieces. It builds
 * nothing; for most replies its caller needs no more than the type and the payload. resp_reply_build makes a tree of a reply that
 * the scanner found complete.
 *
 *     *2\r\n $1\r\n a \r\n *2\r\n :1\r\n :2\r\n
 *                                      ^ `position`; members left: 0 at depth 1 (then back to depth 0), 1 at depth 2
 *
 * Threads: one owner at a time.
 * Memory:  the scanner allocates nothing; payloads point into the input of that call; trees live in the arena that is handed in,
 *          and their texts in the bytes they were built from.
 * Errors:  after RESP_REPLY_ERROR the stream cannot be used any more, and every further call answers the same.
 */
#ifndef STRATA_CORE_PROTO_RESP_REPLY_H
#define STRATA_CORE_PROTO_RESP_REPLY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    RESP_REPLY_NESTING_MAX = 32,
    RESP_REPLY_LINE_MAX = 1 << 20, /* bytes of a simple string, an error, a number */
};

/* The type bytes of the protocol. The null bulk string and the null array of RESP2 are RESP_NULL too. */
enum resp_type {
    RESP_SIMPLE = '+',
    RESP_SIMPLE_ERROR = '-',
    RESP_INTEGER = ':',
    RESP_BULK = '$',
    RESP_ARRAY = '*',
    RESP_NULL = '_',
    RESP_DOUBLE = ',',
    RESP_BOOLEAN = '#',
    RESP_BULK_ERROR = '!',
    RESP_VERBATIM = '=',
    RESP_BIG_NUMBER = '(',
    RESP_MAP = '%',
    RESP_SET = '~',
    RESP_PUSH = '>',
    RESP_ATTRIBUTE = '|',
};

struct resp_reply_limits {
    uint64_t bulk_size_max; /* at most 2^62 */
    uint64_t members_max;   /* of one array, set or push, or pairs of one map; at most 2^31 - 1 */
};

enum resp_reply_result {
    RESP_REPLY_DONE, /* ret_item is filled */
    RESP_REPLY_MORE, /* not complete */
    RESP_REPLY_ERROR /* not RESP, or over a limit; scanner->error says why */
};

/* A reply, seen from outside. */
struct resp_reply_item {
    enum resp_type type;
    struct slice
        payload; /* of a reply with no members: the bytes between head and line end. data is NULL if part was dropped */
    uint64_t count; /* of a reply with members: how many (a map has two for each pair) */
    size_t size;    /* bytes of the input this reply took, with its attributes */
};

struct resp_reply_scanner { /* visible because a connection embeds one; only the calls below touch it */
    struct resp_reply_limits limits;
    struct resp_reply_item item; /* the outermost, as far as it is known */
    size_t position;             /* input bytes understood of the current reply */
    size_t searched;             /* input bytes known to hold no line end behind `position` */
    size_t dropped;              /* bytes of the current reply that left the input */
    size_t payload_at;           /* offset of the outermost payload in the input, unless part was dropped */
    uint64_t bulk_left;          /* bytes to come of a bulk string and its line end; 0: a head is next */
    uint64_t attributes;         /* bit n: what is read at depth n is an attribute, not a member */
    uint32_t depth;
    bool payload_lost;
    uint64_t left[RESP_REPLY_NESTING_MAX + 1]; /* members to come at each depth */
    const char *error;                         /* a static text */
};

void resp_reply_scanner_init(struct resp_reply_scanner *scanner, const struct resp_reply_limits *limits);

/* Reads at most one reply. After RESP_REPLY_DONE the next call gets the input that begins behind it (ret_item->size). After
 * RESP_REPLY_MORE the next call gets the same bytes and more; up to scanner->position bytes may be dropped in between, if the
 * scanner is told. A push counts as a reply here: look at the type. */
enum resp_reply_result resp_reply_skip(struct resp_reply_scanner *scanner, struct slice input,
                                       struct resp_reply_item *ret_item);

/* The caller has taken `size` bytes off the front of an unfinished reply; its payload may be lost by that. */
void resp_reply_drop(struct resp_reply_scanner *scanner, size_t size);

static inline bool resp_type_is_error(enum resp_type type) {
    return type == RESP_SIMPLE_ERROR || type == RESP_BULK_ERROR;
}

static inline bool resp_type_has_members(enum resp_type type) {
    return type == RESP_ARRAY || type == RESP_MAP || type == RESP_SET || type == RESP_PUSH || type == RESP_ATTRIBUTE;
}

struct resp_value {
    enum resp_type type;
    bool boolean;
    uint32_t count; /* of members; a map of n pairs has 2n, key before value */
    int64_t integer;
    double number;
    struct slice text;                   /* strings, errors, numbers as they came; verbatim text without its format */
    struct resp_value *members;          /* `count` of them */
    const struct resp_value *attributes; /* a RESP_ATTRIBUTE that stood before this value, or NULL */
};

/* `bytes` are one whole reply, as found by resp_reply_skip. STATUS_NO_MEMORY, or STATUS_INVALID when they are not. */
MUST_CHECK enum status resp_reply_build(struct slice bytes, struct arena *arena, struct resp_value *ret_value);

/* Appends the request as an array of bulk strings; all of it or, without memory, nothing. `count` is at least 1. */
MUST_CHECK enum status resp_request_write(struct buf *out, const struct slice *arguments, size_t count);

#endif
