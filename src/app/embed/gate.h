/* app/embed/gate.h: what makes a fork safe while other threads call.
 *
 *     caller  inside = 1; closed?  no: go on ... inside = 0        (both sides sequentially consistent:
 *     fork    closed = 1; inside?  until nobody is                  one of the two sees the other)
 *
 * So at the moment of the fork no lock of any cache is held and nothing is half done: no promise of room, no large value
 * held by a reader, no segment being emptied. Reads that take no lock leave nothing behind and are not waited for. It
 * costs a call one exchange of its own cache line, about 6 ns.
 *
 * Threads: any.
 * Errors:  STATUS_NO_MEMORY when the handlers of the fork cannot be registered.
 */
#ifndef STRATA_APP_EMBED_GATE_H
#define STRATA_APP_EMBED_GATE_H

#include "app/embed/handle.h"

/* Puts the cache into the list of those that a fork closes, and takes it out. */
MUST_CHECK enum status gate_add(struct strata_cache *cache);
void gate_remove(struct strata_cache *cache);

/* Until the gate is open, or nearly. */
void gate_wait_open(struct strata_cache *cache);

/* Comes in as soon as the gate is open. */
void gate_wait(struct strata_cache *cache, struct slot *slot);

/* Closes the gate of one cache until gate_open: nobody else is inside then. The caller is not inside. */
void gate_close(struct strata_cache *cache);
void gate_open(struct strata_cache *cache);

static inline void gate_enter(struct strata_cache *cache, struct slot *slot) {
    atomic_store(&slot->inside, 1);
    if (__builtin_expect(atomic_load(&cache->closed), 0))
        gate_wait(cache, slot);
}

static inline void gate_leave(struct slot *slot) { atomic_store_explicit(&slot->inside, 0, memory_order_release); }

#endif
