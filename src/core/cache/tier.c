#include "core/cache/tier.h"

#include "core/cache/internal.h"
#include "core/store/tier.h"
#include "core/store/tier_meta.h"

enum { LOOK_TRIES = 8, SWEEP_BUCKETS = 256, PROMOTE_HITS_DEFAULT = 2 };

static_assert((int)CACHE_TIER_ADDRESS_BITS == (int)TIER_ADDRESS_BITS &&
                  (int)CACHE_TIER_META_SIZE_MAX >= (int)TIER_META_SIZE_MAX &&
                  (int)CACHE_TIER_PIECES_MAX == (int)TIER_PIECES_MAX &&
                  (int)CACHE_TIER_PROMOTE_HITS_MAX == (int)TIER_HITS_MAX &&
                  (int)CACHE_TIER_CELLS_PERCENT_DEFAULT == (int)TIER_CELLS_PERCENT &&
                  (int)CACHE_TIER_TOO_LARGE == (int)TIER_TOO_LARGE && (int)CACHE_DEMOTED == (int)STORE_DEMOTED,
              "the engine's by the same numbers");

static struct shard *shard_at(const struct cache *cache, uint64_t hash) {
    return &cache->engine->shards[store_shard_of(cache->engine, hash)];
}

/* ------------------------------------------------------------------------------------------ begin and end */

static enum tier_refusal add(void *context, struct actor *actor, const struct tier_record *record,
                             uint64_t *ret_address) {
    const struct cache *cache = context;
    const struct cache_tier_record handed = {.hash = record->hash,
                                             .word = record->word,
                                             .meta = record->meta,
                                             .key = record->key,
                                             .pieces = record->pieces,
                                             .piece_count = record->piece_count,
                                             .value_size = record->value_size};
    return (enum tier_refusal)cache->tier.add(cache->tier.context, actor, &handed, ret_address);
}

static uint64_t generation(void *context, uint64_t address) {
    const struct cache *cache = context;
    return cache->tier.generation(cache->tier.context, address);
}

enum status cache_tier_set(struct cache *cache, struct actor *actor, const struct cache_tier *tier) {
    struct engine *engine = cache->engine;
    ASSERT(!cache_locked(actor));
    if (engine->tier)
        tier_close(engine, actor);
    if (!tier)
        return STATUS_OK;
    const struct tier_calls calls = {.add = add,
                                     .generation = generation,
                                     .context = cache,
                                     .value_size_max = tier->value_size_max,
                                     .cells_percent = tier->cells_percent};
    cache->tier = *tier;
    cache_tier_promote_hits_set(cache, tier->promote_hits);
    return tier_open(engine, &calls);
}

void cache_tier_promote_hits_set(struct cache *cache, uint32_t promote_hits) {
    uint32_t hits = promote_hits ? promote_hits : PROMOTE_HITS_DEFAULT;
    hits = hits > CACHE_TIER_PROMOTE_HITS_MAX ? CACHE_TIER_PROMOTE_HITS_MAX : hits;
    atomic_store_explicit(&cache->promote_hits, hits, memory_order_relaxed);
}

bool cache_tier_holds_any(const struct cache *cache) {
    for (uint32_t place = 0; place < CACHE_DATABASES; place++)
        if (tier_entries(cache->engine, place) != 0)
            return true;
    return false;
}

uint64_t cache_tier_count(const struct cache *cache, uint32_t db) {
    return tier_entries(cache->engine, engine_db(cache, db));
}

/* ------------------------------------------------------------------------------------------ asking */

uint32_t cache_tier_ask(const struct cache *cache, const struct cache_key *key,
                        struct cache_tier_place places[CACHE_TIER_PLACES_MAX]) {
    struct tier_place found[CACHE_TIER_PLACES_MAX];
    if (!cache->engine->tier)
        return 0;
    const struct store_key wanted = engine_key(cache, key);
    const struct shard *shard = shard_at(cache, wanted.hash);
    uint32_t count = store_is_tiered(shard)
                         ? tier_ask(cache->engine, shard, wanted.hash, wanted.db, found, CACHE_TIER_PLACES_MAX)
                         : 0;
    for (uint32_t i = 0; i < count; i++)
        places[i] = (struct cache_tier_place){found[i].address, found[i].generation};
    return count;
}

