#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { MIB = 1 << 20 };

static struct slice text(const char *string) { return slice_from_string(string); }

/* Sets a key to its own name, with up to three tags. */
static enum status put(struct testing_cache *t, const char *name, const char *a, const char *b, const char *c) {
    const char *wanted[] = {a, b, c};
    struct slice tags[COUNT_OF(wanted)];
    struct cache_key key = cache_key(t->cache, 0, text(name));
    struct cache_edit edit;
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    edit.tags = tags;
    for (size_t i = 0; i < COUNT_OF(wanted) && wanted[i]; i++)
        tags[edit.tag_count++] = text(wanted[i]);
    enum status status = cache_edit_set(&edit, CACHE_STRING, text(name), 0);
    cache_edit_end(&edit);
    return status;
}

static bool is_there(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, text(name));
    struct cache_info info;
    return cache_find(t->cache, &t->actor, &key, false, &info);
}

static uint64_t invalidate(struct testing_cache *t, const char *tag) {
    return cache_tag_invalidate(t->cache, &t->actor, text(tag));
}
static uint64_t count_of(struct testing_cache *t, const char *tag) {
    return cache_tag_count(t->cache, &t->actor, text(tag));
}

struct names {
    char text[256];
};

static void note_name(void *context, struct slice tag) {
    struct names *names = context;
    size_t size = strlen(names->text);
    snprintf(names->text + size, sizeof names->text - size, "%s%.*s", size ? " " : "", (int)tag.size,
             (const char *)tag.data);
}

static void assert_tags(struct testing_cache *t, const char *name, const char *wanted) {
    struct cache_key key = cache_key(t->cache, 0, text(name));
    struct cache_edit edit;
    struct names names = {""};
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    cache_edit_tags(&edit, note_name, &names);
    cache_edit_end(&edit);
    assert_string_equal(names.text, wanted);
}

static uint64_t dead_of(struct testing_cache *t) {
    struct cache_stats stats;
    cache_stats(t->cache, &stats);
    return stats.dead;
}

static void what_bears_an_invalidated_tag_is_gone(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    assert_int_equal(put(&t, "a", "red", "blue", NULL), STATUS_OK);
    assert_int_equal(put(&t, "b", "blue", NULL, NULL), STATUS_OK);
    assert_int_equal(put(&t, "c", "red", "red", NULL), STATUS_OK);
    assert_int_equal(put(&t, "d", NULL, NULL, NULL), STATUS_OK);
    assert_tags(&t, "a", "red blue");
    assert_tags(&t, "c", "red");
    assert_tags(&t, "d", "");
    assert_int_equal(count_of(&t, "red"), 2);
    assert_int_equal(count_of(&t, "green"), 0);
    assert_int_equal(invalidate(&t, "green"), 0);
    assert_int_equal(invalidate(&t, "red"), 2);
    assert_int_equal(count_of(&t, "red"), 0);
    assert_false(is_there(&t, "a") || is_there(&t, "c"));
    assert_true(is_there(&t, "b") && is_there(&t, "d"));
    assert_int_equal(cache_count(t.cache, 0), 4); /* what nobody has come across yet still counts */
    assert_int_equal(dead_of(&t), 2);
    assert_int_equal(put(&t, "a", "red", NULL, NULL), STATUS_OK);
    assert_true(is_there(&t, "a"));
    assert_false(is_there(&t, "c"));
    assert_tags(&t, "c", "");                        /* removes it */
    assert_int_equal(t.actor.counts.invalidated, 2); /* `a` when it was written anew */
    assert_int_equal(cache_count(t.cache, 0), 3);
    assert_int_equal(dead_of(&t), 0);
    assert_int_equal(invalidate(&t, "blue"), 1); /* `a` no longer bears it */
    assert_true(is_there(&t, "a"));
    testing_close(&t);
}

