/* Small strings in bulk. The batch goes through four stages in groups, each group one stage behind the one before, so that the loads of
 * three groups are under way while a fourth is worked on:
 *
 *     hash, ask for the buckets | find the cells, ask for the entries or for chained buckets | follow the chains, ask for the entries |
 *     compare, copy, and see that nobody wrote meanwhile
 *
 * A group of 12 asks for some 36 lines at a time: fewer leave the memory idle, more wait for each other (docs/decisions/0014).
 * A reader's visit to a chain lasts from the second stage to the fourth; what does not go smoothly there is looked up alone. */
#include "core/cache/internal.h"

enum {
    GROUP = 12,
    STAGES = 4,
    CHAIN_STEPS_MAX = 4,
    TAIL_GUESS = 4 + 32, /* an entry's word and a small value: where its last byte may be, behind the key */
};

struct visit {
    const struct shard *shard;
    struct index_place place;
    struct index_bucket *bucket; /* of the chain, where to look next; NULL: the key is not there */
    _Atomic uint64_t *cell_at;   /* NULL: none that matches */
    uint64_t cell;
    uint32_t number;
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

/* Prefetches stand in loops of their own: a processor waits for each address to be translated before it goes far beyond, unless the
 * next is near. */
static inline void ask_for_buckets(const struct engine *engine, uint32_t place, const struct cache_wish *wishes,
                                   struct visit *visits, struct part part) {
    for (uint32_t i = part.from; i < part.to; i++) {
        uint64_t hash = store_hash(engine, place, wishes[i].name);
        visits[i].shard = &engine->shards[store_shard_of(engine, hash)];
        visits[i].place = index_place_of(&engine->range, &visits[i].shard->index, hash);
        visits[i].bucket = visits[i].place.bucket;
        visits[i].cell_at = NULL;
    }
    for (uint32_t i = part.from; i < part.to; i++)
        __builtin_prefetch(visits[i].bucket);
}

/* Looks into a bucket of the chain for the key's cell. True: look again, in the next one, which is asked for. */
static inline bool find_cell(const struct engine *engine, struct visit *visit) {
    struct index_bucket *bucket = visit->bucket;
    for (uint32_t some = index_candidates(bucket, visit->place.wanted); some; some &= some - 1) {
        _Atomic uint64_t *cell_at = &bucket->cells[__builtin_ctz(some)];
        uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed);
        if (__builtin_expect(!cell_matches(cell, visit->place.wanted), 0))
            continue;
        visit->cell_at = cell_at;
        visit->cell = cell;
        return false;
    }
    visit->bucket = index_next(&engine->range, &visit->shard->index, bucket);
    if (__builtin_expect(visit->bucket == NULL, 1))
        return false;
    __builtin_prefetch(visit->bucket);
    return true;
}

static inline void ask_for_entry(const struct engine *engine, const struct cache_wish *wish,
                                 const struct visit *visit) {
    const uint8_t *entry = engine->range.base + cell_location(visit->cell);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + wish->name.size + TAIL_GUESS - 1);
}

/* The first bucket of each chain. */
static inline void look_into_buckets(const struct engine *engine, const struct cache_wish *wishes, struct visit *visits,
                                     struct part part, struct going_on *going_on) {
    going_on->count = 0;
    for (uint32_t i = part.from; i < part.to; i++) {
        visits[i].number = index_read_begin(&visits[i].place);
        going_on->at[going_on->count] = (uint8_t)i;
        going_on->count += find_cell(engine, &visits[i]);
    }
    for (uint32_t i = part.from; i < part.to; i++)
        if (visits[i].cell_at)
            ask_for_entry(engine, &wishes[i], &visits[i]);
}

/* Chains that go on for longer are left to be looked up alone. */
static inline void follow_chains(const struct engine *engine, const struct cache_wish *wishes, struct visit *visits,
                                 struct going_on *going_on) {
    uint32_t left = going_on->count;
    for (uint32_t steps = 0; left && steps < CHAIN_STEPS_MAX; steps++) {
        uint32_t still = 0;
        for (uint32_t i = 0; i < left; i++) {
            uint8_t at = going_on->at[i];
            going_on->at[still] = at;
            if (find_cell(engine, &visits[at]))
                still++;
            else if (visits[at].cell_at)
                ask_for_entry(engine, &wishes[at], &visits[at]);
        }
        left = still;
    }
}