bool tier_may_have(const struct cache *cache, const struct store_key *key) {
    const struct shard *shard = shard_at(cache, key->hash);
    return store_is_tiered(shard) && tier_ask(cache->engine, shard, key->hash, key->db, NULL, 0) != 0;
}

enum tier_answer tier_confirm_miss(const struct cache *cache, const struct store_key *key) {
    const struct shard *shard = shard_at(cache, key->hash);
    for (int tries = 0; tries < LOOK_TRIES; tries++) {
        struct store_view view;
        store_view_open(cache->engine, shard, key, &view);
        bool found = view.found, there = !found && tier_may_have(cache, key);
        if (store_view_holds(shard, &view))
            return found ? TIER_IN_MEMORY : there ? TIER_MAY_HAVE : TIER_NOWHERE;
    }
    return TIER_MAY_HAVE;
}

/* ------------------------------------------------------------------------------------------ judging */

/* A record as it was read, for a key. */
struct reading {
    struct cache *cache;
    struct actor *actor;
    struct store_key key;
    const struct shard *shard;
    struct cache_tier_place place;
    struct tier_meta meta;
    struct slice value;
};

/* What the record says of tags are numbers of the process that wrote it; what they are here stands beside the cell. Without one nothing counts that is said of the
 * record, and a place is never the same one again. */
static void read_tags(struct reading *reading) {
    struct engine *engine = reading->cache->engine;
    uint32_t at = store_shard_of(engine, reading->key.hash);
    bool lock = !store_held(reading->actor, at);
    if (lock)
        store_lock(engine, reading->actor, at);
    const struct tier_side *side = tier_side_of(engine, reading->shard, reading->place.address);
    reading->meta.tag_count = side ? side->count : 0;
    if (side)
        memcpy(reading->meta.tags, side->numbers, side->count * sizeof *side->numbers);
    if (lock)
        store_unlock(engine, reading->actor, at);
}

/* False: it is another key's. */
static bool read_record(struct cache *cache, struct actor *actor, const struct cache_key *key,
                        struct cache_tier_place place, const struct cache_tier_found *found,
                        struct reading *ret_reading) {
    *ret_reading = (struct reading){
        .cache = cache, .actor = actor, .key = engine_key(cache, key), .place = place, .value = found->value};
    ret_reading->shard = shard_at(cache, ret_reading->key.hash);
    if (!cache->engine->tier || !tier_meta_read(found->meta, &ret_reading->meta) ||
        !slice_equal(found->key, key->name) || ret_reading->meta.place != ret_reading->key.db)
        return false;
    if (ret_reading->meta.tag_count)
        read_tags(ret_reading);
    return true;
}

static bool is_banned(const struct reading *reading) {
    const struct engine *engine = reading->cache->engine;
    const struct tier_meta *meta = &reading->meta;
    if (atomic_load_explicit(&engine->ban_count, memory_order_acquire) != 0 &&
        bans_kill(atomic_load_explicit(&engine->bans, memory_order_relaxed), meta->place, meta->seq, reading->key.name))
        return true;
    return bans_past_kill(engine->tier->past, meta->place, meta->seq, reading->key.name);
}

/* What the tags say; the record bears them for as long as its cell is there, so that numbers mean what they did. */
static bool tags_say(const struct reading *reading, bool softly) {
    const struct engine *engine = reading->cache->engine;
    const struct tier_meta *meta = &reading->meta;
    for (uint32_t i = 0; i < meta->tag_count; i++)
        if (tags_latest(engine->tags, meta->tags[i]) >= meta->stamp &&
            tag_kills(&engine->range, engine->tags, meta->tags[i], meta->stamp, softly))
            return true;
    return false;
}

