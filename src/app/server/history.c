#include "app/server/history.h"

#include <stdio.h>

#include "app/server/worker.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/hash.h"
#include "core/history/history.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/random.h"

enum {
    PARTS_MAX = 16,
    PART_BYTES_MIN = 64 * 1024,
    CLIENTS = 4096,   /* whose addresses are kept */
    STALE_SEED = 500, /* with a place, beyond all places: what became of what was stale */
    BANS_SEED = 999,
    TAGS_SEED = 1000,
    DETAIL_OVER_CAPACITY = 1,
    DETAIL_CAUSED = 2,    /* it follows from an invalidation or event */
    DETAIL_SOFT = 4,      /* what went may have been shown as stale from then on */
    DETAIL_AT_LATEST = 8, /* cmd_gone */
    TAG_STEPS_MAX = 64,   /* back in the invalidations of a tag */
    /* of the word of a miss: | mark 24 | cause 4 | milliseconds since the history began 36 | */
    MISS_MARK_AT = 40,
    MISS_CAUSE_AT = 36,
};
static_assert((int)CAUSE_PACKED_MAX <= (int)HISTORY_TEXT_MAX && MISS_CAUSES <= 16, "they fit");
static_assert(sizeof((struct cmd_gone *)0)->bytes >= CAUSE_PACKED_MAX, "a copy has room");

struct part {
    pthread_mutex_t lock __attribute__((aligned(64)));
    struct history table;
};

/* When a database was emptied the last time, or all of them, or a store; or got another number. */
struct flush {
    _Atomic uint64_t when_ms; /* 0: never */
    uint64_t number;          /* of all flushes and swaps */
    uint32_t other;           /* of a swap: the place that the database had before */
    uint64_t client;
    const struct cmd_spec *spec;
    uint8_t text[CAUSE_PACKED_MAX];
    size_t text_size;
};

/* Where a client that has taken something away came from; the next with the same low bits takes its place. */
struct known_client {
    _Atomic uint64_t id; /* 0: nobody */
    char address[CMD_ADDRESS_MAX + 1];
};

struct server_history {
    struct server *server;
    struct part parts[PARTS_MAX];
    _Atomic uint32_t part_count; /* 0: nothing is remembered */
    uint64_t seed, began_ms;
    uint64_t size_bytes; /* as it was set up for; under flush_lock */
    pthread_mutex_t flush_lock;
    /* By place, and behind these by the number of the store; under flush_lock but for the times. */
    struct flush flushes[CACHE_DATABASES + CACHE_STORES_MAX];
    struct flush swaps[CACHE_DATABASES]; /* by place, also under flush_lock */
    uint64_t flush_number;
    atomic_bool stores_flushed; /* some was */
    _Atomic uint64_t *misses;   /* never moves while the server runs */
    uint64_t miss_mask;
    size_t misses_size;
    const struct cmd_spec **specs; /* by index */
    pthread_mutex_t clients_lock;
    struct known_client clients[CLIENTS]; /* by the low bits of the id; under clients_lock but for the ids */
};

/* ------------------------------------------------------------------------------------------ begin and end */

static void index_specs(const struct server_history *history) {
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        history->specs[cmd_table[i].index] = &cmd_table[i];
        for (uint32_t j = 0; j < cmd_table[i].subcommand_count; j++)
            history->specs[cmd_table[i].subcommands[j].index] = &cmd_table[i].subcommands[j];
    }
}

