#include "core/store/claim.h"

#include "base/assert.h"

enum {
    RESERVE_PERCENT = 8,
    CLOSED_PERCENT = 5, /* where nothing may go, new entries leave so much free */
    FULL_PERCENT = 2,   /* and changes of what is there, an expiry that is set or tags of rules as examples, so much */
    QUOTA_SEGMENTS_MIN = 8, /* with fewer there would be hardly more than what is being written */
    CHANGES_SHARE = 32,     /* of a cap, or a segment, that only changes of what is there may use */
};

static enum store_policy policy_of(const struct engine *engine, uint32_t store) {
    return (enum store_policy)atomic_load_explicit(&engine->stores[store].policy, memory_order_relaxed);
}

static uint64_t guaranteed_to(const struct engine *engine, uint32_t store) {
    return atomic_load_explicit(&engine->stores[store].guaranteed_bytes, memory_order_relaxed);
}

static bool gives_back(const struct engine *engine, uint32_t store) {
    return policy_gives_back(policy_of(engine, store));
}

static uint64_t limit_bytes(const struct engine *engine) {
    return (uint64_t)atomic_load_explicit(&engine->range.head->limit, memory_order_relaxed)
           << engine->range.segment_shift;
}

static uint64_t without(uint64_t bytes, uint32_t percent) { return bytes / 100 * (100 - percent); }

uint64_t claim_fixed_bytes(const struct engine *engine) {
    uint64_t bytes =
        engine_live(engine) + ((uint64_t)atomic_load_explicit(&engine->range.head->fixed, memory_order_relaxed)
                               << engine->range.segment_shift);
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        const struct object_heap *heap = &engine->shards[i].objects;
        uint64_t floor = object_floor(&engine->range, heap),
                 live = atomic_load_explicit(&heap->live, memory_order_relaxed);
        bytes += floor > live ? floor - live : 0;
    }
    return bytes;
}

bool claim_is_tight(const struct engine *engine) {
    return claim_fixed_bytes(engine) >= without(limit_bytes(engine), RESERVE_PERCENT);
}

uint64_t claim_bytes(const struct engine *engine, uint32_t store) {
    return store_bytes(engine, store) +
           atomic_load_explicit(&engine->stores[store].reserved_bytes, memory_order_relaxed);
}

