#include "app/server/leases.h"

#include "app/cmd/lease_cmd.h"
#include "app/server/run.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/hash.h"
#include "core/rules/pattern.h"
#include "sys/os/clock.h"

enum {
    PATTERN_ARENA_SIZE = 4096,
    BOUND_PRUNE_MIN = 64, /* tokens of a connection among which those are looked for that have ended */
};

struct server_leases {
    struct server *server;
    pthread_mutex_t lock;
    struct leases table; /* under the lock, as all below */
    uint64_t ids;        /* of pushes */
    uint64_t watched_ms; /* when worker 0 will look by itself */
    uint64_t refused, refused_sets;
    uint64_t seed;            /* of the hashes of tags */
    uint32_t told;            /* changes that are wanted */
    _Atomic bool out;         /* there are leases; read without the lock */
    _Atomic bool out_there;   /* of keys that were there */
    _Atomic uint64_t blocked; /* connections */
};

/* A command that waits. */
struct lease_wait {
    struct lease_waiter waiter;
    struct connection *connection;      /* NULL: it is closed */
    struct lease_wait *next, *previous; /* of those of the connection that wait for a push */
    struct lease_wait *woken_next;
    bool woken; /* stands in the worker's list: under the lock */
    enum lease_wake how;
    uint64_t token;
    bool bound, versions;
    uint64_t id; /* of the push; 0: the connection is blocked */
    uint32_t db;
    size_t name_size; /* of a push */
    uint8_t name[];
};

static struct connection *connection_of(struct cmd_client *client) { return client->connection; }

/* ------------------------------------------------------------------------------------------- table */

static uint64_t next_stamp(void *context) { return cache_stamp(((struct server_leases *)context)->server->cache); }

/* Called by the table: the worker finds it in its list. */
static void note_woken(void *context, struct lease_waiter *waiter, enum lease_wake how, uint64_t token) {
    struct lease_wait *wait = (struct lease_wait *)(void *)waiter; /* its first member */
    struct worker *worker = wait->connection->worker;
    (void)context;
    wait->how = how;
    wait->token = token;
    wait->woken = true;
    wait->woken_next = NULL;
    if (worker->woken_last)
        worker->woken_last->woken_next = wait;
    else
        worker->woken_first = wait;
    worker->woken_last = wait;
    atomic_store_explicit(&worker->woken, true, memory_order_release);
    loop_wake(worker->loop);
}

struct server_leases *leases_new(struct server *server, uint64_t seed) {
    struct server_leases *leases = memory_take(&memory_libc, sizeof *leases);
    if (!leases)
        return NULL;
    *leases = (struct server_leases){.server = server, .seed = seed, .watched_ms = UINT64_MAX};
    struct leases_options options = {.bytes_max = LEASES_BYTES_MAX,
                                     .seed = seed * 0x9e3779b97f4a7c15u,
                                     .memory = &memory_libc,
                                     .stamp = next_stamp,
                                     .wake = note_woken,
                                     .context = leases};
    if (leases_init(&leases->table, &options) != STATUS_OK) {
        memory_give(&memory_libc, leases, sizeof *leases);
        return NULL;
    }
    pthread_mutex_init(&leases->lock, NULL);
    return leases;
}

void leases_free(struct server_leases *leases) {
    if (!leases)
        return;
    leases_fini(&leases->table);
    pthread_mutex_destroy(&leases->lock);
    memory_give(&memory_libc, leases, sizeof *leases);
}

static struct server_leases *enter(struct server *server) {
    struct server_leases *leases = server->leases;
    pthread_mutex_lock(&leases->lock);
    return leases;
}

/* Changes are wanted from the first lease on. It is given under its key's lock, so whoever changes that key afterwards has seen this.
 * Worker 0 keeps the time, and is woken if it would sleep too long for somebody. */
static void leave(struct server_leases *leases) {
    const struct leases *table = &leases->table;
    bool out = table->out || table->lapsed, there = table->out_there || table->lapsed_there;
    uint32_t wanted = (out ? LEASES_CHANGES : 0) | (there ? LEASES_CHANGES_THERE : 0);
    if (wanted != leases->told) {
        if (!out || !leases->told)
            leases->watched_ms = UINT64_MAX;
        leases->told = wanted;
        changes_want_leases(leases->server, wanted);
        atomic_store_explicit(&leases->out, out, memory_order_relaxed);
        atomic_store_explicit(&leases->out_there, there, memory_order_relaxed);
    }
    if (leases->table.waiting && leases_due_ms(&leases->table) < leases->watched_ms)
        loop_wake(leases->server->workers[0]->loop);
    pthread_mutex_unlock(&leases->lock);
}

