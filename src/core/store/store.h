/* core/store/store.h: shards of entries over one range of memory.
 *
 *     engine ── range (segments)                 shard = high bits of the key's hash
 *       └── shard ── lock
 *                 ├─ index                       hash -> cell -> entry
 *                 └─ logs                        queue x TTL kind x size class, and one a queue for owners of large values
 *                      [sealed] [sealed] ... [open]      oldest first
 *
 * Entries are appended to the open segment of a log; what is overwritten or deleted stays behind as dead bytes until
 * the segment is reclaimed (reclaim.h). New entries go to the small queue; those that reclaim finds used, or that were dropped not long
 * ago, to the main queue (S3-FIFO, J. Yang et al., SOSP 2023).
 *
 * Threads: functions with a shard argument are called under its lock, but for read.h.
 * Memory:  the handle is the process's own; everything else is in the range.
 */
#ifndef STRATA_CORE_STORE_STORE_H
#define STRATA_CORE_STORE_STORE_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/slice.h"
#include "core/store/ban.h"
#include "core/store/entry.h"
#include "core/store/extent.h"
#include "core/store/filter.h"
#include "core/store/index.h"
#include "core/store/object.h"
#include "core/store/policy.h"
#include "core/store/tag.h"

enum {
    STORE_CLASSES_MAX = 8,       /* by size, of what stands in a log whole, */
    STORE_LARGE_CLASSES_MAX = 4, /* and of what owns memory elsewhere */
    STORE_CLASSES = STORE_CLASSES_MAX + STORE_LARGE_CLASSES_MAX,
    STORE_LOGS_A_QUEUE = 3 * STORE_CLASSES, /* times enum store_kind */
    STORE_LOGS_MAX = STORE_QUEUES * STORE_LOGS_A_QUEUE,
    STORE_INPLACE_MAX = 1024, /* bytes of an entry that is overwritten where it stands */
    STORE_TAILS = 4,
    STORE_WHOLE_SEGMENT_MAX = 4 * 1024, /* up to this size blocks are so small that an extent wastes more than a tail */
    STORE_TAIL_SEGMENT_MAX =
        16 * 1024, /* up to this size what an entry leaves free at the end of a segment is worth filling */
};

enum {
    STORES_MAX = 64,
    STORE_NAME_MAX = 31,
    STORE_NOTHING = 7, /* the type of entries that say that there is nothing: no call finds them */
    STORE_PATTERNS_MAX = 16,
    STORE_ENTRIES_MAX_MIN = 10,
    STORE_SHARE_ALL = 1000, /* permille */
};

/* What expires before it would reach the end of the main queue stands apart, so that it dies together. Entries with an expiry and
 * entries without one never share a segment. */
enum store_kind { STORE_LASTING, STORE_LONG, STORE_SHORT };

struct shard_log {
    _Atomic uint32_t first; /* segments, oldest first; 0: none */
    uint32_t last;
    uint32_t open; /* the last one, while it takes entries; 0: none */
    uint32_t count;
    uint32_t tails
        [STORE_TAILS]; /* that were open before and are all but full: what fits into their ends still goes there. 0: none */
    _Atomic uint32_t walked; /* bytes of the first one that eviction has walked over: nothing there lives */
};

enum { STORE_EXPIRY_STEPS = 64 }; /* of times that are left: four to a doubling, up to four minutes */

/* What an expiry walk has seen so far: entries that it removed, those with an expiry that it left, how many of them for about how
 * long, and when the first of these expires. */
struct shard_expiries {
    uint32_t gone, left, left_for[STORE_EXPIRY_STEPS];
    uint64_t first_ms; /* the next expiry of all that it left */
};

/* A walk over a segment in slices. */
struct shard_walk {
    _Atomic uint32_t segment; /* 0: none */
    uint32_t offset;
    bool evict;
    bool single;            /* one entry, in place: what may not go stays where it is */
    bool skips;             /* it began with live entries to be passed over */
    uint32_t skip;          /* how many of them are left */
    uint64_t expiry_max_ms; /* see policy_verdict */
    uint64_t lap_bytes;     /* see policy_laps */
};

