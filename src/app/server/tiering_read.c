/* app/server/tiering_read.c: reading records for commands that wait. */
#include <poll.h>

#include "app/cmd/commands.h"
#include "app/server/run.h"
#include "app/server/tiering.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "core/cache/tier.h"
#include "sys/os/clock.h"

enum {
    WAIT_MS_MAX = 1000, /* at the end */
    WAIT_STEP_MS = 10,
    LOOKS_MAX = 3, /* at a key that others change meanwhile */
};

enum read_state { READ_WANTED, READ_BEGUN, READ_ENDED };

/* One record. */
struct tier_read {
    struct tier_set *set;
    struct cache_tier_place place;
    enum read_state state;
    enum warm_outcome outcome;
    bool seen;      /* it has been judged for a command: its hit is counted */
    bool name_only; /* for walks, which want nothing else: its value is not kept */
    uint8_t *bytes; /* meta, key, value */
    size_t size;
    struct warm_parts parts;
};

/* What is read for a connection, in the order in which it was asked for. */
struct tier_set {
    struct worker *worker;
    struct connection *connection; /* NULL: it is closed */
    struct buf reads;              /* array of struct tier_read * */
    uint32_t *slots, slot_count;   /* where in it by place, 1 more; 0: free. A power of two, at least twice as many */
    uint32_t begun;                /* the first so many have been handed to the reader */
    uint32_t pending;              /* of these, not ended */
    uint32_t rounds, again;        /* of the command that waits */
    bool large;                    /* it has more than is held at once: all of it comes into memory */
    uint64_t since_ticks;          /* since when it waits */
    uint64_t bytes;                /* that its reads may have */
    bool waits;                    /* its connection's command does, for all of them */
    bool listed;                   /* in one of the worker's lists, by `next` */
    struct tier_set *next;
};

static uint32_t count_of(const struct tier_set *set) {
    return (uint32_t)(set->reads.size / sizeof(struct tier_read *));
}

static struct tier_read *read_at(const struct tier_set *set, uint32_t at) {
    struct tier_read *read;
    memcpy(&read, set->reads.data + at * sizeof read, sizeof read);
    return read;
}

/* ------------------------------------------------------------------------------------------ sets */

static void push(struct tier_list *list, struct tier_set *set) {
    ASSERT(!set->listed);
    set->listed = true;
    set->next = NULL;
    if (list->first)
        list->last->next = set;
    else
        list->first = set;
    list->last = set;
}

static struct tier_set *pop(struct tier_list *list) {
    struct tier_set *set = list->first;
    if (set) {
        list->first = set->next;
        set->listed = false;
    }
    return set;
}

static void read_free(struct tier_read *read) {
    memory_give(&memory_libc, read->bytes, read->size);
    memory_give(&memory_libc, read, sizeof *read);
}

/* No read of it is under way, and it stands in no list. */
static void set_free(struct tier_set *set) {
    for (uint32_t i = 0; i < count_of(set); i++)
        read_free(read_at(set, i));
    buf_fini(&set->reads);
    memory_give(&memory_libc, set->slots, set->slot_count * sizeof *set->slots);
    memory_give(&memory_libc, set, sizeof *set);
}

static struct tier_set *set_of(struct connection *connection) {
    if (connection->tier)
        return connection->tier;
    struct tier_set *set = memory_take(&memory_libc, sizeof *set);
    if (!set)
        return NULL;
    *set = (struct tier_set){.worker = connection->worker, .connection = connection};
    buf_init(&set->reads, &memory_libc);
    return connection->tier = set;
}

/* Nobody waits for it any more. What is under way frees it when it has ended. */
static void abandon(struct tier_set *set) {
    struct worker_tier *tier = &set->worker->tier;
    tier->reads -= count_of(set) - set->begun;
    while (count_of(set) > set->begun) {
        read_free(read_at(set, count_of(set) - 1));
        set->reads.size -= sizeof(struct tier_read *);
    }
    set->connection = NULL;
    if (set->pending == 0 && !set->listed)
        set_free(set);
}

void tiering_connection_ends(struct connection *connection) {
    struct tier_set *set = connection->tier;
    connection->tier = NULL;
    if (set)
        abandon(set);
}

bool tiering_waits(const struct connection *connection) { return connection->tier && connection->tier->waits; }