enum status history_start(struct server *server) {
    enum { MISSES = 1 << 15 }; /* 256 KiB */
    struct server_history *history = memory_take(&memory_libc, sizeof *history);
    if (!history)
        return STATUS_NO_MEMORY;
    memset(history, 0, sizeof *history);
    server->history = history;
    history->server = server;
    history->seed = random_u64();
    history->began_ms = clock_unix_ms();
    pthread_mutex_init(&history->flush_lock, NULL);
    pthread_mutex_init(&history->clients_lock, NULL);
    for (int i = 0; i < PARTS_MAX; i++)
        pthread_mutex_init(&history->parts[i].lock, NULL);
    history->misses_size = MISSES * sizeof *history->misses;
    history->miss_mask = MISSES - 1;
    history->misses = memory_take(&memory_libc, history->misses_size);
    history->specs = memory_take(&memory_libc, cmd_index_count * sizeof(struct cmd_spec *));
    if (!history->misses || !history->specs)
        return STATUS_NO_MEMORY;
    memset((void *)history->misses, 0, history->misses_size);
    index_specs(history);
    return STATUS_OK;
}

void history_stop(struct server *server) {
    struct server_history *history = server->history;
    if (!history)
        return;
    for (int i = 0; i < PARTS_MAX; i++) {
        history_fini(&history->parts[i].table);
        pthread_mutex_destroy(&history->parts[i].lock);
    }
    pthread_mutex_destroy(&history->flush_lock);
    pthread_mutex_destroy(&history->clients_lock);
    memory_give(&memory_libc, (void *)history->misses, history->misses_size);
    memory_give(&memory_libc, history->specs, cmd_index_count * sizeof(struct cmd_spec *));
    memory_give(&memory_libc, history, sizeof *history);
    server->history = NULL;
}

/* A part without memory remembers nothing. */
static void renew_part(struct part *part, size_t size) {
    pthread_mutex_lock(&part->lock);
    history_fini(&part->table);
    if (size && history_init(&part->table, size, &memory_libc) != STATUS_OK)
        log_warning("No memory for a history of removed keys: %zu bytes", size);
    pthread_mutex_unlock(&part->lock);
}

void history_settle(struct server *server) {
    struct server_history *history = server->history;
    uint64_t wanted = SETTING(server, history_bytes);
    uint64_t size = wanted < HISTORY_BYTES_MIN ? 0 : wanted;
    pthread_mutex_lock(&history->flush_lock);
    bool same = history->size_bytes == size;
    history->size_bytes = size;
    pthread_mutex_unlock(&history->flush_lock);
    if (same)
        return;
    uint32_t count = size >= PARTS_MAX * PART_BYTES_MIN ? PARTS_MAX : size ? 1 : 0;
    for (uint32_t i = 0; i < PARTS_MAX; i++)
        renew_part(&history->parts[i], i < count ? (size_t)(size / count) : 0);
    atomic_store(&history->part_count, count);
}

/* ------------------------------------------------------------------------------------------ in */

/* Seeds that lie apart: short names would have one hash by seeds that differ in as few bits as the names. */
static uint64_t seed_of(const struct server_history *history, uint64_t number) {
    return history->seed + number * 0x9e3779b97f4a7c15u;
}

static uint64_t hash_of(const struct server_history *history, uint32_t place, struct slice name) {
    return hash_bytes(name, seed_of(history, place));
}

/* The part of a hash, locked; NULL: nothing is remembered. The table takes the lower bits. */
static struct part *enter(struct server_history *history, uint64_t hash) {
    uint32_t count = atomic_load_explicit(&history->part_count, memory_order_relaxed);
    if (count == 0)
        return NULL;
    struct part *part = &history->parts[hash >> 60 & (count - 1)];
    pthread_mutex_lock(&part->lock);
    if (part->table.piece)
        return part;
    pthread_mutex_unlock(&part->lock);
    return NULL;
}

void history_note_client(struct worker *worker, const struct cmd_client *client) {
    struct server_history *history = worker->server->history;
    const struct connection *connection = client->connection;
    struct known_client *known = &history->clients[client->id % CLIENTS];
    if (__builtin_expect(atomic_load_explicit(&known->id, memory_order_relaxed) == client->id, 1) || !connection)
        return;
    pthread_mutex_lock(&history->clients_lock);
    snprintf(known->address, sizeof known->address, "%.*s", CMD_ADDRESS_MAX, connection->peer);
    atomic_store_explicit(&known->id, client->id, memory_order_relaxed);
    pthread_mutex_unlock(&history->clients_lock);
}

