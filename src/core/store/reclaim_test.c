#include "core/store/reclaim.h"

#include "base/assert.h"
#include "base/rng.h"
#include "core/store/read.h"
#include "core/store/store_fixture.h"

enum { NAME_MAX_SIZE = 16, VALUE_MAX = 20000 };

static struct slice name_of(uint32_t key, char *text) {
    return slice_make(text, (size_t)snprintf(text, NAME_MAX_SIZE, "k%u", key));
}

/* The bytes of a value: its key and version over and over. */
static void fill(uint8_t *bytes, uint64_t size, uint32_t key, uint32_t version) {
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(key * 31 + version * 7 + i / 64);
}

static enum status set(struct testing_store *t, uint32_t key, struct slice value, uint64_t expires_at_ms) {
    char text[NAME_MAX_SIZE];
    struct store_key name = testing_store_key(t, 0, name_of(key, text));
    uint32_t at = store_shard_of(t->engine, name.hash);
    struct store_value wanted = {.expires_at_ms = expires_at_ms, .value = value};
    struct store_spot spot;
    enum status status = reclaim_make_room(t->engine, &t->actor, 0, value.size);
    MAYBE(status == STATUS_FULL);
    if (value.size > store_inline_max(t->engine) / 2) {
        wanted.value = (struct slice){0};
        wanted.extents_size = value.size;
        while (wanted.extents.room < value.size)
            if (!extent_add(&t->engine->range, &t->actor, &wanted.extents, value.size - wanted.extents.room)) {
                if (wanted.extents.first)
                    extent_release(&t->engine->range, &t->actor, wanted.extents.first);
                return STATUS_FULL;
            }
        for (uint64_t done = 0, part; done < value.size; done += part) {
            uint8_t *piece = extent_piece(&t->engine->range, wanted.extents.first, done, &part);
            part = part < value.size - done ? part : value.size - done;
            words_write(piece, value.data + done, part);
        }
    }
    store_lock(t->engine, &t->actor, at);
    store_find(t->engine, &t->engine->shards[at], &name, &spot);
    status = store_put(t->engine, &t->actor, &t->engine->shards[at], &name, &wanted, &spot);
    store_unlock(t->engine, &t->actor, at);
    if (status != STATUS_OK && wanted.extents.first)
        extent_release(&t->engine->range, &t->actor, wanted.extents.first);
    return status;
}

/* Whether the key is there; `ret_use`: counts a use, as a read does. */
static bool get(struct testing_store *t, uint32_t key, struct store_spot *ret_spot) {
    char text[NAME_MAX_SIZE];
    struct store_key name = testing_store_key(t, 0, name_of(key, text));
    struct shard *shard = &t->engine->shards[store_shard_of(t->engine, name.hash)];
    struct store_view view;
    store_view_open(t->engine, shard, &name, &view);
    if (!view.found)
        return false;
    store_view_use(&view);
    *ret_spot = (struct store_spot){view.place.bucket, view.cell_at, view.location, view.entry};
    return true;
}

static void drop(struct testing_store *t, uint32_t key) {
    char text[NAME_MAX_SIZE];
    struct store_key name = testing_store_key(t, 0, name_of(key, text));
    uint32_t at = store_shard_of(t->engine, name.hash);
    struct store_spot spot;
    store_lock(t->engine, &t->actor, at);
    store_find(t->engine, &t->engine->shards[at], &name, &spot);
    if (spot.location)
        store_remove(t->engine, &t->actor, &t->engine->shards[at], &spot, STORE_DELETED);
    store_unlock(t->engine, &t->actor, at);
}

static uint64_t count(const struct testing_store *t) {
    uint64_t entries = 0;
    for (uint32_t i = 0; i < t->engine->shard_count; i++)
        entries += t->engine->shards[i].index.entries;
    return entries;
}

static uint64_t limit_of(const struct testing_store *t) {
    return (uint64_t)t->engine->range.head->limit * range_segment_size(&t->engine->range);
}

/* ------------------------------------------------------------------------------------------ noeviction */

struct kept {
    bool there;
    uint32_t version, size;
};

static void check_kept(struct testing_store *t, uint32_t key, const struct kept *kept, uint8_t *bytes) {
    struct store_spot spot;
    bool found = get(t, key, &spot);
    if (found != kept->there)
        fail_msg("key %u is %s", key, found ? "there" : "lost");
    if (!found)
        return;
    uint64_t first, size = store_value_size(t->engine, spot.location, &spot.entry, &first);
    assert_int_equal(size, kept->size);
    fill(bytes, size, key, kept->version);
    for (uint64_t at = 0, part; at < size; at += part) {
        const uint8_t *piece = t->engine->range.base + spot.location + spot.entry.value_at;
        part = size;
        if (first)
            piece = extent_piece(&t->engine->range, first, at, &part);
        part = part < size - at ? part : size - at;
        assert_memory_equal(piece, bytes + at, part);
    }
}

