/* core/cache/internal.h: what the files of this folder share. */
#ifndef STRATA_CORE_CACHE_INTERNAL_H
#define STRATA_CORE_CACHE_INTERNAL_H

#include <assert.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/buf.h"
#include "core/cache/cache.h"
#include "core/cache/journal.h"
#include "core/cache/tier.h"
#include "core/record/record.h"
#include "core/store/image.h"
#include "core/store/read.h"
#include "core/store/reclaim.h"
#include "core/store/resident.h"
#include "core/store/session.h"
#include "core/store/store.h"

enum { CACHE_MARKS_MAX = 65536, CACHE_BYTES_A_MARK = 1024 };

struct cache {
    struct engine *engine;
    const struct memory *memory;
    struct cache_rules rules;
    struct cache_journal journal;
    struct cache_tier tier;                   /* while engine->tier is there */
    _Atomic uint32_t promote_hits;            /* of the tier */
    _Atomic uint64_t stamps_noted;            /* so many may be handed out, says the journal */
    atomic_uchar dressed;                     /* enum dress: writes are more than plain ones; 0: nothing of it */
    atomic_uint moves;                        /* how often keys have changed their stores, which ends dumps */
    _Atomic uint32_t watches;                 /* open ones; while there is none, writes leave the marks alone */
    _Atomic uint32_t epochs[CACHE_DATABASES]; /* flushes and swaps of each database */
    _Atomic uint64_t transfers;
    uint32_t mark_count;      /* a power of two; a tiny cache has few */
    _Atomic uint32_t marks[]; /* by the low bits of the key's hash */
};

static_assert((int)CACHE_POLICY_COUNT == (int)STORE_POLICY_COUNT && (int)CACHE_VOLATILE_TTL == (int)STORE_VOLATILE_TTL,
              "the policies of the engine by the same numbers");
static_assert((int)CACHE_NOTHING == (int)STORE_NOTHING, "a type by the same number");
static_assert((int)CACHE_SESSION == (int)STORE_SESSION && (int)CACHE_CREATED == (int)STORE_CREATED &&
                  (int)CACHE_SOFTENED == (int)STORE_SOFTENED && (int)CACHE_STALE_GONE == (int)STORE_STALE_GONE &&
                  (int)CACHE_UNHURRIED == (int)STORE_UNHURRIED && (int)CACHE_STORES_MAX == (int)STORES_MAX &&
                  (int)CACHE_STORE_NAME_MAX == (int)STORE_NAME_MAX &&
                  (int)CACHE_STORE_PATTERNS_MAX == (int)STORE_PATTERNS_MAX &&
                  (int)CACHE_ENTRIES_MAX_MIN == (int)STORE_ENTRIES_MAX_MIN &&
                  (int)CACHE_SHARE_ALL == (int)STORE_SHARE_ALL,
              "stores by the same numbers");
static_assert((int)CACHE_TAGS_MAX + (int)CACHE_RULE_TAGS_MAX == (int)ENTRY_TAGS_MAX &&
                  (int)CACHE_TAG_NAME_MAX == (int)TAG_NAME_MAX &&
                  sizeof((struct cache_kept_tags *)0)->numbers / sizeof(uint32_t) == ENTRY_TAGS_MAX,
              "tags by the same numbers");
static_assert(CACHE_RANGE_SIZE_MAX == RANGE_SIZE_MAX, "as the header says");
static_assert((int)CACHE_DATABASES == (int)RANGE_DATABASES, "as many databases as the engine counts");
static_assert(sizeof(struct store_spot) <= sizeof(((struct cache_edit *)0)->spot), "an edit carries a spot");

static inline struct store_spot *spot_of(struct cache_edit *edit) { return (struct store_spot *)(void *)edit->spot; }
static inline const struct store_spot *const_spot_of(const struct cache_edit *edit) {
    return (const struct store_spot *)(const void *)edit->spot;
}

static inline struct shard *shard_of(const struct cache_edit *edit) {
    return &edit->cache->engine->shards[edit->shard];
}

static inline uint32_t engine_db(const struct cache *cache, uint32_t db) {
    return atomic_load_explicit(&cache->engine->range.head->db_map[db], memory_order_relaxed) & RANGE_DB_PLACE;
}
/* Whether a database is still there, and no ban is to be asked: what the shortest ways want to know. */
static inline bool engine_db_is_plainly(const struct cache *cache, uint32_t db, uint32_t place) {
    return atomic_load_explicit(&cache->engine->range.head->db_map[db], memory_order_relaxed) == place;
}

/* The key as the engine knows it. Rehashed if the databases were swapped since the caller made it. */
static inline struct store_key engine_key(const struct cache *cache, const struct cache_key *key) {
    uint32_t place = engine_db(cache, key->db);
    uint64_t hash = __builtin_expect(place == key->place, 1) ? key->hash : store_hash(cache->engine, place, key->name);
    bool same = place == key->place;
    return (struct store_key){key->name, hash, place, same ? key->hint : NULL, same ? key->bucket : NULL, key->shape};
}

/* Locks the key's shard. The databases may be swapped until the lock is held (a swap takes all of them), which changes where the key
 * is. False if this actor holds the shard already. */