static struct lease_key key_of(const struct cache_key *key) {
    return (struct lease_key){.name = key->name, .hash = key->hash, .place = key->place};
}

/* Which leases end by a pattern, and by whom. */
struct going {
    struct worker *worker;
    uint32_t place;
    bool (*matches)(void *context, struct slice name);
    void *context;
};

/* Nothing stands under the name of a lease that could be told of as gone: who did it is remembered for its owner. */
static bool goes(void *context, struct slice name) {
    const struct going *going = context;
    if (!going->matches(going->context, name))
        return false;
    changes_remember(going->worker, CACHE_NOTHING_DELETED, going->place, name);
    return true;
}

static bool matches(void *context, struct slice name) { return rules_pattern_matches(context, name, NULL); }

/* Without memory for the pattern: all. */
static void remove_like(struct server_leases *leases, struct worker *worker, uint32_t place, struct slice text) {
    uint64_t now_ms = worker->now_ms;
    struct rules_pattern pattern;
    struct rules_pattern_problem problem;
    struct arena arena;
    arena_init(&arena, &memory_libc, PATTERN_ARENA_SIZE);
    if (rules_pattern_parse(text, RULES_SYNTAX_GLOB, &arena, &pattern, &problem) == STATUS_OK)
        leases_removed_like(&leases->table, place, goes, &(struct going){worker, place, matches, &pattern}, now_ms);
    else
        leases_cleared(&leases->table, place, LEASE_INVALIDATED, now_ms);
    arena_fini(&arena);
}

static void remove_matching(struct server_leases *leases, struct worker *worker, uint32_t place, struct slice pointer) {
    const struct cache_matcher *matcher;
    ASSERT(pointer.size == sizeof matcher);
    memcpy(&matcher, pointer.data, sizeof matcher);
    struct going going = {worker, place, matcher->matches, matcher->context};
    leases_removed_like(&leases->table, place, goes, &going, worker->now_ms);
}

/* Who makes the change that the worker is telling of. */
static struct lease_by author_of(const struct worker *worker) {
    const struct worker_cause *cause = &worker->cause;
    const struct cmd_call *call = worker->changes.queued ? worker->changes.queued : &worker->call;
    if (cause->active && cause->spec)
        return (struct lease_by){cause->client, cause->spec->index + 1};
    return call->client ? (struct lease_by){call->client->id, call->spec->index + 1} : (struct lease_by){0};
}

/* What the change is called: edges, events and INVALIDATE are no plain deletions. */
static enum lease_end removal_of(const struct worker *worker) {
    return worker->cause.active ? LEASE_INVALIDATED : LEASE_DELETED;
}

bool leases_note(struct worker *worker, enum cache_change change, uint32_t place, struct slice name) {
    struct server *server = worker->server;
    struct lease_key key = {.name = name, .place = place};
    bool written = change == CACHE_CREATED || change == CACHE_REPLACED || change == CACHE_PATCHED;
    bool of_key = written || change == CACHE_DELETED || change == CACHE_NOTHING_DELETED;
    if ((LEASES_CHANGES_THERE >> change & 1) && !atomic_load_explicit(&server->leases->out_there, memory_order_relaxed))
        return false;
    if (of_key) {
        key.hash = cache_hash_at(server->cache, place, name);
        if (!leases_may_concern(&server->leases->table, key.hash))
            return false;
    }
    uint32_t ended = 0;
    struct server_leases *leases = enter(server);
    leases->table.by = author_of(worker);
    if (written)
        leases_written(&leases->table, &key);
    else if (of_key)
        ended = leases_removed(&leases->table, place, key.hash, removal_of(worker), worker->now_ms);
    else if (change == CACHE_PATTERN_GOING)
        remove_like(leases, worker, place, name);
    else if (change == CACHE_MATCHER_GOING)
        remove_matching(leases, worker, place, name);
    else if (change == CACHE_TAG_GOING)
        leases_tag_invalidated(&leases->table, hash_bytes(name, leases->seed));
    else
        leases_cleared(&leases->table, place == CACHE_DATABASES ? LEASE_PLACES_ALL : place,
                       change == CACHE_SWAPPED ? LEASE_SWAPPED : LEASE_FLUSHED, worker->now_ms);
    leave(leases);
    return ended != 0;
}

