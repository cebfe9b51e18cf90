/* core/cache/cache.h: a cache of typed entries in sixteen databases, in one range of memory.
 *
 * What commands and the library call. Reads take no lock; everything that changes an entry goes
 * through an *edit*, which holds the lock of the key's shard from begin to end.
 *
 *     struct cache_edit edit;
 *     cache_edit_begin(cache, actor, &key, &edit);    locks the shard, looks the key up
 *     if (edit.found) ... cache_edit_piece(&edit, 0)  reads in place
 *     status = cache_edit_set(&edit, value, expires); replaces, or creates
 *     cache_edit_end(&edit);                          unlocks
 *
 * Sizes:   keys 0 to 65,536 bytes, values 0 bytes to 512 MiB. STATUS_TOO_LARGE beyond.
 * Errors:  a failed call changes nothing. STATUS_FULL means the limit is reached and nothing may go.
 * Edits:   several may be open under cache_lock_keys, of one key too; what an edit shows is what it saw or did itself, until its next
 *          changing call, which looks again. STATUS_INVALID when another edit has removed what was to be changed.
 * Threads: any thread may call anything, each with an actor of its own. An edit belongs to the thread that began it.
 *          At most one edit of a thread is open at a time, unless it holds all shards concerned through
 *          cache_lock_keys or cache_lock_all.
 * Memory:  the range belongs to the caller and must start zero-filled; slices that an edit hands out end with the next
 *          changing call on the edit, or with cache_edit_end.
 * Time:    actor->now_ms. An entry whose expiry is at or before it does not exist for any call here.
 */
#ifndef STRATA_CORE_CACHE_CACHE_H
#define STRATA_CORE_CACHE_CACHE_H

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/store/actor.h"

enum {
    CACHE_DATABASES = 16,
    CACHE_KEY_SIZE_MAX = 64 * 1024,
    CACHE_VALUE_SIZE_MAX = 512 * 1024 * 1024,
};

/* What an index can point into: 2 TiB. Tables may take half of a range, so this is twice the largest limit that is sure to fit. */
#define CACHE_RANGE_SIZE_MAX (1ull << 41)

/* CACHE_NOTHING is what is known not to exist: an entry with an expiry and tags like any other, but no call finds a key that has it; only
 * `nothing` tells. Writing overwrites it, a deletion takes it away. */
enum cache_type {
    CACHE_STRING,
    CACHE_LIST,
    CACHE_SET,
    CACHE_SORTED_SET,
    CACHE_HASH,
    CACHE_STREAM,
    CACHE_OBJECT,
    CACHE_NOTHING
};

enum cache_policy {
    CACHE_NOEVICTION,
    CACHE_ALLKEYS_LRU,
    CACHE_ALLKEYS_LFU,
    CACHE_ALLKEYS_RANDOM,
    CACHE_VOLATILE_LRU,
    CACHE_VOLATILE_LFU,
    CACHE_VOLATILE_RANDOM,
    CACHE_VOLATILE_TTL,
    CACHE_SESSION, /* entries of one session live and die together; only for stores opened with it */
    CACHE_POLICY_COUNT
};

/* What happens to entries. The first five say why one is no longer there, or is another. */
enum cache_change {
    CACHE_DELETED,
    CACHE_REPLACED,
    CACHE_EXPIRED, /* when somebody comes across it, which may be later than its time; once, though it may be stale from then on */
    CACHE_EVICTED,     /* for memory, or a store's capacity */
    CACHE_INVALIDATED, /* by a tag, when somebody comes across it; or softly by its name, when that happens */
    CACHE_CREATED,
    CACHE_PATCHED,    /* a part of its value is another, or it has grown */
    CACHE_EXPIRY_SET, /* or taken away */
    CACHE_FLUSHED,    /* of a database, or of CACHE_DATABASES: all that the cache has, or the store that the name is */
    CACHE_TAG_INVALIDATED, /* the name is a tag's; of no database */
    CACHE_NOTHING_DELETED, /* a deletion found nothing: whoever loads that key has to know all the same */
    CACHE_SWAPPED, /* no name; a database has another number from now on. The actor's swapped_with says which place that number had before */
    CACHE_TAG_GOING,     /* as CACHE_TAG_INVALIDATED, but before it happens */
    CACHE_PATTERN_GOING, /* the name is a pattern; keys that match it are about to be deleted (cache_tell_pattern) */
    CACHE_MISSED,        /* a read that counts has found nothing; nothing has changed */
    CACHE_RETAGGED,      /* it bears other tags */
    CACHE_TAG_SOFTENED,  /* as CACHE_TAG_INVALIDATED, but softly: what bears it is stale */
    CACHE_BANNED, /* the name is a pattern: cache_ban; told beside CACHE_PATTERN_GOING. The actor's ban_stamp says which ban it is */
    CACHE_MATCHER_GOING, /* as CACHE_PATTERN_GOING, but the name is the bytes of a pointer to a struct cache_matcher */
    CACHE_SOFTENED,      /* a tag has made it stale: told by an edit that comes across it, perhaps more than once */
    CACHE_STALE_GONE,    /* what was stale is taken away, before its time to be shown as that is over */
    CACHE_DEMOTED, /* it is in the tier from now on (tier.h), and is not told of from there: to who keeps copies an eviction */
};
enum {
    CACHE_EACH = 29, /* no change, but a wish among those: keys that go are told of one by one, when they go */
    CACHE_UNHURRIED =
        30, /* no change, but a wish among those: who is told of expiries can wait until somebody comes across them */
    CACHE_REMOVALS =
        1 << CACHE_DELETED | 1 << CACHE_REPLACED | 1 << CACHE_EXPIRED | 1 << CACHE_EVICTED | 1 << CACHE_INVALIDATED
};

/* Told of each change that is wanted, by the actor that makes it, before it lets go of the entry's shard (of a flush, before it lets go of
 * all; of a tag, before the call returns): so it must be quick and may not call the cache. The name lives during the call. `db` is the
 * engine's database (cache_db_of). A miss is told by a reader that may hold no lock, while another writes the key; its `db` is the
 * client's. NULL: nobody is told. */