static inline bool lock_key(struct cache *cache, struct actor *actor, const struct cache_key *key,
                            struct store_key *ret_key, uint32_t *ret_shard) {
    for (;;) {
        *ret_key = engine_key(cache, key);
        *ret_shard = store_shard_of(cache->engine, ret_key->hash);
        if (store_held(actor, *ret_shard))
            return false;
        store_lock(cache->engine, actor, *ret_shard);
        if (__builtin_expect(engine_db(cache, key->db) == ret_key->db, 1))
            return true;
        store_unlock(cache->engine, actor, *ret_shard);
    }
}

static inline struct store *store_of_key(const struct cache *cache, uint64_t hash) {
    return store_of_shard(cache->engine, store_shard_of(cache->engine, hash));
}

/* The expiry of a value that is written as new: its store's, if it brings none. */
static inline uint64_t expiry_of_new(const struct cache *cache, const struct actor *actor, uint64_t hash,
                                     uint64_t expires_at_ms) {
    if (expires_at_ms)
        return expires_at_ms;
    uint64_t ttl_ms = atomic_load_explicit(&store_of_key(cache, hash)->ttl_ms, memory_order_relaxed);
    return __builtin_expect(ttl_ms != 0, 0) ? actor->now_ms + ttl_ms : 0;
}

/* Whether the key's session is over although the entry still stands; inside a reader's validation or under the lock. */
static inline bool in_ended_session(const struct cache *cache, const struct actor *actor, const struct shard *shard,
                                    const struct store_key *key) {
    return store_is_by_session(shard) && session_is_over(cache->engine, shard, key, actor->now_ms);
}

static inline void tidy_session(struct cache *cache, struct actor *actor, struct shard *shard,
                                const struct store_key *key) {
    if (store_is_by_session(shard))
        session_tidy(cache->engine, actor, shard, key);
}

/* After a write, when no lock is held: back to the store's capacity in entries. What one turn does not do, housekeeping does. */
static inline void trim_store(struct cache *cache, struct actor *actor, uint32_t store) {
    if (__builtin_expect(atomic_load_explicit(&cache->engine->stores[store].entries_max, memory_order_relaxed) != 0, 0))
        MAYBE(reclaim_trim(cache->engine, actor, store));
}

/* What a write may have to do beside writing: ask the rules, and tell the journal. */
enum dress { DRESS_RULES = 1, DRESS_JOURNAL = 2 };

static inline bool is_dressed(const struct cache *cache) {
    return __builtin_expect(atomic_load_explicit(&cache->dressed, memory_order_relaxed) != 0, 0);
}
static inline bool is_ruled(const struct cache *cache) {
    return __builtin_expect(atomic_load_explicit(&cache->dressed, memory_order_relaxed) & DRESS_RULES, 0);
}
/* Under a shard's lock, what it says stays so until that is let go: cache_journal_set passes through all. */
static inline bool is_journaled(const struct cache *cache) {
    return __builtin_expect(atomic_load_explicit(&cache->dressed, memory_order_relaxed) & DRESS_JOURNAL, 0);
}

static inline void mark_change(struct cache *cache, uint64_t hash) {
    if (__builtin_expect(atomic_load_explicit(&cache->watches, memory_order_relaxed) != 0, 0))
        atomic_fetch_add_explicit(&cache->marks[hash & (cache->mark_count - 1)], 1, memory_order_relaxed);
}

static inline void note_change(struct cache_edit *edit) {
    mark_change(edit->cache, edit->key.hash);
    edit->actor->counts.changes++;
}

/* Of an entry that lives on. */
static inline void tell(const struct cache_edit *edit, enum cache_change change) {
    store_tell(edit->cache->engine, edit->actor, change, edit->key.place, edit->key.name);
}

/* The index's part of what an entry costs: 64 bytes over about 4.5 entries. */
enum { INDEX_CHARGE_BYTES = 14 };

/* Makes room for a write into a store, unless the actor holds locks. */
void prepare_store(struct cache *cache, struct actor *actor, uint32_t store, uint64_t write_bytes);

/* Empties a shard, under its lock. `give_tags`: its entries give theirs back; else whoever calls clears the table of tags. */
void clear_shard(struct cache *cache, struct actor *actor, struct shard *shard, bool give_tags);

/* Takes the tags of these names for an entry beside those whose numbers are there already, each once; if it fails, none of
 * them. STATUS_INVALID for a wrong name, or for more than `most` then; STATUS_FULL. */
MUST_CHECK enum status tags_take(struct cache *cache, struct actor *actor, const struct slice *names, uint32_t count,
                                 uint32_t most, uint32_t numbers[ENTRY_TAGS_MAX], uint32_t *number_count);
/* One bearer more of each. */
void tags_hold(struct cache *cache, struct actor *actor, const uint32_t *numbers, uint32_t count);
/* Gives back what no entry has come to bear. */
void tags_give(struct cache *cache, struct actor *actor, const uint32_t *numbers, uint32_t count);

