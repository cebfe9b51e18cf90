/* A CACHE_NOTHING: known not to exist. No call finds it, whatever writes begins anew, and it goes as values do. */
#include "core/cache/cache_fixture.h"

enum { LIMIT = 1 << 20 };

static void edit(struct testing_cache *t, const char *name, struct cache_edit *ret_edit) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    cache_edit_begin(t->cache, &t->actor, &key, ret_edit);
}

static void set_nothing(struct testing_cache *t, const char *name, uint64_t expires_at_ms, const char *tag) {
    struct cache_edit e;
    struct slice tags[] = {slice_from_string(tag)};
    edit(t, name, &e);
    e.tags = tags;
    e.tag_count = tag[0] != 0;
    assert_int_equal(cache_edit_set(&e, CACHE_NOTHING, SLICE(""), expires_at_ms), STATUS_OK);
    assert_true(!e.found && e.nothing);
    cache_edit_end(&e);
}

/* Found, nothing, or neither; by a read and by an edit, which have to agree. */
static char look(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    struct buf value;
    buf_init(&value, &memory_libc);
    struct cache_read read = {.size_max = UINT64_MAX, .reserve = testing_reserve, .context = &value};
    struct cache_edit e;
    bool found;
    assert_int_equal(cache_get(t->cache, &t->actor, &key, &read, &found), STATUS_OK);
    edit(t, name, &e);
    assert_true(e.found == found && (found || e.nothing == read.nothing));
    cache_edit_end(&e);
    buf_fini(&value);
    return found ? 'f' : read.nothing ? 'n' : '-';
}

static void count_one(void *context, struct slice name, const struct cache_info *info) {
    (void)name, (void)info;
    ++*(uint32_t *)context;
}

static void no_call_finds_it(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    struct cache_info info;
    struct cache_sight sight;
    uint8_t room[16], name[CACHE_KEY_SIZE_MAX];
    size_t name_size;
    uint32_t seen = 0;
    assert_int_equal(look(&t, "k"), '-');
    set_nothing(&t, "k", 0, "");
    assert_int_equal(look(&t, "k"), 'n');
    assert_false(cache_find(t.cache, &t.actor, &key, true, &info));
    assert_int_equal(cache_glance(t.cache, &t.actor, &key, &sight), CACHE_GLANCE_UNSURE);
    struct cache_wish wish = {.name = SLICE("k"), .to = room, .room = sizeof room};
    cache_glance_many(t.cache, &t.actor, 0, &wish, 1);
    assert_int_equal(wish.answer, CACHE_GLANCE_UNSURE);
    assert_int_equal(cache_scan(t.cache, &t.actor, 0, 0, 1000, count_one, &seen), 0);
    assert_int_equal(seen, 0);
    assert_false(cache_random_key(t.cache, &t.actor, 0, 7, name, &name_size));
    assert_false(cache_watch_begin(t.cache, &t.actor, &key).existed);
    cache_watch_end(t.cache);
    assert_int_equal(cache_count(t.cache, 0), 1);
    testing_close(&t);
}

static void whatever_writes_begins_anew(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_edit e, from;
    struct cache_info info;
    struct buf value;
    buf_init(&value, &memory_libc);
    set_nothing(&t, "set", t.actor.now_ms + 1000, "t");
    assert_int_equal(testing_set(&t, 0, SLICE("set"), SLICE("1"), 0), STATUS_OK);
    assert_true(testing_get(&t, 0, SLICE("set"), &value, &info) && info.expires_at_ms == 0);
    set_nothing(&t, "patch", t.actor.now_ms + 1000, "t");
    edit(&t, "patch", &e);
    assert_int_equal(cache_edit_patch(&e, 2, SLICE("x")), STATUS_OK);
    assert_true(e.found && !e.nothing && e.size == 3 && e.expires_at_ms == 0);
    cache_edit_end(&e);
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("t")), 0);
    set_nothing(&t, "copy", 0, "t");
    struct cache_key keys[] = {cache_key(t.cache, 0, SLICE("patch")), cache_key(t.cache, 0, SLICE("copy"))};
    cache_lock_keys(t.cache, &t.actor, keys, 2, 0);
    edit(&t, "patch", &from);
    edit(&t, "copy", &e);
    assert_int_equal(cache_edit_copy(&from, &e, 0), STATUS_OK);
    cache_edit_end(&e);
    cache_edit_end(&from);
    cache_unlock(t.cache, &t.actor);
    assert_int_equal(look(&t, "copy"), 'f');
    assert_int_equal(look(&t, "patch"), 'f');
    buf_fini(&value);
    testing_close(&t);
}

