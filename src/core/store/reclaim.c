#include "core/store/reclaim.h"

#include "base/assert.h"
#include "core/store/claim.h"
#include "core/store/ghost.h"
#include "core/store/vacate.h"

enum {
    SLICE_ENTRIES = 2048,     /* about 60 ns each: 120 microseconds */
    SLICE_BYTES = 512 * 1024, /* copied; about 100 microseconds */
    BATCH = 16,               /* entries whose buckets are loaded together */
    DEAD_MIN_SHARE = 32,      /* a segment is worth compacting from 1/32 of dead bytes on */
    EXPIRY_SHARE = 16,        /* look again after this part of the harmonic mean of the times that are left */
    EXPIRY_WAIT_MIN_MS = 100,
    EXPIRY_WAIT_MAX_MS = 60 * 1000,
};

struct slice_budget {
    uint32_t entries;
    uint64_t bytes;
    uint64_t freed; /* bytes of large values and objects */
};

/* One entry of a walk. */
struct visit {
    uint64_t location, hash;
    struct entry entry;
    struct index_bucket *bucket;
    _Atomic uint64_t *cell;
};

static bool policy_is_volatile(enum store_policy policy) {
    return policy >= STORE_VOLATILE_LRU && policy <= STORE_VOLATILE_TTL;
}

static uint64_t limit_bytes(const struct engine *engine) {
    return (uint64_t)atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed)
           << engine->range.segment_shift;
}

/* ------------------------------------------------------------------------------------------- choice */

struct choice {
    uint32_t segment, shard;
    bool evict;
    double score;
};

static void consider(struct choice *best, uint32_t number, uint32_t shard, bool evict, double score) {
    if (score > best->score)
        *best = (struct choice){number, shard, evict, score};
}

/* Half of all new bytes may be small-queue bytes only until a tenth of the store's memory is: then it gives first. */
static bool small_gives(const struct engine *engine, const struct store *store) {
    uint64_t queues[STORE_QUEUES] = {0};
    for (uint32_t i = store->first_shard; i < store->first_shard + store->shard_count; i++)
        for (int q = 0; q < STORE_QUEUES; q++)
            queues[q] += atomic_load_explicit(&engine->shards[i].queue_segments[q], memory_order_relaxed);
    return queues[STORE_SMALL] * 10 > queues[STORE_SMALL] + queues[STORE_MAIN];
}

/* Age, in segments opened since, times the mean size of its entries. An open segment only if there is nothing else, but for one whose
 * entries own more than a segment of large values: it would stay open for very long. */
static double eviction_score(const struct engine *engine, const struct segment *segment, uint64_t clock) {
    uint64_t entries = atomic_load_explicit(&segment->blocks, memory_order_relaxed);
    uint64_t weight = atomic_load_explicit(&segment->weight, memory_order_relaxed);
    double mean = entries ? (double)weight / (double)entries : range_segment_size(&engine->range);
    double age = (double)(clock - atomic_load_explicit(&segment->clock, memory_order_relaxed)) + 1;
    bool whole =
        atomic_load_explicit(&segment->sealed, memory_order_relaxed) || weight > range_segment_size(&engine->range);
    return age * mean * (whole ? 1 : 1e-6);
}

/* The oldest of its log; under a volatile policy, any segment that holds entries with an expiry. */
static bool may_evict_from(enum store_policy policy, const struct segment *segment) {
    if (policy_is_volatile(policy))
        return atomic_load_explicit(&segment->due_ms, memory_order_relaxed) != UINT64_MAX;
    return atomic_load_explicit(&segment->previous, memory_order_relaxed) == 0;
}

/* The best segment over all shards. Reads the table without locks; whoever acts on it looks again under the lock. When it is
 * time to evict but the policy finds nothing, dead bytes will do. */