struct shard {
    struct lock lock __attribute__((aligned(64)));
    uint32_t store; /* whose it is */
    struct index index __attribute__((aligned(64)));
    _Atomic uint64_t
        aside; /* what there is beside the index, for whoever looks up or writes: a filter, sessions; mostly 0 */
    _Atomic uint64_t entries[RANGE_DATABASES] __attribute__((aligned(64)));
    _Atomic uint64_t expiring[RANGE_DATABASES];
    _Atomic uint64_t live;         /* bytes of live entries, without what they own elsewhere */
    _Atomic uint64_t extents_live; /* bytes of the large values of its entries; shared ones count with each */
    _Atomic uint64_t queue_bytes[STORE_QUEUES][2]; /* of both and of objects, by queue; without and with an expiry */
    _Atomic uint64_t written;                      /* bytes of all new entries ever */
    _Atomic uint32_t empties;                      /* sealed segments of logs in which nothing lives */
    uint32_t open_count;                           /* open segments */
    uint64_t main_life_ms; /* how old the last segment was that eviction took from the main queue; 0: none yet */
    struct shard_walk reclaim, expiry;
    struct shard_expiries expiries; /* of the expiry walk */
    struct object_heap objects;
    struct ghosts {
        uint64_t units_at;           /* directory: numbers of units */
        _Atomic uint32_t unit_count; /* figures read it without the lock */
        uint32_t buckets, drops;
    } ghosts;
    struct shard_log logs[STORE_LOGS_MAX];
    struct filter filter __attribute__((aligned(64)));
};
static_assert(offsetof(struct shard, aside) / 64 == offsetof(struct shard, index) / 64,
              "what stands aside is known from the line that a lookup reads anyway");

/* Bytes of entries with an expiry, and of what they own. */
static inline uint64_t shard_expiring_live(const struct shard *shard) {
    return atomic_load_explicit(&shard->queue_bytes[STORE_SMALL][1], memory_order_relaxed) +
           atomic_load_explicit(&shard->queue_bytes[STORE_MAIN][1], memory_order_relaxed);
}

/* A named store, in the range: a group of keys with shards of its own and a promise of memory. Number 0 is the default store, which takes
 * every key that no pattern gives to another. */
struct store {
    char name[STORE_NAME_MAX + 1];
    uint32_t first_shard, shard_count, shard_shift; /* shard = first + (hash >> shift), when there are several */
    uint32_t by_session;                            /* its keys are hashed by their session's id */
    _Atomic uint32_t policy;
    struct policy_state eviction;
    _Atomic uint32_t share_permille;   /* of the limit that is guaranteed; 0: bytes are */
    _Atomic uint64_t guaranteed_bytes; /* worked out anew when the limit changes, if there is a share */
    _Atomic uint64_t entries_max;      /* 0: any number */
    _Atomic uint64_t ttl_ms;           /* of entries that are written without an expiry; 0: none */
    _Atomic uint32_t rank;             /* enum store_rank */
    _Atomic uint32_t quota_permille;   /* of the limit: what it may have at most; if 0: */
    _Atomic uint64_t quota_bytes;      /* 0: anything */
    _Atomic uint32_t refuses;          /* what would be beyond its quota; else entries of its own go */
    _Atomic uint64_t reserved_bytes;   /* for values on their way to it (claim.h) */
};

/* Of stores that may be asked to give memory, those of a lower rank are asked first. */
enum store_rank { STORE_FIRST, STORE_USUAL, STORE_LAST, STORE_RANKS };

/* Who knows which store takes a key, instead of patterns. `ret_part`: what names its session, in a store of sessions. */
struct store_router {
    uint32_t (*store)(const void *context, struct slice name, struct slice *ret_part);
    const void *context;
};

/* A pattern and the store that it sends keys to. */
struct route {
    struct slice pattern, prefix;
    uint32_t store;
};