void tiering_forget(struct connection *connection) {
    if (!connection->tier->waits)
        tiering_connection_ends(connection);
}

/* ------------------------------------------------------------------------------------------ the reader */

static void keep(struct tier_read *read, const struct warm_parts *parts) {
    const struct slice from[] = {parts->meta, parts->key, slice_part(parts->value, 0, read->name_only ? 0 : SIZE_MAX)};
    size_t size = from[0].size + from[1].size + from[2].size;
    uint8_t *bytes = memory_take(&memory_libc, size);
    if (!bytes) {
        read->outcome = WARM_FAILED;
        return;
    }
    struct slice *to[] = {&read->parts.meta, &read->parts.key, &read->parts.value};
    read->bytes = bytes;
    read->size = size;
    for (int i = 0; i < 3; i++) {
        if (from[i].size)
            memcpy(bytes, from[i].data, from[i].size);
        *to[i] = slice_make(bytes, from[i].size);
        bytes += from[i].size;
    }
}

/* Called by the reader. */
static void ended(void *context, enum warm_outcome outcome, const struct warm_parts *parts) {
    struct tier_read *read = context;
    struct tier_set *set = read->set;
    struct worker_tier *tier = &set->worker->tier;
    read->state = READ_ENDED;
    read->outcome = outcome;
    if (outcome == WARM_FOUND && set->connection)
        keep(read, parts);
    tier->reads--;
    set->pending--;
    if (set->pending == 0 && set->begun == count_of(set) && !set->listed)
        push(&tier->ready, set);
}

/* Hands over what the reader takes; false: it is full. */
static bool begin_reads(struct tier_set *set) {
    struct worker_tier *tier = &set->worker->tier;
    for (; set->begun < count_of(set); set->begun++) {
        struct tier_read *read = read_at(set, set->begun);
        struct warm_request request = {
            .address = read->place.address, .generation = read->place.generation, .done = ended, .context = read};
        enum status status = warm_read(tier->reader, &request);
        if (status == STATUS_BUSY && warm_reader_pending(tier->reader))
            return false;
        read->state = status == STATUS_OK ? READ_BEGUN : READ_ENDED;
        read->outcome = WARM_FAILED;
        set->pending += status == STATUS_OK;
        tier->reads -= status != STATUS_OK;
        tier->begun = true;
    }
    if (set->pending == 0 && !set->listed)
        push(&tier->ready, set);
    return true;
}

static void begin_queued(struct worker_tier *tier) {
    while (tier->queued.first) {
        struct tier_set *set = tier->queued.first;
        if (!set->connection) { /* closed meanwhile */
            pop(&tier->queued);
            if (set->pending == 0)
                set_free(set);
            continue;
        }
        pop(&tier->queued);
        if (begin_reads(set))
            continue;
        /* It stays the first. */
        set->listed = true;
        set->next = tier->queued.first;
        if (!set->next)
            tier->queued.last = set;
        tier->queued.first = set;
        return;
    }
}

void tiering_poll(struct worker *worker) {
    MAYBE(warm_reader_poll(worker->tier.reader) != 0);
    begin_queued(&worker->tier);
}

void tiering_submit(struct worker *worker) {
    if (!worker->tier.begun)
        return;
    worker->tier.begun = false;
    warm_reader_submit(worker->tier.reader);
}

void tiering_look(struct worker *worker) {
    struct tier_set *set;
    while ((set = pop(&worker->tier.ready))) {
        struct connection *connection = set->connection;
        if (!connection) {
            set_free(set);
            continue;
        }
        set->waits = false;
        if (connection->touched)
            batch_finish(worker);
        if (connection->state == CONNECTION_OPEN && connection->blocked)
            connection_unblock(connection);
    }
    batch_finish(worker);
}

/* Whoever waits is served, though the server ends. */
void tiering_wait(struct worker *worker) {
    struct worker_tier *tier = &worker->tier;
    uint64_t until_ms = clock_steady_ms() + WAIT_MS_MAX;
    while ((tier->reads || tier->ready.first) && clock_steady_ms() < until_ms) {
        tiering_submit(worker);
        struct pollfd ready = {.fd = tier->source.fd, .events = POLLIN};
        if (!tier->ready.first)
            MAYBE(poll(&ready, 1, WAIT_STEP_MS) < 0);
        tiering_poll(worker);
        tiering_look(worker);
    }
}

