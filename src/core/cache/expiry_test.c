/* core/cache/expiry_test.c: exact to the millisecond for readers, and memory that comes back in small slices, whatever expires together. */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { TURN_MS = 10, SECOND_MS = 1000, HOUR_MS = 3600 * 1000 };

static struct slice name_of(char text[32], uint32_t i) {
    return slice_make(text, (size_t)snprintf(text, 32, "key:%u", i));
}

/* ------------------------------------------------------------------------------------- the border */

struct seen {
    bool get, glance, find, edit, scan, pick, watched;
};

static void note_visit(void *context, struct slice name, const struct cache_info *info) {
    (void)name, (void)info;
    *(bool *)context = true;
}

/* All the ways to look at an entry, at the time of the actor; the edit comes last, for it may remove it. */
static struct seen look(struct testing_cache *t, struct slice name, struct cache_watch watch) {
    static uint8_t bytes[CACHE_KEY_SIZE_MAX];
    struct seen seen = {0};
    struct cache_key key = cache_key(t->cache, 0, name);
    struct cache_info info;
    struct buf got;
    struct cache_sight sight;
    size_t picked;
    buf_init(&got, &memory_libc);
    seen.watched = cache_watch_holds(t->cache, &t->actor, &key, watch);
    seen.get = testing_get(t, 0, name, &got, NULL);
    enum cache_glance glance = cache_glance(t->cache, &t->actor, &key, &sight);
    seen.glance = glance == CACHE_GLANCE_HIT ? cache_glance_copy(&t->actor, &sight, bytes)
                                             : glance == CACHE_GLANCE_UNSURE && seen.get;
    seen.find = cache_find(t->cache, &t->actor, &key, false, &info);
    for (uint64_t cursor = cache_scan(t->cache, &t->actor, 0, 0, 10, note_visit, &seen.scan); cursor;)
        cursor = cache_scan(t->cache, &t->actor, 0, cursor, 10, note_visit, &seen.scan);
    seen.pick = cache_random_key(t->cache, &t->actor, 0, 7, bytes, &picked);
    struct cache_edit edit;
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    seen.edit = edit.found;
    cache_edit_end(&edit);
    buf_fini(&got);
    return seen;
}

static void every_look_agrees_at_the_border(void **state) {
    (void)state;
    static uint8_t large[300000];
    const size_t sizes[] = {0, 5, 600, sizeof large};
    const uint64_t lives_ms[] = {1, 2, 1000, UINT32_MAX, 1ull << 40};
    for (size_t s = 0; s < COUNT_OF(sizes); s++)
        for (size_t l = 0; l < COUNT_OF(lives_ms); l++) {
            struct testing_cache t = testing_open(8 << 20, 2, CACHE_ALLKEYS_LFU);
            uint64_t at_ms = t.actor.now_ms + lives_ms[l];
            struct cache_key key = cache_key(t.cache, 0, SLICE("key"));
            assert_int_equal(testing_set(&t, 0, SLICE("key"), slice_make(large, sizes[s]), at_ms), STATUS_OK);
            struct cache_watch watch = cache_watch_begin(t.cache, &t.actor, &key);
            t.actor.now_ms = at_ms - 1;
            struct seen before = look(&t, SLICE("key"), watch);
            assert_true(before.get && before.glance && before.find && before.edit && before.scan && before.pick);
            assert_true(before.watched);
            t.actor.now_ms = at_ms;
            struct seen after = look(&t, SLICE("key"), watch);
            assert_false(after.get || after.glance || after.find || after.edit || after.scan || after.pick);
            assert_false(after.watched);
            cache_watch_end(t.cache);
            testing_close(&t);
        }
}

/* ------------------------------------------------------------------------------------ all together */

/* One turn of a server's housekeeping: at most so many slices, each within its bounds. Answers how many were needed. */
static uint32_t turn(struct testing_cache *t, uint32_t slices_max) {
    uint32_t slices = 0;
    for (bool more = true; more && slices < slices_max; slices++) {
        uint64_t expired = t->actor.counts.expired;
        more = cache_housekeep(t->cache, &t->actor);
        assert_true(t->actor.counts.expired - expired <= RECLAIM_SLICE_ENTRIES);
    }
    return slices;
}

static uint64_t occupied(struct testing_cache *t) {
    struct cache_stats stats;
    cache_stats(t->cache, &stats);
    return stats.occupied_bytes;
}

