/* app/server/streaming.h: the invalidation stream (core/stream), from changes to subscribers.
 *
 *     a change -> streaming_change -> ring, under one lock        by the worker that made it, before its reply is sent
 *     ring -> streaming_hand_out -> outputs of connections        by each subscriber's worker, as far as the client takes it
 *
 * A subscriber is a position in the ring and a filter; nothing is queued for it but STREAMING_OUTPUT_BYTES in its output. What has left the ring
 * before it came by is told as a gap.
 *
 * Recording begins with the first use of STREAM (or at the start) and ends some time after the last one. A record is in the ring before the command
 * that caused it is answered, and after the change; so whoever reads on the connection by which he listens never has an older value
 * than the records he has seen say.
 *
 * SYNC: who has invalidated waits, with his connection blocked, until all subscribers that acknowledge have done so.
 *
 * Threads: the lock is taken with no other lock held, and nothing but changes_lock is taken under it. A subscriber belongs to its connection's worker;
 *          what others look at is under the lock.
 * Memory:  the ring is bounded by `stream-max-bytes`; a subscriber takes some 200 bytes and its filter.
 * Errors:  a record without memory leaves the ring as it comes (stream.h). Subscribers for whose output there is no memory are cut.
 */
#ifndef STRATA_APP_SERVER_STREAMING_H
#define STRATA_APP_SERVER_STREAMING_H

#include <pthread.h>

#include "app/cmd/server_api.h"
#include "app/server/changes.h"
#include "base/arena.h"
#include "core/rules/pattern.h"
#include "core/stream/stream.h"
#include "sys/loop/timers.h"

enum {
    STREAMING_OUTPUT_BYTES = 256 * 1024, /* unsent: a subscriber gets no more for now */
    STREAMING_TAKE_BYTES = 16 * 1024,    /* copied under the lock at a time */
    STREAMING_TAKES_PER_TURN = 64,       /* then the worker looks after its other connections */
    STREAMING_BEATS_PER_TURN = 256,
    STREAMING_SYNCS_MAX = 1024, /* commands that wait at the same time */
    STREAMING_FILTER_BYTES_MAX = 1024 * 1024,
};

struct server;
struct worker;
struct connection;

/* Of a connection, owned by its worker but for what is under the lock. */
struct stream_subscriber {
    struct connection *connection;
    struct stream_subscriber *next, *previous; /* all of the server: under the lock */
    struct stream_subscriber *sibling;         /* those of the worker */
    struct stream_filter filter;
    void *texts; /* the filter's words, with their texts behind them */
    size_t texts_size;
    struct stream_cursor cursor;
    bool widened;         /* keys may be of other classes than when it named some: it is told of all. Under the lock */
    bool elsewhere;       /* it came with a position of another run: anything is unsure, and that is still to be told */
    const char *greeting; /* is still to be sent to it (struct cmd_stream_wish) */
    bool acks;            /* under the lock, as the rest */
    uint32_t heartbeat_ms; /* 0: none. Under the lock; what follows is the worker's own */
    uint64_t sent_ms;      /* steady: when it was last sent something */
    struct timer beat;
    uint64_t serial;        /* of subscriptions and waits together */
    struct sync_wait *wait; /* its connection waits itself, and so cannot acknowledge; NULL: it does not */
    uint64_t seen, told,
        acked;              /* what it has been through; the last record that it was told of; the last acknowledged */
    uint64_t owes_since_ms; /* steady: when it was told of something, or acknowledged some of it; if acked < told */
};

/* A command that waits for acknowledgements; under the lock until it is done. */
struct sync_wait {
    struct connection *connection;
    struct sync_wait *next;
    uint64_t serial, position, entries, until_ms;
    uint64_t left, left_acknowledged; /* subscribers that are gone meanwhile */
    uint64_t left_clients[CMD_SYNCED_SHOWN_MAX];
    bool done;
    bool hopeful; /* see may_still_come */
    struct cmd_synced result;
};

struct server_streaming {
    struct server *server;
    int mode; /* CONFIG_STREAM_...; never changes while workers run */
    pthread_mutex_t lock;
    struct stream ring; /* under the lock, as all but the last two */
    bool recording, writes;
    uint64_t used_ms, writes_used_ms; /* steady: when it was last asked for */
    struct stream_subscriber *subscribers;
    struct sync_wait *waits;
    uint64_t serials;
    struct cmd_stream_counts counts;
    _Atomic uint64_t last; /* position in the ring */
    _Atomic bool on;       /* recording */
};