/* ------------------------------------------------------------------------------------------ what a command wants */

struct wish {
    struct cmd_call *call;
    struct worker *worker;
    struct tier_set *set; /* NULL: nothing has been read for it */
    uint32_t added;
    uint64_t bytes_max;
    bool shown; /* what is found stays where it is */
    bool quiet; /* and looking at it is no use of it */
    bool full;  /* no more are read in this round */
};

static bool is_place(const struct tier_read *read, struct cache_tier_place place) {
    return read->place.address == place.address && read->place.generation == place.generation;
}

/* The slot of a place, or the free one where it belongs. */
static uint32_t *slot_of(const struct tier_set *set, struct cache_tier_place place) {
    uint64_t hash = (place.address ^ place.generation << 40) * 0x9e3779b97f4a7c15u;
    uint32_t at = (uint32_t)(hash >> 32) & (set->slot_count - 1);
    while (set->slots[at] && !is_place(read_at(set, set->slots[at] - 1), place))
        at = (at + 1) & (set->slot_count - 1);
    return &set->slots[at];
}

/* What was read from there, if it was; its name at least. */
static struct tier_read *find_name(const struct tier_set *set, struct cache_tier_place place) {
    const uint32_t *slot = set && set->slot_count ? slot_of(set, place) : NULL;
    return slot && *slot ? read_at(set, *slot - 1) : NULL;
}

static struct tier_read *find(const struct tier_set *set, struct cache_tier_place place) {
    struct tier_read *read = find_name(set, place);
    return read && !read->name_only ? read : NULL;
}

/* Room for one more. */
static enum status reserve_slot(struct tier_set *set) {
    enum { SLOTS_MIN = 8 };
    uint32_t count = count_of(set), before = set->slot_count;
    if (2 * (count + 1) <= before)
        return STATUS_OK;
    uint32_t slot_count = before ? 2 * before : SLOTS_MIN, *old = set->slots;
    uint32_t *slots = memory_take(&memory_libc, slot_count * sizeof *slots);
    if (!slots)
        return STATUS_NO_MEMORY;
    memset(slots, 0, slot_count * sizeof *slots);
    set->slots = slots;
    set->slot_count = slot_count;
    for (uint32_t i = 0; i < count; i++)
        *slot_of(set, read_at(set, i)->place) = i + 1;
    memory_give(&memory_libc, old, before * sizeof *old);
    return STATUS_OK;
}

/* If its name was read before, this one counts from now on. */
static enum status add(struct tier_set *set, struct cache_tier_place place, bool name_only) {
    TRY(reserve_slot(set));
    struct tier_read *read = memory_take(&memory_libc, sizeof *read);
    if (!read)
        return STATUS_NO_MEMORY;
    *read = (struct tier_read){.set = set, .place = place, .name_only = name_only};
    enum status status = buf_append(&set->reads, &read, sizeof read);
    if (status != STATUS_OK) {
        memory_give(&memory_libc, read, sizeof *read);
        return status;
    }
    *slot_of(set, place) = count_of(set);
    set->bytes += name_only ? 0 : warm_address_size(place.address);
    set->worker->tier.reads++;
    return STATUS_OK;
}

/* Whoever may not be left waiting goes on without what is there: that is an eviction. */
static void give_up(struct wish *wish, const struct cache_key *key) {
    wish->worker->tier.counts.busy++;
    if (!wish->shown)
        MAYBE(cache_tier_give_up(wish->worker->server->cache, &wish->worker->actor, key) != 0);
}

static void want(struct wish *wish, const struct cache_key *key, struct cache_tier_place place) {
    struct worker *worker = wish->worker;
    struct connection *connection = wish->call->client->connection;
    if (wish->set && wish->added && wish->set->bytes + warm_address_size(place.address) > wish->bytes_max) {
        wish->full = true;
        return;
    }
    if (!wish->set)
        wish->set = set_of(connection);
    bool refused = wish->call->upload || !wish->set || wish->set->rounds >= TIER_ROUNDS_MAX ||
                   worker->tier.reads >= TIER_READS_MAX;
    if (refused || add(wish->set, place, false) != STATUS_OK)
        give_up(wish, key);
    else
        wish->added++;
}

