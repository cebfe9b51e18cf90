#include "core/store/filter.h"

#include "base/rng.h"
#include "core/store/reclaim.h"
#include "core/store/resident.h"
#include "core/store/store_fixture.h"

static struct shard *the_shard(struct testing_store *t) { return &t->engine->shards[0]; }

static struct store_key key_of(const struct testing_store *t, uint32_t number, char *text) {
    return testing_store_key(t, 0, slice_make(text, (size_t)sprintf(text, "key:%u", number)));
}

static bool put(struct testing_store *t, uint32_t number) {
    char text[32];
    struct store_key key = key_of(t, number, text);
    struct store_spot spot;
    uint32_t at = store_shard_of(t->engine, key.hash);
    (void)!reclaim_make_room(t->engine, &t->actor, 0, 0);
    store_lock(t->engine, &t->actor, at);
    store_find(t->engine, &t->engine->shards[at], &key, &spot);
    enum status status = store_put(t->engine, &t->actor, &t->engine->shards[at], &key,
                                   &(struct store_value){.value = SLICE("value")}, &spot);
    store_unlock(t->engine, &t->actor, at);
    return status == STATUS_OK;
}

static void take_away(struct testing_store *t, uint32_t number) {
    char text[32];
    struct store_key key = key_of(t, number, text);
    struct store_spot spot;
    uint32_t at = store_shard_of(t->engine, key.hash);
    store_lock(t->engine, &t->actor, at);
    store_find(t->engine, &t->engine->shards[at], &key, &spot);
    if (spot.location)
        store_remove(t->engine, &t->actor, &t->engine->shards[at], &spot, STORE_DELETED);
    store_unlock(t->engine, &t->actor, at);
}

static enum filter_answer ask_hash(struct testing_store *t, uint64_t hash) {
    const struct shard *shard = &t->engine->shards[store_shard_of(t->engine, hash)];
    return filter_ask(&t->engine->range, &shard->filter, &shard->aside, hash);
}

static enum filter_answer ask(struct testing_store *t, uint32_t number) {
    char text[32];
    return ask_hash(t, key_of(t, number, text).hash);
}

static void want(struct testing_store *t, uint32_t rate_ppm) {
    uint32_t layout = FILTER_LAYOUTS;
    assert_int_equal(filter_layout_for(rate_ppm, &layout), STATUS_OK);
    for (uint32_t at = 0; at < t->engine->shard_count; at++) {
        store_lock(t->engine, &t->actor, at);
        filter_enable(&t->engine->shards[at], rate_ppm, layout);
        store_unlock(t->engine, &t->actor, at);
    }
}

static void want_none(struct testing_store *t) {
    for (uint32_t at = 0; at < t->engine->shard_count; at++) {
        store_lock(t->engine, &t->actor, at);
        filter_disable(t->engine, &t->actor, &t->engine->shards[at]);
        store_unlock(t->engine, &t->actor, at);
    }
}

static struct filter_facts facts_of(struct testing_store *t) { return filter_facts_of(t->engine, the_shard(t)); }

static uint32_t work_to_the_end(struct testing_store *t) {
    uint32_t slices = 0;
    while (filter_work(t->engine, &t->actor))
        assert_true(++slices < 100000);
    return slices;
}

/* Puts keys until the table in use is loaded so far. Answers how many there are. */
static uint32_t fill_up(struct testing_store *t, uint32_t from, double load) {
    while ((double)facts_of(t).entries < load * (double)facts_of(t).slots && facts_of(t).state == FILTER_ON)
        assert_true(put(t, from++));
    return from;
}

/* ------------------------------------------------------------------------------------------ reading a table */