static bool has_expired(const struct reading *reading) {
    return reading->meta.expires_at_ms && reading->meta.expires_at_ms <= reading->actor->now_ms;
}

enum life { LIFE_PLAIN, LIFE_OVER, LIFE_TOLD };

/* What is no longer alive goes here if nobody hears of it; else in memory, where that is told with all that belongs to it. Only bans are known here alone. */
static enum life life_of(const struct reading *reading) {
    const struct engine *engine = reading->cache->engine;
    if (is_banned(reading))
        return LIFE_OVER;
    if (has_expired(reading))
        return reading->meta.stale || store_is_wanted(engine, STORE_EXPIRED) ? LIFE_TOLD : LIFE_OVER;
    if (tags_say(reading, false))
        return store_is_wanted(engine, STORE_INVALIDATED) ? LIFE_TOLD : LIFE_OVER;
    return tags_say(reading, true) ? LIFE_TOLD : LIFE_PLAIN;
}

/* What was seen at one moment, at which the cell led to this record and nothing of the key stood in memory. */
struct sight {
    bool there;
    enum life life;
    _Atomic uint64_t *at;
    uint64_t cell;
};

/* False: a writer came between. */
static bool see_once(const struct reading *reading, struct sight *ret_sight) {
    struct engine *engine = reading->cache->engine;
    struct tier_view view;
    struct store_view memory;
    tier_view_open(engine, reading->shard, reading->key.hash, reading->place.address, &view);
    *ret_sight = (struct sight){.at = view.at, .cell = view.cell};
    if (!view.at)
        return view.place.bucket == NULL || tier_view_holds(engine, reading->shard, &view);
    ret_sight->there = generation(reading->cache, reading->place.address) == reading->place.generation;
    if (ret_sight->there)
        ret_sight->life = life_of(reading);
    store_view_open(engine, reading->shard, &reading->key, &memory);
    ret_sight->there &= !memory.found;
    return store_view_holds(reading->shard, &memory) && tier_view_holds(engine, reading->shard, &view);
}

static struct sight see(const struct reading *reading) {
    struct engine *engine = reading->cache->engine;
    struct sight sight;
    for (int tries = 0; tries < LOOK_TRIES; tries++)
        if (see_once(reading, &sight))
            return sight;
    uint32_t at = store_shard_of(engine, reading->key.hash);
    bool lock = !store_held(reading->actor, at);
    if (lock)
        store_lock(engine, reading->actor, at);
    bool seen = see_once(reading, &sight);
    ASSERT(seen);
    if (lock)
        store_unlock(engine, reading->actor, at);
    return sight;
}

static void fill_info(const struct reading *reading, uint32_t hits, struct cache_info *ret_info) {
    const struct tier_meta *meta = &reading->meta;
    uint64_t now_ms = reading->actor->now_ms;
    *ret_info = (struct cache_info){
        .type = (enum cache_type)meta->type,
        .size = reading->value.size,
        .expires_at_ms = meta->expires_at_ms,
        .version = meta->stamp,
        .row = meta->row,
        .charged_bytes = reading->value.size + reading->key.name.size + TIER_META_FIXED,
        .use_count = hits,
        .idle_ms = now_ms > meta->since_ms ? now_ms - meta->since_ms : 0,
    };
}

static void count_hit(const struct reading *reading) {
    struct actor *actor = reading->actor;
    actor->counts.hits++;
    if (actor->of_store)
        actor->of_store[reading->shard->store].hits++;
    tier_count(reading->cache->engine->tier, TIER_SHOWN, 1);
}

/* Forgets the record if its cell is still there. */
static void forget(const struct reading *reading, enum tier_end end) {
    struct engine *engine = reading->cache->engine;
    uint32_t at = store_shard_of(engine, reading->key.hash);
    bool lock = !store_held(reading->actor, at);
    if (lock)
        store_lock(engine, reading->actor, at);
    if (generation(reading->cache, reading->place.address) == reading->place.generation)
        MAYBE(tier_forget(engine, reading->actor, &engine->shards[at], reading->key.hash, reading->place.address, end));
    if (lock)
        store_unlock(engine, reading->actor, at);
}

