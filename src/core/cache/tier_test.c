/* core/cache/tier_test.c: what goes down, and how it comes up again. */
#include "core/cache/journal_fixture.h"
#include "core/cache/tier_fixture.h"

#include "core/store/tier.h"

enum { LIMIT = 2 << 20, DOWN_MAX = 1 << 20 };

struct scene {
    struct testing_cache t;
    struct keeper *keeper;
    struct buf got;
    uint32_t told[32];
};

static void note(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    struct scene *scene = context;
    (void)actor, (void)db, (void)name;
    scene->told[change]++;
}

/* Two keys may have the same fingerprint, so that one takes the other's cell: with this seed none do that are named here. */
enum { SEED = 1 };

static void open_with(struct scene *scene, uint64_t limit_bytes, uint32_t shards, enum cache_policy policy) {
    memset(scene, 0, sizeof *scene);
    scene->t = testing_open_as((struct cache_options){.limit_bytes = limit_bytes,
                                                      .shards = shards,
                                                      .policy = policy,
                                                      .tiered = true,
                                                      .seed = SEED,
                                                      .changes = {.call = note, .context = scene}});
    scene->keeper = keeper_new(unit_seed(), KEEPER_SLOTS);
    buf_init(&scene->got, &memory_libc);
    keeper_attach(scene->keeper, &scene->t, DOWN_MAX);
}

static void open_scene(struct scene *scene) { open_with(scene, LIMIT, 1, CACHE_ALLKEYS_LFU); }

static void close_scene(struct scene *scene) {
    testing_close(&scene->t);
    keeper_free(scene->keeper);
    buf_fini(&scene->got);
}

static struct cache_tier_stats stats_of(const struct scene *scene) {
    struct cache_tier_stats stats;
    cache_tier_stats(scene->t.cache, &stats);
    return stats;
}

static void set(struct scene *scene, struct slice name, struct slice value) {
    assert_int_equal(testing_set(&scene->t, 0, name, value, 0), STATUS_OK);
}

static void set_tagged(struct scene *scene, struct slice name, struct slice value, struct slice tag) {
    struct cache_key key = cache_key(scene->t.cache, 0, name);
    struct cache_edit edit;
    cache_edit_begin(scene->t.cache, &scene->t.actor, &key, &edit);
    edit.tags = &tag;
    edit.tag_count = 1;
    edit.set_row = 77;
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, value, 0), STATUS_OK);
    cache_edit_end(&edit);
}

static bool down(struct scene *scene, struct slice name) {
    struct cache_key key = cache_key(scene->t.cache, 0, name);
    bool done;
    assert_int_equal(cache_tier_demote(scene->t.cache, &scene->t.actor, &key, &done), STATUS_OK);
    return done;
}

static bool is_in_memory(struct scene *scene, struct slice name) {
    return testing_get(&scene->t, 0, name, &scene->got, NULL);
}

static enum fetched fetch(struct scene *scene, struct slice name, bool quiet) {
    struct cache_info info;
    return testing_fetch(&scene->t, scene->keeper, 0, name, quiet, &scene->got, &info);
}

static bool got(const struct scene *scene, struct slice value) { return slice_equal(buf_slice(&scene->got), value); }

/* ------------------------------------------------------------------------------------------ */

static void entry_goes_down_is_shown_and_comes_up(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    cache_changes_want(scene.t.cache, 1u << CACHE_DEMOTED | 1u << CACHE_CREATED | CACHE_REMOVALS);
    set(&scene, SLICE("k"), SLICE("value"));
    assert_int_equal(scene.told[CACHE_CREATED], 1);
    assert_true(down(&scene, SLICE("k")));
    assert_false(down(&scene, SLICE("k")));
    assert_int_equal(scene.told[CACHE_DEMOTED], 1);
    assert_int_equal(cache_count(scene.t.cache, 0), 1);
    assert_int_equal(cache_tier_count(scene.t.cache, 0), 1);
    uint64_t misses = scene.t.actor.counts.misses, hits = scene.t.actor.counts.hits;
    assert_false(is_in_memory(&scene, SLICE("k")));
    assert_int_equal(scene.t.actor.counts.misses, misses); /* not known to be one */
    assert_int_equal(fetch(&scene, SLICE("k"), false), FETCHED_SHOWN);
    assert_true(got(&scene, SLICE("value")));
    assert_int_equal(scene.t.actor.counts.hits, hits + 1);
    assert_int_equal(fetch(&scene, SLICE("k"), false), FETCHED_MEMORY); /* the second time it comes up */
    assert_true(got(&scene, SLICE("value")));
    assert_int_equal(scene.t.actor.counts.hits, hits + 2);
    assert_int_equal(scene.t.actor.counts.misses, misses);
    assert_int_equal(cache_tier_count(scene.t.cache, 0), 0);
    assert_int_equal(cache_count(scene.t.cache, 0), 1);
    /* Of which nobody is told: nothing has changed. */
    assert_int_equal(scene.told[CACHE_CREATED], 1);
    for (unsigned change = 0; change < 5; change++)
        assert_int_equal(scene.told[change], 0);
    struct cache_tier_stats stats = stats_of(&scene);
    assert_int_equal(stats.promoted, 1);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.wanted, 1);
    assert_int_equal(stats.overwritten + stats.evicted + stats.displaced, 0);
    close_scene(&scene);
}