static void batches_and_glances_see_it_too(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    assert_int_equal(put(&t, "a", "red", NULL, NULL), STATUS_OK);
    assert_int_equal(put(&t, "b", "blue", NULL, NULL), STATUS_OK);
    for (int gone = 0; gone < 2; gone++) {
        uint8_t bytes[2][8];
        struct cache_wish wishes[] = {{.name = SLICE("a"), .to = bytes[0], .room = 8},
                                      {.name = SLICE("b"), .to = bytes[1], .room = 8}};
        struct cache_key key = cache_key(t.cache, 0, SLICE("a"));
        struct cache_sight sight;
        cache_glance_many(t.cache, &t.actor, 0, wishes, 2);
        assert_int_equal(wishes[0].answer, gone ? CACHE_GLANCE_MISS : CACHE_GLANCE_HIT);
        assert_int_equal(wishes[1].answer, CACHE_GLANCE_HIT);
        assert_int_equal(cache_glance(t.cache, &t.actor, &key, &sight), gone ? CACHE_GLANCE_MISS : CACHE_GLANCE_HIT);
        if (!gone)
            assert_int_equal(invalidate(&t, "red"), 1);
    }
    testing_close(&t);
}

static void count_visit(void *context, struct slice name, const struct cache_info *info) {
    (void)info;
    assert_false(slice_equal(name, SLICE("gone")));
    ++*(int *)context;
}

static void scans_pass_it_over(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    assert_int_equal(put(&t, "gone", "red", NULL, NULL), STATUS_OK);
    assert_int_equal(put(&t, "b", "blue", NULL, NULL), STATUS_OK);
    assert_int_equal(invalidate(&t, "red"), 1);
    int seen = 0;
    uint64_t cursor = 0;
    do
        cursor = cache_scan(t.cache, &t.actor, 0, cursor, 10, count_visit, &seen);
    while (cursor);
    assert_int_equal(seen, 1);
    testing_close(&t);
}

/* ------------------------------------------------------------- changes that keep tags */

enum change { PATCH, PATCH_LONGER, CHANGE, EXPIRE, VERSION, COPY, RETAG, CHANGES };

/* Changes the key in one of the ways; before that, with the lock taken already, somebody else may invalidate a tag. */
static void change(struct testing_cache *t, const char *name, enum change how, const char *invalidated) {
    struct slice more[] = {SLICE("red"), SLICE("late")};
    struct cache_key keys[] = {cache_key(t->cache, 0, text(name)), cache_key(t->cache, 0, SLICE("copy"))};
    struct cache_edit edit, copy;
    struct actor other = {.id = 9, .now_ms = t->actor.now_ms};
    cache_lock_keys(t->cache, &t->actor, keys, 2, 1000);
    cache_edit_begin(t->cache, &t->actor, &keys[0], &edit);
    cache_edit_begin(t->cache, &t->actor, &keys[1], &copy);
    assert_true(edit.found);
    if (invalidated)
        assert_int_equal(cache_tag_invalidate(t->cache, &other, text(invalidated)), 1);
    enum status status = STATUS_OK;
    switch (how) {
        case PATCH:
            status = cache_edit_patch(&edit, 0, SLICE("x"));
            break;
        case PATCH_LONGER:
            status = cache_edit_patch(&edit, edit.size, SLICE("some more of it"));
            break;
        case CHANGE:
            status = cache_edit_change(&edit, SLICE("42"));
            break;
        case EXPIRE:
            status = cache_edit_expire(&edit, t->actor.now_ms + 1000);
            break;
        case VERSION:
            status = cache_edit_version(&edit);
            break;
        case COPY:
            status = cache_edit_copy(&edit, &copy, 0);
            break;
        case RETAG:
            status = cache_edit_retag(&edit, more, 2);
            break;
        case CHANGES:
            break;
    }
    assert_int_equal(status, STATUS_OK);
    cache_edit_end(&copy);
    cache_edit_end(&edit);
    cache_unlock(t->cache, &t->actor);
}

