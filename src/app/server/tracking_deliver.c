/* app/server/tracking_deliver.c: mail of client-side caching, from the worker that makes it to the outputs of connections. */
#include <stdio.h>
#include <stdlib.h>

#include "app/server/pubsub_inbox.h"
#include "app/server/tracking_mail.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/number.h"
#include "sys/os/log.h"

enum mail_kind {
    MAIL_KEY,    /* clients had read the key */
    MAIL_PREFIX, /* who has the prefix wants to know of the key */
    MAIL_NULL,   /* clients must drop everything */
};

/* Followed by the key's name, to a multiple of 4 bytes, and the numbers of trackers; in all to a multiple of 8. */
struct mail {
    uint32_t kind, name_size, count, size;
    uint64_t prefix_size; /* of MAIL_PREFIX: so much of the name, as the next one */
    uint64_t origin;      /* the client that made the change */
    uint64_t known;       /* see mail_prefix */
};

enum status mailbox_init(struct mailbox *mailbox, uint32_t worker_count) {
    *mailbox = (struct mailbox){0};
    pthread_mutex_init(&mailbox->lock, NULL);
    buf_init(&mailbox->records, &memory_libc);
    buf_init(&mailbox->taken, &memory_libc);
    buf_init(&mailbox->fresh, &memory_libc);
    mailbox->outgoing = malloc(worker_count * sizeof *mailbox->outgoing);
    if (!mailbox->outgoing)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < worker_count; i++) {
        mailbox->outgoing[i] = (struct outgoing){0};
        buf_init(&mailbox->outgoing[i].records, &memory_libc);
    }
    return STATUS_OK;
}

static struct mail mail_read(const struct buf *records, size_t at) {
    struct mail mail;
    memcpy(&mail, records->data + at, sizeof mail);
    return mail;
}

void mailbox_fini(struct mailbox *mailbox, uint32_t worker_count) {
    buf_fini(&mailbox->records);
    buf_fini(&mailbox->taken);
    buf_fini(&mailbox->fresh);
    for (uint32_t i = 0; mailbox->outgoing && i < worker_count; i++)
        buf_fini(&mailbox->outgoing[i].records);
    free(mailbox->outgoing);
    pthread_mutex_destroy(&mailbox->lock);
}

/* ----------------------------------------------------------------- writing */

/* Ends the record that is open. */
static void close_record(struct outgoing *outgoing) {
    if (!outgoing->open_at)
        return;
    size_t at = outgoing->open_at - 1;
    struct mail mail = mail_read(&outgoing->records, at);
    outgoing->records.size = bits_align_up(outgoing->records.size, sizeof(uint64_t)); /* there is room: add_client */
    mail.size = (uint32_t)(outgoing->records.size - at);
    memcpy(outgoing->records.data + at, &mail, sizeof mail);
    outgoing->open_at = 0;
}

static bool begin_record(struct outgoing *outgoing, const struct mail *mail, struct slice name) {
    static const uint8_t zeros[sizeof(uint64_t)];
    struct buf *records = &outgoing->records;
    close_record(outgoing);
    size_t at = records->size, padding = bits_align_up(name.size, 4) - name.size;
    if (outgoing->lost || at > MAILBOX_BYTES_MAX ||
        buf_reserve(records, sizeof *mail + name.size + padding + sizeof zeros) != STATUS_OK)
        return false;
    enum status status = buf_append(records, mail, sizeof *mail);
    if (status == STATUS_OK)
        status = buf_append_slice(records, name);
    if (status == STATUS_OK)
        status = buf_append(records, zeros, padding);
    ASSERT(status == STATUS_OK);
    outgoing->open_at = at + 1;
    return true;
}

/* The open record is given up. */
static void lose_record(struct outgoing *outgoing) {
    if (outgoing->open_at)
        outgoing->records.size = outgoing->open_at - 1;
    outgoing->open_at = 0;
    outgoing->lost = true;
}

static bool add_client(struct outgoing *outgoing, uint32_t number) {
    if (buf_reserve(&outgoing->records, sizeof number + sizeof(uint64_t)) != STATUS_OK)
        return false;
    enum status status = buf_append(&outgoing->records, &number, sizeof number);
    ASSERT(status == STATUS_OK);
    struct mail *mail = (struct mail *)(void *)(outgoing->records.data + outgoing->open_at - 1);
    mail->count++;
    return true;
}

