#include "core/store/vacate.h"

#include "base/assert.h"

enum { SLICE_BYTES = 512 * 1024 }; /* about 100 microseconds; a single extent may be a segment */

/* The owner's entry, if the index has one whose chain holds the extent. Under the shard's lock. */
static bool find_owner(struct engine *engine, struct shard *shard, uint64_t hash, uint64_t run, uint64_t *ret_location,
                       uint64_t *ret_first) {
    struct index_place place = index_place_of(&engine->range, &shard->index, hash);
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
            struct entry entry;
            if (!cell_matches(cell, place.wanted) || !store_entry_at(engine, cell_location(cell), &entry))
                continue;
            uint64_t first;
            store_value_size(engine, cell_location(cell), &entry, &first);
            if (!first || !extent_has_run(&engine->range, first, run))
                continue;
            *ret_location = cell_location(cell);
            *ret_first = first;
            return true;
        }
    return false;
}

/* Writes the new place of a chain into its entry. */
static void point_to(struct engine *engine, uint64_t location, uint64_t first) {
    struct entry entry;
    bool whole = store_entry_at(engine, location, &entry);
    ASSERT(whole);
    words_write(engine->range.base + location + entry.value_at + sizeof(uint64_t), &first, sizeof first);
}

/* Answers the bytes moved. */
static uint64_t move_run(struct engine *engine, struct actor *actor, uint64_t hash, uint64_t run) {
    uint32_t at = store_shard_of(engine, hash);
    struct shard *shard = &engine->shards[at];
    uint64_t location, first, moved = 0, bytes = 0;
    store_lock(engine, actor, at);
    if (find_owner(engine, shard, hash, run, &location, &first)) {
        struct index_bucket *bucket = index_place_of(&engine->range, &shard->index, hash).bucket;
        bytes = extent_run_bytes(&engine->range, run);
        /* While the number is odd nobody new gets hold of the value; whoever holds it already keeps it in its place. */
        index_write_begin(bucket);
        if (extent_alone(&engine->range, first))
            moved = extent_move_run(&engine->range, actor, first, run);
        if (moved && moved != first)
            point_to(engine, location, moved);
        index_write_end(bucket);
    }
    store_unlock(engine, actor, at);
    if (!moved)
        return 0;
    actor->counts.copied_bytes += bytes;
    return bytes;
}

bool vacate_segment(struct engine *engine, struct actor *actor, uint64_t free_min_bytes) {
    struct range *range = &engine->range;
    if (atomic_load_explicit(&range->head->vacating, memory_order_relaxed) == 0 &&
        !extent_vacate_begin(range, actor, free_min_bytes))
        return false;
    uint64_t hash, run, moved = 0;
    while (moved < SLICE_BYTES && (run = extent_vacate_next(range, actor, &hash)) != 0)
        moved += hash ? move_run(engine, actor, hash, run) : 0;
    return moved != 0;
}
