/* Every change of an entry is told of once, by the kind that was asked for, and by nothing else. */
#include "core/cache/cache_fixture.h"

enum { LIMIT = 1 << 20, ALL = ((1 << (CACHE_NOTHING_DELETED + 1)) - 1) | 1 << CACHE_MISSED | 1 << CACHE_RETAGGED };

/* What was told since the last look, as text: "created:a deleted:b ". */
struct told {
    char text[512];
    size_t size;
};

static void note(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    static const char *const words[] = {
        "deleted", "replaced", "expired",         "evicted", "invalidated", "created",       "patched", "expiry set",
        "flushed", "tag",      "nothing deleted", "swapped", "tag going",   "pattern going", "missed",  "retagged"};
    struct told *told = context;
    (void)actor;
    assert_true(change < COUNT_OF(words));
    told->size += (size_t)snprintf(told->text + told->size, sizeof told->text - told->size, "%s:%.*s", words[change],
                                   (int)name.size, name.size ? (const char *)name.data : "");
    if (db != 0)
        told->size += (size_t)snprintf(told->text + told->size, sizeof told->text - told->size, "@%u", db);
    told->size += (size_t)snprintf(told->text + told->size, sizeof told->text - told->size, " ");
    assert_true(told->size < sizeof told->text);
}

static struct testing_cache open_told(struct told *told, uint32_t wanted) {
    return testing_open_as(
        (struct cache_options){.limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .changes = {note, told, wanted}});
}

static void expect(struct told *told, const char *text) {
    assert_string_equal(told->text, text);
    told->size = 0;
    told->text[0] = 0;
}

static void set(struct testing_cache *t, const char *name, const char *value, uint64_t expires_at_ms) {
    assert_int_equal(testing_set(t, 0, slice_from_string(name), slice_from_string(value), expires_at_ms), STATUS_OK);
}

static void edit(struct testing_cache *t, const char *name, struct cache_edit *ret_edit) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    cache_edit_begin(t->cache, &t->actor, &key, ret_edit);
}

static void every_kind_of_write_is_told_once(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    struct cache_edit e, other;
    set(&t, "a", "1", 0);
    expect(&told, "created:a ");
    set(&t, "a", "2", 0); /* in place */
    expect(&told, "replaced:a ");
    set(&t, "a", "twenty-two", 0); /* elsewhere */
    expect(&told, "replaced:a ");
    edit(&t, "a", &e);
    assert_int_equal(cache_edit_patch(&e, 3, SLICE("x")), STATUS_OK);
    expect(&told, "patched:a ");
    assert_int_equal(cache_edit_expire(&e, t.actor.now_ms + 10), STATUS_OK);
    expect(&told, "expiry set:a ");
    assert_int_equal(cache_edit_change(&e, SLICE("3")), STATUS_OK);
    expect(&told, "replaced:a ");
    assert_int_equal(cache_edit_version(&e), STATUS_OK);
    expect(&told, "");
    cache_edit_end(&e);
    edit(&t, "b", &e);
    assert_int_equal(cache_edit_patch(&e, 2, SLICE("new")), STATUS_OK);
    cache_edit_end(&e);
    expect(&told, "created:b ");
    struct cache_key keys[] = {cache_key(t.cache, 0, SLICE("a")), cache_key(t.cache, 0, SLICE("b"))};
    cache_lock_keys(t.cache, &t.actor, keys, 2, 0);
    edit(&t, "a", &e);
    edit(&t, "b", &other);
    assert_int_equal(cache_edit_copy(&e, &other, 0), STATUS_OK);
    expect(&told, "replaced:b ");
    cache_edit_delete(&e);
    cache_edit_delete(&e); /* is gone already */
    cache_edit_end(&e);
    cache_edit_end(&other);
    cache_unlock(t.cache, &t.actor);
    expect(&told, "deleted:a nothing deleted:a ");
    testing_close(&t);
}