struct cache_changes {
    void (*call)(void *context, struct actor *actor, unsigned change, uint32_t db,
                 struct slice name); /* enum cache_change */
    void *context;
    uint32_t wanted; /* at first: a bit for each change (cache_changes_want) */
};

enum {
    CACHE_TAGS_MAX = 16,      /* that a write brings */
    CACHE_RULE_TAGS_MAX = 20, /* and that rules add */
    CACHE_TAG_NAME_MAX = 255,
};

/* What rules say of a value that is written. */
struct cache_terms {
    bool created;           /* in: the value is new; false: it had another name, or the rules did not know of it */
    uint64_t expires_at_ms; /* in: as asked for, 0: never; out */
    uint64_t stale_ms;      /* in: as asked for, 0: not said; out */
    uint32_t tag_count;     /* out: tags that it bears beside those that it brings */
    struct slice tags[CACHE_RULE_TAGS_MAX];
    uint8_t names[CACHE_RULE_TAGS_MAX * CACHE_TAG_NAME_MAX]; /* room for them */
};

/* Asked about each value that is written as new, under its shard's lock: so it must be quick and may not call the cache. Patches and changes of
 * a value that is there leave tags and expiry as they are. A status that is not STATUS_OK refuses the write. NULL: there are no rules. */
struct cache_rules {
    enum status (*terms)(void *context, struct actor *actor, struct slice name, struct cache_terms *terms);
    void *context;
    const char *
        marks; /* first bytes of tags that only rules give: a copy under another name leaves them; NULL: there are none */
    char
        time_mark; /* first byte of tags about the time of a value: a write that keeps its expiry keeps them; 0: there are none */
};

enum {
    CACHE_STORES_MAX = 64, /* with the default store */
    CACHE_STORE_NAME_MAX = 31,
    CACHE_STORE_PATTERNS_MAX = 16,
    CACHE_ENTRIES_MAX_MIN = 10,
    CACHE_SHARE_ALL = 1000, /* permille */
};

/* A named store: the keys that its patterns take (core/store/pattern.h), with memory guaranteed to them. What it does not use is lent to
 * others and taken back when it is wanted. One called "default" has no patterns and takes all other keys. */
struct cache_store {
    struct slice name;            /* letters, digits, '_', '-' */
    const struct slice *patterns; /* not kept */
    uint32_t pattern_count;
    uint32_t share_permille;   /* of the limit, guaranteed; if 0: */
    uint64_t guaranteed_bytes; /* a fixed size, or none */
    uint64_t entries_max;      /* 0: any number; else at least CACHE_ENTRIES_MAX_MIN */
    uint64_t ttl_ms;           /* of entries that are written without an expiry; 0: they stay */
    enum cache_policy policy;
};

/* How a thread sleeps on a word until it changes, handed in by whoever knows the system. */
struct cache_waiting {
    void (*wait)(void *context, _Atomic uint32_t *word, uint32_t seen); /* may return early */
    void (*wake)(void *context, _Atomic uint32_t *word);                /* wakes every waiter */
    void *context;
};

/* How the memory behind the range is had, handed in by whoever knows the system. Anything may be zero. */
struct cache_backing {
    uint64_t huge_size;                                     /* of a huge page, a power of two */
    void (*dense)(void *bytes, uint64_t size, bool filled); /* what stands there, or will, stays: huge pages pay */
    void (*release)(void *bytes, uint64_t size); /* nobody needs what stands there; it must read as zero afterwards */
};

struct object_owner;

struct cache_options {
    void *range;                      /* 4096-byte aligned, zero-filled; pages may be lazily backed */
    uint64_t range_size;              /* bytes of address space; the limit may later be raised up to it */
    uint64_t limit_bytes;             /* memory limit, at most range_size, at least 64 KiB */
    unsigned cores;                   /* 0 counts as 1; bounds the number of shards */
    unsigned shards;                  /* 0: limit / 32 MiB, at most 4 a core, a power of two */
    enum cache_policy policy;         /* of the default store, unless `stores` says more about it */
    uint64_t entries_max;             /* of the default store: 0 for any number, else at least CACHE_ENTRIES_MAX_MIN */
    const struct cache_store *stores; /* not kept */
    uint32_t store_count;
    uint32_t spare_stores; /* for which cache_store_add is to find place later: address space */
    struct cache_changes changes;
    struct cache_rules rules;
    bool tiered;   /* place for the cells of a tier (tier.h): address space */
    uint64_t seed; /* of the key hash and of random choices */
    struct cache_waiting waiting;
    struct cache_backing backing;
    const struct memory *memory; /* for the handle itself */
    const struct object_owner
        *owner;       /* what knows the objects of collections (core/store/object.h); NULL: there are none */
    uint64_t program; /* a number for the program and its version: no other opens the range again (cache_attach) */
};

struct cache;

MUST_CHECK enum status cache_open(const struct cache_options *options, struct cache **ret_cache);
void cache_close(struct cache *cache);

/* Closes it so that the range, wherever it is kept meanwhile, can be opened again with all that is in it. Whoever read, wrote or uploaded has come to an end;
 * no journal is told any more. STATUS_BUSY: somebody has not, as `ret_reason` says, and the range is lost. Closed in any case. Patterns that were banned
 * are compared with all keys before (cache_end_bans), which takes as long as it takes; whoever keeps a journal has that done before he ends it. */
MUST_CHECK enum status cache_close_kept(struct cache *cache, struct actor *actor, const char **ret_reason);
void cache_end_bans(struct cache *cache, struct actor *actor);
/* Opens what cache_close_kept has left (core/store/image.h has what must be the same): entries, versions, tags, stores, filters and what is set of them by cache_filter_set are as
 * they were; named stores and the limit are as the options say. Stores that were added are there, and get keys when cache_reroute_again says so.
 * STATUS_INVALID: not usable, `ret_reason` says why, or the options are wrong; STATUS_NO_MEMORY. Nothing has changed then. */
