#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "core/store/claim.h"
#include "core/store/read.h"

enum { MIB = 1 << 20, LIMIT = 16 * MIB };

static const struct slice session_patterns[] = {{(const uint8_t *)"session:{sid}", 13},
                                                {(const uint8_t *)"cart:{sid}:*", 12}};
static const struct slice queue_patterns[] = {{(const uint8_t *)"queue:*", 7}};
static const struct slice vip_patterns[] = {{(const uint8_t *)"queue:vip:{n}", 13}};

struct removals {
    uint32_t of[CACHE_EVICTED + 1];
    char last[32];
    struct cache *watched; /* NULL: nobody looks whether what goes can still be seen */
    uint32_t seen;
};

static void note_removal(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name) {
    struct removals *removals = context;
    assert_int_equal(db, 0);
    assert_true(reason <= CACHE_EVICTED);
    removals->of[reason]++;
    if (removals->watched) {
        struct cache_key key = cache_key(removals->watched, 0, name);
        struct store_key wanted = {key.name, key.hash, key.place, NULL, NULL, 0};
        struct store_view view;
        const struct engine *engine = removals->watched->engine;
        store_view_open(engine, &engine->shards[store_shard_of(engine, key.hash)], &wanted, &view);
        removals->seen += view.found;
    }
    snprintf(removals->last, sizeof removals->last, "%.*s", (int)name.size, (const char *)name.data);
}

static struct testing_cache open_with(const struct cache_store *stores, uint32_t count, struct removals *removals) {
    struct cache_options options = {
        .limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .stores = stores, .store_count = count};
    if (removals)
        options.changes = (struct cache_changes){note_removal, removals, CACHE_REMOVALS};
    return testing_open_as(options);
}

static uint32_t store_of(const struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    return cache_store_of(t->cache, &key);
}

static uint32_t number_of(const struct testing_cache *t, const char *name) {
    uint32_t number = 99;
    assert_true(cache_store_find(t->cache, slice_from_string(name), &number));
    return number;
}

static struct cache_store_info info_of(const struct testing_cache *t, const char *name) {
    struct cache_store_info info;
    cache_store_info(t->cache, number_of(t, name), &info);
    /* What its uses take adds up to what it is charged, byte for byte. */
    assert_int_equal(info.bytes, store_bytes(t->cache->engine, number_of(t, name)));
    return info;
}

/* Writes `count` entries of `size` bytes under a prefix; answers how many were taken. */
static uint32_t fill(struct testing_cache *t, const char *prefix, uint32_t begin, uint32_t count, uint32_t size) {
    static uint8_t value[4096];
    uint32_t taken = 0;
    for (uint32_t i = begin; i < begin + count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%u", prefix, i);
        taken += testing_set(t, 0, slice_from_string(name), slice_make(value, size), 0) == STATUS_OK;
    }
    return taken;
}

static void keys_go_where_their_most_exact_pattern_says(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("queues"), .patterns = queue_patterns, .pattern_count = 1, .policy = CACHE_NOEVICTION},
        {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LRU, .share_permille = 100},
        {.name = SLICE("vip"), .patterns = vip_patterns, .pattern_count = 1, .policy = CACHE_ALLKEYS_LFU},
        {.name = SLICE("sessions"), .patterns = session_patterns, .pattern_count = 2, .policy = CACHE_ALLKEYS_LFU},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    assert_int_equal(cache_store_count(t.cache), 4);
    assert_int_equal(number_of(&t, "default"), 0);
    assert_int_equal(cache_policy_now(t.cache), CACHE_ALLKEYS_LRU);
    assert_int_equal(store_of(&t, "user:1"), 0);
    assert_int_equal(store_of(&t, "queue:a"), number_of(&t, "queues"));
    assert_int_equal(store_of(&t, "queue:vip:7"), number_of(&t, "vip"));
    assert_int_equal(store_of(&t, "queue:vip:7:x"), number_of(&t, "queues"));
    assert_int_equal(store_of(&t, "session:42"), number_of(&t, "sessions"));
    assert_int_equal(store_of(&t, "cart:42:1"), number_of(&t, "sessions"));
    fill(&t, "queue:vip:", 0, 100, 10);
    fill(&t, "queue:", 0, 50, 10);
    fill(&t, "user:", 0, 25, 10);
    assert_int_equal(info_of(&t, "vip").entries, 100);
    assert_int_equal(info_of(&t, "queues").entries, 50);
    assert_int_equal(info_of(&t, "default").entries, 25);
    assert_int_equal(cache_count(t.cache, 0), 175);
    cache_store_flush(t.cache, &t.actor, number_of(&t, "vip"));
    assert_int_equal(info_of(&t, "vip").entries, 0);
    assert_int_equal(cache_count(t.cache, 0), 75);
    testing_close(&t);
}

