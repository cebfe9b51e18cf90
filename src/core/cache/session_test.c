#include <stdio.h>

#include "core/cache/cache_fixture.h"

enum { MIB = 1 << 20, LIMIT = 4 * MIB };

static const struct slice patterns[] = {{(const uint8_t *)"cart:{sid}:*", 12},
                                        {(const uint8_t *)"session:{sid}", 13},
                                        {(const uint8_t *)"session:{sid}:csrf", 18}};

static struct testing_cache open_sessions(void) {
    const struct cache_store store = {
        .name = SLICE("sessions"), .patterns = patterns, .pattern_count = COUNT_OF(patterns), .policy = CACHE_SESSION};
    struct testing_cache t = {.actor = {.id = 2, .now_ms = 1700000000000u}, .range_size = 2 * LIMIT};
    t.range = mmap(NULL, t.range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(t.range != MAP_FAILED);
    struct cache_options options = {
        .range = t.range,
        .range_size = t.range_size,
        .limit_bytes = LIMIT,
        .policy = CACHE_ALLKEYS_LFU,
        .seed = unit_seed(),
        .waiting = {testing_wait, testing_wake, NULL},
        .memory = &memory_libc,
        .stores = &store,
        .store_count = 1,
    };
    assert_int_equal(cache_open(&options, &t.cache), STATUS_OK);
    return t;
}

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

UNIT_TESTS(session, UNIT(members_go_with_their_head), UNIT(an_expired_head_ends_its_session_to_the_millisecond),
           UNIT(scans_do_not_show_what_is_over), UNIT(databases_have_sessions_of_their_own),
           UNIT(a_session_of_hundreds_is_one_chain));
