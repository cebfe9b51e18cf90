/* What a ban takes is gone at once and by every way of asking; what is written afterwards stays. */
#include <stdio.h>

#include "base/glob.h"
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { MIB = 1 << 20, BANS = 64 };

static struct slice text(const char *string) { return slice_from_string(string); }

static void put(struct testing_cache *t, const char *name) {
    assert_int_equal(testing_set(t, 0, text(name), text(name), 0), STATUS_OK);
}

static bool ban(struct testing_cache *t, const char *pattern) {
    return cache_ban(t->cache, &t->actor, cache_place_of(t->cache, 0), text(pattern));
}

static void keep_house(struct testing_cache *t) {
    while (cache_housekeep(t->cache, &t->actor))
        ;
}

static struct cache_bans bans_of(struct testing_cache *t) {
    struct cache_bans bans;
    cache_bans(t->cache, &bans);
    return bans;
}

static void stop_at(void *context, struct slice name, const struct cache_info *info) {
    (void)info;
    struct slice *wanted = context;
    if (wanted->data && slice_equal(*wanted, name))
        wanted->data = NULL;
}

static bool scan_finds(struct testing_cache *t, uint32_t db, struct slice name) {
    uint64_t cursor = 0;
    struct slice wanted = name;
    do
        cursor = cache_scan(t->cache, &t->actor, db, cursor, 1000, stop_at, &wanted);
    while (cursor && wanted.data);
    return !wanted.data;
}

/* By all ways that leave the entry where it is; they agree. */
static bool is_there_in(struct testing_cache *t, uint32_t db, struct slice name) {
    uint8_t bytes[64];
    struct buf value;
    struct cache_sight sight;
    struct cache_info info;
    buf_init(&value, &memory_libc);
    bool found = testing_get(t, db, name, &value, NULL);
    buf_fini(&value);
    struct cache_key key = cache_key(t->cache, db, name);
    assert_int_equal(cache_find(t->cache, &t->actor, &key, false, &info), found);
    struct cache_wish wish = {.name = name, .to = bytes, .room = sizeof bytes};
    enum cache_glance glances[] = {cache_glance(t->cache, &t->actor, &key, &sight), 0, 0};
    cache_entries_ahead(t->cache, (cache_keys_ahead(t->cache, &key, 1), &key), 1);
    glances[1] = cache_glance(t->cache, &t->actor, &key, &sight);
    cache_glance_many(t->cache, &t->actor, db, &wish, 1);
    glances[2] = wish.answer;
    for (size_t i = 0; i < COUNT_OF(glances); i++)
        assert_true(glances[i] == CACHE_GLANCE_UNSURE || (glances[i] == CACHE_GLANCE_HIT) == found);
    assert_int_equal(scan_finds(t, db, name), found);
    return found;
}
static bool is_there(struct testing_cache *t, const char *name) { return is_there_in(t, 0, text(name)); }

static void what_matches_is_gone_at_once(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 2, CACHE_ALLKEYS_LFU);
    put(&t, "user:1"), put(&t, "user:2"), put(&t, "other");
    assert_int_equal(testing_set(&t, 1, SLICE("user:1"), SLICE("v"), 0), STATUS_OK);
    assert_true(ban(&t, "user:*"));
    assert_int_equal(bans_of(&t).live, 1);
    assert_false(is_there(&t, "user:1") || is_there(&t, "user:2"));
    assert_true(is_there(&t, "other") && is_there_in(&t, 1, SLICE("user:1")));
    assert_int_equal(cache_count(t.cache, 0), 3); /* nobody has come across them yet */
    put(&t, "user:1"), put(&t, "user:3");
    assert_true(is_there(&t, "user:1") && is_there(&t, "user:3"));
    assert_false(is_there(&t, "user:2"));
    keep_house(&t);
    assert_int_equal(bans_of(&t).live, 0);
    assert_int_equal(bans_of(&t).set, 1);
    assert_int_equal(bans_of(&t).removed, 1); /* the other one was written over */
    assert_int_equal(t.actor.counts.invalidated, 2);
    assert_int_equal(cache_count(t.cache, 0), 3);
    assert_true(is_there(&t, "user:1") && is_there(&t, "user:3") && is_there(&t, "other"));
    testing_close(&t);
}

static void each_ban_takes_what_was_written_before_it(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    put(&t, "a1");
    assert_true(ban(&t, "a*"));
    put(&t, "a1");
    assert_true(is_there(&t, "a1"));
    put(&t, "b1");
    assert_true(ban(&t, "?1"));
    assert_false(is_there(&t, "a1") || is_there(&t, "b1"));
    put(&t, "a1"), put(&t, "b1");
    assert_true(is_there(&t, "a1") && is_there(&t, "b1"));
    keep_house(&t);
    put(&t, "b1");
    assert_true(ban(&t, "b*"));
    assert_false(is_there(&t, "b1"));
    assert_true(is_there(&t, "a1"));
    testing_close(&t);
}