static enum cache_tier_verdict judge(const struct reading *reading, bool quiet, struct cache_info *ret_info) {
    struct tier *tier = reading->cache->engine->tier;
    struct sight sight = see(reading);
    if (!sight.there) {
        tier_count(tier, TIER_AGAIN, 1);
        return CACHE_TIER_AGAIN;
    }
    if (sight.life == LIFE_OVER) {
        forget(reading, TIER_DIED);
        actor_count_removed(reading->actor, reading->shard->store,
                            has_expired(reading) ? ACTOR_EXPIRED : ACTOR_INVALIDATED);
        return CACHE_TIER_DEAD;
    }
    uint32_t hits = tier_cell_hits(sight.cell);
    if (!quiet)
        hits = tier_cell_hit(sight.at, sight.cell);
    fill_info(reading, hits, ret_info);
    bool shown = sight.life == LIFE_PLAIN && reading->meta.type == CACHE_STRING &&
                 (quiet || hits < atomic_load_explicit(&reading->cache->promote_hits, memory_order_relaxed));
    if (!shown)
        tier_count(tier, TIER_WANTED, 1);
    else if (!quiet)
        count_hit(reading);
    return shown ? CACHE_TIER_SHOWN : CACHE_TIER_WANTED;
}

enum cache_tier_verdict cache_tier_look(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                        struct cache_tier_place place, const struct cache_tier_found *found, bool quiet,
                                        struct cache_info *ret_info) {
    struct reading reading;
    if (read_record(cache, actor, key, place, found, &reading))
        return judge(&reading, quiet, ret_info);
    if (cache->engine->tier)
        tier_count(cache->engine->tier, TIER_NOT_IT, 1);
    return CACHE_TIER_NOT_IT;
}

void cache_tier_missed(struct cache *cache, struct actor *actor, const struct cache_key *key) {
    const struct shard *shard = shard_at(cache, engine_key(cache, key).hash);
    actor->counts.misses++;
    if (actor->of_store)
        actor->of_store[shard->store].misses++;
    if (cache->engine->tier)
        tier_count(cache->engine->tier, TIER_MISSED, 1);
    store_tell(cache->engine, actor, CACHE_MISSED, key->db, key->name);
}

bool cache_tier_key(const struct cache *cache, const struct cache_tier_found *found, struct cache_key *ret_key) {
    struct tier_meta meta;
    if (!tier_meta_read(found->meta, &meta))
        return false;
    *ret_key = cache_key(cache, cache_db_of(cache, meta.place), found->key);
    return true;
}

/* ------------------------------------------------------------------------------------------ coming up */

/* The value as it was, with its tags held; a large one in a chain of its own. */
static void make_value(const struct reading *reading, uint32_t numbers[ENTRY_TAGS_MAX], const struct extents *chain,
                       struct store_value *ret_value) {
    const struct tier_meta *meta = &reading->meta;
    memcpy(numbers, meta->tags, meta->tag_count * sizeof *numbers);
    tags_hold(reading->cache, reading->actor, numbers, meta->tag_count);
    *ret_value = (struct store_value){.type = meta->type,
                                      .expires_at_ms = meta->expires_at_ms,
                                      .stamp = meta->stamp,
                                      .row = meta->row,
                                      .stale = meta->stale,
                                      .tags = numbers,
                                      .tag_count = meta->tag_count,
                                      .from_tier = true};
    if (chain->first) {
        ret_value->extents = *chain;
        ret_value->extents_size = reading->value.size;
    } else {
        ret_value->value = reading->value;
    }
}

/* A snapshot that was begun while it was in the tier does not have it, and the log that follows is to. */
__attribute__((noinline)) static void note_promoted(struct reading *reading, const struct store_spot *spot) {
    struct cache *cache = reading->cache;
    uint8_t names[ENTRY_TAGS_MAX][TAG_NAME_MAX];
    struct record_part part = {.kind = RECORD_PUT, .value = reading->value};
    if (store_is_dead(cache->engine, spot->location, &spot->entry, reading->key.name))
        part = (struct record_part){.kind = RECORD_REMOVE, .place = reading->key.db, .name = reading->key.name};
    else
        journal_facts(cache, reading->actor, spot, names, &part);
    journal_note_value(cache, reading->actor, &part);
}

