/* Values get the tags and the expiry of their class, however they come to be there. */
#include "core/classes/classes_fixture.h"

enum { LIMIT = 4 << 20, MINUTE_MS = 60000 };

static const struct fixture_class shop[] = {
    {.pattern = "user:{id}",
     .tags = {"user:{id}"},
     .invalidates = {"feed:{id}:*"},
     .ttl_ms = 5 * MINUTE_MS,
     .max_ms = 60 * MINUTE_MS},
    {.pattern = "feed:{user}:{page}"},
    {.pattern = "item:{id}", .tags = {"i:{id}"}},
    {.pattern = "job:{id}", .max_ms = MINUTE_MS},
    {.pattern = "page:{url}", .ttl_ms = 1000, .jitter_permille = 100},
    {.pattern = NULL},
};

static void a_value_bears_the_tags_of_its_class(void **state) {
    (void)state;
    struct ruled ruled;
    ruled_open(&ruled, shop, LIMIT);
    ruled_set(&ruled, "user:7", "a", 0);
    assert_string_equal(ruled_tags(&ruled, "user:7"), "=user:{id} user:7 ");
    ruled_set(&ruled, "feed:7:1", "a", 0);
    assert_string_equal(ruled_tags(&ruled, "feed:7:1"), "=feed:{user}:{page} ~feed:7:* ");
    ruled_set(&ruled, "other", "a", 0);
    assert_string_equal(ruled_tags(&ruled, "other"), "");
    struct slice own[] = {SLICE("red"), SLICE("user:7")};
    struct cache_edit e;
    ruled_edit(&ruled, "user:7", &e);
    e.tags = own;
    e.tag_count = 2;
    assert_int_equal(cache_edit_set(&e, CACHE_STRING, SLICE("b"), 0), STATUS_OK);
    cache_edit_end(&e);
    assert_string_equal(ruled_tags(&ruled, "user:7"), "red user:7 =user:{id} ");
    cache_rules_ask(ruled.t.cache, false);
    ruled_set(&ruled, "user:7", "a", 0);
    assert_string_equal(ruled_tags(&ruled, "user:7"), "");
    ruled_close(&ruled);
}

/* Not only sets make values: patches, copies and large values do. */
static void every_way_to_be_there_counts(void **state) {
    (void)state;
    static uint8_t large[200000];
    struct ruled ruled;
    struct cache_edit e, to;
    ruled_open(&ruled, shop, LIMIT);
    ruled_edit(&ruled, "user:1", &e);
    assert_int_equal(cache_edit_patch(&e, 0, SLICE("x")), STATUS_OK);
    cache_edit_end(&e);
    assert_string_equal(ruled_tags(&ruled, "user:1"), "=user:{id} user:1 ");
    assert_int_equal(ruled_ttl(&ruled, "user:1"), 5 * MINUTE_MS);
    uint64_t asked = ruled.asked;
    ruled_edit(&ruled, "user:1", &e); /* it is there: stays as it is */
    assert_int_equal(cache_edit_patch(&e, 1, SLICE("y")), STATUS_OK);
    assert_int_equal(cache_edit_change(&e, SLICE("z")), STATUS_OK);
    cache_edit_end(&e);
    assert_int_equal(ruled.asked, asked);
    assert_string_equal(ruled_tags(&ruled, "user:1"), "=user:{id} user:1 ");
    assert_int_equal(testing_set(&ruled.t, 0, SLICE("user:2"), slice_make(large, sizeof large), 0), STATUS_OK);
    assert_string_equal(ruled_tags(&ruled, "user:2"), "=user:{id} user:2 ");
    assert_int_equal(ruled_ttl(&ruled, "user:2"), 5 * MINUTE_MS);
    ruled_set(&ruled, "plain", "v", 0);
    struct cache_key keys[] = {cache_key(ruled.t.cache, 0, SLICE("plain")),
                               cache_key(ruled.t.cache, 0, SLICE("job:1"))};
    cache_lock_keys(ruled.t.cache, &ruled.t.actor, keys, 2, 0);
    cache_edit_begin(ruled.t.cache, &ruled.t.actor, &keys[0], &e);
    cache_edit_begin(ruled.t.cache, &ruled.t.actor, &keys[1], &to);
    assert_int_equal(cache_edit_copy(&e, &to, 0), STATUS_OK);
    cache_edit_end(&e);
    cache_edit_end(&to);
    cache_unlock(ruled.t.cache, &ruled.t.actor);
    assert_string_equal(ruled_tags(&ruled, "job:1"), "=job:{id} ");
    assert_int_equal(ruled_ttl(&ruled, "job:1"), MINUTE_MS);
    ruled_close(&ruled);
}

