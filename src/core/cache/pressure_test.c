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

/* In segments of 4 KiB, the ends of which are filled up later: what dies early leaves empty ones before others in which much lives. */
static void what_expires_hides_nothing(void **state) {
    (void)state;
    static const uint32_t sizes[] = {5, 50, 500, 3000};
    static uint8_t bytes[3000];
    for (int policy = CACHE_ALLKEYS_LRU; policy <= CACHE_ALLKEYS_LFU; policy++) {
        struct testing_cache t = testing_open(1 << 20, 1, (enum cache_policy)policy);
        struct rng rng = rng_seeded(unit_seed());
        for (uint32_t i = 0; i < 30000; i++) {
            uint64_t expires_at_ms = rng_below(&rng, 8) ? t.actor.now_ms + 1 + rng_below(&rng, 60) : 0;
            struct slice value = slice_make(bytes, sizes[rng_below(&rng, COUNT_OF(sizes))]);
            uint32_t key = (uint32_t)rng_below(&rng, 5000);
            assert_int_equal(testing_set(&t, 0, name_of(key), value, expires_at_ms), STATUS_OK);
            t.actor.now_ms += i % 16 == 0;
            if (i % 64 == 0)
                (void)cache_housekeep(t.cache, &t.actor);
        }
        testing_close(&t);
    }
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

/* ------------------------------------------------------------------------- two edits of one key at once */

struct two {
    struct testing_cache *t;
    struct cache_key key;
    struct cache_edit a, b;
};

static void two_begin(struct two *two, struct testing_cache *t, struct slice value) {
    *two = (struct two){.t = t, .key = cache_key(t->cache, 0, SLICE("key"))};
    assert_int_equal(testing_set(t, 0, SLICE("key"), value, 0), STATUS_OK);
    cache_lock_keys(t->cache, &t->actor, &two->key, 1, 1 << 20);
    cache_edit_begin(t->cache, &t->actor, &two->key, &two->a);
    cache_edit_begin(t->cache, &t->actor, &two->key, &two->b);
}

static void two_end(struct two *two) {
    cache_edit_end(&two->b);
    cache_edit_end(&two->a);
    cache_unlock(two->t->cache, &two->t->actor);
    cache_verify(two->t->cache, &two->t->actor);
}

static void expect_key(struct testing_cache *t, struct slice wanted, uint64_t expires_at_ms) {
    struct buf got;
    struct cache_info info;
    buf_init(&got, &memory_libc);
    assert_true(testing_get(t, 0, SLICE("key"), &got, &info));
    assert_int_equal(got.size, wanted.size);
    assert_memory_equal(got.data, wanted.data, wanted.size);
    assert_int_equal(info.expires_at_ms, expires_at_ms);
    buf_fini(&got);
}

/* What one edit did, the other finds at its next change: it neither brings back what was there before nor trips over what is gone. */
static void two_edits_of_one_key_see_each_others_changes(void **state) {
    (void)state;
    enum { SIZE = 300000 };
    struct testing_cache t = testing_open(8 << 20, 1, CACHE_NOEVICTION);
    uint8_t *large = malloc(2 * SIZE);
    memset(large, 'l', SIZE), memset(large + SIZE, 'm', SIZE);
    const struct slice values[] = {SLICE("one"), SLICE("a longer one than that"), slice_make(large, SIZE),
                                   slice_make(large + SIZE, SIZE / 2)};
    uint64_t at_ms = t.actor.now_ms + 1000;
    struct two two;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        for (size_t j = 0; j < COUNT_OF(values); j++) {
            two_begin(&two, &t, values[i]);
            assert_int_equal(cache_edit_set(&two.a, CACHE_STRING, values[j], 0), STATUS_OK);
            assert_int_equal(cache_edit_expire(&two.b, at_ms), STATUS_OK);
            two_end(&two);
            expect_key(&t, values[j], at_ms);

            two_begin(&two, &t, values[i]);
            assert_int_equal(cache_edit_set(&two.a, CACHE_STRING, values[j], 0), STATUS_OK);
            assert_int_equal(cache_edit_patch(&two.b, 0, SLICE("xy")), STATUS_OK);
            assert_int_equal(two.b.size, values[j].size);
            two_end(&two);

            two_begin(&two, &t, values[i]);
            cache_edit_delete(&two.a);
            cache_edit_delete(&two.b);
            assert_false(two.b.found);
            assert_int_equal(cache_edit_set(&two.a, CACHE_STRING, values[j], 0), STATUS_OK);
            cache_edit_delete(&two.b);
            two_end(&two);
            assert_int_equal(cache_count(t.cache, 0), 0);

            two_begin(&two, &t, values[i]);
            cache_edit_delete(&two.a);
            assert_int_equal(cache_edit_expire(&two.b, at_ms), STATUS_INVALID);
            two_end(&two);
            assert_int_equal(cache_count(t.cache, 0), 0);

            two_begin(&two, &t, values[i]);
            struct cache_key other = cache_key(t.cache, 0, SLICE("other"));
            struct cache_edit to;
            assert_int_equal(cache_edit_set(&two.a, CACHE_STRING, values[j], 0), STATUS_OK);
            cache_edit_begin(t.cache, &t.actor, &other, &to);
            assert_int_equal(cache_edit_copy(&two.b, &to, 0), STATUS_OK);
            assert_int_equal(to.size, values[j].size);
            cache_edit_delete(&two.a);
            assert_int_equal(cache_edit_copy(&two.b, &to, 0), STATUS_INVALID);
            cache_edit_delete(&to);
            cache_edit_end(&to);
            two_end(&two);
        }
    free(large);
    testing_close(&t);
}

/* Room that was asked for and never written to is nobody's any more once its actor keeps house. */
static void unused_promise_ends_with_housekeeping(void **state) {
    (void)state;
    enum { SIZE = 4 << 20 };
    struct testing_cache t = testing_open(8 << 20, 1, CACHE_NOEVICTION);
    struct actor other = {.id = 7, .now_ms = t.actor.now_ms};
    struct cache_key key = cache_key(t.cache, 0, SLICE("key"));
    uint8_t *bytes = calloc(1, SIZE);
    cache_prepare(t.cache, &other, &key, SIZE);
    assert_true(other.promised > 0);
    assert_int_equal(testing_set(&t, 0, SLICE("key"), slice_make(bytes, SIZE), 0), STATUS_FULL);
    assert_int_equal(t.actor.promised, 0);
    (void)cache_housekeep(t.cache, &other);
    assert_int_equal(other.promised, 0);
    assert_int_equal(testing_set(&t, 0, SLICE("key"), slice_make(bytes, SIZE), 0), STATUS_OK);
    assert_int_equal(t.cache->engine->range.head->promised, 0);
    free(bytes);
    testing_close(&t);
}

/* A set of a large value that does not fit leaves what was there, and no memory behind. */
static void refused_large_set_changes_nothing(void **state) {
    (void)state;
    enum { SIZE = 7 << 20 };
    struct testing_cache t = testing_open(8 << 20, 2, CACHE_NOEVICTION);
    uint8_t *bytes = calloc(1, SIZE);
    assert_int_equal(testing_set(&t, 0, SLICE("key"), SLICE("value"), 0), STATUS_OK);
    assert_int_equal(testing_set(&t, 0, SLICE("much"), slice_make(bytes, SIZE / 2), 0), STATUS_OK);
    struct cache_stats before, after;
    cache_stats(t.cache, &before);
    for (int i = 0; i < 20; i++)
        assert_int_equal(testing_set(&t, 0, SLICE("key"), slice_make(bytes, SIZE), 0), STATUS_FULL);
    cache_stats(t.cache, &after);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.segments_used, before.segments_used);
    expect_key(&t, SLICE("value"), 0);
    assert_int_equal(testing_set(&t, 0, slice_make(bytes, CACHE_KEY_SIZE_MAX + 1), slice_make(bytes, SIZE), 0),
                     STATUS_TOO_LARGE);
    free(bytes);
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

/* Small and large, new and old: eviction always finds room, however many rounds it lets the small ones stay. */
static void eviction_refuses_nothing(void **state) {
    (void)state;
    enum { WRITES = 250000, KEYS = 200000 };
    static uint8_t bytes[40000];
    struct testing_cache t = testing_open(8060928, 8, CACHE_ALLKEYS_LFU);
    struct rng rng = rng_seeded(unit_seed());
    uint64_t copied_most = 0;
    for (uint32_t i = 0; i < WRITES; i++) {
        /* Octaves around 230 B, each further one half as likely, and some of up to 40 KB. */
        uint64_t octave = 64ull << rng_below(&rng, 1 + rng_below(&rng, 6));
        uint64_t size = rng_below(&rng, 1000) == 0 ? 1000 + rng_below(&rng, 39000) : octave + rng_below(&rng, octave);
        uint64_t before = t.actor.counts.copied_bytes;
        struct slice value = slice_make(bytes, size);
        assert_int_equal(testing_set(&t, 0, name_of((uint32_t)rng_below(&rng, KEYS)), value, 0), STATUS_OK);
        uint64_t copied = t.actor.counts.copied_bytes - before;
        copied_most = copied > copied_most ? copied : copied_most;
    }
    print_message("a write copied at most %llu bytes\n", (unsigned long long)copied_most);
    assert_true(copied_most < 1 << 20);
    testing_close(&t);
}

/* What is there can be changed in a full store that lets nothing go. */
static void a_full_store_takes_expiries(void **state) {
    (void)state;
    struct testing_cache t = testing_open(8 << 20, 4, CACHE_NOEVICTION);
    uint8_t bytes[50] = {0};
    uint32_t count = 0, taken = 0;
    while (testing_set(&t, 0, name_of(count), slice_make(bytes, sizeof bytes), 0) == STATUS_OK)
        count++;
    assert_true(count > 90000);
    for (uint32_t i = 0; i < count / 8; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        struct cache_edit edit;
        cache_edit_begin(t.cache, &t.actor, &key, &edit);
        assert_true(edit.found);
        taken += cache_edit_expire(&edit, t.actor.now_ms + 1000000) == STATUS_OK;
        cache_edit_end(&edit);
        assert_int_equal(testing_set(&t, 0, name_of(count + i), slice_make(bytes, sizeof bytes), 0), STATUS_FULL);
    }
    print_message("%u of %u expiries taken, %u entries\n", taken, count / 8, count);
    assert_int_equal(taken, count / 8);
    testing_close(&t);
}

UNIT_TESTS(pressure, UNIT(eviction_refuses_nothing), UNIT(what_expires_hides_nothing),
           UNIT(a_full_store_takes_expiries), UNIT(lowered_limit_is_reached_by_compaction),
           UNIT(shared_values_with_expiry_do_not_make_it_full), UNIT(read_is_counted_where_the_entry_is_now),
           UNIT(spread_expiries_cost_little), UNIT(swap_moves_a_key_that_waits_for_its_lock),
           UNIT(two_edits_of_one_key_see_each_others_changes), UNIT(unused_promise_ends_with_housekeeping),
           UNIT(refused_large_set_changes_nothing));
