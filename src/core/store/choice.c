#include "core/store/choice.h"

#include <stdlib.h>

enum {
    DEAD_MIN_SHARE = 32, /* a segment is worth compacting from 1/32 of dead bytes on */
    PROBES = 64,         /* segments looked at by chance */
    TTL_SEGMENTS = 16,   /* of which so many are looked into, */
    TTL_ENTRIES = 8,     /* so many entries of each, */
    TTL_LOOKS = 64,      /* among so many that may have gone, */
    TTL_CHAIN_MAX = 8,   /* in chains of so many buckets, */
    TTL_NAME_MAX = 1024, /* under names that are not looked for if they are longer */
    TTL_SHARE = 4,       /* and the nearest quarter of their expiries goes */
};

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* ------------------------------------------------------------------------------------ compaction */

/* The owner of a segment of a log, or false. */
static bool is_log(const struct engine *engine, uint32_t number, uint32_t *ret_shard) {
    const struct segment *segment = &engine->range.segments[number];
    *ret_shard = atomic_load_explicit(&segment->shard, memory_order_acquire);
    return atomic_load_explicit(&segment->kind, memory_order_acquire) == SEGMENT_LOG &&
           *ret_shard < engine->shard_count;
}

struct choice choice_empty(struct engine *engine) {
    uint32_t empties = 0, end = GET(engine->range.head->never_used), shard;
    for (uint32_t i = 0; i < engine->shard_count; i++)
        empties += GET(engine->shards[i].empties);
    for (uint32_t number = 1; empties && number < end; number++) {
        const struct segment *segment = &engine->range.segments[number];
        if (GET(segment->live) == 0 && GET(segment->sealed) && is_log(engine, number, &shard))
            return (struct choice){.segment = number, .shard = shard};
    }
    return (struct choice){.segment = 0};
}

struct choice choice_compact(struct engine *engine, const struct claim *within) {
    struct choice best = {.segment = 0, .dead_bytes = range_segment_size(&engine->range) / DEAD_MIN_SHARE - 1};
    uint32_t rows = GET(engine->range.head->never_used) - 1, window = rows, shard;
    uint32_t at = 0;
    if (rows > CHOICE_WINDOW) {
        window = CHOICE_WINDOW;
        at = atomic_fetch_add_explicit(&engine->range.head->compact_at, window, memory_order_relaxed) % rows;
    }
    for (uint32_t i = 0; i < window; i++, at = at + 1 == rows ? 0 : at + 1) {
        const struct segment *segment = &engine->range.segments[at + 1];
        /* The unused end of a segment does not count: copying would leave the same behind. */
        uint32_t live = GET(segment->live), used = GET(segment->used), dead = used > live ? used - live : 0;
        if (dead > best.dead_bytes && GET(segment->sealed) && is_log(engine, at + 1, &shard) &&
            (!within || within->gives[engine->shards[shard].store]))
            best = (struct choice){.segment = at + 1, .shard = shard, .dead_bytes = dead};
    }
    return best;
}

/* ------------------------------------------------------------------------------------ eviction */

struct candidate {
    struct choice choice;
    double score;
};

static void consider(struct candidate *best, const struct candidate *other) {
    if (other->choice.segment && other->score > best->score)
        *best = *other;
}

/* Bytes written since the oldest entry that still stands in a segment was: the segment was filled evenly from its opening to
 * that of the next one in its log. */
static uint64_t age_of(const struct engine *engine, const struct segment *segment, uint32_t walked, uint64_t clock) {
    uint64_t begin = GET(segment->clock), end = clock;
    uint32_t next = GET(segment->next), used = GET(segment->used);
    if (next && next <= engine->range.head->segment_count)
        end = GET(engine->range.segments[next].clock);
    if (end < begin || end > clock)
        end = begin; /* the world has moved while we looked */
    uint64_t born = used ? begin + (uint64_t)((double)(end - begin) * ((double)walked / (double)used)) : begin;
    return clock > born ? clock - born : 0;
}

static double mean_bytes_of(const struct engine *engine, const struct segment *segment) {
    uint64_t entries = segment_entries(segment), weight = GET(segment->weight);
    return entries ? (double)weight / (double)entries : range_segment_size(&engine->range);
}

static double score_of(const struct engine *engine, const struct policy *policy, const struct segment *segment,
                       uint32_t walked, uint64_t clock, bool by_count) {
    return policy_score(policy, age_of(engine, segment, walked, clock), mean_bytes_of(engine, segment), by_count);
}

/* The best of the oldest segments of a store's logs, by queue (all count as the first one if the policy knows but one), and whether the
 * whole segment is there to be taken: the one that a log has open only goes when there is nothing else, as it would have to be
 * sealed half full. A tail, which others follow, is filled up as far as it goes. Those of large values are walked bit by bit, as they are. */
struct heads {
    struct candidate best[STORE_QUEUES][2];
};

