/* core/store/tier.h: entries that are kept outside of memory, of which the engine knows one cell each.
 *
 *     shard ── index ──> entry in memory
 *       └── second index ──> address of a record: its key, value and meta (tier_meta.h) are with whoever keeps them
 *
 *     cell    | fingerprint 16 | tagged 1 | address 39 | place 4 | expires 1 | hits 3 |
 *
 * A key is in memory or in the tier, never in both for longer than a shard's lock is held: who moves it enters it in the new place before it leaves the old one, and
 * with the same value. No key stands behind a cell, so one that matches a hash only may be the key's. Giving up any cell is allowed at any time; whoever
 * writes a new key gives up all that may be its.
 *
 * What went down keeps the tags that it bears, as bearer and member (tag.h), so invalidations by tag hold by its stamp; a side (tier_side.h) gives them back with the
 * cell. A ban is younger or older than the record's `seq`; those that the sweep of memory has forgotten are remembered here (bans_past).
 *
 * Readers take no lock: the second index is read like the first one. Hits are counted by compare and exchange, since the byte that they stand in has other bits.
 *
 * Threads: with a shard under its lock; the rest says so.
 * Memory:  cells in units of the range (SEGMENT_TIER), charged to the shard; sides and the rest of the engine's memory. Each bounded to a part of the
 *          limit: beyond it a new cell takes the place of another one of its chain, and what bears tags is not taken.
 */
#ifndef STRATA_CORE_STORE_TIER_H
#define STRATA_CORE_STORE_TIER_H

#include "core/store/store.h"
#include "core/store/tier_meta.h"
#include "core/store/tier_side.h"

enum {
    TIER_ADDRESS_BITS = 39,
    TIER_HITS_MAX = 7,
    TIER_PIECES_MAX = 128,
    TIER_CELLS_PERCENT = 25,
};

/* Why a record is not taken; the first ones are said by whoever keeps them. */
enum tier_refusal {
    TIER_TAKEN,
    TIER_OVER_BUDGET,
    TIER_BUSY,
    TIER_TOO_LARGE,
    TIER_NO_MEMORY, /* for its cell or its tags */
    TIER_UNFIT, /* an entry that may not go there: a collection of objects, one that is not alive, one of a store with a capacity in entries */
    TIER_REFUSALS
};

struct tier_record {
    uint64_t hash, word;
    struct slice meta, key;
    const struct slice *pieces;
    uint32_t piece_count;
    uint64_t value_size;
};

/* Who keeps the records; see struct cache_tier (core/cache/tier.h). */
struct tier_calls {
    enum tier_refusal (*add)(void *context, struct actor *actor, const struct tier_record *record,
                             uint64_t *ret_address);
    uint64_t (*generation)(void *context, uint64_t address);
    void *context;
    uint64_t value_size_max;
    uint32_t cells_percent; /* of the limit; 0: TIER_CELLS_PERCENT */
};

/* How cells end. */
enum tier_end {
    TIER_OVERWRITTEN,
    TIER_PROMOTED,
    TIER_EVICTED,   /* by whoever keeps the records */
    TIER_DISPLACED, /* by another one, for memory */
    TIER_CLEARED,
    TIER_DAMAGED,
    TIER_DIED, /* expired, or dead by a tag or a ban, and come across */
    TIER_ENDS
};

enum tier_count {
    TIER_DOWN, /* records that went down, and their bytes */
    TIER_DOWN_BYTES,
    TIER_DOWN_IDLE,
    TIER_UP_BYTES,
    TIER_SHOWN,
    TIER_WANTED,
    TIER_NOT_IT,
    TIER_AGAIN,
    TIER_MISSED,
    TIER_MOVED,
    TIER_KEPT,
    TIER_TAKEN_OVER, /* cells that were listed by an earlier process and lead to their records; those that do not; */
    TIER_LOST,
    TIER_COUNTS
};

struct bans_past;

struct tier_shard {
    struct index index;
    _Atomic uint64_t entries[RANGE_DATABASES], expiring[RANGE_DATABASES];
    struct tier_sides sides;
    _Atomic uint64_t tagged, side_bytes; /* what the sides say, for figures */
    _Atomic uint32_t idle_segment;       /* of a walk for what nobody uses (tier_idle.c); 0: none */
    uint32_t idle_offset;
};

