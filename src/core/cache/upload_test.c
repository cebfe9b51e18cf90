/* Large values on their way count in their store: none takes others' room to be refused at its end, and what is reserved is returned. */
#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "core/store/claim.h"

enum { MIB = 1 << 20, LIMIT = 16 * MIB, QUOTA = 4 * MIB, ON_THEIR_WAY = 12, STEPS = 4000 };

/* Keys that begin with q or e have stores of their own, unless they are sent to the default store as well. */
struct letters {
    uint32_t of[256];
};

static uint32_t route(const void *context, struct slice name, struct slice *ret_part) {
    const struct letters *letters = context;
    *ret_part = slice_make(NULL, 0);
    return name.size ? letters->of[name.data[0]] : 0;
}

struct uploads {
    struct testing_cache t;
    struct letters letters;
    uint32_t refuses, evicts; /* numbers of stores */
    struct cache_upload slots[ON_THEIR_WAY];
    char names[ON_THEIR_WAY][16];
};

static uint32_t add(struct uploads *uploads, const char *name, bool refuses) {
    const struct cache_store store = {.name = slice_from_string(name), .policy = CACHE_ALLKEYS_LFU};
    const struct cache_bounds bounds = {
        .quota_bytes = QUOTA, .refuses = refuses, .rank = refuses ? CACHE_RANK_LAST : CACHE_RANK_USUAL};
    uint32_t number;
    assert_int_equal(cache_store_add(uploads->t.cache, &uploads->t.actor, &store, &number), STATUS_OK);
    cache_store_bounds_set(uploads->t.cache, number, &bounds);
    return number;
}

static void send_keys(struct uploads *uploads, bool apart) {
    struct cache_rerouted counts;
    const struct cache_router router = {route, &uploads->letters};
    uploads->letters.of['q'] = apart ? uploads->refuses : 0;
    uploads->letters.of['e'] = apart ? uploads->evicts : 0;
    cache_reroute(uploads->t.cache, &uploads->t.actor, &router, &counts);
}

static void open_stores(struct uploads *uploads) {
    *uploads = (struct uploads){.t = testing_open_as((struct cache_options){
                                    .limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .spare_stores = 2})};
    uploads->refuses = add(uploads, "refuses", true);
    uploads->evicts = add(uploads, "evicts", false);
    send_keys(uploads, true);
}

static struct cache_key key_of(struct uploads *uploads, const char *name) {
    return cache_key(uploads->t.cache, 0, slice_from_string(name));
}

static enum status begin(struct uploads *uploads, uint32_t at, const char *name, uint64_t size) {
    snprintf(uploads->names[at], sizeof uploads->names[at], "%s", name);
    struct cache_key key = key_of(uploads, name);
    assert_int_equal(cache_upload_begin(uploads->t.cache, size, &uploads->slots[at]), STATUS_OK);
    enum status status = cache_upload_aim(uploads->t.cache, &uploads->t.actor, &uploads->slots[at], &key);
    if (status != STATUS_OK)
        cache_upload_drop(uploads->t.cache, &uploads->t.actor, &uploads->slots[at]);
    return status;
}

/* One piece more; what is complete is set, and what is refused dropped. */
static enum status go_on(struct uploads *uploads, uint32_t at) {
    struct cache_upload *upload = &uploads->slots[at];
    struct cache_key key = key_of(uploads, uploads->names[at]);
    struct cache *cache = uploads->t.cache;
    struct actor *actor = &uploads->t.actor;
    enum status status = STATUS_OK;
    void *bytes;
    uint64_t size;
    if (cache_upload_is_astray(cache, upload))
        status = cache_upload_aim(cache, actor, upload, &key);
    if (status == STATUS_OK)
        status = cache_upload_room(cache, actor, upload, &bytes, &size);
    if (status == STATUS_OK) {
        memset(bytes, (int)at, size);
        cache_upload_filled(upload, size);
    }
    if (status == STATUS_OK && upload->filled == upload->size) {
        struct cache_edit edit;
        cache_edit_begin(cache, actor, &key, &edit);
        status = cache_edit_set_upload(&edit, upload, 0);
        cache_edit_end(&edit);
    }
    if (status != STATUS_OK)
        cache_upload_drop(cache, actor, upload);
    return status;
}

static enum status finish(struct uploads *uploads, uint32_t at) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK && uploads->slots[at].size)
        status = go_on(uploads, at);
    return status;
}

