/* app/server/pubsub_deliver.c: from a worker's inbox to its listeners' outputs. */
#include <stdlib.h>

#include "app/server/pubsub_inbox.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/number.h"
#include "sys/os/log.h"

struct inbox_entry {
    struct pubsub_message *message;
    struct topic_part *part;
    enum topic_kind kind;
};

enum { BULK_HEAD_MAX = 1 + NUMBER_TEXT_MAX + 2 }; /* "$123\r\n" */

/* ----------------------------------------------------------------- messages */

static uint8_t *put_bulk(uint8_t *at, struct slice bytes) {
    *at++ = '$';
    at += number_format_i64((int64_t)bytes.size, (char *)at);
    *at++ = '\r';
    *at++ = '\n';
    if (bytes.size)
        memcpy(at, bytes.data, bytes.size);
    at += bytes.size;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

struct pubsub_message *message_new(struct slice channel, struct slice text) {
    size_t room = 2 * (BULK_HEAD_MAX + 2) + channel.size + text.size;
    struct pubsub_message *message = malloc(sizeof *message + room);
    if (!message)
        return NULL;
    atomic_init(&message->references, 1);
    message->size = (size_t)(put_bulk(put_bulk(message->bytes, channel), text) - message->bytes);
    ASSERT(message->size <= room);
    return message;
}

static void message_ref(struct pubsub_message *message) {
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
}

void pubsub_message_unref(struct pubsub_message *message) {
    if (atomic_fetch_sub_explicit(&message->references, 1, memory_order_acq_rel) == 1)
        free(message);
}

/* ------------------------------------------------------------------ inboxes */

void inbox_init(struct inbox *inbox) {
    *inbox = (struct inbox){0};
    pthread_mutex_init(&inbox->lock, NULL);
    buf_init(&inbox->entries, &memory_libc);
    buf_init(&inbox->taken, &memory_libc);
}

static void drop_entries(struct buf *entries, uint32_t from) {
    const struct inbox_entry *all = (const struct inbox_entry *)entries->data;
    for (uint32_t i = from; i < entries->size / sizeof *all; i++) {
        atomic_fetch_sub_explicit(&all[i].part->queued, 1, memory_order_release);
        topics_part_done(all[i].part, &memory_libc);
        pubsub_message_unref(all[i].message);
    }
    buf_fini(entries);
}

/* After the worker's connections are gone. */
void inbox_fini(struct inbox *inbox) {
    drop_entries(&inbox->taken, inbox->taken_at);
    drop_entries(&inbox->entries, 0);
    pthread_mutex_destroy(&inbox->lock);
}

uint64_t inbox_received(struct inbox *inbox) {
    pthread_mutex_lock(&inbox->lock);
    uint64_t received = inbox->received;
    pthread_mutex_unlock(&inbox->lock);
    return received;
}

bool inbox_put(struct worker *worker, struct pubsub_message *message, struct topic_part *part, enum topic_kind kind) {
    struct inbox *inbox = &worker->inbox;
    struct inbox_entry entry = {.message = message, .part = part, .kind = kind};
    pthread_mutex_lock(&inbox->lock);
    bool was_empty = atomic_load_explicit(&inbox->waiting, memory_order_relaxed) == 0;
    if (inbox->bytes >= INBOX_HARD_BYTES || inbox->entries.size >= INBOX_MESSAGES_MAX * sizeof entry ||
        buf_append(&inbox->entries, &entry, sizeof entry) != STATUS_OK) {
        inbox->lost = true;
    } else {
        message_ref(message);
        atomic_fetch_add_explicit(&part->queued, 1, memory_order_relaxed);
        inbox->bytes += message->size;
        inbox->received++;
    }
    if (!inbox->full &&
        (inbox->bytes >= INBOX_SOFT_BYTES || inbox->entries.size >= INBOX_MESSAGES_SOFT * sizeof entry)) {
        inbox->full = true;
        atomic_fetch_add(&worker->server->inboxes_full, 1);
    }
    uint32_t waiting = (uint32_t)(inbox->entries.size / sizeof entry);
    atomic_store_explicit(&inbox->waiting, waiting ? waiting : 1, memory_order_release);
    pthread_mutex_unlock(&inbox->lock);
    bool mine = worker_is_current(worker);
    if (mine)
        inbox->own = true;
    return was_empty && !mine;
}

bool inbox_lose(struct worker *worker) {
    struct inbox *inbox = &worker->inbox;
    pthread_mutex_lock(&inbox->lock);
    uint32_t waiting = atomic_load_explicit(&inbox->waiting, memory_order_relaxed);
    inbox->lost = true;
    atomic_store_explicit(&inbox->waiting, waiting ? waiting : 1, memory_order_release);
    pthread_mutex_unlock(&inbox->lock);
    bool mine = worker_is_current(worker);
    if (mine)
        inbox->own = true;
    return waiting == 0 && !mine;
}

/* -------------------------------------------------------------- handing out */

static struct connection *connection_of(struct listener *listener) {
    return (struct connection *)((char *)listener - offsetof(struct connection, client.listener));
}

/* It is closed at the end of the turn: whoever calls walks the listeners. */
void push_cut(struct connection *connection, const char *why) {
    struct worker *worker = connection->worker;
    log_event(LOG_WARNING, "client_closed",
              LOG_FIELDS(log_text("why", "subscriber_lags"), log_number("client", connection->client.id),
                         log_text("address", connection->peer)),
              "Closing a subscriber %s: id=%llu addr=%s", why, (unsigned long long)connection->client.id,
              connection->peer);
    worker->counts.output_limit_cuts++;
    worker->counts.pubsub_cuts++;
    worker->kills++;
    connection->killed = true;
}

/* Messages were lost, and nobody knows whose. */
static void cut_all(struct worker *worker) {
    for (struct connection *connection = worker->first; connection; connection = connection->older) {
        if (connection->client.listener.count && !connection->killed && connection->state == CONNECTION_OPEN)
            push_cut(connection, "of a worker that lost messages");
    }
}

/* What stands before the part that all listeners share; its first byte depends on the protocol. */
static bool head_write(struct buf *head, const struct inbox_entry *entry) {
    static const struct slice words[TOPIC_KINDS] = {
        [TOPIC_CHANNEL] = {(const uint8_t *)"*3\r\n$7\r\nmessage\r\n", 17},
        [TOPIC_PATTERN] = {(const uint8_t *)"*4\r\n$8\r\npmessage\r\n", 18},
        [TOPIC_SHARD_CHANNEL] = {(const uint8_t *)"*3\r\n$8\r\nsmessage\r\n", 18},
    };
    buf_clear(head);
    bool done = buf_append_slice(head, words[entry->kind]) == STATUS_OK;
    if (done && entry->kind == TOPIC_PATTERN) {
        struct slice pattern = topic_name(entry->part->topic);
        done = buf_reserve(head, pattern.size + BULK_HEAD_MAX + 2) == STATUS_OK;
        if (done)
            head->size = (size_t)(put_bulk(head->data + head->size, pattern) - head->data);
    }
    return done;
}

/* `message`: NULL, there is nothing behind the head. */
static enum status output_append(struct connection *connection, struct slice head, struct pubsub_message *message) {
    struct buf *out = &connection->out;
    size_t size = message ? message->size : 0;
    bool shared = size >= MESSAGE_SHARE_SIZE_MIN;
    TRY(buf_reserve(out, head.size + (shared ? 0 : size)));
    if (shared)
        TRY(buf_reserve(&connection->foreign, sizeof(struct reply_foreign)));
    uint8_t *at = out->data + out->size;
    memcpy(at, head.data, head.size);
    out->size += head.size;
    if (!message)
        return STATUS_OK;
    if (connection->client.protocol == 3)
        *at = '>';
    if (!shared) {
        memcpy(at + head.size, message->bytes, size);
        out->size += size;
        return STATUS_OK;
    }
    struct reply_foreign foreign = {.at = out->size, .size = size, .handle = {(uintptr_t)message, FOREIGN_MESSAGE}};
    enum status status = buf_append(&connection->foreign, &foreign, sizeof foreign);
    ASSERT(status == STATUS_OK);
    message_ref(message);
    connection_count_foreign(connection);
    return STATUS_OK;
}

void pubsub_send_later(struct worker *worker, struct connection *connection) {
    if (connection->in_outputs)
        return;
    connection->in_outputs = true;
    connection->outputs_next = worker->inbox.outputs;
    worker->inbox.outputs = connection;
}

static void output(struct worker *worker, struct connection *connection, struct slice head,
                   struct pubsub_message *message) {
    if (!connection->out.data)
        connection->out = worker_take_buffer(worker);
    if (output_append(connection, head, message) != STATUS_OK) {
        push_cut(connection, "for which there is no memory");
        return;
    }
    pubsub_send_later(worker, connection);
    worker->inbox.outputs_large |= connection_unsent(connection) > OUTPUT_EARLY_BYTES;
}

static void deliver_to(struct worker *worker, struct connection *connection, struct slice head,
                       struct pubsub_message *message) {
    uint64_t hard = SETTING(worker->server, pubsub_hard_bytes);
    uint64_t unsent = connection_unsent(connection) + head.size + message->size;
    if (hard && unsent > hard)
        push_cut(connection, "that reached its output buffer limit");
    else
        output(worker, connection, head, message);
}

/* A client that is no subscriber may have a large reply before it, which is not counted. */
void push_to(struct worker *worker, struct connection *connection, struct slice bytes) {
    uint64_t hard = SETTING(worker->server, pubsub_hard_bytes);
    uint64_t unsent = connection_unsent(connection) + bytes.size;
    connection->pushed_bytes += bytes.size;
    uint64_t counted =
        connection->client.listener.count || connection->pushed_bytes > unsent ? unsent : connection->pushed_bytes;
    if (hard && counted > hard)
        push_cut(connection, "that reached its output buffer limit");
    else
        output(worker, connection, bytes, NULL);
}

/* Answers how many listeners there were. */
static uint64_t deliver(struct worker *worker, const struct inbox_entry *entry, uint64_t number, struct buf *head) {
    const struct topic_part *part = entry->part;
    if (part->count == 0)
        return 0;
    bool ready = head_write(head, entry);
    for (uint32_t i = 0; i < part->count; i++) {
        const struct topic_member *member = &part->members[i];
        struct connection *connection = connection_of(member->listener);
        if (number < member->since || connection->state != CONNECTION_OPEN || connection->killed)
            continue;
        if (ready)
            deliver_to(worker, connection, buf_slice(head), entry->message);
        else
            push_cut(connection, "for which there is no memory");
    }
    return part->count;
}

/* The inbox's entries become `taken`, which is empty. False: there are none. */
static bool take(struct worker *worker) {
    struct inbox *inbox = &worker->inbox;
    inbox->own = false;
    if (!atomic_load_explicit(&inbox->waiting, memory_order_acquire))
        return false;
    pthread_mutex_lock(&inbox->lock);
    struct buf empty = inbox->taken;
    inbox->taken = inbox->entries;
    inbox->entries = empty;
    inbox->taken_at = 0;
    inbox->taken_before = inbox->received - inbox->taken.size / sizeof(struct inbox_entry);
    inbox->bytes = 0;
    atomic_store_explicit(&inbox->waiting, 0, memory_order_relaxed);
    bool lost = inbox->lost, full = inbox->full;
    inbox->lost = inbox->full = false;
    pthread_mutex_unlock(&inbox->lock);
    if (full && atomic_fetch_sub(&worker->server->inboxes_full, 1) == 1) {
        for (uint32_t i = 0; i < worker->server->worker_count; i++)
            loop_wake(worker->server->workers[i]->loop);
    }
    if (lost)
        cut_all(worker);
    /* A message that was published after a change comes after it. */
    if (mailbox_is_waiting(&worker->mailbox))
        tracking_hand_out(worker, UINT64_MAX);
    return inbox->taken.size > 0;
}

/* Up to entry number `until`, or until at least `deliveries_max` were made. */
static void hand_out(struct worker *worker, uint64_t until, uint64_t deliveries_max) {
    enum { TAKEN_KEEP_SIZE = 16 * 1024 };
    struct inbox *inbox = &worker->inbox;
    struct buf head;
    if (mailbox_is_waiting(&worker->mailbox) && !tracking_hand_out(worker, deliveries_max))
        return;
    buf_init(&head, &memory_libc);
    uint64_t deliveries = 0;
    while (deliveries < deliveries_max && inbox->taken_before + inbox->taken_at < until &&
           (inbox->taken.size || take(worker))) {
        struct inbox_entry entry = ((const struct inbox_entry *)inbox->taken.data)[inbox->taken_at];
        deliveries += 1 + deliver(worker, &entry, inbox->taken_before + inbox->taken_at, &head);
        atomic_fetch_sub_explicit(&entry.part->queued, 1, memory_order_release);
        topics_part_done(entry.part, &memory_libc);
        pubsub_message_unref(entry.message);
        if (++inbox->taken_at == inbox->taken.size / sizeof entry) {
            buf_clear(&inbox->taken);
            buf_shrink(&inbox->taken, TAKEN_KEEP_SIZE);
        }
        if (inbox->outputs_large)
            pubsub_send(worker);
    }
    buf_fini(&head);
}

void pubsub_hand_out(struct worker *worker) { hand_out(worker, UINT64_MAX, DELIVERIES_PER_TURN); }

/* Not what comes meanwhile: publishers on other workers may be as fast as this one. */
void pubsub_catch_up(struct worker *worker) { hand_out(worker, inbox_received(&worker->inbox), UINT64_MAX); }

void pubsub_send(struct worker *worker) {
    struct connection *list = worker->inbox.outputs, *next;
    worker->inbox.outputs = NULL;
    worker->inbox.outputs_large = false;
    for (struct connection *connection = list; connection; connection = next) {
        next = connection->outputs_next;
        connection->in_outputs = false;
        if (connection->killed)
            continue;
        connection_send(connection);
        /* The event that would have noticed does not come when nothing is left to send. */
        if (connection->choked && connection->state == CONNECTION_OPEN &&
            connection_unsent(connection) < OUTPUT_CHOKE_BYTES / 2)
            worker_resume_later(worker, connection);
    }
}
