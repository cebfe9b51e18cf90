#include "app/server/changes.h"

#include "app/cmd/rights.h"
#include "app/server/cause.h"
#include "app/server/history.h"
#include "app/server/leases.h"
#include "app/server/notify.h"
#include "app/server/worker.h"
#include "base/bits.h"

struct note {
    const struct cmd_spec *spec;
    uint64_t client;
    uint32_t kind, db, place, name_size;
    uint64_t told_at;   /* in the notes: packed (cause.h) */
    uint32_t told_size; /* 0: there is nothing */
    uint8_t how;        /* enum cmd_change */
    bool is_first, planned, of_nothing;
    bool tells; /* it stands behind this one */
};

/* What a watcher does. */
typedef void (*watch)(struct worker *worker, const struct change *change);

static const watch watches[CHANGES_WATCHERS] = {
    [CHANGES_TO_PUBLISH] = notify_change,
    [CHANGES_TO_TRACK] = tracking_change,
    [CHANGES_TO_STREAM] = streaming_change,
    [CHANGES_TO_FOLLOW] = rules_follow,
};

/* Under changes_lock. */
static void want_all(struct server *server) {
    uint32_t all = 0;
    uint32_t of_keys = server->changes_wanted[CHANGES_TO_PUBLISH] | server->changes_wanted[CHANGES_TO_TRACK];
    for (int i = 0; i < CHANGES_WATCHERS; i++)
        all |= server->changes_wanted[i];
    atomic_store_explicit(&server->changes_noted, all, memory_order_relaxed);
    if (!server->changes_held)
        cache_changes_want(server->cache, changes_asked(all, of_keys) | server->changes_to_leases);
}

void changes_hold(struct server *server, bool hold) {
    pthread_mutex_lock(&server->changes_lock);
    server->changes_held = hold;
    if (hold)
        cache_changes_want(server->cache, 0);
    want_all(server);
    pthread_mutex_unlock(&server->changes_lock);
}

/* The history is always told, and does not mind when it hears of an expiry. What a client has a copy of, or is told of by name, is found before
 * it goes. */
uint32_t changes_asked(uint32_t watched, uint32_t by_name) {
    uint32_t unhurried = watched >> CACHE_EXPIRED & 1 ? 0 : 1u << CACHE_UNHURRIED,
             each = by_name >> CACHE_DELETED & 1 ? 1u << CACHE_EACH : 0;
    return watched | HISTORY_CHANGES | unhurried | each;
}

void changes_want_leases(struct server *server, uint32_t kinds) {
    pthread_mutex_lock(&server->changes_lock);
    server->changes_to_leases = kinds;
    want_all(server);
    pthread_mutex_unlock(&server->changes_lock);
}

void changes_want(struct worker *worker, enum changes_watcher watcher, uint32_t kinds) {
    struct server *server = worker->server;
    pthread_mutex_lock(&server->changes_lock);
    server->changes_wanted[watcher] = kinds;
    want_all(server);
    pthread_mutex_unlock(&server->changes_lock);
    worker->changes.passes = true;
    worker->changes.waiting = true;
}

/* What the call says of a change, while its arguments are there. */
static void add_call(struct note *note, const struct cmd_call *call, struct slice name) {
    note->spec = call->spec;
    note->client = call->client->id;
    note->how = (uint8_t)call->change;
    /* Commands that run in a row, and so without arguments in the call, remove nothing. */
    note->is_first = note->kind == CACHE_DELETED && call->spec->remove_event.size &&
                     slice_equal(name, call->argv[call->spec->key_at]);
}

/* Kinds that happen to entries by themselves, though perhaps while a command runs. */
enum {
    CHANGES_BY_THEMSELVES = 1 << CACHE_EXPIRED | 1 << CACHE_EVICTED | 1 << CACHE_INVALIDATED | 1 << CACHE_MISSED |
                            1 << CACHE_SOFTENED | 1 << CACHE_STALE_GONE | 1 << CACHE_DEMOTED
};

/* An entry that is dead by a tag is found, and one that is named goes softly; what is stale is taken away by a command, unless a tag does. */
static bool is_by_itself(const struct worker *worker, enum cache_change kind) {
    return CHANGES_BY_THEMSELVES >> kind & 1 &&
           !(kind == CACHE_INVALIDATED && worker->cause.active && worker->actor.killed_by == ACTOR_NOT_KILLED) &&
           !(kind == CACHE_STALE_GONE && worker->actor.killed_by == ACTOR_NOT_KILLED);
}

