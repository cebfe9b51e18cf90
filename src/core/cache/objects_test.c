/* core/cache/objects_test.c: entries that own objects, through everything that may make an entry go. */
#include "core/cache/cache_fixture.h"
#include "core/store/list_fixture.h"

static struct testing_cache open_with_lists(uint64_t limit_bytes, uint32_t shards, enum cache_policy policy) {
    struct testing_cache t = testing_open(limit_bytes, shards, policy);
    t.cache->engine->owner = &list_owner;
    return t;
}

static struct slice name_of(uint32_t i) {
    static char text[32];
    return slice_make(text, (size_t)snprintf(text, sizeof text, "list:%u", i));
}

/* A list of `count` nodes of 50 bytes under a name. */
static enum status make_list(struct testing_cache *t, uint32_t db, uint32_t i, uint32_t count, uint64_t expires_at_ms) {
    struct engine *engine = t->cache->engine;
    struct cache_key key = cache_key(t->cache, db, name_of(i));
    struct cache_edit edit;
    uint8_t bytes[50] = {(uint8_t)i};
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    struct shard *shard = &engine->shards[edit.shard];
    struct store_key name = {key.name, key.hash, key.place, NULL, NULL, 0};
    enum status status = list_put(engine, &t->actor, shard, &name, CACHE_OBJECT, spot_of(&edit));
    if (status == STATUS_OK) {
        struct object_root root = store_root(engine, spot_of(&edit));
        while (count-- && list_push(engine, &t->actor, shard, &root, slice_make(bytes, sizeof bytes)))
            continue;
        store_root_set(engine, &t->actor, shard, spot_of(&edit), &root);
    }
    cache_edit_end(&edit);
    if (status == STATUS_OK && expires_at_ms) {
        cache_edit_begin(t->cache, &t->actor, &key, &edit);
        status = cache_edit_expire(&edit, expires_at_ms);
        cache_edit_end(&edit);
    }
    return status;
}

static uint64_t objects_live(struct testing_cache *t) {
    uint64_t live = 0;
    for (uint32_t i = 0; i < t->cache->engine->shard_count; i++)
        live += t->cache->engine->shards[i].objects.live;
    return live;
}

static void objects_go_when_their_entry_is_overwritten_or_deleted(void **state) {
    (void)state;
    struct testing_cache t = open_with_lists(64u << 20, 4, CACHE_NOEVICTION);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(make_list(&t, 0, i, 100, 0), STATUS_OK);
    uint64_t live = objects_live(&t);
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    assert_true(live > 20 * 100 * 62 && stats.live_bytes > live);
    for (uint32_t i = 0; i < 20; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        struct cache_info info;
        assert_true(cache_find(t.cache, &t.actor, &key, false, &info));
        assert_int_equal(info.type, CACHE_OBJECT);
        assert_true(info.charged_bytes > live / 20);
        if (i % 3 == 0)
            assert_int_equal(testing_set(&t, 0, name_of(i), SLICE("string"), 0), STATUS_OK);
        else if (i % 3 == 1)
            assert_true(cache_delete(t.cache, &t.actor, &key));
        else
            assert_int_equal(make_list(&t, 0, i, 0, 0), STATUS_OK);
        cache_verify(t.cache, &t.actor);
    }
    assert_true(objects_live(&t) < live / 50);
    testing_close(&t);
}

static void expiry_keeps_objects_until_they_expire(void **state) {
    (void)state;
    struct testing_cache t = open_with_lists(64u << 20, 2, CACHE_NOEVICTION);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(make_list(&t, 0, i, 30, t.actor.now_ms + 1000), STATUS_OK);
    uint64_t live = objects_live(&t);
    assert_true(live > 50 * 30 * 62);
    cache_verify(t.cache, &t.actor);
    t.actor.now_ms += 1000;
    struct cache_key key = cache_key(t.cache, 0, name_of(0));
    struct cache_edit edit; /* one by being looked at */
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_false(edit.found);
    cache_edit_end(&edit);
    assert_true(objects_live(&t) < live);
    t.actor.now_ms += 1000;
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    assert_int_equal(objects_live(&t), 0);
    assert_int_equal(cache_count(t.cache, 0), 0);
    testing_close(&t);
}

