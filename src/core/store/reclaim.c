#include "core/store/reclaim.h"

#include "base/assert.h"
#include "base/rng.h"
#include "core/store/choice.h"
#include "core/store/ghost.h"
#include "core/store/resident.h"
#include "core/store/session.h"
#include "core/store/tier.h"
#include "core/store/vacate.h"

enum {
    SLICE_BYTES = 512 * 1024, /* copied; about 100 microseconds */
    BATCH = 16,               /* entries whose buckets are loaded together */
    TRIM_TURNS = 1024,
    TRIM_IDLE_MAX = 16,
    TRIM_BUCKETS_MAX = 64,   /* of the index, looked at for one entry by chance, */
    TRIM_BUCKETS_WANTED = 4, /* or for the nearest expiry of about twenty */
    CAP_TURNS = 64,
    HOLES_SHARE = 64, /* of the limit that holes between large values may take while it is tight */
    HOLE_MIN_SHARE = 4,
    EXPIRY_SHARE = 32, /* look again when this part of the entries that were left has expired */
    EXPIRY_TAIL_MS = 1024,
    EXPIRY_TAIL_SHARE = 1024,
    EXPIRY_WAIT_MIN_MS = 100,
    EXPIRY_WAIT_MAX_MS = 60 * 1000,
    EXPIRY_PROMPT_MAX_MS =
        1000, /* somebody is told of what expires: looks as soon as the next has, but not more often, */
    EXPIRY_PROMPT_ENTRIES = 32, /* or than in a millisecond for so many that are left */
};

struct slice_budget {
    uint32_t entries;
    uint64_t bytes;
    uint64_t freed; /* bytes of large values and objects */
    uint32_t drops; /* entries that eviction may drop */
};

static const struct slice_budget whole_slice = {
    .entries = RECLAIM_SLICE_ENTRIES, .bytes = SLICE_BYTES, .drops = UINT32_MAX};

/* One entry of a walk. */
struct visit {
    uint64_t location, hash;
    struct entry entry;
    struct index_bucket *bucket;
    _Atomic uint64_t *cell;
};

static uint64_t limit_bytes(const struct engine *engine) {
    return (uint64_t)atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed)
           << engine->range.segment_shift;
}

/* ------------------------------------------------------------------------------------------ verdicts */

/* What is to be removed, which is counted as freed. */
static struct store_spot let_go(const struct engine *engine, const struct visit *visit, struct slice_budget *budget) {
    budget->freed += store_owned_bytes(engine, visit->location, &visit->entry);
    return (struct store_spot){visit->bucket, visit->cell, visit->location, visit->entry};
}

static void forget_gone(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit,
                        struct slice_budget *budget) {
    struct store_spot spot = let_go(engine, visit, budget);
    store_remove_gone(engine, actor, shard, &spot);
}

/* Moves an entry to the end of a log. False if there is no memory to copy to. */
static bool copy(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit,
                 enum store_queue queue, uint32_t use, struct slice_budget *budget) {
    struct entry entry = visit->entry;
    uint64_t owned = store_owned_bytes(engine, visit->location, &visit->entry);
    uint32_t log = store_log_of(engine, actor, shard, queue, &entry, owned);
    uint64_t to = store_append(engine, actor, shard, log, &entry, true);
    if (!to)
        return false;
    const uint8_t *from = engine->range.base + visit->location;
    const struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, to)];
    entry_encode(&entry, segment->base_ms, engine->range.base + to);
    uint32_t body_at = entry_body_at(&entry);
    words_move(engine->range.base + to + body_at, from + entry_body_at(&visit->entry),
               (size_t)(entry.value_at - body_at) + entry.stored_size);
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

static void evict(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit,
                  enum store_queue queue, struct slice_budget *budget) {
    budget->drops -= budget->drops > 0;
    if (store_has_expired(&visit->entry, actor->now_ms)) /* stale: to who counts and listens it has gone already */
        return forget_gone(engine, actor, shard, visit, budget);
    if (policies[store_policy_of(engine, shard)].two_queues)
        ghost_add(engine, actor, shard, queue, visit->hash);
    actor_count_removed(actor, shard->store, ACTOR_EVICTED);
    struct store_spot spot = let_go(engine, visit, budget);
    store_remove_by_itself(engine, actor, shard, &spot, STORE_EVICTED);
}

/* Into the tier instead, if there is one, and it is worth that and is taken. One entry that makes room among so many is not: there would be as many as before. */
static bool hand_down(struct engine *engine, struct actor *actor, struct shard *shard, const struct shard_walk *walk,
                      struct visit *visit, enum store_queue queue, struct slice_budget *budget) {
    if (!store_is_tiered(shard) || walk->single ||
        (queue != STORE_MAIN && policies[store_policy_of(engine, shard)].uses_max && !engine->tier->loading))
        return false;
    struct store_spot spot = {visit->bucket, visit->cell, visit->location, visit->entry};
    uint64_t owned = store_owned_bytes(engine, visit->location, &visit->entry), bytes = visit->entry.size + owned;
    if (tier_put_down(engine, actor, shard, visit->hash, &spot) != TIER_TAKEN)
        return false;
    budget->freed += owned;
    budget->drops -= budget->drops > 0;
    budget->bytes = budget->bytes > bytes ? budget->bytes - bytes : 0;
    return true;
}