static void read_address(struct server_history *history, struct cmd_gone *gone) {
    const struct known_client *known = &history->clients[gone->client % CLIENTS];
    gone->address[0] = '\0';
    pthread_mutex_lock(&history->clients_lock);
    if (gone->client && atomic_load_explicit(&known->id, memory_order_relaxed) == gone->client)
        memcpy(gone->address, known->address, sizeof known->address);
    pthread_mutex_unlock(&history->clients_lock);
}

/* Under flush_lock. */
static void fill_flush(struct server_history *history, struct flush *flush, uint64_t now_ms,
                       const struct cmd_spec *spec, uint64_t client, const struct cause_told *told) {
    flush->number = ++history->flush_number;
    flush->client = client;
    flush->spec = spec;
    flush->text_size = cause_pack(told, flush->text);
    atomic_store_explicit(&flush->when_ms, now_ms, memory_order_relaxed);
}

/* `store`: the name of the one that was emptied, in all databases; empty: it was not by store. */
static void note_flush(struct server_history *history, uint32_t place, struct slice store, uint64_t now_ms,
                       const struct cmd_spec *spec, uint64_t client, const struct cause_told *told) {
    uint32_t from = 0, until = CACHE_DATABASES, number;
    if (store.size && cache_store_find(history->server->cache, store, &number)) {
        from = CACHE_DATABASES + number;
        until = from + 1;
        atomic_store_explicit(&history->stores_flushed, true, memory_order_relaxed);
    } else if (place != CACHE_DATABASES) {
        from = place;
        until = place + 1;
    }
    pthread_mutex_lock(&history->flush_lock);
    for (uint32_t i = from; i < until; i++)
        fill_flush(history, &history->flushes[i], now_ms, spec, client, told);
    pthread_mutex_unlock(&history->flush_lock);
}

static void note_swap(struct worker *worker, uint32_t place, const struct cmd_spec *spec, uint64_t client,
                      const struct cause_told *told) {
    struct server_history *history = worker->server->history;
    if (place == worker->actor.swapped_with)
        return;
    pthread_mutex_lock(&history->flush_lock);
    history->swaps[place].other = worker->actor.swapped_with;
    fill_flush(history, &history->swaps[place], worker->actor.now_ms, spec, client, told);
    pthread_mutex_unlock(&history->flush_lock);
}

static uint64_t flushed_ms(const struct server_history *history, uint32_t at) {
    return atomic_load_explicit(&history->flushes[at].when_ms, memory_order_relaxed);
}

/* Which flush may have taken the key: the last of its database, or of its store. */
static uint32_t flush_of(const struct server_history *history, uint32_t place, struct slice name) {
    const struct cache *cache = history->server->cache;
    if (!atomic_load_explicit(&history->stores_flushed, memory_order_relaxed))
        return place;
    const struct cache_key key = {.name = name, .hash = cache_hash_at(cache, place, name), .place = place};
    uint32_t of_store = CACHE_DATABASES + cache_store_of(cache, &key);
    return flushed_ms(history, of_store) > flushed_ms(history, place) ? of_store : place;
}

void history_forget_store(struct server *server, uint32_t store) {
    struct server_history *history = server->history;
    if (history)
        atomic_store_explicit(&history->flushes[CACHE_DATABASES + store].when_ms, 0, memory_order_relaxed);
}

/* Of a tag's invalidation: its stamp and that of the one before stand where the tag by which an entry has died would. */
struct tag_stamps {
    uint64_t before, own;
};

static uint64_t hash_of_tag(const struct server_history *history, struct slice tag, uint64_t stamp) {
    return hash_bytes(tag, seed_of(history, TAGS_SEED + stamp));
}

static uint64_t hash_of_ban(const struct server_history *history, uint64_t stamp) {
    return hash_bytes(slice_make((const uint8_t *)&stamp, sizeof stamp), seed_of(history, BANS_SEED));
}

