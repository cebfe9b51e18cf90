#include "core/store/object.h"

#include "base/assert.h"
#include "core/store/run.h"
#include "core/store/store.h"

enum {
    HEAD_SIZE = 16,
    UNIT = 8,
    PAGE_BLOCKS_MAX = 16,
    WASTE_SHARE = 8,    /* a page may lose an eighth to its head and tail */
    SMALL_BLOCKS = 2,   /* the largest class */
    LINEAR_CLASSES = 8, /* 8, 16 .. 64 */
    SEGMENTS_SEARCHED = 16,
    SLICE_OBJECTS = 512,      /* moved before the lock is given up; about 100 ns and a call of the owner each */
    SLICE_BYTES = 512 * 1024, /* about 100 microseconds */
};

static const uint32_t TABLE_FREE = 1u << 31; /* a place of the table that holds the next free place */

/* Where a page or a run begins. */
struct head {
    _Atomic uint32_t slot; /* bytes, 0: a run */
    _Atomic uint16_t count, used;
    _Atomic uint32_t next, previous; /* pages of the class with free slots */
};
static_assert(sizeof(struct head) == HEAD_SIZE, "as the drawing says");

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

static uint32_t block_size(const struct range *range) { return range_segment_size(range) / RANGE_BLOCKS; }
static uint32_t offset_bits(const struct range *range) { return range->segment_shift - 3; }

/* ------------------------------------------------------------------------------------------ references */

static uint32_t *table_of(const struct range *range, const struct object_heap *heap) {
    return (uint32_t *)(void *)(range->base + heap->table_at);
}

static uint32_t segment_of(const struct range *range, const struct object_heap *heap, uint32_t reference) {
    uint32_t local = reference >> offset_bits(range);
    ASSERT(local >= 1 && local <= heap->table_used);
    uint32_t number = table_of(range, heap)[local];
    ASSERT(!(number & TABLE_FREE));
    return number;
}

static uint32_t offset_of(const struct range *range, uint32_t reference) {
    return (reference & ((1u << offset_bits(range)) - 1)) * UNIT;
}

static uint8_t *bytes_at(const struct range *range, const struct object_heap *heap, uint32_t reference) {
    return range->base + range_segment_at(range, segment_of(range, heap, reference)) + offset_of(range, reference);
}

static struct head *head_at(const struct range *range, const struct object_heap *heap, uint32_t page) {
    return (struct head *)(void *)bytes_at(range, heap, page);
}

static uint32_t reference_to(const struct range *range, uint32_t number, uint32_t offset) {
    return (uint32_t)GET(range->segments[number].clock) << offset_bits(range) | offset / UNIT;
}

/* The reference of the page or run that an object lies in. */
static uint32_t page_of(const struct range *range, const struct object_heap *heap, uint32_t reference) {
    uint32_t number = segment_of(range, heap, reference), block = offset_of(range, reference) / block_size(range);
    uint64_t starts = GET(range->segments[number].weight) & run_mask(0, block + 1);
    ASSERT(starts != 0);
    return reference_to(range, number, (uint32_t)bits_log2(starts) * block_size(range));
}

static _Atomic uint64_t *bits_of(struct head *head) { return (_Atomic uint64_t *)(void *)(head + 1); }
static uint32_t bits_size(uint32_t count) { return (count + 63) / 64 * 8; }
static uint32_t slots_at(const struct head *head) { return HEAD_SIZE + bits_size(GET(head->count)); }

/* ------------------------------------------------------------------------------------------ size classes */

static uint32_t class_of(uint32_t size) {
    if (size <= LINEAR_CLASSES * UNIT)
        return size == 0 ? 0 : (size - 1) / UNIT;
    uint32_t octave = bits_log2(size - 1) - 6;
    return LINEAR_CLASSES + 8 * octave + ((size - 1) >> (3 + octave)) - 8;
}

static uint32_t slot_of(uint32_t size_class) {
    if (size_class < LINEAR_CLASSES)
        return (size_class + 1) * UNIT;
    uint32_t octave = (size_class - LINEAR_CLASSES) / 8, eighth = (size_class - LINEAR_CLASSES) % 8;
    return (9 + eighth) << (3 + octave);
}

