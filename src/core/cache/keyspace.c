/* core/cache/keyspace.c: calls about whole databases. */
#include "base/buf.h"
#include "core/cache/internal.h"
#include "core/store/ghost.h"
#include "core/store/tier.h"

enum {
    SCAN_BUCKETS_PER_COUNT = 10,
    RANDOM_TRIES = 64,
    PLACE_TRIES = 4096,
    COUNT_ENTRIES_MAX = 4096, /* looked at to count those with a tag: well under a millisecond */
    COUNT_SCAN_COUNT = 256,
    COUNT_SLICES_MAX = 16, /* of the sweeper: as many entries in 2 ms at most, once */
};

/* ------------------------------------------------------------------------------------------ scanning */

/* A copy of one entry's name and facts, as it stood in its bucket. */
struct scanned {
    struct cache_info info;
    size_t name_at, name_size;
};

struct gathered {
    struct buf entries; /* struct scanned */
    struct buf names;
    uint32_t tag;        /* only what bears it; 0: everything */
    uint64_t bits, mask; /* only what has a hash with these bits where the mask has any */
    bool
        unseen; /* also what is cached as nothing or stale, or has expired, which by another thread's clock it may not have */
    void (*found)(void *context, const struct tier_place *place); /* told of places in the tier; NULL: of none */
    void *context;
    uint32_t places; /* of which it was told */
    enum status status;
};

static bool bears(const struct engine *engine, uint64_t location, const struct entry *entry, uint32_t tag) {
    for (uint32_t i = 0; i < entry->tag_count; i++)
        if (entry_tag(entry, engine->range.base + location, i) == tag)
            return true;
    return false;
}

/* Whether its hash is one of those that are wanted. */
static bool is_wanted(const struct engine *engine, const struct shard *shard, uint32_t db, struct slice name,
                      const struct gathered *gathered) {
    return gathered->mask == 0 ||
           ((store_hash_in(engine, shard->store, db, name) ^ gathered->bits) & gathered->mask) == 0;
}

static void gather_entry(struct cache *cache, struct actor *actor, const struct shard *shard, uint32_t db,
                         uint64_t cell, struct gathered *gathered) {
    const struct engine *engine = cache->engine;
    uint64_t location = cell_location(cell), first;
    struct entry entry;
    bool whole = store_entry_at(engine, location, &entry);
    ASSERT(whole);
    const struct slice name = store_name_at(engine, location, &entry);
    if (entry.db != db || (entry.type == CACHE_NOTHING && !gathered->unseen) ||
        (gathered->unseen ? store_is_dead(engine, location, &entry, name)
                          : store_is_gone(engine, location, &entry, name, actor->now_ms)) ||
        (gathered->tag && !bears(engine, location, &entry, gathered->tag)) ||
        !is_wanted(engine, shard, db, name, gathered))
        return;
    if (__builtin_expect(engine->stores[shard->store].by_session, 0)) {
        struct store_key key = {.name = name, .db = db};
        key.hash = store_hash_in(engine, shard->store, db, key.name);
        if (session_is_over(engine, shard, &key, actor->now_ms))
            return;
    }
    struct scanned scanned = {.name_at = gathered->names.size, .name_size = entry.key_size};
    cache_info_fill(cache, actor, &entry, location, cell, store_value_size(engine, location, &entry, &first),
                    &scanned.info);
    enum status status = buf_append(&gathered->names, name.data, name.size);
    if (status == STATUS_OK)
        status = buf_append(&gathered->entries, &scanned, sizeof scanned);
    if (status != STATUS_OK)
        gathered->status = status;
}

