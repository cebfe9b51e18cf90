#include "core/rules/match.h"

#include "core/rules/rules_fixture.h"
#include "unit.h"

/* The one that is meant, by looking at all of them. */
static uint32_t find_among(const struct fixture_patterns *patterns, struct slice key) {
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < patterns->count; i++)
        if (fixture_takes(&patterns->list[i], 0, key, 0) &&
            (best == UINT32_MAX || rules_pattern_order(&patterns->list[i], &patterns->list[best]) < 0))
            best = i;
    return best;
}

static bool add_new(struct fixture_patterns *patterns, const char *text) {
    if (!fixture_add(patterns, text))
        return false;
    for (uint32_t i = 0; i + 1 < patterns->count; i++)
        if (rules_pattern_same(&patterns->list[i], &patterns->list[patterns->count - 1]))
            patterns->count--;
    return true;
}

static void tree_finds_what_looking_at_all_finds(void **state) {
    uint64_t seed = unit_seed();
    uint32_t found_count = 0;
    struct rng rng = rng_seeded(seed);
    for (int round = 0; round < 600; round++) {
        struct fixture_patterns patterns = {.count = 0};
        const struct rules_matcher *matcher;
        char text[64];
        arena_init(&patterns.arena, &memory_libc, 4096);
        for (uint64_t i = rng_below(&rng, 40); i > 0; i--) {
            fixture_random_pattern(&rng, text);
            (void)add_new(&patterns, text);
        }
        struct arena exact; /* a chunk for each allocation, so that the address sanitizer sees their ends */
        arena_init(&exact, &memory_libc, 1);
        assert_int_equal(rules_matcher_new(patterns.list, patterns.count, &exact, &matcher), STATUS_OK);
        for (uint32_t n = 0; n < FIXTURE_KEYS; n += 1 + (uint32_t)rng_below(&rng, 4)) {
            uint8_t bytes[8];
            struct rules_fields fields = {.count = 99}, expected;
            struct slice key = slice_make(bytes, fixture_key(n, bytes));
            uint32_t best = find_among(&patterns, key), found = rules_matcher_find(matcher, key, UINT32_MAX, &fields);
            if (found != best)
                fail_msg("seed %llu: '%.*s' is '%.*s', found was '%.*s'", (unsigned long long)seed, (int)key.size,
                         (const char *)key.data, best == UINT32_MAX ? 4 : (int)patterns.list[best].text.size,
                         best == UINT32_MAX ? "none" : (const char *)patterns.list[best].text.data,
                         found == UINT32_MAX ? 4 : (int)patterns.list[found].text.size,
                         found == UINT32_MAX ? "none" : (const char *)patterns.list[found].text.data);
            if (found == UINT32_MAX) {
                assert_int_equal(fields.count, 99);
                continue;
            }
            found_count++;
            assert_true(rules_pattern_matches(&patterns.list[found], key, &expected));
            assert_int_equal(fields.count, expected.count);
            for (uint32_t i = 0; i < fields.count; i++)
                assert_true(fields.at[i].begin == expected.at[i].begin && fields.at[i].end == expected.at[i].end);
        }
        arena_fini(&exact);
        arena_fini(&patterns.arena);
    }
    assert_true(found_count > 10000);
}

static void no_patterns_match_nothing(void **state) {
    struct arena arena;
    const struct rules_matcher *matcher;
    struct rules_fields fields;
    arena_init(&arena, &memory_libc, 4096);
    assert_int_equal(rules_matcher_new(NULL, 0, &arena, &matcher), STATUS_OK);
    assert_int_equal(rules_matcher_find(matcher, SLICE("a"), 7, &fields), 7);
    assert_int_equal(rules_matcher_find(matcher, SLICE(""), 7, &fields), 7);
    arena_fini(&arena);
}

static void memory_that_ends_is_an_answer(void **state) {
    struct fixture_patterns patterns = {.count = 0};
    arena_init(&patterns.arena, &memory_libc, 4096);
    assert_true(fixture_add(&patterns, "a:{b}:*") && fixture_add(&patterns, "a:*:[xy]") && fixture_add(&patterns, "b"));
    for (long left = 0;; left++) {
        struct fixture_failing failing = {.left = left};
        struct memory memory = {fixture_resize, &failing};
        const struct rules_matcher *matcher;
        struct arena arena;
        arena_init(&arena, &memory, 64);
        enum status status = rules_matcher_new(patterns.list, patterns.count, &arena, &matcher);
        arena_fini(&arena);
        assert_int_equal(failing.live, 0);
        if (status == STATUS_OK)
            break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_true(left < 100);
    }
    arena_fini(&patterns.arena);
}

UNIT_TESTS(match, UNIT(tree_finds_what_looking_at_all_finds), UNIT(no_patterns_match_nothing),
           UNIT(memory_that_ends_is_an_answer));