MUST_CHECK enum status cache_attach(const struct cache_options *options, struct cache **ret_cache,
                                    const char **ret_reason);

/* ------------------------------------------------------------------ keys */

struct cache_key {
    struct slice name;
    uint64_t hash;
    uint32_t db;        /* 0 to CACHE_DATABASES - 1, as the client numbers them */
    uint32_t place;     /* private: the engine's database at the time of hashing (cache_swap may change it) */
    const void *hint;   /* private, like what follows: where cache_keys_ahead saw it, or NULL */
    const void *bucket; /* where it looked, or NULL */
    uint64_t shape;     /* of the index at that time */
    uint64_t wanted;    /* the fingerprint by that shape */
};

struct cache_key cache_key(const struct cache *cache, uint32_t db, struct slice name);

/* For keys that will be looked up soon, of which only `name` and `db` are filled in. The first step makes them what cache_key would
 * and starts loading where the index knows them; the second, some work later, looks there and starts loading the entries. The lookups,
 * some work later again, find everything at hand and need not search the index. Nothing but speed depends on either.
 * Give each step several keys at once: their waits for memory run side by side. */
void cache_keys_ahead(const struct cache *cache, struct cache_key *keys, size_t count);
void cache_entries_ahead(const struct cache *cache, struct cache_key *keys, size_t count);

/* ------------------------------------------------------------- lock-free */

struct cache_info {
    enum cache_type type;
    uint64_t size;          /* value bytes */
    uint64_t expires_at_ms; /* Unix time, 0: never */
    uint64_t version;       /* of the value; 0: none was asked for since it was written (cache_edit_version) */
    uint64_t row;           /* version that whoever wrote it has given, 0: none */
    uint64_t charged_bytes; /* what the entry occupies, index cell included */
    uint32_t use_count;     /* 0 to 7 */
    uint64_t idle_ms;       /* age of the segment that holds it */
};

/* A large value held in place. Copy it freely, but unpin each pin once. */
struct cache_pin {
    uint64_t first; /* 0: nothing pinned */
    uint64_t size;
};

struct cache_read {
    /* in */
    uint64_t offset;   /* of the wanted part */
    uint64_t size_max; /* bytes wanted at most; UINT64_MAX for all from offset */
    uint64_t
        pin_min; /* a wanted part of at least this many bytes, if it stands in extents, is pinned and not copied; 0: never pin */
    bool quiet;   /* do not count a hit or a use */
    bool facts;   /* fill all of `info`; else only type, size, expiry and versions, which cost nothing */
    bool settled; /* the tier was asked (tier.h): what is not in memory is a miss */
    /* Answers room for `size` bytes, or NULL to give up (STATUS_NO_MEMORY). Called again with a new
     * size when a writer came between; only the last room counts. */
    void *(*reserve)(void *context, uint64_t size);
    void *context;
    /* out, valid when found */
    struct cache_info info;
    uint64_t size;        /* bytes copied or pinned */
    struct cache_pin pin; /* if pin.first is not 0; read from `offset` on */
    /* out, valid when not found */
    bool nothing; /* a CACHE_NOTHING stands there */
    bool tiered;  /* it is not in memory, but may be in the tier: neither counted nor told, unless it is settled */
};

/* Copies or pins a part of the value. A miss is ret_found == false. Counts hits and misses. */
MUST_CHECK enum status cache_get(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                 struct cache_read *read, bool *ret_found);

/* The short way for small strings, which are most of what is read: one try, in two steps, so that the size is known before the bytes
 * are copied. Nothing may happen in between. */
enum { CACHE_GLANCE_MAX = 512 };
enum cache_glance {
    CACHE_GLANCE_HIT,  /* a value of sight.size bytes, at most CACHE_GLANCE_MAX: take it with cache_glance_copy */
    CACHE_GLANCE_MISS, /* there is none; a miss is counted */
    CACHE_GLANCE_UNSURE, /* larger, of another type, perhaps in the tier, or a writer came between: take cache_get. Nothing is counted */
};
struct cache_sight {
    uint32_t size;
    /* private */
    uint32_t number;
    const void *shard, *bucket;
    uint64_t shape, cell;
    const void *cell_at;
    const uint8_t *bytes;
};
enum cache_glance cache_glance(const struct cache *cache, struct actor *actor, const struct cache_key *key,
                               struct cache_sight *ret_sight);
/* Copies what was seen and counts a hit and a use; false, with nothing counted and `to` full of anything, if a writer came between. */
bool cache_glance_copy(struct actor *actor, const struct cache_sight *sight, uint8_t *to);

/* The same for up to CACHE_MANY_MAX keys of one database, whose loads run side by side: some times faster than one after the other once
 * the entries are more than the processor's caches hold. Each key is read at a moment of its own; one that
 * stands there twice counts one use or two. */
enum { CACHE_MANY_MAX = 64 };
struct cache_wish {
    struct slice name;        /* in */
    uint8_t *to;              /* in: room for `room` bytes */
    uint32_t room;            /* in: at most CACHE_GLANCE_MAX; a larger value is UNSURE */
    uint32_t size;            /* out, of a hit */
    enum cache_glance answer; /* out; UNSURE as above, with `to` full of anything */
};
void cache_glance_many(struct cache *cache, struct actor *actor, uint32_t db, struct cache_wish *wishes,
                       uint32_t wish_count);

/* What is known of an entry, without its value. `counted`: count a hit or miss and a use. */
bool cache_find(struct cache *cache, struct actor *actor, const struct cache_key *key, bool counted,
                struct cache_info *ret_info);

/* The longest contiguous piece of a pinned value from `offset` on. */
struct slice cache_pin_piece(const struct cache *cache, struct cache_pin pin, uint64_t offset);
void cache_unpin(struct cache *cache, struct actor *actor, struct cache_pin pin);

/* Reads of several keys at one moment: begin, read them all, and if it does not hold, begin again; after some tries
 * take cache_lock_keys instead. */
