/* core/cache/pressure_test.c: memory that shrinks, is shared or expires by and by; edits that lie across others. */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

static struct slice name_of(uint32_t i) {
    static char text[32];
    return slice_make(text, (size_t)snprintf(text, sizeof text, "key:%u", i));
}

/* Half of what was written is dead and the limit falls below what is occupied, but not below what lives. */
static void lower_the_limit_over_dead_bytes(uint32_t shards, enum cache_policy policy) {
    enum { KEYS = 9000, SIZE = 700, LIMIT = 8 << 20 };
    static uint8_t bytes[SIZE];
    struct testing_cache t = testing_open(LIMIT, shards, policy);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(testing_set(&t, 0, name_of(i), slice_make(bytes, SIZE), 0), STATUS_OK);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        if (i % 3)
            assert_true(cache_delete(t.cache, &t.actor, &key));
    }
    assert_int_equal(cache_limit_set(t.cache, LIMIT / 2), STATUS_OK);
    for (uint32_t i = KEYS; i < KEYS + 300; i++)
        assert_int_equal(testing_set(&t, 0, name_of(i), slice_make(bytes, SIZE), 0), STATUS_OK);
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    assert_true(stats.segments_used <= stats.segments_total);
    assert_int_equal(cache_count(t.cache, 0), KEYS / 3 + 300);
    testing_close(&t);
}

static void lowered_limit_is_reached_by_compaction(void **state) {
    (void)state;
    lower_the_limit_over_dead_bytes(1, CACHE_NOEVICTION);
    lower_the_limit_over_dead_bytes(4, CACHE_NOEVICTION);
    lower_the_limit_over_dead_bytes(1, CACHE_VOLATILE_LRU);
    lower_the_limit_over_dead_bytes(1, CACHE_ALLKEYS_LFU);
}

/* Copies share their bytes, which must not be counted as many times as they could go. */
static void shared_values_with_expiry_do_not_make_it_full(void **state) {
    (void)state;
    enum { SIZE = 2 << 20, COPIES = 8 };
    struct testing_cache t = testing_open(8 << 20, 1, CACHE_VOLATILE_LRU);
    uint64_t expires_at_ms = t.actor.now_ms + 1000000;
    uint8_t *bytes = calloc(1, SIZE);
    assert_int_equal(testing_set(&t, 0, SLICE("origin"), slice_make(bytes, SIZE), expires_at_ms), STATUS_OK);
    char names[COPIES][16];
    for (int i = 0; i < COPIES; i++) {
        struct slice name = slice_make(names[i], (size_t)snprintf(names[i], sizeof names[i], "copy:%d", i));
        struct cache_key keys[2] = {cache_key(t.cache, 0, SLICE("origin")), cache_key(t.cache, 0, name)};
        struct cache_edit from, to;
        cache_lock_keys(t.cache, &t.actor, keys, 2, 0);
        cache_edit_begin(t.cache, &t.actor, &keys[0], &from);
        cache_edit_begin(t.cache, &t.actor, &keys[1], &to);
        assert_int_equal(cache_edit_copy(&from, &to, expires_at_ms), STATUS_OK);
        cache_edit_end(&from);
        cache_edit_end(&to);
        cache_unlock(t.cache, &t.actor);
    }
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(testing_set(&t, 0, name_of(i), slice_make(bytes, 1000), expires_at_ms), STATUS_OK);
    free(bytes);
    testing_close(&t);
}