/* A value of so many bytes under the tags red and blue. */
static void put_sized(struct testing_cache *t, const char *name, size_t size) {
    struct slice tags[] = {SLICE("red"), SLICE("blue")};
    uint8_t *bytes = calloc(size, 1);
    struct cache_key key = cache_key(t->cache, 0, text(name));
    struct cache_edit edit;
    cache_prepare(t->cache, &t->actor, &key, size);
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    edit.tags = tags;
    edit.tag_count = 2;
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, slice_make(bytes, size), 0), STATUS_OK);
    assert_true(edit.version != 0);
    cache_edit_end(&edit);
    free(bytes);
}

static void other_changes_keep_the_tags(void **state) {
    (void)state;
    for (size_t size = 20; size <= 40000; size += 39980)
        for (int how = 0; how < CHANGES; how++) {
            struct testing_cache t = testing_open(4 * MIB, 1, CACHE_ALLKEYS_LFU);
            put_sized(&t, "k", size);
            change(&t, "k", (enum change)how, NULL);
            assert_tags(&t, "k", how == RETAG ? "red late" : "red blue");
            assert_tags(&t, "copy", how == COPY ? "red blue" : "");
            cache_verify(t.cache, &t.actor);
            assert_int_equal(invalidate(&t, "red"), how == COPY ? 2 : 1);
            assert_false(is_there(&t, "k") || is_there(&t, "copy"));
            testing_close(&t);
        }
}

/* It was read before the invalidation and written after it: acknowledged is acknowledged. */
static void a_change_brings_nothing_back(void **state) {
    (void)state;
    for (size_t size = 20; size <= 40000; size += 39980)
        for (int how = 0; how < CHANGES; how++) {
            struct testing_cache t = testing_open(4 * MIB, 1, CACHE_ALLKEYS_LFU);
            put_sized(&t, "k", size);
            change(&t, "k", (enum change)how, "blue");
            assert_false(is_there(&t, "k") || is_there(&t, "copy"));
            assert_int_equal(count_of(&t, "blue"), 0);
            testing_close(&t);
        }
}

static void a_tag_added_later_begins_then(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    struct slice red = SLICE("red");
    struct cache_edit edit;
    assert_int_equal(put(&t, "other", "red", NULL, NULL), STATUS_OK);
    assert_int_equal(put(&t, "k", NULL, NULL, NULL), STATUS_OK);
    assert_int_equal(invalidate(&t, "red"), 1);
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_int_equal(cache_edit_retag(&edit, &red, 1), STATUS_OK);
    cache_edit_end(&edit);
    assert_true(is_there(&t, "k"));
    assert_int_equal(invalidate(&t, "red"), 1);
    assert_false(is_there(&t, "k"));
    testing_close(&t);
}

/* Members of a session whose head was invalidated do not come back with the next head, even if that was being written already. */
static void an_invalidated_head_ends_its_session(void **state) {
    (void)state;
    static const struct slice patterns[] = {{(const uint8_t *)"cart:{sid}:*", 12},
                                            {(const uint8_t *)"session:{sid}", 13}};
    const struct cache_store store = {
        .name = SLICE("sessions"), .patterns = patterns, .pattern_count = 2, .policy = CACHE_SESSION};
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = 4 * MIB, .policy = CACHE_ALLKEYS_LFU, .stores = &store, .store_count = 1});
    struct actor other = {.id = 9, .now_ms = t.actor.now_ms};
    struct cache_key key = cache_key(t.cache, 0, SLICE("session:1"));
    struct slice red = SLICE("red");
    for (int edited = 0; edited < 2; edited++) {
        struct cache_edit edit;
        assert_int_equal(put(&t, "session:1", "red", NULL, NULL), STATUS_OK);
        assert_int_equal(put(&t, "cart:1:a", NULL, NULL, NULL), STATUS_OK);
        if (edited) {
            cache_edit_begin(t.cache, &t.actor, &key, &edit);
            edit.tags = &red;
            edit.tag_count = 1;
        }
        assert_int_equal(cache_tag_invalidate(t.cache, &other, red), 1);
        assert_false(is_there(&t, "cart:1:a"));
        if (edited) {
            assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("new"), 0), STATUS_OK);
            cache_edit_end(&edit);
        } else {
            assert_int_equal(cache_set(t.cache, &t.actor, &key, SLICE("new"), 0), STATUS_OK);
        }
        assert_true(is_there(&t, "session:1"));
        assert_false(is_there(&t, "cart:1:a"));
    }
    testing_close(&t);
}

