/* app/embed/read.c: reading, pinning, asking. */
#include "app/embed/call.h"
#include "app/embed/filing.h"
#include "app/tier/warm_tier.h"
#include "base/assert.h"

/* Where a read puts its value. */
struct sink {
    struct strata_cache *cache;
    void *buffer;
    uint64_t room;
    bool allocates; /* the buffer grows to exactly what is asked */
    bool too_small;
    const struct warm_ahead *ahead; /* of the file, read before; NULL: nothing was */
};

static void *reserve(void *context, uint64_t size) {
    struct sink *sink = context;
    if (sink->allocates) {
        uint64_t wanted = size ? size : 1;
        if (sink->room != wanted) {
            memory_give(&sink->cache->memory, sink->buffer, sink->room);
            sink->buffer = memory_take(&sink->cache->memory, wanted);
            sink->room = sink->buffer ? wanted : 0;
        }
        return sink->buffer;
    }
    sink->too_small = size > sink->room;
    return sink->too_small ? NULL : size ? sink->buffer : sink;
}

/* The value of a found entry stands in the sink, or is too large for it: then `ret_size` is what it takes. */
static enum strata_status read_value(struct slot *slot, const struct cache_key *key, struct sink *sink,
                                     struct cache_read *read) {
    struct cache *core = sink->cache->core;
    for (;;) {
        bool found;
        read->size_max = UINT64_MAX;
        read->reserve = reserve;
        read->context = sink;
        sink->too_small = false;
        enum status status = cache_get(core, &slot->actor, key, read, &found);
        if (status == STATUS_OK && !found && read->tiered && !read->settled) {
            enum strata_status answer = filing_read(sink->cache, slot, key, sink->ahead, read);
            if (answer != STRATA_MORE)
                return answer == STRATA_TOO_SMALL && !sink->too_small ? STRATA_NO_MEMORY : answer;
            read->settled = true;
            continue;
        }
        if (status == STATUS_OK)
            return found ? STRATA_OK : STRATA_MISS;
        if (!sink->too_small)
            return STRATA_NO_MEMORY;
        /* What was asked may have been half of two values; this is the size of one, unless a writer made it fit by now. */
        struct cache_info info;
        if (!cache_find(core, &slot->actor, key, false, &info) &&
            !(sink->cache->tier && filing_find(sink->cache, slot, key, &info)))
            return STRATA_MISS;
        if (info.size > sink->room) {
            read->size = info.size;
            return STRATA_TOO_SMALL;
        }
    }
}

/* Everything but small values that nobody is writing. */
static enum strata_status get_slowly(struct strata_cache *cache, struct cache_key *key, const struct warm_ahead *ahead,
                                     void *buffer, size_t buffer_size, size_t *ret_size) {
    struct slot *slot = call_begin(cache);
    struct sink sink = {.cache = cache, .buffer = buffer, .room = buffer_size, .ahead = ahead};
    struct cache_read read = {0};
    call_time_to_read(cache, slot);
    enum strata_status answer = read_value(slot, key, &sink, &read);
    call_end(cache, slot);
    if (answer != STRATA_MISS)
        *ret_size = read.size;
    return answer;
}

/* One look without a lock. */
static inline enum strata_status get_quickly(struct strata_cache *cache, struct slot *slot, struct cache_key *key,
                                             void *buffer, size_t buffer_size, size_t *ret_size) {
    struct cache_sight sight;
    enum cache_glance seen = cache_glance(cache->core, &slot->actor, key, &sight);
    if (seen == CACHE_GLANCE_MISS)
        return STRATA_MISS;
    if (seen == CACHE_GLANCE_HIT && sight.size <= buffer_size && cache_glance_copy(&slot->actor, &sight, buffer)) {
        *ret_size = sight.size;
        return STRATA_OK;
    }
    return get_slowly(cache, key, NULL, buffer, buffer_size, ret_size);
}

