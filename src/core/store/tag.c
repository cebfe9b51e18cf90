#include "core/store/tag.h"

#include "base/assert.h"
#include "base/hash.h"
#include "core/store/entry.h"

/* A record and a free run tell where they end, so the slots of a page can be walked, and a run that becomes free is joined at once with
 * those beside it:
 *
 *     page    [number of the page 8][0 8] then records and free runs up to its end
 *     record  [invalidated 8][soft 8, bit 63: a free run stands before it] and so on; bits 44 to 62 of both: the time of the soft one
 *     free    [bit 63 | length 8][next 4 | previous 4] ... [bit 63 | length 8][unused 8]     the last slot may be the first
 *
 * What fragmentation can cost: the shortest run that fits is taken, and a page only if none fits. So whatever is free at that moment lies
 * in runs of at most 17 slots, with a record of at least 2 between any two of one page: at worst 8.5 free slots for each used one, if long
 * names went and short ones stayed among them; next to nothing if names have similar lengths, as then the runs that go are those that are
 * wanted. Records are not moved, for entries have their numbers: a page stays while one of its records does, so after many tags have gone
 * there may be up to as many pages as there were tags at most at once, but never more than that and what is said above.
 *
 * The index's cells hold places in the range and not numbers: its pages share segments with those of the shards' indexes, and a reader of
 * these who comes too late follows any cell, which must lead to bytes of the range. */

enum { SOFT_AT = 8, MEMBERS_AT = 16, BEARERS_AT = 20, NAME_SIZE_AT = 24 };
enum { STAMP_BITS = 44, TIME_HALF_BITS = 19 };
enum { SHRINK_MERGES = 2 }; /* pairs of buckets that a removal may merge: the index shrinks faster than it empties */

static const uint64_t FREE = 1ull << 63;   /* in the first word of a free run's first and last slot: no stamp has it */
static const uint64_t BEFORE = 1ull << 63; /* in the second word of a record */

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

static uint32_t page_shift(const struct range *range) { return range->unit_shift - TAG_SLOT_SHIFT; }
static uint32_t page_slots(const struct range *range) { return 1u << page_shift(range); }

static uint32_t *directory(const struct range *range, const struct tags *tags) {
    return (uint32_t *)(void *)(range->base + tags->pages_at);
}

static uint64_t offset_of(const struct range *range, const struct tags *tags, uint32_t number) {
    uint32_t unit = __atomic_load_n(&directory(range, tags)[number >> page_shift(range)], __ATOMIC_RELAXED);
    ASSERT(unit);
    return range_unit_at(range, unit) + ((uint64_t)(number & (page_slots(range) - 1)) << TAG_SLOT_SHIFT);
}

static uint8_t *slot_of(const struct range *range, const struct tags *tags, uint32_t number) {
    return range->base + offset_of(range, tags, number);
}

/* The number of the slot at an offset: its page tells which one it is. */
static uint32_t number_at(const struct range *range, uint64_t offset) {
    uint64_t in_page = (offset - range->segments_origin) & range->unit_mask;
    return (uint32_t)words_load64(range->base + offset - in_page) << page_shift(range) |
           (uint32_t)(in_page >> TAG_SLOT_SHIFT);
}

static bool is_page_end(const struct range *range, uint32_t number) { return (number & (page_slots(range) - 1)) == 0; }

static uint32_t slots_for(size_t name_size) {
    return (uint32_t)((TAG_NAME_AT + name_size + TAG_SLOT_SIZE - 1) >> TAG_SLOT_SHIFT);
}

/* Bytes of names change under the lock only, and readers without it write nothing: plain reads are as good as any. */
static struct slice name_of(const uint8_t *record) { return slice_make(record + TAG_NAME_AT, record[NAME_SIZE_AT]); }

void tags_init(struct tags *tags, uint32_t groups, uint32_t charged_to, uint64_t pages_at, uint64_t index_pages_at,
               uint64_t index_overflow_at) {
    memset(tags, 0, tags_size(groups));
    tags->group_mask = groups - 1;
    tags->pages_at = pages_at;
    tags->index.shard = (uint16_t)charged_to;
    tags->index.pages_at = index_pages_at;
    tags->index.overflow_pages_at = index_overflow_at;
}

/* ------------------------------------------------------------------------------------ pages */

