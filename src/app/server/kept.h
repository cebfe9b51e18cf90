/* app/server/kept.h: what is kept on disk beside entries: rules, settings of stores, and which cascades have begun.
 *
 *     RULES LOAD, STORE SET ... --> note in the log --> restart: the last one holds, unless a file says otherwise
 *
 *     write, edges follow --> one record: the value, and "follow" its key --> cascade --> its records --> "followed"
 *                                  |                                                           |
 *                                  cut off in between: the cascade is done at the start <------'
 *
 * The notes, byte by byte, are those of docs/format-records.md. A memory that outlives the server (image.h) carries the last ones as well. With neither
 * nothing of this does anything.
 *
 * Threads: a worker, in its turn; kept_open and kept_start before the workers run; kept_notes and kept_settled any thread.
 * Memory:  a copy of the last notes; a few bytes for each write under way.
 * Errors:  without memory for what is to follow, all classes go (rules_follow), never less.
 */
#ifndef STRATA_APP_SERVER_KEPT_H
#define STRATA_APP_SERVER_KEPT_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/cmd/server_api.h"
#include "app/persist/persist.h"
#include "base/buf.h"

struct server;
struct worker;
struct placement;
struct cascade;
struct rules_plan;

struct kept {
    pthread_mutex_t lock;                 /* of the notes, and of staging them: so they have the log's order */
    struct buf rules, stores;             /* as they were staged last; empty: never */
    uint64_t classed;                     /* hash of the rules under which every entry is; 0: of none for sure */
    struct buf follow;                    /* at the start: what has begun and is not known to have ended */
    uint64_t described[CACHE_STORES_MAX]; /* hash of what the file or the rules say of each store; 0: nothing yet */
    struct placement *placement;          /* while opening: of `rules`; NULL: not made yet */
};

/* A worker's own. */
struct worker_kept {
    struct buf bytes;        /* of the note that is staged with the next record */
    struct buf lsns;         /* of records whose cascades are under way */
    size_t looked_at;        /* in the notes of changes.h: further ones are new */
    bool beside;             /* the record that is being staged has the note */
    _Atomic uint64_t oldest; /* of `lsns`; 0: there is none */
};

/* There is a log, or an image. */
bool kept_is_wanted(const struct server *server);

void kept_init(struct server *server);
void kept_fini(struct server *server);
void kept_worker_init(struct worker *worker);
void kept_worker_fini(struct worker *worker);

/* For struct persist_user, with the server as context. */
enum status kept_note(void *context, uint64_t lsn, struct slice name, struct slice bytes,
                      char reason[PERSIST_REASON_SIZE]);
enum status kept_lay_in(void *context, struct slice store, struct slice key, bool *ret_yes);
bool kept_beside(void *context, struct actor *actor, struct slice *ret_name, struct slice *ret_bytes);
enum status kept_notes(void *context, enum status (*add)(void *adding, struct slice name, struct slice bytes),
                       void *adding);
bool kept_settled(void *context, uint64_t lsn);
/* The actor has staged a record of this number. */
void kept_staged(struct worker *worker, uint64_t lsn);

/* What the log knows of rules. False: nothing, or that there are none. The slices live until the next note. */
struct kept_rules {
    struct slice text;
    bool loaded; /* by RULES LOAD, and not from a file */
    struct cmd_rules_origin origin;
};
bool kept_rules_now(struct server *server, struct kept_rules *ret_rules);

/* These rules come into force, and keys lie where they say: while nobody else writes, or before any store is emptied under them. `origin` NULL: there are none. */
void kept_rules_change(struct server *server, struct actor *actor, struct slice text, bool loaded,
                       const struct cmd_rules_origin *origin);
/* Every entry is under them. */
void kept_rules_hold(struct server *server, struct actor *actor, uint64_t hash);

/* Rules have come into force, and what they say of stores counts more than what was set before. */
void kept_stores_ruled(struct server *server, struct actor *actor);
/* What of them was set otherwise since is noted. */
void kept_stores_change(struct server *server, struct actor *actor);
/* For struct cmd_server_api. */
void kept_api_stores(struct cmd_server *api, struct cmd_client *client);

void kept_api_plan(struct cmd_server *api, struct cmd_client *client, const struct cascade *cascade,
                   const struct rules_plan *plan);

/* Before snapshots can be taken: none takes the place of records that have begun what is not done yet. */
void kept_hold(struct server *server);
/* Rules are in force and no worker runs: stores are set as they were, and what has begun is done. */
void kept_start(struct server *server);

/* What the worker's changes had begun is done. */
void kept_followed(struct worker *worker);
static inline bool kept_is_following(const struct worker_kept *kept) { return kept->lsns.size != 0; }

#endif