static void quiet_looks_leave_it_where_it_is(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    set(&scene, SLICE("k"), SLICE("value"));
    assert_true(down(&scene, SLICE("k")));
    for (int i = 0; i < 10; i++)
        assert_int_equal(fetch(&scene, SLICE("k"), true), FETCHED_SHOWN);
    assert_int_equal(cache_tier_count(scene.t.cache, 0), 1);
    close_scene(&scene);
}

static void write_and_deletion_forget_what_is_down(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct cache_key key = cache_key(scene.t.cache, 0, SLICE("k"));
    set(&scene, SLICE("k"), SLICE("one"));
    assert_true(down(&scene, SLICE("k")));
    set(&scene, SLICE("k"), SLICE("two"));
    assert_int_equal(cache_count(scene.t.cache, 0), 1);
    assert_int_equal(cache_tier_count(scene.t.cache, 0), 0);
    assert_int_equal(fetch(&scene, SLICE("k"), false), FETCHED_MEMORY);
    assert_true(got(&scene, SLICE("two")));
    assert_true(down(&scene, SLICE("k")));
    struct cache_watch watch = cache_watch_begin(scene.t.cache, &scene.t.actor, &key);
    assert_false(cache_delete(scene.t.cache, &scene.t.actor, &key)); /* nobody has fetched it */
    assert_int_equal(fetch(&scene, SLICE("k"), false), FETCHED_MISS);
    assert_int_not_equal(watch.mark, cache_watch_begin(scene.t.cache, &scene.t.actor, &key).mark);
    cache_watch_end(scene.t.cache);
    cache_watch_end(scene.t.cache);
    assert_int_equal(cache_count(scene.t.cache, 0), 0);
    assert_int_equal(stats_of(&scene).overwritten, 2);
    close_scene(&scene);
}

static void failed_write_leaves_the_old_value(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    set(&scene, SLICE("k"), SLICE("one"));
    char name[40];
    assert_int_equal(cache_policy_set(scene.t.cache, CACHE_NOEVICTION), STATUS_OK);
    for (int i = 0;; i++) {
        struct slice filler = slice_make(name, (size_t)snprintf(name, sizeof name, "filler:%d", i));
        if (testing_set(&scene.t, 0, filler, slice_make(name, sizeof name), 0) == STATUS_FULL)
            break;
    }
    assert_true(down(&scene, SLICE("k"))); /* a new key takes every cell with it that may be its */
    assert_int_equal(testing_set(&scene.t, 0, SLICE("k"), slice_make(scene.keeper, 3000), 0), STATUS_FULL);
    assert_int_equal(fetch(&scene, SLICE("k"), true), FETCHED_SHOWN);
    assert_true(got(&scene, SLICE("one")));
    close_scene(&scene);
}

static void tags_hold_while_it_is_down(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    set_tagged(&scene, SLICE("a"), SLICE("1"), SLICE("t"));
    set_tagged(&scene, SLICE("b"), SLICE("2"), SLICE("t"));
    set_tagged(&scene, SLICE("c"), SLICE("3"), SLICE("u"));
    assert_true(down(&scene, SLICE("a")) && down(&scene, SLICE("c")));
    assert_int_equal(cache_tag_count(cache, &scene.t.actor, SLICE("t")), 2);
    assert_int_equal(cache_tag_count_seen(cache, &scene.t.actor, SLICE("t"), true), 2);
    assert_int_equal(stats_of(&scene).tagged, 2);
    assert_int_equal(cache_tag_invalidate(cache, &scene.t.actor, SLICE("t")), 2);
    assert_int_equal(fetch(&scene, SLICE("a"), false), FETCHED_MISS);
    assert_int_equal(fetch(&scene, SLICE("b"), false), FETCHED_MISS);
    assert_int_equal(fetch(&scene, SLICE("c"), false), FETCHED_SHOWN);
    assert_int_equal(cache_tag_count(cache, &scene.t.actor, SLICE("u")), 1);
    /* It comes up as it was: with its tag, and the version that it was given. */
    struct cache_info info;
    assert_int_equal(testing_fetch(&scene.t, scene.keeper, 0, SLICE("c"), false, &scene.got, &info), FETCHED_MEMORY);
    assert_int_equal(info.row, 77);
    assert_int_equal(cache_tag_invalidate(cache, &scene.t.actor, SLICE("u")), 1);
    assert_int_equal(fetch(&scene, SLICE("c"), false), FETCHED_MISS);
    cache_verify(cache, &scene.t.actor);
    close_scene(&scene);
}

