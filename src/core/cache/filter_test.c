/* core/cache/filter_test.c: filters as a caller of the cache meets them. */
#include "core/cache/cache_fixture.h"

static struct testing_cache testing_open_stores(uint64_t limit_bytes, const struct cache_store *stores,
                                                uint32_t count) {
    struct testing_cache t = {.actor = {.id = 2, .now_ms = 1700000000000u}, .range_size = 2 * limit_bytes};
    t.range = mmap(NULL, t.range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(t.range != MAP_FAILED);
    struct cache_options options = {
        .range = t.range,
        .range_size = t.range_size,
        .limit_bytes = limit_bytes,
        .policy = CACHE_NOEVICTION,
        .seed = unit_seed(),
        .waiting = {testing_wait, testing_wake, NULL},
        .memory = &memory_libc,
        .stores = stores,
        .store_count = count,
    };
    assert_int_equal(cache_open(&options, &t.cache), STATUS_OK);
    return t;
}

static struct slice name_of(uint32_t number) {
    static char text[32];
    return slice_make(text, (size_t)snprintf(text, sizeof text, "key:%u", number));
}

static void put(struct testing_cache *t, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; i++)
        assert_int_equal(testing_set(t, 0, name_of(i), SLICE("value"), 0), STATUS_OK);
}

static struct cache_filter_info info_of(struct testing_cache *t) {
    struct cache_filter_info info;
    assert_int_equal(cache_filter_info(t->cache, &t->actor, 0, &info), STATUS_OK);
    return info;
}

static void housekeep_to_the_end(struct testing_cache *t) {
    for (uint32_t slices = 0; cache_housekeep(t->cache, &t->actor); slices++)
        assert_true(slices < 100000);
}

static void switch_on(struct testing_cache *t, uint32_t rate_ppm) {
    assert_int_equal(cache_filter_set(t->cache, &t->actor, 0, true, rate_ppm), STATUS_OK);
    housekeep_to_the_end(t);
    assert_int_equal(info_of(t).state, CACHE_FILTER_ON);
}

static uint32_t hits(struct testing_cache *t, uint32_t first, uint32_t end) {
    uint8_t value[CACHE_GLANCE_MAX];
    struct cache_sight sight;
    uint32_t count = 0;
    for (uint32_t i = first; i < end; i++) {
        struct cache_key key = cache_key(t->cache, 0, name_of(i));
        enum cache_glance glance = cache_glance(t->cache, &t->actor, &key, &sight);
        assert_int_not_equal(glance, CACHE_GLANCE_UNSURE);
        count += glance == CACHE_GLANCE_HIT && cache_glance_copy(&t->actor, &sight, value);
    }
    return count;
}

static void misses_that_the_filter_proves_are_counted(void **state) {
    (void)state;
    struct testing_cache t = testing_open(64u << 20, 4, CACHE_NOEVICTION);
    put(&t, 0, 40000);
    assert_int_equal(hits(&t, 0, 80000), 40000);
    assert_int_equal(t.actor.counts.filtered + t.actor.counts.unfiltered, 0);
    switch_on(&t, 0);
    t.actor.counts = (struct actor_counts){0};
    assert_int_equal(hits(&t, 0, 80000), 40000);
    struct actor_counts *counts = &t.actor.counts;
    assert_int_equal(counts->hits, 40000);
    assert_int_equal(counts->misses, 40000);
    assert_int_equal(counts->filtered + counts->unfiltered, 40000);
    struct cache_filter_info info = info_of(&t);
    double measured = (double)counts->unfiltered / 40000;
    print_message("expected %.5f, measured %.5f\n", info.expected_rate, measured);
    assert_true(measured <= 0.01 && info.expected_rate <= 0.01 && measured < info.expected_rate * 2);
    /* The long way counts the same. */
    *counts = (struct actor_counts){0};
    struct cache_info entry;
    for (uint32_t i = 0; i < 80000; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        assert_int_equal(cache_find(t.cache, &t.actor, &key, true, &entry), i < 40000);
    }
    assert_int_equal(counts->misses, 40000);
    assert_int_equal(counts->filtered + counts->unfiltered, 40000);
    *counts = (struct actor_counts){0};
    struct cache_key key = cache_key(t.cache, 0, name_of(1000000));
    assert_false(cache_find(t.cache, &t.actor, &key, false, &entry));
    assert_int_equal(counts->misses + counts->filtered + counts->unfiltered, 0);
    testing_close(&t);
}