/* What happens to entries: the first five say why one is no longer there, or is another. */
enum store_change {
    STORE_DELETED,
    STORE_REPLACED,
    STORE_EXPIRED,
    STORE_EVICTED,
    STORE_INVALIDATED,
    STORE_CREATED,
    STORE_SOFTENED =
        19, /* a tag has made it stale: told when somebody comes across it who may show it, perhaps more than once */
    STORE_STALE_GONE = 20, /* what was stale, and might have been shown as that, is taken away before its time */
    STORE_DEMOTED = 21, /* it has left memory for the tier (tier.h), alive: whoever keeps copies hears no more of it */
    STORE_NOTED = 28,   /* none, but wanted: the journal notes what goes */
    STORE_UNHURRIED =
        30, /* none, but wanted: what has expired need not be looked for sooner because somebody is told of it */
    STORE_CLEARED = 31, /* with all others of a database or store, which is told of once: of each, it is never wanted */
};

/* Told of each change that is wanted, but for flushes, under its shard's lock: it may not call the engine. NULL: nobody is. */
struct store_changes {
    void (*call)(void *context, struct actor *actor, unsigned change, uint32_t db,
                 struct slice name); /* enum store_change, or what the caller of the engine tells by itself */
    void *context;
    _Atomic uint32_t wanted; /* a bit for each change */
};

/* Who keeps a journal of what goes, asked while STORE_NOTED is wanted. Under the shard's lock: it may not call the engine. */
struct store_journal {
    void (*removed)(void *context, struct actor *actor, uint32_t db, struct slice name);
    /* All keys have been compared with bans up to that stamp, which are about to be forgotten: what is written afterwards needs no stamp for them. */
    void (*swept)(void *context, struct actor *actor, uint64_t stamp);
    void (*unlocking)(void *context,
                      struct actor *actor); /* before the actor, that has noted something, lets a lock go */
    void *context;
};

struct engine {
    struct range range;
    struct shard *shards;
    struct store *stores;
    struct tags *tags;
    uint32_t shard_count, store_count, route_count;
    struct route *routes; /* what fixes most bytes first */
    size_t routes_size;
    struct store_router router;     /* in their place; nobody is in the engine when it changes */
    bool routed;                    /* there is one of both: not all keys are the default store's */
    struct slice heads[STORES_MAX]; /* of stores with sessions: the pattern of their heads */
    bool sessions;                  /* there are such stores */
    uint64_t hash_seed;
    uint32_t cores;
    const struct memory *memory;
    const struct object_owner *owner; /* NULL: no entry has objects */
    struct store_changes changes;
    struct store_journal journal;
    _Atomic uint32_t ban_count; /* of bans that there are */
    struct bans *_Atomic bans;  /* NULL: there never was one */
    struct tier
        *tier; /* NULL: nothing is kept outside of memory (tier.h). Changes while nobody else is in the engine */
};

/* A named store beside the default one. */
struct store_options {
    struct slice name;
    const struct slice *patterns; /* not kept; checked by pattern_check; a default store has none */
    uint32_t pattern_count;
    uint32_t share_permille; /* of the limit guaranteed to it, else */
    uint64_t guaranteed_bytes;
    uint64_t entries_max, ttl_ms;
    enum store_policy policy;
};

/* What a store may have, and when it is asked to give. */
struct store_bounds {
    uint32_t quota_permille; /* of the limit; if 0: */
    uint64_t quota_bytes;    /* 0: no quota */
    bool refuses;
    enum store_rank rank;
};

struct engine_options {
    void *range;
    uint64_t range_size, limit_bytes;
    uint32_t cores, shards;
    enum store_policy policy;
    uint64_t entries_max; /* of the default store; 0: any number, else at least STORE_ENTRIES_MAX_MIN */
    uint64_t seed;
    struct lock_waiting waiting;
    struct range_backing backing;
    const struct memory *memory;
    const struct object_owner *owner; /* lives as long as the engine; NULL: there are no objects */
    struct store_changes changes;
    const struct store_options
        *stores; /* not kept. One called "default" says what the default store is like; else it has the policy above */
    uint32_t store_count;
    uint32_t spare_stores; /* that engine_store_add may make later, as far as tables have place for them */
    bool tiered;           /* tables have place for the cells of a tier (tier.h) */
    uint64_t program;      /* whose number it is: a range that was closed in order is opened again by the same only */
};

/* STATUS_INVALID for a limit or range that cannot be, a name twice, empty or too long, a wrong pattern, guarantees of more than the
 * limit, or more stores and shards than there may be. */
