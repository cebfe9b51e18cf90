#include "core/store/store.h"

#include "base/assert.h"
#include "core/store/ghost.h"
#include "core/store/image.h"
#include "core/store/layout.h"
#include "core/store/named.h"
#include "core/store/reclaim.h"
#include "core/store/resident.h"
#include "core/store/tier.h"

enum { TABLE_ALIGNMENT = 64 };

/* So many segments that each shard can have OPEN_WANTED of them open within OPEN_PERCENT of the memory: seven classes in
 * each queue, of which two are for large values. Not where segments would be large anyway: there more of them cost more in directories than more classes bring. */
enum {
    OPEN_PERCENT = 6,
    OPEN_WANTED = 15,
    OPEN_WANTED_LARGE = 6,
    LARGE_SEGMENT = 256 * 1024,
    LAPS_LIMIT_MIN = 4 * 1024 * 1024,
    SEGMENTS_A_SHARD_MIN = 3,
    SPARE_SHARE = 16, /* of a segment, what place for further stores may take in tables */
    SPARE_SHARDS = 4, /* for each of them, if all are made: large ones take more, small ones one */
};

static uint64_t segment_share(uint64_t limit_bytes, uint32_t shards, uint32_t open_wanted) {
    uint64_t wanted = (uint64_t)shards * open_wanted * 100 / OPEN_PERCENT;
    return limit_bytes / (wanted < RANGE_SEGMENTS_WANTED ? RANGE_SEGMENTS_WANTED : wanted);
}

static uint32_t segment_size_for(uint64_t limit_bytes, uint32_t shards) {
    uint64_t share = segment_share(limit_bytes, shards, OPEN_WANTED_LARGE);
    if (share < LARGE_SEGMENT)
        share = segment_share(limit_bytes, shards, OPEN_WANTED);
    uint64_t size = bits_floor_power_of_two(share);
    if (size < RANGE_SEGMENT_SIZE_MIN)
        return limit_bytes < RANGE_LIMIT_TINY ? RANGE_SEGMENT_SIZE_TINY : RANGE_SEGMENT_SIZE_MIN;
    return size > RANGE_SEGMENT_SIZE_MAX ? RANGE_SEGMENT_SIZE_MAX : (uint32_t)size;
}

static uint32_t open_max_for(const struct range_head *head, uint64_t limit_segments) {
    uint32_t most = (uint32_t)(limit_segments * OPEN_PERCENT / 100 / head->shard_count);
    return most < STORE_QUEUES ? STORE_QUEUES : most;
}

/* Open segments together hold at most OPEN_PERCENT of the budget: so many a shard may have, half of them a queue, and so many size
 * classes there are. What is large comes in fewer classes, as its logs' segments hold hundreds of entries. */
static void choose_logs(struct range_head *head, uint64_t limit_bytes) {
    uint64_t limit_segments = limit_bytes / head->segment_size;
    head->one_queue = limit_bytes < RANGE_LIMIT_TINY;
    head->open_max = open_max_for(head, limit_segments);
    uint32_t a_queue = head->open_max / STORE_QUEUES;
    head->large_class_count = a_queue >= 8 ? STORE_LARGE_CLASSES_MAX : a_queue >= 5 ? 2 : a_queue >= 2 ? 1 : 0;
    uint32_t classes = a_queue - head->large_class_count;
    head->class_count = classes > STORE_CLASSES_MAX ? STORE_CLASSES_MAX : classes;
    uint32_t octaves = bits_log2(head->segment_size) - 7;
    head->laps = octaves >= 4 * head->class_count ? 2 : octaves >= 2 * head->class_count ? 1 : 0;
    head->large_laps = head->large_class_count == STORE_LARGE_CLASSES_MAX ? 0 : 2;
    /* Further rounds keep more small entries, each with its header and its part of the index: too dear where little is to be shared. */
    if (limit_bytes < LAPS_LIMIT_MIN)
        head->laps = head->large_laps = 0;
}

static uint32_t unit_size_for(uint32_t segment_size) {
    uint32_t size = segment_size / RANGE_UNITS;
    return size < RANGE_UNIT_SIZE_MIN ? RANGE_UNIT_SIZE_MIN : size;
}

