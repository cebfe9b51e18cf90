#include "core/cache/glance.h"

static struct store_options store_options_of(const struct cache_store *store) {
    return (struct store_options){
        .name = store->name,
        .patterns = store->patterns,
        .pattern_count = store->pattern_count,
        .share_permille = store->share_permille,
        .guaranteed_bytes = store->guaranteed_bytes,
        .entries_max = store->entries_max,
        .ttl_ms = store->ttl_ms,
        .policy = (enum store_policy)store->policy,
    };
}

static uint32_t mark_count_for(uint64_t limit_bytes) {
    uint64_t count = limit_bytes / CACHE_BYTES_A_MARK;
    return count < 1 ? 1 : count > CACHE_MARKS_MAX ? CACHE_MARKS_MAX : (uint32_t)bits_floor_power_of_two(count);
}

static size_t cache_size(uint32_t marks) { return sizeof(struct cache) + marks * sizeof(_Atomic uint32_t); }

static struct engine_options engine_options_of(const struct cache_options *options,
                                               struct store_options stores[CACHE_STORES_MAX]) {
    for (uint32_t i = 0; i < options->store_count; i++)
        stores[i] = store_options_of(&options->stores[i]);
    return (struct engine_options){
        .range = options->range,
        .range_size = options->range_size,
        .limit_bytes = options->limit_bytes,
        .cores = options->cores,
        .shards = options->shards,
        .policy = (enum store_policy)options->policy,
        .seed = options->seed,
        .waiting = {options->waiting.wait, options->waiting.wake, options->waiting.context},
        .backing = {options->backing.huge_size, options->backing.dense, options->backing.release},
        .memory = options->memory,
        .owner = options->owner,
        .entries_max = options->entries_max,
        .changes = {options->changes.call, options->changes.context, options->changes.wanted & ~(1u << STORE_NOTED)},
        .stores = stores,
        .store_count = options->store_count,
        .spare_stores = options->spare_stores,
        .tiered = options->tiered,
        .program = options->program,
    };
}

/* `ret_reason` NULL: the range is a new one. */
static enum status open_or_attach(const struct cache_options *options, struct cache **ret_cache,
                                  const char **ret_reason) {
    if (options->policy >= CACHE_POLICY_COUNT || options->store_count > CACHE_STORES_MAX)
        return STATUS_INVALID;
    struct store_options stores[CACHE_STORES_MAX];
    const struct engine_options engine = engine_options_of(options, stores);
    uint32_t marks = mark_count_for(options->limit_bytes);
    struct cache *cache = memory_take(options->memory, cache_size(marks));
    if (!cache)
        return STATUS_NO_MEMORY;
    memset(cache, 0, cache_size(marks));
    cache->memory = options->memory;
    cache->rules = options->rules;
    cache->mark_count = marks;
    enum status status =
        ret_reason ? engine_attach(&engine, &cache->engine, ret_reason) : engine_open(&engine, &cache->engine);
    if (status != STATUS_OK) {
        memory_give(options->memory, cache, cache_size(marks));
        return status;
    }
    *ret_cache = cache;
    return STATUS_OK;
}

enum status cache_open(const struct cache_options *options, struct cache **ret_cache) {
    return open_or_attach(options, ret_cache, NULL);
}

enum status cache_attach(const struct cache_options *options, struct cache **ret_cache, const char **ret_reason) {
    *ret_reason = "its options cannot be";
    return open_or_attach(options, ret_cache, ret_reason);
}

void cache_close(struct cache *cache) {
    if (!cache)
        return;
    engine_close(cache->engine);
    memory_give(cache->memory, cache, cache_size(cache->mark_count));
}

void cache_end_bans(struct cache *cache, struct actor *actor) {
    ASSERT(!cache_locked(actor));
    while (bans_sweep(cache->engine, actor))
        ;
}

enum status cache_close_kept(struct cache *cache, struct actor *actor, const char **ret_reason) {
    enum status status = engine_close_kept(cache->engine, actor, ret_reason);
    memory_give(cache->memory, cache, cache_size(cache->mark_count));
    return status;
}

struct cache_key cache_key(const struct cache *cache, uint32_t db, struct slice name) {
    ASSERT(db < CACHE_DATABASES);
    uint32_t place = engine_db(cache, db);
    return (struct cache_key){.name = name, .hash = store_hash(cache->engine, place, name), .db = db, .place = place};
}

