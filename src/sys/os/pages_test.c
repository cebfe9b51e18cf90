#include "sys/os/pages.h"

#include <sys/mman.h>

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

static uint32_t resident_pages(void *bytes, uint64_t size) {
    unsigned char known[4096];
    uint32_t count = 0;
    assert_true(size / 4096 <= sizeof known);
    assert_int_equal(mincore(bytes, size, known), 0);
    for (uint64_t i = 0; i < size / 4096; i++)
        count += known[i] & 1;
    return count;
}

/* Small pages until asked: a half-filled huge page costs what is in it. Dense or not, the bytes stay the same. */
static void pages_are_small_until_they_are_dense(void **state) {
    enum { SIZE = 2 * PAGES_HUGE_SIZE };
    void *range = NULL;
    assert_int_equal(pages_take(SIZE, &range), STATUS_OK);
    uint8_t *bytes = range;
    for (uint64_t at = 0; at < SIZE / 4; at++)
        bytes[at] = (uint8_t)(at * 7);
    assert_int_equal(resident_pages(range, SIZE), SIZE / 4 / 4096);
    pages_dense(range, PAGES_HUGE_SIZE, true);
    for (uint64_t at = 0; at < SIZE / 4; at++)
        if (bytes[at] != (uint8_t)(at * 7))
            fail_msg("byte %llu", (unsigned long long)at);
    pages_give(range, SIZE);
}

static void released_pages_are_zero_and_take_no_memory(void **state) {
    enum { SIZE = 2 * PAGES_HUGE_SIZE, FROM = 64 * 1024, PART = PAGES_HUGE_SIZE };
    for (int dense = 0; dense < 2; dense++) {
        void *range = NULL;
        assert_int_equal(pages_take(SIZE, &range), STATUS_OK);
        uint8_t *bytes = range;
        if (dense)
            pages_dense(range, SIZE, false);
        memset(bytes, 0xab, SIZE);
        pages_release(bytes + FROM, PART);
        assert_int_equal(resident_pages(bytes + FROM, PART), 0);
        assert_int_equal(bytes[FROM - 1] & bytes[FROM + PART], 0xab);
        for (uint64_t at = FROM; at < FROM + PART; at += 509)
            assert_int_equal(bytes[at], 0);
        pages_give(range, SIZE);
    }
}

UNIT_TESTS(pages, UNIT(pages_are_small_until_they_are_dense), UNIT(released_pages_are_zero_and_take_no_memory),
           UNIT(a_range_is_aligned_and_zero), UNIT(untouched_space_costs_nothing), UNIT(absurd_sizes_are_refused));