/* Under the key's lock, with its cell there. The cell goes behind the entry's coming, so that nobody misses the key in between. */
static enum status put_up(struct reading *reading, struct shard *shard, struct extents *chain,
                          struct store_spot *spot) {
    struct engine *engine = reading->cache->engine;
    uint32_t numbers[ENTRY_TAGS_MAX];
    struct store_value value;
    make_value(reading, numbers, chain, &value);
    enum status status = store_put(engine, reading->actor, shard, &reading->key, &value, spot);
    if (status != STATUS_OK) {
        tags_give(reading->cache, reading->actor, numbers, value.tag_count);
        return status;
    }
    chain->first = 0;
    /* It is wanted just now: whoever makes room for a change of it is not to put it down again at once. */
    cell_set_use(spot->cell, 1);
    MAYBE(tier_forget(engine, reading->actor, shard, reading->key.hash, reading->place.address, TIER_PROMOTED));
    tier_count(engine->tier, TIER_UP_BYTES, reading->key.name.size + reading->value.size);
    if (is_journaled(reading->cache))
        note_promoted(reading, spot);
    return STATUS_OK;
}

/* Whether the cell leads there still, and the record is what stands there. */
static bool is_still_there(const struct reading *reading, struct shard *shard) {
    struct tier_view view;
    tier_view_open(reading->cache->engine, shard, reading->key.hash, reading->place.address, &view);
    return view.at && generation(reading->cache, reading->place.address) == reading->place.generation;
}

static enum status promote_once(struct reading *reading, const struct cache_key *key, struct extents *chain) {
    struct cache *cache = reading->cache;
    struct engine *engine = cache->engine;
    struct store_spot spot;
    uint32_t at;
    enum status status = STATUS_OK;
    bool locked = lock_key(cache, reading->actor, key, &reading->key, &at);
    struct shard *shard = &engine->shards[at];
    ASSERT(locked);
    atomic_fetch_add(&cache->transfers, 1);
    reading->shard = shard;
    if (reading->key.db == reading->meta.place && is_still_there(reading, shard)) {
        store_find(engine, shard, &reading->key, &spot);
        ASSERT(!spot.location);
        if (is_banned(reading))
            MAYBE(tier_forget(engine, reading->actor, shard, reading->key.hash, reading->place.address, TIER_DIED));
        else
            status = put_up(reading, shard, chain, &spot);
    }
    uint64_t lsn = reading->actor->noted.lsn;
    store_unlock(engine, reading->actor, at);
    reading->actor->noted.lsn = lsn; /* nothing has changed that anybody waits for */
    return status;
}

static enum status take_chain(const struct reading *reading, struct extents *chain) {
    struct range *range = &reading->cache->engine->range;
    const struct tier_meta *meta = &reading->meta;
    if (edit_goes_inline(reading->cache->engine, reading->key.name.size, meta->tag_count, reading->value.size))
        return STATUS_OK;
    TRY(edit_take_extents(range, reading->actor, reading->value.size, chain));
    edit_fill_extents(range, chain->first, 0, reading->value.data, reading->value.size);
    return STATUS_OK;
}

enum status cache_tier_promote(struct cache *cache, struct actor *actor, const struct cache_key *key,
                               struct cache_tier_place place, const struct cache_tier_found *found) {
    struct reading reading;
    struct extents chain = {0};
    ASSERT(!cache_locked(actor));
    if (!read_record(cache, actor, key, place, found, &reading))
        return STATUS_OK;
    enum status status = STATUS_FULL;
    for (int i = 0; status == STATUS_FULL && i < CACHE_WRITE_TRIES; i++) {
        cache_prepare(cache, actor, key, found->value.size + (uint64_t)i * range_segment_size(&cache->engine->range));
        status = chain.first ? STATUS_OK : take_chain(&reading, &chain);
        if (status == STATUS_OK)
            status = promote_once(&reading, key, &chain);
    }
    if (chain.first)
        extent_release(&cache->engine->range, actor, chain.first);
    if (actor->promised)
        reclaim_release_promise(cache->engine, actor);
    return status;
}

