/* app/server/tracking.c: who tracks, and which keys were read. */
#include "app/server/tracking.h"

#include <stdlib.h>

#include "app/server/tracking_mail.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/hash.h"

/* A cache line and more each, so that shards do not disturb one another. */
struct table_shard {
    _Alignas(64) pthread_mutex_t lock;
    struct track track;
};

struct tracking {
    uint64_t seed;
    struct table_shard shards[TRACKING_SHARDS];
    _Atomic uint64_t keys, items;

    pthread_mutex_t switch_lock; /* around beginning and ending; taken before all others */
    pthread_mutex_t lock;        /* of what follows up to `clients`; taken after a shard's */
    struct tracker *_Atomic chunks[TRACKER_CHUNKS_MAX];
    uint32_t tracker_count, free_first; /* numbers ever given, and a list of those that nothing names; 0: none */
    _Atomic uint64_t clients;
    _Atomic uint64_t redirects, redirections; /* how many there are, and how often one has changed */
    _Atomic uint32_t clearing;                /* workers that empty shards and have told nobody yet */

    /* Of the mode BCAST. */
    pthread_rwlock_t prefix_lock;
    struct topics prefixes;
    uint32_t *sizes, *size_counts; /* which sizes prefixes have, and how many have each */
    uint32_t size_count, size_room;
    _Atomic uint64_t prefix_count;

    _Atomic uint64_t deaths; /* of trackers */
    uint64_t swept_deaths;   /* worker 0's, as the rest: of so many, nothing is in the table any more */
    uint64_t sweeping_deaths, sweep_cursor;
    uint32_t sweep_shard;
    bool sweeping;
};

/* ------------------------------------------------------------ begin and end */

struct tracking *tracking_new(uint64_t seed) {
    struct tracking *tracking = aligned_alloc(_Alignof(struct tracking), sizeof *tracking);
    if (!tracking)
        return NULL;
    memset(tracking, 0, sizeof *tracking);
    tracking->seed = seed;
    for (uint32_t i = 0; i < TRACKING_SHARDS; i++) {
        pthread_mutex_init(&tracking->shards[i].lock, NULL);
        track_init(&tracking->shards[i].track, &memory_libc);
    }
    pthread_mutex_init(&tracking->lock, NULL);
    pthread_mutex_init(&tracking->switch_lock, NULL);
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&tracking->prefix_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    topics_init(&tracking->prefixes, &memory_libc);
    return tracking;
}

void tracking_free(struct tracking *tracking) {
    if (!tracking)
        return;
    for (uint32_t i = 0; i < TRACKING_SHARDS; i++) {
        track_fini(&tracking->shards[i].track);
        pthread_mutex_destroy(&tracking->shards[i].lock);
    }
    for (uint32_t i = 0; i < TRACKER_CHUNKS_MAX; i++)
        free(atomic_load(&tracking->chunks[i]));
    topics_fini(&tracking->prefixes);
    free(tracking->sizes);
    free(tracking->size_counts);
    pthread_mutex_destroy(&tracking->lock);
    pthread_mutex_destroy(&tracking->switch_lock);
    pthread_rwlock_destroy(&tracking->prefix_lock);
    free(tracking);
}

/* ---------------------------------------------------------------- trackers */

struct tracker *tracker_at(const struct tracking *tracking, uint32_t number) {
    struct tracker *chunk = atomic_load_explicit(&tracking->chunks[number / TRACKERS_A_CHUNK], memory_order_acquire);
    return &chunk[number % TRACKERS_A_CHUNK];
}

static void tracker_ref(struct tracker *tracker) {
    atomic_fetch_add_explicit(&tracker->references, 1, memory_order_relaxed);
}

