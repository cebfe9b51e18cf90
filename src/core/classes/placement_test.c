/* Which stores rules want, and where keys go. */
#include "core/classes/placement.h"

#include <stdio.h>

#include "core/rules/rules_fixture.h"
#include "unit.h"

struct wanted_class {
    const char *pattern, *store;
    uint64_t quota_bytes;
    uint8_t evict, on_quota;
};

static struct rules *compile(const struct wanted_class *classes, const struct manifest_store *stores,
                             uint32_t store_count) {
    static struct manifest_class list[64];
    struct manifest manifest = {.classes = list, .stores = stores, .store_count = store_count};
    struct fixture_told told = {0};
    for (; classes->pattern; classes++, manifest.class_count++) {
        struct manifest_class *class = &list[manifest.class_count];
        *class = (struct manifest_class){.pattern = fixture_text(classes->pattern, manifest.class_count + 1),
                                         .quota_bytes = classes->quota_bytes,
                                         .on_quota = classes->on_quota,
                                         .evict = classes->evict};
        if (classes->store) {
            class->store = fixture_text(classes->store, manifest.class_count + 1);
            class->places[MANIFEST_STORE] = class->store.place;
        }
    }
    struct manifest_sink sink = {fixture_tell, NULL, &told};
    struct rules *rules;
    assert_int_equal(rules_compile(&manifest, &memory_libc, &sink, &rules), STATUS_OK);
    return rules;
}

static struct placement *place(const struct rules *rules) {
    struct placement *placement;
    assert_int_equal(placement_new(rules, CACHE_ALLKEYS_LRU, &memory_libc, &placement), STATUS_OK);
    for (uint32_t i = 0; i < placement_store_count(placement); i++)
        placement_store(placement, i)->number = 10 * i;
    return placement;
}

static const char *store_of(struct placement *placement, const char *key) {
    struct slice part;
    return placement_store(placement, placement_route(placement, slice_from_string(key), &part) / 10)->name;
}

static const struct manifest_store two_stores[] = {
    {.name = {.text = {(const uint8_t *)"default", 7}, .place = {.line = 90}}, .share_permille = 500},
    {.name = {.text = {(const uint8_t *)"sess", 4}, .place = {.line = 91}},
     .eviction = {.text = {(const uint8_t *)"session", 7}},
     .guaranteed_bytes = 1000},
    {.name = {.text = {(const uint8_t *)"jobs", 4}, .place = {.line = 92}}, .entries_max = 50},
};

static const struct wanted_class shop[] = {
    {.pattern = "session:{id}", .store = "sess"},
    {.pattern = "cart:{id}:*", .store = "sess"},
    {.pattern = "cart:{id}:tmp", .evict = MANIFEST_EVICT_FIRST},
    {.pattern = "job:{id}", .store = "jobs", .quota_bytes = 5000, .on_quota = MANIFEST_ON_QUOTA_REFUSE},
    {.pattern = "job:admin"},
    {.pattern = "page:{url}", .quota_bytes = 7000},
    {.pattern = "page:[0-9]", .evict = MANIFEST_EVICT_NEVER},
    {.pattern = "page:*:{x}", .evict = MANIFEST_EVICT_LAST},
    {.pattern = "user:{id}"},
    {.pattern = NULL},
};

static void keys_go_where_their_class_is(void **state) {
    (void)state;
    static const char *const where[][2] = {
        {"session:7", "sess"},     {"cart:7:x", "sess"},   {"cart:7:tmp", "@cart-id-tmp"}, {"job:7", "jobs"},
        {"job:admin", "default"},  {"job:adminx", "jobs"}, {"page:abc", "@page-url"},      {"page:7", "@page-0-9"},
        {"page:a:b", "@page-x"},   {"user:7", "default"},  {"other", "default"},           {"", "default"},
        {"session:7:8", "default"}};
    struct rules *rules = compile(shop, two_stores, 3);
    struct placement *placement = place(rules);
    rules_free(rules); /* nothing refers to them */
    for (size_t i = 0; i < sizeof where / sizeof *where; i++)
        assert_string_equal(store_of(placement, where[i][0]), where[i][1]);
    struct slice part;
    (void)placement_route(placement, SLICE("cart:77:x"), &part);
    assert_true(slice_equal(part, SLICE("77")));
    (void)placement_route(placement, SLICE("job:77"), &part);
    assert_int_equal(part.size, 0);
    placement_free(placement);
}