static void keep_seventy_percent(uint64_t limit, uint32_t shards, uint32_t size_max, uint32_t steps) {
    enum { KEYS = 40000 };
    struct testing_store t = testing_store_open(limit, shards, STORE_NOEVICTION, NULL);
    struct rng rng = rng_seeded(unit_seed() + limit + size_max);
    struct kept *kept = calloc(KEYS, sizeof *kept);
    uint8_t *bytes = malloc(VALUE_MAX + 1);
    uint64_t most = limit_of(&t) / 10 * 7;
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t key = (uint32_t)rng_below(&rng, KEYS);
        uint64_t fixed = (uint64_t)t.engine->range.head->fixed * range_segment_size(&t.engine->range);
        if (kept[key].there && rng_below(&rng, 8) == 0) {
            drop(&t, key);
            kept[key].there = false;
        } else if (engine_live(t.engine) + fixed + size_max < most) {
            uint32_t size = (uint32_t)rng_below(&rng, size_max);
            if (size_max > 4000 && rng_below(&rng, 20))
                size %= 300;
            fill(bytes, size, key, step);
            enum status status = set(&t, key, slice_make(bytes, size), 0);
            if (status != STATUS_OK)
                fail_msg("limit %llu sizes to %u seed %llu step %u: refused at %llu of %llu bytes",
                         (unsigned long long)limit, size_max, (unsigned long long)unit_seed(), step,
                         (unsigned long long)(engine_live(t.engine) + fixed), (unsigned long long)limit_of(&t));
            kept[key] = (struct kept){true, step, size};
        } else { /* as much as there may be: something goes */
            for (uint32_t i = 0; i < KEYS; i++)
                if (kept[(key + i) % KEYS].there) {
                    key = (key + i) % KEYS;
                    break;
                }
            drop(&t, key);
            kept[key].there = false;
        }
    }
    for (uint32_t key = 0; key < KEYS; key++)
        check_kept(&t, key, &kept[key], bytes);
    assert_int_equal(t.actor.counts.evicted, 0);
    assert_true(t.actor.counts.copied_bytes > 0);
    free(bytes);
    free(kept);
    testing_store_close(&t);
}

static void noeviction_keeps_seventy_percent_of_small_values(void **state) {
    (void)state;
    keep_seventy_percent(8u << 20, 1, 1200, 80000);
    keep_seventy_percent(16u << 20, 4, 700, 80000);
}

static void noeviction_keeps_seventy_percent_with_large_values(void **state) {
    (void)state;
    keep_seventy_percent(8u << 20, 1, VALUE_MAX, 120000);
    keep_seventy_percent(16u << 20, 2, VALUE_MAX, 120000);
}

