#include "base/quantity.h"

#include "unit.h"

#define EXPECT_BYTES(text, wanted)                              \
    do {                                                        \
        uint64_t bytes = 77;                                    \
        assert_true(quantity_parse_bytes(SLICE(text), &bytes)); \
        assert_true(bytes == (wanted));                         \
    } while (0)

static void sizes_have_the_units_of_redis(void **state) {
    (void)state;
    EXPECT_BYTES("0", 0);
    EXPECT_BYTES("12", 12);
    EXPECT_BYTES("12b", 12);
    EXPECT_BYTES("3k", 3000);
    EXPECT_BYTES("3Kb", 3072);
    EXPECT_BYTES("2m", 2000000);
    EXPECT_BYTES("64mb", 64ull << 20);
    EXPECT_BYTES("64MiB", 64ull << 20);
    EXPECT_BYTES("3tib", 3ull << 40);
    EXPECT_BYTES("1G", 1000000000);
    EXPECT_BYTES("1gb", 1ull << 30);
    EXPECT_BYTES("5tb", 5ull << 40);
    EXPECT_BYTES("18446744073709551615", UINT64_MAX);
}

static void durations_need_a_unit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } right[] = {{"0", 0},         {"0s", 0},       {"250ms", 250},   {"20S", 20000},
                 {"30m", 1800000}, {"2h", 7200000}, {"7d", 604800000}};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        uint64_t ms = 77;
        assert_true(quantity_parse_ms(slice_from_string(right[i].text), &ms));
        assert_true(ms == right[i].ms);
    }
    uint64_t ms = 77;
    assert_false(quantity_parse_ms(SLICE("5"), &ms));
    assert_false(quantity_parse_ms(SLICE("5us"), &ms));
    assert_true(ms == 77);
}

static void percents_keep_their_decimals(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t decimals;
        uint64_t scaled;
    } right[] = {{"1%", 0, 1},      {"12.5%", 1, 125},   {"12%", 1, 120},
                 {"0.02%", 4, 200}, {"100.0%", 1, 1000}, {"1%", 4, 10000}};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        uint64_t scaled = 77;
        assert_true(quantity_parse_percent(slice_from_string(right[i].text), right[i].decimals, &scaled));
        assert_true(scaled == right[i].scaled);
    }
}

static void what_is_no_quantity_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        " ",
                                        "-1",
                                        "+1",
                                        "1 mb",
                                        "mb",
                                        "1.5mb",
                                        "1x",
                                        "1mbb",
                                        "0x10",
                                        "18446744073709551616",
                                        "18446744073709551615kb",
                                        "99999999999tb",
                                        "1%"};
    static const char *const wrong_percents[] = {"",
                                                 "%",
                                                 "1",
                                                 "-1%",
                                                 ".5%",
                                                 "1.%",
                                                 "1.25%",
                                                 "1.2.5%",
                                                 "1 %",
                                                 "1%%",
                                                 "x%",
                                                 "99999999999999999999%",
                                                 "1844674407370955162%"};
    uint64_t value = 77;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(quantity_parse_bytes(slice_from_string(wrong[i]), &value));
        assert_false(quantity_parse_ms(slice_from_string(wrong[i]), &value));
    }
    for (size_t i = 0; i < sizeof wrong_percents / sizeof *wrong_percents; i++)
        assert_false(quantity_parse_percent(slice_from_string(wrong_percents[i]), 1, &value));
    assert_true(value == 77);
}

UNIT_TESTS(quantity, UNIT(sizes_have_the_units_of_redis), UNIT(durations_need_a_unit),
           UNIT(percents_keep_their_decimals), UNIT(what_is_no_quantity_is_refused_and_changes_nothing));
