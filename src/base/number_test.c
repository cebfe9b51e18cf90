/* Numbers from text and back. */
#include "unit.h"

#include "base/number.h"
#include "base/rng.h"

static bool parses_i64(const char *text, int64_t *ret) { return number_parse_i64(slice_from_string(text), ret); }
static bool parses_u64(const char *text, uint64_t *ret) { return number_parse_u64(slice_from_string(text), ret); }

static void limits_are_read(void **state) {
    int64_t integer = 0;
    assert_true(parses_i64("9223372036854775807", &integer) && integer == INT64_MAX);
    assert_true(parses_i64("-9223372036854775808", &integer) && integer == INT64_MIN);
    uint64_t natural = 0;
    assert_true(parses_u64("18446744073709551615", &natural) && natural == UINT64_MAX);
    assert_true(parses_u64("0", &natural) && natural == 0);
}

static void beyond_the_limits_is_refused(void **state) {
    int64_t integer = 7;
    assert_false(parses_i64("9223372036854775808", &integer));
    assert_false(parses_i64("-9223372036854775809", &integer));
    assert_false(parses_i64("100000000000000000000", &integer));
    assert_int_equal(integer, 7);
    uint64_t natural = 7;
    assert_false(parses_u64("18446744073709551616", &natural));
    assert_false(parses_u64("-1", &natural));
    assert_int_equal(natural, 7);
}

static void leading_zeros_are_refused(void **state) {
    int64_t integer = 7;
    assert_false(parses_i64("01", &integer));
    assert_false(parses_i64("-01", &integer));
    assert_false(parses_i64("-0", &integer));
    assert_true(parses_i64("0", &integer) && integer == 0);
}

static void anything_but_digits_is_refused(void **state) {
    static const char *const texts[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "--1", "1\n", "\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t integer = 7;
        assert_false(parses_i64(texts[i], &integer));
        assert_int_equal(integer, 7);
    }
    uint64_t natural;
    assert_false(number_parse_u64(slice_make("1\0", 2), &natural));
}

static void what_is_written_is_read_back(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 100000; round++) {
        uint64_t bits = rng_next(&rng) >> (round % 64);
        char text[NUMBER_TEXT_MAX], expected[NUMBER_TEXT_MAX + 1];
        int64_t integer = 0;
        size_t size = number_format_i64((int64_t)bits, text);
        assert_int_equal(size, snprintf(expected, sizeof expected, "%lld", (long long)bits));
        assert_memory_equal(text, expected, size);
        assert_true(number_parse_i64(slice_make(text, size), &integer) && integer == (int64_t)bits);
        uint64_t natural = 0;
        size = number_format_u64(bits, text);
        assert_true(number_parse_u64(slice_make(text, size), &natural) && natural == bits);
    }
}

UNIT_TESTS(number, UNIT(limits_are_read), UNIT(beyond_the_limits_is_refused), UNIT(leading_zeros_are_refused),
           UNIT(anything_but_digits_is_refused), UNIT(what_is_written_is_read_back));
