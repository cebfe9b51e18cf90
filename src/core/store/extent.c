#include "core/store/extent.h"

#include "base/assert.h"
#include "base/bits.h"
#include "core/store/run.h"

enum {
    SEGMENTS_SEARCHED = 16,
    HOLE_MIN = RANGE_BLOCKS / 16,
    GROUP_BLOCKS = RANGE_BLOCKS / RANGE_REFERENCES,
    REFERENCE_ONE = GROUP_BLOCKS, /* the count stands above the block's place in its group */
    VACATE_FREE_MIN = RANGE_BLOCKS / 4,
    RELEASED_AT_ONCE = 32
};

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

/* Header: the next extent's offset, bytes of room, blocks, the hash of the owner's key (0: none yet). Written before the chain is linked and changed only under the lock
 * of the shard that owns it, by whoever is its only holder. */
struct header {
    _Atomic uint64_t next;
    _Atomic uint32_t room;
    _Atomic uint32_t blocks;
    _Atomic uint64_t owner;
    uint64_t spare;
};
static_assert(sizeof(struct header) == EXTENT_HEAD_SIZE, "as the drawing says");

static struct header *header_at(const struct range *range, uint64_t at) {
    return (struct header *)(void *)(range->base + at);
}

static uint32_t block_size(const struct range *range) { return range_segment_size(range) / RANGE_BLOCKS; }

/* Holders of the value whose first run begins in a group of blocks; a first run is no shorter than a group, so there is at most one.
 *
 *     reference   [count 30 | which block of the group 2]
 */
static _Atomic uint32_t *reference_of(const struct range *range, uint64_t first) {
    uint32_t number = range_segment_of(range, first);
    uint64_t block = (first - range_segment_at(range, number)) / block_size(range);
    return &range->references[(uint64_t)number * RANGE_REFERENCES + block / GROUP_BLOCKS];
}

static uint32_t reference_make(const struct range *range, uint64_t first, uint32_t count) {
    return count * REFERENCE_ONE + (uint32_t)(first / block_size(range) % GROUP_BLOCKS);
}

/* A segment is in the list of its longest run of free blocks; in none when it has no free one, or is none of blocks (yet, or any more). */
static void blocks_set(struct range *range, uint32_t number, uint64_t before, uint64_t taken) {
    uint32_t *lists = range->head->block_first, free_before = run_longest(before), free_now = run_longest(taken);
    PUT(range->segments[number].blocks, taken);
    bool was_in = free_before > 0 && before != 0, is_in = free_now > 0 && taken != 0;
    if (was_in && is_in && bits_log2(free_before) == bits_log2(free_now))
        return;
    if (was_in)
        range_list_remove(range, &lists[bits_log2(free_before)], number);
    if (is_in)
        range_list_push(range, &lists[bits_log2(free_now)], number);
}

static uint64_t mark_taken(struct range *range, uint32_t number, uint32_t first, uint32_t count) {
    struct segment *segment = &range->segments[number];
    uint64_t before = GET(segment->blocks), taken = before | run_mask(first, count);
    blocks_set(range, number, before, taken);
    atomic_fetch_add_explicit(&segment->used, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&range->head->blocks_live, (uint64_t)count * block_size(range), memory_order_relaxed);
    if (taken == UINT64_MAX)
        range_note_full(range);
    return range_segment_at(range, number) + (uint64_t)first * block_size(range);
}

/* A segment of the list with at least so many free blocks in a row; 0: none of those that were looked at. */
static uint32_t find_in_list(const struct range *range, uint32_t list, uint32_t least) {
    uint32_t number = range->head->block_first[list];
    for (uint32_t searched = 0; number && searched < SEGMENTS_SEARCHED; searched++) {
        const struct segment *segment = &range->segments[number];
        if (!GET(segment->sealed) && run_longest(GET(segment->blocks)) >= least) /* else it is being vacated */
            return number;
        number = GET(segment->next);
    }
    return 0;
}

/* A run of `wanted` blocks in a segment that has little more than that in a row, or else as many as there are somewhere in a row, from
 * `least` on. */
