/* core/store/store_fixture.h: a store in private memory, for the tests of the engine. */
#ifndef STRATA_CORE_STORE_FIXTURE_H
#define STRATA_CORE_STORE_FIXTURE_H

#include <sched.h>
#include <sys/mman.h>

#include "core/store/store.h"
#include "unit.h"

struct testing_store {
    struct engine *engine;
    struct actor actor;
    void *range;
    uint64_t range_size;
};

static inline void testing_store_wait(void *context, _Atomic uint32_t *word, uint32_t seen) {
    (void)context;
    if (atomic_load(word) == seen)
        sched_yield();
}

static inline void testing_store_wake(void *context, _Atomic uint32_t *word) { (void)context, (void)word; }

static inline struct testing_store testing_store_open(uint64_t limit_bytes, uint32_t shards, enum store_policy policy,
                                                      const struct object_owner *owner) {
    struct testing_store t = {.actor = {.id = 2, .now_ms = 1700000000000u}, .range_size = 2 * limit_bytes};
    t.range = mmap(NULL, t.range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(t.range != MAP_FAILED);
    struct engine_options options = {
        .range = t.range,
        .range_size = t.range_size,
        .limit_bytes = limit_bytes,
        .cores = 2,
        .shards = shards,
        .policy = policy,
        .seed = unit_seed(),
        .waiting = {testing_store_wait, testing_store_wake, NULL},
        .memory = &memory_libc,
        .owner = owner,
    };
    assert_int_equal(engine_open(&options, &t.engine), STATUS_OK);
    return t;
}

static inline void testing_store_close(struct testing_store *t) {
    engine_verify(t->engine, &t->actor);
    engine_close(t->engine);
    munmap(t->range, t->range_size);
}

static inline struct store_key testing_store_key(const struct testing_store *t, uint32_t db, struct slice name) {
    return (struct store_key){name, store_hash(t->engine, db, name), db, NULL, NULL, 0};
}

/* Takes segments from the pool until a writer could have `left` more of them. Answers how many; `taken` has room for all. */
static inline uint32_t testing_store_starve(struct testing_store *t, uint32_t left, uint32_t *taken) {
    uint32_t count = 0, number;
    while ((number = range_take(&t->engine->range, &t->actor, SEGMENT_OBJECTS, false)) != 0)
        taken[count++] = number;
    while (left-- && count)
        range_give(&t->engine->range, &t->actor, taken[--count]);
    return count;
}

static inline void testing_store_feed(struct testing_store *t, const uint32_t *taken, uint32_t count) {
    while (count)
        range_give(&t->engine->range, &t->actor, taken[--count]);
}

#endif