static struct choice choose(const struct engine *engine, uint32_t store, bool evict) {
    const struct range *range = &engine->range;
    bool from_small[STORES_MAX];
    struct claim claim;
    claim_make(engine, store, &claim);
    for (uint32_t i = 0; i < engine->store_count; i++)
        from_small[i] = small_gives(engine, &engine->stores[i]);
    uint64_t clock = atomic_load_explicit(&range->head->clock, memory_order_relaxed);
    uint32_t size = range_segment_size(range),
             end = atomic_load_explicit(&range->head->never_used, memory_order_relaxed);
    struct choice first = {.score = 0}, second = {.score = 0}, compact = {.score = 0};
    for (uint32_t number = 1; number < end; number++) {
        const struct segment *segment = &range->segments[number];
        uint32_t shard = atomic_load_explicit(&segment->shard, memory_order_acquire);
        uint8_t kind = atomic_load_explicit(&segment->kind, memory_order_acquire);
        if (kind != SEGMENT_LOG || shard >= engine->shard_count)
            continue;
        uint32_t live = atomic_load_explicit(&segment->live, memory_order_relaxed);
        /* The unused end of a segment does not count: copying would leave the same behind. */
        uint32_t used = atomic_load_explicit(&segment->used, memory_order_relaxed),
                 dead = used > live ? used - live : 0;
        if (atomic_load_explicit(&segment->sealed, memory_order_relaxed) &&
            (live == 0 || dead >= size / DEAD_MIN_SHARE))
            consider(live == 0 ? &first : &compact, number, shard, false, live == 0 ? 1e300 : (double)dead);
        uint32_t owner = engine->shards[shard].store;
        enum store_policy policy = store_policy_of(engine, &engine->shards[shard]);
        if (!evict || policy == STORE_NOEVICTION || !claim.gives[owner] || !may_evict_from(policy, segment))
            continue;
        uint8_t log = atomic_load_explicit(&segment->log, memory_order_relaxed);
        bool small = store_queue_of_log(engine, log) == STORE_SMALL;
        /* Under lru whatever is oldest gives, in either queue: else those that were used would go before those that were not. */
        consider(small == from_small[owner] || policy == STORE_ALLKEYS_LRU ? &first : &second, number, shard, true,
                 eviction_score(engine, segment, clock));
    }
    if (first.score > 0)
        return first;
    return second.score > 0 ? second : compact;
}

/* ------------------------------------------------------------------------------------------ verdicts */

static void forget(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit,
                   enum store_removal reason, struct slice_budget *budget) {
    struct store_spot spot = {visit->bucket, visit->cell, visit->location, visit->entry};
    budget->freed += store_owned_bytes(engine, visit->location, &visit->entry);
    store_remove(engine, actor, shard, &spot, reason);
}

/* Moves an entry to the end of a log. False if there is no memory to copy to. */
static bool copy(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit,
                 enum store_queue queue, uint32_t use, struct slice_budget *budget) {
    struct entry entry = visit->entry;
    uint64_t to = store_append(engine, actor, shard, store_log_of(engine, queue, &entry), &entry, true);
    if (!to)
        return false;
    const uint8_t *from = engine->range.base + visit->location;
    const struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, to)];
    entry_encode(&entry, segment->base_ms, engine->range.base + to);
    words_move(engine->range.base + to + entry.key_at, from + visit->entry.key_at,
               (size_t)entry.key_size + entry.stored_size);
    uint64_t owned = store_owned_bytes(engine, visit->location, &visit->entry);
    uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
    uint64_t fingerprint = index_fingerprint(visit->hash, index_local_level(shape, visit->hash));
    index_write_begin(visit->bucket);
    atomic_store_explicit(visit->cell, cell_make(fingerprint, use, to), memory_order_relaxed);
    index_write_end(visit->bucket);
    store_account(engine, shard, visit->location, &visit->entry, owned, -1);
    store_account(engine, shard, to, &entry, owned, 1);
    budget->bytes = budget->bytes > entry.size ? budget->bytes - entry.size : 0;
    actor->counts.copied_bytes += entry.size;
    return true;
}

