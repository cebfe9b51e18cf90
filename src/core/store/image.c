#include "core/store/image.h"

#include "base/assert.h"
#include "core/store/claim.h"
#include "core/store/layout.h"
#include "core/store/named.h"

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

enum { LIMITS_APART = 4 }; /* by more the new limit may not differ from that for which sizes were chosen */
static const uint64_t MARK = 0x6465736f6c437453u; /* "StClosed" */

/* ------------------------------------------------------------------------------------------ who can read it */

#define AT(type, field) (uint32_t) offsetof(struct type, field)
#define SIZE(type) (uint32_t)sizeof(struct type)

/* Sizes and offsets of what stands in a range. What they do not tell, LAYOUT_VERSION does. */
static const uint32_t shapes[] = {
    SIZE(range_head),
    AT(range_head, segments_at),
    AT(range_head, table_bytes),
    AT(range_head, segment_size),
    AT(range_head, limit),
    AT(range_head, limit_bytes),
    AT(range_head, block_segments),
    AT(range_head, stamps),
    AT(range_head, db_map),
    AT(range_head, pool),
    AT(range_head, free_first),
    AT(range_head, units),
    AT(range_head, tier_units),
    AT(range_head, tiered),
    AT(range_head, never_used),
    AT(range_head, blocks),
    AT(range_head, block_first),
    AT(range_head, image),
    SIZE(range_image),
    AT(range_image, sum),
    AT(range_image, described),
    AT(range_image, cores),
    SIZE(segment),
    AT(segment, kind),
    AT(segment, shard),
    AT(segment, base_ms),
    AT(segment, due_ms),
    AT(segment, weight),
    AT(segment, blocks),
    AT(segment, clock),
    SIZE(shard),
    AT(shard, store),
    AT(shard, index),
    AT(shard, aside),
    AT(shard, entries),
    AT(shard, expiring),
    AT(shard, live),
    AT(shard, queue_bytes),
    AT(shard, empties),
    AT(shard, main_life_ms),
    AT(shard, reclaim),
    AT(shard, expiry),
    AT(shard, expiries),
    AT(shard, objects),
    AT(shard, ghosts),
    AT(shard, logs),
    AT(shard, filter),
    SIZE(shard_log),
    AT(shard_log, open),
    AT(shard_log, tails),
    AT(shard_log, walked),
    SIZE(shard_walk),
    AT(shard_walk, offset),
    AT(shard_walk, evict),
    AT(shard_walk, expiry_max_ms),
    SIZE(shard_expiries),
    SIZE(index),
    AT(index, entries),
    AT(index, page_count),
    AT(index, overflow_used),
    AT(index, shard),
    AT(index, pages_at),
    SIZE(index_bucket),
    AT(index_bucket, cells),
    SIZE(object_heap),
    AT(object_heap, table_at),
    AT(object_heap, pages),
    SIZE(filter),
    AT(filter, pages_at),
    AT(filter, enabled),
    AT(filter, cursor),
    AT(filter, tables),
    SIZE(filter_table),
    SIZE(tags),
    AT(tags, index),
    AT(tags, pages_at),
    AT(tags, free_first),
    AT(tags, count),
    AT(tags, latest),
    SIZE(store),
    AT(store, first_shard),
    AT(store, policy),
    AT(store, eviction),
    AT(store, share_permille),
    AT(store, guaranteed_bytes),
    AT(store, rank),
    AT(store, reserved_bytes),
    SIZE(policy_state),
    SIZE(lock),
    SIZE(object_root),
    RANGE_DATABASES,
    RANGE_BLOCKS,
    RANGE_REFERENCES,
    RANGE_UNITS,
    STORE_SHARDS_MAX,
    STORE_CLASSES,
    STORE_LOGS_MAX,
    SEGMENT_KIND_COUNT,
    EXTENT_HEAD_SIZE,
    ENTRY_TAGS_MAX,
    STORE_POLICY_COUNT,
};

static uint64_t layout_number(void) {
    return hash_bytes(slice_make((const uint8_t *)shapes, sizeof shapes), LAYOUT_VERSION);
}

