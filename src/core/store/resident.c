#include "core/store/resident.h"

#include "base/assert.h"
#include "core/store/tier.h"

enum {
    SLICE_ROWS = 1024,                  /* of the segment table looked at: some microseconds */
    SLICE_RELEASES = 32,                /* at about 2 microseconds each, */
    SLICE_RELEASE_BYTES = 8 << 20,      /* and 50 for 2 MiB of small pages */
    SLICE_MERGES = 512,                 /* of two buckets: about 300 ns each */
    KEEP_SHARE = 8,                     /* of the limit may be free and resident */
    WAIT_MS = 1000,                     /* for so long it has to be more before some goes */
    PAGE_SIZE_MIN = 4096,               /* parts of a page cannot be released */
    FULL_BLOCKS = RANGE_BLOCKS * 7 / 8, /* blocks that make a segment worth huge pages */
};

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

/* ------------------------------------------------------------------------------------ giving back */

/* Resident free segments that are too many: over the limit, or over what may lie idle for as long as it has. */
static uint32_t surplus(struct engine *engine, const struct actor *actor) {
    struct range_head *head = engine->range.head;
    uint32_t idle = GET(head->free_resident), limit = GET(head->limit), resident = GET(head->used) + idle;
    uint32_t over = resident > limit ? resident - limit : 0, keep = limit / KEEP_SHARE;
    if (over > idle)
        over = idle;
    if (idle <= keep) {
        if (GET(head->idle_since_ms))
            PUT(head->idle_since_ms, 0);
        return over;
    }
    uint64_t since_ms = GET(head->idle_since_ms);
    if (!since_ms || since_ms > actor->now_ms)
        PUT(head->idle_since_ms, actor->now_ms);
    else if (actor->now_ms - since_ms >= WAIT_MS && over < idle - keep)
        over = idle - keep;
    return over;
}

static bool release_some(struct engine *engine, struct actor *actor) {
    struct range *range = &engine->range;
    uint32_t size = range_segment_size(range), count = surplus(engine, actor), most = SLICE_RELEASE_BYTES / size;
    if (most > SLICE_RELEASES)
        most = SLICE_RELEASES;
    bool more = count > most;
    for (uint32_t i = 0; i < (more ? most : count); i++) {
        uint32_t number = range_release_begin(range, actor);
        if (!number)
            return false;
        range->backing.release(range->base + range_segment_at(range, number), size);
        range_release_end(range, actor, number);
    }
    return more;
}

/* ------------------------------------------------------------------------------------ huge pages */

/* Whether what stands there is whole, so that a huge page costs nothing that small ones would not. */
static bool is_full(const struct segment *segment) {
    switch ((enum segment_kind)GET(segment->kind)) {
        case SEGMENT_LOG:
        case SEGMENT_INDEX:
        case SEGMENT_TAGS:
        case SEGMENT_TIER:
            return GET(segment->sealed);
        case SEGMENT_BLOCKS:
        case SEGMENT_OBJECTS:
            return GET(segment->used) >= FULL_BLOCKS;
        case SEGMENT_GHOSTS:
        case SEGMENT_FILTER:
            return true;
        case SEGMENT_FREE:
        case SEGMENT_KIND_COUNT:
            break;
    }
    return false;
}

/* Segments first to last share a huge page, or are one: asks for it if all of them are full. */
static bool condense(struct range *range, uint32_t first, uint32_t last) {
    bool dense = true;
    for (uint32_t number = first; number <= last; number++) {
        if (!is_full(&range->segments[number]))
            return false;
        dense &= (GET(range->segments[number].backing) & SEGMENT_DENSE) != 0;
    }
    if (dense)
        return false;
    for (uint32_t number = first; number <= last; number++)
        atomic_fetch_or_explicit(&range->segments[number].backing, SEGMENT_DENSE, memory_order_relaxed);
    range->backing.dense(range->base + range_segment_at(range, first),
                         (uint64_t)(last - first + 1) << range->segment_shift, true);
    return true;
}

/* Goes on through the table from where it stopped, up to the first that was condensed; `full` says that some may have become so
 * since the last round began. */
static bool condense_some(struct engine *engine) {
    struct range *range = &engine->range;
    struct range_head *head = range->head;
    uint32_t at = GET(head->dense_at), end = GET(head->never_used);
    if (at == 0) {
        if (!GET(head->full))
            return false;
        PUT(head->full, 0);
        at = 1;
    }
    uint32_t group = range_group(range), stop = at + SLICE_ROWS;
    /* A huge page is aligned in memory, whatever number its first segment has. */
    at += (group - (uint32_t)((uintptr_t)(range->base + range_segment_at(range, at)) >> range->segment_shift) % group) %
          group;
    bool found = false;
    for (; !found && at < stop && at + group <= end; at += group)
        found = condense(range, at, at + group - 1);
    PUT(head->dense_at, at + group <= end ? at : 0);
    return at + group <= end || GET(head->full);
}