/* Decides about one live entry of a segment that is being reclaimed. False: no memory, stop the walk here. */
static bool decide(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit, bool evict,
                   struct slice_budget *budget) {
    uint32_t log = atomic_load_explicit(&engine->range.segments[range_segment_of(&engine->range, visit->location)].log,
                                        memory_order_relaxed);
    enum store_queue queue = store_queue_of_log(engine, log);
    enum store_policy policy = store_policy_of(engine, shard);
    uint32_t use = cell_use(atomic_load_explicit(visit->cell, memory_order_relaxed));
    if (visit->entry.expires_at_ms && visit->entry.expires_at_ms <= actor->now_ms) {
        actor_count_removed(actor, shard->store, true);
        forget(engine, actor, shard, visit, STORE_EXPIRED, budget);
        return true;
    }
    if (!evict || policy == STORE_NOEVICTION || (policy_is_volatile(policy) && !visit->entry.expires_at_ms))
        return copy(engine, actor, shard, visit, queue, use, budget);
    bool used =
        use > 0 && policy != STORE_ALLKEYS_RANDOM && policy != STORE_VOLATILE_RANDOM && policy != STORE_VOLATILE_TTL;
    if (use > 3)
        use = 3;
    bool keeps_count = queue == STORE_MAIN && policy != STORE_ALLKEYS_LRU && policy != STORE_VOLATILE_LRU;
    if (used && copy(engine, actor, shard, visit, STORE_MAIN, keeps_count ? use - 1 : 0, budget))
        return true;
    if (queue == STORE_SMALL)
        ghost_add(engine, actor, shard, visit->hash);
    actor_count_removed(actor, shard->store, false);
    forget(engine, actor, shard, visit, STORE_EVICTED, budget);
    return true;
}

/* -------------------------------------------------------------------------------------------- walks */

/* Reads the next entries of a segment and starts to load their buckets. */
static uint32_t gather(struct engine *engine, struct shard *shard, uint64_t begin, uint32_t used, uint32_t offset,
                       struct visit *visits) {
    uint32_t count = 0;
    while (count < BATCH && offset < used) {
        struct visit *visit = &visits[count++];
        visit->location = begin + offset;
        bool whole = store_entry_at(engine, visit->location, &visit->entry);
        ASSERT(whole && visit->entry.size > 0);
        offset += visit->entry.size;
        visit->hash = store_hash_in(
            engine, shard->store, visit->entry.db,
            slice_make(engine->range.base + visit->location + visit->entry.key_at, visit->entry.key_size));
        __builtin_prefetch(index_place_of(&engine->range, &shard->index, visit->hash).bucket);
    }
    return count;
}

/* Walks on for one slice; `act` is called for every live entry and says whether to go on. True when the segment has been walked to its end. */
typedef bool (*walk_act)(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                         struct visit *visit, struct slice_budget *budget);

static bool walk_on(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                    walk_act act) {
    uint64_t begin = range_segment_at(&engine->range, walk->segment);
    uint32_t used = atomic_load_explicit(&engine->range.segments[walk->segment].used, memory_order_relaxed);
    struct slice_budget budget = {.entries = SLICE_ENTRIES, .bytes = SLICE_BYTES};
    struct visit visits[BATCH];
    while (walk->offset < used) {
        if (budget.entries == 0 || budget.bytes == 0 || budget.freed >= range_segment_size(&engine->range))
            return false;
        uint32_t count = gather(engine, shard, begin, used, walk->offset, visits);
        for (uint32_t i = 0; i < count; i++) {
            struct visit *visit = &visits[i];
            visit->bucket = index_place_of(&engine->range, &shard->index, visit->hash).bucket;
            visit->cell = index_find(&engine->range, &shard->index, visit->hash, visit->location);
            if (visit->cell && !act(engine, actor, shard, walk, visit, &budget))
                return false;
            walk->offset += visit->entry.size;
        }
        budget.entries -= count < budget.entries ? count : budget.entries;
    }
    return true;
}

static bool act_reclaim(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                        struct visit *visit, struct slice_budget *budget) {
    return decide(engine, actor, shard, visit, walk->evict, budget);
}

static bool act_expire(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                       struct visit *visit, struct slice_budget *budget) {
    uint64_t at_ms = visit->entry.expires_at_ms;
    if (at_ms == 0)
        return true;
    if (at_ms <= actor->now_ms) {
        actor_count_removed(actor, shard->store, true);
        forget(engine, actor, shard, visit, STORE_EXPIRED, budget);
        return true;
    }
    walk->left++;
    walk->left_a_ms += 1.0 / (double)(at_ms - actor->now_ms);
    return true;
}

/* When it pays to come back: a part of the harmonic mean of the times that are left, in which about that part of the entries
 * expires. Looking at all of them each time one expires would cost entries x entries. */
