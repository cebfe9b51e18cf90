#include "core/store/index.h"

#include "base/assert.h"

/* Cells in use per first-level bucket, in tenths, before one is split: measured in docs/decisions/0004. */
enum { LOAD_TENTHS = 52 };

static uint32_t buckets_per_page_shift(const struct range *range) { return range->segment_shift - 6; }

/* Adds a page to a directory; its buckets are emptied if the segment has held anything before; else they stay untouched,
 * so that a page takes resident memory only as it fills. Of overflow buckets there are few: their pages are sparse. */
static bool add_page(struct range *range, struct actor *actor, struct index *index, uint64_t directory_at, bool sparse,
                     uint32_t *count) {
    uint32_t number = range_take(range, actor, SEGMENT_INDEX, true);
    if (!number)
        return false;
    struct segment *segment = &range->segments[number];
    if (sparse && segment->fresh && range->sparse)
        range->sparse(range->base + range_segment_at(range, number), range_segment_size(range));
    atomic_store_explicit(&segment->shard, index->shard, memory_order_relaxed);
    atomic_store_explicit(&segment->used, range_segment_size(range), memory_order_relaxed);
    if (!segment->fresh)
        words_zero(range->base + range_segment_at(range, number), range_segment_size(range));
    uint32_t *pages = (uint32_t *)(void *)(range->base + directory_at);
    __atomic_store_n(&pages[*count], number, __ATOMIC_RELEASE);
    *count += 1;
    return true;
}

enum status index_init(struct range *range, struct actor *actor, struct index *index, uint32_t shard, uint64_t pages_at,
                       uint64_t overflow_pages_at) {
    index->shard = shard;
    index->pages_at = pages_at;
    index->overflow_pages_at = overflow_pages_at;
    if (!add_page(range, actor, index, pages_at, false, &index->page_count))
        return STATUS_NO_MEMORY;
    atomic_store_explicit(&index->shape, 0, memory_order_release);
    return STATUS_OK;
}

_Atomic uint64_t *index_find(const struct range *range, const struct index *index, uint64_t hash, uint64_t location) {
    struct index_place place = index_place_of(range, index, hash);
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
            if (cell && cell_location(cell) == location)
                return &bucket->cells[i];
        }
    return NULL;
}

static uint32_t take_overflow(struct range *range, struct actor *actor, struct index *index) {
    if (index->overflow_free) {
        uint32_t bucket = index->overflow_free - 1;
        struct index_bucket *free = index_overflow_at(range, index, bucket);
        index->overflow_free = atomic_load_explicit(&free->chain, memory_order_relaxed);
        atomic_store_explicit(&free->chain, 0, memory_order_relaxed);
        index->overflow_live++;
        return bucket + 1;
    }
    uint32_t shift = buckets_per_page_shift(range);
    if (index->overflow_used >> shift == index->overflow_page_count &&
        !add_page(range, actor, index, index->overflow_pages_at, true, &index->overflow_page_count))
        return 0;
    index->overflow_live++;
    return ++index->overflow_used;
}

static void give_overflow(const struct range *range, struct index *index, uint32_t chain) {
    struct index_bucket *bucket = index_overflow_at(range, index, chain - 1);
    atomic_store_explicit(&bucket->chain, index->overflow_free, memory_order_relaxed);
    index->overflow_free = chain;
    index->overflow_live--;
}

_Atomic uint64_t *index_empty_cell(struct range *range, struct actor *actor, struct index *index, uint64_t hash,
                                   struct index_place *ret_place) {
    *ret_place = index_place_of(range, index, hash);
    struct index_bucket *bucket = ret_place->bucket;
    for (;;) {
        for (int i = 0; i < INDEX_CELLS; i++)
            if (atomic_load_explicit(&bucket->cells[i], memory_order_relaxed) == 0)
                return &bucket->cells[i];
        struct index_bucket *next = index_next(range, index, bucket);
        if (!next)
            break;
        bucket = next;
    }
    uint32_t chain = take_overflow(range, actor, index);
    if (!chain)
        return NULL;
    /* An empty bucket at the end of a chain changes no reader's answer: no number is needed. */
    atomic_store_explicit(&bucket->chain, chain, memory_order_release);
    return &index_overflow_at(range, index, chain - 1)->cells[0];
}

