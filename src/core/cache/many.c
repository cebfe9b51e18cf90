/* Small strings in bulk. The batch goes through four stages in groups, each group one stage behind the one before, so that what three
 * groups have asked for is under way while a fourth is worked on:
 *
 *     hash, ask for the buckets | find the cells, ask for the entries or for chained buckets | follow the chains, ask for the ends of the
 *     entries | compare, copy, and see that nobody wrote meanwhile
 *
 * A processor goes some 250 instructions beyond a prefetch whose address is not translated yet, and its first-level cache waits for some 24
 * lines at a time. So a step asks in two goes with other work between them: for the buckets of one group and the ends of another close
 * together, some 29 lines; then for the entries of a third, one in 40 instructions.
 *
 * Own work of a hit of 20 + 32 bytes, in instructions: hash 40, place of the bucket 60, cell 40, end 7, comparing and copying 60, groups and
 * chains 30 (docs/decisions/0014). That is why the usual batch has code of its own, in one piece.
 * A reader's visit to a chain lasts from the second stage to the fourth; what does not go smoothly there is looked up alone. */
#include "core/cache/glance.h"
#include "core/cache/internal.h"

/* A function that only prefetches has to be inlined: the compiler takes a call of it for one that does nothing. */
#define ALWAYS __attribute__((always_inline)) static inline
#define SELDOM static __attribute__((noinline))

enum {
    GROUP = 12,
    STAGES = 4,
    CHAIN_STEPS_MAX = 4,
    TAIL_GUESS = 4 + 32, /* an entry's word and a small value: where its last byte may be, behind the key */
    NAME_USUAL_MIN = 17, /* sizes that are hashed in one way, which the compiler picks out */
    NAME_USUAL_MAX = 32,
};

/* What all of a batch need, read once: in the engine, whatever is written might have changed it. */
struct batch {
    struct cache *cache;
    struct actor *actor;
    struct cache_wish *wishes;
    struct range range;
    const struct shard *shards; /* from the default store's first one on */
    const uint8_t *plain_end;   /* a plain entry that begins here or before ends before the range does */
    uint64_t seed, shard_mask;  /* mask 0: the default store has one shard */
    uint32_t db, place, first_shard, shard_shift;
};

struct visit {
    const struct shard *shard;
    struct index_bucket *first; /* of the chain */
    uint64_t shape;
    uint32_t wanted, number;
    const uint8_t *entry; /* NULL: none found */
    uint64_t cell;
    union {
        _Atomic uint64_t *cell_at; /* of the entry */
        struct index_bucket *next; /* where to look for it; NULL: it is not there */
    };
};

/* A group of the batch. */
struct part {
    uint32_t from, to;
};

/* Those of a group whose chain goes on behind its first bucket. */
struct going_on {
    uint32_t count;
    uint8_t at[GROUP];
};

/* Which of batch->shards is the key's, and the bits that find it there.
 * `plain`, here and below, is known to the compiler: the batch is of database 0, and there are no routes, no sessions and no counts by
 * store. */
ALWAYS uint64_t hash_of(const struct batch *batch, struct slice name, bool plain, uint64_t *ret_shard) {
    const struct engine *engine = batch->cache->engine;
    if (plain && __builtin_expect(name.size - NAME_USUAL_MIN <= NAME_USUAL_MAX - NAME_USUAL_MIN, 1)) {
        uint64_t hash = hash_bytes(name, batch->seed);
        *ret_shard = hash >> batch->shard_shift & batch->shard_mask;
        return (hash & ((1ull << STORE_HASH_BITS) - 1)) | (batch->first_shard + *ret_shard) << STORE_HASH_BITS;
    }
    uint64_t hash = store_hash_in(engine, plain ? 0 : store_route(engine, name), batch->place, name);
    *ret_shard = store_shard_of(engine, hash) - batch->first_shard;
    return hash;
}

ALWAYS void ask_for_buckets(const struct batch *batch, struct visit *visits, struct part part, bool plain) {
    const struct cache_wish *wish = batch->wishes + part.from;
    struct visit *visit = visits + part.from, *end = visits + part.to;
    for (; visit < end; visit++, wish++) {
        uint64_t shard, hash = hash_of(batch, wish->name, plain, &shard);
        visit->shard = &batch->shards[shard];
        struct index_place place = index_place_of(&batch->range, &visit->shard->index, hash);
        visit->first = place.bucket;
        visit->shape = place.shape;
        visit->wanted = (uint32_t)place.wanted;
    }
    for (visit = visits + part.from; visit < end; visit++)
        __builtin_prefetch(visit->first);
}

/* Takes the first of some cells, if it is the key's, and asks for its entry. */
ALWAYS bool find_first(const struct batch *batch, struct visit *visit, const struct index_bucket *bucket,
                       uint32_t some) {
    _Atomic uint64_t *cell_at = index_candidate(bucket, some);
    uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed);
    if (__builtin_expect(!cell_matches(cell, visit->wanted), 0))
        return false;
    visit->entry = batch->range.base + cell_location(cell);
    visit->cell = cell;
    visit->cell_at = cell_at;
    __builtin_prefetch(visit->entry);
    return true;
}

