/* core/cache/tiny_test.c: caches of a hundred kilobytes, which hold mostly what they are for. */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum {
    SHARD_BYTES = 128 * 1024,
    SHARD_LEAST = 32 * 1024,
    MEDIAN = 230,
    VALUE_MAX = 16 * 1024
}; /* names have 20 bytes */

static double uniform(struct rng *rng) { return ((double)(rng_next(rng) >> 11) + 0.5) / 9007199254740992.0; }

/* Good to some digits, which is all that sizes need. */
static double exponential(double x) {
    double power = 1 + x / 65536;
    for (int i = 0; i < 16; i++)
        power *= power;
    return power;
}

static double normal(struct rng *rng) {
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(rng);
    return sum;
}

/* Drawn per key, so a key's value always has the same size. */
static uint32_t value_size(uint32_t key, double sigma) {
    struct rng rng = rng_seeded(key * 2654435761u + 17);
    double size = MEDIAN * exponential(sigma * normal(&rng));
    return size < 1 ? 1 : size > VALUE_MAX ? VALUE_MAX : (uint32_t)size;
}

static struct slice name_of(uint32_t key) {
    static char text[32];
    return slice_make(text, (size_t)snprintf(text, sizeof text, "key:%016u", key));
}

/* One of `keys`, the n-th with a chance of about 1 / n: as likely in each doubling. */
static uint32_t zipf(struct rng *rng, uint32_t keys) {
    uint32_t doublings = (uint32_t)bits_log2(keys), low = 1u << rng_below(rng, doublings);
    return low + (uint32_t)rng_below(rng, low);
}

struct sum {
    uint64_t bytes, entries;
};

static void add_entry(void *context, struct slice name, const struct cache_info *info) {
    struct sum *sum = context;
    sum->bytes += name.size + info->size;
    sum->entries++;
}

static struct sum live(struct testing_cache *t) {
    struct sum sum = {0};
    uint64_t cursor = 0;
    do
        cursor = cache_scan(t->cache, &t->actor, 0, cursor, 1000, add_entry, &sum);
    while (cursor);
    return sum;
}

/* Reads by Zipf's law, writes what is missing. Answers the mean share of the budget that is live key and value bytes once it evicts. */
static double fill(uint64_t limit_bytes, double sigma, uint32_t keys, bool housekeep) {
    static uint8_t bytes[VALUE_MAX];
    struct testing_cache t = testing_open(limit_bytes, 0, CACHE_ALLKEYS_LFU);
    struct rng rng = rng_seeded(unit_seed());
    struct buf got;
    buf_init(&got, &memory_libc);
    double shares = 0, least = 1;
    uint32_t refused = 0, samples = 0, rounds = keys * 4;
    struct sum sum = {0};
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t key = zipf(&rng, keys);
        if (!testing_get(&t, 0, name_of(key), &got, NULL))
            refused += testing_set(&t, 0, name_of(key), slice_make(bytes, value_size(key, sigma)), 0) != STATUS_OK;
        if (housekeep && i % 50 == 0)
            (void)cache_housekeep(t.cache, &t.actor);
        t.actor.now_ms += i % 4 == 0;
        if (i > rounds / 2 && i % (rounds / 97) == 0) {
            sum = live(&t);
            double share = (double)sum.bytes / (double)limit_bytes;
            shares += share;
            least = share < least ? share : least;
            samples++;
        }
    }
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    print_message(
        "%llu bytes, sigma %.1f: %.1f %% (least %.1f %%) in %llu entries; segments of %u, %u of %u used; tables %llu, "
        "logs %llu, "
        "index %llu, refused %u, large %llu, ghosts %llu, live %llu\n",
        (unsigned long long)limit_bytes, sigma, 100 * shares / samples, 100 * least, (unsigned long long)sum.entries,
        stats.segment_size, stats.segments_used, stats.segments_total, (unsigned long long)stats.table_bytes,
        (unsigned long long)stats.log_bytes, (unsigned long long)stats.index_bytes, refused,
        (unsigned long long)stats.large_bytes, (unsigned long long)stats.ghost_bytes,
        (unsigned long long)stats.live_bytes);
    assert_true(t.actor.counts.evicted > 100);
    assert_int_equal(refused, 0);
    buf_fini(&got);
    testing_close(&t);
    return shares / samples;
}

static void four_fifths_are_keys_and_values(void **state) {
    (void)state;
    static const uint64_t limits[] = {100 * 1000, 100 * 1024, 1000 * 1000, 1024 * 1024};
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        for (int housekeep = 0; housekeep < 2; housekeep++) {
            uint32_t keys = (uint32_t)(limits[i] / 50);
            assert_true(fill(limits[i], 0.5, keys, housekeep) >= 0.80);
            assert_true(fill(limits[i], 1.0, keys, housekeep) >= 0.80);
            /* Here one value in fifty is larger than two segments, and single ones come and go that are a tenth of the budget. */
            assert_true(fill(limits[i], 1.5, keys, housekeep) >= 0.76);
        }
}

/* Directories grow with shards times segments: there is room for them in twice the limit. */
static void many_shards_go_into_little_memory(void **state) {
    (void)state;
    static const uint64_t limits[] = {1 << 20, 4 << 20, 8 << 20, 10944512, 64 << 20};
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        for (uint32_t shards = 1; shards <= 64 && limits[i] / shards >= SHARD_LEAST; shards *= 2) {
            struct testing_cache t = testing_open(limits[i], shards, CACHE_ALLKEYS_LFU);
            struct cache_stats stats;
            uint8_t value[200] = {0};
            for (uint32_t key = 0; key < limits[i] / 128; key++)
                assert_int_equal(testing_set(&t, 0, name_of(key), slice_make(value, sizeof value), 0), STATUS_OK);
            cache_stats(t.cache, &stats);
            assert_int_equal(stats.shards, shards);
            double share = (double)stats.entries * 220 / (double)limits[i];
            print_message("%llu bytes, %u shards: %.2f live in segments of %llu\n", (unsigned long long)limits[i],
                          shards, share, (unsigned long long)stats.segment_size);
            /* Each has logs and pages of its own, which take what a shard of less has. */
            assert_true(share > (limits[i] / shards >= SHARD_BYTES ? 0.7 : 0.2));
            testing_close(&t);
        }
}

UNIT_TESTS(tiny, UNIT(many_shards_go_into_little_memory), UNIT(four_fifths_are_keys_and_values));
