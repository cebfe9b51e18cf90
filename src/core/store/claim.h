/* core/store/claim.h: which store gives memory to which.
 *
 * Every store may have memory guaranteed to it. What nobody uses is lent to whoever wants it, and taken back when its owner
 * comes:
 *
 *     a store may be asked to give    if it has more than is guaranteed to it, and its policy lets entries go
 *     a store that wants memory       is asked itself only if it has more than its guarantee, or if nobody else can give
 *     a store that cannot give back   (noeviction, volatile-*) never takes what is guaranteed to others, though it be free
 *     of those that may be asked      the first are before the usual ones, and these before the last, whatever their age (choice.h)
 *     a store with a quota            never has more (by a segment at most), though memory be free: its own entries go, or it refuses
 *
 * Threads: any, without locks: the counters may move while they are read, so an answer is as old as the moment it was made.
 */
#ifndef STRATA_CORE_STORE_CLAIM_H
#define STRATA_CORE_STORE_CLAIM_H

#include "core/store/store.h"

struct claim {
    bool gives[STORES_MAX];
};

/* Whom eviction on behalf of `store` may take from. */
void claim_make(const struct engine *engine, uint32_t store, struct claim *ret_claim);

/* What the store occupies, and what is reserved in it. */
uint64_t claim_bytes(const struct engine *engine, uint32_t store);

/* Large values arrive before any key refers to them. What such a value will add to its store is reserved, so that several on their way together
 * leave the store within its cap, and whatever else is written sees them. False, and nothing is reserved: with them the store would have more
 * than `most`. `claim_forget` returns all reservations at once, when keys change their stores: whoever has one from before, as
 * `claim_reservations` tells, has none any more. */
MUST_CHECK bool claim_reserve(struct engine *engine, uint32_t store, uint64_t bytes, uint64_t most);
void claim_return(struct engine *engine, uint32_t store, uint64_t bytes);
void claim_forget(struct engine *engine);
uint32_t claim_reservations(const struct engine *engine);

/* Bytes that no compaction can free. */
uint64_t claim_fixed_bytes(const struct engine *engine);

/* Whether what lives, and index and ghosts, fill the memory up to the reserve: time to evict. */
bool claim_is_tight(const struct engine *engine);

/* Whether memory would be tight even after all that may go for this store has gone. */
bool claim_is_full(const struct engine *engine, uint32_t store);

/* Whether nothing new goes into a store that cannot give back. A little later it is full for changes of what it has as well. */
bool claim_is_closed(const struct engine *engine, uint32_t store);

/* Bytes that the entries of stores that cannot give back may grow by, taken together, when they get tags; UINT64_MAX if there is no such entry. */
uint64_t claim_room_for_tags(const struct engine *engine);

/* Whether a store that could give has more than is guaranteed to it, or there is but one store: what housekeeping may take from. */
bool claim_somebody_owes(const struct engine *engine);

/* Whether the store could have that policy while `more_for_others` bytes more are guaranteed to others: one that cannot give back must
 * not hold what is theirs. */
bool claim_fits(const struct engine *engine, uint32_t store, enum store_policy policy, uint64_t more_for_others);

/* What a store that cannot give back, or has a quota, may have at most; UINT64_MAX for the others. */
uint64_t claim_cap_bytes(const struct engine *engine, uint32_t store);

/* A store with a quota that refuses: within it, eviction is no way to stay under. */
static inline bool claim_refuses(const struct engine *engine, uint32_t store) {
    return __builtin_expect(atomic_load_explicit(&engine->stores[store].refuses, memory_order_relaxed) != 0, 0);
}

/* And while it is to take anything new: the rest of its cap is for what changes of what it has leave behind until that is compacted, as when an
 * expiry is set in a full store. */
uint64_t claim_cap_of_new_bytes(const struct engine *engine, uint32_t store);

/* What is beyond the store's cap is refused: it cannot give back, or has a quota that refuses. */
bool claim_is_hard(const struct engine *engine, uint32_t store);

/* Whether a value of that size alone is more than the store may ever have. */
bool claim_is_beyond(const struct engine *engine, uint32_t store, uint64_t bytes);

/* Whether a store that cannot give back, or refuses what is beyond its quota, would have more than it may with so many bytes more than none. What
 * becomes no larger is never refused for that: the dead bytes that it leaves are compacted. */
bool claim_is_over(const struct engine *engine, uint32_t store, uint64_t bytes);

#endif