void image_describe(struct range_head *head, const struct engine_options *options) {
    head->image = (struct range_image){
        .layout = layout_number(),
        .program = options->program,
        .described = named_hash(options),
        .limit_bytes = options->limit_bytes,
        .cores = options->cores,
        .shards = options->shards,
        .spare_stores = options->spare_stores,
        .store_count = head->store_count,
        .shard_count = head->shard_count,
    };
}

/* ------------------------------------------------------------------------------------------ the sum */

static uint64_t add(uint64_t hash, const void *bytes, uint64_t size) {
    return hash_bytes(slice_make(bytes, size), hash);
}

/* Of all tables but directories and what units hold: of what says where everything is, whose it is and how much of it there is. Only what has been used is
 * looked at: some kilobytes for each hundred megabytes. */
static uint64_t sum_of(const struct engine *engine) {
    const struct range *range = &engine->range;
    const struct range_head *head = range->head;
    struct range_head copy;
    memcpy(&copy, head, sizeof copy);
    PUT(copy.image.mark, 0);
    copy.image.sum = 0;
    uint64_t hash = add(0, &copy, sizeof copy), rows = GET(head->never_used);
    hash = add(hash, range->segments, rows * sizeof *range->segments);
    hash = add(hash, (const void *)range->references, rows * RANGE_REFERENCES * sizeof *range->references);
    hash = add(hash, (const void *)range->charges, (head->shard_room + 1ull) * sizeof *range->charges);
    hash = add(hash, engine->stores, head->store_count * sizeof *engine->stores);
    hash = add(hash, engine->shards, head->shard_count * sizeof *engine->shards);
    return add(hash, engine->tags, tags_size(engine->tags->group_mask + 1));
}

/* ------------------------------------------------------------------------------------------ closing */

static const char *locked(const struct engine *engine) {
    const struct range_head *head = engine->range.head;
    uint32_t held = GET(head->pool.word) | GET(head->blocks.word) | GET(engine->tags->lock.word);
    for (uint32_t i = 0; i < engine->shard_count; i++)
        held |= GET(engine->shards[i].lock.word);
    return held ? "a lock is held" : NULL;
}

/* What somebody has of the range who would never give it back. Large values are held by their entries, and by nobody else. */
static const char *lent(const struct engine *engine) {
    const struct range_head *head = engine->range.head;
    uint64_t owned = 0;
    if (GET(head->pinned_bytes))
        return "a reader holds a value";
    if (engine->tier || GET(head->tier_units))
        return "there is a tier, whose cells lead to a file of this process";
    if (GET(engine->tags->guests) || engine->tags->loose)
        return "tags are being counted, or held for what was undone";
    for (uint32_t i = 0; i < engine->store_count; i++)
        if (GET(engine->stores[i].reserved_bytes))
            return "memory is reserved for a value on its way";
    for (uint32_t i = 0; i < engine->shard_count; i++)
        owned += GET(engine->shards[i].extents_live);
    if (owned != extent_held_bytes(&engine->range))
        return "a large value is on its way, or held";
    return head->releasing ? "memory is being given back" : NULL;
}

