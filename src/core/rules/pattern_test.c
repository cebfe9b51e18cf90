#include "core/rules/pattern.h"

#include "core/rules/rules_fixture.h"
#include "unit.h"

static void wrong_patterns_are_refused_with_their_place(void **state) {
    static const struct {
        const char *text;
        size_t at, size;
        const char *what;
    } cases[] = {
        {"", 0, 1, "an empty pattern"},
        {"user:{id", 5, 3, "a '{' without its '}'"},
        {"user:{}", 5, 2, "a part without a name"},
        {"user:{i d}", 7, 1, "this byte may not stand in the name of a part"},
        {"user:id}", 7, 1, "a '}' without its '{'"},
        {"user:id]", 7, 1, "a ']' without its '['"},
        {"{a}{b}", 3, 3, "nothing says where the one ends and the other begins"},
        {"{a}*", 3, 1, "nothing says where the one ends and the other begins"},
        {"*{a}", 1, 3, "nothing says where the one ends and the other begins"},
        {"a**", 2, 1, "nothing says where the one ends and the other begins"},
        {"{a}:{a}", 4, 3, "a second part with this name"},
        {"{a}:{b}:{c}:{d}:{e}:{f}:{g}:{h}:{i}", 32, 3, "more than 8 parts"},
        {"x[ab", 1, 3, "a '[' without its ']'"},
        {"x[ab\\", 1, 4, "a '[' without its ']'"},
        {"x[]", 1, 2, "a set without bytes"},
        {"x[b-a]", 2, 3, "a range that runs backwards"},
        {"x[^b-a]", 3, 3, "a range that runs backwards"},
        {"[^]", 0, 3, "a set of all bytes"},
        {"{a}[^a]", 3, 1, "a part ends where this begins, and this begins with nearly any byte"},
        {"x\\", 1, 1, "a '\\' at the end"},
        {"[ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab]", 64, 1,
         "more than 16 parts, stars and sets"},
        {"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", 32, 1, "more than 16 parts, stars and sets"},
        {"{data.id}", 5, 1, "this byte may not stand in the name of a part"},
    };
    struct arena arena;
    arena_init(&arena, &memory_libc, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_pattern pattern;
        struct rules_pattern_problem problem = {0, 0, NULL, NULL};
        enum status status =
            rules_pattern_parse(slice_from_string(cases[i].text), RULES_SYNTAX_KEYS, &arena, &pattern, &problem);
        assert_int_equal(status, STATUS_INVALID);
        assert_string_equal(problem.what, cases[i].what);
        assert_non_null(problem.help);
        if (problem.at != cases[i].at || problem.size != cases[i].size)
            fail_msg("'%s': at %zu, %zu bytes", cases[i].text, problem.at, problem.size);
    }
    char longer[RULES_PATTERN_SIZE_MAX + 2];
    struct rules_pattern pattern;
    struct rules_pattern_problem problem;
    memset(longer, 'a', sizeof longer);
    assert_int_equal(
        rules_pattern_parse(slice_make(longer, RULES_PATTERN_SIZE_MAX), RULES_SYNTAX_KEYS, &arena, &pattern, &problem),
        STATUS_OK);
    assert_int_equal(rules_pattern_parse(slice_make(longer, RULES_PATTERN_SIZE_MAX + 1), RULES_SYNTAX_KEYS, &arena,
                                         &pattern, &problem),
                     STATUS_INVALID);
    arena_fini(&arena);
}

static void keys_match_and_parts_are_told(void **state) {
    static const struct {
        const char *pattern, *key, *first; /* NULL: no match; what the first part matched */
    } cases[] = {
        {"user:{id}", "user:7", "7"},
        {"user:{id}", "user:", NULL},
        {"user:{id}", "user:7:x", NULL},
        {"user:{id}:name", "user:7:name", "7"},
        {"{a}-{b}", "x-y-z", "x"},
        {"{a}-{b}", "x:y-z", NULL},
        {"{a}[0-9]", "abc7", "abc"},
        {"{a}[0-9]", "abc", NULL},
        {"feed:*", "feed:", ""},
        {"feed:*:{n}", "feed:a:b:c", "c"},
        {"*:tmp", "a:tmp:tmp", ""},
        {"price\\*{id}", "price*7", "7"},
        {"price\\*{id}", "pricey7", NULL},
        {"[^a-c]x", "dx", ""},
        {"[^a-c]x", "bx", NULL},
        {"[a\\]-]", "]", ""},
        {"[a\\]-]", "-", ""},
        {"a?b", "a?b", ""},
        {"a?b", "axb", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture_patterns patterns = {.count = 0};
        struct rules_fields fields;
        struct slice key = slice_from_string(cases[i].key);
        arena_init(&patterns.arena, &memory_libc, 4096);
        assert_true(fixture_add(&patterns, cases[i].pattern));
        bool matches = rules_pattern_matches(&patterns.list[0], key, &fields);
        if (matches != (cases[i].first != NULL))
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].key);
        if (matches && *cases[i].first)
            assert_true(slice_equal(rules_field(&fields, key, 0), slice_from_string(cases[i].first)));
        arena_fini(&patterns.arena);
    }
}