static void rates_outside_the_limits_are_refused(void **state) {
    (void)state;
    uint32_t layout = 77;
    uint32_t wrong[] = {0, FILTER_RATE_PPM_MIN - 1, FILTER_RATE_PPM_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(filter_layout_for(wrong[i], &layout), STATUS_INVALID);
    assert_int_equal(layout, 77);
    assert_int_equal(filter_layout_for(FILTER_RATE_PPM_MIN, &layout), STATUS_OK);
    assert_int_equal(filter_layouts[layout].bits, 16);
    assert_int_equal(filter_layout_for(FILTER_RATE_PPM_DEFAULT, &layout), STATUS_OK);
    assert_int_equal(filter_layouts[layout].bits, 12);
    assert_int_equal(filter_layout_for(FILTER_RATE_PPM_MAX, &layout), STATUS_OK);
    assert_int_equal(filter_layouts[layout].bits, 8);
}

static void every_layout_finds_each_mark_in_each_slot(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t i = 0; i < FILTER_LAYOUTS; i++) {
        const struct filter_layout *layout = &filter_layouts[i];
        uint64_t most = (1ull << layout->bits) - 1;
        assert_true(layout->bits * layout->slots <= 64);
        for (int round = 0; round < 20000; round++) {
            uint64_t word = 0, mark = 1 + rng_below(&rng, most), expected = 0, free = 0;
            for (uint32_t slot = 0; slot < layout->slots; slot++) {
                uint64_t there = rng_below(&rng, 4) == 0   ? mark
                                 : rng_below(&rng, 3) == 0 ? 0
                                                           : 1 + rng_below(&rng, most);
                word |= there << slot * layout->bits;
                expected |= (uint64_t)(there == mark) << slot;
                free |= (uint64_t)(there == 0) << slot;
            }
            uint64_t match = filter_match(layout, word, mark), no_mark = filter_match(layout, word, 0);
            assert_int_equal(match != 0, expected != 0);
            assert_int_equal(no_mark != 0, free != 0);
            if (match)
                assert_int_equal((uint32_t)__builtin_ctzll(match) + 1,
                                 ((uint32_t)__builtin_ctzll(expected) + 1) * layout->bits);
            if (no_mark)
                assert_int_equal((uint32_t)__builtin_ctzll(no_mark) + 1,
                                 ((uint32_t)__builtin_ctzll(free) + 1) * layout->bits);
        }
    }
}

static void both_places_lead_to_each_other(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 200000; round++) {
        const struct filter_layout *layout = &filter_layouts[rng_below(&rng, FILTER_LAYOUTS)];
        uint32_t buckets = 1 + (uint32_t)(rng_next(&rng) >> (32 + rng_below(&rng, 32)));
        if (buckets == 0)
            continue;
        struct filter_place place = filter_place_of(layout, buckets, rng_next(&rng));
        assert_true(place.first < buckets && place.second < buckets);
        assert_true(place.mark >= 1 && place.mark < 1ull << layout->bits);
        assert_int_equal(filter_other(buckets, place.second, place.mark), place.first);
        assert_int_equal(filter_other(buckets, place.first, place.mark), place.second);
    }
}

/* ------------------------------------------------------------------------------------------ rates and load */

/* Absent keys pass no more often than was asked for, at the highest load before a larger table is begun; and about as often as the
 * formula says. */
static void absent_keys_pass_no_more_often_than_wanted(void **state) {
    (void)state;
    static const uint32_t rates_ppm[] = {100000, 30000, 12000, 10000, 200};
    struct rng rng = rng_seeded(unit_seed());
    for (size_t i = 0; i < COUNT_OF(rates_ppm); i++) {
        struct testing_store t = testing_store_open(8u << 20, 1, STORE_NOEVICTION, NULL);
        want(&t, rates_ppm[i]);
        work_to_the_end(&t);
        fill_up(&t, 0, 0.95);
        double passed = 0, asked = 2e6, expected = facts_of(&t).expected_rate;
        for (uint32_t k = 0; k < (uint32_t)asked; k++)
            passed += ask_hash(&t, rng_next(&rng) >> 16) == FILTER_PASSES;
        print_message("wanted %u in a million, expected %.5f, measured %.5f\n", rates_ppm[i], expected, passed / asked);
        assert_true(passed / asked * 1e6 <= rates_ppm[i]);
        assert_true(expected * 1e6 <= rates_ppm[i]);
        assert_true(passed / asked > expected * 0.75 && passed / asked < expected * 1.25 + 1e-5);
        testing_store_close(&t);
    }
}