void leases_rules_changed(struct worker *worker) {
    struct server_leases *leases = enter(worker->server);
    leases->table.by = author_of(worker);
    leases_cleared(&leases->table, LEASE_PLACES_ALL, LEASE_RULED, worker->now_ms);
    leave(leases);
}

/* Whoever waits asks anew, by the new hash. */
void leases_rerouted(struct worker *worker) {
    struct server_leases *leases = enter(worker->server);
    leases->table.by = author_of(worker);
    leases_cleared(&leases->table, LEASE_PLACES_ALL, LEASE_SWAPPED, worker->now_ms);
    leave(leases);
}

void leases_counts(struct server *server, struct cmd_lease_counts *ret_counts) {
    struct server_leases *leases = enter(server);
    const struct leases *table = &leases->table;
    *ret_counts = (struct cmd_lease_counts){.out = table->out,
                                            .waiting = table->waiting,
                                            .blocked = atomic_load(&leases->blocked),
                                            .bytes = table->bytes,
                                            .given = table->given,
                                            .used = table->ends[LEASE_USED],
                                            .released = table->ends[LEASE_RELEASED],
                                            .expired = table->ends[LEASE_TIMED_OUT],
                                            .late = table->late,
                                            .refused = leases->refused,
                                            .refused_sets = leases->refused_sets};
    static const enum lease_end lost[] = {LEASE_TIMED_OUT, LEASE_WRITTEN, LEASE_DELETED, LEASE_INVALIDATED,
                                          LEASE_FLUSHED,   LEASE_SWAPPED, LEASE_RULED,   LEASE_OF_TAG};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        ret_counts->lost += table->ends[lost[i]];
    leave(leases);
}

void leases_reset_counts(struct server *server) {
    struct server_leases *leases = enter(server);
    leases->table.given = leases->table.late = leases->refused = leases->refused_sets = 0;
    memset(leases->table.ends, 0, sizeof leases->table.ends);
    leave(leases);
}

/* ------------------------------------------------------------------------------------ bound to connections */

/* Room for one token more, among those that have not ended. Under the lock. */
static bool reserve_bound(const struct server_leases *leases, struct connection *connection) {
    struct buf *tokens = &connection->bound_leases;
    size_t count = tokens->size / sizeof(uint64_t), kept = 0;
    uint64_t *all = (uint64_t *)(void *)tokens->data;
    if (tokens->size == tokens->capacity && count >= BOUND_PRUNE_MIN) {
        for (size_t i = 0; i < count; i++)
            if (leases_is_out(&leases->table, all[i]))
                all[kept++] = all[i];
        tokens->size = kept * sizeof *all;
    }
    return buf_reserve(tokens, sizeof(uint64_t)) == STATUS_OK;
}

static void bind_lease(struct server_leases *leases, struct connection *connection, uint64_t token) {
    if (!reserve_bound(leases, connection) ||
        buf_append(&connection->bound_leases, &token, sizeof token) != STATUS_OK) {
        /* It ends by its time, then. */
        return;
    }
    connection->client.has_leases = true;
}

/* ------------------------------------------------------------------------------------------- waits */

static void wait_free(struct lease_wait *wait) { memory_give(&memory_libc, wait, sizeof *wait + wait->name_size); }

static struct lease_wait *wait_new(struct connection *connection, const struct cmd_lease_ask *ask) {
    size_t name_size = ask->blocks ? 0 : ask->key->name.size; /* of a push */
    struct lease_wait *wait = memory_take(&memory_libc, sizeof *wait + name_size);
    if (!wait)
        return NULL;
    *wait = (struct lease_wait){
        .waiter = {.until_ms = connection->worker->now_ms + ask->wait_ms,
                   .lease_ms = ask->lease_ms,
                   .client = connection->client.id,
                   .bound = ask->bound,
                   .bytes = (uint32_t)(sizeof *wait + name_size)},
        .connection = connection,
        .bound = ask->bound,
        .versions = ask->versions,
        .db = ask->key->db,
        .name_size = name_size,
    };
    if (name_size)
        memcpy(wait->name, ask->key->name.data, name_size);
    return wait;
}