MUST_CHECK enum status engine_open(const struct engine_options *options, struct engine **ret_engine);
void engine_close(struct engine *engine);

/* STATUS_INVALID under 64 KiB (or what 8 segments need) and over the range. Segments over a lowered limit are reclaimed by and by. */
MUST_CHECK enum status engine_limit_set(struct engine *engine, uint64_t limit_bytes);

/* ------------------------------------------------------------------ keys */

struct store_key {
    struct slice name;
    uint64_t hash;
    uint32_t db;        /* of the engine, not the client's number */
    const void *hint;   /* the cell that a prefetch took for the key's, or NULL; see read.h */
    const void *bucket; /* where the hash lived when the index had this shape, or NULL */
    uint64_t shape;
};

/* Read under a shard's lock, so that whoever has passed through all locks since he asked for changes misses none. */
static inline bool store_is_wanted(const struct engine *engine, unsigned change) {
    return __builtin_expect(atomic_load_explicit(&engine->changes.wanted, memory_order_relaxed) >> change & 1, 0);
}
static inline void store_tell(const struct engine *engine, struct actor *actor, unsigned change, uint32_t db,
                              struct slice name) {
    if (store_is_wanted(engine, change))
        engine->changes.call(engine->changes.context, actor, change, db, name);
}

/* The shard's number stands in the upper bits of every hash: the index uses lower ones only. */
enum { STORE_HASH_BITS = 48 };

static inline uint32_t store_shard_of(const struct engine *engine, uint64_t hash) {
    (void)engine;
    return (uint32_t)(hash >> STORE_HASH_BITS);
}

static inline uint64_t store_hash_place(const struct store *store, uint64_t hash) {
    uint64_t shard = store->first_shard + (store->shard_count == 1 ? 0 : hash >> store->shard_shift);
    return (hash & ((1ull << STORE_HASH_BITS) - 1)) | shard << STORE_HASH_BITS;
}

/* The part of a key that all keys of its session share: what the first `{}` of its pattern matched; empty if it belongs to none. */
struct slice store_session_id(const struct engine *engine, uint32_t store, struct slice name);
/* The number of the store that takes the key. */
uint32_t store_route(const struct engine *engine, struct slice name);
/* The hash of a key that is known to belong to that store. */
uint64_t store_hash_in(const struct engine *engine, uint32_t store, uint32_t db, struct slice name);

static inline uint64_t store_hash(const struct engine *engine, uint32_t db, struct slice name) {
    if (__builtin_expect(!engine->routed, 1) && !engine->stores->by_session)
        return store_hash_place(engine->stores, hash_bytes(name, engine->hash_seed + db));
    return store_hash_in(engine, store_route(engine, name), db, name);
}

/* The largest name and the largest value that go into a log; larger values are extents. */
static inline uint32_t store_inline_max(const struct engine *engine) {
    uint32_t size = range_segment_size(&engine->range);
    return size <= STORE_WHOLE_SEGMENT_MAX ? size / 4 * 3 : size / 4;
}
static inline uint32_t store_name_max(const struct engine *engine) {
    uint32_t half = range_segment_size(&engine->range) / 2;
    return half < ENTRY_KEY_MAX ? half : ENTRY_KEY_MAX;
}

/* Bits of `aside`; all others are the filter's. With one of the last ones a miss in the index is not the end of it. */
enum {
    STORE_BY_SESSION = 1 << FILTER_BITS_USED,
    STORE_TIERED = 2 << FILTER_BITS_USED, /* keys may be in the tier */
    STORE_ASKED_ASIDE = FILTER_MAINTAINED | STORE_TIERED,
};