struct cache_moment {
    uint64_t sum;
    bool usable;
};
struct cache_moment cache_moment_begin(struct cache *cache, const struct cache_key *keys, size_t count);
bool cache_moment_holds(struct cache *cache, const struct cache_key *keys, size_t count, struct cache_moment moment);

/* ----------------------------------------------------------------- edits */

struct cache_kept_tags;

/* Asked under the shard's lock, when all is ready but the value to be published: the tags that it will bear, those of the rules included, are
 * borne already, so an invalidation that comes after this finds them. `ret_version`, of cache_stamp, says since when the value is
 * known: what was invalidated since kills it. A status that is not STATUS_OK refuses the write. It may not call the cache. */
struct cache_check {
    enum status (*call)(void *context, const struct slice *tags, uint32_t tag_count, uint64_t *ret_version);
    void *context;
};

struct cache_edit {
    bool found;
    bool nothing; /* not found, because a CACHE_NOTHING stands there */
    bool
        stale; /* not found, because it has expired or was softly invalidated; it is there for who asks for stale values */
    uint64_t stale_ms;      /* valid when stale: for how long */
    enum cache_type type;   /* valid when found or stale, like all below */
    uint64_t size;          /* value bytes */
    uint64_t expires_at_ms; /* 0: never */
    uint64_t version;       /* of the cache; 0: none */
    uint64_t row;           /* given version, 0: none */
    bool
        versioned; /* in, after begin: what cache_edit_set writes gets a version; off at begin. Any other write of the value takes it */
    bool
        keeps_time; /* in, after begin: the expiry that a set asks for is that of what is found, which is only bounded by rules; off at begin */
    const struct slice *
        tags; /* in, after begin: the tags of what a set writes; none at begin. Other writes leave the tags as they are */
    uint32_t tag_count;
    uint64_t
        set_row; /* in, after begin: the version given to what a set writes; 0 at begin. Other changes of the value take it away */
    uint64_t
        set_stale_ms; /* in, after begin: for how long after its expiry what a set writes is stale; 0 at begin: as rules say */
    const struct cache_kept_tags *kept; /* in, after begin: a set puts back what had these; NULL at begin */
    const struct cache_check *check;    /* in, after begin: asked whether a set may write; NULL at begin */
    /* private */
    struct cache *cache;
    struct actor *actor;
    struct cache_key key;
    uint32_t shard;
    bool locked_here;
    uint64_t stale_at;  /* the entry that was found to be stale */
    struct slice patch; /* that is being written, at `patch_at` */
    uint64_t patch_at;
    uint64_t spot[12];
};

/* Makes room for a large write, ahead of the edit that does it: an edit that finds no memory fails, because it cannot wait
 * while it holds a lock. Needed for values from about 64 KiB on; smaller ones need no call. Nothing happens while the actor holds locks. */
void cache_prepare(struct cache *cache, struct actor *actor, const struct cache_key *key, uint64_t write_bytes);
/* Makes room where a write of the key has just found none, because others were faster or it takes more than is kept ready, for so many
 * `segments` more; they are the actor's until its next write. False: nothing may go, or the actor holds locks. */
bool cache_make_room(struct cache *cache, struct actor *actor, const struct cache_key *key, uint32_t segments);

/* Makes room for a small write, locks the key's shard (unless this actor holds it already) and looks the key up. */
void cache_edit_begin(struct cache *cache, struct actor *actor, const struct cache_key *key,
                      struct cache_edit *ret_edit);
/* The same for what has this place in the engine (struct cache_key), also while databases are being swapped; with room for so many bytes. */
void cache_edit_begin_place(struct cache *cache, struct actor *actor, uint32_t place, struct slice name,
                            uint64_t write_bytes, struct cache_edit *ret_edit);
void cache_edit_end(struct cache_edit *edit);

/* The longest contiguous piece of the value from `offset` on, in place, of what is found or stale; empty at the end. The
 * whole value is one piece up to a quarter of a segment (at least 1 KiB); larger ones may be several. */
struct slice cache_edit_piece(const struct cache_edit *edit, uint64_t offset);

/* Copies a part that lies inside the value. */
void cache_edit_copy_out(const struct cache_edit *edit, uint64_t offset, void *ret_bytes, uint64_t size);

/* Replaces or creates. `value` must not point into the cache. expires_at_ms 0: never. */
MUST_CHECK enum status cache_edit_set(struct cache_edit *edit, enum cache_type type, struct slice value,
                                      uint64_t expires_at_ms);

/* Gives an entry that is there another value; its type, expiry and tags stay. */
MUST_CHECK enum status cache_edit_change(struct cache_edit *edit, struct slice value);

/* Makes the value at least offset + bytes.size long, zero-filling, and writes `bytes` at `offset`. Keeps expiry. Creates a
 * string when there is none. In place where that is possible. `bytes` must not point into the cache.
 * STATUS_INVALID for a collection that is made of objects: only its owner changes it. */
MUST_CHECK enum status cache_edit_patch(struct cache_edit *edit, uint64_t offset, struct slice bytes);
/* Several patches at one moment, all of them or none: each begins at or behind the end of the one before. */
struct cache_patch {
    uint64_t offset;
    struct slice bytes;
};
MUST_CHECK enum status cache_edit_patch_all(struct cache_edit *edit, const struct cache_patch *patches, uint32_t count);

/* Gives an entry that is there a version, if it has none. Its value and expiry stay. A version is at least 2^32 and changes, or goes,
 * with each write of the value; it does not come again within 2^44 versions of the cache. */
MUST_CHECK enum status cache_edit_version(struct cache_edit *edit);

/* Gives an entry that is there these tags instead of what it has. Its value and expiry stay, and its version if it has one.
 * STATUS_INVALID for a name that is empty or longer than cache_tag_name_max, or more different ones than there may be with those of rules. */
MUST_CHECK enum status cache_edit_retag(struct cache_edit *edit, const struct slice *tags, uint32_t tag_count);
/* Names the tags of an entry, in no order; none if there is no entry. A name lives during the call, which may not call the cache. */
void cache_edit_tags(const struct cache_edit *edit, void (*name)(void *context, struct slice tag), void *context);

