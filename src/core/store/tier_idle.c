/* core/store/tier_idle.c: what nobody uses goes down before memory is short. */
#include "base/assert.h"
#include "core/store/tier.h"

enum {
    SLICE_ENTRIES = 1024,    /* looked at under one lock, */
    SLICE_BYTES = 256 << 10, /* and handed over: some hundred microseconds */
    SLICE_ROWS = 4096,       /* of the segment table */
};

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)

void tier_walk_dropped(const struct engine *engine, const struct shard *shard, uint32_t number) {
    struct tier_shard *part = tier_of(engine, shard);
    if (part->idle_segment == number)
        part->idle_segment = 0;
}

/* What is there may be evicted at any time: what may never be stays in memory. */
static bool may_go(const struct engine *engine, const struct shard *shard, const struct entry *entry) {
    const struct policy *policy = &policies[store_policy_of(engine, shard)];
    return policy->evicts && (!policy->expiring_only || entry->expires_at_ms);
}

/* Whether a segment is full, of the main queue, and older than that; `ret_shard`: whose. */
static bool is_old(const struct engine *engine, uint32_t number, uint64_t now_ms, uint64_t idle_ms,
                   uint32_t *ret_shard) {
    const struct segment *segment = &engine->range.segments[number];
    uint64_t base_ms = __atomic_load_n(&segment->base_ms, __ATOMIC_RELAXED);
    *ret_shard = atomic_load_explicit(&segment->shard, memory_order_acquire);
    return *ret_shard < engine->shard_count && GET(segment->kind) == SEGMENT_LOG && GET(segment->sealed) &&
           GET(segment->live) != 0 && store_queue_of_log(GET(segment->log)) == STORE_MAIN && now_ms > base_ms &&
           now_ms - base_ms >= idle_ms && store_is_tiered(&engine->shards[*ret_shard]);
}

/* The entry at a location, if the index leads to it, nobody has used it, and it may go. */
static bool is_unused(const struct engine *engine, struct shard *shard, uint64_t location, const struct entry *entry,
                      uint64_t hash, struct store_spot *ret_spot) {
    struct index_place place = index_place_of(&engine->range, &shard->index, hash);
    *ret_spot = (struct store_spot){.bucket = place.bucket, .location = location, .entry = *entry};
    ret_spot->cell = index_find(&engine->range, &shard->index, hash, location);
    return ret_spot->cell && cell_use(GET(*ret_spot->cell)) == 0 && may_go(engine, shard, entry);
}

/* Goes on with a shard's walk. False: the tier takes no more. */
static bool walk_on(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct tier_shard *part = tier_of(engine, shard);
    uint32_t number = part->idle_segment;
    struct segment *segment = &engine->range.segments[number];
    uint64_t begin = range_segment_at(&engine->range, number), bytes = 0;
    uint32_t used = GET(segment->used);
    for (uint32_t seen = 0; part->idle_offset < used && seen < SLICE_ENTRIES && bytes < SLICE_BYTES; seen++) {
        uint64_t location = begin + part->idle_offset, hash = store_hash_at(engine, location);
        struct store_spot spot;
        struct entry entry;
        bool whole = store_entry_at(engine, location, &entry);
        ASSERT(whole && entry.size > 0);
        if (is_unused(engine, shard, location, &entry, hash, &spot)) {
            uint64_t size = entry.size + store_owned_bytes(engine, location, &entry);
            enum tier_refusal refusal = tier_put_down(engine, actor, shard, hash, &spot);
            if (refusal == TIER_OVER_BUDGET || refusal == TIER_BUSY || refusal == TIER_NO_MEMORY)
                return false;
            if (refusal == TIER_TAKEN) {
                bytes += size;
                tier_count(engine->tier, TIER_DOWN_IDLE, 1);
            }
        }
        part->idle_offset += entry.size;
    }
    if (part->idle_offset < used)
        return true;
    part->idle_segment = 0;
    if (GET(segment->live) == 0)
        store_drop_segment(engine, actor, shard, number);
    return true;
}

/* Walks a segment, or goes on with the one that its shard's walk rests on. */
static bool walk(struct engine *engine, struct actor *actor, uint32_t at, uint32_t number, uint64_t idle_ms) {
    struct shard *shard = &engine->shards[at];
    struct tier_shard *part = tier_of(engine, shard);
    uint32_t owner;
    store_lock(engine, actor, at);
    if (part->idle_segment == 0 && is_old(engine, number, actor->now_ms, idle_ms, &owner) && owner == at) {
        part->idle_segment = number;
        part->idle_offset = 0;
    }
    bool taken = part->idle_segment == 0 || walk_on(engine, actor, shard);
    store_unlock(engine, actor, at);
    return taken;
}

bool tier_idle(struct engine *engine, struct actor *actor, uint64_t idle_ms) {
    if (!engine->tier)
        return false;
    _Atomic uint32_t *idle_at = &engine->tier->idle_at;
    uint32_t count = GET(engine->range.head->never_used) - 1, from = GET(*idle_at), shard;
    for (uint32_t i = 0; i < SLICE_ROWS && from + i < count; i++) {
        uint32_t number = 1 + from + i;
        if (!is_old(engine, number, actor->now_ms, idle_ms, &shard))
            continue;
        bool taken = walk(engine, actor, shard, number, idle_ms);
        bool rests = GET(engine->tier->shards[shard].idle_segment) != 0;
        atomic_store_explicit(idle_at, from + i + (rests ? 0 : 1), memory_order_relaxed);
        return taken;
    }
    bool more = from + SLICE_ROWS < count;
    atomic_store_explicit(idle_at, more ? from + SLICE_ROWS : 0, memory_order_relaxed);
    return more;
}