/* Where the value is, if this is the key's string and lives; NULL: look it up alone. */
static inline const uint8_t *find_value(const struct engine *engine, const struct actor *actor, uint32_t place,
                                        const struct visit *visit, struct slice name, uint32_t *ret_size) {
    uint32_t value_at;
    const uint8_t *plain = store_plain_entry_at(engine, cell_location(visit->cell), name.size, &value_at, ret_size);
    if (__builtin_expect(plain != NULL && place == 0, 1))
        return words_equal(plain + value_at - name.size, name.data, name.size) ? plain + value_at : NULL;
    const struct store_key key = {.name = name, .db = place};
    struct store_view view;
    if (!store_view_match(engine, &key, visit->cell, &view) || view.entry.type != CACHE_STRING ||
        (view.entry.flags & ENTRY_OWNS) || has_expired(view.entry.expires_at_ms, actor))
        return NULL;
    *ret_size = view.entry.stored_size;
    return engine->range.base + view.location + view.entry.value_at;
}

/* Whether it went smoothly: a value that was copied, or a miss. */
static inline bool take(const struct engine *engine, const struct actor *actor, uint32_t place,
                        const struct visit *visit, struct cache_wish *wish) {
    if (__builtin_expect(engine->sessions, 0))
        return false;
    if (!visit->cell_at) {
        wish->answer = CACHE_GLANCE_MISS; /* a filter wants to know of it */
        return !visit->bucket && !store_has_filter(visit->shard) &&
               index_read_holds(&visit->shard->index, &visit->place, visit->number);
    }
    uint32_t size;
    const uint8_t *value = find_value(engine, actor, place, visit, wish->name, &size);
    if (!value || size > wish->room)
        return false;
    words_read_short(wish->to, value, size);
    if (!index_read_holds(&visit->shard->index, &visit->place, visit->number))
        return false;
    wish->answer = CACHE_GLANCE_HIT;
    wish->size = size;
    cell_count_use(visit->cell_at, visit->cell);
    return true;
}

/* Counts what it finds by itself. */
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

static __attribute__((noinline)) void count_of_store(struct actor *actor, const struct shard *shard,
                                                     enum cache_glance answer) {
    actor->of_store[shard->store].hits += answer == CACHE_GLANCE_HIT;
    actor->of_store[shard->store].misses += answer == CACHE_GLANCE_MISS;
}

static inline void take_all(struct cache *cache, struct actor *actor, uint32_t db, struct cache_wish *wishes,
                            const struct visit *visits, struct part part) {
    const uint32_t place = engine_db(cache, db);
    uint32_t hits = 0, misses = 0;
    for (uint32_t i = part.from; i < part.to; i++) {
        if (__builtin_expect(!take(cache->engine, actor, place, &visits[i], &wishes[i]), 0)) {
            look_alone(cache, actor, db, &wishes[i]);
            continue;
        }
        bool hit = wishes[i].answer == CACHE_GLANCE_HIT;
        hits += hit;
        misses += !hit;
        if (__builtin_expect(actor->of_store != NULL, 0))
            count_of_store(actor, visits[i].shard, wishes[i].answer);
    }
    actor->counts.hits += hits;
    actor->counts.misses += misses;
}

/* The group that is in a stage at a step: none before the first has come so far, and none behind the last. */
static inline struct part part_at(uint32_t step, uint32_t stage, uint32_t count) {
    if (step < stage)
        return (struct part){0, 0};
    uint32_t from = (step - stage) * GROUP;
    if (from >= count)
        return (struct part){0, 0};
    return (struct part){from, count - from < GROUP ? count : from + GROUP};
}

void cache_glance_many(struct cache *cache, struct actor *actor, uint32_t db, struct cache_wish *wishes,
                       uint32_t wish_count) {
    struct visit visits[CACHE_MANY_MAX];
    struct going_on going_on = {.count = 0};
    const struct engine *engine = cache->engine;
    ASSERT(wish_count <= CACHE_MANY_MAX);
    uint32_t steps = (wish_count + GROUP - 1) / GROUP + STAGES - 1;
    for (uint32_t step = 0; step < steps; step++) {
        ask_for_buckets(engine, engine_db(cache, db), wishes, visits, part_at(step, 0, wish_count));
        follow_chains(engine, wishes, visits, &going_on); /* of the group that is in the third stage */
        look_into_buckets(engine, wishes, visits, part_at(step, 1, wish_count), &going_on);
        take_all(cache, actor, db, wishes, visits, part_at(step, STAGES - 1, wish_count));
    }
}
