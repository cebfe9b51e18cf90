#include "core/store/claim.h"

enum {
    RESERVE_PERCENT = 8,
    CHANGES_SHARE = 32, /* of a cap, or a segment, that only changes of what is there may use */
};

static enum store_policy policy_of(const struct engine *engine, uint32_t store) {
    return (enum store_policy)atomic_load_explicit(&engine->stores[store].policy, memory_order_relaxed);
}

static uint64_t guaranteed_to(const struct engine *engine, uint32_t store) {
    return atomic_load_explicit(&engine->stores[store].guaranteed_bytes, memory_order_relaxed);
}

static bool gives_back(const struct engine *engine, uint32_t store) {
    enum store_policy policy = policy_of(engine, store);
    return policy != STORE_NOEVICTION && !(policy >= STORE_VOLATILE_LRU && policy <= STORE_VOLATILE_TTL);
}

static uint64_t limit_bytes(const struct engine *engine) {
    return (uint64_t)atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed)
           << engine->range.segment_shift;
}

static uint64_t without_reserve(uint64_t bytes) { return bytes / 100 * (100 - RESERVE_PERCENT); }

uint64_t claim_fixed_bytes(const struct engine *engine) {
    uint64_t bytes =
        engine_live(engine) + ((uint64_t)atomic_load_explicit(&engine->range.head->fixed, memory_order_relaxed)
                               << engine->range.segment_shift);
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        const struct object_heap *heap = &engine->shards[i].objects;
        uint64_t floor = object_floor(&engine->range, heap),
                 live = atomic_load_explicit(&heap->live, memory_order_relaxed);
        bytes += floor > live ? floor - live : 0;
    }
    return bytes;
}

bool claim_is_tight(const struct engine *engine) {
    return claim_fixed_bytes(engine) >= without_reserve(limit_bytes(engine));
}

void claim_make(const struct engine *engine, uint32_t store, struct claim *ret_claim) {
    bool others = false;
    for (uint32_t i = 0; i < engine->store_count; i++) {
        ret_claim->gives[i] =
            policy_of(engine, i) != STORE_NOEVICTION && store_bytes(engine, i) > guaranteed_to(engine, i);
        others |= ret_claim->gives[i] && i != store;
    }
    if (!others)
        ret_claim->gives[store] = policy_of(engine, store) != STORE_NOEVICTION;
}

/* Bytes that eviction could take from `from` for `store`. */
static uint64_t could_give(const struct engine *engine, uint32_t from, uint32_t store) {
    enum store_policy policy = policy_of(engine, from);
    if (policy == STORE_NOEVICTION)
        return 0;
    uint64_t goes = 0, live = store_live_bytes(engine, from), keeps = from == store ? 0 : guaranteed_to(engine, from);
    const struct store *giver = &engine->stores[from];
    if (gives_back(engine, from))
        goes = live;
    else
        for (uint32_t i = giver->first_shard; i < giver->first_shard + giver->shard_count; i++)
            goes += shard_expiring_live(&engine->shards[i]);
    uint64_t spare = live > keeps ? live - keeps : 0;
    return goes < spare ? goes : spare;
}

bool claim_is_full(const struct engine *engine, uint32_t store) {
    if (engine->store_count == 1 && gives_back(engine, store))
        return false;
    uint64_t stays = claim_fixed_bytes(engine);
    for (uint32_t i = 0; i < engine->store_count; i++) {
        /* A value that entries share counts with each of them, so the sum may be more than there is. */
        uint64_t goes = could_give(engine, i, store);
        stays -= goes < stays ? goes : stays;
    }
    return stays >= without_reserve(limit_bytes(engine));
}

uint64_t claim_cap_bytes(const struct engine *engine, uint32_t store) {
    if (gives_back(engine, store))
        return UINT64_MAX;
    uint64_t cap = limit_bytes(engine);
    for (uint32_t i = 0; i < engine->store_count; i++) {
        uint64_t theirs = i == store ? 0 : guaranteed_to(engine, i);
        cap -= theirs < cap ? theirs : cap;
    }
    return cap;
}

uint64_t claim_cap_of_new_bytes(const struct engine *engine, uint32_t store) {
    if (gives_back(engine, store))
        return UINT64_MAX;
    uint64_t cap = claim_cap_bytes(engine, store), size = range_segment_size(&engine->range);
    uint64_t kept = cap / CHANGES_SHARE > size ? cap / CHANGES_SHARE : size;
    return cap - (kept < cap ? kept : cap);
}

bool claim_is_over(const struct engine *engine, uint32_t store, uint64_t bytes) {
    if (gives_back(engine, store))
        return false;
    uint64_t cap = bytes ? claim_cap_of_new_bytes(engine, store) : claim_cap_bytes(engine, store);
    return store_bytes(engine, store) + bytes > cap;
}
