/* app/bench/pace.h: when requests of a fixed rate are due.
 *
 * Batch n is due at start + n * size / rate, computed afresh each time, so that rounding does not add up. A generator
 * that comes late sends what is due and counts latency from these times: a server that stalls is not excused from the
 * requests that would have come meanwhile.
 *
 * Threads: no state of its own.
 * Time:    nanoseconds of any steady clock, handed in.
 */
#ifndef STRATA_APP_BENCH_PACE_H
#define STRATA_APP_BENCH_PACE_H

#include <stdint.h>

struct pace {
    uint64_t start_ns;
    double rate; /* requests a second */
    uint32_t batch_size;
};

/* The time at which batch `index` is to start. */
static inline uint64_t pace_due_ns(const struct pace *pace, uint64_t index) {
    return pace->start_ns + (uint64_t)((double)index * pace->batch_size * 1e9 / pace->rate);
}

/* How many batches are due at `now_ns`: those with pace_due_ns <= now_ns. */
uint64_t pace_due_count(const struct pace *pace, uint64_t now_ns);

/* How long to wait for batch `index`; 0 if it is due. */
static inline uint64_t pace_wait_ns(const struct pace *pace, uint64_t index, uint64_t now_ns) {
    uint64_t due_ns = pace_due_ns(pace, index);
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

#endif