static void it_goes_as_values_do(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    set_nothing(&t, "k", 0, "");
    assert_false(cache_delete(t.cache, &t.actor, &key)); /* there was none */
    assert_int_equal(look(&t, "k"), '-');
    assert_int_equal(cache_count(t.cache, 0), 0);
    set_nothing(&t, "k", t.actor.now_ms + 10, "");
    t.actor.now_ms += 10;
    assert_int_equal(look(&t, "k"), '-');
    set_nothing(&t, "k", 0, "t");
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("t")), 1);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("t")), 1);
    assert_int_equal(look(&t, "k"), '-');
    set_nothing(&t, "k", 0, "t");
    cache_flush(t.cache, &t.actor, 0);
    assert_int_equal(look(&t, "k"), '-');
    testing_close(&t);
}

/* A check that invalidates tags itself, as somebody else may at that moment. */
struct asked {
    struct testing_cache *t;
    uint64_t version;
    uint32_t tag_count;
    enum status answer;
};

static enum status check(void *context, const struct slice *tags, uint32_t tag_count, uint64_t *ret_version) {
    struct asked *asked = context;
    asked->tag_count = tag_count;
    for (uint32_t i = 0; i < tag_count; i++)
        assert_true(slice_equal(tags[i], SLICE("t")) || slice_equal(tags[i], SLICE("u")));
    *ret_version = asked->version;
    return asked->answer;
}

static enum status set_checked(struct testing_cache *t, const char *name, struct asked *asked) {
    struct slice tags[] = {SLICE("t"), SLICE("u"), SLICE("t")};
    struct cache_edit e;
    edit(t, name, &e);
    e.tags = tags;
    e.tag_count = 3;
    e.check = &(struct cache_check){check, asked};
    enum status status = cache_edit_set(&e, CACHE_STRING, SLICE("v"), 0);
    assert_true(status != STATUS_OK || e.version == asked->version);
    cache_edit_end(&e);
    return status;
}

/* What a check lets pass is as old as it says; what it does not changes nothing. */
static void what_is_checked_is_as_old_as_it_says(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct asked asked = {.t = &t};
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    asked.version = cache_stamp(t.cache);
    assert_int_equal(set_checked(&t, "k", &asked), STATUS_OK);
    assert_int_equal(asked.tag_count, 2);
    assert_int_equal(look(&t, "k"), 'f');
    asked.version = cache_stamp(t.cache);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("u")), 1);
    /* The record is there still, as nobody has come across the entry: it tells of the invalidation. */
    assert_int_equal(set_checked(&t, "other", &asked), STATUS_OK);
    assert_int_equal(look(&t, "other"), '-');
    asked.version = cache_stamp(t.cache);
    assert_int_equal(set_checked(&t, "k", &asked), STATUS_OK);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("t")), 1);
    assert_int_equal(look(&t, "k"), '-');
    asked.answer = STATUS_INVALID;
    assert_int_equal(set_checked(&t, "k", &asked), STATUS_INVALID);
    assert_int_equal(look(&t, "k"), '-');
    assert_int_equal(testing_set(&t, 0, SLICE("k"), SLICE("old"), 0), STATUS_OK);
    assert_int_equal(set_checked(&t, "k", &asked), STATUS_INVALID);
    assert_int_equal(look(&t, "k"), 'f');
    (void)cache_delete(t.cache, &t.actor, &key);
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    assert_int_equal(stats.tags, 0);
    testing_close(&t);
}

/* That there was nothing is of no use to anybody once its time is over. */
static void nothing_is_never_stale(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_edit e;
    edit(&t, "k", &e);
    e.set_stale_ms = 60000;
    assert_int_equal(cache_edit_set(&e, CACHE_NOTHING, SLICE(""), t.actor.now_ms + 100), STATUS_OK);
    cache_edit_end(&e);
    assert_int_equal(look(&t, "k"), 'n');
    t.actor.now_ms += 300;
    for (int i = 0; i < 100 && cache_housekeep(t.cache, &t.actor); i++) {
    }
    assert_int_equal(cache_count(t.cache, 0), 0);
    assert_int_equal(t.actor.counts.expired, 1);
    testing_close(&t);
}

UNIT_TESTS(nothing, UNIT(nothing_is_never_stale), UNIT(no_call_finds_it), UNIT(whatever_writes_begins_anew),
           UNIT(it_goes_as_values_do), UNIT(what_is_checked_is_as_old_as_it_says));