/* Into memory, or away: its bytes are not needed any more. */
static void promote(struct wish *wish, const struct cache_key *key, struct tier_read *read,
                    const struct cache_tier_found *record) {
    struct worker *worker = wish->worker;
    enum status status = cache_tier_promote(worker->server->cache, &worker->actor, key, read->place, record);
    if (status != STATUS_OK && wish->shown) /* there is no room for it: it is shown from here */
        return;
    if (status != STATUS_OK)
        give_up(wish, key);
    wish->set->bytes -= warm_address_size(read->place.address);
    memory_give(&memory_libc, read->bytes, read->size);
    read->bytes = NULL;
    read->size = 0;
    read->outcome = WARM_STALE;
}

static struct cache_tier_found found_of(const struct tier_read *read) {
    return (struct cache_tier_found){.meta = read->parts.meta, .key = read->parts.key, .value = read->parts.value};
}

/* What has been read: whether it is the key's, and what becomes of it. False: something has happened to the key meanwhile. */
static bool judge(struct wish *wish, const struct cache_key *key, struct tier_read *read) {
    struct worker *worker = wish->worker;
    struct cache *cache = worker->server->cache;
    if (read->outcome != WARM_FOUND) {
        cache_tier_forget(cache, &worker->actor, key, read->place);
        return true;
    }
    struct cache_info info;
    struct cache_tier_found record = found_of(read);
    /* What comes into memory is counted there, by the command. */
    bool quiet = read->seen || wish->quiet || !wish->shown;
    enum cache_tier_verdict verdict = cache_tier_look(cache, &worker->actor, key, read->place, &record, quiet, &info);
    read->seen |=
        verdict == CACHE_TIER_SHOWN || verdict == CACHE_TIER_WANTED; /* not of another key with this fingerprint */
    if (verdict == CACHE_TIER_WANTED || (verdict == CACHE_TIER_SHOWN && !(wish->shown && info.type == CACHE_STRING)))
        promote(wish, key, read, &record);
    return verdict != CACHE_TIER_AGAIN;
}

static bool is_in_memory(const struct wish *wish, const struct cache_key *key) {
    struct cache_info info;
    return cache_find(wish->worker->server->cache, &wish->worker->actor, key, false, &info);
}

/* Answers whether all that was known of the key still holds. */
static bool look_once(struct wish *wish, const struct cache_key *key) {
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    uint32_t count = cache_tier_ask(wish->worker->server->cache, key, places);
    bool holds = true;
    if (count == 0 || is_in_memory(wish, key))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        struct tier_read *read = find(wish->set, places[i]);
        if (!read)
            want(wish, key, places[i]);
        else if (read->state != READ_ENDED)
            wish->added++;
        else
            holds &= judge(wish, key, read);
    }
    return holds;
}

/* A key that the command needs. While rules come into force nothing is brought back that bears the tags of others: all of it goes. */
static bool look(void *context, const struct cache_key *key) {
    struct wish *wish = context;
    const struct server *server = wish->worker->server;
    if (__builtin_expect(atomic_load_explicit(&server->env.loading_rules, memory_order_relaxed), 0)) {
        MAYBE(cache_tier_give_up(server->cache, &wish->worker->actor, key) != 0);
        return true;
    }
    for (int i = 0; i < LOOKS_MAX && !look_once(wish, key); i++)
        ;
    return !wish->full;
}

/* A key of a request behind the one that waits: it is read as well, and nothing more. */
static bool look_ahead(struct wish *wish, struct slice name) {
    struct server *server = wish->worker->server;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    struct cache_key key = cache_key(server->cache, wish->call->client->db, name);
    uint32_t count = cache_tier_ask(server->cache, &key, places);
    if (count == 0 || is_in_memory(wish, &key))
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (!find(wish->set, places[i]) &&
            (wish->worker->tier.reads >= TIER_READS_MAX ||
             wish->set->bytes + warm_address_size(places[i].address) > TIER_AHEAD_BYTES_MAX ||
             add(wish->set, places[i], false) != STATUS_OK))
            return false;
    return true;
}

