#include "base/decimal.h"

#include <locale.h>
#include <math.h>

#include "base/rng.h"
#include "unit.h"

static void expect_refused(struct slice text) {
    long double value = 7;
    double narrow = 7;
    if (decimal_parse_long(text, &value) || decimal_parse(text, &narrow))
        fail_msg("'%.*s' should be refused", (int)text.size, (const char *)text.data);
    assert_true(value == 7 && narrow == 7);
}

static void expect_parsed(const char *text, long double expected) {
    long double value;
    if (!decimal_parse_long(slice_from_string(text), &value) || value != expected)
        fail_msg("'%s' should be %Lg", text, expected);
}

static void numbers_of_all_forms_are_parsed(void **state) {
    expect_parsed("0", 0);
    expect_parsed("-0", 0);
    expect_parsed("+3", 3);
    expect_parsed("007", 7);
    expect_parsed(".5", 0.5L);
    expect_parsed("5.", 5);
    expect_parsed("3.14", 3.14L);
    expect_parsed("-1e3", -1000);
    expect_parsed("1E+2", 100);
    expect_parsed("0x1p4", 16);
    expect_parsed("0x10", 16);
    expect_parsed("1e400", 1e400L);
    expect_parsed("inf", (long double)INFINITY);
    expect_parsed("-Infinity", -(long double)INFINITY);
    expect_parsed("0e99999", 0);
    (void)state;
}

/* Each as INCRBYFLOAT of redis-server 7.0.15. */
static void what_is_no_number_is_refused(void **state) {
    expect_refused(SLICE(""));
    expect_refused(SLICE(" 1"));
    expect_refused(SLICE("1 "));
    expect_refused(SLICE("\t1"));
    expect_refused(SLICE("\v1"));
    expect_refused(SLICE("1\n"));
    expect_refused(SLICE("1\0"));
    expect_refused(SLICE("1,5"));
    expect_refused(SLICE("abc"));
    expect_refused(SLICE("1x"));
    expect_refused(SLICE("-"));
    expect_refused(SLICE("."));
    expect_refused(SLICE("1e"));
    expect_refused(SLICE("nan"));
    expect_refused(SLICE("nan(1)"));
    expect_refused(SLICE("1e5000"));
    expect_refused(SLICE("-1e5000"));
    expect_refused(SLICE("1e-5000"));
    (void)state;
}

static void the_longest_text_is_parsed(void **state) {
    char text[DECIMAL_TEXT_MAX];
    memset(text, '0', sizeof text);
    text[sizeof text - 2] = '9';
    long double value;
    assert_true(decimal_parse_long(slice_make(text, sizeof text - 1), &value) && value == 9);
    assert_false(decimal_parse_long(slice_make(text, sizeof text), &value));
    (void)state;
}

static void expect_plain(long double value, const char *expected) {
    char text[DECIMAL_TEXT_MAX];
    size_t size = decimal_format_plain(value, text);
    if (!slice_equal(slice_make(text, size), slice_from_string(expected)))
        fail_msg("got %.*s, not %s", (int)size, text, expected);
}

static void plain_numbers_have_no_exponent_and_no_zeros_at_the_end(void **state) {
    expect_plain(0, "0");
    expect_plain(-0.0L, "0");
    expect_plain(-1e-30L, "0");
    expect_plain(10, "10");
    expect_plain(-100, "-100");
    expect_plain(3.14L, "3.14");
    expect_plain(10.5L + 0.1L, "10.6");
    expect_plain(5e3L, "5000");
    expect_plain(1e20L, "100000000000000000000");
    expect_plain(0x1p-17L, "0.00000762939453125");
    expect_plain(1e-17L, "0.00000000000000001");
    expect_plain((long double)INFINITY, "inf");
    expect_plain(-(long double)INFINITY, "-inf");
    expect_plain((long double)NAN, "nan");
    char text[DECIMAL_TEXT_MAX];
    assert_int_equal(decimal_format_plain(-__LDBL_MAX__, text), 1 + 4933);
    (void)state;
}

static void expect_short(double value, const char *expected) {
    char text[DECIMAL_SHORT_MAX];
    size_t size = decimal_format_short(value, text);
    if (!slice_equal(slice_make(text, size), slice_from_string(expected)))
        fail_msg("got %.*s, not %s", (int)size, text, expected);
}

static void short_numbers_have_the_fewest_digits(void **state) {
    expect_short(0, "0");
    expect_short(-0.0, "-0");
    expect_short(1, "1");
    expect_short(-12345678901.0, "-12345678901");
    expect_short(0.1, "0.1");
    expect_short(0.1 + 0.2, "0.30000000000000004");
    expect_short(3.141, "3.141");
    expect_short(1e300, "1e+300");
    expect_short(5e-324, "5e-324");
    expect_short(1.7976931348623157e308, "1.7976931348623157e+308");
    expect_short((double)INFINITY, "inf");
    expect_short(-(double)INFINITY, "-inf");
    expect_short((double)NAN, "nan");
    (void)state;
}

static void random_doubles_come_back(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double value, again = 0;
        memcpy(&value, &bits, sizeof value);
        if (isnan(value))
            continue;
        char text[DECIMAL_SHORT_MAX];
        struct slice digits = slice_make(text, decimal_format_short(value, text));
        if (!decimal_parse(digits, &again) || again != value)
            fail_msg("seed %llu: %a became %a", (unsigned long long)unit_seed(), value, again);
    }
    (void)state;
}

/* Needs no installed locale: runs with a comma where Debian's locales package is there, else says so. */
static void the_locale_has_no_say(void **state) {
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
    expect_parsed("3.14", 3.14L);
    expect_refused(SLICE("3,14"));
    expect_plain(3.14L, "3.14");
    expect_short(0.1, "0.1");
    setlocale(LC_NUMERIC, "C");
    (void)state;
}

UNIT_TESTS(decimal, UNIT(numbers_of_all_forms_are_parsed), UNIT(what_is_no_number_is_refused),
           UNIT(the_longest_text_is_parsed), UNIT(plain_numbers_have_no_exponent_and_no_zeros_at_the_end),
           UNIT(short_numbers_have_the_fewest_digits), UNIT(random_doubles_come_back), UNIT(the_locale_has_no_say));