/* Of a worker. */
struct worker_streaming {
    struct stream_subscriber *first;
    struct timers
        beats; /* of those that want heartbeats: each is looked at once in its interval, whatever it is sent meanwhile */
    _Atomic uint32_t subscribers, syncs; /* how many it has of each */
    _Atomic bool waiting;                /* there may be something to hand out */
    bool posted;                         /* it has recorded something since streaming_post */
    uint64_t recorded;                   /* the last position that it has recorded */
    struct buf scratch;
    struct arena arena;           /* of the next */
    struct rules_pattern pattern; /* that has just been recorded: keys that went by it need not be */
    uint32_t pattern_place;
    bool pattern_covers, pattern_soft;
};
void worker_streaming_init(struct worker_streaming *of);
void worker_streaming_fini(struct worker_streaming *of);

struct server_streaming *streaming_new(struct server *server); /* NULL: no memory */
void streaming_free(struct server_streaming *streaming);
/* Before the workers run: with `stream yes` it is recorded from now on. */
void streaming_start(struct server *server);
/* The size of the ring is another one. From any thread, with the lock of the configuration. */
void streaming_settle(struct server *server);

/* For changes.c: a change is told of, then all of them are. */
void streaming_change(struct worker *worker, const struct change *change);
void streaming_post(struct worker *worker);
/* Other rules come into force: before they do and again when all workers have them. Who named classes is told of everything from here on, until he
 * subscribes anew, if the classes are not the same: a key may be of another one now. `before` NULL: there were none. */
void streaming_classes_change(struct server *server, const struct rules *before, const struct rules *after);
/* Other rules are in force. */
void streaming_rules_changed(struct worker *worker);

/* Worker 0, ten times a second. */
void streaming_tick(struct worker *worker);

/* In each turn. */
void streaming_hand_out(struct worker *worker);
void streaming_look(struct worker *worker); /* whose waiting is over */
/* Sends a heartbeat to whom nothing was sent for as long as he wished. */
void streaming_beat(struct worker *worker);
static inline bool streaming_is_waiting(const struct worker_streaming *of) {
    return atomic_load_explicit(&of->waiting, memory_order_acquire);
}
/* There is something to hand out that its client would take. */
bool streaming_is_ready(const struct worker *worker);
/* When a wait of this worker ends; UINT64_MAX: never. */
uint64_t streaming_due(struct worker *worker);

/* It is being closed. */
void streaming_connection_ends(struct connection *connection);

void streaming_counts(struct server *server, struct cmd_stream_counts *ret_counts);
void streaming_reset_counts(struct server *server);

/* What the parts of this module ask of one another. */
struct server_streaming *streaming_enter(struct server *server);
void streaming_leave(struct server_streaming *streaming);
void streaming_tell_waiters(
    struct server_streaming *streaming); /* under the lock: somebody has come further, or is gone */
void streaming_sync_leave(struct server_streaming *streaming,
                          const struct stream_subscriber *subscriber); /* under the lock */

/* Commands (server_api.h). */
enum status streaming_api_begin(struct cmd_server *api, struct cmd_client *client, bool writes, uint64_t *ret_position);
enum status streaming_api_subscribe(struct cmd_server *api, struct cmd_client *client,
                                    const struct cmd_stream_wish *wish, uint64_t *ret_position);
void streaming_api_unsubscribe(struct cmd_server *api, struct cmd_client *client);
enum status streaming_api_ack(struct cmd_server *api, struct cmd_client *client, uint64_t position);
enum stream_result streaming_api_next(struct cmd_server *api, struct stream_cursor *cursor,
                                      const struct stream_filter *filter, size_t size_max, struct buf *out,
                                      struct stream_unsure *unsure);
void streaming_api_consumers(struct cmd_server *api, void (*visit)(void *context, const struct cmd_stream_consumer *),
                             void *context);
void streaming_api_counts(struct cmd_server *api, struct cmd_stream_counts *ret_counts);
enum status streaming_api_sync(struct cmd_server *api, struct cmd_client *client, uint64_t entries, uint32_t wait_ms,
                               struct cmd_synced *ret_synced, bool *ret_done);
void streaming_api_synced(struct cmd_server *api, struct cmd_client *client, struct cmd_synced *ret_synced);

#endif