/* Whether there is a filter to ask or to maintain. */
static inline bool store_has_filter(const struct shard *shard) {
    return __builtin_expect(atomic_load_explicit(&shard->aside, memory_order_relaxed) & FILTER_MAINTAINED, 0);
}
/* Whether its entries may be in the tier; in stores of sessions they never are. */
static inline bool store_is_tiered(const struct shard *shard) {
    return __builtin_expect(atomic_load_explicit(&shard->aside, memory_order_relaxed) & STORE_TIERED, 0);
}
/* Whether one of both is to be asked before a miss is one. */
static inline bool store_is_asked_aside(const struct shard *shard) {
    return __builtin_expect(atomic_load_explicit(&shard->aside, memory_order_relaxed) & STORE_ASKED_ASIDE, 0);
}
static inline bool store_is_by_session(const struct shard *shard) {
    return __builtin_expect(atomic_load_explicit(&shard->aside, memory_order_relaxed) & STORE_BY_SESSION, 0);
}

/* --------------------------------------------------------- under the lock */

void store_lock(struct engine *engine, struct actor *actor, uint32_t shard);
void store_unlock(struct engine *engine, struct actor *actor, uint32_t shard);
/* The same for whoever is known to have noted nothing for the journal. */
void store_unlock_plainly(struct engine *engine, struct actor *actor, uint32_t shard);
static inline bool store_held(const struct actor *actor, uint32_t shard) {
    return actor->held[shard / 64] >> (shard % 64) & 1;
}
static inline bool store_held_any(const struct actor *actor) {
    uint64_t any = 0;
    for (size_t i = 0; i < COUNT_OF(actor->held); i++)
        any |= actor->held[i];
    return any != 0;
}

/* An entry that was found. */
struct store_spot {
    struct index_bucket *bucket; /* first of its chain */
    _Atomic uint64_t *cell;
    uint64_t location; /* 0: not found */
    struct entry entry;
};

/* A write is a use, too. Readers may count at the same time. */
static inline void store_spot_use(const struct store_spot *spot) {
    cell_count_use(spot->cell, atomic_load_explicit(spot->cell, memory_order_relaxed));
}

/* Finds an entry, expired or not. */
void store_find(const struct engine *engine, struct shard *shard, const struct store_key *key,
                struct store_spot *ret_spot);

/* What an entry is to become. One of `value`, `extents` and `root` is used. */
struct store_value {
    uint32_t type;
    uint64_t expires_at_ms;
    uint64_t stamp; /* of store_stamp_next, or that of the entry if its value stays the same; 0: none */
    uint64_t row;   /* given version, 0: none */
    uint32_t stale; /* entry_stale_code */
    bool softened;  /* it was invalidated softly at that time: it has expired then, by whichever clock */
    const uint32_t
        *tags; /* numbers, each taken for this entry (tag.h): taken over on success. With tags there is a stamp */
    uint32_t tag_count;
    bool
        lives_on; /* what stands at the spot becomes this one, longer or with another expiry: nobody is told that it was replaced */
    bool
        unseen; /* what stands at the spot is hidden from all commands: it is told of as what it has become, and this one as created */
    bool from_tier; /* it comes back as it was: nobody is told, and it goes to the main queue */
    struct slice value;
    struct extents extents; /* first != 0: the value, of `extents_size` bytes; taken over on success */
    uint64_t extents_size;
    uint64_t reserved; /* of the growth, so much is reserved for this value (claim.h), and stays so */
    const struct object_root
        *root; /* not NULL: a collection, taken over on success; the one that stood there already stays */
};

/* Replaces what stands at the spot, or creates it; the spot is up to date afterwards. STATUS_FULL without a change when there is no memory. */
MUST_CHECK enum status store_put(struct engine *engine, struct actor *actor, struct shard *shard,
                                 const struct store_key *key, const struct store_value *value, struct store_spot *spot);

/* A version that no entry of this engine has or had (entry.h). */
static inline uint64_t store_stamp_next(struct engine *engine) {
    uint64_t taken = atomic_fetch_add_explicit(&engine->range.head->stamps, 1, memory_order_relaxed);
    return ENTRY_STAMP_FIRST + taken % (ENTRY_STAMP_END - ENTRY_STAMP_FIRST);
}

/* The same, as tag.h asks for it. */
uint64_t store_stamp_from(void *engine);

/* Gives an entry that has a stamp another one, because what it owns is being changed in place. Inside index_write_begin and end. */
void store_stamp_renew(struct engine *engine, struct actor *actor, struct store_spot *spot);

