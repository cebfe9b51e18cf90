/* core/cache/glance.h: cache_glance and cache_glance_copy as inline code, for the one place that reads most of all.
 *
 * What is plain, and still where cache_entries_ahead saw it, is found and copied without a call; everything else takes
 * cache_glance. It shows its includer the inside of the engine: prefer cache.h.
 *
 * Threads: any.
 */
#ifndef STRATA_CORE_CACHE_GLANCE_H
#define STRATA_CORE_CACHE_GLANCE_H

#include "core/cache/internal.h"

/* A value in its entry. */
struct glance_value {
    const uint8_t *bytes; /* NULL: there is none */
    uint64_t size;
};

/* Of an entry in database 0 that has more than key and value (a version, an expiry, tags): its value, if it is this key's short string and
 * lives. */
struct glance_value cache_glance_dressed(const struct engine *engine, uint64_t now_ms, struct slice name,
                                         const uint8_t *entry);

/* Looks for a plain entry in the cell that was noted ahead, or for one with an expiry or tags. The key's bytes decide; its fingerprint would only save
 * looking at them. */
static inline bool glance_ahead(const struct cache *cache, uint64_t now_ms, const struct cache_key *key,
                                struct cache_sight *ret_sight) {
    const struct engine *engine = cache->engine;
    const struct shard *shard = &engine->shards[store_shard_of(engine, key->hash)];
    const struct index_bucket *bucket = key->bucket;
    const _Atomic uint64_t *cell_at = key->hint;
    uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_acquire);
    if (shape != key->shape || !index_is_in(bucket, cell_at) || engine->sessions || key->place != 0 ||
        !engine_db_is_plainly(cache, key->db, 0))
        return false;
    uint32_t number = atomic_load_explicit(&bucket->number, memory_order_acquire), value_at, size;
    uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed);
    if ((number & 1) || cell >> 48 == 0)
        return false;
    const uint8_t *entry = engine->range.base + cell_location(cell), *value;
    if (__builtin_expect(store_entry_is_plain(&engine->range, entry, key->name.size, &value_at, &size), 1)) {
        value = entry + value_at;
        if (!words_equal(value - key->name.size, key->name.data, key->name.size))
            return false;
    } else {
        struct glance_value dressed = cache_glance_dressed(engine, now_ms, key->name, entry);
        value = dressed.bytes;
        size = (uint32_t)dressed.size;
    }
    if (!value || size > CACHE_GLANCE_MAX)
        return false;
    *ret_sight = (struct cache_sight){size, number, shard, bucket, shape, cell, cell_at, value};
    return true;
}

static inline enum cache_glance glance(const struct cache *cache, struct actor *actor, const struct cache_key *key,
                                       struct cache_sight *ret_sight) {
    if (__builtin_expect(glance_ahead(cache, actor->now_ms, key, ret_sight), 1))
        return CACHE_GLANCE_HIT;
    struct cache_sight sight; /* another one, so that the caller's can stay in registers */
    enum cache_glance glance = cache_glance(cache, actor, key, &sight);
    if (glance == CACHE_GLANCE_HIT)
        *ret_sight = sight;
    return glance;
}

static inline bool glance_copy(struct actor *actor, const struct cache_sight *sight, uint8_t *to) {
    const struct shard *shard = sight->shard;
    const struct index_place place = {(struct index_bucket *)(uintptr_t)sight->bucket, sight->shape, 0};
    words_read_short(to, sight->bytes, sight->size);
    if (__builtin_expect(!index_read_holds(&shard->index, &place, sight->number), 0))
        return false;
    actor->counts.hits++;
    if (actor->of_store)
        actor->of_store[shard->store].hits++;
    cell_count_use((_Atomic uint64_t *)(uintptr_t)sight->cell_at, sight->cell);
    return true;
}

#endif
