#include "core/store/vacate.h"

#include "base/assert.h"

/* The owner's entry, if the index has one whose chain holds the extent. Under the shard's lock. */
static bool find_owner(struct store *store, struct shard *shard, uint64_t hash, uint64_t run, uint64_t *ret_location,
                       uint64_t *ret_first) {
    struct index_place place = index_place_of(&store->range, &shard->index, hash);
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(&store->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
            struct entry entry;
            if (!cell_matches(cell, place.wanted) || !store_entry_at(store, cell_location(cell), &entry))
                continue;
            uint64_t first;
            store_value_size(store, cell_location(cell), &entry, &first);
            if (!first || !extent_has_run(&store->range, first, run))
                continue;
            *ret_location = cell_location(cell);
            *ret_first = first;
            return true;
        }
    return false;
}

/* Writes the new place of a chain into its entry. */
static void point_to(struct store *store, uint64_t location, uint64_t first) {
    struct entry entry;
    bool whole = store_entry_at(store, location, &entry);
    ASSERT(whole);
    words_write(store->range.base + location + entry.value_at + sizeof(uint64_t), &first, sizeof first);
}

static bool move_run(struct store *store, struct actor *actor, uint64_t hash, uint64_t run) {
    uint32_t at = store_shard_of(store, hash);
    struct shard *shard = &store->shards[at];
    uint64_t location, first, moved = 0;
    store_lock(store, actor, at);
    if (find_owner(store, shard, hash, run, &location, &first)) {
        struct index_bucket *bucket = index_place_of(&store->range, &shard->index, hash).bucket;
        /* While the number is odd nobody new gets hold of the value; whoever holds it already keeps it in its place. */
        index_write_begin(bucket);
        if (extent_alone(&store->range, first))
            moved = extent_move_run(&store->range, actor, first, run);
        if (moved && moved != first)
            point_to(store, location, moved);
        index_write_end(bucket);
        if (moved)
            actor->counts.copied_bytes += range_segment_size(&store->range) / RANGE_BLOCKS;
    }
    store_unlock(store, actor, at);
    return moved != 0;
}

bool vacate_segment(struct store *store, struct actor *actor, uint64_t free_min) {
    uint32_t free = 0, block = 0, number = extent_vacate_begin(&store->range, actor, &free);
    if (!number)
        return false;
    bool moved = false;
    uint64_t hash, run;
    if ((uint64_t)free * (range_segment_size(&store->range) / RANGE_BLOCKS) >= free_min)
        while ((run = extent_vacate_next(&store->range, actor, number, &block, &hash)) != 0)
            moved |= hash != 0 && move_run(store, actor, hash, run);
    extent_vacate_end(&store->range, actor, number);
    return moved;
}
