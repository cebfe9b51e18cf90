/* What is full goes on changing what it has: random changes of a store that takes nothing more, beside a naive twin. */
#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "core/store/claim.h"

enum { MIB = 1 << 20, LIMIT = 16 * MIB, NAMES_MAX = 200000, VALUE_MAX = 60000, SAMPLES = 400, CHANGES = 6000 };

static const struct slice patterns[] = {{(const uint8_t *)"job:{id}", 8}};

/* What each of the names has: `size` bytes that begin with `mark`, the rest of them being zeros; nothing, or something stale. */
struct twin {
    uint32_t size, mark;
    bool there, stale;
};

struct full {
    struct testing_cache t;
    struct rng rng;
    struct twin *twins;
    uint32_t count, store, largest;
    uint8_t value[VALUE_MAX];
};

static struct cache_key key_of(struct full *full, uint32_t number, char name[32]) {
    snprintf(name, 32, "job:%u", number);
    return cache_key(full->t.cache, 0, slice_from_string(name));
}

static enum status set(struct full *full, uint32_t number, uint32_t size, uint32_t mark) {
    char name[32];
    struct cache_key key = key_of(full, number, name);
    memset(full->value, 0, sizeof mark);
    memcpy(full->value, &mark, sizeof mark < size ? sizeof mark : size);
    return cache_set(full->t.cache, &full->t.actor, &key, slice_make(full->value, size), 0);
}

static uint32_t size_by_chance(struct full *full, uint32_t size) {
    return size / 4 * 3 + (uint32_t)rng_below(&full->rng, size / 4 + 1);
}

/* Until nothing new goes in, of any size. */
static void fill(struct full *full, uint32_t size) {
    for (uint32_t refused = 0; refused < 8;) {
        struct twin *twin = &full->twins[full->count];
        assert_true(full->count < NAMES_MAX);
        *twin = (struct twin){.size = size_by_chance(full, size), .mark = full->count, .there = true};
        if (set(full, full->count, twin->size, twin->mark) == STATUS_OK)
            full->count++;
        else
            refused++;
    }
}

static void check(struct full *full, uint32_t number) {
    const struct twin *twin = &full->twins[number];
    char name[32];
    struct cache_key key = key_of(full, number, name);
    struct cache_edit edit;
    uint32_t mark = 0;
    cache_edit_begin(full->t.cache, &full->t.actor, &key, &edit);
    if (edit.found != twin->there || edit.stale != twin->stale)
        fail_msg("%u: found %d, stale %d", number, edit.found, edit.stale);
    if (edit.found || edit.stale) {
        assert_int_equal(edit.size, twin->size);
        cache_edit_copy_out(&edit, 0, &mark, sizeof mark < twin->size ? sizeof mark : twin->size);
        assert_int_equal(mark, twin->mark);
    }
    cache_edit_end(&edit);
}

static enum status patch(struct full *full, uint32_t number, uint32_t mark) {
    char name[32];
    struct cache_key key = key_of(full, number, name);
    struct cache_edit edit;
    cache_edit_begin(full->t.cache, &full->t.actor, &key, &edit);
    enum status status = cache_edit_patch(&edit, 0, slice_make((const uint8_t *)&mark, sizeof mark));
    cache_edit_end(&edit);
    return status;
}

static enum status soften(struct full *full, uint32_t number) {
    char name[32];
    struct cache_key key = key_of(full, number, name);
    struct cache_edit edit;
    cache_edit_begin(full->t.cache, &full->t.actor, &key, &edit);
    enum status status = cache_edit_soften(&edit);
    cache_edit_end(&edit);
    return status;
}

enum { EQUAL, SMALLER, PATCHED, SOFTENED, DELETED, ANEW, CHANGE_COUNT };