struct tier {
    struct tier_calls calls;
    uint32_t shard_room;
    struct bans_past *past;
    _Atomic uint32_t idle_at; /* where that walk goes on */
    /* A cache is being made of what a journal says: whatever memory has no room for goes down, and is as old as the last ban that was read, as
     * stamps are ahead of the records then. */
    bool loading;
    _Atomic uint64_t loaded_bans;
    _Atomic uint64_t ended[TIER_ENDS], refused[TIER_REFUSALS], counts[TIER_COUNTS];
    struct tier_shard shards[];
};

static inline void tier_count(struct tier *tier, enum tier_count count, uint64_t by) {
    atomic_fetch_add_explicit(&tier->counts[count], by, memory_order_relaxed);
}

/* While nobody else is in the engine. STATUS_INVALID: it has not been opened for a tier; STATUS_NO_MEMORY. */
MUST_CHECK enum status tier_open(struct engine *engine, const struct tier_calls *calls);
/* Gives up all of it. */
void tier_close(struct engine *engine, struct actor *actor);
/* With the engine. */
void tier_free(struct engine *engine);

static inline struct tier_shard *tier_of(const struct engine *engine, const struct shard *shard) {
    return &engine->tier->shards[shard->index.shard];
}
static inline uint64_t tier_cell_bytes(const struct engine *engine, uint32_t shard) {
    return engine->tier ? index_bytes(&engine->range, &engine->tier->shards[shard].index) : 0;
}
/* Bytes that cells of all shards may take; and of the tier's own memory beside sides. */
uint64_t tier_cell_bytes_max(const struct engine *engine);
uint64_t tier_own_bytes(const struct tier *tier);
/* Cells of a place in the engine, in all shards, and those of them that expire. */
uint64_t tier_entries(const struct engine *engine, uint32_t place);
uint64_t tier_expiring(const struct engine *engine, uint32_t place);

/* ------------------------------------------------------------------------------------------ cells */

static inline uint64_t tier_cell_address(uint64_t cell) { return cell >> 8 & ((1ull << TIER_ADDRESS_BITS) - 1); }
static inline bool tier_cell_tagged(uint64_t cell) { return cell >> 47 & 1; }
static inline uint32_t tier_cell_place(uint64_t cell) { return cell >> 4 & 15; }
static inline bool tier_cell_expires(uint64_t cell) { return cell >> 3 & 1; }
static inline uint32_t tier_cell_hits(uint64_t cell) { return cell & TIER_HITS_MAX; }

/* Counts a read, at most TIER_HITS_MAX; answers how many there are then. Without the lock: if the cell has become another one, nothing is counted. */
static inline uint32_t tier_cell_hit(_Atomic uint64_t *at, uint64_t cell) {
    if (tier_cell_hits(cell) == TIER_HITS_MAX)
        return TIER_HITS_MAX;
    atomic_compare_exchange_strong_explicit(at, &(uint64_t){cell}, cell + 1, memory_order_relaxed,
                                            memory_order_relaxed);
    return tier_cell_hits(cell) + 1;
}

struct tier_place {
    uint64_t address, generation;
};

/* Without a lock: where what may be the key's stands, at most `most` places; answers how many. With `most` 0: whether there is any, or it cannot be told now. */
uint32_t tier_ask(const struct engine *engine, const struct shard *shard, uint64_t hash, uint32_t place,
                  struct tier_place *ret_places, uint32_t most);

/* Without a lock: the cell that leads to an address. Nothing of it counts unless tier_view_holds afterwards. */
struct tier_view {
    struct index_place place;
    uint32_t number;
    _Atomic uint64_t *at; /* NULL: none does */
    uint64_t cell;
};
void tier_view_open(const struct engine *engine, const struct shard *shard, uint64_t hash, uint64_t address,
                    struct tier_view *ret_view);
static inline bool tier_view_holds(const struct engine *engine, const struct shard *shard,
                                   const struct tier_view *view) {
    return view->place.bucket && index_read_holds(&tier_of(engine, shard)->index, &view->place, view->number);
}