/* The parts of the engine that every key needs, where no write to a key can seem to change them. */
static inline void place_key(const struct range *range, const struct shard *shards, struct cache_key *key) {
    const struct index *index = &shards[key->hash >> STORE_HASH_BITS].index;
    struct index_place place = index_place_of(range, index, key->hash);
    key->hint = NULL;
    key->bucket = place.bucket;
    key->shape = place.shape;
    key->wanted = place.wanted;
}

void cache_keys_ahead(const struct cache *cache, struct cache_key *keys, size_t count) {
    const struct engine *engine = cache->engine;
    const struct range range = engine->range;
    const struct shard *shards = engine->shards;
    for (size_t i = 0; i < count; i++) {
        struct cache_key *key = &keys[i];
        ASSERT(key->db < CACHE_DATABASES);
        key->place = engine_db(cache, key->db);
        key->hash = store_hash(engine, key->place, key->name);
        place_key(&range, shards, key);
    }
    /* By themselves: a processor waits for each address to be translated before it goes far beyond, unless the next is near. */
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(keys[i].bucket);
}

enum { CHAIN_AHEAD_MAX = 4 };

/* The first cell that may be the key's, in its bucket or those chained to it. Eight bits of the fingerprint will do: one in a hundred is
 * another's, which the lookup notices. */
static inline const void *cell_ahead(const struct engine *engine, const struct cache_key *key) {
    const struct index_bucket *bucket = key->bucket;
    uint32_t some = index_candidates(bucket, key->wanted);
    if (__builtin_expect(!some, 0)) {
        const struct index *index = &engine->shards[store_shard_of(engine, key->hash)].index;
        /* A chain that is taken apart meanwhile may lead anywhere, but not for long. */
        for (int i = 0; !some && i < CHAIN_AHEAD_MAX && (bucket = index_next(&engine->range, index, bucket)); i++)
            some = index_candidates(bucket, key->wanted);
        if (!some)
            return NULL;
    }
    return index_candidate(bucket, some);
}

void cache_entries_ahead(const struct cache *cache, struct cache_key *keys, size_t count) {
    const struct engine *engine = cache->engine;
    for (size_t i = 0; i < count; i++)
        keys[i].hint = cell_ahead(engine, &keys[i]);
    for (size_t i = 0; i < count; i++) {
        if (!keys[i].hint)
            continue;
        uint64_t cell = atomic_load_explicit((const _Atomic uint64_t *)keys[i].hint, memory_order_relaxed);
        const uint8_t *entry = engine->range.base + cell_location(cell);
        __builtin_prefetch(entry);
        __builtin_prefetch(entry + 64);
    }
}

/* ------------------------------------------------------------------------------------------ reading */

void cache_info_fill(const struct cache *cache, const struct actor *actor, const struct entry *entry, uint64_t location,
                     uint64_t cell, uint64_t value_size, struct cache_info *ret_info) {
    const struct range *range = &cache->engine->range;
    uint64_t base_ms = __atomic_load_n(&range->segments[range_segment_of(range, location)].base_ms, __ATOMIC_RELAXED);
    *ret_info = (struct cache_info){
        .type = (enum cache_type)entry->type,
        .size = value_size,
        .expires_at_ms = entry->expires_at_ms,
        .version = entry->stamp,
        .row = entry->row,
        .charged_bytes = entry->size + INDEX_CHARGE_BYTES + (entry->flags & ENTRY_EXTENTS ? value_size : 0) +
                         (entry->flags & ENTRY_OBJECT ? store_owned_bytes(cache->engine, location, entry) : 0),
        .use_count = cell_use(cell),
        .idle_ms = actor->now_ms > base_ms ? actor->now_ms - base_ms : 0,
    };
}

/* One try of a read. */
enum attempt { ATTEMPT_TORN, ATTEMPT_MISS, ATTEMPT_HIT, ATTEMPT_NO_MEMORY };

static inline void fill_facts(const struct cache *cache, const struct actor *actor, const struct store_view *view,
                              uint64_t value_size, struct cache_read *read) {
    if (read->facts) {
        cache_info_fill(cache, actor, &view->entry, view->location, view->cell, value_size, &read->info);
        return;
    }
    read->info.type = (enum cache_type)view->entry.type;
    read->info.size = value_size;
    read->info.expires_at_ms = view->entry.expires_at_ms;
    read->info.version = view->entry.stamp;
    read->info.row = view->entry.row;
}

static uint64_t wanted_size(const struct cache_read *read, uint64_t value_size) {
    if (read->offset >= value_size)
        return 0;
    uint64_t rest = value_size - read->offset;
    return rest < read->size_max ? rest : read->size_max;
}