enum strata_status strata_get(struct strata_cache *cache, const void *key, size_t key_size, void *buffer,
                              size_t buffer_size, size_t *ret_size) {
    if (!cache || !is_key(key, key_size) || !is_key(buffer, buffer_size) || !ret_size)
        return STRATA_INVALID;
    struct slot *slot = slot_own_take(cache);
    struct cache_key wanted = key_of(cache, key, key_size);
    if (!slot)
        return get_slowly(cache, &wanted, NULL, buffer, buffer_size, ret_size);
    call_time_to_read(cache, slot);
    return get_quickly(cache, slot, &wanted, buffer, buffer_size, ret_size);
}

/* ------------------------------------------------------------------------------------------ batches */

/* Items one by one: for those with a mistake among them, and for threads without a slot. */
static size_t get_each(struct strata_cache *cache, struct strata_get_item *items, uint32_t count) {
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        items[i].status =
            strata_get(cache, items[i].key, items[i].key_size, items[i].buffer, items[i].buffer_size, &items[i].size);
        found += items[i].status == STRATA_OK;
    }
    return found;
}

/* False if an item has a mistake. */
static inline bool make_wishes(const struct strata_get_item *items, struct cache_wish *wishes, uint32_t count) {
    bool valid = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct strata_get_item *item = &items[i];
        valid &= is_key(item->key, item->key_size) && is_key(item->buffer, item->buffer_size);
        wishes[i].name = name_of_key(item->key, item->key_size);
        wishes[i].to = item->buffer;
        wishes[i].room = item->buffer_size < CACHE_GLANCE_MAX ? (uint32_t)item->buffer_size : CACHE_GLANCE_MAX;
    }
    return valid;
}

/* What is not to be had at a glance, of which some may stand in the file: that is read at the same time. */
static size_t get_unsure(struct strata_cache *cache, struct strata_get_item **items, uint32_t count) {
    struct cache_key keys[CACHE_MANY_MAX];
    struct warm_ahead ahead = {.count = 0};
    size_t found = 0;
    buf_init(&ahead.bytes, &cache->memory);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = key_of(cache, items[i]->key, items[i]->key_size);
    if (cache->tier && count > 1) {
        struct slot *slot = call_begin(cache);
        filing_ahead(cache, keys, count, &ahead);
        call_end(cache, slot);
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i]->status =
            get_slowly(cache, &keys[i], &ahead, items[i]->buffer, items[i]->buffer_size, &items[i]->size);
        found += items[i]->status == STRATA_OK;
    }
    buf_fini(&ahead.bytes);
    return found;
}

static size_t get_group(struct strata_cache *cache, struct slot *slot, struct strata_get_item *items, uint32_t count) {
    struct cache_wish wishes[CACHE_MANY_MAX];
    struct strata_get_item *unsure[CACHE_MANY_MAX];
    uint32_t unsure_count = 0;
    size_t found = 0;
    if (!make_wishes(items, wishes, count))
        return get_each(cache, items, count);
    cache_glance_many(cache->core, &slot->actor, 0, wishes, count);
    for (uint32_t i = 0; i < count; i++) {
        struct strata_get_item *item = &items[i];
        if (__builtin_expect(wishes[i].answer == CACHE_GLANCE_HIT, 1)) {
            item->status = STRATA_OK;
            item->size = wishes[i].size;
        } else if (wishes[i].answer == CACHE_GLANCE_MISS) {
            item->status = STRATA_MISS;
        } else {
            unsure[unsure_count++] = item;
            continue;
        }
        found += item->status == STRATA_OK;
    }
    return unsure_count ? found + get_unsure(cache, unsure, unsure_count) : found;
}

size_t strata_get_many(struct strata_cache *cache, struct strata_get_item *items, size_t count) {
    if (!cache || !items)
        return 0;
    struct slot *slot = slot_own_take(cache);
    size_t found = 0;
    if (slot)
        call_time_to_read(cache, slot);
    for (size_t at = 0; at < count; at += CACHE_MANY_MAX) {
        uint32_t part = count - at < CACHE_MANY_MAX ? (uint32_t)(count - at) : CACHE_MANY_MAX;
        found += slot ? get_group(cache, slot, items + at, part) : get_each(cache, items + at, part);
    }
    return found;
}