static uint64_t take_from_lists(struct range *range, uint32_t wanted, uint32_t least, uint32_t *ret_count) {
    uint32_t number = 0, count = wanted, lowest = bits_log2(least);
    for (uint32_t list = bits_log2(wanted); !number && list < RANGE_RUN_CLASSES; list++)
        number = find_in_list(range, list, wanted);
    for (uint32_t list = bits_log2(wanted) + 1; !number && least < wanted && list-- > lowest;) {
        number = list < RANGE_RUN_CLASSES ? find_in_list(range, list, least) : 0;
        if (number)
            count = run_longest(GET(range->segments[number].blocks));
    }
    if (!number)
        return 0;
    *ret_count = count < wanted ? count : wanted;
    return mark_taken(range, number,
                      (uint32_t)__builtin_ctzll(run_find(GET(range->segments[number].blocks), *ret_count)), *ret_count);
}

/* Under the lock of the blocks. */
static void vacate_end(struct range *range) {
    uint32_t number = GET(range->head->vacating);
    if (number)
        PUT(range->segments[number].sealed, 0);
    PUT(range->head->vacating, 0);
}

/* Fills the holes that freed values leave before it opens another segment, or they would add up: a hole is used from a sixteenth of
 * a segment on. When memory is short, any hole will do. */
static uint64_t take_run(struct range *range, struct actor *actor, uint32_t wanted, uint32_t smallest,
                         uint32_t *ret_count) {
    uint64_t at = take_from_lists(range, wanted, wanted, ret_count);
    /* While others have to go for a new segment, smaller holes are good enough, of an eighth of the value. */
    bool short_of = range_pressure(range) != PRESSURE_CALM;
    uint32_t least = short_of && wanted / 8 < HOLE_MIN ? wanted / 8 + 1 : HOLE_MIN;
    least = least < smallest ? smallest : least;
    if (!at && wanted > least)
        at = take_from_lists(range, wanted, least, ret_count);
    if (at)
        return at;
    uint32_t number = range_take(range, actor, SEGMENT_BLOCKS, false);
    if (!number) {
        vacate_end(range); /* its holes are wanted now */
        return take_from_lists(range, wanted, smallest, ret_count);
    }
    *ret_count = wanted;
    return mark_taken(range, number, 0, wanted);
}

static void give_run(struct range *range, struct actor *actor, uint64_t at, uint32_t count) {
    uint32_t number = range_segment_of(range, at);
    struct segment *segment = &range->segments[number];
    uint32_t first = (uint32_t)((at - range_segment_at(range, number)) / block_size(range));
    uint64_t taken = atomic_load_explicit(&segment->blocks, memory_order_relaxed);
    ASSERT((taken & run_mask(first, count)) == run_mask(first, count));
    blocks_set(range, number, taken, taken & ~run_mask(first, count));
    taken &= ~run_mask(first, count);
    atomic_fetch_sub_explicit(&segment->used, count, memory_order_relaxed);
    atomic_fetch_sub_explicit(&range->head->blocks_live, (uint64_t)count * block_size(range), memory_order_relaxed);
    if (taken == 0) {
        if (GET(range->head->vacating) == number)
            PUT(range->head->vacating, 0);
        range_give(range, actor, number);
    }
}

bool extent_add(struct range *range, struct actor *actor, struct extents *chain, uint64_t wanted) {
    uint64_t blocks = (wanted + EXTENT_HEAD_SIZE + block_size(range) - 1) / block_size(range);
    uint32_t smallest = !chain->first ? GROUP_BLOCKS : block_size(range) > EXTENT_HEAD_SIZE ? 1 : 2;
    uint32_t count = blocks > RANGE_BLOCKS ? RANGE_BLOCKS : blocks < smallest ? smallest : (uint32_t)blocks;
    lock_take(&range->head->blocks, actor->id, &range->waiting);
    uint64_t at = take_run(range, actor, count, smallest, &count);
    if (!at) {
        lock_give(&range->head->blocks, &range->waiting);
        return false;
    }
    /* Still under the lock, for whoever vacates the segment goes from header to header. */
    struct header *header = header_at(range, at);
    uint32_t room = count * block_size(range) - EXTENT_HEAD_SIZE;
    atomic_store_explicit(&header->next, 0, memory_order_relaxed);
    atomic_store_explicit(&header->room, room, memory_order_relaxed);
    atomic_store_explicit(&header->blocks, count, memory_order_relaxed);
    atomic_store_explicit(&header->owner, 0, memory_order_relaxed);
    lock_give(&range->head->blocks, &range->waiting);
    if (chain->first) {
        atomic_store_explicit(&header_at(range, chain->last)->next, at, memory_order_release);
    } else {
        chain->first = at;
        atomic_store_explicit(reference_of(range, at), reference_make(range, at, 1), memory_order_release);
    }
    chain->last = at;
    chain->room += room;
    return true;
}