static void copy_extents(const struct range *range, uint64_t first, uint64_t offset, uint8_t *to, uint64_t size) {
    struct extent_cursor cursor = extent_seek(range, first, offset);
    while (size) {
        uint64_t part;
        const uint8_t *piece = extent_next(range, &cursor, size, &part);
        ASSERT(piece);
        words_read(to, piece, part);
        to += part, size -= part;
    }
}

/* A large value is held first and found valid then; from there on nothing can change under the reader. */
static enum attempt read_extents(struct cache *cache, struct actor *actor, const struct shard *shard,
                                 const struct store_view *view, struct cache_read *read) {
    struct range *range = &cache->engine->range;
    uint64_t first, value_size = store_value_size(cache->engine, view->location, &view->entry, &first);
    if (!extent_hold(range, first))
        return ATTEMPT_TORN;
    if (!store_view_holds(shard, view)) {
        extent_release(range, actor, first);
        return ATTEMPT_TORN;
    }
    fill_facts(cache, actor, view, value_size, read);
    read->size = wanted_size(read, value_size);
    if (read->pin_min && read->size >= read->pin_min) {
        read->pin = (struct cache_pin){first, value_size};
        atomic_fetch_add_explicit(&range->head->pinned_bytes, value_size, memory_order_relaxed);
        return ATTEMPT_HIT;
    }
    uint8_t *to = read->reserve(read->context, read->size);
    if (to)
        copy_extents(range, first, read->offset, to, read->size);
    extent_release(range, actor, first);
    return to ? ATTEMPT_HIT : ATTEMPT_NO_MEMORY;
}

static enum attempt read_nothing(const struct shard *shard, const struct store_view *view, struct cache_read *read) {
    if (!store_view_holds(shard, view))
        return ATTEMPT_TORN;
    if (!read->quiet)
        store_view_use(view);
    read->nothing = true;
    return ATTEMPT_MISS;
}

static enum attempt read_once(struct cache *cache, struct actor *actor, const struct shard *shard,
                              const struct store_key *key, struct cache_read *read) {
    struct store_view view;
    store_view_open(cache->engine, shard, key, &view);
    if (!view.found || store_is_gone(cache->engine, view.location, &view.entry, key->name, actor->now_ms) ||
        in_ended_session(cache, actor, shard, key))
        return store_view_holds(shard, &view) ? ATTEMPT_MISS : ATTEMPT_TORN;
    if (__builtin_expect(view.entry.type == CACHE_NOTHING, 0))
        return read_nothing(shard, &view, read);
    enum attempt answer = ATTEMPT_HIT;
    if (view.entry.flags & ENTRY_EXTENTS) {
        answer = read_extents(cache, actor, shard, &view, read);
    } else {
        read->size = wanted_size(read, view.entry.stored_size);
        uint8_t *to = read->reserve(read->context, read->size);
        if (!to)
            return ATTEMPT_NO_MEMORY;
        const uint8_t *from = cache->engine->range.base + view.location + view.entry.value_at;
        if (read->size)
            words_read(to, from + read->offset, read->size);
        fill_facts(cache, actor, &view, view.entry.stored_size, read);
        if (!store_view_holds(shard, &view))
            return ATTEMPT_TORN;
    }
    if (answer == ATTEMPT_HIT && !read->quiet)
        store_view_use(&view);
    return answer;
}

/* A read by the index. */
__attribute__((always_inline)) static inline enum attempt read_index(struct cache *cache, struct actor *actor,
                                                                     const struct shard *shard,
                                                                     const struct store_key *key,
                                                                     struct cache_read *read) {
    enum attempt answer = ATTEMPT_TORN;
    for (int tries = 0; tries < STORE_READ_TRIES && answer == ATTEMPT_TORN; tries++) {
        answer = read_once(cache, actor, shard, key, read);
        actor->counts.retries += answer == ATTEMPT_TORN;
    }
    if (__builtin_expect(answer == ATTEMPT_TORN, 0)) {
        uint32_t at = store_shard_of(cache->engine, key->hash);
        bool lock = !store_held(actor, at);
        if (lock)
            store_lock(cache->engine, actor, at);
        answer = read_once(cache, actor, shard, key, read);
        if (lock)
            store_unlock(cache->engine, actor, at);
        ASSERT(answer != ATTEMPT_TORN);
    }
    return answer;
}

/* What the filter of the key's shard says. */
static enum filter_answer ask_filter(const struct engine *engine, const struct shard *shard,
                                     const struct store_key *key) {
    uint64_t hash = store_is_by_session(shard) ? filter_session_hash(engine, key->db, key->name) : key->hash;
    return filter_ask(&engine->range, &shard->filter, &shard->aside, hash);
}