/* --------------------------------------------------------------------------------------- other reads */

enum strata_status strata_get_copy(struct strata_cache *cache, const void *key, size_t key_size, void **ret_value,
                                   size_t *ret_size) {
    if (!cache || !is_key(key, key_size) || !ret_value || !ret_size)
        return STRATA_INVALID;
    struct slot *slot = call_begin(cache);
    struct cache_key wanted = key_of(cache, key, key_size);
    struct sink sink = {.cache = cache, .allocates = true};
    struct cache_read read = {0};
    call_time_to_read(cache, slot);
    enum strata_status answer = read_value(slot, &wanted, &sink, &read);
    call_end(cache, slot);
    if (answer == STRATA_OK) {
        *ret_value = sink.buffer;
        *ret_size = read.size;
    } else {
        memory_give(&cache->memory, sink.buffer, sink.room);
    }
    return answer;
}

void strata_free(struct strata_cache *cache, void *value, size_t size) {
    if (cache)
        memory_give(&cache->memory, value, size ? size : 1);
}

/* Gives the entry a version and reads it again under the lock, where it cannot change in between. */
static enum strata_status version_and_read(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                                           struct sink *sink, size_t *ret_size, uint64_t *ret_version) {
    struct cache_edit edit;
    enum strata_status answer = STRATA_MISS;
    cache_edit_begin(cache->core, &slot->actor, key, &edit);
    if (edit.found && edit.size > sink->room) {
        *ret_size = edit.size;
        answer = STRATA_TOO_SMALL;
    } else if (edit.found) {
        answer = status_out(cache_edit_version(&edit));
        if (answer == STRATA_OK) {
            cache_edit_copy_out(&edit, 0, sink->buffer, edit.size);
            *ret_size = edit.size;
            *ret_version = edit.version;
        }
    }
    cache_edit_end(&edit);
    return answer;
}

enum strata_status strata_get_versioned(struct strata_cache *cache, const void *key, size_t key_size, void *buffer,
                                        size_t buffer_size, size_t *ret_size, uint64_t *ret_version) {
    if (!cache || !is_key(key, key_size) || !is_key(buffer, buffer_size) || !ret_size || !ret_version)
        return STRATA_INVALID;
    struct slot *slot = call_begin(cache);
    struct cache_key wanted = key_of(cache, key, key_size);
    struct sink sink = {.cache = cache, .buffer = buffer, .room = buffer_size};
    struct cache_read read = {0};
    call_time_to_write(cache, slot);
    enum strata_status answer = filing_fetch(cache, slot, &wanted);
    if (answer == STRATA_OK)
        answer = read_value(slot, &wanted, &sink, &read);
    if (answer == STRATA_OK && read.info.version == 0) {
        cache_prepare(cache->core, &slot->actor, &wanted, read.size);
        answer = version_and_read(cache, slot, &wanted, &sink, ret_size, ret_version);
    } else if (answer != STRATA_MISS) {
        *ret_size = read.size;
        if (answer == STRATA_OK)
            *ret_version = read.info.version;
    }
    call_end(cache, slot);
    return answer;
}

static bool find(struct strata_cache *cache, const void *key, size_t key_size, bool exact_time,
                 struct cache_info *ret_info, uint64_t *ret_now_ms) {
    struct slot *slot = call_begin(cache);
    struct cache_key wanted = key_of(cache, key, key_size);
    if (exact_time)
        slot->actor.now_ms = clock_unix_ms();
    else
        call_time_to_read(cache, slot);
    bool found = cache_find(cache->core, &slot->actor, &wanted, false, ret_info) ||
                 (cache->tier && filing_find(cache, slot, &wanted, ret_info));
    *ret_now_ms = slot->actor.now_ms;
    call_end(cache, slot);
    return found;
}

enum strata_status strata_exists(struct strata_cache *cache, const void *key, size_t key_size) {
    struct cache_info info;
    uint64_t now_ms;
    if (!cache || !is_key(key, key_size))
        return STRATA_INVALID;
    return find(cache, key, key_size, false, &info, &now_ms) ? STRATA_OK : STRATA_MISS;
}