/* Who made the change that is being noted, and what for. */
static void fill_author(struct worker *worker, const struct cmd_call *call, struct note *note,
                        struct cause_told *ret_told) {
    *ret_told =
        (struct cause_told){.killer = worker->actor.killer, .by_ban = worker->actor.killed_by == ACTOR_KILLED_BY_BAN};
    const struct worker_cause *cause = &worker->cause;
    if (is_by_itself(worker, (enum cache_change)note->kind))
        return;
    ret_told->cause = cause_now(worker);
    if (cause->active && cause->spec) {
        note->spec = cause->spec;
        note->client = cause->client;
        ret_told->who = cause->who;
    } else if (call->client) {
        const struct cmd_client *client = call->client;
        struct slice service = rights_service(client);
        ret_told->who = service.size ? service : buf_slice(&client->name);
    }
}

/* Notes that say the same of themselves one after the other, as in a cascade, say it once. */
static bool says_the_same(const struct changes *changes, struct slice told) {
    return told.size == changes->told_size &&
           (told.size == 0 || memcmp(changes->notes.data + changes->told_at, told.data, told.size) == 0);
}

static size_t put(struct buf *notes, const void *bytes, size_t size) {
    size_t at = notes->size;
    if (size)
        memcpy(notes->data + at, bytes, size);
    notes->size += bits_align_up(size, sizeof(uint64_t));
    return at;
}

/*  [note][name][what it tells, unless an earlier one does]  */
static enum status append(struct changes *changes, struct note *note, struct slice name, struct slice told) {
    bool same = says_the_same(changes, told);
    size_t size =
        sizeof *note + bits_align_up(name.size, sizeof(uint64_t)) + bits_align_up(told.size, sizeof(uint64_t));
    TRY(buf_reserve(&changes->notes, size));
    note->told_size = (uint32_t)told.size;
    note->tells = !same;
    note->told_at =
        same ? changes->told_at : changes->notes.size + sizeof *note + bits_align_up(name.size, sizeof(uint64_t));
    put(&changes->notes, note, sizeof *note);
    put(&changes->notes, name.data, name.size);
    if (!same) {
        changes->told_at = put(&changes->notes, told.data, told.size);
        changes->told_size = note->told_size;
    }
    return STATUS_OK;
}

/* The change as the history keeps it, at once. */
static void note_history(struct worker *worker, const struct note *note, struct slice name,
                         const struct cause_told *told) {
    bool by_itself = is_by_itself(worker, (enum cache_change)note->kind);
    history_note(worker, (enum cache_change)note->kind, note->place, name, by_itself ? NULL : note->spec,
                 by_itself ? 0 : note->client, told);
    enum {
        OF_MANY = 1 << CACHE_FLUSHED | 1 << CACHE_TAG_INVALIDATED | 1 << CACHE_TAG_SOFTENED | 1 << CACHE_BANNED |
                  1 << CACHE_NOTHING_DELETED | 1 << CACHE_SWAPPED | 1 << CACHE_SOFTENED | 1 << CACHE_STALE_GONE
    };
    if (!(OF_MANY >> note->kind & 1))
        class_stats_gone(worker, (enum cache_change)note->kind, name, told->cause != NULL);
}

void changes_remember(struct worker *worker, enum cache_change kind, uint32_t place, struct slice name) {
    const struct cmd_call *call = worker->changes.queued ? worker->changes.queued : &worker->call;
    struct note note = {.kind = kind, .place = place};
    struct cause_told told;
    if (call->client) {
        add_call(&note, call, name);
        history_note_client(worker, call->client);
    }
    fill_author(worker, call, &note, &told);
    note_history(worker, &note, name, &told);
}

void changes_note(void *context, struct actor *actor, unsigned kind, uint32_t place, struct slice name) {
    struct server *server = context;
    struct worker *worker = worker_of_actor(actor);
    bool leased = atomic_load_explicit(&server->changes_to_leases, memory_order_relaxed) >> kind & 1 &&
                  leases_note(worker, (enum cache_change)kind, place, name);
    if (kind == CACHE_MISSED) {
        class_stats_miss(worker, name, history_note_miss(worker, place, name));
        hot_keys_missed(worker, place, name);
    }
    /* What was not there is remembered only if somebody was loading it, and will ask why that is refused. */
    bool kept = (kind != CACHE_MISSED && HISTORY_CHANGES >> kind & 1) || (leased && kind == CACHE_NOTHING_DELETED);
    bool noted = atomic_load_explicit(&server->changes_noted, memory_order_relaxed) >> kind & 1;
    if (!kept && !noted)
        return;
    struct changes *changes = &worker->changes;
    const struct cmd_call *call = changes->queued ? changes->queued : &worker->call;
    if (call->client && call->change == CMD_CHANGE_UNTOLD)
        return;
    struct note note = {.kind = kind,
                        .place = place,
                        .name_size = (uint32_t)name.size,
                        .planned = worker->rules.planned,
                        .of_nothing = actor->of_nothing};
    struct cause_told told;
    if (call->client) {
        add_call(&note, call, name);
        history_note_client(worker, call->client);
    }
    fill_author(worker, call, &note, &told);
    if (kept)
        note_history(worker, &note, name, &told);
    if (!noted)
        return;
    uint8_t packed[CAUSE_PACKED_MAX];
    note.db = place < CACHE_DATABASES && kind != CACHE_MISSED ? cache_db_of(server->cache, place) : place;
    changes->waiting = true;
    changes->noted++;
    if (append(changes, &note, name, slice_make(packed, cause_pack(&told, packed))) != STATUS_OK)
        changes->lost = true, changes->unfollowed |= !note.planned;
}