static void add_event(struct server_history *history, uint64_t hash, const struct history_event *event) {
    struct part *part = enter(history, hash);
    if (!part)
        return;
    history_add(&part->table, hash, event);
    pthread_mutex_unlock(&part->lock);
}

static uint32_t detail_of(const struct cause_told *told) { return told->cause ? DETAIL_CAUSED : 0; }

static bool look_up(struct server_history *history, uint64_t hash, struct cmd_gone *ret_gone, uint32_t *ret_detail);

/* What one invalidation of a tag was. */
static bool look_up_tag(struct server_history *history, struct slice tag, uint64_t stamp, struct cmd_gone *ret_gone,
                        struct tag_stamps *ret_stamps, bool *ret_soft) {
    uint32_t detail;
    if (!look_up(history, hash_of_tag(history, tag, stamp), ret_gone, &detail) ||
        ret_gone->killer.size != sizeof *ret_stamps)
        return false;
    memcpy(ret_stamps, ret_gone->killer.data, sizeof *ret_stamps);
    *ret_soft = detail & DETAIL_SOFT;
    return true;
}

/* As the latest, and by its stamp. What nobody bears kills nobody, but may be what a value that is being loaded was to bear. */
static void note_tag(struct worker *worker, enum cache_change kind, struct slice tag, struct history_event *event,
                     const struct cause_told *told) {
    struct server_history *history = worker->server->history;
    const uint64_t *of = worker->actor.tag_stamps;
    struct tag_stamps stamps = {of[0], of[1]};
    struct cause_told with_stamps = *told;
    uint8_t bytes[CAUSE_PACKED_MAX];
    if (!stamps.own && atomic_load_explicit(&worker->server->changes_to_leases, memory_order_relaxed))
        stamps.own = cache_stamp(worker->server->cache);
    if (!stamps.own)
        return;
    with_stamps.killer = slice_make((const uint8_t *)&stamps, sizeof stamps);
    event->kind = CACHE_TAG_INVALIDATED;
    event->detail = detail_of(told) | (kind == CACHE_TAG_SOFTENED ? DETAIL_SOFT : 0);
    event->text = slice_make(bytes, cause_pack(&with_stamps, bytes));
    add_event(history, hash_of_tag(history, tag, stamps.own), event);
    add_event(history, hash_of_tag(history, tag, 0), event);
}

/* A ban has a stamp that no other has or had, and is remembered by it. */
static void note_ban(struct worker *worker, struct history_event *event, const struct cause_told *told) {
    uint8_t bytes[CAUSE_PACKED_MAX];
    event->kind = CACHE_PATTERN_GOING;
    event->text = slice_make(bytes, cause_pack(told, bytes));
    add_event(worker->server->history, hash_of_ban(worker->server->history, worker->actor.ban_stamp), event);
}

/* Which invalidations of a tag took an entry: the first of all, and the first that was not soft, by their stamps. */
struct killing {
    uint64_t any, hard;    /* 0: none is known */
    bool any_soft;         /* the first was */
    bool at_latest;        /* there may have been one before, which is forgotten */
    uint64_t after, until; /* for entries with stamps between these the answer is the same */
};

/* Of an entry with that stamp; with 0, the latest. */
static bool find_killing(struct server_history *history, struct slice tag, uint64_t stamp,
                         struct killing *ret_killing) {
    struct tag_stamps stamps = {0, UINT64_MAX};
    struct killing killing = {.any = 0};
    struct cmd_gone gone;
    uint64_t at = 0;
    bool soft;
    for (int i = 0; i < TAG_STEPS_MAX && look_up_tag(history, tag, at, &gone, &stamps, &soft); i++) {
        if (stamps.own < stamp)
            break;
        killing.any = stamps.own, killing.any_soft = soft;
        killing.hard = soft ? killing.hard : stamps.own;
        at = stamps.before;
        if (at < stamp || !stamp || !at)
            break;
    }
    killing.at_latest = stamps.before >= (stamp ? stamp : 1);
    killing.after = stamps.before;
    killing.until = stamps.own;
    *ret_killing = killing;
    return killing.any != 0;
}