/* A place for each shard, and one for tags. */
static uint64_t charge_count(const struct range_head *head) { return head->shard_room + 1ull; }

/* Numbers of units that a shard has directories for, of each unit there may be: of the index and its overflow buckets, and the same for cells of a tier. */
static uint64_t unit_directories(const struct range_head *head) { return head->tiered ? 4 : 2; }

/* A shard's directories: those; of objects and of two filters, a number for each segment, and of ghosts as many (which is far more units than they
 * take). */
static uint64_t directory_size(const struct range_head *head, uint64_t segments) {
    return bits_align_up((segments + 1) * (head->segment_size / head->unit_size) * sizeof(uint32_t), 64);
}
static uint64_t segment_table_size(uint64_t segments) { return bits_align_up((segments + 1) * sizeof(uint32_t), 64); }
static uint64_t directories_size(const struct range_head *head, uint64_t segments) {
    return unit_directories(head) * directory_size(head, segments) + 4 * segment_table_size(segments);
}

static uint32_t tag_groups(const struct range_head *head) {
    return head->unit_size == RANGE_UNIT_SIZE_MIN ? TAG_GROUPS_TINY : TAG_GROUPS_MAX;
}

/* Address space of all tables for one segment. */
static uint64_t tables_a_segment(const struct range_head *head) {
    uint64_t units = head->segment_size / head->unit_size, numbers = unit_directories(head) * units + 4;
    return (head->shard_count * numbers + TAG_DIRECTORIES * units) * sizeof(uint32_t) + sizeof(struct segment) +
           RANGE_REFERENCES * sizeof(uint32_t);
}

/* Directories are address space that is hardly ever touched, but what they take is missing for segments. With many shards larger units, and
 * then larger segments, need fewer numbers: tables take at most half of the range. */
static void choose_sizes(struct range_head *head, const struct engine_options *options) {
    head->segment_size = segment_size_for(options->limit_bytes, head->shard_count);
    for (;; head->segment_size *= 2) {
        head->unit_size = unit_size_for(head->segment_size);
        while (tables_a_segment(head) > head->segment_size / 2 && head->unit_size < head->segment_size / 2)
            head->unit_size *= 2;
        if (tables_a_segment(head) <= head->segment_size / 2 || head->segment_size >= RANGE_SEGMENT_SIZE_MAX)
            return;
    }
}

/* Place for stores that come later costs address space only, of which it takes a small part: with small segments there are few. */
static void choose_room(struct range_head *head, const struct engine_options *options) {
    uint64_t numbers = unit_directories(head) * (head->segment_size / head->unit_size) + 4;
    uint64_t most = head->segment_size / SPARE_SHARE / (numbers * sizeof(uint32_t)), spare = options->spare_stores;
    spare = spare > most ? most : spare;
    spare = spare > STORES_MAX - head->store_count ? STORES_MAX - head->store_count : spare;
    head->store_room = head->store_count + (uint32_t)spare;
    spare = options->spare_stores * SPARE_SHARDS;
    spare = spare > most ? most : spare;
    spare = spare > STORE_SHARDS_MAX - head->shard_count ? STORE_SHARDS_MAX - head->shard_count : spare;
    head->shard_room = head->shard_count + (uint32_t)spare;
}

bool layout_make(struct range_head *head, const struct engine_options *options) {
    uint32_t shards[STORES_MAX];
    head->tiered = options->tiered;
    head->store_count = named_count(options);
    head->shard_count = named_count_shards(options, shards);
    if (head->shard_count == 0)
        return false;
    choose_sizes(head, options);
    choose_room(head, options);
    uint64_t count = options->range_size / head->segment_size;
    if (count > UINT32_MAX / RANGE_BLOCKS)
        return false;
    uint64_t at = bits_align_up(sizeof *head, TABLE_ALIGNMENT);
    head->segments_at = at;
    at += bits_align_up((count + 1) * sizeof(struct segment), TABLE_ALIGNMENT);
    head->charges_at = at;
    at += bits_align_up(charge_count(head) * sizeof(uint64_t), TABLE_ALIGNMENT);
    head->stores_at = at;
    at = bits_align_up(at + head->store_room * sizeof(struct store), TABLE_ALIGNMENT);
    head->shards_at = at;
    at += bits_align_up(head->shard_room * sizeof(struct shard), TABLE_ALIGNMENT);
    at += bits_align_up(head->shard_room * directories_size(head, count), TABLE_ALIGNMENT);
    head->tags_at = at;
    at += bits_align_up(tags_size(tag_groups(head)), TABLE_ALIGNMENT) + TAG_DIRECTORIES * directory_size(head, count);
    head->references_at = at;
    at += bits_align_up((count + 1) * RANGE_REFERENCES * sizeof(uint32_t), TABLE_ALIGNMENT);
    head->first_segment_at = bits_align_up(at, head->segment_size);
    if (head->first_segment_at + (uint64_t)RANGE_SEGMENTS_MIN * head->segment_size > options->range_size)
        return false;
    /* A shard has a page of the index and an open segment before it holds anything. */
    if (options->limit_bytes / head->segment_size < (uint64_t)SEGMENTS_A_SHARD_MIN * head->shard_count)
        return false;
    head->segment_count = (uint32_t)((options->range_size - head->first_segment_at) / head->segment_size);
    choose_logs(head, options->limit_bytes);
    return true;
}

