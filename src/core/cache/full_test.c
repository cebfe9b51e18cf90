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

UNIT_TESTS(full, UNIT(a_full_cache_that_evicts_nothing), UNIT(a_quota_that_refuses),
           UNIT(a_quota_that_refuses_where_nothing_goes));