/* The sweep for the invalidation is over before the entry stands where it would have been seen. */
static void what_is_written_dead_is_swept(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_NOEVICTION);
    struct cache_key key = cache_key(t.cache, 0, SLICE("a"));
    struct actor other = {.id = 9, .now_ms = t.actor.now_ms};
    struct cache_edit edit;
    assert_int_equal(put(&t, "a", "red", NULL, NULL), STATUS_OK);
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_int_equal(cache_tag_invalidate(t.cache, &other, SLICE("red")), 1);
    atomic_store(&t.cache->engine->range.head->sweep, 0);
    assert_int_equal(cache_edit_patch(&edit, 1, SLICE("x")), STATUS_OK);
    cache_edit_end(&edit);
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    assert_int_equal(cache_count(t.cache, 0), 0);
    testing_close(&t);
}

/* Invalidations that come faster than a sweep takes keep nobody from being found in the end. */
static void constant_invalidation_starves_nobody(void **state) {
    (void)state;
    enum { LASTING = 50000, OTHERS = 500, ROUNDS = 200 };
    struct testing_cache t = testing_open(16 * MIB, 1, CACHE_NOEVICTION);
    uint64_t at_ms = t.actor.now_ms + ROUNDS / 4;
    char name[32];
    for (int i = 0; i < LASTING; i++) {
        snprintf(name, sizeof name, "key:%d", i);
        assert_int_equal(put(&t, name, "lasting", NULL, NULL), STATUS_OK);
    }
    for (int i = 0; i < OTHERS; i++) {
        snprintf(name, sizeof name, "dead:%d", i);
        assert_int_equal(put(&t, name, "gone", NULL, NULL), STATUS_OK);
        snprintf(name, sizeof name, "expiring:%d", i);
        assert_int_equal(testing_set(&t, 0, text(name), text(name), at_ms), STATUS_OK);
    }
    assert_int_equal(invalidate(&t, "gone"), OTHERS);
    for (int i = 0; i < ROUNDS;
         i++) { /* in each millisecond an invalidation, and two slices where a sweep has some 25 */
        t.actor.now_ms += 1;
        assert_int_equal(put(&t, "x", "x", NULL, NULL), STATUS_OK);
        assert_int_equal(invalidate(&t, "x"), 1);
        (void)cache_housekeep(t.cache, &t.actor);
        (void)cache_housekeep(t.cache, &t.actor);
    }
    assert_true(cache_count(t.cache, 0) <= LASTING + 1);
    testing_close(&t);
}

/* What is put back is as it was: with its tags, and gone if one was invalidated meanwhile. */
static void kept_tags_are_put_back(void **state) {
    (void)state;
    for (int invalidated = 0; invalidated < 2; invalidated++) {
        struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
        struct cache_key key = cache_key(t.cache, 0, SLICE("a"));
        struct cache_kept_tags kept;
        struct cache_edit edit;
        assert_int_equal(put(&t, "a", "red", "blue", NULL), STATUS_OK);
        cache_edit_begin(t.cache, &t.actor, &key, &edit);
        uint64_t version = edit.version;
        assert_true(cache_edit_keep_tags(&edit, &kept));
        assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("other"), 0), STATUS_OK);
        assert_false(cache_edit_keep_tags(&edit, &(struct cache_kept_tags){0}));
        if (invalidated)
            (void)invalidate(&t, "blue");
        edit.kept = &kept;
        assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("a"), 0), STATUS_OK);
        assert_int_equal(edit.version, version);
        cache_edit_end(&edit);
        cache_give_tags(t.cache, &t.actor, &kept);
        assert_int_equal(is_there(&t, "a"), !invalidated);
        assert_int_equal(count_of(&t, "blue"), !invalidated);
        assert_tags(&t, "a", invalidated ? "" : "red blue");
        testing_close(&t);
    }
}

