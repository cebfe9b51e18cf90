/* core/store/run.h: runs of bits in the word that says which of a segment's 64 blocks are taken. */
#ifndef STRATA_CORE_STORE_RUN_H
#define STRATA_CORE_STORE_RUN_H

#include <stdint.h>

/* Bit i of the answer: blocks i to i + wanted - 1 are free. `wanted` is 1 to 64. */
static inline uint64_t run_find(uint64_t taken, uint32_t wanted) {
    uint64_t runs = ~taken;
    uint32_t have = 1;
    while (have < wanted && runs) {
        uint32_t step = have < wanted - have ? have : wanted - have;
        runs &= runs >> step;
        have += step;
    }
    return runs;
}

/* Free blocks in a row, at most: 0 to 64. */
static inline uint32_t run_longest(uint64_t taken) {
    uint64_t of[6] = {~taken}, begins = UINT64_MAX; /* of[k]: where 2^k free ones begin */
    uint32_t length = 0;
    if (taken == 0)
        return 64;
    for (uint32_t k = 1; k < 6; k++)
        of[k] = of[k - 1] & of[k - 1] >> (1u << (k - 1));
    for (uint32_t k = 6; k-- > 0;) {
        uint64_t longer = begins & of[k] >> length;
        if (longer) {
            begins = longer;
            length += 1u << k;
        }
    }
    return length;
}

static inline uint64_t run_mask(uint32_t first, uint32_t count) {
    return (count == 64 ? UINT64_MAX : (1ull << count) - 1) << first;
}

#endif