static void look_at_head(const struct engine *engine, const struct policy *policy, uint32_t at, uint32_t log,
                         uint64_t clock, bool single, struct heads *heads) {
    const struct shard_log *list = &engine->shards[at].logs[log];
    uint32_t number = GET(list->first);
    if (number == 0 || number > engine->range.head->segment_count || (policy->expiring_only && !store_log_expires(log)))
        return;
    const struct segment *segment = &engine->range.segments[number];
    if (segment_entries(segment) == 0 || GET(segment->kind) != SEGMENT_LOG)
        return;
    struct candidate candidate = {.choice = {.segment = number, .shard = at}};
    candidate.score = score_of(engine, policy, segment, GET(list->walked), clock, single);
    bool whole = single || GET(segment->sealed) || GET(segment->next) || store_log_is_large(log);
    consider(&heads->best[policy->two_queues ? store_queue_of_log(log) : 0][whole], &candidate);
}

static struct candidate oldest_of(const struct engine *engine, const struct store *store, const struct policy *policy,
                                  uint64_t clock, bool single) {
    struct heads heads = {0};
    uint64_t queues[STORE_QUEUES];
    for (int queue = 0; queue < STORE_QUEUES; queue++)
        queues[queue] = store_queue_bytes(engine, store, queue, policy->expiring_only);
    for (uint32_t at = store->first_shard; at < store->first_shard + store->shard_count; at++)
        for (uint32_t log = 0; log < STORE_LOGS_MAX; log++)
            look_at_head(engine, policy, at, log, clock, single, &heads);
    int first = policy->two_queues && !policy_small_gives(&store->eviction, queues[STORE_SMALL], queues[STORE_MAIN])
                    ? STORE_MAIN
                    : STORE_SMALL;
    for (int whole = 1; whole >= 0; whole--)
        for (int i = 0; i < STORE_QUEUES; i++)
            if (heads.best[first ^ i][whole].choice.segment)
                return heads.best[first ^ i][whole];
    return (struct candidate){.choice = {.segment = 0}};
}

/* Any segment of the store that may go: by chance, or if that is too rare, the first one. */
static struct choice any_of(struct engine *engine, struct store *store, const struct policy *policy) {
    uint32_t rows = GET(engine->range.head->never_used) - 1, shard;
    for (uint32_t i = 0; i < PROBES + rows && rows; i++) {
        uint32_t number = 1 + (i < PROBES ? (uint32_t)policy_chance(&store->eviction, rows) : i - PROBES);
        const struct segment *segment = &engine->range.segments[number];
        if (!is_log(engine, number, &shard) || shard < store->first_shard ||
            shard >= store->first_shard + store->shard_count || segment_entries(segment) == 0 ||
            (policy->expiring_only && !store_log_expires(GET(segment->log))))
            continue;
        return (struct choice){.segment = number, .shard = shard};
    }
    return (struct choice){.segment = 0};
}

static struct candidate random_of(struct engine *engine, struct store *store, const struct policy *policy,
                                  uint64_t clock, bool single) {
    struct candidate candidate = {.choice = any_of(engine, store, policy)};
    if (!candidate.choice.segment)
        return candidate;
    const struct segment *segment = &engine->range.segments[candidate.choice.segment];
    candidate.score = score_of(engine, policy, segment, 0, clock, single);
    /* Of a segment that is not taken as a whole, any entry may be the first to go. */
    uint64_t entries = segment_entries(segment);
    if (entries && (single || store_log_is_large(GET(segment->log))))
        candidate.choice.skip = (uint32_t)policy_chance(&store->eviction, entries);
    return candidate;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Whether the index leads to an entry: one that was overwritten or deleted still stands in its segment. Nothing that is read here can be
 * trusted, but all of it lies in the range, and the walk ends. */
static bool is_live(const struct engine *engine, uint32_t at, uint64_t location, const struct entry *entry) {
    uint8_t name[TTL_NAME_MAX];
    if (entry->key_size > sizeof name)
        return true;
    words_read(name, engine->range.base + location + entry->key_at, entry->key_size);
    const struct shard *shard = &engine->shards[at];
    uint64_t hash = store_hash_in(engine, shard->store, entry->db, slice_make(name, entry->key_size));
    const struct index_bucket *bucket = index_place_of(&engine->range, &shard->index, hash).bucket;
    for (int length = 0; bucket && length < TTL_CHAIN_MAX; length++) {
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (cell && cell_location(cell) == location)
                return true;
        }
        bucket = index_next(&engine->range, &shard->index, bucket);
    }
    return false;
}

/* The expiries of the first live entries of a segment, as far as they lie ahead. What is read may be anything by now. */
static uint32_t sample_expiries(const struct engine *engine, const struct choice *segment, uint64_t now_ms,
                                uint64_t ret_expiries[TTL_ENTRIES]) {
    uint32_t used = GET(engine->range.segments[segment->segment].used), count = 0, offset = 0;
    for (uint32_t seen = 0; seen < TTL_LOOKS && count < TTL_ENTRIES && offset < used; seen++) {
        uint64_t location = range_segment_at(&engine->range, segment->segment) + offset;
        struct entry entry;
        if (!store_entry_at(engine, location, &entry) || entry.size == 0)
            break;
        if (entry.expires_at_ms > now_ms && is_live(engine, segment->shard, location, &entry))
            ret_expiries[count++] = entry.expires_at_ms;
        offset += entry.size;
    }
    return count;
}