/* An edit finds nothing, and what it writes then lives. */
static void edits_find_nothing(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    struct cache_edit edit;
    struct cache_key key;
    put(&t, "a"), put(&t, "b");
    assert_true(ban(&t, "*"));
    key = cache_key(t.cache, 0, SLICE("a"));
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_false(edit.found || edit.stale || edit.nothing);
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("new"), 0), STATUS_OK);
    assert_true(edit.found);
    assert_int_equal(cache_edit_expire(&edit, t.actor.now_ms + 1000), STATUS_OK);
    assert_int_equal(cache_edit_patch(&edit, 1, SLICE("longer than it was")), STATUS_OK);
    cache_edit_end(&edit);
    assert_true(is_there(&t, "a"));
    key = cache_key(t.cache, 0, SLICE("b"));
    assert_false(cache_delete(t.cache, &t.actor, &key));
    keep_house(&t);
    assert_true(is_there(&t, "a"));
    testing_close(&t);
}

static void databases_are_apart_and_may_be_swapped(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    put(&t, "a");
    assert_int_equal(testing_set(&t, 1, SLICE("a"), SLICE("a"), 0), STATUS_OK);
    assert_true(ban(&t, "a"));
    cache_swap(t.cache, &t.actor, 0, 1);
    assert_true(is_there(&t, "a"));
    assert_false(is_there_in(&t, 1, SLICE("a")));
    keep_house(&t);
    assert_true(is_there(&t, "a"));
    assert_int_equal(cache_count(t.cache, 1), 0);
    assert_int_equal(testing_set(&t, 1, SLICE("a"), SLICE("a"), 0), STATUS_OK);
    assert_true(is_there_in(&t, 1, SLICE("a")));
    cache_swap(t.cache, &t.actor, 0, 1);
    assert_true(is_there(&t, "a"));
    testing_close(&t);
}

static void a_session_goes_with_its_head(void **state) {
    (void)state;
    static const struct slice patterns[] = {{(const uint8_t *)"cart:{sid}:*", 12},
                                            {(const uint8_t *)"session:{sid}", 13}};
    const struct cache_store store = {
        .name = SLICE("sessions"), .patterns = patterns, .pattern_count = COUNT_OF(patterns), .policy = CACHE_SESSION};
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = 4 * MIB, .policy = CACHE_ALLKEYS_LFU, .stores = &store, .store_count = 1});
    put(&t, "session:7"), put(&t, "cart:7:1"), put(&t, "session:8"), put(&t, "cart:8:1");
    assert_true(ban(&t, "session:7"));
    assert_false(is_there(&t, "session:7") || is_there(&t, "cart:7:1"));
    assert_true(is_there(&t, "session:8") && is_there(&t, "cart:8:1"));
    keep_house(&t);
    assert_int_equal(cache_count(t.cache, 0), 2);
    testing_close(&t);
}

static void there_are_so_many_at_a_time(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    char pattern[300];
    for (int i = 0; i < BANS; i++) {
        snprintf(pattern, sizeof pattern, "%d:*", i);
        put(&t, pattern);
        assert_true(ban(&t, pattern));
        assert_false(is_there(&t, pattern));
    }
    put(&t, "more");
    assert_false(ban(&t, "more"));
    assert_true(is_there(&t, "more"));
    keep_house(&t);
    assert_int_equal(bans_of(&t).removed, BANS);
    memset(pattern, 'a', 256);
    pattern[256] = 0;
    put(&t, pattern);
    assert_false(ban(&t, pattern)); /* too long */
    assert_true(is_there(&t, pattern));
    pattern[255] = 0;
    put(&t, pattern);
    assert_true(ban(&t, pattern));
    assert_false(is_there(&t, pattern));
    testing_close(&t);
}

/* However many bans come. */
static void what_has_expired_goes_beside_it(void **state) {
    (void)state;
    enum { KEYS = 100 };
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    char name[16];
    for (int i = 0; i < KEYS; i++) {
        snprintf(name, sizeof name, "a%d", i);
        assert_int_equal(testing_set(&t, 0, text(name), text(name), t.actor.now_ms + 10), STATUS_OK);
    }
    t.actor.now_ms += 20000;
    for (int i = 0; i < KEYS && cache_count(t.cache, 0); i++) {
        snprintf(name, sizeof name, "x%d*", i);
        MAYBE(!ban(&t, name));
        assert_true(cache_housekeep(t.cache, &t.actor));
    }
    assert_int_equal(cache_count(t.cache, 0), 0);
    testing_close(&t);
}

static void no_memory(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    (void)context, (void)actor, (void)change, (void)db, (void)name;
}

static void who_wants_to_hear_of_each_prevents_it(void **state) {
    (void)state;
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = MIB, .policy = CACHE_ALLKEYS_LFU, .changes = {no_memory, NULL, 1u << CACHE_EACH}});
    put(&t, "a");
    assert_false(ban(&t, "*"));
    assert_true(is_there(&t, "a"));
    cache_changes_want(t.cache, 0);
    assert_true(ban(&t, "*"));
    assert_false(is_there(&t, "a"));
    testing_close(&t);
}