/* A page, by its number + 1, with no run in it yet; 0 if there is no memory. */
static uint32_t add_page(struct range *range, struct actor *actor, struct tags *tags) {
    uint32_t count = GET(tags->page_count), page = tags->gap;
    while (page < count && directory(range, tags)[page])
        page++;
    if (page >> (31 - page_shift(range))) /* numbers have 31 bits: 32 GiB of slots */
        return 0;
    uint32_t unit = range_take_unit(range, actor, SEGMENT_TAGS, tags->index.shard);
    if (!unit)
        return 0;
    words_store64(range->base + range_unit_at(range, unit), page);
    __atomic_store_n(&directory(range, tags)[page], unit, __ATOMIC_RELEASE);
    if (page == count)
        atomic_store_explicit(&tags->page_count, count + 1, memory_order_release);
    tags->gap = page + 1;
    return page + 1;
}

static void give_page(struct range *range, struct actor *actor, struct tags *tags, uint32_t page) {
    uint32_t *units = directory(range, tags), unit = units[page], count = GET(tags->page_count);
    __atomic_store_n(&units[page], 0, __ATOMIC_RELEASE);
    if (page < tags->gap)
        tags->gap = page;
    while (count && !units[count - 1])
        count--;
    PUT(tags->page_count, count);
    if (tags->gap > count)
        tags->gap = count;
    range_give_unit(range, actor, tags->index.shard, unit);
}

static void give_spare(struct range *range, struct actor *actor, struct tags *tags) {
    uint32_t spare = tags->spare;
    tags->spare = 0;
    if (spare)
        give_page(range, actor, tags, spare - 1);
}

/* ------------------------------------------------------------------------------------ runs of slots */

static uint32_t *list_of(struct tags *tags, uint32_t length) {
    return &tags->free_first[length <= TAG_SLOTS_MAX ? length : 0];
}

/* What stands behind a run that becomes free or ceases to be: a record, or nothing, as free runs are never neighbours. */
static void tell_next(const struct range *range, const struct tags *tags, uint32_t number, bool is_free) {
    if (is_page_end(range, number))
        return;
    uint8_t *soft = slot_of(range, tags, number) + SOFT_AT;
    words_store64(soft, (words_load64(soft) & ~BEFORE) | (is_free ? BEFORE : 0));
}

static void mark_run(const struct range *range, const struct tags *tags, uint32_t number, uint32_t length) {
    uint8_t *first = slot_of(range, tags, number);
    words_store64(first, FREE | length);
    words_store64(first + ((uint64_t)(length - 1) << TAG_SLOT_SHIFT), FREE | length);
}

static void list_run(const struct range *range, struct tags *tags, uint32_t number, uint32_t length) {
    uint32_t *first = list_of(tags, length), next = *first;
    mark_run(range, tags, number, length);
    words_store64(slot_of(range, tags, number) + 8, (uint64_t)next << 32);
    if (next) {
        uint8_t *links = slot_of(range, tags, next) + 8;
        words_store64(links, words_load64(links) >> 32 << 32 | number);
    }
    *first = number;
}

static uint32_t run_length(const struct range *range, const struct tags *tags, uint32_t number) {
    return (uint32_t)words_load64(slot_of(range, tags, number));
}

/* Answers its length. */
static uint32_t unlist_run(const struct range *range, struct tags *tags, uint32_t number) {
    uint32_t length = run_length(range, tags, number);
    uint64_t links = words_load64(slot_of(range, tags, number) + 8);
    uint32_t next = (uint32_t)(links >> 32), previous = (uint32_t)links;
    if (next) {
        uint8_t *of_next = slot_of(range, tags, next) + 8;
        words_store64(of_next, words_load64(of_next) >> 32 << 32 | previous);
    }
    if (previous) {
        uint8_t *of_previous = slot_of(range, tags, previous) + 8;
        words_store64(of_previous, (uint64_t)next << 32 | (uint32_t)words_load64(of_previous));
    } else {
        *list_of(tags, length) = next;
    }
    return length;
}

