/* core/cache/tier.h: entries that are kept outside of memory (sys/warm), of which the cache knows one cell each.
 *
 *     memory ── leaves the main queue ──> add ──> record at an address      cell: hash -> address, 8 bytes
 *       ^                                            |
 *       └── promote <── read often enough ── look <──┴── read, by whoever waits for it
 *
 * A key is in memory, or in the tier, or nowhere. Its name stands in no cell, so a cell that matches its hash may be another key's: only the record tells.
 * That costs a needless read in a few thousand, and lets the cache give up any cell at any time: it is an eviction. Whoever writes or deletes a key
 * that is not in memory gives up all cells that may be its, without reading anything (docs/decisions/0061).
 *
 * How a command asks (all of it without locks but promote, which takes the key's):
 *
 *     cache_get               found, or `tiered`: not in memory, but perhaps in the tier
 *     cache_tier_ask          where: addresses and generations. None: read again, as `settled`
 *     ... the record is read, without waiting ...
 *     cache_tier_look         is it that, and may it be shown? Only _AGAIN: something has happened to the key meanwhile, ask again
 *     cache_tier_promote      into memory, and the command runs there as ever, as `settled`
 *
 * Threads: any may call anything but cache_tier_set, each with an actor of its own; the tier's own thread too. The actor holds no lock of the cache where
 *          it says so.
 * Memory:  a cell is about 13 bytes of the range, charged to its shard; an entry with tags has some 64 bytes more, of the cache's memory. Both have a bound: see
 *          cells_percent.
 * Time:    actor->now_ms.
 */
#ifndef STRATA_CORE_CACHE_TIER_H
#define STRATA_CORE_CACHE_TIER_H

#include "core/cache/cache.h"

enum {
    CACHE_TIER_ADDRESS_BITS = 39,
    CACHE_TIER_PLACES_MAX = 4,      /* that may be one key's; a fifth would be a miss */
    CACHE_TIER_META_SIZE_MAX = 256, /* of a record */
    CACHE_TIER_PIECES_MAX = 128,    /* of a value; one in more pieces is not taken */
    CACHE_TIER_PROMOTE_HITS_MAX = 7,
    CACHE_TIER_CELLS_PERCENT_DEFAULT = 25,
};

/* What goes down. The bytes live during the call. */
struct cache_tier_record {
    uint64_t hash; /* of the key, as the hooks below want it again */
    uint64_t word; /* how old it is: versions that were handed out before (`seq`) */
    struct slice meta, key;
    const struct slice *pieces; /* of the value, one behind the other */
    uint32_t piece_count;
    uint64_t value_size;
};

/* What was read at an address. The bytes are the caller's. */
struct cache_tier_found {
    struct slice meta, key, value;
};

/* Why a record is not taken. */
enum cache_tier_refusal { CACHE_TIER_TAKEN, CACHE_TIER_OVER_BUDGET, CACHE_TIER_BUSY, CACHE_TIER_TOO_LARGE };

/* Who keeps the records. Both calls are quick, wait for nothing and may not call the cache. */
struct cache_tier {
    /* Under a shard's lock, the one that the hooks below take for that hash. `ret_address`: below 2^CACHE_TIER_ADDRESS_BITS; of nobody else until `gone`. */
    enum cache_tier_refusal (*add)(void *context, struct actor *actor, const struct cache_tier_record *record,
                                   uint64_t *ret_address);
    /* Of what stands at an address that a cell has: another one whenever something else comes to stand there. 0: nothing stands there. Any thread. */
    uint64_t (*generation)(void *context, uint64_t address);
    /* For who keeps records longer than this process lives; `file_id` 0: nobody does, and the rest of this is not asked. It says whose records they are: another one whenever
     * what stood at addresses has become void. `position`: what goes down from now on comes to stand in this generation or a higher one. `take`: whether what stood at an address
     * in a generation, as a dump has it, can still be read, and where: at one place, if it was moved while the dump was made and is listed at both; called while a journal is replayed, under the shard's lock, by any thread. */
    uint64_t file_id;
    uint64_t (*position)(void *context);
    bool (*take)(void *context, uint64_t address, uint64_t generation, uint64_t *ret_address);
    void *context;
    uint64_t value_size_max;
    uint32_t promote_hits; /* reads until it comes into memory, 1 to CACHE_TIER_PROMOTE_HITS_MAX; 0: 2 */
    uint32_t
        cells_percent; /* of the limit that cells may take, and as much again what goes with tags; 0: the default. Beyond it new ones take the place of others */
};