/* Copies the numbers of an entry's tags; answers how many. */
static inline uint32_t store_tags(const struct engine *engine, const struct store_spot *spot,
                                  uint32_t ret_numbers[ENTRY_TAGS_MAX]) {
    for (uint32_t i = 0; i < spot->entry.tag_count; i++)
        ret_numbers[i] = entry_tag(&spot->entry, engine->range.base + spot->location, i);
    return spot->entry.tag_count;
}

/* A stamp for a change of the value that keeps the entry's tags; see tag_renew. */
uint64_t store_stamp_kept(struct engine *engine, struct actor *actor, const struct store_spot *spot);

/* The short way to what most writes are: a plain string put over another with as much room, in the cell that the key's hint tells, if
 * the index still has the shape of the key. False: nothing has happened. For stores without a time to live or sessions, when nobody is
 * told of what is replaced. */
bool store_overwrite(struct engine *engine, const struct store_key *key, struct slice value);

/* Removes what stands at the spot; with the head of a session, all of it. */
void store_remove(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                  enum store_change reason);
/* The same, but the entry at the location `kept` stays. */
void store_remove_but(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                      enum store_change reason, uint64_t kept);
/* The same for what expires or is evicted: if one of its tags was invalidated before, whoever wants to know can ask for that (actor.h). */
void store_remove_by_itself(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                            enum store_change reason);
/* The same for what is gone though it stands there still (store_is_gone); it is counted, and told of, unless it was when it was softened. */
void store_remove_gone(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot);
/* An entry is stale by a tag: whoever wants to know hears of it. */
void store_tell_softened(struct engine *engine, struct actor *actor, const struct store_spot *spot);
/* The time of an entry has come that may still be shown as stale (store_is_late): it is softened where it stands, told of as expired and counted,
 * and not again when it goes. */
void store_soften_late(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot);
/* Takes an entry out that goes on elsewhere, with the tags that it bears: told of as STORE_DEMOTED. */
void store_hand_over(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot);
/* Removes nothing else, though it be the head of a session. */
void store_remove_alone(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                        enum store_change reason);

/* Value size and, for a large value, its first extent. */
static inline uint64_t store_value_size(const struct engine *engine, uint64_t location, const struct entry *entry,
                                        uint64_t *ret_first) {
    *ret_first = 0;
    if (!(entry->flags & ENTRY_EXTENTS))
        return entry->stored_size;
    uint64_t parts[2];
    words_read(parts, engine->range.base + location + entry->value_at, sizeof parts);
    *ret_first = parts[1];
    return parts[0];
}

/* Bytes that the entry owns outside its log. */
static inline uint64_t store_owned_bytes(const struct engine *engine, uint64_t location, const struct entry *entry) {
    if (__builtin_expect(!(entry->flags & ENTRY_OWNS), 1))
        return 0;
    if (entry->flags & ENTRY_OBJECT)
        return words_load32(engine->range.base + location + entry->value_at) |
               (uint64_t)words_load32(engine->range.base + location + entry->value_at + 4) << 32;
    uint64_t first;
    store_value_size(engine, location, entry, &first);
    return extent_charge(&engine->range, first);
}

/* The root of an entry with ENTRY_OBJECT. */
static inline struct object_root store_root(const struct engine *engine, const struct store_spot *spot) {
    struct object_root root;
    words_read(&root, engine->range.base + spot->location + spot->entry.value_at, sizeof root);
    return root;
}

/* Writes the root after objects were taken or given; its charge says how many bytes they are now. */
void store_root_set(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                    const struct object_root *root);

__attribute__((always_inline)) static inline bool store_entry_at(const struct engine *engine, uint64_t location,
                                                                 struct entry *ret_entry) {
    const struct range *range = &engine->range;
    uint32_t number = range_segment_of(range, location);
    return entry_decode(range->base + location, range_segment_at(range, number + 1) - location,
                        &range->segments[number].base_ms, ret_entry);
}

/* Whether its time has come. */
static inline bool store_has_expired(const struct entry *entry, uint64_t now_ms) {
    return entry->expires_at_ms != 0 && (entry->expires_at_ms <= now_ms || entry->softened);
}