static void expiries_follow_the_class(void **state) {
    (void)state;
    struct ruled ruled;
    struct cache_edit e;
    ruled_open(&ruled, shop, LIMIT);
    ruled_set(&ruled, "user:1", "a", 0);
    assert_int_equal(ruled_ttl(&ruled, "user:1"), 5 * MINUTE_MS);
    ruled_set(&ruled, "user:1", "a", 7 * MINUTE_MS);
    assert_int_equal(ruled_ttl(&ruled, "user:1"), 7 * MINUTE_MS);
    ruled_set(&ruled, "user:1", "a", 70 * MINUTE_MS);
    assert_int_equal(ruled_ttl(&ruled, "user:1"), 60 * MINUTE_MS);
    ruled_edit(&ruled, "user:1", &e);
    assert_int_equal(cache_edit_expire(&e, 0), STATUS_OK); /* PERSIST does not lift the bound */
    cache_edit_end(&e);
    assert_int_equal(ruled_ttl(&ruled, "user:1"), 60 * MINUTE_MS);
    ruled_edit(&ruled, "user:1", &e);
    assert_int_equal(cache_edit_expire(&e, ruled.t.actor.now_ms + 5), STATUS_OK);
    cache_edit_end(&e);
    assert_int_equal(ruled_ttl(&ruled, "user:1"), 5);
    ruled_set(&ruled, "item:1", "a", 0);
    assert_int_equal(ruled_ttl(&ruled, "item:1"), 0);
    uint64_t least = 1000, most = 0;
    for (int i = 0; i < 400; i++) {
        ruled_set(&ruled, "page:x", "a", 0);
        uint64_t ttl = ruled_ttl(&ruled, "page:x");
        least = ttl < least ? ttl : least;
        most = ttl > most ? ttl : most;
    }
    assert_true(least >= 900 && least < 920 && most > 980 && most <= 1000);
    ruled_close(&ruled);
}

static void own_tags_change_beside_those_of_the_class(void **state) {
    (void)state;
    struct ruled ruled;
    struct cache_edit e;
    struct slice red = SLICE("red");
    ruled_open(&ruled, shop, LIMIT);
    ruled_set(&ruled, "item:1", "a", 0);
    ruled_edit(&ruled, "item:1", &e);
    assert_int_equal(cache_edit_retag(&e, &red, 1), STATUS_OK);
    cache_edit_end(&e);
    assert_string_equal(ruled_tags(&ruled, "item:1"), "red =item:{id} i:1 ");
    ruled_edit(&ruled, "item:1", &e);
    assert_int_equal(cache_edit_retag(&e, NULL, 0), STATUS_OK);
    cache_edit_end(&e);
    assert_string_equal(ruled_tags(&ruled, "item:1"), "=item:{id} i:1 ");
    ruled_close(&ruled);
}

