/* core/store/ghost.h: a memory of what the small queue dropped.
 *
 * A miss that finds its ghost goes straight into the main queue (S3-FIFO). Buckets of 16 cells, one cache line:
 *
 *     cell    | fingerprint 16 | stamp 16 |      stamp: when it was dropped, in 1/65536 of what the ghosts can hold
 *
 * Made of whole segments, taken when eviction begins, about one cell for nine in ten entries of the shard. A ghost that is older
 * than the ghosts' capacity is stale and does not count.
 *
 * Threads: under the shard's lock.
 */
#ifndef STRATA_CORE_STORE_GHOST_H
#define STRATA_CORE_STORE_GHOST_H

#include "core/store/store.h"

/* Remembers a dropped hash; takes memory for it the first time. */
void ghost_add(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash);

/* Whether the hash was dropped not long ago; it is forgotten then. */
bool ghost_take(struct engine *engine, struct shard *shard, uint64_t hash);

/* Gives the memory back. */
void ghost_clear(struct engine *engine, struct actor *actor, struct shard *shard);

#endif
