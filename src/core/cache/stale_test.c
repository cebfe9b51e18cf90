/* Values that are stale: hidden from every call but an edit, which shows them as such, until their time is over. */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { LIMIT = 1 << 20, LIVES_LIMIT = 128 * 1024, TOLD_MAX = 512 };

static struct slice text(const char *string) { return slice_from_string(string); }

static void edit(struct testing_cache *t, const char *name, struct cache_edit *ret_edit) {
    struct cache_key key = cache_key(t->cache, 0, text(name));
    cache_edit_begin(t->cache, &t->actor, &key, ret_edit);
}

struct wish {
    uint64_t ttl_ms, stale_ms, row;
    const char *tag;
};

static void put(struct testing_cache *t, const char *name, const char *value, struct wish wish) {
    struct cache_edit e;
    struct slice tag = wish.tag ? text(wish.tag) : SLICE("");
    edit(t, name, &e);
    e.tags = &tag;
    e.tag_count = wish.tag != NULL;
    e.set_stale_ms = wish.stale_ms;
    e.set_row = wish.row;
    assert_int_equal(cache_edit_set(&e, CACHE_STRING, text(value), wish.ttl_ms ? t->actor.now_ms + wish.ttl_ms : 0),
                     STATUS_OK);
    assert_true(e.found && !e.stale && e.row == wish.row);
    cache_edit_end(&e);
}

/* 'f'ound, 's'tale, or neither; all ways to read have to agree that it is there or not. */
static char look(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, text(name));
    struct cache_info info;
    struct cache_edit e;
    struct cache_sight sight;
    uint8_t room[16];
    struct cache_wish wish = {.name = text(name), .to = room, .room = sizeof room};
    bool found = cache_find(t->cache, &t->actor, &key, false, &info);
    enum cache_glance glance = cache_glance(t->cache, &t->actor, &key, &sight);
    assert_true(glance == CACHE_GLANCE_UNSURE || (glance == CACHE_GLANCE_HIT) == found);
    cache_glance_many(t->cache, &t->actor, 0, &wish, 1);
    assert_true(wish.answer == CACHE_GLANCE_UNSURE || (wish.answer == CACHE_GLANCE_HIT) == found);
    edit(t, name, &e);
    char answer = e.found ? 'f' : e.stale ? 's' : '-';
    assert_true(e.found == found && !(e.found && e.stale));
    cache_edit_end(&e);
    return answer;
}

static void expect_stale(struct testing_cache *t, const char *name, const char *value, uint64_t stale_ms) {
    struct cache_edit e;
    uint8_t bytes[64];
    edit(t, name, &e);
    assert_true(e.stale && e.size == strlen(value));
    cache_edit_copy_out(&e, 0, bytes, e.size);
    assert_memory_equal(bytes, value, e.size);
    assert_int_equal(e.stale_ms, stale_ms);
    cache_edit_end(&e);
}

static void keep_house(struct testing_cache *t) {
    for (int i = 0; i < 1000 && cache_housekeep(t->cache, &t->actor); i++) {
    }
}

static void what_expires_is_stale_for_its_time(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    put(&t, "a", "one", (struct wish){.ttl_ms = 1000, .stale_ms = 500});
    put(&t, "plain", "one", (struct wish){.ttl_ms = 1000});
    put(&t, "always", "one", (struct wish){.ttl_ms = 1000, .stale_ms = UINT64_MAX});
    assert_int_equal(look(&t, "a"), 'f');
    t.actor.now_ms += 1000;
    keep_house(&t);
    expect_stale(&t, "a", "one", 0);
    assert_int_equal(look(&t, "plain"), '-');
    t.actor.now_ms += 499;
    keep_house(&t);
    expect_stale(&t, "a", "one", 499);
    t.actor.now_ms += 1;
    assert_int_equal(look(&t, "a"), '-');
    t.actor.now_ms += 10 * 60 * 1000;
    keep_house(&t);
    assert_int_equal(cache_count(t.cache, 0), 1);
    expect_stale(&t, "always", "one", 10 * 60 * 1000 + 500);
    testing_close(&t);
}

/* Nobody has to come across it. */
static void its_memory_is_free_when_it_is_over(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "key:%d", i);
        put(&t, name, "value", (struct wish){.ttl_ms = 1000, .stale_ms = i % 2 ? 5000 : 0});
    }
    t.actor.now_ms += 3000;
    keep_house(&t);
    assert_int_equal(cache_count(t.cache, 0), 50);
    t.actor.now_ms += 70 * 1000;
    keep_house(&t);
    assert_int_equal(cache_count(t.cache, 0), 0);
    testing_close(&t);
}