static void record_that_goes_gives_its_tags_back(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    set_tagged(&scene, SLICE("a"), SLICE("1"), SLICE("t"));
    assert_true(down(&scene, SLICE("a")));
    keeper_turn(scene.keeper, scene.t.cache, &scene.t.actor, true);
    assert_int_equal(stats_of(&scene).moved, 1);
    assert_int_equal(fetch(&scene, SLICE("a"), true), FETCHED_SHOWN);
    keeper_turn(scene.keeper, scene.t.cache, &scene.t.actor, false);
    assert_int_equal(stats_of(&scene).evicted, 1);
    assert_int_equal(cache_tag_count(scene.t.cache, &scene.t.actor, SLICE("t")), 0);
    assert_int_equal(fetch(&scene, SLICE("a"), true), FETCHED_MISS);
    assert_int_equal(scene.t.cache->engine->tags->count, 0);
    close_scene(&scene);
}

static void softened_tag_lets_the_ordinary_ways_decide(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    set_tagged(&scene, SLICE("a"), SLICE("1"), SLICE("t"));
    assert_true(down(&scene, SLICE("a")));
    assert_int_equal(cache_tag_soften(scene.t.cache, &scene.t.actor, SLICE("t")), 1);
    assert_int_equal(fetch(&scene, SLICE("a"), false), FETCHED_MISS); /* it has come up, where it is stale */
    struct cache_key key = cache_key(scene.t.cache, 0, SLICE("a"));
    struct cache_edit edit;
    cache_edit_begin(scene.t.cache, &scene.t.actor, &key, &edit);
    assert_true(edit.stale && edit.size == 1);
    cache_edit_end(&edit);
    close_scene(&scene);
}