/* All but what is written anew must go. */
static void change(struct full *full, uint32_t number) {
    static const char *const names[] = {"equal", "smaller", "patched", "softened", "deleted", "anew"};
    struct twin *twin = &full->twins[number], after = *twin;
    uint32_t kind = (uint32_t)rng_below(&full->rng, CHANGE_COUNT);
    bool has = twin->there && twin->size >= sizeof twin->mark;
    if (kind <= PATCHED && !has)
        kind = twin->there ? DELETED : ANEW;
    after.mark = (uint32_t)rng_next(&full->rng) | 1;
    enum status status = STATUS_OK;
    switch (kind) {
        case EQUAL:
            status = set(full, number, twin->size, after.mark);
            break;
        case SMALLER:
            after.size = (uint32_t)(sizeof after.mark + rng_below(&full->rng, twin->size - sizeof after.mark + 1));
            status = set(full, number, after.size, after.mark);
            break;
        case PATCHED:
            status = patch(full, number, after.mark);
            break;
        case SOFTENED:
            status = soften(full, number);
            after.mark = twin->mark;
            after.stale = twin->there || twin->stale;
            after.there = false;
            break;
        case DELETED: {
            char name[32];
            struct cache_key key = key_of(full, number, name);
            assert_int_equal(cache_delete(full->t.cache, &full->t.actor, &key), twin->there);
            after.there = after.stale = false;
            break;
        }
        default:
            after = (struct twin){.size = size_by_chance(full, full->largest), .mark = after.mark, .there = true};
            if (set(full, number, after.size, after.mark) != STATUS_OK)
                after = *twin;
    }
    if (status != STATUS_OK)
        fail_msg("change %s of %u (%u bytes of %u): %d", names[kind], number, twin->size, full->count, status);
    if (kind <= PATCHED)
        after.there = true;
    *twin = after;
}

static void play(struct testing_cache t, const char *store, uint32_t size, const struct cache_bounds *bounds) {
    static struct full full;
    full = (struct full){.t = t, .rng = rng_seeded(unit_seed() + size), .largest = size};
    full.twins = calloc(NAMES_MAX + 1, sizeof *full.twins);
    assert_non_null(full.twins);
    assert_true(cache_store_find(t.cache, slice_from_string(store), &full.store));
    if (bounds)
        cache_store_bounds_set(t.cache, full.store, bounds);
    fill(&full, size);
    struct cache_store_info info;
    uint32_t entries = full.count, new = 0;
    uint64_t cap = bounds ? claim_cap_bytes(t.cache->engine, full.store) : LIMIT;
    for (uint32_t i = 0; i < CHANGES; i++) {
        change(&full, (uint32_t)rng_below(&full.rng, entries < SAMPLES ? entries : SAMPLES));
        check(&full, (uint32_t)rng_below(&full.rng, entries));
        cache_store_info(t.cache, full.store, &info);
        if (info.bytes > cap + 8 * range_segment_size(&t.cache->engine->range))
            fail_msg("%u bytes a value: %llu of %llu", size, (unsigned long long)info.bytes, (unsigned long long)cap);
    }
    for (uint32_t i = 0; i < full.count; i++)
        check(&full, i);
    /* What has been given up is there for others. */
    for (uint32_t i = 0; i < entries; i += 2) {
        char name[32];
        struct cache_key key = key_of(&full, i, name);
        (void)cache_delete(t.cache, &full.t.actor, &key);
    }
    for (uint32_t i = 0; i < entries / 4; i++)
        new += set(&full, NAMES_MAX + 1 + i, size / 4 * 3, 1) == STATUS_OK;
    if (new < entries / 4)
        fail_msg("%u bytes a value: only %u of %u new ones where %u were before", size, new, entries / 4, entries);
    free(full.twins);
    testing_close(&full.t);
}

static const uint32_t sizes[] = {8, 100, 1000, 60000};

static void a_full_cache_that_evicts_nothing(void **state) {
    (void)state;
    for (size_t i = 1; i < COUNT_OF(sizes); i++) /* of the smallest there would be too many */
        play(testing_open(LIMIT, 2, CACHE_NOEVICTION), "default", sizes[i], NULL);
}

static void play_quota(enum cache_policy policy) {
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_ALLKEYS_LRU},
        {.name = SLICE("jobs"), .patterns = patterns, .pattern_count = 1, .policy = policy}};
    const struct cache_bounds bounds = {.quota_bytes = 2 * MIB, .refuses = true, .rank = CACHE_RANK_USUAL};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        play(testing_open_as((struct cache_options){.limit_bytes = LIMIT, .stores = stores, .store_count = 2}), "jobs",
             sizes[i], &bounds);
}

static void a_quota_that_refuses(void **state) {
    (void)state;
    play_quota(CACHE_ALLKEYS_LRU);
}

static void a_quota_that_refuses_where_nothing_goes(void **state) {
    (void)state;
    play_quota(CACHE_NOEVICTION);
}

/* ------------------------------------------------------------------------------------------ rules */

/* Rules that give each key a tag of its own, or all of them the same. */
struct naming {
    bool alike;
    uint32_t asked;
};

