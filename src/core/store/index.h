/* core/store/index.h: from the hash of a key to the place of its entry.
 *
 * A linear-hashed table (W. Litwin 1980): it grows by one bucket at a time, so no write ever waits for a rehash.
 *
 *     bucket  [number 4 B | chain 4 B][cell][cell][cell][cell][cell][cell][cell]      64 bytes, one cache line
 *     cell    | fingerprint 16 | tier 1 | location 39 | use 8 |                       location: offset / 4, so up to 2 TiB; fingerprint 0: empty
 *
 *     shape   | epoch 16 | split point s 40 | level L 8 |    buckets 0..s-1 and 2^L..2^L+s-1 use L+1 bits of the hash, the others L
 *
 * A bucket that overflows chains further buckets. The fingerprint holds the bits of the hash just above those that chose
 * the bucket, below a marker bit (15 bits when fresh): a split takes its lowest bit to decide who moves, without reading any entry; when
 * fewer than 8 are left they are read anew from the key. A lookup compares 8 to 15 bits: one needless entry read in 37 to 4,700.
 *
 * Readers take no lock. The number of the first bucket of a chain is odd while a writer is inside and differs afterwards:
 *
 *     reader  shape; number (even?); cells; entry bytes; number unchanged? shape unchanged?  else again
 *     writer  holds the shard's lock; number odd; changes, each one 64-bit store; number even
 *
 * A miss is validated like a hit. The epoch moves whenever the index gives units back, so a reader that holds an old bucket sees
 * another shape, whatever has become of the unit.
 *
 * Arithmetic: 64 B / (7 cells x load), and about a fifth more for chains: see LOAD in index.c.
 *
 * Threads: lookups by anyone; everything else under the shard's lock.
 * Memory:  pages are units of the range, which hold buckets of some shard for ever. It shrinks as it grew, bucket by bucket.
 */
#ifndef STRATA_CORE_STORE_INDEX_H
#define STRATA_CORE_STORE_INDEX_H

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/store/range.h"

enum { INDEX_CELLS = 7 };
enum {
    INDEX_BLIND_BITS = 2,
    INDEX_BLIND_MIN = 1 << INDEX_BLIND_BITS
}; /* the least fingerprint where no key can be read: a marker and two bits of the hash */

struct index_bucket {
    _Atomic uint32_t number;
    _Atomic uint32_t chain; /* overflow bucket + 1, 0: end */
    _Atomic uint64_t cells[INDEX_CELLS];
};
static_assert(sizeof(struct index_bucket) == 64, "a bucket is one cache line");

/* The shared part, in the range. */
struct index {
    _Atomic uint64_t shape;
    _Atomic uint64_t entries;    /* cells in use */
    _Atomic uint32_t page_count; /* changes under the lock; figures read it without */
    _Atomic uint32_t overflow_page_count;
    uint32_t overflow_used;               /* overflow buckets ever handed out */
    uint32_t overflow_free;               /* list of free ones, 0: none, else bucket + 1 */
    _Atomic uint32_t overflow_live;       /* overflow buckets in chains */
    uint16_t shard;                       /* or whoever is charged */
    uint16_t blind;                       /* its cells do not lead into the range: its pages are apart (SEGMENT_TIER) */
    uint64_t pages_at, overflow_pages_at; /* directories: arrays of units */
};

enum { SHAPE_EPOCH_AT = 48 };
static inline uint32_t shape_level(uint64_t shape) { return shape & 0xff; }
static inline uint64_t shape_split(uint64_t shape) { return shape << 16 >> 24; }

enum { CELL_USE_MAX = 7 };

static inline uint64_t cell_location(uint64_t cell) { return cell >> 6 & ((1ull << 41) - 4); }
static inline uint32_t cell_use(uint64_t cell) { return cell & CELL_USE_MAX; }
static inline uint64_t cell_make(uint64_t fingerprint, uint32_t use, uint64_t location) {
    return fingerprint << 48 | location << 6 | use;
}

/* A cell, or 0 if it is empty. Its use may be anything then: see below. */
static inline uint64_t cell_load(const _Atomic uint64_t *cell_at) {
    uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed);
    return cell >> 48 ? cell : 0;
}

