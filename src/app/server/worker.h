/* app/server/worker.h: a thread with its own loop, listeners and connections.
 *
 * The life of a turn is drawn in README.md. `turn` is held from the moment the loop has something to do until it sleeps again, so
 * whoever holds it may look at everything the worker owns. A thread holds the turn of one worker at most: before it takes another's it
 * lets its own go (worker_visit). Only worker_stop_others takes all of them, in ascending order, and gives them back if one is away.
 *
 * Threads: a worker's thread owns all of it; others hold `turn`, or touch only what is atomic.
 * Memory:  connections and their buffers; read area and reply buffers are shared by all connections of the worker.
 * Time:    `now_ms` (steady) and actor.now_ms (calendar) are read once a turn.
 */
#ifndef STRATA_APP_SERVER_WORKER_H
#define STRATA_APP_SERVER_WORKER_H

#include <pthread.h>

#include "app/server/audit.h"
#include "app/server/cause.h"
#include "app/server/changes.h"
#include "app/server/class_stats.h"
#include "app/server/connection.h"
#include "app/server/history.h"
#include "app/server/hot_keys.h"
#include "app/server/notify.h"
#include "app/server/persistence.h"
#include "app/server/pubsub.h"
#include "app/server/rules.h"
#include "app/server/secure.h"
#include "app/server/state.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/tracking.h"
#include "sys/loop/loop.h"
#include "sys/loop/timers.h"
#include "sys/os/thread.h"

enum {
    BATCH_REQUESTS_MAX = 64, /* requests that wait to be run */
    /* Of these, so many are looked up together. What three such blocks load (3 x 16 x about 3 lines = 9 KiB) stays in the first-level
     * cache until it is used. */
    BATCH_BLOCK = 16,
    BATCH_BLOCKS = BATCH_REQUESTS_MAX / BATCH_BLOCK,
    BATCH_ARGUMENTS_MAX = 1024, /* 16 KiB; a request with more runs alone, from the parser's own table */
    READ_AREA_SIZE =
        256 * 1024, /* what connections with nothing unfinished are read into; empty again after each batch */
    READ_SIZE_MIN = 16 * 1024, /* with less left of the area, the batch runs first */
    READ_SIZE_MAX = 64 * 1024, /* of one connection in a turn */
    EVENTS_MAX = 256,          /* ready connections of a turn */
    ACCEPTS_PER_TURN = 64,
    BUFFERS_KEPT = 64, /* empty reply buffers that wait for use */
    BUFFER_SIZE = 16 * 1024,
    BUFFER_KEPT_SIZE_MAX = 128 * 1024,
    ARENA_CHUNK_SIZE = 64 * 1024,
    TICK_MS = 100,                            /* timeouts and rates are looked at */
    WALK_MS = 1000,                           /* every connection is looked at once in so long */
    MONITOR_QUEUE_SIZE_MAX = 4 * 1024 * 1024, /* lines waiting for a worker's monitors; beyond it they are cut */
};

enum source_kind { SOURCE_LISTENER_TCP, SOURCE_LISTENER_UNIX, SOURCE_LISTENER_TLS, SOURCE_CONNECTION, SOURCE_TIER };

struct batch {
    struct cmd_request items[BATCH_REQUESTS_MAX];
    struct cache_key keys[BATCH_REQUESTS_MAX]; /* of the items that have one */
    uint32_t keys_until[BATCH_BLOCKS];         /* the keys of each block end here */
    struct slice arguments[BATCH_ARGUMENTS_MAX];
    uint32_t count, key_count, argument_count;
    struct connection *touched[EVENTS_MAX]; /* whose input of this turn is parsed to its end */
    uint32_t touched_count;
};

struct worker {
    struct server *server;
    uint32_t index;
    struct thread thread;
    pthread_mutex_t turn;
    bool away; /* its thread has let the turn go in the middle of something; under `turn` */
    struct loop *loop;
    struct timers timers;
    struct timer tick, pause_end, accept_again;
    uint64_t now_ms;
    struct actor actor;

    struct loop_source listeners[2 * SERVER_BIND_MAX + 1];
    uint32_t listener_count;
    bool listening; /* false while descriptors are short, and at the end */

    struct connection *first;  /* all connections, newest first */
    struct connection *walk;   /* the next one to look at */
    struct connection *dead;   /* closed in this turn, freed at its end */
    struct connection *resume; /* no longer choked; their input goes on at the end of the turn */
    uint32_t count;
    uint32_t kills;          /* connections marked by others to be closed */
    uint32_t postponed;      /* connections that wait for the end of a pause */
    uint64_t paused_seen_ms; /* what pause_end was set from */