/* The cache has been opened with `tiered`, or nothing is ever kept there. Before others are in the cache: ahead of a journal's replay (replay.h), which finds what was listed in the
 * dump then, and puts down what memory has no room for; or behind it. NULL: it forgets all of it, and there is none. STATUS_NO_MEMORY; STATUS_INVALID: not opened with `tiered`. */
MUST_CHECK enum status cache_tier_set(struct cache *cache, struct actor *actor, const struct cache_tier *tier);
/* Changes while running. */
void cache_tier_promote_hits_set(struct cache *cache, uint32_t promote_hits);

/* ------------------------------------------------------------------------------------------ reading */

struct cache_tier_place {
    uint64_t address, generation;
};

/* Where what may be the key's stands; answers how many. 0: it is nowhere, or in memory by now, which a `settled` read decides. Without a lock. */
uint32_t cache_tier_ask(const struct cache *cache, const struct cache_key *key,
                        struct cache_tier_place places[CACHE_TIER_PLACES_MAX]);

enum cache_tier_verdict {
    CACHE_TIER_NOT_IT, /* another key's: the next place */
    CACHE_TIER_SHOWN,  /* it is a string that lives, and was the key's value at one moment of this call */
    CACHE_TIER_WANTED, /* it is the key's: promote it. It has hits enough, or is no string, or has expired or is stale, and the ordinary ways decide */
    CACHE_TIER_DEAD,   /* it was the key's, and is forgotten now: a miss */
    CACHE_TIER_AGAIN, /* nothing leads there any more: the key was written, moved or promoted. Read from the beginning */
};

/* What a record is that was read at a place. Counts a hit of the cache and of its cell if it is shown, but not if `quiet`. `ret_info` is filled if it is
 * shown or wanted: charged_bytes is the record's, use_count its cell's hits, idle_ms the time since it went down. */
enum cache_tier_verdict cache_tier_look(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                        struct cache_tier_place place, const struct cache_tier_found *found, bool quiet,
                                        struct cache_info *ret_info);

/* Puts it into memory as it was, if its cell is still there; STATUS_OK also if it is not any more. Makes room first: the actor holds no lock. STATUS_FULL, STATUS_NO_MEMORY:
 * it stays where it is. Nobody is told, as nothing has changed; the journal notes it as a write, since a snapshot may have passed by meanwhile. */
MUST_CHECK enum status cache_tier_promote(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                          struct cache_tier_place place, const struct cache_tier_found *found);

/* After all places were not it: counts a miss and tells of it, as a read would. */
void cache_tier_missed(struct cache *cache, struct actor *actor, const struct cache_key *key);

/* The key of a record in the tier, whatever the caller believes that it is: for walks. Valid as long as the bytes of `found`; false: no record of this cache. */
bool cache_tier_key(const struct cache *cache, const struct cache_tier_found *found, struct cache_key *ret_key);

/* ------------------------------------------------------------------------------------------ writing */

/* Puts an entry into the tier that is in memory, whatever queue it is in. The actor holds no lock. `ret_done` false: it is not there, or is none that may go there, or is
 * not taken at present. */
MUST_CHECK enum status cache_tier_demote(struct cache *cache, struct actor *actor, const struct cache_key *key,
                                         bool *ret_done);

/* Gives up all that may be the key's: as if it had been evicted. The actor holds no lock, or the key's. Answers how many cells went. For those whose records cannot be waited
 * for: a deletion that cannot count then, a read that found no room to wait. */
uint32_t cache_tier_give_up(struct cache *cache, struct actor *actor, const struct cache_key *key);
/* What cannot be read: damaged, or failed. */
void cache_tier_forget(struct cache *cache, struct actor *actor, const struct cache_key *key,
                       struct cache_tier_place place);
/* All of it: rules were loaded. What it held is as true as before, and the log may bring it back at a restart. The actor holds no locks, or all. */
void cache_tier_clear(struct cache *cache, struct actor *actor);
/* What is of one place in the engine (cache_place_of), as it may match what is being invalidated and nobody can compare it here. A log is told that all of the place
 * is dead, as it does not know what was down: a restart loses more than this. The same locks. */
