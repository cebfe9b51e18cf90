/* app/server/pubsub.h: messages from any thread to the connections of all workers.
 *
 * Who listens to what stands in tables of topics, cut into shards by the hash of the name (core/pubsub). A message is encoded once and
 * put, by reference, into the inbox of each worker that has listeners; that worker hands it out to them in its own time:
 *
 *     pubsub_publish -> hint, shard (read lock) -> topic -> part of worker 0 -> inbox 0 -> its listeners' outputs
 *                                                        -> part of worker 2 -> inbox 2 -> its listeners' outputs
 *
 * A message passes its inbox while the shard is locked for reading, and a listener joins while it is locked for writing; so each message
 * is wholly before or wholly after a subscription, and what it was counted for it is handed to.
 *
 * Threads: pubsub_publish, pubsub_each, pubsub_listeners and the counts from any thread; joining, leaving and handing out in the turn of
 *          the connection's worker.
 * Memory:  an inbox over its soft limit makes publishing commands wait (server->inboxes_full); what comes without a command and finds it
 *          over the hard limit is lost, and every listener of that worker is cut, because it would not know.
 * Order:   of one publisher's messages the order is kept for every listener.
 */
#ifndef STRATA_APP_SERVER_PUBSUB_H
#define STRATA_APP_SERVER_PUBSUB_H

#include <pthread.h>

#include "app/cmd/server_api.h"
#include "base/buf.h"

enum {
    PUBSUB_SHARDS = 64,
    PUBSUB_HINTS = 4096, /* counters that tell most names without listeners apart, without a lock */
    INBOX_MESSAGES_SOFT = 16 * 1024,
    INBOX_SOFT_BYTES = 8 * 1024 * 1024,
    INBOX_MESSAGES_MAX = 256 * 1024,
    INBOX_HARD_BYTES = 64 * 1024 * 1024, /* and the last message that found it below */
    DELIVERIES_PER_TURN = 16 * 1024,     /* then the worker looks after its other connections */
    MESSAGE_SHARE_SIZE_MIN = 4096, /* larger messages are sent from one place, smaller ones copied to each output */
};

struct server;
struct worker;
struct connection;

/* What is alike for all listeners: "$N channel $M text". Counted: freed by whoever lets go last. */
struct pubsub_message {
    _Atomic uint32_t references;
    size_t size;
    uint8_t bytes[];
};
void pubsub_message_unref(struct pubsub_message *message);

/* Of one worker. */
struct inbox {
    pthread_mutex_t lock;
    struct buf entries; /* under lock, as all up to `full`; of struct inbox_entry */
    uint64_t bytes;
    uint64_t received; /* entries ever */
    bool lost, full;
    _Atomic uint32_t waiting; /* entries, or 1 when only `lost` is to be seen */

    struct buf taken; /* the owner's: entries that are being handed out */
    uint32_t taken_at;
    uint64_t taken_before;      /* received before the first of them */
    bool own;                   /* the owner's: something came from its own thread */
    struct connection *outputs; /* the owner's: connections that have got something which is not sent yet */
    bool outputs_large;
};
void inbox_init(struct inbox *inbox);
void inbox_fini(struct inbox *inbox);

struct pubsub;
struct pubsub *pubsub_new(uint64_t seed); /* NULL: no memory */
void pubsub_free(struct pubsub *pubsub);

/* Commands. */
enum status pubsub_subscribe(struct cmd_server *api, struct cmd_client *client, enum topic_kind kind,
                             struct slice name);
void pubsub_unsubscribe(struct cmd_server *api, struct cmd_client *client, enum topic_kind kind, struct slice name);
void pubsub_unsubscribe_all(struct cmd_server *api, struct cmd_client *client);
enum status pubsub_api_publish(struct cmd_server *api, enum topic_kind kind, struct slice channel, struct slice text,
                               uint64_t *ret_receivers);
void pubsub_each(struct cmd_server *api, enum topic_kind kind, void (*visit)(void *context, struct slice name),
                 void *context);
uint64_t pubsub_listeners(struct cmd_server *api, enum topic_kind kind, struct slice name);
uint64_t pubsub_count(struct cmd_server *api, enum topic_kind kind);
uint64_t pubsub_clients(const struct server *server);

/* Sends `text` to all who listen to the channel; from any thread. STATUS_NO_MEMORY: nobody, or not everybody, gets it. */
MUST_CHECK enum status pubsub_publish(struct server *server, enum topic_kind kind, struct slice channel,
                                      struct slice text, uint64_t *ret_receivers);

/* Whether there is something to hand out. */
static inline bool inbox_is_waiting(const struct inbox *inbox) {
    return inbox->taken.size || atomic_load_explicit(&inbox->waiting, memory_order_acquire);
}
/* Puts messages into outputs: about DELIVERIES_PER_TURN of them, or all that have come before the call. Both may send, and may close
 * connections whose clients have gone. */
void pubsub_hand_out(struct worker *worker);
void pubsub_catch_up(struct worker *worker);
/* Something was put into the connection's output; it is sent as below. */
void pubsub_send_later(struct worker *worker, struct connection *connection);
/* Sends what was put into outputs. Before the end of each turn. */
void pubsub_send(struct worker *worker);

#endif
