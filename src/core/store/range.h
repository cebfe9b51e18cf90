/* core/store/range.h: the one flat range of memory that the engine lives in.
 *
 *     | head | segment table | block references | shards | directories | ... | segment 1 | segment 2 | ... |
 *     0                                                                       aligned to the segment size
 *
 * Everything in the range is addressed by offset from its start, so that it may be private memory, a shared-memory
 * object or a mapped file. One pool of segments serves all shards: logs of entries, blocks of large values, objects,
 * ghosts, filters, tags. Pages of the index are *units*, a sixteenth of a segment (at least 256 B), cut from segments that all shards share.
 * A segment that was once cut into units serves nothing else for ever, because readers without locks may be walking it.
 *
 * Arithmetic: a segment is limit / 512, a power of two from 4 KiB to 2 MiB; its row in the table is 64 B, its block
 * references 64 B: 0.006 % of a segment of 2 MiB, 3 % of one of 4 KiB (half of it touched only where blocks are used). 10 million entries
 * need 147 MB of index: 1,120 units of 128 KiB, whose numbers (4 B each) take 4.5 KB of the first-level cache.
 *
 * Threads: the free list is under `pool`; `used` and `limit` are atomic. Rows: see each field.
 * Memory:  the range is the caller's and starts zero-filled; untouched segments are never written, so they take no
 *          resident memory. Free segments that have been used stay resident until resident.h gives them back.
 */
#ifndef STRATA_CORE_STORE_RANGE_H
#define STRATA_CORE_STORE_RANGE_H

#include <assert.h>
#include <stdbool.h>

#include "base/status.h"
#include "core/store/actor.h"
#include "core/store/lock.h"
#include "core/store/pressure.h"

enum {
    RANGE_SEGMENT_SIZE_MIN = 4096,
    RANGE_SEGMENT_SIZE_TINY = 2048, /* where so few of the others would be that one more or less matters */
    RANGE_LIMIT_TINY = 256 * 1024,
    RANGE_SEGMENT_SIZE_MAX = 2 * 1024 * 1024,
    RANGE_SEGMENTS_WANTED = 512,
    RANGE_LIMIT_MIN = 64 * 1024,
    RANGE_SEGMENTS_MIN = 8,
    RANGE_BLOCKS = 64,     /* per segment of blocks or objects, */
    RANGE_RUN_CLASSES = 6, /* of which 1 to 63 in a row may be free */
    RANGE_REFERENCES = 16, /* per segment: values that may begin in it */
    RANGE_DATABASES = 16,
    RANGE_NOBODY = STORE_SHARDS_MAX, /* no shard */
    RANGE_UNITS = 16,                /* per segment, if a unit is not too small then */
    RANGE_UNIT_SIZE_MIN = 256,
};

enum segment_kind {
    SEGMENT_FREE,
    SEGMENT_LOG,
    SEGMENT_INDEX,
    SEGMENT_BLOCKS,
    SEGMENT_OBJECTS,
    SEGMENT_GHOSTS,
    SEGMENT_FILTER,
    SEGMENT_TAGS,
    SEGMENT_TIER, /* pages of indexes whose cells do not lead into the range */
    SEGMENT_KIND_COUNT
};

/* Kinds that no reclaim gets back. */
static inline bool segment_kind_is_fixed(uint8_t kind) {
    return kind == SEGMENT_INDEX || kind == SEGMENT_GHOSTS || kind == SEGMENT_FILTER || kind == SEGMENT_TAGS ||
           kind == SEGMENT_TIER;
}

/* Kinds whose segments are cut into units. */
static inline bool segment_kind_has_units(uint8_t kind) {
    return kind == SEGMENT_INDEX || kind == SEGMENT_GHOSTS || kind == SEGMENT_TAGS || kind == SEGMENT_TIER;
}