/* The count of uses is a byte of its own, so that readers store it without looking what else has become of the cell: a locked
 * instruction would cost each read some 20 cycles. A store that comes too late gives the count to whatever stands there by then,
 * or to an empty cell. */
static inline void cell_set_use(_Atomic uint64_t *cell_at, uint32_t use) {
    uint8_t *byte = (uint8_t *)cell_at + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof *cell_at - 1);
    __atomic_store_n(byte, (uint8_t)use, __ATOMIC_RELAXED);
}

/* Counts a use, at most CELL_USE_MAX. */
static inline void cell_count_use(_Atomic uint64_t *cell_at, uint64_t cell) {
    uint32_t use = (uint8_t)cell;
    if (use < CELL_USE_MAX)
        cell_set_use(cell_at, use + 1);
}

/* Takes the first page. Directories are zero-filled arrays in the range, with a number for every unit that it may have. */
MUST_CHECK enum status index_init(struct range *range, struct actor *actor, struct index *index, uint32_t shard,
                                  uint64_t pages_at, uint64_t overflow_pages_at);

/* Where a hash lives at present. */
struct index_place {
    struct index_bucket *bucket; /* first of the chain */
    uint64_t shape;
    uint64_t wanted; /* fingerprint that a fresh cell would have */
};

static inline struct index_bucket *index_page_bucket(const struct range *range, uint64_t directory_at,
                                                     uint64_t bucket) {
    uint32_t shift = range->unit_shift - 6;
    const uint32_t *pages = (const uint32_t *)(const void *)(range->base + directory_at);
    uint32_t unit = __atomic_load_n(&pages[bucket >> shift], __ATOMIC_RELAXED);
    return (struct index_bucket *)(void *)(range->base + range_unit_at(range, unit) + (bucket << 6 & range->unit_mask));
}

static inline struct index_bucket *index_bucket_at(const struct range *range, const struct index *index,
                                                   uint64_t bucket) {
    return index_page_bucket(range, index->pages_at, bucket);
}

static inline struct index_bucket *index_overflow_at(const struct range *range, const struct index *index,
                                                     uint32_t bucket) {
    return index_page_bucket(range, index->overflow_pages_at, bucket);
}

static inline uint32_t index_local_level(uint64_t shape, uint64_t hash) {
    uint32_t level = shape_level(shape);
    return level + ((hash ^ hash >> level << level) < shape_split(shape));
}

static inline uint64_t index_fingerprint(uint64_t hash, uint32_t level) { return (hash >> level & 0x7fff) | 0x8000; }

static inline struct index_place index_place_of(const struct range *range, const struct index *index, uint64_t hash) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_acquire);
    uint32_t level = index_local_level(shape, hash);
    uint64_t bucket = hash ^ hash >> level << level;
    return (struct index_place){index_bucket_at(range, index, bucket), shape, index_fingerprint(hash, level)};
}

/* The same, by a shape and bucket of a moment ago, if the index still has that shape. */
static inline struct index_place index_place_again(const struct range *range, const struct index *index, uint64_t hash,
                                                   const void *bucket, uint64_t old_shape) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_acquire);
    if (bucket && shape == old_shape)
        return (struct index_place){(struct index_bucket *)(uintptr_t)bucket, shape,
                                    index_fingerprint(hash, index_local_level(shape, hash))};
    return index_place_of(range, index, hash);
}

/* Whether a cell may belong to the hash: its remaining bits agree, so that the lowest bit in which it differs is its marker or above. The
 * number with all bits up to that one exceeds the fingerprint less one then; of an empty cell that is the largest number. */
static inline bool cell_matches(uint64_t cell, uint64_t wanted) {
    uint32_t fingerprint = (uint32_t)(cell >> 48), difference = fingerprint ^ (uint32_t)wanted;
    return fingerprint - 1 < (difference ^ (difference - 1));
}

/* Whether the cell is one of the bucket; false if either is NULL. */
static inline bool index_is_in(const struct index_bucket *bucket, const _Atomic uint64_t *cell) {
    return (uintptr_t)cell - (uintptr_t)bucket - offsetof(struct index_bucket, cells) < sizeof bucket->cells;
}