static uint32_t slots_in(uint32_t page_size, uint32_t slot) {
    uint32_t count = (uint32_t)((uint64_t)(page_size - HEAD_SIZE) * 8 / (slot * 8 + 1));
    while (count && HEAD_SIZE + bits_size(count) + count * slot > page_size)
        count--;
    return count;
}

/* The fewest blocks that lose little enough. */
static uint32_t page_blocks(const struct range *range, uint32_t slot, uint32_t *ret_count) {
    uint32_t best = 0;
    double best_share = 0;
    for (uint32_t blocks = 1; blocks <= PAGE_BLOCKS_MAX; blocks++) {
        uint32_t size = blocks * block_size(range), count = slots_in(size, slot);
        double share = (double)count * slot / size;
        if (share > best_share)
            best = blocks, best_share = share;
        if (share >= 1 - 1.0 / WASTE_SHARE)
            break;
    }
    *ret_count = slots_in(best * block_size(range), slot);
    return best;
}

/* ------------------------------------------------------------------------------------------ blocks */

static void list_push(const struct range *range, struct object_heap *heap, uint32_t number) {
    struct segment *segment = &range->segments[number];
    PUT(segment->next, heap->segment_first);
    PUT(segment->previous, 0);
    if (heap->segment_first)
        PUT(range->segments[heap->segment_first].previous, number);
    heap->segment_first = number;
}

static void list_remove(const struct range *range, struct object_heap *heap, uint32_t number) {
    uint32_t next = GET(range->segments[number].next), previous = GET(range->segments[number].previous);
    if (next)
        PUT(range->segments[next].previous, previous);
    if (previous)
        PUT(range->segments[previous].next, next);
    else
        heap->segment_first = next;
}

/* A segment from the pool with a place in the table. */
static uint32_t open_segment(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct range *range = &engine->range;
    struct object_heap *heap = &shard->objects;
    uint64_t places = 1ull << (32 - offset_bits(range));
    if (!heap->table_free && (heap->table_used + 1 >= places || heap->table_used == range->head->segment_count))
        return 0;
    uint32_t number = range_take(range, actor, SEGMENT_OBJECTS, false);
    if (!number)
        return 0;
    uint32_t *table = table_of(range, heap), local = heap->table_free;
    if (local)
        heap->table_free = table[local] & ~TABLE_FREE;
    else
        local = ++heap->table_used;
    table[local] = number;
    PUT(range->segments[number].clock, local);
    range_own(range, number, shard->index.shard);
    PUT(heap->segments, GET(heap->segments) + 1);
    PUT(heap->stuck_live, 0);
    list_push(range, heap, number);
    return number;
}

static void close_segment(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t number) {
    struct object_heap *heap = &shard->objects;
    struct segment *segment = &engine->range.segments[number];
    uint32_t local = (uint32_t)GET(segment->clock);
    ASSERT(GET(segment->live) == 0 && GET(segment->weight) == 0);
    if (GET(heap->draining) == number)
        PUT(heap->draining, 0);
    else
        list_remove(&engine->range, heap, number);
    table_of(&engine->range, heap)[local] = heap->table_free | TABLE_FREE;
    heap->table_free = local;
    PUT(heap->segments, GET(heap->segments) - 1);
    range_give(&engine->range, actor, number);
}

static uint32_t mark_taken(const struct range *range, struct object_heap *heap, uint32_t number, uint32_t first,
                           uint32_t count) {
    struct segment *segment = &range->segments[number];
    uint64_t taken = GET(segment->blocks) | run_mask(first, count);
    PUT(segment->blocks, taken);
    PUT(segment->weight, GET(segment->weight) | 1ull << first);
    PUT(segment->used, GET(segment->used) + count);
    if (taken == UINT64_MAX)
        list_remove(range, heap, number);
    return reference_to(range, number, first * block_size(range));
}

