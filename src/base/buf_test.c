/* Owned bytes: against a plain array, and with every allocation failing in turn. */
#include "unit.h"

#include "base/buf.h"
#include "base/rng.h"

/* An allocator that answers NULL once its budget is spent, and knows how much it has given out. */
struct budget {
    int allocations_left;
    size_t given_bytes;
};

static void *budget_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct budget *budget = context;
    if (size_new && budget->allocations_left-- <= 0)
        return NULL;
    budget->given_bytes += size_new - size_old;
    return memory_libc.resize(NULL, old, size_old, size_new);
}

static void twin_holds_the_same_bytes(void **state) {
    enum { ROUNDS = 20000, TWIN_SIZE_MAX = 64 * 1024 };
    static uint8_t twin[TWIN_SIZE_MAX];
    size_t twin_size = 0;
    struct rng rng = rng_seeded(unit_seed());
    struct budget budget = {.allocations_left = INT32_MAX};
    struct memory memory = {budget_resize, &budget};
    struct buf buf;
    buf_init(&buf, &memory);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[200];
        size_t size = rng_below(&rng, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        uint64_t choice = rng_below(&rng, 8);
        if (choice < 5 && twin_size + size <= TWIN_SIZE_MAX) {
            assert_int_equal(buf_append(&buf, bytes, size), STATUS_OK);
            if (size)
                memcpy(twin + twin_size, bytes, size);
            twin_size += size;
        } else if (choice < 7) {
            size = rng_below(&rng, twin_size + 1);
            buf_consume(&buf, size);
            memmove(twin, twin + size, twin_size - size);
            twin_size -= size;
        } else {
            buf_shrink(&buf, rng_below(&rng, 1000));
        }
        if (buf.size != twin_size || (twin_size && memcmp(buf.data, twin, twin_size) != 0))
            fail_msg("differs from its twin in round %d, seed %llu", round, (unsigned long long)unit_seed());
        assert_true(buf.capacity >= buf.size);
        assert_int_equal(budget.given_bytes, buf.capacity);
    }
    buf_fini(&buf);
    assert_int_equal(budget.given_bytes, 0);
}

static void failed_growth_changes_nothing(void **state) {
    for (int allocations = 0; allocations < 6; allocations++) {
        struct budget budget = {.allocations_left = allocations};
        struct memory memory = {budget_resize, &budget};
        struct buf buf;
        buf_init(&buf, &memory);
        enum status status = STATUS_OK;
        size_t appended = 0;
        for (; appended < 4096 && status == STATUS_OK; appended++)
            status = buf_append(&buf, "0123456789", 10);
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(buf.size, 10 * (appended - 1));
        for (size_t i = 0; i < buf.size; i++)
            assert_int_equal(buf.data[i], '0' + i % 10);
        buf_fini(&buf);
        assert_int_equal(budget.given_bytes, 0);
    }
}

static void printf_writes_without_terminator(void **state) {
    struct buf buf;
    buf_init(&buf, &memory_libc);
    assert_int_equal(buf_printf(&buf, "%s-%d", "a", 7), STATUS_OK);
    assert_int_equal(buf_printf(&buf, "%0200d", 1), STATUS_OK);
    assert_int_equal(buf.size, 203);
    assert_memory_equal(buf.data, "a-70", 4);
    assert_int_equal(buf.data[202], '1');
    buf_fini(&buf);
}

static void absurd_size_is_refused(void **state) {
    struct buf buf;
    buf_init(&buf, &memory_libc);
    assert_int_equal(buf_grow(&buf, SIZE_MAX), STATUS_TOO_LARGE);
    assert_null(buf.data);
    buf_fini(&buf);
    buf_fini(NULL);
}

UNIT_TESTS(buf, UNIT(twin_holds_the_same_bytes), UNIT(failed_growth_changes_nothing),
           UNIT(printf_writes_without_terminator), UNIT(absurd_size_is_refused));