/* Differs from round to round even if nothing is written meanwhile, as an entry moves: what stays now does not stay for ever. */
static struct rng chance_of(const struct shard *shard, const struct visit *visit) {
    uint64_t written = atomic_load_explicit(&shard->written, memory_order_relaxed);
    return rng_seeded(visit->hash ^ written ^ visit->location << 32);
}

/* A session that lives goes as a whole, and only if none of its entries has been used for a round of the main queue. Answers whether
 * it is one. */
static bool decide_in_session(struct engine *engine, struct actor *actor, struct shard *shard, struct visit *visit,
                              enum store_queue queue, struct slice_budget *budget) {
    struct slice name = slice_make(engine->range.base + visit->location + visit->entry.key_at, visit->entry.key_size);
    struct session_state session = session_look(engine, shard, visit->entry.db, name, visit->hash, actor->now_ms);
    if (!session.live)
        return false;
    uint32_t use = cell_use(atomic_load_explicit(visit->cell, memory_order_relaxed));
    bool kept = (queue == STORE_SMALL || session.used) && !actor->in_a_hurry;
    if (kept && copy(engine, actor, shard, visit, STORE_MAIN, queue == STORE_SMALL ? 0 : use, budget)) {
        struct rng rng = chance_of(shard, visit);
        if (queue == STORE_MAIN && rng_below(&rng, session.entries) == 0)
            session_cool(engine, shard, visit->entry.db, name, visit->hash, policies[STORE_SESSION].uses_max);
        return true;
    }
    session_evict(engine, actor, shard, visit->entry.db, name, visit->hash);
    budget->drops -= budget->drops > 0;
    return true;
}

static bool laps(const struct engine *engine, const struct actor *actor, const struct shard *shard,
                 const struct shard_walk *walk, const struct visit *visit, enum store_policy policy) {
    if (walk->lap_bytes == 0 || actor->in_a_hurry)
        return false;
    uint64_t size = visit->entry.size + store_owned_bytes(engine, visit->location, &visit->entry);
    struct rng rng = chance_of(shard, visit);
    return policy_laps(&policies[policy], size, walk->lap_bytes, (uint32_t)(rng_next(&rng) >> 32));
}

/* Decides about one live entry of a segment that is being reclaimed. False: no memory, stop the walk here. */
static bool decide(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                   struct visit *visit, struct slice_budget *budget) {
    uint32_t log = atomic_load_explicit(&engine->range.segments[range_segment_of(&engine->range, visit->location)].log,
                                        memory_order_relaxed);
    enum store_queue queue = store_queue_of_log(log);
    uint32_t use = cell_use(atomic_load_explicit(visit->cell, memory_order_relaxed)), use_left;
    if (store_is_over(engine, visit->location, &visit->entry, store_name_at(engine, visit->location, &visit->entry),
                      actor->now_ms)) {
        forget_gone(engine, actor, shard, visit, budget);
        return true;
    }
    if (!walk->evict)
        return copy(engine, actor, shard, visit, queue, use, budget);
    if (walk->skip) {
        walk->skip--;
        return true;
    }
    enum store_policy policy = store_policy_of(engine, shard);
    if (policy == STORE_SESSION && decide_in_session(engine, actor, shard, visit, queue, budget))
        return true;
    switch (policy_verdict(&policies[policy], queue, use, visit->entry.expires_at_ms, walk->expiry_max_ms, &use_left)) {
        case POLICY_KEEP:
            return walk->single || copy(engine, actor, shard, visit, queue, use_left, budget);
        case POLICY_TO_MAIN:
            if (copy(engine, actor, shard, visit, STORE_MAIN, use_left, budget))
                return true;
            break;
        case POLICY_DROP:
            if (laps(engine, actor, shard, walk, visit, policy) && copy(engine, actor, shard, visit, queue, 0, budget))
                return true;
            break;
    }
    if (!hand_down(engine, actor, shard, walk, visit, queue, budget))
        evict(engine, actor, shard, visit, queue, budget);
    return true;
}

/* -------------------------------------------------------------------------------------------- walks */

