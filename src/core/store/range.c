#include "core/store/range.h"

#include "base/assert.h"

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

uint32_t range_reserve(const struct range *range) { return pressure_reserve(GET(range->head->limit)); }

enum pressure range_pressure(const struct range *range) {
    return pressure_level(range_room(range), GET(range->head->limit));
}

bool range_is_over(const struct range *range) { return GET(range->head->used) > GET(range->head->limit); }

uint32_t range_room(const struct range *range) {
    uint32_t limit = GET(range->head->limit);
    uint32_t taken = GET(range->head->used) + range_reserve(range) + GET(range->head->promised);
    return taken >= limit ? 0 : limit - taken;
}

void range_list_push(struct range *range, uint32_t *first, uint32_t number) {
    PUT(range->segments[number].next, *first);
    PUT(range->segments[number].previous, 0);
    if (*first)
        PUT(range->segments[*first].previous, number);
    *first = number;
}

void range_list_remove(struct range *range, uint32_t *first, uint32_t number) {
    uint32_t next = GET(range->segments[number].next), previous = GET(range->segments[number].previous);
    if (next)
        PUT(range->segments[next].previous, previous);
    if (previous)
        PUT(range->segments[previous].next, next);
    else
        *first = next;
}

/* ------------------------------------------------------------------------------------ free segments */

static void free_push(struct range *range, uint32_t number) {
    struct range_head *head = range->head;
    uint8_t backing = GET(range->segments[number].backing);
    uint32_t *first = &head->free_first[backing & SEGMENT_UNITS ? 1 : 0][backing & SEGMENT_FRESH ? 1 : 0];
    PUT(range->segments[number].next, *first);
    *first = number;
    if (!(backing & SEGMENT_FRESH))
        PUT(head->free_resident, GET(head->free_resident) + 1);
}

static uint32_t free_pop(struct range *range, bool units, bool fresh) {
    struct range_head *head = range->head;
    uint32_t number = head->free_first[units][fresh];
    if (!number)
        return 0;
    head->free_first[units][fresh] = GET(range->segments[number].next);
    if (!fresh)
        PUT(head->free_resident, GET(head->free_resident) - 1);
    return number;
}

/* What is resident already goes first, and what was cut into units before, to be cut again. */
static uint32_t free_take(struct range *range, enum segment_kind kind) {
    struct range_head *head = range->head;
    uint32_t number = 0;
    for (int units = kind == SEGMENT_INDEX; !number && units >= 0; units--)
        for (int fresh = 0; !number && fresh < 2; fresh++)
            number = free_pop(range, units, fresh);
    if (number)
        return number;
    number = GET(head->never_used);
    if (number > head->segment_count)
        return 0;
    PUT(range->segments[number].backing, SEGMENT_FRESH);
    PUT(head->never_used, number + 1);
    return number;
}

/* Under the lock of the pool. What `promised` says beyond the caller's own part belongs to others; reclaim gives back more than it
 * takes. */
static uint32_t take_locked(struct range *range, enum segment_kind kind, bool for_reclaim, uint32_t own_promise) {
    struct range_head *head = range->head;
    uint32_t used = GET(head->used), limit = GET(head->limit), ceiling = GET(head->ceiling);
    uint32_t reserve =
        for_reclaim ? 0 : range_reserve(range) - range_reserve(range) / 2 + GET(head->promised) - own_promise;
    if (for_reclaim && kind == SEGMENT_LOG && ceiling > limit)
        limit = ceiling; /* copying is how the lowered limit is reached */
    uint32_t number = used + reserve < limit ? free_take(range, kind) : 0;
    if (!number)
        return 0;
    PUT(head->used, used + 1);
    if (segment_kind_is_fixed(kind))
        PUT(head->fixed, GET(head->fixed) + 1);
    if (kind == SEGMENT_BLOCKS)
        PUT(head->block_segments, GET(head->block_segments) + 1);
    struct segment *segment = &range->segments[number];
    ASSERT(GET(segment->kind) == SEGMENT_FREE);
    PUT(segment->live, 0);
    PUT(segment->used, 0);
    PUT(segment->sealed, 0);
    PUT(segment->next, 0);
    PUT(segment->previous, 0);
    PUT(segment->due_ms, UINT64_MAX);
    PUT(segment->weight, 0);
    PUT(segment->blocks, 0);
    PUT(segment->shard, RANGE_NOBODY);
    atomic_store_explicit(&segment->kind, kind, memory_order_release);
    return number;
}

