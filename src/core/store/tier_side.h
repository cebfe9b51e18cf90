/* core/store/tier_side.h: what memory keeps of the tags of records in the tier, by their address.
 *
 * A record with tags goes on bearing them. Whoever gives up its cell has to give them back without reading it, so they stand here as well: 40 bytes and 4 a tag,
 * and what the allocator adds. A linear-hashed table of lists: it grows by one list at a time, so nobody waits.
 *
 * Threads: under the shard's lock.
 * Memory:  from the engine's, outside of the range; its bound is tier.c's.
 */
#ifndef STRATA_CORE_STORE_TIER_SIDE_H
#define STRATA_CORE_STORE_TIER_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

enum { TIER_SIDE_CHUNK = 256, TIER_SIDE_CHUNKS_MAX = 1024 };

struct tier_side {
    struct tier_side *next;
    uint64_t address, stamp, expires_at_ms;
    uint32_t count;
    uint32_t numbers[]; /* of tags */
};

struct tier_sides {
    const struct memory *memory;
    struct tier_side **(*chunks)[TIER_SIDE_CHUNKS_MAX]; /* NULL: it was never needed */
    uint32_t lists;
    uint64_t count, bytes; /* of sides; of them and of the table */
};

/* Zero-filled but for `memory`. NULL: no memory. Not in the table yet. */
struct tier_side *tier_side_new(struct tier_sides *sides, uint32_t tag_count);
void tier_side_free(struct tier_sides *sides, struct tier_side *side);

/* By its address. There is none with that address. */
void tier_side_enter(struct tier_sides *sides, struct tier_side *side);
struct tier_side *tier_side_find(const struct tier_sides *sides, uint64_t address);
/* Takes it out; NULL: there is none. */
struct tier_side *tier_side_leave(struct tier_sides *sides, uint64_t address);

/* All of them, which must not be entered or taken out meanwhile. */
void tier_side_each(const struct tier_sides *sides, void (*visit)(void *context, const struct tier_side *side),
                    void *context);
/* Frees all of them, and the table. */
void tier_side_clear(struct tier_sides *sides);

#endif
