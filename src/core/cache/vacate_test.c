/* core/cache/vacate_test.c: holes between large values do not keep small ones out. */
#include "core/store/vacate.h"
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { LIMIT = 64 << 20, LARGE_MIN = 40000, LARGE_MAX = 300000, SMALL = 100, KEYS_MAX = 4000 };

struct large {
    uint64_t size; /* 0: gone */
    uint8_t fill;
};

static struct slice large_name(uint32_t number) {
    static char text[32];
    return slice_make(text, (size_t)sprintf(text, "large:%u", number));
}

static void check_large(struct testing_cache *t, const struct large *all, uint32_t count, struct buf *value) {
    for (uint32_t i = 0; i < count; i++) {
        bool found = testing_get(t, 0, large_name(i), value, NULL);
        assert_int_equal(found, all[i].size != 0);
        if (!found)
            continue;
        assert_int_equal(value->size, all[i].size);
        for (uint64_t at = 0; at < all[i].size; at += 997)
            assert_int_equal(value->data[at], (uint8_t)(all[i].fill + at / 5000));
    }
}

/* Fills 70 % of the memory with large values and deletes four of five at random. */
static uint32_t fill_and_thin_out(struct testing_cache *t, struct rng *rng, struct large *all, uint8_t *bytes) {
    uint32_t count = 0;
    for (uint64_t sum = 0; sum < LIMIT / 10 * 7; sum += all[count++].size) {
        assert_true(count < KEYS_MAX);
        all[count] = (struct large){LARGE_MIN + rng_below(rng, LARGE_MAX - LARGE_MIN), (uint8_t)rng_next(rng)};
        for (uint64_t at = 0; at < all[count].size; at++)
            bytes[at] = (uint8_t)(all[count].fill + at / 5000);
        assert_int_equal(testing_set(t, 0, large_name(count), slice_make(bytes, all[count].size), 0), STATUS_OK);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (rng_below(rng, 5) == 0)
            continue;
        struct cache_key key = cache_key(t->cache, 0, large_name(i));
        assert_true(cache_delete(t->cache, &t->actor, &key));
        all[i].size = 0;
    }
    return count;
}

static void small_values_find_room_between_large_ones(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 2, CACHE_NOEVICTION);
    struct rng rng = rng_seeded(unit_seed());
    struct large *all = calloc(KEYS_MAX, sizeof *all);
    uint8_t *bytes = malloc(LARGE_MAX);
    struct buf value;
    buf_init(&value, &memory_libc);
    uint32_t count = fill_and_thin_out(&t, &rng, all, bytes);
    cache_verify(t.cache, &t.actor);
    /* A large value under a pin stays where it is; everything else may move. */
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    for (uint32_t i = 0; stats.live_bytes < LIMIT / 10 * 7; i++) {
        char name[32];
        enum status status =
            testing_set(&t, 0, slice_make(name, (size_t)sprintf(name, "small:%u", i)), slice_make(bytes, SMALL), 0);
        if (status != STATUS_OK)
            fail_msg("seed %llu: small value %u refused with %llu live bytes of %u", (unsigned long long)unit_seed(), i,
                     (unsigned long long)stats.live_bytes, LIMIT);
        if (i % 1000 == 0)
            cache_stats(t.cache, &stats);
    }
    cache_verify(t.cache, &t.actor);
    check_large(&t, all, count, &value);
    assert_true(t.actor.counts.evicted == 0);
    buf_fini(&value);
    free(bytes);
    free(all);
    testing_close(&t);
}

/* Segments of 2 MiB, three quarters of which are holes: each call moves half a megabyte or so, and another thread may go on. */
static void a_segment_is_emptied_in_slices(void **state) {
    (void)state;
    enum { COUNT = 80, SIZE = 250 * 1000, SLICE_MAX = 512 * 1024 + SIZE + 64 * 1024 };
    struct testing_cache t = testing_open(1ull << 30, 2, CACHE_NOEVICTION);
    struct actor other = {.id = 3, .now_ms = t.actor.now_ms};
    const struct range_head *head = t.cache->engine->range.head;
    static struct large all[COUNT];
    uint8_t *bytes = malloc(SIZE);
    struct buf value;
    buf_init(&value, &memory_libc);
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = (struct large){SIZE, (uint8_t)i};
        for (uint64_t at = 0; at < SIZE; at++)
            bytes[at] = (uint8_t)(all[i].fill + at / 5000);
        assert_int_equal(testing_set(&t, 0, large_name(i), slice_make(bytes, SIZE), 0), STATUS_OK);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        if (i % 2) {
            struct cache_key key = cache_key(t.cache, 0, large_name(i));
            assert_true(cache_delete(t.cache, &t.actor, &key));
            all[i].size = 0;
        }
    uint32_t before = head->block_segments, slices = 0;
    uint64_t copied = 0, now;
    while (vacate_segment(t.cache->engine, slices % 2 ? &t.actor : &other, 0)) {
        now = t.actor.counts.copied_bytes + other.counts.copied_bytes;
        assert_true(now > copied && now - copied <= SLICE_MAX);
        copied = now;
        assert_true(++slices < 1000);
        if (slices % 3 == 0)
            check_large(&t, all, COUNT, &value);
    }
    assert_true(head->block_segments <= before * 2 / 3);
    assert_true(slices >= (before - head->block_segments) * 3 / 2);
    assert_int_equal(head->vacating, 0);
    check_large(&t, all, COUNT, &value);
    buf_fini(&value);
    free(bytes);
    testing_close(&t);
}

UNIT_TESTS(vacate, UNIT(small_values_find_room_between_large_ones), UNIT(a_segment_is_emptied_in_slices));
