/* core/store/resident.h: what of the range stands in memory, and in which pages.
 *
 *     fresh     never touched, or released: no memory behind it
 *     small     pages of 4 KiB, as they are touched: an open segment costs what has been written into it
 *     dense     huge pages: what is full and stays. Asked for by housekeeping when a segment has filled, or before the first byte once its
 *               log (or the index) has 16 of them, so that half an open one is 1/32 of it at most
 *     free      still resident, to be used again; given back over the limit at once, over an eighth of the limit after a while
 *
 * Housekeeping also merges buckets of an index that has become far too large, and so gives units back.
 *
 * Arithmetic: filling 2 MiB page by page costs 512 faults, about 250 microseconds, and 200 for the copy into a huge page; a huge page at
 * once about 100. An eighth of the limit is what a cache that empties and fills again need not fault in anew.
 *
 * Threads: any; takes one lock of a shard or of the pool at a time, so the caller must hold none.
 */
#ifndef STRATA_CORE_STORE_RESIDENT_H
#define STRATA_CORE_STORE_RESIDENT_H

#include "core/store/store.h"

/* Bytes by use. Exact while nobody writes. Occupied are all but the last; idle is what else is resident, or may be: free segments that
 * have been used, and what is not taken of those that are. */
struct resident_account {
    uint64_t tables, logs, index, blocks, objects, ghosts, filters, tags, cells; /* the last: of the tier */
    uint64_t idle;
};
struct resident_account resident_account(const struct engine *engine);
static inline uint64_t resident_occupied(const struct resident_account *account) {
    return account->tables + account->logs + account->index + account->blocks + account->objects + account->ghosts +
           account->filters + account->tags + account->cells;
}

/* Asserts that what was counted while running comes to the same. */
void resident_verify(const struct engine *engine);

/* One slice of shrinking indexes that have become too large for their entries. False if none has. */
bool resident_shrink(struct engine *engine, struct actor *actor);

/* One slice, at most about 500 microseconds, but up to a millisecond if it asks for a huge page: not when there is `urgent` work.
 * True if there is more to do now. */
bool resident_step(struct engine *engine, struct actor *actor, bool urgent);

#endif