    struct batch *batch;
    struct resp_heads heads; /* of all connections; a head's meaning is its command */
    struct arena arena;
    struct cmd_call call; /* of the command that runs; env, actor, arena and reply are always the same */
    struct reply reply;
    uint8_t *area;
    size_t area_used;
    struct buf buffers[BUFFERS_KEPT];
    uint32_t buffer_count;

    struct command_stat *commands; /* by spec index */
    struct worker_counts counts;
    uint64_t turn_ticks;                  /* the last reading of the clock */
    const struct cmd_spec *timed_spec;    /* what has run since: timed_count commands of this kind */
    const struct cmd_request *timed_last; /* the last of them */
    uint32_t timed_count, timed_max;
    uint64_t
        large_bytes; /* a request or reply of so many is looked at for the logs of what is large; as of this batch */
    uint64_t housekept_ms;
    bool housekeeping_more;

    _Atomic uint32_t monitors; /* connections of this worker that monitor */
    pthread_mutex_t monitor_lock;
    struct buf monitor_lines; /* under monitor_lock */
    bool monitor_lost;        /* under monitor_lock: the bound was reached */

    struct inbox inbox;                          /* messages for its subscribers */
    struct lease_wait *woken_first, *woken_last; /* under the lock of leases: what does not wait any more */
    atomic_bool woken;                           /* there are some */
    struct changes changes;
    struct notify notify;
    struct mailbox mailbox; /* of client-side caching */
    struct worker_streaming streaming;
    struct worker_rules rules;
    struct worker_cause cause;
    uint64_t misses[MISS_CAUSES]; /* but for MISS_NEVER, which are the others */
    struct worker_classes classes;
    struct worker_hot hot;
    uint64_t filtered_seen; /* counts.filtered at the last miss */
    struct worker_killer killer;

    struct worker_persistence persistence;
    struct worker_kept kept;
    struct worker_tier tier;
    struct worker_secure secure;
    struct worker_audit audit;

    int stopping; /* enum server_stop as this worker has seen it */
    uint64_t stop_until_ms;
    uint64_t accept_warned_ms;
    uint64_t refused_told_ms; /* when the log was told of clients that are turned away; 0: never */
    uint32_t refused_untold;  /* of them since */
};

MUST_CHECK enum status worker_new(struct server *server, uint32_t index, struct worker **ret_worker);
void worker_free(struct worker *worker);
/* Adds a listener; takes over the descriptor. */
MUST_CHECK enum status worker_listen(struct worker *worker, int fd, enum source_kind kind);
static inline struct worker *worker_of_actor(struct actor *actor) {
    return (struct worker *)(void *)((uint8_t *)actor - offsetof(struct worker, actor));
}
/* Body of the worker's thread. */
void worker_run(void *worker);

/* Makes another worker's state safe to look at, until worker_leave. Called by a worker's thread (which lets its own turn go
 * meanwhile) or by any other. */
void worker_visit(struct worker *worker);
void worker_leave(struct worker *worker);

/* Whether it is in the middle of no command: what it learned before it does not know any more. The caller's own is not, between two of its own. */
bool worker_is_between(struct worker *worker);
/* Whether this is the worker whose turn the calling thread holds. */
bool worker_is_current(const struct worker *worker);
/* That worker; NULL: the thread is none. */
struct worker *worker_current(void);

/* Around a sleep inside the engine (struct cache_waiting): the calling worker's turn is let go, so that whoever holds the
 * engine's lock and waits for this turn does not wait for ever. */
void worker_pause_turn(void);
void worker_resume_turn(void);

/* The connection's replies are taken: the rest of its input is run when this batch is over. */
void worker_resume_later(struct worker *worker, struct connection *connection);

/* Takes all turns, each between two batches of its worker: nobody but the caller, in its own turn, is in the cache or has a key at hand.
 * Others do not come to anything until they are let go. STATUS_BUSY: one of them was in the middle of something for a second. */
MUST_CHECK enum status worker_stop_others(struct worker *worker);
void worker_let_others_go(struct worker *worker);

/* Buffers for replies and input, from the worker's small store. */
struct buf worker_take_buffer(struct worker *worker);
void worker_give_buffer(struct worker *worker, struct buf *buf);

#endif
