/* core/cache/explain.c: what only those want to know who explain why a key is there, or not. */
#include "core/cache/internal.h"

static enum cache_gone gone_by(const struct cache *cache, const struct actor *actor, const struct store_view *view,
                               struct slice name) {
    if (!view->found)
        return CACHE_GONE_ALL;
    if (store_has_expired(&view->entry, actor->now_ms) && !view->entry.invalidated)
        return CACHE_GONE_EXPIRED;
    if (store_is_gone(cache->engine, view->location, &view->entry, name,
                      actor->now_ms)) /* by tags, a ban or by its name, be it softly */
        return CACHE_GONE_DEAD;
    return view->entry.type == CACHE_NOTHING ? CACHE_GONE_NOTHING : CACHE_GONE_NOT;
}

enum cache_gone cache_look_gone(const struct cache *cache, const struct actor *actor, uint32_t place,
                                struct slice name) {
    const struct engine *engine = cache->engine;
    struct store_key wanted = {.name = name, .hash = store_hash(engine, place, name), .db = place};
    const struct shard *shard = &engine->shards[store_shard_of(engine, wanted.hash)];
    for (int tries = 0; tries < STORE_READ_TRIES; tries++) {
        struct store_view view;
        store_view_open(engine, shard, &wanted, &view);
        if (view.number & 1)
            continue;
        enum cache_gone gone = gone_by(cache, actor, &view, name);
        if (store_view_holds(shard, &view))
            return gone;
    }
    return CACHE_GONE_ALL;
}

uint32_t cache_place_of(const struct cache *cache, uint32_t db) { return engine_db(cache, db); }

bool cache_is_over_capacity(const struct cache *cache, uint32_t place, struct slice name) {
    const struct engine *engine = cache->engine;
    if (engine->store_count == 1 && !atomic_load_explicit(&engine->stores->entries_max, memory_order_relaxed))
        return false;
    uint32_t store = engine->shards[store_shard_of(engine, store_hash(engine, place, name))].store;
    uint64_t most = atomic_load_explicit(&engine->stores[store].entries_max, memory_order_relaxed);
    return most && store_entries(engine, store) > most;
}

bool cache_edit_is_in_main(const struct cache_edit *edit) {
    const struct store_spot *spot = const_spot_of(edit);
    const struct range *range = &edit->cache->engine->range;
    if (!edit->found || !spot->location)
        return false;
    const struct segment *segment = &range->segments[range_segment_of(range, spot->location)];
    return store_queue_of_log(atomic_load_explicit(&segment->log, memory_order_relaxed)) == STORE_MAIN;
}

bool cache_edit_stale_by_time(const struct cache_edit *edit) {
    const struct entry *entry = &const_spot_of(edit)->entry;
    return edit->stale && entry->softened && !entry->invalidated;
}

struct slice cache_edit_stale_by(const struct cache_edit *edit, uint8_t *name) {
    const struct store_spot *spot = const_spot_of(edit);
    struct engine *engine = edit->cache->engine;
    for (uint32_t i = 0; edit->stale && i < spot->entry.tag_count; i++) {
        uint32_t number = entry_tag(&spot->entry, engine->range.base + spot->location, i);
        if (tag_kills(&engine->range, engine->tags, number, spot->entry.stamp, true))
            return slice_make(name, tag_name(&engine->range, edit->actor, engine->tags, number, name));
    }
    return slice_make(NULL, 0);
}