/* Copies the live entries of one chain, under the shard's lock. */
static void gather_bucket(struct cache *cache, struct actor *actor, uint32_t db, const struct shard *shard, uint64_t at,
                          struct gathered *gathered) {
    const struct range *range = &cache->engine->range;
    for (struct index_bucket *bucket = index_bucket_at(range, &shard->index, at); bucket;
         bucket = index_next(range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (cell)
                gather_entry(cache, actor, shard, db, cell, gathered);
        }
}

/* The same of the bucket that a cursor stands at, and in the tier what has such hashes, if that is asked for: of both tables a step goes over one bucket of the
 * finer one, so a key that moves between them meanwhile is met in one of both. Answers the next bucket of the scan. */
static uint64_t gather_step(struct cache *cache, struct actor *actor, uint32_t db, uint32_t shard_at, uint64_t cursor,
                            struct gathered *gathered) {
    struct engine *engine = cache->engine;
    struct shard *shard = &engine->shards[shard_at];
    bool lock = !store_held(actor, shard_at), both = gathered->found && engine->tier;
    if (lock)
        store_lock(engine, actor, shard_at);
    uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
    uint64_t at = index_scan_bucket(shape, cursor), next = index_scan_next(shape, at);
    gathered->mask = 0;
    if (both) {
        uint64_t of_tier = tier_shape(engine, shard), cells_at = index_scan_bucket(of_tier, cursor);
        uint32_t level = index_local_level(shape, at), finer = index_local_level(of_tier, cells_at);
        bool by_tier = finer > level;
        if (by_tier) {
            gathered->bits = cells_at;
            gathered->mask = (1ull << finer) - 1;
            next = index_scan_next(of_tier, cells_at);
        }
        gathered->places += tier_visit(engine, shard, cells_at, db, by_tier ? cells_at : at, by_tier ? finer : level,
                                       gathered->found, gathered->context);
    }
    gather_bucket(cache, actor, db, shard, at, gathered);
    if (lock)
        store_unlock(engine, actor, shard_at);
    return next;
}

static uint32_t visit_all(const struct gathered *gathered, cache_visit visit, void *context) {
    const struct scanned *entries = (const struct scanned *)(const void *)gathered->entries.data;
    size_t count = gathered->entries.size / sizeof *entries;
    struct slice names = buf_slice(&gathered->names); /* no bytes at all when the only name is the empty one */
    for (size_t i = 0; i < count; i++)
        visit(context, slice_part(names, entries[i].name_at, entries[i].name_size), &entries[i].info);
    return (uint32_t)count;
}

/* `wanted` says of what. */
static uint64_t scan_for(struct cache *cache, struct actor *actor, uint32_t place, uint64_t cursor, uint32_t count,
                         const struct gathered *wanted, cache_visit visit, void *context) {
    uint32_t shards = cache->engine->shard_count;
    uint32_t visited = 0;
    uint64_t buckets = (uint64_t)count * SCAN_BUCKETS_PER_COUNT, begun = cursor;
    struct gathered gathered = *wanted;
    buf_init(&gathered.entries, cache->memory);
    buf_init(&gathered.names, cache->memory);
    do {
        uint32_t shard = (uint32_t)(cursor % shards);
        buf_clear(&gathered.entries);
        buf_clear(&gathered.names);
        gathered.status = STATUS_OK;
        gathered.places = 0;
        uint64_t next = gather_step(cache, actor, place, shard, cursor / shards, &gathered);
        if (gathered.status != STATUS_OK) {
            /* It goes on from here later: nothing is left out for want of memory. */
            cursor = cursor == begun ? CACHE_SCAN_FAILED : cursor;
            break;
        }
        visited += visit_all(&gathered, visit, context) + gathered.places;
        cursor = next * shards + shard;
        if (next == 0)
            cursor = shard + 1 == shards ? 0 : shard + 1;
    } while (cursor != 0 && visited < count && --buckets > 0);
    buf_fini(&gathered.entries);
    buf_fini(&gathered.names);
    return cursor;
}

static uint64_t scan(struct cache *cache, struct actor *actor, uint32_t place, uint64_t cursor, uint32_t count,
                     uint32_t tag, bool unseen, cache_visit visit, void *context) {
    const struct gathered wanted = {.tag = tag, .unseen = unseen};
    return scan_for(cache, actor, place, cursor, count, &wanted, visit, context);
}

/* Who is told of places in the tier. */
struct finding {
    cache_tier_visit found;
    void *context;
};

static void found_place(void *context, const struct tier_place *place) {
    const struct finding *finding = context;
    finding->found(finding->context, &(struct cache_tier_place){place->address, place->generation});
}

uint64_t cache_tier_scan(struct cache *cache, struct actor *actor, uint32_t db, uint64_t cursor, uint32_t count,
                         cache_visit visit, cache_tier_visit found, void *context) {
    struct finding finding = {found, context};
    const struct gathered wanted = {.found = found_place, .context = &finding};
    return scan_for(cache, actor, engine_db(cache, db), cursor, count, &wanted, visit, context);
}

uint64_t cache_scan(struct cache *cache, struct actor *actor, uint32_t db, uint64_t cursor, uint32_t count,
                    cache_visit visit, void *context) {
    return scan(cache, actor, engine_db(cache, db), cursor, count, 0, false, visit, context);
}

uint64_t cache_scan_place(struct cache *cache, struct actor *actor, uint32_t place, uint64_t cursor, uint32_t count,
                          cache_visit visit, void *context) {
    return scan(cache, actor, place, cursor, count, 0, true, visit, context);
}

/* Holds a tag for a scan, or its number might become another's meanwhile; 0: there is none. Who flushes holds all locks, and so sees that the
 * table may not be cleared at once, or has cleared it before. */
static uint32_t hold_for_scan(struct cache *cache, struct actor *actor, struct slice tag) {
    struct engine *engine = cache->engine;
    bool lock = !cache_locked(actor);
    uint32_t number = 0;
    if (lock)
        store_lock(engine, actor, 0);
    if (tag_take(&engine->range, actor, engine->tags, tag, false, &number) != STATUS_OK)
        number = 0; /* a name that cannot be is nobody's */
    if (number)
        atomic_fetch_add(&engine->tags->guests, 1);
    if (lock)
        store_unlock(engine, actor, 0);
    return number;
}

static void give_after_scan(struct cache *cache, struct actor *actor, uint32_t number) {
    struct engine *engine = cache->engine;
    tag_give(&engine->range, actor, engine->tags, number, 0);
    atomic_fetch_sub(&engine->tags->guests, 1);
}

uint64_t cache_scan_tag(struct cache *cache, struct actor *actor, uint32_t db, struct slice tag, uint64_t cursor,
                        uint32_t count, cache_visit visit, void *context) {
    uint32_t number = hold_for_scan(cache, actor, tag);
    if (!number)
        return 0;
    cursor = scan(cache, actor, engine_db(cache, db), cursor, count, number, false, visit, context);
    give_after_scan(cache, actor, number);
    return cursor;
}

static void count_one(void *context, struct slice name, const struct cache_info *info) {
    (void)name, (void)info;
    ++*(uint64_t *)context;
}

/* False: there is no memory to look. */
static bool count_seen(struct cache *cache, struct actor *actor, uint32_t number, uint64_t *ret_count) {
    *ret_count = 0;
    for (uint32_t place = 0; place < CACHE_DATABASES; place++) {
        uint64_t cursor = 0;
        if (cache_count_place(cache, place) == tier_entries(cache->engine, place))
            continue;
        do
            cursor = scan(cache, actor, place, cursor, COUNT_SCAN_COUNT, number, false, count_one, ret_count);
        while (cursor && cursor != CACHE_SCAN_FAILED);
        if (cursor)
            return false;
    }
    return true;
}

static bool is_small(const struct cache *cache) {
    uint64_t entries = 0;
    for (uint32_t place = 0; place < CACHE_DATABASES; place++)
        entries += cache_count_place(cache, place);
    return entries <= COUNT_ENTRIES_MAX;
}

uint64_t cache_transfers(const struct cache *cache) { return atomic_load(&cache->transfers); }

uint64_t cache_tag_count_seen(struct cache *cache, struct actor *actor, struct slice tag, bool all) {
    struct engine *engine = cache->engine;
    for (int i = 0; i < COUNT_SLICES_MAX && !cache_locked(actor) && reclaim_expired(engine, actor); i++)
        ;
    if (!all && !is_small(cache))
        return cache_tag_count(cache, actor, tag);
    uint32_t number = hold_for_scan(cache, actor, tag);
    if (!number)
        return 0;
    uint64_t count;
    bool counted = count_seen(cache, actor, number, &count);
    count += counted ? tier_bearers(engine, actor, number) : 0;
    give_after_scan(cache, actor, number);
    return counted ? count : cache_tag_count(cache, actor, tag);
}

struct pick {
    uint8_t *name;
    size_t size;
    uint64_t random;
    uint32_t seen;
};

/* Keeps one of the visited with equal chances (reservoir of one). */
static void pick_one(void *context, struct slice name, const struct cache_info *info) {
    struct pick *pick = context;
    (void)info;
    pick->random = pick->random * 6364136223846793005u + 1442695040888963407u;
    if ((pick->random >> 33) % ++pick->seen != 0)
        return;
    if (name.size) /* the empty name may stand nowhere */
        memcpy(pick->name, name.data, name.size);
    pick->size = name.size;
}

bool cache_random_key(struct cache *cache, struct actor *actor, uint32_t db, uint64_t random, uint8_t *name,
                      size_t *ret_size) {
    uint32_t shards = cache->engine->shard_count;
    if (cache_count(cache, db) == cache_tier_count(cache, db))
        return false;
    struct pick pick = {.name = name, .random = random};
    /* A bucket with few entries makes each of them likelier than one with many: good enough, as in Redis. */
    for (int i = 0; i < RANDOM_TRIES && pick.seen == 0; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t shard = (uint32_t)((random >> 32) % shards);
        uint64_t shape = atomic_load_explicit(&cache->engine->shards[shard].index.shape, memory_order_relaxed);
        uint64_t bucket = (random >> 16) * 0x9e3779b97f4a7c15u % index_bucket_count(shape);
        (void)cache_scan(cache, actor, db, bucket * shards + shard, 1, pick_one, &pick);
    }
    for (uint64_t cursor = 0; pick.seen == 0;) {
        cursor = cache_scan(cache, actor, db, cursor, 64, pick_one, &pick);
        if (cursor == 0 || cursor == CACHE_SCAN_FAILED)
            break;
    }
    if (pick.seen == 0)
        return false;
    *ret_size = pick.size;
    return true;
}

/* Keeps one of the places with equal chances. */
struct place_pick {
    struct cache_tier_place place;
    uint64_t random;
    uint32_t seen;
};

static void pick_place(void *context, const struct tier_place *place) {
    struct place_pick *pick = context;
    pick->random = pick->random * 6364136223846793005u + 1442695040888963407u;
    if ((pick->random >> 33) % ++pick->seen == 0)
        pick->place = (struct cache_tier_place){place->address, place->generation};
}

bool cache_tier_random(struct cache *cache, struct actor *actor, uint32_t db, uint64_t random,
                       struct cache_tier_place *ret_place) {
    struct engine *engine = cache->engine;
    struct place_pick pick = {.random = random};
    uint32_t place = engine_db(cache, db);
    /* Where cells are few, tries go from shard to shard and bucket to bucket. */
    for (uint32_t i = 0; pick.seen == 0 && tier_entries(engine, place) != 0 && i < PLACE_TRIES; i++) {
        uint32_t at = (uint32_t)(((random >> 32) + i) % engine->shard_count);
        struct shard *shard = &engine->shards[at];
        bool lock = !store_held(actor, at);
        if (lock)
            store_lock(engine, actor, at);
        uint64_t bucket = ((random >> 16) * 0x9e3779b97f4a7c15u + i) % index_bucket_count(tier_shape(engine, shard));
        MAYBE(tier_visit(engine, shard, bucket, place, 0, 0, pick_place, &pick) > 0);
        if (lock)
            store_unlock(engine, actor, at);
    }
    *ret_place = pick.place;
    return pick.seen != 0;
}

uint64_t cache_count_place(const struct cache *cache, uint32_t place) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < cache->engine->shard_count; i++)
        count += atomic_load_explicit(&cache->engine->shards[i].entries[place], memory_order_relaxed);
    return count + tier_entries(cache->engine, place);
}

