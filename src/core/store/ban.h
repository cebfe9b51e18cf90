/* core/store/ban.h: patterns whose keys are dead at once, before anybody has looked for them.
 *
 * A ban is a pattern (base/glob.h), a database of the engine and a stamp: an entry of that database with a key that matches is dead unless its
 * stamp (entry.h) is younger. Most entries have no stamp and need none: what is written while a ban may concern it gets one (store_put), so an entry
 * without is older than all bans there are. Housekeeping visits every key once after a ban was set and removes what is dead by it
 * (bans_sweep); then the ban is forgotten. So there are few at any time, and none at most times: readers ask one number then.
 *
 * Threads: bans_add while the caller holds the locks of all shards; bans_sweep while he holds none, one at a time; the rest by anyone.
 * Memory:  some 17 KiB from the engine's memory, taken for the first ban and kept.
 * Time:    a key is compared with each ban in its database, most of which differ from it in their first bytes.
 */
#ifndef STRATA_CORE_STORE_BAN_H
#define STRATA_CORE_STORE_BAN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

struct actor;
struct engine;
struct bans;

enum {
    BANS_MAX = 64,        /* at a time */
    BANS_PAST_MAX = 1024, /* remembered for the tier */
    BAN_PATTERN_MAX = 255,
};

struct ban_counts {
    uint32_t live;          /* bans that not all keys have been compared with yet */
    uint64_t set, swept;    /* bans ever set; entries that the sweep removed */
    uint32_t done_permille; /* of the sweep that is under way */
};

/* So that bans_add cannot fail for want of memory. The caller holds no lock. */
MUST_CHECK enum status bans_prepare(struct engine *engine);
/* False: there are BANS_MAX already, or the pattern is longer than BAN_PATTERN_MAX; nothing has happened. The actor's ban_stamp is the ban's
 * own afterwards, which no other has or had: `stamp`, or with 0 a new one. */
MUST_CHECK bool bans_add(struct engine *engine, struct actor *actor, uint32_t place, struct slice pattern,
                         uint64_t stamp);
/* Whether an entry in that place with that key and stamp (0: none) is dead by a ban; see store_is_banned, which costs less. `name` is the
 * caller's, or an entry's under its shard's lock. */
bool bans_kill(const struct bans *bans, uint32_t place, uint64_t stamp, struct slice name);
/* The ban that has killed the entry, the oldest of several: its stamp, and its pattern, copied to `to`, which has room for BAN_PATTERN_MAX. 0: none has. */
uint64_t bans_killer(const struct bans *bans, uint32_t place, uint64_t stamp, struct slice name, uint8_t *to,
                     size_t *ret_size);
/* One slice over all keys. False: nothing is to be done, or somebody else is at it. */
bool bans_sweep(struct engine *engine, struct actor *actor);

/* The stamp of the oldest ban that lasts; UINT64_MAX: there is none. While nobody sets one. */
uint64_t bans_oldest(const struct engine *engine);
void bans_count(const struct engine *engine, struct ban_counts *ret_counts);
void bans_free(struct bans *bans, const struct memory *memory);

/* Bans that are over for what is in memory, but not for what is in the tier (tier.h): the last BANS_PAST_MAX; what is older than one that is forgotten is dead by
 * that. Some 280 KiB. Whoever adds one holds the lock of shard 0 at least; asking needs none, after bans_kill: a ban is here before it is over there. */
struct bans_past;
struct bans_past *bans_past_new(const struct memory *memory); /* NULL: no memory */
size_t bans_past_size(void);
void bans_past_free(struct bans_past *past, const struct memory *memory);
void bans_past_add(struct bans_past *past, uint32_t place, struct slice pattern, uint64_t stamp);
/* The youngest that is forgotten; what is older than it is dead. 0: none is. */
uint64_t bans_past_floor(const struct bans_past *past);
void bans_past_floor_set(struct bans_past *past, uint64_t stamp);
/* All that are remembered; and those that last still. In no order. With the lock of shard 0. */
typedef void (*bans_visit)(void *context, uint32_t place, struct slice pattern, uint64_t stamp);
void bans_past_each(const struct bans_past *past, bans_visit visit, void *context);
void bans_each(const struct engine *engine, bans_visit visit, void *context);
/* Whether a key of that place is dead by one of them, if it was there when `seq` was the last stamp. */
bool bans_past_kill(const struct bans_past *past, uint32_t place, uint64_t seq, struct slice name);

#endif
