/* core/cache/upload.c: large values that arrive piece by piece, before any key refers to them. */
#include "core/cache/internal.h"
#include "core/store/claim.h"

uint64_t cache_upload_size_min(const struct cache *cache) { return store_inline_max(cache->engine) + 1ull; }

enum status cache_upload_begin(struct cache *cache, uint64_t size, struct cache_upload *ret_upload) {
    if (size > CACHE_VALUE_SIZE_MAX)
        return STATUS_TOO_LARGE;
    if (size < cache_upload_size_min(cache))
        return STATUS_INVALID;
    *ret_upload = (struct cache_upload){.size = size, .reservations = claim_reservations(cache->engine)};
    return STATUS_OK;
}

uint64_t upload_reserved(const struct cache *cache, const struct cache_upload *upload) {
    return cache_upload_is_astray(cache, upload) ? 0 : upload->reserved;
}

void upload_return_reserved(struct cache *cache, struct cache_upload *upload) {
    if (upload_reserved(cache, upload))
        claim_return(cache->engine, upload->store, upload->reserved);
    upload->reserved = 0;
}

bool cache_upload_is_astray(const struct cache *cache, const struct cache_upload *upload) {
    return upload->reservations != claim_reservations(cache->engine);
}

/* What the store will have more, as store_put counts it: bytes of key and value less those of what is replaced. */
static uint64_t upload_growth(const struct cache_upload *upload, const struct cache_key *key, bool found,
                              const struct cache_info *info) {
    uint64_t bytes = upload->size + ENTRY_OWNED_SIZE + sizeof(uint32_t) + key->name.size,
             given_back = found ? info->size + sizeof(uint32_t) + key->name.size : 0;
    return bytes > given_back ? bytes - given_back : 0;
}

enum status cache_upload_aim(struct cache *cache, struct actor *actor, struct cache_upload *upload,
                             const struct cache_key *key) {
    upload_return_reserved(cache, upload);
    upload->reservations = claim_reservations(cache->engine);
    upload->store = cache_store_of(cache, key);
    upload->replaces = false;
    if (cache->engine->store_count == 1)
        return STATUS_OK;
    struct cache_info info = {.size = 0};
    bool found = cache_find(cache, actor, key, false, &info) && info.type == CACHE_STRING;
    upload->replaces = found && info.size >= upload->size;
    if (upload->replaces)
        return STATUS_OK;
    uint64_t growth = upload_growth(upload, key, found, &info);
    TRY(reclaim_reserve(cache->engine, actor, upload->store, growth));
    upload->reserved = growth;
    return STATUS_OK;
}

enum status cache_upload_room(struct cache *cache, struct actor *actor, struct cache_upload *upload, void **ret_bytes,
                              uint64_t *ret_size) {
    ASSERT(upload->filled < upload->size);
    struct range *range = &cache->engine->range;
    struct extents chain = {upload->first, upload->last, upload->room};
    if (upload->filled == upload->room) {
        /* At most one segment at a time: memory follows what has arrived. Another may take the room that was made. */
        bool added = false;
        for (int i = 0; !added && i < (cache_locked(actor) ? 1 : CACHE_WRITE_TRIES); i++) {
            if (!cache_locked(actor) && /* who holds locks has asked for room before */
                reclaim_make_room_reserved(cache->engine, actor, upload->store, 0) != STATUS_OK && !upload->replaces)
                return STATUS_FULL;
            added = extent_add(range, actor, &chain, upload->size - upload->room);
        }
        if (!added)
            return STATUS_FULL;
        upload->first = chain.first;
        upload->last = chain.last;
        upload->room = chain.room;
    }
    uint64_t size;
    *ret_bytes = extent_last_piece(range, &chain, upload->filled, &size);
    *ret_size = size < upload->size - upload->filled ? size : upload->size - upload->filled;
    return STATUS_OK;
}

void cache_upload_filled(struct cache_upload *upload, uint64_t size) {
    ASSERT(size <= upload->room - upload->filled && size <= upload->size - upload->filled);
    upload->filled += size;
}

void cache_upload_drop(struct cache *cache, struct actor *actor, struct cache_upload *upload) {
    upload_return_reserved(cache, upload);
    if (upload->first)
        extent_release(&cache->engine->range, actor, upload->first);
    *upload = (struct cache_upload){0};
}