static void large_values_as_well(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    static uint8_t bytes[20000];
    struct cache_edit e;
    assert_int_equal(testing_set(&t, 0, SLICE("l"), slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    expect(&told, "created:l ");
    assert_int_equal(testing_set(&t, 0, SLICE("l"), slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    expect(&told, "replaced:l ");
    edit(&t, "l", &e);
    assert_int_equal(cache_edit_patch(&e, 100, SLICE("x")), STATUS_OK); /* where it stands */
    cache_edit_end(&e);
    expect(&told, "patched:l ");
    struct buf value;
    buf_init(&value, &memory_libc);
    struct cache_key key = cache_key(t.cache, 0, SLICE("l"));
    struct cache_read read = {.size_max = UINT64_MAX, .pin_min = 1, .reserve = testing_reserve, .context = &value};
    bool found;
    assert_int_equal(cache_get(t.cache, &t.actor, &key, &read, &found), STATUS_OK);
    assert_true(found && read.pin.first);
    edit(&t, "l", &e);
    assert_int_equal(cache_edit_patch(&e, 100, SLICE("y")), STATUS_OK); /* somebody reads it: in a chain of its own */
    cache_edit_end(&e);
    cache_unpin(t.cache, &t.actor, read.pin);
    expect(&told, "patched:l ");
    buf_fini(&value);
    testing_close(&t);
}

static void what_goes_by_itself_is_told_when_it_is_found(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    struct cache_edit e;
    set(&t, "a", "1", t.actor.now_ms + 5);
    t.actor.now_ms += 5;
    edit(&t, "a", &e);
    assert_false(e.found);
    cache_edit_end(&e);
    expect(&told, "created:a expired:a ");
    struct slice tag = SLICE("red");
    edit(&t, "b", &e);
    e.tags = &tag;
    e.tag_count = 1;
    assert_int_equal(cache_edit_set(&e, CACHE_STRING, SLICE("1"), 0), STATUS_OK);
    cache_edit_end(&e);
    expect(&told, "created:b ");
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, tag), 1);
    expect(&told, "tag:red@16 ");
    set(&t, "b", "2", 0);
    expect(&told, "invalidated:b created:b ");
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("none")), 0);
    expect(&told, "tag:none@16 "); /* somebody may have copies of what is no longer here */
    testing_close(&t);
}

static void flushes_are_told_of_without_names_of_keys(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    cache_swap(t.cache, &t.actor, 0, 3);
    set(&t, "a", "1", 0);
    expect(&told, "created:a@3 ");
    assert_int_equal(cache_db_of(t.cache, 3), 0);
    assert_int_equal(cache_db_of(t.cache, 0), 3);
    cache_flush(t.cache, &t.actor, 0);
    expect(&told, "flushed:@3 ");
    cache_flush_all(t.cache, &t.actor);
    expect(&told, "flushed:@16 ");
    cache_store_flush(t.cache, &t.actor, 0);
    expect(&told, "flushed:default@16 ");
    testing_close(&t);
}

static void whoever_asks_hears_of_tags_before_and_of_swaps(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(
        &told, 1 << CACHE_TAG_INVALIDATED | 1 << CACHE_TAG_GOING | 1 << CACHE_SWAPPED | 1 << CACHE_PATTERN_GOING);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("red")), 0);
    expect(&told, "tag going:red@16 tag:red@16 ");
    cache_swap(t.cache, &t.actor, 0, 3);
    expect(&told, "swapped: swapped:@3 ");
    cache_tell_pattern(t.cache, &t.actor, 3, SLICE("a*"));
    expect(&told, "pattern going:a*@3 ");
    cache_swap(t.cache, &t.actor, 1, 1);
    expect(&told, "swapped:@1 swapped:@1 ");
    testing_close(&t);
}

static void a_flush_is_one_change_whatever_goes_with_it(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    static uint8_t bytes[20000];
    for (uint32_t db = 0; db < 2; db++) {
        assert_int_equal(testing_set(&t, db, SLICE("small"), SLICE("1"), 0), STATUS_OK);
        assert_int_equal(testing_set(&t, db, SLICE("large"), slice_make(bytes, sizeof bytes), 0), STATUS_OK);
    }
    expect(&told, "created:small created:large created:small@1 created:large@1 ");
    cache_flush(t.cache, &t.actor, 1); /* one by one, as there is another database */
    expect(&told, "flushed:@1 ");
    cache_flush(t.cache, &t.actor, 0); /* at once, but for what owns memory elsewhere */
    expect(&told, "flushed: ");
    testing_close(&t);
}

static void an_expired_entry_is_told_of_before_what_is_written_over_it(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    set(&t, "a", "1", t.actor.now_ms + 5);
    set(&t, "wide", "1", t.actor.now_ms + (1ull << 40));
    t.actor.now_ms += 5;
    set(&t, "a", "2", 0); /* by the plain write, which looks at nothing else */
    expect(&told, "created:a created:wide expired:a created:a ");
    t.actor.now_ms += 1ull << 40;
    set(&t, "wide", "2", 0);
    expect(&told, "expired:wide created:wide ");
    set(&t, "a", "3", t.actor.now_ms + 5);
    t.actor.now_ms += 5;
    cache_changes_want(t.cache, ALL & ~(1 << CACHE_EXPIRED));
    set(&t, "a", "4", 0);
    expect(&told, "replaced:a replaced:a "); /* nobody wants to know */
    testing_close(&t);
}

static void *reserve_none(void *context, uint64_t size) {
    (void)size;
    return context;
}

