#include "core/store/choice.h"

#include "base/rng.h"
#include "core/store/store_fixture.h"

enum { COUNT = 20000, DRAWS = 200, NEAR_MS = 10 * 1000, FAR_MS = 500 * 1000, NAME_SIZE = 2000 };

struct keys {
    struct testing_store t;
    uint32_t name_size; /* 0: as short as they are */
};

static struct store_key key_of(struct keys *keys, uint32_t number, char name[NAME_SIZE]) {
    size_t size = (size_t)snprintf(name, NAME_SIZE, "k%u", number);
    if (size < keys->name_size) {
        memset(name + size, '.', keys->name_size - size);
        size = keys->name_size;
    }
    return testing_store_key(&keys->t, 0, slice_make(name, size));
}

static void put(struct keys *keys, uint32_t number, uint64_t expires_at_ms) {
    char name[NAME_SIZE];
    struct store_key key = key_of(keys, number, name);
    struct engine *engine = keys->t.engine;
    uint32_t at = store_shard_of(engine, key.hash);
    struct store_value value = {.expires_at_ms = expires_at_ms, .value = SLICE("value")};
    struct store_spot spot;
    store_lock(engine, &keys->t.actor, at);
    store_find(engine, &engine->shards[at], &key, &spot);
    assert_int_equal(store_put(engine, &keys->t.actor, &engine->shards[at], &key, &value, &spot), STATUS_OK);
    store_unlock(engine, &keys->t.actor, at);
}

static void drop(struct keys *keys, uint32_t number) {
    char name[NAME_SIZE];
    struct store_key key = key_of(keys, number, name);
    struct engine *engine = keys->t.engine;
    uint32_t at = store_shard_of(engine, key.hash);
    struct store_spot spot;
    store_lock(engine, &keys->t.actor, at);
    store_find(engine, &engine->shards[at], &key, &spot);
    assert_true(spot.location != 0);
    store_remove(engine, &keys->t.actor, &engine->shards[at], &spot, STORE_DELETED);
    store_unlock(engine, &keys->t.actor, at);
}

static struct keys open_keys(uint32_t name_size) {
    return (struct keys){.t = testing_store_open(16u << 20, 2, STORE_VOLATILE_TTL, NULL), .name_size = name_size};
}

static struct choice choose(struct keys *keys) {
    const struct claim claim = {.gives = {true}};
    return choice_evict(keys->t.engine, &claim, keys->t.actor.now_ms, false);
}

/* Two of three entries are deleted or written anew with a later expiry. What stood there before was the nearest of all, and says nothing. */
static void nearest_expiry_is_that_of_a_live_entry(void **state) {
    (void)state;
    struct keys keys = open_keys(0);
    struct rng rng = rng_seeded(unit_seed());
    uint64_t now_ms = keys.t.actor.now_ms, first_ms = now_ms + FAR_MS;
    for (uint32_t i = 0; i < COUNT; i++)
        put(&keys, i, i % 3 == 0 ? first_ms + rng_below(&rng, FAR_MS) : now_ms + 1 + rng_below(&rng, NEAR_MS));
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % 3 == 1)
            drop(&keys, i);
        if (i % 3 == 2)
            put(&keys, i, first_ms + FAR_MS + rng_below(&rng, FAR_MS));
    }
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct choice choice = choose(&keys);
        assert_true(choice.segment != 0);
        if (choice.expiry_max_ms < first_ms)
            fail_msg("draw %u: what expires in %llu ms is to go", i,
                     (unsigned long long)(choice.expiry_max_ms - now_ms));
        assert_true(choice.expiry_max_ms <= first_ms + FAR_MS * 2);
    }
    testing_store_close(&keys.t);
}

/* Among live ones the nearest quarter is found, under names of any length. */
static void nearest_quarter_goes(void **state) {
    (void)state;
    static const uint32_t name_sizes[] = {0, 1000, NAME_SIZE};
    for (size_t kind = 0; kind < COUNT_OF(name_sizes); kind++) {
        struct keys keys = open_keys(name_sizes[kind]);
        uint64_t now_ms = keys.t.actor.now_ms;
        for (uint32_t i = 0; i < COUNT / 8; i++)
            put(&keys, i, now_ms + (i % 4 ? NEAR_MS : FAR_MS));
        for (uint32_t i = 0; i < DRAWS; i++)
            assert_int_equal(choose(&keys).expiry_max_ms, now_ms + NEAR_MS);
        testing_store_close(&keys.t);
    }
}

UNIT_TESTS(choice, UNIT(nearest_expiry_is_that_of_a_live_entry), UNIT(nearest_quarter_goes));