/* The tags of an entry, held for as long as somebody may want to put it back as it was: with its versions, so that it is gone if one of
 * them was invalidated meanwhile. False: it has nothing of the kind. Give them back, whatever becomes of it. */
struct cache_kept_tags {
    uint64_t version, row;
    uint32_t stale; /* private */
    uint32_t count, numbers[36];
};
bool cache_edit_keep_tags(const struct cache_edit *edit, struct cache_kept_tags *ret_kept);
void cache_give_tags(struct cache *cache, struct actor *actor, const struct cache_kept_tags *kept);
/* A version that nothing has yet: younger than what was written and invalidated before, older than what will be. */
uint64_t cache_stamp(struct cache *cache);

/* Sets or removes (0) the expiry of an entry that is there. It keeps its version. */
MUST_CHECK enum status cache_edit_expire(struct cache_edit *edit, uint64_t expires_at_ms);

/* Removes the entry, if there is one, be it stale; with the head of a session, all of it. */
void cache_edit_delete(struct cache_edit *edit);
/* The same, but the entry of `kept`, another one, stays even if it is of that session. */
void cache_edit_delete_but(struct cache_edit *edit, const struct cache_edit *kept);
/* Makes what is found stale: only who asks for stale values is shown it, for as long as it would have been there, or been stale after its
 * expiry. What is cached as nothing, and entries of sessions, are removed. Without an entry this is a deletion that finds nothing. */
MUST_CHECK enum status cache_edit_soften(struct cache_edit *edit);
/* Takes an entry away as if it had never been written: alone, though it be the head of a session. */
void cache_edit_undo(struct cache_edit *edit);

/* Gives `to` a copy of `from`'s type and value. A large value is shared until one of the two is patched.
 * STATUS_INVALID for a collection that is made of objects. */
MUST_CHECK enum status cache_edit_copy(const struct cache_edit *from, struct cache_edit *to, uint64_t expires_at_ms);
/* How many copies have been begun so far, each while its two keys were locked. Who looks at all keys one after the other and finds the number as it was
 * has not been passed by a value that came to stand where it had looked before. */
uint64_t cache_transfers(const struct cache *cache);

/* Counts a hit or miss and a use, as a read would. */
void cache_edit_count_read(struct cache_edit *edit);

/* The plain write: begin, set a string, end. */
MUST_CHECK enum status cache_set(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                 struct slice value, uint64_t expires_at_ms);
/* Answers whether it was there. */
bool cache_delete(struct cache *cache, struct actor *actor, const struct cache_key *key);

/* ------------------------------------------------------------------- tags */

/* Names that entries bear, of any database, and by which they are invalidated together: an entry is gone as soon as one of its tags has been
 * invalidated since its value was written. Nothing is walked for that. A set gives an entry the tags that it brings (struct cache_edit), or
 * none; other changes of the value keep them, and are dead with it if a tag was invalidated meanwhile. A tag is there while
 * entries bear it that still stand in memory. Entries with tags have a version. */
/* Bytes that a name may have: CACHE_TAG_NAME_MAX, a little less with a limit of a few MiB. */
size_t cache_tag_name_max(const struct cache *cache);

/* Entries that were written with the tag since it was last invalidated and bear it still; those that expired, or went by another tag, count
 * until somebody comes across them. */
uint64_t cache_tag_count(struct cache *cache, struct actor *actor, struct slice tag);
/* Entries that bear the tag and can be seen, in all databases. `all`, or where there are few entries: looks at each, and is exact but for what others
 * write meanwhile. Else cache_tag_count, after the sweeper has had some slices if the actor holds no locks. */
uint64_t cache_tag_count_seen(struct cache *cache, struct actor *actor, struct slice tag, bool all);

/* False: no entry of this key that anybody can see bears tags. Without a lock. */
bool cache_may_bear_tags(const struct cache *cache, const struct cache_key *key);

/* What reads this tag afterwards does not find what was written before. Answers how many entries went (cache_tag_count). */
uint64_t cache_tag_invalidate(struct cache *cache, struct actor *actor, struct slice tag);
/* The same, but what was written before is stale. Answers how many entries that concerns, those that were stale already included. */
uint64_t cache_tag_soften(struct cache *cache, struct actor *actor, struct slice tag);

/* ------------------------------------------------------------------- rules */

/* Whether struct cache_rules is asked; not at first. */
void cache_rules_ask(struct cache *cache, bool asked);
/* Gives an entry that is there the tags of the rules, beside those of its own (whose names do not begin with one of the rules' marks). Its
 * value and version stay, its expiry is bounded. */
MUST_CHECK enum status cache_edit_reclass(struct cache_edit *edit);
/* Whether that would change nothing; also of what is stale, or nothing. */
bool cache_edit_is_classed(const struct cache_edit *edit);

/* How much more memory the entries that are there would take under other rules, which are asked as those in force are: those of stores that
 * evict nothing with their tags, and all tags that nobody bears yet. The number of these is estimated, to a percent or so. NULL without
 * memory for the estimate, which takes a MiB. */
struct cache_forecast *cache_forecast_new(struct cache *cache, const struct cache_rules *rules);
void cache_forecast_free(struct cache_forecast *forecast);
void cache_forecast_add(struct cache_forecast *forecast, struct actor *actor, uint32_t place, struct slice name);
uint64_t cache_forecast_bytes(const struct cache_forecast *forecast);
/* For how much of that there is room; UINT64_MAX if nothing is there that may not be evicted. */
uint64_t cache_room_for_tags(const struct cache *cache);

/* ------------------------------------------------- uploads of large values */

/* A value that is written piece by piece into extents that no key refers to yet. */
struct cache_upload {
    uint64_t size;   /* announced */
    uint64_t filled; /* written so far */
    uint32_t store;  /* that makes room for it */
    bool replaces;   /* a value of that size or more, as far as it is known: what is full takes it all the same */
    /* private */
    uint64_t first, last, room;
    uint64_t reserved;     /* bytes counted in the store until they are there */
    uint32_t reservations; /* of the cache when that was done */
};