/* The same for entries that a worker finds dead one after the other, mostly by one invalidation. */
static bool find_killing_again(struct worker *worker, struct slice tag, struct killing *ret_killing) {
    struct server_history *history = worker->server->history;
    struct worker_killer *last = &worker->killer;
    uint64_t stamp = worker->actor.entry_stamp, hash = hash_of_tag(history, tag, 0);
    if (last->tag == hash && stamp > last->after && stamp <= last->until) {
        *ret_killing = (struct killing){last->any, last->hard, last->any_soft, false, last->after, last->until};
        return true;
    }
    last->tag = 0;
    if (!find_killing(history, tag, stamp, ret_killing))
        return false;
    if (!ret_killing->at_latest && ret_killing->hard) /* what was only softened may be invalidated later */
        *last = (struct worker_killer){
            hash, ret_killing->after, ret_killing->until, ret_killing->any, ret_killing->hard, ret_killing->any_soft};
    return true;
}

/* The invalidation of a tag with that stamp: if that is forgotten sooner than the latest of its tag, perhaps it was this. */
static bool look_up_own(struct server_history *history, struct slice tag, uint64_t own, struct cmd_gone *ret_gone) {
    struct tag_stamps stamps;
    bool soft;
    return look_up_tag(history, tag, own, ret_gone, &stamps, &soft) ||
           (look_up_tag(history, tag, 0, ret_gone, &stamps, &soft) && stamps.own == own);
}

/* What took an entry, of its tags and a ban. */
struct death {
    struct slice killer;
    bool by_ban, soft, at_latest;
    uint64_t own; /* the stamp of the invalidation */
};

/* The first that took it; `hard`: that did not leave it as stale. False: none is known. */
static bool find_death(struct worker *worker, bool hard, struct death *ret_death) {
    const struct actor *actor = &worker->actor;
    struct death death = {.own = UINT64_MAX};
    bool forgotten = false;
    if (actor->killed_by == ACTOR_KILLED_BY_BAN)
        death = (struct death){.killer = actor->killer, .by_ban = true, .own = actor->killed_stamp};
    for (uint32_t i = 0; i < actor->killer_tag_count; i++) {
        struct killing killing;
        bool known = find_killing_again(worker, actor->killer_tags[i], &killing);
        uint64_t own = hard ? killing.hard : killing.any;
        forgotten |= !known || killing.at_latest;
        if (known && own && own < death.own)
            death = (struct death){.killer = actor->killer_tags[i], .soft = !hard && killing.any_soft, .own = own};
    }
    death.at_latest = forgotten && !death.by_ban;
    *ret_death = death;
    return death.own != UINT64_MAX;
}

/* Who did that, and when. */
static bool look_up_death(struct server_history *history, const struct death *death, struct cmd_gone *ret_gone) {
    uint32_t detail;
    return death->by_ban ? look_up(history, hash_of_ban(history, death->own), ret_gone, &detail)
                         : look_up_own(history, death->killer, death->own, ret_gone);
}

/* Notes that the key, or what was stale of it, died by whoever invalidated its tag or banned its pattern. */
static void note_death(struct server_history *history, uint64_t hash, const struct death *death,
                       const struct cmd_gone *by) {
    uint8_t bytes[CAUSE_PACKED_MAX];
    const struct cause_told told = {
        .who = by->who, .killer = death->killer, .by_ban = death->by_ban, .cause = by->has_cause ? &by->cause : NULL};
    struct history_event event = {.when_ms = by->when_ms,
                                  .client = by->client,
                                  .kind = CACHE_INVALIDATED,
                                  .detail = (death->at_latest ? DETAIL_AT_LATEST : 0) | (death->soft ? DETAIL_SOFT : 0),
                                  .command = by->spec ? by->spec->index + 1 : 0};
    event.text = slice_make(bytes, cause_pack(&told, bytes));
    add_event(history, hash, &event);
}

