#include "sys/warm/budget.h"

#include "base/assert.h"

enum { SECOND_NS = 1000000000 };

void budget_set(struct budget *budget, uint64_t rate_bytes, uint64_t burst_min_bytes) {
    budget->rate_bytes = rate_bytes;
    budget->burst_bytes = rate_bytes > burst_min_bytes ? rate_bytes : burst_min_bytes;
    if (budget->left_bytes > budget->burst_bytes)
        budget->left_bytes = budget->burst_bytes;
}

void budget_init(struct budget *budget, uint64_t rate_bytes, uint64_t burst_min_bytes, uint64_t now_ns) {
    *budget = (struct budget){.left_bytes = UINT64_MAX, .now_ns = now_ns};
    budget_set(budget, rate_bytes, burst_min_bytes);
}

static void refill(struct budget *budget, uint64_t now_ns) {
    if (now_ns <= budget->now_ns)
        return;
    unsigned __int128 earned = (unsigned __int128)(now_ns - budget->now_ns) * budget->rate_bytes + budget->parts;
    budget->now_ns = now_ns;
    budget->parts = (uint64_t)(earned % SECOND_NS);
    uint64_t room = budget->burst_bytes - budget->left_bytes;
    if (earned / SECOND_NS >= room) {
        budget->left_bytes = budget->burst_bytes;
        budget->parts = 0;
    } else {
        budget->left_bytes += (uint64_t)(earned / SECOND_NS);
    }
    ASSERT(budget->left_bytes <= budget->burst_bytes);
}

bool budget_take(struct budget *budget, uint64_t bytes, uint64_t now_ns) {
    if (!budget->rate_bytes)
        return true;
    refill(budget, now_ns);
    if (bytes > budget->left_bytes)
        return false;
    budget->left_bytes -= bytes;
    return true;
}
