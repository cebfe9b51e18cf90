/* Stores come and go while the cache is open, and entries move with all they have. */
#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "scarce.h"

enum { MIB = 1 << 20, LIMIT = 16 * MIB };

/* Which store takes a key: by its first byte. */
struct by_letter {
    uint32_t of[256];
};

static uint32_t route(const void *context, struct slice name, struct slice *ret_part) {
    const struct by_letter *letters = context;
    *ret_part = slice_make(NULL, 0);
    return name.size ? letters->of[name.data[0]] : 0;
}

static struct testing_cache open_spare(uint32_t spare) {
    return testing_open_as(
        (struct cache_options){.limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .spare_stores = spare});
}

static uint32_t add(struct testing_cache *t, const char *name, enum cache_policy policy) {
    uint32_t number;
    const struct cache_store store = {.name = slice_from_string(name), .policy = policy};
    assert_int_equal(cache_store_add(t->cache, &t->actor, &store, &number), STATUS_OK);
    return number;
}

static struct cache_rerouted reroute(struct testing_cache *t, const struct by_letter *letters) {
    struct cache_rerouted counts;
    const struct cache_router router = {letters ? route : NULL, letters};
    cache_reroute(t->cache, &t->actor, &router, &counts);
    cache_verify(t->cache, &t->actor);
    return counts;
}

static void set(struct testing_cache *t, uint32_t db, const char *name, struct slice value, uint64_t expires_at_ms) {
    assert_int_equal(testing_set(t, db, slice_from_string(name), value, expires_at_ms), STATUS_OK);
}

static void entries_move_with_all_they_have(void **state) {
    (void)state;
    static uint8_t large[300000];
    struct testing_cache t = open_spare(4);
    struct by_letter letters = {.of = {0}};
    struct slice tag = SLICE("red");
    struct cache_edit edit;
    struct cache_info info;
    struct buf value;
    memset(large, 'x', sizeof large);
    set(&t, 0, "a1", SLICE("one"), t.actor.now_ms + 5000);
    set(&t, 3, "a1", slice_make(large, sizeof large), 0);
    set(&t, 0, "b1", SLICE("stays"), 0);
    struct cache_key key = cache_key(t.cache, 0, SLICE("a2"));
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    edit.tags = &tag;
    edit.tag_count = 1;
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("tagged"), 0), STATUS_OK);
    uint64_t version = edit.version;
    cache_edit_end(&edit);
    letters.of['a'] = add(&t, "others", CACHE_ALLKEYS_LFU);
    struct cache_rerouted counts = reroute(&t, &letters);
    assert_int_equal(counts.moved, 3);
    assert_int_equal(counts.lost, 0);
    buf_init(&value, &memory_libc);
    assert_true(testing_get(&t, 0, SLICE("a1"), &value, &info));
    assert_int_equal(info.expires_at_ms, t.actor.now_ms + 5000);
    assert_true(slice_equal(buf_slice(&value), SLICE("one")));
    assert_true(testing_get(&t, 3, SLICE("a1"), &value, NULL));
    assert_true(slice_equal(buf_slice(&value), slice_make(large, sizeof large)));
    assert_true(testing_get(&t, 0, SLICE("a2"), &value, &info));
    assert_int_equal(info.version, version);
    assert_true(testing_get(&t, 0, SLICE("b1"), &value, NULL));
    struct cache_store_info store;
    cache_store_info(t.cache, letters.of['a'], &store);
    assert_int_equal(store.entries, 3);
    /* A tag takes it where it is now. */
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, tag), 1);
    assert_false(testing_get(&t, 0, SLICE("a2"), &value, NULL));
    assert_int_equal(reroute(&t, NULL).moved, 2);
    cache_store_give_up(t.cache, &t.actor, letters.of['a']);
    assert_true(testing_get(&t, 0, SLICE("a1"), &value, NULL));
    buf_fini(&value);
    testing_close(&t);
}

/* By name of the change, of what a move comes across. */
static void note_ends(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    uint32_t *told = context;
    (void)actor, (void)db, (void)name;
    told[change]++;
}