/* The worker that has the connection which is to be written to. */
static uint32_t home_of(const struct tracking *tracking, const struct tracker *tracker) {
    uint32_t redirect = atomic_load_explicit(&tracker->redirect, memory_order_acquire);
    if (redirect) {
        const struct tracker *target = tracker_at(tracking, redirect);
        if (atomic_load_explicit(&target->state, memory_order_acquire) & TRACKER_LIVES)
            tracker = target;
    }
    return atomic_load_explicit(&tracker->worker, memory_order_acquire);
}

/* Whether the open record is of this kind and key; keys are put in one after the other, so that comparing the last is enough. */
static bool goes_on(const struct outgoing *outgoing, enum mail_kind kind, struct slice name) {
    if (!outgoing->open_at)
        return false;
    struct mail mail = mail_read(&outgoing->records, outgoing->open_at - 1);
    const uint8_t *bytes = outgoing->records.data + outgoing->open_at - 1 + sizeof mail;
    return mail.kind == kind && slice_equal(slice_make(bytes, mail.name_size), name);
}

/* Without memory for it, whoever is told by that worker is going to drop everything. */
static void mail_to(struct worker *worker, uint32_t home, enum mail_kind kind, const struct tracker *tracker,
                    struct slice name) {
    struct outgoing *outgoing = &worker->mailbox.outgoing[home];
    worker->mailbox.outgoing_any = true;
    bool open = goes_on(outgoing, kind, name) ||
                begin_record(outgoing, &(struct mail){.kind = kind, .name_size = (uint32_t)name.size}, name);
    if (!open || !add_client(outgoing, tracker->number))
        lose_record(outgoing);
}

void mail_key(struct worker *worker, struct tracker *tracker, struct slice name) {
    mail_to(worker, home_of(worker->server->tracking, tracker), MAIL_KEY, tracker, name);
}

void mail_null(struct worker *worker, struct tracker *tracker) {
    mail_to(worker, home_of(worker->server->tracking, tracker), MAIL_NULL, tracker, slice_make(NULL, 0));
}

void mail_prefix(struct worker *worker, uint32_t home, const struct mail_prefix *prefix) {
    struct outgoing *outgoing = &worker->mailbox.outgoing[home];
    worker->mailbox.outgoing_any = true;
    struct mail mail = {.kind = MAIL_PREFIX,
                        .name_size = (uint32_t)prefix->name.size,
                        .prefix_size = prefix->prefix_size,
                        .origin = prefix->origin,
                        .known = prefix->known};
    if (begin_record(outgoing, &mail, prefix->name))
        close_record(outgoing);
    else
        lose_record(outgoing);
}

/* ----------------------------------------------------------------- posting */

/* True: the worker must be woken. */
static bool set_waiting(struct mailbox *mailbox) {
    return !atomic_exchange_explicit(&mailbox->waiting, true, memory_order_acq_rel);
}

static void wake(struct worker *from, struct worker *to) {
    if (from == to)
        from->inbox.own = true;
    else
        loop_wake(to->loop);
}

static void post_all(struct worker *worker, bool bcast_only, uint64_t known) {
    const struct server *server = worker->server;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct mailbox *mailbox = &server->workers[i]->mailbox;
        pthread_mutex_lock(&mailbox->lock);
        if ((!mailbox->all && !mailbox->all_bcast) || known < mailbox->known)
            mailbox->known = known;
        mailbox->all |= !bcast_only;
        mailbox->all_bcast |= bcast_only;
        bool sleeps = set_waiting(mailbox);
        pthread_mutex_unlock(&mailbox->lock);
        if (sleeps)
            wake(worker, server->workers[i]);
    }
}

static void post_records(struct worker *worker, struct worker *to, struct outgoing *outgoing) {
    enum { KEPT_MAX = 64 * 1024 };
    struct mailbox *mailbox = &to->mailbox;
    close_record(outgoing);
    pthread_mutex_lock(&mailbox->lock);
    bool taken = mailbox->records.size <= MAILBOX_BYTES_MAX &&
                 buf_append_slice(&mailbox->records, buf_slice(&outgoing->records)) == STATUS_OK;
    mailbox->lost |= outgoing->lost || !taken;
    bool sleeps = set_waiting(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    buf_clear(&outgoing->records);
    buf_shrink(&outgoing->records, KEPT_MAX);
    outgoing->lost = false;
    if (sleeps)
        wake(worker, to);
}

void tracking_post(struct worker *worker) {
    struct mailbox *mailbox = &worker->mailbox;
    const struct server *server = worker->server;
    mailbox->last_hash = mailbox->last_client = 0;
    if (!mailbox->outgoing_any)
        return;
    bool all = mailbox->outgoing_all, all_bcast = mailbox->outgoing_all_bcast;
    uint64_t known = all || all_bcast ? tracking_mail_redirected(worker, all ? CMD_TRACKS : CMD_TRACKS_BCAST) : 0;
    mailbox->outgoing_any = mailbox->outgoing_all = mailbox->outgoing_all_bcast = false;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct outgoing *outgoing = &mailbox->outgoing[i];
        if (outgoing->records.size || outgoing->lost)
            post_records(worker, server->workers[i], outgoing);
    }
    if (all || all_bcast)
        post_all(worker, !all, known);
    if (mailbox->clears)
        tracking_clear_posted(worker);
}