/* ------------------------------------------------------------------------------------ the index */

bool resident_shrink(struct engine *engine, struct actor *actor) {
    for (uint32_t at = 0; at < engine->shard_count; at++) {
        struct index *index = &engine->shards[at].index;
        if (!index_is_sparse(&engine->range, index) && !index_overflow_is_sparse(&engine->range, index))
            continue;
        store_lock(engine, actor, at);
        bool worked = index_is_sparse(&engine->range, index);
        if (!index_shrink(&engine->range, actor, index, SLICE_MERGES))
            worked |= index_shrink_overflow(&engine->range, actor, index, store_hash_at, engine);
        store_unlock(engine, actor, at);
        if (worked)
            return true;
    }
    return tier_shrink(engine, actor, SLICE_MERGES);
}

bool resident_step(struct engine *engine, struct actor *actor, bool urgent) {
    const struct range *range = &engine->range;
    bool more = resident_shrink(engine, actor);
    if (range->backing.release && range_segment_size(range) >= PAGE_SIZE_MIN)
        more |= release_some(engine, actor);
    if (!urgent && range->backing.dense && range->backing.huge_size)
        more |= condense_some(engine);
    return more;
}

/* ------------------------------------------------------------------------------------ the account */

/* Adds a row to the account; answers how much of the segment is in use. */
static uint64_t add_row(const struct range *range, const struct segment *segment, struct resident_account *account) {
    uint64_t size = range_segment_size(range), part = size / RANGE_BLOCKS;
    uint32_t used = GET(segment->used);
    switch ((enum segment_kind)GET(segment->kind)) {
        case SEGMENT_FREE:
        case SEGMENT_KIND_COUNT:
            return 0;
        case SEGMENT_LOG:
            account->logs += used;
            return used;
        case SEGMENT_INDEX:
            part = (uint64_t)__builtin_popcountll(GET(segment->blocks)) << range->unit_shift;
            account->index += part;
            return part;
        case SEGMENT_BLOCKS:
            account->blocks += used * part;
            return used * part;
        case SEGMENT_OBJECTS:
            account->objects += used * part;
            return used * part;
        case SEGMENT_FILTER:
            account->filters += size;
            return size;
        case SEGMENT_GHOSTS:
            part = (uint64_t)__builtin_popcountll(GET(segment->blocks)) << range->unit_shift;
            account->ghosts += part;
            return part;
        case SEGMENT_TAGS:
            part = (uint64_t)__builtin_popcountll(GET(segment->blocks)) << range->unit_shift;
            account->tags += part;
            return part;
        case SEGMENT_TIER:
            part = (uint64_t)__builtin_popcountll(GET(segment->blocks)) << range->unit_shift;
            account->cells += part;
            return part;
    }
    return 0;
}

struct resident_account resident_account(const struct engine *engine) {
    const struct range *range = &engine->range;
    struct resident_account account = {.tables = GET(range->head->table_bytes)};
    uint32_t end = GET(range->head->never_used);
    for (uint32_t number = 1; number < end; number++) {
        const struct segment *segment = &range->segments[number];
        uint64_t used = add_row(range, segment, &account);
        if ((GET(segment->backing) & (SEGMENT_FRESH | SEGMENT_DENSE)) != SEGMENT_FRESH)
            account.idle += range_segment_size(range) - used;
    }
    return account;
}

static uint64_t logs_live(const struct engine *engine) {
    uint64_t live = 0;
    for (uint32_t i = 0; i < engine->shard_count; i++)
        live += GET(engine->shards[i].live);
    return live;
}

void resident_verify(const struct engine *engine) {
    const struct range *range = &engine->range;
    const struct range_head *head = range->head;
    struct resident_account account = resident_account(engine);
    uint64_t index = index_bytes(range, &engine->tags->index), size = range_segment_size(range), all = account.logs,
             cells = 0;
    for (uint32_t i = 0; i < engine->shard_count; i++)
        index += index_bytes(range, &engine->shards[i].index), cells += tier_cell_bytes(engine, i);
    ASSERT(account.index == index && index == (uint64_t)GET(head->units) * head->unit_size);
    ASSERT(account.blocks == GET(head->blocks_live));
    ASSERT(account.logs >= logs_live(engine) && account.ghosts == (uint64_t)GET(head->ghost_units) * head->unit_size);
    ASSERT(account.tags == (uint64_t)GET(head->tag_units) * head->unit_size);
    ASSERT(account.cells == cells && cells == (uint64_t)GET(head->tier_units) * head->unit_size);
    all += account.index + account.blocks + account.objects + account.ghosts + account.filters + account.tags + cells;
    ASSERT(all <= GET(head->used) * size && account.tables == resident_occupied(&account) - all);
}
