/* core/cache/filter.c: switching the filters of stores, and what is known of them. */
#include "core/cache/internal.h"

static_assert((int)CACHE_FILTER_OFF == (int)FILTER_OFF && (int)CACHE_FILTER_SATURATED == (int)FILTER_SATURATED,
              "the states of the engine by the same numbers");
static_assert((int)CACHE_FILTER_RATE_PPM_MIN == (int)FILTER_RATE_PPM_MIN &&
                  (int)CACHE_FILTER_RATE_PPM_MAX == (int)FILTER_RATE_PPM_MAX &&
                  (int)CACHE_FILTER_RATE_PPM_DEFAULT == (int)FILTER_RATE_PPM_DEFAULT,
              "the rates of the engine");

/* The shards of a store; false if there is no such store. */
static bool shards_of(const struct cache *cache, uint32_t store, uint32_t *ret_first, uint32_t *ret_count) {
    if (store >= cache->engine->store_count)
        return false;
    *ret_first = cache->engine->stores[store].first_shard;
    *ret_count = cache->engine->stores[store].shard_count;
    return true;
}

enum status cache_filter_set(struct cache *cache, struct actor *actor, uint32_t store, bool enabled,
                             uint32_t rate_ppm) {
    uint32_t first, count, layout;
    if (!shards_of(cache, store, &first, &count))
        return STATUS_INVALID;
    if (rate_ppm == 0)
        rate_ppm = FILTER_RATE_PPM_DEFAULT;
    if (enabled)
        TRY(filter_layout_for(rate_ppm, &layout));
    for (uint32_t at = first; at < first + count; at++) {
        struct shard *shard = &cache->engine->shards[at];
        bool lock = !store_held(actor, at);
        if (lock)
            store_lock(cache->engine, actor, at);
        if (enabled)
            filter_enable(shard, rate_ppm, layout);
        else
            filter_disable(cache->engine, actor, shard);
        if (lock)
            store_unlock(cache->engine, actor, at);
    }
    return STATUS_OK;
}

/* The worst of its shards is what a store's filter is. */
static enum cache_filter_state worse(enum cache_filter_state a, enum filter_state b) {
    static const uint8_t badness[] = {[FILTER_OFF] = 0, [FILTER_ON] = 1, [FILTER_BUILDING] = 2, [FILTER_SATURATED] = 3};
    return badness[a] >= badness[b] ? a : (enum cache_filter_state)b;
}

static void add_shard(struct cache *cache, struct actor *actor, uint32_t at, struct cache_filter_info *info) {
    bool lock = !store_held(actor, at);
    if (lock)
        store_lock(cache->engine, actor, at);
    struct filter_facts facts = filter_facts_of(cache->engine, &cache->engine->shards[at]);
    if (lock)
        store_unlock(cache->engine, actor, at);
    info->state = worse(info->state, facts.state);
    info->short_of_memory |= facts.starved;
    info->hopeless |= facts.stuck;
    info->progress += facts.building ? facts.progress : facts.state == FILTER_ON || facts.state == FILTER_OFF;
    info->wanted_rate_ppm = facts.wanted_rate_ppm;
    /* Absent keys meet each shard alike. */
    info->expected_rate += facts.expected_rate;
    info->entries += facts.entries;
    info->slots += facts.slots;
    info->bytes += facts.bytes;
    info->mark_bits = facts.bits;
    info->bucket_slots = facts.slots_a_bucket;
}

enum status cache_filter_info(struct cache *cache, struct actor *actor, uint32_t store,
                              struct cache_filter_info *ret_info) {
    uint32_t first, count;
    if (!shards_of(cache, store, &first, &count))
        return STATUS_INVALID;
    struct cache_filter_info info = {0};
    for (uint32_t at = first; at < first + count; at++)
        add_shard(cache, actor, at, &info);
    info.progress /= count;
    info.expected_rate /= count;
    *ret_info = info;
    return STATUS_OK;
}
