#include "core/store/session.h"

#include "base/assert.h"
#include "core/store/pattern.h"

enum { HEAD_NAME_MAX = STORE_PATTERN_SIZE_MAX + STORE_SESSION_ID_MAX };

/* The head of a session, as a key. */
struct head {
    struct store_key key;
    uint8_t name[HEAD_NAME_MAX];
};

/* False if the name belongs to no session. */
static bool head_of(const struct engine *engine, uint32_t store, struct slice name, uint32_t db, uint64_t hash,
                    struct head *ret_head) {
    struct slice id = store_session_id(engine, store, name);
    if (id.size == 0)
        return false;
    size_t size = pattern_fill(engine->heads[store], id, ret_head->name, sizeof ret_head->name);
    ret_head->key = (struct store_key){.name = slice_make(ret_head->name, size), .hash = hash, .db = db};
    return true;
}

bool session_is_over(const struct engine *engine, const struct shard *shard, const struct store_key *key,
                     uint64_t now_ms) {
    struct head head;
    struct store_view view;
    if (!head_of(engine, shard->store, key->name, key->db, key->hash, &head))
        return false;
    store_view_open(engine, shard, &head.key, &view);
    return view.found && store_is_gone(engine, view.location, &view.entry, head.key.name, now_ms);
}

void session_tidy(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_key *key) {
    struct head head;
    struct store_spot spot;
    if (!head_of(engine, shard->store, key->name, key->db, key->hash, &head))
        return;
    store_find(engine, shard, &head.key, &spot);
    if (spot.location && store_is_gone(engine, spot.location, &spot.entry, head.key.name, actor->now_ms))
        store_remove_gone(engine, actor, shard, &spot);
}

struct ending {
    struct engine *engine;
    struct actor *actor;
    struct shard *shard;
    const struct store_spot *head;
    struct slice id;
    uint64_t wanted, kept;
    enum store_change reason;
};

static void count_member(struct actor *actor, uint32_t store, enum store_change reason) {
    switch (reason) {
        case STORE_EXPIRED:
            return actor_count_removed(actor, store, ACTOR_EXPIRED);
        case STORE_EVICTED:
            return actor_count_removed(actor, store, ACTOR_EVICTED);
        case STORE_INVALIDATED:
            return actor_count_removed(actor, store, ACTOR_INVALIDATED);
        default: /* deleted, which nobody counts */
            return;
    }
}

/* Whether a cell is of the session that ends: then its entry is gone. Whoever removes the head has counted it already. */
static bool entry_goes(void *context, uint64_t cell) {
    const struct ending *ending = context;
    struct store_spot spot = {.location = cell_location(cell)};
    if (!cell_matches(cell, ending->wanted) || spot.location == ending->kept)
        return false;
    bool whole = store_entry_at(ending->engine, spot.location, &spot.entry);
    ASSERT(whole);
    struct slice name = slice_make(ending->engine->range.base + spot.location + spot.entry.key_at, spot.entry.key_size);
    if (spot.entry.db != ending->head->entry.db ||
        !slice_equal(store_session_id(ending->engine, ending->shard->store, name), ending->id))
        return false;
    if (spot.location != ending->head->location)
        count_member(ending->actor, ending->shard->store, ending->reason);
    store_release(ending->engine, ending->actor, ending->shard, &spot, ending->reason);
    return true;
}

bool session_ends(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_spot *spot,
                  enum store_change reason, uint64_t kept) {
    struct head head;
    struct slice name = slice_make(engine->range.base + spot->location + spot->entry.key_at, spot->entry.key_size);
    uint64_t hash = store_hash_in(engine, shard->store, spot->entry.db, name);
    if (!head_of(engine, shard->store, name, spot->entry.db, hash, &head) || !slice_equal(head.key.name, name))
        return false;
    struct index_place place = index_place_of(&engine->range, &shard->index, hash);
    struct ending ending = {
        .engine = engine,
        .actor = actor,
        .shard = shard,
        .head = spot,
        .id = store_session_id(engine, shard->store, head.key.name),
        .wanted = place.wanted,
        .kept = kept,
        .reason = reason,
    };
    uint64_t gone = index_sweep(&engine->range, &shard->index, place.bucket, entry_goes, &ending);
    ASSERT(gone >= 1);
    return true;
}