static void table_takes_95_of_100_slots_and_loses_nothing_on_the_way(void **state) {
    (void)state;
    static const uint32_t rates_ppm[] = {100000, 30000, 12000, 10000, 200};
    for (size_t i = 0; i < COUNT_OF(rates_ppm); i++) {
        struct testing_store t = testing_store_open(8u << 20, 1, STORE_NOEVICTION, NULL);
        want(&t, rates_ppm[i]);
        work_to_the_end(&t);
        uint64_t slots = facts_of(&t).slots;
        uint32_t count = 0;
        while (facts_of(&t).state == FILTER_ON) {
            assert_true(put(&t, count++));
            if (count % 512 == 0)
                for (uint32_t k = 0; k < count && facts_of(&t).state == FILTER_ON; k++)
                    assert_int_equal(ask(&t, k), FILTER_PASSES);
        }
        print_message("%u bits: full at %.3f\n", facts_of(&t).bits, (double)count / (double)slots);
        assert_true((double)count > 0.95 * (double)slots);
        assert_int_equal(facts_of(&t).state, FILTER_SATURATED);
        assert_int_equal(facts_of(&t).bytes, 0);
        for (uint32_t k = 0; k < count; k++)
            assert_int_equal(ask(&t, k), FILTER_UNKNOWN);
        work_to_the_end(&t);
        assert_int_equal(facts_of(&t).state, FILTER_ON);
        assert_int_equal(facts_of(&t).entries, count);
        for (uint32_t k = 0; k < count; k++)
            assert_int_equal(ask(&t, k), FILTER_PASSES);
        testing_store_close(&t);
    }
}

/* ------------------------------------------------------------------------------------------ overtaken readers */

/* Two buckets, and hashes whose marks crowd them: some share a mark and have the two in either order, others fill them up. */
enum { CROWD = 20, TWINS = 4 };

struct crowd {
    uint64_t hashes[CROWD]; /* the first TWINS share a mark */
    uint32_t linked[CROWD];
};

static uint64_t hash_at(uint32_t buckets, uint32_t first, uint64_t upper) {
    return upper << 32 | ((((uint64_t)first << 32) + buckets - 1) / buckets);
}

static struct crowd crowd_of(struct testing_store *t, struct rng *rng) {
    const struct filter_table *table = &the_shard(t)->filter.tables[the_shard(t)->filter.live];
    const struct filter_layout *layout = &filter_layouts[table->layout];
    struct crowd crowd = {0};
    struct filter_place place = filter_place_of(layout, table->buckets, rng_next(rng) >> 16);
    uint64_t upper = 0;
    while (filter_place_of(layout, table->buckets, upper << 32).mark != place.mark)
        upper++;
    for (uint32_t i = 0; i < CROWD; i++) {
        uint64_t own = i < TWINS ? upper : rng_below(rng, 0x10000);
        crowd.hashes[i] = hash_at(table->buckets, i % 2 ? place.first : place.second, own);
        assert_int_equal(filter_place_of(layout, table->buckets, crowd.hashes[i]).first,
                         i % 2 ? place.first : place.second);
    }
    return crowd;
}

/* Links or, if it may, unlinks one of the crowd; number 0 stands still. */
static void crowd_step(struct testing_store *t, struct crowd *crowd, struct rng *rng, bool may_unlink) {
    uint32_t i = 1 + (uint32_t)rng_below(rng, (rng_below(rng, 2) ? TWINS : CROWD) - 1), most = i < TWINS ? 1 : 2;
    if (crowd->linked[i] < most && rng_below(rng, 2)) {
        filter_link(t->engine, &t->actor, the_shard(t), crowd->hashes[i], crowd->hashes[i]);
        crowd->linked[i]++;
    } else if (crowd->linked[i] && may_unlink) {
        filter_unlink(t->engine, &t->actor, the_shard(t), crowd->hashes[i], crowd->hashes[i]);
        crowd->linked[i]--;
    }
}

