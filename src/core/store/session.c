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
    return view.found && view.entry.expires_at_ms != 0 && view.entry.expires_at_ms <= now_ms;
}

void session_tidy(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_key *key) {
    struct head head;
    struct store_spot spot;
    if (!head_of(engine, shard->store, key->name, key->db, key->hash, &head))
        return;
    store_find(engine, shard, &head.key, &spot);
    if (!spot.location || spot.entry.expires_at_ms == 0 || spot.entry.expires_at_ms > actor->now_ms)
        return;
    actor_count_removed(actor, shard->store, true);
    store_remove(engine, actor, shard, &spot, STORE_EXPIRED);
}

/* Calls `visit` for every entry of the session; it may remove the entry. */
typedef void (*session_visit)(void *context, struct store_spot *spot);

static void visit_all(const struct engine *engine, struct shard *shard, uint32_t db, struct slice id, uint64_t hash,
                      session_visit visit, void *context) {
    struct index_place place = index_place_of(&engine->range, &shard->index, hash);
    struct index_bucket *next = place.bucket;
    for (struct index_bucket *bucket; (bucket = next);) {
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
            if (!cell_matches(cell, place.wanted))
                continue;
            struct store_spot spot = {place.bucket, &bucket->cells[i], cell_location(cell), {0}};
            bool whole = store_entry_at(engine, spot.location, &spot.entry);
            ASSERT(whole);
            struct slice name = slice_make(engine->range.base + spot.location + spot.entry.key_at, spot.entry.key_size);
            if (spot.entry.db == db && slice_equal(store_session_id(engine, shard->store, name), id))
                visit(context, &spot);
            if (!spot.location && atomic_load_explicit(&bucket->cells[i], memory_order_relaxed))
                i--; /* another cell took the place of the one removed */
        }
        /* What has been emptied was the last one, and is no part of the chain any more. */
        next = index_bucket_is_empty(bucket) ? NULL : index_next(&engine->range, &shard->index, bucket);
    }
}

struct ending {
    struct engine *engine;
    struct actor *actor;
    struct shard *shard;
    uint64_t head; /* location, goes last */
    enum store_removal reason;
};

static void end_member(void *context, struct store_spot *spot) {
    struct ending *ending = context;
    if (spot->location == ending->head)
        return;
    if (ending->reason == STORE_EXPIRED || ending->reason == STORE_EVICTED)
        actor_count_removed(ending->actor, ending->shard->store, ending->reason == STORE_EXPIRED);
    store_remove(ending->engine, ending->actor, ending->shard, spot, ending->reason);
}

bool session_ends(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_spot *spot,
                  enum store_removal reason) {
    struct head head;
    struct slice name = slice_make(engine->range.base + spot->location + spot->entry.key_at, spot->entry.key_size);
    uint64_t hash = store_hash_in(engine, shard->store, spot->entry.db, name);
    if (!head_of(engine, shard->store, name, spot->entry.db, hash, &head) || !slice_equal(head.key.name, name))
        return false;
    struct ending ending = {engine, actor, shard, spot->location, reason};
    visit_all(engine, shard, spot->entry.db, store_session_id(engine, shard->store, head.key.name), hash, end_member,
              &ending);
    return true;
}

struct looking {
    const struct engine *engine;
    struct slice head;
    uint64_t now_ms;
    struct session_state state;
};

static void look_at(void *context, struct store_spot *spot) {
    struct looking *looking = context;
    struct slice name =
        slice_make(looking->engine->range.base + spot->location + spot->entry.key_at, spot->entry.key_size);
    looking->state.used |= cell_use(atomic_load_explicit(spot->cell, memory_order_relaxed)) > 0;
    looking->state.live |= slice_equal(name, looking->head) &&
                           (spot->entry.expires_at_ms == 0 || spot->entry.expires_at_ms > looking->now_ms);
}

struct session_state session_look(const struct engine *engine, struct shard *shard, uint32_t db, struct slice name,
                                  uint64_t hash, uint64_t now_ms) {
    struct head head;
    if (!head_of(engine, shard->store, name, db, hash, &head))
        return (struct session_state){false, false};
    struct looking looking = {engine, head.key.name, now_ms, {false, false}};
    visit_all(engine, shard, db, store_session_id(engine, shard->store, head.key.name), hash, look_at, &looking);
    return looking.state;
}

void session_evict(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t db, struct slice name,
                   uint64_t hash) {
    struct head head;
    struct store_spot spot;
    bool in_session = head_of(engine, shard->store, name, db, hash, &head);
    ASSERT(in_session);
    store_find(engine, shard, &head.key, &spot);
    ASSERT(spot.location);
    actor_count_removed(actor, shard->store, false);
    store_remove(engine, actor, shard, &spot, STORE_EVICTED);
}