/* What was there before the rules, or under others, is brought under them. */
static void entries_are_classed_anew(void **state) {
    (void)state;
    static const struct fixture_class other[] = {{.pattern = "user:{id}", .tags = {"u:{id}"}, .max_ms = MINUTE_MS},
                                                 {.pattern = NULL}};
    struct ruled ruled;
    struct fixture_told told;
    struct cache_edit e;
    struct slice red = SLICE("red");
    ruled_open(&ruled, shop, LIMIT);
    ruled_edit(&ruled, "user:7", &e);
    e.tags = &red;
    e.tag_count = 1;
    assert_int_equal(cache_edit_set(&e, CACHE_STRING, SLICE("b"), 0), STATUS_OK);
    cache_edit_end(&e);
    uint64_t version;
    ruled_edit(&ruled, "user:7", &e);
    version = e.version;
    cache_edit_end(&e);
    rules_free(ruled.rules);
    assert_int_equal(fixture_compile(other, NULL, &memory_libc, &told, &ruled.rules), STATUS_OK);
    ruled_edit(&ruled, "user:7", &e);
    assert_int_equal(cache_edit_reclass(&e), STATUS_OK);
    assert_true(e.version > version);
    cache_edit_end(&e);
    assert_string_equal(ruled_tags(&ruled, "user:7"), "red user:7 =user:{id} u:7 ");
    assert_int_equal(ruled_ttl(&ruled, "user:7"), MINUTE_MS);
    ruled_close(&ruled);
}

static enum status refuse(void *context, struct actor *actor, struct slice name, struct cache_terms *terms) {
    (void)context, (void)actor, (void)name;
    terms->tags[0] = SLICE("good");
    terms->tags[1] = SLICE("");
    terms->tag_count = 2;
    return slice_equal(name, SLICE("no")) ? STATUS_BUSY : STATUS_OK;
}

static void what_is_refused_changes_nothing(void **state) {
    (void)state;
    struct testing_cache t = testing_open_as(
        (struct cache_options){.limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .rules = {refuse, NULL, NULL, 0}});
    static uint8_t large[200000];
    assert_int_equal(testing_set(&t, 0, SLICE("no"), SLICE("old"), 0), STATUS_OK);
    cache_rules_ask(t.cache, true);
    assert_int_equal(testing_set(&t, 0, SLICE("no"), SLICE("new"), 0), STATUS_BUSY);
    assert_int_equal(testing_set(&t, 0, SLICE("no"), slice_make(large, sizeof large), 0), STATUS_BUSY);
    assert_int_equal(testing_set(&t, 0, SLICE("yes"), SLICE("new"), 0), STATUS_INVALID); /* a tag without a name */
    struct buf value;
    buf_init(&value, &memory_libc);
    assert_true(testing_get(&t, 0, SLICE("no"), &value, NULL));
    assert_true(slice_equal(buf_slice(&value), SLICE("old")));
    assert_false(testing_get(&t, 0, SLICE("yes"), &value, NULL));
    buf_fini(&value);
    assert_int_equal(cache_tag_count(t.cache, &t.actor, SLICE("good")), 0);
    testing_close(&t);
}

static void long_names_have_a_stand_in(void **state) {
    (void)state;
    static char name[400], tag[400];
    uint8_t to[CACHE_TAG_NAME_MAX];
    struct ruled ruled;
    ruled_open(&ruled, shop, LIMIT);
    memset(name, 'x', sizeof name - 1);
    memcpy(name, "item:", 5);
    ruled_set(&ruled, name, "a", 0);
    memcpy(tag, "i:", 2);
    memcpy(tag + 2, name + 5, sizeof name - 6);
    struct slice stands_in = classes_tag_name(slice_from_string(tag), cache_tag_name_max(ruled.t.cache), to);
    assert_int_equal(stands_in.size, CLASSES_LONG_SIZE);
    assert_int_equal(cache_tag_count(ruled.t.cache, &ruled.t.actor, stands_in), 1);
    assert_int_equal(cache_tag_invalidate(ruled.t.cache, &ruled.t.actor, stands_in), 1);
    assert_false(ruled_has(&ruled, name));
    ruled_close(&ruled);
}

UNIT_TESTS(terms, UNIT(a_value_bears_the_tags_of_its_class), UNIT(every_way_to_be_there_counts),
           UNIT(expiries_follow_the_class), UNIT(own_tags_change_beside_those_of_the_class),
           UNIT(entries_are_classed_anew), UNIT(what_is_refused_changes_nothing), UNIT(long_names_have_a_stand_in));
