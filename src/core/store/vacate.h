/* core/store/vacate.h: emptying segments of blocks that are mostly holes.
 *
 * Large values that come and go leave holes between those that stay. New large values fill them, but entries of the logs
 * cannot: so the extents of the sparsest segment are moved into the holes of the others, one by one, each under the lock
 * of its owner's shard, and the segment goes back to the pool.
 *
 * An extent knows the hash of its owner's key; the index leads to the entry, and its chain says whether the extent is still
 * its own. Values that a reader holds, that two entries share or that are still arriving stay where they are.
 *
 * Threads: any; takes one shard lock at a time, so the caller must hold none.
 */
#ifndef STRATA_CORE_STORE_VACATE_H
#define STRATA_CORE_STORE_VACATE_H

#include "core/store/store.h"

/* One slice of emptying a segment as far as possible, if one gives at least `free_min_bytes`. False if there was nothing to move. */
bool vacate_segment(struct engine *engine, struct actor *actor, uint64_t free_min_bytes);

#endif