/* A filter that is nearly full, so that marks have to move for others; with the shard's lock held. */
static void crowd_begin(struct testing_store *t) {
    want(t, 10000);
    work_to_the_end(t);
    (void)fill_up(t, 0, 0.92);
    store_lock(t->engine, &t->actor, 0);
}

static void crowd_end(struct testing_store *t, struct crowd *crowd) {
    for (uint32_t i = 0; i < CROWD; i++)
        for (; crowd->linked[i]; crowd->linked[i]--)
            filter_unlink(t->engine, &t->actor, the_shard(t), crowd->hashes[i], crowd->hashes[i]);
    if (the_shard(t)->filter.live != FILTER_NONE)
        return;
    /* It was one too many: all marks are gone. */
    store_unlock(t->engine, &t->actor, 0);
    crowd_begin(t);
}

/* A lookup in steps of a hash that is linked all the time, with writers at the same buckets in between: it may learn nothing, but is
 * never told that the hash is absent. The mark that stands for it moves to the place that has been looked at already; in every other
 * round nothing is unlinked meanwhile. */
static void overtaken_lookup_never_denies_what_is_linked(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, NULL);
    struct shard *shard = the_shard(&t);
    struct rng rng = rng_seeded(unit_seed());
    uint32_t overtaken = 0, denied = 0;
    crowd_begin(&t);
    for (int round = 0; round < 40000; round++) {
        struct crowd crowd = crowd_of(&t, &rng);
        struct filter_visit visit;
        for (int i = 0; i < 30; i++)
            crowd_step(&t, &crowd, &rng, true);
        filter_link(t.engine, &t.actor, shard, crowd.hashes[0], crowd.hashes[0]);
        crowd.linked[0] = 1;
        for (int i = 0; i < 8; i++)
            crowd_step(&t, &crowd, &rng, true);
        if (filter_visit_begin(&shard->filter, &shard->aside, crowd.hashes[0], &visit)) {
            bool met = filter_visit_meets(&t.engine->range, &shard->filter, &visit, visit.place.first);
            for (uint64_t steps = rng_below(&rng, 10); steps > 0; steps--)
                crowd_step(&t, &crowd, &rng, round % 2);
            met |= filter_visit_meets(&t.engine->range, &shard->filter, &visit, visit.place.second);
            overtaken += !met;
            denied += !met && filter_visit_holds(&shard->filter, &visit);
        }
        crowd_end(&t, &crowd);
    }
    store_unlock(t.engine, &t.actor, 0);
    print_message("seed %llu: %u lookups met no mark, %u took that for an answer\n", (unsigned long long)unit_seed(),
                  overtaken, denied);
    assert_true(overtaken > 0);
    assert_int_equal(denied, 0);
    testing_store_close(&t);
}

/* Takes what the pool gives, and writes zeros where marks stood. */
static void scribble(struct testing_store *t) {
    uint32_t taken[8];
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        taken[i] = range_take(&t->engine->range, &t->actor, SEGMENT_LOG, false);
        assert_true(taken[i] != 0);
        words_zero(t->engine->range.base + range_segment_at(&t->engine->range, taken[i]),
                   range_segment_size(&t->engine->range));
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        range_give(&t->engine->range, &t->actor, taken[i]);
}