/* Counts a miss that a filter has seen. */
static void count_filtered(struct actor *actor, const struct shard *shard, enum filter_answer said) {
    actor->counts.filtered += said == FILTER_EXCLUDES;
    actor->counts.unfiltered += said == FILTER_PASSES;
    if (!actor->of_store)
        return;
    actor->of_store[shard->store].filtered += said == FILTER_EXCLUDES;
    actor->of_store[shard->store].unfiltered += said == FILTER_PASSES;
}

/* Counts what a read found and says it. */
__attribute__((always_inline)) static inline enum status end_read(struct cache *cache, struct actor *actor,
                                                                  const struct cache_key *key,
                                                                  const struct shard *shard,
                                                                  const struct cache_read *read, enum attempt answer,
                                                                  bool *ret_found) {
    if (answer == ATTEMPT_NO_MEMORY)
        return STATUS_NO_MEMORY;
    *ret_found = answer == ATTEMPT_HIT;
    if (!read->quiet) {
        actor->counts.hits += answer == ATTEMPT_HIT;
        actor->counts.misses += answer == ATTEMPT_MISS;
        if (__builtin_expect(actor->of_store != NULL, 0)) {
            actor->of_store[shard->store].hits += answer == ATTEMPT_HIT;
            actor->of_store[shard->store].misses += answer == ATTEMPT_MISS;
        }
        if (answer == ATTEMPT_MISS)
            store_tell(cache->engine, actor, CACHE_MISSED, key->db, key->name);
    }
    return STATUS_OK;
}

enum { CONFIRM_TRIES = 4 };

/* Whether what was not found may be in the tier. If it has come into memory meanwhile it is read there. */
static bool is_tiered(struct cache *cache, struct actor *actor, const struct shard *shard,
                      const struct store_key *wanted, struct cache_read *read, enum attempt *answer) {
    for (int i = 0; i < CONFIRM_TRIES; i++) {
        enum tier_answer said = tier_confirm_miss(cache, wanted);
        if (said != TIER_IN_MEMORY)
            return said == TIER_MAY_HAVE;
        *answer = read_index(cache, actor, shard, wanted, read);
        if (*answer != ATTEMPT_MISS || read->nothing)
            return false;
    }
    return false; /* it stands in memory, where nobody may see it any more */
}

/* A read where a filter may spare the look into the index, or a miss there is not the end of it. Begins anew, so that the usual way is not longer for
 * it. */
static __attribute__((noinline)) enum status get_aside(struct cache *cache, struct actor *actor,
                                                       const struct cache_key *key, struct cache_read *read,
                                                       bool *ret_found) {
    struct store_key wanted = engine_key(cache, key);
    const struct shard *shard = &cache->engine->shards[store_shard_of(cache->engine, wanted.hash)];
    enum filter_answer said = store_has_filter(shard) ? ask_filter(cache->engine, shard, &wanted) : FILTER_UNKNOWN;
    enum attempt answer = said == FILTER_EXCLUDES ? ATTEMPT_MISS : read_index(cache, actor, shard, &wanted, read);
    if (answer == ATTEMPT_MISS && !read->settled && !read->nothing && store_is_tiered(shard) &&
        is_tiered(cache, actor, shard, &wanted, read, &answer)) {
        read->tiered = true;
        *ret_found = false;
        return STATUS_OK;
    }
    if (answer == ATTEMPT_MISS && !read->quiet)
        count_filtered(actor, shard, said);
    return end_read(cache, actor, key, shard, read, answer, ret_found);
}

enum status cache_get(struct cache *cache, struct actor *actor, const struct cache_key *key, struct cache_read *read,
                      bool *ret_found) {
    struct store_key wanted = engine_key(cache, key);
    const struct shard *shard = &cache->engine->shards[store_shard_of(cache->engine, wanted.hash)];
    read->pin = (struct cache_pin){0};
    read->size = 0;
    read->nothing = false;
    read->tiered = false;
    if (store_is_asked_aside(shard))
        return get_aside(cache, actor, key, read, ret_found);
    return end_read(cache, actor, key, shard, read, read_index(cache, actor, shard, &wanted, read), ret_found);
}

/* Apart, so that a miss of which nobody wants to know pays for the question alone. */
static __attribute__((noinline, cold)) void tell_miss(const struct engine *engine, struct actor *actor,
                                                      const struct cache_key *key) {
    engine->changes.call(engine->changes.context, actor, CACHE_MISSED, key->db, key->name);
}