static void tracker_unref(struct tracking *tracking, struct tracker *tracker) {
    if (atomic_fetch_sub_explicit(&tracker->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&tracking->lock);
    tracker->next_free = tracking->free_first;
    tracking->free_first = tracker->number;
    pthread_mutex_unlock(&tracking->lock);
}

/* A number that nothing names. NULL: no memory, or TRACKER_CHUNKS_MAX. */
static struct tracker *tracker_find_free(struct tracking *tracking) {
    if (tracking->free_first) {
        struct tracker *tracker = tracker_at(tracking, tracking->free_first);
        tracking->free_first = tracker->next_free;
        return tracker;
    }
    uint32_t number = tracking->tracker_count + 1, chunk = number / TRACKERS_A_CHUNK;
    if (chunk >= TRACKER_CHUNKS_MAX)
        return NULL;
    if (!atomic_load_explicit(&tracking->chunks[chunk], memory_order_relaxed)) {
        struct tracker *made = calloc(TRACKERS_A_CHUNK, sizeof *made);
        if (!made)
            return NULL;
        atomic_store_explicit(&tracking->chunks[chunk], made, memory_order_release);
    }
    tracking->tracker_count = number;
    struct tracker *tracker = tracker_at(tracking, number);
    tracker->number = number;
    return tracker;
}

/* The connection's tracker; made, if it has none. In the turn of its worker. */
static struct tracker *tracker_of(struct tracking *tracking, struct connection *connection) {
    struct cmd_client *client = &connection->client;
    if (client->tracker)
        return tracker_at(tracking, client->tracker);
    pthread_mutex_lock(&tracking->lock);
    struct tracker *tracker = tracker_find_free(tracking);
    pthread_mutex_unlock(&tracking->lock);
    if (!tracker)
        return NULL;
    tracker->connection = connection;
    tracker->bcast = NULL;
    atomic_store(&tracker->references, 1);
    atomic_store(&tracker->redirect, 0);
    atomic_store(&tracker->worker, connection->worker->index);
    atomic_store(&tracker->client, client->id);
    atomic_store(&tracker->state, TRACKER_LIVES);
    client->tracker = tracker->number;
    return tracker;
}

static void redirect_set(struct tracking *tracking, struct tracker *tracker, struct tracker *target) {
    uint32_t before = atomic_exchange(&tracker->redirect, target ? target->number : 0);
    if (target)
        atomic_fetch_add(&tracking->redirects, 1);
    if (before) {
        atomic_fetch_sub(&tracking->redirects, 1);
        tracker_unref(tracking, tracker_at(tracking, before));
    }
    tracker->redirected = atomic_fetch_add(&tracking->redirections, 1) + 1; /* last: see tracking_mail_redirected */
}

struct finding {
    struct worker *worker;
    struct connection *connection;
};

/* The connection with this id, with its worker visited; the caller leaves it. */
static bool find_client(struct server *server, uint64_t id, struct finding *ret_found) {
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        worker_visit(worker);
        for (struct connection *one = worker->first; one; one = one->older) {
            if (one->client.id == id && one->state == CONNECTION_OPEN && !one->killed) {
                *ret_found = (struct finding){worker, one};
                return true;
            }
        }
        worker_leave(worker);
    }
    return false;
}

bool tracking_client_is_there(struct cmd_server *api, uint64_t id) {
    struct finding found;
    if (!find_client(server_of(api), id, &found))
        return false;
    worker_leave(found.worker);
    return true;
}