static void a_soft_invalidation_makes_stale(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    put(&t, "a", "one", (struct wish){.tag = "red"});
    put(&t, "short", "one", (struct wish){.tag = "red", .ttl_ms = 1000, .stale_ms = 200});
    put(&t, "b", "two", (struct wish){.tag = "blue"});
    t.actor.now_ms += 100;
    assert_int_equal(cache_tag_soften(t.cache, &t.actor, SLICE("red")), 2);
    t.actor.now_ms += 150;
    expect_stale(&t, "a", "one", 150);
    expect_stale(&t, "short", "one", 150);
    assert_int_equal(look(&t, "b"), 'f');
    t.actor.now_ms += 51; /* no longer than it might have been stale by its time */
    assert_int_equal(look(&t, "short"), '-');
    put(&t, "a", "new", (struct wish){.tag = "red"});
    assert_int_equal(look(&t, "a"), 'f');
    assert_int_equal(cache_tag_soften(t.cache, &t.actor, SLICE("red")), 1);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("red")), 1);
    assert_int_equal(look(&t, "a"), '-'); /* hard: for nobody */
    testing_close(&t);
}

/* A tag that is invalidated again and again does not make a value young again. */
static void the_clock_of_staleness_starts_once(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    uint64_t begun_ms = t.actor.now_ms;
    put(&t, "a", "one", (struct wish){.tag = "red", .ttl_ms = 10000});
    put(&t, "short", "two", (struct wish){.tag = "red", .ttl_ms = 10000, .stale_ms = 500});
    for (int i = 1; i <= 5; i++) {
        t.actor.now_ms += 100;
        (void)cache_tag_soften(t.cache, &t.actor, SLICE("red"));
        expect_stale(&t, "a", "one", (uint64_t)(i - 1) * 100);
        assert_int_equal(look(&t, "short"), 's');
    }
    t.actor.now_ms += 100;
    assert_int_equal(look(&t, "short"), '-');
    t.actor.now_ms = begun_ms + 9999;
    assert_int_equal(look(&t, "a"), 's'); /* for as long as it would have been there */
    t.actor.now_ms = begun_ms + 10050;
    assert_int_equal(look(&t, "a"), '-');
    testing_close(&t);
}

static void soften(struct testing_cache *t, const char *name) {
    struct cache_edit e;
    edit(t, name, &e);
    assert_int_equal(cache_edit_soften(&e), STATUS_OK);
    assert_false(e.found);
    cache_edit_end(&e);
}

static void one_key_is_softened(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    put(&t, "lasting", "one", (struct wish){.tag = "red", .row = 7});
    put(&t, "ending", "two", (struct wish){.ttl_ms = 1000});
    put(&t, "windowed", "three", (struct wish){.ttl_ms = 1000, .stale_ms = 100});
    soften(&t, "lasting");
    soften(&t, "ending");
    soften(&t, "windowed");
    soften(&t, "nobody");
    t.actor.now_ms -= 100; /* another thread's clock */
    assert_int_equal(look(&t, "lasting"), 's');
    assert_int_equal(look(&t, "windowed"), 's');
    expect_stale(&t, "ending", "two", 0);
    t.actor.now_ms += 150;
    soften(&t, "windowed"); /* again: nothing changes */
    expect_stale(&t, "lasting", "one", 50);
    expect_stale(&t, "ending", "two", 50);
    expect_stale(&t, "windowed", "three", 50);
    t.actor.now_ms += 50;
    assert_int_equal(look(&t, "windowed"), '-');
    t.actor.now_ms += 900; /* as long as it would have been there */
    assert_int_equal(look(&t, "ending"), '-');
    assert_int_equal(look(&t, "lasting"), 's');
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("red")), 1);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("red")), 1);
    assert_int_equal(look(&t, "lasting"), '-');
    testing_close(&t);
}

static void count_one(void *context, struct slice name, const struct cache_info *info) {
    (void)name, (void)info;
    ++*(uint32_t *)context;
}