/* The shortest free run that has so many slots, in no list any more; what of it is too much goes back. 0: no memory. */
static uint32_t take_run(struct range *range, struct actor *actor, struct tags *tags, uint32_t wanted) {
    uint32_t length = wanted, number;
    while (length <= TAG_SLOTS_MAX && !tags->free_first[length])
        length++;
    number = tags->free_first[length <= TAG_SLOTS_MAX ? length : 0];
    if (number) {
        length = unlist_run(range, tags, number);
    } else {
        uint32_t page = tags->spare ? tags->spare : add_page(range, actor, tags);
        if (!page)
            return 0;
        tags->spare = 0;
        number = ((page - 1) << page_shift(range)) + 1;
        length = page_slots(range) - 1;
    }
    if (length > wanted)
        list_run(range, tags, number + wanted, length - wanted);
    else
        tell_next(range, tags, number + wanted, false);
    return number;
}

static void give_run(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint32_t length) {
    if (words_load64(slot_of(range, tags, number) + SOFT_AT) & BEFORE) {
        uint32_t before = run_length(range, tags, number - 1);
        number -= before;
        length += unlist_run(range, tags, number);
    }
    uint32_t next = number + length;
    if (!is_page_end(range, next) && words_load64(slot_of(range, tags, next)) & FREE)
        length += unlist_run(range, tags, next);
    if (length < page_slots(range) - 1) {
        list_run(range, tags, number, length);
        tell_next(range, tags, number + length, true);
        return;
    }
    uint32_t page = number >> page_shift(range);
    mark_run(range, tags, number, length);
    if (tags->spare)
        give_page(range, actor, tags, page);
    else
        tags->spare = page + 1;
}

/* ------------------------------------------------------------------------------------ records */

static uint64_t hash_at(void *context, uint64_t location) {
    const struct range *range = context;
    return hash_bytes(name_of(range->base + location), range->head->hash_seed);
}

static uint32_t get32(const uint8_t *record, uint32_t at) { return words_load32(record + at); }
static uint64_t hard_of(const uint8_t *record) { return words_load64(record) & (ENTRY_STAMP_END - 1); }
static uint64_t soft_of(const uint8_t *record) { return words_load64(record + SOFT_AT) & (ENTRY_STAMP_END - 1); }

/* The time of the soft invalidation: the upper half stands in the first word, the lower in the second. Under the lock. */
static uint64_t time_of(const uint8_t *record) {
    const uint64_t mask = (1u << TIME_HALF_BITS) - 1;
    return (words_load64(record) >> STAMP_BITS & mask) << TIME_HALF_BITS |
           (words_load64(record + SOFT_AT) >> STAMP_BITS & mask);
}

/* Clocks of two threads may differ a little. */
static uint64_t soft_for_ms(const uint8_t *record, uint64_t now_ms) {
    uint64_t ms = (now_ms - time_of(record)) & (TAG_TIME_MS - 1);
    return ms < TAG_TIME_MS / 2 ? ms : 0;
}

static void set_soft(uint8_t *record, uint64_t stamp, uint64_t now_ms) {
    const uint64_t mask = (1u << TIME_HALF_BITS) - 1;
    uint64_t first = hard_of(record) | (now_ms >> TIME_HALF_BITS & mask) << STAMP_BITS;
    uint64_t second = stamp | (now_ms & mask) << STAMP_BITS | (words_load64(record + SOFT_AT) & BEFORE);
    __atomic_store_n((word64 *)(void *)record, first, __ATOMIC_RELAXED);
    __atomic_store_n((word64 *)(void *)(record + SOFT_AT), second, __ATOMIC_RELEASE);
}

