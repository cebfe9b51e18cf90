#include "core/obs/times.h"

const uint64_t times_edges_ns[TIMES_EDGES] = {100,       250,       500,       1000,       2500,       5000,
                                              10000,     25000,     50000,     100000,     250000,     500000,
                                              1000000,   2500000,   5000000,   10000000,   25000000,   50000000,
                                              100000000, 250000000, 500000000, 1000000000, 10000000000};

uint32_t times_column(uint64_t ns) {
    uint32_t column = 0;
    while (column < TIMES_EDGES && ns > times_edges_ns[column])
        column++;
    return column;
}
