#include "core/store/range.h"

#include "base/rng.h"
#include "core/store/store_fixture.h"

static void segments_are_sized_by_the_limit(void **state) {
    (void)state;
    static const struct {
        uint64_t limit;
        uint32_t size;
    } sizes[] = {{1u << 20, 4096},         {3u << 20, 4096},       {4u << 20, 8192},
                 {256u << 20, 512u << 10}, {1ull << 30, 2u << 20}, {100ull << 30, 2u << 20}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct testing_store t = testing_store_open(sizes[i].limit, 1, STORE_NOEVICTION, NULL);
        const struct range *range = &t.engine->range;
        assert_int_equal(range_segment_size(range), sizes[i].size);
        assert_true((uint64_t)range->head->limit * sizes[i].size <= sizes[i].limit);
        assert_true((uint64_t)range->head->limit * sizes[i].size > sizes[i].limit / 10 * 9);
        for (uint32_t number = 1; number <= range->head->segment_count; number += 1 + number / 3) {
            uint64_t at = range_segment_at(range, number);
            assert_int_equal(at % sizes[i].size, 0);
            assert_int_equal(range_segment_of(range, at), number);
            assert_int_equal(range_segment_of(range, at + sizes[i].size - 1), number);
            assert_int_equal(range_segment_end(range, at + 5), at + sizes[i].size);
            assert_true(at + sizes[i].size <= t.range_size);
            assert_true(range_is_one_segment(range, at, sizes[i].size));
            assert_false(range_is_one_segment(range, at, sizes[i].size + 1));
            assert_true(range_is_one_segment(range, at + sizes[i].size - 4, 4));
            assert_false(range_is_one_segment(range, at + sizes[i].size - 4, 5));
        }
        testing_store_close(&t);
    }
}

static void ranges_that_cannot_be_are_refused(void **state) {
    (void)state;
    static uint8_t small[1 << 20] __attribute__((aligned(4096)));
    struct engine *engine = NULL;
    struct engine_options options = {
        .range = small, .range_size = sizeof small, .limit_bytes = sizeof small, .memory = &memory_libc};
    options.limit_bytes = RANGE_LIMIT_MIN - 1;
    assert_int_equal(engine_open(&options, &engine), STATUS_INVALID);
    options.limit_bytes = sizeof small + 1;
    assert_int_equal(engine_open(&options, &engine), STATUS_INVALID);
    options.limit_bytes = sizeof small;
    options.policy = STORE_POLICY_COUNT;
    assert_int_equal(engine_open(&options, &engine), STATUS_INVALID);
    options.policy = STORE_NOEVICTION;
    options.range = small + 8;
    assert_int_equal(engine_open(&options, &engine), STATUS_INVALID);
    assert_null(engine);
    size_t touched = 0;
    for (size_t i = 0; i < sizeof small; i++)
        touched += small[i] != 0;
    assert_int_equal(touched, 0);
}

static void writers_leave_half_the_reserve_and_reclaim_takes_it(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    uint32_t limit = range->head->limit, reserve = range_reserve(range), before = range->head->used, number;
    assert_int_equal(range_room(range), limit - reserve - before);
    while (range_take(range, &t.actor, SEGMENT_BLOCKS, false))
        continue;
    assert_int_equal(range->head->used, limit - (reserve - reserve / 2));
    assert_int_equal(range_room(range), 0);
    uint32_t more = 0, last = 0;
    while ((number = range_take(range, &t.actor, SEGMENT_BLOCKS, true)) != 0)
        more++, last = number;
    assert_int_equal(more, reserve - reserve / 2);
    assert_int_equal(range->head->used, limit);
    range_give(range, &t.actor, last);
    assert_int_equal(range_take(range, &t.actor, SEGMENT_LOG, false), 0);
    assert_int_equal(range_take(range, &t.actor, SEGMENT_LOG, true), last);
    assert_false(range_is_fresh(range, last));
    engine_close(t.engine);
    munmap(t.range, t.range_size);
}

