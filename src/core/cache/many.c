/* Small strings in bulk. Three passes over the batch, so that the loads of all keys run side by side:
 *
 *     hash, and ask for the buckets | find the cells, and ask for the entries | compare, copy, and see that nobody wrote meanwhile
 *
 * A reader's visit to a chain lasts from the second pass to the third; what does not go smoothly there is looked up alone. */
#include "core/cache/internal.h"

enum {
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

/* Prefetches stand in loops of their own: a processor waits for each address to be translated before it goes far beyond, unless the
 * next is near. */
static inline void ask_for_buckets(const struct engine *engine, uint32_t place, const struct cache_wish *wishes,
                                   struct visit *visits, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = store_hash(engine, place, wishes[i].name);
        visits[i].shard = &engine->shards[store_shard_of(engine, hash)];
        visits[i].place = index_place_of(&engine->range, &visits[i].shard->index, hash);
        visits[i].bucket = visits[i].place.bucket;
        visits[i].cell_at = NULL;
    }
    for (uint32_t i = 0; i < count; i++)
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

/* The chains of all keys, a bucket of each in turn. Those that go on for longer are looked up alone. */
static inline void ask_for_entries(const struct engine *engine, const struct cache_wish *wishes, struct visit *visits,
                                   uint32_t count) {
    uint8_t going_on[CACHE_MANY_MAX];
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        visits[i].number = index_read_begin(&visits[i].place);
        going_on[left] = (uint8_t)i;
        left += find_cell(engine, &visits[i]);
    }
    for (uint32_t steps = 0; left && steps < CHAIN_STEPS_MAX; steps++) {
        uint32_t still = 0;
        for (uint32_t i = 0; i < left; i++) {
            uint8_t at = going_on[i];
            going_on[still] = at;
            still += find_cell(engine, &visits[at]);
        }
        left = still;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!visits[i].cell_at)
            continue;
        const uint8_t *entry = engine->range.base + cell_location(visits[i].cell);
        __builtin_prefetch(entry);
        __builtin_prefetch(entry + wishes[i].name.size + TAIL_GUESS - 1);
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
    words_read(wish->to, value, size);
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

void cache_glance_many(struct cache *cache, struct actor *actor, uint32_t db, struct cache_wish *wishes,
                       uint32_t wish_count) {
    struct visit visits[CACHE_MANY_MAX];
    const struct engine *engine = cache->engine;
    const uint32_t place = engine_db(cache, db);
    uint32_t hits = 0, misses = 0;
    ASSERT(wish_count <= CACHE_MANY_MAX);
    ask_for_buckets(engine, place, wishes, visits, wish_count);
    ask_for_entries(engine, wishes, visits, wish_count);
    for (uint32_t i = 0; i < wish_count; i++) {
        if (__builtin_expect(!take(engine, actor, place, &visits[i], &wishes[i]), 0)) {
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