void cache_edit_begin_place(struct cache *cache, struct actor *actor, uint32_t place, struct slice name,
                            uint64_t write_bytes, struct cache_edit *ret_edit) {
    for (;;) {
        struct cache_key key = cache_key(cache, cache_db_of(cache, place), name);
        if (write_bytes)
            cache_prepare(cache, actor, &key, write_bytes);
        cache_edit_begin(cache, actor, &key, ret_edit);
        if (ret_edit->key.place == place)
            return; /* and will not change: a swap takes all locks */
        cache_edit_end(ret_edit);
    }
}

uint64_t cache_count(const struct cache *cache, uint32_t db) { return cache_count_place(cache, engine_db(cache, db)); }

uint64_t cache_count_expiring(const struct cache *cache, uint32_t db) {
    uint64_t count = 0;
    uint32_t engine = engine_db(cache, db);
    for (uint32_t i = 0; i < cache->engine->shard_count; i++)
        count += atomic_load_explicit(&cache->engine->shards[i].expiring[engine], memory_order_relaxed);
    return count + tier_expiring(cache->engine, engine);
}

/* ------------------------------------------------------------------------------------------ flushing */

static void new_epoch(struct cache *cache, uint32_t db) {
    atomic_fetch_add_explicit(&cache->epochs[db], 1, memory_order_relaxed);
}

