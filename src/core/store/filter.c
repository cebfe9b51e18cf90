#include "core/store/filter.h"

#include "base/assert.h"
#include "core/store/claim.h"
#include "core/store/reclaim.h"

enum {
    SLICE_ENTRIES = 1024,  /* each a read of an entry and of one or two buckets: about 200 ns */
    SLICE_BUCKETS = 4096,  /* of the index, if they are empty */
    PATH_STEPS = 512,      /* buckets looked at for a free slot; enough to fill 97 of 100 */
    FULL_PERCENT = 92,     /* a larger table is begun */
    HOPELESS_PERCENT = 50, /* a table that is full at this load cannot be helped by a larger one */
    SHRINK_SHARE = 4,      /* a table of more than so many times the segments that it needs is replaced */
    FAILURES_MAX = 8,
    NO_STEP = UINT16_MAX,
};

#define ONES(bits, slots) \
    (((slots) * (bits) == 64 ? ~0ull : (1ull << ((slots) * (bits) % 64)) - 1) / ((1ull << (bits)) - 1))
const struct filter_layout filter_layouts[FILTER_LAYOUTS] = {
    {8, 8, ONES(8, 8)}, {9, 7, ONES(9, 7)}, {10, 6, ONES(10, 6)}, {12, 5, ONES(12, 5)}, {16, 4, ONES(16, 4)},
};

