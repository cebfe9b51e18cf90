#include "core/store/pattern.h"

#include "base/bits.h"
#include "base/rng.h"
#include "unit.h"

static bool matches(const char *pattern, const char *name, const char *part) {
    struct slice found;
    size_t at;
    assert_null(pattern_check(slice_from_string(pattern), &at));
    if (!pattern_matches(slice_from_string(pattern), slice_from_string(name), &found))
        return false;
    assert_true(slice_equal(found, slice_from_string(part)));
    return true;
}

static void parts_end_where_the_pattern_goes_on(void **state) {
    (void)state;
    assert_true(matches("session:{sid}", "session:42", "42"));
    assert_false(matches("session:{sid}", "session:", ""));
    assert_false(matches("session:{sid}", "session:42:cart", ""));
    assert_true(matches("session:{sid}:*", "session:42:cart:7", "42"));
    assert_true(matches("session:{sid}:*", "session:42:", "42"));
    assert_false(matches("session:{sid}:*", "session:42", ""));
    assert_true(matches("{a}-{b}", "x-y-z", "x"));
    assert_true(matches("{a}-{b}", "x-yz", "x"));
    assert_true(matches("report", "report", ""));
    assert_false(matches("report", "reports", ""));
}

static void stars_take_any_bytes(void **state) {
    (void)state;
    assert_true(matches("*", "", ""));
    assert_true(matches("*", "a:b", ""));
    assert_true(matches("a*b*c", "a1b2b3c", ""));
    assert_false(matches("a*b*c", "a1c2b", ""));
    assert_true(matches("*:user:{id}", "eu:x:user:7", "7"));
    assert_true(matches("*:user:{id}:x", "user:1:user:7:x", "7"));
    assert_true(matches("a\\*\\{b", "a*{b", ""));
    assert_false(matches("a\\*", "ab", ""));
}

static void wrong_patterns_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        size_t at;
    } wrong[] = {{"", 0},
                 {"a{", 1},
                 {"a{}", 1},
                 {"a{x", 1},
                 {"a{x y}", 1},
                 {"a}", 1},
                 {"a**", 2},
                 {"a*{x}", 2},
                 {"{x}{y}", 3},
                 {"a\\", 1},
                 {"*a*a*a*a*a*a*a*a*", 16}};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        size_t at = 99;
        assert_non_null(pattern_check(slice_from_string(wrong[i].pattern), &at));
        assert_int_equal(at, wrong[i].at);
    }
    char long_one[STORE_PATTERN_SIZE_MAX + 1];
    memset(long_one, 'a', sizeof long_one);
    size_t at;
    assert_non_null(pattern_check(slice_make(long_one, sizeof long_one), &at));
    assert_null(pattern_check(slice_make(long_one, sizeof long_one - 1), &at));
}

static void weight_and_prefix_count_fixed_bytes(void **state) {
    (void)state;
    assert_int_equal(pattern_weight(SLICE("ab{id}:*c\\*")), 5);
    assert_true(slice_equal(pattern_prefix(SLICE("ab{id}:*c")), SLICE("ab")));
    assert_true(slice_equal(pattern_prefix(SLICE("ab\\*")), SLICE("ab")));
    assert_true(pattern_names_one(SLICE("s:{id}")));
    assert_false(pattern_names_one(SLICE("s:{id}:*")));
    assert_false(pattern_names_one(SLICE("s")));
    assert_false(pattern_names_one(SLICE("s:{a}:{b}")));
    uint8_t name[8];
    assert_int_equal(pattern_fill(SLICE("s\\*{id}:x"), SLICE("42"), name, sizeof name), 6);
    assert_memory_equal(name, "s*42:x", 6);
    assert_int_equal(pattern_fill(SLICE("s:{id}:x"), SLICE("1234567"), name, sizeof name), 8);
    assert_memory_equal(name, "s:123456", 8);
}

static void names_of_parts_make_no_difference(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"a:{x}", "a:{other}", true}, {"a\\b", "ab", true},      {"\\*", "\\*", true},   {"a*", "a*", true},
        {"\\*", "*", false},          {"\\{x\\}", "{x}", false}, {"a:{x}", "a:", false}, {"a", "ab", false},
        {"a{x}", "a*", false},        {"{x}:a", "{x}:b", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice a = slice_from_string(cases[i].a), b = slice_from_string(cases[i].b);
        if (pattern_same(a, b) != cases[i].same || pattern_same(b, a) != cases[i].same)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
}

/* The naive twin tries every end for each star. */
static bool twin(const char *pattern, const char *name) {
    if (*pattern == 0)
        return *name == 0;
    if (*pattern == '*') {
        for (const char *at = name;; at++) {
            if (twin(pattern + 1, at))
                return true;
            if (*at == 0)
                return false;
        }
    }
    if (*pattern == '{') {
        char stop = pattern[3] && pattern[3] != '*' ? pattern[3] : ':';
        const char *end = name;
        while (*end && *end != ':' && *end != stop)
            end++;
        return end > name && twin(pattern + 3, end);
    }
    return *name == *pattern && twin(pattern + 1, name + 1);
}

static void random_patterns_match_as_the_twin_says(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    uint32_t hits = 0;
    for (int round = 0; round < 200000; round++) {
        static const char *const tokens[] = {"a", "b", ":", "*", "{x}"};
        char pattern[64] = "", name[16] = "";
        size_t count = 1 + rng_below(&rng, 7), at;
        for (size_t i = 0; i < count; i++)
            strcat(pattern, tokens[rng_below(&rng, COUNT_OF(tokens))]);
        count = rng_below(&rng, 10);
        for (size_t i = 0; i < count; i++)
            strcat(name, tokens[rng_below(&rng, 3)]);
        if (pattern_check(slice_from_string(pattern), &at))
            continue;
        struct slice part;
        bool matched = pattern_matches(slice_from_string(pattern), slice_from_string(name), &part);
        hits += matched;
        if (matched != twin(pattern, name))
            fail_msg("%s on %s: %d", pattern, name, matched);
    }
    assert_true(hits > 1000);
}

UNIT_TESTS(pattern, UNIT(parts_end_where_the_pattern_goes_on), UNIT(stars_take_any_bytes),
           UNIT(wrong_patterns_are_explained), UNIT(weight_and_prefix_count_fixed_bytes),
           UNIT(names_of_parts_make_no_difference), UNIT(random_patterns_match_as_the_twin_says));