/* A thread whose clock is behind must not see as fresh what was softened when it had expired by another's. */
static void what_has_expired_is_softened_for_all_clocks(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    uint32_t seen = 0;
    put(&t, "a", "one", (struct wish){.ttl_ms = 100, .stale_ms = 1000, .tag = "red"});
    put(&t, "over", "one", (struct wish){.ttl_ms = 100});
    t.actor.now_ms += 105;
    soften(&t, "a");
    assert_int_equal(cache_scan_place(t.cache, &t.actor, 0, 0, 1000, count_one, &seen), 0);
    assert_int_equal(seen, 2); /* whoever wants all gone is shown what has gone by this clock only */
    soften(&t, "over");
    expect_stale(&t, "a", "one", 5);
    t.actor.now_ms -= 10;
    assert_int_equal(look(&t, "a"), 's');
    assert_int_equal(look(&t, "over"), '-');
    testing_close(&t);
}

static void no_call_finds_what_is_stale(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    uint32_t seen = 0;
    uint8_t name[CACHE_KEY_SIZE_MAX];
    size_t size;
    put(&t, "k", "v", (struct wish){.tag = "red"});
    (void)cache_tag_soften(t.cache, &t.actor, SLICE("red"));
    assert_int_equal(look(&t, "k"), 's');
    assert_int_equal(cache_scan(t.cache, &t.actor, 0, 0, 1000, count_one, &seen), 0);
    assert_int_equal(seen, 0);
    assert_int_equal(cache_scan_place(t.cache, &t.actor, 0, 0, 1000, count_one, &seen), 0);
    assert_int_equal(seen, 1);
    assert_false(cache_random_key(t.cache, &t.actor, 0, 7, name, &size));
    assert_false(cache_watch_begin(t.cache, &t.actor, &key).existed);
    cache_watch_end(t.cache);
    assert_false(cache_delete(t.cache, &t.actor, &key));
    assert_int_equal(look(&t, "k"), '-');
    assert_int_equal(cache_count(t.cache, 0), 0);
    testing_close(&t);
}

static void what_is_written_begins_anew(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_edit e;
    put(&t, "patch", "one", (struct wish){.tag = "red", .row = 3});
    put(&t, "plain", "one", (struct wish){.ttl_ms = 10, .stale_ms = 1000, .row = 3});
    (void)cache_tag_soften(t.cache, &t.actor, SLICE("red"));
    t.actor.now_ms += 10;
    edit(&t, "patch", &e);
    assert_int_equal(cache_edit_patch(&e, 0, SLICE("x")), STATUS_OK);
    assert_true(e.found && e.size == 1 && e.row == 0 && e.expires_at_ms == 0);
    cache_edit_end(&e);
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("red")), 0);
    assert_int_equal(look(&t, "plain"), 's');
    assert_int_equal(testing_set(&t, 0, SLICE("plain"), SLICE("two"), 0), STATUS_OK);
    edit(&t, "plain", &e);
    assert_true(e.found && e.row == 0);
    cache_edit_end(&e);
    testing_close(&t);
}

static void a_given_version_stays_with_its_value(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_info info;
    struct cache_edit e, to;
    struct buf value;
    buf_init(&value, &memory_libc);
    put(&t, "k", "value", (struct wish){.row = 1ull << 62});
    assert_true(testing_get(&t, 0, SLICE("k"), &value, &info) && info.row == 1ull << 62);
    edit(&t, "k", &e);
    assert_int_equal(cache_edit_expire(&e, t.actor.now_ms + 1000), STATUS_OK);
    assert_int_equal(cache_edit_version(&e), STATUS_OK);
    assert_true(e.row == 1ull << 62 && e.version != 0);
    cache_edit_end(&e);
    struct cache_key keys[] = {cache_key(t.cache, 0, SLICE("k")), cache_key(t.cache, 0, SLICE("copy"))};
    cache_lock_keys(t.cache, &t.actor, keys, 2, 0);
    edit(&t, "k", &e);
    edit(&t, "copy", &to);
    assert_int_equal(cache_edit_copy(&e, &to, 0), STATUS_OK);
    assert_true(to.row == 1ull << 62);
    cache_edit_end(&to);
    cache_edit_end(&e);
    cache_unlock(t.cache, &t.actor);
    edit(&t, "k", &e);
    assert_int_equal(cache_edit_patch(&e, 1, SLICE("x")), STATUS_OK);
    assert_int_equal(e.row, 0);
    cache_edit_end(&e);
    buf_fini(&value);
    testing_close(&t);
}

