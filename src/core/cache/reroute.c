/* core/cache/reroute.c: stores that come and go, and keys that change their store. */
#include "core/cache/internal.h"
#include "core/store/claim.h"

enum {
    MOVE_TRIES = 4,
    MOVE_SCAN_COUNT = 256,
    ENDS =
        1 << CACHE_EXPIRED | 1 << CACHE_EVICTED | 1 << CACHE_INVALIDATED | 1 << CACHE_FLUSHED | 1 << CACHE_STALE_GONE,
};

static_assert((int)CACHE_RANK_FIRST == (int)STORE_FIRST && (int)CACHE_RANK_USUAL == (int)STORE_USUAL &&
                  (int)CACHE_RANK_LAST == (int)STORE_LAST,
              "ranks by the same numbers");

void cache_store_bounds_set(struct cache *cache, uint32_t store, const struct cache_bounds *bounds) {
    store_bounds_set(cache->engine, store,
                     &(struct store_bounds){.quota_permille = bounds->quota_permille,
                                            .quota_bytes = bounds->quota_bytes,
                                            .refuses = bounds->refuses,
                                            .rank = (enum store_rank)bounds->rank});
}

bool cache_store_is_there(const struct cache *cache, uint32_t store) {
    return store < cache->engine->store_count && !store_is_given_up(&cache->engine->stores[store]);
}

enum status cache_store_add(struct cache *cache, struct actor *actor, const struct cache_store *store,
                            uint32_t *ret_store) {
    ASSERT(store->pattern_count == 0 && !cache_locked(actor));
    const struct store_options options = {.name = store->name,
                                          .share_permille = store->share_permille,
                                          .guaranteed_bytes = store->guaranteed_bytes,
                                          .entries_max = store->entries_max,
                                          .ttl_ms = store->ttl_ms,
                                          .policy = (enum store_policy)store->policy};
    return engine_store_add(cache->engine, actor, &options, ret_store);
}

void cache_store_head_set(struct cache *cache, uint32_t store, struct slice pattern) {
    cache->engine->heads[store] = pattern;
}

/* What is left there is what nobody sees any more. */
void cache_store_give_up(struct cache *cache, struct actor *actor, uint32_t store) {
    const struct store *record = &cache->engine->stores[store];
    enum status status = cache_filter_set(cache, actor, store, false, 0);
    ASSERT(status == STATUS_OK);
    cache_lock_all(cache, actor, 0);
    for (uint32_t i = record->first_shard; i < record->first_shard + record->shard_count; i++)
        clear_shard(cache, actor, &cache->engine->shards[i], true);
    cache_unlock(cache, actor);
    engine_store_give_up(cache->engine, store);
}

/* ------------------------------------------------------------------------------------------ moving */

struct moving {
    struct cache *cache;
    struct actor *actor;
    uint32_t place;
    struct store_router before, after;
    struct cache_rerouted *counts;
};

static void use_router(struct engine *engine, const struct store_router *router) {
    engine->router = *router;
    engine->routed = router->store != NULL || engine->route_count > 0;
}

/* The value in memory of our own: what is written must not point into the cache. */
static enum status put_again(struct cache_edit *from, struct cache_edit *to) {
    const struct memory *memory = from->cache->memory;
    struct cache_kept_tags kept;
    uint8_t *bytes = memory_take(memory, from->size ? from->size : 1);
    if (!bytes)
        return STATUS_NO_MEMORY;
    cache_edit_copy_out(from, 0, bytes, from->size);
    if (!cache_edit_keep_tags(from, &kept))
        kept.version = from->version;
    to->kept = &kept;
    enum status status = cache_edit_set(to, from->type, slice_make(bytes, from->size), from->expires_at_ms);
    cache_give_tags(from->cache, from->actor, &kept);
    memory_give(memory, bytes, from->size ? from->size : 1);
    return status;
}

