#include "core/store/extent.h"

#include "base/rng.h"
#include "core/store/run.h"
#include "core/store/store_fixture.h"

static uint64_t block_of(const struct range *range) { return range_segment_size(range) / RANGE_BLOCKS; }

static uint64_t limit_of(const struct testing_store *t) {
    return (uint64_t)t->engine->range.head->limit << t->engine->range.segment_shift;
}

/* A chain with room for `size` bytes, or nothing. */
static bool build(struct testing_store *t, uint64_t size, struct extents *ret_chain) {
    struct extents chain = {0};
    while (chain.room < size)
        if (!extent_add(&t->engine->range, &t->actor, &chain, size - chain.room)) {
            if (chain.first)
                extent_release(&t->engine->range, &t->actor, chain.first);
            return false;
        }
    *ret_chain = chain;
    return true;
}

/* Writes or compares a pattern over the whole room. */
static bool go_over(const struct range *range, uint64_t first, uint64_t size, uint8_t with, bool write) {
    for (uint64_t at = 0; at < size;) {
        uint64_t part;
        uint8_t *piece = extent_piece(range, first, at, &part);
        if (!piece)
            return false;
        part = part < size - at ? part : size - at;
        if (write)
            memset(piece, with, part);
        for (uint64_t i = 0; i < part; i += 1 + part / 100)
            if (piece[i] != with)
                return false;
        at += part;
    }
    return true;
}

static void chains_have_the_room_that_they_say(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    for (uint64_t size = 3 * block_of(range); size < 4 * range_segment_size(range); size += 1 + size / 7) {
        struct extents chain;
        assert_true(build(&t, size, &chain));
        uint64_t last = 0, part;
        assert_true(chain.room >= size && chain.room < size + block_of(range));
        assert_int_equal(extent_room(range, chain.first, &last), chain.room);
        assert_int_equal(last, chain.last);
        uint64_t charge = extent_charge(range, chain.first);
        assert_true(charge > chain.room &&
                    charge <= chain.room + 32 * (1 + size / (range_segment_size(range) - 32)) + 32);
        assert_int_equal(range->head->blocks_live, charge);
        assert_true(go_over(range, chain.first, chain.room, 0x3c, true));
        assert_null(extent_piece(range, chain.first, chain.room, &part));
        assert_int_equal(part, 0);
        extent_release(range, &t.actor, chain.first);
        assert_int_equal(range->head->blocks_live, 0);
    }
    testing_store_close(&t);
}

/* Chains of random sizes come and go; each keeps its bytes, and all memory comes back. */
static void chains_keep_apart_in_fragmented_segments(void **state) {
    (void)state;
    enum { COUNT = 200 };
    struct testing_store t = testing_store_open(2u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct rng rng = rng_seeded(unit_seed());
    struct extents chains[COUNT] = {0};
    uint32_t at_first = range->head->used, refused = 0, split = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)rng_below(&rng, COUNT);
        if (chains[i].first) {
            assert_true(go_over(range, chains[i].first, chains[i].room, (uint8_t)i, false));
            extent_release(range, &t.actor, chains[i].first);
            chains[i] = (struct extents){0};
            continue;
        }
        uint64_t size = 1 + rng_below(&rng, rng_below(&rng, 4) ? 6 * block_of(range) : 40u * range_segment_size(range));
        if (!build(&t, size, &chains[i])) {
            refused++;
            continue;
        }
        split += chains[i].last != chains[i].first && size < range_segment_size(range) / 2;
        assert_true(go_over(range, chains[i].first, chains[i].room, (uint8_t)i, true));
    }
    assert_true(refused > 0 && split > 0); /* memory ran out, and small values were made of scattered runs */
    uint64_t charge = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        charge += chains[i].first ? extent_charge(range, chains[i].first) : 0;
    assert_int_equal(range->head->blocks_live, charge);
    for (uint32_t i = 0; i < COUNT; i++)
        if (chains[i].first)
            extent_release(range, &t.actor, chains[i].first);
    assert_int_equal(range->head->blocks_live, 0);
    assert_int_equal(range->head->used, at_first);
    testing_store_close(&t);
}

