/* core/classes/classes_fixture.h: a cache that follows rules, for the tests of this folder. */
#ifndef STRATA_CORE_CLASSES_FIXTURE_H
#define STRATA_CORE_CLASSES_FIXTURE_H

#include "core/cache/cache_fixture.h"
#include "core/classes/terms.h"
#include "core/rules/rules_fixture.h"

struct ruled {
    struct testing_cache t;
    struct rules *rules;
    uint64_t asked; /* times */
};

static inline enum status ruled_terms(void *context, struct actor *actor, struct slice name,
                                      struct cache_terms *terms) {
    struct ruled *ruled = context;
    ruled->asked++;
    classes_terms(ruled->rules, name, actor->now_ms, ruled->asked * 0x9e3779b97f4a7c15u,
                  cache_tag_name_max(ruled->t.cache), terms);
    return STATUS_OK;
}

static inline void ruled_open(struct ruled *ruled, const struct fixture_class *classes, uint64_t limit_bytes) {
    struct fixture_told told;
    *ruled = (struct ruled){0};
    assert_int_equal(fixture_compile(classes, NULL, &memory_libc, &told, &ruled->rules), STATUS_OK);
    ruled->t =
        testing_open_as((struct cache_options){.limit_bytes = limit_bytes,
                                               .policy = CACHE_ALLKEYS_LFU,
                                               .rules = {ruled_terms, ruled, CLASSES_MARKS, CLASSES_HIDDEN_MARK}});
    cache_rules_ask(ruled->t.cache, true);
}

static inline void ruled_close(struct ruled *ruled) {
    testing_close(&ruled->t);
    rules_free(ruled->rules);
}

static inline void ruled_set(struct ruled *ruled, const char *name, const char *value, uint64_t ttl_ms) {
    uint64_t at_ms = ttl_ms ? ruled->t.actor.now_ms + ttl_ms : 0;
    assert_int_equal(testing_set(&ruled->t, 0, slice_from_string(name), slice_from_string(value), at_ms), STATUS_OK);
}

static inline bool ruled_has(struct ruled *ruled, const char *name) {
    struct cache_info info;
    struct cache_key key = cache_key(ruled->t.cache, 0, slice_from_string(name));
    return cache_find(ruled->t.cache, &ruled->t.actor, &key, false, &info);
}

static inline void ruled_edit(struct ruled *ruled, const char *name, struct cache_edit *ret_edit) {
    struct cache_key key = cache_key(ruled->t.cache, 0, slice_from_string(name));
    cache_edit_begin(ruled->t.cache, &ruled->t.actor, &key, ret_edit);
}

/* Milliseconds until it expires; 0: never. */
static inline uint64_t ruled_ttl(struct ruled *ruled, const char *name) {
    struct cache_edit edit;
    ruled_edit(ruled, name, &edit);
    assert_true(edit.found);
    uint64_t at_ms = edit.expires_at_ms;
    cache_edit_end(&edit);
    return at_ms ? at_ms - ruled->t.actor.now_ms : 0;
}

static inline void ruled_note_tag(void *context, struct slice tag) {
    struct buf *text = context;
    assert_int_equal(buf_append_slice(text, tag), STATUS_OK);
    assert_int_equal(buf_append(text, " ", 1), STATUS_OK);
}

/* The tags of an entry in the order in which it has them: "=user:{id} user:7 ". */
static inline const char *ruled_tags(struct ruled *ruled, const char *name) {
    static char text[2048];
    struct cache_edit edit;
    struct buf tags;
    buf_init(&tags, &memory_libc);
    ruled_edit(ruled, name, &edit);
    assert_true(edit.found);
    cache_edit_tags(&edit, ruled_note_tag, &tags);
    cache_edit_end(&edit);
    assert_true(tags.size < sizeof text);
    if (tags.size)
        memcpy(text, tags.data, tags.size);
    text[tags.size] = 0;
    buf_fini(&tags);
    return text;
}

#endif