/* The same when the table goes away under the lookup, and its memory serves something else. */
static void lookup_in_a_table_that_has_gone_learns_nothing(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, NULL);
    struct shard *shard = the_shard(&t);
    for (uint32_t i = 0; i < 2000; i++)
        assert_true(put(&t, i));
    for (uint32_t i = 0; i < 100; i++) {
        char text[32];
        struct filter_visit visit;
        want(&t, 10000);
        work_to_the_end(&t);
        assert_true(filter_visit_begin(&shard->filter, &shard->aside, key_of(&t, i, text).hash, &visit));
        if (i % 2)
            want_none(&t);
        else
            want(&t, 100000);
        work_to_the_end(&t);
        scribble(&t);
        (void)filter_visit_meets(&t.engine->range, &shard->filter, &visit, visit.place.first);
        (void)filter_visit_meets(&t.engine->range, &shard->filter, &visit, visit.place.second);
        assert_false(filter_visit_holds(&shard->filter, &visit));
        assert_int_not_equal(ask(&t, i), FILTER_EXCLUDES);
    }
    testing_store_close(&t);
}

/* ------------------------------------------------------------------------------------------ building */

static void without_a_filter_nothing_is_said_and_nothing_taken(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(8u << 20, 1, STORE_NOEVICTION, NULL);
    uint32_t used = t.engine->range.head->used;
    assert_false(filter_work(t.engine, &t.actor));
    assert_int_equal(ask(&t, 1), FILTER_UNKNOWN);
    assert_int_equal(facts_of(&t).state, FILTER_OFF);
    assert_int_equal(t.engine->range.head->used, used);
    assert_int_equal(the_shard(&t)->aside, 0);
    testing_store_close(&t);
}

static void filter_is_built_in_slices_while_keys_come_and_go(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(64u << 20, 1, STORE_NOEVICTION, NULL);
    uint32_t keys = 50000, slices = 0, used = t.engine->range.head->used, fixed = t.engine->range.head->fixed;
    for (uint32_t i = 0; i < keys; i++)
        assert_true(put(&t, i));
    uint32_t index_pages = t.engine->range.head->fixed - fixed;
    want(&t, 10000);
    double progress = 0;
    /* A few come and go in each slice, so that some are passed by the walk and some are not. */
    while (filter_work(t.engine, &t.actor)) {
        struct filter_facts facts = facts_of(&t);
        assert_true(facts.state == FILTER_ON || (facts.state == FILTER_BUILDING && facts.progress >= progress));
        progress = facts.progress;
        take_away(&t, slices);
        assert_true(put(&t, keys + slices));
        if (facts.state == FILTER_BUILDING)
            assert_int_equal(ask(&t, 2 * keys), FILTER_UNKNOWN);
        slices++;
        engine_verify(t.engine, &t.actor);
    }
    print_message("%u slices\n", slices);
    assert_true(slices >= keys / 1100);
    assert_int_equal(facts_of(&t).state, FILTER_ON);
    assert_int_equal(facts_of(&t).entries, keys);
    for (uint32_t i = slices; i < keys + slices; i++)
        assert_int_equal(ask(&t, i), FILTER_PASSES);
    uint32_t passed = 0;
    for (uint32_t i = 2 * keys; i < 3 * keys; i++)
        passed += ask(&t, i) != FILTER_EXCLUDES;
    assert_true(passed <= keys / 100);
    want_none(&t);
    assert_int_equal(the_shard(&t)->aside, 0);
    for (uint32_t i = 0; i < keys + slices; i++)
        take_away(&t, i);
    assert_true(t.engine->range.head->used >= used);
    assert_int_equal(t.engine->range.head->fixed, fixed + index_pages);
    testing_store_close(&t);
}

