#include "base/glob.h"

#include <time.h>

#include "base/bits.h"
#include "base/rng.h"
#include "unit.h"

static void expect(const char *pattern, const char *text, bool expected) {
    if (glob_matches(slice_from_string(pattern), slice_from_string(text), false) != expected)
        fail_msg("'%s' and '%s' should %smatch", pattern, text, expected ? "" : "not ");
}

static void stars_and_question_marks_match(void **state) {
    expect("", "", true);
    expect("", "a", false);
    expect("a", "", false);
    expect("*", "", true);
    expect("**", "", true);
    expect("?", "", false);
    expect("*", "abc", true);
    expect("a*", "a", true);
    expect("a*c", "abbc", true);
    expect("a*c", "abcd", false);
    expect("*b*d", "abcbd", true);
    expect("h?llo", "hello", true);
    expect("h?llo", "hllo", false);
    expect("?*?", "a", false);
    expect("?*?", "ab", true);
    expect("user:*:name", "user:1:2:name", true);
    (void)state;
}

static void classes_match_one_byte(void **state) {
    expect("h[ae]llo", "hallo", true);
    expect("h[ae]llo", "hillo", false);
    expect("h[^e]llo", "hallo", true);
    expect("h[^e]llo", "hello", false);
    expect("[a-c]", "b", true);
    expect("[c-a]", "b", true);
    expect("[a-c]", "d", false);
    expect("[\\]]", "]", true);
    expect("[\\-a]", "-", true);
    expect("[^a-c]x", "dx", true);
    expect("[a^]", "^", true);
    expect("[\x80-a]", "\xff", true);
    expect("[\x80-a]", "b", false);
    (void)state;
}

/* Each as redis-server 7.0.15 does it. */
static void no_pattern_is_bad(void **state) {
    expect("[", "[", false);
    expect("[", "a", false);
    expect("[^", "a", true);
    expect("[abc", "b", true);
    expect("[abc", "bc", false);
    expect("[]", "a", false);
    expect("[]a]", "a", false);
    expect("[^]", "a", true);
    expect("[a-]", "b", false);
    expect("[a-]", "^", true);
    expect("[a-", "-", true);
    expect("[a\\", "\\", true);
    expect("a]", "a]", true);
    expect("\\", "\\", true);
    expect("a\\", "a\\", true);
    expect("\\*", "*", true);
    expect("\\*", "a", false);
    expect("\\[a]", "[a]", true);
    (void)state;
}