static void give_locked(struct range *range, uint32_t number) {
    struct range_head *head = range->head;
    struct segment *segment = &range->segments[number];
    enum segment_kind kind = GET(segment->kind);
    ASSERT(kind != SEGMENT_FREE);
    if (segment_kind_is_fixed(kind))
        PUT(head->fixed, GET(head->fixed) - 1);
    if (kind == SEGMENT_BLOCKS)
        PUT(head->block_segments, GET(head->block_segments) - 1);
    uint32_t shard = GET(segment->shard);
    if (shard != RANGE_NOBODY)
        atomic_fetch_sub_explicit(&range->charges[shard], range_segment_size(range), memory_order_relaxed);
    /* Under the lock of the shard that gives it: whoever holds that lock and reads the shard's number here knows that
     * the segment is the shard's, whatever another shard makes of it meanwhile. */
    PUT(segment->shard, RANGE_NOBODY);
    PUT(segment->kind, SEGMENT_FREE);
    PUT(segment->backing, GET(segment->backing) & (uint8_t)~SEGMENT_FRESH);
    free_push(range, number);
    uint32_t used = GET(head->used) - 1, room = used + range_reserve(range);
    PUT(head->used, used);
    if (room < GET(head->ceiling))
        PUT(head->ceiling, room);
}

uint32_t range_take(struct range *range, struct actor *actor, enum segment_kind kind, bool for_reclaim) {
    ASSERT(kind != SEGMENT_INDEX);
    lock_take(&range->head->pool, actor->id, &range->waiting);
    uint32_t number = take_locked(range, kind, for_reclaim, actor->promised);
    lock_give(&range->head->pool, &range->waiting);
    if (number && actor->promised && !for_reclaim) {
        actor->promised--;
        atomic_fetch_sub_explicit(&range->head->promised, 1, memory_order_relaxed);
    }
    return number;
}

void range_own(struct range *range, uint32_t number, uint32_t shard) {
    atomic_fetch_add_explicit(&range->charges[shard], range_segment_size(range), memory_order_relaxed);
    atomic_store_explicit(&range->segments[number].shard, shard, memory_order_release);
}

void range_give(struct range *range, struct actor *actor, uint32_t number) {
    ASSERT(number >= 1 && number <= range->head->segment_count);
    lock_take(&range->head->pool, actor->id, &range->waiting);
    ASSERT(GET(range->segments[number].kind) != SEGMENT_INDEX);
    give_locked(range, number);
    lock_give(&range->head->pool, &range->waiting);
}

/* ------------------------------------------------------------------------------------ units */

static uint64_t all_units(const struct range *range) { return (1ull << range_units_a_segment(range)) - 1; }

static uint32_t *list_of_units(struct range *range, enum segment_kind kind) {
    struct range_head *head = range->head;
    return kind == SEGMENT_INDEX    ? &head->unit_first
           : kind == SEGMENT_GHOSTS ? &head->ghost_unit_first
           : kind == SEGMENT_TAGS   ? &head->tag_unit_first
                                    : &head->tier_unit_first;
}

static _Atomic uint32_t *count_of_units(struct range *range, enum segment_kind kind) {
    struct range_head *head = range->head;
    return kind == SEGMENT_INDEX    ? &head->units
           : kind == SEGMENT_GHOSTS ? &head->ghost_units
           : kind == SEGMENT_TAGS   ? &head->tag_units
                                    : &head->tier_units;
}