/* The place of a name's record, 0: there is none. */
static uint64_t find(const struct range *range, const struct tags *tags, uint64_t hash, struct slice name) {
    if (GET(tags->index.page_count) == 0)
        return 0;
    struct index_place place = index_place_of(range, &tags->index, hash);
    for (const struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(range, &tags->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (cell && cell_matches(cell, place.wanted) &&
                slice_equal(name_of(range->base + cell_location(cell)), name))
                return cell_location(cell);
        }
    return 0;
}

static void forget_all(struct range *range, struct actor *actor, struct tags *tags) {
    for (uint32_t page = GET(tags->page_count); page-- > 0;)
        if (directory(range, tags)[page])
            give_page(range, actor, tags, page);
    if (GET(tags->index.page_count))
        index_close(range, actor, &tags->index);
    memset(tags->free_first, 0, sizeof tags->free_first);
    tags->spare = 0;
    PUT(tags->count, 0);
    PUT(tags->dead, 0);
    PUT(tags->bytes, 0);
}

static void write_record(const struct range *range, const struct tags *tags, uint32_t number, struct slice name) {
    uint8_t *record = slot_of(range, tags, number), bytes[1 + TAG_NAME_MAX];
    bytes[0] = (uint8_t)name.size;
    memcpy(bytes + 1, name.data, name.size);
    words_store64(record, 0);
    words_store64(record + SOFT_AT, 0); /* the run was taken from its beginning: what stands before is a record */
    words_store32(record + MEMBERS_AT, 0);
    words_store32(record + BEARERS_AT, 1);
    words_write(record + NAME_SIZE_AT, bytes, 1 + name.size);
}

/* The slots come first, as an index that has no room for a cell is left as it was. */
static enum status create_record(struct range *range, struct actor *actor, struct tags *tags, uint64_t hash,
                                 struct slice name, uint32_t *ret_number) {
    struct index *index = &tags->index;
    if (GET(index->page_count) == 0 &&
        index_init(range, actor, index, index->shard, index->pages_at, index->overflow_pages_at) != STATUS_OK)
        return STATUS_FULL;
    struct index_place place;
    _Atomic uint64_t *cell = NULL;
    bool had_spare = tags->spare != 0;
    uint32_t slots = slots_for(name.size), number = take_run(range, actor, tags, slots);
    if (number) {
        write_record(range, tags, number, name);
        cell = index_empty_cell(range, actor, index, hash, &place);
    }
    if (!cell) {
        if (number)
            give_run(range, actor, tags, number, slots);
        if (!had_spare)
            give_spare(range, actor, tags);
        if (GET(tags->count) == 0)
            forget_all(range, actor, tags);
        return STATUS_FULL;
    }
    index_write_begin(place.bucket);
    PUT(*cell, cell_make(place.wanted, 0, offset_of(range, tags, number)));
    index_write_end(place.bucket);
    index_added(index);
    PUT(tags->count, GET(tags->count) + 1);
    PUT(tags->bytes, GET(tags->bytes) + ((uint64_t)slots << TAG_SLOT_SHIFT));
    index_grow(range, actor, index, hash_at, range);
    *ret_number = number;
    return STATUS_OK;
}

static void drop_record(struct range *range, struct actor *actor, struct tags *tags, uint32_t number) {
    struct index *index = &tags->index;
    uint64_t at = offset_of(range, tags, number), hash = hash_at(range, at);
    _Atomic uint64_t *cell = index_find(range, index, hash, at);
    ASSERT(cell);
    index_remove(range, index, index_place_of(range, index, hash).bucket, cell);
    uint32_t slots = slots_for(range->base[at + NAME_SIZE_AT]);
    give_run(range, actor, tags, number, slots);
    PUT(tags->count, GET(tags->count) - 1);
    PUT(tags->bytes, GET(tags->bytes) - ((uint64_t)slots << TAG_SLOT_SHIFT));
    if (!index_shrink(range, actor, index, SHRINK_MERGES))
        index_shrink_overflow(range, actor, index, hash_at, range);
}

/* A record that somebody bears. */
static uint8_t *borne(const struct range *range, const struct tags *tags, uint32_t number) {
    ASSERT(number >> page_shift(range) < GET(tags->page_count));
    uint8_t *record = slot_of(range, tags, number);
    ASSERT(!(words_load64(record) & FREE) && get32(record, BEARERS_AT) > 0);
    return record;
}

/* ------------------------------------------------------------------------------------ interface */

static void enter(struct range *range, const struct actor *actor, struct tags *tags) {
    lock_take(&tags->lock, actor->id, &range->waiting);
}
static void leave(struct range *range, struct tags *tags) { lock_give(&tags->lock, &range->waiting); }

enum status tag_take(struct range *range, struct actor *actor, struct tags *tags, struct slice name, bool create,
                     uint32_t *ret_number) {
    if (name.size == 0 || name.size > tag_name_max(range))
        return STATUS_INVALID;
    uint64_t hash = hash_bytes(name, range->head->hash_seed);
    enum status status = STATUS_OK;
    enter(range, actor, tags);
    uint64_t at = find(range, tags, hash, name);
    if (at) {
        uint32_t bearers = get32(range->base + at, BEARERS_AT);
        if (bearers >= TAG_BEARERS_MAX) {
            status = STATUS_FULL;
        } else {
            words_store32(range->base + at + BEARERS_AT, bearers + 1);
            *ret_number = number_at(range, at);
        }
    } else if (create) {
        status = create_record(range, actor, tags, hash, name, ret_number);
    } else {
        *ret_number = 0;
    }
    leave(range, tags);
    return status;
}

void tag_hold(struct range *range, struct actor *actor, struct tags *tags, uint32_t number) {
    enter(range, actor, tags);
    uint8_t *record = borne(range, tags, number);
    ASSERT(get32(record, BEARERS_AT) < UINT32_MAX);
    words_store32(record + BEARERS_AT, get32(record, BEARERS_AT) + 1);
    leave(range, tags);
}

void tag_give(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp) {
    enter(range, actor, tags);
    uint8_t *record = borne(range, tags, number);
    uint32_t bearers = get32(record, BEARERS_AT) - 1, members = get32(record, MEMBERS_AT);
    if (__builtin_expect(tags->loose, 0)) {
        members -= stamp > hard_of(record) && members > 0;
        words_store32(record + MEMBERS_AT, members);
    } else if (stamp > hard_of(record)) {
        ASSERT(members > 0);
        words_store32(record + MEMBERS_AT, --members);
    } else if (stamp) {
        ASSERT(GET(tags->dead) > 0);
        PUT(tags->dead, GET(tags->dead) - 1);
    }
    ASSERT(members <= bearers);
    words_store32(record + BEARERS_AT, bearers);
    if (bearers == 0)
        drop_record(range, actor, tags, number);
    leave(range, tags);
}

bool tag_join(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp) {
    enter(range, actor, tags);
    uint8_t *record = borne(range, tags, number);
    uint32_t members = get32(record, MEMBERS_AT);
    bool joins = stamp > hard_of(record);
    if (joins) {
        ASSERT(members < get32(record, BEARERS_AT));
        words_store32(record + MEMBERS_AT, members + 1);
    } else {
        PUT(tags->dead, GET(tags->dead) + 1);
    }
    leave(range, tags);
    return joins;
}

uint64_t tag_renew(struct range *range, struct actor *actor, struct tags *tags, const uint32_t *numbers, uint32_t count,
                   uint64_t stamp, uint64_t (*next)(void *context), void *context) {
    bool old = false;
    enter(range, actor, tags);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *record = borne(range, tags, numbers[i]);
        old = old || stamp <= hard_of(record) || stamp <= soft_of(record);
    }
    if (!old)
        stamp = next(context);
    leave(range, tags);
    return stamp;
}

