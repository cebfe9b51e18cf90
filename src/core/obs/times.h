/* core/obs/times.h: how long things took, in columns that never change, so that whoever collects them over time can add and compare them.
 *
 * Three columns a decade, from 100 nanoseconds to 10 seconds, and one for what took longer. A column holds what its edge does not exceed and the edge
 * before it does.
 *
 * Threads: one owner at a time.
 * Memory:  in the struct, 200 bytes.
 */
#ifndef STRATA_CORE_OBS_TIMES_H
#define STRATA_CORE_OBS_TIMES_H

#include <stdint.h>

enum { TIMES_EDGES = 23 };

extern const uint64_t times_edges_ns[TIMES_EDGES];

struct times {
    uint64_t counts[TIMES_EDGES + 1]; /* by column, the last one of what took longer */
    double seconds;                   /* their sum */
};

uint32_t times_column(uint64_t ns);

/* So many that took `ns` each. */
static inline void times_add(struct times *times, uint64_t ns, uint64_t count) {
    times->counts[times_column(ns)] += count;
    times->seconds += (double)ns * (double)count / 1e9;
}

static inline void times_merge(struct times *into, const struct times *from) {
    for (uint32_t i = 0; i <= TIMES_EDGES; i++)
        into->counts[i] += from->counts[i];
    into->seconds += from->seconds;
}

#endif
