/* core/cache/replay.h: a cache made again of a dump and the records of its journal.
 *
 *     begin ── dump(record) ... ── apply(number, record) ... ── end
 *
 * The cache is empty when it begins, or was not written to since the dump: nothing but the replay changes it, no journal is told, and no rules are asked: what they once said
 * stands in the records. Time stands still at that of the records, less a minute by which threads' clocks cannot differ, so that nothing has expired which a later record still gives another time.
 * What does not fit, in a smaller cache, is lost and counted, as if it had been evicted.
 *
 * A cache that has a tier already (tier.h) is given the entries of it that the dump lists, if they are of the same file and belong where they did; each is forgotten by what would forget it in
 * memory. What memory has no room for goes down, whatever it is worth. Entries that are changed later, and not put anew, come up for that.
 *
 * Errors:  STATUS_CORRUPT, STATUS_INVALID: `problem` and `problem_at` say what is wrong with the record, and where in it; it has been applied up to there.
 *          A record whose number is not higher than the last one's is left alone, so applying twice changes nothing.
 * Several threads may apply what is read: changes of single keys are handed out to lanes, all of one shard to the same, and each lane applies its own in their order.
 * What concerns more than one key (tags, bans, flushes, swaps) waits until they have, and is applied by whoever reads. So the outcome is that of one thread, but for what was evicted.
 *
 *     read record 41 ── key a ──> lane 0 ── apply        | key c ──> lane 0 ...
 *                    └─ key b ──────────────> lane 1 ... | tag: settle, apply here
 *
 * Threads: one reads; each lane has one of its own, and an actor. A lane may be behind by what was handed out and not settled, and its time stands still meanwhile.
 */
#ifndef STRATA_CORE_CACHE_REPLAY_H
#define STRATA_CORE_CACHE_REPLAY_H

#include "core/cache/journal.h"

struct cache_replay;

/* Whoever applies changes of keys. The caller sets the first two. */
struct cache_replay_lane {
    struct cache_replay *replay;
    struct actor *actor;
    uint64_t lost; /* as below; the caller adds them up */
};

/* What has become of one key. */
struct cache_replay_change {
    uint64_t hash;     /* of the key, as this cache has it */
    struct slice part; /* its bytes in the record (core/record) */
};

enum { CACHE_REPLAY_HAND_MAX = 64 * 1024 }; /* bytes of a part; a larger one is not handed out */

struct cache_replay {
    /* in, before begin */
    struct cache *cache;
    struct actor *actor;      /* its now_ms is the replay's until the end */
    uint64_t tags_from, from; /* the dump's; without one 0 */
    /* Notes of others, in their order, with the number of their record (of a dump: 0); NULL: left alone. A status that is not STATUS_OK ends the replay. */
    enum status (*note)(void *context, uint64_t lsn, struct slice name, struct slice bytes);
    /* A store has been emptied. Whether the key lay in it, if that is not for the cache to say; NULL, or STATUS_INVALID: it is, by the stores that it has now. */
    enum status (*lay_in)(void *context, struct slice store, struct slice key, bool *ret_yes);
    void *context;
    /* Takes a change for the lane of that shard; the part's bytes live during the call. NULL: whoever reads applies everything. A status that is not STATUS_OK ends the replay. */
    enum status (*hand)(void *context, uint32_t shard, const struct cache_replay_change *change);
    /* Answers when all that was handed out has been applied, or with what a lane has failed. */
    enum status (*settle)(void *context);
    void *hand_context;
    /* With a tier, by any lane, which holds no lock. `bring`: what is the key's in the tier comes into memory, if it is there and can be read. `spare`: waits until the tier takes more; NULL: it
     * takes what it takes, and the rest is lost. */
    enum status (*bring)(void *context, struct actor *actor, const struct cache_key *key);
    void (*spare)(void *context);
    void *tier_context;
    /* out */
    uint64_t records, parts; /* applied */
    uint64_t lost;           /* entries for which there was no room */
    uint64_t lsn;            /* of the last record */
    uint64_t
        below_lost; /* entries that were listed of a tier, which is another one than that which is there: they may come back with it */
    const char *problem;
    size_t problem_at;
    /* private */
    uint64_t now_ms, floor, number; /* of the record that is applied */
    uint64_t handed_bytes;
    bool dumping, lists;      /* lists: cells of the dump are of the tier that is there */
    uint64_t listed_position; /* cache_dump's generation */
    uint64_t bans_seen;       /* the stamp of the youngest */
    struct buf held;
    struct cache_replay_lane self;
};

void cache_replay_begin(struct cache_replay *replay);
MUST_CHECK enum status cache_replay_dump(struct cache_replay *replay, struct slice record);
MUST_CHECK enum status cache_replay_apply(struct cache_replay *replay, uint64_t lsn, struct slice record);
/* Changes that were handed out for this lane, in their order. `now_ms`: what the time of the replay's actor was when the oldest change was handed out that some lane has not
 * applied yet; or earlier: a change that is still to come may give what would have expired another time. STATUS_NO_MEMORY. */
MUST_CHECK enum status cache_replay_changes(struct cache_replay_lane *lane, const struct cache_replay_change *changes,
                                            uint32_t count, uint64_t now_ms);
/* Also after an error, when no lane works any more; the cache may then be flushed, or used with what was applied. */
void cache_replay_end(struct cache_replay *replay);

#endif
