/* core/cache/tier_fixture.h: a keeper of records for tests of the tier: a file that is an array in memory.
 *
 * It refuses when it is told to, moves records and lets them go, and what is read at an address is what stands there now, or stood there when it was asked for:
 * worse than any file, which knows at least that it has been overwritten.
 *
 * Threads: any; one lock. Hooks are called without it, one thread at a time.
 */
#ifndef STRATA_CORE_CACHE_TIER_FIXTURE_H
#define STRATA_CORE_CACHE_TIER_FIXTURE_H

#include <pthread.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { KEEPER_SLOTS = 1 << 15 };

/* A copy of a record. */
struct kept_record {
    struct cache_tier_found found;
    uint64_t hash, generation;
    uint8_t *bytes; /* meta, key, value */
};

struct keeper {
    pthread_mutex_t lock;
    struct kept_record slots[KEEPER_SLOTS];     /* bytes NULL: free */
    _Atomic uint64_t generations[KEEPER_SLOTS]; /* 0: free */
    uint64_t generation_last;
    uint32_t used, used_max;
    struct rng rng;
    _Atomic uint32_t refuse_permille;
    uint64_t file_id; /* 0: nothing of it outlives a cache */
    bool forgets_moves;
    struct kept_move {
        uint64_t address, generation, to, to_generation;
    } * moves; /* as many as a power of two, and one place more */
    size_t move_count;
};

/* Spread over all bits that an address may have. */
static inline uint64_t keeper_address(uint32_t slot) {
    return (uint64_t)slot << 24 | ((uint64_t)slot * 0x9e5 & ((1u << 24) - 1));
}
static inline uint32_t keeper_slot(uint64_t address) { return (uint32_t)(address >> 24); }

static inline void kept_copy(const struct kept_record *from, struct kept_record *to) {
    size_t meta = from->found.meta.size, key = from->found.key.size, value = from->found.value.size;
    *to = *from;
    if (!from->bytes)
        return;
    to->bytes = malloc(meta + key + value + 1);
    assert_non_null(to->bytes);
    memcpy(to->bytes, from->bytes, meta + key + value);
    to->found.meta = slice_make(to->bytes, meta);
    to->found.key = slice_make(to->bytes + meta, key);
    to->found.value = slice_make(to->bytes + meta + key, value);
}

static inline void kept_free(struct kept_record *record) {
    free(record->bytes);
    *record = (struct kept_record){.bytes = NULL};
}

/* As a file says it: where the record came from. */
static inline void keeper_note_move(struct keeper *keeper, uint32_t from, uint32_t to) {
    size_t count = keeper->move_count++;
    if ((count & (count - 1)) == 0)
        keeper->moves = realloc(keeper->moves, 2 * (count + 1) * sizeof *keeper->moves);
    assert_non_null(keeper->moves);
    keeper->moves[count] = (struct kept_move){keeper_address(from), keeper->slots[from].generation, keeper_address(to),
                                              keeper->slots[to].generation};
}

/* What an earlier cache has listed: at its place, or where it was moved to since. */
static inline bool keeper_take(void *context, uint64_t address, uint64_t generation, uint64_t *ret_address) {
    struct keeper *keeper = context;
    for (size_t i = 0; i < keeper->move_count && !keeper->forgets_moves; i++)
        if (keeper->moves[i].address == address && keeper->moves[i].generation == generation) {
            address = keeper->moves[i].to;
            generation = keeper->moves[i].to_generation;
        }
    *ret_address = address;
    return keeper_slot(address) < KEEPER_SLOTS && keeper->slots[keeper_slot(address)].generation == generation;
}

static inline uint64_t keeper_position(void *context) {
    struct keeper *keeper = context;
    return keeper->generation_last + 1;
}

/* A free slot near a random one; KEEPER_SLOTS: there are enough. Under the lock. */
static inline uint32_t keeper_free_slot(struct keeper *keeper) {
    if (keeper->used >= keeper->used_max)
        return KEEPER_SLOTS;
    uint32_t slot = (uint32_t)rng_below(&keeper->rng, KEEPER_SLOTS);
    while (keeper->slots[slot].bytes)
        slot = (slot + 1) % KEEPER_SLOTS;
    return slot;
}

