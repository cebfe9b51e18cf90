/* core/cache/cache_fixture.h: a cache in private memory, for the tests of this folder. */
#ifndef STRATA_CORE_CACHE_FIXTURE_H
#define STRATA_CORE_CACHE_FIXTURE_H

#include <sched.h>
#include <sys/mman.h>

#include "core/cache/internal.h"
#include "unit.h"

struct testing_cache {
    struct cache *cache;
    struct actor actor;
    void *range;
    uint64_t range_size;
};

static inline void testing_wait(void *context, _Atomic uint32_t *word, uint32_t seen) {
    (void)context;
    if (atomic_load(word) == seen)
        sched_yield();
}

static inline void testing_wake(void *context, _Atomic uint32_t *word) { (void)context, (void)word; }

/* Opens with the options of `wanted` that say what the cache is like; range, seed unless it is given, and what it needs of the system are filled in. */
static inline struct testing_cache testing_open_as(struct cache_options wanted) {
    struct testing_cache t = {.actor = {.id = 2, .now_ms = 1700000000000u}, .range_size = 2 * wanted.limit_bytes};
    t.range = mmap(NULL, t.range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(t.range != MAP_FAILED);
    wanted.range = t.range;
    wanted.range_size = t.range_size;
    wanted.cores = 2;
    wanted.seed = wanted.seed ? wanted.seed : unit_seed();
    wanted.waiting = (struct cache_waiting){testing_wait, testing_wake, NULL};
    wanted.memory = &memory_libc;
    assert_int_equal(cache_open(&wanted, &t.cache), STATUS_OK);
    return t;
}

static inline struct testing_cache testing_open(uint64_t limit_bytes, uint32_t shards, enum cache_policy policy) {
    return testing_open_as((struct cache_options){.limit_bytes = limit_bytes, .shards = shards, .policy = policy});
}

static inline void testing_close(struct testing_cache *t) {
    cache_verify(t->cache, &t->actor);
    cache_close(t->cache);
    munmap(t->range, t->range_size);
}

/* A read into a growing buffer. */
static inline void *testing_reserve(void *context, uint64_t size) {
    struct buf *buf = context;
    buf->size = 0;
    if (buf_reserve(buf, size + 1) != STATUS_OK)
        return NULL;
    buf->size = size;
    return buf->data;
}

static inline bool testing_get(struct testing_cache *t, uint32_t db, struct slice name, struct buf *ret_value,
                               struct cache_info *ret_info) {
    struct cache_key key = cache_key(t->cache, db, name);
    struct cache_read read = {.size_max = UINT64_MAX, .facts = true, .reserve = testing_reserve, .context = ret_value};
    bool found;
    assert_int_equal(cache_get(t->cache, &t->actor, &key, &read, &found), STATUS_OK);
    if (found && ret_info)
        *ret_info = read.info;
    return found;
}

static inline enum status testing_set(struct testing_cache *t, uint32_t db, struct slice name, struct slice value,
                                      uint64_t expires_at_ms) {
    struct cache_key key = cache_key(t->cache, db, name);
    return cache_set(t->cache, &t->actor, &key, value, expires_at_ms);
}

#endif
