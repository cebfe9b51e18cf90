/* app/bench/engine_keys.h: the keys of one timed stretch of `strata bench engine`.
 *
 * They are written before the clock starts, so that only their use is timed: 20 bytes of text, as real keys are.
 *
 * Threads: one owner at a time.
 */
#ifndef STRATA_APP_BENCH_ENGINE_KEYS_H
#define STRATA_APP_BENCH_ENGINE_KEYS_H

#include <stdint.h>

#include "base/rng.h"
#include "base/slice.h"

enum { ENGINE_KEY_SIZE = 20, ENGINE_KEY_ROOM = 24, ENGINE_CHUNK = 4096, ENGINE_BATCH = 64 };

struct engine_keys {
    uint32_t count;
    uint64_t numbers_sum;
    uint32_t numbers[ENGINE_CHUNK];
    uint8_t bytes[ENGINE_CHUNK][ENGINE_KEY_ROOM];
};

/* Random numbers from `first` on, below first + range. */
void engine_keys_random(struct engine_keys *keys, uint32_t count, uint32_t first, uint32_t range, struct rng *rng);

/* Numbers (start + k * stride) mod range, k from `from` on; all different if stride and range have no common divisor. */
void engine_keys_stride(struct engine_keys *keys, uint32_t count, uint64_t start, uint64_t from, uint64_t stride,
                        uint32_t range);

static inline struct slice engine_key(const struct engine_keys *keys, uint64_t at) {
    return slice_make(keys->bytes[at], ENGINE_KEY_SIZE);
}

/* Zero, which the compiler does not know: masks a result so that the next step depends on it. */
static inline uint64_t engine_zero(void) {
    uint64_t zero = 0;
    __asm__ volatile("" : "+r"(zero));
    return zero;
}

#endif