static void commands_patterns_are_globs(void **state) {
    struct arena arena;
    struct rules_pattern pattern;
    struct rules_pattern_problem problem;
    arena_init(&arena, &memory_libc, 4096);
    assert_int_equal(rules_pattern_parse(SLICE("a?{x}**]"), RULES_SYNTAX_GLOB, &arena, &pattern, &problem), STATUS_OK);
    assert_true(rules_pattern_matches(&pattern, SLICE("ab{x}yz]"), NULL));
    assert_false(rules_pattern_matches(&pattern, SLICE("a{x}]"), NULL));
    arena_fini(&arena);
}

static void matching_agrees_with_trying_everything(void **state) {
    uint32_t matched = 0;
    uint64_t seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    for (int round = 0; round < 3000; round++) {
        struct fixture_patterns patterns = {.count = 0};
        char text[64];
        arena_init(&patterns.arena, &memory_libc, 4096);
        fixture_random_pattern(&rng, text);
        bool good = fixture_add(&patterns, text);
        for (uint32_t n = 0; good && n < FIXTURE_KEYS; n += 1 + (uint32_t)rng_below(&rng, 8)) {
            uint8_t bytes[8];
            struct slice key = slice_make(bytes, fixture_key(n, bytes));
            bool expected = fixture_takes(&patterns.list[0], 0, key, 0);
            if (rules_pattern_matches(&patterns.list[0], key, NULL) != expected)
                fail_msg("seed %llu: '%s' and '%.*s'", (unsigned long long)seed, text, (int)key.size,
                         (const char *)key.data);
            matched += expected;
        }
        arena_fini(&patterns.arena);
    }
    assert_true(matched > 1000);
}

/* The order is that of sets: whatever takes less comes first. */
static void narrower_patterns_come_first(void **state) {
    uint64_t seed = unit_seed();
    uint32_t within = 0;
    struct rng rng = rng_seeded(seed);
    for (int round = 0; round < 20000; round++) {
        struct fixture_patterns patterns = {.count = 0};
        char a[64], b[64];
        arena_init(&patterns.arena, &memory_libc, 4096);
        fixture_random_pattern(&rng, a);
        fixture_random_pattern(&rng, b);
        if (fixture_add(&patterns, a) && fixture_add(&patterns, b)) {
            uint32_t both = 0, only_a = 0, only_b = 0;
            for (uint32_t n = 0; n < FIXTURE_KEYS && !(only_a && only_b); n++) {
                uint8_t bytes[8];
                struct slice key = slice_make(bytes, fixture_key(n, bytes));
                bool in_a = rules_pattern_matches(&patterns.list[0], key, NULL);
                bool in_b = rules_pattern_matches(&patterns.list[1], key, NULL);
                both += in_a && in_b;
                only_a += in_a && !in_b;
                only_b += in_b && !in_a;
            }
            int order = rules_pattern_order(&patterns.list[0], &patterns.list[1]);
            assert_int_equal(order, -rules_pattern_order(&patterns.list[1], &patterns.list[0]));
            /* patterns of more than five bytes look empty here, so there has to be something in both */
            if (both && only_b && !only_a && order >= 0 && patterns.list[0].token_count <= 4)
                fail_msg("seed %llu: '%s' is within '%s', but does not come before it", (unsigned long long)seed, a, b);
            within += both && only_b && !only_a;
        }
        arena_fini(&patterns.arena);
    }
    assert_true(within > 100);
}

UNIT_TESTS(pattern, UNIT(wrong_patterns_are_refused_with_their_place), UNIT(keys_match_and_parts_are_told),
           UNIT(commands_patterns_are_globs), UNIT(matching_agrees_with_trying_everything),
           UNIT(narrower_patterns_come_first));