/* -------------------------------------------------------------- handing out */

/* What is being told, and its bytes as RESP3 and as a message of RESP2, made when they are first needed. */
struct telling {
    enum mail_kind kind;
    struct slice name;
    struct buf resp3, resp2;
    bool failed;
};

static void telling_begin(struct telling *telling, enum mail_kind kind, struct slice name) {
    *telling = (struct telling){.kind = kind, .name = name};
    buf_init(&telling->resp3, &memory_libc);
    buf_init(&telling->resp2, &memory_libc);
}

static void telling_end(struct telling *telling) {
    buf_fini(&telling->resp3);
    buf_fini(&telling->resp2);
}

/* The keys, or what stands for all of them. */
static enum status write_keys(struct buf *to, const struct telling *telling, struct slice null) {
    if (telling->kind == MAIL_NULL)
        return buf_append_slice(to, null);
    TRY(buf_printf(to, "*1\r\n$%zu\r\n", telling->name.size));
    TRY(buf_append_slice(to, telling->name));
    return buf_append_slice(to, SLICE("\r\n"));
}

static struct slice bytes_for(struct telling *telling, int protocol) {
    struct buf *bytes = protocol == 3 ? &telling->resp3 : &telling->resp2;
    if (bytes->size)
        return buf_slice(bytes);
    enum status status = protocol == 3
                             ? buf_append_slice(bytes, SLICE(">2\r\n$10\r\ninvalidate\r\n"))
                             : buf_append_slice(bytes, SLICE("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"));
    if (status == STATUS_OK)
        status = write_keys(bytes, telling, protocol == 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
    telling->failed |= status != STATUS_OK;
    return buf_slice(bytes);
}

/* Redis 7.2 and 7.0 know this push in RESP3 only. */
static void say_broken(struct worker *worker, struct connection *connection) {
    struct cmd_client *client = &connection->client;
    client->tracking |= CMD_TRACKS_BROKEN;
    if (client->protocol != 3)
        return;
    char text[64];
    int size = snprintf(text, sizeof text, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
                        (unsigned long long)client->tracking_redirect);
    push_to(worker, connection, slice_make(text, (size_t)size));
}

static void write_to(struct worker *worker, struct connection *connection, struct telling *telling, bool redirected) {
    const struct cmd_client *client = &connection->client;
    if (client->protocol != 3 && !(redirected && client->listener.count))
        return; /* nobody said where to put it */
    struct slice bytes = bytes_for(telling, client->protocol);
    if (telling->failed)
        push_cut(connection, "for which there is no memory");
    else
        push_to(worker, connection, bytes);
}

static bool is_open(const struct connection *connection) {
    return connection->state == CONNECTION_OPEN && !connection->killed;
}

static void tell(struct worker *worker, const struct tracker *tracker, struct telling *telling) {
    const struct tracking *tracking = worker->server->tracking;
    uint32_t state = atomic_load_explicit(&tracker->state, memory_order_acquire);
    if (!(state & TRACKER_LIVES) || !(state & CMD_TRACKS))
        return;
    uint32_t redirect = atomic_load_explicit(&tracker->redirect, memory_order_acquire);
    const struct tracker *target = redirect ? tracker_at(tracking, redirect) : tracker;
    bool broken = !(atomic_load_explicit(&target->state, memory_order_acquire) & TRACKER_LIVES);
    uint32_t home = home_of(tracking, tracker);
    if (home != worker->index) {
        /* Another worker's since it was mailed, or known here only. */
        mail_to(worker, home, telling->kind, tracker, telling->name);
        return;
    }
    struct connection *connection = broken ? tracker->connection : target->connection;
    if (!is_open(connection))
        return;
    if (broken)
        say_broken(worker, connection);
    else
        write_to(worker, connection, telling, redirect != 0);
}

/* Whether the changer has mailed it to the worker that tells it, because it is told through another connection. */
static bool is_told(const struct tracker *tracker, uint64_t known) {
    return atomic_load_explicit(&tracker->redirect, memory_order_relaxed) && tracker->redirected <= known;
}

static uint64_t tell_prefix(struct worker *worker, const struct mail *mail, struct telling *telling) {
    struct slice prefix = slice_part(telling->name, 0, mail->prefix_size);
    const struct topic_part *part = tracking_prefix_part(worker, prefix);
    telling->kind = MAIL_KEY;
    for (uint32_t i = 0; part && i < part->count; i++) {
        const struct tracked_prefixes *prefixes = (const void *)part->members[i].listener;
        const struct tracker *tracker = prefixes->tracker;
        if (!tracker_ignores(tracker, mail->origin) && !is_told(tracker, mail->known))
            tell(worker, tracker, telling);
    }
    return part ? part->count : 0;
}

/* Answers how many clients there were. */
static uint64_t deliver(struct worker *worker, const uint8_t *at, const struct mail *mail) {
    struct telling telling;
    telling_begin(&telling, mail->kind, slice_make(at + sizeof *mail, mail->name_size));
    uint64_t count = mail->count;
    const uint8_t *numbers = at + sizeof *mail + bits_align_up(mail->name_size, 4);
    for (uint32_t i = 0; i < mail->count; i++) {
        uint32_t number;
        memcpy(&number, numbers + i * sizeof number, sizeof number);
        tell(worker, tracker_at(worker->server->tracking, number), &telling);
    }
    if (mail->kind == MAIL_PREFIX)
        count += tell_prefix(worker, mail, &telling);
    telling_end(&telling);
    return count;
}

/* Everybody, or everybody of the mode BCAST, drops everything, but those of `known`, as is_told. `lost`: and so do those who redirect to a connection of
 * this worker. */
static void tell_everybody(struct worker *worker, bool bcast_only, bool lost, uint64_t known) {
    struct telling telling;
    uint32_t wanted = bcast_only ? CMD_TRACKS_BCAST : CMD_TRACKS;
    telling_begin(&telling, MAIL_NULL, slice_make(NULL, 0));
    for (struct connection *connection = worker->first; connection; connection = connection->older) {
        const struct cmd_client *client = &connection->client;
        const struct tracker *tracker =
            client->tracking & wanted ? tracker_at(worker->server->tracking, client->tracker) : NULL;
        if (tracker && !is_told(tracker, known))
            tell(worker, tracker, &telling);
        if (lost && client->tracking & CMD_TRACKING_TARGET && is_open(connection))
            write_to(worker, connection, &telling, true);
    }
    telling_end(&telling);
}

/* What has come becomes `taken`, which is empty. */
static void take(struct worker *worker) {
    struct mailbox *mailbox = &worker->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    struct buf empty = mailbox->taken;
    mailbox->taken = mailbox->records;
    mailbox->records = empty;
    mailbox->taken_at = 0;
    bool all = mailbox->all, all_bcast = mailbox->all_bcast, lost = mailbox->lost;
    uint64_t known = lost ? 0 : mailbox->known;
    mailbox->all = mailbox->all_bcast = mailbox->lost = false;
    atomic_store_explicit(&mailbox->waiting, false, memory_order_relaxed);
    pthread_mutex_unlock(&mailbox->lock);
    if (all || all_bcast || lost)
        tell_everybody(worker, !all && !lost, lost, known);
}

bool tracking_hand_out(struct worker *worker, uint64_t deliveries_max) {
    enum { TAKEN_KEEP_SIZE = 16 * 1024 };
    struct mailbox *mailbox = &worker->mailbox;
    uint64_t deliveries = 0;
    bool fetched = false;
    while (deliveries < deliveries_max) {
        if (!mailbox->taken.size) {
            /* Once: what comes meanwhile comes after this call, and others may be as fast as this. */
            if (fetched || !atomic_load_explicit(&mailbox->waiting, memory_order_acquire))
                break;
            fetched = true;
            take(worker);
            continue;
        }
        struct mail mail = mail_read(&mailbox->taken, mailbox->taken_at);
        deliveries += 1 + deliver(worker, mailbox->taken.data + mailbox->taken_at, &mail);
        mailbox->taken_at += mail.size;
        if (mailbox->taken_at == mailbox->taken.size) {
            mailbox->taken_at = 0;
            buf_clear(&mailbox->taken);
            buf_shrink(&mailbox->taken, TAKEN_KEEP_SIZE);
        }
        if (worker->inbox.outputs_large)
            pubsub_send(worker);
    }
    if (mailbox->outgoing_any)
        tracking_post(worker);
    return !mailbox->taken.size;
}