/* Between an edit and what it does with stale values (stale.c). */
/* Copies what the spot says into the public part. */
void edit_refresh(struct cache_edit *edit);
/* Another edit of the same thread, under locks taken for several keys, may have made the index split since, or have changed this key. */
void edit_look_again(struct cache_edit *edit);
/* Writes the entry anew with the value and the tags that it has, but expiry, stamp and what belongs to them as wanted. */
MUST_CHECK enum status edit_rewrite_with_tags(struct cache_edit *edit, const struct store_value *beside);
/* At the begin of an edit: what stands there is not to be seen. It goes, unless it is only stale, for no longer than it may be. */
void edit_begin_gone(struct cache_edit *edit);

/* Between an edit and the plain write. */
enum { CACHE_WRITE_TRIES = 4 }; /* the index may need a segment as well, and others may be faster */
/* Whether a value goes into the log beside a key of that size. */
bool edit_goes_inline(const struct engine *engine, uint64_t name_size, uint32_t tag_count, uint64_t value_size);
/* A chain with room for `size` bytes. */
MUST_CHECK enum status edit_take_extents(struct range *range, struct actor *actor, uint64_t size,
                                         struct extents *ret_extents);
/* Writes into a chain at `offset`; NULL bytes: zeros. */
void edit_fill_extents(struct range *range, uint64_t first, uint64_t offset, const uint8_t *bytes, uint64_t size);
/* Writes what the chain holds; `source`: whose value it is, or NULL for a new one. On failure the chain is given back. */
MUST_CHECK enum status edit_put_extents(struct cache_edit *edit, struct extents chain, uint64_t size, uint32_t type,
                                        uint64_t expires_at_ms, const struct store_spot *source);

/* The journal (journal.c). Of a write: has the log promise room for it, or refuses it; then takes the promise back, or notes what stands at the
 * edit's spot now. `kind`: PUT; FACTS, if the value has stayed; PATCH, of edit->patch in a value that had `size_before` bytes. */
MUST_CHECK enum status journal_promise(struct cache_edit *edit, const struct store_value *value, enum record_kind kind,
                                       uint64_t *ret_bytes);
void journal_break_promise(struct cache *cache, struct actor *actor, uint64_t bytes);
void journal_keep_promise(struct cache_edit *edit, enum record_kind kind, uint64_t size_before);
/* The same for a plain value that is put where the actor holds this lock only: the log is asked, and has the record at once. */
MUST_CHECK enum status journal_ask_plain(const struct cache *cache, const struct actor *actor,
                                         const struct cache_key *key, struct slice value, uint64_t *ret_bytes);
void journal_put_plain(struct cache *cache, struct actor *actor, const struct cache_key *key, struct slice value,
                       const struct entry *entry, uint64_t reserved);
/* Notes that a key is gone, under its shard's lock. */
void journal_removed(struct cache *cache, struct actor *actor, uint32_t place, struct slice name);
/* Notes what is no write, which is never refused; staged when the actor lets go of a lock, at once if it holds none. */
void journal_note(struct cache *cache, struct actor *actor, const struct record_part *part);
/* The same for an entry that has come, and was nowhere in what the journal has to tell; under its lock. Without memory it is left out, as if it went at the next start. */
void journal_note_value(struct cache *cache, struct actor *actor, const struct record_part *part);
/* Which place each database has. */
static inline void journal_map(const struct cache *cache, uint8_t ret_map[RECORD_PLACES]) {
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        ret_map[db] = (uint8_t)engine_db(cache, db);
}
/* Whether the youngest stamps are close to those that the journal knows of; then it is told of more. */
void journal_stamps(struct cache *cache, struct actor *actor);
/* The facts of an entry as a part, but its value. `names`: room for those of its tags. */
void journal_facts(const struct cache *cache, struct actor *actor, const struct store_spot *spot,
                   uint8_t (*names)[TAG_NAME_MAX], struct record_part *ret_part);
/* The tier (tier.c). Whether it may have a key, without a lock; also said if it cannot be told. */
bool tier_may_have(const struct cache *cache, const struct store_key *key);
/* Which keys belong to which shard, and how they are hashed, as one number: cells of another process with the same stand where they would here. 0: it cannot be said. */
uint64_t tier_layout(const struct cache *cache);
/* After a read that has found nothing, where there is a tier: what was the case at one moment of this call. */
enum tier_answer { TIER_NOWHERE, TIER_MAY_HAVE, TIER_IN_MEMORY };
enum tier_answer tier_confirm_miss(const struct cache *cache, const struct store_key *key);
/* The same under the key's lock, for who is about to say that it is nowhere: what may be the key's is given up; answers how many. */
uint32_t tier_give_up_found_nothing(struct cache *cache, struct actor *actor, const struct cache_key *key);

/* What is reserved for the upload as the stores are now; and its end. */
uint64_t upload_reserved(const struct cache *cache, const struct cache_upload *upload);
void upload_return_reserved(struct cache *cache, struct cache_upload *upload);

void cache_info_fill(const struct cache *cache, const struct actor *actor, const struct entry *entry, uint64_t location,
                     uint64_t cell, uint64_t value_size, struct cache_info *ret_info);

#endif