/* Reads the next entries of a segment, `most` at most, and starts to load their buckets. */
static uint32_t gather(struct engine *engine, struct shard *shard, uint64_t begin, uint32_t used, uint32_t offset,
                       uint32_t most, struct visit *visits) {
    uint32_t count = 0;
    while (count < BATCH && count < most && offset < used) {
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

static bool is_spent(const struct engine *engine, const struct slice_budget *budget) {
    return budget->entries == 0 || budget->bytes == 0 || budget->freed >= range_segment_size(&engine->range);
}

static bool walk_on(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                    walk_act act, struct slice_budget *budget) {
    uint64_t begin = range_segment_at(&engine->range, walk->segment);
    uint32_t used = atomic_load_explicit(&engine->range.segments[walk->segment].used, memory_order_relaxed);
    struct visit visits[BATCH];
    while (walk->offset < used) {
        if (is_spent(engine, budget))
            return false;
        uint32_t count = gather(engine, shard, begin, used, walk->offset, budget->entries, visits);
        for (uint32_t i = 0; i < count; i++) {
            struct visit *visit = &visits[i];
            if (budget->drops == 0)
                return false;
            visit->bucket = index_place_of(&engine->range, &shard->index, visit->hash).bucket;
            visit->cell = index_find(&engine->range, &shard->index, visit->hash, visit->location);
            if (visit->cell && !act(engine, actor, shard, walk, visit, budget))
                return false;
            walk->offset += visit->entry.size;
        }
        budget->entries -= count;
    }
    return true;
}

static bool act_reclaim(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                        struct visit *visit, struct slice_budget *budget) {
    return decide(engine, actor, shard, walk, visit, budget);
}

/* The times that are left are counted in steps of an eighth to a quarter each: 4, 5, 6, 7, 8, 10, 12, 14, 16, 20 ... ms. */
static uint32_t expiry_step(uint64_t left_ms) {
    if (left_ms < 4)
        return 0;
    uint32_t octave = bits_log2(left_ms), step = (octave - 2) * 4 + (uint32_t)(left_ms >> (octave - 2) & 3);
    return step < STORE_EXPIRY_STEPS ? step : STORE_EXPIRY_STEPS - 1;
}

static uint64_t expiry_step_ms(uint32_t step) { return (uint64_t)(4 + step % 4) << (step / 4); }

static bool act_expire(struct engine *engine, struct actor *actor, struct shard *shard, struct shard_walk *walk,
                       struct visit *visit, struct slice_budget *budget) {
    bool expires = visit->entry.expires_at_ms != 0;
    if (store_is_over(engine, visit->location, &visit->entry, store_name_at(engine, visit->location, &visit->entry),
                      actor->now_ms)) {
        forget_gone(engine, actor, shard, visit, budget);
        shard->expiries.gone += expires;
        return true;
    }
    if (store_is_late(&visit->entry, actor->now_ms)) {
        struct store_spot spot = {visit->bucket, visit->cell, visit->location, visit->entry};
        store_soften_late(engine, actor, shard, &spot);
        visit->entry = spot.entry;
        shard->expiries.gone++;
    }
    uint64_t at_ms = expires ? store_due_ms(&visit->entry) : UINT64_MAX;
    if (at_ms == UINT64_MAX)
        return true;
    if (shard->expiries.left++ == 0 || at_ms < shard->expiries.first_ms)
        shard->expiries.first_ms = at_ms;
    shard->expiries.left_for[expiry_step(at_ms - actor->now_ms)]++;
    return true;
}

/* Entries that it left for no longer than so many steps. */
static uint64_t count_left(const struct shard_expiries *seen, uint32_t steps) {
    uint64_t count = 0;
    for (uint32_t step = 0; step < steps; step++)
        count += seen->left_for[step];
    return count;
}

/* When it pays to come back: not later than when a 32nd of what is left has expired. Looking at all of them each time one expires would
 * cost entries x entries. Many that expire together are approached by a few looks, each four fifths of the way or more; where many have just
 * gone, the last of them get a look of their own. */
static uint64_t expiry_due_ms(const struct shard_expiries *seen, uint64_t now_ms) {
    if (seen->left == 0)
        return UINT64_MAX;
    uint32_t tail_steps = expiry_step(EXPIRY_TAIL_MS);
    if ((uint64_t)seen->gone * 2 * EXPIRY_SHARE >= seen->left &&
        count_left(seen, tail_steps) * EXPIRY_TAIL_SHARE >= seen->left)
        return now_ms + EXPIRY_TAIL_MS;
    uint32_t step = 0;
    for (uint64_t expired = seen->left_for[0]; expired * EXPIRY_SHARE <= seen->left && step < STORE_EXPIRY_STEPS - 1;)
        expired += seen->left_for[++step];
    uint64_t wait_ms = expiry_step_ms(step);
    if (wait_ms < EXPIRY_WAIT_MIN_MS)
        wait_ms = EXPIRY_WAIT_MIN_MS;
    if (wait_ms > EXPIRY_WAIT_MAX_MS)
        wait_ms = EXPIRY_WAIT_MAX_MS;
    return now_ms + wait_ms;
}

/* The same, if it is to be found soon that an entry has expired, whatever it costs in looks. */
static uint64_t prompt_due_ms(const struct shard_expiries *seen, uint64_t now_ms, uint64_t due_ms) {
    uint64_t wait_ms = seen->left / EXPIRY_PROMPT_ENTRIES;
    wait_ms = wait_ms < EXPIRY_WAIT_MIN_MS ? EXPIRY_WAIT_MIN_MS : wait_ms;
    wait_ms = wait_ms > EXPIRY_PROMPT_MAX_MS ? EXPIRY_PROMPT_MAX_MS : wait_ms;
    uint64_t soon_ms = now_ms + wait_ms;
    soon_ms = seen->first_ms > soon_ms ? seen->first_ms : soon_ms;
    return due_ms < soon_ms ? due_ms : soon_ms;
}

/* Notes how far eviction has come in the oldest segment of a log, unless it left something behind it. */
static void note_walked(struct engine *engine, struct shard *shard, const struct shard_walk *walk) {
    uint32_t number = atomic_load_explicit(&walk->segment, memory_order_relaxed);
    struct shard_log *list =
        &shard->logs[atomic_load_explicit(&engine->range.segments[number].log, memory_order_relaxed)];
    if (walk->evict && list->first == number && !walk->skips && walk->offset > list->walked)
        atomic_store_explicit(&list->walked, walk->offset, memory_order_relaxed);
}

/* How long what is in the main queue stays there. */
static void note_life(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t number) {
    const struct segment *segment = &engine->range.segments[number];
    if (store_queue_of_log(atomic_load_explicit(&segment->log, memory_order_relaxed)) == STORE_MAIN &&
        actor->now_ms > segment->base_ms)
        shard->main_life_ms = actor->now_ms - segment->base_ms;
}

/* The segment under the shard's walk has been walked to its end. In one that is walked while it takes entries, or of which only a part
 * may go, others can live on. */
static void finish_reclaim(struct engine *engine, struct actor *actor, struct shard *shard) {
    uint32_t number = shard->reclaim.segment;
    if (shard->reclaim.evict)
        note_life(engine, actor, shard, number);
    note_walked(engine, shard, &shard->reclaim);
    shard->reclaim.segment = 0;
    if (atomic_load_explicit(&engine->range.segments[number].live, memory_order_relaxed) == 0)
        store_drop_segment(engine, actor, shard, number);
}

/* One slice of the shard's walk. */
static bool go_on(struct engine *engine, struct actor *actor, struct shard *shard) {
    struct shard_walk *walk = &shard->reclaim;
    uint32_t offset = walk->offset, skip = walk->skip;
    struct slice_budget budget = whole_slice;
    if (walk_on(engine, actor, shard, walk, act_reclaim, &budget)) {
        finish_reclaim(engine, actor, shard);
        return true;
    }
    bool worked = walk->offset != offset || walk->skip != skip;
    note_walked(engine, shard, walk);
    /* A slice over large values has freed as much as was wanted: the next ones to go may stand elsewhere. */
    const struct segment *segment = &engine->range.segments[walk->segment];
    if (walk->evict && store_log_is_large(atomic_load_explicit(&segment->log, memory_order_relaxed)))
        walk->segment = 0;
    return worked;
}

static bool go_on_with_begun(struct engine *engine, struct actor *actor) {
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
    return false;
}

/* Where a walk that evicts begins: behind what it has walked over before. */
static uint32_t first_offset(const struct shard *shard, uint32_t log, uint32_t number) {
    const struct shard_log *list = &shard->logs[log];
    return list->first == number ? list->walked : 0;
}

/* The mean size of a segment's entries, or twice that where there is but one size class. */
static uint64_t lap_bytes(const struct engine *engine, const struct segment *segment) {
    uint64_t entries = segment_entries(segment), weight = atomic_load_explicit(&segment->weight, memory_order_relaxed);
    bool large = store_log_is_large(atomic_load_explicit(&segment->log, memory_order_relaxed));
    uint32_t laps = large ? engine->range.head->large_laps : engine->range.head->laps;
    return entries ? weight / entries * laps : 0;
}

/* Begins a walk over a segment that was chosen, unless the world has changed since; that counts as work done. */
static bool begin(struct engine *engine, struct actor *actor, const struct choice *choice, bool evicts) {
    struct shard *shard = &engine->shards[choice->shard];
    const struct segment *segment = &engine->range.segments[choice->segment];
    bool worked = true;
    store_lock(engine, actor, choice->shard);
    if (!policies[store_policy_of(engine, shard)].two_queues)
        ghost_clear(engine, actor, shard);
    if (atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG &&
        atomic_load_explicit(&segment->shard, memory_order_relaxed) == choice->shard) {
        uint32_t log = atomic_load_explicit(&segment->log, memory_order_relaxed);
        bool large = store_log_is_large(log);
        if (!atomic_load_explicit(&segment->sealed, memory_order_relaxed) && !(evicts && large))
            store_seal(engine, shard, choice->segment);
        /* A walk that rests here has just been found to be stuck for want of memory to copy to: it makes way for the better choice. */
        if (shard->reclaim.segment != choice->segment) {
            shard->reclaim.segment = choice->segment;
            shard->reclaim.offset = first_offset(shard, log, choice->segment);
        }
        shard->reclaim.evict = evicts;
        shard->reclaim.skip = choice->skip;
        shard->reclaim.skips = choice->skip > 0;
        shard->reclaim.expiry_max_ms = choice->expiry_max_ms;
        shard->reclaim.lap_bytes = evicts ? lap_bytes(engine, segment) : 0;
        worked = go_on(engine, actor, shard);
    }
    store_unlock(engine, actor, choice->shard);
    return worked;
}

/* Bytes of segments of blocks that no value takes. */
static uint64_t hole_bytes(const struct engine *engine) {
    const struct range_head *head = engine->range.head;
    uint64_t all = (uint64_t)atomic_load_explicit(&head->block_segments, memory_order_relaxed)
                   << engine->range.segment_shift,
             live = atomic_load_explicit(&head->blocks_live, memory_order_relaxed);
    return all > live ? all - live : 0;
}

/* One slice of work that gets memory back for a store. False if there is none. */
static bool step(struct engine *engine, struct actor *actor, uint32_t store) {
    if (__builtin_expect(range_is_over(&engine->range), 0) && resident_shrink(engine, actor))
        return true;
    if (go_on_with_begun(engine, actor))
        return true;
    struct choice choice = choice_empty(engine);
    if (choice.segment)
        return begin(engine, actor, &choice, false);
    if (object_compact(engine, actor))
        return true;
    struct claim claim;
    claim_make(engine, store, &claim);
    bool tight = claim_is_tight(engine);
    /* Before something that lives goes for want of a segment, holes are closed that are worth it. */
    if (tight && hole_bytes(engine) > limit_bytes(engine) / HOLES_SHARE &&
        vacate_segment(engine, actor, range_segment_size(&engine->range) / HOLE_MIN_SHARE))
        return true;
    if (tight)
        choice = choice_evict(engine, &claim, actor->now_ms, false);
    if (choice.segment)
        return begin(engine, actor, &choice, true);
    choice = choice_compact(engine, NULL);
    /* Holes between large values are dead bytes too. */
    if (vacate_segment(engine, actor, choice.segment ? choice.dead_bytes : 0))
        return true;
    if (choice.segment && begin(engine, actor, &choice, false))
        return true;
    /* Room can be short although what lives fits: in holes that nothing can be moved into, or for want of memory to copy to. Then
     * something has to go as well. */
    if (tight)
        return false;
    choice = choice_evict(engine, &claim, actor->now_ms, false);
    return choice.segment && begin(engine, actor, &choice, true);
}

/* ------------------------------------------------------------------------------------------ capacity in entries */

/* One entry of a bucket that the policy may take, the nearest expiry first if that is its order. */
static void sample_bucket(const struct engine *engine, struct shard *shard, uint64_t bucket_at,
                          const struct policy *policy, struct visit *best) {
    struct index_bucket *first = index_bucket_at(&engine->range, &shard->index, bucket_at);
    for (struct index_bucket *bucket = first; bucket; bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            struct visit visit = {.location = cell_location(cell), .bucket = first, .cell = &bucket->cells[i]};
            if (!cell || !store_entry_at(engine, visit.location, &visit.entry) ||
                (policy->expiring_only && visit.entry.expires_at_ms == 0))
                continue;
            if (!best->cell || (policy->order == POLICY_NEAREST_EXPIRY &&
                                visit.entry.expires_at_ms - 1 < best->entry.expires_at_ms - 1))
                *best = visit;
        }
}

/* By chance, or the nearest expiry of some buckets chosen by chance: where segments say nothing, the index is asked. False if nothing was found. */
static bool trim_by_chance(struct engine *engine, struct actor *actor, uint32_t number, const struct policy *policy) {
    struct store *store = &engine->stores[number];
    uint32_t at = store->first_shard + (uint32_t)policy_chance(&store->eviction, store->shard_count);
    struct shard *shard = &engine->shards[at];
    struct visit best = {.cell = NULL};
    store_lock(engine, actor, at);
    uint64_t buckets = index_bucket_count(atomic_load_explicit(&shard->index.shape, memory_order_relaxed));
    uint64_t bucket = policy_chance(&store->eviction, buckets);
    uint32_t wanted = policy->order == POLICY_NEAREST_EXPIRY ? TRIM_BUCKETS_WANTED : 1;
    for (uint32_t seen = 0, found = 0; seen < TRIM_BUCKETS_MAX && seen < buckets && found < wanted; seen++) {
        _Atomic uint64_t *before = best.cell;
        sample_bucket(engine, shard, bucket, policy, &best);
        found += best.cell != NULL && (before == NULL || wanted > 1);
        bucket = bucket + 1 == buckets ? 0 : bucket + 1;
    }
    if (best.cell) {
        struct slice_budget budget = whole_slice;
        best.hash = store_hash_at(engine, best.location);
        evict(engine, actor, shard, &best, STORE_MAIN, &budget);
    }
    store_unlock(engine, actor, at);
    return best.cell != NULL;
}

/* The oldest entry that may go, or what stands dead before it. */
static bool trim_oldest(struct engine *engine, struct actor *actor, uint32_t store, uint64_t most) {
    struct claim claim = {0};
    claim.gives[store] = true;
    struct choice choice = choice_empty(engine);
    if (choice.segment)
        return begin(engine, actor, &choice, false);
    choice = choice_evict(engine, &claim, actor->now_ms, true);
    if (!choice.segment)
        return false;
    struct shard *shard = &engine->shards[choice.shard];
    const struct segment *segment = &engine->range.segments[choice.segment];
    store_lock(engine, actor, choice.shard);
    if (store_entries(engine, store) > most &&
        atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG &&
        atomic_load_explicit(&segment->shard, memory_order_relaxed) == choice.shard) {
        uint32_t log = atomic_load_explicit(&segment->log, memory_order_relaxed);
        struct shard_walk walk = {.segment = choice.segment,
                                  .offset = first_offset(shard, log, choice.segment),
                                  .evict = true,
                                  .single = true};
        struct slice_budget budget = whole_slice;
        budget.drops = 1;
        bool whole = walk_on(engine, actor, shard, &walk, act_reclaim, &budget);
        note_walked(engine, shard, &walk);
        if (whole && atomic_load_explicit(&segment->live, memory_order_relaxed) == 0)
            store_drop_segment(engine, actor, shard, choice.segment);
    }
    store_unlock(engine, actor, choice.shard);
    return true;
}

bool reclaim_trim(struct engine *engine, struct actor *actor, uint32_t store) {
    uint64_t most = atomic_load_explicit(&engine->stores[store].entries_max, memory_order_relaxed);
    const struct policy *policy = &policies[atomic_load_explicit(&engine->stores[store].policy, memory_order_relaxed)];
    if (most == 0 || !policy->evicts)
        return false;
    /* Each turn looks at one entry or more; one that was used is looked at four times before it goes. When many turns in a row have found
     * nothing, what is left may not go. */
    uint32_t idle = 0;
    for (uint32_t turns = 0; turns < TRIM_TURNS && idle < TRIM_IDLE_MAX; turns++) {
        uint64_t before = store_entries(engine, store);
        if (before <= most)
            return false;
        bool worked = policy->order <= POLICY_OLDEST_LARGEST ? trim_oldest(engine, actor, store, most)
                                                             : trim_by_chance(engine, actor, store, policy);
        if (!worked && policy->order <= POLICY_OLDEST_LARGEST)
            return false;
        idle = worked ? 0 : idle + 1;
    }
    return idle < TRIM_IDLE_MAX;
}

void reclaim_release_promise(struct engine *engine, struct actor *actor) {
    atomic_fetch_sub_explicit(&engine->range.head->promised, actor->promised, memory_order_relaxed);
    actor->promised = 0;
}

/* Promises so many segments to the actor if they are there; never for a moment more than there are, for others would see it. */
static bool promise(struct engine *engine, struct actor *actor, uint32_t segments) {
    struct range_head *head = engine->range.head;
    uint32_t promised = atomic_load_explicit(&head->promised, memory_order_relaxed);
    do {
        uint32_t limit = atomic_load_explicit(&head->limit, memory_order_relaxed);
        uint32_t used = atomic_load_explicit(&head->used, memory_order_relaxed);
        if (used + promised + segments + range_reserve(&engine->range) > limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&head->promised, &promised, promised + segments,
                                                    memory_order_relaxed, memory_order_relaxed));
    actor->promised = segments;
    return true;
}

/* One slice of work that can lower what a store itself has. */
static bool step_within(struct engine *engine, struct actor *actor, uint32_t store) {
    struct claim claim = {0};
    claim.gives[store] = true;
    struct choice choice = choice_empty(engine);
    if (choice.segment)
        return begin(engine, actor, &choice, false);
    choice = choice_compact(engine, &claim);
    if (choice.segment)
        return begin(engine, actor, &choice, false);
    if (claim_refuses(engine, store))
        return false;
    choice = choice_evict(engine, &claim, actor->now_ms, false);
    return choice.segment && begin(engine, actor, &choice, true);
}

/* A store that cannot give back, or has a quota, stays under its cap, by compaction and by what its policy lets go, whatever is free. */
static enum status keep_under_cap(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes) {
    uint64_t cap = claim_cap_of_new_bytes(engine, store), size = range_segment_size(&engine->range);
    size = bytes > size && !claim_is_hard(engine, store) ? bytes : size;
    uint64_t most = cap - (cap < size ? cap : size);
    for (uint32_t turns = 0; claim_bytes(engine, store) > most; turns++)
        if (turns == CAP_TURNS || !step_within(engine, actor, store))
            return claim_is_hard(engine, store) ? STATUS_FULL : STATUS_OK;
    return STATUS_OK;
}

/* Where entries go for what is beyond the cap, it is reserved all the same when they are not fast enough: the next writes go on with it. */
enum status reclaim_reserve(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes) {
    bool hard = claim_is_hard(engine, store), locked = store_held_any(actor);
    uint64_t most = hard ? claim_cap_of_new_bytes(engine, store) : claim_cap_bytes(engine, store);
    if (claim_is_beyond(engine, store, bytes))
        return STATUS_FULL;
    for (uint32_t turns = 0; !claim_reserve(engine, store, bytes, most); turns++)
        if (locked || turns == CAP_TURNS || !step_within(engine, actor, store)) {
            if (hard)
                return STATUS_FULL;
            most = UINT64_MAX;
        }
    return STATUS_OK;
}

/* Segments that a write may need. Where they are small, an extent's head and the segment that its entry goes to count as well. */
static uint64_t segments_for(const struct engine *engine, uint64_t bytes) {
    uint64_t size = range_segment_size(&engine->range);
    if (bytes >= store_inline_max(engine) && size <= STORE_TAIL_SEGMENT_MAX)
        return bytes / (size - EXTENT_HEAD_SIZE) + 2;
    return (bytes >> engine->range.segment_shift) + 1;
}

enum status reclaim_make_room(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes) {
    if (actor->promised)
        reclaim_release_promise(engine, actor);
    enum status capped = STATUS_OK; /* what becomes no larger goes on all the same, and needs room as well */
    if (__builtin_expect(engine->store_count > 1, 0))
        capped = keep_under_cap(engine, actor, store, bytes);
    enum status status = reclaim_make_room_reserved(engine, actor, store, bytes);
    return status == STATUS_OK ? capped : status;
}

enum status reclaim_make_room_reserved(struct engine *engine, struct actor *actor, uint32_t store, uint64_t bytes) {
    uint64_t needed = segments_for(engine, bytes);
    if (actor->promised)
        reclaim_release_promise(engine, actor);
    uint32_t limit = atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed);
    enum pressure pressure = needed == 1 ? range_pressure(&engine->range) : PRESSURE_CRITICAL;
    if (__builtin_expect(pressure != PRESSURE_CRITICAL, 1)) {
        if (__builtin_expect(pressure == PRESSURE_TIGHT, 0) && ++actor->writes_when_tight % PRESSURE_PACE == 0 &&
            !claim_is_full(engine, store))
            (void)step(engine, actor, store);
        return STATUS_OK;
    }
    if (needed >= limit)
        return STATUS_FULL;
    /* Each turn walks a slice or a whole segment. After as many turns as four rounds over everything (an entry is copied at most
     * three times before it may go) there is no room to gain. */
    uint64_t used = atomic_load_explicit(&engine->range.head->used, memory_order_relaxed);
    uint64_t all = used > limit ? used : limit, turns = 4 * ((all << engine->range.segment_shift) / SLICE_BYTES + all);
    uint64_t hurry = turns / 2;
    enum status status = STATUS_OK;
    while (status == STATUS_OK &&
           (needed == 1 ? range_room(&engine->range) == 0 : !promise(engine, actor, (uint32_t)needed))) {
        actor->in_a_hurry = turns <= hurry;
        if (turns-- == 0 || claim_is_full(engine, store) || !step(engine, actor, store))
            status = STATUS_FULL;
    }
    actor->in_a_hurry = false;
    return status;
}

/* Goes on with a shard's expiry walk, which has a segment. */
static void expire_on(struct engine *engine, struct actor *actor, struct shard *shard, struct slice_budget *budget) {
    uint32_t number = shard->expiry.segment;
    struct segment *segment = &engine->range.segments[number];
    if (!walk_on(engine, actor, shard, &shard->expiry, act_expire, budget))
        return;
    uint64_t due_ms = expiry_due_ms(&shard->expiries, actor->now_ms);
    if (store_is_wanted(engine, STORE_EXPIRED) && !store_is_wanted(engine, STORE_UNHURRIED) && shard->expiries.left)
        due_ms = prompt_due_ms(&shard->expiries, actor->now_ms, due_ms);
    if (due_ms < atomic_load_explicit(&segment->due_ms, memory_order_relaxed))
        atomic_store_explicit(&segment->due_ms, due_ms, memory_order_relaxed);
    shard->expiry.segment = 0;
    if (atomic_load_explicit(&segment->live, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&segment->sealed, memory_order_relaxed))
        store_drop_segment(engine, actor, shard, number);
}

/* Begins a walk over a segment that was seen to be due, unless the world has changed. */
static void expire_begin(struct engine *engine, struct actor *actor, uint32_t at, uint32_t number,
                         struct slice_budget *budget) {
    struct shard *shard = &engine->shards[at];
    struct segment *segment = &engine->range.segments[number];
    if (shard->expiry.segment || atomic_load_explicit(&segment->shard, memory_order_relaxed) != at ||
        atomic_load_explicit(&segment->kind, memory_order_relaxed) != SEGMENT_LOG)
        return;
    shard->expiry.segment = number;
    shard->expiry.offset = 0;
    memset(&shard->expiries, 0, sizeof shard->expiries);
    /* Entries that are written while the walk rests announce themselves again. */
    atomic_store_explicit(&segment->due_ms, UINT64_MAX, memory_order_relaxed);
    expire_on(engine, actor, shard, budget);
}

static bool is_due(const struct engine *engine, const struct segment *segment, uint64_t now_ms, uint32_t *ret_shard) {
    *ret_shard = atomic_load_explicit(&segment->shard, memory_order_acquire);
    return *ret_shard < engine->shard_count &&
           atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG &&
           atomic_load_explicit(&segment->due_ms, memory_order_relaxed) <= now_ms;
}

void reclaim_sweep(struct engine *engine) {
    atomic_store_explicit(&engine->range.head->sweep, 1, memory_order_release);
}

/* What has been invalidated is found like what has expired: all segments in which entries bear tags are due. */
static void begin_sweep(struct engine *engine, struct actor *actor) {
    uint32_t end = atomic_load_explicit(&engine->range.head->never_used, memory_order_relaxed);
    for (uint32_t number = 1; number < end; number++) {
        struct segment *segment = &engine->range.segments[number];
        uint32_t at = atomic_load_explicit(&segment->shard, memory_order_acquire);
        if (at >= engine->shard_count || !segment_bears_tags(segment))
            continue;
        store_lock(engine, actor, at);
        if (atomic_load_explicit(&segment->shard, memory_order_relaxed) == at && segment_bears_tags(segment))
            atomic_store_explicit(&segment->due_ms, 0, memory_order_relaxed);
        store_unlock(engine, actor, at);
    }
}

/* A slice is a number of entries, in as many segments as they stand in; the lock is let go between two. */
bool reclaim_expired(struct engine *engine, struct actor *actor) {
    struct slice_budget budget = whole_slice;
    bool worked = false;
    uint32_t at;
    if (__builtin_expect(atomic_load_explicit(&engine->range.head->sweep, memory_order_relaxed) != 0, 0) &&
        atomic_exchange_explicit(&engine->range.head->sweep, 0, memory_order_acquire))
        begin_sweep(engine, actor);
    for (at = 0; at < engine->shard_count && !is_spent(engine, &budget); at++) {
        struct shard *shard = &engine->shards[at];
        if (shard->expiry.segment == 0)
            continue;
        store_lock(engine, actor, at);
        if (shard->expiry.segment)
            expire_on(engine, actor, shard, &budget);
        store_unlock(engine, actor, at);
        worked = true;
    }
    /* The search goes on where it ended, so that segments that are due again and again do not keep it from the others. */
    _Atomic uint32_t *due_at = &engine->range.head->due_at;
    uint32_t count = atomic_load_explicit(&engine->range.head->never_used, memory_order_relaxed) - 1;
    uint32_t from = atomic_load_explicit(due_at, memory_order_relaxed);
    for (uint32_t i = 0; i < count && !is_spent(engine, &budget); i++) {
        uint32_t number = 1 + (from + i) % count;
        atomic_store_explicit(due_at, number, memory_order_relaxed);
        if (!is_due(engine, &engine->range.segments[number], actor->now_ms, &at))
            continue;
        store_lock(engine, actor, at);
        expire_begin(engine, actor, at, number, &budget);
        store_unlock(engine, actor, at);
        worked = true;
    }
    return worked;
}

/* Room ahead of need. */
static bool is_low(const struct engine *engine) {
    uint32_t limit = atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed);
    return range_is_over(&engine->range) ||
           (pressure_ahead(limit) != 0 && range_pressure(&engine->range) != PRESSURE_CALM);
}

static bool make_room_ahead(struct engine *engine, struct actor *actor) {
    /* On whose behalf: any store that could take more. */
    uint32_t store = 0;
    if (!claim_somebody_owes(engine))
        return false; /* each has what is its own: whoever wants more makes room for himself */
    while (store < engine->store_count && claim_is_full(engine, store))
        store++;
    return store < engine->store_count && step(engine, actor, store);
}

static bool housekeep(struct engine *engine, struct actor *actor) {
    /* When there is much of both, they take turns: what expires by and by may free no segment for long. */
    bool low = is_low(engine), reclaim_first = low && actor->expired_last;
    actor->expired_last = false;
    if (reclaim_first && make_room_ahead(engine, actor))
        return true;
    if (reclaim_expired(engine, actor)) {
        actor->expired_last = true;
        return true;
    }
    for (uint32_t i = 0; i < engine->store_count; i++)
        if (reclaim_trim(engine, actor, i))
            return true;
    return low && !reclaim_first && make_room_ahead(engine, actor);
}

/* Bans may come for ever: a slice of their sweep goes beside one of something else. */
bool reclaim_housekeep(struct engine *engine, struct actor *actor) {
    bool swept = bans_sweep(engine, actor);
    return housekeep(engine, actor) || swept;
}