static void stores_that_cannot_be_are_refused(void **state) {
    (void)state;
    static uint8_t name[] = "a-name-of-thirty-two-characters-";
    const struct slice wrong = SLICE("a{");
    const struct cache_store bad[][2] = {
        {{.name = SLICE(""), .patterns = queue_patterns, .pattern_count = 1}},
        {{.name = {name, 32}, .patterns = queue_patterns, .pattern_count = 1}},
        {{.name = SLICE("a b"), .patterns = queue_patterns, .pattern_count = 1}},
        {{.name = SLICE("none")}},
        {{.name = SLICE("default"), .patterns = queue_patterns, .pattern_count = 1}},
        {{.name = SLICE("wrong"), .patterns = &wrong, .pattern_count = 1}},
        {{.name = SLICE("few"), .patterns = queue_patterns, .pattern_count = 1, .entries_max = 9}},
        {{.name = SLICE("much"), .patterns = queue_patterns, .pattern_count = 1, .guaranteed_bytes = LIMIT + 1}},
        {{.name = SLICE("twice"), .patterns = queue_patterns, .pattern_count = 1},
         {.name = SLICE("twice"), .patterns = vip_patterns, .pattern_count = 1}},
        {{.name = SLICE("a"), .patterns = queue_patterns, .pattern_count = 1, .share_permille = 600},
         {.name = SLICE("b"), .patterns = vip_patterns, .pattern_count = 1, .share_permille = 401}},
    };
    void *range = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct cache_options options = {.range = range,
                                        .range_size = LIMIT,
                                        .limit_bytes = LIMIT / 2,
                                        .memory = &memory_libc,
                                        .stores = bad[i],
                                        .store_count = bad[i][1].name.size ? 2 : 1};
        struct cache *cache = NULL;
        assert_int_equal(cache_open(&options, &cache), STATUS_INVALID);
        assert_null(cache);
    }
    munmap(range, LIMIT);
}

static void unused_memory_is_lent_and_taken_back(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LFU, .share_permille = 300},
        {.name = SLICE("queues"),
         .patterns = queue_patterns,
         .pattern_count = 1,
         .policy = CACHE_ALLKEYS_LFU,
         .guaranteed_bytes = LIMIT / 2},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    /* Alone, the default store has nearly everything. */
    fill(&t, "user:", 0, 40000, 1000);
    uint64_t alone = info_of(&t, "default").bytes;
    assert_true(alone > LIMIT / 10 * 8);
    /* The owner of the other half comes, and gets it. */
    fill(&t, "queue:", 0, 40000, 1000);
    assert_true(info_of(&t, "queues").bytes > LIMIT / 10 * 4);
    /* Whoever has the most age x size gives now, but nobody goes under its guarantee by more than a segment. */
    fill(&t, "user:", 40000, 60000, 1000);
    struct cache_store_info queues = info_of(&t, "queues"), rest = info_of(&t, "default");
    assert_true(queues.bytes + 2 * 32768 >= LIMIT / 2);
    fill(&t, "queue:", 40000, 100000, 1000);
    rest = info_of(&t, "default");
    assert_true(rest.bytes + 2 * 32768 >= LIMIT / 10 * 3);
    testing_close(&t);
}