/* What has expired, or was invalidated, and was not noticed until then. */
static void what_ended_before_is_told(void **state) {
    (void)state;
    uint32_t told[32] = {0};
    struct testing_cache t = testing_open_as((struct cache_options){.limit_bytes = LIMIT,
                                                                    .policy = CACHE_ALLKEYS_LFU,
                                                                    .spare_stores = 2,
                                                                    .changes = {note_ends, told, UINT32_MAX}});
    struct by_letter letters = {.of = {0}};
    struct slice tag = SLICE("red");
    static const char *const names[] = {"a:dead", "a:stale", "b:stale"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct cache_edit edit;
        struct cache_key key = cache_key(t.cache, 0, slice_from_string(names[i]));
        cache_edit_begin(t.cache, &t.actor, &key, &edit);
        edit.tags = &tag;
        edit.tag_count = i == 0;
        edit.set_stale_ms = 60000;
        assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("v"), t.actor.now_ms + (i ? 100 : 10000)),
                         STATUS_OK);
        cache_edit_end(&edit);
    }
    set(&t, 0, "a:over", SLICE("v"), t.actor.now_ms + 100);
    set(&t, 0, "a:there", SLICE("v"), 0);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, tag), 1);
    letters.of['a'] = add(&t, "others", CACHE_ALLKEYS_LFU);
    t.actor.now_ms += 101;
    memset(told, 0, sizeof told);
    assert_int_equal(reroute(&t, &letters).moved, 1);
    assert_int_equal(told[CACHE_EXPIRED], 2);     /* that one stays where it is */
    assert_int_equal(told[CACHE_INVALIDATED], 0); /* nobody has come across it: a scan does not show it */
    for (uint32_t change = 0; change < COUNT_OF(told); change++)
        assert_true(told[change] == 0 || change == CACHE_EXPIRED || change == CACHE_STALE_GONE);
    assert_int_equal(told[CACHE_STALE_GONE], 1); /* what could be shown as stale does not come along */
    testing_close(&t);
}

static void note(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    (void)actor, (void)change, (void)db, (void)name;
    ++*(uint32_t *)context;
}

static void nobody_is_told_and_watches_break(void **state) {
    (void)state;
    uint32_t told = 0;
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .spare_stores = 2, .changes = {note, &told, UINT32_MAX}});
    struct by_letter letters = {.of = {0}};
    set(&t, 0, "a1", SLICE("one"), 0);
    struct cache_key key = cache_key(t.cache, 0, SLICE("a1"));
    struct cache_watch watch = cache_watch_begin(t.cache, &t.actor, &key);
    letters.of['a'] = add(&t, "others", CACHE_ALLKEYS_LFU);
    told = 0;
    assert_int_equal(reroute(&t, &letters).moved, 1);
    assert_int_equal(told, 0);
    key = cache_key(t.cache, 0, SLICE("a1"));
    set(&t, 0, "a1", SLICE("two"), 0); /* its mark is another than the watch looks at */
    assert_true(told > 0);
    MAYBE(cache_watch_holds(t.cache, &t.actor, &key, watch));
    cache_watch_end(t.cache);
    testing_close(&t);
}

static void numbers_of_given_up_stores_come_back(void **state) {
    (void)state;
    struct testing_cache t = open_spare(2);
    uint32_t number;
    const struct cache_store third = {.name = SLICE("third"), .policy = CACHE_ALLKEYS_LFU},
                             twice = {.name = SLICE("first"), .policy = CACHE_ALLKEYS_LFU},
                             greedy = {.name = SLICE("g"), .policy = CACHE_ALLKEYS_LFU, .guaranteed_bytes = LIMIT + 1};
    uint32_t first = add(&t, "first", CACHE_NOEVICTION), second = add(&t, "second", CACHE_ALLKEYS_LFU);
    assert_int_equal(first, 1);
    assert_int_equal(second, 2);
    assert_int_equal(cache_store_add(t.cache, &t.actor, &third, &number), STATUS_FULL);
    assert_int_equal(cache_store_add(t.cache, &t.actor, &twice, &number), STATUS_INVALID);
    assert_int_equal(cache_store_add(t.cache, &t.actor, &greedy, &number), STATUS_INVALID);
    cache_store_give_up(t.cache, &t.actor, first);
    assert_false(cache_store_is_there(t.cache, first));
    assert_false(cache_store_find(t.cache, SLICE("first"), &number));
    assert_false(cache_store_find(t.cache, SLICE(""), &number));
    assert_int_equal(add(&t, "third", CACHE_ALLKEYS_LFU), first);
    assert_true(cache_store_find(t.cache, SLICE("third"), &number));
    testing_close(&t);
}

