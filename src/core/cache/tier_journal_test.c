/* core/cache/tier_journal_test.c: what the tier loses is told to nobody; a restart must not bring back what was deleted or invalidated afterwards. */
#include "core/cache/journal_fixture.h"
#include "core/cache/tier_fixture.h"

static const struct cache_options plain = {
    .limit_bytes = 2 << 20, .shards = 2, .policy = CACHE_ALLKEYS_LFU, .tiered = true, .seed = 1};

struct scene {
    struct testing_cache t;
    struct testing_log log;
    struct keeper *keeper;
};

static void open_scene(struct scene *scene) {
    scene->t = testing_open_logged(plain, &scene->log);
    scene->keeper = keeper_new(unit_seed(), KEEPER_SLOTS);
    keeper_attach(scene->keeper, &scene->t, 1 << 20);
}

/* A cache made again of the log, in which the tier's file begins anew. */
static struct testing_cache restart(struct scene *scene) {
    struct cache_replay replay = {.note = NULL};
    return testing_recover(plain, &scene->log, scene->t.actor.now_ms, &replay, NULL);
}

static void close_scene(struct scene *scene) {
    cache_journal_set(scene->t.cache, &scene->t.actor, NULL);
    cache_journal_forget(scene->t.cache, &scene->t.actor);
    testing_close(&scene->t);
    log_fini(&scene->log);
    keeper_free(scene->keeper);
}

static struct cache_key key_of(const struct scene *scene, const char *name) {
    return cache_key(scene->t.cache, 0, slice_from_string(name));
}

/* Written with a tag, and gone down. */
static void set_down(struct scene *scene, const char *name, const char *tag) {
    struct cache_key key = key_of(scene, name);
    struct slice tags[] = {slice_from_string(tag)};
    struct cache_edit edit;
    bool done;
    cache_edit_begin(scene->t.cache, &scene->t.actor, &key, &edit);
    edit.tags = tags;
    edit.tag_count = 1;
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("value"), 0), STATUS_OK);
    cache_edit_end(&edit);
    assert_int_equal(cache_tier_demote(scene->t.cache, &scene->t.actor, &key, &done), STATUS_OK);
    assert_true(done);
}

/* The file makes room: all that is down is lost. */
static void lose_all(struct scene *scene) {
    while (cache_tier_holds_any(scene->t.cache))
        keeper_turn(scene->keeper, scene->t.cache, &scene->t.actor, false);
}

static bool is_there(struct testing_cache *t, const char *name) {
    struct buf value;
    buf_init(&value, &memory_libc);
    bool found = testing_get(t, 0, slice_from_string(name), &value, NULL);
    buf_fini(&value);
    return found;
}

static void what_was_deleted_stays_deleted(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    set_down(&scene, "kept", "t");
    set_down(&scene, "lost", "t");
    lose_all(&scene);
    set_down(&scene, "below", "t");
    struct cache_key lost = key_of(&scene, "lost"), below = key_of(&scene, "below");
    assert_false(cache_delete(scene.t.cache, &scene.t.actor, &lost)); /* nothing is there: but the log knows it */
    assert_false(cache_delete(scene.t.cache, &scene.t.actor, &below));
    struct testing_cache again = restart(&scene);
    assert_true(is_there(&again, "kept"));
    assert_false(is_there(&again, "lost"));
    assert_false(is_there(&again, "below"));
    testing_close(&again);
    close_scene(&scene);
}

static void what_was_invalidated_stays_so(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    set_down(&scene, "hard", "t");
    set_down(&scene, "soft", "u");
    set_down(&scene, "other", "v");
    lose_all(&scene);
    assert_int_equal(cache_tag_invalidate(scene.t.cache, &scene.t.actor, SLICE("t")), 0); /* nobody bears it here */
    assert_int_equal(cache_tag_soften(scene.t.cache, &scene.t.actor, SLICE("u")), 0);
    struct testing_cache again = restart(&scene);
    assert_false(is_there(&again, "hard"));
    assert_false(is_there(&again, "soft"));
    assert_true(is_there(&again, "other"));
    testing_close(&again);
    close_scene(&scene);
}