/* Takes the shards that the actor does not hold yet; `ret_taken` says which. */
static void lock_rest(struct cache *cache, struct actor *actor, bool *ret_taken) {
    *ret_taken = !cache_locked(actor);
    if (*ret_taken)
        cache_lock_all(cache, actor, 0);
    for (uint32_t i = 0; i < cache->engine->shard_count; i++)
        ASSERT(store_held(actor, i));
}

static bool others_are_empty(const struct cache *cache, uint32_t db) {
    for (uint32_t other = 0; other < CACHE_DATABASES; other++)
        if (other != db && cache_count(cache, other) != 0)
            return false;
    return true;
}

enum { OF_ALL = UINT32_MAX };

/* Removes the live entries of one segment: of one database, or of all databases (OF_ALL) those with some of these flags. */
static void clear_segment(struct cache *cache, struct actor *actor, struct shard *shard, uint32_t number, uint32_t db,
                          uint32_t flags) {
    struct engine *engine = cache->engine;
    uint64_t begin = range_segment_at(&engine->range, number);
    uint32_t used = atomic_load_explicit(&engine->range.segments[number].used, memory_order_relaxed);
    for (uint32_t offset = 0; offset < used;) {
        struct store_spot spot = {.location = begin + offset};
        bool whole = store_entry_at(engine, spot.location, &spot.entry);
        ASSERT(whole);
        offset += spot.entry.size;
        if (db == OF_ALL ? !(spot.entry.flags & flags) : spot.entry.db != db)
            continue;
        uint64_t hash = store_hash_at(engine, spot.location);
        spot.bucket = index_place_of(&engine->range, &shard->index, hash).bucket;
        spot.cell = index_find(&engine->range, &shard->index, hash, spot.location);
        if (spot.cell)
            store_remove(engine, actor, shard, &spot, STORE_CLEARED);
    }
}