/* The last overflow bucket of a chain goes back when it has become empty. */
static void trim_chain(struct index *index, const struct range *range, struct index_bucket *first) {
    for (;;) {
        struct index_bucket *before = NULL, *last = first;
        for (struct index_bucket *next; (next = index_next(range, index, last)); last = next)
            before = last;
        if (!before)
            return;
        for (int i = 0; i < INDEX_CELLS; i++)
            if (atomic_load_explicit(&last->cells[i], memory_order_relaxed))
                return;
        uint32_t chain = atomic_load_explicit(&before->chain, memory_order_relaxed);
        atomic_store_explicit(&before->chain, 0, memory_order_relaxed);
        give_overflow(range, index, chain);
    }
}

void index_remove(struct index *index, struct index_bucket *first, _Atomic uint64_t *cell) {
    ASSERT(atomic_load_explicit(cell, memory_order_relaxed) != 0);
    index_write_begin(first);
    atomic_store_explicit(cell, 0, memory_order_relaxed);
    index_write_end(first);
    atomic_store_explicit(&index->entries, atomic_load_explicit(&index->entries, memory_order_relaxed) - 1,
                          memory_order_relaxed);
}

/* A cursor over the cells of a chain, for a split: what stays is moved up, what goes is appended to another chain. */
struct walk {
    struct index_bucket *bucket;
    int cell;
};

static _Atomic uint64_t *walk_step(const struct range *range, const struct index *index, struct walk *walk) {
    if (walk->cell == INDEX_CELLS) {
        walk->bucket = index_next(range, index, walk->bucket);
        walk->cell = 0;
    }
    return walk->bucket ? &walk->bucket->cells[walk->cell++] : NULL;
}

static uint64_t shifted_cell(uint64_t cell, uint32_t level, index_hash_at hash_at, void *context) {
    uint64_t fingerprint = cell >> 49;
    if (fingerprint < 0x100)
        fingerprint = index_fingerprint(hash_at(context, cell_location(cell)), level + 1);
    return fingerprint << 48 | (cell & ((1ull << 48) - 1));
}

static uint32_t chain_length(const struct range *range, const struct index *index, const struct index_bucket *bucket) {
    uint32_t length = 1;
    while ((bucket = index_next(range, index, bucket)))
        length++;
    return length;
}

/* Takes the overflow buckets that the new chain may need beforehand, so that a split never stops half-way. */
static bool reserve_chain(struct range *range, struct actor *actor, struct index *index, struct index_bucket *first,
                          uint32_t length) {
    struct index_bucket *last = first;
    for (uint32_t i = 1; i < length; i++) {
        uint32_t chain = take_overflow(range, actor, index);
        if (!chain) {
            trim_chain(index, range, first);
            return false;
        }
        atomic_store_explicit(&last->chain, chain, memory_order_relaxed);
        last = index_overflow_at(range, index, chain - 1);
    }
    return true;
}

static void split(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at, void *context) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed);
    uint32_t level = shape & 0xff;
    uint64_t from = shape >> 8, to = from + (1ull << level);
    if (to >> buckets_per_page_shift(range) == index->page_count &&
        !add_page(range, actor, index, index->pages_at, false, &index->page_count))
        return;
    struct index_bucket *old = index_bucket_at(range, index, from), *new = index_bucket_at(range, index, to);
    if (!reserve_chain(range, actor, index, new, chain_length(range, index, old)))
        return;
    index_write_begin(old);
    index_write_begin(new);
    struct walk read = {old, 0}, stay = {old, 0}, go = {new, 0};
    for (_Atomic uint64_t *from_cell; (from_cell = walk_step(range, index, &read));) {
        uint64_t cell = atomic_load_explicit(from_cell, memory_order_relaxed);
        if (!cell)
            continue;
        atomic_store_explicit(from_cell, 0, memory_order_relaxed);
        _Atomic uint64_t *to_cell = walk_step(range, index, cell >> 48 & 1 ? &go : &stay);
        atomic_store_explicit(to_cell, shifted_cell(cell, level, hash_at, context), memory_order_relaxed);
    }
    uint64_t next = from + 1 == 1ull << level ? (uint64_t)level + 1 : (from + 1) << 8 | level;
    atomic_store_explicit(&index->shape, next, memory_order_release);
    trim_chain(index, range, old);
    trim_chain(index, range, new);
    index_write_end(new);
    index_write_end(old);
}