/* Values of at least this size can be uploaded. */
uint64_t cache_upload_size_min(const struct cache *cache);
MUST_CHECK enum status cache_upload_begin(struct cache *cache, uint64_t size, struct cache_upload *ret_upload);
/* Says which key it is for. Where there are several stores, what it will add to the key's store is reserved there, until it is set or dropped, so
 * several on their way together stay within the store's quota. STATUS_FULL: there is no room for it in the quota, or never was; nothing is
 * reserved then. What is no larger than the value that stands there needs none. */
MUST_CHECK enum status cache_upload_aim(struct cache *cache, struct actor *actor, struct cache_upload *upload,
                                        const struct cache_key *key);
/* Stores have come or gone since it was aimed (cache_reroute): nothing is reserved for it until it is aimed again. */
bool cache_upload_is_astray(const struct cache *cache, const struct cache_upload *upload);
/* Room for the next bytes, at least 1 while filled < size; taken from the cache as it is needed. */
MUST_CHECK enum status cache_upload_room(struct cache *cache, struct actor *actor, struct cache_upload *upload,
                                         void **ret_bytes, uint64_t *ret_size);
void cache_upload_filled(struct cache_upload *upload, uint64_t size);
void cache_upload_drop(struct cache *cache, struct actor *actor, struct cache_upload *upload);
/* As cache_edit_set with a string; the upload must be complete, and is empty afterwards. On failure it is kept. */
MUST_CHECK enum status cache_edit_set_upload(struct cache_edit *edit, struct cache_upload *upload,
                                             uint64_t expires_at_ms);

/* ------------------------------------------------------------ several keys */

/* Locks the shards of all keys, in one order, until cache_unlock. Not nested. The same key may stand there twice.
 * `write_bytes`: what the caller is about to write in all, so that room is made before any lock is taken. */
void cache_lock_keys(struct cache *cache, struct actor *actor, const struct cache_key *keys, size_t count,
                     uint64_t write_bytes);
void cache_lock_all(struct cache *cache, struct actor *actor, uint64_t write_bytes);
void cache_unlock(struct cache *cache, struct actor *actor);
bool cache_locked(const struct actor *actor); /* holds any lock of cache_lock_* */

/* ---------------------------------------------------------------- watching */

/* A mark that changes whenever the key is written, deleted or flushed. Changes of other keys may change it too, rarely:
 * the marks are a counter for each KiB of the limit at the start, at most 65,536. */
struct cache_watch {
    uint32_t slot, mark; /* which counter, and what it said */
    uint32_t epoch;      /* of the database: flushes and swaps */
    bool existed;
};
struct cache_watch cache_watch_begin(struct cache *cache, struct actor *actor, const struct cache_key *key);
bool cache_watch_holds(struct cache *cache, struct actor *actor, const struct cache_key *key, struct cache_watch watch);
void cache_watch_end(struct cache *cache); /* once for each begin */

/* ---------------------------------------------------------------- changes */

/* Says anew which changes are told of, a bit for each. Who asks for more passes before he relies on it: what is under way may not have
 * seen it. */
void cache_changes_want(struct cache *cache, uint32_t wanted);
/* Waits until all that was being changed is. The actor holds no locks. */
void cache_changes_pass(struct cache *cache, struct actor *actor);
/* Before somebody looks for the keys of a database that match a pattern, in order to delete them. */
void cache_tell_pattern(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern);
/* The same where no pattern says which keys: they are asked about one by one, by this thread and during the call. */
struct cache_matcher {
    bool (*matches)(void *context, struct slice name);
    void *context;
};
void cache_tell_matcher(struct cache *cache, struct actor *actor, uint32_t place, const struct cache_matcher *matcher);
/* Instead of that search: all keys of that place in the engine that match the pattern (base/glob.h) are gone when it answers, and nobody has been looking for them.
 * Housekeeping removes what they took, and tells of each as CACHE_INVALIDATED. False: nothing has happened, for there are too many bans at the time, or no memory for the first, or somebody
 * wants to be told of each (CACHE_EACH). The actor holds no locks, or all. */
MUST_CHECK bool cache_ban(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern);
struct cache_bans {
    uint32_t live;          /* patterns that not all keys have been compared with yet */
    uint64_t set, removed;  /* patterns ever, and keys that were removed for them */
    uint32_t done_permille; /* of the walk over all keys that is under way */
};
void cache_bans(const struct cache *cache, struct cache_bans *ret_bans);
/* For who counts a miss by himself, after a quiet read. */
void cache_tell_miss(struct cache *cache, struct actor *actor, const struct cache_key *key);
/* Which database has this place in the engine at present. */
uint32_t cache_db_of(const struct cache *cache, uint32_t place);
/* The hash of a key in that place: what struct cache_key has. Keys of one session have the same. */
uint64_t cache_hash_at(const struct cache *cache, uint32_t place, struct slice name);

/* ----------------------------------------------------------- explanations */

/* What stands where a read has found nothing: an entry whose time has come, or that one of its tags has invalidated, and that nobody has come across
 * yet or that is stale; a CACHE_NOTHING; or nothing at all. Without a lock, while others may write. */
enum cache_gone { CACHE_GONE_NOT, CACHE_GONE_ALL, CACHE_GONE_EXPIRED, CACHE_GONE_DEAD, CACHE_GONE_NOTHING };
enum cache_gone cache_look_gone(const struct cache *cache, const struct actor *actor, uint32_t place,
                                struct slice name);
