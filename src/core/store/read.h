/* core/store/read.h: reading without a lock.
 *
 *     do {
 *         store_view_open(...);             finds the entry; nothing of it can be trusted yet
 *         ... copy what is wanted ...       all sizes lie within the entry's segment
 *     } while (!store_view_holds(...));     nobody wrote in between: it was all true at one moment
 *
 * A key may carry a hint: a cell where it was seen a moment ago. Pages of the index never serve anything else, so it may be
 * looked at; but only a cell of the chain that the key is in now is guarded by that chain's number. A reader therefore takes hints
 * into the first bucket only; another chain's entry could go, and its bytes become the key's next value half-written.
 *
 * After STORE_READ_TRIES the caller takes the shard's lock and reads the same way.
 *
 * Threads: any.
 */
#ifndef STRATA_CORE_STORE_READ_H
#define STRATA_CORE_STORE_READ_H

#include "core/store/store.h"

enum { STORE_READ_TRIES = 8, STORE_CHAIN_CHECK = 16 };

struct store_view {
    struct index_place place;
    uint32_t number;
    bool found;
    _Atomic uint64_t *cell_at;
    uint64_t cell, location;
    struct entry entry;
};

__attribute__((always_inline)) static inline bool store_view_match(const struct engine *engine,
                                                                   const struct store_key *key, uint64_t cell,
                                                                   struct store_view *view) {
    uint64_t location = cell_location(cell);
    const uint8_t *at = engine->range.base + location;
    if (!store_entry_at(engine, location, &view->entry) || view->entry.key_size != key->name.size ||
        view->entry.db != key->db || !words_equal(at + view->entry.key_at, key->name.data, key->name.size))
        return false;
    view->location = location;
    view->cell = cell;
    return true;
}

__attribute__((always_inline)) static inline void store_view_open(const struct engine *engine,
                                                                  const struct shard *shard,
                                                                  const struct store_key *key,
                                                                  struct store_view *view) {
    view->place = index_place_again(&engine->range, &shard->index, key->hash, key->bucket, key->shape);
    view->number = index_read_begin(&view->place);
    view->found = false;
    if (view->number & 1)
        return;
    if (index_is_in(view->place.bucket, key->hint)) {
        /* The key's bytes decide; the fingerprint would only save looking at them. */
        _Atomic uint64_t *cell_at = (_Atomic uint64_t *)(uintptr_t)key->hint;
        uint64_t cell = cell_load(cell_at);
        if (cell && store_view_match(engine, key, cell, view)) {
            view->found = true;
            view->cell_at = cell_at;
            return;
        }
    }
    struct index_bucket *bucket = view->place.bucket;
    for (int length = 1; bucket; length++) {
        for (uint32_t some = index_candidates(bucket, view->place.wanted); some; some &= some - 1) {
            _Atomic uint64_t *cell_at = index_candidate(bucket, some);
            uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed);
            if (cell_matches(cell, view->place.wanted) && store_view_match(engine, key, cell, view)) {
                view->found = true;
                view->cell_at = cell_at;
                return;
            }
        }
        bucket = index_next(&engine->range, &shard->index, bucket);
        /* A reader whose chain is taken apart under it might follow another for ever. */
        if (length % STORE_CHAIN_CHECK == 0 &&
            atomic_load_explicit(&view->place.bucket->number, memory_order_relaxed) != view->number)
            return;
    }
}

static inline bool store_view_holds(const struct shard *shard, const struct store_view *view) {
    return index_read_holds(&shard->index, &view->place, view->number);
}

static inline void store_view_use(const struct store_view *view) { cell_count_use(view->cell_at, view->cell); }

#endif
