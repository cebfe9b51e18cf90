#include "sys/loop/timers.h"

#include "base/rng.h"
#include "unit.h"

enum { COUNT = 64, STEPS = 20000 };

static void due_timers_come_out_in_order(void **state) {
    struct timers timers;
    timers_init(&timers, &memory_libc);
    struct timer a = {0}, b = {0}, c = {0};
    assert_int_equal(timers_set(&timers, &a, 30), STATUS_OK);
    assert_int_equal(timers_set(&timers, &b, 10), STATUS_OK);
    assert_int_equal(timers_set(&timers, &c, 20), STATUS_OK);
    assert_int_equal(timers_wait_ms(&timers, 4, 1000), 6);
    assert_int_equal(timers_wait_ms(&timers, 4, 5), 5);
    assert_int_equal(timers_wait_ms(&timers, 99, 1000), 0);
    assert_null(timers_take_due(&timers, 9));
    assert_ptr_equal(timers_take_due(&timers, 20), &b);
    assert_ptr_equal(timers_take_due(&timers, 20), &c);
    assert_null(timers_take_due(&timers, 20));
    timers_clear(&timers, &a);
    assert_false(timer_is_set(&a));
    assert_int_equal(timers_wait_ms(&timers, 0, 77), 77);
    timers_fini(&timers);
}

/* Against a twin: a plain array in which the smallest is searched. */
static void heap_agrees_with_a_plain_search(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    struct timers timers;
    timers_init(&timers, &memory_libc);
    struct timer all[COUNT] = {0};
    uint64_t now_ms = 0;
    for (int step = 0; step < STEPS; step++) {
        struct timer *one = &all[rng_below(&rng, COUNT)];
        uint64_t choice = rng_below(&rng, 4);
        if (choice < 2) {
            assert_int_equal(timers_set(&timers, one, now_ms + rng_below(&rng, 100)), STATUS_OK);
        } else if (choice == 2) {
            timers_clear(&timers, one);
        } else {
            now_ms += rng_below(&rng, 5);
            uint64_t least_ms = UINT64_MAX;
            for (int i = 0; i < COUNT; i++)
                if (timer_is_set(&all[i]) && all[i].due_ms < least_ms)
                    least_ms = all[i].due_ms;
            struct timer *due = timers_take_due(&timers, now_ms);
            if (least_ms <= now_ms) {
                assert_non_null(due);
                assert_int_equal(due->due_ms, least_ms);
                assert_false(timer_is_set(due));
            } else {
                assert_null(due);
            }
        }
        timers_verify(&timers);
    }
    timers_fini(&timers);
}

static void *refuse(void *context, void *old, size_t size_old, size_t size_new) { return NULL; }

static void no_memory_leaves_the_timer_unset(void **state) {
    struct memory nothing = {.resize = refuse};
    struct timers timers;
    timers_init(&timers, &nothing);
    struct timer timer = {0};
    assert_int_equal(timers_set(&timers, &timer, 1), STATUS_NO_MEMORY);
    assert_false(timer_is_set(&timer));
    timers_verify(&timers);
    timers_fini(&timers);
}

UNIT_TESTS(timers, UNIT(due_timers_come_out_in_order), UNIT(heap_agrees_with_a_plain_search),
           UNIT(no_memory_leaves_the_timer_unset));