/* Takes over the record's bytes. */
static inline void keeper_fill(struct keeper *keeper, uint32_t slot, struct kept_record record) {
    record.generation = ++keeper->generation_last;
    keeper->slots[slot] = record;
    keeper->used++;
    atomic_store(&keeper->generations[slot], record.generation);
}

static inline void keeper_empty(struct keeper *keeper, uint32_t slot) {
    atomic_store(&keeper->generations[slot], 0);
    kept_free(&keeper->slots[slot]);
    keeper->used--;
}

static inline enum cache_tier_refusal keeper_add(void *context, struct actor *actor,
                                                 const struct cache_tier_record *record, uint64_t *ret_address) {
    struct keeper *keeper = context;
    (void)actor;
    pthread_mutex_lock(&keeper->lock);
    enum cache_tier_refusal refusal = CACHE_TIER_TAKEN;
    uint32_t slot = keeper_free_slot(keeper);
    if (rng_below(&keeper->rng, 1000) < atomic_load(&keeper->refuse_permille))
        refusal = rng_below(&keeper->rng, 2) ? CACHE_TIER_BUSY : CACHE_TIER_OVER_BUDGET;
    else if (slot == KEEPER_SLOTS)
        refusal = CACHE_TIER_OVER_BUDGET;
    if (refusal == CACHE_TIER_TAKEN) {
        struct kept_record whole = {.hash = record->hash};
        size_t at = record->meta.size + record->key.size;
        uint8_t *bytes = whole.bytes = malloc(at + record->value_size + 1);
        memcpy(bytes, record->meta.data, record->meta.size);
        if (record->key.size)
            memcpy(bytes + record->meta.size, record->key.data, record->key.size);
        whole.found = (struct cache_tier_found){slice_make(bytes, record->meta.size),
                                                slice_make(bytes + record->meta.size, record->key.size),
                                                slice_make(bytes + at, record->value_size)};
        for (uint32_t i = 0; i < record->piece_count; at += record->pieces[i++].size)
            if (record->pieces[i].size)
                memcpy(bytes + at, record->pieces[i].data, record->pieces[i].size);
        assert_true(bytes + at == whole.found.value.data + record->value_size);
        keeper_fill(keeper, slot, whole);
        *ret_address = keeper_address(slot);
    }
    pthread_mutex_unlock(&keeper->lock);
    return refusal;
}

static inline uint64_t keeper_generation(void *context, uint64_t address) {
    struct keeper *keeper = context;
    /* What a reader without a lock believes to be an address may be anything. */
    return keeper_slot(address) < KEEPER_SLOTS ? atomic_load(&keeper->generations[keeper_slot(address)]) : 0;
}

/* Whatever stands there: a copy, to be freed; false: nothing does. */
static inline bool keeper_read(struct keeper *keeper, uint64_t address, struct kept_record *ret_record) {
    pthread_mutex_lock(&keeper->lock);
    kept_copy(&keeper->slots[keeper_slot(address)], ret_record);
    pthread_mutex_unlock(&keeper->lock);
    return ret_record->bytes != NULL;
}

/* A slot that is used, by chance; KEEPER_SLOTS: none was found. */
static inline uint32_t keeper_any(struct keeper *keeper, struct kept_record *ret_record) {
    pthread_mutex_lock(&keeper->lock);
    uint32_t slot = (uint32_t)rng_below(&keeper->rng, KEEPER_SLOTS);
    for (uint32_t i = 0; i < KEEPER_SLOTS && !keeper->slots[slot].bytes; i++)
        slot = (slot + 1) % KEEPER_SLOTS;
    kept_copy(&keeper->slots[slot], ret_record);
    pthread_mutex_unlock(&keeper->lock);
    return ret_record->bytes ? slot : KEEPER_SLOTS;
}