/* The tracker of whom to redirect to, with a reference for the caller. */
static enum status take_target(struct server *server, uint64_t id, struct tracker **ret_target) {
    struct finding found;
    if (!find_client(server, id, &found))
        return STATUS_CLOSED;
    struct tracker *target = tracker_of(server->tracking, found.connection);
    if (target) {
        tracker_ref(target);
        found.connection->client.tracking |= CMD_TRACKING_TARGET;
    }
    worker_leave(found.worker);
    *ret_target = target;
    return target ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---------------------------------------------------------------- prefixes */

/* Under the lock for writing. */
static enum status note_size(struct tracking *tracking, uint32_t size) {
    for (uint32_t i = 0; i < tracking->size_count; i++) {
        if (tracking->sizes[i] == size) {
            tracking->size_counts[i]++;
            return STATUS_OK;
        }
    }
    if (tracking->size_count == tracking->size_room) {
        uint32_t room = tracking->size_room ? 2 * tracking->size_room : 8;
        uint32_t *sizes = realloc(tracking->sizes, room * sizeof *sizes);
        if (!sizes)
            return STATUS_NO_MEMORY;
        tracking->sizes = sizes;
        uint32_t *counts = realloc(tracking->size_counts, room * sizeof *counts);
        if (!counts)
            return STATUS_NO_MEMORY;
        tracking->size_counts = counts;
        tracking->size_room = room;
    }
    tracking->sizes[tracking->size_count] = size;
    tracking->size_counts[tracking->size_count++] = 1;
    return STATUS_OK;
}

static void forget_size(struct tracking *tracking, uint32_t size) {
    for (uint32_t i = 0; i < tracking->size_count; i++) {
        if (tracking->sizes[i] != size)
            continue;
        if (--tracking->size_counts[i] == 0) {
            tracking->sizes[i] = tracking->sizes[--tracking->size_count];
            tracking->size_counts[i] = tracking->size_counts[tracking->size_count];
        }
        return;
    }
    ASSERT(false);
}

static void leave_prefix(struct tracking *tracking, struct subscription *subscription) {
    uint32_t size = subscription->part->topic->name_size;
    pthread_rwlock_wrlock(&tracking->prefix_lock);
    topics_leave(&tracking->prefixes, subscription);
    forget_size(tracking, size);
    atomic_store(&tracking->prefix_count, tracking->prefixes.count);
    pthread_rwlock_unlock(&tracking->prefix_lock);
}

static void leave_prefixes(struct tracking *tracking, struct tracker *tracker, uint32_t until_count) {
    while (tracker->bcast && tracker->bcast->listener.count > until_count)
        leave_prefix(tracking, tracker->bcast->listener.last[TOPIC_CHANNEL]);
}

static enum status join_prefix(struct tracking *tracking, struct tracker *tracker, struct slice prefix) {
    uint64_t hash = hash_bytes(prefix, tracking->seed);
    struct listener *listener = &tracker->bcast->listener;
    if (listener_find(listener, TOPIC_CHANNEL, prefix, hash))
        return STATUS_OK;
    pthread_rwlock_wrlock(&tracking->prefix_lock);
    enum status status = note_size(tracking, (uint32_t)prefix.size);
    if (status == STATUS_OK) {
        status =
            topics_join(&tracking->prefixes, TOPIC_CHANNEL, prefix, hash, atomic_load(&tracker->worker), 0, listener);
        if (status != STATUS_OK)
            forget_size(tracking, (uint32_t)prefix.size);
    }
    atomic_store(&tracking->prefix_count, tracking->prefixes.count);
    pthread_rwlock_unlock(&tracking->prefix_lock);
    return status;
}

/* All or none. */
static enum status join_prefixes(struct tracking *tracking, struct tracker *tracker,
                                 const struct cmd_tracking_wish *wish) {
    if (!tracker->bcast) {
        tracker->bcast = malloc(sizeof *tracker->bcast);
        if (!tracker->bcast)
            return STATUS_NO_MEMORY;
        tracker->bcast->tracker = tracker;
        listener_init(&tracker->bcast->listener, &memory_libc);
    }
    uint32_t before = tracker->bcast->listener.count;
    enum status status = wish->prefix_count ? STATUS_OK : join_prefix(tracking, tracker, slice_make(NULL, 0));
    for (uint32_t i = 0; i < wish->prefix_count && status == STATUS_OK; i++)
        status = join_prefix(tracking, tracker, wish->prefixes[i]);
    if (status != STATUS_OK)
        leave_prefixes(tracking, tracker, before);
    return status;
}

void tracking_each_prefix(struct cmd_server *api, const struct cmd_client *client,
                          void (*visit)(void *context, struct slice prefix), void *context) {
    if (!client->tracker)
        return;
    const struct tracker *tracker = tracker_at(server_of(api)->tracking, client->tracker);
    const struct subscription *at = tracker->bcast ? tracker->bcast->listener.first[TOPIC_CHANNEL] : NULL;
    for (; at; at = at->next)
        visit(context, topic_name(at->part->topic));
}

const struct topic_part *tracking_prefix_part(struct worker *worker, struct slice prefix) {
    struct tracking *tracking = worker->server->tracking;
    pthread_rwlock_rdlock(&tracking->prefix_lock);
    const struct topic *topic = topics_find(&tracking->prefixes, prefix, hash_bytes(prefix, tracking->seed));
    const struct topic_part *part = topic ? topic->parts : NULL;
    while (part && part->owner != worker->index)
        part = part->next;
    pthread_rwlock_unlock(&tracking->prefix_lock);
    return part;
}

/* -------------------------------------------------------------- on and off */

/* Of what was not there nobody has read anything. */
enum {
    TRACKED_CHANGES = CACHE_REMOVALS | 1 << CACHE_DEMOTED | 1 << CACHE_CREATED | 1 << CACHE_PATCHED |
                      1 << CACHE_EXPIRY_SET | 1 << CACHE_FLUSHED | 1 << CACHE_SWAPPED | 1 << CACHE_TAG_INVALIDATED |
                      1 << CACHE_TAG_SOFTENED | 1 << CACHE_RETAGGED
};

/* What CLIENT CACHING has said of the next command stays said, as in Redis, if it goes on. */
static void state_set(struct tracker *tracker, struct cmd_client *client, uint32_t modes) {
    uint32_t stays = modes ? CMD_TRACKING_TARGET | CMD_TRACKS_CACHING : CMD_TRACKING_TARGET;
    client->tracking = (client->tracking & stays) | modes;
    atomic_store(&tracker->state, TRACKER_LIVES | modes);
}

enum status tracking_on(struct cmd_server *api, struct cmd_client *client, const struct cmd_tracking_wish *wish) {
    struct server *server = server_of(api);
    struct tracking *tracking = server->tracking;
    struct connection *connection = client->connection;
    struct tracker *tracker = tracker_of(tracking, connection), *target = NULL;
    if (!tracker)
        return STATUS_NO_MEMORY;
    if (wish->redirect)
        TRY(take_target(server, wish->redirect, &target));
    enum status status = wish->modes & CMD_TRACKS_BCAST ? join_prefixes(tracking, tracker, wish) : STATUS_OK;
    if (status != STATUS_OK) {
        if (target)
            tracker_unref(tracking, target);
        return status;
    }
    bool tracked = client->tracking & CMD_TRACKS;
    redirect_set(tracking, tracker, target);
    client->tracking_redirect = wish->redirect;
    state_set(tracker, client, CMD_TRACKS | wish->modes);
    if (!tracked) {
        pthread_mutex_lock(&tracking->switch_lock);
        atomic_fetch_add(&tracking->clients, 1);
        /* Also when others track: their wish may be so new that a change is under way which has not seen it. */
        changes_want(connection->worker, CHANGES_TO_TRACK, TRACKED_CHANGES);
        pthread_mutex_unlock(&tracking->switch_lock);
    }
    return STATUS_OK;
}

static void forget_client(void *context, uint32_t client) {
    struct tracking *tracking = context;
    tracker_unref(tracking, tracker_at(tracking, client));
}

static void note_counts(struct tracking *tracking, const struct track *track, uint64_t keys, uint64_t items) {
    if (track->keys != keys)
        atomic_fetch_add_explicit(&tracking->keys, track->keys - keys, memory_order_relaxed);
    if (track->items != items)
        atomic_fetch_add_explicit(&tracking->items, track->items - items, memory_order_relaxed);
}

static void clear_table(struct tracking *tracking) {
    for (uint32_t i = 0; i < TRACKING_SHARDS; i++) {
        struct table_shard *shard = &tracking->shards[i];
        pthread_mutex_lock(&shard->lock);
        uint64_t keys = shard->track.keys, items = shard->track.items;
        track_clear(&shard->track, forget_client, tracking);
        note_counts(tracking, &shard->track, keys, items);
        pthread_mutex_unlock(&shard->lock);
    }
}

void tracking_off(struct cmd_server *api, struct cmd_client *client) {
    struct tracking *tracking = server_of(api)->tracking;
    if (!(client->tracking & CMD_TRACKS))
        return;
    struct tracker *tracker = tracker_at(tracking, client->tracker);
    leave_prefixes(tracking, tracker, 0);
    redirect_set(tracking, tracker, NULL);
    client->tracking_redirect = 0;
    state_set(tracker, client, 0);
    pthread_mutex_lock(&tracking->switch_lock);
    if (atomic_fetch_sub(&tracking->clients, 1) == 1) {
        /* Changes need not be told of any more, so what is in the table would never go. */
        changes_want(((struct connection *)client->connection)->worker, CHANGES_TO_TRACK, 0);
        clear_table(tracking);
    }
    pthread_mutex_unlock(&tracking->switch_lock);
}

void tracking_leave(struct connection *connection) {
    struct cmd_client *client = &connection->client;
    struct tracking *tracking = connection->worker->server->tracking;
    if (!client->tracker)
        return;
    tracking_off(&connection->worker->server->api, client);
    struct tracker *tracker = tracker_at(tracking, client->tracker);
    client->tracking = client->tracker = 0;
    if (tracker->bcast) {
        listener_fini(&tracker->bcast->listener);
        free(tracker->bcast);
    }
    tracker->bcast = NULL;
    tracker->connection = NULL;
    atomic_store(&tracker->state, 0);
    atomic_fetch_add(&tracking->deaths, 1);
    tracker_unref(tracking, tracker);
}

void tracking_counts(const struct server *server, struct cmd_server_counts *ret_counts) {
    const struct tracking *tracking = server->tracking;
    ret_counts->tracking_clients = atomic_load(&tracking->clients);
    ret_counts->tracked_keys = atomic_load(&tracking->keys);
    ret_counts->tracked_items = atomic_load(&tracking->items);
    ret_counts->tracked_prefixes = atomic_load(&tracking->prefix_count);
}

void tracking_clear_posted(struct worker *worker) {
    worker->mailbox.clears = false;
    atomic_fetch_sub(&worker->server->tracking->clearing, 1);
}

uint64_t tracking_mail_redirected(struct worker *worker, uint32_t modes) {
    struct tracking *tracking = worker->server->tracking;
    uint64_t known = atomic_load(&tracking->redirections);
    if (!atomic_load(&tracking->redirects))
        return known;
    pthread_mutex_lock(&tracking->lock);
    uint32_t count = tracking->tracker_count;
    pthread_mutex_unlock(&tracking->lock);
    for (uint32_t number = 1; number <= count; number++) {
        struct tracker *tracker = tracker_at(tracking, number);
        if (atomic_load_explicit(&tracker->redirect, memory_order_acquire) &&
            atomic_load_explicit(&tracker->state, memory_order_acquire) & modes)
            mail_null(worker, tracker);
    }
    return known;
}

/* ------------------------------------------------------------------ taking */

struct taking {
    struct worker *worker;
    const struct change *change; /* NULL: the table is over its limit */
    uint64_t hash;               /* of the key, if the change has one */
    bool own_doing;              /* what the client's command was there to do */
};

/* Whether the running command noted the key, for whom it had not been noted before. */
static bool is_fresh(const struct worker *worker, uint64_t hash) {
    const struct buf *fresh = &worker->mailbox.fresh;
    for (size_t i = 0; i < fresh->size / sizeof hash; i++)
        if (((const uint64_t *)fresh->data)[i] == hash)
            return true;
    return false;
}

static bool tell_client(void *context, struct slice name, uint32_t client) {
    const struct taking *taking = context;
    struct worker *worker = taking->worker;
    struct tracking *tracking = worker->server->tracking;
    struct tracker *tracker = tracker_at(tracking, client);
    uint32_t state = atomic_load_explicit(&tracker->state, memory_order_relaxed);
    bool own = taking->change && taking->change->client &&
               taking->change->client == atomic_load_explicit(&tracker->client, memory_order_relaxed);
    bool tracks = state & CMD_TRACKS && !(state & CMD_TRACKS_BCAST);
    /* A reader that comes across what has ended has noted the key before, and knows now that it is gone. */
    bool keeps = own && !taking->own_doing && tracks && taking->hash && taking->change->spec->flags & CMD_READONLY;
    bool silent =
        own && (taking->own_doing ? (state & CMD_TRACKS_NOLOOP) != 0 : keeps && is_fresh(worker, taking->hash));
    if (tracks && !silent)
        mail_key(worker, tracker, name);
    if (!keeps)
        tracker_unref(tracking, tracker);
    return keeps;
}

/* What ends by itself, or by a tag, is found by anybody's command; and what follows by rules was nobody's wish. */
static bool is_own_doing(const struct change *change) {
    return change->client && !change->planned && change->kind != CACHE_EXPIRED && change->kind != CACHE_EVICTED &&
           change->kind != CACHE_DEMOTED && change->kind != CACHE_INVALIDATED;
}

static void take_from(struct tracking *tracking, struct table_shard *shard, const struct taking *taking,
                      const struct slice *tag, struct slice name, uint64_t hash) {
    const struct track_taking visits = {tell_client, (void *)(uintptr_t)taking};
    pthread_mutex_lock(&shard->lock);
    uint64_t keys = shard->track.keys, items = shard->track.items;
    if (tag)
        track_take_tag(&shard->track, *tag, hash, &visits);
    else if (taking->change)
        track_take(&shard->track, name, hash, &visits);
    else
        track_take_any(&shard->track, &visits);
    note_counts(tracking, &shard->track, keys, items);
    /* Before anybody finds them gone: whoever changes the key next has nobody to tell, and replies. */
    if (shard->track.keys != keys || shard->track.items != items)
        tracking_post(taking->worker);
    pthread_mutex_unlock(&shard->lock);
    /* Another worker may just have emptied the shard: its null has to come before this change's reply, too. */
    if (taking->change && atomic_load(&tracking->clearing))
        taking->worker->mailbox.outgoing_all = taking->worker->mailbox.outgoing_any = true;
}

/* Those of a part who are told through another connection, which may be one of any worker. */
static void tell_redirected(struct worker *worker, const struct topic_part *part, struct slice name, uint64_t origin) {
    for (uint32_t i = 0; i < part->count; i++) {
        struct tracker *tracker = ((const struct tracked_prefixes *)(const void *)part->members[i].listener)->tracker;
        if (atomic_load_explicit(&tracker->redirect, memory_order_acquire) && !tracker_ignores(tracker, origin))
            mail_key(worker, tracker, name);
    }
}

static void tell_prefixes(struct worker *worker, const struct change *change, uint64_t hash) {
    struct tracking *tracking = worker->server->tracking;
    struct mailbox *mailbox = &worker->mailbox;
    uint64_t origin = is_own_doing(change) ? change->client : 0;
    if (mailbox->last_hash == hash && mailbox->last_client == origin)
        return;
    mailbox->last_hash = hash;
    mailbox->last_client = origin;
    pthread_rwlock_rdlock(&tracking->prefix_lock);
    uint64_t known = atomic_load(&tracking->redirections);
    bool any_redirected = atomic_load(&tracking->redirects) != 0;
    for (uint32_t i = 0; i < tracking->size_count; i++) {
        if (tracking->sizes[i] > change->name.size)
            continue;
        struct slice prefix = slice_part(change->name, 0, tracking->sizes[i]);
        const struct topic *topic = topics_find(&tracking->prefixes, prefix, hash_bytes(prefix, tracking->seed));
        for (const struct topic_part *part = topic ? topic->parts : NULL; part; part = part->next) {
            struct mail_prefix mail = {change->name, prefix.size, origin, known};
            mail_prefix(worker, part->owner, &mail);
            if (any_redirected)
                tell_redirected(worker, part, change->name, origin);
        }
    }
    pthread_rwlock_unlock(&tracking->prefix_lock);
}

static void key_has_changed(struct worker *worker, const struct change *change) {
    struct tracking *tracking = worker->server->tracking;
    uint64_t hash = hash_bytes(change->name, tracking->seed);
    struct taking taking = {.worker = worker, .change = change, .hash = hash, .own_doing = is_own_doing(change)};
    take_from(tracking, &tracking->shards[hash % TRACKING_SHARDS], &taking, NULL, change->name, hash);
    /* Tags matter to those who have prefixes only when one is invalidated, and then they drop everything. What goes softly by its name has no killer. */
    bool of_tags = (change->kind == CACHE_INVALIDATED && (change->killer.size || change->by_ban)) ||
                   change->kind == CACHE_RETAGGED;
    if (atomic_load_explicit(&tracking->prefix_count, memory_order_acquire) && !of_tags)
        tell_prefixes(worker, change, hash);
}

static void tag_is_invalidated(struct worker *worker, const struct change *change) {
    struct tracking *tracking = worker->server->tracking;
    uint64_t hash = hash_bytes(change->name, tracking->seed);
    struct taking taking = {.worker = worker, .change = change}; /* who names a tag does not know all its keys */
    for (uint32_t i = 0; i < TRACKING_SHARDS; i++)
        take_from(tracking, &tracking->shards[i], &taking, &change->name, change->name, hash);
    /* Nobody knows which keys those have that asked for prefixes, nor which keys bore the tag. */
    if (atomic_load_explicit(&tracking->prefix_count, memory_order_acquire))
        worker->mailbox.outgoing_all_bcast = worker->mailbox.outgoing_any = true;
}

void tracking_change(struct worker *worker, const struct change *change) {
    struct tracking *tracking = worker->server->tracking;
    if (atomic_load_explicit(&tracking->clients, memory_order_acquire) == 0)
        return;
    if (change->lost || change->kind == CACHE_FLUSHED || change->kind == CACHE_SWAPPED) {
        atomic_fetch_add(&tracking->clearing, !worker->mailbox.clears);
        worker->mailbox.clears = worker->mailbox.outgoing_all = worker->mailbox.outgoing_any = true;
        clear_table(tracking);
    } else if (change->kind == CACHE_TAG_INVALIDATED || change->kind == CACHE_TAG_SOFTENED) {
        tag_is_invalidated(worker, change);
    } else if (1 << change->kind & TRACKED_CHANGES) {
        key_has_changed(worker, change);
    }
}

/* Forgets up to so many keys, as far as there are too many. */
static void evict(struct worker *worker, uint32_t count_max) {
    struct tracking *tracking = worker->server->tracking;
    uint64_t keys_max = SETTING(worker->server, tracked_keys_max);
    struct taking taking = {.worker = worker};
    uint32_t evicted = 0, empty = 0;
    while (keys_max && evicted < count_max && empty < TRACKING_SHARDS &&
           atomic_load_explicit(&tracking->keys, memory_order_relaxed) > keys_max) {
        struct table_shard *shard = &tracking->shards[worker->mailbox.evict_at++ % TRACKING_SHARDS];
        uint64_t before = atomic_load_explicit(&tracking->keys, memory_order_relaxed);
        take_from(tracking, shard, &taking, NULL, slice_make(NULL, 0), 0);
        bool took = atomic_load_explicit(&tracking->keys, memory_order_relaxed) < before;
        evicted += took;
        empty = took ? 0 : empty + 1;
    }
    if (evicted)
        tracking_post(worker);
}

/* ------------------------------------------------------------------ noting */

struct tagging {
    struct tracking *tracking;
    struct slice name;
    uint64_t hash;
    bool failed;
};

static void note_tag(void *context, struct slice tag) {
    struct tagging *tagging = context;
    struct table_shard *shard = &tagging->tracking->shards[tagging->hash % TRACKING_SHARDS];
    pthread_mutex_lock(&shard->lock);
    enum status status =
        track_note_tag(&shard->track, tagging->name, tagging->hash, tag, hash_bytes(tag, tagging->tracking->seed));
    pthread_mutex_unlock(&shard->lock);
    tagging->failed |= status != STATUS_OK;
}

/* The tags of the entry as it is now. If it is another one when it is read, then the key was changed, and is told of. */
static bool note_tags(const struct cmd_call *call, uint32_t at, uint64_t hash) {
    struct tracking *tracking = server_of(call->env->server)->tracking;
    struct cache_key key = cmd_key(call, at);
    if (!cache_may_bear_tags(call->env->cache, &key))
        return true;
    struct tagging tagging = {.tracking = tracking, .name = key.name, .hash = hash};
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    cache_edit_tags(&edit, note_tag, &tagging);
    cache_edit_end(&edit);
    return !tagging.failed;
}

static bool note_key(const struct cmd_call *call, uint32_t at) {
    struct worker *worker = ((struct connection *)call->client->connection)->worker;
    struct tracking *tracking = worker->server->tracking;
    struct tracker *tracker = tracker_at(tracking, call->client->tracker);
    struct slice name = call->argv[at];
    uint64_t hash = hash_bytes(name, tracking->seed);
    struct table_shard *shard = &tracking->shards[hash % TRACKING_SHARDS];
    struct track_noted noted = {0};
    pthread_mutex_lock(&shard->lock);
    uint64_t keys = shard->track.keys, items = shard->track.items;
    enum status status = track_note(&shard->track, name, hash, tracker->number, &noted);
    if (noted.new_client)
        tracker_ref(tracker);
    note_counts(tracking, &shard->track, keys, items);
    pthread_mutex_unlock(&shard->lock);
    /* Without room for this the client is told of a change that it need not know. */
    if (noted.new_client && worker->mailbox.fresh.size < TRACKING_FRESH_MAX * sizeof hash)
        MAYBE(buf_append(&worker->mailbox.fresh, &hash, sizeof hash) != STATUS_OK);
    if (noted.new_key)
        evict(worker, TRACKING_EVICTIONS_A_KEY);
    return status == STATUS_OK && note_tags(call, at, hash);
}

void tracking_note(struct cmd_call *call) {
    enum { FEW_KEYS = 16 };
    struct worker *worker = ((struct connection *)call->client->connection)->worker;
    uint32_t few[FEW_KEYS], *at = few;
    /* What this transaction has changed so far was changed before the key is read. */
    changes_track_now(worker);
    buf_clear(&worker->mailbox.fresh);
    uint32_t count = cmd_key_positions(call->spec, call->argv, call->argc, few, FEW_KEYS);
    bool noted = true;
    if (count > FEW_KEYS) {
        at = arena_take(call->arena, count * sizeof *at);
        noted = at != NULL;
        if (noted)
            count = cmd_key_positions(call->spec, call->argv, call->argc, at, count);
    }
    for (uint32_t i = 0; i < count && noted; i++)
        noted = note_key(call, at[i]);
    if (noted)
        return;
    /* It gets its reply, and then forgets all it has. */
    mail_null(worker, tracker_at(worker->server->tracking, call->client->tracker));
    tracking_post(worker);
}

/* ---------------------------------------------------------------- sweeping */

/* Each true answer takes the client out of a key. */
static bool is_gone(void *context, uint32_t client) {
    struct tracking *tracking = context;
    struct tracker *tracker = tracker_at(tracking, client);
    if (atomic_load_explicit(&tracker->state, memory_order_acquire) & TRACKER_LIVES)
        return false;
    tracker_unref(tracking, tracker);
    return true;
}

/* A slice of a walk over the table that takes out who was gone when it began. */
static void sweep(struct tracking *tracking) {
    if (!tracking->sweeping) {
        tracking->sweeping_deaths = atomic_load(&tracking->deaths);
        tracking->sweeping = tracking->sweeping_deaths != tracking->swept_deaths;
        tracking->sweep_shard = 0;
        tracking->sweep_cursor = 0;
    }
    uint64_t left = TRACKING_SWEEP_KEYS_A_TICK;
    while (tracking->sweeping && left) {
        struct table_shard *shard = &tracking->shards[tracking->sweep_shard];
        uint32_t part = left < TRACKING_SWEEP_KEYS_A_TICK / 16 ? (uint32_t)left : TRACKING_SWEEP_KEYS_A_TICK / 16;
        pthread_mutex_lock(&shard->lock);
        uint64_t keys = shard->track.keys, items = shard->track.items;
        part = part < keys ? part : (uint32_t)keys + 1;
        tracking->sweep_cursor = track_sweep(&shard->track, tracking->sweep_cursor, part, is_gone, tracking);
        note_counts(tracking, &shard->track, keys, items);
        pthread_mutex_unlock(&shard->lock);
        left -= part < left ? part : left;
        if (tracking->sweep_cursor == 0 && ++tracking->sweep_shard == TRACKING_SHARDS) {
            tracking->sweeping = false;
            tracking->swept_deaths = tracking->sweeping_deaths;
        }
    }
}

void tracking_tick(struct worker *worker) {
    struct tracking *tracking = worker->server->tracking;
    if (worker->index != 0 || atomic_load_explicit(&tracking->keys, memory_order_relaxed) == 0)
        return;
    evict(worker, TRACKING_EVICTIONS_A_TICK);
    sweep(tracking);
}
