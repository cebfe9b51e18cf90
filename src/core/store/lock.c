#include "core/store/lock.h"

enum { SPINS = 64 }; /* about 40 ns each turn under contention on x86: well under the price of a sleep */

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void lock_take_slow(struct lock *lock, uint32_t owner, const struct lock_waiting *waiting) {
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && lock_try(lock, owner))
            return;
        relax();
    }
    /* Whoever slept takes the lock with the mark on, for there may be others: one wake too many, never one too few. */
    uint32_t mine = owner | (uint32_t)LOCK_WAITERS;
    for (;;) {
        uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if (word == 0) {
            if (atomic_compare_exchange_strong_explicit(&lock->word, &word, mine, memory_order_acquire,
                                                        memory_order_relaxed))
                break;
            continue;
        }
        uint32_t marked = word | (uint32_t)LOCK_WAITERS;
        if (word == marked || atomic_compare_exchange_strong_explicit(&lock->word, &word, marked, memory_order_relaxed,
                                                                      memory_order_relaxed))
            waiting->wait(waiting->context, &lock->word, marked);
    }
    atomic_store_explicit(&lock->generation, atomic_load_explicit(&lock->generation, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    words_fence_write();
}
