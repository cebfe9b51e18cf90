/* core/store/lock.h: the short lock of a shard, one word and a generation.
 *
 *     word        0 free | owner's id | owner's id + WAITERS      what waiters sleep on
 *     generation  even: free, odd: held; moves with every lock    what readers of several keys compare
 *
 * Sleeping and waking are handed in (a futex on a system, nothing in WebAssembly). A waiter spins for a few hundred
 * cycles at most, because threads outnumber cores. (Algorithm: U. Drepper, "Futexes are tricky", the second mutex.)
 *
 * Threads: any. Not recursive; the caller knows what it holds.
 * Memory:  zero-filled is a free lock; may stand in shared memory.
 */
#ifndef STRATA_CORE_STORE_LOCK_H
#define STRATA_CORE_STORE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/store/words.h"

struct lock {
    _Atomic uint32_t word;
    _Atomic uint32_t generation;
};

/* How a thread sleeps until a word changes. `wait` may return early; `wake` wakes every waiter. */
struct lock_waiting {
    void (*wait)(void *context, _Atomic uint32_t *word, uint32_t seen);
    void (*wake)(void *context, _Atomic uint32_t *word);
    void *context;
};

enum { LOCK_WAITERS = (int)0x80000000 };

void lock_take_slow(struct lock *lock, uint32_t owner, const struct lock_waiting *waiting);

static inline bool lock_try(struct lock *lock, uint32_t owner) {
    uint32_t free = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &free, owner, memory_order_acquire, memory_order_relaxed))
        return false;
    atomic_store_explicit(&lock->generation, atomic_load_explicit(&lock->generation, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    words_fence_write();
    return true;
}

static inline void lock_take(struct lock *lock, uint32_t owner, const struct lock_waiting *waiting) {
    if (!lock_try(lock, owner))
        lock_take_slow(lock, owner, waiting);
}

static inline void lock_give(struct lock *lock, const struct lock_waiting *waiting) {
    atomic_store_explicit(&lock->generation, atomic_load_explicit(&lock->generation, memory_order_relaxed) + 1,
                          memory_order_release);
    uint32_t word = atomic_exchange_explicit(&lock->word, 0, memory_order_release);
    if (word & (uint32_t)LOCK_WAITERS)
        waiting->wake(waiting->context, &lock->word);
}

#endif
