/* sys/warm/budget.h: so many bytes a second, saved up for at most a second (a token bucket).
 *
 * Threads: one owner at a time.
 * Time:    handed in; one that goes back counts as standing still.
 */
#ifndef STRATA_SYS_WARM_BUDGET_H
#define STRATA_SYS_WARM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
    uint64_t rate_bytes; /* a second; 0: there is no limit */
    uint64_t burst_bytes;
    uint64_t left_bytes;
    uint64_t parts; /* of a byte, in 1 / 1,000,000,000 */
    uint64_t now_ns;
};

/* Full at first. `burst_min_bytes`: so much may be saved up even if it is more than a second's. */
void budget_init(struct budget *budget, uint64_t rate_bytes, uint64_t burst_min_bytes, uint64_t now_ns);
/* Another rate from now on. */
void budget_set(struct budget *budget, uint64_t rate_bytes, uint64_t burst_min_bytes);
/* False, and nothing taken, if there are fewer than that. */
bool budget_take(struct budget *budget, uint64_t bytes, uint64_t now_ns);

#endif