static enum cache_glance count_miss(const struct engine *engine, struct actor *actor, const struct shard *shard,
                                    const struct cache_key *key, enum filter_answer said) {
    actor->counts.misses++;
    if (actor->of_store)
        actor->of_store[shard->store].misses++;
    count_filtered(actor, shard, said);
    if (store_is_wanted(engine, CACHE_MISSED))
        tell_miss(engine, actor, key);
    return CACHE_GLANCE_MISS;
}

/* When an entry expires, whose field begins at `*at` and ends where that is afterwards. */
static inline uint64_t expiry_at(const struct range *range, uint64_t location, uint32_t word, const uint8_t **at) {
    uint64_t expires_at_ms = words_load32(*at);
    *at += 4;
    if (word & ENTRY_EXPIRY)
        return expires_at_ms +
               __atomic_load_n(&range->segments[range_segment_of(range, location)].base_ms, __ATOMIC_RELAXED);
    expires_at_ms |= (uint64_t)words_load32(*at) << 32;
    *at += 4;
    return expires_at_ms;
}

static struct glance_value glance_precisely(const struct engine *engine, uint64_t now_ms, struct slice name,
                                            const uint8_t *entry);

/* Asks the groups of tags; if they do not know, it is done again `precisely`, elsewhere, so that nothing is kept on the stack here. */
__attribute__((always_inline)) static inline struct glance_value glance_dressed(const struct engine *engine,
                                                                                uint64_t now_ms, struct slice name,
                                                                                const uint8_t *entry, bool precisely) {
    static const struct glance_value none = {NULL, 0};
    const struct range *range = &engine->range;
    const uint64_t location = (uint64_t)(entry - range->base);
    const uint32_t word = words_load32(entry);
    if ((word & (ENTRY_TYPE_MASK | ENTRY_LONG | ENTRY_OWNS | ENTRY_KEY_SHORT_MAX << 10)) != (uint64_t)name.size << 10 ||
        location > range->head->range_size - ENTRY_SHORT_SIZE_MAX)
        return none;
    const uint8_t *at = entry + ENTRY_PLAIN_KEY_AT;
    uint64_t stamp = 0;
    if (word & ENTRY_META) {
        uint32_t meta = words_load32(at), high = meta >> ENTRY_META_STAMP_SHIFT;
        if (meta & (ENTRY_META_DB | ENTRY_META_ROW | ENTRY_META_SOFTENED))
            return none; /* of another database; or seldom; or stale */
        stamp = (uint64_t)high << 32 | words_load32(at + 4);
        at += high ? 8 : 4;
    }
    if ((word & (ENTRY_EXPIRY | ENTRY_EXPIRY_WIDE)) && expiry_at(range, location, word, &at) <= now_ms)
        return none;
    if (word & ENTRY_TAGS) {
        uint32_t size;
        if (!precisely && tags_may_kill(engine->tags, at, stamp, &size))
            return glance_precisely(engine, now_ms, name, entry);
        if (precisely && tags_kill(range, engine->tags, at, ENTRY_TAGS_MAX * ENTRY_TAG_SIZE, stamp, true, &size))
            return none;
        at += size;
    }
    return words_equal(at, name.data, name.size) ? (struct glance_value){at + name.size, word >> 18} : none;
}

__attribute__((noinline)) static struct glance_value glance_precisely(const struct engine *engine, uint64_t now_ms,
                                                                      struct slice name, const uint8_t *entry) {
    return glance_dressed(engine, now_ms, name, entry, true);
}

struct glance_value cache_glance_dressed(const struct engine *engine, uint64_t now_ms, struct slice name,
                                         const uint8_t *entry) {
    return glance_dressed(engine, now_ms, name, entry, false);
}