/* A run of blocks, as the reference of its head; 0 when there is no memory. */
static uint32_t take_blocks(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t count) {
    struct range *range = &engine->range;
    struct object_heap *heap = &shard->objects;
    for (int attempt = 0; attempt < 2; attempt++) {
        uint32_t searched = 0;
        for (uint32_t number = heap->segment_first; number && (attempt || searched++ < SEGMENTS_SEARCHED);
             number = GET(range->segments[number].next)) {
            uint64_t runs = run_find(GET(range->segments[number].blocks), count);
            if (runs)
                return mark_taken(range, heap, number, (uint32_t)__builtin_ctzll(runs), count);
        }
        /* What is moved out of a segment must not take another one. */
        uint32_t number = heap->moving ? 0 : open_segment(engine, actor, shard);
        if (number)
            return mark_taken(range, heap, number, 0, count);
    }
    return 0;
}

static void give_blocks(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t page,
                        uint32_t count) {
    struct range *range = &engine->range;
    struct object_heap *heap = &shard->objects;
    uint32_t number = segment_of(range, heap, page), first = offset_of(range, page) / block_size(range);
    struct segment *segment = &range->segments[number];
    uint64_t taken = GET(segment->blocks);
    ASSERT((taken & run_mask(first, count)) == run_mask(first, count));
    if (taken == UINT64_MAX && number != GET(heap->draining))
        list_push(range, heap, number);
    PUT(segment->blocks, taken & ~run_mask(first, count));
    PUT(segment->weight, GET(segment->weight) & ~(1ull << first));
    PUT(segment->used, GET(segment->used) - count);
    if (GET(segment->used) == 0)
        close_segment(engine, actor, shard, number);
}

/* ------------------------------------------------------------------------------------------ pages */

static void page_push(const struct range *range, struct object_heap *heap, uint32_t page) {
    struct head *head = head_at(range, heap, page);
    uint32_t *first = &heap->pages[class_of(GET(head->slot))];
    PUT(head->next, *first);
    PUT(head->previous, 0);
    if (*first)
        PUT(head_at(range, heap, *first)->previous, page);
    *first = page;
}

static void page_remove(const struct range *range, struct object_heap *heap, uint32_t page) {
    struct head *head = head_at(range, heap, page);
    uint32_t next = GET(head->next), previous = GET(head->previous);
    if (next)
        PUT(head_at(range, heap, next)->previous, previous);
    if (previous)
        PUT(head_at(range, heap, previous)->next, next);
    else
        heap->pages[class_of(GET(head->slot))] = next;
}

static uint32_t new_page(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t slot) {
    uint32_t count, page = take_blocks(engine, actor, shard, page_blocks(&engine->range, slot, &count));
    if (!page)
        return 0;
    struct head *head = head_at(&engine->range, &shard->objects, page);
    PUT(head->slot, slot);
    PUT(head->count, (uint16_t)count);
    PUT(head->used, 0);
    for (uint32_t i = 0; i < bits_size(count) / 8; i++)
        PUT(bits_of(head)[i], 0);
    page_push(&engine->range, &shard->objects, page);
    return page;
}

static void count_live(const struct range *range, struct object_heap *heap, uint32_t reference, uint32_t bytes,
                       int sign) {
    struct segment *segment = &range->segments[segment_of(range, heap, reference)];
    PUT(segment->live, GET(segment->live) + (uint32_t)sign * bytes);
    PUT(heap->live, GET(heap->live) + (uint64_t)(int64_t)sign * bytes);
}

static uint32_t take_slot(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t slot) {
    const struct range *range = &engine->range;
    struct object_heap *heap = &shard->objects;
    uint32_t page = heap->pages[class_of(slot)];
    if (!page && !(page = new_page(engine, actor, shard, slot)))
        return 0;
    struct head *head = head_at(range, heap, page);
    uint32_t word = 0;
    while (GET(bits_of(head)[word]) == UINT64_MAX)
        word++;
    uint64_t taken = GET(bits_of(head)[word]);
    uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(~taken);
    ASSERT(at < GET(head->count));
    PUT(bits_of(head)[word], taken | 1ull << at % 64);
    PUT(head->used, GET(head->used) + 1);
    if (GET(head->used) == GET(head->count))
        page_remove(range, heap, page);
    uint32_t reference = page + (slots_at(head) + at * slot) / UNIT;
    count_live(range, heap, reference, slot, 1);
    return reference;
}

static uint32_t take_run(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t blocks) {
    uint32_t page = take_blocks(engine, actor, shard, blocks);
    if (!page)
        return 0;
    struct head *head = head_at(&engine->range, &shard->objects, page);
    PUT(head->slot, 0);
    PUT(head->count, (uint16_t)blocks);
    PUT(head->used, 1);
    count_live(&engine->range, &shard->objects, page, blocks * block_size(&engine->range), 1);
    return page + HEAD_SIZE / UNIT;
}

