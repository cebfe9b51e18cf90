/* core/cache/set.c: the plain write, which is most of all writes, with as little around it as possible. */
#include "core/cache/internal.h"

/* What to do with what a plain write finds: an invalidated entry may be the head of a session, and of one whose time is over somebody may want
 * to know, so these go first; what nobody sees is written over as such. */
enum { OVER_SEEN, OVER_UNSEEN, OVER_NONE };
static inline int write_over(const struct engine *engine, const struct actor *actor, const struct store_spot *spot,
                             struct slice name) {
    const struct entry *entry = &spot->entry;
    if (store_is_banned(engine, entry, name))
        return OVER_NONE;
    if (__builtin_expect(!(entry->flags & (ENTRY_TAGS | ENTRY_EXPIRY | ENTRY_EXPIRY_WIDE)), 1))
        return __builtin_expect(entry->type == CACHE_NOTHING, 0) ? OVER_UNSEEN : OVER_SEEN;
    if (store_is_dead(engine, spot->location, entry, name) ||
        (store_is_wanted(engine, STORE_EXPIRED) && store_is_over(engine, spot->location, entry, name, actor->now_ms)))
        return OVER_NONE;
    if (entry->type == CACHE_NOTHING ||
        ((entry->stale || entry->tag_count) && store_is_gone(engine, spot->location, entry, name, actor->now_ms)))
        return OVER_UNSEEN;
    return OVER_SEEN;
}

/* What was put, or that it could not be. A ban may have been set since that kills it already, as what brings no stamp is older than any. */
__attribute__((noinline)) static void tell_journal(struct cache *cache, struct actor *actor,
                                                   const struct cache_key *key, const struct store_spot *spot,
                                                   struct slice value, enum status status, uint64_t promised) {
    if (status == STATUS_OK && !store_is_banned(cache->engine, &spot->entry, key->name)) {
        journal_put_plain(cache, actor, key, value, &spot->entry, promised);
        return;
    }
    if (status == STATUS_OK)
        journal_removed(cache, actor, key->place, key->name);
    if (promised)
        cache->journal.release(cache->journal.context, promised);
}

static enum status put_inline(struct cache *cache, struct actor *actor, const struct cache_key *key,
                              struct store_value *value) {
    struct engine *engine = cache->engine;
    struct store_key wanted;
    struct store_spot spot;
    uint32_t at;
    uint64_t promised = 0;
    bool lock = lock_key(cache, actor, key, &wanted, &at), journaled = is_journaled(cache);
    enum status status = STATUS_OK;
    /* Since it was asked: who waits for the lock may be overtaken by whoever loads rules. */
    if (is_ruled(cache) || (journaled && !lock))
        status = STATUS_AGAIN;
    else if (journaled)
        status = journal_ask_plain(cache, actor, key, value->value, &promised);
    if (__builtin_expect(status != STATUS_OK, 0)) {
        if (lock)
            store_unlock_plainly(engine, actor, at);
        return status;
    }
    struct shard *shard = &engine->shards[at];
    tidy_session(cache, actor, shard, &wanted);
    store_find(engine, shard, &wanted, &spot);
    int over = spot.location ? write_over(engine, actor, &spot, key->name) : OVER_SEEN;
    value->unseen = over == OVER_UNSEEN;
    if (__builtin_expect(over == OVER_NONE, 0)) {
        store_remove_gone(engine, actor, shard, &spot);
        store_find(engine, shard, &wanted, &spot);
    }
    value->expires_at_ms = expiry_of_new(cache, actor, wanted.hash, value->expires_at_ms);
    status = store_put(engine, actor, shard, &wanted, value, &spot);
    if (status == STATUS_OK) {
        mark_change(cache, wanted.hash);
        actor->counts.changes++;
    }
    if (journaled)
        tell_journal(cache, actor, key, &spot, value->value, status, promised);
    if (lock) {
        store_unlock(engine, actor, at);
        trim_store(cache, actor, shard->store);
    }
    return status;
}

/* The plain write is most of all writes: what goes into a log is found, put and marked without an edit around it. An
 * expired entry is simply overwritten. In a range so small that no segment is kept ahead, room is made when it is found that there is
 * none where the entry goes. */
static enum status set_inline(struct cache *cache, struct actor *actor, const struct cache_key *key,
                              struct store_value *value) {
    struct engine *engine = cache->engine;
    uint32_t store = cache_store_of(cache, key);
    if (!actor->promised && __builtin_expect(range_keeps_ahead(&engine->range), 1))
        prepare_store(cache, actor, store, 0);
    enum status status = put_inline(cache, actor, key, value);
    for (int i = 0; __builtin_expect(status == STATUS_FULL, 0) && i < CACHE_WRITE_TRIES; i++) {
        if (!cache_make_room(cache, actor, key, 0))
            break;
        status = put_inline(cache, actor, key, value);
    }
    return status;
}

/* A plain value over another, where it was seen ahead: no room is needed, and nothing is counted in or out. False: nothing has
 * happened. */