/* What is not where it was seen, or is none of the entries that a glance knows: in another database, in an overflow bucket. */
static enum cache_glance glance_about(const struct cache *cache, struct actor *actor, const struct cache_key *key,
                                      struct cache_sight *ret_sight) {
    const struct engine *engine = cache->engine;
    const struct shard *shard = &engine->shards[store_shard_of(engine, key->hash)];
    const struct store_key wanted = {key->name, key->hash, key->place, key->hint, key->bucket, key->shape};
    if (store_is_by_session(shard) || !engine_db_is_plainly(cache, key->db, key->place))
        return CACHE_GLANCE_UNSURE;
    enum filter_answer said = store_has_filter(shard) ? ask_filter(engine, shard, &wanted) : FILTER_UNKNOWN;
    if (said == FILTER_EXCLUDES)
        return tier_may_have(cache, &wanted) ? CACHE_GLANCE_UNSURE : count_miss(engine, actor, shard, key, said);
    struct store_view view;
    store_view_open(engine, shard, &wanted, &view);
    if (!view.found && store_is_tiered(shard) && tier_may_have(cache, &wanted))
        return CACHE_GLANCE_UNSURE;
    if (!view.found || store_is_gone(engine, view.location, &view.entry, key->name, actor->now_ms))
        return store_view_holds(shard, &view) ? count_miss(engine, actor, shard, key, said) : CACHE_GLANCE_UNSURE;
    if (view.entry.type != CACHE_STRING || (view.entry.flags & ENTRY_OWNS) || view.entry.stored_size > CACHE_GLANCE_MAX)
        return CACHE_GLANCE_UNSURE;
    *ret_sight = (struct cache_sight){
        .size = view.entry.stored_size,
        .number = view.number,
        .shard = shard,
        .bucket = view.place.bucket,
        .shape = view.place.shape,
        .cell = view.cell,
        .cell_at = (const void *)view.cell_at,
        .bytes = engine->range.base + view.location + view.entry.value_at,
    };
    return CACHE_GLANCE_HIT;
}

enum cache_glance cache_glance(const struct cache *cache, struct actor *actor, const struct cache_key *key,
                               struct cache_sight *ret_sight) {
    return glance_ahead(cache, actor->now_ms, key, ret_sight) ? CACHE_GLANCE_HIT
                                                              : glance_about(cache, actor, key, ret_sight);
}

bool cache_glance_copy(struct actor *actor, const struct cache_sight *sight, uint8_t *to) {
    return glance_copy(actor, sight, to);
}

static void *reserve_nothing(void *context, uint64_t size) {
    ASSERT(size == 0);
    return context;
}

bool cache_find(struct cache *cache, struct actor *actor, const struct cache_key *key, bool counted,
                struct cache_info *ret_info) {
    char nowhere;
    struct cache_read read = {.size_max = 0,
                              .quiet = !counted,
                              .facts = true,
                              .settled = true,
                              .reserve = reserve_nothing,
                              .context = &nowhere};
    bool found;
    enum status status = cache_get(cache, actor, key, &read, &found);
    ASSERT(status == STATUS_OK);
    if (found)
        *ret_info = read.info;
    return found;
}

struct slice cache_pin_piece(const struct cache *cache, struct cache_pin pin, uint64_t offset) {
    if (offset >= pin.size)
        return slice_make(NULL, 0);
    uint64_t size;
    const uint8_t *piece = extent_piece(&cache->engine->range, pin.first, offset, &size);
    ASSERT(piece);
    return slice_make(piece, size < pin.size - offset ? size : pin.size - offset);
}

void cache_unpin(struct cache *cache, struct actor *actor, struct cache_pin pin) {
    if (!pin.first)
        return;
    atomic_fetch_sub_explicit(&cache->engine->range.head->pinned_bytes, pin.size, memory_order_relaxed);
    extent_release(&cache->engine->range, actor, pin.first);
}

/* ---------------------------------------------------------------------------------- several at once */

static bool add_generations(struct cache *cache, const struct cache_key *keys, size_t count, uint64_t *ret_sum) {
    uint64_t sum = 0;
    bool even = true;
    for (size_t i = 0; i < count; i++) {
        struct store_key key = engine_key(cache, &keys[i]);
        struct lock *lock = &cache->engine->shards[store_shard_of(cache->engine, key.hash)].lock;
        uint32_t generation = words_check32(&lock->generation);
        even &= !(generation & 1);
        sum += generation;
    }
    *ret_sum = sum;
    return even;
}

struct cache_moment cache_moment_begin(struct cache *cache, const struct cache_key *keys, size_t count) {
    struct cache_moment moment;
    moment.usable = add_generations(cache, keys, count, &moment.sum);
#if !WORDS_TSAN
    atomic_thread_fence(memory_order_acquire);
#endif
    return moment;
}

bool cache_moment_holds(struct cache *cache, const struct cache_key *keys, size_t count, struct cache_moment moment) {
    uint64_t sum;
    return moment.usable && add_generations(cache, keys, count, &sum) && sum == moment.sum;
}

void prepare_store(struct cache *cache, struct actor *actor, uint32_t store, uint64_t write_bytes) {
    if (cache_locked(actor))
        return;
    /* If there is no room to be had, the write will say so. */
    enum status status = reclaim_make_room(cache->engine, actor, store, write_bytes);
    MAYBE(status == STATUS_FULL);
}

