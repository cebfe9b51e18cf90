/* core/store/reclaim.h: getting segments back.
 *
 *     calm   what lives (and index, and a reserve of 8 %) fits the limit: *compact* the segment with the most dead bytes;
 *            nothing live leaves
 *     tight  it does not: *evict* from the oldest segments of the logs, the one with the largest age x mean size
 *
 *     verdict       used since?   small queue            main queue
 *     evicting      yes           copy to main, use 0    copy to main, use - 1
 *                   no            drop, leave a ghost    drop
 *     compacting    -             copy, same queue       copy, same queue
 *
 * A walk over a segment is done in slices, so that the shard's lock is held for some hundred microseconds at most; it rests in the shard between
 * two slices, and any thread may go on with it. Expiry walks the same way over segments whose time has come.
 *
 * Policies: noeviction and, for entries without an expiry, volatile-* only ever compact. What goes otherwise is
 * said by policy.h and choice.h.
 *
 * Threads: any; at most one shard lock is taken at a time, so the caller must hold none.
 */
#ifndef STRATA_CORE_STORE_RECLAIM_H
#define STRATA_CORE_STORE_RECLAIM_H

#include "core/store/store.h"

enum { RECLAIM_SLICE_ENTRIES = 2048 }; /* looked at in a slice; about 60 ns each: 120 microseconds */

/* Makes sure that at least `bytes` can be written into the store, which may take them from others that have more than is guaranteed to them. What needs several segments is promised to the actor, so that nobody else takes
 * them, until it has taken them or the promise is released. STATUS_FULL if nothing may go. */
MUST_CHECK enum status reclaim_make_room(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes);
/* The same for what is counted in the store already, or takes the place of as much: the store's cap is not asked. */
MUST_CHECK enum status reclaim_make_room_reserved(struct engine *engine, struct actor *actor, uint32_t store,
                                                  uint64_t bytes);
/* Reserves (claim.h) what a value on its way will add to the store. Makes room for it within the store, unless the actor holds locks. STATUS_FULL: the store's cap leaves none. */
MUST_CHECK enum status reclaim_reserve(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes);

void reclaim_release_promise(struct engine *engine, struct actor *actor);

/* After a write, when no lock is held: evicts single entries until the store holds no more than its capacity in entries. True if there
 * is more to do than one turn's worth, as after the capacity was lowered. */
bool reclaim_trim(struct engine *engine, struct actor *actor, uint32_t store);

/* One slice ahead of need: what is banned, expiry, and reclaim while the pool is low, in turns if there is both. True if there is more to do. */
bool reclaim_housekeep(struct engine *engine, struct actor *actor);

/* Has housekeeping look for entries that were invalidated. */
void reclaim_sweep(struct engine *engine);

/* One slice over segments with entries that have expired, or were invalidated. False if there are none. */
bool reclaim_expired(struct engine *engine, struct actor *actor);

#endif