static void figures_say_what_a_filter_is(void **state) {
    (void)state;
    struct testing_cache t = testing_open(64u << 20, 2, CACHE_NOEVICTION);
    struct cache_stats before, after;
    put(&t, 0, 30000);
    cache_stats(t.cache, &before);
    struct cache_filter_info info = info_of(&t);
    assert_int_equal(info.state, CACHE_FILTER_OFF);
    assert_true(info.bytes == 0 && info.entries == 0 && info.wanted_rate_ppm == 0 && info.progress == 1);
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, true, 20000), STATUS_OK);
    info = info_of(&t);
    assert_int_equal(info.state, CACHE_FILTER_BUILDING);
    assert_true(info.wanted_rate_ppm == 20000 && info.progress == 0 && info.expected_rate == 1);
    housekeep_to_the_end(&t);
    info = info_of(&t);
    assert_int_equal(info.state, CACHE_FILTER_ON);
    assert_int_equal(info.entries, 30000);
    assert_int_equal(info.mark_bits, 10);
    assert_int_equal(info.bucket_slots, 6);
    assert_true(info.slots > 30000 && info.progress == 1 && !info.short_of_memory && !info.hopeless);
    cache_stats(t.cache, &after);
    assert_int_equal(after.filter_bytes, info.bytes);
    assert_int_equal(after.occupied_bytes, before.occupied_bytes + info.bytes);
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, false, 0), STATUS_OK);
    cache_stats(t.cache, &after);
    assert_int_equal(after.filter_bytes, 0);
    assert_int_equal(after.occupied_bytes, before.occupied_bytes);
    testing_close(&t);
}

static void wrong_stores_and_rates_change_nothing(void **state) {
    (void)state;
    struct testing_cache t = testing_open(8u << 20, 1, CACHE_NOEVICTION);
    uint32_t wrong[] = {1, CACHE_FILTER_RATE_PPM_MIN - 1, CACHE_FILTER_RATE_PPM_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, true, wrong[i]), STATUS_INVALID);
    struct cache_filter_info info = {.entries = 77};
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 1000, true, 10000), STATUS_INVALID);
    assert_int_equal(cache_filter_info(t.cache, &t.actor, 1000, &info), STATUS_INVALID);
    assert_int_equal(info.entries, 77);
    assert_int_equal(info_of(&t).state, CACHE_FILTER_OFF);
    testing_close(&t);
}

static void flush_empties_the_filter(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 2, CACHE_NOEVICTION);
    put(&t, 0, 10000);
    switch_on(&t, 10000);
    cache_flush_all(t.cache, &t.actor);
    assert_int_equal(hits(&t, 0, 10000), 0);
    put(&t, 0, 10);
    assert_int_equal(hits(&t, 0, 10000), 10);
    cache_verify(t.cache, &t.actor);
    housekeep_to_the_end(&t);
    assert_int_equal(info_of(&t).state, CACHE_FILTER_ON);
    assert_int_equal(info_of(&t).entries, 10);
    assert_int_equal(hits(&t, 0, 10000), 10);
    testing_close(&t);
}

