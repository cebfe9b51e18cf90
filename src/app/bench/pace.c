#include "app/bench/pace.h"

uint64_t pace_due_count(const struct pace *pace, uint64_t now_ns) {
    if (now_ns < pace->start_ns)
        return 0;
    uint64_t count = (uint64_t)((double)(now_ns - pace->start_ns) * pace->rate / (1e9 * pace->batch_size)) + 1;
    /* Rounding may be off by one in either direction; pace_due_ns decides. */
    while (count > 0 && pace_due_ns(pace, count - 1) > now_ns)
        count--;
    while (pace_due_ns(pace, count) <= now_ns)
        count++;
    return count;
}