/* The place of a database at present; the opposite of cache_db_of. */
uint32_t cache_place_of(const struct cache *cache, uint32_t db);
/* Whether the key's store has more entries than it may, while it is told of one that is evicted: that is why then. */
bool cache_is_over_capacity(const struct cache *cache, uint32_t place, struct slice name);
/* Whether the entry has been moved to the main queue, as one that was used; else it stands in the small one. */
bool cache_edit_is_in_main(const struct cache_edit *edit);
/* Whether what is stale has expired by its time; else it was softly invalidated. */
bool cache_edit_stale_by_time(const struct cache_edit *edit);
/* The tag by which what is stale was softly invalidated, written to `name` (CACHE_TAG_NAME_MAX); empty: none, but time, or its own name. */
struct slice cache_edit_stale_by(const struct cache_edit *edit, uint8_t *name);

/* -------------------------------------------------------------- keyspaces */

/* Visits at least every entry that is there during the whole scan; an entry may come twice. Answers the
 * next cursor, 0 at the end, CACHE_SCAN_FAILED if there was no memory to go on from this one: then nothing was visited. The name is a copy that lives during the call. No lock is held in `visit`; it may call the cache. */
#define CACHE_SCAN_FAILED UINT64_MAX
typedef void (*cache_visit)(void *context, struct slice name, const struct cache_info *info);
uint64_t cache_scan(struct cache *cache, struct actor *actor, uint32_t db, uint64_t cursor, uint32_t count,
                    cache_visit visit, void *context);

/* The same for what has this place in the engine (struct cache_key), whatever number the database has by now, and with what is cached as being
 * nothing, what is stale, and what has expired and is still there: threads' clocks differ. For whoever wants all of it gone, or looked at. */
uint64_t cache_scan_place(struct cache *cache, struct actor *actor, uint32_t place, uint64_t cursor, uint32_t count,
                          cache_visit visit, void *context);

/* The same for entries that bear a tag. It looks at all entries, as there is no list of them; `count` bounds what it visits and, ten times
 * as much, where it looks. */
uint64_t cache_scan_tag(struct cache *cache, struct actor *actor, uint32_t db, struct slice tag, uint64_t cursor,
                        uint32_t count, cache_visit visit, void *context);

/* A random live key of the database, copied into `name` (room for CACHE_KEY_SIZE_MAX bytes); false if there is none. */
bool cache_random_key(struct cache *cache, struct actor *actor, uint32_t db, uint64_t random, uint8_t *name,
                      size_t *ret_size);

uint64_t cache_count(const struct cache *cache, uint32_t db); /* entries, expired ones not yet removed included */
uint64_t cache_count_place(const struct cache *cache, uint32_t place);
uint64_t cache_count_expiring(const struct cache *cache, uint32_t db); /* of these, those with an expiry */
void cache_flush(struct cache *cache, struct actor *actor, uint32_t db);
void cache_flush_all(struct cache *cache, struct actor *actor);
void cache_swap(struct cache *cache, struct actor *actor, uint32_t a, uint32_t b);

/* ------------------------------------------------------------------ stores */

struct cache_store_info {
    const char *name; /* lives as long as the cache */
    enum cache_policy policy;
    uint32_t share_permille, shards;
    uint64_t guaranteed_bytes, entries_max, ttl_ms;
    uint64_t entries, expiring;
    uint64_t bytes;          /* of its segments, and of its large values; values that entries share count with each */
    uint64_t live_bytes;     /* of these, entries that live and what they own */
    uint64_t reserved_bytes; /* not of these: kept for large values on their way (cache_upload_aim) */
    uint64_t log_bytes, index_bytes, ghost_bytes, filter_bytes, object_bytes, large_bytes,
        tier_bytes; /* their sum is `bytes` */
};

uint32_t cache_store_count(
    const struct cache *cache); /* numbers are below; 0 is the default store (cache_store_is_there) */
bool cache_store_find(const struct cache *cache, struct slice name, uint32_t *ret_store);
uint32_t cache_store_of(const struct cache *cache, const struct cache_key *key);
/* Walks the segment table. */
void cache_store_info(const struct cache *cache, uint32_t store, struct cache_store_info *ret_info);
/* Empties one store, all databases. */
void cache_store_flush(struct cache *cache, struct actor *actor, uint32_t store);

/* Changes while running. STATUS_INVALID, and nothing changed: guarantees of more than the limit together, an entries_max under
 * CACHE_ENTRIES_MAX_MIN that is not 0, a policy that does not exist, or to or from `session`. STATUS_FULL, and nothing changed: a store
 * that could not give back holds memory that would be guaranteed to others. */
MUST_CHECK enum status cache_store_guarantee_set(struct cache *cache, uint32_t store, uint32_t share_permille,
                                                 uint64_t bytes);
MUST_CHECK enum status cache_store_entries_max_set(struct cache *cache, uint32_t store, uint64_t entries_max);
MUST_CHECK enum status cache_store_policy_set(struct cache *cache, uint32_t store, enum cache_policy policy);
void cache_store_ttl_set(struct cache *cache, uint32_t store, uint64_t ttl_ms);

/* Of stores that may be asked to give memory, the first are asked before the usual ones, and those before the last. */
enum cache_rank { CACHE_RANK_FIRST, CACHE_RANK_USUAL, CACHE_RANK_LAST };

/* A quota is what the store may have at most, though memory be free, kept to within a segment and never less than eight of them (a segment is
 * 1/512 of the limit). Beyond it the store's own entries go, or a write answers STATUS_FULL. */
struct cache_bounds {
    uint32_t quota_permille; /* of the limit; if 0: */
    uint64_t quota_bytes;    /* 0: no quota */
    bool refuses;
    enum cache_rank rank;
};
void cache_store_bounds_set(struct cache *cache, uint32_t store, const struct cache_bounds *bounds);

/* Stores that come and go. All of these only while no other thread is in the cache or has a cache_key, and no lock is held: whoever
 * calls has stopped the others. Numbers stay what they are; one that was given up is not there until it is given again, and counts
 * in cache_store_count. `store` has no patterns: cache_reroute says what goes there. STATUS_INVALID as cache_open; STATUS_FULL: there is
 * no place for one more (cache_options.spare_stores), or no memory. */
MUST_CHECK enum status cache_store_add(struct cache *cache, struct actor *actor, const struct cache_store *store,
                                       uint32_t *ret_store);
