/* What follows from a change goes, and nothing else that the rules do not name. */
#include "core/classes/cascade.h"

#include "base/rng.h"
#include "core/classes/classes_fixture.h"

enum { LIMIT = 4 << 20 };

static const struct fixture_class shop[] = {
    {.pattern = "user:{id}", .tags = {"user:{id}"}, .invalidates = {"profile:{id}", "feed:{id}:*"}},
    {.pattern = "profile:{id}", .invalidates = {"card:*:{id}"}},
    {.pattern = "feed:{user}:{page}", .invalidates = {"home"}},
    {.pattern = "card:{size}:{id}"},
    {.pattern = "item:{shop}:{id}", .tags = {"shop:{shop}"}},
    {.pattern = "count:{shop}", .derives = {"item:{shop}:*"}},
    {.pattern = "search:{words}:{shop}", .derives = {"item:{shop}:*"}},
    {.pattern = "best", .derives = {"item:*"}},
    {.pattern = "home"},
    {.pattern = "plain:{id}"},
    {.pattern = NULL},
};

static uint64_t run_over(struct ruled *ruled, struct rules_plan *plan, bool dry_run, uint64_t search_max) {
    const struct cascade cascade = {
        .cache = ruled->t.cache, .actor = &ruled->t.actor, .dry_run = dry_run, .search_max = search_max};
    return cascade_run(&cascade, plan);
}

static uint64_t run(struct ruled *ruled, struct rules_plan *plan, bool dry_run) {
    return run_over(ruled, plan, dry_run, UINT64_MAX);
}

static uint64_t after_change(struct ruled *ruled, const char *key, bool dry_run) {
    struct rules_plan plan;
    struct rules_fields fields;
    struct slice name = slice_from_string(key);
    rules_plan_init(&plan, ruled->rules, &memory_libc, 0, 0);
    uint32_t class = rules_match(ruled->rules, name, &fields);
    assert_int_equal(rules_plan_changed(&plan, name, class, &fields), STATUS_OK);
    uint64_t count = run(ruled, &plan, dry_run);
    rules_plan_fini(&plan);
    return count;
}

static void edges_of_each_kind_take_what_they_name(void **state) {
    (void)state;
    static const char *const keys[] = {"user:7",   "profile:7", "feed:7:1", "feed:7:2",  "feed:8:1", "card:s:7",
                                       "card:m:7", "card:s:8",  "home",     "profile:8", "plain:7"};
    struct ruled ruled;
    ruled_open(&ruled, shop, LIMIT);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        ruled_set(&ruled, keys[i], "v", 0);
    assert_int_equal(after_change(&ruled, "user:7", true), 6);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_true(ruled_has(&ruled, keys[i]));
    assert_int_equal(after_change(&ruled, "user:7", false), 6);
    static const bool left[] = {true, false, false, false, true, false, false, true, false, true, true};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (ruled_has(&ruled, keys[i]) != left[i])
            fail_msg("%s", keys[i]);
    ruled_set(&ruled, "feed:7:1", "new", 0);
    assert_true(ruled_has(&ruled, "feed:7:1"));
    assert_int_equal(after_change(&ruled, "plain:7", false), 0);
    ruled_close(&ruled);
}

/* Stale is there for an edit, and for nobody else; gone is gone. */
static bool is_stale(struct ruled *ruled, const char *name) {
    struct cache_key key = cache_key(ruled->t.cache, 0, slice_from_string(name));
    struct cache_edit edit;
    cache_edit_begin(ruled->t.cache, &ruled->t.actor, &key, &edit);
    bool stale = edit.stale;
    assert_false(stale && edit.found);
    cache_edit_end(&edit);
    return stale;
}

static void a_soft_edge_leaves_what_it_names_as_stale(void **state) {
    (void)state;
    static const struct fixture_class soft[] = {
        {.pattern = "price:{sku}",
         .invalidates = {"soft page:{sku}", "soft list:{sku}:*", "basket:{sku}", "soft all"},
         .ttl_ms = 60000},
        {.pattern = "page:{sku}", .invalidates = {"home"}, .ttl_ms = 60000},
        {.pattern = "list:{sku}:{shop}", .ttl_ms = 60000},
        {.pattern = "basket:{sku}", .invalidates = {"all"}, .ttl_ms = 60000},
        {.pattern = "home", .ttl_ms = 60000},
        {.pattern = "all", .ttl_ms = 60000},
        {.pattern = NULL},
    };
    static const struct {
        const char *key;
        bool stays, stale;
    } keys[] = {{"page:1", false, true},   {"page:2", true, false}, {"list:1:a", false, true},
                {"list:2:a", true, false}, {"home", false, true},   {"basket:1", false, false},
                {"all", false, false},     {"price:1", true, false}};
    struct ruled ruled;
    ruled_open(&ruled, soft, LIMIT);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        ruled_set(&ruled, keys[i].key, "v", 0);
    assert_int_equal(after_change(&ruled, "price:1", true), 5);
    assert_true(ruled_has(&ruled, "page:1") && ruled_has(&ruled, "all"));
    assert_int_equal(after_change(&ruled, "price:1", false), 5);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (ruled_has(&ruled, keys[i].key) != keys[i].stays || is_stale(&ruled, keys[i].key) != keys[i].stale)
            fail_msg("%s", keys[i].key);
    ruled_close(&ruled);
}