struct extent_cursor extent_seek(const struct range *range, uint64_t first, uint64_t offset) {
    struct extent_cursor cursor = {first, offset};
    while (cursor.at && cursor.offset >= GET(header_at(range, cursor.at)->room)) {
        cursor.offset -= GET(header_at(range, cursor.at)->room);
        cursor.at = atomic_load_explicit(&header_at(range, cursor.at)->next, memory_order_acquire);
    }
    return cursor;
}

uint8_t *extent_next(const struct range *range, struct extent_cursor *cursor, uint64_t wanted, uint64_t *ret_size) {
    if (!cursor->at) {
        *ret_size = 0;
        return NULL;
    }
    struct header *header = header_at(range, cursor->at);
    uint64_t room = GET(header->room) - cursor->offset;
    uint8_t *piece = range->base + cursor->at + EXTENT_HEAD_SIZE + cursor->offset;
    *ret_size = room < wanted ? room : wanted;
    if (room <= wanted)
        *cursor = (struct extent_cursor){atomic_load_explicit(&header->next, memory_order_acquire), 0};
    else
        cursor->offset += wanted;
    return piece;
}

uint8_t *extent_piece(const struct range *range, uint64_t first, uint64_t offset, uint64_t *ret_size) {
    struct extent_cursor cursor = extent_seek(range, first, offset);
    return extent_next(range, &cursor, UINT64_MAX, ret_size);
}

uint8_t *extent_last_piece(const struct range *range, const struct extents *chain, uint64_t offset,
                           uint64_t *ret_size) {
    uint64_t room = GET(header_at(range, chain->last)->room), before = chain->room - room;
    ASSERT(offset >= before && offset < chain->room);
    *ret_size = chain->room - offset;
    return range->base + chain->last + EXTENT_HEAD_SIZE + (offset - before);
}

uint64_t extent_room(const struct range *range, uint64_t first, uint64_t *ret_last) {
    uint64_t room = 0;
    for (uint64_t at = first; at; at = atomic_load_explicit(&header_at(range, at)->next, memory_order_relaxed)) {
        room += atomic_load_explicit(&header_at(range, at)->room, memory_order_relaxed);
        *ret_last = at;
    }
    return room;
}

uint64_t extent_charge(const struct range *range, uint64_t first) {
    uint64_t blocks = 0;
    for (uint64_t at = first; at; at = atomic_load_explicit(&header_at(range, at)->next, memory_order_relaxed))
        blocks += atomic_load_explicit(&header_at(range, at)->blocks, memory_order_relaxed);
    return blocks * block_size(range);
}

uint64_t extent_held_bytes(const struct range *range) {
    uint64_t bytes = 0;
    for (uint32_t number = 1; number < GET(range->head->never_used); number++) {
        const _Atomic uint32_t *references = &range->references[(uint64_t)number * RANGE_REFERENCES];
        for (uint32_t i = 0; i < RANGE_REFERENCES && GET(range->segments[number].kind) == SEGMENT_BLOCKS; i++) {
            uint32_t reference = GET(references[i]), block = i * GROUP_BLOCKS + reference % GROUP_BLOCKS;
            uint64_t first = range_segment_at(range, number) + (uint64_t)block * block_size(range);
            if (reference >= REFERENCE_ONE)
                bytes += reference / REFERENCE_ONE * extent_charge(range, first);
        }
    }
    return bytes;
}