/* A word of the record, for a number that may be no record's any more; 0: there is none. */
static uint64_t word_at(const struct range *range, const struct tags *tags, uint32_t number, uint32_t at) {
    uint32_t page = number >> page_shift(range);
    if (page >= atomic_load_explicit(&tags->page_count, memory_order_acquire))
        return 0;
    uint32_t unit = __atomic_load_n(&directory(range, tags)[page], __ATOMIC_ACQUIRE);
    if (!unit)
        return 0;
    const uint8_t *record =
        range->base + range_unit_at(range, unit) + ((uint64_t)(number & (page_slots(range) - 1)) << TAG_SLOT_SHIFT);
    return __atomic_load_n((const word64 *)(const void *)(record + at), __ATOMIC_ACQUIRE);
}

uint64_t tag_invalidated(const struct range *range, const struct tags *tags, uint32_t number) {
    uint64_t word = word_at(range, tags, number, 0);
    return word & FREE ? 0 : word & (ENTRY_STAMP_END - 1);
}

bool tag_kills(const struct range *range, const struct tags *tags, uint32_t number, uint64_t stamp, bool softly) {
    return tag_invalidated(range, tags, number) >= stamp ||
           (softly && (word_at(range, tags, number, SOFT_AT) & (ENTRY_STAMP_END - 1)) >= stamp);
}

uint64_t tag_stale_ms(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp) {
    enter(range, actor, tags);
    const uint8_t *record = borne(range, tags, number);
    uint64_t stale_ms = soft_of(record) >= stamp ? soft_for_ms(record, actor->now_ms) : 0;
    leave(range, tags);
    return stale_ms;
}

