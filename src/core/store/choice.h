/* core/store/choice.h: which segment reclaim takes next.
 *
 *     empty      a sealed segment in which nothing lives: given back as it is
 *     compact    the sealed one with the most dead bytes
 *     evict      of the stores that may be asked to give (claim.h), the segment that their policies like least (policy.h)
 *
 * Eviction looks at the oldest segment of each log only: a few dozen logs a shard, most of them empty. Its age is that of the oldest
 * entry that stands there still, taken from how far eviction has walked into it. Compaction reads the segment table; of a large
 * one a window of CHOICE_WINDOW rows, which moves on with each choice: the best of 4,096 is as good as the best of all, and
 * costs 20 microseconds where compacting a segment of 2 MiB costs 300.
 *
 * Threads: any, without locks: whoever acts on a choice looks again under the shard's lock.
 */
#ifndef STRATA_CORE_STORE_CHOICE_H
#define STRATA_CORE_STORE_CHOICE_H

#include "core/store/claim.h"

enum { CHOICE_WINDOW = 4096 };

struct choice {
    uint32_t segment; /* 0: there is none */
    uint32_t shard;
    uint64_t dead_bytes;    /* that compaction would free */
    uint32_t skip;          /* for eviction, see struct shard_walk */
    uint64_t expiry_max_ms; /* the same */
};

struct choice choice_empty(struct engine *engine);
/* `within`: only stores that may give; NULL: any. */
struct choice choice_compact(struct engine *engine, const struct claim *within);

/* `single`: a single entry is wanted, so that segments that still take entries are as good as others. */
struct choice choice_evict(struct engine *engine, const struct claim *claim, uint64_t now_ms, bool single);

#endif
