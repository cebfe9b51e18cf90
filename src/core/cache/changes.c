/* core/cache/changes.c: who is told of what happens to entries, and who is asked about it. */
#include "core/cache/internal.h"

void cache_changes_want(struct cache *cache, uint32_t wanted) {
    struct store_changes *changes = &cache->engine->changes;
    wanted = (changes->call ? wanted & ~(1u << STORE_NOTED) : 0) | (is_journaled(cache) ? 1u << STORE_NOTED : 0);
    atomic_store_explicit(&changes->wanted, wanted, memory_order_relaxed);
}

void cache_changes_pass(struct cache *cache, struct actor *actor) {
    struct engine *engine = cache->engine;
    ASSERT(!cache_locked(actor));
    /* What begins later in a shard takes its lock after this, and sees what was asked for. */
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        store_lock(engine, actor, i);
        store_unlock(engine, actor, i);
    }
}

void cache_tell_pattern(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern) {
    store_tell(cache->engine, actor, CACHE_PATTERN_GOING, place, pattern);
}

void cache_tell_matcher(struct cache *cache, struct actor *actor, uint32_t place, const struct cache_matcher *matcher) {
    store_tell(cache->engine, actor, CACHE_MATCHER_GOING, place, slice_make((const uint8_t *)&matcher, sizeof matcher));
}

uint64_t cache_hash_at(const struct cache *cache, uint32_t place, struct slice name) {
    return store_hash(cache->engine, place, name);
}

void cache_tell_miss(struct cache *cache, struct actor *actor, const struct cache_key *key) {
    store_tell(cache->engine, actor, CACHE_MISSED, key->db, key->name);
}

uint32_t cache_db_of(const struct cache *cache, uint32_t place) {
    ASSERT(place < CACHE_DATABASES);
    for (;;) /* in the moment of a swap one place is that of two databases, and another of none */
        for (uint32_t db = 0; db < CACHE_DATABASES; db++)
            if (engine_db(cache, db) == place)
                return db;
}

void cache_rules_ask(struct cache *cache, bool asked) {
    ASSERT(!asked || cache->rules.terms);
    if (asked)
        atomic_fetch_or_explicit(&cache->dressed, DRESS_RULES, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&cache->dressed, (unsigned char)~DRESS_RULES, memory_order_relaxed);
}