bool extent_hold(const struct range *range, uint64_t first) {
    uint32_t number = range_segment_of(range, first);
    if (first >= range->head->range_size || first < range->segments_origin || number < 1 ||
        number > range->head->segment_count || (first - range_segment_at(range, number)) % block_size(range))
        return false;
    _Atomic uint32_t *reference = reference_of(range, first);
    uint32_t held = atomic_load_explicit(reference, memory_order_relaxed);
    while (held >= REFERENCE_ONE && held % REFERENCE_ONE == reference_make(range, first, 0))
        if (atomic_compare_exchange_weak_explicit(reference, &held, held + REFERENCE_ONE, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool extent_alone(const struct range *range, uint64_t first) {
    /* A read-modify-write, so that it is not read before the number of the bucket, which the caller has just made odd, is
     * written: a reader that holds the value afterwards sees that number and lets go again. */
    return atomic_fetch_add_explicit(reference_of(range, first), 0, memory_order_seq_cst) / REFERENCE_ONE == 1;
}

/* Up to RELEASED_AT_ONCE extents of a chain that nobody else knows any more; answers the next one. */
static uint64_t release_some(struct range *range, struct actor *actor, uint64_t first) {
    uint64_t runs[RELEASED_AT_ONCE], at = first;
    uint32_t blocks[RELEASED_AT_ONCE], count = 0;
    for (; at && count < RELEASED_AT_ONCE; count++) {
        runs[count] = at;
        blocks[count] = GET(header_at(range, at)->blocks);
        at = GET(header_at(range, at)->next);
    }
    lock_take(&range->head->blocks, actor->id, &range->waiting);
    for (uint32_t i = 0; i < count; i++)
        give_run(range, actor, runs[i], blocks[i]);
    lock_give(&range->head->blocks, &range->waiting);
    return at;
}

void extent_release(struct range *range, struct actor *actor, uint64_t first) {
    uint32_t before = atomic_fetch_sub_explicit(reference_of(range, first), REFERENCE_ONE, memory_order_acq_rel);
    ASSERT(before >= REFERENCE_ONE && before % REFERENCE_ONE == reference_make(range, first, 0));
    for (uint64_t at = before >= 2 * REFERENCE_ONE ? 0 : first; at;)
        at = release_some(range, actor, at);
}

/* ---------------------------------------------------------------------------------------- moving */

void extent_set_owner(struct range *range, uint64_t first, uint64_t hash) {
    for (uint64_t at = first; at; at = atomic_load_explicit(&header_at(range, at)->next, memory_order_relaxed))
        atomic_store_explicit(&header_at(range, at)->owner, hash, memory_order_relaxed);
}

static uint32_t free_blocks(const struct range *range, uint32_t number) {
    return RANGE_BLOCKS - atomic_load_explicit(&range->segments[number].used, memory_order_relaxed);
}

/* The segment of blocks with the most free ones. Reads the table without locks; whoever acts on it looks again. */
static uint32_t find_sparsest(const struct range *range) {
    uint32_t sparsest = 0, most = VACATE_FREE_MIN - 1, end = GET(range->head->never_used);
    for (uint32_t number = 1; number < end; number++) {
        const struct segment *segment = &range->segments[number];
        if (GET(segment->kind) == SEGMENT_BLOCKS && !GET(segment->sealed) && free_blocks(range, number) > most)
            sparsest = number, most = free_blocks(range, number);
    }
    return sparsest;
}

bool extent_vacate_begin(struct range *range, struct actor *actor, uint64_t free_min_bytes) {
    struct range_head *head = range->head;
    uint64_t held = (uint64_t)GET(head->block_segments) << range->segment_shift, live = GET(head->blocks_live);
    /* Not unless what lives in it fits the holes of the others. */
    uint32_t number = held > live && held - live >= range_segment_size(range) ? find_sparsest(range) : 0;
    if (!number)
        return false;
    lock_take(&head->blocks, actor->id, &range->waiting);
    struct segment *segment = &range->segments[number];
    bool begun = GET(segment->kind) == SEGMENT_BLOCKS && GET(head->vacating) == 0 &&
                 free_blocks(range, number) >= VACATE_FREE_MIN &&
                 (uint64_t)free_blocks(range, number) * block_size(range) >= free_min_bytes;
    if (begun) {
        PUT(segment->sealed, 1);
        PUT(head->vacating, number);
        head->vacate_block = 0;
    }
    lock_give(&head->blocks, &range->waiting);
    return begun;
}

uint64_t extent_vacate_next(struct range *range, struct actor *actor, uint64_t *ret_owner) {
    struct range_head *head = range->head;
    uint64_t at = 0;
    lock_take(&head->blocks, actor->id, &range->waiting);
    uint32_t number = GET(head->vacating);
    uint64_t taken = number ? GET(range->segments[number].blocks) : 0;
    uint64_t rest = head->vacate_block < RANGE_BLOCKS ? taken >> head->vacate_block << head->vacate_block : 0;
    if (rest) {
        /* Nothing is put between runs while the segment is sealed, so a taken block behind a run begins the next one. */
        uint32_t first = (uint32_t)__builtin_ctzll(rest);
        at = range_segment_at(range, number) + (uint64_t)first * block_size(range);
        head->vacate_block = first + GET(header_at(range, at)->blocks);
        *ret_owner = GET(header_at(range, at)->owner);
    } else {
        vacate_end(range);
    }
    lock_give(&head->blocks, &range->waiting);
    return at;
}

uint64_t extent_run_bytes(const struct range *range, uint64_t run) {
    return (uint64_t)GET(header_at(range, run)->blocks) * block_size(range);
}

bool extent_has_run(const struct range *range, uint64_t first, uint64_t run) {
    uint64_t at = first;
    while (at && at != run)
        at = atomic_load_explicit(&header_at(range, at)->next, memory_order_relaxed);
    return at != 0;
}

/* What points to the run: the extent before it, or the entry (0). */
static uint64_t run_before(const struct range *range, uint64_t first, uint64_t run) {
    uint64_t before = 0;
    for (uint64_t at = first; at != run; at = atomic_load_explicit(&header_at(range, at)->next, memory_order_relaxed))
        before = at;
    return before;
}

uint64_t extent_move_run(struct range *range, struct actor *actor, uint64_t first, uint64_t run) {
    uint32_t wanted = atomic_load_explicit(&header_at(range, run)->blocks, memory_order_relaxed), count = 0;
    lock_take(&range->head->blocks, actor->id, &range->waiting);
    uint64_t to = take_from_lists(range, wanted, wanted, &count);
    if (to) { /* whole before the lock is given up, as in extent_add */
        atomic_store_explicit(&header_at(range, to)->blocks, wanted, memory_order_relaxed);
        atomic_store_explicit(&header_at(range, to)->owner, 0, memory_order_relaxed);
    }
    lock_give(&range->head->blocks, &range->waiting);
    if (!to)
        return 0;
    uint64_t before = run_before(range, first, run);
    uint32_t alone = reference_make(range, run, 1);
    /* A reader that comes too late may have taken a reference since the caller looked, which it is about to let go: the first
     * extent goes only if its count can be taken from 1 to 0 in one step. */
    if (!before && !atomic_compare_exchange_strong_explicit(reference_of(range, run), &alone, 0, memory_order_acq_rel,
                                                            memory_order_relaxed)) {
        lock_take(&range->head->blocks, actor->id, &range->waiting);
        give_run(range, actor, to, wanted);
        lock_give(&range->head->blocks, &range->waiting);
        return 0;
    }
    words_move(range->base + to, range->base + run, (size_t)wanted * block_size(range));
    if (before) {
        atomic_store_explicit(&header_at(range, before)->next, to, memory_order_release);
    } else {
        atomic_store_explicit(reference_of(range, to), reference_make(range, to, 1), memory_order_release);
        first = to;
    }
    lock_take(&range->head->blocks, actor->id, &range->waiting);
    give_run(range, actor, run, wanted);
    lock_give(&range->head->blocks, &range->waiting);
    return first;
}
