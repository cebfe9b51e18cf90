/* core/store/extent.h: large values, as chains of extents.
 *
 * A value of more than a quarter of a segment does not go into a log: it would have to be copied by reclaim, and could not be sent
 * from where it stands. It becomes a chain of extents, each a run of blocks (1/64 of a segment) in a segment of blocks.
 *
 *     entry [.. size, first] -> [next | room | blocks][bytes ...] -> [next ...][bytes ...] -> 0
 *                               one extent, at most one segment
 *
 * Arithmetic: a value wastes half a block on average; from a quarter of a segment on that is at most 3 %, 32 bytes an extent. Segments with room
 * stand in lists by their longest run of free blocks, so a hole that is large enough is found whichever of them it is in.
 *
 * Whoever reads a value outside the lock holds a reference, which stands in the table beside the segment, not in the
 * blocks: taking one is safe even for a reader that comes too late. The last one to let go frees the chain.
 *
 * Threads: references by anyone; taking and freeing blocks is under the lock `blocks` of the range.
 */
#ifndef STRATA_CORE_STORE_EXTENT_H
#define STRATA_CORE_STORE_EXTENT_H

#include "base/slice.h"
#include "core/store/range.h"

enum { EXTENT_HEAD_SIZE = 32 };

/* A chain being built or held. All zero: none. */
struct extents {
    uint64_t first; /* offset of the first extent */
    uint64_t last;
    uint64_t room; /* bytes that the chain can hold */
};

/* Adds an extent for up to `wanted` more bytes (at least one block's; the first one has four). False when there is no memory. */
bool extent_add(struct range *range, struct actor *actor, struct extents *chain, uint64_t wanted);

/* The contiguous bytes from `offset` on, up to the end of their extent. */
uint8_t *extent_piece(const struct range *range, uint64_t first, uint64_t offset, uint64_t *ret_size);

/* The same for an offset that lies in the last extent, where an upload is. */
uint8_t *extent_last_piece(const struct range *range, const struct extents *chain, uint64_t offset, uint64_t *ret_size);

/* Goes through a chain piece by piece, without going from its head for each. */
struct extent_cursor {
    uint64_t at; /* 0: behind the end */
    uint64_t offset;
};
struct extent_cursor extent_seek(const struct range *range, uint64_t first, uint64_t offset);
/* The contiguous bytes there, at most `wanted`, and on. NULL behind the end. */
uint8_t *extent_next(const struct range *range, struct extent_cursor *cursor, uint64_t wanted, uint64_t *ret_size);

/* Room of the whole chain. */
uint64_t extent_room(const struct range *range, uint64_t first, uint64_t *ret_last);

/* A reference for a reader that found `first` in an entry; false if the value is gone already. */
bool extent_hold(const struct range *range, uint64_t first);
void extent_release(struct range *range, struct actor *actor, uint64_t first);
/* Whether only one reference is left: the caller's. */
bool extent_alone(const struct range *range, uint64_t first);

/* Bytes of blocks that the chain occupies. */
uint64_t extent_charge(const struct range *range, uint64_t first);
/* The same of all chains together, once for each holder. While nobody takes or gives any. */
uint64_t extent_held_bytes(const struct range *range);

/* ------------------------------------------------- moving, to empty a segment that is mostly holes (vacate.c) */

/* Says whose the chain is; without, its extents cannot be moved. */
void extent_set_owner(struct range *range, uint64_t first, uint64_t hash);

/* Begins to empty the segment of blocks with the most free ones, if that pays and it has `free_min_bytes` of them. Nothing is put into
 * it meanwhile. At most one is emptied at a time; several threads may go on with it. False: there is none. */
bool extent_vacate_begin(struct range *range, struct actor *actor, uint64_t free_min_bytes);
/* Its next extent and the owner's hash (0: none); 0 at the end, or if none is being emptied. It may be gone as soon as this returns:
 * look it up under the owner's lock. */
uint64_t extent_vacate_next(struct range *range, struct actor *actor, uint64_t *ret_owner);

/* Whether the chain holds that extent. Under the owner's lock. */
bool extent_has_run(const struct range *range, uint64_t first, uint64_t run);
/* Moves one extent of a chain that the caller alone holds, inside index_write_begin and end. Answers the chain's first extent
 * afterwards, 0 if there is no hole of its size. */
uint64_t extent_move_run(struct range *range, struct actor *actor, uint64_t first, uint64_t run);
/* Bytes that its blocks take. */
uint64_t extent_run_bytes(const struct range *range, uint64_t run);

#endif
