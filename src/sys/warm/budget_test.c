#include "sys/warm/budget.h"

#include "base/rng.h"
#include "unit.h"

enum { SECOND = 1000000000 };

static void without_a_rate_all_is_allowed(void **state) {
    struct budget budget;
    budget_init(&budget, 0, 100, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(budget_take(&budget, 1ull << 50, 0));
}

static void what_is_refused_takes_nothing(void **state) {
    struct budget budget;
    budget_init(&budget, 1000, 0, 5);
    assert_false(budget_take(&budget, 1001, 5));
    assert_true(budget_take(&budget, 1000, 5));
    assert_false(budget_take(&budget, 1, 5));
    assert_false(budget_take(&budget, 1, 5 + SECOND / 1000 - 1));
    assert_true(budget_take(&budget, 1, 5 + SECOND / 1000));
}

static void at_most_a_second_is_saved_up(void **state) {
    struct budget budget;
    budget_init(&budget, 1000, 0, 0);
    assert_true(budget_take(&budget, 1000, 0));
    assert_true(budget_take(&budget, 1000, 3600ull * SECOND));
    assert_false(budget_take(&budget, 1, 3600ull * SECOND));
}

static void a_segment_is_saved_up_at_a_slow_rate(void **state) {
    struct budget budget;
    budget_init(&budget, 10, 5000, 0);
    assert_true(budget_take(&budget, 5000, 0));
    assert_false(budget_take(&budget, 5000, 499ull * SECOND));
    assert_true(budget_take(&budget, 5000, 500ull * SECOND));
}

static void time_that_goes_back_stands_still(void **state) {
    struct budget budget;
    budget_init(&budget, 1000, 0, 10ull * SECOND);
    assert_true(budget_take(&budget, 1000, 10ull * SECOND));
    assert_false(budget_take(&budget, 1, 1));
    assert_false(budget_take(&budget, 1, 10ull * SECOND));
    assert_true(budget_take(&budget, 1000, 11ull * SECOND));
}

/* However small the steps are, over a long time exactly the rate is allowed. */
static void no_part_of_a_byte_is_lost(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    struct budget budget;
    uint64_t now = 0, taken = 0;
    budget_init(&budget, 777, 0, 0);
    assert_true(budget_take(&budget, 777, 0));
    while (now < 20ull * SECOND) {
        now += 1 + rng_below(&rng, SECOND / 5000);
        while (budget_take(&budget, 1, now))
            taken++;
    }
    assert_int_equal(taken, now * 777 / SECOND);
}

UNIT_TESTS(budget, UNIT(without_a_rate_all_is_allowed), UNIT(what_is_refused_takes_nothing),
           UNIT(at_most_a_second_is_saved_up), UNIT(a_segment_is_saved_up_at_a_slow_rate),
           UNIT(time_that_goes_back_stands_still), UNIT(no_part_of_a_byte_is_lost));
