/* app/bench/engine_floor.h: what a lookup must cost at least on this machine, measured and not assumed.
 *
 * A hash table whose entries lie elsewhere has to hash the key, load a bucket and load the entry that the bucket names. The
 * floor does just that over memory of the same two sizes, in 2 MiB pages, without looking at what it finds:
 *
 *     key -> XXH3 -> line of the first area -> its word -> line of the second area -> its word
 *
 * Threads: areas do not change after floor_init.
 * Memory:  both areas, straight from the kernel.
 */
#ifndef STRATA_APP_BENCH_ENGINE_FLOOR_H
#define STRATA_APP_BENCH_ENGINE_FLOOR_H

#include "app/bench/engine_keys.h"
#include "base/status.h"

enum { FLOOR_LINE_SIZE = 64 };

struct floor {
    uint8_t *first, *second;
    uint64_t first_lines, second_lines;
};

MUST_CHECK enum status floor_init(struct floor *floor, uint64_t first_bytes, uint64_t second_bytes);
void floor_fini(struct floor *floor);

/* Lookups of all keys; each answers some sum that depends on every load. */
uint64_t floor_alone(const struct floor *floor,
                     const struct engine_keys *keys);                          /* each begins when the last has ended */
uint64_t floor_row(const struct floor *floor, const struct engine_keys *keys); /* the processor may overlap them */
uint64_t floor_batch(const struct floor *floor,
                     const struct engine_keys *keys); /* ENGINE_BATCH together, with prefetches */

#endif