/* Against a table of what should be there. */
static void keys_are_found_wherever_they_are_sent(void **state) {
    (void)state;
    enum { KEYS = 4000, ROUNDS = 40, STORES = 5 };
    static uint32_t values[KEYS];
    struct rng rng = rng_seeded(unit_seed());
    struct testing_cache t = open_spare(STORES);
    struct by_letter letters[2] = {{{0}}, {{0}}};
    uint32_t stores[STORES];
    char name[32], text[64];
    memset(values, 0, sizeof values);
    for (int i = 0; i < STORES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        stores[i] = add(&t, name, i % 2 ? CACHE_ALLKEYS_LRU : CACHE_ALLKEYS_LFU);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < 500; i++) {
            uint32_t key = (uint32_t)rng_below(&rng, KEYS);
            snprintf(name, sizeof name, "%c:%u", 'a' + (int)(key % 7), key);
            values[key] = (uint32_t)rng_below(&rng, 1000) + 1;
            int size = snprintf(text, sizeof text, "%u %*s", values[key], (int)rng_below(&rng, 40), "");
            set(&t, key % 3, name, slice_make((const uint8_t *)text, (size_t)size), 0);
        }
        struct by_letter *next = &letters[round % 2];
        for (int letter = 'a'; letter < 'a' + 7; letter++)
            next->of[letter] = rng_below(&rng, 3) ? stores[rng_below(&rng, STORES)] : 0;
        assert_int_equal(reroute(&t, next).lost, 0);
        for (uint32_t key = 0; key < KEYS; key++) {
            struct buf value;
            buf_init(&value, &memory_libc);
            snprintf(name, sizeof name, "%c:%u", 'a' + (int)(key % 7), key);
            bool found = testing_get(&t, key % 3, slice_from_string(name), &value, NULL);
            assert_int_equal(found, values[key] != 0);
            if (found)
                assert_int_equal(strtoul((const char *)value.data, NULL, 10), values[key]);
            buf_fini(&value);
        }
    }
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ bounds */

static uint64_t bytes_of(const struct testing_cache *t, uint32_t store) {
    struct cache_store_info info;
    cache_store_info(t->cache, store, &info);
    return info.bytes;
}

static uint32_t fill(struct testing_cache *t, char letter, uint32_t count, uint32_t value_size) {
    static uint8_t bytes[4096];
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%c:%u", letter, i);
        written += testing_set(t, 0, slice_from_string(name), slice_make(bytes, value_size), 0) == STATUS_OK;
        MAYBE(cache_housekeep(t->cache, &t->actor));
    }
    return written;
}

static void a_quota_holds_though_memory_is_free(void **state) {
    (void)state;
    enum { QUOTA = 2 * MIB };
    struct testing_cache t = open_spare(2);
    struct by_letter letters = {.of = {0}};
    letters.of['e'] = add(&t, "evicts", CACHE_ALLKEYS_LFU);
    letters.of['r'] = add(&t, "refuses", CACHE_ALLKEYS_LFU);
    cache_store_bounds_set(t.cache, letters.of['e'],
                           &(struct cache_bounds){.quota_bytes = QUOTA, .rank = CACHE_RANK_USUAL});
    cache_store_bounds_set(t.cache, letters.of['r'],
                           &(struct cache_bounds){.quota_bytes = QUOTA, .refuses = true, .rank = CACHE_RANK_USUAL});
    (void)reroute(&t, &letters);
    assert_int_equal(fill(&t, 'e', 10000, 400), 10000);
    assert_true(bytes_of(&t, letters.of['e']) <= QUOTA + QUOTA / 16);
    assert_true(bytes_of(&t, letters.of['e']) >= QUOTA / 2);
    uint32_t written = fill(&t, 'r', 10000, 400);
    assert_true(written > 3000 && written < 6000);
    assert_true(bytes_of(&t, letters.of['r']) <= QUOTA + QUOTA / 16);
    struct cache_key key = cache_key(t.cache, 0, SLICE("r:1"));
    assert_true(cache_delete(t.cache, &t.actor, &key));
    /* Nothing of the refusing store has gone by itself. */
    struct cache_store_info info;
    cache_store_info(t.cache, letters.of['r'], &info);
    assert_int_equal(info.entries, written - 1);
    /* A larger one holds at once. */
    cache_store_bounds_set(t.cache, letters.of['r'],
                           &(struct cache_bounds){.quota_bytes = 2 * QUOTA, .refuses = true, .rank = CACHE_RANK_USUAL});
    assert_true(fill(&t, 'r', 10000, 400) > written + 2000);
    testing_close(&t);
}

