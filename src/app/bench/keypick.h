/* app/bench/keypick.h: which key a request asks for.
 *
 * Uniform, or by Zipf's law: the key of rank r is asked for in proportion to r^-theta. For Zipf the ranks are cut into
 * classes, the first KEYPICK_SINGLES one by one, then ranges that grow by 1/KEYPICK_GROWTH:
 *
 *     rank   0 1 2 3 ... 2047 | 2048..2055 | 2056..2063 | ... | n-9216..n-1 |
 *
 * One random number chooses a class (alias method: Walker 1977) and a rank in it, so that a choice costs the same for any number
 * of keys. Within a range all ranks are equally likely, which is off by at most theta / (2 * KEYPICK_GROWTH) of their probability.
 * Ranks are scattered over the key numbers, so that popular keys were not all stored side by side.
 *
 * Threads: a picker does not change after keypick_init; random numbers are handed in.
 * Memory:  at most 200 KiB of classes for Zipf, none for uniform.
 */
#ifndef STRATA_APP_BENCH_KEYPICK_H
#define STRATA_APP_BENCH_KEYPICK_H

#include <stdint.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/status.h"

enum { KEYPICK_SINGLES = 2048, KEYPICK_GROWTH = 256 };

struct keypick_class {
    uint64_t first_rank;
    uint32_t rank_count;
    uint32_t other;     /* the class that has the rest of this place */
    uint64_t threshold; /* below it this class, else the other; in 2^-64 */
};

struct keypick {
    uint64_t key_count;
    uint64_t stride; /* no common divisor with key_count */
    struct keypick_class *classes;
    uint32_t class_count; /* 0: uniform */
    const struct memory *memory;
};

/* `theta` 0 is uniform. key_count is 1 to 2^32, theta 0 to 10. */
MUST_CHECK enum status keypick_init(struct keypick *pick, const struct memory *memory, uint64_t key_count,
                                    double theta);
void keypick_fini(struct keypick *pick);

/* The rank for one random number: 0 is the most popular. */
uint64_t keypick_rank(const struct keypick *pick, struct rng *rng);

static inline uint64_t keypick_next(const struct keypick *pick, struct rng *rng) {
    if (!pick->class_count)
        return rng_below(rng, pick->key_count);
    return (uint64_t)((unsigned __int128)keypick_rank(pick, rng) * pick->stride % pick->key_count);
}

#endif
