/* core/store/filter.h: a cuckoo filter over the keys of a shard, which says of most absent keys that they are absent.
 *
 * Each linked key leaves a *mark* of some bits of its hash in one of two buckets (B. Fan et al., CoNEXT 2014); a bucket is one word,
 * so that a reader sees it whole:
 *
 *     bucket   | mark 12 | mark 12 | mark 12 | mark 12 | mark 12 | - 4 |     0: free; other layouts hold 8 x 8 to 4 x 16
 *     places   first = hash, scaled to the number of buckets;  second = (mix(mark) - first) mod buckets, and back the same way
 *
 *     off ──> building ──> on ──> on, and building the next one (too full, too empty, another rate) ──> on
 *                 ^         └── saturated: no place for a mark; lookups learn nothing until the next one is built ──┘
 *
 * Invariant: a table that is in use holds exactly one mark for each key that is linked in the index; one that is being built, for each
 * linked key whose hash the walk over the index has passed (index_scan_passed, whatever splits and merges there are). A new key's mark is
 * written before the key is linked, and cleared after it is unlinked.
 *
 * Readers: `clears` moves before any mark is cleared, be it deleted, moved (copied first) or dropped with its table. A linked key's
 * mark thus stands in one of both places at any moment, and whoever looked at both and finds `clears` unmoved would have met it.
 *
 * Arithmetic: a mark takes 64 / slots bits; tables are built 2/3 full and left at 92 %: 12.8 / 0.79 = 16.2 bits, 2 bytes a key at 1 %.
 * An absent key passes with probability 2 x slots x load / (2^bits - 1).
 *
 * Threads: filter_excludes by anyone; filter_work by anyone who holds no lock; everything else under the shard's lock.
 * Memory:  whole segments, taken one a slice and given back when the filter goes; found through a directory in the range.
 * Time:    a slice of filter_work holds the lock for at most about 300 microseconds.
 */
#ifndef STRATA_CORE_STORE_FILTER_H
#define STRATA_CORE_STORE_FILTER_H

#include "base/slice.h"
#include "core/store/range.h"

struct engine;
struct shard;

enum { FILTER_TABLES = 2, FILTER_NONE = FILTER_TABLES, FILTER_LAYOUTS = 5 };

/* Rates: of a million absent keys, so many may pass. */
enum { FILTER_RATE_PPM_MIN = 200, FILTER_RATE_PPM_MAX = 500000, FILTER_RATE_PPM_DEFAULT = 10000 };

struct filter_layout {
    uint32_t bits, slots;
    uint64_t ones; /* the lowest bit of each slot */
};
extern const struct filter_layout filter_layouts[FILTER_LAYOUTS]; /* fewest bytes first */

struct filter_table {
    uint32_t segments, wanted; /* taken; equal once it is complete */
    uint32_t buckets, layout;
    uint64_t entries; /* marks */
};

/* What readers need to know of the table in use, as one word beside the index: without FILTER_MAINTAINED there is nothing to ask or to
 * maintain. */
enum {
    FILTER_MAINTAINED = 1,
    FILTER_ANSWERS = 2,
    FILTER_TABLE_SHIFT = 2,
    FILTER_LAYOUT_SHIFT = 3,
    FILTER_BITS_USED = 6, /* those up to FILTER_BUCKETS_SHIFT belong to others */
    FILTER_BUCKETS_SHIFT = 32
};

struct filter {
    _Atomic uint32_t clears;          /* read by readers */
    _Atomic uint32_t work;            /* filter_work has something to do */
    uint64_t pages_at[FILTER_TABLES]; /* directories: arrays of segment numbers; never change */
    uint32_t enabled, rate_ppm;       /* what is wanted, */
    uint32_t layout;                  /* and the layout for it */
    uint32_t live, next;              /* tables, FILTER_NONE: there is none */
    uint32_t saturated;               /* the last table ran full; none is in use */
    uint32_t stuck;                   /* and a larger one would not help: more equal hashes than two buckets hold */
    uint32_t starved;                 /* the last slice found no segment */
    uint32_t failures;                /* tables that ran full while they were built */
    uint32_t generation;              /* of `next`: who brings it a segment finds it unchanged */
    uint64_t cursor;                  /* the bucket of the index to be walked next; 0: the walk has not begun */
    struct filter_table tables[FILTER_TABLES];
};

/* The layout with the fewest bytes that holds the rate even when full. STATUS_INVALID outside of the two limits. */
MUST_CHECK enum status filter_layout_for(uint32_t rate_ppm, uint32_t *ret_layout);

void filter_init(struct filter *filter, uint64_t first_directory_at, uint64_t second_directory_at);

/* Wants a filter for a rate, of the layout for it; if there is one of another layout, it answers until the new one is built. */
void filter_enable(struct shard *shard, uint32_t rate_ppm, uint32_t layout);
void filter_disable(struct engine *engine, struct actor *actor, struct shard *shard);

/* Forgets all keys, after the index did. */
void filter_reset(struct engine *engine, struct actor *actor, struct shard *shard);

/* The hash that a key's mark is made of: the key's own, but where keys of a session share theirs, one of the whole name. */
uint64_t filter_hash(const struct engine *engine, const struct shard *shard, uint32_t db, struct slice name,
                     uint64_t hash);

