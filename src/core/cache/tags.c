/* core/cache/tags.c: the names that entries bear. */
#include "core/cache/internal.h"

size_t cache_tag_name_max(const struct cache *cache) { return tag_name_max(&cache->engine->range); }

static bool is_among(const uint32_t *numbers, uint32_t count, uint32_t number) {
    for (uint32_t i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

enum status tags_take(struct cache *cache, struct actor *actor, const struct slice *names, uint32_t count,
                      uint32_t most, uint32_t numbers[ENTRY_TAGS_MAX], uint32_t *number_count) {
    struct engine *engine = cache->engine;
    enum status status = STATUS_OK;
    const uint32_t before = *number_count;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        uint32_t number;
        status = tag_take(&engine->range, actor, engine->tags, names[i], true, &number);
        if (status != STATUS_OK)
            break;
        if (!is_among(numbers, *number_count, number) && *number_count < most) {
            numbers[(*number_count)++] = number;
            continue;
        }
        if (!is_among(numbers, *number_count, number))
            status = STATUS_INVALID;
        tags_give(cache, actor, &number, 1);
    }
    if (status != STATUS_OK) {
        tags_give(cache, actor, numbers + before, *number_count - before);
        *number_count = before;
    }
    return status;
}

void tags_hold(struct cache *cache, struct actor *actor, const uint32_t *numbers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        tag_hold(&cache->engine->range, actor, cache->engine->tags, numbers[i]);
}

void tags_give(struct cache *cache, struct actor *actor, const uint32_t *numbers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        tag_give(&cache->engine->range, actor, cache->engine->tags, numbers[i], 0);
}

uint64_t cache_stamp(struct cache *cache) { return store_stamp_next(cache->engine); }

void cache_give_tags(struct cache *cache, struct actor *actor, const struct cache_kept_tags *kept) {
    tags_give(cache, actor, kept->numbers, kept->count);
}

void cache_edit_tags(const struct cache_edit *edit, void (*name)(void *context, struct slice tag), void *context) {
    if (!edit->found && !edit->nothing && !edit->stale)
        return;
    struct engine *engine = edit->cache->engine;
    uint32_t numbers[ENTRY_TAGS_MAX], count = store_tags(engine, const_spot_of(edit), numbers);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[TAG_NAME_MAX];
        size_t size = tag_name(&engine->range, edit->actor, engine->tags, numbers[i], bytes);
        name(context, slice_make(bytes, size));
    }
}

bool cache_may_bear_tags(const struct cache *cache, const struct cache_key *key) {
    const struct engine *engine = cache->engine;
    if (atomic_load_explicit(&engine->tags->count, memory_order_acquire) == 0)
        return false;
    for (int tries = 0; tries < STORE_READ_TRIES; tries++) {
        struct store_key wanted = engine_key(cache, key);
        const struct shard *shard = &engine->shards[store_shard_of(engine, wanted.hash)];
        struct store_view view;
        store_view_open(engine, shard, &wanted, &view);
        bool bears = view.found ? (view.entry.flags & ENTRY_TAGS) != 0 : tier_may_have(cache, &wanted);
        if (!(view.number & 1) && store_view_holds(shard, &view))
            return bears;
    }
    return true;
}

uint64_t cache_tag_count(struct cache *cache, struct actor *actor, struct slice tag) {
    uint32_t number;
    struct tag_facts facts;
    return tag_find(&cache->engine->range, actor, cache->engine->tags, tag, &number, &facts) ? facts.members : 0;
}

/* While a ban lasts, members that it has killed may stand there still: the few entries of a small cache are looked at. */
static uint64_t seen_beside_bans(struct cache *cache, struct actor *actor, struct slice tag) {
    if (__builtin_expect(atomic_load_explicit(&cache->engine->ban_count, memory_order_acquire) == 0, 1))
        return UINT64_MAX;
    return cache_tag_count_seen(cache, actor, tag, false);
}

static uint64_t invalidate(struct cache *cache, struct actor *actor, struct slice tag, bool soft) {
    struct engine *engine = cache->engine;
    uint64_t seen = seen_beside_bans(cache, actor, tag);
    /* Who is about to write with this tag either hears of it now, or has a record that the invalidation finds. */
    store_tell(engine, actor, CACHE_TAG_GOING, CACHE_DATABASES, tag);
    uint64_t count = tag_invalidate(&engine->range, actor, engine->tags, tag, soft, store_stamp_from, engine);
    uint64_t stamp = actor->tag_stamps[1];
    /* Nobody bears it, but what the log knows may: a value that the tier has lost, of which the log was not told. */
    if (stamp == 0 && engine->tier && is_journaled(cache) && tag.size && tag.size <= tag_name_max(&engine->range))
        stamp = store_stamp_next(engine);
    if (stamp && is_journaled(cache))
        journal_note(cache, actor,
                     &(struct record_part){.kind = RECORD_TAG,
                                           .soft = soft,
                                           .expires_at_ms = soft ? actor->now_ms : 0,
                                           .stamp = stamp,
                                           .name = tag});
    if (count && !soft)
        reclaim_sweep(engine);
    store_tell(engine, actor, soft ? CACHE_TAG_SOFTENED : CACHE_TAG_INVALIDATED, CACHE_DATABASES, tag);
    return count < seen ? count : seen;
}

uint64_t cache_tag_invalidate(struct cache *cache, struct actor *actor, struct slice tag) {
    return invalidate(cache, actor, tag, false);
}

uint64_t cache_tag_soften(struct cache *cache, struct actor *actor, struct slice tag) {
    return invalidate(cache, actor, tag, true);
}