/* Its key, under its shard's lock. */
static inline struct slice store_name_at(const struct engine *engine, uint64_t location, const struct entry *entry) {
    return slice_make(engine->range.base + location + entry->key_at, entry->key_size);
}

/* Whether it is dead by a ban. Here and below, `name` is its key: the reader's own copy, unless he holds the lock. */
static inline bool store_is_banned(const struct engine *engine, const struct entry *entry, struct slice name) {
    return __builtin_expect(atomic_load_explicit(&engine->ban_count, memory_order_acquire) != 0, 0) &&
           bans_kill(atomic_load_explicit(&engine->bans, memory_order_relaxed), entry->db, entry->stamp, name);
}

/* What its tags say of an entry: one was invalidated since the value was written; or only softly. Without a lock, for an entry that is found
 * to have been there afterwards. */
bool store_tags_say_dead(const struct engine *engine, uint64_t location, const struct entry *entry);
bool store_tags_say_stale(const struct engine *engine, uint64_t location, const struct entry *entry); /* or dead */
static inline bool store_is_dead(const struct engine *engine, uint64_t location, const struct entry *entry,
                                 struct slice name) {
    return (__builtin_expect((entry->flags & ENTRY_TAGS) != 0, 0) && store_tags_say_dead(engine, location, entry)) ||
           store_is_banned(engine, entry, name);
}

/* Whether nobody may see the entry any more who does not ask for stale values, though it stands in the index. */
static inline bool store_is_gone(const struct engine *engine, uint64_t location, const struct entry *entry,
                                 struct slice name, uint64_t now_ms) {
    return store_has_expired(entry, now_ms) ||
           (__builtin_expect((entry->flags & ENTRY_TAGS) != 0, 0) && store_tags_say_stale(engine, location, entry)) ||
           store_is_banned(engine, entry, name);
}

/* When nobody at all may see it any more by its time; UINT64_MAX: never. For one with an expiry. */
static inline uint64_t store_ends_ms(const struct entry *entry) {
    uint64_t stale_ms = entry_stale_ms(entry->stale);
    return stale_ms < UINT64_MAX - entry->expires_at_ms ? entry->expires_at_ms + stale_ms : UINT64_MAX;
}

/* When something is to be done with it by its time: it is to be softened, or removed. For one with an expiry. */
static inline uint64_t store_due_ms(const struct entry *entry) {
    return entry->softened ? store_ends_ms(entry) : entry->expires_at_ms;
}

/* Whether its time has come and nobody has been told of that yet. */
static inline bool store_is_late(const struct entry *entry, uint64_t now_ms) {
    return !entry->softened && store_has_expired(entry, now_ms);
}

/* Whether nobody at all may see it any more: it is to be removed. */
static inline bool store_is_over(const struct engine *engine, uint64_t location, const struct entry *entry,
                                 struct slice name, uint64_t now_ms) {
    return (store_has_expired(entry, now_ms) && (entry->stale == 0 || store_ends_ms(entry) <= now_ms)) ||
           store_is_dead(engine, location, entry, name);
}

/* The same for what most entries are: a string in database 0 without an expiry, with a key of this size. False: it is something else. */
static inline bool store_entry_is_plain(const struct range *range, const uint8_t *entry, size_t key_size,
                                        uint32_t *ret_value_at, uint32_t *ret_stored_size) {
    return entry_plain_decode(entry, key_size, ret_value_at, ret_stored_size) &&
           range_is_one_segment(range, (uint64_t)(entry - range->base), (uint64_t)*ret_value_at + *ret_stored_size);
}
static inline const uint8_t *store_plain_entry_at(const struct engine *engine, uint64_t location, size_t key_size,
                                                  uint32_t *ret_value_at, uint32_t *ret_stored_size) {
    const uint8_t *at = engine->range.base + location;
    return location && store_entry_is_plain(&engine->range, at, key_size, ret_value_at, ret_stored_size) ? at : NULL;
}

/* --------------------------------------------------- parts of the above, for reclaim and expiry */

/* The log for an entry that owns so many bytes elsewhere. One that is not open gives way to the next size class, or to the other kind
 * of entries that expire, when the shard has as many segments open as it may. */