uint32_t object_take(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t size_bytes) {
    uint32_t block = block_size(&engine->range);
    if (size_bytes > object_size_max(&engine->range))
        return 0;
    if (slot_of(class_of(size_bytes)) <= SMALL_BLOCKS * block)
        return take_slot(engine, actor, shard, slot_of(class_of(size_bytes)));
    return take_run(engine, actor, shard, (size_bytes + HEAD_SIZE + block - 1) / block);
}

void object_give(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t reference) {
    const struct range *range = &engine->range;
    struct object_heap *heap = &shard->objects;
    uint32_t page = page_of(range, heap, reference), count;
    struct head *head = head_at(range, heap, page);
    uint32_t slot = GET(head->slot);
    count_live(range, heap, reference, object_charge(engine, shard, reference), -1);
    if (slot == 0) {
        ASSERT(reference == page + HEAD_SIZE / UNIT);
        give_blocks(engine, actor, shard, page, GET(head->count));
        return;
    }
    uint32_t at = ((reference - page) * UNIT - slots_at(head)) / slot;
    _Atomic uint64_t *word = &bits_of(head)[at / 64];
    ASSERT(at < GET(head->count) && GET(*word) >> (at % 64) & 1);
    ASSERT(reference == page + (slots_at(head) + at * slot) / UNIT);
    PUT(*word, GET(*word) & ~(1ull << at % 64));
    bool draining = segment_of(range, heap, reference) == GET(heap->draining);
    if (GET(head->used) == GET(head->count) && !draining)
        page_push(range, heap, page);
    PUT(head->used, GET(head->used) - 1);
    if (GET(head->used) > 0)
        return;
    if (!draining)
        page_remove(range, heap, page);
    give_blocks(engine, actor, shard, page, page_blocks(range, slot, &count));
}

uint8_t *object_at(const struct engine *engine, const struct shard *shard, uint32_t reference) {
    return bytes_at(&engine->range, &shard->objects, reference);
}

uint32_t object_charge(const struct engine *engine, const struct shard *shard, uint32_t reference) {
    const struct range *range = &engine->range;
    const struct head *head = head_at(range, &shard->objects, page_of(range, &shard->objects, reference));
    uint32_t slot = GET(head->slot);
    return slot ? slot : GET(head->count) * block_size(range);
}

uint32_t object_room(const struct engine *engine, const struct shard *shard, uint32_t reference) {
    const struct head *head =
        head_at(&engine->range, &shard->objects, page_of(&engine->range, &shard->objects, reference));
    return object_charge(engine, shard, reference) - (GET(head->slot) ? 0 : HEAD_SIZE);
}

/* ------------------------------------------------------------------------------------------ roots */

static bool root_moves(struct engine *engine, struct index_bucket *first, uint64_t cell, uint32_t from, uint32_t to) {
    struct entry entry;
    struct object_root root;
    uint64_t location = cell_location(cell);
    if (!store_entry_at(engine, location, &entry) || !(entry.flags & ENTRY_OBJECT))
        return false;
    uint8_t *at = engine->range.base + location + entry.value_at;
    words_read(&root, at, sizeof root);
    if (root.first != from)
        return false;
    root.first = to;
    index_write_begin(first);
    words_write(at, &root, sizeof root);
    index_write_end(first);
    return true;
}

void object_root_moved(struct engine *engine, struct shard *shard, uint64_t hash, uint32_t from, uint32_t to) {
    struct index_place place = index_place_of(&engine->range, &shard->index, hash);
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (cell_matches(cell, place.wanted) && root_moves(engine, place.bucket, cell, from, to))
                return;
        }
    ASSERT(!"an entry holds the root");
}

/* ------------------------------------------------------------------------------------------ compaction */

/* Whether the dead space is a segment's, besides what pages lose and what is open in each class. Read without the lock. */
static bool is_worth_it(const struct range *range, const struct object_heap *heap) {
    uint64_t size = range_segment_size(range), segments = GET(heap->segments), live = GET(heap->live);
    return segments > 1 && segments * size - live >= size + size / 4 + segments * size / WASTE_SHARE &&
           (GET(heap->stuck_live) == 0 || live + size / 4 <= GET(heap->stuck_live));
}

