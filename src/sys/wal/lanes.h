/* sys/wal/lanes.h: where threads lay records until the committer takes them, in one order.
 *
 *     lane 0   front (5)[..] (8)[..][..]   <- its thread appends       back (1)[..][..]   <- the committer reads
 *     lane 1   front (6)[..][..]                                      back (3)[..][..]
 *
 *     run      | first number 8 | count 4 | bytes 4 | [length 4 | record][length 4 | record] ...     numbers that follow each other
 *
 * Records lie in runs, as a batch has them: what one thread has staged while no other did is copied as one. A record gets its number (LSN) and its place in the lane under the lane's lock, so numbers ascend within a lane, and none is missing
 * among all. The committer swaps front and back and takes numbers in order; it stops where the next number still lies in a front.
 *
 * Threads: a lane belongs to one thread that stages (several may share one, and then wait for each other); one thread at a time
 *          collects, which the caller sees to. A lane's lock is held for one copy.
 * Memory:  two halves of `lane_bytes` a lane from the start; a larger record makes its lane grow until it has been collected.
 * Errors:  STATUS_BUSY: no room until the committer has collected. STATUS_NO_MEMORY, STATUS_TOO_LARGE. A failed call takes no number.
 */
#ifndef STRATA_SYS_WAL_LANES_H
#define STRATA_SYS_WAL_LANES_H

#include <stdatomic.h>

#include "base/buf.h"
#include "sys/wal/format.h"

enum { LANES_MAX = 256 };

/* Records whose numbers follow each other; as its header lies before them. */
struct lane_run {
    uint64_t first_lsn;
    uint32_t count, bytes;
};

struct lane {
    _Atomic uint32_t lock; /* 0: free, 1: held, 2: held, and somebody may sleep on it */
    struct buf front, back;
    struct lane_run open; /* the last one of the front; its header is written when it ends */
    size_t open_at;       /* where that goes; count 0: there is none */
    size_t taken;         /* of the back, by the committer */
    struct lane_run rest; /* of the run that it is in */
    uint8_t gap[64];      /* lanes of two threads share no cache line */
};

struct lanes {
    const struct memory *memory;
    struct lane *lanes;
    unsigned count;
    size_t lane_bytes;
    uint8_t gap[64];
    _Atomic uint64_t next_lsn; /* of the next record to be staged */
    uint8_t another_gap[64];
    uint64_t next_collected; /* of the next record to be collected */
};

MUST_CHECK enum status lanes_init(struct lanes *lanes, const struct memory *memory, unsigned count, size_t lane_bytes,
                                  uint64_t first_lsn);
void lanes_fini(struct lanes *lanes);

/* Room for a record of `size` bytes in this lane: what the lane's own thread stages next, up to that size, cannot fail. `ret_half`, always set:
 * the lane is more than half full. */
MUST_CHECK enum status lanes_admit(struct lanes *lanes, unsigned lane, size_t size, bool *ret_half);

/* The record is the parts, one behind the other. */
MUST_CHECK enum status lanes_stage(struct lanes *lanes, unsigned lane, const struct slice *parts, unsigned count,
                                   uint64_t *ret_lsn);

/* The same for who cannot be refused: the lane grows instead, until it has been collected. STATUS_NO_MEMORY, STATUS_TOO_LARGE; else `ret_half` as above. */
MUST_CHECK enum status lanes_stage_anyway(struct lanes *lanes, unsigned lane, const struct slice *parts, unsigned count,
                                          uint64_t *ret_lsn, bool *ret_half);

/* The same in place, for records that are put together from little: room for `size_max` bytes at `ret_to`. The lane is locked, and the record has its number, until lanes_placed
 * says how large it has become. STATUS_NO_MEMORY, STATUS_TOO_LARGE: there is nothing to be ended. */
MUST_CHECK enum status lanes_place_anyway(struct lanes *lanes, unsigned lane, size_t size_max, uint8_t **ret_to);
void lanes_placed(struct lanes *lanes, unsigned lane, size_t size, uint64_t *ret_lsn, bool *ret_half);

/* Appends records with their lengths, as a batch has them, in order of their numbers, until there are none, or `bytes_max` have been
 * appended (at least one record, if there is one). Answers how many; the first has the number that `next_collected` had before. */
MUST_CHECK enum status lanes_collect(struct lanes *lanes, size_t bytes_max, struct buf *payload, uint32_t *ret_count);

#endif
