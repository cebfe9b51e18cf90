#include "core/store/range.h"

#include "base/assert.h"

uint32_t range_reserve(const struct range *range) {
    uint32_t limit = atomic_load_explicit(&range->head->limit, memory_order_relaxed);
    uint32_t reserve = limit / 64;
    return reserve < 4 ? 4 : reserve;
}

uint32_t range_room(const struct range *range) {
    uint32_t limit = atomic_load_explicit(&range->head->limit, memory_order_relaxed);
    uint32_t taken = atomic_load_explicit(&range->head->used, memory_order_relaxed) + range_reserve(range) +
                     atomic_load_explicit(&range->head->promised, memory_order_relaxed);
    return taken >= limit ? 0 : limit - taken;
}

/* Kinds that reclaim does not touch. */
static bool is_fixed(uint8_t kind) { return kind == SEGMENT_INDEX || kind == SEGMENT_GHOSTS || kind == SEGMENT_FILTER; }

static uint32_t take_locked(struct range *range) {
    struct range_head *head = range->head;
    if (head->free_first) {
        uint32_t number = head->free_first;
        head->free_first = atomic_load_explicit(&range->segments[number].next, memory_order_relaxed);
        range->segments[number].fresh = 0;
        return number;
    }
    uint32_t number = atomic_load_explicit(&head->never_used, memory_order_relaxed);
    if (number > head->segment_count)
        return 0;
    range->segments[number].fresh = 1;
    atomic_store_explicit(&head->never_used, number + 1, memory_order_relaxed);
    return number;
}

uint32_t range_take(struct range *range, struct actor *actor, enum segment_kind kind, bool for_reclaim) {
    struct range_head *head = range->head;
    uint32_t number = 0;
    lock_take(&head->pool, actor->id, &range->waiting);
    uint32_t used = atomic_load_explicit(&head->used, memory_order_relaxed);
    uint32_t limit = atomic_load_explicit(&head->limit, memory_order_relaxed);
    uint32_t reserve = for_reclaim ? 0 : range_reserve(range) / 2;
    uint32_t ceiling = atomic_load_explicit(&head->ceiling, memory_order_relaxed);
    if (for_reclaim && kind == SEGMENT_LOG && ceiling > limit)
        limit = ceiling; /* copying is how the lowered limit is reached */
    if (used + reserve < limit)
        number = take_locked(range);
    if (number)
        atomic_store_explicit(&head->used, used + 1, memory_order_relaxed);
    lock_give(&head->pool, &range->waiting);
    if (!number)
        return 0;
    if (actor->promised && !for_reclaim) {
        actor->promised--;
        atomic_fetch_sub_explicit(&head->promised, 1, memory_order_relaxed);
    }
    struct segment *segment = &range->segments[number];
    ASSERT(atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_FREE);
    atomic_store_explicit(&segment->live, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->used, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->sealed, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->next, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->previous, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->due_ms, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&segment->weight, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->blocks, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->shard, RANGE_NOBODY, memory_order_relaxed);
    atomic_store_explicit(&segment->kind, kind, memory_order_release);
    if (is_fixed(kind))
        atomic_fetch_add_explicit(&head->fixed, 1, memory_order_relaxed);
    return number;
}

void range_give(struct range *range, struct actor *actor, uint32_t number) {
    struct range_head *head = range->head;
    struct segment *segment = &range->segments[number];
    ASSERT(number >= 1 && number <= head->segment_count);
    ASSERT(atomic_load_explicit(&segment->kind, memory_order_relaxed) != SEGMENT_INDEX);
    if (is_fixed(atomic_load_explicit(&segment->kind, memory_order_relaxed)))
        atomic_fetch_sub_explicit(&head->fixed, 1, memory_order_relaxed);
    lock_take(&head->pool, actor->id, &range->waiting);
    ASSERT(atomic_load_explicit(&segment->kind, memory_order_relaxed) != SEGMENT_FREE);
    /* Under the lock of the shard that gives it: whoever holds that lock and reads the shard's number here knows that
     * the segment is the shard's, whatever another shard makes of it meanwhile. */
    atomic_store_explicit(&segment->shard, RANGE_NOBODY, memory_order_relaxed);
    atomic_store_explicit(&segment->kind, SEGMENT_FREE, memory_order_relaxed);
    atomic_store_explicit(&segment->next, head->free_first, memory_order_relaxed);
    head->free_first = number;
    uint32_t room = atomic_fetch_sub_explicit(&head->used, 1, memory_order_relaxed) - 1 + range_reserve(range);
    if (room < atomic_load_explicit(&head->ceiling, memory_order_relaxed))
        atomic_store_explicit(&head->ceiling, room, memory_order_relaxed);
    lock_give(&head->pool, &range->waiting);
}