/* ------------------------------------------------------------------------------ limits */

static void wrong_tags_change_nothing(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 1, CACHE_ALLKEYS_LFU);
    struct slice tags[ENTRY_TAGS_MAX + 1];
    char names[ENTRY_TAGS_MAX + 1][8];
    uint8_t longest[CACHE_TAG_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(put(&t, "k", "red", NULL, NULL), STATUS_OK);
    for (int i = 0; i <= ENTRY_TAGS_MAX; i++)
        tags[i] = slice_make(names[i], (size_t)snprintf(names[i], sizeof names[i], "tag%d", i));
    struct slice too_long = slice_make(longest, cache_tag_name_max(t.cache) + 1), empty = slice_make(NULL, 0);
    const struct {
        const struct slice *tags;
        uint32_t count;
    } wrong[] = {{tags, ENTRY_TAGS_MAX + 1}, {&too_long, 1}, {&empty, 1}};
    struct cache_key key = cache_key(t.cache, 0, SLICE("k"));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct cache_edit edit;
        cache_edit_begin(t.cache, &t.actor, &key, &edit);
        edit.tags = wrong[i].tags;
        edit.tag_count = wrong[i].count;
        assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("new"), 0), STATUS_INVALID);
        assert_int_equal(cache_edit_retag(&edit, wrong[i].tags, wrong[i].count), STATUS_INVALID);
        cache_edit_end(&edit);
        assert_tags(&t, "k", "red");
        cache_verify(t.cache, &t.actor);
    }
    struct cache_edit edit;
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    tags[CACHE_TAGS_MAX] = tags[0]; /* twice the same is one */
    assert_int_equal(cache_edit_retag(&edit, tags, CACHE_TAGS_MAX + 1), STATUS_OK);
    assert_int_equal(cache_edit_retag(&edit, tags, 0), STATUS_OK);
    cache_edit_end(&edit);
    assert_tags(&t, "k", "");
    assert_int_equal(count_of(&t, "tag3"), 0);
    testing_close(&t);
}

/* Each key has a tag of its own, until there is no memory: what fails leaves nothing behind. */
static void tags_end_where_memory_ends(void **state) {
    (void)state;
    struct testing_cache t = testing_open(MIB, 2, CACHE_NOEVICTION);
    char name[24], tag[24];
    enum status status = STATUS_OK;
    uint64_t count = 0;
    for (; status == STATUS_OK; count++) {
        snprintf(name, sizeof name, "key:%d", (int)count);
        snprintf(tag, sizeof tag, "tag:%d", (int)count);
        status = put(&t, name, tag, "all", NULL);
    }
    assert_int_equal(status, STATUS_FULL);
    assert_true(count > 5000);
    cache_verify(t.cache, &t.actor);
    assert_int_equal(invalidate(&t, "all"), count - 1);
    assert_false(is_there(&t, "key:0"));
    assert_int_equal(cache_count(t.cache, 0), count - 1);
    while (cache_housekeep(t.cache, &t.actor)) /* begins at once, and goes on until all is gone */
        continue;
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.tags, 0);
    assert_int_equal(t.actor.counts.invalidated, count - 1);
    testing_close(&t);
}

