/* core/cache/replay.h: a cache made again of a dump and the records of its journal.
 *
 *     begin ── dump(record) ... ── apply(number, record) ... ── end
 *
 * The cache is empty when it begins, or was not written to since the dump: nothing but the replay changes it, no journal is told, and no rules are asked: what they once said
 * stands in the records. Time stands still at that of the records, less a minute by which threads' clocks cannot differ, so that nothing has expired which a later record still gives another time.
 * What does not fit, in a smaller cache, is lost and counted, as if it had been evicted.
 *
 * Errors:  STATUS_CORRUPT, STATUS_INVALID: `problem` and `problem_at` say what is wrong with the record, and where in it; it has been applied up to there.
 *          A record whose number is not higher than the last one's is left alone, so applying twice changes nothing.
 * Threads: one.
 */
#ifndef STRATA_CORE_CACHE_REPLAY_H
#define STRATA_CORE_CACHE_REPLAY_H

#include "core/cache/journal.h"

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
    /* out */
    uint64_t records, parts; /* applied */
    uint64_t lost;           /* entries for which there was no room */
    uint64_t lsn;            /* of the last record */
    const char *problem;
    size_t problem_at;
    /* private */
    uint64_t now_ms, floor, number; /* of the record that is applied */
    bool dumping;
    struct buf held;
};

void cache_replay_begin(struct cache_replay *replay);
MUST_CHECK enum status cache_replay_dump(struct cache_replay *replay, struct slice record);
MUST_CHECK enum status cache_replay_apply(struct cache_replay *replay, uint64_t lsn, struct slice record);
/* Also after an error; the cache may then be flushed, or used with what was applied. */
void cache_replay_end(struct cache_replay *replay);

#endif
