/* app/server/changes.h: what happens to entries, from the engine to whoever wants to know.
 *
 *     cache, under a shard's lock -> changes_note -> worker->changes -> changes_hand_on, without locks -> each watcher
 *
 * The worker that makes a change notes it while the entry's shard is locked, and hands it on as soon as it holds no lock any more: behind
 * the command (all of EXEC), the row of commands or the slice of housekeeping that made it, before its reply is sent. So a worker's
 * changes are handed on in their order. Two workers may hand on changes of one key in another order than that in which they happened,
 * but never before.
 *
 * A watcher is a part of the server. It says which kinds of changes it wants; while nobody wants any, a write pays one load.
 *
 * Leases are no watcher: they have to end before the change is seen, and are told of it where it happens.
 *
 * Threads: changes_want in the turn of any worker; the rest by the worker itself.
 * Errors:  without memory for the note a change is lost, and the watchers are told that one was (`lost`).
 */
#ifndef STRATA_APP_SERVER_CHANGES_H
#define STRATA_APP_SERVER_CHANGES_H

#include "app/cmd/cause.h"
#include "app/cmd/cmd.h"

struct server;
struct worker;

struct change {
    enum cache_change kind;
    uint32_t db;                 /* as clients count; CACHE_DATABASES: all, or none */
    uint32_t place;              /* of the database in the engine, which stays its own when databases are swapped */
    struct slice name;           /* lives during the call */
    const struct cmd_spec *spec; /* the command that did it; NULL: it happened by itself */
    uint64_t client;             /* who sent it; 0: nobody */
    enum cmd_change how;         /* what the command says of it */
    struct slice who; /* the service or name of that client, as it was then; empty: it has none, or nobody did it */
    const struct cause *cause; /* what the command did it for; NULL: nothing else. Lives during the call */
    struct slice killer;       /* of CACHE_INVALIDATED: the tag by which it was dead, or */
    bool by_ban;               /* the pattern */
    bool is_first;             /* of a removal by a command with a `remove_event`: it is that of its first key */
    bool of_nothing;           /* what goes was cached as nothing */
    bool planned;              /* by a plan of the rules, whose edges have been followed */
    bool lost;                 /* something happened, but nobody knows what */
};

enum changes_watcher { CHANGES_TO_FOLLOW, CHANGES_TO_PUBLISH, CHANGES_TO_TRACK, CHANGES_TO_STREAM, CHANGES_WATCHERS };

/* The kinds of which this watcher is told from now on, a bit for each. When the command that asked is over, no change can be under way
 * that has not seen it; before, none of a key whose shard the command has locked. */
void changes_want(struct worker *worker, enum changes_watcher watcher, uint32_t kinds);

/* The kinds of which leases are told at once, under the lock (leases_note). From any thread; as above for keys whose shard it has locked. */
void changes_want_leases(struct server *server, uint32_t kinds);

/* Whether the cache is asked to tell at all. While nobody is, what watchers want is remembered. */
void changes_hold(struct server *server, bool hold);

/* What the cache is asked to tell when watchers want these, and those of them who know keys by name `by_name`. */
uint32_t changes_asked(uint32_t watched, uint32_t by_name);

/* What has become of a key is remembered for whoever was loading it, although nothing was there that could go. */
void changes_remember(struct worker *worker, enum cache_change kind, uint32_t place, struct slice name);

/* For struct cache_changes, with the server as context. */
void changes_note(void *context, struct actor *actor, unsigned kind, uint32_t place, struct slice name);

/* What a worker has noted. */
struct changes {
    struct buf notes;
    uint64_t told_at;              /* in `notes`: what was last packed (cause.h), */
    uint32_t told_size;            /* and how much; 0: nothing yet */
    const struct cmd_call *queued; /* the command of EXEC that runs */
    uint64_t noted;                /* ever */
    bool waiting;                  /* there is something for changes_hand_on to do */
    bool lost, passes;
    bool unfollowed; /* with `lost`: among what was lost were changes whose edges are still to be followed */
    size_t tracked;  /* bytes of `notes` that client-side caching has been told of ahead */
};

/* Tells client-side caching of what was noted so far: for a transaction that is about to read, and holds locks. */
void changes_track_now(struct worker *worker);
/* Of what was noted from `at` on: the keys, with their places, whose edges are to be followed; a place that is none: everything. Answers where it has come to. */
size_t changes_each_followed(struct worker *worker, size_t at,
                             void (*visit)(void *context, uint32_t place, struct slice name), void *context);
/* The worker holds no locks. Watchers may make further changes, which are handed on as well. */
void changes_hand_on(struct worker *worker);

#endif