/* ------------------------------------------------------------------------------------------ going down, and going */

enum status cache_tier_demote(struct cache *cache, struct actor *actor, const struct cache_key *key, bool *ret_done) {
    struct engine *engine = cache->engine;
    struct store_key wanted;
    struct store_spot spot;
    uint32_t at;
    *ret_done = false;
    if (!engine->tier)
        return STATUS_OK;
    bool locked = lock_key(cache, actor, key, &wanted, &at);
    struct shard *shard = &engine->shards[at];
    ASSERT(locked);
    store_find(engine, shard, &wanted, &spot);
    if (spot.location)
        *ret_done = tier_put_down(engine, actor, shard, wanted.hash, &spot) == TIER_TAKEN;
    store_unlock(engine, actor, at);
    return STATUS_OK;
}

uint32_t tier_give_up_found_nothing(struct cache *cache, struct actor *actor, const struct cache_key *key) {
    struct shard *shard = shard_at(cache, key->hash);
    uint32_t count = tier_overwritten(cache->engine, actor, shard, key->hash, key->place);
    if (count == 0)
        return 0;
    mark_change(cache, key->hash);
    if (is_journaled(cache))
        journal_removed(cache, actor, key->place, key->name);
    return count;
}

uint32_t cache_tier_give_up(struct cache *cache, struct actor *actor, const struct cache_key *key) {
    struct store_key wanted;
    uint32_t at;
    if (!cache->engine->tier)
        return 0;
    bool lock = lock_key(cache, actor, key, &wanted, &at);
    const struct cache_key placed = {.name = key->name, .hash = wanted.hash, .db = key->db, .place = wanted.db};
    uint32_t count = tier_give_up_found_nothing(cache, actor, &placed);
    if (lock)
        store_unlock(cache->engine, actor, at);
    return count;
}

void cache_tier_forget(struct cache *cache, struct actor *actor, const struct cache_key *key,
                       struct cache_tier_place place) {
    const struct reading reading = {.cache = cache, .actor = actor, .key = engine_key(cache, key), .place = place};
    if (cache->engine->tier)
        forget(&reading, TIER_DAMAGED);
}

/* With all locks: those that the actor does not hold are taken, and let go of by `end_all`. */
static bool begin_all(struct cache *cache, struct actor *actor) {
    bool taken = !cache_locked(actor);
    if (taken)
        cache_lock_all(cache, actor, 0);
    return taken;
}

static void end_all(struct cache *cache, struct actor *actor, bool taken) {
    if (taken)
        cache_unlock(cache, actor);
}

void cache_tier_clear(struct cache *cache, struct actor *actor) {
    bool taken = begin_all(cache, actor);
    for (uint32_t i = 0; i < cache->engine->shard_count; i++)
        tier_clear(cache->engine, actor, &cache->engine->shards[i]);
    end_all(cache, actor, taken);
}

/* Whether anything has ever gone down, here or in an earlier process: afterwards the log may know what the tier has lost. */
static bool was_ever_used(const struct cache *cache) {
    const struct tier *tier = cache->engine->tier;
    return tier && (atomic_load_explicit(&tier->counts[TIER_DOWN], memory_order_acquire) != 0 ||
                    atomic_load_explicit(&tier->counts[TIER_TAKEN_OVER], memory_order_relaxed) != 0 ||
                    atomic_load_explicit(&tier->counts[TIER_LOST], memory_order_relaxed) != 0);
}