/* The cells of a bucket whose fingerprints agree in the lowest 8 bits: bit 2 for the first one, bit 4 for the second, and so on; most
 * often the one cell that matches, or none. All are compared at once, without a branch that the processor would guess wrong. */
static inline uint32_t index_candidates(const struct index_bucket *bucket, uint64_t wanted) {
#if defined(__SSE2__) && !WORDS_TSAN
    const __m128 *at = (const __m128 *)(const void *)bucket;
    /* The upper halves of eight words, the first of which is no cell; then the upper halves of these, the fingerprints; then the lower
     * bytes of these. */
    __m128i low = _mm_castps_si128(_mm_shuffle_ps(at[0], at[1], _MM_SHUFFLE(3, 1, 3, 1)));
    __m128i high = _mm_castps_si128(_mm_shuffle_ps(at[2], at[3], _MM_SHUFFLE(3, 1, 3, 1)));
    __m128i all = _mm_packs_epi32(_mm_srai_epi32(low, 16), _mm_srai_epi32(high, 16));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi16((short)wanted))) & 0x5554;
#else
    uint32_t some = 0;
    for (int i = 0; i < INDEX_CELLS; i++) {
        uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
        some |= (uint32_t)(((cell >> 48 ^ wanted) & 0xff) == 0) << (2 * i + 2);
    }
    return some;
#endif
}

/* The first of some: a bit for every 4 bytes. */
static inline _Atomic uint64_t *index_candidate(const struct index_bucket *bucket, uint32_t some) {
    return (_Atomic uint64_t *)((uintptr_t)bucket + 4 * (uintptr_t)(uint32_t)__builtin_ctz(some));
}

/* The chained bucket, or NULL. A reader may stand in a bucket that has become another shard's, whose chain leads nowhere here. */
static inline struct index_bucket *index_next(const struct range *range, const struct index *index,
                                              const struct index_bucket *bucket) {
    uint32_t chain = atomic_load_explicit(&bucket->chain, memory_order_acquire);
    if (__builtin_expect(chain == 0, 1) || (chain - 1) >> (range->unit_shift - 6) >=
                                               atomic_load_explicit(&index->overflow_page_count, memory_order_acquire))
        return NULL;
    return index_overflow_at(range, index, chain - 1);
}

/* A reader's visit to a chain. */
static inline uint32_t index_read_begin(const struct index_place *place) {
    return atomic_load_explicit(&place->bucket->number, memory_order_acquire);
}
/* An odd number says no: the even one below it does not come again. */
static inline bool index_read_holds(const struct index *index, const struct index_place *place, uint32_t number) {
    return words_check32(&place->bucket->number) == (number & ~1u) &&
           atomic_load_explicit(&index->shape, memory_order_relaxed) == place->shape;
}

/* A writer's: everything between makes readers of the chain repeat. */
static inline void index_write_begin(struct index_bucket *first) {
    uint32_t number = atomic_load_explicit(&first->number, memory_order_relaxed);
    atomic_store_explicit(&first->number, number + 1, memory_order_relaxed);
    words_fence_write();
}
static inline void index_write_end(struct index_bucket *first) {
    uint32_t number = atomic_load_explicit(&first->number, memory_order_relaxed);
    atomic_store_explicit(&first->number, number + 1, memory_order_release);
}

/* Reads the key at a location and answers its hash. */
typedef uint64_t (*index_hash_at)(void *context, uint64_t location);

/* The cell for exactly this location, or NULL. */
_Atomic uint64_t *index_find(const struct range *range, const struct index *index, uint64_t hash, uint64_t location);

/* An empty cell in the chain of `hash`, which may take a new overflow bucket; NULL when there is no memory for one.
 * Fill it inside index_write_begin/end, then call index_added. */
_Atomic uint64_t *index_empty_cell(struct range *range, struct actor *actor, struct index *index, uint64_t hash,
                                   struct index_place *ret_place);