/* None of the bucket is the key's. True: look again, in the next one, which is asked for. */
static inline bool goes_on(const struct batch *batch, struct visit *visit, const struct index_bucket *bucket) {
    visit->entry = NULL;
    visit->next = index_next(&batch->range, &visit->shard->index, bucket);
    if (!visit->next)
        return false;
    __builtin_prefetch(visit->next);
    return true;
}

/* Looks at all cells of a bucket. True: look again, as above. */
SELDOM bool find_any(const struct batch *batch, struct visit *visit, const struct index_bucket *bucket) {
    for (uint32_t some = index_candidates(bucket, visit->wanted); some; some &= some - 1)
        if (find_first(batch, visit, bucket, some))
            return false;
    return goes_on(batch, visit, bucket);
}

/* The first bucket of each chain. */
ALWAYS void look_into_buckets(const struct batch *batch, struct visit *visits, struct part part,
                              struct going_on *going_on) {
    going_on->count = 0;
    for (struct visit *visit = visits + part.from, *end = visits + part.to; visit < end; visit++) {
        const struct index_bucket *first = visit->first;
        visit->number = atomic_load_explicit(&first->number, memory_order_acquire);
        uint32_t some = index_candidates(first, visit->wanted);
        if (__builtin_expect(some && find_first(batch, visit, first, some), 1))
            continue;
        if (some ? find_any(batch, visit, first) : goes_on(batch, visit, first))
            going_on->at[going_on->count++] = (uint8_t)(visit - visits);
    }
}

/* Chains that go on for longer are left to be looked up alone. */
static inline void follow_chains(const struct batch *batch, struct visit *visits, struct going_on *going_on) {
    for (uint32_t steps = 0; going_on->count && steps < CHAIN_STEPS_MAX; steps++) {
        uint32_t count = going_on->count;
        going_on->count = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint8_t at = going_on->at[i];
            if (find_any(batch, &visits[at], visits[at].next))
                going_on->at[going_on->count++] = at;
        }
    }
}

/* Most entries lie across two lines. */
ALWAYS void ask_for_ends(const struct batch *batch, const struct visit *visits, struct part part) {
    const struct cache_wish *wish = batch->wishes + part.from;
    for (const struct visit *visit = visits + part.from, *end = visits + part.to; visit < end; visit++, wish++)
        if (visit->entry)
            __builtin_prefetch(visit->entry + wish->name.size + TAIL_GUESS - 1);
}

/* Where the value is, if this is the key's string and lives; NULL: look it up alone. */
SELDOM const uint8_t *find_any_value(const struct batch *batch, const struct visit *visit,
                                     const struct cache_wish *wish, uint32_t *ret_size) {
    const struct engine *engine = batch->cache->engine;
    const struct store_key key = {.name = wish->name, .db = batch->place};
    struct store_view view;
    struct glance_value dressed = cache_glance_dressed(engine, batch->actor->now_ms, wish->name, visit->entry);
    *ret_size = (uint32_t)dressed.size;
    if (dressed.bytes && batch->place == 0)
        return dressed.bytes;
    *ret_size = 0;
    if (!store_view_match(engine, &key, visit->cell, &view) || view.entry.type != CACHE_STRING ||
        (view.entry.flags & ENTRY_OWNS) ||
        store_is_gone(engine, view.location, &view.entry, key.name, batch->actor->now_ms))
        return NULL;
    *ret_size = view.entry.stored_size;
    return engine->range.base + view.location + view.entry.value_at;
}

ALWAYS const uint8_t *find_value(const struct batch *batch, const struct visit *visit, const struct cache_wish *wish,
                                 bool plain, uint32_t *ret_size) {
    const struct slice name = wish->name;
    const uint8_t *entry = visit->entry;
    uint32_t value_at, size;
    if (plain && __builtin_expect(entry_plain_decode(entry, name.size, &value_at, ret_size), 1) &&
        __builtin_expect(entry <= batch->plain_end, 1)) /* who reads what is being written sees any size */
        return __builtin_expect(words_equal(entry + ENTRY_PLAIN_KEY_AT, name.data, name.size), 1) ? entry + value_at
                                                                                                  : NULL;
    const uint8_t *value = find_any_value(batch, visit, wish, &size); /* ret_size can stay in a register */
    *ret_size = size;
    return value;
}

static inline bool holds(const struct visit *visit) {
    const struct index_place place = {visit->first, visit->shape, visit->wanted};
    return index_read_holds(&visit->shard->index, &place, visit->number);
}