/* The log may know what the tier has lost, or loses now, of which it was not told: after a restart it is dead, too. With all locks. */
static void note_ban(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern, uint64_t stamp) {
    if (!is_journaled(cache))
        return;
    journal_note(cache, actor,
                 &(struct record_part){.kind = RECORD_BAN, .place = place, .stamp = stamp, .name = pattern});
    /* It does not last here: what is written from now on has no stamp. If it lasted in a replay, that would get one there, and with it outlive the next ban. */
    journal_note(cache, actor, &(struct record_part){.kind = RECORD_SWEPT, .stamp = stamp});
}

void cache_tier_clear_place(struct cache *cache, struct actor *actor, uint32_t place) {
    if (!was_ever_used(cache))
        return;
    bool taken = begin_all(cache, actor);
    note_ban(cache, actor, place, SLICE("*"), store_stamp_next(cache->engine));
    for (uint32_t i = 0; i < cache->engine->shard_count; i++)
        tier_clear_place(cache->engine, actor, &cache->engine->shards[i], place);
    end_all(cache, actor, taken);
}

enum status cache_tier_ban(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern) {
    struct engine *engine = cache->engine;
    if (!was_ever_used(cache))
        return STATUS_OK;
    if (pattern.size > BAN_PATTERN_MAX) {
        cache_tier_clear_place(cache, actor, place);
        return STATUS_OK;
    }
    bool taken = begin_all(cache, actor);
    uint64_t stamp = store_stamp_next(engine);
    bans_past_add(engine->tier->past, place, pattern, stamp);
    note_ban(cache, actor, place, pattern, stamp);
    end_all(cache, actor, taken);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ what a dump says */

static uint64_t mix(uint64_t seed, struct slice bytes) { return hash_bytes(bytes, seed + bytes.size); }

uint64_t tier_layout(const struct cache *cache) {
    const struct engine *engine = cache->engine;
    uint64_t layout = engine->hash_seed;
    if (engine->router.store) /* whose ways are not known here */
        return 0;
    for (uint32_t i = 0; i < engine->store_count; i++) {
        const struct store *store = &engine->stores[i];
        const uint32_t numbers[] = {i, store->first_shard, store->shard_count, store->by_session};
        if (i && store_is_given_up(store))
            continue;
        layout = mix(layout, slice_make((const uint8_t *)numbers, sizeof numbers));
        layout = mix(layout, slice_from_string(store->name));
    }
    for (uint32_t i = 0; i < engine->route_count; i++) {
        layout = mix(layout, slice_make((const uint8_t *)&engine->routes[i].store, sizeof engine->routes[i].store));
        layout = mix(layout, engine->routes[i].pattern);
    }
    return layout ? layout : 1;
}

/* ------------------------------------------------------------------------------------------ hooks */

static struct shard *lock_of(struct cache *cache, struct actor *actor, uint64_t hash) {
    store_lock(cache->engine, actor, store_shard_of(cache->engine, hash));
    return shard_at(cache, hash);
}
static void unlock_of(struct cache *cache, struct actor *actor, uint64_t hash) {
    store_unlock(cache->engine, actor, store_shard_of(cache->engine, hash));
}

bool cache_tier_keep(struct cache *cache, struct actor *actor, uint64_t hash, uint64_t address) {
    if (!cache->engine->tier)
        return false;
    struct shard *shard = lock_of(cache, actor, hash);
    bool keep = tier_was_read(cache->engine, shard, hash, address);
    unlock_of(cache, actor, hash);
    return keep;
}

void cache_tier_moved(struct cache *cache, struct actor *actor, uint64_t hash, uint64_t from, uint64_t to) {
    if (!cache->engine->tier)
        return;
    struct shard *shard = lock_of(cache, actor, hash);
    MAYBE(tier_move(cache->engine, actor, shard, hash, from, to));
    unlock_of(cache, actor, hash);
}

void cache_tier_gone(struct cache *cache, struct actor *actor, uint64_t hash, uint64_t address) {
    if (!cache->engine->tier)
        return;
    struct shard *shard = lock_of(cache, actor, hash);
    MAYBE(tier_forget(cache->engine, actor, shard, hash, address, TIER_EVICTED));
    unlock_of(cache, actor, hash);
}

void cache_tier_gone_all(struct cache *cache, struct actor *actor, bool (*gone)(void *context, uint64_t address),
                         void *context) {
    struct engine *engine = cache->engine;
    for (uint32_t i = 0; engine->tier && i < engine->shard_count; i++) {
        uint64_t cursor = 0;
        do {
            store_lock(engine, actor, i);
            cursor = tier_sweep(engine, actor, &engine->shards[i], cursor, SWEEP_BUCKETS, gone, context);
            store_unlock(engine, actor, i);
        } while (cursor);
    }
}

bool cache_tier_idle(struct cache *cache, struct actor *actor, uint64_t idle_ms) {
    ASSERT(!cache_locked(actor));
    return tier_idle(cache->engine, actor, idle_ms);
}

/* ------------------------------------------------------------------------------------------ figures */

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)