enum status filter_layout_for(uint32_t rate_ppm, uint32_t *ret_layout) {
    if (rate_ppm < FILTER_RATE_PPM_MIN || rate_ppm > FILTER_RATE_PPM_MAX)
        return STATUS_INVALID;
    for (uint32_t i = 0; i < FILTER_LAYOUTS; i++) {
        const struct filter_layout *layout = &filter_layouts[i];
        if (2000000ull * layout->slots > (uint64_t)rate_ppm * ((1u << layout->bits) - 1))
            continue;
        *ret_layout = i;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

static const struct filter_layout *layout_of(const struct filter_table *table) {
    return &filter_layouts[table->layout];
}

static uint64_t slots_of(const struct filter_table *table) {
    return (uint64_t)table->buckets * layout_of(table)->slots;
}

static uint32_t buckets_a_segment(const struct range *range) { return range_segment_size(range) / 8; }

/* Segments of a table that is two thirds full with so many entries. */
static uint32_t segments_for(const struct range *range, uint32_t layout, uint64_t entries) {
    uint64_t a_segment = (uint64_t)buckets_a_segment(range) * filter_layouts[layout].slots;
    uint64_t segments = (entries + entries / 2) / a_segment + 1, most = UINT32_MAX / buckets_a_segment(range);
    if (segments > most)
        segments = most;
    return segments > range->head->segment_count ? range->head->segment_count : (uint32_t)segments;
}

static uint64_t keys_of(const struct shard *shard) {
    return atomic_load_explicit(&shard->index.entries, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------ hashes */

uint64_t filter_session_hash(const struct engine *engine, uint32_t db, struct slice name) {
    return hash_bytes(name, engine->hash_seed + db);
}

uint64_t filter_hash(const struct engine *engine, const struct shard *shard, uint32_t db, struct slice name,
                     uint64_t hash) {
    return store_is_by_session(shard) ? filter_session_hash(engine, db, name) : hash;
}

struct hashes {
    uint64_t index, mark;
};

static struct hashes hashes_at(const struct engine *engine, const struct shard *shard, uint64_t location) {
    struct entry entry;
    bool whole = store_entry_at(engine, location, &entry);
    ASSERT(whole);
    struct slice name = slice_make(engine->range.base + location + entry.key_at, entry.key_size);
    uint64_t hash = store_hash_in(engine, shard->store, entry.db, name);
    return (struct hashes){hash, filter_hash(engine, shard, entry.db, name, hash)};
}

/* ------------------------------------------------------------------------------------------ one table */

/* A table in the hands of its writer. */
struct filter_writer {
    const struct range *range;
    struct filter *filter;
    uint32_t number;
    struct filter_table *table;
    const struct filter_layout *layout;
};

static struct filter_writer writer_of(const struct range *range, struct filter *filter, uint32_t number) {
    struct filter_table *table = &filter->tables[number];
    return (struct filter_writer){range, filter, number, table, layout_of(table)};
}

static uint64_t *bucket_of(const struct filter_writer *w, uint32_t bucket) {
    return filter_bucket(w->range, w->filter, w->number, bucket);
}

/* Ahead of every store that takes a mark away. */
static void before_clear(struct filter *filter) {
    atomic_store_explicit(&filter->clears, atomic_load_explicit(&filter->clears, memory_order_relaxed) + 1,
                          memory_order_release);
    words_fence_write();
}

/* Lowest bit of the slot whose highest bit is the lowest one set in `match`. */
static uint32_t slot_of(const struct filter_layout *layout, uint64_t match) {
    return (uint32_t)__builtin_ctzll(match) - (layout->bits - 1);
}

/* Writes a mark into a free slot of the bucket, if there is one. */
static bool fill(const struct filter_writer *w, uint32_t bucket, uint64_t mark) {
    uint64_t *at = bucket_of(w, bucket), word = words_load64(at), free = filter_match(w->layout, word, 0);
    if (!free)
        return false;
    words_store64(at, word | mark << slot_of(w->layout, free));
    return true;
}

static bool clear(const struct filter_writer *w, uint32_t bucket, uint64_t mark) {
    uint64_t *at = bucket_of(w, bucket), word = words_load64(at), match = filter_match(w->layout, word, mark);
    if (!match)
        return false;
    before_clear(w->filter);
    words_store64(at, word & ~(((1ull << w->layout->bits) - 1) << slot_of(w->layout, match)));
    return true;
}

/* A bucket on the way to a free slot: reached from the parent by moving the mark in `slot` of it. */
struct path_step {
    uint32_t bucket;
    uint16_t parent, slot;
};

/* Moves the marks of a path one step on, from the far end: copy, then clear. The first bucket has a free slot afterwards. */
static void move_along(const struct filter_writer *w, const struct path_step *steps, uint32_t last) {
    for (uint32_t at = last; steps[at].parent != NO_STEP; at = steps[at].parent) {
        uint32_t from = steps[steps[at].parent].bucket, shift = steps[at].slot * w->layout->bits;
        uint64_t *word = bucket_of(w, from), mask = ((1ull << w->layout->bits) - 1) << shift;
        bool filled = fill(w, steps[at].bucket, (words_load64(word) & mask) >> shift);
        ASSERT(filled);
        before_clear(w->filter);
        words_store64(word, words_load64(word) & ~mask);
    }
}

/* Looks breadth-first for the nearest free slot behind two full buckets; a shortest path meets no bucket twice. Answers the bucket
 * that has room now, or false with nothing changed. */
static bool make_way(const struct filter_writer *w, const struct filter_place *place, uint32_t *ret_bucket) {
    struct path_step steps[PATH_STEPS] = {{place->first, NO_STEP, 0}, {place->second, NO_STEP, 0}};
    uint64_t mask = (1ull << w->layout->bits) - 1;
    uint32_t count = 2;
    for (uint32_t at = 0; at < count; at++) {
        uint64_t word = words_load64(bucket_of(w, steps[at].bucket));
        for (uint32_t slot = 0; slot < w->layout->slots && count < PATH_STEPS; slot++) {
            uint64_t mark = word >> slot * w->layout->bits & mask;
            uint32_t other = filter_other(w->table->buckets, steps[at].bucket, mark);
            steps[count++] = (struct path_step){other, (uint16_t)at, (uint16_t)slot};
            if (!filter_match(w->layout, words_load64(bucket_of(w, other)), 0))
                continue;
            move_along(w, steps, count - 1);
            while (steps[at].parent != NO_STEP)
                at = steps[at].parent;
            *ret_bucket = steps[at].bucket;
            return true;
        }
    }
    return false;
}

static bool table_add(const struct filter_writer *w, uint64_t hash) {
    struct filter_place place = filter_place_of(w->layout, w->table->buckets, hash);
    if (!fill(w, place.first, place.mark) && !fill(w, place.second, place.mark)) {
        uint32_t bucket;
        if (!make_way(w, &place, &bucket))
            return false;
        bool filled = fill(w, bucket, place.mark);
        ASSERT(filled);
    }
    w->table->entries++;
    return true;
}

static void table_remove(const struct filter_writer *w, uint64_t hash) {
    struct filter_place place = filter_place_of(w->layout, w->table->buckets, hash);
    bool cleared = clear(w, place.first, place.mark) || clear(w, place.second, place.mark);
    ASSERT(cleared && w->table->entries > 0);
    w->table->entries--;
}

/* ------------------------------------------------------------------------------------------ tables of a shard */

static void publish(struct shard *shard) {
    struct filter *filter = &shard->filter;
    uint64_t view = atomic_load_explicit(&shard->aside, memory_order_relaxed) & (STORE_BY_SESSION | STORE_TIERED);
    if (filter->live != FILTER_NONE) {
        const struct filter_table *table = &filter->tables[filter->live];
        view |= FILTER_MAINTAINED | FILTER_ANSWERS | filter->live << FILTER_TABLE_SHIFT |
                table->layout << FILTER_LAYOUT_SHIFT | (uint64_t)table->buckets << FILTER_BUCKETS_SHIFT;
    } else if (filter->next != FILTER_NONE) {
        view |= FILTER_MAINTAINED;
    }
    atomic_store_explicit(&shard->aside, view, memory_order_release);
}

static void ask_for_work(struct filter *filter) { atomic_store_explicit(&filter->work, 1, memory_order_relaxed); }

/* Gives a table's segments back; readers were turned away from it by publish. */
static void drop(struct engine *engine, struct actor *actor, struct filter *filter, uint32_t number) {
    struct filter_table *table = &filter->tables[number];
    const uint32_t *pages = (const uint32_t *)(const void *)(engine->range.base + filter->pages_at[number]);
    before_clear(filter);
    while (table->segments)
        range_give(&engine->range, actor, __atomic_load_n(&pages[--table->segments], __ATOMIC_RELAXED));
    table->entries = 0;
}

static void drop_live(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint32_t number = shard->filter.live;
    shard->filter.live = FILTER_NONE;
    publish(shard);
    if (number != FILTER_NONE)
        drop(engine, actor, &shard->filter, number);
}

static void drop_next(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint32_t number = shard->filter.next;
    shard->filter.next = FILTER_NONE;
    shard->filter.generation++;
    publish(shard);
    if (number != FILTER_NONE)
        drop(engine, actor, &shard->filter, number);
}

void filter_init(struct filter *filter, uint64_t first_directory_at, uint64_t second_directory_at) {
    filter->pages_at[0] = first_directory_at;
    filter->pages_at[1] = second_directory_at;
    filter->live = filter->next = FILTER_NONE;
}

void filter_enable(struct shard *shard, uint32_t rate_ppm, uint32_t layout) {
    ASSERT(layout < FILTER_LAYOUTS);
    shard->filter.enabled = 1;
    shard->filter.rate_ppm = rate_ppm;
    shard->filter.layout = layout;
    shard->filter.stuck = 0;
    shard->filter.failures = 0;
    ask_for_work(&shard->filter);
}

void filter_disable(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct filter *filter = &shard->filter;
    drop_next(engine, actor, shard);
    drop_live(engine, actor, shard);
    filter->enabled = filter->saturated = filter->stuck = filter->starved = filter->failures = 0;
    atomic_store_explicit(&filter->work, 0, memory_order_relaxed);
}

void filter_reset(struct engine *engine, struct actor *actor, struct shard *shard) {
    if (!shard->filter.enabled)
        return;
    drop_next(engine, actor, shard);
    drop_live(engine, actor, shard);
    shard->filter.saturated = 0;
    filter_enable(shard, shard->filter.rate_ppm, shard->filter.layout);
}

/* A table of this load has no room for one more mark. */
static void note_full(struct filter *filter, const struct filter_table *table) {
    if (table->entries * 100 < slots_of(table) * HOPELESS_PERCENT || ++filter->failures > FAILURES_MAX)
        filter->stuck = 1;
    ask_for_work(filter);
}

void filter_link(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t mark_hash) {
    struct filter *filter = &shard->filter;
    if (filter->live != FILTER_NONE) {
        struct filter_writer w = writer_of(&engine->range, filter, filter->live);
        if (!table_add(&w, mark_hash)) {
            filter->saturated = 1;
            note_full(filter, w.table);
            drop_live(engine, actor, shard);
        } else if (w.table->entries * 100 > slots_of(w.table) * FULL_PERCENT) {
            ask_for_work(filter);
        }
    }
    if (filter->next != FILTER_NONE && index_scan_passed(hash, filter->cursor)) {
        struct filter_writer w = writer_of(&engine->range, filter, filter->next);
        if (!table_add(&w, mark_hash)) {
            note_full(filter, w.table);
            drop_next(engine, actor, shard);
        }
    }
}

void filter_unlink(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t mark_hash) {
    struct filter *filter = &shard->filter;
    (void)actor;
    if (filter->live != FILTER_NONE) {
        struct filter_writer w = writer_of(&engine->range, filter, filter->live);
        table_remove(&w, mark_hash);
        if (w.table->segments > 1 && w.table->entries * SHRINK_SHARE * 2 < slots_of(w.table))
            ask_for_work(filter);
    }
    if (filter->next != FILTER_NONE && index_scan_passed(hash, filter->cursor)) {
        struct filter_writer w = writer_of(&engine->range, filter, filter->next);
        table_remove(&w, mark_hash);
    }
}

void filter_unlink_at(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t location) {
    struct hashes hashes = hashes_at(engine, shard, location);
    filter_unlink(engine, actor, shard, hashes.index, hashes.mark);
}

/* ------------------------------------------------------------------------------------------ building */

/* Whether the shard should have another table than it has. */
static bool wants_table(const struct range *range, const struct shard *shard) {
    const struct filter *filter = &shard->filter;
    if (!filter->enabled || filter->stuck)
        return false;
    if (filter->live == FILTER_NONE)
        return true;
    const struct filter_table *table = &filter->tables[filter->live];
    return table->layout != filter->layout || table->entries * 100 > slots_of(table) * FULL_PERCENT ||
           table->segments > (uint64_t)SHRINK_SHARE * segments_for(range, table->layout, table->entries);
}

/* Says how large the next table will be: for the keys of today, and half as much again for each one that ran full. */
static void plan(const struct range *range, struct shard *shard) {
    struct filter *filter = &shard->filter;
    uint64_t keys = keys_of(shard);
    for (uint32_t i = 0; i < filter->failures; i++)
        keys += keys / 2;
    uint32_t number = filter->live == 0 ? 1 : 0, segments = segments_for(range, filter->layout, keys);
    filter->tables[number] = (struct filter_table){
        .wanted = segments, .buckets = segments * buckets_a_segment(range), .layout = filter->layout};
    filter->next = number;
    filter->cursor = 0;
    publish(shard);
}

/* An empty segment for a filter, with no lock held; 0 if memory is short, or is not for this store to have. */
static uint32_t take_segment(struct engine *engine, struct actor *actor, uint32_t store) {
    struct range *range = &engine->range;
    if ((engine->store_count > 1 || range_room(range) == 0) && reclaim_make_room(engine, actor, store, 0) != STATUS_OK)
        return 0;
    if (range_room(range) == 0 || claim_is_over(engine, store, range_segment_size(range)))
        return 0;
    uint32_t number = range_take(range, actor, SEGMENT_FILTER, false);
    if (number && !range_is_fresh(range, number))
        words_zero(range->base + range_segment_at(range, number), range_segment_size(range));
    return number;
}

/* Brings the next table one more segment, unless it has gone meanwhile. */
static bool extend(struct engine *engine, struct actor *actor, uint32_t at, uint32_t generation) {
    struct shard *shard = &engine->shards[at];
    struct filter *filter = &shard->filter;
    uint32_t number = take_segment(engine, actor, shard->store);
    store_lock(engine, actor, at);
    filter->starved = number == 0;
    bool wanted = filter->next != FILTER_NONE && filter->generation == generation &&
                  filter->tables[filter->next].segments < filter->tables[filter->next].wanted;
    if (number && wanted) {
        struct filter_table *table = &filter->tables[filter->next];
        uint32_t *pages = (uint32_t *)(void *)(engine->range.base + filter->pages_at[filter->next]);
        struct segment *segment = &engine->range.segments[number];
        atomic_store_explicit(&segment->used, range_segment_size(&engine->range), memory_order_relaxed);
        range_own(&engine->range, number, at);
        __atomic_store_n(&pages[table->segments++], number, __ATOMIC_RELAXED);
    } else if (number) {
        range_give(&engine->range, actor, number);
    }
    store_unlock(engine, actor, at);
    return number != 0;
}

/* Adds the keys of one chain of the index. False if the table is full. */
static bool add_chain(struct engine *engine, const struct shard *shard, const struct filter_writer *w, uint64_t at,
                      uint32_t *count) {
    const struct range *range = &engine->range;
    const struct index_bucket *first = index_bucket_at(range, &shard->index, at);
    for (const struct index_bucket *bucket = first; bucket; bucket = index_next(range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            __builtin_prefetch(range->base + cell_location(cell_load(&bucket->cells[i])));
    for (const struct index_bucket *bucket = first; bucket; bucket = index_next(range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (!cell)
                continue;
            struct hashes hashes = hashes_at(engine, shard, cell_location(cell));
            *count += 1;
            /* Buckets that were merged since hold keys that have been added already. */
            if (!index_scan_passed(hashes.index, w->filter->cursor) && !table_add(w, hashes.mark))
                return false;
        }
    return true;
}

/* The next table takes the place of the one in use. */
static void finish(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct filter *filter = &shard->filter;
    uint32_t old = filter->live;
    filter->live = filter->next;
    filter->next = FILTER_NONE;
    filter->generation++;
    filter->saturated = filter->failures = 0;
    publish(shard);
    if (old != FILTER_NONE)
        drop(engine, actor, filter, old);
}

/* Walks on over the index, in the order that splits do not disturb. */
static void walk(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct filter *filter = &shard->filter;
    struct filter_writer w = writer_of(&engine->range, filter, filter->next);
    uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
    uint32_t entries = 0;
    for (uint32_t buckets = 0; buckets < SLICE_BUCKETS && entries < SLICE_ENTRIES; buckets++) {
        uint64_t at = index_scan_bucket(shape, filter->cursor);
        if (!add_chain(engine, shard, &w, at, &entries)) {
            note_full(filter, w.table);
            drop_next(engine, actor, shard);
            return;
        }
        filter->cursor = index_scan_next(shape, at);
        if (filter->cursor == 0) {
            finish(engine, actor, shard);
            return;
        }
    }
}

/* One slice for one shard. */
static bool work_on(struct engine *engine, struct actor *actor, uint32_t at) {
    struct shard *shard = &engine->shards[at];
    struct filter *filter = &shard->filter;
    bool complete = false;
    store_lock(engine, actor, at);
    if (filter->next != FILTER_NONE && filter->tables[filter->next].layout != filter->layout)
        drop_next(engine, actor, shard);
    if (filter->next == FILTER_NONE) {
        if (!wants_table(&engine->range, shard)) {
            atomic_store_explicit(&filter->work, 0, memory_order_relaxed);
            store_unlock(engine, actor, at);
            return true;
        }
        plan(&engine->range, shard);
    }
    if (filter->tables[filter->next].segments == filter->tables[filter->next].wanted) {
        complete = true;
        walk(engine, actor, shard);
    }
    uint32_t generation = filter->generation;
    store_unlock(engine, actor, at);
    return complete || extend(engine, actor, at, generation);
}

bool filter_work(struct engine *engine, struct actor *actor) {
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        uint32_t at = (actor->id + i) % engine->shard_count;
        if (atomic_load_explicit(&engine->shards[at].filter.work, memory_order_relaxed) && work_on(engine, actor, at))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------ figures */

static double progress_of(const struct filter *filter) {
    const struct filter_table *table = &filter->tables[filter->next];
    if (table->segments < table->wanted)
        return 0;
    return (double)index_scan_position(filter->cursor) * 0x1p-64;
}

struct filter_facts filter_facts_of(const struct engine *engine, const struct shard *shard) {
    const struct filter *filter = &shard->filter;
    const struct filter_layout *layout = &filter_layouts[filter->layout];
    struct filter_facts facts = {
        .state = !filter->enabled                     ? FILTER_OFF
                 : filter->live != FILTER_NONE        ? FILTER_ON
                 : filter->saturated || filter->stuck ? FILTER_SATURATED
                                                      : FILTER_BUILDING,
        .starved = filter->starved,
        .stuck = filter->stuck,
        .wanted_rate_ppm = filter->enabled ? filter->rate_ppm : 0,
        .expected_rate = 1,
    };
    uint64_t segments = 0;
    if (filter->live != FILTER_NONE) {
        const struct filter_table *table = &filter->tables[filter->live];
        layout = layout_of(table);
        facts.entries = table->entries;
        facts.slots = slots_of(table);
        facts.expected_rate = 2.0 * (double)table->entries / table->buckets / (double)((1u << layout->bits) - 1);
        segments += table->segments;
    }
    if (filter->next != FILTER_NONE) {
        facts.building = true;
        facts.progress = progress_of(filter);
        segments += filter->tables[filter->next].segments;
    }
    facts.bytes = segments << engine->range.segment_shift;
    facts.bits = layout->bits;
    facts.slots_a_bucket = layout->slots;
    return facts;
}

/* Each key that counts has a mark, there are as many marks as such keys, and the segments are the shard's. */
static void verify_table(const struct engine *engine, const struct shard *shard, uint32_t number, bool whole) {
    const struct range *range = &engine->range;
    const struct filter *filter = &shard->filter;
    const struct filter_table *table = &filter->tables[number];
    const struct filter_layout *layout = layout_of(table);
    const uint32_t *pages = (const uint32_t *)(const void *)(range->base + filter->pages_at[number]);
    uint64_t marks = 0, keys = 0, shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
    for (uint32_t i = 0; i < table->segments; i++) {
        const struct segment *segment = &range->segments[pages[i]];
        ASSERT(atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_FILTER);
        ASSERT(&engine->shards[atomic_load_explicit(&segment->shard, memory_order_relaxed)] == shard);
    }
    if (table->segments < table->wanted) {
        ASSERT(!whole && filter->cursor == 0 && table->entries == 0);
        return;
    }
    for (uint32_t bucket = 0; bucket < table->buckets; bucket++)
        for (uint32_t slot = 0; slot < layout->slots; slot++)
            marks += (words_load64(filter_bucket(range, filter, number, bucket)) >> slot * layout->bits &
                      ((1ull << layout->bits) - 1)) != 0;
    for (uint64_t at = 0; at < index_bucket_count(shape); at++)
        for (const struct index_bucket *bucket = index_bucket_at(range, &shard->index, at); bucket;
             bucket = index_next(range, &shard->index, bucket))
            for (int i = 0; i < INDEX_CELLS; i++) {
                uint64_t cell = cell_load(&bucket->cells[i]);
                if (!cell)
                    continue;
                struct hashes hashes = hashes_at(engine, shard, cell_location(cell));
                if (!whole && !index_scan_passed(hashes.index, filter->cursor))
                    continue;
                struct filter_place place = filter_place_of(layout, table->buckets, hashes.mark);
                keys++;
                ASSERT(
                    filter_match(layout, words_load64(filter_bucket(range, filter, number, place.first)), place.mark) ||
                    filter_match(layout, words_load64(filter_bucket(range, filter, number, place.second)), place.mark));
            }
    ASSERT(marks == table->entries && keys == table->entries);
}

void filter_verify(const struct engine *engine, const struct shard *shard) {
    const struct filter *filter = &shard->filter;
    uint64_t view = atomic_load_explicit(&shard->aside, memory_order_relaxed);
    ASSERT(((view & FILTER_MAINTAINED) != 0) == (filter->live != FILTER_NONE || filter->next != FILTER_NONE));
    ASSERT(filter->enabled || !(view & FILTER_MAINTAINED));
    ASSERT(((view & FILTER_ANSWERS) != 0) == (filter->live != FILTER_NONE));
    ASSERT(filter->live == FILTER_NONE || filter->live != filter->next);
    if (filter->live != FILTER_NONE)
        verify_table(engine, shard, filter->live, true);
    if (filter->next != FILTER_NONE)
        verify_table(engine, shard, filter->next, false);
}