/* Everything expires in one second; slices as a busy server gives them, one in ten milliseconds. */
static void a_second_in_which_all_expires(void **state) {
    (void)state;
    enum { KEYS = 200000, SLICES_MORE = 200 };
    char text[32];
    struct testing_cache t = testing_open(64 << 20, 2, CACHE_NOEVICTION);
    struct rng rng = rng_seeded(unit_seed());
    uint64_t moment_ms = t.actor.now_ms + 30 * SECOND_MS, empty = occupied(&t);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(
            testing_set(&t, 0, name_of(text, i), SLICE("a value of twenty by"), moment_ms + rng_below(&rng, SECOND_MS)),
            STATUS_OK);
    uint64_t full = occupied(&t);
    for (; t.actor.now_ms < moment_ms; t.actor.now_ms += TURN_MS)
        (void)turn(&t, 1);
    assert_int_equal(t.actor.counts.expired, 0);
    assert_int_equal(cache_count(t.cache, 0), KEYS);
    uint32_t slices = 0, turns = 0;
    for (; cache_count(t.cache, 0) > 0 && turns < 5 * SECOND_MS / TURN_MS; turns++, t.actor.now_ms += TURN_MS)
        slices += turn(&t, 1);
    print_message("seed %llu: %u keys gone after %u ms and %u slices\n", (unsigned long long)unit_seed(), KEYS,
                  turns * TURN_MS, slices);
    assert_int_equal(cache_count(t.cache, 0), 0);
    assert_int_equal(t.actor.counts.expired, KEYS);
    assert_true(slices <= turns && slices < KEYS / RECLAIM_SLICE_ENTRIES + SLICES_MORE);
    struct cache_stats stats;
    struct cache_store_info info;
    cache_stats(t.cache, &stats);
    cache_store_info(t.cache, 0, &info);
    assert_int_equal(stats.live_bytes, 0);
    /* What stays is index and each shard's open segment. */
    assert_true(occupied(&t) - empty < (full - empty) / 2);
    assert_true(info.log_bytes <= (uint64_t)stats.shards * stats.segment_size);
    testing_close(&t);
}

/* A tenth expires in one second, among others that live for up to an hour: they must not wait for those. */
static void a_tenth_among_others_expires_in_time(void **state) {
    (void)state;
    enum { KEYS = 100000, LATE_MS_MAX = 4 * SECOND_MS, TURNS_SLICES_MAX = 10 };
    char text[32];
    struct testing_cache t = testing_open(64 << 20, 1, CACHE_NOEVICTION);
    struct rng rng = rng_seeded(unit_seed());
    uint64_t moment_ms = t.actor.now_ms + 400 * SECOND_MS;
    uint32_t together = 0, later = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        bool one = rng_below(&rng, 10) == 0;
        uint64_t at_ms = one ? moment_ms + rng_below(&rng, SECOND_MS) : moment_ms + HOUR_MS + rng_below(&rng, HOUR_MS);
        together += one, later += !one;
        assert_int_equal(testing_set(&t, 0, name_of(text, i), SLICE("a value of twenty by"), at_ms), STATUS_OK);
    }
    uint32_t slices = 0;
    for (; t.actor.now_ms < moment_ms + SECOND_MS + LATE_MS_MAX; t.actor.now_ms += TURN_MS)
        for (uint32_t i = 0; i < TURNS_SLICES_MAX && cache_housekeep(t.cache, &t.actor); i++)
            slices++;
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    print_message("seed %llu: %llu of %u expired in time, %u slices over %u segments\n",
                  (unsigned long long)unit_seed(), (unsigned long long)t.actor.counts.expired, together, slices,
                  stats.segments_used);
    /* The very last may wait for others: at most a thousandth of those beside them. */
    assert_true(t.actor.counts.expired <= together && t.actor.counts.expired >= together - later / 1000);
    assert_int_equal(cache_count(t.cache, 0), later + together - t.actor.counts.expired);
    /* 400 seconds of looking once a minute at the latest, and some looks on the way to the moment. */
    assert_true(slices < 30 * stats.segments_used);
    testing_close(&t);
}

struct lateness {
    uint64_t *expires_at_ms; /* by the number in the name */
    uint64_t worst_ms;
    uint32_t told;
};

