#include <stdio.h>

#include "core/cache/cache_fixture.h"
#include "core/store/session.h"

enum { MIB = 1 << 20, LIMIT = 4 * MIB };

static const struct slice patterns[] = {{(const uint8_t *)"cart:{sid}:*", 12},
                                        {(const uint8_t *)"session:{sid}", 13},
                                        {(const uint8_t *)"session:{sid}:csrf", 18}};

/* What was told of entries that went. */
struct removals {
    uint32_t of[CACHE_EVICTED + 1];
};

static void note_removal(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name) {
    struct removals *removals = context;
    (void)actor, (void)db;
    assert_true(name.size > 0);
    removals->of[reason]++;
}

static struct testing_cache open_sessions_told(struct removals *removals) {
    const struct cache_store store = {
        .name = SLICE("sessions"), .patterns = patterns, .pattern_count = COUNT_OF(patterns), .policy = CACHE_SESSION};
    return testing_open_as(
        (struct cache_options){.limit_bytes = LIMIT,
                               .policy = CACHE_ALLKEYS_LFU,
                               .stores = &store,
                               .store_count = 1,
                               .changes = {removals ? note_removal : NULL, removals, CACHE_REMOVALS}});
}

static struct testing_cache open_sessions(void) { return open_sessions_told(NULL); }

static void put(struct testing_cache *t, const char *name, uint64_t expires_at_ms) {
    assert_int_equal(testing_set(t, 0, slice_from_string(name), slice_from_string(name), expires_at_ms), STATUS_OK);
}

static bool is_there(struct testing_cache *t, const char *name) {
    struct buf value;
    buf_init(&value, &memory_libc);
    struct cache_info info;
    bool found = testing_get(t, 0, slice_from_string(name), &value, &info);
    if (found)
        assert_true(slice_equal(buf_slice(&value), slice_from_string(name)));
    buf_fini(&value);
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    struct cache_sight sight;
    assert_int_equal(cache_glance(t->cache, &t->actor, &key, &sight), CACHE_GLANCE_UNSURE);
    return found;
}

static bool drop(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    return cache_delete(t->cache, &t->actor, &key);
}

static void members_go_with_their_head(void **state) {
    (void)state;
    struct testing_cache t = open_sessions();
    put(&t, "session:42", 0);
    put(&t, "session:42:csrf", 0);
    put(&t, "cart:42:1", 0);
    put(&t, "cart:42:2", 0);
    put(&t, "session:43", 0);
    put(&t, "cart:43:1", 0);
    put(&t, "user:42", 0);
    assert_true(drop(&t, "cart:42:1"));
    assert_true(is_there(&t, "session:42") && is_there(&t, "cart:42:2"));
    assert_true(drop(&t, "session:42"));
    assert_false(is_there(&t, "session:42:csrf"));
    assert_false(is_there(&t, "cart:42:2"));
    assert_true(is_there(&t, "session:43") && is_there(&t, "cart:43:1"));
    assert_int_equal(cache_count(t.cache, 0), 3);
    testing_close(&t);
}

static void an_expired_head_ends_its_session_to_the_millisecond(void **state) {
    (void)state;
    struct testing_cache t = open_sessions();
    put(&t, "session:42", t.actor.now_ms + 1000);
    put(&t, "cart:42:1", 0);
    put(&t, "cart:42:2", t.actor.now_ms + 5000);
    t.actor.now_ms += 999;
    assert_true(is_there(&t, "cart:42:1") && is_there(&t, "cart:42:2"));
    t.actor.now_ms += 1;
    assert_false(is_there(&t, "session:42"));
    assert_false(is_there(&t, "cart:42:1"));
    assert_false(is_there(&t, "cart:42:2"));
    /* What is written now belongs to a new session, or to none yet. */
    put(&t, "cart:42:2", 0);
    assert_true(is_there(&t, "cart:42:2"));
    assert_false(is_there(&t, "cart:42:1"));
    put(&t, "session:42", t.actor.now_ms + 10);
    assert_true(is_there(&t, "cart:42:2"));
    assert_int_equal(t.actor.counts.expired, 3);
    t.actor.now_ms += 100;
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    t.actor.now_ms += 60 * 1000;
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    assert_int_equal(cache_count(t.cache, 0), 0);
    assert_int_equal(t.actor.counts.expired, 5);
    testing_close(&t);
}