static void searched_pattern_reaches_what_the_tier_has_lost(void **state) {
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    uint32_t place = cache_place_of(cache, 0);
    set_down(&scene, "a:1", "t");
    set_down(&scene, "b:1", "t");
    lose_all(&scene);
    assert_int_equal(cache_tier_ban(cache, &scene.t.actor, place, SLICE("a:*")), STATUS_OK);
    set_down(&scene, "a:2", "t");
    struct testing_cache again = restart(&scene);
    assert_false(is_there(&again, "a:1"));
    assert_true(is_there(&again, "a:2") && is_there(&again, "b:1"));
    testing_close(&again);
    cache_tier_clear_place(cache, &scene.t.actor, place);
    assert_int_equal(testing_set(&scene.t, 0, SLICE("c"), SLICE("1"), 0), STATUS_OK);
    again = restart(&scene);
    assert_false(is_there(&again, "a:2") || is_there(&again, "b:1"));
    assert_true(is_there(&again, "c"));
    testing_close(&again);
    close_scene(&scene);
}

/* What is written without a stamp has none in a replay either. */
static void what_came_behind_a_search_dies_by_the_next_one(void **state) {
    struct scene scene;
    bool done;
    (void)state;
    open_scene(&scene);
    struct cache *cache = scene.t.cache;
    uint32_t place = cache_place_of(cache, 0);
    set_down(&scene, "b", "t");
    for (int by_pattern = 0; by_pattern < 2; by_pattern++) {
        struct cache_key first = key_of(&scene, "a:1");
        if (by_pattern)
            assert_int_equal(cache_tier_ban(cache, &scene.t.actor, place, SLICE("a:*")), STATUS_OK);
        else
            cache_tier_clear_place(cache, &scene.t.actor, place);
        for (int i = 0; i < 5; i++)
            assert_int_equal(testing_set(&scene.t, 0, SLICE("a:1"), SLICE("1"), 0), STATUS_OK);
        assert_int_equal(cache_tier_demote(cache, &scene.t.actor, &first, &done), STATUS_OK);
        assert_true(done);
        lose_all(&scene);
        assert_int_equal(testing_set(&scene.t, 0, SLICE("c"), SLICE("1"), 0), STATUS_OK);
        struct testing_cache again = restart(&scene);
        assert_true(is_there(&again, "a:1") && is_there(&again, "c"));
        testing_close(&again);
        assert_int_equal(cache_tier_ban(cache, &scene.t.actor, place, SLICE("a:*")), STATUS_OK);
        again = restart(&scene);
        assert_true(!is_there(&again, "a:1") && is_there(&again, "c"));
        testing_close(&again);
    }
    close_scene(&scene);
}

static void coming_up_is_written_and_going_down_is_not(void **state) {
    struct scene scene;
    struct cache_info info;
    struct buf value;
    (void)state;
    buf_init(&value, &memory_libc);
    open_scene(&scene);
    struct cache_key key = cache_key(scene.t.cache, 0, SLICE("k"));
    bool done;
    set_down(&scene, "k", "t");
    size_t count = log_count(&scene.log);
    for (int i = 0; i < 3; i++)
        assert_int_not_equal(testing_fetch(&scene.t, scene.keeper, 0, SLICE("k"), false, &value, &info), FETCHED_MISS);
    assert_true(is_there(&scene.t, "k"));
    assert_int_equal(log_count(&scene.log), count + 1);
    assert_int_equal(cache_tier_demote(scene.t.cache, &scene.t.actor, &key, &done), STATUS_OK);
    assert_true(done);
    assert_int_equal(log_count(&scene.log), count + 1);
    buf_fini(&value);
    close_scene(&scene);
}

UNIT_TESTS(tier_journal, UNIT(what_was_deleted_stays_deleted), UNIT(what_was_invalidated_stays_so),
           UNIT(searched_pattern_reaches_what_the_tier_has_lost), UNIT(what_came_behind_a_search_dies_by_the_next_one),
           UNIT(coming_up_is_written_and_going_down_is_not));
