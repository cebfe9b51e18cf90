/* app/tier/warm_tier.h: the warm tier of a cache: its file (sys/warm), and what the two ask of each other (core/cache/tier.h).
 *
 *     cache ── add, generation ──> tier ──> sys/warm        what goes down
 *       ^                           ^
 *       └── keep, moved, gone ──────┴────── its thread      what makes room
 *
 * The file begins anew each time it is opened, unless it is to last: then a snapshot of the cache lists what stands in it, and a later process finds it again (app/persist). What an earlier run
 * left in it otherwise is removed, something else is not touched. Beside it lies NAME.lock, so that it is one process's.
 *
 * Threads: warm_tier_open, warm_tier_begin, warm_tier_end while nobody else uses the cache; the rest any.
 * Memory:  some MiB of buffers (sys/warm); cells are the cache's.
 */
#ifndef STRATA_APP_TIER_WARM_TIER_H
#define STRATA_APP_TIER_WARM_TIER_H

#include "core/cache/tier.h"
#include "sys/os/log.h"
#include "sys/warm/warm.h"

enum { WARM_TIER_PATH_MAX = 4095, WARM_TIER_REASON_SIZE = 512 };

#define WARM_TIER_FILE "strata.warm" /* where only a directory is named */

struct warm_tier_options {
    const char *path;          /* the file, or a directory that is there, in which it is called WARM_TIER_FILE */
    uint64_t size_bytes;       /* all of it is set aside at once */
    uint64_t write_rate_bytes; /* a second; 0: no limit */
    uint32_t keep_percent;     /* as in struct warm_options */
    bool mapped;               /* the same */
    uint32_t actor;            /* the id of the tier's own thread */
    bool lasts;    /* and as many bytes as the disk takes are written until warm_write_rate_set says otherwise */
    uint64_t seed; /* of the cache's hash, if it lasts: a file that goes with another one begins anew */
    const struct memory *memory; /* NULL: memory_libc */
    const struct files *files;   /* for tests: the directory, which the caller has locked; NULL: that of `path` */
    /* What cannot be read or written, in a sentence, each kind at most once in ten seconds; from any thread, and it calls nothing of this. NULL: nobody is told. */
    void (*say)(void *context, enum log_level level, const char *text);
    void *context;
};

struct warm_tier;

/* The seed that goes with a file, to be that of the cache; false: there is none, or none that can be gone on with. */
bool warm_tier_seed(const char *path, uint64_t *ret_seed);

/* STATUS_INVALID: a path or size that cannot be, or what stands there is no tier's file; STATUS_BUSY: another process, or another tier of this one, has it; STATUS_FULL: no room for all of
 * it; STATUS_IO; STATUS_NO_MEMORY. `reason` says more. */
MUST_CHECK enum status warm_tier_open(const struct warm_tier_options *options, struct warm_tier **ret_tier,
                                      char reason[WARM_TIER_REASON_SIZE]);
/* The cache has it from here on. As cache_tier_set. */
MUST_CHECK enum status warm_tier_begin(struct warm_tier *tier, struct cache *cache, struct actor *actor,
                                       uint32_t promote_hits);
/* The cache forgets what is there, and the file is closed. Readers of it are gone by then, and the actor holds no lock. `tier` NULL: nothing. */
void warm_tier_end(struct warm_tier *tier, struct actor *actor);

struct warm *warm_tier_file(const struct warm_tier *tier);
const char *warm_tier_path(const struct warm_tier *tier);

/* Reads what may be these keys' in this thread, at the same time, and waits for all; of the caller as in sys/warm. For warm_tier_find of each of them. */
void warm_tier_read_ahead(struct warm_tier *tier, const struct cache_key *keys, uint32_t count,
                          struct warm_ahead *ahead);

/* Reads what may be the key's in this thread, unless that was done ahead (`ahead` may be NULL), which waits for the disk: for who has nothing else to do. The verdict of cache_tier_look; `ret_found` lies in `bytes`, which the caller has
 * initialised. CACHE_TIER_NOT_IT: it is nowhere in the tier (or could not be read, which is a miss). STATUS_NO_MEMORY. */
MUST_CHECK enum status warm_tier_find(struct warm_tier *tier, struct actor *actor, const struct cache_key *key,
                                      bool quiet, const struct warm_ahead *ahead, struct buf *bytes,
                                      enum cache_tier_verdict *ret_verdict, struct cache_tier_place *ret_place,
                                      struct cache_tier_found *ret_found, struct cache_info *ret_info);
/* The key is in memory afterwards if it is anywhere, or it is given up. The actor holds no lock. STATUS_NO_MEMORY; STATUS_FULL: it stays in the tier. */
MUST_CHECK enum status warm_tier_fetch(struct warm_tier *tier, struct actor *actor, const struct cache_key *key,
                                       struct buf *bytes);

/* For app/persist, with a tier that lasts: as in struct persist_tier. */
MUST_CHECK enum status warm_tier_bring(void *tier, struct actor *actor, const struct cache_key *key);
void warm_tier_spare(void *tier);
void warm_tier_loaded(void *tier);
MUST_CHECK enum status warm_tier_flush(void *tier);
void warm_tier_listed(void *tier, uint64_t generation);

/* Around a fork: its thread is not in the cache meanwhile. Then it goes on in the parent; in the child it does not exist, and what it works on is never touched again. `actor` NULL: neither is the cache. */
void warm_tier_stand_still(struct warm_tier *tier);
void warm_tier_go_on(struct warm_tier *tier);
void warm_tier_forget(struct warm_tier *tier, struct actor *actor);

#endif