enum strata_status strata_find(struct strata_cache *cache, const void *key, size_t key_size,
                               struct strata_entry *ret_entry) {
    struct cache_info info;
    uint64_t now_ms;
    if (!cache || !is_key(key, key_size) || !ret_entry)
        return STRATA_INVALID;
    if (!find(cache, key, key_size, true, &info, &now_ms))
        return STRATA_MISS;
    *ret_entry = entry_out(slice_make(key, key_size), &info);
    return STRATA_OK;
}

enum strata_status strata_ttl(struct strata_cache *cache, const void *key, size_t key_size, uint64_t *ret_ttl_ms) {
    struct cache_info info;
    uint64_t now_ms;
    if (!cache || !is_key(key, key_size) || !ret_ttl_ms)
        return STRATA_INVALID;
    if (!find(cache, key, key_size, true, &info, &now_ms))
        return STRATA_MISS;
    *ret_ttl_ms = info.expires_at_ms ? info.expires_at_ms - now_ms : STRATA_TTL_NEVER;
    return STRATA_OK;
}

/* ------------------------------------------------------------------------------------------ pinning */

/* What the opaque part holds: a pin of the engine, or a copy. */
struct held {
    struct cache_pin pin;
    void *copy;
    uint64_t copy_room;
    uint32_t era; /* of the cache, when it was pinned */
};
static_assert(sizeof(struct held) <= sizeof(((struct strata_pinned *)0)->opaque), "a pinned value has room for it");

enum strata_status strata_pin(struct strata_cache *cache, const void *key, size_t key_size,
                              struct strata_pinned *ret_pinned) {
    if (!cache || !is_key(key, key_size) || !ret_pinned)
        return STRATA_INVALID;
    struct slot *slot = call_begin(cache);
    struct cache_key wanted = key_of(cache, key, key_size);
    struct sink sink = {.cache = cache, .allocates = true};
    struct cache_read read = {.pin_min = 1};
    call_time_to_read(cache, slot);
    enum strata_status answer = read_value(slot, &wanted, &sink, &read);
    call_end(cache, slot);
    bool copied = answer == STRATA_OK && read.pin.first == 0;
    if (!copied) {
        memory_give(&cache->memory, sink.buffer, sink.room);
        sink = (struct sink){0};
    }
    if (answer != STRATA_OK)
        return answer;
    struct held held = {read.pin, sink.buffer, sink.room, cache->era};
    *ret_pinned = (struct strata_pinned){.size = read.size};
    memcpy(ret_pinned->opaque, &held, sizeof held);
    return STRATA_OK;
}

static struct held held_by(const struct strata_pinned *pinned) {
    struct held held;
    memcpy(&held, pinned->opaque, sizeof held);
    return held;
}

enum strata_status strata_pinned_piece(struct strata_cache *cache, const struct strata_pinned *pinned, uint64_t offset,
                                       const void **ret_bytes, size_t *ret_size) {
    if (!cache || !pinned || !ret_bytes || !ret_size)
        return STRATA_INVALID;
    struct held held = held_by(pinned);
    struct slice piece = slice_make(NULL, 0);
    if (held.copy)
        piece = slice_part(slice_make(held.copy, pinned->size), offset, pinned->size);
    else if (held.era == cache->era)
        piece = cache_pin_piece(cache->core, held.pin, offset);
    *ret_bytes = piece.data;
    *ret_size = piece.size;
    return STRATA_OK;
}

void strata_unpin(struct strata_cache *cache, struct strata_pinned *pinned) {
    if (!cache || !pinned)
        return;
    struct held held = held_by(pinned);
    if (held.copy) {
        memory_give(&cache->memory, held.copy, held.copy_room);
    } else if (held.pin.first && held.era == cache->era) {
        struct slot *slot = call_begin(cache);
        cache_unpin(cache->core, &slot->actor, held.pin);
        call_end(cache, slot);
    }
    *pinned = (struct strata_pinned){0};
}