static inline bool overwrite_ahead(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                   struct slice value) {
    struct engine *engine = cache->engine;
    uint32_t at = store_shard_of(engine, key->hash);
    const struct shard *shard = &engine->shards[at];
    if (!key->hint || engine->sessions || store_is_wanted(engine, STORE_REPLACED) || store_held(actor, at) ||
        atomic_load_explicit(&engine->stores[shard->store].ttl_ms, memory_order_relaxed))
        return false;
    store_lock(engine, actor, at);
    const struct store_key wanted = {key->name, key->hash, key->place, key->hint, key->bucket, key->shape};
    uint64_t promised = 0;
    bool journaled = is_journaled(cache);
    /* Asked again: somebody may have begun to want to know while this waited for the lock. */
    bool done = !is_ruled(cache) && !store_is_wanted(engine, STORE_REPLACED) &&
                engine_db_is_plainly(cache, key->db, key->place) &&
                atomic_load_explicit(&shard->index.shape, memory_order_relaxed) == key->shape &&
                (!journaled || journal_ask_plain(cache, actor, key, value, &promised) == STATUS_OK) &&
                store_overwrite(engine, &wanted, value);
    if (journaled && done)
        journal_put_plain(cache, actor, key, value, NULL, promised);
    else if (promised)
        cache->journal.release(cache->journal.context, promised);
    if (done) {
        mark_change(cache, key->hash);
        actor->counts.changes++;
    }
    store_unlock_plainly(engine, actor, at);
    return done;
}

/* A value that goes into extents is written before the shard's lock is taken: 100 MiB take some 20 ms. */
static enum status set_large_once(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                  struct slice value, uint64_t expires_at_ms) {
    struct range *range = &cache->engine->range;
    struct extents chain;
    struct cache_edit edit;
    TRY(edit_take_extents(range, actor, value.size, &chain));
    edit_fill_extents(range, chain.first, 0, value.data, value.size);
    cache_edit_begin(cache, actor, key, &edit);
    enum status status = edit_put_extents(&edit, chain, value.size, CACHE_STRING, expires_at_ms, NULL);
    cache_edit_end(&edit);
    return status;
}

/* Before others' entries go for it. */
static enum status fits_quota(struct cache *cache, struct actor *actor, const struct cache_key *key, uint64_t size) {
    struct cache_upload upload = {.size = size};
    TRY(cache_upload_aim(cache, actor, &upload, key));
    cache_upload_drop(cache, actor, &upload);
    return STATUS_OK;
}

static enum status set_large(struct cache *cache, struct actor *actor, const struct cache_key *key, struct slice value,
                             uint64_t expires_at_ms) {
    bool locked = cache_locked(actor);
    enum status status = STATUS_FULL;
    if (value.size > CACHE_VALUE_SIZE_MAX || key->name.size > store_name_max(cache->engine))
        return STATUS_TOO_LARGE;
    if (!locked)
        TRY(fits_quota(cache, actor, key, value.size));
    for (int i = 0; status == STATUS_FULL && i < (locked ? 1 : CACHE_WRITE_TRIES); i++) {
        cache_prepare(cache, actor, key, value.size + (uint64_t)i * range_segment_size(&cache->engine->range));
        status = set_large_once(cache, actor, key, value, expires_at_ms);
    }
    if (actor->promised && !locked)
        reclaim_release_promise(cache->engine, actor);
    return status;
}

/* By an edit, so that rules are followed, and all that the actor's locks change is one record. Other than what is set plainly, it may need room for its tags as well. */
static enum status set_dressed(struct cache *cache, struct actor *actor, const struct cache_key *key,
                               struct slice value, uint64_t expires_at_ms) {
    enum status status = STATUS_FULL;
    for (int i = 0; status == STATUS_FULL && i < CACHE_WRITE_TRIES; i++) {
        struct cache_edit edit;
        if (i > 0 && !cache_make_room(cache, actor, key, 0))
            break;
        cache_edit_begin(cache, actor, key, &edit);
        status = cache_edit_set(&edit, CACHE_STRING, value, expires_at_ms);
        cache_edit_end(&edit);
    }
    return status;
}

enum status cache_set(struct cache *cache, struct actor *actor, const struct cache_key *key, struct slice value,
                      uint64_t expires_at_ms) {
    const uint32_t tag_count = is_ruled(cache) ? CACHE_RULE_TAGS_MAX : 0;
    const bool is_inline = key->name.size <= store_name_max(cache->engine) &&
                           edit_goes_inline(cache->engine, key->name.size, tag_count, value.size);
    if (is_ruled(cache) || (is_journaled(cache) && cache_locked(actor)))
        return is_inline ? set_dressed(cache, actor, key, value, expires_at_ms)
                         : set_large(cache, actor, key, value, expires_at_ms);
    if (expires_at_ms == 0 && overwrite_ahead(cache, actor, key, value))
        return STATUS_OK;
    if (!is_inline)
        return set_large(cache, actor, key, value, expires_at_ms);
    struct store_value wanted = {.expires_at_ms = expires_at_ms, .value = value};
    enum status status = set_inline(cache, actor, key, &wanted);
    return __builtin_expect(status == STATUS_AGAIN, 0) ? cache_set(cache, actor, key, value, expires_at_ms) : status;
}