/* Whether it went smoothly, and the value was copied. */
ALWAYS bool take(const struct batch *batch, const struct visit *visit, struct cache_wish *wish, bool plain) {
    uint32_t size;
    const uint8_t *value = find_value(batch, visit, wish, plain, &size);
    if (__builtin_expect(!value || size > wish->room, 0))
        return false;
    words_read_short(wish->to, value, size);
    if (__builtin_expect(!holds(visit), 0))
        return false;
    wish->answer = CACHE_GLANCE_HIT;
    wish->size = size;
    cell_count_use(visit->cell_at, visit->cell);
    return true;
}

/* Counts what it finds, and tells of a miss, by itself. */
static __attribute__((noinline)) void look_alone(struct cache *cache, struct actor *actor, uint32_t db,
                                                 struct cache_wish *wish) {
    struct cache_key key = cache_key(cache, db, wish->name);
    struct cache_sight sight;
    wish->answer = cache_glance(cache, actor, &key, &sight);
    if (wish->answer != CACHE_GLANCE_HIT)
        return;
    wish->size = sight.size;
    if (sight.size > wish->room || !cache_glance_copy(actor, &sight, wish->to))
        wish->answer = CACHE_GLANCE_UNSURE;
}

/* A filter wants to know of misses, and the tier may have what is none in the end, so those are looked up alone. */
static inline bool is_miss(const struct visit *visit) {
    return !visit->entry && !visit->next && !store_is_asked_aside(visit->shard) && holds(visit);
}

/* Sessions and bans decide what is there; and the databases may have been swapped since the names were hashed. */
static inline bool must_be_alone(const struct batch *batch, bool plain) {
    return (!plain && batch->cache->engine->sessions) || !engine_db_is_plainly(batch->cache, batch->db, batch->place);
}

ALWAYS void take_all(const struct batch *batch, const struct visit *visits, struct part part, bool plain) {
    struct actor *actor = batch->actor;
    struct cache_wish *wish = batch->wishes + part.from;
    uint32_t hits = 0, misses = 0;
    if (__builtin_expect(must_be_alone(batch, plain), 0)) {
        for (uint32_t i = part.from; i < part.to; i++)
            look_alone(batch->cache, actor, batch->db, &batch->wishes[i]);
        return;
    }
    const struct visit *visit = visits + part.from, *end = visits + part.to;
    for (; visit < end; visit++, wish++) {
        if (__builtin_expect(visit->entry && take(batch, visit, wish, plain), 1)) {
            hits++;
            if (!plain && actor->of_store)
                actor->of_store[visit->shard->store].hits++;
        } else if (is_miss(visit)) {
            wish->answer = CACHE_GLANCE_MISS;
            misses++;
            store_tell(batch->cache->engine, actor, CACHE_MISSED, batch->db, wish->name);
            if (!plain && actor->of_store)
                actor->of_store[visit->shard->store].misses++;
        } else {
            look_alone(batch->cache, actor, batch->db, wish);
        }
    }
    actor->counts.hits += hits;
    actor->counts.misses += misses;
}

/* Before the first group and behind the last one, a stage has an empty one. */
ALWAYS void go_through(const struct batch *batch, uint32_t count, bool plain) {
    struct visit visits[CACHE_MANY_MAX];
    struct going_on going_on = {.count = 0};
    struct part asked = {0, 0}, looked = {0, 0}, followed = {0, 0};
    for (uint32_t steps = (count + GROUP - 1) / GROUP + STAGES - 1; steps; steps--) {
        struct part next = {asked.to, count - asked.to < GROUP ? count : asked.to + GROUP};
        ask_for_buckets(batch, visits, next, plain);
        follow_chains(batch, visits, &going_on);
        ask_for_ends(batch, visits, looked);
        take_all(batch, visits, followed, plain);
        look_into_buckets(batch, visits, asked, &going_on);
        followed = looked;
        looked = asked;
        asked = next;
    }
}

void cache_glance_many(struct cache *cache, struct actor *actor, uint32_t db, struct cache_wish *wishes,
                       uint32_t wish_count) {
    const struct engine *engine = cache->engine;
    const struct store *store = engine->stores;
    const uint32_t place = engine_db(cache, db);
    ASSERT(wish_count <= CACHE_MANY_MAX);
    if (wish_count == 0)
        return;
    const struct batch batch = {
        .cache = cache,
        .actor = actor,
        .wishes = wishes,
        .range = engine->range,
        .shards = engine->shards + store->first_shard,
        .plain_end = engine->range.base + engine->range.head->range_size - ENTRY_PLAIN_SIZE_MAX,
        .seed = engine->hash_seed + place,
        .shard_mask = store->shard_count > 1 ? UINT64_MAX : 0,
        .db = db,
        .place = place,
        .first_shard = store->first_shard,
        .shard_shift = store->shard_shift,
    };
    if (place == 0 && !engine->routed && !store->by_session && !engine->sessions && !actor->of_store)
        go_through(&batch, wish_count, true);
    else
        go_through(&batch, wish_count, false);
}