static void the_first_go_before_the_usual_and_the_last_after_them(void **state) {
    (void)state;
    struct testing_cache t = open_spare(3);
    struct by_letter letters = {.of = {0}};
    struct cache_store_info first, usual, last;
    letters.of['f'] = add(&t, "first", CACHE_ALLKEYS_LFU);
    letters.of['l'] = add(&t, "last", CACHE_ALLKEYS_LFU);
    cache_store_bounds_set(t.cache, letters.of['f'], &(struct cache_bounds){.rank = CACHE_RANK_FIRST});
    cache_store_bounds_set(t.cache, letters.of['l'], &(struct cache_bounds){.rank = CACHE_RANK_LAST});
    (void)reroute(&t, &letters);
    assert_int_equal(fill(&t, 'l', 8000, 400), 8000); /* the oldest of all */
    assert_int_equal(fill(&t, 'f', 8000, 400), 8000);
    assert_int_equal(fill(&t, 'u', 8000, 400), 8000);
    assert_int_equal(fill(&t, 'v', 24000, 400), 24000);
    cache_store_info(t.cache, letters.of['f'], &first);
    cache_store_info(t.cache, 0, &usual);
    cache_store_info(t.cache, letters.of['l'], &last);
    assert_int_equal(last.entries, 8000);
    assert_true(first.entries < 400);
    assert_true(usual.entries > 16000);
    /* When there is nothing else, they go as well. */
    assert_int_equal(fill(&t, 'l', 60000, 400), 60000);
    cache_store_info(t.cache, 0, &usual);
    assert_true(usual.entries < 4000);
    testing_close(&t);
}

/* Each allocation in turn: what could not be taken along is counted, and does not stay where nobody would find it. */
static void without_memory_nothing_stays_behind(void **state) {
    enum { KEYS = 40 };
    (void)state;
    bool done = false;
    uint64_t lost = 0;
    for (unsigned n = 0; !done; n++) {
        uint32_t told[32] = {0};
        struct testing_cache t = testing_open_as(
            (struct cache_options){.limit_bytes = LIMIT,
                                   .policy = CACHE_ALLKEYS_LFU,
                                   .spare_stores = 4,
                                   .changes = {note_ends, told, 1 << CACHE_EVICTED | 1 << CACHE_FLUSHED}});
        struct by_letter letters = {.of = {0}};
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, n);
        scarce.once = true;
        char name[16];
        uint32_t found = 0;
        for (int i = 0; i < KEYS; i++) {
            sprintf(name, "%c%d", i % 2 ? 'a' : 'b', i);
            set(&t, 0, name, slice_from_string(name), 0);
        }
        letters.of['a'] = add(&t, "others", CACHE_ALLKEYS_LFU);
        t.cache->memory = memory;
        struct cache_rerouted counts = reroute(&t, &letters);
        t.cache->memory = &memory_libc;
        assert_int_equal(scarce.held, 0);
        for (int i = 0; i < KEYS; i++) {
            struct buf value;
            buf_init(&value, &memory_libc);
            sprintf(name, "%c%d", i % 2 ? 'a' : 'b', i);
            if (testing_get(&t, 0, slice_from_string(name), &value, NULL)) {
                found++;
                assert_true(slice_equal(buf_slice(&value), slice_from_string(name)));
            }
            buf_fini(&value);
        }
        assert_int_equal(cache_count(t.cache, 0), found);
        assert_int_equal(found + counts.lost, KEYS);
        assert_true(told[CACHE_FLUSHED] || told[CACHE_EVICTED] == counts.lost);
        lost += counts.lost;
        done = !scarce.failed;
        assert_true(!done || (counts.lost == 0 && counts.moved == KEYS / 2));
        testing_close(&t);
    }
    assert_true(lost > KEYS);
}

UNIT_TESTS(reroute, UNIT(what_ended_before_is_told), UNIT(entries_move_with_all_they_have),
           UNIT(nobody_is_told_and_watches_break), UNIT(numbers_of_given_up_stores_come_back),
           UNIT(keys_are_found_wherever_they_are_sent), UNIT(a_quota_holds_though_memory_is_free),
           UNIT(the_first_go_before_the_usual_and_the_last_after_them), UNIT(without_memory_nothing_stays_behind));