/* What was told, as letters and names. */
struct told {
    char text[512];
    uint64_t stamps[8]; /* of bans, in their order */
    int bans;
};

static void note(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    static const char letters[] = {[CACHE_INVALIDATED] = 'i', [CACHE_CREATED] = 'c',       [CACHE_DELETED] = 'd',
                                   [CACHE_BANNED] = 'b',      [CACHE_PATTERN_GOING] = 'p', [CACHE_REPLACED] = 'r'};
    struct told *told = context;
    size_t size = strlen(told->text);
    (void)db;
    snprintf(told->text + size, sizeof told->text - size, "%s%c%.*s", size ? " " : "", letters[change], (int)name.size,
             (const char *)name.data);
    size = strlen(told->text);
    if (change == CACHE_BANNED)
        told->stamps[told->bans++] = actor->ban_stamp;
    if (change != CACHE_INVALIDATED || actor->killed_by == ACTOR_NOT_KILLED)
        return;
    assert_int_equal(actor->killed_by, ACTOR_KILLED_BY_BAN);
    int ban = 0;
    while (ban < told->bans && told->stamps[ban] != actor->killed_stamp)
        ban++;
    snprintf(told->text + size, sizeof told->text - size, "(%d %.*s)", ban + 1, (int)actor->killer.size,
             (const char *)actor->killer.data);
}

static void it_is_told_of_with_the_pattern(void **state) {
    (void)state;
    struct told told = {.bans = 0};
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = MIB,
        .shards = 1,
        .policy = CACHE_ALLKEYS_LFU,
        .changes = {note, &told, CACHE_REMOVALS | 1 << CACHE_CREATED | 1 << CACHE_BANNED | 1 << CACHE_PATTERN_GOING}});
    put(&t, "a1"), put(&t, "a2");
    assert_true(ban(&t, "?1"));
    assert_true(ban(&t, "a*"));
    put(&t, "a1");
    keep_house(&t);
    assert_string_equal(told.text, "ca1 ca2 p?1 b?1 pa* ba* ia1(1 ?1) ca1 ia2(2 a*)");
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ against a naive twin */

enum { NAMES = 400, STEPS = 6000 };

static void random_pattern(struct rng *rng, char pattern[16]) {
    static const char *const forms[] = {"%c*", "?%c*", "%c?1*", "[a%c]x*", "*%c", "%cx[0-9]", "*"};
    char letter = "abcdxy0123"[rng_below(rng, 10)];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(pattern, 16, forms[rng_below(rng, COUNT_OF(forms))], letter);
#pragma GCC diagnostic pop
}

struct twin {
    char names[NAMES][16];
    bool there[NAMES];
};

static void random_step(struct testing_cache *t, struct twin *twin, struct rng *rng) {
    char pattern[16];
    size_t at = rng_below(rng, NAMES);
    struct cache_key key = cache_key(t->cache, 0, text(twin->names[at]));
    switch (rng_below(rng, 40)) {
        case 0:
            random_pattern(rng, pattern);
            if (!ban(t, pattern))
                return;
            for (size_t i = 0; i < NAMES; i++)
                twin->there[i] = twin->there[i] && !glob_matches(text(pattern), text(twin->names[i]), false);
            return;
        case 1:
            keep_house(t);
            return;
        case 2:
        case 3:
            (void)cache_housekeep(t->cache, &t->actor);
            return;
        case 4:
        case 5:
        case 6:
            assert_int_equal(cache_delete(t->cache, &t->actor, &key), twin->there[at]);
            twin->there[at] = false;
            return;
        default:
            if (rng_below(rng, 2)) {
                put(t, twin->names[at]);
                twin->there[at] = true;
            }
            assert_int_equal(is_there(t, twin->names[at]), twin->there[at]);
    }
}

static void bans_agree_with_a_search(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 4, CACHE_NOEVICTION);
    struct rng rng = rng_seeded(unit_seed());
    static struct twin twin;
    memset(&twin, 0, sizeof twin);
    for (unsigned i = 0; i < NAMES; i++)
        snprintf(twin.names[i], sizeof twin.names[i], "%c%c%u", 'a' + (char)(i % 4), 'x' + (char)(i / 4 % 2), i / 8);
    for (int step = 0; step < STEPS; step++)
        random_step(&t, &twin, &rng);
    keep_house(&t);
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(is_there(&t, twin.names[i]), twin.there[i]);
    testing_close(&t);
}

UNIT_TESTS(ban, UNIT(what_matches_is_gone_at_once), UNIT(each_ban_takes_what_was_written_before_it),
           UNIT(edits_find_nothing), UNIT(databases_are_apart_and_may_be_swapped), UNIT(a_session_goes_with_its_head),
           UNIT(there_are_so_many_at_a_time), UNIT(what_has_expired_goes_beside_it),
           UNIT(who_wants_to_hear_of_each_prevents_it), UNIT(it_is_told_of_with_the_pattern),
           UNIT(bans_agree_with_a_search));