static void link_wait(struct server_leases *leases, struct connection *connection, struct lease_wait *wait,
                      bool blocks) {
    if (blocks) {
        connection->blocked_wait = wait;
        connection->client.lease_waited = true;
        atomic_fetch_add(&leases->blocked, 1);
        return;
    }
    wait->id = ++leases->ids;
    wait->next = connection->push_waits;
    if (wait->next)
        wait->next->previous = wait;
    connection->push_waits = wait;
    connection->client.has_leases = true;
}

static void unlink_push(struct connection *connection, struct lease_wait *wait) {
    if (wait->previous)
        wait->previous->next = wait->next;
    else
        connection->push_waits = wait->next;
    if (wait->next)
        wait->next->previous = wait->previous;
    wait->next = wait->previous = NULL;
}

enum lease_answer leases_api_ask(struct cmd_server *api, struct cmd_client *client, const struct cmd_lease_ask *ask,
                                 struct cmd_lease_given *ret_given) {
    struct connection *connection = connection_of(client);
    uint64_t now_ms = connection->worker->now_ms;
    struct lease_wait *wait = ask->again;
    if (!wait && ask->wait_ms && !(wait = wait_new(connection, ask)))
        return LEASE_TOO_MANY;
    struct server_leases *leases = enter(server_of(api));
    leases->table.options.leases_max = SETTING(leases->server, leases_max);
    leases->table.options.waiters_max = SETTING(leases->server, lease_waiters_max);
    struct lease_key key = key_of(ask->key);
    struct lease_given given = {0};
    enum lease_answer answer =
        leases_ask(&leases->table, &key, ask->lease_ms, ask->there, wait ? &wait->waiter : NULL, now_ms, &given);
    if (answer == LEASE_WAITS && !ask->again)
        link_wait(leases, connection, wait, ask->blocks);
    if (answer == LEASE_GIVEN)
        leases_hold(&leases->table, given.token, client->id, ask->bound);
    if (answer == LEASE_GIVEN && ask->bound)
        bind_lease(leases, connection, given.token);
    leases->refused += answer == LEASE_TOO_MANY;
    *ret_given = (struct cmd_lease_given){.token = given.token,
                                          .left_ms = given.until_ms > now_ms ? given.until_ms - now_ms : 0,
                                          .id = wait ? wait->id : 0};
    leave(leases);
    if (wait && answer != LEASE_WAITS && !ask->again)
        wait_free(wait);
    return answer;
}

enum lease_end leases_api_begin_write(struct cmd_server *api, const struct cache_key *key, uint64_t token,
                                      const struct slice *tags, uint32_t tag_count, uint64_t *ret_stamp,
                                      struct cmd_lease_lost *ret_lost) {
    struct server_leases *leases = server_of(api)->leases;
    enum { TAGS_MAX = CACHE_TAGS_MAX + CACHE_RULE_TAGS_MAX };
    uint64_t hashes[TAGS_MAX], now_ms = clock_steady_ms(), given;
    ASSERT(tag_count <= TAGS_MAX);
    for (uint32_t i = 0; i < tag_count; i++)
        hashes[i] = hash_bytes(tags[i], leases->seed);
    struct lease_key wanted = key_of(key);
    enter(server_of(api));
    enum lease_end end = leases_begin_write(&leases->table, &wanted, token, hashes, tag_count, now_ms, ret_stamp);
    leases->refused_sets += end != LEASE_HOLDS;
    struct lease_by by = leases_lost_by(&leases->table, token);
    *ret_lost = (struct cmd_lease_lost){.end = end,
                                        .client = by.client,
                                        .command = by.command ? by.command - 1 : UINT32_MAX,
                                        .tag = leases_lost_tag(&leases->table, &given)};
    ret_lost->stamp = given;
    leave(leases);
    return end;
}

void leases_api_end_write(struct cmd_server *api, uint64_t token, bool done) {
    struct server_leases *leases = enter(server_of(api));
    leases_end_write(&leases->table, token, done);
    leave(leases);
}

bool leases_api_look_at(struct cmd_server *api, const struct cache_key *key, struct cmd_lease_view *ret_view) {
    struct lease_key wanted = key_of(key);
    uint64_t now_ms = clock_steady_ms();
    struct lease_view view;
    struct server_leases *leases = enter(server_of(api));
    bool found = leases_look_at(&leases->table, &wanted, now_ms, &view);
    leave(leases);
    if (found)
        *ret_view = (struct cmd_lease_view){.client = view.client,
                                            .age_ms = now_ms > view.given_ms ? now_ms - view.given_ms : 0,
                                            .left_ms = view.until_ms > now_ms ? view.until_ms - now_ms : 0,
                                            .waiting = view.waiting,
                                            .bound = view.bound};
    return found;
}