/* What of a shard is used: of its logs there are as many as classes, in each kind and queue. */
static uint64_t shard_bytes(const struct range_head *head) {
    uint64_t logs = (uint64_t)STORE_LOGS_MAX / STORE_CLASSES * (head->class_count + head->large_class_count);
    return sizeof(struct shard) - sizeof((struct shard *)0)->logs +
           bits_align_up(logs * sizeof(struct shard_log), TABLE_ALIGNMENT);
}

/* What of the tables can become resident while `limit` segments are in use: rows and references of those segments only. */
static uint64_t table_bytes(const struct range_head *head, uint64_t limit_bytes) {
    uint64_t fixed = bits_align_up(sizeof *head, TABLE_ALIGNMENT) + head->shard_count * shard_bytes(head) +
                     charge_count(head) * sizeof(uint64_t) + tags_size(tag_groups(head)) +
                     head->store_count * sizeof(struct store);
    uint64_t row = sizeof(struct segment) + sizeof(uint32_t); /* and its number in a directory */
    return fixed + (limit_bytes > fixed ? (limit_bytes - fixed) / (head->segment_size + row) + 1 : 0) * row;
}

void layout_bind(struct engine *engine, const struct engine_options *options) {
    struct range_head *head = options->range;
    struct range *range = &engine->range;
    range->base = options->range;
    range->head = head;
    range->segments = (struct segment *)(void *)(range->base + head->segments_at);
    range->references = (_Atomic uint32_t *)(void *)(range->base + head->references_at);
    range->segment_shift = bits_log2(head->segment_size);
    range->unit_shift = bits_log2(head->unit_size);
    range->segment_mask = head->segment_size - 1;
    range->unit_mask = head->unit_size - 1;
    range->segments_origin = head->first_segment_at - head->segment_size;
    range->waiting = options->waiting;
    range->backing = options->backing;
    range->charges = (_Atomic uint64_t *)(void *)(range->base + head->charges_at);
    engine->shards = (struct shard *)(void *)(range->base + head->shards_at);
    engine->stores = (struct store *)(void *)(range->base + head->stores_at);
    engine->tags = (struct tags *)(void *)(range->base + head->tags_at);
    engine->shard_count = head->shard_count;
    engine->store_count = head->store_count;
    engine->hash_seed = head->hash_seed;
    engine->cores = options->cores;
    engine->memory = options->memory;
    engine->owner = options->owner;
    engine->changes.call = options->changes.call;
    engine->changes.context = options->changes.context;
    atomic_store_explicit(&engine->changes.wanted, options->changes.call ? options->changes.wanted : 0,
                          memory_order_relaxed);
}

uint64_t layout_segments(const struct range_head *head, uint64_t limit_bytes) {
    if (limit_bytes < RANGE_LIMIT_MIN || limit_bytes > head->range_size || limit_bytes < table_bytes(head, limit_bytes))
        return 0;
    uint64_t segments = (limit_bytes - table_bytes(head, limit_bytes)) / head->segment_size;
    if (segments > head->segment_count)
        segments = head->segment_count;
    return segments < RANGE_SEGMENTS_MIN ? 0 : segments;
}