static uint64_t hash_of_stale(const struct server_history *history, uint32_t place, struct slice name) {
    return hash_bytes(name, seed_of(history, STALE_SEED + place));
}

/* What took away what was stale. */
static void note_stale_gone(struct worker *worker, uint32_t place, struct slice name) {
    struct server_history *history = worker->server->history;
    struct death death;
    struct cmd_gone by;
    if (find_death(worker, true, &death) && look_up_death(history, &death, &by))
        note_death(history, hash_of_stale(history, place, name), &death, &by);
}

/* An entry was found dead or stale: it died when its tag was invalidated, or its pattern banned, by whoever did that. Of one that has expired or goes for
 * want of memory, only if that was before. False: nothing is known of that. */
static bool note_dead(struct worker *worker, enum cache_change kind, uint32_t place, struct slice name) {
    struct server_history *history = worker->server->history;
    struct death death;
    struct cmd_gone by;
    if (!find_death(worker, false, &death) || !look_up_death(history, &death, &by) ||
        (kind == CACHE_EXPIRED && by.when_ms > worker->actor.entry_expires_at_ms))
        return false;
    note_death(history, hash_of(history, place, name), &death, &by);
    if (death.soft && kind == CACHE_INVALIDATED)
        note_stale_gone(worker, place, name);
    return true;
}

static void note_key(struct worker *worker, enum cache_change kind, uint32_t place, struct slice name,
                     struct history_event *event, const struct cause_told *told) {
    struct server_history *history = worker->server->history;
    const struct actor *actor = &worker->actor;
    uint8_t bytes[CAUSE_PACKED_MAX];
    bool killed = actor->killed_by != ACTOR_NOT_KILLED;
    if (kind == CACHE_STALE_GONE && killed) {
        note_stale_gone(worker, place, name);
        return;
    }
    if ((killed || actor->killer_tag_count) && note_dead(worker, kind, place, name))
        return;
    /* Softly by its name, or by its time: what is stale may go later. */
    if (kind == CACHE_SOFTENED || kind == CACHE_EXPIRED || (kind == CACHE_INVALIDATED && !killed))
        event->detail |= DETAIL_SOFT;
    if (kind == CACHE_EVICTED && cache_is_over_capacity(worker->server->cache, place, name))
        event->detail |= DETAIL_OVER_CAPACITY;
    event->kind = kind == CACHE_SOFTENED ? CACHE_INVALIDATED : kind == CACHE_STALE_GONE ? CACHE_DELETED : kind;
    event->text = slice_make(bytes, cause_pack(told, bytes));
    add_event(history, kind == CACHE_STALE_GONE ? hash_of_stale(history, place, name) : hash_of(history, place, name),
              event);
}

void history_note(struct worker *worker, enum cache_change kind, uint32_t place, struct slice name,
                  const struct cmd_spec *spec, uint64_t client, const struct cause_told *told) {
    struct server_history *history = worker->server->history;
    if (kind == CACHE_FLUSHED) {
        note_flush(history, place, name, worker->actor.now_ms, spec, client, told);
        return;
    }
    if (kind == CACHE_SWAPPED) {
        note_swap(worker, place, spec, client, told);
        return;
    }
    struct history_event event = {.when_ms = worker->actor.now_ms,
                                  .client = client,
                                  .kind = kind,
                                  .detail = detail_of(told),
                                  .command = spec ? spec->index + 1 : 0};
    if (kind == CACHE_BANNED)
        note_ban(worker, &event, told);
    else if (kind == CACHE_TAG_INVALIDATED || kind == CACHE_TAG_SOFTENED)
        note_tag(worker, kind, name, &event, told);
    else
        note_key(worker, kind, place, name, &event, told);
}

/* ------------------------------------------------------------------------------------------ misses */