static uint64_t expiry_due_ms(const struct shard_walk *walk, uint64_t now_ms) {
    if (walk->left == 0)
        return UINT64_MAX;
    double wait_ms = walk->left / walk->left_a_ms / EXPIRY_SHARE;
    if (wait_ms < EXPIRY_WAIT_MIN_MS)
        wait_ms = EXPIRY_WAIT_MIN_MS;
    if (wait_ms > EXPIRY_WAIT_MAX_MS)
        wait_ms = EXPIRY_WAIT_MAX_MS;
    return now_ms + (uint64_t)wait_ms;
}

static void finish_reclaim(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint32_t number = shard->reclaim.segment;
    shard->reclaim.segment = 0;
    store_drop_segment(engine, actor, shard, number);
}

/* One slice of the shard's walk. */
static bool go_on(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint32_t offset = shard->reclaim.offset;
    if (walk_on(engine, actor, shard, &shard->reclaim, act_reclaim)) {
        finish_reclaim(engine, actor, shard);
        return true;
    }
    return shard->reclaim.offset != offset;
}

static bool step(struct engine *engine, struct actor *actor, uint32_t store) {
    /* First whatever was begun. */
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        uint32_t at = (actor->id + i) % engine->shard_count;
        struct shard *shard = &engine->shards[at];
        if (shard->reclaim.segment == 0)
            continue;
        store_lock(engine, actor, at);
        bool worked = shard->reclaim.segment != 0 && go_on(engine, actor, shard);
        store_unlock(engine, actor, at);
        if (worked)
            return true;
    }
    if (object_compact(engine, actor))
        return true;
    struct choice choice = choose(engine, store, claim_is_tight(engine));
    /* Holes between large values are dead bytes too. */
    if (choice.score < range_segment_size(&engine->range) && !choice.evict &&
        vacate_segment(engine, actor, (uint64_t)choice.score))
        return true;
    /* Room can be short although what lives fits: in holes that nothing can be moved into. Then something has to go as well. */
    if (choice.score <= 0)
        choice = choose(engine, store, true);
    if (choice.score <= 0)
        return false;
    struct shard *shard = &engine->shards[choice.shard];
    const struct segment *segment = &engine->range.segments[choice.segment];
    store_lock(engine, actor, choice.shard);
    /* Somebody else may have been faster: then the world has changed, which counts as work done. */
    bool worked = true;
    if (atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG &&
        atomic_load_explicit(&segment->shard, memory_order_relaxed) == choice.shard) {
        if (!atomic_load_explicit(&segment->sealed, memory_order_relaxed))
            store_seal(engine, shard, atomic_load_explicit(&segment->log, memory_order_relaxed));
        /* A walk that rests here has just been found to be stuck for want of memory to copy to: it makes way for the better choice. */
        if (shard->reclaim.segment != choice.segment) {
            shard->reclaim.segment = choice.segment;
            shard->reclaim.offset = 0;
        }
        shard->reclaim.evict = choice.evict;
        worked = go_on(engine, actor, shard);
    }
    store_unlock(engine, actor, choice.shard);
    return worked;
}

void reclaim_release_promise(struct engine *engine, struct actor *actor) {
    atomic_fetch_sub_explicit(&engine->range.head->promised, actor->promised, memory_order_relaxed);
    actor->promised = 0;
}

/* Promises so many segments to the actor if they are there. */
static bool promise(struct engine *engine, struct actor *actor, uint32_t segments) {
    struct range_head *head = engine->range.head;
    uint32_t limit = atomic_load_explicit(&head->limit, memory_order_relaxed);
    uint32_t promised = atomic_fetch_add_explicit(&head->promised, segments, memory_order_relaxed) + segments;
    if (atomic_load_explicit(&head->used, memory_order_relaxed) + promised + range_reserve(&engine->range) <= limit) {
        actor->promised = segments;
        return true;
    }
    atomic_fetch_sub_explicit(&head->promised, segments, memory_order_relaxed);
    return false;
}

/* A store that cannot give back stays under its cap, by compaction if need be, whatever is free. */
static enum status keep_under_cap(struct engine *engine, struct actor *actor, uint32_t store) {
    uint64_t cap = claim_cap_bytes(engine, store), size = range_segment_size(&engine->range);
    while (store_bytes(engine, store) > cap - (cap < size ? cap : size))
        if (claim_fills(engine, store, cap) || !step(engine, actor, store))
            return STATUS_FULL;
    return STATUS_OK;
}