enum status engine_limit_set(struct engine *engine, uint64_t limit_bytes) {
    struct range_head *head = engine->range.head;
    uint64_t segments = layout_segments(head, limit_bytes);
    if (!segments)
        return STATUS_INVALID;
    atomic_store_explicit(&head->table_bytes, table_bytes(head, limit_bytes), memory_order_relaxed);
    atomic_store_explicit(&head->limit_bytes, limit_bytes, memory_order_relaxed);
    atomic_store_explicit(&head->limit, (uint32_t)segments, memory_order_relaxed);
    atomic_store_explicit(&head->ceiling,
                          atomic_load_explicit(&head->used, memory_order_relaxed) + range_reserve(&engine->range),
                          memory_order_relaxed);
    named_limit_changed(engine);
    return STATUS_OK;
}

static void init_tags(struct engine *engine) {
    const struct range_head *head = engine->range.head;
    uint64_t at = head->tags_at + bits_align_up(tags_size(tag_groups(head)), TABLE_ALIGNMENT);
    uint64_t size = directory_size(head, head->segment_count);
    tags_init(engine->tags, tag_groups(head), head->shard_room, at, at + size, at + 2 * size);
}

static uint64_t directories_at(const struct range_head *head, uint32_t shard) {
    uint64_t first_at = head->shards_at + bits_align_up(head->shard_room * sizeof(struct shard), TABLE_ALIGNMENT);
    return first_at + shard * directories_size(head, head->segment_count);
}

void store_tier_directories(const struct engine *engine, uint32_t shard, uint64_t *ret_pages_at,
                            uint64_t *ret_overflow_at) {
    const struct range_head *head = engine->range.head;
    uint64_t size = directory_size(head, head->segment_count);
    ASSERT(head->tiered);
    *ret_pages_at = directories_at(head, shard) + directories_size(head, head->segment_count) - 2 * size;
    *ret_overflow_at = *ret_pages_at + size;
}

static enum status init_shard(struct engine *engine, struct actor *actor, uint32_t at) {
    struct range_head *head = engine->range.head;
    struct shard *shard = &engine->shards[at];
    uint64_t directory_at = directories_at(head, at);
    uint64_t size = directory_size(head, head->segment_count), table_size = segment_table_size(head->segment_count);
    uint64_t tables_at = directory_at + 2 * size;
    shard->objects.table_at = tables_at;
    shard->ghosts.units_at = tables_at + table_size;
    filter_init(&shard->filter, tables_at + 2 * table_size, tables_at + 3 * table_size);
    return index_init(&engine->range, actor, &shard->index, at, directory_at, directory_at + size);
}

static enum status init_shards(struct engine *engine) {
    struct actor actor = {.id = 1};
    for (uint32_t i = 0; i < engine->shard_count; i++)
        TRY(init_shard(engine, &actor, i));
    return STATUS_OK;
}

bool layout_may_be(const struct engine_options *options) {
    return options->range && (uintptr_t)options->range % LAYOUT_ALIGNMENT == 0 &&
           options->limit_bytes >= RANGE_LIMIT_MIN && options->limit_bytes <= options->range_size &&
           options->range_size <= RANGE_SIZE_MAX && options->policy < STORE_POLICY_COUNT &&
           (!options->entries_max || options->entries_max >= STORE_ENTRIES_MAX_MIN);
}

static void begin_head(struct range_head *head, const struct engine_options *options) {
    head->version = LAYOUT_VERSION;
    head->range_size = options->range_size;
    head->hash_seed = options->seed;
    atomic_store_explicit(&head->never_used, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < RANGE_DATABASES; i++)
        atomic_store_explicit(&head->db_map[i], i, memory_order_relaxed);
    image_describe(head, options);
}

enum status engine_open(const struct engine_options *options, struct engine **ret_engine) {
    struct range_head *head = options->range;
    if (!layout_may_be(options) || head->magic != 0)
        return STATUS_INVALID; /* zero-filled is what the contract says */
    TRY(named_check(options));
    if (!layout_make(head, options))
        return STATUS_INVALID;
    struct engine *engine = memory_take(options->memory, sizeof *engine);
    if (!engine)
        return STATUS_NO_MEMORY;
    begin_head(head, options);
    memset(engine, 0, sizeof *engine);
    layout_bind(engine, options);
    named_lay_out(engine, options);
    enum status status = named_take_routes(engine, options);
    if (status == STATUS_OK)
        status = engine_limit_set(engine, options->limit_bytes);
    if (status == STATUS_OK)
        status = init_shards(engine);
    if (status == STATUS_OK)
        init_tags(engine);
    if (status != STATUS_OK) {
        engine_close(engine);
        return status;
    }
    head->magic = LAYOUT_MAGIC;
    *ret_engine = engine;
    return STATUS_OK;
}