static void a_store_that_cannot_give_back_never_takes_what_is_guaranteed(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LFU, .share_permille = 400},
        {.name = SLICE("queues"), .patterns = queue_patterns, .pattern_count = 1, .policy = CACHE_NOEVICTION},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    uint32_t taken = fill(&t, "queue:", 0, 40000, 1000);
    assert_true(taken < 40000);
    assert_int_equal(info_of(&t, "queues").entries, taken);
    assert_true(info_of(&t, "queues").bytes <= LIMIT / 10 * 6);
    assert_true(info_of(&t, "queues").live_bytes > LIMIT / 10 * 5);
    /* So the default store finds its part, and evicts in it; the queue loses nothing. */
    assert_int_equal(fill(&t, "user:", 0, 40000, 1000), 40000);
    assert_true(info_of(&t, "default").bytes > LIMIT / 10 * 3);
    assert_int_equal(info_of(&t, "queues").entries, taken);
    /* With an eighth deleted there is room; overwriting makes dead bytes, which compaction gets back. */
    for (uint32_t i = 0; i < taken / 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "queue:%u", i);
        struct cache_key key = cache_key(t.cache, 0, slice_from_string(name));
        assert_true(cache_delete(t.cache, &t.actor, &key));
    }
    for (uint32_t round = 0; round < 5; round++)
        assert_int_equal(fill(&t, "queue:", taken / 2, taken / 2, 900 + round * 10), taken / 2);
    assert_int_equal(info_of(&t, "queues").entries, taken - taken / 8);
    assert_true(info_of(&t, "queues").bytes <= LIMIT / 10 * 6);
    testing_close(&t);
}

static void guarantees_move_while_running(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("queues"), .patterns = queue_patterns, .pattern_count = 1, .policy = CACHE_ALLKEYS_LFU},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    fill(&t, "user:", 0, 40000, 1000);
    uint32_t queues = number_of(&t, "queues");
    assert_int_equal(cache_store_guarantee_set(t.cache, queues, 250, 0), STATUS_OK);
    assert_int_equal(cache_store_guarantee_set(t.cache, 0, 751, 0), STATUS_INVALID);
    assert_int_equal(cache_store_guarantee_set(t.cache, 0, 0, LIMIT / 2), STATUS_OK);
    assert_int_equal(info_of(&t, "queues").guaranteed_bytes, LIMIT / 1000 * 250);
    fill(&t, "queue:", 0, 20000, 1000);
    assert_true(info_of(&t, "queues").bytes + 2 * 32768 >= LIMIT / 4);
    assert_true(info_of(&t, "default").bytes + 2 * 32768 >= LIMIT / 2);
    /* A share follows the limit. */
    assert_int_equal(cache_store_guarantee_set(t.cache, 0, 0, 0), STATUS_OK);
    assert_int_equal(cache_limit_set(t.cache, LIMIT / 2), STATUS_OK);
    assert_int_equal(info_of(&t, "queues").guaranteed_bytes, LIMIT / 2 / 1000 * 250);
    testing_close(&t);
}

static void a_default_expiry_is_the_stores(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("queues"),
         .patterns = queue_patterns,
         .pattern_count = 1,
         .policy = CACHE_ALLKEYS_LFU,
         .ttl_ms = 1000},
    };
    struct removals removals = {0};
    struct testing_cache t = open_with(stores, COUNT_OF(stores), &removals);
    fill(&t, "queue:", 0, 3, 10);
    fill(&t, "user:", 0, 3, 10);
    assert_int_equal(testing_set(&t, 0, SLICE("queue:own"), SLICE("x"), t.actor.now_ms + 5000), STATUS_OK);
    struct buf value;
    buf_init(&value, &memory_libc);
    struct cache_info info;
    assert_true(testing_get(&t, 0, SLICE("queue:0"), &value, &info));
    assert_int_equal(info.expires_at_ms, t.actor.now_ms + 1000);
    t.actor.now_ms += 1000;
    assert_false(testing_get(&t, 0, SLICE("queue:0"), &value, &info));
    assert_true(testing_get(&t, 0, SLICE("user:0"), &value, &info));
    assert_true(testing_get(&t, 0, SLICE("queue:own"), &value, &info));
    t.actor.now_ms += 1000;
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    assert_int_equal(removals.of[CACHE_EXPIRED], 3);
    assert_int_equal(cache_count(t.cache, 0), 4);
    buf_fini(&value);
    testing_close(&t);
}