uint64_t object_floor(const struct range *range, const struct object_heap *heap) {
    uint64_t size = range_segment_size(range), held = GET(heap->segments) * size;
    if (held == 0 || !is_worth_it(range, heap))
        return held;
    /* Where is_worth_it ends: held - live < size * 5/4 + held / WASTE_SHARE. */
    uint64_t floor = (GET(heap->live) + size + size / 4) * WASTE_SHARE / (WASTE_SHARE - 1);
    return floor < held ? floor : held;
}

/* Takes the pages of a segment out of the lists of pages with room, or puts them back. */
static void list_pages(const struct range *range, struct object_heap *heap, uint32_t number, bool listed) {
    for (uint64_t starts = GET(range->segments[number].weight); starts; starts &= starts - 1) {
        uint32_t page = reference_to(range, number, (uint32_t)__builtin_ctzll(starts) * block_size(range));
        struct head *head = head_at(range, heap, page);
        if (GET(head->slot) == 0 || GET(head->used) == GET(head->count))
            continue;
        if (listed)
            page_push(range, heap, page);
        else
            page_remove(range, heap, page);
    }
}

/* Begins to empty the segment with the fewest live bytes. */
static void drain_begin(const struct range *range, struct object_heap *heap) {
    uint32_t best = 0;
    for (uint32_t local = 1; local <= heap->table_used; local++) {
        uint32_t number = table_of(range, heap)[local];
        if (!(number & TABLE_FREE) && (!best || GET(range->segments[number].live) < GET(range->segments[best].live)))
            best = number;
    }
    ASSERT(best != 0);
    list_pages(range, heap, best, false);
    if (GET(range->segments[best].blocks) != UINT64_MAX)
        list_remove(range, heap, best);
    heap->drain_block = 0;
    PUT(heap->draining, best);
}

static void drain_give_up(const struct range *range, struct object_heap *heap) {
    uint32_t number = GET(heap->draining);
    PUT(heap->draining, 0);
    list_pages(range, heap, number, true);
    if (GET(range->segments[number].blocks) != UINT64_MAX)
        list_push(range, heap, number);
    PUT(heap->stuck_live, GET(heap->live));
}

static bool move(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t from, uint32_t *ret_bytes) {
    uint32_t room = object_room(engine, shard, from);
    shard->objects.moving = true;
    uint32_t to = object_take(engine, actor, shard, room);
    shard->objects.moving = false;
    if (!to)
        return false;
    ASSERT(object_room(engine, shard, to) == room);
    words_move(object_at(engine, shard, to), object_at(engine, shard, from), room);
    engine->owner->moved(engine->owner->context, engine, shard, from, to);
    object_give(engine, actor, shard, from);
    actor->counts.copied_bytes += room;
    *ret_bytes = room;
    return true;
}

/* The first object of the segment that is being emptied from `drain_block` on, 0 when nothing is left. */
static uint32_t drain_next(const struct range *range, struct object_heap *heap) {
    uint32_t number = GET(heap->draining);
    uint64_t starts = GET(range->segments[number].weight) & ~run_mask(0, heap->drain_block + 1);
    starts |= GET(range->segments[number].weight) & 1ull << heap->drain_block;
    if (!starts)
        return 0;
    heap->drain_block = (uint32_t)__builtin_ctzll(starts);
    uint32_t page = reference_to(range, number, heap->drain_block * block_size(range));
    struct head *head = head_at(range, heap, page);
    if (GET(head->slot) == 0)
        return page + HEAD_SIZE / UNIT;
    uint32_t word = 0;
    while (GET(bits_of(head)[word]) == 0)
        word++;
    uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(GET(bits_of(head)[word]));
    return page + (slots_at(head) + at * GET(head->slot)) / UNIT;
}

static void drain_on(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct object_heap *heap = &shard->objects;
    uint32_t bytes = 0, moved, from;
    for (uint32_t count = 0; count < SLICE_OBJECTS && bytes < SLICE_BYTES && GET(heap->draining); count++) {
        from = drain_next(&engine->range, heap);
        ASSERT(from != 0); /* an empty segment has been given back, and then none is draining */
        if (!move(engine, actor, shard, from, &moved))
            return drain_give_up(&engine->range, heap);
        bytes += moved;
    }
}