bool claim_reserve(struct engine *engine, uint32_t store, uint64_t bytes, uint64_t most) {
    _Atomic uint64_t *counter = &engine->stores[store].reserved_bytes;
    uint64_t reserved = atomic_load_explicit(counter, memory_order_relaxed);
    do {
        uint64_t taken = store_bytes(engine, store) + reserved;
        if (taken > most || bytes > most - taken)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(counter, &reserved, reserved + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void claim_return(struct engine *engine, uint32_t store, uint64_t bytes) {
    uint64_t before = atomic_fetch_sub_explicit(&engine->stores[store].reserved_bytes, bytes, memory_order_relaxed);
    ASSERT(before >= bytes);
}

void claim_forget(struct engine *engine) {
    for (uint32_t i = 0; i < engine->store_count; i++)
        atomic_store_explicit(&engine->stores[i].reserved_bytes, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->range.head->reservations, 1, memory_order_relaxed);
}

uint32_t claim_reservations(const struct engine *engine) {
    return atomic_load_explicit(&engine->range.head->reservations, memory_order_relaxed);
}

/* It has more than is guaranteed to it, and its policy lets something go. */
static bool owes(const struct engine *engine, uint32_t store) {
    return policy_of(engine, store) != STORE_NOEVICTION && claim_bytes(engine, store) > guaranteed_to(engine, store);
}

void claim_make(const struct engine *engine, uint32_t store, struct claim *ret_claim) {
    bool others = false;
    for (uint32_t i = 0; i < engine->store_count; i++) {
        ret_claim->gives[i] = owes(engine, i);
        others |= ret_claim->gives[i] && i != store;
    }
    if (!others)
        ret_claim->gives[store] = policy_of(engine, store) != STORE_NOEVICTION;
}

/* Bytes that eviction could take from `from` for `store`. */
static uint64_t could_give(const struct engine *engine, uint32_t from, uint32_t store) {
    enum store_policy policy = policy_of(engine, from);
    if (policy == STORE_NOEVICTION)
        return 0;
    uint64_t goes = 0, live = store_live_bytes(engine, from), keeps = from == store ? 0 : guaranteed_to(engine, from);
    const struct store *giver = &engine->stores[from];
    if (gives_back(engine, from))
        goes = live;
    else
        for (uint32_t i = giver->first_shard; i < giver->first_shard + giver->shard_count; i++)
            goes += shard_expiring_live(&engine->shards[i]);
    uint64_t spare = live > keeps ? live - keeps : 0;
    return goes < spare ? goes : spare;
}

/* Of so many bytes those that would stay if all had gone that may go for this store. */
static uint64_t staying_of(const struct engine *engine, uint32_t store, uint64_t stays) {
    for (uint32_t i = 0; i < engine->store_count; i++) {
        /* A value that entries share counts with each of them, so the sum may be more than there is. */
        uint64_t goes = could_give(engine, i, store);
        stays -= goes < stays ? goes : stays;
    }
    return stays;
}

static uint64_t staying_bytes(const struct engine *engine, uint32_t store) {
    return staying_of(engine, store, claim_fixed_bytes(engine));
}

bool claim_is_full(const struct engine *engine, uint32_t store) {
    if (engine->store_count == 1 && gives_back(engine, store))
        return false;
    uint32_t percent = gives_back(engine, store) ? RESERVE_PERCENT : FULL_PERCENT;
    return staying_bytes(engine, store) >= without(limit_bytes(engine), percent);
}

bool claim_is_closed(const struct engine *engine, uint32_t store) {
    uint64_t used = (uint64_t)atomic_load_explicit(&engine->range.head->used, memory_order_relaxed)
                    << engine->range.segment_shift;
    uint64_t most = without(limit_bytes(engine), CLOSED_PERCENT);
    return used >= most && !gives_back(engine, store) && staying_bytes(engine, store) >= most;
}

/* What compaction would leave: the ends of segments that no entry fits into count as well. */
static uint64_t packed_bytes(const struct engine *engine) {
    const struct range *range = &engine->range;
    uint64_t bytes = (uint64_t)atomic_load_explicit(&range->head->used, memory_order_relaxed) << range->segment_shift;
    uint32_t end = atomic_load_explicit(&range->head->never_used, memory_order_relaxed);
    for (uint32_t number = 1; number < end; number++) {
        const struct segment *segment = &range->segments[number];
        uint32_t used = atomic_load_explicit(&segment->used, memory_order_relaxed),
                 live = atomic_load_explicit(&segment->live, memory_order_relaxed);
        if (atomic_load_explicit(&segment->kind, memory_order_relaxed) == SEGMENT_LOG && used > live)
            bytes -= used - live < bytes ? used - live : bytes;
    }
    return bytes;
}

uint64_t claim_room_for_tags(const struct engine *engine) {
    uint64_t room = UINT64_MAX, most = without(limit_bytes(engine), FULL_PERCENT);
    uint64_t packed = packed_bytes(engine), fixed = claim_fixed_bytes(engine);
    for (uint32_t i = 0; i < engine->store_count; i++) {
        if (gives_back(engine, i) || store_entries(engine, i) == 0)
            continue;
        uint64_t stays = staying_of(engine, i, packed > fixed ? packed : fixed), left = stays < most ? most - stays : 0;
        room = left < room ? left : room;
    }
    return room;
}

bool claim_somebody_owes(const struct engine *engine) {
    bool found = engine->store_count == 1;
    for (uint32_t i = 0; !found && i < engine->store_count; i++)
        found = owes(engine, i);
    return found;
}

/* Of the limit, what is guaranteed to nobody else. */
static uint64_t unclaimed_bytes(const struct engine *engine, uint32_t store) {
    uint64_t left = limit_bytes(engine);
    for (uint32_t i = 0; i < engine->store_count; i++) {
        uint64_t theirs = i == store ? 0 : guaranteed_to(engine, i);
        left -= theirs < left ? theirs : left;
    }
    return left;
}

static uint64_t quota_bytes(const struct engine *engine, uint32_t store) {
    const struct store *record = &engine->stores[store];
    uint64_t share = atomic_load_explicit(&record->quota_permille, memory_order_relaxed),
             bytes = atomic_load_explicit(&record->quota_bytes, memory_order_relaxed);
    if (!share && !bytes)
        return UINT64_MAX;
    uint64_t quota = share ? limit_bytes(engine) / STORE_SHARE_ALL * share : bytes;
    uint64_t least = (uint64_t)QUOTA_SEGMENTS_MIN << engine->range.segment_shift;
    return quota > least ? quota : least;
}

uint64_t claim_cap_bytes(const struct engine *engine, uint32_t store) {
    uint64_t quota = quota_bytes(engine, store),
             left = gives_back(engine, store) ? UINT64_MAX : unclaimed_bytes(engine, store);
    return quota < left ? quota : left;
}

bool claim_fits(const struct engine *engine, uint32_t store, enum store_policy policy, uint64_t more_for_others) {
    uint64_t bytes = claim_bytes(engine, store), left = unclaimed_bytes(engine, store);
    return engine->store_count == 1 || policy_gives_back(policy) ||
           (more_for_others <= left && bytes <= left - more_for_others);
}

uint64_t claim_cap_of_new_bytes(const struct engine *engine, uint32_t store) {
    uint64_t cap = claim_cap_bytes(engine, store), size = range_segment_size(&engine->range);
    if (cap == UINT64_MAX)
        return cap;
    uint64_t kept = cap / CHANGES_SHARE > size ? cap / CHANGES_SHARE : size;
    return cap - (kept < cap ? kept : cap);
}

bool claim_is_hard(const struct engine *engine, uint32_t store) {
    return !gives_back(engine, store) || claim_refuses(engine, store);
}

bool claim_is_beyond(const struct engine *engine, uint32_t store, uint64_t bytes) {
    return bytes >
           (claim_is_hard(engine, store) ? claim_cap_of_new_bytes(engine, store) : claim_cap_bytes(engine, store));
}

bool claim_is_over(const struct engine *engine, uint32_t store, uint64_t bytes) {
    return claim_is_hard(engine, store) && claim_bytes(engine, store) + bytes > claim_cap_of_new_bytes(engine, store);
}