/* The cache is at its limit and evicts all the time; the filter gets its memory and forgets whatever is evicted or expires. */
static void filter_follows_eviction_and_expiry(void **state) {
    (void)state;
    struct testing_cache t = testing_open(4u << 20, 1, CACHE_ALLKEYS_LFU);
    put(&t, 0, 200000);
    assert_true(t.actor.counts.evicted > 0);
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, true, 10000), STATUS_OK);
    for (uint32_t i = 200000; i < 400000; i++) {
        put(&t, i, i + 1);
        if (i % 20 == 0)
            (void)cache_housekeep(t.cache, &t.actor);
        if (i % 1000 == 0)
            assert_int_equal(hits(&t, i, i + 1), 1);
    }
    struct cache_filter_info info = info_of(&t);
    assert_int_equal(info.state, CACHE_FILTER_ON);
    assert_int_equal(info.entries, cache_count(t.cache, 0));
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(testing_set(&t, 0, name_of(i), SLICE("short"), t.actor.now_ms + 10), STATUS_OK);
    t.actor.now_ms += 1000;
    housekeep_to_the_end(&t);
    assert_int_equal(hits(&t, 0, 1000), 0);
    assert_int_equal(info_of(&t).entries, cache_count(t.cache, 0));
    testing_close(&t);
}

static void databases_swap_under_a_filter(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 2, CACHE_NOEVICTION);
    put(&t, 0, 1000);
    switch_on(&t, 200);
    cache_swap(t.cache, &t.actor, 0, 1);
    assert_int_equal(hits(&t, 0, 1000), 0);
    put(&t, 0, 500);
    assert_int_equal(hits(&t, 0, 1000), 500);
    cache_swap(t.cache, &t.actor, 0, 1);
    assert_int_equal(hits(&t, 0, 1000), 1000);
    cache_flush(t.cache, &t.actor, 0);
    housekeep_to_the_end(&t);
    assert_int_equal(hits(&t, 0, 1000), 0);
    assert_int_equal(info_of(&t).entries, 500);
    testing_close(&t);
}

/* Keys of a session share the hash that places them; more of them than two buckets hold have marks of their own. */
static void sessions_have_a_mark_for_each_key(void **state) {
    (void)state;
    static const struct slice patterns[] = {{(const uint8_t *)"session:{sid}", 13},
                                            {(const uint8_t *)"cart:{sid}:*", 12}};
    const struct cache_store stores[] = {{.name = SLICE("sessions"),
                                          .patterns = patterns,
                                          .pattern_count = COUNT_OF(patterns),
                                          .policy = CACHE_SESSION}};
    struct testing_cache t = testing_open_stores(16u << 20, stores, COUNT_OF(stores));
    uint32_t number, found = 0, sessions = 50, members = 60;
    char text[32];
    assert_true(cache_store_find(t.cache, SLICE("sessions"), &number));
    assert_int_equal(cache_filter_set(t.cache, &t.actor, number, true, 0), STATUS_OK);
    housekeep_to_the_end(&t);
    for (uint32_t i = 0; i < sessions; i++)
        for (uint32_t member = 0; member <= members; member++) {
            size_t size = (size_t)(member ? sprintf(text, "cart:%u:%u", i, member) : sprintf(text, "session:%u", i));
            assert_int_equal(testing_set(&t, 0, slice_make(text, size), SLICE("x"), 0), STATUS_OK);
        }
    housekeep_to_the_end(&t);
    struct cache_filter_info info;
    assert_int_equal(cache_filter_info(t.cache, &t.actor, number, &info), STATUS_OK);
    assert_int_equal(info.state, CACHE_FILTER_ON);
    assert_int_equal(info.entries, sessions * (members + 1));
    assert_int_equal(info_of(&t).state, CACHE_FILTER_OFF);
    for (uint32_t i = 0; i < sessions; i += 2) {
        struct cache_key key = cache_key(t.cache, 0, slice_make(text, (size_t)sprintf(text, "session:%u", i)));
        assert_true(cache_delete(t.cache, &t.actor, &key));
    }
    for (uint32_t i = 0; i < sessions; i++)
        for (uint32_t member = 1; member <= 2 * members; member++) {
            struct cache_info entry;
            size_t size = (size_t)sprintf(text, "cart:%u:%u", i, member);
            struct cache_key key = cache_key(t.cache, 0, slice_make(text, size));
            bool there = cache_find(t.cache, &t.actor, &key, true, &entry);
            assert_int_equal(there, i % 2 == 1 && member <= members);
            found += there;
        }
    assert_int_equal(found, sessions / 2 * members);
    assert_true(t.actor.counts.filtered > t.actor.counts.misses * 99 / 100);
    testing_close(&t);
}