/* Shards behind the others, as many as there is place and memory for, up to `wanted`, a power of two. */
static enum status add_shards(struct engine *engine, struct actor *actor, uint32_t wanted, uint32_t *ret_count) {
    struct range_head *head = engine->range.head;
    uint64_t limit_bytes = atomic_load_explicit(&head->limit_bytes, memory_order_relaxed);
    uint64_t most = limit_bytes / head->segment_size / SEGMENTS_A_SHARD_MIN;
    while (wanted && (engine->shard_count + wanted > head->shard_room || engine->shard_count + wanted > most))
        wanted /= 2;
    if (!wanted || reclaim_make_room(engine, actor, 0, (uint64_t)wanted * head->unit_size) != STATUS_OK)
        return STATUS_FULL;
    for (uint32_t i = 0; i < wanted; i++)
        if (init_shard(engine, actor, engine->shard_count + i) != STATUS_OK) {
            /* Those before it have a page of the index each. */
            while (i-- > 0)
                index_close(&engine->range, actor, &engine->shards[engine->shard_count + i].index);
            return STATUS_FULL;
        }
    engine->shard_count = head->shard_count += wanted;
    head->open_max = open_max_for(head, limit_bytes / head->segment_size);
    *ret_count = wanted;
    return engine_limit_set(engine, limit_bytes); /* their tables count from now on */
}

enum status engine_store_add(struct engine *engine, struct actor *actor, const struct store_options *options,
                             uint32_t *ret_store) {
    struct range_head *head = engine->range.head;
    TRY(named_check_added(engine, options));
    uint32_t number = named_given_up(engine);
    if (!number) {
        if (engine->store_count == head->store_room)
            return STATUS_FULL;
        struct store *record = &engine->stores[engine->store_count];
        uint32_t first = engine->shard_count, count;
        TRY(add_shards(engine, actor, named_shards_for(engine, options), &count));
        number = engine->store_count;
        record->first_shard = first;
        record->shard_count = count;
        record->shard_shift = count == 1 ? 0 : 64 - bits_log2(count);
        for (uint32_t i = first; i < first + count; i++)
            engine->shards[i].store = number;
        engine->store_count = ++head->store_count;
    }
    named_write(engine, number, options);
    *ret_store = number;
    return STATUS_OK;
}

void engine_close(struct engine *engine) {
    if (!engine)
        return;
    named_give_routes(engine);
    tier_free(engine);
    bans_free(atomic_load_explicit(&engine->bans, memory_order_relaxed), engine->memory);
    memory_give(engine->memory, engine, sizeof *engine);
}

void store_lock(struct engine *engine, struct actor *actor, uint32_t shard) {
    ASSERT(!store_held(actor, shard));
    lock_take(&engine->shards[shard].lock, actor->id, &engine->range.waiting);
    actor->held[shard / 64] |= 1ull << (shard % 64);
}

void store_unlock_plainly(struct engine *engine, struct actor *actor, uint32_t shard) {
    ASSERT(store_held(actor, shard));
    actor->held[shard / 64] &= ~(1ull << (shard % 64));
    lock_give(&engine->shards[shard].lock, &engine->range.waiting);
}

void store_unlock(struct engine *engine, struct actor *actor, uint32_t shard) {
    if (__builtin_expect(actor->noted.size != 0, 0))
        engine->journal.unlocking(engine->journal.context, actor);
    store_unlock_plainly(engine, actor, shard);
}

uint64_t engine_clock(const struct engine *engine) {
    uint64_t written = 1;
    for (uint32_t i = 0; i < engine->shard_count; i++)
        written += atomic_load_explicit(&engine->shards[i].written, memory_order_relaxed);
    return written;
}