uint64_t tag_invalidate(struct range *range, struct actor *actor, struct tags *tags, struct slice name, bool soft,
                        uint64_t (*next)(void *context), void *context) {
    uint64_t hash = hash_bytes(name, range->head->hash_seed), members = 0;
    actor->tag_stamps[0] = actor->tag_stamps[1] = 0;
    enter(range, actor, tags);
    uint64_t at = find(range, tags, hash, name);
    if (at) {
        uint8_t *record = range->base + at;
        uint64_t stamp = next(context);
        actor->tag_stamps[0] = hard_of(record) > soft_of(record) ? hard_of(record) : soft_of(record);
        actor->tag_stamps[1] = stamp;
        ASSERT(stamp >= ENTRY_STAMP_FIRST && stamp < ENTRY_STAMP_END);
        ASSERT(stamp > hard_of(record) && stamp > soft_of(record));
        members = get32(record, MEMBERS_AT);
        if (soft) {
            set_soft(record, stamp, actor->now_ms);
        } else {
            uint64_t time = words_load64(record) & ~(ENTRY_STAMP_END - 1);
            __atomic_store_n((word64 *)(void *)record, stamp | time, __ATOMIC_RELEASE);
            words_store32(record + MEMBERS_AT, 0);
            PUT(tags->dead, GET(tags->dead) + members);
        }
        /* After the record: who sees this sees that. */
        atomic_store_explicit(&tags->latest[number_at(range, at) & tags->group_mask], stamp, memory_order_release);
    }
    leave(range, tags);
    return members;
}

void tag_invalidate_at(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, bool soft,
                       uint64_t stamp, uint64_t at_ms) {
    enter(range, actor, tags);
    uint8_t *record = borne(range, tags, number);
    ASSERT(tags->loose);
    if (soft && stamp > soft_of(record)) {
        set_soft(record, stamp, at_ms);
    } else if (!soft && stamp > hard_of(record)) {
        uint64_t time = words_load64(record) & ~(ENTRY_STAMP_END - 1);
        __atomic_store_n((word64 *)(void *)record, stamp | time, __ATOMIC_RELEASE);
        words_store32(record + MEMBERS_AT, 0);
    }
    if (stamp > tags_latest(tags, number))
        atomic_store_explicit(&tags->latest[number & tags->group_mask], stamp, memory_order_release);
    leave(range, tags);
}

void tags_count_loosely(struct range *range, struct actor *actor, struct tags *tags) {
    enter(range, actor, tags);
    tags->loose = true;
    leave(range, tags);
}

void tags_count_anew(struct range *range, struct actor *actor, struct tags *tags) {
    enter(range, actor, tags);
    for (uint32_t page = 0; page < GET(tags->page_count); page++) {
        if (!directory(range, tags)[page])
            continue;
        uint32_t number = (page << page_shift(range)) + 1, end = number - 1 + page_slots(range);
        while (number < end) {
            uint8_t *record = slot_of(range, tags, number);
            uint64_t first = words_load64(record);
            if (!(first & FREE))
                words_store32(record + MEMBERS_AT, 0);
            number += first & FREE ? (uint32_t)first : slots_for(record[NAME_SIZE_AT]);
        }
    }
    PUT(tags->dead, 0);
    tags->loose = false;
    leave(range, tags);
}

size_t tag_name(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint8_t *to) {
    enter(range, actor, tags);
    struct slice name = name_of(borne(range, tags, number));
    memcpy(to, name.data, name.size);
    leave(range, tags);
    return name.size;
}

bool tag_find(struct range *range, struct actor *actor, struct tags *tags, struct slice name, uint32_t *ret_number,
              struct tag_facts *ret_facts) {
    uint64_t hash = hash_bytes(name, range->head->hash_seed);
    enter(range, actor, tags);
    uint64_t at = find(range, tags, hash, name);
    if (at) {
        const uint8_t *record = range->base + at;
        *ret_number = number_at(range, at);
        *ret_facts = (struct tag_facts){
            .invalidated = hard_of(record),
            .soft = soft_of(record),
            .soft_for_ms = soft_of(record) ? soft_for_ms(record, actor->now_ms) : 0,
            .members = get32(record, MEMBERS_AT),
            .bearers = get32(record, BEARERS_AT),
        };
    }
    leave(range, tags);
    return at != 0;
}