/* Drops everything at once: what owns memory elsewhere or bears tags one by one, the index by emptying its buckets, the logs as whole
 * segments. */
void clear_shard(struct cache *cache, struct actor *actor, struct shard *shard, bool give_tags) {
    struct engine *engine = cache->engine;
    tier_clear(engine, actor, shard);
    bool tags = give_tags && atomic_load_explicit(&engine->tags->count, memory_order_relaxed) != 0;
    uint32_t flags = tags ? ENTRY_OWNS | ENTRY_TAGS : ENTRY_OWNS;
    struct segment *segments = engine->range.segments;
    for (uint32_t log = 0; log < STORE_LOGS_MAX; log++)
        for (uint32_t number = shard->logs[log].first; number;
             number = atomic_load_explicit(&segments[number].next, memory_order_relaxed))
            if (tags || atomic_load_explicit(&segments[number].live, memory_order_relaxed) !=
                            atomic_load_explicit(&segments[number].weight, memory_order_relaxed))
                clear_segment(cache, actor, shard, number, OF_ALL, flags);
    index_clear(&engine->range, actor, &shard->index);
    filter_reset(engine, actor, shard);
    for (uint32_t log = 0; log < STORE_LOGS_MAX; log++)
        while (shard->logs[log].first) {
            atomic_store_explicit(&segments[shard->logs[log].first].live, 0, memory_order_relaxed);
            store_drop_segment(engine, actor, shard, shard->logs[log].first);
        }
    ghost_clear(engine, actor, shard);
    atomic_store_explicit(&shard->live, 0, memory_order_relaxed);
    for (int queue = 0; queue < STORE_QUEUES; queue++)
        for (int expires = 0; expires < 2; expires++)
            atomic_store_explicit(&shard->queue_bytes[queue][expires], 0, memory_order_relaxed);
    atomic_store_explicit(&shard->empties, 0, memory_order_relaxed);
    ASSERT(atomic_load_explicit(&shard->extents_live, memory_order_relaxed) == 0);
    for (uint32_t db = 0; db < CACHE_DATABASES; db++) {
        atomic_store_explicit(&shard->entries[db], 0, memory_order_relaxed);
        atomic_store_explicit(&shard->expiring[db], 0, memory_order_relaxed);
    }
}

static void clear_shard_db(struct cache *cache, struct actor *actor, struct shard *shard, uint32_t db) {
    struct segment *segments = cache->engine->range.segments;
    tier_clear_place(cache->engine, actor, shard, db);
    for (uint32_t log = 0; log < STORE_LOGS_MAX; log++)
        for (uint32_t number = shard->logs[log].first; number;) {
            uint32_t next = atomic_load_explicit(&segments[number].next, memory_order_relaxed);
            clear_segment(cache, actor, shard, number, db, 0);
            if (number != shard->logs[log].open &&
                atomic_load_explicit(&segments[number].live, memory_order_relaxed) == 0)
                store_drop_segment(cache->engine, actor, shard, number);
            number = next;
        }
}

