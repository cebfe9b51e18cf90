#include "core/store/ghost.h"

#include "base/rng.h"
#include "core/store/store_fixture.h"

enum { CELLS = 31 }; /* of a bucket; a store without entries has one */

static void what_was_dropped_is_remembered_once(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    struct rng rng = rng_seeded(unit_seed());
    assert_false(ghost_take(t.engine, shard, 5).found);
    for (int i = 0; i < 1000; i++) {
        uint64_t hash = rng_next(&rng);
        enum store_queue queue = rng_below(&rng, 2) ? STORE_MAIN : STORE_SMALL;
        ghost_add(t.engine, &t.actor, shard, queue, hash);
        struct ghost ghost = ghost_take(t.engine, shard, hash);
        assert_true(ghost.found && ghost.lately);
        assert_int_equal(ghost.dropped_by, queue);
        assert_false(ghost_take(t.engine, shard, hash).found);
    }
    ghost_verify(t.engine, shard);
    testing_store_close(&t);
}

static void a_bucket_is_a_ring(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    for (uint64_t hash = 1; hash <= 2 * CELLS; hash++)
        ghost_add(t.engine, &t.actor, shard, STORE_SMALL, hash);
    assert_int_equal(ghost_capacity(shard), CELLS);
    for (uint64_t hash = 1; hash <= CELLS; hash++)
        assert_false(ghost_take(t.engine, shard, hash).found);
    for (uint64_t hash = CELLS + 1; hash <= 2 * CELLS; hash++) {
        struct ghost ghost = ghost_take(t.engine, shard, hash);
        assert_true(ghost.found);
        assert_int_equal(ghost.lately, hash > 2 * CELLS - 3);
    }
    testing_store_close(&t);
}

static void hashes_never_dropped_are_seldom_known(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    struct rng rng = rng_seeded(unit_seed());
    uint32_t known = 0, trials = 100000;
    for (uint32_t i = 0; i < trials; i++) {
        ghost_add(t.engine, &t.actor, shard, STORE_SMALL, rng_next(&rng));
        known += ghost_take(t.engine, shard, rng_next(&rng)).found;
    }
    /* One in 1,057 is expected: 95 of a hundred thousand. */
    assert_true(known > 30 && known < 200);
    testing_store_close(&t);
}

static void without_memory_nothing_is_remembered(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    uint32_t *held = calloc(t.engine->range.head->segment_count, sizeof *held), count = 0;
    while ((held[count] = range_take(&t.engine->range, &t.actor, SEGMENT_OBJECTS, true)) != 0)
        count++;
    ghost_add(t.engine, &t.actor, shard, STORE_SMALL, 7);
    assert_false(ghost_take(t.engine, shard, 7).found);
    assert_int_equal(ghost_capacity(shard), 0);
    while (count)
        range_give(&t.engine->range, &t.actor, held[--count]);
    free(held);
    testing_store_close(&t);
}

static void clearing_gives_all_memory_back(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct shard *shard = &t.engine->shards[0];
    ghost_add(t.engine, &t.actor, shard, STORE_MAIN, 7);
    assert_true(t.engine->range.head->ghost_units > 0);
    ghost_clear(t.engine, &t.actor, shard);
    assert_int_equal(t.engine->range.head->ghost_units, 0);
    assert_false(ghost_take(t.engine, shard, 7).found);
    testing_store_close(&t);
}

UNIT_TESTS(ghost, UNIT(what_was_dropped_is_remembered_once), UNIT(a_bucket_is_a_ring),
           UNIT(hashes_never_dropped_are_seldom_known), UNIT(without_memory_nothing_is_remembered),
           UNIT(clearing_gives_all_memory_back));