static void removals_are_told_with_their_reason(void **state) {
    (void)state;
    struct removals removals = {0};
    struct testing_cache t = open_with(NULL, 0, &removals);
    fill(&t, "user:", 0, 2, 10);
    assert_int_equal(removals.of[CACHE_REPLACED], 0);
    fill(&t, "user:", 0, 1, 10);
    fill(&t, "user:", 0, 1, 500);
    assert_int_equal(removals.of[CACHE_REPLACED], 2);
    assert_string_equal(removals.last, "user:0");
    struct cache_key key = cache_key(t.cache, 0, SLICE("user:1"));
    /* Before readers can miss it. */
    removals.watched = t.cache;
    assert_true(cache_delete(t.cache, &t.actor, &key));
    assert_int_equal(removals.of[CACHE_DELETED], 1);
    assert_int_equal(removals.seen, 1);
    removals.watched = NULL;
    assert_string_equal(removals.last, "user:1");
    fill(&t, "more:", 0, 40000, 1000);
    assert_true(removals.of[CACHE_EVICTED] > 20000);
    assert_int_equal(removals.of[CACHE_EVICTED], t.actor.counts.evicted);
    assert_int_equal(cache_count(t.cache, 0) + removals.of[CACHE_EVICTED], 40001);
    testing_close(&t);
}

static void capacity_is_in_entries_too(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LFU, .entries_max = 10},
        {.name = SLICE("queues"),
         .patterns = queue_patterns,
         .pattern_count = 1,
         .policy = CACHE_NOEVICTION,
         .entries_max = 20},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(fill(&t, "user:", i, 1, 1 + i % 50), 1);
        assert_true(info_of(&t, "default").entries <= 10);
        assert_true(i < 10 || info_of(&t, "default").entries >= 9);
    }
    /* A store that lets nothing go takes no more than its capacity, but what is there may change. */
    assert_int_equal(fill(&t, "queue:", 0, 30, 10), 20);
    assert_int_equal(fill(&t, "queue:", 0, 20, 300), 20);
    assert_int_equal(cache_store_entries_max_set(t.cache, 0, 9), STATUS_INVALID);
    assert_int_equal(cache_store_entries_max_set(t.cache, 0, 100), STATUS_OK);
    assert_int_equal(fill(&t, "user:", 0, 1000, 10), 1000);
    assert_int_equal(info_of(&t, "default").entries, 100);
    assert_int_equal(cache_store_entries_max_set(t.cache, 0, 50), STATUS_OK);
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    assert_int_equal(info_of(&t, "default").entries, 50);
    testing_close(&t);
}

/* Whatever has been overwritten or deleted in between, the capacity holds after each write, and nobody works for ever. */
static void capacity_holds_among_dead_entries(void **state) {
    (void)state;
    enum { CAPACITY = 2000, KEYS = 5000 };
    for (enum cache_policy policy = CACHE_ALLKEYS_LRU; policy < CACHE_SESSION; policy++) {
        bool expiring = policy >= CACHE_VOLATILE_LRU;
        const struct cache_store store = {.name = SLICE("default"), .policy = policy, .entries_max = CAPACITY};
        struct testing_cache t = open_with(&store, 1, NULL);
        struct rng rng = rng_seeded(unit_seed() + policy);
        for (uint32_t i = 0; i < 30000; i++) {
            char name[16];
            static uint8_t value[200];
            snprintf(name, sizeof name, "k%u", (unsigned)rng_below(&rng, KEYS));
            struct cache_key key = cache_key(t.cache, 0, slice_from_string(name));
            if (rng_below(&rng, 8) == 0) {
                (void)cache_delete(t.cache, &t.actor, &key);
                continue;
            }
            uint64_t expires_at_ms = expiring ? t.actor.now_ms + 1000000 + rng_below(&rng, 1000000) : 0;
            assert_int_equal(
                cache_set(t.cache, &t.actor, &key, slice_make(value, rng_below(&rng, sizeof value)), expires_at_ms),
                STATUS_OK);
            if (cache_count(t.cache, 0) > CAPACITY)
                fail_msg("policy %u holds %u", policy, (unsigned)cache_count(t.cache, 0));
        }
        assert_true(cache_count(t.cache, 0) > CAPACITY - CAPACITY / 10);
        uint32_t slices = 0;
        while (cache_housekeep(t.cache, &t.actor))
            assert_true(++slices < 100000);
        testing_close(&t);
    }
}

