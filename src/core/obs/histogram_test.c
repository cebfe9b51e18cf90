#include "core/obs/histogram.h"

#include "base/rng.h"
#include "unit.h"

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Against all values kept and sorted: never too low, too high by one part in 2^sub_bits at most. */
static void percentiles_are_those_of_the_sorted_values(void **state) {
    enum { COUNT = 5000 };
    static uint64_t values[COUNT];
    static const double percentiles[] = {0, 1, 10, 50, 90, 99, 99.9, 100};
    for (unsigned bits = 0; bits <= HISTOGRAM_SUB_BITS_MAX; bits++) {
        struct rng rng = rng_seeded(unit_seed() + bits);
        struct histogram histogram;
        assert_int_equal(histogram_init(&histogram, &memory_libc, bits), STATUS_OK);
        for (size_t i = 0; i < COUNT; i++) {
            values[i] = rng_next(&rng) >> (24 + rng_below(&rng, 40));
            histogram_add(&histogram, values[i]);
        }
        qsort(values, COUNT, sizeof *values, compare);
        for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
            double wanted = percentiles[i] / 100 * COUNT;
            size_t rank = wanted < 1 ? 0 : (size_t)wanted - ((double)(size_t)wanted == wanted ? 1 : 0);
            uint64_t exact = values[rank], answer = histogram_percentile(&histogram, percentiles[i]);
            assert_true(answer >= exact);
            assert_true(answer <= exact + (exact >> bits));
        }
        assert_int_equal(histogram_percentile(&histogram, 100), values[COUNT - 1]);
        histogram_fini(&histogram);
    }
}

static void columns_meet_without_gaps(void **state) {
    for (unsigned bits = 0; bits <= HISTOGRAM_SUB_BITS_MAX; bits++) {
        struct histogram histogram;
        assert_int_equal(histogram_init(&histogram, &memory_libc, bits), STATUS_OK);
        for (uint32_t column = 0; column < histogram.column_count; column++) {
            uint64_t top = histogram_column_top(&histogram, column);
            assert_int_equal(histogram_column(&histogram, top), column);
            if (column + 1 < histogram.column_count)
                assert_int_equal(histogram_column(&histogram, top + 1), column + 1);
            else
                assert_int_equal(top, (1ull << HISTOGRAM_OCTAVES) - 1);
        }
        assert_int_equal(histogram_column(&histogram, UINT64_MAX), histogram.column_count - 1);
        histogram_fini(&histogram);
    }
}

static void merged_histograms_hold_both(void **state) {
    struct histogram fine, coarse;
    assert_int_equal(histogram_init(&fine, &memory_libc, 6), STATUS_OK);
    assert_int_equal(histogram_init(&coarse, &memory_libc, 3), STATUS_OK);
    histogram_add_many(&coarse, 1000, 10);
    histogram_add(&fine, 5);
    histogram_merge(&fine, &coarse);
    assert_int_equal(fine.count, 11);
    assert_int_equal(fine.total, 10005);
    assert_int_equal(fine.highest, 1000);
    assert_int_equal(histogram_count_to(&fine, 5), 1);
    assert_int_equal(histogram_count_to(&fine, 2000), 11);
    assert_int_equal(histogram_percentile(&fine, 100), 1000);
    histogram_clear(&fine);
    assert_int_equal(histogram_percentile(&fine, 50), 0);
    histogram_fini(&fine);
    histogram_fini(&coarse);
    histogram_fini(&coarse);
}

static void *no_memory(void *context, void *old, size_t size_old, size_t size_new) { return NULL; }

static void lack_of_memory_is_reported(void **state) {
    struct memory memory = {no_memory, NULL};
    struct histogram histogram = {0};
    assert_int_equal(histogram_init(&histogram, &memory, 3), STATUS_NO_MEMORY);
    histogram_fini(&histogram);
}

UNIT_TESTS(histogram, UNIT(percentiles_are_those_of_the_sorted_values), UNIT(columns_meet_without_gaps),
           UNIT(merged_histograms_hold_both), UNIT(lack_of_memory_is_reported));