static uint64_t reserved_in(const struct uploads *uploads, uint32_t store) {
    return atomic_load(&uploads->t.cache->engine->stores[store].reserved_bytes);
}

static uint32_t set(struct uploads *uploads, const char *letter, uint32_t count, size_t size) {
    static uint8_t value[4096];
    uint32_t done = 0;
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s:%u", letter, i);
        done += testing_set(&uploads->t, 0, slice_from_string(name), slice_make(value, size), 0) == STATUS_OK;
    }
    return done;
}

static void several_at_once_stay_within_the_quota(void **state) {
    (void)state;
    static struct uploads uploads;
    open_stores(&uploads);
    set(&uploads, "d", 20000, 1000); /* others have all the memory there is */
    uint64_t evicted = uploads.t.actor.counts.evicted;
    assert_int_equal(begin(&uploads, 0, "q0", QUOTA + 1), STATUS_FULL); /* never */
    assert_int_equal(begin(&uploads, 0, "q0", QUOTA / 5 * 2), STATUS_OK);
    assert_int_equal(begin(&uploads, 1, "q1", QUOTA / 5 * 2), STATUS_OK);
    assert_int_equal(begin(&uploads, 2, "q2", QUOTA / 5 * 2), STATUS_FULL);
    assert_int_equal(uploads.t.actor.counts.evicted, evicted); /* nobody had to go for it */
    assert_int_equal(begin(&uploads, 2, "d0", QUOTA / 5 * 2), STATUS_OK);
    /* What is small finds what they leave, and they find what was theirs. */
    uint32_t small = set(&uploads, "q", 2000, 1000);
    assert_in_range(small, 100, QUOTA / 5 / 1000);
    assert_int_equal(finish(&uploads, 0), STATUS_OK);
    assert_int_equal(finish(&uploads, 1), STATUS_OK);
    assert_int_equal(finish(&uploads, 2), STATUS_OK);
    assert_int_equal(reserved_in(&uploads, uploads.refuses), 0);
    assert_int_equal(reserved_in(&uploads, 0), 0);
    assert_true(store_bytes(uploads.t.cache->engine, uploads.refuses) <= QUOTA);
    /* What becomes no larger is taken all the same, and nothing is reserved for it. */
    assert_int_equal(begin(&uploads, 0, "q0", QUOTA / 5 * 2), STATUS_OK);
    assert_int_equal(reserved_in(&uploads, uploads.refuses), 0);
    assert_int_equal(finish(&uploads, 0), STATUS_OK);
    assert_int_equal(begin(&uploads, 0, "q0", QUOTA / 5 * 3), STATUS_FULL);
    testing_close(&uploads.t);
}

static void what_can_never_fit_is_refused_by_all_ways(void **state) {
    (void)state;
    static struct uploads uploads;
    static uint8_t value[QUOTA + 1];
    open_stores(&uploads);
    set(&uploads, "d", 20000, 1000);
    set(&uploads, "e", 1000, 1000);
    uint64_t evicted = uploads.t.actor.counts.evicted;
    assert_int_equal(begin(&uploads, 0, "e0", sizeof value), STATUS_FULL);
    assert_int_equal(begin(&uploads, 0, "q0", sizeof value), STATUS_FULL);
    for (int i = 0; i < 2; i++) {
        struct slice name = i ? SLICE("e") : SLICE("q");
        assert_int_equal(testing_set(&uploads.t, 0, name, slice_make(value, sizeof value), 0), STATUS_FULL);
    }
    assert_int_equal(uploads.t.actor.counts.evicted, evicted);
    /* Where its own entries go for what is beyond the quota, they go for what is on its way, too. */
    assert_int_equal(begin(&uploads, 0, "e0", QUOTA / 10 * 9), STATUS_OK);
    assert_true(uploads.t.actor.counts.evicted > evicted);
    assert_int_equal(finish(&uploads, 0), STATUS_OK);
    assert_true(store_bytes(uploads.t.cache->engine, uploads.evicts) <= QUOTA);
    testing_close(&uploads.t);
}