static void random_eviction_of_large_values_goes_on(void **state) {
    (void)state;
    const struct cache_store store = {.name = SLICE("default"), .policy = CACHE_ALLKEYS_RANDOM};
    struct testing_cache t = open_with(&store, 1, NULL);
    static uint8_t value[20000];
    for (uint32_t i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%u", i);
        assert_int_equal(testing_set(&t, 0, slice_from_string(name), slice_make(value, sizeof value), 0), STATUS_OK);
    }
    uint32_t slices = 0;
    while (cache_housekeep(t.cache, &t.actor))
        assert_true(++slices < 20000);
    testing_close(&t);
}

static void a_store_at_its_cap_leaves_the_others_alone(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LRU},
        {.name = SLICE("queues"), .patterns = queue_patterns, .pattern_count = 1, .policy = CACHE_NOEVICTION},
        {.name = SLICE("vip"),
         .patterns = vip_patterns,
         .pattern_count = 1,
         .policy = CACHE_ALLKEYS_LFU,
         .share_permille = 600},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    fill(&t, "user:", 0, 20000, 100);
    assert_int_equal(info_of(&t, "default").entries, 20000);
    assert_true(fill(&t, "queue:", 0, 100000, 100) < 100000);
    assert_int_equal(info_of(&t, "default").entries, 20000);
    testing_close(&t);
}

static void room_is_made_for_the_store_that_is_written(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_NOEVICTION},
        {.name = SLICE("queues"),
         .patterns = queue_patterns,
         .pattern_count = 1,
         .policy = CACHE_ALLKEYS_LRU,
         .share_permille = 500},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    assert_true(fill(&t, "user:", 0, 40000, 1000) < 40000);
    assert_int_equal(fill(&t, "queue:", 0, 20000, 1000), 20000);
    static uint8_t value[1000];
    for (uint32_t i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "queue:x%u", i);
        struct cache_key key = cache_key(t.cache, 0, slice_from_string(name));
        cache_lock_all(t.cache, &t.actor, sizeof value);
        assert_int_equal(cache_set(t.cache, &t.actor, &key, slice_make(value, sizeof value), 0), STATUS_OK);
        cache_unlock(t.cache, &t.actor);
        struct cache_upload upload;
        assert_int_equal(cache_upload_begin(t.cache, 100000, &upload), STATUS_OK);
        upload.store = cache_store_of(t.cache, &key);
        while (upload.filled < upload.size) {
            void *room;
            uint64_t size;
            assert_int_equal(cache_upload_room(t.cache, &t.actor, &upload, &room, &size), STATUS_OK);
            cache_upload_filled(&upload, size);
        }
        cache_upload_drop(t.cache, &t.actor, &upload);
    }
    testing_close(&t);
}

static enum status change_one(struct testing_cache *t, uint32_t number, uint32_t change) {
    char name[32];
    snprintf(name, sizeof name, "queue:%u", number);
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    struct cache_edit edit;
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    assert_true(edit.found);
    enum status status = change == 2 ? cache_edit_version(&edit)
                                     : cache_edit_expire(&edit, change ? 0 : t->actor.now_ms + 100000 + number);
    cache_edit_end(&edit);
    return status;
}