void cache_prepare(struct cache *cache, struct actor *actor, const struct cache_key *key, uint64_t write_bytes) {
    prepare_store(cache, actor, cache_store_of(cache, key), write_bytes);
}

bool cache_make_room(struct cache *cache, struct actor *actor, const struct cache_key *key, uint32_t segments) {
    uint64_t bytes = segments * range_segment_size(&cache->engine->range);
    return !cache_locked(actor) &&
           reclaim_make_room(cache->engine, actor, cache_store_of(cache, key), bytes) == STATUS_OK;
}

static void mark_shards(const struct cache *cache, const struct cache_key *keys, size_t count, uint64_t *ret_wanted) {
    memset(ret_wanted, 0, STORE_SHARDS_MAX / 8);
    for (size_t i = 0; i < count; i++) {
        uint32_t shard = store_shard_of(cache->engine, engine_key(cache, &keys[i]).hash);
        ret_wanted[shard / 64] |= 1ull << (shard % 64);
    }
}

static void lock_marked(struct cache *cache, struct actor *actor, const uint64_t *wanted) {
    for (uint32_t shard = 0; shard < cache->engine->shard_count; shard++)
        if (wanted[shard / 64] >> (shard % 64) & 1)
            store_lock(cache->engine, actor, shard);
}

/* Room for what is about to be written under several locks: some for each store of the keys (of all stores, if none is named), and
 * what was asked for in the first. */
static void prepare_stores(struct cache *cache, struct actor *actor, const struct cache_key *keys, size_t count,
                           uint64_t write_bytes) {
    uint32_t stores = cache->engine->store_count, first = count ? cache_store_of(cache, &keys[0]) : 0;
    uint64_t wanted = count || stores == 1 ? 0 : UINT64_MAX;
    for (size_t i = 0; stores > 1 && i < count; i++)
        wanted |= 1ull << cache_store_of(cache, &keys[i]);
    for (uint32_t store = 0; wanted && store < stores; store++)
        if (store != first && wanted >> store & 1)
            prepare_store(cache, actor, store, 0);
    /* Where segments are small each value may begin one, of another size class. */
    uint64_t begun = range_keeps_ahead(&cache->engine->range) || count < 2 ? 0
                     : count < STORE_CLASSES                               ? count
                                                                           : STORE_CLASSES;
    prepare_store(cache, actor, first, write_bytes + begun * range_segment_size(&cache->engine->range));
}

void cache_lock_keys(struct cache *cache, struct actor *actor, const struct cache_key *keys, size_t count,
                     uint64_t write_bytes) {
    ASSERT(!cache_locked(actor));
    uint64_t wanted[STORE_SHARDS_MAX / 64], now[STORE_SHARDS_MAX / 64];
    prepare_stores(cache, actor, keys, count, write_bytes);
    /* With one lock held nobody swaps databases any more; who did so just before, once or twice, may have moved a key to another
     * shard, which an edit would then lock out of order. */
    for (;;) {
        mark_shards(cache, keys, count, wanted);
        lock_marked(cache, actor, wanted);
        mark_shards(cache, keys, count, now);
        if (memcmp(wanted, now, sizeof now) == 0)
            return;
        for (uint32_t shard = 0; shard < cache->engine->shard_count; shard++)
            if (store_held(actor, shard))
                store_unlock(cache->engine, actor, shard);
    }
}

void cache_lock_all(struct cache *cache, struct actor *actor, uint64_t write_bytes) {
    ASSERT(!cache_locked(actor));
    prepare_stores(cache, actor, NULL, 0, write_bytes);
    uint64_t wanted[STORE_SHARDS_MAX / 64];
    memset(wanted, 0xff, sizeof wanted);
    lock_marked(cache, actor, wanted);
}

void cache_unlock(struct cache *cache, struct actor *actor) {
    for (uint32_t shard = cache->engine->shard_count; shard-- > 0;)
        if (store_held(actor, shard))
            store_unlock(cache->engine, actor, shard);
    if (actor->promised)
        reclaim_release_promise(cache->engine, actor);
    for (uint32_t store = 0; store < cache->engine->store_count; store++)
        trim_store(cache, actor, store);
}

bool cache_locked(const struct actor *actor) { return store_held_any(actor); }

/* ---------------------------------------------------------------------------------------- watching */