static void flushes_forget_tags(void **state) {
    (void)state;
    const struct slice pattern = SLICE("s:*");
    const struct cache_store store = {.name = SLICE("s"), .patterns = &pattern, .pattern_count = 1};
    struct testing_cache t = testing_open_as((struct cache_options){
        .limit_bytes = 4 * MIB, .policy = CACHE_ALLKEYS_LFU, .stores = &store, .store_count = 1});
    for (int way = 0; way < 4; way++) {
        assert_int_equal(put(&t, "a", "red", "blue", NULL), STATUS_OK);
        assert_int_equal(put(&t, "s:b", "red", NULL, NULL), STATUS_OK);
        assert_int_equal(testing_set(&t, 1, SLICE("c"), SLICE("c"), 0), STATUS_OK);
        if (way == 0)
            cache_flush(t.cache, &t.actor, 0);
        else if (way == 1)
            cache_flush_all(t.cache, &t.actor);
        else
            cache_store_flush(t.cache, &t.actor, (uint32_t)way - 2);
        assert_int_equal(count_of(&t, "red"), way < 2 ? 0 : 1);
        assert_int_equal(count_of(&t, "blue"), way == 3);
        cache_verify(t.cache, &t.actor);
    }
    testing_close(&t);
}

/* --------------------------------------------------------------------- a naive twin */

enum { KEYS = 400, TAGS = 30, TAGS_A_KEY = 3, STEPS = 30000 };

struct twin {
    bool there[KEYS];
    uint32_t tags[KEYS]; /* a bit for each */
};

static void set_one(struct testing_cache *t, struct twin *twin, struct rng *rng, uint32_t at, bool keeps) {
    char name[24], names[TAGS_A_KEY][24];
    struct slice tags[TAGS_A_KEY];
    uint32_t count = (uint32_t)rng_below(rng, TAGS_A_KEY + 1), mask = 0;
    uint8_t bytes[600] = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag = (uint32_t)rng_below(rng, TAGS);
        tags[i] = slice_make(names[i], (size_t)snprintf(names[i], sizeof names[i], "tag %u", (unsigned)tag));
        mask |= 1u << tag;
    }
    struct cache_key key = cache_key(t->cache, 0, slice_make(name, (size_t)snprintf(name, sizeof name, "k%u", at)));
    struct cache_edit edit;
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    assert_int_equal(edit.found, twin->there[at]);
    edit.tags = tags;
    edit.tag_count = count;
    struct slice value = slice_make(bytes, 1 + rng_below(rng, rng_below(rng, 8) ? 60 : sizeof bytes));
    enum status status = keeps ? cache_edit_patch(&edit, 0, value) : cache_edit_set(&edit, CACHE_STRING, value, 0);
    assert_int_equal(status, STATUS_OK);
    cache_edit_end(&edit);
    twin->tags[at] = !keeps ? mask : twin->there[at] ? twin->tags[at] : 0;
    twin->there[at] = true;
}

static void delete_one(struct testing_cache *t, struct twin *twin, uint32_t at) {
    char name[24];
    struct cache_key key = cache_key(t->cache, 0, slice_make(name, (size_t)snprintf(name, sizeof name, "k%u", at)));
    assert_int_equal(cache_delete(t->cache, &t->actor, &key), twin->there[at]);
    twin->there[at] = false;
}

static void invalidate_one(struct testing_cache *t, struct twin *twin, uint32_t tag) {
    char name[24];
    uint64_t count = 0;
    snprintf(name, sizeof name, "tag %u", tag);
    for (uint32_t at = 0; at < KEYS; at++) {
        bool goes = twin->there[at] && twin->tags[at] >> tag & 1;
        count += goes;
        if (goes)
            twin->there[at] = false;
    }
    uint64_t said = invalidate(t, name);
    assert_true(said >= count); /* entries that went by another tag and still stand there count with it */
}

