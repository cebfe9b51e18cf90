#include "core/rules/rules.h"

#include "core/rules/rules_fixture.h"
#include "unit.h"

static struct rules *compiled(const struct fixture_class *classes) {
    struct fixture_told told;
    struct rules *rules;
    enum status status = fixture_compile(classes, NULL, &memory_libc, &told, &rules);
    if (status != STATUS_OK)
        fail_msg("%u errors, first '%s'", told.errors, told.codes[0]);
    return rules;
}

static void owners_write_and_borrowers_read(void **state) {
    static const struct fixture_class classes[] = {
        {.pattern = "user:{id}", .owner = "users", .borrowers = {"web", "mail"}},
        {.pattern = "open:{id}"},
        {.pattern = "own:{id}", .owner = "web"},
        {.pattern = NULL}};
    struct rules *rules = compiled(classes);
    uint32_t users = rules_service_named(rules, SLICE("users")), web = rules_service_named(rules, SLICE("web"));
    assert_int_not_equal(users, RULES_NONE);
    assert_true(slice_equal(rules_service(rules, web), SLICE("web")));
    assert_int_equal(rules_service_named(rules, SLICE("nobody")), RULES_NONE);
    assert_true(rules_may_write(rules, 0, users) && rules_may_read(rules, 0, users));
    assert_true(!rules_may_write(rules, 0, web) && rules_may_read(rules, 0, web));
    assert_true(!rules_may_write(rules, 0, RULES_NONE) && !rules_may_read(rules, 0, RULES_NONE));
    assert_true(rules_may_write(rules, 1, RULES_NONE) && rules_may_read(rules, 1, RULES_NONE));
    assert_true(!rules_may_write(rules, 2, users) && rules_may_read(rules, 2, users));
    assert_true(rules_may_write(rules, RULES_NONE, RULES_NONE) && rules_may_read(rules, RULES_NONE, users));
    rules_free(rules);
}

static void ttl_is_by_default_bounded_and_shortened_by_jitter(void **state) {
    struct rules_class none = {.ttl_default_ms = 0}, usual = {.ttl_default_ms = 1000, .ttl_max_ms = 5000};
    struct rules_class capped = {.ttl_max_ms = 5000}, shaken = {.ttl_default_ms = 1000, .jitter_permille = 100};
    struct rules_class wild = {.ttl_default_ms = 3, .jitter_permille = 1000};
    assert_int_equal(rules_ttl_ms(&none, 0, 9), 0);
    assert_int_equal(rules_ttl_ms(&none, 70, 9), 70);
    assert_int_equal(rules_ttl_ms(&usual, 0, 9), 1000);
    assert_int_equal(rules_ttl_ms(&usual, 2000, 9), 2000);
    assert_int_equal(rules_ttl_ms(&usual, 9000, 9), 5000);
    assert_int_equal(rules_ttl_ms(&capped, 0, 9), 5000);
    uint64_t least = UINT64_MAX, most = 0;
    struct rng rng = rng_seeded(unit_seed());
    for (int i = 0; i < 10000; i++) {
        uint64_t ttl = rules_ttl_ms(&shaken, 0, rng_next(&rng));
        least = ttl < least ? ttl : least;
        most = ttl > most ? ttl : most;
        assert_true(rules_ttl_ms(&wild, 0, rng_next(&rng)) >= 1);
    }
    assert_int_equal(least, 900);
    assert_int_equal(most, 1000);
    assert_true(rules_ttl_ms(&shaken, UINT64_MAX, UINT64_MAX) > UINT64_MAX / 10 * 8);
}

/* However short jitter has made it, a value is never about to expire as soon as it is written. */
static void early_is_a_share_of_the_shortest_life(void **state) {
    struct rules_class plain = {.ttl_default_ms = 1000, .ttl_max_ms = 9000, .refresh_permille = 800};
    struct rules_class capped = {.ttl_max_ms = 5000, .refresh_permille = 500}, none = {.ttl_default_ms = 1000};
    struct rules_class shaken = {.ttl_default_ms = 20000, .jitter_permille = 500, .refresh_permille = 200};
    struct rules_class wild = {.ttl_default_ms = 3, .jitter_permille = 1000, .refresh_permille = 1};
    assert_int_equal(rules_early_ms(&plain), 200);
    assert_int_equal(rules_early_ms(&capped), 2500);
    assert_int_equal(rules_early_ms(&none), 0);
    assert_int_equal(rules_early_ms(&shaken), 8000);
    assert_int_equal(rules_early_ms(&wild), 1);
    struct rng rng = rng_seeded(unit_seed());
    for (int i = 0; i < 10000; i++)
        assert_true(rules_ttl_ms(&shaken, 0, rng_next(&rng)) > rules_early_ms(&shaken));
}