static enum status terms_of(void *context, struct actor *actor, struct slice name, struct cache_terms *terms) {
    struct naming *naming = context;
    (void)actor;
    naming->asked++;
    int size = snprintf((char *)terms->names, sizeof terms->names, "~%.*s", naming->alike ? 1 : (int)name.size,
                        (const char *)name.data);
    terms->tags[terms->tag_count++] = slice_make(terms->names, (size_t)size);
    return STATUS_OK;
}

struct walk {
    struct testing_cache *t;
    struct cache_forecast *forecast;
    uint32_t full;
};

static void forecast_one(void *context, struct slice name, const struct cache_info *info) {
    struct walk *walk = context;
    (void)info;
    cache_forecast_add(walk->forecast, &walk->t->actor, 0, name);
}

static void reclass_one(void *context, struct slice name, const struct cache_info *info) {
    struct walk *walk = context;
    struct cache_key key = cache_key(walk->t->cache, 0, name);
    struct cache_edit edit;
    (void)info;
    cache_prepare(walk->t->cache, &walk->t->actor, &key, name.size);
    cache_edit_begin(walk->t->cache, &walk->t->actor, &key, &edit);
    if (edit.found) {
        walk->full += cache_edit_reclass(&edit) != STATUS_OK;
        assert_true(walk->full || cache_edit_is_classed(&edit));
    }
    cache_edit_end(&edit);
}

static void scan(struct walk *walk, cache_visit visit) {
    uint64_t cursor = 0;
    do
        cursor = cache_scan(walk->t->cache, &walk->t->actor, 0, cursor, 100, visit, walk);
    while (cursor);
}

static uint64_t forecast_of(struct testing_cache *t, const struct cache_rules *rules) {
    struct walk walk = {.t = t, .forecast = cache_forecast_new(t->cache, rules)};
    assert_non_null(walk.forecast);
    scan(&walk, forecast_one);
    uint64_t bytes = cache_forecast_bytes(walk.forecast);
    cache_forecast_free(walk.forecast);
    return bytes;
}

/* What is foreseen is what it takes, to a few percent; and when there is room for that, nothing fails. */
static void what_rules_take_is_known_before(void **state) {
    (void)state;
    for (int alike = 0; alike < 2; alike++) {
        struct naming naming = {.alike = alike};
        struct testing_cache t = testing_open_as((struct cache_options){
            .limit_bytes = LIMIT, .policy = CACHE_NOEVICTION, .rules = {terms_of, &naming, "~", 0}});
        const struct cache_rules rules = {terms_of, &naming, "~", 0};
        struct walk walk = {.t = &t};
        uint32_t count = 0, deleted = 0;
        char name[32];
        uint8_t value[200] = {0};
        assert_true(cache_room_for_tags(t.cache) == UINT64_MAX);
        for (bool full = false; !full; count += !full) {
            snprintf(name, sizeof name, "key:%u", count);
            full = testing_set(&t, 0, slice_from_string(name), slice_make(value, 100 + count % 100), 0) != STATUS_OK;
        }
        assert_int_equal(naming.asked, 0); /* not yet in force */
        assert_true(forecast_of(&t, &rules) > cache_room_for_tags(t.cache));
        while (forecast_of(&t, &rules) > cache_room_for_tags(t.cache))
            for (uint32_t end = deleted + count / 50; deleted < end; deleted++) {
                snprintf(name, sizeof name, "key:%u", deleted);
                struct cache_key key = cache_key(t.cache, 0, slice_from_string(name));
                assert_true(cache_delete(t.cache, &t.actor, &key));
            }
        uint64_t wanted = forecast_of(&t, &rules), before = engine_live(t.cache->engine),
                 tags = atomic_load(&t.cache->engine->tags->bytes);
        cache_rules_ask(t.cache, true);
        scan(&walk, reclass_one);
        assert_int_equal(walk.full, 0);
        assert_int_equal(cache_count(t.cache, 0), count - deleted);
        uint64_t records = atomic_load(&t.cache->engine->tags->count),
                 taken = engine_live(t.cache->engine) - before + atomic_load(&t.cache->engine->tags->bytes) - tags +
                         15 * records;
        assert_int_equal(records, alike ? 1 : count - deleted);
        if (taken > wanted + wanted / 25 || taken < wanted - wanted / 25)
            fail_msg("%llu bytes and not %llu", (unsigned long long)taken, (unsigned long long)wanted);
        assert_int_equal(forecast_of(&t, &rules), 0);
        testing_close(&t);
    }
}

UNIT_TESTS(full, UNIT(what_rules_take_is_known_before), UNIT(a_full_cache_that_evicts_nothing),
           UNIT(a_quota_that_refuses), UNIT(a_quota_that_refuses_where_nothing_goes));