static uint64_t miss_word(const struct server_history *history, uint64_t hash, enum miss_cause cause, uint64_t now_ms) {
    uint64_t since = now_ms > history->began_ms ? now_ms - history->began_ms : 0;
    return hash >> MISS_MARK_AT << MISS_MARK_AT | (uint64_t)cause << MISS_CAUSE_AT |
           (since & ((1ull << MISS_CAUSE_AT) - 1));
}

/* The last miss of a key; false: none is remembered. */
static bool last_miss(const struct server_history *history, uint64_t hash, struct cmd_miss *ret_miss) {
    uint64_t word = atomic_load_explicit(&history->misses[hash & history->miss_mask], memory_order_relaxed);
    if (!word || word >> MISS_MARK_AT != hash >> MISS_MARK_AT)
        return false;
    *ret_miss = (struct cmd_miss){.cause = (enum miss_cause)(word >> MISS_CAUSE_AT & 15),
                                  .when_ms = history->began_ms + (word & ((1ull << MISS_CAUSE_AT) - 1))};
    return true;
}

static enum miss_cause cause_of_kind(uint32_t kind, uint32_t detail) {
    switch (kind) {
        case CACHE_EXPIRED:
            return MISS_EXPIRED;
        case CACHE_EVICTED:
            return MISS_EVICTED;
        case CACHE_INVALIDATED:
            return MISS_INVALIDATED;
        default:
            return detail & DETAIL_CAUSED ? MISS_INVALIDATED : MISS_DELETED;
    }
}

static enum miss_cause cause_of_miss(struct worker *worker, uint32_t place, struct slice name, uint64_t hash) {
    struct server_history *history = worker->server->history;
    switch (cache_look_gone(worker->server->cache, &worker->actor, place, name)) {
        case CACHE_GONE_EXPIRED:
            return MISS_EXPIRED;
        case CACHE_GONE_DEAD:
            return MISS_INVALIDATED;
        case CACHE_GONE_NOTHING:
            return MISS_NOTHING;
        default:
            break;
    }
    struct part *part = enter(history, hash);
    struct history_event event;
    bool found = part && history_find(&part->table, hash, &event);
    if (part)
        pthread_mutex_unlock(&part->lock);
    uint64_t emptied_ms = flushed_ms(history, flush_of(history, place, name));
    uint64_t swapped_ms = atomic_load_explicit(&history->swaps[place].when_ms, memory_order_relaxed);
    if (found && event.when_ms >= emptied_ms)
        return cause_of_kind(event.kind, event.detail);
    if (found)
        return MISS_FLUSHED;
    struct cmd_miss last;
    emptied_ms = swapped_ms > emptied_ms ? swapped_ms : emptied_ms;
    if (emptied_ms && !(last_miss(history, hash, &last) && last.when_ms >= emptied_ms))
        return MISS_FLUSHED;
    return MISS_NEVER;
}

enum miss_cause history_note_miss(struct worker *worker, uint32_t db, struct slice name) {
    struct server_history *history = worker->server->history;
    uint32_t place = cache_place_of(worker->server->cache, db);
    uint64_t hash = hash_of(history, place, name);
    enum miss_cause cause = cause_of_miss(worker, place, name, hash);
    /* A filter's answer is counted before the miss is told of. */
    bool filtered = worker->actor.counts.filtered != worker->filtered_seen;
    worker->filtered_seen = worker->actor.counts.filtered;
    if (filtered && cause == MISS_NEVER)
        cause = MISS_FILTERED;
    worker->misses[cause]++;
    atomic_store_explicit(&history->misses[hash & history->miss_mask],
                          miss_word(history, hash, cause, worker->actor.now_ms), memory_order_relaxed);
    return cause;
}

/* ------------------------------------------------------------------------------------------ out */

static void fill(struct cmd_gone *gone, struct slice text) {
    struct cause_told told;
    memcpy(gone->bytes, text.data ? text.data : gone->bytes, text.size);
    cause_unpack(slice_make(gone->bytes, text.size), &told, &gone->cause);
    gone->who = told.who;
    gone->killer = told.killer;
    gone->by_ban = told.by_ban;
    gone->has_cause = told.cause != NULL;
}

