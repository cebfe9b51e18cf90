/* app/server/streaming_sync.c: acknowledgements, and who waits for them. */
#include "app/server/run.h"
#include "app/server/streaming.h"
#include "app/server/worker.h"
#include "base/assert.h"

/* It has acknowledged the position, or has been through it and owes nothing. */
static bool has_acknowledged(const struct stream_subscriber *subscriber, uint64_t position) {
    return subscriber->acked >= position || (subscriber->seen >= position && subscriber->acked >= subscriber->told);
}

/* Whoever subscribed later is not waited for, nor is the client itself, which is blocked. */
static bool is_waited_for(const struct stream_subscriber *subscriber, const struct sync_wait *wait) {
    return subscriber->acks && subscriber->serial < wait->serial && subscriber->connection != wait->connection;
}

/* Whether somebody whom this one waits for can acknowledge, or may when he has what he waits for himself. */
static bool has_hope(const struct server_streaming *streaming, const struct sync_wait *wait) {
    for (const struct stream_subscriber *one = streaming->subscribers; one; one = one->next)
        if (is_waited_for(one, wait) && !has_acknowledged(one, wait->position) && (!one->wait || one->wait->hopeful))
            return true;
    return false;
}

/* Whether waiting is of any use: of those that listen and wait at the same time each may wait for the others. Seldom more than one round for each
 * of the few that do. Under the lock. */
static bool may_still_come(struct server_streaming *streaming, const struct sync_wait *wait) {
    bool changed = true;
    for (struct sync_wait *one = streaming->waits; one; one = one->next)
        one->hopeful = false;
    while (changed) {
        changed = false;
        for (struct sync_wait *one = streaming->waits; one; one = one->next)
            if (!one->hopeful && has_hope(streaming, one))
                one->hopeful = changed = true;
    }
    return has_hope(streaming, wait);
}

static void note_missing(uint64_t clients[CMD_SYNCED_SHOWN_MAX], uint64_t *count,
                         const struct stream_subscriber *subscriber) {
    if (*count < CMD_SYNCED_SHOWN_MAX)
        clients[*count] = subscriber->connection->client.id;
    ++*count;
}

/* Fills in the result; true: there is nobody whom it is any use to wait for. Under the lock. */
static bool look_at(struct server_streaming *streaming, struct sync_wait *wait) {
    uint64_t acknowledged = wait->left_acknowledged, missing = wait->left, blocked = 0;
    wait->result = (struct cmd_synced){.entries = wait->entries, .position = wait->position};
    memcpy(wait->result.missing_clients, wait->left_clients, sizeof wait->left_clients);
    for (const struct stream_subscriber *one = streaming->subscribers; one; one = one->next) {
        if (!is_waited_for(one, wait))
            continue;
        if (has_acknowledged(one, wait->position)) {
            acknowledged++;
        } else {
            note_missing(wait->result.missing_clients, &missing, one);
            blocked += one->wait != NULL;
        }
    }
    wait->result.acknowledged = acknowledged;
    wait->result.missing = missing;
    uint64_t here = missing - wait->left;
    return here == 0 || (here == blocked && !may_still_come(streaming, wait));
}

void streaming_sync_leave(struct server_streaming *streaming, const struct stream_subscriber *subscriber) {
    for (struct sync_wait *wait = streaming->waits; wait; wait = wait->next) {
        if (!is_waited_for(subscriber, wait))
            continue;
        if (has_acknowledged(subscriber, wait->position))
            wait->left_acknowledged++;
        else
            note_missing(wait->left_clients, &wait->left, subscriber);
    }
    streaming_tell_waiters(streaming);
}

void streaming_tell_waiters(struct server_streaming *streaming) {
    struct server *server = streaming->server;
    if (!streaming->waits)
        return;
    for (uint32_t i = 0; i < server->worker_count; i++)
        if (atomic_load_explicit(&server->workers[i]->streaming.syncs, memory_order_relaxed))
            loop_wake(server->workers[i]->loop);
}

enum status streaming_api_ack(struct cmd_server *api, struct cmd_client *client, uint64_t position) {
    struct connection *connection = client->connection;
    struct stream_subscriber *subscriber = connection->subscriber;
    if (!subscriber || !subscriber->acks)
        return STATUS_CLOSED;
    struct server_streaming *streaming = streaming_enter(server_of(api));
    enum status status = position > streaming->ring.last ? STATUS_INVALID : STATUS_OK;
    if (status == STATUS_OK && position > subscriber->acked) {
        subscriber->acked = position;
        subscriber->owes_since_ms = connection->worker->now_ms;
        streaming_tell_waiters(streaming);
    }
    streaming_leave(streaming);
    return status;
}

/* ------------------------------------------------------------------------------------------ waiting */

static void link_wait(struct server_streaming *streaming, struct worker *worker, struct sync_wait *wait) {
    wait->next = streaming->waits;
    streaming->waits = wait;
    streaming->counts.waiting++;
    if (wait->connection->subscriber)
        wait->connection->subscriber->wait = wait;
    atomic_fetch_add(&worker->streaming.syncs, 1);
}