/* Whatever comes and goes, nobody is handed a segment twice, and the counts are those of a naive twin. */
static void segments_have_one_holder(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(2u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct rng rng = rng_seeded(unit_seed());
    uint8_t held[1024] = {0};
    uint32_t list[1024], count = 0, at_first = range->head->used, fixed = range->head->fixed;
    assert_true(range->head->segment_count < 1024);
    for (uint32_t step = 0; step < 20000; step++) {
        if (rng_below(&rng, 2)) {
            enum segment_kind kind = rng_below(&rng, 2) ? SEGMENT_OBJECTS : SEGMENT_LOG;
            uint32_t number = range_take(range, &t.actor, kind, false);
            if (!number) {
                assert_int_equal(range->head->used,
                                 range->head->limit - (range_reserve(range) - range_reserve(range) / 2));
                continue;
            }
            assert_false(held[number]);
            assert_int_equal(range->segments[number].kind, kind);
            assert_int_equal(range->segments[number].live + range->segments[number].used, 0);
            assert_int_equal(range->segments[number].shard, RANGE_NOBODY);
            held[number] = 1;
            list[count++] = number;
        } else if (count) {
            uint32_t i = (uint32_t)rng_below(&rng, count), number = list[i];
            range_give(range, &t.actor, number);
            held[number] = 0;
            list[i] = list[--count];
        }
        assert_int_equal(range->head->used, at_first + count);
    }
    assert_int_equal(range->head->fixed, fixed);
    while (count)
        range_give(range, &t.actor, list[--count]);
    assert_int_equal(range->head->fixed, fixed);
    testing_store_close(&t);
}

static void limit_moves_while_segments_are_held(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(4u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    uint32_t taken[2048], count = testing_store_starve(&t, 0, taken);
    assert_int_equal(engine_limit_set(t.engine, 2u << 20), STATUS_OK);
    assert_int_equal(range_room(range), 0);
    assert_int_equal(range_take(range, &t.actor, SEGMENT_LOG, false), 0);
    assert_int_equal(range_take(range, &t.actor, SEGMENT_OBJECTS, true), 0);
    /* Reclaim alone needs somewhere to copy to, a reserve above what was in use, and that falls as segments come back. */
    uint32_t reserve = range_reserve(range), copies[64], more = 0;
    while ((copies[more] = range_take(range, &t.actor, SEGMENT_LOG, true)) != 0)
        assert_true(++more <= reserve);
    assert_int_equal(more, reserve);
    while (more)
        range_give(range, &t.actor, copies[--more]);
    for (uint32_t i = 0; i < 2 * reserve; i++)
        range_give(range, &t.actor, taken[--count]);
    while ((copies[more] = range_take(range, &t.actor, SEGMENT_LOG, true)) != 0)
        assert_true(++more <= reserve);
    while (more)
        range_give(range, &t.actor, copies[--more]);
    assert_int_equal(engine_limit_set(t.engine, 8u << 20), STATUS_OK);
    assert_true(range_room(range) > count / 2);
    assert_int_equal(engine_limit_set(t.engine, t.range_size + 1), STATUS_INVALID);
    assert_int_equal(engine_limit_set(t.engine, RANGE_LIMIT_MIN - 1), STATUS_INVALID);
    assert_true(range->head->limit_bytes == 8u << 20);
    testing_store_feed(&t, taken, count);
    testing_store_close(&t);
}

/* Else a shard that finds its number there might walk what another one has just taken. */
static void free_segments_are_nobodys(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 2, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    uint32_t number = range_take(range, &t.actor, SEGMENT_LOG, false);
    range_own(range, number, 0);
    range_give(range, &t.actor, number);
    assert_int_equal(range->segments[number].shard, RANGE_NOBODY);
    testing_store_close(&t);
}

static void units_of_two_kinds_never_share_a_segment(void **state) {
    (void)state;
    enum { UNITS = 600 };
    static const enum segment_kind kinds[] = {SEGMENT_INDEX, SEGMENT_GHOSTS, SEGMENT_TAGS, SEGMENT_TIER};
    struct testing_store t = testing_store_open(4u << 20, 1, STORE_NOEVICTION, NULL);
    struct range *range = &t.engine->range;
    struct range_head *head = range->head;
    const _Atomic uint32_t *counts[] = {&head->units, &head->ghost_units, &head->tag_units, &head->tier_units};
    uint32_t units[UNITS] = {0}, taken[COUNT_OF(kinds)] = {0}, before = head->units, used = head->used;
    uint8_t of[UNITS] = {0};
    uint64_t charged = range->charges[0];
    struct rng rng = rng_seeded(unit_seed());
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)rng_below(&rng, UNITS);
        bool was_taken = units[i] != 0;
        if (was_taken) {
            range_give_unit(range, &t.actor, 0, units[i]);
            units[i] = 0;
        } else {
            of[i] = (uint8_t)rng_below(&rng, COUNT_OF(kinds));
            units[i] = range_take_unit(range, &t.actor, kinds[of[i]], 0);
            assert_int_not_equal(units[i], 0);
            uint64_t at = range_unit_at(range, units[i]);
            for (uint32_t b = 0; b < head->unit_size; b++)
                assert_int_equal(range->base[at + b], 0);
            assert_int_equal(range->segments[range_segment_of(range, at)].kind, kinds[of[i]]);
            words_store64(range->base + at, ~0ull);
            words_store64(range->base + at + head->unit_size - 8, ~0ull);
        }
        taken[of[i]] += was_taken ? -1u : 1u;
        assert_int_equal(*counts[of[i]], taken[of[i]] + (of[i] == 0 ? before : 0));
        if (step % 100 == 0)
            range_verify(range);
    }
    for (uint32_t i = 0; i < UNITS; i++)
        if (units[i])
            range_give_unit(range, &t.actor, 0, units[i]);
    assert_int_equal(head->used, used);
    assert_int_equal(range->charges[0], charged);
    testing_store_close(&t);
}

UNIT_TESTS(range, UNIT(segments_are_sized_by_the_limit), UNIT(ranges_that_cannot_be_are_refused),
           UNIT(writers_leave_half_the_reserve_and_reclaim_takes_it), UNIT(segments_have_one_holder),
           UNIT(limit_moves_while_segments_are_held), UNIT(free_segments_are_nobodys),
           UNIT(units_of_two_kinds_never_share_a_segment));
