#include "app/server/pubsub.h"

#include <stdlib.h>

#include "app/server/pubsub_inbox.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/glob.h"
#include "base/hash.h"

/* A cache line and more each, so that shards do not disturb one another. */
struct shard {
    _Alignas(64) pthread_rwlock_t lock;
    struct topics topics;
};

struct pubsub {
    uint64_t seed;
    _Atomic uint64_t counts[TOPIC_KINDS];              /* topics */
    _Atomic uint64_t clients;                          /* that have any */
    _Atomic uint32_t hints[TOPIC_KINDS][PUBSUB_HINTS]; /* topics whose hash ends so */
    struct shard channels[PUBSUB_SHARDS], shard_channels[PUBSUB_SHARDS];
    struct shard patterns; /* each publication walks them all */
};

/* ------------------------------------------------------------ begin and end */

/* Publishers come all the time: whoever joins must not wait for a moment without any. */
static void shard_init(struct shard *shard) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&shard->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    topics_init(&shard->topics, &memory_libc);
}

static void shard_fini(struct shard *shard) {
    topics_fini(&shard->topics);
    pthread_rwlock_destroy(&shard->lock);
}

struct pubsub *pubsub_new(uint64_t seed) {
    struct pubsub *pubsub = aligned_alloc(_Alignof(struct pubsub), sizeof *pubsub);
    if (!pubsub)
        return NULL;
    memset(pubsub, 0, sizeof *pubsub);
    pubsub->seed = seed;
    shard_init(&pubsub->patterns);
    for (uint32_t i = 0; i < PUBSUB_SHARDS; i++) {
        shard_init(&pubsub->channels[i]);
        shard_init(&pubsub->shard_channels[i]);
    }
    return pubsub;
}

void pubsub_free(struct pubsub *pubsub) {
    if (!pubsub)
        return;
    shard_fini(&pubsub->patterns);
    for (uint32_t i = 0; i < PUBSUB_SHARDS; i++) {
        shard_fini(&pubsub->channels[i]);
        shard_fini(&pubsub->shard_channels[i]);
    }
    free(pubsub);
}

/* The low bits choose the hint and the place in the table, so the shard is chosen by high ones. */
static struct shard *shard_of(struct pubsub *pubsub, enum topic_kind kind, uint64_t hash) {
    uint64_t at = hash >> 32 & (PUBSUB_SHARDS - 1);
    return kind == TOPIC_PATTERN   ? &pubsub->patterns
           : kind == TOPIC_CHANNEL ? &pubsub->channels[at]
                                   : &pubsub->shard_channels[at];
}

static _Atomic uint32_t *hint_of(struct pubsub *pubsub, enum topic_kind kind, uint64_t hash) {
    return &pubsub->hints[kind][hash & (PUBSUB_HINTS - 1)];
}

/* -------------------------------------------------------- joining and leaving */

static struct worker *worker_of(const struct cmd_client *client) {
    return ((const struct connection *)client->connection)->worker;
}

/* After a change under the shard's lock: `before` topics were there. */
static void note_topics(struct pubsub *pubsub, enum topic_kind kind, uint64_t hash, uint64_t before, uint64_t now) {
    atomic_fetch_add(&pubsub->counts[kind], now - before);
    atomic_fetch_add(hint_of(pubsub, kind, hash), (uint32_t)(now - before));
}

enum status pubsub_subscribe(struct cmd_server *api, struct cmd_client *client, enum topic_kind kind,
                             struct slice name) {
    struct pubsub *pubsub = server_of(api)->pubsub;
    struct worker *worker = worker_of(client);
    uint64_t hash = hash_bytes(name, pubsub->seed);
    if (listener_find(&client->listener, kind, name, hash))
        return STATUS_OK;
    struct shard *shard = shard_of(pubsub, kind, hash);
    pthread_rwlock_wrlock(&shard->lock);
    uint64_t before = shard->topics.count;
    enum status status =
        topics_join(&shard->topics, kind, name, hash, worker->index, inbox_received(&worker->inbox), &client->listener);
    note_topics(pubsub, kind, hash, before, shard->topics.count);
    pthread_rwlock_unlock(&shard->lock);
    if (status == STATUS_OK && client->listener.count == 1)
        atomic_fetch_add(&pubsub->clients, 1);
    return status;
}

static void leave(struct pubsub *pubsub, struct cmd_client *client, struct subscription *subscription) {
    enum topic_kind kind = subscription->kind;
    uint64_t hash = subscription->part->topic->hash;
    struct shard *shard = shard_of(pubsub, kind, hash);
    pthread_rwlock_wrlock(&shard->lock);
    uint64_t before = shard->topics.count;
    topics_leave(&shard->topics, subscription);
    note_topics(pubsub, kind, hash, before, shard->topics.count);
    pthread_rwlock_unlock(&shard->lock);
    if (client->listener.count == 0)
        atomic_fetch_sub(&pubsub->clients, 1);
}

void pubsub_unsubscribe(struct cmd_server *api, struct cmd_client *client, enum topic_kind kind, struct slice name) {
    struct pubsub *pubsub = server_of(api)->pubsub;
    struct subscription *found = listener_find(&client->listener, kind, name, hash_bytes(name, pubsub->seed));
    if (found)
        leave(pubsub, client, found);
}