static void last_holder_frees(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(4u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct extents chain;
    assert_true(build(&t, 100000, &chain));
    assert_true(extent_alone(range, chain.first));
    assert_true(extent_hold(range, chain.first));
    assert_true(extent_hold(range, chain.first));
    assert_false(extent_alone(range, chain.first));
    extent_release(range, &t.actor, chain.first);
    extent_release(range, &t.actor, chain.first);
    assert_true(extent_alone(range, chain.first));
    assert_true(range->head->blocks_live > 0);
    extent_release(range, &t.actor, chain.first);
    assert_int_equal(range->head->blocks_live, 0);
    assert_false(extent_hold(range, chain.first));
    testing_store_close(&t);
}

/* A reader that comes too late takes any bytes for a place. */
static void holding_what_is_no_value_is_refused(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(4u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct rng rng = rng_seeded(unit_seed());
    struct extents chain;
    assert_true(build(&t, 3 * block_of(range), &chain));
    assert_false(extent_hold(range, 0));
    assert_false(extent_hold(range, UINT64_MAX));
    assert_false(extent_hold(range, chain.first + block_of(range)));
    assert_false(extent_hold(range, chain.first + 8));
    assert_false(extent_hold(range, range_segment_at(range, range->head->segment_count + 1)));
    for (int i = 0; i < 100000; i++) {
        uint64_t at = rng_below(&rng, 2) ? rng_next(&rng) : rng_below(&rng, t.range_size);
        assert_true(at == chain.first || !extent_hold(range, at));
    }
    assert_true(extent_alone(range, chain.first));
    extent_release(range, &t.actor, chain.first);
    testing_store_close(&t);
}

static void building_fails_at_every_extent(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    uint32_t taken[512];
    for (uint32_t left = 0; left < 6; left++) {
        uint32_t starved = testing_store_starve(&t, left, taken), used = range->head->used;
        struct extents chain = {0};
        assert_false(build(&t, 6 * range_segment_size(range), &chain));
        assert_int_equal(chain.first, 0);
        assert_int_equal(range->head->used, used);
        assert_int_equal(range->head->blocks_live, 0);
        bool fits = build(&t, left * (range_segment_size(range) - 32), &chain);
        assert_true(fits);
        if (chain.first)
            extent_release(range, &t.actor, chain.first);
        testing_store_feed(&t, taken, starved);
    }
    testing_store_close(&t);
}

/* A reader that comes too late holds a value for a moment although its number is odd: the value stays where it is. */
static void late_holder_keeps_a_value_in_its_place(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct extents chain;
    assert_true(build(&t, block_of(range), &chain));
    uint64_t live = range->head->blocks_live;
    assert_true(extent_alone(range, chain.first));
    assert_true(extent_hold(range, chain.first));
    assert_int_equal(extent_move_run(range, &t.actor, chain.first, chain.first), 0);
    assert_int_equal(range->head->blocks_live, live);
    extent_release(range, &t.actor, chain.first);
    uint64_t moved = extent_move_run(range, &t.actor, chain.first, chain.first);
    assert_true(moved != 0 && moved != chain.first && !extent_hold(range, chain.first));
    extent_release(range, &t.actor, moved);
    assert_int_equal(range->head->blocks_live, 0);
    testing_store_close(&t);
}

/* What a late reader takes for a place may be anything, also one that looks right in its low bits. */
static void places_beyond_the_range_are_refused(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct extents chain;
    assert_true(build(&t, block_of(range), &chain));
    for (uint32_t bit = 32 + range->segment_shift; bit < 64; bit++)
        assert_false(extent_hold(range, chain.first | 1ull << bit));
    extent_release(range, &t.actor, chain.first);
    testing_store_close(&t);
}

static void longest_runs_are_those_of_counting(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    assert_int_equal(run_longest(0), 64);
    assert_int_equal(run_longest(UINT64_MAX), 0);
    for (uint32_t i = 0; i < 100000; i++) {
        uint64_t taken = rng_next(&rng);
        for (uint32_t thinned = i % 6; thinned; thinned--)
            taken &= rng_next(&rng);
        uint32_t longest = 0;
        for (uint32_t bit = 0, run = 0; bit < 64; bit++) {
            run = taken >> bit & 1 ? 0 : run + 1;
            longest = run > longest ? run : longest;
        }
        assert_int_equal(run_longest(taken), longest);
        assert_true(longest == 0 || run_find(taken, longest) != 0);
    }
}

/* Values of a quarter of a segment and more come and go in a range of a thousand segments, a part of which they take. */
static void holes_are_found_among_many_segments(void **state) {
    (void)state;
    enum { VALUES = 900, STEPS = 40000 };
    struct testing_store t = testing_store_open(64u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct rng rng = rng_seeded(unit_seed());
    struct extents *chains = calloc(VALUES, sizeof *chains);
    for (uint32_t i = 0; i < STEPS; i++) {
        struct extents *chain = &chains[rng_below(&rng, VALUES)];
        if (chain->first)
            extent_release(range, &t.actor, chain->first);
        uint64_t size = range_segment_size(range) / 4 << rng_below(&rng, 2);
        chain->first = chain->room = 0;
        assert_true(build(&t, size + rng_below(&rng, size / 4), chain));
    }
    uint64_t held = (uint64_t)range->head->block_segments << range->segment_shift, live = range->head->blocks_live;
    print_message("values take %.3f of their segments\n", (double)live / (double)held);
    assert_true(held < limit_of(&t) * 9 / 10);
    assert_true(live * 100 > held * 94);
    for (uint32_t i = 0; i < VALUES; i++)
        if (chains[i].first)
            extent_release(range, &t.actor, chains[i].first);
    for (uint32_t i = 0; i < RANGE_RUN_CLASSES; i++)
        assert_int_equal(range->head->block_first[i], 0);
    free(chains);
    testing_store_close(&t);
}

UNIT_TESTS(extent, UNIT(longest_runs_are_those_of_counting), UNIT(holes_are_found_among_many_segments),
           UNIT(chains_have_the_room_that_they_say), UNIT(chains_keep_apart_in_fragmented_segments),
           UNIT(last_holder_frees), UNIT(holding_what_is_no_value_is_refused), UNIT(building_fails_at_every_extent),
           UNIT(late_holder_keeps_a_value_in_its_place), UNIT(places_beyond_the_range_are_refused));