static void count_names(void *context, struct slice name, const struct cache_info *info) {
    (void)name, (void)info;
    ++*(uint32_t *)context;
}

static void scans_do_not_show_what_is_over(void **state) {
    (void)state;
    struct testing_cache t = open_sessions();
    put(&t, "session:42", t.actor.now_ms + 1000);
    put(&t, "cart:42:1", 0);
    put(&t, "cart:7:1", 0);
    t.actor.now_ms += 1000;
    uint32_t seen = 0;
    uint64_t cursor = 0;
    do
        cursor = cache_scan(t.cache, &t.actor, 0, cursor, 100, count_names, &seen);
    while (cursor);
    assert_int_equal(seen, 1);
    testing_close(&t);
}

static void databases_have_sessions_of_their_own(void **state) {
    (void)state;
    struct testing_cache t = open_sessions();
    put(&t, "session:42", 0);
    put(&t, "cart:42:1", 0);
    assert_int_equal(testing_set(&t, 3, SLICE("session:42"), SLICE("x"), 0), STATUS_OK);
    assert_int_equal(testing_set(&t, 3, SLICE("cart:42:1"), SLICE("y"), 0), STATUS_OK);
    struct cache_key key = cache_key(t.cache, 3, SLICE("session:42"));
    assert_true(cache_delete(t.cache, &t.actor, &key));
    assert_int_equal(cache_count(t.cache, 3), 0);
    assert_true(is_there(&t, "cart:42:1"));
    testing_close(&t);
}

static void a_session_of_hundreds_is_one_chain(void **state) {
    (void)state;
    struct testing_cache t = open_sessions();
    char name[32];
    put(&t, "session:1", 0);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "cart:1:%d", i);
        put(&t, name, 0);
        snprintf(name, sizeof name, "cart:%d:0", i + 2);
        put(&t, name, 0);
    }
    assert_true(is_there(&t, "cart:1:499"));
    assert_true(drop(&t, "session:1"));
    assert_int_equal(cache_count(t.cache, 0), 500);
    assert_true(is_there(&t, "cart:2:0"));
    testing_close(&t);
}

static void fill_session(struct testing_cache *t, int number, int count) {
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "cart:%d:%d", number, i);
        put(t, name, 0);
    }
}

/* Large and plain values, in both databases, with strangers among them; each member is told of once, with the reason of the head. */
static void a_session_of_thousands_ends_at_once(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    struct removals removals = {0};
    struct testing_cache t = open_sessions_told(&removals);
    static uint8_t large[50000];
    for (int round = 0; round < 2; round++) {
        put(&t, "session:1", round ? t.actor.now_ms + 1000 : 0);
        fill_session(&t, 1, COUNT);
        for (int i = 0; i < 200; i++) {
            char name[32];
            snprintf(name, sizeof name, "cart:%d:0", i + 2);
            put(&t, name, 0);
        }
        assert_int_equal(testing_set(&t, 0, SLICE("cart:1:0"), slice_make(large, sizeof large), 0), STATUS_OK);
        assert_int_equal(testing_set(&t, 3, SLICE("cart:1:0"), SLICE("x"), 0), STATUS_OK);
        if (round == 0) {
            assert_true(drop(&t, "session:1"));
            assert_int_equal(removals.of[CACHE_DELETED], COUNT + 1);
        } else {
            t.actor.now_ms += 1000;
            put(&t, "cart:1:new", 0);
            assert_int_equal(removals.of[CACHE_EXPIRED], COUNT + 1);
            assert_int_equal(t.actor.counts.expired, COUNT + 1);
            assert_true(is_there(&t, "cart:1:new") && drop(&t, "cart:1:new"));
        }
        assert_int_equal(cache_count(t.cache, 0), 200);
        assert_int_equal(cache_count(t.cache, 3), 1);
        assert_true(is_there(&t, "cart:100:0"));
        assert_false(is_there(&t, "cart:1:17"));
        cache_verify(t.cache, &t.actor);
    }
    testing_close(&t);
}