void pubsub_unsubscribe_all(struct cmd_server *api, struct cmd_client *client) {
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        while (client->listener.first[kind])
            leave(server_of(api)->pubsub, client, client->listener.first[kind]);
    }
}

/* --------------------------------------------------------------- publishing */

struct publication {
    struct server *server;
    struct slice channel, text;
    struct pubsub_message *message; /* made when the first listener is found */
    uint64_t receivers;
    enum status status;
    uint64_t wake[SERVER_WORKERS_MAX / 64]; /* workers, a bit each */
};

static void send_to_topic(struct publication *publication, const struct topic *topic, enum topic_kind kind) {
    if (!publication->message)
        publication->message = message_new(publication->channel, publication->text);
    if (!publication->message) {
        publication->status = STATUS_NO_MEMORY;
        return;
    }
    for (struct topic_part *part = topic->parts; part; part = part->next) {
        struct worker *worker = publication->server->workers[part->owner];
        publication->receivers += part->count;
        if (inbox_put(worker, publication->message, part, kind))
            publication->wake[part->owner / 64] |= 1ull << part->owner % 64;
    }
}

static void send_to_patterns(struct publication *publication, struct shard *shard) {
    pthread_rwlock_rdlock(&shard->lock);
    for (const struct topic *topic = shard->topics.oldest; topic; topic = topic->newer) {
        if (glob_matches(topic_name(topic), publication->channel, false))
            send_to_topic(publication, topic, TOPIC_PATTERN);
    }
    pthread_rwlock_unlock(&shard->lock);
}

/* Outside the locks: waking is a system call. */
static void wake_workers(const struct publication *publication) {
    const struct server *server = publication->server;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (publication->wake[i / 64] >> i % 64 & 1)
            loop_wake(server->workers[i]->loop);
    }
}

enum status pubsub_publish(struct server *server, enum topic_kind kind, struct slice channel, struct slice text,
                           uint64_t *ret_receivers) {
    struct pubsub *pubsub = server->pubsub;
    ASSERT(kind != TOPIC_PATTERN);
    *ret_receivers = 0;
    bool patterns =
        kind == TOPIC_CHANNEL && atomic_load_explicit(&pubsub->counts[TOPIC_PATTERN], memory_order_acquire) != 0;
    if (!patterns && atomic_load_explicit(&pubsub->counts[kind], memory_order_acquire) == 0)
        return STATUS_OK;
    uint64_t hash = hash_bytes(channel, pubsub->seed);
    struct publication publication = {.server = server, .channel = channel, .text = text, .status = STATUS_OK};
    if (atomic_load_explicit(hint_of(pubsub, kind, hash), memory_order_acquire)) {
        struct shard *shard = shard_of(pubsub, kind, hash);
        pthread_rwlock_rdlock(&shard->lock);
        const struct topic *topic = topics_find(&shard->topics, channel, hash);
        if (topic)
            send_to_topic(&publication, topic, kind);
        pthread_rwlock_unlock(&shard->lock);
    }
    if (patterns)
        send_to_patterns(&publication, &pubsub->patterns);
    if (publication.message) {
        wake_workers(&publication);
        pubsub_message_unref(publication.message);
    }
    *ret_receivers = publication.receivers;
    return publication.status;
}

void pubsub_lose(struct server *server) {
    for (uint32_t i = 0; i < server->worker_count; i++)
        if (inbox_lose(server->workers[i]))
            loop_wake(server->workers[i]->loop);
}

enum status pubsub_api_publish(struct cmd_server *api, enum topic_kind kind, struct slice channel, struct slice text,
                               uint64_t *ret_receivers) {
    return pubsub_publish(server_of(api), kind, channel, text, ret_receivers);
}

/* ------------------------------------------------------------------ looking */

static void each_of_shard(struct shard *shard, void (*visit)(void *context, struct slice name), void *context) {
    pthread_rwlock_rdlock(&shard->lock);
    for (const struct topic *topic = shard->topics.oldest; topic; topic = topic->newer)
        visit(context, topic_name(topic));
    pthread_rwlock_unlock(&shard->lock);
}

void pubsub_each(struct cmd_server *api, enum topic_kind kind, void (*visit)(void *context, struct slice name),
                 void *context) {
    struct pubsub *pubsub = server_of(api)->pubsub;
    uint32_t count = kind == TOPIC_PATTERN ? 1 : PUBSUB_SHARDS;
    for (uint32_t i = 0; i < count; i++)
        each_of_shard(shard_of(pubsub, kind, (uint64_t)i << 32), visit, context);
}

uint64_t pubsub_listeners(struct cmd_server *api, enum topic_kind kind, struct slice name) {
    struct pubsub *pubsub = server_of(api)->pubsub;
    uint64_t hash = hash_bytes(name, pubsub->seed);
    struct shard *shard = shard_of(pubsub, kind, hash);
    pthread_rwlock_rdlock(&shard->lock);
    const struct topic *topic = topics_find(&shard->topics, name, hash);
    uint64_t listeners = topic ? topic->listeners : 0;
    pthread_rwlock_unlock(&shard->lock);
    return listeners;
}

uint64_t pubsub_count(struct cmd_server *api, enum topic_kind kind) {
    return atomic_load(&server_of(api)->pubsub->counts[kind]);
}

uint64_t pubsub_clients(const struct server *server) { return atomic_load(&server->pubsub->clients); }
