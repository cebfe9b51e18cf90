/* core/cache/stores.c: calls about named stores. */
#include "core/cache/internal.h"
#include "core/store/claim.h"
#include "core/store/pattern.h"
#include "core/store/tier.h"

uint32_t cache_store_count(const struct cache *cache) { return cache->engine->store_count; }

bool cache_store_find(const struct cache *cache, struct slice name, uint32_t *ret_store) {
    for (uint32_t i = 0; i < cache->engine->store_count; i++)
        if (cache_store_is_there(cache, i) && slice_equal(slice_from_string(cache->engine->stores[i].name), name)) {
            *ret_store = i;
            return true;
        }
    return false;
}

uint32_t cache_store_of(const struct cache *cache, const struct cache_key *key) {
    return cache->engine->shards[store_shard_of(cache->engine, key->hash)].store;
}

/* Adds a segment to what its use takes. */
static void add_segment(const struct range *range, const struct segment *segment, struct cache_store_info *info) {
    uint64_t size = range_segment_size(range);
    switch (atomic_load_explicit(&segment->kind, memory_order_relaxed)) {
        case SEGMENT_LOG:
            info->log_bytes += size;
            break;
        case SEGMENT_FILTER:
            info->filter_bytes += size;
            break;
        case SEGMENT_OBJECTS:
            info->object_bytes += size;
            break;
        default:
            break;
    }
}

void cache_store_info(const struct cache *cache, uint32_t store, struct cache_store_info *ret_info) {
    const struct engine *engine = cache->engine;
    const struct store *record = &engine->stores[store];
    *ret_info = (struct cache_store_info){
        .name = record->name,
        .policy = (enum cache_policy)atomic_load_explicit(&record->policy, memory_order_relaxed),
        .share_permille = atomic_load_explicit(&record->share_permille, memory_order_relaxed),
        .shards = record->shard_count,
        .guaranteed_bytes = atomic_load_explicit(&record->guaranteed_bytes, memory_order_relaxed),
        .entries_max = atomic_load_explicit(&record->entries_max, memory_order_relaxed),
        .ttl_ms = atomic_load_explicit(&record->ttl_ms, memory_order_relaxed),
        .live_bytes = store_live_bytes(engine, store),
        .reserved_bytes = atomic_load_explicit(&record->reserved_bytes, memory_order_relaxed),
    };
    uint32_t end = record->first_shard + record->shard_count;
    for (uint32_t i = record->first_shard; i < end; i++) {
        ret_info->index_bytes += index_bytes(&engine->range, &engine->shards[i].index);
        ret_info->tier_bytes += tier_cell_bytes(engine, i);
        ret_info->ghost_bytes += (uint64_t)engine->shards[i].ghosts.unit_count * engine->range.head->unit_size;
        ret_info->large_bytes += atomic_load_explicit(&engine->shards[i].extents_live, memory_order_relaxed);
        for (uint32_t db = 0; db < RANGE_DATABASES; db++) {
            ret_info->entries += atomic_load_explicit(&engine->shards[i].entries[db], memory_order_relaxed);
            ret_info->expiring += atomic_load_explicit(&engine->shards[i].expiring[db], memory_order_relaxed);
        }
    }
    uint32_t used = atomic_load_explicit(&engine->range.head->never_used, memory_order_relaxed);
    for (uint32_t number = 1; number < used; number++) {
        uint32_t shard = atomic_load_explicit(&engine->range.segments[number].shard, memory_order_relaxed);
        if (shard >= record->first_shard && shard < end)
            add_segment(&engine->range, &engine->range.segments[number], ret_info);
    }
    ret_info->bytes = ret_info->log_bytes + ret_info->index_bytes + ret_info->ghost_bytes + ret_info->filter_bytes +
                      ret_info->object_bytes + ret_info->large_bytes + ret_info->tier_bytes;
}

void cache_store_flush(struct cache *cache, struct actor *actor, uint32_t store) {
    const struct store *record = &cache->engine->stores[store];
    bool taken = !cache_locked(actor);
    if (taken)
        cache_lock_all(cache, actor, 0);
    for (uint32_t i = record->first_shard; i < record->first_shard + record->shard_count; i++) {
        ASSERT(store_held(actor, i));
        clear_shard(cache, actor, &cache->engine->shards[i], true);
    }
    /* Watches of keys in other stores break as well: rare, and on the safe side. */
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        atomic_fetch_add_explicit(&cache->epochs[db], 1, memory_order_relaxed);
    if (is_journaled(cache))
        journal_note(cache, actor,
                     &(struct record_part){.kind = RECORD_FLUSH_STORE, .name = slice_from_string(record->name)});
    store_tell(cache->engine, actor, CACHE_FLUSHED, CACHE_DATABASES, slice_from_string(record->name));
    if (taken)
        cache_unlock(cache, actor);
}

enum status cache_store_guarantee_set(struct cache *cache, uint32_t store, uint32_t share_permille, uint64_t bytes) {
    return store_guarantee_set(cache->engine, store, share_permille, bytes);
}

enum status cache_store_entries_max_set(struct cache *cache, uint32_t store, uint64_t entries_max) {
    if (entries_max && entries_max < CACHE_ENTRIES_MAX_MIN)
        return STATUS_INVALID;
    atomic_store_explicit(&cache->engine->stores[store].entries_max, entries_max, memory_order_relaxed);
    return STATUS_OK;
}

enum status cache_store_policy_set(struct cache *cache, uint32_t store, enum cache_policy policy) {
    struct store *record = &cache->engine->stores[store];
    if (policy >= CACHE_POLICY_COUNT || (policy == CACHE_SESSION) != (record->by_session != 0))
        return STATUS_INVALID;
    if (!claim_fits(cache->engine, store, (enum store_policy)policy, 0))
        return STATUS_FULL;
    atomic_store_explicit(&record->policy, policy, memory_order_relaxed);
    return STATUS_OK;
}

void cache_store_ttl_set(struct cache *cache, uint32_t store, uint64_t ttl_ms) {
    atomic_store_explicit(&cache->engine->stores[store].ttl_ms, ttl_ms, memory_order_relaxed);
}

enum status cache_policy_set(struct cache *cache, enum cache_policy policy) {
    return cache_store_policy_set(cache, 0, policy);
}

const char *cache_policy_name(enum cache_policy policy) {
    static const char names[][16] = {
        [CACHE_NOEVICTION] = "noeviction",
        [CACHE_ALLKEYS_LRU] = "allkeys-lru",
        [CACHE_ALLKEYS_LFU] = "allkeys-lfu",
        [CACHE_ALLKEYS_RANDOM] = "allkeys-random",
        [CACHE_VOLATILE_LRU] = "volatile-lru",
        [CACHE_VOLATILE_LFU] = "volatile-lfu",
        [CACHE_VOLATILE_RANDOM] = "volatile-random",
        [CACHE_VOLATILE_TTL] = "volatile-ttl",
        [CACHE_SESSION] = "session",
    };
    static_assert(sizeof names / sizeof *names == CACHE_POLICY_COUNT, "every policy has a name");
    return names[policy];
}

const char *cache_policy_method(enum cache_policy policy) { return policies[policy].method; }

enum cache_policy cache_policy_now(const struct cache *cache) {
    return (enum cache_policy)atomic_load_explicit(&cache->engine->stores[0].policy, memory_order_relaxed);
}