/* In a store that lets nothing go and takes nothing more, expiries and versions come and go, in any order. */
static void a_full_store_still_changes_what_it_has(void **state) {
    (void)state;
    static const struct { uint32_t size, changed_permille; } kinds[] = {{8, 50}, {1000, 1000}, {60000, 1000}};
    static uint8_t value[60000];
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        const struct cache_store stores[] = {
            {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LRU, .share_permille = 600},
            {.name = SLICE("queues"), .patterns = queue_patterns, .pattern_count = 1, .policy = CACHE_NOEVICTION},
        };
        struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
        struct rng rng = rng_seeded(unit_seed() + kind);
        uint32_t count = 0, queues = number_of(&t, "queues");
        char name[32];
        for (bool full = false; !full; count += !full) {
            snprintf(name, sizeof name, "queue:%u", count);
            full = testing_set(&t, 0, slice_from_string(name), slice_make(value, kinds[kind].size), 0) != STATUS_OK;
        }
        uint64_t cap = claim_cap_bytes(t.cache->engine, queues);
        assert_true(store_bytes(t.cache->engine, queues) > cap / 10 * 9);
        /* Each is given an expiry, loses it, and gets a version; three times as many changes as there are entries to change. */
        uint32_t changes = count * kinds[kind].changed_permille / 1000;
        for (uint32_t i = 0; i < 3 * changes; i++) {
            uint32_t number = (uint32_t)rng_below(&rng, changes), change = (uint32_t)rng_below(&rng, 3);
            if (change_one(&t, number, change) != STATUS_OK)
                fail_msg("%u bytes: change %u of %u, kind %u", kinds[kind].size, i, 3 * changes, change);
            assert_true(store_bytes(t.cache->engine, queues) <= cap + 2 * 32768);
        }
        assert_int_equal(info_of(&t, "queues").entries, count);
        /* It is as full as before, and others get what is theirs. */
        for (uint32_t i = 0; i < count && i < 1000; i++) {
            snprintf(name, sizeof name, "queue:more:%u", i);
            (void)testing_set(&t, 0, slice_from_string(name), slice_make(value, kinds[kind].size), 0);
        }
        assert_true(store_bytes(t.cache->engine, queues) <= cap);
        assert_int_equal(fill(&t, "user:", 0, 20000, 1000), 20000);
        assert_true(info_of(&t, "default").bytes > LIMIT / 10 * 5);
        testing_close(&t);
    }
}

static void counts_are_kept_by_store(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("queues"), .patterns = queue_patterns, .pattern_count = 1, .policy = CACHE_ALLKEYS_LFU},
    };
    struct testing_cache t = open_with(stores, COUNT_OF(stores), NULL);
    struct actor_counts of_store[2] = {{0}};
    t.actor.of_store = of_store;
    fill(&t, "queue:", 0, 5, 10);
    struct buf value;
    buf_init(&value, &memory_libc);
    assert_true(testing_get(&t, 0, SLICE("queue:1"), &value, NULL));
    assert_false(testing_get(&t, 0, SLICE("queue:9"), &value, NULL));
    assert_false(testing_get(&t, 0, SLICE("user:9"), &value, NULL));
    assert_int_equal(of_store[number_of(&t, "queues")].hits, 1);
    assert_int_equal(of_store[number_of(&t, "queues")].misses, 1);
    assert_int_equal(of_store[0].misses, 1);
    buf_fini(&value);
    testing_close(&t);
}

static void stores_of_different_policies_share_evenly(void **state) {
    (void)state;
    static const enum cache_policy others[] = {CACHE_ALLKEYS_LFU, CACHE_ALLKEYS_LRU, CACHE_ALLKEYS_RANDOM};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct cache_store stores[] = {
            {.name = SLICE("b"), .patterns = queue_patterns, .pattern_count = 1, .policy = others[i]}};
        struct testing_cache t = open_with(stores, 1, NULL);
        for (uint32_t at = 0; at < 60000; at += 100) {
            assert_int_equal(fill(&t, "queue:", at, 100, 500), 100);
            assert_int_equal(fill(&t, "other:", at, 100, 500), 100);
        }
        uint64_t mine = info_of(&t, "default").entries, theirs = info_of(&t, "b").entries;
        print_message("policy %d: %llu beside %llu\n", others[i], (unsigned long long)mine, (unsigned long long)theirs);
        assert_true(mine > theirs / 4 * 3 && theirs > mine / 4 * 3);
        testing_close(&t);
    }
}

static void write_session(struct testing_cache *t, uint32_t number, uint32_t reads) {
    static uint8_t value[3000];
    char name[64];
    snprintf(name, sizeof name, "session:%u", number);
    struct slice head = slice_from_string(name);
    assert_int_equal(testing_set(t, 0, head, slice_make(value, 50), 0), STATUS_OK);
    struct cache_key key = cache_key(t->cache, 0, head);
    struct buf got;
    buf_init(&got, &memory_libc);
    for (uint32_t i = 0; i < reads; i++) {
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = testing_reserve, .context = &got};
        bool found;
        assert_int_equal(cache_get(t->cache, &t->actor, &key, &read, &found), STATUS_OK);
        assert_true(found);
    }
    buf_fini(&got);
    for (uint32_t i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "cart:%u:%u", number, i);
        assert_int_equal(testing_set(t, 0, slice_from_string(name), slice_make(value, sizeof value), 0), STATUS_OK);
    }
}