static void a_class_goes_as_one(void **state) {
    (void)state;
    struct ruled ruled;
    struct rules_plan plan;
    ruled_open(&ruled, shop, LIMIT);
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "feed:%d:%d", i % 50, i);
        ruled_set(&ruled, name, "v", 0);
    }
    ruled_set(&ruled, "home", "v", 0);
    ruled_set(&ruled, "user:1", "v", 0);
    rules_plan_init(&plan, ruled.rules, &memory_libc, 0, 0);
    assert_int_equal(rules_plan_class(&plan, rules_class_named(ruled.rules, SLICE("feed:{user}:{page}"))), STATUS_OK);
    assert_int_equal(run(&ruled, &plan, false), 1001);
    rules_plan_reset(&plan);
    assert_false(ruled_has(&ruled, "feed:3:3") || ruled_has(&ruled, "home"));
    assert_true(ruled_has(&ruled, "user:1"));
    assert_int_equal(rules_plan_pattern(&plan, SLICE("us*")), STATUS_OK);
    assert_int_equal(run(&ruled, &plan, false), 1);
    assert_false(ruled_has(&ruled, "user:1"));
    rules_plan_fini(&plan);
    const struct cascade all = {.cache = ruled.t.cache, .actor = &ruled.t.actor};
    ruled_set(&ruled, "feed:1:1", "v", 0);
    ruled_set(&ruled, "other", "v", 0);
    assert_int_equal(cascade_everything(&all, ruled.rules), 1);
    assert_true(ruled_has(&ruled, "other") && !ruled_has(&ruled, "feed:1:1"));
    ruled_close(&ruled);
}

static void a_pattern_is_looked_for_or_banned(void **state) {
    (void)state;
    struct ruled ruled;
    struct rules_plan plan;
    ruled_open(&ruled, shop, LIMIT);
    rules_plan_init(&plan, ruled.rules, &memory_libc, 0, 0);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("plain:1*")), STATUS_OK);
    for (uint64_t search_max = 2; search_max <= 3; search_max++) {
        ruled_set(&ruled, "plain:1", "v", 0), ruled_set(&ruled, "plain:12", "v", 0),
            ruled_set(&ruled, "plain:2", "v", 0);
        assert_int_equal(run_over(&ruled, &plan, true, search_max), 2);
        assert_true(ruled_has(&ruled, "plain:1"));
        assert_int_equal(run_over(&ruled, &plan, false, search_max), search_max == 2 ? CASCADE_UNCOUNTED : 2);
        assert_false(ruled_has(&ruled, "plain:1") || ruled_has(&ruled, "plain:12"));
        assert_true(ruled_has(&ruled, "plain:2"));
    }
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("[\x01-\xff]lain:*")), STATUS_OK);
    assert_int_equal(run_over(&ruled, &plan, false, 0), 1); /* looked for */
    assert_false(ruled_has(&ruled, "plain:2"));
    rules_plan_fini(&plan);
    ruled_close(&ruled);
}

struct copier {
    struct ruled *ruled;
    char first[32];
    uint32_t calls, copies;
};

/* While it is asked about a key, somebody copies that to where the search has been already. */
static bool copies_behind(void *context, struct slice name) {
    struct copier *copier = context;
    struct testing_cache *t = &copier->ruled->t;
    if (copier->calls++ == 0)
        memcpy(copier->first, name.data, name.size);
    if (copier->calls != 2 || copier->copies == 0)
        return true;
    copier->copies--;
    copier->calls = 0;
    struct cache_key keys[] = {cache_key(t->cache, 0, name), cache_key(t->cache, 0, slice_from_string(copier->first))};
    struct cache_edit from, to;
    cache_lock_keys(t->cache, &t->actor, keys, 2, 100);
    cache_edit_begin(t->cache, &t->actor, &keys[0], &from);
    cache_edit_begin(t->cache, &t->actor, &keys[1], &to);
    assert_true(from.found && !to.found);
    assert_int_equal(cache_edit_copy(&from, &to, 0), STATUS_OK);
    cache_edit_end(&to);
    cache_edit_end(&from);
    cache_unlock(t->cache, &t->actor);
    return true;
}

