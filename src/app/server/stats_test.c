#include "app/server/stats.h"

#include "unit.h"

static void a_rate_is_the_mean_growth_of_the_last_looks(void **state) {
    struct rate rate = {0};
    rate_look(&rate, 100, 1000);
    assert_true(rate_per_s(&rate) == 0);
    for (unsigned i = 1; i <= RATE_SAMPLES; i++)
        rate_look(&rate, 100 + 5 * i, 1000 + 100 * i);
    assert_true(rate_per_s(&rate) > 49.9 && rate_per_s(&rate) < 50.1);
    for (unsigned i = 1; i <= RATE_SAMPLES; i++)
        rate_look(&rate, 100 + 5 * RATE_SAMPLES, 1000 + 100 * (RATE_SAMPLES + i));
    assert_true(rate_per_s(&rate) == 0);
}

static void a_counter_that_was_reset_does_not_count_backwards(void **state) {
    struct rate rate = {0};
    rate_look(&rate, 1000, 1000);
    rate_look(&rate, 10, 1100);
    assert_true(rate_per_s(&rate) == 0);
}

UNIT_TESTS(stats, UNIT(a_rate_is_the_mean_growth_of_the_last_looks),
           UNIT(a_counter_that_was_reset_does_not_count_backwards));