bool object_compact(struct engine *engine, struct actor *actor) {
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        uint32_t at = (actor->id + i) % engine->shard_count;
        struct shard *shard = &engine->shards[at];
        if (GET(shard->objects.segments) == 0 ||
            (!GET(shard->objects.draining) && !is_worth_it(&engine->range, &shard->objects)))
            continue;
        store_lock(engine, actor, at);
        bool wanted = GET(shard->objects.draining) != 0;
        if (!wanted && is_worth_it(&engine->range, &shard->objects)) {
            drain_begin(&engine->range, &shard->objects);
            wanted = true;
        }
        if (wanted)
            drain_on(engine, actor, shard);
        store_unlock(engine, actor, at);
        if (wanted)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------ verify */

static uint32_t verify_page(const struct range *range, const struct object_heap *heap, uint32_t page,
                            uint32_t *ret_blocks) {
    struct head *head = head_at(range, heap, page);
    uint32_t slot = GET(head->slot), used = 0, count;
    if (slot == 0) {
        *ret_blocks = GET(head->count);
        return GET(head->count) * block_size(range);
    }
    ASSERT(slot_of(class_of(slot)) == slot);
    *ret_blocks = page_blocks(range, slot, &count);
    ASSERT(GET(head->count) == count);
    for (uint32_t i = 0; i < count; i++)
        used += GET(bits_of(head)[i / 64]) >> (i % 64) & 1;
    ASSERT(used == GET(head->used) && used > 0);
    return used * slot;
}

static uint64_t verify_segment(const struct range *range, const struct object_heap *heap, uint32_t number,
                               uint32_t *pages_with_room) {
    const struct segment *segment = &range->segments[number];
    uint64_t live = 0, taken = 0;
    for (uint64_t starts = GET(segment->weight); starts; starts &= starts - 1) {
        uint32_t first = (uint32_t)__builtin_ctzll(starts), blocks;
        uint32_t page = reference_to(range, number, first * block_size(range));
        const struct head *head = head_at(range, heap, page);
        live += verify_page(range, heap, page, &blocks);
        ASSERT(first + blocks <= RANGE_BLOCKS && !(taken & run_mask(first, blocks)));
        taken |= run_mask(first, blocks);
        *pages_with_room += number != GET(heap->draining) && GET(head->slot) && GET(head->used) < GET(head->count);
    }
    ASSERT(taken == GET(segment->blocks) && taken != 0);
    ASSERT((uint32_t)__builtin_popcountll(taken) == GET(segment->used));
    ASSERT(live == GET(segment->live));
    return live;
}

void object_verify(const struct engine *engine, const struct shard *shard) {
    const struct range *range = &engine->range;
    const struct object_heap *heap = &shard->objects;
    uint64_t live = 0;
    uint32_t segments = 0, with_blocks = 0, pages_with_room = 0;
    for (uint32_t number = 1; number < GET(range->head->never_used); number++) {
        const struct segment *segment = &range->segments[number];
        if (GET(segment->kind) != SEGMENT_OBJECTS || GET(segment->shard) != shard->index.shard)
            continue;
        ASSERT(table_of(range, heap)[GET(segment->clock)] == number);
        segments++;
        with_blocks += number != GET(heap->draining) && GET(segment->blocks) != UINT64_MAX;
        live += verify_segment(range, heap, number, &pages_with_room);
    }
    ASSERT(segments == GET(heap->segments) && live == GET(heap->live));
    for (uint32_t number = heap->segment_first; number; number = GET(range->segments[number].next), with_blocks--)
        ASSERT(with_blocks > 0 && number != GET(heap->draining));
    for (uint32_t c = 0; c < OBJECT_CLASSES_MAX; c++)
        for (uint32_t page = heap->pages[c]; page; page = GET(head_at(range, heap, page)->next), pages_with_room--)
            ASSERT(pages_with_room > 0 && GET(head_at(range, heap, page)->slot) == slot_of(c));
    ASSERT(with_blocks == 0 && pages_with_room == 0);
}