/* The index merges buckets under the walk, which then rests inside a bucket, and meets keys again that it has passed. */
static void filter_is_built_while_the_index_shrinks(void **state) {
    (void)state;
    for (uint32_t rest = 1; rest <= 8; rest++) {
        struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
        uint32_t keys = 12000, gone = 0;
        for (uint32_t i = 0; i < keys; i++)
            assert_true(put(&t, i));
        uint64_t shape = the_shard(&t)->index.shape;
        want(&t, 10000);
        for (uint32_t walked = 0; walked < rest; walked += the_shard(&t)->filter.cursor != 0)
            assert_true(filter_work(t.engine, &t.actor));
        while (gone < keys - 500)
            take_away(&t, gone++);
        while (resident_step(t.engine, &t.actor, false))
            continue;
        assert_true(index_bucket_count(the_shard(&t)->index.shape) < index_bucket_count(shape) / 4);
        engine_verify(t.engine, &t.actor);
        for (uint32_t i = 0; i < 100; i++)
            assert_true(put(&t, i));
        work_to_the_end(&t);
        assert_int_equal(facts_of(&t).state, FILTER_ON);
        assert_int_equal(facts_of(&t).entries, keys - gone + 100);
        for (uint32_t i = gone; i < keys; i++)
            assert_int_equal(ask(&t, i), FILTER_PASSES);
        testing_store_close(&t);
    }
}

static void another_rate_is_built_while_the_old_one_answers(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
    for (uint32_t i = 0; i < 10000; i++)
        assert_true(put(&t, i));
    want(&t, 100000);
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).bits, 8);
    want(&t, 200);
    do {
        assert_int_equal(facts_of(&t).state, FILTER_ON);
        for (uint32_t i = 0; i < 10000; i += 97)
            assert_int_equal(ask(&t, i), FILTER_PASSES);
    } while (filter_work(t.engine, &t.actor));
    assert_int_equal(facts_of(&t).bits, 16);
    assert_int_equal(facts_of(&t).entries, 10000);
    assert_false(facts_of(&t).building);
    testing_store_close(&t);
}

static void filter_grows_and_shrinks_with_its_shard(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(64u << 20, 1, STORE_NOEVICTION, NULL);
    want(&t, 10000);
    work_to_the_end(&t);
    uint64_t small = facts_of(&t).bytes, most = 0;
    for (uint32_t i = 0; i < 300000; i++) {
        assert_true(put(&t, i));
        if (i % 50 == 0)
            (void)filter_work(t.engine, &t.actor);
    }
    work_to_the_end(&t);
    most = facts_of(&t).bytes;
    print_message("%llu bytes for 300,000 keys, %llu for none\n", (unsigned long long)most, (unsigned long long)small);
    assert_int_equal(facts_of(&t).state, FILTER_ON);
    assert_int_equal(facts_of(&t).entries, 300000);
    assert_true(most > 300000 * 64 / 5 / 8 && most <= 300000 * 4);
    for (uint32_t i = 0; i < 300000; i++)
        take_away(&t, i);
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).entries, 0);
    assert_int_equal(facts_of(&t).bytes, small);
    testing_store_close(&t);
}

static void forgotten_shard_gets_an_empty_filter(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
    for (uint32_t i = 0; i < 10000; i++)
        assert_true(put(&t, i));
    want(&t, 10000);
    work_to_the_end(&t);
    for (uint32_t i = 0; i < 10000; i++)
        take_away(&t, i);
    store_lock(t.engine, &t.actor, 0);
    filter_reset(t.engine, &t.actor, the_shard(&t));
    store_unlock(t.engine, &t.actor, 0);
    assert_int_equal(facts_of(&t).state, FILTER_BUILDING);
    assert_int_equal(ask(&t, 1), FILTER_UNKNOWN);
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).state, FILTER_ON);
    assert_int_equal(ask(&t, 1), FILTER_EXCLUDES);
    testing_store_close(&t);
}

/* ------------------------------------------------------------------------------------------ when it fails */

