/* app/bench/trace.h: a recorded sequence of requests, and how large their objects are.
 *
 * A text with a request in every line, but for lines that begin with '#':
 *
 *     KEY          number of an object, from 1 on
 *     KEY SIZE     with its size in bytes, the same all through the trace
 *
 * Where a trace has no sizes they are drawn: log-normal, by object number and seed alone.
 *
 * Threads: does not change after trace_parse and trace_draw_sizes.
 * Memory:  4 bytes a request and 4 for every number up to the largest; trace_fini gives them back.
 * Errors:  STATUS_INVALID with a sentence that names the line; the trace is then empty.
 */
#ifndef STRATA_APP_BENCH_TRACE_H
#define STRATA_APP_BENCH_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    TRACE_NUMBER_MAX = 1 << 24,
    TRACE_REQUESTS_MAX = 1 << 30,
    TRACE_SIZE_MAX = 64 << 20, /* of an object */
    TRACE_ERROR_SIZE = 160
};

#define TRACE_UNSEEN UINT32_MAX /* size of a number that does not occur */

struct trace {
    uint32_t *requests; /* object numbers in their recorded order */
    uint64_t request_count, request_room;
    uint32_t *sizes; /* of object number n at n */
    uint32_t size_room;
    uint32_t number_max, object_count;
    bool has_sizes;
    const struct memory *memory;
};

MUST_CHECK enum status trace_parse(struct trace *trace, const struct memory *memory, struct slice text,
                                   char ret_error[TRACE_ERROR_SIZE]);
void trace_fini(struct trace *trace);

/* Gives every object a size of floor(median * e^(sigma * z)), z of the normal distribution; from 1 to TRACE_SIZE_MAX. */
void trace_draw_sizes(struct trace *trace, double median, double sigma, uint64_t seed);

/* All objects once, each with a key of `key_size` bytes. */
uint64_t trace_object_bytes(const struct trace *trace, uint32_t key_size);

#endif
