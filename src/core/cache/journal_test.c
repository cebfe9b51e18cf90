#include "core/cache/journal_fixture.h"

#define LIMIT (2 * 1024 * 1024)

static const struct cache_options plain = {.limit_bytes = LIMIT, .shards = 2, .policy = CACHE_ALLKEYS_LRU};

/* Both ways: what is the same, and how many bytes and records that took. */
static void check_same(struct testing_cache *a, struct testing_cache *b, uint32_t db, const char *name) {
    struct seen x = {.found = false}, y = x;
    buf_init(&x.value, &memory_libc);
    buf_init(&y.value, &memory_libc);
    testing_see(a, db, slice_from_string(name), &x);
    testing_see(b, db, slice_from_string(name), &y);
    const char *difference = testing_difference(&x, &y);
    if (difference)
        fail_msg("key %s: %s", name, difference);
    buf_fini(&x.value);
    buf_fini(&y.value);
}

static bool is_there(struct testing_cache *t, uint32_t db, const char *name) {
    struct buf value;
    buf_init(&value, &memory_libc);
    bool found = testing_get(t, db, slice_from_string(name), &value, NULL);
    buf_fini(&value);
    return found;
}

static void set(struct testing_cache *t, const char *name, const char *value, uint64_t expires_at_ms) {
    assert_int_equal(testing_set(t, 0, slice_from_string(name), slice_from_string(value), expires_at_ms), STATUS_OK);
}

static void begin(struct testing_cache *t, const char *name, struct cache_edit *ret_edit) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    cache_edit_begin(t->cache, &t->actor, &key, ret_edit);
}

static void set_tagged(struct testing_cache *t, const char *name, const char *value, const char *tag) {
    struct cache_edit edit;
    struct slice tags[] = {slice_from_string(tag)};
    begin(t, name, &edit);
    edit.tags = tags;
    edit.tag_count = 1;
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, slice_from_string(value), 0), STATUS_OK);
    cache_edit_end(&edit);
}

static void what_was_written_comes_back(void **state) {
    (void)state;
    struct testing_log log;
    struct testing_cache t = testing_open_logged(plain, &log);
    struct cache_edit edit;
    set(&t, "plain", "1", 0);
    set(&t, "expiring", "2", t.actor.now_ms + 1000);
    set(&t, "gone", "3", 0);
    set_tagged(&t, "tagged", "4", "t");
    set_tagged(&t, "dead", "5", "u");
    struct cache_key gone = cache_key(t.cache, 0, SLICE("gone"));
    assert_true(cache_delete(t.cache, &t.actor, &gone));
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("u")), 1);
    begin(&t, "plain", &edit);
    assert_int_equal(cache_edit_patch(&edit, 3, SLICE("xyz")), STATUS_OK);
    assert_int_equal(cache_edit_expire(&edit, t.actor.now_ms + 5), STATUS_OK);
    cache_edit_end(&edit);
    struct cache_replay replay = {.note = NULL};
    struct testing_cache r = testing_recover(plain, &log, t.actor.now_ms, &replay, NULL);
    for (const char *const *name = (const char *const[]){"plain", "expiring", "gone", "tagged", "dead", NULL}; *name;
         name++)
        check_same(&t, &r, 0, *name);
    assert_true(is_there(&r, 0, "plain") && is_there(&r, 0, "expiring") && is_there(&r, 0, "tagged"));
    assert_false(is_there(&r, 0, "gone") || is_there(&r, 0, "dead"));
    testing_close(&r);
    testing_close_logged(&t, &log);
}

/* What the log tells again of the dump's time must not expire by the time at which the dump ended: it may have been given another time since. */
static void slow_dump_lets_nothing_expire(void **state) {
    (void)state;
    struct testing_log log;
    struct testing_cache t = testing_open_logged(plain, &log);
    struct cache_dump dump;
    struct cache_edit edit;
    struct buf record;
    buf_init(&record, &memory_libc);
    uint64_t begun_ms = t.actor.now_ms;
    set(&t, "other", "0", 0);
    cache_dump_begin(t.cache, &t.actor, &dump);
    log.tags_from = dump.tags_from;
    log.from = dump.from;
    assert_true(log_dump_step(&log, &dump, &t.actor, &record));
    set(&t, "prolonged", "1", begun_ms + 1000);
    for (int i = 0; i < 1000; i++)
        set(&t, "other", i % 2 ? "1" : "2", 0);
    begin(&t, "prolonged", &edit);
    assert_int_equal(cache_edit_expire(&edit, begun_ms + 3600000), STATUS_OK);
    cache_edit_end(&edit);
    t.actor.now_ms += 600000;
    while (log_dump_step(&log, &dump, &t.actor, &record))
        ;
    cache_dump_end(&dump, &t.actor);
    struct cache_replay replay = {.note = NULL};
    struct testing_cache r = testing_recover(plain, &log, t.actor.now_ms, &replay, NULL);
    assert_true(is_there(&r, 0, "prolonged"));
    check_same(&t, &r, 0, "prolonged");
    testing_close(&r);
    testing_close_logged(&t, &log);
    buf_fini(&record);
}

UNIT_TESTS(journal, UNIT(what_was_written_comes_back), UNIT(slow_dump_lets_nothing_expire));