static void unlink_wait(struct server_streaming *streaming, struct worker *worker, struct sync_wait *wait) {
    struct sync_wait **at = &streaming->waits;
    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
    if (wait->connection->subscriber)
        wait->connection->subscriber->wait = NULL;
    streaming->counts.waiting--;
    atomic_fetch_sub(&worker->streaming.syncs, 1);
}

static void note_end(struct server_streaming *streaming, const struct sync_wait *wait) {
    if (wait->result.missing)
        streaming->counts.unacknowledged++;
    else
        streaming->counts.synced++;
}

enum status streaming_api_sync(struct cmd_server *api, struct cmd_client *client, uint64_t entries, uint32_t wait_ms,
                               struct cmd_synced *ret_synced, bool *ret_done) {
    struct connection *connection = client->connection;
    struct worker *worker = connection->worker;
    ASSERT(!connection->sync_wait);
    /* What anybody could hear of; without it the worker's last record may be of another client's. */
    bool noted = worker->changes.noted != worker->cause.noted_before;
    if (worker->changes.waiting)
        changes_hand_on(worker);
    struct sync_wait *wait = memory_take(&memory_libc, sizeof *wait);
    if (!wait)
        return STATUS_NO_MEMORY;
    struct server_streaming *streaming = streaming_enter(server_of(api));
    *wait = (struct sync_wait){.connection = connection,
                               .serial = ++streaming->serials,
                               .position = noted ? worker->streaming.recorded : 0,
                               .entries = entries,
                               .until_ms = worker->now_ms + wait_ms};
    bool full = streaming->counts.waiting >= STREAMING_SYNCS_MAX;
    link_wait(streaming, worker, wait); /* from here on nobody can hope for its own acknowledgement */
    bool done = look_at(streaming, wait) || wait_ms == 0 || full; /* what it says is true all the same */
    if (done) {
        unlink_wait(streaming, worker, wait);
        note_end(streaming, wait);
    }
    *ret_synced = wait->result;
    *ret_done = done;
    streaming_leave(streaming);
    if (done) {
        memory_give(&memory_libc, wait, sizeof *wait);
    } else {
        connection->sync_wait = wait;
        client->sync_waited = true;
    }
    return STATUS_OK;
}

void streaming_api_synced(struct cmd_server *api, struct cmd_client *client, struct cmd_synced *ret_synced) {
    struct connection *connection = client->connection;
    struct sync_wait *wait = connection->sync_wait;
    (void)api;
    ASSERT(wait && wait->done);
    *ret_synced = wait->result;
    memory_give(&memory_libc, wait, sizeof *wait);
    connection->sync_wait = NULL;
    client->sync_waited = false;
}

/* One of this worker's whose waiting is over, taken off the list. */
static struct sync_wait *take_done(struct worker *worker) {
    struct server_streaming *streaming = streaming_enter(worker->server);
    struct sync_wait *wait = streaming->waits;
    while (wait &&
           (wait->connection->worker != worker || (!look_at(streaming, wait) && worker->now_ms < wait->until_ms)))
        wait = wait->next;
    if (wait) {
        unlink_wait(streaming, worker, wait);
        note_end(streaming, wait);
        wait->done = true;
    }
    streaming_leave(streaming);
    return wait;
}

void streaming_look(struct worker *worker) {
    struct sync_wait *wait;
    if (!atomic_load_explicit(&worker->streaming.syncs, memory_order_relaxed))
        return;
    while ((wait = take_done(worker))) {
        struct connection *connection = wait->connection;
        if (connection->touched)
            batch_finish(worker);
        if (connection->state == CONNECTION_OPEN && connection->blocked)
            connection_unblock(connection);
    }
    batch_finish(worker);
}

uint64_t streaming_due(struct worker *worker) {
    uint64_t due_ms = UINT64_MAX;
    if (!atomic_load_explicit(&worker->streaming.syncs, memory_order_relaxed))
        return due_ms;
    struct server_streaming *streaming = streaming_enter(worker->server);
    for (const struct sync_wait *wait = streaming->waits; wait; wait = wait->next)
        if (wait->connection->worker == worker && wait->until_ms < due_ms)
            due_ms = wait->until_ms;
    streaming_leave(streaming);
    return due_ms;
}

void streaming_connection_ends(struct connection *connection) {
    struct server *server = connection->worker->server;
    struct sync_wait *wait = connection->sync_wait;
    if (wait) {
        struct server_streaming *streaming = streaming_enter(server);
        if (!wait->done)
            unlink_wait(streaming, connection->worker, wait);
        streaming_leave(streaming);
        memory_give(&memory_libc, wait, sizeof *wait);
        connection->sync_wait = NULL;
    }
    streaming_api_unsubscribe(&server->api, &connection->client);
}
