#include "core/store/index.h"

#include "base/assert.h"

/* Cells in use per first-level bucket, in tenths, before one is split: measured in docs/decisions/0004. A tiny index is in the cache
 * anyway, where a longer chain costs next to nothing. */
enum { LOAD_TENTHS = 52, LOAD_TINY_TENTHS = 64 };

/* At fewer buckets are merged: a third may go before that begins, so that what comes and goes costs nothing. Not so while more is in
 * use than a lowered limit allows, or entries would have to go for the sake of an index that has become too large for them. */
enum { LOAD_LOW_TENTHS = 36, LOAD_OVER_TENTHS = 46 };

static uint32_t buckets_per_page_shift(const struct range *range) { return range->unit_shift - 6; }

static uint32_t *directory(const struct range *range, uint64_t directory_at) {
    return (uint32_t *)(void *)(range->base + directory_at);
}

/* Takes the page that comes next. Directories keep the numbers of pages that were given back: readers of old shapes may look. */
static bool add_page(struct range *range, struct actor *actor, const struct index *index, uint64_t directory_at,
                     uint32_t count) {
    uint32_t unit = range_take_unit(range, actor, index->blind ? SEGMENT_TIER : SEGMENT_INDEX, index->shard);
    if (unit)
        __atomic_store_n(&directory(range, directory_at)[count], unit, __ATOMIC_RELEASE);
    return unit != 0;
}

enum status index_init(struct range *range, struct actor *actor, struct index *index, uint32_t shard, uint64_t pages_at,
                       uint64_t overflow_pages_at) {
    index->shard = (uint16_t)shard;
    index->pages_at = pages_at;
    index->overflow_pages_at = overflow_pages_at;
    if (!add_page(range, actor, index, pages_at, 0))
        return STATUS_NO_MEMORY;
    index->page_count = 1;
    atomic_store_explicit(&index->shape, 0, memory_order_release);
    return STATUS_OK;
}

_Atomic uint64_t *index_find(const struct range *range, const struct index *index, uint64_t hash, uint64_t location) {
    struct index_place place = index_place_of(range, index, hash);
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (cell && cell_location(cell) == location)
                return &bucket->cells[i];
        }
    return NULL;
}

/* Free overflow buckets are a list in both directions: the number, which only first buckets need, holds twice the one before, plus
 * one, and 0 once it is in use. */
static void unlist_overflow(const struct range *range, struct index *index, uint32_t chain) {
    struct index_bucket *bucket = index_overflow_at(range, index, chain - 1);
    uint32_t before = atomic_load_explicit(&bucket->number, memory_order_relaxed) >> 1;
    uint32_t next = atomic_load_explicit(&bucket->chain, memory_order_relaxed);
    if (before)
        atomic_store_explicit(&index_overflow_at(range, index, before - 1)->chain, next, memory_order_relaxed);
    else
        index->overflow_free = next;
    if (next)
        atomic_store_explicit(&index_overflow_at(range, index, next - 1)->number, before << 1 | 1,
                              memory_order_relaxed);
    atomic_store_explicit(&bucket->number, 0, memory_order_relaxed);
    atomic_store_explicit(&bucket->chain, 0, memory_order_relaxed);
}

static bool overflow_is_free(const struct index_bucket *bucket) {
    return atomic_load_explicit(&bucket->number, memory_order_relaxed) != 0;
}

/* Housekeeping looks at the count without the lock. */
static void count_overflow(struct index *index, int by) {
    uint32_t count = atomic_load_explicit(&index->overflow_live, memory_order_relaxed);
    atomic_store_explicit(&index->overflow_live, count + (uint32_t)by, memory_order_relaxed);
}

static uint32_t take_overflow(struct range *range, struct actor *actor, struct index *index) {
    uint32_t chain = index->overflow_free;
    if (chain) {
        unlist_overflow(range, index, chain);
        count_overflow(index, 1);
        return chain;
    }
    uint32_t pages = atomic_load_explicit(&index->overflow_page_count, memory_order_relaxed);
    if (index->overflow_used >> buckets_per_page_shift(range) == pages) {
        if (!add_page(range, actor, index, index->overflow_pages_at, pages))
            return 0;
        atomic_store_explicit(&index->overflow_page_count, pages + 1, memory_order_release);
    }
    count_overflow(index, 1);
    return ++index->overflow_used;
}