/* Heads are small and stand elsewhere than their members: what was read of them keeps the members for some rounds only. */
static void used_sessions_go_in_the_end(void **state) {
    (void)state;
    const struct cache_store stores[] = {
        {.name = SLICE("sess"), .patterns = session_patterns, .pattern_count = 2, .policy = CACHE_SESSION}};
    struct testing_cache t = open_with(stores, 1, NULL);
    for (uint32_t i = 0; i < 2000; i++)
        write_session(&t, i, 4);
    assert_true(t.actor.counts.evicted > 1000);
    assert_true(t.actor.counts.copied_bytes < 400ull * MIB); /* 42 MB were written */
    testing_close(&t);
}

/* While only one store is written to, nothing that another decides by chance may stand still. */
static void a_store_gives_while_nobody_writes_to_it(void **state) {
    (void)state;
    const struct cache_store stores[] = {{.name = SLICE("q"),
                                          .patterns = queue_patterns,
                                          .pattern_count = 1,
                                          .policy = CACHE_NOEVICTION,
                                          .share_permille = 500}};
    struct testing_cache t = open_with(stores, 1, NULL);
    fill(&t, "d:", 0, 60000, 400);
    uint64_t copied = t.actor.counts.copied_bytes, evicted = t.actor.counts.evicted;
    assert_int_equal(fill(&t, "queue:", 0, 14000, 400), 14000);
    assert_true(t.actor.counts.evicted - evicted > 10000);
    assert_true(t.actor.counts.copied_bytes - copied < 100ull * MIB);
    testing_close(&t);
}

static void lent_memory_cannot_be_kept_by_a_change(void **state) {
    (void)state;
    const struct cache_store stores[] = {{.name = SLICE("b"),
                                          .patterns = queue_patterns,
                                          .pattern_count = 1,
                                          .policy = CACHE_ALLKEYS_LRU,
                                          .share_permille = 500}};
    struct testing_cache t = open_with(stores, 1, NULL);
    uint32_t b = number_of(&t, "b");
    fill(&t, "d:", 0, 60000, 400);
    assert_int_equal(cache_policy_set(t.cache, CACHE_NOEVICTION), STATUS_FULL);
    assert_int_equal(cache_policy_set(t.cache, CACHE_VOLATILE_LRU), STATUS_FULL);
    assert_int_equal(cache_policy_now(t.cache), CACHE_ALLKEYS_LFU);
    assert_int_equal(cache_policy_set(t.cache, CACHE_ALLKEYS_LRU), STATUS_OK);
    assert_int_equal(fill(&t, "queue:", 0, 14000, 400), 14000); /* takes what is its own */
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    assert_int_equal(cache_store_guarantee_set(t.cache, b, 100, 0), STATUS_OK);
    assert_int_equal(cache_policy_set(t.cache, CACHE_NOEVICTION), STATUS_OK);
    assert_int_equal(cache_store_guarantee_set(t.cache, b, 800, 0), STATUS_FULL);
    assert_int_equal(info_of(&t, "b").share_permille, 100);
    testing_close(&t);
}

UNIT_TESTS(stores, UNIT(used_sessions_go_in_the_end), UNIT(a_store_gives_while_nobody_writes_to_it),
           UNIT(lent_memory_cannot_be_kept_by_a_change), UNIT(stores_of_different_policies_share_evenly),
           UNIT(keys_go_where_their_most_exact_pattern_says), UNIT(stores_that_cannot_be_are_refused),
           UNIT(unused_memory_is_lent_and_taken_back),
           UNIT(a_store_that_cannot_give_back_never_takes_what_is_guaranteed), UNIT(guarantees_move_while_running),
           UNIT(a_default_expiry_is_the_stores), UNIT(removals_are_told_with_their_reason),
           UNIT(capacity_is_in_entries_too), UNIT(capacity_holds_among_dead_entries),
           UNIT(random_eviction_of_large_values_goes_on), UNIT(a_store_at_its_cap_leaves_the_others_alone),
           UNIT(room_is_made_for_the_store_that_is_written), UNIT(a_full_store_still_changes_what_it_has),
           UNIT(counts_are_kept_by_store));
