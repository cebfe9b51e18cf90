#include "core/store/ghost.h"

#include "base/rng.h"
#include "core/store/store_fixture.h"

static uint32_t cells(const struct testing_store *t) {
    return t->engine->shards[0].ghost_count * range_segment_size(&t->engine->range) / 4;
}

static void what_was_dropped_is_remembered_once(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    struct rng rng = rng_seeded(unit_seed());
    assert_false(ghost_take(t.engine, shard, 5));
    for (int i = 0; i < 1000; i++) {
        uint64_t hash = rng_next(&rng);
        ghost_add(t.engine, &t.actor, shard, hash);
        assert_true(ghost_take(t.engine, shard, hash));
        assert_false(ghost_take(t.engine, shard, hash));
    }
    testing_store_close(&t);
}

/* Of the latest tenth of a filling nearly all are known; of hashes never dropped, and of those dropped five fillings ago, few are. */
static void memory_is_of_what_was_dropped_lately(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    ghost_add(t.engine, &t.actor, shard, 1);
    uint32_t capacity = cells(&t), known = 0, old = 0, foreign = 0, tenth = capacity / 10;
    assert_true(capacity > 0);
    struct rng rng = rng_seeded(unit_seed());
    uint64_t *dropped = calloc(5ull * capacity, sizeof *dropped);
    for (uint32_t i = 0; i < 5 * capacity; i++) {
        dropped[i] = rng_next(&rng);
        ghost_add(t.engine, &t.actor, shard, dropped[i]);
    }
    for (uint32_t i = 0; i < tenth; i++)
        foreign += ghost_take(t.engine, shard, rng_next(&rng));
    for (uint32_t i = 0; i < tenth; i++)
        old += ghost_take(t.engine, shard, dropped[i]);
    for (uint32_t i = 5 * capacity - tenth; i < 5 * capacity; i++)
        known += ghost_take(t.engine, shard, dropped[i]);
    if (known * 100 < tenth * 95 || old * 100 > tenth || foreign * 100 > tenth)
        fail_msg("of %u: %u known, %u old, %u foreign", tenth, known, old, foreign);
    free(dropped);
    testing_store_close(&t);
}

static void without_memory_nothing_is_remembered(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    uint32_t held[512], count = 0;
    while ((held[count] = range_take(&t.engine->range, &t.actor, SEGMENT_GHOSTS, true)) != 0)
        count++;
    ghost_add(t.engine, &t.actor, shard, 77);
    assert_int_equal(shard->ghost_count, 0);
    assert_false(ghost_take(t.engine, shard, 77));
    testing_store_feed(&t, held, count);
    testing_store_close(&t);
}

static void clearing_gives_all_memory_back(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(64u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    uint32_t used = t.engine->range.head->used, fixed = t.engine->range.head->fixed;
    shard->index.entries += 200000; /* as if there were so many: ghosts are counted by them */
    ghost_add(t.engine, &t.actor, shard, 77);
    shard->index.entries -= 200000;
    assert_true(shard->ghost_count > 1);
    assert_true(shard->ghost_count <= STORE_GHOST_SEGMENTS_MAX);
    assert_int_equal(t.engine->range.head->used, used + shard->ghost_count);
    assert_int_equal(t.engine->range.head->fixed, fixed + shard->ghost_count);
    ghost_clear(t.engine, &t.actor, shard);
    assert_int_equal(t.engine->range.head->used, used);
    assert_int_equal(t.engine->range.head->fixed, fixed);
    assert_false(ghost_take(t.engine, shard, 77));
    testing_store_close(&t);
}

UNIT_TESTS(ghost, UNIT(what_was_dropped_is_remembered_once), UNIT(memory_is_of_what_was_dropped_lately),
           UNIT(without_memory_nothing_is_remembered), UNIT(clearing_gives_all_memory_back));
