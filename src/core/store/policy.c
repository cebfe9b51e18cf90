#include "core/store/policy.h"

#include "base/rng.h"

/* The exponent a of age x size^a, in halves: 0, 1 or 2. */
enum { SIZE_EXPONENT_HALVES = 2 };

const struct policy policies[STORE_POLICY_COUNT] = {
    [STORE_NOEVICTION] = {.method = "none"},
    [STORE_ALLKEYS_LRU] = {.method = "clock", .order = POLICY_OLDEST, .uses_max = 1, .evicts = true},
    [STORE_ALLKEYS_LFU] = {.method = "s3-fifo-by-size",
                           .order = POLICY_OLDEST_LARGEST,
                           .uses_max = 3,
                           .evicts = true,
                           .two_queues = true},
    [STORE_ALLKEYS_RANDOM] = {.method = "random-segment", .order = POLICY_BY_CHANCE, .evicts = true},
    [STORE_VOLATILE_LRU] =
        {.method = "clock", .order = POLICY_OLDEST, .uses_max = 1, .evicts = true, .expiring_only = true},
    [STORE_VOLATILE_LFU] = {.method = "s3-fifo-by-size",
                            .order = POLICY_OLDEST_LARGEST,
                            .uses_max = 3,
                            .evicts = true,
                            .expiring_only = true,
                            .two_queues = true},
    [STORE_VOLATILE_RANDOM] = {.method = "random-segment",
                               .order = POLICY_BY_CHANCE,
                               .evicts = true,
                               .expiring_only = true},
    [STORE_VOLATILE_TTL] = {.method = "nearest-expiry-quarter",
                            .order = POLICY_NEAREST_EXPIRY,
                            .evicts = true,
                            .expiring_only = true},
    [STORE_SESSION] = {.method = "s3-fifo-by-session",
                       .order = POLICY_OLDEST_LARGEST,
                       .uses_max = 3,
                       .evicts = true,
                       .two_queues = true},
};

static uint64_t percent(uint64_t of) { return POLICY_SHARE_ONE / 100 * of; }

uint64_t policy_small_share(const struct policy_state *state) {
    uint64_t share = atomic_load_explicit(&state->small_share, memory_order_relaxed);
    return share ? share : percent(POLICY_SHARE_FIRST_PERCENT);
}

bool policy_small_gives(const struct policy_state *state, uint64_t small_bytes, uint64_t main_bytes) {
    double share = (double)policy_small_share(state) / (double)POLICY_SHARE_ONE;
    return (double)small_bytes > share * ((double)small_bytes + (double)main_bytes);
}

void policy_adapt(struct policy_state *state, enum store_queue dropped_by, uint64_t size_bytes, uint64_t all_bytes) {
    if (all_bytes == 0)
        return;
    double most = (double)percent(POLICY_SHARE_MAX_PERCENT), least = (double)percent(POLICY_SHARE_MIN_PERCENT);
    double step = (double)POLICY_SHARE_ONE * ((double)size_bytes / (double)all_bytes);
    double share = (double)policy_small_share(state) + (dropped_by == STORE_SMALL ? step : -step);
    share = share > most ? most : share < least ? least : share;
    atomic_store_explicit(&state->small_share, (uint64_t)share, memory_order_relaxed);
}

/* Good to 6 % over all sizes, which is less than a size class is wide, and free of libm. */
static double square_root(double of) {
    double root = 1;
    while (root * root < of)
        root *= 2;
    return (root + of / root) / 2;
}

double policy_score(const struct policy *policy, uint64_t age_bytes, double mean_bytes, bool by_count) {
    double age = (double)age_bytes + 1;
    if (policy->order != POLICY_OLDEST_LARGEST || by_count || SIZE_EXPONENT_HALVES == 0)
        return age;
    return age * (SIZE_EXPONENT_HALVES == 2 ? mean_bytes + 1 : square_root(mean_bytes + 1));
}

enum policy_verdict policy_verdict(const struct policy *policy, enum store_queue queue, uint32_t use,
                                   uint64_t expires_at_ms, uint64_t expiry_max_ms, uint32_t *ret_use) {
    *ret_use = use;
    if (!policy->evicts || (policy->expiring_only && expires_at_ms == 0))
        return POLICY_KEEP;
    if (policy->order == POLICY_NEAREST_EXPIRY)
        return expires_at_ms <= expiry_max_ms ? POLICY_DROP : POLICY_KEEP;
    uint32_t counted = use < policy->uses_max ? use : policy->uses_max;
    if (counted == 0)
        return POLICY_DROP;
    *ret_use = queue == STORE_MAIN ? counted - 1 : 0;
    return POLICY_TO_MAIN;
}

bool policy_laps(const struct policy *policy, uint64_t size_bytes, uint64_t lap_bytes, uint32_t random) {
    return policy->order == POLICY_OLDEST_LARGEST && size_bytes < lap_bytes &&
           (double)random * 0x1p-32 >= (double)size_bytes / (double)lap_bytes;
}

uint64_t policy_chance(struct policy_state *state, uint64_t limit) {
    struct rng rng =
        rng_seeded(atomic_fetch_add_explicit(&state->chances, 1, memory_order_relaxed) * 0x632be59bd9b4e019u);
    return rng_below(&rng, limit);
}
