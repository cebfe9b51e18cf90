/* core/store/ghost.h: a memory of what eviction dropped.
 *
 * A miss that finds the ghost of an entry that the small queue dropped goes straight into the main queue (S3-FIFO); ghosts of
 * both queues tell the policy which of the two is too small. 2 bytes each, in buckets of one cache line:
 *
 *     bucket  [head 16][cell 16 x 31]        a ring: the head says which cell is written next, so the place tells the age
 *     cell    | queue 1 | fingerprint 15 |   0: empty
 *
 * Arithmetic: 64 B / 31 = 2.06 B a ghost; half as many as entries, so 1.03 B an entry. (Replays: half as many do as well as 0.9
 * times as many or twice as many.) A lookup compares 31 fingerprints of 15 bits: it is wrong once in 1,057. A bucket takes
 * its 31 in a time that differs from the mean by 1 / sqrt(31) = 18 %. "Lately" is the youngest 3 of the 31, the last 5 % of the
 * capacity when there are half as many ghosts as entries.
 *
 * The number of buckets follows the number of entries by linear hashing: a bucket more takes over half the hashes of one
 * other, whose ghosts are forgotten; all others stay. Buckets lie in units of the range, taken when eviction begins, and given
 * back when the policy has no use for them.
 *
 * Threads: under the shard's lock.
 */
#ifndef STRATA_CORE_STORE_GHOST_H
#define STRATA_CORE_STORE_GHOST_H

#include "core/store/store.h"

struct ghost {
    bool found, lately;
    enum store_queue dropped_by;
};

/* Remembers a dropped hash; takes memory for it when it is time to. */
void ghost_add(struct engine *engine, struct actor *actor, struct shard *shard, enum store_queue dropped_by,
               uint64_t hash);

/* Whether the hash was dropped not long ago; it is forgotten then. */
struct ghost ghost_take(struct engine *engine, struct shard *shard, uint64_t hash);

/* Gives the memory back. */
void ghost_clear(struct engine *engine, struct actor *actor, struct shard *shard);

/* Ghosts that there is room for. */
uint64_t ghost_capacity(const struct shard *shard);

void ghost_verify(const struct engine *engine, const struct shard *shard);

#endif