static bool look_up(struct server_history *history, uint64_t hash, struct cmd_gone *ret_gone, uint32_t *ret_detail) {
    struct history_event event;
    struct part *part = enter(history, hash);
    bool found = part && history_find(&part->table, hash, &event);
    if (found) {
        ret_gone->kind = (enum cache_change)event.kind;
        ret_gone->when_ms = event.when_ms;
        ret_gone->client = event.client;
        ret_gone->spec = event.command ? history->specs[event.command - 1] : NULL;
        ret_gone->over_capacity = event.detail & DETAIL_OVER_CAPACITY;
        ret_gone->at_latest = event.detail & DETAIL_AT_LATEST;
        ret_gone->soft = event.detail & DETAIL_SOFT;
        *ret_detail = event.detail;
        ret_gone->text_lost = event.text_lost;
        fill(ret_gone, event.text);
    }
    if (part)
        pthread_mutex_unlock(&part->lock);
    return found;
}

static bool look_up_whole(struct server_history *history, uint64_t hash, struct cmd_gone *ret_gone) {
    uint32_t detail;
    if (!look_up(history, hash, ret_gone, &detail))
        return false;
    read_address(history, ret_gone);
    return true;
}

bool history_api_gone(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone) {
    struct server_history *history = server_of(api)->history;
    return look_up_whole(history, hash_of(history, place, name), ret_gone);
}

bool history_api_stale_gone(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone) {
    struct server_history *history = server_of(api)->history;
    return look_up_whole(history, hash_of_stale(history, place, name), ret_gone);
}

bool history_api_tag_gone(struct cmd_server *api, struct slice tag, uint64_t stamp, bool softly,
                          struct cmd_gone *ret_gone) {
    struct server_history *history = server_of(api)->history;
    struct killing killing;
    if (!find_killing(history, tag, stamp, &killing))
        return false;
    uint64_t own = softly || !stamp ? killing.any : killing.hard;
    if (!own || !look_up_own(history, tag, own, ret_gone))
        return false;
    read_address(history, ret_gone);
    ret_gone->killer = slice_make(NULL, 0);
    ret_gone->at_latest = killing.at_latest;
    return true;
}

/* Under flush_lock. False: that never happened. */
static bool read_flush(struct server_history *history, const struct flush *flush, enum cache_change kind,
                       struct cmd_gone *ret_gone) {
    ret_gone->kind = kind;
    ret_gone->when_ms = atomic_load_explicit(&flush->when_ms, memory_order_relaxed);
    ret_gone->client = flush->client;
    ret_gone->spec = flush->spec;
    ret_gone->over_capacity = ret_gone->text_lost = ret_gone->at_latest = ret_gone->soft = false;
    fill(ret_gone, slice_make(flush->text, flush->text_size));
    read_address(history, ret_gone);
    return ret_gone->when_ms != 0;
}

bool history_api_flushed(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone) {
    struct server_history *history = server_of(api)->history;
    pthread_mutex_lock(&history->flush_lock);
    bool flushed = read_flush(history, &history->flushes[flush_of(history, place, name)], CACHE_FLUSHED, ret_gone);
    pthread_mutex_unlock(&history->flush_lock);
    return flushed;
}

bool history_api_swapped(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone,
                         uint32_t *ret_place) {
    struct server_history *history = server_of(api)->history;
    pthread_mutex_lock(&history->flush_lock);
    const struct flush *swap = &history->swaps[place], *flush = &history->flushes[flush_of(history, place, name)];
    bool swapped = swap->number > flush->number && read_flush(history, swap, CACHE_SWAPPED, ret_gone);
    *ret_place = swap->other;
    pthread_mutex_unlock(&history->flush_lock);
    return swapped;
}

bool history_api_last_miss(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_miss *ret_miss) {
    const struct server_history *history = server_of(api)->history;
    return last_miss(history, hash_of(history, place, name), ret_miss);
}