/* A large value is patched where it stands, unless it has a given version, which goes. */
static void a_large_value_loses_its_given_version(void **state) {
    (void)state;
    static char bytes[100001];
    struct testing_cache t = testing_open(4 * LIMIT, 1, CACHE_ALLKEYS_LFU);
    struct cache_edit e;
    memset(bytes, 'a', sizeof bytes - 1);
    put(&t, "k", bytes, (struct wish){.row = 5});
    edit(&t, "k", &e);
    assert_int_equal(e.row, 5);
    assert_int_equal(cache_edit_patch(&e, 50000, SLICE("x")), STATUS_OK);
    assert_true(e.row == 0 && e.size == sizeof bytes - 1);
    cache_edit_end(&e);
    testing_close(&t);
}

struct told {
    char text[TOLD_MAX];
};

static void note(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    static const char *const words[] = {
        [CACHE_DELETED] = "deleted", [CACHE_REPLACED] = "replaced",           [CACHE_EXPIRED] = "expired",
        [CACHE_CREATED] = "created", [CACHE_NOTHING_DELETED] = "not deleted", [CACHE_INVALIDATED] = "invalidated",
        [CACHE_EVICTED] = "evicted"};
    struct told *told = context;
    (void)actor, (void)db;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof told->text - used, "%s:%.*s ", words[change], (int)name.size,
             (const char *)name.data);
}

static void expect(struct told *told, const char *wanted) {
    assert_string_equal(told->text, wanted);
    told->text[0] = 0;
}

/* To everybody it is as if the value had gone when it became stale; that is told when something is done with it. */
static void changes_are_told_as_if_it_had_gone(void **state) {
    (void)state;
    struct told told = {{0}};
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = LIMIT,
        .shards = 1,
        .policy = CACHE_ALLKEYS_LFU,
        .changes = {note, &told,
                    1 << CACHE_DELETED | 1 << CACHE_REPLACED | 1 << CACHE_EXPIRED | 1 << CACHE_CREATED |
                        1 << CACHE_NOTHING_DELETED | 1 << CACHE_INVALIDATED}});
    const struct wish window = {.ttl_ms = 10, .stale_ms = 1000}, tagged = {.tag = "red"};
    struct cache_key key = cache_key(t.cache, 0, SLICE("deleted"));
    put(&t, "set", "1", window);
    put(&t, "plain", "1", window);
    put(&t, "deleted", "1", window);
    put(&t, "tagged", "1", tagged);
    expect(&told, "created:set created:plain created:deleted created:tagged ");
    t.actor.now_ms += 10;
    (void)cache_tag_soften(t.cache, &t.actor, SLICE("red"));
    put(&t, "set", "2", window);
    expect(&told, "expired:set created:set ");
    assert_int_equal(testing_set(&t, 0, SLICE("plain"), SLICE("2"), 0), STATUS_OK);
    expect(&told, "expired:plain created:plain ");
    assert_int_equal(testing_set(&t, 0, SLICE("tagged"), SLICE("2"), 0), STATUS_OK);
    expect(&told, "invalidated:tagged created:tagged ");
    assert_false(cache_delete(t.cache, &t.actor, &key));
    expect(&told, "expired:deleted not deleted:deleted ");
    soften(&t, "set");
    expect(&told, "invalidated:set not deleted:set ");
    soften(&t, "set");
    expect(&told, "not deleted:set ");
    testing_close(&t);
}

static const uint32_t all_kinds = 1 << CACHE_DELETED | 1 << CACHE_REPLACED | 1 << CACHE_EXPIRED | 1 << CACHE_CREATED |
                                  1 << CACHE_NOTHING_DELETED | 1 << CACHE_INVALIDATED | 1 << CACHE_EVICTED;

static struct testing_cache open_told(struct told *told, uint64_t limit_bytes) {
    return testing_open_as((struct cache_options){
        .limit_bytes = limit_bytes, .shards = 1, .policy = CACHE_ALLKEYS_LFU, .changes = {note, told, all_kinds}});
}

static enum cache_gone gone(struct testing_cache *t, const char *name) {
    return cache_look_gone(t->cache, &t->actor, cache_place_of(t->cache, 0), text(name));
}