uint32_t store_log_of(const struct engine *engine, const struct actor *actor, const struct shard *shard,
                      enum store_queue queue, const struct entry *entry, uint64_t owned_bytes);

static inline enum store_queue store_queue_of_log(uint32_t log) {
    return log < STORE_LOGS_A_QUEUE ? STORE_SMALL : STORE_MAIN;
}
static inline bool store_log_expires(uint32_t log) { return log % STORE_LOGS_A_QUEUE / STORE_CLASSES != STORE_LASTING; }
static inline bool store_log_is_large(uint32_t log) { return log % STORE_CLASSES >= STORE_CLASSES_MAX; }

/* Bytes of new entries that were ever written: what the age of segments is counted in. */
uint64_t engine_clock(const struct engine *engine);

/* Bytes in a queue of a store. */
uint64_t store_queue_bytes(const struct engine *engine, const struct store *store, enum store_queue queue,
                           bool expiring_only);

/* Room for an entry in the log's open segment, which may be a new one: plans the entry for it. 0 when there is no memory. */
uint64_t store_append(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t log,
                      struct entry *entry, bool for_reclaim);

/* Counts an entry in or out: its segment, shard and database. */
void store_account(struct engine *engine, struct shard *shard, uint64_t location, const struct entry *entry,
                   uint64_t owned_bytes, int sign);

static inline bool store_log_has_tail(const struct shard_log *list, uint32_t number) {
    for (int i = 0; i < STORE_TAILS; i++)
        if (list->tails[i] == number)
            return true;
    return false;
}

/* Nothing more goes into this segment, which its log has open or as a tail. */
void store_seal(struct engine *engine, struct shard *shard, uint32_t number);

/* Takes a segment out of its log and gives it back to the pool. Nothing in it may be alive. */
void store_drop_segment(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t number);

/* Where the directories of a shard's cells of the tier are, in an engine that has them. */
void store_tier_directories(const struct engine *engine, uint32_t shard, uint64_t *ret_pages_at,
                            uint64_t *ret_overflow_at);

/* The end of a removal, when no cell leads to the entry any more, but before readers see that: tells of it, and takes it out of filter and
 * accounts. */
void store_release(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_spot *spot,
                   enum store_change reason);

uint64_t store_hash_at(void *engine, uint64_t location);

/* ---------------------------------------------------------------- stores */

static inline struct store *store_of_shard(const struct engine *engine, uint32_t shard) {
    return &engine->stores[engine->shards[shard].store];
}
static inline enum store_policy store_policy_of(const struct engine *engine, const struct shard *shard) {
    return (enum store_policy)atomic_load_explicit(&engine->stores[shard->store].policy, memory_order_relaxed);
}

/* What a store has: bytes of its segments and of its large values (one that entries share counts with each of them). */
uint64_t store_bytes(const struct engine *engine, uint32_t store);
/* Of these, what lives: entries, and what they own. */
uint64_t store_live_bytes(const struct engine *engine, uint32_t store);
uint64_t store_entries(const struct engine *engine, uint32_t store);

/* Changes what is guaranteed, while running: a share of the limit if `share_permille` is not 0. STATUS_INVALID when all guarantees
 * together would be more than the limit; nothing changes then. */
MUST_CHECK enum status store_guarantee_set(struct engine *engine, uint32_t store, uint32_t share_permille,
                                           uint64_t bytes);

void store_bounds_set(struct engine *engine, uint32_t store, const struct store_bounds *bounds);

/* Another store that no pattern sends keys to; in the place of one that was given up, if there is. While nobody else is in the
 * engine, and no lock is held. STATUS_INVALID as engine_open; STATUS_FULL: there is no place for one more, or no memory. */
MUST_CHECK enum status engine_store_add(struct engine *engine, struct actor *actor, const struct store_options *options,
                                        uint32_t *ret_store);
/* Nothing is in the store, and no key is sent there. Its number may come back. */
void engine_store_give_up(struct engine *engine, uint32_t store);
static inline bool store_is_given_up(const struct store *store) { return store->name[0] == 0; }

/* Bytes that live, in all shards, large values and objects included. */
uint64_t engine_live(const struct engine *engine);

void engine_verify(struct engine *engine, struct actor *actor);

#endif