bool leases_api_release(struct cmd_server *api, const struct cache_key *key, uint64_t token) {
    struct lease_key wanted = key_of(key);
    struct server_leases *leases = enter(server_of(api));
    bool released = leases_release(&leases->table, &wanted, token, clock_steady_ms());
    leave(leases);
    return released;
}

void leases_api_woken(struct cmd_server *api, struct cmd_client *client, struct cmd_lease_woken *ret_woken) {
    struct lease_wait *wait = connection_of(client)->blocked_wait;
    (void)api;
    ASSERT(wait && !wait->waiter.lease);
    *ret_woken = (struct cmd_lease_woken){wait->how, wait->token, wait};
}

void leases_api_wait_end(struct cmd_server *api, struct cmd_client *client) {
    struct connection *connection = connection_of(client);
    struct server_leases *leases = server_of(api)->leases;
    wait_free(connection->blocked_wait);
    connection->blocked_wait = NULL;
    client->lease_waited = false;
    atomic_fetch_sub(&leases->blocked, 1);
}

/* Nobody waits for it any more. What is in the worker's list is freed when it is looked at. Under the lock. */
static void drop(struct server_leases *leases, struct lease_wait *wait) {
    leases_forget(&leases->table, &wait->waiter);
    wait->connection = NULL;
    if (!wait->woken)
        wait_free(wait);
}

void leases_api_leave(struct cmd_server *api, struct cmd_client *client) {
    struct connection *connection = connection_of(client);
    struct server_leases *leases = enter(server_of(api));
    while (connection->push_waits) {
        struct lease_wait *wait = connection->push_waits;
        unlink_push(connection, wait);
        drop(leases, wait);
    }
    const uint64_t *tokens = (const uint64_t *)(const void *)connection->bound_leases.data;
    for (size_t i = 0; i < connection->bound_leases.size / sizeof *tokens; i++)
        MAYBE(leases_release(&leases->table, NULL, tokens[i], connection->worker->now_ms));
    leave(leases);
    buf_fini(&connection->bound_leases);
    client->has_leases = false;
}

void leases_connection_ends(struct connection *connection) {
    struct server *server = connection->worker->server;
    struct lease_wait *wait = connection->blocked_wait;
    if (wait) {
        struct server_leases *leases = enter(server);
        connection->blocked_wait = NULL;
        atomic_fetch_sub(&leases->blocked, 1);
        /* It was woken and its command has not run: nobody has heard of the lease. */
        if (!wait->waiter.lease && !wait->woken && wait->how == LEASE_LOAD)
            MAYBE(leases_release(&leases->table, NULL, wait->token, connection->worker->now_ms));
        drop(leases, wait);
        leave(leases);
    }
    if (connection->client.has_leases)
        leases_api_leave(&server->api, &connection->client);
}

/* ------------------------------------------------------------------------------------ who is woken */

/* What is read for a push is read by its client, as if it asked now. By OPTIN it may not have asked for that: then it is told of more. */
static void note_for_tracking(struct cmd_call *call, struct slice name) {
    const struct slice arguments[] = {SLICE("cget"), name};
    const uint32_t tracking = call->client->tracking;
    if (__builtin_expect(tracking == 0, 1))
        return;
    struct cmd_call as_asked = *call;
    as_asked.spec = cmd_lookup(arguments[0]);
    as_asked.argv = arguments;
    as_asked.argc = 2;
    call->client->tracking |= tracking & CMD_TRACKS_OPTIN ? CMD_TRACKS_CACHING : 0;
    cmd_track(&as_asked);
    call->client->tracking = tracking;
}

/* Writes the push; false: it waits again. */
static bool push(struct worker *worker, struct connection *connection, struct lease_wait *wait) {
    if (!connection->out.data)
        connection->out = worker_take_buffer(worker);
    struct reply reply;
    reply_init(&reply, &connection->out, &connection->foreign, connection->client.protocol);
    struct cmd_call call = {.env = &worker->server->env,
                            .client = &connection->client,
                            .actor = &worker->actor,
                            .arena = &worker->arena,
                            .reply = &reply};
    struct cmd_lease_push wanted = {.id = wait->id,
                                    .db = wait->db,
                                    .lease_ms = wait->waiter.lease_ms,
                                    .bound = wait->bound,
                                    .versions = wait->versions,
                                    .name = slice_make(wait->name, wait->name_size),
                                    .woken = {wait->how, wait->token, wait}};
    note_for_tracking(&call, wanted.name);
    bool done = cmd_lease_push(&call, &wanted);
    if (worker->arena.used)
        arena_reset(&worker->arena);
    if (connection->foreign.size)
        connection_count_foreign(connection);
    if (reply.status != STATUS_OK)
        connection_close(connection); /* no memory for the push */
    else
        run_limit_output(worker, connection);
    return done;
}