static void clear_all(struct cache *cache, struct actor *actor) {
    bool guests = atomic_load(&cache->engine->tags->guests) != 0;
    for (uint32_t i = 0; i < cache->engine->shard_count; i++)
        clear_shard(cache, actor, &cache->engine->shards[i], guests);
    if (!guests)
        tags_clear(&cache->engine->range, actor, cache->engine->tags);
}

void cache_flush(struct cache *cache, struct actor *actor, uint32_t db) {
    bool taken;
    lock_rest(cache, actor, &taken);
    uint32_t engine = engine_db(cache, db);
    if (others_are_empty(cache, db))
        clear_all(cache, actor);
    else if (cache_count(cache, db) != 0)
        for (uint32_t i = 0; i < cache->engine->shard_count; i++)
            clear_shard_db(cache, actor, &cache->engine->shards[i], engine);
    new_epoch(cache, db);
    if (is_journaled(cache))
        journal_note(cache, actor, &(struct record_part){.kind = RECORD_FLUSH, .place = engine});
    store_tell(cache->engine, actor, CACHE_FLUSHED, engine, slice_make(NULL, 0));
    if (taken)
        cache_unlock(cache, actor);
}

void cache_flush_all(struct cache *cache, struct actor *actor) {
    bool taken;
    lock_rest(cache, actor, &taken);
    clear_all(cache, actor);
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        new_epoch(cache, db);
    if (is_journaled(cache))
        journal_note(cache, actor, &(struct record_part){.kind = RECORD_FLUSH_ALL});
    store_tell(cache->engine, actor, CACHE_FLUSHED, CACHE_DATABASES, slice_make(NULL, 0));
    if (taken)
        cache_unlock(cache, actor);
}

bool cache_ban(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern) {
    struct engine *engine = cache->engine;
    bool taken, banned = false;
    if (pattern.size > BAN_PATTERN_MAX || bans_prepare(engine) != STATUS_OK)
        return false;
    lock_rest(cache, actor, &taken);
    if (!store_is_wanted(engine, CACHE_EACH))
        banned = bans_add(engine, actor, place, pattern, 0);
    if (banned) {
        if (is_journaled(cache))
            journal_note(
                cache, actor,
                &(struct record_part){.kind = RECORD_BAN, .place = place, .stamp = actor->ban_stamp, .name = pattern});
        /* Afterwards, so that who inherits a lease that ends by it is younger than the ban; nobody sees between while all locks are held. */
        store_tell(engine, actor, CACHE_PATTERN_GOING, place, pattern);
        store_tell(engine, actor, CACHE_BANNED, place, pattern);
    }
    if (taken)
        cache_unlock(cache, actor);
    return banned;
}

void cache_bans(const struct cache *cache, struct cache_bans *ret_bans) {
    struct ban_counts counts;
    bans_count(cache->engine, &counts);
    *ret_bans = (struct cache_bans){counts.live, counts.set, counts.swept, counts.done_permille};
}

void cache_swap(struct cache *cache, struct actor *actor, uint32_t a, uint32_t b) {
    ASSERT(a < CACHE_DATABASES && b < CACHE_DATABASES);
    bool taken;
    lock_rest(cache, actor, &taken);
    _Atomic uint32_t *map = cache->engine->range.head->db_map;
    uint32_t of_a = engine_db(cache, a), of_b = engine_db(cache, b);
    uint32_t banned = atomic_load_explicit(&map[a], memory_order_relaxed) & RANGE_DB_BANNED;
    atomic_store_explicit(&map[a], of_b | banned, memory_order_relaxed);
    atomic_store_explicit(&map[b], of_a | banned, memory_order_relaxed);
    new_epoch(cache, a);
    new_epoch(cache, b);
    if (is_journaled(cache)) {
        struct record_part part = {.kind = RECORD_MAP};
        journal_map(cache, part.map);
        journal_note(cache, actor, &part);
    }
    actor->swapped_with = of_b;
    store_tell(cache->engine, actor, CACHE_SWAPPED, of_a, slice_make(NULL, 0));
    actor->swapped_with = of_a;
    store_tell(cache->engine, actor, CACHE_SWAPPED, of_b, slice_make(NULL, 0));
    if (taken)
        cache_unlock(cache, actor);
}