/* A store without entries that may go takes no memory that is promised to others; its filter neither. */
static void filter_takes_no_memory_that_is_guaranteed_to_others(void **state) {
    (void)state;
    static const struct slice pattern = {(const uint8_t *)"b:*", 3};
    const struct cache_store stores[] = {{.name = SLICE("default"), .share_permille = 100, .policy = CACHE_NOEVICTION},
                                         {.name = SLICE("b"),
                                          .patterns = &pattern,
                                          .pattern_count = 1,
                                          .share_permille = 900,
                                          .policy = CACHE_NOEVICTION}};
    struct testing_cache t = testing_open_stores(16u << 20, stores, COUNT_OF(stores));
    uint32_t count = 0;
    while (testing_set(&t, 0, name_of(count), SLICE("value"), 0) == STATUS_OK)
        count++;
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, true, 0), STATUS_OK);
    for (int i = 0; i < 100; i++)
        (void)cache_housekeep(t.cache, &t.actor);
    assert_int_equal(info_of(&t).state, CACHE_FILTER_BUILDING);
    assert_true(info_of(&t).short_of_memory);
    assert_int_equal(hits(&t, 0, count), count);
    for (uint32_t i = 0; i < count / 2; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        assert_true(cache_delete(t.cache, &t.actor, &key));
    }
    for (int i = 0; i < 1000; i++)
        (void)cache_housekeep(t.cache, &t.actor);
    assert_int_equal(info_of(&t).state, CACHE_FILTER_ON);
    assert_false(info_of(&t).short_of_memory);
    assert_int_equal(hits(&t, 0, count), count - count / 2);
    testing_close(&t);
}

/* What its uses take is what a store is charged, filter included. */
static void filter_is_charged_to_its_store(void **state) {
    (void)state;
    static const struct slice pattern = {(const uint8_t *)"b:*", 3};
    const struct cache_store stores[] = {{.name = SLICE("b"),
                                          .patterns = &pattern,
                                          .pattern_count = 1,
                                          .share_permille = 500,
                                          .policy = CACHE_ALLKEYS_LFU}};
    struct testing_cache t = testing_open_stores(16u << 20, stores, COUNT_OF(stores));
    struct cache_store_info before, after, other;
    cache_store_info(t.cache, 1, &before);
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 1, true, 0), STATUS_OK);
    housekeep_to_the_end(&t);
    cache_store_info(t.cache, 1, &after);
    cache_store_info(t.cache, 0, &other);
    assert_true(after.filter_bytes > 0);
    assert_int_equal(after.bytes, before.bytes + after.filter_bytes);
    assert_int_equal(after.bytes, store_bytes(t.cache->engine, 1));
    assert_int_equal(other.filter_bytes, 0);
    cache_store_flush(t.cache, &t.actor, 1);
    cache_store_info(t.cache, 1, &after);
    assert_int_equal(after.filter_bytes, 0);
    testing_close(&t);
}

UNIT_TESTS(filter, UNIT(sessions_have_a_mark_for_each_key), UNIT(filter_takes_no_memory_that_is_guaranteed_to_others),
           UNIT(filter_is_charged_to_its_store), UNIT(misses_that_the_filter_proves_are_counted),
           UNIT(figures_say_what_a_filter_is), UNIT(wrong_stores_and_rates_change_nothing),
           UNIT(flush_empties_the_filter), UNIT(filter_follows_eviction_and_expiry),
           UNIT(databases_swap_under_a_filter));
