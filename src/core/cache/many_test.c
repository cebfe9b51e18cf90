/* core/cache/many_test.c: reads in bulk, beside the same reads one by one. */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { LIMIT = 32 << 20, NAME_ROOM = 40 };

struct batch {
    struct cache_wish wishes[CACHE_MANY_MAX];
    char names[CACHE_MANY_MAX][NAME_ROOM];
    uint8_t values[CACHE_MANY_MAX][CACHE_GLANCE_MAX];
    uint32_t count;
};

static void wish_for(struct batch *batch, struct slice name, uint32_t room) {
    assert_true(name.size <= NAME_ROOM && batch->count < CACHE_MANY_MAX);
    memcpy(batch->names[batch->count], name.data, name.size);
    batch->wishes[batch->count] = (struct cache_wish){
        .name = slice_make(batch->names[batch->count], name.size), .to = batch->values[batch->count], .room = room};
    batch->count++;
}

static struct slice name_of(uint64_t number, char text[NAME_ROOM]) {
    /* From one digit up to more than two pieces of 16 bytes, over every remainder of the alignment. */
    int size = snprintf(text, NAME_ROOM, "%llu", (unsigned long long)number);
    for (; size < (int)(number % 36); size++)
        text[size] = '-';
    return slice_make(text, (size_t)size);
}

static uint64_t size_of(uint64_t number) { return number % 13 == 0 ? 600 : number * 7 % 300; }

static struct slice value_of(uint64_t number, uint8_t bytes[1024]) {
    uint64_t size = size_of(number);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number * 31 + i);
    return slice_make(bytes, size);
}

/* What cache_get says, against what the bulk read said. UNSURE is right for what is no small string, and for nothing else. */
static void expect_alike(struct testing_cache *t, uint32_t db, const struct cache_wish *wish) {
    struct buf value;
    struct cache_info info = {0};
    buf_init(&value, &memory_libc);
    bool found = testing_get(t, db, wish->name, &value, &info);
    if (!found) {
        assert_int_equal(wish->answer, CACHE_GLANCE_MISS);
    } else if (info.type != CACHE_STRING || value.size > wish->room) {
        assert_int_equal(wish->answer, CACHE_GLANCE_UNSURE);
    } else {
        assert_int_equal(wish->answer, CACHE_GLANCE_HIT);
        assert_int_equal(wish->size, value.size);
        if (value.size)
            assert_memory_equal(wish->to, value.data, value.size);
    }
    buf_fini(&value);
}

static void bulk_reads_find_what_single_reads_find(void **state) {
    (void)state;
    enum { KEYS = 60000, BATCHES = 3000 };
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t shards = 1; shards <= 8; shards *= 8) {
        struct testing_cache t = testing_open(LIMIT, shards, CACHE_NOEVICTION);
        struct batch *batch = calloc(1, sizeof *batch);
        char text[NAME_ROOM];
        uint8_t bytes[1024];
        for (uint64_t i = 0; i < KEYS; i++) { /* as many as make chains of buckets */
            if (i % 5 == 4)
                continue;
            uint64_t expires_at_ms = i % 11 == 0 ? t.actor.now_ms + 1 + i % 50 : 0;
            assert_int_equal(testing_set(&t, i % 3, name_of(i, text), value_of(i, bytes), expires_at_ms), STATUS_OK);
        }
        t.actor.now_ms += 25; /* half of what expires is over, and still stands there */
        for (uint32_t round = 0; round < BATCHES; round++) {
            uint32_t db = (uint32_t)rng_below(&rng, 3);
            batch->count = 0;
            for (uint64_t left = 1 + rng_below(&rng, CACHE_MANY_MAX); left; left--)
                wish_for(batch, name_of(rng_below(&rng, KEYS), text), rng_below(&rng, 8) ? CACHE_GLANCE_MAX : 40);
            cache_glance_many(t.cache, &t.actor, db, batch->wishes, batch->count);
            for (uint32_t i = 0; i < batch->count; i++)
                expect_alike(&t, db, &batch->wishes[i]);
        }
        free(batch);
        testing_close(&t);
    }
}

