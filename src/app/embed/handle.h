/* app/embed/handle.h: a cache as the library's files see it, and how a call goes.
 *
 *     quick   strata_get, strata_get_many, strata_exists of what is small: the own slot, one look without a lock, done
 *     others  call_begin ... call_end: a fork in another thread waits until nobody is between the two (gate.h), and
 *             callbacks are called when the last lock is let go
 *
 * Threads: what is not atomic here stays as strata_open wrote it, but for the list, which is under the gate's lock.
 * Time:    a clock is read when the call needs the time, or once any entry has an expiry.
 */
#ifndef STRATA_APP_EMBED_HANDLE_H
#define STRATA_APP_EMBED_HANDLE_H

#include <pthread.h>

#include "app/embed/slot.h"
#include "core/cache/cache.h"
#include "sys/os/clock.h"

/* Address space for a cache whose limit may be raised so far: the segment table and the like stand in the range too, at most half of it, and are hardly touched. And the other way round. */
#define TABLES_MIN (4ull << 20)
static inline uint64_t range_for(uint64_t limit_max_bytes) { return 2 * limit_max_bytes + TABLES_MIN; }
static inline uint64_t range_limit_max(uint64_t range_size) {
    return range_size > TABLES_MIN ? (range_size - TABLES_MIN) / 2 : 0;
}

struct strata_cache {
    struct cache *core;
    struct slot *slots;
    _Atomic uint32_t expiring; /* some entry may have an expiry: reads need the time */
    _Atomic uint32_t closed;   /* the gate: 1 while a fork waits for those inside */
    uint64_t default_ttl_ms;
    void (*on_removed)(void *context, const struct strata_event *event);
    void *on_removed_context;
    void (*on_message)(void *context, enum strata_message kind, const char *text);
    void *on_message_context;
    struct memory memory;      /* the program's */
    struct memory core_memory; /* the same, noting in the slot when there is none */
    void *range;
    uint64_t range_size, slots_size, limit_max_bytes;
    _Atomic uint64_t entries_max;    /* 0: writes need not look */
    pthread_mutex_t shared;          /* guards slot 0 */
    struct persistence *persistence; /* NULL: it is kept nowhere; persistence.h */
    struct image *image;             /* NULL: its memory is nobody's but its own; image.h */
    struct warm_tier *tier;          /* NULL: there is no file behind memory; filing.h */
    uint64_t hash_seed;              /* of the core */
    uint32_t era;                    /* of forks that it began anew in: what was pinned before is gone */
    uint64_t idle_ms;                /* what was not used for so long goes there */
    _Atomic uint64_t idle_look_ms;   /* when what is idle was last looked for */
    struct strata_cache *next, *previous;
};

/* The calling thread's slot, or NULL: it has none of its own, or not yet. */
static inline struct slot *slot_own(struct strata_cache *cache) {
    uint32_t number = slot_number_now;
    return __builtin_expect(number - 1 < STRATA_THREADS_MAX, 1) ? &cache->slots[number] : NULL;
}

/* Gives a thread its number, if there is one, so that slot_own finds it; NULL if there is none. */
struct slot *slot_own_take(struct strata_cache *cache);

struct slot *call_begin(struct strata_cache *cache);
void call_end(struct strata_cache *cache, struct slot *slot);

/* The same for calls that write: NULL, and the call answers STRATA_IO, if the cache is kept and the disk takes nothing. */
struct slot *call_begin_writes(struct strata_cache *cache);
/* For calls that write `writes` entries: now and then there is a slice of cleaning up in it. STRATA_IO: what was written may not be on disk, where
 * calls wait for that. */
enum strata_status call_end_writes(struct strata_cache *cache, struct slot *slot, uint32_t writes);

/* Sets the time of the actor, for a call that need not know it unless an entry has an expiry. */
static inline void call_time_to_read(struct strata_cache *cache, struct slot *slot) {
    if (atomic_load_explicit(&cache->expiring, memory_order_relaxed))
        slot->actor.now_ms = clock_unix_ms();
}

/* The same for one that writes: segments remember about when they were opened. */
static inline void call_time_to_write(struct strata_cache *cache, struct slot *slot) {
    slot->actor.now_ms =
        atomic_load_explicit(&cache->expiring, memory_order_relaxed) ? clock_unix_ms() : clock_unix_coarse_ms();
}

/* The same for one that writes an expiry, or asks for the time left. */
static inline void call_time_exact(struct strata_cache *cache, struct slot *slot) {
    if (!atomic_load_explicit(&cache->expiring, memory_order_relaxed))
        atomic_store(&cache->expiring, 1);
    slot->actor.now_ms = clock_unix_ms();
}

static inline bool is_key(const void *key, size_t key_size) { return key || key_size == 0; }

/* Of a key over its maximum only one byte too many counts: it is nobody's, and is not read as far as a wrong size says. */
static inline struct slice name_of_key(const void *key, size_t key_size) {
    return slice_make(key, key_size <= STRATA_KEY_SIZE_MAX ? key_size : STRATA_KEY_SIZE_MAX + 1);
}

static inline struct cache_key key_of(const struct strata_cache *cache, const void *key, size_t key_size) {
    return cache_key(cache->core, 0, name_of_key(key, key_size));
}

enum strata_status status_out(enum status status);

#endif