static void noeviction_refuses_when_it_is_full(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(2u << 20, 1, STORE_NOEVICTION, NULL);
    uint8_t bytes[500];
    struct store_spot spot;
    uint32_t key = 0;
    memset(bytes, 1, sizeof bytes);
    while (set(&t, key, slice_make(bytes, sizeof bytes), 0) == STATUS_OK)
        key++;
    assert_true(engine_live(t.engine) > limit_of(&t) / 10 * 8);
    assert_int_equal(count(&t), key);
    assert_int_equal(t.actor.counts.evicted, 0);
    for (uint32_t i = 0; i < key; i++)
        assert_true(get(&t, i, &spot));
    for (uint32_t i = 0; i < key / 4; i++) /* and takes again what is freed */
        drop(&t, i);
    for (uint32_t i = 0; i < key / 8; i++)
        assert_int_equal(set(&t, key + i, slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    testing_store_close(&t);
}

/* ------------------------------------------------------------------------------------------ expiry */

static void expired_entries_leave_in_few_slices(void **state) {
    (void)state;
    enum { ENTRIES = 30000 };
    struct testing_store t = testing_store_open(32u << 20, 4, STORE_NOEVICTION, NULL);
    uint8_t bytes[100] = {0};
    uint32_t used = t.engine->range.head->used;
    for (uint32_t key = 0; key < ENTRIES; key++)
        assert_int_equal(set(&t, key, slice_make(bytes, sizeof bytes), t.actor.now_ms + 1000 + key % 500), STATUS_OK);
    assert_false(reclaim_expired(t.engine, &t.actor));
    t.actor.now_ms += 1700;
    uint32_t slices = 0, segments = t.engine->range.head->used;
    while (reclaim_expired(t.engine, &t.actor))
        slices++;
    assert_int_equal(count(&t), 0);
    assert_int_equal(t.actor.counts.expired, ENTRIES);
    assert_true(slices <= ENTRIES / 1024 + 2 * segments);
    assert_true(t.engine->range.head->used <= used + 16 * 34); /* open ones, index */
    testing_store_close(&t);
}

/* Of entries that expire one after the other, those whose time has come are gone within the next looks. */
static void expiry_follows_the_clock(void **state) {
    (void)state;
    enum { ENTRIES = 20000, STEP_MS = 500 };
    struct testing_store t = testing_store_open(32u << 20, 1, STORE_NOEVICTION, NULL);
    uint8_t bytes[60] = {0};
    uint64_t begin = t.actor.now_ms, slices = 0;
    for (uint32_t key = 0; key < ENTRIES; key++)
        assert_int_equal(set(&t, key, slice_make(bytes, sizeof bytes), begin + 1 + key * 3), STATUS_OK);
    while (count(&t) > 0 && t.actor.now_ms < begin + ENTRIES * 3 + 10000) {
        t.actor.now_ms += STEP_MS;
        while (reclaim_expired(t.engine, &t.actor))
            slices++;
        uint64_t passed = t.actor.now_ms - begin, gone = (passed + 2) / 3, alive = gone < ENTRIES ? ENTRIES - gone : 0;
        /* A sixteenth of the mean time that is left, or a tenth of a second, may be overdue (reclaim.c). */
        if (count(&t) < alive || count(&t) > alive + ENTRIES / 12)
            fail_msg("after %llu ms %llu are there, %llu are alive", (unsigned long long)passed,
                     (unsigned long long)count(&t), (unsigned long long)alive);
    }
    assert_int_equal(count(&t), 0);
    assert_int_equal(t.actor.counts.expired, ENTRIES);
    assert_true(slices < 20000);
    testing_store_close(&t);
}

/* ------------------------------------------------------------------------------------------ eviction */

struct zipf {
    double *sums;
    uint32_t keys;
};

static uint32_t zipf_next(const struct zipf *zipf, struct rng *rng) {
    double wanted = rng_unit(rng) * zipf->sums[zipf->keys - 1];
    uint32_t low = 0, high = zipf->keys - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (zipf->sums[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Hits of a cache of `capacity` equal entries that drops the oldest. */
static uint64_t fifo_hits(const struct zipf *zipf, uint64_t capacity, uint32_t warm, uint32_t requests) {
    struct rng rng = rng_seeded(unit_seed());
    uint64_t *arrived = calloc(zipf->keys, sizeof *arrived), arrivals = capacity, hits = 0;
    for (uint32_t i = 0; i < warm + requests; i++) {
        uint32_t key = zipf_next(zipf, &rng);
        bool there = arrived[key] && arrivals - arrived[key] < capacity;
        hits += there && i >= warm;
        if (!there)
            arrived[key] = ++arrivals;
    }
    free(arrived);
    return hits;
}

static uint64_t store_hits(const struct zipf *zipf, enum store_policy policy, uint32_t warm, uint32_t requests,
                           uint64_t *ret_capacity) {
    struct testing_store t = testing_store_open(4u << 20, 1, policy, NULL);
    struct rng rng = rng_seeded(unit_seed());
    uint8_t bytes[100] = {0};
    struct store_spot spot;
    uint64_t hits = 0;
    *ret_capacity = 0;
    for (uint32_t i = 0; i < warm + requests; i++) {
        uint32_t key = zipf_next(zipf, &rng);
        bool there = get(&t, key, &spot);
        hits += there && i >= warm;
        if (!there)
            assert_int_equal(set(&t, key, slice_make(bytes, sizeof bytes), 0), STATUS_OK);
        if (count(&t) > *ret_capacity)
            *ret_capacity = count(&t);
    }
    assert_true(t.actor.counts.evicted > requests / 20);
    testing_store_close(&t);
    return hits;
}

static void eviction_beats_fifo_on_zipf(void **state) {
    (void)state;
    enum { KEYS = 100000, WARM = 150000, REQUESTS = 150000 };
    struct zipf zipf = {.sums = malloc(KEYS * sizeof(double)), .keys = KEYS};
    double sum = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        zipf.sums[i] = sum += 1.0 / (i + 1);
    for (int i = 0; i < 2; i++) {
        uint64_t capacity,
            hits = store_hits(&zipf, i ? STORE_ALLKEYS_LRU : STORE_ALLKEYS_LFU, WARM, REQUESTS, &capacity);
        uint64_t fifo = fifo_hits(&zipf, capacity, WARM, REQUESTS);
        print_message("policy %d: %llu entries at most, %.1f %% hits, FIFO with as many %.1f %%\n", i,
                      (unsigned long long)capacity, 100.0 * (double)hits / REQUESTS, 100.0 * (double)fifo / REQUESTS);
        assert_true(hits > fifo);
    }
    free(zipf.sums);
}

/* Nothing is used again, so what is left of each size is what its age x size allows: of what is nine times as large a ninth as many bytes. Small
 * segments keep tails to be filled up, which must not stand in the way of what is behind them. */
static void larger_entries_go_first_where_segments_are_small(void **state) {
    (void)state;
    enum { KEYS = 40000, SMALL_SIZE = 100, LARGE_SIZE = 900 };
    struct testing_store t = testing_store_open(2u << 20, 1, STORE_ALLKEYS_LFU, NULL);
    struct rng rng = rng_seeded(unit_seed());
    uint8_t bytes[2 * LARGE_SIZE] = {0};
    uint64_t left[2] = {0};
    struct store_spot spot;
    assert_true(range_segment_size(&t.engine->range) <= STORE_TAIL_SEGMENT_MAX);
    for (uint32_t key = 0; key < KEYS; key++) {
        uint64_t size = key % 10 ? SMALL_SIZE : LARGE_SIZE;
        assert_int_equal(set(&t, key, slice_make(bytes, size + rng_below(&rng, size)), 0), STATUS_OK);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        if (get(&t, key, &spot))
            left[key % 10 == 0] += spot.entry.size;
    print_message("%llu bytes of small entries, %llu of large ones\n", (unsigned long long)left[0],
                  (unsigned long long)left[1]);
    assert_true(left[1] * 7 < left[0]);
    testing_store_close(&t);
}

static void volatile_policies_leave_what_has_no_expiry(void **state) {
    (void)state;
    for (enum store_policy policy = STORE_VOLATILE_LRU; policy < STORE_SESSION; policy++) {
        struct testing_store t = testing_store_open(2u << 20, 1, policy, NULL);
        uint8_t bytes[200] = {0};
        struct store_spot spot;
        for (uint32_t key = 0; key < 2000; key++)
            assert_int_equal(set(&t, key, slice_make(bytes, sizeof bytes), 0), STATUS_OK);
        for (uint32_t key = 2000; key < 20000; key++)
            if (set(&t, key, slice_make(bytes, sizeof bytes), t.actor.now_ms + 1000000) != STATUS_OK)
                fail_msg("policy %u: key %u is refused", policy, key);
        assert_true(t.actor.counts.evicted > 10000);
        for (uint32_t key = 0; key < 2000; key++)
            if (!get(&t, key, &spot))
                fail_msg("policy %u: key %u is gone", policy, key);
        testing_store_close(&t);
    }
}

static void lowered_limit_is_reached_in_the_background(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(16u << 20, 2, STORE_ALLKEYS_LFU, NULL);
    uint8_t bytes[300] = {0};
    uint32_t key = 0, turns = 0;
    for (; key < 60000; key++)
        assert_int_equal(set(&t, key, slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    assert_int_equal(engine_limit_set(t.engine, 8u << 20), STATUS_OK);
    assert_true(t.engine->range.head->used > t.engine->range.head->limit);
    while (reclaim_housekeep(t.engine, &t.actor))
        assert_true(++turns < 20000);
    assert_true(t.engine->range.head->used <= t.engine->range.head->limit);
    engine_verify(t.engine, &t.actor);
    for (; key < 70000; key++)
        assert_int_equal(set(&t, key, slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    assert_true(t.engine->range.head->used <= t.engine->range.head->limit);
    testing_store_close(&t);
}

UNIT_TESTS(reclaim, UNIT(noeviction_keeps_seventy_percent_of_small_values),
           UNIT(noeviction_keeps_seventy_percent_with_large_values), UNIT(noeviction_refuses_when_it_is_full),
           UNIT(expired_entries_leave_in_few_slices), UNIT(expiry_follows_the_clock), UNIT(eviction_beats_fifo_on_zipf),
           UNIT(larger_entries_go_first_where_segments_are_small), UNIT(volatile_policies_leave_what_has_no_expiry),
           UNIT(lowered_limit_is_reached_in_the_background));