static enum status move_once(const struct moving *moving, const struct cache_key keys[2], uint64_t bytes,
                             bool *ret_moved) {
    struct cache_edit from, to;
    enum status status = STATUS_OK;
    cache_lock_keys(moving->cache, moving->actor, keys, 2, bytes);
    cache_edit_begin(moving->cache, moving->actor, &keys[0], &from);
    cache_edit_begin(moving->cache, moving->actor, &keys[1], &to);
    moving->actor->noted.silent = from.found; /* the key has what it had */
    if (from.found)
        status = put_again(&from, &to);
    *ret_moved = from.found && status == STATUS_OK;
    if (from.stale)
        tell(&from, CACHE_STALE_GONE);
    if (*ret_moved || from.nothing || from.stale) /* which nobody would reach there */
        cache_edit_undo(&from);
    moving->actor->noted.silent = false;
    cache_edit_end(&to);
    cache_edit_end(&from);
    cache_unlock(moving->cache, moving->actor);
    return status;
}

/* An entry that cannot be taken along goes: at its old place nobody would find it, until it came back when it is out of date. */
static void move(void *context, struct slice name, const struct cache_info *info) {
    const struct moving *moving = context;
    struct engine *engine = moving->cache->engine;
    uint32_t db = cache_db_of(moving->cache, moving->place);
    struct cache_key keys[2];
    use_router(engine, &moving->before);
    keys[0] = cache_key(moving->cache, db, name);
    use_router(engine, &moving->after);
    keys[1] = cache_key(moving->cache, db, name);
    if (cache_store_of(moving->cache, &keys[0]) == cache_store_of(moving->cache, &keys[1]))
        return;
    enum status status = STATUS_FULL;
    bool moved = false; /* else it has been moved before, and comes again from its new place */
    for (int i = 0; i < MOVE_TRIES && status == STATUS_FULL; i++)
        status = move_once(moving, keys, info->size + name.size, &moved);
    moving->counts->moved += moved;
    if (status == STATUS_OK)
        return;
    struct cache_edit edit;
    cache_edit_begin(moving->cache, moving->actor, &keys[0], &edit);
    if (edit.found) {
        moving->counts->lost++;
        actor_count_removed(moving->actor, shard_of(&edit)->store, ACTOR_EVICTED);
        tell(&edit, CACHE_EVICTED);
        cache_edit_undo(&edit);
    }
    cache_edit_end(&edit);
}

void cache_reroute_again(struct cache *cache, const struct cache_router *router) {
    use_router(cache->engine, &(struct store_router){router->store, router->context});
}

void cache_reroute(struct cache *cache, struct actor *actor, const struct cache_router *router,
                   struct cache_rerouted *ret_counts) {
    struct engine *engine = cache->engine;
    uint64_t changes = actor->counts.changes;
    struct moving moving = {.cache = cache,
                            .actor = actor,
                            .before = engine->router,
                            .after = {router->store, router->context},
                            .counts = ret_counts};
    ASSERT(!cache_locked(actor));
    *ret_counts = (struct cache_rerouted){0};
    /* Nothing happens to entries that is to be told of, unless they do not come along, and the rules have nothing to say. */
    uint32_t wanted = atomic_fetch_and(&engine->changes.wanted, ENDS | 1u << STORE_NOTED);
    unsigned char dressed = atomic_fetch_and(&cache->dressed, DRESS_JOURNAL);
    claim_forget(engine);
    cache_tier_clear(cache, actor); /* whose keys nobody knows */
    use_router(engine, &moving.after);
    for (; moving.place < CACHE_DATABASES; moving.place++) {
        uint64_t cursor = 0;
        if (cache_count_place(cache, moving.place) == 0)
            continue;
        do
            cursor = cache_scan_place(cache, actor, moving.place, cursor, MOVE_SCAN_COUNT, move, &moving);
        while (cursor && cursor != CACHE_SCAN_FAILED);
        if (cursor == CACHE_SCAN_FAILED) { /* which of them are at the right place nobody knows */
            ret_counts->lost += cache_count(cache, cache_db_of(cache, moving.place));
            cache_flush(cache, actor, cache_db_of(cache, moving.place));
        }
    }
    /* A watched key has its mark elsewhere now. */
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        atomic_fetch_add_explicit(&cache->epochs[db], 1, memory_order_relaxed);
    atomic_store(&cache->dressed, dressed);
    atomic_fetch_add(&cache->moves, 1);
    atomic_store(&engine->changes.wanted, wanted);
    actor->counts.changes = changes;
}