void tags_clear(struct range *range, struct actor *actor, struct tags *tags) {
    enter(range, actor, tags);
    ASSERT(atomic_load_explicit(&tags->guests, memory_order_relaxed) == 0);
    forget_all(range, actor, tags);
    leave(range, tags);
}

/* ------------------------------------------------------------------------------------ verify */

struct sums {
    uint64_t records, bytes, bearers, members, listed[TAG_SLOTS_MAX + 1];
};

/* Answers how many slots the record takes. */
static uint32_t verify_record(const struct range *range, const struct tags *tags, uint32_t number, bool is_before_free,
                              struct sums *sums) {
    uint64_t at = offset_of(range, tags, number);
    const uint8_t *record = range->base + at;
    uint32_t slots = slots_for(record[NAME_SIZE_AT]);
    uint64_t hash = hash_bytes(name_of(record), range->head->hash_seed);
    ASSERT(record[NAME_SIZE_AT] > 0 && slots <= TAG_SLOTS_MAX && number_at(range, at) == number);
    ASSERT(is_before_free == ((words_load64(record + SOFT_AT) & BEFORE) != 0));
    ASSERT(get32(record, BEARERS_AT) > 0 && get32(record, MEMBERS_AT) <= get32(record, BEARERS_AT));
    ASSERT(find(range, tags, hash, name_of(record)) == at);
    sums->records++;
    sums->members += get32(record, MEMBERS_AT);
    sums->bearers += get32(record, BEARERS_AT);
    sums->bytes += (uint64_t)slots << TAG_SLOT_SHIFT;
    return slots;
}

static void verify_page(const struct range *range, const struct tags *tags, uint32_t page, struct sums *sums) {
    uint32_t number = (page << page_shift(range)) + 1, end = number - 1 + page_slots(range);
    ASSERT(words_load64(slot_of(range, tags, number - 1)) == page);
    bool was_free = false;
    while (number < end) {
        uint64_t first = words_load64(slot_of(range, tags, number));
        uint32_t length = (uint32_t)first;
        if (first & FREE) {
            ASSERT(!was_free && length > 0 && length <= end - number);
            ASSERT(words_load64(slot_of(range, tags, number + length - 1)) == first);
            if (tags->spare != page + 1)
                sums->listed[length <= TAG_SLOTS_MAX ? length : 0]++;
            was_free = true;
        } else {
            length = verify_record(range, tags, number, was_free, sums);
            was_free = false;
        }
        ASSERT((length == page_slots(range) - 1 && first & FREE) == (tags->spare == page + 1));
        number += length;
    }
    ASSERT(number == end);
}

static void verify_lists(const struct range *range, const struct tags *tags, const struct sums *sums) {
    for (uint32_t i = 0; i <= TAG_SLOTS_MAX; i++) {
        uint64_t listed = 0;
        for (uint32_t number = tags->free_first[i], previous = 0; number; listed++) {
            const uint8_t *run = slot_of(range, tags, number);
            uint32_t length = run_length(range, tags, number);
            uint64_t links = words_load64(run + 8);
            ASSERT(words_load64(run) & FREE && (i ? length == i : length > TAG_SLOTS_MAX));
            ASSERT((uint32_t)links == previous && listed < sums->listed[i]);
            previous = number;
            number = (uint32_t)(links >> 32);
        }
        ASSERT(listed == sums->listed[i]);
    }
}

uint64_t tags_verify(const struct range *range, const struct tags *tags) {
    struct sums sums = {0};
    uint32_t count = GET(tags->page_count);
    ASSERT(count == 0 || directory(range, tags)[count - 1]);
    ASSERT(tags->gap <= count && tags->spare <= count);
    for (uint32_t page = 0; page < count; page++) {
        if (directory(range, tags)[page])
            verify_page(range, tags, page, &sums);
        else
            ASSERT(page >= tags->gap);
    }
    verify_lists(range, tags, &sums);
    ASSERT(GET(tags->dead) <= sums.bearers - sums.members); /* others are about to become members */
    ASSERT(sums.records == GET(tags->count) && sums.bytes == GET(tags->bytes));
    ASSERT(sums.records == GET(tags->index.entries));
    if (GET(tags->index.page_count))
        index_verify(range, &tags->index);
    return sums.bearers;
}