static void without_memory_it_waits_and_says_so(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, NULL);
    uint32_t *taken = calloc(t.engine->range.head->segment_count, sizeof *taken);
    for (uint32_t i = 0; i < 3000; i++)
        assert_true(put(&t, i));
    want(&t, 10000);
    for (uint32_t left = 0; left < 2; left++) {
        uint32_t count = testing_store_starve(&t, left, taken);
        for (uint32_t i = 0; i < left; i++) /* it takes what there is */
            (void)filter_work(t.engine, &t.actor);
        for (int i = 0; i < 10; i++)
            assert_false(filter_work(t.engine, &t.actor));
        assert_int_equal(facts_of(&t).state, FILTER_BUILDING);
        assert_true(facts_of(&t).starved);
        assert_int_equal(ask(&t, 1), FILTER_UNKNOWN);
        take_away(&t, left);
        engine_verify(t.engine, &t.actor);
        testing_store_feed(&t, taken, count);
    }
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).state, FILTER_ON);
    assert_false(facts_of(&t).starved);
    assert_int_equal(facts_of(&t).entries, 2998);
    assert_int_equal(ask(&t, 77), FILTER_PASSES);
    free(taken);
    testing_store_close(&t);
}

/* More keys of one hash than two buckets hold: a larger table would be as full, so nobody builds one until it is asked for again. */
static void more_equal_hashes_than_it_holds_end_the_filter(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(4u << 20, 1, STORE_NOEVICTION, NULL);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(put(&t, i));
    want(&t, 10000);
    work_to_the_end(&t);
    store_lock(t.engine, &t.actor, 0);
    for (int i = 0; i < 40 && the_shard(&t)->aside; i++)
        filter_link(t.engine, &t.actor, the_shard(&t), 0x56789abcu, 0x123456789abcu);
    store_unlock(t.engine, &t.actor, 0);
    assert_int_equal(facts_of(&t).state, FILTER_SATURATED);
    assert_true(facts_of(&t).stuck);
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).state, FILTER_SATURATED);
    assert_int_equal(facts_of(&t).bytes, 0);
    assert_true(put(&t, 5000));
    want(&t, 10000);
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).state, FILTER_ON);
    assert_int_equal(facts_of(&t).entries, 1001);
    testing_store_close(&t);
}

/* The same while a table is being built: it goes, the one in use stays and is right. */
static void table_that_runs_full_while_it_is_built_goes_alone(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 1, STORE_NOEVICTION, NULL);
    for (uint32_t i = 0; i < 20000; i++)
        assert_true(put(&t, i));
    want(&t, 100000);
    work_to_the_end(&t);
    want(&t, 200);
    struct filter *filter = &the_shard(&t)->filter;
    while (filter->next == FILTER_NONE || index_scan_position(filter->cursor) < 1ull << 62)
        assert_true(filter_work(t.engine, &t.actor));
    /* Low bits of 0: among the first that the walk passes. Of such marks the next table holds 8, the one in use 16. */
    uint64_t hash = 0x123456780000u;
    uint32_t linked = 0;
    store_lock(t.engine, &t.actor, 0);
    assert_true(index_scan_passed(hash, filter->cursor));
    for (; filter->next != FILTER_NONE && linked < 16; linked++)
        filter_link(t.engine, &t.actor, the_shard(&t), hash, hash);
    assert_int_equal(filter->next, FILTER_NONE);
    assert_true(linked <= 9 && filter->live != FILTER_NONE && filter->stuck);
    while (linked--)
        filter_unlink(t.engine, &t.actor, the_shard(&t), hash, hash);
    store_unlock(t.engine, &t.actor, 0);
    work_to_the_end(&t);
    assert_int_equal(facts_of(&t).state, FILTER_ON);
    assert_int_equal(facts_of(&t).bits, 8);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(ask(&t, i), FILTER_PASSES);
    testing_store_close(&t);
}

/* ------------------------------------------------------------------------------------------ the twin */

enum { MODEL_KEYS = 12000 };

struct model {
    struct testing_store t;
    bool there[MODEL_KEYS];
    uint64_t seed, step;
};