/* The cell of an edit that is open may be moved by a split that another edit of the same thread makes. */
static void read_is_counted_where_the_entry_is_now(void **state) {
    (void)state;
    enum { KEYS = 2000 };
    struct testing_cache t = testing_open(8 << 20, 1, CACHE_NOEVICTION);
    struct cache_edit open[50];
    char names[50][16];
    for (int i = 0; i < 50; i++) {
        struct slice name = slice_make(names[i], (size_t)snprintf(names[i], sizeof names[i], "open:%d", i));
        assert_int_equal(testing_set(&t, 0, name, SLICE("value"), 0), STATUS_OK);
    }
    cache_lock_all(t.cache, &t.actor, 0);
    for (int i = 0; i < 50; i++) {
        struct cache_key key = cache_key(t.cache, 0, slice_from_string(names[i]));
        cache_edit_begin(t.cache, &t.actor, &key, &open[i]);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(testing_set(&t, 0, name_of(i), SLICE("other"), 0), STATUS_OK);
    for (int i = 0; i < 50; i++) {
        cache_edit_count_read(&open[i]);
        cache_edit_end(&open[i]);
    }
    cache_unlock(t.cache, &t.actor);
    cache_verify(t.cache, &t.actor);
    for (int i = 0; i < 50; i++) {
        struct cache_key key = cache_key(t.cache, 0, slice_from_string(names[i]));
        struct cache_info info;
        assert_true(cache_find(t.cache, &t.actor, &key, false, &info));
        assert_int_equal(info.use_count, 1);
    }
    testing_close(&t);
}

/* Expiries all over an hour: finding those that are due must not cost a walk over all entries for each. */
static void spread_expiries_cost_little(void **state) {
    (void)state;
    enum { KEYS = 20000, HOUR_MS = 3600 * 1000, TURNS = 600, TURN_MS = 100 };
    struct testing_cache t = testing_open(64 << 20, 1, CACHE_NOEVICTION);
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(testing_set(&t, 0, name_of(i), SLICE("a value of some size, so that there are segments"),
                                     t.actor.now_ms + 1000 + rng_below(&rng, HOUR_MS)),
                         STATUS_OK);
    uint32_t slices = 0;
    for (uint32_t turn = 0; turn < TURNS; turn++, t.actor.now_ms += TURN_MS)
        for (int i = 0; i < 100 && cache_housekeep(t.cache, &t.actor); i++)
            slices++;
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    print_message("%u slices over %u segments for %llu expired\n", slices, stats.segments_used,
                  (unsigned long long)t.actor.counts.expired);
    assert_true(slices < 20 * stats.segments_used);
    testing_close(&t);
}

/* Swaps databases 0 and 1 while somebody waits for a lock. */
struct swapper {
    struct testing_cache *t;
    struct actor actor;
    int left;
};

static void swap_and_let_go(void *context, _Atomic uint32_t *word, uint32_t seen) {
    struct swapper *swapper = context;
    (void)word, (void)seen;
    if (swapper->left-- <= 0)
        return;
    cache_unlock(swapper->t->cache, &swapper->actor);
    cache_swap(swapper->t->cache, &swapper->actor, 0, 1);
}

static void swap_moves_a_key_that_waits_for_its_lock(void **state) {
    (void)state;
    struct testing_cache t = testing_open(64 << 20, 16, CACHE_NOEVICTION);
    struct swapper swapper = {.t = &t, .actor = {.id = 3, .now_ms = t.actor.now_ms}};
    struct buf got;
    buf_init(&got, &memory_libc);
    t.cache->engine->range.waiting.wait = swap_and_let_go;
    t.cache->engine->range.waiting.context = &swapper;
    for (uint32_t i = 0; i < 40; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        cache_lock_all(t.cache, &swapper.actor, 0);
        swapper.left = 1;
        if (i % 2) {
            assert_int_equal(cache_set(t.cache, &t.actor, &key, SLICE("value"), 0), STATUS_OK);
        } else {
            struct cache_edit edit;
            cache_lock_keys(t.cache, &t.actor, &key, 1, 0);
            cache_edit_begin(t.cache, &t.actor, &key, &edit);
            assert_false(edit.locked_here);
            assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("value"), 0), STATUS_OK);
            cache_edit_end(&edit);
            cache_unlock(t.cache, &t.actor);
        }
        assert_true(testing_get(&t, 0, name_of(i), &got, NULL));
        assert_false(testing_get(&t, 1, name_of(i), &got, NULL));
        cache_flush_all(t.cache, &t.actor);
    }
    buf_fini(&got);
    testing_close(&t);
}

UNIT_TESTS(pressure, UNIT(lowered_limit_is_reached_by_compaction), UNIT(shared_values_with_expiry_do_not_make_it_full),
           UNIT(read_is_counted_where_the_entry_is_now), UNIT(spread_expiries_cost_little),
           UNIT(swap_moves_a_key_that_waits_for_its_lock));
