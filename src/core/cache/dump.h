/* core/cache/dump.h: all that a cache has, as records, while others go on writing.
 *
 *     position `tags_from` ── pass through all locks ── position `from` ── slice ── slice ── ... ── end
 *
 * A slice copies some chains of the index under their shard's lock; a large value is pinned there and copied in pieces afterwards. Each key is as it was
 * when its chain was copied, so the whole is of no moment. With the journal's records behind `from` it is exact all the same: a record says what is the case, so whatever a
 * key has gone through since `from` ends as it ended (decision 0051). What died by a tag or a pattern is left out. What has expired is not, for a slower clock may have
 * given it another time since. Collections of objects are left out, and counted.
 *
 * Of entries that are kept outside of memory (tier.h) it says where they stand, if whoever keeps them does so for longer than this process lives: behind the entries of their shard,
 * so that none which goes down meanwhile is missed. All of them have to be durable when the dump is. Bans that concern nothing but these come first. Otherwise they are left out, and counted.
 *
 * Threads: one at a time works on a dump; others may do anything but change the stores of keys (cache_reroute), which ends it.
 * Memory:  the record's is the caller's; a few names, and pins of the large values of one chain.
 */
#ifndef STRATA_CORE_CACHE_DUMP_H
#define STRATA_CORE_CACHE_DUMP_H

#include "core/cache/journal.h"

enum { CACHE_DUMP_SLICE = 64 * 1024 }; /* bytes of a record, about; one chain may be some times more */

struct cache_dump {
    uint64_t tags_from, from; /* replay needs both (replay.h) */
    uint64_t done, total;     /* entries so far; those that there were when it began */
    uint64_t left_out;        /* collections */
    uint64_t below;           /* of `done`, those that are kept outside of memory, and only listed */
    uint64_t below_left_out;  /* of these there were when it began, and none is listed */
    uint64_t generation; /* what stands in lower ones is listed where it stands: cache_tier.position at the beginning */
    /* private */
    struct cache *cache;
    uint32_t shard, moves;
    bool begun, lists_tier, in_tier;
    uint64_t cursor;
    struct buf cells, soft; /* of a slice of the tier: cells, and soft invalidations of their tags */
    struct buf large;       /* of the last chain */
    size_t large_at;
    uint64_t offset;
};

/* The cache has a journal (else both positions are 0, and nobody may write until the end). The actor holds no locks. */
void cache_dump_begin(struct cache *cache, struct actor *actor, struct cache_dump *ret_dump);
/* The next record, put in the place of what `record` holds. STATUS_CLOSED: there is no more. STATUS_NO_MEMORY: nothing is lost, call again.
 * STATUS_INVALID: keys have changed their stores; begin anew. */
MUST_CHECK enum status cache_dump_next(struct cache_dump *dump, struct actor *actor, struct buf *record);
/* At any time; gives back what it holds. */
void cache_dump_end(struct cache_dump *dump, struct actor *actor);

#endif