static void note_lateness(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    struct lateness *lateness = context;
    char text[32] = "";
    (void)db;
    assert_int_equal(change, CACHE_EXPIRED);
    assert_true(name.size < sizeof text);
    memcpy(text, name.data, name.size);
    unsigned number;
    assert_int_equal(sscanf(text, "key:%u", &number), 1);
    uint64_t late_ms = actor->now_ms - lateness->expires_at_ms[number];
    lateness->worst_ms = late_ms > lateness->worst_ms ? late_ms : lateness->worst_ms;
    lateness->told++;
}

/* Entries that expire one by one for half an hour, a few in each segment in a second: whoever wants to be told does not wait until looks pay. */
static void whoever_wants_to_know_is_told_soon(void **state) {
    (void)state;
    enum { KEYS = 20000, SPREAD_MS = 1800 * SECOND_MS, LATE_MS_MAX = 2 * SECOND_MS, TURNS_SLICES_MAX = 10 };
    static uint64_t expires_at_ms[KEYS];
    char text[32];
    struct lateness lateness = {.expires_at_ms = expires_at_ms};
    struct testing_cache t =
        testing_open_as((struct cache_options){.limit_bytes = 64 << 20,
                                               .policy = CACHE_NOEVICTION,
                                               .changes = {note_lateness, &lateness, 1 << CACHE_EXPIRED}});
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t i = 0; i < KEYS; i++) {
        expires_at_ms[i] = t.actor.now_ms + SECOND_MS + rng_below(&rng, SPREAD_MS);
        snprintf(text, sizeof text, "key:%u", i);
        assert_int_equal(testing_set(&t, 0, slice_from_string(text), SLICE("a value of twenty by"), expires_at_ms[i]),
                         STATUS_OK);
    }
    uint32_t slices = 0;
    for (uint64_t end_ms = t.actor.now_ms + SPREAD_MS / 4; t.actor.now_ms < end_ms; t.actor.now_ms += TURN_MS)
        for (uint32_t i = 0; i < TURNS_SLICES_MAX && cache_housekeep(t.cache, &t.actor); i++)
            slices++;
    print_message("seed %llu: %u told of, the latest after %llu ms, %u slices\n", (unsigned long long)unit_seed(),
                  lateness.told, (unsigned long long)lateness.worst_ms, slices);
    assert_true(lateness.told > KEYS / 5);
    assert_true(lateness.worst_ms <= LATE_MS_MAX);
    testing_close(&t);
}

/* ---------------------------------------------------------------------------------- taking turns */

/* While there is always something to expire that frees no segment, housekeeping makes room all the same. */
static void expiry_does_not_keep_reclaim_waiting(void **state) {
    (void)state;
    enum { KEYS = 60000, TURNS = 2000 };
    char text[32];
    struct testing_cache t = testing_open(8 << 20, 1, CACHE_ALLKEYS_LFU);
    struct rng rng = rng_seeded(unit_seed());
    uint32_t waited = 0, expiring = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(
            testing_set(&t, 0, name_of(text, i), SLICE("a value of some fifty bytes, not that it matters much"),
                        t.actor.now_ms + 1 + rng_below(&rng, HOUR_MS)),
            STATUS_OK);
    for (uint32_t i = 0; i < TURNS; i++) {
        uint64_t evicted = t.actor.counts.evicted, copied = t.actor.counts.copied_bytes;
        t.actor.now_ms += SECOND_MS;
        for (uint32_t j = 0; j < 20; j++)
            assert_int_equal(testing_set(&t, 0, name_of(text, KEYS + i * 20 + j),
                                         SLICE("a value of some fifty bytes, not that it matters much"),
                                         t.actor.now_ms + 1 + rng_below(&rng, HOUR_MS)),
                             STATUS_OK);
        waited += t.actor.counts.evicted != evicted || t.actor.counts.copied_bytes != copied;
        (void)cache_housekeep(t.cache, &t.actor);
        expiring += t.actor.expired_last;
    }
    print_message("%u slices of expiry, %u writers that had to make room\n", expiring, waited);
    assert_true(expiring > TURNS / 10);
    assert_true(waited < TURNS / 100);
    testing_close(&t);
}

UNIT_TESTS(expiry, UNIT(whoever_wants_to_know_is_told_soon), UNIT(every_look_agrees_at_the_border),
           UNIT(a_second_in_which_all_expires), UNIT(a_tenth_among_others_expires_in_time),
           UNIT(expiry_does_not_keep_reclaim_waiting));