void index_grow(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at, void *context) {
    uint64_t buckets = index_bucket_count(atomic_load_explicit(&index->shape, memory_order_relaxed));
    if (atomic_load_explicit(&index->entries, memory_order_relaxed) * 10 > buckets * LOAD_TENTHS)
        split(range, actor, index, hash_at, context);
}

static void clear_pages(struct range *range, const struct index *index, uint64_t directory_at, uint64_t bucket_count) {
    uint32_t shift = buckets_per_page_shift(range);
    (void)index;
    const uint32_t *pages = (const uint32_t *)(const void *)(range->base + directory_at);
    for (uint64_t i = 0; i < bucket_count; i++) {
        struct index_bucket *bucket =
            (struct index_bucket *)(void *)(range->base + range_segment_at(range, pages[i >> shift])) +
            (i & ((1u << shift) - 1));
        index_write_begin(bucket);
        atomic_store_explicit(&bucket->chain, 0, memory_order_relaxed);
        for (int c = 0; c < INDEX_CELLS; c++)
            atomic_store_explicit(&bucket->cells[c], 0, memory_order_relaxed);
        index_write_end(bucket);
    }
}

void index_clear(struct range *range, struct index *index) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed);
    clear_pages(range, index, index->pages_at, index_bucket_count(shape));
    clear_pages(range, index, index->overflow_pages_at, index->overflow_used);
    index->overflow_free = 0;
    index->overflow_used = 0;
    index->overflow_live = 0;
    atomic_store_explicit(&index->entries, 0, memory_order_relaxed);
}

static uint64_t reverse(uint64_t x) {
    x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(x);
}

uint64_t index_scan_bucket(uint64_t shape, uint64_t cursor) {
    uint32_t level = shape & 0xff;
    uint64_t low = cursor & ((1ull << level) - 1);
    return low < shape >> 8 ? cursor & ((2ull << level) - 1) : low;
}

uint64_t index_scan_next(uint64_t shape, uint64_t bucket) {
    uint32_t level = shape & 0xff;
    uint32_t local = level + ((bucket & ((1ull << level) - 1)) < shape >> 8);
    if (local == 0)
        return 0;
    /* Adds one to the `local` low bits read backwards. */
    uint64_t mask = (1ull << local) - 1;
    uint64_t reversed = reverse(bucket | ~mask) + 1;
    return reverse(reversed) & mask;
}

uint64_t index_scan_position(uint64_t bucket) { return reverse(bucket); }

static void verify_chain(const struct range *range, const struct index *index, const struct index_bucket *first,
                         uint64_t *entries, uint32_t *overflow) {
    ASSERT((atomic_load_explicit(&first->number, memory_order_relaxed) & 1) == 0);
    for (const struct index_bucket *bucket = first; bucket; bucket = index_next(range, index, bucket)) {
        *overflow += bucket != first;
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
            if (!cell)
                continue;
            *entries += 1;
            ASSERT(cell >> 48 >= 0x100);
            uint32_t number = range_segment_of(range, cell_location(cell));
            ASSERT(number >= 1 && number <= range->head->segment_count);
        }
    }
}

void index_verify(const struct range *range, const struct index *index) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed), entries = 0;
    uint32_t overflow = 0;
    for (uint64_t i = 0; i < index_bucket_count(shape); i++)
        verify_chain(range, index, index_bucket_at(range, index, i), &entries, &overflow);
    ASSERT(entries == atomic_load_explicit(&index->entries, memory_order_relaxed));
    ASSERT(overflow == index->overflow_live);
}