void cache_store_give_up(struct cache *cache, struct actor *actor, uint32_t store); /* no key is sent there */
bool cache_store_is_there(const struct cache *cache, uint32_t store);

/* Who says which store takes a key, instead of the stores' patterns; NULL: all are the default store's. Asked by any thread at any time, and
 * always with the same answer. `ret_part` is what names the session in a store of sessions, else empty. */
struct cache_router {
    uint32_t (*store)(const void *context, struct slice name, struct slice *ret_part);
    const void *context;
};
struct cache_rerouted {
    uint64_t moved, lost; /* lost: for want of memory */
};
/* Moves every entry that now belongs to another store, with all it has; nobody is told but of what has ended, or does not come along. Cursors of scans end, watches break. Not from
 * or to stores of sessions, unless the cache is empty. About 2 microseconds an entry that moves, 0.3 another. */
void cache_reroute(struct cache *cache, struct actor *actor, const struct cache_router *router,
                   struct cache_rerouted *ret_counts);
/* The same where every entry is in its place already: after cache_attach, with a router that answers as the last one did. */
void cache_reroute_again(struct cache *cache, const struct cache_router *router);
/* For a store of sessions that was added: the pattern that names a session's head; it is not copied. */
void cache_store_head_set(struct cache *cache, uint32_t store, struct slice pattern);

/* ------------------------------------------------------------ housekeeping */

/* One slice of expiry and reclaim, at most about 500 microseconds of work. True if there is more to do now. */
bool cache_housekeep(struct cache *cache, struct actor *actor);
/* Only what is over the default store's capacity in entries, which housekeeping sees to as well: for a cache that is to have no more after a
 * write. True if there is more to do now. */
bool cache_trim(struct cache *cache, struct actor *actor);

MUST_CHECK enum status cache_limit_set(struct cache *cache, uint64_t limit_bytes); /* STATUS_INVALID over range_size */
uint64_t cache_limit(const struct cache *cache);
/* Of the default store; as cache_store_policy_set. */
MUST_CHECK enum status cache_policy_set(struct cache *cache, enum cache_policy policy);
enum cache_policy cache_policy_now(const struct cache *cache);
/* As users write it: "allkeys-lfu". */
const char *cache_policy_name(enum cache_policy policy);
/* What is really done under that name, for people: "s3-fifo-by-size". */
const char *cache_policy_method(enum cache_policy policy);

/* How short of memory it is: nothing to do; being reclaimed ahead of need; writers reclaim before they write. */
enum cache_pressure { CACHE_CALM, CACHE_TIGHT, CACHE_CRITICAL };

struct cache_stats {
    uint64_t entries, expiring;
    uint64_t limit_bytes;
    uint64_t occupied_bytes; /* the sum of all uses: used_memory */
    uint64_t live_bytes;     /* entries that live, headers included: used_memory_dataset */
    uint64_t table_bytes;    /* control structures: used_memory_startup */
    uint64_t log_bytes, index_bytes, large_bytes, object_bytes, ghost_bytes, filter_bytes, tag_bytes,
        tier_bytes; /* the other uses; the last: cells (tier.h) */
    uint64_t tags;  /* names that entries bear */
    uint64_t
        dead; /* of `entries`, those that are dead by a tag and were not come across yet; one that several tags have killed counts with each */
    uint64_t idle_bytes; /* resident beside these, to be used again */
    uint64_t pinned_bytes;
    uint32_t shards, segments_total, segments_used, segment_size;
    enum cache_pressure pressure;
};
void cache_stats(const struct cache *cache, struct cache_stats *ret_stats);

/* --------------------------------------------------------------- filters */

/* A store's filter proves of most absent keys that they are absent, without a look at the index. It pays before slower tiers; in
 * memory it costs each hit more than it saves a miss (decision 0017). Off at first. */
enum cache_filter_state {
    CACHE_FILTER_OFF,
    CACHE_FILTER_BUILDING,  /* cache_housekeep builds it in slices; lookups take the usual way until then */
    CACHE_FILTER_ON,        /* perhaps with a larger or smaller one under way */
    CACHE_FILTER_SATURATED, /* some shard's ran full and says nothing, until a larger one is built */
};

/* Rates: of a million absent keys, so many may pass. */
enum { CACHE_FILTER_RATE_PPM_MIN = 200, CACHE_FILTER_RATE_PPM_MAX = 500000, CACHE_FILTER_RATE_PPM_DEFAULT = 10000 };

struct cache_filter_info {
    enum cache_filter_state state;
    bool short_of_memory; /* the last try to get a segment for it failed; it is tried again */
    bool hopeless;   /* more equal hashes than it can hold: nothing is built any more until it is switched on again */
    double progress; /* of what is being built, 0 to 1; 1 when nothing is */
    uint32_t wanted_rate_ppm; /* 0: off */
    double expected_rate;     /* of absent keys that pass, at the present load; 1 while there is no filter */
    uint64_t entries, slots;  /* keys in it, and room for so many */
    uint64_t bytes;           /* of its segments, those under construction included */
    uint32_t mark_bits, bucket_slots;
};

/* Switches the filter of a store on, or off. `rate_ppm` is for on, 0: the default. A filter that is on already
 * is built anew if the rate asks for another layout, and answers meanwhile. STATUS_INVALID for a store that is not there or a rate
 * outside of the two limits; nothing changes then. The actor holds no locks, or all. */
MUST_CHECK enum status cache_filter_set(struct cache *cache, struct actor *actor, uint32_t store, bool enabled,
                                        uint32_t rate_ppm);

/* STATUS_INVALID for a store that is not there. The rate as measured is `unfiltered / (filtered + unfiltered)` of the actors' counts. */
MUST_CHECK enum status cache_filter_info(struct cache *cache, struct actor *actor, uint32_t store,
                                         struct cache_filter_info *ret_info);

/* Walks everything and asserts every invariant. For tests; takes all locks. */
void cache_verify(struct cache *cache, struct actor *actor);

#endif