uint64_t store_queue_bytes(const struct engine *engine, const struct store *store, enum store_queue queue,
                           bool expiring_only) {
    uint64_t bytes = 0;
    for (uint32_t i = store->first_shard; i < store->first_shard + store->shard_count; i++) {
        const _Atomic uint64_t *of_queue = engine->shards[i].queue_bytes[queue];
        bytes += atomic_load_explicit(&of_queue[1], memory_order_relaxed) +
                 (expiring_only ? 0 : atomic_load_explicit(&of_queue[0], memory_order_relaxed));
    }
    return bytes;
}

uint64_t engine_live(const struct engine *engine) {
    uint64_t live = atomic_load_explicit(&engine->range.head->blocks_live, memory_order_relaxed);
    for (uint32_t i = 0; i < engine->shard_count; i++)
        live += atomic_load_explicit(&engine->shards[i].live, memory_order_relaxed) +
                atomic_load_explicit(&engine->shards[i].objects.live, memory_order_relaxed);
    return live;
}

/* ------------------------------------------------------------------------------------------ verify */

struct verified {
    uint64_t live, objects, extents;
    uint64_t queue_bytes[STORE_QUEUES][2];
    uint64_t entries[RANGE_DATABASES], expiring[RANGE_DATABASES];
    uint32_t empties, open_count;
    uint64_t tags; /* that entries bear */
};

/* Adds up what the index refers to in one segment. */
static void verify_segment(struct engine *engine, struct shard *shard, uint32_t number, struct verified *sum) {
    const struct range *range = &engine->range;
    const struct segment *segment = &range->segments[number];
    uint64_t begin = range_segment_at(range, number), live = 0, weight = 0, entries = 0;
    enum store_queue queue = store_queue_of_log(segment->log);
    uint32_t used = atomic_load_explicit(&segment->used, memory_order_relaxed);
    for (uint32_t offset = 0; offset < used;) {
        struct entry entry;
        ASSERT(store_entry_at(engine, begin + offset, &entry));
        ASSERT(entry.size > 0 && offset + entry.size <= used);
        uint64_t hash = store_hash_at(engine, begin + offset);
        if (index_find(range, &shard->index, hash, begin + offset)) {
            uint64_t owned = store_owned_bytes(engine, begin + offset, &entry);
            live += entry.size;
            weight += entry.size + owned;
            sum->objects += entry.flags & ENTRY_OBJECT ? owned : 0;
            sum->extents += entry.flags & ENTRY_EXTENTS ? owned : 0;
            sum->entries[entry.db]++;
            sum->tags += entry.tag_count;
            entries += entry.tag_count ? SEGMENT_TAGGED + 1 : 1;
            ASSERT(entry.tag_count == 0 || entry.stamp);
            ASSERT(!entry.softened || entry.expires_at_ms);
            sum->expiring[entry.db] += entry.expires_at_ms != 0;
            sum->queue_bytes[queue][entry.expires_at_ms != 0] += entry.size + owned;
            ASSERT(store_log_expires(segment->log) == (entry.expires_at_ms != 0));
            ASSERT(!entry.expires_at_ms || store_due_ms(&entry) == UINT64_MAX || shard->expiry.segment == number ||
                   atomic_load_explicit(&segment->due_ms, memory_order_relaxed) != UINT64_MAX);
        }
        offset += entry.size;
    }
    ASSERT(live == atomic_load_explicit(&segment->live, memory_order_relaxed));
    ASSERT(entries == atomic_load_explicit(&segment->blocks, memory_order_relaxed));
    sum->empties += live == 0 && atomic_load_explicit(&segment->sealed, memory_order_relaxed);
    sum->open_count += shard->logs[atomic_load_explicit(&segment->log, memory_order_relaxed)].open == number;
    ASSERT(weight == atomic_load_explicit(&segment->weight, memory_order_relaxed));
    sum->live += live;
}

/* Bytes of the segments that say they are the shard's. */
static uint64_t owned_segments(const struct engine *engine, uint32_t at) {
    uint64_t bytes = 0;
    for (uint32_t number = 1; number < engine->range.head->never_used; number++)
        if (atomic_load_explicit(&engine->range.segments[number].kind, memory_order_relaxed) != SEGMENT_FREE &&
            atomic_load_explicit(&engine->range.segments[number].shard, memory_order_relaxed) == at)
            bytes += range_segment_size(&engine->range);
    return bytes;
}