/* Entries that expire within the nearest quarter of a sample, from the segment of the sample that has most of them. Of a single one
 * wanted, the nearest of the sample. */
static struct candidate nearest_of(struct engine *engine, struct store *store, const struct policy *policy,
                                   uint64_t clock, uint64_t now_ms, bool single) {
    uint64_t all[TTL_SEGMENTS * TTL_ENTRIES], of_segment[TTL_SEGMENTS][TTL_ENTRIES];
    struct choice segments[TTL_SEGMENTS];
    uint32_t counts[TTL_SEGMENTS], total = 0, best = 0;
    for (uint32_t i = 0; i < TTL_SEGMENTS; i++) {
        segments[i] = any_of(engine, store, policy);
        if (!segments[i].segment)
            return (struct candidate){.choice = {.segment = 0}};
        counts[i] = sample_expiries(engine, &segments[i], now_ms, of_segment[i]);
        for (uint32_t j = 0; j < counts[i]; j++)
            all[total++] = of_segment[i][j];
    }
    qsort(all, total, sizeof *all, by_value);
    /* Nothing lies ahead in what was seen: all of it may go. */
    uint64_t most = total == 0 ? UINT64_MAX : single ? all[0] : all[total / TTL_SHARE];
    double best_share = -1;
    for (uint32_t i = 0; i < TTL_SEGMENTS; i++) {
        uint32_t near = 0;
        for (uint32_t j = 0; j < counts[i]; j++)
            near += of_segment[i][j] <= most;
        double share = counts[i] ? (double)near / counts[i] : 0;
        if (share > best_share)
            best = i, best_share = share;
    }
    segments[best].expiry_max_ms = most;
    const struct segment *segment = &engine->range.segments[segments[best].segment];
    return (struct candidate){segments[best], score_of(engine, policy, segment, 0, clock, single)};
}

/* How much better it is that this store gives than another: age x mean size for all policies, as one policy's measure says nothing beside
 * another's. The age is what it would be if the store were one queue: the head of a queue with a tenth of the store is a tenth as old as
 * the store's oldest would be, and a segment taken by chance half as old. */
static double store_score(const struct engine *engine, const struct store *store, const struct policy *policy,
                          const struct choice *choice, uint64_t clock) {
    const struct segment *segment = &engine->range.segments[choice->segment];
    const struct shard_log *list = &engine->shards[choice->shard].logs[GET(segment->log) % STORE_LOGS_MAX];
    bool by_age = policy->order == POLICY_OLDEST || policy->order == POLICY_OLDEST_LARGEST;
    double score = ((double)age_of(engine, segment, by_age ? GET(list->walked) : 0, clock) + 1) *
                   (mean_bytes_of(engine, segment) + 1);
    if (!policy->two_queues)
        return by_age ? score : 2 * score;
    double queues[STORE_QUEUES], own;
    for (int queue = 0; queue < STORE_QUEUES; queue++)
        queues[queue] = (double)store_queue_bytes(engine, store, queue, policy->expiring_only);
    own = queues[store_queue_of_log(GET(segment->log) % STORE_LOGS_MAX)];
    return own > 0 ? score * ((queues[STORE_SMALL] + queues[STORE_MAIN]) / own) : score;
}

/* Of the stores of one rank. */
static struct choice evict_of_rank(struct engine *engine, const struct claim *claim, uint32_t rank, uint64_t now_ms,
                                   bool single) {
    uint64_t clock = engine_clock(engine);
    struct candidate best = {.choice = {.segment = 0}, .score = 0};
    for (uint32_t i = 0; i < engine->store_count; i++) {
        struct store *store = &engine->stores[i];
        const struct policy *policy = &policies[GET(store->policy)];
        if (!claim->gives[i] || !policy->evicts || GET(store->rank) != rank)
            continue;
        struct candidate candidate = {.choice = {.segment = 0}};
        switch (policy->order) {
            case POLICY_OLDEST:
            case POLICY_OLDEST_LARGEST:
                candidate = oldest_of(engine, store, policy, clock, single);
                break;
            case POLICY_BY_CHANCE:
                candidate = random_of(engine, store, policy, clock, single);
                break;
            case POLICY_NEAREST_EXPIRY:
                candidate = nearest_of(engine, store, policy, clock, now_ms, single);
                break;
        }
        if (engine->store_count > 1 && candidate.choice.segment)
            candidate.score = store_score(engine, store, policy, &candidate.choice, clock);
        consider(&best, &candidate);
    }
    return best.choice;
}

struct choice choice_evict(struct engine *engine, const struct claim *claim, uint64_t now_ms, bool single) {
    if (__builtin_expect(engine->store_count == 1, 1))
        return evict_of_rank(engine, claim, STORE_USUAL, now_ms, single);
    struct choice choice = {.segment = 0};
    for (uint32_t rank = 0; rank < STORE_RANKS && !choice.segment; rank++)
        choice = evict_of_rank(engine, claim, rank, now_ms, single);
    return choice;
}