/* A row of GETs waits once for all of them that have come, and not once for each. */
static void read_ahead(struct wish *wish) {
    const struct batch *batch = wish->worker->batch;
    const struct cmd_call *call = wish->call;
    uint32_t at = 0;
    while (at < batch->count && batch->items[at].argv != call->argv)
        at++;
    for (at++; at < batch->count; at++) {
        const struct cmd_request *item = &batch->items[at];
        if (item->client != call->client)
            continue;
        if (item->spec != call->spec || item->argc != 2 || !look_ahead(wish, item->argv[1]))
            return;
    }
}

static void note_waited(struct worker *worker, const struct tier_set *set) {
    uint64_t now = clock_ticks();
    run_close_timed(worker);
    worker->tier.waited_ticks = now > set->since_ticks ? now - set->since_ticks : 0;
}

/* The command begins, or goes on: what is known of its set. */
static struct tier_set *set_of_command(const struct cmd_call *call, bool after) {
    struct connection *connection = call->client->connection;
    struct tier_set *set = connection->tier;
    if (!set)
        return NULL;
    if (!call->client->tier_waited && !after) {
        set->rounds = set->again = 0;
        set->large = false;
    }
    return set;
}

/* All reads that were added begin, and the command has to answer CMD_WAITS. */
static void begin_wait(struct tier_set *set, const struct cmd_call *call) {
    struct worker_tier *tier = &set->worker->tier;
    set->since_ticks = call->client->tier_waited ? set->since_ticks : clock_ticks();
    set->rounds++;
    set->waits = call->client->tier_waited = true;
    tier->counts.waits++;
    if (!begin_reads(set))
        push(&tier->queued, set);
}

/* It was answered as evicted, and it is: who keeps that answer is told of the key's next coming, and not of its return from the tier. */
static bool take_away(void *context, const struct cache_key *key) {
    struct wish *wish = context;
    if (!is_in_memory(wish, key))
        MAYBE(cache_tier_give_up(wish->worker->server->cache, &wish->worker->actor, key) != 0);
    return true;
}

static bool fetch(struct cmd_call *call, bool after) {
    struct connection *connection = call->client->connection;
    struct worker *worker = connection->worker;
    struct wish wish = {.call = call,
                        .worker = worker,
                        .set = set_of_command(call, after),
                        .bytes_max = TIER_HELD_BYTES_MAX,
                        .shown = tier_is_shown(call),
                        .quiet = call->spec->run == cmd_explain};
    if (after && wish.set && wish.set->again >= TIER_AGAIN_MAX) {
        if (call->client->tracking)
            tier_each_key(call, take_away, &wish);
        return false;
    }
    if (wish.set)
        wish.shown &= !wish.set->large;
    tier_each_key(call, look, &wish);
    struct tier_set *set = wish.set;
    if (!wish.added) {
        if (set && call->client->tier_waited && !after)
            note_waited(worker, set);
        return false;
    }
    if (wish.shown && call->spec->run == cmd_get)
        read_ahead(&wish);
    set->large |= wish.full;
    set->again += after;
    begin_wait(set, call);
    return true;
}

/* Stops at the first key that is neither in memory nor read. */
static bool is_known(void *context, const struct cache_key *key) {
    struct wish *wish = context;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    uint32_t count = cache_tier_ask(wish->worker->server->cache, key, places);
    if (count && !is_in_memory(wish, key))
        for (uint32_t i = 0; i < count; i++)
            wish->full |= !find(wish->set, places[i]);
    return !wish->full;
}

static bool lacks(struct cmd_call *call) {
    struct connection *connection = call->client->connection;
    struct wish wish = {.call = call, .worker = connection->worker, .set = connection->tier};
    tier_each_key(call, is_known, &wish);
    return wish.full;
}