enum status engine_close_kept(struct engine *engine, struct actor *actor, const char **ret_reason) {
    struct range_head *head = engine->range.head;
    const char *reason = NULL;
    ASSERT(!store_held_any(actor));
    reason = locked(engine); /* before whoever waits for one would wait for ever */
    while (!reason && bans_sweep(engine, actor))
        ;
    if (!reason && GET(engine->ban_count))
        reason = "a pattern has not been compared with all keys";
    if (!reason)
        reason = lent(engine);
    if (!reason) {
        PUT(head->promised, 0); /* to actors that are no more */
        head->image.sum = sum_of(engine);
        atomic_store_explicit(&head->image.mark, MARK, memory_order_release);
    } else {
        *ret_reason = reason;
    }
    engine_close(engine);
    return reason ? STATUS_BUSY : STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ opening again */

/* By the head alone, which may be anything. */
static const char *unreadable(const struct engine_options *options) {
    const struct range_head *head = options->range;
    if (head->magic != LAYOUT_MAGIC)
        return "it holds no cache";
    if (head->version != LAYOUT_VERSION || head->image.layout != layout_number() ||
        head->image.program != options->program)
        return "it is of another version of the program";
    if (atomic_load_explicit(&head->image.mark, memory_order_acquire) != MARK)
        return "it was not closed in order";
    return head->range_size != options->range_size ? "it is of another size" : NULL;
}

/* Where the tables stand is what the same options make of it. */
static bool is_laid_out(const struct range_head *head, const struct engine_options *options) {
    struct engine_options then = *options;
    struct range_head made;
    memset(&made, 0, sizeof made);
    then.limit_bytes = head->image.limit_bytes;
    then.cores = head->image.cores;
    then.spare_stores = head->image.spare_stores;
    return then.limit_bytes >= RANGE_LIMIT_MIN && then.limit_bytes <= head->range_size && layout_make(&made, &then) &&
           made.shard_count == head->image.shard_count && made.store_count == head->image.store_count &&
           made.segments_at == head->segments_at && made.references_at == head->references_at &&
           made.charges_at == head->charges_at && made.stores_at == head->stores_at &&
           made.shards_at == head->shards_at && made.tags_at == head->tags_at &&
           made.first_segment_at == head->first_segment_at && made.segment_size == head->segment_size &&
           made.segment_count == head->segment_count && made.unit_size == head->unit_size &&
           made.shard_room == head->shard_room && made.store_room == head->store_room &&
           made.class_count == head->class_count && made.large_class_count == head->large_class_count &&
           made.one_queue == head->one_queue && made.tiered == head->tiered && head->store_count >= made.store_count &&
           head->store_count <= head->store_room && head->shard_count >= made.shard_count &&
           head->shard_count <= head->shard_room && GET(head->never_used) <= head->segment_count + 1;
}

static const char *different(const struct engine_options *options) {
    const struct range_head *head = options->range;
    if (head->image.described != named_hash(options))
        return "stores are described otherwise by now";
    if (head->image.shards != options->shards)
        return "there are to be another number of shards";
    return is_laid_out(head, options) ? NULL : "it is cut up in another way";
}

/* With the handle: everything that its tables say. */
static const char *unusable(const struct engine *engine, const struct engine_options *options) {
    const struct range_head *head = engine->range.head;
    if (engine->tags->group_mask >= TAG_GROUPS_MAX || head->image.sum != sum_of(engine))
        return "its tables are damaged";
    if (!named_are(engine, options))
        return "its stores have other names";
    if (options->limit_bytes / LIMITS_APART > head->image.limit_bytes ||
        head->image.limit_bytes / LIMITS_APART > options->limit_bytes || !layout_segments(head, options->limit_bytes))
        return "the memory limit is too far from what it was cut up for";
    return NULL;
}

/* Another policy of the default store may be refused, as it would be of a running engine. */
static const char *refused(const struct engine *engine, const struct engine_options *options) {
    enum store_policy policy = named_default_policy(options);
    return policy == GET(engine->stores[0].policy) || claim_fits(engine, 0, policy, 0)
               ? NULL
               : "the default store holds memory that is guaranteed to others, and could not give it back";
}

static void begin_again(struct engine *engine, const struct engine_options *options) {
    struct range_head *head = engine->range.head;
    atomic_store_explicit(&head->image.mark, 0, memory_order_release);
    named_describe(engine, options);
    for (uint32_t i = 0; i < engine->store_count; i++)
        engine->sessions |= engine->stores[i].by_session != 0;
    enum status status = engine_limit_set(engine, options->limit_bytes);
    ASSERT(status == STATUS_OK); /* it was found to be possible */
}

enum status engine_attach(const struct engine_options *options, struct engine **ret_engine, const char **ret_reason) {
    *ret_reason = "its options cannot be";
    if (!layout_may_be(options) || named_check(options) != STATUS_OK)
        return STATUS_INVALID;
    *ret_reason = unreadable(options);
    if (!*ret_reason)
        *ret_reason = different(options);
    if (*ret_reason)
        return STATUS_INVALID;
    struct engine *engine = memory_take(options->memory, sizeof *engine);
    if (!engine)
        return STATUS_NO_MEMORY;
    memset(engine, 0, sizeof *engine);
    layout_bind(engine, options);
    *ret_reason = unusable(engine, options);
    if (!*ret_reason)
        *ret_reason = refused(engine, options);
    enum status status = *ret_reason ? STATUS_INVALID : named_take_routes(engine, options);
    if (status != STATUS_OK) {
        engine_close(engine);
        return status;
    }
    begin_again(engine, options);
    *ret_engine = engine;
    return STATUS_OK;
}
