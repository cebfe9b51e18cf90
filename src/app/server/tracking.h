/* app/server/tracking.h: client-side caching: who has read what, and the messages that tell of its change.
 *
 *     a reading command -> tracking_note -> table of keys, 64 shards by the hash of the name (core/track)     before the value is read
 *     a change -> tracking_change -> takes the key from the table -> outgoing mail of this worker, by the worker that will hand it out
 *     all changes of a command -> tracking_post -> mailboxes                                                  before its reply is sent
 *     mailbox -> tracking_hand_out -> outputs of connections                                                  between two replies
 *
 * A client that tracks, or to which others redirect, has a tracker: a number by which the table knows it. It is counted by what names it, and
 * is used again when nothing does. Clients of the mode BCAST have no keys in the table but prefixes, which are topics (core/pubsub).
 *
 * A key is always taken before mail is posted, and noted before it is read; docs/decisions/0034 goes through what may happen in between.
 *
 * Threads: a tracker is written by its connection's worker, and read by all; the rest as said at each call. Locks of this folder's tables are
 *          taken last: after those of the engine, a mailbox's after a table's.
 * Memory:  a table without memory for a key, or a mailbox over MAILBOX_BYTES_MAX, makes clients drop everything they have.
 */
#ifndef STRATA_APP_SERVER_TRACKING_H
#define STRATA_APP_SERVER_TRACKING_H

#include "app/server/changes.h"
#include "app/server/pubsub.h"
#include "core/track/track.h"

enum {
    TRACKING_SHARDS = 64,
    TRACKERS_A_CHUNK = 1024,
    TRACKER_CHUNKS_MAX = 4096,
    MAILBOX_BYTES_MAX = 64 * 1024 * 1024, /* and what comes at once when there is less */
    TRACKING_FRESH_MAX = 256,
    TRACKING_EVICTIONS_A_KEY = 2, /* keys forgotten when one is noted and the table is over its limit */
    TRACKING_EVICTIONS_A_TICK = 4096,
    TRACKING_SWEEP_KEYS_A_TICK = 16 * 1024, /* about a millisecond: a million keys take 6 s */
};

struct connection;

enum tracker_bit { TRACKER_LIVES = 1 << 16 }; /* beside enum cmd_tracking */

struct tracker {
    _Atomic uint32_t references; /* its connection, its keys in the table, and trackers that redirect to it */
    _Atomic uint32_t state;      /* enum cmd_tracking and enum tracker_bit */
    _Atomic uint32_t redirect;   /* a tracker, 0: none */
    _Atomic uint32_t worker;
    _Atomic uint64_t client;        /* its id */
    uint64_t redirected;            /* its worker's: how often redirections had changed in all when this one did */
    struct connection *connection;  /* its worker's */
    struct tracked_prefixes *bcast; /* its worker's; NULL: none yet */
    uint32_t number, next_free;
};

/* What a worker is about to tell another. */
struct outgoing {
    struct buf records;
    size_t open_at; /* the record that is being written begins here, + 1; 0: none */
    bool lost;
};

/* Of a worker. */
struct mailbox {
    pthread_mutex_t lock;
    struct buf records;   /* under lock, as the next one */
    bool all, all_bcast;  /* everybody drops everything; or everybody of the mode BCAST */
    uint64_t known;       /* of both, as in mail_prefix: the least of those that were posted */
    bool lost;            /* there was no room: so does whoever is told by this worker */
    _Atomic bool waiting; /* there is something of these */
    struct buf taken;     /* the owner's, as all below: what is being handed out, from taken_at on */
    size_t taken_at;
    struct outgoing *outgoing; /* for each worker */
    bool outgoing_all, outgoing_all_bcast, outgoing_any;
    bool clears;                     /* it has emptied the table, and not posted that yet */
    struct buf fresh;                /* hashes of keys that the command that runs has noted anew */
    uint64_t last_hash, last_client; /* of the last change that prefixes were told of since tracking_post */
    uint32_t evict_at;               /* the shard that is next to forget something */
};
MUST_CHECK enum status mailbox_init(struct mailbox *mailbox, uint32_t worker_count);
void mailbox_fini(struct mailbox *mailbox, uint32_t worker_count);

struct tracking;
struct tracking *tracking_new(uint64_t seed); /* NULL: no memory */
void tracking_free(struct tracking *tracking);

/* Commands. STATUS_CLOSED: there is nobody to redirect to. */
enum status tracking_on(struct cmd_server *api, struct cmd_client *client, const struct cmd_tracking_wish *wish);
void tracking_off(struct cmd_server *api, struct cmd_client *client);
void tracking_each_prefix(struct cmd_server *api, const struct cmd_client *client,
                          void (*visit)(void *context, struct slice prefix), void *context);
bool tracking_client_is_there(struct cmd_server *api, uint64_t id);
void tracking_counts(const struct server *server, struct cmd_server_counts *ret_counts);

/* For cmd_env: the keys of a command that is about to read them. */
void tracking_note(struct cmd_call *call);
/* The connection is closed. */
void tracking_leave(struct connection *connection);

/* By the worker that made the change, then once for all of them. */
void tracking_change(struct worker *worker, const struct change *change);
void tracking_post(struct worker *worker);
/* Ten times a second. */
void tracking_tick(struct worker *worker);

static inline bool mailbox_is_waiting(const struct mailbox *mailbox) {
    return mailbox->taken.size || atomic_load_explicit(&mailbox->waiting, memory_order_acquire);
}
/* Puts messages into outputs: about `deliveries_max`, or all that have come. True: nothing is left. */
bool tracking_hand_out(struct worker *worker, uint64_t deliveries_max);

#endif