static bool show(struct cmd_call *call, const struct cache_key *key, struct slice *ret_value,
                 struct cache_info *ret_info) {
    struct connection *connection = call->client->connection;
    struct worker *worker = connection->worker;
    struct cache *cache = worker->server->cache;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    uint32_t count = cache_tier_ask(cache, key, places);
    for (uint32_t i = 0; i < count; i++) {
        const struct tier_read *read = find(connection->tier, places[i]);
        if (!read || read->state != READ_ENDED)
            return false;
        if (read->outcome != WARM_FOUND)
            continue;
        struct cache_tier_found record = found_of(read);
        enum cache_tier_verdict verdict =
            cache_tier_look(cache, &worker->actor, key, read->place, &record, true, ret_info);
        if (verdict == CACHE_TIER_SHOWN && ret_info->type == CACHE_STRING) {
            *ret_value = record.value;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------ walks */

/* Its cell leads elsewhere: it is in memory, or has moved. What stands there by now has the same name, which is all that is asked. */
static bool is_still_there(struct worker *worker, const struct cache_key *key, const struct cache_tier_found *found,
                           struct cache_info *ret_info) {
    struct cache *cache = worker->server->cache;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    if (cache_find(cache, &worker->actor, key, false, ret_info))
        return true;
    for (uint32_t i = 0, count = cache_tier_ask(cache, key, places); i < count; i++) {
        enum cache_tier_verdict verdict = cache_tier_look(cache, &worker->actor, key, places[i], found, true, ret_info);
        if (verdict == CACHE_TIER_SHOWN || verdict == CACHE_TIER_WANTED)
            return true;
    }
    return cache_find(cache, &worker->actor, key, false, ret_info);
}

/* What may not be shown without the ordinary ways goes into memory, where they decide; with its value, which is read for that. */
static enum tier_name name_it(struct worker *worker, const struct tier_read *read, const struct cache_key *key,
                              struct cache_info *ret_info) {
    struct cache *cache = worker->server->cache;
    struct cache_tier_found found = found_of(read);
    enum cache_tier_verdict verdict = cache_tier_look(cache, &worker->actor, key, read->place, &found, true, ret_info);
    if (verdict == CACHE_TIER_WANTED && ret_info->type == CACHE_STRING && ret_info->expires_at_ms &&
        ret_info->expires_at_ms <= worker->actor.now_ms)
        return TIER_NONE;
    if (verdict == CACHE_TIER_WANTED && read->name_only)
        return add(read->set, read->place, false) == STATUS_OK ? TIER_WAITS : TIER_NONE;
    if (verdict == CACHE_TIER_WANTED &&
        cache_tier_promote(cache, &worker->actor, key, read->place, &found) == STATUS_OK)
        verdict = CACHE_TIER_AGAIN;
    bool there = verdict == CACHE_TIER_AGAIN ? is_still_there(worker, key, &found, ret_info)
                                             : verdict == CACHE_TIER_SHOWN || verdict == CACHE_TIER_WANTED;
    return there ? TIER_NAMED : TIER_NONE;
}

static enum tier_name name(struct cmd_call *call, const struct cache_tier_place *place, struct cache_key *ret_key,
                           struct cache_info *ret_info) {
    struct connection *connection = call->client->connection;
    struct worker *worker = connection->worker;
    struct tier_set *set = set_of(connection);
    const struct tier_read *read = find_name(set, *place);
    if (!set || (!read && worker->tier.reads >= TIER_READS_MAX))
        return TIER_NONE;
    if (!read)
        return add(set, *place, true) == STATUS_OK ? TIER_WAITS : TIER_NONE;
    if (read->state != READ_ENDED)
        return TIER_WAITS;
    if (read->outcome == WARM_STALE)
        return TIER_ELSEWHERE;
    struct cache_tier_found found = found_of(read);
    if (read->outcome != WARM_FOUND || !cache_tier_key(worker->server->cache, &found, ret_key))
        return TIER_NONE;
    return name_it(worker, read, ret_key, ret_info);
}

static bool wait_for_names(struct cmd_call *call) {
    struct connection *connection = call->client->connection;
    struct tier_set *set = connection->tier;
    if (!set || set->rounds >= TIER_ROUNDS_MAX)
        return false;
    begin_wait(set, call);
    return true;
}

static void forget_names(struct cmd_call *call) {
    struct connection *connection = call->client->connection;
    if (connection->tier)
        tiering_forget(connection);
}

const struct cmd_tier tiering_calls = {
    .fetch = fetch, .lacks = lacks, .show = show, .name = name, .wait = wait_for_names, .forget = forget_names};

bool tiering_refuses_upload(struct connection *connection, const struct cmd_spec *spec, const struct slice *argv,
                            uint32_t argc) {
    struct server *server = connection->worker->server;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    if (!server->env.tier || !spec->key_at || !tier_asks_first(spec, argv, argc))
        return false;
    struct cache_key key = cache_key(server->cache, connection->client.db, argv[spec->key_at]);
    return cache_tier_ask(server->cache, &key, places) > 0;
}