void cache_tier_clear_place(struct cache *cache, struct actor *actor, uint32_t place);

/* What is in the tier by now, in that place, and matches the pattern (base/glob.h) is dead when it answers. cache_ban does that by itself: this is for who looks for the keys in memory
 * one by one instead, before that and once more behind it, and begins anew if cache_transfers has moved meanwhile (promotions count there). A pattern that
 * is too long for a ban empties the place. STATUS_NO_MEMORY: nothing has happened. The actor holds no locks, or all. */
MUST_CHECK enum status cache_tier_ban(struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern);

/* Whether anything is kept there. Without a lock. */
bool cache_tier_holds_any(const struct cache *cache);

/* ------------------------------------------------------------------------------------------ walking */

/* Under a shard's lock: it may not call the cache. */
typedef void (*cache_tier_visit)(void *context, const struct cache_tier_place *place);

/* cache_scan over both: `visit` is called for what is in memory, as there; `found` for each place in the tier that a key of the database stands at. What is there during
 * the whole scan comes at least once, however often it goes down and up meanwhile, if the records are read and shown (cache_tier_key, then a quiet cache_tier_look; _AGAIN: it is
 * in memory now, or gone) before the next call. The same cursors and answers as cache_scan; `count` bounds both together. */
uint64_t cache_tier_scan(struct cache *cache, struct actor *actor, uint32_t db, uint64_t cursor, uint32_t count,
                         cache_visit visit, cache_tier_visit found, void *context);

/* A place by chance, of a database; false if none was found. And how many entries of it are there. */
bool cache_tier_random(struct cache *cache, struct actor *actor, uint32_t db, uint64_t random,
                       struct cache_tier_place *ret_place);
uint64_t cache_tier_count(const struct cache *cache, uint32_t db);

/* ------------------------------------------------------------------------------------------ hooks of the tier */

/* From the tier's own thread, with an actor of its own that holds no lock. `hash` is that of the record that was added. */

/* It is about to go: whether it is worth being kept, which it is once for having been read. */
bool cache_tier_keep(struct cache *cache, struct actor *actor, uint64_t hash, uint64_t address);
void cache_tier_moved(struct cache *cache, struct actor *actor, uint64_t hash, uint64_t from, uint64_t to);
void cache_tier_gone(struct cache *cache, struct actor *actor, uint64_t hash, uint64_t address);
/* All addresses of which `gone` says so. Looks at all cells. */
void cache_tier_gone_all(struct cache *cache, struct actor *actor, bool (*gone)(void *context, uint64_t address),
                         void *context);

/* ------------------------------------------------------------------------------------------ upkeep and figures */

/* One slice of putting down what has not been used and stands in segments that are older than `idle_ms`. False: nothing more to do at present, or the tier takes no more. The
 * actor holds no lock. */
bool cache_tier_idle(struct cache *cache, struct actor *actor, uint64_t idle_ms);

struct cache_tier_stats {
    uint64_t records, expiring, tagged; /* cells */
    uint64_t
        bytes; /* of keys, values and meta that went down and are still led to, about: by the mean of what was added */
    uint64_t cell_bytes,
        tag_bytes; /* of memory: cells (tier_bytes of cache_stats), and what goes with tags, with bans that are remembered */
    uint64_t cell_bytes_max;
    uint64_t demoted, demoted_bytes, demoted_idle; /* went down; of these, because nobody used them */
    uint64_t promoted, promoted_bytes;
    uint64_t hits, wanted, not_it, again, dead; /* verdicts */
    uint64_t misses;                            /* cache_tier_missed */
    uint64_t
        overwritten; /* cells given up because their key, or another with the same fingerprint, was written or deleted */
    uint64_t evicted;   /* gone by the tier itself */
    uint64_t displaced; /* by others, when cells may take no more memory */
    uint64_t cleared;   /* by flushes and what is like them */
    uint64_t damaged;   /* cache_tier_forget */
    uint64_t moved, kept;
    uint64_t taken_over,
        lost; /* cells that the dump listed, when a journal was replayed: that lead to their records, and that do not any more */
    uint64_t refused_budget, refused_busy, refused_large, refused_memory;
};
void cache_tier_stats(const struct cache *cache, struct cache_tier_stats *ret_stats);

#endif