/* A key is about to be linked, or has been unlinked: by its hash in the index, and the one for its mark. */
void filter_link(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t mark_hash);
void filter_unlink(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t mark_hash);
/* The same by its entry, whose bytes still stand there. */
void filter_unlink_at(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t location);

/* One slice of building. True if there is more to do now; false also when memory is short: it is tried again with the next call. */
bool filter_work(struct engine *engine, struct actor *actor);

enum filter_state { FILTER_OFF, FILTER_BUILDING, FILTER_ON, FILTER_SATURATED };

struct filter_facts {
    enum filter_state state;
    bool building; /* a next table is under way */
    bool starved, stuck;
    double progress;                /* of the table under way, 0 to 1 */
    uint32_t wanted_rate_ppm;       /* 0: off */
    double expected_rate;           /* of absent keys that pass: of the table in use, 1 if there is none */
    uint64_t entries, slots, bytes; /* of the table in use; bytes of both */
    uint32_t bits, slots_a_bucket;  /* of the table in use, or wanted */
};
struct filter_facts filter_facts_of(const struct engine *engine, const struct shard *shard);

void filter_verify(const struct engine *engine, const struct shard *shard);

/* ------------------------------------------------------------------------------------------ reading */

struct filter_place {
    uint64_t mark;
    uint32_t first, second;
};

static inline uint32_t filter_other(uint32_t buckets, uint32_t bucket, uint64_t mark) {
    uint32_t sum = (uint32_t)(((uint64_t)((uint32_t)mark * 0x9e3779b1u) * buckets) >> 32);
    return sum >= bucket ? sum - bucket : sum + (buckets - bucket);
}

/* Bits 0 to 31 of the hash choose the bucket, 32 to 47 the mark: those above choose the shard. */
static inline struct filter_place filter_place_of(const struct filter_layout *layout, uint32_t buckets, uint64_t hash) {
    uint64_t mark = (((hash >> 32 & 0xffff) * ((1ull << layout->bits) - 1)) >> 16) + 1;
    uint32_t first = (uint32_t)(((hash & 0xffffffffu) * buckets) >> 32);
    return (struct filter_place){mark, first, filter_other(buckets, first, mark)};
}

static inline uint64_t *filter_bucket(const struct range *range, const struct filter *filter, uint32_t table,
                                      uint32_t bucket) {
    uint32_t shift = range->segment_shift - 3;
    const uint32_t *pages = (const uint32_t *)(const void *)(range->base + filter->pages_at[table]);
    uint32_t page = __atomic_load_n(&pages[bucket >> shift], __ATOMIC_RELAXED);
    return (uint64_t *)(void *)(range->base + range_segment_at(range, page)) + (bucket & ((1u << shift) - 1));
}

/* The highest bit of slots that hold the mark (0: of free ones); the lowest bit that is set is right, those above need not be. */
static inline uint64_t filter_match(const struct filter_layout *layout, uint64_t word, uint64_t mark) {
    uint64_t difference = word ^ layout->ones * mark;
    return (difference - layout->ones) & ~difference & layout->ones << (layout->bits - 1);
}

enum filter_answer { FILTER_UNKNOWN, FILTER_PASSES, FILTER_EXCLUDES };

/* A reader's visit, in the order of these calls: begin (false: nothing is known), a look at either place, and whether it holds. */
struct filter_visit {
    const struct filter_layout *layout;
    struct filter_place place;
    uint32_t table, clears;
};

static inline bool filter_visit_begin(const struct filter *filter, const _Atomic uint64_t *view_at, uint64_t hash,
                                      struct filter_visit *visit) {
    visit->clears = atomic_load_explicit(&filter->clears, memory_order_acquire);
    /* After `clears`: a table that is dropped leaves the view before it moves them. */
    uint64_t view = atomic_load_explicit(view_at, memory_order_acquire);
    if (!(view & FILTER_ANSWERS))
        return false;
    visit->table = view >> FILTER_TABLE_SHIFT & 1;
    visit->layout = &filter_layouts[view >> FILTER_LAYOUT_SHIFT & 7];
    visit->place = filter_place_of(visit->layout, (uint32_t)(view >> FILTER_BUCKETS_SHIFT), hash);
    return true;
}

static inline bool filter_visit_meets(const struct range *range, const struct filter *filter,
                                      const struct filter_visit *visit, uint32_t bucket) {
    uint64_t word = words_load64(filter_bucket(range, filter, visit->table, bucket));
    return filter_match(visit->layout, word, visit->place.mark) != 0;
}

static inline bool filter_visit_holds(const struct filter *filter, const struct filter_visit *visit) {
    return words_check32(&filter->clears) == visit->clears;
}

/* What the filter says of a hash: certainly absent at some moment of this call, perhaps there, or nothing. */
static inline enum filter_answer filter_ask(const struct range *range, const struct filter *filter,
                                            const _Atomic uint64_t *view_at, uint64_t hash) {
    struct filter_visit visit;
    if (!filter_visit_begin(filter, view_at, hash, &visit))
        return FILTER_UNKNOWN;
    if (filter_visit_meets(range, filter, &visit, visit.place.first) ||
        filter_visit_meets(range, filter, &visit, visit.place.second))
        return FILTER_PASSES;
    return filter_visit_holds(filter, &visit) ? FILTER_EXCLUDES : FILTER_UNKNOWN;
}

#endif