/* By housekeeping, though the value is there still; its end is not told. */
static void expiry_is_told_when_it_happens(void **state) {
    (void)state;
    struct told told = {{0}};
    struct testing_cache t = open_told(&told, LIMIT);
    put(&t, "a", "one", (struct wish){.ttl_ms = 1000, .stale_ms = 5000, .tag = "red"});
    put(&t, "always", "one", (struct wish){.ttl_ms = 1000, .stale_ms = UINT64_MAX});
    t.actor.now_ms += 999;
    keep_house(&t);
    expect(&told, "created:a created:always ");
    t.actor.now_ms += 200;
    assert_int_equal(gone(&t, "a"), CACHE_GONE_EXPIRED);
    keep_house(&t);
    cache_verify(t.cache, &t.actor);
    expect(&told, "expired:a expired:always ");
    assert_int_equal(t.actor.counts.expired, 2);
    assert_int_equal(gone(&t, "a"), CACHE_GONE_EXPIRED);
    expect_stale(&t, "a", "one", 199);
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("red")), 1);
    t.actor.now_ms += 4800 + 200;
    assert_int_equal(look(&t, "always"), 's');
    keep_house(&t);
    cache_verify(t.cache, &t.actor);
    assert_int_equal(gone(&t, "a"), CACHE_GONE_ALL);
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("red")), 0);
    assert_int_equal(gone(&t, "always"), CACHE_GONE_EXPIRED);
    expect(&told, "");
    assert_int_equal(t.actor.counts.expired, 2);
    assert_int_equal(t.actor.counts.invalidated, 0);
    testing_close(&t);
}

/* Whichever comes first: housekeeping, or who asks for it. */
static void expiry_is_told_once(void **state) {
    (void)state;
    struct told told = {{0}};
    for (int housed = 0; housed < 2; housed++) {
        struct testing_cache t = open_told(&told, LIMIT);
        struct cache_key key = cache_key(t.cache, 0, SLICE("delete"));
        static const char *const names[] = {"delete", "set", "plain", "patch", "soften"};
        struct cache_edit e;
        for (size_t i = 0; i < COUNT_OF(names); i++)
            put(&t, names[i], "1", (struct wish){.ttl_ms = 10, .stale_ms = 100000});
        told.text[0] = 0;
        t.actor.now_ms += 200;
        if (housed) {
            keep_house(&t);
            expect(&told, "expired:delete expired:set expired:plain expired:patch expired:soften ");
        }
        assert_false(cache_delete(t.cache, &t.actor, &key));
        put(&t, "set", "2", (struct wish){.ttl_ms = 10, .stale_ms = 1000});
        assert_int_equal(testing_set(&t, 0, SLICE("plain"), SLICE("2"), 0), STATUS_OK);
        edit(&t, "patch", &e);
        assert_int_equal(cache_edit_patch(&e, 0, SLICE("x")), STATUS_OK);
        assert_true(e.found && e.size == 1);
        cache_edit_end(&e);
        soften(&t, "soften");
        expect(&told, housed ? "not deleted:delete created:set created:plain created:patch not deleted:soften "
                             : "expired:delete not deleted:delete expired:set created:set expired:plain created:plain "
                               "expired:patch created:patch expired:soften not deleted:soften ");
        assert_int_equal(t.actor.counts.expired, COUNT_OF(names));
        assert_int_equal(t.actor.counts.invalidated, 0);
        expect_stale(&t, "soften", "1", 190); /* since its time */
        assert_int_equal(gone(&t, "soften"), CACHE_GONE_EXPIRED);
        t.actor.now_ms -= 200; /* another thread's clock */
        assert_int_equal(look(&t, "soften"), 's');
        testing_close(&t);
    }
}

/* What somebody made stale is no expiry, however long it stays. */
static void what_was_softened_does_not_expire(void **state) {
    (void)state;
    struct told told = {{0}};
    struct testing_cache t = open_told(&told, LIMIT);
    put(&t, "named", "1", (struct wish){.ttl_ms = 1000, .stale_ms = 5000});
    put(&t, "tagged", "1", (struct wish){.ttl_ms = 1000, .stale_ms = 5000, .tag = "red"});
    soften(&t, "named");
    (void)cache_tag_soften(t.cache, &t.actor, SLICE("red"));
    assert_int_equal(look(&t, "tagged"), 's');
    expect(&told, "created:named created:tagged invalidated:named not deleted:named ");
    for (uint64_t until_ms = t.actor.now_ms + 4900; t.actor.now_ms < until_ms; t.actor.now_ms += 100)
        keep_house(&t);
    assert_int_equal(gone(&t, "named"), CACHE_GONE_DEAD);
    assert_int_equal(gone(&t, "tagged"), CACHE_GONE_DEAD);
    expect_stale(&t, "named", "1", 4900);
    t.actor.now_ms += 300;
    keep_house(&t);
    assert_int_equal(cache_count(t.cache, 0), 0);
    expect(&told, "");
    assert_int_equal(t.actor.counts.expired, 0);
    assert_int_equal(t.actor.counts.invalidated, 2);
    testing_close(&t);
}