/* What is there passes; of what is not, hardly anything does, once the filter answers. */
static void check_all(struct model *m, double rate) {
    uint64_t absent = 0, passed = 0;
    for (uint32_t i = 0; i < MODEL_KEYS; i++) {
        enum filter_answer answer = ask(&m->t, i);
        if (m->there[i] && answer == FILTER_EXCLUDES)
            fail_msg("seed %llu step %llu: key %u was lost", (unsigned long long)m->seed, (unsigned long long)m->step,
                     i);
        absent += !m->there[i];
        passed += !m->there[i] && answer == FILTER_PASSES;
    }
    if (passed > (uint64_t)((double)absent * rate * 2) + 20)
        fail_msg("seed %llu step %llu: %llu of %llu absent keys pass", (unsigned long long)m->seed,
                 (unsigned long long)m->step, (unsigned long long)passed, (unsigned long long)absent);
}

/* Keys come and go in waves, so that tables overflow, grow and shrink, while filters are switched on and off and built slice by slice. */
static void run_model(uint64_t limit_bytes, uint32_t shards, uint64_t seed) {
    static const uint32_t rates_ppm[] = {100000, 30000, 12000, 10000, 200};
    struct model *m = calloc(1, sizeof *m);
    m->t = testing_store_open(limit_bytes, shards, STORE_NOEVICTION, NULL);
    m->seed = seed;
    struct rng rng = rng_seeded(seed);
    for (m->step = 0; m->step < 60000; m->step++) {
        uint32_t number = (uint32_t)rng_below(&rng, MODEL_KEYS);
        bool growing = m->step / 15000 % 2 == 0;
        if (rng_below(&rng, 10) < (growing ? 7 : 2)) {
            assert_true(put(&m->t, number));
            m->there[number] = true;
        } else {
            take_away(&m->t, number);
            m->there[number] = false;
        }
        if (ask(&m->t, number) == FILTER_EXCLUDES && m->there[number])
            fail_msg("seed %llu step %llu: key %u was lost", (unsigned long long)seed, (unsigned long long)m->step,
                     number);
        if (rng_below(&rng, 40) == 0)
            (void)filter_work(m->t.engine, &m->t.actor);
        if (rng_below(&rng, 40) == 0)
            (void)resident_step(m->t.engine, &m->t.actor, false);
        if (rng_below(&rng, 4000) == 0)
            want(&m->t, rates_ppm[rng_below(&rng, COUNT_OF(rates_ppm))]);
        if (rng_below(&rng, 12000) == 0)
            want_none(&m->t);
        if (rng_below(&rng, 3000) == 0) {
            check_all(m, 0.1);
            engine_verify(m->t.engine, &m->t.actor);
        }
    }
    want(&m->t, 10000);
    work_to_the_end(&m->t);
    check_all(m, 0.01);
    testing_store_close(&m->t);
    free(m);
}

static void filter_agrees_with_a_naive_twin(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        run_model(4u << 20, 1, unit_seed() + i);
        run_model(16u << 20, 4, unit_seed() + i);
    }
}

UNIT_TESTS(filter, UNIT(rates_outside_the_limits_are_refused), UNIT(every_layout_finds_each_mark_in_each_slot),
           UNIT(both_places_lead_to_each_other), UNIT(absent_keys_pass_no_more_often_than_wanted),
           UNIT(table_takes_95_of_100_slots_and_loses_nothing_on_the_way),
           UNIT(overtaken_lookup_never_denies_what_is_linked), UNIT(lookup_in_a_table_that_has_gone_learns_nothing),
           UNIT(without_a_filter_nothing_is_said_and_nothing_taken),
           UNIT(filter_is_built_in_slices_while_keys_come_and_go), UNIT(filter_is_built_while_the_index_shrinks),
           UNIT(another_rate_is_built_while_the_old_one_answers), UNIT(filter_grows_and_shrinks_with_its_shard),
           UNIT(forgotten_shard_gets_an_empty_filter), UNIT(without_memory_it_waits_and_says_so),
           UNIT(more_equal_hashes_than_it_holds_end_the_filter),
           UNIT(table_that_runs_full_while_it_is_built_goes_alone), UNIT(filter_agrees_with_a_naive_twin));