static void eviction_frees_objects(void **state) {
    (void)state;
    struct testing_cache t = open_with_lists(4u << 20, 1, CACHE_ALLKEYS_LFU);
    for (uint32_t i = 0; i < 3000; i++)
        assert_int_equal(make_list(&t, 0, i, 60, 0), STATUS_OK);
    assert_true(t.actor.counts.evicted > 1000);
    assert_true(cache_count(t.cache, 0) + t.actor.counts.evicted == 3000);
    assert_true(objects_live(&t) < 4u << 20);
    assert_true(objects_live(&t) > 2u << 20);
    testing_close(&t);
}

static void flush_frees_objects(void **state) {
    (void)state;
    struct testing_cache t = open_with_lists(64u << 20, 2, CACHE_NOEVICTION);
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(make_list(&t, i % 3, i, 30, 0), STATUS_OK);
    uint64_t live = objects_live(&t);
    cache_flush(t.cache, &t.actor, 1);
    assert_int_equal(objects_live(&t), live / 3 * 2);
    cache_verify(t.cache, &t.actor);
    cache_swap(t.cache, &t.actor, 0, 2);
    cache_verify(t.cache, &t.actor);
    cache_flush_all(t.cache, &t.actor);
    assert_int_equal(objects_live(&t), 0);
    testing_close(&t);
}

static void only_the_owner_changes_or_copies_objects(void **state) {
    (void)state;
    struct testing_cache t = open_with_lists(64u << 20, 1, CACHE_NOEVICTION);
    assert_int_equal(make_list(&t, 0, 1, 3, 0), STATUS_OK);
    struct cache_key keys[2] = {cache_key(t.cache, 0, SLICE("list:1")), cache_key(t.cache, 0, SLICE("other"))};
    struct cache_edit from, to;
    cache_lock_keys(t.cache, &t.actor, keys, 2, 0);
    cache_edit_begin(t.cache, &t.actor, &keys[0], &from);
    cache_edit_begin(t.cache, &t.actor, &keys[1], &to);
    assert_int_equal(cache_edit_patch(&from, 0, SLICE("x")), STATUS_INVALID);
    assert_int_equal(cache_edit_copy(&from, &to, 0), STATUS_INVALID);
    assert_false(to.found);
    cache_edit_end(&from);
    cache_edit_end(&to);
    cache_unlock(t.cache, &t.actor);
    testing_close(&t);
}

/* Lists that are dropped here and there leave room that the pool gets back when it is needed. */
static void reclaim_moves_objects_together(void **state) {
    (void)state;
    struct testing_cache t = open_with_lists(4u << 20, 1, CACHE_NOEVICTION);
    uint32_t count = 0;
    while (make_list(&t, 0, count, 20, 0) == STATUS_OK && objects_live(&t) < 3u << 20)
        count++;
    for (uint32_t i = 0; i < count; i++) {
        struct cache_key key = cache_key(t.cache, 0, name_of(i));
        if (i % 4)
            (void)cache_delete(t.cache, &t.actor, &key);
    }
    uint8_t bytes[1000] = {7};
    for (uint32_t i = 0; i < 1500; i++) {
        char name[16];
        struct slice text = slice_make(name, (size_t)snprintf(name, sizeof name, "string %u", i));
        assert_int_equal(testing_set(&t, 0, text, slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    }
    assert_true(t.actor.counts.copied_bytes > 0);
    testing_close(&t);
}

UNIT_TESTS(objects, UNIT(objects_go_when_their_entry_is_overwritten_or_deleted),
           UNIT(expiry_keeps_objects_until_they_expire), UNIT(eviction_frees_objects), UNIT(flush_frees_objects),
           UNIT(only_the_owner_changes_or_copies_objects), UNIT(reclaim_moves_objects_together));
