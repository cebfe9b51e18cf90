/* core/store/range.h: the one flat range of memory that the engine lives in.
 *
 *     | head | segment table | block references | shards | directories | ... | segment 1 | segment 2 | ... |
 *     0                                                                       aligned to the segment size
 *
 * Everything in the range is addressed by offset from its start, so that it may be private memory, a shared-memory
 * object or a mapped file. One pool of segments serves all shards: logs of entries, index pages, blocks of large
 * values, objects, ghosts, filters. A segment that was once an index page stays one for ever, because readers without locks may be walking it.
 *
 * Arithmetic: a segment is limit / 512, a power of two from 4 KiB to 2 MiB; its row in the table is 64 B, its block
 * references 256 B: 0.02 % of a segment of 2 MiB, 8 % of one of 4 KiB (touched only where blocks are used).
 *
 * Threads: the free list is under `pool`; `used` and `limit` are atomic. Rows: see each field.
 * Memory:  the range is the caller's and starts zero-filled; untouched segments are never written, so they take no
 *          resident memory.
 */
#ifndef STRATA_CORE_STORE_RANGE_H
#define STRATA_CORE_STORE_RANGE_H

#include <assert.h>

#include "base/status.h"
#include "core/store/actor.h"
#include "core/store/lock.h"

enum {
    RANGE_SEGMENT_SIZE_MIN = 4096,
    RANGE_SEGMENT_SIZE_MAX = 2 * 1024 * 1024,
    RANGE_SEGMENTS_WANTED = 512,
    RANGE_LIMIT_MIN = 1024 * 1024,
    RANGE_BLOCKS = 64, /* per segment of blocks or objects */
    RANGE_DATABASES = 16,
    RANGE_NOBODY = STORE_SHARDS_MAX, /* no shard */
};

enum segment_kind {
    SEGMENT_FREE,
    SEGMENT_LOG,
    SEGMENT_INDEX,
    SEGMENT_BLOCKS,
    SEGMENT_OBJECTS,
    SEGMENT_GHOSTS,
    SEGMENT_FILTER
};

struct segment {
    _Atomic uint32_t
        live; /* bytes of it that something refers to; LOG, OBJECTS: under the shard's lock, BLOCKS: under `pool` */
    _Atomic uint32_t used; /* LOG: bytes appended; BLOCKS, OBJECTS: count of blocks taken */
    _Atomic uint8_t kind;
    _Atomic uint8_t sealed; /* LOG: nothing more is appended */
    _Atomic uint8_t log;    /* LOG: which of the shard's logs */
    uint8_t fresh;          /* never used before: its bytes are zero */
    _Atomic uint32_t shard; /* LOG, INDEX, GHOSTS, FILTER, OBJECTS: the owner; set last when a log opens a segment */
    _Atomic uint32_t next,
        previous;            /* LOG: towards newer and older; FREE: next; BLOCKS, OBJECTS: list of those with room */
    uint64_t base_ms;        /* LOG: expiries count from here */
    _Atomic uint64_t due_ms; /* LOG: look for expired entries at this time; UINT64_MAX: never */
    _Atomic uint64_t
        weight; /* LOG: live bytes with what its entries own; OBJECTS: a bit for the first block of each run */
    _Atomic uint64_t blocks; /* BLOCKS, OBJECTS: a bit for each block taken; LOG: count of live entries */
    _Atomic uint64_t clock;  /* LOG: the range's clock when it was opened; OBJECTS: its number in the shard's table */
};
static_assert(sizeof(struct segment) == 64, "a row of the table is one cache line");

struct range_head {
    uint64_t magic;
    uint32_t version, shard_count;
    uint64_t range_size, hash_seed;
    uint64_t segments_at, references_at, shards_at, first_segment_at; /* offsets */
    _Atomic uint64_t table_bytes;                                     /* head, tables, shards: charged in full */
    uint32_t segment_size, segment_count;
    uint32_t class_count, ttl_kinds, queues; /* logs a shard may have open: their product, plus one for large values */
    uint32_t ghost_segments;                 /* per shard, once eviction has begun */
    _Atomic uint32_t policy;
    _Atomic uint32_t limit; /* segments that may be in use */
    _Atomic uint32_t
        ceiling; /* what reclaim may use: the limit, or what was in use when it was lowered, falling with it */
    _Atomic uint32_t used;
    _Atomic uint32_t fixed;    /* of these, index pages, ghosts and filters: no reclaim gets them back */
    _Atomic uint32_t promised; /* segments that actors hold a promise for (reclaim.h) */
    _Atomic uint64_t limit_bytes;
    _Atomic uint64_t clock;       /* bytes of segments handed to logs, ever: the age of segments is counted in it */
    _Atomic uint64_t blocks_live; /* bytes of large values, from their blocks */
    _Atomic uint64_t pinned_bytes;
    _Atomic uint32_t db_map[RANGE_DATABASES];
    struct lock pool __attribute__((aligned(64)));
    uint32_t free_first;                             /* list of free segments, 0: none */
    _Atomic uint32_t never_used;                     /* the first segment number that was never handed out */
    struct lock blocks __attribute__((aligned(64))); /* taken before `pool` */
    uint32_t block_first;                            /* list of block segments with room */
};

/* A process's view of a range. */
struct range {
    uint8_t *base;
    struct range_head *head;
    struct segment *segments;     /* rows 1 to segment_count; row 0 is nobody */
    _Atomic uint32_t *references; /* RANGE_BLOCKS a segment: holders of the value whose first block it is */
    uint32_t segment_shift;
    uint64_t segments_origin; /* offset of segment 0 if there were one */
    struct lock_waiting waiting;
    /* Told of a segment that fills slowly and from its start, before it is touched: huge pages would be wasted on it. May be
     * NULL. */
    void (*sparse)(void *bytes, uint64_t size);
};

static inline uint32_t range_segment_size(const struct range *range) { return 1u << range->segment_shift; }
static inline uint64_t range_segment_at(const struct range *range, uint32_t number) {
    return range->segments_origin + ((uint64_t)number << range->segment_shift);
}
static inline uint32_t range_segment_of(const struct range *range, uint64_t at) {
    return (uint32_t)((at - range->segments_origin) >> range->segment_shift);
}
static inline uint64_t range_segment_end(const struct range *range, uint64_t at) {
    return range_segment_at(range, range_segment_of(range, at) + 1);
}

/* Segments that writers leave alone, because reclaim needs somewhere to copy to. A writer that was promised room and finds it
 * taken by others may use the upper half. */
uint32_t range_reserve(const struct range *range);

/* A segment for `kind`, zero-filled only if it was never used; 0 if the limit is reached. `for_reclaim` may use the reserve. */
uint32_t range_take(struct range *range, struct actor *actor, enum segment_kind kind, bool for_reclaim);
void range_give(struct range *range, struct actor *actor, uint32_t number);

/* Segments that writers may still take. */
uint32_t range_room(const struct range *range);

#endif