static void bulk_reads_count_hits_misses_and_uses(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_NOEVICTION);
    struct batch batch = {.count = 0};
    assert_int_equal(testing_set(&t, 0, SLICE("here"), SLICE("value"), 0), STATUS_OK);
    assert_int_equal(testing_set(&t, 0, SLICE("over"), SLICE("value"), t.actor.now_ms), STATUS_OK);
    wish_for(&batch, SLICE("here"), CACHE_GLANCE_MAX);
    wish_for(&batch, SLICE("gone"), CACHE_GLANCE_MAX);
    wish_for(&batch, SLICE("here"), CACHE_GLANCE_MAX);
    wish_for(&batch, SLICE("over"), CACHE_GLANCE_MAX);
    wish_for(&batch, SLICE("here"), 4);
    cache_glance_many(t.cache, &t.actor, 0, batch.wishes, batch.count);
    assert_int_equal(batch.wishes[4].answer, CACHE_GLANCE_UNSURE);
    assert_int_equal(t.actor.counts.hits, 2);
    assert_int_equal(t.actor.counts.misses, 2);
    struct cache_key key = cache_key(t.cache, 0, SLICE("here"));
    struct cache_info info;
    assert_true(cache_find(t.cache, &t.actor, &key, false, &info));
    assert_int_equal(info.use_count, 1); /* of a batch, whatever else is counted */
    cache_glance_many(t.cache, &t.actor, 0, NULL, 0);
    testing_close(&t);
}

static void what_is_no_string_is_left_to_others(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_NOEVICTION);
    struct batch batch = {.count = 0};
    struct cache_key key = cache_key(t.cache, 0, SLICE("list"));
    struct cache_edit edit;
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_int_equal(cache_edit_set(&edit, CACHE_LIST, SLICE("members"), 0), STATUS_OK);
    cache_edit_end(&edit);
    uint64_t size = 4 * store_inline_max(t.cache->engine);
    uint8_t *large = calloc(1, size);
    assert_int_equal(testing_set(&t, 0, SLICE("large"), slice_make(large, size), 0), STATUS_OK);
    free(large);
    wish_for(&batch, SLICE("list"), CACHE_GLANCE_MAX);
    wish_for(&batch, SLICE("large"), CACHE_GLANCE_MAX);
    cache_glance_many(t.cache, &t.actor, 0, batch.wishes, batch.count);
    assert_int_equal(batch.wishes[0].answer, CACHE_GLANCE_UNSURE);
    assert_int_equal(batch.wishes[1].answer, CACHE_GLANCE_UNSURE);
    assert_int_equal(t.actor.counts.hits + t.actor.counts.misses, 0);
    testing_close(&t);
}

/* A filter is asked about keys that are not there, and what it says is counted, alone or in bulk. */
static void misses_are_the_filters(void **state) {
    (void)state;
    enum { ABSENT = 50 };
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_NOEVICTION);
    struct batch *batch = calloc(1, sizeof *batch);
    char text[NAME_ROOM];
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, true, 0), STATUS_OK);
    assert_int_equal(testing_set(&t, 0, SLICE("here"), SLICE("value"), 0), STATUS_OK);
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    for (uint64_t i = 0; i < ABSENT; i++)
        wish_for(batch, name_of(1000 + i, text), CACHE_GLANCE_MAX);
    wish_for(batch, SLICE("here"), CACHE_GLANCE_MAX);
    cache_glance_many(t.cache, &t.actor, 0, batch->wishes, batch->count);
    assert_int_equal(batch->wishes[ABSENT].answer, CACHE_GLANCE_HIT);
    assert_int_equal(t.actor.counts.misses, ABSENT);
    assert_int_equal(t.actor.counts.filtered + t.actor.counts.unfiltered, ABSENT);
    free(batch);
    testing_close(&t);
}

/* The engine's databases change places, and with them the one that most reads have code of their own for. */
static void swapped_databases_are_read_where_they_are(void **state) {
    (void)state;
    enum { KEYS = 200 };
    struct testing_cache t = testing_open(LIMIT, 8, CACHE_NOEVICTION);
    struct batch *batch = calloc(1, sizeof *batch);
    char text[NAME_ROOM];
    uint8_t bytes[1024];
    for (uint64_t i = 0; i < KEYS; i++)
        assert_int_equal(testing_set(&t, i % 2, name_of(i, text), value_of(i, bytes), 0), STATUS_OK);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t db = 0; db < 2; db++)
            for (uint64_t first = 0; first < KEYS; first += CACHE_MANY_MAX / 2) {
                batch->count = 0;
                for (uint64_t i = first; i < first + CACHE_MANY_MAX / 2; i++)
                    wish_for(batch, name_of(i, text), CACHE_GLANCE_MAX);
                cache_glance_many(t.cache, &t.actor, db, batch->wishes, batch->count);
                for (uint32_t i = 0; i < batch->count; i++)
                    expect_alike(&t, db, &batch->wishes[i]);
            }
        cache_swap(t.cache, &t.actor, 0, 1);
    }
    free(batch);
    testing_close(&t);
}