static void limits_are_those_of_the_store(void **state) {
    (void)state;
    struct rules *rules = compile(shop, two_stores, 3);
    struct placement *placement = place(rules);
    assert_int_equal(placement_store_count(placement), 7);
    const struct placement_store *store = placement_store(placement, 0);
    assert_int_equal(store->share_permille, 500);
    assert_int_equal(store->policy, CACHE_ALLKEYS_LRU);
    store = placement_store_named(placement, "jobs"); /* one class: no store of its own */
    assert_int_equal(store->entries_max, 50);
    assert_int_equal(store->bounds.quota_bytes, 5000);
    assert_true(store->bounds.refuses);
    store = placement_store_named(placement, "sess");
    assert_int_equal(store->policy, CACHE_SESSION);
    assert_true(slice_equal(store->head, SLICE("session:{id}")));
    assert_true(placement_has_sessions(placement));
    store = placement_store_named(placement, "@page-0-9");
    assert_int_equal(store->policy, CACHE_NOEVICTION);
    store = placement_store_named(placement, "@page-x");
    assert_int_equal(store->bounds.rank, CACHE_RANK_LAST);
    store = placement_store_named(placement, "@cart-id-tmp");
    assert_int_equal(store->bounds.rank, CACHE_RANK_FIRST);
    store = placement_store_named(placement, "@page-url");
    assert_int_equal(store->bounds.quota_bytes, 7000);
    assert_false(store->bounds.refuses);
    placement_free(placement);
    rules_free(rules);
}

static void numbers_differ_and_routes_do_not(void **state) {
    (void)state;
    struct wanted_class classes[] = {{.pattern = "a:{x}", .quota_bytes = 100}, {.pattern = "b:{x}"}, {.pattern = NULL}};
    struct rules *rules = compile(classes, NULL, 0);
    struct placement *before = place(rules);
    rules_free(rules);
    classes[0].quota_bytes = 200;
    rules = compile(classes, NULL, 0);
    struct placement *after = place(rules);
    rules_free(rules);
    assert_true(placement_same_routes(before, after));
    placement_keep_numbers(before, after);
    assert_int_equal(placement_store(before, 1)->bounds.quota_bytes, 200);
    placement_free(after);
    classes[1].evict = MANIFEST_EVICT_LAST;
    rules = compile(classes, NULL, 0);
    after = place(rules);
    rules_free(rules);
    assert_false(placement_same_routes(before, after));
    placement_free(after);
    placement_free(before);
}

static void names_are_made_of_patterns_and_differ(void **state) {
    (void)state;
    static const struct wanted_class classes[] = {
        {.pattern = "a:{x}", .quota_bytes = 1},
        {.pattern = "a-{x}", .quota_bytes = 1},
        {.pattern = "{x}", .quota_bytes = 1},
        {.pattern = "::*", .quota_bytes = 1},
        {.pattern = "a-very-long-beginning-of-a-pattern:{x}", .quota_bytes = 1},
        {.pattern = "a-very-long-beginning-of-a-pattern-again:{x}", .quota_bytes = 1},
        {.pattern = NULL}};
    struct rules *rules = compile(classes, NULL, 0);
    struct placement *placement = place(rules);
    for (uint32_t i = 0; i < placement_store_count(placement); i++) {
        const struct placement_store *store = placement_store(placement, i);
        assert_ptr_equal(placement_store_named(placement, store->name), store);
    }
    assert_string_equal(placement_store(placement, 1)->name, "@a-x");
    assert_string_equal(placement_store(placement, 2)->name, "@a-x-2");
    placement_free(placement);
    rules_free(rules);
}

static void memory_that_fails_leaves_nothing(void **state) {
    (void)state;
    struct rules *rules = compile(shop, two_stores, 3);
    enum status status = STATUS_NO_MEMORY;
    for (long n = 0; status != STATUS_OK; n++) {
        struct fixture_failing failing = {.left = n};
        struct memory memory = {.resize = fixture_resize, .context = &failing};
        struct placement *placement;
        status = placement_new(rules, CACHE_ALLKEYS_LFU, &memory, &placement);
        if (status == STATUS_OK)
            placement_free(placement);
        else
            assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(failing.live, 0);
        assert_true(n < 1000);
    }
    rules_free(rules);
}

UNIT_TESTS(placement, UNIT(keys_go_where_their_class_is), UNIT(limits_are_those_of_the_store),
           UNIT(numbers_differ_and_routes_do_not), UNIT(names_are_made_of_patterns_and_differ),
           UNIT(memory_that_fails_leaves_nothing));