struct cache_watch cache_watch_begin(struct cache *cache, struct actor *actor, const struct cache_key *key) {
    atomic_fetch_add_explicit(&cache->watches, 1, memory_order_seq_cst);
    struct store_key wanted = engine_key(cache, key);
    uint32_t at = store_shard_of(cache->engine, wanted.hash);
    bool lock = !store_held(actor, at);
    /* Under the lock, so that a write which has not seen the watch is over before the mark is read. */
    if (lock)
        store_lock(cache->engine, actor, at);
    struct cache_info info;
    uint32_t slot = (uint32_t)(wanted.hash & (cache->mark_count - 1));
    struct cache_watch watch = {
        .slot = slot,
        .existed = cache_find(cache, actor, key, false, &info),
        .mark = atomic_load_explicit(&cache->marks[slot], memory_order_relaxed),
        .epoch = atomic_load_explicit(&cache->epochs[key->db], memory_order_relaxed),
    };
    if (lock)
        store_unlock(cache->engine, actor, at);
    return watch;
}

bool cache_watch_holds(struct cache *cache, struct actor *actor, const struct cache_key *key,
                       struct cache_watch watch) {
    struct cache_info info;
    /* Where it was when the watch began: it may have been written there before a flush or a swap. */
    if (atomic_load_explicit(&cache->marks[watch.slot], memory_order_relaxed) != watch.mark)
        return false;
    /* A flush or a swap is a change of the key only if it was there before or is there now. */
    if (atomic_load_explicit(&cache->epochs[key->db], memory_order_relaxed) != watch.epoch)
        return !watch.existed && !cache_find(cache, actor, key, false, &info);
    return !watch.existed || cache_find(cache, actor, key, false, &info);
}

void cache_watch_end(struct cache *cache) {
    uint32_t before = atomic_fetch_sub_explicit(&cache->watches, 1, memory_order_relaxed);
    ASSERT(before > 0);
}

/* --------------------------------------------------------------------------------- limits and figures */

bool cache_housekeep(struct cache *cache, struct actor *actor) {
    /* Room that was asked for a write which was never made. */
    if (actor->promised && !cache_locked(actor))
        reclaim_release_promise(cache->engine, actor);
    if (is_journaled(cache) && !cache_locked(actor))
        journal_stamps(cache, actor);
    bool more = reclaim_housekeep(cache->engine, actor);
    more |= filter_work(cache->engine, actor);
    return resident_step(cache->engine, actor, more) || more;
}

bool cache_trim(struct cache *cache, struct actor *actor) { return reclaim_trim(cache->engine, actor, 0); }

enum status cache_limit_set(struct cache *cache, uint64_t limit_bytes) {
    return engine_limit_set(cache->engine, limit_bytes);
}

uint64_t cache_limit(const struct cache *cache) {
    return atomic_load_explicit(&cache->engine->range.head->limit_bytes, memory_order_relaxed);
}

void cache_stats(const struct cache *cache, struct cache_stats *ret_stats) {
    const struct engine *engine = cache->engine;
    const struct range_head *head = engine->range.head;
    struct resident_account account = resident_account(engine);
    *ret_stats = (struct cache_stats){
        .limit_bytes = cache_limit(cache),
        .occupied_bytes = resident_occupied(&account),
        .live_bytes = engine_live(engine),
        .table_bytes = account.tables,
        .log_bytes = account.logs,
        .index_bytes = account.index,
        .large_bytes = account.blocks,
        .object_bytes = account.objects,
        .ghost_bytes = account.ghosts,
        .filter_bytes = account.filters,
        .tag_bytes = account.tags,
        .tier_bytes = account.cells,
        .tags = atomic_load_explicit(&engine->tags->count, memory_order_relaxed),
        .dead = atomic_load_explicit(&engine->tags->dead, memory_order_relaxed),
        .idle_bytes = account.idle,
        .pinned_bytes = atomic_load_explicit(&head->pinned_bytes, memory_order_relaxed),
        .shards = engine->shard_count,
        .segments_total = atomic_load_explicit(&head->limit, memory_order_relaxed),
        .segments_used = atomic_load_explicit(&head->used, memory_order_relaxed),
        .segment_size = head->segment_size,
        .pressure = (enum cache_pressure)range_pressure(&engine->range),
    };
    for (uint32_t db = 0; db < CACHE_DATABASES; db++) {
        ret_stats->entries += cache_count(cache, db);
        ret_stats->expiring += cache_count_expiring(cache, db);
    }
}

void cache_verify(struct cache *cache, struct actor *actor) { engine_verify(cache->engine, actor); }