/* What stands behind a segment. */
enum segment_backing {
    SEGMENT_FRESH = 1, /* never used, or released since: its bytes were zero when it was taken, and are if it is free */
    SEGMENT_DENSE = 2, /* huge pages were asked for */
    SEGMENT_UNITS = 4, /* was once cut into units: it is only ever taken for that again */
};

struct segment {
    _Atomic uint32_t
        live; /* bytes of it that something refers to; LOG, OBJECTS: under the shard's lock, BLOCKS: under `pool` */
    _Atomic uint32_t used; /* LOG: bytes appended; BLOCKS, OBJECTS: count of blocks taken */
    _Atomic uint8_t kind;
    _Atomic uint8_t sealed; /* LOG: nothing more is appended */
    _Atomic uint8_t log;    /* LOG: which of the shard's logs */
    _Atomic uint8_t backing;
    _Atomic uint32_t shard; /* LOG, GHOSTS, FILTER, OBJECTS: the owner; set last when a log opens a segment */
    _Atomic uint32_t next,
        previous;     /* LOG: towards newer and older; FREE: next; BLOCKS, OBJECTS, INDEX: list of those with room */
    uint64_t base_ms; /* LOG: expiries count from here */
    _Atomic uint64_t due_ms; /* LOG: look for expired entries at this time; UINT64_MAX: never */
    _Atomic uint64_t
        weight; /* LOG: live bytes with what its entries own; OBJECTS: a bit for the first block of each run;
                                INDEX: a bit for each unit that may hold old bytes */
    _Atomic uint64_t
        blocks; /* BLOCKS, OBJECTS, INDEX: a bit for each block or unit taken; LOG: count of live entries, and SEGMENT_TAGGED for each that bears tags */
    _Atomic uint64_t
        clock; /* LOG: the engine's clock (store.h) when it was opened; OBJECTS: its number in the shard's table */
};
static_assert(sizeof(struct segment) == 64, "a row of the table is one cache line");

/* LOG: live entries, and whether some of them bear tags. */
#define SEGMENT_TAGGED (1ull << 32)
static inline uint64_t segment_entries(const struct segment *segment) {
    return (uint32_t)atomic_load_explicit(&segment->blocks, memory_order_relaxed);
}
static inline bool segment_bears_tags(const struct segment *segment) {
    return atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG &&
           atomic_load_explicit(&segment->blocks, memory_order_relaxed) >= SEGMENT_TAGGED;
}

/* While there are bans (ban.h), all places are marked: who wants to know only whether a database is where it was takes the longer way then,
 * on which bans are asked, and pays for that with nothing at other times. */
enum { RANGE_DB_PLACE = 15, RANGE_DB_BANNED = 1 << 4 };

/* What it takes to open the range again when it was closed in order (image.h). */
struct range_image {
    _Atomic uint64_t mark;    /* it was, and nobody has opened it since; 0: it was not */
    uint64_t sum;             /* of the tables then */
    uint64_t layout, program; /* who can read it */
    uint64_t described;       /* hash of what the options said of named stores */
    uint64_t limit_bytes;     /* how it was opened at first: sizes were chosen by that */
    uint32_t cores, shards, spare_stores;
    uint32_t store_count, shard_count; /* that there were then */
};

