/* base/bits.h: powers of two and alignment. */
#ifndef STRATA_BASE_BITS_H
#define STRATA_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline bool bits_is_power_of_two(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* Position of the highest set bit; n must not be 0. */
static inline unsigned bits_log2(uint64_t n) { return 63u - (unsigned)__builtin_clzll(n); }

/* The largest power of two that is not above n; n must not be 0. */
static inline uint64_t bits_floor_power_of_two(uint64_t n) { return 1ull << bits_log2(n); }

/* The smallest power of two that is not below n; n is at least 1 and at most 2^63. */
static inline uint64_t bits_ceil_power_of_two(uint64_t n) { return n <= 1 ? 1 : 1ull << (bits_log2(n - 1) + 1); }

/* n rounded up to a multiple of `unit`, a power of two. */
static inline uint64_t bits_align_up(uint64_t n, uint64_t unit) { return (n + unit - 1) & ~(unit - 1); }

#endif