/* A segment with a free unit, under the lock of the pool. */
static uint32_t segment_with_unit(struct range *range, enum segment_kind kind) {
    uint32_t *first = list_of_units(range, kind);
    if (*first)
        return *first;
    uint32_t number = take_locked(range, kind, true, 0);
    if (!number)
        return 0;
    struct segment *segment = &range->segments[number];
    PUT(segment->weight, range_is_fresh(range, number) ? 0 : all_units(range));
    if (kind == SEGMENT_INDEX)
        PUT(segment->backing, GET(segment->backing) | SEGMENT_UNITS);
    range_list_push(range, first, number);
    return number;
}

void range_expect_full(struct range *range, uint32_t number, uint32_t alike) {
    enum { ALIKE_MIN = 16 };
    if (alike < ALIKE_MIN || !range->backing.dense || !range->backing.huge_size || range_group(range) > 1 ||
        !range_is_fresh(range, number))
        return;
    atomic_fetch_or_explicit(&range->segments[number].backing, SEGMENT_DENSE, memory_order_relaxed);
    range->backing.dense(range->base + range_segment_at(range, number), range_segment_size(range), false);
}

uint32_t range_take_unit(struct range *range, struct actor *actor, enum segment_kind kind, uint32_t shard) {
    ASSERT(segment_kind_has_units(kind));
    struct range_head *head = range->head;
    lock_take(&head->pool, actor->id, &range->waiting);
    uint32_t number = segment_with_unit(range, kind), unit = 0;
    bool old = false, first = false;
    if (number) {
        struct segment *segment = &range->segments[number];
        uint64_t taken = GET(segment->blocks), bit = ~taken & (taken + 1);
        old = GET(segment->weight) & bit;
        PUT(segment->weight, GET(segment->weight) | bit);
        PUT(segment->blocks, taken | bit);
        if ((taken | bit) == all_units(range)) {
            range_list_remove(range, list_of_units(range, kind), number);
            PUT(segment->sealed, 1);
            range_note_full(range);
        }
        first = taken == 0;
        unit = (number << (range->segment_shift - range->unit_shift)) + (uint32_t)__builtin_ctzll(bit);
        PUT(*count_of_units(range, kind), GET(*count_of_units(range, kind)) + 1);
    }
    lock_give(&head->pool, &range->waiting);
    if (unit)
        atomic_fetch_add_explicit(&range->charges[shard], head->unit_size, memory_order_relaxed);
    if (first)
        range_expect_full(range, number, GET(*count_of_units(range, kind)) / range_units_a_segment(range));
    if (old)
        words_zero(range->base + range_unit_at(range, unit), head->unit_size);
    return unit;
}

void range_give_unit(struct range *range, struct actor *actor, uint32_t shard, uint32_t unit) {
    struct range_head *head = range->head;
    atomic_fetch_sub_explicit(&range->charges[shard], head->unit_size, memory_order_relaxed);
    uint32_t units_shift = range->segment_shift - range->unit_shift, number = unit >> units_shift;
    uint64_t bit = 1ull << (unit & ((1u << units_shift) - 1));
    lock_take(&head->pool, actor->id, &range->waiting);
    struct segment *segment = &range->segments[number];
    uint64_t taken = GET(segment->blocks);
    enum segment_kind kind = GET(segment->kind);
    ASSERT(segment_kind_has_units(kind) && (taken & bit));
    if (taken == all_units(range)) {
        range_list_push(range, list_of_units(range, kind), number);
        PUT(segment->sealed, 0);
    }
    PUT(segment->blocks, taken & ~bit);
    PUT(*count_of_units(range, kind), GET(*count_of_units(range, kind)) - 1);
    if (taken == bit) {
        range_list_remove(range, list_of_units(range, kind), number);
        give_locked(range, number);
    }
    lock_give(&head->pool, &range->waiting);
}