struct range_head {
    uint64_t magic;
    uint32_t version, shard_count, store_count;
    uint32_t shard_room, store_room; /* that tables have place for */
    uint64_t range_size, hash_seed;
    uint64_t segments_at, references_at, charges_at, stores_at, shards_at, tags_at, first_segment_at; /* offsets */
    _Atomic uint64_t table_bytes; /* head, tables, shards: charged in full */
    uint32_t segment_size, segment_count, unit_size;
    uint32_t class_count,
        large_class_count;     /* size classes of a queue: of what stands in logs, of what owns memory elsewhere */
    uint32_t laps, large_laps; /* times the mean of a segment's entries is lap_bytes of policy_laps */
    uint32_t tiered;           /* shards have directories for cells of a tier */
    uint32_t one_queue;     /* so few segments that a second one open would cost too much: all goes to the main queue */
    uint32_t open_max;      /* segments that a shard may have open, if it can help it */
    _Atomic uint32_t limit; /* segments that may be in use */
    _Atomic uint32_t
        ceiling; /* what reclaim may use: the limit, or what was in use when it was lowered, falling with it */
    _Atomic uint32_t used;
    _Atomic uint32_t fixed;    /* of these, index pages, ghosts, filters and tags: no reclaim gets them back */
    _Atomic uint32_t promised; /* segments that actors hold a promise for (reclaim.h) */
    _Atomic uint64_t limit_bytes;
    _Atomic uint32_t compact_at;     /* where the search for dead bytes goes on (choice.h) */
    _Atomic uint64_t idle_since_ms;  /* more is free and resident than should be since then; 0: it is not */
    _Atomic uint32_t dense_at;       /* where the search for full segments goes on; 0: it is over */
    _Atomic uint32_t full;           /* some may have become full since it began */
    _Atomic uint32_t block_segments; /* segments of blocks */
    _Atomic uint64_t blocks_live;    /* bytes of large values, from their blocks */
    _Atomic uint64_t pinned_bytes;
    _Atomic uint64_t stamps;                  /* versions handed out (entry.h) */
    _Atomic uint32_t sweep;                   /* a tag was invalidated: look for what is dead */
    _Atomic uint32_t reservations;            /* times that those of all stores were forgotten (claim.h) */
    _Atomic uint32_t due_at;                  /* where the search for segments that are due goes on */
    _Atomic uint32_t db_map[RANGE_DATABASES]; /* where a database is: its place, and RANGE_DB_BANNED */
    struct lock pool __attribute__((aligned(64)));
    /* Lists of free segments, 0: none. First index: for anything, or only to be cut into units again. Second: resident, or fresh. */
    uint32_t free_first[2][2];
    _Atomic uint32_t free_resident; /* segments in the lists of resident ones */
    uint32_t releasing;             /* free segments that are in no list while their memory is given back */
    /* Lists of segments with free units: for the index, for ghosts, for tags, for cells of the tier. And how many units are taken. */
    uint32_t unit_first, ghost_unit_first, tag_unit_first, tier_unit_first;
    _Atomic uint32_t units, ghost_units, tag_units, tier_units;
    _Atomic uint32_t never_used;                     /* the first segment number that was never handed out */
    struct lock blocks __attribute__((aligned(64))); /* taken before `pool` */
    uint32_t block_first
        [RANGE_RUN_CLASSES]; /* lists of block segments with room: [k] with 2^k free blocks in a row, but not 2^(k+1) */
    _Atomic uint32_t vacating; /* the one that is being emptied, 0: none */
    uint32_t vacate_block;     /* up to where */
    struct range_image image;
};

#define RANGE_SIZE_MAX (1ull << 41) /* what a cell can point into */

/* How the memory behind the range is had, handed in by whoever knows the system. Anything may be zero. */
struct range_backing {
    uint64_t huge_size;                                     /* of a huge page, a power of two */
    void (*dense)(void *bytes, uint64_t size, bool filled); /* what stands there, or will, stays: huge pages pay */
    void (*release)(void *bytes, uint64_t size); /* nobody needs what stands there; it must read as zero afterwards */
};