static void letters_match_without_case_when_asked(void **state) {
    static const struct {
        const char *pattern, *text;
        bool expected;
    } cases[] = {
        {"MAXmemory*", "maxMEMORY-policy", true},
        {"[a-c]X", "Bx", true},
        {"[A-C]x", "bX", true},
        {"[Q]", "q", true},
        {"[\\q]", "Q", false},
        {"\\q", "Q", true},
        {"[Z-a]", "z", false}, /* ordered before it is lowered: an empty range */
        {"\xc4", "\xe4", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (glob_matches(slice_from_string(cases[i].pattern), slice_from_string(cases[i].text), true) !=
            cases[i].expected)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
    }
    (void)state;
}

/* Long classes of random parts, closed or not, between other things. */
static void shortened_patterns_match_the_same(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    static uint8_t pattern[4000], shortened[sizeof pattern];
    for (int round = 0; round < 300; round++) {
        size_t size = 0, wanted = rng_below(&rng, sizeof pattern);
        static const char others[] = "*?a\\^]-";
        while (size < wanted) {
            pattern[size++] = rng_below(&rng, 3) ? '[' : (uint8_t)others[rng_below(&rng, sizeof others - 1)];
            size_t class_size = rng_below(&rng, 1000);
            for (size_t i = 0; i < class_size && size < wanted; i++) {
                uint8_t byte = (uint8_t)(rng_below(&rng, 4) ? 'a' + rng_below(&rng, 8) : rng_next(&rng));
                pattern[size++] = byte == ']' && rng_below(&rng, 50) ? 'x' : byte;
            }
        }
        size_t short_size = glob_shorten(slice_make(pattern, size), shortened);
        assert_true(short_size <= size);
        for (int i = 0; i < 200; i++) {
            uint8_t text[12];
            for (size_t n = 0; n < sizeof text; n++)
                text[n] = (uint8_t)(rng_below(&rng, 2) ? 'a' + rng_below(&rng, 8) : rng_next(&rng));
            struct slice bytes = slice_make(text, rng_below(&rng, sizeof text + 1));
            if (glob_matches(slice_make(pattern, size), bytes, false) !=
                glob_matches(slice_make(shortened, short_size), bytes, false))
                fail_msg("round %d: the shortened pattern says something else", round);
        }
    }
    (void)state;
}

/* Every byte against one class that is longer than any needs to be. */
static void a_class_of_any_length_keeps_its_members(void **state) {
    static const char *const parts[] = {"abc", "^abc", "a-z", "^\x80-\xff", "\\]\\^-", "z-a0", "\xff-\x01"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        uint8_t pattern[4096] = "[", shortened[sizeof pattern];
        size_t part_size = strlen(parts[i]), size = 1;
        while (size + part_size + 1 < sizeof pattern) {
            bool again = size > 1 && parts[i][0] == '^';
            memcpy(pattern + size, parts[i] + again, part_size - again);
            size += part_size - again;
        }
        pattern[size++] = ']';
        size_t short_size = glob_shorten(slice_make(pattern, size), shortened);
        assert_true(short_size <= GLOB_CLASS_MAX);
        for (int byte = 0; byte < 256; byte++) {
            uint8_t text = (uint8_t)byte;
            assert_int_equal(glob_matches(slice_make(pattern, size), slice_make(&text, 1), false),
                             glob_matches(slice_make(shortened, short_size), slice_make(&text, 1), false));
        }
    }
    (void)state;
}

static void many_stars_take_no_exponential_time(void **state) {
    char text[5000], pattern[400];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[sizeof pattern - 1] = 'b';
    assert_false(glob_matches(slice_make(pattern, sizeof pattern), slice_make(text, sizeof text), false));
    (void)state;
}

/* A key of the largest size and a pattern of half of it: tried place by place each pair takes a second. */
static void plain_bytes_between_stars_are_looked_for_once(void **state) {
    enum { TEXT_SIZE = 64 * 1024, ROUNDS = 20, SECONDS_MAX = 2 };
    static char text[TEXT_SIZE], pattern[TEXT_SIZE / 2 + 3];
    const size_t size = TEXT_SIZE / 2;
    memset(text, 'a', sizeof text);
    memset(pattern, 'a', sizeof pattern);
    const clock_t begin = clock();
    for (int round = 0; round < ROUNDS; round++) {
        pattern[0] = pattern[size + 2] = '*';
        pattern[size + 1] = 'b';
        assert_false(glob_matches(slice_make(pattern, size + 3), slice_make(text, TEXT_SIZE), false));
        assert_false(glob_matches(slice_make(pattern, size + 2), slice_make(text, TEXT_SIZE), false));
        pattern[size + 1] = 'a';
        assert_true(glob_matches(slice_make(pattern, size + 3), slice_make(text, TEXT_SIZE), false));
        assert_true(glob_matches(slice_make(pattern, size + 2), slice_make(text, TEXT_SIZE), false));
    }
    assert_true((clock() - begin) / CLOCKS_PER_SEC < SECONDS_MAX);
    (void)state;
}

/* The twin tries every length for a star. */
static bool naive(struct slice pattern, struct slice text) {
    if (pattern.size == 0)
        return text.size == 0;
    struct slice rest = slice_part(pattern, 1, pattern.size);
    if (pattern.data[0] == '*')
        return naive(rest, text) || (text.size && naive(pattern, slice_part(text, 1, text.size)));
    return text.size && (pattern.data[0] == '?' || pattern.data[0] == text.data[0]) &&
           naive(rest, slice_part(text, 1, text.size));
}

static void random_patterns_match_like_the_naive_twin(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    int matches = 0;
    for (int i = 0; i < 100000; i++) {
        char pattern[8], text[10];
        size_t pattern_size = (size_t)rng_below(&rng, sizeof pattern), text_size = (size_t)rng_below(&rng, sizeof text);
        for (size_t j = 0; j < pattern_size; j++)
            pattern[j] = "ab*?*"[rng_below(&rng, 5)];
        for (size_t j = 0; j < text_size; j++)
            text[j] = "ab"[rng_below(&rng, 2)];
        struct slice p = slice_make(pattern, pattern_size), t = slice_make(text, text_size);
        bool expected = naive(p, t);
        matches += expected;
        if (glob_matches(p, t, false) != expected)
            fail_msg("seed %llu: '%.*s' and '%.*s'", (unsigned long long)unit_seed(), (int)pattern_size, pattern,
                     (int)text_size, text);
    }
    assert_in_range(matches, 1000, 99000);
    (void)state;
}

UNIT_TESTS(glob, UNIT(stars_and_question_marks_match), UNIT(classes_match_one_byte), UNIT(no_pattern_is_bad),
           UNIT(letters_match_without_case_when_asked), UNIT(shortened_patterns_match_the_same),
           UNIT(a_class_of_any_length_keeps_its_members), UNIT(many_stars_take_no_exponential_time),
           UNIT(plain_bytes_between_stars_are_looked_for_once), UNIT(random_patterns_match_like_the_naive_twin));
