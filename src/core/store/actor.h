/* core/store/actor.h: who works on the engine, and when.
 *
 * Every thread that calls the engine hands in an actor of its own. It carries what the engine
 * must not fetch by itself: the time, the identity written into lock words, which shard
 * locks this thread holds, and the thread's own counters (summed up by whoever reports them).
 *
 * Threads: one thread at a time; `counts` may be read by others and may lag.
 * Time:    `now_ms` is Unix time in milliseconds; the owner sets it, once a turn of its loop is enough.
 */
#ifndef STRATA_CORE_STORE_ACTOR_H
#define STRATA_CORE_STORE_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { STORE_SHARDS_MAX = 256 };

struct actor_counts {
    uint64_t hits;         /* reads that found a live entry */
    uint64_t misses;       /* reads that did not */
    uint64_t filtered;     /* of these misses, those that a filter proved */
    uint64_t unfiltered;   /* and those that a filter let pass */
    uint64_t retries;      /* lock-free reads repeated because a writer came between */
    uint64_t expired;      /* entries this actor removed because their time had come */
    uint64_t evicted;      /* entries this actor removed for memory */
    uint64_t invalidated;  /* entries this actor came across that one of their tags had invalidated */
    uint64_t copied_bytes; /* bytes moved by reclaim */
    uint64_t changes;      /* entries written or deleted by edits; what expires, is evicted or flushed does not count */
};

/* What it has changed under the locks that it holds, for the journal (core/cache/journal.h). */
struct actor_noted {
    uint8_t *bytes; /* a record that is being written, `size` of `room` bytes; cache_journal_forget gives them back */
    size_t size, room;
    uint64_t reserved; /* bytes that the log has promised to take, and nothing was staged for yet */
    uint64_t lsn; /* of the youngest record that this actor has staged; whoever waits for the log sets it back to 0 */
    bool silent;  /* what it does is no change: entries move */
};

/* What an entry is dead by. */
enum actor_killer { ACTOR_NOT_KILLED, ACTOR_KILLED_BY_TAG, ACTOR_KILLED_BY_BAN };

struct actor {
    uint32_t id; /* 1 to 2^30 - 1, unique among the live actors of one engine */
    uint64_t now_ms;
    uint64_t held[STORE_SHARDS_MAX / 64]; /* shard locks taken by store_lock_*; touched by the engine only */
    uint32_t writes_when_tight;           /* paces reclaim; touched by the engine only */
    uint32_t promised;                    /* segments that nobody else may take; touched by the engine only */
    bool in_a_hurry;   /* for room that copying did not bring: what eviction reaches goes; the engine's */
    bool expired_last; /* its last slice of housekeeping was one of expiry; the engine's too */
    struct actor_counts counts;
    enum actor_killer killed_by; /* while it tells of an entry that is dead (STORE_INVALIDATED) */
    struct slice killer;         /* with it: the name of the tag, or the pattern of the ban (ban.h), any bytes */
    uint64_t killed_stamp;       /* with it: the stamp of the entry that a tag has killed, or that of the ban */
    /* While it tells of an entry that is dead, stale, or goes for another reason although it was one of these before: the names of all its tags that were
     * invalidated since it was written, be it softly; its own stamp, and its expiry (0: none). */
    const struct slice *killer_tags;
    uint32_t killer_tag_count;
    uint64_t entry_stamp, entry_expires_at_ms;
    uint64_t tag_stamps
        [2]; /* of the last tag that it has invalidated, be it softly: that of the invalidation before, 0: none; and its own, 0: nobody bears it */
    bool of_nothing; /* while it tells of an entry that goes: it was a STORE_NOTHING */
    struct actor_noted noted;
    uint64_t ban_stamp;            /* of the last pattern that it has banned */
    uint32_t swapped_with;         /* while it tells of a swap: the place that the database had before */
    struct actor_counts *of_store; /* the same by store number, of what is read or removed; NULL: not counted */
};

enum actor_removed { ACTOR_EXPIRED, ACTOR_EVICTED, ACTOR_INVALIDATED };

/* Counts an entry that went by itself. */
static inline void actor_count_removed(struct actor *actor, uint32_t store, enum actor_removed why) {
    struct actor_counts *counts[] = {&actor->counts, actor->of_store ? &actor->of_store[store] : NULL};
    for (int i = 0; i < 2 && counts[i]; i++) {
        counts[i]->expired += why == ACTOR_EXPIRED;
        counts[i]->evicted += why == ACTOR_EVICTED;
        counts[i]->invalidated += why == ACTOR_INVALIDATED;
    }
}

#endif