/* In so little memory that segments are compacted all the time, though nothing has to go. */
static void a_naive_twin_agrees(void **state) {
    (void)state;
    struct testing_cache t = testing_open(96 * 1024, 1, CACHE_NOEVICTION);
    struct rng rng = rng_seeded(unit_seed());
    static struct twin twin;
    memset(&twin, 0, sizeof twin);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t at = (uint32_t)rng_below(&rng, KEYS), what = (uint32_t)rng_below(&rng, 100);
        char name[24];
        snprintf(name, sizeof name, "k%u", at);
        if (what < 45)
            set_one(&t, &twin, &rng, at, false);
        else if (what < 60)
            set_one(&t, &twin, &rng, at, true);
        else if (what < 70)
            delete_one(&t, &twin, at);
        else if (what < 73)
            invalidate_one(&t, &twin, (uint32_t)rng_below(&rng, TAGS));
        else
            assert_int_equal(is_there(&t, name), twin.there[at]);
        (void)cache_housekeep(t.cache, &t.actor);
        if (step % 5000 == 0)
            cache_verify(t.cache, &t.actor);
    }
    while (cache_housekeep(t.cache, &t.actor))
        continue;
    uint64_t left = 0;
    for (uint32_t at = 0; at < KEYS; at++)
        left += twin.there[at];
    assert_int_equal(cache_count(t.cache, 0), left);
    assert_true(t.actor.counts.copied_bytes > 0 && t.actor.counts.invalidated > 0);
    for (uint32_t at = 0; at < KEYS; at++)
        if (twin.there[at])
            delete_one(&t, &twin, at);
    cache_verify(t.cache, &t.actor);
    testing_close(&t);
}

static uint64_t seen(struct testing_cache *t, const char *tag, bool all) {
    return cache_tag_count_seen(t->cache, &t->actor, text(tag), all);
}

static void soften_one(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, text(name));
    struct cache_edit edit;
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    assert_int_equal(cache_edit_soften(&edit), STATUS_OK);
    cache_edit_end(&edit);
}

/* What is counted can be seen: nothing that went by another tag, has expired or is stale. */
static void what_is_counted_can_be_seen(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct testing_cache t = testing_open(4 * MIB, 2, CACHE_ALLKEYS_LFU);
        char name[32];
        for (uint32_t i = 0; i < (large ? 6000 : 10); i++) {
            snprintf(name, sizeof name, "other:%u", i);
            assert_int_equal(put(&t, name, NULL, NULL, NULL), STATUS_OK);
        }
        for (const char *const *one = (const char *const[]){"a", "b", "c", "d", NULL}; *one; one++)
            assert_int_equal(put(&t, *one, "red", *one, NULL), STATUS_OK);
        struct cache_key key = cache_key(t.cache, 0, text("b"));
        struct cache_edit edit;
        cache_edit_begin(t.cache, &t.actor, &key, &edit);
        assert_int_equal(cache_edit_expire(&edit, t.actor.now_ms + 5), STATUS_OK);
        cache_edit_end(&edit);
        assert_true(seen(&t, "red", false) == 4 && seen(&t, "red", true) == 4 && seen(&t, "none", true) == 0);
        t.actor.now_ms += 10;
        soften_one(&t, "c");
        assert_int_equal(invalidate(&t, "a"), 1);
        assert_int_equal(count_of(&t, "red"), 4);
        assert_int_equal(seen(&t, "red", true), 1);
        assert_int_equal(count_of(&t, "red"),
                         2); /* what went by another tag was swept, and what has expired beside it */
        assert_int_equal(seen(&t, "red", false), large ? 2 : 1);
        assert_int_equal(invalidate(&t, "red"), 2);
        assert_int_equal(seen(&t, "red", true), 0);
        testing_close(&t);
    }
}

UNIT_TESTS(tags, UNIT(what_is_counted_can_be_seen), UNIT(what_bears_an_invalidated_tag_is_gone),
           UNIT(batches_and_glances_see_it_too), UNIT(scans_pass_it_over), UNIT(other_changes_keep_the_tags),
           UNIT(a_change_brings_nothing_back), UNIT(a_tag_added_later_begins_then),
           UNIT(an_invalidated_head_ends_its_session), UNIT(what_is_written_dead_is_swept),
           UNIT(constant_invalidation_starves_nobody), UNIT(kept_tags_are_put_back), UNIT(wrong_tags_change_nothing),
           UNIT(tags_end_where_memory_ends), UNIT(flushes_forget_tags), UNIT(a_naive_twin_agrees));