static void stores_that_change_leave_the_books_right(void **state) {
    (void)state;
    static struct uploads uploads;
    open_stores(&uploads);
    assert_int_equal(begin(&uploads, 0, "q0", QUOTA / 5 * 4), STATUS_OK);
    assert_int_equal(begin(&uploads, 1, "q1", QUOTA / 10), STATUS_OK);
    assert_int_equal(go_on(&uploads, 0), STATUS_OK);
    send_keys(&uploads, false);
    cache_store_give_up(uploads.t.cache, &uploads.t.actor, uploads.refuses);
    assert_int_equal(reserved_in(&uploads, uploads.refuses), 0);
    uploads.refuses = add(&uploads, "again", true); /* with the number of the other */
    send_keys(&uploads, true);
    cache_upload_drop(uploads.t.cache, &uploads.t.actor,
                      &uploads.slots[1]); /* which takes nothing from the new one's */
    assert_int_equal(begin(&uploads, 1, "q1", QUOTA / 5 * 2), STATUS_OK);
    assert_int_equal(finish(&uploads, 0), STATUS_FULL); /* it has to find room anew */
    assert_int_equal(finish(&uploads, 1), STATUS_OK);
    assert_int_equal(reserved_in(&uploads, uploads.refuses), 0);
    testing_close(&uploads.t);
}

/* ------------------------------------------------------------------------------------------ by chance */

static void check_books(struct uploads *uploads) {
    const struct cache *cache = uploads->t.cache;
    uint64_t sums[3] = {0};
    for (uint32_t i = 0; i < ON_THEIR_WAY; i++)
        if (uploads->slots[i].size && !cache_upload_is_astray(cache, &uploads->slots[i]))
            sums[uploads->slots[i].store] += uploads->slots[i].reserved;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(reserved_in(uploads, i), sums[i]);
    uint64_t of_both = claim_bytes(cache->engine, uploads->refuses),
             segment = range_segment_size(&cache->engine->range);
    if (of_both > QUOTA + 2 * segment)
        fail_msg("%llu bytes", (unsigned long long)of_both);
}

static void random_step(struct uploads *uploads, struct rng *rng, uint64_t *counts) {
    uint32_t at = (uint32_t)rng_below(rng, ON_THEIR_WAY), kind = (uint32_t)rng_below(rng, 100);
    char name[16];
    snprintf(name, sizeof name, "%c%u", "qed"[rng_below(rng, 3)], (unsigned)rng_below(rng, 20));
    if (uploads->slots[at].size && kind < 70) {
        counts[go_on(uploads, at) == STATUS_OK ? 0 : 1]++;
    } else if (uploads->slots[at].size && kind < 75) {
        cache_upload_drop(uploads->t.cache, &uploads->t.actor, &uploads->slots[at]);
    } else if (!uploads->slots[at].size && kind < 40) {
        counts[begin(uploads, at, name, 50000 + rng_below(rng, 1500000)) == STATUS_OK ? 2 : 3]++;
    } else if (kind < 90) {
        static uint8_t value[60000];
        size_t size = rng_below(rng, 2) ? rng_below(rng, 2000) : rng_below(rng, sizeof value);
        MAYBE(testing_set(&uploads->t, 0, slice_from_string(name), slice_make(value, size), 0) != STATUS_OK);
    } else if (kind < 99) {
        struct cache_key key = key_of(uploads, name);
        MAYBE(cache_delete(uploads->t.cache, &uploads->t.actor, &key));
    } else if (rng_below(rng, 4) == 0) {
        send_keys(uploads, rng_below(rng, 3) != 0);
    }
}

static void books_agree_with_what_is_on_its_way(void **state) {
    (void)state;
    static struct uploads uploads;
    struct rng rng = rng_seeded(unit_seed());
    uint64_t counts[4] = {0};
    open_stores(&uploads);
    for (int i = 0; i < STEPS; i++) {
        random_step(&uploads, &rng, counts);
        check_books(&uploads);
    }
    if (!counts[0] || !counts[2] || !counts[3])
        fail_msg("pieces %llu, refused %llu; begun %llu, refused %llu", (unsigned long long)counts[0],
                 (unsigned long long)counts[1], (unsigned long long)counts[2], (unsigned long long)counts[3]);
    for (uint32_t i = 0; i < ON_THEIR_WAY; i++)
        cache_upload_drop(uploads.t.cache, &uploads.t.actor, &uploads.slots[i]);
    check_books(&uploads);
    testing_close(&uploads.t);
}

UNIT_TESTS(upload, UNIT(several_at_once_stay_within_the_quota), UNIT(what_can_never_fit_is_refused_by_all_ways),
           UNIT(stores_that_change_leave_the_books_right), UNIT(books_agree_with_what_is_on_its_way));