/* What is done with an entry's cell. */
typedef void (*cell_visit)(void *context, _Atomic uint64_t *cell);

/* The entries that stand in the first buckets of the session's chain, and the head wherever it stands. */
static void visit_some(const struct engine *engine, const struct shard *shard, const struct store_key *head,
                       _Atomic uint64_t *head_cell, cell_visit visit, void *context) {
    struct slice id = store_session_id(engine, shard->store, head->name);
    struct index_place place = index_place_of(&engine->range, &shard->index, head->hash);
    struct index_bucket *bucket = place.bucket;
    visit(context, head_cell);
    for (uint32_t looked = 0; bucket && looked < SESSION_LOOK_BUCKETS; looked++) {
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            struct entry entry;
            if (&bucket->cells[i] == head_cell || !cell || !cell_matches(cell, place.wanted))
                continue;
            bool whole = store_entry_at(engine, cell_location(cell), &entry);
            ASSERT(whole);
            struct slice name = slice_make(engine->range.base + cell_location(cell) + entry.key_at, entry.key_size);
            if (entry.db == head->db && slice_equal(store_session_id(engine, shard->store, name), id))
                visit(context, &bucket->cells[i]);
        }
        bucket = index_next(&engine->range, &shard->index, bucket);
    }
}

/* The session's head, if it has one that lives. */
static bool find_live_head(const struct engine *engine, struct shard *shard, uint32_t db, struct slice name,
                           uint64_t hash, uint64_t now_ms, struct head *ret_head, struct store_spot *ret_spot) {
    if (!head_of(engine, shard->store, name, db, hash, ret_head))
        return false;
    store_find(engine, shard, &ret_head->key, ret_spot);
    return ret_spot->location &&
           !store_is_gone(engine, ret_spot->location, &ret_spot->entry, ret_head->key.name, now_ms);
}

static void note_use(void *context, _Atomic uint64_t *cell) {
    struct session_state *state = context;
    state->entries++;
    state->used |= cell_use(atomic_load_explicit(cell, memory_order_relaxed)) > 0;
}

struct session_state session_look(const struct engine *engine, struct shard *shard, uint32_t db, struct slice name,
                                  uint64_t hash, uint64_t now_ms) {
    struct head head;
    struct store_spot spot;
    struct session_state state = {.live = false};
    if (!find_live_head(engine, shard, db, name, hash, now_ms, &head, &spot))
        return state;
    state.live = true;
    visit_some(engine, shard, &head.key, spot.cell, note_use, &state);
    return state;
}

static void take_use(void *context, _Atomic uint64_t *cell) {
    const uint32_t *uses_max = context;
    uint64_t now = atomic_load_explicit(cell, memory_order_relaxed);
    uint32_t use = cell_use(now), counted = use < *uses_max ? use : *uses_max;
    if (counted > 0)
        cell_set_use(cell, counted - 1);
}

void session_cool(const struct engine *engine, struct shard *shard, uint32_t db, struct slice name, uint64_t hash,
                  uint32_t uses_max) {
    struct head head;
    struct store_spot spot;
    if (find_live_head(engine, shard, db, name, hash, 0, &head, &spot))
        visit_some(engine, shard, &head.key, spot.cell, take_use, &uses_max);
}

void session_evict(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t db, struct slice name,
                   uint64_t hash) {
    struct head head;
    struct store_spot spot;
    bool in_session = head_of(engine, shard->store, name, db, hash, &head);
    ASSERT(in_session);
    store_find(engine, shard, &head.key, &spot);
    ASSERT(spot.location);
    actor_count_removed(actor, shard->store, ACTOR_EVICTED);
    store_remove(engine, actor, shard, &spot, STORE_EVICTED);
}
