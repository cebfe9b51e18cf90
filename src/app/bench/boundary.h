/* app/bench/boundary.h: where requests of the Redis protocol end, and nothing else about them.
 *
 *     *2\r\n $3\r\n GET\r\n $5\r\n key:1\r\n *2\r\n ...
 *                                          ^ one request more
 *
 * Threads: one owner at a time.
 * Memory:  allocates nothing and keeps no bytes: the input may be cut anywhere.
 * Errors:  after an error the stream cannot be used any more, and every further call answers the same.
 */
#ifndef STRATA_APP_BENCH_BOUNDARY_H
#define STRATA_APP_BENCH_BOUNDARY_H

#include "base/slice.h"
#include "base/status.h"

enum { BOUNDARY_ARGUMENTS_MAX = 1 << 20, BOUNDARY_ARGUMENT_SIZE_MAX = 512 << 20 };

enum boundary_step {
    BOUNDARY_TYPE,   /* '*' or '$' comes next */
    BOUNDARY_FIRST,  /* the first digit of a head */
    BOUNDARY_DIGITS, /* more digits, or CR */
    BOUNDARY_LF,     /* the end of a head */
    BOUNDARY_BODY,   /* `number` bytes to be passed over */
    BOUNDARY_BROKEN,
};

/* A zeroed one is ready. */
struct boundary { /* visible because a connection embeds one */
    enum boundary_step step;
    uint64_t number;         /* of the head being read, or bytes of a body and its line end still to come */
    uint32_t arguments_left; /* 0: a request begins */
};

/* Reads all of the input. Counts the requests that end in it. STATUS_INVALID when these are not arrays of bulk strings. */
MUST_CHECK enum status boundary_count(struct boundary *boundary, struct slice input, uint64_t *ret_count);

#endif