static void what_expires_below_is_told_of_when_it_is_come_across(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    assert_int_equal(testing_set(&scene.t, 0, SLICE("a"), SLICE("1"), scene.t.actor.now_ms + 100), STATUS_OK);
    assert_int_equal(testing_set(&scene.t, 0, SLICE("b"), SLICE("1"), scene.t.actor.now_ms + 100), STATUS_OK);
    assert_true(down(&scene, SLICE("a")) && down(&scene, SLICE("b")));
    assert_int_equal(cache_count_expiring(scene.t.cache, 0), 2);
    scene.t.actor.now_ms += 100;
    assert_int_equal(fetch(&scene, SLICE("a"), false), FETCHED_MISS);
    assert_int_equal(stats_of(&scene).dead, 1);
    assert_int_equal(scene.t.actor.counts.expired, 1);
    cache_changes_want(scene.t.cache, 1u << CACHE_EXPIRED);
    assert_int_equal(fetch(&scene, SLICE("b"), false), FETCHED_MISS);
    while (cache_housekeep(scene.t.cache, &scene.t.actor))
        ;
    scene.t.actor.now_ms += 1000;
    while (cache_housekeep(scene.t.cache, &scene.t.actor))
        ;
    assert_int_equal(scene.told[CACHE_EXPIRED], 1);
    assert_int_equal(cache_count_expiring(scene.t.cache, 0), 0);
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ bans */

static void sweep_bans(struct scene *scene) {
    struct cache_bans bans;
    do {
        (void)cache_housekeep(scene->t.cache, &scene->t.actor);
        cache_bans(scene->t.cache, &bans);
    } while (bans.live);
}

static void ban_kills_what_is_down_after_its_sweep_as_well(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    set(&scene, SLICE("a:1"), SLICE("1"));
    set(&scene, SLICE("b:1"), SLICE("1"));
    assert_true(down(&scene, SLICE("a:1")) && down(&scene, SLICE("b:1")));
    assert_true(cache_ban(cache, &scene.t.actor, cache_place_of(cache, 0), SLICE("a:*")));
    set(&scene, SLICE("a:2"), SLICE("2")); /* younger than the ban, below and above */
    assert_true(down(&scene, SLICE("a:2")));
    sweep_bans(&scene);
    assert_int_equal(fetch(&scene, SLICE("a:1"), false), FETCHED_MISS);
    assert_int_equal(stats_of(&scene).dead, 1);
    assert_int_equal(fetch(&scene, SLICE("a:2"), false), FETCHED_SHOWN);
    assert_int_equal(fetch(&scene, SLICE("b:1"), false), FETCHED_SHOWN);
    assert_int_equal(cache_tier_ban(cache, &scene.t.actor, cache_place_of(cache, 0), SLICE("b:*")), STATUS_OK);
    assert_int_equal(fetch(&scene, SLICE("b:1"), false), FETCHED_MISS);
    assert_int_equal(fetch(&scene, SLICE("a:2"), true), FETCHED_SHOWN);
    close_scene(&scene);
}

static void so_many_bans_that_the_first_is_forgotten_take_all_that_is_older(void **state) {
    struct scene scene;
    char pattern[32];
    (void)state;
    open_scene(&scene);
    uint32_t place = cache_place_of(scene.t.cache, 0);
    set(&scene, SLICE("older"), SLICE("1"));
    assert_true(down(&scene, SLICE("older")));
    for (int i = 0; i < BANS_PAST_MAX; i++) {
        struct slice text = slice_make(pattern, (size_t)snprintf(pattern, sizeof pattern, "nobody:%d:*", i));
        assert_int_equal(cache_tier_ban(scene.t.cache, &scene.t.actor, place, text), STATUS_OK);
        if (i == 0)
            set(&scene, SLICE("younger"), SLICE("1"));
        if (i == 0)
            assert_true(down(&scene, SLICE("younger")));
    }
    assert_int_equal(fetch(&scene, SLICE("older"), true), FETCHED_SHOWN);
    assert_int_equal(cache_tier_ban(scene.t.cache, &scene.t.actor, place, SLICE("one more")), STATUS_OK);
    assert_int_equal(fetch(&scene, SLICE("older"), true), FETCHED_MISS);
    assert_int_equal(fetch(&scene, SLICE("younger"), true), FETCHED_SHOWN);
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ databases */

static void flush_and_swap_know_what_is_down(void **state) {
    struct scene scene;
    struct cache_info info;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    set_tagged(&scene, SLICE("k"), SLICE("in 0"), SLICE("t"));
    assert_int_equal(testing_set(&scene.t, 1, SLICE("k"), SLICE("in 1"), 0), STATUS_OK);
    assert_true(down(&scene, SLICE("k")));
    cache_swap(cache, &scene.t.actor, 0, 1);
    assert_int_equal(cache_count(cache, 1), 1);
    assert_int_equal(testing_fetch(&scene.t, scene.keeper, 1, SLICE("k"), true, &scene.got, &info), FETCHED_SHOWN);
    assert_true(got(&scene, SLICE("in 0")));
    assert_int_equal(fetch(&scene, SLICE("k"), true), FETCHED_MEMORY);
    cache_flush(cache, &scene.t.actor, 1); /* the other one has entries: this goes by place */
    assert_int_equal(cache_count(cache, 1), 0);
    assert_int_equal(cache_count(cache, 0), 1);
    assert_int_equal(cache_tag_count(cache, &scene.t.actor, SLICE("t")), 0);
    set_tagged(&scene, SLICE("j"), SLICE("1"), SLICE("t"));
    assert_true(down(&scene, SLICE("j")) && down(&scene, SLICE("k")));
    cache_flush_all(cache, &scene.t.actor);
    assert_int_equal(cache_count(cache, 0), 0);
    assert_int_equal(stats_of(&scene).cleared, 3);
    assert_int_equal(fetch(&scene, SLICE("j"), true), FETCHED_MISS);
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ addresses */

static void record_of_an_address_that_was_given_up_is_never_shown(void **state) {
    struct scene scene;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    struct kept_record old;
    struct cache_info info;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    struct cache_key key = cache_key(cache, 0, SLICE("k"));
    set(&scene, SLICE("k"), SLICE("old"));
    assert_true(down(&scene, SLICE("k")));
    assert_int_equal(cache_tier_ask(cache, &key, places), 1);
    assert_true(keeper_read(scene.keeper, places[0].address, &old));
    /* The address becomes another record's of the same key. */
    cache_tier_gone(cache, &scene.t.actor, old.hash, places[0].address);
    keeper_empty(scene.keeper, keeper_slot(places[0].address));
    set(&scene, SLICE("k"), SLICE("new"));
    scene.keeper->used_max = KEEPER_SLOTS;
    for (uint32_t slot = 0; slot < KEEPER_SLOTS; slot++) /* all others are taken */
        if (slot != keeper_slot(places[0].address))
            keeper_fill(scene.keeper, slot, (struct kept_record){.bytes = calloc(1, 1)});
    assert_true(down(&scene, SLICE("k")));
    struct cache_tier_place now[CACHE_TIER_PLACES_MAX];
    assert_int_equal(cache_tier_ask(cache, &key, now), 1);
    assert_int_equal(now[0].address, places[0].address);
    assert_int_equal(cache_tier_look(cache, &scene.t.actor, &key, places[0], &old.found, false, &info),
                     CACHE_TIER_AGAIN);
    assert_int_equal(cache_tier_promote(cache, &scene.t.actor, &key, places[0], &old.found), STATUS_OK);
    assert_int_equal(cache_tier_count(cache, 0), 1); /* nothing has happened */
    cache_tier_forget(cache, &scene.t.actor, &key, places[0]);
    assert_int_equal(cache_tier_count(cache, 0), 1);
    assert_int_equal(fetch(&scene, SLICE("k"), true), FETCHED_SHOWN);
    assert_true(got(&scene, SLICE("new")));
    cache_tier_forget(cache, &scene.t.actor, &key, now[0]);
    assert_int_equal(stats_of(&scene).damaged, 1);
    assert_int_equal(fetch(&scene, SLICE("k"), true), FETCHED_MISS);
    kept_free(&old);
    close_scene(&scene);
}

static bool is_even(void *context, uint64_t address) {
    (void)context;
    return keeper_slot(address) % 2 == 0;
}

static void lost_index_of_the_file_takes_its_addresses(void **state) {
    enum { KEYS = 2000 };
    struct scene scene;
    char name[32];
    (void)state;
    open_with(&scene, 8 << 20, 4, CACHE_ALLKEYS_LFU);
    uint32_t even = 0, found = 0;
    for (int i = 0; i < KEYS; i++) {
        struct slice key = slice_make(name, (size_t)snprintf(name, sizeof name, "key:%d", i));
        set(&scene, key, SLICE("value"));
        assert_true(down(&scene, key));
    }
    for (uint32_t slot = 0; slot < KEEPER_SLOTS; slot++)
        even += scene.keeper->slots[slot].bytes && slot % 2 == 0;
    uint64_t before = stats_of(&scene).records;
    cache_tier_gone_all(scene.t.cache, &scene.t.actor, is_even, NULL);
    uint64_t gone = stats_of(&scene).evicted;
    assert_true(gone <= even && gone + stats_of(&scene).overwritten >= even);
    for (int i = 0; i < KEYS; i++)
        found +=
            fetch(&scene, slice_make(name, (size_t)snprintf(name, sizeof name, "key:%d", i)), true) == FETCHED_SHOWN;
    assert_int_equal(found, before - gone);
    assert_int_equal(cache_count(scene.t.cache, 0), found);
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ what goes down by itself */

/* Enough that much of it has to leave memory; some of it is read now and then. */
static void press(struct scene *scene, int keys, struct slice value) {
    char name[32];
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < keys; i++) {
            struct slice key = slice_make(name, (size_t)snprintf(name, sizeof name, "key:%d", i));
            if (fetch(scene, key, false) == FETCHED_MISS)
                set(scene, key, value);
            if (i % 3 != round % 3)
                (void)fetch(scene, key, false);
        }
}

static void what_memory_lets_go_goes_down(void **state) {
    struct scene scene;
    static uint8_t value[500];
    (void)state;
    open_scene(&scene);
    press(&scene, 8000, slice_make(value, sizeof value));
    struct cache_tier_stats stats = stats_of(&scene);
    assert_true(stats.demoted > 1000 && stats.promoted > 100);
    assert_true(stats.cell_bytes > 0 && stats.cell_bytes <= stats.cell_bytes_max + 4096);
    assert_int_equal(scene.keeper->used >= stats.records, 1);
    struct cache_stats memory;
    cache_stats(scene.t.cache, &memory);
    assert_int_equal(memory.tier_bytes, stats.cell_bytes);
    close_scene(&scene);
}

static void refused_entry_is_evicted_as_ever(void **state) {
    struct scene scene;
    static uint8_t value[500];
    (void)state;
    open_scene(&scene);
    atomic_store(&scene.keeper->refuse_permille, 1000);
    press(&scene, 8000, slice_make(value, sizeof value));
    struct cache_tier_stats stats = stats_of(&scene);
    assert_int_equal(stats.records, 0);
    assert_true(stats.refused_budget > 0 && stats.refused_busy > 0);
    assert_true(scene.t.actor.counts.evicted > 1000);
    close_scene(&scene);
}

static void nothing_unfit_goes_down(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    struct cache_key key = cache_key(cache, 0, SLICE("nothing"));
    struct cache_edit edit;
    cache_edit_begin(cache, &scene.t.actor, &key, &edit);
    assert_int_equal(cache_edit_set(&edit, CACHE_NOTHING, SLICE(""), scene.t.actor.now_ms + 1000), STATUS_OK);
    cache_edit_end(&edit);
    assert_false(down(&scene, SLICE("nothing")));
    set_tagged(&scene, SLICE("dead"), SLICE("1"), SLICE("t"));
    assert_int_equal(cache_tag_invalidate(cache, &scene.t.actor, SLICE("t")), 1);
    assert_false(down(&scene, SLICE("dead")));
    set_tagged(&scene, SLICE("stale"), SLICE("1"), SLICE("t"));
    assert_int_equal(cache_tag_soften(cache, &scene.t.actor, SLICE("t")), 1);
    assert_false(down(&scene, SLICE("stale")));
    assert_int_equal(testing_set(&scene.t, 0, SLICE("late"), SLICE("1"), scene.t.actor.now_ms + 1), STATUS_OK);
    scene.t.actor.now_ms += 1;
    assert_false(down(&scene, SLICE("late")));
    uint8_t *large = calloc(1, DOWN_MAX + 1);
    assert_int_equal(cache_limit_set(cache, 2 * LIMIT), STATUS_OK);
    set(&scene, SLICE("large"), slice_make(large, DOWN_MAX + 1));
    assert_false(down(&scene, SLICE("large")));
    assert_int_equal(stats_of(&scene).refused_large, 1);
    assert_int_equal(cache_store_entries_max_set(cache, 0, 10), STATUS_OK);
    set(&scene, SLICE("counted"), SLICE("1"));
    assert_false(down(&scene, SLICE("counted")));
    free(large);
    close_scene(&scene);
}

static void large_values_go_down_and_come_up_whole(void **state) {
    enum { SIZE = 300000 };
    struct scene scene;
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    open_with(&scene, 8 << 20, 1, CACHE_ALLKEYS_LFU);
    uint8_t *bytes = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    set(&scene, SLICE("k"), slice_make(bytes, SIZE));
    uint64_t live = scene.t.cache->engine->range.head->blocks_live;
    assert_true(down(&scene, SLICE("k")));
    assert_int_equal(scene.t.cache->engine->range.head->blocks_live, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fetch(&scene, SLICE("k"), false), i ? FETCHED_MEMORY : FETCHED_SHOWN);
        assert_true(got(&scene, slice_make(bytes, SIZE)));
    }
    assert_int_equal(scene.t.cache->engine->range.head->blocks_live, live);
    free(bytes);
    close_scene(&scene);
}

static void what_nobody_uses_goes_down_before_it_must(void **state) {
    enum { IDLE_MS = 1000 };
    struct scene scene;
    static uint8_t value[2000];
    char name[32];
    (void)state;
    open_scene(&scene);
    press(&scene, 1500, slice_make(value, sizeof value));
    uint64_t before = stats_of(&scene).demoted;
    assert_false(cache_tier_idle(scene.t.cache, &scene.t.actor, IDLE_MS));
    assert_int_equal(stats_of(&scene).demoted, before);
    scene.t.actor.now_ms += IDLE_MS;
    atomic_store(&scene.keeper->refuse_permille, 1000);
    for (int i = 0; cache_tier_idle(scene.t.cache, &scene.t.actor, IDLE_MS); i++)
        assert_true(i < 10000);
    assert_int_equal(stats_of(&scene).demoted, before);
    assert_true(stats_of(&scene).refused_busy + stats_of(&scene).refused_budget > 0);
    atomic_store(&scene.keeper->refuse_permille, 0);
    for (int i = 0; i < 10000 && cache_tier_idle(scene.t.cache, &scene.t.actor, IDLE_MS); i++)
        if (i % 3 == 0)
            set(&scene, slice_make(name, (size_t)snprintf(name, sizeof name, "other:%d", i)), SLICE("x"));
    struct cache_tier_stats stats = stats_of(&scene);
    assert_true(stats.demoted_idle > 0);
    cache_verify(scene.t.cache, &scene.t.actor);
    close_scene(&scene);
}

/* It might be evicted there, which its policy says that it never is. */
static void what_is_never_evicted_does_not_go_down_by_itself(void **state) {
    enum { IDLE_MS = 1000 };
    static const enum cache_policy kinds[] = {CACHE_NOEVICTION, CACHE_VOLATILE_LFU, CACHE_ALLKEYS_LFU};
    struct scene scene;
    static uint8_t value[2000];
    (void)state;
    open_scene(&scene);
    press(&scene, 1500, slice_make(value, sizeof value));
    scene.t.actor.now_ms += IDLE_MS;
    for (size_t at = 0; at < COUNT_OF(kinds); at++) {
        assert_int_equal(cache_policy_set(scene.t.cache, kinds[at]), STATUS_OK);
        for (int i = 0; cache_tier_idle(scene.t.cache, &scene.t.actor, IDLE_MS); i++)
            assert_true(i < 10000);
        assert_int_equal(stats_of(&scene).demoted_idle != 0, kinds[at] == CACHE_ALLKEYS_LFU);
    }
    close_scene(&scene);
}

static void cells_stay_within_their_part_of_the_limit(void **state) {
    enum { KEYS = KEEPER_SLOTS / 4 };
    struct scene scene;
    char name[32];
    (void)state;
    open_with(&scene, 256 << 10, 1, CACHE_ALLKEYS_LFU); /* 64 KiB of cells: some 5,000 */
    for (int i = 0; i < KEYS; i++) {
        struct slice key = slice_make(name, (size_t)snprintf(name, sizeof name, "key:%d", i));
        set(&scene, key, SLICE("value"));
        MAYBE(down(&scene, key));
    }
    struct cache_tier_stats stats = stats_of(&scene);
    assert_true(stats.displaced > 1000 && stats.records > 3000);
    assert_true(stats.cell_bytes <= stats.cell_bytes_max);
    cache_verify(scene.t.cache, &scene.t.actor);
    /* What is given up gives its memory back. */
    cache_tier_clear(scene.t.cache, &scene.t.actor);
    assert_true(stats_of(&scene).cell_bytes < stats.cell_bytes / 4);
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ walking */

struct walk {
    struct scene *scene;
    uint8_t seen[4000];
    struct cache_tier_place places[4000];
    uint32_t count;
};

static void saw_name(void *context, struct slice name, const struct cache_info *info) {
    struct walk *walk = context;
    (void)info;
    uint32_t number = 0;
    for (size_t i = 4; i < name.size; i++)
        number = number * 10 + name.data[i] - '0';
    walk->seen[number]++;
}

static void saw_place(void *context, const struct cache_tier_place *place) {
    struct walk *walk = context;
    assert_true(walk->count < COUNT_OF(walk->places));
    walk->places[walk->count++] = *place;
}

static void read_places(struct walk *walk) {
    for (uint32_t i = 0; i < walk->count; i++) {
        struct kept_record record;
        struct cache_key key;
        struct cache_info info;
        assert_true(keeper_read(walk->scene->keeper, walk->places[i].address, &record));
        assert_true(cache_tier_key(walk->scene->t.cache, &record.found, &key));
        if (cache_tier_look(walk->scene->t.cache, &walk->scene->t.actor, &key, walk->places[i], &record.found, true,
                            &info) == CACHE_TIER_SHOWN)
            saw_name(walk, key.name, &info);
        kept_free(&record);
    }
    walk->count = 0;
}

static void scan_meets_every_key_wherever_it_goes_meanwhile(void **state) {
    enum { KEYS = 4000 };
    struct scene scene;
    struct rng rng = rng_seeded(unit_seed());
    struct walk *walk = calloc(1, sizeof *walk);
    char name[32];
    (void)state;
    open_with(&scene, 8 << 20, 2, CACHE_ALLKEYS_LFU);
    walk->scene = &scene;
    for (int part = 0; part < 3; part++) { /* of the keys that are down: few, half, nearly all */
        memset(walk->seen, 0, sizeof walk->seen);
        for (int i = 0; i < KEYS; i++) {
            struct slice key = slice_make(name, (size_t)snprintf(name, sizeof name, "key:%d", i));
            set(&scene, key, SLICE("value"));
            if (i % 10 < (part == 0 ? 1 : part == 1 ? 5 : 9))
                assert_true(down(&scene, key));
        }
        uint64_t cursor = 0, there = cache_count(scene.t.cache, 0);
        uint32_t seen = 0, twice = 0;
        assert_true(there > KEYS - KEYS / 100);
        do {
            cursor = cache_tier_scan(scene.t.cache, &scene.t.actor, 0, cursor, 20, saw_name, saw_place, walk);
            read_places(walk);
            for (int moves = 0; moves < 30; moves++) {
                struct slice key =
                    slice_make(name, (size_t)snprintf(name, sizeof name, "key:%u", (unsigned)rng_below(&rng, KEYS)));
                if (!down(&scene, key)) {
                    (void)fetch(&scene, key, false);
                    (void)fetch(&scene, key, false);
                }
            }
        } while (cursor);
        for (int i = 0; i < KEYS; i++)
            seen += walk->seen[i] > 0, twice += walk->seen[i] > 1;
        assert_int_equal(seen, there);
        assert_true(twice < KEYS / 4);
        cache_flush_all(scene.t.cache, &scene.t.actor);
    }
    close_scene(&scene);
    free(walk);
}

static void key_by_chance_comes_from_what_is_down(void **state) {
    struct scene scene;
    struct cache_tier_place place;
    (void)state;
    open_with(&scene, 8 << 20, 4, CACHE_ALLKEYS_LFU);
    assert_false(cache_tier_random(scene.t.cache, &scene.t.actor, 0, 1, &place));
    set(&scene, SLICE("k"), SLICE("1"));
    assert_true(down(&scene, SLICE("k")));
    for (uint64_t random = 0; random < 100; random++)
        assert_true(cache_tier_random(scene.t.cache, &scene.t.actor, 0, random << 16, &place));
    assert_false(cache_tier_random(scene.t.cache, &scene.t.actor, 1, 1, &place));
    uint8_t name[CACHE_KEY_SIZE_MAX];
    size_t size;
    assert_false(cache_random_key(scene.t.cache, &scene.t.actor, 0, 1, name, &size));
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ memory that fails */

struct failing {
    struct memory memory;
    struct rng rng;
    uint32_t permille, failed;
};

static void *failing_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct failing *failing = context;
    if (size_new > size_old && rng_below(&failing->rng, 1000) < failing->permille) {
        failing->failed++;
        return NULL;
    }
    return memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static void entry_for_whose_tags_there_is_no_memory_stays(void **state) {
    enum { KEYS = 600 };
    struct failing failing = {.rng = rng_seeded(unit_seed()), .permille = 1000};
    struct scene scene;
    char name[32];
    uint32_t done = 0;
    (void)state;
    open_scene(&scene);
    struct engine *engine = scene.t.cache->engine;
    failing.memory = (struct memory){failing_resize, &failing};
    engine->memory = &failing.memory;
    const struct cache_tier tier = {
        .add = keeper_add, .generation = keeper_generation, .context = scene.keeper, .value_size_max = DOWN_MAX};
    assert_int_equal(cache_tier_set(scene.t.cache, &scene.t.actor, &tier), STATUS_NO_MEMORY);
    failing.permille = 0;
    assert_int_equal(cache_tier_set(scene.t.cache, &scene.t.actor, &tier), STATUS_OK);
    failing.permille = 300;
    for (int i = 0; i < KEYS; i++) {
        struct slice key = slice_make(name, (size_t)snprintf(name, sizeof name, "key:%d", i));
        set_tagged(&scene, key, SLICE("value"), key);
        bool gone = down(&scene, key);
        done += gone;
        assert_int_equal(is_in_memory(&scene, key), !gone);
        assert_int_equal(fetch(&scene, key, true), gone ? FETCHED_SHOWN : FETCHED_MEMORY);
    }
    assert_true(failing.failed > 50 && done > KEYS / 2 && done < KEYS);
    assert_int_equal(stats_of(&scene).refused_memory, KEYS - done);
    failing.permille = 0;
    cache_verify(scene.t.cache, &scene.t.actor);
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ without */

/* A snapshot passes by while it is down; then it comes up, and is in the log behind that. Nobody waits for it. */
static void what_comes_up_is_in_the_log(void **state) {
    struct scene scene;
    struct testing_log log;
    struct cache_replay replay = {0};
    struct seen before = {0}, after = {0};
    static const struct cache_options plain = {.limit_bytes = LIMIT, .shards = 1, .policy = CACHE_ALLKEYS_LFU};
    (void)state;
    open_scene(&scene);
    log_init(&log);
    buf_init(&before.value, &memory_libc);
    buf_init(&after.value, &memory_libc);
    const struct cache_journal journal = log_journal(&log);
    cache_journal_set(scene.t.cache, &scene.t.actor, &journal);
    set_tagged(&scene, SLICE("k"), SLICE("value"), SLICE("t"));
    set(&scene, SLICE("stays"), SLICE("below"));
    assert_true(down(&scene, SLICE("k")) && down(&scene, SLICE("stays")));
    log_dump(&log, &scene.t);
    buf_clear(&log.records); /* as those before a snapshot are removed */
    uint64_t lsn = scene.t.actor.noted.lsn;
    assert_int_equal(fetch(&scene, SLICE("k"), false), FETCHED_SHOWN);
    assert_int_equal(fetch(&scene, SLICE("k"), false), FETCHED_MEMORY);
    assert_int_equal(scene.t.actor.noted.lsn, lsn);
    struct testing_cache again = testing_recover(plain, &log, scene.t.actor.now_ms, &replay, NULL);
    testing_see(&scene.t, 0, SLICE("k"), &before);
    testing_see(&again, 0, SLICE("k"), &after);
    assert_true(before.found && before.row == 77 && before.tag_count == 1);
    assert_null(testing_difference(&before, &after));
    testing_see(&again, 0, SLICE("stays"), &after);
    assert_false(after.found);
    testing_close(&again);
    cache_journal_set(scene.t.cache, &scene.t.actor, NULL);
    cache_journal_forget(scene.t.cache, &scene.t.actor);
    buf_fini(&before.value);
    buf_fini(&after.value);
    log_fini(&log);
    close_scene(&scene);
}

static void cache_that_was_not_opened_for_it_has_no_tier(void **state) {
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    const struct cache_tier tier = {.add = keeper_add, .generation = keeper_generation};
    bool done;
    (void)state;
    assert_int_equal(cache_tier_set(t.cache, &t.actor, &tier), STATUS_INVALID);
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    assert_int_equal(testing_set(&t, 0, SLICE("k"), SLICE("1"), 0), STATUS_OK);
    assert_int_equal(cache_tier_ask(t.cache, &key, places), 0);
    assert_int_equal(cache_tier_demote(t.cache, &t.actor, &key, &done), STATUS_OK);
    assert_false(done);
    assert_int_equal(cache_tier_give_up(t.cache, &t.actor, &key), 0);
    testing_close(&t);
}

static void tier_that_is_taken_away_leaves_nothing(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct cache_stats before, after;
    cache_stats(scene.t.cache, &before);
    set_tagged(&scene, SLICE("a"), SLICE("1"), SLICE("t"));
    assert_true(down(&scene, SLICE("a")));
    assert_int_equal(cache_tier_set(scene.t.cache, &scene.t.actor, NULL), STATUS_OK);
    assert_false(is_in_memory(&scene, SLICE("a")));
    assert_int_equal(cache_count(scene.t.cache, 0), 0);
    cache_stats(scene.t.cache, &after);
    assert_int_equal(after.tier_bytes, 0);
    assert_int_equal(after.tags, 0);
    keeper_attach(scene.keeper, &scene.t, DOWN_MAX);
    set(&scene, SLICE("a"), SLICE("2"));
    assert_true(down(&scene, SLICE("a")));
    assert_int_equal(fetch(&scene, SLICE("a"), false), FETCHED_SHOWN);
    close_scene(&scene);
}

UNIT_TESTS(tier, UNIT(entry_goes_down_is_shown_and_comes_up), UNIT(quiet_looks_leave_it_where_it_is),
           UNIT(write_and_deletion_forget_what_is_down), UNIT(failed_write_leaves_the_old_value),
           UNIT(tags_hold_while_it_is_down), UNIT(record_that_goes_gives_its_tags_back),
           UNIT(softened_tag_lets_the_ordinary_ways_decide), UNIT(what_expires_below_is_told_of_when_it_is_come_across),
           UNIT(ban_kills_what_is_down_after_its_sweep_as_well),
           UNIT(so_many_bans_that_the_first_is_forgotten_take_all_that_is_older),
           UNIT(flush_and_swap_know_what_is_down), UNIT(record_of_an_address_that_was_given_up_is_never_shown),
           UNIT(lost_index_of_the_file_takes_its_addresses), UNIT(what_memory_lets_go_goes_down),
           UNIT(refused_entry_is_evicted_as_ever), UNIT(nothing_unfit_goes_down),
           UNIT(large_values_go_down_and_come_up_whole), UNIT(what_nobody_uses_goes_down_before_it_must),
           UNIT(what_is_never_evicted_does_not_go_down_by_itself), UNIT(cells_stay_within_their_part_of_the_limit),
           UNIT(scan_meets_every_key_wherever_it_goes_meanwhile), UNIT(key_by_chance_comes_from_what_is_down),
           UNIT(entry_for_whose_tags_there_is_no_memory_stays), UNIT(what_comes_up_is_in_the_log),
           UNIT(cache_that_was_not_opened_for_it_has_no_tier), UNIT(tier_that_is_taken_away_leaves_nothing));
