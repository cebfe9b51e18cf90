#include "core/store/ghost.h"

#include "base/assert.h"

enum {
    CELLS = 31,
    LATELY = 3, /* cells of a ring */
    ENTRIES_PER_GHOST = 2,
    UNITS_PER_STEP = 1,   /* taken at once: one has to be cleared, up to 128 KiB */
    LOOK_EVERY = 64,      /* drops between two looks at how many buckets there should be */
    MEMORY_SHARE_MAX = 32 /* of the limit, all shards together */
};

struct bucket {
    uint16_t head, cells[CELLS];
};
static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

static uint32_t buckets_a_unit(const struct engine *engine) {
    return engine->range.head->unit_size / sizeof(struct bucket);
}

static uint32_t *units_of(const struct engine *engine, const struct shard *shard) {
    return (uint32_t *)(void *)(engine->range.base + shard->ghosts.units_at);
}

/* Linear hashing: the bits of the hash above those of the fingerprint. */
static struct bucket *bucket_of(const struct engine *engine, const struct shard *shard, uint64_t hash) {
    uint32_t count = shard->ghosts.buckets, level = 31 - (uint32_t)__builtin_clz(count), bits = (uint32_t)(hash >> 15);
    uint32_t number = bits & ((2u << level) - 1);
    if (number >= count)
        number &= (1u << level) - 1;
    uint32_t unit = units_of(engine, shard)[number / buckets_a_unit(engine)];
    return (struct bucket *)(void *)(engine->range.base + range_unit_at(&engine->range, unit)) +
           number % buckets_a_unit(engine);
}

static uint16_t fingerprint_of(uint64_t hash) {
    uint16_t fingerprint = hash & 0x7fff;
    return fingerprint ? fingerprint : 1;
}

/* Late readers may still look at the segment as the log it once was. */
static void bucket_write(struct bucket *to, const struct bucket *from) { words_write(to, from, sizeof *to); }

static uint64_t wanted_buckets(const struct engine *engine, const struct shard *shard) {
    uint64_t entries = atomic_load_explicit(&shard->index.entries, memory_order_relaxed);
    uint64_t wanted = entries / ENTRIES_PER_GHOST / CELLS + 1;
    uint64_t limit = atomic_load_explicit(&engine->range.head->limit_bytes, memory_order_relaxed);
    uint64_t most = limit / MEMORY_SHARE_MAX / engine->shard_count / sizeof(struct bucket);
    if (limit < RANGE_LIMIT_TINY)
        return 0; /* a segment for them would be an entry in twenty */
    return wanted < most ? wanted : most;
}

/* Buckets that are put into use, or out of it, must be empty when they come again. */
static void empty_bucket(const struct engine *engine, const struct shard *shard, uint32_t number) {
    uint32_t unit = units_of(engine, shard)[number / buckets_a_unit(engine)];
    words_zero(engine->range.base + range_unit_at(&engine->range, unit) +
                   number % buckets_a_unit(engine) * sizeof(struct bucket),
               sizeof(struct bucket));
}

/* As many buckets as there should be, but for one that would need a unit more than may be taken at once. */
static void fit(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct ghosts *ghosts = &shard->ghosts;
    uint64_t wanted = wanted_buckets(engine, shard), a_unit = buckets_a_unit(engine);
    for (int i = 0; i < UNITS_PER_STEP && ghosts->unit_count * a_unit < wanted; i++) {
        uint32_t unit = range_take_unit(&engine->range, actor, SEGMENT_GHOSTS, shard->index.shard);
        if (!unit)
            break;
        units_of(engine, shard)[ghosts->unit_count++] = unit;
    }
    if (wanted > ghosts->unit_count * a_unit)
        wanted = ghosts->unit_count * a_unit;
    /* Numbers of entries waver; what is a quarter too much may stay. */
    if (wanted > ghosts->buckets) {
        ghosts->buckets = (uint32_t)wanted;
    } else if (wanted + wanted / 4 < ghosts->buckets) {
        while (ghosts->buckets > wanted)
            empty_bucket(engine, shard, --ghosts->buckets);
        while (ghosts->unit_count * a_unit >= ghosts->buckets + a_unit)
            range_give_unit(&engine->range, actor, shard->index.shard, units_of(engine, shard)[--ghosts->unit_count]);
    }
}

void ghost_add(struct engine *engine, struct actor *actor, struct shard *shard, enum store_queue dropped_by,
               uint64_t hash) {
    if (shard->ghosts.drops++ % LOOK_EVERY == 0)
        fit(engine, actor, shard);
    if (shard->ghosts.buckets == 0)
        return;
    struct bucket *at = bucket_of(engine, shard, hash), bucket;
    words_read(&bucket, at, sizeof bucket);
    bucket.cells[bucket.head] = (uint16_t)(fingerprint_of(hash) | (dropped_by == STORE_MAIN ? 0x8000 : 0));
    bucket.head = bucket.head + 1 == CELLS ? 0 : bucket.head + 1;
    bucket_write(at, &bucket);
}

struct ghost ghost_take(struct engine *engine, struct shard *shard, uint64_t hash) {
    if (shard->ghosts.buckets == 0)
        return (struct ghost){false, false, STORE_SMALL};
    struct bucket *at = bucket_of(engine, shard, hash), bucket;
    uint16_t fingerprint = fingerprint_of(hash);
    words_read(&bucket, at, sizeof bucket);
    for (uint32_t age = 0; age < CELLS; age++) {
        uint32_t i = bucket.head > age ? bucket.head - age - 1u : bucket.head + CELLS - age - 1u;
        if ((bucket.cells[i] & 0x7fff) != fingerprint)
            continue;
        struct ghost ghost = {true, age < LATELY, bucket.cells[i] & 0x8000 ? STORE_MAIN : STORE_SMALL};
        bucket.cells[i] = 0;
        bucket_write(at, &bucket);
        return ghost;
    }
    return (struct ghost){false, false, STORE_SMALL};
}

void ghost_clear(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct ghosts *ghosts = &shard->ghosts;
    while (ghosts->unit_count)
        range_give_unit(&engine->range, actor, shard->index.shard, units_of(engine, shard)[--ghosts->unit_count]);
    ghosts->buckets = ghosts->drops = 0;
}

uint64_t ghost_capacity(const struct shard *shard) { return (uint64_t)shard->ghosts.buckets * CELLS; }

void ghost_verify(const struct engine *engine, const struct shard *shard) {
    const struct ghosts *ghosts = &shard->ghosts;
    uint64_t a_unit = buckets_a_unit(engine);
    ASSERT(ghosts->buckets <= ghosts->unit_count * a_unit);
    ASSERT(ghosts->unit_count == 0 || ghosts->buckets + a_unit > (ghosts->unit_count - 1) * a_unit);
    for (uint32_t i = 0; i < ghosts->buckets; i++) {
        uint32_t unit = units_of(engine, shard)[i / a_unit];
        const uint8_t *at =
            engine->range.base + range_unit_at(&engine->range, unit) + i % a_unit * sizeof(struct bucket);
        struct bucket bucket;
        words_read(&bucket, at, sizeof bucket);
        ASSERT(bucket.head < CELLS);
    }
}