static void release_unheard(struct worker *worker, uint64_t token) {
    struct server_leases *leases = enter(worker->server);
    MAYBE(leases_release(&leases->table, NULL, token, worker->now_ms));
    leave(leases);
}

static void bind_woken(struct worker *worker, struct connection *connection, const struct lease_wait *wait) {
    if (wait->how != LEASE_LOAD || !wait->bound)
        return;
    struct server_leases *leases = enter(worker->server);
    bind_lease(leases, connection, wait->token);
    leave(leases);
}

/* Its command runs again. It may have run in the same turn already, and wait for the second time. */
static void wake_blocked(struct worker *worker, struct connection *connection, struct lease_wait *wait) {
    bind_woken(worker, connection, wait);
    if (connection->touched)
        batch_finish(worker);
    if (connection->state == CONNECTION_OPEN)
        connection_unblock(connection);
}

static void wake_pushed(struct worker *worker, struct connection *connection, struct lease_wait *wait) {
    if (connection->client.protocol != 3 || connection->state != CONNECTION_OPEN || connection->killed) {
        /* It has turned to RESP2 meanwhile, where nothing is pushed, or is about to go. */
        if (wait->how == LEASE_LOAD)
            release_unheard(worker, wait->token);
        unlink_push(connection, wait);
        wait_free(wait);
        return;
    }
    bind_woken(worker, connection, wait);
    bool done = push(worker, connection, wait);
    if (connection->state == CONNECTION_DEAD)
        return; /* its waits have gone with it */
    if (done) {
        unlink_push(connection, wait);
        wait_free(wait);
    }
    pubsub_send_later(worker, connection);
}

/* Takes the oldest one off the list. */
static struct lease_wait *take_woken(struct worker *worker) {
    struct server_leases *leases = enter(worker->server);
    struct lease_wait *wait = worker->woken_first;
    if (wait) {
        worker->woken_first = wait->woken_next;
        if (!worker->woken_first)
            worker->woken_last = NULL;
        wait->woken = false;
    }
    if (!worker->woken_first)
        atomic_store_explicit(&worker->woken, false, memory_order_relaxed);
    leave(leases);
    return wait;
}

/* Those that are woken meanwhile as well: each answers something, or waits until another has. */
static void hand_out(struct worker *worker) {
    struct lease_wait *wait;
    while ((wait = take_woken(worker))) {
        struct connection *connection = wait->connection;
        if (!connection) {
            if (wait->how == LEASE_LOAD)
                release_unheard(worker, wait->token);
            wait_free(wait);
        } else if (wait->id) {
            wake_pushed(worker, connection, wait);
        } else {
            wake_blocked(worker, connection, wait);
        }
    }
    batch_finish(worker);
    if (worker->changes.waiting)
        changes_hand_on(worker);
}

void leases_look(struct worker *worker) {
    const struct server_leases *all = worker->server->leases;
    if (worker->index == 0 && atomic_load_explicit(&all->out, memory_order_relaxed)) {
        struct server_leases *leases = enter(worker->server);
        leases_run_due(&leases->table, worker->now_ms);
        leave(leases);
    }
    if (atomic_load_explicit(&worker->woken, memory_order_acquire))
        hand_out(worker);
}

void leases_worker_ends(struct worker *worker) {
    while (worker->woken_first) {
        struct lease_wait *wait = worker->woken_first;
        ASSERT(!wait->connection);
        worker->woken_first = wait->woken_next;
        wait_free(wait);
    }
}

uint64_t leases_due(struct worker *worker) {
    const struct server_leases *all = worker->server->leases;
    if (worker->index != 0 || !atomic_load_explicit(&all->out, memory_order_relaxed))
        return UINT64_MAX;
    struct server_leases *leases = enter(worker->server);
    leases->watched_ms = leases_due_ms(&leases->table);
    uint64_t due_ms = leases->watched_ms;
    leave(leases);
    return due_ms;
}