/* A process's view of a range. */
struct range {
    uint8_t *base;
    struct range_head *head;
    struct segment *segments;     /* rows 1 to segment_count; row 0 is nobody */
    _Atomic uint32_t *references; /* RANGE_REFERENCES a segment: holders of the value that begins there (extent.c) */
    _Atomic uint64_t
        *charges; /* by shard: bytes of its segments, and of the large values of its entries; behind them, of tags */
    uint32_t segment_shift, unit_shift;
    uint32_t segment_mask, unit_mask; /* sizes less one */
    uint64_t segments_origin;         /* offset of segment 0 if there were one */
    struct lock_waiting waiting;
    struct range_backing backing;
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

/* Whether so many bytes from there on, at least one, lie in one segment. */
static inline bool range_is_one_segment(const struct range *range, uint64_t at, uint64_t size) {
    return ((at - range->segments_origin) & range->segment_mask) + (size - 1) <= range->segment_mask;
}

/* Bytes from a place in a segment to its end. */
static inline uint64_t range_room_from(const struct range *range, uint64_t at) {
    return range->segment_mask + 1 - ((at - range->segments_origin) & range->segment_mask);
}

/* A unit lies in segment unit >> (segment_shift - unit_shift). */
static inline uint64_t range_unit_at(const struct range *range, uint32_t unit) {
    return range->segments_origin + ((uint64_t)unit << range->unit_shift);
}
static inline uint32_t range_units_a_segment(const struct range *range) {
    return 1u << (range->segment_shift - range->unit_shift);
}

/* Whether the segment's bytes were zero when it was taken. */
static inline bool range_is_fresh(const struct range *range, uint32_t number) {
    return atomic_load_explicit(&range->segments[number].backing, memory_order_relaxed) & SEGMENT_FRESH;
}

/* Segments that make up a huge page, at least 1. */
static inline uint32_t range_group(const struct range *range) {
    uint64_t group = range->backing.huge_size >> range->segment_shift;
    return group < 1 ? 1 : (uint32_t)group;
}

/* Something has become full: huge pages may pay for it now. */
static inline void range_note_full(struct range *range) {
    atomic_store_explicit(&range->head->full, 1, memory_order_relaxed);
}

/* Asks for a huge page before the first byte, if the segment is one and its like are so many that half of it is little. */
void range_expect_full(struct range *range, uint32_t number, uint32_t alike);

/* Segments that writers leave alone, because reclaim needs somewhere to copy to (pressure.h). A writer that was promised room and
 * finds it taken by others may use the upper half. */
uint32_t range_reserve(const struct range *range);
enum pressure range_pressure(const struct range *range);
/* Whether a segment or more is kept free ahead of need. */
static inline bool range_keeps_ahead(const struct range *range) {
    return pressure_ahead(atomic_load_explicit(&range->head->limit, memory_order_relaxed)) != 0;
}
/* More is in use than the limit allows, which has been lowered. */
bool range_is_over(const struct range *range);

/* A segment for `kind` (not INDEX), zero-filled only if it is fresh; 0 if the limit is reached. `for_reclaim` may use the reserve. */
uint32_t range_take(struct range *range, struct actor *actor, enum segment_kind kind, bool for_reclaim);
void range_give(struct range *range, struct actor *actor, uint32_t number);

/* Makes a taken segment a shard's, which is charged for it until it is given back. */
void range_own(struct range *range, uint32_t number, uint32_t shard);

/* A zero-filled unit, for which the shard is charged; 0 if the limit is reached. May use the reserve. Units of different
 * kinds never lie in one segment, because what lies beside cells is taken for cells by readers that come too late. */
uint32_t range_take_unit(struct range *range, struct actor *actor, enum segment_kind kind, uint32_t shard);
void range_give_unit(struct range *range, struct actor *actor, uint32_t shard, uint32_t unit);

/* Takes a resident segment off the lists of free ones, to have its memory released, and puts it back as a fresh one. 0: none. */
uint32_t range_release_begin(struct range *range, struct actor *actor);
void range_release_end(struct range *range, struct actor *actor, uint32_t number);

/* Segments that writers may still take. */
uint32_t range_room(const struct range *range);

/* Doubly linked lists of segments through their rows; `first` is 0 when empty. */
void range_list_push(struct range *range, uint32_t *first, uint32_t number);
void range_list_remove(struct range *range, uint32_t *first, uint32_t number);

void range_verify(const struct range *range);

#endif
