#include "app/bench/pace.h"

#include "base/rng.h"
#include "unit.h"

static void batches_are_due_at_equal_distances(void **state) {
    struct pace pace = {.start_ns = 1000, .rate = 1e6, .batch_size = 1};
    assert_int_equal(pace_due_ns(&pace, 0), 1000);
    assert_int_equal(pace_due_ns(&pace, 1), 2000);
    assert_int_equal(pace_due_ns(&pace, 1000000), 1000001000);
    pace.batch_size = 16;
    assert_int_equal(pace_due_ns(&pace, 1), 17000);
}

static void what_is_due_is_counted_from_the_start(void **state) {
    struct pace pace = {.start_ns = 5000, .rate = 1e6, .batch_size = 2};
    assert_int_equal(pace_due_count(&pace, 0), 0);
    assert_int_equal(pace_due_count(&pace, 4999), 0);
    assert_int_equal(pace_due_count(&pace, 5000), 1);
    assert_int_equal(pace_due_count(&pace, 6999), 1);
    assert_int_equal(pace_due_count(&pace, 7000), 2);
    assert_int_equal(pace_wait_ns(&pace, 1, 6000), 1000);
    assert_int_equal(pace_wait_ns(&pace, 1, 7000), 0);
    assert_int_equal(pace_wait_ns(&pace, 1, 9000), 0);
}

/* A generator that looks at uneven times sends every batch once, none early, and after an hour it is not off. */
static void a_late_generator_catches_up(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    struct pace pace = {.start_ns = 123456789, .rate = 33333.3, .batch_size = 1};
    uint64_t now_ns = pace.start_ns, sent = 0, end_ns = pace.start_ns + 3600ull * 1000000000;
    while (now_ns < end_ns) {
        for (; pace_due_ns(&pace, sent) <= now_ns; sent++) {
        }
        if (pace_due_count(&pace, now_ns) != sent)
            fail_msg("%llu sent, %llu due, seed %llu", (unsigned long long)sent,
                     (unsigned long long)pace_due_count(&pace, now_ns), (unsigned long long)unit_seed());
        now_ns += rng_below(&rng, 20000000);
    }
    double wanted = 33333.3 * 3600;
    assert_true((double)sent > wanted - 700 && (double)sent <= wanted + 1);
}

static void slow_rates_are_exact(void **state) {
    struct pace pace = {.start_ns = 0, .rate = 0.1, .batch_size = 1};
    assert_int_equal(pace_due_ns(&pace, 3), 30000000000);
    assert_int_equal(pace_due_count(&pace, 29999999999), 3);
    assert_int_equal(pace_due_count(&pace, 30000000000), 4);
}

UNIT_TESTS(pace, UNIT(batches_are_due_at_equal_distances), UNIT(what_is_due_is_counted_from_the_start),
           UNIT(a_late_generator_catches_up), UNIT(slow_rates_are_exact));