static inline void index_added(struct index *index) {
    atomic_store_explicit(&index->entries, atomic_load_explicit(&index->entries, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline bool index_bucket_is_empty(const struct index_bucket *bucket) {
    uint64_t any = 0;
    for (int i = 0; i < INDEX_CELLS; i++)
        any |= cell_load(&bucket->cells[i]);
    return any == 0;
}

/* Empties a cell of the chain that begins with `first`; another of the chain may take its place. */
void index_remove(const struct range *range, struct index *index, struct index_bucket *first, _Atomic uint64_t *cell);

/* Whether a cell is to go. It is no longer in the chain while it is asked about; the call sees to what it stood for. It may release memory,
 * but not touch the index. */
typedef bool (*index_goes)(void *context, uint64_t cell);

/* Asks about each cell of the chain that begins with `first`, once, and empties those that go: one walk however many they are, and one
 * moment for readers. What stays moves up, buckets left over go back. Answers how many went. */
uint64_t index_sweep(const struct range *range, struct index *index, struct index_bucket *first, index_goes goes,
                     void *context);

/* Splits one bucket if the load asks for it and there is memory. Call after an insertion. */
void index_grow(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at, void *context);

/* The same where no key stands behind a cell from which its hash could be read anew (tier.h): the bits that a fingerprint has are used up to the last two, and
 * a cell that would have fewer goes. `gone` is told of each such cell before, as index_goes; its answer does not matter. */
void index_grow_blind(struct range *range, struct actor *actor, struct index *index, index_goes gone, void *context);

/* Splits buckets of an index without entries until there are so many, as far as there is memory: what is entered then keeps more bits. `units_max`: of its pages. */
void index_widen(struct range *range, struct actor *actor, struct index *index, uint64_t buckets, uint64_t units_max);

/* Whether there are far fewer entries than buckets, and more than a page of them. Without the lock a hint. */
bool index_is_sparse(const struct range *range, const struct index *index);
/* Merges up to `count` pairs of buckets again while that is so, and gives back pages that are left over. True if there is more to do. */
bool index_shrink(struct range *range, struct actor *actor, struct index *index, uint32_t count);

/* The same for overflow buckets: those of the last page are moved to free ones of others, and the page is given back. False if that
 * was not to be done. */
bool index_overflow_is_sparse(const struct range *range, const struct index *index);
bool index_shrink_overflow(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at,
                           void *context);

/* Empties everything at once and gives all pages but the first back; the caller forgets the entries. */
void index_clear(struct range *range, struct actor *actor, struct index *index);
/* The same, and the first page goes too: it is as before index_init. Only for an index that nobody reads without the lock. */
void index_close(struct range *range, struct actor *actor, struct index *index);

/* Bytes of its pages. */
static inline uint64_t index_bytes(const struct range *range, const struct index *index) {
    return (atomic_load_explicit(&index->page_count, memory_order_relaxed) +
            (uint64_t)atomic_load_explicit(&index->overflow_page_count, memory_order_relaxed))
           << range->unit_shift;
}

/* Buckets of the first-level table. */
static inline uint64_t index_bucket_count(uint64_t shape) { return (1ull << shape_level(shape)) + shape_split(shape); }

/* The bucket after `bucket` in the order of reversed bits, which visits every hash at least once however the table
 * grows in between (as the SCAN of Redis promises); 0 at the end. `bucket` may stem from an older shape. */
uint64_t index_scan_next(uint64_t shape, uint64_t bucket);
/* The bucket to look into for a cursor of any age. */
uint64_t index_scan_bucket(uint64_t shape, uint64_t cursor);

/* Where a scan that has come to `bucket` stands between 0 and 2^64, and whether it has visited the bucket of a hash: both mean the same
 * whatever splits come between. Bucket 0 is the begin of a scan. */
uint64_t index_scan_position(uint64_t bucket);
static inline bool index_scan_passed(uint64_t hash, uint64_t bucket) {
    return index_scan_position(hash) < index_scan_position(bucket);
}

void index_verify(const struct range *range, const struct index *index);
/* The same for cells of which only the fingerprint is known here. */
void index_verify_blind(const struct range *range, const struct index *index);

#endif