enum status reclaim_make_room(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes) {
    uint64_t needed = (bytes >> engine->range.segment_shift) + 1;
    if (actor->promised)
        reclaim_release_promise(engine, actor);
    if (__builtin_expect(engine->store_count > 1, 0))
        TRY(keep_under_cap(engine, actor, store));
    if (needed == 1 && __builtin_expect(range_room(&engine->range) > 0, 1))
        return STATUS_OK;
    uint32_t limit = atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed);
    if (needed >= limit)
        return STATUS_FULL;
    /* Each turn walks a slice or a whole segment. After as many turns as four rounds over everything (an entry is copied at most
     * three times before it may go) there is no room to gain. */
    uint64_t turns = 4 * (limit_bytes(engine) / SLICE_BYTES + limit);
    while (needed == 1 ? range_room(&engine->range) == 0 : !promise(engine, actor, (uint32_t)needed)) {
        if (turns-- == 0 || claim_is_full(engine, store) || !step(engine, actor, store))
            return STATUS_FULL;
    }
    return STATUS_OK;
}

/* One slice of a shard's expiry walk, which has a segment. */
static void expire_on(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint32_t number = shard->expiry.segment;
    struct segment *segment = &engine->range.segments[number];
    if (!walk_on(engine, actor, shard, &shard->expiry, act_expire))
        return;
    uint64_t due_ms = expiry_due_ms(&shard->expiry, actor->now_ms);
    if (due_ms < atomic_load_explicit(&segment->due_ms, memory_order_relaxed))
        atomic_store_explicit(&segment->due_ms, due_ms, memory_order_relaxed);
    shard->expiry.segment = 0;
    if (atomic_load_explicit(&segment->live, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&segment->sealed, memory_order_relaxed))
        store_drop_segment(engine, actor, shard, number);
}

/* Begins a walk over a segment that was seen to be due, unless the world has changed. */
static void expire_begin(struct engine *engine, struct actor *actor, uint32_t at, uint32_t number) {
    struct shard *shard = &engine->shards[at];
    struct segment *segment = &engine->range.segments[number];
    if (shard->expiry.segment || atomic_load_explicit(&segment->shard, memory_order_relaxed) != at ||
        atomic_load_explicit(&segment->kind, memory_order_relaxed) != SEGMENT_LOG)
        return;
    shard->expiry.segment = number;
    shard->expiry.offset = 0;
    shard->expiry.left = 0;
    shard->expiry.left_a_ms = 0;
    /* Entries that are written while the walk rests announce themselves again. */
    atomic_store_explicit(&segment->due_ms, UINT64_MAX, memory_order_relaxed);
    expire_on(engine, actor, shard);
}

bool reclaim_expired(struct engine *engine, struct actor *actor) {
    for (uint32_t at = 0; at < engine->shard_count; at++) {
        struct shard *shard = &engine->shards[at];
        if (shard->expiry.segment == 0)
            continue;
        store_lock(engine, actor, at);
        if (shard->expiry.segment)
            expire_on(engine, actor, shard);
        store_unlock(engine, actor, at);
        return true;
    }
    uint32_t end = atomic_load_explicit(&engine->range.head->never_used, memory_order_relaxed);
    for (uint32_t number = 1; number < end; number++) {
        struct segment *segment = &engine->range.segments[number];
        uint32_t at = atomic_load_explicit(&segment->shard, memory_order_acquire);
        if (at >= engine->shard_count || atomic_load_explicit(&segment->kind, memory_order_relaxed) != SEGMENT_LOG ||
            atomic_load_explicit(&segment->due_ms, memory_order_relaxed) > actor->now_ms)
            continue;
        store_lock(engine, actor, at);
        expire_begin(engine, actor, at, number);
        store_unlock(engine, actor, at);
        return true;
    }
    return false;
}

bool reclaim_housekeep(struct engine *engine, struct actor *actor) {
    if (reclaim_expired(engine, actor))
        return true;
    uint32_t limit = atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed);
    if (range_room(&engine->range) >= limit / 32 + 1)
        return false;
    /* On whose behalf: any store that could take more. */
    uint32_t store = 0;
    while (store < engine->store_count && claim_is_full(engine, store))
        store++;
    return store < engine->store_count && step(engine, actor, store);
}
