#include "core/store/ghost.h"

enum { CELLS = 16, CELL_SIZE = 4 };

static uint32_t buckets_a_segment(const struct engine *engine) {
    return range_segment_size(&engine->range) / (CELLS * CELL_SIZE);
}

/* The bits that choose the bucket and those of the fingerprint do not overlap (for up to 2^32 buckets). */
static uint32_t *bucket_of(const struct engine *engine, const struct shard *shard, uint64_t hash) {
    uint64_t buckets = (uint64_t)buckets_a_segment(engine) * shard->ghost_count;
    uint64_t bucket = ((hash >> 16 & 0xffffffffu) * buckets) >> 32;
    uint32_t number = shard->ghosts[bucket / buckets_a_segment(engine)];
    uint8_t *segment = engine->range.base + range_segment_at(&engine->range, number);
    return (uint32_t *)(void *)segment + bucket % buckets_a_segment(engine) * CELLS;
}

static uint32_t fingerprint_of(uint64_t hash) {
    uint32_t fingerprint = hash & 0xffff;
    return fingerprint ? fingerprint : 1;
}

static bool take_memory(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint64_t entries = atomic_load_explicit(&shard->index.entries, memory_order_relaxed);
    uint64_t wanted = entries * CELL_SIZE * 9 / 10 / range_segment_size(&engine->range) + 1;
    uint64_t limit = atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed);
    uint64_t most = limit / 16 / engine->shard_count; /* never over a sixteenth of the memory */
    if (wanted > most)
        wanted = most;
    if (wanted > STORE_GHOST_SEGMENTS_MAX)
        wanted = STORE_GHOST_SEGMENTS_MAX;
    while (shard->ghost_count < wanted) {
        uint32_t number = range_take(&engine->range, actor, SEGMENT_GHOSTS, true);
        if (!number)
            break;
        struct segment *segment = &engine->range.segments[number];
        range_own(&engine->range, number, shard->index.shard);
        atomic_store_explicit(&segment->used, range_segment_size(&engine->range), memory_order_relaxed);
        if (!range_is_fresh(&engine->range, number))
            words_zero(engine->range.base + range_segment_at(&engine->range, number),
                       range_segment_size(&engine->range));
        shard->ghosts[shard->ghost_count++] = number;
    }
    return shard->ghost_count > 0;
}

/* The clock runs once round 65,536 in two fillings of the ghosts, so that a stamp is never taken for a younger one. */
static void advance(const struct engine *engine, struct shard *shard) {
    uint32_t cells = buckets_a_segment(engine) * CELLS * shard->ghost_count;
    uint32_t a_tick = cells * 2 / 65536;
    if (++shard->ghost_step > a_tick) {
        shard->ghost_step = 0;
        shard->ghost_clock = (shard->ghost_clock + 1) & 0xffff;
    }
}

static uint32_t age(const struct shard *shard, uint32_t cell) {
    return (shard->ghost_clock - (cell & 0xffff)) & 0xffff;
}

void ghost_add(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash) {
    if (shard->ghost_count == 0 && !take_memory(engine, actor, shard))
        return;
    advance(engine, shard);
    uint32_t *bucket = bucket_of(engine, shard, hash), oldest = 0;
    for (uint32_t i = 0; i < CELLS; i++) {
        if (bucket[i] == 0) {
            oldest = i;
            break;
        }
        if (age(shard, bucket[i]) > age(shard, bucket[oldest]))
            oldest = i;
    }
    words_store32(&bucket[oldest], fingerprint_of(hash) << 16 | shard->ghost_clock);
}

bool ghost_take(struct engine *engine, struct shard *shard, uint64_t hash) {
    if (shard->ghost_count == 0)
        return false;
    uint32_t *bucket = bucket_of(engine, shard, hash);
    for (uint32_t i = 0; i < CELLS; i++)
        if (bucket[i] >> 16 == fingerprint_of(hash) && bucket[i]) {
            bool young = age(shard, bucket[i]) < 0x8000;
            words_store32(&bucket[i], 0);
            return young;
        }
    return false;
}

void ghost_clear(struct engine *engine, struct actor *actor, struct shard *shard) {
    while (shard->ghost_count)
        range_give(&engine->range, actor, shard->ghosts[--shard->ghost_count]);
    shard->ghost_clock = shard->ghost_step = 0;
}
