/* Scraps of a request: aligned, apart from each other, and given back together. */
#include "unit.h"

#include "base/arena.h"
#include "base/rng.h"

static size_t given_bytes;
static int allocations, allocations_max;

static void *counted_resize(void *context, void *old, size_t size_old, size_t size_new) {
    if (size_new && ++allocations > allocations_max)
        return NULL;
    given_bytes += size_new - size_old;
    return memory_libc.resize(NULL, old, size_old, size_new);
}

static const struct memory counted = {counted_resize, NULL};

static void begin(struct arena *arena, size_t chunk_size) {
    given_bytes = 0;
    allocations = 0;
    allocations_max = INT32_MAX;
    arena_init(arena, &counted, chunk_size);
}

static void pieces_are_aligned_and_apart(void **state) {
    enum { PIECES = 500 };
    struct arena arena;
    begin(&arena, 1024);
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *pieces[PIECES];
    size_t sizes[PIECES];
    for (int i = 0; i < PIECES; i++) {
        sizes[i] = rng_below(&rng, i % 50 == 0 ? 5000 : 100);
        pieces[i] = arena_take(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i, sizes[i]);
    }
    for (int i = 0; i < PIECES; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(pieces[i][at], (uint8_t)i);
    }
    arena_fini(&arena);
    assert_int_equal(given_bytes, 0);
}

static void steady_load_allocates_nothing(void **state) {
    struct arena arena;
    begin(&arena, 4096);
    assert_non_null(arena_take(&arena, 100));
    int before = allocations;
    for (int round = 0; round < 1000; round++) {
        arena_reset(&arena);
        for (int i = 0; i < 30; i++)
            assert_non_null(arena_take(&arena, 100));
    }
    assert_int_equal(allocations, before);
    arena_fini(&arena);
}

static void reset_gives_back_all_but_the_first_chunk(void **state) {
    struct arena arena;
    begin(&arena, 1024);
    assert_non_null(arena_take(&arena, 10));
    size_t first = given_bytes;
    assert_non_null(arena_take(&arena, 100000));
    assert_true(given_bytes > 100000);
    arena_reset(&arena);
    assert_int_equal(given_bytes, first);
    arena_fini(&arena);
    assert_int_equal(given_bytes, 0);
}

static void without_memory_the_copy_stays_untouched(void **state) {
    struct arena arena;
    begin(&arena, 64);
    allocations_max = 0;
    struct slice copy = SLICE("before");
    assert_false(arena_copy(&arena, SLICE("after"), &copy));
    assert_true(slice_equal(copy, SLICE("before")));
    assert_null(arena_take(&arena, SIZE_MAX));
    allocations_max = INT32_MAX;
    assert_true(arena_copy(&arena, SLICE("after"), &copy));
    assert_true(slice_equal(copy, SLICE("after")));
    arena_fini(&arena);
}

UNIT_TESTS(arena, UNIT(pieces_are_aligned_and_apart), UNIT(steady_load_allocates_nothing),
           UNIT(reset_gives_back_all_but_the_first_chunk), UNIT(without_memory_the_copy_stays_untouched));
