/* test/engine/world.h: a cache over the system's memory, with a clock that the test moves, for programs that are no unit tests.
 *
 * Threads: world_open and world_close belong to one thread; the clock may be read and moved by any.
 * Memory:  the range is address space of its own; counters of actors are summed up by whoever owns them.
 * Time:    `clock_ms` is what actors are given; it never goes back.
 * Errors:  a world that cannot be opened ends the program: nothing can be tested then.
 */
#ifndef STRATA_TEST_ENGINE_WORLD_H
#define STRATA_TEST_ENGINE_WORLD_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cache/cache.h"
#include "sys/os/clock.h"
#include "sys/os/futex.h"
#include "sys/os/pages.h"

enum { WORLD_ACTOR_ID = 2 }; /* of the main thread; threads take 10 and up */

struct world {
    struct cache *cache;
    void *range;
    uint64_t range_size;
    struct actor actor; /* the main thread's */
    _Atomic uint64_t clock_ms;
};

struct world_options {
    uint64_t limit_bytes, range_bytes;
    uint32_t shards;
    enum cache_policy policy;
    uint64_t seed;
    const struct cache_store *stores;
    uint32_t store_count;
    struct cache_changes changes;
};

static inline void world_open(struct world *world, const struct world_options *options) {
    *world = (struct world){.range_size = options->range_bytes, .actor = {.id = WORLD_ACTOR_ID}};
    atomic_store(&world->clock_ms, 1700000000000u);
    world->actor.now_ms = 1700000000000u;
    enum status status = pages_take(options->range_bytes, &world->range);
    struct cache_options cache = {
        .range = world->range,
        .range_size = options->range_bytes,
        .limit_bytes = options->limit_bytes,
        .cores = 2,
        .shards = options->shards,
        .policy = options->policy,
        .stores = options->stores,
        .store_count = options->store_count,
        .changes = options->changes,
        .seed = options->seed,
        .waiting = {futex_wait, futex_wake, NULL},
        .backing = {.huge_size = PAGES_HUGE_SIZE, .dense = pages_dense, .release = pages_release},
        .memory = &memory_libc,
    };
    if (status == STATUS_OK)
        status = cache_open(&cache, &world->cache);
    if (status == STATUS_OK)
        return;
    printf("not ok a cache of %llu bytes opens - %s\n", (unsigned long long)options->limit_bytes, status_text(status));
    exit(1);
}

static inline void world_close(struct world *world) {
    cache_close(world->cache);
    pages_give(world->range, world->range_size);
}

static inline uint64_t world_now_ms(struct world *world) { return atomic_load(&world->clock_ms); }

/* The seed of the run, as for every test: STRATA_SEED, else 1. */
static inline uint64_t world_seed(void) {
    const char *text = getenv("STRATA_SEED");
    return text ? strtoull(text, NULL, 0) : 1;
}

#endif