static void no_copy_slips_past_a_search(void **state) {
    (void)state;
    struct ruled ruled;
    struct rules_plan plan;
    ruled_open(&ruled, shop, LIMIT);
    rules_plan_init(&plan, ruled.rules, &memory_libc, 0, 0);
    assert_int_equal(rules_plan_expression(&plan, SLICE("^plain"), SLICE("plain*")), STATUS_OK);
    for (uint32_t copies = 0; copies <= 1; copies++) {
        struct copier copier = {.ruled = &ruled, .copies = copies};
        const struct cache_matcher matcher = {copies_behind, &copier};
        const struct cascade cascade = {
            .cache = ruled.t.cache, .actor = &ruled.t.actor, .expression = &matcher, .search_max = UINT64_MAX};
        ruled_set(&ruled, "plain:1", "v", 0), ruled_set(&ruled, "plain:2", "v", 0),
            ruled_set(&ruled, "plain:3", "v", 0);
        assert_int_equal(cascade_run(&cascade, &plan), 3 + copies);
        assert_int_equal(cache_count(ruled.t.cache, 0), 0);
    }
    rules_plan_fini(&plan);
    ruled_close(&ruled);
}

/* Which keys go by a change of another, as a person would say who reads the rules. */
static bool goes(const char *changed, const char *other) {
    char a[3][16] = {{0}}, b[3][16] = {{0}};
    sscanf(changed, "%15[^:]:%15[^:]:%15[^:]", a[0], a[1], a[2]);
    sscanf(other, "%15[^:]:%15[^:]:%15[^:]", b[0], b[1], b[2]);
    if (strcmp(a[0], "user") == 0) {
        bool feeds = strcmp(b[0], "feed") == 0 && strcmp(a[1], b[1]) == 0;
        bool profile = strcmp(b[0], "profile") == 0 && strcmp(a[1], b[1]) == 0;
        return feeds || profile || (strcmp(b[0], "card") == 0 && strcmp(a[1], b[2]) == 0) || strcmp(b[0], "home") == 0;
    }
    if (strcmp(a[0], "profile") == 0)
        return strcmp(b[0], "card") == 0 && strcmp(a[1], b[2]) == 0;
    if (strcmp(a[0], "feed") == 0)
        return strcmp(b[0], "home") == 0;
    if (strcmp(a[0], "item") == 0)
        return (strcmp(b[0], "count") == 0 && strcmp(a[1], b[1]) == 0) ||
               (strcmp(b[0], "search") == 0 && strcmp(a[1], b[2]) == 0) || strcmp(b[0], "best") == 0;
    return false;
}

enum { NAMES = 60 };

static void random_key(struct rng *rng, char name[32]) {
    static const char *const forms[] = {"user:%u",  "profile:%u",   "feed:%u:%u", "card:%u:%u", "item:%u:%u",
                                        "count:%u", "search:%u:%u", "best",       "home",       "plain:%u"};
    uint32_t form = (uint32_t)rng_below(rng, COUNT_OF(forms));
    uint32_t first = (uint32_t)rng_below(rng, 3), second = (uint32_t)rng_below(rng, 3);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    snprintf(name, 32, forms[form], first, second);
#pragma GCC diagnostic pop
}

static void a_naive_reader_of_the_rules_agrees(void **state) {
    (void)state;
    struct ruled ruled;
    struct rng rng = rng_seeded(unit_seed());
    char names[NAMES][32];
    ruled_open(&ruled, shop, LIMIT);
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < NAMES; i++) {
            random_key(&rng, names[i]);
            ruled_set(&ruled, names[i], "v", 0);
        }
        char changed[32];
        random_key(&rng, changed);
        after_change(&ruled, changed, false);
        for (int i = 0; i < NAMES; i++)
            if (ruled_has(&ruled, names[i]) == goes(changed, names[i]))
                fail_msg("%s after %s, seed %llu, round %d", names[i], changed, (unsigned long long)unit_seed(), round);
    }
    ruled_close(&ruled);
}

UNIT_TESTS(cascade, UNIT(edges_of_each_kind_take_what_they_name), UNIT(a_soft_edge_leaves_what_it_names_as_stale),
           UNIT(a_class_goes_as_one), UNIT(a_pattern_is_looked_for_or_banned), UNIT(no_copy_slips_past_a_search),
           UNIT(a_naive_reader_of_the_rules_agrees));