/* Keys of two stores in one batch: each is found in its own, and counted there. What belongs to a session is left to others. */
static void keys_of_several_stores_are_read_together(void **state) {
    (void)state;
    enum { KEYS = 40, THERE = 30 };
    static const struct slice patterns[] = {{(const uint8_t *)"other:*", 7}, {(const uint8_t *)"other:{id}", 10}};
    for (int sessions = 0; sessions < 2; sessions++) {
        const struct cache_store store = {.name = SLICE("other"),
                                          .patterns = &patterns[sessions],
                                          .pattern_count = 1,
                                          .policy = sessions ? CACHE_SESSION : CACHE_ALLKEYS_LFU};
        struct testing_cache t = testing_open_as((struct cache_options){
            .limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .stores = &store, .store_count = 1});
        struct batch *batch = calloc(1, sizeof *batch);
        struct actor_counts of_store[2] = {{0}};
        uint32_t other;
        assert_true(cache_store_find(t.cache, SLICE("other"), &other));
        for (uint32_t i = 0; i < KEYS; i++) {
            char text[NAME_ROOM];
            snprintf(text, sizeof text, i % 2 ? "other:%u" : "a key as most are %u", i);
            if (i < THERE)
                assert_int_equal(testing_set(&t, 0, slice_from_string(text), slice_from_string(text), 0), STATUS_OK);
            wish_for(batch, slice_from_string(text), CACHE_GLANCE_MAX);
        }
        t.actor.of_store = of_store;
        cache_glance_many(t.cache, &t.actor, 0, batch->wishes, batch->count);
        t.actor.of_store = NULL;
        assert_int_equal(of_store[0].hits, THERE / 2);
        assert_int_equal(of_store[0].misses, (KEYS - THERE) / 2);
        assert_int_equal(of_store[other].hits, sessions ? 0 : THERE / 2);
        assert_int_equal(of_store[other].misses, sessions ? 0 : (KEYS - THERE) / 2);
        for (uint32_t i = 0; i < batch->count; i++) {
            if (sessions && i % 2)
                assert_int_equal(batch->wishes[i].answer, CACHE_GLANCE_UNSURE);
            else
                expect_alike(&t, 0, &batch->wishes[i]);
        }
        free(batch);
        testing_close(&t);
    }
}

/* A writer that stands still in the middle of a change: whatever lies in that chain cannot be known, and nothing is counted. */
static void a_chain_that_is_being_written_is_unsure(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_NOEVICTION);
    struct batch batch = {.count = 0};
    const struct slice name = SLICE("a key of the usual size");
    assert_int_equal(testing_set(&t, 0, name, SLICE("value"), 0), STATUS_OK);
    wish_for(&batch, name, CACHE_GLANCE_MAX);
    struct cache_key key = cache_key(t.cache, 0, name);
    struct shard *shard = &t.cache->engine->shards[store_shard_of(t.cache->engine, key.hash)];
    struct index_bucket *first = index_place_of(&t.cache->engine->range, &shard->index, key.hash).bucket;
    index_write_begin(first);
    cache_glance_many(t.cache, &t.actor, 0, batch.wishes, batch.count);
    assert_int_equal(batch.wishes[0].answer, CACHE_GLANCE_UNSURE);
    assert_int_equal(t.actor.counts.hits + t.actor.counts.misses, 0);
    index_write_end(first);
    cache_glance_many(t.cache, &t.actor, 0, batch.wishes, batch.count);
    assert_int_equal(batch.wishes[0].answer, CACHE_GLANCE_HIT);
    assert_int_equal(t.actor.counts.hits, 1);
    testing_close(&t);
}

UNIT_TESTS(many, UNIT(bulk_reads_find_what_single_reads_find), UNIT(bulk_reads_count_hits_misses_and_uses),
           UNIT(what_is_no_string_is_left_to_others), UNIT(misses_are_the_filters),
           UNIT(swapped_databases_are_read_where_they_are), UNIT(keys_of_several_stores_are_read_together),
           UNIT(a_chain_that_is_being_written_is_unsure));
