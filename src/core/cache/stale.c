/* core/cache/stale.c: values that may be shown after their time to those who ask for stale ones. */
#include "core/cache/internal.h"

/* For how long it has been stale: since its expiry, or by the tag that has been invalidated for the longest. */
static uint64_t stale_for_ms(const struct cache_edit *edit) {
    const struct store_spot *spot = const_spot_of(edit);
    struct engine *engine = edit->cache->engine;
    uint64_t now_ms = edit->actor->now_ms, longest_ms = 0;
    uint32_t numbers[ENTRY_TAGS_MAX], count = store_tags(engine, spot, numbers);
    if (spot->entry.expires_at_ms && spot->entry.expires_at_ms < now_ms)
        longest_ms = now_ms - spot->entry.expires_at_ms;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t ms = tag_stale_ms(&engine->range, edit->actor, engine->tags, numbers[i], spot->entry.stamp);
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    return longest_ms;
}

/* For how long it may be shown that was to live so long. */
static uint32_t stale_when_softened(const struct entry *entry, uint64_t now_ms) {
    if (entry->stale)
        return entry->stale;
    return entry->expires_at_ms ? entry_stale_code(entry->expires_at_ms - now_ms) : ENTRY_STALE_FOREVER;
}

/* It is written anew as softened, with that expiry. */
static enum status rewrite_softened(struct cache_edit *edit, uint64_t expires_at_ms, uint32_t stale) {
    TRY(edit_rewrite_with_tags(
        edit,
        &(struct store_value){
            .expires_at_ms = expires_at_ms, .stale = stale, .softened = true, .stamp = spot_of(edit)->entry.stamp}));
    edit->stale_at = spot_of(edit)->location;
    edit_refresh(edit);
    return STATUS_OK;
}

/* What stands there is not to be seen: it goes, unless it is only stale, for no longer than it may be. A stale nothing is of no use to
 * anybody. */
void edit_begin_gone(struct cache_edit *edit) {
    struct store_spot *spot = spot_of(edit);
    const struct entry *entry = &spot->entry;
    bool over = store_is_over(edit->cache->engine, spot->location, entry, edit->key.name, edit->actor->now_ms);
    uint64_t stale_ms = over ? 0 : stale_for_ms(edit);
    if (over || entry->type == CACHE_NOTHING || (entry->stale && stale_ms >= entry_stale_ms(entry->stale))) {
        store_remove_gone(edit->cache->engine, edit->actor, shard_of(edit), spot);
        edit->found = edit->nothing = false;
        return;
    }
    edit->stale_at = spot->location;
    edit->stale_ms = stale_ms;
    edit_refresh(edit);
    if (!store_has_expired(entry, edit->actor->now_ms))
        store_tell_softened(edit->cache->engine, edit->actor, spot);
    /* A tag knows its last soft invalidation only: the entry keeps from now on since when it is stale. Without room it goes by the tag's. */
    uint64_t since_ms = edit->actor->now_ms - stale_ms;
    if (store_is_late(entry, edit->actor->now_ms))
        store_soften_late(edit->cache->engine, edit->actor, shard_of(edit), spot);
    else if (!entry->softened && !store_is_by_session(shard_of(edit)))
        MAYBE(rewrite_softened(edit, since_ms, stale_when_softened(entry, since_ms)) != STATUS_OK);
}

enum status cache_edit_soften(struct cache_edit *edit) {
    edit_look_again(edit);
    const struct entry *entry = &spot_of(edit)->entry;
    uint64_t now_ms = edit->actor->now_ms;
    if (edit->stale) { /* its staleness goes on: what has expired was softened when the edit began */
        tell(edit, CACHE_NOTHING_DELETED);
        return STATUS_OK;
    }
    if (!edit->found || store_is_by_session(shard_of(edit))) {
        cache_edit_delete(edit);
        return STATUS_OK;
    }
    TRY(rewrite_softened(edit, now_ms, stale_when_softened(entry, now_ms)));
    edit->stale_ms = 0;
    note_change(edit);
    tell(edit, CACHE_INVALIDATED);
    tell(edit, CACHE_NOTHING_DELETED); /* for whoever loads it, as no value of before may be written fresh any more */
    return STATUS_OK;
}