static struct session_state look(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    struct engine *engine = t->cache->engine;
    struct shard *shard = &engine->shards[store_shard_of(engine, key.hash)];
    return session_look(engine, shard, 0, key.name, key.hash, t->actor.now_ms);
}

static void eviction_sees_head_and_uses(void **state) {
    (void)state;
    struct testing_cache t = open_sessions();
    fill_session(&t, 1, 2 * SESSION_LOOK_BUCKETS * INDEX_CELLS);
    assert_false(look(&t, "cart:1:5").live);
    put(&t, "session:1", t.actor.now_ms + 1000);
    assert_true(look(&t, "cart:1:5").live && look(&t, "session:1").live);
    assert_false(look(&t, "cart:1:5").used);
    /* Whatever the size of the session, the head counts, and so do those that stand at the front; not all of the others. */
    assert_true(is_there(&t, "cart:1:400"));
    assert_false(look(&t, "cart:1:5").used);
    assert_true(is_there(&t, "cart:1:6"));
    assert_true(look(&t, "cart:1:5").used);
    t.actor.now_ms += 1000;
    assert_false(look(&t, "cart:1:5").live);
    fill_session(&t, 2, 2 * SESSION_LOOK_BUCKETS * INDEX_CELLS);
    put(&t, "session:2", 0);
    assert_true(is_there(&t, "session:2"));
    assert_true(look(&t, "cart:2:5").used);
    testing_close(&t);
}

static enum status stale_terms(void *context, struct actor *actor, struct slice name, struct cache_terms *terms) {
    (void)context, (void)actor, (void)name;
    terms->stale_ms = 60000;
    return STATUS_OK;
}

/* Whatever the rules say: its parts end with their session, and each is told of. */
static void nothing_is_stale_in_a_session(void **state) {
    (void)state;
    struct removals removals = {0};
    const struct cache_store store = {
        .name = SLICE("sessions"), .patterns = patterns, .pattern_count = COUNT_OF(patterns), .policy = CACHE_SESSION};
    struct testing_cache t =
        testing_open_as((struct cache_options){.limit_bytes = LIMIT,
                                               .policy = CACHE_ALLKEYS_LFU,
                                               .stores = &store,
                                               .store_count = 1,
                                               .rules = {stale_terms, NULL, "~", 0},
                                               .changes = {note_removal, &removals, CACHE_REMOVALS}});
    cache_rules_ask(t.cache, true);
    put(&t, "session:1", t.actor.now_ms + 100);
    put(&t, "cart:1:a", 0);
    put(&t, "cart:1:b", t.actor.now_ms + 100);
    put(&t, "cart:2:a", t.actor.now_ms + 100); /* of no session that has begun */
    put(&t, "other", t.actor.now_ms + 100);
    t.actor.now_ms += 300;
    for (int i = 0; i < 100 && cache_housekeep(t.cache, &t.actor); i++) {
    }
    assert_false(is_there(&t, "cart:1:a"));
    assert_int_equal(removals.of[CACHE_EXPIRED], 5);
    assert_int_equal(cache_count(t.cache, 0), 1); /* the other one, which is stale */
    testing_close(&t);
}

UNIT_TESTS(session, UNIT(nothing_is_stale_in_a_session), UNIT(members_go_with_their_head),
           UNIT(an_expired_head_ends_its_session_to_the_millisecond), UNIT(scans_do_not_show_what_is_over),
           UNIT(databases_have_sessions_of_their_own), UNIT(a_session_of_hundreds_is_one_chain),
           UNIT(a_session_of_thousands_ends_at_once), UNIT(eviction_sees_head_and_uses));