static void give_overflow(const struct range *range, struct index *index, uint32_t chain) {
    struct index_bucket *bucket = index_overflow_at(range, index, chain - 1);
    if (index->overflow_free)
        atomic_store_explicit(&index_overflow_at(range, index, index->overflow_free - 1)->number, chain << 1 | 1,
                              memory_order_relaxed);
    atomic_store_explicit(&bucket->number, 1, memory_order_relaxed);
    atomic_store_explicit(&bucket->chain, index->overflow_free, memory_order_relaxed);
    index->overflow_free = chain;
    count_overflow(index, -1);
}

_Atomic uint64_t *index_empty_cell(struct range *range, struct actor *actor, struct index *index, uint64_t hash,
                                   struct index_place *ret_place) {
    *ret_place = index_place_of(range, index, hash);
    struct index_bucket *bucket = ret_place->bucket;
    for (;;) {
        for (int i = 0; i < INDEX_CELLS; i++)
            if (cell_load(&bucket->cells[i]) == 0)
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

/* Ends a chain after `last`; what comes behind is empty and goes back. */
static void cut_chain(const struct range *range, struct index *index, struct index_bucket *last) {
    uint32_t chain = atomic_load_explicit(&last->chain, memory_order_relaxed);
    if (!chain)
        return;
    atomic_store_explicit(&last->chain, 0, memory_order_relaxed);
    while (chain) {
        struct index_bucket *bucket = index_overflow_at(range, index, chain - 1);
        uint32_t next = atomic_load_explicit(&bucket->chain, memory_order_relaxed);
        ASSERT(index_bucket_is_empty(bucket));
        give_overflow(range, index, chain);
        chain = next;
    }
}

/* The empty overflow buckets at the end of a chain go back, in one walk: a chain may be as long as a session is large. */
static void trim_chain(struct index *index, const struct range *range, struct index_bucket *first) {
    struct index_bucket *last = first;
    for (struct index_bucket *bucket = first; (bucket = index_next(range, index, bucket));)
        if (!index_bucket_is_empty(bucket))
            last = bucket;
    cut_chain(range, index, last);
}

/* The last cell of a chain takes the place of one that has become empty. Else each chain would keep the length of its most
 * crowded moment: half as many bytes again where entries come and go. */
static void close_up(const struct range *range, struct index *index, struct index_bucket *first,
                     _Atomic uint64_t *empty) {
    struct index_bucket *last = first;
    for (struct index_bucket *next; (next = index_next(range, index, last)); last = next)
        continue;
    for (int i = INDEX_CELLS; i-- > 0;) {
        uint64_t cell = cell_load(&last->cells[i]);
        if (!cell)
            continue;
        if (empty < &last->cells[0] || empty >= &last->cells[INDEX_CELLS]) {
            atomic_store_explicit(&last->cells[i], 0, memory_order_relaxed);
            atomic_store_explicit(empty, cell, memory_order_relaxed);
        }
        break;
    }
    trim_chain(index, range, first);
}

void index_remove(const struct range *range, struct index *index, struct index_bucket *first, _Atomic uint64_t *cell) {
    ASSERT(cell_load(cell) != 0);
    index_write_begin(first);
    atomic_store_explicit(cell, 0, memory_order_relaxed);
    if (atomic_load_explicit(&first->chain, memory_order_relaxed))
        close_up(range, index, first, cell);
    index_write_end(first);
    atomic_store_explicit(&index->entries, atomic_load_explicit(&index->entries, memory_order_relaxed) - 1,
                          memory_order_relaxed);
}

/* A cursor over the cells of a chain, for whoever goes through all of it: what stays is moved up, what goes is dropped or appended to
 * another chain. */
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

uint64_t index_sweep(const struct range *range, struct index *index, struct index_bucket *first, index_goes goes,
                     void *context) {
    struct walk read = {first, 0}, stay = {first, 0};
    uint64_t gone = 0;
    index_write_begin(first);
    for (_Atomic uint64_t *from_cell; (from_cell = walk_step(range, index, &read));) {
        uint64_t cell = cell_load(from_cell);
        if (!cell)
            continue;
        atomic_store_explicit(from_cell, 0, memory_order_relaxed);
        if (goes(context, cell))
            gone++;
        else
            atomic_store_explicit(walk_step(range, index, &stay), cell, memory_order_relaxed);
    }
    cut_chain(range, index, stay.bucket);
    index_write_end(first);
    uint64_t entries = atomic_load_explicit(&index->entries, memory_order_relaxed);
    ASSERT(gone <= entries);
    atomic_store_explicit(&index->entries, entries - gone, memory_order_relaxed);
    return gone;
}

/* Without `hash_at` there are bits enough. */
static uint64_t shifted_cell(uint64_t cell, uint32_t level, index_hash_at hash_at, void *context) {
    uint64_t fingerprint = cell >> 49;
    if (fingerprint < 0x100 && hash_at)
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

/* The same epoch with another level and split point. */
static uint64_t make_shape(uint64_t shape, uint32_t level, uint64_t from) {
    return shape >> SHAPE_EPOCH_AT << SHAPE_EPOCH_AT | from << 8 | level;
}

static void split(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at, void *context) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed);
    uint32_t level = shape_level(shape);
    uint64_t from = shape_split(shape), to = from + (1ull << level);
    if (to >> buckets_per_page_shift(range) == index->page_count) {
        if (!add_page(range, actor, index, index->pages_at, index->page_count))
            return;
        index->page_count++;
    }
    struct index_bucket *old = index_bucket_at(range, index, from), *new = index_bucket_at(range, index, to);
    if (!reserve_chain(range, actor, index, new, chain_length(range, index, old)))
        return;
    index_write_begin(old);
    index_write_begin(new);
    struct walk read = {old, 0}, stay = {old, 0}, go = {new, 0};
    for (_Atomic uint64_t *from_cell; (from_cell = walk_step(range, index, &read));) {
        uint64_t cell = cell_load(from_cell);
        if (!cell)
            continue;
        atomic_store_explicit(from_cell, 0, memory_order_relaxed);
        _Atomic uint64_t *to_cell = walk_step(range, index, cell >> 48 & 1 ? &go : &stay);
        atomic_store_explicit(to_cell, shifted_cell(cell, level, hash_at, context), memory_order_relaxed);
    }
    bool whole = from + 1 == 1ull << level;
    atomic_store_explicit(&index->shape, make_shape(shape, whole ? level + 1 : level, whole ? 0 : from + 1),
                          memory_order_release);
    trim_chain(index, range, old);
    trim_chain(index, range, new);
    index_write_end(new);
    index_write_end(old);
}

static bool is_full(const struct range *range, const struct index *index) {
    uint64_t buckets = index_bucket_count(atomic_load_explicit(&index->shape, memory_order_relaxed));
    bool tiny = range->head->unit_size == RANGE_UNIT_SIZE_MIN;
    return atomic_load_explicit(&index->entries, memory_order_relaxed) * 10 >
           buckets * (tiny ? LOAD_TINY_TENTHS : LOAD_TENTHS);
}

void index_grow(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at, void *context) {
    if (is_full(range, index))
        split(range, actor, index, hash_at, context);
}

struct spent {
    index_goes gone;
    void *context;
};

static bool is_spent(uint64_t cell) { return cell >> 48 < 2 * INDEX_BLIND_MIN; }

static bool spent_goes(void *context, uint64_t cell) {
    const struct spent *spent = context;
    if (is_spent(cell))
        MAYBE(spent->gone(spent->context, cell));
    return is_spent(cell);
}

void index_grow_blind(struct range *range, struct actor *actor, struct index *index, index_goes gone, void *context) {
    if (!is_full(range, index))
        return;
    struct index_bucket *first =
        index_bucket_at(range, index, shape_split(atomic_load_explicit(&index->shape, memory_order_relaxed)));
    bool any = false;
    for (const struct index_bucket *bucket = first; bucket && !any; bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            any |= cell && is_spent(cell);
        }
    if (any)
        MAYBE(index_sweep(range, index, first, spent_goes, &(struct spent){gone, context}) > 0);
    split(range, actor, index, NULL, NULL);
}

void index_widen(struct range *range, struct actor *actor, struct index *index, uint64_t buckets, uint64_t units_max) {
    uint64_t before = 0, count = index_bucket_count(atomic_load_explicit(&index->shape, memory_order_relaxed));
    if (atomic_load_explicit(&index->entries, memory_order_relaxed) != 0)
        return;
    while (count < buckets && count > before &&
           atomic_load_explicit(&index->page_count, memory_order_relaxed) < units_max) {
        split(range, actor, index, NULL, NULL);
        before = count;
        count = index_bucket_count(atomic_load_explicit(&index->shape, memory_order_relaxed));
    }
}

/* ------------------------------------------------------------------------------------ shrinking */

/* A cell of a bucket that uses one bit less of the hash: the bit goes to the low end of the fingerprint, whose highest is lost if it
 * has 15 already. */
static uint64_t unshifted_cell(uint64_t cell, uint64_t bit) {
    uint64_t fingerprint = cell >> 48 << 1 | bit;
    if (fingerprint & 0x10000)
        fingerprint = (fingerprint & 0x7fff) | 0x8000;
    return fingerprint << 48 | (cell & ((1ull << 48) - 1));
}

static void widen_cells(const struct range *range, const struct index *index, struct index_bucket *first,
                        uint64_t bit) {
    for (struct index_bucket *bucket = first; bucket; bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (cell)
                atomic_store_explicit(&bucket->cells[i], unshifted_cell(cell, bit), memory_order_relaxed);
        }
}

/* So many empty cells in the chain, which may get more buckets for them. */
static bool reserve_cells(struct range *range, struct actor *actor, struct index *index, struct index_bucket *first,
                          uint32_t wanted) {
    uint32_t empty = 0;
    struct index_bucket *last = first;
    for (struct index_bucket *bucket = first; bucket; last = bucket, bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            empty += cell_load(&bucket->cells[i]) == 0;
    for (; empty < wanted; empty += INDEX_CELLS) {
        uint32_t chain = take_overflow(range, actor, index);
        if (!chain) {
            trim_chain(index, range, first);
            return false;
        }
        atomic_store_explicit(&last->chain, chain, memory_order_release);
        last = index_overflow_at(range, index, chain - 1);
    }
    return true;
}

static uint32_t chain_entries(const struct range *range, const struct index *index, const struct index_bucket *bucket) {
    uint32_t count = 0;
    for (; bucket; bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            count += cell_load(&bucket->cells[i]) != 0;
    return count;
}

/* Takes back the last split. */
static bool merge(struct range *range, struct actor *actor, struct index *index) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed), split_at = shape_split(shape);
    uint32_t level = split_at ? shape_level(shape) : shape_level(shape) - 1;
    uint64_t to = (split_at ? split_at : 1ull << level) - 1, from = to + (1ull << level);
    struct index_bucket *kept = index_bucket_at(range, index, to), *gone = index_bucket_at(range, index, from);
    if (!reserve_cells(range, actor, index, kept, chain_entries(range, index, gone)))
        return false;
    index_write_begin(kept);
    index_write_begin(gone);
    widen_cells(range, index, kept, 0);
    widen_cells(range, index, gone, 1);
    struct walk read = {gone, 0}, write = {kept, 0};
    for (_Atomic uint64_t *from_cell; (from_cell = walk_step(range, index, &read));) {
        uint64_t cell = cell_load(from_cell);
        if (!cell)
            continue;
        _Atomic uint64_t *to_cell;
        do
            to_cell = walk_step(range, index, &write);
        while (cell_load(to_cell) != 0);
        atomic_store_explicit(from_cell, 0, memory_order_relaxed);
        atomic_store_explicit(to_cell, cell, memory_order_relaxed);
    }
    atomic_store_explicit(&index->shape, make_shape(shape, level, to), memory_order_release);
    trim_chain(index, range, gone);
    trim_chain(index, range, kept);
    index_write_end(gone);
    index_write_end(kept);
    return true;
}

/* Before pages are given back the epoch moves, so nobody who still looks at them believes what he sees. */
static void move_epoch(struct index *index, uint64_t next_shape) {
    atomic_store_explicit(&index->shape, next_shape + (1ull << SHAPE_EPOCH_AT), memory_order_release);
    words_fence_write();
}

/* Gives back pages from `keep` on. */
static void drop_pages(struct range *range, struct actor *actor, struct index *index, uint32_t keep,
                       uint64_t next_shape) {
    move_epoch(index, next_shape);
    while (index->page_count > keep)
        range_give_unit(range, actor, index->shard, directory(range, index->pages_at)[--index->page_count]);
}

bool index_overflow_is_sparse(const struct range *range, const struct index *index) {
    uint32_t pages = atomic_load_explicit(&index->overflow_page_count, memory_order_relaxed);
    return pages > 1 && (uint64_t)atomic_load_explicit(&index->overflow_live, memory_order_relaxed) * 8 <
                            (uint64_t)(pages - 1) * (range_is_over(range) ? 7 : 6) << buckets_per_page_shift(range);
}

bool index_is_sparse(const struct range *range, const struct index *index) {
    uint64_t buckets = index_bucket_count(atomic_load_explicit(&index->shape, memory_order_relaxed));
    return buckets > 1ull << buckets_per_page_shift(range) &&
           atomic_load_explicit(&index->entries, memory_order_relaxed) * 10 <
               buckets * (range_is_over(range) ? LOAD_OVER_TENTHS : LOAD_LOW_TENTHS);
}

/* Moves an overflow bucket to a free one, which there is. Whose chain it is in, one of its entries tells. */
static void move_overflow(struct range *range, struct actor *actor, struct index *index, uint32_t number,
                          index_hash_at hash_at, void *context) {
    struct index_bucket *from = index_overflow_at(range, index, number);
    uint64_t cell = 0;
    for (int i = 0; !cell; i++)
        cell = cell_load(&from->cells[i]);
    struct index_bucket *first = index_place_of(range, index, hash_at(context, cell_location(cell))).bucket;
    struct index_bucket *before = first;
    while (atomic_load_explicit(&before->chain, memory_order_relaxed) != number + 1) {
        before = index_next(range, index, before);
        ASSERT(before);
    }
    uint32_t chain = take_overflow(range, actor, index);
    ASSERT(chain && chain <= number);
    struct index_bucket *to = index_overflow_at(range, index, chain - 1);
    index_write_begin(first);
    for (int i = 0; i < INDEX_CELLS; i++) {
        atomic_store_explicit(&to->cells[i], cell_load(&from->cells[i]), memory_order_relaxed);
        atomic_store_explicit(&from->cells[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&to->chain, atomic_load_explicit(&from->chain, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&before->chain, chain, memory_order_release);
    index_write_end(first);
    count_overflow(index, -1);
}

bool index_shrink_overflow(struct range *range, struct actor *actor, struct index *index, index_hash_at hash_at,
                           void *context) {
    if (!index_overflow_is_sparse(range, index))
        return false;
    uint32_t pages = atomic_load_explicit(&index->overflow_page_count, memory_order_relaxed);
    uint32_t base = (pages - 1) << buckets_per_page_shift(range), end = index->overflow_used;
    for (uint32_t i = base; i < end; i++) {
        const struct index_bucket *bucket = index_overflow_at(range, index, i);
        if (!overflow_is_free(bucket) && index_bucket_is_empty(bucket))
            return false; /* a chain ends in it, but nothing tells which: not now */
    }
    for (uint32_t i = base; i < end; i++)
        if (overflow_is_free(index_overflow_at(range, index, i)))
            unlist_overflow(range, index, i + 1);
    for (uint32_t i = base; i < end; i++)
        if (!index_bucket_is_empty(index_overflow_at(range, index, i)))
            move_overflow(range, actor, index, i, hash_at, context);
    index->overflow_used = base;
    move_epoch(index, atomic_load_explicit(&index->shape, memory_order_relaxed));
    atomic_store_explicit(&index->overflow_page_count, pages - 1, memory_order_relaxed);
    range_give_unit(range, actor, index->shard, directory(range, index->overflow_pages_at)[pages - 1]);
    return true;
}

bool index_shrink(struct range *range, struct actor *actor, struct index *index, uint32_t count) {
    uint32_t shift = buckets_per_page_shift(range);
    bool more = false;
    while (index_is_sparse(range, index)) {
        more = count-- == 0;
        if (more || !merge(range, actor, index))
            break;
    }
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed);
    uint32_t keep = (uint32_t)((index_bucket_count(shape) - 1) >> shift) + 1;
    if (keep < index->page_count)
        drop_pages(range, actor, index, keep, shape);
    return more;
}

void index_clear(struct range *range, struct actor *actor, struct index *index) {
    uint64_t epoch = make_shape(atomic_load_explicit(&index->shape, memory_order_relaxed), 0, 0);
    drop_pages(range, actor, index, 1, epoch);
    uint32_t pages = atomic_load_explicit(&index->overflow_page_count, memory_order_relaxed);
    atomic_store_explicit(&index->overflow_page_count, 0, memory_order_relaxed);
    while (pages)
        range_give_unit(range, actor, index->shard, directory(range, index->overflow_pages_at)[--pages]);
    /* What stays is emptied, for it may come to be used again without being taken anew. */
    struct index_bucket *bucket = index_bucket_at(range, index, 0);
    for (uint32_t i = 0; i < 1u << buckets_per_page_shift(range); i++, bucket++) {
        index_write_begin(bucket);
        atomic_store_explicit(&bucket->chain, 0, memory_order_relaxed);
        for (int c = 0; c < INDEX_CELLS; c++)
            atomic_store_explicit(&bucket->cells[c], 0, memory_order_relaxed);
        index_write_end(bucket);
    }
    index->overflow_free = 0;
    index->overflow_used = 0;
    atomic_store_explicit(&index->overflow_live, 0, memory_order_relaxed);
    atomic_store_explicit(&index->entries, 0, memory_order_relaxed);
}

void index_close(struct range *range, struct actor *actor, struct index *index) {
    index_clear(range, actor, index);
    drop_pages(range, actor, index, 0, 0);
}

static uint64_t reverse(uint64_t x) {
    x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(x);
}

uint64_t index_scan_bucket(uint64_t shape, uint64_t cursor) {
    uint32_t level = shape_level(shape);
    uint64_t low = cursor & ((1ull << level) - 1);
    return low < shape_split(shape) ? cursor & ((2ull << level) - 1) : low;
}

uint64_t index_scan_next(uint64_t shape, uint64_t bucket) {
    uint32_t level = shape_level(shape);
    uint32_t local = level + ((bucket & ((1ull << level) - 1)) < shape_split(shape));
    if (local == 0)
        return 0;
    /* Adds one to the `local` low bits read backwards. */
    uint64_t mask = (1ull << local) - 1;
    uint64_t reversed = reverse(bucket | ~mask) + 1;
    return reverse(reversed) & mask;
}

uint64_t index_scan_position(uint64_t bucket) { return reverse(bucket); }

static void verify_cell(const struct range *range, uint64_t cell, bool blind) {
    ASSERT(cell >> 48 >= (blind ? INDEX_BLIND_MIN : 0x100));
    uint32_t number = range_segment_of(range, cell_location(cell));
    ASSERT(blind || (number >= 1 && number <= range->head->segment_count));
}

static void verify_chain(const struct range *range, const struct index *index, const struct index_bucket *first,
                         bool blind, uint64_t *entries, uint32_t *overflow) {
    ASSERT((atomic_load_explicit(&first->number, memory_order_relaxed) & 1) == 0);
    for (const struct index_bucket *bucket = first; bucket; bucket = index_next(range, index, bucket)) {
        *overflow += bucket != first;
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (!cell)
                continue;
            *entries += 1;
            verify_cell(range, cell, blind);
        }
    }
}

static void verify(const struct range *range, const struct index *index, bool blind) {
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed), entries = 0;
    uint32_t overflow = 0;
    for (uint64_t i = 0; i < index_bucket_count(shape); i++)
        verify_chain(range, index, index_bucket_at(range, index, i), blind, &entries, &overflow);
    ASSERT(entries == atomic_load_explicit(&index->entries, memory_order_relaxed));
    ASSERT(overflow == index->overflow_live);
}

void index_verify(const struct range *range, const struct index *index) { verify(range, index, false); }
void index_verify_blind(const struct range *range, const struct index *index) { verify(range, index, true); }