/* What the thread of a file does: asks whether a record is worth keeping, moves it or lets it go. `moves`: move it whatever it is worth. */
static inline void keeper_turn(struct keeper *keeper, struct cache *cache, struct actor *actor, bool moves) {
    struct kept_record record;
    uint32_t slot = keeper_any(keeper, &record), to = KEEPER_SLOTS;
    if (slot == KEEPER_SLOTS)
        return;
    if (cache_tier_keep(cache, actor, record.hash, keeper_address(slot)) || moves) {
        pthread_mutex_lock(&keeper->lock);
        keeper->used_max++; /* both stand there for a moment */
        to = keeper_free_slot(keeper);
        keeper->used_max--;
        if (to < KEEPER_SLOTS)
            keeper_fill(keeper, to, record);
        if (to < KEEPER_SLOTS && keeper->file_id)
            keeper_note_move(keeper, slot, to);
        pthread_mutex_unlock(&keeper->lock);
    }
    if (to < KEEPER_SLOTS) {
        cache_tier_moved(cache, actor, record.hash, keeper_address(slot), keeper_address(to));
    } else {
        cache_tier_gone(cache, actor, record.hash, keeper_address(slot));
        kept_free(&record);
    }
    pthread_mutex_lock(&keeper->lock);
    keeper_empty(keeper, slot);
    pthread_mutex_unlock(&keeper->lock);
}

static inline struct keeper *keeper_new(uint64_t seed, uint32_t used_max) {
    struct keeper *keeper = calloc(1, sizeof *keeper);
    assert_non_null(keeper);
    pthread_mutex_init(&keeper->lock, NULL);
    keeper->rng = rng_seeded(seed);
    keeper->used_max = used_max < KEEPER_SLOTS / 2 ? used_max : KEEPER_SLOTS / 2; /* a free one is soon found */
    return keeper;
}

static inline void keeper_free(struct keeper *keeper) {
    for (uint32_t slot = 0; slot < KEEPER_SLOTS; slot++)
        kept_free(&keeper->slots[slot]);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper->moves);
    free(keeper);
}

static inline void keeper_attach(struct keeper *keeper, struct testing_cache *t, uint64_t value_size_max) {
    const struct cache_tier tier = {.add = keeper_add,
                                    .generation = keeper_generation,
                                    .file_id = keeper->file_id,
                                    .position = keeper_position,
                                    .take = keeper_take,
                                    .context = keeper,
                                    .value_size_max = value_size_max};
    assert_int_equal(cache_tier_set(t->cache, &t->actor, &tier), STATUS_OK);
}

/* How a read through both ended. */
enum fetched { FETCHED_MEMORY, FETCHED_SHOWN, FETCHED_MISS };

/* Reads a key wherever it is, as a command does: what is wanted is promoted and read in memory. `quiet`: leaves it where it is, if it may. */
static inline enum fetched testing_fetch(struct testing_cache *t, struct keeper *keeper, uint32_t db, struct slice name,
                                         bool quiet, struct buf *ret_value, struct cache_info *ret_info) {
    enum { TRIES = 16 };
    struct cache_key key = cache_key(t->cache, db, name);
    struct cache_read read = {.size_max = UINT64_MAX, .quiet = quiet, .reserve = testing_reserve, .context = ret_value};
    for (int tries = 0;; tries++) {
        struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
        bool found, again = false;
        read.settled = tries == TRIES;
        assert_int_equal(cache_get(t->cache, &t->actor, &key, &read, &found), STATUS_OK);
        if (found)
            *ret_info = read.info;
        if (!read.tiered)
            return found ? FETCHED_MEMORY : FETCHED_MISS;
        uint32_t count = cache_tier_ask(t->cache, &key, places);
        for (uint32_t i = 0; i < count && !again; i++) {
            struct kept_record record;
            if (!keeper_read(keeper, places[i].address, &record)) {
                again = true; /* as what a file says of a place that has made room */
                break;
            }
            enum cache_tier_verdict verdict =
                cache_tier_look(t->cache, &t->actor, &key, places[i], &record.found, quiet, ret_info);
            bool shown = verdict == CACHE_TIER_SHOWN;
            if (shown) {
                memcpy(testing_reserve(ret_value, record.found.value.size), record.found.value.data,
                       record.found.value.size);
            } else if (verdict == CACHE_TIER_WANTED) {
                enum status status = cache_tier_promote(t->cache, &t->actor, &key, places[i], &record.found);
                assert_true(status == STATUS_OK || status == STATUS_FULL || status == STATUS_NO_MEMORY);
            }
            again = verdict != CACHE_TIER_NOT_IT;
            kept_free(&record);
            if (shown)
                return FETCHED_SHOWN;
        }
        if (!again)
            tries = TRIES - 1; /* nowhere, or in memory by now */
    }
}

#endif
