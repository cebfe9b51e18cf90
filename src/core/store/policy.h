/* core/store/policy.h: what goes when memory is full.
 *
 * A policy decides by a few numbers and knows nothing of where entries lie. Reclaim asks it four times:
 *
 *     place     a new entry begins in the small queue; in the main one if the small queue dropped it not long ago
 *     source    which queue gives: the small one while it holds more than its share
 *     score     of the oldest entries of each log, which go first
 *     verdict   about one entry that is reached: drop, keep, or on into the main queue
 *
 *     name                what it does
 *     allkeys-lfu         S3-FIFO over logs by size class: age x size, uses up to 3, ghosts, share of the small queue adapts
 *     allkeys-lru         CLOCK over one queue: what was used since it was last looked at goes round once more
 *     allkeys-random      all of a segment chosen by chance
 *     volatile-lfu, -lru, -random      the same over entries that expire
 *     volatile-ttl        of entries that expire, those within the nearest quarter of expiries
 *     session             as allkeys-lfu, but a session that lives goes as a whole (session.h)
 *
 * Score: an entry of size s that is not used for a time t has cost s x t of the memory and earned nothing. age x size^a with
 * a = 1 makes most of hits counted by objects; a = 0.5 would make more of hits counted by bytes, a = 0 is plain FIFO.
 *
 * Share: a miss on an entry that the small queue dropped lately says that it is too small, one that the main queue dropped that
 * it is too large; each moves the share by the entry's size.
 *
 * Threads: the state is atomic; two who adapt at once may lose one of two steps.
 */
#ifndef STRATA_CORE_STORE_POLICY_H
#define STRATA_CORE_STORE_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum store_policy {
    STORE_NOEVICTION,
    STORE_ALLKEYS_LRU,
    STORE_ALLKEYS_LFU,
    STORE_ALLKEYS_RANDOM,
    STORE_VOLATILE_LRU,
    STORE_VOLATILE_LFU,
    STORE_VOLATILE_RANDOM,
    STORE_VOLATILE_TTL,
    STORE_SESSION, /* see session.h; only of stores that were opened with it */
    STORE_POLICY_COUNT
};

enum { STORE_QUEUES = 2 };
enum store_queue { STORE_SMALL, STORE_MAIN };

enum policy_order {
    POLICY_OLDEST,         /* age alone */
    POLICY_OLDEST_LARGEST, /* age x size^a */
    POLICY_BY_CHANCE,
    POLICY_NEAREST_EXPIRY,
};

struct policy {
    char method[24]; /* what it really is, for INFO */
    enum policy_order order;
    uint32_t uses_max;  /* that count; 0: uses save nothing */
    bool evicts;        /* anything at all */
    bool expiring_only; /* entries without an expiry stay */
    bool two_queues;    /* small and main, with ghosts; else one queue in which the place is only a mark */
};

extern const struct policy policies[STORE_POLICY_COUNT];

/* Whether every entry may be evicted some time: memory lent to a store of this policy can be taken back. */
static inline bool policy_gives_back(enum store_policy policy) {
    return policies[policy].evicts && !policies[policy].expiring_only;
}

/* Of one store, in the range. */
struct policy_state {
    _Atomic uint64_t small_share; /* of the store's bytes, in 1 / POLICY_SHARE_ONE; 0: not begun yet */
    _Atomic uint64_t chances;     /* drawn by POLICY_BY_CHANCE and POLICY_NEAREST_EXPIRY */
};

static const uint64_t POLICY_SHARE_ONE = 1ull << 40;
enum { POLICY_SHARE_MIN_PERCENT = 1, POLICY_SHARE_FIRST_PERCENT = 10, POLICY_SHARE_MAX_PERCENT = 80 };

/* The share of the small queue, within its bounds. */
uint64_t policy_small_share(const struct policy_state *state);

/* Whether the small queue holds more than its share. */
bool policy_small_gives(const struct policy_state *state, uint64_t small_bytes, uint64_t main_bytes);

/* A miss on an entry of `size_bytes` that a queue dropped lately, in a store of `all_bytes`. */
void policy_adapt(struct policy_state *state, enum store_queue dropped_by, uint64_t size_bytes, uint64_t all_bytes);

/* How much better it is to give up what is `age_bytes` old (bytes written since) and has entries of `mean_bytes`; above 0. By age alone
 * if the capacity is counted in entries. */
double policy_score(const struct policy *policy, uint64_t age_bytes, double mean_bytes, bool by_count);

enum policy_verdict {
    POLICY_DROP,
    POLICY_KEEP,    /* as it is: it may not go, or is none of those that go now */
    POLICY_TO_MAIN, /* copied to the end of the main queue with the use count left */
};

/* About an entry that eviction has reached. `expires_at_ms` 0: never; `expiry_max_ms`: what goes under POLICY_NEAREST_EXPIRY. */
enum policy_verdict policy_verdict(const struct policy *policy, enum store_queue queue, uint32_t use,
                                   uint64_t expires_at_ms, uint64_t expiry_max_ms, uint32_t *ret_use);

/* Of entries of different sizes that stand in one log because there are few, those smaller than `lap_bytes` get a further round by
 * chance, so that all stay for about age x size as if each size had a log: one of half that size gets two on average. `random` is any
 * number that differs from round to round. */
bool policy_laps(const struct policy *policy, uint64_t size_bytes, uint64_t lap_bytes, uint32_t random);

/* A number from 0 to limit - 1; limit is not 0. */
uint64_t policy_chance(struct policy_state *state, uint64_t limit);

#endif
