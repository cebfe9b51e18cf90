/* test/engine/stress_rarely.c: what changes the cache as a whole: limit, stores, filters, policy, clock, flushes. */
#include "stress.h"

enum {
    FLUSH_EVERY = 32, /* of those rare operations that may be one */
    JUMP_EVERY = 8,   /* the same, of the clock */
};

static void move_limit(struct worker *worker) {
    struct run *run = worker->run;
    uint64_t limit = run->scene->limit_bytes;
    if (!run->scene->moves_limit)
        return;
    uint64_t bytes = limit / 2 + rng_below(&worker->rng, limit);
    if (cache_limit_set(run->world.cache, bytes) != STATUS_OK && !run->scene->resizes)
        stress_wrong(worker, "limit", "refused", 0, bytes);
    worker->tally.limits++;
}

/* Guarantees of one store, in bytes or as a share, and its capacity in entries. What cannot be is refused. */
static void resize(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    uint32_t store = (uint32_t)rng_below(&worker->rng, run->history.store_count);
    uint64_t limit = run->scene->limit_bytes;
    if (!run->scene->resizes)
        return;
    enum status status = STATUS_OK;
    switch (rng_below(&worker->rng, 3)) {
        case 0:
            status = cache_store_guarantee_set(cache, store, (uint32_t)rng_below(&worker->rng, 500), 0);
            break;
        case 1:
            status = cache_store_guarantee_set(cache, store, 0, rng_below(&worker->rng, limit / 2));
            break;
        default:
            status = cache_store_entries_max_set(
                cache, store, rng_below(&worker->rng, 2) ? 0 : CACHE_ENTRIES_MAX_MIN + rng_below(&worker->rng, 2000));
    }
    /* A store that lets nothing go may hold what would be guaranteed. */
    if (status != STATUS_OK && status != STATUS_INVALID && status != STATUS_FULL)
        stress_wrong(worker, "resize", status_text(status), 0, 0);
    worker->tally.resized++;
}

/* A store's filter on or off, or with another rate. */
static void toggle(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    struct cache_filter_info info;
    uint32_t store = (uint32_t)rng_below(&worker->rng, run->history.store_count);
    static const uint32_t rates_ppm[] = {0, CACHE_FILTER_RATE_PPM_MIN, 10000, CACHE_FILTER_RATE_PPM_MAX};
    enum status status = cache_filter_set(cache, &worker->actor, store, rng_below(&worker->rng, 3) != 0,
                                          rates_ppm[rng_below(&worker->rng, COUNT_OF(rates_ppm))]);
    if (status == STATUS_OK)
        status = cache_filter_info(cache, &worker->actor, store, &info);
    if (status != STATUS_OK)
        stress_wrong(worker, "filter", status_text(status), 0, store);
    worker->tally.toggled++;
}

/* All stores, or the one. */
static void flush(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    uint32_t free = 0, count = run->history.store_count, only = (uint32_t)rng_below(&worker->rng, count + 2);
    if (!atomic_compare_exchange_strong(&run->flushing, &free, 1))
        return;
    for (uint32_t i = 0; i < count; i++)
        if (only >= count || only == i)
            atomic_fetch_add(&run->history.stores[i].flushes_begun, 1);
    if (only < count)
        cache_store_flush(cache, &worker->actor, only);
    else if (only == count)
        cache_flush(cache, &worker->actor, 0);
    else
        cache_flush_all(cache, &worker->actor);
    for (uint32_t i = 0; i < count; i++)
        if (only >= count || only == i)
            atomic_fetch_add(&run->history.stores[i].flushes_done, 1);
    atomic_store(&run->flushing, 0);
    worker->tally.flushes++;
}

void stress_rarely(struct worker *worker) {
    struct run *run = worker->run;
    switch (rng_below(&worker->rng, 16)) {
        case 0:
            return rng_below(&worker->rng, FLUSH_EVERY) ? (void)0 : flush(worker);
        case 1:
            return cache_verify(run->world.cache, &worker->actor);
        case 2:
            cache_lock_all(run->world.cache, &worker->actor, 1 << 16);
            return cache_unlock(run->world.cache, &worker->actor);
        case 3:
            if (rng_below(&worker->rng, JUMP_EVERY) == 0)
                atomic_fetch_add(&run->world.clock_ms, 500 + rng_below(&worker->rng, 20000));
            return;
        case 4:
        case 5:
            if (run->scene->changes_policy &&
                cache_policy_set(run->world.cache, (enum cache_policy)rng_below(&worker->rng, CACHE_SESSION)) !=
                    STATUS_OK)
                stress_wrong(worker, "policy", "refused", 0, 0);
            return;
        case 6: {
            struct cache_stats stats;
            return cache_stats(run->world.cache, &stats);
        }
        case 7:
            return stress_random_key(worker);
        case 8:
        case 9:
        case 10:
            return resize(worker);
        case 11:
            return toggle(worker);
        default:
            return move_limit(worker);
    }
}