/* ------------------------------------------------------------------------------------------ under the lock */

/* Hands an entry over. On TIER_TAKEN it is no longer in memory: the spot is empty. */
enum tier_refusal tier_put_down(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash,
                                struct store_spot *spot);

/* Gives up all cells that may be the key's; answers how many. */
uint32_t tier_overwritten(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash,
                          uint32_t place);
/* Gives up the one that leads to an address; false: there is none. */
bool tier_forget(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t address,
                 enum tier_end end);
/* Another address, and the bits of the hash anew. */
bool tier_move(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t from,
               uint64_t to);
/* Whether the cell was read; it counts from 0 again. */
bool tier_was_read(struct engine *engine, struct shard *shard, uint64_t hash, uint64_t address);
/* Its tags, as they stand in its side; NULL: it has none. */
const struct tier_side *tier_side_of(const struct engine *engine, const struct shard *shard, uint64_t address);

/* Empties a shard's part, or of that what is of one place. */
void tier_clear(struct engine *engine, struct actor *actor, struct shard *shard);
void tier_clear_place(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t place);
/* So many buckets from a cursor of index_scan_next on: cells whose address `gone` says so of go. Answers the next cursor, 0 at the end. */
uint64_t tier_sweep(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t cursor, uint32_t buckets,
                    bool (*gone)(void *context, uint64_t address), void *context);

/* ------------------------------------------------------------------------------------------ for another process */

/* What is said of a cell, so that another process can have it. */
struct tier_cell {
    uint64_t bits; /* of the key's hash, as many of the lowest as are known */
    uint32_t bit_count;
    uint32_t place, hits;
    bool expires;
    uint64_t address, generation;
    const struct tier_side *side; /* NULL: no tags */
};
/* Visits the cells of a bucket, under the lock. */
void tier_list(const struct engine *engine, const struct shard *shard, uint64_t bucket,
               void (*visit)(void *context, const struct tier_cell *cell), void *context);
/* Makes the index as large as it was, while it is empty. */
void tier_widen(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t buckets);
/* Enters a cell, under the lock: that of `facts`, of which place, expiry and tags count. True: it bears the tags that the caller holds. False: there is no memory, or too few bits
 * of the hash are known. No cell leads there yet. */
bool tier_enter(struct engine *engine, struct actor *actor, struct shard *shard, const struct tier_cell *cell,
                const struct tier_meta *facts);
/* Whether an entry in memory has these bits of its hash, so that it may be the key's, or a cell leads there already. */
bool tier_is_twice(const struct engine *engine, const struct shard *shard, const struct tier_cell *cell);

/* The shape of a shard's second index; one bucket, if nothing has gone down there yet. */
uint64_t tier_shape(const struct engine *engine, const struct shard *shard);
/* Visits the cells of a bucket that are of a place, and whose hash may end with these bits, as far as its cell knows; answers how many. */
uint32_t tier_visit(const struct engine *engine, const struct shard *shard, uint64_t bucket, uint32_t place,
                    uint64_t bits, uint32_t bit_count, void (*visit)(void *context, const struct tier_place *place),
                    void *context);
/* How many records that live bear a tag, and no other by which they are dead or stale. Takes the locks of the shards one by one; exact but for what goes on meanwhile, and for bans. */
uint64_t tier_bearers(struct engine *engine, struct actor *actor, uint32_t tag);

/* A segment of a log is given back: no walk rests on it any more. */
void tier_walk_dropped(const struct engine *engine, const struct shard *shard, uint32_t number);

/* Answers how many tags its records bear. */
uint64_t tier_verify(const struct engine *engine, uint32_t shard);

/* ------------------------------------------------------------------------------------------ without any */

/* One slice of giving back memory of cells that are too many for what there is, or than they may be after the limit was lowered. */
bool tier_shrink(struct engine *engine, struct actor *actor, uint32_t merges);

/* One slice of handing over what nobody has used and stands in segments of the main queue older than that; false: nothing more at present. */
bool tier_idle(struct engine *engine, struct actor *actor, uint64_t idle_ms);

#endif
