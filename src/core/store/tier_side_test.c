#include "core/store/tier_side.h"

#include "base/rng.h"
#include "unit.h"

enum { ADDRESSES = 5000 };

/* Memory that counts, and fails by chance. */
struct counted {
    struct memory memory;
    struct rng rng;
    uint64_t taken, fail_permille;
};

static void *counted_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct counted *counted = context;
    if (size_new > size_old && rng_below(&counted->rng, 1000) < counted->fail_permille)
        return NULL;
    counted->taken += size_new - size_old;
    return memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static void count_one(void *context, const struct tier_side *side) { *(uint64_t *)context += side->count; }

static void sides_are_found_by_address_whatever_memory_fails(void **state) {
    struct counted counted = {.rng = rng_seeded(unit_seed())};
    struct rng rng = rng_seeded(unit_seed() + 1);
    counted.memory = (struct memory){counted_resize, &counted};
    struct tier_sides sides = {.memory = &counted.memory};
    static uint32_t counts[ADDRESSES]; /* 0: not there */
    uint64_t tags = 0, there = 0, failed = 0;
    (void)state;
    memset(counts, 0, sizeof counts);
    for (int step = 0; step < 60000; step++) {
        uint64_t address = rng_below(&rng, ADDRESSES);
        counted.fail_permille = step % 3 ? 0 : 100;
        struct tier_side *side = tier_side_find(&sides, address << 20);
        assert_int_equal(side ? side->count : 0, counts[address]);
        if (side) {
            assert_ptr_equal(tier_side_leave(&sides, address << 20), side);
            tags -= side->count, there--;
            tier_side_free(&sides, side);
            counts[address] = 0;
        } else if (!(side = tier_side_new(&sides, 1 + (uint32_t)rng_below(&rng, 36)))) {
            failed++;
        } else {
            side->address = address << 20;
            tier_side_enter(&sides, side);
            counts[address] = side->count;
            tags += side->count, there++;
        }
        assert_int_equal(sides.bytes, counted.taken);
    }
    uint64_t seen = 0;
    tier_side_each(&sides, count_one, &seen);
    assert_int_equal(seen, tags);
    assert_int_equal(sides.count, there);
    assert_true(failed > 100 && sides.lists > 500);
    tier_side_clear(&sides);
    assert_int_equal(counted.taken, 0);
    assert_null(tier_side_find(&sides, 0));
    assert_null(tier_side_leave(&sides, 0));
}

UNIT_TESTS(tier_side, UNIT(sides_are_found_by_address_whatever_memory_fails));