static void fill_counts(const struct tier *tier, struct cache_tier_stats *ret_stats) {
    ret_stats->demoted = GET(tier->counts[TIER_DOWN]);
    ret_stats->demoted_bytes = GET(tier->counts[TIER_DOWN_BYTES]);
    ret_stats->demoted_idle = GET(tier->counts[TIER_DOWN_IDLE]);
    ret_stats->promoted = GET(tier->ended[TIER_PROMOTED]);
    ret_stats->promoted_bytes = GET(tier->counts[TIER_UP_BYTES]);
    ret_stats->hits = GET(tier->counts[TIER_SHOWN]);
    ret_stats->wanted = GET(tier->counts[TIER_WANTED]);
    ret_stats->not_it = GET(tier->counts[TIER_NOT_IT]);
    ret_stats->again = GET(tier->counts[TIER_AGAIN]);
    ret_stats->misses = GET(tier->counts[TIER_MISSED]);
    ret_stats->moved = GET(tier->counts[TIER_MOVED]);
    ret_stats->kept = GET(tier->counts[TIER_KEPT]);
    ret_stats->taken_over = GET(tier->counts[TIER_TAKEN_OVER]);
    ret_stats->lost = GET(tier->counts[TIER_LOST]);
    ret_stats->dead = GET(tier->ended[TIER_DIED]);
    ret_stats->overwritten = GET(tier->ended[TIER_OVERWRITTEN]);
    ret_stats->evicted = GET(tier->ended[TIER_EVICTED]);
    ret_stats->displaced = GET(tier->ended[TIER_DISPLACED]);
    ret_stats->cleared = GET(tier->ended[TIER_CLEARED]);
    ret_stats->damaged = GET(tier->ended[TIER_DAMAGED]);
    ret_stats->refused_budget = GET(tier->refused[TIER_OVER_BUDGET]);
    ret_stats->refused_busy = GET(tier->refused[TIER_BUSY]);
    ret_stats->refused_large = GET(tier->refused[TIER_TOO_LARGE]);
    ret_stats->refused_memory = GET(tier->refused[TIER_NO_MEMORY]);
}

void cache_tier_stats(const struct cache *cache, struct cache_tier_stats *ret_stats) {
    const struct engine *engine = cache->engine;
    *ret_stats = (struct cache_tier_stats){.records = 0};
    if (!engine->tier)
        return;
    fill_counts(engine->tier, ret_stats);
    for (uint32_t place = 0; place < CACHE_DATABASES; place++) {
        ret_stats->records += tier_entries(engine, place);
        ret_stats->expiring += tier_expiring(engine, place);
    }
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        ret_stats->tagged += GET(engine->tier->shards[i].tagged);
        ret_stats->tag_bytes += GET(engine->tier->shards[i].side_bytes);
        ret_stats->cell_bytes += tier_cell_bytes(engine, i);
    }
    ret_stats->tag_bytes += tier_own_bytes(engine->tier);
    ret_stats->cell_bytes_max = tier_cell_bytes_max(engine);
    if (ret_stats->demoted)
        ret_stats->bytes =
            (uint64_t)((double)ret_stats->demoted_bytes / (double)ret_stats->demoted * (double)ret_stats->records);
}