/* Answers how many tags its entries bear. */
static uint64_t verify_shard(struct engine *engine, uint32_t at) {
    struct shard *shard = &engine->shards[at];
    struct verified sum = {0};
    index_verify(&engine->range, &shard->index);
    for (uint32_t log = 0; log < STORE_LOGS_MAX; log++) {
        uint32_t previous = 0;
        for (uint32_t number = shard->logs[log].first; number;) {
            const struct segment *segment = &engine->range.segments[number];
            ASSERT(atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG);
            ASSERT(atomic_load_explicit(&segment->shard, memory_order_relaxed) == at && segment->log == log);
            ASSERT(atomic_load_explicit(&segment->previous, memory_order_relaxed) == previous);
            ASSERT(atomic_load_explicit(&segment->sealed, memory_order_relaxed) ==
                   (number != shard->logs[log].open && !store_log_has_tail(&shard->logs[log], number)));
            verify_segment(engine, shard, number, &sum);
            previous = number;
            number = atomic_load_explicit(&segment->next, memory_order_relaxed);
        }
        ASSERT(shard->logs[log].last == previous);
        ASSERT(!shard->logs[log].open || shard->logs[log].open == previous);
    }
    object_verify(engine, shard);
    filter_verify(engine, shard);
    ASSERT(sum.objects == atomic_load_explicit(&shard->objects.live, memory_order_relaxed));
    ASSERT(sum.live == atomic_load_explicit(&shard->live, memory_order_relaxed));
    ASSERT(sum.extents == atomic_load_explicit(&shard->extents_live, memory_order_relaxed));
    ASSERT(sum.extents + owned_segments(engine, at) + index_bytes(&engine->range, &shard->index) +
               tier_cell_bytes(engine, at) + (uint64_t)shard->ghosts.unit_count * engine->range.head->unit_size ==
           atomic_load_explicit(&engine->range.charges[at], memory_order_relaxed));
    ASSERT(sum.empties == atomic_load_explicit(&shard->empties, memory_order_relaxed));
    ASSERT(sum.open_count == shard->open_count);
    for (int queue = 0; queue < STORE_QUEUES; queue++)
        for (int expires = 0; expires < 2; expires++)
            ASSERT(sum.queue_bytes[queue][expires] ==
                   atomic_load_explicit(&shard->queue_bytes[queue][expires], memory_order_relaxed));
    ghost_verify(engine, shard);
    uint64_t entries = 0;
    for (int db = 0; db < RANGE_DATABASES; db++) {
        ASSERT(sum.entries[db] == atomic_load_explicit(&shard->entries[db], memory_order_relaxed));
        ASSERT(sum.expiring[db] == atomic_load_explicit(&shard->expiring[db], memory_order_relaxed));
        entries += sum.entries[db];
    }
    ASSERT(entries == atomic_load_explicit(&shard->index.entries, memory_order_relaxed));
    return sum.tags + tier_verify(engine, at);
}

void engine_verify(struct engine *engine, struct actor *actor) {
    for (uint32_t i = 0; i < engine->shard_count; i++)
        store_lock(engine, actor, i);
    /* Uploads and pins take and give segments of blocks with no shard's lock, and memory is released with none. */
    lock_take(&engine->range.head->blocks, actor->id, &engine->range.waiting);
    lock_take(&engine->range.head->pool, actor->id, &engine->range.waiting);
    range_verify(&engine->range);
    resident_verify(engine);
    lock_give(&engine->range.head->pool, &engine->range.waiting);
    lock_give(&engine->range.head->blocks, &engine->range.waiting);
    uint64_t tags = 0;
    for (uint32_t i = 0; i < engine->shard_count; i++)
        tags += verify_shard(engine, i);
    ASSERT(tags_verify(&engine->range, engine->tags) == tags);
    ASSERT((uint64_t)engine->range.head->tag_units * engine->range.head->unit_size +
               index_bytes(&engine->range, &engine->tags->index) ==
           atomic_load_explicit(&engine->range.charges[engine->range.head->shard_room], memory_order_relaxed));
    for (uint32_t i = 0; i < engine->shard_count; i++)
        store_unlock(engine, actor, i);
}
