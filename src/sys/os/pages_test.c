#include "sys/os/pages.h"

#include "unit.h"

static void a_range_is_aligned_and_zero(void **state) {
    void *range = NULL;
    uint64_t size = 5 * 1024 * 1024 + 1;
    assert_int_equal(pages_take(size, &range), STATUS_OK);
    assert_int_equal((uintptr_t)range % PAGES_HUGE_SIZE, 0);
    uint8_t *bytes = range;
    assert_int_equal(bytes[0] | bytes[size / 2] | bytes[size - 1], 0);
    bytes[0] = bytes[size - 1] = 7;
    pages_give(range, size);
}

static void untouched_space_costs_nothing(void **state) {
    void *range = NULL;
    assert_int_equal(pages_take(1ull << 40, &range), STATUS_OK);
    ((uint8_t *)range)[(1ull << 40) - 1] = 1;
    pages_give(range, 1ull << 40);
}

static void absurd_sizes_are_refused(void **state) {
    void *range = (void *)1;
    assert_int_equal(pages_take(0, &range), STATUS_INVALID);
    assert_int_equal(pages_take(UINT64_MAX, &range), STATUS_INVALID);
    assert_int_equal(pages_take(1ull << 60, &range), STATUS_NO_MEMORY);
    assert_ptr_equal(range, (void *)1);
}

UNIT_TESTS(pages, UNIT(a_range_is_aligned_and_zero), UNIT(untouched_space_costs_nothing),
           UNIT(absurd_sizes_are_refused));