static void misses_are_told_by_every_way_to_read_that_counts(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, 1 << CACHE_MISSED);
    struct cache_key key = cache_key(t.cache, 3, SLICE("m"));
    struct cache_info info;
    struct cache_sight sight;
    struct cache_edit e;
    char nowhere;
    bool found = true;
    cache_swap(t.cache, &t.actor, 3, 5); /* the database is the client's */
    assert_false(cache_find(t.cache, &t.actor, &key, false, &info));
    expect(&told, "");
    assert_false(cache_find(t.cache, &t.actor, &key, true, &info));
    expect(&told, "missed:m@3 ");
    struct cache_read read = {.size_max = 0, .reserve = reserve_none, .context = &nowhere};
    assert_int_equal(cache_get(t.cache, &t.actor, &key, &read, &found), STATUS_OK);
    assert_false(found);
    expect(&told, "missed:m@3 ");
    key = cache_key(t.cache, 3, SLICE("m"));
    assert_int_equal(cache_glance(t.cache, &t.actor, &key, &sight), CACHE_GLANCE_MISS);
    expect(&told, "missed:m@3 ");
    cache_edit_begin(t.cache, &t.actor, &key, &e);
    cache_edit_count_read(&e);
    cache_edit_end(&e);
    expect(&told, "missed:m@3 ");
    cache_tell_miss(t.cache, &t.actor, &key);
    expect(&told, "missed:m@3 ");
    uint8_t room[8];
    set(&t, "b", "1", 0);
    struct cache_wish wishes[] = {{.name = SLICE("a"), .to = room, .room = sizeof room},
                                  {.name = SLICE("b"), .to = room, .room = sizeof room},
                                  {.name = SLICE("c"), .to = room, .room = sizeof room}};
    cache_glance_many(t.cache, &t.actor, 0, wishes, COUNT_OF(wishes));
    expect(&told, "missed:a missed:c ");
    assert_int_equal(cache_filter_set(t.cache, &t.actor, 0, true, 0), STATUS_OK); /* each is looked up alone */
    while (cache_housekeep(t.cache, &t.actor))
        ;
    cache_glance_many(t.cache, &t.actor, 0, wishes, COUNT_OF(wishes));
    expect(&told, "missed:a missed:c ");
    t.actor.now_ms += 5;
    set(&t, "b", "1", t.actor.now_ms);
    cache_glance_many(t.cache, &t.actor, 0, &wishes[1], 1);
    expect(&told, "missed:b ");
    testing_close(&t);
}

static void only_what_is_wanted_is_told(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, 0);
    set(&t, "a", "1", 0);
    set(&t, "a", "2", 0);
    cache_flush_all(t.cache, &t.actor);
    expect(&told, "");
    cache_changes_want(t.cache, 1 << CACHE_REPLACED | 1 << CACHE_FLUSHED);
    cache_changes_pass(t.cache, &t.actor);
    set(&t, "a", "1", 0);
    expect(&told, "");
    set(&t, "a", "2", 0);
    expect(&told, "replaced:a ");
    cache_flush_all(t.cache, &t.actor);
    expect(&told, "flushed:@16 ");
    testing_close(&t);
}

static void other_tags_are_told_of(void **state) {
    (void)state;
    struct told told = {0};
    struct testing_cache t = open_told(&told, ALL);
    struct cache_edit e;
    struct slice tags[] = {SLICE("x"), SLICE("y")};
    set(&t, "a", "1", 0);
    expect(&told, "created:a ");
    edit(&t, "a", &e);
    assert_int_equal(cache_edit_retag(&e, tags, 2), STATUS_OK);
    cache_edit_end(&e);
    expect(&told, "retagged:a ");
    struct cache_key key = cache_key(t.cache, 0, SLICE("a"));
    assert_true(cache_may_bear_tags(t.cache, &key));
    struct cache_key none = cache_key(t.cache, 0, SLICE("none"));
    assert_false(cache_may_bear_tags(t.cache, &none));
    edit(&t, "a", &e);
    assert_int_equal(cache_edit_retag(&e, NULL, 0), STATUS_OK);
    cache_edit_end(&e);
    expect(&told, "retagged:a ");
    assert_false(cache_may_bear_tags(t.cache, &key));
    testing_close(&t);
}

UNIT_TESTS(changes, UNIT(every_kind_of_write_is_told_once), UNIT(large_values_as_well),
           UNIT(what_goes_by_itself_is_told_when_it_is_found), UNIT(flushes_are_told_of_without_names_of_keys),
           UNIT(whoever_asks_hears_of_tags_before_and_of_swaps), UNIT(a_flush_is_one_change_whatever_goes_with_it),
           UNIT(an_expired_entry_is_told_of_before_what_is_written_over_it),
           UNIT(misses_are_told_by_every_way_to_read_that_counts), UNIT(only_what_is_wanted_is_told),
           UNIT(other_tags_are_told_of));