static void differences_are_told_by_class_and_field(void **state) {
    static const struct fixture_class before[] = {
        {.pattern = "user:{id}", .ttl_ms = 1000, .invalidates = {"feed:{id}"}},
        {.pattern = "feed:{id}"},
        {.pattern = "old:*"},
        {.pattern = "team:{id}", .owner = "a", .tags = {"t"}, .borrowers = {"b", "c"}},
        {.pattern = "sum:{id}", .derives = {"user:{id}"}},
        {.pattern = NULL}};
    static const struct fixture_class after[] = {
        {.pattern = "new"},
        {.pattern = "team:{number}", .owner = "a", .tags = {"t"}, .borrowers = {"c", "b"}},
        {.pattern = "feed:{id}", .tags = {"x"}},
        {.pattern = "user:{id}", .ttl_ms = 2000},
        {.pattern = "sum:{id}", .derives = {"user:*"}},
        {.pattern = NULL}};
    struct rules *a = compiled(before), *b = compiled(after);
    struct rules_difference list[8];
    assert_int_equal(rules_diff(a, a, list, 8), 0);
    assert_int_equal(rules_diff(a, b, list, 8), 5);
    assert_true(list[0].change == RULES_CHANGED && list[0].class_before == 0 && list[0].class_after == 3);
    assert_int_equal(list[0].fields, 1u << MANIFEST_TTL_DEFAULT | 1u << MANIFEST_INVALIDATES);
    assert_true(list[1].change == RULES_CHANGED && list[1].fields == 1u << MANIFEST_TAGS);
    assert_true(list[2].change == RULES_REMOVED && list[2].class_before == 2 && list[2].class_after == RULES_NONE);
    assert_true(list[3].change == RULES_CHANGED && list[3].fields == 1u << MANIFEST_DERIVES);
    assert_true(list[4].change == RULES_ADDED && list[4].class_after == 0);
    struct fixture_class softer[] = {before[0], before[1], before[2], before[3], before[4], {.pattern = NULL}};
    softer[0].invalidates[0] = "soft feed:{id}";
    softer[4].derives[0] = "soft user:{id}";
    struct rules *c = compiled(softer);
    assert_int_equal(rules_diff(a, c, list, 8), 2);
    assert_true(list[0].fields == 1u << MANIFEST_INVALIDATES && list[1].fields == 1u << MANIFEST_DERIVES);
    rules_free(c);
    assert_int_equal(rules_diff(a, b, list, 8), 5);
    list[1].fields = 99;
    assert_int_equal(rules_diff(a, b, list, 1), 5);
    assert_int_equal(list[1].fields, 99);
    assert_string_equal(rules_field_name(MANIFEST_TTL_MAX), "ttl.max");
    rules_free(a);
    rules_free(b);
}

static void rules_refer_to_nothing_of_the_manifest(void **state) {
    char pattern[] = "user:{id}", owner[] = "web";
    struct fixture_class classes[] = {{.pattern = pattern, .owner = owner, .tags = {pattern}}, {.pattern = NULL}};
    struct rules *rules = compiled(classes);
    struct rules_fields fields;
    memset(pattern, 'x', sizeof pattern - 1);
    memset(owner, 'x', sizeof owner - 1);
    assert_int_equal(rules_match(rules, SLICE("user:7"), &fields), 0);
    assert_int_equal(rules_class_named(rules, SLICE("user:{id}")), 0);
    assert_int_equal(rules_service_named(rules, SLICE("web")), 0);
    rules_free(rules);
}

static void every_allocation_may_fail(void **state) {
    static const struct fixture_class classes[] = {
        {.pattern = "a:{id}", .tags = {"a:{id}"}, .owner = "x", .invalidates = {"b:{id}:*", "c:{id}", "tag b"}},
        {.pattern = "b:{id}:{n}", .ttl_ms = 5, .tags = {"b"}},
        {.pattern = "c:{id}", .derives = {"b:{id}:*", "event e"}},
        {.pattern = "*"},
        {.pattern = NULL}};
    static const struct fixture_event events[] = {{"e", {"c:{data.id}", "b:*"}}, {NULL, {NULL}}};
    for (long left = 0;; left++) {
        struct fixture_failing failing = {.left = left};
        struct memory memory = {fixture_resize, &failing};
        struct fixture_told told;
        struct rules *rules = NULL;
        enum status status = fixture_compile(classes, events, &memory, &told, &rules);
        if (status == STATUS_INVALID)
            fail_msg("after %ld allocations: '%s' to '%s'", left, told.codes[0], told.codes[told.count - 1]);
        if (status == STATUS_OK) {
            rules_free(rules);
            assert_int_equal(failing.live, 0);
            break;
        }
        assert_null(rules);
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(failing.live, 0);
        assert_true(left < 1000);
    }
}

UNIT_TESTS(rules, UNIT(owners_write_and_borrowers_read), UNIT(ttl_is_by_default_bounded_and_shortened_by_jitter),
           UNIT(early_is_a_share_of_the_shortest_life), UNIT(differences_are_told_by_class_and_field),
           UNIT(rules_refer_to_nothing_of_the_manifest), UNIT(every_allocation_may_fail));