/* Client-side caching may know already. */
static void tell(struct worker *worker, const struct change *change, bool tracked) {
    for (int i = 0; i < CHANGES_WATCHERS; i++)
        if (watches[i] && !(tracked && i == CHANGES_TO_TRACK))
            watches[i](worker, change);
}

/* Reads the note at `at`; answers where the next one is. */
static size_t read_note(const struct buf *notes, size_t at, struct cause *ret_cause, struct change *ret_change) {
    struct note note;
    struct cause_told told;
    memcpy(&note, notes->data + at, sizeof note);
    cause_unpack(slice_make(notes->data + note.told_at, note.told_size), &told, ret_cause);
    *ret_change = (struct change){.kind = (enum cache_change)note.kind,
                                  .db = note.db,
                                  .place = note.place,
                                  .name = slice_make(notes->data + at + sizeof note, note.name_size),
                                  .spec = note.spec,
                                  .client = note.client,
                                  .how = (enum cmd_change)note.how,
                                  .who = told.who,
                                  .cause = told.cause,
                                  .killer = told.killer,
                                  .by_ban = told.by_ban,
                                  .is_first = note.is_first,
                                  .of_nothing = note.of_nothing,
                                  .planned = note.planned};
    return at + sizeof note + bits_align_up(note.name_size, sizeof(uint64_t)) +
           (note.tells ? bits_align_up(note.told_size, sizeof(uint64_t)) : 0);
}

static void tell_all(struct worker *worker, const struct buf *notes, size_t tracked) {
    struct change change;
    struct cause cause;
    for (size_t at = 0, next; at < notes->size; at = next) {
        next = read_note(notes, at, &cause, &change);
        tell(worker, &change, at < tracked);
    }
}

void changes_track_now(struct worker *worker) {
    struct changes *changes = &worker->changes;
    struct change change;
    struct cause cause;
    while (changes->tracked < changes->notes.size) {
        changes->tracked = read_note(&changes->notes, changes->tracked, &cause, &change);
        tracking_change(worker, &change);
    }
}

size_t changes_each_followed(struct worker *worker, size_t at,
                             void (*visit)(void *context, uint32_t place, struct slice name), void *context) {
    const struct changes *changes = &worker->changes;
    struct change change;
    struct cause cause;
    if (changes->lost && changes->unfollowed)
        visit(context, CACHE_DATABASES, SLICE(""));
    while (at < changes->notes.size) {
        at = read_note(&changes->notes, at, &cause, &change);
        if (rules_fires(worker, &change))
            visit(context, change.place, change.name);
    }
    return at;
}

/* Empties the notes for those to come, unless others were made meanwhile. */
static void keep(struct changes *changes, struct buf *notes) {
    enum { KEPT_MAX = 64 * 1024 };
    if (changes->notes.data || notes->capacity > KEPT_MAX) {
        buf_fini(notes);
        return;
    }
    changes->notes = *notes;
    buf_clear(&changes->notes);
}

void changes_hand_on(struct worker *worker) {
    struct changes *changes = &worker->changes;
    while (changes->waiting) {
        bool lost = changes->lost, passes = changes->passes, unfollowed = changes->unfollowed;
        struct buf notes = changes->notes;
        size_t tracked = changes->tracked;
        changes->tracked = 0;
        changes->told_size = 0;
        worker->kept.looked_at = 0;
        buf_init(&changes->notes, notes.memory);
        changes->waiting = changes->lost = changes->passes = changes->unfollowed = false;
        if (passes)
            cache_changes_pass(worker->server->cache, &worker->actor);
        tell_all(worker, &notes, tracked);
        if (lost)
            tell(worker, &(struct change){.db = CACHE_DATABASES, .lost = true, .planned = !unfollowed}, false);
        tracking_post(worker);
        streaming_post(worker);
        keep(changes, &notes);
    }
    if (kept_is_following(&worker->kept)) {
        kept_followed(worker);
        changes->waiting = false; /* nothing but that was staged */
    }
    if (worker->actor.noted.lsn)
        persistence_note(worker);
}