/* A write must not give a value that was told of as gone its old expiry, or take its staleness for another's. */
static void what_is_late_lives_anew_by_a_write_only(void **state) {
    (void)state;
    struct told told = {{0}};
    struct testing_cache t = open_told(&told, LIMIT);
    struct cache_edit e;
    put(&t, "k", "one", (struct wish){.ttl_ms = 100, .stale_ms = 1000});
    t.actor.now_ms += 300;
    keep_house(&t);
    put(&t, "k", "two", (struct wish){.ttl_ms = 100, .stale_ms = 1000});
    expect(&told, "created:k expired:k created:k ");
    assert_int_equal(look(&t, "k"), 'f');
    edit(&t, "k", &e);
    assert_int_equal(cache_edit_expire(&e, 0), STATUS_OK);
    cache_edit_end(&e);
    t.actor.now_ms += 5000;
    keep_house(&t);
    assert_int_equal(look(&t, "k"), 'f');
    edit(&t, "k", &e);
    assert_int_equal(cache_edit_expire(&e, t.actor.now_ms + 50), STATUS_OK);
    cache_edit_end(&e);
    t.actor.now_ms += 200;
    keep_house(&t);
    expect(&told, "expired:k ");
    expect_stale(&t, "k", "two", 150);
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ lives */

enum { LIVES = 1000, LIVES_STEPS = 20000, LIVES_TTL_MAX_MS = 4000, LIVES_TOLD_MAX_MS = 400 };

/* What is told of keys `l:N`: that a life begins, and once how it ends. */
struct lives {
    struct actor *actor;
    uint64_t seed;
    struct life {
        bool lives;
        uint64_t expires_at_ms;
    } all[LIVES];
    uint64_t ended[32];
};

static void note_life(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    struct lives *lives = context;
    char number[16] = {0};
    (void)db;
    memcpy(number, name.data + 2, name.size - 2);
    struct life *life = &lives->all[strtoul(number, NULL, 10)];
    bool begins = change == CACHE_CREATED;
    if (life->lives == begins && change != CACHE_NOTHING_DELETED)
        fail_msg("seed %llu: change %u of %s, which %s", (unsigned long long)lives->seed, change, number,
                 life->lives ? "lives" : "has ended");
    if (change == CACHE_EXPIRED &&
        (actor->now_ms < life->expires_at_ms || actor->now_ms > life->expires_at_ms + LIVES_TOLD_MAX_MS))
        fail_msg("seed %llu: %s expired at %llu, which is told at %llu", (unsigned long long)lives->seed, number,
                 (unsigned long long)life->expires_at_ms, (unsigned long long)actor->now_ms);
    life->lives = change == CACHE_NOTHING_DELETED ? life->lives : begins;
    lives->ended[change]++;
}

/* Others may take the room that was made: it is asked for a few times. */
static void put_when_full(struct testing_cache *t, const char *name, const char *value, struct wish wish) {
    struct cache_key key = cache_key(t->cache, 0, text(name));
    enum status status = STATUS_FULL;
    for (int tries = 0; status == STATUS_FULL && tries < CACHE_WRITE_TRIES; tries++) {
        struct cache_edit e;
        cache_prepare(t->cache, &t->actor, &key, strlen(value));
        edit(t, name, &e);
        e.set_stale_ms = wish.stale_ms;
        status = cache_edit_set(&e, CACHE_STRING, text(value), t->actor.now_ms + wish.ttl_ms);
        cache_edit_end(&e);
    }
    assert_int_equal(status, STATUS_OK);
}

/* What is there and fresh goes first; what is late, or gone, is written over. */
static void begin_life(struct testing_cache *t, struct lives *lives, uint64_t number, const char *name,
                       struct rng *rng) {
    char value[600];
    uint64_t ttl_ms = 1 + rng_below(rng, LIVES_TTL_MAX_MS), stale_ms = rng_below(rng, 3 * LIVES_TTL_MAX_MS);
    struct cache_edit e;
    edit(t, name, &e);
    if (e.found)
        cache_edit_delete(&e);
    cache_edit_end(&e);
    memset(value, 'v', sizeof value);
    value[rng_below(rng, sizeof value)] = 0;
    put_when_full(t, name, value, (struct wish){.ttl_ms = ttl_ms, .stale_ms = stale_ms});
    lives->all[number].expires_at_ms = t->actor.now_ms + ttl_ms;
}

static void live_on(struct testing_cache *t, struct lives *lives, struct rng *rng) {
    char name[16];
    uint64_t number = rng_below(rng, LIVES);
    struct cache_edit e;
    snprintf(name, sizeof name, "l:%llu", (unsigned long long)number);
    switch (rng_below(rng, 6)) {
        case 0:
            soften(t, name);
            break;
        case 1:
            edit(t, name, &e);
            cache_edit_delete(&e);
            cache_edit_end(&e);
            break;
        case 2:
            edit(t, name, &e);
            assert_true(e.found == lives->all[number].lives);
            cache_edit_end(&e);
            break;
        default:
            begin_life(t, lives, number, name, rng);
    }
}

/* With eviction and compaction between, too. */
static void each_life_ends_once(void **state) {
    (void)state;
    struct lives lives = {.seed = unit_seed()};
    struct testing_cache t =
        testing_open_as((struct cache_options){.limit_bytes = LIVES_LIMIT,
                                               .shards = 1,
                                               .policy = CACHE_ALLKEYS_LFU,
                                               .changes = {note_life, &lives, all_kinds & ~(1u << CACHE_REPLACED)}});
    struct rng rng = rng_seeded(lives.seed);
    for (int step = 0; step < LIVES_STEPS; step++) {
        t.actor.now_ms += rng_below(&rng, 10);
        live_on(&t, &lives, &rng);
        if (step % 10 == 0)
            keep_house(&t);
        if (step % 1000 == 0)
            cache_verify(t.cache, &t.actor);
    }
    for (uint64_t until_ms = t.actor.now_ms + 5 * LIVES_TTL_MAX_MS; t.actor.now_ms < until_ms; t.actor.now_ms += 100)
        keep_house(&t);
    for (int i = 0; i < LIVES; i++)
        assert_false(lives.all[i].lives);
    assert_true(lives.ended[CACHE_EXPIRED] > 100 && lives.ended[CACHE_EVICTED] > 100);
    assert_int_equal(t.actor.counts.expired, lives.ended[CACHE_EXPIRED]);
    assert_int_equal(t.actor.counts.evicted, lives.ended[CACHE_EVICTED]);
    testing_close(&t);
}

/* In place, too: with an expiry before and after, the new value takes the bytes of the stale one. */
static void a_stale_value_is_overwritten_in_place(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 1, CACHE_ALLKEYS_LFU);
    put(&t, "k", "one", (struct wish){.ttl_ms = 10, .stale_ms = 1000});
    t.actor.now_ms += 10;
    assert_int_equal(look(&t, "k"), 's');
    put(&t, "k", "two", (struct wish){.ttl_ms = 10, .stale_ms = 1000});
    assert_int_equal(look(&t, "k"), 'f');
    t.actor.now_ms += 10;
    expect_stale(&t, "k", "two", 0);
    testing_close(&t);
}

UNIT_TESTS(stale, UNIT(what_expires_is_stale_for_its_time), UNIT(its_memory_is_free_when_it_is_over),
           UNIT(a_soft_invalidation_makes_stale), UNIT(the_clock_of_staleness_starts_once), UNIT(one_key_is_softened),
           UNIT(what_has_expired_is_softened_for_all_clocks), UNIT(no_call_finds_what_is_stale),
           UNIT(what_is_written_begins_anew), UNIT(a_given_version_stays_with_its_value),
           UNIT(a_large_value_loses_its_given_version), UNIT(changes_are_told_as_if_it_had_gone),
           UNIT(expiry_is_told_when_it_happens), UNIT(expiry_is_told_once), UNIT(what_was_softened_does_not_expire),
           UNIT(what_is_late_lives_anew_by_a_write_only), UNIT(each_life_ends_once),
           UNIT(a_stale_value_is_overwritten_in_place));