/* ------------------------------------------------------------------------------------ memory behind free segments */

uint32_t range_release_begin(struct range *range, struct actor *actor) {
    lock_take(&range->head->pool, actor->id, &range->waiting);
    uint32_t number = free_pop(range, false, false);
    if (!number)
        number = free_pop(range, true, false);
    range->head->releasing += number != 0;
    lock_give(&range->head->pool, &range->waiting);
    return number;
}

void range_release_end(struct range *range, struct actor *actor, uint32_t number) {
    struct segment *segment = &range->segments[number];
    lock_take(&range->head->pool, actor->id, &range->waiting);
    PUT(segment->backing, (uint8_t)((GET(segment->backing) & ~SEGMENT_DENSE) | SEGMENT_FRESH));
    free_push(range, number);
    range->head->releasing--;
    lock_give(&range->head->pool, &range->waiting);
}

/* ------------------------------------------------------------------------------------ verify */

/* What was counted of one kind, by kind: the units taken, and the segments with room for more, which make up its list. */
static void verify_units(const struct range *range, enum segment_kind kind, uint32_t first, uint32_t taken,
                         const uint32_t *units, const uint32_t *with_room) {
    uint32_t listed = 0;
    ASSERT(units[kind] == taken);
    for (uint32_t number = first; number; number = GET(range->segments[number].next))
        ASSERT(listed++ < with_room[kind] && GET(range->segments[number].kind) == kind);
    ASSERT(listed == with_room[kind]);
}

void range_verify(const struct range *range) {
    const struct range_head *head = range->head;
    uint32_t used = 0, fixed = 0, blocks = 0, units[SEGMENT_KIND_COUNT] = {0}, with_room[SEGMENT_KIND_COUNT] = {0},
             free_count = 0, end = GET(head->never_used);
    for (uint32_t number = 1; number < end; number++) {
        const struct segment *segment = &range->segments[number];
        enum segment_kind kind = GET(segment->kind);
        uint64_t taken = GET(segment->blocks);
        used += kind != SEGMENT_FREE;
        fixed += segment_kind_is_fixed(kind);
        blocks += kind == SEGMENT_BLOCKS;
        ASSERT(kind == SEGMENT_FREE || kind == SEGMENT_INDEX || !(GET(segment->backing) & SEGMENT_UNITS));
        if (!segment_kind_has_units(kind))
            continue;
        ASSERT(taken != 0 && (taken & ~all_units(range)) == 0);
        ASSERT((taken & ~GET(segment->weight)) == 0);
        units[kind] += (uint32_t)__builtin_popcountll(taken);
        with_room[kind] += taken != all_units(range);
    }
    ASSERT(used == GET(head->used) && fixed == GET(head->fixed) && blocks == GET(head->block_segments));
    verify_units(range, SEGMENT_INDEX, head->unit_first, GET(head->units), units, with_room);
    verify_units(range, SEGMENT_GHOSTS, head->ghost_unit_first, GET(head->ghost_units), units, with_room);
    verify_units(range, SEGMENT_TAGS, head->tag_unit_first, GET(head->tag_units), units, with_room);
    verify_units(range, SEGMENT_TIER, head->tier_unit_first, GET(head->tier_units), units, with_room);
    uint32_t resident = 0;
    for (int i = 0; i < 4; i++)
        for (uint32_t number = head->free_first[i / 2][i % 2]; number; number = GET(range->segments[number].next)) {
            uint8_t backing = GET(range->segments[number].backing);
            ASSERT(GET(range->segments[number].kind) == SEGMENT_FREE && free_count++ < end);
            ASSERT((backing & SEGMENT_UNITS ? 1 : 0) == i / 2 && (backing & SEGMENT_FRESH ? 1 : 0) == i % 2);
            resident += i % 2 == 0;
        }
    ASSERT(used + free_count + head->releasing == end - 1 && resident == GET(head->free_resident));
}
